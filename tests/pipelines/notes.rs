//! Notes on lines of files, in the four formats, and summaries.

use crate::cli::diff_git::{AT, Story};
use crate::cli::harness::{Ran, Repo};
use crate::support::checkers::wrong_text;
use serde_json::Value;

/// Somebody gains through a rule, somebody keeps something longer, somebody loses.
fn changed() -> Story {
    let story = Story::company();
    story.repo.edit("policies/roles.yaml", "expires: 2196-12-31", "expires: 2197-01-31");
    story.repo.edit("policies/roles.yaml", "grants: [corp/staff]", "grants: [corp/staff, corp/vpn]");
    story.repo.edit("policies/roles.yaml", "      - wei.chen\n", "");
    story.repo.edit("policies/roles.yaml", "Network access", "Network access\", privileged: true, owner: \"wei.chen");
    story.repo.edit("policies/roles.yaml", "{ description: Network access\"", "{ description: \"Network access\"");
    story.repo.edit("policies/roles.yaml", "owner: \"wei.chen }", "owner: \"wei.chen\" }");
    story.commit("head");
    story
}

/// A finding whose message is what somebody wrote to be taken for something else.
const HOSTILE: &str = "x%0A::error file=a,line=1::<b>&\\\"]]>\\n::add-mask::y";

fn hostile() -> Repo {
    let repo = Repo::company();
    repo.edit("policies/roles.yaml", "      - wei.chen\n", &format!("      - \"{HOSTILE}\"\n"));
    repo
}

fn format(repo: &Repo, command: &[&str], format: &str) -> Ran {
    repo.accord(&[command, &["--format", format]].concat())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_difference_stands_on_the_lines_that_say_so() {
    let story = changed();
    let shown = format(&story.repo, &["diff", "--at", AT, "base..HEAD"], "github").exits(0).quiet();
    insta::assert_snapshot!(shown, @r###"
    ::warning title=accord%3A access-scheduled::access scheduled: maria.lopez corp/vpn ends 2197-02-01 00:00
    ::notice title=accord%3A access-scheduled::access scheduled: maria.lopez corp/sre ends 2197-02-01 00:00
    ::warning file=policies/roles.yaml,line=7,title=accord%3A access-extended::access extended (2): maria.lopez corp/sre until 2197-02-01 00:00 (before: until 2197-01-01 00:00), maria.lopez corp/vpn until 2197-02-01 00:00 (before: until 2197-01-01 00:00)
    ::warning file=policies/roles.yaml,line=15,title=accord%3A access-gained::access gained: ana.silva corp/vpn without an end
    ::notice file=policies/roles.yaml,line=17,title=accord%3A access-lost::access lost: wei.chen corp/sre
    "###);
}

#[test]
fn a_plan_stands_on_the_lines_that_say_so() {
    let repo = Repo::company();
    let shown = format(&repo, &["plan"], "github").exits(0).quiet();
    insta::assert_snapshot!(shown, @r###"
    ::notice file=policies/people.yaml,line=2,title=accord%3A create-account::create account: wei.chen corp
    ::notice file=policies/people.yaml,line=10,title=accord%3A create-account::create account: ana.silva corp
    ::notice file=policies/people.yaml,line=19,title=accord%3A create-account::create account: maria.lopez corp until 2197-04-01 00:00
    ::notice file=policies/roles.yaml,line=7,title=accord%3A grant::grant (2): wei.chen corp/sre, wei.chen corp/vpn
    ::notice file=policies/roles.yaml,line=8,title=accord%3A grant::grant (2): maria.lopez corp/sre until 2197-01-01 00:00, maria.lopez corp/vpn until 2197-01-01 00:00
    ::notice file=policies/roles.yaml,line=16,title=accord%3A grant::grant (2): ana.silva corp/staff, wei.chen corp/staff
    ::notice file=policies/roles.yaml,line=18,title=accord%3A create-group::create group: corp/sre
    ::notice file=policies/roles.yaml,line=19,title=accord%3A create-group::create group: corp/vpn
    ::notice file=policies/roles.yaml,line=20,title=accord%3A create-group::create group: corp/staff
    "###);
}

#[test]
fn nothing_that_somebody_wrote_is_a_command_of_its_own() {
    let ran = format(&hostile(), &["validate"], "github").exits(1);
    insta::assert_snapshot!(ran.stdout, @r###"
    ::error file=policies/roles.yaml,line=7,col=9,endColumn=62,title=accord%3A unknown-person::nobody is called `x%250A::error file=a,line=1::<b>&"]]>\n::add-mask::y`%0Ahelp: declare the person under `people:`, or take the line out
    "###);
    let commands = ran.stdout.lines().filter(|line| line.starts_with("::")).count();
    assert_eq!(commands, ran.stdout.lines().count());
    assert!(
        ran.stdout.lines().all(|line| line.matches("::").count() >= 2 && line.starts_with("::error file=policies/"))
    );
    // A runner finds `##[…]` anywhere in a line of its log.
    assert_eq!(ran.stderr, "");
}

#[test]
fn the_formats_are_as_they_were_published() {
    let (story, hostile, company) = (changed(), hostile(), Repo::company());
    let runs: [(&Repo, &[&str]); 4] = [
        (&story.repo, &["diff", "base..HEAD"]),
        (&hostile, &["validate"]),
        (&company, &["plan"]),
        (&company, &["validate"]),
    ];
    for (repo, command) in runs {
        let code = i32::from(std::ptr::eq(repo, &raw const hostile));
        let sarif = format(repo, command, "sarif").exits(code).stdout;
        assert_eq!(wrong_text("sarif", "a.sarif", &sarif), [""; 0], "{sarif}");
        let results = &json(&sarif)["runs"][0]["results"];
        assert!(results.as_array().unwrap().iter().all(|one| {
            let place = &one["locations"][0]["physicalLocation"];
            place["region"]["startLine"].as_u64() > Some(0) && place["artifactLocation"]["uri"].is_string()
        }));
        let junit = format(repo, command, "junit").exits(code).stdout;
        assert_eq!(wrong_text("junit", "a.xml", &junit), [""; 0], "{junit}");
        let quality = json(&format(repo, command, "codequality").exits(code).stdout);
        // GitLab: these fields in every element, one of five severities, no fingerprint twice.
        let issues = quality.as_array().unwrap();
        let mut prints: Vec<&str> = issues.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), issues.len());
        for issue in issues {
            assert!(issue["description"].is_string() && issue["check_name"].is_string(), "{issue}");
            assert!(["info", "minor", "major", "critical", "blocker"].contains(&issue["severity"].as_str().unwrap()));
            assert!(issue["location"]["path"].as_str().unwrap().starts_with("policies/"), "{issue}");
            assert!(issue["location"]["lines"]["begin"].as_u64() > Some(0), "{issue}");
        }
    }
}

#[test]
fn a_checker_that_finds_nothing_wrong_would_find_something() {
    assert_ne!(wrong_text("sarif", "a.sarif", "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{}}]}"), [""; 0]);
    assert_ne!(wrong_text("junit", "a.xml", "<testsuites><testsuite/></testsuites>"), [""; 0]);
    assert_ne!(wrong_text("gitlab", "a.yml", "job: { script: [x], rules: 4 }"), [""; 0]);
    assert_ne!(wrong_text("workflow", "a.yml", "on: push\npermission: {}\njobs: {}\n"), [""; 0]);
}

#[test]
fn a_finding_keeps_its_fingerprint_when_lines_move() {
    let repo = hostile();
    let prints = |repo: &Repo| -> Vec<String> {
        let found = json(&format(repo, &["validate"], "codequality").exits(1).stdout);
        found.as_array().unwrap().iter().map(|one| one["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    let before = prints(&repo);
    let text = repo.read("policies/roles.yaml");
    repo.write("policies/roles.yaml", &format!("# moved\n\n{text}"));
    assert_eq!(prints(&repo), before);
    assert_eq!(before.len(), 1);
}

#[test]
fn paths_are_those_of_the_git_repository() {
    let story = Story { repo: Repo::company() };
    let company = ["accord.yaml", "people.yaml", "roles.yaml"];
    for name in company {
        let text = story.repo.read(&format!("policies/{name}"));
        story.repo.write(&format!("teams/who, what/{name}"), &text);
        std::fs::remove_file(story.repo.file(&format!("policies/{name}"))).unwrap();
    }
    story.git(&["init", "-q", "-b", "main"]);
    story.commit("base");
    let folder = "teams/who, what";
    story.repo.edit(&format!("{folder}/roles.yaml"), "      - wei.chen\n", "      - wei.chan\n");
    let shown = |sort: &str| format(&story.repo, &["validate", "--policies", folder], sort).exits(1).stdout;
    assert!(shown("github").starts_with("::error file=teams/who%2C what/roles.yaml,line="), "{}", shown("github"));
    assert!(shown("sarif").contains("\"uri\": \"teams/who%2C%20what/roles.yaml\""), "{}", shown("sarif"));
    assert_eq!(json(&shown("codequality"))[0]["location"]["path"], "teams/who, what/roles.yaml");
}

#[test]
fn a_summary_is_appended_beside_the_format_asked_for() {
    let story = changed();
    let summary = ["--summary", "summary.md", "--format", "github"];
    let with = |command: &[&str]| story.repo.accord(&[command, &summary].concat());
    let _ = with(&["validate"]).exits(0);
    let _ = with(&["diff", "base..HEAD"]).exits(0);
    let _ = with(&["plan", "--out", "p.plan.json"]).exits(0);
    let _ = with(&["plan", "show", "p.plan.json"]).exits(0);
    story.repo.edit("policies/roles.yaml", "      - person: li.na\n", "      - person: li.ma\n");
    let _ = with(&["validate"]).exits(1);
    let text = story.repo.read("summary.md");
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("### ")).collect();
    insta::assert_snapshot!(headings.join("\n"), @r###"
    ### accord: valid: 3 files, 4 people, 2 roles, 3 groups, 0 constraints, 0 warnings
    ### accord: 2 people gain, 1 loses · 1 gained, 1 lost, 2 extended, 2 scheduled to end
    ### accord: 3 people gain · 6 grants, 3 accounts created, 3 groups created
    ### accord: 3 people gain · 6 grants, 3 accounts created, 3 groups created
    ### accord: the policies have errors
    "###);
    assert!(text.contains("- **error** unknown-person: nobody is called \\`li.ma\\`"), "{text}");
    let ran = story.repo.accord(&["validate", "--summary", "no/such/folder"]).exits(1);
    assert!(ran.stderr.contains("cannot append to `no/such/folder`"), "{}", ran.stderr);
}

#[test]
fn other_commands_have_no_notes() {
    let repo = Repo::company();
    for command in [&["show", "wei.chen"][..], &["who", "sre"], &["drift"], &["expiring"], &["apply", "--auto-approve"]]
    {
        let ran = format(&repo, command, "sarif").exits(1);
        assert!(ran.stderr.contains("does not write sarif"), "{command:?}: {}", ran.stderr);
    }
    assert!(!repo.file("directory.ldif").exists());
}
