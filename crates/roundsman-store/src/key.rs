//! Keys: whom a message is charged to, a path of one to eight parts, widest first.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Whom a message is charged to: a path such as team, then user.
///
/// Held in its written form, the parts joined by `/`, with `~1` for `/` and `~0` for `~` inside a
/// part, so that a key compares, hashes and is stored as one string.
///
/// ```
/// use roundsman_store::Key;
///
/// let key = Key::from_parts(["team-7", "a/b"])?;
/// assert_eq!(key.as_str(), "team-7/a~1b");
/// assert_eq!(key.parts().collect::<Vec<_>>(), ["team-7", "a/b"]);
/// assert_eq!(Key::parse("team-7/a~1b")?, key);
/// # Ok::<(), roundsman_store::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No part at all.
    #[error("a key needs at least one part")]
    NoParts,
    /// More than eight parts.
    #[error("a key has at most 8 parts")]
    TooManyParts,
    /// Part number so-and-so, counted from 0, is empty.
    #[error("part {0} of the key is empty; each part needs 1 to 255 bytes")]
    EmptyPart(usize),
    /// Part number so-and-so, counted from 0, is over 255 bytes.
    #[error("part {0} of the key is longer than 255 bytes")]
    LongPart(usize),
    /// In the written form: a `~` that is followed by neither `0` nor `1`.
    #[error("part {0} of the key has a `~` that is not `~0` (for `~`) or `~1` (for `/`)")]
    BadEscape(usize),
}

impl Key {
    /// The most parts that a key has.
    pub const MAX_PARTS: usize = 8;
    /// The most bytes that a part has.
    pub const MAX_PART: usize = 255;

    /// A key of these parts, widest first.
    ///
    /// # Errors
    /// No part, more than eight, or one that is empty or over 255 bytes.
    pub fn from_parts<I>(parts: I) -> Result<Self, KeyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut written = String::new();
        let mut count = 0;
        for part in parts {
            let part = part.as_ref();
            check_part(count, part)?;
            if count > 0 {
                written.push('/');
            }
            escape(part, &mut written);
            count += 1;
        }
        if count == 0 {
            return Err(KeyError::NoParts);
        }
        Ok(Self(written.into()))
    }

    /// A key from its written form: parts joined by `/`, `~1` for `/` and `~0` for `~`.
    ///
    /// # Errors
    /// As [`Key::from_parts`], and a `~` that escapes nothing.
    pub fn parse(written: &str) -> Result<Self, KeyError> {
        let mut parts = Vec::with_capacity(2);
        for (index, part) in written.split('/').enumerate() {
            let mut rest = part;
            while let Some(at) = rest.find('~') {
                if !rest[at + 1..].starts_with(['0', '1']) {
                    return Err(KeyError::BadEscape(index));
                }
                rest = &rest[at + 2..];
            }
            parts.push(unescape(part));
        }
        Self::from_parts(parts)
    }

    /// The written form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts, widest first.
    pub fn parts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').map(unescape)
    }

    /// Whether this is `other`, or a key below it.
    ///
    /// ```
    /// use roundsman_store::Key;
    ///
    /// let (team, user) = (Key::parse("team-7")?, Key::parse("team-7/user-42")?);
    /// assert!(user.is_within(&team) && team.is_within(&team));
    /// assert!(!Key::parse("team-70")?.is_within(&team));
    /// # Ok::<(), roundsman_store::KeyError>(())
    /// ```
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let below = self.0.strip_prefix(&*other.0);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// The widest part, still in its written form; what shards are chosen by.
    #[must_use]
    pub fn widest(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(widest, _)| widest)
    }
}

fn check_part(index: usize, part: &str) -> Result<(), KeyError> {
    if index >= Key::MAX_PARTS {
        return Err(KeyError::TooManyParts);
    }
    if part.is_empty() {
        return Err(KeyError::EmptyPart(index));
    }
    if part.len() > Key::MAX_PART {
        return Err(KeyError::LongPart(index));
    }
    Ok(())
}

fn escape(part: &str, into: &mut String) {
    for letter in part.chars() {
        match letter {
            '~' => into.push_str("~0"),
            '/' => into.push_str("~1"),
            other => into.push(other),
        }
    }
}

fn unescape(part: &str) -> Cow<'_, str> {
    if part.contains('~') {
        Cow::Owned(part.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(part)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_form_and_back() {
        for parts in [vec!["a"], vec!["a", "b"], vec!["~", "/", "~1"], vec!["user:42"]] {
            let key = Key::from_parts(&parts).unwrap();
            assert_eq!(key.parts().collect::<Vec<_>>(), parts);
            assert_eq!(Key::parse(key.as_str()).unwrap(), key);
        }
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(Key::from_parts(Vec::<&str>::new()), Err(KeyError::NoParts));
        assert_eq!(Key::from_parts(["a", ""]), Err(KeyError::EmptyPart(1)));
        assert_eq!(Key::from_parts(["a"; 9]), Err(KeyError::TooManyParts));
        assert_eq!(Key::from_parts(["a".repeat(256)]), Err(KeyError::LongPart(0)));
        assert_eq!(Key::parse("a/b~2"), Err(KeyError::BadEscape(1)));
        assert_eq!(Key::parse("a~"), Err(KeyError::BadEscape(0)));
        assert!(Key::from_parts(["a".repeat(255)]).is_ok());
    }
}
