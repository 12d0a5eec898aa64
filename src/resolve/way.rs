//! The winning way from a person to what the person holds, and the constraint that bars
//! the way: what plans, questions and renderings of both are told from.
//!
//! Comes in: a resolution and a question. Goes out: steps as what was written, without
//! words. Refuses: to decide who holds something: it follows what the resolution kept,
//! and looks only into the entries that lead to several things at once.

use super::ask::{Around, Ask};
use super::because::lists;
use super::term::clamp_of;
use super::times::{kept, later_start, period_of};
use super::{Cut, Held, Resolution, Via};
use crate::model::{Instant, Place, time};
use crate::policy::{EntryId, GroupId, Holding, Label, Period, PersonId, Policy, RoleId, Select};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most steps of one way; a way is as long as roles and groups are nested.
const LONGEST: usize = 64;

/// Most roles and groups that are looked at for what bars a way.
const MOST: usize = 256;

/// One step of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// An entry that names or finds the person itself, or all of whose parts do.
    Entry(EntryId),
    /// An entry that lets in whoever holds this.
    Through(EntryId, Holding),
    /// A role that grants this group, or includes this role.
    Role(RoleId, Holding),
    /// The directory says that a group that is managed elsewhere has the person.
    Directory(GroupId),
}

/// One step of a way, and where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// What.
    pub link: Link,
    /// Where: of a role the line that grants or includes.
    pub place: Place,
}

/// The way by which a person surely holds something with one account, from the person to
/// it: of several the one that ends last, then the first written. Empty if the person does
/// not hold it so. It ends when [`Resolution::held_with`] says.
pub fn winning(
    policy: &Policy,
    resolution: &Resolution,
    (person, label): (PersonId, Label),
    holding: Holding,
) -> Vec<Taken> {
    let mut taken = Vec::new();
    walk(policy, resolution, (person, Some(label)), holding, |step, _| taken.push(step));
    taken.reverse();
    taken
}

/// Calls `visit` with each step, from the entitlement to the person, and what the
/// entries around it say.
pub(super) fn walk(
    policy: &Policy,
    resolution: &Resolution,
    (person, mut label): (PersonId, Option<Label>),
    mut holding: Holding,
    mut visit: impl FnMut(Taken, &Around),
) {
    for _ in 0..LONGEST {
        let Some(held) = resolution.held_by(person, label, holding) else { return };
        // Above what says which account it goes to, with whichever account leads there.
        label = label.filter(|_| account_of(policy, holding).is_none());
        let next = match held.via {
            Via::Directory => {
                let (Holding::Group(group), Some(lists)) = (holding, lists(policy, holding)) else { return };
                visit(Taken { link: Link::Directory(group), place: lists.place }, &Around::giving());
                None
            }
            Via::Role(role) => {
                let Some(place) = feeds(policy, role, holding) else { return };
                visit(Taken { link: Link::Role(role, holding), place }, &Around::giving());
                Some(Holding::Role(role))
            }
            Via::Entry(entry) => into(policy, resolution, (person, label), entry, &mut visit),
        };
        let Some(next) = next else { return };
        holding = next;
    }
}

/// The step through one entry, and what it leads to.
fn into(
    policy: &Policy,
    resolution: &Resolution,
    (person, label): (PersonId, Option<Label>),
    id: EntryId,
    visit: &mut impl FnMut(Taken, &Around),
) -> Option<Holding> {
    let written = policy.entries.get(id.0 as usize)?;
    // Most entries lead to one thing, and then nobody needs to be asked.
    let leads = match &written.select {
        Select::Role(role) => Some((id, Holding::Role(*role))),
        Select::Group(group) => Some((id, Holding::Group(*group))),
        Select::People(_) | Select::Where(_) | Select::ReportsTo { .. } | Select::All(_) | Select::Not(_) => None,
        Select::Groups(..) | Select::Any(_) => {
            let ask = Ask { label, ..Ask::new(policy, resolution, person)? };
            let best = ask.best(id, &Around::giving());
            let place = policy.entries.get(best.entry.0 as usize).map_or(written.place, |entry| entry.place);
            visit(Taken { link: best.link(), place }, &best.around);
            return best.leads;
        }
    };
    let link = leads.map_or(Link::Entry(id), |(id, holding)| Link::Through(id, holding));
    visit(Taken { link, place: written.place }, &Around::giving());
    leads.map(|(_, holding)| holding)
}

/// Which account a role or group goes to, where it says so.
fn account_of(policy: &Policy, holding: Holding) -> Option<Label> {
    match holding {
        Holding::Role(role) => policy.roles.get(role.0 as usize)?.account,
        Holding::Group(group) => policy.groups.get(group.0 as usize)?.account,
    }
}

/// Where a role says that its members are members of this, if it does.
pub(super) fn feeds(policy: &Policy, role: RoleId, holding: Holding) -> Option<Place> {
    let role = policy.roles.get(role.0 as usize)?;
    match holding {
        Holding::Role(mine) => role.includes.iter().find(|(id, _)| *id == mine).map(|(_, place)| *place),
        Holding::Group(mine) => role.grants.iter().find(|grant| grant.group == mine).map(|grant| grant.place),
    }
}

/// By role and group: the roles whose members are, by them, members of it, with the line that
/// says so. Made when the first reason is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Feeders(BTreeMap<Holding, Vec<(RoleId, Place)>>);

impl Feeders {
    fn new(policy: &Policy) -> Self {
        let mut feeders: BTreeMap<Holding, Vec<(RoleId, Place)>> = BTreeMap::new();
        for (n, role) in (0u32..).zip(&policy.roles) {
            let grants = role.grants.iter().map(|grant| (Holding::Group(grant.group), grant.place));
            for (holding, place) in grants.chain(role.includes.iter().map(|(id, place)| (Holding::Role(*id), *place))) {
                let list = feeders.entry(holding).or_default();
                if list.last().is_none_or(|(last, _)| *last != RoleId(n)) {
                    list.push((RoleId(n), place));
                }
            }
        }
        Self(feeders)
    }
}

impl Resolution {
    /// Roles whose members are, by them, members of this; with the line that says so.
    pub(super) fn feeders(&self, policy: &Policy, holding: Holding) -> &[(RoleId, Place)] {
        self.feeders.get_or_init(|| Feeders::new(policy)).0.get(&holding).map_or(&[], Vec::as_slice)
    }
}

/// The cut in force that keeps a person out of something, or out of what leads to it
/// through entries and roles; the nearest.
pub fn barred<'r>(policy: &Policy, resolution: &'r Resolution, person: PersonId, holding: Holding) -> Option<&'r Cut> {
    if resolution.cuts().is_empty() {
        return None;
    }
    let mut seen = BTreeSet::from([holding]);
    let mut open = VecDeque::from([holding]);
    while let Some(holding) = open.pop_front() {
        if let Some(cut) = resolution.cut(person, holding) {
            return Some(cut);
        }
        let mut sources = Vec::new();
        for entry in lists(policy, holding).map_or(&[][..], |lists| lists.members) {
            read_by(policy, *entry, &mut sources);
        }
        sources.extend(resolution.feeders(policy, holding).iter().map(|(role, _)| Holding::Role(*role)));
        for source in sources {
            if seen.len() < MOST && seen.insert(source) {
                open.push_back(source);
            }
        }
    }
    None
}

/// The roles and groups whose members an entry lets in.
fn read_by(policy: &Policy, id: EntryId, out: &mut Vec<Holding>) {
    match policy.entries.get(id.0 as usize).map(|entry| &entry.select) {
        Some(Select::Role(role)) => out.push(Holding::Role(*role)),
        Some(Select::Group(group)) => out.push(Holding::Group(*group)),
        Some(Select::Groups(glob)) => out.extend(glob.groups.iter().map(|group| Holding::Group(*group))),
        Some(Select::All(parts) | Select::Any(parts)) => parts.iter().for_each(|part| read_by(policy, *part, out)),
        Some(Select::People(_) | Select::Where(_) | Select::ReportsTo { .. } | Select::Not(_)) | None => {}
    }
}

/// The winning step through an entry that leads to several things.
pub(super) struct Best {
    /// The entry itself, or the part of it that counts.
    pub(super) entry: EntryId,
    pub(super) leads: Option<Holding>,
    /// What the entries around `entry` say.
    pub(super) around: Around,
}

impl Best {
    fn link(&self) -> Link {
        self.leads.map_or(Link::Entry(self.entry), |holding| Link::Through(self.entry, holding))
    }
}

impl Ask<'_> {
    /// The winning step through an entry that the person is in.
    pub(super) fn best(&self, entry: EntryId, around: &Around) -> Best {
        let written = self.entry(entry);
        let leads = match written.map(|entry| &entry.select) {
            Some(Select::Role(role)) => Some(Holding::Role(*role)),
            Some(Select::Group(group)) => Some(Holding::Group(*group)),
            Some(Select::Groups(glob)) => {
                let groups = glob.groups.iter().map(|group| Holding::Group(*group));
                latest(groups.filter_map(|group| Some((group, self.held(group)?.ends))))
            }
            Some(Select::Any(parts)) => {
                let inner = written.map_or_else(|| around.clone(), |entry| around.within(entry));
                let parts = parts.iter().filter(|part| self.is_in(**part, &inner) && self.leads(**part, &inner));
                match latest(parts.map(|part| (*part, self.ends(*part, &inner)))) {
                    Some(part) => return self.best(part, &inner),
                    None => None,
                }
            }
            _ => None,
        };
        Best { entry, leads, around: around.clone() }
    }

    /// Until when the person is in an entry, as far as entries, positions, terms and what
    /// it leads to say. To be asked of entries that the person is in.
    pub(super) fn ends(&self, id: EntryId, around: &Around) -> Option<Instant> {
        let entry = self.entry(id)?;
        let inner = around.within(entry);
        let held = |holding: Holding| self.held(holding);
        let ends = match &entry.select {
            Select::Role(role) => held(Holding::Role(*role))?.ends,
            Select::Group(group) => held(Holding::Group(*group))?.ends,
            Select::Groups(glob) => {
                let held = glob.groups.iter().filter_map(|group| held(Holding::Group(*group)));
                held.map(|held| held.ends).reduce(time::later).flatten()
            }
            Select::Any(parts) => {
                let parts = parts.iter().filter(|part| self.is_in(**part, &inner) && self.leads(**part, &inner));
                parts.map(|part| self.ends(*part, &inner)).reduce(time::later).flatten()
            }
            Select::All(parts) => {
                // With a second account where any part says so: the others say only who.
                let of = |part: &EntryId| {
                    if self.leads(*part, &inner) { self.ends(*part, &inner) } else { self.anyhow().ends(*part, &inner) }
                };
                parts.iter().map(of).fold(None, time::earlier)
            }
            Select::Where(rule) => {
                let position = self.position_for(*rule, &inner)?;
                time::earlier(kept(position), self.stay(&inner, self.now()))
            }
            Select::ReportsTo { .. } => self.stay(&inner, self.now()),
            Select::People(_) => self.stay(&inner, period_of(&self.person.periods, inner.window.starts)),
            Select::Not(_) => None,
        };
        time::earlier(ends, inner.window.expires)
    }

    /// How the person holds something, with the account that is asked about.
    fn held(&self, holding: Holding) -> Option<Held> {
        self.resolution.held_by(self.id, self.label, holding)
    }

    /// The same question about whichever account.
    pub(super) fn anyhow(&self) -> Self {
        Self { label: None, ..*self }
    }

    /// Whether an entry that the person is in leads to the account that is asked about.
    fn leads(&self, id: EntryId, around: &Around) -> bool {
        let (Some(label), Some(entry)) = (self.label, self.entry(id)) else { return true };
        let inner = around.within(entry);
        match &entry.select {
            Select::Role(role) => self.held(Holding::Role(*role)).is_some(),
            Select::Group(group) => self.held(Holding::Group(*group)).is_some(),
            Select::Groups(glob) => glob.groups.iter().any(|group| self.held(Holding::Group(*group)).is_some()),
            // A part that the person is not in leads the person to nothing.
            Select::Any(parts) => parts.iter().any(|part| self.is_in(*part, &inner) && self.leads(*part, &inner)),
            Select::All(parts) if label.is_second() => parts.iter().any(|part| self.leads(*part, &inner)),
            Select::All(parts) => parts.iter().all(|part| self.leads(*part, &inner)),
            Select::People(_) | Select::Where(_) | Select::ReportsTo { .. } | Select::Not(_) => !label.is_second(),
        }
    }

    fn now(&self) -> Option<&Period> {
        self.person.periods.iter().find(|period| period.window.contains(self.at))
    }

    /// When a period, or a term that counts from it, ends.
    fn stay(&self, around: &Around, period: Option<&Period>) -> Option<Instant> {
        let window = period?.window;
        let starts = later_start(around.window.starts, window.starts);
        time::earlier(window.expires, clamp_of(self.policy, self.id, starts, self.at))
    }
}

/// What ends last, the first of several.
fn latest<T>(list: impl Iterator<Item = (T, Option<Instant>)>) -> Option<T> {
    let later = |new: Option<Instant>, old: Option<Instant>| old.is_some_and(|old| new.is_none_or(|new| new > old));
    list.reduce(|best, next| if later(next.1, best.1) { next } else { best }).map(|(what, _)| what)
}
