//! `accord why PERSON ENTITLEMENT`: yes or no, until when, and the chain.
//!
//! Comes in: policies. Goes out: one answer. Refuses: to say no where only a
//! directory could tell.

use super::args::{Format, Global, WhyArgs};
use super::failure::{Exit, Failure};
use super::questions::{Question, key};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::model::{Instant, Place};
use crate::policy::{Holding, Person, PersonId, Standing};
use crate::record::{self, Membership};
use crate::render::answers::{self, Link, Verdict, Why};
use crate::resolve;

/// Answers.
pub(super) fn run(terminal: Terminal, global: &Global, args: &WhyArgs) -> Result<Exit, Failure> {
    let session = Session::asked(terminal, global, args.when.rev.as_deref())?;
    let at = session.at(args.when.at.as_deref())?;
    let question = Question::new(&session, at)?;
    let person = question.person(&args.person)?;
    let holding = question.entitlement(&args.entitlement)?;
    let answer = Why { written: written(&question, person, holding, at)?, ..answer(&question, person, holding, at) };
    match global.format {
        Format::Json => terminal.print(&terminal::json(&answer)?)?,
        Format::Text => terminal.print(&answers::why(&answer, session.zone()))?,
        _ => return Err(terminal::no_format("why", global.format)),
    }
    Ok(Exit::Done)
}

fn answer(question: &Question<'_, '_>, id: PersonId, holding: Holding, at: Instant) -> Why {
    let name = question.name(holding);
    let found = question.holding(id, holding, name.clone());
    let person = question.policy().people.get(id.0 as usize);
    let mut notes = Vec::new();
    let (verdict, ends, because) = match found {
        Some(found) => (found.verdict, found.ends, found.because),
        None if question.is_unread(holding) => (Verdict::Unknown, None, Vec::new()),
        None => (Verdict::No, None, Vec::new()),
    };
    let term = ends.and_then(|ends| resolve::ending_term(question.policy(), id, ends, at));
    notes.extend(term.map(|(text, place)| question.link(text, place)));
    let cut = ends.and_then(|ends| question.resolution.ending_cut(id, ends));
    notes.extend(cut.map(|cut| question.link(format!("ends: {}", cut.words(question.policy(), at)), cut.place)));
    notes.extend(other_ways(question, id, holding));
    if verdict == Verdict::No {
        notes.extend(refusals(question, id, holding));
    }
    // That somebody has left is said by the refusal itself.
    let told = |person: &&Person| verdict != Verdict::No || !matches!(person.standing(at), Standing::Left(_));
    notes.extend(person.filter(told).and_then(|person| standing(question, person, at, ends)));
    let key = person.map(|person| person.key.to_string()).unwrap_or_default();
    let references = question.readings([holding]);
    let revision = question.session.revision.clone();
    Why { person: key, entitlement: name, at, verdict, ends, because, notes, written: None, references, revision }
}

/// What a run did last about the membership by then, whatever the policies say. What
/// the directory holds now is not read.
fn written(
    question: &Question<'_, '_>,
    person: PersonId,
    holding: Holding,
    at: Instant,
) -> Result<Option<record::Written>, Failure> {
    let policy = question.policy();
    let Holding::Group(id) = holding else { return Ok(None) };
    let Some(group) = policy.groups.get(id.0 as usize) else { return Ok(None) };
    let directory = policy.directories.get(usize::from(group.directory.0));
    let (Some(directory), Some(person)) = (directory, key(policy, Some(person))) else { return Ok(None) };
    let wanted = Membership { directory: &directory.name, group: &group.directory_name, person: &person, label: None };
    let folder = record::journal_folder(&question.session.repository.root);
    record::written(&folder, wanted, at).map_err(|error| Failure::file(&folder, "read", &error))
}

/// The ways beside the winning one: taking that away would not be enough.
fn other_ways(question: &Question<'_, '_>, person: PersonId, holding: Holding) -> Vec<Link> {
    let ways = resolve::because(question.policy(), &question.resolution, person, holding);
    let zone = question.session.zone();
    let link = |way: resolve::Chain| {
        let until = way.ends.map(|ends| format!(", until {}", ends.civil(zone))).unwrap_or_default();
        let first = way.steps.into_iter().next()?;
        Some(question.link(format!("another way{until}: {}", first.text), first.place))
    };
    ways.into_iter().skip(1).filter_map(link).collect()
}

/// What ended, or takes it away.
fn refusals(question: &Question<'_, '_>, person: PersonId, holding: Holding) -> Vec<Link> {
    let why = resolve::why_not(question.policy(), &question.resolution, person, holding);
    let links: Vec<_> = why.into_iter().map(|step| question.link(step.text, step.place)).collect();
    if links.is_empty() {
        let text = "no member entry reaches this person".to_owned();
        return vec![Link { text, note: None, file: None, line: None }];
    }
    links
}

/// Where the person stands, if that says more than the end does.
fn standing(question: &Question<'_, '_>, person: &Person, at: Instant, ends: Option<Instant>) -> Option<Link> {
    let zone = question.session.zone();
    let text = match person.standing(at) {
        Standing::Future(starts) => format!("the person starts {}", starts.civil(zone)),
        Standing::Present(Some(end)) if Some(end) != ends => format!("the person ends {}", end.civil(zone)),
        Standing::Present(_) => return None,
        Standing::OnLeave(Some(back)) => format!("the person is on leave until {}", back.civil(zone)),
        Standing::OnLeave(None) => "the person is on leave".to_owned(),
        Standing::Left(end) => format!("the person ended {}", end.civil(zone)),
    };
    let place: Place = person.place;
    Some(question.link(text, place))
}
