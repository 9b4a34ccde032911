//! The road beside the messages: written late, cut off anywhere, it leads to each and to nothing else.

use super::super::accept::accept;
use super::super::create;
use super::super::fetch::{fetch, walk};
use super::super::ledger::{Ledger, Place};
use super::super::open;
use super::super::promote::promote;
use super::super::reader::Reader;
use super::super::reserve::Reserve;
use super::super::road::{Late, Pace};
use super::super::row::number;
use super::super::settle::settle;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use roundsman_store::{
    Ask, Bounds, DeadReason, Draft, Failure, HeldClock, IdSalt, LaneId, Outcome, Place as Where,
    Settlement, Timestamp, Which,
};
use rusqlite::OpenFlags;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The oldest first, by lane.
type Truth = BTreeMap<LaneId, Vec<u64>>;

/// A ledger that is worked on step by step, and cut off.
struct Works {
    random: StdRng,
    path: PathBuf,
    clock: HeldClock,
    place: Place,
    ledger: Option<Ledger>,
    reader: Reader,
    /// As of the last commit.
    truth: Truth,
    /// What was settled since.
    leaving: Vec<u64>,
    /// Whether nothing was done since.
    is_quiet: bool,
}

impl Works {
    fn new(folder: &tempfile::TempDir, seed: u64) -> Self {
        let path = folder.path().join(format!("{seed}.db"));
        create::create(&path).unwrap();
        let clock = HeldClock::at(Timestamp(1_000_000));
        let place = Place {
            path: path.clone(),
            clock: Arc::new(clock.clone()),
            salt: IdSalt(7),
            reserve: Arc::new(Reserve::beside(&path)),
            young: Arc::default(),
        };
        let reader = Reader::open(&place).unwrap();
        let random = StdRng::seed_from_u64(seed);
        let (truth, leaving, is_quiet) = (Truth::new(), Vec::new(), true);
        let ledger = None;
        let mut works =
            Self { random, path, clock, place, ledger, reader, truth, leaving, is_quiet };
        works.open();
        works
    }

    /// Opens it; whatever was not committed is lost.
    fn open(&mut self) {
        self.ledger = None;
        self.leaving.clear();
        self.is_quiet = true;
        let connection = open::writing(&self.path, OpenFlags::empty()).unwrap();
        let mut ledger = Ledger::on(connection, self.place.clone(), 0).unwrap();
        ledger.books.road.late = Late { young: 40, departed: 30, sequences: 300, steps: 5 };
        let excess = "SELECT count(*) FROM road WHERE seq NOT IN (SELECT seq FROM message WHERE due IS NULL)";
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        assert_eq!(ledger.connection.query_row(excess, (), count).unwrap(), 0);
        ledger.begin().unwrap();
        self.ledger = Some(ledger);
        self.see();
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().unwrap()
    }

    fn step(&mut self) {
        self.is_quiet = false;
        match self.random.random_range(0..20) {
            0..7 => self.accept(),
            7..14 => self.settle(),
            14 => self.promote(),
            15 if self.random.random_ratio(1, 4) => self.open(),
            _ => self.commit(),
        }
    }

    fn accept(&mut self) {
        let count = self.random.random_range(1..12);
        let drafts = (0..count).map(|_| {
            let topic = format!("t:{}", self.random.random_range(0..9));
            let mut draft = Draft::new(&topic, "{}").unwrap();
            if self.random.random_ratio(1, 8) {
                draft.deliver_at = Some(Timestamp(self.random.random_range(0..9_000_000)));
            }
            draft
        });
        let drafts = drafts.collect();
        accept(self.ledger(), (drafts, Bounds::NONE)).unwrap().unwrap();
    }

    /// Settles some of what is committed, mostly the oldest of each lane.
    fn settle(&mut self) {
        let mut open: Vec<_> = self
            .truth
            .iter()
            .flat_map(|(lane, seqs)| seqs.iter().take(5).map(|seq| (*lane, *seq)))
            .filter(|(_, seq)| !self.leaving.contains(seq))
            .collect();
        open.shuffle(&mut self.random);
        open.truncate(self.random.random_range(1..12));
        let now = self.place.clock.now();
        let mut batch = Vec::new();
        for (lane, seq) in open {
            let failure = Failure::new(now, "no answer");
            let outcome = match self.random.random_range(0..8) {
                0 => Outcome::Dead { reason: DeadReason::Attempts, failure: Some(failure) },
                1 => Outcome::Retry {
                    at: now.after(Duration::from_secs(1)),
                    place: Where::Leave,
                    failure,
                    payload: None,
                },
                _ => Outcome::Delivered,
            };
            self.leaving.push(seq);
            let which = Which::At { lane, seq, attempt: 1_000_000 };
            batch.push(Settlement { which, claim: None, outcome });
        }
        settle(self.ledger(), batch).unwrap().unwrap();
    }

    fn promote(&mut self) {
        self.clock.advance(Duration::from_millis(self.random.random_range(0..1500)));
        promote(self.ledger(), ()).unwrap().unwrap();
    }

    /// Commits as [`Ledger::commit`] does, and looks between its steps.
    fn commit(&mut self) {
        let ledger = self.ledger();
        ledger.books.flush_turns(&ledger.connection).unwrap();
        ledger.books.pave(&ledger.connection, Pace::Steady).unwrap();
        self.see();
        self.ledger().connection.execute_batch("COMMIT").unwrap();
        self.leaving.clear();
        self.is_quiet = true;
        self.truth = self.counted();
        self.see();
        self.ledger().books.turn();
        self.see();
        self.ledger().begin().unwrap();
    }

    /// What lies in each lane as the messages themselves say it, as far as it is committed.
    fn counted(&mut self) -> Truth {
        let all = "SELECT lane, seq FROM message WHERE due IS NULL ORDER BY lane, seq";
        let mut all = self.reader.connection.prepare(all).unwrap();
        let rows = all.query_map((), |row| Ok((LaneId(number(row, 0)?), number(row, 1)?))).unwrap();
        let mut truth = Truth::new();
        for row in rows {
            let (lane, seq) = row.unwrap();
            truth.entry(lane).or_default().push(seq);
        }
        truth
    }

    /// A read by lane has what is committed and has not been settled since.
    fn see(&mut self) {
        let walked = walk(&mut self.reader, (None, 1000)).unwrap().unwrap();
        let walked: Vec<_> = walked.iter().map(|lane| lane.id).collect();
        for (lane, seqs) in self.truth.clone() {
            let here = |seq: &u64| !self.leaving.contains(seq);
            let expected: Vec<_> = seqs.into_iter().filter(here).collect();
            let after = self.random.random_range(0..=expected.last().copied().unwrap_or(0));
            let expected: Vec<_> = expected.into_iter().filter(|seq| *seq > after).collect();
            let limit = self.random.random_range(1..=expected.len() + 2);
            let ask = Ask { lane, after, limit, max_bytes: usize::MAX };
            let mut fetched = fetch(&mut self.reader, vec![ask]).unwrap().unwrap().remove(0);
            // One that is being settled may be there or not.
            fetched.records.retain(|record| !self.leaving.contains(&record.seq));
            let seqs: Vec<_> = fetched.records.iter().map(|record| record.seq).collect();
            assert!(expected.starts_with(&seqs), "{lane:?}: {seqs:?} of {expected:?}");
            if self.leaving.is_empty() {
                assert_eq!(seqs.len(), limit.min(expected.len()), "{lane:?} behind {after}");
                assert_eq!(fetched.more, expected.len() > limit, "{lane:?}");
            }
            assert!(expected.is_empty() || walked.contains(&lane), "{lane:?}");
        }
        // What is young and not committed yet costs a look for nothing.
        if self.is_quiet {
            assert!(walked.iter().all(|lane| self.truth.contains_key(lane)), "{walked:?}");
        }
    }
}

#[test]
fn the_road_leads_to_every_message_and_to_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..8 {
        println!("seed {seed}");
        let mut works = Works::new(&folder, seed);
        (0..400).for_each(|_| works.step());
        works.commit();
        works.open();
    }
}
