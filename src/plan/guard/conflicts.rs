//! Constraints: grants that would break one are withheld; what time broke is noted.
//!
//! Comes in: the breaches that `resolve` found. Goes out: withheld grants with both
//! paths, notes. Refuses: to find breaches itself, and to take anything away.

use crate::model::{Action, Instant};
use crate::plan::Note;
use crate::plan::draft::{Draft, Fate, Found, Reason};
use crate::policy::{GroupId, PersonId, Policy};
use crate::resolve::{self, Breach, BreachKind};
use std::collections::{BTreeMap, BTreeSet};

/// Withholds the new grants of people who break a constraint, or of whom nobody can
/// say; enabling an account is a grant of what it holds. Where there is none, the
/// breach is already in the directory: a note says so.
pub fn withhold(policy: &Policy, breaches: &[Breach], at: Instant, found: &mut Found) {
    let mut by_person: BTreeMap<PersonId, Vec<(usize, &Breach)>> = BTreeMap::new();
    for (n, breach) in breaches.iter().enumerate() {
        by_person.entry(breach.person).or_default().push((n, breach));
    }
    let mut met: BTreeSet<usize> = revoking(policy, &by_person, found);
    for draft in &mut found.drafts {
        let (Some(group), Action::Grant) = (draft.group, draft.change.action) else { continue };
        let people = draft.person.iter().chain(&draft.people);
        let concerned: Vec<_> = people.filter_map(|person| by_person.get(person)).flatten().collect();
        for (n, breach) in concerned {
            if breach.withholds(group) {
                met.insert(*n);
                if draft.is_kept() {
                    let reason = Reason::new(reason(policy, breach, group), setting(policy, breach));
                    draft.fate = Fate::withheld(reason);
                }
            }
        }
    }
    wake(policy, &by_person, at, &mut met, found);
    for (n, breach) in breaches.iter().enumerate() {
        // A breach that nobody is sure of keeps new grants back and is no breach yet.
        if met.contains(&n) || breach.kind == BreachKind::Unsettled {
            continue;
        }
        found.notes.push(Note {
            code: "breach".to_owned(),
            directory: None,
            object: policy.people.get(breach.person.0 as usize).map(|person| person.key.to_string()),
            text: format!("{}; {}", breach.message, setting(policy, breach)),
            member: None,
        });
    }
}

/// Withholds what makes an account usable that holds a breach.
fn wake(
    policy: &Policy,
    breaches: &BTreeMap<PersonId, Vec<(usize, &Breach)>>,
    at: Instant,
    met: &mut BTreeSet<usize>,
    found: &mut Found,
) {
    let waking = |draft: &Draft| breaches.contains_key(&draft.person?).then(|| draft.wakes_at(at));
    if !found.drafts.iter().any(|draft| waking(draft) == Some(true)) {
        return;
    }
    // To how many of a person's accounts a group is about to be granted.
    let mut granted: BTreeMap<(PersonId, GroupId), usize> = BTreeMap::new();
    for draft in found.drafts.iter().filter(|draft| draft.action() == Action::Grant) {
        if let Some(held) = draft.person.zip(draft.group) {
            *granted.entry(held).or_default() += 1;
        }
    }
    for draft in found.drafts.iter_mut().filter(|draft| waking(draft) == Some(true)) {
        let Some(person) = draft.person else { continue };
        for (n, breach) in breaches.get(&person).into_iter().flatten() {
            let granted = |group: GroupId| granted.get(&(person, group)).copied().unwrap_or(0);
            if !gives_back(policy, breach, draft.directory, granted) {
                continue;
            }
            met.insert(*n);
            if draft.is_kept() {
                let reason = format!("enabling gives back what the account holds, and that {}", breach.message);
                draft.fate = Fate::withheld(Reason::new(reason, setting(policy, breach)));
            }
        }
    }
}

/// Whether an account that is enabled in the directory would hold a breach, or a part
/// of one that is held already. A side that is only about to be granted is withheld
/// itself, and gives nothing; `granted` says to how many accounts a group is.
fn gives_back(policy: &Policy, breach: &Breach, directory: u16, granted: impl Fn(GroupId) -> usize) -> bool {
    let is_new =
        |side: &resolve::Side, group: GroupId| (1..).contains(&granted(group)) && granted(group) >= side.accounts;
    let least = match breach.kind {
        BreachKind::Exclusive | BreachKind::Unsettled => 2,
        BreachKind::Forbidden => 1,
        // Whoever has no sponsor gets nothing new at all.
        BreachKind::SponsorGone(_) => return true,
        BreachKind::Revoked(_) => return false,
    };
    let held = |side: &&resolve::Side| side.groups.iter().any(|group| !is_new(side, *group));
    let here =
        |group: &GroupId| policy.groups.get(group.0 as usize).is_some_and(|group| group.directory.0 == directory);
    let sides: Vec<_> = breach.sides.iter().filter(held).collect();
    sides.len() >= least
        && sides.iter().any(|side| side.groups.iter().any(|group| here(group) && !is_new(side, *group)))
}

/// Breaches of which a revoke in this plan says it: it needs no note.
fn revoking(policy: &Policy, breaches: &BTreeMap<PersonId, Vec<(usize, &Breach)>>, found: &Found) -> BTreeSet<usize> {
    let revokes = found.drafts.iter().filter(|draft| draft.change.action == Action::Revoke);
    let mut met = BTreeSet::new();
    for (person, group) in revokes.filter_map(|draft| draft.person.zip(draft.group)) {
        for (n, breach) in breaches.get(&person).into_iter().flatten() {
            if let BreachKind::Revoked(holding) = breach.kind
                && resolve::carried(policy, holding).contains(&group)
            {
                met.insert(*n);
            }
        }
    }
    met
}

/// `breaks payments-separation: dana.wolf also holds corp/payment-clerks by role
/// payment-clerk (…)`: the other side; the way of the change itself is its because.
fn reason(policy: &Policy, breach: &Breach, group: GroupId) -> String {
    let others: Vec<&str> =
        breach.sides.iter().filter(|side| !side.groups.contains(&group)).map(|side| side.text.as_str()).collect();
    let constraint = policy.constraints.get(breach.constraint).map_or("?", |constraint| &constraint.key);
    let person = policy.people.get(breach.person.0 as usize).map_or("?", |person| person.key.as_ref());
    match breach.kind {
        BreachKind::Exclusive if !others.is_empty() => {
            format!("breaks {constraint}: {person} also holds {}", others.join(" and "))
        }
        BreachKind::Unsettled if !others.is_empty() => {
            format!("may break {constraint}: nobody can say whether {person} also holds {}", others.join(" or "))
        }
        _ => breach.message.clone(),
    }
}

fn setting(policy: &Policy, breach: &Breach) -> String {
    let (file, line) = policy.locate(breach.place);
    format!("{} ({file}:{line})", breach.help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Object;
    use crate::plan::draft::Why;
    use crate::policy::load;
    use crate::resolve::References;
    use crate::source::InMemory;

    const ACCORD: &str = "\
organization: example
timezone: UTC
directories:
  corp: { kind: ldif, file: d.ldif, accounts: { base: 'ou=p,dc=x' }, groups: { base: 'ou=g,dc=x' } }
people: { li: { name: Li } }
roles: { clerk: { grants: [corp/clerks], members: [li] } }
groups:
  corp/clerks: {}
  corp/auditors: { manage: reference }
constraints:
  separation: { exclusive: [role: clerk, group: corp/auditors] }
";

    /// An exception that has ended: li breaks the constraint, and the account is to be
    /// enabled. `granted` says whether the other side is only about to be given.
    fn enabling(granted: bool) -> Fate {
        let groups = "  corp/auditors: { members: [li] }";
        let text = ACCORD.replace("  corp/auditors: { manage: reference }", groups).replace(
            "group: corp/auditors] }",
            "group: corp/auditors], exceptions: [{ person: li, expires: 1970-01-02, ticket: R-1, reason: cover }] }",
        );
        let policy = load(&InMemory::new([("policies/accord.yaml", text.as_str())])).unwrap();
        let at = Instant::from_seconds(10 * 86_400);
        let breaches = resolve::constraints(&policy, &resolve::resolve(&policy, &References::default(), at));
        let mut enable = Draft::new((0, "corp"), Action::EnableAccount, Object::account("li"), Why::Declared);
        enable.person = policy.person_named("li");
        let mut found = Found { drafts: vec![enable], ..Found::default() };
        if granted {
            let mut grant = Draft::new((0, "corp"), Action::Grant, Object::membership("auditors", "li"), Why::Holds);
            (grant.person, grant.group) = (policy.person_named("li"), policy.group_named("corp/auditors"));
            found.push(grant);
        }
        withhold(&policy, &breaches, at, &mut found);
        assert!(found.notes.is_empty(), "what is withheld says it: {:?}", found.notes);
        found.drafts.swap_remove(0).fate
    }

    #[test]
    fn an_account_that_holds_a_breach_is_not_enabled() {
        let Fate::Withheld(reason) = enabling(false) else { panic!("enabling gives both sides back") };
        assert!(
            reason.reason.starts_with("enabling gives back what the account holds, and that breaks separation: li")
        );
        assert_eq!(enabling(true), Fate::Kept, "one side alone breaks nothing, and the other is withheld");
    }

    /// Promise 4: no grant whose constraints hang on something that was not read.
    #[test]
    fn promise_04_an_unread_side_withholds_the_other() {
        let policy = load(&InMemory::new([("policies/accord.yaml", ACCORD)])).unwrap();
        let at = crate::model::Instant::from_seconds(0);
        let breaches = resolve::constraints(&policy, &resolve::resolve(&policy, &References::default(), at));
        let mut draft = Draft::new((0, "corp"), Action::Grant, Object::account("li"), Why::Holds);
        (draft.person, draft.group) = (policy.person_named("li"), policy.group_named("corp/clerks"));
        let mut found = Found { drafts: vec![draft], ..Found::default() };
        withhold(&policy, &breaches, at, &mut found);
        let Fate::Withheld(reason) = &found.drafts[0].fate else { panic!("{:?}", found.drafts[0].fate) };
        let told = "may break separation: nobody can say whether li also holds corp/auditors, which was not read";
        assert_eq!(reason.reason, told);
        assert!(found.notes.is_empty(), "it is no breach yet");
        // Read, and empty: nothing is in the way.
        let auditors = policy.group_named("corp/auditors").unwrap();
        let references = References { groups: BTreeMap::from([(auditors, resolve::Reference::Read(Vec::new()))]) };
        assert_eq!(resolve::constraints(&policy, &resolve::resolve(&policy, &references, at)), []);
    }
}
