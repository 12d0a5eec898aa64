//! `accord validate`: everything that can be known without a directory.
//!
//! Comes in: policies. Goes out: findings, or what was found in order. Refuses:
//! nothing beyond what every command refuses.

use super::args::{Format, Global, ValidateArgs};
use super::failure::{Exit, Failure};
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::render::answers;
use serde_json::json;

/// Checks the policies.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ValidateArgs) -> Result<Exit, Failure> {
    if !matches!(global.format, Format::Text | Format::Json) {
        return Err(terminal::no_format("validate", global.format));
    }
    let session = Session::asked(terminal, global, args.rev.as_deref())?;
    let policy = session.policy;
    let counts = [
        ("files", policy.files.len()),
        ("people", policy.people.len()),
        ("roles", policy.roles.len()),
        ("groups", policy.groups.len()),
        ("constraints", policy.constraints.len()),
        ("warnings", policy.warnings.len()),
    ];
    if global.format == Format::Json {
        let counts: serde_json::Map<_, _> =
            counts.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
        let answer = json!({ "valid": true, "digest": policy.digest, "counts": counts, "findings": policy.warnings, "revision": session.revision });
        terminal.print(&terminal::json(&answer)?)?;
    } else {
        let words: Vec<_> = counts.iter().map(|(name, number)| format!("{number} {name}")).collect();
        let which = session.revision.map(|revision| format!("{}\n", answers::policies(&revision))).unwrap_or_default();
        terminal.print(&format!("valid: {}\n{}", words.join(", "), which))?;
    }
    Ok(Exit::Done)
}
