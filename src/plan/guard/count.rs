//! How many a class touches somewhere, and of how many.
//!
//! Comes in: drafts, what the directory holds, what runs did lately. Goes out: people or
//! objects, each once, and the number that the percentage is of: as it was before the runs of
//! the last day, because those move it. Refuses: to judge.

use super::{Class, Scope};
use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef};
use crate::model::{AccountId, Action, Enabled, Instant, Matching};
use crate::plan::draft::Draft;
use crate::plan::order::Ground;
use crate::plan::recent::{self, Counted, Recent, Touched};
use crate::plan::{DirectoryInput, Inputs, Memory};
use crate::policy::PersonId;
use crate::resolve::DesiredDirectory;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Somebody or something that counts once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whom<'a> {
    /// A person with several accounts.
    Person(PersonId),
    /// An account, or a group, by comparison key.
    Object(Cow<'a, str>),
    /// A member that is no account, or somebody who is in a group by a link.
    Other(String),
}

/// One class in one place.
pub(super) struct Count<'a> {
    of: Option<(DirectoryInput<'a>, &'a DesiredDirectory)>,
    memory: &'a Memory,
    at: Instant,
    class: Class,
    scope: &'a Scope,
    directory: &'a str,
    called: &'a Called,
    /// Comparison key of an account of somebody with several → whose it is.
    several: BTreeMap<String, PersonId>,
}

/// What runs called groups lately: found for all at once, because there may be thousands of
/// groups here and there.
pub(super) struct Called(BTreeMap<(String, String), Vec<Option<String>>>);

impl Called {
    /// By directory and the comparison key of what a group is called now.
    pub(super) fn new(ground: &Ground<'_>, memory: &Memory) -> Self {
        let mut called: BTreeMap<(String, String), Vec<Option<String>>> = BTreeMap::new();
        for (directory, name) in memory.recent.groups() {
            let number = ground.policy.directories.iter().position(|one| *one.name == *directory);
            let of = number.and_then(|number| ground.of(u16::try_from(number).ok()?));
            let key = |name: &str| match of {
                Some((input, _)) => input.kind.capabilities().names.key(name).into_owned(),
                None => name.to_owned(),
            };
            let now = memory.earlier_groups.get(&(directory.to_owned(), name.to_owned()));
            let keys: BTreeSet<String> = [Some(key(name)), now.map(|now| key(now))].into_iter().flatten().collect();
            for key in keys {
                called.entry((directory.to_owned(), key)).or_default().push(Some(name.to_owned()));
            }
        }
        Self(called)
    }
}

impl<'a> Count<'a> {
    pub(super) fn new(
        ground: &Ground<'a>,
        inputs: &Inputs<'a>,
        called: &'a Called,
        (class, scope): (Class, &'a Scope),
    ) -> Self {
        let directory = ground.policy.directories.get(usize::from(scope.directory)).map_or("", |d| d.name.as_ref());
        let of = ground.of(scope.directory);
        // Accounts are disabled and deleted one by one; memberships are lost by people.
        let counts_people = matches!(class, Class::Revocations | Class::Grants);
        let several = of.filter(|_| counts_people).map(|(_, desired)| one_person(desired)).unwrap_or_default();
        Self { of, memory: inputs.memory, at: inputs.at, class, scope, directory, called, several }
    }

    /// How many people or objects drafts touch, each once.
    pub(super) fn touched<'d>(&self, numbers: &[u32], drafts: &'d [Draft]) -> BTreeSet<Whom<'d>>
    where
        'a: 'd,
    {
        let mut touched: BTreeSet<Whom<'d>> = BTreeSet::new();
        let several: BTreeSet<PersonId> = self.several.values().copied().collect();
        for draft in numbers.iter().filter_map(|n| drafts.get(*n as usize)) {
            let object = &draft.change.object;
            match (draft.action(), &object.account, &object.group) {
                (Action::DeleteGroup, _, Some(name)) if self.class == Class::Revocations => {
                    let Some((state, group)) = self.group(name) else { continue };
                    touched.extend(group.others().map(|other| Whom::Other(format!("{other:?}"))));
                    let accounts = group.members().iter().filter_map(|id| state.observed.state.account(*id));
                    touched.extend(accounts.map(|account| self.whom(account.name())));
                }
                (_, Some(account), _) => {
                    let person = draft.person.filter(|person| several.contains(person));
                    touched.insert(person.map_or_else(|| self.whom(account), Whom::Person));
                }
                (_, None, Some(group)) if object.member.is_none() => drop(touched.insert(self.whom(group))),
                _ if draft.people.is_empty() => drop(touched.insert(Whom::Other(recent::name(object)))),
                // Everybody in a group that becomes a member.
                _ => touched.extend(draft.people.iter().map(|person| by_link(*person))),
            }
        }
        touched
    }

    /// The number of all of them and of those that runs touched lately.
    pub(super) fn with_earlier(&self, people: &BTreeSet<Whom<'_>>) -> u64 {
        let earlier = self.recent(self.class.counted(self.scope.groups), self.scope.group.as_deref());
        if earlier == Touched::default() {
            return people.len() as u64;
        }
        let linked = self.linked(&earlier);
        let whom = earlier.names.keys().flat_map(|name| match linked.get(name) {
            Some(people) if !people.is_empty() => people.iter().map(|person| by_link(*person)).collect(),
            _ => vec![self.whom(name)],
        });
        let others: BTreeSet<Whom<'_>> = whom.filter(|whom| !people.contains(whom)).collect();
        people.len() as u64 + others.len() as u64 + earlier.more
    }

    /// Links that are among them → who is in the group by links.
    fn linked(&self, earlier: &Touched) -> BTreeMap<String, Vec<PersonId>> {
        let Some((_, desired)) = self.of else { return BTreeMap::new() };
        let links = desired.nesting.links.iter().filter_map(|link| {
            let inside = desired.state.group(link.member)?;
            let key = format!("{:?}", OtherMember::Group(inside.name().to_owned()));
            let outside = desired.state.group(link.group)?;
            let here = self.scope.group.as_deref().is_none_or(|group| self.is_called(group, outside.name()));
            (here && earlier.names.contains_key(&key)).then(|| {
                let person = |account: AccountId| desired.people.get(account.0 as usize).copied();
                (key, desired.nesting.covered_in(link.group).filter_map(person).collect())
            })
        });
        links.collect()
    }

    /// Of how many, and of what.
    pub(super) fn base(&self) -> (u64, &'static str) {
        let Some((input, desired)) = self.of else { return (0, "") };
        let state = &input.observed.state;
        match (self.class, &self.scope.group) {
            (Class::Revocations | Class::Grants, Some(group)) => {
                let members = state.group_named(group).map_or(&[][..], GroupRef::members);
                let members = counted(members.iter().filter_map(|id| state.account(*id)), &self.several);
                let taken = self.recent(Counted::Revocations, Some(group)).changes();
                ((members + taken).saturating_sub(self.given(Some(group)).changes()), "members")
            }
            (Class::Revocations | Class::Grants, None) => (self.holders(), "people who hold something"),
            (Class::Disables, _) => {
                let declared = desired.state.accounts().filter_map(|account| state.account_named(account.name()));
                let usable = declared.filter(|account| account.enabled() != Enabled::No).count() as u64;
                let is_off = |name: &str| state.account_named(name).is_none_or(|a| a.enabled() == Enabled::No);
                (usable + self.gone(Counted::Disables, is_off), "declared accounts")
            }
            (Class::Deletions, _) if self.scope.groups => {
                let gone = self.gone(Counted::GroupDeletions, |name| state.group_named(name).is_none());
                (state.group_count() as u64 + gone, "groups")
            }
            (Class::Deletions, _) => {
                let gone = self.gone(Counted::Deletions, |name| state.account_named(name).is_none());
                (state.account_count() as u64 + gone, "accounts")
            }
        }
    }

    /// People who held something before the runs of the last day.
    fn holders(&self) -> u64 {
        let Some((input, desired)) = self.of else { return 0 };
        let state = &input.observed.state;
        let mut held = vec![0u64; state.account_count()];
        let managed = desired.state.groups().filter_map(|group| state.group_named(group.name()));
        for account in managed.flat_map(GroupRef::members) {
            if let Some(cell) = held.get_mut(account.0 as usize) {
                *cell += 1;
            }
        }
        let (taken, given) = (self.recent(Counted::Revocations, None), self.given(None));
        let mut gone = 0;
        for (name, times) in &taken.names {
            match state.account_named(name).and_then(|account| held.get_mut(account.id().0 as usize)) {
                Some(cell) => *cell += times,
                None => gone += 1,
            }
        }
        for (name, times) in &given.names {
            if let Some(cell) = state.account_named(name).and_then(|account| held.get_mut(account.id().0 as usize)) {
                *cell = cell.saturating_sub(*times);
            }
        }
        let holders = state.accounts().zip(&held).filter(|(_, held)| **held > 0).map(|(account, _)| account);
        counted(holders, &self.several) + gone
    }

    /// What runs gave lately, where that makes the number smaller that grants are held against.
    /// Somebody who can lose something counts, since whenever.
    fn given(&self, group: Option<&str>) -> Touched {
        if self.class == Class::Grants { self.recent(Counted::Grants, group) } else { Touched::default() }
    }

    /// How many of those that runs touched lately are not counted any more.
    fn gone(&self, counted: Counted, is_gone: impl Fn(&str) -> bool) -> u64 {
        let touched = self.recent(counted, None);
        touched.names.keys().filter(|name| is_gone(name)).count() as u64 + touched.more
    }

    fn recent(&self, counted: Counted, group: Option<&str>) -> Touched {
        let recent: &Recent = &self.memory.recent;
        match group {
            None => recent.touched(counted, self.directory, &[None], self.at),
            Some(group) => {
                let key = self.names().map_or_else(|| group.to_owned(), |names| names.key(group).into_owned());
                let names = self.called.0.get(&(self.directory.to_owned(), key));
                recent.touched(counted, self.directory, names.map_or(&[], Vec::as_slice), self.at)
            }
        }
    }

    /// Whether a group is called so now, or was before accord set out to rename it.
    fn is_called(&self, group: &str, name: &str) -> bool {
        let same = |name: &str| match self.names() {
            Some(names) => names.key(name) == names.key(group),
            None => name == group,
        };
        let now = || self.memory.earlier_groups.get(&(self.directory.to_owned(), name.to_owned()));
        same(name) || now().is_some_and(|now| same(now))
    }

    fn names(&self) -> Option<Matching> {
        self.of.map(|(input, _)| input.kind.capabilities().names)
    }

    fn group(&self, name: &str) -> Option<(DirectoryInput<'a>, GroupRef<'a>)> {
        let (input, _) = self.of?;
        Some((input, input.observed.state.group_named(name)?))
    }

    fn whom<'n>(&self, name: &'n str) -> Whom<'n> {
        let key = self.names().map_or(Cow::Borrowed(name), |names| names.key(name));
        match self.several.get(key.as_ref()) {
            Some(person) => Whom::Person(*person),
            None => Whom::Object(key),
        }
    }
}

fn by_link(person: PersonId) -> Whom<'static> {
    Whom::Other(format!("person {}", person.0))
}

/// Whose each second account of a directory is, and the everyday account of the same
/// person, by comparison key: people are counted once, with however many accounts.
fn one_person(desired: &DesiredDirectory) -> BTreeMap<String, PersonId> {
    if desired.labels.is_empty() {
        return BTreeMap::new();
    }
    let of = |account: AccountId| desired.people.get(account.0 as usize).copied();
    let several: BTreeSet<PersonId> = desired.labels.iter().filter_map(|(account, _)| of(*account)).collect();
    let accounts = desired.state.accounts().filter_map(|account| Some((account.key().to_owned(), of(account.id())?)));
    accounts.filter(|(_, person)| several.contains(person)).collect()
}

/// How many people accounts are, as far as somebody has several.
fn counted<'s>(accounts: impl Iterator<Item = AccountRef<'s>>, people: &BTreeMap<String, PersonId>) -> u64 {
    let (mut alone, mut several) = (0, BTreeSet::new());
    for account in accounts {
        match people.get(account.key()) {
            Some(person) => drop(several.insert(*person)),
            None => alone += 1,
        }
    }
    alone + several.len() as u64
}
