//! WHAT WAS: the policy at a commit, and what the work tree is in git.
//!
//! Comes in: a repository and a revision. Goes out: the commit, whether files
//! differ, and a source of policies at a commit. Refuses: to write to git, and to
//! take a repository that git itself would not trust for none at all.
//!
//! * [`Revision`]: policies at a commit, for `--rev` and `--trusted`.
//! * [`mark`]: which commit the work tree is at, for the plan file.
//! * [`merge_base`]: where two lines of commits parted, for `diff BASE...HEAD`.
//! * [`Branch`]: whether a commit of a branch is what merging a reviewed one gives.
//! * [`file_at`]: one file at a revision, for what connection settings point to.

mod incoming;
mod revision;

pub use incoming::Branch;
pub use revision::Revision;

use crate::plan::PolicyMark;
use git2::{ErrorCode, ObjectType, Repository, StatusOptions};
use std::path::{Component, Path, PathBuf};

/// Git said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {message}")]
pub struct HistoryError {
    /// What was tried, with the user's words in backticks.
    pub what: String,
    /// What git says.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

impl HistoryError {
    fn new(what: impl Into<String>, error: &git2::Error) -> Self {
        let help = (error.code() == ErrorCode::Owner).then(|| {
            "the repository belongs to another user; `git config --global --add safe.directory PATH` trusts it"
                .to_owned()
        });
        let message = error.message().trim_end_matches('.').to_owned();
        Self { what: what.into(), message, help }
    }
}

/// Which commit the policies in `folder` (`…/policies`) are at. `dirty` is whether
/// any file below it differs from that commit, is not in it, or is ignored by git
/// and still a policy file. Without git there is no commit and nothing is dirty.
/// The digest is left empty: the policy knows it.
///
/// # Errors
/// When there is a repository and git cannot read it.
pub fn mark(folder: &Path) -> Result<PolicyMark, HistoryError> {
    let Some(place) = Place::find(folder)? else { return Ok(PolicyMark::default()) };
    let head = match place.repository.head() {
        Ok(head) => Some(head),
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
        Err(error) => return Err(HistoryError::new("the current commit cannot be read", &error)),
    };
    let commit = match &head {
        Some(head) => {
            let commit = head.peel_to_commit();
            Some(
                commit
                    .map_err(|error| HistoryError::new("the current commit cannot be read", &error))?
                    .id()
                    .to_string(),
            )
        }
        None => None,
    };
    let branch =
        head.as_ref().filter(|head| head.is_branch()).and_then(|head| head.shorthand().ok()).map(str::to_owned);
    let dirty = place.is_dirty()?;
    Ok(PolicyMark { commit, dirty, branch, ..PolicyMark::default() })
}

/// Where `folder` is below the root of its repository, with slashes; `None` where it is in
/// none, or is its root.
///
/// # Errors
/// When there is a repository and git cannot open it.
pub fn inside(folder: &Path) -> Result<Option<String>, HistoryError> {
    let place = Place::find(folder)?;
    let parts = place.iter().flat_map(|place| place.inside.components());
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Whether git tracks `path` (a file, or any file below a folder): what accord
/// writes for itself must not come from a commit. The path counts as it is written
/// and as it really is: a tracked link or submodule on the way is tracked too.
///
/// # Errors
/// When there is a repository and git cannot read it.
pub fn is_tracked(path: &Path) -> Result<bool, HistoryError> {
    let mut places: Vec<Place> = Place::find(path)?.into_iter().collect();
    if let (Some(folder), Some(name)) = (path.parent(), path.file_name())
        && let Some(mut written) = Place::find(folder)?
    {
        written.inside.push(name);
        places.push(written);
    }
    for Place { repository, inside } in places {
        let index = repository.index().map_err(|error| HistoryError::new("git's index cannot be read", &error))?;
        let wanted = inside.to_string_lossy().into_owned();
        let below = format!("{wanted}/");
        let above = |entry: &[u8]| wanted.as_bytes().strip_prefix(entry).is_some_and(|rest| rest.starts_with(b"/"));
        let is_it = |entry: &[u8]| entry == wanted.as_bytes() || entry.starts_with(below.as_bytes()) || above(entry);
        if index.iter().any(|entry| is_it(&entry.path)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The full id of the commit that `revision` names in the repository around `folder`.
///
/// # Errors
/// When `folder` is in no repository, or `revision` names no commit.
pub fn commit_of(folder: &Path, revision: &str) -> Result<String, HistoryError> {
    let what = || format!("`{revision}` cannot be found");
    let Some(Place { repository, .. }) = Place::find(folder)? else {
        let message = format!("`{}` is in no git repository", folder.display());
        return Err(HistoryError { what: what(), message, help: None });
    };
    let commit = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
    commit.map(|commit| commit.id().to_string()).map_err(|error| HistoryError::new(what(), &error))
}

/// The URL of the remote `name` of the repository around `folder`.
///
/// # Errors
/// When `folder` is in no repository, or there is no remote of that name.
pub fn remote_url(folder: &Path, name: &str) -> Result<String, HistoryError> {
    let what = || format!("the remote `{name}` cannot be found");
    let Some(Place { repository, .. }) = Place::find(folder)? else {
        let message = format!("`{}` is in no git repository", folder.display());
        return Err(HistoryError { what: what(), message, help: None });
    };
    let remote = repository.find_remote(name).map_err(|error| HistoryError::new(what(), &error))?;
    // Where a push goes to another place, the journal goes there too.
    let url = remote.pushurl().ok().flatten().or_else(|| remote.url().ok()).map(str::to_owned);
    url.ok_or_else(|| HistoryError { what: what(), message: "its URL is not UTF-8".to_owned(), help: None })
}

/// Whether `commit` is `from`, or stands on it. `None` where git does not have `from`:
/// a shallow clone, or a history that was written anew.
///
/// # Errors
/// When `folder` is in no repository, or git does not have `commit`.
pub fn descends(folder: &Path, commit: &str, from: &str) -> Result<Option<bool>, HistoryError> {
    let what = || format!("whether `{commit}` stands on `{from}` cannot be told");
    let wrong = |error: &git2::Error| HistoryError::new(what(), error);
    let Some(Place { repository, .. }) = Place::find(folder)? else {
        let message = format!("`{}` is in no git repository", folder.display());
        return Err(HistoryError { what: what(), message, help: None });
    };
    let id = |text: &str| repository.revparse_single(text).and_then(|object| object.peel_to_commit()).map(|c| c.id());
    let commit = id(commit).map_err(|error| wrong(&error))?;
    let Ok(from) = id(from) else { return Ok(None) };
    if commit == from {
        return Ok(Some(true));
    }
    repository.graph_descendant_of(commit, from).map(Some).map_err(|error| wrong(&error))
}

/// The top of the work tree around `folder`; `None` where there is none.
///
/// # Errors
/// When there is a repository and git cannot read it.
pub fn top(folder: &Path) -> Result<Option<PathBuf>, HistoryError> {
    let place = Place::find(folder)?;
    Ok(place.and_then(|place| place.repository.workdir()?.canonicalize().ok()))
}

/// The bytes of the file `path`, relative to the folder `root`, at `revision`; `None`
/// where that commit has no such file (a link or a submodule is none).
///
/// # Errors
/// When `root` is in no repository, or `revision` names no commit.
pub fn file_at(root: &Path, path: &Path, revision: &str) -> Result<Option<Vec<u8>>, HistoryError> {
    let what = || format!("`{}` at `{revision}` cannot be read", path.display());
    let wrong = |error: &git2::Error| HistoryError::new(what(), error);
    let Some(Place { repository, inside }) = Place::find(root)? else {
        let message = format!("`{}` is in no git repository", root.display());
        return Err(HistoryError { what: what(), message, help: Some("`--trusted` needs one".to_owned()) });
    };
    let plain = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let path = inside.join(plain.collect::<PathBuf>());
    let commit = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
    let tree = commit.and_then(|commit| commit.tree()).map_err(|error| wrong(&error))?;
    let entry = match tree.get_path(&path) {
        Ok(entry) => entry,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error)),
    };
    if entry.filemode() == revision::SYMLINK || entry.kind() != Some(ObjectType::Blob) {
        return Ok(None);
    }
    let blob = entry.to_object(&repository).and_then(|object| object.peel_to_blob()).map_err(|error| wrong(&error))?;
    Ok(Some(blob.content().to_vec()))
}

/// The commit at which the histories of two revisions parted, as git means it: the best
/// common ancestor. The second value is whether a shallow clone may hide a better one.
///
/// # Errors
/// When `folder` is in no repository, a revision names no commit, or the two have no
/// commit in common that is here.
pub fn merge_base(folder: &Path, base: &str, head: &str) -> Result<(String, bool), HistoryError> {
    let what = || format!("the merge base of `{base}` and `{head}` cannot be found");
    let plain = |message: String, help: &str| HistoryError { what: what(), message, help: Some(help.to_owned()) };
    let Some(Place { repository, .. }) = Place::find(folder)? else {
        return Err(plain(format!("`{}` is in no git repository", folder.display()), "git init, and commit"));
    };
    let commit = |revision: &str| {
        let object = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
        object.map(|commit| commit.id()).map_err(|error| {
            if error.code() != ErrorCode::NotFound {
                return HistoryError::new(what(), &error);
            }
            let (shallow, help) = revision::missing(&repository);
            plain(format!("git has no commit, branch or tag called `{revision}`{shallow}"), help)
        })
    };
    let (one, other) = (commit(base)?, commit(head)?);
    match repository.merge_base(one, other) {
        Ok(found) => Ok((found.to_string(), repository.is_shallow())),
        Err(error) if error.code() == ErrorCode::NotFound => {
            let (shallow, help) = revision::missing(&repository);
            let help = if shallow.is_empty() { "compare them as they are: BASE..HEAD" } else { help };
            Err(plain(format!("they have no commit in common{shallow}"), help))
        }
        Err(error) => Err(HistoryError::new(what(), &error)),
    }
}

/// A path in its repository.
struct Place {
    repository: Repository,
    /// The path relative to the work tree.
    inside: PathBuf,
}

impl Place {
    /// `None` where `path` is in no repository (or in a bare one).
    fn find(path: &Path) -> Result<Option<Self>, HistoryError> {
        let shown = path.display();
        // A file that is not there yet is looked for where it would be.
        let Some(real) = path.ancestors().find_map(|part| {
            let real = part.canonicalize().ok()?;
            let rest = path.strip_prefix(part).ok()?;
            Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
        }) else {
            return Ok(None);
        };
        let start = real.ancestors().find(|part| part.is_dir()).unwrap_or(Path::new("/"));
        let repository = match Repository::discover(start) {
            Ok(repository) => repository,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => {
                return Err(HistoryError::new(format!("the repository of `{shown}` cannot be opened"), &error));
            }
        };
        let Some(root) = repository.workdir().and_then(|root| root.canonicalize().ok()) else { return Ok(None) };
        let inside = real.strip_prefix(&root).map(Path::to_owned).unwrap_or_default();
        Ok(Some(Self { repository, inside }))
    }

    fn is_dirty(&self) -> Result<bool, HistoryError> {
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true);
        // An ignored policy file is read all the same.
        options.include_ignored(true).recurse_ignored_dirs(true);
        options.disable_pathspec_match(true);
        if !self.inside.as_os_str().is_empty() {
            options.pathspec(&self.inside);
        }
        let statuses = self.repository.statuses(Some(&mut options));
        let statuses = statuses.map_err(|error| HistoryError::new("the work tree cannot be compared", &error))?;
        let policy_file = |path: &[u8]| path.ends_with(b".yaml");
        Ok(statuses.iter().any(|entry| !entry.status().is_ignored() || policy_file(entry.path_bytes())))
    }
}

#[cfg(test)]
mod tests;
