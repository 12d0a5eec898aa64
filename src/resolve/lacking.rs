//! Who would hold something with an account that they do not have.
//!
//! Comes in: a policy. Goes out: warnings, one for each role or group that goes to a
//! second account, with the people. Refuses: to make it an error (a rule may find
//! thousands, and one of them without the account must not stop the others), people and
//! entries that end (plans tell of those while they last), and the clock.

use super::sets::Ground;
use super::times::{Facts, bounds};
use super::{References, Resolution, Via};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Place};
use crate::policy::settings::AccountManage;
use crate::policy::{DirectoryId, GroupId, Holding, Label, Manage, Person, PersonId, Policy};
use std::collections::{BTreeMap, BTreeSet};

/// Most people who are named.
const NAMED: usize = 5;

/// What goes to a second account, where, and who lacks it.
type Lacking = BTreeMap<(Place, String, DirectoryId, Label), BTreeSet<PersonId>>;

/// Warnings about everybody who would hold something with an account they do not have.
pub(super) fn lacking(policy: &Policy) -> Vec<Diagnostic> {
    let said = policy.roles.iter().map(|role| role.account).chain(policy.groups.iter().map(|group| group.account));
    if said.flatten().next().is_none() {
        return Vec::new();
    }
    let last = bounds(policy).map_or(Instant::from_seconds(0), |(_, last)| last);
    let facts = Facts::timeless(policy, last.plus(1));
    let references = References::default();
    let ground = Ground::new(&facts, &references);
    let groups = labelled(&ground);
    let nodes = ground.only(&groups);
    let resolution = Resolution { nodes, ..Resolution::without_sets(facts) };
    let mut found = Lacking::new();
    for holding in groups {
        let Holding::Group(id) = holding else { continue };
        collect(policy, &resolution, id, &mut found);
    }
    found.into_iter().map(|(what, people)| warning(policy, what, &people)).collect()
}

/// Managed groups that somebody may hold with a second account.
fn labelled(ground: &Ground<'_, '_>) -> Vec<Holding> {
    let (policy, graph) = (ground.facts.policy, &ground.graph);
    let mut reached = vec![false; graph.edges.len()];
    for node in graph.levels.iter().flatten().map(|node| *node as usize) {
        let group = node.checked_sub(graph.roles).and_then(|n| policy.groups.get(n));
        let account = policy.roles.get(node).map_or_else(|| group.and_then(|group| group.account), |role| role.account);
        let reads = graph.edges.get(node).into_iter().flatten();
        let is_reached =
            account.is_some() || reads.into_iter().any(|edge| reached.get(edge.to as usize) == Some(&true));
        if let Some(cell) = reached.get_mut(node) {
            *cell = is_reached;
        }
    }
    let groups = (0u32..).zip(&policy.groups).filter(|(n, group)| {
        let directory = policy.directories.get(usize::from(group.directory.0));
        group.manage != Manage::Reference
            && directory.is_some_and(|directory| directory.settings.accounts.manage == AccountManage::Full)
            && reached.get(graph.node_of(Holding::Group(GroupId(*n))) as usize) == Some(&true)
    });
    groups.map(|(n, _)| Holding::Group(GroupId(n))).collect()
}

fn collect(policy: &Policy, resolution: &Resolution, id: GroupId, found: &mut Lacking) {
    let Some(group) = policy.groups.get(id.0 as usize) else { return };
    let stays = |person: &&Person| person.periods.last().is_some_and(|period| period.window.expires.is_none());
    for held in resolution.members(id).filter(|held| held.label.is_second()) {
        let person = policy.people.get(held.person.0 as usize).filter(stays);
        if person.is_none_or(|person| person.account(group.directory, held.label).is_some()) {
            continue;
        }
        let role = match held.via {
            Via::Role(role) => policy.roles.get(role.0 as usize).filter(|role| role.account.is_some()),
            Via::Entry(_) | Via::Directory => None,
        };
        let (place, what) = match role {
            Some(role) => (role.place, format!("the role `{}`", role.key)),
            None => (group.place, format!("`{}`", super::name(policy, Holding::Group(id)))),
        };
        found.entry((place, what, group.directory, held.label)).or_default().insert(held.person);
    }
}

fn warning(
    policy: &Policy,
    (place, what, directory, label): (Place, String, DirectoryId, Label),
    people: &BTreeSet<PersonId>,
) -> Diagnostic {
    let directory = policy.directories.get(usize::from(directory.0)).map_or("?", |directory| directory.name.as_ref());
    let word = policy.label(label).unwrap_or_default();
    let keys = people.iter().filter_map(|id| policy.people.get(id.0 as usize)).map(|person| person.key.as_ref());
    let named: Vec<&str> = keys.take(NAMED).collect();
    let more = people.len().checked_sub(NAMED).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    let who =
        if people.len() == 1 { "1 person in it has".to_owned() } else { format!("{} people in it have", people.len()) };
    let message =
        format!("{what} goes to the account `{word}`, and {who} none in `{directory}`: {}{more}", named.join(", "));
    let mut diagnostic = Diagnostic::warning("no-account", message).help(format!(
        "nothing is granted to them there, and never to their everyday account: write `accounts: {{ {directory}#{word}: NAME }}` for them"
    ));
    diagnostic.span = Some(policy.span(place));
    diagnostic
}
