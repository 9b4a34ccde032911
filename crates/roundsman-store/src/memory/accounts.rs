//! Counts by name, for keys and for topics: a row each, found by name once a lane and by number after.

use rustc_hash::FxHashMap;
use std::borrow::Borrow;
use std::hash::Hash;
use std::ops::{Index, IndexMut};

/// Rows of counts. A row lives as long as a lane refers to it.
#[derive(Debug)]
pub(super) struct Accounts<N, R> {
    by_name: FxHashMap<N, usize>,
    rows: Vec<(usize, R)>,
    free: Vec<usize>,
}

impl<N, R> Default for Accounts<N, R> {
    fn default() -> Self {
        Self { by_name: FxHashMap::default(), rows: Vec::new(), free: Vec::new() }
    }
}

impl<N: Hash + Eq, R: Default> Accounts<N, R> {
    /// The row of `name`, made if need be; one lane more refers to it.
    pub(super) fn enter(&mut self, name: N) -> usize {
        let (rows, free) = (&mut self.rows, &mut self.free);
        let row = *self.by_name.entry(name).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                rows.push((0, R::default()));
                rows.len() - 1
            })
        });
        self.rows[row].0 += 1;
        row
    }

    /// One lane less refers to the row of `name`; with the last one it is gone.
    pub(super) fn leave<Q>(&mut self, name: &Q)
    where
        N: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some(&row) = self.by_name.get(name) else { return };
        self.rows[row].0 -= 1;
        if self.rows[row].0 == 0 {
            self.rows[row].1 = R::default();
            self.by_name.remove(name);
            self.free.push(row);
        }
    }

    pub(super) fn find<Q>(&self, name: &Q) -> Option<&R>
    where
        N: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.by_name.get(name).map(|&row| &self.rows[row].1)
    }
}

impl<N, R> Index<usize> for Accounts<N, R> {
    type Output = R;

    fn index(&self, row: usize) -> &R {
        &self.rows[row].1
    }
}

impl<N, R> IndexMut<usize> for Accounts<N, R> {
    fn index_mut(&mut self, row: usize) -> &mut R {
        &mut self.rows[row].1
    }
}
