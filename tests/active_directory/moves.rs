//! Accounts that go from one base to another in a domain.

use super::{done, observe, people, plan, settings, start, write_as};
use crate::support::ldap::{policy, words};
use crate::support::samba::{ADMINISTRATOR, BASE, Samba};
use accord::plan::Memory;
use accord::policy::Policy;
use serde_json::json;

fn lab() -> String {
    format!("OU=lab,{BASE}")
}

struct Case {
    dc: Samba,
    settings: serde_json::Value,
}

impl Case {
    fn new() -> Self {
        let dc = start();
        dc.tools().modify(&format!("dn: {}\nchangetype: add\nobjectClass: organizationalUnit\n\n", lab()));
        let mut settings = settings(&dc);
        let accounts = settings["accounts"].as_object_mut().unwrap();
        accounts.remove("base");
        let rule = "person.site == \"lab\"";
        accounts.insert("bases".to_owned(), json!([{ "where": rule, "base": lab() }, { "base": people() }]));
        accounts.insert("for".to_owned(), "everyone".into());
        accounts.insert("attributes".to_owned(), json!({ "manager": { "account": "manager" } }));
        settings["leavers"] = json!({ "then": "delete", "delete_after": "1d" });
        Self { dc, settings }
    }

    fn policy(&self, people: &[(&str, &str, &str)]) -> Policy {
        let mut written = self.settings.clone();
        written["ca"] = json!("ca.pem");
        let line =
            |(key, id, rest): &(&str, &str, &str)| format!("  {key}: {{ id: \"{id}\", kind: employee, {rest} }}\n");
        let text: String = people.iter().map(line).collect();
        let mut policy = policy(&written, &format!("people:\n{text}"));
        policy.directories[0].settings.ca = Some(self.dc.ca().display().to_string());
        policy
    }

    /// Plans and carries out; what was done, in words.
    fn run(&self, policy: &Policy) -> Vec<String> {
        let planned = plan(policy, &Memory::default());
        done(&write_as(&self.settings, &planned.changes, None, ADMINISTRATOR.1));
        assert_eq!(words(&plan(policy, &Memory::default())), [""; 0]);
        words(&planned)
    }

    fn value(&self, name: &str, attribute: &str) -> Vec<String> {
        let found = self.dc.tools().search(BASE, &format!("(sAMAccountName={name})"), &[attribute]);
        let prefix = format!("{attribute}: ");
        found.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn dn(&self, name: &str) -> String {
        self.value(name, "dn").pop().unwrap().to_lowercase()
    }
}

#[test]
fn accounts_for_administration_stand_in_a_unit_of_their_own() {
    let mut case = Case::new();
    let admins = format!("OU=Admin,{BASE}");
    case.dc.tools().modify(&format!("dn: {admins}\nchangetype: add\nobjectClass: organizationalUnit\n\n"));
    let bases = json!([{ "account": "admin", "base": admins }, { "base": people() }]);
    case.settings["accounts"]["bases"] = bases.clone();
    let names = json!({ "template": "{name}", "second": "{name} ({label})" });
    case.settings["accounts"]["attributes"] = json!({ "displayName": names });
    let wei = "name: Wei Chen, attributes: { site: lab }, accounts: { \"corp#admin\": wei.chen-adm }";
    let made = case.run(&case.policy(&[("wei.chen", "1", wei)]));
    assert!(made.contains(&"create-account wei.chen-adm".to_owned()), "{made:?}");
    // Two accounts of one person, told apart by place and by name.
    assert_eq!(case.dn("wei.chen-adm"), format!("cn=wei chen (admin),{}", admins.to_lowercase()));
    assert_eq!(case.dn("wei.chen"), format!("cn=wei chen,{}", people().to_lowercase()));
    assert_eq!(case.value("wei.chen-adm", "employeeID"), ["1"]);
    // Moved by hand it comes back; without a unit of its own it goes where everybody is.
    case.dc.tools().modify(&format!(
        "dn: {}\nchangetype: modrdn\nnewrdn: CN=Wei Chen (admin)\ndeleteoldrdn: 1\nnewsuperior: {}\n\n",
        case.dn("wei.chen-adm"),
        people()
    ));
    assert_eq!(case.run(&case.policy(&[("wei.chen", "1", wei)])), ["rename-account wei.chen-adm"]);
    assert!(case.dn("wei.chen-adm").ends_with(&admins.to_lowercase()));
    // Who leaves loses both.
    let mut gone = case.run(&case.policy(&[("wei.chen", "1", &format!("expires: 2026-01-31, {wei}"))]));
    gone.retain(|words| words.starts_with("disable"));
    assert_eq!(gone, ["disable-account wei.chen", "disable-account wei.chen-adm"]);
}

const OFFICE: &str = "attributes: { site: office }";
const LAB: &str = "attributes: { site: lab }";

#[test]
fn a_manager_who_moves_stays_everybodys_manager() {
    let case = Case::new();
    let li = "manager: wei, attributes: { site: office }";
    case.run(&case.policy(&[("wei", "1", OFFICE), ("li", "2", li)]));
    assert!(case.dn("wei").ends_with(&format!(",{}", people().to_lowercase())));
    assert_eq!(case.run(&case.policy(&[("wei", "1", LAB), ("li", "2", li)])), ["rename-account wei"]);
    assert!(case.dn("wei").ends_with(&format!(",{}", lab().to_lowercase())));
    assert_eq!(case.value("li", "manager").pop().unwrap().to_lowercase(), case.dn("wei"));
}

#[test]
fn an_account_in_the_recycle_bin_is_neither_found_nor_in_the_way() {
    let case = Case::new();
    case.run(&case.policy(&[("wei", "1", LAB)]));
    let gone = case.dn("wei");
    case.dc.tools().modify(&format!("dn: {gone}\nchangetype: delete\n\n"));
    // A namesake: the deleted one of the same name and of another id is nobody's.
    assert_eq!(case.run(&case.policy(&[("wei", "3", OFFICE)])), ["create-account wei", "enable-account wei"]);
    assert_eq!(case.run(&case.policy(&[("wei", "3", LAB)])), ["rename-account wei"]);
    assert_eq!(case.dn("wei"), gone);
}

#[test]
fn what_the_domain_protects_is_not_moved() {
    let case = Case::new();
    case.run(&case.policy(&[("wei", "1", OFFICE)]));
    let dn = case.dn("wei");
    case.dc.tools().modify(&format!("dn: {dn}\nchangetype: modify\nreplace: adminCount\nadminCount: 1\n\n"));
    let policy = case.policy(&[("wei", "1", LAB)]);
    let planned = plan(&policy, &Memory::default());
    assert_eq!(words(&planned), [""; 0]);
    let note = planned.notes.iter().find(|note| note.code == "protected").expect("it is said");
    assert!(note.text.contains("it is not moved"), "{}", note.text);
    assert_eq!(case.dn("wei"), dn);
}

#[test]
fn two_accounts_of_one_display_name_never_take_each_others_place() {
    let case = Case::new();
    case.run(&case.policy(&[("wei", "1", OFFICE)]));
    // Somebody else's entry of the same `cn` stands where the account is to go.
    case.dc.tools().modify(&format!("dn: CN=wei,{}\nchangetype: add\nobjectClass: contact\n\n", lab()));
    let policy = case.policy(&[("wei", "1", LAB)]);
    let planned = plan(&policy, &Memory::default());
    let answers = write_as(&case.settings, &planned.changes, None, ADMINISTRATOR.1);
    assert!(
        matches!(&answers[..], [accord::provider::Answer::Conflict { why }] if why.contains("already")),
        "{answers:?}"
    );
    assert_eq!(observe(&policy).1.gaps, []);
    assert!(case.dn("wei").contains(&people().to_lowercase()));
}
