//! The same on a real Samba domain controller, which tells by
//! `DirSync` what was written.

use super::edits::Dice;
use super::{Case, INCREMENTAL, Server, dns, edit_with, rounds, rounds_of};
use crate::support::samba::{ADMINISTRATOR, BASE, Samba};
use accord::provider::Observed;
use accord::provider::observe::Snapshot;
use serde_json::{Value, json};
use std::fmt::Write as _;

const PERSONS: usize = 24;
const GROUPS: usize = 8;
const CROWD: usize = 60;

impl Server for Samba {
    fn edit(&self, ldif: &str) {
        edit_with(&self.tools(), ldif);
    }

    fn find(&self, filter: &str) -> Vec<String> {
        dns(&self.tools().search(BASE, filter, &["1.1"]))
    }

    fn counter(&self) -> Vec<String> {
        self.tools().values("", "highestCommittedUSN")
    }

    fn restart(&mut self) {
        Samba::restart(self);
    }
}

fn pick<'t>(dice: &mut Dice, list: &[&'t str]) -> &'t str {
    list[dice.roll(list.len())]
}

fn person_dn(dice: &mut Dice) -> String {
    let above = pick(dice, &["OU=people", "OU=people", "OU=a,OU=people", "OU=c,OU=a,OU=people", "OU=elsewhere"]);
    format!("CN=p{},{above},{BASE}", dice.roll(PERSONS))
}

fn group_dn(dice: &mut Dice) -> String {
    let above = pick(dice, &["OU=groups", "OU=groups", "OU=groups", "OU=a,OU=groups"]);
    format!("CN=g{},{above},{BASE}", dice.roll(GROUPS))
}

fn member(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0 => group_dn(dice),
        1 => format!("CN=pc,OU=elsewhere,{BASE}"),
        2..=4 => format!("CN=crowd{},OU=people,{BASE}", dice.roll(CROWD)),
        _ => person_dn(dice),
    }
}

fn person(dice: &mut Dice, dn: &str) -> String {
    let name = dn.split(['=', ',']).nth(1).unwrap();
    let n = dice.roll(1000);
    let manager = if dice.once_in(2) { format!("manager: {}\n", person_dn(dice)) } else { String::new() };
    format!(
        "dn: {dn}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\ndisplayName: Person {n}\n\
         employeeID: {}\nmail: m{n}@example.com\n{manager}\n",
        dice.roll(PERSONS)
    )
}

fn group(dice: &mut Dice, dn: &str) -> String {
    let name = dn.split(['=', ',']).nth(1).unwrap();
    let mut text = format!("dn: {dn}\nchangetype: add\nobjectClass: group\nsAMAccountName: {name}\n");
    for _ in 0..dice.roll(3) {
        writeln!(text, "member: CN=crowd{},OU=people,{BASE}", dice.roll(CROWD)).unwrap();
    }
    text + "\n"
}

fn set(dn: &str, verb: &str, attribute: &str, value: &str) -> String {
    let value =
        if verb == "delete" && attribute != "member" { String::new() } else { format!("{attribute}: {value}\n") };
    format!("dn: {dn}\nchangetype: modify\n{verb}: {attribute}\n{value}\n")
}

fn value(dice: &mut Dice) -> String {
    let (dn, verb, n) = (person_dn(dice), pick(dice, &["replace", "replace", "delete"]), dice.roll(6));
    let what = [
        "displayName",
        "mail",
        "employeeID",
        "manager",
        "manager",
        "title",
        "adminCount",
        "sAMAccountName",
        "userAccountControl",
        "accountExpires",
    ];
    match pick(dice, &what) {
        "manager" => set(&dn, verb, "manager", &person_dn(dice)),
        "adminCount" => set(&dn, verb, "adminCount", "1"),
        "sAMAccountName" => set(&dn, "replace", "sAMAccountName", &format!("p{}", dice.roll(PERSONS))),
        "userAccountControl" => set(&dn, "replace", "userAccountControl", pick(dice, &["514", "512", "66048"])),
        "accountExpires" => set(&dn, "replace", "accountExpires", pick(dice, &["0", "134143740000000000"])),
        what => set(&dn, verb, what, &n.to_string()),
    }
}

fn rename(dn: &str, rdn: &str, above: Option<&str>) -> String {
    let above = above.map(|above| format!("newsuperior: {above},{BASE}\n")).unwrap_or_default();
    format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\n{above}\n")
}

fn edit(dice: &mut Dice) -> String {
    let dn = person_dn(dice);
    let rdn = |dn: &str| dn.split(',').next().unwrap().to_owned();
    match dice.roll(30) {
        0..=3 => person(dice, &dn),
        4..=8 => value(dice),
        9 | 10 => rename(&dn, &format!("CN=p{}", dice.roll(PERSONS)), None),
        11..=13 => rename(&dn, &rdn(&dn), Some(pick(dice, &["OU=people", "OU=a,OU=people", "OU=elsewhere"]))),
        14 | 15 => format!("dn: {dn}\nchangetype: delete\n\n"),
        16 => {
            let dn = group_dn(dice);
            group(dice, &dn)
        }
        17..=21 => {
            let (dn, verb) = (group_dn(dice), pick(dice, &["add", "add", "delete", "replace"]));
            set(&dn, verb, "member", &member(dice))
        }
        22 => set(&group_dn(dice), "replace", "description", &format!("text {}", dice.roll(3))),
        23 => set(&group_dn(dice), "replace", "info", &format!("text {}", dice.roll(3))),
        24 => set(&group_dn(dice), "replace", "managedBy", &person_dn(dice)),
        25 => rename(&group_dn(dice), &format!("CN=g{}", dice.roll(GROUPS)), None),
        26 => {
            let dn = group_dn(dice);
            rename(&dn, &rdn(&dn), Some(pick(dice, &["OU=groups", "OU=a,OU=groups", "OU=elsewhere"])))
        }
        27 => format!("dn: {}\nchangetype: delete\n\n", group_dn(dice)),
        28 => format!("dn: CN=crowd{},OU=people,{BASE}\nchangetype: delete\n\n", dice.roll(CROWD)),
        _ => above(dice),
    }
}

/// What is above others, or outside of all that is read.
fn above(dice: &mut Dice) -> String {
    match dice.roll(8) {
        0 => rename(&format!("OU=a,OU=people,{BASE}"), "OU=z", None),
        1 => rename(&format!("OU=z,OU=people,{BASE}"), "OU=a", None),
        2 => rename(&format!("OU=c,OU=a,OU=people,{BASE}"), "OU=c", Some("OU=elsewhere")),
        3 => rename(&format!("OU=c,OU=elsewhere,{BASE}"), "OU=c", Some("OU=a,OU=people")),
        4 => rename(&format!("OU=a,OU=groups,{BASE}"), "OU=y", None),
        5 => rename(&format!("OU=y,OU=groups,{BASE}"), "OU=a", None),
        6 => rename(&format!("CN=pc,OU=elsewhere,{BASE}"), "CN=pd", None),
        _ => rename(&format!("CN=pd,OU=elsewhere,{BASE}"), "CN=pc", None),
    }
}

fn seed() -> String {
    let mut text = String::new();
    for unit in ["people", "groups", "elsewhere"] {
        write!(text, "dn: OU={unit},{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n").unwrap();
    }
    for unit in ["OU=a,OU=people", "OU=c,OU=a,OU=people", "OU=a,OU=groups"] {
        write!(text, "dn: {unit},{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n").unwrap();
    }
    write!(text, "dn: CN=pc,OU=elsewhere,{BASE}\nchangetype: add\nobjectClass: computer\nsAMAccountName: pc$\n\n")
        .unwrap();
    for n in 0..CROWD {
        write!(
            text,
            "dn: CN=crowd{n},OU=people,{BASE}\nchangetype: add\nobjectClass: user\nsAMAccountName: crowd{n}\n\n"
        )
        .unwrap();
    }
    let mut dice = Dice(78);
    for n in 0..PERSONS {
        let dn = person_dn(&mut dice);
        let rest = dn.split_once(',').unwrap().1.to_owned();
        text.push_str(&person(&mut dice, &format!("CN=p{n},{rest}")));
    }
    for n in 0..GROUPS {
        let rest = group_dn(&mut dice).split_once(',').unwrap().1.to_owned();
        text.push_str(&group(&mut dice, &format!("CN=g{n},{rest}")));
    }
    text + &set(&format!("CN=g0,OU=groups,{BASE}"), "add", "member", &format!("CN=pc,OU=elsewhere,{BASE}"))
}

fn access() -> String {
    let mut text = "people:\n".to_owned();
    for n in 0..PERSONS {
        let left = if n % 5 == 0 { ", expires: 2026-01-31" } else { "" };
        writeln!(text, "  p{n}: {{ id: \"{n}\", name: Person {n}, email: m{n}@example.com{left} }}").unwrap();
    }
    text.push_str("groups:\n");
    for n in 0..GROUPS {
        writeln!(text, "  corp/g{n}: {{ members: [p{n}, p{}, p{}] }}", n + 8, n + 16).unwrap();
    }
    text
}

fn settings(dc: &Samba, who: &str) -> Value {
    let attributes = json!({ "displayName": "name", "mail": "email", "manager": { "account": "manager" } });
    json!({
        "kind": "active-directory", "url": dc.url(), "ca": dc.ca(), "bind": { "dn": who, "password": { "env": "W" } },
        "accounts": { "base": format!("OU=people,{BASE}"), "attributes": attributes },
        "groups": { "base": format!("OU=groups,{BASE}") },
    })
}

fn case(who: (&str, &str), prepare: impl FnOnce(&Samba)) -> Case<Samba> {
    let dc = Samba::start();
    dc.edit(&seed());
    prepare(&dc);
    let settings = settings(&dc, who.0);
    Case::new(dc, &settings, &access(), who.1)
}

#[test]
fn a_domain_controller_tells_what_was_written() {
    rounds_of(case(ADMINISTRATOR, |_| {}), Dice(31), rounds(24), edit);
}

#[test]
fn a_domain_controller_tells_of_several_bases() {
    let dc = Samba::start();
    dc.edit(&seed());
    let mut settings = settings(&dc, ADMINISTRATOR.0);
    super::with_bases(&mut settings, &format!("OU=elsewhere,{BASE}"));
    rounds_of(Case::new(dc, &settings, &access(), ADMINISTRATOR.1), Dice(33), rounds(12), edit);
}

fn line(read: &Observed, n: usize) -> &str {
    read.evidence.get(n).map_or("", String::as_str)
}

/// Whatever may be hidden from accord, and whatever another database counted, proves nothing.
#[test]
fn what_the_controller_may_keep_to_itself_is_read_in_full() {
    let who = ("reader@example.com", "Long-Enough-1!");
    let mut case = case(who, |dc| drop(dc.samba_tool(&["user", "create", "reader", who.1])));
    let first = case.read(None);
    let snapshot = case.snapshot(&first).unwrap_or_else(|| panic!("{:?}", first.evidence));
    // Nothing was committed: that needs no right.
    let still = case.read(Some(snapshot.clone()));
    assert!(
        line(&still, 0).starts_with(INCREMENTAL) && line(&still, 0).ends_with("nothing changed"),
        "{:?}",
        still.evidence
    );
    assert!(line(&still, 1).ends_with("unchanged on dc1.example.com"), "{:?}", still.evidence);
    assert!(still.onward.is_some_and(|onward| onward.unchanged));

    // The cookie of another database, and of a later moment.
    let invocation = snapshot.cookie.0.windows(36).position(|part| {
        part.iter()
            .enumerate()
            .all(|(n, c)| if [8, 13, 18, 23].contains(&n) { *c == b'-' } else { c.is_ascii_hexdigit() })
    });
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut other = snapshot.clone();
        change(&mut other.cookie.0);
        other
    };
    let at = invocation.unwrap();
    let other = with(&|cookie| cookie[at] = if cookie[at] == b'0' { b'1' } else { b'0' });
    let later = with(&|cookie| cookie[at + 36 + 3] = 1);
    let full = |case: &mut Case<Samba>, snapshot: Snapshot, why: &str| {
        let read = case.read(Some(snapshot));
        assert!(read.evidence.last().unwrap().starts_with(&format!("read in full: {why}")), "{:?}", read.evidence);
        assert_eq!(read.gaps, []);
    };
    full(&mut case, other, "another domain controller answers, or this one was restored");
    full(&mut case, later, "`highestCommittedUSN` went back from ");

    // Something was: a right is needed to be told of it, and on Samba, which leaves out what
    // may not be read (deleted objects), more than that.
    let edited = |case: &Case<Samba>, n| {
        case.server.edit(&set(&format!("CN=crowd{n},OU=people,{BASE}"), "replace", "displayName", "Other"));
    };
    let only_administrators = "`highestCommittedUSN` moved, and Samba tells only administrators";
    edited(&case, 1);
    full(&mut case, snapshot, only_administrators);
    let sid = case.server.samba_tool(&["user", "show", "reader", "--attributes=objectSid"]);
    let sid = sid.lines().find_map(|line| line.strip_prefix("objectSid: ")).unwrap();
    let right = format!("(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;{sid})");
    case.server.samba_tool(&["dsacl", "set", &format!("--objectdn={BASE}"), &format!("--sddl={right}")]);
    case.server.restart();
    let again = case.read(None);
    let snapshot = case.snapshot(&again).unwrap_or_else(|| panic!("{:?}", again.evidence));
    edited(&case, 2);
    full(&mut case, snapshot, only_administrators);
    case.server.samba_tool(&["group", "addmembers", "Administrators", "reader"]);
    case.server.restart();
    let again = case.read(None);
    let snapshot = case.snapshot(&again).unwrap_or_else(|| panic!("{:?}", again.evidence));
    case.server.edit(&format!("dn: CN=crowd1,OU=people,{BASE}\nchangetype: delete\n\n"));
    let (some, all) = case.both(&snapshot);
    assert!(line(&some, 0).contains(": 1 gone"), "{:?}", some.evidence);
    assert!(line(&some, 1).starts_with("DirSync of dc1.example.com up to USN "), "{:?}", some.evidence);
    assert_eq!(super::bytes(&some.state), super::bytes(&all.state));
}
