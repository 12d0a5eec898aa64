//! Finds objects by the comparison key of their DN, or whatever else members call them.
//!
//! Comes in: keys. Goes out: what is under them, mostly slots. Refuses: iteration, so that no result depends
//! on the hash.

use crate::model::state::{AccountSlot, GroupSlot};
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// What a DN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider) enum Found {
    Account(AccountSlot),
    Group(GroupSlot),
}

/// DN key → object.
pub(in crate::provider) struct Table<V = Found> {
    text: String,
    /// Where a key stands in `text`, and what it names.
    index: HashTable<(usize, usize, V)>,
    hasher: foldhash::quality::RandomState,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { text: String::new(), index: HashTable::new(), hasher: foldhash::quality::RandomState::default() }
    }
}

impl<V: Copy> Table<V> {
    /// Remembers an object; the first of two with one key stays.
    pub(in crate::provider) fn insert(&mut self, key: &str, found: V) {
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
    pub(in crate::provider) fn get(&self, key: &str) -> Option<V> {
        let same = |(start, end, _): &(usize, usize, V)| self.text.get(*start..*end) == Some(key);
        self.index.find(self.hasher.hash_one(key), same).map(|(_, _, found)| *found)
    }

    /// The same, to be changed.
    pub(in crate::provider) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let text = &self.text;
        let same = |(start, end, _): &(usize, usize, V)| text.get(*start..*end) == Some(key);
        self.index.find_mut(self.hasher.hash_one(key), same).map(|(_, _, found)| found)
    }

    /// Whether nothing is remembered.
    pub(in crate::provider) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
