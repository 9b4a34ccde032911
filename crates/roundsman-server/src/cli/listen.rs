//! `roundsman listen`: joins a topic as any client does and prints what arrives, a line each.

use super::args::Listen;
use super::failure::Failure;
use super::waits::Waits;
use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::{Write, stderr, stdout};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{interval, sleep};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why one connection came to its end.
enum End {
    /// It was lost; another may do.
    Lost(String),
    /// No other will do either.
    Never(Failure),
}

pub(super) async fn run(listen: &Listen) -> Result<(), Failure> {
    let request = request(listen)?;
    let topic = listen.topic.as_deref().unwrap_or_default();
    let mut waits = Waits::default();
    loop {
        let end = match connect_async(request.clone()).await {
            Ok((socket, _)) => {
                waits.reset();
                follow(socket, topic).await
            }
            Err(error) => refused(error),
        };
        let wait = waits.next();
        match end {
            End::Never(failure) => return Err(failure),
            End::Lost(why) => {
                let _ = writeln!(stderr(), "{why}; again in {} ms", wait.as_millis());
                sleep(wait).await;
            }
        }
    }
}

/// The handshake: the URL in the socket's scheme, the token as a bearer.
fn request(listen: &Listen) -> Result<Request, Failure> {
    let url = &listen.remote.url;
    let cure = || {
        Failure::Usage(format!(
            "--url or ROUNDSMAN_URL: {url:?} is no URL like http://127.0.0.1:4000"
        ))
    };
    let rest = url.strip_prefix("http").ok_or_else(cure)?;
    let address = format!("ws{}/socket/websocket?vsn=2.0.0", rest.trim_end_matches('/'));
    let mut request = address.into_client_request().map_err(|_| cure())?;
    if let Some(token) = &listen.token {
        let bearer = format!("Bearer {token}").parse();
        let bearer = bearer.map_err(|_| Failure::Usage("--token: that is no token".to_owned()))?;
        request.headers_mut().insert("authorization", bearer);
    }
    Ok(request)
}

fn refused(error: Error) -> End {
    match error {
        Error::Http(response) if response.status().is_client_error() => {
            let cure = "does --token (ROUNDSMAN_TOKEN) hold a good token?";
            End::Never(Failure::Failed(format!(
                "the server refused: {}; {cure}",
                response.status()
            )))
        }
        Error::Http(response) => End::Lost(format!("the server refused: {}", response.status())),
        Error::Url(error) => End::Never(Failure::Usage(format!("--url: {error}"))),
        error => End::Lost(format!("no connection: {error}")),
    }
}

/// Joins, and prints until the connection ends.
async fn follow(mut socket: Socket, topic: &str) -> End {
    match talk(&mut socket, topic).await {
        Ok(end) => end,
        Err(error) => End::Lost(format!("connection lost: {error}")),
    }
}

async fn talk(socket: &mut Socket, topic: &str) -> Result<End, Error> {
    let mut beat = interval(HEARTBEAT);
    send(socket, &json!(["1", "1", topic, "phx_join", {}])).await?;
    loop {
        let frame = tokio::select! {
            frame = socket.next() => frame,
            _ = beat.tick() => {
                send(socket, &json!([null, "beat", "phoenix", "heartbeat", {}])).await?;
                continue;
            }
        };
        let text = match frame {
            None => return Ok(End::Lost("connection lost".to_owned())),
            Some(Ok(Message::Close(close))) => {
                let why = close.map_or_else(|| "no reason".to_owned(), |close| close.to_string());
                return Ok(End::Lost(format!("the server closed the connection: {why}")));
            }
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(_)) => continue,
            Some(Err(error)) => return Err(error),
        };
        match read(&text, topic) {
            Heard::Nothing => {}
            Heard::Joined => {
                let _ = writeln!(stderr(), "listening on {topic}");
            }
            Heard::Refused(why) => {
                let why = format!("the server does not let us join {topic}: {why}");
                return Ok(End::Never(Failure::Failed(why)));
            }
            Heard::Gone => return Ok(End::Lost("the channel came to its end".to_owned())),
            Heard::Message { line, id } => {
                if writeln!(stdout(), "{line}").is_err() {
                    return Ok(End::Never(Failure::Said));
                }
                if let Some(id) = id {
                    send(socket, &json!(["1", "ack", topic, "ack", {"ids": [id]}])).await?;
                }
            }
        }
    }
}

async fn send(socket: &mut Socket, frame: &Value) -> Result<(), Error> {
    socket.send(Message::text(frame.to_string())).await
}

/// What one frame means here.
#[derive(Debug, PartialEq)]
enum Heard {
    Nothing,
    Joined,
    Refused(String),
    Gone,
    Message {
        line: String,
        /// To be acknowledged.
        id: Option<String>,
    },
}

fn read(text: &str, topic: &str) -> Heard {
    type Frame<'a> = (Value, Value, String, String, &'a RawValue);
    let Ok((_, reference, of, event, payload)) = serde_json::from_str::<Frame<'_>>(text) else {
        return Heard::Nothing;
    };
    match event.as_str() {
        _ if of != topic => Heard::Nothing,
        "phx_reply" if reference == "1" => {
            let reply: Value = serde_json::from_str(payload.get()).unwrap_or_default();
            match reply["status"].as_str() {
                Some("ok") => Heard::Joined,
                _ => Heard::Refused(reply["response"]["reason"].as_str().unwrap_or("?").to_owned()),
            }
        }
        "phx_error" | "phx_close" => Heard::Gone,
        event if event.starts_with("phx_") => Heard::Nothing,
        event => message(topic, event, payload),
    }
}

/// A message as a line. One that came as `{"id", "attempt", "payload"}`, nothing more, waits for
/// an acknowledgement by its rule; should a sender have written just that, the server answers an
/// acknowledgement of an unknown id with no harm done.
fn message(topic: &str, event: &str, payload: &RawValue) -> Heard {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Numbered<'a> {
        id: String,
        attempt: u32,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let (topic, event) = (json!(topic), json!(event));
    // Line ends of a payload are between its values, where blanks are as good.
    let line = |json: &RawValue| json.get().replace(['\n', '\r'], " ");
    match serde_json::from_str::<Numbered<'_>>(payload.get()) {
        Ok(Numbered { id, attempt, payload }) => Heard::Message {
            line: format!(
                r#"{{"topic":{topic},"event":{event},"id":{},"attempt":{attempt},"payload":{}}}"#,
                json!(id),
                line(payload)
            ),
            id: Some(id),
        },
        Err(_) => Heard::Message {
            line: format!(r#"{{"topic":{topic},"event":{event},"payload":{}}}"#, line(payload)),
            id: None,
        },
    }
}

const HEARTBEAT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let joined = r#"["1","1","t","phx_reply",{"status":"ok","response":{}}]"#;
        assert_eq!(read(joined, "t"), Heard::Joined);
        let refused =
            r#"["1","1","t","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]"#;
        assert_eq!(read(refused, "t"), Heard::Refused("unauthorized".to_owned()));
        let plain = r#"[null,null,"t","push",{"n": 1}]"#;
        let line = r#"{"topic":"t","event":"push","payload":{"n": 1}}"#.to_owned();
        assert_eq!(read(plain, "t"), Heard::Message { line, id: None });
        let broken = "[null,null,\"t\",\"push\",{\"n\":\r\n\"a\\nb\"}]";
        let line = r#"{"topic":"t","event":"push","payload":{"n":  "a\nb"}}"#.to_owned();
        assert_eq!(read(broken, "t"), Heard::Message { line, id: None });
        let numbered = r#"[null,null,"t","push",{"id":"a","attempt":2,"payload":{}}]"#;
        let line = r#"{"topic":"t","event":"push","id":"a","attempt":2,"payload":{}}"#.to_owned();
        assert_eq!(read(numbered, "t"), Heard::Message { line, id: Some("a".to_owned()) });
        for other in ["", "{}", r#"[null,"beat","phoenix","phx_reply",{"status":"ok"}]"#] {
            assert_eq!(read(other, "t"), Heard::Nothing);
        }
    }
}
