//! Names: everything that is declared, sorted and numbered, found by name.
//!
//! Comes in: the written documents. Goes out: numbers for names. Refuses: keys that
//! are declared twice, differ only in case, or cannot be written safely.

use super::suggest::Suggest;
use super::{Checker, words};
use crate::diagnostic::Diagnostic;
use crate::model::Matching;
use crate::policy::settings::DirectorySettings;
use crate::policy::written::{ApprovalRule, Constraint, Document, Group, Kind, Person, PolicyTest, Role, Table, Text};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// A declared thing, its key and its file.
#[derive(Debug)]
pub(super) struct Named<'a, T> {
    pub(super) key: &'a Text,
    pub(super) value: &'a T,
    pub(super) file: u32,
}

impl<T> Clone for Named<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Named<'_, T> {}

/// Named things, sorted; a thing's number is its position.
#[derive(Debug)]
pub(super) struct Index<'a, T> {
    list: Vec<Named<'a, T>>,
    /// Keys beside their numbers: each look-up is a miss of the processor's cache for
    /// every step that it takes, and there is one for every membership.
    by_key: HashTable<(&'a str, u32)>,
    /// Declared again: (the first one's number, the later one).
    again: Vec<(u32, Named<'a, T>)>,
}

pub(super) fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl<'a, T> Index<'a, T> {
    fn collect(
        documents: &[&'a Document],
        section: impl Fn(&'a Document) -> &'a Table<T>,
        order: impl Fn(&str) -> (&str, &str),
    ) -> Self {
        let mut list = Vec::new();
        for (file, document) in (0u32..).zip(documents) {
            list.extend(section(document).iter().map(|(key, value)| Named { key, value, file }));
        }
        // Stable, so of equal keys the first file and line stays the first.
        list.sort_by(|a, b| order(a.key.as_str()).cmp(&order(b.key.as_str())));
        let (mut unique, mut again) = (Vec::<Named<'a, T>>::with_capacity(list.len()), Vec::new());
        for named in list {
            match unique.last() {
                Some(before) if before.key.value == named.key.value => {
                    again.push((u32::try_from(unique.len() - 1).unwrap_or(u32::MAX), named));
                }
                _ => unique.push(named),
            }
        }
        let mut by_key = HashTable::with_capacity(unique.len());
        for (n, named) in (0u32..).zip(&unique) {
            let key = named.key.as_str();
            by_key.insert_unique(hash(key), (key, n), |(key, _)| hash(key));
        }
        Self { list: unique, by_key, again }
    }

    /// The number of `key`.
    pub(super) fn find(&self, key: &str) -> Option<u32> {
        self.by_key.find(hash(key), |(other, _)| *other == key).map(|(_, n)| *n)
    }

    /// The thing with that number.
    pub(super) fn get(&self, n: u32) -> Option<Named<'a, T>> {
        self.list.get(n as usize).copied()
    }

    /// Everything, in order.
    pub(super) fn list(&self) -> &[Named<'a, T>] {
        &self.list
    }

    /// The declared thing whose key `word` most likely means.
    pub(super) fn closest(&self, word: &str, suggest: &Suggest) -> Option<Named<'a, T>> {
        if !suggest.affords(self.list.len()) {
            return None;
        }
        let keys: Vec<&str> = self.list.iter().map(|named| named.key.as_str()).collect();
        let key = suggest.closest(word, &keys)?;
        self.find(key).and_then(|n| self.get(n))
    }
}

/// Everything that is declared.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) kinds: Index<'a, Kind>,
    pub(super) directories: Index<'a, DirectorySettings>,
    pub(super) people: Index<'a, Person>,
    pub(super) roles: Index<'a, Role>,
    pub(super) groups: Index<'a, Group>,
    pub(super) constraints: Index<'a, Constraint>,
    pub(super) approvals: Index<'a, ApprovalRule>,
    pub(super) tests: Index<'a, PolicyTest>,
}

impl<'a> Names<'a> {
    pub(super) fn collect(documents: &[&'a Document]) -> Self {
        Self {
            kinds: Index::collect(documents, |d| &d.file.kinds, whole),
            directories: Index::collect(documents, |d| &d.file.directories, whole),
            people: Index::collect(documents, |d| &d.file.people, whole),
            roles: Index::collect(documents, |d| &d.file.roles, whole),
            groups: Index::collect(documents, |d| &d.file.groups, by_directory),
            constraints: Index::collect(documents, |d| &d.file.constraints, whole),
            approvals: Index::collect(documents, |d| &d.file.approvals, whole),
            tests: Index::collect(documents, |d| &d.file.tests, whole),
        }
    }
}

fn whole(key: &str) -> (&str, &str) {
    (key, "")
}

/// Groups are sorted by directory, then name: `corp-a/x` comes after `corp/x`.
fn by_directory(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}

/// The rule "names".
pub(super) fn check(checker: &mut Checker<'_>) {
    let mut found = Vec::new();
    let names = &checker.names;
    section(&names.kinds, "kind", words::bad_key, &mut found);
    section(&names.directories, "directory", words::bad_key, &mut found);
    section(&names.people, "person", words::bad_key, &mut found);
    section(&names.roles, "role", words::bad_key, &mut found);
    section(&names.groups, "group", bad_group, &mut found);
    section(&names.constraints, "constraint", words::bad_key, &mut found);
    section(&names.approvals, "rule of approval", words::bad_key, &mut found);
    section(&names.tests, "test", words::bad_key, &mut found);
    for Found { file, key, diagnostic, first } in found {
        let diagnostic = match first.and_then(|(file, key, note)| Some((checker.span(file, key.mark)?, note))) {
            Some((span, note)) => diagnostic.related(span, note),
            None => diagnostic,
        };
        checker.report(file, key.mark, diagnostic);
    }
}

struct Found<'a> {
    file: u32,
    key: &'a Text,
    diagnostic: Diagnostic,
    first: Option<(u32, &'a Text, &'static str)>,
}

fn section<'a, T>(index: &Index<'a, T>, what: &str, bad: fn(&str) -> Option<String>, found: &mut Vec<Found<'a>>) {
    for (first, later) in &index.again {
        let Some(first) = index.get(*first) else { continue };
        let message = format!("the {what} `{}` is declared twice", later.key.value);
        let diagnostic = Diagnostic::error("duplicate-key", message).help(
            "files are merged, so one key belongs to one place: keep one of the two, or give this one another key",
        );
        let first = Some((first.file, first.key, "first declared here"));
        found.push(Found { file: later.file, key: later.key, diagnostic, first });
    }
    for named in &index.list {
        if let Some(why) = bad(named.key.as_str()) {
            let key = shown_key(named.key.as_str());
            let diagnostic = Diagnostic::error("bad-key", format!("{key} cannot be the key of a {what}: {why}"));
            found.push(Found { file: named.file, key: named.key, diagnostic, first: None });
        }
    }
    same_but_for_case(index, what, found);
}

/// A key as text for a message: invisible characters are shown by number.
fn shown_key(key: &str) -> String {
    let visible: String = key.chars().take(80).collect();
    if visible.trim().is_empty() { "an empty text".to_owned() } else { format!("`{}`", visible.escape_debug()) }
}

fn same_but_for_case<'a, T>(index: &Index<'a, T>, what: &str, found: &mut Vec<Found<'a>>) {
    let mut seen: HashTable<u32> = HashTable::with_capacity(index.list.len());
    let key_of = |n: u32| index.list.get(n as usize).map(|named| Matching::CaseIgnore.key(named.key.as_str()));
    for (n, named) in (0u32..).zip(&index.list) {
        let key = Matching::CaseIgnore.key(named.key.as_str());
        let slot =
            seen.entry(hash(&key), |m| key_of(*m).as_ref() == Some(&key), |m| key_of(*m).map_or(0, |k| hash(&k)));
        match slot {
            hashbrown::hash_table::Entry::Vacant(slot) => {
                slot.insert(n);
            }
            hashbrown::hash_table::Entry::Occupied(first) => {
                let Some(first) = index.get(*first.get()) else { continue };
                // Capitals sort first; told is the one that is written later.
                let written = |named: &Named<'a, T>| (named.file, named.key.mark);
                let (first, named) = if written(&first) < written(named) { (first, *named) } else { (*named, first) };
                let message = format!(
                    "the {what} keys `{}` and `{}` are the same to a directory: case and spacing do not count there",
                    first.key.value, named.key.value
                );
                let diagnostic = Diagnostic::error("same-but-for-case", message);
                let first = Some((first.file, first.key, "the other one is here"));
                found.push(Found { file: named.file, key: named.key, diagnostic, first });
            }
        }
    }
}

/// What is wrong with the key of a group, `directory/name`.
fn bad_group(key: &str) -> Option<String> {
    match key.split_once('/') {
        None => Some("it must say in which directory the group is: `directory/name`".to_owned()),
        Some((directory, name)) => words::bad_key(directory).or_else(|| words::bad_name(name)),
    }
}
