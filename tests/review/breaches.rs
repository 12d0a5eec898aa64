//! Breaches with their windows are those of every instant, and what would be if more were
//! written is what the same files with that line say.

use crate::support::policies::{Shape, day, random};
use accord::model::Instant;
use accord::policy::{Holding, PersonId, Policy};
use accord::resolve::{Breach, BreachKind, References, constraints, instants, resolve};
use accord::review::breaches::{Broken, broken};
use proptest::prelude::*;
use std::collections::BTreeSet;

type Key = (usize, PersonId, BreachKind, Vec<Holding>);

fn key(breach: &Breach) -> Key {
    (breach.constraint, breach.person, breach.kind, breach.sides.iter().map(|side| side.holding).collect())
}

/// Who breaks what at an instant, by the whole policy.
fn at(policy: &Policy, references: &References, at: Instant) -> BTreeSet<Key> {
    let all = constraints(policy, &resolve(policy, references, at));
    let held =
        |one: &&Breach| matches!(one.kind, BreachKind::Exclusive | BreachKind::Forbidden | BreachKind::Unsettled);
    all.iter().filter(held).map(key).collect()
}

fn lasting(found: &[Broken], at: Instant) -> BTreeSet<Key> {
    let lasts = |one: &&Broken| one.since <= at && one.until.is_none_or(|until| at < until);
    found.iter().filter(lasts).map(|one| key(&one.breach)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn breaches_are_those_of_every_instant(
        tape in proptest::collection::vec(any::<u32>(), 0..900),
        today in 0i64..21,
        days in proptest::option::of(1i64..20),
    ) {
        let (policy, references) = random(&tape, Shape::default());
        let from = day(today);
        let until = days.map(|days| from.plus(days * 86_400));
        let found = broken(&policy, &references, from, until);
        let mut all = instants(&policy);
        all.insert(from);
        for instant in all.into_iter().filter(|one| from <= *one && until.is_none_or(|until| *one < until)) {
            prop_assert_eq!(lasting(&found, instant), at(&policy, &references, instant), "{}", instant);
        }
        for one in &found {
            prop_assert!(one.until.is_none_or(|until| one.since < until), "{:?}", one);
            let whole = constraints(&policy, &resolve(&policy, &references, one.since));
            let same = whole.iter().find(|other| key(other) == key(&one.breach)).unwrap();
            prop_assert_eq!(&same.message, &one.breach.message);
            prop_assert_eq!(&same.help, &one.breach.help);
        }
    }
}
