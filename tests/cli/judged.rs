//! Whoever proposes a change does not choose how much of it passes: what judges counts as
//! it is trusted and as it is proposed.

use super::diff_git::git;
use super::harness::Repo;

/// Two people hold production access under limits that are trusted.
fn trusted(judges: &str) -> Repo {
    let repo = Repo::company();
    let accord = std::fs::read_to_string(repo.file("policies/accord.yaml")).unwrap();
    repo.write("policies/accord.yaml", &format!("{accord}{judges}"));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    repo.write(".gitignore", ".accord/\ndirectory.ldif\n");
    for words in [["init", "-q", "-b", "main"].as_slice(), &["add", "-A"], &["commit", "-q", "-m", "trusted"]] {
        git(repo.path(), words);
    }
    repo
}

fn without_wei_chen(repo: &Repo) {
    repo.edit("policies/roles.yaml", "      - wei.chen\n", "");
}

#[test]
fn a_proposal_that_raises_its_own_limit_meets_the_one_that_is_trusted() {
    let limits = "guardrails: { revocations: { floor: 0, percent: 10 } }\n";
    let repo = trusted(limits);
    without_wei_chen(&repo);
    repo.edit("policies/accord.yaml", "{ floor: 0, percent: 10 }", "{ floor: 100, percent: 100 }");
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("2 revokes") && !plan.contains("Withheld"), "{plan}");
    let plan = repo.accord(&["plan", "--trusted", "main"]).exits(3).stdout;
    let why = "more revocations at once than the guardrail lets through";
    assert!(plan.contains(why) && !plan.contains("2 revokes"), "{plan}");
    assert!(plan.contains("`guardrails.revocations` of the trusted revision, or once: `--allow"), "{plan}");
    // The stricter of both: a lower limit of the proposal counts at once.
    let repo = trusted("guardrails: { revocations: { floor: 100, percent: 100 } }\n");
    without_wei_chen(&repo);
    repo.edit("policies/accord.yaml", "{ floor: 100, percent: 100 }", "{ floor: 0, percent: 10 }");
    let plan = repo.accord(&["plan", "--trusted", "main"]).exits(3).stdout;
    assert!(plan.contains(why) && !plan.contains("of the trusted revision"), "{plan}");
}

#[test]
fn a_proposal_that_drops_a_minimum_keeps_it_while_it_is_not_trusted() {
    let repo = trusted("guardrails: { minimum_members: { corp/sre: 2 } }\n");
    without_wei_chen(&repo);
    repo.edit("policies/accord.yaml", "guardrails: { minimum_members: { corp/sre: 2 } }\n", "");
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("2 revokes"), "{plan}");
    let plan = repo.accord(&["plan", "--trusted", "main"]).exits(3).stdout;
    assert!(plan.contains("1 revoke") && plan.contains("corp/sre") && plan.contains("minimum_members"), "{plan}");
}

#[test]
fn a_proposal_that_drops_protection_touches_nothing_that_is_protected() {
    let protect = "    protect: { groups: [sre], accounts: [ana.*] }\n";
    let repo = Repo::applied();
    repo.edit("policies/accord.yaml", "kinds: {", &format!("{protect}kinds: {{"));
    repo.write(".gitignore", ".accord/\ndirectory.ldif\n");
    for words in [["init", "-q", "-b", "main"].as_slice(), &["add", "-A"], &["commit", "-q", "-m", "trusted"]] {
        git(repo.path(), words);
    }
    repo.edit("policies/accord.yaml", protect, "");
    without_wei_chen(&repo);
    repo.edit("policies/people.yaml", "name: Ana Silva", "name: Ana Maria Silva");
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("2 revokes") && plan.contains("1 account updated"), "{plan}");
    let plan = repo.accord(&["plan", "--trusted", "main"]).stdout;
    assert!(plan.contains("1 revoke") && plan.contains("corp/vpn") && !plan.contains("1 account updated"), "{plan}");
}
