//! `accord expiring`: what ends soon, per sponsor and owner.
//!
//! Comes in: policies. Goes out: endings under the person who should do something
//! about them. Refuses: to list one ending under everybody.

use super::answerable::{for_holding, for_person};
use super::args::{ExpiringArgs, Format, Global};
use super::clock;
use super::failure::{Exit, Failure};
use super::overdue;
use super::questions::{Question, key, with_account};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::model::Instant;
use crate::policy::{Holding, Person, PersonId, Standing};
use crate::render::answers::{self, Answerable, Beginning, Ending, Expiring, Link};
use crate::render::calendar;
use crate::render::escape;
use crate::resolve::{self, Via};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Answers.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ExpiringArgs) -> Result<Exit, Failure> {
    if args.overdue {
        return overdue::run(terminal, global, args.offline);
    }
    let session = Session::asked(terminal, global, args.when.rev.as_deref())?;
    let at = session.at(args.when.at.as_deref())?;
    let until = at.plus(clock::term(&args.within)?.seconds());
    let question = Question::new(&session, at)?;
    let mut answerable = answerable(&question, at, until);
    if let Some(word) = &args.answerable {
        let person = key(&session.policy, Some(question.person(word)?));
        answerable.retain(|one| person.as_ref() == Some(&one.person));
    }
    let beginning = beginning(&question, at, until);
    let answer = Expiring { at, until, answerable, beginning, revision: session.revision.clone() };
    if let Some(folder) = &args.out {
        return files(terminal, global, folder, &answer, &session.policy.organization);
    }
    match global.format {
        Format::Ics => terminal.print(&calendar::ics(&answer, &session.policy.organization))?,
        Format::Csv => terminal.print(&calendar::csv(&answer))?,
        Format::Json => terminal.print(&terminal::json(&answer)?)?,
        Format::Text => terminal.print(&answers::expiring(&answer, session.zone()))?,
        _ => return Err(terminal::no_format("expiring", global.format)),
    }
    Ok(Exit::Done)
}

/// One file for each who answers; the names of the files on stdout.
fn files(
    terminal: Terminal,
    global: &Global,
    folder: &Path,
    answer: &Expiring,
    organization: &str,
) -> Result<Exit, Failure> {
    if !matches!(global.format, Format::Ics | Format::Csv) {
        return Err(Failure::new("`--out` writes calendars or tables").help("add --format ics or --format csv"));
    }
    fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "make", &error))?;
    for one in &answer.answerable {
        let alone = Expiring { answerable: vec![one.clone()], beginning: Vec::new(), ..answer.clone() };
        let text = match global.format {
            Format::Csv => calendar::csv(&alone),
            _ => calendar::ics(&alone, organization),
        };
        let path = folder.join(format!("{}.{}", file_name(&one.person), global.format.word()));
        fs::write(&path, text).map_err(|error| Failure::file(&path, "write", &error))?;
        terminal.print(&format!("{}\n", escape::terminal(&path.display().to_string())))?;
    }
    Ok(Exit::Done)
}

/// A key as the name of a file: whatever could lead elsewhere is a number.
fn file_name(key: &str) -> String {
    let mut name = String::new();
    for (n, c) in key.chars().enumerate() {
        if c.is_alphanumeric() || "-_@".contains(c) || (c == '.' && n > 0) {
            name.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{:02X}", u32::from(c));
        }
    }
    name
}

/// People who end, under their sponsor or manager; memberships that end before the
/// person does, under the owner of the role or group, or who answers for the person.
fn answerable(question: &Question<'_, '_>, at: Instant, until: Instant) -> Vec<Answerable> {
    let policy = question.policy();
    let mut found: BTreeMap<String, Vec<Ending>> = BTreeMap::new();
    let mut ends_at: BTreeMap<PersonId, Instant> = BTreeMap::new();
    for (n, person) in (0u32..).zip(&policy.people) {
        let Some(ends) = end(person, at).filter(|ends| *ends <= until) else { continue };
        ends_at.insert(PersonId(n), ends);
        let because = question.link("last day of the person".to_owned(), place(person, ends));
        let ending = Ending { ends, person: person.key.to_string(), what: "the person".to_owned(), because };
        found.entry(for_person(policy, person, at)).or_default().push(ending);
    }
    for holding in question.holdings() {
        for held in question.resolution.held_in(holding) {
            let Some(ends) = held.ends.filter(|ends| *ends <= until) else { continue };
            // What ends with its person is said above; what a role gives ends with the role.
            if ends_at.get(&held.person).is_some_and(|end| *end <= ends) || is_given(holding, held.via) {
                continue;
            }
            let Some(person) = policy.people.get(held.person.0 as usize) else { continue };
            let because = match question.resolution.ending_cut(held.person, ends) {
                Some(cut) => question.link(cut.words(policy, at), cut.place),
                None => entry(question, held.via),
            };
            let what = with_account(policy, question.name(holding), held.label);
            let ending = Ending { ends, person: person.key.to_string(), what, because };
            found.entry(for_holding(policy, holding, person, at)).or_default().push(ending);
        }
    }
    found
        .into_iter()
        .map(|(person, mut endings)| {
            endings.sort();
            Answerable { person, endings }
        })
        .collect()
}

/// Accounts that are made in that time, before somebody's first day.
fn beginning(question: &Question<'_, '_>, at: Instant, until: Instant) -> Vec<Beginning> {
    let policy = question.policy();
    let mut found = Vec::new();
    for early in resolve::early_accounts(policy, &question.references, at, until) {
        let (Some(person), Some(directory)) =
            (policy.people.get(early.person.0 as usize), policy.directories.get(usize::from(early.directory.0)))
        else {
            continue;
        };
        let period = person.periods.iter().find(|period| period.window.starts == Some(early.begins));
        let place = period.map_or(person.place, |period| period.place);
        found.push(Beginning {
            created: early.created,
            begins: early.begins,
            person: person.key.to_string(),
            directory: directory.name.to_string(),
            account: policy.label(early.label).map(str::to_owned),
            because: question.link("first day of the person".to_owned(), place),
        });
    }
    found.sort();
    found
}

fn is_given(holding: Holding, via: Via) -> bool {
    matches!((holding, via), (_, Via::Role(_)))
}

/// The end of the period that the person is in.
fn end(person: &Person, at: Instant) -> Option<Instant> {
    match person.standing(at) {
        Standing::Present(end) => end,
        // On leave the period still ends.
        Standing::OnLeave(_) => {
            person.periods.iter().find(|period| period.window.contains(at)).and_then(|period| period.window.expires)
        }
        Standing::Future(_) | Standing::Left(_) => None,
    }
}

pub(super) fn place(person: &Person, ends: Instant) -> crate::model::Place {
    let period = person.periods.iter().find(|period| period.window.expires == Some(ends));
    period.map_or(person.place, |period| period.place)
}

/// The member entry through which it is held.
fn entry(question: &Question<'_, '_>, via: Via) -> Link {
    let nothing = Link { text: "managed elsewhere".to_owned(), note: None, file: None, line: None };
    let Via::Entry(id) = via else { return nothing };
    let Some(entry) = question.policy().entries.get(id.0 as usize) else { return nothing };
    let mut link = question.link("member entry".to_owned(), entry.place);
    let parts = [entry.details().ticket.as_deref(), entry.details().reason.as_deref()];
    let note: Vec<_> = parts.into_iter().flatten().collect();
    link.note = (!note.is_empty()).then(|| note.join(" · "));
    link
}
