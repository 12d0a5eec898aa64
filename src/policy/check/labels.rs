//! The rules "labels" and "accounts": second accounts, and what goes to them.
//!
//! Comes in: the keys of people's `accounts:`, `account:` of roles and groups. Goes out:
//! labels, sorted. Refuses: labels that cannot be one, or that nobody has; a role whose
//! entitlements go to one account and a group that takes another; an `all` of which
//! nobody could say with which account it is held.

use super::{Checker, words};
use crate::diagnostic::Diagnostic;
use crate::model::Place;
use crate::policy::written::{Mark, Text};
use crate::policy::{EntryId, Label, Select};
use std::collections::BTreeSet;

/// The rule "labels".
pub(super) fn check(checker: &mut Checker<'_>) {
    let mut labels: BTreeSet<&str> = BTreeSet::new();
    let mut found: Vec<(u32, Mark, Diagnostic)> = Vec::new();
    for named in checker.names.people.list() {
        for (key, _) in &named.value.accounts {
            let Some((directory, label)) = key.as_str().split_once('#') else { continue };
            let diagnostic = match words::bad_key(label) {
                Some(why) => Diagnostic::error("bad-key", format!("what follows `#` names a second account: {why}"))
                    .help(format!("write `{directory}#admin`")),
                None if labels.len() == Label::MOST && !labels.contains(label) => {
                    let message = format!("`{label}` is one label too many: there are {} already", Label::MOST);
                    Diagnostic::error("too-many-labels", message)
                        .help("a label says what an account is for (`admin`), not whose it is: use one for many people")
                }
                None => {
                    labels.insert(label);
                    continue;
                }
            };
            found.push((named.file, key.mark, diagnostic));
        }
    }
    checker.meant.labels = labels.into_iter().map(Box::from).collect();
    for (file, mark, diagnostic) in found {
        checker.report(file, mark, diagnostic);
    }
}

/// The label of that word; what the rule refused counts as the everyday account, and is
/// an error anyway.
pub(super) fn of(checker: &Checker<'_>, word: &str) -> Label {
    let n = checker.meant.labels.binary_search_by(|label| label.as_ref().cmp(word)).ok();
    n.and_then(|n| u8::try_from(n + 1).ok()).map_or(Label::EVERYDAY, Label)
}

/// The label that `account:` names; unknown ones are reported.
pub(super) fn named(checker: &mut Checker<'_>, file: u32, text: Option<&Text>) -> Option<Label> {
    let text = text?;
    let label = of(checker, text.as_str());
    if label.is_second() {
        return Some(label);
    }
    let known: Vec<&str> = checker.meant.labels.iter().map(AsRef::as_ref).collect();
    let diagnostic = Diagnostic::error("unknown-account", format!("nobody has a second account `{}`", text.value));
    let diagnostic = match checker.suggest.closest(text.as_str(), &known) {
        Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
        None if known.is_empty() => {
            diagnostic.help(format!("declare it for a person: `accounts: {{ DIRECTORY#{}: NAME }}`", text.value))
        }
        None => diagnostic.help(format!(
            "known are `{}`; others are declared for a person: `accounts: {{ DIRECTORY#{}: NAME }}`",
            known.join("`, `"),
            text.value
        )),
    };
    checker.report(file, text.mark, diagnostic);
    None
}

/// The rule "accounts".
pub(super) fn conflicts(checker: &mut Checker<'_>) {
    if checker.meant.labels.is_empty() || checker.findings.has_errors() {
        return;
    }
    let mut found = Vec::new();
    between(checker, &mut found);
    together(checker, &mut found);
    for (place, other, diagnostic) in found {
        let mark =
            |place: Place| Mark { line: place.line, column: u16::try_from(place.column).unwrap_or(1), length: 1 };
        let diagnostic = match other.and_then(|(other, text)| Some((checker.span(other.file.0, mark(other))?, text))) {
            Some((span, text)) => diagnostic.related(span, text),
            None => diagnostic,
        };
        checker.report(place.file.0, mark(place), diagnostic);
    }
}

type Finding = (Place, Option<(Place, &'static str)>, Diagnostic);

/// Roles that grant or include what takes another account.
fn between(checker: &Checker<'_>, found: &mut Vec<Finding>) {
    let word =
        |label: Label| checker.meant.labels.get(usize::from(label.0).saturating_sub(1)).map_or("", AsRef::as_ref);
    for role in &checker.meant.roles {
        let Some(mine) = role.account else { continue };
        let groups = role.grants.iter().filter_map(|grant| {
            let group = checker.meant.groups.get(grant.group.0 as usize)?;
            let key = checker.names.groups.get(grant.group.0).map_or("?", |named| named.key.as_str());
            Some((grant.place, format!("the group `{key}`"), group.account?, group.place))
        });
        let roles = role.includes.iter().filter_map(|(id, place)| {
            let other = checker.meant.roles.get(id.0 as usize)?;
            Some((*place, format!("the role `{}`", other.key), other.account?, other.place))
        });
        for (place, what, theirs, declared) in groups.chain(roles).filter(|(_, _, theirs, _)| *theirs != mine) {
            let message = format!(
                "the role `{}` goes to the account `{}`, and {what} to `{}`",
                role.key,
                word(mine),
                word(theirs)
            );
            let diagnostic = Diagnostic::error("two-accounts", message)
                .help("what a role gives goes to one account: take `account:` out of one of them, or use another role");
            found.push((place, Some((declared, "declared here")), diagnostic));
        }
    }
}

/// `all` entries whose parts are held with different second accounts.
fn together(checker: &Checker<'_>, found: &mut Vec<Finding>) {
    let mut walk = Walk {
        checker,
        roles: vec![None; checker.meant.roles.len()],
        groups: vec![None; checker.meant.groups.len()],
        feeders: vec![Vec::new(); checker.meant.groups.len()],
        included: vec![Vec::new(); checker.meant.roles.len()],
        mixed: Vec::new(),
    };
    for (n, role) in (0u32..).zip(&checker.meant.roles) {
        for grant in &role.grants {
            walk.feeders.get_mut(grant.group.0 as usize).into_iter().for_each(|list| list.push(n));
        }
        for (other, _) in &role.includes {
            walk.included.get_mut(other.0 as usize).into_iter().for_each(|list| list.push(n));
        }
    }
    for n in 0..u32::try_from(checker.meant.roles.len()).unwrap_or(u32::MAX) {
        walk.role(n);
    }
    for n in 0..u32::try_from(checker.meant.groups.len()).unwrap_or(u32::MAX) {
        walk.group(n);
    }
    let word =
        |label: &Label| checker.meant.labels.get(usize::from(label.0).saturating_sub(1)).map_or("", AsRef::as_ref);
    walk.mixed.sort_by_key(|(entry, _)| *entry);
    walk.mixed.dedup_by_key(|(entry, _)| *entry);
    for (entry, labels) in &walk.mixed {
        let Some(entry) = checker.meant.entries.get(entry.0 as usize) else { continue };
        let words: Vec<&str> = labels.iter().map(word).collect();
        let message = format!("who is in all of these is so with different accounts: `{}`", words.join("` and `"));
        let diagnostic = Diagnostic::error("two-accounts", message)
            .help("say which one it goes to: `account:` on the role or group that this stands in");
        found.push((entry.place, None, diagnostic));
    }
}

/// With which accounts a role or group may be held. The policy has no circles by now;
/// what stands in one is held by nobody.
struct Walk<'c, 'a> {
    checker: &'c Checker<'a>,
    roles: Vec<Option<BTreeSet<Label>>>,
    groups: Vec<Option<BTreeSet<Label>>>,
    /// By group: roles that grant it.
    feeders: Vec<Vec<u32>>,
    /// By role: roles that include it.
    included: Vec<Vec<u32>>,
    mixed: Vec<(EntryId, BTreeSet<Label>)>,
}

impl Walk<'_, '_> {
    fn role(&mut self, n: u32) -> BTreeSet<Label> {
        if let Some(Some(known)) = self.roles.get(n as usize) {
            return known.clone();
        }
        let Some(role) = self.checker.meant.roles.get(n as usize) else { return BTreeSet::new() };
        let feeders = self.included.get(n as usize).cloned().unwrap_or_default();
        let labels = self.holding(role.account, &role.members, &feeders);
        self.roles.get_mut(n as usize).into_iter().for_each(|cell| *cell = Some(labels.clone()));
        labels
    }

    fn group(&mut self, n: u32) -> BTreeSet<Label> {
        if let Some(Some(known)) = self.groups.get(n as usize) {
            return known.clone();
        }
        let Some(group) = self.checker.meant.groups.get(n as usize) else { return BTreeSet::new() };
        let feeders = self.feeders.get(n as usize).cloned().unwrap_or_default();
        let labels = self.holding(group.account, &group.members, &feeders);
        self.groups.get_mut(n as usize).into_iter().for_each(|cell| *cell = Some(labels.clone()));
        labels
    }

    fn holding(&mut self, account: Option<Label>, members: &[EntryId], feeders: &[u32]) -> BTreeSet<Label> {
        if let Some(account) = account {
            return BTreeSet::from([account]);
        }
        let mut labels = BTreeSet::new();
        for entry in members {
            labels.extend(self.entry(*entry));
        }
        for role in feeders {
            labels.extend(self.role(*role));
        }
        labels
    }

    fn entry(&mut self, id: EntryId) -> BTreeSet<Label> {
        let checker = self.checker;
        let Some(entry) = checker.meant.entries.get(id.0 as usize) else { return BTreeSet::new() };
        match &entry.select {
            Select::Role(role) => self.role(role.0),
            Select::Group(group) => self.group(group.0),
            Select::Groups(glob) => glob.groups.iter().flat_map(|group| self.group(group.0)).collect(),
            Select::Any(parts) => parts.iter().flat_map(|part| self.entry(*part)).collect(),
            Select::All(parts) => {
                let parts: Vec<BTreeSet<Label>> = parts.iter().map(|part| self.entry(*part)).collect();
                let all = |label: &Label| parts.iter().all(|part| part.contains(label));
                let mut labels: BTreeSet<Label> = parts.iter().flatten().copied().collect();
                if !all(&Label::EVERYDAY) {
                    labels.remove(&Label::EVERYDAY);
                }
                let second: BTreeSet<Label> = labels.iter().copied().filter(|label| label.is_second()).collect();
                let only: Vec<&BTreeSet<Label>> =
                    parts.iter().filter(|part| part.iter().any(|label| label.is_second())).collect();
                if second.len() > 1 && only.len() > 1 {
                    self.mixed.push((id, second));
                }
                labels
            }
            Select::People(_) | Select::Where(_) | Select::ReportsTo { .. } | Select::Not(_) => {
                BTreeSet::from([Label::EVERYDAY])
            }
        }
    }
}
