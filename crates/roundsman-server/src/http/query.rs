//! Queries as pairs of names and values. Pure.

use super::problem::Problem;
use axum::http::StatusCode;
use percent_encoding::percent_decode_str;

/// The pairs of a query, decoded, in order.
///
/// # Errors
/// 400: it is not UTF-8.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        decoded
            .map(|decoded| decoded.into_owned())
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the query is not UTF-8"))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
}

/// A JSON pointer at a field of an object, or at a parameter of a query as if it were one.
pub(super) fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}
