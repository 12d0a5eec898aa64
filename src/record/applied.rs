//! The last apply that went through.
//!
//! Comes in: the journal's folder. Goes out: when it was, and of which policies.
//! Refuses: runs that were stopped, killed, or left something undone.

use super::entry::{Approved, Line, Record, RunEnded, RunStarted, Status};
use super::store;
use crate::model::Instant;
use crate::plan::PolicyMark;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
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

/// Id of the newest run, however it went.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest(folder: &Path) -> io::Result<Option<String>> {
    Ok(store::list(folder)?.0.pop())
}

/// The last complete run of a whole plan, looked for from the newest on; `None`
/// before the first. What a rule withheld does not count against it.
///
/// # Errors
/// When a file cannot be read.
pub fn last_applied(folder: &Path) -> io::Result<Option<Applied>> {
    last(folder, |missing| missing.iter().all(|word| word == "withheld"))
}

/// From when on a date may have passed unnoticed: the last complete run that left
/// nothing to do, whether of everything or of what dates bring. Before there is one,
/// the first run of all: an earlier instant only makes more of a plan be called dated,
/// a later one would leave somebody inside whose end was withheld, or lay in a
/// directory that was not read.
///
/// # Errors
/// When a file cannot be read.
pub fn dated_since(folder: &Path) -> io::Result<Option<Instant>> {
    if let Some(applied) = nothing_left(folder)? {
        return Ok(Some(applied.at));
    }
    for run in store::list(folder)?.0 {
        if let Some((at, _)) = started(folder, &run)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The last run after which nothing was left to do: every end that had passed by then
/// was applied.
///
/// # Errors
/// When a file cannot be read.
pub fn nothing_left(folder: &Path) -> io::Result<Option<Applied>> {
    last(folder, |missing| missing.iter().all(|word| word == "--dated"))
}

/// The run that did every change of the plan with that digest.
///
/// # Errors
/// When a file cannot be read.
pub fn of_plan(folder: &Path, digest: &str) -> io::Result<Option<Applied>> {
    for run in store::list(folder)?.0.into_iter().rev() {
        let is_it = started(folder, &run)?.is_some_and(|(_, started)| started.plan == digest);
        if is_it && let Some((applied, _)) = complete(&read(folder, &run)?) {
            return Ok(Some(applied));
        }
    }
    Ok(None)
}

/// The newest run whose policies were at a commit, however far it came: whoever was
/// killed half way applied too.
///
/// # Errors
/// When a file cannot be read.
pub fn last_commit(folder: &Path) -> io::Result<Option<Applied>> {
    for run in store::list(folder)?.0.into_iter().rev() {
        if let Some((at, RunStarted { run, policy, .. })) = started(folder, &run)?
            && policy.commit.is_some()
        {
            return Ok(Some(Applied { run, at, policy }));
        }
    }
    Ok(None)
}

/// Up to where the newest run that looked found access approved. A run of a version that
/// did not look counts as one that found everything so: somebody let it apply that commit.
/// `None` before the first run, and of runs outside git.
///
/// # Errors
/// When a file cannot be read.
pub fn approved(folder: &Path) -> io::Result<Option<Approved>> {
    for run in store::list(folder)?.0.into_iter().rev() {
        let Some((_, RunStarted { approved, policy, .. })) = started(folder, &run)? else { continue };
        if approved.is_some() {
            return Ok(approved);
        }
        if policy.commit.is_some() {
            return Ok(Some(Approved { since: policy.commit, ..Approved::default() }));
        }
    }
    Ok(None)
}

/// What the first line of a run says; `None` where it is torn.
fn started(folder: &Path, run: &str) -> io::Result<Option<(Instant, RunStarted)>> {
    let path = store::file_of(folder, run);
    store::refuse_symlink(&path)?;
    let mut first = Vec::new();
    BufReader::new(fs::File::open(path)?).read_until(b'\n', &mut first)?;
    Ok(match serde_json::from_slice::<Line<Record>>(&first) {
        Ok(Line { record: Record::RunStarted(started), at, .. }) => Some((at, started)),
        _ => None,
    })
}

fn last(folder: &Path, counts: impl Fn(&[String]) -> bool) -> io::Result<Option<Applied>> {
    for run in store::list(folder)?.0.into_iter().rev() {
        if let Some((applied, missing)) = complete(&read(folder, &run)?)
            && counts(&missing)
        {
            return Ok(Some(applied));
        }
    }
    Ok(None)
}

fn read(folder: &Path, run: &str) -> io::Result<Vec<u8>> {
    let path = store::file_of(folder, run);
    store::refuse_symlink(&path)?;
    fs::read(path)
}

/// A run whose last line says that everything was done.
fn complete(bytes: &[u8]) -> Option<(Applied, Vec<String>)> {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parse = |line: &[u8]| serde_json::from_slice::<Line<Record>>(line).ok();
    let first = parse(lines.next()?)?;
    let last = parse(lines.next_back()?)?;
    let Record::RunStarted(RunStarted { run, policy, missing, .. }) = first.record else { return None };
    let Record::RunEnded(RunEnded { totals, stopped, .. }) = last.record else { return None };
    let undone = totals.iter().any(|(word, number)| word != Status::Done.word() && *number > 0);
    (stopped.is_none() && !undone).then_some((Applied { run, at: first.at, policy }, missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Journal, Start, journal_folder};
    use std::collections::BTreeMap;

    fn run(root: &Path, at: i64, missing: &[&str], stopped: bool) {
        let missing = missing.iter().map(|word| (*word).to_owned()).collect();
        let at = Instant::from_seconds(at);
        let mut journal = Journal::start(root, Start { missing, ..Start::default() }, at).unwrap();
        journal.end(at, BTreeMap::new(), stopped.then(|| "stopped on request".to_owned())).unwrap();
    }

    /// A date that passed before a run which left something out is still to be acted on.
    #[test]
    fn only_a_run_that_left_nothing_out_is_the_last_word_on_dates() {
        let root = tempfile::tempdir().unwrap();
        let folder = journal_folder(root.path());
        let since = || dated_since(&folder).unwrap().map(Instant::as_seconds);
        let drift = || last_applied(&folder).unwrap().map(|applied| applied.at.as_seconds());
        assert_eq!((since(), drift()), (None, None));
        run(root.path(), 1_000_000, &["withheld"], false);
        assert_eq!((since(), drift()), (Some(1_000_000), Some(1_000_000)));
        run(root.path(), 2_000_000, &["unread"], false);
        assert_eq!((since(), drift()), (Some(1_000_000), Some(1_000_000)), "before a whole run: the first");
        run(root.path(), 3_000_000, &[], false);
        assert_eq!((since(), drift()), (Some(3_000_000), Some(3_000_000)));
        for (n, word) in ["--directory", "--action", "withheld", "unread", "unreviewed"].into_iter().enumerate() {
            run(root.path(), 4_000_000 + i64::try_from(n).unwrap() * 1_000, &[word], false);
            assert_eq!(since(), Some(3_000_000), "{word}");
        }
        run(root.path(), 5_000_000, &[], true);
        assert_eq!(since(), Some(3_000_000), "stopped");
        run(root.path(), 6_000_000, &["--dated"], false);
        assert_eq!((since(), drift()), (Some(6_000_000), Some(4_002_000)));
    }
}
