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
