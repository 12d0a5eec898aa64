//! The because: every way that leads from a person to a role or group, in words.
//!
//! Comes in: a resolution and a question. Goes out: chains of steps, each with its
//! place; the first is the way that `way` finds. Refuses: to be kept (chains are rebuilt
//! for changes and questions only), and why nobody gives something (`why_not`).

use super::ask::{Around, Ask};
use super::way::{Link, Taken, walk};
use super::{Held, Resolution, Via};
use crate::model::{Instant, Place, time};
use crate::policy::rule::attribute;
use crate::policy::{Entry, EntryId, Holding, Label, PersonId, Policy, Position, RuleId, Select};
use std::cmp::Reverse;

/// Most ways that are told; a person with more has the first of them.
const MOST: usize = 32;

/// One fact of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `person: maria.lopez  expires 2026-12-31 · ACC-1042`, `granted by role sre`.
    pub text: String,
    /// Where it was written.
    pub place: Place,
}

/// One way from a person to what the person holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// From the person to the entitlement.
    pub steps: Vec<Step>,
    /// When this way ends, as far as entries, roles and groups on it say.
    pub ends: Option<Instant>,
}

/// Every way by which a person surely holds something, the winning one first. Empty
/// if the person does not.
pub fn because(policy: &Policy, resolution: &Resolution, person: PersonId, holding: Holding) -> Vec<Chain> {
    resolution.held(person, holding).map(|held| ways(policy, resolution, held, holding)).unwrap_or_default()
}

/// The same with one account: its winning way first, then all others, with whichever
/// account. Empty if the person does not hold it with that account.
pub fn because_with(
    policy: &Policy,
    resolution: &Resolution,
    (person, label): (PersonId, Label),
    holding: Holding,
) -> Vec<Chain> {
    let held = resolution.held_with(person, label, holding);
    held.map(|held| ways(policy, resolution, held, holding)).unwrap_or_default()
}

/// The winning way alone, for many at once. Empty if the person does not hold it with that
/// account.
pub fn winning_words(
    policy: &Policy,
    resolution: &Resolution,
    (person, label): (PersonId, Label),
    holding: Holding,
) -> Vec<Step> {
    let Some(ask) = Ask::new(policy, resolution, person) else { return Vec::new() };
    Ask { label: Some(label), ..ask }.winning(holding)
}

fn ways(policy: &Policy, resolution: &Resolution, held: Held, holding: Holding) -> Vec<Chain> {
    let Some(ask) = Ask::new(policy, resolution, held.person) else { return Vec::new() };
    let steps = Ask { label: Some(held.label), ..ask }.winning(holding);
    let mut others = ask.chains(holding);
    others.retain(|chain| chain.steps != steps);
    // What ends last, then what was found first.
    others.sort_by_key(|chain| (chain.ends.is_some(), Reverse(chain.ends)));
    others.truncate(MOST - 1);
    let mut chains = vec![Chain { steps, ends: held.ends }];
    chains.append(&mut others);
    chains
}

/// The lists of a role or group.
pub(super) struct Lists<'a> {
    pub(super) members: &'a [EntryId],
    pub(super) only: &'a [EntryId],
    pub(super) except: &'a [EntryId],
    pub(super) expires: Option<Instant>,
    pub(super) place: Place,
}

/// What is written about a role or group.
pub(super) fn lists(policy: &Policy, holding: Holding) -> Option<Lists<'_>> {
    Some(match holding {
        Holding::Role(role) => {
            let role = policy.roles.get(role.0 as usize)?;
            let (members, only, except) = (&role.members, &role.only, &role.except);
            Lists { members, only, except, expires: role.expires, place: role.place }
        }
        Holding::Group(group) => {
            let group = policy.groups.get(group.0 as usize)?;
            let (members, only, except) = (&group.members, &group.only, &group.except);
            Lists { members, only, except, expires: group.expires, place: group.place }
        }
    })
}

/// `role sre` or `corp/sre`.
pub fn name(policy: &Policy, holding: Holding) -> String {
    match holding {
        Holding::Role(role) => policy.roles.get(role.0 as usize).map(|role| format!("role {}", role.key)),
        Holding::Group(group) => policy.groups.get(group.0 as usize).and_then(|group| {
            let directory = policy.directories.get(usize::from(group.directory.0))?;
            Some(format!("{}/{}", directory.name, group.name))
        }),
    }
    .unwrap_or_default()
}

/// `the account admin`, `the everyday account`.
pub fn account(policy: &Policy, label: Label) -> String {
    policy.label(label).map_or_else(|| "the everyday account".to_owned(), |word| format!("the account {word}"))
}

impl Ask<'_> {
    /// The winning way in words, from the person.
    fn winning(&self, holding: Holding) -> Vec<Step> {
        let mut told = Vec::new();
        let who = (self.id, self.label);
        walk(self.policy, self.resolution, who, holding, |taken, around| told.push(self.told(taken, around)));
        told.into_iter().rev().flatten().collect()
    }

    /// A step of the winning way in words; where all parts of an entry are needed, from
    /// the person to each part, then what they are together.
    fn told(&self, taken: Taken, around: &Around) -> Vec<Step> {
        let Taken { link, place } = taken;
        match link {
            Link::Role(role, holding) => {
                let verb = if matches!(holding, Holding::Role(_)) { "included by" } else { "granted by" };
                let label = self.policy.roles.get(role.0 as usize).and_then(|role| role.account);
                let to = label.map(|label| format!(", to {}", account(self.policy, label))).unwrap_or_default();
                vec![Step { text: format!("{verb} {}{to}", name(self.policy, Holding::Role(role))), place }]
            }
            Link::Directory(group) => vec![self.listed(Holding::Group(group), place)],
            Link::Through(id, holding) => self.entry(id).map(|entry| self.inside(holding, entry)).into_iter().collect(),
            Link::Entry(id) => {
                self.entry_chains(id, around).into_iter().next().map(|chain| chain.steps).unwrap_or_default()
            }
        }
    }

    fn listed(&self, holding: Holding, place: Place) -> Step {
        Step { text: format!("the directory lists it in {}", name(self.policy, holding)), place }
    }

    /// Every way, the first ones of each source.
    fn chains(&self, holding: Holding) -> Vec<Chain> {
        let (Some(held), Some(lists)) = (self.resolution.held(self.id, holding), lists(self.policy, holding)) else {
            return Vec::new();
        };
        let mut found: Vec<Chain> = Vec::new();
        for entry in lists.members {
            found.extend(self.entry_chains(*entry, &Around::giving()));
        }
        for (role, place) in self.resolution.feeders(self.policy, holding) {
            let (role, place) = (*role, *place);
            let taken = Taken { link: Link::Role(role, holding), place };
            for mut chain in self.chains(Holding::Role(role)) {
                chain.steps.extend(self.told(taken, &Around::giving()));
                found.push(chain);
            }
        }
        if held.via == Via::Directory {
            found.push(Chain { steps: vec![self.listed(holding, lists.place)], ends: None });
        }
        for chain in &mut found {
            chain.ends = time::earlier(chain.ends, lists.expires);
        }
        found.truncate(MOST);
        found
    }

    /// The ways through one entry.
    fn entry_chains(&self, id: EntryId, around: &Around) -> Vec<Chain> {
        let Some(entry) = self.entry(id).filter(|_| self.is_in(id, around)) else { return Vec::new() };
        let inner = around.within(entry);
        let mut chains = match &entry.select {
            Select::People(_) => vec![self.chain(format!("person: {}", self.person.key), entry)],
            Select::Role(role) => self.through(Holding::Role(*role), entry),
            Select::Group(group) => self.through(Holding::Group(*group), entry),
            Select::Groups(glob) => {
                glob.groups.iter().flat_map(|group| self.through(Holding::Group(*group), entry)).collect()
            }
            Select::Where(rule) => self
                .position_for(*rule, &inner)
                .map(|p| self.chain(self.attributes(*rule, p), entry))
                .into_iter()
                .collect(),
            Select::ReportsTo { manager, direct, .. } => {
                vec![self.chain(self.reports(*manager, *direct, &inner), entry)]
            }
            Select::Any(parts) => parts.iter().flat_map(|part| self.entry_chains(*part, &inner)).collect(),
            Select::All(parts) => vec![self.all_parts(id, parts, entry, &inner)],
            Select::Not(part) => vec![self.chain(format!("not {}", self.words(*part)), entry)],
        };
        chains.truncate(MOST);
        for chain in &mut chains {
            chain.ends = time::earlier(chain.ends, entry.window().expires);
        }
        chains
    }

    /// All parts together are one way: the winning way through each, and that they are parts.
    fn all_parts(&self, id: EntryId, parts: &[EntryId], entry: &Entry, around: &Around) -> Chain {
        let mut whole = Chain { steps: Vec::new(), ends: None };
        for part in parts {
            whole.ends = time::earlier(whole.ends, self.anyhow().ends(*part, around));
            let best = self.anyhow().best(*part, around);
            if let Some((holding, entry)) = best.leads.zip(self.entry(best.entry)) {
                whole.steps.extend(self.anyhow().winning(holding));
                whole.steps.push(self.inside(holding, entry));
            } else {
                let first = self.entry_chains(best.entry, &best.around).into_iter().next();
                whole.steps.extend(first.map(|chain| chain.steps).unwrap_or_default());
            }
        }
        whole.steps.push(Step { text: self.dated(format!("all of: {}", self.words(id)), entry), place: entry.place });
        whole
    }

    fn through(&self, holding: Holding, entry: &Entry) -> Vec<Chain> {
        let step = self.inside(holding, entry);
        let mut chains = self.chains(holding);
        for chain in &mut chains {
            chain.steps.push(step.clone());
        }
        chains
    }

    /// `in role sre`.
    fn inside(&self, holding: Holding, entry: &Entry) -> Step {
        Step { text: self.dated(format!("in {}", name(self.policy, holding)), entry), place: entry.place }
    }

    fn chain(&self, text: String, entry: &Entry) -> Chain {
        let step = Step { text: self.dated(text, entry), place: entry.place };
        let period = self.person.periods.iter().find(|period| period.window.contains(self.at));
        Chain { steps: vec![step], ends: period.and_then(|period| period.window.expires) }
    }

    /// The text with what the entry adds: `expires 2026-12-31 · ACC-1042 · reason · claimed:
    /// approved by omar.haddad`. Whoever wrote the entry wrote that too: it is no approval.
    fn dated(&self, text: String, entry: &Entry) -> String {
        let expires = entry.window().expires.map(|end| format!("expires {}", last_day(self.policy, end)));
        let details = entry.details();
        let claimed = claimed(self.policy, details.approved_by);
        let more: Vec<&str> =
            [expires.as_deref(), details.ticket.as_deref(), details.reason.as_deref(), claimed.as_deref()]
                .into_iter()
                .flatten()
                .collect();
        if more.is_empty() { text } else { format!("{text}  {}", more.join(" · ")) }
    }

    /// `because department is platform, kind is employee`.
    fn attributes(&self, rule: RuleId, position: &Position) -> String {
        let reads = self.policy.rules.get(rule.0 as usize).map_or(&[][..], |rule| rule.reads());
        let facts: Vec<String> = reads
            .iter()
            .map(|read| match attribute(self.policy, self.person, position, read) {
                Some(value) => format!("{read} is {value}"),
                None => format!("{read} is not known"),
            })
            .collect();
        if facts.is_empty() {
            "because the rule names everybody".to_owned()
        } else {
            format!("because {}", facts.join(", "))
        }
    }

    /// `reports to wei.chen, who reports to li.na`.
    fn reports(&self, manager: PersonId, direct: bool, around: &Around) -> String {
        if manager == self.id {
            return format!("is {} (the manager is included)", self.person.key);
        }
        let way = self.way_up(manager, direct, around.window.starts).unwrap_or_default();
        let keys: Vec<&str> =
            way.iter().filter_map(|id| self.policy.people.get(id.0 as usize)).map(|p| p.key.as_ref()).collect();
        format!("reports to {}", keys.join(", who reports to "))
    }

    /// An entry as it was written, in few words.
    pub(super) fn words(&self, id: EntryId) -> String {
        let Some(entry) = self.entry(id) else { return String::new() };
        let key = |id: &PersonId| self.policy.people.get(id.0 as usize).map_or("?", |person| person.key.as_ref());
        match &entry.select {
            Select::People(people) if people.contains(&self.id) => format!("person {}", self.person.key),
            Select::People(people) => format!("people {}", people.iter().map(key).collect::<Vec<_>>().join(", ")),
            Select::Role(role) => name(self.policy, Holding::Role(*role)),
            Select::Group(group) => format!("group {}", name(self.policy, Holding::Group(*group))),
            Select::Groups(glob) => format!("groups {}", glob.pattern),
            Select::Where(rule) => {
                let text = self.policy.rules.get(rule.0 as usize).map_or("?", |rule| rule.text.as_ref());
                format!("where {text}")
            }
            Select::ReportsTo { manager, .. } => format!("reports to {}", key(manager)),
            Select::All(parts) => parts.iter().map(|part| self.words(*part)).collect::<Vec<_>>().join(" and "),
            Select::Any(parts) => parts.iter().map(|part| self.words(*part)).collect::<Vec<_>>().join(" or "),
            Select::Not(part) => format!("not {}", self.words(*part)),
        }
    }
}

/// The last day of access where the end is a midnight, as it would be written;
/// otherwise the instant.
pub(super) fn last_day(policy: &Policy, end: Instant) -> String {
    let civil = end.civil(&policy.timezone);
    if civil.ends_with(" 00:00") {
        let day = end.plus(-1).civil(&policy.timezone);
        return day.split_once(' ').map_or(day.clone(), |(day, _)| day.to_owned());
    }
    civil
}

/// `claimed: approved by omar.haddad`: what `approved_by` says. Only a review tells whether it is so.
pub fn claimed(policy: &Policy, approved_by: Option<PersonId>) -> Option<String> {
    let person = policy.people.get(approved_by?.0 as usize)?;
    Some(format!("claimed: approved by {}", person.key))
}
