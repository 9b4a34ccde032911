//! The two lists of a ring: joining, leaving, going to the end. Every step takes constant time.

use super::{
    book::Book,
    node::{NONE, Place},
};

impl<P> Book<P> {
    /// Puts a node, which is in no list, at the end of one of its parent's.
    pub(super) fn join(&mut self, at: u32, place: Place) {
        let (parent, ready) = (self.node(at).parent, self.node(at).ready);
        let Some(ring) = self.ring(parent) else { return };
        let list = ring.list(place);
        let before = list.last;
        list.last = at;
        list.len += 1;
        if before == NONE {
            list.first = at;
        }
        if ready {
            ring.ready += 1;
            ring.ready_old += u32::from(place == Place::Old);
        }
        if before != NONE {
            self.node_mut(before).behind = at;
        }
        let node = self.node_mut(at);
        (node.place, node.before, node.behind) = (place, before, NONE);
    }

    /// Takes a node out of whichever list it is in.
    pub(super) fn leave(&mut self, at: u32) {
        let node = self.node_mut(at);
        let (place, ready, parent) = (node.place, node.ready, node.parent);
        let (before, behind) = (node.before, node.behind);
        if !matches!(place, Place::New | Place::Old) {
            return;
        }
        (node.place, node.before, node.behind) = (Place::Nowhere, NONE, NONE);
        node.rests_new = false;
        if before != NONE {
            self.node_mut(before).behind = behind;
        }
        if behind != NONE {
            self.node_mut(behind).before = before;
        }
        let Some(ring) = self.ring(parent) else { return };
        if ready {
            ring.ready -= 1;
            ring.ready_old -= u32::from(place == Place::Old);
        }
        let list = ring.list(place);
        list.len -= 1;
        if before == NONE {
            list.first = behind;
        }
        if behind == NONE {
            list.last = before;
        }
    }

    /// A node of the old list has work, or has none any more, and keeps its place.
    pub(super) fn set_ready(&mut self, at: u32, ready: bool) {
        let node = self.node_mut(at);
        let (was_ready, parent) = (std::mem::replace(&mut node.ready, ready), node.parent);
        let Some(ring) = self.ring(parent) else { return };
        ring.ready = ring.ready - u32::from(was_ready) + u32::from(ready);
        ring.ready_old = ring.ready_old - u32::from(was_ready) + u32::from(ready);
    }

    /// Sends a node to the end of the old list, from whichever it is in.
    pub(super) fn go_behind(&mut self, at: u32) {
        self.leave(at);
        self.join(at, Place::Old);
    }

    /// The first of the old list becomes its last. What leaving and joining would do, without the
    /// counting: this is what nearly every turn ends with.
    pub(super) fn rotate(&mut self, parent: u32) {
        let Some(ring) = self.ring(parent) else { return };
        let (first, last) = (ring.old.first, ring.old.last);
        if first == last {
            return;
        }
        ring.old.last = first;
        let node = self.node_mut(first);
        let second = std::mem::replace(&mut node.behind, NONE);
        node.before = last;
        self.node_mut(last).behind = first;
        self.node_mut(second).before = NONE;
        if let Some(ring) = self.ring(parent) {
            ring.old.first = second;
        }
    }
}
