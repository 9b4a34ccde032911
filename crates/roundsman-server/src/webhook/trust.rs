//! Whose certificates are believed: those of the machine, else those that browsers believe.

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// What TLS connections to receivers go by: TLS 1.2 or 1.3, and the authorities that the machine
/// believes (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), besides these `extra` ones. On a
/// machine that has none, the authorities that Mozilla believes.
///
/// # Errors
/// An extra certificate is none.
pub fn trust(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    match Verifier::new_with_extra_roots(extra.iter().cloned(), provider) {
        Ok(verifier) => {
            // The name means that another verifier may do worse; this one is the platform's own.
            let builder = builder.dangerous();
            Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
        }
        Err(error) => {
            tracing::warn!(%error, "this machine has no certificate authorities; Mozilla's are used");
            let mut roots = RootCertStore::empty();
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            extra.iter().try_for_each(|root| roots.add(root.clone()))?;
            Ok(builder.with_root_certificates(roots).with_no_client_auth())
        }
    }
}
