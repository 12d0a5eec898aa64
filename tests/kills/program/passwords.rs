//! Cut off between making an account and its first password: never passed over.

use super::bed::Bed;
use super::weeks::Size;

/// A server in front of which the next write is not answered, and policies with one
/// person more than it holds.
fn waiting() -> Bed {
    let bed = Bed::slapd(Size { people: 0, groups: 0 });
    bed.repo.write(
        "policies/accord.yaml",
        &format!(
            "organization: example\ntimezone: UTC\ndirectories:\n  corp: {}\n",
            bed.settings_with(&[("initial_password", serde_json::json!({ "env": "R" })), ("for", "everyone".into())])
        ),
    );
    bed.repo.write(
        "policies/people.yaml",
        "people:\n  ada: { id: \"1\", name: Ada, family_name: L, email: ada@example.com, kind: employee, \
         starts: 2020-01-01 }\n",
    );
    bed.gate().close_after(0);
    bed
}

const UNKNOWN: &str = "whether its first password is set is not known";

#[test]
fn a_kill_before_the_first_password_is_told_by_the_next_plans() {
    let bed = waiting();
    let mut run = bed.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(bed.gate()), "{:#?}", run.end());
    assert!(run.kill());
    bed.gate().open();
    bed.verify("after the kill");
    for arguments in [&["plan"][..], &["apply", "--auto-approve"], &["plan"]] {
        let ran = bed.accord(arguments).exits(0);
        assert!(ran.stdout.contains("ada") && ran.stdout.contains(UNKNOWN), "{arguments:?}: {}", ran.stdout);
    }
}

#[test]
fn a_lost_answer_before_the_first_password_is_told_by_the_run_itself() {
    let bed = waiting();
    let mut run = bed.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(bed.gate()), "{:#?}", run.end());
    bed.gate().cut();
    let ran = run.wait();
    assert!(ran.stdout.contains(UNKNOWN), "{ran:#?}");
    let ran = bed.accord(&["plan"]).exits(0);
    assert!(ran.stdout.contains(UNKNOWN), "{}", ran.stdout);
}

#[test]
fn an_account_that_was_made_whole_is_not_doubted() {
    let bed = waiting();
    bed.gate().open();
    let _ = bed.accord(&["apply", "--auto-approve"]).exits(0);
    let ran = bed.accord(&["plan"]).exits(0);
    assert!(!ran.stdout.contains(UNKNOWN), "{}", ran.stdout);
}
