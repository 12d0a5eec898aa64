//! The because chain of a membership, from the person to the entitlement.
//!
//! Comes in: a resolution. Goes out: texts with places. Refuses: to evaluate
//! anything again: it follows the winning way that the resolution kept.

use super::facts::Explain;
use crate::model::Place;
use crate::policy::rule::Verdict;
use crate::policy::{Entry, EntryId, GroupId, Holding, PersonId, Policy, Role, RoleId, Select};
use crate::resolve::{Resolution, Via};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most steps of one chain; a chain is as long as roles are nested.
const LONGEST: usize = 64;

/// Explains by the winning ways of a resolution.
pub(super) struct Ways<'a> {
    pub(super) policy: &'a Policy,
    pub(super) resolution: &'a Resolution,
}

impl Explain for Ways<'_> {
    fn holds(&self, person: PersonId, group: GroupId) -> Vec<(String, Place)> {
        self.path(person, Holding::Group(group))
    }
    fn holds_not(&self, person: PersonId, group: GroupId) -> Vec<(String, Place)> {
        let Some(written) = self.policy.groups.get(group.0 as usize) else { return Vec::new() };
        if let Some(cut) = self.cut(person, group) {
            return vec![cut];
        }
        let mut lists: Vec<&[EntryId]> = vec![&written.members];
        for role in &self.policy.roles {
            if role.grants.iter().any(|grant| grant.group == group) {
                lists.push(&role.members);
            }
        }
        // The entries that named the person and have ended: the latest says it best.
        let ended = lists
            .into_iter()
            .flatten()
            .filter_map(|id| self.policy.entries.get(id.0 as usize))
            .filter(|entry| matches!(&entry.select, Select::People(people) if people.contains(&person)))
            .filter(|entry| entry.window.is_past(self.resolution.at()))
            .max_by_key(|entry| entry.window.expires);
        ended.map(|entry| (self.words(entry), entry.place)).into_iter().collect()
    }
    fn gave(&self, person: PersonId, group: GroupId) -> Option<(String, Place)> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(Holding, Option<&Role>)> = vec![(Holding::Group(group), None)];
        while let Some((holding, by)) = open.pop() {
            // Whoever holds much by many ways is told one of the near ones, or the end alone.
            if seen.len() >= LONGEST {
                return None;
            }
            if !seen.insert(holding) {
                continue;
            }
            let members: &[EntryId] = match holding {
                Holding::Group(group) => &self.policy.groups.get(group.0 as usize)?.members,
                Holding::Role(role) => &self.policy.roles.get(role.0 as usize)?.members,
            };
            let entries = members.iter().filter_map(|id| self.policy.entries.get(id.0 as usize));
            if let Some(entry) = entries.clone().find(|entry| self.named(person, entry)) {
                let text = match (by, &entry.select) {
                    (Some(Role { key, .. }), _) => format!("was by role {key}"),
                    (None, Select::People(_)) => "was named in the group".to_owned(),
                    (None, _) => format!("was by {}", self.words(entry)),
                };
                return Some((text, entry.place));
            }
            for role in (0u32..).zip(&self.policy.roles).filter(|(_, role)| gives(role, holding)) {
                open.push((Holding::Role(RoleId(role.0)), Some(role.1)));
            }
        }
        None
    }
}

/// Whether members of the role are, by it, members of the other.
fn gives(role: &Role, holding: Holding) -> bool {
    match holding {
        Holding::Group(group) => role.grants.iter().any(|grant| grant.group == group),
        Holding::Role(below) => role.includes.iter().any(|(role, _)| *role == below),
    }
}

impl Ways<'_> {
    /// The constraint that keeps a person out of a group, or out of something that gives it.
    fn cut(&self, person: PersonId, group: GroupId) -> Option<(String, Place)> {
        if self.resolution.cuts().is_empty() {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut open = vec![Holding::Group(group)];
        while let Some(holding) = open.pop().filter(|_| seen.len() < LONGEST) {
            if !seen.insert(holding) {
                continue;
            }
            if let Some(cut) = self.resolution.cut(person, holding) {
                return Some((cut.words(self.policy, self.resolution.at()), cut.place));
            }
            let members: &[EntryId] = match holding {
                Holding::Group(group) => self.policy.groups.get(group.0 as usize).map_or(&[], |group| &group.members),
                Holding::Role(role) => self.policy.roles.get(role.0 as usize).map_or(&[], |role| &role.members),
            };
            for entry in members.iter().filter_map(|id| self.policy.entries.get(id.0 as usize)) {
                match &entry.select {
                    Select::Role(role) => open.push(Holding::Role(*role)),
                    Select::Group(group) => open.push(Holding::Group(*group)),
                    Select::Groups(groups, _) => open.extend(groups.iter().map(|group| Holding::Group(*group))),
                    _ => {}
                }
            }
            let feeders = (0u32..).zip(&self.policy.roles).filter(|(_, role)| gives(role, holding));
            open.extend(feeders.map(|(n, _)| Holding::Role(RoleId(n))));
        }
        None
    }

    /// Whether an entry concerned the person by name or by rule, whatever the date.
    fn named(&self, person: PersonId, entry: &Entry) -> bool {
        match &entry.select {
            Select::People(people) => people.contains(&person),
            Select::Where(rule) => {
                let (rule, who) = (self.policy.rules.get(rule.0 as usize), self.policy.people.get(person.0 as usize));
                let Some((rule, who)) = rule.zip(who) else { return false };
                who.positions.iter().any(|position| rule.verdict(self.policy, who, position) == Verdict::Yes)
            }
            _ => false,
        }
    }

    /// From the person to a role or group.
    pub(super) fn path(&self, person: PersonId, mut holding: Holding) -> Vec<(String, Place)> {
        let mut chain = Vec::new();
        while chain.len() < LONGEST {
            match self.resolution.held(person, holding).map(|held| held.via) {
                Some(Via::Entry(entry)) => {
                    chain.extend(self.entry(entry));
                    break;
                }
                Some(Via::Role(role)) => {
                    let Some(written) = self.policy.roles.get(role.0 as usize) else { break };
                    let place = match holding {
                        Holding::Group(group) => written.grants.iter().find(|g| g.group == group).map(|g| g.place),
                        Holding::Role(below) => {
                            written.includes.iter().find(|(role, _)| *role == below).map(|(_, place)| *place)
                        }
                    };
                    chain.push((format!("role {}", written.key), place.unwrap_or(written.place)));
                    holding = Holding::Role(role);
                }
                Some(Via::Directory) | None => break,
            }
        }
        chain.reverse();
        chain
    }

    fn entry(&self, id: EntryId) -> Option<(String, Place)> {
        let entry = self.policy.entries.get(id.0 as usize)?;
        Some((self.words(entry), entry.place))
    }

    /// The first two parts of an entry that has several, and how many more there are.
    /// Parts of parts are only counted: entries nest as deep as somebody writes them.
    fn parts(&self, parts: &[EntryId]) -> String {
        let entries = parts.iter().filter_map(|id| self.policy.entries.get(id.0 as usize));
        let mut texts: Vec<String> = entries
            .take(2)
            .map(|entry| match &entry.select {
                Select::All(inner) => format!("all of {} more", inner.len()),
                Select::Any(inner) => format!("any of {} more", inner.len()),
                Select::Not(_) => "not another".to_owned(),
                _ => self.words(entry),
            })
            .collect();
        if let Some(more) = parts.len().checked_sub(2).filter(|more| *more > 0) {
            texts.push(format!("{more} more"));
        }
        texts.join(" · ")
    }

    /// `person: maria.lopez, ended 2027-01-01 00:00, ACC-1042`.
    fn words(&self, entry: &Entry) -> String {
        let person = |id: &PersonId| self.policy.people.get(id.0 as usize).map_or("?", |person| person.key.as_ref());
        let named = |n: u32| self.policy.roles.get(n as usize).map_or("?", |role| role.key.as_ref());
        let mut text = match &entry.select {
            Select::People(people) => match &**people {
                [one] => format!("person: {}", person(one)),
                several => format!("people: {} of them", several.len()),
            },
            Select::Role(id) => format!("role: {}", named(id.0)),
            Select::Group(id) => format!("group: {}", group(self.policy, *id)),
            Select::Groups(_, pattern) => format!("groups: {pattern}"),
            Select::Where(rule) => {
                let text = self.policy.rules.get(rule.0 as usize).map_or("?", |rule| rule.text.as_ref());
                format!("where: {text}")
            }
            Select::ReportsTo { manager, .. } => format!("reports_to: {}", person(manager)),
            Select::All(parts) => format!("all of {}", self.parts(parts)),
            Select::Any(parts) => format!("any of {}", self.parts(parts)),
            Select::Not(part) => format!("not ({})", self.parts(&[*part])),
        };
        // What has not ended yet says so by the end of the change.
        if let Some(end) = entry.window.expires.filter(|end| *end <= self.resolution.at()) {
            let _ = write!(text, ", ended {}", end.civil(&self.policy.timezone));
        }
        for part in [&entry.details().ticket, &entry.details().reason].into_iter().flatten() {
            text.push_str(", ");
            text.push_str(part);
        }
        text
    }
}

/// `corp/sre`.
pub(super) fn group(policy: &Policy, id: GroupId) -> String {
    let Some(group) = policy.groups.get(id.0 as usize) else { return "?".to_owned() };
    let directory = policy.directories.get(usize::from(group.directory.0)).map_or("?", |d| d.name.as_ref());
    format!("{directory}/{}", group.name)
}
