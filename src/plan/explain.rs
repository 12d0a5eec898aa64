//! The because chain of a membership, from the person to the entitlement, in the words
//! of a plan.
//!
//! Comes in: a resolution. Goes out: texts with places. Refuses: to find ways or reasons:
//! `resolve` does, for plans and questions alike, so that they never tell different ones.

use super::facts::Explain;
use crate::model::Place;
use crate::policy::rule::Verdict;
use crate::policy::{Entry, EntryId, GroupId, Holding, Label, PersonId, Policy, Role, RoleId, Select};
use crate::resolve::{self, Link, RefusalKind, Resolution, Taken};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most roles and groups that are asked for what gave something to somebody who left.
const MOST: usize = 64;

/// Explains by the winning ways of a resolution.
pub(super) struct Ways<'a> {
    pub(super) policy: &'a Policy,
    pub(super) resolution: &'a Resolution,
}

impl Explain for Ways<'_> {
    fn holds(&self, person: PersonId, label: Label, group: GroupId) -> Vec<(String, Place)> {
        let way = resolve::winning(self.policy, self.resolution, (person, label), Holding::Group(group));
        way.into_iter().filter_map(|taken| self.told(taken)).collect()
    }
    fn holds_not(&self, person: PersonId, label: Label, group: GroupId) -> Vec<(String, Place)> {
        if let Some(other) = self.resolution.held(person, Holding::Group(group)) {
            let way = resolve::winning(self.policy, self.resolution, (person, other.label), Holding::Group(group));
            let which = |label| resolve::account(self.policy, label);
            let text = format!("held with {}, not with {}", which(other.label), which(label));
            return way.last().map(|taken| (text, taken.place)).into_iter().collect();
        }
        let why = resolve::why_not(self.policy, self.resolution, person, Holding::Group(group));
        let first = why.into_iter().next().filter(|reason| reason.kind != RefusalKind::Nothing);
        let told = first.and_then(|reason| match reason.kind {
            RefusalKind::Ended(entry) => self.entry(entry),
            _ => Some((reason.text.replacen("  ", ", ", 1), reason.place)),
        });
        told.into_iter().collect()
    }
    fn gave(&self, person: PersonId, group: GroupId) -> Option<(String, Place)> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(Holding, Option<&Role>)> = vec![(Holding::Group(group), None)];
        while let Some((holding, by)) = open.pop() {
            // Whoever holds much by many ways is told one of the near ones, or the end alone.
            if seen.len() >= MOST {
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

    fn told(&self, Taken { link, place }: Taken) -> Option<(String, Place)> {
        let text = match link {
            Link::Entry(id) => return self.entry(id),
            Link::Role(role, _) => {
                let role = self.policy.roles.get(role.0 as usize)?;
                let with = role.account.map(|label| format!(", to {}", resolve::account(self.policy, label)));
                format!("role {}{}", role.key, with.unwrap_or_default())
            }
            Link::Directory(id) => format!("the directory lists it in {}", group(self.policy, id)),
            Link::Through(id, holding) => {
                let entry = self.policy.entries.get(id.0 as usize)?;
                let words = self.words(entry);
                match (&entry.select, holding) {
                    // A glob does not say which group it is.
                    (Select::Groups(..), Holding::Group(id)) => format!("group: {} of {words}", group(self.policy, id)),
                    _ => words,
                }
            }
        };
        Some((text, place))
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
            Select::Groups(glob) => format!("groups: {}", glob.pattern),
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
        if let Some(end) = entry.window().expires.filter(|end| *end <= self.resolution.at()) {
            let _ = write!(text, ", ended {}", end.civil(&self.policy.timezone));
        }
        let details = entry.details();
        let claimed = resolve::claimed(self.policy, details.approved_by);
        for part in [details.ticket.as_deref(), details.reason.as_deref(), claimed.as_deref()].into_iter().flatten() {
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
