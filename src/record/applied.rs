//! The last apply that went through.
//!
//! Comes in: the journal's folder. Goes out: when it was, and of which policies.
//! Refuses: runs that were stopped, killed, or left something undone.

use super::entry::{Line, Record, RunEnded, RunStarted, Status};
use super::store;
use crate::model::Instant;
use crate::plan::PolicyMark;
use std::fs;
use std::io;
use std::path::Path;

/// An apply of which every change was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Id of the run.
    pub run: String,
    /// When it started, UTC: what its plan was derived for.
    pub at: Instant,
    /// Which policies it applied.
    pub policy: PolicyMark,
}

/// The last complete run, looked for from the newest on; `None` before the first.
///
/// # Errors
/// When a file cannot be read.
pub fn last_applied(folder: &Path) -> io::Result<Option<Applied>> {
    for run in store::list(folder)?.0.into_iter().rev() {
        let path = store::file_of(folder, &run);
        store::refuse_symlink(&path)?;
        if let Some(applied) = complete(&fs::read(path)?) {
            return Ok(Some(applied));
        }
    }
    Ok(None)
}

/// A run whose last line says that everything was done.
fn complete(bytes: &[u8]) -> Option<Applied> {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parse = |line: &[u8]| serde_json::from_slice::<Line<Record>>(line).ok();
    let first = parse(lines.next()?)?;
    let last = parse(lines.next_back()?)?;
    let Record::RunStarted(RunStarted { run, policy, .. }) = first.record else { return None };
    let Record::RunEnded(RunEnded { totals, stopped, .. }) = last.record else { return None };
    let undone = totals.iter().any(|(word, number)| word != Status::Done.word() && *number > 0);
    (stopped.is_none() && !undone).then_some(Applied { run, at: first.at, policy })
}
