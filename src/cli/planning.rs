//! From what is written and what was read to a plan.
//!
//! Comes in: a session, what the directories hold, an instant, a filter. Goes out: a
//! sealed plan and the exit code it means. Refuses: to decide anything itself.

use super::directories::Live;
use super::failure::{Exit, Failure};
use super::redaction;
use super::session::Session;
use crate::model::Instant;
use crate::plan::{self, DirectoryInput, Filter, Inputs, Note, Plan, Sighting, Unapproved, references};
use crate::policy::DirectoryId;
use crate::provider::GapScope;
use crate::record;
use crate::record::entry::ReferenceRead;
use crate::render::escape;
use std::collections::BTreeMap;

pub(super) fn inputs(live: &Live) -> Vec<DirectoryInput<'_>> {
    (0u16..)
        .zip(live.kinds.iter().zip(&live.observed))
        .map(|(n, (kind, observed))| DirectoryInput { id: DirectoryId(n), kind: kind.as_ref(), observed })
        .collect()
}

/// Whose accounts the journal does not know yet, by directory.
pub(super) fn matched(session: &Session<'_>, live: &Live) -> BTreeMap<String, Vec<Sighting>> {
    plan::matched(&session.policy, &inputs(live), &live.memory)
}

/// The groups that are managed elsewhere, for the journal. A reading that it knows
/// already is told by its digest alone.
pub(super) fn references(session: &Session<'_>, live: &Live) -> Vec<ReferenceRead> {
    let policy = &session.policy;
    let kept = references::kept(policy, &references::references(policy, &inputs(live)));
    let read = kept.into_iter().map(|(key, people)| {
        let known = live.memory.references.get(&key).is_some_and(|known| known.people == people);
        let digest = references::digest(people.iter().map(String::as_str));
        let (directory, group) = key;
        ReferenceRead { directory, group, digest, people: (!known).then_some(people) }
    });
    read.collect()
}

/// The plan of everything that was read, whoever approved it: for questions.
pub(super) fn derive(
    session: &Session<'_>,
    live: &Live,
    at: Instant,
    read_only: bool,
    filter: &Filter,
) -> Result<Plan, Failure> {
    approved(session, live, (at, read_only), filter, &Unapproved::default())
}

/// The plan of everything that was read, without what nobody who may agreed to.
pub(super) fn approved(
    session: &Session<'_>,
    live: &Live,
    (at, read_only): (Instant, bool),
    filter: &Filter,
    unapproved: &Unapproved,
) -> Result<Plan, Failure> {
    let directories = inputs(live);
    let mut filter = filter.clone();
    if filter.dated && filter.since.is_none() {
        let folder = record::journal_folder(&session.repository.root);
        filter.since = record::dated_since(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    }
    let inputs = Inputs {
        policy: &session.policy,
        mark: &session.mark,
        directories: &directories,
        memory: &live.memory,
        at,
        read_only,
        filter: &filter,
    };
    Ok(plan::derive_approved(&inputs, unapproved))
}

/// Whether the plan saw an undeclared member for the first time that is to go later.
pub(super) fn begins_a_wait(plan: &Plan, live: &Live) -> bool {
    let narrow = &plan.filter;
    let whole = narrow.directories.is_empty() && narrow.actions.is_empty() && !narrow.dated;
    whole
        && plan.notes.iter().any(|note| {
            let directory = note.directory.as_deref().unwrap_or_default();
            let complete = plan.directories.iter().any(|mark| mark.complete && mark.name == directory);
            complete && note.undeclared().is_some() && seen_first(note, live).is_none()
        })
}

/// When a run saw a member first that nobody declared.
pub(super) fn seen_first(note: &Note, live: &Live) -> Option<Instant> {
    let (group, account) = note.undeclared()?;
    let key = (note.directory.clone().unwrap_or_default(), group.to_owned(), account.to_owned());
    live.memory.undeclared.get(&key).copied()
}

/// Whether a directory could not be read at all.
fn has_failed(observed: &crate::provider::Observed) -> bool {
    observed.gaps.iter().any(|gap| gap.scope == GapScope::Directory)
}

/// Says on stderr which directories were not read whole, and what that means.
pub(super) fn say_failures(session: &Session<'_>, live: &Live) {
    let words = redaction::words(session.global, &[&session.policy]);
    for (directory, observed) in session.policy.directories.iter().zip(&live.observed) {
        for gap in &observed.gaps {
            let why = words.sentence(&gap.why, "not read whole");
            session.terminal.say(&format!("{}: {}", directory.name, escape::terminal(&why)));
        }
        if !observed.gaps.is_empty() {
            let what = format!("  Missing is not empty: nothing that depends on {} is planned.", directory.name);
            session.terminal.say(&what);
        }
    }
}

/// 3 where something was withheld or not read, 1 where nothing was read and nothing
/// is to do, 2 where changes are asked for by exit code.
pub(super) fn exit(plan: &Plan, live: &Live, detailed: bool) -> Exit {
    let incomplete = live.observed.iter().any(|observed| !observed.gaps.is_empty());
    let failed = !live.observed.is_empty() && live.observed.iter().all(has_failed);
    match () {
        () if failed && plan.changes.is_empty() => Exit::Error,
        () if incomplete || !plan.withheld.is_empty() => Exit::Withheld,
        () if detailed && !plan.changes.is_empty() => Exit::Changes,
        () => Exit::Done,
    }
}
