//! What the last read of each directory brought, kept for the next.
//!
//! Comes in: a folder, a key from outside the repository, observed directories. Goes
//! out: what a read goes on from, or why it is a full one; files below `.accord/cache`.
//! Refuses: a key that others may read or that lies inside the repository, files behind
//! symbolic links, and whatever was not written with this key for these very settings.
//!
//! Nothing depends on these files: they may be deleted at any time.

use super::args::{Global, Refresh};
use super::failure::Failure;
use super::repository::Repository;
use crate::model::{Instant, Term};
use crate::policy::{Directory, date};
use crate::provider::observe::seal::Key;
use crate::provider::observe::{Base, Basis, Binding, Snapshot};
use crate::provider::{Observed, Scope};
use crate::record;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::path::{Path, PathBuf};

/// Folder of the snapshots inside `.accord`.
const FOLDER: &str = "cache";
/// Longest key file, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The snapshots of one repository.
pub(super) struct Cache {
    folder: PathBuf,
    root: PathBuf,
    key: Result<Key, String>,
    organization: Box<str>,
    refresh: Refresh,
    now: Instant,
}

impl Cache {
    /// Finds the key where one is wanted, and makes it where there is none yet.
    ///
    /// # Errors
    /// When the file that `--cache-key-file` names cannot be used.
    pub(super) fn open(
        global: &Global,
        repository: &Repository,
        organization: &str,
        refresh: Refresh,
        now: Instant,
        wanted: bool,
    ) -> Result<Self, Failure> {
        let key = match &global.cache_key_file {
            _ if !wanted => Err("no directory needs one".to_owned()),
            Some(path) => Ok(given(path, &repository.root)?),
            None => state_folder().and_then(|folder| own(&folder, &repository.root)),
        };
        let folder = repository.root.join(record::FOLDER).join(FOLDER);
        Ok(Self { folder, root: repository.root.clone(), key, organization: organization.into(), refresh, now })
    }

    /// What a read of `directory` goes on from.
    pub(super) fn basis(&self, directory: &Directory, scope: &Scope) -> Basis {
        let full = |why: Option<String>| Basis { snapshot: None, why_full: why };
        if self.refresh == Refresh::Full {
            return full(Some("--refresh full".to_owned()));
        }
        let key = match &self.key {
            Ok(key) => key,
            Err(why) => return full(Some(why.clone())),
        };
        let path = self.path(directory);
        let bytes = match self.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return full(None),
            Err(error) => return full(Some(format!("`{}`: {error}", path.display()))),
        };
        let snapshot = match Snapshot::open(&bytes, &self.binding(directory, scope), key) {
            Ok(snapshot) => snapshot,
            Err(why) => return full(Some(why.to_string())),
        };
        let every = &directory.settings.refresh.full_every;
        let age = self.now.as_seconds() - snapshot.whole.as_seconds();
        let limit = date::term(every).map_or(0, Term::seconds);
        if snapshot.taken > self.now || age < 0 {
            return full(Some("the snapshot is from the future: the clock went back".to_owned()));
        }
        if age >= limit {
            return full(Some(format!("the last full read was {} (`full_every: {every}`)", snapshot.whole)));
        }
        Basis { snapshot: Some(snapshot), why_full: None }
    }

    /// Keeps what was observed for the next read, or nothing of it where it cannot be
    /// gone on from.
    ///
    /// # Errors
    /// In words. The reading itself is as good as ever.
    pub(super) fn keep(&self, directory: &Directory, scope: &Scope, observed: &mut Observed) -> Result<(), String> {
        let Ok(key) = &self.key else { return Ok(()) };
        // What was read last is as good as it was.
        if observed.said_nothing {
            return Ok(());
        }
        let path = self.path(directory);
        let Some(onward) = &mut observed.onward else {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("`{}`: {error}", path.display())),
                _ => Ok(()),
            };
        };
        if onward.unchanged {
            return Ok(());
        }
        // Lent to the snapshot for as long as it is written: a copy of it is as large as it.
        let base = Base {
            state: mem::take(&mut observed.state),
            identities: mem::take(&mut onward.identities),
            protected: mem::take(&mut observed.protected),
        };
        let whole = onward.whole.unwrap_or(self.now);
        let snapshot = Snapshot { base, cookie: onward.cookie.clone(), taken: self.now, whole };
        let binding = self.binding(directory, scope);
        let put = self.put(&path, |file| snapshot.seal_into(&binding, key, file));
        let Base { state, identities, protected } = snapshot.base;
        (observed.state, onward.identities, observed.protected) = (state, identities, protected);
        put.map_err(|error| format!("`{}`: {error}", path.display()))
    }

    fn binding(&self, directory: &Directory, scope: &Scope) -> Binding {
        Binding::new(&self.organization, directory, scope)
    }

    fn path(&self, directory: &Directory) -> PathBuf {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name: String = directory
            .name
            .chars()
            .map(|c| if plain(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) })
            .collect();
        self.folder.join(format!("{name}.snapshot"))
    }

    /// Every part of the way below the repository is what it seems.
    fn ensure_no_links(&self, path: &Path) -> io::Result<()> {
        for part in path.ancestors().take_while(|part| *part != self.root) {
            if part.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
                return Err(io::Error::other(format!("`{}` is a symbolic link", part.display())));
            }
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.ensure_no_links(path)?;
        fs::read(path)
    }

    /// Beside its place first, so that the file is whole or not there.
    fn put(&self, path: &Path, write: impl FnOnce(fs::File) -> io::Result<()>) -> io::Result<()> {
        self.ensure_no_links(path)?;
        fs::create_dir_all(&self.folder)?;
        let beside = path.with_extension(format!("new{}", std::process::id()));
        let written = private(&beside).and_then(write);
        let moved = written.and_then(|()| fs::rename(&beside, path));
        if moved.is_err() {
            let _ = fs::remove_file(&beside);
        }
        moved
    }
}

/// A new file that only its owner reads: a snapshot holds names and addresses.
fn private(path: &Path) -> io::Result<fs::File> {
    // Left by a run that was killed and had our process id, as every run in a container
    // may have: nobody else writes under this name.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Where programs keep what they need themselves (XDG Base Directory Specification).
#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli`, and this is it")]
fn state_folder() -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let help = "there is no place for the key of snapshots: set XDG_STATE_HOME, or name one with --cache-key-file";
    folder.map(|folder| folder.join("accord")).ok_or_else(|| help.to_owned())
}

/// accord's own key, made at the first use.
fn own(folder: &Path, root: &Path) -> Result<Key, String> {
    let path = folder.join("cache.key");
    let wrong = |error: io::Error| format!("the key of snapshots `{}`: {error}", path.display());
    let make = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut bytes = [0; Key::LEN];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
        let beside = folder.join(format!("cache.key.new{}", std::process::id()));
        private(&beside)?.write_all(&bytes)?;
        // Of two that start together one gives the key; the other takes it.
        let linked = fs::hard_link(&beside, &path);
        fs::remove_file(&beside)?;
        linked.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
    };
    if !path.try_exists().map_err(wrong)? {
        make().map_err(wrong)?;
    }
    ensure_outside(&path, root)?;
    ensure_private(&path)?;
    let bytes = fs::read(&path).map_err(wrong)?;
    let bytes = bytes.try_into().map_err(|_| {
        format!(
            "the key of snapshots `{}` is not {} bytes long; delete it, a new one is made",
            path.display(),
            Key::LEN
        )
    })?;
    Ok(Key::new(bytes))
}

/// The key in a file that somebody else made, whatever its form.
fn given(path: &Path, root: &Path) -> Result<Key, Failure> {
    let wrong = |error: &io::Error| Failure::file(path, "read the key of snapshots in", error);
    ensure_outside(path, root).and_then(|()| ensure_private(path)).map_err(Failure::new)?;
    let length = fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if !(16..=LONGEST).contains(&length) {
        let bounds = format!("`{}` is {length} bytes long; a key has 16 to {LONGEST}", path.display());
        return Err(Failure::new(bounds).help("openssl rand -hex 32 makes one"));
    }
    Ok(Key::new(Sha256::digest(fs::read(path).map_err(|error| wrong(&error))?).into()))
}

/// Whoever can write the repository must not know the key.
fn ensure_outside(path: &Path, root: &Path) -> Result<(), String> {
    let whole = path.canonicalize().map_err(|error| format!("`{}`: {error}", path.display()))?;
    if whole.starts_with(root.canonicalize().unwrap_or_else(|_| root.to_owned())) {
        return Err(format!("the key of snapshots `{}` lies inside the repository", path.display()));
    }
    Ok(())
}

#[cfg(unix)]
fn ensure_private(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let mode = fs::metadata(path).map_err(|error| format!("`{}`: {error}", path.display()))?.mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(format!(
            "others may read the key of snapshots `{path}`, so anybody may know it: make another, chmod 600"
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn ensure_private(_: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_stays_private() {
        let (state, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = state.path().join("accord");
        let key = own(&folder, root.path()).unwrap();
        assert_eq!(own(&folder, root.path()).unwrap(), key);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(own(other.path(), root.path()).unwrap(), key);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside the key");
        assert!(own(&folder, state.path()).unwrap_err().contains("lies inside the repository"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.join("cache.key");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(own(&folder, root.path()).unwrap_err().contains("others may read"));
        }
    }

    #[test]
    fn a_key_file_is_long_enough_and_outside() {
        let (state, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = state.path().join("key");
        let refused = |root: &Path| format!("{:?}", given(&path, root).unwrap_err());
        let written = |text: &str| {
            let _ = fs::remove_file(&path);
            private(&path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        written("short");
        assert!(refused(root.path()).contains("is 5 bytes long; a key has 16 to 65536"));
        written("0123456789abcdef0123456789abcdef");
        let key = given(&path, root.path()).unwrap();
        assert_eq!(given(&path, root.path()).unwrap(), key);
        assert!(refused(state.path()).contains("lies inside the repository"));
        written("0123456789abcdef0123456789abcdeF");
        assert_ne!(given(&path, root.path()).unwrap(), key, "the key is what the file holds");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(refused(root.path()).contains("others may read"));
        }
    }

    /// In a container every run may have the same process id.
    #[test]
    fn what_a_killed_run_left_stops_nobody() {
        let (state, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(state.path().join(format!("cache.key.new{}", std::process::id())), "half").unwrap();
        let key = own(state.path(), root.path()).unwrap();
        assert_eq!(own(state.path(), root.path()).unwrap(), key);
        let left = root.path().join("corp.new");
        fs::write(&left, "half").unwrap();
        private(&left).unwrap().write_all(b"whole").unwrap();
        assert_eq!(fs::read(&left).unwrap(), b"whole");
    }
}
