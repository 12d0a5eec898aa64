//! Member entries, nested to any sensible depth.
//!
//! Comes in: `members`, `only` and `except` of a role or group. Goes out: numbered
//! entries with their windows. Refuses: ends in negated positions (promise 3), `not`
//! without anything positive beside it, empty lists, patterns that match nothing.

use super::access::{group_of, role_of};
use super::loops::{How, Node};
use super::people::{human, kind_of, reference};
use super::{Checker, rules, spans};
use crate::diagnostic::Diagnostic;
use crate::model::{Matching, Window};
use crate::policy::glob::Glob;
use crate::policy::written::{self, Mark, Selector, Text};
use crate::policy::{Details, Entry, EntryId, Globbed, GroupId, PersonId, Select};

/// Deepest nesting of `all`, `any` and `not`.
const DEEPEST: usize = 16;

/// The role or group whose entries are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) node: Node,
    pub(super) file: u32,
}

/// In which list an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Members,
    Only,
    Except,
}

/// Where an entry stands below its list.
#[derive(Debug, Clone, Copy)]
struct Spot {
    holder: Holder,
    /// Whether the position takes away: inside `except` or `not`, turned by each further one.
    negated: bool,
    /// Whether a `not` lies between the list and here.
    below_not: bool,
    depth: usize,
}

/// Reads a list of entries.
pub(super) fn list(
    checker: &mut Checker<'_>,
    holder: Holder,
    written: &[written::Entry],
    section: Section,
) -> Vec<EntryId> {
    let spot = Spot { holder, negated: section == Section::Except, below_not: false, depth: 0 };
    if section == Section::Members {
        for entry in written {
            positive(checker, holder.file, entry);
        }
    }
    let ids: Vec<EntryId> = written.iter().filter_map(|entry| one(checker, spot, entry)).collect();
    same_twice(checker, holder.file, &ids);
    ids
}

/// Reports a member entry that selects people by what they are not.
fn positive(checker: &mut Checker<'_>, file: u32, entry: &written::Entry) {
    match &entry.selector {
        Selector::Not(_) => {
            let message = "`not` alone would let in everybody else, also whoever joins later";
            let diagnostic = Diagnostic::error("not-alone", message).help(
                "say of whom it is taken away: `all: [ {role: engineer}, {not: {person: li.na}} ]`, or move what `not` holds to `except`",
            );
            checker.report(file, entry.mark, diagnostic);
        }
        Selector::Any(parts) => parts.iter().for_each(|part| positive(checker, file, part)),
        Selector::All(parts) if !parts.is_empty() && !parts.iter().any(is_positive) => {
            for part in parts {
                positive(checker, file, part);
            }
        }
        _ => {}
    }
}

fn is_positive(entry: &written::Entry) -> bool {
    match &entry.selector {
        Selector::Not(_) => false,
        Selector::Any(parts) => parts.iter().all(is_positive),
        Selector::All(parts) => parts.iter().any(is_positive),
        _ => true,
    }
}

fn one(checker: &mut Checker<'_>, spot: Spot, entry: &written::Entry) -> Option<EntryId> {
    let file = spot.holder.file;
    if spot.depth > DEEPEST {
        let message = format!("entries are nested more than {DEEPEST} deep");
        let diagnostic =
            Diagnostic::error("too-deep", message).help("give the inner part a role of its own and name that");
        checker.report(file, entry.mark, diagnostic);
        return None;
    }
    let select = select(checker, spot, entry);
    let details = entry.details();
    let window = window(checker, file, entry, select.as_ref());
    if spot.negated
        && let Some(expires) = &details.expires
    {
        end_of_exclusion(checker, spot, entry, expires);
    }
    texts(checker, file, entry);
    let mut kinds: Vec<_> = details.kinds.iter().map(|kind| kind_of(checker, file, Some(kind))).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let approved_by = details.approved_by.as_ref().and_then(|text| approver(checker, file, text, select.as_ref()));
    let select = select?;
    if let Select::People(people) = &select {
        outside(checker, file, entry, people, window);
    }
    let entry = Entry {
        select,
        details: Details { window, kinds, ticket: details.ticket.clone(), reason: details.reason.clone(), approved_by }
            .boxed(),
        place: Checker::place(file, entry.mark),
    };
    let id = EntryId(u32::try_from(checker.meant.entries.len()).unwrap_or(u32::MAX));
    checker.meant.entries.push(entry);
    Some(id)
}

/// The dates of an entry, in the zone of the one person it names.
fn window(checker: &mut Checker<'_>, file: u32, entry: &written::Entry, select: Option<&Select>) -> Window {
    let details = entry.details();
    let dates = (details.starts.as_ref(), details.expires.as_ref());
    if dates == (None, None) {
        // Most memberships: nobody's zone is looked up for them.
        return Window::default();
    }
    let zone = match (&entry.selector, select) {
        (Selector::Person(_), Some(Select::People(people))) => {
            people.first().map_or_else(|| checker.zone.clone(), |person| spans::zone_of(checker, *person))
        }
        _ => checker.zone.clone(),
    };
    spans::window(checker, file, dates, &zone)
}

fn select(checker: &mut Checker<'_>, spot: Spot, entry: &written::Entry) -> Option<Select> {
    let Holder { node, file } = spot.holder;
    let below = Spot { depth: spot.depth + 1, ..spot };
    Some(match &entry.selector {
        Selector::Person(person) => Select::People(vec![reference(checker, file, person)?].into()),
        Selector::People(people) => {
            not_empty(checker, file, people.len(), entry.mark, "people");
            let known = people.iter().filter_map(|person| reference(checker, file, person)).collect();
            Select::People(known)
        }
        Selector::Role(role) => {
            let id = role_of(checker, file, role)?;
            checker.edges.add(node, Node::Role(id.0), How::Named, file, role.mark);
            Select::Role(id)
        }
        Selector::Group(group) => {
            let id = group_of(checker, file, group, "used in an entry")?;
            checker.edges.add(node, Node::Group(id.0), How::Named, file, group.mark);
            Select::Group(id)
        }
        Selector::Groups(pattern) => {
            let groups = matched(checker, spot, pattern)?;
            Select::Groups(Box::new(Globbed { groups, pattern: (&pattern.value).into() }))
        }
        Selector::Where(rule) => Select::Where(rules::compile(checker, file, rule)?),
        Selector::ReportsTo { manager, direct, including } => {
            Select::ReportsTo { manager: reference(checker, file, manager)?, direct: *direct, including: *including }
        }
        Selector::All(parts) => {
            not_empty(checker, file, parts.len(), entry.mark, "all");
            Select::All(parts.iter().filter_map(|part| one(checker, below, part)).collect())
        }
        Selector::Any(parts) => {
            not_empty(checker, file, parts.len(), entry.mark, "any");
            Select::Any(parts.iter().filter_map(|part| one(checker, below, part)).collect())
        }
        Selector::Not(part) => {
            Select::Not(one(checker, Spot { negated: !below.negated, below_not: true, ..below }, part)?)
        }
    })
}

fn not_empty(checker: &mut Checker<'_>, file: u32, length: usize, mark: Mark, word: &str) {
    if length == 0 {
        let message = format!("`{word}` is empty, so this entry selects nobody");
        checker.report(
            file,
            mark,
            Diagnostic::error("empty-list", message).help("write whom it selects, or remove the entry"),
        );
    }
}

/// The declared groups that a pattern matches, never the group that holds the entry.
fn matched(checker: &mut Checker<'_>, spot: Spot, pattern: &Text) -> Option<Vec<GroupId>> {
    let Holder { node, file } = spot.holder;
    if !Glob::is_pattern(pattern.as_str()) {
        let message = format!("`{}` is no pattern: it has no `*`", pattern.value);
        checker.report(
            file,
            pattern.mark,
            Diagnostic::error("bad-pattern", message).help(format!("one group is written `group: {}`", pattern.value)),
        );
        return None;
    }
    let glob = match Glob::new(pattern.as_str(), Matching::Exact) {
        Ok(glob) => glob,
        Err(bad) => {
            let message = format!("`{bad}` in `{}` has no meaning: only `*` is special", pattern.value);
            checker.report(file, pattern.mark, Diagnostic::error("bad-pattern", message));
            return None;
        }
    };
    let mut groups = Vec::new();
    for (n, named) in (0u32..).zip(checker.names.groups.list()) {
        if node != Node::Group(n) && glob.matches(named.key.as_str()) {
            groups.push(GroupId(n));
        }
    }
    for group in &groups {
        checker.edges.add(node, Node::Group(group.0), How::Named, file, pattern.mark);
    }
    if groups.is_empty() {
        let message = format!("no declared group matches `{}`, so it selects nobody", pattern.value);
        let help = if pattern.value.contains('/') {
            "a group never matches itself"
        } else {
            "groups are written `directory/name`: `corp/team-*`"
        };
        checker.report(file, pattern.mark, Diagnostic::warning("matches-nothing", message).help(help));
    }
    Some(groups)
}

/// An end where it would give access: refused, with the two ways to say what is meant.
fn end_of_exclusion(checker: &mut Checker<'_>, spot: Spot, entry: &written::Entry, expires: &Text) {
    let by = if spot.below_not { "`not`" } else { "`except`" };
    let message = format!("when this end comes, {by} would stop excluding and the passing of time would give access");
    let whom = match &entry.selector {
        Selector::Person(person) => format!("`{}`", person.value),
        _ => "those people".to_owned(),
    };
    let zone = jiff::tz::TimeZone::UTC;
    let day = crate::policy::date::expires(expires.as_str(), &zone).map(|end| end.civil(&zone));
    let day = day.ok().and_then(|day| day.get(..10).map(str::to_owned)).unwrap_or_else(|| "2027-01-01".to_owned());
    let diagnostic =
        Diagnostic::error("end-of-exclusion", message).help("excluded for good: remove `expires`").help(format!(
            "back on a day: do not exclude {whom}, but write the return as an entry of their own with `starts: {day}`"
        ));
    checker.report(spot.holder.file, expires.mark, diagnostic);
}

/// Ticket and reason are there to be read.
fn texts(checker: &mut Checker<'_>, file: u32, entry: &written::Entry) {
    for (word, text) in [("ticket", &entry.details().ticket), ("reason", &entry.details().reason)] {
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            let diagnostic = Diagnostic::error("empty-text", format!("`{word}` of this entry is empty"))
                .help("fill it in, or remove the line");
            checker.report(file, entry.mark, diagnostic);
        }
    }
}

/// Somebody who approved something for somebody else.
pub(super) fn approver(checker: &mut Checker<'_>, file: u32, text: &Text, select: Option<&Select>) -> Option<PersonId> {
    let id = human(checker, file, text, "an approver")?;
    if let Some(Select::People(people)) = select
        && people.contains(&id)
    {
        let message = format!("`{}` cannot approve their own access", text.value);
        checker.report(
            file,
            text.mark,
            Diagnostic::error("own-approval", message).help("somebody else has to approve it"),
        );
    }
    Some(id)
}

/// Warns of an entry whose window lies outside every period of its people.
fn outside(checker: &mut Checker<'_>, file: u32, entry: &written::Entry, people: &[PersonId], window: Window) {
    if window == Window::default() {
        return;
    }
    for id in people {
        let Some(person) = checker.meant.people.get(id.0 as usize) else { continue };
        if person.periods.iter().any(|period| spans::overlap(period.window, window)) {
            continue;
        }
        let message =
            format!("`{}` is not with the organisation between these dates, so the entry never counts", person.key);
        let text = entry.details().starts.as_ref().or(entry.details().expires.as_ref());
        let mark = text.map_or(entry.mark, |text| text.mark);
        let help = format!("the periods of `{}` are written at {}", person.key, checker.shown_place(person.place));
        checker.report(file, mark, Diagnostic::warning("outside-every-period", message).help(help));
    }
}

/// Warns of the same person twice in one list for the same time.
fn same_twice(checker: &mut Checker<'_>, file: u32, ids: &[EntryId]) {
    let mut people = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(entry) = checker.meant.entries.get(id.0 as usize) else { continue };
        if let Select::People(listed) = &entry.select {
            people.extend(listed.iter().map(|person| (*person, entry.window(), entry.place)));
        }
    }
    people.sort();
    let mut found = Vec::new();
    for pair in people.windows(2) {
        if let [(a, first, at), (b, second, place)] = pair
            && a == b
            && first == second
            && let Some(person) = checker.meant.people.get(a.0 as usize)
        {
            found.push((person.key.clone(), *at, *place));
        }
    }
    for (key, at, place) in found {
        let mark = |place: crate::model::Place| Mark {
            line: place.line,
            column: u16::try_from(place.column).unwrap_or(1),
            length: 1,
        };
        let mut diagnostic = Diagnostic::warning("written-twice", format!("`{key}` is listed twice for the same time"));
        if let Some(span) = checker.span(file, mark(at)) {
            diagnostic = diagnostic.related(span, "here too");
        }
        checker.report(file, mark(place), diagnostic);
    }
}
