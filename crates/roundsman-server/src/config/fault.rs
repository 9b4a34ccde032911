//! A fault in the configuration: where it stands, which key, what is wrong, what would be right.

use std::fmt;

/// A fault in the configuration, as one line for a person.
///
/// ```text
/// roundsman.toml:12: retry.backoff is "500ms-10m"; write the shortest and the longest wait, like "500ms..10m"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// File and line, or the flag and the environment variable.
    pub place: String,
    /// The key with its table, like `retry.backoff`; empty where the file as a whole is at fault.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub cure: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.key.is_empty() { "" } else { " " };
        write!(f, "{}: {}{gap}{}", self.place, self.key, self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(f, "; {}", self.cure) }
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = known.iter().map(|word| (strsim::jaro_winkler(written, word), *word));
    alike.filter(|(alike, _)| *alike > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}
