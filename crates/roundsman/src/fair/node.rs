//! An account: one level of one key's path, and the turns among what is below it.

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// One level of a path: what it owes, where it waits, and what is under way.
///
/// As small as it can be, for there is one for each busy key: everything that is rare is boxed or
/// kept once for all in the policy.
#[derive(Debug)]
pub(super) struct Node<P> {
    /// None: the root, a pool, the nameless child of a path that ends where others go on, or vacant.
    pub(super) name: Option<P>,
    /// What is left to spend; below zero it is owed.
    pub(super) deficit: i64,
    /// What a message of it costs, as far as is known; 0 while nothing is.
    pub(super) mean: u64,
    /// When its rate's bucket is full again, in nanoseconds.
    pub(super) full: u64,
    /// The turns among its children, where it has any.
    pub(super) ring: Option<Box<Ring>>,
    pub(super) parent: u32,
    pub(super) before: u32,
    pub(super) behind: u32,
    /// The number of its terms.
    pub(super) terms: u32,
    /// Messages of it that are being served.
    pub(super) flying: u32,
    /// Who holds it: openings that were not closed, and children.
    pub(super) holds: u32,
    pub(super) place: Place,
    /// It has work that is not being served; of what has children: one that has a turn to come.
    pub(super) ready: bool,
    /// Its owner wants it left out.
    pub(super) barred: bool,
    /// It was given all of a turn's credit, and has not been charged since.
    pub(super) whole: bool,
    /// A ghost that has what is left of its turn as a new one, and was given nothing since.
    pub(super) rests_new: bool,
}

/// Where a node waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    /// Among those that have just become ready.
    New,
    /// Among all others. One without ready work is a ghost: it stays until its debt is repaid.
    Old,
    /// In no list; whatever frees it says so.
    Parked(Parked),
}

/// Why a key that has work is given no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// As many of it are being served as may be.
    Cap,
    /// It has had its turns for now.
    Rate,
    /// What is left of the slots is held free for others.
    Reserve,
    /// Its owner said so.
    Barred,
}

/// The children of a node that have turns to come, in two lists (as fq_codel, RFC 8290).
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) new: List,
    pub(super) old: List,
    /// How many in either list have ready work.
    pub(super) ready: u32,
    /// How many of those are in the old list; the others there are ghosts.
    pub(super) ready_old: u32,
    /// What new ones were charged since an old one had a turn.
    pub(super) run: u64,
    /// Since when old ones wait without any of them having had a turn.
    pub(super) since: u64,
    /// What a turn of weight 1 is worth: the same all through a lap, so that it does not matter
    /// whose messages were the last to change what is usual.
    pub(super) quantum: u64,
    /// How many of the old list have had their credit in this lap.
    pub(super) lap: u32,
    /// The child that what ends at this node is charged to.
    pub(super) nameless: u32,
    pub(super) pool: Option<Pool>,
}

/// Slots that the children of a node share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) slots: u32,
    /// Of the slots held free for named keys, those that are not in use by them.
    pub(super) unused: u32,
    /// The nodes for which slots are held free.
    pub(super) guests: Vec<u32>,
    /// Whether it holds slots free: the root leaves that to the pools below it, where it has any.
    pub(super) keeps: bool,
}

/// The ends of a list that runs through the nodes.
#[derive(Debug)]
pub(super) struct List {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) len: u32,
}

impl List {
    const EMPTY: Self = Self { first: NONE, last: NONE, len: 0 };
}

impl<P> Node<P> {
    pub(super) fn new(name: Option<P>, parent: u32, terms: u32) -> Self {
        Self {
            name,
            deficit: 0,
            mean: 0,
            full: 0,
            ring: None,
            parent,
            before: NONE,
            behind: NONE,
            terms,
            flying: 0,
            holds: 0,
            place: Place::Nowhere,
            ready: false,
            barred: false,
            whole: false,
            rests_new: false,
        }
    }

    /// Credit for so many turns; nobody saves up more than one, but for what is being served and may
    /// cost more than was charged.
    pub(super) fn give_credit(&mut self, credit: i64, turns: u64) {
        if self.deficit >= credit {
            return;
        }
        let turns = i64::try_from(turns).unwrap_or(i64::MAX);
        let given = self.deficit.saturating_add(credit.saturating_mul(turns));
        let most = if self.flying > 0 { credit.saturating_mul(2) } else { credit };
        (self.deficit, self.whole) = (given.min(most), given >= credit);
    }

    /// Whether it waits in a list for its turn.
    pub(super) fn is_listed(&self) -> bool {
        self.ready && matches!(self.place, Place::New | Place::Old)
    }
}

impl Ring {
    pub(super) fn new(quantum: u64) -> Self {
        Self {
            new: List::EMPTY,
            old: List::EMPTY,
            ready: 0,
            ready_old: 0,
            run: 0,
            since: 0,
            quantum,
            lap: 0,
            nameless: NONE,
            pool: None,
        }
    }

    /// The first of the old list is given its credit for this lap: what that is for weight 1, where
    /// a lap that begins goes by `quantum`.
    pub(super) fn next_in_lap(&mut self, quantum: u64) -> u64 {
        if self.lap == 0 {
            self.quantum = quantum;
        }
        self.lap = if self.lap + 1 < self.old.len { self.lap + 1 } else { 0 };
        self.quantum
    }

    pub(super) fn list(&mut self, place: Place) -> &mut List {
        if place == Place::New { &mut self.new } else { &mut self.old }
    }
}
