//! Accounts of machines: where they stand, who answers for them, and what follows when
//! nobody does.

use super::harness::Repo;

/// The company with a backup that somebody owns, who has a manager.
fn company(owner: &str, more: &str) -> Repo {
    let repo = Repo::company();
    repo.edit(
        "policies/accord.yaml",
        "      base: ou=people,dc=example,dc=com\n",
        "      bases:\n        - { where: person.kind == 'service', base: 'ou=service,dc=example,dc=com' }\n        \
         - { base: 'ou=people,dc=example,dc=com' }\n",
    );
    write(&repo, owner, more);
    repo
}

fn write(repo: &Repo, owner: &str, more: &str) {
    repo.write(
        "policies/services.yaml",
        &format!(
            "people:\n  backup: {{ id: '90', name: Backup, family_name: b, kind: service, owner: kim }}\n  \
             kim: {{ id: '91', name: Kim Ode, family_name: Ode, kind: employee, starts: 2020-01-01{owner} }}\n\
             groups:\n  corp/backups: {{ members: [{{ person: backup, expires: 2196-12-20 }}] }}\n{more}"
        ),
    );
}

const GRACE: &str = "constraints:\n  owned-services:\n    for: person.kind == 'service'\n    \
    sponsor_gone: { grace: 14d, then: disable }\n";

#[test]
fn a_service_account_stands_apart_and_its_owner_is_named() {
    let repo = company(", manager: wei.chen", "");
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("+ backup  service, owner kim "), "{plan}");
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    let file = repo.read("directory.ldif");
    assert!(file.contains("dn: uid=backup,ou=service,dc=example,dc=com\n"), "{file}");
    assert!(file.contains("dn: uid=kim,ou=people,dc=example,dc=com\n"), "{file}");
    let asked = ["expiring", "--at", "2196-12-15", "--within", "7d"];
    let told = repo.accord(&asked).exits(0).quiet();
    assert!(told.starts_with("kim\n  2196-12-21 00:00  backup                  corp/backups "), "{told}");
    // Who has left is followed by their manager.
    write(&repo, ", expires: 2026-06-30, manager: wei.chen", GRACE);
    let told = repo.accord(&asked).exits(0).quiet();
    assert!(told.starts_with("wei.chen\n  2196-12-21 00:00  backup "), "{told}");
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("1 account disabled") && !plan.contains("✗ backup"), "{plan}");
}

#[test]
fn a_service_account_that_nobody_owns_ends_after_the_grace() {
    let repo = company("", GRACE);
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    write(&repo, ", expires: 2026-06-30", GRACE);
    let plan = |at: &str| repo.accord(&["plan", "--at", at]).exits(0).stdout;
    let told = plan("2026-07-02");
    assert!(
        told.contains(
            "breaks owned-services: the owner of backup, kim, left, ended 2026-07-01 00:00, and nobody answers in \
         their place; the accounts are disabled 2026-07-15 00:00; name another owner, or let it end"
        ),
        "{told}"
    );
    assert!(!told.contains("✗ backup"), "{told}");
    let told = plan("2026-08-01");
    assert!(
        told.contains(
            "✗ backup  service, owner kim left and nobody answers 2026-07-01 00:00, grace of 14d ended 2026-07-15 00:00"
        ),
        "{told}"
    );
    let _ = repo.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(repo.accord(&["plan"]).exits(0).stdout.contains("\nnothing to do\n"));
    let file = repo.read("directory.ldif");
    let entry = file.split("\n\n").find(|entry| entry.contains("dn: uid=backup,")).unwrap();
    assert!(entry.contains("pwdAccountLockedTime") || entry.contains("employeeType"), "{entry}");
    // Another owner, and it runs again.
    repo.edit("policies/services.yaml", "owner: kim", "owner: wei.chen");
    let plan = repo.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("enable the account") && plan.contains("service, owner wei.chen"), "{plan}");
}
