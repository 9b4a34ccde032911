//! Places of a record: its key, its value, a header or a field, or a part of one that is JSON. Pure.

use roundsman_delivery::Pointer;
use roundsman_logs::Record;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Which places a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `key`, `value` and `header:NAME`.
    Kafka,
    /// `field:NAME`.
    Redis,
}

/// One part of a record, or what a pointer leads to in one that is JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    part: Part,
    pointer: Option<Pointer>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Key,
    Value,
    Header(String),
    Field(String),
}

impl Kind {
    /// A template that it could have.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Kafka => "user:{value/user_id}",
            Self::Redis => "user:{field:user_id}",
        }
    }
}

impl Place {
    /// Reads one, without its braces.
    pub(super) fn parse(written: &str, kind: Kind) -> Result<Self, String> {
        let cure = match kind {
            Kind::Kafka => {
                "write {key}, {value}, {header:NAME}, or {value/POINTER} for a part of a value that \
                 is JSON"
            }
            Kind::Redis => {
                "write {field:NAME}, or {field:NAME/POINTER} for a part of a field that is JSON"
            }
        };
        let (name, pointer) = match written.split_once('/') {
            Some((name, _)) => (name, Some(&written[name.len()..])),
            None => (written, None),
        };
        let named = |prefix| name.strip_prefix(prefix).filter(|it| !it.is_empty());
        let part = match kind {
            Kind::Kafka if name == "key" => Part::Key,
            Kind::Kafka if name == "value" => Part::Value,
            Kind::Kafka => Part::Header(named("header:").ok_or(cure)?.to_owned()),
            Kind::Redis => Part::Field(named("field:").ok_or(cure)?.to_owned()),
        };
        let pointer = pointer.map(Pointer::from_str).transpose().map_err(|_| cure)?;
        Ok(Self { part, pointer })
    }

    /// What stands there, as it is written.
    pub(super) fn raw<'a>(&self, record: &'a Record) -> Option<&'a [u8]> {
        let part = match &self.part {
            Part::Key => record.key.as_deref()?,
            Part::Value => record.value.as_deref()?,
            Part::Header(name) | Part::Field(name) => record.field(name)?,
        };
        match &self.pointer {
            Some(pointer) => pointer.find(part),
            None => Some(part),
        }
    }

    /// As text: of JSON, what a string holds, and numbers, `true` and `false` as they are written.
    pub(super) fn text<'a>(&self, record: &'a Record) -> Result<Option<Cow<'a, str>>, String> {
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
        match &self.part {
            Part::Key => f.write_str("{key")?,
            Part::Value => f.write_str("{value")?,
            Part::Header(name) => write!(f, "{{header:{name}")?,
            Part::Field(name) => write!(f, "{{field:{name}")?,
        }
        match &self.pointer {
            Some(pointer) => write!(f, "{pointer}}}"),
            None => f.write_str("}"),
        }
    }
}
