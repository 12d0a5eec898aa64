//! When a date took somebody out of a group.
//!
//! Comes in: a policy, references, an instant, people with groups that they are not in.
//! Goes out: for each the instant at which, with the files as they are, the membership
//! ended last. Refuses: what never was, what an edit of the files or a constraint took
//! away (no date did that), and memberships that are still there.

use super::References;
use super::moments::{Moments, Way};
use super::sets::Ground;
use super::times::Facts;
use crate::model::Instant;
use crate::policy::{GroupId, Holding, PersonId, Policy};
use std::collections::BTreeMap;

/// Since when each membership is over; `None` where no date ended it. In the order of
/// `wanted`.
pub fn ended(
    policy: &Policy,
    references: &References,
    at: Instant,
    wanted: &[(PersonId, GroupId)],
) -> Vec<Option<Instant>> {
    let facts = Facts::new(policy, at);
    let ground = Ground::new(&facts, references);
    let mut ways: BTreeMap<GroupId, Way> = BTreeMap::new();
    for (_, group) in wanted {
        ways.entry(*group).or_insert_with(|| Way::new(&ground, &[Holding::Group(*group)]));
    }
    let since = |(person, group): &(PersonId, GroupId)| last_end(&ground, ways.get(group)?, *person, *group, at);
    wanted.iter().map(since).collect()
}

/// Between two dates nothing changes, so the last date before which it was held is the
/// one that ended it.
fn last_end(ground: &Ground<'_, '_>, way: &Way, person: PersonId, group: GroupId, at: Instant) -> Option<Instant> {
    let moments = Moments::new(ground, way, person)?;
    let holds = |at: Instant| moments.readings(at, false).holds(Holding::Group(group));
    if holds(at) {
        return None;
    }
    let dates = moments.dates();
    dates.range(..=at).rev().copied().find(|date| holds(date.plus(-1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load::load;
    use crate::source::InMemory;

    const FILES: &str = r#"organization: example
timezone: UTC
directories:
  corp: { kind: ldif, file: d.ldif, create: true, accounts: { base: 'ou=p,dc=x' }, groups: { base: 'ou=g,dc=x' } }
people:
  ada: { kind: employee, periods: [{ starts: 2026-01-01, expires: 2026-03-31 }, { starts: 2026-06-01 }] }
  bob: { kind: employee, positions: [{ department: ops, expires: 2026-05-31 }, { department: hr, starts: 2026-06-01 }] }
  eve: { kind: employee }
roles:
  ops: { grants: [corp/b], members: [{ where: person.department == "ops" }] }
groups:
  corp/a: { members: [ada, { person: bob, expires: 2026-02-28 }, { person: bob, starts: 2026-03-10, expires: 2026-03-20 }] }
  corp/b: { members: [{ person: eve, expires: 2027-01-31 }] }
"#;

    #[test]
    fn the_date_that_ended_it_is_told_and_nothing_else() {
        let policy = load(&InMemory::new([("policies/accord.yaml", FILES)])).unwrap();
        let at: Instant = "2026-07-01T00:00:00Z".to_owned().try_into().unwrap();
        let pair = |person: &str, group: &str| {
            (policy.person_named(person).unwrap(), policy.group_named(&format!("corp/{group}")).unwrap())
        };
        let wanted = [pair("ada", "a"), pair("bob", "a"), pair("bob", "b"), pair("eve", "b"), pair("eve", "a")];
        let told = ended(&policy, &References::default(), at, &wanted);
        let told: Vec<Option<String>> = told.into_iter().map(|since| since.map(|at| at.to_string())).collect();
        let day = |text: &str| Some(format!("2026-{text}T00:00:00Z"));
        assert_eq!(told, [day("04-01"), day("03-21"), day("06-01"), None, None]);
    }
}
