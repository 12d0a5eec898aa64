//! The slow resolver: the decisions of ARCHITECTURE.md, word for word, one person at a
//! time, by recursion, sharing nothing with the fast one and remembering nothing.
//!
//! `end` answers: until when is the person surely in? `enter` answers: from when on is
//! the person possibly in? Both work with instants, `None` being "no" and the far
//! future being "no end".
use accord::model::{Instant, Window};
use accord::policy::rule::Verdict;
use accord::policy::{
    Breach, Constraint, Entry, EntryId, GroupId, Holding, KindId, Label, Manage, Period, Person, PersonId, Policy,
    Position, RoleId, Select,
};
use accord::resolve::{Reference, References, instants};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// No end.
pub(crate) const FOREVER: i64 = i64::MAX;

/// The slow resolver at one instant.
pub(crate) struct Slow<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) references: &'a References,
    pub(crate) at: Instant,
    /// Whether what constraints revoke is left alone.
    raw: bool,
    /// Cuts asked for before: only so that tests end.
    cuts: RefCell<BTreeMap<(PersonId, Holding, bool), Option<i64>>>,
}

/// What is said around a nested entry.
#[derive(Clone)]
struct Around {
    window: Window,
    /// Gated kinds let in; `None` where nothing is given.
    kinds: Option<Vec<KindId>>,
}

impl<'a> Slow<'a> {
    pub(crate) fn new(policy: &'a Policy, references: &'a References, at: Instant) -> Self {
        Self { policy, references, at, raw: false, cuts: RefCell::default() }
    }

    /// The same as if nothing were revoked, at any instant.
    fn raw(&self, at: Instant) -> Self {
        Self { raw: true, ..Self::new(self.policy, self.references, at) }
    }

    /// From when on (the past counts as now) constraints take this away from the person:
    /// walks every instant that is written anywhere.
    fn cut(&self, person: PersonId, holding: Holding, generous: bool) -> Option<i64> {
        let key = (person, holding, generous);
        if let Some(known) = self.cuts.borrow().get(&key) {
            return *known;
        }
        let revoking = self.policy.constraints.iter().filter(|constraint| match &constraint.on_breach {
            Breach::Report => false,
            Breach::Revoke(revoked) => revoked.contains(&holding),
        });
        let cut = revoking.filter_map(|constraint| self.cut_by(constraint, person, holding, generous)).min();
        self.cuts.borrow_mut().insert(key, cut);
        cut
    }

    fn cut_by(&self, constraint: &Constraint, person: PersonId, holding: Holding, generous: bool) -> Option<i64> {
        let mut all: Vec<Instant> = instants(self.policy).into_iter().collect();
        all.insert(0, all.first().map_or(self.at, |first| first.plus(-1)));
        let broken = |at: Instant| {
            let slow = self.raw(at);
            let holds = |one: Holding| slow.end(person, one, generous).is_some();
            let excepted = constraint.exceptions.iter().any(|e| e.person == person && e.window.contains(at));
            if !holds(holding) || excepted || !slow.concerned(constraint, person) {
                return None;
            }
            let pair = constraint.exclusive.contains(&holding)
                && constraint.exclusive.iter().any(|other| *other != holding && holds(*other));
            Some(pair || constraint.forbid.contains(&holding))
        };
        // Broken at some instant since it was last allowed.
        let mut cut = None;
        for at in all.iter().filter(|at| **at <= self.at || **at == all[0]) {
            match broken(*at) {
                None => cut = None,
                Some(true) => cut = cut.or(Some(self.now())),
                Some(false) => {}
            }
        }
        let end = self.raw(self.at).end(person, holding, generous)?;
        let coming = all.iter().filter(|at| **at > self.at && at.as_seconds() < end);
        cut.or(coming.filter(|at| broken(**at) == Some(true)).map(|at| at.as_seconds()).min())
    }

    /// The end of a person's sure membership (seconds; [`FOREVER`] is no end).
    pub(crate) fn sure(&self, person: PersonId, holding: Holding) -> Option<i64> {
        self.end(person, holding, false)
    }

    /// Whether the membership is unsettled.
    pub(crate) fn unsettled(&self, person: PersonId, holding: Holding) -> bool {
        self.end(person, holding, false).is_none() && self.end(person, holding, true).is_some()
    }

    /// Whether the person is possibly in now.
    pub(crate) fn possible(&self, person: PersonId, holding: Holding) -> bool {
        self.enter(person, holding, false).is_some_and(|enter| enter <= self.at.as_seconds())
    }

    fn person(&self, id: PersonId) -> &'a Person {
        &self.policy.people[id.0 as usize]
    }

    fn entry(&self, id: EntryId) -> &'a Entry {
        &self.policy.entries[id.0 as usize]
    }

    fn now(&self) -> i64 {
        self.at.as_seconds()
    }

    fn lists(&self, holding: Holding) -> (&'a [EntryId], &'a [EntryId], &'a [EntryId], Option<Instant>) {
        match holding {
            Holding::Role(RoleId(n)) => {
                let role = &self.policy.roles[n as usize];
                (&role.members, &role.only, &role.except, role.expires)
            }
            Holding::Group(GroupId(n)) => {
                let group = &self.policy.groups[n as usize];
                (&group.members, &group.only, &group.except, group.expires)
            }
        }
    }

    /// Roles whose members are members of this.
    fn feeders(&self, holding: Holding) -> Vec<Holding> {
        let roles = self.policy.roles.iter().enumerate();
        let feeds = roles.filter(|(_, role)| match holding {
            Holding::Role(mine) => role.includes.iter().any(|(other, _)| *other == mine),
            Holding::Group(mine) => role.grants.iter().any(|grant| grant.group == mine),
        });
        feeds.map(|(n, _)| Holding::Role(RoleId(u32::try_from(n).unwrap()))).collect()
    }

    /// Until when surely in; `None` is not in now.
    fn end(&self, person: PersonId, holding: Holding, generous: bool) -> Option<i64> {
        let (members, _, _, expires) = self.lists(holding);
        if expires.is_some_and(|end| end <= self.at) {
            return None;
        }
        let giving = Around { window: Window::default(), kinds: Some(vec![]) };
        let mut ways: Vec<i64> =
            members.iter().filter_map(|entry| self.entry_end(person, *entry, &giving, generous)).collect();
        ways.extend(self.feeders(holding).into_iter().filter_map(|role| self.end(person, role, generous)));
        if self.read(person, holding, generous) {
            ways.extend(self.period_now(person).map(|period| seconds(period.window.expires)));
        }
        let end = ways.into_iter().max()?.min(self.last(person, holding, generous)?);
        (end > self.now()).then_some(end)
    }

    /// What bounds every way in, whichever account it is: `only`, `except`, the end of the
    /// whole, and what constraints take away.
    fn last(&self, person: PersonId, holding: Holding, generous: bool) -> Option<i64> {
        let (_, only, except, expires) = self.lists(holding);
        if expires.is_some_and(|end| end <= self.at) {
            return None;
        }
        let filtering = Around { window: Window::default(), kinds: None };
        let mut end = FOREVER;
        if !only.is_empty() {
            let kept = only.iter().filter_map(|entry| self.entry_end(person, *entry, &filtering, generous)).max()?;
            end = end.min(kept);
        }
        for entry in except {
            if let Some(enter) = self.entry_enter(person, *entry, &filtering, generous) {
                end = end.min(enter);
            }
        }
        end = end.min(seconds(expires));
        // What is perhaps revoked is not sure; what is not surely revoked may still be held.
        if !self.raw {
            for lens in if generous { vec![false] } else { vec![false, true] } {
                end = end.min(self.cut(person, holding, lens).unwrap_or(FOREVER));
            }
        }
        Some(end)
    }

    /// With which accounts the person is surely in, each with its end. Which account it is
    /// never decides whether somebody is in.
    pub(crate) fn accounts(&self, person: PersonId, holding: Holding, generous: bool) -> BTreeMap<Label, i64> {
        let (members, _, _, _) = self.lists(holding);
        let giving = Around { window: Window::default(), kinds: Some(vec![]) };
        let mut ways = Accounts::new();
        for entry in members {
            either(&mut ways, self.entry_accounts(person, *entry, &giving, generous));
        }
        for role in self.feeders(holding) {
            either(&mut ways, self.accounts(person, role, generous));
        }
        if self.read(person, holding, generous) {
            let ends = self.period_now(person).map(|period| seconds(period.window.expires));
            either(&mut ways, ends.map(|end| (Label::EVERYDAY, end)).into_iter().collect());
        }
        let account = match holding {
            Holding::Role(RoleId(n)) => self.policy.roles[n as usize].account,
            Holding::Group(GroupId(n)) => self.policy.groups[n as usize].account,
        };
        if let (Some(account), Some(end)) = (account, ways.values().copied().max()) {
            ways = Accounts::from([(account, end)]);
        }
        let last = self.last(person, holding, generous).unwrap_or(0);
        ways.into_iter().map(|(label, end)| (label, end.min(last))).filter(|(_, end)| *end > self.now()).collect()
    }

    fn entry_accounts(&self, person: PersonId, id: EntryId, around: &Around, generous: bool) -> Accounts {
        let entry = self.entry(id);
        let inner = Self::around(around, entry);
        let gate = || self.lets_in(&inner, self.person(person).kind);
        let nodes: Vec<Holding> = match &entry.select {
            Select::Role(role) => vec![Holding::Role(*role)],
            Select::Group(group) => vec![Holding::Group(*group)],
            Select::Groups(glob) => glob.groups.iter().map(|group| Holding::Group(*group)).collect(),
            Select::Any(_) | Select::All(_) => vec![],
            _ => {
                let end = self.entry_end(person, id, around, generous);
                return end.map(|end| (Label::EVERYDAY, end)).into_iter().collect();
            }
        };
        if !inner.window.contains(self.at) || (!nodes.is_empty() && !gate()) {
            return Accounts::new();
        }
        let mut found = Accounts::new();
        match &entry.select {
            Select::Any(parts) => {
                for part in parts {
                    either(&mut found, self.entry_accounts(person, *part, &inner, generous));
                }
            }
            Select::All(parts) => {
                let parts = parts.iter().map(|part| self.entry_accounts(person, *part, &inner, generous));
                found = parts.reduce(|a, b| both(&a, &b)).unwrap_or_default();
            }
            _ => {
                for node in nodes {
                    either(&mut found, self.accounts(person, node, generous));
                }
            }
        }
        let last = seconds(inner.window.expires);
        found.into_iter().map(|(label, end)| (label, end.min(last))).collect()
    }

    /// From when on possibly in (now, where that was earlier); `None` is never.
    fn enter(&self, person: PersonId, holding: Holding, generous: bool) -> Option<i64> {
        let (members, only, except, _) = self.lists(holding);
        let giving = Around { window: Window::default(), kinds: Some(vec![]) };
        let filtering = Around { window: Window::default(), kinds: None };
        let mut ways: Vec<i64> =
            members.iter().filter_map(|entry| self.entry_enter(person, *entry, &giving, generous)).collect();
        ways.extend(self.feeders(holding).into_iter().filter_map(|role| self.enter(person, role, generous)));
        if self.read(person, holding, !generous) {
            ways.push(self.now());
        }
        let mut enter = ways.into_iter().min()?;
        if !only.is_empty() {
            let kept = only.iter().filter_map(|entry| self.entry_enter(person, *entry, &filtering, generous)).min()?;
            enter = enter.max(kept);
        }
        for entry in except {
            if let Some(end) = self.entry_end(person, *entry, &filtering, generous) {
                enter = enter.max(end);
            }
        }
        (enter != FOREVER).then_some(enter)
    }

    /// For a reference group: whether the directory lists the person, or `unread`
    /// where it was not read. No other holding is read from a directory.
    fn read(&self, person: PersonId, holding: Holding, unread: bool) -> bool {
        let Holding::Group(group) = holding else { return false };
        if self.policy.groups[group.0 as usize].manage != Manage::Reference {
            return false;
        }
        match self.references.groups.get(&group) {
            Some(Reference::Read(people)) => people.contains(&person),
            Some(Reference::NotRead(_)) | None => unread,
        }
    }

    fn around(around: &Around, entry: &Entry) -> Around {
        let starts = [around.window.starts, entry.window().starts].into_iter().flatten().max();
        let expires = [around.window.expires, entry.window().expires].into_iter().flatten().min();
        let kinds = around.kinds.clone().map(|mut kinds| {
            kinds.extend(&entry.details().kinds);
            kinds
        });
        Around { window: Window { starts, expires }, kinds }
    }

    fn lets_in(&self, around: &Around, kind: KindId) -> bool {
        let Some(kinds) = &around.kinds else { return true };
        !self.policy.kinds[usize::from(kind.0)].gated || kinds.contains(&kind)
    }

    fn entry_end(&self, person: PersonId, id: EntryId, around: &Around, generous: bool) -> Option<i64> {
        let entry = self.entry(id);
        let around = Self::around(around, entry);
        if !around.window.contains(self.at) {
            return None;
        }
        let gate = || self.lets_in(&around, self.person(person).kind).then_some(());
        let end = match &entry.select {
            Select::People(people) => people.contains(&person).then(|| self.named_end(person, around.window)).flatten(),
            Select::Role(role) => gate().and_then(|()| self.end(person, Holding::Role(*role), generous)),
            Select::Group(group) => gate().and_then(|()| self.end(person, Holding::Group(*group), generous)),
            Select::Groups(glob) => {
                let groups = glob.groups.iter().map(|group| Holding::Group(*group));
                gate().and_then(|()| groups.filter_map(|group| self.end(person, group, generous)).max())
            }
            Select::Where(rule) => {
                let rule = &self.policy.rules[rule.0 as usize];
                let positions = self.person(person).positions.iter();
                let mine = positions.filter(|position| {
                    self.lets_in(&around, position.kind)
                        && rule.verdict(self.policy, self.person(person), position) == Verdict::Yes
                });
                mine.filter_map(|position| self.position_end(person, position, around.window)).max()
            }
            Select::ReportsTo { manager, direct, including } => {
                let itself =
                    (*including && person == *manager).then(|| self.present_end(person, around.window)).flatten();
                let below =
                    (person != *manager).then(|| self.below_end(person, *manager, *direct, around.window)).flatten();
                gate().and_then(|()| itself.max(below))
            }
            Select::All(parts) => {
                let ends: Option<Vec<i64>> =
                    parts.iter().map(|part| self.entry_end(person, *part, &around, generous)).collect();
                ends?.into_iter().min()
            }
            Select::Any(parts) => {
                parts.iter().filter_map(|part| self.entry_end(person, *part, &around, generous)).max()
            }
            Select::Not(part) => {
                let filtering = Around { window: Window::default(), kinds: None };
                Some(self.entry_enter(person, *part, &filtering, generous).unwrap_or(FOREVER))
            }
        };
        let end = end?.min(seconds(around.window.expires));
        (end > self.now()).then_some(end)
    }

    fn entry_enter(&self, person: PersonId, id: EntryId, around: &Around, generous: bool) -> Option<i64> {
        let entry = self.entry(id);
        let around = Self::around(around, entry);
        let gate = || self.lets_in(&around, self.person(person).kind).then_some(());
        let enter = match &entry.select {
            Select::People(people) => people.contains(&person).then(|| {
                let period = belongs_to(&self.person(person).periods, around.window.starts);
                self.from(period.and_then(|period| period.window.starts))
            }),
            Select::Role(role) => gate().and_then(|()| self.enter(person, Holding::Role(*role), generous)),
            Select::Group(group) => gate().and_then(|()| self.enter(person, Holding::Group(*group), generous)),
            Select::Groups(glob) => {
                let groups = glob.groups.iter().map(|group| Holding::Group(*group));
                gate().and_then(|()| groups.filter_map(|group| self.enter(person, group, generous)).min())
            }
            Select::Where(rule) => {
                let rule = &self.policy.rules[rule.0 as usize];
                let positions = self.person(person).positions.iter();
                let mine = positions.filter(|position| {
                    self.lets_in(&around, position.kind)
                        && rule.verdict(self.policy, self.person(person), position) != Verdict::No
                });
                mine.map(|position| self.from(position.window.starts).max(self.begins(person))).min()
            }
            Select::ReportsTo { manager, direct, including } => {
                let itself = (*including && person == *manager).then(|| self.begins(person));
                let below = (person != *manager).then(|| self.below_enter(person, *manager, *direct)).flatten();
                gate().and_then(|()| [itself, below].into_iter().flatten().min())
            }
            Select::All(parts) => {
                let enters: Option<Vec<i64>> =
                    parts.iter().map(|part| self.entry_enter(person, *part, &around, generous)).collect();
                enters?.into_iter().max()
            }
            Select::Any(parts) => {
                parts.iter().filter_map(|part| self.entry_enter(person, *part, &around, generous)).min()
            }
            Select::Not(part) => {
                let filtering = Around { window: Window::default(), kinds: None };
                Some(self.entry_end(person, *part, &filtering, generous).unwrap_or(self.now()))
            }
        };
        let enter = enter?.max(self.from(around.window.starts));
        (enter != FOREVER).then_some(enter)
    }

    /// A start as an instant from now on.
    fn from(&self, starts: Option<Instant>) -> i64 {
        starts.map_or(self.now(), |starts| starts.as_seconds().max(self.now()))
    }

    /// When the person's first period begins.
    fn begins(&self, person: PersonId) -> i64 {
        self.person(person).periods.iter().map(|period| self.from(period.window.starts)).min().unwrap()
    }

    fn period_now(&self, person: PersonId) -> Option<&'a Period> {
        self.person(person).periods.iter().find(|period| period.window.contains(self.at))
    }

    fn named_end(&self, person: PersonId, window: Window) -> Option<i64> {
        let period = belongs_to(&self.person(person).periods, window.starts)?;
        if !period.window.contains(self.at) {
            return None;
        }
        Some(seconds(period.window.expires).min(self.term_end(person, window.starts, period)))
    }

    fn present_end(&self, person: PersonId, window: Window) -> Option<i64> {
        let period = self.period_now(person)?;
        Some(seconds(period.window.expires).min(self.term_end(person, window.starts, period)))
    }

    fn position_end(&self, person: PersonId, position: &Position, window: Window) -> Option<i64> {
        let end = position.window.expires.map(|end| end.plus(position.keep.map_or(0, |keep| keep.0)));
        let in_force = Window { starts: position.window.starts, expires: end }.contains(self.at);
        let present = self.present_end(person, window)?;
        in_force.then(|| seconds(end).min(present))
    }

    /// The earliest end that the maximum terms allow.
    fn term_end(&self, person: PersonId, starts: Option<Instant>, period: &Period) -> i64 {
        let Some(starts) = [starts, period.window.starts].into_iter().flatten().max() else { return FOREVER };
        let ends = self.policy.constraints.iter().filter(|c| self.concerned(c, person)).filter_map(|constraint| {
            let mut end = starts.plus(constraint.maximum_term?.0).as_seconds();
            for exception in constraint.exceptions.iter().filter(|e| e.person == person && e.window.contains(self.at)) {
                end = end.max(seconds(exception.window.expires));
            }
            Some(end)
        });
        ends.min().unwrap_or(FOREVER)
    }

    /// Whether a constraint concerns the person.
    pub(crate) fn concerned(&self, constraint: &Constraint, id: PersonId) -> bool {
        let Some(rule) = constraint.applies_to else { return true };
        let rule = &self.policy.rules[rule.0 as usize];
        let person = self.person(id);
        person.positions.iter().any(|position| {
            let replaced = person.positions.iter().any(|other| {
                let starts_then = other.window.starts.is_some() && other.window.starts >= position.window.expires;
                starts_then && other.window.contains(self.at)
            });
            let over = position.window.is_past(self.at) && replaced;
            !over && !position.window.is_future(self.at) && rule.verdict(self.policy, person, position) != Verdict::No
        })
    }

    /// The best way up to the manager, as an end, walking every chain.
    fn below_end(&self, person: PersonId, manager: PersonId, direct: bool, window: Window) -> Option<i64> {
        let positions = self.person(person).positions.iter();
        let ways = positions.filter_map(|position| {
            let own = self.position_end(person, position, window)?;
            let above = self.up_end(position.manager?, manager, direct, &mut vec![person])?;
            Some(own.min(above))
        });
        ways.max()
    }

    fn up_end(&self, from: PersonId, manager: PersonId, direct: bool, seen: &mut Vec<PersonId>) -> Option<i64> {
        if from == manager {
            return Some(FOREVER);
        }
        if direct || seen.contains(&from) {
            return None;
        }
        seen.push(from);
        let person = self.person(from);
        let ways = person.positions.iter().filter_map(|position| {
            let link = self.link_end(person, position)?;
            Some(link.min(self.up_end(position.manager?, manager, direct, seen)?))
        });
        let best = ways.max();
        seen.pop();
        best
    }

    /// Until when a position links its person upwards: while it is in force, and if it
    /// is the last one written, until one that starts later takes its place.
    fn link_end(&self, person: &Person, position: &Position) -> Option<i64> {
        let begun: Vec<&Position> = person.positions.iter().filter(|p| !p.window.is_future(self.at)).collect();
        let in_force = |p: &Position| p.window.contains(self.at);
        let last = begun.iter().map(|p| seconds(p.window.expires)).max()?;
        let links = in_force(position)
            || !begun.iter().any(|p| in_force(p))
                && !position.window.is_future(self.at)
                && seconds(position.window.expires) == last;
        if !links {
            return None;
        }
        let end = seconds(position.window.expires);
        if end == FOREVER {
            return Some(FOREVER);
        }
        let others = person.positions.iter();
        if end > self.now() && others.clone().any(|p| p.window.contains(Instant::from_seconds(end))) {
            return Some(end);
        }
        let next = others.filter_map(|p| p.window.starts).map(Instant::as_seconds);
        Some(next.filter(|starts| *starts > end.max(self.now())).min().unwrap_or(FOREVER))
    }

    fn below_enter(&self, person: PersonId, manager: PersonId, direct: bool) -> Option<i64> {
        let positions = self.person(person).positions.iter();
        let ways = positions.filter_map(|position| {
            let above = self.up_enter(position.manager?, manager, direct, &mut vec![person])?;
            Some(above.max(self.from(position.window.starts)).max(self.begins(person)))
        });
        ways.min()
    }

    fn up_enter(&self, from: PersonId, manager: PersonId, direct: bool, seen: &mut Vec<PersonId>) -> Option<i64> {
        if from == manager {
            return Some(self.now());
        }
        if direct || seen.contains(&from) {
            return None;
        }
        seen.push(from);
        let ways = self.person(from).positions.iter().filter_map(|position| {
            let above = self.up_enter(position.manager?, manager, direct, seen)?;
            Some(above.max(self.from(position.window.starts)))
        });
        let best = ways.min();
        seen.pop();
        best
    }
}

/// Labels of accounts, each with the end of what is held with it.
type Accounts = BTreeMap<Label, i64>;

/// Whoever is in one or the other is in with the accounts of both.
fn either(all: &mut Accounts, more: Accounts) {
    for (label, end) in more {
        let known = all.entry(label).or_insert(end);
        *known = (*known).max(end);
    }
}

/// Whoever must be in both is in with the second accounts that either says, with the
/// everyday one where neither does.
fn both(a: &Accounts, b: &Accounts) -> Accounts {
    let mut found = Accounts::new();
    for ((mine, one), (theirs, other)) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
        let end = (*one).min(*other);
        let labels: Vec<Label> = [*mine, *theirs].into_iter().filter(|label| label.is_second()).collect();
        let labels = if labels.is_empty() { vec![Label::EVERYDAY] } else { labels };
        either(&mut found, labels.into_iter().map(|label| (label, end)).collect());
    }
    found
}

/// An end in seconds.
fn seconds(end: Option<Instant>) -> i64 {
    end.map_or(FOREVER, Instant::as_seconds)
}

/// The period that an entry names people for.
fn belongs_to(periods: &[Period], starts: Option<Instant>) -> Option<&Period> {
    match starts {
        None => periods.first(),
        Some(starts) => {
            let inside = periods.iter().find(|period| period.window.contains(starts));
            inside.or_else(|| periods.iter().find(|p| p.window.starts.is_some_and(|begins| begins > starts)))
        }
    }
}
