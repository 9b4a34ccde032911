//! The desk: gathers what is wanted into queries, within every bound. Pure.
//!
//! ```text
//!  want ─► waiting for company ── full, or long enough ──► query ─► done
//!            each value once        a place, the rate        who wanted it
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
    out: usize,
    /// Places of queries that were given up on: the source may still be at work on them.
    late: VecDeque<Instant>,
    pace: Option<Pace>,
}

impl<T> Desk<T> {
    pub(super) fn new(terms: Terms) -> Self {
        let pace = terms.rate.map(Pace::new);
        let (wanted, waiting) = (FxHashMap::default(), VecDeque::new());
        Self { terms, wanted, waiting, out: 0, late: VecDeque::new(), pace }
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
        let Some((_, since)) = self.waiting.front() else { return Next::Nothing };
        let together = *since + self.terms.batch_wait;
        if self.waiting.len() < self.terms.batch && together > now {
            return Next::Wait(together);
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
        let count = self.waiting.len().min(self.terms.batch);
        let values = self.waiting.drain(..count).map(|(value, _)| value).collect();
        let number = self.pace.as_mut().map_or(0, |pace| pace.start(now));
        Next::Query(Query { values, number })
    }

    /// A query has ended: who wanted each of its values. One that was given up on keeps its place
    /// until `late`.
    pub(super) fn done(
        &mut self,
        query: Query,
        now: Instant,
        late: Option<Instant>,
    ) -> Vec<(Value, Vec<T>)> {
        self.out -= 1;
        self.late.extend(late);
        if let Some(pace) = &mut self.pace {
            pace.end(query.number, now);
        }
        let wanted = &mut self.wanted;
        let values = query.values.into_iter();
        values.filter_map(|value| Some((wanted.remove(&value)?, value))).map(swap).collect()
    }

    /// Nothing is asked for now: who wants what is not being asked for yet.
    pub(super) fn clear(&mut self) -> Vec<T> {
        let values = self.waiting.drain(..);
        values.filter_map(|(value, _)| self.wanted.remove(&value)).flatten().collect()
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
            steps in prop::collection::vec((0u8..3, 0usize..10, 0u64..5), 1..200),
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
}
