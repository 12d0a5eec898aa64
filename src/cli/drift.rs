//! `accord drift`: what changed behind accord's back, and who did it.
//!
//! Comes in: directories, and what was applied last. Goes out: differences with their
//! authors; exit code 2 where there are any. Refuses: to call a date or an edit of
//! the policies drift; the comparison is with the last applied policies at that time.

use super::args::{DriftArgs, Format, Global, Refresh};
use super::directories::{How, Live};
use super::failure::{Exit, Failure};
use super::session::Session;
use super::terminal::{self, Terminal};
use super::{directories, plan as planned, planning};
use crate::model::{Action, Change, Object};
use crate::plan::{Filter, Plan};
use crate::provider::{Author, Recorded};
use crate::record::{self, Applied};
use crate::render::drift::{self, Difference, Drift};

/// Compares the directories with what was applied last.
pub(super) fn run(terminal: Terminal, global: &Global, args: &DriftArgs) -> Result<Exit, Failure> {
    if !matches!(global.format, Format::Text | Format::Json) {
        return Err(terminal::no_format("drift", global.format));
    }
    let session = Session::offline(terminal, global)?;
    planned::ensure_declared(&session, &args.directory)?;
    directories::ensure_own(&session.repository)?;
    let folder = record::journal_folder(&session.repository.root);
    let applied = record::last_applied(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    // Read as it was declared then: other attributes and other groups are no drift.
    let session = at_last_apply(session, applied.as_ref());
    let how = How { authors: true, refresh: Refresh::Full, is_shared: false };
    let live = directories::start(global, &session.repository, &session.policy, how)?.finish(&session)?;
    let at = applied.as_ref().map_or(session.now, |applied| applied.at);
    let filter = Filter { directories: args.directory.clone(), ..Filter::default() };
    let plan = planning::derive(&session, &live, at, true, &filter)?;
    let mut differences = differences(&plan, &session, &live);
    precise(&session, &live, &mut differences)?;
    let drift =
        Drift { since: applied.map(|applied| applied.run), at, differences, incomplete: incomplete(&session, &live) };
    match global.format {
        Format::Json => terminal.print(&terminal::json(&drift)?)?,
        _ => terminal.print(&drift::text(&drift, &plan, session.zone()))?,
    }
    planning::say_failures(&session, &live);
    // What is kept and a run has taken notice of is shown, and no alarm.
    let is_clean = drift.differences.iter().all(|difference| difference.known.is_some());
    Ok(match (is_clean, drift.incomplete.is_empty()) {
        (false, _) => Exit::Changes,
        (true, false) => planning::exit(&plan, &live, false),
        (true, true) => Exit::Done,
    })
}

/// The policies that were applied last, where those in the work tree are others and
/// git still has them; otherwise those of the work tree.
fn at_last_apply<'g>(session: Session<'g>, applied: Option<&Applied>) -> Session<'g> {
    let Some(applied) = applied.filter(|applied| applied.policy.digest != session.mark.digest) else {
        return session;
    };
    let commit = applied.policy.commit.as_deref().filter(|_| !applied.policy.dirty);
    if let Some(commit) = commit
        && let Some(earlier) = session.at_commit(commit)
    {
        return earlier;
    }
    session.terminal.say("the policies changed since the last apply and git does not have the earlier ones: compared with those of the work tree");
    session
}

fn differences(plan: &Plan, session: &Session<'_>, live: &Live) -> Vec<Difference> {
    plan.changes
        .iter()
        .map(|undo| {
            let author = author(undo, session, live);
            let (by, at) = author.map_or((None, None), |author| (author.by.clone(), author.at));
            Difference::new(undo.clone(), by, at)
        })
        .chain(kept(plan, session, live))
        .collect()
}

/// Where the directory records single changes, that record is told in the place of the
/// object's last change, which may have been another.
fn precise(session: &Session<'_>, live: &Live, differences: &mut [Difference]) -> Result<(), Failure> {
    let changes: Vec<&Change> = differences.iter().map(|difference| &difference.undo).collect();
    let told = directories::recorded(session, live, &changes)?;
    for (difference, recorded) in differences.iter_mut().zip(told) {
        if let Some(Recorded { at, on }) = recorded {
            (difference.by, difference.at, difference.on) = (None, Some(at), Some(on));
        }
    }
    Ok(())
}

/// Members that nobody declared and that stay, or stay for a while.
fn kept<'a>(plan: &'a Plan, session: &'a Session<'_>, live: &'a Live) -> impl Iterator<Item = Difference> + 'a {
    let only = &plan.filter.directories;
    plan.notes.iter().filter_map(move |note| {
        let (group, account) = note.undeclared()?;
        let directory = note.directory.clone().filter(|name| only.is_empty() || only.contains(name))?;
        let undo = Change {
            id: 0,
            directory,
            action: Action::Revoke,
            object: Object::membership(group, account),
            person: None,
            label: None,
            before: None,
            after: None,
            because: Vec::new(),
            ends: None,
            needs: Vec::new(),
        };
        let author = author(&undo, session, live);
        let (by, at) = author.map_or((None, None), |author| (author.by.clone(), author.at));
        let known = planning::seen_first(note, live);
        Some(Difference { kept: Some(note.text.clone()), known, ..Difference::new(undo, by, at) })
    })
}

/// Who changed the group (of a membership) or the account last.
fn author<'l>(change: &Change, session: &Session<'_>, live: &'l Live) -> Option<&'l Author> {
    let directory = session.policy.directory_named(&change.directory)?;
    let object = match (&change.object.group, &change.object.account) {
        (Some(group), _) => Object::group(group.clone()),
        (None, Some(account)) => Object::account(account.clone()),
        (None, None) => return None,
    };
    live.observed.get(usize::from(directory.0))?.authors.iter().find(|author| author.object == object)
}

fn incomplete(session: &Session<'_>, live: &Live) -> Vec<String> {
    let all = session.policy.directories.iter().zip(&live.observed);
    all.filter(|(_, observed)| !observed.gaps.is_empty()).map(|(directory, _)| directory.name.to_string()).collect()
}
