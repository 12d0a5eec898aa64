//! The catalogue of bad input: every mistake that somebody may make in the files, with
//! the whole message as it is shown.
//!
//! Cases are in `tests/catalogue/cases/*.txt`: a line `=== title | code,code`, then
//! files, each after a line `--- path`. A case stands beside `accord.yaml` and
//! `base.yaml` unless it brings its own `policies/accord.yaml`. Messages are in
//! `tests/catalogue/messages/*.snap`; read them as somebody at 3 a.m. would.

use accord::diagnostic::Diagnostic;
use accord::render::diagnostics::{Sources, text};
use accord::source::{InMemory, Source, SourceFile, WorkTree};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Findings whose line is named and not shown.
const SECRET: [&str; 4] = ["bad-secret", "credential-attribute", "secret-in-url", "secret-written-out"];

const GROUPS: [&str; 8] = ["access", "constraints", "dates", "people", "rules", "settings", "tests", "yaml"];

struct Case {
    title: String,
    codes: Vec<String>,
    files: Vec<(String, String)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue/cases")
}

fn file(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn cases(group: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in file(&format!("{group}.txt")).lines() {
        if let Some(head) = line.strip_prefix("=== ") {
            let (title, codes) = head.split_once(" | ").expect("a title and codes");
            let codes = codes.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect();
            cases.push(Case { title: title.to_owned(), codes, files: Vec::new() });
        } else if let Some(path) = line.strip_prefix("--- ") {
            cases.last_mut().unwrap().files.push((path.to_owned(), String::new()));
        } else if let Some((_, text)) = cases.last_mut().and_then(|case| case.files.last_mut()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for case in &mut cases {
        // The line before the next title is there for the eye.
        if let Some((_, text)) = case.files.last_mut() {
            *text = format!("{}\n", text.trim_end_matches('\n'));
        }
        if !case.files.iter().any(|(path, _)| path == "policies/accord.yaml") {
            case.files.push(("policies/accord.yaml".to_owned(), file("accord.yaml")));
            case.files.push(("policies/base.yaml".to_owned(), file("base.yaml")));
        }
    }
    cases
}

/// Everything that is found in `files`, and the same as it is shown.
pub(crate) fn found(files: Vec<SourceFile>) -> (Vec<Diagnostic>, String) {
    let sources: Sources = files
        .iter()
        .map(|file| (Arc::clone(&file.path), Arc::from(String::from_utf8_lossy(&file.bytes).as_ref())))
        .collect();
    let count = files.len();
    let files: Vec<_> = files.into_iter().map(|file| (file.path, file.bytes)).collect();
    let findings = load(&InMemory::new(files));
    let shown = text(&findings, &sources, count, false);
    (findings, shown)
}

fn load(source: &dyn Source) -> Vec<Diagnostic> {
    match accord::policy::load::load(source).and_then(accord::resolve::checked) {
        Ok(policy) => policy.warnings,
        Err(found) => found,
    }
}

fn check(group: &str) -> usize {
    let mut shown = String::new();
    let mut wrong = String::new();
    let cases = cases(group);
    for case in &cases {
        let files = case
            .files
            .iter()
            .map(|(path, text)| SourceFile { path: path.as_str().into(), bytes: text.clone().into_bytes() })
            .collect();
        let (findings, message) = found(files);
        let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
        let mut expected: Vec<&str> = case.codes.iter().map(String::as_str).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        if sorted != expected {
            writeln!(wrong, "{group}: {}: expected {expected:?}, found {codes:?}\n{message}", case.title).unwrap();
        }
        for finding in &findings {
            let Some(span) = &finding.span else { panic!("{}: `{}` has no place", case.title, finding.code) };
            let shown = span.column > 0 && span.length > 0 || SECRET.contains(&finding.code);
            assert!(span.line > 0 && shown, "{}: {span:?}", case.title);
            assert!(!finding.message.contains('\n') && !finding.message.ends_with('.'), "{}", finding.message);
            assert!(finding.help.iter().all(|help| !help.is_empty()), "{}", case.title);
            assert!(!SECRET.contains(&finding.code) || !message.contains("hunter2"), "{}", case.title);
        }
        writeln!(shown, "=== {}\n{message}", case.title).unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("messages");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(group, shown));
    cases.len()
}

#[test]
fn access() {
    check("access");
}

#[test]
fn constraints() {
    check("constraints");
}

#[test]
fn dates() {
    check("dates");
}

#[test]
fn people() {
    check("people");
}

#[test]
fn rules() {
    check("rules");
}

#[test]
fn settings() {
    check("settings");
}

#[test]
fn tests() {
    check("tests");
}

#[test]
fn yaml() {
    check("yaml");
}

#[test]
fn there_are_at_least_eighty_and_each_has_a_title_of_its_own() {
    let mut titles: Vec<String> = GROUPS.iter().flat_map(|group| cases(group)).map(|case| case.title).collect();
    assert!(titles.len() >= 80, "{}", titles.len());
    titles.sort();
    let count = titles.len();
    titles.dedup();
    assert_eq!(titles.len(), count);
}

#[test]
fn the_base_of_the_cases_is_right() {
    let (findings, shown) = found(with_base(Vec::new()));
    assert!(findings.is_empty(), "{shown}");
}

fn with_base(mut files: Vec<SourceFile>) -> Vec<SourceFile> {
    for name in ["accord.yaml", "base.yaml"] {
        files.push(SourceFile { path: format!("policies/{name}").into(), bytes: file(name).into_bytes() });
    }
    files
}

/// Finds in one file, written as bytes beside the base.
fn found_in(bytes: &[u8]) -> (Vec<Diagnostic>, String) {
    found(with_base(vec![SourceFile { path: "policies/case.yaml".into(), bytes: bytes.to_vec() }]))
}

#[test]
fn lines_that_end_as_on_windows_have_the_same_columns() {
    let (windows, shown) = found_in(b"roles:\r\n  sre:\r\n    members: [wei.cheng]\r\n");
    let (unix, _) = found_in(b"roles:\n  sre:\n    members: [wei.cheng]\n");
    assert_eq!(windows, unix, "{shown}");
    let span = windows[0].span.clone().unwrap();
    assert_eq!((span.line, span.column, span.length), (3, 15, 9));
}

#[test]
fn columns_count_characters_and_not_bytes() {
    let (findings, shown) =
        found_in("roles:\n  sre:\n    members: [{reason: Übergänge, person: wei.cheng}]\n".as_bytes());
    let span = findings[0].span.clone().unwrap();
    assert_eq!((span.line, span.column, span.length), (3, 43, 9), "{shown}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for bytes in [&b"people:\n  ana.silva: { name: \"Jos\xe9\" }\n"[..], b"\xff\xfep\0e\0o\0p\0l\0e\0:\0", b"a: \0\n"] {
        let (findings, shown) = found_in(bytes);
        assert!(findings.iter().any(Diagnostic::is_error), "{shown}");
    }
}

#[test]
fn a_symlink_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("accord.yaml"), file("accord.yaml")).unwrap();
    std::fs::write(folder.path().join("outside.yaml"), "people: { ana.silva: {} }\n").unwrap();
    std::os::unix::fs::symlink("../outside.yaml", policies.join("people.yaml")).unwrap();
    let findings = load(&WorkTree::open(&policies).unwrap());
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["symlink"], "{findings:?}");
}

#[test]
fn cut_anywhere_no_case_panics() {
    for case in GROUPS.iter().flat_map(|group| cases(group)) {
        let (path, text) = &case.files[0];
        for end in (0..text.len()).step_by(7).filter(|end| text.is_char_boundary(*end)) {
            let bytes = text.as_bytes()[..end].to_vec();
            let mut files = vec![SourceFile { path: path.as_str().into(), bytes }];
            if path != "policies/accord.yaml" {
                files = with_base(files);
            }
            let (findings, shown) = found(files);
            assert!(findings.is_empty() || !shown.is_empty());
        }
    }
}

/// A hundred thousand people and ten thousand groups, as text of policy files.
fn many() -> Vec<SourceFile> {
    let mut files = vec![SourceFile { path: "policies/accord.yaml".into(), bytes: file("accord.yaml").into_bytes() }];
    for part in 0..20 {
        let mut text = String::from("people:\n");
        for n in part * 5_000..(part + 1) * 5_000 {
            let manager = n / 10;
            write!(text, "  u{n:06}: {{ id: \"{n}\", email: u{n}@example.com, manager: u{manager:06}, ").unwrap();
            writeln!(text, "starts: 2026-01-01, department: d{} }}", n % 50).unwrap();
        }
        text.push_str("groups:\n");
        for n in part * 500..(part + 1) * 500 {
            write!(text, "  corp/g{n:05}: {{ members: [").unwrap();
            for m in 0..10 {
                write!(text, "u{:06}, ", (n * 97 + m * 31) % 100_000).unwrap();
            }
            text.push_str("] }\n");
        }
        files.push(SourceFile { path: format!("policies/p{part:02}.yaml").into(), bytes: text.into_bytes() });
    }
    files
}

#[test]
fn a_large_organisation_is_checked_in_time() {
    let files: Vec<_> = many().into_iter().map(|file| (file.path, file.bytes)).collect();
    let source = InMemory::new(files);
    let start = std::time::Instant::now();
    let read = accord::policy::load::documents(&source);
    let parsed = start.elapsed();
    let start = std::time::Instant::now();
    let (policy, found) = accord::policy::check::check(&read.documents, read.digest.clone(), &|_, _| None);
    let checked = start.elapsed();
    println!("100,000 people, 10,000 groups: read in {parsed:?}, checked in {checked:?}");
    assert!(found.is_empty(), "{:?}", found.first());
    assert_eq!(policy.unwrap().people.len(), 100_000);
    // A bound for a busy machine and an unoptimised build; it is there to catch what grows with the square.
    assert!(checked.as_secs() < 60, "{checked:?}");
}

#[test]
fn the_policies_of_this_repository_are_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("policies")];
    for example in std::fs::read_dir(root.join("examples")).unwrap() {
        folders.push(example.unwrap().path().join("policies"));
    }
    folders.sort();
    for folder in folders {
        let findings = load(&WorkTree::open(&folder).unwrap());
        assert!(findings.is_empty(), "{}: {findings:#?}", folder.display());
    }
}

#[test]
fn a_hundred_thousand_mistakes_take_no_minutes() {
    let mut text = String::from("groups:\n");
    for n in 0..10_000 {
        write!(text, "  corp/wrong{n:05}: {{ members: [").unwrap();
        for m in 0..10 {
            write!(text, "x{:06}, ", n * 10 + m).unwrap();
        }
        text.push_str("] }\n");
    }
    let mut files = many();
    files.push(SourceFile { path: "policies/wrong.yaml".into(), bytes: text.into_bytes() });
    let files: Vec<_> = files.into_iter().map(|file| (file.path, file.bytes)).collect();
    let read = accord::policy::load::documents(&InMemory::new(files));
    let (policy, found) = accord::policy::check::check(&read.documents, read.digest.clone(), &|_, _| None);
    assert!(policy.is_none());
    assert_eq!(found.len(), 100_000);
    // Each suggestion looks at everybody: a hundred thousand of them would take hours.
    let suggested = found.iter().filter(|one| one.help.iter().any(|help| help.starts_with("did you mean"))).count();
    assert!(suggested <= 20, "{suggested}");
}
