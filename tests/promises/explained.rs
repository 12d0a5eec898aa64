//! Promise 9 for plans and questions together: both name the same way and the same end,
//! and where somebody loses something, the same reason.

use super::derived::Case;
use super::resolve::cases;
use crate::support::policies::{Shape, policies};
use accord::model::{Action, Change};
use accord::plan::Plan;
use accord::policy::{GroupId, Holding, Label, PersonId, Policy, Select, Standing};
use accord::resolve::{because_with, resolve, why_not};
use proptest::prelude::*;

/// Text and line of each fact, from the person.
fn told(plan: &Plan, change: &Change) -> Vec<(String, u32)> {
    let facts = change.because.iter().map(|fact| &plan.facts[*fact as usize]);
    facts.map(|fact| (fact.text.clone(), fact.line.unwrap())).collect()
}

fn about(policy: &Policy, change: &Change) -> Option<(PersonId, GroupId)> {
    let group = format!("{}/{}", change.directory, change.object.group.as_ref()?);
    Some((policy.person_named(change.person.as_ref()?)?, policy.group_named(&group)?))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn promise_09_a_plan_and_why_name_the_same_way_and_the_same_end(
        (policy, _) in policies(Shape::default()),
        today in 0i64..21,
        numbers in proptest::collection::vec(any::<u32>(), 0..120),
    ) {
        let case = Case::new(policy, today, &numbers);
        let (plan, policy) = (case.plan(), &case.policy);
        let resolution = resolve(policy, &case.references(), case.at);
        let withheld = plan.withheld.iter().map(|held| &held.change);
        for change in plan.changes.iter().chain(withheld) {
            let Some((person, group)) = about(policy, change) else { continue };
            let (facts, holding) = (told(&plan, change), Holding::Group(group));
            let label = change.label.as_deref().map_or(Label::EVERYDAY, |word| {
                Label(u8::try_from(policy.labels.iter().position(|label| **label == *word).unwrap() + 1).unwrap())
            });
            let ways = because_with(policy, &resolution, (person, label), holding);
            match (change.action, ways.first()) {
                (Action::Grant, Some(way)) => {
                    prop_assert_eq!(way.ends, change.ends, "{:?}", &change.object);
                    let lines: Vec<u32> = way.steps.iter().map(|step| step.place.line).collect();
                    let plans: Vec<u32> = facts.iter().map(|(_, line)| *line).collect();
                    prop_assert!(lines.ends_with(&plans), "{:?}: {:?} and {:?}", &change.object, &facts, &way.steps);
                    // Only what all parts of an entry say together is told part by part.
                    let whole = policy.entries.iter().any(|e| matches!(e.select, Select::All(_)) && e.place.line == plans[0]);
                    prop_assert!(whole || lines == plans, "{:?}: {:?} and {:?}", &change.object, &facts, &way.steps);
                    for (fact, step) in facts.iter().rev().zip(way.steps.iter().rev()) {
                        let role = fact.0.strip_prefix("role ").filter(|_| !fact.0.contains(':'));
                        let role = role.map(|role| role.split(',').next().unwrap());
                        prop_assert!(role.is_none_or(|role| step.text.contains(&format!("by role {role}"))), "{:?} {:?}", fact, step);
                    }
                }
                (Action::Grant, None) => prop_assert!(false, "granted, and why says no: {:?}", &change.object),
                // The account need not be listed: a group in the group has it.
                (Action::Revoke, Some(_)) if facts[0].0.ends_with("has this person, and is a member itself") => {}
                // Only a `not` alone, which files may not say, gives to somebody who is not here.
                (Action::Revoke, Some(_)) if matches!(policy.people[person.0 as usize].standing(case.at), Standing::Left(_)) => {}
                (Action::Revoke, Some(_)) => prop_assert!(false, "revoked, and why says yes: {:?} {:?}", &change.object, &facts),
                (Action::Revoke, None) => {
                    let [(text, line)] = &facts[..] else { panic!("{facts:?}") };
                    let Some(reason) = why_not(policy, &resolution, person, holding).into_iter().next() else {
                        // Files may not say a `not` alone, which lets in who left.
                        let left = matches!(policy.people[person.0 as usize].standing(case.at), Standing::Left(_));
                        prop_assert!(left || text.starts_with("held with the "), "{}", text);
                        continue;
                    };
                    let is_left = reason.text.contains(" left, ended ");
                    let is_nothing = reason.text.starts_with("nothing gives");
                    prop_assert!(is_left || is_nothing || *line == reason.place.line, "{} and {:?}", text, reason);
                    prop_assert_eq!(text.starts_with("constraint "), reason.text.starts_with("constraint "), "{} and {:?}", text, reason);
                }
                _ => {}
            }
        }
    }
}
