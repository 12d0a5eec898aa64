//! `accord plan`: what would change, and why; and saved plans, shown and checked.
//!
//! Comes in: policies and directories, or a saved plan. Goes out: a plan as text,
//! Markdown or JSON, and a file of it. Refuses: to hold anything that can write.

use super::args::{By, Format, Global, Narrow, PlanArgs, SavedPlan, View as ViewArgs};
use super::directories::How;
use super::failure::{Exit, Failure};
use super::planning;
use super::session::{self, Session};
use super::terminal::{self, Terminal};
use crate::model::Instant;
use crate::plan::{self, Filter, Plan, file};
use crate::render::plan_text::View;
use crate::render::{escape, plan_markdown, plan_text};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Plans, or works on a saved plan.
pub(super) fn run(terminal: Terminal, global: &Global, args: &PlanArgs) -> Result<Exit, Failure> {
    match &args.saved {
        None => fresh(terminal, global, args),
        Some(SavedPlan::Show { file, view }) => {
            let plan = read(file)?;
            terminal.print(&shown(&plan, global.format, view, session::zone(global)))?;
            Ok(Exit::Done)
        }
        Some(SavedPlan::Verify { file }) => verify(terminal, global, file),
    }
}

fn fresh(terminal: Terminal, global: &Global, args: &PlanArgs) -> Result<Exit, Failure> {
    let (session, live) = Session::live(terminal, global, How { authors: false, refresh: args.refresh })?;
    let filter = filter(&session, &args.narrow)?;
    let at = session.at(args.at.as_deref())?;
    let plan = planning::derive(&session, &live, at, args.at.is_some(), &filter)?;
    if let Some(path) = &args.out {
        save(&plan, path)?;
    }
    terminal.print(&shown(&plan, global.format, &args.view, session.zone().clone()))?;
    if let Some(path) = &args.out {
        let path = path.display();
        let next = if plan.read_only { "for reading only".to_owned() } else { format!("Next: accord apply {path}") };
        terminal.say(&format!("saved {path}; {next}"));
    }
    if global.format == Format::Json {
        planning::say_failures(&session, &live);
    }
    let exit = planning::exit(&plan, &live, args.detailed_exitcode);
    session::leave((plan, live, session));
    Ok(exit)
}

/// What narrows the plan, checked against the policies.
///
/// # Errors
/// When a directory is not declared.
pub(super) fn filter(session: &Session<'_>, narrow: &Narrow) -> Result<Filter, Failure> {
    ensure_declared(session, &narrow.directory)?;
    let mut directories = narrow.directory.clone();
    directories.sort();
    directories.dedup();
    let mut actions = narrow.action.clone();
    actions.sort();
    actions.dedup();
    let allow = narrow.allow.iter().cloned().collect();
    Ok(Filter { directories, actions, dated: narrow.dated, since: None, allow, ticket: narrow.ticket.clone() })
}

/// Every name is a directory of the policies.
///
/// # Errors
/// The first that is not, with those that are.
pub(super) fn ensure_declared(session: &Session<'_>, names: &[String]) -> Result<(), Failure> {
    let Some(unknown) = names.iter().find(|name| session.policy.directory_named(name).is_none()) else { return Ok(()) };
    let declared: Vec<_> = session.policy.directories.iter().map(|directory| directory.name.as_ref()).collect();
    Err(Failure::new(format!("no directory is called `{unknown}`")).help(format!("one of {}", declared.join(", "))))
}

/// The plan in the format asked for.
pub(super) fn shown(plan: &Plan, format: Format, view: &ViewArgs, zone: TimeZone) -> String {
    let view = View { zone, by_group: view.by == By::Group, all: view.all };
    match format {
        Format::Text => plan_text::plan(plan, &view),
        Format::Markdown => plan_markdown::plan(plan, &view),
        // JSON cannot hold invalid UTF-8: nothing is lost here.
        Format::Json => String::from_utf8_lossy(&file::to_bytes(plan)).into_owned(),
    }
}

/// Writes the plan beside its place first, so that the file is whole or not there.
fn save(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::file(path, "write", &error);
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut out = BufWriter::new(fs::File::create(&beside).map_err(wrong)?);
    file::write(plan, &mut out).map_err(wrong)?;
    out.flush().map_err(wrong)?;
    fs::rename(&beside, path).map_err(wrong)
}

/// A saved plan whose digest is right.
///
/// # Errors
/// When it is no plan, or was changed after it was made.
pub(super) fn read(path: &Path) -> Result<Plan, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
    file::read(&bytes).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))
}

/// What [`verify`] found.
#[derive(Debug, Serialize)]
struct Verified {
    format: String,
    digest: String,
    at: Instant,
    age_seconds: i64,
    read_only: bool,
    policy: String,
    same_policy: bool,
    versions: BTreeMap<String, String>,
    same_versions: bool,
    changes: usize,
    withheld: usize,
}

fn verify(terminal: Terminal, global: &Global, path: &Path) -> Result<Exit, Failure> {
    let plan = read(path)?;
    let session = Session::offline(terminal, global)?;
    let verified = Verified {
        format: plan.format.clone(),
        digest: plan.digest.clone(),
        at: plan.at,
        age_seconds: session.now.as_seconds() - plan.at.as_seconds(),
        read_only: plan.read_only,
        policy: plan.policy.commit.clone().unwrap_or_else(|| plan.policy.digest.clone()),
        same_policy: plan.policy.digest == session.mark.digest && plan.policy.commit == session.mark.commit,
        versions: plan.versions.clone(),
        same_versions: plan.versions == plan::versions(),
        changes: plan.changes.len(),
        withheld: plan.withheld.len(),
    };
    match global.format {
        Format::Json => terminal.print(&terminal::json(&verified)?)?,
        Format::Text => terminal.print(&verdict(&verified, session.zone()))?,
        Format::Markdown => return Err(terminal::no_format("plan verify", global.format)),
    }
    let usable = verified.same_policy && !verified.read_only;
    Ok(if usable { Exit::Done } else { Exit::Error })
}

fn verdict(verified: &Verified, zone: &TimeZone) -> String {
    let Verified { format, digest, at, age_seconds, read_only, policy, same_policy, changes, withheld, .. } = verified;
    let versions: Vec<_> = verified.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let running = if verified.same_versions {
        "the same as here"
    } else {
        "NOT the same as here: applied only if every change is derived identically"
    };
    let age = match age_seconds {
        seconds if *seconds < 0 => "in the future".to_owned(),
        seconds if *seconds < 7_200 => format!("{} minutes old", seconds / 60),
        seconds if *seconds < 172_800 => format!("{} hours old", seconds / 3_600),
        seconds => format!("{} days old", seconds / 86_400),
    };
    let same = if *same_policy { "the same as here" } else { "NOT the same as here: plan again" };
    let reading = if *read_only { "no: made with --at, for reading only" } else { "yes, after it is derived again" };
    format!(
        "format    {}\ndigest    {} matches\npolicies  {}, {same}\nversions  {}, {running}\nmade      {}, {age}\nholds     {changes} changes, {withheld} withheld\napplies   {reading}\n",
        escape::terminal(format),
        escape::terminal(digest),
        escape::terminal(policy),
        escape::terminal(&versions.join(", ")),
        at.civil(zone),
    )
}
