//! How many messages each key has, a row for each, and how many wait in the lanes of a topic.

use super::error::Sql;
use super::row::{int, number};
use crate::cache::{Cache, Seeded};
use roundsman_store::Key;
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::sync::Arc;

/// What is counted of a key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    pub(super) backlog: u64,
    pub(super) held: u64,
    is_stored: bool,
    is_dirty: bool,
}

impl Account {
    /// Changes it by so much, and answers whether it was clean before.
    fn change(&mut self, backlog: i64, held: i64) -> bool {
        self.backlog = self.backlog.saturating_add_signed(backlog);
        self.held = self.held.saturating_add_signed(held);
        !std::mem::replace(&mut self.is_dirty, true)
    }
}

fn load(connection: &Connection, key: &Key) -> Sql<Account> {
    let row = connection
        .prepare_cached("SELECT backlog, held FROM account WHERE key = ?1")?
        .query_row([key.as_str()], |row| Ok((number(row, 0)?, number(row, 1)?)))
        .optional()?;
    let known =
        row.map(|(backlog, held)| Account { backlog, held, is_stored: true, is_dirty: false });
    Ok(known.unwrap_or_default())
}

/// The accounts of keys, cached; and the topics that the bound on held messages asks about.
pub(super) struct Accounts {
    keys: Cache<Key, Account, Seeded>,
    dirty: Vec<Key>,
    /// Messages in the lanes of a topic. Only of topics that were asked about lately.
    topics: HashMap<Arc<str>, u64, Seeded>,
}

impl Accounts {
    /// About 100 bytes each.
    const CACHED: usize = 16 * 1024;
    const TOPICS: usize = 4096;

    pub(super) fn new() -> Self {
        Self { keys: Cache::new(Self::CACHED), dirty: Vec::new(), topics: HashMap::default() }
    }

    /// The account of `key`, as it will be after this transaction.
    pub(super) fn of(&mut self, connection: &Connection, key: &Key) -> Sql<Account> {
        if let Some(account) = self.keys.find(key) {
            return Ok(*account);
        }
        let account = load(connection, key)?;
        self.keys.insert(key.clone(), account);
        Ok(account)
    }

    /// Changes the account of `key` by so much.
    pub(super) fn shift(
        &mut self,
        connection: &Connection,
        key: &Key,
        backlog: i64,
        held: i64,
    ) -> Sql<()> {
        if backlog == 0 && held == 0 {
            return Ok(());
        }
        if let Some(account) = self.keys.find(key) {
            if account.change(backlog, held) {
                self.dirty.push(key.clone());
            }
            return Ok(());
        }
        let mut account = load(connection, key)?;
        account.change(backlog, held);
        self.keys.insert(key.clone(), account);
        self.dirty.push(key.clone());
        Ok(())
    }

    /// Messages in the lanes of `topic`; `sum` finds out where that is not known.
    pub(super) fn topic(&mut self, topic: &Arc<str>, sum: impl FnOnce() -> Sql<u64>) -> Sql<u64> {
        if let Some(count) = self.topics.get(topic) {
            return Ok(*count);
        }
        let count = sum()?;
        if self.topics.len() >= Self::TOPICS {
            self.topics.clear();
        }
        self.topics.insert(topic.clone(), count);
        Ok(count)
    }

    /// So many messages came into lanes of `topic`, or left them.
    pub(super) fn shift_topic(&mut self, topic: &str, by: i64) {
        if let Some(count) = self.topics.get_mut(topic) {
            *count = count.saturating_add_signed(by);
        }
    }

    /// Writes what has changed.
    pub(super) fn flush(&mut self, connection: &Connection) -> Sql<()> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut update = connection
            .prepare_cached("UPDATE account SET backlog = ?2, held = ?3 WHERE key = ?1")?;
        let mut insert = connection.prepare_cached("INSERT INTO account VALUES (?1, ?2, ?3)")?;
        for key in self.dirty.drain(..) {
            let Some(account) = self.keys.find(&key) else { continue };
            account.is_dirty = false;
            let write = if account.is_stored { &mut update } else { &mut insert };
            account.is_stored = true;
            write.execute((key.as_str(), int(account.backlog), int(account.held)))?;
        }
        Ok(())
    }

    /// Forgets the account of `key` if nothing is in it.
    pub(super) fn forget(&mut self, connection: &Connection, key: &Key) -> Sql<()> {
        let account = self.of(connection, key)?;
        if account.backlog == 0 && account.is_stored && !account.is_dirty {
            connection
                .prepare_cached("DELETE FROM account WHERE key = ?1")?
                .execute([key.as_str()])?;
            self.keys.remove(key);
        }
        Ok(())
    }

    /// Whether the next [`turn`](Self::turn) lets go of something.
    pub(super) fn is_full(&self) -> bool {
        self.keys.is_full()
    }

    /// Between two transactions: lets go of what was not used lately.
    pub(super) fn turn(&mut self) {
        self.keys.turn();
    }
}
