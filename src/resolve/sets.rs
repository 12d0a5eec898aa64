//! The sets of every role and group, level by level.
//!
//! Comes in: the policy in numbers and the references. Goes out: for each node its
//! sure members (people with one of their accounts: [`super::holder`]) with entry and end, its possible members where somebody's being in it
//! takes something away, and who is unsettled. Refuses: circles (see `graph`).
//!
//! `sure = (∪ sure(members) ∩ sure(only)) − possible(except)`, and
//! `possible = (∪ possible(members) ∩ possible(only)) − sure(except)`. The generous
//! readings are the same two with unread references as everybody (what gives) or
//! nobody (what takes away); they are made only for what hangs on something unread.

use super::cuts::{Cuts, NodeCuts};
use super::graph::Graph;
use super::rules::Rules;
use super::select::{Around, Lens, Selector};
use super::span::{NEVER, Reading, Span, find, normalise};
use super::times::Facts;
use super::tree::Tree;
use super::{Reference, References, Resolution, Via};
use crate::policy::{EntryId, GroupId, Holding, Label, Manage, RoleId};
use rayon::prelude::*;

/// One node's sets. Lists are sorted by person.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) sure: Vec<Span>,
    /// Beside each of `sure` its [`Via`] as a number; a single one where all are alike.
    vias: Vec<u32>,
    /// Whether `possible` was made.
    has_possible: bool,
    possible: Vec<Span>,
    generous: Option<Vec<Span>>,
    generous_possible: Vec<Span>,
    /// Generous without sure.
    pub(super) unsettled: Vec<u32>,
}

impl Node {
    pub(super) const fn nobody() -> Self {
        Self {
            sure: Vec::new(),
            vias: Vec::new(),
            has_possible: false,
            possible: Vec::new(),
            generous: None,
            generous_possible: Vec::new(),
            unsettled: Vec::new(),
        }
    }

    pub(super) fn via(&self, position: usize) -> Via {
        Via::from_number(match self.vias.as_slice() {
            [only] => *only,
            vias => vias.get(position).copied().unwrap_or(Via::Directory.number()),
        })
    }

    pub(super) fn possible(&self) -> Option<&[Span]> {
        self.has_possible.then_some(self.possible.as_slice())
    }
}

/// All nodes: roles, then groups.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes {
    pub(super) roles: usize,
    pub(super) list: Vec<Node>,
}

impl Nodes {
    pub(super) fn get(&self, holding: Holding) -> Option<&Node> {
        match holding {
            Holding::Role(role) => self.list.get(role.0 as usize).filter(|_| (role.0 as usize) < self.roles),
            Holding::Group(group) => self.list.get(self.roles + group.0 as usize),
        }
    }

    /// Holders in a node of whom nobody can say; sorted.
    pub(super) fn unsettled(&self, holding: Holding) -> &[u32] {
        self.get(holding).map_or(&[][..], |node| node.unsettled.as_slice())
    }

    /// Appends a node's people as seen through a lens.
    pub(super) fn spans(&self, holding: Holding, lens: Lens, out: &mut Vec<Span>) {
        let Some(node) = self.get(holding) else { return };
        out.extend_from_slice(match (lens.reading, lens.generous, &node.generous) {
            (Reading::Sure, true, Some(generous)) => generous,
            (Reading::Sure, _, _) => &node.sure,
            (Reading::Possible, true, Some(_)) => &node.generous_possible,
            (Reading::Possible, _, _) => &node.possible,
        });
    }
}

/// Resolves every node; first as if no constraint revoked anything, then, where one
/// does, what hangs on what it takes away once more.
pub(super) fn resolve(facts: &Facts<'_>, references: &References) -> (Nodes, Cuts) {
    let mut ground = Ground::new(facts, references);
    let mut nodes = Nodes { roles: ground.graph.roles, list: vec![Node::default(); ground.graph.feeders.len()] };
    let mut cuts = Cuts::default();
    ground.make(&mut nodes, &cuts, |_| true);
    cuts.find(&ground, &nodes);
    if !cuts.is_empty() {
        let touched = ground.touched(&cuts);
        ground.make(&mut nodes, &cuts, |node| touched.get(node as usize) == Some(&true));
    }
    nodes.list.par_iter_mut().for_each(Node::settle);
    (nodes, cuts)
}

/// The sets alone, as if no constraint revoked anything.
pub(super) fn uncut(facts: Facts<'_>, references: &References) -> Resolution {
    let nodes = {
        let ground = Ground::new(&facts, references);
        let mut nodes = Nodes { roles: ground.graph.roles, list: vec![Node::default(); ground.graph.feeders.len()] };
        ground.make(&mut nodes, &Cuts::default(), |_| true);
        nodes
    };
    Resolution { nodes, ..Resolution::without_sets(facts) }
}

/// Everything that is prepared once, whatever is cut.
pub(super) struct Ground<'r, 'p> {
    pub(super) facts: &'r Facts<'p>,
    pub(super) references: &'r References,
    pub(super) graph: Graph,
    pub(super) rules: Rules<'p>,
    pub(super) tree: Tree,
}

impl<'r, 'p> Ground<'r, 'p> {
    pub(super) fn new(facts: &'r Facts<'p>, references: &'r References) -> Self {
        let unread = |n: usize| {
            let group = GroupId(u32::try_from(n).unwrap_or(u32::MAX));
            !matches!(references.groups.get(&group), Some(Reference::Read(_)))
        };
        let graph = Graph::new(facts.policy, unread);
        let (rules, tree) = rayon::join(|| Rules::new(facts), || Tree::new(facts));
        Self { facts, references, graph, rules, tree }
    }

    /// The sets of these and of what they read, and of nothing else, as if no constraint
    /// revoked anything.
    pub(super) fn only(&self, holdings: &[Holding]) -> Nodes {
        let mut nodes = Nodes { roles: self.graph.roles, list: vec![Node::default(); self.graph.feeders.len()] };
        let mut asked = vec![false; nodes.list.len()];
        for node in self.graph.upstream(holdings.iter().map(|holding| self.graph.node_of(*holding))) {
            if let Some(cell) = asked.get_mut(node as usize) {
                *cell = true;
            }
        }
        self.make(&mut nodes, &Cuts::default(), |node| asked.get(node as usize) == Some(&true));
        nodes.list.iter_mut().for_each(Node::settle);
        nodes
    }

    /// Makes the nodes that are asked for, level by level.
    fn make(&self, nodes: &mut Nodes, cuts: &Cuts, asked: impl Fn(u32) -> bool) {
        for level in &self.graph.levels {
            let level: Vec<u32> = level.iter().copied().filter(|node| asked(*node)).collect();
            let selector = Selector { facts: self.facts, rules: &self.rules, tree: &self.tree, nodes };
            let maker = Maker { selector, graph: &self.graph, references: self.references, cuts };
            let made: Vec<Node> = level.par_iter().map(|node| maker.node(*node as usize)).collect();
            for (number, node) in level.iter().zip(made) {
                if let Some(cell) = nodes.list.get_mut(*number as usize) {
                    *cell = node;
                }
            }
        }
    }

    /// By node: whether a cut is in it or in what it reads. Where a cut is uncertain,
    /// they hang on something unread from now on.
    fn touched(&mut self, cuts: &Cuts) -> Vec<bool> {
        let mut touched = vec![false; self.graph.edges.len()];
        for node in self.graph.levels.iter().flatten().map(|node| *node as usize) {
            let cut = cuts.of_node(node);
            let edges = self.graph.edges.get(node).map_or(&[][..], Vec::as_slice);
            let hangs = |list: &[bool]| edges.iter().any(|edge| list.get(edge.to as usize) == Some(&true));
            let is_touched = cut.is_some() || hangs(&touched);
            let is_uncertain = cut.is_some_and(NodeCuts::is_uncertain) || hangs(&self.graph.on_unread);
            if let Some(cell) = touched.get_mut(node) {
                *cell = is_touched;
            }
            if let Some(cell) = self.graph.on_unread.get_mut(node) {
                *cell |= is_uncertain;
            }
        }
        touched
    }
}

impl Node {
    /// Whoever may be in it as the people were read: sure and unsettled.
    pub(super) fn generous(&self) -> &[Span] {
        self.generous.as_deref().unwrap_or(&self.sure)
    }

    /// Keeps of the generous readings only who is unsettled.
    fn settle(&mut self) {
        self.generous_possible = Vec::new();
        if let Some(generous) = self.generous.take() {
            let missing = generous.iter().filter(|span| find(&self.sure, span.person).is_none());
            self.unsettled = missing.map(|span| span.person).collect();
        }
    }
}

/// What a role or group says, in one shape.
struct Written<'p> {
    members: &'p [EntryId],
    only: &'p [EntryId],
    except: &'p [EntryId],
    /// Which account of whoever is in it is.
    account: Option<Label>,
    /// End tick of the whole.
    expires: u32,
    /// For a reference group: the group.
    reference: Option<GroupId>,
}

/// A member before the ways that lead to it are compared.
#[derive(Clone, Copy)]
struct Item {
    person: u32,
    /// `NEVER - end`, so that what ends last sorts first.
    rank: u32,
    via: u32,
}

struct Maker<'r, 'p> {
    selector: Selector<'r, 'p>,
    graph: &'r Graph,
    references: &'r References,
    cuts: &'r Cuts,
}

impl<'p> Maker<'_, 'p> {
    fn node(&self, number: usize) -> Node {
        let Some(written) = self.written(number) else { return Node::default() };
        let (sure, vias) = self.sure(number, &written);
        let mut node = Node { sure, vias, ..Node::default() };
        let negated = self.graph.negated.get(number) == Some(&true);
        let possible = Lens { reading: Reading::Possible, generous: false };
        if negated {
            node.has_possible = true;
            node.possible = self.reading(number, &written, possible);
        }
        if self.graph.on_unread.get(number) == Some(&true) {
            node.generous = Some(self.reading(number, &written, Lens { generous: true, ..Lens::SURE }));
            if negated {
                node.generous_possible = self.reading(number, &written, Lens { generous: true, ..possible });
            }
        }
        node
    }

    fn written(&self, number: usize) -> Option<Written<'p>> {
        let facts = self.selector.facts;
        if let Some(role) = facts.policy.roles.get(number) {
            return Some(Written {
                members: &role.members,
                only: &role.only,
                except: &role.except,
                account: role.account,
                expires: facts.times.end(role.expires),
                reference: None,
            });
        }
        let n = number.checked_sub(self.graph.roles)?;
        let group = facts.policy.groups.get(n)?;
        let id = GroupId(u32::try_from(n).ok()?);
        Some(Written {
            members: &group.members,
            only: &group.only,
            except: &group.except,
            account: group.account,
            expires: facts.times.end(group.expires),
            reference: (group.manage == Manage::Reference).then_some(id),
        })
    }

    fn feeders(&self, number: usize) -> &[RoleId] {
        self.graph.feeders.get(number).map_or(&[][..], Vec::as_slice)
    }

    /// The sure reading with the winning way of each member.
    fn sure(&self, number: usize, written: &Written<'_>) -> (Vec<Span>, Vec<u32>) {
        if written.expires == 0 {
            return (Vec::new(), Vec::new());
        }
        let mut items = Vec::new();
        let mut spans = Vec::new();
        let mut take = |spans: &mut Vec<Span>, via: u32| {
            self.relabel(written, spans);
            let alive = spans.drain(..).filter(|span| span.tick > 0);
            items.extend(alive.map(|span| Item { person: span.person, rank: NEVER - span.tick, via }));
        };
        for entry in written.members {
            self.selector.collect(*entry, Lens::SURE, &Around::giving(), &mut spans);
            take(&mut spans, Via::Entry(*entry).number());
        }
        for role in self.feeders(number) {
            self.selector.nodes.spans(Holding::Role(*role), Lens::SURE, &mut spans);
            take(&mut spans, Via::Role(*role).number());
        }
        self.read(written, Lens::SURE, &mut spans);
        take(&mut spans, Via::Directory.number());
        let key = |item: &Item| (u64::from(item.person) << 32 | u64::from(item.rank), item.via);
        if !items.is_sorted_by_key(key) {
            items.sort_by_key(key);
        }
        items.dedup_by_key(|item| item.person);
        let mut people: Vec<Span> = Vec::with_capacity(items.len());
        people.extend(items.iter().map(|item| Span { person: item.person, tick: NEVER - item.rank }));
        self.narrow(number, written, Lens::SURE, &mut people);
        let mut vias: Vec<u32> = Vec::with_capacity(people.len());
        let mut rest = items.iter();
        vias.extend(people.iter().filter_map(|span| rest.find(|item| item.person == span.person)).map(|item| item.via));
        if vias.first().is_some_and(|first| vias.iter().all(|via| via == first)) {
            vias.truncate(1);
            vias.shrink_to_fit();
        }
        (people, vias)
    }

    /// One of the other readings.
    fn reading(&self, number: usize, written: &Written<'_>, lens: Lens) -> Vec<Span> {
        let mut people = Vec::new();
        for entry in written.members {
            self.selector.collect(*entry, lens, &Around::giving(), &mut people);
        }
        for role in self.feeders(number) {
            self.selector.nodes.spans(Holding::Role(*role), lens, &mut people);
        }
        self.read(written, lens, &mut people);
        match lens.reading {
            Reading::Sure => self.relabel(written, &mut people),
            // Whoever may be in it takes something away from people, not from accounts.
            Reading::Possible => self.selector.facts.holders.forget(&mut people),
        }
        normalise(&mut people, lens.reading);
        self.narrow(number, written, lens, &mut people);
        people
    }

    /// Everybody in it is with the account that it says.
    fn relabel(&self, written: &Written<'_>, spans: &mut [Span]) {
        let Some(label) = written.account else { return };
        let holders = self.selector.facts.holders;
        for span in spans {
            span.person = holders.number(holders.person(span.person), label);
        }
    }

    /// The members that a reference group has in its directory.
    fn read(&self, written: &Written<'_>, lens: Lens, out: &mut Vec<Span>) {
        let Some(group) = written.reference else { return };
        let facts = self.selector.facts;
        let tick = |person: u32| match lens.reading {
            Reading::Sure => facts.person(person).map_or(0, |person| person.end),
            Reading::Possible => 0,
        };
        if let Some(Reference::Read(people)) = self.references.groups.get(&group) {
            out.extend(people.iter().map(|person| Span { person: person.0, tick: tick(person.0) }));
            return;
        }
        let everybody = (lens.reading == Reading::Possible) != lens.generous;
        if everybody {
            let count = u32::try_from(facts.people.len()).unwrap_or(u32::MAX);
            out.extend((0..count).map(|person| Span { person, tick: tick(person) }));
        }
    }

    /// `only`, then `except`, then what constraints revoke, then the end of the whole.
    fn narrow(&self, number: usize, written: &Written<'_>, lens: Lens, people: &mut Vec<Span>) {
        if people.is_empty() {
            return;
        }
        let holders = self.selector.facts.holders;
        if !written.only.is_empty() {
            let mut only = Vec::new();
            for entry in written.only {
                self.selector.collect(*entry, lens, &Around::filtering(), &mut only);
            }
            normalise(&mut only, lens.reading);
            *people = holders.keep(people, &only, lens.reading);
        }
        if !written.except.is_empty() {
            let mut away = Vec::new();
            for entry in written.except {
                self.selector.collect(*entry, lens.flipped(), &Around::filtering(), &mut away);
            }
            normalise(&mut away, lens.reading.flipped());
            holders.subtract(people, &away, lens.reading);
        }
        // A negated position keeps them: nobody comes in through a cut.
        if let Some(cut) = self.cuts.of_node(number).filter(|_| lens.reading == Reading::Sure) {
            holders.subtract(people, if lens.generous { &cut.certain } else { &cut.perhaps }, lens.reading);
        }
        if lens.reading == Reading::Sure && written.expires != NEVER {
            for span in people.iter_mut() {
                span.tick = span.tick.min(written.expires);
            }
            people.retain(|span| span.tick > 0);
        }
    }
}
