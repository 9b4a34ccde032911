//! The table `[dispatch]`: demand of the node, and how it is shared between keys.

use super::fault::Fault;
use super::resolve::small;
use super::units::{parse_rate, parse_size};
use super::written::{Table, Value};
use roundsman::fair::{Rate, Weight};
use roundsman_delivery::{Charge, Dispatch};
use roundsman_store::{Key, KeyError};
use std::time::Duration;

/// Reads the table over the defaults.
pub(super) fn dispatch(mut table: Table<'_>) -> Result<Dispatch, Fault> {
    let mut dispatch = Dispatch::default();
    if let Some(value) = table.take("max_in_flight") {
        dispatch.max_in_flight = small(value.count(1..=MOST)?);
    }
    if let Some(value) = table.take("max_bytes") {
        let bytes = value.parsed("64MiB", parse_size)?;
        if bytes == 0 {
            return Err(value.fault("is nothing", "write at least \"1B\"; one message always goes"));
        }
        dispatch.max_bytes = small(bytes);
    }
    if let Some(value) = table.take("charge") {
        dispatch.charge = value.word(&[
            ("time", Charge::Time),
            ("bytes", Charge::Bytes),
            ("count", Charge::Count),
        ])?;
    }
    if let Some(value) = table.take("weights") {
        dispatch.weights = named(&value, "{ \"team-7\" = 3 }", |value| value.number().map(weight))?;
    }
    if let Some(value) = table.take("per_key") {
        dispatch.per_key = small(value.count(1..=MOST)?);
    }
    if let Some(value) = table.take("max_slots") {
        dispatch.max_slots = named(&value, "{ \"team-7\" = 50 }", slots)?;
    }
    let least = table.take("min_slots");
    if let Some(value) = &least {
        dispatch.min_slots = named(value, "{ \"team-7\" = 10 }", slots)?;
    }
    let reserve = table.take("reserve");
    if let Some(value) = &reserve {
        dispatch.reserve = u32::try_from(value.count(0..=MOST)?).unwrap_or(u32::MAX);
    }
    if let Some(value) = table.take("rate_per_key") {
        dispatch.rate_per_key = rate(&value)?;
    }
    if let Some(value) = reserve.or(least) {
        check_held(&dispatch, &value)?;
    }
    table.finish()?;
    Ok(dispatch)
}

/// Slots of anything, at most.
const MOST: u64 = 1_000_000;

/// What is held free must leave something, and no more than the key itself may have.
fn check_held(dispatch: &Dispatch, value: &Value<'_>) -> Result<(), Fault> {
    let held: u64 = dispatch.min_slots.iter().map(|(_, slots)| u64::from(*slots)).sum();
    let held = held + u64::from(dispatch.reserve);
    if held >= dispatch.max_in_flight as u64 {
        let what = format!(
            "leaves nothing to others: min_slots and reserve together are {held} of the {} slots \
             of max_in_flight",
            dispatch.max_in_flight
        );
        return Err(value.fault(what, "make them smaller, or max_in_flight larger"));
    }
    for (key, least) in &dispatch.min_slots {
        let cap = dispatch.max_slots.iter().find(|(other, _)| other == key);
        let most = cap.map_or(dispatch.per_key as u64, |(_, most)| u64::from(*most));
        if u64::from(*least) > most {
            let what =
                format!("holds {least} slots free for {:?}, which may use {most}", key.as_str());
            return Err(value.fault(what, "name the key in max_slots with at least as many"));
        }
    }
    Ok(())
}

/// The keys of a table of keys, each with what stands for it.
fn named<T>(
    value: &Value<'_>,
    example: &str,
    read: impl Fn(&Value<'_>) -> Result<T, Fault>,
) -> Result<Vec<(Key, T)>, Fault> {
    let entries = value.entries(example)?;
    let read = |(name, value): (&str, Value<'_>)| {
        let value = value.named(name);
        let key = Key::parse(name).map_err(|error| bad_key(&value, error))?;
        Ok((key, read(&value)?))
    };
    entries.into_iter().map(read).collect()
}

fn bad_key(value: &Value<'_>, error: KeyError) -> Fault {
    let cure = "a key is a path of 1 to 8 parts of 1 to 255 bytes, joined by `/`, \
                with `~1` for `/` and `~0` for `~` inside a part";
    value.fault(format!("stands for no key: {error}"), cure)
}

fn slots(value: &Value<'_>) -> Result<u32, Fault> {
    Ok(u32::try_from(value.count(1..=MOST)?).unwrap_or(u32::MAX))
}

fn weight(thousandths: u32) -> Weight {
    Weight::from_thousandths(thousandths).unwrap_or_default()
}

/// A tenth of a second's turns may be taken at once after a rest, one at least.
fn rate(value: &Value<'_>) -> Result<Option<Rate>, Fault> {
    if value.text("100/s")? == "none" {
        return Ok(None);
    }
    let (turns, span) = value.parsed("100/s", parse_rate)?;
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let burst = turns.saturating_mul(Duration::from_millis(100).as_micros() as u64) / micros;
    let rate = Rate::new(turns, micros, burst.max(1));
    rate.map(Some).ok_or_else(|| value.fault("is faster than can be kept", "write \"none\""))
}
