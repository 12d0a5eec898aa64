//! What the directories hold, read on a thread of their own.
//!
//! Comes in: settings, trust, secrets. Goes out: one [`Observed`] per directory, in
//! the policies' order. Refuses: to write; what is held here is a `Reader`.

use super::args::Global;
use super::failure::Failure;
use super::progress;
use super::repository::Repository;
use super::secrets;
use super::session::Session;
use super::trust;
use crate::history;
use crate::plan::Memory;
use crate::policy::Directory;
use crate::provider::connect;
use crate::provider::observe::{Checks, Counts, Job, gather};
use crate::provider::{Credentials, Kind, Observed, ProviderError, Purpose, Reader, Scope, Target};
use crate::record;
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
    thread: JoinHandle<io::Result<Vec<Observed>>>,
}

/// Starts reading all directories at the same time; with `authors` also who changed
/// what.
///
/// # Errors
/// When connection settings are not trusted, git tracks what accord remembers, a
/// secret is missing, or the journal cannot be read. Nothing was contacted then.
pub(super) fn start(
    global: &Global,
    repository: &Repository,
    directories: &[Directory],
    authors: bool,
) -> Result<Reads, Failure> {
    trust::ensure(global, repository, directories)?;
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
    let thread =
        thread::Builder::new().name("directories".to_owned()).spawn(move || read(&own, credentials, earlier, authors));
    let thread = thread.map_err(|error| Failure::new(format!("no thread could be started: {error}")))?;
    Ok(Reads { directories: directories.to_vec(), memory, newest, thread })
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
        let observed = match read {
            Ok(observed) => observed.map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?,
            Err(_) => return Err(Failure::new("the directories could not be read: an unforeseen error in accord")),
        };
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
) -> io::Result<Vec<Observed>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut readers: Vec<Result<Box<dyn Reader>, ProviderError>> = directories
        .iter()
        .zip(credentials)
        .map(|(directory, credentials)| connect::reader(&Target { directory, credentials, purpose: Purpose::Plan }))
        .collect();
    let mut jobs = Vec::with_capacity(readers.len());
    for ((directory, reader), earlier) in directories.iter().zip(&mut readers).zip(earlier) {
        let kind = connect::kind(directory);
        let scope = kind.map(|kind| kind.scope()).unwrap_or_default();
        let reader: Result<&mut dyn Reader, ProviderError> = match reader {
            Ok(reader) => Ok(reader.as_mut()),
            Err(error) => Err(error.clone()),
        };
        let checks = Checks::new(&directory.settings, earlier);
        jobs.push(Job { reader, scope: Scope { authors, ..scope }, checks });
    }
    Ok(runtime.block_on(gather(jobs)))
}

fn earlier(memory: &Memory, directory: &str) -> Option<Counts> {
    let size = memory.sizes.get(directory)?;
    Some(Counts { accounts: size.accounts, groups: size.groups })
}
