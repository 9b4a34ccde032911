//! Topics and the sessions that joined them.

/// Topics and the sessions that joined them; the engine's channel target.
#[derive(Debug)]
pub struct Hub {}
