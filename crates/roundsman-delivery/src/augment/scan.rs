//! Walks over JSON as it stands in bytes, without making anything of it. Pure.
//!
//! What a sender wrote is to leave as it was written, numbers of any size and the order of members
//! included; so a payload is never read into values and written again, but looked over and spliced.

/// Values within values; the same bound as at the door.
const DEEPEST: usize = 128;

/// Where the value that begins at `at` ends; `None` where there is no whole value.
pub(super) fn value(json: &[u8], at: usize) -> Option<usize> {
    skip(json, at, DEEPEST)
}

/// Whether this is one value and nothing else.
pub(super) fn is_value(json: &[u8]) -> bool {
    value(json, blank(json, 0)).is_some_and(|end| blank(json, end) == json.len())
}

/// The first place from `at` on that is not blank.
pub(super) fn blank(json: &[u8], at: usize) -> usize {
    let blanks = json.get(at..).unwrap_or_default().iter();
    at + blanks.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Where the string that begins at `at` ends, its quotes included.
pub(super) fn string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = expect(json, at, b'"')?;
    loop {
        // Most of a string is plain, and looked at in blocks without a branch for each byte.
        while json.get(at..at + BLOCK).is_some_and(is_plain) {
            at += BLOCK;
        }
        match *json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(json, at + 1)?,
            0..=0x1f => return None,
            _ => at += 1,
        }
    }
}

/// Bytes of a string that are looked at together.
const BLOCK: usize = 16;

/// Whether nothing in a string ends, escapes or forbids here.
fn is_plain(block: &[u8]) -> bool {
    block
        .iter()
        .fold(true, |plain, byte| plain & (*byte != b'"') & (*byte != b'\\') & (*byte > 0x1f))
}

fn escape(json: &[u8], at: usize) -> Option<usize> {
    match json.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let digits = json.get(at + 1..at + 5)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}

fn skip(json: &[u8], at: usize, deeper: usize) -> Option<usize> {
    match *json.get(at)? {
        b'{' => {
            let mut members = Parts::of(json, at)?;
            let deeper = deeper.checked_sub(1)?;
            while let Some(at) = members.next()? {
                let at = blank(json, string(json, at)?);
                let at = blank(json, expect(json, at, b':')?);
                members.after(skip(json, at, deeper)?);
            }
            Some(members.end)
        }
        b'[' => {
            let mut elements = Parts::of(json, at)?;
            let deeper = deeper.checked_sub(1)?;
            while let Some(at) = elements.next()? {
                elements.after(skip(json, at, deeper)?);
            }
            Some(elements.end)
        }
        b'"' => string(json, at),
        b't' => word(json, at, b"true"),
        b'f' => word(json, at, b"false"),
        b'n' => word(json, at, b"null"),
        _ => number(json, at),
    }
}

/// The parts of an object or a list, one after the other.
pub(super) struct Parts<'a> {
    json: &'a [u8],
    close: u8,
    at: usize,
    first: bool,
    /// Behind its last bracket, once there are no more parts.
    pub(super) end: usize,
}

impl<'a> Parts<'a> {
    /// The parts of the object or list that begins at `at`.
    pub(super) fn of(json: &'a [u8], at: usize) -> Option<Self> {
        let close = match json.get(at)? {
            b'{' => b'}',
            b'[' => b']',
            _ => return None,
        };
        Some(Self { json, close, at: blank(json, at + 1), first: true, end: 0 })
    }

    /// Where the next part begins; `Some(None)` behind the last, `None` where this is no JSON.
    pub(super) fn next(&mut self) -> Option<Option<usize>> {
        let byte = *self.json.get(self.at)?;
        if byte == self.close {
            self.end = self.at + 1;
            return Some(None);
        }
        if !self.first {
            self.at = blank(self.json, expect(self.json, self.at, b',')?);
        }
        self.first = false;
        Some(Some(self.at))
    }

    /// The part that was given last ends here.
    pub(super) fn after(&mut self, end: usize) {
        self.at = blank(self.json, end);
    }

    /// Whether there was none.
    pub(super) fn is_empty(&self) -> bool {
        self.first
    }
}

/// Where the byte `byte`, which has to stand at `at`, ends.
pub(super) fn expect(json: &[u8], at: usize, byte: u8) -> Option<usize> {
    (*json.get(at)? == byte).then_some(at + 1)
}

fn word(json: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    json.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn number(json: &[u8], at: usize) -> Option<usize> {
    let mut at = if json.get(at) == Some(&b'-') { at + 1 } else { at };
    at = if json.get(at) == Some(&b'0') { at + 1 } else { digits(json, at)? };
    if json.get(at) == Some(&b'.') {
        at = digits(json, at + 1)?;
    }
    if matches!(json.get(at), Some(b'e' | b'E')) {
        let signed = matches!(json.get(at + 1), Some(b'+' | b'-'));
        at = digits(json, at + 1 + usize::from(signed))?;
    }
    Some(at)
}

fn digits(json: &[u8], at: usize) -> Option<usize> {
    let count = json.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(at + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_json_from_what_is_none() {
        for good in [
            "{}",
            " [1, -2.5e+3 ,\"a\\u00e9\\n\", {\"k\":[null,true,false]}] ",
            "0",
            "\"\"",
            "123456789012345678901234567890.5",
        ] {
            assert!(is_value(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "{",
            "{,}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "01",
            "1.",
            "-",
            "tru",
            "\"",
            "\"\\x\"",
            "1 2",
            "{a:1}",
            "\"\n\"",
            "nan",
            "[1 2]",
            "{\"a\":1,}",
        ] {
            assert!(!is_value(bad.as_bytes()), "{bad}");
        }
        let deep = "[".repeat(DEEPEST) + &"]".repeat(DEEPEST);
        assert!(is_value(deep.as_bytes()));
        assert!(!is_value(format!("[{deep}]").as_bytes()));
    }
}
