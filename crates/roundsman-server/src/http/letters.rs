//! Which dead letters a request means: from a query, or from a body. Pure.
//!
//! Both say it with the same words: `ids` (in a query `id`, as often as there are), `key`, `topic`,
//! `reason`, `since`, `until`. A body that names none of them says `"all": true`, so that an empty
//! one drops nothing.

use super::problem::{Faults, Problem};
use super::query::{pairs, pointer};
use super::time::{BAD_TIME, read_time};
use axum::http::StatusCode;
use roundsman_delivery::intake::check_id;
use roundsman_store::{DeadFilter, DeadReason, Key, Pattern, Timestamp};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Ids in one body, at most.
const MAX_IDS: usize = 10_000;
/// Letters on a page: where nothing is said, and at most.
const PAGE: (usize, usize) = (50, 500);

/// A page of dead letters, as it is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageAsked {
    pub(super) filter: DeadFilter,
    pub(super) after: u64,
    pub(super) limit: usize,
}

/// Reads a query.
///
/// # Errors
/// 400 where it is not UTF-8, 422 with every fault; pointers are `/` and the parameter's name.
pub(super) fn read_query(query: &str) -> Result<PageAsked, Problem> {
    let mut page = PageAsked { filter: DeadFilter::default(), after: 0, limit: PAGE.0 };
    let mut faults = Faults::default();
    let mut seen = Vec::new();
    for (name, value) in pairs(query)? {
        if name != "id" && seen.contains(&name) {
            faults.add(0, pointer(&name), "this parameter is given twice");
            continue;
        }
        if let Err(words) = read_parameter(&mut page, &name, &value) {
            faults.add(0, pointer(&name), words);
        }
        seen.push(name);
    }
    if faults.is_empty() {
        return Ok(page);
    }
    Err(faults.problem(StatusCode::UNPROCESSABLE_ENTITY))
}

fn read_parameter(page: &mut PageAsked, name: &str, value: &str) -> Result<(), Cow<'static, str>> {
    let filter = &mut page.filter;
    match name {
        "after" => page.after = value.parse().map_err(|_| BAD_CURSOR)?,
        "limit" => {
            let limit = value.parse().ok().filter(|limit| (1..=PAGE.1).contains(limit));
            page.limit =
                limit.ok_or_else(|| format!("a limit is a number from 1 to {}", PAGE.1))?;
        }
        "id" => filter.ids.get_or_insert_default().push(id(value)?),
        "key" => filter.key = Some(Key::parse(value).map_err(|error| error.to_string())?),
        _ => read_filter(filter, name, value)?,
    }
    Ok(())
}

const BAD_CURSOR: &str = "a cursor is what `next` of the page before said";

/// What queries and bodies write alike.
fn read_filter(filter: &mut DeadFilter, name: &str, value: &str) -> Result<(), Cow<'static, str>> {
    match name {
        "topic" => filter.topic = Some(pattern(value)?),
        "reason" => filter.reason = Some(reason(value)?),
        "since" => filter.since = Some(time(value)?),
        "until" => filter.until = Some(time(value)?),
        _ => {
            let known = "id, key, topic, reason, since, until, after, limit";
            return Err(format!("unknown parameter; there are {known}").into());
        }
    }
    Ok(())
}

fn pattern(value: &str) -> Result<Pattern, Cow<'static, str>> {
    if value.is_empty() || value.strip_suffix('*').unwrap_or(value).contains('*') {
        return Err("a topic is a name, or how names begin with `*` behind it".into());
    }
    Ok(Pattern::new(value))
}

fn reason(value: &str) -> Result<DeadReason, Cow<'static, str>> {
    DeadReason::parse(value).ok_or_else(|| {
        let known: Vec<&str> = DeadReason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("a reason is one of {}", known.join(", ")).into()
    })
}

fn time(value: &str) -> Result<Timestamp, Cow<'static, str>> {
    read_time(value).ok_or(Cow::Borrowed(BAD_TIME))
}

fn id(value: &str) -> Result<Arc<str>, Cow<'static, str>> {
    check_id(value)?;
    Ok(value.into())
}

/// Reads the body of a replay or a drop.
///
/// # Errors
/// 400 where it is no JSON, 422 with every fault.
pub(super) fn read_body(body: &[u8]) -> Result<DeadFilter, Problem> {
    let mut faults = Faults::default();
    let body: Value = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) => {
            faults.add(0, String::new(), format!("the body is not JSON: {error}; {WHICH}"));
            return Err(faults.problem(StatusCode::BAD_REQUEST));
        }
    };
    let Value::Object(fields) = body else {
        faults.add(0, String::new(), format!("the body is a JSON object: {WHICH}"));
        return Err(faults.problem(StatusCode::UNPROCESSABLE_ENTITY));
    };
    let filter = read_fields(&fields, &mut faults);
    if faults.is_empty() {
        return Ok(filter);
    }
    Err(faults.problem(StatusCode::UNPROCESSABLE_ENTITY))
}

const WHICH: &str = "say which letters: \"ids\": […], one or more of \"key\", \"topic\", \
                     \"reason\", \"since\", \"until\", or \"all\": true";

fn read_fields(fields: &Map<String, Value>, faults: &mut Faults) -> DeadFilter {
    let mut filter = DeadFilter::default();
    let given = fields.iter().filter(|(_, value)| !value.is_null());
    let mut names = Vec::new();
    for (name, value) in given {
        names.push(name.as_str());
        let read = match (name.as_str(), value) {
            ("all", Value::Bool(true)) => Ok(()),
            ("all", _) => Err("`all` is true, or left out".into()),
            ("ids", value) => {
                filter.ids = read_ids(value, faults);
                Ok(())
            }
            ("key", value) => read_key(value).map(|key| filter.key = Some(key)),
            ("topic" | "reason" | "since" | "until", Value::String(value)) => {
                read_filter(&mut filter, name, value)
            }
            ("topic" | "reason" | "since" | "until", _) => Err("this field is a string".into()),
            _ => Err(format!("unknown field; {WHICH}").into()),
        };
        if let Err(words) = read {
            faults.add(0, pointer(name), words);
        }
    }
    if names.is_empty() {
        faults.add(0, String::new(), WHICH);
    } else if names.contains(&"all") && names.len() > 1 {
        faults.add(0, pointer("all"), "`all` stands alone: with a filter beside it, leave it out");
    }
    filter
}

fn read_ids(value: &Value, faults: &mut Faults) -> Option<Vec<Arc<str>>> {
    let Value::Array(given) = value else {
        faults.add(0, pointer("ids"), "`ids` is an array of strings");
        return None;
    };
    if given.is_empty() || given.len() > MAX_IDS {
        faults.add(0, pointer("ids"), format!("`ids` has 1 to {MAX_IDS} ids"));
        return None;
    }
    let mut ids = Vec::with_capacity(given.len());
    for (at, value) in given.iter().enumerate() {
        match value.as_str().map(id) {
            Some(Ok(id)) => ids.push(id),
            Some(Err(words)) => faults.add(at, format!("/ids/{at}"), words),
            None => faults.add(at, format!("/ids/{at}"), "an id is a string"),
        }
    }
    Some(ids)
}

/// As in a message: one part, or an array of them, widest first.
fn read_key(value: &Value) -> Result<Key, Cow<'static, str>> {
    let parts: Option<Vec<&str>> = match value {
        Value::String(part) => Some(vec![part]),
        Value::Array(parts) => parts.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let parts = parts.ok_or("a key is a string, or an array of 1 to 8 strings, widest first")?;
    Key::from_parts(parts).map_err(|error| error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_nothing_else() {
        let page = read_query("key=team%2Fa~1b&topic=user:*&reason=age&limit=7&after=12").unwrap();
        assert_eq!((page.limit, page.after), (7, 12));
        assert_eq!(page.filter.key, Some(Key::from_parts(["team", "a/b"]).unwrap()));
        assert_eq!(page.filter.reason, Some(DeadReason::Age));
        let body = br#"{"key": ["team", "a/b"], "topic": "user:*", "reason": "age"}"#;
        assert_eq!(read_body(body).unwrap(), page.filter);
        assert_eq!(read_body(br#"{"all": true, "key": null}"#).unwrap(), DeadFilter::default());
        let two = DeadFilter { ids: Some(vec!["a".into(), "b".into()]), ..DeadFilter::default() };
        assert_eq!(read_body(br#"{"ids": ["a", "b"]}"#).unwrap(), two);
        assert_eq!(read_query("id=a&id=b").unwrap().filter, two);
        let faulty = read_query("limit=0&limit=1&after=x&since=soon&key=&id=%20&strange=1");
        let pointers = |problem: Problem| {
            let faults = problem.errors.iter().map(|fault| fault.pointer.clone());
            faults.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(pointers(faulty.unwrap_err()), "/limit /limit /after /since /key /id /strange");
        for (body, expected) in [
            ("[]", ""),
            ("{}", ""),
            (r#"{"all": false}"#, "/all"),
            (r#"{"all": true, "topic": "a"}"#, "/all"),
            (r#"{"ids": []}"#, "/ids"),
            (r#"{"ids": ["a", 7, "b c"]}"#, "/ids/1 /ids/2"),
            (r#"{"topic": "a*b"}"#, "/topic"),
            (r#"{"until": 7}"#, "/until"),
            (r#"{"id": "a"}"#, "/id"),
        ] {
            let problem = read_body(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(pointers(problem), expected, "{body}");
        }
        assert_eq!(read_body(b"{").unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
