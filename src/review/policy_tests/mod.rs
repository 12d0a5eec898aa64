//! Whether policy tests hold, at every instant that the written dates imply.
//!
//! Comes in: a policy, what is known of its references, now, which tests. Goes out: one
//! [`Outcome`] a test, with whoever it fails for, since when and why. Refuses: the clock,
//! directories, and to call a group empty that was not read: what hangs on it is not proven.
//!
//! One walk through time judges all tests: the people who could ever matter to any of them
//! are cut out (`slice`), and this part is resolved at every instant at which something in it
//! starts. Until the next start, sets only lose whom they are written to lose, and when is
//! known; where such an end could fail a test, that instant is judged too. Where something
//! was not read, every instant is judged.

mod judge;
mod part;

use crate::model::{Instant, Place, time};
use crate::policy::{GroupId, Holding, PersonId, Policy};
use crate::resolve::{self, References, Resolution, Step};
use judge::{Found, Judge};
use part::Part;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Most counter-examples that are explained for one test.
const EXPLAINED: usize = 5;

/// Whether a test holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// At every instant it is asked for.
    Passed,
    /// It fails for somebody, surely.
    Failed,
    /// It would fail if what was not read says so.
    Unproven,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Position in [`Policy::tests`].
    pub test: usize,
    /// Whether it holds.
    pub verdict: Verdict,
    /// First instant it is asked for.
    pub from: Instant,
    /// First instant it is not asked for any more; `None` is no end.
    pub until: Option<Instant>,
    /// At how many instants it was judged.
    pub instants: usize,
    /// How many people could ever matter to it.
    pub people: usize,
    /// Whoever it fails for, the first ones: by instant, then person.
    pub counter: Vec<Counter>,
    /// How many further ones there are at the first one's instant.
    pub more: usize,
    /// Groups it hangs on that were not read.
    pub unread: Vec<GroupId>,
    /// Why it cannot fail as things are written.
    pub idle: Option<Idle>,
}

/// Why a test cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Idle {
    /// Its last instant has passed.
    Over(Instant),
    /// Nobody in the files is one of those it speaks of.
    Nobody(Place),
}

/// One way in which a test fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// What is wrong.
    pub what: What,
    /// Since when: an instant that was asked for.
    pub since: Instant,
    /// Until when, as far as is written; `None` is no end.
    pub until: Option<Instant>,
    /// Whether it is sure; otherwise it hangs on what was not read.
    pub sure: bool,
    /// From the person to what they hold, or the reason why not. Empty where only a
    /// directory could tell.
    pub because: Vec<Step>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The person holds it and must not.
    Holds(PersonId, Holding),
    /// The person does not hold it and must.
    Lacks(PersonId, Holding),
    /// So many people hold it, fewer than this.
    Fewer(u32, u32),
    /// So many people hold it, more than this.
    More(u32, u32),
}

/// Judges the tests with these numbers, in the order of the policy.
pub fn run(policy: &Policy, references: &References, now: Instant, tests: &[usize]) -> Vec<Outcome> {
    let windows: Vec<(usize, (Instant, Option<Instant>))> =
        tests.iter().filter_map(|n| Some((*n, policy.tests.get(*n)?.window(now)))).collect();
    if windows.is_empty() {
        return Vec::new();
    }
    let part = Part::new(policy, references, &windows);
    let judge = Judge::new(&part);
    let found = walk(&part, &judge);
    let mut outcomes: Vec<Outcome> = (0..windows.len()).map(|n| outcome(policy, &part, n, now, &found)).collect();
    explain(policy, references, &mut outcomes);
    outcomes
}

/// What was found at each instant, by test in the part.
type AllFound = BTreeMap<Instant, Vec<Option<Found>>>;

/// Judges every instant, side by side, and then those at which an end could fail a test,
/// until there are no more.
fn walk(part: &Part<'_>, judge: &Judge<'_>) -> AllFound {
    let mut found = AllFound::new();
    let mut open: BTreeSet<Instant> = part.instants.clone();
    while !open.is_empty() {
        let wave: Vec<Instant> = std::mem::take(&mut open).into_iter().collect();
        let judged: Vec<(Instant, Vec<Option<Found>>)> = wave
            .into_par_iter()
            .map(|at| {
                let resolution = resolve::resolve(&part.slice.policy, &part.slice.references, at);
                (at, judge.at(&resolution))
            })
            .collect();
        for (at, tests) in &judged {
            // At the next start everything is asked again anyway.
            let next = part.instants.range(at.plus(1)..).next();
            let again = tests.iter().flatten().flat_map(|one| one.again.iter().copied());
            open.extend(again.filter(|end| next.is_none_or(|next| end < next)));
        }
        found.extend(judged);
        open.retain(|at| !found.contains_key(at));
    }
    found
}

fn outcome(policy: &Policy, part: &Part<'_>, n: usize, now: Instant, found: &AllFound) -> Outcome {
    let one = part.tests.get(n);
    let (test, from, until) = one.map_or((0, now, None), |one| (one.number, one.from, one.until));
    let mine: Vec<(Instant, &Found)> =
        found.iter().filter_map(|(at, tests)| Some((*at, tests.get(n)?.as_ref()?))).collect();
    let is_failed = mine.iter().any(|(_, found)| found.failing.iter().any(|one| one.sure));
    let is_open = mine.iter().any(|(_, found)| !found.failing.is_empty());
    let verdict = match (is_failed, is_open) {
        (true, _) => Verdict::Failed,
        (false, true) => Verdict::Unproven,
        (false, false) => Verdict::Passed,
    };
    let (counter, more) = counter(part, &mine, is_failed);
    let idle = match until {
        Some(end) if end <= now && verdict == Verdict::Passed => Some(Idle::Over(end)),
        _ => part::nobody(policy, test).map(Idle::Nobody),
    };
    let people = one.map_or(0, |one| one.people);
    let unread = one.map(|one| one.unread.clone()).unwrap_or_default();
    let again: BTreeSet<Instant> = mine.iter().flat_map(|(_, found)| found.again.iter().copied()).collect();
    let of_its_own = |at: &Instant| again.contains(at) || !part.is_of_another(from, *at);
    let instants = mine.iter().filter(|(at, _)| of_its_own(at)).count();
    Outcome { test, verdict, from, until, instants, people, counter, more, unread, idle }
}

/// Whoever a test fails for, the first ones, and how many more there are at the first instant.
/// Of a test that surely fails, what it hangs on besides is not told.
fn counter(part: &Part<'_>, found: &[(Instant, &Found)], is_failed: bool) -> (Vec<Counter>, usize) {
    let mut counter: Vec<Counter> = Vec::new();
    let mut more = None;
    for (at, found) in found {
        let failing = || found.failing.iter().filter(|one| one.sure || !is_failed);
        if failing().next().is_some() {
            more.get_or_insert_with(|| failing().count().saturating_sub(EXPLAINED) + found.further);
        }
        for one in failing() {
            let has_room = counter.len() < EXPLAINED;
            let what = part.named(one.what);
            match counter.iter_mut().find(|known| same(known.what, what)) {
                // It goes on.
                Some(known) if known.until.is_none_or(|until| until >= *at) => {
                    known.until = time::later(known.until, one.until);
                }
                None if has_room => {
                    let (until, sure) = (one.until, one.sure);
                    counter.push(Counter { what, since: *at, until, sure, because: Vec::new() });
                }
                Some(_) | None => {}
            }
        }
    }
    (counter, more.unwrap_or(0))
}

/// The same complaint at another instant: numbers of people may differ.
fn same(a: What, b: What) -> bool {
    matches!((a, b), (What::Fewer(..), What::Fewer(..)) | (What::More(..), What::More(..))) || a == b
}

/// Resolves the whole policy at the instants that are told, for the reasons: a part does not
/// know everybody whom an entry names.
fn explain(policy: &Policy, references: &References, outcomes: &mut [Outcome]) {
    let told: BTreeSet<Instant> = outcomes.iter().flat_map(|one| one.counter.iter().map(|one| one.since)).collect();
    for at in told {
        let resolution = resolve::resolve(policy, references, at);
        for counter in outcomes.iter_mut().flat_map(|one| &mut one.counter).filter(|one| one.since == at) {
            counter.because = because(policy, &resolution, counter.what);
        }
    }
}

fn because(policy: &Policy, resolution: &Resolution, what: What) -> Vec<Step> {
    match what {
        What::Holds(person, holding) => {
            let ways = resolve::because(policy, resolution, person, holding);
            ways.into_iter().next().map(|way| way.steps).unwrap_or_default()
        }
        What::Lacks(person, holding) => {
            let why = resolve::why_not(policy, resolution, person, holding);
            why.into_iter().map(|step| Step { text: step.text, place: step.place }).collect()
        }
        What::Fewer(..) | What::More(..) => Vec::new(),
    }
}
