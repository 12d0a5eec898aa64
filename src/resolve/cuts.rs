//! What constraints with `on_breach: revoke` take away from whom, and since when.
//!
//! Comes in: the sets as if nothing were revoked. Goes out: cuts, by which the sure sets
//! shrink. Refuses: to cut for a breach that is only perhaps one (the person is unsettled
//! then), and to give anything back because time passes.
//!
//! For one person, one constraint and one thing that it revokes, a latch is followed
//! through today's files from the first written date on:
//! * it opens where the person does not hold the thing, is not concerned, or has an
//!   exception in force: out of each of these only something that starts leads back;
//! * it closes where the constraint is broken;
//! * otherwise it stays: the other side's end gives nothing back.
//!
//! Whether a thing is held is read as if nothing were revoked, so that the order of
//! constraints does not matter. The possible sets keep everybody: what excepts somebody
//! who was cut goes on excepting them.

use super::ask::Holds as _;
use super::because::name;
use super::ever::{Ever, ever};
use super::moments::{Moments, Readings, Way};
use super::sets::{Ground, Nodes};
use super::span::Span;
use super::term::is_concerned;
use super::terms::is_ever_concerned;
use crate::model::{Instant, Place};
use crate::policy::{Breach, Constraint, Holding, PersonId, Policy};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// One thing that a constraint takes away from one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What.
    pub holding: Holding,
    /// From whom.
    pub person: PersonId,
    /// Position of the constraint in `Policy::constraints`.
    pub constraint: usize,
    /// Since when, or from when on; `None` is since before anything that is dated.
    pub since: Option<Instant>,
    /// What was held beside it then; empty where the thing itself is forbidden.
    pub others: Vec<Holding>,
    /// The exception that ended then.
    pub exception: Option<Place>,
    /// Whether it is sure; otherwise it hangs on something that was not read.
    pub certain: bool,
    /// Where the constraint was written.
    pub place: Place,
}

impl Cut {
    /// Whether it keeps the person out at that instant.
    pub fn is_in_force(&self, at: Instant) -> bool {
        self.since.is_none_or(|since| since <= at)
    }

    /// `constraint payments-separation broken since 2027-01-01 00:00, beside role
    /// payment-approver (exception of policies/constraints.yaml:9 ended)`, as one says
    /// it `at` an instant.
    pub fn words(&self, policy: &Policy, at: Instant) -> String {
        let key = policy.constraints.get(self.constraint).map_or("?", |constraint| constraint.key.as_ref());
        let since = self.since.map(|since| since.civil(&policy.timezone));
        let when = match (since, self.is_in_force(at)) {
            (None, _) => "broken from the start".to_owned(),
            (Some(since), true) => format!("broken since {since}"),
            (Some(since), false) => format!("is broken from {since} on"),
        };
        let perhaps = if self.certain { "" } else { "perhaps " };
        let others: Vec<String> = self.others.iter().map(|other| name(policy, *other)).collect();
        let how = match others.as_slice() {
            [] => format!("which forbids {}", name(policy, self.holding)),
            others => format!("beside {}", others.join(" and ")),
        };
        let ended = self.exception.map(|place| {
            let (file, line) = policy.locate(place);
            let ended = if self.is_in_force(at) { "ended" } else { "ends" };
            format!(" (exception of {file}:{line} {ended})")
        });
        format!("constraint {key} {perhaps}{when}, {how}{}", ended.unwrap_or_default())
    }
}

/// The cuts of one role or group: people with the tick from which they are out.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeCuts {
    /// By what was read.
    pub(super) certain: Vec<Span>,
    /// With what was not read at its most generous: at least those of `certain`.
    pub(super) perhaps: Vec<Span>,
}

impl NodeCuts {
    pub(super) fn is_uncertain(&self) -> bool {
        self.certain != self.perhaps
    }
}

/// All cuts at one instant.
#[derive(Debug, Clone, Default)]
pub(super) struct Cuts {
    nodes: BTreeMap<usize, NodeCuts>,
    list: Vec<Cut>,
}

impl Cuts {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn of_node(&self, node: usize) -> Option<&NodeCuts> {
        self.nodes.get(&node)
    }

    pub(super) fn list(&self) -> &[Cut] {
        &self.list
    }

    /// The cuts of one person in one role or group.
    pub(super) fn of(&self, person: PersonId, holding: Holding) -> impl Iterator<Item = &Cut> {
        let first = self.list.partition_point(|cut| (cut.holding, cut.person) < (holding, person));
        let rest = self.list.get(first..).unwrap_or_default();
        rest.iter().take_while(move |cut| (cut.holding, cut.person) == (holding, person))
    }

    /// Finds every cut. Where no constraint revokes anything, it looks at nobody; where
    /// one does, at whoever holds what it revokes and could ever have broken it.
    pub(super) fn find(&mut self, ground: &Ground<'_, '_>, nodes: &Nodes) {
        for (number, constraint) in ground.facts.policy.constraints.iter().enumerate() {
            let Breach::Revoke(revoked) = &constraint.on_breach else { continue };
            for holding in revoked {
                let search = Search::new(ground, number, constraint, *holding);
                self.list.extend(search.cuts(nodes));
            }
        }
        self.list.sort_by_key(|cut| (cut.holding, cut.person, !cut.certain, cut.since, cut.constraint));
        for cut in &self.list {
            let tick = ground.facts.times.start(cut.since);
            let node = self.nodes.entry(ground.graph.node_of(cut.holding) as usize).or_default();
            let add = |list: &mut Vec<Span>| match list.last_mut().filter(|last| last.person == cut.person.0) {
                Some(last) => last.tick = last.tick.min(tick),
                None => list.push(Span { person: cut.person.0, tick }),
            };
            // What is certain is perhaps too.
            if cut.certain {
                add(&mut node.certain);
            }
            add(&mut node.perhaps);
        }
    }
}

/// One constraint and one thing that it revokes.
struct Search<'a> {
    ground: &'a Ground<'a, 'a>,
    number: usize,
    constraint: &'a Constraint,
    holding: Holding,
    others: Vec<Holding>,
    forbidden: bool,
}

impl<'a> Search<'a> {
    fn new(ground: &'a Ground<'a, 'a>, number: usize, constraint: &'a Constraint, holding: Holding) -> Self {
        let is_side = constraint.exclusive.contains(&holding);
        let others = constraint.exclusive.iter().copied().filter(|other| is_side && *other != holding).collect();
        let forbidden = constraint.forbid.contains(&holding);
        Self { ground, number, constraint, holding, others, forbidden }
    }

    fn cuts(&self, nodes: &Nodes) -> Vec<Cut> {
        let (policy, holders) = (self.ground.facts.policy, nodes.get(self.holding));
        let holders = holders.map_or(&[][..], |node| node.generous());
        let could = if self.forbidden { Ever::Everybody } else { ever(self.ground, &self.others) };
        let in_question = |person: &u32| {
            could.has(*person)
                && policy.people.get(*person as usize).is_some_and(|p| is_ever_concerned(policy, self.constraint, p))
        };
        let person = |span: &Span| self.ground.facts.holders.person(span.person);
        let mut people: Vec<u32> = holders.iter().map(person).filter(in_question).collect();
        people.sort_unstable();
        people.dedup();
        if people.is_empty() {
            return Vec::new();
        }
        let mut holdings = vec![self.holding];
        holdings.extend_from_slice(&self.others);
        let way = Way::new(self.ground, &holdings);
        people.into_par_iter().flat_map_iter(|person| self.of(&way, PersonId(person))).collect()
    }

    /// The cuts of one person: the certain one, and the uncertain one where it differs.
    fn of(&self, way: &Way, person: PersonId) -> Vec<Cut> {
        let Some(moments) = Moments::new(self.ground, way, person) else { return Vec::new() };
        let dates: Vec<Instant> = moments.dates().into_iter().collect();
        let before = dates.first().map_or(self.ground.facts.times.at, |first| first.plus(-1));
        let latch = |generous: bool| {
            let mut latch = Latch { search: self, person, closed: None };
            latch.follow(&moments, (before, &dates), generous);
            latch.closed.map(|(since, others)| self.cut(person, since, others, !generous))
        };
        let certain = latch(false);
        let perhaps = if way.is_unread { latch(true) } else { None };
        let differs = perhaps.as_ref().map(|cut| cut.since) != certain.as_ref().map(|cut| cut.since);
        certain.into_iter().chain(perhaps.filter(|_| differs)).collect()
    }

    fn cut(&self, person: PersonId, since: Option<Instant>, others: Vec<Holding>, certain: bool) -> Cut {
        let mut ended = self.constraint.exceptions.iter().filter(|exception| exception.person == person);
        let exception = ended.find(|exception| since.is_some() && exception.window.expires == since);
        let exception = exception.map(|exception| exception.place);
        let (holding, constraint, place) = (self.holding, self.number, self.constraint.place);
        Cut { holding, person, constraint, since, others, exception, certain, place }
    }
}

/// Since when the constraint is broken, and beside what; open is `None`.
struct Latch<'s, 'a> {
    search: &'s Search<'a>,
    person: PersonId,
    closed: Option<(Option<Instant>, Vec<Holding>)>,
}

impl Latch<'_, '_> {
    /// From before the first date to now; then on, until it closes or what it would take
    /// away ends by itself.
    fn follow(&mut self, moments: &Moments<'_>, (before, dates): (Instant, &[Instant]), generous: bool) {
        let now = self.search.ground.facts.times.at;
        let past = dates.partition_point(|date| *date <= now);
        let (past, future) = dates.split_at_checked(past).unwrap_or((dates, &[]));
        let mut holds = self.step(&moments.readings(before, generous), None);
        for date in past {
            holds = self.step(&moments.readings(*date, generous), Some(*date));
        }
        for date in future {
            if !holds || self.closed.is_some() {
                break;
            }
            holds = self.step(&moments.readings(*date, generous), Some(*date));
        }
    }

    /// What one instant makes of it; says whether the thing is held then.
    fn step(&mut self, readings: &Readings<'_>, since: Option<Instant>) -> bool {
        let Search { ground, constraint, holding, others, forbidden, .. } = self.search;
        let (policy, at) = (ground.facts.policy, readings.at());
        let holds = readings.holds(*holding);
        let mut mine = constraint.exceptions.iter().filter(|exception| exception.person == self.person);
        let person = policy.people.get(self.person.0 as usize);
        let concerned = || person.is_some_and(|person| is_concerned(policy, constraint, person, at));
        if !holds || mine.any(|exception| exception.window.contains(at)) || !concerned() {
            self.closed = None;
        } else if self.closed.is_none() {
            let beside: Vec<Holding> = others.iter().copied().filter(|other| readings.holds(*other)).collect();
            if *forbidden || !beside.is_empty() {
                self.closed = Some((since, beside));
            }
        }
        holds
    }
}
