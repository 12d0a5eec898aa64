//! Planning, saved plans, and what is generated.

use super::harness::Repo;

#[test]
fn a_first_plan_explains_every_change() {
    let repo = Repo::company();
    insta::assert_snapshot!(repo.accord(&["plan", "--at", "2026-11-22 10:31"]).exits(0).quiet(), @r#"
    policies without git, digest [digest] · 2026-11-22 10:31 Europe/Berlin (for reading only: the time was chosen)
    corp  0 accounts, 0 groups   complete: directory.ldif is not there yet; apply makes it

    Joining
      + ana.silva  employee                                                   policies/people.yaml:10
          + corp          create the account ana.silva
                          cn "Ana Silva", employeeNumber "2", mail "ana.silva@example.com", sn "Silva"
          + corp/staff    role staff, where: person.kind == "employee"        policies/roles.yaml:16
      + maria.lopez  contractor of Initech, sponsor wei.chen, until 2197-04-01 00:00  policies/people.yaml:19
          + corp          create the account maria.lopez, until 2197-04-01 00:00
                          cn "Maria Lopez", employeeNumber "3", ends 2197-04-01 00:00, mail "maria.lopez@example.com", sn "Lopez"
          + corp/sre      until 2197-01-01 00:00, role sre, ACC-1042, Migration project  policies/roles.yaml:8
          + corp/vpn      until 2197-01-01 00:00, role sre, ACC-1042, Migration project  policies/roles.yaml:8
      + wei.chen  employee                                                    policies/people.yaml:2
          + corp          create the account wei.chen
                          cn "Wei Chen", employeeNumber "1", mail "wei.chen@example.com", sn "Chen"
          + corp/sre      role sre                                            policies/roles.yaml:7
          + corp/staff    role staff, where: person.kind == "employee"        policies/roles.yaml:16
          + corp/vpn      role sre                                            policies/roles.yaml:7
    Groups
      + corp/sre          create the group                                    policies/roles.yaml:18
                          description "Production access"
      + corp/staff        create the group                                    policies/roles.yaml:20
                          description "Everybody"
      + corp/vpn          create the group                                    policies/roles.yaml:19
                          description "Network access"

    3 people gain · 6 grants, 3 accounts created, 3 groups created
    Next: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
    "#);
}

#[test]
fn by_group_and_as_markdown() {
    let repo = Repo::company();
    insta::assert_snapshot!(repo.accord(&["plan", "--at", "2026-11-22", "--by", "group"]).exits(0).quiet(), @r#"
    policies without git, digest [digest] · 2026-11-22 00:00 Europe/Berlin (for reading only: the time was chosen)
    corp  0 accounts, 0 groups   complete: directory.ldif is not there yet; apply makes it

    Accounts
      ~ corp
          + ana.silva     create the account ana.silva, employee              policies/people.yaml:10
                          cn "Ana Silva", employeeNumber "2", mail "ana.silva@example.com", sn "Silva"
          + maria.lopez   create the account maria.lopez, until 2197-04-01 00:00, contractor of Initech, sponsor wei.chen, until 2197-04-01 00:00  policies/people.yaml:19
                          cn "Maria Lopez", employeeNumber "3", ends 2197-04-01 00:00, mail "maria.lopez@example.com", sn "Lopez"
          + wei.chen      create the account wei.chen, employee               policies/people.yaml:2
                          cn "Wei Chen", employeeNumber "1", mail "wei.chen@example.com", sn "Chen"
    Groups
      ~ corp/sre
          + group         create the group                                    policies/roles.yaml:18
                          description "Production access"
          + maria.lopez   until 2197-01-01 00:00, role sre, ACC-1042, Migration project  policies/roles.yaml:8
          + wei.chen      role sre                                            policies/roles.yaml:7
      ~ corp/staff
          + group         create the group                                    policies/roles.yaml:20
                          description "Everybody"
          + ana.silva     role staff, where: person.kind == "employee"        policies/roles.yaml:16
          + wei.chen      role staff, where: person.kind == "employee"        policies/roles.yaml:16
      ~ corp/vpn
          + group         create the group                                    policies/roles.yaml:19
                          description "Network access"
          + maria.lopez   until 2197-01-01 00:00, role sre, ACC-1042, Migration project  policies/roles.yaml:8
          + wei.chen      role sre                                            policies/roles.yaml:7

    3 people gain · 6 grants, 3 accounts created, 3 groups created
    Next: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
    "#);
    insta::assert_snapshot!(repo.accord(&["plan", "--at", "2026-11-22", "--format", "markdown"]).exits(0).quiet(), @r#"
    ### accord: 3 people gain · 6 grants, 3 accounts created, 3 groups created

    policies without git, digest [digest] · 2026-11-22 00:00 Europe/Berlin (for reading only: the time was chosen)

    - corp: 0 accounts, 0 groups, complete: directory.ldif is not there yet; apply makes it

    <details open><summary>Joining (3)</summary>

    | who | what | where | until, because | written |
    |---|---|---|---|---|
    | ana.silva (employee) | create account | corp | cn "Ana Silva", employeeNumber "2", mail "ana.silva&#64;example.com", sn "Silva"; create the account ana.silva | policies/people.yaml:10 |
    |  | grant | corp/staff | role staff, where: person.kind == "employee" | policies/roles.yaml:16 |
    | maria.lopez (contractor of Initech, sponsor wei.chen, until 2197-04-01 00:00) | create account | corp | cn "Maria Lopez", employeeNumber "3", ends 2197-04-01 00:00, mail "maria.lopez&#64;example.com", sn "Lopez"; create the account maria.lopez, until 2197-04-01 00:00 | policies/people.yaml:19 |
    |  | grant | corp/sre | until 2197-01-01 00:00, role sre, ACC-1042, Migration project | policies/roles.yaml:8 |
    |  | grant | corp/vpn | until 2197-01-01 00:00, role sre, ACC-1042, Migration project | policies/roles.yaml:8 |
    | wei.chen (employee) | create account | corp | cn "Wei Chen", employeeNumber "1", mail "wei.chen&#64;example.com", sn "Chen"; create the account wei.chen | policies/people.yaml:2 |
    |  | grant | corp/sre | role sre | policies/roles.yaml:7 |
    |  | grant | corp/staff | role staff, where: person.kind == "employee" | policies/roles.yaml:16 |
    |  | grant | corp/vpn | role sre | policies/roles.yaml:7 |

    </details>

    <details open><summary>Groups (3)</summary>

    | who | what | where | until, because | written |
    |---|---|---|---|---|
    | corp/sre | create group | corp/sre | description "Production access"; create the group | policies/roles.yaml:18 |
    | corp/staff | create group | corp/staff | description "Everybody"; create the group | policies/roles.yaml:20 |
    | corp/vpn | create group | corp/vpn | description "Network access"; create the group | policies/roles.yaml:19 |

    </details>

    Next: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
    "#);
}

#[test]
fn a_saved_plan_reads_as_it_was_shown_and_is_verified() {
    let repo = Repo::company();
    let ran = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    assert_eq!(ran.stderr, "saved plan.json; Next: accord apply plan.json\n");
    let shown = repo.accord(&["plan", "show", "plan.json"]).exits(0).quiet();
    assert_eq!(shown, ran.stdout);
    let verified = repo.accord(&["plan", "verify", "plan.json"]).exits(0).quiet();
    assert!(verified.contains("the same as here") && verified.contains("0 minutes old"), "{verified}");
}

#[test]
fn json_is_the_plan_file() {
    let repo = Repo::company();
    let at = ["--at", "2026-11-22T10:31:00+01:00"];
    let shown = repo.accord(&["plan", "--format", "json", at[0], at[1]]).exits(0).quiet();
    let _ = repo.accord(&["plan", "--out", "plan.json", at[0], at[1]]).exits(0);
    assert_eq!(shown, repo.read("plan.json"));
    let plan: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(plan["format"], "accord-plan/1");
    assert_eq!(plan["at"], "2026-11-22T09:31:00Z");
}

#[test]
fn exit_codes_tell_changes_only_when_asked() {
    let repo = Repo::company();
    let _ = repo.accord(&["plan"]).exits(0);
    let _ = repo.accord(&["plan", "--detailed-exitcode"]).exits(2);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let _ = repo.accord(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn a_plan_can_be_narrowed() {
    let repo = Repo::company();
    let ran = repo.accord(&["plan", "--action", "create-account", "--format", "json"]).exits(0);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let actions: Vec<_> = plan["changes"].as_array().unwrap().iter().map(|change| &change["action"]).collect();
    assert!(!actions.is_empty() && actions.iter().all(|action| *action == "create-account"), "{actions:?}");
}

#[test]
fn colour_only_repeats_what_words_say() {
    let repo = Repo::company();
    let plain = repo.accord(&["plan", "--at", "2026-11-22"]).exits(0).stdout;
    let coloured = repo.accord(&["plan", "--at", "2026-11-22", "--color", "always"]).exits(0).stdout;
    assert!(coloured.contains("\u{1b}[") && !plain.contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn the_starter_validates_plans_and_applies() {
    let repo = Repo::empty();
    insta::assert_snapshot!(repo.accord(&["init", "mine"]).all(), @r"
    exit 0
    --- stdout
    policies/accord.yaml
    policies/people/staff.yaml
    policies/people/contractors.yaml
    policies/roles/platform.yaml
    policies/constraints.yaml
    .vscode/settings.json
    .vscode/accord.schema.json
    .gitignore
    --- stderr
    Next: cd mine && accord plan, then accord apply
    ");
    let policies = repo.file("mine/policies");
    let policies = policies.to_str().unwrap();
    assert!(
        repo.accord(&["validate", "--policies", policies]).exits(0).quiet().starts_with("valid: 5 files, 3 people")
    );
    let _ = repo.accord(&["apply", "--auto-approve", "--policies", policies]).exits(0);
    assert!(repo.accord(&["plan", "--policies", policies]).exits(0).quiet().contains("\nnothing to do\n"));
    let schema: serde_json::Value = serde_json::from_str(&repo.read("mine/.vscode/accord.schema.json")).unwrap();
    assert!(schema["$schema"].as_str().unwrap().contains("draft-07"));
}

#[test]
fn completions_manual_pages_and_schema_are_generated() {
    let repo = Repo::empty();
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef accord"), ("fish", "complete -c accord")] {
        assert!(repo.accord(&["generate", "completions", shell]).exits(0).quiet().contains(sign), "{shell}");
    }
    assert!(repo.accord(&["generate", "man"]).exits(0).quiet().contains(".TH accord 1"));
    let _ = repo.accord(&["generate", "man", "--out", "man"]).exits(0);
    for page in ["accord.1", "accord-plan.1", "accord-plan-verify.1", "accord-audit-journal-verify.1"] {
        assert!(repo.read(&format!("man/{page}")).contains(".SH SYNOPSIS"), "{page}");
    }
    let schema: serde_json::Value =
        serde_json::from_str(&repo.accord(&["generate", "schema"]).exits(0).quiet()).unwrap();
    assert!(schema["properties"]["people"].is_object());
}

/// Whoever has nothing to do still wants to know what comes.
#[test]
fn a_plan_without_changes_says_what_ends_next() {
    let repo = Repo::applied();
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.ends_with("\nNext: 2197-01-01 00:00 maria.lopez loses corp/sre, corp/vpn\n"), "{plan}");
    let _ = repo.accord(&["plan", "--out", "plan.json"]).exits(0);
    assert!(repo.accord(&["plan", "show", "plan.json"]).exits(0).stdout.contains("\nNext: 2197-01-01"));
}
