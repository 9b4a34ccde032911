//! The accounts by name: a slab of nodes, found by parent and part, forgotten when nothing is left.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::node::{NONE, Node, Place, Ring};

/// Every node there is. A node is found by its own name under its own parent, compared in full:
/// two keys can never share an account, however their hashes fall.
#[derive(Debug)]
pub(super) struct Book<P> {
    nodes: Vec<Node<P>>,
    vacant: Vec<u32>,
    names: HashTable<u32>,
}

impl<P> Book<P> {
    /// A book with a root.
    pub(super) fn new(terms: u32, quantum: u64) -> Self {
        let mut root = Node::new(None, NONE, terms);
        root.ring = Some(Box::new(Ring::new(quantum)));
        root.holds = 1;
        Self { nodes: vec![root], vacant: Vec::new(), names: HashTable::new() }
    }

    pub(super) fn node(&self, at: u32) -> &Node<P> {
        &self.nodes[at as usize]
    }

    pub(super) fn node_mut(&mut self, at: u32) -> &mut Node<P> {
        &mut self.nodes[at as usize]
    }

    /// The turns below a node that is known to have some.
    pub(super) fn ring(&mut self, at: u32) -> Option<&mut Ring> {
        self.nodes.get_mut(at as usize)?.ring.as_deref_mut()
    }

    /// Every node that is in use.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> + use<P> {
        let vacant: rustc_hash::FxHashSet<u32> = self.vacant.iter().copied().collect();
        (0..self.nodes.len() as u32).filter(move |at| !vacant.contains(at))
    }

    /// How many nodes there are, the root among them.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.vacant.len()
    }

    /// How many nodes there is room for; each number below is a node, in use or vacant.
    pub(super) fn slab(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node<P>>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.names.allocation_size()
    }

    fn add(&mut self, node: Node<P>) -> u32 {
        if let Some(at) = self.vacant.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// A node without a name under `parent`, which it holds.
    pub(super) fn add_nameless(&mut self, parent: u32, terms: u32) -> u32 {
        self.node_mut(parent).holds += 1;
        self.add(Node::new(None, parent, terms))
    }
}

impl<P: Eq + Hash> Book<P> {
    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, parent: u32, part: &Q) -> Option<u32>
    where
        P: Borrow<Q>,
    {
        let is_it = |at: &u32| {
            let node = &self.nodes[*at as usize];
            node.parent == parent && node.name.as_ref().is_some_and(|name| name.borrow() == part)
        };
        self.names.find(hash(parent, part), is_it).copied()
    }

    /// A node with a name under `parent`, which it holds.
    pub(super) fn add_named(&mut self, parent: u32, name: P, terms: u32) -> u32 {
        let code = hash(parent, &name);
        self.node_mut(parent).holds += 1;
        let at = self.add(Node::new(Some(name), parent, terms));
        self.enter(code, at);
        at
    }

    fn enter(&mut self, code: u64, at: u32) {
        let nodes = &self.nodes;
        self.names.insert_unique(code, at, |at| {
            let node = &nodes[*at as usize];
            node.name.as_ref().map_or(0, |name| hash(node.parent, name))
        });
    }

    fn strike(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let Some(name) = &node.name else { return };
        if let Ok(entry) = self.names.find_entry(hash(node.parent, name), |other| *other == at) {
            entry.remove();
        }
    }

    /// Puts a node between a leaf and its parent: it takes over the leaf's name, place and debt,
    /// and the leaf becomes its nameless child. Whoever holds the leaf notices nothing.
    pub(super) fn graft(&mut self, leaf: u32, (nameless_terms, quantum): (u32, u64)) -> u32 {
        self.strike(leaf);
        let (parent, old) = (self.node(leaf).parent, self.node_mut(leaf));
        let mut above = Node::new(old.name.take(), parent, old.terms);
        (above.deficit, above.full, above.flying) = (old.deficit, old.full, old.flying);
        (above.place, above.ready) = (old.place, old.ready);
        (above.before, above.behind, above.holds) = (old.before, old.behind, 1);
        (old.deficit, old.full, old.terms) = (0, 0, nameless_terms);
        (old.place, old.before, old.behind) = (Place::Nowhere, NONE, NONE);
        let (place, before, behind) = (above.place, above.before, above.behind);
        let code = above.name.as_ref().map(|name| hash(parent, name));
        let mut ring = Ring::new(quantum);
        ring.nameless = leaf;
        above.ring = Some(Box::new(ring));
        let above = self.add(above);
        self.node_mut(leaf).parent = above;
        if let Some(code) = code {
            self.enter(code, above);
        }
        if matches!(place, Place::New | Place::Old) {
            self.relink(parent, place, (before, above, behind));
        }
        above
    }

    /// Makes neighbours and ends point at the middle one.
    fn relink(&mut self, parent: u32, place: Place, (before, at, behind): (u32, u32, u32)) {
        if before != NONE {
            self.node_mut(before).behind = at;
        }
        if behind != NONE {
            self.node_mut(behind).before = at;
        }
        let Some(ring) = self.ring(parent) else { return };
        let list = ring.list(place);
        if before == NONE {
            list.first = at;
        }
        if behind == NONE {
            list.last = at;
        }
    }

    /// Forgets a node; its parent, which it held.
    pub(super) fn remove(&mut self, at: u32) -> u32 {
        self.strike(at);
        let parent = self.node(at).parent;
        *self.node_mut(at) = Node::new(None, NONE, 0);
        self.vacant.push(at);
        if let Some(ring) = self.ring(parent).filter(|ring| ring.nameless == at) {
            ring.nameless = NONE;
        }
        self.node_mut(parent).holds -= 1;
        if self.vacant.len() > 1024 && self.vacant.len() == self.nodes.len() - 1 {
            // Only the root is left: what a crowd needed is given back.
            self.nodes.truncate(1);
            self.nodes.shrink_to_fit();
            self.vacant = Vec::new();
            self.names = HashTable::new();
        }
        parent
    }
}

fn hash<Q: Hash + ?Sized>(parent: u32, part: &Q) -> u64 {
    FxBuildHasher.hash_one((parent, part))
}
