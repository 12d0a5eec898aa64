//! When a date took somebody out of a group.
//!
//! Comes in: a policy, references, an instant, accounts of people with groups that they
//! are not in. Goes out: for each the instant at which, with the files as they are, the membership
//! ended last. Refuses: what never was, what an edit of the files or a constraint took
//! away (no date did that), and memberships that are still there.

use super::moments::{Moments, Way};
use super::sets::{Ground, uncut};
use super::times::Facts;
use super::{References, Resolution};
use crate::model::Instant;
use crate::policy::{GroupId, Holding, Label, PersonId, Policy};
use std::collections::BTreeMap;

/// Since when each membership is over; `None` where no date ended it. In the order of
/// `wanted`.
pub fn ended(
    policy: &Policy,
    references: &References,
    at: Instant,
    wanted: &[(PersonId, Label, GroupId)],
) -> Vec<Option<Instant>> {
    let facts = Facts::new(policy, at);
    let ground = Ground::new(&facts, references);
    let mut ways: BTreeMap<GroupId, Way> = BTreeMap::new();
    for (_, _, group) in wanted {
        ways.entry(*group).or_insert_with(|| Way::new(&ground, &[Holding::Group(*group)]));
    }
    let has_several = |person: PersonId| {
        let accounts = policy.people.get(person.0 as usize).map_or(&[][..], |person| person.accounts.as_slice());
        accounts.iter().any(|account| account.label.is_second())
    };
    let mut since = Vec::with_capacity(wanted.len());
    let mut several = Several::default();
    for (n, (person, label, group)) in wanted.iter().enumerate() {
        let Some(way) = ways.get(group) else { continue };
        if label.is_second() || has_several(*person) {
            several.add(n, &ground, way, (*person, *label, *group), at);
            since.push(None);
        } else {
            since.push(last_end(&ground, way, *person, *group, at));
        }
    }
    several.find(policy, references, at, &mut since);
    since
}

/// Memberships of people with several accounts: with which of them something is held
/// only the sets know. Few people have several.
#[derive(Default)]
struct Several {
    wanted: Vec<(usize, PersonId, Label, GroupId)>,
    /// Date → positions in `wanted` of what it may have ended.
    dates: BTreeMap<Instant, Vec<usize>>,
}

impl Several {
    fn add(
        &mut self,
        n: usize,
        ground: &Ground<'_, '_>,
        way: &Way,
        (person, label, group): (PersonId, Label, GroupId),
        at: Instant,
    ) {
        let Some(moments) = Moments::new(ground, way, person) else { return };
        for date in moments.dates().range(..=at) {
            self.dates.entry(*date).or_default().push(self.wanted.len());
        }
        self.wanted.push((n, person, label, group));
    }

    /// The sets are made once for each date, from the last one back, as long as
    /// something is not found yet.
    fn find(&self, policy: &Policy, references: &References, at: Instant, since: &mut [Option<Instant>]) {
        if self.wanted.is_empty() {
            return;
        }
        let sets = |at: Instant| -> Resolution { uncut(Facts::new(policy, at), references) };
        let holds = |sets: &Resolution, (_, person, label, group): (usize, PersonId, Label, GroupId)| {
            sets.held_with(person, label, Holding::Group(group)).is_some()
        };
        let now = sets(at);
        let mut open: Vec<bool> = self.wanted.iter().map(|one| !holds(&now, *one)).collect();
        for (date, list) in self.dates.iter().rev() {
            let asked: Vec<usize> = list.iter().copied().filter(|n| open.get(*n) == Some(&true)).collect();
            if asked.is_empty() {
                continue;
            }
            let before = sets(date.plus(-1));
            for n in asked {
                let (Some(one), Some(open)) = (self.wanted.get(n), open.get_mut(n)) else { continue };
                if holds(&before, *one) {
                    *open = false;
                    if let Some(cell) = since.get_mut(one.0) {
                        *cell = Some(*date);
                    }
                }
            }
        }
    }
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
  kim: { kind: employee, accounts: { "corp#admin": adm-kim } }
roles:
  dba: { account: admin, members: [{ person: kim, expires: 2026-05-31 }] }
  ops: { grants: [corp/b], members: [{ where: person.department == "ops" }] }
groups:
  corp/a: { members: [ada, { person: bob, expires: 2026-02-28 }, { person: bob, starts: 2026-03-10, expires: 2026-03-20 }] }
  corp/c: { members: [kim, { role: dba }] }
  corp/d: { account: admin, members: [{ person: kim, expires: 2026-04-30 }] }
  corp/b: { members: [{ person: eve, expires: 2027-01-31 }] }
"#;

    #[test]
    fn the_date_that_ended_it_is_told_and_nothing_else() {
        let policy = load(&InMemory::new([("policies/accord.yaml", FILES)])).unwrap();
        let at: Instant = "2026-07-01T00:00:00Z".to_owned().try_into().unwrap();
        let with = |person: &str, label: u8, group: &str| {
            let group = policy.group_named(&format!("corp/{group}")).unwrap();
            (policy.person_named(person).unwrap(), Label(label), group)
        };
        let pair = |person: &str, group: &str| with(person, 0, group);
        let wanted = [pair("ada", "a"), pair("bob", "a"), pair("bob", "b"), pair("eve", "b"), pair("eve", "a")];
        let told = ended(&policy, &References::default(), at, &wanted);
        let shown = |told: Vec<Option<Instant>>| -> Vec<Option<String>> {
            told.into_iter().map(|since| since.map(|at| at.to_string())).collect()
        };
        let day = |text: &str| Some(format!("2026-{text}T00:00:00Z"));
        assert_eq!(shown(told), [day("04-01"), day("03-21"), day("06-01"), None, None]);
        // By account: the everyday one stays in what the other one is out of.
        let wanted = [with("kim", 0, "c"), with("kim", 1, "c"), with("kim", 0, "d"), with("kim", 1, "d")];
        let told = ended(&policy, &References::default(), at, &wanted);
        assert_eq!(shown(told), [None, day("06-01"), None, day("05-01")]);
    }
}
