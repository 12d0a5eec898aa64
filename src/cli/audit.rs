//! `accord audit journal verify`: whether the journal still says what was written.
//!
//! Comes in: the journal's folder. Goes out: a verdict with file and line. Refuses:
//! to repair.

use super::args::{AuditArgs, AuditRecord, Format, Global, JournalAction};
use super::failure::{Exit, Failure};
use super::repository::Repository;
use super::terminal::{self, Terminal};
use crate::record::{self, Finding, Report};
use crate::render::escape;
use std::fmt::Write as _;

/// Checks the journal of the repository.
pub(super) fn run(terminal: Terminal, global: &Global, args: &AuditArgs) -> Result<Exit, Failure> {
    let AuditRecord::Journal { action: JournalAction::Verify } = &args.record;
    let root = Repository::find(global)?.root;
    let folder = record::journal_folder(&root);
    let report = record::verify(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    match global.format {
        Format::Json => terminal.print(&terminal::json(&report)?)?,
        Format::Text => terminal.print(&text(&report))?,
        _ => return Err(terminal::no_format("audit", global.format)),
    }
    Ok(if report.is_intact() { Exit::Done } else { Exit::Error })
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
