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
    /// Where a key stands in `text`, and what it names.
    index: HashTable<(usize, usize, Found)>,
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
        let row = (start, self.text.len(), found);
        let (text, hasher) = (&self.text, &self.hasher);
        self.index.insert_unique(hasher.hash_one(key), row, |(start, end, _)| {
            hasher.hash_one(text.get(*start..*end).unwrap_or_default())
        });
    }

    /// The object with that key.
    pub(super) fn get(&self, key: &str) -> Option<Found> {
        let same = |(start, end, _): &(usize, usize, Found)| self.text.get(*start..*end) == Some(key);
        self.index.find(self.hasher.hash_one(key), same).map(|(_, _, found)| *found)
    }
}
