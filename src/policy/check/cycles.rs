//! Cycles in a graph of numbered things, each as the shortest path back to itself.
//!
//! Comes in: the number of nodes and the edges, each with a label of the caller.
//! Goes out: one cycle for each knot, as indices of edges. Refuses: nothing.

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::VecDeque;

/// For every strongly connected knot of more than one node, and for every node with
/// an edge to itself, the shortest cycle through its smallest node: indices into
/// `edges`, in order. Sorted by that node, so equal input gives equal output.
pub(super) fn find(nodes: usize, edges: &[(u32, u32)]) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), usize>::with_capacity(nodes, edges.len());
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (n, (from, to)) in edges.iter().enumerate() {
        if (*from as usize) < nodes && (*to as usize) < nodes {
            graph.add_edge(NodeIndex::new(*from as usize), NodeIndex::new(*to as usize), n);
        }
    }
    let mut knot_of = vec![u32::MAX; nodes];
    let mut starts = Vec::new();
    // Not tarjan_scc: petgraph's calls itself and would overflow on a long chain.
    for (number, knot) in (0u32..).zip(petgraph::algo::kosaraju_scc(&graph)) {
        for node in &knot {
            if let Some(slot) = knot_of.get_mut(node.index()) {
                *slot = number;
            }
        }
        if let Some(first) = knot.iter().min()
            && (knot.len() > 1 || graph.contains_edge(*first, *first))
        {
            starts.push(*first);
        }
    }
    starts.sort_unstable();
    let mut came_by = vec![None; nodes];
    starts.into_iter().map(|start| shortest(&graph, start, &knot_of, &mut came_by)).collect()
}

/// By which node and edge a node was reached first.
type Way = Option<(NodeIndex, usize)>;

/// Breadth-first from `start` inside its knot until an edge leads back.
///
/// Knots share no node, so one table of ways serves all of them.
fn shortest(graph: &DiGraph<(), usize>, start: NodeIndex, knot_of: &[u32], came_by: &mut [Way]) -> Vec<usize> {
    let knot = knot_of.get(start.index());
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        // petgraph lists the edges added last first; the written order reads better.
        let mut out: Vec<_> = graph.edges(node).map(|edge| (*edge.weight(), edge.target())).collect();
        out.sort_unstable();
        for (edge, target) in out {
            if target == start {
                return path_back(came_by, start, node, edge);
            }
            if let Some(slot) = came_by.get_mut(target.index())
                && slot.is_none()
                && knot_of.get(target.index()) == knot
            {
                *slot = Some((node, edge));
                queue.push_back(target);
            }
        }
    }
    Vec::new()
}

fn path_back(came_by: &[Way], start: NodeIndex, last: NodeIndex, closing: usize) -> Vec<usize> {
    let (mut path, mut node) = (vec![closing], last);
    while node != start {
        let Some(Some((before, edge))) = came_by.get(node.index()) else { break };
        path.push(*edge);
        node = *before;
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn every_knot_gives_its_shortest_cycle() {
        let edges = [(0, 1), (1, 2), (2, 0), (1, 0), (3, 3), (4, 5), (5, 6)];
        assert_eq!(find(7, &edges), vec![vec![0, 3], vec![4]]);
        assert_eq!(find(3, &[(0, 1), (1, 2), (0, 2)]), Vec::<Vec<usize>>::new(), "a diamond is no cycle");
    }

    #[test]
    fn a_long_chain_is_no_recursion() {
        let edges: Vec<(u32, u32)> = (0..200_000).map(|n| (n, (n + 1) % 200_000)).collect();
        assert_eq!(find(200_000, &edges).first().map(Vec::len), Some(200_000));
    }
}
