//! The binary `roundsman`: the command line of the server.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A message is a few dozen small allocations on its way, made by one thread and often given up by
/// another; the system's allocator takes a seventh of all the time for that, this one a third of it.
/// Its second line (`v2`) gives back what is free after 10 ms, its third after a second, which was
/// half as much memory again under load, and slower.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    roundsman_server::cli::run()
}
