//! Policy tests agree with the slow resolver at every instant, whatever is written.

use crate::support::policies::{Shape, day, place, random};
use crate::support::reference::Slow;
use accord::model::{Instant, Term};
use accord::policy::{
    Claim, DirectoryId, Entry, EntryId, GroupId, Holding, Lasts, People, PersonId, Policy, PolicyTest, RoleId, RuleId,
    Select, Subject,
};
use accord::resolve::{References, instants};
use accord::review::policy_tests::{Verdict, run};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Reads a tape of numbers.
struct Dice<'t>(std::slice::Iter<'t, u32>);

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        self.0.next().map_or(0, |n| *n as usize % sides.max(1))
    }

    fn some<T: Clone>(&mut self, list: &[T]) -> Vec<T> {
        let first = self.roll(list.len());
        let mut chosen = vec![list[first].clone()];
        if self.roll(3) == 1 {
            let other = self.roll(list.len());
            if other != first {
                chosen.push(list[other].clone());
            }
        }
        chosen
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap()
}

fn holdings(policy: &Policy) -> Vec<Holding> {
    let roles = (0..policy.roles.len()).map(|n| Holding::Role(RoleId(number(n))));
    roles.chain((0..policy.groups.len()).map(|n| Holding::Group(GroupId(number(n))))).collect()
}

fn entry(policy: &mut Policy, dice: &mut Dice<'_>, deep: bool) -> EntryId {
    let person = PersonId(number(dice.roll(policy.people.len())));
    let select = match dice.roll(if deep { 6 } else { 5 }) {
        0 => Select::People(vec![person].into()),
        1 => Select::Where(RuleId(number(dice.roll(policy.rules.len())))),
        2 => Select::Role(RoleId(number(dice.roll(policy.roles.len())))),
        3 => Select::Group(GroupId(number(dice.roll(policy.groups.len())))),
        4 => Select::ReportsTo { manager: person, direct: dice.roll(2) == 0, including: dice.roll(2) == 0 },
        _ => Select::Not(entry(policy, dice, false)),
    };
    add(policy, select)
}

fn add(policy: &mut Policy, select: Select) -> EntryId {
    policy.entries.push(Entry { select, details: None, place: place(50) });
    EntryId(number(policy.entries.len() - 1))
}

fn test(claim: Claim, from: Option<Instant>, lasts: Lasts) -> PolicyTest {
    PolicyTest { key: "t".into(), description: None, claim, from, lasts, place: place(60) }
}

fn random_test(policy: &mut Policy, dice: &mut Dice<'_>) -> PolicyTest {
    let all = holdings(policy);
    let entries = |policy: &mut Policy, dice: &mut Dice<'_>| match dice.roll(3) {
        0 => Vec::new(),
        n => (0..n).map(|_| entry(policy, dice, true)).collect(),
    };
    let claim = match dice.roll(5) {
        0 | 1 => {
            let (among, outside) = (entries(policy, dice), entries(policy, dice));
            Claim::NobodyReaches { holdings: dice.some(&all), among, outside }
        }
        2 => {
            let who = Subject::Person(PersonId(number(dice.roll(policy.people.len()))));
            Claim::Holds { who, has: dice.some(&all), has_not: dice.some(&all) }
        }
        3 => {
            let who = Subject::Everybody(vec![entry(policy, dice, true)]);
            Claim::Holds { who, has: dice.some(&all), has_not: Vec::new() }
        }
        _ => {
            let (at_least, at_most) = (Some(number(dice.roll(4))), Some(number(dice.roll(4))));
            Claim::Counts { of: dice.some(&all), at_least, at_most }
        }
    };
    let mut when = || day(i64::try_from(dice.roll(21)).unwrap());
    let (from, until) = (when(), when());
    let lasts = match dice.roll(4) {
        0 => Lasts::Moment,
        1 => Lasts::Always,
        2 => Lasts::Within(Term(86_400 * i64::try_from(1 + dice.roll(12)).unwrap())),
        _ => Lasts::Until(from.max(until).plus(1)),
    };
    let from = (dice.roll(2) == 0 || matches!(lasts, Lasts::Until(_))).then_some(from);
    test(claim, from, lasts)
}

/// The same with a group for everybody whom entries select, so that the slow resolver can
/// be asked about them.
fn asked(policy: &mut Policy, entries: &[EntryId]) -> Option<Holding> {
    if entries.is_empty() {
        return None;
    }
    let nobody = add(policy, Select::People(People::from(Vec::new())));
    let everybody = add(policy, Select::Not(nobody));
    let group = accord::policy::Group {
        members: vec![everybody],
        only: entries.to_vec(),
        ..crate::support::policies::group(DirectoryId(0), "asked")
    };
    policy.groups.push(group);
    Some(Holding::Group(GroupId(number(policy.groups.len() - 1))))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum In {
    No,
    Perhaps,
    Yes,
}

/// Whether it fails at an instant: surely, or perhaps.
fn fails(
    policy: &Policy,
    references: &References,
    claim: &Claim,
    (a, b): (Option<Holding>, Option<Holding>),
    at: Instant,
) -> In {
    let slow = Slow::new(policy, references, at);
    let is_in = |person: PersonId, holding: Holding| match (slow.sure(person, holding), slow.unsettled(person, holding))
    {
        (Some(_), _) => In::Yes,
        (None, true) => In::Perhaps,
        (None, false) => In::No,
    };
    let people = (0..policy.people.len()).map(|n| PersonId(number(n)));
    let not = |one: In| match one {
        In::No => In::Yes,
        In::Perhaps => In::Perhaps,
        In::Yes => In::No,
    };
    match claim {
        Claim::NobodyReaches { holdings, .. } => people
            .flat_map(|person| holdings.iter().map(move |holding| (person, *holding)))
            .map(|(person, holding)| {
                let among = a.map_or(In::Yes, |a| is_in(person, a));
                let outside = b.map_or(In::Yes, |b| not(is_in(person, b)));
                is_in(person, holding).min(among).min(outside)
            })
            .max()
            .unwrap_or(In::No),
        Claim::Holds { who, has, has_not } => people
            .map(|person| {
                let mine = match who {
                    Subject::Person(one) => {
                        if *one == person {
                            In::Yes
                        } else {
                            In::No
                        }
                    }
                    Subject::Everybody(_) => a.map_or(In::No, |a| is_in(person, a)),
                };
                let lacks = has.iter().map(|one| not(is_in(person, *one))).max().unwrap_or(In::No);
                let holds = has_not.iter().map(|one| is_in(person, *one)).max().unwrap_or(In::No);
                lacks.max(holds).min(mine)
            })
            .max()
            .unwrap_or(In::No),
        Claim::Counts { of, at_least, at_most } => {
            let held: Vec<In> = people.map(|person| of.iter().map(|one| is_in(person, *one)).max().unwrap()).collect();
            let sure = number(held.iter().filter(|one| **one == In::Yes).count());
            let all = number(held.iter().filter(|one| **one != In::No).count());
            let (least, most) = (at_least.unwrap(), at_most.unwrap());
            if all < least || sure > most {
                In::Yes
            } else if sure < least || all > most {
                In::Perhaps
            } else {
                In::No
            }
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn tests_agree_with_the_slow_resolver_at_every_instant(
        tape in proptest::collection::vec(any::<u32>(), 0..500),
        tests in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 30), 1..4),
        today in 0i64..21,
    ) {
        let (mut policy, references) = random(&tape, Shape::default());
        let tests: Vec<PolicyTest> =
            tests.iter().map(|tape| random_test(&mut policy, &mut Dice(tape.iter()))).collect();
        policy.tests = tests;
        let all: Vec<usize> = (0..policy.tests.len()).collect();
        let now = day(today);
        let outcomes = run(&policy, &references, now, &all);
        let mut judged: Vec<usize> = Vec::new();
        for outcome in &outcomes {
            let claim = &policy.tests[outcome.test].claim;
            let mut bigger = policy.clone();
            let (among, outside) = match claim {
                Claim::NobodyReaches { among, outside, .. } => (among.clone(), outside.clone()),
                Claim::Holds { who: Subject::Everybody(entries), .. } => (entries.clone(), Vec::new()),
                _ => (Vec::new(), Vec::new()),
            };
            let groups = (asked(&mut bigger, &among), asked(&mut bigger, &outside));
            let (from, until) = policy.tests[outcome.test].window(now);
            let mut when: BTreeSet<Instant> = instants(&policy);
            when.insert(from);
            when.retain(|at| from <= *at && until.is_none_or(|until| *at < until));
            let slowly: Vec<(Instant, In)> =
                when.iter().map(|at| (*at, fails(&bigger, &references, claim, groups, *at))).collect();
            let worst = slowly.iter().map(|(_, one)| *one).max().unwrap();
            let verdict = match worst {
                In::Yes => Verdict::Failed,
                In::Perhaps => Verdict::Unproven,
                In::No => Verdict::Passed,
            };
            prop_assert_eq!(outcome.verdict, verdict, "{:?} {:?} {:?}", claim, outcome, slowly.len());
            let first = slowly.iter().find(|(_, one)| *one == worst && worst != In::No).map(|(at, _)| *at);
            prop_assert_eq!(outcome.counter.first().map(|one| one.since), first, "{:?}", claim);
            prop_assert!(outcome.instants > 0);
            judged.push(outcome.test);
        }
        prop_assert_eq!(judged, all.clone());
        // Each alone says the same: what is looked at for others changes nothing.
        for outcome in &outcomes {
            let alone = run(&policy, &references, now, &[outcome.test]);
            prop_assert_eq!(&alone[0].verdict, &outcome.verdict);
            prop_assert_eq!(&alone[0].counter, &outcome.counter);
        }
    }
}
