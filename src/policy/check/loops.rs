//! The rules "managers" and "cycles".
//!
//! Comes in: managers of people; for roles and groups the edges that the rule
//! "access" collected. Goes out: nothing. Refuses: whatever needs itself, with the
//! whole path, file by file. A person who is their own manager is the top.

use super::{Checker, cycles, spans};
use crate::diagnostic::Diagnostic;
use crate::model::Window;
use crate::policy::written::Mark;

/// What roles and groups need: nodes are the roles, then the groups.
#[derive(Debug, Default)]
pub(super) struct Edges(Vec<Edge>);

#[derive(Debug, Clone, Copy)]
struct Edge {
    from: Node,
    to: Node,
    how: How,
    file: u32,
    mark: Mark,
}

/// A role or a group, or a test, which nothing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Role(u32),
    Group(u32),
    Test,
}

/// Why one needs the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// An entry of `from` names `to`.
    Named,
    /// `to` includes `from`: its members are members of `from`.
    Included,
    /// `to` grants `from`.
    Granted,
}

impl Edges {
    /// `from` needs `to`, as is written at `mark` of `file`.
    pub(super) fn add(&mut self, from: Node, to: Node, how: How, file: u32, mark: Mark) {
        if from != Node::Test {
            self.0.push(Edge { from, to, how, file, mark });
        }
    }
}

/// The rule "cycles".
pub(super) fn access(checker: &mut Checker<'_>) {
    let (roles, groups) = (checker.names.roles.list().len(), checker.names.groups.list().len());
    let number = |node: Node| match node {
        Node::Role(n) => n,
        Node::Group(n) => n.saturating_add(u32::try_from(roles).unwrap_or(u32::MAX)),
        Node::Test => u32::MAX,
    };
    let edges = std::mem::take(&mut checker.edges.0);
    let pairs: Vec<(u32, u32)> = edges.iter().map(|edge| (number(edge.from), number(edge.to))).collect();
    for cycle in cycles::find(roles + groups, &pairs) {
        let path: Vec<Edge> = cycle.iter().filter_map(|n| edges.get(*n).copied()).collect();
        let Some(first) = path.first().copied() else { continue };
        let mut names: Vec<String> = path.iter().map(|edge| name(checker, edge.from)).collect();
        names.push(name(checker, first.from));
        let message = if path.len() == 1 {
            format!("{} needs itself", name(checker, first.from))
        } else {
            format!("these need each other: {}", names.join(" → "))
        };
        let mut diagnostic = Diagnostic::error("cycle", message);
        if path.len() > 1 {
            for edge in path.iter().skip(1) {
                let Some(span) = checker.span(edge.file, edge.mark) else { continue };
                diagnostic = diagnostic.related(span, sentence(checker, *edge));
            }
        }
        let diagnostic = diagnostic
            .help("who is in one is only known once it is known who is in the next: take one of these lines out");
        checker.report(first.file, first.mark, diagnostic);
    }
}

fn name(checker: &Checker<'_>, node: Node) -> String {
    match node {
        Node::Role(n) => format!("role `{}`", checker.names.roles.get(n).map_or("?", |named| named.key.as_str())),
        Node::Test => "a test".to_owned(),
        Node::Group(n) => format!("group `{}`", checker.names.groups.get(n).map_or("?", |named| named.key.as_str())),
    }
}

fn sentence(checker: &Checker<'_>, edge: Edge) -> String {
    let (from, to) = (name(checker, edge.from), name(checker, edge.to));
    match edge.how {
        How::Named => format!("{from} names {to}"),
        How::Included => format!("{to} includes {from}, so its members are in it"),
        How::Granted => format!("{from} is granted by {to}"),
    }
}

/// The rule "managers".
pub(super) fn managers(checker: &mut Checker<'_>) {
    let mut edges: Vec<(u32, u32)> = Vec::new();
    let mut windows: Vec<Window> = Vec::new();
    for (n, person) in (0u32..).zip(&checker.meant.people) {
        for position in &person.positions {
            if let Some(manager) = position.manager
                && manager.0 != n
            {
                edges.push((n, manager.0));
                windows.push(position.window);
            }
        }
    }
    for cycle in cycles::find(checker.meant.people.len(), &edges) {
        // Two people may have managed each other one after the other.
        let shared: Vec<Window> = cycle.iter().filter_map(|n| windows.get(*n).copied()).collect();
        let together =
            shared.iter().enumerate().all(|(n, a)| shared.iter().skip(n + 1).all(|b| spans::overlap(*a, *b)));
        if together {
            let path: Vec<u32> = cycle.iter().filter_map(|n| edges.get(*n)).map(|edge| edge.0).collect();
            report_managers(checker, &path);
        }
    }
}

fn report_managers(checker: &mut Checker<'_>, path: &[u32]) {
    let people: Vec<_> = path.iter().filter_map(|n| checker.names.people.get(*n)).collect();
    let Some(first) = people.first().copied() else { return };
    let mut names: Vec<&str> = people.iter().map(|named| named.key.as_str()).collect();
    names.push(first.key.as_str());
    let message = format!("these manage each other: `{}`", names.join("` → `"));
    let mut diagnostic = Diagnostic::error("manager-cycle", message);
    for (n, named) in people.iter().enumerate().skip(1) {
        let manager = names.get(n + 1).copied().unwrap_or_default();
        if let Some(span) = checker.span(named.file, mark_of_manager(*named)) {
            diagnostic = diagnostic.related(span, format!("`{}` reports to `{manager}`", named.key.value));
        }
    }
    let diagnostic =
        diagnostic.help("`reports_to` follows this chain to its top: the top has no manager, or is their own");
    checker.report(first.file, mark_of_manager(first), diagnostic);
}

/// Where a person's manager is written first.
fn mark_of_manager(named: super::index::Named<'_, crate::policy::written::Person>) -> Mark {
    let positions = named.value.positions.iter().filter_map(|position| position.value.manager.as_ref());
    positions.chain(named.value.manager.as_ref()).next().map_or(named.key.mark, |text| text.mark)
}
