//! The memory of all runs in one small file, so that a plan does not read a
//! journal of years line by line.
//!
//! Comes in: the memory at the end of a run. Goes out: the same memory, and how many
//! runs it covers. Refuses: a file whose hash is not the one that the covered run's
//! last record names; then the journal itself is read. What stands here can thus be
//! changed as little as the journal, and may be deleted at any time.

use super::entry::{Line, Record, sha256};
use super::store;
use crate::model::Instant;
use crate::plan::recent::Recent;
use crate::plan::{AccountMemory, Memory, ReferenceMemory, Size};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is known of one account: directory, account, person, disabled, object, label.
type Known = (String, String, Option<String>, Option<Instant>, Option<String>, Option<String>);

/// The memory as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The run at whose end this was known.
    run: String,
    /// (directory, account, person, disabled, object, label), sorted.
    accounts: Vec<Known>,
    /// (directory, earlier account name, person), sorted.
    earlier: Vec<(String, String, String)>,
    /// (directory, earlier group name, name after), sorted.
    earlier_groups: Vec<(String, String, String)>,
    /// (directory, account, when), sorted.
    halfway: Vec<(String, String, Instant)>,
    /// (directory, group, member, first seen), sorted.
    undeclared: Vec<(String, String, String, Instant)>,
    /// (directory, accounts, groups), sorted.
    sizes: Vec<(String, u64, u64)>,
    /// (directory, group managed elsewhere, when read, keys of its people), sorted.
    references: Vec<(String, String, Instant, Vec<String>)>,
    /// What counts against guardrails.
    recent: Recent,
}

impl Written {
    fn of(run: &str, memory: &Memory) -> Self {
        let accounts = memory.accounts.iter().map(|((directory, account), known)| {
            let (person, object, label) = (known.person.clone(), known.object.clone(), known.label.clone());
            (directory.clone(), account.clone(), person, known.disabled, object, label)
        });
        let named = |names: &BTreeMap<(String, String), String>| {
            names.iter().map(|((directory, name), of)| (directory.clone(), name.clone(), of.clone())).collect()
        };
        let undeclared = memory
            .undeclared
            .iter()
            .map(|((directory, group, member), at)| (directory.clone(), group.clone(), member.clone(), *at));
        let halfway = memory.halfway.iter().map(|((directory, account), at)| (directory.clone(), account.clone(), *at));
        let sizes = memory.sizes.iter().map(|(name, size)| (name.clone(), size.accounts, size.groups));
        let references = memory
            .references
            .iter()
            .map(|((directory, group), known)| (directory.clone(), group.clone(), known.at, known.people.clone()));
        Self {
            run: run.to_owned(),
            accounts: accounts.collect(),
            earlier: named(&memory.earlier),
            earlier_groups: named(&memory.earlier_groups),
            halfway: halfway.collect(),
            undeclared: undeclared.collect(),
            sizes: sizes.collect(),
            references: references.collect(),
            recent: memory.recent.clone(),
        }
    }

    fn memory(self) -> Memory {
        let accounts = self.accounts.into_iter();
        let accounts = accounts.map(|(directory, name, person, disabled, object, label)| {
            ((directory, name), AccountMemory { person, disabled, object, label })
        });
        let named = |names: Vec<(String, String, String)>| {
            names.into_iter().map(|(directory, name, of)| ((directory, name), of)).collect()
        };
        let undeclared = self.undeclared.into_iter();
        let undeclared = undeclared.map(|(directory, group, member, at)| ((directory, group, member), at));
        let halfway = self.halfway.into_iter().map(|(directory, account, at)| ((directory, account), at));
        let sizes = self.sizes.into_iter().map(|(name, accounts, groups)| (name, Size { accounts, groups }));
        let references = self.references.into_iter();
        let references =
            references.map(|(directory, group, at, people)| ((directory, group), ReferenceMemory { at, people }));
        Memory {
            accounts: accounts.collect(),
            earlier: named(self.earlier),
            earlier_groups: named(self.earlier_groups),
            halfway: halfway.collect(),
            undeclared: undeclared.collect(),
            sizes: sizes.collect(),
            references: references.collect(),
            recent: self.recent,
        }
    }
}

/// The bytes of `memory` at the end of `run`, and their hash for the run's last record.
pub(super) fn prepare(run: &str, memory: &Memory) -> io::Result<(Vec<u8>, String)> {
    let bytes = serde_json::to_vec(&Written::of(run, memory)).map_err(io::Error::other)?;
    let hash = sha256(&bytes);
    Ok((bytes, hash))
}

/// Puts prepared bytes in place. Whoever dies here leaves the old file, or none.
pub(super) fn save(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = file(folder);
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    store::private().write(true).create_new(true).open(&new)?.write_all(bytes)?;
    fs::rename(new, path)
}

/// What the file remembers and how many of `runs` it covers; nothing where it is
/// missing or not the one that the covered run names.
pub(super) fn load(folder: &Path, runs: &[String]) -> (Memory, usize) {
    let known = || {
        let path = file(folder);
        store::refuse_symlink(&path).ok()?;
        let bytes = fs::read(path).ok()?;
        let written: Written = serde_json::from_slice(&bytes).ok()?;
        let covered = runs.iter().position(|run| *run == written.run)? + 1;
        let promised = last_record(&store::file_of(folder, &written.run)).ok()??;
        (promised == sha256(&bytes)).then(|| (written.memory(), covered))
    };
    known().unwrap_or_default()
}

/// The hash that the last record of a run names.
fn last_record(path: &Path) -> io::Result<Option<String>> {
    store::refuse_symlink(path)?;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(store::LAST)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let Some(line) = tail.strip_suffix(b"\n").and_then(|tail| tail.rsplit(|b| *b == b'\n').next()) else {
        return Ok(None);
    };
    match serde_json::from_slice::<Line<Record>>(line) {
        Ok(Line { record: Record::RunEnded(ended), .. }) => Ok(ended.memory),
        _ => Ok(None),
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.with_file_name("memory.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::recent::Counted;

    #[test]
    fn everything_that_is_remembered_survives_being_written() {
        let mut memory = Memory::default();
        let known = AccountMemory {
            person: Some("ada".to_owned()),
            disabled: Some(Instant::from_seconds(7)),
            object: Some("b41bc330-7b6d-4275-b365-37e86e52139c".to_owned()),
            label: Some("admin".to_owned()),
        };
        memory.accounts.insert(("corp".to_owned(), "ada".to_owned()), known);
        memory.undeclared.insert(("corp".to_owned(), "g".to_owned(), "eve".to_owned()), Instant::from_seconds(9));
        memory.earlier.insert(("corp".to_owned(), "lovelace".to_owned()), "ada".to_owned());
        memory.group_renamed("corp", "g", "h");
        memory.halfway.insert(("corp".to_owned(), "bob".to_owned()), Instant::from_seconds(11));
        memory.sizes.insert("corp".to_owned(), Size { accounts: 3, groups: 2 });
        let object = crate::model::Object::membership("g", "ada");
        memory.recent.add(Instant::from_seconds(12), Counted::Grants, "corp", &object, false);
        let (bytes, _) = prepare("run", &memory).unwrap();
        assert_eq!(serde_json::from_slice::<Written>(&bytes).unwrap().memory(), memory);
    }
}
