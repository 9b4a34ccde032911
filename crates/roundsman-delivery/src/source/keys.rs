//! How much each key has in flight, at every level of its path, and which lanes wait for room. Pure.

use roundsman_store::{Key, LaneId};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The number of one level of a key's path among the keys that have resident lanes.
pub(crate) type Level = usize;

#[derive(Debug, Default)]
struct Account {
    name: String,
    lanes: usize,
    flying: usize,
    waiting: VecDeque<LaneId>,
}

/// Accounts of the keys that have resident lanes; an idle key has none.
#[derive(Debug)]
pub(crate) struct Keys {
    cap: usize,
    by_name: FxHashMap<String, Level>,
    accounts: Vec<Account>,
    free: Vec<Level>,
}

impl Keys {
    /// At most `cap` messages of one key in flight.
    pub(crate) fn new(cap: usize) -> Self {
        Self { cap, by_name: FxHashMap::default(), accounts: Vec::new(), free: Vec::new() }
    }

    /// Opens the accounts of a key, one for each prefix of its path, widest first.
    pub(crate) fn open(&mut self, key: &Key) -> Box<[Level]> {
        let written = key.as_str();
        let ends = written.match_indices('/').map(|(at, _)| at).chain([written.len()]);
        ends.map(|end| self.open_level(&written[..end])).collect()
    }

    fn open_level(&mut self, name: &str) -> Level {
        let level = match self.by_name.get(name) {
            Some(level) => *level,
            None => {
                let level = self.free.pop().unwrap_or_else(|| {
                    self.accounts.push(Account::default());
                    self.accounts.len() - 1
                });
                self.accounts[level].name = name.to_owned();
                self.by_name.insert(name.to_owned(), level);
                level
            }
        };
        self.accounts[level].lanes += 1;
        level
    }

    /// Closes them again; an account without lanes is forgotten.
    pub(crate) fn close(&mut self, levels: &[Level]) {
        for level in levels {
            let account = &mut self.accounts[*level];
            account.lanes -= 1;
            if account.lanes == 0 {
                self.by_name.remove(&account.name);
                self.accounts[*level] = Account::default();
                self.free.push(*level);
            }
        }
    }

    /// How many more of this key may go; 0 parks `lane` until one of them is back.
    pub(crate) fn room(&mut self, levels: &[Level], lane: LaneId) -> usize {
        let room = |level: &Level| self.cap.saturating_sub(self.accounts[*level].flying);
        let Some((level, least)) =
            levels.iter().map(|level| (*level, room(level))).min_by_key(|(_, room)| *room)
        else {
            return self.cap;
        };
        if least == 0 {
            self.accounts[level].waiting.push_back(lane);
        }
        least
    }

    pub(crate) fn take_off(&mut self, levels: &[Level], count: usize) {
        for level in levels {
            self.accounts[*level].flying += count;
        }
    }

    /// One is back; lanes that waited for it are handed out to be looked at again.
    pub(crate) fn land(&mut self, levels: &[Level], woken: &mut Vec<LaneId>) {
        for level in levels {
            let account = &mut self.accounts[*level];
            account.flying = account.flying.saturating_sub(1);
            if !account.waiting.is_empty() {
                woken.extend(account.waiting.drain(..));
            }
        }
    }

    /// The keys with most in flight: name and count, busiest first.
    pub(crate) fn busiest(&self, count: usize) -> Vec<(String, u64)> {
        let mut busy: Vec<_> = self.accounts.iter().filter(|account| account.flying > 0).collect();
        busy.sort_by_key(|account| std::cmp::Reverse(account.flying));
        busy.truncate(count);
        busy.iter().map(|account| (account.name.clone(), account.flying as u64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_holds_at_every_level_and_wakes_who_waits() {
        let mut keys = Keys::new(2);
        let (one, two) = (Key::parse("team/a").unwrap(), Key::parse("team/b").unwrap());
        let (a, b) = (keys.open(&one), keys.open(&two));
        assert_eq!((a.len(), a[0] == b[0], a[1] == b[1]), (2, true, false));
        keys.take_off(&a, 2);
        assert_eq!(keys.room(&b, LaneId(7)), 0, "the team is at its cap");
        let mut woken = Vec::new();
        keys.land(&a, &mut woken);
        assert_eq!(woken, [LaneId(7)]);
        assert_eq!(keys.room(&b, LaneId(7)), 1);
        keys.close(&a);
        keys.close(&b);
        assert!(keys.by_name.is_empty(), "an idle key costs nothing");
    }
}
