//! From files to the policy: everything that can be said about each file alone,
//! that no name is written in two of them, and then what they mean together.
//!
//! Comes in: a [`Source`]. Goes out: a [`Policy`], or every finding at once.
//! Refuses: two equal names, sections of `accord.yaml` in other files, and to stop
//! at the first mistake or the first file.

use super::Policy;
use super::check::check;
use super::diagnose::diagnose;
use super::written::{Document, File, Table, Text, span};
use super::yaml::{self, Problem, Tree, read};
use crate::diagnostic::Diagnostic;
use crate::source::{ACCORD_YAML, Source, SourceFile};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Sections that say who judges and not who is judged: they belong into one file,
/// which can be protected.
const ACCORD_ONLY: &[&str] = &[
    "organization",
    "timezone",
    "kinds",
    "directories",
    "guardrails",
    "forge",
    "journal",
    "policy_owners",
    "approvals",
];

/// Every policy file as it is written.
#[derive(Debug, Default)]
pub struct Documents {
    /// What could be read, sorted by path. Where a part of a file is wrong, the rest
    /// of it is here.
    pub documents: Vec<Arc<Document>>,
    /// What is wrong with the files, each alone and beside each other.
    pub diagnostics: Vec<Diagnostic>,
    /// Paths of all files, sorted.
    pub files: Vec<Arc<str>>,
    /// SHA-256 over the sorted paths and bytes, lower-case hex.
    pub digest: String,
    /// Whether names are lost (a whole entry or file cannot be read), so that
    /// looking up names would only give follow-up errors.
    pub lost: bool,
    /// Lines (first, last) by file in which a part is missing; findings there may
    /// only follow from that.
    damaged: BTreeMap<Arc<str>, Vec<(u32, u32)>>,
}

impl Documents {
    /// Whether a finding lies in a mapping of which a part could not be read.
    pub fn may_follow(&self, finding: &Diagnostic) -> bool {
        finding.span.as_ref().is_some_and(|span| {
            let lines = self.damaged.get(&span.file);
            lines.is_some_and(|lines| lines.iter().any(|(first, last)| (*first..=*last).contains(&span.line)))
        })
    }
}

/// The policy that the files of `source` mean; its warnings are in it.
///
/// # Errors
/// Everything that is wrong with the files, at once, sorted by place; warnings too.
pub fn load(source: &dyn Source) -> Result<Policy, Vec<Diagnostic>> {
    load_read(source.files()?, source)
}

/// The same with files that were read from `source` already, which are let go as soon
/// as they are understood: a large organisation's files are tens of megabytes. Where
/// something is wrong they are read again.
///
/// # Errors
/// As for [`load`].
pub fn load_read(files: Arc<[SourceFile]>, source: &dyn Source) -> Result<Policy, Vec<Diagnostic>> {
    meant(understood(files), source)
}

/// Files that were read, and where they came from.
pub type Read<'a> = (Arc<[SourceFile]>, &'a dyn Source);

/// Two sets of policies side by side, each as by [`load_read`]; a file that is the same in
/// both is understood once. Between two commits nearly all files are.
pub fn load_two(one: Read<'_>, other: Read<'_>) -> [Result<Policy, Vec<Diagnostic>>; 2] {
    let ((files, source), (other_files, other_source)) = (one, other);
    let first = files.par_iter().map(parse).collect::<Vec<_>>();
    let same = |file: &SourceFile| {
        let at = files.binary_search_by(|known| known.path.cmp(&file.path)).ok()?;
        files.get(at).filter(|known| known.bytes == file.bytes).and_then(|_| first.get(at))
    };
    let again = |file: &SourceFile| same(file).cloned().unwrap_or_else(|| parse(file));
    let second = other_files.par_iter().map(again).collect::<Vec<_>>();
    let gather = |files: Arc<[SourceFile]>, parsed| {
        let digest = digest(&files);
        gathered(files, digest, parsed)
    };
    let (one, other) = rayon::join(|| gather(files, first), || gather(other_files, second));
    let (one, other) = rayon::join(|| meant(one, source), || meant(other, other_source));
    [one, other]
}

/// The policy that files mean which were understood each alone.
fn meant(mut read: Documents, source: &dyn Source) -> Result<Policy, Vec<Diagnostic>> {
    if read.lost {
        return Err(read.diagnostics);
    }
    let files = OnceCell::new();
    // Places of settings are looked for only when one is wrong, so the files are read
    // again instead of being kept.
    let locate = |document: usize, path: &[&str]| {
        let files = files.get_or_init(|| source.files().unwrap_or_default());
        let wanted = &read.documents.get(document)?.path;
        yaml::locate(&files.iter().find(|file| file.path == *wanted)?.bytes, path)
    };
    let (policy, found) = check(&read.documents, std::mem::take(&mut read.digest), &locate);
    if read.diagnostics.is_empty()
        && let Some(policy) = policy
    {
        return Ok(policy);
    }
    let further: Vec<Diagnostic> = found.into_iter().filter(|finding| !read.may_follow(finding)).collect();
    read.diagnostics.extend(further);
    read.diagnostics.sort();
    read.diagnostics.dedup();
    Err(read.diagnostics)
}

/// The text of the files that `findings` name, for showing their lines. Files that
/// are not UTF-8 are shown with replacement characters.
pub fn sources(source: &dyn Source, findings: &[Diagnostic]) -> BTreeMap<Arc<str>, Arc<str>> {
    let spans = |finding: &Diagnostic| {
        let related = finding.related.iter().map(|(span, _)| Arc::clone(&span.file));
        finding.span.iter().map(|span| Arc::clone(&span.file)).chain(related).collect::<Vec<_>>()
    };
    let named: BTreeSet<Arc<str>> = findings.iter().flat_map(spans).collect();
    let files = source.files().unwrap_or_default();
    files
        .iter()
        .filter(|file| named.contains(&file.path))
        .map(|file| (Arc::clone(&file.path), String::from_utf8_lossy(&file.bytes).into()))
        .collect()
}

/// Reads every file of `source`.
pub fn documents(source: &dyn Source) -> Documents {
    match source.files() {
        Ok(files) => understood(files),
        Err(diagnostics) => Documents { diagnostics, lost: true, ..Documents::default() },
    }
}

fn understood(files: Arc<[SourceFile]>) -> Documents {
    let (digest, parsed) = rayon::join(|| digest(&files), || files.par_iter().map(parse).collect::<Vec<_>>());
    gathered(files, digest, parsed)
}

fn gathered(files: Arc<[SourceFile]>, digest: String, parsed: Vec<Parsed>) -> Documents {
    let paths = files.iter().map(|file| Arc::clone(&file.path)).collect();
    drop(files);
    let mut all = Documents { files: paths, digest, ..Documents::default() };
    for file in parsed {
        all.documents.extend(file.document);
        all.diagnostics.extend(file.diagnostics);
        all.lost |= file.lost;
        if !file.damaged.is_empty() {
            all.damaged.insert(file.path, file.damaged);
        }
    }
    all.diagnostics.extend(refuse_doubles(&mut all.documents));
    all.diagnostics.sort();
    all
}

/// SHA-256 over every path and its bytes, each with its length before it, so that
/// no two sets of files give the same text.
fn digest(files: &[SourceFile]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        for part in [file.path.as_bytes(), &file.bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[derive(Clone)]
struct Parsed {
    path: Arc<str>,
    document: Option<Arc<Document>>,
    diagnostics: Vec<Diagnostic>,
    lost: bool,
    damaged: Vec<(u32, u32)>,
}

/// One file: the fast pass, and the diagnosing pass only if it fails.
fn parse(source: &SourceFile) -> Parsed {
    let mut tree = Tree::parse(&source.bytes);
    if source.path.as_ref() != ACCORD_YAML {
        refuse_misplaced(&mut tree);
    }
    let mut problems = std::mem::take(&mut tree.problems);
    let mut parsed = Parsed {
        path: Arc::clone(&source.path),
        document: None,
        diagnostics: Vec::new(),
        lost: tree.broken,
        damaged: Vec::new(),
    };
    if !tree.broken {
        let fast = if tree.is_empty() { Some(File::default()) } else { read(&tree).ok() };
        if problems.is_empty()
            && let Some(file) = fast
        {
            parsed.document = Some(document(source, file));
            return parsed;
        }
        let diagnosis = diagnose::<File>(&mut tree);
        problems.extend(diagnosis.problems);
        (parsed.lost, parsed.damaged) = (diagnosis.lost, diagnosis.damaged);
        match read(&tree) {
            Ok(file) => parsed.document = Some(document(source, file)),
            // What cannot be read was found above; if not, it is said here.
            Err(error) => {
                parsed.lost = true;
                if problems.is_empty() {
                    problems.push(*error.problem);
                }
            }
        }
    }
    parsed.diagnostics = problems.into_iter().map(|problem| problem.diagnose(&source.path)).collect();
    parsed
}

fn document(source: &SourceFile, file: File) -> Arc<Document> {
    Arc::new(Document { path: Arc::clone(&source.path), file })
}

fn refuse_misplaced(tree: &mut Tree<'_>) {
    let misplaced: Vec<(Problem, u32)> = tree
        .sections()
        .into_iter()
        .filter(|(section, ..)| ACCORD_ONLY.contains(section))
        .map(|(section, mark, value)| {
            let message = format!("`{section}` belongs into `{ACCORD_YAML}`");
            let help = "move it there: one file says which directories are meant and what may be done to them";
            (Problem::new("misplaced-section", message, mark).help(help), value)
        })
        .collect();
    for (problem, value) in misplaced {
        tree.problems.push(problem);
        tree.hide(value);
    }
}

/// Reports names that are written in two files and keeps the first of each.
fn refuse_doubles(documents: &mut [Arc<Document>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    doubles(documents, &mut found, "person", |file| &file.people, |file| &mut file.people);
    doubles(documents, &mut found, "role", |file| &file.roles, |file| &mut file.roles);
    doubles(documents, &mut found, "group", |file| &file.groups, |file| &mut file.groups);
    doubles(documents, &mut found, "constraint", |file| &file.constraints, |file| &mut file.constraints);
    doubles(documents, &mut found, "test", |file| &file.tests, |file| &mut file.tests);
    found
}

fn doubles<T: Send + Sync>(
    documents: &mut [Arc<Document>],
    found: &mut Vec<Diagnostic>,
    what: &str,
    section: fn(&File) -> &Table<T>,
    section_mut: fn(&mut File) -> &mut Table<T>,
) {
    // Paths and keys in pairs; equal keys end up side by side, first file first.
    let tables: Vec<(&Arc<str>, &Table<T>)> =
        documents.iter().map(|document| (&document.path, section(&document.file))).collect();
    let mut keys: Vec<(&Text, &Arc<str>)> =
        tables.iter().flat_map(|(path, table)| table.iter().map(move |(key, _)| (key, *path))).collect();
    keys.par_sort_unstable_by(|(a, a_path), (b, b_path)| (&a.value, a_path, a.mark).cmp(&(&b.value, b_path, b.mark)));
    let mut again: BTreeSet<(Arc<str>, Text)> = BTreeSet::new();
    for same in keys.chunk_by(|(a, _), (b, _)| a.value == b.value) {
        let [(first, first_path), rest @ ..] = same else { continue };
        for (key, path) in rest {
            let message = format!("the {what} `{}` is written in two files", key.value);
            let finding = Diagnostic::error("duplicate-key", message)
                .at(span(path, key.mark))
                .related(span(first_path, first.mark), "first written here")
                .help("merge the two, or rename one; where a name is written once, one review sees all of it");
            found.push(finding);
            again.insert((Arc::clone(path), (*key).clone()));
        }
    }
    if !again.is_empty() {
        for document in documents {
            let path = Arc::clone(&document.path);
            // Only where files are wrong: a document of two sets is copied then.
            let document = Arc::make_mut(document);
            section_mut(&mut document.file).0.retain(|(key, _)| !again.contains(&(Arc::clone(&path), key.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;

    fn read_all(files: &[(&str, &str)]) -> Documents {
        documents(&InMemory::new(files.iter().copied()))
    }

    fn lines(documents: &Documents) -> Vec<String> {
        let place = |d: &Diagnostic| d.span.as_ref().map(|s| format!("{}:{}", s.file, s.line)).unwrap_or_default();
        documents.diagnostics.iter().map(|d| format!("{} {}: {}", place(d), d.code, d.message)).collect()
    }

    #[test]
    fn every_mistake_of_every_file_is_said_at_once() {
        let all = read_all(&[
            ("policies/accord.yaml", "organisation: x\n"),
            ("policies/a.yaml", "people:\n  a: { kind: [x] }\n  b: {}\n"),
            ("policies/b.yaml", "people:\n  b: {}\n\tx: 1\n"),
            ("policies/c.yaml", "people:\n  b: {}\ntimezone: Europe/Berlin\n"),
        ]);
        assert_eq!(
            lines(&all),
            [
                "policies/a.yaml:2 wrong-type: expected text, found a list",
                "policies/accord.yaml:1 unknown-field: there is no field `organisation` here",
                "policies/b.yaml:3 yaml-tab: a tab is used for indentation",
                "policies/c.yaml:2 duplicate-key: the person `b` is written in two files",
                "policies/c.yaml:3 misplaced-section: `timezone` belongs into `policies/accord.yaml`",
            ]
        );
        assert_eq!(all.diagnostics[3].related[0].0.file.as_ref(), "policies/a.yaml");
        assert_eq!(all.diagnostics[1].help, ["did you mean `organization`?"]);
        assert!(all.lost);
        let people: Vec<_> = all.documents.iter().flat_map(|d| d.file.people.iter()).map(|(k, _)| k.as_str()).collect();
        assert_eq!(people, ["a", "b"]);
    }

    #[test]
    fn mistakes_of_meaning_and_of_spelling_are_said_together() {
        let source = InMemory::new([
            ("policies/accord.yaml", "organization: x\ntimezone: UTC\nkinds: { contractor: { require: [expires] } }\n"),
            ("policies/people.yaml", "people:\n  maria.lopez:\n    kind: contractor\n    expires:\n"),
            ("policies/roles.yaml", "roles:\n  sre:\n    members:\n      - person: maria.lopes\n"),
        ]);
        let findings = load(&source).unwrap_err();
        let places: Vec<_> = findings.iter().map(|f| (f.code, f.span.as_ref().unwrap().line)).collect();
        assert_eq!(places, [("empty-date", 4), ("unknown-person", 4)]);
        let text = crate::policy::load::sources(&source, &findings);
        assert_eq!(text.keys().map(AsRef::as_ref).collect::<Vec<_>>(), ["policies/people.yaml", "policies/roles.yaml"]);
    }

    #[test]
    fn what_colleagues_have_in_common_is_held_once() {
        let source = InMemory::new([
            ("policies/accord.yaml", "organization: x\ntimezone: UTC\n"),
            (
                "policies/people.yaml",
                "people:\n  a: { department: Sales }\n  b: { department: Sales }\n  c: { department: Legal }\n  d: { positions: [{ department: Sales }] }\n",
            ),
        ]);
        let policy = load(&source).unwrap();
        let of = |n: usize| &policy.people[n].positions[0].attributes;
        assert!(Arc::ptr_eq(of(0), of(1)) && Arc::ptr_eq(of(0), of(3)));
        assert_eq!((of(0).len(), of(2).len()), (1, 1));
        assert_ne!(of(0), of(2));
    }

    #[test]
    fn the_digest_knows_paths_and_bytes_and_not_their_order() {
        let digest = |files: &[(&str, &str)]| read_all(files).digest;
        let a = digest(&[("policies/accord.yaml", ""), ("policies/x.yaml", "# y")]);
        assert_eq!(a, digest(&[("policies/x.yaml", "# y"), ("policies/accord.yaml", "")]));
        assert_ne!(a, digest(&[("policies/accord.yaml", ""), ("policies/y.yaml", "# y")]));
        assert_ne!(a, digest(&[("policies/accord.yaml", "# y"), ("policies/x.yaml", "")]));
        assert_eq!(a.len(), 64);
    }

    #[test]
    fn without_accord_yaml_nothing_is_loaded() {
        let all = read_all(&[("policies/x.yaml", "people: {}\n")]);
        assert_eq!((all.diagnostics[0].code, all.documents.len()), ("no-accord-yaml", 0));
    }

    #[test]
    fn a_finding_inside_damaged_lines_may_follow_from_them() {
        let all = read_all(&[
            ("policies/accord.yaml", ""),
            ("policies/x.yaml", "people:\n  a:\n    expires:\n    kind: contractor\n  b: {}\n"),
        ]);
        let at = |line| {
            Diagnostic::error("x", "x").at(crate::diagnostic::Span { line, ..all.diagnostics[0].span.clone().unwrap() })
        };
        assert!(!all.lost);
        assert!(all.may_follow(&at(4)));
        assert!(!all.may_follow(&at(5)));
    }
}
