//! What others do: first in first out, plain round robin, the rule of SQS fair queues; and what
//! wraps around a discipline: keys that come back, and a buffer behind it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::world::{Discipline, Job};

/// First in, first out.
#[derive(Default)]
pub(crate) struct Fifo(VecDeque<Job>);

impl Discipline for Fifo {
    fn put(&mut self, job: Job, _: u64) {
        self.0.push_back(job);
    }

    fn take(&mut self, _: u64) -> Option<Job> {
        self.0.pop_front()
    }

    fn done(&mut self, _: Job, _: u64) {}
}

/// A turn each.
#[derive(Default)]
pub(crate) struct RoundRobin {
    ring: VecDeque<u64>,
    queues: HashMap<u64, VecDeque<Job>>,
}

impl Discipline for RoundRobin {
    fn put(&mut self, job: Job, _: u64) {
        let queue = self.queues.entry(job.key).or_default();
        if queue.is_empty() {
            self.ring.push_back(job.key);
        }
        queue.push_back(job);
    }

    fn take(&mut self, _: u64) -> Option<Job> {
        let key = self.ring.pop_front()?;
        let queue = self.queues.get_mut(&key)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&key);
        } else {
            self.ring.push_back(key);
        }
        job
    }

    fn done(&mut self, _: Job, _: u64) {}
}

/// SQS fair queues as documented: a group with more than a tenth of what is in flight, and at
/// least 30 in flight, is noisy; others go first, in the order they came. (Its second rule, by
/// processing time, is not documented closely enough to be played.)
#[derive(Default)]
pub(crate) struct Sqs {
    queues: HashMap<u64, VecDeque<(u64, Job)>>,
    quiet: std::collections::BTreeSet<(u64, u64)>,
    loud: std::collections::BTreeSet<(u64, u64)>,
    noisy: HashSet<u64>,
    flying: HashMap<u64, usize>,
    all: usize,
    number: u64,
}

impl Sqs {
    fn list(&mut self, key: u64) -> &mut std::collections::BTreeSet<(u64, u64)> {
        if self.noisy.contains(&key) { &mut self.loud } else { &mut self.quiet }
    }

    fn judge(&mut self, key: u64) {
        let flying = self.flying.get(&key).copied().unwrap_or(0);
        let is_noisy = flying >= 30 && flying * 10 > self.all;
        if is_noisy == self.noisy.contains(&key) {
            return;
        }
        let head = self.queues.get(&key).and_then(|queue| queue.front()).map(|(number, _)| *number);
        if let Some(head) = head {
            self.list(key).remove(&(head, key));
        }
        if is_noisy {
            self.noisy.insert(key);
        } else {
            self.noisy.remove(&key);
        }
        if let Some(head) = head {
            self.list(key).insert((head, key));
        }
    }
}

impl Discipline for Sqs {
    fn put(&mut self, job: Job, _: u64) {
        self.number += 1;
        let number = self.number;
        let queue = self.queues.entry(job.key).or_default();
        queue.push_back((number, job));
        if queue.len() == 1 {
            self.list(job.key).insert((number, job.key));
        }
    }

    fn take(&mut self, _: u64) -> Option<Job> {
        let (_, key) = self.quiet.pop_first().or_else(|| self.loud.pop_first())?;
        let queue = self.queues.get_mut(&key)?;
        let (_, job) = queue.pop_front()?;
        let next = queue.front().map(|(number, _)| *number);
        match next {
            Some(number) => drop(self.list(key).insert((number, key))),
            None => drop(self.queues.remove(&key)),
        }
        *self.flying.entry(key).or_default() += 1;
        self.all += 1;
        self.judge(key);
        Some(job)
    }

    fn done(&mut self, job: Job, _: u64) {
        self.all -= 1;
        if let Some(flying) = self.flying.get_mut(&job.key) {
            *flying -= 1;
        }
        self.judge(job.key);
    }
}

/// Keys below `below` send the next message as soon as one is done.
pub(crate) struct Trickle<D> {
    pub(crate) inner: D,
    pub(crate) below: u64,
}

impl<D: Discipline> Discipline for Trickle<D> {
    fn put(&mut self, job: Job, now: u64) {
        self.inner.put(job, now);
    }

    fn take(&mut self, now: u64) -> Option<Job> {
        self.inner.take(now)
    }

    fn done(&mut self, job: Job, now: u64) {
        self.inner.done(job, now);
        if job.key < self.below {
            self.inner.put(Job { at: now, ..job }, now);
        }
    }
}

/// A buffer of so many messages behind the one who decides, first in first out.
pub(crate) struct Prefetch<D> {
    pub(crate) inner: D,
    pub(crate) buffer: VecDeque<Job>,
    pub(crate) depth: usize,
}

impl<D: Discipline> Discipline for Prefetch<D> {
    fn put(&mut self, job: Job, now: u64) {
        self.inner.put(job, now);
    }

    fn take(&mut self, now: u64) -> Option<Job> {
        while self.buffer.len() <= self.depth
            && let Some(job) = self.inner.take(now)
        {
            self.buffer.push_back(job);
        }
        self.buffer.pop_front()
    }

    fn done(&mut self, job: Job, now: u64) {
        self.inner.done(job, now);
    }
}
