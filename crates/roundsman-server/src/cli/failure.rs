//! How a command fails: one message, and the exit code.

use crate::config::Fault;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// A flag or the configuration is wrong.
    #[error("{0}")]
    Usage(String),
    /// What was asked for did not work out.
    #[error("{0}")]
    Failed(String),
    /// It did not, and everything has been said.
    #[error("")]
    Said,
}

impl Failure {
    /// What did not work out, in words.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Said => 1,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Usage(fault.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
