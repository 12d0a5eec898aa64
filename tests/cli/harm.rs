//! What would lock a company out or leave somebody inside, on the command line.

use super::harness::Repo;

fn saved(repo: &Repo, code: i32) -> serde_json::Value {
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(code);
    serde_json::from_str(&repo.read("plan.json")).unwrap()
}

/// A group that is protected stays so under the name that it has in the directory.
#[test]
fn a_protected_group_loses_nobody_by_being_renamed() {
    let repo = Repo::applied();
    repo.edit("policies/accord.yaml", "    groups: {", "    protect: { groups: [sre] }\n    groups: {");
    repo.edit("policies/roles.yaml", "grants: [corp/sre, ", "grants: [corp/ops, ");
    repo.edit("policies/roles.yaml", "corp/sre: { description", "corp/ops: { previously: sre, description");
    repo.edit("policies/roles.yaml", "      - wei.chen\n", "");
    let before = repo.read("directory.ldif");
    let plan = saved(&repo, 3);
    let on = |list: &str| {
        plan[list].as_array().unwrap().iter().filter(|one| one.to_string().contains("\"group\":\"sre\"")).count()
    };
    assert_eq!((on("changes"), on("withheld")), (0, 1), "{plan:#}");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(3);
    let members = |text: &str| text.split("\n\n").find(|entry| entry.contains("cn=sre")).unwrap().to_owned();
    assert_eq!(members(&repo.read("directory.ldif")), members(&before));
}

/// An account is protected under the name that it has, whatever its person is called.
#[test]
fn a_protected_account_is_granted_nothing_under_its_own_name() {
    let repo = Repo::applied();
    repo.edit("policies/accord.yaml", "    groups: {", "    protect: { accounts: [ana.silva] }\n    groups: {");
    // The person's account is to be called otherwise; found by its id it is the protected one.
    repo.edit("policies/people.yaml", "    id: \"2\"\n", "    id: \"2\"\n    accounts: { corp: asilva }\n");
    repo.edit("policies/roles.yaml", "      - wei.chen\n", "      - people: [wei.chen, ana.silva]\n");
    let plan = saved(&repo, 0);
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
}

/// The wait of `undeclared: {after: …}` begins with the first run that sees the member,
/// also where nothing else is to do, and goes on while the revoke is kept back.
#[test]
fn the_wait_for_an_undeclared_member_begins_and_ends() {
    let repo = Repo::applied();
    repo.edit("policies/accord.yaml", "    groups: {", "    undeclared: { then: revoke, after: 1m }\n    groups: {");
    let intruder =
        "dn: uid=mallory,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: mallory\ncn: M\nsn: M\n\n";
    let text = repo.read("directory.ldif").replacen("dn: cn=sre", &format!("{intruder}dn: cn=sre"), 1);
    let (head, group) = text.split_once("dn: cn=sre").unwrap();
    let group = group.replacen("member: ", "member: uid=mallory,ou=people,dc=example,dc=com\nmember: ", 1);
    repo.write("directory.ldif", &format!("{head}dn: cn=sre{group}"));
    let seen = || {
        let memory: serde_json::Value = serde_json::from_str(&repo.read(".accord/memory.json")).unwrap();
        memory["undeclared"].clone()
    };
    // Nothing else is to do, and still the wait begins.
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let first = seen();
    assert_eq!(first[0][2], "mallory", "{first}");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(seen(), first);
    // A run that looks at something else only does not begin it anew.
    repo.edit("policies/people.yaml", "name: Ana Silva", "name: Ana da Silva");
    let _ = repo.accord(&["apply", "--auto-approve", "--action", "update-account"]).exits(0);
    assert_eq!(seen(), first);
    // Neither does a revoke that is due and withheld.
    repo.edit("policies/accord.yaml", "after: 1m", "after: 0h");
    repo.edit("policies/people.yaml", "name: Ana da Silva", "name: Ana Silva");
    repo.edit("policies/accord.yaml", "kinds:", "guardrails: { revocations: { floor: 0, percent: 0 } }\nkinds:");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(3);
    assert_eq!(seen(), first);
}

/// A group may have a `/` in its name: the member's wait is found again all the same.
#[test]
fn the_wait_also_ends_in_a_group_whose_name_holds_a_slash() {
    let repo = Repo::company();
    repo.edit("policies/roles.yaml", "groups:\n", "groups:\n  corp/ops/oncall: { members: [wei.chen] }\n");
    repo.edit("policies/accord.yaml", "    groups: {", "    undeclared: { then: revoke, after: 1h }\n    groups: {");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let intruder =
        "dn: uid=mallory,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: mallory\ncn: M\nsn: M\n\n";
    let text = repo.read("directory.ldif");
    let (head, group) = text.split_once("dn: cn=ops").unwrap();
    let group = group.replacen("member: ", "member: uid=mallory,ou=people,dc=example,dc=com\nmember: ", 1);
    repo.write("directory.ldif", &format!("{head}{intruder}dn: cn=ops{group}"));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let memory: serde_json::Value = serde_json::from_str(&repo.read(".accord/memory.json")).unwrap();
    let seen = memory["undeclared"][0].as_array().unwrap();
    assert_eq!(seen[..3], ["corp", "ops/oncall", "mallory"]);
}

/// What accord remembers must not come from a commit.
#[test]
fn a_journal_that_git_tracks_is_refused() {
    let repo = Repo::applied();
    let git = git2::Repository::init(repo.path()).unwrap();
    let mut index = git.index().unwrap();
    let run = std::fs::read_dir(repo.file(".accord/journal")).unwrap().map(|entry| entry.unwrap().file_name());
    let run = run.map(|name| name.into_string().unwrap()).find(|name| name != "head.json").unwrap();
    index.add_path(&std::path::Path::new(".accord/journal").join(run)).unwrap();
    index.write().unwrap();
    let ran = repo.accord(&["plan"]).exits(1);
    assert!(ran.stderr.contains("git tracks `.accord`"), "{}", ran.stderr);
}

/// An account that was right from the first day has no change in the journal. Its
/// person is removed from the files: it is a leaver's, not one that nobody declared.
#[test]
fn a_person_removed_from_the_files_is_a_leaver_also_where_nothing_had_to_change() {
    let repo = Repo::applied();
    std::fs::remove_dir_all(repo.file(".accord")).unwrap();
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let text = repo.read("policies/people.yaml");
    let (start, end) = (text.find("  ana.silva:").unwrap(), text.find("  maria.lopez:").unwrap());
    repo.write("policies/people.yaml", &format!("{}{}", &text[..start], &text[end..]));
    let plan = saved(&repo, 0);
    let actions: Vec<_> = plan["changes"].as_array().unwrap().iter().map(|change| change["action"].clone()).collect();
    assert_eq!(actions, ["disable-account", "revoke"], "{plan:#}");
}
