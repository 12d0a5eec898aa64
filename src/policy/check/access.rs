//! The rule "access": roles and groups.
//!
//! Comes in: `roles:` and `groups:` of every file. Goes out: both, sorted, with
//! their entries. Refuses: what is not declared, members of a group that is managed
//! elsewhere, two groups with one name in a directory.

use super::active_directory;
use super::entries::{self, Holder, Section};
use super::index::Named;
use super::loops::{How, Node};
use super::people::human;
use super::person::{CREDENTIAL, directory_of};
use super::{Checker, labels, spans, words};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Matching, Place};
use crate::policy::written::{self, Mark, Others, Text};
use crate::policy::{DirectoryId, Grant, Group, GroupId, Manage, PersonId, Role, RoleId};

pub(super) fn check(checker: &mut Checker<'_>) {
    let roles = checker.names.roles.list().to_vec();
    let groups = checker.names.groups.list().to_vec();
    checker.meant.roles = (0u32..).zip(roles).map(|(n, named)| role(checker, n, named)).collect();
    let mut meant = Vec::with_capacity(groups.len());
    for (n, named) in (0u32..).zip(groups) {
        meant.extend(group(checker, n, named));
    }
    checker.meant.groups = meant;
    names_in_directories(checker);
}

fn role(checker: &mut Checker<'_>, n: u32, named: Named<'_, written::Role>) -> Role {
    let Named { key, value, file } = named;
    let holder = Holder { node: Node::Role(n), file };
    let mut includes = Vec::with_capacity(value.includes.len());
    for text in &value.includes {
        if let Some(id) = role_of(checker, file, text) {
            checker.edges.add(Node::Role(id.0), Node::Role(n), How::Included, file, text.mark);
            includes.push((id, Checker::place(file, text.mark)));
        }
    }
    twice(checker, file, &value.includes, "included");
    Role {
        key: (&key.value).into(),
        description: value.description.clone(),
        owner: owner(checker, file, value.owner.as_ref()),
        includes,
        grants: grants(checker, n, file, &value.grants),
        account: labels::named(checker, file, value.account.as_ref()),
        members: entries::list(checker, holder, &value.members, Section::Members),
        only: entries::list(checker, holder, &value.only, Section::Only),
        except: entries::list(checker, holder, &value.except, Section::Except),
        expires: ends(checker, file, value.expires.as_ref()),
        place: Checker::place(file, key.mark),
    }
}

fn grants(checker: &mut Checker<'_>, role: u32, file: u32, written: &[Text]) -> Vec<Grant> {
    let mut grants = Vec::with_capacity(written.len());
    for text in written {
        let Some(group) = group_of(checker, file, text, "granted") else { continue };
        if is_reference(checker, group) {
            let message = format!("`{}` is managed elsewhere and cannot be granted", text.value);
            let diagnostic = Diagnostic::error("reference-granted", message)
                .help("let accord manage it (`manage: exact` or `additive`), or use it in entries only");
            report_with_manage(checker, (file, text.mark), group, diagnostic);
        }
        checker.edges.add(Node::Group(group.0), Node::Role(role), How::Granted, file, text.mark);
        grants.push(Grant { group, place: Checker::place(file, text.mark) });
    }
    twice(checker, file, written, "granted");
    grants
}

fn is_reference(checker: &Checker<'_>, group: GroupId) -> bool {
    let manage = checker.names.groups.get(group.0).and_then(|named| named.value.manage.as_ref());
    manage.is_some_and(|manage| manage.value == written::Manage::Reference)
}

/// Reports at a place, with the line that says how the group is managed beside.
fn report_with_manage(
    checker: &mut Checker<'_>,
    (file, mark): (u32, Mark),
    group: GroupId,
    mut diagnostic: Diagnostic,
) {
    if let Some(named) = checker.names.groups.get(group.0)
        && let Some(manage) = &named.value.manage
        && let Some(span) = checker.span(named.file, manage.mark)
    {
        diagnostic = diagnostic.related(span, "managed elsewhere, as is written here");
    }
    checker.report(file, mark, diagnostic);
}

/// Warns of a word that stands twice in one list.
fn twice(checker: &mut Checker<'_>, file: u32, list: &[Text], what: &str) {
    let mut sorted: Vec<&Text> = list.iter().collect();
    sorted.sort_by_key(|text| (&text.value, text.mark));
    for pair in sorted.windows(2) {
        if let [first, second] = pair
            && first.value == second.value
        {
            let mut diagnostic = Diagnostic::warning("written-twice", format!("`{}` is {what} twice", second.value));
            if let Some(span) = checker.span(file, first.mark) {
                diagnostic = diagnostic.related(span, "here too");
            }
            checker.report(file, second.mark, diagnostic);
        }
    }
}

fn owner(checker: &mut Checker<'_>, file: u32, text: Option<&Text>) -> Option<PersonId> {
    human(checker, file, text?, "an owner")
}

fn ends(checker: &mut Checker<'_>, file: u32, text: Option<&Text>) -> Option<Instant> {
    let zone = checker.zone.clone();
    spans::expires(checker, file, text, &zone)
}

fn group(checker: &mut Checker<'_>, n: u32, named: Named<'_, written::Group>) -> Option<Group> {
    let Named { key, value, file } = named;
    let holder = Holder { node: Node::Group(n), file };
    let manage = match value.manage.as_ref().map(|manage| manage.value) {
        None | Some(written::Manage::Exact) => Manage::Exact,
        Some(written::Manage::Additive) => Manage::Additive,
        Some(written::Manage::Reference) => Manage::Reference,
    };
    if manage == Manage::Reference {
        nothing_of_its_own(checker, GroupId(n), named);
    }
    names_of(checker, named);
    let members = entries::list(checker, holder, &value.members, Section::Members);
    let only = entries::list(checker, holder, &value.only, Section::Only);
    let except = entries::list(checker, holder, &value.except, Section::Except);
    let expires = ends(checker, file, value.expires.as_ref());
    let owner = owner(checker, file, value.owner.as_ref());
    let account = labels::named(checker, file, value.account.as_ref());
    let mut attributes = attributes(checker, named);
    // A key without a directory was reported with the names.
    let (directory, name) = key.as_str().split_once('/')?;
    let directory = directory_of(checker, file, directory, Mark { length: short(directory), ..key.mark })?;
    attributes.extend(active_directory::group(checker, named, directory));
    attributes.sort();
    Some(Group {
        directory,
        name: name.into(),
        directory_name: value.name.as_ref().map_or_else(|| name.into(), |text| (&text.value).into()),
        previously: value.previously.as_ref().map(|text| (&text.value).into()),
        description: value.description.clone(),
        owner,
        manage,
        privileged: value.privileged,
        revoke_others: value.others.as_ref().is_some_and(|others| others.value == Others::Revoke),
        attributes,
        members,
        only,
        except,
        account,
        expires,
        place: Checker::place(file, key.mark),
    })
}

fn short(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

fn nothing_of_its_own(checker: &mut Checker<'_>, group: GroupId, named: Named<'_, written::Group>) {
    let value = named.value;
    let lists = [("members", &value.members), ("only", &value.only), ("except", &value.except)];
    let mut found: Vec<(&str, Mark)> =
        lists.iter().filter_map(|(what, list)| Some((*what, list.first()?.mark))).collect();
    let single = [("expires", &value.expires), ("account", &value.account)];
    found.extend(single.iter().filter_map(|(what, text)| Some((*what, text.as_ref()?.mark))));
    for (what, mark) in found {
        let message = format!("`{}` is managed elsewhere, so its `{what}` would never count", named.key.value);
        let diagnostic = Diagnostic::error("reference-with-members", message)
            .help("let accord manage it (`manage: exact` or `additive`), or remove these lines");
        report_with_manage(checker, (named.file, mark), group, diagnostic);
    }
}

fn names_of(checker: &mut Checker<'_>, named: Named<'_, written::Group>) {
    for text in [&named.value.name, &named.value.previously].into_iter().flatten() {
        if let Some(why) = words::bad_name(text.as_str()) {
            let diagnostic = Diagnostic::error("bad-key", format!("this cannot be the name of a group: {why}"));
            checker.report(named.file, text.mark, diagnostic);
        }
    }
}

/// Attributes that accord itself writes.
const OWN_ATTRIBUTES: [&str; 6] = ["cn", "description", "member", "memberuid", "objectclass", "uniquemember"];

fn attributes(checker: &mut Checker<'_>, named: Named<'_, written::Group>) -> Vec<(Box<str>, Vec<Box<str>>)> {
    let mut attributes = Vec::with_capacity(named.value.attributes.0.len());
    for (name, values) in &named.value.attributes {
        let lower = name.as_str().to_ascii_lowercase();
        let problem = if words::bad_attribute(name.as_str()) {
            Some(("bad-attribute", format!("`{}` cannot be the name of an attribute", name.value.escape_debug())))
        } else if words::is_credential(name.as_str()) {
            Some((CREDENTIAL, format!("`{}` holds a credential; accord never writes one", name.value)))
        } else if OWN_ATTRIBUTES.contains(&lower.as_str()) {
            Some(("bad-attribute", format!("`{}` is written by accord itself", name.value)))
        } else if values.value.0.is_empty() || values.value.0.iter().any(|value| value.trim().is_empty()) {
            Some(("empty-text", format!("`{}` has no value", name.value)))
        } else {
            None
        };
        if let Some((code, message)) = problem {
            // A line that may hold a credential is named and not shown.
            let mark = if code == CREDENTIAL { Mark { column: 0, length: 0, ..name.mark } } else { name.mark };
            checker.report(named.file, mark, Diagnostic::error(code, message));
        }
        attributes.push(((&name.value).into(), values.value.0.clone()));
    }
    attributes.sort();
    attributes
}

/// Two groups of the policy must not be one in the directory.
fn names_in_directories(checker: &mut Checker<'_>) {
    let mut names: Vec<(DirectoryId, String, usize)> = Vec::with_capacity(checker.meant.groups.len());
    for (n, group) in checker.meant.groups.iter().enumerate() {
        let mut add = |name: &str| names.push((group.directory, Matching::CaseIgnore.key(name).into_owned(), n));
        add(&group.directory_name);
        if let Some(previously) = &group.previously {
            add(previously);
        }
    }
    names.sort();
    let mut found = Vec::new();
    let directories = &checker.names.directories;
    let key = |group: &Group| {
        let directory = directories.get(u32::from(group.directory.0)).map_or("?", |named| named.key.as_str());
        format!("{directory}/{}", group.name)
    };
    for pair in names.windows(2) {
        if let [(a, name, first), (b, other, second)] = pair
            && a == b
            && name == other
            && let (Some(first), Some(second)) = (checker.meant.groups.get(*first), checker.meant.groups.get(*second))
        {
            // Plain keys that differ only in case were reported with the names.
            let plain = |group: &Group| group.directory_name == group.name && group.previously.is_none();
            match (plain(first), plain(second)) {
                (true, true) => {}
                // Told where a name is written that differs from the key.
                (false, true) => found.push((key(second), key(first), second.place, first.place, name.clone())),
                (_, false) => found.push((key(first), key(second), first.place, second.place, name.clone())),
            }
        }
    }
    for (one, two, first, second, name) in found {
        let message = if one == two {
            format!("the group `{two}` was never called anything but `{name}`")
        } else {
            format!("the groups `{one}` and `{two}` are both `{name}` in the directory")
        };
        let mark = |place: Place, key: &str| Mark {
            line: place.line,
            column: u16::try_from(place.column).unwrap_or(1),
            length: short(key),
        };
        let mut diagnostic =
            Diagnostic::error("same-group-twice", message).help("change `name` or `previously` of one of them");
        if one != two
            && let Some(span) = checker.span(first.file.0, mark(first, &one))
        {
            diagnostic = diagnostic.related(span, "the other one");
        }
        checker.report(second.file.0, mark(second, &two), diagnostic);
    }
}

/// The number of the role of that key; unknown ones are reported.
pub(super) fn role_of(checker: &mut Checker<'_>, file: u32, text: &Text) -> Option<RoleId> {
    let key = text.as_str();
    if let Some(n) = checker.names.roles.find(key) {
        return Some(RoleId(n));
    }
    let diagnostic = Diagnostic::error("unknown-role", format!("there is no role `{key}`"));
    let diagnostic = if checker.names.groups.find(key).is_some() {
        diagnostic.help(format!("there is a group of that name: write `group: {key}`, or grant it with `grants`"))
    } else if let Some(near) = checker.names.roles.closest(key, &checker.suggest) {
        diagnostic.help(format!("did you mean `{}` ({})?", near.key.value, checker.shown(near.file, near.key.mark)))
    } else {
        diagnostic.help("declare it under `roles:`")
    };
    checker.report(file, text.mark, diagnostic);
    None
}

/// The number of the group of that key; undeclared ones are reported.
pub(super) fn group_of(checker: &mut Checker<'_>, file: u32, text: &Text, what: &str) -> Option<GroupId> {
    let key = text.as_str();
    if let Some(n) = checker.names.groups.find(key) {
        return Some(GroupId(n));
    }
    let code = if what == "granted" { "undeclared-entitlement" } else { "unknown-group" };
    let diagnostic = Diagnostic::error(code, format!("the group `{key}` is not declared"));
    let near = closest_group(checker, key);
    let diagnostic = if key.contains('*') {
        diagnostic.help(format!("a pattern is written `groups: {key}`"))
    } else if let Some(near) = near {
        let place = checker.shown(near.file, near.key.mark);
        diagnostic.help(format!("did you mean `{}` ({place})?", near.key.value))
    } else if !key.contains('/') {
        diagnostic.help(format!("say in which directory it is: `directory/{key}`"))
    } else {
        diagnostic.help(format!("what is {what} must be declared: add `{key}: {{}}` under `groups:`"))
    };
    checker.report(file, text.mark, diagnostic);
    None
}

/// The declared group that `key` most likely means: one of the same directory with a
/// similar name (a shared `corp/` alone makes no likeness), or the same name elsewhere.
pub(super) fn closest_group<'a>(checker: &Checker<'a>, key: &str) -> Option<Named<'a, written::Group>> {
    let groups = &checker.names.groups;
    if !checker.suggest.affords(groups.list().len()) {
        return None;
    }
    let (directory, name) = key.split_once('/').unwrap_or(("", key));
    let split =
        |named: &Named<'a, written::Group>| named.key.as_str().split_once('/').unwrap_or(("", named.key.as_str()));
    let elsewhere = || groups.list().iter().find(|named| split(named).1 == name).copied();
    let beside: Vec<&str> = groups.list().iter().map(split).filter(|(d, _)| *d == directory).map(|(_, n)| n).collect();
    match checker.suggest.closest(name, &beside) {
        Some(near) => groups.list().iter().find(|named| split(named) == (directory, near)).copied(),
        None => elsewhere(),
    }
}
