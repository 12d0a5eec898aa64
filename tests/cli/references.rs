//! Groups that others manage: what runs read of them is kept, and questions use it.

use super::harness::Repo;

/// The company whose staff group keeps only those in `corp/trained`, a group that
/// somebody else fills, with these members.
fn company(members: &[&str]) -> Repo {
    let repo = Repo::applied();
    repo.edit("policies/roles.yaml", "groups:\n", "groups:\n  corp/trained: { manage: reference }\n");
    repo.edit(
        "policies/roles.yaml",
        "    grants: [corp/staff]\n",
        "    grants: [corp/staff]\n    only: [group: corp/trained]\n",
    );
    fill(&repo, members);
    repo
}

/// Writes the group as whoever manages it would.
fn fill(repo: &Repo, members: &[&str]) {
    let text = repo.read("directory.ldif");
    let others = text.split("\n\n").filter(|entry| !entry.contains("cn=trained,")).collect::<Vec<_>>().join("\n\n");
    let line = |member: &&str| format!("member: uid={member},ou=people,dc=example,dc=com\n");
    let members = members.iter().map(line).collect::<Vec<_>>().concat();
    let group =
        format!("dn: cn=trained,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: trained\n{members}");
    repo.write("directory.ldif", &format!("{}\n\n{group}\n", others.trim_end()));
}

/// The text with the instant of a reading made the same in every run.
fn stable(text: &str) -> String {
    let line = |line: &str| {
        let known = [" as read ", "in corp: granted ", "in corp: taken away "]
            .into_iter()
            .find_map(|word| Some((line.split_once(word)?.0, word)));
        known.map_or_else(|| format!("{line}\n"), |(head, word)| format!("{head}{word}[time]\n"))
    };
    text.lines().map(line).collect::<Vec<_>>().concat()
}

#[test]
fn questions_use_the_last_reading_and_say_how_old_it_is() {
    let repo = company(&["wei.chen"]);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let ask = |words: &[&str]| stable(&repo.accord(words).exits(0).quiet());
    insta::assert_snapshot!(ask(&["who", "corp/trained"]).split(" at ").next().unwrap(), @r"
    corp/trained
    1 person
    ");
    insta::assert_snapshot!(ask(&["why", "wei.chen", "corp/staff"]), @r"
    yes, without an end
      corp/staff
      └ granted by role staff                                                 policies/roles.yaml:14
        └ because kind is employee                                            policies/roles.yaml:17
    in corp: granted [time]
    members of corp/trained as read [time]
    ");
    insta::assert_snapshot!(ask(&["why", "ana.silva", "corp/staff"]), @r"
    no
      corp/staff
    role staff keeps only group corp/trained                                  policies/roles.yaml:15
    granted by role staff                                                     policies/roles.yaml:14
    in corp: taken away [time]
    members of corp/trained as read [time]
    ");
    assert!(ask(&["show", "ana.silva"]).ends_with("members of corp/trained as read [time]\n"));
    // Before the run nobody had read it.
    let earlier = ask(&["why", "wei.chen", "corp/staff", "--at", "2026-01-01"]);
    assert!(
        earlier.starts_with("not known\n") && earlier.contains("? members of corp/trained (not read)"),
        "{earlier}"
    );
    let json = repo.accord(&["why", "wei.chen", "corp/staff", "--format", "json"]).exits(0).quiet();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["references"][0]["group"], "corp/trained");
    assert!(json["references"][0]["at"].as_str().unwrap().ends_with('Z'), "{json}");
}

/// A membership that somebody else changed and from which no change follows is kept too;
/// the same reading again makes no run.
#[test]
fn another_reading_is_kept_also_where_nothing_is_to_do() {
    let repo = company(&["wei.chen"]);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let runs = || std::fs::read_dir(repo.file(".accord/journal")).unwrap().count();
    let before = runs();
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(runs(), before, "the same reading again");
    fill(&repo, &["wei.chen", "maria.lopez"]);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(runs(), before + 1);
    let who = repo.accord(&["who", "corp/trained"]).exits(0).quiet();
    assert!(who.contains("+ maria.lopez") && who.contains("+ wei.chen"), "{who}");
    // Known by its digest in the next run, and remembered without the memory file too.
    repo.edit("policies/people.yaml", "name: Ana Silva", "name: Ana da Silva");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    std::fs::remove_file(repo.file(".accord/memory.json")).unwrap();
    assert!(repo.accord(&["who", "corp/trained"]).exits(0).quiet().contains("+ maria.lopez"));
    let _ = repo.accord(&["audit", "journal", "verify"]).exits(0);
}

/// Ids, no names and no addresses.
#[test]
fn a_kept_reading_holds_keys_only() {
    let repo = company(&["wei.chen", "maria.lopez"]);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let memory = repo.read(".accord/memory.json");
    assert!(memory.contains(r#"["maria.lopez","wei.chen"]"#), "{memory}");
    assert!(!memory.contains("Maria") && !memory.contains("@example.com"), "{memory}");
}

/// The answer would come from whoever proposed the commit.
#[test]
fn questions_do_not_believe_a_memory_that_git_tracks() {
    let repo = company(&["wei.chen"]);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let git = git2::Repository::init(repo.path()).unwrap();
    let mut index = git.index().unwrap();
    index.add_path(std::path::Path::new(".accord/memory.json")).unwrap();
    index.write().unwrap();
    assert!(repo.accord(&["who", "corp/trained"]).exits(1).stderr.contains("git tracks `.accord`"));
}
