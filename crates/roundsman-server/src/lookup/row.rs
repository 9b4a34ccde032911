//! Values that are asked for, and rows that answer them. Pure.

use bytes::Bytes;
use roundsman_delivery::{Found, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// A value as it is bound to a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A string.
    Text(String),
    /// A number, as it was written.
    Number(String),
    /// True or false.
    Bool(bool),
}

impl Scalar {
    /// Reads a value; `None` where that is no string, number or truth.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.as_bytes().first()? {
            b'"' => serde_json::from_str(value).ok().map(Self::Text),
            b't' | b'f' => serde_json::from_str(value).ok().map(Self::Bool),
            b'-' | b'0'..=b'9' => Some(Self::Number(value.to_owned())),
            _ => None,
        }
    }

    /// As text, the same for a number and for a string of its digits.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
        }
    }
}

/// What was asked for, by its text: `42` and `"42"` are answered by the same row.
#[derive(Debug)]
pub(super) struct Asked {
    by_text: HashMap<String, Vec<Value>>,
    found: Found,
}

impl Asked {
    pub(super) fn new(values: Vec<Value>) -> Self {
        let mut by_text: HashMap<String, Vec<Value>> = HashMap::with_capacity(values.len());
        for value in values {
            if let Some(scalar) = Scalar::parse(&value) {
                by_text.entry(scalar.text().to_owned()).or_default().push(value);
            }
        }
        Self { by_text, found: Found::new() }
    }

    /// Each value once.
    pub(super) fn scalars(&self) -> Vec<Scalar> {
        let first = self.by_text.values().filter_map(|values| Scalar::parse(values.first()?));
        first.collect()
    }

    /// There is this for the value with this text. One that was not asked for is let go, and of
    /// two answers for the same value the first stays.
    pub(super) fn answer(&mut self, text: &str, json: &str) {
        for value in self.by_text.get(text).into_iter().flatten() {
            let found = self.found.entry(value.clone());
            found.or_insert_with(|| Bytes::copy_from_slice(json.as_bytes()));
        }
    }

    /// A row as a JSON object, to be matched on its first member.
    pub(super) fn row(&mut self, json: &str) -> Result<(), String> {
        let row: Members<'_> = serde_json::from_str(json)
            .map_err(|error| format!("a row of the answer is no JSON object: {error}"))?;
        if let Some(scalar) = row.0.first().and_then(|(_, first)| Scalar::parse(first.get())) {
            self.answer(scalar.text(), json);
        }
        Ok(())
    }

    /// What there is.
    pub(super) fn found(self) -> Found {
        self.found
    }
}

/// The members of an object in the order they stand there, those of the same name too.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_answer_what_was_asked_and_nothing_else() {
        let mut asked = Asked::new(vec!["1".into(), "\"1\"".into(), "\"x\"".into(), "null".into()]);
        assert_eq!(asked.scalars().len(), 2);
        asked.row(r#"{"id":1,"n":"first"}"#).unwrap();
        asked.row(r#"{"id":"1","n":"second"}"#).unwrap();
        asked.row(r#"{"id":9,"n":"nobody asked"}"#).unwrap();
        asked.row(r#"{"id":null}"#).unwrap();
        asked.row("{}").unwrap();
        assert!(asked.row("[1]").is_err());
        let found = asked.found();
        let first = Bytes::from(r#"{"id":1,"n":"first"}"#);
        assert_eq!(found, HashMap::from([("1".into(), first.clone()), ("\"1\"".into(), first)]));
    }
}
