//! The journal's bytes on disk: one file per run, and the head file.
//!
//! Comes in: whole lines. Goes out: bytes that survive a power cut once
//! [`Store::commit`] returned. Refuses: to overwrite a run's file, to follow a
//! symlink, to be readable by others.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Name of the head file in the journal's folder.
pub const HEAD: &str = "head.json";

/// The head file always has this many bytes, so that writing it again never
/// leaves it short.
const HEAD_BYTES: usize = 256;

/// Longest last line of a run's file, in bytes.
pub(super) const LAST: u64 = 64 * 1024;

/// The last record that was committed: what the end of the journal is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Head {
    /// The run; empty before the first.
    pub run: String,
    /// Number of its last committed record.
    pub seq: u64,
    /// Hash of that record's line.
    pub hash: String,
    /// Length of the run's file up to and with that line, in bytes.
    pub bytes: u64,
}

/// Where a journal writes. The one in production is [`Disk`]; tests wrap it to
/// die between two bytes.
pub trait Store {
    /// Appends whole lines; they may be lost until [`Self::commit`].
    ///
    /// # Errors
    /// What the file system says.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Everything appended so far is safe, then `head` is.
    ///
    /// # Errors
    /// What the file system says.
    fn commit(&mut self, head: &Head) -> io::Result<()>;
}

/// The file of one run and the head file beside it.
#[derive(Debug)]
pub struct Disk {
    run: File,
    head: File,
}

impl Disk {
    /// Creates the file of run `run`, and the head file with its first content if
    /// there is none. The folder must exist, see [`make_folder`].
    ///
    /// # Errors
    /// When the file exists already or cannot be made.
    pub fn create(folder: &Path, run: &str) -> io::Result<Self> {
        let path = folder.join(HEAD);
        // Before the run's file: once there is a run, a missing head means that
        // somebody took it away.
        let head = match private().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                write_head(&mut file, &Head::default())?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                refuse_symlink(&path)?;
                OpenOptions::new().write(true).open(&path)?
            }
            Err(error) => return Err(error),
        };
        let run = private().append(true).create_new(true).open(file_of(folder, run))?;
        sync_folder(folder)?;
        Ok(Self { run, head })
    }
}

impl Store for Disk {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.run.write_all(lines)
    }

    fn commit(&mut self, head: &Head) -> io::Result<()> {
        self.run.sync_data()?;
        write_head(&mut self.head, head)
    }
}

/// Writes the head in place: one sector, one write.
fn write_head(file: &mut File, head: &Head) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let text = serde_json::to_string(head).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{text:<width$}\n", width = HEAD_BYTES - 1).as_bytes())?;
    file.sync_data()
}

/// What the head file says; `None` where there is none that can be read.
pub fn read_head(folder: &Path) -> Option<Head> {
    serde_json::from_slice(&fs::read(folder.join(HEAD)).ok()?).ok()
}

/// The file of a run.
pub fn file_of(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.jsonl"))
}

/// Makes `root/.accord/journal` for its owner alone, with an ignore file so that
/// nobody commits it by accident.
///
/// # Errors
/// When a part of it is a symlink or cannot be made.
pub fn make_folder(root: &Path) -> io::Result<PathBuf> {
    let folder = super::journal_folder(root);
    let parent = root.join(super::FOLDER);
    for path in [&parent, &folder] {
        match private_folder().create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_symlink(path)?,
            Err(error) => return Err(error),
        }
    }
    match private().write(true).create_new(true).open(parent.join(".gitignore")) {
        Ok(mut file) => file.write_all(b"*\n")?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(folder)
}

/// Fails where `path` is a symlink: a repository could point it anywhere.
pub(super) fn refuse_symlink(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.file_type().is_symlink() {
        return Err(io::Error::other(format!("`{}` is a symlink; accord writes to real folders only", path.display())));
    }
    Ok(())
}

/// Run ids of the folder in the order of the chain, and names that are no run's.
///
/// # Errors
/// When the folder cannot be read; one that is not there is empty.
pub fn list(folder: &Path) -> io::Result<(Vec<String>, Vec<String>)> {
    let (mut runs, mut others) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), others)),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match name.strip_suffix(".jsonl").and_then(order) {
            Some(key) => runs.push(key),
            None if name == HEAD => {}
            None => others.push(name),
        }
    }
    runs.sort();
    others.sort();
    Ok((runs.into_iter().map(|(base, number)| run_name(&base, number)).collect(), others))
}

/// A run id as it sorts: `20261122-1031-12` comes after `20261122-1031-2`.
pub fn order(run: &str) -> Option<(String, u32)> {
    let parts: Vec<&str> = run.split('-').collect();
    let digits = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    match parts.as_slice() {
        [day, time] if digits(day, 8) && digits(time, 4) => Some((run.to_owned(), 1)),
        [day, time, suffix] if digits(day, 8) && digits(time, 4) && !suffix.starts_with(['0', '+']) => {
            suffix.parse().ok().filter(|n| *n > 1).map(|n| (format!("{day}-{time}"), n))
        }
        _ => None,
    }
}

/// The id of the `number`th run of a minute.
pub fn run_name(base: &str, number: u32) -> String {
    if number == 1 { base.to_owned() } else { format!("{base}-{number}") }
}

/// Puts bytes in the place of a file: whoever dies here leaves the old one, or the new one.
///
/// # Errors
/// What the file system says.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not among the files of the journal, where nothing else belongs.
    let folder = path.parent().filter(|folder| !folder.ends_with(super::FOLDER));
    let new = folder.unwrap_or(path).with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(new, path)
}

/// A file for its owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

fn private_folder() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
}

/// Makes the names of new files survive a power cut too.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_sort_by_minute_then_number() {
        let mut runs: Vec<_> = ["20261122-1031-10", "20261122-1031-2", "20261122-1031", "20261121-2359-3"]
            .map(|r| order(r).unwrap())
            .into();
        runs.sort();
        let names: Vec<_> = runs.iter().map(|(base, n)| run_name(base, *n)).collect();
        assert_eq!(names, ["20261121-2359-3", "20261122-1031", "20261122-1031-2", "20261122-1031-10"]);
        for bad in ["", "head", "20261122", "20261122-1031-1", "20261122-1031-01", "20261122-1031-x", "2026112x-1031"] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_are_for_their_owner_alone_and_symlinks_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let folder = make_folder(root.path()).unwrap();
        Disk::create(&folder, "20261122-1031").unwrap();
        for name in ["20261122-1031.jsonl", HEAD] {
            assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        assert!(Disk::create(&folder, "20261122-1031").is_err(), "a run's file is never opened again");
        let other = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.path(), other.path().join(".accord")).unwrap();
        assert!(make_folder(other.path()).unwrap_err().to_string().contains("is a symlink"));
    }
}
