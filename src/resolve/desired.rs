//! What one directory should hold.
//!
//! Comes in: a resolution. Goes out: accounts of everybody, with names, values and
//! what is wanted of each, groups and memberships, in the one type that is also read
//! from directories. Refuses: handles (DNs are the provider's) and secrets.

use super::joiners::soon;
use super::nesting::{DesiredNesting, NestedGroup, nested};
use super::sponsor::unsponsored;
use super::values::Whose;
use super::{Placed, Resolution, Via, Want};
use crate::model::state::{AccountSlot, GroupSlot, StateError};
use crate::model::{AccountId, Enabled, Instant, Matching, State, StateBuilder, StateGroupId};
use crate::policy::rule::Verdict;
use crate::policy::settings::AttributeSource;
use crate::policy::{
    AccountsFor, Directory, DirectoryId, EntryId, Group, GroupId, Label, Manage, Person, PersonId, Policy, Position,
    Standing,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What one directory should hold.
#[derive(Debug, Clone, Default)]
pub struct DesiredDirectory {
    /// Accounts of everybody declared (whether or not one is wanted now), groups
    /// that the policy names and does not merely reference, and memberships.
    pub state: State,
    /// Beside each account of `state` its person.
    pub people: Vec<PersonId>,
    /// Beside each account of `state` what is wanted of it.
    pub wants: Vec<Want>,
    /// Beside each account of `state` the base that it belongs below; empty where there is
    /// only one.
    pub bases: Vec<Placed>,
    /// Which of `state`'s accounts are second ones; sorted.
    pub labels: Vec<(AccountId, Label)>,
    /// Who holds a group of `state` with a second account that is not declared here:
    /// nothing is granted to them. Sorted.
    pub lacking: Vec<(StateGroupId, PersonId, Label)>,
    /// Beside each group of `state` its number in the policy.
    pub groups: Vec<GroupId>,
    /// Groups that are members of groups.
    pub nesting: DesiredNesting,
    /// Memberships that hang on something unread: (group, account) numbers of
    /// `state`, sorted. Neither granted nor revoked.
    pub unsettled: Vec<(StateGroupId, AccountId)>,
}

impl DesiredDirectory {
    /// Which account of its person an account of `state` is.
    pub fn label(&self, account: AccountId) -> Label {
        let n = self.labels.binary_search_by_key(&account, |(account, _)| *account).ok();
        n.and_then(|n| self.labels.get(n)).map_or(Label::EVERYDAY, |(_, label)| *label)
    }
}

/// An account before it has a number.
struct Draft<'p> {
    key: Cow<'p, str>,
    name: &'p str,
    person: PersonId,
    label: Label,
}

/// What the directory should hold. `names` is how it compares names, `attributes` are
/// its own names of the compared account attributes.
///
/// # Errors
/// [`StateError`] when two people have accounts, or two groups names, that the
/// directory calls equal.
pub fn desired(
    policy: &Policy,
    resolution: &Resolution,
    directory: DirectoryId,
    names: Matching,
    attributes: &[Box<str>],
) -> Result<DesiredDirectory, StateError> {
    let builder = StateBuilder::new(names, attributes.iter().cloned());
    let drafts = drafts(policy, directory, names);
    let (slots, seconds) = (vec![None; policy.people.len()], BTreeMap::new());
    let mut maker = Maker { policy, resolution, directory, builder, slots, seconds };
    let groups = maker.groups(names);
    let entitled = maker.entitled(&groups);
    let sources = maker.sources(attributes);
    let mut wants = Vec::with_capacity(drafts.len());
    let mut bases = Vec::new();
    for draft in &drafts {
        let want = maker.account(draft, &sources, &entitled);
        wants.push(want);
        bases.extend(maker.base(draft, want));
    }
    let people = drafts.iter().map(|draft| draft.person).collect();
    drop(drafts);
    let (mut unsettled, mut lacking) = (Vec::new(), Vec::new());
    let numbers: BTreeMap<GroupId, u32> = (0u32..).zip(&groups).map(|(n, (_, group))| (*group, n)).collect();
    let mut nesting = DesiredNesting::default();
    for (number, (slot, group)) in (0u32..).zip(&groups) {
        let links = maker.links(*group, StateGroupId(number), &numbers, &mut nesting);
        let (covered, without) = maker.memberships(*slot, *group, &links);
        nesting.covered.extend(covered.into_iter().map(|account| (StateGroupId(number), account)));
        lacking.extend(without.into_iter().map(|(person, label)| (StateGroupId(number), person, label)));
        let accounts = resolution.unsettled(*group).filter_map(|(person, label)| maker.slot(person, label));
        unsettled.extend(accounts.map(|account| (StateGroupId(number), AccountId(account.0))));
    }
    unsettled.sort_unstable();
    nesting.links.sort_unstable();
    nesting.covered.sort_unstable();
    let mut labels: Vec<(AccountId, Label)> =
        maker.seconds.iter().map(|((_, label), slot)| (AccountId(slot.0), *label)).collect();
    labels.sort_unstable();
    Ok(DesiredDirectory {
        // Accounts and groups were added in the order of their keys: slots are numbers.
        state: maker.builder.finish()?,
        people,
        wants,
        bases,
        labels,
        lacking,
        groups: groups.iter().map(|(_, group)| *group).collect(),
        nesting,
        unsettled,
    })
}

/// Everybody's accounts in the order of their keys.
fn drafts(policy: &Policy, directory: DirectoryId, names: Matching) -> Vec<Draft<'_>> {
    let mut drafts = Vec::with_capacity(policy.people.len());
    for (n, person) in (0u32..).zip(&policy.people) {
        let here = person.accounts.iter().filter(|account| account.directory == directory);
        let second = here.map(|account| account.label).filter(|label| label.is_second());
        for label in [Label::EVERYDAY].into_iter().chain(second) {
            let Some(name) = person.account(directory, label) else { continue };
            drafts.push(Draft { key: names.key(name), name, person: PersonId(n), label });
        }
    }
    drafts.sort_by(|a, b| a.key.cmp(&b.key));
    drafts
}

struct Maker<'r, 'p> {
    policy: &'p Policy,
    resolution: &'r Resolution,
    directory: DirectoryId,
    builder: StateBuilder,
    /// Each person's everyday account here.
    slots: Vec<Option<AccountSlot>>,
    /// The second accounts here: few people have one.
    seconds: BTreeMap<(PersonId, Label), AccountSlot>,
}

impl<'p> Maker<'_, 'p> {
    fn settings(&self) -> Option<&'p Directory> {
        self.policy.directories.get(usize::from(self.directory.0))
    }

    fn slot(&self, person: PersonId, label: Label) -> Option<AccountSlot> {
        if label.is_second() {
            return self.seconds.get(&(person, label)).copied();
        }
        self.slots.get(person.0 as usize).copied().flatten()
    }

    /// The groups of the directory that are more than referenced, in the order of their keys.
    fn groups(&mut self, names: Matching) -> Vec<(GroupSlot, GroupId)> {
        let mine = |group: &&Group| group.directory == self.directory && group.manage != Manage::Reference;
        let numbered = (0u32..).zip(&self.policy.groups).filter(|(_, group)| mine(group));
        let mut list: Vec<(Cow<'_, str>, u32, &Group)> =
            numbered.map(|(n, group)| (names.key(&group.directory_name), n, group)).collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        let mut groups = Vec::with_capacity(list.len());
        for (_, n, group) in list {
            let slot = self.builder.group(&group.directory_name, "");
            if let Some(description) = &group.description {
                self.builder.set_group_attribute(slot, "description", vec![description.clone()]);
            }
            for (name, values) in &group.attributes {
                self.builder.set_group_attribute(slot, name, values.clone());
            }
            groups.push((slot, GroupId(n)));
        }
        groups
    }

    /// Whether each person holds something here with the everyday account.
    fn entitled(&self, groups: &[(GroupSlot, GroupId)]) -> Vec<bool> {
        let mut entitled = vec![false; self.policy.people.len()];
        let held = groups.iter().flat_map(|(_, group)| self.resolution.wanted(*group));
        for held in held.filter(|held| !held.label.is_second()) {
            if let Some(cell) = entitled.get_mut(held.person.0 as usize) {
                *cell = true;
            }
        }
        entitled
    }

    /// Where the value of each compared attribute comes from.
    fn sources(&self, attributes: &[Box<str>]) -> Vec<Option<&'p AttributeSource>> {
        let written = self.settings().map(|directory| &directory.settings.accounts.attributes);
        let source = |name: &str| written?.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, s)| s);
        attributes.iter().map(|name| source(name)).collect()
    }

    fn account(&mut self, draft: &Draft<'p>, sources: &[Option<&AttributeSource>], entitled: &[bool]) -> Want {
        let slot = self.builder.account(draft.name, "");
        let Some(person) = self.policy.people.get(draft.person.0 as usize) else {
            return Want::NotNeeded;
        };
        if draft.label.is_second() {
            self.seconds.insert((draft.person, draft.label), slot);
        } else if let Some(cell) = self.slots.get_mut(draft.person.0 as usize) {
            *cell = Some(slot);
        }
        if let Some(id) = &person.id {
            self.builder.set_id(slot, id);
        }
        let at = self.resolution.at();
        // Who writes a second account down wants it, whatever it holds.
        let needed =
            draft.label.is_second() || self.is_needed(person, entitled.get(draft.person.0 as usize) == Some(&true));
        let want = self.early(draft, person).unwrap_or_else(|| want(self.policy, draft.person, person, needed, at));
        // Of an account that is made ready everything is as it will be on the first day.
        let at = if let Want::Soon(begins) = want { begins } else { at };
        let enabled = if matches!(want, Want::Enabled | Want::NotNeeded) { Enabled::Yes } else { Enabled::No };
        let ends = match person.standing(at) {
            Standing::Left(end) => Some(end),
            _ => person.periods.iter().find(|period| period.window.contains(at)).and_then(|p| p.window.expires),
        };
        self.builder.set_status(slot, enabled, ends);
        if let Some(position) = main_position(person, at) {
            for (n, source) in sources.iter().enumerate() {
                let Some(source) = source else { continue };
                if let AttributeSource::Account { account } = source {
                    if let Some(name) = self.named_account(person, position, account, entitled) {
                        self.builder.add_value(slot, n, name);
                    }
                    continue;
                }
                let whose = Whose { policy: self.policy, person, position, account: draft.name, label: draft.label };
                for value in whose.values(source) {
                    self.builder.add_value(slot, n, &value);
                }
            }
        }
        want
    }

    /// The base that the account belongs below, where there are several: the first whose
    /// rule is true of what the account's values are taken from.
    fn base(&self, draft: &Draft<'p>, want: Want) -> Option<Placed> {
        let rules = self.settings().map(|directory| &directory.bases).filter(|rules| !rules.is_empty())?;
        let person = self.policy.people.get(draft.person.0 as usize);
        let at = if let Want::Soon(begins) = want { begins } else { self.resolution.at() };
        let position = person.and_then(|person| Some((person, main_position(person, at)?)));
        let written = self.settings().map_or(&[][..], |directory| directory.settings.accounts.bases.as_slice());
        let word = self.policy.label(draft.label);
        for (n, (rule, base)) in (0u16..).zip(rules.iter().zip(written)) {
            if base.account.as_deref().is_some_and(|account| Some(account) != word) {
                continue;
            }
            let rule = rule.and_then(|rule| self.policy.rules.get(rule.0 as usize));
            let verdict = match (rule, position) {
                (None, _) => Verdict::Yes,
                (Some(rule), Some((person, position))) => rule.verdict(self.policy, person, position),
                (Some(_), None) => Verdict::Unknown,
            };
            match verdict {
                Verdict::Yes => return Some(Placed::In(n)),
                Verdict::Unknown => return Some(Placed::Unknown(n)),
                Verdict::No => {}
            }
        }
        None
    }

    /// What is wanted of the account of somebody who is about to begin.
    fn early(&self, draft: &Draft<'p>, person: &Person) -> Option<Want> {
        let directory = self.settings()?;
        let is_ready = draft.label.is_second() || self.resolution.joiners.has(self.directory, draft.person);
        let begins = || soon(self.policy, directory, draft.person, person, self.resolution.at());
        is_ready.then(begins).flatten().map(Want::Soon)
    }

    /// The account, here, of the person whom a field names, if they have one now.
    fn named_account(&self, person: &Person, position: &Position, field: &str, entitled: &[bool]) -> Option<&'p str> {
        let id = match field {
            "manager" => position.manager,
            "sponsor" => person.sponsor,
            _ => person.owner,
        }?;
        let other = self.policy.people.get(id.0 as usize)?;
        let needed = self.is_needed(other, entitled.get(id.0 as usize) == Some(&true));
        let want = want(self.policy, id, other, needed, self.resolution.at());
        matches!(want, Want::Enabled | Want::OnLeave).then(|| other.account(self.directory, Label::EVERYDAY)).flatten()
    }

    /// Whether `accounts.for` gives the person an account.
    fn is_needed(&self, person: &Person, entitled: bool) -> bool {
        let at = self.resolution.at();
        match self.settings().map_or(AccountsFor::Entitled, |directory| directory.accounts_for) {
            AccountsFor::Entitled => entitled,
            AccountsFor::Everyone => true,
            AccountsFor::Rule(rule) => {
                let rule = self.policy.rules.get(rule.0 as usize);
                let mut now = person.positions.iter().filter(|position| position.window.contains(at));
                entitled || rule.is_some_and(|rule| now.any(|p| rule.verdict(self.policy, person, p) == Verdict::Yes))
            }
        }
    }

    /// The entries of a group that are links to groups.
    fn links(
        &self,
        group: GroupId,
        number: StateGroupId,
        numbers: &BTreeMap<GroupId, u32>,
        nesting: &mut DesiredNesting,
    ) -> Vec<EntryId> {
        let mut links = Vec::new();
        let nested = nested(self.policy, self.resolution, group);
        // An entry of several groups is a link as a whole or not at all: what it gave is known by the entry alone.
        let is_link = |entry: EntryId| nested.iter().all(|one| one.entry != entry || one.resolved.is_none());
        for one in &nested {
            if let Some(member) = numbers.get(&one.member).filter(|_| is_link(one.entry)) {
                nesting.links.push(NestedGroup { group: number, member: StateGroupId(*member), entry: one.entry });
                links.push(one.entry);
            } else {
                let why = one.resolved.clone().unwrap_or_else(|| "another group of the entry is resolved".to_owned());
                nesting.resolved.push((group, one.member, why));
            }
        }
        links
    }

    /// Puts the accounts of a group into it; says which are in it by links, and who lacks
    /// the account that would be.
    fn memberships(
        &mut self,
        slot: GroupSlot,
        group: GroupId,
        links: &[EntryId],
    ) -> (Vec<AccountId>, Vec<(PersonId, Label)>) {
        let (mut covered, mut lacking) = (Vec::new(), Vec::new());
        for held in self.resolution.wanted(group) {
            match self.slot(held.person, held.label) {
                None => lacking.push((held.person, held.label)),
                Some(account) if matches!(held.via, Via::Entry(entry) if links.contains(&entry)) => {
                    covered.push(AccountId(account.0));
                }
                Some(account) => self.builder.member(slot, account, held.ends),
            }
        }
        lacking.sort_unstable();
        (covered, lacking)
    }
}

/// What is wanted of a person's account. Somebody whose sponsor has been gone for
/// longer than the grace of `sponsor_gone: {then: disable}` is treated like somebody
/// on leave: the account cannot be used, the memberships stay.
fn want(policy: &Policy, id: PersonId, person: &Person, needed: bool, at: Instant) -> Want {
    match person.standing(at) {
        Standing::Future(begins) => Want::NotYet(begins),
        Standing::Left(end) => Want::Left(end),
        Standing::OnLeave(_) => Want::OnLeave,
        Standing::Present(_) if unsponsored(policy, id, at).is_some() => Want::OnLeave,
        Standing::Present(_) if needed => Want::Enabled,
        Standing::Present(_) => Want::NotNeeded,
    }
}

/// The position whose attributes an account carries: the first in force, otherwise
/// the one that ended last, otherwise the first to come.
pub(super) fn main_position(person: &Person, at: Instant) -> Option<&Position> {
    let now = person.positions.iter().find(|position| position.window.contains(at));
    let begun = || person.positions.iter().filter(|position| !position.window.is_future(at));
    now.or_else(|| begun().max_by_key(|position| position.window.expires))
        .or_else(|| person.positions.iter().min_by_key(|position| position.window.starts))
}
