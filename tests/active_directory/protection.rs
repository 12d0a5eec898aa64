//! What a domain keeps for itself is left alone, and said.

use super::{groups, observe, people, plan, settings, start, why, write};
use crate::support::ldap::{change, policy, words};
use crate::support::samba::{BASE, Samba};
use accord::model::change::{Action, Object};
use accord::plan::Memory;
use accord::provider::Answer;
use serde_json::json;

#[test]
fn the_domains_own_accounts_and_groups_are_refused_with_a_reason() {
    let dc = start();
    let mut settings = settings(&dc);
    settings["accounts"]["base"] = json!(BASE);
    settings["accounts"]["attributes"] = json!({});
    settings["accounts"]["adopt"] = json!(true);
    settings["groups"]["base"] = json!(BASE);
    settings["ca"] = json!("ca.pem");
    let mut policy = policy(
        &settings,
        "people:\n  administrator: { kind: employee, expires: 2026-01-31 }\n  ada: { kind: employee }\n\
         groups:\n  corp/Domain Admins: { members: [ada] }\n  corp/staff: { members: [ada] }\n",
    );
    policy.directories[0].settings.ca = Some(dc.ca().display().to_string());
    // A computer, somebody of another domain, and one whose primary group this is.
    dc.tools().modify(&format!(
        "dn: CN=ada,{people}\nchangetype: add\nobjectClass: user\nsAMAccountName: ada\nuserAccountControl: 512\n\n\
         dn: CN=eve,{people}\nchangetype: add\nobjectClass: user\nsAMAccountName: eve\nuserAccountControl: 512\n\n\
         dn: CN=pc1,CN=Computers,{BASE}\nchangetype: add\nobjectClass: computer\nsAMAccountName: pc1$\n\
         userAccountControl: 4096\n\n\
         dn: CN=staff,{groups}\nchangetype: add\nobjectClass: group\nsAMAccountName: staff\n\
         member: CN=pc1,CN=Computers,{BASE}\nmember: CN=eve,{people}\n\n",
        people = people(),
        groups = groups(),
    ));
    let reading = observe(&policy).1;
    let why = |name: &str| {
        let of =
            |p: &&accord::provider::Protected| p.object.group.as_deref().or(p.object.account.as_deref()) == Some(name);
        reading.protected.iter().find(of).map(|protected| protected.why.clone())
    };
    assert_eq!(why("Administrator").unwrap(), "every domain has it (RID 500)");
    assert_eq!(why("Domain Admins").unwrap(), "every domain has it (RID 512)");
    assert_eq!(why("Administrators").unwrap(), "it is built into Windows");
    assert_eq!(why("ada"), None);

    let plan = plan(&policy, &Memory::default());
    assert_eq!(words(&plan), ["grant staff ada", "revoke staff eve"]);
    let note = |object: &str| {
        let notes = plan.notes.iter().filter(|note| note.code == "protected" && note.object.as_deref() == Some(object));
        notes.map(|note| note.text.as_str()).collect::<Vec<_>>().join("; ")
    };
    assert!(
        note("Administrator").contains("protected by the directory (every domain has it (RID 500))"),
        "{:?}",
        plan.notes
    );
    assert!(note("Domain Admins").contains("RID 512"), "{:?}", plan.notes);
    assert_eq!(note("staff"), format!("left alone: CN=pc1,CN=Computers,{BASE} (a computer)"));
}

/// An account whose primary group is `staff`: both DNs, and the group's relative identifier.
fn primary(dc: &Samba) -> (String, String, String) {
    let (ada, staff) = (format!("CN=ada,{}", people()), format!("CN=staff,{}", groups()));
    dc.tools().modify(&format!(
        "dn: {ada}\nchangetype: add\nobjectClass: user\nsAMAccountName: ada\nuserAccountControl: 512\n\n\
         dn: {staff}\nchangetype: add\nobjectClass: group\nsAMAccountName: staff\nmember: {ada}\n\n"
    ));
    let sid = dc.samba_tool(&["group", "show", "staff", "--attributes=objectSid"]);
    let rid = sid.lines().find_map(|line| line.strip_prefix("objectSid: ")?.rsplit('-').next()).unwrap().to_owned();
    dc.tools().modify(&format!("dn: {ada}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {rid}\n"));
    (ada, staff, rid)
}

#[test]
fn a_primary_group_counts_and_cannot_be_revoked() {
    let dc = start();
    let mut settings = settings(&dc);
    settings["accounts"]["attributes"] = json!({});
    settings["accounts"]["adopt"] = json!(true);
    settings["ca"] = json!("ca.pem");
    let access = |members: &str| {
        let text = format!("people:\n  ada: {{ kind: employee }}\ngroups:\n  corp/staff: {{ members: [{members}] }}\n");
        let mut policy = policy(&settings, &text);
        policy.directories[0].settings.ca = Some(dc.ca().display().to_string());
        policy
    };
    let (_, staff, _) = primary(&dc);
    assert_eq!(dc.tools().values(&staff, "member").len(), 0);
    // Held, though no `member` says so.
    assert_eq!(words(&plan(&access("ada"), &Memory::default())), [""; 0]);
    let revoked = plan(&access(""), &Memory::default());
    assert_eq!(words(&revoked), [""; 0]);
    let told = revoked.notes.iter().any(|note| note.text == "left alone: ada (it is the account's primary group)");
    assert!(told, "{:?}", revoked.notes);
}

/// Neither is a value of `member`, whatever somebody plans between two reads.
#[test]
fn a_primary_group_is_not_granted_or_revoked_as_a_value() {
    let dc = start();
    let settings = settings(&dc);
    let (ada, staff, rid) = primary(&dc);
    let of = |action: Action| change(action, Object::membership("staff", "ada"), None, None);
    let answers = write(&settings, &[of(Action::Revoke), of(Action::Grant)], None);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Conflict { .. })), "{answers:#?}");
    assert!(why(&answers[1]).contains("primaryGroupID"), "{answers:#?}");
    assert_eq!(dc.tools().values(&ada, "primaryGroupID"), [rid]);
    assert_eq!(dc.tools().values(&staff, "member").len(), 0);
}
