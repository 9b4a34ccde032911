//! Texts with places in them, which a record fills. Pure.

use super::place::{Kind, Place};
use roundsman_logs::Record;
use std::borrow::Cow;
use std::fmt;

/// A text with places in it: `user:{field:data/user_id}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Place(Place),
}

/// What becomes the payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    written: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    /// This part, which is JSON.
    Json(Place),
    /// All fields, as strings.
    Fields,
    /// An object without members.
    Empty,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Template {
    /// Reads one that records of this kind fill.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(written: &str, kind: Kind) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), written);
        while let Some((text, behind)) = rest.split_once('{') {
            let (place, behind) = behind.split_once('}').ok_or("write a } behind each {")?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(Part::Place(Place::parse(place, kind)?));
            rest = behind;
        }
        if written.is_empty() || rest.contains('}') {
            return Err(format!("write a text with places in it, like {:?}", kind.example()));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { written: written.to_owned(), parts })
    }

    /// Whether it says the same of every record.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The text that a record makes of it, each place passed through `escape`; `None` where the
    /// record has nothing in one of the places.
    ///
    /// # Errors
    /// What stands in one of the places is no text.
    pub fn fill(
        &self,
        record: &Record,
        escape: impl Fn(&str) -> String,
    ) -> Result<Option<String>, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Place(place) => match place.text(record)? {
                    Some(found) => text.push_str(&escape(&found)),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(text))
    }
}

impl Payload {
    /// Reads what becomes the payload of records of this kind.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(written: &str, kind: Kind) -> Result<Self, String> {
        let cure = || match kind {
            Kind::Kafka => {
                "write {value}, {value/POINTER} or {header:NAME} for what is a JSON object, or {} \
                 for an empty one"
            }
            Kind::Redis => {
                "write {field:NAME} or {field:NAME/POINTER} for what is a JSON object, {fields} \
                 for an object of all fields, or {} for an empty one"
            }
        };
        let inner =
            written.strip_prefix('{').and_then(|it| it.strip_suffix('}')).ok_or_else(cure)?;
        let what = match inner {
            "" => What::Empty,
            "fields" if kind == Kind::Redis => What::Fields,
            place => What::Json(Place::parse(place, kind).map_err(|_| cure())?),
        };
        Ok(Self { written: written.to_owned(), what })
    }

    /// The payload that a record makes, as JSON that is not checked.
    ///
    /// # Errors
    /// It has none.
    pub fn of<'a>(&self, record: &'a Record) -> Result<Cow<'a, str>, String> {
        match &self.what {
            What::Empty => Ok("{}".into()),
            What::Fields => {
                let text = |(name, value): &(String, Vec<u8>)| {
                    (name.clone(), String::from_utf8_lossy(value).into_owned().into())
                };
                let members: serde_json::Map<String, serde_json::Value> =
                    record.fields.iter().map(text).collect();
                Ok(serde_json::Value::from(members).to_string().into())
            }
            What::Json(place) => {
                let found = place.raw(record).ok_or_else(|| format!("there is no {place}"))?;
                std::str::from_utf8(found)
                    .map(Cow::Borrowed)
                    .map_err(|_| format!("{place} is not UTF-8"))
            }
        }
    }
}
