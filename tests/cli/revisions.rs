//! Questions about the policies of a commit: `--rev`.

use super::harness::Repo;
use std::fs;

const THEN: &str = "2026-03-01T12:00:00Z";

/// Commits everything but the journal and gives it a tag.
pub(super) fn commit(repo: &Repo, tag: &str) -> String {
    repo.write(".gitignore", ".accord/\ndirectory.ldif\n*.json\n");
    let git = git2::Repository::init(repo.path()).unwrap();
    let mut index = git.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    index.update_all(["*"], None).unwrap();
    index.write().unwrap();
    let tree = git.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::new("t", "t@example.com", &git2::Time::new(1_772_366_400, 0)).unwrap();
    let parent = git.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<_> = parent.iter().collect();
    let id = git.commit(Some("HEAD"), &who, &who, "m", &tree, &parents).unwrap();
    git.tag(tag, git.find_commit(id).unwrap().as_object(), &who, "t", true).unwrap();
    id.to_string()
}

/// The company as of `v2026.3`; since then `sre` and `corp/vpn` were renamed and maria.lopez
/// was taken out, and the work tree is not even YAML.
fn company() -> (Repo, String) {
    let repo = Repo::company();
    let id = commit(&repo, "v2026.3");
    let roles = repo.read("policies/roles.yaml");
    let roles = roles.replace("corp/vpn", "corp/network").replace("  sre:\n", "  reliability:\n");
    repo.write("policies/roles.yaml", &roles.replace("person: maria.lopez", "person: ana.silva"));
    commit(&repo, "v2026.9");
    repo.write("policies/roles.yaml", "roles: [");
    (repo, id)
}

fn ask(repo: &Repo, words: &[&str], id: &str) -> String {
    repo.accord(words).exits(0).quiet().replace(&id[..7], "[commit]")
}

#[test]
fn questions_are_answered_by_the_policies_of_a_commit() {
    let (repo, id) = company();
    let then = |words: &[&str]| ask(&repo, &[words, &["--rev", "v2026.3", "--at", THEN]].concat(), &id);
    insta::assert_snapshot!(then(&["who", "corp/vpn"]), @r"
    corp/vpn  Network access
    2 people at 2026-03-01 13:00 Europe/Berlin
      + maria.lopez               until 2197-01-01 00:00, granted by role sre, person: maria.lopez, expires 2196-12-31 · ACC-1042 · Migration project  policies/roles.yaml:8
      + wei.chen                  granted by role sre, person: wei.chen       policies/roles.yaml:7
    policies of v2026.3, commit [commit]
    ");
    insta::assert_snapshot!(then(&["why", "maria.lopez", "sre"]), @r"
    yes, until 2197-01-01 00:00 Europe/Berlin (in 62,397 days)
      sre
      └ person: maria.lopez                                                   policies/roles.yaml:8   expires 2196-12-31 · ACC-1042 · Migration project
    the person ends 2197-04-01 00:00                                          policies/people.yaml:19
    policies of v2026.3, commit [commit]
    ");
    insta::assert_snapshot!(then(&["why", "ana.silva", "sre"]), @r"
    no
      sre
    nothing gives role sre to ana.silva                                       policies/roles.yaml:2
    policies of v2026.3, commit [commit]
    ");
    insta::assert_snapshot!(then(&["show", "wei.chen"]), @r"
    wei.chen  employee, without an end                                        policies/people.yaml:2
      name                        Wei Chen
      id                          1
      email                       wei.chen@example.com
      department                  platform
    Roles
      + sre                       person: wei.chen                            policies/roles.yaml:7
      + staff                     because kind is employee                    policies/roles.yaml:16
    Groups
      + corp/sre                  granted by role sre, person: wei.chen       policies/roles.yaml:7
      + corp/staff                granted by role staff, because kind is employee  policies/roles.yaml:16
      + corp/vpn                  granted by role sre, person: wei.chen       policies/roles.yaml:7
    policies of v2026.3, commit [commit]
    ");
    insta::assert_snapshot!(then(&["expiring"]), @r"
    nothing ends between 2026-03-01 13:00 and 2026-03-31 14:00 Europe/Berlin
    policies of v2026.3, commit [commit]
    ");
    insta::assert_snapshot!(ask(&repo, &["validate", "--rev", "v2026.3"], &id), @r"
    valid: 3 files, 4 people, 2 roles, 3 groups, 0 constraints, 0 warnings
    policies of v2026.3, commit [commit]
    ");
    // By any name of a commit, and its whole id in JSON.
    for name in ["v2026.9~1", &id[..10], &id] {
        let json = ask(&repo, &["who", "corp/vpn", "--rev", name, "--format", "json"], "-------");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["revision"]["name"], &json["revision"]["commit"]), (&name.into(), &id.as_str().into()));
        assert_eq!(json["people"].as_array().unwrap().len(), 2);
    }
    // The instant is now where none is named: of other policies only who holds it differs.
    assert!(repo.accord(&["why", "ana.silva", "reliability", "--rev", "v2026.9"]).exits(0).quiet().starts_with("yes"));
    assert!(repo.accord(&["why", "ana.silva", "sre", "--rev", "v2026.9"]).exits(1).stderr.contains("no group or role"));
}

/// The work tree's answer says nothing of commits.
#[test]
fn without_a_revision_it_is_the_work_tree() {
    let repo = Repo::company();
    commit(&repo, "v2026.3");
    repo.edit("policies/roles.yaml", "person: maria.lopez", "person: ana.silva");
    let who = repo.accord(&["who", "corp/sre", "--at", THEN]).exits(0).quiet();
    assert!(who.contains("ana.silva") && !who.contains("policies of"), "{who}");
    let json = repo.accord(&["who", "corp/sre", "--format", "json"]).exits(0).quiet();
    assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["revision"].is_null());
}

/// Which reading was used is said beside the commit; a later one is not used for an earlier time.
#[test]
fn groups_managed_elsewhere_are_answered_from_the_last_reading_by_then() {
    let repo = Repo::applied();
    repo.edit("policies/roles.yaml", "groups:\n", "groups:\n  corp/trained: { manage: reference }\n");
    let only = "    grants: [corp/staff]\n    only: [group: corp/trained]\n";
    repo.edit("policies/roles.yaml", "    grants: [corp/staff]\n", only);
    let group = "dn: cn=trained,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: trained\n\
        member: uid=wei.chen,ou=people,dc=example,dc=com\n";
    repo.write("directory.ldif", &format!("{}\n\n{group}\n", repo.read("directory.ldif").trim_end()));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    commit(&repo, "v1");
    repo.edit("policies/roles.yaml", "    only: [group: corp/trained]\n", "");
    let why = |at: &[&str]| repo.accord(&[&["why", "ana.silva", "corp/staff", "--rev", "v1"], at].concat()).exits(0);
    let now = why(&[]).quiet();
    assert!(now.starts_with("no\n") && now.contains("\nmembers of corp/trained as read 20"), "{now}");
    assert!(now.contains("\npolicies of v1, commit "), "{now}");
    let then = why(&["--at", THEN]).quiet();
    assert!(then.starts_with("not known\n") && then.contains("? members of corp/trained (not read)"), "{then}");
    assert!(repo.accord(&["why", "ana.silva", "corp/staff"]).exits(0).quiet().starts_with("yes"));
}

#[test]
fn what_git_does_not_have_is_said() {
    let (repo, id) = company();
    let who = |rev: &str| repo.accord(&["who", "corp/vpn", "--rev", rev]).all();
    insta::assert_snapshot!(who("v2025.1"), @r"
    exit 1
    --- stdout
    --- stderr
    error: the policies at `v2025.1` cannot be read: git has no commit, branch or tag of that name
      to go on: `git fetch --tags` brings what was added elsewhere
    ");
    assert!(who("").starts_with("exit 1\n"));
    assert!(who("HEAD:policies").starts_with("exit 1\n"), "{}", who("HEAD:policies"));
    fs::write(repo.file(".git/shallow"), format!("{id}\n")).unwrap();
    insta::assert_snapshot!(who("v2025.1"), @r"
    exit 1
    --- stdout
    --- stderr
    error: the policies at `v2025.1` cannot be read: git has no commit, branch or tag of that name; this clone is shallow, 2 commits deep
      to go on: `git fetch --deepen=100` brings some of the older commits, `git fetch --unshallow --tags` all of them
    ");
    let alone = Repo::company();
    insta::assert_snapshot!(alone.accord(&["who", "corp/vpn", "--rev", "main"]).all(), @r"
    exit 1
    --- stdout
    --- stderr
    error: the policies at `main` cannot be read: `[here]/policies` is in no git repository
      to go on: `--rev` and `--trusted` need one
    ");
}

/// A commit from before there were policies, and one whose policies have a mistake.
#[test]
fn what_a_commit_does_not_say_is_said() {
    let repo = Repo::company();
    fs::rename(repo.file("policies"), repo.file("elsewhere")).unwrap();
    commit(&repo, "before");
    fs::rename(repo.file("elsewhere"), repo.file("policies")).unwrap();
    repo.edit("policies/roles.yaml", "person: maria.lopez", "person: maria.lopes");
    let id = commit(&repo, "mistaken");
    repo.edit("policies/roles.yaml", "person: maria.lopes", "person: maria.lopez");
    let who = |rev: &str| repo.accord(&["who", "corp/sre", "--rev", rev]).all().replace(&id[..7], "[commit]");
    insta::assert_snapshot!(who("before"), @r"
    exit 1
    --- stdout
    --- stderr
    error: the policies at `before` cannot be read: that commit has no folder `policies`
      to go on: name a later one
    ");
    insta::assert_snapshot!(who("mistaken"), @r"
    exit 1
    --- stdout
    --- stderr
    error[unknown-person]: nobody is called `maria.lopes`
     --> policies/roles.yaml:8:17
      |
    8 |       - person: maria.lopes
      |                 ^^^^^^^^^^^
      |
      = help: did you mean `maria.lopez` (policies/people.yaml:19)?

    1 error in 1 of 3 files; nothing was planned, nothing was changed.
    found in the policies of mistaken, commit [commit]
    ");
    assert!(repo.accord(&["who", "corp/sre"]).exits(0).quiet().contains("maria.lopez"));
    let findings = repo.accord(&["validate", "--rev", "mistaken", "--format", "json"]).exits(1).stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&findings).unwrap()[0]["code"], "unknown-person");
}
