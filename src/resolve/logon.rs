//! Names that a Windows domain refuses, found before anything is sent there.
//!
//! Comes in: a policy. Goes out: errors where an account or a group of an Active
//! Directory would get such a name. Refuses: to trouble people who never get an
//! account there.

use super::{References, resolve};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Window, logon};
use crate::policy::rule::Verdict;
use crate::policy::settings::{AccountManage, ProviderKind};
use crate::policy::{
    AccountsFor, Breach, Directory, DirectoryId, Few, Group, Manage, Period, Person, PersonId, Policy,
};
use std::collections::BTreeSet;

/// Every account and group of an Active Directory whose name cannot be.
pub(super) fn refused(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (n, directory) in (0u16..).zip(&policy.directories) {
        if directory.settings.kind != ProviderKind::ActiveDirectory {
            continue;
        }
        let id = DirectoryId(n);
        let mine = |group: &&Group| group.directory == id && group.manage != Manage::Reference;
        for group in policy.groups.iter().filter(mine) {
            if let Some(why) = logon::bad_group(&group.directory_name) {
                let message = format!("`{}` cannot be the name of a group: {why}", group.directory_name);
                let mut diagnostic = Diagnostic::error("refused-name", message).help("give it another with `name:`");
                diagnostic.span = Some(policy.span(group.place));
                found.push(diagnostic);
            }
        }
        if directory.settings.accounts.manage == AccountManage::Full {
            accounts(policy, id, directory, &mut found);
        }
    }
    found
}

fn accounts(policy: &Policy, id: DirectoryId, directory: &Directory, found: &mut Vec<Diagnostic>) {
    let mut by_key = BTreeSet::new();
    for (n, person) in (0u32..).zip(&policy.people) {
        let mut own = false;
        for account in person.accounts.iter().filter(|account| account.directory == id) {
            own |= !account.label.is_second();
            if let Some(why) = logon::bad_account(&account.name) {
                let message = format!("`{}` cannot be the name of an account: {why}", account.name);
                let diagnostic = Diagnostic::error("refused-name", message);
                let mut diagnostic = match logon::suggested(&account.name) {
                    Some(name) => diagnostic.help(format!("write `{name}`, say")),
                    None => diagnostic,
                };
                diagnostic.span = Some(policy.span(account.place));
                found.push(diagnostic);
            }
        }
        if !own && logon::bad_account(&person.key).is_some() {
            by_key.insert(PersonId(n));
        }
    }
    if by_key.is_empty() {
        return;
    }
    for person in given(policy, id, directory, by_key) {
        let Some(person) = policy.people.get(person.0 as usize) else { continue };
        let Some(why) = logon::bad_account(&person.key) else { continue };
        let message = format!("`{}` cannot be the name of an account in `{}`: {why}", person.key, directory.name);
        let name = logon::suggested(&person.key).unwrap_or_else(|| "another.name".to_owned());
        let help = format!("name the account apart from the person: `accounts: {{ {}: {name} }}`", directory.name);
        let mut diagnostic = Diagnostic::error("refused-name", message).help(help);
        diagnostic.span = Some(policy.span(person.place));
        found.push(diagnostic);
    }
}

/// Those of `people` who are given an account there, at whatever date.
fn given(policy: &Policy, id: DirectoryId, directory: &Directory, people: BTreeSet<PersonId>) -> BTreeSet<PersonId> {
    let of_rule = |person: &Person| match directory.accounts_for {
        AccountsFor::Everyone => true,
        AccountsFor::Entitled => false,
        AccountsFor::Rule(rule) => policy.rules.get(rule.0 as usize).is_some_and(|rule| {
            person.positions.iter().any(|position| rule.verdict(policy, person, position) == Verdict::Yes)
        }),
    };
    let person = |id: &PersonId| policy.people.get(id.0 as usize);
    let (mut found, rest): (BTreeSet<PersonId>, BTreeSet<PersonId>) =
        people.into_iter().partition(|id| person(id).is_some_and(of_rule));
    if rest.is_empty() {
        return found;
    }
    // Whatever is dated counts: a name that cannot be had next year is no better.
    let mut timeless = timeless(policy);
    timeless.people.iter_mut().flat_map(|p| p.positions.iter_mut()).for_each(|p| p.window = Window::default());
    for details in timeless.entries.iter_mut().filter_map(|entry| entry.details.as_mut()) {
        details.window = Window::default();
    }
    let resolution = resolve(&timeless, &References::default(), Instant::from_seconds(0));
    for (n, group) in (0u32..).zip(&policy.groups) {
        if group.directory == id {
            // The name of a second account was looked at where it is written.
            let members = resolution.members(crate::policy::GroupId(n)).filter(|held| !held.label.is_second());
            found.extend(members.map(|held| held.person).filter(|person| rest.contains(person)));
        }
    }
    found
}

/// The policy with people who were always here, without terms and sponsors, and
/// without constraints for people who have any exception.
fn timeless(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    for person in &mut policy.people {
        let place = person.periods.first().map_or(person.place, |period| period.place);
        person.periods = Few::one(Period { window: Window::default(), place });
    }
    for constraint in &mut policy.constraints {
        constraint.on_breach = Breach::Report;
        constraint.maximum_term = None;
        constraint.sponsor_gone = None;
        for exception in &mut constraint.exceptions {
            exception.window = Window::default();
        }
    }
    policy
}
