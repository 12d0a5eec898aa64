//! Constraints by a slow, obvious reading: who breaks what, of whom nobody can say, and
//! that time alone frees nobody.

use super::resolve::cases;
use crate::support::policies::{Shape, day, policies};
use crate::support::reference::Slow;
use accord::policy::{Holding, PersonId, Standing};
use accord::resolve::{BreachKind, constraints, resolve, unsponsored};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What is wrong with one person by one constraint, if anything.
fn slowly(
    slow: &Slow<'_>,
    holdings: &[Holding],
    least: usize,
    kind: BreachKind,
    person: PersonId,
) -> Option<BreachKind> {
    let sure = holdings.iter().filter(|holding| slow.sure(person, **holding).is_some()).count();
    let perhaps = holdings.iter().filter(|holding| slow.unsettled(person, **holding)).count();
    match () {
        () if sure >= least => Some(kind),
        () if sure > 0 && sure + perhaps >= least => Some(BreachKind::Unsettled),
        () => None,
    }
}

proptest! {
    #![proptest_config(cases())]

    /// Exactly those who hold what conflicts, are concerned and have no exception.
    #[test]
    fn promise_05_breaches_are_those_of_the_slow_reading(
        (policy, references) in policies(Shape::default()),
        today in 0i64..21,
    ) {
        let at = day(today);
        let slow = Slow::new(&policy, &references, at);
        let mut wanted = BTreeSet::new();
        for (n, constraint) in policy.constraints.iter().enumerate() {
            for id in (0..u32::try_from(policy.people.len()).unwrap()).map(PersonId) {
                let excepted = constraint.exceptions.iter().any(|e| e.person == id && e.window.contains(at));
                if excepted || !slow.concerned(constraint, id) {
                    continue;
                }
                let pairs = slowly(&slow, &constraint.exclusive, 2, BreachKind::Exclusive, id);
                let forbidden = slowly(&slow, &constraint.forbid, 1, BreachKind::Forbidden, id);
                wanted.extend(pairs.into_iter().chain(forbidden).map(|kind| (n, id, kind)));
                let person = &policy.people[id.0 as usize];
                let here = !matches!(person.standing(at), Standing::Left(_) | Standing::Future(_));
                let sponsor = person.sponsor.map(|sponsor| policy.people[sponsor.0 as usize].standing(at));
                if let (true, Some(_), Some(Standing::Left(end))) = (here, constraint.sponsor_gone, sponsor) {
                    wanted.insert((n, id, BreachKind::SponsorGone(end)));
                }
            }
        }
        let resolution = resolve(&policy, &references, at);
        for cut in resolution.cuts().iter().filter(|cut| cut.certain && cut.is_in_force(at)) {
            wanted.insert((cut.constraint, cut.person, BreachKind::Revoked(cut.holding)));
        }
        let found = constraints(&policy, &resolution);
        let told: BTreeSet<_> = found.iter().map(|b| (b.constraint, b.person, b.kind)).collect();
        prop_assert_eq!(told, wanted, "on day {}", today);
        for breach in &found {
            prop_assert!(!breach.message.is_empty() && !breach.help.is_empty());
            prop_assert!(breach.sides.iter().flat_map(|side| side.groups.iter()).all(|group| breach.withholds(*group)));
        }
    }

    /// Where nothing starts, an account that a sponsor's departure took stays taken.
    #[test]
    fn promise_03_time_gives_no_account_back_to_whose_sponsor_is_gone(
        (policy, _) in policies(Shape { starts: false, ..Shape::default() }),
        early in 0i64..21,
        passed in 1i64..21,
    ) {
        for id in (0..u32::try_from(policy.people.len()).unwrap()).map(PersonId) {
            let left = matches!(policy.people[id.0 as usize].standing(day(early + passed)), Standing::Left(_));
            if unsponsored(&policy, id, day(early)).is_some() {
                prop_assert!(left || unsponsored(&policy, id, day(early + passed)).is_some(), "{:?}", id);
            }
        }
    }
}

/// Enough of the random policies break something, cannot say, or have lost a sponsor;
/// and of what is revoked, enough outlives the other side, is still to come, or hangs on
/// something unread.
#[test]
fn random_constraints_reach_every_corner() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let [mut broken, mut forbidden, mut unknown, mut gone, mut disabled] = [0; 5];
    let [mut revoked, mut outliving, mut coming, mut uncertain] = [0; 4];
    for n in 0..2600 {
        let (policy, references) = policies(Shape::default()).new_tree(&mut runner).unwrap().current();
        let at = day(n % 21);
        let resolution = resolve(&policy, &references, at);
        for breach in constraints(&policy, &resolution) {
            match breach.kind {
                BreachKind::Exclusive => broken += 1,
                BreachKind::Forbidden => forbidden += 1,
                BreachKind::Unsettled => unknown += 1,
                BreachKind::SponsorGone(_) => gone += 1,
                BreachKind::Revoked(_) => revoked += 1,
            }
            disabled += usize::from(unsponsored(&policy, breach.person, at).is_some());
        }
        for cut in resolution.cuts() {
            let ended = cut.others.iter().all(|other| resolution.held(cut.person, *other).is_none());
            outliving += usize::from(cut.is_in_force(at) && !cut.others.is_empty() && ended);
            coming += usize::from(!cut.is_in_force(at));
            uncertain += usize::from(!cut.certain);
        }
    }
    let counts = [broken, forbidden, unknown, gone, disabled, revoked, outliving, coming, uncertain];
    assert!(counts.iter().all(|count| *count >= 20), "{counts:?}");
}
