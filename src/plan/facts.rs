//! Why each change is in the plan, down to file and line, each text once.
//!
//! Comes in: drafts. Goes out: indices into one list of facts. Refuses: a change
//! without a place: where the policy has none for it, the directory's own is given.

use super::draft::{Draft, Why};
use super::{Fact, Plan};
use crate::model::change::OtherMember;
use crate::model::{Change, Instant, Place};
use crate::policy::{Directory, Group, GroupId, Label, Person, PersonId, Policy, Select};
use crate::resolve;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Who can say why somebody holds something, or no longer does.
pub trait Explain {
    /// From the person to the entitlement: why the person holds the group with that account.
    fn holds(&self, person: PersonId, label: Label, group: GroupId) -> Vec<(String, Place)>;
    /// Why the person does not, with that account: what ended, what takes it away. May be empty.
    fn holds_not(&self, person: PersonId, label: Label, group: GroupId) -> Vec<(String, Place)>;
    /// What gave it to somebody who has left, as far as the policy still knows.
    fn gave(&self, _person: PersonId, _group: GroupId) -> Option<(String, Place)> {
        None
    }
}

/// The facts of one plan.
pub(super) struct Facts<'a> {
    policy: &'a Policy,
    at: Instant,
    explain: &'a dyn Explain,
    list: Vec<Fact>,
    /// Positions in `list`, found by what stands there.
    known: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
}

/// What makes two facts the same.
fn parts(fact: &Fact) -> (&str, &str, u32) {
    (&fact.text, fact.file.as_deref().unwrap_or_default(), fact.line.unwrap_or_default())
}

impl<'a> Facts<'a> {
    pub(super) fn new(policy: &'a Policy, at: Instant, explain: &'a dyn Explain) -> Self {
        Self {
            policy,
            at,
            explain,
            list: Vec::new(),
            known: HashTable::new(),
            hasher: foldhash::quality::RandomState::default(),
        }
    }

    pub(super) fn into_list(self) -> Vec<Fact> {
        self.list
    }

    /// The chain of one draft.
    pub(super) fn because(&mut self, draft: &Draft) -> Vec<u32> {
        let mut chain = self.chain(draft);
        if chain.is_empty()
            && let Some(directory) = self.policy.directories.get(usize::from(draft.directory))
        {
            chain.push((format!("directory {}", directory.name), directory.place));
        }
        chain.into_iter().map(|(text, place)| self.intern(text, place)).collect()
    }

    fn intern(&mut self, text: String, place: Place) -> u32 {
        let (file, line) = self.policy.locate(place);
        let hash = self.hasher.hash_one((text.as_str(), &*file, line));
        let same = |n: &u32| self.list.get(*n as usize).is_some_and(|fact| parts(fact) == (&text, &file, line));
        if let Some(position) = self.known.find(hash, same) {
            return *position;
        }
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(Fact { text, file: Some(file.to_string()), line: Some(line) });
        let (list, hasher) = (&self.list, &self.hasher);
        self.known.insert_unique(hash, next, |n| hasher.hash_one(list.get(*n as usize).map_or(("", "", 0), parts)));
        next
    }

    /// Why a group becomes or is no longer a member of a group, or covers an account.
    fn nesting(&self, draft: &Draft, group: &Group) -> (String, Place) {
        let outside =
            format!("{}/{}", draft.change.directory, draft.change.object.group.as_deref().unwrap_or_default());
        match draft.why {
            Why::NestsNot => (format!("no entry of {outside} makes it a member as a group now"), group.place),
            Why::Covered => (format!("a group in {outside} has this person, and is a member itself"), group.place),
            _ => {
                let inside = draft.change.object.member.as_ref().map(|member| match member {
                    OtherMember::Group(text) | OtherMember::Other(text) => text.as_str(),
                });
                nests(self.policy, group, inside.unwrap_or_default())
            }
        }
    }

    fn chain(&self, draft: &Draft) -> Vec<(String, Place)> {
        let person = draft.person.and_then(|id| Some((id, self.policy.people.get(id.0 as usize)?)));
        let group = draft.group.and_then(|id| Some((id, self.policy.groups.get(id.0 as usize)?)));
        let directory = self.policy.directories.get(usize::from(draft.directory));
        let name = draft.change.object.group.as_deref().unwrap_or_default();
        let here = draft.change.directory.as_str();
        let mut chain = Vec::new();
        match (draft.why, person, group) {
            (Why::Holds, Some((person, _)), Some((group, _))) => chain = self.explain.holds(person, draft.label, group),
            (Why::HoldsNot, Some((id, person)), Some((group, written))) => {
                chain = self.explain.holds_not(id, draft.label, group);
                if chain.is_empty() {
                    chain.push((format!("nothing gives {here}/{name} to {} now", person.key), written.place));
                }
            }
            (Why::Unapproved, Some((_, person)), Some((_, written))) => {
                let text = format!("what gives {here}/{name} to {} is not approved", person.key);
                chain.push((text, written.place));
            }
            (Why::Left(end), Some((id, person)), held) => {
                let gave = held.and_then(|(group, _)| self.explain.gave(id, group));
                chain.push(gave.unwrap_or_else(|| left(self.policy, person, end)));
            }
            (Why::Early(begins), Some((_, person)), _) => chain = early(self.policy, person, begins, directory),
            (Why::OnLeave, Some((id, person)), _) => chain.push(absent(self.policy, id, person, self.at)),
            (Why::Declared, Some((_, person)), _) => chain.push((declared(self.policy, person, self.at), person.place)),
            (Why::Undeclared, _, Some((_, group))) => {
                let account = draft.change.object.account.as_deref().unwrap_or_default();
                chain.push((
                    format!("nobody declared {account}; {here}/{name} holds exactly what is written"),
                    group.place,
                ));
            }
            (Why::Others, _, Some((_, group))) => chain.push((says_others(here, name), group.place)),
            (Why::Renamed, person, Some((_, group))) => {
                let left = match &draft.change.object.member {
                    Some(OtherMember::Group(text) | OtherMember::Other(text)) => text.as_str(),
                    None => "the member",
                };
                let whose = person.map(|(_, person)| format!(", the account of {}", person.key)).unwrap_or_default();
                let place = person.map_or(group.place, |(_, person)| person.place);
                chain.push((format!("{left} was renamed or moved{whose}; nothing has that name any more"), place));
            }
            (Why::Follows, _, Some((_, group))) => {
                chain.push((format!("{here}/{name} lists it under its earlier name"), group.place));
            }
            (Why::Nests | Why::NestsNot | Why::Covered, _, Some((_, group))) => {
                chain.push(self.nesting(draft, group));
            }
            (Why::Group, _, Some((_, group))) => chain.push((format!("group {here}/{name}"), group.place)),
            (Why::Gone, _, _) => {
                let text = format!("{} was declared in an earlier commit and no longer is", self.gone(draft));
                chain.extend(directory.map(|directory| (text, directory.place)));
            }
            (Why::Exclusive, _, _) => {
                let text = format!("groups of {here} are managed exclusively, and no file names {name}");
                chain.extend(directory.map(|directory| (text, directory.place)));
            }
            _ => {}
        }
        chain
    }

    /// What no file names any more: a person, or one of somebody's accounts.
    fn gone(&self, draft: &Draft) -> String {
        let who = draft.change.person.as_deref();
        let stays = who.is_some_and(|key| self.policy.person_named(key).is_some());
        match (who, &draft.change.label) {
            (Some(who), Some(label)) if stays => format!("the account {label} of {who}"),
            (Some(who), _) => who.to_owned(),
            (None, _) => "it, or its person,".to_owned(),
        }
    }
}

fn says_others(here: &str, name: &str) -> String {
    format!("{here}/{name} says `others: revoke`")
}

/// The entry by which a group is a member of a group.
fn nests(policy: &Policy, outside: &Group, inside: &str) -> (String, Place) {
    let entries = outside.members.iter().filter_map(|id| policy.entries.get(id.0 as usize));
    let is_it = |id: &GroupId| {
        let group = policy.groups.get(id.0 as usize);
        group.is_some_and(|group| {
            group.directory_name.eq_ignore_ascii_case(inside) || group.previously.as_deref() == Some(inside)
        })
    };
    let mut naming = entries.filter(|entry| match &entry.select {
        Select::Group(group) => is_it(group),
        Select::Groups(glob) => glob.groups.iter().any(is_it),
        _ => false,
    });
    let place = naming.next().map_or(outside.place, |entry| entry.place);
    let directory = policy.directories.get(usize::from(outside.directory.0)).map_or("?", |one| one.name.as_ref());
    (format!("group: {directory}/{inside}"), place)
}

/// `contractor of Initech, sponsor wei.chen, until 2027-04-01 00:00`; `service, owner
/// wei.chen`, or who answers in the owner's place.
fn declared(policy: &Policy, person: &Person, at: Instant) -> String {
    let key = |id: PersonId| policy.people.get(id.0 as usize).map(|person| &person.key);
    let sponsor = person.sponsor.and_then(key).map(|sponsor| format!(", sponsor {sponsor}")).unwrap_or_default();
    let owner = person.owner.filter(|_| person.sponsor.is_none()).and_then(|owner| {
        let name = key(owner)?;
        Some(match resolve::answering(policy, owner, at) {
            Some(answers) if answers == owner => format!(", owner {name}"),
            Some(answers) => format!(", owner {name} left, {} answers", key(answers)?),
            None => format!(", owner {name} left, nobody answers"),
        })
    });
    let sponsor = owner.unwrap_or(sponsor);
    let period = person.periods.iter().find(|period| period.window.contains(at));
    let until = period.and_then(|period| period.window.expires);
    let until = until.map(|end| format!(", until {}", end.civil(&policy.timezone))).unwrap_or_default();
    format!("{}{sponsor}{until}", kind(policy, person))
}

/// `contractor of Initech`.
fn kind(policy: &Policy, person: &Person) -> String {
    let kind = policy.kinds.get(usize::from(person.kind.0)).map_or("person", |kind| kind.name.as_ref());
    let company = person.company.as_ref().map(|company| format!(" of {company}")).unwrap_or_default();
    format!("{kind}{company}")
}

/// How the setting behind an account that is made ready ends.
const READY: &str = "before, disabled until then";

/// Whether a change is about an account that is made ready, whose person has not begun:
/// the setting stands beside who it is.
pub fn is_ready_early(plan: &Plan, change: &Change) -> bool {
    let facts = change.because.iter().filter_map(|n| plan.facts.get(*n as usize));
    facts.skip(1).any(|fact| fact.text.ends_with(READY))
}

/// `employee, begins 2026-10-01 00:00`, and that the directory makes accounts before that.
fn early(policy: &Policy, person: &Person, begins: Instant, directory: Option<&Directory>) -> Vec<(String, Place)> {
    let period = person.periods.iter().find(|period| period.window.starts == Some(begins));
    let text = format!("{}, begins {}", kind(policy, person), begins.civil(&policy.timezone));
    let mut chain = vec![(text, period.map_or(person.place, |period| period.place))];
    let setting =
        directory.and_then(|directory| Some((directory, directory.settings.accounts.create_before.as_ref()?)));
    chain.extend(
        setting.map(|(directory, before)| {
            (format!("{} makes accounts {before} {READY}", directory.name), directory.place)
        }),
    );
    chain
}

fn left(policy: &Policy, person: &Person, end: Instant) -> (String, Place) {
    let period = person.periods.iter().find(|period| period.window.expires == Some(end));
    let text = format!("{}, ended {}", kind(policy, person), end.civil(&policy.timezone));
    (text, period.map_or(person.place, |period| period.place))
}

/// `contractor, on leave, back 2027-02-01 00:00`, or `contractor, sponsor wei.chen left
/// 2026-12-01 00:00, grace of 14d ended 2026-12-15 00:00`.
fn absent(policy: &Policy, id: PersonId, person: &Person, at: Instant) -> (String, Place) {
    let kind = kind(policy, person);
    if let Some(leave) = person.leave.iter().find(|leave| leave.window.contains(at)) {
        let back = leave.window.expires.map(|back| format!(", back {}", back.civil(&policy.timezone)));
        return (format!("{kind}, on leave{}", back.unwrap_or_default()), leave.place);
    }
    let Some(gone) = resolve::unsponsored(policy, id, at) else { return (format!("{kind}, on leave"), person.place) };
    let sponsor = policy.people.get(gone.sponsor.0 as usize).map_or("?", |sponsor| sponsor.key.as_ref());
    let (since, until) = (gone.since.civil(&policy.timezone), gone.until.civil(&policy.timezone));
    (format!("{kind}, {} {since}, grace of {} ended {until}", gone.words(sponsor), gone.grace), gone.place)
}
