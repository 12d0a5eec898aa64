//! Who is who, and who answers for what, on both sides of a comparison.
//!
//! Comes in: a [`Difference`]. Goes out: numbers of people in its pairs. Refuses: an owner,
//! sponsor, manager or account that only the change itself names.

use super::Difference;
use super::approvals::{Account, kind_name};
use super::pairs::{Pair, Which};
use crate::policy::{ApprovalRule, GroupId, Person, PersonId, Policy, Standing};
use std::collections::BTreeSet;

/// Why an account is nobody's voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// No person has it.
    Nobody,
    /// Only the change says whose it is, or takes it from somebody.
    ByTheChange,
}

/// Who is who.
pub(super) struct Offices<'d> {
    difference: &'d Difference<'d>,
}

impl<'d> Offices<'d> {
    pub(super) fn new(difference: &'d Difference<'_>) -> Self {
        Self { difference }
    }

    fn policy(&self, which: Which) -> &'d Policy {
        match which {
            Which::Base => self.difference.base.policy,
            Which::Head => self.difference.head.policy,
        }
    }

    fn pair(&self, number: u32) -> Pair<PersonId> {
        self.difference.pairs.people.pair(number)
    }

    fn person(&self, which: Which, number: u32) -> Option<&'d Person> {
        let pair = self.pair(number);
        let id = if which == Which::Base { pair.base } else { pair.head };
        self.policy(which).people.get(id?.0 as usize)
    }

    /// The number of one side's person.
    pub(super) fn number(&self, which: Which, person: PersonId) -> u32 {
        self.difference.pairs.people.numbers(which).get(person.0 as usize).copied().unwrap_or(u32::MAX)
    }

    /// The key after the change, or before it.
    pub(super) fn key(&self, number: u32) -> &'d str {
        let person = self.person(Which::Head, number).or_else(|| self.person(Which::Base, number));
        person.map_or("?", |person| person.key.as_ref())
    }

    /// Where a person stands: after the change, unless they had left before it.
    pub(super) fn standing(&self, number: u32) -> Option<Standing> {
        let at = self.difference.head.at();
        let standing = |which| self.person(which, number).map(|person| person.standing(at));
        match standing(Which::Base) {
            Some(Standing::Present(_)) | None => standing(Which::Head),
            left => left,
        }
    }

    /// Whether a person is with the organisation, on every side that knows them.
    pub(super) fn is_present(&self, number: u32) -> bool {
        matches!(self.standing(number), Some(Standing::Present(_)))
    }

    /// Whose account it is before the change, if it is theirs after it too.
    pub(super) fn whose(&self, account: &Account) -> Result<u32, Why> {
        match (self.of(Which::Base, account), self.of(Which::Head, account)) {
            (Some(base), Some(head)) if base == head => Ok(base),
            (None, None) => Err(Why::Nobody),
            _ => Err(Why::ByTheChange),
        }
    }

    /// Whose account it is on either side.
    pub(super) fn anywhere(&self, account: &Account) -> BTreeSet<u32> {
        [Which::Base, Which::Head].into_iter().filter_map(|which| self.of(which, account)).collect()
    }

    fn of(&self, which: Which, account: &Account) -> Option<u32> {
        let is_theirs = |written: &str| match written.strip_prefix("id:") {
            Some(number) => number.parse() == Ok(account.id),
            None => written.eq_ignore_ascii_case(&account.login),
        };
        let mut people = (0u32..).zip(&self.policy(which).people);
        let found = people.find(|(_, person)| person.forge.iter().any(|written| is_theirs(written)));
        found.map(|(n, _)| self.number(which, PersonId(n)))
    }

    /// Owners of the policies before and after the change; the earlier ones where none
    /// remains; the later ones where there were none.
    pub(super) fn policy_owners(&self) -> BTreeSet<u32> {
        let owners = |which| -> BTreeSet<u32> {
            self.policy(which).oversight.owners.iter().map(|person| self.number(which, *person)).collect()
        };
        let (base, head) = (owners(Which::Base), owners(Which::Head));
        let both: BTreeSet<u32> = base.intersection(&head).copied().collect();
        let chosen = if base.is_empty() {
            head
        } else if both.is_empty() {
            base
        } else {
            both
        };
        chosen.into_iter().filter(|person| self.is_present(*person)).collect()
    }

    /// The owner of a group that was there before, where the change names no other.
    pub(super) fn owner(&self, group: u32) -> Option<u32> {
        let pair = self.difference.pairs.groups.pair(group);
        let owner = |which, id: Option<GroupId>| Some(self.number(which, group_owner(self.policy(which), id?)?));
        owner(Which::Base, pair.base).filter(|base| owner(Which::Head, pair.head) == Some(*base))
    }

    /// The sponsor of a person, where the change names no other; of a person who is new,
    /// somebody who was there before.
    pub(super) fn sponsor(&self, person: u32) -> Option<u32> {
        self.office(person, |person| person.sponsor)
    }

    /// The manager of a person now, likewise.
    pub(super) fn manager(&self, person: u32) -> Option<u32> {
        let at = self.difference.head.at();
        self.office(person, |person| {
            let now = person.positions.iter().find(|position| position.window.contains(at));
            now.or_else(|| person.positions.iter().next_back())?.manager
        })
    }

    fn office(&self, person: u32, holder: impl Fn(&Person) -> Option<PersonId>) -> Option<u32> {
        let of = |which| Some(self.number(which, holder(self.person(which, person)?)?));
        let head = of(Which::Head)?;
        let is_known = match self.person(Which::Base, person) {
            Some(_) => of(Which::Base) == Some(head),
            None => self.pair(head).base.is_some(),
        };
        is_known.then_some(head)
    }

    /// A rule in words that mean the same on both sides.
    pub(super) fn words(&self, which: Which, rule: &ApprovalRule) -> String {
        let policy = self.policy(which);
        let kinds: BTreeSet<_> = rule.kinds.iter().filter_map(|kind| kind_name(policy, *kind)).collect();
        let people: BTreeSet<u32> = rule.people.iter().map(|person| self.number(which, *person)).collect();
        let ApprovalRule { key, entitlements, privileged, from, count, .. } = rule;
        format!("{key:?} {entitlements:?} {kinds:?} {privileged} {from:?} {people:?} {count}")
    }
}

/// The group's owner or, where it has none, that of the one role that grants it.
pub fn group_owner(policy: &Policy, id: GroupId) -> Option<PersonId> {
    let group = policy.groups.get(id.0 as usize)?;
    group.owner.or_else(|| {
        let mut roles = policy.roles.iter().filter(|role| role.grants.iter().any(|grant| grant.group == id));
        let first = roles.next()?;
        if roles.next().is_some() { None } else { first.owner }
    })
}
