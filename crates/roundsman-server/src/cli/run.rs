//! From the arguments to the exit code.

use super::args::{Cli, Command};
use super::failure::Failure;
use super::{check, dead, events, listen, send, serve, token};
use crate::tls;
use clap::Parser;
use std::ffi::OsString;
use std::io::{Write, stderr};
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    match dispatch(std::env::args_os().collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure != Failure::Said {
                // With standard error gone there is nobody left to tell.
                let _ = writeln!(stderr(), "error: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(mut arguments: Vec<OsString>) -> Result<(), Failure> {
    let Some(command) = Cli::parse_from(&arguments).command else {
        arguments.push("serve".into());
        return dispatch(arguments);
    };
    tls::install_provider();
    match command {
        Command::Serve(serve) => runtime(Builder::new_multi_thread())?.block_on(serve::run(serve)),
        Command::Check(check) => light()?.block_on(check::run(&check)),
        Command::Send(send) => light()?.block_on(send::run(send)),
        Command::Listen(listen) if listen.key.is_some() => light()?.block_on(events::run(&listen)),
        Command::Listen(listen) => light()?.block_on(listen::run(&listen)),
        Command::Dead(dead) => light()?.block_on(dead::run(dead.command)),
        Command::Token(token) => token::run(&token),
    }
}

fn light() -> Result<Runtime, Failure> {
    runtime(Builder::new_current_thread())
}

fn runtime(mut builder: Builder) -> Result<Runtime, Failure> {
    Ok(builder.enable_all().build()?)
}
