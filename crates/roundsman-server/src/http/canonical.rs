//! One form for every way to write a JSON value: what two sendings of one id are compared by.
//!
//! White space, the order of an object's members and the way a string is escaped make no
//! difference. Numbers are compared as they are written: reading them would make distinct ones
//! beyond 2^53 equal, and then the second message would be lost as a duplicate. The form is no
//! JSON; it is only for hashing, and each part carries its length so that no two values share one.

use std::borrow::Cow;

/// The form of `json`, which has been checked to be JSON already. Of anything else it is *some*
/// form: never a panic, never endless.
pub(crate) fn canonical(json: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + json.len() / 2);
    Reader { text: json, at: 0 }.value(&mut out);
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Recursion is as deep as the value, which [`MAX_DEPTH`](super::MAX_DEPTH) bounds.
    fn value(&mut self, out: &mut Vec<u8>) {
        match self.peek() {
            Some(b'{') => self.object(out),
            Some(b'[') => self.array(out),
            Some(b'"') => {
                let text = self.string();
                write(b'"', text.as_bytes(), out);
            }
            _ => {
                let text = self.scalar();
                write(b'#', text.as_bytes(), out);
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>) {
        self.at += 1;
        let mut members = Vec::new();
        while let Some(b'"' | b',') = self.peek() {
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            let name = self.string();
            if self.peek() == Some(b':') {
                self.at += 1;
            }
            let mut value = Vec::new();
            self.value(&mut value);
            members.push((name, value));
        }
        self.at += 1;
        // Stable: of members with the same name, which every reader takes in its own way, the
        // order still tells.
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        out.push(b'{');
        for (name, value) in &members {
            write(b'"', name.as_bytes(), out);
            out.extend_from_slice(value);
        }
        out.push(b'}');
    }

    fn array(&mut self, out: &mut Vec<u8>) {
        self.at += 1;
        out.push(b'[');
        loop {
            match self.peek() {
                None | Some(b']') => break,
                Some(b',') => self.at += 1,
                Some(_) => {
                    let before = self.at;
                    self.value(out);
                    if self.at == before {
                        break;
                    }
                }
            }
        }
        self.at += 1;
        out.push(b']');
    }

    /// A string's text. One that is no Unicode (half of a surrogate pair) stays as it is written.
    fn string(&mut self) -> Cow<'a, str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let written = self.text.get(start..self.at).unwrap_or_default();
        if written.contains('\\') {
            serde_json::from_str(written).map_or(Cow::Borrowed(written), Cow::Owned)
        } else {
            Cow::Borrowed(written.get(1..written.len().saturating_sub(1)).unwrap_or_default())
        }
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }
}

fn write(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_makes_no_difference() {
        let form = canonical(r#"{"a":1,"b":[true,null,{"c":"é\"","d":{}}]}"#);
        let other = "{ \"b\" : [ true ,null, {\"d\": { },\r\n\t\"c\":\"\\u00e9\\u0022\"} ] , \"\\u0061\" : 1 }";
        assert_eq!(canonical(other), form);
    }

    #[test]
    fn meaning_makes_one() {
        let values = [
            "{}",
            "[]",
            "[[]]",
            "[{}]",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":10}"#,
            "[1,0]",
            "[10]",
            r#"{"a":{"b":1}}"#,
            r#"{"a":{},"b":1}"#,
            r#"["a","b"]"#,
            r#"["ab"]"#,
            "null",
            "[null]",
            "[9007199254740993]",
            "[9007199254740992]",
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"["\ud800"]"#,
            r#"["\ud801"]"#,
            r#"["a\"]"]"#,
        ];
        for (at, one) in values.iter().enumerate() {
            for other in &values[at + 1..] {
                assert_ne!(canonical(one), canonical(other), "{one} and {other}");
            }
        }
    }
}
