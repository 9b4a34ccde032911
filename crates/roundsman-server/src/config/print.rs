//! The configuration as resolved, written as TOML, secrets masked.

use super::resolved::{Auth, Config, TokenKey};
use super::store_url::masked;
use super::units::{write_rate, write_size, write_span};
use crate::intake::{Id, Intake, OnError};
use crate::lookup::{Augmentation, From, Request};
use crate::webhook::Webhook;
use roundsman_delivery::{Ack, Charge, Dispatch, Offline, OnFailure, OnMissing, Order, Rule};
use roundsman_logs::Start;
use roundsman_store::Key;
use std::fmt::{self, Display, Formatter, Write};
use std::time::Duration;

/// Writes itself as TOML that would resolve to the same, but for the secrets, which are masked.
impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "listen = \"{}\"", self.listen)?;
        writeln!(f, "store = {}", quoted(&self.store))?;
        writeln!(f, "accept_weaker = {}", list(&self.accept_weaker))?;
        writeln!(f, "trusted_proxies = {}", list(&self.trusted_proxies))?;
        if let Some(tls) = &self.tls {
            writeln!(f, "\n[tls]")?;
            writeln!(f, "cert = {}", quoted(tls.cert.display()))?;
            writeln!(f, "key = {}", quoted(tls.key.display()))?;
        }
        if let Some(auth) = &self.auth {
            write_auth(f, auth)?;
        }
        writeln!(f, "\n[dispatch]")?;
        writeln!(f, "max_in_flight = {}", self.dispatch.max_in_flight)?;
        writeln!(f, "max_bytes = \"{}\"", write_size(self.dispatch.max_bytes as u64))?;
        write_shares(f, &self.dispatch)?;
        writeln!(f, "\n[limits]")?;
        writeln!(f, "max_backlog = {}", self.bounds.backlog)?;
        writeln!(f, "max_backlog_per_key = {}", self.bounds.backlog_per_key)?;
        writeln!(f, "max_held_per_topic = {}", self.bounds.held_per_topic)?;
        writeln!(f, "max_ids = {}", self.bounds.ids)?;
        writeln!(f, "expires_after = \"{}\"", or_never(self.bounds.expires_after))?;
        writeln!(f, "\n[retry]")?;
        writeln!(f, "max_attempts = {}", self.retry.max_attempts)?;
        let (shortest, longest) = (write_span(self.retry.shortest), write_span(self.retry.longest));
        writeln!(f, "backoff = \"{shortest}..{longest}\"")?;
        writeln!(f, "max_age = \"{}\"", or_never(self.retry.max_age))?;
        let kept = self.dead_kept.map_or_else(|| "forever".to_owned(), write_span);
        writeln!(f, "\n[dead]\nkeep = \"{kept}\"")?;
        self.intakes.iter().try_for_each(|it| write_intake(f, it))?;
        self.augments.iter().try_for_each(|it| write_augment(f, it))?;
        let mut rules = self.rules.iter().enumerate();
        rules.try_for_each(|(number, rule)| write_rule(f, rule, self.webhooks.get(&number)))
    }
}

fn write_shares(f: &mut Formatter<'_>, dispatch: &Dispatch) -> fmt::Result {
    let charge = match dispatch.charge {
        Charge::Time => "time",
        Charge::Bytes => "bytes",
        Charge::Count => "count",
    };
    let weights = dispatch.weights.iter().map(|(key, weight)| {
        let thousandths = weight.thousandths();
        let written = match thousandths % 1000 {
            0 => (thousandths / 1000).to_string(),
            _ => (f64::from(thousandths) / 1000.0).to_string(),
        };
        (key, written)
    });
    let rate =
        dispatch.rate_per_key.map_or_else(|| "none".to_owned(), |rate| write_rate(rate.every()));
    writeln!(f, "charge = \"{charge}\"")?;
    writeln!(f, "weights = {}", table(weights))?;
    writeln!(f, "per_key = {}", dispatch.per_key)?;
    let slots =
        |named: &[(Key, u32)]| table(named.iter().map(|(key, slots)| (key, slots.to_string())));
    writeln!(f, "min_slots = {}", slots(&dispatch.min_slots))?;
    writeln!(f, "max_slots = {}", slots(&dispatch.max_slots))?;
    writeln!(f, "reserve = {}", dispatch.reserve)?;
    writeln!(f, "rate_per_key = \"{rate}\"")
}

fn table<'a>(entries: impl Iterator<Item = (&'a Key, String)>) -> String {
    let entries: Vec<_> =
        entries.map(|(key, value)| format!("{} = {value}", quoted(key))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

fn write_auth(f: &mut Formatter<'_>, auth: &Auth) -> fmt::Result {
    let masked = |count: usize| list(&vec!["***"; count]);
    writeln!(f, "\n[auth]")?;
    writeln!(f, "api_keys = {}", masked(auth.api_keys.len()))?;
    writeln!(f, "operator_keys = {}", masked(auth.operator_keys.len()))?;
    match &auth.token {
        Some(TokenKey::Secret(_)) => writeln!(f, "token_secret = \"***\"")?,
        Some(TokenKey::Public { path, algorithm, .. }) => {
            writeln!(f, "token_public_key = {} # {algorithm:?}", quoted(path.display()))?;
        }
        None => {}
    }
    writeln!(f, "origins = {}", list(&auth.origins))
}

fn write_intake(f: &mut Formatter<'_>, it: &Intake) -> fmt::Result {
    let mapping = &it.mapping;
    let start = match it.start {
        Start::Oldest => "oldest",
        Start::Newest => "newest",
    };
    let on_error = match it.on_error {
        OnError::Stop => "stop",
        OnError::Skip => "skip",
    };
    writeln!(f, "\n[[intake]]\nfrom = {}\ngroup = {}", quoted(&it.from), quoted(&it.group))?;
    writeln!(f, "start = \"{start}\"\ntopic = {}", quoted(&mapping.topic))?;
    writeln!(f, "event = {}", quoted(&mapping.event))?;
    if let Some(key) = &mapping.key {
        writeln!(f, "key = {}", quoted(key))?;
    }
    match &mapping.id {
        Id::Made => {}
        Id::Given(template) => writeln!(f, "id = {}", quoted(template))?,
        Id::Without => writeln!(f, "id = \"none\"")?,
    }
    writeln!(f, "payload = {}", quoted(&mapping.payload))?;
    let add = mapping.add.iter().map(|(name, it)| format!("{} = {}", quoted(name), quoted(it)));
    let add: Vec<_> = add.collect();
    writeln!(f, "add = {{ {} }}\non_error = \"{on_error}\"", add.join(", "))
}

fn write_augment(f: &mut Formatter<'_>, it: &Augmentation) -> fmt::Result {
    writeln!(f, "\n[[augment]]")?;
    writeln!(f, "name = {}", quoted(&it.name))?;
    writeln!(f, "topics = {}", quoted(it.topics.as_str()))?;
    match &it.from {
        From::Postgres(url, query) | From::Mysql(url, query) => {
            writeln!(f, "from = {}\nquery = {}", quoted(masked(url.reveal())), quoted(query))?;
        }
        From::Sqlite(path, query) => {
            let from = quoted(format!("sqlite:{}", path.display()));
            writeln!(f, "from = {from}\nquery = {}", quoted(query))?;
        }
        From::Redis(url, command) => {
            writeln!(f, "from = {}\nquery = {}", quoted(masked(url.reveal())), quoted(command))?;
        }
        From::Http(request) => write_request(f, request)?,
    }
    writeln!(f, "match = {}", quoted(format!("/payload{}", it.value)))?;
    writeln!(f, "into = {}", quoted(format!("/payload{}", it.into)))?;
    if let Some(template) = &it.template {
        writeln!(f, "template = {}", quoted(template))?;
    }
    writeln!(f, "concurrency = {}\nbatch = {}", it.concurrency, it.batch)?;
    writeln!(f, "batch_wait = \"{}\"", write_span(it.batch_wait))?;
    let rate = it.rate.map_or_else(|| "none".to_owned(), per);
    writeln!(f, "rate = \"{rate}\"\ntimeout = \"{}\"", write_span(it.timeout))?;
    writeln!(f, "cache = \"{}\"", write_span(it.cache))?;
    writeln!(f, "cache_bytes = \"{}\"", write_size(it.cache_bytes))?;
    writeln!(f, "stale = \"{}\"", write_span(it.stale))?;
    let on_failure = match it.on_failure {
        OnFailure::Retry => "retry",
        OnFailure::Deliver => "deliver",
        OnFailure::Dead => "dead",
    };
    writeln!(f, "on_failure = \"{on_failure}\"")?;
    match &it.on_missing {
        OnMissing::Deliver => writeln!(f, "on_missing = \"deliver\""),
        OnMissing::Dead => writeln!(f, "on_missing = \"dead\""),
        OnMissing::Default(json) => {
            let default = serde_json::from_slice::<toml::Value>(json).map_err(|_| fmt::Error)?;
            writeln!(f, "on_missing = {{ default = {default} }}")
        }
    }
}

/// A rate in the widest unit that is exact.
fn per(rate: f64) -> String {
    let exact =
        [(1.0, 's'), (60.0, 'm')].into_iter().find(|(each, _)| (rate * each).fract() == 0.0);
    let (each, unit) = exact.unwrap_or((3600.0, 'h'));
    format!("{:.0}/{unit}", rate * each)
}

fn write_request(f: &mut Formatter<'_>, request: &Request) -> fmt::Result {
    writeln!(f, "from = {}", quoted(masked(&request.url.to_string())))?;
    writeln!(f, "method = \"{}\"", request.method)?;
    let headers = request.headers.iter().map(|(name, _)| format!("{} = \"***\"", quoted(name)));
    writeln!(f, "headers = {{{}}}", headers.collect::<Vec<_>>().join(", "))?;
    if let Some(body) = &request.body {
        writeln!(f, "body = {}", quoted(body))?;
    }
    if let Some(pointer) = &request.pointer {
        writeln!(f, "pointer = {}", quoted(pointer))?;
    }
    writeln!(f, "key = {}\nallow_private = {}", quoted(&request.key), request.allow_private)
}

fn write_rule(f: &mut Formatter<'_>, rule: &Rule, webhook: Option<&Webhook>) -> fmt::Result {
    let order = match rule.order {
        Order::Topic => "topic",
        Order::None => "none",
    };
    writeln!(f, "\n[[deliver]]")?;
    writeln!(f, "topics = {}", quoted(rule.topics.as_str()))?;
    match webhook {
        Some(webhook) => write_webhook(f, webhook)?,
        None => write_channel(f, rule)?,
    }
    writeln!(f, "order = \"{order}\"")
}

fn write_channel(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    let ack = match rule.ack {
        Ack::Sent => "sent",
        Ack::Client => "client",
    };
    let offline = match rule.offline {
        Offline::Hold => "hold",
        Offline::Drop => "drop",
    };
    writeln!(f, "to = \"channel\"")?;
    writeln!(f, "ack = \"{ack}\"")?;
    writeln!(f, "ack_window = {}", rule.ack_window)?;
    writeln!(f, "ack_timeout = \"{}\"", write_span(rule.ack_timeout))?;
    writeln!(f, "offline = \"{offline}\"")
}

fn write_webhook(f: &mut Formatter<'_>, webhook: &Webhook) -> fmt::Result {
    let patience = &webhook.patience;
    writeln!(f, "to = \"webhook\"")?;
    writeln!(f, "url = {}", quoted(masked(&webhook.url.to_string())))?;
    writeln!(f, "secret = {}", list(&vec!["***"; webhook.keys.len()]))?;
    let headers = webhook.headers.iter().map(|(name, _)| format!("{} = \"***\"", quoted(name)));
    writeln!(f, "headers = {{{}}}", headers.collect::<Vec<_>>().join(", "))?;
    writeln!(f, "concurrency = {}", webhook.concurrency)?;
    writeln!(f, "per_host = {}", webhook.per_host)?;
    writeln!(f, "timeout = \"{}\"", write_span(webhook.timeout))?;
    writeln!(f, "allow_private = {}", webhook.allow_private)?;
    writeln!(f, "park_after = \"{}\"", write_span(patience.park_after))?;
    let (shortest, longest) = (write_span(patience.probe.0), write_span(patience.probe.1));
    writeln!(f, "probe = \"{shortest}..{longest}\"")?;
    writeln!(f, "disable_after = \"{}\"", or_never(patience.disable_after))
}

fn or_never(span: Option<Duration>) -> String {
    span.map_or_else(|| "never".to_owned(), write_span)
}

fn list<T: Display>(values: &[T]) -> String {
    let quoted: Vec<String> = values.iter().map(quoted).collect();
    format!("[{}]", quoted.join(", "))
}

/// A TOML string with what must be escaped.
fn quoted(value: impl Display) -> String {
    let mut quoted = String::from("\"");
    for char in value.to_string().chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
