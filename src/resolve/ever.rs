//! Who could ever hold something, whatever the date: more people than ever do.
//!
//! Comes in: the prepared graph. Goes out: people, or everybody. Refuses: to be exact.
//! It tells for whom the dates need to be looked at at all.

use super::because::lists;
use super::sets::Ground;
use super::times::{Facts, bounds};
use super::{Reference, References};
use crate::model::Instant;
use crate::policy::rule::Verdict;
use crate::policy::{EntryId, GroupId, Holding, Manage, PersonId, Policy, RoleId, Select};

/// People who could ever hold something.
#[derive(Debug, Clone)]
pub(super) enum Ever {
    /// Nobody can be left out.
    Everybody,
    /// These at most; sorted.
    Some(Vec<u32>),
}

impl Ever {
    pub(super) fn has(&self, person: u32) -> bool {
        match self {
            Self::Everybody => true,
            Self::Some(people) => people.binary_search(&person).is_ok(),
        }
    }

    fn extend(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Everybody, _) => {}
            (_, Self::Everybody) => *self = Self::Everybody,
            (Self::Some(mine), Self::Some(people)) => mine.extend_from_slice(people),
        }
    }

    fn sort(&mut self) {
        if let Self::Some(people) = self {
            people.sort_unstable();
            people.dedup();
        }
    }
}

/// Whoever could ever hold one of these.
pub(super) fn ever(ground: &Ground<'_, '_>, holdings: &[Holding]) -> Ever {
    found(ground, holdings, &Ever::Everybody)
}

/// Whoever could ever hold one of these, or be selected by one of these entries; sorted.
/// `None` where nobody can be left out.
pub fn could_ever(
    policy: &Policy,
    references: &References,
    asked: &[(Vec<Holding>, Vec<EntryId>)],
) -> Vec<Option<Vec<PersonId>>> {
    let last = bounds(policy).map_or(Instant::from_seconds(0), |(_, last)| last);
    let facts = Facts::new(policy, last);
    let ground = Ground::new(&facts, references);
    let one = |(holdings, entries): &(Vec<Holding>, Vec<EntryId>)| {
        let mut read = holdings.clone();
        for entry in entries {
            reads(policy, *entry, &mut read);
        }
        let mut search = Search { ground: &ground, unread: &Ever::Everybody, found: Vec::new() };
        search.fill(&read);
        let mut all = Ever::Some(Vec::new());
        for holding in holdings {
            all.extend(search.of(ground.graph.node_of(*holding)));
        }
        for entry in entries {
            search.entry(*entry, &mut all);
        }
        all.sort();
        match all {
            Ever::Everybody => None,
            Ever::Some(people) => Some(people.into_iter().map(PersonId).collect()),
        }
    };
    asked.iter().map(one).collect()
}

/// The roles and groups that an entry refers to.
pub fn reads(policy: &Policy, entry: EntryId, out: &mut Vec<Holding>) {
    match policy.entries.get(entry.0 as usize).map(|entry| &entry.select) {
        Some(Select::Role(role)) => out.push(Holding::Role(*role)),
        Some(Select::Group(group)) => out.push(Holding::Group(*group)),
        Some(Select::Groups(glob)) => out.extend(glob.groups.iter().map(|group| Holding::Group(*group))),
        Some(Select::All(parts) | Select::Any(parts)) => parts.iter().for_each(|part| reads(policy, *part, out)),
        Some(Select::Not(part)) => reads(policy, *part, out),
        Some(Select::People(_) | Select::Where(_) | Select::ReportsTo { .. }) | None => {}
    }
}

/// Whoever could ever surely hold it: what was not read gives it to nobody.
pub(super) fn ever_surely(ground: &Ground<'_, '_>, holding: Holding) -> Ever {
    found(ground, &[holding], &Ever::Some(Vec::new()))
}

fn found(ground: &Ground<'_, '_>, holdings: &[Holding], unread: &Ever) -> Ever {
    let nodes = || holdings.iter().map(|holding| ground.graph.node_of(*holding));
    let mut search = Search { ground, unread, found: Vec::new() };
    search.fill(holdings);
    let mut all = Ever::Some(Vec::new());
    nodes().for_each(|node| all.extend(search.of(node)));
    all.sort();
    all
}

struct Search<'g> {
    ground: &'g Ground<'g, 'g>,
    /// To whom a group that was not read gives.
    unread: &'g Ever,
    found: Vec<Option<Ever>>,
}

impl Search<'_> {
    /// Finds out about these and what they read.
    fn fill(&mut self, holdings: &[Holding]) {
        let graph = &self.ground.graph;
        self.found = vec![None; graph.edges.len()];
        for node in graph.upstream(holdings.iter().map(|holding| graph.node_of(*holding))) {
            let found = self.node(node);
            if let Some(cell) = self.found.get_mut(node as usize) {
                *cell = Some(found);
            }
        }
    }

    fn of(&self, node: u32) -> &Ever {
        // What stands in a circle holds nobody.
        const NOBODY: &Ever = &Ever::Some(Vec::new());
        self.found.get(node as usize).and_then(Option::as_ref).unwrap_or(NOBODY)
    }

    fn node(&self, node: u32) -> Ever {
        let (graph, policy) = (&self.ground.graph, self.ground.facts.policy);
        let group = (node as usize).checked_sub(graph.roles).and_then(|n| u32::try_from(n).ok()).map(GroupId);
        let holding = group.map_or(Holding::Role(RoleId(node)), Holding::Group);
        let mut all = Ever::Some(Vec::new());
        let Some(lists) = lists(policy, holding) else { return all };
        lists.members.iter().for_each(|entry| self.entry(*entry, &mut all));
        for role in graph.feeders.get(node as usize).into_iter().flatten() {
            all.extend(self.of(role.0));
        }
        let read = |id: &GroupId| policy.groups.get(id.0 as usize).is_some_and(|g| g.manage == Manage::Reference);
        if let Some(group) = group.filter(read) {
            match self.ground.references.groups.get(&group) {
                Some(Reference::Read(people)) => all.extend(&Ever::Some(people.iter().map(|p| p.0).collect())),
                Some(Reference::NotRead(_)) | None => all.extend(self.unread),
            }
        }
        all.sort();
        all
    }

    fn entry(&self, id: EntryId, all: &mut Ever) {
        let Some(entry) = self.ground.facts.policy.entries.get(id.0 as usize) else { return };
        let graph = &self.ground.graph;
        match &entry.select {
            Select::People(people) => {
                if let Ever::Some(all) = all {
                    all.extend(people.iter().map(|person| person.0));
                }
            }
            Select::Role(role) => all.extend(self.of(role.0)),
            Select::Group(group) => all.extend(self.of(graph.node_of(Holding::Group(*group)))),
            Select::Groups(glob) => {
                let nodes = glob.groups.iter().map(|group| graph.node_of(Holding::Group(*group)));
                nodes.for_each(|node| all.extend(self.of(node)));
            }
            Select::Where(rule) => {
                let positions = self.ground.rules.positions(*rule, Verdict::Yes);
                let people = positions.iter().filter_map(|n| self.ground.facts.positions.get(*n as usize));
                all.extend(&Ever::Some(people.map(|position| position.person).collect()));
            }
            Select::ReportsTo { manager, direct, .. } => {
                let mut below = Vec::new();
                self.ground.tree.possible(self.ground.facts, *manager, *direct, &mut below);
                let people = below.iter().map(|span| span.person).chain([manager.0]);
                all.extend(&Ever::Some(people.collect()));
            }
            Select::Any(parts) => parts.iter().for_each(|part| self.entry(*part, all)),
            // Whoever is in all parts is in the first that is not a `not`.
            Select::All(parts) => match parts.iter().find(|part| !self.is_negated(**part)) {
                Some(part) => self.entry(*part, all),
                None => *all = Ever::Everybody,
            },
            Select::Not(_) => *all = Ever::Everybody,
        }
    }

    fn is_negated(&self, id: EntryId) -> bool {
        let entry = self.ground.facts.policy.entries.get(id.0 as usize);
        entry.is_some_and(|entry| matches!(entry.select, Select::Not(_)))
    }
}
