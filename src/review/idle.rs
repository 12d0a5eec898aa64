//! Dated entries that are new and never give anything to anybody.
//!
//! Comes in: what an edit touched. Goes out: entries with the reason. Refuses: entries
//! that were there before, undated ones (they wait for nothing), and those of which only a
//! directory could tell.
//!
//! Each new entry is put into a group of its own, which keeps `only`, `except` and the end
//! of the role or group it stands in, and that group is followed through time.

use super::pairs::Which;
use super::schedule::{concerned, ever_held, upstream};
use super::slice::Slice;
use super::touched::{Touched, holdings, lists, node};
use super::{Difference, Idle, WhyIdle};
use crate::model::{Instant, Window};
use crate::policy::{DirectoryId, Entry, EntryId, Group, GroupId, Holding, Manage, PersonId, Policy, Select};
use std::collections::BTreeSet;

/// Finds them.
pub(super) fn find(difference: &Difference<'_>, touched: &Touched) -> Vec<Idle> {
    let (head, at) = (difference.head.policy, difference.head.at());
    let mut found = Vec::new();
    let mut open = Vec::new();
    for (holding, entry) in new_entries(difference, touched) {
        match at_once(head, holding, entry, at) {
            Some(why) => found.push(Idle { entry, holding, why }),
            None => open.push((holding, entry)),
        }
    }
    found.extend(followed(difference, touched, &open));
    found.sort_unstable_by_key(|idle| head.entries.get(idle.entry.0 as usize).map(|entry| entry.place));
    found
}

/// Dated entries of touched roles and groups that were not there before, nor in another
/// role or group that was touched: what is moved is not new.
fn new_entries(difference: &Difference<'_>, touched: &Touched) -> Vec<(Holding, EntryId)> {
    let (base, head) = (difference.base.policy, difference.head.policy);
    let is_touched = |which, holding| touched.own.get(node(&difference.pairs, which, holding) as usize) == Some(&true);
    let mut known: BTreeSet<String> = BTreeSet::new();
    for holding in holdings(base).filter(|holding| is_touched(Which::Base, *holding)) {
        let [members, ..] = lists(base, holding);
        let entries = members.iter().filter_map(|id| base.entries.get(id.0 as usize));
        known.extend(entries.flat_map(|entry| words(difference, Which::Base, entry)));
    }
    let mut found = Vec::new();
    for holding in holdings(head).filter(|holding| is_touched(Which::Head, *holding)) {
        let [members, ..] = lists(head, holding);
        for id in members {
            let Some(entry) = head.entries.get(id.0 as usize) else { continue };
            if words(difference, Which::Head, entry).iter().any(|words| !known.contains(words)) {
                found.push((holding, *id));
            }
        }
    }
    found
}

/// A dated entry in words that are the same on both sides, one for each person it names;
/// none where it has no dates.
fn words(difference: &Difference<'_>, which: Which, entry: &Entry) -> Vec<String> {
    if entry.window() == Window::default() {
        return Vec::new();
    }
    let policy = if which == Which::Base { difference.base.policy } else { difference.head.policy };
    let people = difference.pairs.people.numbers(which);
    let number = |id: &PersonId| people.get(id.0 as usize).copied().unwrap_or(u32::MAX);
    let selects = match &entry.select {
        Select::People(list) => list.iter().map(|id| format!("person {}", number(id))).collect(),
        Select::Role(id) => vec![format!("node {}", node(&difference.pairs, which, Holding::Role(*id)))],
        Select::Group(id) => vec![format!("node {}", node(&difference.pairs, which, Holding::Group(*id)))],
        Select::Where(rule) => {
            vec![policy.rules.get(rule.0 as usize).map(|rule| rule.text.to_string()).unwrap_or_default()]
        }
        Select::Groups(glob) => vec![format!("groups {}", glob.pattern)],
        Select::ReportsTo { manager, direct, including } => {
            vec![format!("below {} {direct} {including}", number(manager))]
        }
        Select::All(parts) => vec![format!("all {}", parts.len())],
        Select::Any(parts) => vec![format!("any {}", parts.len())],
        Select::Not(_) => vec!["not".to_owned()],
    };
    selects.into_iter().map(|select| format!("{select} {:?}", entry.window())).collect()
}

fn at_once(policy: &Policy, holding: Holding, id: EntryId, at: Instant) -> Option<WhyIdle> {
    let window = policy.entries.get(id.0 as usize)?.window();
    if let Some(end) = window.expires.filter(|end| *end <= at) {
        return Some(WhyIdle::Over(end));
    }
    let closed = match holding {
        Holding::Role(role) => policy.roles.get(role.0 as usize)?.expires,
        Holding::Group(group) => policy.groups.get(group.0 as usize)?.expires,
    };
    let begins = window.starts.map_or(at, |starts| starts.max(at));
    closed.filter(|end| *end <= begins).map(WhyIdle::Closed)
}

/// Those of the rest that nobody is ever in by.
fn followed(difference: &Difference<'_>, touched: &Touched, open: &[(Holding, EntryId)]) -> Vec<Idle> {
    if open.is_empty() {
        return Vec::new();
    }
    let side = &difference.head;
    let node_of = |holding| node(&difference.pairs, Which::Head, holding);
    let mut marked = vec![false; touched.nodes.len()];
    for (holding, _) in open {
        if let Some(cell) = marked.get_mut(node_of(*holding) as usize) {
            *cell = true;
        }
    }
    let needed = upstream(&touched.edges, &marked);
    let kept = |holding: Holding| needed.get(node_of(holding) as usize) == Some(&true);
    let concerns = concerned(side, kept);
    let wanted = |person: PersonId| concerns.get(person.0 as usize) == Some(&true);
    let mut slice = Slice::new(side.policy, side.references, wanted, kept);
    let mut groups = Vec::new();
    for (holding, entry) in open {
        groups.push(GroupId(u32::try_from(slice.policy.groups.len()).unwrap_or(u32::MAX)));
        let alone = alone(&slice.policy, *holding, *entry);
        slice.policy.groups.push(alone);
    }
    let ever = ever_held(&slice, &groups, side.at());
    let never = open.iter().zip(ever).filter(|(_, ever)| !ever);
    never.map(|((holding, entry), _)| Idle { entry: *entry, holding: *holding, why: WhyIdle::Nobody }).collect()
}

/// A group that has nothing but the entry, under the conditions of where it stands.
fn alone(policy: &Policy, holding: Holding, entry: EntryId) -> Group {
    let [_, only, except] = lists(policy, holding);
    let expires = match holding {
        Holding::Role(id) => policy.roles.get(id.0 as usize).and_then(|role| role.expires),
        Holding::Group(id) => policy.groups.get(id.0 as usize).and_then(|group| group.expires),
    };
    let place = policy.entries.get(entry.0 as usize).map(|entry| entry.place);
    Group {
        directory: DirectoryId(0),
        name: "".into(),
        directory_name: "".into(),
        previously: None,
        description: None,
        owner: None,
        manage: Manage::Exact,
        privileged: false,
        revoke_others: false,
        attributes: Vec::new(),
        members: vec![entry],
        only: only.to_vec(),
        except: except.to_vec(),
        account: None,
        expires,
        place: place.unwrap_or(crate::model::Place { file: crate::model::FileId(0), line: 0, column: 0 }),
    }
}
