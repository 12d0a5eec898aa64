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

mod build;
mod snapshot;

pub use build::{AccountSlot, GroupSlot, Order, StateBuilder};

use super::name::Matching;
use super::time::Instant;
use std::collections::BTreeMap;

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

impl Text {
    /// No text: what no piece of an arena can be. An `Option` would take half as much again.
    const NONE: Self = Self { start: u32::MAX, len: u32::MAX };

    fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
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

#[derive(Debug, Clone)]
struct AccountRow {
    key: Text,
    name: Text,
    id: Text,
    object: Text,
    handle: Text,
    enabled: Enabled,
    /// 0, or 1 + an index into `instants`.
    ends: u32,
    /// First of this account's rows in `values`; there are as many as attributes.
    values: u32,
}

impl AccountRow {
    /// A usable account of which nothing else is known.
    fn new(key: Text, name: Text, handle: Text, values: u32) -> Self {
        let (id, object) = (Text::NONE, Text::NONE);
        Self { key, name, id, object, handle, enabled: Enabled::default(), ends: 0, values }
    }
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
    values: Vec<Text>,
    /// Further values of a multi-valued attribute: (account, attribute) → values.
    more: BTreeMap<(u32, u16), Vec<Box<str>>>,
    groups: Vec<GroupRow>,
    /// Group `g`'s members are `members[offsets[g]..offsets[g + 1]]`, ascending.
    offsets: Vec<u32>,
    members: Vec<AccountId>,
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

    fn instant(&self, number: u32) -> Option<Instant> {
        self.instants.get((number as usize).checked_sub(1)?).copied()
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
        self.row.id.some().map(|id| self.state.text(id))
    }

    /// What the directory itself gave the account once and keeps whatever the account
    /// is called and wherever it stands (`objectGUID`), where it was read.
    pub fn object_id(self) -> Option<&'s str> {
        self.row.object.some().map(|object| self.state.text(object))
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
        self.state.instant(self.row.ends)
    }

    /// Values of the compared attribute with that number, in the directory's order.
    pub fn values(self, attribute: usize) -> impl Iterator<Item = &'s str> {
        let state = self.state;
        let width = state.attributes.len();
        let cell = state.values.get(self.row.values as usize * width + attribute).copied().and_then(Text::some);
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

    /// The end of the membership at `position` in [`Self::members`].
    pub fn ends(self, position: usize) -> Option<Instant> {
        self.state.instant(*self.state.ends.get(self.range()?.start + position)?)
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
        b.member(sre, wei, soon);
        b.member(sre, li, soon);
        b.member(sre, wei, None);
        let state = b.finish().unwrap();
        let group = state.group_named("sre").unwrap();
        let names: Vec<_> = group.members().iter().map(|m| state.account(*m).unwrap().name()).collect();
        assert_eq!(names, ["li.na", "Wei.Chen"]);
        assert_eq!(group.ends(0), soon);
        assert_eq!(group.ends(1), None);
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

    #[test]
    fn the_order_of_arrival_makes_no_difference() {
        let end = |n| (n > 0).then(|| Instant::from_seconds(n));
        // (group, account, end): stretches of one group in any order, one repeated.
        let mut arrivals = vec![(2, 1, 0), (2, 0, 9), (0, 2, 0), (1, 0, 3), (0, 1, 4), (2, 1, 8)];
        let built = |arrivals: &[(usize, usize, i64)]| {
            let mut builder = StateBuilder::new(Matching::CaseIgnore, ["cn"]);
            let accounts = ["c", "a", "b"].map(|name| builder.account(name, ""));
            let groups = ["z", "x", "y"].map(|name| builder.group(name, ""));
            for (group, account, ends) in arrivals {
                builder.member(groups[*group], accounts[*account], end(*ends));
            }
            let state = builder.finish().unwrap();
            let told = |group: GroupRef<'_>| {
                let one =
                    |(n, member): (usize, &AccountId)| format!("{} {} {:?}", group.name(), member.0, group.ends(n));
                group.members().iter().enumerate().map(one).collect::<Vec<_>>()
            };
            state.groups().flat_map(told).collect::<Vec<_>>()
        };
        let expected = built(&arrivals);
        assert_eq!(expected.len(), 5);
        assert_eq!(expected[0], format!("x 2 {:?}", end(3)));
        assert_eq!(expected[1], "y 0 None");
        for _ in 0..arrivals.len() {
            arrivals.rotate_left(1);
            assert_eq!(built(&arrivals), expected);
        }
        arrivals.sort_unstable();
        assert_eq!(built(&arrivals), expected);
    }
}
