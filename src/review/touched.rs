//! Whom and what an edit can concern at all.
//!
//! Comes in: two policies and their pairs. Goes out: people whose own facts differ, and
//! roles and groups of which something that they read differs; whoever is in neither holds
//! the same at every instant. Refuses: to be exact. It may name more than an edit concerns,
//! never less: what is not named is not followed through time.

use super::Difference;
use super::pairs::{Pairs, Which};
use crate::policy::rule::Rule;
use crate::policy::{
    Breach, Constraint, Details, Entry, EntryId, GroupId, Holding, Kind, Label, Person, PersonId, Policy, Position,
    RoleId, Select,
};
use crate::resolve::Reference;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What an edit can concern.
#[derive(Debug)]
pub(super) struct Touched {
    /// By number of the person.
    pub(super) people: Vec<bool>,
    /// By node: roles by their numbers, then groups.
    pub(super) nodes: Vec<bool>,
    /// The same: what is written about the node itself differs.
    pub(super) own: Vec<bool>,
    /// What reads what, as it is before and after, from the read to the reader; sorted.
    pub(super) edges: Vec<(u32, u32)>,
}

/// The node of a role or group.
pub(super) fn node(pairs: &Pairs, which: Which, holding: Holding) -> u32 {
    let (numbers, before, id) = match holding {
        Holding::Role(id) => (pairs.roles.numbers(which), 0, id.0),
        Holding::Group(id) => (pairs.groups.numbers(which), pairs.roles.pairs().len(), id.0),
    };
    let number = numbers.get(id as usize).copied().unwrap_or(u32::MAX);
    number.saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
}

/// Compares what is written.
pub(super) fn touched(difference: &Difference<'_>) -> Touched {
    let compare = Compare { base: difference.base.policy, head: difference.head.policy, pairs: &difference.pairs };
    let pairs = compare.pairs;
    let roles = pairs.roles.pairs().len();
    let people: Vec<bool> =
        pairs.people.pairs().par_iter().map(|pair| !compare.same_person(pair.base, pair.head)).collect();
    let (mut before, mut after) = (compare.edges(Which::Base), compare.edges(Which::Head));
    let mut own: Vec<bool> = pairs.roles.pairs().iter().map(|pair| !compare.same_role(pair.base, pair.head)).collect();
    own.par_extend(pairs.groups.pairs().par_iter().map(|pair| !compare.same_group(pair.base, pair.head)));
    for (_, reader) in missing(&before, &after).chain(missing(&after, &before)) {
        set(&mut own, reader);
    }
    for (number, pair) in pairs.groups.pairs().iter().enumerate() {
        if !same_reference(difference, pair.base, pair.head) {
            set(&mut own, u32::try_from(roles + number).unwrap_or(u32::MAX));
        }
    }
    if compare.tree_differs(&people) {
        compare.trees(&mut own);
    }
    if !compare.same_rules_of_all() {
        own.fill(true);
    }
    before.append(&mut after);
    before.extend(compare.revoking());
    before.sort_unstable();
    before.dedup();
    let nodes = downstream(&before, &own);
    Touched { people, nodes, own, edges: before }
}

fn set(list: &mut [bool], n: u32) {
    if let Some(cell) = list.get_mut(n as usize) {
        *cell = true;
    }
}

/// What one sorted list has and the other has not.
fn missing<'l>(list: &'l [(u32, u32)], other: &'l [(u32, u32)]) -> impl Iterator<Item = (u32, u32)> + 'l {
    list.iter().filter(|edge| other.binary_search(edge).is_err()).copied()
}

/// The marked nodes and everything that reads them, however far away.
pub(super) fn downstream(edges: &[(u32, u32)], marked: &[bool]) -> Vec<bool> {
    let mut found = marked.to_vec();
    let mut open: Vec<u32> = (0u32..).zip(marked).filter(|(_, is)| **is).map(|(n, _)| n).collect();
    while let Some(node) = open.pop() {
        let first = edges.partition_point(|(from, _)| *from < node);
        for (_, reader) in edges.iter().skip(first).take_while(|(from, _)| *from == node) {
            if let Some(cell) = found.get_mut(*reader as usize).filter(|cell| !**cell) {
                *cell = true;
                open.push(*reader);
            }
        }
    }
    found
}

/// Whether what was read of a group is the same on both sides.
fn same_reference(difference: &Difference<'_>, base: Option<GroupId>, head: Option<GroupId>) -> bool {
    let read = |which: Which, id: Option<GroupId>| {
        let (side, numbers) = match which {
            Which::Base => (&difference.base, difference.pairs.people.numbers(which)),
            Which::Head => (&difference.head, difference.pairs.people.numbers(which)),
        };
        match side.references.groups.get(&id?)? {
            Reference::Read(people) => Some(
                people.iter().filter_map(|person| numbers.get(person.0 as usize)).copied().collect::<BTreeSet<_>>(),
            ),
            Reference::NotRead(_) => None,
        }
    };
    read(Which::Base, base) == read(Which::Head, head)
}

/// The two policies.
struct Compare<'p> {
    base: &'p Policy,
    head: &'p Policy,
    pairs: &'p Pairs,
}

impl<'p> Compare<'p> {
    fn policy(&self, which: Which) -> &'p Policy {
        match which {
            Which::Base => self.base,
            Which::Head => self.head,
        }
    }

    // ---- people

    fn same_person(&self, base: Option<PersonId>, head: Option<PersonId>) -> bool {
        let of = |policy: &'p Policy, id: Option<PersonId>| policy.people.get(id?.0 as usize);
        let (Some(a), Some(b)) = (of(self.base, base), of(self.head, head)) else { return false };
        let fixed = |p: &'p Person| {
            let names = [&p.id, &p.name, &p.given_name, &p.family_name, &p.email, &p.company];
            (&p.key, names.map(Option::as_deref))
        };
        let windows = a.periods.iter().map(|p| p.window).eq(b.periods.iter().map(|p| p.window));
        fixed(a) == fixed(b)
            && kind(self.base, a.kind.0) == kind(self.head, b.kind.0)
            && windows
            && self.same_people(a.sponsor, b.sponsor)
            && a.positions.len() == b.positions.len()
            && a.positions.iter().zip(b.positions.iter()).all(|(a, b)| self.same_position(a, b))
            && self.same_accounts(a, b)
    }

    /// The same person by number and by name: rules read names.
    fn same_people(&self, base: Option<PersonId>, head: Option<PersonId>) -> bool {
        let key = |policy: &'p Policy, id: PersonId| policy.people.get(id.0 as usize).map(|person| &person.key);
        match (base, head) {
            (Some(a), Some(b)) => self.is_same_person(a, b) && key(self.base, a) == key(self.head, b),
            (None, None) => true,
            _ => false,
        }
    }

    fn is_same_person(&self, base: PersonId, head: PersonId) -> bool {
        let people = &self.pairs.people;
        people.numbers(Which::Base).get(base.0 as usize) == people.numbers(Which::Head).get(head.0 as usize)
    }

    fn same_position(&self, a: &Position, b: &Position) -> bool {
        a.window == b.window
            && a.keep == b.keep
            && kind(self.base, a.kind.0) == kind(self.head, b.kind.0)
            && a.attributes == b.attributes
            && self.same_people(a.manager, b.manager)
    }

    fn same_accounts(&self, a: &Person, b: &Person) -> bool {
        let written = |policy: &'p Policy, person: &Person| -> Vec<(String, Option<String>)> {
            let name = |id: usize| policy.directories.get(id).map(|directory| directory.name.to_string());
            let one = |account: &crate::policy::AccountName| {
                let label = policy.label(account.label).map(str::to_owned);
                (name(usize::from(account.directory.0)).unwrap_or_default(), label)
            };
            person.accounts.iter().map(one).collect()
        };
        (a.accounts.is_empty() && b.accounts.is_empty()) || written(self.base, a) == written(self.head, b)
    }

    /// Whether somebody who differs stands above others.
    fn tree_differs(&self, people: &[bool]) -> bool {
        let above = |which: Which| {
            let numbers = self.pairs.people.numbers(which);
            let managers = self.policy(which).people.iter().flat_map(|person| person.positions.iter());
            managers.filter_map(|position| position.manager).any(|manager| {
                let number = numbers.get(manager.0 as usize);
                number.and_then(|number| people.get(*number as usize)) == Some(&true)
            })
        };
        above(Which::Base) || above(Which::Head)
    }

    /// Marks what asks who reports to whom.
    fn trees(&self, own: &mut [bool]) {
        for which in [Which::Base, Which::Head] {
            let policy = self.policy(which);
            for holding in holdings(policy) {
                let lists = lists(policy, holding);
                if lists.into_iter().flatten().any(|entry| asks_tree(policy, *entry)) {
                    set(own, node(self.pairs, which, holding));
                }
            }
        }
    }

    // ---- roles and groups

    fn same_role(&self, base: Option<RoleId>, head: Option<RoleId>) -> bool {
        let of = |policy: &'p Policy, id: Option<RoleId>| policy.roles.get(id?.0 as usize);
        let (Some(a), Some(b)) = (of(self.base, base), of(self.head, head)) else { return false };
        a.expires == b.expires
            && self.same_label(a.account, b.account)
            && self.same_lists([&a.members, &a.only, &a.except], [&b.members, &b.only, &b.except])
    }

    fn same_group(&self, base: Option<GroupId>, head: Option<GroupId>) -> bool {
        let of = |policy: &'p Policy, id: Option<GroupId>| policy.groups.get(id?.0 as usize);
        let (Some(a), Some(b)) = (of(self.base, base), of(self.head, head)) else { return false };
        a.expires == b.expires
            && a.manage == b.manage
            && self.same_label(a.account, b.account)
            && self.same_lists([&a.members, &a.only, &a.except], [&b.members, &b.only, &b.except])
    }

    fn same_label(&self, base: Option<Label>, head: Option<Label>) -> bool {
        base.and_then(|label| self.base.label(label)) == head.and_then(|label| self.head.label(label))
            && base.is_some() == head.is_some()
    }

    fn same_lists(&self, base: [&[EntryId]; 3], head: [&[EntryId]; 3]) -> bool {
        base.into_iter().zip(head).all(|(base, head)| self.same_entries(base, head))
    }

    fn same_entries(&self, base: &[EntryId], head: &[EntryId]) -> bool {
        base.len() == head.len() && base.iter().zip(head).all(|(base, head)| self.same_entry(*base, *head))
    }

    fn same_entry(&self, base: EntryId, head: EntryId) -> bool {
        let of = |policy: &'p Policy, id: EntryId| policy.entries.get(id.0 as usize);
        let (Some(a), Some(b)) = (of(self.base, base), of(self.head, head)) else { return false };
        a.window() == b.window() && self.same_kinds(a.details(), b.details()) && self.same_select(a, b)
    }

    fn same_kinds(&self, a: &Details, b: &Details) -> bool {
        let names = |policy: &'p Policy, details: &Details| -> Vec<Option<&'p str>> {
            details.kinds.iter().map(|id| kind(policy, id.0)).collect()
        };
        (a.kinds.is_empty() && b.kinds.is_empty()) || names(self.base, a) == names(self.head, b)
    }

    fn same_select(&self, a: &Entry, b: &Entry) -> bool {
        let same = |a: Holding, b: Holding| node(self.pairs, Which::Base, a) == node(self.pairs, Which::Head, b);
        match (&a.select, &b.select) {
            (Select::People(a), Select::People(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| self.is_same_person(*a, *b))
            }
            (Select::Role(a), Select::Role(b)) => same(Holding::Role(*a), Holding::Role(*b)),
            (Select::Group(a), Select::Group(b)) => same(Holding::Group(*a), Holding::Group(*b)),
            (Select::Groups(a), Select::Groups(b)) => {
                let (a, b) = (&a.groups, &b.groups);
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Holding::Group(*a), Holding::Group(*b)))
            }
            (Select::Where(a), Select::Where(b)) => {
                text(self.base.rules.get(a.0 as usize)) == text(self.head.rules.get(b.0 as usize))
            }
            (
                Select::ReportsTo { manager: a, direct, including },
                Select::ReportsTo { manager: b, direct: other_direct, including: other_including },
            ) => direct == other_direct && including == other_including && self.is_same_person(*a, *b),
            (Select::All(a), Select::All(b)) | (Select::Any(a), Select::Any(b)) => self.same_entries(a, b),
            (Select::Not(a), Select::Not(b)) => self.same_entry(*a, *b),
            _ => false,
        }
    }

    // ---- what concerns everybody

    /// Kinds and those constraints that shorten or take away are the same.
    fn same_rules_of_all(&self) -> bool {
        let gated = |kinds: &'p [Kind]| -> BTreeSet<&'p str> {
            kinds.iter().filter(|kind| kind.gated).map(|kind| kind.name.as_ref()).collect()
        };
        let acting = |policy: &'p Policy| policy.constraints.iter().filter(|one| acts(one)).collect::<Vec<_>>();
        let (a, b) = (acting(self.base), acting(self.head));
        gated(&self.base.kinds) == gated(&self.head.kinds)
            && a.len() == b.len()
            && a.into_iter().zip(b).all(|(a, b)| self.same_constraint(a, b))
    }

    fn same_constraint(&self, a: &Constraint, b: &Constraint) -> bool {
        let nodes = |which: Which, list: &[Holding]| -> Vec<u32> {
            list.iter().map(|holding| node(self.pairs, which, *holding)).collect()
        };
        let same = |a: &[Holding], b: &[Holding]| nodes(Which::Base, a) == nodes(Which::Head, b);
        let rule = |policy: &'p Policy, one: &Constraint| {
            one.applies_to.map(|rule| text(policy.rules.get(rule.0 as usize)).map(str::to_owned))
        };
        a.maximum_term == b.maximum_term
            && rule(self.base, a) == rule(self.head, b)
            && same(&a.exclusive, &b.exclusive)
            && same(&a.forbid, &b.forbid)
            && same(revoked(a), revoked(b))
            && a.exceptions.len() == b.exceptions.len()
            && a.exceptions
                .iter()
                .zip(&b.exceptions)
                .all(|(a, b)| a.window == b.window && self.is_same_person(a.person, b.person))
    }

    /// What a breach takes away reads every side of its constraint.
    fn revoking(&self) -> Vec<(u32, u32)> {
        let mut edges = Vec::new();
        for which in [Which::Base, Which::Head] {
            for constraint in &self.policy(which).constraints {
                for revoked in revoked(constraint) {
                    let to = node(self.pairs, which, *revoked);
                    let sides = constraint.exclusive.iter().chain(&constraint.forbid);
                    edges.extend(sides.map(|side| (node(self.pairs, which, *side), to)));
                }
            }
        }
        edges
    }

    /// From what is read to what reads it.
    fn edges(&self, which: Which) -> Vec<(u32, u32)> {
        let policy = self.policy(which);
        let of = |holding: Holding| node(self.pairs, which, holding);
        let mut edges = Vec::new();
        for holding in holdings(policy) {
            let mut read = Vec::new();
            lists(policy, holding).into_iter().flatten().for_each(|entry| reads(policy, *entry, &mut read));
            edges.extend(read.into_iter().map(|source| (of(source), of(holding))));
        }
        for (n, role) in (0u32..).zip(&policy.roles) {
            let from = of(Holding::Role(RoleId(n)));
            edges.extend(role.grants.iter().map(|grant| (from, of(Holding::Group(grant.group)))));
            edges.extend(role.includes.iter().map(|(id, _)| (from, of(Holding::Role(*id)))));
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

fn kind(policy: &Policy, kind: u16) -> Option<&str> {
    policy.kinds.get(usize::from(kind)).map(|kind| kind.name.as_ref())
}

fn text(rule: Option<&Rule>) -> Option<&str> {
    rule.map(|rule| rule.text.as_ref())
}

fn acts(constraint: &Constraint) -> bool {
    constraint.maximum_term.is_some() || !revoked(constraint).is_empty()
}

fn revoked(constraint: &Constraint) -> &[Holding] {
    match &constraint.on_breach {
        Breach::Report => &[],
        Breach::Revoke(list) => list,
    }
}

/// Every role, then every group.
pub(super) fn holdings(policy: &Policy) -> impl Iterator<Item = Holding> {
    let count = |n: usize| 0..u32::try_from(n).unwrap_or(u32::MAX);
    let roles = count(policy.roles.len()).map(|n| Holding::Role(RoleId(n)));
    roles.chain(count(policy.groups.len()).map(|n| Holding::Group(GroupId(n))))
}

/// Members, only, except.
pub(super) fn lists(policy: &Policy, holding: Holding) -> [&[EntryId]; 3] {
    match holding {
        Holding::Role(id) => policy.roles.get(id.0 as usize).map(|one| [&*one.members, &*one.only, &*one.except]),
        Holding::Group(id) => policy.groups.get(id.0 as usize).map(|one| [&*one.members, &*one.only, &*one.except]),
    }
    .unwrap_or_default()
}

/// The roles and groups that an entry reads.
fn reads(policy: &Policy, id: EntryId, out: &mut Vec<Holding>) {
    match policy.entries.get(id.0 as usize).map(|entry| &entry.select) {
        Some(Select::Role(role)) => out.push(Holding::Role(*role)),
        Some(Select::Group(group)) => out.push(Holding::Group(*group)),
        Some(Select::Groups(glob)) => out.extend(glob.groups.iter().map(|group| Holding::Group(*group))),
        Some(Select::All(parts) | Select::Any(parts)) => parts.iter().for_each(|part| reads(policy, *part, out)),
        Some(Select::Not(part)) => reads(policy, *part, out),
        Some(Select::People(_) | Select::Where(_) | Select::ReportsTo { .. }) | None => {}
    }
}

fn asks_tree(policy: &Policy, id: EntryId) -> bool {
    match policy.entries.get(id.0 as usize).map(|entry| &entry.select) {
        Some(Select::ReportsTo { .. }) => true,
        Some(Select::All(parts) | Select::Any(parts)) => parts.iter().any(|part| asks_tree(policy, *part)),
        Some(Select::Not(part)) => asks_tree(policy, *part),
        _ => false,
    }
}
