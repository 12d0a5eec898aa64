//! One person's attributes, accounts and required fields.
//!
//! Comes in: a written person. Goes out: attributes and account names. Refuses:
//! attributes that a rule could not name or that hide a field, accounts in unknown
//! directories, and a person of a kind who lacks what the kind requires.

use super::index::Named;
use super::people::place;
use super::{Checker, kinds, labels, words};
use crate::diagnostic::Diagnostic;
use crate::policy::written::{self, At, Given, Mark, Table};
use crate::policy::{AccountName, DirectoryId, KindId, Label, Person, Value, rule};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Code of an attribute that would be a credential.
pub(super) const CREDENTIAL: &str = "credential-attribute";

/// Sorted attributes.
pub(super) type Attributes = Vec<(Arc<str>, Value)>;

/// Sorted attributes as positions share them.
type Set = Arc<[(Arc<str>, Value)]>;

/// Names of attributes and whole sets of them, each held once for all people.
#[derive(Default)]
pub(super) struct Shared {
    names: BTreeSet<Arc<str>>,
    sets: BTreeSet<Set>,
}

impl Shared {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(Arc::clone(&new));
        new
    }

    /// Sorted attributes, as a position holds them.
    pub(super) fn set(&mut self, attributes: &[(Arc<str>, Value)]) -> Set {
        if let Some(known) = self.sets.get(attributes) {
            return Arc::clone(known);
        }
        let new: Set = attributes.into();
        self.sets.insert(Arc::clone(&new));
        new
    }
}

/// The person's attributes, `department` and `title` among them, sorted by name.
pub(super) fn attributes(checker: &mut Checker<'_>, named: Named<'_, written::Person>) -> Attributes {
    let person = named.value;
    let own = [("department", &person.department), ("title", &person.title)];
    collect(checker, named.file, own, &person.attributes)
}

/// Attributes of a person or position, sorted by name.
pub(super) fn collect(
    checker: &mut Checker<'_>,
    file: u32,
    own: [(&str, &Option<Box<str>>); 2],
    table: &Table<At<Given>>,
) -> Attributes {
    let mut attributes: Attributes = Vec::with_capacity(table.0.len() + 2);
    for (name, value) in own {
        attributes.extend(value.as_ref().map(|text| (checker.shared.get(name), Value::Text(text.clone()))));
    }
    for (name, given) in table {
        if let Some(diagnostic) = bad_attribute(name.as_str(), &attributes) {
            // A line that may hold a credential is named and not shown.
            let secret = diagnostic.code == CREDENTIAL;
            let mark = if secret { Mark { column: 0, length: 0, ..name.mark } } else { name.mark };
            checker.report(file, mark, diagnostic);
            continue;
        }
        attributes.push((checker.shared.get(name.as_str()), value_of(&given.value)));
    }
    attributes.sort_by(|a, b| a.0.cmp(&b.0));
    attributes
}

fn bad_attribute(name: &str, own: &Attributes) -> Option<Diagnostic> {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !word {
        let message = format!("`{}` cannot be the name of an attribute", name.escape_debug());
        let help = "letters, digits and `_`, so that a rule can say `person.cost_center`";
        return Some(Diagnostic::error("bad-attribute", message).help(help));
    }
    if rule::FIXED.contains(&name) || kinds::REQUIRABLE.contains(&name) {
        let message = format!("`{name}` is a field of a person, not an attribute");
        return Some(
            Diagnostic::error("bad-attribute", message)
                .help(format!("write `{name}:` beside `attributes:`, not below")),
        );
    }
    if words::is_credential(name) {
        let message = format!("`{name}` would be a credential; accord never holds one");
        return Some(
            Diagnostic::error(CREDENTIAL, message)
                .help("remove it here and change it there: whoever reads the policy knows it now"),
        );
    }
    own.iter().any(|(other, _)| other.as_ref() == name).then(|| {
        Diagnostic::error("duplicate-key", format!("`{name}` is written here and beside `attributes:`"))
            .help("keep one of the two")
    })
}

fn value_of(given: &Given) -> Value {
    match given {
        Given::Text(text) => Value::Text(text.clone()),
        Given::Number(number) => Value::Number(*number),
        Given::Flag(flag) => Value::Flag(*flag),
        Given::List(list) => Value::List(list.clone()),
    }
}

/// Account names, sorted by directory and label.
pub(super) fn accounts(checker: &mut Checker<'_>, named: Named<'_, written::Person>) -> Vec<AccountName> {
    let mut accounts = Vec::with_capacity(named.value.accounts.0.len());
    for (key, name) in &named.value.accounts {
        let (directory, suffix) = match key.as_str().split_once('#') {
            Some((directory, suffix)) => (directory, Some(suffix)),
            None => (key.as_str(), None),
        };
        if let Some(why) = words::bad_name(name.as_str()) {
            checker.report(
                named.file,
                name.mark,
                Diagnostic::error("bad-key", format!("this cannot be the name of an account: {why}")),
            );
        }
        let Some(directory) = directory_of(checker, named.file, directory, key.mark) else { continue };
        accounts.push(AccountName {
            directory,
            label: suffix.map_or(Label::EVERYDAY, |suffix| labels::of(checker, suffix)),
            name: (&name.value).into(),
            place: place(named.file, name.mark),
        });
    }
    accounts.sort_by_key(|account| (account.directory, account.label));
    accounts
}

/// The number of a directory; unknown ones are reported at `mark`.
pub(super) fn directory_of(checker: &mut Checker<'_>, file: u32, name: &str, mark: Mark) -> Option<DirectoryId> {
    if let Some(n) = checker.names.directories.find(name) {
        return u16::try_from(n).ok().map(DirectoryId);
    }
    let diagnostic = Diagnostic::error("unknown-directory", format!("there is no directory `{name}`"));
    let known: Vec<&str> = checker.names.directories.list().iter().map(|named| named.key.as_str()).collect();
    let diagnostic = match checker.suggest.closest(name, &known) {
        Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
        None if known.is_empty() => diagnostic.help("declare it under `directories` in accord.yaml"),
        None => diagnostic.help(format!(
            "known are `{}`; others are declared under `directories` in accord.yaml",
            known.join("`, `")
        )),
    };
    checker.report(file, mark, diagnostic);
    None
}

/// What the person's kinds require and the person lacks.
pub(super) fn required(checker: &mut Checker<'_>, named: Named<'_, written::Person>, person: &Person) {
    let mut kinds: Vec<KindId> = person.positions.iter().map(|position| position.kind).collect();
    kinds.push(person.kind);
    kinds.sort_unstable();
    kinds.dedup();
    for id in kinds {
        let Some(kind) = checker.meant.kinds.get(usize::from(id.0)) else { continue };
        let missing: Vec<Box<str>> =
            kind.require.iter().filter(|field| !has(named.value, person, id, field)).cloned().collect();
        let (kind, because) = (kind.name.clone(), kind.place);
        for field in missing {
            let message = format!("`{}` has no `{field}`, which {} `{kind}` needs", person.key, article(&kind));
            let mut diagnostic = Diagnostic::error("missing-field", message).help(how(&field));
            if let Some(place) = because {
                let mark = Mark { line: place.line, column: u16::try_from(place.column).unwrap_or(1), length: 1 };
                diagnostic = checker
                    .span(place.file.0, mark)
                    .map_or(diagnostic.clone(), |span| diagnostic.related(span, "required here"));
            }
            // At the word that asks for the field.
            let mark =
                named.value.kind.as_ref().filter(|word| *word.value == *kind).map_or(named.key.mark, |word| word.mark);
            checker.report(named.file, mark, diagnostic);
        }
    }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn how(field: &str) -> &'static str {
    match field {
        "expires" => "write the last day of access, `expires: 2027-03-31`; it can be moved later",
        "starts" => "write the first day, `starts: 2026-10-01`",
        "sponsor" => "name the person who answers for them, `sponsor: wei.chen`",
        "owner" => "name the person who answers for it, `owner: wei.chen`",
        "manager" => "name the manager, `manager: wei.chen`",
        _ => "write it below the person's key",
    }
}

/// Whether `field` is written for every part of life that is of that kind. What is
/// written and wrong was reported as such; it is not missing too.
fn has(written: &written::Person, person: &Person, kind: KindId, field: &str) -> bool {
    let positions = || person.positions.iter().filter(|position| position.kind == kind);
    match field {
        "company" => person.company.is_some(),
        "email" => person.email.is_some(),
        "family_name" => person.family_name.is_some(),
        "given_name" => person.given_name.is_some(),
        "id" => person.id.is_some(),
        "name" => person.name.is_some(),
        "owner" => written.owner.is_some(),
        "sponsor" => written.sponsor.is_some(),
        "manager" => written.manager.is_some() || positions().all(|position| position.manager.is_some()),
        // Every period ends, or at least every position of that kind does.
        "expires" => {
            dated(written, |person| person.expires.is_some(), |period| period.expires.is_some())
                || person.kind != kind && positions().all(|position| position.window.expires.is_some())
        }
        "starts" => {
            dated(written, |person| person.starts.is_some(), |period| period.starts.is_some())
                || person.kind != kind && positions().all(|position| position.window.starts.is_some())
        }
        _ => positions().all(|position| position.attributes.iter().any(|(name, _)| name.as_ref() == field)),
    }
}

/// Whether the date is written for the person's whole time.
fn dated(written: &written::Person, whole: fn(&written::Person) -> bool, period: fn(&written::Period) -> bool) -> bool {
    if written.periods.is_empty() { whole(written) } else { written.periods.iter().all(|at| period(&at.value)) }
}
