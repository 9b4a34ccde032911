//! What *accepted* really means on this store as it is set, as data and as a sentence.

/// What a store promises here and now; see [`Store::probe`](crate::Store::probe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// Which store and version, for example `SQLite 3.54.1`.
    pub store: String,
    /// Accepted messages outlive the end of this process.
    pub survives_process: bool,
    /// Accepted messages outlive the end of the machine.
    pub survives_machine: bool,
    /// The promise in one sentence.
    pub sentence: String,
    /// Settings that make it weaker than this kind of store can be; names for `accept_weaker`.
    pub weaker: Vec<String>,
}
