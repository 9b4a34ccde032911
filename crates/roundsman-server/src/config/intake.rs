//! `[[intake]]`: logs that messages are taken in from, and what of a record becomes a message.

use super::augment::required;
use super::fault::Fault;
use super::secret::{self, Environment};
use super::store_url::masked;
use super::written::{Table, Value};
use crate::intake::{Id, Intake, Mapping, OnError, Payload, Template, prefix};
use roundsman_logs::{Address, Start};
use std::str::FromStr;

/// The intakes of these tables, in order.
pub(super) fn intakes(
    tables: Vec<Table<'_>>,
    environment: Environment<'_>,
) -> Result<Vec<Intake>, Fault> {
    let mut intakes: Vec<Intake> = Vec::new();
    for mut table in tables {
        let value = required(&mut table, "from", "write where the log is, like \"redis://…\"")?;
        let intake = one(&value, &mut table, environment)?;
        // Two of the same name would share one group, or make the same ids of different records.
        let same = |it: &Intake| it.from.name() == intake.from.name() && it.group == intake.group;
        if intakes.iter().any(same) {
            let what = format!("and the group {:?} are those of another intake", intake.group);
            return Err(value.fault(what, "write a group of its own, like group = \"roundsman-2\""));
        }
        table.finish()?;
        intakes.push(intake);
    }
    Ok(intakes)
}

fn one(
    from: &Value<'_>,
    table: &mut Table<'_>,
    environment: Environment<'_>,
) -> Result<Intake, Fault> {
    let url = secret::secret(from, environment)?;
    let address: Address = (url.reveal().parse())
        .map_err(|cure: String| from.fault(format!("is {:?}", masked(url.reveal())), cure))?;
    let group = match table.take("group") {
        Some(value) => value.parsed("roundsman", parse_group)?,
        None => "roundsman".to_owned(),
    };
    let start = match table.take("start") {
        Some(value) => value.word(&[("oldest", Start::Oldest), ("newest", Start::Newest)])?,
        None => Start::Oldest,
    };
    let mapping = mapping(table, prefix(&group, address.name()))?;
    let on_error = match table.take("on_error") {
        Some(value) => value.word(&[("stop", OnError::Stop), ("skip", OnError::Skip)])?,
        None => OnError::Stop,
    };
    Ok(Intake { from: address, group, start, mapping, on_error })
}

fn mapping(table: &mut Table<'_>, prefix: String) -> Result<Mapping, Fault> {
    let mut template = |key: &'static str, default: &'static str| match table.take(key) {
        Some(value) => value.parsed(default, Template::from_str),
        None => default.parse().map_err(|cure: String| table.fault(key, "is missing", &cure)),
    };
    let topic = template("topic", "{field:topic}")?;
    let event = template("event", "{field:event}")?;
    let key = match table.take("key") {
        Some(value) => Some(value.parsed("{field:team}/{field:user}", Template::from_str)?),
        None => None,
    };
    let id = match table.take("id") {
        Some(value) => id(&value)?,
        None => Id::Made,
    };
    let payload = match table.take("payload") {
        Some(value) => value.parsed("{field:payload}", Payload::from_str)?,
        None => Payload::from_str("{field:payload}")
            .map_err(|cure| table.fault("payload", "is missing", &cure))?,
    };
    let mut add = Vec::new();
    if let Some(value) = table.take("add") {
        for (name, value) in value.entries("{ trace = \"{field:trace}\" }")? {
            let template = value.named(name).parsed("{field:trace}", Template::from_str)?;
            add.push((name.to_owned(), template));
        }
    }
    Ok(Mapping { prefix, topic, event, key, id, payload, add })
}

fn id(value: &Value<'_>) -> Result<Id, Fault> {
    let example = "{field:id}";
    if value.text(example)? == "none" {
        return Ok(Id::Without);
    }
    let template = value.parsed(example, Template::from_str)?;
    if template.is_fixed() {
        let cure = "write what tells records apart, like \"{field:id}\", or \"none\"";
        return Err(value.fault("is the same for every record", cure));
    }
    Ok(Id::Given(template))
}

fn parse_group(written: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match (1..=64).contains(&written.len()) && written.bytes().all(plain) {
        true => Ok(written.to_owned()),
        false => Err("write 1 to 64 letters, digits, _, - and ., like \"roundsman\"".to_owned()),
    }
}
