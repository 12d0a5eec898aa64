//! `accord plan`: what would change, and why; and saved plans, shown and checked.
//!
//! Comes in: policies and directories, or a saved plan. Goes out: a plan as text,
//! Markdown or JSON, and a file of it. Refuses: to hold anything that can write.

use super::approved;
use super::args::{Also, By, Format, Global, Narrow, PlanArgs, Proof, SavedPlan, View as ViewArgs};
use super::directories::How;
use super::evidence::{self, Saved};
use super::failure::{Exit, Failure};
use super::notes;
use super::planning;
use super::redaction;
use super::repository::Repository;
use super::session::{self, Session};
use super::terminal::{self, Terminal};
use crate::model::Instant;
use crate::plan::{self, Filter, Plan, file};
use crate::render::annotations::Annotations;
use crate::render::audience::{Audience, Shown};
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
    if matches!(global.format, Format::Ics | Format::Csv) {
        return Err(terminal::no_format("plan", global.format));
    }
    match &args.saved {
        None => fresh(terminal, global, args),
        Some(SavedPlan::Show { file, view, also }) => {
            let plan = Saved::read(file)?.plan;
            let zone = session::zone(global);
            let policy = if global.audience == Audience::Auditors { None } else { session::known(global) };
            let plan = redaction::of(global, policy.as_ref().as_slice())?.plan(&plan);
            tell(terminal, global, &plan, view, also, &zone)?;
            Ok(Exit::Done)
        }
        Some(SavedPlan::Verify { file, proof }) => verify(terminal, global, file, proof),
    }
}

fn fresh(terminal: Terminal, global: &Global, args: &PlanArgs) -> Result<Exit, Failure> {
    let (session, live) =
        Session::live(terminal, global, How { authors: false, refresh: args.refresh, is_shared: false })?;
    let filter = filter(&session, &args.narrow)?;
    let at = session.at(args.at.as_deref())?;
    let found = approved::find(&session, &live, &args.since, args.request)?;
    let plan = planning::approved(&session, &live, (at, args.at.is_some()), &filter, &found.unapproved)?;
    if let Some(path) = &args.out {
        save(&plan, path)?;
        // One that was made for another plan of that name must not lie beside this one.
        match &args.sign_key {
            Some(key) => drop(evidence::sign(global, key, path)?),
            None => evidence::unsign(path)?,
        }
    }
    let seen = redaction::of(global, &[&session.policy])?.plan(&plan);
    tell(terminal, global, &seen, &args.view, &args.also, session.zone())?;
    drop(seen);
    if let Some(path) = &args.out {
        let path = path.display();
        let next = if plan.read_only { "for reading only".to_owned() } else { format!("Next: accord apply {path}") };
        terminal.say(&format!("saved {path}; {next}"));
    }
    // The other formats say it themselves.
    if !matches!(global.format, Format::Text | Format::Markdown) {
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

/// Prints the plan in the format asked for, and appends it where it goes too.
fn tell(
    terminal: Terminal,
    global: &Global,
    plan: &Shown<'_, Plan>,
    view: &ViewArgs,
    also: &Also,
    zone: &TimeZone,
) -> Result<(), Failure> {
    notes::append(also, || Ok(shown(plan, Format::Markdown, view, zone.clone())))?;
    if global.format.annotates() {
        let folder = Repository::find(global).and_then(|repository| notes::folder(&repository));
        // A saved plan is shown where there are no policies, too.
        let folder = folder.unwrap_or_else(|_| "policies".to_owned());
        return notes::print(terminal, global, &Annotations::of_plan(&folder, plan, zone));
    }
    terminal.print(&shown(plan, global.format, view, zone.clone()))
}

/// The plan as text, Markdown or JSON.
pub(super) fn shown(plan: &Shown<'_, Plan>, format: Format, view: &ViewArgs, zone: TimeZone) -> String {
    let view = View { zone, by_group: view.by == By::Group, all: view.all };
    match format {
        Format::Text => plan_text::plan(plan, &view),
        Format::Markdown => plan_markdown::plan(plan, &view),
        // JSON cannot hold invalid UTF-8: nothing is lost here.
        _ => String::from_utf8_lossy(&file::to_bytes(plan)).into_owned(),
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
    /// Commit of the revision that was trusted when it was made.
    base: Option<String>,
    /// Who signed it, where `--signers` asks.
    signed_by: Option<String>,
    /// The run that did every change of it.
    applied_by: Option<String>,
    /// Whether its commit stands on the one that was applied last.
    on_top: Option<bool>,
    /// What `apply` refuses it for.
    refused: Vec<String>,
}

fn verify(terminal: Terminal, global: &Global, path: &Path, proof: &Proof) -> Result<Exit, Failure> {
    let saved = Saved::read(path)?;
    let session = Session::offline(terminal, global)?;
    let found = saved.examine(global, &session.repository, proof, session.now)?;
    let plan = &saved.plan;
    let mut verified = Verified {
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
        base: plan.policy.base.clone(),
        signed_by: found.signer.map(|signer| signer.name),
        applied_by: found.applied.map(|applied| applied.run),
        on_top: found.on_top,
        refused: found.refused,
    };
    if !verified.same_policy {
        verified.refused.insert(0, "the policies here are not those it was made from: plan again".to_owned());
    }
    if verified.read_only {
        verified.refused.insert(0, "it was made with --at, for reading only".to_owned());
    }
    match global.format {
        Format::Json => terminal.print(&terminal::json(&verified)?)?,
        Format::Text => terminal.print(&verdict(&verified, session.zone()))?,
        _ => return Err(terminal::no_format("plan verify", global.format)),
    }
    Ok(if verified.refused.is_empty() { Exit::Done } else { Exit::Error })
}

fn verdict(verified: &Verified, zone: &TimeZone) -> String {
    let Verified { format, digest, at, age_seconds, policy, same_policy, changes, withheld, .. } = verified;
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
    let same = if *same_policy { "the same as here" } else { "NOT the same as here" };
    let mut lines = vec![
        ("format", escape::terminal(format).into_owned()),
        ("digest", format!("{} matches", escape::terminal(digest))),
        ("policies", format!("{}, {same}", escape::terminal(policy))),
    ];
    lines.extend(verified.base.as_ref().map(|base| ("trusted", escape::terminal(base).into_owned())));
    lines.extend(verified.signed_by.as_ref().map(|name| ("signed by", escape::terminal(name).into_owned())));
    lines.push(("versions", format!("{}, {running}", escape::terminal(&versions.join(", ")))));
    lines.push(("made", format!("{}, {age}", at.civil(zone))));
    lines.push(("holds", format!("{changes} changes, {withheld} withheld")));
    let refused = verified.refused.iter().map(|why| ("applies", format!("no: {}", escape::terminal(why))));
    lines.extend(refused);
    if verified.refused.is_empty() {
        lines.push(("applies", "yes, after it is derived again".to_owned()));
    }
    let lines: Vec<String> = lines.into_iter().map(|(name, text)| format!("{name:<9} {text}")).collect();
    lines.join("\n") + "\n"
}
