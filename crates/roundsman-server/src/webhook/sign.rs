//! Signatures as Standard Webhooks has them: HMAC-SHA256 (`v1`) and Ed25519 (`v1a`). Pure.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::hmac;
use ring::signature::Ed25519KeyPair;
use std::fmt;
use std::sync::Arc;

/// What a body is signed with.
///
/// ```
/// use roundsman_server::webhook::{SigningKey, signature};
///
/// let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
/// let signed = signature(&[key], id, 1614265330, br#"{"test": 2432232314}"#);
/// assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Kind);

#[derive(Clone)]
enum Kind {
    Shared { key: hmac::Key, bytes: Vec<u8> },
    Pair { key: Arc<Ed25519KeyPair>, seed: Vec<u8> },
}

/// Padding is neither asked for nor minded: people copy secrets with and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl SigningKey {
    /// Bytes that a shared secret should have at least (Standard Webhooks, *Signature scheme*).
    pub const SHORTEST: usize = 24;

    /// Reads a secret: `whsec_` and the shared secret in base64, or `whsk_` and the private key
    /// (its seed, or seed and public key together) in base64.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(written: &str) -> Result<Self, String> {
        if let Some(encoded) = written.strip_prefix("whsk_") {
            return BASE64
                .decode(encoded)
                .ok()
                .and_then(|bytes| pair(&bytes))
                .map(Self)
                .ok_or_else(|| {
                    "whsk_ is followed by an Ed25519 key, 32 or 64 bytes in base64".to_owned()
                });
        }
        let encoded = written.strip_prefix("whsec_").unwrap_or(written);
        match BASE64.decode(encoded) {
            Ok(bytes) if !bytes.is_empty() => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
                Ok(Self(Kind::Shared { key, bytes }))
            }
            _ => Err("write whsec_ and 24 to 64 random bytes in base64, for example \
                      \"whsec_\" and what `openssl rand -base64 32` prints"
                .to_owned()),
        }
    }

    /// Whether it is a shared secret with fewer bytes than it should have.
    #[must_use]
    pub fn is_short(&self) -> bool {
        matches!(&self.0, Kind::Shared { bytes, .. } if bytes.len() < Self::SHORTEST)
    }

    /// Which scheme it signs by: `v1` or `v1a`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self.0 {
            Kind::Shared { .. } => "v1",
            Kind::Pair { .. } => "v1a",
        }
    }

    fn sign(&self, content: &[u8], into: &mut String) {
        into.push_str(self.scheme());
        into.push(',');
        match &self.0 {
            Kind::Shared { key, .. } => {
                STANDARD.encode_string(hmac::sign(key, content).as_ref(), into);
            }
            Kind::Pair { key, .. } => STANDARD.encode_string(key.sign(content).as_ref(), into),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Shared { bytes, .. } => bytes,
            Kind::Pair { seed, .. } => seed,
        }
    }
}

/// The pair of a seed, or of seed and public key, which must then belong together.
fn pair(bytes: &[u8]) -> Option<Kind> {
    let seed = bytes.get(..32)?;
    let key = match bytes.len() {
        32 => Ed25519KeyPair::from_seed_unchecked(seed).ok()?,
        64 => Ed25519KeyPair::from_seed_and_public_key(seed, &bytes[32..]).ok()?,
        _ => return None,
    };
    Some(Kind::Pair { key: Arc::new(key), seed: seed.to_vec() })
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.scheme() == other.scheme() && self.bytes() == other.bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ***", self.scheme())
    }
}

/// The header `webhook-signature`: one signature for each key, parted by spaces.
///
/// What is signed is the message's id, the moment of the attempt in seconds since 1970, and the
/// body as it is sent, joined by dots.
#[must_use]
pub fn signature(keys: &[SigningKey], id: &str, at: i64, body: &[u8]) -> String {
    let mut content = Vec::with_capacity(id.len() + body.len() + 24);
    content.extend_from_slice(id.as_bytes());
    content.push(b'.');
    content.extend_from_slice(at.to_string().as_bytes());
    content.push(b'.');
    content.extend_from_slice(body);
    let mut header = String::new();
    for key in keys {
        if !header.is_empty() {
            header.push(' ');
        }
        key.sign(&content, &mut header);
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const PAIR: &str =
        "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const BY_PAIR: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZ\
                           dpXwVLPo3mNl8EM+m7TBAg==";

    #[test]
    fn published_vectors() {
        let key = SigningKey::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(
            signature(&[key], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        let pair = SigningKey::parse(&format!("whsk_{PAIR}")).unwrap();
        assert_eq!(signature(&[pair], ID, AT, BODY), BY_PAIR);
        let seed = BASE64.encode(&BASE64.decode(PAIR).unwrap()[..32]);
        let pair = SigningKey::parse(&format!("whsk_{seed}")).unwrap();
        assert_eq!(signature(&[pair], ID, AT, BODY), BY_PAIR);
    }

    #[test]
    fn a_rotation_signs_with_every_key() {
        let old = SigningKey::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let pair = SigningKey::parse(&format!("whsk_{PAIR}")).unwrap();
        let header = signature(&[old, pair], ID, AT, BODY);
        let old = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(header, format!("{old} {BY_PAIR}"));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_none_is_shown() {
        for bad in ["", "whsec_", "whsec_***", "whsk_", "whsk_AAAA", "whsk_MfKQ9r8GKYqrTwjUPD8ILA"]
        {
            assert!(SigningKey::parse(bad).is_err(), "{bad}");
        }
        let mut swapped = BASE64.decode(PAIR).unwrap();
        swapped[40] ^= 1;
        let swapped = format!("whsk_{}", BASE64.encode(swapped));
        assert!(SigningKey::parse(&swapped).is_err(), "seed and public key do not belong together");
        let short = SigningKey::parse("whsec_c2VjcmV0").unwrap();
        assert!(short.is_short());
        assert_eq!(format!("{short:?}"), "v1 ***");
    }
}
