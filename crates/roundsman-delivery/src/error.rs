//! Errors of the intake.

use roundsman_store::AcceptError;

/// Why the intake took nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The node is draining: try another, or later.
    #[error("the node is draining")]
    Draining,
    /// The store refused some of the messages, or failed.
    #[error(transparent)]
    Accept(#[from] AcceptError),
}
