//! Random edits by somebody else's hand, as LDIF change records. Many of them cannot be
//! done (there is no such entry, there is one already): the server says so, the rest goes on.

use crate::support::slapd::{GROUPS, PEOPLE, SUFFIX};
use std::fmt::Write as _;

/// Numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * below.max(1) as u128;
        usize::try_from(wide >> 64).unwrap()
    }

    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.roll(list.len())]
    }
}

/// How the groups of a directory are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Groups {
    Names,
    UniqueNames,
    Posix,
}

impl Groups {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Names => "groupOfNames",
            Self::UniqueNames => "groupOfUniqueNames",
            Self::Posix => "posixGroup",
        }
    }

    fn member(self) -> &'static str {
        match self {
            Self::Names => "member",
            Self::UniqueNames => "uniqueMember",
            Self::Posix => "memberUid",
        }
    }
}

/// How many names there are of each sort: few, so that names are used again.
const PERSONS: usize = 24;
const GROUP_NAMES: usize = 8;
/// The crowd, which only ever is a member.
pub(crate) const CROWD: usize = 300;

fn unit(dice: &mut Dice) -> String {
    dice.pick(&["", "", "ou=a,", "ou=b,", "ou=c,ou=a,"]).to_owned()
}

fn person_dn(dice: &mut Dice) -> String {
    let name = dice.roll(PERSONS);
    if dice.once_in(12) {
        return format!("uid=p{name},ou=elsewhere,{SUFFIX}");
    }
    let unit = unit(dice);
    format!("uid=p{name},{unit}{PEOPLE}")
}

fn group_dn(dice: &mut Dice) -> String {
    let name = dice.roll(GROUP_NAMES);
    let unit = dice.pick(&["", "", "", "ou=a,"]);
    format!("cn=g{name},{unit}{GROUPS}")
}

fn member(dice: &mut Dice, groups: Groups) -> String {
    if groups == Groups::Posix {
        return match dice.roll(8) {
            0 => format!("P{}", dice.roll(PERSONS)),
            1 => "nobody".to_owned(),
            _ => format!("p{}", dice.roll(PERSONS)),
        };
    }
    match dice.roll(10) {
        0 => group_dn(dice),
        1 => "cn=printer,ou=devices,dc=example,dc=com".to_owned(),
        2 => person_dn(dice).to_uppercase(),
        3 => person_dn(dice).replace(',', ", "),
        4 if groups == Groups::UniqueNames => format!("{}#'0101'B", person_dn(dice)),
        5 => format!("uid=crowd{},{PEOPLE}", dice.roll(CROWD)),
        _ => person_dn(dice),
    }
}

/// The entry of a group with some members.
fn group(dice: &mut Dice, groups: Groups, dn: &str) -> String {
    let mut text = format!("dn: {dn}\nchangetype: add\nobjectClass: {}\n", groups.class());
    if groups == Groups::Posix {
        writeln!(text, "gidNumber: {}", 5000 + dice.roll(100)).unwrap();
    }
    let mut members: Vec<String> = (0..dice.roll(6)).map(|_| member(dice, groups)).collect();
    members.sort_by_key(|member| member.to_lowercase().replace(", ", ","));
    members.dedup_by_key(|member| member.to_lowercase().replace(", ", ","));
    if members.is_empty() && groups != Groups::Posix {
        // The placeholder that accord itself would put.
        members.push(dn.to_owned());
    }
    for member in members {
        writeln!(text, "{}: {member}", groups.member()).unwrap();
    }
    text + "\n"
}

/// What a person's entry has, but for its name.
fn person(dice: &mut Dice, dn: &str) -> String {
    let n = dice.roll(1000);
    format!(
        "dn: {dn}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Person {n}\nsn: P\nemployeeNumber: {}\nmail: m{n}@example.com\n\n",
        dice.roll(PERSONS)
    )
}

/// Hundreds of members of one group, put in or taken out together.
fn crowd(dice: &mut Dice, groups: Groups) -> String {
    let (dn, verb) = (group_dn(dice), dice.pick(&["add", "delete", "replace"]));
    let (from, to) = (dice.roll(CROWD), dice.roll(CROWD));
    let mut text = format!("dn: {dn}\nchangetype: modify\n{verb}: {}\n", groups.member());
    for n in from.min(to)..=from.max(to) {
        if groups == Groups::Posix {
            writeln!(text, "{}: crowd{n}", groups.member()).unwrap();
        } else {
            writeln!(text, "{}: uid=crowd{n},{PEOPLE}", groups.member()).unwrap();
        }
    }
    text + "\n"
}

fn value(dice: &mut Dice) -> String {
    let dn = person_dn(dice);
    let (verb, n) = (dice.pick(&["replace", "add", "delete"]), dice.roll(6));
    let what = dice.pick(&["cn", "mail", "employeeNumber", "pwdAccountLockedTime", "departmentNumber", "title"]);
    let value = match what {
        "pwdAccountLockedTime" => "000001010000Z".to_owned(),
        "employeeNumber" => n.to_string(),
        _ => format!("value {n}"),
    };
    let value = if verb == "delete" { String::new() } else { format!("{what}: {value}\n") };
    format!("dn: {dn}\nchangetype: modify\n{verb}: {what}\n{value}\n")
}

fn rename(dn: &str, rdn: &str, above: Option<&str>) -> String {
    let above = above.map(|above| format!("newsuperior: {above}\n")).unwrap_or_default();
    format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\n{above}\n")
}

/// One edit. Rarely something above others is renamed or moved with all below it.
pub(crate) fn edit(dice: &mut Dice, groups: Groups) -> String {
    let dn = person_dn(dice);
    let rdn = |dn: &str| dn.split(',').next().unwrap().to_owned();
    match dice.roll(32) {
        0..=4 => person(dice, &dn),
        5..=8 => value(dice),
        9 | 10 => rename(&dn, &format!("uid=p{}", dice.roll(PERSONS)), None),
        11 | 12 => {
            let above = if dice.once_in(3) {
                format!("ou=elsewhere,{SUFFIX}")
            } else {
                let unit = unit(dice);
                format!("{unit}{PEOPLE}")
            };
            rename(&dn, &rdn(&dn), Some(&above))
        }
        13 | 14 => format!("dn: {dn}\nchangetype: delete\n\n"),
        15 => format!("dn: {dn}\nchangetype: delete\n\n") + &person(dice, &dn),
        16..=18 => {
            let dn = group_dn(dice);
            group(dice, groups, &dn)
        }
        19..=23 => {
            let (dn, verb) = (group_dn(dice), dice.pick(&["add", "delete", "replace"]));
            let member = member(dice, groups);
            format!("dn: {dn}\nchangetype: modify\n{verb}: {0}\n{0}: {member}\n\n", groups.member())
        }
        24 | 25 => crowd(dice, groups),
        26 => {
            let (dn, n) = (group_dn(dice), dice.roll(3));
            format!("dn: {dn}\nchangetype: modify\nreplace: description\ndescription: text {n}\n\n")
        }
        27 => rename(&group_dn(dice), &format!("cn=g{}", dice.roll(GROUP_NAMES)), None),
        28 => {
            let dn = group_dn(dice);
            let above = dice.pick(&["", "ou=a,"]);
            rename(&dn, &rdn(&dn), Some(&format!("{above}{GROUPS}")))
        }
        29 => format!("dn: {}\nchangetype: delete\n\n", group_dn(dice)),
        30 => format!("dn: uid=crowd{},{PEOPLE}\nchangetype: delete\n\n", dice.roll(CROWD)),
        _ => above(dice),
    }
}

/// Something that holds others: everything below it is elsewhere, and none of it was written.
fn above(dice: &mut Dice) -> String {
    let outside = format!("ou=elsewhere,{SUFFIX}");
    match dice.roll(8) {
        0 => rename(&format!("ou=a,{PEOPLE}"), "ou=z", None),
        1 => rename(&format!("ou=z,{PEOPLE}"), "ou=a", None),
        2 => rename(&format!("ou=b,{PEOPLE}"), "ou=b", Some(&outside)),
        3 => rename(&format!("ou=b,{outside}"), "ou=b", Some(PEOPLE)),
        4 => rename(&format!("ou=a,{GROUPS}"), "ou=y", None),
        5 => rename(&format!("ou=y,{GROUPS}"), "ou=a", None),
        6 => rename(&format!("ou=a,{GROUPS}"), "ou=a", Some(&outside)),
        _ => rename(&format!("ou=a,{outside}"), "ou=a", Some(GROUPS)),
    }
}

/// What is there at the start.
pub(crate) fn seed(groups: Groups) -> String {
    let mut text = format!("dn: ou=elsewhere,{SUFFIX}\nobjectClass: organizationalUnit\nou: elsewhere\n\n");
    for (name, above) in [("a", PEOPLE), ("b", PEOPLE), ("a", GROUPS)] {
        write!(text, "dn: ou={name},{above}\nobjectClass: organizationalUnit\nou: {name}\n\n").unwrap();
    }
    write!(text, "dn: ou=c,ou=a,{PEOPLE}\nobjectClass: organizationalUnit\nou: c\n\n").unwrap();
    text.push_str(&crate::support::slapd::people_ldif("crowd", CROWD));
    let mut dice = Dice(77);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..PERSONS {
        let unit = unit(&mut dice);
        text.push_str(&person(&mut dice, &format!("uid=p{n},{unit}{PEOPLE}")).replace("changetype: add\n", ""));
    }
    for _ in 0..GROUP_NAMES {
        let dn = group_dn(&mut dice);
        if seen.insert(dn.split(',').next().unwrap().to_owned()) {
            text.push_str(&group(&mut dice, groups, &dn).replace("changetype: add\n", ""));
        }
    }
    text
}
