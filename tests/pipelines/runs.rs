//! The scripts inside the workflows, run by bash as a runner would, with the built binary, a
//! real git repository and a stand-in for the forge's own program.

use super::workflows::{BINARY, IMAGE};
use crate::cli::diff_git::{Story, git};
use crate::support::checkers::yaml;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `gh` and `curl` answer from a file, keep what they are sent, and never reach anything.
const GH: &str = r#"#!/bin/bash
printf '%s\n' "$*" >> "$STAND_IN/calls"
while [ $# -gt 0 ]; do
    case $1 in
        --input) cp "$2" "$STAND_IN/sent" ;;
        --jq) jq -r "$2" "$STAND_IN/answer" ;;
    esac
    shift
done
"#;

const CURL: &str = r#"#!/bin/bash
printf '%s\n' "$*" >> "$STAND_IN/calls"
case "$*" in
    */user) echo '{"id": 5}' ;;
    *notes?sort=*) cat "$STAND_IN/answer" ;;
    *--data*) while [ "$1" != --data ]; do shift; done; cp "${2#@}" "$STAND_IN/sent" ;;
esac
"#;

/// A story with a request against it, and a place for what a runner has.
struct Runner {
    story: Story,
    temp: tempfile::TempDir,
    base: String,
    head: String,
}

impl Runner {
    fn new(edit: impl FnOnce(&Story)) -> Self {
        let story = Story::company();
        let _ = story.repo.accord(&[&["init", "--ci", "github"], &BINARY[..]].concat()).exits(0);
        let _ = story.repo.accord(&[&["init", "--ci", "gitlab"], &IMAGE[..]].concat()).exits(0);
        story.repo.write(".gitignore", "/.accord/\n/directory.ldif\n");
        let base = story.commit("pipelines");
        story.git(&["checkout", "-q", "-b", "topic"]);
        edit(&story);
        let head = story.commit("topic");
        story.git(&["update-ref", "refs/merge-requests/7/head", &head]);
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("bin")).unwrap();
        for (name, script) in [("gh", GH), ("curl", CURL)] {
            let path = temp.path().join("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_accord"), temp.path().join("bin/accord")).unwrap();
        fs::write(temp.path().join("answer"), "[]").unwrap();
        Self { story, temp, base, head }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// As a runner starts bash for `shell: bash`.
    fn bash(&self, folder: &Path, script: &str, more: &[(&str, &str)]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.file("bin").display());
        let temp = self.temp.path().to_str().unwrap();
        let summary = self.file("summary");
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(folder).env_clear();
        command.envs([("PATH", path.as_str()), ("HOME", temp), ("RUNNER_TEMP", temp), ("STAND_IN", temp)]);
        command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_REPOSITORY", "example/access").env("NUMBER", "7");
        command.env("BASE", &self.base).env("HEAD", &self.head).env("RUN", "https://forge.example.com/run/1");
        command.envs(more.iter().copied()).output().unwrap()
    }

    /// Runs the named step of a workflow of GitHub.
    fn step(&self, folder: &Path, file: &str, name: &str) -> Output {
        let flow = yaml(&self.story.repo.file(&format!(".github/workflows/{file}")));
        let jobs = flow["jobs"].as_object().unwrap().values();
        let mut steps = jobs.filter_map(|job| job["steps"].as_array()).flatten();
        let step = steps.find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"));
        self.bash(folder, step["run"].as_str().unwrap(), &[])
    }

    /// The request's commit, as `actions/checkout` lays it into `head`.
    fn checked_out(&self) -> PathBuf {
        let head = self.file("head");
        git(self.temp.path(), &["clone", "-q", self.story.repo.path().to_str().unwrap(), "head"]);
        git(&head, &["checkout", "-q", "--detach", &self.head]);
        head
    }

    fn sent(&self) -> String {
        let sent: Value = serde_json::from_str(&self.read("sent")).unwrap();
        sent["body"].as_str().unwrap().to_owned()
    }
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn gains(story: &Story) {
    story.repo.edit("policies/roles.yaml", "      - person: li.na\n", "      - ana.silva\n");
}

const PLAN: &str = "Who gains and loses what, and what would be done?";
const SAY: &str = "Say it in one comment";

#[test]
fn a_request_gets_one_comment_with_difference_and_plan() {
    let runner = Runner::new(gains);
    let head = runner.checked_out();
    let ran = runner.step(&head, "accord-plan.yml", PLAN);
    assert!(ran.status.success(), "{}", text(&ran));
    let said = runner.step(&head, "accord-plan.yml", SAY);
    assert!(said.status.success(), "{}", text(&said));
    let body = runner.sent();
    assert!(body.starts_with("<!-- accord diff -->\n### accord: 1 person gains"), "{body}");
    assert!(body.contains("| ana.silva | corp/sre |") && body.contains("| grant | corp/sre |"), "{body}");
    assert!(runner.read("calls").contains("--method POST repos/example/access/issues/7/comments"));
    assert!(runner.read("summary").contains("ana.silva"));
    // The next time it is the same comment; one that somebody else began with the marker is not ours.
    let answer = r#"[{"id": 1, "user": {"login": "evil"}, "body": "<!-- accord diff -->"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "another"},
        {"id": 3, "user": {"login": "github-actions[bot]"}, "body": "<!-- accord diff -->\nold"}]"#;
    fs::write(runner.file("answer"), answer).unwrap();
    assert!(runner.step(&head, "accord-plan.yml", SAY).status.success());
    assert!(
        runner.read("calls").contains("--method PATCH repos/example/access/issues/comments/3"),
        "{}",
        runner.read("calls")
    );
}

#[test]
fn where_there_is_no_plan_the_comment_says_so() {
    let runner =
        Runner::new(|story| story.repo.edit("policies/roles.yaml", "person: li.na", "person: \"##[add-mask]x\""));
    let head = runner.checked_out();
    let ran = runner.step(&head, "accord-plan.yml", PLAN);
    assert!(!ran.status.success());
    // Whatever is printed after it is no command for the runner.
    let out = String::from_utf8(ran.stdout).unwrap();
    assert!(out.starts_with("::stop-commands::"), "{out}");
    assert!(runner.step(&head, "accord-plan.yml", SAY).status.success());
    assert!(runner.sent().contains(&format!("there is no plan for {}", runner.head)), "{}", runner.sent());
}

#[test]
fn another_connection_in_a_request_is_refused_before_anything_is_contacted() {
    let runner = Runner::new(|story| {
        gains(story);
        story.repo.edit("policies/accord.yaml", "file: directory.ldif", "file: other.ldif");
    });
    let head = runner.checked_out();
    let ran = runner.step(&head, "accord-plan.yml", PLAN);
    assert!(text(&ran).contains("`file` of directory `corp` differs from the trusted revision"), "{}", text(&ran));
    assert!(!head.join("other.ldif").exists());
}

#[test]
fn a_journal_that_a_request_brings_along_is_refused() {
    let runner = Runner::new(|story| {
        story.repo.write(".accord/memory.json", "{}");
        story.git(&["add", "-f", ".accord/memory.json"]);
    });
    let ran = runner.step(&runner.checked_out(), "accord-plan.yml", PLAN);
    assert!(!ran.status.success() && text(&ran).contains(".accord"), "{}", text(&ran));
}

#[test]
fn a_check_notes_what_is_wrong_on_its_line() {
    let runner = Runner::new(gains);
    let here = runner.story.repo.path().to_owned();
    let good = runner.step(&here, "accord-check.yml", "Are the policies in order?");
    assert!(good.status.success(), "{}", text(&good));
    let diff = runner.step(&here, "accord-check.yml", "Who gains and loses what?");
    assert!(text(&diff).contains("::notice file=policies/roles.yaml,"), "{}", text(&diff));
    let bad = Runner::new(|story| story.repo.edit("policies/roles.yaml", "person: li.na", "person: li.ma"));
    let ran = bad.step(bad.story.repo.path(), "accord-check.yml", "Are the policies in order?");
    assert!(!ran.status.success() && text(&ran).contains("::error file=policies/roles.yaml,line="), "{}", text(&ran));
}

#[test]
fn an_hourly_run_that_is_overdue_is_told() {
    let runner = Runner::new(gains);
    let here = runner.story.repo.path().to_owned();
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    for (answer, fine) in [
        (format!("[{{\"updatedAt\": \"{}\"}}]", now.trim()), true),
        ("[{\"updatedAt\": \"2026-01-01T00:00:00Z\"}]".to_owned(), false),
        ("[]".to_owned(), false),
    ] {
        fs::write(runner.file("answer"), &answer).unwrap();
        let ran = runner.step(&here, "accord-drift.yml", "Is the hourly run overdue?");
        assert_eq!(ran.status.success(), fine, "{answer}: {}", text(&ran));
        assert_eq!(text(&ran).contains("::warning title=accord::the hourly run is overdue"), !fine, "{}", text(&ran));
    }
}

#[test]
fn what_was_merged_is_planned_signed_and_applied() {
    let runner = Runner::new(gains);
    let here = runner.story.repo.path().to_owned();
    runner.story.git(&["checkout", "-q", "main"]);
    runner.story.git(&["merge", "-q", "--no-ff", "topic", "-m", "merge"]);
    let key = runner.file("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f"]).arg(&key).output();
    assert!(made.unwrap().status.success());
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    runner.story.repo.write(".github/accord-plan-signers", &format!("accord-ci namespaces=\"accord-plan\" {public}"));
    let commit = runner.story.commit("signers");
    let private = fs::read_to_string(&key).unwrap();
    let flow = yaml(&runner.story.repo.file(".github/workflows/accord-apply.yml"));
    let script = |job: &str, name: &str| {
        let mut steps = flow["jobs"][job]["steps"].as_array().unwrap().iter();
        let step = steps.find(|step| step["name"] == name).unwrap();
        step["run"].as_str().unwrap().to_owned()
    };
    let more = [("ACCORD_PLAN_KEY", private.as_str()), ("GITHUB_SHA", commit.as_str())];
    let planned = runner.bash(&here, &script("plan", "Plan"), &more);
    assert!(planned.status.success(), "{}", text(&planned));
    assert!(text(&planned).contains("::notice file=policies/"), "{}", text(&planned));
    let applied = runner.bash(&here, &script("apply", "Apply"), &more[1..]);
    assert!(applied.status.success(), "{}", text(&applied));
    assert!(runner.story.repo.read("directory.ldif").contains("uid=ana.silva"), "{}", text(&applied));
    // The hourly run finds nothing to do, and a plan that nobody signed is refused.
    let dated = runner.step(&here, "accord-dated.yml", "Apply what the hour brings");
    assert!(dated.status.success(), "{}", text(&dated));
    fs::remove_file(here.join("accord.plan.json.sig")).unwrap();
    let again = runner.bash(&here, &script("apply", "Apply"), &more[1..]);
    assert!(!again.status.success() && text(&again).contains("is not signed"), "{}", text(&again));
}

/// A runner of GitLab joins the lines of a script.
fn gitlab(runner: &Runner, job: &str) -> String {
    let flow = yaml(&runner.story.repo.file(".gitlab/accord.yml"));
    let lines = flow[job]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn gitlab_plans_a_request_on_the_protected_branch() {
    let runner = Runner::new(gains);
    let project = runner.file("builds");
    fs::create_dir(&project).unwrap();
    git(&project, &["clone", "-q", "-b", "main", runner.story.repo.path().to_str().unwrap(), "access"]);
    let here = project.join("access");
    let payload = |head: &str, iid: &str| {
        let path = runner.file("payload");
        let text = format!(
            "{{\"object_kind\": \"merge_request\", \"object_attributes\": {{\"iid\": {iid}, \"target_branch\": \"main\", \"last_commit\": {{\"id\": \"{head}\"}}}}}}"
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |payload: &str, id: &str| {
        let more = [
            ("TRIGGER_PAYLOAD", payload),
            ("CI_COMMIT_SHA", runner.base.as_str()),
            ("CI_COMMIT_REF_NAME", "main"),
            ("CI_PROJECT_DIR", here.to_str().unwrap()),
            ("CI_JOB_ID", id),
            ("CI_API_V4_URL", "https://gitlab.example.com/api/v4"),
            ("CI_PROJECT_ID", "1"),
            ("ACCORD_COMMENT_TOKEN", "glpat-secret"),
        ];
        runner.bash(&here, &gitlab(&runner, "accord-plan"), &more)
    };
    // Whatever a payload says that is no number and no commit plans nothing.
    for (head, iid) in [("$(touch evil)", "7"), (runner.head.as_str(), "\"7; touch evil\"")] {
        let ran = run(&payload(head, iid), "0");
        assert!(ran.status.success() && text(&ran).contains("nothing to plan"), "{}", text(&ran));
    }
    let old = run(&payload(&runner.base, "7"), "1");
    assert!(text(&old).contains("there is a newer commit"), "{}", text(&old));
    assert!(!runner.file("calls").exists() && !here.join("evil").exists());
    let ran = run(&payload(&runner.head, "7"), "2");
    assert!(ran.status.success(), "{}", text(&ran));
    let body = runner.sent();
    assert!(
        body.starts_with("<!-- accord diff -->\n### accord: 1 person gains") && body.contains("| grant | corp/sre |"),
        "{body}"
    );
    let notes = "https://gitlab.example.com/api/v4/projects/1/merge_requests/7/notes";
    assert!(runner.read("calls").contains("--request POST --header Content-Type: application/json --data @"));
    let answer = r#"[{"id": 8, "author": {"id": 6}, "body": "<!-- accord diff -->"}, {"id": 9, "author": {"id": 5}, "body": "<!-- accord diff -->"}]"#;
    fs::write(runner.file("answer"), answer).unwrap();
    assert!(run(&payload(&runner.head, "7"), "3").status.success());
    assert!(runner.read("calls").contains(&format!("{notes}/9")), "{}", runner.read("calls"));
    assert!(!runner.read("calls").contains("glpat-secret"));
}
