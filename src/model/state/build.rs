//! How a [`State`] comes to be.
//!
//! Comes in: accounts, groups and members in any order. Goes out: one sorted, numbered
//! state. Refuses: two accounts or two groups with one name, and more than 32 bits count.

use super::{AccountId, AccountRow, Enabled, GroupRow, State, StateError, Text, number};
use crate::model::name::Matching;
use crate::model::time::Instant;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Range;

/// Number of an account while its state is being built, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountSlot(pub u32);

/// Number of a group while its state is being built, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupSlot(pub u32);

/// Where what was added has come to stand.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// By account slot: the account's number.
    pub accounts: Vec<u32>,
    /// By group slot: the group's number.
    pub groups: Vec<u32>,
}

/// One membership of the group that is being placed.
#[derive(Debug, Clone, Copy)]
struct Edge {
    account: u32,
    end: u32,
}

/// Memberships in the order of arrival, column by column: ten million of them are
/// kept before they are sorted, and observed ones have no end.
#[derive(Debug, Default)]
struct Edges {
    /// Group and first membership of each stretch of memberships of one group.
    runs: Vec<(u32, usize)>,
    accounts: Vec<u32>,
    /// Empty as long as no membership has one.
    ends: Vec<u32>,
}

impl Edges {
    fn push(&mut self, group: u32, edge: Edge) {
        let n = self.accounts.len();
        if self.runs.last().is_none_or(|(last, _)| *last != group) {
            self.runs.push((group, n));
        }
        self.accounts.push(edge.account);
        if self.ends.is_empty() && edge.end != 0 {
            self.ends.resize(n, 0);
        }
        if edge.end != 0 || !self.ends.is_empty() {
            self.ends.push(edge.end);
        }
    }

    /// New group numbers with their stretches, sorted.
    fn runs(&self, group_of: &[u32]) -> Vec<(u32, Range<usize>)> {
        let ends = self.runs.iter().skip(1).map(|(_, first)| *first).chain([self.accounts.len()]);
        let run = |((group, first), end): (&(u32, usize), usize)| {
            (group_of.get(*group as usize).copied().unwrap_or(u32::MAX), *first..end)
        };
        let mut runs: Vec<_> = self.runs.iter().zip(ends).map(run).collect();
        runs.sort_unstable_by_key(|(group, run)| (*group, run.start));
        runs
    }

    /// Puts the columns into the order of `runs`, where they are not: one by one, so
    /// that only one of them is held twice. Directories answer in the order of their
    /// keys nearly always, and what is desired comes in that order.
    fn arrange(&mut self, runs: &mut [(u32, Range<usize>)]) {
        if runs.is_sorted_by_key(|(_, run)| run.start) {
            return;
        }
        for column in [&mut self.accounts, &mut self.ends] {
            if !column.is_empty() {
                let pieces = runs.iter().filter_map(|(_, run)| column.get(run.clone()));
                *column = pieces.flatten().copied().collect();
            }
        }
        let mut next = 0;
        for (_, run) in runs {
            let first = next;
            next += run.len();
            *run = first..next;
        }
    }

    /// Overwrites the membership at `n`; its account is an account's final number.
    fn set(&mut self, n: usize, edge: Edge) {
        for (column, value) in [(&mut self.accounts, edge.account), (&mut self.ends, edge.end)] {
            if let Some(cell) = column.get_mut(n) {
                *cell = value;
            }
        }
    }

    fn get(&self, n: usize, account_of: &[u32]) -> Edge {
        let account = self.accounts.get(n).and_then(|slot| account_of.get(*slot as usize));
        Edge { account: account.copied().unwrap_or(u32::MAX), end: self.ends.get(n).copied().unwrap_or(0) }
    }
}

/// Takes accounts, groups and members in any order and makes a [`State`].
pub struct StateBuilder {
    state: State,
    by_key: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
    edges: Edges,
    ends: BTreeMap<Instant, u32>,
    too_large: bool,
}

impl StateBuilder {
    /// A builder for a directory that compares names by `names` and account
    /// attributes `attributes` (the directory's own names for them).
    pub fn new(names: Matching, attributes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let attributes = attributes.into_iter().map(Into::into).collect();
        Self {
            state: State { names, attributes, ..State::default() },
            by_key: HashTable::new(),
            hasher: foldhash::quality::RandomState::default(),
            edges: Edges::default(),
            ends: BTreeMap::new(),
            too_large: false,
        }
    }

    /// A new account. Duplicates are refused by [`Self::finish`].
    pub fn account(&mut self, name: &str, handle: &str) -> AccountSlot {
        let slot = number(self.state.accounts.len());
        let key = self.state.names.key(name).into_owned();
        let name_text = self.keep(name);
        let key_text = if key == name { name_text } else { self.keep(&key) };
        let handle = self.keep(handle);
        self.state.accounts.push(AccountRow::new(key_text, name_text, handle, slot));
        let cells = self.state.values.len() + self.state.attributes.len();
        self.state.values.resize(cells, Text::NONE);
        let (state, hasher) = (&self.state, &self.hasher);
        let hash = hasher.hash_one(key.as_str());
        let same = |n: &u32| state.accounts.get(*n as usize).is_some_and(|row| state.text(row.key) == key);
        if self.by_key.find(hash, same).is_none() {
            self.by_key.insert_unique(hash, slot, |n| {
                hasher.hash_one(state.accounts.get(*n as usize).map_or("", |row| state.text(row.key)))
            });
        }
        AccountSlot(slot)
    }

    /// The name of the account in that slot.
    pub fn name_of(&self, slot: AccountSlot) -> &str {
        self.state.accounts.get(slot.0 as usize).map_or("", |row| self.state.text(row.name))
    }

    /// The slot of the first account whose name compares equal to `name`.
    pub fn slot_of(&self, name: &str) -> Option<AccountSlot> {
        let key = self.state.names.key(name);
        let hash = self.hasher.hash_one(key.as_ref());
        let same = |n: &u32| self.state.accounts.get(*n as usize).is_some_and(|row| self.state.text(row.key) == key);
        self.by_key.find(hash, same).copied().map(AccountSlot)
    }

    /// Name and handle of an account, as they were given.
    pub fn account_texts(&self, slot: AccountSlot) -> (&str, &str) {
        let row = self.state.accounts.get(slot.0 as usize);
        row.map_or(("", ""), |row| (self.state.text(row.name), self.state.text(row.handle)))
    }

    /// Name and handle of a group, as they were given.
    pub fn group_texts(&self, slot: GroupSlot) -> (&str, &str) {
        let row = self.state.groups.get(slot.0 as usize);
        row.map_or(("", ""), |row| (self.state.text(row.name), self.state.text(row.handle)))
    }

    /// Sets the person's stable id.
    pub fn set_id(&mut self, slot: AccountSlot, id: &str) {
        let text = self.keep(id);
        if let Some(row) = self.state.accounts.get_mut(slot.0 as usize) {
            row.id = text;
        }
    }

    /// Sets what the directory itself calls the account for ever.
    pub fn set_object(&mut self, slot: AccountSlot, object: &str) {
        let text = self.keep(object);
        if let Some(row) = self.state.accounts.get_mut(slot.0 as usize) {
            row.object = text;
        }
    }

    /// Sets whether the account can be used and when the directory ends it.
    pub fn set_status(&mut self, slot: AccountSlot, enabled: Enabled, ends: Option<Instant>) {
        let ends = self.end(ends);
        if let Some(row) = self.state.accounts.get_mut(slot.0 as usize) {
            row.enabled = enabled;
            row.ends = ends;
        }
    }

    /// Adds one value of the compared attribute with that number.
    pub fn add_value(&mut self, slot: AccountSlot, attribute: usize, value: &str) {
        let cell = slot.0 as usize * self.state.attributes.len() + attribute;
        let text = self.keep(value);
        match self.state.values.get_mut(cell) {
            Some(empty) if *empty == Text::NONE => *empty = text,
            Some(_) => {
                let key = (slot.0, u16::try_from(attribute).unwrap_or(u16::MAX));
                self.state.more.entry(key).or_default().push(value.into());
            }
            None => {}
        }
    }

    /// A new group.
    pub fn group(&mut self, name: &str, handle: &str) -> GroupSlot {
        let slot = number(self.state.groups.len());
        let key = self.state.names.key(name).into_owned();
        let name_text = self.keep(name);
        let key_text = if key == name { name_text } else { self.keep(&key) };
        let handle = self.keep(handle);
        self.state.groups.push(GroupRow { key: key_text, name: name_text, handle, attributes: Vec::new() });
        GroupSlot(slot)
    }

    /// Sets a compared attribute of a group; no values mean that it has none.
    pub fn set_group_attribute(&mut self, slot: GroupSlot, attribute: &str, values: Vec<Box<str>>) {
        if let Some(row) = self.state.groups.get_mut(slot.0 as usize) {
            row.attributes.retain(|(name, _)| name.as_ref() != attribute);
            if !values.is_empty() {
                row.attributes.push((attribute.into(), values));
            }
        }
    }

    /// An account is a member of a group; a repeated membership counts once, the
    /// later end (none is latest) wins.
    pub fn member(&mut self, group: GroupSlot, account: AccountSlot, ends: Option<Instant>) {
        let end = self.end(ends);
        self.edges.push(group.0, Edge { account: account.0, end });
    }

    /// The number of an end; 0 is none.
    fn end(&mut self, ends: Option<Instant>) -> u32 {
        let next = number(self.ends.len()) + 1;
        ends.map_or(0, |ends| *self.ends.entry(ends).or_insert(next))
    }

    /// Something that is no account of this state is a member of a group.
    pub fn other(&mut self, group: GroupSlot, is_group: bool, text: &str) {
        self.state.others.entry(group.0).or_default().push((is_group, text.into()));
    }

    fn keep(&mut self, text: &str) -> Text {
        let (Ok(start), Ok(len)) = (u32::try_from(self.state.text.len()), u32::try_from(text.len())) else {
            self.too_large = true;
            return Text::default();
        };
        if start.checked_add(len).is_none() {
            self.too_large = true;
            return Text::default();
        }
        self.state.text.push_str(text);
        Text { start, len }
    }

    /// Sorts, numbers and checks.
    ///
    /// # Errors
    /// [`StateError::Duplicate`] when two accounts or two groups share a name after
    /// normalisation; [`StateError::TooLarge`] beyond 32-bit counts.
    pub fn finish(self) -> Result<State, StateError> {
        self.finish_with_order().map(|(state, _)| state)
    }

    /// As [`Self::finish`], and says which slot became which number.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_with_order(mut self) -> Result<(State, Order), StateError> {
        if self.too_large || u32::try_from(self.edges.accounts.len()).is_err() {
            return Err(StateError::TooLarge);
        }
        let account_of = self.sort_accounts()?;
        let group_of = self.sort_groups()?;
        self.sort_instants();
        self.place_members(&account_of, &group_of);
        let others = std::mem::take(&mut self.state.others);
        for (slot, mut list) in others {
            list.sort_unstable();
            list.dedup();
            self.state.others.insert(group_of.get(slot as usize).copied().unwrap_or(slot), list);
        }
        self.state.text.shrink_to_fit();
        Ok((self.state, Order { accounts: account_of, groups: group_of }))
    }

    /// Numbers the ends in their order, so that it does not matter which came first.
    fn sort_instants(&mut self) {
        let mut new_number = vec![0; self.ends.len() + 1];
        for (n, (instant, old)) in (1..).zip(&self.ends) {
            self.state.instants.push(*instant);
            if let Some(cell) = new_number.get_mut(*old as usize) {
                *cell = n;
            }
        }
        for end in self.edges.ends.iter_mut().chain(self.state.accounts.iter_mut().map(|row| &mut row.ends)) {
            *end = new_number.get(*end as usize).copied().unwrap_or(0);
        }
    }

    fn sort_accounts(&mut self) -> Result<Vec<u32>, StateError> {
        let state = &mut self.state;
        let mut rows = std::mem::take(&mut state.accounts);
        rows.sort_by(|a, b| state.text(a.key).cmp(state.text(b.key)));
        for pair in rows.windows(2) {
            if let [a, b] = pair
                && state.text(a.key) == state.text(b.key)
            {
                return Err(state.duplicate("account", a.key, a.handle, b.handle));
            }
        }
        let mut new_number = vec![0; rows.len()];
        for (n, row) in rows.iter().enumerate() {
            // `values` still is the slot: rows keep their cells, only their order changed.
            if let Some(cell) = new_number.get_mut(row.values as usize) {
                *cell = number(n);
            }
        }
        state.accounts = rows;
        Ok(new_number)
    }

    fn sort_groups(&mut self) -> Result<Vec<u32>, StateError> {
        let state = &mut self.state;
        let mut rows: Vec<(u32, GroupRow)> =
            std::mem::take(&mut state.groups).into_iter().enumerate().map(|(n, row)| (number(n), row)).collect();
        rows.sort_by(|a, b| state.text(a.1.key).cmp(state.text(b.1.key)));
        for pair in rows.windows(2) {
            if let [(_, a), (_, b)] = pair
                && state.text(a.key) == state.text(b.key)
            {
                return Err(state.duplicate("group", a.key, a.handle, b.handle));
            }
        }
        let mut new_number = vec![0; rows.len()];
        for (n, (slot, mut row)) in rows.into_iter().enumerate() {
            if let Some(cell) = new_number.get_mut(slot as usize) {
                *cell = number(n);
            }
            row.attributes.sort();
            state.groups.push(row);
        }
        Ok(new_number)
    }

    /// Sorts the members of each group where they stand: what is kept of a group never
    /// needs more room than what came, so the columns become the state's own.
    fn place_members(&mut self, account_of: &[u32], group_of: &[u32]) {
        let state = &mut self.state;
        let mut edges = std::mem::take(&mut self.edges);
        let mut runs = edges.runs(group_of);
        edges.arrange(&mut runs);
        let instants = &state.instants;
        let end = |edge: &Edge| match edge.end {
            0 => (1, None),
            n => (0, instants.get(n as usize - 1).copied()),
        };
        let mut runs = runs.iter().peekable();
        state.offsets = Vec::with_capacity(state.groups.len() + 1);
        state.offsets.push(0);
        let mut of_group: Vec<Edge> = Vec::new();
        let mut kept = 0;
        for group in 0..number(state.groups.len()) {
            while let Some((_, run)) = runs.next_if(|(of, _)| *of == group) {
                of_group.extend(run.clone().map(|n| edges.get(n, account_of)));
            }
            // Later ends first, so that the first of equal memberships is the one to keep.
            of_group.sort_unstable_by(|a, b| a.account.cmp(&b.account).then_with(|| end(b).cmp(&end(a))));
            of_group.dedup_by_key(|edge| edge.account);
            for edge in of_group.drain(..) {
                edges.set(kept, edge);
                kept += 1;
            }
            state.offsets.push(number(kept));
        }
        let Edges { mut accounts, mut ends, .. } = edges;
        for column in [&mut accounts, &mut ends] {
            column.truncate(kept);
            column.shrink_to_fit();
        }
        state.members = accounts.into_iter().map(AccountId).collect();
        if ends.iter().any(|end| *end != 0) {
            state.ends = ends;
        }
    }
}
