//! The endpoints of a server that have failed lately, and how each of them does.

use super::answer::Verdict;
use super::circuit::{Admission, Advice, Circuit, NEVER, Patience, State};
use parking_lot::Mutex;
use roundsman_store::{Endpoint, Timestamp};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// Which endpoints fail. One that answers costs nothing: it is not here.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    endpoints: FxHashMap<Endpoint, Entry>,
    /// How many there may be before those that only failed a little, long ago, are forgotten.
    room: usize,
}

#[derive(Debug)]
struct Entry {
    url: Arc<str>,
    circuit: Circuit,
    last: Arc<str>,
    last_at: Timestamp,
}

/// One endpoint that is not sent to, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailing {
    /// The URL that messages resolve to.
    pub url: Arc<str>,
    /// `resting`, `parked` or `disabled`.
    pub state: &'static str,
    /// Failures in a row; one whose time ran out weighs as several.
    pub failures: u32,
    /// When the first of them was.
    pub since: Timestamp,
    /// When it is sent to again; `None` where that is up to somebody.
    pub next: Option<Timestamp>,
    /// What went wrong last.
    pub last: Arc<str>,
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) admitted: Admission,
    /// In words, for whoever looks.
    pub(crate) what: &'a Arc<str>,
    pub(crate) at: Timestamp,
}

/// Endpoints known before the first clearing.
const ROOM: usize = 10_000;
/// What failed, and not so often as to be parked, is forgotten after this time.
const MEMORY: Duration = Duration::from_mins(15);

impl Endpoints {
    /// Whether a message may be sent to an endpoint now; a try is given up on `within` its time.
    pub(crate) fn admit(&self, endpoint: Endpoint, now: Timestamp, within: Duration) -> Admission {
        let mut known = self.0.lock();
        match known.endpoints.get_mut(&endpoint) {
            None => Admission::Go,
            Some(entry) => entry.circuit.admit(now, within),
        }
    }

    /// An attempt has ended: books it, and has `tell` answer for the message before anybody else
    /// can say anything of the same endpoint, so that the engine hears it in this order.
    pub(crate) fn ended(
        &self,
        (endpoint, url): (Endpoint, &Arc<str>),
        ended: Ended<'_>,
        patience: &Patience,
        tell: impl FnOnce(Advice),
    ) {
        let mut known = self.0.lock();
        let Ended { verdict, admitted, what, at } = ended;
        let is_failure = !matches!(verdict, Verdict::Delivered | Verdict::Unfit);
        if !is_failure && !known.endpoints.contains_key(&endpoint) {
            return tell(Advice::Tell);
        }
        if known.endpoints.len() >= known.room.max(ROOM) {
            known.forget(at);
        }
        let entry = known.endpoints.entry(endpoint).or_insert_with(|| Entry {
            url: url.clone(),
            circuit: Circuit::new(at),
            last: what.clone(),
            last_at: at,
        });
        let before = entry.circuit.state;
        let advice = entry.circuit.report(verdict, admitted, patience, at, rand::random());
        log(entry, before, what);
        if entry.circuit.is_well() {
            known.endpoints.remove(&endpoint);
        } else if is_failure {
            (entry.last, entry.last_at) = (what.clone(), at);
        }
        tell(advice);
    }

    /// Those that are not sent to at `now`, those that have failed longest first, at most `most`;
    /// and how many there are.
    pub(crate) fn ailing(&self, most: usize, now: Timestamp) -> (Vec<Ailing>, usize) {
        let known = self.0.lock();
        let mut ailing: Vec<Ailing> =
            known.endpoints.values().filter_map(|entry| entry.ailing(now)).collect();
        drop(known);
        let count = ailing.len();
        ailing.sort_by(|a, b| (a.since, &a.url).cmp(&(b.since, &b.url)));
        ailing.truncate(most);
        (ailing, count)
    }

    /// Forgets what was disabled: each is sent to again. Gives back which.
    pub(crate) fn enable(&self) -> Vec<Endpoint> {
        let mut known = self.0.lock();
        let disabled =
            known.endpoints.extract_if(|_, entry| entry.circuit.state == State::Disabled);
        disabled.map(|(endpoint, _)| endpoint).collect()
    }
}

impl Known {
    fn forget(&mut self, now: Timestamp) {
        self.endpoints.retain(|_, entry| {
            entry.circuit.state != State::Answering || now.since(entry.last_at) < MEMORY
        });
        self.room = self.endpoints.len() * 2;
    }
}

impl Entry {
    fn ailing(&self, now: Timestamp) -> Option<Ailing> {
        let (state, next) = match self.circuit.state {
            State::Answering => return None,
            State::Resting(until) if until <= now => return None,
            State::Resting(until) => ("resting", until),
            State::Parked { next, .. } => ("parked", next),
            State::Disabled => ("disabled", NEVER),
        };
        Some(Ailing {
            url: self.url.clone(),
            state,
            failures: self.circuit.failures,
            since: self.circuit.since,
            next: (next != NEVER).then_some(next),
            last: self.last.clone(),
        })
    }
}

/// What the operator wants to know at once: that an endpoint is parked, disabled, or back.
fn log(entry: &Entry, before: State, what: &str) {
    // What stands behind `?` is often a secret.
    let url = entry.url.split('?').next().unwrap_or_default();
    let after = entry.circuit.state;
    match (before, after) {
        (State::Answering | State::Resting(_), State::Parked { .. }) => {
            tracing::warn!(url, last = what, "an endpoint keeps failing and is parked");
        }
        (State::Disabled, State::Disabled) => {}
        (_, State::Disabled) => tracing::warn!(url, last = what, "an endpoint is disabled"),
        (State::Parked { .. } | State::Disabled, State::Answering) => {
            tracing::info!(url, "an endpoint answers again");
        }
        _ => {}
    }
}
