//! One apply at a time for a repository.
//!
//! Comes in: the root and who asks. Goes out: a lock that is held until it is
//! dropped. Refuses: a second holder, by naming the first.
//!
//! The lock is the operating system's advisory lock on `.accord/lock`: it ends
//! with the process that holds it, however that ends, so there is never a stale
//! one to clean up. The text inside only says who it is.

use super::store;
use crate::model::Instant;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Name of the machine, where the caller knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Since when, UTC.
    pub since: Instant,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another `accord apply` is running in this repository: {holder}; wait for it to end (`{path}` is free as soon as that process is gone)", path = path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// `process 4711 on build-3 since 2026-11-22T10:31:00Z`.
        holder: String,
    },
    /// The file cannot be made or locked.
    #[error("the lock `{path}` cannot be taken: {source}", path = path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Whether anybody ever took the lock of the repository at `root`.
    pub fn exists(root: &Path) -> bool {
        fs::symlink_metadata(file_of(root)).is_ok()
    }

    /// Takes the lock of the repository at `root`, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process (or another part of this one) has
    /// it, [`LockError::Io`] when its file cannot be made or locked.
    pub fn take(root: &Path, holder: &Holder) -> Result<Self, LockError> {
        let path = file_of(root);
        let io_error = |source| LockError::Io { path: path.clone(), source };
        store::make_folder(root).map_err(io_error)?;
        match store::refuse_symlink(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            _ => {}
        }
        let mut file =
            store::private().read(true).write(true).create(true).truncate(false).open(&path).map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = describe(&fs::read(&path).unwrap_or_default());
                return Err(LockError::Held { path, holder });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        let text = serde_json::to_string(holder).unwrap_or_default();
        // Who holds it is for people only: the lock is taken even if this fails.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{text}"));
        Ok(Self { _file: file })
    }
}

fn file_of(root: &Path) -> PathBuf {
    root.join(super::FOLDER).join("lock")
}

fn describe(text: &[u8]) -> String {
    match serde_json::from_slice::<Holder>(text) {
        Ok(Holder { pid, host: Some(host), since }) => format!("process {pid} on {host} since {since}"),
        Ok(Holder { pid, host: None, since }) => format!("process {pid} since {since}"),
        Err(_) => "a process that has not said who it is".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is_and_the_lock_ends_with_it() {
        let root = tempfile::tempdir().unwrap();
        let since = Instant::from_seconds(1_795_343_460);
        let first = Holder { pid: 4711, host: Some("build-3".into()), since };
        let held = Lock::take(root.path(), &first).unwrap();
        let error = Lock::take(root.path(), &Holder { pid: 2, host: None, since }).unwrap_err().to_string();
        assert!(error.contains("process 4711 on build-3 since 2026-11-22T10:31:00Z; wait for it"), "{error}");
        drop(held);
        Lock::take(root.path(), &Holder { pid: 2, host: None, since }).unwrap();
    }
}
