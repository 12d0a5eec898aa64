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
    Next: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
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
    let tail: Vec<_> = ran.stdout.lines().rev().take(6).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(tail, @r"
          more revocations at once than the guardrail lets through
          40 of 63 people who hold something in corp: people lose a membership; floor 25, 20 percent of 63 is 12
          to go on: `guardrails.revocations`, or once: `--allow revocations=40 --ticket TICKET`

    40 withheld
    Next: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
    ");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(3);
    let members = || repo.read("directory.ldif").matches("member: uid=p").count();
    let before = members();
    let _ = repo.accord(&["apply", "--auto-approve", "--allow", "revocations=40", "--ticket", "ACC-7"]).exits(0);
    assert_eq!(before - members(), 40);
    let _ = repo.accord(&["plan", "--detailed-exitcode"]).exits(0);
}

/// The limit of one plan is that of a day: two runs that are each below it are not.
#[test]
fn a_plan_that_is_split_meets_the_guardrail_of_the_whole() {
    let repo = purge();
    let members = || repo.read("directory.ldif").matches("member: uid=p").count();
    let list = repo.read("policies/many.yaml");
    // 25 of the 40 now, which the floor lets through.
    let kept = (25..40).map(|n| format!("    - p{n:02}\n")).collect::<Vec<_>>().concat();
    repo.write("policies/many.yaml", &list.replace("    - p40\n", &format!("{kept}    - p40\n")));
    let before = members();
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(before - members(), 25);
    repo.edit("policies/many.yaml", "    - p25\n", "");
    let ran = repo.accord(&["plan"]).exits(3);
    let tail: Vec<_> = ran.stdout.lines().rev().take(6).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(tail, @r"
          more revocations within 24 hours than the guardrail lets through
          26 of 63 people who hold something in corp: people lose a membership, 25 of them by runs of the last 24 hours; floor 25, 20 percent of 63 is 12
          to go on: `guardrails.revocations`, or once: `--allow revocations=1 --ticket TICKET`

    1 withheld
    Next: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
    ");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(3);
    assert_eq!(before - members(), 25, "one more is the 26th of the day");
    // The rest is let through by its own number, and so it does not count.
    repo.write("policies/many.yaml", &list);
    let _ = repo.accord(&["apply", "--auto-approve", "--allow", "revocations=14", "--ticket", "ACC-7"]).exits(3);
    let _ = repo.accord(&["apply", "--auto-approve", "--allow", "revocations=15", "--ticket", "ACC-7"]).exits(0);
    assert_eq!(before - members(), 40);
    // Without what accord remembers beside it, the journal says the same.
    repo.edit("policies/many.yaml", "    - p40\n", "");
    let with = repo.accord(&["plan"]).exits(3).stdout;
    std::fs::remove_file(repo.file(".accord/memory.json")).unwrap();
    assert_eq!(repo.accord(&["plan"]).exits(3).stdout, with);
    assert!(with.contains("26 of 63 people"), "{with}");
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

/// A saved plan as another version would have sealed it.
fn made_with(repo: &Repo, name: &str, version: &str) {
    let mut plan = accord::plan::file::read(repo.read("plan.json").as_bytes()).unwrap();
    plan.versions.insert(name.to_owned(), version.to_owned());
    repo.write("plan.json", &String::from_utf8(accord::plan::file::to_bytes(&plan)).unwrap());
}

#[test]
fn a_plan_of_another_version_is_applied_only_where_everything_is_derived_identically() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    made_with(&repo, "tzdata", "1999z");
    assert!(
        repo.accord(&["plan", "verify", "plan.json"]).exits(0).stdout.contains("tzdata 1999z, NOT the same as here")
    );
    let ran = repo.accord(&["apply", "plan.json"]).exits(0);
    assert!(ran.stderr.contains("the plan was made with tzdata 1999z, now it is 20"), "{}", ran.stderr);
    assert!(ran.stderr.contains("; every change of it is derived identically"), "{}", ran.stderr);
    // Another version, and one change that is not derived any more: refused whole.
    repo.edit("policies/people.yaml", "name: Ana Silva", "name: Ana da Silva");
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    made_with(&repo, "accord", "9.9.9");
    repo.edit("directory.ldif", "cn: Ana Silva", "cn: Ana S");
    let before = repo.read("directory.ldif");
    let ran = repo.accord(&["apply", "plan.json"]).exits(1);
    assert!(ran.stderr.contains("the plan was made with accord 9.9.9, now it is 0."), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of its changes are not derived identically"), "{}", ran.stderr);
    assert_eq!(repo.read("directory.ldif"), before);
}

fn git(repo: &Repo, words: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let output =
        std::process::Command::new("git").args(identity).args(words).current_dir(repo.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What was applied is compared as it was written then: attributes that are mapped
/// since, and directories that are declared since, are not drift.
#[test]
fn drift_compares_with_the_directories_as_they_were_declared_then() {
    let repo = Repo::company();
    for words in [["init", "-q", "."].as_slice(), &["add", "policies"], &["commit", "-q", "-m", "a"]] {
        git(&repo, words);
    }
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    repo.edit("policies/accord.yaml", "mail: email }", "mail: email, departmentNumber: department }");
    repo.edit(
        "policies/accord.yaml",
        "directories:\n",
        "directories:\n  lab:\n    kind: ldif\n    file: lab.ldif\n    create: true\n    \
         accounts: { base: \"ou=people,dc=lab\", for: everyone, attributes: { cn: name, sn: family_name } }\n    \
         groups: { base: \"ou=groups,dc=lab\" }\n",
    );
    let _ = repo.accord(&["plan", "--detailed-exitcode"]).exits(2);
    let ran = repo.accord(&["drift"]).exits(0);
    assert!(ran.stdout.starts_with("the directories are as the policies say"), "{}", ran.stdout);
    // How the directory is reached now counts, and what is different there is told.
    std::fs::rename(repo.file("directory.ldif"), repo.file("moved.ldif")).unwrap();
    repo.edit("policies/accord.yaml", "file: directory.ldif", "file: moved.ldif");
    repo.edit("moved.ldif", "mail: ana.silva@example.com\n", "");
    let ran = repo.accord(&["drift"]).exits(2);
    assert!(ran.stdout.contains("\n1 difference\n"), "{}", ran.stdout);
}

/// `undeclared: report` keeps a member; that somebody added it is told all the same,
/// and an alarm until a run has taken notice.
#[test]
fn drift_tells_members_that_are_reported_and_kept() {
    let repo = Repo::company();
    repo.edit("policies/accord.yaml", "    groups: {", "    undeclared: { then: report }\n    groups: {");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let intruder =
        "dn: uid=mallory,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: mallory\ncn: M\nsn: M\n\n";
    let member = "member: uid=mallory,ou=people,dc=example,dc=com\n";
    repo.edit("directory.ldif", "dn: cn=sre,", &format!("{intruder}dn: cn=sre,"));
    repo.edit("directory.ldif", "cn: sre\n", &format!("cn: sre\n{member}"));
    insta::assert_snapshot!(without_run(&repo.accord(&["drift"]).exits(2).quiet()), @r"
    Changed behind accord's back, compared with [run]
      + corp/sre  mallory                   was added; nobody declared it; `undeclared` says report

    1 difference
    ");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let ran = repo.accord(&["drift"]).exits(0);
    assert!(ran.stdout.contains("mallory") && ran.stdout.contains(", known since 20"), "{}", ran.stdout);
}
