//! Which roles and groups hang on which, and in what order they are resolved.
//!
//! Comes in: the policy (its checks have refused circles). Goes out: nodes in levels;
//! within a level nothing hangs on anything else. Refuses: to resolve what stands in
//! a circle: it stays empty.

use crate::policy::{Breach, EntryId, GroupId, Holding, Manage, Policy, RoleId, Select};
use std::collections::{BTreeMap, BTreeSet};

/// Roles, then groups, as one row of nodes.
pub(super) struct Graph {
    pub(super) roles: usize,
    pub(super) levels: Vec<Vec<u32>>,
    /// By node: the roles whose members are members of it: those that include it, or grant it.
    pub(super) feeders: Vec<Vec<RoleId>>,
    /// By node: whether somebody's being in it takes something away from somebody.
    pub(super) negated: Vec<bool>,
    /// By node: whether it hangs on a reference group that was not read.
    pub(super) on_unread: Vec<bool>,
    /// By node: what it reads.
    pub(super) edges: Vec<Vec<Edge>>,
}

/// One thing that a node reads, and whether it is flipped.
pub(super) struct Edge {
    pub(super) to: u32,
    flipped: bool,
}

/// The groups managed elsewhere that decide who holds any of `holdings`, however far
/// away.
pub fn references_of(policy: &Policy, holdings: impl IntoIterator<Item = Holding>) -> BTreeSet<GroupId> {
    let group = |holding: Holding| match holding {
        Holding::Group(group) => Some(group),
        Holding::Role(_) => None,
    };
    let is_reference =
        |id: &GroupId| policy.groups.get(id.0 as usize).is_some_and(|group| group.manage == Manage::Reference);
    needed(policy, holdings).into_iter().filter_map(group).filter(is_reference).collect()
}

/// Everything that decides who holds any of `holdings`, themselves included, also by what
/// constraints revoke.
pub fn needed(policy: &Policy, holdings: impl IntoIterator<Item = Holding>) -> BTreeSet<Holding> {
    upstream(policy, holdings, true)
}

/// What is written to decide who holds any of `holdings`, themselves included: in this
/// direction there is never a way back.
pub fn depends_on(policy: &Policy, holdings: impl IntoIterator<Item = Holding>) -> BTreeSet<Holding> {
    upstream(policy, holdings, false)
}

fn upstream(policy: &Policy, holdings: impl IntoIterator<Item = Holding>, revoked: bool) -> BTreeSet<Holding> {
    let roles = policy.roles.len();
    let (_, edges) = edges(policy);
    let mut open: Vec<u32> = holdings.into_iter().map(|holding| node_of(roles, holding)).collect();
    // What a constraint revokes hangs on the constraint's other sides too.
    let mut sides: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for constraint in policy.constraints.iter().filter(|_| revoked) {
        let Breach::Revoke(revoked) = &constraint.on_breach else { continue };
        for revoked in revoked.iter().filter(|revoked| constraint.exclusive.contains(revoked)) {
            let all = constraint.exclusive.iter().map(|side| node_of(roles, *side));
            sides.entry(node_of(roles, *revoked)).or_default().extend(all);
        }
    }
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    while let Some(node) = open.pop() {
        if seen.insert(node) {
            open.extend(edges.get(node as usize).into_iter().flatten().map(|edge| edge.to));
            open.extend(sides.get(&node).into_iter().flatten());
        }
    }
    let group = |node: u32| u32::try_from((node as usize).checked_sub(roles)?).ok().map(GroupId);
    seen.into_iter().map(|node| group(node).map_or(Holding::Role(RoleId(node)), Holding::Group)).collect()
}

/// Roles come first, then groups.
fn node_of(roles: usize, holding: Holding) -> u32 {
    match holding {
        Holding::Role(role) => role.0,
        Holding::Group(group) => group.0.saturating_add(u32::try_from(roles).unwrap_or(u32::MAX)),
    }
}

/// By node: the roles that feed it, and everything that it reads.
fn edges(policy: &Policy) -> (Vec<Vec<RoleId>>, Vec<Vec<Edge>>) {
    let (roles, groups) = (policy.roles.len(), policy.groups.len());
    let count = roles + groups;
    let mut feeders: Vec<Vec<RoleId>> = vec![Vec::new(); count];
    for (n, role) in policy.roles.iter().enumerate() {
        let id = RoleId(u32::try_from(n).unwrap_or(u32::MAX));
        let included = role.includes.iter().map(|(role, _)| role.0 as usize);
        for node in included.chain(role.grants.iter().map(|grant| roles + grant.group.0 as usize)) {
            if let Some(list) = feeders.get_mut(node) {
                list.push(id);
            }
        }
    }
    let edges = (0..count).map(|node| edges_of(policy, roles, node, &feeders)).collect();
    (feeders, edges)
}

impl Graph {
    pub(super) fn new(policy: &Policy, is_unread: impl Fn(usize) -> bool) -> Self {
        let roles = policy.roles.len();
        let (feeders, edges) = edges(policy);
        let count = edges.len();
        let levels = levels(&edges);
        let mut graph =
            Self { roles, levels, feeders, negated: vec![false; count], on_unread: vec![false; count], edges };
        graph.spread_unread(policy, is_unread);
        graph.spread_negated();
        graph
    }

    /// The number of a role's or group's node.
    pub(super) fn node_of(&self, holding: Holding) -> u32 {
        node_of(self.roles, holding)
    }

    /// What the nodes read, directly or not, themselves included; each after what it reads.
    pub(super) fn upstream(&self, of: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut wanted = vec![false; self.edges.len()];
        let mut open: Vec<u32> = of.collect();
        while let Some(node) = open.pop() {
            if let Some(cell) = wanted.get_mut(node as usize).filter(|cell| !**cell) {
                *cell = true;
                open.extend(self.edges.get(node as usize).into_iter().flatten().map(|edge| edge.to));
            }
        }
        self.levels.iter().flatten().copied().filter(|node| wanted.get(*node as usize) == Some(&true)).collect()
    }

    fn spread_unread(&mut self, policy: &Policy, is_unread: impl Fn(usize) -> bool) {
        for (n, group) in policy.groups.iter().enumerate() {
            if let Some(cell) = self.on_unread.get_mut(self.roles + n) {
                *cell = group.manage == Manage::Reference && is_unread(n);
            }
        }
        for node in self.levels.iter().flatten() {
            let edges = self.edges.get(*node as usize).map_or(&[][..], Vec::as_slice);
            let hangs = edges.iter().any(|edge| self.on_unread.get(edge.to as usize) == Some(&true));
            if let Some(cell) = self.on_unread.get_mut(*node as usize).filter(|_| hangs) {
                *cell = true;
            }
        }
    }

    /// The sure reading of a node needs the possible one of what it reads flipped;
    /// the possible one needs the possible one of what it reads unflipped.
    fn spread_negated(&mut self) {
        for node in self.levels.iter().rev().flatten() {
            let is_negated = self.negated.get(*node as usize) == Some(&true);
            for edge in self.edges.get(*node as usize).map_or(&[][..], Vec::as_slice) {
                if let Some(cell) = self.negated.get_mut(edge.to as usize).filter(|_| edge.flipped || is_negated) {
                    *cell = true;
                }
            }
        }
    }
}

fn edges_of(policy: &Policy, roles: usize, node: usize, feeders: &[Vec<RoleId>]) -> Vec<Edge> {
    let mut edges = Vec::new();
    let lists = match (policy.roles.get(node), node.checked_sub(roles).and_then(|n| policy.groups.get(n))) {
        (Some(role), _) => [&role.members, &role.only, &role.except],
        (None, Some(group)) => [&group.members, &group.only, &group.except],
        (None, None) => return edges,
    };
    for (list, flipped) in lists.into_iter().zip([false, false, true]) {
        for entry in list {
            entry_edges(policy, roles, *entry, flipped, &mut edges);
        }
    }
    let feeders = feeders.get(node).map_or(&[][..], Vec::as_slice);
    edges.extend(feeders.iter().map(|role| Edge { to: role.0, flipped: false }));
    edges
}

fn entry_edges(policy: &Policy, roles: usize, entry: EntryId, flipped: bool, edges: &mut Vec<Edge>) {
    let Some(entry) = policy.entries.get(entry.0 as usize) else { return };
    let group_node = |n: u32| n.saturating_add(u32::try_from(roles).unwrap_or(u32::MAX));
    match &entry.select {
        Select::Role(role) => edges.push(Edge { to: role.0, flipped }),
        Select::Group(group) => edges.push(Edge { to: group_node(group.0), flipped }),
        Select::Groups(glob) => {
            edges.extend(glob.groups.iter().map(|group| Edge { to: group_node(group.0), flipped }));
        }
        Select::All(parts) | Select::Any(parts) => {
            for part in parts {
                entry_edges(policy, roles, *part, flipped, edges);
            }
        }
        Select::Not(part) => entry_edges(policy, roles, *part, !flipped, edges),
        Select::People(_) | Select::Where(_) | Select::ReportsTo { .. } => {}
    }
}

/// Kahn's algorithm, level by level.
fn levels(edges: &[Vec<Edge>]) -> Vec<Vec<u32>> {
    let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut readers: Vec<Vec<u32>> = vec![Vec::new(); edges.len()];
    for (node, list) in (0u32..).zip(edges) {
        for edge in list {
            if let Some(list) = readers.get_mut(edge.to as usize) {
                list.push(node);
            }
        }
    }
    let mut ready: Vec<u32> = (0u32..).zip(&waiting).filter(|(_, n)| **n == 0).map(|(node, _)| node).collect();
    let mut levels = Vec::new();
    while !ready.is_empty() {
        let mut next = Vec::new();
        for reader in ready.iter().filter_map(|node| readers.get(*node as usize)).flatten() {
            if let Some(count) = waiting.get_mut(*reader as usize) {
                *count -= 1;
                if *count == 0 {
                    next.push(*reader);
                }
            }
        }
        next.sort_unstable();
        levels.push(std::mem::replace(&mut ready, next));
    }
    levels
}
