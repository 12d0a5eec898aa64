//! Promise 3, and that the fast resolver means what the slow one says.

use crate::support::policies::{Shape, day, policies};
use crate::support::reference::{FOREVER, Slow};
use accord::model::Instant;
use accord::policy::{Entry, GroupId, Holding, Label, PersonId, Policy, RoleId, Select};
use accord::resolve::{Reference, References, Resolution, because, instants, resolve, why_not};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// 1,000 cases, or as many as `PROPTEST_CASES` says.
pub(super) fn cases() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let unset = config.cases == 256;
    ProptestConfig { cases: if unset { 1000 } else { config.cases }, ..config }
}

fn holdings(policy: &Policy) -> Vec<Holding> {
    let count = |n: usize| u32::try_from(n).unwrap();
    let roles = (0..count(policy.roles.len())).map(|n| Holding::Role(RoleId(n)));
    roles.chain((0..count(policy.groups.len())).map(|n| Holding::Group(GroupId(n)))).collect()
}

fn people(policy: &Policy) -> impl Iterator<Item = PersonId> {
    (0..u32::try_from(policy.people.len()).unwrap()).map(PersonId)
}

fn end(ends: Option<Instant>) -> i64 {
    ends.map_or(FOREVER, Instant::as_seconds)
}

/// The accounts in it, each with its end.
fn accounts(resolution: &Resolution, holding: Holding) -> BTreeMap<(PersonId, Label), i64> {
    resolution.held_in(holding).map(|held| ((held.person, held.label), end(held.ends))).collect()
}

/// The people in it, each with the last end.
fn sure(resolution: &Resolution, holding: Holding) -> Vec<(PersonId, i64)> {
    let people = members(resolution, holding).into_iter();
    people.map(|person| (person, end(resolution.held(person, holding).unwrap().ends))).collect()
}

fn members(resolution: &Resolution, holding: Holding) -> Vec<PersonId> {
    let people: BTreeSet<PersonId> = resolution.held_in(holding).map(|held| held.person).collect();
    people.into_iter().collect()
}

proptest! {
    #![proptest_config(cases())]

    /// Members, ends, possible members and unsettled ones, to any depth of negation.
    #[test]
    fn promise_03_the_fast_resolver_agrees_with_the_slow_one(
        (policy, references) in policies(Shape::default()),
        today in 0i64..21,
    ) {
        let fast = resolve(&policy, &references, day(today));
        let slow = Slow::new(&policy, &references, day(today));
        for holding in holdings(&policy) {
            let wanted: Vec<_> =
                people(&policy).filter_map(|p| slow.sure(p, holding).map(|end| (p, end))).collect();
            prop_assert_eq!(sure(&fast, holding), wanted, "sure {:?} on day {}", holding, today);
            let wanted: Vec<_> = people(&policy).filter(|p| slow.unsettled(*p, holding)).collect();
            prop_assert_eq!(fast.unsettled_in(holding).collect::<Vec<_>>(), wanted, "unsettled {:?}", holding);
            if let Some(possible) = fast.possible(holding) {
                let wanted: Vec<_> = people(&policy).filter(|p| slow.possible(*p, holding)).collect();
                prop_assert_eq!(possible.collect::<Vec<_>>(), wanted, "possible {:?}", holding);
            }
        }
    }

    /// With which account each thing is held, until when, and of which nobody can say.
    #[test]
    fn promise_03_the_fast_resolver_agrees_with_the_slow_one_about_accounts(
        (policy, references) in policies(Shape::default()),
        today in 0i64..21,
    ) {
        let fast = resolve(&policy, &references, day(today));
        let slow = Slow::new(&policy, &references, day(today));
        for holding in holdings(&policy) {
            let of = |person: PersonId, generous: bool| {
                slow.accounts(person, holding, generous).into_iter().map(move |(label, end)| ((person, label), end))
            };
            let wanted: BTreeMap<_, _> = people(&policy).flat_map(|person| of(person, false)).collect();
            prop_assert_eq!(accounts(&fast, holding), wanted.clone(), "{:?} on day {}", holding, today);
            let Holding::Group(group) = holding else { continue };
            let generous = people(&policy).flat_map(|person| of(person, true)).map(|(account, _)| account);
            let open: BTreeSet<_> = generous.filter(|account| !wanted.contains_key(account)).collect();
            prop_assert_eq!(fast.unsettled(group).collect::<BTreeSet<_>>(), open, "unsettled {:?}", holding);
        }
    }

    /// Nothing starts, so every later instant holds less or the same; and the ends say when.
    #[test]
    fn promise_03_time_only_takes_away(
        (policy, references) in policies(Shape { starts: false, ..Shape::default() }),
        early in 0i64..21,
        passed in 1i64..21,
    ) {
        let (t1, t2) = (day(early), day(early + passed));
        let (before, after) = (resolve(&policy, &references, t1), resolve(&policy, &references, t2));
        for holding in holdings(&policy) {
            let later = members(&after, holding);
            let wanted: Vec<_> =
                sure(&before, holding).into_iter().filter(|(_, end)| *end > t2.as_seconds()).map(|(p, _)| p).collect();
            prop_assert_eq!(later, wanted, "{:?} from day {} to {}", holding, early, early + passed);
        }
    }

    /// Where something starts, an end alone still gives nothing: between two
    /// neighbouring instants at which nothing starts, nobody comes in.
    #[test]
    fn promise_03_an_end_alone_never_gives(
        (policy, references) in policies(Shape::default()),
    ) {
        let starts: Vec<Instant> = policy.entries.iter().map(Entry::window)
            .chain(policy.people.iter().flat_map(|p| {
                p.periods.iter().map(|period| period.window).chain(p.positions.iter().map(|position| position.window))
            }))
            .chain(policy.constraints.iter().flat_map(|c| c.exceptions.iter().map(|exception| exception.window)))
            .filter_map(|window| window.starts)
            .collect();
        let mut before = resolve(&policy, &references, day(-1));
        for at in instants(&policy) {
            let after = resolve(&policy, &references, at);
            if !starts.contains(&at) {
                for holding in holdings(&policy) {
                    let was = members(&before, holding);
                    let now = members(&after, holding);
                    prop_assert!(now.iter().all(|p| was.contains(p)), "{:?} grows at {}", holding, at);
                }
            }
            before = after;
        }
    }

    /// Between two neighbouring instants nothing changes: `instants` misses none.
    #[test]
    fn nothing_changes_between_two_written_instants((policy, references) in policies(Shape::default())) {
        let mut known = instants(&policy).into_iter().peekable();
        while let Some(at) = known.next() {
            let last = known.peek().map_or(at.as_seconds() + 400_000, |next| next.as_seconds() - 1);
            let (first, last) = (resolve(&policy, &references, at), resolve(&policy, &references, Instant::from_seconds(last)));
            for holding in holdings(&policy) {
                prop_assert_eq!(sure(&first, holding), sure(&last, holding), "{:?} after {}", holding, at);
            }
        }
    }

    /// A reference that was not read takes nothing for granted and settles nothing:
    /// sure members may only become unsettled, and whoever was out may become so too.
    #[test]
    fn promise_04_an_unread_reference_only_unsettles(
        (policy, references) in policies(Shape::default()),
        today in 0i64..21,
    ) {
        let unread = References {
            groups: references.groups.keys().map(|g| (*g, Reference::NotRead("cut off".to_owned()))).collect(),
        };
        let (read, blind) = (resolve(&policy, &references, day(today)), resolve(&policy, &unread, day(today)));
        for holding in holdings(&policy) {
            let known = members(&read, holding);
            let sure = members(&blind, holding);
            let unsettled: Vec<_> = blind.unsettled_in(holding).collect();
            let was: Vec<_> = read.unsettled_in(holding).collect();
            prop_assert!(sure.iter().all(|p| known.contains(p)), "sure grew: {:?}", holding);
            for person in known.iter().chain(&was) {
                prop_assert!(sure.contains(person) || unsettled.contains(person), "{:?} settled {:?}", holding, person);
            }
        }
    }
}

/// The random policies are worth something: enough of them give, take away, end
/// early, hang on something unread, and disagree about sure and possible.
#[test]
fn random_policies_reach_every_corner() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let [mut given, mut ending, mut unsettled, mut taken, mut doubtful, mut second, mut several] = [0; 7];
    for n in 0..300 {
        let (policy, references) = policies(Shape::default()).new_tree(&mut runner).unwrap().current();
        let resolution = resolve(&policy, &references, day(n % 21));
        let all = holdings(&policy);
        let held: Vec<_> = all.iter().flat_map(|holding| sure(&resolution, *holding)).collect();
        given += usize::from(held.len() > 3);
        ending += usize::from(held.iter().any(|(_, end)| *end != FOREVER));
        unsettled += usize::from(all.iter().any(|holding| resolution.unsettled_in(*holding).len() > 0));
        taken += usize::from(policy.groups.iter().any(|group| !group.except.is_empty()));
        let labels: Vec<_> = all.iter().map(|holding| accounts(&resolution, *holding)).collect();
        second += usize::from(labels.iter().flatten().any(|((_, label), _)| label.is_second()));
        several += usize::from(
            labels.iter().zip(&all).any(|(accounts, holding)| accounts.len() > members(&resolution, *holding).len()),
        );
        doubtful += usize::from(all.iter().any(|holding| {
            resolution
                .possible(*holding)
                .is_some_and(|possible| possible.count() > members(&resolution, *holding).len())
        }));
    }
    let counts = [given, ending, unsettled, taken, doubtful, second];
    assert!(counts.iter().all(|count| *count >= 60), "of 300: {counts:?}");
    assert!(several >= 25, "of 300 some hold something with several accounts: {several}");
}

proptest! {
    #![proptest_config(cases())]

    /// Whoever holds something is told why, and whoever does not is told why not.
    #[test]
    fn promise_09_everything_is_explained((policy, references) in policies(Shape::default()), today in 0i64..21) {
        let resolution = resolve(&policy, &references, day(today));
        for holding in holdings(&policy) {
            for person in people(&policy) {
                let held = resolution.held(person, holding);
                let chains = because(&policy, &resolution, person, holding);
                let reasons = why_not(&policy, &resolution, person, holding);
                prop_assert_eq!(chains.is_empty(), held.is_none(), "{:?} {:?}: {:?}", person, holding, chains);
                prop_assert_eq!(reasons.is_empty(), held.is_some(), "{:?} {:?}: {:?}", person, holding, reasons);
                if let (Some(held), Some(first)) = (held, chains.first()) {
                    prop_assert_eq!(first.ends, held.ends);
                    prop_assert!(chains.iter().all(|chain| !chain.steps.is_empty()));
                }
            }
        }
    }

    /// Numbers do not matter: with the entries in another order the same people hold
    /// the same things until the same instants.
    #[test]
    fn promise_02_the_order_of_what_is_written_does_not_matter(
        (policy, references) in policies(Shape::default()),
        today in 0i64..21,
    ) {
        let mut turned = policy.clone();
        turned.roles.iter_mut().for_each(|role| {
            role.members.reverse();
            role.only.reverse();
            role.except.reverse();
            role.includes.reverse();
            role.grants.reverse();
        });
        turned.groups.iter_mut().for_each(|group| {
            group.members.reverse();
            group.only.reverse();
            group.except.reverse();
        });
        turned.people.iter_mut().for_each(|person| person.positions.reverse());
        turned.constraints.reverse();
        for entry in &mut turned.entries {
            match &mut entry.select {
                Select::All(parts) | Select::Any(parts) => parts.reverse(),
                Select::People(people) => *people = people.iter().rev().copied().collect(),
                _ => {}
            }
        }
        let (one, other) = (resolve(&policy, &references, day(today)), resolve(&turned, &references, day(today)));
        for holding in holdings(&policy) {
            prop_assert_eq!(one.held_in(holding).collect::<Vec<_>>(), other.held_in(holding).collect::<Vec<_>>());
            prop_assert_eq!(
                one.unsettled_in(holding).collect::<Vec<_>>(),
                other.unsettled_in(holding).collect::<Vec<_>>()
            );
        }
    }
}
