//! The configuration as written: tables and values that know where they stand.
//!
//! A table is asked for each key it may have ([`Table::take`]); what nobody asked for is a fault
//! in the end ([`Table::finish`]). So the list of known keys is the code that reads them.

use super::fault::{Fault, nearest};
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One file of configuration.
#[derive(Debug)]
pub(super) struct Document<'a> {
    name: &'a str,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Reads `text`, which is called `name` in faults.
    pub(super) fn parse(name: &'a str, text: &'a str) -> Result<Self, Fault> {
        let root = DeTable::parse(text).map_err(|error| Fault {
            place: place(name, text, error.span().unwrap_or_default()),
            key: String::new(),
            what: format!("this is not TOML: {}", error.message().replace('\n', ", ")),
            cure: String::new(),
        })?;
        Ok(Self { name, text, root })
    }

    /// What stands outside of any table, and the tables.
    pub(super) fn root(&self) -> Table<'_> {
        let (table, span) = (self.root.get_ref(), self.root.span());
        Table { document: self, path: String::new(), table, span, known: Vec::new() }
    }
}

/// A table of it, and the keys that were asked for so far.
#[derive(Debug)]
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    path: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The value of `key`, where it is written.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        Some(Value { document: self.document, key: self.join(key), value })
    }

    /// The table `key`, where it is written.
    pub(super) fn table(&mut self, key: &'static str) -> Result<Option<Table<'a>>, Fault> {
        self.take(key).map(|value| value.table(&format!("[{key}]"))).transpose()
    }

    /// Every table of the list `key`, in order.
    pub(super) fn tables(&mut self, key: &'static str) -> Result<Vec<Table<'a>>, Fault> {
        let cure = format!("[[{key}]]");
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        value.list(&cure)?.iter().map(|value| value.table(&cure)).collect()
    }

    /// A fault of this table: a key that should be in it.
    pub(super) fn fault(&self, key: &str, what: &str, cure: &str) -> Fault {
        let start = self.span.start;
        Fault {
            place: place(self.document.name, self.document.text, start..start),
            key: self.join(key),
            what: what.to_owned(),
            cure: cure.to_owned(),
        }
    }

    /// Nothing else may stand here.
    pub(super) fn finish(self) -> Result<(), Fault> {
        let unknown = self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let cure = match nearest(key.get_ref(), &self.known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("known here: {}", self.known.join(", ")),
        };
        Err(Fault {
            place: place(self.document.name, self.document.text, key.span()),
            key: self.join(key.get_ref()),
            what: "is no key of the configuration".to_owned(),
            cure,
        })
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A value, with its key.
#[derive(Debug)]
pub(super) struct Value<'a> {
    document: &'a Document<'a>,
    key: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// A fault of this value.
    pub(super) fn fault(&self, what: impl Into<String>, cure: impl Into<String>) -> Fault {
        Fault {
            place: place(self.document.name, self.document.text, self.value.span()),
            key: self.key.clone(),
            what: what.into(),
            cure: cure.into(),
        }
    }

    /// A string; `example` is one, for the fault.
    pub(super) fn text(&self, example: &str) -> Result<&'a str, Fault> {
        let text = self.value.get_ref().as_str();
        text.ok_or_else(|| self.strange(&format!("write a string, like {example:?}")))
    }

    /// A string that `parse` understands; its error is the cure.
    pub(super) fn parsed<T>(
        &self,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Fault> {
        let text = self.text(example)?;
        parse(text).map_err(|cure| self.fault(format!("is {text:?}"), cure))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Fault> {
        let quoted: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let cure = format!("write {}", quoted.join(" or "));
        let text = self.value.get_ref().as_str().ok_or_else(|| self.strange(&cure))?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| self.fault(format!("is {text:?}"), cure))
    }

    /// One of a few, by the word that each is written as.
    pub(super) fn word_of<T: Clone + AsRef<str>>(&self, all: &[T]) -> Result<T, Fault> {
        let words: Vec<(&str, usize)> =
            all.iter().enumerate().map(|(at, one)| (one.as_ref(), at)).collect();
        Ok(all[self.word(&words)?].clone())
    }

    /// A whole number in a range.
    pub(super) fn count(&self, range: RangeInclusive<u64>) -> Result<u64, Fault> {
        let cure = format!("write a whole number from {} to {}", range.start(), range.end());
        let integer = self.value.get_ref().as_integer().ok_or_else(|| self.strange(&cure))?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fits = number.filter(|number| range.contains(number));
        fits.ok_or_else(|| self.fault(format!("is {integer}"), cure))
    }

    /// A number from 0.001 to 1000, in thousandths.
    pub(super) fn number(&self) -> Result<u32, Fault> {
        let cure = "write a number from 0.001 to 1000, like 3 or 0.5";
        let written = match self.value.get_ref() {
            DeValue::Integer(integer) => integer.as_str().parse::<f64>(),
            DeValue::Float(float) => float.as_str().parse::<f64>(),
            _ => return Err(self.strange(cure)),
        };
        let thousandths = written.map(|number| (number * 1000.0).round()).unwrap_or_default();
        if !(1.0..=1_000_000.0).contains(&thousandths) {
            return Err(self.fault(format!("is {}", self.written()), cure));
        }
        Ok(thousandths as u32)
    }

    /// With the name in its key, where a table has names that are not this program's.
    pub(super) fn named(self, name: &str) -> Self {
        Self { key: format!("{}.{name:?}", self.key), ..self }
    }

    /// Every value of a list; `example` is one, for the fault.
    pub(super) fn list(&self, example: &str) -> Result<Vec<Value<'a>>, Fault> {
        let list = self.value.get_ref().as_array();
        let list = list.ok_or_else(|| self.strange(&format!("write {example}")))?;
        let within = |value| Value { document: self.document, key: self.key.clone(), value };
        Ok(list.iter().map(within).collect())
    }

    /// Every value of a list, or this one where it is none.
    pub(super) fn one_or_more(&self) -> Vec<Value<'a>> {
        let itself =
            || vec![Value { document: self.document, key: self.key.clone(), value: self.value }];
        self.list("").unwrap_or_else(|_| itself())
    }

    /// Every name of a table with its value, in the order of the file; `example` is one, for the
    /// fault.
    pub(super) fn entries(&self, example: &str) -> Result<Vec<(&'a str, Value<'a>)>, Fault> {
        let table = self.value.get_ref().as_table();
        let table = table.ok_or_else(|| self.strange(&format!("write a table, like {example}")))?;
        let within = |value| Value { document: self.document, key: self.key.clone(), value };
        let mut entries: Vec<_> =
            table.iter().map(|(name, value)| (name.get_ref().as_ref(), within(value))).collect();
        entries.sort_by_key(|(_, entry)| entry.value.span().start);
        Ok(entries)
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool, Fault> {
        self.value.get_ref().as_bool().ok_or_else(|| self.strange("write true or false"))
    }

    /// As it stands in the file.
    pub(super) fn written(&self) -> &'a str {
        self.document.text.get(self.value.span()).unwrap_or_default()
    }

    fn table(&self, header: &str) -> Result<Table<'a>, Fault> {
        let table = self.value.get_ref().as_table();
        let table = table.ok_or_else(|| self.strange(&format!("write a table, `{header}`")))?;
        let (path, span) = (self.key.clone(), self.value.span());
        Ok(Table { document: self.document, path, table, span, known: Vec::new() })
    }

    fn strange(&self, cure: &str) -> Fault {
        let what = match self.value.get_ref() {
            DeValue::String(_) => "is a string",
            DeValue::Integer(_) => "is a number",
            DeValue::Float(_) => "is a number with a point",
            DeValue::Boolean(_) => "is true or false",
            DeValue::Datetime(_) => "is a date",
            DeValue::Array(_) => "is a list",
            DeValue::Table(_) => "is a table",
        };
        self.fault(what, cure)
    }
}

fn place(name: &str, text: &str, span: Range<usize>) -> String {
    let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("{name}:{line}")
}
