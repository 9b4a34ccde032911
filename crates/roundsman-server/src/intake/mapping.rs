//! What of a record becomes which field of a message. Pure.

use super::template::{Payload, Template};
use crate::http::{Checks, Loose, quoted};
use roundsman_delivery::Pointer;
use roundsman_logs::Record;
use roundsman_store::Draft;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What of a record becomes which field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// What made ids begin with; the same for two only where they are the same group of one log.
    pub prefix: String,
    /// The topic.
    pub topic: Template,
    /// The event; `message` where a record has none.
    pub event: Template,
    /// The key, its parts joined by `/`; the topic where a record has none.
    pub key: Option<Template>,
    /// The id.
    pub id: Id,
    /// The payload.
    pub payload: Payload,
    /// What is added to it: members and their texts.
    pub add: Vec<(String, Template)>,
}

/// Where a message's id comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Id {
    /// From the record's place in its log.
    Made,
    /// From the record; where it has none, from its place.
    Given(Template),
    /// There is none: what comes again is sent again.
    Without,
}

/// A record as a message.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) draft: Draft,
    /// Its id follows from its place: who has that id was this record.
    pub(super) is_made: bool,
}

impl Mapping {
    /// The message of a record.
    ///
    /// # Errors
    /// What is wrong with it, as the API would say.
    pub(super) fn message(&self, record: &Record, checks: &Checks<'_>) -> Result<Mapped, String> {
        let (body, is_made) = self.body(record)?;
        Ok(Mapped { draft: checks.draft(&body)?, is_made })
    }

    /// A record as the body of a request, and whether its id was made here.
    fn body(&self, record: &Record) -> Result<(String, bool), String> {
        let filled = |field: &'static str, template: &Template, escape: fn(&str) -> String| {
            template.fill(record, escape).map_err(|error| format!("{field}: {error}"))
        };
        let topic = filled("topic", &self.topic, plain)?;
        let topic =
            topic.ok_or_else(|| format!("topic: the record has nothing for {}", self.topic))?;
        let payload = self.payload(record).map_err(|error| format!("payload: {error}"))?;
        let event = filled("event", &self.event, plain)?;
        let key =
            self.key.as_ref().map(|template| filled("key", template, part)).transpose()?.flatten();
        let given = match &self.id {
            Id::Given(template) => filled("id", template, plain)?,
            Id::Made | Id::Without => None,
        };
        let is_made = given.is_none() && self.id != Id::Without;
        let id = match is_made {
            true => Some(format!("{}:{}", self.prefix, record.spot.id())),
            false => given,
        };
        let loose = Loose {
            topic: &topic,
            payload: &payload,
            event: event.as_deref(),
            key: key.as_deref(),
            id: id.as_deref(),
            ..Loose::default()
        };
        let body = loose.body().map_err(|(field, words)| format!("{field}: {words}"))?;
        Ok((body, is_made))
    }

    fn payload<'a>(&self, record: &'a Record) -> Result<Cow<'a, str>, String> {
        let mut payload = self.payload.of(record)?;
        // It goes into a body as it is: it must not end that.
        serde_json::from_str::<&RawValue>(&payload).map_err(|error| format!("no JSON: {error}"))?;
        for (name, template) in &self.add {
            let Some(text) = template.fill(record, plain)? else { continue };
            let name = name.replace('~', "~0").replace('/', "~1");
            let more = format!("/{name}")
                .parse::<Pointer>()?
                .put(payload.as_bytes(), quoted(&text).as_bytes())?;
            payload = String::from_utf8_lossy(&more).into_owned().into();
        }
        Ok(payload)
    }
}

/// What made ids begin with: the names themselves, as far as an id may hold them.
#[must_use]
pub(crate) fn prefix(group: &str, log: &str) -> String {
    const LONGEST: usize = 48;
    let names = format!("{group}:{log}");
    let fits = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':' | '-');
    let short: String =
        names.chars().take(LONGEST).map(|char| if fits(&char) { char } else { '_' }).collect();
    // A colon in a name could be read as the one between: these are told apart as well.
    if short == names && names.matches(':').count() == 1 {
        return short;
    }
    let digest = Sha256::digest(format!("{}:{names}", group.len()));
    let tail: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{short}-{tail}")
}

fn plain(text: &str) -> String {
    text.to_owned()
}

/// A part of a key: what stands in a place does not begin another part.
fn part(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use roundsman_logs::Spot;

    fn mapping(topic: &str, payload: &str, add: &[(&str, &str)]) -> Mapping {
        let template = |written: &str| Template::parse(written, Kind::Redis).unwrap();
        Mapping {
            prefix: prefix("g", "log"),
            topic: template(topic),
            event: template("{field:event}"),
            key: None,
            id: Id::Made,
            payload: Payload::parse(payload, Kind::Redis).unwrap(),
            add: add.iter().map(|(name, it)| ((*name).to_owned(), template(it))).collect(),
        }
    }

    fn record(fields: &[(&str, &[u8])]) -> Record {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        let spot = Spot::Entry("1-0".to_owned());
        Record { spot, key: None, value: None, fields: fields.collect() }
    }

    fn body(mapping: &Mapping, fields: &[(&str, &[u8])]) -> Result<String, String> {
        mapping.body(&record(fields)).map(|(body, _)| body)
    }

    #[test]
    fn records_become_bodies() {
        let plain = mapping("{field:topic}", "{field:payload}", &[]);
        let made = body(&plain, &[("topic", b"a\"b"), ("payload", b" {\"n\": 1e400} ")]);
        let wanted = r#"{"topic":"a\"b","payload": {"n": 1e400} ,"id":"g:log:1-0"}"#;
        assert_eq!(made.unwrap(), wanted);
        let all =
            mapping("t{field:n/a}", "{fields}", &[("x/y", "<{field:n/b}>"), ("z", "{field:q}")]);
        let made = body(&all, &[("n", br#"{"a":7.50,"b":"\u00e9"}"#)]).unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        assert_eq!(made["topic"], "t7.50");
        let payload = serde_json::json!({"n": r#"{"a":7.50,"b":"\u00e9"}"#, "x/y": "<é>"});
        assert_eq!(made["payload"], payload);
        let empty = mapping("x", "{}", &[("text", "{field:n}")]);
        assert!(body(&empty, &[("n", b"hi")]).unwrap().contains(r#""payload":{"text":"hi"}"#));
    }

    #[test]
    fn records_of_kafka_have_a_key_a_value_and_headers() {
        let template = |written: &str| Template::parse(written, Kind::Kafka).unwrap();
        let mapping = Mapping {
            topic: template("{key/a}-{value/b}"),
            event: template("{header:kind}"),
            payload: Payload::parse("{value/c}", Kind::Kafka).unwrap(),
            ..mapping("x", "{}", &[])
        };
        let record = Record {
            spot: Spot::Offset { partition: 1, offset: 7, time: 9 },
            key: Some(br#"{"a": true}"#.to_vec()),
            value: Some(br#"{"b": "b", "c": {}}"#.to_vec()),
            fields: vec![
                ("kind".to_owned(), b"first".to_vec()),
                ("kind".to_owned(), b"last".to_vec()),
            ],
        };
        let wanted = r#"{"topic":"true-b","payload":{},"event":"last","id":"g:log:1:7:9"}"#;
        assert_eq!(mapping.body(&record).unwrap().0, wanted);
        let gone = Record { value: None, ..record };
        assert!(mapping.body(&gone).unwrap_err().contains("nothing for {key/a}-{value/b}"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let plain = mapping("{field:topic/a}", "{field:payload}", &[("x", "{field:x}")]);
        let topic: (&str, &[u8]) = ("topic", br#"{"a":"t"}"#);
        for (fields, words) in [
            (vec![], "topic: the record has nothing for {field:topic/a}"),
            (vec![("topic", &b"{\"a\":[1]}"[..])], "topic: {field:topic/a} is an object or a list"),
            (vec![topic], "payload: there is no {field:payload}"),
            (vec![topic, ("payload", b"\xff")], "payload: {field:payload} is not UTF-8"),
            (vec![topic, ("payload", b"{}, \"a\": {}")], "payload: no JSON: trailing characters"),
            (vec![topic, ("payload", b"7"), ("x", b"y")], "payload: there is no room for /x"),
        ] {
            let found = body(&plain, &fields).unwrap_err();
            assert!(found.starts_with(words), "{found}");
        }
    }

    #[test]
    fn prefixes_are_short_and_tell_logs_apart() {
        assert_eq!(prefix("roundsman", "orders"), "roundsman:orders");
        let long = "o".repeat(249);
        let all = [
            prefix("a", "b:c"),
            prefix("a:b", "c"),
            prefix("a", "b.c"),
            prefix("a", "b_c"),
            prefix("a", &long),
            prefix("a", &long[1..]),
        ];
        for one in &all {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{one}");
            let longest =
                Spot::Offset { partition: i32::MAX, offset: i64::MAX, time: i64::MAX }.id();
            let longest = format!("{one}:{longest}");
            assert_eq!(roundsman_delivery::intake::check_id(&longest), Ok(()));
        }
    }
}
