//! Patterns of topics: a name, or the beginning of many.

use std::sync::Arc;

/// A topic's name, or a prefix that ends in `*`.
///
/// ```
/// use roundsman_store::Pattern;
///
/// assert!(Pattern::new("user:*").matches("user:42"));
/// assert!(!Pattern::new("user:*").matches("team:42"));
/// assert!(Pattern::new("user:42").matches("user:42"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// A pattern as it is written.
    #[must_use]
    pub fn new(written: &str) -> Self {
        Self(written.into())
    }

    /// Whether `topic` is meant.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => topic.starts_with(prefix),
            None => *self.0 == *topic,
        }
    }

    /// Whether every topic that `other` means is meant.
    ///
    /// ```
    /// use roundsman_store::Pattern;
    ///
    /// let users = Pattern::new("user:*");
    /// assert!(users.covers(&Pattern::new("user:42")) && users.covers(&Pattern::new("user:4*")));
    /// assert!(!users.covers(&Pattern::new("*")) && !Pattern::new("user:").covers(&users));
    /// ```
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => other.0.strip_suffix('*').unwrap_or(&other.0).starts_with(prefix),
            None => self == other,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
