//! One message as it is written: its fields, each still raw, found in one pass over the text.
//!
//! Values stay raw so that a wrong one is a fault among others and the reading goes on, and so that
//! a payload leaves the house byte for byte as it came.

use super::problem::MAX_FAULTS;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The fields that a message has, in the order in which the words of a fault list them.
pub(crate) const NAMES: [&str; 7] =
    ["topic", "payload", "event", "key", "id", "deliver_at", "expires_at"];

/// One of [`NAMES`], by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Topic,
    Payload,
    Event,
    Key,
    Id,
    DeliverAt,
    ExpiresAt,
}

/// A message's fields as they were sent.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    values: [Option<&'a RawValue>; NAMES.len()],
    /// Names that no message has, as many as are answered.
    pub(crate) strange: Vec<String>,
    /// Fields that were given more than once.
    pub(crate) twice: Vec<Field>,
    /// Bytes of the names and values.
    pub(crate) size: usize,
}

impl<'a> Fields<'a> {
    /// What a field holds; `None` where it was left out.
    pub(crate) fn value(&self, field: Field) -> Option<&'a RawValue> {
        self.values[field as usize]
    }

    /// Reads the members of an object.
    fn read<M: MapAccess<'a>>(mut members: M) -> Result<Self, M::Error> {
        let mut fields = Self::default();
        while let Some(Name { field, size, strange }) = members.next_key()? {
            let value: &RawValue = members.next_value()?;
            fields.size = fields.size.saturating_add(size + value.get().len());
            match field {
                Some(field) if fields.values[field as usize].is_none() => {
                    fields.values[field as usize] = Some(value);
                }
                Some(field) if fields.twice.contains(&field) => {}
                Some(field) => fields.twice.push(field),
                None if fields.strange.len() < MAX_FAULTS => fields.strange.extend(strange),
                None => {}
            }
        }
        Ok(fields)
    }
}

/// What stands where a message should.
#[derive(Debug)]
pub(crate) enum Element<'a> {
    /// An object.
    Message(Fields<'a>),
    /// Something else.
    Other,
}

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<M: MapAccess<'de>>(self, members: M) -> Result<Element<'de>, M::Error> {
        Fields::read(members).map(Element::Message)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Element<'de>, S::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Element::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Element<'de>, E> {
        Ok(Element::Other)
    }
}

/// A member's name.
struct Name {
    field: Option<Field>,
    size: usize,
    strange: Option<String>,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        let field = match name {
            "topic" => Some(Field::Topic),
            "payload" => Some(Field::Payload),
            "event" => Some(Field::Event),
            "key" => Some(Field::Key),
            "id" => Some(Field::Id),
            "deliver_at" => Some(Field::DeliverAt),
            "expires_at" => Some(Field::ExpiresAt),
            _ => None,
        };
        let strange = field.is_none().then(|| name.to_owned());
        Ok(Name { field, size: name.len(), strange })
    }
}
