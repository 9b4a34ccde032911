//! API keys: kept as hashes, compared in constant time.

use super::Role;
use crate::config::Auth;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

type Hash = [u8; 32];

/// The API keys of one configuration.
#[derive(Default)]
pub(super) struct Keys(Vec<(Hash, Role)>);

impl Keys {
    pub(super) fn new(auth: &Auth) -> Self {
        let senders = auth.api_keys.iter().map(|key| (hash(key.reveal()), Role::Sender));
        let operators = auth.operator_keys.iter().map(|key| (hash(key.reveal()), Role::Operator));
        Self(senders.chain(operators).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What `key` allows. Takes as long whichever key it is, or none: every key is compared, and
    /// over hashes, so that neither length nor a common beginning shows.
    pub(super) fn role(&self, key: &str) -> Option<Role> {
        let wanted = hash(key);
        let (mut sender, mut operator) = (Choice::from(0), Choice::from(0));
        for (known, role) in &self.0 {
            let same = known.ct_eq(&wanted);
            match role {
                Role::Sender => sender |= same,
                Role::Operator => operator |= same,
            }
        }
        match (bool::from(operator), bool::from(sender)) {
            (true, _) => Some(Role::Operator),
            (false, true) => Some(Role::Sender),
            (false, false) => None,
        }
    }
}

fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}
