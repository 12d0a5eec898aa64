//! How the journal is written: lines, commits, and going on after a kill.
//!
//! Comes in: records of the running apply. Goes out: one file per run whose first
//! line names the run before. Refuses: to write after a failed write, and to touch
//! the file of an earlier run.
//!
//! A kill can tear the end of a file. The next run leaves those bytes where they
//! are and writes down how many there were and their hash: they can neither break
//! the chain nor hide anything. What the head file had promised before the kill is
//! never torn, so a shorter file than that is somebody's cut, and is recorded too.

use super::chain::Walk;
use super::digest;
use super::entry::{Approved, Line, NOTHING_BEFORE, Record, RunEnded, RunStarted, Torn, sha256};
use super::memory::{self, Open};
use super::store::{self, Disk, Head, Store};
use crate::model::Instant;
use crate::plan::{Memory, PolicyMark};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the journal `{path}` cannot be {operation}: {source}", path = path.display())]
pub struct JournalError {
    /// File or folder.
    pub path: PathBuf,
    /// `read`, `written`, `started`.
    pub operation: &'static str,
    /// What the file system says.
    pub source: io::Error,
}

/// What the first line of a run says beside the chain.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Digest of the plan.
    pub plan: String,
    /// Which policies.
    pub policy: PolicyMark,
    /// Version of accord.
    pub version: String,
    /// Who runs it, where known.
    pub operator: Option<String>,
    /// The ticket of an `--allow`.
    pub ticket: Option<String>,
    /// Guardrail classes let through once, see [`RunStarted::allow`].
    pub allow: BTreeMap<String, u64>,
    /// Who signed the plan file, where that was asked.
    pub signed_by: Option<String>,
    /// Up to where access was found approved.
    pub approved: Option<Approved>,
    /// What the plan left out, see [`RunStarted::missing`].
    pub missing: Vec<String>,
}

/// The journal of the running apply.
pub struct Journal {
    store: Box<dyn Store>,
    path: PathBuf,
    run: String,
    /// Lines not yet given to the store.
    lines: Vec<u8>,
    /// The last line, as the next commit will promise it.
    head: Head,
    committed: u64,
    failed: bool,
    lost: Option<String>,
    /// What all runs remember, this one as far as it got, and its intents without a
    /// result; `None` where the earlier runs could not be read.
    memory: Option<(Memory, Open)>,
}

impl Journal {
    /// Starts a run below `root` (the repository): its file, and its first line on
    /// disk. Take the [`super::Lock`] first.
    ///
    /// # Errors
    /// When the journal's folder or files cannot be read or made.
    pub fn start(root: &Path, start: Start, at: Instant) -> Result<Self, JournalError> {
        Self::start_with(root, start, at, |disk| Box::new(disk))
    }

    /// As [`Self::start`], with something around the disk.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(
        root: &Path,
        start: Start,
        at: Instant,
        around: impl FnOnce(Disk) -> Box<dyn Store>,
    ) -> Result<Self, JournalError> {
        let folder = super::journal_folder(root);
        let error = |source| JournalError { path: folder.clone(), operation: "started", source };
        store::make_folder(root).map_err(error)?;
        let tip = Tip::find(&folder).map_err(error)?;
        let run = next_run(tip.newest.as_deref(), at);
        let memory = memory::memory(&folder).ok().map(|memory| (memory, Open::default()));
        let disk = Disk::create(&folder, &run).map_err(error)?;
        let mut journal = Self {
            store: around(disk),
            path: store::file_of(&folder, &run),
            run: run.clone(),
            lines: Vec::new(),
            head: Head { run: run.clone(), seq: 0, hash: tip.hash, bytes: 0 },
            committed: 0,
            failed: false,
            lost: tip.lost.clone(),
            memory,
        };
        let Start { plan, policy, version, operator, ticket, allow, signed_by, approved, missing } = start;
        let (after, recovered, lost) = (tip.after, tip.recovered, tip.lost);
        let first = RunStarted {
            run,
            after,
            recovered,
            lost,
            plan,
            policy,
            version,
            operator,
            ticket,
            allow,
            signed_by,
            approved,
            missing,
        };
        journal.add(at, Record::RunStarted(first))?;
        journal.commit()?;
        Ok(journal)
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The run's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What earlier runs wrote and somebody took away, if that was seen at the start.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Takes one record; it is written with the next [`Self::write`] or [`Self::commit`].
    ///
    /// # Errors
    /// After a failed write: the chain would have a hole.
    pub fn add(&mut self, at: Instant, record: Record) -> Result<(), JournalError> {
        if self.failed {
            return Err(self.error(io::Error::other("an earlier write failed")));
        }
        let line = Line { seq: self.head.seq + 1, prev: std::mem::take(&mut self.head.hash), at, record };
        let text = serde_json::to_vec(&line).map_err(|error| self.error(io::Error::other(error)))?;
        self.head.seq = line.seq;
        self.head.hash = sha256(&text);
        self.head.bytes += text.len() as u64 + 1;
        self.lines.extend_from_slice(&text);
        self.lines.push(b'\n');
        if let Some((memory, open)) = &mut self.memory {
            open.take(at, line.record, memory);
        }
        Ok(())
    }

    /// Gives all lines to the operating system: they outlive this process, not a
    /// power cut.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&mut self) -> Result<(), JournalError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        self.store.append(&lines).map_err(|source| self.fail(source))
    }

    /// Makes all lines outlive a power cut, with one synchronisation for all of
    /// them; nothing happens if there are none since the last commit.
    ///
    /// # Errors
    /// What the file system says. Nothing may be sent then.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.write()?;
        if self.committed == self.head.seq {
            return Ok(());
        }
        self.store.commit(&self.head).map_err(|source| {
            self.failed = true;
            JournalError { path: self.path.clone(), operation: "written", source }
        })?;
        self.committed = self.head.seq;
        Ok(())
    }

    /// The last line, and beside the journal what it remembers, so that the next
    /// plan need not read all of it. Without that file the next plan is only slower.
    ///
    /// # Errors
    /// What the file system says.
    pub fn end(
        &mut self,
        at: Instant,
        totals: BTreeMap<String, u64>,
        stopped: Option<String>,
    ) -> Result<(), JournalError> {
        self.commit()?;
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let prepared = self.memory.take().and_then(|(mut memory, open)| {
            open.close(&mut memory);
            digest::prepare(&self.run, &memory).ok()
        });
        let hash = prepared.as_ref().map(|(_, hash)| hash.clone());
        self.add(at, Record::RunEnded(RunEnded { totals, stopped, memory: hash }))?;
        self.commit()?;
        if let Some((bytes, _)) = prepared {
            // The hash in the record is what counts: a file that is not there, or
            // another one, is not believed.
            drop(digest::save(&folder, &bytes));
        }
        Ok(())
    }

    fn fail(&mut self, source: io::Error) -> JournalError {
        self.failed = true;
        self.error(source)
    }

    fn error(&self, source: io::Error) -> JournalError {
        JournalError { path: self.path.clone(), operation: "written", source }
    }
}

/// Where the next run goes on.
struct Tip {
    newest: Option<String>,
    after: Option<String>,
    hash: String,
    recovered: Vec<Torn>,
    lost: Option<String>,
}

impl Tip {
    fn find(folder: &Path) -> io::Result<Self> {
        let (runs, _) = store::list(folder)?;
        let head = store::read_head(folder);
        let mut tip = Self {
            newest: runs.last().cloned(),
            after: None,
            hash: NOTHING_BEFORE.to_owned(),
            recovered: Vec::new(),
            lost: None,
        };
        let mut found = None;
        for run in runs.iter().rev() {
            let walk = match head.as_ref().filter(|head| head.run == *run) {
                Some(head) => Walk::after(folder, head)?,
                None => Walk::read(folder, run, head.as_ref())?,
            };
            if let Some(torn) = walk.torn.clone() {
                tip.recovered.push(torn);
            }
            if walk.records > 0 {
                found = Some(walk);
                break;
            }
        }
        tip.recovered.reverse();
        if let Some(walk) = found {
            tip.lost = loss(head.as_ref(), &walk);
            tip.after = Some(walk.run);
            tip.hash = walk.hash;
        } else if let Some(head) = head.filter(|head| head.seq > 0) {
            tip.lost = Some(format!("run {} with its {} records", head.run, head.seq));
            tip.hash.clone_from(&head.hash);
            tip.after = Some(head.run);
        }
        Ok(tip)
    }
}

/// What the head promised and the newest file with records does not hold.
fn loss(head: Option<&Head>, walk: &Walk) -> Option<String> {
    let Some(head) = head else { return Some("the head file".to_owned()) };
    if head.seq == 0 {
        return None;
    }
    match (store::order(&head.run), store::order(&walk.run)) {
        (Some(promised), Some(found)) if promised > found => {
            Some(format!("run {} with its {} records", head.run, head.seq))
        }
        (Some(promised), Some(found)) if promised == found => match &walk.at_head {
            Some(hash) if *hash == head.hash => None,
            Some(_) => Some(format!("record {} of run {} as it was written", head.seq, head.run)),
            None => Some(format!("records {} to {} of run {}", walk.records + 1, head.seq, head.run)),
        },
        _ => None,
    }
}

/// The minute, or the number after the newest run's where the clock has not moved
/// on (or has gone back): the order of names is the order of the chain.
fn next_run(newest: Option<&str>, at: Instant) -> String {
    let minute = at.timestamp().strftime("%Y%m%d-%H%M").to_string();
    match newest.and_then(store::order) {
        Some((base, number)) if base >= minute => store::run_name(&base, number.saturating_add(1)),
        _ => minute,
    }
}
