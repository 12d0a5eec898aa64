//! The file on disk: read, locked, replaced whole.
//!
//! Comes in: a path inside the repository. Goes out: bytes with their digest; a
//! replacement that is either wholly there or not at all. Refuses: symbolic links,
//! paths that leave the root, a file that changed since it was read.

use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};

/// A state of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// There was no file.
    Missing,
    /// SHA-256 of its bytes.
    Digest([u8; 32]),
}

impl Mark {
    fn of(bytes: &[u8]) -> Self {
        Self::Digest(Sha256::digest(bytes).into())
    }

    /// The first eight hexadecimal digits, for people.
    pub(super) fn short(self) -> String {
        match self {
            Self::Missing => "missing".to_owned(),
            Self::Digest(bytes) => bytes.iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
        }
    }
}

/// Why a replacement did not come about.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody else holds the lock.
    Busy,
    /// The file is not the one that was read.
    Changed,
    /// The system refused; certainly nothing was replaced.
    Io(String),
    /// The replacement is in place, but the system did not confirm that it lasts.
    Unsure(String),
}

/// A file inside the root.
#[derive(Debug, Clone)]
pub(super) struct Store {
    path: PathBuf,
    folder: PathBuf,
    root: PathBuf,
}

impl Store {
    /// The file `relative` below `root`.
    ///
    /// # Errors
    /// When the path is absolute or leaves the root.
    pub(super) fn new(root: &Path, relative: &str) -> Result<Self, String> {
        let path = Path::new(relative);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || path.file_name().is_none() {
            return Err(format!("`file: {relative}` leaves the repository; write a path inside it"));
        }
        let path = root.join(path);
        let folder = path.parent().unwrap_or(root).to_path_buf();
        Ok(Self { path, folder, root: root.to_path_buf() })
    }

    /// The bytes and their mark; no bytes when there is no file.
    ///
    /// # Errors
    /// A symbolic link on the way, no regular file, no permission.
    pub(super) fn read(&self) -> Result<(Vec<u8>, Mark), String> {
        self.no_links()?;
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Mark::Missing)),
            Err(error) => return Err(error.to_string()),
        };
        if !file.metadata().is_ok_and(|data| data.is_file()) {
            return Err("it is no regular file".to_owned());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let mark = Mark::of(&bytes);
        Ok((bytes, mark))
    }

    /// Whoever can put a link into the repository must not choose what is read or
    /// overwritten outside it.
    fn no_links(&self) -> Result<(), String> {
        let below = self.path.strip_prefix(&self.root).unwrap_or(&self.path);
        let mut at = self.root.clone();
        for part in below.components() {
            at.push(part);
            if std::fs::symlink_metadata(&at).is_ok_and(|data| data.file_type().is_symlink()) {
                return Err(format!("`{}` is a symbolic link; put the file itself there", at.display()));
            }
        }
        Ok(())
    }

    /// Replaces the file by `bytes` if it still is as `expected`.
    ///
    /// # Errors
    /// [`Failure`]; but for `Unsure` the old file is in place.
    pub(super) fn replace(&self, bytes: &[u8], expected: Mark) -> Result<Mark, Failure> {
        let io = |what: &str, error: &std::io::Error| Failure::Io(format!("{what}: {error}"));
        self.no_links().map_err(Failure::Io)?;
        if expected == Mark::Missing {
            std::fs::create_dir_all(&self.folder).map_err(|error| io("make the folder", &error))?;
        }
        let folder = File::open(&self.folder).map_err(|error| io("open the folder", &error))?;
        // Two runs on one machine: the second waits or gives up, whole files only.
        match folder.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Failure::Busy),
            Err(std::fs::TryLockError::Error(error)) => return Err(io("lock the folder", &error)),
        }
        if self.read().map_err(Failure::Io)?.1 != expected {
            return Err(Failure::Changed);
        }
        let temporary = self.temporary();
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("remove the left-over file", &error)),
            _ => {}
        }
        let written = self.write_new(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, &self.path));
        if let Err(error) = written {
            drop(std::fs::remove_file(&temporary));
            return Err(io("write the new file", &error));
        }
        folder.sync_all().map_err(|error| Failure::Unsure(format!("make the new file last: {error}")))?;
        Ok(Mark::of(bytes))
    }

    fn temporary(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.folder.join(format!(".{name}.accord-new"))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // People's data: until somebody says otherwise, for the owner only.
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        if let Ok(old) = std::fs::metadata(&self.path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()
    }
}
