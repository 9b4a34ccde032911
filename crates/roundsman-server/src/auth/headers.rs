//! What request headers say about who asks: bearer, host, proxies on the way. Pure.

use axum::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, VIA};
use ipnet::IpNet;
use std::net::IpAddr;

/// The token of `Authorization: Bearer TOKEN`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The one `Host`; `None` where there is none, or more than one.
pub(super) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Whether a host's name, without port, means this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| unmapped(address).is_loopback())
}

/// The first header that only a proxy adds.
pub(super) fn proxy_trace(headers: &HeaderMap) -> Option<&HeaderName> {
    let tells = |name: &HeaderName| {
        *name == FORWARDED || *name == VIA || name.as_str().starts_with("x-forwarded-")
    };
    headers.keys().find(|name| tells(name))
}

/// Whose request it is: read from the right, the first hop that is no trusted proxy. What stands
/// left of it may be anybody's invention.
pub(super) fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted =
        |address: IpAddr| trusted.iter().any(|network| network.contains(&unmapped(address)));
    let listed = headers.get_all("x-forwarded-for").iter().rev();
    let hops = listed.flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
    let mut client = unmapped(peer);
    for hop in hops {
        if !is_trusted(client) {
            break;
        }
        match hop.trim().parse() {
            Ok(address) => client = unmapped(address),
            Err(_) => break,
        }
    }
    client
}

/// The scheme that the client used, where a trusted proxy says so: whether it was https.
pub(super) fn forwarded_https(
    headers: &HeaderMap,
    peer: IpAddr,
    trusted: &[IpNet],
) -> Option<bool> {
    let said = headers.get("x-forwarded-proto")?.to_str().ok()?.rsplit(',').next()?.trim();
    let believed = trusted.iter().any(|network| network.contains(&unmapped(peer)));
    believed.then(|| said.eq_ignore_ascii_case("https") || said.eq_ignore_ascii_case("wss"))
}

/// An IPv4 address that came in IPv6 clothes, as what it is.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names() {
        for own in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["localhost.evil.example", "10.0.0.1", "[::2]", "0.0.0.0", ""] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
