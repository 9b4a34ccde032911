//! What becomes of a message: added to, marked, or ended. Pure.

use super::pointer::Pointer;
use super::scan;
use super::settings::{Augment, OnFailure, OnMissing};
use crate::deliver::Turn;
use crate::target::{Fate, Trouble};
use bytes::Bytes;
use roundsman_store::{DeadReason, Timestamp};

/// Bytes that may be found for one value.
const LARGEST: usize = 1 << 20;
/// Where a message says which augmentations it was delivered without.
const MARK: &str = "/augment_failed";

impl Augment {
    /// What is looked up for a payload, where anything is.
    pub(crate) fn wants<'a>(&self, payload: &'a [u8]) -> Option<&'a str> {
        self.value.find(payload).and_then(scalar)
    }

    /// Adds to a message what was found for it, or deals with there being nothing.
    pub(super) fn add(&self, turn: &mut Turn, value: &str, found: Option<&Bytes>) -> Option<Fate> {
        turn.augmented = true;
        let payload = &mut turn.message.record.payload;
        let made = match (found, &self.on_missing) {
            (Some(found), _) => match &self.shape {
                Some(shape) => shape.shape(payload, found),
                None => Ok(found.clone()),
            },
            (None, OnMissing::Default(default)) => Ok(default.clone()),
            (None, OnMissing::Deliver) => return None,
            (None, OnMissing::Dead) => {
                let value: String = value.chars().take(100).collect();
                let what = format!("{}: there is nothing for {value}", self.name);
                return Some(Fate::Refused(DeadReason::Augment, what.as_str().into()));
            }
        };
        match made.and_then(|made| self.into.put(payload, &made)) {
            Ok(with) => {
                *payload = with;
                None
            }
            // It lies with the message: no other attempt ends better.
            Err(what) => self.without(turn, || {
                let what = format!("{}: {what}", self.name);
                Fate::Refused(DeadReason::Augment, what.as_str().into())
            }),
        }
    }

    /// What becomes of a message whose query failed.
    pub(super) fn failed(&self, turn: &mut Turn, why: &Trouble) -> Option<Fate> {
        self.without(turn, || {
            let what = format!("{}: {}", self.name, why.what).into();
            let why = Trouble { what, ..why.clone() };
            match self.on_failure {
                OnFailure::Dead => Fate::Refused(DeadReason::Augment, why),
                _ => Fate::Failed(why),
            }
        })
    }

    /// What becomes of a message whose source is left alone until `until`.
    pub(super) fn left_alone(&self, turn: &mut Turn, until: Timestamp) -> Option<Fate> {
        self.without(turn, || match self.on_failure {
            OnFailure::Dead => {
                let what = format!("{}: its source keeps failing", self.name);
                Fate::Refused(DeadReason::Augment, what.as_str().into())
            }
            _ => Fate::Parked { endpoint: self.endpoint(), until },
        })
    }

    /// Where that is chosen, a message goes without what it lacks, and says so.
    fn without(&self, turn: &mut Turn, fate: impl FnOnce() -> Fate) -> Option<Fate> {
        if self.on_failure != OnFailure::Deliver {
            return Some(fate());
        }
        turn.augmented = true;
        let payload = &mut turn.message.record.payload;
        let name = format!("{:?}", self.name);
        let marked = match find(MARK, payload) {
            Some(before) if before.starts_with(b"[") => put(&format!("{MARK}/-"), payload, &name),
            _ => put(MARK, payload, &format!("[{name}]")),
        };
        // What is no object cannot be marked, and goes as it is.
        if let Ok(marked) = marked {
            *payload = marked;
        }
        None
    }
}

/// What can be looked up of what stands in a payload.
fn scalar(json: &[u8]) -> Option<&str> {
    let json = std::str::from_utf8(json).ok()?;
    (!json.starts_with(['{', '[']) && json != "null").then_some(json)
}

/// What is wrong with what was found for a value; the others of its query are not touched by it.
pub(super) fn fault(found: &Bytes) -> Option<Trouble> {
    if found.len() > LARGEST {
        return Some(format!("{} bytes for one value are too many", found.len()).as_str().into());
    }
    (!scan::is_value(found)).then(|| "what was found is no JSON".into())
}

fn find<'a>(pointer: &str, payload: &'a [u8]) -> Option<&'a [u8]> {
    pointer.parse::<Pointer>().ok()?.find(payload)
}

fn put(pointer: &str, payload: &[u8], value: &str) -> Result<Bytes, String> {
    pointer.parse::<Pointer>()?.put(payload, value.as_bytes())
}
