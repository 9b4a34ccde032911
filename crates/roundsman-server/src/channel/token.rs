//! Where a client carries its token: in a subprotocol, a bearer header, or the query. Pure.
//!
//! The query is for clients that can do no better; the other two do not end up in access logs.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// The only subprotocol that is ever answered.
pub(super) const PROTOCOL: &str = "phoenix";

/// Whether the client, if it names subprotocols at all, names ours.
pub(super) fn speaks_phoenix(headers: &HeaderMap) -> bool {
    !headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
        || protocols(headers).any(|protocol| protocol == PROTOCOL)
}

/// The token, as it was given first in: subprotocol, header, query.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    query: &'a [(String, String)],
) -> Option<Cow<'a, str>> {
    of_protocol(headers)
        .map(Cow::Owned)
        .or_else(|| of_header(headers).map(Cow::Borrowed))
        .or_else(|| last(query, "token").map(Cow::Borrowed))
}

/// The value of a query's parameter; the last, where there are several.
pub(super) fn last<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
}

fn of_protocol(headers: &HeaderMap) -> Option<String> {
    let encoded = protocols(headers).find_map(|protocol| protocol.strip_prefix(BEARER_PROTOCOL))?;
    // Named base64url, encoded by browsers with the standard alphabet: both are understood.
    let standard = encoded.replace('-', "+").replace('_', "/");
    String::from_utf8(BASE64.decode(standard).ok()?).ok()
}

fn of_header(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

const BEARER_PROTOCOL: &str = "base64url.bearer.phx.";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn offered(protocols: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocols))])
    }

    #[test]
    fn a_token_is_found_in_either_alphabet_padded_or_not() {
        for encoded in ["YWJjLmRlZj8/", "YWJjLmRlZj8_", "YQ", "YQ=="] {
            let protocols = format!("phoenix, base64url.bearer.phx.{encoded}");
            let headers = offered(protocols.leak());
            let token = find(&headers, &[]);
            assert!(matches!(token.as_deref(), Some("abc.def??" | "a")), "{encoded}: {token:?}");
        }
    }

    #[test]
    fn what_is_better_hidden_goes_first() {
        let query = [("token".to_owned(), "of query".to_owned())];
        let mut headers = HeaderMap::new();
        assert_eq!(find(&headers, &query).as_deref(), Some("of query"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer of-header"));
        assert_eq!(find(&headers, &query).as_deref(), Some("of-header"));
    }

    #[test]
    fn a_client_that_names_protocols_has_to_name_ours() {
        assert!(speaks_phoenix(&HeaderMap::new()));
        assert!(speaks_phoenix(&offered("graphql, phoenix")));
        assert!(!speaks_phoenix(&offered("graphql")));
        assert!(!speaks_phoenix(&offered("base64url.bearer.phx.YQ")));
    }
}
