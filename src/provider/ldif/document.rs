//! A file in memory: entries that can be found, read and edited.
//!
//! Comes in: parsed bytes and edits. Goes out: the edited file. Refuses: what a
//! server would refuse (a value that is there already, a missing parent, an entry
//! with entries below it), each edit as a whole.

use super::format::{FormatError, Line, Parsed, Piece, Record, parse};
use crate::provider::dn;
use crate::provider::entries::{self, Assert, Mod, Schema};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why an edit was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The file is not as the edit expects.
    Conflict(String),
    /// The edit can never be carried out like this.
    Never(String),
}

/// A file in memory.
#[derive(Debug, Clone, Default)]
pub struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) parsed: Parsed,
    /// (record, attribute) → value key → line. Made when first needed, then kept.
    values: BTreeMap<(usize, String), BTreeMap<String, usize>>,
    /// Parent key → number of entries directly below it; made when first needed.
    children: Option<BTreeMap<String, usize>>,
    /// Attribute → value key → records that had the value at some time since.
    holders: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

/// One entry of a document.
#[derive(Clone, Copy)]
pub struct EntryRef<'d> {
    document: &'d Document,
    record: &'d Record,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, FormatError> {
        let parsed = parse(&bytes)?;
        Ok(Self { bytes, parsed, ..Self::default() })
    }

    /// Its entries in order.
    pub fn entries(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.parsed.records.iter().filter(|record| !record.gone).map(|record| EntryRef { document: self, record })
    }

    /// The entry with that DN key.
    pub fn entry(&self, key: &str) -> Option<EntryRef<'_>> {
        let record = self.parsed.records.get(*self.parsed.index.get(key)?)?;
        Some(EntryRef { document: self, record })
    }

    fn find(&self, dn: &str) -> Result<usize, Refusal> {
        let key = dn::key(dn).map_err(|error| Refusal::Never(error.to_string()))?;
        let found = self.parsed.index.get(key.as_ref()).copied();
        found.ok_or_else(|| Refusal::Conflict(format!("`{dn}` is not in the file any more")))
    }

    /// The values of an attribute by key, each with its line.
    fn values(&mut self, record: usize, attribute: &str) -> &mut BTreeMap<String, usize> {
        let attribute = dn::type_key(attribute).into_owned();
        let (bytes, parsed) = (&self.bytes, &self.parsed);
        self.values.entry((record, attribute)).or_insert_with_key(|(record, attribute)| {
            let lines = parsed.records.get(*record).map_or(&[][..], |record| &record.lines);
            let mut out = BTreeMap::new();
            for (n, line) in lines.iter().enumerate() {
                let name = std::str::from_utf8(line.name.bytes(bytes)).unwrap_or_default();
                if !line.gone && dn::type_key(name) == attribute.as_str() {
                    out.insert(value_key(attribute, line.value.bytes(bytes)), n);
                }
            }
            out
        })
    }

    /// Number of values of an attribute.
    pub(super) fn count(&mut self, dn: &str, attribute: &str) -> usize {
        self.find(dn).map_or(0, |record| self.values(record, attribute).len())
    }

    /// Whether an attribute has a value.
    pub(super) fn has(&mut self, dn: &str, attribute: &str, value: &str) -> bool {
        let key = value_key(&dn::type_key(attribute), value.as_bytes());
        self.find(dn).is_ok_and(|record| self.values(record, attribute).contains_key(&key))
    }

    /// A new entry.
    pub(super) fn add(&mut self, dn: &str, attributes: &[(String, Vec<String>)]) -> Result<(), Refusal> {
        let key = dn::key(dn).map_err(|error| Refusal::Never(error.to_string()))?.into_owned();
        if let Some(there) = self.entry(&key) {
            return Err(Refusal::Conflict(format!(
                "`{}` is already there (line {})",
                there.record.dn, there.record.line
            )));
        }
        if let Some(parent) = dn::parent(&key)
            && !self.parsed.index.contains_key(parent)
        {
            return Err(Refusal::Never(format!(
                "its parent `{parent}` is not in the file: add that entry, or write `create: true`"
            )));
        }
        self.insert(dn, key, attributes);
        Ok(())
    }

    /// A new entry whose parent may be missing (the top of the file).
    pub(super) fn insert(&mut self, dn: &str, key: String, attributes: &[(String, Vec<String>)]) {
        if let (Some(children), Some(parent)) = (&mut self.children, dn::parent(&key)) {
            *children.entry(parent.to_owned()).or_default() += 1;
        }
        // A new entry may hold anything: whoever asks for holders looks again.
        self.holders.clear();
        let lines = attributes
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| new_line(name, value)))
            .collect();
        self.parsed.index.insert(key.clone(), self.parsed.records.len());
        let record = Record { line: 0, dn: dn.to_owned(), key, lead: 0..0, head: None, lines, gone: false };
        self.parsed.records.push(record);
    }

    /// Changes inside one entry: all of them, or none.
    pub(super) fn modify(&mut self, dn: &str, asserts: &[Assert], mods: &[Mod]) -> Result<(), Refusal> {
        let record = self.find(dn)?;
        self.check(record, dn, asserts)?;
        self.check_mods(record, dn, mods)?;
        for change in mods {
            match change {
                Mod::Add(attribute, values) => self.put(record, attribute, values),
                Mod::Delete(attribute, values) if values.is_empty() => self.clear(record, attribute),
                Mod::Delete(attribute, values) => {
                    for value in values {
                        self.remove(record, attribute, value);
                    }
                }
                Mod::Replace(attribute, values) => {
                    self.clear(record, attribute);
                    self.put(record, attribute, values);
                }
                // Only the edits for Active Directory hold one.
                Mod::Number(..) => {}
            }
        }
        Ok(())
    }

    pub(super) fn check(&mut self, record: usize, dn: &str, asserts: &[Assert]) -> Result<(), Refusal> {
        for assert in asserts {
            match assert {
                Assert::Exactly(attribute, values) => {
                    let name = dn::type_key(attribute);
                    let mut wanted: Vec<String> =
                        values.iter().map(|value| value_key(&name, value.as_bytes())).collect();
                    wanted.sort();
                    wanted.dedup();
                    let have = self.values(record, attribute);
                    if !have.keys().eq(wanted.iter()) {
                        let have = if have.is_empty() { "nothing".to_owned() } else { quoted(have.keys()) };
                        let expected = if values.is_empty() { "nothing".to_owned() } else { quoted(values.iter()) };
                        return Err(Refusal::Conflict(format!("`{attribute}` of `{dn}` is {have}, not {expected}")));
                    }
                }
                Assert::Bits(attribute, ..) => {
                    return Err(Refusal::Conflict(format!("`{attribute}` of `{dn}` is no number in a file")));
                }
                Assert::Has(attribute, value) | Assert::HasNot(attribute, value) => {
                    let wanted = matches!(assert, Assert::Has(..));
                    let key = value_key(&dn::type_key(attribute), value.as_bytes());
                    if self.values(record, attribute).contains_key(&key) != wanted {
                        let word = if wanted { "not there any more" } else { "already there" };
                        return Err(Refusal::Conflict(format!("`{attribute}: {value}` of `{dn}` is {word}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether every value to add is absent and every value to remove present, in
    /// the order of the modifications.
    fn check_mods(&mut self, record: usize, dn: &str, mods: &[Mod]) -> Result<(), Refusal> {
        let mut changed: BTreeMap<(String, String), bool> = BTreeMap::new();
        for change in mods {
            let (attribute, values, adds) = match change {
                Mod::Add(attribute, values) => (attribute, values, true),
                Mod::Delete(attribute, values) => (attribute, values, false),
                Mod::Replace(..) | Mod::Number(..) => continue,
            };
            let name = dn::type_key(attribute).into_owned();
            if !adds && values.is_empty() && self.values(record, attribute).is_empty() {
                return Err(Refusal::Conflict(format!("`{dn}` has no `{attribute}` any more")));
            }
            for value in values {
                let key = value_key(&name, value.as_bytes());
                let there = self.values(record, attribute).contains_key(&key);
                let there = changed.insert((name.clone(), key), adds).unwrap_or(there);
                if there == adds {
                    let word = if adds { "already has" } else { "no longer has" };
                    return Err(Refusal::Conflict(format!("`{dn}` {word} `{attribute}: {value}`")));
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, record: usize, attribute: &str, values: &[String]) {
        for value in values {
            let Some(row) = self.parsed.records.get_mut(record) else { return };
            let n = row.lines.len();
            row.lines.push(new_line(attribute, value));
            let name = dn::type_key(attribute);
            let key = value_key(&name, value.as_bytes());
            if let Some(holders) = self.holders.get_mut(name.as_ref()) {
                holders.entry(key.clone()).or_default().push(record);
            }
            self.values(record, attribute).insert(key, n);
        }
    }

    fn remove(&mut self, record: usize, attribute: &str, value: &str) {
        let key = value_key(&dn::type_key(attribute), value.as_bytes());
        let line = self.values(record, attribute).remove(&key);
        self.drop_line(record, line);
    }

    fn clear(&mut self, record: usize, attribute: &str) {
        for line in std::mem::take(self.values(record, attribute)).into_values() {
            self.drop_line(record, Some(line));
        }
    }

    fn drop_line(&mut self, record: usize, line: Option<usize>) {
        let row = self.parsed.records.get_mut(record);
        if let Some(line) = line.and_then(|line| row?.lines.get_mut(line)) {
            line.gone = true;
        }
    }

    /// The entry goes.
    pub(super) fn delete(&mut self, dn: &str, asserts: &[Assert]) -> Result<(), Refusal> {
        let record = self.find(dn)?;
        self.check(record, dn, asserts)?;
        self.no_children(dn)?;
        let Some(row) = self.parsed.records.get_mut(record) else { return Ok(()) };
        row.gone = true;
        let key = row.key.clone();
        self.parsed.index.remove(&key);
        self.leave(&key);
        Ok(())
    }

    fn leave(&mut self, key: &str) {
        if let (Some(children), Some(parent)) = (&mut self.children, dn::parent(key))
            && let Some(count) = children.get_mut(parent)
        {
            *count = count.saturating_sub(1);
        }
    }

    fn no_children(&mut self, dn: &str) -> Result<(), Refusal> {
        let key = dn::key(dn).map_err(|error| Refusal::Never(error.to_string()))?.into_owned();
        let index = &self.parsed.index;
        let children = self.children.get_or_insert_with(|| {
            let mut out = BTreeMap::new();
            for parent in index.keys().filter_map(|key| dn::parent(key)) {
                *out.entry(parent.to_owned()).or_insert(0) += 1;
            }
            out
        });
        match children.get(&key).copied().unwrap_or(0) {
            0 => Ok(()),
            n => Err(Refusal::Never(format!("`{dn}` has {n} entries below it; move or remove them first"))),
        }
    }

    /// Another RDN or another parent; values that name the entry in `attribute` of entries below
    /// `groups` follow, as does `old` → `new` where members are names.
    pub(super) fn rename(&mut self, dn: &str, new_dn: &str) -> Result<(), Refusal> {
        let record = self.find(dn)?;
        let new_key = dn::key(new_dn).map_err(|error| Refusal::Never(error.to_string()))?.into_owned();
        match self.parsed.index.get(&new_key) {
            Some(other) if *other != record => {
                return Err(Refusal::Conflict(format!("`{new_dn}` is already there")));
            }
            _ => {}
        }
        self.no_children(dn)?;
        let old_parent = dn::key(dn).ok().and_then(|key| dn::parent(&key).map(str::to_owned));
        if let Some(parent) = dn::parent(&new_key).filter(|parent| old_parent.as_deref() != Some(parent))
            && !self.parsed.index.contains_key(parent)
        {
            return Err(Refusal::Never(format!(
                "the new parent `{parent}` is not in the file: add that entry, or write `create: true`"
            )));
        }
        for (attribute, value) in &first_rdn(dn) {
            self.remove(record, attribute, value);
        }
        for (attribute, value) in &first_rdn(new_dn) {
            let key = value_key(&dn::type_key(attribute), value.as_bytes());
            if !self.values(record, attribute).contains_key(&key) {
                self.put(record, attribute, std::slice::from_ref(value));
            }
        }
        let Some(row) = self.parsed.records.get_mut(record) else { return Ok(()) };
        let old_key = std::mem::replace(&mut row.key, new_key.clone());
        new_dn.clone_into(&mut row.dn);
        row.head = None;
        self.parsed.index.remove(&old_key);
        self.leave(&old_key);
        if let (Some(children), Some(parent)) = (&mut self.children, dn::parent(&new_key)) {
            *children.entry(parent.to_owned()).or_default() += 1;
        }
        self.parsed.index.insert(new_key, record);
        Ok(())
    }

    /// Replaces one value by another in `attribute` of every entry below `base`.
    pub(super) fn replace_everywhere(&mut self, base: &str, attribute: &str, old: &str, new: &str) {
        let name = dn::type_key(attribute).into_owned();
        let (old_key, new_key) = (value_key(&name, old.as_bytes()), value_key(&name, new.as_bytes()));
        if !self.holders.contains_key(&name) {
            let holders = self.find_holders(&name);
            self.holders.insert(name.clone(), holders);
        }
        let candidates = self.holders.get(&name).and_then(|holders| holders.get(&old_key)).cloned().unwrap_or_default();
        for record in candidates {
            let below = self.parsed.records.get(record).is_some_and(|row| !row.gone && dn::is_below(&row.key, base));
            if !below || !self.values(record, attribute).contains_key(&old_key) {
                continue;
            }
            self.remove(record, attribute, old);
            if !self.values(record, attribute).contains_key(&new_key) {
                self.put(record, attribute, &[new.to_owned()]);
            }
        }
    }

    /// Value key → records that have it in `attribute`.
    fn find_holders(&self, attribute: &str) -> BTreeMap<String, Vec<usize>> {
        let mut out: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (n, record) in self.parsed.records.iter().enumerate() {
            for line in record.lines.iter().filter(|line| !line.gone) {
                let name = std::str::from_utf8(line.name.bytes(&self.bytes)).unwrap_or_default();
                if dn::type_key(name) == attribute {
                    out.entry(value_key(attribute, line.value.bytes(&self.bytes))).or_default().push(n);
                }
            }
        }
        out
    }
}

impl<'d> EntryRef<'d> {
    /// The comparison key of its DN.
    pub fn key(self) -> &'d str {
        &self.record.key
    }

    /// Whether an attribute has a value, compared without case.
    pub fn has(self, attribute: &str, value: &str) -> bool {
        let wanted = dn::type_key(attribute);
        self.lines().any(|(name, bytes)| dn::type_key(name) == wanted && bytes.eq_ignore_ascii_case(value.as_bytes()))
    }

    fn lines(self) -> impl Iterator<Item = (&'d str, &'d [u8])> {
        let file: &'d [u8] = &self.document.bytes;
        self.record.lines.iter().filter(|line| !line.gone).filter_map(move |line| {
            let name = std::str::from_utf8(line.name.bytes(file)).ok().filter(|name| !name.is_empty())?;
            Some((name, line.value.bytes(file)))
        })
    }
}

impl entries::Entry for EntryRef<'_> {
    fn dn(&self) -> &str {
        &self.record.dn
    }

    fn visit<'e>(&'e self, each: &mut dyn FnMut(&'e str, &'e [u8])) {
        for (name, value) in self.lines() {
            if !entries::is_credential(name) {
                each(name, value);
            }
        }
    }
}

fn new_line(name: &str, value: &str) -> Line {
    let own = |text: &str| Piece::Own(text.as_bytes().to_vec());
    Line { name: own(name), value: own(value), raw: None, gone: false }
}

/// The comparison key of a value of the attribute with the key `attribute`. Bytes
/// that are not text compare byte by byte.
fn value_key(attribute: &str, value: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(value) else {
        return super::base64::encode(value);
    };
    match Schema::matching(attribute) {
        crate::model::Matching::Dn => {
            dn::key(entries::without_unique_id(text)).unwrap_or(Cow::Borrowed(text)).into_owned()
        }
        matching => matching.key(text).into_owned(),
    }
}

fn first_rdn(dn: &str) -> Vec<(String, String)> {
    let rdn = dn::parse(dn).ok().and_then(|rdns| rdns.into_iter().next()).unwrap_or_default();
    rdn.into_iter().filter_map(|ava| String::from_utf8(ava.value).ok().map(|value| (ava.attribute, value))).collect()
}

fn quoted<'a>(values: impl Iterator<Item = &'a String>) -> String {
    values.map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}
