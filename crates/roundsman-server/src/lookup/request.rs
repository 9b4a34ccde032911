//! A request for one value or for many, and what its answer says of each. Pure.

use super::row::{Asked, Members, Scalar};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use roundsman_delivery::{Pointer, Value};
use serde_json::json;
use serde_json::value::RawValue;
use std::net::IpAddr;
use url::{Host, Url};

/// How a service is asked: `{value}` in the URL or in the body makes a request for each value,
/// `{values}` one for many.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Where, with the place of the value in its path or query.
    pub url: String,
    /// How.
    pub method: Method,
    /// Headers of its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What is sent, with the place of the value.
    pub body: Option<String>,
    /// Where in the answer what was found is.
    pub pointer: Option<Pointer>,
    /// The member that says which value one of several answers is for.
    pub key: String,
    /// Whether private and loopback addresses may be asked.
    pub allow_private: bool,
}

/// What stands for itself in a URL; what is left of a value is a part of one step of a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const VALUE: &str = "{value}";
const VALUES: &str = "{values}";

impl Request {
    /// A request to this URL, with every default.
    ///
    /// # Errors
    /// What to write instead.
    pub fn to(url: &str) -> Result<Self, String> {
        let cure = || "write a URL, like \"https://example.com/users/{value}\"".to_owned();
        let filled = |with: &str| {
            let filled = url.replace(VALUES, with).replace(VALUE, with);
            Url::parse(&filled).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
        };
        let (one, other) = (filled("a").ok_or_else(cure)?, filled("b").ok_or_else(cure)?);
        if one.origin() != other.origin() || one.username() != other.username() {
            return Err("a value stands only in the path or behind the `?`".to_owned());
        }
        if !one.username().is_empty() || one.password().is_some() {
            return Err(
                "write what lets you in as headers = { authorization = \"env:NAME\" }".into()
            );
        }
        Ok(Self {
            url: url.to_owned(),
            method: Method::GET,
            headers: Vec::new(),
            body: None,
            pointer: None,
            key: "id".to_owned(),
            allow_private: false,
        })
    }

    /// The address that stands in the URL, where one does in place of a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let filled = self.url.replace(VALUES, "a").replace(VALUE, "a");
        match Url::parse(&filled).ok()?.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Whether one request asks for many values; `None` where no value stands in it.
    #[must_use]
    pub fn asks_for_many(&self) -> Option<bool> {
        let has = |place| {
            self.url.contains(place) || self.body.as_ref().is_some_and(|body| body.contains(place))
        };
        match (has(VALUES), has(VALUE)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// The request for these values.
    pub(super) fn fill(&self, asked: &[Scalar]) -> Result<hyper::Request<Full<Bytes>>, String> {
        let encoded: Vec<String> =
            asked.iter().map(|it| utf8_percent_encode(it.text(), PLAIN).to_string()).collect();
        let url = self.url.replace(VALUES, &encoded.join(","));
        let url = url.replace(VALUE, encoded.first().map_or("", String::as_str));
        let url: Uri = url.parse().map_err(|_| "the value makes no URL".to_owned())?;
        let mut request = hyper::Request::builder().method(self.method.clone()).uri(url);
        request = request.header(ACCEPT, "application/json");
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(headers) = request.headers_mut() {
            for (name, value) in &self.headers {
                headers.insert(name, value.clone());
            }
        }
        let body = self.body.as_deref().map(|body| filled_body(body, asked)).unwrap_or_default();
        request.body(Full::new(body.into())).map_err(|error| error.to_string())
    }

    /// What an answer says of each of the values that were asked for.
    pub(super) fn read(&self, body: &[u8], asked: &mut Asked) -> Result<(), String> {
        let whole: &RawValue = serde_json::from_slice(body)
            .map_err(|error| format!("the answer is no JSON: {error}"))?;
        let part = match &self.pointer {
            Some(pointer) => pointer.find(whole.get().as_bytes()).unwrap_or(b"null"),
            None => whole.get().as_bytes(),
        };
        let part = std::str::from_utf8(part).map_err(|error| error.to_string())?;
        if part == "null" {
            return Ok(());
        }
        if self.asks_for_many() == Some(true) {
            return self.read_many(part, asked);
        }
        if let [one] = &asked.scalars()[..] {
            asked.answer(one.text(), part);
        }
        Ok(())
    }

    /// An object by value, or a list of objects that each say which value they are for.
    fn read_many(&self, json: &str, asked: &mut Asked) -> Result<(), String> {
        if json.starts_with('{') {
            let by_value: Members<'_> =
                serde_json::from_str(json).map_err(|error| error.to_string())?;
            let there = by_value.0.iter().filter(|(_, found)| found.get() != "null");
            there.for_each(|(value, found)| asked.answer(value, found.get()));
            return Ok(());
        }
        let list: Vec<&RawValue> = serde_json::from_str(json)
            .map_err(|_| "the answer is neither an object by value nor a list".to_owned())?;
        let key: Pointer =
            format!("/{}", self.key.replace('~', "~0").replace('/', "~1")).parse()?;
        for one in list {
            let value = key.find(one.get().as_bytes());
            let value = value.and_then(|value| std::str::from_utf8(value).ok());
            let Some(scalar) = value.and_then(Scalar::parse) else {
                return Err(format!("one of the answers has no {:?} to be matched on", self.key));
            };
            asked.answer(scalar.text(), one.get());
        }
        Ok(())
    }
}

/// A value that would change which path is asked is in no service.
pub(super) fn is_step(value: &Value) -> bool {
    Scalar::parse(value).is_some_and(|it| !matches!(it.text(), "" | "." | ".."))
}

fn filled_body(body: &str, asked: &[Scalar]) -> String {
    let as_json = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => json!(text).to_string(),
        other => other.text().to_owned(),
    };
    let all: Vec<String> = asked.iter().map(as_json).collect();
    let body = body.replace(VALUES, &format!("[{}]", all.join(",")));
    body.replace(VALUE, all.first().map_or("", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Asked {
        Asked::new(values.iter().map(|value| (*value).into()).collect())
    }

    #[test]
    fn a_value_stays_where_it_belongs() {
        let request = Request::to("https://a.example/u/{value}?q=1").unwrap();
        let filled = request.fill(&[Scalar::Text("../../admin?x=#%2f&é".into())]).unwrap();
        assert_eq!(filled.uri().path(), "/u/..%2F..%2Fadmin%3Fx%3D%23%252f%26%C3%A9");
        assert_eq!(filled.uri().query(), Some("q=1"));
        for bad in [
            "https://{value}.example/",
            "ftp://a/{value}",
            "x",
            "https://u:p@a/{value}",
            "https://a:{value}/",
        ] {
            assert!(Request::to(bad).is_err(), "{bad}");
        }
        assert!(!is_step(&"\"..\"".into()));
        assert_eq!(
            filled_body(
                "{\"ids\":{values}}",
                &[Scalar::Text("\"".into()), Scalar::Number("7".into())]
            ),
            r#"{"ids":["\"",7]}"#
        );
    }

    #[test]
    fn answers_for_many_are_matched() {
        let mut request = Request::to("https://a.example/?ids={values}").unwrap();
        request.pointer = Some("/data".parse().unwrap());
        for body in [
            r#"{"data":{"1":{"n":1},"2":null,"9":{"n":9}}}"#,
            r#"{"data":[{"id":1,"n":1},{"id":9},{"id":"1","n":"again"}]}"#,
        ] {
            let mut asked = asked(&["1", "\"2\""]);
            request.read(body.as_bytes(), &mut asked).unwrap();
            let found = asked.found();
            assert_eq!(found.len(), 1, "{body}");
            assert!(String::from_utf8_lossy(&found["1"]).contains("\"n\":1"));
        }
        for bad in ["", "{", r#"{"data":7}"#, r#"{"data":[{"no":1}]}"#, r#"{"data":[7]}"#] {
            assert!(request.read(bad.as_bytes(), &mut asked(&["1"])).is_err(), "{bad}");
        }
        request.read(b"{}", &mut asked(&["1"])).unwrap();
    }
}
