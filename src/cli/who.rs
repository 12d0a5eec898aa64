//! `accord who ENTITLEMENT`: the people who hold a role or a group.
//!
//! Comes in: policies. Goes out: people by key, each with end and because. Refuses:
//! to call a group empty that was not read.

use super::args::{Format, Global, WhoArgs};
use super::breaches;
use super::failure::{Exit, Failure};
use super::questions::{Question, key};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::model::Instant;
use crate::policy::{Holding, PersonId};
use crate::render::answers::{self, Who};
use std::collections::BTreeSet;

/// Answers.
pub(super) fn run(terminal: Terminal, global: &Global, args: &WhoArgs) -> Result<Exit, Failure> {
    let mut session = Session::asked(terminal, global, args.when.rev.as_deref())?;
    breaches::suppose(&mut session, &args.more)?;
    let at = session.at(args.when.at.as_deref())?;
    let question = Question::new(&session, at)?;
    let holding = question.entitlement(&args.entitlement)?;
    let answer = answer(&question, holding, at);
    match global.format {
        Format::Json => terminal.print(&terminal::json(&answer)?)?,
        Format::Text => terminal.print(&answers::who(&answer, session.zone()))?,
        _ => return Err(terminal::no_format("who", global.format)),
    }
    Ok(Exit::Done)
}

fn answer(question: &Question<'_, '_>, holding: Holding, at: Instant) -> Who {
    let policy = question.policy();
    let (description, owner) = match holding {
        Holding::Group(id) => {
            policy.groups.get(id.0 as usize).map(|group| (group.description.clone(), group.owner)).unwrap_or_default()
        }
        Holding::Role(id) => {
            policy.roles.get(id.0 as usize).map(|role| (role.description.clone(), role.owner)).unwrap_or_default()
        }
    };
    let sure = question.resolution.held_in(holding).map(|held| held.person);
    let people: BTreeSet<PersonId> = sure.chain(question.resolution.unsettled_in(holding)).collect();
    let people: Vec<_> =
        people.into_iter().filter_map(|person| question.holding(person, holding, key(policy, Some(person))?)).collect();
    Who {
        entitlement: question.name(holding),
        description: description.map(String::from),
        owner: key(policy, owner),
        at,
        people,
        references: question.readings([holding]),
        revision: question.session.revision.clone(),
    }
}
