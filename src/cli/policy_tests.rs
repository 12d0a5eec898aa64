//! `accord test`: whether what the policies' tests claim of effective access holds; and the
//! same for `accord validate`.
//!
//! Comes in: policies, the last readings of groups that are managed elsewhere. Goes out:
//! every test with its counter-examples; exit code 1 unless all hold. Refuses: directories.

use super::args::{Format, Global, TestArgs};
use super::breaches;
use super::failure::{Exit, Failure};
use super::notes;
use super::questions::{reading, remembered, unknown};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Matching};
use crate::plan::Memory;
use crate::policy::glob::Glob;
use crate::policy::{GroupId, Holding, Manage, Policy};
use crate::render::annotations::Annotations;
use crate::render::answers::Reading;
use crate::render::policy_tests::{self as render, Report};
use crate::resolve::{self, References};
use crate::review::policy_tests::{Outcome, run as judge};
use std::collections::BTreeSet;

/// Judges and tells.
pub(super) fn run(terminal: Terminal, global: &Global, args: &TestArgs) -> Result<Exit, Failure> {
    if matches!(global.format, Format::Ics | Format::Csv | Format::Markdown) {
        return Err(terminal::no_format("test", global.format));
    }
    let mut session = Session::asked(terminal, global, args.when.rev.as_deref())?;
    breaches::suppose(&mut session, &args.more)?;
    let at = session.at(args.when.at.as_deref())?;
    let policy = &session.policy;
    let tests = chosen(policy, &args.names)?;
    let (outcomes, references) = judged(&session, at, &tests)?;
    let mut report = Report::new(policy, &outcomes, at);
    report.references = references;
    report.revision.clone_from(&session.revision);
    match global.format {
        Format::Json => terminal.print(&terminal::json(&report)?)?,
        Format::Junit => terminal.print(&render::junit(&report))?,
        Format::Text => terminal.print(&render::text(&report, session.zone()))?,
        _ => {
            let found = render::findings(policy, &outcomes);
            let folder = notes::folder(&session.repository)?;
            notes::print(terminal, global, &Annotations::of_findings("test", &folder, &found))?;
        }
    }
    let is_well = report.summary.failed + report.summary.unproven == 0;
    Ok(if is_well { Exit::Done } else { Exit::Error })
}

/// What `validate` says of all tests, now.
///
/// # Errors
/// When the journal cannot be read, or comes from a commit.
pub(super) fn findings(session: &Session<'_>) -> Result<Vec<Diagnostic>, Failure> {
    let all: Vec<usize> = (0..session.policy.tests.len()).collect();
    let (outcomes, _) = judged(session, session.now, &all)?;
    Ok(render::findings(&session.policy, &outcomes))
}

/// Numbers of the tests that the words name; without words all.
fn chosen(policy: &Policy, words: &[String]) -> Result<Vec<usize>, Failure> {
    let names = || policy.tests.iter().map(|test| test.key.as_ref());
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    for word in words {
        let glob = Glob::new(word, Matching::Exact).map_err(|bad| {
            Failure::new(format!("`{bad}` in `{word}` has no meaning")).help("only `*` is special in names of tests")
        })?;
        let before = chosen.len();
        chosen.extend(names().enumerate().filter(|(_, name)| glob.matches(name)).map(|(n, _)| n));
        if chosen.len() == before && !names().any(|name| glob.matches(name)) {
            return Err(unknown("no test is called", word, names()));
        }
    }
    Ok(if words.is_empty() { (0..policy.tests.len()).collect() } else { chosen.into_iter().collect() })
}

/// The outcomes, and the groups that others manage on which the tests hang.
fn judged(session: &Session<'_>, at: Instant, tests: &[usize]) -> Result<(Vec<Outcome>, Vec<Reading>), Failure> {
    let policy = &session.policy;
    let mut holdings: Vec<Holding> = Vec::new();
    for test in tests.iter().filter_map(|n| policy.tests.get(*n)) {
        holdings.extend(test.claim.holdings());
        test.claim.entries().iter().for_each(|entry| resolve::reads(policy, *entry, &mut holdings));
    }
    let hangs_on = references_of(policy, holdings);
    // Without such groups nothing that a run has read matters: the journal is not looked at.
    let (references, memory) =
        if hangs_on.is_empty() { (References::default(), Memory::default()) } else { remembered(session, at)? };
    let readings = hangs_on.into_iter().filter_map(|group| reading(policy, &memory, group)).collect();
    Ok((judge(policy, &references, at, tests), readings))
}

fn references_of(policy: &Policy, holdings: Vec<Holding>) -> BTreeSet<GroupId> {
    let has_any = policy.groups.iter().any(|group| group.manage == Manage::Reference);
    if has_any { resolve::references_of(policy, holdings) } else { BTreeSet::new() }
}
