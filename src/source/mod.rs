//! Bytes of policy files, from the work tree or a git object: the only reader of
//! files for policies.
//!
//! Comes in: a folder or a revision. Goes out: paths and bytes, sorted. Refuses:
//! symlinks, paths outside the repository, YAML.

mod work_tree;

pub use work_tree::WorkTree;

use crate::diagnostic::Diagnostic;
use std::sync::Arc;

/// Path of the file that every set of policies has.
pub const ACCORD_YAML: &str = "policies/accord.yaml";

/// One policy file, unread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// Path as the user would type it, `policies/roles/sre.yaml`.
    pub path: Arc<str>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Somewhere policy files come from.
pub trait Source: Sync {
    /// Every policy file, sorted by path; shared, because a large organisation's files
    /// are tens of megabytes and are needed again where something is wrong.
    ///
    /// # Errors
    /// Everything that is wrong with the folder: symlinks, names that are not
    /// UTF-8, files that cannot be read, a missing `accord.yaml`.
    fn files(&self) -> Result<Arc<[SourceFile]>, Vec<Diagnostic>>;
}

/// Policy files that are text of the program: for tests, benchmarks, examples.
#[derive(Debug, Clone, Default)]
pub struct InMemory(Arc<[SourceFile]>);

impl InMemory {
    /// Files from pairs of path and content.
    pub fn new<P: AsRef<str>, C: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        let mut files: Vec<_> = files
            .into_iter()
            .map(|(path, bytes)| SourceFile { path: path.as_ref().into(), bytes: bytes.into() })
            .collect();
        files.sort();
        Self(files.into())
    }
}

impl From<Arc<[SourceFile]>> for InMemory {
    /// Files that were read already, sorted by path.
    fn from(files: Arc<[SourceFile]>) -> Self {
        Self(files)
    }
}

impl Source for InMemory {
    fn files(&self) -> Result<Arc<[SourceFile]>, Vec<Diagnostic>> {
        ensure_accord_yaml(&self.0).map_err(|missing| vec![*missing])?;
        Ok(Arc::clone(&self.0))
    }
}

/// Every set of policies has an `accord.yaml`: without it nobody knows which
/// directories are meant, and no policies at all would read as "nobody may do
/// anything".
///
/// # Errors
/// One finding that says how to make the file.
pub fn ensure_accord_yaml(files: &[SourceFile]) -> Result<(), Box<Diagnostic>> {
    if files.iter().any(|file| file.path.as_ref() == ACCORD_YAML) {
        return Ok(());
    }
    let missing = Diagnostic::error("no-accord-yaml", format!("there is no `{ACCORD_YAML}`"))
        .help("it names the organisation and its directories; `accord init` writes one to start from");
    Err(Box::new(missing))
}
