//! Deltas onto what was there.
//!
//! Comes in: a state with its identities, and a reading from its cookie on. Goes out:
//! the state that a full read would have given, with its identities. Refuses: to guess:
//! where a full read would tell something else or more (two entries of one name), it says
//! so, and a full read it must be.
//!
//! What is copied is copied by number. Only members whose account or group was touched,
//! and members that name nothing known, are looked at again, by what the group really
//! writes: the account may be gone, or another may have its place.

use super::follow::{self, Names};
use super::same::Same;
use crate::model::state::{AccountRef, AccountSlot, GroupRef, GroupSlot, Member, Order, StateError};
use crate::model::{Matching, State, StateBuilder};
use crate::provider::entries::{Found, Loose, Named, Table, ambiguous, loose, mentioning, without_unique_id};
use crate::provider::identities::{Delta, Gone, Identities, ObjectId, Target};
use crate::provider::{Protected, Reading, dn};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A state that can be gone on from.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// What the directory held.
    pub state: State,
    /// Beside it.
    pub identities: Identities,
    /// What the directory itself protects, sorted.
    pub protected: Vec<Protected>,
}

/// Why a delta cannot be put onto a base: a full read is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    /// A full read would show two entries of one name, which is a gap.
    #[error("two entries are named `{0}`")]
    TwoOfOneName(String),
    /// It cannot be told what the group writes for a member that changed.
    #[error("`{0}` names one member in two spellings, and that member changed")]
    Ambiguous(String),
    /// The server knows an entry that a full read did not show.
    #[error("the server names an entry that the snapshot does not have")]
    Unknown,
    /// The reading is no delta, or one of other attributes.
    #[error("the server's answer does not fit the snapshot")]
    Unfit,
    /// The result cannot be built.
    #[error(transparent)]
    State(#[from] StateError),
}

/// How much a delta held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Accounts that are new or changed.
    pub accounts: usize,
    /// Groups that are new or changed.
    pub groups: usize,
    /// Accounts and groups that are gone.
    pub gone: usize,
}

impl Extent {
    /// Both one after the other.
    pub fn add(&mut self, other: Self) {
        self.accounts += other.accounts;
        self.groups += other.groups;
        self.gone += other.gone;
    }
}

/// What came of a merge.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// The base with the delta.
    pub base: Base,
    /// How much the delta held.
    pub extent: Extent,
    /// Objects that name an entry which is not what it was, and were themselves not
    /// written: the directory may have changed them all the same.
    pub again: Loose,
}

/// The base with the delta.
///
/// # Errors
/// [`Unmergeable`].
pub fn merge(base: Base, reading: &Reading) -> Result<Merged, Unmergeable> {
    let (Some(delta), Some(identities)) = (&reading.delta, &reading.identities) else {
        return Err(Unmergeable::Unfit);
    };
    let upserts = &reading.upserts;
    let alike = |a: &Identities, b: &Identities| a.by_name == b.by_name && a.references == b.references;
    if base.state.attributes() != upserts.attributes() || !alike(&base.identities, identities) {
        return Err(Unmergeable::Unfit);
    }
    ensure_known(&base.identities, identities, delta)?;
    let same = Same::new(&base, upserts, identities);
    let accounts = Touched::new(&identities.accounts, &delta.accounts, &same.accounts);
    let groups = Touched::new(&identities.groups, &delta.groups, &same.groups);
    let kept_accounts = accounts.kept(&base.identities.accounts);
    let kept_groups = groups.kept(&base.identities.groups);
    let gone = |kept: &[bool], ids: &[ObjectId], upserted: &[ObjectId]| {
        let upserted: BTreeSet<&ObjectId> = upserted.iter().collect();
        kept.iter().zip(ids).filter(|(kept, id)| !**kept && !upserted.contains(id)).count()
    };
    let extent = Extent {
        accounts: identities.accounts.len() - same.accounts.len(),
        groups: identities.groups.len() - same.groups.len(),
        gone: gone(&kept_accounts, &base.identities.accounts, &identities.accounts)
            + gone(&kept_groups, &base.identities.groups, &identities.groups),
    };
    let beside = beside(&base.identities.beside, delta, &identities.accounts);
    let protected = follow::protected(&base, reading, identities, &kept_accounts, &kept_groups);
    let (mut base, again) = if extent == Extent::default() {
        (base, Loose::default())
    } else {
        let names = Names::new(&base, upserts, identities, &kept_accounts);
        Merge::new(&base, upserts, identities, &same, names).run(&kept_accounts, &kept_groups)?
    };
    base.identities.beside = beside;
    base.protected = protected;
    Ok(Merged { base, extent, again })
}

/// Entries that are neither, after a delta.
fn beside(old: &[ObjectId], delta: &Delta, accounts: &[ObjectId]) -> Vec<ObjectId> {
    let mut ids: BTreeSet<ObjectId> = old.iter().chain(&delta.beside).copied().collect();
    for id in delta.accounts.ids.iter().filter(|id| !delta.beside.contains(id)).chain(accounts) {
        ids.remove(id);
    }
    if let Some(present) = &delta.accounts.all_but {
        let present: BTreeSet<&ObjectId> = present.iter().chain(&delta.beside).collect();
        ids.retain(|id| present.contains(id));
    }
    ids.into_iter().collect()
}

/// That a server which names everything names nothing that was never shown: it would stay
/// unknown for ever.
fn ensure_known(base: &Identities, new: &Identities, delta: &Delta) -> Result<(), Unmergeable> {
    for (gone, old, new) in
        [(&delta.accounts, &base.accounts, &new.accounts), (&delta.groups, &base.groups, &new.groups)]
    {
        let Some(present) = &gone.all_but else { continue };
        let mut known = [old.as_slice(), new, &base.beside, &delta.beside].concat();
        known.sort_unstable();
        if present.iter().any(|id| known.binary_search(id).is_err()) {
            return Err(Unmergeable::Unknown);
        }
    }
    Ok(())
}

/// Entries of a base that a delta says something about.
struct Touched {
    ids: Vec<ObjectId>,
    all_but: Option<Vec<ObjectId>>,
}

impl Touched {
    fn new(upserted: &[ObjectId], gone: &Gone, same: &BTreeSet<ObjectId>) -> Self {
        let mut ids = [upserted, &gone.ids].concat();
        ids.retain(|id| !same.contains(id));
        ids.sort_unstable();
        let all_but = gone.all_but.clone().map(|mut ids| {
            ids.extend(same);
            ids.sort_unstable();
            ids
        });
        Self { ids, all_but }
    }

    /// By number: whether the row stays as it is.
    fn kept(&self, ids: &[ObjectId]) -> Vec<bool> {
        let stays = |id: &ObjectId| {
            self.ids.binary_search(id).is_err()
                && self.all_but.as_ref().is_none_or(|present| present.binary_search(id).is_ok())
        };
        ids.iter().map(stays).collect()
    }
}

/// One side: where its rows went.
struct SideOf<'a> {
    state: &'a State,
    identities: &'a Identities,
    /// By number; `None`: not in the result.
    accounts: Vec<Option<AccountSlot>>,
    groups: Vec<Option<GroupSlot>>,
}

impl<'a> SideOf<'a> {
    fn new(state: &'a State, identities: &'a Identities) -> Self {
        let accounts = vec![None; state.account_count()];
        Self { state, identities, accounts, groups: vec![None; state.group_count()] }
    }

    /// What came and is the same is where the other side has it.
    fn accounts_of(&mut self, old: &Self, same: &BTreeSet<ObjectId>) {
        let slots = old.identities.accounts.iter().zip(&old.accounts).filter(|(id, _)| same.contains(id));
        let slots: BTreeMap<&ObjectId, &Option<AccountSlot>> = slots.collect();
        for (cell, id) in self.accounts.iter_mut().zip(&self.identities.accounts) {
            *cell = cell.or_else(|| slots.get(id).copied().copied().flatten());
        }
    }

    fn groups_of(&mut self, old: &Self, same: &BTreeSet<ObjectId>) {
        let slots = old.identities.groups.iter().zip(&old.groups).filter(|(id, _)| same.contains(id));
        let slots: BTreeMap<&ObjectId, &Option<GroupSlot>> = slots.collect();
        for (cell, id) in self.groups.iter_mut().zip(&self.identities.groups) {
            *cell = cell.or_else(|| slots.get(id).copied().copied().flatten());
        }
    }

    fn account(&self, number: u32) -> Option<AccountSlot> {
        self.accounts.get(number as usize).copied().flatten()
    }

    fn group_named(&self, name: &str) -> Option<(GroupRef<'a>, Option<GroupSlot>)> {
        let group = self.state.group_named(name)?;
        Some((group, self.groups.get(group.id().0 as usize).copied().flatten()))
    }

    fn spelling(&self, group: GroupRef<'_>, target: Target) -> Option<&'a str> {
        self.identities.spelled.get(group.id().0, target)
    }
}

struct Merge<'a> {
    old: SideOf<'a>,
    new: SideOf<'a>,
    names: Matching,
    by_name: bool,
    builder: StateBuilder,
    /// New or changed objects, by what members call them.
    arrived: Table,
    /// What members of new or changed groups call, as far as it was there before.
    wanted: Table<Option<Found>>,
    out: Identities,
    named: Vec<Named>,
    /// Keys of handles under which an entry was and is no more.
    left: BTreeSet<String>,
    /// Groups that were not written and have a member that is not what it was.
    again: BTreeSet<u32>,
    same: &'a Same,
    /// What values of attributes that name accounts become.
    called: Names<'a>,
}

/// How a member that is written as `text` is looked for; `None`: it names nothing.
fn called(by_name: bool, names: Matching, text: &str) -> Option<Cow<'_, str>> {
    if by_name { Some(names.key(text)) } else { dn::key(without_unique_id(text)).ok() }
}

impl<'a> Merge<'a> {
    fn new(base: &'a Base, upserts: &'a State, identities: &'a Identities, same: &'a Same, called: Names<'a>) -> Self {
        let (names, by_name) = (base.state.names(), identities.by_name);
        Self {
            old: SideOf::new(&base.state, &base.identities),
            new: SideOf::new(upserts, identities),
            names,
            by_name,
            builder: StateBuilder::new(names, upserts.attributes().iter().cloned()),
            arrived: Table::default(),
            wanted: Table::default(),
            out: Identities { by_name, references: identities.references.clone(), ..Identities::default() },
            named: Vec::new(),
            left: BTreeSet::new(),
            again: BTreeSet::new(),
            same,
            called,
        }
    }

    fn run(mut self, kept_accounts: &[bool], kept_groups: &[bool]) -> Result<(Base, Loose), Unmergeable> {
        self.accounts(kept_accounts)?;
        self.groups(kept_groups)?;
        self.new.accounts_of(&self.old, &self.same.accounts);
        self.new.groups_of(&self.old, &self.same.groups);
        self.meet();
        self.leave();
        let (old, new) = (self.old.state, self.new.state);
        for (group, id) in new.groups().zip(&self.new.identities.groups) {
            if !self.same.groups.contains(id) {
                self.members_of_new(group)?;
            }
        }
        for group in old.groups() {
            self.members_of_old(group)?;
        }
        let (state, Order { groups, .. }) = self.builder.finish_with_order()?;
        let mut identities = self.out;
        identities.spelled.sort(|group, target| (group, target));
        identities.ambiguous.extend(ambiguous(&state, &self.named, &groups));
        identities.loose = loose(&state, self.by_name, &identities.references);
        let mut again = mentioning(&state, &identities.references, &self.left);
        again.groups.extend(self.again);
        again.accounts.extend(self.called.departed(&state, &identities.references));
        Ok((Base { state, identities, protected: Vec::new() }, again))
    }

    /// Notes the handles under which an entry was and is no more.
    fn leave(&mut self) {
        let (old, new) = (&self.old, &self.new);
        let accounts = new.state.accounts().map(AccountRef::handle);
        let groups = new.state.groups().map(GroupRef::handle);
        let accounts: BTreeMap<&ObjectId, &str> = new.identities.accounts.iter().zip(accounts).collect();
        let groups: BTreeMap<&ObjectId, &str> = new.identities.groups.iter().zip(groups).collect();
        let was = old.state.accounts().map(AccountRef::handle).zip(&old.identities.accounts);
        let was = was.zip(&old.accounts).filter(|(_, slot)| slot.is_none());
        let left = was.filter(|((handle, id), _)| accounts.get(id) != Some(handle));
        self.left.extend(left.filter_map(|((handle, _), _)| dn::key(handle).ok().map(Cow::into_owned)));
        let was = old.state.groups().map(GroupRef::handle).zip(&old.identities.groups);
        let was = was.zip(&old.groups).filter(|(_, slot)| slot.is_none());
        let left = was.filter(|((handle, id), _)| groups.get(id) != Some(handle));
        self.left.extend(left.filter_map(|((handle, _), _)| dn::key(handle).ok().map(Cow::into_owned)));
    }

    /// Accounts of both sides in the order of their names: what is added first gets the
    /// first number.
    fn accounts(&mut self, kept: &[bool]) -> Result<(), Unmergeable> {
        let (old, new) = (self.old.state, self.new.state);
        let old = old.accounts().zip(kept).filter(|(_, kept)| **kept).map(|(account, _)| account);
        let (same, ids) = (&self.same.accounts, &self.new.identities.accounts);
        let new = new.accounts().zip(ids).filter(|(_, id)| !same.contains(id)).map(|(account, _)| account);
        let clash = in_order(old, new, AccountRef::key, |account, old| self.account(account, old));
        clash.map_err(|account| Unmergeable::TwoOfOneName(account.name().to_owned()))
    }

    fn account(&mut self, account: AccountRef<'_>, old: bool) {
        let slot = self.builder.account(account.name(), account.handle());
        if let Some(id) = account.person_id() {
            self.builder.set_id(slot, id);
        }
        if let Some(object) = account.object_id() {
            self.builder.set_object(slot, object);
        }
        self.builder.set_status(slot, account.enabled(), account.ends());
        for n in 0..self.new.state.attributes().len() {
            for value in account.values(n) {
                let value = if old { value } else { self.called.account(n, value) };
                self.builder.add_value(slot, n, value);
            }
        }
        let side = if old { &mut self.old } else { &mut self.new };
        let number = account.id().0 as usize;
        if let Some(cell) = side.accounts.get_mut(number) {
            *cell = Some(slot);
        }
        self.out.accounts.extend(side.identities.accounts.get(number));
        if !old && let Some(key) = called(self.by_name, self.names, self.call(account.name(), account.handle())) {
            self.arrived.insert(&key, Found::Account(slot));
        }
    }

    /// What a member of that name and handle is usually written as.
    fn call<'t>(&self, name: &'t str, handle: &'t str) -> &'t str {
        if self.by_name { name } else { handle }
    }

    fn groups(&mut self, kept: &[bool]) -> Result<(), Unmergeable> {
        let (old, new) = (self.old.state, self.new.state);
        let old = old.groups().zip(kept).filter(|(_, kept)| **kept).map(|(group, _)| group);
        let (same, ids) = (&self.same.groups, &self.new.identities.groups);
        let new = new.groups().zip(ids).filter(|(_, id)| !same.contains(id)).map(|(group, _)| group);
        let clash = in_order(old, new, GroupRef::key, |group, old| self.group(group, old));
        clash.map_err(|group| Unmergeable::TwoOfOneName(group.name().to_owned()))
    }

    fn group(&mut self, group: GroupRef<'_>, old: bool) {
        let slot = self.builder.group(group.name(), group.handle());
        for (name, values) in group.attributes() {
            self.builder.set_group_attribute(slot, name, values.clone());
        }
        self.named.push((0, 0));
        let side = if old { &mut self.old } else { &mut self.new };
        let number = group.id().0;
        if let Some(cell) = side.groups.get_mut(number as usize) {
            *cell = Some(slot);
        }
        self.out.groups.extend(side.identities.groups.get(number as usize));
        if side.identities.ambiguous.contains(&number) {
            self.out.ambiguous.insert(slot.0);
        }
        if !old
            && !self.by_name
            && let Some(key) = called(false, self.names, group.handle())
        {
            self.arrived.insert(&key, Found::Group(slot));
        }
    }

    /// Looks once through what stays for what new or changed groups call.
    fn meet(&mut self) {
        for group in self.new.state.groups() {
            for other in group.others() {
                if let Member::Other(text) = other
                    && let Some(key) = called(self.by_name, self.names, text)
                {
                    self.wanted.insert(&key, None);
                }
            }
        }
        if self.wanted.is_empty() {
            return;
        }
        let (old, names) = (&self.old, self.names);
        let mut found = |call: &str, what: Found| {
            let Some(key) = called(self.by_name, names, call) else { return };
            if let Some(cell @ None) = self.wanted.get_mut(&key) {
                *cell = Some(what);
            }
        };
        for (account, slot) in old.state.accounts().zip(&old.accounts) {
            if let Some(slot) = slot {
                found(if self.by_name { account.name() } else { account.handle() }, Found::Account(*slot));
            }
        }
        if !self.by_name {
            for (group, slot) in old.state.groups().zip(&old.groups) {
                if let Some(slot) = slot {
                    found(group.handle(), Found::Group(*slot));
                }
            }
        }
    }

    /// Members of a group that the delta brought whole.
    fn members_of_new(&mut self, group: GroupRef<'_>) -> Result<(), Unmergeable> {
        let slot = self.new.groups.get(group.id().0 as usize).copied().flatten().ok_or(Unmergeable::Unfit)?;
        for member in group.members() {
            let account = self.new.account(member.0).ok_or(Unmergeable::Unfit)?;
            let spelling = self.new.spelling(group, Target::Account(member.0));
            self.member(slot, account, spelling);
        }
        for other in group.others() {
            match other {
                Member::Group(name) => {
                    let (nested, target) = self.new.group_named(name).ok_or(Unmergeable::Unfit)?;
                    let spelling = self.new.spelling(group, Target::Group(nested.id().0));
                    self.nested(slot, target.ok_or(Unmergeable::Unfit)?, spelling);
                }
                Member::Account(text) | Member::Other(text) => {
                    let key = called(self.by_name, self.names, text);
                    let found = key.and_then(|key| self.wanted.get(&key).flatten());
                    self.written(slot, found, text);
                }
            }
        }
        Ok(())
    }

    /// Members of a group that is as it was.
    fn members_of_old(&mut self, group: GroupRef<'_>) -> Result<(), Unmergeable> {
        let Some(slot) = self.old.groups.get(group.id().0 as usize).copied().flatten() else { return Ok(()) };
        for member in group.members() {
            let spelling = self.old.spelling(group, Target::Account(member.0));
            match (self.old.account(member.0), self.old.state.account(*member)) {
                (Some(account), _) => self.member(slot, account, spelling),
                (None, Some(was)) => {
                    self.ensure_clear(group)?;
                    self.remember(slot, was.handle());
                    let usual = self.call(was.name(), was.handle()).to_owned();
                    self.written_again(slot, spelling.unwrap_or(&usual));
                }
                (None, None) => return Err(Unmergeable::Unfit),
            }
        }
        for other in group.others() {
            match other {
                Member::Group(name) => {
                    let Some((nested, target)) = self.old.group_named(name) else { return Err(Unmergeable::Unfit) };
                    let spelling = self.old.spelling(group, Target::Group(nested.id().0));
                    if let Some(target) = target {
                        self.nested(slot, target, spelling);
                    } else {
                        self.ensure_clear(group)?;
                        self.remember(slot, nested.handle());
                        self.written_again(slot, spelling.unwrap_or(nested.handle()));
                    }
                }
                Member::Account(text) | Member::Other(text) => self.written_again(slot, text),
            }
        }
        Ok(())
    }

    /// A group has a member whose handle was this: if no entry left it, nothing happened
    /// to the group.
    fn remember(&mut self, slot: GroupSlot, handle: &str) {
        if !self.by_name && dn::key(handle).is_ok_and(|key| self.left.contains(key.as_ref())) {
            self.again.insert(slot.0);
        }
    }

    fn ensure_clear(&self, group: GroupRef<'_>) -> Result<(), Unmergeable> {
        if self.old.identities.ambiguous.contains(&group.id().0) {
            return Err(Unmergeable::Ambiguous(group.name().to_owned()));
        }
        Ok(())
    }

    /// A member that did not name anything of the base that stays: what arrived may be it.
    fn written_again(&mut self, slot: GroupSlot, text: &str) {
        let found = if self.arrived.is_empty() {
            None
        } else {
            called(self.by_name, self.names, text).and_then(|key| self.arrived.get(&key))
        };
        self.written(slot, found, text);
    }

    fn written(&mut self, slot: GroupSlot, found: Option<Found>, text: &str) {
        match found {
            Some(Found::Account(account)) => {
                let (name, handle) = self.builder.account_texts(account);
                let spelling = (self.call(name, handle) != text).then_some(text);
                self.member(slot, account, spelling);
            }
            Some(Found::Group(nested)) => {
                let spelling = (self.builder.group_texts(nested).1 != text).then_some(text);
                self.nested(slot, nested, spelling);
            }
            None => self.builder.other(slot, false, text),
        }
    }

    fn member(&mut self, group: GroupSlot, account: AccountSlot, spelling: Option<&str>) {
        self.builder.member(group, account, None);
        if let Some((accounts, _)) = self.named.get_mut(group.0 as usize) {
            *accounts += 1;
        }
        if let Some(spelling) = spelling {
            self.out.spelled.push(group.0, Target::Account(account.0), spelling);
        }
    }

    fn nested(&mut self, group: GroupSlot, nested: GroupSlot, spelling: Option<&str>) {
        let name = self.builder.group_texts(nested).0.to_owned();
        self.builder.other(group, true, &name);
        if let Some((_, groups)) = self.named.get_mut(group.0 as usize) {
            *groups += 1;
        }
        if let Some(spelling) = spelling {
            self.out.spelled.push(group.0, Target::Group(nested.0), spelling);
        }
    }
}
/// Both sides, each sorted by `key`, in one order; `each` also hears whether it is of the
/// old side. One of the new side whose key the old side has too is the error.
fn in_order<'k, T: Copy>(
    old: impl Iterator<Item = T>,
    new: impl Iterator<Item = T>,
    key: impl Fn(T) -> &'k str,
    mut each: impl FnMut(T, bool),
) -> Result<(), T> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let is_old = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => match key(*a).cmp(key(*b)) {
                Ordering::Less => true,
                Ordering::Greater => false,
                Ordering::Equal => return Err(*b),
            },
        };
        if let Some(item) = if is_old { old.next() } else { new.next() } {
            each(item, is_old);
        }
    }
}
