//! The binary `roundsman`: the command line of the server.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A message is a few dozen small allocations on its way, made by one thread and often given up by
/// another; the system's allocator takes a seventh of all the time for that, this one a third of it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    roundsman_server::cli::run()
}
