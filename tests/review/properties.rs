//! The difference of two policies is the difference of who holds what, now by the slow
//! resolver and later instant by instant; and what means the same gives no difference.

use crate::support::policies::{Shape, day, random};
use crate::support::reference::{FOREVER, Slow};
use accord::model::Instant;
use accord::policy::{Few, Group, GroupId, Holding, Manage, PersonId, Policy, Role, RoleId, Select};
use accord::resolve::{Held, References, instants, resolve};
use accord::review::{Difference, Membership, Shift, Side, difference};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Person, group, label: what a membership is called.
type Name = (String, String, String);

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Two policies that share most of what is written: the second one reads the same tape with
/// some of its numbers altered, and perhaps a longer or shorter one.
fn edited() -> impl Strategy<Value = ((Policy, References), (Policy, References))> {
    let tape = proptest::collection::vec(any::<u32>(), 0..700);
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..6);
    (tape, edits, 0usize..90).prop_map(|(tape, edits, cut)| {
        let mut other = tape.clone();
        for (at, value) in edits {
            if !other.is_empty() {
                let n = at.index(other.len());
                other[n] = value;
            }
        }
        if cut < 10 {
            other.truncate(other.len().saturating_sub(cut * 4));
        }
        (random(&tape, Shape::default()), random(&other, Shape::default()))
    })
}

fn name(policy: &Policy, person: PersonId, group: GroupId, label: accord::policy::Label) -> Name {
    let group = &policy.groups[group.0 as usize];
    let directory = &policy.directories[usize::from(group.directory.0)].name;
    (
        policy.people[person.0 as usize].key.to_string(),
        format!("{directory}/{}", group.name),
        policy.label(label).unwrap_or_default().to_owned(),
    )
}

fn groups(policy: &Policy) -> impl Iterator<Item = GroupId> {
    (0..u32::try_from(policy.groups.len()).unwrap()).map(GroupId)
}

fn people(policy: &Policy) -> impl Iterator<Item = PersonId> {
    (0..u32::try_from(policy.people.len()).unwrap()).map(PersonId)
}

/// Who holds what until when by the slow resolver, and of which nobody can tell.
fn slowly((policy, references): &(Policy, References), at: Instant) -> (BTreeMap<Name, i64>, BTreeSet<Name>) {
    let slow = Slow::new(policy, references, at);
    let (mut sure, mut open) = (BTreeMap::new(), BTreeSet::new());
    for group in groups(policy) {
        for person in people(policy) {
            for (label, end) in slow.accounts(person, Holding::Group(group), false) {
                sure.insert(name(policy, person, group, label), end);
            }
            for (label, _) in slow.accounts(person, Holding::Group(group), true) {
                open.insert(name(policy, person, group, label));
            }
        }
    }
    open.retain(|one| !sure.contains_key(one));
    (sure, open)
}

fn told(found: &Difference<'_>, membership: Membership) -> Name {
    let account = found.account(membership).unwrap_or_default().to_owned();
    (found.person_key(membership).to_owned(), found.entitlement(membership.group), account)
}

fn end(held: Held) -> i64 {
    held.ends.map_or(FOREVER, Instant::as_seconds)
}

fn shifts(found: &Difference<'_>, list: &[Shift]) -> BTreeMap<Name, (Option<i64>, Option<i64>)> {
    list.iter().map(|one| (told(found, one.membership), (one.before.map(end), one.after.map(end)))).collect()
}

/// Who holds what at an instant, by the fast resolver (which is held to the slow one).
fn held((policy, references): &(Policy, References), at: Instant) -> BTreeSet<Name> {
    let resolution = resolve(policy, references, at);
    groups(policy)
        .flat_map(|group| resolution.members(group).map(move |held| (group, held)).collect::<Vec<_>>())
        .map(|(group, held)| name(policy, held.person, group, held.label))
        .collect()
}

type Events = BTreeSet<(Instant, Name)>;

/// What begins and what ends after an instant, instant by instant.
fn events(side: &(Policy, References), at: Instant) -> (Events, Events) {
    let (mut begins, mut ends) = (Events::new(), Events::new());
    for instant in instants(&side.0).into_iter().filter(|instant| *instant > at) {
        let (before, after) = (held(side, instant.plus(-1)), held(side, instant));
        begins.extend(after.difference(&before).map(|one| (instant, one.clone())));
        ends.extend(before.difference(&after).map(|one| (instant, one.clone())));
    }
    (begins, ends)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_difference_is_the_difference_of_who_by_the_slow_resolver((base, head) in edited(), today in 0i64..21) {
        let at = day(today);
        let found = difference(Side::new(&base.0, &base.1, at), Side::new(&head.0, &head.1, at));
        let ((before, unsure_before), (after, unsure_after)) = (slowly(&base, at), slowly(&head, at));
        let all: BTreeSet<&Name> = before.keys().chain(after.keys()).collect();
        let mut wanted = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for one in all {
            let (b, a) = (before.get(one).copied(), after.get(one).copied());
            let list = match (b, a) {
                (None, Some(_)) => 0,
                (Some(_), None) if unsure_after.contains(one) => continue,
                (Some(_), None) => 1,
                (Some(b), Some(a)) if a > b => 2,
                (Some(b), Some(a)) if a < b => 3,
                _ => continue,
            };
            wanted[list].insert(one.clone(), (b, a));
        }
        let lists = [&found.gained, &found.lost, &found.extended, &found.shortened];
        for (list, wanted) in lists.into_iter().zip(wanted) {
            prop_assert_eq!(shifts(&found, list), wanted);
        }
        let (mut gain, mut lose) = (BTreeSet::new(), BTreeSet::new());
        for open in found.open.iter().filter(|open| open.since.is_none()) {
            prop_assert!(!open.unread.is_empty());
            gain.extend(open.may_gain.iter().map(|one| told(&found, *one)));
            lose.extend(open.may_lose.iter().map(|one| told(&found, *one)));
        }
        // Who is in a group that is managed elsewhere is no policy's doing.
        let elsewhere = |(policy, _): &(Policy, References), name: &str| {
            policy.group_named(name).is_none_or(|id| policy.groups[id.0 as usize].manage == Manage::Reference)
        };
        let (mut unsure_before, mut unsure_after) = (unsure_before, unsure_after);
        for list in [&mut unsure_before, &mut unsure_after] {
            list.retain(|(_, group, _)| !elsewhere(&base, group) || !elsewhere(&head, group));
        }
        let new = || unsure_after.iter().filter(|one| !unsure_before.contains(*one));
        let wanted: BTreeSet<Name> = new().filter(|one| !before.contains_key(*one)).cloned().collect();
        prop_assert_eq!(gain, wanted);
        let gone = unsure_before.iter().filter(|one| !unsure_after.contains(*one) && !after.contains_key(*one));
        let wanted: BTreeSet<Name> = new().filter(|one| before.contains_key(*one)).chain(gone).cloned().collect();
        prop_assert_eq!(lose, wanted);
    }

    #[test]
    fn what_is_scheduled_is_what_begins_and_ends_instant_by_instant((base, head) in edited(), today in -1i64..21) {
        let at = day(today);
        let found = difference(Side::new(&base.0, &base.1, at), Side::new(&head.0, &head.1, at));
        let ((base_begins, base_ends), (head_begins, head_ends)) = (events(&base, at), events(&head, at));
        let list = |moments: &[accord::review::Moment], gained: bool| -> Events {
            let of = |moment: &accord::review::Moment| if gained { moment.gained.clone() } else { moment.lost.clone() };
            moments.iter().flat_map(|m| of(m).into_iter().map(|one| (m.instant, told(&found, one)))).collect()
        };
        let without = |a: &Events, b: &Events| -> Events { a.difference(b).cloned().collect() };
        prop_assert_eq!(list(&found.scheduled, true), without(&head_begins, &base_begins), "begins");
        prop_assert_eq!(list(&found.scheduled, false), without(&head_ends, &base_ends), "ends");
        let mut off = without(&base_begins, &head_begins);
        off.retain(|(instant, one)| !held(&head, *instant).contains(one));
        prop_assert_eq!(list(&found.called_off, true), off, "begins no more");
        let extended: BTreeSet<Name> = found.extended.iter().map(|one| told(&found, one.membership)).collect();
        let mut off = without(&base_ends, &head_ends);
        off.retain(|(instant, one)| held(&head, *instant).contains(one) && !extended.contains(one));
        prop_assert_eq!(list(&found.called_off, false), off, "ends no more");
        prop_assert!(found.scheduled.is_sorted_by_key(|moment| moment.instant));
    }

    /// The same access, written otherwise: no difference.
    #[test]
    fn a_pure_refactoring_gives_an_empty_difference(tape in proptest::collection::vec(any::<u32>(), 0..700), today in 0i64..21) {
        let (policy, references) = random(&tape, Shape { references: false, ..Shape::default() });
        let other = refactored(&policy);
        let at = day(today);
        let found = difference(Side::new(&policy, &references, at), Side::new(&other, &references, at));
        prop_assert!(found.is_empty(), "{:?} {:?} {:?} {:?} {:?} {:?}", found.gained, found.lost, found.extended, found.shortened, found.scheduled, found.called_off);
        prop_assert!(found.idle.is_empty());
        prop_assert!(found.people.is_empty() && found.groups.is_empty());
    }
}

/// Every role's members move into a new role that includes the old one, where nothing is
/// taken away on the way; entries stand in another order; a named list becomes single lines.
fn refactored(policy: &Policy) -> Policy {
    let mut other = policy.clone();
    let count = other.roles.len();
    for n in 0..count {
        let role = &other.roles[n];
        // A role in between keeps only what passes the gate of kinds by itself.
        let plain = role.members.iter().all(|id| matches!(other.entries[id.0 as usize].select, Select::People(_)));
        if plain && role.account.is_none() {
            let split = Role {
                key: format!("s-{}", role.key).into(),
                includes: vec![(RoleId(u32::try_from(n).unwrap()), role.place)],
                grants: Vec::new(),
                only: Vec::new(),
                except: Vec::new(),
                ..role.clone()
            };
            other.roles[n].members.clear();
            other.roles.push(split);
        }
    }
    for list in other
        .roles
        .iter_mut()
        .map(|r| &mut r.members)
        .chain(other.groups.iter_mut().map(|g: &mut Group| &mut g.members))
    {
        list.reverse();
    }
    let singles: Vec<_> = other
        .entries
        .iter()
        .map(|entry| match &entry.select {
            Select::People(people) => people
                .iter()
                .map(|person| {
                    let mut one = entry.clone();
                    one.select = Select::People(Few::one(*person));
                    one
                })
                .collect(),
            _ => Vec::new(),
        })
        .collect();
    for list in other.groups.iter_mut().map(|group| &mut group.members) {
        let mut long = Vec::new();
        for id in list.iter() {
            if singles[id.0 as usize].is_empty() {
                long.push(*id);
            }
            for one in &singles[id.0 as usize] {
                long.push(accord::policy::EntryId(u32::try_from(other.entries.len()).unwrap()));
                other.entries.push(one.clone());
            }
        }
        *list = long;
    }
    other
}
