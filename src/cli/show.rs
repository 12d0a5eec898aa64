//! `accord show PERSON`: who a person is and what the person holds.
//!
//! Comes in: policies. Goes out: one answer. Refuses: to guess what a directory holds.

use super::args::{Format, Global, ShowArgs};
use super::failure::{Exit, Failure};
use super::questions::{Question, key};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::model::Instant;
use crate::policy::{Holding, Person, PersonId, Standing, Value};
use crate::render::answers::{self, Show};

/// Answers.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ShowArgs) -> Result<Exit, Failure> {
    let session = Session::asked(terminal, global, args.when.rev.as_deref())?;
    let at = session.at(args.when.at.as_deref())?;
    let question = Question::new(&session, at)?;
    let id = question.person(&args.person)?;
    let Some(person) = session.policy.people.get(id.0 as usize) else {
        return Err(Failure::new(format!("nobody is called `{}`", args.person)));
    };
    let answer = answer(&question, id, person, at);
    match global.format {
        Format::Json => terminal.print(&terminal::json(&answer)?)?,
        Format::Text => terminal.print(&answers::show(&answer, session.zone()))?,
        _ => return Err(terminal::no_format("show", global.format)),
    }
    Ok(Exit::Done)
}

fn answer(question: &Question<'_, '_>, id: PersonId, person: &Person, at: Instant) -> Show {
    let (mut roles, mut groups) = (Vec::new(), Vec::new());
    for holding in question.holdings() {
        let list = if matches!(holding, Holding::Role(_)) { &mut roles } else { &mut groups };
        list.extend(question.holding(id, holding, question.name(holding)));
    }
    // Also what hangs on a reading and is not held: an old reading may be why.
    let hanging = question.holdings().filter(|holding| !question.is_reference(*holding));
    Show {
        person: person.key.to_string(),
        at,
        standing: question.link(standing(question, person, at), person.place),
        about: about(question, person, at),
        roles,
        groups,
        references: question.readings(hanging),
        revision: question.session.revision.clone(),
    }
}

/// `contractor of Initech, until 2027-04-01 00:00`.
fn standing(question: &Question<'_, '_>, person: &Person, at: Instant) -> String {
    let zone = question.session.zone();
    let kind = question.policy().kinds.get(usize::from(person.kind.0)).map_or("person", |kind| &kind.name);
    let company = person.company.as_ref().map(|company| format!(" of {company}")).unwrap_or_default();
    let when = match person.standing(at) {
        Standing::Future(starts) => format!("starts {}", starts.civil(zone)),
        Standing::Present(Some(end)) => format!("until {}", end.civil(zone)),
        Standing::Present(None) => "without an end".to_owned(),
        Standing::OnLeave(Some(back)) => format!("on leave until {}", back.civil(zone)),
        Standing::OnLeave(None) => "on leave".to_owned(),
        Standing::Left(end) => format!("ended {}", end.civil(zone)),
    };
    format!("{kind}{company}, {when}")
}

/// Attributes of the person and of the positions at the instant.
fn about(question: &Question<'_, '_>, person: &Person, at: Instant) -> Vec<(String, String)> {
    let policy = question.policy();
    let mut list: Vec<(String, String)> = Vec::new();
    let mut add = |label: &str, value: Option<String>| list.extend(value.map(|value| (label.to_owned(), value)));
    let own = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
    add("name", own(&person.name));
    add("id", own(&person.id));
    add("email", own(&person.email));
    add("sponsor", key(policy, person.sponsor));
    add("owner", key(policy, person.owner));
    add("hold", own(&person.hold));
    for position in person.positions.iter().filter(|position| position.window.contains(at)) {
        add("manager", key(policy, position.manager));
        for (name, value) in position.attributes.iter() {
            add(name, Some(written(value)));
        }
    }
    for account in &person.accounts {
        let directory = policy.directories.get(usize::from(account.directory.0)).map_or("?", |one| &one.name);
        let label = policy.label(account.label).map(|label| format!("#{label}")).unwrap_or_default();
        add("account", Some(format!("{} in {directory}{label}", account.name)));
    }
    list
}

fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(list) => list.join(", "),
    }
}
