//! Where an account stands: what it waits for, what it owes, and how many have their turn before.

use std::hash::Hash;

use super::{
    node::{NONE, Parked, Place},
    scheduler::{Account, Scheduler},
};

/// Where an account stands at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It has work that is not being served.
    pub ready: bool,
    /// What it waits for, where that is not its turn; at whatever level of its path it is.
    pub parked: Option<Parked>,
    /// Every slot that it could have is taken: its turn comes when one is free.
    pub full: bool,
    /// What it has been served beyond its share, and pays back first.
    pub debt: u64,
    /// Messages of it that are being served.
    pub flying: u32,
    /// About how many turns of others come before its own.
    pub turns_ahead: u64,
}

/// So many places are counted, then it is so many or more.
const COUNTED: u64 = 100_000;

impl<P: Eq + Hash> Scheduler<P> {
    /// Where an account stands.
    #[must_use]
    pub fn standing(&self, account: Account) -> Standing {
        let node = self.book.node(account.0);
        let mut standing =
            Standing { ready: node.ready, flying: node.flying, ..Standing::default() };
        let mut at = account.0;
        while at != NONE {
            let node = self.book.node(at);
            let is_pool = node.ring.as_ref().is_some_and(|ring| ring.pool.is_some());
            match node.place {
                Place::Parked(Parked::Cap) if is_pool => standing.full = true,
                Place::Parked(why) => _ = standing.parked.get_or_insert(why),
                _ => {}
            }
            if at != 0 {
                standing.debt = standing.debt.max(node.deficit.min(0).unsigned_abs());
                standing.turns_ahead += self.turns_before(at);
            }
            at = node.parent;
        }
        standing
    }

    /// How many messages of an account are being served.
    #[must_use]
    pub fn flying(&self, account: Account) -> u32 {
        self.book.node(account.0).flying
    }

    /// How many keys have work and wait for something else than their turn.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked
    }

    /// Whether somebody has a turn to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.book.node(0).ready && self.book.node(0).place == Place::Nowhere
    }

    fn turns_before(&self, at: u32) -> u64 {
        let node = self.book.node(at);
        let Some(ring) = self.book.node(node.parent).ring.as_ref() else { return 0 };
        let (new, old) = match node.place {
            Place::New => (self.places_before(at), 0),
            Place::Old => {
                let laps = node.deficit.min(0).unsigned_abs() / self.credit(at).unsigned_abs();
                let before = self.places_before(at);
                (ring.new.len.into(), before + laps * u64::from(ring.ready_old.saturating_sub(1)))
            }
            Place::Nowhere | Place::Parked(_) => (0, 0),
        };
        new + old
    }

    fn places_before(&self, at: u32) -> u64 {
        let (mut count, mut before) = (0, self.book.node(at).before);
        while before != NONE && count < COUNTED {
            count += u64::from(self.book.node(before).ready);
            before = self.book.node(before).before;
        }
        count
    }
}
