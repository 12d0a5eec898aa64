//! Why a person does not hold a role or group: the nearest reason.
//!
//! Comes in: a resolution and a question. Goes out: steps, the reason first, each with
//! its place. Refuses: to list every reason; what is told is what would have to be
//! looked at first.

use super::Resolution;
use super::ask::{Around, Ask};
use super::because::{Lists, last_day, lists, name};
use super::terms::ending_term;
use super::times::{later_start, period_of};
use super::way::barred;
use crate::model::{Place, Window};
use crate::policy::rule::Verdict;
use crate::policy::{Details, Entry, EntryId, Holding, Manage, PersonId, Policy, Position, Select, Standing};
use std::collections::BTreeSet;

/// Most roles and groups that are asked for a reason.
const MOST: usize = 64;

/// One step towards the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `corp/sre excepts person li.na`, `granted by role sre`.
    pub text: String,
    /// Where it was written.
    pub place: Place,
    /// What sort of reason it is.
    pub kind: RefusalKind,
}

/// What sort of reason a [`Refusal`] is, for who words it in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// This entry named the person, and has ended.
    Ended(EntryId),
    /// Nothing that is written gives it.
    Nothing,
    /// What `text` says.
    Other,
}

/// The nearest reason why a person does not hold something; the first step is the
/// reason itself. Empty if the person does hold it.
pub fn why_not(policy: &Policy, resolution: &Resolution, person: PersonId, holding: Holding) -> Vec<Refusal> {
    let Some(ask) = Ask::new(policy, resolution, person) else { return Vec::new() };
    if resolution.held(person, holding).is_some() {
        return Vec::new();
    }
    if let Some(away) = ask.is_away() {
        return vec![away];
    }
    ask.reason(holding, &mut BTreeSet::from([holding]))
}

fn other(text: String, place: Place) -> Refusal {
    Refusal { text, place, kind: RefusalKind::Other }
}

impl Ask<'_> {
    /// Whoever is not here holds nothing.
    fn is_away(&self) -> Option<Refusal> {
        let (key, zone) = (&self.person.key, &self.policy.timezone);
        let text = match self.person.standing(self.at) {
            Standing::Left(end) => format!("{key} left, ended {}", end.civil(zone)),
            Standing::Future(begins) => format!("{key} has not begun, starts {}", begins.civil(zone)),
            Standing::Present(_) | Standing::OnLeave(_) => return None,
        };
        Some(other(text, self.person.place))
    }

    /// Why somebody who is here does not hold it.
    fn reason(&self, holding: Holding, seen: &mut BTreeSet<Holding>) -> Vec<Refusal> {
        let Some(lists) = lists(self.policy, holding) else { return Vec::new() };
        let what = name(self.policy, holding);
        if let Some(end) = lists.expires.filter(|end| *end <= self.at) {
            return vec![other(format!("{what} expired {}", last_day(self.policy, end)), lists.place)];
        }
        if let Some(taken) = self.taken_away(holding, &lists) {
            return vec![taken];
        }
        if let Some(cut) = barred(self.policy, self.resolution, self.id, holding) {
            return vec![other(cut.words(self.policy, self.at), cut.place)];
        }
        if let Some(found) = self.just_missed(&lists) {
            return vec![found];
        }
        if let Some(found) = self.further_up(holding, &lists, seen) {
            return found;
        }
        let group = match holding {
            Holding::Group(group) => self.policy.groups.get(group.0 as usize),
            Holding::Role(_) => None,
        };
        let key = &self.person.key;
        if group.is_some_and(|group| group.manage == Manage::Reference) {
            return vec![other(format!("{what} is managed elsewhere, and does not list {key}"), lists.place)];
        }
        let text = format!("nothing gives {what} to {key}");
        vec![Refusal { text, place: lists.place, kind: RefusalKind::Nothing }]
    }

    /// What is given, and taken away or not kept by the thing itself.
    fn taken_away(&self, holding: Holding, lists: &Lists<'_>) -> Option<Refusal> {
        let held = |role| self.resolution.held(self.id, Holding::Role(role)).is_some();
        let given = lists.members.iter().any(|entry| self.is_in(*entry, &Around::giving()))
            || self.resolution.feeders(self.policy, holding).iter().any(|(role, _)| held(*role));
        if !given {
            return None;
        }
        let what = name(self.policy, holding);
        if let Some(cut) = self.resolution.cut(self.id, holding) {
            return Some(other(cut.words(self.policy, self.at), cut.place));
        }
        let away = lists.except.iter().find(|entry| self.may_be_in(**entry, &Around::filtering()));
        if let Some((id, entry)) = away.and_then(|id| Some((*id, self.entry(*id)?))) {
            return Some(other(format!("{what} excepts {}", self.words(id)), entry.place));
        }
        let entry = lists.only.first().and_then(|id| self.entry(*id))?;
        let all: Vec<String> = lists.only.iter().map(|id| self.words(*id)).collect();
        Some(other(format!("{what} keeps only {}", all.join(" or ")), entry.place))
    }

    /// The entry that the person just misses; of those that ended, the last one.
    fn just_missed(&self, lists: &Lists<'_>) -> Option<Refusal> {
        let missed = lists.members.iter().filter_map(|entry| self.missed(*entry, &Around::giving()));
        let ended = |missed: &Refusal| match missed.kind {
            RefusalKind::Ended(entry) => self.entry(entry).and_then(|entry| entry.window().expires),
            _ => None,
        };
        missed.reduce(|best, next| if ended(&next) > ended(&best) { next } else { best })
    }

    /// The reason why the person does not hold what would give it.
    fn further_up(&self, holding: Holding, lists: &Lists<'_>, seen: &mut BTreeSet<Holding>) -> Option<Vec<Refusal>> {
        let mut sources: Vec<(Holding, Refusal)> = Vec::new();
        for entry in lists.members.iter().filter_map(|id| self.entry(*id)) {
            let mut through = |holding: Holding| {
                sources.push((holding, other(format!("in {}", name(self.policy, holding)), entry.place)));
            };
            match &entry.select {
                Select::Role(role) => through(Holding::Role(*role)),
                Select::Group(group) => through(Holding::Group(*group)),
                Select::Groups(glob) => glob.groups.iter().for_each(|group| through(Holding::Group(*group))),
                _ => {}
            }
        }
        let verb = if matches!(holding, Holding::Role(_)) { "included by" } else { "granted by" };
        sources.extend(self.resolution.feeders(self.policy, holding).iter().map(|(role, place)| {
            let role = Holding::Role(*role);
            (role, other(format!("{verb} {}", name(self.policy, role)), *place))
        }));
        for (source, step) in sources {
            if seen.len() >= MOST || !seen.insert(source) || self.resolution.held(self.id, source).is_some() {
                continue;
            }
            let mut reason = self.reason(source, seen);
            // What says no more than that nothing gives it, or that a directory does not.
            let says =
                |step: &Refusal| step.kind != RefusalKind::Nothing && !step.text.contains(" is managed elsewhere");
            if reason.first().is_some_and(says) {
                reason.push(step);
                return Some(reason);
            }
        }
        None
    }

    /// How the person just misses an entry: it is expired, not begun, or gated.
    fn missed(&self, id: EntryId, around: &Around) -> Option<Refusal> {
        let entry = self.entry(id)?;
        let inner = around.within(entry);
        match &entry.select {
            Select::People(people) if people.contains(&self.id) => Some(self.named(id, entry, inner.window)),
            Select::People(_) | Select::Not(_) => None,
            Select::Any(parts) | Select::All(parts) => parts.iter().find_map(|part| self.missed(*part, &inner)),
            _ => {
                let gated = self.policy.kinds.get(usize::from(self.person.kind.0));
                let kind = gated.map_or("?", |kind| kind.name.as_ref());
                let timeless = Around { window: Window::default(), kinds: inner.kinds.clone() };
                let open = Around { kinds: None, ..timeless.clone() };
                let details = Details { window: Window::default(), ..entry.details().clone() };
                let bare = Entry { details: details.boxed(), ..entry.clone() };
                if self.selects(&bare, &timeless) {
                    let end = inner.window.expires.filter(|end| *end <= self.at)?;
                    return Some(other(
                        format!("{} expired {}", self.words(id), last_day(self.policy, end)),
                        entry.place,
                    ));
                }
                if self.selects(&bare, &open) {
                    let text = format!("{}: kind {kind} is let in only with `kinds: [{kind}]`", self.words(id));
                    return Some(other(text, entry.place));
                }
                let term = self.term_over(inner.window).filter(|_| self.finds(&entry.select))?;
                Some(other(format!("{}  {term}", self.words(id)), entry.place))
            }
        }
    }

    /// Why an entry that names the person does not give now.
    fn named(&self, id: EntryId, entry: &Entry, window: Window) -> Refusal {
        let key = &self.person.key;
        if window.is_past(self.at) {
            let end = window.expires.map(|end| last_day(self.policy, end)).unwrap_or_default();
            let text = format!("person: {key}  expired {end}{}", ticket(entry));
            return Refusal { text, place: entry.place, kind: RefusalKind::Ended(id) };
        }
        if window.is_future(self.at) {
            let starts = window.starts.map(|starts| starts.civil(&self.policy.timezone)).unwrap_or_default();
            return other(format!("person: {key}  starts {starts}{}", ticket(entry)), entry.place);
        }
        let text = match self.term_over(window) {
            Some(term) => format!("person: {key}  {term}{}", ticket(entry)),
            None => format!("person: {key}  belongs to another period"),
        };
        other(text, entry.place)
    }

    /// The maximum term that has run out, in words.
    fn term_over(&self, window: Window) -> Option<String> {
        let period = period_of(&self.person.periods, window.starts)?;
        let starts = later_start(window.starts, period.window.starts);
        let end = super::term::clamp_of(self.policy, self.id, starts, self.at).filter(|end| *end <= self.at)?;
        let day = last_day(self.policy, end);
        let term = ending_term(self.policy, self.id, end, self.at);
        Some(term.map_or_else(|| format!("its maximum term ended {day}"), |(text, _)| format!("ended {day}, {text}")))
    }

    /// Whether a rule finds the person, whatever terms say.
    fn finds(&self, select: &Select) -> bool {
        let Select::Where(rule) = select else { return false };
        let rule = self.policy.rules.get(rule.0 as usize);
        let fits = |position: &Position| {
            position.window.contains(self.at)
                && rule.is_some_and(|rule| rule.verdict(self.policy, self.person, position) == Verdict::Yes)
        };
        self.person.positions.iter().any(fits)
    }

    fn selects(&self, entry: &Entry, around: &Around) -> bool {
        let holds = |holding: Holding| self.resolution.held(self.id, holding).is_some();
        match &entry.select {
            Select::Role(role) => self.lets_in(around, self.person.kind) && holds(Holding::Role(*role)),
            Select::Group(group) => self.lets_in(around, self.person.kind) && holds(Holding::Group(*group)),
            Select::Groups(glob) => {
                self.lets_in(around, self.person.kind) && glob.groups.iter().any(|group| holds(Holding::Group(*group)))
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
