//! Several accounts of one person: what ends, what is told, what goes with the person.

use super::harness::Repo;
use serde_json::{Value, json};

/// A second account that nobody declares any more is not an orphan: accord made it.
#[test]
fn a_second_account_goes_with_its_line() {
    let repo = Repo::company();
    repo.write(
        "policies/more.yaml",
        "people:\n  ada.byron: { id: '7', name: Ada Byron, family_name: Byron, accounts: { 'corp#admin': adm-ada } }\n\
         groups:\n  corp/dbas: { account: admin, members: [ada.byron] }\n",
    );
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    repo.write(
        "policies/more.yaml",
        "people:\n  ada.byron: { id: '7', name: Ada Byron, family_name: Byron }\ngroups:\n  corp/dbas: {}\n",
    );
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("disable the account adm-ada"), "{plan}");
    assert!(
        plan.contains("the account admin of ada.byron was declared in an earlier commit and no longer is"),
        "{plan}"
    );
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));
}

/// Which of two accounts it is does not matter once the person has left: neither stays.
#[test]
fn an_account_whose_label_was_renamed_is_disabled_with_its_person() {
    let repo = Repo::company();
    let person = |label: &str, more: &str| {
        format!(
            "people:\n  ada.byron: {{ id: '7', name: Ada Byron, family_name: Byron, {more}accounts: {{ 'corp#{label}': adm-ada }} }}\n\
             groups:\n  corp/dbas: {{ account: {label}, members: [ada.byron] }}\n"
        )
    };
    repo.write("policies/more.yaml", &person("admin", ""));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    repo.write("policies/more.yaml", &person("tier1", ""));
    let plan = repo.accord(&["plan"]).exits(3).stdout;
    assert!(plan.contains("`adm-ada` in `corp` was another account of `ada.byron` before"), "{plan}");
    repo.write("policies/more.yaml", &person("tier1", "expires: 2026-09-30, "));
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("2 accounts disabled") && plan.contains("disable the account adm-ada"), "{plan}");
    assert!(plan.contains("~ corp          ends 2026-10-01 00:00   of the account adm-ada "), "{plan}");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));
}

/// Somebody with two accounts, in `corp/both` with each of them.
fn both(admin: &str) -> String {
    format!(
        "people:\n  ada.byron: {{ id: '7', name: Ada Byron, family_name: Byron, manager: wei.chen, accounts: {{ 'corp#admin': adm-ada }} }}\n\
         roles:\n  dba: {{ account: admin, grants: [corp/both], members: [{{ person: ada.byron{admin} }}] }}\n\
         groups:\n  corp/both: {{ members: [ada.byron] }}\n"
    )
}

fn told(repo: &Repo, arguments: &[&str], code: i32) -> Value {
    serde_json::from_str(&repo.accord(&[arguments, &["--format", "json"]].concat()).exits(code).stdout).unwrap()
}

#[test]
fn what_one_account_still_holds_is_overdue_although_the_other_keeps_it() {
    let repo = Repo::company();
    repo.write("policies/more.yaml", &both(""));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    repo.write("policies/more.yaml", &both(", expires: 2026-09-30"));
    let ask = |arguments: &[&str]| {
        let told = told(&repo, &[&["expiring", "--overdue"], arguments].concat(), 3);
        assert_eq!(told["answerable"].as_array().unwrap().len(), 1, "{told}");
        told["answerable"][0]["endings"].clone()
    };
    let endings = ask(&[]);
    assert_eq!(endings[0]["what"], json!("corp/both with the account admin"));
    assert_eq!(endings[0]["ends"], json!("2026-09-30T22:00:00Z"));
    assert_eq!(endings.as_array().unwrap().len(), 1, "{endings}");
    // Also while the group still has its earlier name in the directory.
    repo.edit("policies/more.yaml", "corp/both: {", "corp/both: { name: each, previously: both,");
    assert_eq!(ask(&[]), endings);
    repo.edit("policies/more.yaml", " name: each, previously: both,", "");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(told(&repo, &["expiring", "--overdue"], 0)["answerable"], json!([]));
}

#[test]
fn by_what_runs_wrote_each_account_is_overdue_by_itself() {
    let repo = Repo::company();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    repo.write("policies/more.yaml", &both(&format!(", expires: {}", soon.strftime("%Y-%m-%dT%H:%M:%SZ"))));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    std::thread::sleep(std::time::Duration::from_secs(5));
    let told = told(&repo, &["expiring", "--overdue", "--offline"], 3);
    assert_eq!(told["answerable"][0]["endings"][0]["what"], json!("corp/both with the account admin"), "{told}");
}

#[test]
fn what_ends_next_is_told_by_account_and_once() {
    let repo = Repo::company();
    let next = |text: &str| {
        repo.write("policies/more.yaml", text);
        told(&repo, &["plan"], 0)["next"]["losses"]["ada.byron"].clone()
    };
    let one = both(", expires: 2196-06-30");
    assert_eq!(next(&one), json!(["corp/both with the account admin"]));
    let expiring = repo.accord(&["expiring", "--at", "2196-06-28"]).exits(0).quiet();
    assert!(expiring.contains("dba with the account admin "), "{expiring}");
    let all = one.replace("members: [ada.byron] }", "members: [{ person: ada.byron, expires: 2196-06-30 }] }");
    assert_eq!(next(&all), json!(["corp/both"]));
}

#[test]
fn a_second_account_is_made_ready_too_and_who_has_not_begun_does_not_leave() {
    let repo = Repo::company();
    repo.edit(
        "policies/accord.yaml",
        "for: everyone\n",
        "create_before: 5d\n      disable: { attribute: employeeType, disabled: gone }\n",
    );
    let begins = |day: &str| both("").replace("manager: wei.chen", &format!("manager: wei.chen, starts: {day}"));
    repo.write("policies/more.yaml", &begins("2196-12-10"));
    let expiring = repo.accord(&["expiring", "--at", "2196-12-01"]).exits(0).quiet();
    assert!(expiring.contains("account in corp, disabled until 2196-12-10 00:00"), "{expiring}");
    assert!(expiring.contains("account admin in corp, disabled until 2196-12-10 00:00"), "{expiring}");
    // Somebody begins later than was written when the account was made.
    repo.write("policies/more.yaml", &begins("2020-01-01"));
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    repo.write("policies/more.yaml", &begins("2196-12-10"));
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("Joining\n  + ada.byron  employee, begins 2196-12-10 00:00"), "{plan}");
    assert!(plan.contains("! corp          disable the account") && !plan.contains("Leaving"), "{plan}");
}

/// Where a tier of its own is administered, its accounts are apart and can be told by their name.
#[test]
fn second_accounts_have_their_own_base_and_texts() {
    let repo = Repo::company();
    repo.edit(
        "policies/accord.yaml",
        "      base: ou=people,dc=example,dc=com\n",
        "      bases:\n        - { account: admin, base: 'ou=admin,dc=example,dc=com' }\n        \
         - { where: person.name == 'Wei Chen', base: 'ou=board,dc=example,dc=com' }\n        \
         - { base: 'ou=people,dc=example,dc=com' }\n",
    );
    let texts = "cn: { template: '{name}', second: '{name} ({label})' }, mail: { template: '{email}', second: '' }, description: { template: 'tier {label}' },";
    repo.edit(
        "policies/accord.yaml",
        "{ cn: name, sn: family_name, mail: email }",
        &format!("{{ {texts} sn: family_name }}"),
    );
    repo.edit(
        "policies/people.yaml",
        "email: wei.chen@example.com",
        "email: wei.chen@example.com\n    accounts: { 'corp#admin': wei.chen-adm }",
    );
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let file = repo.read("directory.ldif");
    let entry = |dn: &str| {
        let entry = file.split("\n\n").find(|entry| entry.contains(&format!("dn: {dn}\n")));
        entry.unwrap_or_else(|| panic!("no {dn} in\n{file}")).to_owned()
    };
    let admin = entry("uid=wei.chen-adm,ou=admin,dc=example,dc=com");
    assert!(admin.contains("cn: Wei Chen (admin)\n") && admin.contains("description: tier admin\n"), "{admin}");
    assert!(!admin.contains("mail:"), "{admin}");
    let everyday = entry("uid=wei.chen,ou=board,dc=example,dc=com");
    assert!(everyday.contains("cn: Wei Chen\n") && everyday.contains("mail: wei.chen@example.com\n"), "{everyday}");
    assert!(!everyday.contains("description:"), "{everyday}");
    let _ = entry("uid=ana.silva,ou=people,dc=example,dc=com");
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));
    // The base follows the settings.
    repo.edit(
        "policies/accord.yaml",
        "{ account: admin, base",
        "{ account: admin, where: person.name == 'Ana Silva', base",
    );
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("move the account \"wei.chen-adm\" to \"ou=board,dc=example,dc=com\""), "{plan}");
}
