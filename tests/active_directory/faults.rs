//! A domain controller that is reached badly, shows too little or says no.

use super::{groups, people, read, settings, start, start_with, why, write_as};
use crate::support::certificates::{self, Certificate};
use crate::support::ldap::{block_on, change, connection};
use crate::support::proxy::{Fault, Proxy};
use crate::support::samba::{ADMINISTRATOR, Samba};
use accord::model::change::{Action, Object};
use accord::provider::{Answer, GapScope, ProviderError, Purpose, Reader, Reading, Scope};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

const PASSWORD: &str = "Accord-Pass-1!";
const COUNT: usize = 12;

/// Some accounts, all of them in `g1` and half of them in `g2`; `g3` is empty.
fn fill(dc: &Samba) {
    let mut ldif = String::new();
    for n in 0..COUNT {
        let dn = format!("CN=p{n},{}", people());
        write!(ldif, "dn: {dn}\nchangetype: add\nobjectClass: user\nsAMAccountName: p{n}\nuserAccountControl: 514\n\n")
            .unwrap();
    }
    for (name, members) in [("g1", COUNT), ("g2", COUNT / 2), ("g3", 0)] {
        write!(ldif, "dn: CN={name},{}\nchangetype: add\nobjectClass: group\nsAMAccountName: {name}\n", groups())
            .unwrap();
        for n in 0..members {
            writeln!(ldif, "member: CN=p{n},{}", people()).unwrap();
        }
        ldif.push('\n');
    }
    dc.tools().modify(&ldif);
}

/// An ordinary account of the domain, its settings and its identifier.
fn ordinary(dc: &Samba) -> (Value, String) {
    dc.samba_tool(&["user", "create", "accord", PASSWORD]);
    let shown = dc.samba_tool(&["user", "show", "accord", "--attributes=objectSid"]);
    let sid = shown.lines().find_map(|line| line.strip_prefix("objectSid: ")).unwrap().to_owned();
    let mut settings = settings(dc);
    settings["bind"]["dn"] = json!("accord@example.com");
    (settings, sid)
}

fn read_with(settings: &Value, password: &str) -> Result<Reading, ProviderError> {
    let scope = Scope::default();
    block_on(async { connection(settings, Purpose::Plan, password)?.read(&scope, None).await })
}

fn ace(dc: &Samba, dn: &str, sddl: &str) {
    dc.samba_tool(&["dsacl", "set", &format!("--objectdn={dn}"), &format!("--sddl={sddl}")]);
}

/// Runs with a limit on the wall clock: nothing may hang.
fn within<T>(limit: Duration, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let value = run();
    assert!(begun.elapsed() < limit, "took {:?}", begun.elapsed());
    value
}

#[test]
fn a_wrong_password_base_or_certificate_is_named() {
    let mut dc = start();
    let good = settings(&dc);
    let error = read_with(&good, "wrong").unwrap_err();
    assert!(error.message.starts_with("invalidCredentials (49)"), "{error}");
    assert!(error.help[0].contains("where its password comes from"), "{error:?}");
    let mut wrong = good.clone();
    wrong["accounts"]["base"] = json!("OU=peeple,DC=example,DC=com");
    let error = read(&wrong).unwrap_err();
    assert!(error.message.contains("noSuchObject (32)") && error.help[0].contains("OU=peeple"), "{error:?}");

    dc.stop();
    certificates::write(dc.dir(), Certificate::Expired);
    let key = dc.dir().join("server.key");
    assert!(Command::new("chmod").arg("600").arg(key).status().unwrap().success());
    dc.restart();
    let error = read(&good).unwrap_err();
    assert!(error.message.contains("certificate expired at 2001-01-01"), "{error}");
}

#[test]
fn members_and_entries_that_an_ace_hides_are_no_reason_to_change_anything() {
    let dc = start();
    fill(&dc);
    let (settings, sid) = ordinary(&dc);
    assert_eq!(read_with(&settings, PASSWORD).unwrap().gaps, [], "an empty group is empty");
    // `member` of one group ([MS-ADSC]: bf9679c0…) and one account as a whole.
    ace(&dc, &format!("CN=g2,{}", groups()), &format!("(OD;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;{sid})"));
    let reading = read_with(&settings, PASSWORD).unwrap();
    let [gap] = &reading.gaps[..] else { panic!("{:?}", reading.gaps) };
    assert_eq!(gap.scope, GapScope::Group("g2".to_owned()));
    assert!(gap.why.contains("although somebody is one: access control hides it"), "{}", gap.why);
    let all = reading.upserts.group_named("g1").unwrap();
    assert_eq!((all.members().len(), all.others().len()), (COUNT, 0));

    ace(&dc, &format!("CN=p3,{}", people()), &format!("(D;;RPLCLORC;;;{sid})"));
    let reading = read_with(&settings, PASSWORD).unwrap();
    let all = reading.upserts.group_named("g1").unwrap();
    // Seen with less than it must have, or not at all: known to be there all the same.
    let hidden = reading.gaps.iter().any(|gap| gap.why.contains("p3"));
    assert!(hidden || all.others().len() == 1, "{:?} {:?}", reading.gaps, all.others().collect::<Vec<_>>());
    assert_eq!(all.members().len() + all.others().len(), COUNT);
}

#[test]
fn a_group_that_may_not_be_written_says_what_is_needed_and_the_next_one_is_written() {
    let dc = start();
    fill(&dc);
    let (settings, sid) = ordinary(&dc);
    ace(&dc, &format!("CN=g3,{}", groups()), &format!("(A;;WP;;;{sid})"));
    let grant = |group: &str| change(Action::Grant, Object::membership(group, "p7"), None, None);
    let answers = write_as(&settings, &[grant("g2"), grant("g3")], None, PASSWORD);
    let text = why(&answers[0]);
    assert!(text.contains("insufficientAccessRights (50)") && text.contains("accord@example.com"), "{text}");
    assert_eq!(answers[1], Answer::Done { handle: None });
    let members = dc.tools().values(&format!("CN=g3,{}", groups()), "member");
    assert_eq!(members, [format!("CN=p7,{}", people())]);
}

#[test]
fn a_connection_cut_anywhere_or_a_controller_killed_is_an_error_or_a_gap() {
    let mut dc = start_with("  ldap server require strong auth = no");
    fill(&dc);
    let through = |proxy: &Proxy| {
        let mut settings = settings(&dc);
        settings["url"] = json!(proxy.plain_url());
        (settings["tls"], settings["page_size"], settings["timeout"]) = (json!("none"), json!(5), json!(2));
        settings.as_object_mut().unwrap().remove("ca");
        settings
    };
    let mut whole = 0;
    for limit in (1..200).step_by(2) {
        let proxy = Proxy::start(dc.port(), Fault::CutAfterAnswers(limit));
        match within(Duration::from_secs(10), || read(&through(&proxy))) {
            Err(error) => assert!(error.message.contains("closed"), "{limit}: {error}"),
            Ok(reading) if reading.gaps.is_empty() => {
                let state = &reading.upserts;
                assert_eq!((state.account_count(), state.membership_count()), (COUNT, COUNT + COUNT / 2), "{limit}");
                whole = limit;
                break;
            }
            Ok(reading) => {
                let sure: Vec<_> = reading.gaps.iter().map(|gap| gap.scope.clone()).collect();
                assert!(sure.contains(&GapScope::Groups) || sure.contains(&GapScope::Accounts), "{limit}: {sure:?}");
            }
        }
    }
    assert!(whole > COUNT, "{whole}");
    let proxy = Proxy::start(dc.port(), Fault::SilentAfterAnswers(8));
    let settings = through(&proxy);
    let reading = std::thread::spawn(move || read(&settings));
    dc.kill();
    if let Ok(reading) = within(Duration::from_secs(10), || reading.join().unwrap()) {
        assert!(!reading.gaps.is_empty() && reading.evidence.is_empty());
    }
    let error = within(Duration::from_secs(10), || read_with(&super::settings(&dc), ADMINISTRATOR.1)).unwrap_err();
    assert_eq!(error.message, "connection refused");
}
