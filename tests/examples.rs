//! Every folder of `examples/` and the policies of this repository: the plan is the
//! one that is checked in beside them, applying it works, and then nothing is left
//! but what a rule withholds.
//!
//! `UPDATE_EXPECTED=1` writes the expected plans anew; read the difference.

use crate::support::copy_folder;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn accord(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_accord")).args(arguments).current_dir(root).output().unwrap()
}

fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    assert!(!output.stdout.is_empty(), "nothing on stdout; stderr: {errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A copy of an example in a folder without git, its people made where a script makes them.
fn prepare(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&repository().join("examples").join(name), folder.path());
    if folder.path().join("enrol").exists() {
        let people = Command::new("sh").arg("enrol").current_dir(folder.path()).output().unwrap();
        assert!(people.status.success() && people.stdout.len() > 100_000);
        fs::write(folder.path().join("policies/people/students.yaml"), people.stdout).unwrap();
    }
    folder
}

/// The first line names the moment of the run.
fn without_moment(plan: &str) -> String {
    let (first, rest) = plan.split_once('\n').unwrap();
    assert!(first.starts_with("policies"), "{first}");
    format!("policies …\n{rest}")
}

fn assert_expected(file: &Path, plan: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, plan).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(plan, expected, "{} (UPDATE_EXPECTED=1 writes it anew)", file.display());
}

/// What a plan holds: (changes, withheld).
fn counts(root: &Path) -> (usize, usize) {
    let output = accord(root, &["plan", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    (plan["changes"].as_array().unwrap().len(), plan["withheld"].as_array().unwrap().len())
}

fn story(name: &str, apply: &[&str], changes: usize, withheld_before: usize, withheld_after: usize) {
    let folder = prepare(name);
    let root = folder.path();
    let plan = without_moment(&stdout(&accord(root, &["plan"])));
    assert_expected(&repository().join("examples").join(name).join("expected/plan.txt"), &plan);
    assert_eq!(counts(root), (changes, withheld_before), "{plan}");
    let applied = accord(root, &[&["apply", "--auto-approve"], apply].concat());
    let code = if withheld_after > 0 { 3 } else { 0 };
    assert_eq!(applied.status.code(), Some(code), "{}", stdout(&applied));
    assert!(!stdout(&applied).contains("  not read "), "{}", stdout(&applied));
    assert_eq!(counts(root), (0, withheld_after), "after apply nothing is left but what is withheld");
    assert_eq!(accord(root, &["audit", "journal", "verify"]).status.code(), Some(0));
}

#[test]
fn startup() {
    story("startup", &[], 22, 0, 0);
}

#[test]
fn hospital() {
    story("hospital", &[], 11, 0, 0);
}

#[test]
fn separation_of_duties() {
    story("separation-of-duties", &[], 4, 1, 1);
}

/// What an example claims of itself holds for many years; the calendar day of the run does
/// not matter.
#[test]
fn tests_of_examples_hold() {
    let folder = prepare("separation-of-duties");
    for at in ["2026-11-23", "2030-01-01"] {
        let output = accord(folder.path(), &["test", "--at", at]);
        let told = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(told.contains("4 passed, 0 failed, 0 not proven"), "{told}");
    }
}

#[test]
fn tiers() {
    story("tiers", &[], 18, 0, 0);
}

#[test]
fn university() {
    story("university", &["--allow", "grants=17000", "--ticket", "ENROL-1"], 5004, 17000, 0);
}

#[test]
fn every_example_is_run() {
    let mut names: Vec<PathBuf> =
        fs::read_dir(repository().join("examples")).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let names: Vec<_> = names.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["hospital", "separation-of-duties", "startup", "tiers", "university"]);
}

#[test]
fn the_repositorys_own_policies_show_who_was_granted_what_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    copy_folder(&repository().join("policies"), &root.join("policies"));
    let plan = without_moment(&stdout(&accord(root, &["plan"])));
    assert_expected(&repository().join("docs/first-plan.txt"), &plan);
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let picture = readme.split("```\n").find(|block| block.starts_with("policies …")).expect("the README shows a plan");
    for line in picture.lines().filter(|line| line.trim() != "…") {
        assert!(plan.lines().any(|real| real == line), "the README shows what is not printed: {line}");
    }
    let applied = accord(root, &["apply", "--auto-approve"]);
    assert_eq!(applied.status.code(), Some(0), "{}", stdout(&applied));
    assert!(stdout(&applied).contains("maria.lopez"));
    assert_eq!(counts(root), (0, 0));
    let why = stdout(&accord(root, &["why", "maria.lopez", "corp/sre"]));
    assert!(why.contains("ACC-1042") && why.contains("roles/platform.yaml"), "{why}");
}
