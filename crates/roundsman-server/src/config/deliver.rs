//! `[[deliver]]`: which topics go where, and what each kind of target is told.

use super::fault::Fault;
use super::resolve::{parse_pattern, small, span};
use super::resolved::WEBHOOK;
use super::secret::Environment;
use super::webhook;
use super::written::Table;
use crate::webhook::Webhook;
use roundsman_delivery::{Ack, Offline, Order, Rule, Rules, To};
use std::collections::BTreeMap;

/// Keys of rules that deliver to channels.
const OF_CHANNELS: [&str; 4] = ["ack", "ack_window", "ack_timeout", "offline"];

/// The rules of these tables, and the webhooks of those that have one, by the rules' numbers.
pub(super) fn rules(
    tables: Vec<Table<'_>>,
    environment: Environment<'_>,
) -> Result<(Rules, BTreeMap<usize, Webhook>), Fault> {
    let (mut rules, mut webhooks) = (Vec::new(), BTreeMap::new());
    for (number, mut table) in tables.into_iter().enumerate() {
        let mut rule = Rule::channel("*");
        if let Some(value) = table.take("topics") {
            rule.topics = value.parsed("user:*", parse_pattern)?;
        }
        if let Some(value) = table.take("to") {
            rule.to = value.word(&[("channel", To::Channel), ("webhook", WEBHOOK)])?;
        }
        if rule.to == WEBHOOK {
            rule.order = Order::None;
            keep_out(&mut table, &OF_CHANNELS, "channel")?;
            let topics = rule.topics.as_str();
            webhooks.insert(number, webhook::read(&mut table, topics, environment)?);
        } else {
            keep_out(&mut table, &webhook::KEYS, "webhook")?;
            channel(&mut table, &mut rule)?;
        }
        if let Some(value) = table.take("order") {
            rule.order = value.word(&[("topic", Order::Topic), ("none", Order::None)])?;
        }
        table.finish()?;
        rules.push(rule);
    }
    Ok((Rules::new(rules), webhooks))
}

fn channel(table: &mut Table<'_>, rule: &mut Rule) -> Result<(), Fault> {
    if let Some(value) = table.take("ack") {
        rule.ack = value.word(&[("sent", Ack::Sent), ("client", Ack::Client)])?;
    }
    if let Some(value) = table.take("ack_window") {
        rule.ack_window = small(value.count(1..=100_000)?);
    }
    if let Some(value) = table.take("ack_timeout") {
        rule.ack_timeout = span(&value, "30s")?;
    }
    if let Some(value) = table.take("offline") {
        rule.offline = value.word(&[("hold", Offline::Hold), ("drop", Offline::Drop)])?;
    }
    Ok(())
}

/// None of these keys may stand in a rule of another kind.
fn keep_out(table: &mut Table<'_>, keys: &[&'static str], kind: &str) -> Result<(), Fault> {
    keys.iter().try_for_each(|key| match table.take(key) {
        Some(value) => Err(value.fault(
            format!("is for rules with to = {kind:?}"),
            format!("leave it out, or write to = {kind:?}"),
        )),
        None => Ok(()),
    })
}
