//! Constraints through the command line: what the files break, what time breaks, what
//! a departure brings, and where a term ends a grant.

use super::harness::Repo;

/// `text` with runs of blanks as one, so that columns may move.
fn squeezed(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

fn shows(text: &str, lines: &[&str]) {
    let text = squeezed(text);
    for line in lines {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
}

const SEPARATION: &str = "\
groups:
  corp/audit: { members: [wei.chen] }
constraints:
  separation:
    exclusive: [role: sre, group: corp/audit]
";

const EXCEPTION: &str = "    exceptions: [{ person: wei.chen, expires: 2190-12-31, ticket: RISK-1, reason: cover }]\n";

#[test]
fn what_the_files_break_is_an_error_of_every_command_and_nothing_is_written() {
    let repo = Repo::company();
    repo.write("policies/more.yaml", SEPARATION);
    let commands: [&[&str]; 7] = [
        &["validate"],
        &["plan"],
        &["apply", "--auto-approve"],
        &["why", "wei.chen", "corp/sre"],
        &["who", "corp/sre"],
        &["show", "wei.chen"],
        &["expiring"],
    ];
    for command in commands {
        let ran = repo.accord(command).exits(1);
        let told = "error[constraint-broken]: breaks separation: wei.chen holds role sre by its own members \
                    (policies/roles.yaml:7), and corp/audit by its own members (policies/more.yaml:2)";
        shows(&ran.stderr, &[told, "1 error in 1 of 4 files; nothing was planned, nothing was changed."]);
        assert_eq!(ran.stdout, "", "{command:?}");
    }
    assert!(!repo.file("directory.ldif").exists());
    let json = repo.accord(&["validate", "--format", "json"]).exits(1).quiet();
    let findings: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(findings[0]["code"], "constraint-broken");
    assert_eq!(findings[0]["span"]["file"], "policies/more.yaml");
}

#[test]
fn all_that_is_wrong_is_told_together() {
    let repo = Repo::company();
    let further = "  tickets: { for: person.kind == \"employee\", require: [ticket] }\n  \
                   none: { for: person.kind == \"contractor\", forbid: [group: corp/vpn] }\n";
    repo.write("policies/more.yaml", &format!("{SEPARATION}{further}"));
    let ran = repo.accord(&["validate"]).exits(1);
    // The contractor's grant has an expiry: time ends that breach, so it is not told here.
    shows(&ran.stderr, &["4 errors in 2 of 4 files", "`tickets` requires `ticket` of an entry for li.na"]);
}

#[test]
fn when_an_exception_ends_new_grants_are_withheld_and_what_is_held_is_noted() {
    let repo = Repo::company();
    repo.write("policies/more.yaml", &format!("{SEPARATION}{EXCEPTION}"));
    let late = ["plan", "--at", "2191-02-01"];
    let plan = repo.accord(&late).exits(3).quiet();
    shows(
        &plan,
        &[
            "+ wei.chen corp/audit policies/more.yaml:2\n\
             breaks separation: wei.chen also holds role sre by its own members (policies/roles.yaml:7)\n\
             to go on: the exception expired 2190-12-31: take one away, or write a new exception with an expiry",
            "+ wei.chen corp/vpn policies/roles.yaml:7\n\
             breaks separation: wei.chen also holds corp/audit by its own members (policies/more.yaml:2)",
            "3 withheld",
        ],
    );
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let plan = repo.accord(&late).exits(0).quiet();
    shows(
        &plan,
        &["? wei.chen breaks separation: wei.chen holds role sre", "exception expired 2190-12-31", "nothing to do"],
    );
}

#[test]
fn a_sponsor_who_leaves_is_borne_for_the_grace_and_then_the_account_is_disabled() {
    let repo = Repo::company();
    repo.write(
        "policies/more.yaml",
        "groups:\n  corp/late: { members: [{ person: maria.lopez, starts: 2190-02-02, expires: 2196-12-31 }] }\n\
         constraints:\n  sponsors:\n    for: person.kind == \"contractor\"\n    sponsor_gone: { grace: 14d, then: disable }\n",
    );
    repo.edit("policies/people.yaml", "    manager: wei.chen\n", "");
    repo.edit(
        "policies/people.yaml",
        "  wei.chen:\n",
        "  wei.chen:\n    expires: 2190-01-31\n    manager: ana.silva\n",
    );
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let graced = repo.accord(&["plan", "--at", "2190-02-05"]).exits(3).quiet();
    shows(
        &graced,
        &["+ maria.lopez corp/late policies/more.yaml:2\n\
             breaks sponsors: the sponsor of maria.lopez, wei.chen, left, ended 2190-02-01 00:00; \
             the accounts are disabled 2190-02-15 00:00\n\
             to go on: name another sponsor (ana.silva answers meanwhile), or let the person end (policies/more.yaml:4)"],
    );
    assert!(!squeezed(&graced).contains("maria.lopez contractor"), "she keeps what she has:\n{graced}");
    let over = repo.accord(&["plan", "--at", "2190-02-20"]).exits(3).quiet();
    shows(
        &over,
        &["maria.lopez contractor of Initech, sponsor wei.chen left 2190-02-01 00:00, \
           grace of 14d ended 2190-02-15 00:00 policies/more.yaml:4\n! corp disable the account"],
    );
    // Who answers for her, and for the role that the sponsor owned, is the sponsor's manager.
    let expiring = repo.accord(&["expiring", "--at", "2196-12-01", "--within", "60d"]).exits(0).quiet();
    shows(&expiring, &["ana.silva\n", "2197-01-01 00:00 maria.lopez sre"]);
    assert!(!expiring.contains("wei.chen") && !expiring.contains("nobody"), "{expiring}");
    let expiring = repo.accord(&["expiring", "--at", "2197-03-01", "--within", "60d"]).exits(0).quiet();
    shows(&expiring, &["ana.silva\n2197-04-01 00:00 maria.lopez the person"]);
}

#[test]
fn a_maximum_term_shows_the_end_that_counts_and_warns() {
    let repo = Repo::company();
    repo.edit(
        "policies/roles.yaml",
        "        expires: 2196-12-31",
        "        starts: 2196-01-01\n        expires: 2196-12-31",
    );
    let terms = "constraints:\n  terms: { for: person.kind == \"contractor\", maximum_term: 30d }\n";
    repo.write("policies/more.yaml", terms);
    let ran = repo.accord(&["plan", "--at", "2196-01-05"]).exits(0);
    shows(
        &ran.stderr,
        &["warning[maximum-term]: `terms` ends this grant of `maria.lopez` 2196-01-31 00:00; \
           what is written ends 2197-01-01 00:00"],
    );
    shows(
        &ran.stdout,
        &["+ corp/sre until 2196-01-31 00:00, role sre, ACC-1042", "Next: 2196-01-31 00:00 maria.lopez loses"],
    );
    let why = repo.accord(&["why", "maria.lopez", "corp/sre", "--at", "2196-01-05"]).exits(0).stdout;
    shows(
        &why,
        &["yes, until 2196-01-31 00:00", "ends with terms: at most 30d from 2196-01-01 00:00 policies/more.yaml:2"],
    );
    let ran = repo.accord(&["plan", "--at", "2196-01-31"]).exits(0);
    assert!(!squeezed(&ran.stdout).contains("+ corp/sre until"), "the term is over:\n{}", ran.stdout);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
}

const DUTIES: &str = "\
roles:
  clerk: { grants: [corp/payments], members: [ana.silva, { person: wei.chen, starts: 2150-01-01, expires: 2151-12-31 }] }
  approver: { members: [{ person: wei.chen, starts: 2149-01-01, expires: 2150-06-30 }] }
  auditor: { includes: [approver] }
groups:
  corp/payments: {}
  corp/elsewhere: { manage: reference }
constraints:
  separation: { exclusive: [role: clerk, role: approver] }
";

#[test]
fn a_breach_that_dates_bring_is_told_with_both_ways_and_its_window() {
    let repo = Repo::company();
    repo.write("policies/duties.yaml", DUTIES);
    let ran = repo.accord(&["review", "constraints"]).exits(3);
    shows(
        &ran.stdout,
        &[
            "wei.chen from 2150-01-01 00:00 until 2150-07-01 00:00 policies/duties.yaml:9",
            "breaks separation: wei.chen holds role clerk by its own members (policies/duties.yaml:2), \
             and role approver by its own members (policies/duties.yaml:3)",
            "to go on: take the other away, or write an exception with an expiry",
            "1 breach, from ",
        ],
    );
    // More than ninety days ahead: validate has nothing to say yet.
    let _ = repo.accord(&["validate"]).exits(0).quiet();
    let _ = repo.accord(&["review", "constraints", "--at", "2150-07-01"]).exits(0);
    let json = repo.accord(&["review", "constraints", "--format", "json"]).exits(3).quiet();
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    let one = &answer["breaches"][0];
    assert_eq!((&one["since"], &one["until"]), (&"2149-12-31T23:00:00Z".into(), &"2150-06-30T22:00:00Z".into()));
    assert_eq!(
        (&one["constraint"], &one["person"], &one["line"]),
        (&"separation".into(), &"wei.chen".into(), &9.into())
    );
    assert_eq!(one["sides"][1]["entitlement"], "role approver");
    assert_eq!(one["sides"][1]["ends"], "2150-06-30T22:00:00Z");
}

#[test]
fn validate_warns_of_what_breaks_now_or_soon() {
    let repo = Repo::company();
    repo.write(
        "policies/duties.yaml",
        &DUTIES.replace("starts: 2150-01-01, expires: 2151-12-31", "starts: 2020-01-01"),
    );
    repo.edit("policies/duties.yaml", "starts: 2149-01-01", "starts: 2021-01-01");
    let ran = repo.accord(&["validate"]).exits(0);
    shows(
        &ran.stderr,
        &["warning[constraint-dated]: breaks separation: wei.chen holds role clerk", "until 2150-07-01 00:00"],
    );
    assert!(ran.stdout.contains(", 1 warnings"), "{}", ran.stdout);
}

#[test]
fn what_a_role_change_would_break_is_told_without_a_file_being_touched() {
    let repo = Repo::company();
    repo.write("policies/duties.yaml", DUTIES);
    let what_if = |change: &str| repo.accord(&["review", "constraints", "--what-if", change]);
    let ran = what_if("ana.silva joins auditor").exits(3);
    shows(
        &ran.stdout,
        &[
            "breaks separation: ana.silva holds role clerk by its own members (policies/duties.yaml:2), \
             and role approver by role auditor (policies/duties.yaml:4)",
            "1 breach more if ana.silva joins auditor, from ",
        ],
    );
    assert!(!ran.stdout.contains("wei.chen"), "what is broken anyway is not told: {}", ran.stdout);
    let ran = what_if("clerk includes approver").exits(3);
    shows(
        &ran.stdout,
        &[
            "ana.silva holds role clerk",
            "and role approver by role clerk",
            "wei.chen from 2150-01-01 00:00 until 2152-01-01 00:00",
        ],
    );
    let ran = what_if("auditor grants corp/payments").exits(0);
    shows(&ran.stdout, &["0 breaches more if auditor grants corp/payments"]);
    let who = repo.accord(&["who", "corp/payments", "--what-if", "maria.lopez joins clerk"]).exits(0).quiet();
    shows(&who, &["+ maria.lopez until 2197-04-01 00:00"]);
    let test = "tests:\n  payments: { nobody_reaches: [group: corp/payments], outside: [role: clerk] }\n";
    repo.write("policies/tests.yaml", test);
    let _ = repo.accord(&["test"]).exits(0);
    let out = repo.accord(&["test", "--what-if", "sre grants corp/payments"]).exits(1).quiet();
    shows(&out, &["maria.lopez holds corp/payments", "granted by role sre"]);
    assert_eq!(repo.read("policies/duties.yaml"), DUTIES);
}

#[test]
fn a_change_that_cannot_be_thought_of_says_why() {
    let repo = Repo::company();
    repo.write("policies/duties.yaml", DUTIES);
    for (change, told) in [
        ("clerk gives corp/payments", "`clerk gives corp/payments` is no change"),
        ("clerk", "`clerk` is no change"),
        ("clrk grants corp/payments", "there is no role `clrk`\nto go on: did you mean `clerk`?"),
        ("clerk grants corp/payment", "there is no group `corp/payment`\nto go on: did you mean `corp/payments`"),
        ("ana joins clerk", "there is no person `ana`"),
        ("clerk grants corp/payments", "`clerk grants corp/payments` is so already"),
        ("ana.silva joins clerk", "`ana.silva joins clerk` is so already"),
        ("approver includes auditor", "would be a circle: role approver depends on role auditor already"),
        ("clerk grants corp/elsewhere", "`corp/elsewhere` is managed elsewhere"),
    ] {
        let ran = repo.accord(&["review", "constraints", "--what-if", change]).exits(1);
        shows(&ran.stderr, &[told]);
    }
}
