//! The keys of `[[deliver]]` that speak of a webhook.

use super::fault::Fault;
use super::resolve::{small, span, span_or_never};
use super::secret::{Environment, secret};
use super::store_url::masked;
use super::units::{parse_range, write_span};
use super::written::{Table, Value};
use crate::webhook::{SigningKey, Template, Webhook};
use hyper::header::{HeaderName, HeaderValue};
use std::time::Duration;

/// Every key that only rules with a webhook have.
pub(super) const KEYS: [&str; 10] = [
    "url",
    "secret",
    "headers",
    "concurrency",
    "per_host",
    "timeout",
    "allow_private",
    "park_after",
    "probe",
    "disable_after",
];

/// Headers that are said already, or that speak of the connection and not of the message.
const NOT_OWN: [&str; 14] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// The webhook of a rule for `topics`.
pub(super) fn read(
    table: &mut Table<'_>,
    topics: &str,
    environment: Environment<'_>,
) -> Result<Webhook, Fault> {
    let Some(url) = table.take("url") else {
        return Err(table.fault(
            "url",
            "is missing",
            "write where to post, like url = \"https://example.com/hook\"",
        ));
    };
    let written = url.text("https://example.com/hook")?;
    let template = Template::parse(written, topics)
        .map_err(|cure| url.fault(format!("is {:?}", masked(written)), cure))?;
    let mut webhook = Webhook::to(template);
    if let Some(value) = table.take("allow_private") {
        webhook.allow_private = value.flag()?;
    }
    if let Some(what) = webhook.url.refusal(webhook.allow_private) {
        let cure = match webhook.url.refusal(true) {
            None => "set allow_private = true, if that is meant",
            Some(_) => "write the address of the receiver",
        };
        return Err(url.fault(format!("leads to {what}"), cure));
    }
    if let Some(value) = table.take("secret") {
        let keys = value.one_or_more().into_iter();
        webhook.keys = keys.map(|value| key(&value, environment)).collect::<Result<_, _>>()?;
    }
    if let Some(value) = table.take("headers") {
        let entries = value.entries("headers = { authorization = \"env:NAME\" }")?;
        webhook.headers = entries
            .iter()
            .map(|(name, value)| header(name, value, environment))
            .collect::<Result<_, _>>()?;
    }
    bounds(table, &mut webhook)?;
    patience(table, &mut webhook)?;
    Ok(webhook)
}

fn bounds(table: &mut Table<'_>, webhook: &mut Webhook) -> Result<(), Fault> {
    if let Some(value) = table.take("concurrency") {
        webhook.concurrency = small(value.count(1..=10_000)?);
    }
    if let Some(value) = table.take("per_host") {
        webhook.per_host = small(value.count(1..=10_000)?);
    }
    if let Some(value) = table.take("timeout") {
        webhook.timeout = span(&value, "10s")?;
        if webhook.timeout > LONGEST_TIMEOUT {
            let cure = format!("write {:?} at most", write_span(LONGEST_TIMEOUT));
            return Err(value.fault(format!("is {}", value.written()), cure));
        }
    }
    Ok(())
}

fn patience(table: &mut Table<'_>, webhook: &mut Webhook) -> Result<(), Fault> {
    let patience = &mut webhook.patience;
    if let Some(value) = table.take("park_after") {
        patience.park_after = span(&value, "5s")?;
    }
    if let Some(value) = table.take("probe") {
        patience.probe = value.parsed("1s..1m", parse_range)?;
        if patience.probe.0.is_zero() {
            let cure = "the shortest wait is at least \"1ms\", like \"1s..1m\"";
            return Err(value.fault(format!("is {}", value.written()), cure));
        }
    }
    if let Some(value) = table.take("disable_after") {
        patience.disable_after = span_or_never(&value, "5d")?;
    }
    Ok(())
}

/// A request that takes longer is better answered at once and worked on later.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(5);

fn key(value: &Value<'_>, environment: Environment<'_>) -> Result<SigningKey, Fault> {
    let secret = secret(value, environment)?;
    SigningKey::parse(secret.reveal()).map_err(|cure| value.fault("is no signing secret", cure))
}

/// A header of the rule's own; its value may be kept elsewhere, like any secret.
pub(super) fn header(
    name: &str,
    value: &Value<'_>,
    environment: Environment<'_>,
) -> Result<(HeaderName, HeaderValue), Fault> {
    let fault = |what: &str, cure: &str| value.fault(format!("names `{name}`, {what}"), cure);
    let parsed = name.parse::<HeaderName>().map_err(|_| {
        fault("which is no name of a header", "use letters, digits and -, like authorization")
    })?;
    if NOT_OWN.contains(&parsed.as_str()) || parsed.as_str().starts_with("webhook-") {
        return Err(fault("which Roundsman says itself", "leave it out"));
    }
    let secret = secret(value, environment)?;
    let mut written = HeaderValue::from_str(secret.reveal()).map_err(|_| {
        fault(
            "and its value cannot stand in a header",
            "leave out line ends and control characters",
        )
    })?;
    written.set_sensitive(true);
    Ok((parsed, written))
}
