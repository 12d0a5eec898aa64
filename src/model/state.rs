//! One directory's accounts, groups and memberships, desired or observed: one type
//! for both, so that comparing is merging two sorted lists.
//!
//! Comes in: drafts through [`StateBuilder`]. Goes out: sorted, numbered, compact
//! records. Refuses: two accounts or two groups with one name, and any knowledge
//! of which side it is.
//!
//! All text lives in one arena and members are `u32` in one flat list, because a
//! company has a million memberships and an allocation for each would cost more
//! than the memberships themselves.

use super::name::Matching;
use super::time::Instant;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// Number of an account in its state: accounts are sorted by comparison key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

/// Number of a group in its state: groups are sorted by comparison key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Enabled {
    /// It can.
    #[default]
    Yes,
    /// It cannot.
    No,
    /// The directory does not say, or was not asked.
    Unknown,
}

/// A member of a group that is not an account of the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member<'a> {
    /// An account, by name.
    Account(&'a str),
    /// A group of the same directory, by name.
    Group(&'a str),
    /// Anything else, as the directory writes it.
    Other(&'a str),
}

/// A piece of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Text {
    start: u32,
    len: u32,
}

/// Why a state could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Two objects answer to one name.
    #[error("two {kind}s are named `{name}`: {first} and {second}")]
    Duplicate {
        /// `account` or `group`.
        kind: &'static str,
        /// The name they share after normalisation.
        name: String,
        /// Handle of one.
        first: String,
        /// Handle of the other.
        second: String,
    },
    /// More text or members than 32 bits can number.
    #[error("the directory is larger than 4 GiB of names and values")]
    TooLarge,
}

#[derive(Debug, Clone, Default)]
struct AccountRow {
    key: Text,
    name: Text,
    id: Option<Text>,
    handle: Text,
    enabled: Enabled,
    ends: Option<Instant>,
    /// First of this account's rows in `values`; there are as many as attributes.
    values: u32,
}

#[derive(Debug, Clone, Default)]
struct GroupRow {
    key: Text,
    name: Text,
    handle: Text,
    attributes: Vec<(Box<str>, Vec<Box<str>>)>,
}

/// What one directory holds, or should hold.
#[derive(Debug, Clone, Default)]
pub struct State {
    text: String,
    names: Matching,
    /// The directory's names of the compared account attributes.
    attributes: Vec<Box<str>>,
    accounts: Vec<AccountRow>,
    /// One cell per account and attribute, row by row.
    values: Vec<Option<Text>>,
    /// Further values of a multi-valued attribute: (account, attribute) → values.
    more: BTreeMap<(u32, u16), Vec<Box<str>>>,
    groups: Vec<GroupRow>,
    /// Group `g`'s members are `members[offsets[g]..offsets[g + 1]]`, ascending.
    offsets: Vec<u32>,
    members: Vec<AccountId>,
    /// Beside each member the number of its winning entry; empty when observed
    /// or when no member has one.
    entries: Vec<u32>,
    /// Beside each member 0, or 1 + an index into `instants`; empty when no
    /// membership ends.
    ends: Vec<u32>,
    instants: Vec<Instant>,
    /// Members that are not accounts: group → sorted (is a group, text).
    others: BTreeMap<u32, Vec<(bool, Box<str>)>>,
}

impl State {
    /// How this directory compares names.
    pub fn names(&self) -> Matching {
        self.names
    }

    /// The compared account attributes, in the order of the values.
    pub fn attributes(&self) -> &[Box<str>] {
        &self.attributes
    }

    /// Number of accounts.
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Number of memberships of accounts.
    pub fn membership_count(&self) -> usize {
        self.members.len()
    }

    /// All accounts in key order.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = AccountRef<'_>> + Clone {
        self.accounts.iter().enumerate().map(|(n, row)| AccountRef { state: self, row, id: AccountId(number(n)) })
    }

    /// All groups in key order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = GroupRef<'_>> + Clone {
        self.groups.iter().enumerate().map(|(n, row)| GroupRef { state: self, row, id: GroupId(number(n)) })
    }

    /// The account with that number.
    pub fn account(&self, id: AccountId) -> Option<AccountRef<'_>> {
        self.accounts.get(id.0 as usize).map(|row| AccountRef { state: self, row, id })
    }

    /// The account whose name compares equal to `name`.
    pub fn account_named(&self, name: &str) -> Option<AccountRef<'_>> {
        let key = self.names.key(name);
        let n = self.accounts.binary_search_by(|row| self.text(row.key).cmp(key.as_ref())).ok()?;
        self.account(AccountId(number(n)))
    }

    /// The group with that number.
    pub fn group(&self, id: GroupId) -> Option<GroupRef<'_>> {
        self.groups.get(id.0 as usize).map(|row| GroupRef { state: self, row, id })
    }

    /// The group whose name compares equal to `name`.
    pub fn group_named(&self, name: &str) -> Option<GroupRef<'_>> {
        let key = self.names.key(name);
        let n = self.groups.binary_search_by(|row| self.text(row.key).cmp(key.as_ref())).ok()?;
        self.group(GroupId(number(n)))
    }

    fn text(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.text.get(start..start + text.len as usize).unwrap_or_default()
    }
}

/// `usize` to `u32` where the builder has already refused larger counts.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// One account of a state.
#[derive(Clone, Copy)]
pub struct AccountRef<'s> {
    state: &'s State,
    row: &'s AccountRow,
    id: AccountId,
}

impl<'s> AccountRef<'s> {
    /// Its number.
    pub fn id(self) -> AccountId {
        self.id
    }

    /// Its name as the directory writes it.
    pub fn name(self) -> &'s str {
        self.state.text(self.row.name)
    }

    /// Its name as the directory compares it.
    pub fn key(self) -> &'s str {
        self.state.text(self.row.key)
    }

    /// The person's stable id, where the directory holds one.
    pub fn person_id(self) -> Option<&'s str> {
        self.row.id.map(|id| self.state.text(id))
    }

    /// What the provider finds the account by (a DN, an object id).
    pub fn handle(self) -> &'s str {
        self.state.text(self.row.handle)
    }

    /// Whether it can be used.
    pub fn enabled(self) -> Enabled {
        self.row.enabled
    }

    /// When the directory itself ends it.
    pub fn ends(self) -> Option<Instant> {
        self.row.ends
    }

    /// Values of the compared attribute with that number, in the directory's order.
    pub fn values(self, attribute: usize) -> impl Iterator<Item = &'s str> {
        let state = self.state;
        let width = state.attributes.len();
        let cell = state.values.get(self.row.values as usize * width + attribute).copied().flatten();
        let key = (self.row.values, u16::try_from(attribute).unwrap_or(u16::MAX));
        let more = state.more.get(&key).map_or(&[][..], Vec::as_slice);
        cell.into_iter().map(move |text| state.text(text)).chain(more.iter().map(AsRef::as_ref))
    }
}

/// One group of a state.
#[derive(Clone, Copy)]
pub struct GroupRef<'s> {
    state: &'s State,
    row: &'s GroupRow,
    id: GroupId,
}

impl<'s> GroupRef<'s> {
    /// Its number.
    pub fn id(self) -> GroupId {
        self.id
    }

    /// Its name as the directory writes it.
    pub fn name(self) -> &'s str {
        self.state.text(self.row.name)
    }

    /// Its name as the directory compares it.
    pub fn key(self) -> &'s str {
        self.state.text(self.row.key)
    }

    /// What the provider finds the group by.
    pub fn handle(self) -> &'s str {
        self.state.text(self.row.handle)
    }

    /// Its compared attributes other than members, sorted by name.
    pub fn attributes(self) -> &'s [(Box<str>, Vec<Box<str>>)] {
        &self.row.attributes
    }

    /// Its member accounts, ascending.
    pub fn members(self) -> &'s [AccountId] {
        self.range().and_then(|range| self.state.members.get(range)).unwrap_or_default()
    }

    /// The winning entry of the member at `position` in [`Self::members`].
    pub fn entry(self, position: usize) -> Option<u32> {
        self.state.entries.get(self.range()?.start + position).copied()
    }

    /// The end of the membership at `position` in [`Self::members`].
    pub fn ends(self, position: usize) -> Option<Instant> {
        let index = *self.state.ends.get(self.range()?.start + position)?;
        self.state.instants.get((index as usize).checked_sub(1)?).copied()
    }

    /// Its members that are not accounts of this state, sorted.
    pub fn others(self) -> impl ExactSizeIterator<Item = Member<'s>> {
        let list = self.state.others.get(&self.id.0).map_or(&[][..], Vec::as_slice);
        list.iter().map(|(is_group, text)| if *is_group { Member::Group(text) } else { Member::Other(text) })
    }

    /// Whether it has no member of any sort.
    pub fn is_empty(self) -> bool {
        self.members().is_empty() && self.others().len() == 0
    }

    fn range(self) -> Option<std::ops::Range<usize>> {
        let g = self.id.0 as usize;
        Some(*self.state.offsets.get(g)? as usize..*self.state.offsets.get(g + 1)? as usize)
    }
}

/// Number of an account while its state is being built, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountSlot(pub u32);

/// Number of a group while its state is being built, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupSlot(pub u32);

#[derive(Debug, Clone, Copy)]
struct Edge {
    group: u32,
    account: u32,
    entry: u32,
    end: u32,
}

/// Takes accounts, groups and members in any order and makes a [`State`].
pub struct StateBuilder {
    state: State,
    by_key: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
    edges: Vec<Edge>,
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
            edges: Vec::new(),
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
        self.state.accounts.push(AccountRow {
            key: key_text,
            name: name_text,
            handle,
            values: slot,
            ..AccountRow::default()
        });
        let cells = self.state.values.len() + self.state.attributes.len();
        self.state.values.resize(cells, None);
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

    /// The slot of the first account whose name compares equal to `name`.
    pub fn slot_of(&self, name: &str) -> Option<AccountSlot> {
        let key = self.state.names.key(name);
        let hash = self.hasher.hash_one(key.as_ref());
        let same = |n: &u32| self.state.accounts.get(*n as usize).is_some_and(|row| self.state.text(row.key) == key);
        self.by_key.find(hash, same).copied().map(AccountSlot)
    }

    /// Sets the person's stable id.
    pub fn set_id(&mut self, slot: AccountSlot, id: &str) {
        let text = self.keep(id);
        if let Some(row) = self.state.accounts.get_mut(slot.0 as usize) {
            row.id = Some(text);
        }
    }

    /// Sets whether the account can be used and when the directory ends it.
    pub fn set_status(&mut self, slot: AccountSlot, enabled: Enabled, ends: Option<Instant>) {
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
            Some(empty @ None) => *empty = Some(text),
            Some(Some(_)) => {
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
    /// later end (none is latest) with its entry wins.
    pub fn member(&mut self, group: GroupSlot, account: AccountSlot, entry: Option<u32>, ends: Option<Instant>) {
        let next = number(self.ends.len()) + 1;
        let end = ends.map_or(0, |ends| *self.ends.entry(ends).or_insert(next));
        self.edges.push(Edge { group: group.0, account: account.0, entry: entry.unwrap_or(u32::MAX), end });
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
    pub fn finish(mut self) -> Result<State, StateError> {
        if self.too_large || u32::try_from(self.edges.len()).is_err() {
            return Err(StateError::TooLarge);
        }
        let account_of = self.sort_accounts()?;
        let group_of = self.sort_groups()?;
        self.state.instants = vec![Instant::from_seconds(0); self.ends.len()];
        for (instant, index) in &self.ends {
            if let Some(cell) = self.state.instants.get_mut(*index as usize - 1) {
                *cell = *instant;
            }
        }
        self.place_members(&account_of, &group_of);
        let others = std::mem::take(&mut self.state.others);
        for (slot, mut list) in others {
            list.sort_unstable();
            list.dedup();
            self.state.others.insert(group_of.get(slot as usize).copied().unwrap_or(slot), list);
        }
        self.state.text.shrink_to_fit();
        Ok(self.state)
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

    fn place_members(&mut self, account_of: &[u32], group_of: &[u32]) {
        let state = &mut self.state;
        for edge in &mut self.edges {
            edge.account = account_of.get(edge.account as usize).copied().unwrap_or(u32::MAX);
            edge.group = group_of.get(edge.group as usize).copied().unwrap_or(u32::MAX);
        }
        let instants = &state.instants;
        let end = |edge: &Edge| match edge.end {
            0 => (1, None),
            n => (0, instants.get(n as usize - 1).copied()),
        };
        // Later ends first, so that the first of equal memberships is the one to keep.
        self.edges.sort_unstable_by(|a, b| {
            (a.group, a.account)
                .cmp(&(b.group, b.account))
                .then_with(|| end(b).cmp(&end(a)))
                .then(a.entry.cmp(&b.entry))
        });
        self.edges.dedup_by_key(|edge| (edge.group, edge.account));
        state.offsets = vec![0; state.groups.len() + 1];
        for edge in &self.edges {
            if let Some(cell) = state.offsets.get_mut(edge.group as usize + 1) {
                *cell += 1;
            }
        }
        let mut sum = 0;
        for cell in &mut state.offsets {
            sum += *cell;
            *cell = sum;
        }
        state.members = self.edges.iter().map(|edge| AccountId(edge.account)).collect();
        if self.edges.iter().any(|edge| edge.entry != u32::MAX) {
            state.entries = self.edges.iter().map(|edge| edge.entry).collect();
        }
        if self.edges.iter().any(|edge| edge.end != 0) {
            state.ends = self.edges.iter().map(|edge| edge.end).collect();
        }
    }
}

impl State {
    fn duplicate(&self, kind: &'static str, key: Text, first: Text, second: Text) -> StateError {
        StateError::Duplicate {
            kind,
            name: self.text(key).to_owned(),
            first: self.text(first).to_owned(),
            second: self.text(second).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_by_name_and_the_later_end_wins() {
        let mut b = StateBuilder::new(Matching::CaseIgnore, ["cn"]);
        let wei = b.account("Wei.Chen", "uid=wei");
        let li = b.account("li.na", "uid=li");
        b.add_value(wei, 0, "Wei Chen");
        let sre = b.group("SRE", "cn=sre");
        let soon = Some(Instant::from_seconds(10));
        b.member(sre, wei, Some(7), soon);
        b.member(sre, li, Some(3), soon);
        b.member(sre, wei, Some(9), None);
        let state = b.finish().unwrap();
        let group = state.group_named("sre").unwrap();
        let names: Vec<_> = group.members().iter().map(|m| state.account(*m).unwrap().name()).collect();
        assert_eq!(names, ["li.na", "Wei.Chen"]);
        assert_eq!((group.ends(0), group.entry(0)), (soon, Some(3)));
        assert_eq!((group.ends(1), group.entry(1)), (None, Some(9)));
        assert_eq!(state.account_named("WEI.chen").unwrap().values(0).collect::<Vec<_>>(), ["Wei Chen"]);
    }

    #[test]
    fn two_names_that_compare_equal_are_refused_with_both_handles() {
        let mut b = StateBuilder::new(Matching::CaseIgnore, [""; 0]);
        b.account("a", "uid=a");
        b.account("A", "uid=A,ou=x");
        let error = b.finish().unwrap_err();
        assert_eq!(error.to_string(), "two accounts are named `a`: uid=a and uid=A,ou=x");
    }
}
