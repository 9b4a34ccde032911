//! Why a log cannot be read, in words with the cure.

/// Why a log cannot be read now. It may be later: open it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LogError(pub String);
