//! A part of a policy that says the same about a part of the people.
//!
//! Comes in: a policy, people, roles and groups. Goes out: a smaller policy in which these
//! people hold these roles and groups exactly as in the whole one, at every instant, with
//! the same numbers for roles, groups and entries. Refuses: to answer about anything else.
//!
//! It works because being in a set is asked person by person: of others only those count
//! who stand above somebody, or whose names rules read.

use super::touched::{holdings, lists};
use crate::model::Instant;
use crate::policy::{Constraint, EntryId, Exception, Holding, Oversight, People, Person, PersonId, Policy, Select};
use crate::resolve::{Reference, References};
use std::collections::BTreeSet;

/// The part, and what its people are called in the whole.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) policy: Policy,
    pub(super) references: References,
    /// By number in the part: the number in the whole.
    pub(super) people: Vec<PersonId>,
    /// By number in the part: whether the person was asked for.
    pub(super) asked: Vec<bool>,
}

impl Slice {
    /// Cuts out the people for whom `wanted` says yes, with everybody above them, and the
    /// holdings for which `kept` does; what those read must be among them.
    pub(super) fn new(
        policy: &Policy,
        references: &References,
        wanted: impl Fn(PersonId) -> bool,
        kept: impl Fn(Holding) -> bool,
    ) -> Self {
        Self::with_entries(policy, references, wanted, kept, &[])
    }

    /// The same, with entries that stand in no role and no group.
    pub(super) fn with_entries(
        policy: &Policy,
        references: &References,
        wanted: impl Fn(PersonId) -> bool,
        kept: impl Fn(Holding) -> bool,
        entries: &[EntryId],
    ) -> Self {
        let cut = Cut::new(policy, wanted);
        let mut part = Policy {
            people: cut
                .people
                .iter()
                .filter_map(|id| policy.people.get(id.0 as usize))
                .map(|p| cut.person(p))
                .collect(),
            roles: policy.roles.clone(),
            groups: policy.groups.clone(),
            constraints: policy.constraints.iter().map(|one| cut.constraint(one)).collect(),
            entries: Vec::with_capacity(policy.entries.len()),
            ..bare(policy)
        };
        let mut used = vec![false; policy.entries.len()];
        for entry in entries {
            cut.mark(policy, *entry, &mut used);
        }
        for holding in holdings(policy).filter(|holding| kept(*holding)) {
            lists(policy, holding).into_iter().flatten().for_each(|entry| cut.mark(policy, *entry, &mut used));
        }
        for (entry, used) in policy.entries.iter().zip(&used) {
            part.entries.push(cut.entry(entry, *used));
        }
        let keep = |list: &mut Vec<EntryId>| list.retain(|entry| used.get(entry.0 as usize) == Some(&true));
        for (n, role) in (0u32..).zip(&mut part.roles) {
            role.owner = None;
            keep(&mut role.members);
            if !kept(Holding::Role(crate::policy::RoleId(n))) {
                (role.members, role.only, role.except, role.expires) = (Vec::new(), Vec::new(), Vec::new(), None);
            }
        }
        for (n, group) in (0u32..).zip(&mut part.groups) {
            group.owner = None;
            keep(&mut group.members);
            if !kept(Holding::Group(crate::policy::GroupId(n))) {
                (group.members, group.only, group.except, group.expires) = (Vec::new(), Vec::new(), Vec::new(), None);
            }
        }
        let references = References {
            groups: references.groups.iter().map(|(group, read)| (*group, cut.reference(read))).collect(),
        };
        Self { policy: part, references, asked: cut.asked, people: cut.people }
    }

    /// The instants after `at` at which anything written in it starts, sorted.
    pub(super) fn starts(&self, at: Instant) -> Vec<Instant> {
        let policy = &self.policy;
        let periods = policy.people.iter().flat_map(|person| person.periods.iter().map(|period| period.window));
        let positions = policy.people.iter().flat_map(|person| person.positions.iter().map(|one| one.window));
        let entries = policy.entries.iter().map(crate::policy::Entry::window);
        let exceptions = policy.constraints.iter().flat_map(|one| one.exceptions.iter().map(|one| one.window));
        let windows = periods.chain(positions).chain(entries).chain(exceptions);
        let starts: BTreeSet<Instant> =
            windows.filter_map(|window| window.starts).filter(|start| *start > at).collect();
        starts.into_iter().collect()
    }
}

/// What is the same in every part, without people, roles, groups and entries.
fn bare(policy: &Policy) -> Policy {
    Policy {
        organization: policy.organization.clone(),
        timezone: policy.timezone.clone(),
        kinds: policy.kinds.clone(),
        labels: policy.labels.clone(),
        directories: policy.directories.clone(),
        guardrails: policy.guardrails.clone(),
        trusted_guardrails: None,
        oversight: Oversight::default(),
        people: Vec::new(),
        roles: Vec::new(),
        groups: Vec::new(),
        constraints: Vec::new(),
        tests: Vec::new(),
        entries: Vec::new(),
        rules: policy.rules.clone(),
        files: Vec::new(),
        digest: String::new(),
        warnings: Vec::new(),
    }
}

/// Which people, and their numbers in the part.
struct Cut {
    people: Vec<PersonId>,
    asked: Vec<bool>,
    /// By number in the whole.
    numbers: Vec<u32>,
}

impl Cut {
    fn new(policy: &Policy, wanted: impl Fn(PersonId) -> bool) -> Self {
        let all = || (0..u32::try_from(policy.people.len()).unwrap_or(u32::MAX)).map(PersonId);
        let asked: Vec<bool> = all().map(wanted).collect();
        let mut inside = asked.clone();
        let mut open: Vec<PersonId> = all().zip(&asked).filter(|(_, is)| **is).map(|(id, _)| id).collect();
        while let Some(person) = open.pop().and_then(|id| policy.people.get(id.0 as usize)) {
            let managers = person.positions.iter().filter_map(|position| position.manager);
            for above in managers.chain(person.sponsor) {
                if let Some(cell) = inside.get_mut(above.0 as usize).filter(|cell| !**cell) {
                    *cell = true;
                    open.push(above);
                }
            }
        }
        let people: Vec<PersonId> = all().zip(&inside).filter(|(_, is)| **is).map(|(id, _)| id).collect();
        let mut numbers = vec![u32::MAX; policy.people.len()];
        for (n, id) in (0u32..).zip(&people) {
            if let Some(cell) = numbers.get_mut(id.0 as usize) {
                *cell = n;
            }
        }
        let asked = people.iter().map(|id| asked.get(id.0 as usize) == Some(&true)).collect();
        Self { people, asked, numbers }
    }

    fn number(&self, id: PersonId) -> Option<PersonId> {
        self.numbers.get(id.0 as usize).copied().filter(|n| *n != u32::MAX).map(PersonId)
    }

    fn person(&self, person: &Person) -> Person {
        let mut person = person.clone();
        for position in person.positions.iter_mut() {
            position.manager = position.manager.and_then(|id| self.number(id));
        }
        if let Some(rare) = person.rare.as_deref_mut() {
            rare.sponsor = rare.sponsor.and_then(|id| self.number(id));
            rare.owner = None;
        }
        person
    }

    fn constraint(&self, constraint: &Constraint) -> Constraint {
        let exception =
            |one: &Exception| Some(Exception { person: self.number(one.person)?, approved_by: None, ..one.clone() });
        Constraint { exceptions: constraint.exceptions.iter().filter_map(exception).collect(), ..constraint.clone() }
    }

    /// Marks an entry and its parts, unless it names only others.
    fn mark(&self, policy: &Policy, id: EntryId, used: &mut [bool]) {
        let Some(entry) = policy.entries.get(id.0 as usize) else { return };
        if let Select::People(people) = &entry.select
            && !people.iter().any(|person| self.number(*person).is_some())
        {
            return;
        }
        if let Some(cell) = used.get_mut(id.0 as usize) {
            *cell = true;
        }
        match &entry.select {
            Select::All(parts) | Select::Any(parts) => parts.iter().for_each(|part| self.mark(policy, *part, used)),
            Select::Not(part) => self.mark(policy, *part, used),
            _ => {}
        }
    }

    /// The entry as the part has it. What is not used keeps its number and says nothing.
    fn entry(&self, entry: &crate::policy::Entry, used: bool) -> crate::policy::Entry {
        let nobody = || Select::People(People::from(Vec::new()));
        let mut part = crate::policy::Entry { select: nobody(), details: None, place: entry.place };
        if !used {
            return part;
        }
        part.details.clone_from(&entry.details);
        part.select = match &entry.select {
            Select::People(people) => Select::People(people.iter().filter_map(|id| self.number(*id)).collect()),
            Select::ReportsTo { manager, direct, including } => match self.number(*manager) {
                Some(manager) => Select::ReportsTo { manager, direct: *direct, including: *including },
                // Nobody here stands below.
                None => nobody(),
            },
            other => other.clone(),
        };
        part
    }

    fn reference(&self, read: &Reference) -> Reference {
        match read {
            Reference::Read(people) => Reference::Read(people.iter().filter_map(|id| self.number(*id)).collect()),
            Reference::NotRead(why) => Reference::NotRead(why.clone()),
        }
    }
}
