//! Policies at a commit.
//!
//! Comes in: a repository and a revision as git writes it. Goes out: the same
//! files a work tree of that commit would give. Refuses: symlinks and submodules
//! (they lead out of what was reviewed), `.yml`.

use super::{HistoryError, Place};
use crate::diagnostic::{Diagnostic, Span};
use crate::plan::PolicyMark;
use crate::source::{Source, SourceFile, ensure_accord_yaml};
use git2::{ErrorCode, ObjectType, Repository, Tree};
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
            let help = if repository.is_shallow() {
                "this clone is shallow; `git fetch --unshallow --tags` brings the older commits"
            } else {
                "`git fetch --tags` brings what was added elsewhere"
            };
            plain("git has no commit, branch or tag of that name".to_owned(), help)
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
        let mut walk = Walk { repository, files: Vec::new(), wrong: Vec::new() };
        walk.folder(&tree, "policies");
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

/// Mode of a symbolic link in a git tree.
pub(super) const SYMLINK: i32 = 0o120_000;

struct Walk<'r> {
    repository: &'r Repository,
    files: Vec<SourceFile>,
    wrong: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn folder(&mut self, tree: &Tree<'_>, folder: &str) {
        for entry in tree {
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
                    Ok(tree) => self.folder(&tree, &shown),
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
