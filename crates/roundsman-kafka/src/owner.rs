//! Owning a journal: beginning with an `open`, writing record behind record, and noticing when
//! somebody else does.
//!
//! One owner writes, so that each record comes to lie right behind the last. One that lies anywhere
//! else says that another process has written in between, and nothing that was written behind its
//! `open` counts: what we had performed is thrown away, and the journal says whose it is.
//!
//! Who comes anew waits and sees whether the journal grows by itself: then its owner lives, and the
//! newcomer is refused. That decides who may open; whose records count, the `open` alone decides.

use crate::cluster::Admin;
use crate::config::KafkaConfig;
use crate::entry::{Header, Kind, Open, Strange};
use crate::error::{fenced, strange, taken, unavailable};
use crate::journal::Journal;
use crate::knock::knock;
use crate::replay::{Checkpoint, Replay};
use crate::scan::{Reading, Scan};
use crate::topic;
use bytes::Bytes;
use roundsman_store::{ClaimId, IdSalt, MemoryState, StoreError, Timestamp};
use std::time::{Duration, Instant};

/// The right to write, as long as nobody takes it.
pub(crate) struct Owner {
    journal: Journal,
    config: KafkaConfig,
    pub(crate) epoch: u64,
    /// Where the next record will lie.
    pub(crate) next: u64,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) admin: Admin,
}

/// What this process knows of itself from one owning to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) nonce: u64,
    /// Numbers it gave out.
    pub(crate) numbers: (u64, u64, ClaimId),
    /// The epoch it had last; 0 where it had none yet.
    pub(crate) epoch: u64,
    /// How far it knows the journal to be its own.
    pub(crate) upto: u64,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { nonce: rand::random(), numbers: (0, 0, ClaimId(0)), epoch: 0, upto: 0 }
    }
}

/// How often somebody who waits looks whether the owner has written anything.
const LOOK: Duration = Duration::from_millis(100);

/// Takes the journal over, and makes its state. `keep` is shown every record read.
///
/// Who comes anew is refused while the owner lives; who had it before and lost it to another
/// process does not take it back.
pub(crate) fn take_over(
    config: &KafkaConfig,
    person: &Person,
    now: Timestamp,
    reading: &Reading,
    mut keep: impl FnMut(u64, Bytes),
) -> Result<(Owner, MemoryState, Scan), StoreError> {
    if person.epoch == 0 {
        // Later on a refusal is as a cluster that is away: it let us in before.
        knock(config)?;
    }
    let (mut scan, admin) = (Scan::open(config)?, Admin::open(config)?);
    let journal = Journal::open(config)?;
    if person.epoch == 0 {
        topic::make(config, &admin)?;
        refuse_if_alive(config, &mut scan)?;
    } else {
        refuse_if_taken(config, person, &mut scan)?;
    }
    let (nonce, salt) = (person.nonce, IdSalt(rand::random()));
    let open = Open { nonce, salt, numbers: person.numbers, cut: person.epoch == 0 };
    let opened = journal.append(&open.put(now).0)?;
    let (epoch, next, checkpoint) = (opened + 1, opened + 1, Checkpoint::default());
    let mut owner = Owner { journal, config: config.clone(), epoch, next, checkpoint, admin };
    let replay = owner.replay(&mut scan, opened, reading, now, &mut keep)?;
    // Between our look and our `open` somebody may have come; they will find that they lost it.
    let is_taken =
        |(epoch, by): &(u64, u64)| person.epoch != 0 && *epoch > person.epoch && *by != nonce;
    if replay.owners.iter().any(is_taken) {
        return Err(fenced(config));
    }
    let state = replay.state.ok_or_else(|| strange(config, opened, Strange::Damaged))?;
    owner.checkpoint = replay.checkpoint;
    Ok((owner, state, scan))
}

/// An owner that lives writes something within its lease, so it shows by itself without anybody's
/// clock: the journal grows. One that has ended in good order has said so.
fn refuse_if_alive(config: &KafkaConfig, scan: &mut Scan) -> Result<(), StoreError> {
    let (low, end) = scan.ends()?;
    if config.lease.is_zero() || low >= end || is_over(scan, low, end)? {
        return Ok(());
    }
    let began = Instant::now();
    while began.elapsed() < config.lease {
        std::thread::sleep(LOOK);
        let (_, high) = scan.ends()?;
        if high > end {
            return if is_over(scan, low, high)? { Ok(()) } else { Err(taken(config)) };
        }
    }
    Ok(())
}

/// Whether the last record, the one before `end`, says that the owner has ended in good order. One
/// that was taken over from may say so too late: then what lies before it is not its own.
fn is_over(scan: &mut Scan, low: u64, end: u64) -> Result<bool, StoreError> {
    if end < low + 2 {
        return Ok(false);
    }
    // One that cannot be read says nothing here: whoever reads the whole journal says what is wrong.
    let before = Header::take(scan.read(end - 2)?);
    let last = Header::take(scan.read(end - 1)?);
    let (Ok((before, _)), Ok((last, _))) = (before, last) else { return Ok(false) };
    let writer = if before.kind == Kind::Open { end - 1 } else { before.epoch };
    Ok(last.kind == Kind::Over && last.epoch == writer)
}

fn refuse_if_taken(
    config: &KafkaConfig,
    person: &Person,
    scan: &mut Scan,
) -> Result<(), StoreError> {
    let (low, high) = scan.ends()?;
    if high < person.upto {
        tracing::error!(
            topic = config.topic(),
            lost = person.upto - high,
            "the journal is shorter than what the cluster confirmed: records are lost"
        );
    }
    let from = person.upto.max(low);
    if from >= high {
        return Ok(());
    }
    scan.go_to(from)?;
    loop {
        let (offset, record) = scan.next()?;
        let header = Header::take(record);
        if let Ok((Header { kind: Kind::Open, .. }, mut rest)) = header
            && Open::take(&mut rest).is_some_and(|open| open.nonce != person.nonce)
        {
            return Err(fenced(config));
        }
        if offset + 1 >= high {
            return Ok(());
        }
    }
}

impl Owner {
    /// How long an owner writes nothing before it says that it lives, if it has to.
    pub(crate) fn beat(config: &KafkaConfig) -> Option<Duration> {
        (!config.lease.is_zero()).then_some(config.lease / 3)
    }

    /// Reads the journal up to our `open`. However long that takes, others are told that we live.
    fn replay(
        &mut self,
        scan: &mut Scan,
        upto: u64,
        reading: &Reading,
        now: Timestamp,
        keep: &mut impl FnMut(u64, Bytes),
    ) -> Result<Replay, StoreError> {
        let (low, _) = scan.ends()?;
        scan.go_to(low)?;
        let (mut replay, mut wrote) = (Replay::default(), Instant::now());
        loop {
            let (offset, record) = scan.next()?;
            keep(offset, record.clone());
            replay.feed(offset, record).map_err(|why| strange(&self.config, offset, why))?;
            if offset >= upto {
                return Ok(replay);
            }
            if Self::beat(&self.config).is_some_and(|beat| wrote.elapsed() >= beat) {
                let alive = self.header(Kind::Alive, now).put();
                self.append(&alive.0, reading)?;
                wrote = Instant::now();
            }
        }
    }

    /// What a record of ours begins with.
    pub(crate) fn header(&self, kind: Kind, now: Timestamp) -> Header {
        Header { kind, epoch: self.epoch, now }
    }

    /// Writes the next record, and is done when it is safe. Answers where it lies: almost always
    /// where it was to lie, else behind what a former owner wrote late, which is void.
    pub(crate) fn append(&mut self, record: &[u8], scan: &Reading) -> Result<u64, StoreError> {
        self.send(record)?;
        let offset = self.journal.wait()?;
        for between in self.next..offset {
            // Not by way of what is cached: there lies what was to lie there.
            let header = Header::take(scan.read(&self.config, between)?);
            if !matches!(header, Ok((header, _)) if header.kind != Kind::Open) {
                return Err(unavailable(&self.config, "another process writes to the journal"));
            }
        }
        if offset < self.next {
            return Err(unavailable(&self.config, "the journal is shorter than it was"));
        }
        self.next = offset + 1;
        self.checkpoint.since += record.len() as u64;
        Ok(offset)
    }

    pub(crate) fn send(&self, record: &[u8]) -> Result<(), StoreError> {
        self.journal.send(record)
    }

    /// Waits for the oldest record that was sent, of this length, which must lie where it was to.
    pub(crate) fn wait(&mut self, length: usize) -> Result<(), StoreError> {
        let offset = self.journal.wait()?;
        if offset != self.next {
            return Err(unavailable(&self.config, "something else has written to the journal"));
        }
        self.next += 1;
        self.checkpoint.since += length as u64;
        Ok(())
    }
}
