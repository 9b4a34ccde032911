//! The command line: what can be asked of `roundsman`, and one file for each command.
//!
//! Answers go to standard output, everything else to standard error. Exit codes: 0 done, 1 it
//! failed, 2 a flag or the configuration is wrong.

mod args;
mod check;
mod dead;
mod events;
mod failure;
mod lines;
mod listen;
mod post;
mod remote;
mod run;
mod send;
mod serve;
mod table;
mod token;
mod waits;

pub use run::run;
