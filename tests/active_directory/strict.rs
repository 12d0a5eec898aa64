//! What Microsoft's domain controllers do and Samba does not, imposed by a proxy.

use super::{create, done, group_of, groups, people, read, settings, start_with, status, why, write, write_blind};
use crate::support::samba::{BASE, Samba};
use crate::support::strict::{Rules, Strict};
use accord::model::change::{Action, Object};
use accord::provider::{Answer, GapScope};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

/// A domain that takes binds in the clear, so that a proxy can read along.
fn open() -> Samba {
    start_with("  ldap server require strong auth = no")
}

fn through(dc: &Samba, proxy: &Strict) -> Value {
    let mut settings = settings(dc);
    settings["url"] = json!(proxy.url());
    settings["tls"] = json!("none");
    settings.as_object_mut().unwrap().remove("ca");
    settings
}

/// `count` accounts, all of them members of `all`.
fn fill(dc: &Samba, count: usize) {
    let mut ldif = String::new();
    for n in 0..count {
        writeln!(
            ldif,
            "dn: CN=p{n},{}\nchangetype: add\nobjectClass: user\nsAMAccountName: p{n}\nuserAccountControl: 514\n",
            people()
        )
        .unwrap();
    }
    writeln!(ldif, "dn: CN=all,{}\nchangetype: add\nobjectClass: group\nsAMAccountName: all", groups()).unwrap();
    for n in 0..count {
        writeln!(ldif, "member: CN=p{n},{}", people()).unwrap();
    }
    dc.tools().modify(&(ldif + "\n"));
}

#[test]
fn pages_and_long_lists_are_read_to_their_end() {
    let dc = open();
    fill(&dc, 1203);
    let proxy = Strict::start(dc.port(), Rules { values: 500, ..Rules::default() });
    let mut settings = through(&dc, &proxy);
    // More than the controller gives in one page: it gives what it wants.
    settings["page_size"] = json!(5000);
    let reading = read(&settings).unwrap();
    assert_eq!(reading.gaps, []);
    assert_eq!(reading.upserts.account_count(), 1203);
    let all = reading.upserts.group_named("all").unwrap();
    assert_eq!((all.members().len(), all.others().len()), (1203, 0));
    // 500-999 and 1000-1202: the first came with the group.
    assert_eq!(proxy.pieces.load(Ordering::SeqCst), 2);
    assert!(all.attributes().iter().all(|(name, _)| !name.starts_with("member")), "{:?}", all.attributes());

    let one = change_of_one(&settings);
    assert_eq!(one, Answer::Done { handle: None });
    assert_eq!(dc.tools().values(&format!("CN=all,{}", groups()), "member").len(), 1202);
}

fn change_of_one(settings: &Value) -> Answer {
    let revoke = crate::support::ldap::change(Action::Revoke, Object::membership("all", "p7"), None, None);
    write(settings, &[revoke], None).remove(0)
}

#[test]
fn a_list_whose_rest_does_not_come_is_no_list() {
    let dc = open();
    fill(&dc, 40);
    let proxy = Strict::start(dc.port(), Rules { values: 30, first_piece_only: true, ..Rules::default() });
    let reading = read(&through(&dc, &proxy)).unwrap();
    let [gap] = &reading.gaps[..] else { panic!("{:?}", reading.gaps) };
    assert_eq!(gap.scope, GapScope::Group("all".to_owned()));
    assert!(gap.why.contains("the first 30 members") && gap.why.contains("member;range=30-*"), "{}", gap.why);
    assert_eq!(reading.upserts.account_count(), 40);
}

#[test]
fn an_account_without_a_password_stays_disabled_and_keeps_what_it_was_given() {
    let dc = open();
    let proxy = Strict::start(dc.port(), Rules { no_passwords: true, ..Rules::default() });
    let settings = through(&dc, &proxy);
    let group = crate::support::ldap::change(Action::CreateGroup, Object::group("g"), None, None);
    done(&write(&settings, &[create("ada", &[]), group, group_of("g", "ada")], None));
    let refused = write(&settings, &[status("ada", true)], None);
    let text = why(&refused[0]);
    assert!(text.contains("unwillingToPerform (53): 0000052D") && text.contains("password policy"), "{text}");
    let ada = format!("CN=ada,{}", people());
    assert_eq!(dc.tools().values(&ada, "userAccountControl"), ["514"]);
    assert_eq!(dc.tools().values(&format!("CN=g,{}", groups()), "member"), [ada]);
}

#[test]
fn a_read_only_controller_is_read_and_never_written() {
    let dc = open();
    let proxy = Strict::start(dc.port(), Rules { read_only: true, ..Rules::default() });
    let settings = through(&dc, &proxy);
    assert_eq!(read(&settings).unwrap().gaps, []);
    let refused = write_blind(&settings, &create("ada", &[]));
    assert!(why(&refused).contains("`dc1.example.com` is a read-only domain controller"), "{refused:?}");
    assert!(!dc.tools().search(BASE, "(sAMAccountName=ada)", &["cn"]).contains("dn:"));
}
