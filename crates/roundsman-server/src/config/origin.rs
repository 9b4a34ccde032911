//! Origins of browser pages: scheme, host and port, compared as browsers compare them.

use std::fmt;
use std::str::FromStr;

/// Where a browser page came from.
///
/// ```
/// use roundsman_server::config::Origin;
///
/// let shop: Origin = "https://Shop.example".parse()?;
/// assert_eq!("https://shop.example:443".parse(), Ok(shop));
/// assert!("null".parse::<Origin>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a server that a client reaches under this `Host`; `None` where that is no
    /// host and port.
    #[must_use]
    pub fn of_host(https: bool, host: &str) -> Option<Self> {
        let (host, port) = split_port(host)?;
        let port = port.unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host: host.to_ascii_lowercase(), port })
    }

    /// The host, in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Origin {
    type Err = String;

    /// # Errors
    /// What is wrong and what would be right, in words.
    fn from_str(written: &str) -> Result<Self, String> {
        let fault = || "an origin is scheme, host and port, like `https://shop.example`".to_owned();
        let (scheme, host) = written.split_once("://").ok_or_else(fault)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(fault()),
        };
        Self::of_host(https, host).ok_or_else(fault)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Host and port apart; an IPv6 address keeps its brackets. `None` for what is neither.
fn split_port(written: &str) -> Option<(&str, Option<u16>)> {
    let end = match written.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => written.find(':').unwrap_or(written.len()),
    };
    let (host, rest) = written.split_at(end);
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if host.is_empty() || !host.bytes().all(named) {
        return None;
    }
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => rest.is_empty().then_some((host, None)),
    }
}
