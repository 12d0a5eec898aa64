//! Questions that need no directory.

use super::harness::Repo;

const AT: [&str; 2] = ["--at", "2026-11-22 10:31"];

fn ask(repo: &Repo, words: &[&str]) -> String {
    repo.accord(&[words, &AT].concat()).exits(0).quiet()
}

#[test]
fn why_gives_the_chain() {
    let repo = Repo::company();
    insta::assert_snapshot!(ask(&repo, &["why", "maria.lopez", "corp/sre"]), @r"
    yes, until 2197-01-01 00:00 Europe/Berlin (in 62,131 days)
      corp/sre
      └ granted by role sre                                                   policies/roles.yaml:5
        └ person: maria.lopez                                                 policies/roles.yaml:8   expires 2196-12-31 · ACC-1042 · Migration project
    the person ends 2197-04-01 00:00                                          policies/people.yaml:19
    ");
    insta::assert_snapshot!(ask(&repo, &["why", "li.na", "corp/sre"]), @r"
    no
      corp/sre
    li.na left, ended 2022-01-01 00:00                                        policies/people.yaml:29
    ");
    insta::assert_snapshot!(ask(&repo, &["why", "ana.silva@example.com", "sre"]), @r"
    no
      sre
    nothing gives role sre to ana.silva                                       policies/roles.yaml:2
    ");
}

#[test]
fn who_lists_people_with_their_ends() {
    let repo = Repo::company();
    insta::assert_snapshot!(ask(&repo, &["who", "corp/vpn"]), @r"
    corp/vpn  Network access
    2 people at 2026-11-22 10:31 Europe/Berlin
      + maria.lopez               until 2197-01-01 00:00, granted by role sre, person: maria.lopez, expires 2196-12-31 · ACC-1042 · Migration project  policies/roles.yaml:8
      + wei.chen                  granted by role sre, person: wei.chen       policies/roles.yaml:7
    ");
    insta::assert_snapshot!(ask(&repo, &["who", "staff"]), @r"
    staff
    2 people at 2026-11-22 10:31 Europe/Berlin
      + ana.silva                 because kind is employee                    policies/roles.yaml:16
      + wei.chen                  because kind is employee                    policies/roles.yaml:16
    ");
}

#[test]
fn show_says_who_it_is_and_what_is_held() {
    let repo = Repo::company();
    insta::assert_snapshot!(ask(&repo, &["show", "maria.lopez"]), @r"
    maria.lopez  contractor of Initech, until 2197-04-01 00:00                policies/people.yaml:19
      name                        Maria Lopez
      id                          3
      email                       maria.lopez@example.com
      sponsor                     wei.chen
    Roles
      + sre                       until 2197-01-01 00:00, person: maria.lopez, expires 2196-12-31 · ACC-1042 · Migration project  policies/roles.yaml:8
    Groups
      + corp/sre                  until 2197-01-01 00:00, granted by role sre, person: maria.lopez, expires 2196-12-31 · ACC-1042 · Migration project  policies/roles.yaml:8
      + corp/vpn                  until 2197-01-01 00:00, granted by role sre, person: maria.lopez, expires 2196-12-31 · ACC-1042 · Migration project  policies/roles.yaml:8
    ");
    insta::assert_snapshot!(ask(&repo, &["show", "4"]), @r"
    li.na  employee, ended 2022-01-01 00:00                                   policies/people.yaml:29
      name                        Li Na
      id                          4
      email                       li.na@example.com
    holds nothing at 2026-11-22 10:31
    ");
}

#[test]
fn expiring_is_told_to_whom_it_concerns() {
    let repo = Repo::company();
    let within = ["expiring", "--at", "2196-12-15", "--within", "180d"];
    insta::assert_snapshot!(repo.accord(&within).exits(0).quiet(), @r"
    wei.chen
      2197-01-01 00:00  maria.lopez             sre                           policies/roles.yaml:8   ACC-1042 · Migration project
      2197-04-01 00:00  maria.lopez             the person                    policies/people.yaml:19

    2 things end between 2196-12-15 00:00 and 2197-06-13 01:00 Europe/Berlin
    ");
    // What nobody owns concerns whoever answers for the person.
    repo.edit(
        "policies/roles.yaml",
        "groups:\n",
        "groups:\n  corp/door: { members: [{ person: maria.lopez, expires: 2196-12-20 }] }\n",
    );
    let told = repo.accord(&["expiring", "--at", "2196-12-15", "--within", "7d"]).exits(0).quiet();
    assert!(told.starts_with("wei.chen\n  2196-12-21 00:00  maria.lopez             corp/door "), "{told}");
    insta::assert_snapshot!(ask(&repo, &["expiring"]), @r"
    nothing ends between 2026-11-22 10:31 and 2026-12-22 10:31 Europe/Berlin
    ");
}

/// Which account it is matters to whoever looks for it in the directory.
#[test]
fn answers_say_which_account_holds_it() {
    let repo = Repo::company();
    repo.write(
        "policies/more.yaml",
        "people:\n  ada.byron: { id: '7', name: Ada Byron, accounts: { 'corp#admin': adm-ada } }\n\
         roles:\n  dba: { account: admin, grants: [corp/dbas, corp/both], members: [ada.byron] }\n\
         groups:\n  corp/dbas: {}\n  corp/both: { members: [ada.byron] }\n",
    );
    let told = ask(&repo, &["who", "corp/dbas"]);
    assert!(told.contains("+ ada.byron                 with the account admin, granted by role dba"), "{told}");
    let told = ask(&repo, &["show", "ada.byron"]);
    assert!(told.contains("+ corp/both                 with the everyday account and the account admin, "), "{told}");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&ask(&repo, &[arguments, &["--format", "json"]].concat())).unwrap()
    };
    assert_eq!(json(&["who", "corp/both"])["people"][0]["accounts"], serde_json::json!(["", "admin"]));
    assert!(json(&["who", "corp/sre"])["people"][0].get("accounts").is_none());
}

#[test]
fn what_only_a_directory_knows_is_not_called_empty() {
    let repo = Repo::company();
    repo.edit("policies/roles.yaml", "groups:\n", "groups:\n  corp/trained: { manage: reference }\n");
    repo.edit(
        "policies/roles.yaml",
        "    grants: [corp/staff]\n",
        "    grants: [corp/staff]\n    only: [group: corp/trained]\n",
    );
    insta::assert_snapshot!(ask(&repo, &["who", "corp/trained"]), @r"
    corp/trained
    3 people at 2026-11-22 10:31 Europe/Berlin
      ? ana.silva
      ? maria.lopez
      ? wei.chen
    ? members of corp/trained (not read)
    ");
    insta::assert_snapshot!(ask(&repo, &["why", "wei.chen", "corp/staff"]), @r"
    not known
      corp/staff
    ? members of corp/trained (not read)
    ");
}

#[test]
fn answers_are_json_too() {
    let repo = Repo::company();
    let why = ask(&repo, &["why", "maria.lopez", "corp/sre", "--format", "json"]);
    let why: serde_json::Value = serde_json::from_str(&why).unwrap();
    assert_eq!((&why["verdict"], &why["ends"]), (&"yes".into(), &"2196-12-31T23:00:00Z".into()));
    assert_eq!(why["because"].as_array().unwrap().last().unwrap()["file"], "policies/roles.yaml");
    for words in [["who", "corp/sre"], ["show", "wei.chen"]] {
        let answer = ask(&repo, &[words[0], words[1], "--format", "json"]);
        assert!(serde_json::from_str::<serde_json::Value>(&answer).unwrap().is_object());
    }
}

/// What an auditor asks: when, and by which run.
#[test]
fn why_names_the_run_that_wrote_the_membership() {
    let repo = Repo::applied();
    let run = std::fs::read_dir(repo.file(".accord/journal")).unwrap().map(|entry| entry.unwrap().file_name());
    let run = run.map(|name| name.into_string().unwrap()).find(|name| name != "head.json").unwrap();
    let by = format!(" by run {} (what changed since then: accord drift)\n", run.trim_end_matches(".jsonl"));
    let why = repo.accord(&["why", "maria.lopez", "corp/sre"]).exits(0).quiet();
    assert!(why.contains("\nin corp: granted 20") && why.ends_with(&by), "{why}");
    // Before the run, of a role, of somebody whom no run made a member: nothing is known.
    assert!(!ask(&repo, &["why", "maria.lopez", "corp/sre"]).contains(" by run "));
    assert!(!repo.accord(&["why", "maria.lopez", "sre"]).exits(0).quiet().contains(" by run "));
    assert!(!repo.accord(&["why", "ana.silva", "corp/sre"]).exits(0).quiet().contains(" by run "));
    // Taken away by the files and not in the directory yet: both are told.
    repo.edit("policies/roles.yaml", "person: maria.lopez", "person: li.na");
    repo.edit("policies/roles.yaml", "      - person: li.na\n  staff", "  staff");
    let why = repo.accord(&["why", "maria.lopez", "corp/sre"]).exits(0).quiet();
    assert!(why.starts_with("no\n") && why.contains("in corp: granted 20"), "{why}");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let why = repo.accord(&["why", "maria.lopez", "corp/sre"]).exits(0).quiet();
    assert!(why.contains("in corp: taken away 20"), "{why}");
    let json = repo.accord(&["why", "maria.lopez", "corp/sre", "--format", "json"]).exits(0).quiet();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["written"]["granted"], &json["written"]["directory"]), (&false.into(), &"corp".into()));
}

/// Questions read no directory: what somebody did there by hand must not be denied.
#[test]
fn why_does_not_say_what_a_directory_holds_that_nobody_read() {
    let repo = Repo::applied();
    let text = repo.read("directory.ldif");
    let group = text.split("\n\n").find(|entry| entry.starts_with("dn: cn=sre,")).unwrap();
    let without: String =
        group.lines().filter(|line| !line.contains("uid=maria.lopez,")).collect::<Vec<_>>().join("\n");
    assert_ne!(group.trim_end(), without, "maria.lopez is a member");
    repo.write("directory.ldif", &text.replace(group, &format!("{without}\n")));
    let why = repo.accord(&["why", "maria.lopez", "corp/sre"]).exits(0).quiet();
    assert!(why.contains("\nin corp: granted 20") && !why.contains("member since"), "{why}");
    // What it points to does tell.
    assert!(why.ends_with("(what changed since then: accord drift)\n"), "{why}");
    let drift = repo.accord(&["drift"]).exits(2).stdout;
    assert!(drift.contains("maria.lopez") && drift.contains("corp/sre"), "{drift}");
}
