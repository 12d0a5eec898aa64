//! The rule "people": persons with their kinds, references and spans.
//!
//! Comes in: `people:` of every file. Goes out: people sorted by key. Refuses:
//! references to nobody, what a kind requires and is not there, and attributes that
//! hide a field of their own.

use super::index::Named;
use super::{Checker, kinds, person, rules, spans};
use crate::diagnostic::Diagnostic;
use crate::model::Place;
use crate::policy::written::{self, Text};
use crate::policy::{KindId, Person, PersonId, Rare};

pub(super) fn check(checker: &mut Checker<'_>) {
    let count = checker.names.people.list().len();
    let mut people = Vec::with_capacity(count);
    for n in 0..u32::try_from(count).unwrap_or(u32::MAX) {
        let Some(named) = checker.names.people.get(n) else { break };
        people.push(one(checker, PersonId(n), named));
    }
    checker.meant.people = people;
    rules::learn(checker);
    kinds::requirements(checker);
}

fn one(checker: &mut Checker<'_>, id: PersonId, named: Named<'_, written::Person>) -> Person {
    let Named { key, value, file } = named;
    let kind = kind_of(checker, file, value.kind.as_ref());
    let zone = spans::zone(checker, named);
    let sponsor = answerer(checker, file, id, value.sponsor.as_ref(), "sponsor");
    let owner = answerer(checker, file, id, value.owner.as_ref(), "owner");
    let manager = value.manager.as_ref().and_then(|text| reference(checker, file, text));
    let attributes = person::attributes(checker, named);
    let periods = spans::periods(checker, named, &zone);
    let positions =
        spans::positions(checker, named, &zone, &spans::Base { kind, manager, attributes: &attributes }, &periods);
    let leave = spans::leave(checker, named, &zone, &periods);
    let accounts = person::accounts(checker, named);
    if let Some(hold) = &value.hold
        && hold.value.ticket.value.trim().is_empty()
    {
        checker.report(
            file,
            hold.value.ticket.mark,
            Diagnostic::error("empty-text", "a hold needs the ticket that asks for it"),
        );
    }
    let person = Person {
        key: (&key.value).into(),
        id: value.id.as_ref().map(|text| (&text.value).into()),
        name: value.name.clone(),
        given_name: value.given_name.clone(),
        family_name: value.family_name.clone(),
        email: value.email.as_ref().map(|text| text.value.clone()),
        kind,
        periods,
        positions,
        rare: Rare {
            company: value.company.clone(),
            sponsor,
            owner,
            leave,
            hold: value.hold.as_ref().map(|hold| (&hold.value.ticket.value).into()),
            adopt: value.adopt,
            aliases: value.aliases.iter().map(|text| (&text.value).into()).collect(),
            forge: value.forge.iter().map(|text| (&text.value).into()).collect(),
            accounts,
        }
        .boxed(),
        place: Checker::place(file, key.mark),
    };
    person::required(checker, named, &person);
    person
}

/// The number of a kind; unknown ones are reported and read as employees.
pub(super) fn kind_of(checker: &mut Checker<'_>, file: u32, text: Option<&Text>) -> KindId {
    let name = text.map_or(kinds::DEFAULT, Text::as_str);
    if let Some(kind) = find_kind(checker, name) {
        return kind;
    }
    if let Some(text) = text {
        let names: Vec<&str> = checker.meant.kinds.iter().map(|kind| kind.name.as_ref()).collect();
        let diagnostic = Diagnostic::error("unknown-kind", format!("there is no kind `{name}`"));
        let diagnostic = match checker.suggest.closest(name, &names) {
            Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
            None => {
                diagnostic.help(format!("one of `{}`, or declare it under `kinds` in accord.yaml", names.join("`, `")))
            }
        };
        checker.report(file, text.mark, diagnostic);
    }
    find_kind(checker, kinds::DEFAULT).unwrap_or(KindId(0))
}

/// The number of the kind of that name.
pub(super) fn find_kind(checker: &Checker<'_>, name: &str) -> Option<KindId> {
    let n = checker.meant.kinds.binary_search_by(|kind| kind.name.as_ref().cmp(name)).ok()?;
    u16::try_from(n).ok().map(KindId)
}

/// The number of the person of that key; unknown ones are reported.
pub(super) fn reference(checker: &mut Checker<'_>, file: u32, text: &Text) -> Option<PersonId> {
    let key = text.as_str();
    if let Some(n) = checker.names.people.find(key) {
        return Some(PersonId(n));
    }
    let diagnostic = Diagnostic::error("unknown-person", format!("nobody is called `{key}`"));
    let diagnostic = if checker.names.roles.find(key).is_some() {
        diagnostic.help(format!("there is a role of that name: write `role: {key}`"))
    } else if checker.names.groups.find(key).is_some() {
        diagnostic.help(format!("there is a group of that name: write `group: {key}`"))
    } else if let Some(near) = checker.names.people.closest(key, &checker.suggest) {
        diagnostic.help(format!("did you mean `{}` ({})?", near.key.value, checker.shown(near.file, near.key.mark)))
    } else {
        diagnostic.help("declare the person under `people:`, or take the line out")
    };
    checker.report(file, text.mark, diagnostic);
    None
}

/// Somebody who answers for others: known, and a human.
pub(super) fn human(checker: &mut Checker<'_>, file: u32, text: &Text, what: &str) -> Option<PersonId> {
    let id = reference(checker, file, text)?;
    let named = checker.names.people.get(id.0)?;
    if named.value.kind.as_ref().is_some_and(|kind| kind.as_str() == kinds::SERVICE) {
        let message = format!("`{}` is a service identity and cannot be {what}", text.value);
        let mut diagnostic = Diagnostic::error("not-a-human", message).help("name a person who can be asked");
        if let Some(span) = named.value.kind.as_ref().and_then(|kind| checker.span(named.file, kind.mark)) {
            diagnostic = diagnostic.related(span, "its kind");
        }
        checker.report(file, text.mark, diagnostic);
    }
    Some(id)
}

/// The sponsor or owner of a person, who is somebody else.
fn answerer(
    checker: &mut Checker<'_>,
    file: u32,
    person: PersonId,
    text: Option<&Text>,
    what: &'static str,
) -> Option<PersonId> {
    let text = text?;
    let article = if what == "owner" { "an owner" } else { "a sponsor" };
    let id = human(checker, file, text, article)?;
    if id == person {
        let message = format!("`{}` cannot be the {what} of themselves", text.value);
        let diagnostic = Diagnostic::error("own-answerer", message)
            .help(format!("the {what} is asked when something ends or goes wrong: name somebody else"));
        checker.report(file, text.mark, diagnostic);
    }
    Some(id)
}

/// A place for a mark in a file; a short form for the modules of people.
pub(super) fn place(file: u32, mark: written::Mark) -> Place {
    Checker::place(file, mark)
}
