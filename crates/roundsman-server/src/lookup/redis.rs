//! Lookups in Redis or Valkey: a string, a hash or JSON by key, all keys of a query in one go.

use super::pool::Pool;
use super::row::Scalar;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Client, Pipeline, RedisError};
use roundsman_delivery::{Finding, Found, Lookup, Value};
use serde_json::json;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What is asked of Redis for each value: `get`, `hgetall` or `json.get`, and a key with `{value}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    what: What,
    before: String,
    after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A string, as a string.
    Get,
    /// A string that is JSON.
    Json,
    /// A hash, as an object of strings.
    Hash,
    /// A value of the JSON module.
    Module,
}

const WORDS: [(&str, What); 4] =
    [("get", What::Get), ("json", What::Json), ("hgetall", What::Hash), ("json.get", What::Module)];
const VALUE: &str = "{value}";

impl FromStr for Command {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let cure = "write get, json, hgetall or json.get and a key with {value} in it, like \
                    \"hgetall user:{value}\"";
        let (word, key) = written.trim().split_once(char::is_whitespace).ok_or(cure)?;
        let word = word.to_ascii_lowercase();
        let what = WORDS.iter().find(|(name, _)| *name == word).ok_or(cure)?.1;
        let (before, after) = key.trim().split_once(VALUE).ok_or(cure)?;
        if after.contains(VALUE) || key.trim().contains(char::is_whitespace) {
            return Err(cure.to_owned());
        }
        Ok(Self { what, before: before.to_owned(), after: after.to_owned() })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find(|(_, what)| *what == self.what).map_or("", |(word, _)| word);
        write!(f, "{word} {}{VALUE}{}", self.before, self.after)
    }
}

/// A lookup in Redis.
pub(super) struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    command: Command,
    idle: Pool<MultiplexedConnection>,
}

impl Redis {
    pub(super) fn new(url: &str, command: Command) -> Result<Self, String> {
        let client = Client::open(url).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner { client, command, idle: Pool::new() })))
    }
}

impl Lookup for Redis {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let inner = self.0.clone();
        Box::pin(async move { inner.look_up(values).await.map_err(|what| what.as_str().into()) })
    }
}

impl Inner {
    async fn look_up(&self, values: Vec<Value>) -> Result<Found, String> {
        let mut connection = match self.idle.take(|_| true) {
            Some(connection) => connection,
            None => {
                let connected = self.client.get_multiplexed_async_connection().await;
                connected.map_err(said)?
            }
        };
        let mut pipeline = Pipeline::with_capacity(values.len());
        for value in &values {
            let text = Scalar::parse(value).map(|scalar| scalar.text().to_owned());
            self.command.ask(&mut pipeline, &text.unwrap_or_default());
        }
        let answers: Vec<redis::Value> =
            pipeline.query_async(&mut connection).await.map_err(said)?;
        let mut found = Found::new();
        for (value, answer) in values.into_iter().zip(answers) {
            if let Some(json) = self.command.read(answer)? {
                found.insert(value, json);
            }
        }
        self.idle.give(connection);
        Ok(found)
    }
}

impl Command {
    /// Asks for one value. It is part of one argument, whatever is in it.
    fn ask(&self, pipeline: &mut Pipeline, text: &str) {
        let key = format!("{}{text}{}", self.before, self.after);
        pipeline.cmd(match self.what {
            What::Get | What::Json => "GET",
            What::Hash => "HGETALL",
            What::Module => "JSON.GET",
        });
        pipeline.arg(key);
    }

    /// What Redis answered, as JSON; `None` where there is nothing.
    fn read(&self, answer: redis::Value) -> Result<Option<Bytes>, String> {
        let said = |error: &dyn fmt::Display| Err(error.to_string());
        match self.what {
            What::Hash => match redis::from_redis_value::<Vec<(String, String)>>(answer) {
                Ok(members) if members.is_empty() => Ok(None),
                Ok(members) => {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("{}:{}", json!(name), json!(value)))
                        .collect();
                    Ok(Some(format!("{{{}}}", members.join(",")).into()))
                }
                Err(error) => said(&error),
            },
            what => match redis::from_redis_value::<Option<Vec<u8>>>(answer) {
                Ok(None) => Ok(None),
                Ok(Some(bytes)) if what == What::Get => {
                    Ok(Some(json!(String::from_utf8_lossy(&bytes)).to_string().into()))
                }
                // Whether it is JSON is looked at for each value by itself.
                Ok(Some(bytes)) => Ok(Some(Bytes::from(bytes))),
                Err(error) => said(&error),
            },
        }
    }
}

/// What Redis says; of several that failed, the first.
fn said(error: RedisError) -> String {
    let words = error.to_string();
    let first = error.into_server_errors().and_then(|all| all.first().map(|(_, it)| it.clone()));
    first.map_or(words, |it| format!("{} {}", it.code(), it.details().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_and_write() {
        for written in
            ["get name:{value}", "hgetall {value}", "json u:{value}:x", "json.get {value}"]
        {
            assert_eq!(written.parse::<Command>().unwrap().to_string(), written);
        }
        for bad in [
            "get",
            "get name",
            "del {value}",
            "get {value}{value}",
            "get a {value}",
            "eval {value}",
        ] {
            assert!(bad.parse::<Command>().is_err(), "{bad}");
        }
    }
}
