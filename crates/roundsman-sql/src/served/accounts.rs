//! How many messages each key has, a row for each, and how many wait in the lanes of a topic.

use super::changes::Changes;
use super::wants::{StoredAccount, Wants};
use crate::cache::{Cache, Seeded};
use roundsman_store::Key;
use std::collections::HashMap;
use std::sync::Arc;

/// What is counted of a key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) backlog: u64,
    pub(crate) held: u64,
    is_stored: bool,
    is_dirty: bool,
}

/// The accounts of keys, cached; and the topics that the bound on held messages asks about.
pub(crate) struct Accounts {
    keys: Cache<Key, Account, Seeded>,
    dirty: Vec<Key>,
    /// Messages in the lanes of a topic. Only of topics that were asked about lately.
    topics: HashMap<Arc<str>, u64, Seeded>,
}

impl Accounts {
    /// About 100 bytes each.
    const CACHED: usize = 64 * 1024;
    const TOPICS: usize = 4096;

    pub(crate) fn new() -> Self {
        Self { keys: Cache::new(Self::CACHED), dirty: Vec::new(), topics: HashMap::default() }
    }

    /// Whether the account is in memory; else it is wanted.
    pub(crate) fn is_at_hand(&mut self, key: &Key, wants: &mut Wants) -> bool {
        let known = self.keys.find(key).is_some();
        if !known {
            wants.keys.push(key.clone());
        }
        known
    }

    /// Whether it is known how many messages the topic's lanes have; else that is wanted.
    pub(crate) fn is_topic_at_hand(&self, topic: &Arc<str>, wants: &mut Wants) -> bool {
        let known = self.topics.contains_key(topic);
        if !known {
            wants.topics.push(topic.clone());
        }
        known
    }

    /// Takes in what was wanted. A key without a row has nothing.
    pub(crate) fn absorb(&mut self, wants: &Wants, accounts: Vec<StoredAccount>) {
        for StoredAccount { key, backlog, held, is_stored } in accounts {
            if self.keys.find(&key).is_none() {
                let account = Account { backlog, held, is_stored, is_dirty: false };
                self.keys.insert(key, account);
            }
        }
        for key in &wants.keys {
            if self.keys.find(key).is_none() {
                self.keys.insert(key.clone(), Account::default());
            }
        }
    }

    /// Takes in how many messages the lanes of wanted topics have.
    pub(crate) fn absorb_topics(&mut self, wants: &Wants, counts: Vec<(Arc<str>, u64)>) {
        if wants.topics.is_empty() {
            return;
        }
        if self.topics.len() + wants.topics.len() > Self::TOPICS {
            self.topics.clear();
        }
        for topic in &wants.topics {
            self.topics.insert(topic.clone(), 0);
        }
        for (topic, count) in counts {
            *self.topics.entry(topic).or_default() += count;
        }
    }

    /// The account of `key`, as it will be after this transaction.
    pub(crate) fn of(&mut self, key: &Key) -> Account {
        self.keys.find(key).copied().unwrap_or_default()
    }

    /// Changes the account of `key` by so much.
    pub(crate) fn shift(&mut self, key: &Key, backlog: i64, held: i64) {
        if backlog == 0 && held == 0 {
            return;
        }
        let Some(account) = self.keys.find(key) else { return };
        account.backlog = account.backlog.saturating_add_signed(backlog);
        account.held = account.held.saturating_add_signed(held);
        if !std::mem::replace(&mut account.is_dirty, true) {
            self.dirty.push(key.clone());
        }
    }

    /// Messages in the lanes of `topic`.
    pub(crate) fn topic(&self, topic: &Arc<str>) -> u64 {
        self.topics.get(topic).copied().unwrap_or(0)
    }

    /// So many messages came into lanes of `topic`, or left them.
    pub(crate) fn shift_topic(&mut self, topic: &str, by: i64) {
        if let Some(count) = self.topics.get_mut(topic) {
            *count = count.saturating_add_signed(by);
        }
    }

    /// Hands over what has changed.
    pub(crate) fn write(&mut self, changes: &mut Changes) {
        for key in self.dirty.drain(..) {
            let Some(account) = self.keys.find(&key) else { continue };
            if !std::mem::replace(&mut account.is_dirty, false) {
                continue;
            }
            if account.backlog > 0 || account.is_stored {
                account.is_stored = true;
                changes.accounts.push((key, account.backlog, account.held));
            }
        }
    }

    /// Forgets the account of `key` if nothing is in it.
    pub(crate) fn forget(&mut self, key: &Key, changes: &mut Changes) {
        let Some(account) = self.keys.find(key) else { return };
        if account.backlog > 0 {
            return;
        }
        if account.is_stored {
            changes.accounts_gone.push(key.clone());
        }
        self.keys.remove(key);
    }

    /// Whether the next [`turn`](Self::turn) lets go of something.
    pub(crate) fn is_full(&self) -> bool {
        self.keys.is_full()
    }

    /// Between two transactions: lets go of what was not used lately.
    pub(crate) fn turn(&mut self) {
        self.keys.turn();
        if self.dirty.len() > 4 * Self::CACHED {
            let keys = &mut self.keys;
            self.dirty.retain(|key| keys.find(key).is_some_and(|account| account.is_dirty));
        }
    }
}
