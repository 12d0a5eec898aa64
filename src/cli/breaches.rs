//! `accord review constraints`: who breaks a constraint, now or later; and what somebody
//! would break if more were written (`--what-if`).
//!
//! Comes in: policies, the last readings of groups that are managed elsewhere. Goes out:
//! breaches with both ways and the window; exit code 3 if there are any. Refuses: directories,
//! and to write a file.

use super::args::{ConstraintsArgs, Format, Global, WhatIf};
use super::failure::{Exit, Failure};
use super::questions::{reading, remembered, unknown};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::diagnostic::Diagnostic;
use crate::model::Instant;
use crate::plan::Memory;
use crate::policy::{Holding, Policy};
use crate::render::answers::Reading;
use crate::render::breaches::{self as render, Report};
use crate::resolve::{self, BreachKind, References};
use crate::review::breaches::{Broken, broken};
use crate::review::what_if::{self, Impossible};

/// `validate` warns of what begins within so many seconds: ninety days.
const SOON: i64 = 90 * 86_400;

/// Finds and tells.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ConstraintsArgs) -> Result<Exit, Failure> {
    if !matches!(global.format, Format::Text | Format::Json) {
        return Err(terminal::no_format("review constraints", global.format));
    }
    let mut session = Session::asked(terminal, global, args.when.rev.as_deref())?;
    let at = session.at(args.when.at.as_deref())?;
    let before = if args.more.what_if.is_empty() { Vec::new() } else { found(&session, at, None)?.0 };
    suppose(&mut session, &args.more)?;
    let (mut after, references) = found(&session, at, None)?;
    let same = |one: &Broken, other: &Broken| render::same(one, other);
    after.retain(|one| !before.iter().any(|other| same(one, other)));
    let mut report = Report::new(&session.policy, &after, at);
    report.what_if.clone_from(&args.more.what_if);
    report.references = references;
    report.revision.clone_from(&session.revision);
    match global.format {
        Format::Json => terminal.print(&terminal::json(&report)?)?,
        _ => terminal.print(&render::text(&report, session.zone()))?,
    }
    Ok(if report.breaches.is_empty() { Exit::Done } else { Exit::Withheld })
}

/// What `validate` warns of: breaches now, and those that begin soon.
///
/// # Errors
/// When the journal cannot be read, or comes from a commit.
pub(super) fn findings(session: &Session<'_>) -> Result<Vec<Diagnostic>, Failure> {
    let (mut found, _) = found(session, session.now, Some(session.now.plus(SOON)))?;
    // Of what was not read there may be as many as there are people.
    found.retain(|one| one.breach.kind != BreachKind::Unsettled);
    Ok(render::findings(&session.policy, &found))
}

fn found(session: &Session<'_>, at: Instant, until: Option<Instant>) -> Result<(Vec<Broken>, Vec<Reading>), Failure> {
    let policy = &session.policy;
    let sides: Vec<Holding> =
        policy.constraints.iter().flat_map(|one| one.exclusive.iter().chain(&one.forbid)).copied().collect();
    if sides.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let hangs_on = resolve::references_of(policy, sides);
    let (references, memory) =
        if hangs_on.is_empty() { (References::default(), Memory::default()) } else { remembered(session, at)? };
    let readings = hangs_on.into_iter().filter_map(|group| reading(policy, &memory, group)).collect();
    Ok((broken(policy, &references, at, until), readings))
}

/// Writes what `--what-if` says into the policies in memory.
///
/// # Errors
/// When it names what is not declared, is so already, or would be a circle.
pub(super) fn suppose(session: &mut Session<'_>, more: &WhatIf) -> Result<(), Failure> {
    for text in &more.what_if {
        let change = what_if::parse(&session.policy, text).map_err(|error| impossible(&session.policy, &error))?;
        what_if::apply(&mut session.policy, change, text).map_err(|error| impossible(&session.policy, &error))?;
    }
    Ok(())
}

fn impossible(policy: &Policy, error: &Impossible) -> Failure {
    let what = error.to_string();
    match error {
        Impossible::Unknown(sort, word) => {
            let groups: Vec<String> = match *sort {
                "group" => policy.groups.iter().map(|group| super::questions::group_name(policy, group)).collect(),
                "role" => policy.roles.iter().map(|role| role.key.to_string()).collect(),
                _ => policy.people.iter().map(|person| person.key.to_string()).collect(),
            };
            unknown(&format!("there is no {sort}"), word, groups.iter().map(String::as_str))
        }
        Impossible::Words(_) => Failure::new(what).help(
            "write \"ROLE grants DIRECTORY/GROUP\", \"ROLE includes ROLE\", \"PERSON joins ROLE\" or \"PERSON joins DIRECTORY/GROUP\"",
        ),
        Impossible::Elsewhere(_) => Failure::new(what).help("who is in it is decided where it is managed"),
        Impossible::Already(_) => Failure::new(what).help("nothing would change"),
        Impossible::Circle(..) => Failure::new(what).help("take one of the two ways"),
    }
}
