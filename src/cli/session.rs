//! The one place that strings the pipeline together.
//!
//! Comes in: global options. Goes out: the checked policies ([`Session`]), and beside
//! them what the directories hold ([`Live`]). Refuses: to contact a directory whose
//! connection settings are not trusted, and to go on when a file is wrong.
//!
//! The order: find the policies → read `accord.yaml` → trust and secrets → start the
//! reads on a thread of their own → read and check all files → an error abandons
//! the reads → wait for them.

use super::args::{Format, Global};
use super::clock;
use super::directories::{self, How, Live, Reads};
use super::failure::Failure;
use super::notes;
use super::redaction;
use super::remote;
use super::repository::Repository;
use super::terminal::Terminal;
use crate::diagnostic::Diagnostic;
use crate::history::{self, HistoryError, Revision};
use crate::model::Instant;
use crate::plan::PolicyMark;
use crate::policy::Policy;
use crate::policy::load::{self, load, load_read, load_two};
use crate::policy::settings::DirectorySettings;
use crate::render::answers::{self, AtRevision};
use crate::render::diagnostics;
use crate::resolve;
use crate::source::{ACCORD_YAML, InMemory, Source, SourceFile, WorkTree};
use jiff::tz::TimeZone;
use std::path::Path;
use std::sync::Arc;

/// Checked policies and what they were read from.
#[derive(Debug)]
pub(super) struct Session<'g> {
    /// Where to speak.
    pub(super) terminal: Terminal,
    /// Global options.
    pub(super) global: &'g Global,
    /// Where the policies are.
    pub(super) repository: Repository,
    /// What is written.
    pub(super) policy: Policy,
    /// Which commit that is.
    pub(super) mark: PolicyMark,
    /// The commit that was asked about with `--rev`; `None` is the work tree.
    pub(super) revision: Option<AtRevision>,
    /// When the command started.
    pub(super) now: Instant,
}

impl<'g> Session<'g> {
    /// Policies only: for questions that need no directory.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub(super) fn offline(terminal: Terminal, global: &'g Global) -> Result<Self, Failure> {
        let repository = Repository::find(global)?;
        let (tree, files) = read(terminal, global, &repository)?;
        Self::load(terminal, global, repository, &tree, files)
    }

    /// Policies only, as they were at a commit: the files of the work tree are not
    /// looked at, and git's objects are the only thing that is read.
    ///
    /// # Errors
    /// When git does not have the commit, and everything that is wrong with its files.
    pub(super) fn asked(terminal: Terminal, global: &'g Global, rev: Option<&str>) -> Result<Self, Failure> {
        let Some(rev) = rev else { return Self::offline(terminal, global) };
        let repository = Repository::find(global)?;
        let source = Revision::open(&repository.policies, rev)?;
        let revision = AtRevision { name: rev.to_owned(), commit: source.commit().to_owned() };
        let found = source.files().map_err(|findings| wrong(terminal, global, &InMemory::default(), 0, &findings));
        let policy = found.and_then(|files| checked(terminal, global, &source, files)).inspect_err(|_| {
            // The files of the work tree may be in order: whoever looks there finds nothing.
            terminal.say(&format!("found in the {}", answers::policies(&revision)));
        })?;
        let mark = PolicyMark { digest: policy.digest.clone(), ..source.mark() };
        Ok(Self { terminal, global, repository, policy, mark, revision: Some(revision), now: clock::now() })
    }

    /// Policies, and what every directory holds.
    ///
    /// # Errors
    /// Everything that is wrong with the files; connection settings that are not
    /// trusted; secrets that are not there.
    pub(super) fn live(terminal: Terminal, global: &'g Global, how: How) -> Result<(Self, Live), Failure> {
        let repository = Repository::find(global)?;
        if !how.is_shared {
            remote::look(terminal, global, &repository)?;
        }
        let (tree, files) = read(terminal, global, &repository)?;
        let reads = Self::start_early(global, &repository, &files, how)?;
        let mut session = Self::load(terminal, global, repository, &tree, files)?;
        let base = global.trusted.as_ref().map(|revision| history::commit_of(&session.repository.root, revision));
        session.mark.base = base.transpose()?;
        let mut reads = match reads {
            Some(reads) => reads,
            None => directories::start(global, &session.repository, &session.policy, how)?,
        };
        let trusted = reads.trusted.take();
        let live = reads.finish(&session)?;
        if let Some(trusted) = trusted {
            trusted.judge(&mut session.policy);
        }
        Ok((session, live))
    }

    /// Starts the reads from `accord.yaml` alone, where that file can be understood
    /// without the others; otherwise they start when everything is checked.
    fn start_early(
        global: &Global,
        repository: &Repository,
        files: &Arc<[SourceFile]>,
        how: How,
    ) -> Result<Option<Reads>, Failure> {
        match load(&alone(files)) {
            Ok(policy) => directories::start(global, repository, &policy, how).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn load(
        terminal: Terminal,
        global: &'g Global,
        repository: Repository,
        tree: &WorkTree,
        files: Arc<[SourceFile]>,
    ) -> Result<Self, Failure> {
        let policy = checked(terminal, global, tree, files)?;
        let mark = history::mark(&repository.policies).map_err(Failure::from)?;
        let mark = PolicyMark { digest: policy.digest.clone(), ..mark };
        Ok(Self { terminal, global, repository, policy, mark, revision: None, now: clock::now() })
    }

    /// The same session with the policies of a commit, directories as they were
    /// declared there and reached as they are now; `None` where git does not have the
    /// commit, it has errors, or names a directory that is not declared any more.
    pub(super) fn at_commit(&self, commit: &str) -> Option<Self> {
        let revision = Revision::open(&self.repository.policies, commit).ok()?;
        let mut policy = understand(&revision).ok()?;
        for directory in &mut policy.directories {
            let now = self.policy.directories.iter().find(|now| now.name == directory.name)?;
            if now.settings.kind != directory.settings.kind {
                return None;
            }
            reached_as(&now.settings, &mut directory.settings);
        }
        let mark = PolicyMark { digest: policy.digest.clone(), ..revision.mark() };
        let (terminal, global, now) = (self.terminal, self.global, self.now);
        let (repository, revision) = (self.repository.clone(), self.revision.clone());
        Some(Self { terminal, global, repository, policy, mark, revision, now })
    }

    /// Says what was found beside what every command finds: an error ends the command.
    ///
    /// # Errors
    /// When one of the findings is an error; then all of them are printed.
    pub(super) fn found(&self, findings: &[Diagnostic]) -> Result<(), Failure> {
        if findings.is_empty() {
            return Ok(());
        }
        // What the lines are shown from: it was let go when it was understood.
        let source: Box<dyn Source> = match &self.revision {
            Some(revision) => Box::new(Revision::open(&self.repository.policies, &revision.commit)?),
            None => match WorkTree::open(&self.repository.policies) {
                Ok(tree) => Box::new(tree),
                Err(_) => Box::new(InMemory::default()),
            },
        };
        let (terminal, global, count) = (self.terminal, self.global, self.policy.files.len());
        if findings.iter().any(Diagnostic::is_error) {
            return Err(wrong(terminal, global, source.as_ref(), count, findings));
        }
        warn(terminal, global, source.as_ref(), &self.policy, findings);
        Ok(())
    }

    /// The organisation's zone.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.policy.timezone
    }

    /// The instant that `--at` names, or now.
    ///
    /// # Errors
    /// When it is no time.
    pub(super) fn at(&self, at: Option<&str>) -> Result<Instant, Failure> {
        at.map_or(Ok(self.now), |text| clock::instant(text, self.zone()))
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let failure = Self::new(error.to_string());
        match error.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// The settings of the connection: where it goes, as whom, how patiently.
fn reached_as(now: &DirectorySettings, settings: &mut DirectorySettings) {
    settings.url.clone_from(&now.url);
    settings.tls.clone_from(&now.tls);
    settings.ca.clone_from(&now.ca);
    settings.bind.clone_from(&now.bind);
    settings.plan_bind.clone_from(&now.plan_bind);
    settings.file.clone_from(&now.file);
    settings.accounts.initial_password.clone_from(&now.accounts.initial_password);
    settings.connect_timeout = now.connect_timeout;
    settings.timeout = now.timeout;
    settings.page_size = now.page_size;
}

/// The policies of files that were read, without a mistake; what is suspicious is said.
fn checked(
    terminal: Terminal,
    global: &Global,
    source: &dyn Source,
    files: Arc<[SourceFile]>,
) -> Result<Policy, Failure> {
    let count = files.len();
    let policy = load_read(files, source).and_then(resolve::checked);
    let policy = policy.map_err(|findings| wrong(terminal, global, source, count, &findings))?;
    warn(terminal, global, source, &policy, &policy.warnings);
    Ok(policy)
}

/// Loads, and refuses what breaks a constraint whatever the date: the one way from
/// files to policies that anything is planned or answered from.
fn understand(source: &dyn Source) -> Result<Policy, Vec<Diagnostic>> {
    load(source).and_then(resolve::checked)
}

/// Policies of one commit or of the work tree, for questions about what is written.
#[derive(Debug)]
pub(super) struct Written {
    /// What is written.
    pub(super) policy: Policy,
    /// The commit's full id; `None` is the work tree.
    pub(super) commit: Option<String>,
}

/// Policies of a commit, or of the work tree. Only what is wrong is said.
///
/// # Errors
/// When git does not have the commit, and everything that is wrong with the files.
pub(super) fn one(
    terminal: Terminal,
    global: &Global,
    repository: &Repository,
    rev: Option<&str>,
) -> Result<Written, Failure> {
    take_part();
    Opened::open(&repository.policies, rev)?.understood().or_say(terminal, global)
}

/// Policies of a commit, and of another one or of the work tree, loaded side by side.
///
/// # Errors
/// As [`one`].
pub(super) fn compared(
    terminal: Terminal,
    global: &Global,
    repository: &Repository,
    base: &str,
    head: Option<&str>,
) -> Result<(Written, Written), Failure> {
    take_part();
    let folder = &repository.policies;
    let (base, head) = rayon::join(|| Opened::open(folder, Some(base)), || Opened::open(folder, head));
    let (base, head) = match (base?, head?) {
        (Opened { files: Ok(files), from }, Opened { files: Ok(head_files), from: head }) => {
            let counts = (files.len(), head_files.len());
            let [one, other] = load_two((files, from.source.as_ref()), (head_files, head.source.as_ref()));
            let (one, other) = rayon::join(|| one.and_then(resolve::checked), || other.and_then(resolve::checked));
            (from.understood(one, counts.0), head.understood(other, counts.1))
        }
        (base, head) => (base.understood(), head.understood()),
    };
    Ok((base.or_say(terminal, global)?, head.or_say(terminal, global)?))
}

/// Policies, or what is wrong with them.
enum Understood {
    Right(Box<Written>),
    Wrong(Box<dyn Source + Send>, usize, Vec<Diagnostic>, Option<AtRevision>),
}

impl Understood {
    fn or_say(self, terminal: Terminal, global: &Global) -> Result<Written, Failure> {
        match self {
            Self::Right(written) => Ok(*written),
            Self::Wrong(source, count, findings, revision) => {
                let failure = wrong(terminal, global, source.as_ref(), count, &findings);
                if let Some(revision) = revision {
                    terminal.say(&format!("found in the {}", answers::policies(&revision)));
                }
                Err(failure)
            }
        }
    }
}

/// Where policies come from: a commit, or the work tree.
struct Origin {
    source: Box<dyn Source + Send>,
    revision: Option<AtRevision>,
}

impl Origin {
    fn understood(self, policy: Result<Policy, Vec<Diagnostic>>, count: usize) -> Understood {
        match policy {
            Ok(policy) => {
                Understood::Right(Box::new(Written { policy, commit: self.revision.map(|known| known.commit) }))
            }
            Err(findings) => Understood::Wrong(self.source, count, findings, self.revision),
        }
    }
}

/// Policies that were read and not understood yet.
struct Opened {
    files: Result<Arc<[SourceFile]>, Vec<Diagnostic>>,
    from: Origin,
}

impl Opened {
    fn open(folder: &Path, rev: Option<&str>) -> Result<Self, Failure> {
        let (source, revision): (Box<dyn Source + Send>, _) = match rev {
            Some(name) => {
                let revision = Revision::open(folder, name)?;
                let known = AtRevision { name: name.to_owned(), commit: revision.commit().to_owned() };
                (Box::new(revision), Some(known))
            }
            None => match WorkTree::open(folder) {
                Ok(tree) => (Box::new(tree), None),
                Err(finding) => {
                    let from = Origin { source: Box::new(InMemory::default()), revision: None };
                    return Ok(Self { files: Err(vec![*finding]), from });
                }
            },
        };
        Ok(Self { files: source.files(), from: Origin { source, revision } })
    }

    fn understood(self) -> Understood {
        match self.files {
            Ok(files) => {
                let count = files.len();
                let policy = load_read(files, self.from.source.as_ref()).and_then(resolve::checked);
                self.from.understood(policy, count)
            }
            // What cannot be read has no lines to show.
            Err(findings) => Understood::Wrong(Box::new(InMemory::default()), 0, findings, self.from.revision),
        }
    }
}

/// Policies of a commit; `None` where they have errors, which are not said.
pub(super) fn quietly(session: &Session<'_>, commit: &str) -> Option<Policy> {
    understand(&Revision::open(&session.repository.policies, commit).ok()?).ok()
}

/// Whether a file of a commit's policies holds one of the words: without it, no key is
/// called so.
///
/// # Errors
/// When git does not have the commit.
pub(super) fn mentions(session: &Session<'_>, commit: &str, words: &[&str]) -> Result<bool, Failure> {
    let source = Revision::open(&session.repository.policies, commit)?;
    let Ok(files) = source.files() else { return Ok(true) };
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    Ok(files.iter().any(|file| words.iter().any(|word| holds(&file.bytes, word))))
}

/// Leaves what a command held to the end of the process, which frees all of it at once:
/// millions of small pieces one by one take longer than their planning did.
pub(super) fn leave<T>(held: T) {
    std::mem::forget(held);
}

/// The policies around here, where there are any without errors.
pub(super) fn known(global: &Global) -> Option<Policy> {
    load(&WorkTree::open(&Repository::find(global).ok()?.policies).ok()?).ok()
}

/// The zone of the policies around here, for showing a saved plan; UTC without any.
pub(super) fn zone(global: &Global) -> TimeZone {
    let zone = || {
        let files = WorkTree::open(&Repository::find(global).ok()?.policies).ok()?.files().ok()?;
        Some(load(&alone(&files)).ok()?.timezone)
    };
    zone().unwrap_or(TimeZone::UTC)
}

/// `accord.yaml` without the other files.
pub(super) fn alone(files: &[SourceFile]) -> InMemory {
    let alone = files.iter().filter(|file| file.path.as_ref() == ACCORD_YAML);
    InMemory::new(alone.map(|file| (file.path.as_ref(), file.bytes.clone())))
}

/// Says on stderr what is suspicious but not wrong; JSON carries it instead.
fn warn(terminal: Terminal, global: &Global, source: &dyn Source, policy: &Policy, warnings: &[Diagnostic]) {
    let warnings = &redaction::findings(global, Some(policy), warnings);
    if global.format == Format::Github {
        // Nobody reads any more: the command finds out itself.
        let _ = notes::findings(terminal, global, warnings);
    } else if !warnings.is_empty() && global.format != Format::Json {
        let (sources, files) = (load::sources(source, warnings), policy.files.len());
        terminal.say(diagnostics::text(warnings, &sources, files, true).trim_end());
    }
}

fn read(
    terminal: Terminal,
    global: &Global,
    repository: &Repository,
) -> Result<(WorkTree, Arc<[SourceFile]>), Failure> {
    take_part();
    let tree = WorkTree::open(&repository.policies).map_err(|finding| {
        let nothing = InMemory::default();
        wrong(terminal, global, &nothing, 0, &[*finding])
    })?;
    let files = tree.files().map_err(|findings| wrong(terminal, global, &InMemory::default(), 0, &findings))?;
    Ok((tree, files))
}

/// This thread takes part in what runs on all cores instead of waiting for it. The
/// allocator keeps what one thread has freed for that thread, and what is written is
/// freed when it is understood: so the planning that follows here has its room.
fn take_part() {
    // Two at least: with one, work that another thread asks for would wait for this one.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).max(2);
    // Where the threads were started before, they are as good.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global();
}

/// Prints every finding and ends the command.
fn wrong(terminal: Terminal, global: &Global, source: &dyn Source, files: usize, findings: &[Diagnostic]) -> Failure {
    let findings = &redaction::findings(global, None, findings);
    let printed = if global.format == Format::Json {
        diagnostics::json(findings)
            .map_err(|error| Failure::new(error.to_string()))
            .and_then(|json| terminal.print(&json))
    } else {
        // A runner takes words inside its log for commands: there only what is escaped for it.
        if global.format != Format::Github {
            terminal.say(diagnostics::text(findings, &load::sources(source, findings), files, true).trim_end());
        }
        if global.format.annotates() { notes::findings(terminal, global, findings) } else { Ok(()) }
    };
    printed.err().unwrap_or_else(|| Failure::Findings(findings.clone()))
}
