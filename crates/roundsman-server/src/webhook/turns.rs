//! Whose turn it is among what waits to be sent. Pure.
//!
//! Three bounds: requests under way of a rule, to a host (of all rules together), and to one
//! endpoint. Rules take turns and the endpoints of a rule take turns, so that neither a long queue
//! nor an endpoint that hangs takes more than its share. The last bound leaves slots unused where
//! only one endpoint has something to send: one that is about to hang looks just like that.

use roundsman_store::Endpoint;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// What waits and what is under way.
#[derive(Debug)]
pub(crate) struct Turns<J> {
    rules: FxHashMap<usize, Rule<J>>,
    hosts: FxHashMap<String, Host>,
    /// Rules that may send, each once.
    ring: VecDeque<usize>,
}

/// The bounds of one rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Requests of the rule at once.
    pub(crate) concurrency: usize,
    /// Requests to its host at once, whoever makes them.
    pub(crate) per_host: usize,
    /// Requests to one endpoint at once.
    pub(crate) per_endpoint: usize,
}

#[derive(Debug)]
struct Rule<J> {
    share: Share,
    host: String,
    running: usize,
    endpoints: FxHashMap<Endpoint, Queue<J>>,
    /// Endpoints for which something waits and a slot is free, each once.
    ring: VecDeque<Endpoint>,
    listed: bool,
}

#[derive(Debug)]
struct Queue<J> {
    waiting: VecDeque<J>,
    running: usize,
    listed: bool,
}

#[derive(Debug, Default)]
struct Host {
    running: usize,
    rules: Vec<usize>,
}

impl<J> Default for Turns<J> {
    fn default() -> Self {
        Self { rules: FxHashMap::default(), hosts: FxHashMap::default(), ring: VecDeque::new() }
    }
}

impl<J> Turns<J> {
    /// Adds a rule that sends to this host.
    pub(crate) fn add(&mut self, rule: usize, host: String, share: Share) {
        self.hosts.entry(host.clone()).or_default().rules.push(rule);
        let (endpoints, ring) = (FxHashMap::default(), VecDeque::new());
        self.rules.insert(rule, Rule { share, host, running: 0, endpoints, ring, listed: false });
    }

    /// Adds a job of a rule that was added.
    pub(crate) fn push(&mut self, number: usize, endpoint: Endpoint, job: J) {
        let Some(rule) = self.rules.get_mut(&number) else { return };
        let queue = rule.endpoints.entry(endpoint).or_insert_with(|| Queue {
            waiting: VecDeque::new(),
            running: 0,
            listed: false,
        });
        queue.waiting.push_back(job);
        rule.list(endpoint);
        self.list(number);
    }

    /// The next job, which then is under way.
    pub(crate) fn next(&mut self) -> Option<J> {
        while let Some(number) = self.ring.pop_front() {
            let rule = self.rules.get_mut(&number)?;
            rule.listed = false;
            let host = self.hosts.get_mut(&rule.host)?;
            // Another rule may have taken the host's last slot since this one was listed; it is
            // listed again when one is free.
            if host.running >= rule.share.per_host {
                continue;
            }
            let endpoint = rule.ring.pop_front()?;
            let queue = rule.endpoints.get_mut(&endpoint)?;
            queue.listed = false;
            queue.running += 1;
            let job = queue.waiting.pop_front();
            rule.running += 1;
            host.running += 1;
            rule.list(endpoint);
            self.list(number);
            return job;
        }
        None
    }

    /// A job of this rule for this endpoint is done.
    pub(crate) fn done(&mut self, number: usize, endpoint: Endpoint) {
        let Some(rule) = self.rules.get_mut(&number) else { return };
        rule.running -= 1;
        if let Some(queue) = rule.endpoints.get_mut(&endpoint) {
            queue.running -= 1;
            if queue.running == 0 && queue.waiting.is_empty() {
                rule.endpoints.remove(&endpoint);
            }
        }
        rule.list(endpoint);
        let Some(host) = self.hosts.get_mut(&rule.host) else { return };
        host.running -= 1;
        for number in host.rules.clone() {
            self.list(number);
        }
    }

    /// Gives back everything that waits.
    pub(crate) fn clear(&mut self) -> Vec<J> {
        self.ring.clear();
        let mut waiting = Vec::new();
        for rule in self.rules.values_mut() {
            rule.listed = false;
            rule.ring.clear();
            for queue in rule.endpoints.values_mut() {
                queue.listed = false;
                waiting.extend(queue.waiting.drain(..));
            }
            rule.endpoints.retain(|_, queue| queue.running > 0);
        }
        waiting
    }

    /// Lists a rule that may send: something waits, and there is room for it everywhere.
    fn list(&mut self, number: usize) {
        let Some(rule) = self.rules.get_mut(&number) else { return };
        let host = self.hosts.get(&rule.host).map_or(0, |host| host.running);
        let room = rule.running < rule.share.concurrency && host < rule.share.per_host;
        if !rule.listed && room && !rule.ring.is_empty() {
            rule.listed = true;
            self.ring.push_back(number);
        }
    }
}

impl<J> Rule<J> {
    fn list(&mut self, endpoint: Endpoint) {
        let Some(queue) = self.endpoints.get_mut(&endpoint) else { return };
        let room = queue.running < self.share.per_endpoint;
        if !queue.listed && room && !queue.waiting.is_empty() {
            queue.listed = true;
            self.ring.push_back(endpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turns(
        concurrency: usize,
        per_host: usize,
        per_endpoint: usize,
    ) -> Turns<(usize, Endpoint, usize)> {
        let mut turns = Turns::default();
        let share = Share { concurrency, per_host, per_endpoint };
        for (rule, host) in [(0, "a"), (1, "a"), (2, "b")] {
            turns.add(rule, host.to_owned(), share);
        }
        turns
    }

    #[test]
    fn rules_and_endpoints_take_turns_within_the_bounds() {
        let mut turns = turns(3, 4, 2);
        let (one, two) = (Endpoint(1), Endpoint(2));
        for job in 0..4 {
            turns.push(0, one, (0, one, job));
        }
        turns.push(0, two, (0, two, 4));
        turns.push(1, two, (1, two, 5));
        turns.push(1, two, (1, two, 6));
        assert_eq!(turns.next(), Some((0, one, 0)));
        assert_eq!(turns.next(), Some((1, two, 5)), "another rule");
        assert_eq!(turns.next(), Some((0, two, 4)), "another endpoint");
        assert_eq!(turns.next(), Some((1, two, 6)));
        assert_eq!(turns.next(), None, "four at one host");
        turns.done(1, two);
        assert_eq!(turns.next(), Some((0, one, 1)));
        turns.done(1, two);
        assert_eq!(turns.next(), None, "three of one rule");
        turns.done(0, two);
        assert_eq!(turns.next(), None, "two for one endpoint, although there is room");
        turns.done(0, one);
        assert_eq!(turns.next(), Some((0, one, 2)));
        assert_eq!(turns.clear(), [(0, one, 3)]);
        turns.done(0, one);
        turns.done(0, one);
        assert!(turns.rules.values().all(|rule| rule.endpoints.is_empty() && rule.running == 0));
    }

    proptest! {
        /// Everything has its turn once, in the order of its endpoint; no bound is passed; nothing
        /// that waits is forgotten.
        #[test]
        fn nothing_is_lost(
            (concurrency, per_host, per_endpoint) in (1usize..6, 1usize..6, 1usize..4),
            steps in prop::collection::vec((0usize..3, 0u64..3, any::<bool>()), 0..120),
        ) {
            let mut turns = turns(concurrency, per_host, per_endpoint);
            let mut running: Vec<(usize, Endpoint)> = Vec::new();
            let mut seen: FxHashMap<(usize, Endpoint), Vec<usize>> = FxHashMap::default();
            let pushed = steps.len();
            for (job, (rule, endpoint, finish)) in steps.into_iter().enumerate() {
                turns.push(rule, Endpoint(endpoint), (rule, Endpoint(endpoint), job));
                if finish && !running.is_empty() {
                    let (rule, endpoint) = running.remove(0);
                    turns.done(rule, endpoint);
                }
                while let Some((rule, endpoint, job)) = turns.next() {
                    running.push((rule, endpoint));
                    seen.entry((rule, endpoint)).or_default().push(job);
                }
                let count = |of: &dyn Fn(&(usize, Endpoint)) -> bool| {
                    running.iter().filter(|one| of(one)).count()
                };
                prop_assert!((0..3).all(|rule| count(&|one| one.0 == rule) <= concurrency));
                prop_assert!(count(&|one| one.0 < 2) <= per_host && count(&|one| one.0 == 2) <= per_host);
                prop_assert!(running.iter().all(|one| count(&|other| other == one) <= per_endpoint));
            }
            while let Some((rule, endpoint)) = running.pop() {
                turns.done(rule, endpoint);
                while let Some((rule, endpoint, job)) = turns.next() {
                    running.push((rule, endpoint));
                    seen.entry((rule, endpoint)).or_default().push(job);
                }
            }
            prop_assert_eq!(seen.values().map(Vec::len).sum::<usize>(), pushed);
            prop_assert!(seen.values().all(|jobs| jobs.is_sorted()));
            prop_assert!(turns.rules.values().all(|rule| rule.endpoints.is_empty()));
        }
    }
}
