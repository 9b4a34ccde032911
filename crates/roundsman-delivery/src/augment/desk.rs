//! The desk: gathers what is wanted into queries, within every bound. Pure.
//!
//! ```text
//!  want ─► waiting for company ── full, or long enough ──► query ─► done
//!            each value once        a place, the rate        │  ▲   who wanted it
//!                                                            ▼  │
//!                                                    split: each half by itself
//! ```

use super::lookup::Value;
use super::pace::Pace;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What may be asked of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) concurrency: usize,
    pub(super) batch: usize,
    pub(super) batch_wait: Duration,
    pub(super) rate: Option<f64>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for these values.
    Query(Query),
    /// Nothing before this moment.
    Wait(Instant),
    /// Nothing before something else happens.
    Nothing,
}

/// Values that are asked for together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) values: Vec<Value>,
    /// Part of one that failed: how often the source had answered by then.
    pub(super) part_since: Option<u64>,
    /// Its number, for the pace.
    number: u64,
}

/// What is wanted and being asked for; `T` is who wants it.
#[derive(Debug)]
pub(super) struct Desk<T> {
    terms: Terms,
    /// Who wants each value that is waiting or being asked for.
    wanted: FxHashMap<Value, Vec<T>>,
    waiting: VecDeque<(Value, Instant)>,
    /// Halves of queries that failed, with how often the source had answered before.
    parts: VecDeque<(Vec<Value>, u64)>,
    out: usize,
    /// Places of queries that were given up on: the source may still be at work on them.
    late: VecDeque<Instant>,
    pace: Option<Pace>,
}

impl<T> Desk<T> {
    pub(super) fn new(terms: Terms) -> Self {
        let pace = terms.rate.map(Pace::new);
        let (wanted, waiting) = (FxHashMap::default(), VecDeque::new());
        let (parts, late) = (VecDeque::new(), VecDeque::new());
        Self { terms, wanted, waiting, parts, out: 0, late, pace }
    }

    /// `who` wants `value`; with nobody named, it is only to be looked up again.
    pub(super) fn want(&mut self, value: &Value, who: Option<T>, now: Instant) {
        let wanting = match self.wanted.get_mut(value) {
            Some(wanting) => wanting,
            None => {
                self.waiting.push_back((value.clone(), now));
                self.wanted.entry(value.clone()).or_default()
            }
        };
        wanting.extend(who);
    }

    /// What is to be done at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        match self.together(now) {
            None => return Next::Nothing,
            Some(together) if together > now => return Next::Wait(together),
            Some(_) => {}
        }
        while self.late.front().is_some_and(|until| *until <= now) {
            self.late.pop_front();
        }
        if self.out + self.late.len() >= self.terms.concurrency {
            return self.late.front().map_or(Next::Nothing, |until| Next::Wait(*until));
        }
        if let Some(due) = self.pace.as_mut().and_then(|pace| pace.due(now)) {
            return Next::Wait(due);
        }
        self.out += 1;
        let number = self.pace.as_mut().map_or(0, |pace| pace.start(now));
        if let Some((values, since)) = self.parts.pop_front() {
            return Next::Query(Query { values, part_since: Some(since), number });
        }
        let count = self.waiting.len().min(self.terms.batch);
        let values = self.waiting.drain(..count).map(|(value, _)| value).collect();
        Next::Query(Query { values, part_since: None, number })
    }

    /// When the next query has all the company that it waits for.
    fn together(&self, now: Instant) -> Option<Instant> {
        if !self.parts.is_empty() || self.waiting.len() >= self.terms.batch {
            return Some(now);
        }
        self.waiting.front().map(|(_, since)| *since + self.terms.batch_wait)
    }

    /// A query has ended: who wanted each of its values. One that was given up on keeps its place
    /// until `late`.
    pub(super) fn done(
        &mut self,
        query: Query,
        now: Instant,
        late: Option<Instant>,
    ) -> Vec<(Value, Vec<T>)> {
        self.ended(query.number, now, late);
        let wanted = &mut self.wanted;
        let values = query.values.into_iter();
        values.filter_map(|value| Some((wanted.remove(&value)?, value))).map(swap).collect()
    }

    /// A query has failed, maybe for one of its values: each half of it is asked for by itself,
    /// before anything else. `answers`: how often the source has answered so far.
    pub(super) fn split(
        &mut self,
        query: Query,
        answers: u64,
        now: Instant,
        late: Option<Instant>,
    ) {
        let Query { mut values, part_since, number } = query;
        self.ended(number, now, late);
        let other = values.split_off(values.len().div_ceil(2));
        let since = part_since.unwrap_or(answers);
        let halves = [values, other].into_iter().filter(|half| !half.is_empty());
        self.parts.extend(halves.map(|half| (half, since)));
    }

    fn ended(&mut self, number: u64, now: Instant, late: Option<Instant>) {
        self.out -= 1;
        self.late.extend(late);
        if let Some(pace) = &mut self.pace {
            pace.end(number, now);
        }
    }

    /// Nothing is asked for now: who wants what is not being asked for yet.
    pub(super) fn clear(&mut self) -> Vec<T> {
        let parts = self.parts.drain(..).flat_map(|(values, _)| values);
        let values = parts.chain(self.waiting.drain(..).map(|(value, _)| value));
        values.filter_map(|value| self.wanted.remove(&value)).flatten().collect()
    }

    /// Queries under way.
    pub(super) fn out(&self) -> usize {
        self.out
    }
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each value is asked for once while it is wanted, no query is larger or comes before its
        /// time, no more are out than may be, and everybody who wants something is told once.
        #[test]
        fn it_gathers_within_bounds(
            concurrency in 1usize..5,
            batch in 1usize..6,
            steps in prop::collection::vec((0u8..4, 0usize..10, 0u64..5), 1..200),
        ) {
            let batch_wait = Duration::from_millis(3);
            let mut desk = Desk::new(Terms { concurrency, batch, batch_wait, rate: None });
            let mut now = Instant::now();
            let mut out: Vec<Query> = Vec::new();
            let (mut asked, mut told) = (0usize, Vec::new());
            for (what, number, pause) in steps {
                now += Duration::from_millis(pause);
                match what {
                    0 => {
                        desk.want(&number.to_string().into(), Some(asked), now);
                        asked += 1;
                    }
                    1 if !out.is_empty() => {
                        let query = out.swap_remove(number % out.len());
                        let answers = desk.done(query, now, None);
                        told.extend(answers.into_iter().flat_map(|(_, who)| who));
                    }
                    2 if !out.is_empty() => {
                        let query = out.swap_remove(number % out.len());
                        desk.split(query, 0, now, None);
                    }
                    _ => {
                        while let Next::Query(query) = desk.next(now) {
                            prop_assert!(query.values.len() <= batch);
                            for value in &query.values {
                                let twice = out.iter().any(|other| other.values.contains(value));
                                prop_assert!(!twice, "{value} is being asked for already");
                            }
                            out.push(query);
                            prop_assert!(out.len() <= concurrency);
                        }
                    }
                }
            }
            // To its end.
            for _ in 0..1000 {
                now += batch_wait;
                while let Next::Query(query) = desk.next(now) {
                    out.push(query);
                }
                for query in out.drain(..) {
                    told.extend(desk.done(query, now, None).into_iter().flat_map(|(_, who)| who));
                }
            }
            told.sort_unstable();
            prop_assert_eq!(told, (0..asked).collect::<Vec<_>>());
            prop_assert_eq!(desk.out(), 0);
        }
    }

    #[test]
    fn a_full_query_does_not_wait_and_a_late_one_keeps_its_place() {
        let batch_wait = Duration::from_millis(2);
        let terms = Terms { concurrency: 1, batch: 2, batch_wait, rate: None };
        let (mut desk, now) = (Desk::new(terms), Instant::now());
        desk.want(&"1".into(), Some('a'), now);
        assert_eq!(desk.next(now), Next::Wait(now + batch_wait));
        desk.want(&"1".into(), Some('b'), now);
        desk.want(&"2".into(), Some('c'), now);
        let Next::Query(query) = desk.next(now) else { panic!("it is full") };
        desk.want(&"2".into(), Some('d'), now);
        desk.want(&"3".into(), Some('e'), now);
        let later = now + batch_wait;
        assert_eq!(desk.next(later), Next::Nothing, "no place is free");
        let until = later + Duration::from_secs(1);
        let told = desk.done(query, later, Some(until));
        assert_eq!(told, [("1".into(), vec!['a', 'b']), ("2".into(), vec!['c', 'd'])]);
        assert_eq!(desk.next(later), Next::Wait(until), "the source may still be at it");
        assert!(matches!(desk.next(until), Next::Query(_)));
        desk.want(&"9".into(), Some('f'), until);
        assert_eq!(desk.clear(), ['f']);
    }

    #[test]
    fn a_query_that_failed_is_asked_for_in_halves_first() {
        let terms =
            Terms { concurrency: 9, batch: 3, batch_wait: Duration::from_secs(9), rate: None };
        let (mut desk, now) = (Desk::new(terms), Instant::now());
        for value in 0..3 {
            desk.want(&value.to_string().into(), Some(value), now);
        }
        let Next::Query(query) = desk.next(now) else { panic!("it is full") };
        desk.want(&"7".into(), Some(7), now);
        desk.want(&"2".into(), Some(20), now);
        desk.split(query, 5, now, None);
        let mut parts = Vec::new();
        while let Next::Query(query) = desk.next(now) {
            assert_eq!(query.part_since, Some(5));
            parts.push(query);
        }
        let values = |query: &Query| query.values.iter().map(|it| it.to_string()).collect();
        let asked: Vec<Vec<String>> = parts.iter().map(values).collect();
        assert_eq!(asked, [vec!["0", "1"], vec!["2"]], "the other still waits for company");
        let told = desk.done(parts.remove(1), now, None);
        assert_eq!(told, [("2".into(), vec![2, 20])]);
        desk.split(parts.remove(0), 9, now, None);
        let Next::Query(query) = desk.next(now) else { panic!("a half of a half") };
        assert_eq!((query.values.len(), query.part_since), (1, Some(5)));
        assert_eq!(desk.clear(), [1, 7]);
    }
}
