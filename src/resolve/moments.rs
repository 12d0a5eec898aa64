//! One person at any instant, as if no constraint revoked anything.
//!
//! Comes in: the prepared graph, a person, some roles and groups. Goes out: the instants
//! at which that person's holding of them can change, and the readings at each. Refuses:
//! other people (a resolution answers for everybody, at one instant only) and ends.

use super::Reference;
use super::ask::{Around, Ask, Holds};
use super::because::{Lists, lists};
use super::sets::Ground;
use super::times::kept;
use crate::model::{Instant, Window};
use crate::policy::{Entry, EntryId, GroupId, Holding, Manage, Person, PersonId, Policy, RoleId, Select};
use std::collections::BTreeSet;

/// Some roles and groups with everything that they read.
pub(super) struct Way {
    /// Nodes, each after what it reads.
    order: Vec<u32>,
    /// By node: its position in `order`.
    positions: Vec<u32>,
    /// Whether any of them hangs on something unread.
    pub(super) is_unread: bool,
}

impl Way {
    pub(super) fn new(ground: &Ground<'_, '_>, holdings: &[Holding]) -> Self {
        let order = ground.graph.upstream(holdings.iter().map(|holding| ground.graph.node_of(*holding)));
        let mut positions = vec![u32::MAX; ground.graph.edges.len()];
        for (n, node) in (0u32..).zip(&order) {
            if let Some(cell) = positions.get_mut(*node as usize) {
                *cell = n;
            }
        }
        let is_unread = order.iter().any(|node| ground.graph.on_unread.get(*node as usize) == Some(&true));
        Self { order, positions, is_unread }
    }
}

/// What one node says about one person.
struct Mine<'a> {
    lists: Lists<'a>,
    /// Members that may be about the person.
    members: Vec<EntryId>,
    feeders: &'a [RoleId],
    /// Of a reference group: whether it lists the person.
    reference: Option<Listed>,
}

/// Whether a reference group lists a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Yes,
    No,
    Unread,
}

impl Listed {
    fn is(self, unread: bool) -> bool {
        self == Self::Yes || self == Self::Unread && unread
    }
}

/// One person on a way.
pub(super) struct Moments<'a> {
    policy: &'a Policy,
    ground: &'a Ground<'a, 'a>,
    way: &'a Way,
    id: PersonId,
    person: &'a Person,
    nodes: Vec<Mine<'a>>,
}

/// The person's readings at one instant.
pub(super) struct Readings<'a> {
    at: Instant,
    ground: &'a Ground<'a, 'a>,
    way: &'a Way,
    sure: Vec<bool>,
    possible: Vec<bool>,
}

impl Readings<'_> {
    fn read(&self, list: &[bool], holding: Holding) -> bool {
        let node = self.ground.graph.node_of(holding) as usize;
        self.way.positions.get(node).and_then(|position| list.get(*position as usize)) == Some(&true)
    }

    pub(super) fn holds(&self, holding: Holding) -> bool {
        self.read(&self.sure, holding)
    }
}

impl Holds for Readings<'_> {
    fn at(&self) -> Instant {
        self.at
    }

    fn surely(&self, _person: PersonId, holding: Holding) -> bool {
        self.read(&self.sure, holding)
    }

    fn possibly(&self, _person: PersonId, holding: Holding) -> bool {
        self.read(&self.possible, holding)
    }
}

impl<'a> Moments<'a> {
    pub(super) fn new(ground: &'a Ground<'a, 'a>, way: &'a Way, id: PersonId) -> Option<Self> {
        let policy = ground.facts.policy;
        let person = policy.people.get(id.0 as usize)?;
        let mut moments = Self { policy, ground, way, id, person, nodes: Vec::with_capacity(way.order.len()) };
        for node in &way.order {
            let mine = moments.mine(*node)?;
            moments.nodes.push(mine);
        }
        Some(moments)
    }

    fn mine(&self, node: u32) -> Option<Mine<'a>> {
        let graph = &self.ground.graph;
        let holding = match (node as usize).checked_sub(graph.roles) {
            None => Holding::Role(RoleId(node)),
            Some(group) => Holding::Group(GroupId(u32::try_from(group).ok()?)),
        };
        let lists = lists(self.policy, holding)?;
        let members = lists.members.iter().copied().filter(|entry| self.concerns(*entry)).collect();
        let reference = match holding {
            Holding::Group(group) => self.reference(group),
            Holding::Role(_) => None,
        };
        let feeders = graph.feeders.get(node as usize).map_or(&[][..], Vec::as_slice);
        Some(Mine { lists, members, feeders, reference })
    }

    fn reference(&self, id: GroupId) -> Option<Listed> {
        let group = self.policy.groups.get(id.0 as usize)?;
        (group.manage == Manage::Reference).then(|| match self.ground.references.groups.get(&id) {
            Some(Reference::Read(people)) if people.binary_search(&self.id).is_ok() => Listed::Yes,
            Some(Reference::Read(_)) => Listed::No,
            Some(Reference::NotRead(_)) | None => Listed::Unread,
        })
    }

    fn entry(&self, id: EntryId) -> Option<&'a Entry> {
        self.policy.entries.get(id.0 as usize)
    }

    /// An entry that names other people says nothing about this one, whatever its dates.
    fn concerns(&self, id: EntryId) -> bool {
        self.entry(id).is_some_and(|entry| match &entry.select {
            Select::People(people) => people.contains(&self.id),
            _ => true,
        })
    }

    /// The readings at an instant, with what was not read as nobody, or at its most generous.
    pub(super) fn readings(&self, at: Instant, generous: bool) -> Readings<'a> {
        let count = self.nodes.len();
        let (ground, way) = (self.ground, self.way);
        let mut readings =
            Readings { at, ground, way, sure: Vec::with_capacity(count), possible: Vec::with_capacity(count) };
        for mine in &self.nodes {
            let Some(ask) = Ask::new(self.policy, &readings, self.id) else { break };
            let (sure, possible) = (self.is_in(&ask, mine, generous), self.may_be_in(&ask, mine, generous));
            readings.sure.push(sure);
            readings.possible.push(possible);
        }
        readings
    }

    fn is_in(&self, ask: &Ask<'_, Readings<'a>>, mine: &Mine<'_>, generous: bool) -> bool {
        let Mine { lists, members, feeders, reference } = mine;
        let present = || self.person.periods.iter().any(|period| period.window.contains(ask.at));
        let given = || {
            members.iter().any(|entry| ask.is_in(*entry, &Around::giving()))
                || feeders.iter().any(|role| ask.resolution.holds(Holding::Role(*role)))
                || reference.is_some_and(|listed| listed.is(generous) && present())
        };
        let kept = || lists.only.is_empty() || lists.only.iter().any(|id| ask.is_in(*id, &Around::filtering()));
        lists.expires.is_none_or(|end| end > ask.at)
            && given()
            && kept()
            && !lists.except.iter().any(|entry| ask.may_be_in(*entry, &Around::filtering()))
    }

    fn may_be_in(&self, ask: &Ask<'_, Readings<'a>>, mine: &Mine<'_>, generous: bool) -> bool {
        let Mine { lists, members, feeders, reference } = mine;
        let given = || {
            members.iter().any(|entry| ask.may_be_in(*entry, &Around::giving()))
                || feeders.iter().any(|role| ask.resolution.possibly(self.id, Holding::Role(*role)))
                || reference.is_some_and(|listed| listed.is(!generous))
        };
        let kept = || lists.only.is_empty() || lists.only.iter().any(|id| ask.may_be_in(*id, &Around::filtering()));
        given() && kept() && !lists.except.iter().any(|entry| ask.is_in(*entry, &Around::filtering()))
    }

    /// Every instant at which the readings, or whom a constraint concerns, can change;
    /// sorted. Between two of them nothing does.
    pub(super) fn dates(&self) -> BTreeSet<Instant> {
        let mut dates = Dates { moments: self, found: BTreeSet::new(), is_tree: false, terms: Vec::new() };
        dates.terms.extend(self.policy.constraints.iter().filter_map(|c| Some(c.maximum_term?.seconds())));
        for period in &self.person.periods {
            dates.window(period.window);
        }
        for position in &self.person.positions {
            let all = [position.window.starts, position.window.expires, kept(position)];
            dates.found.extend(all.into_iter().flatten());
        }
        for exception in self.policy.constraints.iter().flat_map(|c| &c.exceptions).filter(|e| e.person == self.id) {
            dates.found.extend([exception.window.starts, exception.window.expires].into_iter().flatten());
        }
        for mine in &self.nodes {
            dates.found.extend(mine.lists.expires);
            for entry in mine.members.iter().chain(mine.lists.only).chain(mine.lists.except) {
                dates.entry(*entry);
            }
        }
        if dates.is_tree {
            dates.above();
        }
        dates.found
    }
}

/// The instants found so far.
struct Dates<'m, 'a> {
    moments: &'m Moments<'a>,
    found: BTreeSet<Instant>,
    /// Whether some entry asks who reports to whom.
    is_tree: bool,
    terms: Vec<i64>,
}

impl Dates<'_, '_> {
    fn window(&mut self, window: Window) {
        self.found.extend([window.starts, window.expires].into_iter().flatten());
        if let Some(starts) = window.starts {
            self.found.extend(self.terms.iter().map(|term| starts.plus(*term)));
        }
    }

    fn entry(&mut self, id: EntryId) {
        let Some(entry) = self.moments.entry(id).filter(|_| self.moments.concerns(id)) else { return };
        self.window(entry.window());
        match &entry.select {
            Select::All(parts) | Select::Any(parts) => parts.iter().for_each(|part| self.entry(*part)),
            Select::Not(part) => self.entry(*part),
            Select::ReportsTo { .. } => self.is_tree = true,
            Select::People(_) | Select::Role(_) | Select::Group(_) | Select::Groups(..) | Select::Where(_) => {}
        }
    }

    /// The positions of everybody who is ever above the person.
    fn above(&mut self) {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.moments.person];
        while let Some(person) = open.pop() {
            for position in &person.positions {
                self.found.extend([position.window.starts, position.window.expires].into_iter().flatten());
                if let Some(manager) = position.manager.filter(|manager| seen.insert(*manager)) {
                    open.extend(self.moments.policy.people.get(manager.0 as usize));
                }
            }
        }
    }
}
