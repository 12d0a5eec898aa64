//! Limits on one plan: a class of changes is withheld, never the plan.
//!
//! Comes in: kept drafts and the guardrails. Goes out: drafts withheld with limit,
//! numbers, setting and option. Refuses: more than `floor` AND more than `percent`,
//! unless the option lets exactly that many through, with a ticket.

pub mod conflicts;

use super::Filter;
use super::draft::{Draft, Fate, Reason, Why};
use super::order::Ground;
use crate::model::state::{AccountRef, GroupRef};
use crate::model::{AccountId, Action, Enabled};
use crate::policy::PersonId;
use crate::policy::settings::{Limit, LimitScope};
use std::collections::{BTreeMap, BTreeSet};

/// A class of changes that has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Revocations,
    Disables,
    Grants,
    Deletions,
}

impl Class {
    const ALL: [Self; 4] = [Self::Revocations, Self::Disables, Self::Grants, Self::Deletions];

    fn word(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::Disables => "disables",
            Self::Grants => "grants",
            Self::Deletions => "deletions",
        }
    }

    fn holds(self, draft: &Draft) -> bool {
        let action = draft.action();
        match self {
            Self::Revocations => matches!(action, Action::Revoke | Action::DeleteGroup),
            Self::Disables => action == Action::DisableAccount,
            Self::Grants => action == Action::Grant || lengthens(draft),
            Self::Deletions => matches!(action, Action::DeleteAccount | Action::DeleteGroup),
        }
    }

    fn limit(self, ground: &Ground<'_>) -> Limit {
        let guardrails = &ground.policy.guardrails;
        match self {
            Self::Revocations => guardrails.revocations,
            Self::Disables => Limit { per: LimitScope::Directory, ..guardrails.disables },
            Self::Grants => guardrails.grants,
            Self::Deletions => Limit { per: LimitScope::Directory, ..guardrails.deletions },
        }
    }
}

/// Whether a membership that the directory itself ends lasts longer.
fn lengthens(draft: &Draft) -> bool {
    draft.action() == Action::UpdateMembership && draft.lasts_longer()
}

/// One place where a class is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    directory: u16,
    /// The group, where groups are counted one by one.
    group: Option<String>,
    /// Of deletions: whether groups are counted.
    groups: bool,
}

/// A class that exceeds its limit somewhere.
struct Excess {
    drafts: Vec<u32>,
    count: u64,
    limit: String,
}

/// Withholds every class that exceeds its limit; says whether anything was withheld.
pub fn limits(ground: &Ground<'_>, filter: &Filter, drafts: &mut [Draft]) -> bool {
    let mut withheld = false;
    for class in Class::ALL {
        let limit = class.limit(ground);
        let mut scopes: BTreeMap<Scope, Vec<u32>> = BTreeMap::new();
        for (n, draft) in drafts.iter().enumerate() {
            // Whoever a link covers loses nothing.
            if draft.is_kept() && draft.why != Why::Covered && class.holds(draft) {
                let scope = Scope {
                    directory: draft.directory,
                    group: (limit.per == LimitScope::Group).then(|| draft.change.object.group.clone()).flatten(),
                    groups: class == Class::Deletions && draft.action() == Action::DeleteGroup,
                };
                scopes.entry(scope).or_default().push(u32::try_from(n).unwrap_or(u32::MAX));
            }
        }
        let excesses: Vec<Excess> = scopes
            .into_iter()
            .filter_map(|(scope, numbers)| excess(ground, class, limit, &scope, numbers, drafts))
            .collect();
        let total: u64 = excesses.iter().map(|excess| excess.count).sum();
        if total == 0 {
            continue;
        }
        let allowed = filter.allow.get(class.word()).copied().unwrap_or(0);
        if allowed >= total && filter.ticket.is_some() {
            continue;
        }
        withheld = true;
        for excess in excesses {
            let reason = reason(class, &excess, total, allowed);
            for n in excess.drafts {
                if let Some(draft) = drafts.get_mut(n as usize) {
                    draft.fate = Fate::withheld(reason.clone());
                }
            }
        }
    }
    withheld
}

fn reason(class: Class, excess: &Excess, total: u64, allowed: u64) -> Reason {
    let word = class.word();
    let setting = match allowed {
        0 => format!("`guardrails.{word}`, or once: `--allow {word}={total} --ticket TICKET`"),
        _ if allowed >= total => "a ticket: `--ticket TICKET`".to_owned(),
        _ => format!("`--allow {word}={total}`: {allowed} is fewer than there are"),
    };
    Reason {
        reason: format!("more {word} at once than the guardrail lets through"),
        limit: Some(excess.limit.clone()),
        setting: Some(setting),
    }
}

fn excess(
    ground: &Ground<'_>,
    class: Class,
    limit: Limit,
    scope: &Scope,
    numbers: Vec<u32>,
    drafts: &[Draft],
) -> Option<Excess> {
    let touched = touched(ground, class, scope, &numbers, drafts);
    if touched <= u64::from(limit.floor) {
        return None;
    }
    let (base, of) = base(ground, class, scope);
    if touched * 100 <= u64::from(limit.percent) * base {
        return None;
    }
    let directory = ground.policy.directories.get(usize::from(scope.directory)).map_or("", |d| &d.name);
    let place = scope.group.as_ref().map_or_else(|| directory.to_owned(), |group| format!("{directory}/{group}"));
    let what = match class {
        Class::Revocations => "people lose a membership",
        Class::Disables => "accounts are disabled",
        Class::Grants if numbers.iter().any(|n| drafts.get(*n as usize).is_some_and(lengthens)) => {
            "people gain a membership or keep it for longer"
        }
        Class::Grants => "people gain a membership",
        Class::Deletions if scope.groups => "groups are deleted",
        Class::Deletions => "accounts are deleted",
    };
    let limit = format!(
        "{touched} of {base} {of} in {place}: {what}; floor {}, {} percent of {base} is {}",
        limit.floor,
        limit.percent,
        u64::from(limit.percent) * base / 100
    );
    Some(Excess { drafts: numbers, count: touched, limit })
}

/// Whose each second account of a directory is, and the everyday account of the same
/// person, by comparison key: people are counted once, with however many accounts.
fn one_person(ground: &Ground<'_>, directory: u16) -> BTreeMap<String, PersonId> {
    let Some((_, desired)) = ground.of(directory).filter(|(_, desired)| !desired.labels.is_empty()) else {
        return BTreeMap::new();
    };
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

/// How many people or objects the class touches there, each once.
fn touched(ground: &Ground<'_>, class: Class, scope: &Scope, numbers: &[u32], drafts: &[Draft]) -> u64 {
    let mut objects: BTreeSet<(Option<PersonId>, &str)> = BTreeSet::new();
    // Accounts are disabled and deleted one by one; memberships are lost by people.
    let counts_people = matches!(class, Class::Revocations | Class::Grants);
    let people = if counts_people { one_person(ground, scope.directory) } else { BTreeMap::new() };
    let several: BTreeSet<PersonId> = people.values().copied().collect();
    let names = ground.of(scope.directory).map(|(input, _)| input.kind.capabilities().names);
    let who = |account: &str| names.and_then(|names| people.get(names.key(account).as_ref()).copied());
    let state = ground.of(scope.directory).map(|(input, _)| &input.observed.state);
    let others = |draft: &Draft| format!("{:?}", draft.change.object.member);
    let mut rest: BTreeSet<String> = BTreeSet::new();
    for draft in numbers.iter().filter_map(|n| drafts.get(*n as usize)) {
        let object = &draft.change.object;
        match (draft.action(), &object.account, &object.group) {
            (Action::DeleteGroup, _, Some(name)) if class == Class::Revocations => {
                let Some(group) = state.and_then(|state| state.group_named(name)) else { continue };
                rest.extend(group.others().map(|other| format!("{other:?}")));
                for account in group.members().iter().filter_map(|id| state.and_then(|state| state.account(*id))) {
                    let person = who(account.name());
                    objects.insert((person, if person.is_some() { "" } else { account.name() }));
                }
            }
            (_, Some(account), _) => {
                let person = draft.person.filter(|person| several.contains(person)).or_else(|| who(account));
                objects.insert((person, if person.is_some() { "" } else { account }));
            }
            (_, None, Some(group)) if object.member.is_none() => {
                objects.insert((None, group));
            }
            _ if draft.people.is_empty() => drop(rest.insert(others(draft))),
            // Everybody in a group that becomes a member.
            _ => rest.extend(draft.people.iter().map(|person| format!("person {}", person.0))),
        }
    }
    (objects.len() + rest.len()) as u64
}

/// Of how many, and of what.
fn base(ground: &Ground<'_>, class: Class, scope: &Scope) -> (u64, &'static str) {
    let Some((input, desired)) = ground.of(scope.directory) else { return (0, "") };
    let state = &input.observed.state;
    let people = || one_person(ground, scope.directory);
    match (class, &scope.group) {
        (Class::Revocations | Class::Grants, Some(group)) => {
            let members = state.group_named(group).map_or(&[][..], GroupRef::members);
            (counted(members.iter().filter_map(|id| state.account(*id)), &people()), "members")
        }
        (Class::Revocations | Class::Grants, None) => {
            let mut holders = vec![false; state.account_count()];
            let managed = desired.state.groups().filter_map(|group| state.group_named(group.name()));
            for account in managed.flat_map(GroupRef::members) {
                if let Some(cell) = holders.get_mut(account.0 as usize) {
                    *cell = true;
                }
            }
            let holders = state.accounts().zip(&holders).filter(|(_, holds)| **holds).map(|(account, _)| account);
            (counted(holders, &people()), "people who hold something")
        }
        (Class::Disables, _) => {
            let declared = desired.state.accounts().filter_map(|account| state.account_named(account.name()));
            (declared.filter(|account| account.enabled() != Enabled::No).count() as u64, "declared accounts")
        }
        (Class::Deletions, _) if scope.groups => (state.group_count() as u64, "groups"),
        (Class::Deletions, _) => (state.account_count() as u64, "accounts"),
    }
}
