//! The thread that writes: takes every call that waits, performs them, writes one record of what
//! they did, and only then tells anybody.

use crate::call::{Call, Reply, Turn};
use crate::chunks::Chunks;
use crate::compact;
use crate::config::KafkaConfig;
use crate::entry::Kind;
use crate::owner::{self, Owner, Person};
use crate::place::Place;
use crate::scan::Reading;
use bytes::Bytes;
use parking_lot::Mutex;
use roundsman_store::{Clock, Fresh, HintSender, MemoryState, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// So many calls at most share a record: those behind them must not wait for ever.
const GROUP: usize = 256;
/// No further call once the record weighs this: it is what a single message is read back with.
const ROOM: usize = 256 << 10;

/// What the threads of one store share.
pub(crate) struct Shared {
    pub(crate) config: KafkaConfig,
    pub(crate) state: Mutex<MemoryState>,
    pub(crate) chunks: Mutex<Chunks>,
    pub(crate) reading: Reading,
    /// How often places came to mean other records than before: what was read meanwhile is not
    /// to be believed.
    pub(crate) moves: AtomicU64,
    /// Why the state is not to be believed at the moment, if it is not.
    pub(crate) trouble: Mutex<Option<StoreError>>,
}

impl Shared {
    /// The record that was to lie in one place lies in another: what it holds is there, too.
    fn moved(&self, expected: u64, offset: u64, record: &Bytes) {
        self.chunks.lock().insert(offset, record.clone());
        self.state.lock().payloads(|payload| match Place::from_bytes(payload) {
            Some(place) if place.offset == expected => {
                *payload = Place { offset, ..place }.to_bytes();
            }
            _ => {}
        });
        self.moves.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether what is in memory can be believed.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.trouble.lock().clone().map_or(Ok(()), Err)
    }

    /// One record of the journal, out of memory where it is there.
    pub(crate) fn record(&self, offset: u64) -> Result<Bytes, StoreError> {
        if let Some(record) = self.chunks.lock().find(offset) {
            return Ok(record);
        }
        let record = self.reading.read(&self.config, offset)?;
        self.chunks.lock().insert(offset, record.clone());
        Ok(record)
    }
}

/// Everything that the thread owns.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: Receiver<Call>,
    pub(crate) hints: HintSender,
    pub(crate) person: Person,
    pub(crate) standing: Standing,
    /// When the journal last grew by us.
    pub(crate) wrote: Instant,
}

/// How this process stands to the journal.
pub(crate) enum Standing {
    Owner(Box<Owner>),
    /// It may be asked for again from then on; each time in vain doubles the wait.
    Lost(Instant, Duration),
    /// Another process has it, for good.
    Fenced,
}

impl Writer {
    const FIRST_WAIT: Duration = Duration::from_millis(50);
    const LONGEST_WAIT: Duration = Duration::from_secs(2);

    /// Runs until there is nobody left who could call.
    pub(crate) fn run(mut self) {
        let mut calls = VecDeque::new();
        while self.gather(&mut calls) {
            match self.stand() {
                Ok(()) => self.turn(&mut calls),
                Err(error) => calls.drain(..).for_each(|call| drop(call(Err(error.clone())))),
            }
            self.live();
        }
        self.end();
    }

    /// Sees to it that the journal is ours, as far as that can be.
    fn stand(&mut self) -> Result<(), StoreError> {
        let wait = match &self.standing {
            Standing::Owner(_) => return Ok(()),
            Standing::Lost(at, wait) if *at <= Instant::now() => *wait,
            Standing::Lost(..) | Standing::Fenced => return Err(self.trouble()),
        };
        match self.take_over() {
            Ok(()) => Ok(()),
            Err(error) => {
                self.standing = match &error {
                    StoreError::Locked(_) => Standing::Fenced,
                    _ => {
                        let longer = (wait * 2).min(Self::LONGEST_WAIT);
                        Standing::Lost(Instant::now() + wait, longer)
                    }
                };
                *self.shared.trouble.lock() = Some(error.clone());
                Err(error)
            }
        }
    }

    pub(crate) fn take_over(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        shared.chunks.lock().clear();
        let keep = |offset, record| shared.chunks.lock().insert(offset, record);
        let now = self.clock.now();
        let (config, reading) = (&shared.config, &shared.reading);
        let (owner, state, scan) = owner::take_over(config, &self.person, now, reading, keep)?;
        *shared.state.lock() = state;
        shared.moves.fetch_add(1, Ordering::SeqCst);
        shared.reading.set(scan);
        *shared.trouble.lock() = None;
        tracing::info!(topic = shared.config.topic(), epoch = owner.epoch, "took the journal over");
        self.person.epoch = owner.epoch;
        self.person.upto = owner.next;
        self.wrote = Instant::now();
        self.standing = Standing::Owner(Box::new(owner));
        // What was written last and not confirmed may be there all the same.
        self.hints.walk();
        Ok(())
    }

    fn trouble(&self) -> StoreError {
        let trouble = self.shared.trouble.lock().clone();
        trouble.unwrap_or_else(|| StoreError::Unavailable("the journal is not ours".to_owned()))
    }

    /// One record, and the answers once it is safe.
    fn turn(&mut self, calls: &mut VecDeque<Call>) {
        let Standing::Owner(owner) = &mut self.standing else { return };
        let now = self.clock.now();
        let header = owner.header(Kind::Verbs, now).put();
        let empty = header.0.len();
        let (record, fresh, replies) = {
            let mut state = self.shared.state.lock();
            let mut turn = Turn {
                state: &mut state,
                record: header,
                offset: owner.next,
                now,
                fresh: Vec::new(),
                config: &self.shared.config,
            };
            let mut replies: Vec<Reply> = Vec::with_capacity(calls.len());
            while turn.record.0.len() < ROOM {
                let Some(call) = calls.pop_front() else { break };
                replies.extend(call(Ok(&mut turn)));
            }
            let Turn { record, fresh, .. } = turn;
            self.person.numbers = state.numbers();
            (record, fresh, replies)
        };
        let record = Bytes::from(record.0);
        let mut fate = Ok(());
        if record.len() > empty {
            let expected = owner.next;
            self.shared.chunks.lock().insert(expected, record.clone());
            fate = match owner.append(&record, &self.shared.reading) {
                Ok(offset) if offset == expected => Ok(()),
                Ok(offset) => {
                    self.shared.moved(expected, offset, &record);
                    Ok(())
                }
                Err(error) => Err(error),
            };
        }
        if let Err(error) = &fate {
            self.lose(error);
        } else {
            if record.len() > empty {
                self.wrote = Instant::now();
            }
            self.person.upto = owner.next;
            self.announce(fresh, &record);
        }
        for reply in replies {
            reply(fate.clone());
        }
        self.compact_in_time();
    }

    /// What was performed may not have been written: it is made anew from the journal.
    fn lose(&mut self, error: &StoreError) {
        tracing::error!(%error, "a record was not confirmed; the journal is read again");
        *self.shared.trouble.lock() = Some(error.clone());
        self.standing = Standing::Lost(Instant::now(), Self::FIRST_WAIT);
    }

    fn announce(&mut self, mut fresh: Vec<Fresh>, record: &Bytes) {
        for news in &mut fresh {
            let payload = Place::from_bytes(&news.record.payload).and_then(|it| it.cut(record));
            news.record.payload = payload.unwrap_or_default();
        }
        if !fresh.is_empty() {
            self.hints.announce(fresh);
        }
    }

    fn compact_in_time(&mut self) {
        let Standing::Owner(owner) = &self.standing else { return };
        if compact::is_time(&self.shared.config, &owner.checkpoint) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let Standing::Owner(owner) = &mut self.standing else { return };
        let done = compact::compact(&self.shared, owner, self.clock.now());
        self.person.upto = owner.next;
        if let Err(error) = done {
            self.lose(&error);
        }
    }

    fn beat(&self) -> Option<Duration> {
        let is_owner = matches!(self.standing, Standing::Owner(_));
        Owner::beat(&self.shared.config).filter(|_| is_owner)
    }

    /// Says that its owner is there, where nothing else has said so lately.
    fn live(&mut self) {
        let is_time = self.beat().is_some_and(|beat| self.wrote.elapsed() >= beat);
        if is_time && let Err(error) = self.say(Kind::Alive) {
            self.lose(&error);
        }
    }

    fn say(&mut self, kind: Kind) -> Result<(), StoreError> {
        let Standing::Owner(owner) = &mut self.standing else { return Ok(()) };
        let record = owner.header(kind, self.clock.now()).put();
        owner.append(&record.0, &self.shared.reading)?;
        self.person.upto = owner.next;
        self.wrote = Instant::now();
        Ok(())
    }

    /// The next start is to read little, and not to wait.
    fn end(mut self) {
        if let Standing::Owner(owner) = &self.standing
            && owner.checkpoint.since > self.shared.config.checkpoint_after / 16
        {
            self.compact();
        }
        if let Err(error) = self.say(Kind::Over) {
            tracing::warn!(%error, "the next start waits until the lease is over");
        }
    }

    /// Waits for a call, or until it is time to say something, and takes along the calls that wait
    /// behind it. `false`: nobody can call any more.
    fn gather(&self, calls: &mut VecDeque<Call>) -> bool {
        if calls.is_empty() {
            let first = match self.beat() {
                Some(beat) => self.inbox.recv_timeout(beat.saturating_sub(self.wrote.elapsed())),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(call) => calls.push_back(call),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        calls.extend(self.inbox.try_iter().take(GROUP.saturating_sub(calls.len())));
        true
    }
}
