//! The ledger: everything the owner of a store knows in memory, and what it has yet to write.
//!
//! Pure: calls are performed on it, it says what it wants loaded and what has to be written, and
//! the [`writer`](super::writer) does that. It is made from the database alone and thrown away as
//! a whole after any failure, so that nothing in memory can say what the database does not.

use super::accounts::Accounts;
use super::ages::Ages;
use super::changes::Changes;
use super::handed::HandedRow;
use super::kept::Kept;
use super::lanes::Lanes;
use super::numbers::Numbers;
use super::wants::{DeadAsk, Due, Known, Loaded, Spot, StoredLane, Waiting, WalkAsk, Wants};
use crate::cache::{Cache, Seeded};
use crate::claims::Claims;
use crate::letter::Letter;
use roundsman_store::{
    Block, Clock, Counts, Fresh, IdSalt, Key, LaneId, MessageId, StoreError, Timestamp,
};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How far a call came.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// Done: this is the answer.
    Done(T),
    /// It wants something loaded.
    Load,
    /// It meets what this group has changed already: that has to be written first.
    Flush,
}

/// What every opening, and every connection after a failure, finds in the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) salt: IdSalt,
    pub(crate) epoch: u64,
    /// Numbers of messages and lanes may be used up to these.
    pub(crate) seq: u64,
    pub(crate) lanes: u64,
    pub(crate) counts: Counts,
}

/// Messages accepted lately that nothing was done with since, by sequence. Whoever finds one here
/// takes it out, since it is found to be changed.
type Recent = Cache<u64, Kept, FxBuildHasher>;

pub(crate) struct Ledger {
    pub(crate) salt: IdSalt,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counts: Counts,
    pub(crate) lanes: Lanes,
    pub(crate) accounts: Accounts,
    pub(crate) claims: Claims,
    pub(crate) wants: Wants,
    pub(crate) changes: Changes,
    /// What this group accepted into lanes that are not blocked.
    pub(crate) fresh: Vec<Fresh>,
    pub(crate) sweeps: Sweeps,
    pub(crate) ages: Ages,
    pub(crate) recent: Recent,
    /// What this group has looked up: `None` is not there.
    ids: HashMap<Arc<str>, Option<Known>, Seeded>,
    found: FxHashMap<Spot, Option<Kept>>,
    pub(crate) waiting: FxHashMap<Waiting, Vec<LaneId>>,
    pub(crate) heads: FxHashMap<LaneId, Option<u64>>,
    pub(crate) letters: Option<(DeadAsk, Vec<Letter>)>,
    pub(crate) walked: Option<(WalkAsk, Vec<StoredLane>)>,
    pub(crate) due: Option<Due>,
    pub(crate) handed: Option<Vec<HandedRow>>,
    pub(crate) outbox: Option<usize>,
    pub(crate) next: Option<[Option<Timestamp>; 3]>,
    /// Messages that this group has changed, and not written yet.
    touched: FxHashSet<u64>,
    seq: Numbers,
    numbers: Numbers,
    pub(super) idle: VecDeque<(Timestamp, LaneId)>,
}

/// How far each sweep has come.
#[derive(Debug)]
pub(crate) struct Sweeps {
    /// Through the ids: the last one looked at.
    pub(crate) ids: Arc<str>,
    /// Through the lanes, for default expiries and lanes that ran empty before this opening.
    pub(crate) lanes: Option<LaneId>,
    /// When the next lap through the lanes begins.
    pub(crate) lap: Timestamp,
}

/// About 200 bytes each; far more than are ever in flight.
const RECENT: usize = 32 * 1024;
/// How long a lane is kept empty.
const IDLE: Duration = Duration::from_secs(5);
/// How many empty lanes are kept.
const IDLE_LANES: usize = 16 * 1024;
/// How many are forgotten in one transaction.
const FORGET_AT_ONCE: usize = 1024;

impl Ledger {
    pub(crate) fn new(opened: Opened, clock: Arc<dyn Clock>, claims: Claims) -> Self {
        let numbers = |last| Numbers { last, reserved: last };
        Self {
            salt: opened.salt,
            clock,
            counts: opened.counts,
            lanes: Lanes::new(),
            accounts: Accounts::new(),
            claims,
            wants: Wants::default(),
            changes: Changes::default(),
            fresh: Vec::new(),
            sweeps: Sweeps { ids: "".into(), lanes: None, lap: Timestamp(i64::MIN) },
            ages: Ages::new(opened.seq),
            recent: Cache::new(RECENT),
            ids: HashMap::default(),
            found: FxHashMap::default(),
            waiting: FxHashMap::default(),
            heads: FxHashMap::default(),
            letters: None,
            walked: None,
            due: None,
            handed: None,
            outbox: None,
            next: None,
            touched: FxHashSet::default(),
            seq: numbers(opened.seq),
            numbers: numbers(opened.lanes),
            idle: VecDeque::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The last sequence that was given.
    pub(crate) fn last_seq(&self) -> u64 {
        self.seq.last
    }

    /// The next sequence.
    pub(crate) fn next_seq(&mut self) -> u64 {
        let seq = self.seq.next();
        self.reserve();
        seq
    }

    fn reserve(&mut self) {
        let reserved = (self.seq.reserved, self.numbers.reserved);
        if self.seq.last + Numbers::BLOCK == self.seq.reserved
            || self.numbers.last + Numbers::BLOCK == self.numbers.reserved
        {
            self.changes.numbers = Some(reserved);
        }
    }

    /// The lane of this name, made if need be.
    pub(crate) fn intern(&mut self, key: Key, topic: Arc<str>) -> LaneId {
        if let Some(id) = self.lanes.named(&key, &topic) {
            return id;
        }
        let number = self.numbers.next();
        self.reserve();
        self.lanes.make(number, key, topic)
    }

    /// What is known of an id: `None` where that is not known yet; then it is wanted.
    pub(crate) fn id(&mut self, id: &Arc<str>) -> Option<Option<Known>> {
        let known = self.ids.get(id).copied();
        if known.is_none() {
            self.wants.ids.push(id.clone());
        }
        known
    }

    /// What this group knows of an id, without asking for more.
    pub(crate) fn peek_id(&self, id: &Arc<str>) -> Option<Option<Known>> {
        self.ids.get(id).copied()
    }

    /// An id means this from now on.
    pub(crate) fn learn(&mut self, id: &Arc<str>, known: Option<Known>) {
        self.ids.insert(id.clone(), known);
    }

    /// Whether the message at this place is at hand, if there is one, with its lane and key.
    pub(crate) fn is_message_at_hand(&mut self, spot: Spot) -> Step<()> {
        if self.touched.contains(&spot.seq) {
            return Step::Flush;
        }
        let is_recent = self.recent.find(&spot.seq).is_some_and(|kept| kept.lane == spot.lane);
        if !is_recent && !self.found.contains_key(&spot) {
            self.wants.messages.push(spot);
            return Step::Load;
        }
        if self.is_lane_at_hand(spot.lane) { Step::Done(()) } else { Step::Load }
    }

    /// Whether the lane is at hand, if there is one, with its key's account.
    pub(crate) fn is_lane_at_hand(&mut self, id: LaneId) -> bool {
        if !self.lanes.is_at_hand(id, &mut self.wants) {
            return false;
        }
        let key = self.lanes.row(id).map(|row| row.lane.key.clone());
        key.is_none_or(|key| self.accounts.is_at_hand(&key, &mut self.wants))
    }

    /// The same of several, which are all loaded together.
    pub(crate) fn are_lanes_at_hand(&mut self, lanes: impl Iterator<Item = LaneId>) -> bool {
        let mut all = true;
        for id in lanes {
            all &= self.is_lane_at_hand(id);
        }
        all
    }

    /// Takes the message at this place, to change it.
    pub(crate) fn take(&mut self, spot: Spot) -> Option<Kept> {
        let kept = match self.recent.remove(&spot.seq) {
            Some(kept) if kept.lane == spot.lane => Some(kept),
            _ => self.found.remove(&spot).flatten(),
        }?;
        Some(kept)
    }

    /// A message that was taken, and will not be changed after all.
    pub(crate) fn put_back(&mut self, kept: Kept) {
        self.found.insert(kept.spot(), Some(kept));
    }

    /// Notes that this group has changed the message.
    pub(crate) fn touch(&mut self, seq: u64) {
        self.touched.insert(seq);
    }

    /// The place of the message of this id, as far as the id itself says.
    pub(crate) fn made_spot(&self, id: &str) -> Option<Spot> {
        match MessageId::parse(id, self.salt) {
            MessageId::Made { lane, seq, .. } => Some(Spot { lane, seq }),
            MessageId::Given(_) => None,
        }
    }

    /// Takes in what was loaded.
    pub(crate) fn absorb(&mut self, wants: &Wants, loaded: Loaded) {
        let Loaded { lanes, waiting, topics, accounts, ids, messages, walk, due, heads, .. } =
            loaded;
        self.next = wants.next.then(|| {
            let mut expiries = loaded.expiries.iter();
            let expiry = expiries.find(|(_, seq)| !self.claims.is_under_way(*seq));
            [loaded.until, loaded.later, expiry.map(|(at, _)| *at)]
        });
        self.lanes.absorb(wants, lanes);
        self.accounts.absorb(wants, accounts);
        let topics = topics.into_iter().map(|(topic, lane, ready)| {
            (topic, self.lanes.row(lane).map_or(ready, |row| row.ready))
        });
        let topics = topics.collect();
        self.accounts.absorb_topics(wants, topics);
        for id in &wants.ids {
            self.ids.entry(id.clone()).or_insert(None);
        }
        for (id, known) in ids {
            self.ids.insert(id, Some(known));
        }
        for spot in &wants.messages {
            self.found.entry(*spot).or_insert(None);
        }
        for kept in messages {
            self.found.insert(kept.spot(), Some(kept));
        }
        self.absorb_waiting(wants, &waiting);
        self.heads.extend(wants.heads.iter().map(|lane| (*lane, None)));
        self.heads.extend(heads.into_iter().map(|(lane, seq)| (lane, Some(seq))));
        if let Some(ask) = &wants.dead {
            self.letters = Some((ask.clone(), loaded.letters));
        }
        if let Some(ask) = wants.walk {
            self.walked = Some((ask, walk));
        }
        if wants.due.is_some() {
            self.due = Some(due);
        }
        if wants.handed.is_some() {
            self.handed = Some(loaded.handed);
        }
        if !wants.outbox.is_empty() {
            self.outbox = Some(loaded.outbox);
        }
    }

    fn absorb_waiting(&mut self, wants: &Wants, lanes: &[LaneId]) {
        for waiting in &wants.waiting {
            let rows = &mut self.lanes;
            let mut found = lanes.to_vec();
            found.retain(|id| {
                rows.row(*id).is_some_and(|row| waiting.is(&row.lane.topic, row.block))
            });
            self.waiting.insert(waiting.clone(), found);
        }
    }

    /// What was changed so far is written: it may be loaded again.
    pub(crate) fn flushed(&mut self) {
        self.touched.clear();
        self.ids.clear();
        self.found.clear();
        self.waiting.clear();
        self.heads.clear();
        self.letters = None;
        self.walked = None;
        self.due = None;
        self.next = None;
    }

    /// Whether this group has changed anything that is not written yet.
    pub(crate) fn has_changes(&mut self) -> bool {
        !self.changes.is_empty() || self.lanes.has_changes()
    }

    /// Hands over what has been changed since the last time.
    pub(crate) fn take_changes(&mut self) -> Changes {
        self.lanes.write(&mut self.changes, false);
        std::mem::take(&mut self.changes)
    }

    /// Ends a group, and hands over what it leaves to be written. What may come late is only
    /// written where it could be lost from memory otherwise.
    pub(crate) fn end_group(&mut self) -> Changes {
        self.forget_idle();
        let late = self.lanes.is_full() || self.accounts.is_full();
        self.lanes.write(&mut self.changes, late);
        if late {
            self.accounts.write(&mut self.changes);
        }
        std::mem::take(&mut self.changes)
    }

    /// Everything that came late, and the totals.
    pub(crate) fn catch_up(&mut self) -> Changes {
        self.lanes.write(&mut self.changes, true);
        self.accounts.write(&mut self.changes);
        self.changes.exact = Some(self.counts);
        self.changes.numbers = Some((self.seq.last, self.numbers.last));
        std::mem::take(&mut self.changes)
    }

    /// The group is committed. Answers what it accepted.
    pub(crate) fn committed(&mut self) -> Vec<Fresh> {
        self.flushed();
        self.lanes.turn();
        self.accounts.turn();
        self.recent.turn();
        std::mem::take(&mut self.fresh)
    }

    /// Forgets lanes that have been empty for a while. Most fill again at once, and making one
    /// costs more than a message.
    fn forget_idle(&mut self) {
        let now = self.now();
        for _ in 0..FORGET_AT_ONCE {
            let Some((since, id)) = self.idle.front().copied() else { break };
            if now.since(since) < IDLE && self.idle.len() <= IDLE_LANES {
                break;
            }
            self.idle.pop_front();
            self.forget(id);
        }
    }

    /// Forgets a lane in memory, and its key's account, if nothing is in it.
    pub(crate) fn forget(&mut self, id: LaneId) {
        let Some(row) = self.lanes.row(id) else { return };
        row.is_idle = false;
        if let Some(key) = self.lanes.forget(id) {
            self.changes.lanes_gone.push(id);
            self.accounts.forget(&key, &mut self.changes);
        }
    }

    /// Blocks a lane that has messages, or releases it.
    pub(crate) fn set_block(&mut self, id: LaneId, block: Option<Block>) {
        let changed = self.lanes.change(id, |row| row.set_block(block));
        let Some(Some((key, held))) = changed else { return };
        self.counts.held = self.counts.held.saturating_add_signed(held);
        self.accounts.shift(&key, 0, held);
    }
}

/// What a call answers that cannot be performed because of the store.
pub(crate) type Outcome<T, E = StoreError> = Step<Result<T, E>>;
