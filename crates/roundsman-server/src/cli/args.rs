//! Commands and flags, as clap reads them and as `--help` shows them.

use crate::config::{Config, Fault, Overrides, parse_span};
use crate::http::time::{BAD_TIME, read_time, write_time};
use clap::{Args, Parser, Subcommand};
use roundsman_store::{Clock, SystemClock};
use std::path::PathBuf;
use std::time::Duration;

/// Delivers messages to users: demand-driven, durable, in order.
///
/// Without a command it serves, on 127.0.0.1:4000, keeping messages in roundsman.db.
#[derive(Debug, Parser)]
#[command(name = "roundsman", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server
    Serve(Serve),
    /// Check the configuration and the store, and say what the guarantee is
    Check(Check),
    /// Send a message, or a file of them, to a running server
    Send(Send),
    /// Print what arrives on a topic, or what happens to a key's messages
    Listen(Listen),
    /// See, replay and drop dead letters: messages that were given up on
    Dead(Dead),
    /// Print a client token, signed with the configured token_secret
    Token(Token),
}

/// Where the configuration comes from: flag over environment over file.
#[derive(Debug, Args)]
pub(super) struct Configuration {
    /// Configuration file, in TOML
    #[arg(long, value_name = "FILE", env = "ROUNDSMAN_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDRESS", env = "ROUNDSMAN_LISTEN")]
    listen: Option<String>,
    /// Where messages are kept: sqlite:PATH, postgres://…, mysql://…, redis://…, kafka://…/PREFIX or
    /// memory: [default: sqlite:roundsman.db]
    #[arg(long, value_name = "URL", env = "ROUNDSMAN_STORE")]
    store: Option<String>,
}

impl Configuration {
    /// As resolved.
    pub(super) fn load(&self) -> Result<Config, Fault> {
        let overrides = Overrides { listen: self.listen.clone(), store: self.store.clone() };
        Config::load(self.config.as_deref(), &overrides)
    }
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) configuration: Configuration,
    /// How long to drain before exit, once asked to stop
    #[arg(long, value_name = "SECONDS", env = "ROUNDSMAN_DRAIN_SECONDS", default_value_t = 25)]
    pub(super) drain_seconds: u64,
    /// What to log: error, warn, info, debug, trace or off
    #[arg(long, value_name = "LEVEL", env = "ROUNDSMAN_LOG", default_value = "info")]
    pub(super) log: String,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) configuration: Configuration,
    /// Print the configuration as resolved, secrets masked
    #[arg(long)]
    pub(super) print: bool,
}

/// Which server to talk to.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = "ROUNDSMAN_URL",
        default_value = "http://127.0.0.1:4000"
    )]
    pub(super) url: String,
}

#[derive(Debug, Args)]
pub(super) struct Send {
    /// Who gets it, like user:42
    #[arg(required_unless_present = "file", requires = "payload")]
    pub(super) topic: Option<String>,
    /// What they get: a JSON object
    #[arg(value_name = "JSON")]
    pub(super) payload: Option<String>,
    /// What it is called [default: message]
    #[arg(long)]
    pub(super) event: Option<String>,
    /// Whom it is charged to, parts joined by /, widest first [default: the topic]
    #[arg(long)]
    pub(super) key: Option<String>,
    /// Send a file instead, one message a line in JSON; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "payload", "event", "key"])]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) remote: Remote,
    /// One of the server's API keys
    #[arg(long, value_name = "KEY", env = "ROUNDSMAN_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Listen {
    /// The topic to join, like user:42
    #[arg(required_unless_present = "key")]
    pub(super) topic: Option<String>,
    /// Show instead what happens to the messages of this key and those below it, live
    #[arg(long, conflicts_with = "topic")]
    pub(super) key: Option<String>,
    /// With --key: print each event as JSON
    #[arg(long, requires = "key")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) remote: Remote,
    /// A client token that may join the topic
    #[arg(long, env = "ROUNDSMAN_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// With --key: one of the server's operator keys
    #[arg(long, value_name = "KEY", env = "ROUNDSMAN_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Dead {
    #[command(subcommand)]
    pub(super) command: DeadCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadCommand {
    /// List them, in the order of their acceptance
    List(DeadList),
    /// Show one, with every attempt and its payload
    Show(DeadShow),
    /// Send them again, each under its id and at attempt 1
    Replay(DeadChange),
    /// Remove them for good
    Drop(DeadChange),
}

#[derive(Debug, Args)]
pub(super) struct DeadList {
    #[command(flatten)]
    pub(super) filter: DeadFilter,
    /// How many to list
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = 1..)]
    pub(super) limit: i64,
    /// Go on where a list before ended
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
    /// Print each as a line of JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) operator: Operator,
}

#[derive(Debug, Args)]
pub(super) struct DeadShow {
    /// Its id
    pub(super) id: String,
    /// Print it as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) operator: Operator,
}

#[derive(Debug, Args)]
pub(super) struct DeadChange {
    /// Their ids
    #[arg(value_name = "ID")]
    pub(super) ids: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with_all = ["ids", "key", "topic", "reason", "since", "until"])]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) filter: DeadFilter,
    #[command(flatten)]
    pub(super) operator: Operator,
}

/// Which dead letters.
#[derive(Debug, Args)]
pub(super) struct DeadFilter {
    /// Those of this key and those below it, parts joined by /
    #[arg(long)]
    pub(super) key: Option<String>,
    /// Those on this topic, or on those that begin so, with * behind it
    #[arg(long, value_name = "PATTERN")]
    pub(super) topic: Option<String>,
    /// Those given up on for this: attempts, age, crash, refused, augment, gone
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Those given up on since: a time, or so long ago, like 2h
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(super) since: Option<String>,
    /// Those given up on before: a time, or so long ago, like 30d
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(super) until: Option<String>,
}

/// A time as the API reads it; a span is so long ago.
fn parse_moment(written: &str) -> Result<String, String> {
    if let Ok(span) = parse_span(written) {
        return write_time(SystemClock.now().before(span)).ok_or_else(|| BAD_TIME.to_owned());
    }
    read_time(written).map(|_| written.to_owned()).ok_or_else(|| BAD_TIME.to_owned())
}

/// Which server to talk to, as its operator.
#[derive(Debug, Args)]
pub(super) struct Operator {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// One of the server's operator keys
    #[arg(long, value_name = "KEY", env = "ROUNDSMAN_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// Whose token it is; it may join user:USER
    #[arg(long)]
    pub(super) user: String,
    /// What else it may join: topics, or how they begin with * behind it
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub(super) topics: Vec<String>,
    /// When it runs out
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = parse_span)]
    pub(super) expires: Duration,
    /// Configuration file with the token_secret
    #[arg(long, value_name = "FILE", env = "ROUNDSMAN_CONFIG")]
    pub(super) config: Option<PathBuf>,
}
