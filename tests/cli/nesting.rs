//! A group in a group that is kept as a group, from the files to the journal.

use super::harness::Repo;

/// The company, whose release approvers are the engineers in `corp/sre`.
fn company() -> Repo {
    let repo = Repo::company();
    repo.edit(
        "policies/accord.yaml",
        "groups: { base: \"ou=groups,dc=example,dc=com\" }",
        "groups: { base: \"ou=groups,dc=example,dc=com\", nesting: native }",
    );
    let groups = "groups:\n  corp/releases:\n    members:\n      - { group: corp/sre, kinds: [contractor] }\n";
    repo.edit("policies/roles.yaml", "groups:\n", groups);
    repo
}

/// Members of a group in the file.
fn members(repo: &Repo, group: &str) -> Vec<String> {
    let text = repo.read("directory.ldif");
    let entry = text.split("\n\n").find(|entry| entry.contains(&format!("dn: cn={group},"))).unwrap();
    let mut members: Vec<String> =
        entry.lines().filter_map(|line| line.strip_prefix("member: ")).map(str::to_owned).collect();
    members.sort();
    members
}

#[test]
fn a_link_is_planned_applied_kept_and_taken_out_again() {
    let repo = company();
    let plan = repo.accord(&["plan", "--at", "2026-11-22", "--by", "group"]).exits(0).stdout;
    let section = plan.split("\n  corp/releases").nth(1).or_else(|| plan.split("corp/releases").nth(1)).unwrap();
    assert!(section.contains("group sre"), "{plan}");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(members(&repo, "releases"), ["cn=sre,ou=groups,dc=example,dc=com"]);
    assert_eq!(members(&repo, "sre").len(), 2);
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));
    let _ = repo.accord(&["audit", "journal", "verify"]).exits(0);
    // Who holds it is told by people, whatever the directory keeps.
    insta::assert_snapshot!(repo.accord(&["who", "corp/releases", "--at", "2026-11-22 10:31"]).exits(0).quiet(), @r"
    corp/releases
    2 people at 2026-11-22 10:31 Europe/Berlin
      + maria.lopez               until 2197-01-01 00:00, in corp/sre, granted by role sre, person: maria.lopez, expires 2196-12-31 · ACC-1042 · Migration project  policies/roles.yaml:8
      + wei.chen                  in corp/sre, granted by role sre, person: wei.chen  policies/roles.yaml:7
    ");
    let drift = repo.accord(&["drift"]).exits(0).stdout;
    assert!(drift.starts_with("the directories are as the policies say"), "{drift}");

    // An end makes it other people than those of the group: it is resolved.
    repo.edit(
        "policies/roles.yaml",
        "{ group: corp/sre, kinds: [contractor] }",
        "{ group: corp/sre, kinds: [contractor], expires: 2196-06-30 }",
    );
    let ran = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(ran.stdout.contains("the entry has dates"), "{}", ran.stdout);
    let people = ["uid=maria.lopez,ou=people,dc=example,dc=com", "uid=wei.chen,ou=people,dc=example,dc=com"];
    assert_eq!(members(&repo, "releases"), people);
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));

    // And back: the link first, then those whom it covers.
    repo.edit("policies/roles.yaml", ", expires: 2196-06-30 }", " }");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(members(&repo, "releases"), ["cn=sre,ou=groups,dc=example,dc=com"]);
    repo.edit("policies/roles.yaml", "      - { group: corp/sre, kinds: [contractor] }\n", "      - wei.chen\n");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(members(&repo, "releases"), [people[1]]);
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));
}

/// One member goes, and everybody in it with it: guardrails count the people. Who is to
/// stay is granted first; without that nobody is put out.
#[test]
fn ending_a_link_counts_and_spares_people() {
    let repo = company();
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let link = "      - { group: corp/sre, kinds: [contractor] }\n";
    let accord = repo.read("policies/accord.yaml");
    let limit = |setting: &str| repo.write("policies/accord.yaml", &format!("{accord}guardrails: {{ {setting} }}\n"));

    repo.edit("policies/roles.yaml", link, "      - ana.silva\n");
    limit("revocations: { floor: 0, percent: 0 }");
    let told = repo.accord(&["plan"]).exits(3).stdout;
    assert!(told.contains("2 of 3 people who hold something in corp: people lose a membership"), "{told}");
    assert!(told.contains("  - group sre  corp/releases"), "{told}");

    repo.edit("policies/roles.yaml", "      - ana.silva\n", &format!("{link}    except: [maria.lopez]\n"));
    limit("grants: { floor: 0, percent: 0 }");
    let _ = repo.accord(&["apply", "--auto-approve"]);
    let inside = "cn=sre,ou=groups,dc=example,dc=com".to_owned();
    assert!(members(&repo, "releases").contains(&inside), "nobody is put out who is to stay");
    repo.write("policies/accord.yaml", &accord);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(members(&repo, "releases"), ["uid=wei.chen,ou=people,dc=example,dc=com"]);
}

#[test]
fn a_plan_names_the_whole_way_through_a_group() {
    let repo = Repo::company();
    let groups = "groups:\n  corp/releases:\n    members:\n      - { group: corp/sre, kinds: [contractor] }\n";
    repo.edit("policies/roles.yaml", "groups:\n", groups);
    let plan = repo.accord(&["plan", "--at", "2026-11-22", "--format", "json"]).exits(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let changes = plan["changes"].as_array().unwrap();
    let grant = changes.iter().find(|c| c["object"]["group"] == "releases" && c["person"] == "maria.lopez").unwrap();
    let because = grant["because"].as_array().unwrap().iter();
    let facts: Vec<_> = because
        .map(|n| plan["facts"][usize::try_from(n.as_u64().unwrap()).unwrap()]["text"].as_str().unwrap())
        .collect();
    assert_eq!(facts, ["person: maria.lopez, ACC-1042, Migration project", "role sre", "group: corp/sre"]);
}

/// Whoever is in the group inside already is let in by the link, also where the group outside
/// names them besides: a constraint that forbids it keeps the link back.
#[test]
fn a_link_lets_nobody_in_whom_a_constraint_keeps_out() {
    let repo = company();
    let entries = "      - { group: corp/sre, kinds: [contractor] }\n";
    repo.edit("policies/roles.yaml", &format!("  corp/releases:\n    members:\n{entries}"), "");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    // Of two ways that last equally long the first is told: wei.chen is a member one by one.
    let releases = format!("groups:\n  corp/releases:\n    members:\n      - wei.chen\n{entries}");
    repo.edit("policies/roles.yaml", "groups:\n", &releases);
    let exception =
        |who: &str| format!("      - {{ person: {who}, expires: 2021-01-01, ticket: R-1, reason: cover }}\n");
    let constraint =
        "constraints:\n  not-both:\n    for: person.kind == \"employee\"\n    forbid: [group: corp/releases]\n";
    let text = format!("{constraint}    exceptions:\n{}{}", exception("wei.chen"), exception("li.na"));
    repo.write("policies/constraints.yaml", &text);
    let ran = repo.accord(&["apply", "--auto-approve"]).exits(3);
    assert!(ran.stdout.contains("breaks not-both: wei.chen may not hold corp/releases"), "{}", ran.stdout);
    let sre = "cn=sre,ou=groups,dc=example,dc=com".to_owned();
    assert!(!members(&repo, "releases").contains(&sre), "wei.chen is in sre");
}
