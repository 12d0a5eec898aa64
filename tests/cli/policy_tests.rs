//! `accord test`, and the same tests in `accord validate`.

use super::harness::Repo;
use serde_json::Value;

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

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const TESTS: &str = "\
tests:
  production-is-platforms:
    description: Nobody but platform and its contractor reaches production
    nobody_reaches: [group: corp/sre, role: sre]
    outside: [where: person.department == \"platform\", person: maria.lopez]
  wei-can-work:
    person: wei.chen
    has: [group: corp/vpn]
    has_not: [role: auditor]
    within: 3650d
  production-has-two:
    holders_of: [group: corp/sre]
    at_least: 2
    at_most: 2
    until: 2190-12-31
  sre-reaches-the-network:
    everybody: [role: sre]
    has: [group: corp/vpn]
    from: 2026-01-01
";

const AUDITOR: &str = "roles:\n  auditor: { members: [{ person: ana.silva, starts: 2180-01-01 }] }\n";

fn repo(more: &str) -> Repo {
    let repo = Repo::company();
    repo.write("policies/audit.yaml", AUDITOR);
    repo.write("policies/tests.yaml", &format!("{TESTS}{more}"));
    repo
}

#[test]
fn tests_that_hold_are_told_with_what_was_looked_at() {
    let repo = repo("");
    let out = repo.accord(&["test", "--at", "2026-11-23"]).exits(0).quiet();
    shows(
        &out,
        &[
            "passed production-has-two 1 instant, 3 people policies/tests.yaml:11",
            "passed production-is-platforms 1 instant, 3 people policies/tests.yaml:2",
            "passed sre-reaches-the-network",
            "passed wei-can-work 1 instant, 1 person",
            "4 tests at 2026-11-23 00:00 Europe/Berlin: 4 passed, 0 failed, 0 not proven",
        ],
    );
    let out = repo.accord(&["validate"]).exits(0).quiet();
    assert!(out.contains(", 0 constraints, 4 tests, 0 warnings"), "{out}");
    let out = json(&repo.accord(&["validate", "--format", "json"]).exits(0).quiet());
    assert_eq!(out["counts"]["tests"], 4);
}

#[test]
fn what_starts_later_fails_the_test_from_then_on_with_the_way_there() {
    let repo = repo("");
    repo.edit("policies/audit.yaml", "roles:\n", "roles:\n  deputy: { includes: [sre], members: [role: auditor] }\n");
    let ran = repo.accord(&["validate"]).exits(1);
    shows(
        &ran.stderr,
        &[
            "error[test-failed]: the test `production-is-platforms` fails: ana.silva holds role sre from 2180-01-01 00:00",
            "person: ana.silva",
            "in role auditor",
            "included by role deputy",
            "it says: nobody outside where person.department == \"platform\" or maria.lopez reaches corp/sre, role sre",
            "ana.silva holds corp/sre from 2180-01-01 00:00",
            "the test `production-has-two` fails: 3 people hold it, and at most 2 may, from 2180-01-01 00:00",
        ],
    );
    assert_eq!(ran.stdout, "");
    let out = repo.accord(&["test", "production-is-*"]).exits(1).quiet();
    shows(
        &out,
        &[
            "failed production-is-platforms",
            "ana.silva holds role sre from 2180-01-01 00:00",
            "└ person: ana.silva policies/audit.yaml:3",
            "└ included by role deputy policies/audit.yaml:2",
            "1 test at",
        ],
    );
    // Before that day the test is right for as long as it is asked.
    repo.edit("policies/tests.yaml", "person: maria.lopez]\n", "person: maria.lopez]\n    until: 2179-12-31\n");
    let _ = repo.accord(&["test", "production-is-*"]).exits(0);
    // Nothing else is refused because a test fails: they say what must be, not what is done.
    let _ = repo.accord(&["plan"]).exits(0);
}

#[test]
fn json_has_the_person_the_entitlement_the_window_and_the_way() {
    let repo = repo("");
    repo.edit("policies/tests.yaml", ", person: maria.lopez]", "]");
    let out = json(
        &repo.accord(&["test", "production-is-platforms", "--format", "json", "--at", "2026-11-23"]).exits(1).quiet(),
    );
    assert_eq!(out["summary"], serde_json::json!({ "passed": 0, "failed": 1, "unproven": 0 }));
    let test = &out["tests"][0];
    assert_eq!(test["name"], "production-is-platforms");
    assert_eq!(
        (&test["file"], &test["line"], &test["verdict"]),
        (&"policies/tests.yaml".into(), &2.into(), &"failed".into())
    );
    let one = &test["counter_examples"][0];
    assert_eq!((&one["person"], &one["entitlement"]), (&"maria.lopez".into(), &"role sre".into()));
    assert_eq!((&one["since"], &one["until"]), (&"2026-11-22T23:00:00Z".into(), &"2196-12-31T23:00:00Z".into()));
    assert_eq!(one["because"][0]["file"], "policies/roles.yaml");
    assert_eq!(one["because"][0]["note"], "expires 2196-12-31 · ACC-1042 · Migration project");
    assert_eq!(test["counter_examples"][1]["entitlement"], "corp/sre");
    assert_eq!(test["counter_examples"][1]["because"][1]["text"], "granted by role sre");
}

#[test]
fn who_stops_being_allowed_and_keeps_the_access_is_found() {
    let more = "  network-is-employees:\n    nobody_reaches: [group: corp/vpn]\n    outside: [where: person.kind == \"employee\", person: maria.lopez]\n";
    let repo = repo(more);
    let _ = repo.accord(&["test", "network-is-employees"]).exits(0);
    // Wei moves to finance, and stays a member by name.
    let moves =
        "positions: [{ department: platform, expires: 2150-06-30 }, { department: finance, starts: 2150-07-01 }]";
    repo.edit("policies/people.yaml", "attributes: { department: platform }", moves);
    let out = repo.accord(&["test", "--at", "2026-11-23"]).exits(1).quiet();
    shows(&out, &["passed network-is-employees", "wei.chen holds corp/sre from 2150-07-01 00:00"]);
}

#[test]
fn a_departure_leaves_too_few_and_somebody_without() {
    let repo = repo("  li-worked:\n    person: li.na\n    has: [group: corp/sre]\n    at: 2021-06-01\n");
    let _ = repo.accord(&["test", "li-worked"]).exits(0);
    repo.edit("policies/tests.yaml", "at: 2021-06-01", "from: 2021-06-01\n    until: 2022-01-31");
    let out = repo.accord(&["test", "li-worked"]).exits(1).quiet();
    shows(&out, &["li.na does not hold corp/sre from 2022-01-01 00:00", "└ li.na left, ended 2022-01-01 00:00"]);
    repo.edit("policies/tests.yaml", "until: 2190-12-31", "from: 2196-12-31");
    let out = repo.accord(&["test", "production-has-two"]).exits(1).quiet();
    shows(&out, &["1 person holds it, and at least 2 must, from 2197-01-01 00:00"]);
}

#[test]
fn what_was_not_read_is_not_proven_and_never_empty() {
    let repo = repo("");
    let on_call = "groups:\n  corp/on-call: { manage: reference }\n  corp/pager: { members: [group: corp/on-call] }\n";
    repo.write("policies/on-call.yaml", on_call);
    let test = "tests:\n  pager-is-small: { nobody_reaches: [group: corp/pager], outside: [role: sre] }\n";
    repo.write("policies/pager.yaml", test);
    let out = repo.accord(&["test", "pager-is-small"]).exits(1).quiet();
    shows(
        &out,
        &[
            "not proven pager-is-small",
            "nobody can say whether ana.silva holds corp/pager",
            "not read: corp/on-call",
            "? members of corp/on-call (not read)",
        ],
    );
    let ran = repo.accord(&["validate"]).exits(1);
    shows(
        &ran.stderr,
        &[
            "error[test-unproven]: the test `pager-is-small` is not proven",
            "it hangs on corp/on-call, which no run has read",
        ],
    );
    // Whoever keeps it bounded in the policy has proven it.
    repo.edit(
        "policies/on-call.yaml",
        "members: [group: corp/on-call] }",
        "members: [group: corp/on-call], only: [role: sre] }",
    );
    let _ = repo.accord(&["test", "pager-is-small"]).exits(0);
}

#[test]
fn a_test_that_cannot_fail_is_told() {
    let over =
        "  over: { nobody_reaches: [group: corp/vpn], outside: [role: sre], from: 2020-01-01, until: 2020-12-31 }\n";
    let nobody = "  nobody: { nobody_reaches: [group: corp/vpn], among: [where: person.department == \"platfrom\"] }\n";
    let repo = repo(&format!("{over}{nobody}"));
    let ran = repo.accord(&["validate"]).exits(0);
    shows(
        &ran.stderr,
        &[
            "warning[test-over]: the test `over` cannot fail: its last instant was before 2021-01-01 00:00",
            "warning[test-of-nobody]: the test `nobody` cannot fail: nobody who is written is one of those it speaks of",
        ],
    );
    let out = repo.accord(&["test", "over", "nobody"]).exits(0).quiet();
    shows(&out, &["cannot fail: its last instant was before 2021-01-01 00:00"]);
}

#[test]
fn names_choose_and_a_name_that_nobody_has_is_an_error() {
    let repo = repo("");
    let out = repo.accord(&["test", "wei-*", "production-has-two"]).exits(0).quiet();
    assert!(out.contains("2 tests at ") && !out.contains("production-is-platforms"), "{out}");
    let ran = repo.accord(&["test", "wei-can-wrok"]).exits(1);
    shows(&ran.stderr, &["no test is called `wei-can-wrok`", "did you mean `wei-can-work`?"]);
    let ran = repo.accord(&["test", "--format", "csv"]).exits(1);
    shows(&ran.stderr, &["`accord test` does not write csv"]);
    repo.write("policies/tests.yaml", "tests: {}\n");
    let out = repo.accord(&["test"]).exits(0).quiet();
    shows(&out, &["there are no tests"]);
}

#[test]
fn junit_is_xml_whatever_a_test_is_called() {
    let repo = repo("  \"a <b> & \\\"c\\\"\":\n    nobody_reaches: [group: corp/vpn]\n");
    let xml = repo.accord(&["test", "--format", "junit", "--at", "2026-11-23"]).exits(1).quiet();
    let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"accord\" tests=\"5\" failures=\"1\" errors=\"0\">
  <testsuite name=\"policy tests\" tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"0\" timestamp=\"2026-11-22T23:00:00Z\">
    <testcase name=\"a &lt;b&gt; &amp; &quot;c&quot;\" classname=\"policies/tests.yaml\" file=\"policies/tests.yaml\" line=\"20\">
      <failure type=\"test-failed\" message=\"maria.lopez holds corp/vpn from 2026-11-23 00:00 until 2197-01-01 00:00\">
nobody reaches corp/vpn
maria.lopez holds corp/vpn from 2026-11-23 00:00 until 2197-01-01 00:00
  person: maria.lopez (policies/roles.yaml:8)
  granted by role sre (policies/roles.yaml:5)
wei.chen holds corp/vpn from 2026-11-23 00:00
  person: wei.chen (policies/roles.yaml:7)
  granted by role sre (policies/roles.yaml:5)
      </failure>
    </testcase>
";
    assert!(xml.starts_with(expected), "{xml}");
    assert!(xml.ends_with("  </testsuite>\n</testsuites>\n"), "{xml}");
    // On the lines of a pull request stands what fails.
    let github = repo.accord(&["test", "--format", "github"]).exits(1).quiet();
    assert!(github.starts_with("::error ") && github.contains("file=policies/tests.yaml,line=20"), "{github}");
    assert_eq!(github.lines().count(), 1, "{github}");
    let github = repo.accord(&["validate", "--format", "github"]).exits(1).stdout;
    assert!(github.contains("file=policies/tests.yaml,line=20"), "{github}");
}

#[test]
fn a_commit_is_tested_by_its_own_policies() {
    let repo = repo("");
    for arguments in
        [&["init", "-q"][..], &["add", "."], &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]]
    {
        let git = std::process::Command::new("git").args(arguments).current_dir(repo.path()).status().unwrap();
        assert!(git.success());
    }
    repo.edit("policies/tests.yaml", ", person: maria.lopez]", "]");
    let _ = repo.accord(&["test"]).exits(1);
    let out = repo.accord(&["test", "--rev", "HEAD"]).exits(0).quiet();
    shows(&out, &["policies of HEAD, commit"]);
    let _ = repo.accord(&["validate", "--rev", "HEAD"]).exits(0);
}

/// Every block of the page in order: files are written, commands are run.
#[test]
fn the_page_about_tests_shows_what_is_printed() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy-tests.md")).unwrap();
    let repo = Repo::empty();
    let (mut files, mut commands) = (0, 0);
    for block in page.split("```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').unwrap();
        if kind == "yaml" {
            let (path, text) = text.split_once('\n').unwrap();
            repo.write(path.strip_prefix("# ").unwrap(), text);
            files += 1;
        } else {
            let (command, expected) = text.split_once('\n').unwrap();
            let arguments: Vec<&str> = command.strip_prefix("$ accord ").unwrap().split(' ').collect();
            let ran = repo.accord(&arguments);
            assert_eq!(squeezed(&ran.quiet()), squeezed(expected), "{command}");
            commands += 1;
        }
    }
    assert_eq!((files, commands), (4, 2));
}
