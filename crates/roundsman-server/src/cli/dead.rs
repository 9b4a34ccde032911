//! `roundsman dead`: dead letters listed, shown, sent again, dropped.

use super::args::{DeadChange, DeadCommand, DeadFilter, DeadList, DeadShow};
use super::failure::Failure;
use super::remote::{Server, answer};
use super::table::{Table, plain};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use roundsman_store::Key;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::io::{Write, stderr, stdout};

pub(super) async fn run(command: DeadCommand) -> Result<(), Failure> {
    match command {
        DeadCommand::List(list) => self::list(list).await,
        DeadCommand::Show(show) => self::show(show).await,
        DeadCommand::Replay(change) => self::change("replay", "replayed", change).await,
        DeadCommand::Drop(change) => self::change("drop", "dropped", change).await,
    }
}

/// A page, each letter as it was written.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    next: Option<String>,
}

/// Letters of one request.
const PAGE: i64 = 500;

async fn list(list: DeadList) -> Result<(), Failure> {
    let server = Server::new(&list.operator.remote.url, list.operator.api_key)?;
    let filter = query(&list.filter)?;
    let mut table = Table::new(["ID", "GIVEN UP", "WHY", "FAILED", "TOPIC", "KEY", "LAST FAILURE"]);
    let (mut left, mut after) = (list.limit, list.after);
    while left > 0 {
        let mut query = filter.clone();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(after.take().map(|after| ("after", after)));
        let text = answer(server.request(Method::GET, "/v1/dead", &query)).await?;
        let page: Page<'_> = read(&text)?;
        left -= i64::try_from(page.messages.len()).unwrap_or(i64::MAX);
        for letter in page.messages {
            if list.json {
                writeln!(stdout(), "{letter}")?;
            } else {
                table.add(row(&read(letter.get())?));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !list.json {
        write!(stdout(), "{table}")?;
    }
    if let Some(after) = after {
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(stderr(), "there may be more: go on with --after {after}");
    }
    Ok(())
}

fn row(letter: &Value) -> [String; 7] {
    let text = |name: &str| plain(letter[name].as_str().unwrap_or_default());
    let last = letter["failures"].as_array().and_then(|failures| failures.last());
    let last = last.map(|failure| plain(failure["why"].as_str().unwrap_or_default()));
    [
        text("id"),
        text("settled_at"),
        text("reason"),
        letter["failed"].to_string(),
        text("topic"),
        plain(&written_key(letter)),
        last.unwrap_or_default(),
    ]
}

/// The key as the command line writes it.
fn written_key(letter: &Value) -> String {
    let parts = letter["key"].as_array().map(Vec::as_slice).unwrap_or_default();
    let key = Key::from_parts(parts.iter().filter_map(Value::as_str));
    key.map(|key| key.to_string()).unwrap_or_default()
}

async fn show(show: DeadShow) -> Result<(), Failure> {
    let server = Server::new(&show.operator.remote.url, show.operator.api_key)?;
    let text = answer(server.request(Method::GET, "/v1/dead", &[("id", show.id.clone())])).await?;
    let page: Page<'_> = read(&text)?;
    let Some(letter) = page.messages.first() else {
        return Err(Failure::Failed(format!("no dead letter has the id {:?}", show.id)));
    };
    if show.json {
        writeln!(stdout(), "{letter}")?;
        return Ok(());
    }
    write!(stdout(), "{}", words(letter)?)?;
    Ok(())
}

/// A letter as a person reads it: a line a field, then each attempt, then the payload as it is.
fn words(letter: &RawValue) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let shown: Value = read(letter.get())?;
    let mut out = String::new();
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<11} {}\n", plain(&value)));
        }
    };
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    field("id", text("id"));
    field("topic", text("topic"));
    field("event", text("event"));
    field("key", written_key(&shown));
    field("accepted", text("accepted_at"));
    field("expires", text("expires_at"));
    field("given up", text("settled_at"));
    field("why", text("reason"));
    field("attempts", format!("{}, {} failed", shown["attempts"], shown["failed"]));
    for failure in shown["failures"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |name: &str| failure[name].as_str().unwrap_or_default();
        let words = format!("{} {}", text("at"), text("why"));
        field(&format!("  {}", failure["attempt"]), words);
        field(
            "    status",
            failure["status"].as_u64().map(|status| status.to_string()).unwrap_or_default(),
        );
        field("    answer", text("answer").to_owned());
    }
    let payload: Payload<'_> = read(letter.get())?;
    out.push_str(&format!("payload     {}\n", payload.payload));
    Ok(out)
}

async fn change(what: &str, done: &str, change: DeadChange) -> Result<(), Failure> {
    let server = Server::new(&change.operator.remote.url, change.operator.api_key)?;
    let mut fields = Map::new();
    for (name, value) in query(&change.filter)? {
        let value = match (name, Key::parse(&value)) {
            ("key", Ok(key)) => key.parts().map(String::from).collect(),
            _ => Value::from(value),
        };
        fields.insert(name.to_owned(), value);
    }
    if change.all {
        fields.insert("all".to_owned(), Value::from(true));
    }
    if !change.ids.is_empty() {
        fields.insert("ids".to_owned(), Value::from(change.ids));
    }
    if fields.is_empty() {
        let cure = "say which: ids, --all, or one of --key, --topic, --reason, --since, --until";
        return Err(Failure::Usage(cure.to_owned()));
    }
    let request = server.request(Method::POST, &format!("/v1/dead/{what}"), &[]);
    let body = Value::Object(fields).to_string();
    let text = answer(request.header(CONTENT_TYPE, "application/json").body(body)).await?;
    let told: Value = read(&text)?;
    writeln!(stdout(), "{} {done}", told[done])?;
    let unknown = told["unknown"].as_array().map(Vec::as_slice).unwrap_or_default();
    for id in unknown {
        let _ = writeln!(stderr(), "no dead letter has the id {id}");
    }
    if unknown.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// The filter as the API's query has it.
fn query(filter: &DeadFilter) -> Result<Vec<(&'static str, String)>, Failure> {
    if let Some(key) = &filter.key {
        Key::parse(key).map_err(|error| Failure::Usage(format!("--key: {error}")))?;
    }
    let given = [
        ("key", &filter.key),
        ("topic", &filter.topic),
        ("reason", &filter.reason),
        ("since", &filter.since),
        ("until", &filter.until),
    ];
    Ok(given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect())
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::Failed(format!("this is no answer of a Roundsman server: {error}"))
    })
}
