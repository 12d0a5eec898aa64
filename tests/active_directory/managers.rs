//! `manager` is the DN of the manager's account, on a domain and on OpenLDAP.

use super::{observe, people, settings, start, write};
use crate::support::ldap::{policy, words};
use crate::support::slapd::{self, Slapd};
use accord::model::Instant;
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark, derive::derive};
use accord::policy::{DirectoryId, Policy};
use accord::provider::Answer;
use serde_json::{Value, json};
use std::path::Path;

/// Wei is the manager of Maria, who is that of Li, who is not yet there.
fn organisation(maria: &str, li_manager: &str) -> String {
    format!(
        "people:\n  wei: {{ id: \"1\", kind: employee, name: Wei, family_name: Chen }}\n  \
         maria: {{ id: \"2\", kind: employee, name: Maria, family_name: Lopez, manager: wei{maria} }}\n  \
         li: {{ id: \"3\", kind: employee, name: Li, family_name: Na, manager: {li_manager} }}\n"
    )
}

fn load(settings: &Value, ca: &Path, text: &str) -> Policy {
    let mut written = settings.clone();
    written["ca"] = json!("ca.pem");
    let mut policy = policy(&written, text);
    policy.directories[0].settings.ca = Some(ca.display().to_string());
    policy
}

/// Plans, writes in the plan's order, and plans again: nothing.
fn converge(policy: &Policy, settings: &Value, password: &str) -> Vec<String> {
    let first = plan(policy, password);
    let answers = super::write_as(settings, &first.changes, None, password);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Done { .. })), "{answers:#?}");
    let mut again = plan(policy, password);
    for _ in 0..30 {
        if again.changes.is_empty() {
            break;
        }
        // OpenLDAP mends references to a renamed entry in the background.
        std::thread::sleep(std::time::Duration::from_millis(100));
        again = plan(policy, password);
    }
    assert_eq!(words(&again), [""; 0], "{:#?}", again.changes);
    words(&first)
}

fn plan(policy: &Policy, password: &str) -> Plan {
    let (kind, observed) = super::observe_as(policy, password);
    assert_eq!(observed.gaps, []);
    derive(&Inputs {
        policy,
        mark: &PolicyMark::default(),
        directories: &[DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }],
        memory: &Memory::default(),
        at: Instant::try_from("2026-03-02T09:00:00Z".to_owned()).unwrap(),
        read_only: false,
        filter: &Filter::default(),
    })
}

fn tell(settings: &Value, ca: &Path, password: &str, manager_of: impl Fn(&str) -> Vec<String>) {
    let at_first = load(settings, ca, &organisation("", "maria"));
    let changes = plan(&at_first, password).changes;
    let place = |name: &str| {
        changes.iter().position(|c| c.action.word() == "create-account" && c.object.account.as_deref() == Some(name))
    };
    assert!(place("wei") < place("maria") && place("maria") < place("li"), "managers come first");
    converge(&at_first, settings, password);
    assert!(manager_of("maria")[0].to_lowercase().contains("wei"), "{:?}", manager_of("maria"));
    assert!(manager_of("li")[0].to_lowercase().contains("maria"), "{:?}", manager_of("li"));
    // Another manager, told by name.
    let moved = load(settings, ca, &organisation("", "wei"));
    let change = plan(&moved, password).changes.remove(0);
    assert_eq!(
        (change.before.unwrap()["manager"].clone(), change.after.unwrap()["manager"].clone()),
        (vec!["maria".to_owned()], vec!["wei".to_owned()])
    );
    assert_eq!(converge(&moved, settings, password), ["update-account li"]);
    assert!(manager_of("li")[0].to_lowercase().contains("wei"), "{:?}", manager_of("li"));
    // A manager who is renamed takes her people along.
    converge(&load(settings, ca, &organisation("", "maria")), settings, password);
    let renamed = load(settings, ca, &organisation(", accounts: { corp: maria2 }, adopt: true", "maria"));
    assert_eq!(converge(&renamed, settings, password), ["rename-account maria"]);
}

#[test]
fn a_domain_keeps_managers_by_their_account() {
    let dc = start();
    let mut settings = settings(&dc);
    settings["accounts"]["for"] = json!("everyone");
    settings["accounts"]["attributes"] = json!({ "displayName": "name", "manager": { "account": "manager" } });
    let manager_of = |name: &str| {
        let text = dc.tools().search(&people(), &format!("(sAMAccountName={name})"), &["manager"]);
        text.lines().filter_map(|line| line.strip_prefix("manager: ")).map(str::to_owned).collect()
    };
    tell(&settings, &dc.ca(), crate::support::samba::ADMINISTRATOR.1, manager_of);
}

#[test]
fn openldap_keeps_managers_by_their_account() {
    let server = Slapd::start(&slapd::Options::default());
    let mut settings = crate::support::ldap::settings(&server, &server.url());
    settings["plan_bind"] = settings["bind"].clone();
    settings["accounts"]["for"] = json!("everyone");
    settings["accounts"]["attributes"] =
        json!({ "cn": "name", "sn": "family_name", "manager": { "account": "manager" } });
    let manager_of = |name: &str| server.values(&format!("uid={name},{}", slapd::PEOPLE), "manager");
    tell(&settings, server.ca(), slapd::WRITER.1, manager_of);
}

#[test]
fn a_manager_whom_accord_does_not_know_is_shown_by_the_dn() {
    let dc = start();
    let mut settings = settings(&dc);
    settings["accounts"]["attributes"] = json!({ "manager": { "account": "manager" } });
    let policy = load(&settings, &dc.ca(), "people:\n  ada: { kind: employee }\n");
    let boss = crate::support::samba::ADMINISTRATOR_DN;
    dc.tools().modify(&format!(
        "dn: CN=ada,{}\nchangetype: add\nobjectClass: user\nsAMAccountName: ada\nmanager: {boss}\n\n",
        people()
    ));
    let observed = observe(&policy).1;
    let ada = observed.state.account_named("ada").unwrap();
    assert_eq!(ada.values(0).collect::<Vec<_>>(), [boss]);
    assert!(write(&settings, &[], None).is_empty());
}
