//! Saved plans as evidence: signed, of an age, applied once, on top of what was applied.

use super::harness::{Ran, Repo};
use super::revisions::commit;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs OpenSSH's own tool; what it prints, where it succeeds.
fn ssh_keygen(folder: &Path, arguments: &[&str], input: Option<&str>) -> Option<String> {
    let mut command = Command::new("ssh-keygen");
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    if let Some(file) = input {
        command.stdin(std::fs::File::open(folder.join(file)).unwrap());
    }
    let output = command.output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The company with two keys in `keys/`, and a list of those that may sign: `ci` only.
fn signing() -> Repo {
    let repo = Repo::company();
    repo.write("keys/.keep", "");
    for name in ["ci", "mallory"] {
        let path = format!("keys/{name}");
        ssh_keygen(repo.path(), &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path], None).unwrap();
    }
    repo.write("signers", &format!("# plans\nci namespaces=\"accord-plan\" {}", repo.read("keys/ci.pub")));
    repo
}

fn signed(repo: &Repo, key: &str) -> Ran {
    let key = format!("file:{key}");
    repo.accord(&["plan", "--out", "plan.json", "--secrets-dir", "keys", "--sign-key", &key])
}

#[test]
fn a_signature_is_checked_by_openssh_and_by_accord() {
    let repo = signing();
    let _ = signed(&repo, "ci").exits(0);
    let verify = ["-Y", "verify", "-f", "signers", "-I", "ci", "-n", "accord-plan", "-s", "plan.json.sig"];
    assert!(ssh_keygen(repo.path(), &verify, Some("plan.json")).unwrap().starts_with("Good \"accord-plan\" signature"));
    let verified = repo.accord(&["plan", "verify", "plan.json", "--signers", "signers"]).exits(0).quiet();
    assert!(
        verified.contains("\nsigned by ci\n") && verified.ends_with("yes, after it is derived again\n"),
        "{verified}"
    );
    // The other way round: what OpenSSH signed.
    let sign = ["-q", "-Y", "sign", "-f", "keys/ci", "-n", "accord-plan", "plan.json"];
    std::fs::remove_file(repo.file("plan.json.sig")).unwrap();
    ssh_keygen(repo.path(), &sign, None).unwrap();
    let ran = repo.accord(&["apply", "plan.json", "--signers", "signers", "--max-age", "1h"]).exits(0);
    assert!(ran.stderr.starts_with("signed by ci (SHA256:"), "{}", ran.stderr);
    let mut run = std::fs::read_dir(repo.file(".accord/journal")).unwrap().map(|entry| entry.unwrap().path());
    let run = run.find(|path| path.extension().is_some_and(|ending| ending == "jsonl")).unwrap();
    assert!(std::fs::read_to_string(run).unwrap().contains("\"signed_by\":\"ci\""));
}

#[test]
fn only_these_bytes_by_these_signers_are_applied() {
    let repo = signing();
    let refused = |repo: &Repo, why: &str| {
        for command in [&["plan", "verify", "plan.json"][..], &["apply", "plan.json"]] {
            let ran = repo.accord(&[command, &["--signers", "signers"]].concat()).exits(1);
            assert!(format!("{}{}", ran.stdout, ran.stderr).contains(why), "{why}: {ran:?}");
        }
        assert!(!repo.file("directory.ldif").exists(), "{why}");
    };
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    refused(&repo, "`plan.json` is not signed: there is no `plan.json.sig`");
    let _ = signed(&repo, "mallory").exits(0);
    refused(&repo, "which is not among those that may sign");
    let _ = signed(&repo, "ci").exits(0);
    repo.write("policies/more.yaml", "roles: {}\n");
    let signature = repo.read("plan.json.sig");
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    assert!(!repo.file("plan.json.sig").exists(), "a signature of an earlier plan is none of this one");
    repo.write("plan.json.sig", &signature);
    refused(&repo, "the signature is not of these bytes");
    repo.write("plan.json.sig", "none");
    refused(&repo, "the signature is not in OpenSSH's format");
    repo.write("signers", "ci\n* ssh-ed25519 AAAA\n");
    refused(&repo, "line 1: a name and a key are expected");
    refused(&repo, "line 2: `*` is a pattern or several");
}

#[test]
fn a_key_that_cannot_sign_is_said_without_its_words() {
    let repo = signing();
    let _ = ssh_keygen(repo.path(), &["-q", "-t", "ed25519", "-N", "secret", "-f", "keys/locked"], None).unwrap();
    let _ = ssh_keygen(repo.path(), &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "keys/rsa"], None).unwrap();
    for (key, why) in [
        ("locked", "the key that is to sign has a passphrase"),
        ("rsa", "the key that is to sign is not an Ed25519 key"),
        ("ci.pub", "the key that is to sign is not in OpenSSH's format"),
        ("none", "cannot read `--sign-key` from"),
    ] {
        let ran = signed(&repo, key).exits(1);
        assert!(ran.stderr.contains(why), "{key}: {}", ran.stderr);
        assert!(!repo.file("plan.json.sig").exists(), "{key}");
    }
    let ran = repo.accord(&["plan", "--sign-key", "env:KEY"]).exits(1);
    assert!(ran.stderr.contains("--out <FILE>"), "{}", ran.stderr);
}

#[test]
fn a_plan_is_applied_while_it_is_young() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    let resealed = |seconds: i64| {
        let mut plan = accord::plan::file::read(repo.read("plan.json").as_bytes()).unwrap();
        plan.at = plan.at.plus(seconds);
        repo.write("plan.json", &String::from_utf8(accord::plan::file::to_bytes(&plan)).unwrap());
    };
    resealed(-7_200);
    let ran = repo.accord(&["apply", "plan.json", "--max-age", "1h"]).exits(1);
    assert!(ran.stderr.contains(", longer ago than --max-age 1h\n"), "{}", ran.stderr);
    resealed(14_400);
    let ran = repo.accord(&["apply", "plan.json", "--max-age", "1h"]).exits(1);
    assert!(ran.stderr.contains("which is in the future\n"), "{}", ran.stderr);
    assert!(!repo.file("directory.ldif").exists());
    let ran = repo.accord(&["apply", "--auto-approve", "--max-age", "1h"]).exits(1);
    assert!(ran.stderr.contains("are about a saved plan, and none is named"), "{}", ran.stderr);
}

#[test]
fn a_plan_of_a_commit_that_lost_is_refused() {
    let repo = Repo::company();
    let first = commit(&repo, "first");
    let _ = repo.accord(&["plan", "--out", "old.json"]).exits(0);
    repo.edit("policies/roles.yaml", "corp/vpn", "corp/network");
    let second = commit(&repo, "second");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    // Back to the first, as a forced push or a runner with an old checkout would be.
    let git = git2::Repository::open(repo.path()).unwrap();
    let object = git.revparse_single(&first).unwrap();
    git.reset(&object, git2::ResetType::Hard, None).unwrap();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    for file in ["old.json", "plan.json"] {
        let ran = repo.accord(&["apply", file]).exits(1);
        let why = format!("the plan is of commit {first}, which does not stand on {second}, applied by run ");
        assert!(ran.stderr.contains(&why) && ran.stderr.contains("git revert"), "{}", ran.stderr);
        let verified = repo.accord(&["plan", "verify", file, "--format", "json"]).exits(1);
        assert!(verified.stdout.contains("\"on_top\": false"), "{verified:?}");
    }
    assert!(repo.read("directory.ldif").contains("cn=network"), "nothing was taken back");
}

#[test]
fn the_list_of_signers_is_the_trusted_one() {
    let repo = signing();
    repo.write("policies/more.yaml", "roles: {}\n");
    commit(&repo, "trusted");
    let mine = repo.read("keys/mallory.pub");
    repo.write("signers", &format!("mallory {mine}"));
    let _ = signed(&repo, "mallory").exits(0);
    let ran = repo.accord(&["apply", "plan.json", "--signers", "signers", "--trusted", "trusted"]).exits(3);
    let why = "the file `signers`, which `--signers` names, is not as it is in the trusted revision `trusted`";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    assert!(!repo.file("directory.ldif").exists());
}

/// Applied whole, then undone behind accord's back: the same file does not do it again.
#[test]
fn a_plan_that_was_applied_sends_nothing_more() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    let _ = repo.accord(&["apply", "plan.json"]).exits(0);
    let _ = repo.accord(&["apply", "plan.json"]).exits(0);
    let verified = repo.accord(&["plan", "verify", "plan.json"]).exits(1);
    assert!(verified.stdout.contains("applies   no: `plan.json` was applied already: run "), "{}", verified.stdout);
    let member = "member: uid=maria.lopez,ou=people,dc=example,dc=com\n";
    let undone = repo.read("directory.ldif").replace(member, "");
    repo.write("directory.ldif", &undone);
    let ran = repo.accord(&["apply", "plan.json"]).exits(1);
    assert!(ran.stderr.contains("did every change of it, and not all of it is in effect any more"), "{}", ran.stderr);
    assert_eq!(repo.read("directory.ldif"), undone);
}
