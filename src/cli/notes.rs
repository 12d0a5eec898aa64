//! Notes on lines of files, and summaries that are appended to a file.
//!
//! Comes in: what a command found. Goes out: the format asked for on stdout; Markdown at the
//! end of the file that `--summary` names. Refuses: to learn from the environment where a
//! forge wants its summary: the option says it.

use super::args::{Also, Format, Global};
use super::clock;
use super::failure::Failure;
use super::repository::Repository;
use super::terminal::{self, Terminal};
use crate::diagnostic::Diagnostic;
use crate::history;
use crate::render::annotations::{self, Annotations};
use std::fs;
use std::io::Write as _;

/// The folder of the policies as git knows it; `policies` where it is in no repository.
///
/// # Errors
/// When there is a repository and git cannot open it.
pub(super) fn folder(repository: &Repository) -> Result<String, Failure> {
    Ok(history::inside(&repository.policies)?.unwrap_or_else(|| "policies".to_owned()))
}

/// Prints notes in the format asked for.
///
/// # Errors
/// When the format is none of notes, or nobody reads any more.
pub(super) fn print(terminal: Terminal, global: &Global, notes: &Annotations) -> Result<(), Failure> {
    let wrong = |error: serde_json::Error| Failure::new(format!("no JSON: {error}"));
    let text = match global.format {
        Format::Github => annotations::github(notes),
        Format::Sarif => annotations::sarif(notes).map_err(wrong)?,
        Format::Codequality => annotations::code_quality(notes).map_err(wrong)?,
        Format::Junit => annotations::junit(notes, clock::now()),
        other => return Err(terminal::no_format(notes.command, other)),
    };
    terminal.print(&text)
}

/// Prints mistakes in the files, for whatever command found them.
///
/// # Errors
/// As [`print()`].
pub(super) fn findings(terminal: Terminal, global: &Global, found: &[Diagnostic]) -> Result<(), Failure> {
    let folder = folder(&Repository::find(global)?)?;
    print(terminal, global, &Annotations::of_findings("validate", &folder, found))
}

/// Appends Markdown to the file that `--summary` names.
///
/// # Errors
/// When it cannot be written.
pub(super) fn append(also: &Also, markdown: impl FnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
    let Some(path) = &also.summary else { return Ok(()) };
    let text = markdown()?;
    let wrong = |error: std::io::Error| Failure::file(path, "append to", &error);
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).map_err(wrong)?;
    // Whatever stood there before, a heading begins after an empty line.
    file.write_all(format!("{}\n\n", text.trim_end()).as_bytes()).map_err(wrong)
}
