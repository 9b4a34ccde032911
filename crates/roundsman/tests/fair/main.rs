//! Equitable dispatching: what is promised of whose turn it is, on virtual time.

mod day_one;
mod oracle;
mod shares;
mod start_time;
mod waits;
mod world;
