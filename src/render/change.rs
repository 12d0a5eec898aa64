//! One change in words: what is done, until when, because of what.
//!
//! Comes in: a change and its plan. Goes out: short texts without colour, not yet
//! escaped, that text and Markdown lay out. Refuses: layout.

use super::outline::{facts, member_name};
use super::plan_text::View;
use crate::model::{Action, Change, Instant, Side};
use crate::plan::{Fact, Plan};
use crate::provider::{ACCOUNTS, MEMBERSHIPS};
use jiff::tz::TimeZone;
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeSet;

/// Before an instant at which nobody needs to do anything.
const BY_ITSELF: &str = "the directory itself ends this at";

/// Values longer than this are shown as what changed inside them.
const LONG_VALUE: usize = 60;

/// What is done to the object, without its name: `disable the account`,
/// `until 2027-01-01 00:00, role sre, ACC-1042`.
pub(super) fn words(plan: &Plan, change: &Change, view: &View, said: Option<&Fact>) -> String {
    let done = match change.action {
        Action::CreateAccount => format!("create the account {}", account(change)),
        Action::RenameAccount => relocated(change),
        // Of somebody with several it matters which.
        Action::EnableAccount | Action::DisableAccount => {
            let verb = if change.action == Action::EnableAccount { "enable" } else { "disable" };
            let which = change.label.as_ref().map(|_| format!(" {}", account(change))).unwrap_or_default();
            format!("{verb} the account{which}")
        }
        Action::DeleteAccount => format!("delete the account {}", account(change)),
        Action::CreateGroup => "create the group".to_owned(),
        Action::RenameGroup => format!("rename the group {}", renamed(change)),
        Action::DeleteGroup => "delete the group".to_owned(),
        Action::UpdateAccount if change.label.is_some() && !view.by_group => {
            format!("of the account {}", account(change))
        }
        Action::UpdateAccount | Action::UpdateGroup | Action::UpdateMembership => String::new(),
        Action::Grant | Action::Revoke => membership(change, view.by_group),
    };
    let until = match (change.action.gives(), change.ends, native_end(plan, change)) {
        (true, _, Some(ends)) => format!("{} {}", BY_ITSELF, ends.civil(&view.zone)),
        (true, Some(ends), None) => format!("until {}", ends.civil(&view.zone)),
        _ => String::new(),
    };
    let because = if says_itself(change.action, view.by_group) { String::new() } else { because(plan, change, said) };
    [done, until, because].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The end that a change writes, where the directory itself acts on it: an account that
/// nobody can use any more, a membership that goes.
pub(super) fn native_end(plan: &Plan, change: &Change) -> Option<Instant> {
    let text = change.after.as_ref()?.get("ends")?.first()?;
    let ends = Instant::try_from(text.clone()).ok()?;
    ends_itself(plan, change).then_some(ends)
}

/// Whether the directory of a change ends by itself what the change is about.
fn ends_itself(plan: &Plan, change: &Change) -> bool {
    let sort = if change.object.group.is_some() { MEMBERSHIPS } else { ACCOUNTS };
    let mark = plan.directories.iter().find(|mark| mark.name == change.directory);
    mark.is_some_and(|mark| mark.ends_itself.iter().any(|word| word == sort))
}

/// Creating, enabling, disabling and deleting an account is explained by who the
/// person is, which the line above says; what else is written by where it is.
fn says_itself(action: Action, by_group: bool) -> bool {
    match action {
        Action::CreateGroup | Action::UpdateAccount | Action::UpdateGroup => true,
        Action::CreateAccount | Action::EnableAccount | Action::DisableAccount | Action::DeleteAccount => !by_group,
        _ => false,
    }
}

/// The chain from the entitlement to the person's entry, without what the heading
/// has said.
fn because(plan: &Plan, change: &Change, said: Option<&Fact>) -> String {
    let heading = change.person.as_ref().map(|person| format!("person: {person}")).unwrap_or_default();
    let short = |text: &str| text.strip_prefix(&heading).unwrap_or(text).trim_start_matches([',', ' ']).to_owned();
    let told: Vec<&Fact> = facts(plan, change).into_iter().rev().filter(|fact| Some(*fact) != said).collect();
    let texts: Vec<_> = told.iter().map(|fact| short(&fact.text)).filter(|text| !text.is_empty()).collect();
    // An entry that names the person and says nothing else.
    if texts.is_empty() && !told.is_empty() { "named in the group".to_owned() } else { texts.join(", ") }
}

/// Where the change was written: the first fact of the chain that has a place.
pub(super) fn place<'p>(plan: &'p Plan, change: &Change) -> Option<&'p Fact> {
    facts(plan, change).into_iter().find(|fact| fact.file.is_some())
}

fn account(change: &Change) -> &str {
    change.object.account.as_deref().unwrap_or_default()
}

/// Which account it is, where that is not the person's key; by group whose it is.
fn membership(change: &Change, by_group: bool) -> String {
    match (&change.object.account, &change.object.member, &change.person) {
        (Some(account), _, Some(person)) if account != person && by_group => format!("of {person}"),
        (Some(account), _, Some(person)) if account != person => format!("as {account}"),
        (None, Some(member), _) if !by_group => member_name(member),
        _ => String::new(),
    }
}

/// `rename the account a → b`, `move the account a to OU=Staff,DC=example`, or both.
fn relocated(change: &Change) -> String {
    let has = |key: &str| change.after.as_ref().is_some_and(|after| after.contains_key(key));
    let base = change.after.as_ref().and_then(|after| after.get("base")?.first());
    match base {
        Some(base) if has("name") => format!("rename the account {} and move it to {}", renamed(change), quoted(base)),
        Some(base) => format!("move the account {} to {}", quoted(account(change)), quoted(base)),
        None => format!("rename the account {}", renamed(change)),
    }
}

fn renamed(change: &Change) -> String {
    let name = |side: &Option<Side>| side.as_ref().and_then(|s| s.get("name")?.first().cloned()).unwrap_or_default();
    format!("{} → {}", quoted(&name(&change.before)), quoted(&name(&change.after)))
}

/// One line for each attribute that differs, `title "Engineer" → "Lead engineer"`;
/// one for all of a new object.
pub(super) fn attributes(plan: &Plan, change: &Change, zone: &TimeZone) -> Vec<String> {
    let lines = differences(plan, change, zone);
    match change.action {
        Action::CreateAccount | Action::CreateGroup if !lines.is_empty() => vec![lines.join(", ")],
        _ => lines,
    }
}

fn differences(plan: &Plan, change: &Change, zone: &TimeZone) -> Vec<String> {
    if matches!(change.action, Action::RenameAccount | Action::RenameGroup | Action::Grant | Action::Revoke) {
        return Vec::new();
    }
    let empty = Side::new();
    let (before, after) = (change.before.as_ref().unwrap_or(&empty), change.after.as_ref().unwrap_or(&empty));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let values = |side: &Side, name: &str| side.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| !(name.as_str() == "enabled" || name.as_str() == "name"))
        .filter_map(|name| match name.as_str() {
            "ends" if ends_itself(plan, change) => end(change, &values(before, name), &values(after, name), zone),
            _ => attribute(name, &values(before, name), &values(after, name), zone),
        })
        .collect()
}

/// An end that the directory itself acts on, with what it was before. What is new has it
/// among its words.
fn end(change: &Change, before: &[String], after: &[String], zone: &TimeZone) -> Option<String> {
    let show = |value: &String| instant(value, zone);
    match (before.first(), after.first()) {
        _ if change.action.gives() => None,
        (before, Some(after)) => {
            let before = before.map_or_else(|| "never".to_owned(), show);
            Some(format!("{BY_ITSELF} {}, before: {before}", show(after)))
        }
        (Some(before), None) => Some(format!("the directory itself no longer ends this, before: {}", show(before))),
        (None, None) => None,
    }
}

fn attribute(name: &str, before: &[String], after: &[String], zone: &TimeZone) -> Option<String> {
    let show = |value: &String| if name == "ends" { instant(value, zone) } else { quoted(value) };
    let list = |values: &[String]| values.iter().map(show).collect::<Vec<_>>().join(", ");
    match (before, after) {
        (before, after) if before == after => None,
        ([], after) => Some(format!("{name} {}", list(after))),
        (before, []) => Some(format!("{name} {} → nothing", list(before))),
        ([one], [other]) if one.chars().count().max(other.chars().count()) > LONG_VALUE => {
            Some(format!("{name} {}", inside(one, other)))
        }
        ([_], [_]) => Some(format!("{name} {} → {}", list(before), list(after))),
        _ => Some(format!("{name} {}", difference(before, after, show))),
    }
}

/// What goes and what comes of many values; what stays is not repeated.
fn difference(before: &[String], after: &[String], show: impl Fn(&String) -> String) -> String {
    let gone = before.iter().filter(|value| !after.contains(value)).map(|value| format!("- {}", show(value)));
    let come = after.iter().filter(|value| !before.contains(value)).map(|value| format!("+ {}", show(value)));
    gone.chain(come).collect::<Vec<_>>().join(", ")
}

/// A long value with what goes as `[-…-]` and what comes as `{+…+}`.
fn inside(before: &str, after: &str) -> String {
    let diff = TextDiff::from_words(before, after);
    let mut out = String::from("\"");
    for change in diff.iter_all_changes() {
        let value = change.value();
        match change.tag() {
            ChangeTag::Equal => out.push_str(value),
            ChangeTag::Delete => out.extend(["[-", value, "-]"]),
            ChangeTag::Insert => out.extend(["{+", value, "+}"]),
        }
    }
    out.push('"');
    out
}

fn instant(value: &str, zone: &TimeZone) -> String {
    Instant::try_from(value.to_owned()).map_or_else(|_| quoted(value), |at| at.civil(zone))
}

fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// The words for one and for many changes of an action: `grant`, `grants`; of
/// accounts and groups what was done: `account`, `accounts`, `created`.
pub(super) fn tally(action: Action) -> (&'static str, &'static str, &'static str) {
    match action {
        Action::Grant => ("grant", "grants", ""),
        Action::Revoke => ("revoke", "revokes", ""),
        Action::UpdateMembership => ("membership", "memberships", "updated"),
        Action::CreateAccount => ("account", "accounts", "created"),
        Action::EnableAccount => ("account", "accounts", "enabled"),
        Action::DisableAccount => ("account", "accounts", "disabled"),
        Action::UpdateAccount => ("account", "accounts", "updated"),
        Action::RenameAccount => ("account", "accounts", "renamed"),
        Action::DeleteAccount => ("account", "accounts", "deleted"),
        Action::CreateGroup => ("group", "groups", "created"),
        Action::UpdateGroup => ("group", "groups", "updated"),
        Action::RenameGroup => ("group", "groups", "renamed"),
        Action::DeleteGroup => ("group", "groups", "deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_shows_what_changed_inside_it() {
        let before = "the quick brown fox jumps over the lazy dog and then goes to sleep for an hour";
        let after = "the quick brown fox jumps over the lazy dog and then goes to sleep for a day";
        let shown = attribute("description", &[before.to_owned()], &[after.to_owned()], &TimeZone::UTC).unwrap();
        assert!(shown.ends_with("to sleep for [-an-]{+a+} [-hour-]{+day+}\""), "{shown}");
    }

    #[test]
    fn of_many_values_only_the_difference_is_shown() {
        let values = |list: &[&str]| list.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        let shown = attribute("mail", &values(&["a@x", "b@x"]), &values(&["b@x", "c@x"]), &TimeZone::UTC);
        assert_eq!(shown.unwrap(), "mail - \"a@x\", + \"c@x\"");
    }

    #[test]
    fn ends_are_shown_in_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let shown = attribute("ends", &["2026-12-31T23:00:00Z".to_owned()], &[], &zone);
        assert_eq!(shown.unwrap(), "ends 2027-01-01 00:00 → nothing");
    }
}
