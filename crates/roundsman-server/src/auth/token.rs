//! Client tokens: JSON Web Tokens, checked with one key and the one algorithm that goes with it.

use super::Denied;
use crate::config::{Secret, TokenKey};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation, decode, encode,
};
use roundsman_delivery::Pattern;
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a token at most; what is longer is refused unread.
pub const MAX_TOKEN: usize = 8 * 1024;

/// The bearer of a client token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its `sub`.
    pub user: Option<String>,
    /// Its `topics`: what it may join besides `user:<sub>`.
    pub topics: Vec<Pattern>,
    /// When it runs out; sockets are closed with 1008 then.
    pub expires_at: Option<SystemTime>,
}

impl Client {
    /// Anybody at a server without `[auth]`: joins anything, forever.
    #[must_use]
    pub fn anybody() -> Self {
        Self { user: None, topics: vec![Pattern::new("*")], expires_at: None }
    }

    /// Whether it may join `topic`: `user:<sub>`, and what its `topics` claim names.
    #[must_use]
    pub fn may_join(&self, topic: &str) -> bool {
        let own =
            topic.strip_prefix("user:").is_some_and(|user| self.user.as_deref() == Some(user));
        own || self.topics.iter().any(|pattern| pattern.matches(topic))
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    #[serde(default)]
    exp: f64,
    #[serde(default)]
    topics: Vec<String>,
}

/// Checks tokens.
pub(super) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    pub(super) fn new(key: &TokenKey) -> Self {
        let (algorithm, key) = match key {
            TokenKey::Secret(secret) => {
                (Algorithm::HS256, DecodingKey::from_secret(secret.reveal().as_bytes()))
            }
            TokenKey::Public { algorithm, key, .. } => (*algorithm, key.clone()),
        };
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_nbf = true;
        // No audience can be configured, so a token made for several is as good as one for us.
        validation.validate_aud = false;
        validation.leeway = 0;
        Self { key, validation }
    }

    /// The bearer of `token`, or why it is refused. The words never repeat the token.
    pub(super) fn verify(&self, token: &str) -> Result<Client, Denied> {
        let refused = |why: &str| Denied::new(403, format!("the client token is refused: {why}"));
        if token.len() > MAX_TOKEN {
            return Err(refused("it is longer than 8 KiB"));
        }
        let TokenData { header, claims, .. } = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| refused(words(error.kind())))?;
        // Whoever signed it insists that it be understood (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(refused("it asks for an extension (crit), and none is known here"));
        }
        let expires_at = Duration::try_from_secs_f64(claims.exp)
            .ok()
            .and_then(|since| UNIX_EPOCH.checked_add(since))
            .ok_or_else(|| refused("its exp is no time"))?;
        let topics = claims.topics.iter().map(|topic| Pattern::new(topic)).collect();
        Ok(Client { user: claims.sub, topics, expires_at: Some(expires_at) })
    }
}

fn words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has run out",
        ErrorKind::ImmatureSignature => "its nbf is still to come",
        ErrorKind::MissingRequiredClaim(_) => "it has no exp that is a time",
        ErrorKind::InvalidSignature => "its signature is not of the configured key",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "its algorithm is not that of the configured key"
        }
        _ => "it cannot be read",
    }
}

/// A token for `user` that runs out at `expires_at`, signed with HS256.
///
/// # Errors
/// It could not be signed, in words.
pub fn sign(
    secret: &Secret,
    user: &str,
    topics: &[String],
    expires_at: SystemTime,
) -> Result<String, String> {
    let exp = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({ "sub": user, "topics": topics, "exp": exp });
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|error| error.to_string())
}
