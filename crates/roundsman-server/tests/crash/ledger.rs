//! What was promised and what came: kept outside of everything that is killed.

use crate::run::LATER;
use std::collections::{HashMap, HashSet};

/// A message: which sender, and which of its messages.
pub(crate) type Name = (usize, u64);

#[derive(Default)]
pub(crate) struct Ledger {
    /// Answered with 202, and not here yet.
    missing: HashSet<Name>,
    arrivals: HashMap<Name, u32>,
    /// The highest number that arrived of each sender on each topic.
    highest: HashMap<(usize, String), u64>,
    /// First arrivals behind a later one of their sender and topic.
    pub(crate) disordered: Vec<Name>,
    pub(crate) accepted: usize,
    /// Answered with 202, and refused by their receiver.
    pub(crate) hopeless: Vec<Name>,
}

impl Ledger {
    /// These were answered with 202; the hopeless ones will never arrive.
    pub(crate) fn accept(&mut self, names: Vec<Name>, hopeless: Vec<Name>) {
        self.accepted += names.len() + hopeless.len();
        self.hopeless.extend(hopeless);
        for name in names {
            if !self.arrivals.contains_key(&name) {
                self.missing.insert(name);
            }
        }
    }

    pub(crate) fn arrive(&mut self, topic: &str, name: Name) {
        self.missing.remove(&name);
        let times = self.arrivals.entry(name).or_default();
        *times += 1;
        // What is scheduled comes when its moment has come.
        if *times == 1 && topic != LATER {
            let highest = self.highest.entry((name.0, topic.into())).or_default();
            let is_late = name.1 < *highest;
            *highest = name.1.max(*highest);
            if is_late {
                self.disordered.push(name);
            }
        }
    }

    pub(crate) fn missing(&self) -> Vec<Name> {
        let mut missing: Vec<_> = self.missing.iter().copied().collect();
        missing.sort_unstable();
        missing
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    pub(crate) fn duplicates(&self) -> u64 {
        let times: u64 = self.arrivals.values().map(|times| u64::from(*times)).sum();
        times - self.arrivals.len() as u64
    }
}
