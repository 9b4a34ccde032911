//! `roundsman listen --key`: what happens to a key's messages, live, a line each.

use super::args::Listen;
use super::failure::Failure;
use super::remote::{Server, problem, refusal};
use super::table::plain;
use super::waits::Waits;
use reqwest::Method;
use roundsman_store::Key;
use serde_json::Value;
use std::io::{Write, stderr, stdout};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Why one connection came to its end.
enum End {
    /// It was lost; another may do.
    Lost(String),
    /// No other will do either.
    Never(Failure),
}

pub(super) async fn run(listen: &Listen) -> Result<(), Failure> {
    let server = Server::new(&listen.remote.url, listen.api_key.clone())?;
    let key = listen.key.as_deref().unwrap_or_default();
    Key::parse(key).map_err(|error| Failure::Usage(format!("--key: {error}")))?;
    let mut waits = Waits::default();
    loop {
        match follow(&server, key, listen.json, &mut waits).await {
            End::Never(failure) => return Err(failure),
            End::Lost(why) => {
                let wait = waits.next();
                let _ = writeln!(stderr(), "{why}; again in {} ms", wait.as_millis());
                sleep(wait).await;
            }
        }
    }
}

/// Follows until the connection ends.
async fn follow(server: &Server, key: &str, json: bool, waits: &mut Waits) -> End {
    let request = server.request(Method::GET, "/v1/events", &[("key", key.to_owned())]);
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return End::Lost(format!("no connection: {error}")),
    };
    if response.status().is_client_error() {
        return End::Never(refusal(&problem(response).await));
    }
    if !response.status().is_success() {
        return End::Lost(problem(response).await.detail);
    }
    let mut text = Vec::new();
    loop {
        match timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(chunk))) => text.extend_from_slice(&chunk),
            Ok(Ok(None)) => return End::Lost("the server has ended the stream".to_owned()),
            Ok(Err(error)) => return End::Lost(format!("connection lost: {error}")),
            Err(_) => return End::Lost("nothing was heard for too long".to_owned()),
        }
        waits.reset();
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if print(&line, key, json).is_err() {
                return End::Never(Failure::Said);
            }
        }
    }
}

/// A server is never silent for as long.
const SILENCE: Duration = Duration::from_secs(45);

fn print(line: &[u8], key: &str, json: bool) -> std::io::Result<()> {
    let Ok(event) = serde_json::from_slice::<Value>(line) else { return Ok(()) };
    match event["what"].as_str() {
        Some("watching") => {
            let _ = writeln!(stderr(), "watching {key}");
            Ok(())
        }
        _ if json => stdout().write_all(line),
        Some("missed") => {
            let _ = writeln!(stderr(), "{} events came too fast and are not shown", event["count"]);
            Ok(())
        }
        _ => writeln!(stdout(), "{}", words(&event)),
    }
}

/// When, what, which, where, and what there is to say of it.
fn words(event: &Value) -> String {
    let text = |name: &str| plain(event[name].as_str().unwrap_or_default());
    let id = match event["id"].as_str() {
        Some(id) => plain(id),
        None => "?".to_owned(),
    };
    let mut words =
        format!("{:<27} {:<12} {id} {}", text("at"), text("what").replace('_', " "), text("topic"));
    if let Some(attempt) = event["attempt"].as_u64() {
        words.push_str(&format!(" attempt {attempt}"));
    }
    for (name, before) in [("reason", "given up: "), ("why", ""), ("again_at", "again at ")] {
        if event[name].is_string() {
            words.push_str(&format!("; {before}{}", text(name)));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_there_is_to_say() {
        let event = json!({"at": "2026-01-01T00:00:00Z", "what": "failed", "id": "a", "topic": "t",
            "why": "it said\u{7} no", "again_at": "2026-01-01T00:00:01Z"});
        let line = "2026-01-01T00:00:00Z        failed       a t; it said\u{fffd} no; again at 2026-01-01T00:00:01Z";
        assert_eq!(words(&event), line);
    }
}
