//! Many rows of values as one value of a statement: JSON, which the server makes a table of again.
//! So one statement is prepared for any number of rows. Bytes and texts go as hexadecimal digits.

use mysql_async::Value;
use std::fmt::Write as _;

/// Rows of a table that is only named in one statement.
#[derive(Debug)]
pub(super) struct Rows(String);

impl Rows {
    /// What `write` writes of each of these.
    pub(super) fn of<T>(
        items: impl IntoIterator<Item = T>,
        write: impl Fn(Cells<'_>, T) -> Cells<'_>,
    ) -> Value {
        let mut rows = Self("[".to_owned());
        for item in items {
            rows.0.push_str(if rows.0.len() > 1 { ",[" } else { "[" });
            write(Cells { text: &mut rows.0, is_first: true }, item);
            rows.0.push(']');
        }
        rows.0.push(']');
        Value::Bytes(rows.0.into_bytes())
    }
}

/// The cells of one row.
pub(super) struct Cells<'a> {
    text: &'a mut String,
    is_first: bool,
}

impl Cells<'_> {
    fn next(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.text.push(',');
        }
    }

    pub(super) fn int(mut self, number: i64) -> Self {
        self.next();
        // Writing to a string does not fail.
        let _ = write!(self.text, "{number}");
        self
    }

    pub(super) fn int_or_null(mut self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.int(number),
            None => {
                self.next();
                self.text.push_str("null");
                self
            }
        }
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        self.bytes_or_null(Some(bytes))
    }

    pub(super) fn bytes_or_null(mut self, bytes: Option<&[u8]>) -> Self {
        self.next();
        let Some(bytes) = bytes else {
            self.text.push_str("null");
            return self;
        };
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.text.push('"');
        for byte in bytes {
            self.text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            self.text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        self.text.push('"');
        self
    }
}

/// A table of rows, in a statement: the columns by name, type and place.
macro_rules! table {
    ($first:literal $(, $column:literal $place:literal)*) => {
        concat!(
            "JSON_TABLE(?, '$[*]' COLUMNS (", $first, " PATH '$[0]'"
            $(, ", ", $column, " PATH '$[", $place, "]'")*, ")) AS j"
        )
    };
}
pub(super) use table;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_nulls_and_bytes() {
        let rows = Rows::of([(1, None), (-2, Some(&b"a\0"[..]))], |cells, (number, bytes)| {
            cells.int(number).int_or_null(bytes.map(|_| 9)).bytes_or_null(bytes)
        });
        assert_eq!(rows, Value::Bytes(br#"[[1,null,null],[-2,9,"6100"]]"#.to_vec()));
        assert_eq!(Rows::of([0; 0], |cells, _| cells), Value::Bytes(b"[]".to_vec()));
    }
}
