//! `[[augment]]`: what is looked up where, for which messages, within which bounds.

use super::fault::Fault;
use super::resolve::{parse_pattern, small, span};
use super::resolved::Secret;
use super::secret::{self, Environment};
use super::store_url::masked;
use super::units::{parse_rate, parse_size, parse_span};
use super::webhook::header;
use super::written::{Table, Value};
use crate::lookup::{Augmentation, From, Request};
use crate::webhook::refusal;
use hyper::Method;
use roundsman_delivery::{OnFailure, OnMissing, Pattern, Pointer};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Keys of lookups over HTTP.
const OF_HTTP: [&str; 6] = ["method", "headers", "body", "pointer", "key", "allow_private"];

/// The augmentations of these tables, in order.
pub(super) fn augmentations(
    tables: Vec<Table<'_>>,
    environment: Environment<'_>,
) -> Result<Vec<Augmentation>, Fault> {
    let mut augmentations: Vec<Augmentation> = Vec::new();
    for mut table in tables {
        let name = required(&mut table, "name", "write a name, like \"profile\"")?;
        let augmentation = one(&name, &mut table, environment)?;
        if augmentations.iter().any(|other| other.name == augmentation.name) {
            return Err(name.fault("is the name of another augmentation", "write one of its own"));
        }
        table.finish()?;
        augmentations.push(augmentation);
    }
    Ok(augmentations)
}

fn one(
    name: &Value<'_>,
    table: &mut Table<'_>,
    environment: Environment<'_>,
) -> Result<Augmentation, Fault> {
    let pointer = |value: Value<'_>| value.parsed("/payload/user_id", parse_pointer);
    let mut augmentation = Augmentation {
        name: name.parsed("profile", parse_name)?,
        topics: match table.take("topics") {
            Some(value) => value.parsed("user:*", parse_pattern)?,
            None => Pattern::new("*"),
        },
        from: from(table, environment)?,
        value: pointer(required(
            table,
            "match",
            "write what is looked up, like \"/payload/user_id\"",
        )?)?,
        into: pointer(required(table, "into", "write where it goes, like \"/payload/user\"")?)?,
        template: None,
        concurrency: 10,
        batch: 100,
        batch_wait: Duration::from_millis(2),
        rate: None,
        timeout: Duration::from_secs(1),
        cache: Duration::ZERO,
        cache_bytes: 64 << 20,
        stale: Duration::ZERO,
        on_failure: OnFailure::Retry,
        on_missing: OnMissing::Deliver,
    };
    if let Some(value) = table.take("template") {
        augmentation.template = Some(value.parsed("Hello {{ found.name }}", FromStr::from_str)?);
    }
    bounds(table, &mut augmentation)?;
    outcomes(table, &mut augmentation)?;
    if let From::Http(request) = &augmentation.from
        && request.asks_for_many() == Some(false)
    {
        augmentation.batch = 1;
    }
    Ok(augmentation)
}

fn bounds(table: &mut Table<'_>, augmentation: &mut Augmentation) -> Result<(), Fault> {
    if let Some(value) = table.take("concurrency") {
        augmentation.concurrency = small(value.count(1..=10_000)?);
    }
    if let Some(value) = table.take("batch") {
        augmentation.batch = small(value.count(1..=10_000)?);
    }
    if let Some(value) = table.take("rate") {
        augmentation.rate = value.parsed("200/s", rate)?;
    }
    if let Some(value) = table.take("timeout") {
        augmentation.timeout = span(&value, "1s")?;
    }
    for (key, example, into) in [
        ("batch_wait", "2ms", &mut augmentation.batch_wait),
        ("cache", "60s", &mut augmentation.cache),
        ("stale", "5m", &mut augmentation.stale),
    ] {
        if let Some(value) = table.take(key) {
            *into = value.parsed(example, parse_span)?;
        }
    }
    if let Some(value) = table.take("cache_bytes") {
        augmentation.cache_bytes = value.parsed("64MiB", parse_size)?;
    }
    Ok(())
}

fn outcomes(table: &mut Table<'_>, augmentation: &mut Augmentation) -> Result<(), Fault> {
    if let Some(value) = table.take("on_failure") {
        augmentation.on_failure = value.word(&[
            ("retry", OnFailure::Retry),
            ("deliver", OnFailure::Deliver),
            ("dead", OnFailure::Dead),
        ])?;
    }
    let Some(value) = table.take("on_missing") else { return Ok(()) };
    augmentation.on_missing = match value.entries("{ default = … }") {
        Ok(entries) => match &entries[..] {
            [("default", default)] => OnMissing::Default(json(default)?.into()),
            _ => return Err(value.fault("is no default", "write { default = … } and nothing else")),
        },
        Err(_) if value.word(&[("deliver", false), ("dead", true)])? => OnMissing::Dead,
        Err(_) => OnMissing::Deliver,
    };
    Ok(())
}

/// A value of TOML as JSON.
fn json(value: &Value<'_>) -> Result<String, Fault> {
    let strange =
        || value.fault("is nothing that JSON knows", "write text, a number, a list or a table");
    let table: toml::Table = format!("it = {}", value.written()).parse().map_err(|_| strange())?;
    let it = table.get("it").ok_or_else(strange)?;
    serde_json::to_string(it).map_err(|_| strange())
}

/// Where it is found, and what is asked there.
fn from(table: &mut Table<'_>, environment: Environment<'_>) -> Result<From, Fault> {
    let cure = "write where it is found, like \"postgres://…\", \"sqlite:users.db\", \
                \"redis://…\" or \"https://…\"";
    let value = required(table, "from", cure)?;
    let url = secret::secret(&value, environment)?;
    let (scheme, rest) = url.reveal().split_once(':').unwrap_or((url.reveal(), ""));
    if matches!(scheme, "http" | "https") {
        if let Some(query) = table.take("query") {
            return Err(
                query.fault("is for databases", "leave it out; a service is asked by its URL")
            );
        }
        return http(&value, url.reveal(), table, environment).map(|it| From::Http(Box::new(it)));
    }
    for key in OF_HTTP {
        if let Some(value) = table.take(key) {
            return Err(value.fault("is for from = \"https://…\"", "leave it out"));
        }
    }
    let query = required(table, "query", "write what is asked, with {values} in it")?;
    let sql = |query: &Value<'_>| {
        query.parsed("select id, name from users where id in ({values})", FromStr::from_str)
    };
    Ok(match scheme {
        "postgres" | "postgresql" => From::Postgres(url.clone(), sql(&query)?),
        "mysql" | "mariadb" => {
            let url = Secret::new(url.reveal().replacen("mariadb:", "mysql:", 1));
            From::Mysql(url, sql(&query)?)
        }
        "sqlite" => From::Sqlite(PathBuf::from(rest.trim_start_matches("//")), sql(&query)?),
        "redis" | "rediss" => {
            From::Redis(url.clone(), query.parsed("hgetall user:{value}", FromStr::from_str)?)
        }
        _ => return Err(value.fault(format!("is {:?}", masked(url.reveal())), cure)),
    })
}

fn http(
    from: &Value<'_>,
    url: &str,
    table: &mut Table<'_>,
    environment: Environment<'_>,
) -> Result<Request, Fault> {
    let mut request =
        Request::to(url).map_err(|cure| from.fault(format!("is {:?}", masked(url)), cure))?;
    if let Some(value) = table.take("body") {
        request.body = Some(value.text("{\"ids\": {values}}")?.to_owned());
        request.method = Method::POST;
    }
    if let Some(value) = table.take("method") {
        request.method = value.word_of(&[Method::GET, Method::POST, Method::PUT])?;
    }
    if let Some(value) = table.take("headers") {
        let entries = value.entries("headers = { authorization = \"env:NAME\" }")?;
        let headers = entries.iter().map(|(name, value)| header(name, value, environment));
        request.headers = headers.collect::<Result<_, _>>()?;
    }
    if let Some(value) = table.take("pointer") {
        request.pointer = Some(value.parsed("/data", Pointer::from_str)?);
    }
    if let Some(value) = table.take("key") {
        request.key = value.text("id")?.to_owned();
    }
    if let Some(value) = table.take("allow_private") {
        request.allow_private = value.flag()?;
    }
    if request.asks_for_many().is_none() {
        let cure =
            "write {value} for a request each, or {values} for one for many, in the URL or in body";
        return Err(from.fault("has no place for what is looked up", cure));
    }
    let address = request.address();
    if let Some(what) = address.and_then(|address| refusal(address, request.allow_private)) {
        let cure = "set allow_private = true, if that is meant and it is a private address";
        return Err(from.fault(format!("leads to {what}"), cure));
    }
    Ok(request)
}

pub(super) fn required<'a>(
    table: &mut Table<'a>,
    key: &'static str,
    cure: &str,
) -> Result<Value<'a>, Fault> {
    table.take(key).ok_or_else(|| table.fault(key, "is missing", cure))
}

fn parse_name(written: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match (1..=64).contains(&written.len()) && written.bytes().all(plain) {
        true => Ok(written.to_owned()),
        false => Err("write 1 to 64 letters, digits, _ and -, like \"profile\"".to_owned()),
    }
}

/// A pointer that begins with `/payload`, which is a message's field as its sender wrote it.
fn parse_pointer(written: &str) -> Result<Pointer, String> {
    let cure = || "write a JSON pointer into the payload, like \"/payload/user_id\"".to_owned();
    let within = written.strip_prefix("/payload").filter(|rest| rest.starts_with('/'));
    within.ok_or_else(cure)?.parse().map_err(|_| cure())
}

/// So many a second.
fn rate(written: &str) -> Result<Option<f64>, String> {
    if written == "none" {
        return Ok(None);
    }
    let (number, span) = parse_rate(written)?;
    Ok(Some(number as f64 / span.as_secs_f64()))
}
