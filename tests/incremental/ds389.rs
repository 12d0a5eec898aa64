//! The same on a real 389 Directory Server, whose retro change log tells what was written.

use super::edits::{Dice, Groups, edit, seed};
use super::{Case, Server, access, dns, edit_with, rounds, rounds_of};
use crate::support::ds389::{Ds389, Options};
use crate::support::ldap::settings_at;
use crate::support::slapd::{READER, SUFFIX};

const SETTINGS: &str = "cn=Retro Changelog Plugin,cn=plugins,cn=config";

impl Server for Ds389 {
    fn edit(&self, ldif: &str) {
        // What disables an account here.
        let ldif = ldif.replace("pwdAccountLockedTime: 000001010000Z", "nsAccountLock: true");
        edit_with(&self.tools(), &ldif.replace("pwdAccountLockedTime", "nsAccountLock"));
    }

    fn find(&self, filter: &str) -> Vec<String> {
        dns(&self.tools().search(SUFFIX, filter, &["1.1"]))
    }

    fn counter(&self) -> Vec<String> {
        self.tools().values("", "lastchangenumber")
    }

    fn restart(&mut self) {
        Ds389::restart(self);
    }
}

fn case(options: &Options) -> Case<Ds389> {
    let server = Ds389::start(options);
    let mut settings = settings_at(&server.ca(), &server.plain_url());
    settings["tls"] = "none".into();
    settings.as_object_mut().unwrap().remove("ca");
    Case::new(server, &settings, &access(), READER.1)
}

fn options(seed: String) -> Options {
    Options { changelog: true, seed, ..Options::default() }
}

#[test]
fn a_change_log_tells_what_was_written() {
    let options = Options { memberof: false, refint: false, ..options(seed(Groups::Names)) };
    rounds_of(case(&options), Dice(21), rounds(20), |dice| edit(dice, Groups::Names));
}

#[test]
fn of_several_bases_too() {
    let options = Options { memberof: false, refint: false, ..options(seed(Groups::Names)) };
    let server = Ds389::start(&options);
    let mut settings = settings_at(&server.ca(), &server.plain_url());
    settings["tls"] = "none".into();
    settings.as_object_mut().unwrap().remove("ca");
    super::with_bases(&mut settings, &format!("ou=elsewhere,{SUFFIX}"));
    let case = Case::new(server, &settings, &access(), READER.1);
    rounds_of(case, Dice(23), rounds(12), |dice| edit(dice, Groups::Names));
}

#[test]
fn and_what_plug_ins_wrote() {
    rounds_of(case(&options(seed(Groups::Names))), Dice(22), rounds(12), |dice| edit(dice, Groups::Names));
}

/// What the log does not hold, nobody could tell.
#[test]
fn a_log_that_is_not_shown_whole_proves_nothing() {
    let mut case = case(&options(seed(Groups::Names)));
    let first = case.read(None);
    let snapshot = case.snapshot(&first).unwrap_or_else(|| panic!("{:?}", first.evidence));
    let still = case.read(Some(snapshot.clone()));
    assert_eq!(still.evidence.len(), 2, "{:?}", still.evidence);
    assert!(still.evidence[0].ends_with("nothing changed"), "{:?}", still.evidence);
    assert!(still.evidence[1].starts_with("change log unchanged up to change "), "{:?}", still.evidence);

    let full = |case: &mut Case<Ds389>, why: &str| {
        let read = case.read(Some(snapshot.clone()));
        assert!(read.evidence.last().unwrap().contains(why), "{:?}", read.evidence);
        assert!(read.evidence.iter().any(|line| line.starts_with("two equal reads")), "{:?}", read.evidence);
        assert_eq!(read.onward, None, "{:?}", read.evidence);
    };
    // Settings that count after the next start only, and leave out a unit.
    let leave_out = format!(
        "dn: {SETTINGS}\nchangetype: modify\nadd: nsslapd-exclude-suffix\nnsslapd-exclude-suffix: ou=people,{SUFFIX}\n\n"
    );
    case.server.tools().modify(&leave_out);
    full(&mut case, "leave something out");
    case.server.tools().modify(&leave_out.replace("add:", "delete:"));
    full(&mut case, "do not count yet");
    case.server.restart();
    let read = case.read(Some(snapshot.clone()));
    assert!(read.evidence.last().unwrap().starts_with("read in full: the settings of the change log are others"));
    // Somebody cut off what was read last.
    let snapshot = case.snapshot(&read).unwrap_or_else(|| panic!("{:?}", read.evidence));
    assert!(case.read(Some(snapshot.clone())).evidence[0].ends_with("nothing changed"));
    let number = case.server.tools().values("", "lastchangenumber").concat();
    let person = format!("dn: uid=crowd7,ou=people,{SUFFIX}\nchangetype: delete\n\n");
    case.server.tools().modify(&(person + &format!("dn: changenumber={number},cn=changelog\nchangetype: delete\n\n")));
    let read = case.read(Some(snapshot));
    let told = read.evidence.last().unwrap();
    assert!(told.starts_with("read in full: the change log does not reach back to change "), "{told}");
    assert!(read.state.account_named("crowd7").is_none());
}

/// A part that is somewhere else from now on is told by the next read, however it is read.
#[test]
fn a_referral_that_is_new_is_told() {
    let mut case = case(&options(seed(Groups::Names)));
    let elsewhere = format!("ldap://elsewhere.example.com/ou=emea,ou=people,{SUFFIX}");
    let referral = |unit: &str, class: &str| {
        format!(
            "dn: ou=emea,ou={unit},{SUFFIX}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\n{class}ou: \
             emea\nref: {elsewhere}\n\n"
        )
    };
    for (unit, class) in [("people", ""), ("groups", "objectClass: groupOfNames\ncn: emea\n")] {
        let first = case.read(None);
        let snapshot = case.snapshot(&first).unwrap_or_else(|| panic!("{:?}", first.evidence));
        case.server.tools().modify(&referral(unit, class));
        let told = case.read(Some(snapshot));
        let [gap] = &told.gaps[..] else { panic!("{unit}: {:?} {:?}", told.gaps, told.evidence) };
        assert!(gap.why.contains(&format!("the server refers to `{elsewhere}")), "{}", gap.why);
        let read = "dn: ou=emea,ou=".to_owned() + unit;
        case.server.tools().managing(&format!("{read},{SUFFIX}\nchangetype: delete\n\n"));
    }
}
