//! Applying: saved plans, again, guardrails, drift, the journal.

use super::harness::Repo;
use std::fmt::Write as _;

#[test]
fn apply_then_plan_is_empty() {
    let repo = Repo::company();
    let ran = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let table = ran.stdout.lines().skip_while(|line| !line.starts_with("applied ")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(table, @r"
    applied 12 of 12 in [time] · run [run] · journal [journal]
      done           12     3 accounts created, 3 groups created, 6 grants
    ");
    insta::assert_snapshot!(repo.accord(&["plan"]).exits(0).quiet(), @r"
    policies without git, digest [digest] · [now]
    corp  3 accounts, 3 groups   complete: all of directory.ldif, sha256 [hash]

    nothing to do
    ");
    assert!(repo.read("directory.ldif").contains("member: uid=maria.lopez,ou=people,dc=example,dc=com"));
    assert!(
        repo.accord(&["audit", "journal", "verify"]).exits(0).quiet().starts_with("the journal is as it was written")
    );
}

#[test]
fn a_saved_plan_is_applied_once() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    let _ = repo.accord(&["apply", "plan.json"]).exits(0);
    let after = repo.read("directory.ldif");
    insta::assert_snapshot!(repo.accord(&["apply", "plan.json"]).exits(0).stdout, @"
    applied 0 of 12 in [time] · run [run] · journal [journal]
      in effect      12     before this run: nothing was sent for them
    ");
    assert_eq!(repo.read("directory.ldif"), after);
}

#[test]
fn a_journal_that_was_edited_is_found() {
    let repo = Repo::applied();
    let folder = repo.file(".accord/journal");
    let run = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let run = run.unwrap();
    let text = std::fs::read_to_string(&run).unwrap().replace("maria.lopez", "mallory");
    std::fs::write(&run, text).unwrap();
    let ran = repo.accord(&["audit", "journal", "verify"]).exits(1);
    assert!(ran.stdout.starts_with("the journal is NOT as it was written"), "{}", ran.stdout);
}

/// A company in which 40 of 60 people lose a membership.
fn purge() -> Repo {
    let repo = Repo::company();
    let (mut people, mut members) = (String::from("people:\n"), String::new());
    for n in 0..60 {
        writeln!(people, "  p{n:02}: {{ id: \"x{n}\", name: P {n}, family_name: P, email: p{n}@example.com, kind: employee, starts: 2020-01-01 }}").unwrap();
        writeln!(members, "    - p{n:02}").unwrap();
    }
    repo.write("policies/many.yaml", &format!("{people}groups:\n  corp/many:\n    members:\n{members}"));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    for n in 0..40 {
        repo.edit("policies/many.yaml", &format!("    - p{n:02}\n"), "");
    }
    repo
}

#[test]
fn a_guardrail_withholds_its_class_and_is_let_through_once() {
    let repo = purge();
    let ran = repo.accord(&["plan"]).exits(3);
    let tail: Vec<_> = ran.stdout.lines().rev().take(5).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(tail, @r"
          more revocations at once than the guardrail lets through
          40 of 63 people who hold something in corp: people lose a membership; floor 25, 20 percent of 63 is 12
          to go on: `guardrails.revocations`, or once: `--allow revocations=40 --ticket TICKET`

    40 withheld
    ");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(3);
    let members = || repo.read("directory.ldif").matches("member: uid=p").count();
    let before = members();
    let _ = repo.accord(&["apply", "--auto-approve", "--allow", "revocations=40", "--ticket", "ACC-7"]).exits(0);
    assert_eq!(before - members(), 40);
    let _ = repo.accord(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn drift_tells_edits_of_the_directory_and_not_edits_of_the_policies() {
    let repo = Repo::applied();
    insta::assert_snapshot!(without_run(&repo.accord(&["drift"]).exits(0).quiet()), @r"
    the directories are as the policies say, compared with [run]
    ");
    // Somebody edits the policies: no drift.
    repo.edit("policies/people.yaml", "name: Ana Silva", "name: Ana da Silva");
    let ran = repo.accord(&["drift"]).exits(2);
    assert!(ran.stderr.contains("git does not have the earlier ones"), "{}", ran.stderr);
    repo.edit("policies/people.yaml", "name: Ana da Silva", "name: Ana Silva");
    // Somebody edits the directory: drift.
    repo.edit("directory.ldif", "member: uid=maria.lopez,ou=people,dc=example,dc=com\n", "");
    insta::assert_snapshot!(without_run(&repo.accord(&["drift"]).exits(2).quiet()), @r"
    Changed behind accord's back, compared with [run]
      - corp/sre  maria.lopez               was removed
      - corp/vpn  maria.lopez               was removed

    2 differences
    to go on: accord apply puts it back; or write into the policies what should stay
    ");
}

fn without_run(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("compared with ") {
        Some((head, _)) => format!("{head}compared with [run]"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_directory_that_cannot_be_read_is_not_empty() {
    let repo = Repo::applied();
    repo.write("directory.ldif", "this is no LDIF\n");
    let ran = repo.accord(&["plan"]).exits(1);
    assert!(ran.stdout.contains("missing is not empty: nothing in `corp` is planned"), "{}", ran.stdout);
    assert!(ran.stdout.contains("INCOMPLETE"), "{}", ran.stdout);
    let ran = repo.accord(&["drift"]).exits(1);
    assert!(!ran.stdout.contains("as the policies say"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("whether anything changed is not known: corp was not read completely"),
        "{}",
        ran.stdout
    );
}
