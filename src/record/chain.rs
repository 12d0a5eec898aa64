//! Whether the journal still says what was written.
//!
//! Comes in: the journal's folder. Goes out: a report: every edit, deletion,
//! reordering and cut, with file and line. Refuses: to repair.
//!
//! Each line carries the hash of the line before it, each run's first line that of
//! the last line of the run before, and the head file that of the very last line
//! that was committed. Whoever changes a line must change all later lines, all
//! later files and the head.

use super::entry::{Line, NOTHING_BEFORE, Record, RunStarted, Torn, sha256};
use super::store::{self, HEAD, Head};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    /// File name in the journal's folder.
    pub file: String,
    /// Line, from 1; 0 where the file as a whole is concerned.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// What [`verify`] saw.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Report {
    /// Runs with at least one record.
    pub runs: u64,
    /// Records.
    pub records: u64,
    /// The last run and the hash of its last line: what a later copy can be held against.
    pub tip: Option<(String, String)>,
    /// What is wrong; empty: the journal is as it was written.
    pub findings: Vec<Finding>,
    /// What a kill left behind and what is accounted for: worth knowing, not wrong.
    pub notes: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// The lines of one file, as far as they are whole records in a chain.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    /// The run, from the file's name.
    pub(super) run: String,
    /// Whole records before the first that cannot be read.
    pub(super) records: u64,
    /// Hash of the last of them.
    pub(super) hash: String,
    /// What stands after them.
    pub(super) torn: Option<Torn>,
    /// Hash of the record that the head file names, where it is this run's.
    pub(super) at_head: Option<String>,
    /// The first record, where it can be read.
    started: Option<RunStarted>,
    /// Hash that the first record has before it.
    before: Option<String>,
    /// Breaks inside the file: line and what.
    breaks: Vec<(u64, String)>,
    /// Whether a whole record stands after one that cannot be read.
    holes: bool,
}

/// Record of which only the frame is needed.
type Frame = Line<serde::de::IgnoredAny>;

impl Walk {
    /// Reads the file of `run`.
    pub(super) fn read(folder: &Path, run: &str, head: Option<&Head>) -> io::Result<Self> {
        let path = store::file_of(folder, run);
        store::refuse_symlink(&path)?;
        let bytes = fs::read(path)?;
        let mut walk = Self { run: run.to_owned(), ..Self::default() };
        walk.lines(&bytes, head.filter(|head| head.run == run).map(|head| head.seq));
        Ok(walk)
    }

    /// Reads what stands after the record that `head` names: enough to go on from,
    /// for files of any length. Where that record is not where and as it was written,
    /// the whole file is read. What stands before it is for [`verify`] to judge.
    pub(super) fn after(folder: &Path, head: &Head) -> io::Result<Self> {
        let path = store::file_of(folder, &head.run);
        store::refuse_symlink(&path)?;
        let mut file = File::open(path)?;
        let start = head.bytes.saturating_sub(store::LAST);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let promised = usize::try_from(head.bytes - start).ok().and_then(|length| tail.split_at_checked(length));
        if let Some((promised, rest)) = promised
            && let Some(before) = promised.strip_suffix(b"\n")
            && let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
            && (start == 0 || line.len() < before.len())
            && sha256(line) == head.hash
        {
            let mut walk = Self { run: head.run.clone(), records: head.seq, ..Self::default() };
            walk.hash.clone_from(&head.hash);
            walk.at_head = Some(head.hash.clone());
            walk.lines(rest, None);
            return Ok(walk);
        }
        Self::read(folder, &head.run, Some(head))
    }

    /// Takes the lines that follow what was walked so far.
    fn lines(&mut self, mut rest: &[u8], promised: Option<u64>) {
        let mut number = self.records;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at(end);
            number += 1;
            let frame = serde_json::from_slice::<Frame>(line).ok();
            match frame {
                Some(frame) if self.torn.is_none() => self.take(line, &frame, number, promised),
                Some(_) => {
                    // What follows the hole is held against what follows it only.
                    self.holes = true;
                    self.hash = sha256(line);
                }
                None => self.tear(rest),
            }
            rest = after.get(1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            self.tear(rest);
        }
    }

    fn tear(&mut self, rest: &[u8]) {
        if self.torn.is_none() {
            self.torn = Some(Torn {
                run: self.run.clone(),
                records: self.records,
                bytes: rest.len() as u64,
                sha256: sha256(rest),
            });
        }
    }

    fn take(&mut self, line: &[u8], frame: &Frame, number: u64, promised: Option<u64>) {
        if number == 1 {
            self.before = Some(frame.prev.clone());
            self.started = match serde_json::from_slice::<Line<Record>>(line) {
                Ok(Line { record: Record::RunStarted(started), .. }) => Some(started),
                _ => None,
            };
        }
        if frame.seq != number {
            let what = format!("record {} stands where record {number} belongs", frame.seq);
            self.breaks.push((number, what));
        } else if number > 1 && frame.prev != self.hash {
            self.breaks.push((number, format!("record {number} does not continue line {}", number - 1)));
        }
        self.records = number;
        self.hash = sha256(line);
        if promised == Some(number) {
            self.at_head = Some(self.hash.clone());
        }
    }
}

/// Checks every file of the journal's folder. A folder that is not there is an
/// empty, intact journal.
///
/// # Errors
/// When a file cannot be read at all.
pub fn verify(folder: &Path) -> io::Result<Report> {
    let (runs, others) = store::list(folder)?;
    let head = store::read_head(folder);
    let mut check =
        Check { report: Report::default(), after: None, hash: NOTHING_BEFORE.to_owned(), torn: BTreeMap::new() };
    for name in others {
        check.wrong(&name, 0, "no file of the journal".to_owned());
    }
    let mut last: Option<Walk> = None;
    for run in &runs {
        let walk = Walk::read(folder, run, head.as_ref())?;
        check.run(&walk, head.as_ref());
        if walk.records > 0 {
            last = Some(walk);
        }
    }
    check.head(folder, head.as_ref(), last.as_ref(), !runs.is_empty());
    check.leftovers(runs.last().map(String::as_str));
    let mut report = check.report;
    report.tip = last.map(|walk| (walk.run, walk.hash));
    report.findings.sort();
    Ok(report)
}

/// What is known while the files are walked in order.
struct Check {
    report: Report,
    /// The last run with records.
    after: Option<String>,
    /// Hash of its last record.
    hash: String,
    /// Torn ends that no later run has accounted for yet.
    torn: BTreeMap<String, Torn>,
}

impl Check {
    fn wrong(&mut self, file: &str, line: u64, what: String) {
        self.report.findings.push(Finding { file: file.to_owned(), line, what });
    }

    fn run(&mut self, walk: &Walk, head: Option<&Head>) {
        let file = format!("{}.jsonl", walk.run);
        for (line, what) in &walk.breaks {
            self.wrong(&file, *line, what.clone());
        }
        if walk.holes {
            let what = "this line cannot be read, and whole records follow it".to_owned();
            self.wrong(&file, walk.records + 1, what);
        } else if let Some(torn) = &walk.torn {
            self.torn.insert(walk.run.clone(), torn.clone());
        }
        if walk.records == 0 {
            return;
        }
        self.report.runs += 1;
        self.report.records += walk.records;
        match &walk.started {
            None => self.wrong(&file, 1, "the first record is not the start of a run".to_owned()),
            Some(started) => self.first(&file, walk, started),
        }
        if let Some(head) = head.filter(|head| head.run == walk.run)
            && walk.at_head.as_ref().is_some_and(|hash| *hash != head.hash)
        {
            let what = format!("record {} is not the one that was committed ({HEAD})", head.seq);
            self.wrong(&file, head.seq, what);
        }
        self.after = Some(walk.run.clone());
        self.hash.clone_from(&walk.hash);
    }

    /// The first record against the run before.
    fn first(&mut self, file: &str, walk: &Walk, started: &RunStarted) {
        if started.run != walk.run {
            self.wrong(file, 1, format!("the record is of run {}", started.run));
        }
        if started.after != self.after {
            let names = started.after.as_deref().map_or("no run".to_owned(), |run| format!("run {run}"));
            let stands = self.after.as_deref().map_or("none".to_owned(), |run| format!("run {run}"));
            self.wrong(file, 1, format!("it names {names} as the one before, and before it stands {stands}"));
        } else if walk.before.as_deref() != Some(self.hash.as_str()) {
            let before = started.after.as_deref().unwrap_or("the beginning");
            self.wrong(file, 1, format!("it does not continue the last record of {before}"));
        }
        if let Some(lost) = &started.lost {
            self.wrong(file, 1, format!("when this run began, {lost} had been taken away"));
        }
        for torn in &started.recovered {
            match self.torn.remove(&torn.run) {
                Some(held) if held == *torn => {
                    let what = format!("a kill tore {} bytes, accounted for by run {}", torn.bytes, walk.run);
                    let file = format!("{}.jsonl", torn.run);
                    self.report.notes.push(Finding { file, line: torn.records + 1, what });
                }
                _ => {
                    let what = format!("its torn end is not the {} bytes that run {} saw", torn.bytes, walk.run);
                    self.wrong(&format!("{}.jsonl", torn.run), torn.records + 1, what);
                }
            }
        }
    }

    /// The head file against the last record.
    fn head(&mut self, folder: &Path, head: Option<&Head>, last: Option<&Walk>, any: bool) {
        let Some(head) = head else {
            if any || folder.join(HEAD).exists() {
                self.wrong(HEAD, 0, "the head file is missing or cannot be read".to_owned());
            }
            return;
        };
        if head.seq == 0 {
            // Killed before the first commit was promised.
            if last.is_some_and(|walk| walk.started.as_ref().is_none_or(|started| started.after.is_some())) {
                self.wrong(HEAD, 0, "it is that of an empty journal".to_owned());
            }
            return;
        }
        let behind = last.and_then(|walk| walk.started.as_ref()).and_then(|started| started.after.as_deref());
        match last {
            Some(walk) if walk.run == head.run => {
                if walk.records < head.seq {
                    let what = format!("records {} to {} were committed and are gone", walk.records + 1, head.seq);
                    self.wrong(&format!("{}.jsonl", walk.run), walk.records + 1, what);
                }
            }
            Some(walk) if behind == Some(head.run.as_str()) => {
                let what = format!("run {} was killed before its first commit", walk.run);
                self.report.notes.push(Finding { file: HEAD.to_owned(), line: 0, what });
            }
            _ => {
                let what = format!("it names record {} of run {}, which is not the last run here", head.seq, head.run);
                self.wrong(HEAD, 0, what);
            }
        }
    }

    /// Torn ends that no run accounts for: only the newest file may have one.
    fn leftovers(&mut self, newest: Option<&str>) {
        for (run, torn) in std::mem::take(&mut self.torn) {
            let file = format!("{run}.jsonl");
            let (line, bytes) = (torn.records + 1, torn.bytes);
            if Some(run.as_str()) == newest {
                let what = format!("a kill tore {bytes} bytes; the next run accounts for them");
                self.report.notes.push(Finding { file, line, what });
            } else {
                self.wrong(&file, line, format!("{bytes} bytes are no record, and no later run accounts for them"));
            }
        }
    }
}
