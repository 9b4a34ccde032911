//! JSON pointers (RFC 6901) into payloads as they were written: found, replaced, created. Pure.

use super::scan::{self, Parts};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;

/// A place in a payload, like `/user/name`.
///
/// ```
/// use roundsman_delivery::Pointer;
///
/// let payload = br#"{"id": 12345678901234567890, "user": {"name": "Ada"}}"#;
/// let name: Pointer = "/user/name".parse()?;
/// assert_eq!(name.find(payload), Some(&br#""Ada""#[..]));
/// let plan: Pointer = "/user/plan/name".parse()?;
/// let more = plan.put(payload, br#""free""#)?;
/// assert_eq!(more, r#"{"id": 12345678901234567890, "user": {"name": "Ada","plan":{"name":"free"}}}"#);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    written: String,
    steps: Vec<String>,
}

/// What stands at one step of the way.
enum Step {
    /// This value.
    Value(Range<usize>),
    /// Nothing; it would stand here, in an object or a list with other parts or without.
    Room { at: usize, is_object: bool, is_empty: bool },
}

impl std::str::FromStr for Pointer {
    type Err = String;

    /// Reads a pointer.
    ///
    /// # Errors
    /// What to write instead.
    fn from_str(written: &str) -> Result<Self, String> {
        let cure = || "write a JSON pointer, like \"/user/id\"".to_owned();
        let rest = written.strip_prefix('/').ok_or_else(cure)?;
        let step = |step: &str| {
            let plain = step.replace("~1", "").replace("~0", "");
            (!plain.contains('~')).then(|| step.replace("~1", "/").replace("~0", "~"))
        };
        let steps = rest.split('/').map(step).collect::<Option<Vec<_>>>().ok_or_else(cure)?;
        Ok(Self { written: written.to_owned(), steps })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Pointer {
    /// Whether what stands at one of the two is a part of what stands at the other.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.steps.iter().zip(&other.steps).all(|(mine, others)| mine == others)
    }

    /// What stands there, as it is written; `None` where nothing does.
    #[must_use]
    pub fn find<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let mut at = scan::blank(payload, 0);
        let mut found = 0..0;
        for step in &self.steps {
            match look(payload, at, step)? {
                Step::Value(range) => (at, found) = (range.start, range),
                Step::Room { .. } => return None,
            }
        }
        payload.get(found)
    }

    /// The payload with `value` there: in place of what stood there, or created with the objects
    /// on the way to it. Every other byte stays as it was.
    ///
    /// # Errors
    /// Something that is neither an object nor a list is in the way, or this is no JSON.
    pub fn put(&self, payload: &[u8], value: &[u8]) -> Result<Bytes, String> {
        let mut at = scan::blank(payload, 0);
        for (number, step) in self.steps.iter().enumerate() {
            let rest = &self.steps[number + 1..];
            let blocked = || format!("there is no room for {self} in this payload");
            match look(payload, at, step).ok_or_else(blocked)? {
                Step::Value(range) => {
                    let is_null = payload.get(range.clone()) == Some(b"null");
                    if rest.is_empty() || is_null {
                        return Ok(splice(payload, range, &[&nested(rest, value)]));
                    }
                    at = range.start;
                }
                Step::Room { at, is_object, is_empty } => {
                    let comma: &[u8] = if is_empty { b"" } else { b"," };
                    let name = if is_object { quoted(step) + ":" } else { String::new() };
                    let parts = [comma, name.as_bytes(), &nested(rest, value)];
                    return Ok(splice(payload, at..at, &parts));
                }
            }
        }
        Err("a pointer has at least one step".to_owned())
    }
}

/// What stands at `step` of the object or list that begins at `at`; `None` where that is neither,
/// or a list has no such place.
fn look(json: &[u8], at: usize, step: &str) -> Option<Step> {
    if *json.get(at)? == b'[' { element(json, at, step) } else { member(json, at, step) }
}

/// Of members with the same name the last one counts, as it does for most who read JSON.
fn member(json: &[u8], at: usize, step: &str) -> Option<Step> {
    let mut members = Parts::of(json, at)?;
    let (mut found, mut end) = (None, at + 1);
    while let Some(at) = members.next()? {
        let name_end = scan::string(json, at)?;
        let colon = scan::expect(json, scan::blank(json, name_end), b':')?;
        let start = scan::blank(json, colon);
        end = scan::value(json, start)?;
        if is_named(json.get(at + 1..name_end - 1)?, step) {
            found = Some(start..end);
        }
        members.after(end);
    }
    let is_empty = members.is_empty();
    Some(found.map_or(Step::Room { at: end, is_object: true, is_empty }, Step::Value))
}

fn element(json: &[u8], at: usize, step: &str) -> Option<Step> {
    let wanted = if step == "-" { None } else { Some(step.parse::<usize>().ok()?) };
    let mut elements = Parts::of(json, at)?;
    let (mut count, mut end) = (0, at + 1);
    while let Some(at) = elements.next()? {
        end = scan::value(json, at)?;
        if wanted == Some(count) {
            return Some(Step::Value(at..end));
        }
        count += 1;
        elements.after(end);
    }
    let room = Step::Room { at: end, is_object: false, is_empty: count == 0 };
    wanted.is_none_or(|wanted| wanted == count).then_some(room)
}

/// Whether a name, as it is written between its quotes, is `step`.
fn is_named(raw: &[u8], step: &str) -> bool {
    if !raw.contains(&b'\\') {
        return raw == step.as_bytes();
    }
    std::str::from_utf8(raw).is_ok_and(|raw| plain(raw) == step)
}

/// A string without its escapes.
fn plain(raw: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        let char = match (char, char == '\\') {
            (_, false) => char,
            (_, true) => match chars.next() {
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
                    continue;
                }
                other => other.unwrap_or('\u{fffd}'),
            },
        };
        units.extend(char.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16_lossy(&units)
}

/// The value within an object for each step that is left.
fn nested(steps: &[String], value: &[u8]) -> Vec<u8> {
    let mut nested = Vec::with_capacity(value.len() + 16 * steps.len());
    for step in steps {
        nested.push(b'{');
        nested.extend_from_slice(quoted(step).as_bytes());
        nested.push(b':');
    }
    nested.extend_from_slice(value);
    nested.resize(nested.len() + steps.len(), b'}');
    nested
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

fn splice(json: &[u8], range: Range<usize>, parts: &[&[u8]]) -> Bytes {
    let more: usize = parts.iter().map(|part| part.len()).sum();
    let mut whole = Vec::with_capacity(json.len() + more);
    whole.extend_from_slice(&json[..range.start]);
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.extend_from_slice(&json[range.end..]);
    whole.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(written: &str) -> Pointer {
        written.parse().unwrap()
    }

    #[test]
    fn finds_what_is_there() {
        let payload = br#" {"a": {"b/c": [1, {"d": "x"}], "~": 1.50}, "\u0065\n": true, "a": 2 } "#;
        let found =
            |written| pointer(written).find(payload).map(|it| std::str::from_utf8(it).unwrap());
        assert_eq!(found("/a"), Some("2"), "the last of two counts");
        assert_eq!(found("/e\n"), Some("true"));
        assert_eq!(found("/b"), None);
        let payload = br#"{"a": {"b/c": [1, {"d": "x"}], "~": 1.50}}"#;
        let found =
            |written| pointer(written).find(payload).map(|it| std::str::from_utf8(it).unwrap());
        assert_eq!(found("/a/b~1c/1/d"), Some("\"x\""));
        assert_eq!(found("/a/~0"), Some("1.50"));
        for none in ["/a/b~1c/2", "/a/b~1c/x", "/a/b~1c/-", "/a/~0/z", "/"] {
            assert_eq!(found(none), None, "{none}");
        }
        for broken in [&b""[..], b"{", b"[", b"{\"a\" 1}", b"7"] {
            assert_eq!(pointer("/a").find(broken), None);
            assert!(pointer("/a").put(broken, b"1").is_err());
        }
    }

    #[test]
    fn puts_and_leaves_the_rest_as_it_was() {
        for (at, before, after) in [
            ("/a", r#"{}"#, r#"{"a":9}"#),
            ("/a", r#"{ "b" : 1e400 , "a" : [1, 2] }"#, r#"{ "b" : 1e400 , "a" : 9 }"#),
            ("/a/b", r#"{ "z": 1 }"#, r#"{ "z": 1,"a":{"b":9} }"#),
            ("/a/b", r#"{"a": null}"#, r#"{"a": {"b":9}}"#),
            ("/a/0", r#"{"a":[]}"#, r#"{"a":[9]}"#),
            ("/a/-", r#"{"a":[ 1 ]}"#, r#"{"a":[ 1,9 ]}"#),
            ("/a/1/b", r#"{"a":[1]}"#, r#"{"a":[1,{"b":9}]}"#),
            ("/\"/\\", r#"{}"#, r#"{"\"":{"\\":9}}"#),
        ] {
            assert_eq!(
                pointer(at).put(before.as_bytes(), b"9").unwrap(),
                after,
                "{at} of {before}"
            );
        }
        for (at, before) in
            [("/a/b", r#"{"a":1}"#), ("/a/7", r#"{"a":[1]}"#), ("/a/b", r#"{"a":[]}"#)]
        {
            assert!(pointer(at).put(before.as_bytes(), b"9").is_err(), "{at} of {before}");
        }
    }

    #[test]
    fn what_is_no_pointer() {
        for bad in ["", "a", "a/b", "/a~", "/~2"] {
            assert!(bad.parse::<Pointer>().is_err(), "{bad}");
        }
    }
}
