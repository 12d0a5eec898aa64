//! The order of a plan: edges, never phases.
//!
//! Comes in: drafts. Goes out: what each needs, the barriers, one order in which
//! every step comes after what it needs. Refuses: a cycle: its steps are withheld
//! with the path. Rank (what takes away first) only breaks ties.

mod edges;
mod minimum;
mod scopes;

pub(super) use edges::after;
pub use edges::fixed;
pub use minimum::minimums;

use super::DirectoryInput;
use super::draft::{Draft, Fate, Reason};
use crate::policy::Policy;
use crate::resolve::DesiredDirectory;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Both sides of every directory, as order and guard look at them.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// What is written.
    pub policy: &'a Policy,
    /// What was read, by directory.
    pub directories: &'a [DirectoryInput<'a>],
    /// What should be, by directory.
    pub desired: &'a [DesiredDirectory],
}

impl<'a> Ground<'a> {
    /// Both sides of the directory with that number.
    pub fn of(&self, number: u16) -> Option<(DirectoryInput<'a>, &'a DesiredDirectory)> {
        let position = self.directories.iter().position(|input| input.id.0 == number)?;
        Some((*self.directories.get(position)?, self.desired.get(position)?))
    }
}

/// A point that waits for several drafts, so that many can wait for many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Drafts it waits for.
    pub needs: Vec<u32>,
    /// Drafts that wait for it.
    pub dependents: Vec<u32>,
}

/// A plan's order.
#[derive(Debug, Default)]
pub struct Order {
    /// Drafts by position, in order.
    pub drafts: Vec<u32>,
    /// Draft numbers of what is on a cycle; empty when there is none.
    pub cycle: Vec<u32>,
}

/// Whatever needs something that is not in the plan is not in it either.
pub fn close(drafts: &mut [Draft]) {
    let mut dependents: Vec<(u32, u32)> = Vec::new();
    for (n, draft) in drafts.iter().enumerate() {
        if draft.is_kept() {
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            dependents.extend(draft.needs.iter().map(|need| (*need, n)));
        }
    }
    dependents.sort_unstable();
    let mut open: Vec<u32> = (0..drafts.len())
        .filter(|n| drafts.get(*n).is_some_and(|draft| !draft.is_kept()))
        .filter_map(|n| u32::try_from(n).ok())
        .collect();
    // Each carries the draft that started it, so that reasons do not grow.
    let mut roots: Vec<(u32, u32)> = open.drain(..).rev().map(|n| (n, n)).collect();
    while let Some((stopped, root)) = roots.pop() {
        let from = dependents.partition_point(|(need, _)| *need < stopped);
        let waiting: Vec<u32> =
            dependents.iter().skip(from).take_while(|(need, _)| *need == stopped).map(|(_, n)| *n).collect();
        for n in waiting {
            let reason = drafts.get(root as usize).map(because_of);
            let Some(draft) = drafts.get_mut(n as usize).filter(|draft| draft.is_kept()) else { continue };
            draft.fate = Fate::withheld(reason.unwrap_or_default());
            roots.push((n, root));
        }
    }
}

fn because_of(root: &Draft) -> Reason {
    let words = root.words();
    match &root.fate {
        Fate::Filtered(option) => Reason::new(
            format!("it needs `{words}`, which `{option}` leaves out"),
            format!("plan without `{option}`, or apply that first"),
        ),
        Fate::Withheld(reason) => Reason {
            reason: format!("it needs `{words}`, which is withheld: {}", reason.reason),
            limit: reason.limit.clone(),
            setting: reason.setting.clone(),
        },
        Fate::Kept => Reason::default(),
    }
}

/// Orders the kept drafts.
pub fn order(drafts: &[Draft], waits: &[Wait]) -> Order {
    let graph = graph(drafts, waits);
    let mut missing: Vec<u32> = vec![0; graph.node_count()];
    for edge in graph.raw_edges() {
        if let Some(count) = missing.get_mut(edge.target().index()) {
            *count += 1;
        }
    }
    let ranks = ranks(drafts);
    let rank = |n: usize| ranks.get(n).copied().unwrap_or(0);
    let is_in = |n: usize| drafts.get(n).is_none_or(Draft::is_kept);
    let mut ready: BinaryHeap<Reverse<(u32, usize)>> = (0..graph.node_count())
        .filter(|n| missing.get(*n) == Some(&0) && is_in(*n))
        .map(|n| Reverse((rank(n), n)))
        .collect();
    let mut order = Order::default();
    let mut done = 0;
    while let Some(Reverse((_, n))) = ready.pop() {
        done += 1;
        if n < drafts.len() {
            order.drafts.push(u32::try_from(n).unwrap_or(u32::MAX));
        }
        for next in graph.neighbors(NodeIndex::new(n)) {
            let Some(count) = missing.get_mut(next.index()) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push(Reverse((rank(next.index()), next.index())));
            }
        }
    }
    let nodes = drafts.iter().filter(|draft| draft.is_kept()).count() + waits.len();
    if done < nodes {
        order.cycle = cycle(&graph, drafts.len());
    }
    order
}

/// An edge leads from what comes first to what needs it. Nodes are the drafts, then
/// the waits; a draft that is not in the plan has no edge.
fn graph(drafts: &[Draft], waits: &[Wait]) -> DiGraph<(), ()> {
    let edges = drafts.iter().map(|draft| draft.needs.len()).sum::<usize>();
    let mut graph = DiGraph::with_capacity(drafts.len() + waits.len(), edges);
    for _ in 0..drafts.len() + waits.len() {
        graph.add_node(());
    }
    let kept = |n: u32| drafts.get(n as usize).is_some_and(Draft::is_kept);
    for (n, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.is_kept()) {
        for need in draft.needs.iter().filter(|need| kept(**need)) {
            graph.add_edge(NodeIndex::new(*need as usize), NodeIndex::new(n), ());
        }
    }
    for (n, wait) in waits.iter().enumerate() {
        let node = NodeIndex::new(drafts.len() + n);
        for need in wait.needs.iter().filter(|need| kept(**need)) {
            graph.add_edge(NodeIndex::new(*need as usize), node, ());
        }
        for dependent in wait.dependents.iter().filter(|n| kept(**n)) {
            graph.add_edge(node, NodeIndex::new(*dependent as usize), ());
        }
    }
    graph
}

/// Position of each draft when sorted by action, directory and object; waits come first.
fn ranks(drafts: &[Draft]) -> Vec<u32> {
    let mut sorted: Vec<usize> = (0..drafts.len()).collect();
    sorted.sort_by(|a, b| {
        let key = |n: usize| drafts.get(n).map(|d| (d.change.action, &d.change.directory, &d.change.object, n));
        key(*a).cmp(&key(*b))
    });
    let mut ranks = vec![0; drafts.len()];
    for (rank, n) in sorted.into_iter().enumerate() {
        if let Some(cell) = ranks.get_mut(n) {
            *cell = u32::try_from(rank + 1).unwrap_or(u32::MAX);
        }
    }
    ranks
}

/// Drafts of all cycles, in the order of their numbers.
fn cycle(graph: &DiGraph<(), ()>, drafts: usize) -> Vec<u32> {
    let mut found: Vec<u32> = petgraph::algo::tarjan_scc(graph)
        .into_iter()
        .filter(|component| component.len() > 1)
        .flatten()
        .filter(|node| node.index() < drafts)
        .filter_map(|node| u32::try_from(node.index()).ok())
        .collect();
    found.sort_unstable();
    found
}

/// Withholds what is on a cycle, with the path and a way out.
pub fn break_cycle(drafts: &mut [Draft], cycle: &[u32]) {
    let mut path: Vec<String> =
        cycle.iter().take(6).filter_map(|n| drafts.get(*n as usize)).map(|d| format!("`{}`", d.words())).collect();
    if let Some(more) = cycle.len().checked_sub(6).filter(|more| *more > 0) {
        path.push(format!("{more} more"));
    }
    let text = format!("each of these needs the next and the last the first: {}", path.join(" → "));
    for n in cycle {
        if let Some(draft) = drafts.get_mut(*n as usize) {
            draft.fate = Fate::withheld(Reason::new(
                text.clone(),
                "make one of them in a commit of its own, or by hand, then plan again",
            ));
        }
    }
}
