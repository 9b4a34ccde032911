//! `roundsman check`: what the configuration is and what the store promises. Changes nothing.

use super::args::Check;
use super::failure::Failure;
use crate::config::{Auth, Config};
use crate::webhook::{Surroundings, SystemResolver, trust};
use crate::{lookup, store, tls};
use roundsman_delivery::Rules;
use roundsman_logs::LogError;
use roundsman_store::SystemClock;
use std::io::{Write, stdout};
use std::sync::Arc;

pub(super) async fn run(check: &Check) -> Result<(), Failure> {
    let config = check.configuration.load()?;
    let mut out = stdout().lock();
    if check.print {
        write!(out, "{config}")?;
        out.flush()?;
    }
    // What is printed can be read back as a configuration: the findings are comments then.
    let mark = if check.print { "# " } else { "" };
    writeln!(out, "{mark}listen: {}", config.listen)?;
    writeln!(out, "{mark}access: {}", access(&config))?;
    let failed = |why: String| Failure::Failed(why);
    let guarantee = store::probe(&config.store)
        .await
        .map_err(|error| failed(format!("{}: {error}", config.store)))?;
    writeln!(out, "{mark}store: {}, {}", config.store, guarantee.store)?;
    writeln!(out, "{mark}guarantee: {}", guarantee.sentence)?;
    writeln!(out, "{mark}after the end of the process: {}", kept(guarantee.survives_process))?;
    writeln!(out, "{mark}after the end of the machine: {}", kept(guarantee.survives_machine))?;
    if let Some(files) = &config.tls {
        tls::load(files).map_err(failed)?;
        writeln!(out, "{mark}tls: {}", files.cert.display())?;
    }
    for line in rules(&config).await {
        writeln!(out, "{mark}{line}")?;
    }
    let mut at_fault = Vec::new();
    for (name, found) in augments(&config).await.map_err(failed)? {
        let says = found.as_ref().map_or_else(|what| what.as_str(), |()| "answers");
        writeln!(out, "{mark}augment {name}: {says}")?;
        if found.is_err() {
            at_fault.push(name);
        }
    }
    if !at_fault.is_empty() {
        return Err(failed(format!("these augmentations do not work: {}", at_fault.join(", "))));
    }
    let mut unread = Vec::new();
    for (number, found) in intakes(&config).await {
        let says = found.as_ref().map_or_else(ToString::to_string, Clone::clone);
        writeln!(out, "{mark}intake {}: {says}", config.intakes[number].from)?;
        if found.is_err() {
            unread.push((number + 1).to_string());
        }
    }
    if !unread.is_empty() {
        return Err(failed(format!("these intakes cannot be read: {}", unread.join(", "))));
    }
    let weaker = store::unaccepted(&guarantee, &config.accept_weaker);
    if weaker.is_empty() {
        return Ok(());
    }
    Err(failed(format!(
        "{} promises less than it could: {}; change that, or name it in accept_weaker",
        config.store,
        weaker.join(", ")
    )))
}

/// What each lookup answers when it is asked once.
async fn augments(config: &Config) -> Result<Vec<(String, Result<(), String>)>, String> {
    let mut found = Vec::new();
    if config.augments.is_empty() {
        return Ok(found);
    }
    let around = Surroundings {
        resolver: Arc::new(SystemResolver),
        tls: trust(&[]).map_err(|error| error.to_string())?,
        own: config.listen,
        clock: Arc::new(SystemClock),
    };
    for augmentation in &config.augments {
        let answer = lookup::check(augmentation, &around).await;
        found.push((augmentation.name.clone(), answer));
    }
    Ok(found)
}

/// What there is to be said of each log.
async fn intakes(config: &Config) -> Vec<(usize, Result<String, LogError>)> {
    let mut found = Vec::new();
    for (number, intake) in config.intakes.iter().enumerate() {
        found.push((number, roundsman_logs::probe(&intake.opening(Arc::default())).await));
    }
    found
}

/// What each rule does, and what is to be said of it.
async fn rules(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, rule) in config.rules.iter().enumerate() {
        let topics = rule.topics.as_str();
        lines.extend(hidden(&config.rules, number));
        match config.webhooks.get(&number) {
            None => lines.push(format!("rule {}: {topics} to the sockets that joined", number + 1)),
            Some(webhook) => {
                lines.push(format!("rule {}: {topics} to {}", number + 1, webhook.url));
                let found = webhook.findings(&SystemResolver).await;
                lines.extend(found.iter().map(|what| format!("rule {}: {what}", number + 1)));
            }
        }
    }
    lines
}

fn hidden(rules: &Rules, number: usize) -> Option<String> {
    let by = rules.hidden_by(number)? + 1;
    let number = number + 1;
    Some(format!(
        "rule {number}: never used, since rule {by} takes all of its topics; put it first"
    ))
}

fn kept(survives: bool) -> &'static str {
    if survives { "kept" } else { "lost" }
}

/// Who gets in, in a line.
fn access(config: &Config) -> String {
    let Some(Auth { api_keys, operator_keys, token, .. }) = &config.auth else {
        return "anybody on this machine; there is no [auth]".to_owned();
    };
    let api = match (api_keys.len(), operator_keys.len()) {
        (0, 0) => "API closed, for want of api_keys and operator_keys".to_owned(),
        (send, operate) => format!("API keys: {send} to send, {operate} to operate"),
    };
    let sockets = if token.is_some() { "by token" } else { "closed, for want of token_secret" };
    format!("{api}; sockets {sockets}")
}
