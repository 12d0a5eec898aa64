//! What is refused, and how it is said.

use super::harness::Repo;
use std::io::Read;
use std::process::Stdio;

#[test]
fn usage_errors_exit_1_and_not_2() {
    let repo = Repo::empty();
    let ran = repo.accord(&["obliterate"]).exits(1);
    assert!(ran.stderr.starts_with("error: unrecognized subcommand 'obliterate'"), "{}", ran.stderr);
    let ran = repo.accord(&["plan", "--allow", "revocations=3"]).exits(1);
    assert!(ran.stderr.contains("--ticket <TICKET>"), "{}", ran.stderr);
    let ran = repo.accord(&["plan", "--action", "explode"]).exits(1);
    assert!(ran.stderr.contains("no such action; one of disable-account"), "{}", ran.stderr);
    let _ = repo.accord(&["--version"]).exits(0);
    assert!(repo.accord(&["plan", "--help"]).exits(0).stdout.contains("--detailed-exitcode"));
}

#[test]
fn without_policies_every_command_says_where_it_looked() {
    let repo = Repo::empty();
    for command in ["validate", "plan", "drift", "expiring"] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(repo.accord(&[command]).all(), @r"
            exit 1
            --- stdout
            --- stderr
            error: there is no `policies/accord.yaml` in `[here]` or above it
              to go on: accord init, or name the folder with --policies DIR
            ");
        }
    }
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let repo = Repo::company();
    repo.edit("policies/roles.yaml", "person: maria.lopez", "person: maria.lopes");
    repo.edit("policies/people.yaml", "expires: 2197-03-31", "expires:");
    let ran = repo.accord(&["plan"]).exits(1);
    assert_eq!(ran.stdout, "");
    insta::assert_snapshot!(ran.stderr, @r#"
    error[empty-date]: `expires` has no value; an empty date does not mean "never"
      --> policies/people.yaml:28:5
       |
    28 |     expires:
       |     ^^^^^^^
       |
       = help: write a date (`2027-03-31`), or remove the line if the kind allows it

    error[unknown-person]: nobody is called `maria.lopes`
     --> policies/roles.yaml:8:17
      |
    8 |       - person: maria.lopes
      |                 ^^^^^^^^^^^
      |
      = help: did you mean `maria.lopez` (policies/people.yaml:19)?

    2 errors in 2 of 3 files; nothing was planned, nothing was changed.
    "#);
    assert!(!repo.file("directory.ldif").exists() && !repo.file(".accord").exists());
}

#[test]
fn mistakes_as_json_go_to_stdout() {
    let repo = Repo::company();
    repo.edit("policies/roles.yaml", "corp/vpn]", "corp/vpm]");
    let ran = repo.accord(&["validate", "--format", "json"]).exits(1);
    let findings: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(findings[0]["severity"], "error");
    assert_eq!(findings[0]["span"]["file"], "policies/roles.yaml");
}

#[test]
fn files_with_crlf_are_read_as_others_are() {
    let repo = Repo::company();
    let plain = repo.accord(&["plan", "--at", "2026-11-22"]).exits(0).stdout;
    for file in ["policies/accord.yaml", "policies/people.yaml", "policies/roles.yaml"] {
        let text = repo.read(file).replace('\n', "\r\n");
        repo.write(file, &text);
    }
    let windows = repo.accord(&["plan", "--at", "2026-11-22"]).exits(0).stdout;
    assert_eq!(plain, windows);
}

#[test]
fn off_a_terminal_apply_does_not_ask() {
    let repo = Repo::company();
    insta::assert_snapshot!(repo.accord(&["apply"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: nobody can be asked here: this is not a terminal
      to go on: accord plan --out FILE, have it reviewed, then accord apply FILE
      to go on: or accord apply --auto-approve
    ");
    assert!(!repo.file("directory.ldif").exists());
}

#[test]
fn a_forged_plan_is_refused() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    let forged = repo.read("plan.json").replace("\"account\":\"maria.lopez\"", "\"account\":\"mallory\"");
    repo.write("plan.json", &forged);
    for arguments in
        [["apply", "plan.json"].as_slice(), &["plan", "verify", "plan.json"], &["plan", "show", "plan.json"]]
    {
        let ran = repo.accord(arguments).exits(1);
        assert!(ran.stderr.contains("it was changed after it was made"), "{}", ran.stderr);
    }
    assert!(!repo.file("directory.ldif").exists());
}

#[test]
fn a_plan_for_another_time_is_for_reading_only() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--at", "2026-11-22", "--out", "plan.json"]).exits(0);
    let ran = repo.accord(&["apply", "plan.json"]).exits(1);
    assert!(ran.stderr.contains("made with `--at`"), "{}", ran.stderr);
    let _ = repo.accord(&["plan", "verify", "plan.json"]).exits(1);
    assert!(!repo.file("directory.ldif").exists());
}

#[test]
fn a_plan_of_other_policies_is_refused() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    repo.edit("policies/people.yaml", "name: Ana Silva", "name: Ana da Silva");
    let ran = repo.accord(&["apply", "plan.json"]).exits(1);
    assert!(ran.stderr.contains("the digest of the policies"), "{}", ran.stderr);
    assert!(repo.accord(&["plan", "verify", "plan.json"]).exits(1).stdout.contains("NOT the same as here"));
    assert!(!repo.file("directory.ldif").exists());
}

#[test]
fn unknown_words_get_a_suggestion() {
    let repo = Repo::company();
    insta::assert_snapshot!(repo.accord(&["show", "maria.lopes"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: nobody is called `maria.lopes`
      to go on: did you mean `maria.lopez`?
    ");
    insta::assert_snapshot!(repo.accord(&["who", "corp/sr"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: no group or role is called `corp/sr`
      to go on: did you mean `corp/sre` or `corp/staff`?
    ");
    insta::assert_snapshot!(repo.accord(&["plan", "--directory", "crop"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: no directory is called `crop`
      to go on: one of corp
    ");
    insta::assert_snapshot!(repo.accord(&["show", "wei.chen", "--at", "tomorrow"]).all(), @r#"
    exit 1
    --- stdout
    --- stderr
    error: `tomorrow` is not a time
      to go on: write `2027-01-01`, `"2027-01-01 09:00"` or `2027-01-01T09:00:00+01:00`
    "#);
    insta::assert_snapshot!(repo.accord(&["why", "wei.chen", "corp/sre", "--format", "markdown"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: `accord why` does not write markdown
      to go on: use --format text or --format json
    ");
}

#[test]
fn a_secret_that_is_missing_is_named_and_nothing_is_contacted() {
    let repo = Repo::company();
    repo.edit(
        "policies/accord.yaml",
        "    kind: ldif\n    file: directory.ldif\n    create: true\n",
        "    kind: ldap\n    url: ldaps://127.0.0.1:1\n    bind: { dn: \"cn=accord,dc=example,dc=com\", password: { env: CORP_PASSWORD } }\n",
    );
    insta::assert_snapshot!(repo.accord(&["plan"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: `bind` of directory `corp` needs the environment variable `CORP_PASSWORD`, which is not set
      to go on: export CORP_PASSWORD=…
    ");
    // Questions need no directory, so they need no secret.
    let _ = repo.accord(&["show", "wei.chen"]).exits(0);
}

#[test]
fn a_closed_pipe_is_nobodys_error() {
    let repo = Repo::company();
    let mut child =
        repo.command(&["generate", "schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn init_overwrites_nothing() {
    let repo = Repo::empty();
    repo.write(".gitignore", "mine\n");
    insta::assert_snapshot!(repo.accord(&["init"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: `.gitignore` is there already; nothing was written
      to go on: accord init FOLDER, with a new one
    ");
    assert!(!repo.file("policies").exists());
    assert_eq!(repo.read(".gitignore"), "mine\n");
}

fn git(repo: &Repo, words: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let mut command = std::process::Command::new("git");
    let output = command.args(identity).args(words).current_dir(repo.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn whoever_proposes_a_policy_does_not_choose_where_a_password_goes() {
    let repo = Repo::company();
    for words in [["init", "-q", "."].as_slice(), &["add", "."], &["commit", "-q", "-m", "trusted"]] {
        git(&repo, words);
    }
    let _ = repo.accord(&["plan", "--trusted", "main"]).exits(0);
    repo.edit("policies/accord.yaml", "    file: directory.ldif\n", "    file: elsewhere.ldif\n");
    insta::assert_snapshot!(repo.accord(&["plan", "--trusted", "main"]).all(), @r"
    exit 3
    --- stdout
    --- stderr
    error: `file` of directory `corp` differs from the trusted revision `main`; no secret was read and no directory contacted
      to go on: merge the change of settings first, by its own review, then plan again
    ");
    // Without `--trusted` a person runs it on purpose.
    let _ = repo.accord(&["plan"]).exits(0);
}

/// A repository whose directory is a server that nobody listens for, committed on `main`.
fn with_a_server(settings: &str) -> Repo {
    let repo = Repo::company();
    repo.edit(
        "policies/accord.yaml",
        "    kind: ldif\n    file: directory.ldif\n    create: true\n",
        &format!("    kind: ldap\n    url: ldaps://127.0.0.1:1\n{settings}"),
    );
    repo.write("ca/root.pem", "-----BEGIN CERTIFICATE-----\n");
    repo.write("certs/accord.pem", "-----BEGIN CERTIFICATE-----\n");
    repo.write("scripts/secret", "#!/bin/sh\necho trusted > ran\n");
    for words in [["init", "-q", "."].as_slice(), &["add", "."], &["commit", "-q", "-m", "trusted"]] {
        git(&repo, words);
    }
    repo
}

const BY_CA: &str =
    "    ca: ca/root.pem\n    bind: { dn: \"cn=accord,dc=example,dc=com\", password: { env: SECRET } }\n";

#[test]
fn another_content_of_the_ca_file_is_another_connection() {
    let repo = with_a_server(BY_CA);
    // The trusted content: on to the secret, which is not there.
    let ran = repo.accord(&["plan", "--trusted", "main"]).exits(1);
    assert!(ran.stderr.contains("`SECRET`, which is not set"), "{}", ran.stderr);
    repo.write("ca/root.pem", "-----BEGIN CERTIFICATE-----\nmine\n");
    git(&repo, &["checkout", "-q", "-b", "proposal"]);
    git(&repo, &["commit", "-q", "-a", "-m", "a new authority"]);
    insta::assert_snapshot!(repo.accord(&["plan", "--trusted", "main"]).all(), @r"
    exit 3
    --- stdout
    --- stderr
    error: the file `ca/root.pem`, which `ca` of directory `corp` names, differs from the trusted revision `main`; no secret was read and no directory contacted
      to go on: merge the change of settings first, by its own review, then plan again
    ");
    // A link in place of the folder leads to another file: its bytes count.
    std::fs::remove_dir_all(repo.file("ca")).unwrap();
    repo.write("elsewhere/root.pem", "mine");
    std::os::unix::fs::symlink("elsewhere", repo.file("ca")).unwrap();
    assert!(repo.accord(&["plan", "--trusted", "main"]).exits(3).stderr.contains("differs from the trusted"));
}

/// Whoever could choose the certificate would choose as whom accord is known.
#[test]
fn another_client_certificate_or_key_is_another_connection() {
    const TLS: &str = "tls: { cert: certs/accord.pem, key: { file: accord.key } }";
    let repo = with_a_server(&format!("    {TLS}\n    bind: {{ sasl: external }}\n"));
    let plan = ["plan", "--trusted", "main", "--secrets-dir", "secrets"];
    // The trusted one: on to the key, which is not there.
    let ran = repo.accord(&plan).exits(1);
    assert!(ran.stderr.contains("accord.key"), "{}", ran.stderr);
    repo.write("certs/accord.pem", "-----BEGIN CERTIFICATE-----\nmine\n");
    let refused = |what: &str| {
        let ran = repo.accord(&plan).exits(3);
        let whole = format!("error: {what}; no secret was read and no directory contacted\n");
        assert!(ran.stderr.starts_with(&whole), "{}", ran.stderr);
    };
    let file = "the file `certs/accord.pem`, which `tls.cert` of directory `corp` names,";
    refused(&format!("{file} differs from the trusted revision `main`"));
    git(&repo, &["checkout", "-q", "certs/accord.pem"]);
    // The same content under another name, and another key, are other settings.
    let other = "`tls` of directory `corp` differs from the trusted revision `main`";
    repo.write("certs/other.pem", "-----BEGIN CERTIFICATE-----\n");
    for changed in [
        "tls: { cert: certs/other.pem, key: { file: accord.key } }",
        "tls: { cert: certs/accord.pem, key: { env: MINE } }",
        "tls: required",
    ] {
        repo.edit("policies/accord.yaml", TLS, changed);
        if changed == "tls: required" {
            repo.edit("policies/accord.yaml", "{ sasl: external }", "{ dn: \"cn=a\", password: { env: MINE } }");
        }
        refused(other);
        git(&repo, &["checkout", "-q", "policies"]);
    }
    repo.write("secrets/accord.key", "chosen by the proposal");
    git(&repo, &["add", "secrets"]);
    refused("git tracks the secret file `accord.key` of `tls.key` of directory `corp`");
}

#[test]
fn another_content_of_a_program_that_fetches_a_secret_is_refused_before_it_runs() {
    let repo = with_a_server(
        "    bind: { dn: \"cn=accord,dc=example,dc=com\", password: { command: [sh, scripts/secret] } }\n",
    );
    let plan = ["plan", "--trusted", "main", "--allow-exec"];
    let _ = repo.accord(&plan).exits(1);
    assert!(repo.file("ran").exists(), "the trusted program runs");
    std::fs::remove_file(repo.file("ran")).unwrap();
    repo.write("scripts/secret", "#!/bin/sh\necho mine > ran\n");
    let ran = repo.accord(&plan).exits(3);
    assert!(ran.stderr.contains("the file `scripts/secret`, which `bind` of directory `corp` names"), "{}", ran.stderr);
    assert!(!repo.file("ran").exists());
}

#[test]
fn a_secret_file_that_git_tracks_is_nobodys_secret_under_a_trusted_revision() {
    let repo = with_a_server("    bind: { dn: \"cn=accord,dc=example,dc=com\", password: { file: bind } }\n");
    repo.write("secrets/bind", "chosen by the proposal");
    git(&repo, &["add", "secrets"]);
    let plan = ["plan", "--trusted", "main", "--secrets-dir", "secrets"];
    let ran = repo.accord(&plan).exits(3);
    assert!(ran.stderr.contains("git tracks the secret file `bind` of `bind` of directory `corp`"), "{}", ran.stderr);
}

#[test]
fn a_tracked_memory_is_refused_before_any_secret_is_fetched() {
    let repo = with_a_server(
        "    bind: { dn: \"cn=accord,dc=example,dc=com\", password: { command: [sh, scripts/secret] } }\n",
    );
    repo.write(".accord/memory.json", "{}");
    git(&repo, &["add", "-f", ".accord"]);
    let ran = repo.accord(&["plan", "--allow-exec"]).exits(1);
    assert!(ran.stderr.contains("git tracks `.accord`, which accord writes for itself"), "{}", ran.stderr);
    assert!(!repo.file("ran").exists(), "a secret was fetched first");
}

/// Two accounts of one name would be told by the directory, which is too late for everybody
/// else in it.
#[test]
fn a_second_account_has_not_the_name_of_the_first() {
    let repo = Repo::company();
    let person = |own: &str| {
        format!("people:\n  ada.byron: {{ id: '7', name: Ada, accounts: {{ {own}'corp#admin': ada.byron }} }}\n")
    };
    repo.write("policies/more.yaml", &person(""));
    let ran = repo.accord(&["validate"]).exits(1);
    assert!(ran.stderr.contains("ada.byron") && ran.stderr.contains("account name"), "{}", ran.stderr);
    repo.write("policies/more.yaml", &person("corp: ada, "));
    let _ = repo.accord(&["validate"]).exits(0);
}
