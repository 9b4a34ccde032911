//! `[[intake]]`: logs that messages are taken in from, and what of a record becomes a message.

use super::augment::required;
use super::fault::Fault;
use super::secret::{self, Environment};
use super::store_url::masked;
use super::written::{Table, Value};
use crate::intake::{Id, Intake, Kind, Mapping, OnError, Payload, Template, prefix};
use roundsman_logs::{Address, Start};

/// The intakes of these tables, in order.
pub(super) fn intakes(
    tables: Vec<Table<'_>>,
    environment: Environment<'_>,
) -> Result<Vec<Intake>, Fault> {
    let mut intakes: Vec<Intake> = Vec::new();
    for mut table in tables {
        let value = required(
            &mut table,
            "from",
            "write where the log is, like \"kafka://…\" or \"redis://…\"",
        )?;
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
    let mapping = mapping(table, &address, &group)?;
    let on_error = match table.take("on_error") {
        Some(value) => value.word(&[("stop", OnError::Stop), ("skip", OnError::Skip)])?,
        None => OnError::Stop,
    };
    Ok(Intake { from: address, group, start, mapping, on_error })
}

fn mapping(table: &mut Table<'_>, address: &Address, group: &str) -> Result<Mapping, Fault> {
    let (kind, [topic, event, key, id_example, payload, member]) = match address {
        Address::Kafka { .. } => (Kind::Kafka, OF_KAFKA),
        Address::Redis { .. } => (Kind::Redis, OF_REDIS),
    };
    let read =
        |value: &Value<'_>, example: &str| value.parsed(example, |it| Template::parse(it, kind));
    let or = |table: &mut Table<'_>, key: &'static str, default: &str| match table.take(key) {
        Some(value) => read(&value, default),
        None => {
            Template::parse(default, kind).map_err(|cure| table.fault(key, "is missing", &cure))
        }
    };
    let topic = or(table, "topic", topic)?;
    let event = or(table, "event", event)?;
    let key = table.take("key").map(|value| read(&value, key)).transpose()?;
    let id = match table.take("id") {
        Some(value) => id(&value, kind, id_example)?,
        None => Id::Made,
    };
    let payload = match table.take("payload") {
        Some(value) => value.parsed(payload, |it| Payload::parse(it, kind))?,
        None => Payload::parse(payload, kind)
            .map_err(|cure| table.fault("payload", "is missing", &cure))?,
    };
    let mut add = Vec::new();
    if let Some(value) = table.take("add") {
        for (name, value) in value.entries(&format!("{{ trace = {member:?} }}"))? {
            add.push((name.to_owned(), read(&value.named(name), member)?));
        }
    }
    Ok(Mapping { prefix: prefix(group, address.name()), topic, event, key, id, payload, add })
}

/// The defaults of `topic`, `event` and `payload`, with examples of `key`, `id` and a member of `add`
/// among them.
const OF_KAFKA: [&str; 6] = [
    "{key}",
    "{header:event}",
    "{value/team}/{value/user}",
    "{header:id}",
    "{value}",
    "{header:trace}",
];
const OF_REDIS: [&str; 6] = [
    "{field:topic}",
    "{field:event}",
    "{field:team}/{field:user}",
    "{field:id}",
    "{field:payload}",
    "{field:trace}",
];

fn id(value: &Value<'_>, kind: Kind, example: &str) -> Result<Id, Fault> {
    if value.text(example)? == "none" {
        return Ok(Id::Without);
    }
    let template = value.parsed(example, |it| Template::parse(it, kind))?;
    if template.is_fixed() {
        let cure = format!("write what tells records apart, like {example:?}, or \"none\"");
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
