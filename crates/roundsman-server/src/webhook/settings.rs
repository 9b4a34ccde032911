//! What a rule says of its webhook, resolved.

use super::address::refusal;
use super::circuit::Patience;
use super::connect::Resolve;
use super::sign::SigningKey;
use super::url::Template;
use hyper::header::{HeaderName, HeaderValue};
use std::time::Duration;
use tokio::time::timeout;

/// The webhook of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where its messages go.
    pub url: Template,
    /// What they are signed with; with several, every message is signed with each of them.
    pub keys: Vec<SigningKey>,
    /// What else every request carries. Values are secrets as often as not, and never shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Requests to its host and port at once, those of other rules included.
    pub per_host: usize,
    /// From the beginning of a request to the end of its answer, resolving and connecting included.
    pub timeout: Duration,
    /// Private, loopback and link-local addresses may be sent to.
    pub allow_private: bool,
    /// How long failing endpoints are borne with.
    pub patience: Patience,
}

impl Webhook {
    /// A webhook to this URL with every default.
    #[must_use]
    pub fn to(url: Template) -> Self {
        Self {
            url,
            keys: Vec::new(),
            headers: Vec::new(),
            concurrency: 20,
            per_host: 4,
            timeout: Duration::from_secs(10),
            allow_private: false,
            patience: Patience::default(),
        }
    }

    /// What an operator should know of it before it is used: how it is signed, and what its host
    /// resolves to at the moment. Sends nothing.
    pub async fn findings(&self, resolver: &dyn Resolve) -> Vec<String> {
        let mut findings = vec![match self.keys.len() {
            0 => "not signed: receivers cannot tell who sent it; name a secret".to_owned(),
            1 => format!("signed, {}", self.keys[0].scheme()),
            several => format!("signed with each of {several} secrets"),
        }];
        if self.keys.iter().any(SigningKey::is_short) {
            let least = SigningKey::SHORTEST;
            findings
                .push(format!("a secret has fewer than {least} bytes, and can be guessed sooner"));
        }
        if !self.url.is_secure() {
            findings.push("not encrypted: whoever is on the way can read it; use https".to_owned());
        }
        if let Some(name) = self.url.name() {
            findings.extend(self.resolved(name, resolver).await);
        }
        findings
    }

    async fn resolved(&self, name: &str, resolver: &dyn Resolve) -> Option<String> {
        let addresses = match timeout(RESOLVE, resolver.resolve(name.to_owned())).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Some(format!("{name} is not resolved: {error}")),
            Err(_) => return Some(format!("{name} is not resolved within {RESOLVE:?}")),
        };
        let refused = |address| refusal(address, self.allow_private).map(|what| (address, what));
        let (address, what) = addresses.iter().copied().find_map(refused)?;
        Some(format!("{name} is {address} here, {what}, which is not sent to"))
    }
}

/// How long a name may take to be resolved before it is said that it is not.
const RESOLVE: Duration = Duration::from_secs(3);
