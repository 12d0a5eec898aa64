//! Two machines with one directory, one journal and one lease in a git remote: they stall, die
//! and wake. How long anything takes decides nothing here: a lease is waited for by whoever
//! waits, and a machine is stopped for longer than its lease lasts.

use super::bed::{Bed, System};
use super::view;
use super::weeks::Size;
use crate::support::git_http::GitHttp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Seconds of a lease that somebody waits for the end of.
const SECONDS: u64 = 12;

const SIZE: Size = Size { people: 24, groups: 12 };

fn git(folder: &Path, words: &[&str]) -> String {
    let out = Command::new("git").arg("-C").arg(folder).args(words).output().unwrap();
    assert!(out.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A bare repository `journal.git` in a folder of its own.
fn remote() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.git");
    git(folder.path(), &["init", "--quiet", "--bare", "journal.git"]);
    (folder, path)
}

fn settings(remote: &str) -> Value {
    json!({ "git": { "remote": remote, "seconds": SECONDS } })
}

/// One machine whose directory has a gate, another one that reaches the same directory
/// without it.
fn machines(remote: &str) -> (Bed, Bed) {
    let mut first = Bed::slapd(SIZE);
    first.journal = Some(settings(remote));
    let mut second = Bed::ldif(SIZE);
    second.system = System::Elsewhere(first.server().plain_url());
    second.journal = Some(settings(remote));
    (first, second)
}

/// What is written about changes; a lease's own words apart.
fn shared(remote: &Path) -> String {
    let names = git(remote, &["ls-tree", "--name-only", "accord-journal"]);
    names.lines().map(|name| git(remote, &["show", &format!("accord-journal:{name}")])).collect()
}

fn runs(remote: &Path) -> Vec<String> {
    let names = git(remote, &["ls-tree", "--name-only", "accord-journal"]);
    names.lines().filter(|name| name.strip_suffix(".jsonl").is_some()).map(str::to_owned).collect()
}

fn intact(bed: &Bed) -> String {
    let ran = bed.accord(&["audit", "journal", "verify"]).exits(0);
    assert_eq!(ran.stdout.matches("the journal is as it was written").count(), 2, "{}", ran.stdout);
    ran.stdout
}

/// Writes to the directory, as the server logged them.
fn writes(bed: &Bed) -> usize {
    bed.server()
        .ldapsearch("cn=accesslog", "(objectClass=auditWriteObject)", &["reqStart"])
        .matches("reqStart: ")
        .count()
}

#[test]
fn two_machines_go_on_from_each_other() {
    let (_folder, path) = remote();
    let (first, second) = machines(path.to_str().unwrap());
    first.write(0);
    first.converges("the first machine");
    second.write(0);
    let _ = second.accord(&["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!(view::runs(second.repo.path()).len(), 1, "a plan knows what other machines did");
    second.write(1);
    second.converges("the second machine");
    first.write(2);
    first.converges("the first machine again");
    assert_eq!(runs(&path).len(), 3);
    for bed in [&first, &second] {
        intact(bed);
    }
    // Ids only.
    let text = shared(&path);
    assert!(text.contains("\"p7\"") && text.contains("run-ended"), "{text}");
    for personal in ["@example.com", "Person", "of week"] {
        assert!(!text.contains(personal), "{personal} is shared");
    }
    // The lease is given back: nobody waits.
    let ran = second.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(!ran.stderr.contains("waiting"), "{}", ran.stderr);
}

/// A run that dies is found by the next, which waits until nobody can count on its lease.
#[test]
fn a_machine_that_dies_is_taken_over_from() {
    let (_folder, path) = remote();
    let (first, second) = machines(path.to_str().unwrap());
    first.write(0);
    first.converges("undisturbed");
    first.write(1);
    first.gate().close_after(5);
    let mut run = first.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(first.gate()), "{}", run.said());
    let intended = view::intents(&run.journal().unwrap());
    assert!(run.kill());
    assert_eq!(runs(&path).len(), 2, "it is known before anything is written");
    let text = shared(&path);
    assert!(intended.len() > 5 && intended.iter().all(|_| text.contains("\"intent\"")), "{intended:?}");
    second.write(1);
    let ran = second.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(ran.stderr.contains("waiting: process ") && ran.stderr.contains(" has the lease"), "{}", ran.stderr);
    let _ = second.accord(&["plan", "--detailed-exitcode"]).exits(0);
    intact(&second);
    first.gate().open();
    // What the first one knew alone is evidence of the run that comes next there.
    let only_here = view::records(&view::runs(first.repo.path())[1]).len();
    first.write(2);
    first.converges("the one that died");
    let text = intact(&first);
    assert!(!text.contains("are here only"), "{text}");
    let late = shared(&path).matches("{\"late\":").count();
    let there = view::records(&view::runs(first.repo.path())[1]).len();
    assert_eq!(late > 0, only_here > there, "{only_here} records were here, {there} are shared");
    assert!(late > 0, "answers came that were not shared");
}

/// A machine that is stopped for longer than its lease lasts writes nothing when it wakes.
#[test]
fn a_machine_that_stalls_does_not_write_when_it_wakes() {
    let (_folder, path) = remote();
    let (first, second) = machines(path.to_str().unwrap());
    first.write(0);
    first.converges("undisturbed");
    first.write(1);
    first.gate().close_after(5);
    let mut run = first.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(first.gate()), "{}", run.said());
    run.signal("-STOP");
    // Another one waits longer than the lease lasts, by its own clock, and then does all of it.
    second.write(1);
    let _ = second.accord(&["apply", "--auto-approve"]).exits(0);
    let (wanted, written) = (first.entries(), writes(&first));
    first.gate().open();
    run.signal("-CONT");
    let ran = run.end();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.all().contains("the lease "), "it says why it stopped");
    assert_eq!((first.entries(), writes(&first)), (wanted, written), "it wrote when it had no leave");
    let _ = first.accord(&["plan", "--detailed-exitcode"]).exits(0);
    intact(&second);
}

/// Where the remote goes away, a run ends by itself before its lease does, and what it
/// recorded is shared by the next one.
#[test]
fn a_remote_that_goes_away_ends_the_run() {
    let (folder, path) = remote();
    let (first, second) = machines(path.to_str().unwrap());
    first.write(0);
    first.converges("undisturbed");
    first.write(1);
    first.gate().close_after(5);
    let mut run = first.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(first.gate()), "{}", run.said());
    let away = folder.path().join("away.git");
    std::fs::rename(&path, &away).unwrap();
    // However late the last renewal was: by then it has ended.
    std::thread::sleep(Duration::from_secs(SECONDS));
    let written = writes(&first);
    first.gate().open();
    let ran = run.end();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stderr.contains("not everything of this run is shared yet"), "{ran:#?}");
    assert_eq!(writes(&first), written, "nothing is sent without leave");
    // Nothing begins without the remote.
    let ran = first.accord(&["apply", "--auto-approve"]).exits(1);
    assert!(
        ran.stderr.contains("the journal's remote") && ran.stderr.contains("nothing was changed"),
        "{}",
        ran.stderr
    );
    assert_eq!(writes(&first), written);
    let ran = first.accord(&["plan"]).exits(0);
    assert!(ran.stderr.contains("what other machines did since is not known here"), "{}", ran.stderr);
    std::fs::rename(&away, &path).unwrap();
    first.converges("the remote is back");
    assert_eq!(runs(&path).len(), 3);
    assert!(shared(&path).contains("could not be renewed in time"), "the end of the run that was cut off is shared");
    intact(&first);
    second.write(1);
    let _ = second.accord(&["plan", "--detailed-exitcode"]).exits(0);
    intact(&second);
}

/// Who waits for a run that goes on is told, or waits as long as it says.
#[test]
fn one_run_at_a_time_over_all_machines() {
    let (_folder, path) = remote();
    let (first, second) = machines(path.to_str().unwrap());
    first.write(0);
    first.gate().close_after(5);
    let mut run = first.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(first.gate()), "{}", run.said());
    second.write(0);
    let ran = second.accord(&["apply", "--auto-approve", "--lock-timeout", "0s"]).exits(1);
    assert!(ran.stderr.contains("another `accord apply` is running: process "), "{}", ran.stderr);
    assert!(ran.stderr.contains("--lock-timeout 10m"), "{}", ran.stderr);
    let mut waiting = second.start(&["apply", "--auto-approve", "--lock-timeout", "10m"]);
    while !waiting.said().contains("waiting: process ") {
        assert!(!waiting.is_over(), "{}", waiting.said());
        std::thread::sleep(Duration::from_millis(10));
    }
    first.gate().open();
    assert_eq!(run.end().code, 0);
    assert_eq!(waiting.end().code, 0);
    intact(&second);
}

/// A journal that was cut or written anew in the remote is not gone on from.
#[test]
fn a_branch_that_was_written_anew_is_refused() {
    let (_folder, path) = remote();
    let mut bed = Bed::ldif(SIZE);
    bed.journal = Some(settings(path.to_str().unwrap()));
    bed.write(0);
    bed.converges("the first run");
    let first = git(&path, &["rev-parse", "accord-journal"]);
    bed.write(1);
    bed.converges("the second run");
    let second = git(&path, &["rev-parse", "accord-journal"]);
    git(&path, &["update-ref", "refs/heads/accord-journal", first.trim()]);
    bed.write(2);
    for words in [&["apply", "--auto-approve"][..], &["audit", "journal", "verify"]] {
        let ran = bed.accord(words).exits(1);
        assert!(ran.stderr.contains("does not hold any more what it held"), "{}", ran.stderr);
    }
    git(&path, &["update-ref", "-d", "refs/heads/accord-journal"]);
    let ran = bed.accord(&["apply", "--auto-approve"]).exits(1);
    assert!(ran.stderr.contains("is gone: commit "), "{}", ran.stderr);
    git(&path, &["update-ref", "refs/heads/accord-journal", second.trim()]);
    bed.converges("it is as it was");
    // A line that was changed in the remote is found, also by a machine that saw nothing else.
    let other = Bed::ldif(SIZE);
    let tree = tempfile::tempdir().unwrap();
    git(tree.path(), &["clone", "--quiet", "--branch", "accord-journal", path.to_str().unwrap(), "."]);
    let run = tree.path().join(&runs(&path)[0]);
    let text = std::fs::read_to_string(&run).unwrap().replacen("\"action\":\"grant\"", "\"action\":\"revoke\"", 1);
    std::fs::write(&run, text).unwrap();
    git(tree.path(), &["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "--quiet", "-am", "x"]);
    git(tree.path(), &["push", "--quiet"]);
    let other = Bed { journal: bed.journal.clone(), ..other };
    other.write(2);
    let ran = other.accord(&["audit", "journal", "verify"]).exits(1);
    assert!(ran.stdout.contains("the journal is NOT as it was written"), "{}", ran.stdout);
}

/// Over HTTP, with a token that nobody gets to see.
#[test]
fn a_remote_over_http_with_a_token() {
    let (folder, path) = remote();
    // `x-access-token:t0ken-of-the-journal`
    let server = GitHttp::start(folder.path(), "Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4tb2YtdGhlLWpvdXJuYWw=");
    let mut bed = Bed::ldif(SIZE);
    let url = server.url("journal.git");
    bed.journal = Some(json!({ "git": { "remote": url, "token": { "env": "JOURNAL_TOKEN" }, "seconds": 60 } }));
    bed.write(0);
    let run = |token: &str, words: &[&str]| {
        let out = bed.command(words).env("JOURNAL_TOKEN", token).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(!text.contains("t0ken-of") && !text.contains("eC1hY2Nlc3"), "{text}");
        (out.status.code().unwrap(), text)
    };
    let (code, text) = run("another", &["apply", "--auto-approve"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the journal's remote") && text.contains("nothing was changed"), "{text}");
    assert!(!bed.repo.file("directory.ldif").exists());
    for week in 0..2 {
        bed.write(week);
        let (code, text) = run("t0ken-of-the-journal", &["apply", "--auto-approve"]);
        assert_eq!(code, 0, "{text}");
    }
    assert_eq!(runs(&path).len(), 2);
    let (code, text) = run("t0ken-of-the-journal", &["audit", "journal", "verify"]);
    assert_eq!((code, text.matches("as it was written").count()), (0, 2), "{text}");
    assert!(server.asked().iter().flatten().count() > 4);
    // Nor does a file hold it.
    let mut folders = vec![bed.repo.file(".accord")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!String::from_utf8_lossy(&bytes).contains("t0ken-of"), "{}", path.display());
            }
        }
    }
}

/// Whoever proposes a change must not choose where runs are recorded, nor that they are not.
#[test]
fn the_remote_is_that_of_the_trusted_revision() {
    let (_folder, path) = remote();
    let (_other, elsewhere) = remote();
    let mut bed = Bed::ldif(SIZE);
    bed.journal = Some(settings(path.to_str().unwrap()));
    bed.write(0);
    let root = bed.repo.path().to_owned();
    git(&root, &["init", "--quiet"]);
    git(&root, &["add", "policies"]);
    git(&root, &["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "--quiet", "-m", "x"]);
    let _ = bed.accord(&["--trusted", "HEAD", "apply", "--auto-approve"]).exits(0);
    for changed in [Some(settings(elsewhere.to_str().unwrap())), None] {
        bed.journal = changed;
        bed.write(1);
        for words in [&["apply", "--auto-approve"][..], &["plan"]] {
            let ran = bed.accord(&[&["--trusted", "HEAD"], words].concat()).exits(3);
            assert!(ran.stderr.contains("`journal` differs from the trusted revision `HEAD`"), "{}", ran.stderr);
        }
    }
    assert_eq!(git(&elsewhere, &["for-each-ref"]), "");
    assert_eq!(runs(&path).len(), 1);
}
