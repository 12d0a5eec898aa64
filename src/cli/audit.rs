//! `accord audit journal verify`: whether the journal still says what was written.
//!
//! Comes in: the journal's folder. Goes out: a verdict with file and line. Refuses:
//! to repair.

use super::args::{AuditArgs, AuditRecord, Format, Global, JournalAction};
use super::failure::{Exit, Failure};
use super::remote;
use super::repository::Repository;
use super::terminal::{self, Terminal};
use crate::record::{self, Finding, Report};
use crate::render::escape;
use serde::Serialize;
use std::fmt::Write as _;

/// Checks the journal of the repository.
pub(super) fn run(terminal: Terminal, global: &Global, args: &AuditArgs) -> Result<Exit, Failure> {
    let AuditRecord::Journal { action: JournalAction::Verify } = &args.record;
    let repository = Repository::find(global)?;
    let folder = record::journal_folder(&repository.root);
    let report = record::verify(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    let shared = remote::verify(global, &repository)?;
    match global.format {
        Format::Json => terminal.print(&terminal::json(&Journals { here: &report, shared: shared.as_ref() })?)?,
        Format::Text => {
            let shared = shared.as_ref().map(|shared| format!("\nin the git remote: {}", text(shared)));
            terminal.print(&(text(&report) + &shared.unwrap_or_default()))?;
        }
        _ => return Err(terminal::no_format("audit", global.format)),
    }
    let is_intact = report.is_intact() && shared.is_none_or(|shared| shared.is_intact());
    Ok(if is_intact { Exit::Done } else { Exit::Error })
}

/// The journal here, and the one of all machines where there is one.
#[derive(Serialize)]
struct Journals<'a> {
    #[serde(flatten)]
    here: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<&'a Report>,
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let verdict =
        if report.is_intact() { "the journal is as it was written" } else { "the journal is NOT as it was written" };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{verdict}: {} runs, {} records", report.runs, report.records);
    if let Some((run, hash)) = &report.tip {
        let _ = writeln!(out, "last run {}, hash {hash}", escape::terminal(run));
    }
    for (word, findings) in [("error", &report.findings), ("note", &report.notes)] {
        for Finding { file, line, what } in findings {
            let line = if *line == 0 { String::new() } else { format!(":{line}") };
            let _ = writeln!(out, "{word}: {}{line}: {}", escape::terminal(file), escape::terminal(what));
        }
    }
    out
}
