//! A node: one running engine. Start it, hand it messages, tell it who joined, drain it.

mod builder;
mod drain;
mod handle;
mod operate;
mod tend;

pub use builder::{NodeBuilder, Settings};
pub use drain::DrainReport;
pub use handle::Node;
pub use operate::TakeBack;
