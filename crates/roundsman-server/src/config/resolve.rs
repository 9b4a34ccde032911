//! From the configuration as written to the one that is used: each key, its range, its default.

use super::dispatch::dispatch;
use super::fault::Fault;
use super::resolved::{Auth, Config, Secret, Tls};
use super::secret::{self, Environment};
use super::store_url::masked;
use super::units::{parse_range, parse_span};
use super::written::{Document, Table, Value};
use super::{Origin, StoreUrl, augment, deliver, intake};
use crate::store::fault;
use ipnet::IpNet;
use roundsman_delivery::Pattern;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What flags and the environment say; goes over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen`, `ROUNDSMAN_LISTEN`.
    pub listen: Option<String>,
    /// `--store`, `ROUNDSMAN_STORE`.
    pub store: Option<String>,
}

/// Resolves a document, or nothing but defaults, with what goes over it.
pub(super) fn resolve(
    document: Option<&Document<'_>>,
    overrides: &Overrides,
    environment: Environment<'_>,
) -> Result<Config, Fault> {
    let mut config = Config::default();
    let mut listen = None;
    if let Some(document) = document {
        let mut root = document.root();
        listen = top(&mut root, &mut config, environment)?;
        if let Some(table) = root.table("auth")? {
            config.auth = Some(auth(table, environment)?);
        }
        if let Some(table) = root.table("dispatch")? {
            config.dispatch = dispatch(table)?;
        }
        if let Some(table) = root.table("limits")? {
            limits(table, &mut config)?;
        }
        if let Some(table) = root.table("retry")? {
            retry(table, &mut config)?;
        }
        if let Some(table) = root.table("dead")? {
            dead(table, &mut config)?;
        }
        config.intakes = intake::intakes(root.tables("intake")?, environment)?;
        config.augments = augment::augmentations(root.tables("augment")?, environment)?;
        (config.rules, config.webhooks) = deliver::rules(root.tables("deliver")?, environment)?;
        root.finish()?;
    }
    over(overrides, &mut config)?;
    if config.auth.is_none() && !config.listen.ip().is_loopback() {
        let what = format!("is \"{}\", which other machines can reach", config.listen);
        let cure = "without [auth] listen on \"127.0.0.1:4000\", or configure [auth]";
        return Err(match (&overrides.listen, listen) {
            (None, Some(value)) => value.fault(what, cure),
            _ => flag_fault("listen", what, cure),
        });
    }
    Ok(config)
}

/// What stands outside of any table; gives back where `listen` was written.
fn top<'a>(
    root: &mut Table<'a>,
    config: &mut Config,
    environment: Environment<'_>,
) -> Result<Option<Value<'a>>, Fault> {
    let listen = root.take("listen");
    if let Some(value) = &listen {
        config.listen = value.parsed("127.0.0.1:4000", parse_listen)?;
    }
    if let Some(value) = root.take("store") {
        config.store = store(&value, environment)?;
    }
    if let Some(value) = root.take("accept_weaker") {
        let names = value.list("a list of names, like [\"synchronous\"]")?;
        config.accept_weaker = names
            .iter()
            .map(|name| name.text("synchronous").map(str::to_owned))
            .collect::<Result<_, _>>()?;
    }
    if let Some(value) = root.take("trusted_proxies") {
        let networks = value.list("a list of networks, like [\"10.0.0.0/8\"]")?;
        config.trusted_proxies = networks
            .iter()
            .map(|network| network.parsed("10.0.0.0/8", parse_network))
            .collect::<Result<_, _>>()?;
    }
    if let Some(mut table) = root.table("tls")? {
        let (cert, key) = (table.take("cert"), table.take("key"));
        table.finish()?;
        config.tls = tls(cert.as_ref(), key.as_ref())?;
    }
    Ok(listen)
}

/// A store's URL, which may be kept elsewhere as a whole since it may have a password in it.
fn store(value: &Value<'_>, environment: Environment<'_>) -> Result<StoreUrl, Fault> {
    let written = value.text("sqlite:roundsman.db")?;
    let kept = written.starts_with("env:") || written.starts_with("file:");
    let url = if kept { secret::secret(value, environment)? } else { Secret::new(written) };
    let parsed = parse_store(url.reveal());
    parsed.map_err(|cure| value.fault(format!("is {:?}", masked(url.reveal())), cure))
}

fn parse_store(written: &str) -> Result<StoreUrl, String> {
    let url = written.parse()?;
    fault(&url).map_or(Ok(url), Err)
}

fn tls(cert: Option<&Value<'_>>, key: Option<&Value<'_>>) -> Result<Option<Tls>, Fault> {
    let path = |value: &Value<'_>| value.text("server.pem").map(PathBuf::from);
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(Tls { cert: path(cert)?, key: path(key)? })),
        (Some(alone), None) => {
            Err(alone.fault("stands alone", "name the private key's file in tls.key"))
        }
        (None, Some(alone)) => {
            Err(alone.fault("stands alone", "name the certificate's file in tls.cert"))
        }
        (None, None) => Ok(None),
    }
}

fn auth(mut table: Table<'_>, environment: Environment<'_>) -> Result<Auth, Fault> {
    let mut auth = Auth::default();
    for (key, into) in
        [("api_keys", &mut auth.api_keys), ("operator_keys", &mut auth.operator_keys)]
    {
        if let Some(value) = table.take(key) {
            let keys = value.list("a list of keys, like [\"env:NAME\"]")?;
            *into = keys
                .iter()
                .map(|key| secret::api_key(key, environment))
                .collect::<Result<_, _>>()?;
        }
    }
    let (shared, public) = (table.take("token_secret"), table.take("token_public_key"));
    auth.token = match (shared, public) {
        (Some(_), Some(public)) => {
            return Err(public.fault("stands beside auth.token_secret", "keep one of the two"));
        }
        (Some(shared), None) => Some(secret::token_secret(&shared, environment)?),
        (None, Some(public)) => Some(secret::token_public_key(&public)?),
        (None, None) => None,
    };
    if let Some(value) = table.take("origins") {
        let origins = value.list("a list of origins, like [\"https://shop.example\"]")?;
        auth.origins = origins
            .iter()
            .map(|origin| origin.parsed("https://shop.example", Origin::from_str))
            .collect::<Result<_, _>>()?;
    }
    table.finish()?;
    Ok(auth)
}

fn limits(mut table: Table<'_>, config: &mut Config) -> Result<(), Fault> {
    let bounds = &mut config.bounds;
    for (key, bound) in [
        ("max_backlog", &mut bounds.backlog),
        ("max_backlog_per_key", &mut bounds.backlog_per_key),
        ("max_held_per_topic", &mut bounds.held_per_topic),
        ("max_ids", &mut bounds.ids),
    ] {
        if let Some(value) = table.take(key) {
            *bound = value.count(1..=1_000_000_000_000)?;
        }
    }
    if let Some(value) = table.take("expires_after") {
        bounds.expires_after = span_or_never(&value, "7d")?;
    }
    table.finish()
}

fn retry(mut table: Table<'_>, config: &mut Config) -> Result<(), Fault> {
    let retry = &mut config.retry;
    if let Some(value) = table.take("max_attempts") {
        retry.max_attempts = u32::try_from(value.count(1..=1000)?).unwrap_or(u32::MAX);
    }
    if let Some(value) = table.take("backoff") {
        (retry.shortest, retry.longest) = value.parsed("500ms..10m", parse_range)?;
    }
    if let Some(value) = table.take("max_age") {
        retry.max_age = span_or_never(&value, "3d")?;
    }
    table.finish()
}

fn dead(mut table: Table<'_>, config: &mut Config) -> Result<(), Fault> {
    if let Some(value) = table.take("keep") {
        config.dead_kept =
            value.parsed("30d", |written| match (written, parse_span(written)) {
                ("forever", _) => Ok(None),
                (_, Ok(kept)) if !kept.is_zero() => Ok(Some(kept)),
                _ => Err("write \"forever\", or a number and one of ms, s, m, h, d, like \"30d\""
                    .to_owned()),
            })?;
    }
    table.finish()
}

fn over(overrides: &Overrides, config: &mut Config) -> Result<(), Fault> {
    if let Some(listen) = &overrides.listen {
        config.listen = parse_listen(listen)
            .map_err(|cure| flag_fault("listen", format!("is {listen:?}"), &cure))?;
    }
    if let Some(store) = &overrides.store {
        config.store = parse_store(store)
            .map_err(|cure| flag_fault("store", format!("is {:?}", masked(store)), &cure))?;
    }
    Ok(())
}

fn flag_fault(key: &str, what: String, cure: &str) -> Fault {
    let place = format!("--{key} or ROUNDSMAN_{}", key.to_uppercase());
    Fault { place, key: key.to_owned(), what, cure: cure.to_owned() }
}

pub(super) fn span(value: &Value<'_>, example: &str) -> Result<Duration, Fault> {
    let span = value.parsed(example, parse_span)?;
    if span.is_zero() {
        return Err(value.fault("is nothing", format!("write at least \"1ms\", like {example:?}")));
    }
    Ok(span)
}

pub(super) fn span_or_never(value: &Value<'_>, example: &str) -> Result<Option<Duration>, Fault> {
    if value.text(example)? == "never" { Ok(None) } else { span(value, example).map(Some) }
}

fn parse_listen(written: &str) -> Result<SocketAddr, String> {
    let cure = || "write an address and a port, like \"127.0.0.1:4000\"".to_owned();
    match written.strip_prefix("localhost:") {
        Some(port) => {
            let port = port.parse().map_err(|_| cure())?;
            Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port))
        }
        None => written.parse().map_err(|_| cure()),
    }
}

fn parse_network(written: &str) -> Result<IpNet, String> {
    let alone = written.parse::<IpAddr>().map(IpNet::from);
    alone
        .or_else(|_| written.parse())
        .map_err(|_| "write an address or a network, like \"10.0.0.0/8\"".to_owned())
}

pub(crate) fn parse_pattern(written: &str) -> Result<Pattern, String> {
    let name = written.strip_suffix('*').unwrap_or(written);
    if written.is_empty() || name.contains('*') {
        return Err(
            "write a topic, or how topics begin with * behind it, like \"user:*\"".to_owned()
        );
    }
    Ok(Pattern::new(written))
}

/// A number whose range was checked, as the machine counts.
pub(super) fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
