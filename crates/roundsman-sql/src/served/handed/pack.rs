//! Batches and their answers as bytes, which only nodes of one version read.
//!
//! ```text
//!  batch     version u8 · four bounds u64 · expires_after u64 (micros, MAX: none) · count u32 · drafts
//!  draft     topic · key · event · payload · id · fingerprint [16] where there is an id
//!            · deliver_at i64 · expires_at i64 (MIN: none) · held u8
//!  answer    0 · receipts (duplicate u8 · id), or 1 · refusals (index u32 · bound u8)
//! ```
//!
//! All little-endian; a text or a payload is its length as u32 and its bytes.

use bytes::Bytes;
use roundsman_store::{
    Bound, Bounds, Draft, Fingerprint, IdSalt, Key, MessageId, Receipt, Refusal, Timestamp,
};
use std::sync::Arc;
use std::time::Duration;

const VERSION: u8 = 1;
const NEVER: i64 = i64::MIN;
const BOUNDS: [Option<Bound>; 5] = [
    None,
    Some(Bound::Backlog),
    Some(Bound::BacklogPerKey),
    Some(Bound::HeldPerTopic),
    Some(Bound::Ids),
];

/// What is to be accepted, and within what.
pub(super) type Batch = (Vec<Draft>, Bounds);

/// What became of a batch.
pub(super) type Answered = Result<Vec<Receipt>, Vec<Refusal>>;

pub(super) fn pack((drafts, bounds): &Batch) -> Vec<u8> {
    let payloads: usize = drafts.iter().map(|draft| draft.payload.len() + 128).sum();
    let mut out = Vec::with_capacity(payloads + 64);
    out.push(VERSION);
    let Bounds { backlog, backlog_per_key, held_per_topic, ids, expires_after } = bounds;
    for bound in [backlog, backlog_per_key, held_per_topic, ids] {
        out.extend(bound.to_le_bytes());
    }
    let micros = expires_after.map(|span| u64::try_from(span.as_micros()).unwrap_or(u64::MAX - 1));
    out.extend(micros.unwrap_or(u64::MAX).to_le_bytes());
    out.extend(count(drafts.len()));
    for draft in drafts {
        put(&mut out, draft.topic.as_bytes());
        put(&mut out, draft.key.as_str().as_bytes());
        put(&mut out, draft.event.as_bytes());
        put(&mut out, &draft.payload);
        let (id, print) = draft.id.as_ref().map_or(("", None), |(id, print)| (id, Some(print)));
        put(&mut out, id.as_bytes());
        out.extend(print.map_or(&[][..], |print| &print.0));
        for moment in [draft.deliver_at, draft.expires_at] {
            out.extend(moment.map_or(NEVER, |at| at.0).to_le_bytes());
        }
        out.push(draft.held.into());
    }
    out
}

/// `None` where it is not of this version, or no batch at all.
pub(super) fn unpack(bytes: &[u8]) -> Option<Batch> {
    let mut rest = Rest(bytes);
    if rest.array()? != [VERSION] {
        return None;
    }
    let mut number = || Some(u64::from_le_bytes(rest.array()?));
    let bounds = Bounds {
        backlog: number()?,
        backlog_per_key: number()?,
        held_per_topic: number()?,
        ids: number()?,
        expires_after: Some(number()?).filter(|it| *it != u64::MAX).map(Duration::from_micros),
    };
    let drafts = (0..rest.number()?).map(|_| draft(&mut rest)).collect::<Option<_>>()?;
    rest.0.is_empty().then_some((drafts, bounds))
}

fn draft(rest: &mut Rest<'_>) -> Option<Draft> {
    let topic = rest.text()?.into();
    let key = Key::parse(rest.text()?).ok()?;
    let event = rest.text()?.into();
    let payload = Bytes::copy_from_slice(rest.slice()?);
    let id = match rest.text()? {
        "" => None,
        id => Some((Arc::from(id), Fingerprint(rest.array()?))),
    };
    let mut moment = || {
        let at = i64::from_le_bytes(rest.array()?);
        Some((at != NEVER).then_some(Timestamp(at)))
    };
    let (deliver_at, expires_at) = (moment()?, moment()?);
    let held = rest.array()? != [0];
    Some(Draft { topic, key, event, payload, id, deliver_at, expires_at, held })
}

pub(super) fn pack_answer(answered: &Answered) -> Vec<u8> {
    let mut out = Vec::new();
    match answered {
        Ok(receipts) => {
            out.push(0);
            for Receipt { id, duplicate } in receipts {
                out.push((*duplicate).into());
                put(&mut out, id.to_string().as_bytes());
            }
        }
        Err(refusals) => {
            out.push(1);
            for Refusal { index, bound } in refusals {
                out.extend(count(*index));
                let at = BOUNDS.iter().position(|it| it == bound).unwrap_or(0);
                out.push(u8::try_from(at).unwrap_or(0));
            }
        }
    }
    out
}

/// `None` where it is no answer.
pub(super) fn unpack_answer(bytes: &[u8], salt: IdSalt) -> Option<Answered> {
    let (kind, rest) = bytes.split_first()?;
    let mut rest = Rest(rest);
    let (mut receipts, mut refusals) = (Vec::new(), Vec::new());
    while !rest.0.is_empty() {
        if *kind == 0 {
            let duplicate = rest.array()? != [0];
            let id = MessageId::parse(rest.text()?, salt);
            receipts.push(Receipt { id, duplicate });
        } else {
            let index = usize::try_from(rest.number()?).ok()?;
            let [bound] = rest.array()?;
            refusals.push(Refusal { index, bound: *BOUNDS.get(usize::from(bound))? });
        }
    }
    Some(if *kind == 0 { Ok(receipts) } else { Err(refusals) })
}

/// Bodies have ten thousand messages at most, and messages a quarter of a million bytes.
fn count(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(count(bytes.len()));
    out.extend(bytes);
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn slice(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use roundsman_store::LaneId;

    fn batch() -> Batch {
        let plain = Draft::new("user:42", r#"{"n":1}"#).unwrap();
        let full = Draft {
            key: Key::from_parts(["team/7", "ü\0"]).unwrap(),
            event: "push".into(),
            id: Some(("a-1".into(), Fingerprint([7; 16]))),
            deliver_at: Some(Timestamp(-5)),
            expires_at: Some(Timestamp(i64::MAX)),
            held: true,
            ..plain.clone()
        };
        let span = Some(Duration::from_millis(1500));
        (vec![plain, full], Bounds { ids: 3, expires_after: span, ..Bounds::NONE })
    }

    #[test]
    fn a_batch_comes_back_as_it_was() {
        let (drafts, bounds) = batch();
        let packed = pack(&(drafts.clone(), bounds));
        let unpacked = unpack(&packed).unwrap();
        assert_eq!(format!("{:?}", unpacked.0), format!("{drafts:?}"));
        assert_eq!(unpacked.1, bounds);
        assert_eq!(unpack(&pack(&(Vec::new(), Bounds::NONE))).unwrap().1, Bounds::NONE);
    }

    #[test]
    fn what_is_cut_or_strange_is_no_batch() {
        let packed = pack(&batch());
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end]).is_none(), "{end}");
        }
        let longer = [&packed[..], &[0]].concat();
        let newer = [&[VERSION + 1], &packed[1..]].concat();
        assert!(unpack(&longer).is_none() && unpack(&newer).is_none());
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let salt = IdSalt(9);
        let made = MessageId::Made { salt, lane: LaneId(3), seq: 77 };
        let receipts = vec![
            Receipt { id: made, duplicate: false },
            Receipt { id: MessageId::Given("a-1".into()), duplicate: true },
        ];
        let refusals =
            BOUNDS.iter().zip(5..).map(|(bound, index)| Refusal { index, bound: *bound });
        for answered in [Ok(receipts), Ok(Vec::new()), Err(refusals.collect::<Vec<_>>())] {
            assert_eq!(unpack_answer(&pack_answer(&answered), salt), Some(answered));
        }
        assert_eq!(unpack_answer(&[], salt), None);
        assert_eq!(unpack_answer(&[0, 1, 9], salt), None);
    }
}
