//! Whose turn it is among what waits to be sent under one rule. Pure.
//!
//! At most so many are under way together, and so many to one host. Hosts take turns, and the
//! endpoints of a host take turns, so that one that hangs keeps no more than its share of slots.

use roundsman_store::Endpoint;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// What waits and what is under way of one rule.
#[derive(Debug)]
pub(crate) struct Turns<J> {
    concurrency: usize,
    per_host: usize,
    running: usize,
    hosts: FxHashMap<Arc<str>, Host<J>>,
    /// Hosts for which something waits and a slot is free, each once.
    ring: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Host<J> {
    running: usize,
    waiting: FxHashMap<Endpoint, VecDeque<J>>,
    /// Endpoints for which something waits, each once.
    ring: VecDeque<Endpoint>,
    listed: bool,
}

impl<J> Turns<J> {
    pub(crate) fn new(concurrency: usize, per_host: usize) -> Self {
        Self {
            concurrency,
            per_host,
            running: 0,
            hosts: FxHashMap::default(),
            ring: VecDeque::new(),
        }
    }

    /// Adds a job for an endpoint at a host.
    pub(crate) fn push(&mut self, host: &Arc<str>, endpoint: Endpoint, job: J) {
        let at = self.hosts.entry(host.clone()).or_insert_with(|| Host {
            running: 0,
            waiting: FxHashMap::default(),
            ring: VecDeque::new(),
            listed: false,
        });
        let queue = at.waiting.entry(endpoint).or_default();
        if queue.is_empty() {
            at.ring.push_back(endpoint);
        }
        queue.push_back(job);
        self.list(host);
    }

    /// The next job, which then is under way.
    pub(crate) fn next(&mut self) -> Option<J> {
        if self.running >= self.concurrency {
            return None;
        }
        let name = self.ring.pop_front()?;
        let host = self.hosts.get_mut(&name)?;
        host.listed = false;
        let endpoint = host.ring.pop_front()?;
        let queue = host.waiting.get_mut(&endpoint)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            host.waiting.remove(&endpoint);
        } else {
            host.ring.push_back(endpoint);
        }
        host.running += 1;
        self.running += 1;
        self.list(&name);
        job
    }

    /// A job at this host is done.
    pub(crate) fn done(&mut self, host: &Arc<str>) {
        self.running -= 1;
        let Some(at) = self.hosts.get_mut(host) else { return };
        at.running -= 1;
        if at.running == 0 && at.ring.is_empty() {
            self.hosts.remove(host);
        } else {
            self.list(host);
        }
    }

    /// Gives back everything that waits.
    pub(crate) fn clear(&mut self) -> Vec<J> {
        self.ring.clear();
        let mut waiting = Vec::new();
        for host in self.hosts.values_mut() {
            host.listed = false;
            host.ring.clear();
            waiting.extend(host.waiting.drain().flat_map(|(_, queue)| queue));
        }
        self.hosts.retain(|_, host| host.running > 0);
        waiting
    }

    fn list(&mut self, name: &Arc<str>) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        if !host.listed && host.running < self.per_host && !host.ring.is_empty() {
            host.listed = true;
            self.ring.push_back(name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_endpoints_take_turns_within_the_bounds() {
        let mut turns = Turns::new(3, 2);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        for job in 0..3 {
            turns.push(&a, Endpoint(1), ("a1", job));
        }
        turns.push(&a, Endpoint(2), ("a2", 0));
        turns.push(&b, Endpoint(3), ("b3", 0));
        turns.push(&b, Endpoint(3), ("b3", 1));
        assert_eq!(turns.next(), Some(("a1", 0)));
        assert_eq!(turns.next(), Some(("b3", 0)));
        assert_eq!(turns.next(), Some(("a2", 0)), "another endpoint of the host");
        assert_eq!(turns.next(), None, "three together");
        turns.done(&b);
        assert_eq!(turns.next(), Some(("b3", 1)), "two at one host");
        turns.done(&b);
        assert_eq!(turns.next(), None, "the host that something waits for has its two");
        turns.done(&a);
        assert_eq!(turns.next(), Some(("a1", 1)));
        assert_eq!(turns.clear(), [("a1", 2)]);
        turns.done(&a);
        turns.done(&a);
        assert!(turns.hosts.is_empty() && turns.ring.is_empty(), "nothing is left of it");
    }

    proptest! {
        /// Everything has its turn once, in the order of its endpoint, and no bound is passed.
        #[test]
        fn nothing_is_lost(
            concurrency in 1usize..6,
            per_host in 1usize..4,
            steps in prop::collection::vec((0u64..3, 0u64..3, any::<bool>()), 0..120),
        ) {
            let mut turns = Turns::new(concurrency, per_host);
            let mut running: Vec<Arc<str>> = Vec::new();
            let mut seen: FxHashMap<Endpoint, Vec<usize>> = FxHashMap::default();
            let pushed = steps.len();
            for (job, (host, endpoint, finish)) in steps.into_iter().enumerate() {
                let (host, endpoint): (Arc<str>, _) =
                    (host.to_string().into(), Endpoint(host * 10 + endpoint));
                turns.push(&host.clone(), endpoint, (host, endpoint, job));
                while let Some((host, endpoint, job)) = turns.next() {
                    running.push(host);
                    seen.entry(endpoint).or_default().push(job);
                }
                prop_assert!(running.len() <= concurrency);
                for host in &running {
                    prop_assert!(running.iter().filter(|other| *other == host).count() <= per_host);
                }
                if finish && let Some(host) = running.pop() {
                    turns.done(&host);
                }
            }
            loop {
                while let Some((host, endpoint, job)) = turns.next() {
                    running.push(host);
                    seen.entry(endpoint).or_default().push(job);
                }
                let Some(host) = running.pop() else { break };
                turns.done(&host);
            }
            prop_assert_eq!(seen.values().map(Vec::len).sum::<usize>(), pushed);
            prop_assert!(seen.values().all(|jobs| jobs.is_sorted()));
            prop_assert!(turns.hosts.is_empty());
        }
    }
}
