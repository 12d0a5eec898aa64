//! Carrying out a plan: connections that write, the journal, a bar, an end.
//!
//! Comes in: a derived plan, perhaps a reviewed one. Goes out: the table and an exit
//! code. Refuses: to send anything before the journal is open, and to go on sending
//! after Ctrl-C or SIGTERM.

use super::approved;
use super::args::Format;
use super::directories::Live;
use super::failure::{Exit, Failure};
use super::progress::Bar;
use super::remote::{self, Lease};
use super::secrets;
use super::session::{self, Session};
use super::{clock, planning, terminal};
use crate::apply::{self, Cancel, Clock, Found, Leave, Outcome, Patience, Request, Target, Work};
use crate::model::{Change, Instant};
use crate::plan::signature::Signer;
use crate::plan::{Plan, compare};
use crate::provider::{self, Purpose, connect};
use crate::record::entry::{Late, Matched};
use crate::record::{Journal, Record, Start, Status};
use crate::render::{escape, outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time;

/// A plan that was shown to somebody before.
pub(super) struct Reviewed<'a> {
    pub(super) plan: &'a Plan,
    /// Who signed its file, where that was asked.
    pub(super) signer: Option<&'a Signer>,
}

/// What a run is told beside its plan.
#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    /// The command that continues.
    pub(super) again: &'a str,
    /// The lease, where other machines take part.
    pub(super) lease: Option<&'a Lease>,
}

/// Executes `derived`, or of `reviewed` what `derived` still says.
///
/// # Errors
/// When the review is of something else, a secret is missing, the journal cannot be
/// written, or the output cannot.
pub(super) fn execute(
    session: &Session<'_>,
    live: &Live,
    (derived, found): (&Plan, &approved::Found),
    reviewed: Option<&Reviewed<'_>>,
    Running { again, lease }: Running<'_>,
) -> Result<Exit, Failure> {
    let work = Work::going_on(derived, reviewed.map(|reviewed| reviewed.plan), &in_effect(session, live))
        .map_err(|refused| Failure::new(refused.to_string()).help("accord plan --out FILE, and have that reviewed"))?;
    let plan = work.plan();
    if let Some(what) = compare::other_versions(plan, derived) {
        session.terminal.say(&format!("{}; every change of it is derived identically", escape::terminal(&what)));
    }
    let directories = targets(session, live, plan)?;
    let mut journal = Journal::start(&session.repository.root, start(&work, reviewed, found), session.now)?;
    add_late(session, &mut journal)?;
    for (directory, sightings) in planning::matched(session, live) {
        journal.add(session.now, Record::Matched(Matched::of(directory, sightings)))?;
    }
    for read in planning::references(session, live) {
        journal.add(session.now, Record::Reference(read))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?;
    let cancel = Cancel::new();
    let bar = Bar::new();
    let mut watched = bar.clone();
    let request = Request {
        work: &work,
        directories,
        journal: &mut journal,
        clock: &Wall(time::Instant::now()),
        cancel: &cancel,
        progress: &mut watched,
        patience: Patience::default(),
        leave: lease.map(|lease| lease as &dyn Leave),
    };
    let done = runtime.block_on(async {
        let run = apply::execute(request);
        tokio::pin!(run);
        tokio::select! {
            biased;
            outcome = &mut run => return outcome,
            () = stop_signal() => {}
        }
        session.terminal.say("stopping: what is in flight is finished, the rest is recorded");
        cancel.cancel();
        run.await
    });
    bar.finish();
    let outcome = done?;
    // What is a conflict with the review stays one: it takes another.
    let again = match reviewed {
        Some(_) if outcome.count(Status::Conflict) > 0 => "accord plan --out FILE, and have that reviewed",
        _ => again,
    };
    let exit = report(session, live, plan, &outcome, again);
    session::leave((outcome, work));
    exit
}

/// Lines in one record at most.
const TOGETHER: usize = 64;

/// Writes down what this machine recorded and could not share in time.
fn add_late(session: &Session<'_>, journal: &mut Journal) -> Result<(), Failure> {
    let root = &session.repository.root;
    let set_aside = remote::late(root).map_err(|error| Failure::file(root, "read what is set aside in", &error))?;
    for (run, path, lines) in set_aside {
        for lines in lines.chunks(TOGETHER) {
            journal.add(session.now, Record::Late(Late { run: run.clone(), lines: lines.to_vec() }))?;
        }
        journal.commit()?;
        fs::remove_file(&path).map_err(|error| Failure::file(&path, "remove", &error))?;
    }
    Ok(())
}

/// Whether everything that a reviewed plan wants is there already.
pub(super) fn is_in_effect(session: &Session<'_>, live: &Live, plan: &Plan) -> bool {
    plan.changes.iter().all(in_effect(session, live))
}

/// Whether what a reviewed change wants is there already.
fn in_effect<'a>(session: &'a Session<'_>, live: &'a Live) -> impl Fn(&Change) -> bool + 'a {
    let seen = live.kinds.iter().zip(&live.observed).map(|(kind, observed)| Found::new(kind.as_ref(), observed));
    let names = session.policy.directories.iter().map(|directory| directory.name.as_ref());
    let found: BTreeMap<&str, Found<'_>> = names.zip(seen).collect();
    move |change| found.get(change.directory.as_str()).is_some_and(|found| found.holds(change))
}

/// Connections that write, only for directories that the plan changes.
fn targets<'a>(session: &'a Session<'_>, live: &'a Live, plan: &Plan) -> Result<Vec<Target<'a>>, Failure> {
    let changed: BTreeSet<&str> = plan.changes.iter().map(|change| change.directory.as_str()).collect();
    let all = session.policy.directories.iter().zip(live.kinds.iter().zip(&live.observed));
    all.filter(|(directory, _)| changed.contains(directory.name.as_ref()))
        .map(|(directory, (kind, observed))| {
            let root = &session.repository.root;
            let credentials = secrets::credentials(session.global, root, directory, Purpose::Apply)?;
            let writer = provider::Target { directory, credentials, purpose: Purpose::Apply };
            let writer = connect::writer(&writer, observed.served.as_ref())?;
            let capabilities = observed.capabilities.clone().unwrap_or_else(|| kind.capabilities().clone());
            Ok(Target { name: &directory.name, kind: kind.as_ref(), capabilities, observed, writer })
        })
        .collect()
}

fn start(work: &Work<'_>, reviewed: Option<&Reviewed<'_>>, found: &approved::Found) -> Start {
    let plan = work.plan();
    Start {
        approved: found.record.clone(),
        missing: missing(plan, work.derived()),
        plan: plan.digest.clone(),
        policy: plan.policy.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operator: operator(),
        ticket: plan.filter.ticket.clone(),
        // Without a ticket nothing is let through.
        allow: if plan.filter.ticket.is_some() { plan.filter.allow.clone() } else { BTreeMap::new() },
        signed_by: reviewed.and_then(|reviewed| reviewed.signer).map(|signer| signer.name.clone()),
    }
}

/// What is left to do however well the run goes: a later `--dated` must not take
/// this run for the last word on it.
fn missing(plan: &Plan, derived: &Plan) -> Vec<String> {
    let filter = &derived.filter;
    let reviewed: BTreeSet<_> = plan.changes.iter().map(Change::key).collect();
    let left = [
        ("--directory", !filter.directories.is_empty()),
        ("--action", !filter.actions.is_empty()),
        ("--dated", filter.dated),
        ("withheld", !derived.withheld.is_empty()),
        ("unread", derived.directories.iter().any(|mark| !mark.complete)),
        ("unreviewed", derived.changes.iter().any(|change| !reviewed.contains(&change.key()))),
    ];
    left.into_iter().filter(|(_, is_left)| *is_left).map(|(word, _)| word.to_owned()).collect()
}

/// Who runs this, as far as the environment says: a name in the journal, no proof.
#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli`, and this is it")]
fn operator() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
}

/// Resolves at the first Ctrl-C or SIGTERM.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process as they always do.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn report(
    session: &Session<'_>,
    live: &Live,
    plan: &Plan,
    outcome: &Outcome<'_>,
    again: &str,
) -> Result<Exit, Failure> {
    let journal = outcome.journal.strip_prefix(&session.repository.root).unwrap_or(&outcome.journal);
    let journal = journal.to_string_lossy();
    let withheld = plan.withheld.len();
    if session.global.format == Format::Json {
        session.terminal.print(&terminal::json(&outcome::json(outcome, withheld, &journal))?)?;
    } else {
        session.terminal.print(&outcome::text(outcome, withheld, &journal, again))?;
    }
    match planning::exit(plan, live, false) {
        _ if !outcome.is_complete() => Ok(Exit::Error),
        // Acknowledged, and nobody could look: not simply done.
        Exit::Done if !outcome.not_read.is_empty() => Ok(Exit::Withheld),
        exit => Ok(exit),
    }
}

/// The wall clock for the journal, a steady one for how long it took.
struct Wall(time::Instant);

impl Clock for Wall {
    fn now(&self) -> Instant {
        clock::now()
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
