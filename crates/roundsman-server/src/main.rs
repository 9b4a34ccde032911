//! The binary `roundsman`: the command line of the server.

use std::process::ExitCode;

fn main() -> ExitCode {
    roundsman_server::cli::run()
}
