//! The structure that ARCHITECTURE.md promises, read off the source text: who may
//! import whom, how long a file may be, what is absent where.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules, and those each may import beside itself. The order is the pipeline's.
const MAY_USE: &[(&str, &[&str])] = &[
    ("diagnostic", &[]),
    ("model", &[]),
    ("source", &["diagnostic", "model"]),
    ("policy", &["diagnostic", "model", "source"]),
    ("resolve", &["diagnostic", "model", "policy"]),
    ("review", &["model", "policy", "resolve"]),
    ("provider", &["diagnostic", "model", "policy"]),
    ("plan", &["diagnostic", "model", "policy", "resolve", "provider"]),
    ("record", &["diagnostic", "model", "plan"]),
    ("apply", &["diagnostic", "model", "policy", "resolve", "provider", "plan", "record"]),
    ("history", &["diagnostic", "model", "source", "policy", "resolve", "plan"]),
    (
        "render",
        &["diagnostic", "model", "policy", "resolve", "review", "provider", "plan", "record", "apply", "history"],
    ),
];

/// Longest source file, in lines without its inline tests.
const LONGEST_FILE: usize = 600;

struct File {
    path: PathBuf,
    module: String,
    /// The text up to the inline tests.
    code: String,
}

fn source_files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "the source tree was not found");
    files
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            let relative = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().strip_prefix("src").unwrap();
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            files.push(File { path: relative.to_owned(), module, code });
        }
    }
}

/// Lines of code: comments and documentation do not import anything.
fn code_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.code
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(n, line)| (n + 1, line))
}

/// Modules named after `crate::` on a line, also in `use crate::{a, b}`.
fn imports(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split(',').filter_map(first_word)),
            None => found.extend(first_word(rest)),
        }
    }
    found.retain(|word| *word == "cli" || MAY_USE.iter().any(|(module, _)| module == word));
    found
}

fn first_word(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn modules_import_only_what_stands_before_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut problems = Vec::new();
    for file in source_files() {
        let Some(allowed) = allowed.get(file.module.as_str()) else { continue };
        for (n, line) in code_lines(&file) {
            for module in imports(line) {
                if module != file.module && !allowed.contains(&module) {
                    problems.push(format!(
                        "src/{}:{n}: `{}` may not import `{module}`",
                        file.path.display(),
                        file.module
                    ));
                }
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn every_module_has_a_place_in_the_order() {
    for file in source_files() {
        let known = MAY_USE.iter().any(|(name, _)| *name == file.module);
        assert!(
            known || ["cli", "lib", "main"].contains(&file.module.as_str()),
            "{} has no place",
            file.path.display()
        );
    }
}

#[test]
fn providers_know_the_settings_but_not_the_people() {
    let mut problems = Vec::new();
    for file in source_files().iter().filter(|file| file.module == "provider") {
        for (n, line) in code_lines(file) {
            if line.contains("crate::policy::")
                && !line.contains("crate::policy::settings")
                && !line.contains("crate::policy::glob")
            {
                problems.push(format!("src/{}:{n}: {}", file.path.display(), line.trim()));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn files_are_short_enough_to_read() {
    let mut problems = Vec::new();
    for file in source_files() {
        let lines = file.code.lines().count();
        if lines > LONGEST_FILE {
            problems.push(format!("src/{}: {lines} lines, at most {LONGEST_FILE}", file.path.display()));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    let mut problems = Vec::new();
    for file in source_files() {
        if !file.code.starts_with("//!") {
            problems.push(format!("src/{} has no module documentation", file.path.display()));
        }
    }
    assert_none(&problems);
}

/// `(what must be absent, where it may stand, why)`.
const ABSENT: &[(&str, &[&str], &str)] = &[
    (".write(&", &["apply", "provider", "record"], "`Writer::write` has one caller: apply"),
    ("dyn Writer", &["apply", "provider", "cli"], "planning holds readers only"),
    ("provider::Writer", &["apply", "provider", "cli"], "planning holds readers only"),
    ("dry_run", &[], "there is no dry-run flag anywhere"),
    ("async fn", &["provider", "apply", "cli"], "async exists only where the network is"),
    ("ldap3::", &["provider"], "LDAP is spoken in one place"),
    ("reqwest::", &["provider"], "HTTP is spoken in one place"),
    ("git2::", &["source", "history"], "git is read in two places"),
    ("serde_saphyr::", &["policy"], "YAML is read in one place"),
    ("std::env::", &["cli", "main"], "the environment is read in `cli` only"),
    ("Timestamp::now", &["cli"], "the clock is read in `cli` only"),
    ("std::io::stdout", &["cli", "main"], "only `cli` prints"),
    (
        "std::process::Command",
        &["cli"],
        "only `cli` starts programs: `git` for the journal's remote, others only with --allow-exec",
    ),
    ("unsafe ", &[], "no unsafe code"),
    ("#[allow(", &[], "exceptions are `#[expect(lint, reason)]`"),
];

#[test]
fn what_must_be_absent_is_absent() {
    let mut problems = Vec::new();
    for file in source_files() {
        for (n, line) in code_lines(&file) {
            for (word, places, why) in ABSENT {
                if line.contains(word) && !places.contains(&file.module.as_str()) {
                    problems.push(format!("src/{}:{n}: `{word}`: {why}", file.path.display()));
                }
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn rules_and_yaml_stay_behind_their_facades() {
    let mut problems = Vec::new();
    for file in source_files().iter().filter(|file| file.module == "policy") {
        let path = file.path.to_str().unwrap();
        for (n, line) in code_lines(file) {
            if line.contains("cel::") && !path.contains("/rule/") {
                problems.push(format!("src/{path}:{n}: CEL outside policy::rule"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_readers_of_this_file_would_notice_a_wrong_import() {
    assert_eq!(imports("use crate::{plan::Plan, model};"), ["plan", "model"]);
    assert_eq!(imports("    let x: crate::apply::Outcome = y;"), ["apply"]);
    assert_eq!(imports("use super::plan;"), Vec::<&str>::new());
}
