//! The thread that reads: lanes from the state in memory, payloads from the journal where they are
//! not in memory any more.

use crate::place::Place;
use crate::writer::Shared;
use bytes::Bytes;
use roundsman_store::{Ask, DeadPage, Fetched, StoreError, Sweep};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What it is asked.
pub(crate) enum Read {
    Fetch(Vec<Ask>, oneshot::Sender<Result<Vec<Fetched>, StoreError>>),
    Dead(Sweep, oneshot::Sender<Result<DeadPage, StoreError>>),
}

/// The thread's own.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Receiver<Read>,
}

impl Reader {
    /// A payload may be copied forward, and its old place deleted, between the look at the state
    /// and the reading; a second look finds the new place.
    const LOOKS: usize = 3;
    /// So long it reads ahead without being asked.
    const AHEAD: Duration = Duration::from_millis(100);

    /// Runs until there is nobody left who could ask.
    pub(crate) fn run(self) {
        loop {
            let asked = match self.inbox.recv_timeout(Self::AHEAD) {
                Ok(asked) => asked,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.shared.reading.rest();
                    match self.inbox.recv() {
                        Ok(asked) => asked,
                        Err(_) => return,
                    }
                }
            };
            // Nobody listening any more is a caller's right.
            match asked {
                Read::Fetch(asks, to) => drop(to.send(self.looking(|reader| reader.fetch(&asks)))),
                Read::Dead(sweep, to) => drop(to.send(self.looking(|reader| reader.dead(&sweep)))),
            }
        }
    }

    fn looking<T>(&self, look: impl Fn(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let moves = || self.shared.moves.load(Ordering::SeqCst);
        let mut failed = StoreError::Unavailable("the journal moves on too fast".to_owned());
        for _ in 0..Self::LOOKS {
            let before = moves();
            match look(self) {
                Err(error @ StoreError::Unusable(_)) => failed = error,
                _ if moves() != before => {}
                answer => return answer,
            }
        }
        Err(failed)
    }

    fn fetch(&self, asks: &[Ask]) -> Result<Vec<Fetched>, StoreError> {
        let mut all: Vec<Fetched> = {
            self.shared.check()?;
            let state = self.shared.state.lock();
            let whole = |ask: &Ask| state.fetch(&Ask { max_bytes: usize::MAX, ..*ask });
            asks.iter().map(|ask| shortened(whole(ask), ask.max_bytes)).collect()
        };
        let payloads = all.iter_mut().flat_map(|fetched| &mut fetched.records);
        self.fill(payloads.map(|record| &mut record.payload))?;
        Ok(all)
    }

    fn dead(&self, sweep: &Sweep) -> Result<DeadPage, StoreError> {
        let mut page = {
            self.shared.check()?;
            self.shared.state.lock().dead_page(sweep)
        };
        let mut bytes = 0;
        let enough = page.letters.iter().position(|letter| {
            let is_enough = bytes >= Sweep::BYTES;
            bytes += length(&letter.payload);
            is_enough
        });
        if let Some(enough) = enough {
            page.letters.truncate(enough);
            page.next = page.letters.last().map(|letter| letter.cursor);
        }
        self.fill(page.letters.iter_mut().map(|letter| &mut letter.payload))?;
        Ok(page)
    }

    /// Puts payloads where only their places are, in the order of the journal: each of its records
    /// is read once, and in memory no longer than it takes.
    fn fill<'a>(&self, payloads: impl Iterator<Item = &'a mut Bytes>) -> Result<(), StoreError> {
        let mut wanted: Vec<(Place, &mut Bytes)> = payloads
            .filter_map(|payload| Place::from_bytes(payload).map(|place| (place, payload)))
            .collect();
        wanted.sort_unstable_by_key(|(place, _)| *place);
        let mut chunk = (u64::MAX, Bytes::new());
        for (place, payload) in wanted {
            if chunk.0 != place.offset {
                chunk = (place.offset, self.shared.record(place.offset)?);
            }
            *payload = place.cut(&chunk.1).ok_or_else(|| {
                StoreError::Unusable(format!("record {} is not what it was", place.offset))
            })?;
        }
        Ok(())
    }
}

fn length(payload: &Bytes) -> usize {
    Place::from_bytes(payload).map_or(0, Place::length)
}

/// No further record once the payloads weigh `max_bytes`; the first comes whatever it weighs.
fn shortened(mut fetched: Fetched, max_bytes: usize) -> Fetched {
    let mut bytes = 0;
    let lengths = fetched.records.iter().map(|record| length(&record.payload));
    let enough = lengths.enumerate().position(|(number, length)| {
        let is_enough = number > 0 && bytes >= max_bytes;
        bytes += length;
        is_enough
    });
    if let Some(enough) = enough {
        fetched.records.truncate(enough);
        fetched.more = true;
    }
    fetched
}
