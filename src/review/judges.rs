//! What would be loosened of that by which changes are judged.
//!
//! Comes in: two policies and who is who. Goes out: one line for each rule, owner, limit,
//! identity or connection that is not as strict after the change as before it. Refuses: to
//! weigh: what is not plainly stricter counts as looser.

use super::Difference;
use super::approvals::kind_name;
use super::offices::Offices;
use super::pairs::Which;
use crate::policy::settings::{Guardrails, Limit, Protect};
use crate::policy::{Breach, Constraint, Directory, Holding, Person, PersonId, Policy};
use crate::resolve;
use std::collections::{BTreeMap, BTreeSet};

/// Something that judges and would not be as strict as before.
pub(super) struct Shifted {
    /// In words.
    pub(super) what: String,
    /// Numbers of those who may hand it over, beside the owners of the policies.
    pub(super) before: Vec<u32>,
}

/// Everything that the change loosens, in a fixed order.
pub(super) fn loosened(difference: &Difference<'_>, offices: &Offices<'_>) -> Vec<Shifted> {
    let mut found = Vec::new();
    let mut say = |what: String| found.push(Shifted { what, before: Vec::new() });
    oversight(difference, offices, &mut say);
    guardrails(&difference.base.policy.guardrails, &difference.head.policy.guardrails, &mut say);
    directories(difference, &mut say);
    kinds(difference, &mut say);
    constraints(difference, &mut say);
    tests(difference, &mut say);
    roles(difference, offices, &mut found);
    groups(difference, offices, &mut found);
    people(difference, offices, &mut found);
    found
}

fn oversight(difference: &Difference<'_>, offices: &Offices<'_>, say: &mut impl FnMut(String)) {
    let (base, head) = (&difference.base.policy.oversight, &difference.head.policy.oversight);
    if base.forge != head.forge {
        say("`forge` changes: where reviews are read".to_owned());
    }
    if base.journal != head.journal {
        say("`journal` changes: where runs are recorded".to_owned());
    }
    let owners = |which, list: &[PersonId]| -> BTreeSet<u32> {
        list.iter().map(|person| offices.number(which, *person)).collect()
    };
    if owners(Which::Base, &base.owners) != owners(Which::Head, &head.owners) {
        say("`policy_owners` changes".to_owned());
    }
    let after: BTreeSet<String> = head.approvals.iter().map(|rule| offices.words(Which::Head, rule)).collect();
    for rule in &base.approvals {
        if !after.contains(&offices.words(Which::Base, rule)) {
            let is_there = head.approvals.iter().any(|other| other.key == rule.key);
            say(format!("the approval `{}` {}", rule.key, if is_there { "changes" } else { "goes" }));
        }
    }
}

fn guardrails(base: &Guardrails, head: &Guardrails, say: &mut impl FnMut(String)) {
    let limits = |g: &Guardrails| -> [(&'static str, Limit); 4] {
        [("revocations", g.revocations), ("disables", g.disables), ("grants", g.grants), ("deletions", g.deletions)]
    };
    for ((name, before), (_, after)) in limits(base).into_iter().zip(limits(head)) {
        if after.floor > before.floor || after.percent > before.percent || after.per != before.per {
            say(format!(
                "the guardrail `{name}` is raised: floor {} to {}, percent {} to {}",
                before.floor, after.floor, before.percent, after.percent
            ));
        }
    }
    for (group, before) in &base.minimum_members {
        let after = head.minimum_members.get(group).copied().unwrap_or(0);
        if after < *before {
            say(format!("the least number of members of `{group}` falls from {before} to {after}"));
        }
    }
}

fn directories(difference: &Difference<'_>, say: &mut impl FnMut(String)) {
    let (base, head) = (&difference.base.policy.directories, &difference.head.policy.directories);
    let find =
        |list: &'_ [Directory], name: &str| list.iter().find(|one| *one.name == *name).map(|one| one.settings.clone());
    for directory in base {
        match find(head, &directory.name) {
            None => say(format!("the directory `{}` goes", directory.name)),
            Some(mut after) => {
                let mut before = directory.settings.clone();
                // More protection alone is stricter.
                let keeps = |a: &[String], b: &[String]| a.iter().all(|one| b.contains(one));
                if keeps(&before.protect.accounts, &after.protect.accounts)
                    && keeps(&before.protect.groups, &after.protect.groups)
                {
                    before.protect = Protect::default();
                    after.protect = Protect::default();
                }
                if before != after {
                    say(format!("settings of the directory `{}` change", directory.name));
                }
            }
        }
    }
    for directory in head.iter().filter(|one| find(base, &one.name).is_none()) {
        say(format!("the directory `{}` is new", directory.name));
    }
}

fn kinds(difference: &Difference<'_>, say: &mut impl FnMut(String)) {
    for before in &difference.base.policy.kinds {
        let after = difference.head.policy.kinds.iter().find(|kind| kind.name == before.name);
        let is_as_strict = after.is_some_and(|after| {
            (after.gated || !before.gated) && before.require.iter().all(|field| after.require.contains(field))
        });
        if !is_as_strict && (before.gated || !before.require.is_empty()) {
            say(format!("the kind `{}` asks for less", before.name));
        }
    }
}

fn constraints(difference: &Difference<'_>, say: &mut impl FnMut(String)) {
    let (base, head) = (difference.base.policy, difference.head.policy);
    for before in &base.constraints {
        match head.constraints.iter().find(|after| after.key == before.key) {
            None => say(format!("the constraint `{}` goes", before.key)),
            Some(after) if constraint(base, before) != constraint(head, after) => {
                say(format!("the constraint `{}` changes", before.key));
            }
            Some(_) => {}
        }
    }
}

/// A test refuses nothing, but whoever reviews trusts that it is still asked.
fn tests(difference: &Difference<'_>, say: &mut impl FnMut(String)) {
    let (base, head) = (difference.base.policy, difference.head.policy);
    for before in &base.tests {
        match head.tests.iter().find(|after| after.key == before.key) {
            None => say(format!("the test `{}` goes", before.key)),
            Some(after) if before.words(base) != after.words(head) => say(format!("the test `{}` changes", before.key)),
            Some(_) => {}
        }
    }
}

/// A constraint in words that mean the same on both sides.
fn constraint(policy: &Policy, constraint: &Constraint) -> String {
    let holdings = |list: &[Holding]| -> Vec<String> { list.iter().map(|one| resolve::name(policy, *one)).collect() };
    let key = |person: Option<PersonId>| person.and_then(|person| policy.people.get(person.0 as usize)).map(|p| &p.key);
    let whom = constraint.applies_to.and_then(|rule| policy.rules.get(rule.0 as usize)).map(|rule| &rule.text);
    let breach = match &constraint.on_breach {
        Breach::Report => None,
        Breach::Revoke(list) => Some(holdings(list)),
    };
    let exceptions: Vec<_> = constraint.exceptions.iter().map(|one| (key(Some(one.person)), one.window)).collect();
    format!(
        "{whom:?} {:?} {:?} {:?} {:?} {:?} {exceptions:?} {breach:?} {:?}",
        holdings(&constraint.exclusive),
        holdings(&constraint.forbid),
        constraint.maximum_term,
        constraint.require,
        holdings(&constraint.into),
        constraint.sponsor_gone
    )
}

/// The handing over of an office: whoever held it may agree to that too.
fn handed_over(offices: &Offices<'_>, what: String, before: Option<u32>, found: &mut Vec<Shifted>) {
    let before = before.into_iter().filter(|person| offices.is_present(*person)).collect();
    found.push(Shifted { what, before });
}

fn roles(difference: &Difference<'_>, offices: &Offices<'_>, found: &mut Vec<Shifted>) {
    for pair in difference.pairs.roles.pairs() {
        let role = |policy: &'_ Policy, id: Option<crate::policy::RoleId>| {
            id.and_then(|id| policy.roles.get(id.0 as usize)).map(|role| (role.key.clone(), role.owner))
        };
        let (before, after) = (role(difference.base.policy, pair.base), role(difference.head.policy, pair.head));
        let (Some((_, before)), Some((key, after))) = (before, after) else { continue };
        let before = before.map(|person| offices.number(Which::Base, person));
        if before != after.map(|person| offices.number(Which::Head, person)) {
            handed_over(offices, format!("the role `{key}` gets another owner"), before, found);
        }
    }
}

fn groups(difference: &Difference<'_>, offices: &Offices<'_>, found: &mut Vec<Shifted>) {
    let (base, head) = (difference.base.policy, difference.head.policy);
    for pair in difference.pairs.groups.pairs() {
        let (Some(old), Some(new)) = (pair.base, pair.head) else { continue };
        let name = resolve::name(head, Holding::Group(new));
        let (Some(before), Some(after)) = (base.groups.get(old.0 as usize), head.groups.get(new.0 as usize)) else {
            continue;
        };
        let owner = before.owner.map(|person| offices.number(Which::Base, person));
        if owner != after.owner.map(|person| offices.number(Which::Head, person)) {
            handed_over(offices, format!("the group `{name}` gets another owner"), owner, found);
        }
        if before.privileged && !after.privileged {
            handed_over(offices, format!("the group `{name}` is not `privileged` any more"), None, found);
        }
        let reach = |group: &crate::policy::Group| (group.manage, group.directory_name.clone(), group.revoke_others);
        if reach(before) != reach(after) {
            handed_over(offices, format!("what the group `{name}` is in the directory changes"), None, found);
        }
    }
}

fn people(difference: &Difference<'_>, offices: &Offices<'_>, found: &mut Vec<Shifted>) {
    for pair in difference.pairs.people.pairs() {
        let before = pair.base.and_then(|id| difference.base.policy.people.get(id.0 as usize));
        let Some(after) = pair.head.and_then(|id| difference.head.policy.people.get(id.0 as usize)) else { continue };
        match before {
            Some(before) => person(difference, offices, (before, after), found),
            None if after.adopt => {
                handed_over(offices, format!("`{}` is new and takes over an account", after.key), None, found);
            }
            None => {}
        }
    }
}

fn person(
    difference: &Difference<'_>,
    offices: &Offices<'_>,
    (before, after): (&Person, &Person),
    found: &mut Vec<Shifted>,
) {
    let (base, head, key) = (difference.base.policy, difference.head.policy, &after.key);
    if sorted(&before.forge) != sorted(&after.forge) {
        handed_over(offices, format!("`{key}` gets other accounts on the forge"), None, found);
    }
    if mapping(base, before) != mapping(head, after) {
        handed_over(offices, format!("`{key}` is matched to accounts otherwise"), None, found);
    }
    if kind_name(base, before.kind) != kind_name(head, after.kind) {
        handed_over(offices, format!("`{key}` becomes of another kind"), None, found);
    }
    let number = |which, person: Option<PersonId>| person.map(|person| offices.number(which, person));
    let managers = |which, person: &Person| {
        let mut list: Vec<_> = person.positions.iter().map(|position| number(which, position.manager)).collect();
        list.dedup();
        list
    };
    let one = |which, person: Option<PersonId>| vec![number(which, person)];
    for (what, old, new) in [
        ("sponsor", one(Which::Base, before.sponsor), one(Which::Head, after.sponsor)),
        ("owner", one(Which::Base, before.owner), one(Which::Head, after.owner)),
        ("manager", managers(Which::Base, before), managers(Which::Head, after)),
    ] {
        if old != new {
            handed_over(offices, format!("`{key}` gets another {what}"), old.last().copied().flatten(), found);
        }
    }
}

fn sorted(list: &[Box<str>]) -> BTreeSet<String> {
    list.iter().map(|one| one.to_ascii_lowercase()).collect()
}

/// By what accounts are known to be a person's. Those of directories that come or go are
/// of no concern here.
fn mapping(policy: &Policy, person: &Person) -> (Option<Box<str>>, bool, BTreeMap<String, Box<str>>) {
    let account = |account: &crate::policy::AccountName| {
        let directory = policy.directories.get(usize::from(account.directory.0)).map_or("?", |one| &one.name);
        let label = policy.label(account.label).unwrap_or_default();
        (format!("{directory}#{label}"), account.name.clone())
    };
    (person.id.clone(), person.adopt, person.accounts.iter().map(account).collect())
}
