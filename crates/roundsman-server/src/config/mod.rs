//! Configuration, in two storeys: as written, then as resolved. Only the resolved one is used.

/// The configuration as the server uses it.
#[derive(Clone, Debug)]
pub struct Config {}
