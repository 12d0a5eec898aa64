//! Throwaway git repositories, made and mangled by git itself.

use super::harness::{Ran, Repo};
use std::path::Path;
use std::process::Command;

/// A repository with real git beside it.
pub(crate) struct Story {
    pub(crate) repo: Repo,
}

pub(crate) const AT: &str = "2026-11-23T00:00:00Z";

impl Story {
    /// The small company, committed and tagged `base`.
    pub(crate) fn company() -> Self {
        let story = Self { repo: Repo::company() };
        story.git(&["init", "-q", "-b", "main"]);
        story.commit("base");
        story.git(&["tag", "base"]);
        story
    }

    /// Runs git here, without any settings of the machine.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(self.repo.path(), arguments)
    }

    /// Commits everything.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Edits a file and commits.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) -> String {
        self.repo.edit(path, from, to);
        self.commit("edit")
    }

    /// `accord diff` with a fixed instant.
    pub(crate) fn diff(&self, arguments: &[&str]) -> Ran {
        self.repo.accord(&[&["diff", "--at", AT], arguments].concat())
    }

    /// The same as JSON.
    pub(crate) fn json(&self, range: &str) -> serde_json::Value {
        let shown = self.diff(&[range, "--format", "json"]).exits(0).quiet();
        serde_json::from_str(&shown).unwrap()
    }

    /// What changes, in short: `+ ana.silva corp/vpn`, `- …`, `> …` extended, `< …` shortened,
    /// `? …` not known, then `@2026-12-01T… + …` what is scheduled, `!…` what is called off.
    pub(crate) fn effect(&self, range: &str) -> Vec<String> {
        effect(&self.json(range))
    }
}

pub(crate) fn effect(json: &serde_json::Value) -> Vec<String> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let member = |one: &serde_json::Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("person"), text("entitlement"))
    };
    let mut found = Vec::new();
    for (key, symbol) in [("gained", "+"), ("lost", "-"), ("extended", ">"), ("shortened", "<")] {
        found.extend(list(&json[key]).iter().map(|one| format!("{symbol} {}", member(one))));
    }
    for one in list(&json["unsettled"]) {
        for (key, symbol) in [("may_gain", "?+"), ("may_lose", "?-")] {
            let people = list(&one[key]);
            let people = people.iter().filter_map(|person| person.as_str());
            found.extend(people.map(|person| format!("{symbol} {person} {}", one["entitlement"].as_str().unwrap())));
        }
    }
    for (key, mark) in [("scheduled", "@"), ("called_off", "!")] {
        for moment in list(&json[key]) {
            let at = moment["instant"].as_str().unwrap().split('T').next().unwrap().to_owned();
            for (key, symbol) in [("gained", "+"), ("lost", "-")] {
                found.extend(list(&moment[key]).iter().map(|one| format!("{mark}{at} {symbol} {}", member(one))));
            }
        }
    }
    found
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]);
    command.args(["-c", "protocol.file.allow=always", "-c", "core.autocrlf=false"]);
    command.args(arguments).current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.output().expect("these tests need git");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {text}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
