//! The because: every way that leads from a person to a role or group, and why none does.
//!
//! Comes in: a resolution and a question. Goes out: chains of steps, each with its
//! place. Refuses: to be kept (chains are rebuilt for changes and questions only).

use super::ask::{Around, Ask};
use super::{Resolution, Via};
use crate::model::{Instant, Place, Window, time};
use crate::policy::rule::attribute;
use crate::policy::{Entry, EntryId, Holding, Manage, PersonId, Policy, Position, RoleId, RuleId, Select, Standing};

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
    let Some(ask) = Ask::new(policy, resolution, person) else { return Vec::new() };
    ask.chains(holding)
}

/// The nearest reason why a person does not hold something; the first step is the
/// reason itself. Empty if the person does hold it.
pub fn why_not(policy: &Policy, resolution: &Resolution, person: PersonId, holding: Holding) -> Vec<Step> {
    let Some(ask) = Ask::new(policy, resolution, person) else { return Vec::new() };
    if resolution.held(person, holding).is_some() { Vec::new() } else { ask.reason(holding, 0) }
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

impl Ask<'_> {
    fn chains(&self, holding: Holding) -> Vec<Chain> {
        let (Some(held), Some(lists)) = (self.resolution.held(self.id, holding), lists(self.policy, holding)) else {
            return Vec::new();
        };
        let mut found: Vec<(Via, Chain)> = Vec::new();
        for entry in lists.members {
            found.extend(self.entry_chains(*entry, &Around::giving()).into_iter().map(|c| (Via::Entry(*entry), c)));
        }
        for (role, step) in self.feeders(holding) {
            for mut chain in self.chains(Holding::Role(role)) {
                chain.steps.push(step.clone());
                found.push((Via::Role(role), chain));
            }
        }
        if held.via == Via::Directory {
            let step =
                Step { text: format!("the directory lists it in {}", name(self.policy, holding)), place: lists.place };
            found.push((Via::Directory, Chain { steps: vec![step], ends: None }));
        }
        for (_, chain) in &mut found {
            chain.ends = time::earlier(chain.ends, lists.expires);
        }
        // The winning way first; among the others what ends last, then what was found first.
        found.sort_by_key(|(via, chain)| (*via != held.via, chain.ends.is_some(), std::cmp::Reverse(chain.ends)));
        found.truncate(MOST);
        let mut chains: Vec<Chain> = found.into_iter().map(|(_, chain)| chain).collect();
        if let Some(first) = chains.first_mut() {
            first.ends = held.ends;
        }
        chains
    }

    /// Roles that make their members members of this, with the step that says so.
    fn feeders(&self, holding: Holding) -> Vec<(RoleId, Step)> {
        let mut feeders = Vec::new();
        for (n, role) in (0u32..).zip(&self.policy.roles) {
            let place = match holding {
                Holding::Role(mine) => role.includes.iter().find(|(id, _)| *id == mine).map(|(_, place)| *place),
                Holding::Group(mine) => role.grants.iter().find(|grant| grant.group == mine).map(|grant| grant.place),
            };
            if let Some(place) = place {
                let verb = if matches!(holding, Holding::Role(_)) { "included by" } else { "granted by" };
                feeders.push((RoleId(n), Step { text: format!("{verb} role {}", role.key), place }));
            }
        }
        feeders
    }

    /// The ways through one entry.
    fn entry_chains(&self, id: EntryId, around: &Around) -> Vec<Chain> {
        let Some(entry) = self.entry(id).filter(|_| self.is_in(id, around)) else { return Vec::new() };
        let inner = around.within(entry);
        let mut chains = match &entry.select {
            Select::People(_) => vec![self.chain(format!("person: {}", self.person.key), entry)],
            Select::Role(role) => self.through(Holding::Role(*role), entry),
            Select::Group(group) => self.through(Holding::Group(*group), entry),
            Select::Groups(groups, _) => {
                groups.iter().flat_map(|group| self.through(Holding::Group(*group), entry)).collect()
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
            Select::All(parts) => vec![self.all_parts(parts, &inner)],
            Select::Not(part) => vec![self.chain(format!("not {}", self.words(*part)), entry)],
        };
        chains.truncate(MOST);
        for chain in &mut chains {
            chain.ends = time::earlier(chain.ends, entry.window.expires);
        }
        chains
    }

    /// All parts together are one way: the first way through each.
    fn all_parts(&self, parts: &[EntryId], around: &Around) -> Chain {
        let mut whole = Chain { steps: Vec::new(), ends: None };
        for chain in parts.iter().filter_map(|part| self.entry_chains(*part, around).into_iter().next()) {
            whole.ends = time::earlier(whole.ends, chain.ends);
            whole.steps.extend(chain.steps);
        }
        whole
    }

    fn through(&self, holding: Holding, entry: &Entry) -> Vec<Chain> {
        let step = Step { text: self.dated(format!("in {}", name(self.policy, holding)), entry), place: entry.place };
        let mut chains = self.chains(holding);
        for chain in &mut chains {
            chain.steps.push(step.clone());
        }
        chains
    }

    fn chain(&self, text: String, entry: &Entry) -> Chain {
        let step = Step { text: self.dated(text, entry), place: entry.place };
        let period = self.person.periods.iter().find(|period| period.window.contains(self.at));
        Chain { steps: vec![step], ends: period.and_then(|period| period.window.expires) }
    }

    /// The text with what the entry adds: `expires 2026-12-31 · ACC-1042 · reason`.
    fn dated(&self, text: String, entry: &Entry) -> String {
        let expires = entry.window.expires.map(|end| format!("expires {}", last_day(self.policy, end)));
        let more: Vec<&str> =
            [expires.as_deref(), entry.details().ticket.as_deref(), entry.details().reason.as_deref()]
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
            Select::Groups(_, pattern) => format!("groups {pattern}"),
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

    /// Why the person does not hold it.
    fn reason(&self, holding: Holding, depth: usize) -> Vec<Step> {
        let Some(lists) = lists(self.policy, holding) else { return Vec::new() };
        let what = name(self.policy, holding);
        let key = &self.person.key;
        let zone = &self.policy.timezone;
        let step = |text: String, place: Place| vec![Step { text, place }];
        match self.person.standing(self.at) {
            Standing::Left(end) => return step(format!("{key} left, ended {}", end.civil(zone)), self.person.place),
            Standing::Future(begins) => {
                return step(format!("{key} has not begun, starts {}", begins.civil(zone)), self.person.place);
            }
            Standing::Present(_) | Standing::OnLeave(_) => {}
        }
        if let Some(end) = lists.expires.filter(|end| *end <= self.at) {
            return step(format!("{what} expired {}", last_day(self.policy, end)), lists.place);
        }
        if let Some(cut) = self.cut(holding, lists.members) {
            return vec![cut];
        }
        let given = lists.members.iter().any(|entry| self.is_in(*entry, &Around::giving()))
            || self
                .feeders(holding)
                .iter()
                .any(|(role, _)| self.resolution.held(self.id, Holding::Role(*role)).is_some());
        if given {
            let away = lists.except.iter().find(|entry| self.may_be_in(**entry, &Around::filtering()));
            if let Some((id, entry)) = away.and_then(|id| Some((*id, self.entry(id.to_owned())?))) {
                return step(format!("{what} excepts {}", self.words(id)), entry.place);
            }
            if let Some((id, entry)) = lists.only.first().and_then(|id| Some((*id, self.entry(*id)?))) {
                let all: Vec<String> = lists.only.iter().map(|id| self.words(*id)).collect();
                let text =
                    format!("{what} keeps only {}", if all.is_empty() { self.words(id) } else { all.join(" or ") });
                return step(text, entry.place);
            }
        }
        if let Some(found) = lists.members.iter().find_map(|entry| self.missed(*entry, &Around::giving())) {
            return vec![found];
        }
        if depth < 8 {
            for (role, feeder) in self.feeders(holding) {
                let inner = self.nearer(Holding::Role(role), depth + 1);
                if let Some(mut steps) = inner {
                    steps.push(feeder);
                    return steps;
                }
            }
        }
        let reference = matches!(holding, Holding::Group(g) if self.policy.groups.get(g.0 as usize).is_some_and(|g| g.manage == Manage::Reference));
        let text = if reference {
            format!("{what} is managed elsewhere, and does not list {key}")
        } else {
            format!("nothing gives {what} to {key}")
        };
        step(text, lists.place)
    }

    /// A constraint that keeps the person out of it, or out of what it takes its members from.
    fn cut(&self, holding: Holding, members: &[EntryId]) -> Option<Step> {
        let inside = members.iter().filter_map(|entry| match self.entry(*entry)?.select {
            Select::Role(role) => Some(Holding::Role(role)),
            Select::Group(group) => Some(Holding::Group(group)),
            _ => None,
        });
        let cut = [holding].into_iter().chain(inside).find_map(|holding| self.resolution.cut(self.id, holding))?;
        Some(Step { text: cut.words(self.policy, self.at), place: cut.place })
    }

    /// A reason that says more than "nothing gives it".
    fn nearer(&self, holding: Holding, depth: usize) -> Option<Vec<Step>> {
        let place = lists(self.policy, holding)?.place;
        let reason = self.reason(holding, depth);
        let nothing = reason.len() == 1
            && reason.first().is_some_and(|step| step.place == place && step.text.starts_with("nothing gives"));
        (!nothing).then_some(reason)
    }

    /// How the person just misses an entry: it is expired, not begun, or gated.
    fn missed(&self, id: EntryId, around: &Around) -> Option<Step> {
        let entry = self.entry(id)?;
        let inner = around.within(entry);
        let here = |text: String| Some(Step { text, place: entry.place });
        let timeless = Around { window: Window::default(), kinds: inner.kinds.clone() };
        match &entry.select {
            Select::People(people) if !people.contains(&self.id) => None,
            Select::People(_) if inner.window.is_past(self.at) => {
                let end = inner.window.expires.map(|end| last_day(self.policy, end)).unwrap_or_default();
                here(format!("person: {}  expired {end}{}", self.person.key, ticket(entry)))
            }
            Select::People(_) if inner.window.is_future(self.at) => {
                let starts = inner.window.starts.map(|starts| starts.civil(&self.policy.timezone)).unwrap_or_default();
                here(format!("person: {}  starts {starts}{}", self.person.key, ticket(entry)))
            }
            Select::People(_) => {
                here(format!("person: {}  belongs to another period, or its maximum term is over", self.person.key))
            }
            Select::Any(parts) | Select::All(parts) => parts.iter().find_map(|part| self.missed(*part, &inner)),
            Select::Not(_) => None,
            _ => {
                let kind =
                    self.policy.kinds.get(usize::from(self.person.kind.0)).map_or("?", |kind| kind.name.as_ref());
                let open = Around { kinds: None, ..timeless.clone() };
                let bare = Entry { window: Window::default(), ..entry.clone() };
                if self.selects(&bare, &timeless) {
                    let end = inner.window.expires.map(|end| last_day(self.policy, end)).unwrap_or_default();
                    return here(format!("{} expired {end}", self.words(id)));
                }
                if self.selects(&bare, &open) {
                    return here(format!("{}: kind {kind} is let in only with `kinds: [{kind}]`", self.words(id)));
                }
                None
            }
        }
    }

    fn selects(&self, entry: &Entry, around: &Around) -> bool {
        let holds = |holding: Holding| self.resolution.held(self.id, holding).is_some();
        match &entry.select {
            Select::Role(role) => self.lets_in(around, self.person.kind) && holds(Holding::Role(*role)),
            Select::Group(group) => self.lets_in(around, self.person.kind) && holds(Holding::Group(*group)),
            Select::Groups(groups, _) => {
                self.lets_in(around, self.person.kind) && groups.iter().any(|group| holds(Holding::Group(*group)))
            }
            Select::Where(rule) => self.position_for(*rule, around).is_some(),
            Select::ReportsTo { manager, direct, .. } => {
                self.lets_in(around, self.person.kind) && self.way_up(*manager, *direct, None).is_some()
            }
            _ => false,
        }
    }
}

fn ticket(entry: &Entry) -> String {
    entry.details().ticket.as_ref().map_or_else(String::new, |ticket| format!(" · {ticket}"))
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
