//! Texts with places in them, which a record fills. Pure.

use roundsman_delivery::Pointer;
use roundsman_logs::Record;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

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

/// One part of a record, or what a pointer leads to in one that is JSON.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    name: String,
    pointer: Option<Pointer>,
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

impl FromStr for Template {
    type Err = String;

    /// # Errors
    /// What to write instead.
    fn from_str(written: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), written);
        while let Some((text, behind)) = rest.split_once('{') {
            let (place, behind) = behind.split_once('}').ok_or("write a } behind each {")?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(Part::Place(place.parse()?));
            rest = behind;
        }
        if written.is_empty() || rest.contains('}') {
            return Err("write a text with places like {field:NAME} in it".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { written: written.to_owned(), parts })
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let cure = "write {field:NAME}, or {field:NAME/POINTER} for a part of a field that is JSON";
        let (name, pointer) = match written.split_once('/') {
            Some((name, _)) => (name, Some(&written[name.len()..])),
            None => (written, None),
        };
        let name = name.strip_prefix("field:").filter(|name| !name.is_empty()).ok_or(cure)?;
        let pointer = pointer.map(Pointer::from_str).transpose().map_err(|_| cure)?;
        Ok(Self { name: name.to_owned(), pointer })
    }
}

impl FromStr for Payload {
    type Err = String;

    /// # Errors
    /// What to write instead.
    fn from_str(written: &str) -> Result<Self, String> {
        let cure = "write {field:NAME} or {field:NAME/POINTER} for what is a JSON object, {fields} \
                    for an object of all fields, or {} for an empty one";
        let inner = written.strip_prefix('{').and_then(|it| it.strip_suffix('}')).ok_or(cure)?;
        let what = match inner {
            "" => What::Empty,
            "fields" => What::Fields,
            place => What::Json(place.parse().map_err(|_| cure)?),
        };
        Ok(Self { written: written.to_owned(), what })
    }
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

impl Place {
    fn raw<'a>(&self, record: &'a Record) -> Option<&'a [u8]> {
        let part = record.field(&self.name)?;
        match &self.pointer {
            Some(pointer) => pointer.find(part),
            None => Some(part),
        }
    }

    /// As text: of JSON, what a string holds, and numbers, `true` and `false` as they are written.
    fn text<'a>(&self, record: &'a Record) -> Result<Option<Cow<'a, str>>, String> {
        let Some(raw) = self.raw(record) else { return Ok(None) };
        let text = std::str::from_utf8(raw).map_err(|_| format!("{self} is not UTF-8"))?;
        if self.pointer.is_none() {
            return Ok(Some(text.into()));
        }
        match text.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(text) => Ok(Some(text.into())),
                Err(error) => Err(format!("{self} is no string of JSON: {error}")),
            },
            Some(b'{' | b'[') => Err(format!("{self} is an object or a list, and no text")),
            _ if text == "null" => Ok(None),
            _ => Ok(Some(text.into())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{field:{}", self.name)?;
        match &self.pointer {
            Some(pointer) => write!(f, "{pointer}}}"),
            None => f.write_str("}"),
        }
    }
}
