//! What is special about Active Directory, on a real Samba domain controller, looked
//! at with OpenLDAP's tools and real binds.

mod authors;
mod command;
mod faults;
mod groups;
mod links;
mod managers;
mod moves;
mod nesting;
mod protection;
mod rights;
mod strict;

use crate::support::ldap::{block_on, change, connection, directory, policy, side, words};
use crate::support::samba::{ADMINISTRATOR, BASE, Samba};
use crate::support::slapd::{ADMIN, Slapd};
use accord::model::change::{Action, Change, Object, Side};
use accord::model::{Enabled, Instant};
use accord::plan::{AccountMemory, DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark, derive::derive, matched};
use accord::policy::{DirectoryId, Policy};
use accord::provider::observe::{Checks, Job, gather};
use accord::provider::{
    Answer, Credentials, Kind, Observed, ProviderError, Purpose, Reader, Reading, Scope, Step, Target, Writer, connect,
    ldap,
};
use serde_json::{Value, json};
use std::path::PathBuf;

fn people() -> String {
    format!("OU=people,{BASE}")
}

fn groups() -> String {
    format!("OU=groups,{BASE}")
}

/// A domain with two organisational units.
fn start() -> Samba {
    start_with("")
}

/// With further lines in smb.conf.
fn start_with(global: &str) -> Samba {
    let dc = Samba::start_with(global);
    let unit = |dn: &str| format!("dn: {dn}\nchangetype: add\nobjectClass: organizationalUnit\n\n");
    dc.tools().modify(&(unit(&people()) + &unit(&groups())));
    dc
}

fn settings(dc: &Samba) -> Value {
    json!({
        "kind": "active-directory", "url": dc.url(), "ca": dc.ca(),
        "bind": { "dn": ADMINISTRATOR.0, "password": { "env": "W" } },
        "accounts": { "base": people(), "attributes": { "displayName": "name", "mail": "email" } },
        "groups": { "base": groups() },
    })
}

/// What the planner reads.
fn read(settings: &Value) -> Result<Reading, ProviderError> {
    let scope = ldap::kind(&directory(settings)).unwrap().scope();
    read_as(settings, &scope)
}

fn read_as(settings: &Value, scope: &Scope) -> Result<Reading, ProviderError> {
    block_on(async { connection(settings, Purpose::Plan, ADMINISTRATOR.1)?.read(scope, None).await })
}

/// Writes one change after another, each with the handle that its object has by then.
fn write(settings: &Value, changes: &[Change], first_password: Option<&str>) -> Vec<Answer> {
    write_as(settings, changes, first_password, ADMINISTRATOR.1)
}

fn write_as(settings: &Value, changes: &[Change], first_password: Option<&str>, password: &str) -> Vec<Answer> {
    let directory = directory(settings);
    let credentials = Credentials {
        password: Some(password.to_owned().into()),
        initial_password: first_password.map(|word| word.to_owned().into()),
        client_key: None,
        root: PathBuf::from("/"),
    };
    let scope = ldap::kind(&directory).unwrap().scope();
    block_on(async {
        let mut writer =
            ldap::Directory::new(&Target { directory: &directory, credentials, purpose: Purpose::Apply }).unwrap();
        let mut answers = Vec::new();
        for change in changes {
            let state = writer.read(&scope, None).await.unwrap().upserts;
            let account = change.object.account.as_deref().and_then(|name| state.account_named(name));
            let group = change.object.group.as_deref().and_then(|name| state.group_named(name));
            let account = account.map(|account| account.handle().to_owned());
            let step = match group {
                Some(group) => {
                    Step { change, handle: Some(group.handle().to_owned()), member: account, placeholder: None }
                }
                None => Step { change, handle: account, member: None, placeholder: None },
            };
            answers.extend(writer.write(&[step]).await);
        }
        answers
    })
}

fn create(name: &str, values: &[(&str, &str)]) -> Change {
    let mut after = side(values).unwrap();
    after.insert("name".to_owned(), vec![name.to_owned()]);
    after.insert("enabled".to_owned(), vec!["false".to_owned()]);
    change(Action::CreateAccount, Object::account(name), None, Some(after))
}

fn status(name: &str, enable: bool) -> Change {
    let enabled = |yes: bool| Some(Side::from([("enabled".to_owned(), vec![yes.to_string()])]));
    let action = if enable { Action::EnableAccount } else { Action::DisableAccount };
    change(action, Object::account(name), enabled(!enable), enabled(enable))
}

fn group_of(group: &str, name: &str) -> Change {
    change(Action::Grant, Object::membership(group, name), None, None)
}

fn done(answers: &[Answer]) {
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Done { .. })), "{answers:#?}");
}

fn why(answer: &Answer) -> &str {
    match answer {
        Answer::Refused { why } | Answer::Conflict { why } | Answer::Broken { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_is_made_without_a_password_disabled_and_only_one_bit_ever_changes() {
    let dc = start();
    let settings = settings(&dc);
    let dn = format!("CN=Ada Lovelace,{}", people());
    let answers = write(&settings, &[create("ada", &[("displayName", "Ada Lovelace"), ("employeeID", "77")])], None);
    assert_eq!(answers, [Answer::Done { handle: Some(dn.clone().replace("CN=", "cn=")) }]);
    let value = |attribute: &str| dc.tools().values(&dn, attribute);
    assert_eq!(value("userAccountControl"), ["514"]);
    assert_eq!(value("sAMAccountName"), ["ada"]);
    // Somebody says that the password never expires, and that a smart card is needed.
    let bits = format!("dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 328194\n");
    dc.tools().modify(&bits);
    done(&write(&settings, &[status("ada", true)], None));
    assert_eq!(value("userAccountControl"), ["328192"]);
    done(&write(&settings, &[status("ada", false)], None));
    assert_eq!(value("userAccountControl"), ["328194"]);
    // Planned against what no longer holds.
    let again = write(&settings, &[status("ada", false)], None);
    assert!(matches!(again[..], [Answer::Conflict { .. }]), "{again:?}");
    assert_eq!(value("userAccountControl"), ["328194"]);

    let reading = read(&settings).unwrap();
    assert_eq!(reading.gaps, []);
    let ada = reading.upserts.account_named("ADA").unwrap();
    assert_eq!((ada.enabled(), ada.person_id(), ada.ends()), (Enabled::No, Some("77"), None));
    let guid = ada.object_id().unwrap().to_owned();
    assert_eq!(dc.tools().values(&format!("<GUID={guid}>"), "sAMAccountName"), ["ada"]);
    assert!(
        reading
            .evidence
            .iter()
            .any(|text| text.starts_with("highestCommittedUSN ") && text.ends_with("unchanged on dc1.example.com")),
        "{:?}",
        reading.evidence
    );
}

#[test]
fn the_directory_itself_ends_an_account_whose_end_has_passed() {
    let dc = start();
    let settings = settings(&dc);
    let word = "Long-Enough-1!";
    let with = |name: &str, end: &str| create(name, &[("ends", end)]);
    let mut steps = vec![with("past", "2026-01-31T23:00:00Z"), with("future", "2999-01-31T23:00:00Z")];
    steps.extend([status("past", true), status("future", true)]);
    done(&write(&settings, &steps, Some(word)));
    let dn = |name: &str| format!("CN={name},{}", people());
    assert_eq!(dc.tools().values(&dn("past"), "accountExpires"), ["134143740000000000"]);
    // The first password lasts until the first log-in: somebody sets one.
    for name in ["past", "future"] {
        assert_eq!(dc.tools().values(&dn(name), "pwdLastSet"), ["0"]);
        dc.tools().modify(&format!("dn: {}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: -1\n", dn(name)));
    }
    assert!(dc.can_bind(&dn("future"), word));
    assert!(!dc.can_bind(&dn("past"), word));
    // The bind says why, in plain words.
    let mut as_past = settings.clone();
    as_past["bind"]["dn"] = json!(dn("past"));
    let scope = Scope::default();
    let error = block_on(async { connection(&as_past, Purpose::Plan, word).unwrap().read(&scope, None).await });
    let message = error.unwrap_err().message;
    assert!(message.contains("data 701") && message.ends_with("; the account has expired"), "{message}");

    let ends = |text: &str| side(&[("ends", text)]);
    let longer = change(
        Action::UpdateAccount,
        Object::account("past"),
        ends("2026-01-31T23:00:00Z"),
        ends("2998-01-01T00:00:00Z"),
    );
    done(&write(&settings, std::slice::from_ref(&longer), None));
    assert!(dc.can_bind(&dn("past"), word));
    let again = write(&settings, &[longer], None);
    assert!(matches!(&again[0], Answer::Conflict { why } if why.contains("meanwhile")), "{again:?}");
    let never = change(Action::UpdateAccount, Object::account("past"), ends("2998-01-01T00:00:00Z"), Some(Side::new()));
    done(&write(&settings, &[never], None));
    assert_eq!(dc.tools().values(&dn("past"), "accountExpires"), ["9223372036854775807"]);
    let reading = read(&settings).unwrap();
    assert_eq!(reading.upserts.account_named("past").unwrap().ends(), None);
    assert_eq!(reading.upserts.account_named("future").unwrap().ends().unwrap().to_string(), "2999-01-31T23:00:00Z");
}

#[test]
fn what_the_domain_refuses_is_said_in_plain_words_and_leaves_nothing_behind() {
    let dc = start();
    let settings = settings(&dc);
    // What comes after a refused change goes on.
    let after = change(Action::CreateGroup, Object::group("after"), None, side(&[("description", "later")]));
    let refused = write(&settings, &[create("weak", &[]), after], Some("ab"));
    done(&refused[1..]);
    let text = why(&refused[0]);
    assert!(text.contains("0000052D") && text.contains("the password policy of the domain"), "{text}");
    assert!(!dc.tools().search(BASE, "(sAMAccountName=weak)", &["cn"]).contains("dn:"));
    // The name is taken outside the base, where accord does not look.
    let taken = write(&settings, &[create("krbtgt", &[])], None);
    assert!(why(&taken[0]).contains("somewhere in the domain"), "{taken:?}");
    // A display name that somebody else has is no reason: the account name is used.
    let twins = [create("wei1", &[("displayName", "Wei Chen")]), create("wei2", &[("displayName", "Wei Chen")])];
    let answers = write(&settings, &twins, None);
    done(&answers);
    assert_eq!(dc.tools().values(&format!("CN=wei2,{}", people()), "displayName"), ["Wei Chen"]);
    // Values are checked one by one: what somebody added meanwhile stops only itself.
    let group = change(Action::CreateGroup, Object::group("g"), None, side(&[("description", "all")]));
    done(&write(&settings, &[group], None));
    let dn = format!("CN=g,{}", groups());
    assert_eq!(dc.tools().values(&dn, "groupType"), ["-2147483646"]);
    assert_eq!(dc.tools().values(&dn, "member").len(), 0);
    dc.tools().modify(&format!("dn: {dn}\nchangetype: modify\nadd: member\nmember: CN=wei2,{}\n", people()));
    let grant = |name: &str| change(Action::Grant, Object::membership("g", name), None, None);
    let revoke = |name: &str| change(Action::Revoke, Object::membership("g", name), None, None);
    let batch = [grant("wei1"), grant("wei2")];
    let members = [format!("CN=Wei Chen,{}", people()), format!("CN=wei2,{}", people())];
    let answers = block_on(async {
        let writer = connection(&settings, Purpose::Apply, ADMINISTRATOR.1).unwrap();
        let steps: Vec<Step<'_>> = batch
            .iter()
            .zip(&members)
            .map(|(change, member)| Step {
                change,
                handle: Some(dn.clone()),
                member: Some(member.clone()),
                placeholder: None,
            })
            .collect();
        writer.write(&steps).await
    });
    assert!(matches!(answers[..], [Answer::Done { .. }, Answer::Conflict { .. }]), "{answers:?}");
    assert!(why(&answers[1]).starts_with("somebody added it meanwhile"), "{answers:?}");
    let answers = write(&settings, &[revoke("wei1"), revoke("wei1")], None);
    assert!(why(&answers[1]).starts_with("somebody removed it meanwhile"), "{answers:?}");
    assert_eq!(dc.tools().values(&dn, "member"), [format!("CN=wei2,{}", people())]);
}

#[test]
fn a_base_that_the_domain_does_not_hold_and_a_server_that_is_none_are_errors_before_any_change() {
    let dc = start();
    let mut outside = settings(&dc);
    outside["groups"]["base"] = json!("OU=groups,DC=other,DC=test");
    let error = read(&outside).unwrap_err();
    assert_eq!(error.operation, "groups.base");
    assert!(error.message.contains("in none of the naming contexts"), "{error}");
    assert!(error.help.iter().any(|help| help.contains(BASE)), "{error:?}");
    let refused = write_blind(&outside, &create("nobody", &[]));
    assert!(matches!(&refused, Answer::Broken { why } if why.contains("naming contexts")), "{refused:?}");
    // The whole domain as the base: its own partitions are no rest, and hide nothing.
    let mut whole = settings(&dc);
    whole["accounts"]["base"] = json!(BASE);
    whole["groups"]["base"] = json!(BASE);
    let reading = read(&whole).unwrap();
    assert_eq!(reading.gaps, []);
    assert!(reading.upserts.account_named("Administrator").is_some());
    assert!(reading.upserts.group_named("Domain Admins").is_some());

    let slapd = Slapd::start(&crate::support::slapd::Options::default());
    let mut other = settings(&dc);
    (other["url"], other["ca"]) = (json!(slapd.url()), json!(slapd.ca()));
    other["bind"]["dn"] = json!(ADMIN.0);
    let scope = Scope::default();
    let error = block_on(async { connection(&other, Purpose::Plan, ADMIN.1).unwrap().read(&scope, None).await });
    let error = error.unwrap_err();
    assert!(error.message.contains("no domain controller of Active Directory"), "{error}");
    assert!(error.help[0].contains("`kind: ldap`"), "{error:?}");
}

/// Without reading first.
fn write_blind(settings: &Value, change: &Change) -> Answer {
    block_on(async {
        let writer = connection(settings, Purpose::Apply, ADMINISTRATOR.1).unwrap();
        writer.write(&[Step { change, handle: None, member: None, placeholder: None }]).await.remove(0)
    })
}

/// What is seen of the directory of `policy`.
fn observe(policy: &Policy) -> (Box<dyn Kind>, Observed) {
    observe_as(policy, ADMINISTRATOR.1)
}

fn observe_as(policy: &Policy, password: &str) -> (Box<dyn Kind>, Observed) {
    let directory = &policy.directories[0];
    let kind = connect::kind(directory).unwrap();
    let credentials = Credentials {
        password: Some(password.to_owned().into()),
        initial_password: None,
        client_key: None,
        root: PathBuf::from("/"),
    };
    let mut reader = connect::reader(&Target { directory, credentials, purpose: Purpose::Plan }).unwrap();
    let checks = Checks::new(&directory.settings, None);
    let job = Job { reader: Ok(reader.as_mut()), scope: kind.scope(), checks };
    let observed = block_on(gather(vec![job])).remove(0);
    (kind, observed)
}

fn plan(policy: &Policy, memory: &Memory) -> Plan {
    let (kind, observed) = observe(policy);
    assert_eq!(observed.gaps, []);
    derive(&Inputs {
        policy,
        mark: &PolicyMark { digest: policy.digest.clone(), ..PolicyMark::default() },
        directories: &[DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }],
        memory,
        at: Instant::try_from("2026-03-02T09:00:00Z".to_owned()).unwrap(),
        read_only: false,
        filter: &Filter::default(),
    })
}

#[test]
fn an_account_renamed_and_moved_by_hand_is_still_the_persons_and_one_made_anew_is_not() {
    let dc = start();
    let mut settings = settings(&dc);
    settings["accounts"]["for"] = json!("everyone");
    settings["accounts"]["attributes"] = json!({});
    settings["ca"] = json!("ca.pem");
    let mut policy = policy(&settings, "people:\n  ada: { kind: employee }\n");
    policy.directories[0].settings.ca = Some(dc.ca().display().to_string());
    assert_eq!(words(&plan(&policy, &Memory::default())), ["create-account ada", "enable-account ada"]);
    let add = |name: &str| {
        format!(
            "dn: CN={name},{}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\nuserAccountControl: 512\n\n",
            people()
        )
    };
    dc.tools().modify(&add("ada"));
    // The journal knows that accord made it for her, and now learns which it is.
    let key = ("corp".to_owned(), "ada".to_owned());
    let made = AccountMemory { person: Some("ada".to_owned()), ..AccountMemory::default() };
    let mut memory = Memory { accounts: [(key.clone(), made)].into(), ..Memory::default() };
    let (kind, observed) = observe(&policy);
    let inputs = [DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }];
    let seen = matched(&policy, &inputs, &memory).remove("corp").unwrap();
    assert_eq!((seen[0].account.as_str(), seen[0].person.as_str(), seen.len()), ("ada", "ada", 1));
    let known = memory.accounts.get_mut(&key).unwrap();
    (known.object, known.label) = (seen[0].object.clone(), seen[0].label.clone());
    assert_eq!(known.label.as_deref(), Some(""), "it is her everyday one");
    assert!(seen[0].object.is_some() && matched(&policy, &inputs, &memory).is_empty());
    assert_eq!(words(&plan(&policy, &memory)), [""; 0]);

    dc.tools().modify(&format!(
        "dn: OU=old,{0}\nchangetype: add\nobjectClass: organizationalUnit\n\n\
         dn: CN=ada,{0}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: countess\n\n\
         dn: CN=ada,{0}\nchangetype: modrdn\nnewrdn: CN=countess\ndeleteoldrdn: 1\nnewsuperior: OU=old,{0}\n\n",
        people()
    ));
    let renamed = plan(&policy, &memory);
    assert_eq!(words(&renamed), ["rename-account countess"]);
    // By name alone it would be somebody else's, and she would get a second account.
    assert_eq!(words(&plan(&policy, &Memory::default())), ["create-account ada", "enable-account ada"]);
    settings["ca"] = json!(dc.ca());
    done(&write(&settings, &renamed.changes, None));
    let dn = format!("CN=countess,OU=old,{}", people());
    assert_eq!(dc.tools().values(&dn.replace("countess", "ada"), "sAMAccountName"), ["ada"]);
    assert_eq!(words(&plan(&policy, &memory)), [""; 0]);

    dc.tools().modify(&format!("dn: CN=ada,OU=old,{}\nchangetype: delete\n", people()));
    dc.tools().modify(&add("ada"));
    let anew = plan(&policy, &memory);
    assert_eq!(words(&anew), [""; 0]);
    assert!(anew.withheld[0].reason.contains("another account than the one of that name"), "{:?}", anew.withheld);
}
