//! Finds objects by the comparison key of their DN.
//!
//! Comes in: keys. Goes out: slots. Refuses: iteration, so that no result depends
//! on the hash.

use crate::model::state::{AccountSlot, GroupSlot};
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// What a DN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Account(AccountSlot),
    Group(GroupSlot),
}

/// DN key → object.
#[derive(Default)]
pub(super) struct Table {
    text: String,
    rows: Vec<(usize, usize, Found)>,
    index: HashTable<usize>,
    hasher: foldhash::quality::RandomState,
}

impl Table {
    /// Remembers an object; the first of two with one key stays.
    pub(super) fn insert(&mut self, key: &str, found: Found) {
        if self.get(key).is_some() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(key);
        self.rows.push((start, self.text.len(), found));
        let (text, rows, hasher) = (&self.text, &self.rows, &self.hasher);
        let row_text = |n: &usize| rows.get(*n).and_then(|(start, end, _)| text.get(*start..*end)).unwrap_or_default();
        self.index.insert_unique(hasher.hash_one(key), rows.len() - 1, |n| hasher.hash_one(row_text(n)));
    }

    /// The object with that key.
    pub(super) fn get(&self, key: &str) -> Option<Found> {
        let same = |n: &usize| {
            self.rows.get(*n).and_then(|(start, end, _)| self.text.get(*start..*end)).is_some_and(|text| text == key)
        };
        let n = self.index.find(self.hasher.hash_one(key), same)?;
        self.rows.get(*n).map(|(_, _, found)| *found)
    }
}
