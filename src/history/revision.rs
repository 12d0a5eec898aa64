//! Policies at a commit.
//!
//! Comes in: a repository and a revision as git writes it. Goes out: the same
//! files a work tree of that commit would give. Refuses: symlinks and submodules
//! (they lead out of what was reviewed), `.yml`, and trees that are made to be endless: a
//! commit may come from a stranger, and a tree of a few kilobytes can unfold to any size.

use super::{HistoryError, Place};
use crate::diagnostic::{Diagnostic, Span};
use crate::plan::PolicyMark;
use crate::source::{Source, SourceFile, ensure_accord_yaml};
use git2::{ErrorCode, ObjectType, Odb, Repository, Tree};
use std::path::Path;
use std::sync::Arc;

/// The policies of one commit, read once.
#[derive(Debug, Clone)]
pub struct Revision {
    commit: String,
    files: Arc<[SourceFile]>,
    wrong: Vec<Diagnostic>,
}

impl Revision {
    /// The policies that `folder` (`…/policies`) had at `revision`: a commit, a
    /// branch, a tag, `main~3`.
    ///
    /// # Errors
    /// When `folder` is in no repository, `revision` names no commit, or the
    /// commit has no such folder.
    pub fn open(folder: &Path, revision: &str) -> Result<Self, HistoryError> {
        let what = || format!("the policies at `{revision}` cannot be read");
        let shown = folder.display();
        let plain = |message: String, help: &str| HistoryError { what: what(), message, help: Some(help.to_owned()) };
        let place = Place::find(folder)?
            .ok_or_else(|| plain(format!("`{shown}` is in no git repository"), "`--rev` and `--trusted` need one"))?;
        let repository = &place.repository;
        let object = repository.revparse_single(revision).map_err(|error| {
            if error.code() != ErrorCode::NotFound {
                return HistoryError::new(what(), &error);
            }
            let (shallow, help) = missing(repository);
            plain(format!("git has no commit, branch or tag of that name{shallow}"), help)
        })?;
        let commit = object.peel_to_commit().map_err(|error| HistoryError::new(what(), &error))?;
        let tree = commit.tree().map_err(|error| HistoryError::new(what(), &error))?;
        let tree = if place.inside.as_os_str().is_empty() {
            tree
        } else {
            let entry = tree.get_path(&place.inside).map_err(|_| {
                plain(format!("that commit has no folder `{}`", place.inside.display()), "name a later one")
            })?;
            let tree = entry.to_object(repository).and_then(|object| object.peel_to_tree());
            tree.map_err(|error| HistoryError::new(what(), &error))?
        };
        let odb = repository.odb().map_err(|error| HistoryError::new(what(), &error))?;
        let mut walk = Walk { repository, odb, files: Vec::new(), wrong: Vec::new(), entries: 0, bytes: 0 };
        walk.folder(&tree, "policies", 0);
        let Walk { mut files, mut wrong, .. } = walk;
        files.sort();
        wrong.sort();
        Ok(Self { commit: commit.id().to_string(), files: files.into(), wrong })
    }

    /// The commit's full id.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The mark of a plan made from these policies; the digest is left empty.
    pub fn mark(&self) -> PolicyMark {
        PolicyMark { commit: Some(self.commit.clone()), ..PolicyMark::default() }
    }
}

impl Source for Revision {
    fn files(&self) -> Result<Arc<[SourceFile]>, Vec<Diagnostic>> {
        if !self.wrong.is_empty() {
            return Err(self.wrong.clone());
        }
        ensure_accord_yaml(&self.files).map_err(|missing| vec![*missing])?;
        Ok(Arc::clone(&self.files))
    }
}

/// What to say where git lacks a commit, and what to do.
pub(super) fn missing(repository: &Repository) -> (String, &'static str) {
    if !repository.is_shallow() {
        return (String::new(), "`git fetch --tags` brings what was added elsewhere");
    }
    let walk = repository.revwalk().and_then(|mut walk| walk.push_head().map(|()| walk));
    let deep = walk.map_or(0, |walk| walk.take(DEEPEST).map_while(Result::ok).count());
    let commits = if deep == 1 { "commit" } else { "commits" };
    let shallow = format!("; this clone is shallow, {deep} {commits} deep");
    (shallow, "`git fetch --deepen=100` brings some of the older commits, `git fetch --unshallow --tags` all of them")
}

/// Most commits that are counted to say how deep a clone is.
const DEEPEST: usize = 100_000;

/// Deepest folder that is looked into.
const MOST_FOLDERS: usize = 64;

/// Most files and folders of one commit.
const MOST_ENTRIES: usize = 100_000;

/// Most bytes of one policy file; a larger one is refused by the parser as well.
const MOST_FILE: usize = 64 << 20;

/// Most bytes of all policy files of one commit.
const MOST_BYTES: usize = 1 << 30;

/// Mode of a symbolic link in a git tree.
pub(super) const SYMLINK: i32 = 0o120_000;

struct Walk<'r> {
    repository: &'r Repository,
    odb: Odb<'r>,
    files: Vec<SourceFile>,
    wrong: Vec<Diagnostic>,
    /// Files and folders so far.
    entries: usize,
    /// Bytes so far.
    bytes: usize,
}

impl Walk<'_> {
    fn folder(&mut self, tree: &Tree<'_>, folder: &str, depth: usize) {
        if depth > MOST_FOLDERS {
            let message = format!("folders are nested more than {MOST_FOLDERS} deep");
            return self.wrong("too-deep", message, folder, "policies need no more than a few folders");
        }
        for entry in tree {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                // Said once, however much more there is.
                if self.entries == MOST_ENTRIES + 1 {
                    let message = format!("the commit has more than {MOST_ENTRIES} files and folders of policies");
                    self.wrong("too-many-files", message, folder, "put several people or groups into one file");
                }
                return;
            }
            let name = match std::str::from_utf8(entry.name_bytes()) {
                Ok(name) if name.starts_with('.') => continue,
                Ok(name) => name.to_owned(),
                Err(_) => {
                    let shown = format!("{folder}/{}", String::from_utf8_lossy(entry.name_bytes()));
                    self.wrong("not-utf8", format!("the name of `{shown}` is not UTF-8"), &shown, "rename it");
                    continue;
                }
            };
            let shown = format!("{folder}/{name}");
            match entry.kind() {
                _ if entry.filemode() == SYMLINK => {
                    let help = "what it points to can change without a review; put the file itself here";
                    self.wrong("symlink", format!("`{shown}` is a symbolic link"), &shown, help);
                }
                Some(ObjectType::Tree) => match entry.to_object(self.repository).and_then(|o| o.peel_to_tree()) {
                    Ok(tree) => self.folder(&tree, &shown, depth + 1),
                    Err(error) => self.unreadable(&shown, &error),
                },
                Some(ObjectType::Blob) => self.file(&entry, &name, &shown),
                _ => {
                    let help = "its files are not part of the commit that was reviewed; put them here";
                    self.wrong("submodule", format!("`{shown}` is a submodule"), &shown, help);
                }
            }
        }
    }

    fn file(&mut self, entry: &git2::TreeEntry<'_>, name: &str, shown: &str) {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        if ending == "yaml" {
            let size = self.odb.read_header(entry.id()).map_or(0, |(size, _)| size);
            self.bytes = self.bytes.saturating_add(size);
            if size > MOST_FILE || self.bytes > MOST_BYTES {
                let (is, what, most) = if size > MOST_FILE {
                    (size, "file has", MOST_FILE)
                } else {
                    (self.bytes, "files have", MOST_BYTES)
                };
                let message = format!("the {what} {} MiB, more than {} MiB", is >> 20, most >> 20);
                return self.wrong("file-too-large", message, shown, "split it, or leave out what is no policy");
            }
            match entry.to_object(self.repository).and_then(|object| object.peel_to_blob()) {
                Ok(blob) => {
                    self.files.push(SourceFile { path: Arc::from(shown), bytes: blob.content().to_vec() });
                }
                Err(error) => self.unreadable(shown, &error),
            }
        } else if ending.eq_ignore_ascii_case("yml") || ending.eq_ignore_ascii_case("yaml") {
            let message = format!("`{shown}` would not be read: policy files end in `.yaml`");
            self.wrong("file-ending", message, shown, "rename it so that it ends in `.yaml`");
        }
    }

    fn unreadable(&mut self, shown: &str, error: &git2::Error) {
        let help = "a shallow or partial clone lacks objects; fetch the whole history";
        self.wrong("unreadable", format!("`{shown}` cannot be read: {}", error.message()), shown, help);
    }

    fn wrong(&mut self, code: &'static str, message: String, shown: &str, help: &str) {
        let span = Span { file: Arc::from(shown), line: 0, column: 0, length: 0 };
        self.wrong.push(Diagnostic::error(code, message).at(span).help(help));
    }
}
