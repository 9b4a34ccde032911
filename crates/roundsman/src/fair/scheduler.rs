//! The scheduler: accounts are opened, become ready, have turns, and are charged for them.

use std::{borrow::Borrow, cmp::Reverse, collections::BinaryHeap, hash::Hash, sync::Arc};

use super::{
    book::Book,
    node::{NONE, Parked, Place, Pool, Ring},
    terms::{Outline, Policy},
};

/// The account of one key in one pool. Good until it is closed as often as it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(pub(super) u32);

/// Decides whose turn it is.
///
/// It holds no messages. Its owner says which accounts have work ([`ready`](Self::ready),
/// [`rest`](Self::rest)), asks whose turn it is ([`next`](Self::next)), says that a message's
/// service begins ([`start`](Self::start)) and what it really cost ([`settle`](Self::settle)).
///
/// Moments are microseconds since any fixed one, and never go back: an earlier one counts as the
/// latest there was. Costs are in units of the owner's choice, the same for all.
///
/// ```
/// use roundsman::fair::{Policy, Scheduler, Terms, Weight};
///
/// let twice = Terms { weight: Weight::new(2).unwrap(), ..Terms::FREE };
/// let policy = Policy::new(Terms::FREE).name(["b".to_owned()], twice);
/// let mut turns: Scheduler<String> = Scheduler::new(policy, u32::MAX);
/// let (a, b) = (turns.open(turns.root(), ["a"]), turns.open(turns.root(), ["b"]));
/// turns.ready(a, 0);
/// turns.ready(b, 0);
/// let mut served = [0, 0];
/// for now in 0..300 {
///     let account = turns.next(now).unwrap();
///     let charged = turns.start(account, None, now);
///     served[usize::from(account == b)] += 1;
///     turns.settle(account, charged, 1000, now);
/// }
/// assert_eq!(served, [100, 200]);
/// ```
#[derive(Debug)]
pub struct Scheduler<P> {
    pub(super) book: Book<P>,
    pub(super) policy: Arc<Policy<P>>,
    /// The latest moment there was.
    pub(super) now: u64,
    /// What a message costs on average, times 64: the credit for a turn of weight 1.
    pub(super) quantum: u64,
    /// How many costs that is the mean of, up to 64.
    pub(super) learned: u8,
    /// When to look again at keys that have had their turns for now.
    pub(super) alarms: BinaryHeap<Reverse<(u64, u32)>>,
    pub(super) pools: Vec<u32>,
    /// Keys that wait for something else than their turn.
    pub(super) parked: usize,
}

impl<P: Eq + Hash> Scheduler<P> {
    /// A scheduler over `slots` slots.
    #[must_use]
    pub fn new(policy: Policy<P>, slots: u32) -> Self {
        let mut new = Self {
            book: Book::new(Policy::<P>::FREE, policy.cost.max(1)),
            quantum: policy.cost.max(1).saturating_mul(64),
            learned: 0,
            policy: Arc::new(policy),
            now: 0,
            alarms: BinaryHeap::new(),
            pools: Vec::new(),
            parked: 0,
        };
        new.pour(0, slots);
        new
    }

    /// The pool that all slots are in.
    #[must_use]
    pub fn root(&self) -> Account {
        Account(0)
    }

    /// A pool of its own with so many slots, for keys that compete for something else than the
    /// others. It never goes away.
    pub fn pool(&mut self, slots: u32) -> Account {
        if let Some(root) = self.book.ring(0).and_then(|ring| ring.pool.as_mut()) {
            root.keeps = false;
        }
        let at = self.book.add_nameless(0, Policy::<P>::FREE);
        let ring = Some(Box::new(Ring::new(self.quantum())));
        let node = self.book.node_mut(at);
        (node.holds, node.ring) = (1, ring);
        self.pour(at, slots);
        Account(at)
    }

    /// Gives a pool so many slots from now on; what is served in more of them ends as it would.
    pub fn set_slots(&mut self, pool: Account, slots: u32) {
        if let Some(pool) = self.book.ring(pool.0).and_then(|ring| ring.pool.as_mut()) {
            pool.slots = slots;
        }
        self.look_again(pool.0);
    }

    fn pour(&mut self, at: u32, slots: u32) {
        let pool = Pool { slots, unused: self.policy.held_free(), guests: Vec::new(), keeps: true };
        if let Some(ring) = self.book.ring(at) {
            ring.pool = Some(pool);
            self.pools.push(at);
        }
    }

    /// Opens the account of a key, a path of parts, widest first, in a pool; close it once for
    /// each time it was opened.
    pub fn open<'a, Q>(&mut self, pool: Account, path: impl IntoIterator<Item = &'a Q>) -> Account
    where
        P: Borrow<Q> + From<Q::Owned>,
        Q: Eq + Hash + ToOwned + ?Sized + 'a,
    {
        let mut at = pool.0;
        let policy = self.policy.clone();
        let mut outline = Some(policy.outline());
        for part in path {
            outline = outline.and_then(|outline| outline.below(part));
            at = self.widen(at);
            at = match self.book.find(at, part) {
                Some(child) => child,
                None => {
                    let terms = outline.map_or(Policy::<P>::EVERY, Outline::number);
                    let child = self.book.add_named(at, part.to_owned().into(), terms);
                    self.welcome(child, policy.get(terms).least);
                    child
                }
            };
        }
        let leaf = self.leaf(at);
        self.book.node_mut(leaf).holds += 1;
        Account(leaf)
    }

    /// A node for which slots are held free is known to its pool.
    fn welcome(&mut self, at: u32, least: u32) {
        if least > 0
            && let Some(pool) = self.pool_of(at)
        {
            pool.guests.push(at);
        }
    }

    /// The pool that a node is in.
    pub(super) fn pool_of(&mut self, at: u32) -> Option<&mut Pool> {
        let mut above = self.book.node(at).parent;
        while above != NONE {
            if self.book.node(above).ring.as_ref().is_some_and(|ring| ring.pool.is_some()) {
                return self.book.ring(above)?.pool.as_mut();
            }
            above = self.book.node(above).parent;
        }
        None
    }

    /// Makes a node one that has children; the node that has them.
    fn widen(&mut self, at: u32) -> u32 {
        let node = self.book.node(at);
        if node.ring.is_some() {
            return at;
        }
        if node.holds == 0 && node.flying == 0 && !node.ready {
            self.book.node_mut(at).ring = Some(Box::new(Ring::new(self.quantum())));
            return at;
        }
        let above = self.book.graft(at, (Policy::<P>::FREE, self.quantum()));
        if let Some(pool) = self.pool_of(above) {
            pool.guests.iter_mut().filter(|guest| **guest == at).for_each(|guest| *guest = above);
        }
        let node = self.book.node_mut(at);
        node.place = Place::Nowhere;
        if std::mem::take(&mut node.ready) {
            // The node above is ready already, and keeps its place: only its list begins anew.
            self.make_ready(at);
        }
        self.set_alarm(above);
        above
    }

    /// Where what ends at `at` is charged: a nameless child, where others go on.
    fn leaf(&mut self, at: u32) -> u32 {
        let Some(ring) = &self.book.node(at).ring else { return at };
        if ring.nameless != NONE {
            return ring.nameless;
        }
        // What it may have at once, and how often, is said of the one above it.
        let child = self.book.add_nameless(at, Policy::<P>::FREE);
        if let Some(ring) = self.book.ring(at) {
            ring.nameless = child;
        }
        child
    }

    /// Closes an account; one that has nothing left, no debt and no work, is forgotten.
    pub fn close(&mut self, account: Account) {
        let node = self.book.node_mut(account.0);
        node.holds = node.holds.saturating_sub(1);
        self.forget(account.0);
    }

    /// As [`find`](Self::find), where others go on below it the account of what ends there.
    pub fn find_leaf<'a, Q>(
        &self,
        pool: Account,
        path: impl IntoIterator<Item = &'a Q>,
    ) -> Option<Account>
    where
        P: Borrow<Q>,
        Q: Eq + Hash + ?Sized + 'a,
    {
        let found = self.find(pool, path)?;
        match &self.book.node(found.0).ring {
            None => Some(found),
            Some(ring) if ring.nameless == NONE => None,
            Some(ring) => Some(Account(ring.nameless)),
        }
    }

    /// The account of a key, or of all keys that begin with it, where there is one.
    pub fn find<'a, Q>(
        &self,
        pool: Account,
        path: impl IntoIterator<Item = &'a Q>,
    ) -> Option<Account>
    where
        P: Borrow<Q>,
        Q: Eq + Hash + ?Sized + 'a,
    {
        let at = path.into_iter().try_fold(pool.0, |at, part| self.book.find(at, part))?;
        Some(Account(at))
    }

    /// It has work. Saying so twice changes nothing.
    pub fn ready(&mut self, account: Account, now: u64) {
        self.now = self.now.max(now);
        if !self.book.node(account.0).ready {
            self.make_ready(account.0);
            self.try_pools_above(account.0);
        }
    }

    /// It has no work but what is being served.
    pub fn rest(&mut self, account: Account) {
        if self.book.node(account.0).ready {
            self.make_rest(account.0);
        }
    }

    /// Leaves it out, whatever it has to do, or lets it in again.
    pub fn bar(&mut self, account: Account, barred: bool) {
        let node = self.book.node_mut(account.0);
        if node.barred == barred {
            return;
        }
        node.barred = barred;
        if barred && node.is_listed() {
            self.park(account.0, Parked::Barred);
        } else if node.place == Place::Parked(Parked::Barred) {
            self.unpark(account.0);
        }
    }

    /// The service of one message begins: takes up a slot and is charged, at every level of its
    /// path, what it costs, or where that is not known what its like has cost. Returns the charge.
    pub fn start(&mut self, account: Account, cost: Option<u64>, now: u64) -> u64 {
        self.now = self.now.max(now);
        let cost = cost.unwrap_or_else(|| self.usual(account));
        if self.take_off(account.0, cost) {
            self.hold_up(account.0);
        }
        cost
    }

    /// A service that was charged `charged` has ended and cost `cost`; its slot is free.
    pub fn settle(&mut self, account: Account, charged: u64, cost: u64, now: u64) {
        self.now = self.now.max(now);
        self.learn(account.0, cost);
        self.land(account.0, charged, cost);
        self.let_go(account.0);
    }

    /// How many accounts there are, at every level; the root and pools among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// Whether nobody has an account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.book.len() == self.pools.len()
    }

    /// About how many bytes it takes up; names that are kept elsewhere are not counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.book.bytes() + self.alarms.capacity() * size_of::<Reverse<(u64, u32)>>()
    }

    /// Puts another policy in place. It counts from the next turn on, for what waits too.
    pub fn set_policy(&mut self, policy: Policy<P>) {
        self.policy = Arc::new(policy);
        for pool in self.pools.clone() {
            let unused = self.policy.held_free();
            if let Some(pool) = self.book.ring(pool).and_then(|ring| ring.pool.as_mut()) {
                (pool.unused, pool.guests) = (unused, Vec::new());
            }
        }
        let all: Vec<u32> = self.book.all().collect();
        for at in &all {
            self.name_again(*at);
        }
        for at in all {
            self.look_again(at);
        }
    }

    fn name_again(&mut self, at: u32) {
        if self.book.node(at).name.is_none() {
            return;
        }
        let mut path = vec![at];
        let mut above = self.book.node(at).parent;
        while self.book.node(above).name.is_some() {
            path.push(above);
            above = self.book.node(above).parent;
        }
        let mut parts = path.iter().rev().filter_map(|at| self.book.node(*at).name.as_ref());
        let outline = parts.try_fold(self.policy.outline(), Outline::below);
        let terms = outline.map_or(Policy::<P>::EVERY, Outline::number);
        let node = self.book.node_mut(at);
        node.terms = terms;
        let (least, flying) = (self.policy.get(terms).least, node.flying);
        self.welcome(at, least);
        if least > 0
            && let Some(pool) = self.pool_of(at)
        {
            pool.unused = pool.unused.saturating_sub(least.min(flying));
        }
    }
}
