//! `accord validate`: everything that can be known without a directory.
//!
//! Comes in: policies. Goes out: findings, or what was found in order. Refuses:
//! nothing beyond what every command refuses.

use super::args::{Format, Global, ValidateArgs};
use super::breaches;
use super::failure::{Exit, Failure};
use super::notes;
use super::policy_tests;
use super::redaction;
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::render::annotations::Annotations;
use crate::render::{answers, diagnostics};
use serde_json::json;

/// Checks the policies.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ValidateArgs) -> Result<Exit, Failure> {
    if matches!(global.format, Format::Ics | Format::Csv) {
        return Err(terminal::no_format("validate", global.format));
    }
    let session = Session::asked(terminal, global, args.rev.as_deref()).and_then(|mut session| {
        let mut tested = policy_tests::findings(&session)?;
        tested.extend(breaches::findings(&session)?);
        session.found(&tested)?;
        session.policy.warnings.extend(tested);
        Ok(session)
    });
    if let Err(Failure::Findings(found)) = &session {
        notes::append(&args.also, || Ok(diagnostics::markdown(found, "the policies have errors")))?;
    }
    let session = session?;
    let mut policy = session.policy;
    policy.warnings = redaction::findings(global, Some(&policy), &policy.warnings);
    let folder = notes::folder(&session.repository)?;
    let mut counts = vec![
        ("files", policy.files.len()),
        ("people", policy.people.len()),
        ("roles", policy.roles.len()),
        ("groups", policy.groups.len()),
        ("constraints", policy.constraints.len()),
        ("warnings", policy.warnings.len()),
    ];
    if !policy.tests.is_empty() {
        counts.insert(5, ("tests", policy.tests.len()));
    }
    let words: Vec<_> = counts.iter().map(|(name, number)| format!("{number} {name}")).collect();
    let words = words.join(", ");
    let revision = session.revision;
    let markdown = || Ok(diagnostics::markdown(&policy.warnings, &format!("valid: {words}")));
    notes::append(&args.also, markdown)?;
    match global.format {
        Format::Json => {
            let counts: serde_json::Map<_, _> =
                counts.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
            let answer = json!({ "valid": true, "digest": policy.digest, "counts": counts, "findings": policy.warnings, "revision": revision });
            terminal.print(&terminal::json(&answer)?)?;
        }
        Format::Text => {
            let which = revision.map(|revision| format!("{}\n", answers::policies(&revision))).unwrap_or_default();
            terminal.print(&format!("valid: {words}\n{which}"))?;
        }
        Format::Markdown => terminal.print(&markdown()?)?,
        // The session has told them already.
        Format::Github => {}
        _ => notes::print(terminal, global, &Annotations::of_findings("validate", &folder, &policy.warnings))?,
    }
    Ok(Exit::Done)
}
