//! Who is about to begin, or to come back, and gets an account ready for that day.
//!
//! Comes in: the policy, references, an instant. Goes out: per directory the people whose
//! period begins within its `create_before`, if they are to have an account there then.
//! Refuses: people who begin on leave or without a sponsor (their account could not be
//! used on that day either), and whoever only gets something there later.

use super::sponsor::unsponsored;
use super::{References, resolve};
use crate::model::Instant;
use crate::policy::rule::Verdict;
use crate::policy::settings::LeaverAction;
use crate::policy::{
    AccountsFor, Directory, DirectoryId, GroupId, Holding, Label, Manage, Person, PersonId, Policy, Standing,
};
use std::collections::{BTreeMap, BTreeSet};

/// Who is about to begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Joiners {
    /// Those who are to have an account in the directory.
    own: BTreeSet<(DirectoryId, PersonId)>,
}

impl Joiners {
    /// Everybody who is about to begin at `at`.
    pub(super) fn new(policy: &Policy, references: &References, at: Instant) -> Self {
        let mut soon_here = Vec::new();
        for (directory, id, person, settings) in candidates(policy) {
            if let Some(begins) = soon(policy, settings, id, person, at) {
                soon_here.push((directory, id, begins));
            }
        }
        Self { own: given(policy, references, soon_here).map(|(directory, id, _)| (directory, id)).collect() }
    }

    /// Whether the person is to have an account there when they begin.
    pub(super) fn has(&self, directory: DirectoryId, person: PersonId) -> bool {
        self.own.contains(&(directory, person))
    }
}

/// An account that is made before somebody's first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Early {
    /// When it is made, disabled.
    pub created: Instant,
    /// When the person begins: it is enabled.
    pub begins: Instant,
    /// Who.
    pub person: PersonId,
    /// Which of their accounts.
    pub label: Label,
    /// Where.
    pub directory: DirectoryId,
}

/// Accounts that are made after `at` and not after `until` before somebody's first day,
/// as far as is written.
pub fn early_accounts(policy: &Policy, references: &References, at: Instant, until: Instant) -> Vec<Early> {
    let mut list = Vec::new();
    for (directory, id, person, settings) in candidates(policy) {
        let Some(before) = settings.settings.accounts.create_before() else { continue };
        for begins in person.periods.iter().filter_map(|period| period.window.starts) {
            let created = begins.plus(-before.seconds());
            if at < created && created <= until && soon(policy, settings, id, person, created) == Some(begins) {
                list.push((directory, id, begins));
            }
        }
    }
    // A second account is wanted by whoever writes it down, whatever it holds.
    let second = list.iter().flat_map(|(directory, id, begins)| {
        let accounts = policy.people.get(id.0 as usize).map_or(&[][..], |person| person.accounts.as_slice());
        let here = accounts.iter().filter(|account| account.directory == *directory && account.label.is_second());
        here.map(|account| (*directory, *id, account.label, *begins))
    });
    let mut all: BTreeSet<(DirectoryId, PersonId, Label, Instant)> = second.collect();
    let everyday = given(policy, references, list);
    all.extend(everyday.map(|(directory, id, begins)| (directory, id, Label::EVERYDAY, begins)));
    let of = |(directory, person, label, begins): (DirectoryId, PersonId, Label, Instant)| {
        let settings = policy.directories.get(usize::from(directory.0))?;
        let before = settings.settings.accounts.create_before()?;
        Some(Early { created: begins.plus(-before.seconds()), begins, person, label, directory })
    };
    all.into_iter().filter_map(of).collect()
}

/// Everybody, for every directory that makes accounts early.
fn candidates(policy: &Policy) -> impl Iterator<Item = (DirectoryId, PersonId, &Person, &Directory)> {
    let early = (0u16..).zip(&policy.directories).filter(|(_, d)| d.settings.accounts.create_before().is_some());
    early.flat_map(|(n, directory)| {
        (0u32..).zip(&policy.people).map(move |(m, person)| (DirectoryId(n), PersonId(m), person, directory))
    })
}

/// Those of `list` who are to have an account there when they begin.
fn given(
    policy: &Policy,
    references: &References,
    list: Vec<(DirectoryId, PersonId, Instant)>,
) -> impl Iterator<Item = (DirectoryId, PersonId, Instant)> {
    let mut found = BTreeSet::new();
    // Those whose account hangs on what they will hold, by the instant at which they begin.
    let mut open: BTreeMap<Instant, Vec<(DirectoryId, PersonId)>> = BTreeMap::new();
    for (directory, id, begins) in list {
        let settings = policy.directories.get(usize::from(directory.0));
        let (Some(settings), Some(person)) = (settings, policy.people.get(id.0 as usize)) else { continue };
        if is_given(policy, settings, person, begins) {
            found.insert((directory, id, begins));
        } else {
            open.entry(begins).or_default().push((directory, id));
        }
    }
    for (begins, people) in open {
        let then = resolve(policy, references, begins);
        let holds = |directory: DirectoryId, person: PersonId| {
            let groups = (0u32..).zip(&policy.groups);
            let mut mine =
                groups.filter(|(_, group)| group.directory == directory && group.manage != Manage::Reference);
            mine.any(|(n, _)| then.held_with(person, Label::EVERYDAY, Holding::Group(GroupId(n))).is_some())
        };
        let some = people.into_iter().filter(|(directory, person)| holds(*directory, *person));
        found.extend(some.map(|(directory, person)| (directory, person, begins)));
    }
    found.into_iter()
}

/// When the person begins, or comes back, if that is so soon that the directory has the
/// account ready.
pub(super) fn soon(
    policy: &Policy,
    directory: &Directory,
    id: PersonId,
    person: &Person,
    at: Instant,
) -> Option<Instant> {
    let before = directory.settings.accounts.create_before()?;
    match person.standing(at) {
        // What becomes of accounts of people who left is not for accord there.
        Standing::Left(_) if directory.settings.leavers.then == LeaverAction::Report => return None,
        Standing::Future(_) | Standing::Left(_) => {}
        Standing::Present(_) | Standing::OnLeave(_) => return None,
    }
    let begins = person.periods.iter().filter_map(|p| p.window.starts).filter(|starts| *starts > at).min()?;
    let is_soon = begins.plus(-before.seconds()) <= at;
    let can_begin =
        || matches!(person.standing(begins), Standing::Present(_)) && unsponsored(policy, id, begins).is_none();
    (is_soon && can_begin()).then_some(begins)
}

/// Whether `accounts.for` gives the person an account then, whatever they hold.
fn is_given(policy: &Policy, directory: &Directory, person: &Person, then: Instant) -> bool {
    match directory.accounts_for {
        AccountsFor::Entitled => false,
        AccountsFor::Everyone => true,
        AccountsFor::Rule(rule) => policy.rules.get(rule.0 as usize).is_some_and(|rule| {
            let mut positions = person.positions.iter().filter(|position| position.window.contains(then));
            positions.any(|position| rule.verdict(policy, person, position) == Verdict::Yes)
        }),
    }
}
