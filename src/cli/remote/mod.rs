//! Between machines: a journal and a lease that a git remote keeps.
//!
//! Comes in: `journal.git` of the policies. Goes out: the lease of one run, and the journal of
//! all machines here. Refuses: settings that are not those of the trusted revision, before any
//! secret is read or the remote asked.
//!
//! * [`Lease`]: one run at a time over all machines.
//! * `journal`: the branch and the files here.
//! * `git`: the program.

mod git;
mod journal;
mod lease;

pub(super) use journal::late;
pub(super) use lease::{Lease, Remote};

use super::args::Global;
use super::clock;
use super::failure::Failure;
use super::repository::Repository;
use super::secrets;
use super::session;
use super::terminal::Terminal;
use super::trust;
use crate::history;
use crate::policy::journal::GitJournal;
use crate::policy::load::load;
use crate::record::{self, Holder, Lock, Report};
use crate::render::escape;
use crate::source::{Source as _, WorkTree};
use std::fs;
use std::path::Path;

/// Where the policies say that the journal is shared. Of policies with errors nothing is
/// said: whoever goes on to read them says it.
///
/// # Errors
/// When that is not as it is in the trusted revision.
pub(super) fn configured(global: &Global, repository: &Repository) -> Result<Option<GitJournal>, Failure> {
    let read = || {
        let tree = WorkTree::open(&repository.policies).ok()?;
        let files = tree.files().ok()?;
        // Other files are read only where this one hangs on them.
        load(&session::alone(&files)).or_else(|_| load(&tree)).ok()
    };
    let Some(policy) = read() else { return Ok(None) };
    // Nothing is read or asked before all of it is known to be trusted.
    trust::ensure(global, repository, &policy.directories)?;
    let settings = policy.oversight.journal;
    trust::ensure_journal(global, repository, settings.as_ref())?;
    Ok(settings)
}

/// The remote that the settings name.
///
/// # Errors
/// When there is none of that name, or its token is not there.
pub(super) fn open(global: &Global, repository: &Repository, settings: &GitJournal) -> Result<Remote, Failure> {
    let token = settings.token.as_ref();
    let token = token.map(|token| secrets::resolve(global, "`journal.git.token`", token)).transpose()?;
    let name = &settings.remote;
    let url = match name.contains([':', '/']) {
        true if name.contains(':') => name.clone(),
        true => repository.root.join(name).to_string_lossy().into_owned(),
        false => history::remote_url(&repository.root, name)?,
    };
    let root = repository.root.clone();
    record::store::make_folder(&root).map_err(|error| Failure::file(&root, "write to", &error))?;
    let git = git::Git::open(url, git::store(&root), token);
    let git =
        git.map_err(|trouble| Failure::new(format!("the journal's remote cannot be used: {}", trouble.words())))?;
    Ok(Remote {
        git,
        branch: settings.branch(),
        lease: settings.lease().to_owned(),
        seconds: settings.seconds(),
        root,
        name: name.clone(),
    })
}

/// Who asks for a lock or a lease.
pub(super) fn holder() -> Holder {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
    Holder { pid: std::process::id(), host, since: clock::now() }
}

/// Brings the journal here up to what other machines did, for a look that writes nothing. Where
/// that is not possible the look goes on with what is known here, and says so.
///
/// # Errors
/// When the settings are not those of the trusted revision, or a token is not there.
pub(super) fn look(terminal: Terminal, global: &Global, repository: &Repository) -> Result<(), Failure> {
    let Some(settings) = configured(global, repository)? else { return Ok(()) };
    let remote = open(global, repository, &settings)?;
    // A run that goes on here knows better.
    let Ok(_lock) = Lock::take(&repository.root, &holder()) else { return Ok(()) };
    if let Err(Failure::Said(why, ..)) = journal::catch_up(&remote) {
        terminal.say(&format!("{}; what other machines did since is not known here", escape::terminal(&why)));
    }
    Ok(())
}

/// Whether the shared journal is as it was written, and whether the one here goes with it.
///
/// # Errors
/// When the remote is not reached, or its branch does not hold what it held.
pub(super) fn verify(global: &Global, repository: &Repository) -> Result<Option<Report>, Failure> {
    let Some(settings) = configured(global, repository)? else { return Ok(None) };
    let remote = open(global, repository, &settings)?;
    let folder = repository.root.join(record::FOLDER).join(format!("verify-{}", std::process::id()));
    let report = journal::verify(&remote, &folder);
    drop(fs::remove_dir_all(Path::new(&folder)));
    report.map(Some)
}
