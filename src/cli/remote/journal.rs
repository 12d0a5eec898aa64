//! The journal in a branch: the files here, one commit for every push.
//!
//! Comes in: the files below `.accord/journal`, the branch. Goes out: the same files on both
//! sides. Refuses: a branch that was written anew, and one that never was this journal.

use super::git::{Trouble, store};
use super::lease::{PATIENCE, Remote};
use crate::cli::clock;
use crate::cli::failure::Failure;
use crate::record::merge::{Merge, Side, merge};
use crate::record::store::{self as disk, HEAD};
use crate::record::{self, Finding, Report, journal_folder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is remembered of the branch, so that one that was written anew is noticed.
const SEEN: &str = "refs/accord/seen";

/// Name of what all runs remember, in the branch.
const MEMORY: &str = "memory.json";

/// What the branch holds, as far as this run knows.
#[derive(Debug, Default)]
pub(super) struct Shared {
    tip: Option<String>,
    /// File → blob.
    files: BTreeMap<String, String>,
    /// Files that are other ones here.
    stale: BTreeSet<String>,
}

/// A commit that is ready to be pushed.
#[derive(Debug)]
pub(super) struct Pack {
    commit: String,
    files: BTreeMap<String, String>,
}

impl Pack {
    pub(super) fn commit(&self) -> &str {
        &self.commit
    }
}

impl Shared {
    pub(super) fn tip(&self) -> Option<&str> {
        self.tip.as_deref()
    }

    /// A commit of what is here and not there; `None` where nothing is.
    pub(super) fn pack(&self, remote: &Remote) -> Result<Option<Pack>, Trouble> {
        let folder = journal_folder(&remote.root);
        let failed = |error: io::Error| Trouble::Failed(format!("the journal cannot be read: {error}"));
        // Before the lines: what it promises is there then.
        let head = read(&folder.join(HEAD)).map_err(failed)?;
        let runs = record::store::list(&folder).map_err(failed)?.0;
        let mut files = self.files.clone();
        for (n, run) in runs.iter().enumerate() {
            let name = format!("{run}.jsonl");
            let is_newest = n + 1 == runs.len();
            if !is_newest && self.files.contains_key(&name) && !self.stale.contains(&name) {
                continue;
            }
            let mut bytes = read(&disk::file_of(&folder, run)).map_err(failed)?.unwrap_or_default();
            // The end of the file may be half a line: the next push takes it.
            if is_newest {
                bytes.truncate(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1));
            }
            files.insert(name, remote.git.blob(&bytes)?);
        }
        let memory = read(&folder.with_file_name(MEMORY)).map_err(failed)?;
        for (name, bytes) in [(HEAD, head), (MEMORY, memory)] {
            if let Some(bytes) = bytes {
                files.insert(name.to_owned(), remote.git.blob(&bytes)?);
            }
        }
        if files == self.files || runs.is_empty() {
            return Ok(None);
        }
        let message = format!("run {}", runs.last().map_or("", String::as_str));
        let commit = remote.git.commit(&files, self.tip(), &message)?;
        Ok(Some(Pack { commit, files }))
    }

    /// The pack has arrived.
    pub(super) fn shared(&mut self, remote: &Remote, pack: Pack) -> Result<(), Trouble> {
        remote.git.remember(SEEN, &pack.commit)?;
        *self = Self { tip: Some(pack.commit), files: pack.files, stale: BTreeSet::new() };
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The branch as it is now; `None` where it was never there.
///
/// # Errors
/// When the remote is not reached, or the branch does not hold what it held.
pub(super) fn tip(remote: &Remote) -> Result<Option<String>, Failure> {
    let wrong = |trouble| remote.unreachable(trouble);
    let deadline = clock::since_boot() + PATIENCE;
    let there = remote.git.refs(&[&remote.branch], deadline).map_err(wrong)?.remove(&remote.branch);
    let seen = remote.git.local(SEEN).map_err(wrong)?;
    let tip = match there {
        Some(_) => Some(remote.git.fetch(&remote.branch, deadline).map_err(wrong)?),
        None => None,
    };
    let Some(seen) = seen else { return Ok(tip) };
    let stands = match &tip {
        Some(tip) => remote.git.stands_on(tip, &seen).map_err(wrong)?,
        None => false,
    };
    if stands {
        return Ok(tip);
    }
    let (branch, what) =
        (&remote.branch, if tip.is_some() { "does not hold any more what it held" } else { "is gone" });
    let short: String = seen.chars().take(12).collect();
    Err(Failure::new(format!("`{branch}` of `{}` {what}: commit {short} was seen there", remote.name))
        .help("accord audit journal verify")
        .help(format!(
            "to put it back: git --git-dir {} push --force URL {short}:{branch}",
            store(Path::new("")).display()
        ))
        .help("to begin anew from what is there: remove `.accord/remote.git`"))
}

/// Brings the journal here up to what is shared. Nobody may write to either meanwhile.
///
/// # Errors
/// As for [`tip`], and when the two are not one journal.
pub(super) fn catch_up(remote: &Remote) -> Result<Shared, Failure> {
    let wrong = |trouble| remote.unreachable(trouble);
    let Some(tip) = tip(remote)? else { return Ok(Shared::default()) };
    let files = remote.git.files(&tip).map_err(wrong)?;
    let folder = journal_folder(&remote.root);
    let failed = |error: io::Error| Failure::file(&folder, "bring up to date", &error);
    disk::make_folder(&remote.root).map_err(failed)?;
    let (here, differing) = sides(remote, &folder, &files)?;
    let mut stale: BTreeSet<String> = here.differing.keys().map(|run| format!("{run}.jsonl")).collect();
    match merge(&here, &differing) {
        Merge::Ahead => {}
        Merge::Unrelated => {
            return Err(Failure::new(format!(
                "the journal in `{}` and the one of `{}` have no run in common",
                folder.display(),
                remote.name
            ))
            .help("two repositories need two branches (`journal.git.branch`)")
            .help("to go on from what is shared: move `.accord` of this machine away"));
        }
        Merge::Behind { late, gone } => {
            for (run, lines) in late {
                set_aside(&remote.root, &run, &lines).map_err(failed)?;
            }
            for (run, bytes) in &differing.differing {
                disk::replace(&disk::file_of(&folder, run), bytes).map_err(failed)?;
            }
            for run in gone {
                fs::remove_file(disk::file_of(&folder, &run)).map_err(failed)?;
            }
            for (name, path) in [(HEAD, folder.join(HEAD)), (MEMORY, folder.with_file_name(MEMORY))] {
                if let Some(blob) = files.get(name) {
                    disk::replace(&path, &remote.git.read(blob).map_err(wrong)?).map_err(failed)?;
                }
            }
            stale.clear();
        }
    }
    remote.git.remember(SEEN, &tip).map_err(wrong)?;
    Ok(Shared { tip: Some(tip), files, stale })
}

/// Both journals, with the bytes of what is not the same.
fn sides(remote: &Remote, folder: &Path, files: &BTreeMap<String, String>) -> Result<(Side, Side), Failure> {
    let wrong = |trouble| remote.unreachable(trouble);
    let failed = |error: io::Error| Failure::file(folder, "read", &error);
    let runs = disk::list(folder).map_err(failed)?.0;
    let paths: Vec<PathBuf> = runs.iter().map(|run| disk::file_of(folder, run)).collect();
    let names = remote.git.names(&paths).map_err(wrong)?;
    let mut here = Side { runs, ..Side::default() };
    for (run, name) in here.runs.iter().zip(names) {
        if files.get(&format!("{run}.jsonl")) != Some(&name) {
            let bytes = fs::read(disk::file_of(folder, run)).map_err(failed)?;
            here.differing.insert(run.clone(), bytes);
        }
    }
    let mut there: Vec<(String, u32)> =
        files.keys().filter_map(|name| disk::order(name.strip_suffix(".jsonl")?)).collect();
    there.sort();
    let mut shared = Side::default();
    for (base, number) in there {
        let run = disk::run_name(&base, number);
        let is_same = here.runs.contains(&run) && !here.differing.contains_key(&run);
        if !is_same && let Some(blob) = files.get(&format!("{run}.jsonl")) {
            shared.differing.insert(run.clone(), remote.git.read(blob).map_err(wrong)?);
        }
        shared.runs.push(run);
    }
    Ok((here, shared))
}

fn late_folder(root: &Path) -> PathBuf {
    root.join(record::FOLDER).join("late")
}

/// Keeps lines that only this machine has, until the next run writes them down.
fn set_aside(root: &Path, run: &str, lines: &[u8]) -> io::Result<()> {
    let folder = late_folder(root);
    fs::create_dir_all(&folder)?;
    disk::replace(&folder.join(format!("{run}.jsonl")), lines)
}

/// Lines that were set aside: run, file, lines.
///
/// # Errors
/// When they cannot be read.
pub(in crate::cli) fn late(root: &Path) -> io::Result<Vec<(String, PathBuf, Vec<String>)>> {
    let folder = late_folder(root);
    let mut found = Vec::new();
    for run in disk::list(&folder)?.0 {
        let path = disk::file_of(&folder, &run);
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        found.push((run, path, text.lines().map(str::to_owned).collect()));
    }
    Ok(found)
}

/// Checks the branch in a folder of its own, and holds the journal here against it.
///
/// # Errors
/// As for [`tip`], and when the folder cannot be written.
pub(super) fn verify(remote: &Remote, folder: &Path) -> Result<Report, Failure> {
    let wrong = |trouble| remote.unreachable(trouble);
    let failed = |error: io::Error| Failure::file(folder, "write", &error);
    let Some(tip) = tip(remote)? else { return Ok(Report::default()) };
    let files = remote.git.files(&tip).map_err(wrong)?;
    fs::create_dir_all(folder).map_err(failed)?;
    for (name, blob) in files.iter().filter(|(name, _)| *name != MEMORY) {
        fs::write(folder.join(name), remote.git.read(blob).map_err(wrong)?).map_err(failed)?;
    }
    let mut report = record::verify(folder).map_err(failed)?;
    let (here, shared) = sides(remote, &journal_folder(&remote.root), &files)?;
    match merge(&here, &shared) {
        Merge::Unrelated => report.findings.push(finding("the journal here has no run in common with it")),
        Merge::Behind { late, .. } if !late.is_empty() => {
            let runs: Vec<&str> = late.keys().map(String::as_str).collect();
            report
                .notes
                .push(finding(&format!("records of {} are here only: the next run shares them", runs.join(", "))));
        }
        _ => {}
    }
    Ok(report)
}

fn finding(what: &str) -> Finding {
    Finding { file: "the branch".to_owned(), line: 0, what: what.to_owned() }
}
