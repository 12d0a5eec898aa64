//! A company over four weeks that come round again: everything that accord does to a
//! directory happens in one of them.

use serde_json::Value;
use std::fmt::Write as _;

/// Weeks until the first comes again.
pub(crate) const WEEKS: usize = 4;

/// How many of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// People who are always there; at least 12.
    pub(crate) people: usize,
    /// Groups whose members move on from week to week; fewer than people.
    pub(crate) groups: usize,
}

/// Everybody who left is deleted in even weeks, those who leave are disabled in odd ones.
pub(crate) fn accord(mut settings: Value, week: usize) -> String {
    settings["leavers"] = if week.is_multiple_of(2) {
        serde_json::json!({ "then": "delete", "delete_after": "0h" })
    } else {
        serde_json::json!({ "then": "disable" })
    };
    settings["groups"]["manage"] = "exclusive".into();
    settings["accounts"]["for"] = "everyone".into();
    let off = "{ floor: 100000, percent: 100 }";
    format!(
        "organization: example\ntimezone: UTC\ndirectories:\n  corp: {settings}\n\
         guardrails: {{ revocations: {off}, disables: {off}, grants: {off}, deletions: {off} }}\n"
    )
}

/// People who come, change their names, go on leave, leave, are deleted and return.
pub(crate) fn people(size: Size, week: usize) -> String {
    let mut text = "people:\n".to_owned();
    for n in 0..size.people {
        let name = if n % 3 == 0 { format!("Person {n} of week {}", week % 2) } else { format!("Person {n}") };
        let more = match (n % 12, week) {
            // Seven left in the second week, is deleted in the third and back in the first;
            // eight left in the fourth, is deleted in the first and back in the third.
            (7, 1..) | (8, 3 | 0 | 1) => ", expires: 2021-12-31",
            (10, 1 | 2) => ", leave: [{ from: 2022-01-01 }]",
            _ => "",
        };
        let account =
            if n % 12 == 4 && week % 2 == 1 { format!(", accounts: {{ corp: x{n} }}") } else { String::new() };
        writeln!(
            text,
            "  p{n}: {{ id: \"{n}\", name: {name}, family_name: Person, email: p{n}@example.com, kind: employee, \
             starts: 2020-01-01{account}{more} }}"
        )
        .unwrap();
    }
    text
}

/// Groups that come, change their names and members, and go.
pub(crate) fn groups(size: Size, week: usize) -> String {
    let mut text = "groups:\n".to_owned();
    for n in 0..size.groups {
        // One comes and goes, one changes its name, one is empty every other week.
        let key = if n == 1 { format!("renamed-{}", week % 2) } else { format!("g{n}") };
        let previously = if n == 1 { format!("previously: renamed-{}, ", (week + 1) % 2) } else { String::new() };
        let members = match n {
            0 if week % 2 == 1 => continue,
            2 if week.is_multiple_of(2) => String::new(),
            _ => (0..3).map(|k| format!("p{}", (n + k * (week + 1)) % size.people)).collect::<Vec<_>>().join(", "),
        };
        writeln!(text, "  corp/{key}: {{ {previously}members: [{members}] }}").unwrap();
    }
    text
}
