//! Being served and waiting: what a turn takes up, what parks a key, and what frees it.

use std::{cmp::Reverse, hash::Hash};

use super::{
    node::{NONE, Node, Parked, Place},
    scheduler::Scheduler,
};

impl<P: Eq + Hash> Scheduler<P> {
    /// Charges a start at every level, takes up a slot, and lets whoever has spent a turn as an old
    /// one make room for the next. Whether that may have to be followed by [`hold_up`](Self::hold_up).
    pub(super) fn take_off(&mut self, leaf: u32, cost: u64) -> bool {
        let (mut at, mut least_used, mut is_bounded) = (leaf, 0, false);
        let now = self.now;
        loop {
            let node = self.book.node_mut(at);
            let terms = self.policy.get(node.terms);
            node.deficit = node.deficit.saturating_sub_unsigned(cost);
            node.whole = false;
            node.flying += 1;
            least_used += u32::from(node.flying <= terms.least);
            if let Some(rate) = terms.rate {
                node.full = rate.take(node.full, now.saturating_mul(1000));
                is_bounded = true;
            }
            let pool = node.ring.as_ref().and_then(|ring| ring.pool.as_ref());
            is_bounded |= node.flying >= pool.map_or(terms.most, |pool| pool.slots);
            let (parent, place, is_spent) = (node.parent, node.place, node.deficit <= 0);
            self.use_held(at, &mut least_used, true);
            let Some(ring) = self.book.ring(parent) else { return is_bounded };
            match place {
                Place::New => ring.run = ring.run.saturating_add(cost),
                Place::Old => {
                    (ring.run, ring.since) = (0, now);
                    if is_spent && ring.old.first == at {
                        self.turn_over(parent, at);
                    }
                }
                _ => {}
            }
            at = parent;
        }
    }

    /// Books back what a start took up, and the difference to what it cost.
    pub(super) fn land(&mut self, leaf: u32, charged: u64, cost: u64) {
        let (mut at, mut least_used) = (leaf, 0);
        loop {
            let least = self.policy.get(self.book.node(at).terms).least;
            let node = self.book.node_mut(at);
            node.deficit = node.deficit.saturating_add_unsigned(charged);
            node.deficit = node.deficit.saturating_sub_unsigned(cost);
            node.whole &= cost <= charged;
            least_used += u32::from(node.flying > 0 && node.flying <= least);
            node.flying = node.flying.saturating_sub(1);
            let (parent, is_idle) = (node.parent, node.flying == 0 && !node.ready);
            if is_idle {
                self.save_no_more(at);
            }
            self.use_held(at, &mut least_used, false);
            if parent == NONE {
                return;
            }
            at = parent;
        }
    }

    /// Nobody saves up more than the credit of one turn.
    fn save_no_more(&mut self, at: u32) {
        let credit = self.credit(at);
        let node = self.book.node_mut(at);
        if node.deficit >= credit {
            (node.deficit, node.whole) = (credit, true);
        }
    }

    /// At a pool: of the slots held free for named keys, so many more or fewer are in use.
    fn use_held(&mut self, at: u32, count: &mut u32, in_use: bool) {
        if *count == 0 {
            return;
        }
        let Some(pool) = self.book.ring(at).and_then(|ring| ring.pool.as_mut()) else { return };
        let count = std::mem::take(count);
        pool.unused = match in_use {
            true => pool.unused.saturating_sub(count),
            false => pool.unused.saturating_add(count),
        };
    }

    /// Parks what may have no further turn now, at every level.
    pub(super) fn hold_up(&mut self, leaf: u32) {
        let mut at = leaf;
        while at != NONE {
            let node = self.book.node(at);
            let parent = node.parent;
            if node.ready
                && !matches!(node.place, Place::Parked(_))
                && let Some(why) = self.hindrance(at)
            {
                self.park(at, why);
            }
            at = parent;
        }
    }

    /// After something ended: frees what waited for that, at every level, and forgets who is done.
    pub(super) fn let_go(&mut self, leaf: u32) {
        let mut at = leaf;
        while at != NONE {
            let parent = self.book.node(at).parent;
            match self.book.node(at).place {
                Place::Parked(Parked::Cap | Parked::Reserve) => self.unpark(at),
                _ => self.keep_debt(at),
            }
            at = parent;
        }
        self.forget(leaf);
    }

    /// Why a node may have no turn now, whatever its place.
    pub(super) fn hindrance(&self, at: u32) -> Option<Parked> {
        let node = self.book.node(at);
        let terms = self.policy.get(node.terms);
        if node.barred {
            return Some(Parked::Barred);
        }
        let pool = node.ring.as_ref().and_then(|ring| ring.pool.as_ref());
        if node.flying >= pool.map_or(terms.most, |pool| pool.slots) {
            return Some(Parked::Cap);
        }
        let opens = terms.rate?.opens(node.full);
        (opens > self.now.saturating_mul(1000)).then_some(Parked::Rate)
    }

    /// A node has work, and did not say so before.
    pub(super) fn make_ready(&mut self, at: u32) {
        let place = self.book.node(at).place;
        match (self.hindrance(at), place) {
            (Some(why), _) => {
                self.book.leave(at);
                self.book.node_mut(at).ready = true;
                self.park(at, why);
                return;
            }
            (None, Place::Old) if self.goes_on_as_new(at) => {
                self.book.leave(at);
                self.book.node_mut(at).ready = true;
                self.book.join(at, Place::New);
            }
            (None, Place::Old) => {
                // A ghost: it keeps its place and its debt.
                self.be_old(at);
                self.book.set_ready(at, true);
            }
            (None, _) => {
                let credit = self.credit(at);
                let node = self.book.node_mut(at);
                node.ready = true;
                if node.deficit < 0 {
                    self.book.join(at, Place::Old);
                } else {
                    node.deficit = credit;
                    self.book.join(at, Place::New);
                }
            }
        }
        self.announce(at);
    }

    /// A node is in a list with work; its parent may be so now too.
    fn announce(&mut self, at: u32) {
        let (parent, now, quantum) = (self.book.node(at).parent, self.now, self.quantum());
        let is_old = self.book.node(at).place == Place::Old;
        let Some(ring) = self.book.ring(parent) else { return };
        if is_old && ring.ready_old == 1 {
            ring.since = now;
        }
        if ring.ready == 1 {
            (ring.quantum, ring.lap) = (quantum, 0);
        }
        if !self.book.node(parent).ready {
            self.make_ready(parent);
        }
    }

    /// A node has no more work. Its debt, if there is any, stays while somebody waits.
    pub(super) fn make_rest(&mut self, at: u32) {
        match self.book.node(at).place {
            // Coming back it finds itself where it stood.
            Place::Old => self.book.set_ready(at, false),
            // What it has left of its turn as a new key it may spend until this lap comes to it.
            Place::New => {
                self.book.leave(at);
                self.book.node_mut(at).ready = false;
                self.book.join(at, Place::Old);
                self.book.node_mut(at).rests_new = true;
            }
            place => {
                self.parked -= usize::from(matches!(place, Place::Parked(_)));
                let node = self.book.node_mut(at);
                (node.place, node.ready) = (Place::Nowhere, false);
                self.keep_debt(at);
            }
        }
        self.lower(at);
        self.forget(at);
    }

    /// Whether a ghost that has work again has something left of its turn as a new one: that is
    /// its own, whatever its place. To make it wait for its next turn instead would be to charge a
    /// whole one for every message of a key that sends a few.
    fn goes_on_as_new(&self, at: u32) -> bool {
        let node = self.book.node(at);
        node.rests_new && node.deficit > 0
    }

    /// Its time as a new key is over: it is given its first turn as an old one.
    pub(super) fn be_old(&mut self, at: u32) {
        if std::mem::take(&mut self.book.node_mut(at).rests_new) {
            self.give_credit(at, 1);
        }
    }

    /// Whether anybody beside it waits in the lists of its parent.
    fn others_wait(&mut self, at: u32) -> bool {
        let parent = self.book.node(at).parent;
        self.book.ring(parent).is_some_and(|ring| ring.ready > 0)
    }

    /// A node has left its list, or is a ghost in it: where nobody else waits, nothing is owed to
    /// anybody, and its parent has no turn to come either.
    fn lower(&mut self, at: u32) {
        let parent = self.book.node(at).parent;
        if self.book.ring(parent).is_none_or(|ring| ring.ready > 0) {
            return;
        }
        while let Some(ghost) = self.book.ring(parent).map(|ring| ring.old.first)
            && ghost != NONE
        {
            self.book.leave(ghost);
            let node = self.book.node_mut(ghost);
            node.deficit = node.deficit.max(0);
            if ghost != at {
                self.forget(ghost);
            }
        }
        if self.book.node(parent).ready {
            self.make_rest(parent);
        }
    }

    /// Debt of one that has no work is kept as long as somebody waits.
    pub(super) fn keep_debt(&mut self, at: u32) {
        let node = self.book.node(at);
        if node.ready || node.place != Place::Nowhere || node.deficit >= 0 || at == 0 {
            return;
        }
        if self.others_wait(at) {
            self.book.join(at, Place::Old);
        } else {
            self.book.node_mut(at).deficit = 0;
        }
    }

    pub(super) fn park(&mut self, at: u32, why: Parked) {
        self.book.leave(at);
        self.parked += 1;
        self.book.node_mut(at).place = Place::Parked(why);
        if why == Parked::Rate {
            self.set_alarm(at);
        }
        self.lower(at);
    }

    /// What it waited for is there: it goes to the end, without credit from while it waited.
    pub(super) fn unpark(&mut self, at: u32) {
        if !matches!(self.book.node(at).place, Place::Parked(_)) {
            return;
        }
        self.parked -= 1;
        let credit = self.credit(at);
        let node = self.book.node_mut(at);
        node.place = Place::Nowhere;
        node.deficit = node.deficit.min(credit);
        if !node.ready {
            return self.keep_debt(at);
        }
        if let Some(why) = self.hindrance(at) {
            return self.park(at, why);
        }
        self.book.join(at, Place::Old);
        self.announce(at);
    }

    /// Pools that found nobody to give their last slots to look again.
    pub(super) fn try_pools_above(&mut self, at: u32) {
        let mut above = self.book.node(at).parent;
        while above != NONE {
            let parent = self.book.node(above).parent;
            if self.book.node(above).place == Place::Parked(Parked::Reserve) {
                self.unpark(above);
            }
            above = parent;
        }
    }

    /// After the policy has changed.
    pub(super) fn look_again(&mut self, at: u32) {
        if at as usize >= self.book.slab() {
            return;
        }
        let credit = self.credit(at);
        let has_rate = self.policy.get(self.book.node(at).terms).rate.is_some();
        let node = self.book.node_mut(at);
        node.deficit = node.deficit.min(credit);
        if !has_rate {
            node.full = 0;
        }
        match node.place {
            Place::Parked(_) => self.unpark(at),
            _ if node.ready => self.hold_up(at),
            _ => self.forget(at),
        }
    }

    pub(super) fn set_alarm(&mut self, at: u32) {
        let node = self.book.node(at);
        if let Some(rate) = self.policy.get(node.terms).rate {
            // One that only has to be remembered is looked at when its bucket is full.
            let moment = if node.ready { rate.opens(node.full) } else { node.full };
            self.alarms.push(Reverse((moment.div_ceil(1000), at)));
        }
    }

    /// Frees whose rate lets them go on.
    pub(super) fn wake(&mut self) {
        while let Some(Reverse((moment, at))) = self.alarms.peek().copied()
            && moment <= self.now
        {
            self.alarms.pop();
            if at as usize >= self.book.slab() {
                continue;
            }
            if self.book.node(at).place == Place::Parked(Parked::Rate) {
                self.unpark(at);
            } else {
                self.forget(at);
            }
        }
    }

    /// Forgets a node that has nothing left, and then those above it that have nothing left.
    pub(super) fn forget(&mut self, at: u32) {
        let mut at = at;
        while at != 0 && self.is_done(at) {
            if self.book.node(at).full > self.now.saturating_mul(1000) {
                return self.set_alarm(at);
            }
            self.dismiss(at);
            at = self.book.remove(at);
        }
    }

    fn is_done(&self, at: u32) -> bool {
        let node: &Node<P> = self.book.node(at);
        node.parent != NONE
            && node.holds == 0
            && node.flying == 0
            && !node.ready
            && node.place == Place::Nowhere
    }

    fn dismiss(&mut self, at: u32) {
        let is_guest = self.policy.get(self.book.node(at).terms).least > 0;
        if let Some(pool) = is_guest.then(|| self.pool_of(at)).flatten() {
            pool.guests.retain(|guest| *guest != at);
        }
    }

    /// What a turn of it is worth.
    pub(super) fn credit(&self, at: u32) -> i64 {
        let node = self.book.node(at);
        let ring = match node.parent {
            NONE => None,
            parent => self.book.node(parent).ring.as_ref(),
        };
        self.policy.get(node.terms).weight.credit(ring.map_or(1, |ring| ring.quantum))
    }
}
