//! The files that `accord init --ci` writes: valid by what others published, pinned, and
//! without a way from a stranger's words to a shell or to a secret.

use crate::cli::harness::Repo;
use crate::support::checkers::{wrong, yaml};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A small company beside an LDAP directory with a reader of its own, and a forge.
pub(super) const LDAP: &str = "\
organization: example
timezone: Europe/Berlin
forge: { kind: github, project: example/access, branch: main, token: { env: ACCORD_FORGE_TOKEN } }
directories:
  corp:
    kind: ldap
    url: ldaps://ldap.example.com
    bind: { dn: \"cn=accord,dc=example,dc=com\", password: { env: CORP_BIND_PASSWORD } }
    plan_bind: { dn: \"cn=accord-read,dc=example,dc=com\", password: { env: CORP_READ_PASSWORD } }
    accounts: { base: \"ou=people,dc=example,dc=com\", initial_password: { env: CORP_FIRST_PASSWORD } }
    groups: { base: \"ou=groups,dc=example,dc=com\" }
kinds: { contractor: { default: deny, require: [sponsor, expires] } }
";

pub(super) const BINARY: [&str; 4] = [
    "--binary",
    "https://files.example.com/accord-1.0",
    "--sha256",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];
pub(super) const IMAGE: [&str; 2] =
    ["--image", "registry.example.com/accord@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"];

fn written(repo: &Repo, folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(repo.file(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn github(accord: &str) -> (Repo, Vec<PathBuf>) {
    let repo = Repo::company();
    repo.write("policies/accord.yaml", accord);
    let _ = repo.accord(&[&["init", "--ci", "github"], &BINARY[..]].concat()).exits(0);
    let files = written(&repo, ".github/workflows");
    (repo, files)
}

/// Every value at a key, wherever it stands.
fn every<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key));
            fields.values().for_each(|value| every(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| every(value, key, found)),
        _ => {}
    }
}

fn all<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    let mut found = Vec::new();
    every(value, key, &mut found);
    found
}

#[test]
fn actionlint_finds_nothing_with_or_without_secrets_and_a_forge() {
    for accord in [LDAP, &Repo::company().read("policies/accord.yaml")] {
        let (_repo, files) = github(accord);
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        assert_eq!(files.len(), 5);
        assert_eq!(wrong("workflow", &files), [""; 0]);
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/ci.yml");
    assert_eq!(wrong("workflow", &[&own]), [""; 0]);
}

#[test]
fn gitlabs_schema_takes_what_is_written() {
    for accord in [LDAP, &Repo::company().read("policies/accord.yaml")] {
        let repo = Repo::company();
        repo.write("policies/accord.yaml", accord);
        let _ = repo.accord(&[&["init", "--ci", "gitlab"], &IMAGE[..]].concat()).exits(0);
        assert_eq!(wrong("gitlab", &[&repo.file(".gitlab/accord.yml"), &repo.file(".gitlab-ci.yml")]), [""; 0]);
        let text = repo.read(".gitlab/accord.yml");
        assert_eq!(text.contains("review approvals"), accord == LDAP);
        assert!(!text.contains("{{"), "{text}");
        // Nothing of a payload reaches a shell but through a variable in quotes.
        let lines =
            text.lines().filter(|line| line.contains("$iid") || line.contains("$head") || line.contains("$target"));
        for line in lines {
            let bare = line.replace("\"$iid\"", "").replace("\"$head\"", "").replace("\"$target\"", "");
            let quoted =
                ["\"refs/merge-requests/$iid/head\"", "\"$base..$head\"", "..$head\"", "merge_requests/$iid/notes\""];
            let is_quoted = quoted.iter().any(|part| bare.contains(part)) || !bare.contains('$');
            assert!(
                is_quoted || bare.contains("jq -r") || bare.contains("FETCH_HEAD") || bare.contains("CI_"),
                "{line}"
            );
        }
    }
}

#[test]
fn every_workflow_is_pinned_and_may_do_as_little_as_it_needs() {
    let (_repo, files) = github(LDAP);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/ci.yml");
    for file in files.iter().chain([&own]) {
        let flow = yaml(file);
        let name = file.display();
        assert_eq!(flow["permissions"], serde_json::json!({}), "{name}");
        assert!(flow["concurrency"]["group"].is_string(), "{name}");
        for job in flow["jobs"].as_object().unwrap().values() {
            assert!(job["permissions"].is_object() && job["timeout-minutes"].is_u64(), "{name}");
        }
        for uses in all(&flow, "uses") {
            let (_, commit) = uses.as_str().unwrap().split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {uses}");
        }
        // No expression inside a script: what somebody calls a branch is no part of a program.
        for run in all(&flow, "run").into_iter().filter_map(Value::as_str) {
            assert!(!run.contains("${{"), "{name}: {run}");
        }
        let checkouts: Vec<&Value> = all(&flow, "steps")
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .filter(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@")))
            .collect();
        assert!(checkouts.iter().all(|step| step["with"]["persist-credentials"] == false), "{name}");
    }
}

#[test]
fn a_strangers_commit_never_meets_a_secret() {
    let (_repo, files) = github(LDAP);
    for file in &files {
        let (flow, text) = (yaml(file), std::fs::read_to_string(file).unwrap());
        let on = &flow["on"];
        let is_check = file.ends_with("accord-check.yml");
        assert_eq!(on.get("pull_request").is_some(), is_check, "{}", file.display());
        if is_check {
            assert!(!text.contains("secrets.") && !text.contains("environment:"), "{text}");
            let writes = all(&flow, "permissions").iter().any(|one| one.to_string().contains("write"));
            assert!(!writes, "{text}");
        }
        // Whoever holds a secret is in an environment that only the protected branch may use.
        for job in flow["jobs"].as_object().unwrap().values() {
            let holds = job.to_string().contains("secrets.");
            assert!(!holds || job["environment"].is_string(), "{}: {job}", file.display());
            // A reader's job holds no writer's secret.
            let reads = job["environment"] == "accord-plan";
            let is_writers = |name: &str| job.to_string().contains(&format!("secrets.{name}"));
            assert!(!reads || !(is_writers("CORP_BIND_PASSWORD") || is_writers("CORP_FIRST_PASSWORD")), "{job}");
            assert!(!reads || !job["permissions"].to_string().contains("\"contents\":\"write\""), "{job}");
        }
        if on.get("pull_request_target").is_some() {
            // Of the request nothing is run: accord reads it, against the trusted branch.
            assert!(
                text.contains("accord plan --trusted \"$BASE\" --audience reviewers") && !text.contains("allow-exec"),
                "{text}"
            );
            assert!(text.contains("secrets.CORP_READ_PASSWORD"), "{text}");
        }
    }
    let apply = std::fs::read_to_string(files.iter().find(|file| file.ends_with("accord-apply.yml")).unwrap()).unwrap();
    for part in ["--signers", "--max-age 24h", "secrets.CORP_BIND_PASSWORD", "secrets.CORP_FIRST_PASSWORD"] {
        assert!(apply.contains(part), "{part}: {apply}");
    }
}

#[test]
fn a_starter_and_its_pipelines_are_one_step_and_overwrite_nothing() {
    let repo = Repo::empty();
    let ran = repo.accord(&[&["init", "--ci", "github", "--hook"], &BINARY[..]].concat()).exits(0);
    assert!(
        ran.stdout.contains("policies/accord.yaml\n") && ran.stdout.contains(".pre-commit-config.yaml\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(yaml(&repo.file(".pre-commit-config.yaml"))["repos"][0]["hooks"][0]["entry"], "accord validate");
    let again = repo.accord(&[&["init", "--ci", "github"], &BINARY[..]].concat()).exits(1);
    assert!(
        again.stderr.contains("`.github/workflows/accord-check.yml`") && again.stderr.contains("nothing was written"),
        "{}",
        again.stderr
    );
    let own = yaml(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml"));
    assert_eq!((&own[0]["id"], &own[0]["entry"]), (&"accord-validate".into(), &"accord validate".into()));
}

#[test]
fn what_would_be_more_than_a_value_is_refused() {
    let repo = Repo::company();
    let refused = |arguments: &[&str], why: &str| {
        let ran = repo.accord(&[&["init", "--ci"], arguments].concat()).exits(1);
        assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
        assert!(!repo.file(".github").exists() && !repo.file(".gitlab").exists());
    };
    refused(&["github"], "a pipeline of GitHub must know where accord is");
    refused(&["gitlab"], "a pipeline of GitLab must know the image to run in");
    refused(&["github", "--binary", "http://files.example.com/accord"], "is not https://");
    refused(&["github", "--binary", "https://x/\"\n      - run: evil"], "which could end the value");
    refused(&["github", "--binary", "https://x/${{ secrets.A }}"], "holds `$`");
    refused(&["github", "--binary", "https://x/a", "--sha256", "abc"], "error: `--sha256");
    refused(&["github", "--binary", "https://x/a", "--branch", "main]\npermissions: write-all"], "holds `]`");
    refused(&["gitlab", "--image", "registry.example.com/accord:latest"], "does not pin the image by its digest");
    let hostile = LDAP.replace("env: CORP_READ_PASSWORD", "env: \"A }}\\n  evil: ${{ secrets.B\"");
    repo.write("policies/accord.yaml", &hostile);
    refused(&[&["github"], &BINARY[..]].concat(), "`env` holds the name of a variable, not the secret");
}
