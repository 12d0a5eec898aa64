//! What the directories hold, read on a thread of their own.
//!
//! Comes in: settings, trust, secrets. Goes out: one [`Observed`] per directory, in
//! the policies' order. Refuses: to write; what is held here is a `Reader`.

use super::args::{Global, Refresh};
use super::cache::Cache;
use super::clock;
use super::failure::Failure;
use super::progress;
use super::redaction;
use super::repository::Repository;
use super::secrets;
use super::session::Session;
use super::trust::{self, Trusted};
use crate::history;
use crate::model::{Change, State};
use crate::plan::Memory;
use crate::policy::{Directory, Policy};
use crate::provider::connect;
use crate::provider::observe::{Basis, Checks, Counts, Job, gather_since};
use crate::provider::{Credentials, Kind, Observed, ProviderError, Purpose, Reader, Recorded, Scope, Step, Target};
use crate::record;
use crate::render::escape;
use std::io;
use std::thread::{self, JoinHandle};

/// Every directory of the policies, in their order.
pub(super) struct Live {
    /// The pure part of each.
    pub(super) kinds: Vec<Box<dyn Kind>>,
    /// What each holds.
    pub(super) observed: Vec<Observed>,
    /// What earlier runs left in the journal.
    pub(super) memory: Memory,
    /// The newest run when the reads began.
    pub(super) newest: Option<String>,
}

/// Reads that are under way.
pub(super) struct Reads {
    directories: Vec<Directory>,
    memory: Memory,
    newest: Option<String>,
    /// What judges beside the policies.
    pub(super) trusted: Option<Trusted>,
    thread: JoinHandle<io::Result<Answers>>,
}

/// How directories are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// Whether to ask who changed what.
    pub(super) authors: bool,
    /// Everything, or what changed since the last read.
    pub(super) refresh: Refresh,
    /// Whether the journal here is that of all machines already.
    pub(super) is_shared: bool,
}

/// What came of all reads.
struct Answers {
    observed: Vec<Observed>,
    /// Directory and reason, where the next read cannot go on from this one.
    not_kept: Vec<(Box<str>, String)>,
}

/// Starts reading all directories at the same time; with `authors` also who changed
/// what.
///
/// # Errors
/// When connection settings are not trusted, git tracks what accord remembers, a
/// secret is missing, or the journal cannot be read. Nothing was contacted then.
pub(super) fn start(global: &Global, repository: &Repository, policy: &Policy, how: How) -> Result<Reads, Failure> {
    let directories = policy.directories.as_slice();
    let trusted = trust::ensure(global, repository, directories)?;
    // Before any secret is fetched: nothing of such a repository is used.
    ensure_own(repository)?;
    let credentials = directories
        .iter()
        .map(|directory| secrets::credentials(global, &repository.root, directory, Purpose::Plan))
        .collect::<Result<Vec<_>, _>>()?;
    let folder = record::journal_folder(&repository.root);
    let newest = record::newest(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    let memory = record::memory(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    let earlier = directories.iter().map(|directory| earlier(&memory, &directory.name)).collect();
    let own = directories.to_vec();
    let resumes = |directory| connect::kind(directory).is_ok_and(|kind| kind.capabilities().resume);
    let wanted = !how.authors && directories.iter().any(resumes);
    let cache = Cache::open(global, repository, &policy.organization, how.refresh, clock::now(), wanted)?;
    let thread = thread::Builder::new()
        .name("directories".to_owned())
        .spawn(move || read(&own, credentials, earlier, how.authors, &cache));
    let thread = thread.map_err(|error| Failure::new(format!("no thread could be started: {error}")))?;
    Ok(Reads { directories: directories.to_vec(), memory, newest, trusted, thread })
}

/// What accord remembers does not come from a commit.
///
/// # Errors
/// When git tracks some of it, or cannot say.
pub(super) fn ensure_own(repository: &Repository) -> Result<(), Failure> {
    if history::is_tracked(&repository.root.join(record::FOLDER))? {
        return Err(Failure::new(format!("git tracks `{}`, which accord writes for itself", record::FOLDER))
            .help("whoever proposes a change could write what accord remembers; git rm -r --cached .accord"));
    }
    Ok(())
}

impl Reads {
    /// Waits for the answers.
    ///
    /// # Errors
    /// When the settings of a directory make no sense to its kind, or no runtime
    /// could be made. A directory that did not answer is no error here: its
    /// [`Observed`] says so.
    pub(super) fn finish(self, session: &Session<'_>) -> Result<Live, Failure> {
        debug_assert_eq!(self.directories.len(), session.policy.directories.len());
        let bar = progress::waiting("reading the directories");
        let read = self.thread.join();
        bar.finish_and_clear();
        let Answers { observed, not_kept } = match read {
            Ok(answers) => answers.map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?,
            Err(_) => return Err(Failure::new("the directories could not be read: an unforeseen error in accord")),
        };
        for (directory, why) in not_kept {
            let (directory, why) = (escape::terminal(&directory), escape::terminal(&why));
            session.terminal.say(&format!("{directory}: the next read is a full one: {why}"));
        }
        let words = redaction::words(session.global, &[&session.policy]);
        for (directory, observed) in self.directories.iter().zip(&observed) {
            for note in &observed.notes {
                let note = words.sentence(note, "what was read is to be looked at");
                let (directory, note) = (escape::terminal(&directory.name), escape::terminal(&note));
                session.terminal.say(&format!("{directory}: {note}"));
            }
        }
        let kinds = self.directories.iter().map(connect::kind).collect::<Result<Vec<_>, _>>()?;
        Ok(Live { kinds, observed, memory: self.memory, newest: self.newest })
    }
}

/// One runtime on this thread; all directories are read side by side on it.
fn read(
    directories: &[Directory],
    credentials: Vec<Credentials>,
    earlier: Vec<Option<Counts>>,
    authors: bool,
    cache: &Cache,
) -> io::Result<Answers> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut readers: Vec<Result<Box<dyn Reader>, ProviderError>> = directories
        .iter()
        .zip(credentials)
        .map(|(directory, credentials)| connect::reader(&Target { directory, credentials, purpose: Purpose::Plan }))
        .collect();
    let (mut jobs, mut scopes) = (Vec::with_capacity(readers.len()), Vec::with_capacity(readers.len()));
    for ((directory, reader), earlier) in directories.iter().zip(&mut readers).zip(earlier) {
        let kind = connect::kind(directory);
        let resume = !authors && kind.as_ref().is_ok_and(|kind| kind.capabilities().resume);
        let scope = kind.map(|kind| kind.scope()).unwrap_or_default();
        let reader: Result<&mut dyn Reader, ProviderError> = match reader {
            Ok(reader) => Ok(reader.as_mut()),
            Err(error) => Err(error.clone()),
        };
        let checks = Checks::new(&directory.settings, earlier);
        // Authors belong to entries as they are now: a snapshot has none.
        let scope = Scope { authors, resume, ..scope };
        let basis = if resume { cache.basis(directory, &scope) } else { Basis::default() };
        scopes.push(scope.clone());
        jobs.push((Job { reader, scope, checks }, basis));
    }
    let mut observed = runtime.block_on(gather_since(jobs));
    let mut not_kept = Vec::new();
    for ((directory, scope), observed) in directories.iter().zip(&scopes).zip(&mut observed) {
        if scope.resume
            && let Err(why) = cache.keep(directory, scope, observed)
        {
            not_kept.push((directory.name.clone(), why));
        }
    }
    Ok(Answers { observed, not_kept })
}

/// What the directories recorded about just these changes, one answer each. Only the
/// directories that keep such records are asked, and only where something differs.
///
/// # Errors
/// When a secret is not there any more, or no runtime could be made. A directory that
/// does not answer this knows nothing: everything else is told all the same.
pub(super) fn recorded(
    session: &Session<'_>,
    live: &Live,
    changes: &[&Change],
) -> Result<Vec<Option<Recorded>>, Failure> {
    let mut told: Vec<Option<Recorded>> = vec![None; changes.len()];
    for (n, directory) in session.policy.directories.iter().enumerate() {
        let (Some(kind), Some(observed)) = (live.kinds.get(n), live.observed.get(n)) else { continue };
        let mine: Vec<usize> =
            (0..changes.len()).filter(|n| changes.get(*n).is_some_and(|c| *c.directory == *directory.name)).collect();
        if mine.is_empty() || !kind.capabilities().records_changes {
            continue;
        }
        let credentials = secrets::credentials(session.global, &session.repository.root, directory, Purpose::Plan)?;
        let Ok(mut reader) = connect::reader(&Target { directory, credentials, purpose: Purpose::Plan }) else {
            continue;
        };
        let steps: Vec<Step<'_>> =
            mine.iter().filter_map(|n| changes.get(*n)).map(|change| step(change, &observed.state)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?;
        let answers = runtime.block_on(reader.recorded(&steps)).unwrap_or_default();
        for (n, answer) in mine.into_iter().zip(answers) {
            if let Some(cell) = told.get_mut(n) {
                *cell = answer;
            }
        }
    }
    Ok(told)
}

/// A change with the handles that its objects were seen under.
fn step<'c>(change: &'c Change, state: &State) -> Step<'c> {
    let account = change.object.account.as_deref().and_then(|name| state.account_named(name));
    let account = account.map(|account| account.handle().to_owned());
    match change.object.group.as_deref() {
        Some(group) => {
            let handle = state.group_named(group).map(|group| group.handle().to_owned());
            Step { change, handle, member: account, placeholder: None }
        }
        None => Step { change, handle: account, member: None, placeholder: None },
    }
}

fn earlier(memory: &Memory, directory: &str) -> Option<Counts> {
    let size = memory.sizes.get(directory)?;
    Some(Counts { accounts: size.accounts, groups: size.groups })
}
