//! Logs: lines on standard error, and what must not stand in them.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error, once a process.
///
/// `level` is a level for Roundsman alone (`info`), or directives as
/// [`EnvFilter`] has them (`warn,roundsman_server=debug`).
///
/// # Errors
/// `level` is neither; in words.
pub fn start(level: &str) -> Result<(), String> {
    let filter = filter(level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    // A second start in one process, as tests have it, leaves the first as it is.
    let _ = lines.try_init();
    Ok(())
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    let alone = !level.contains(['=', ',']);
    let directives = if alone { format!("warn,roundsman={level}") } else { level.to_owned() };
    EnvFilter::try_new(directives).map_err(|_| {
        format!("{level:?} is no log level; write error, warn, info, debug, trace or off")
    })
}

/// A request's path and query as it may be logged: what a token stands for is masked.
///
/// ```
/// use roundsman_server::log::masked;
///
/// assert_eq!(masked("/socket/websocket?token=abc&vsn=2.0.0"), "/socket/websocket?token=***&vsn=2.0.0");
/// assert_eq!(masked("/healthz"), "/healthz");
/// ```
#[must_use]
pub fn masked(path_and_query: &str) -> String {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return path_and_query.to_owned();
    };
    let mask = |pair: &str| match pair.split_once('=') {
        // Whatever is not known to be harmless may be a token under another, or an escaped, name.
        Some((name, value)) if name == "vsn" => format!("{name}={value}"),
        Some((name, _)) => format!("{name}=***"),
        None => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(mask).collect();
    format!("{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for good in ["info", "off", "DEBUG", "warn,roundsman_server=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        assert!(filter("loud").is_err());
    }
}
