//! A world on virtual time: keys with messages, slots that serve them, and who decides.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use roundsman::fair::{Account, Policy, Scheduler};

/// A message: whose it is, when it came, how long its service takes. Microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Job {
    pub(crate) key: u64,
    pub(crate) at: u64,
    pub(crate) service: u64,
    /// Which start it was; for the one who decides.
    pub(crate) number: u64,
}

/// Who decides what is served next.
pub(crate) trait Discipline {
    fn put(&mut self, job: Job, now: u64);
    /// What is to be served now; none where nothing may be.
    fn take(&mut self, now: u64) -> Option<Job>;
    fn done(&mut self, job: Job, now: u64);
    /// When to be asked again although nothing happens.
    fn alarm(&self) -> Option<u64> {
        None
    }
}

/// What happened to one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) job: Job,
    pub(crate) start: u64,
}

/// Runs until `until`: `arrivals` in order of time, `slots` servers. Every start is told; what is
/// being served at the end is done, whoever comes later.
pub(crate) fn run(
    who: &mut dyn Discipline,
    slots: usize,
    until: u64,
    arrivals: impl IntoIterator<Item = Job>,
    mut tell: impl FnMut(Served),
) {
    let mut arrivals = arrivals.into_iter().peekable();
    let mut busy: BinaryHeap<Reverse<(u64, Job)>> = BinaryHeap::with_capacity(slots);
    let mut now = 0;
    loop {
        while busy.len() < slots
            && let Some(job) = who.take(now)
        {
            tell(Served { job, start: now });
            busy.push(Reverse((now + job.service, job)));
        }
        let next = [arrivals.peek().map(|job| job.at), busy.peek().map(|end| end.0.0), who.alarm()];
        let Some(moment) = next.into_iter().flatten().min().filter(|moment| *moment < until) else {
            return busy.into_iter().for_each(|Reverse((end, job))| who.done(job, end));
        };
        now = now.max(moment);
        while let Some(Reverse((end, job))) = busy.peek().copied()
            && end <= now
        {
            busy.pop();
            who.done(job, now);
        }
        while let Some(job) = arrivals.next_if(|job| job.at <= now) {
            who.put(job, now);
        }
    }
}

/// What a message is charged with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    Count,
    Time,
}

/// The scheduler, and a queue for each key.
pub(crate) struct Fair {
    pub(crate) turns: Scheduler<u64>,
    keys: HashMap<u64, Owner>,
    owners: HashMap<Account, u64>,
    path: fn(u64) -> Vec<u64>,
    charge: Charge,
    started: u64,
    /// By when a message will have taken what was charged for it; when it began, whose it is, and
    /// which start it was.
    due: BinaryHeap<Reverse<(u64, u64, u64, u64)>>,
}

struct Owner {
    account: Account,
    queue: VecDeque<Job>,
    /// What was charged for each start.
    flying: HashMap<u64, u64>,
}

impl Fair {
    /// Keys of one part each.
    pub(crate) fn new(policy: Policy<u64>, slots: u32, charge: Charge) -> Self {
        Self::with_paths(policy, slots, charge, |key| vec![key])
    }

    /// Keys with paths.
    pub(crate) fn with_paths(
        policy: Policy<u64>,
        slots: u32,
        charge: Charge,
        path: fn(u64) -> Vec<u64>,
    ) -> Self {
        let turns = Scheduler::new(policy, slots);
        let (keys, owners, due) = (HashMap::new(), HashMap::new(), BinaryHeap::new());
        Self { turns, keys, owners, path, charge, started: 0, due }
    }

    pub(crate) fn waiting(&self, key: u64) -> usize {
        self.keys.get(&key).map_or(0, |owner| owner.queue.len())
    }

    /// Charges what takes longer than was thought.
    fn run_on(&mut self, now: u64) {
        while let Some(Reverse((due, since, key, number))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            let Some(owner) = self.keys.get_mut(&key) else { continue };
            let Some(charged) = owner.flying.get_mut(&number) else { continue };
            *charged = self.turns.run_on(owner.account, *charged, now - since);
            self.due.push(Reverse((since + *charged, since, key, number)));
        }
    }

    fn close(&mut self, key: u64) {
        if let Some(owner) = self.keys.get(&key)
            && owner.queue.is_empty()
            && owner.flying.is_empty()
        {
            self.turns.close(owner.account);
            self.owners.remove(&owner.account);
            self.keys.remove(&key);
        }
    }
}

impl Discipline for Fair {
    fn put(&mut self, job: Job, now: u64) {
        let owner = self.keys.entry(job.key).or_insert_with(|| {
            let path = (self.path)(job.key);
            let account = self.turns.open(self.turns.root(), path.iter());
            self.owners.insert(account, job.key);
            Owner { account, queue: VecDeque::new(), flying: HashMap::new() }
        });
        owner.queue.push_back(job);
        self.turns.ready(owner.account, now);
    }

    fn take(&mut self, now: u64) -> Option<Job> {
        self.run_on(now);
        let account = self.turns.next(now)?;
        let owner = self.keys.get_mut(&self.owners[&account])?;
        let mut job = owner.queue.pop_front()?;
        let cost = (self.charge == Charge::Count).then_some(1000);
        let charged = self.turns.start(account, cost, now);
        self.started += 1;
        job.number = self.started;
        owner.flying.insert(job.number, charged);
        if self.charge == Charge::Time {
            self.due.push(Reverse((now + charged, now, job.key, job.number)));
        }
        if owner.queue.is_empty() {
            self.turns.rest(account);
        }
        Some(job)
    }

    fn done(&mut self, job: Job, now: u64) {
        let Some(owner) = self.keys.get_mut(&job.key) else { return };
        let Some(charged) = owner.flying.remove(&job.number) else { return };
        let cost = match self.charge {
            Charge::Count => charged,
            Charge::Time => job.service,
        };
        self.turns.settle(owner.account, charged, cost, now);
        self.close(job.key);
    }

    fn alarm(&self) -> Option<u64> {
        self.turns.alarm()
    }
}

/// Numbers that look random and are the same each time: splitmix64.
pub(crate) struct Luck(pub(crate) u64);

impl Luck {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// So many messages of a key, all there from the start.
pub(crate) fn backlog(key: u64, count: u64, service: u64) -> impl Iterator<Item = Job> {
    (0..count).map(move |_| Job { key, at: 0, service, number: 0 })
}
