//! TLS of the server's own: certificate and key, read again while it runs.

use crate::config::Tls;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// What TLS handshakes go by, from the two files.
///
/// # Errors
/// A file cannot be read, or is not what it should be; which and why, in words.
pub(crate) fn load(tls: &Tls) -> Result<Arc<ServerConfig>, String> {
    let named = |path: &Path, why: String| format!("{}: {why}", path.display());
    let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(&tls.cert)
        .and_then(Iterator::collect)
        .map_err(|error| named(&tls.cert, error.to_string()))?;
    if certificates.is_empty() {
        return Err(named(&tls.cert, "there is no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| named(&tls.key, error.to_string()))?;
    // The provider is named here, so that no process-wide one has to be installed.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| named(&tls.cert, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes ring the provider of TLS clients in this process, which are built without one.
///
/// The one thing that is the whole process's; doing it twice changes nothing.
pub(crate) fn install_provider() {
    let _ = ring::default_provider().install_default();
}
