//! Secrets and keys of `[auth]`: where they are kept, and what they must be.

use super::fault::Fault;
use super::resolved::{Secret, TokenKey};
use super::written::Value;
use jsonwebtoken::{Algorithm, DecodingKey};
use std::fs;
use std::path::PathBuf;

/// Looks up a variable of the environment.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Bytes that an HS256 secret has at least (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// A secret: as it stands, or `env:NAME`, or `file:PATH` without the line end.
pub(super) fn secret(value: &Value<'_>, environment: Environment<'_>) -> Result<Secret, Fault> {
    let written = value.text("env:NAME")?;
    let secret = if let Some(name) = written.strip_prefix("env:") {
        environment(name).ok_or_else(|| {
            value.fault(format!("is {written:?}"), format!("set {name} in the environment"))
        })?
    } else if let Some(path) = written.strip_prefix("file:") {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| {
            value.fault(format!("is {written:?}"), format!("the file cannot be read: {error}"))
        })?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        written.to_owned()
    };
    if secret.is_empty() {
        return Err(value.fault("is empty", "write a secret, or \"env:NAME\", or \"file:PATH\""));
    }
    Ok(Secret::new(secret))
}

/// An API key: a secret that fits into a header.
pub(super) fn api_key(value: &Value<'_>, environment: Environment<'_>) -> Result<Secret, Fault> {
    let key = secret(value, environment)?;
    if !key.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(value.fault(
            "cannot be sent in a header",
            "use letters, digits and punctuation, without spaces",
        ));
    }
    Ok(key)
}

/// The secret for HS256.
pub(super) fn token_secret(
    value: &Value<'_>,
    environment: Environment<'_>,
) -> Result<TokenKey, Fault> {
    let secret = secret(value, environment)?;
    let length = secret.reveal().len();
    if length < SHORTEST_SECRET {
        return Err(value.fault(
            format!("has {length} bytes"),
            "it needs at least 32, for example from `openssl rand -base64 33`",
        ));
    }
    // Whoever has the public key could sign with it, were it taken for an HS256 secret.
    if secret.reveal().contains("-----BEGIN") {
        return Err(value.fault("is a key in PEM", "name its file in auth.token_public_key"));
    }
    Ok(TokenKey::Secret(secret))
}

/// The public key for RS256, ES256 or EdDSA, whichever it is.
pub(super) fn token_public_key(value: &Value<'_>) -> Result<TokenKey, Fault> {
    let written = value.text("token.pem")?;
    let path = PathBuf::from(written.strip_prefix("file:").unwrap_or(written));
    let pem = fs::read(&path).map_err(|error| {
        value.fault(format!("is {written:?}"), format!("the file cannot be read: {error}"))
    })?;
    let found = DecodingKey::from_ed_pem(&pem)
        .map(|key| (Algorithm::EdDSA, key))
        .or_else(|_| DecodingKey::from_ec_pem(&pem).map(|key| (Algorithm::ES256, key)))
        .ok()
        .filter(|(algorithm, key)| *algorithm != Algorithm::ES256 || is_p256(key))
        .or_else(|| Some((Algorithm::RS256, DecodingKey::from_rsa_pem(&pem).ok()?)));
    let private = pem.windows(11).any(|window| window == b"PRIVATE KEY");
    match found {
        Some((algorithm, key)) if !private => Ok(TokenKey::Public { path, algorithm, key }),
        _ => Err(value.fault(
            format!("is {written:?}"),
            "the file must hold a public key in PEM, of RSA, of EC P-256 or of Ed25519",
        )),
    }
}

/// ES256 is for this curve alone: its points, uncompressed, have 65 bytes.
fn is_p256(key: &DecodingKey) -> bool {
    key.try_get_as_bytes().is_ok_and(|point| point.len() == 65)
}
