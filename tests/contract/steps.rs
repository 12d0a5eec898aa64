//! The story as data.

use super::Edit;

/// One step: what is written, when it is, what somebody did behind accord's back,
/// what the plan must say and what the directory must hold afterwards.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The instant, UTC.
    pub(crate) at: &'static str,
    /// `policies/people.yaml`.
    pub(crate) people: String,
    /// `policies/access.yaml`.
    pub(crate) access: String,
    pub(crate) edits: &'static [Edit],
    /// Every change of the plan, sorted: action and object.
    pub(crate) changes: &'static [&'static str],
    /// Every withheld change, sorted.
    pub(crate) withheld: &'static [&'static str],
    /// Group → members, sorted.
    pub(crate) groups: &'static [(&'static str, &'static [&'static str])],
    /// Accounts, sorted; `!` before a disabled one.
    pub(crate) accounts: &'static [&'static str],
    /// Whether the directory is restarted before planning again.
    pub(crate) restart: bool,
}

/// Whether a change of a step does nothing but keep the end of an account, which not
/// every directory can hold.
pub(crate) fn is_an_end(step: &Step, change: &str) -> bool {
    matches!(
        (step.name, change),
        ("a contractor comes back and gets only what is written for the second time", "update-account na.li")
            | ("somebody leaves", "update-account maria.lopez")
            | ("who leaves loses every account at once", "update-account adm-wchen" | "update-account wei.chen")
    )
}

const WEI: &str = r#"
  wei.chen:
    id: "1"
    name: Wei Chen
    family_name: Chen
    email: wei@example.com
    kind: employee
"#;

const MARIA: &str = r#"
  maria.lopez:
    id: "2"
    name: Maria Lopez
    family_name: Lopez
    email: maria@example.com
    kind: employee
"#;

const OMAR: &str = r#"
  omar.haddad:
    id: "5"
    name: Omar Haddad
    family_name: Haddad
    email: omar@example.com
    kind: employee
"#;

const LI: &str = r#"
  li.na:
    id: "3"
    name: Li Na
    family_name: Na
    email: li@example.com
    kind: contractor
    sponsor: wei.chen
"#;

/// `people:` with one entry per person, each continued by further lines.
pub(super) fn people(entries: &[(&str, &[&str])]) -> String {
    let mut text = "people:".to_owned();
    for (person, lines) in entries {
        text.push_str(person);
        for line in *lines {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn access(production: &str, li: &[&str]) -> String {
    let li = li.iter().fold(String::new(), |all, line| all + "      - " + line + "\n");
    format!(
        r#"roles:
  engineer:
    description: Runs production
    grants: [corp/{}, corp/vpn]
    members:
{li}      - where: person.department == "platform"
  clerk:
    grants: [corp/ledger]
    members:
      - where: person.department == "finance"
groups:
  corp/{production}
  corp/vpn: {{ description: Remote access }}
  corp/ledger: {{}}
  corp/nobody: {{ description: Kept for later }}
"#,
        production.split(':').next().unwrap()
    )
}

const SRE: &str = "sre: { description: Production access }";
const RELIABILITY: &str = "reliability: { description: Production access, previously: sre }";
const FINANCE: &str = "attributes: { department: finance }";
const PLATFORM: &str = "attributes: { department: platform }";
const LI_ENTRY: &str = "{ person: li.na, ticket: ACC-1 }";
const LI_AGAIN: &str = "{ person: li.na, ticket: ACC-2, starts: 2026-08-01 }";
const LI_PERIOD: &str = "expires: 2026-06-30";
const LI_RENAMED: &[&str] = &["accounts: { corp: na.li }", LI_PERIOD];
const LI_REHIRED: &[&str] =
    &["accounts: { corp: na.li }", "periods: [{ expires: 2026-06-30 }, { starts: 2026-08-01, expires: 2026-12-31 }]"];
const WEI_TWO_JOBS: &str =
    "positions: [{ department: platform, expires: 2026-04-30 }, { department: finance, starts: 2026-04-01 }]";

/// Who is in what most of the time.
pub(super) const BOTH_ON_CALL: &[(&str, &[&str])] = &[
    ("ledger", &["wei.chen"]),
    ("nobody", &[]),
    ("reliability", &["maria.lopez", "na.li"]),
    ("vpn", &["maria.lopez", "na.li"]),
];

/// Every step in order. The directory is empty at first.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps = beginning();
    steps.extend(middle());
    steps.extend(end());
    steps.extend(joining());
    let again = namesake();
    let others: [(&str, &[&str]); 3] = [
        (&again, &[PLATFORM, "accounts: { corp: maria.lopez }"]),
        (LI, LI_REHIRED),
        (OMAR, &[PLATFORM, "starts: 2027-03-01"]),
    ];
    if let Some(before) = steps.last() {
        let second = super::second::steps(&others, before);
        steps.extend(second);
    }
    steps
}

#[expect(clippy::too_many_lines, reason = "a story is told in one piece")]
fn beginning() -> Vec<Step> {
    let first = Step {
        name: "first apply into an empty directory",
        at: "2026-03-02T09:00:00Z",
        people: people(&[(WEI, &[PLATFORM]), (MARIA, &[FINANCE]), (LI, &[LI_PERIOD])]),
        access: access(SRE, &[LI_ENTRY]),
        edits: &[],
        changes: &[
            "create-account li.na",
            "create-account maria.lopez",
            "create-account wei.chen",
            "create-group ledger",
            "create-group nobody",
            "create-group sre",
            "create-group vpn",
            "grant ledger maria.lopez",
            "grant sre li.na",
            "grant sre wei.chen",
            "grant vpn li.na",
            "grant vpn wei.chen",
        ],
        withheld: &[],
        groups: &[
            ("ledger", &["maria.lopez"]),
            ("nobody", &[]),
            ("sre", &["li.na", "wei.chen"]),
            ("vpn", &["li.na", "wei.chen"]),
        ],
        accounts: &["li.na", "maria.lopez", "wei.chen"],
        restart: true,
    };
    let again = Step {
        name: "a day later nothing is to do",
        at: "2026-03-03T09:00:00Z",
        people: first.people.clone(),
        access: first.access.clone(),
        changes: &[],
        restart: false,
        ..first
    };
    let moved = Step {
        name: "somebody moves to another department",
        at: "2026-03-10T09:00:00Z",
        people: people(&[(WEI, &[PLATFORM]), (MARIA, &[PLATFORM]), (LI, &[LI_PERIOD])]),
        access: access(SRE, &[LI_ENTRY]),
        changes: &["grant sre maria.lopez", "grant vpn maria.lopez", "revoke ledger maria.lopez"],
        groups: &[
            ("ledger", &[]),
            ("nobody", &[]),
            ("sre", &["li.na", "maria.lopez", "wei.chen"]),
            ("vpn", &["li.na", "maria.lopez", "wei.chen"]),
        ],
        ..again
    };
    let overlap = Step {
        name: "two positions overlap",
        at: "2026-04-10T09:00:00Z",
        people: people(&[(WEI, &[WEI_TWO_JOBS]), (MARIA, &[PLATFORM]), (LI, &[LI_PERIOD])]),
        access: access(SRE, &[LI_ENTRY]),
        changes: &["grant ledger wei.chen"],
        groups: &[
            ("ledger", &["wei.chen"]),
            ("nobody", &[]),
            ("sre", &["li.na", "maria.lopez", "wei.chen"]),
            ("vpn", &["li.na", "maria.lopez", "wei.chen"]),
        ],
        ..moved
    };
    vec![first, again, moved, overlap]
}

#[expect(clippy::too_many_lines, reason = "a story is told in one piece")]
fn middle() -> Vec<Step> {
    let after_overlap = Step {
        name: "the first of the two positions ends",
        at: "2026-05-01T00:00:00Z",
        people: people(&[(WEI, &[WEI_TWO_JOBS]), (MARIA, &[PLATFORM]), (LI, &[LI_PERIOD])]),
        access: access(SRE, &[LI_ENTRY]),
        edits: &[],
        changes: &["revoke sre wei.chen", "revoke vpn wei.chen"],
        withheld: &[],
        groups: &[
            ("ledger", &["wei.chen"]),
            ("nobody", &[]),
            ("sre", &["li.na", "maria.lopez"]),
            ("vpn", &["li.na", "maria.lopez"]),
        ],
        accounts: &["li.na", "maria.lopez", "wei.chen"],
        restart: false,
    };
    let renamed = Step {
        name: "an account and a group get other names",
        at: "2026-05-04T09:00:00Z",
        people: people(&[(WEI, &[WEI_TWO_JOBS]), (MARIA, &[PLATFORM]), (LI, LI_RENAMED)]),
        access: access(RELIABILITY, &[LI_ENTRY]),
        changes: &["rename-account li.na", "rename-group sre"],
        groups: BOTH_ON_CALL,
        accounts: &["maria.lopez", "na.li", "wei.chen"],
        restart: true,
        ..after_overlap
    };
    let expired = Step {
        name: "a contractor's last day has passed",
        at: "2026-07-01T00:00:00Z",
        people: renamed.people.clone(),
        access: renamed.access.clone(),
        changes: &["disable-account na.li", "revoke reliability na.li", "revoke vpn na.li"],
        groups: &[
            ("ledger", &["wei.chen"]),
            ("nobody", &[]),
            ("reliability", &["maria.lopez"]),
            ("vpn", &["maria.lopez"]),
        ],
        accounts: &["!na.li", "maria.lopez", "wei.chen"],
        restart: false,
        ..renamed
    };
    let leave = "leave: [{ from: 2026-07-05, returns: 2026-07-20 }]";
    let away = Step {
        name: "somebody is on leave: no log-in, memberships stay",
        at: "2026-07-06T09:00:00Z",
        people: people(&[(WEI, &[WEI_TWO_JOBS]), (MARIA, &[PLATFORM, leave]), (LI, LI_RENAMED)]),
        access: expired.access.clone(),
        changes: &["disable-account maria.lopez"],
        accounts: &["!maria.lopez", "!na.li", "wei.chen"],
        ..expired
    };
    let back = Step {
        name: "and returns",
        at: "2026-07-20T09:00:00Z",
        people: away.people.clone(),
        access: away.access.clone(),
        changes: &["enable-account maria.lopez"],
        accounts: &["!na.li", "maria.lopez", "wei.chen"],
        ..away
    };
    vec![after_overlap, renamed, expired, away, back]
}

#[expect(clippy::too_many_lines, reason = "a story is told in one piece")]
fn end() -> Vec<Step> {
    let rehired = Step {
        name: "a contractor comes back and gets only what is written for the second time",
        at: "2026-08-03T09:00:00Z",
        people: people(&[(WEI, &[WEI_TWO_JOBS]), (MARIA, &[PLATFORM]), (LI, LI_REHIRED)]),
        access: access(RELIABILITY, &[LI_ENTRY, LI_AGAIN]),
        edits: &[],
        changes: &["enable-account na.li", "grant reliability na.li", "grant vpn na.li", "update-account na.li"],
        withheld: &[],
        groups: BOTH_ON_CALL,
        accounts: &["maria.lopez", "na.li", "wei.chen"],
        restart: false,
    };
    let drift = Step {
        name: "somebody edits behind accord's back",
        at: "2026-08-10T09:00:00Z",
        people: rehired.people.clone(),
        access: rehired.access.clone(),
        edits: &[
            Edit::Join("reliability", "wei.chen"),
            Edit::Join("nobody", "na.li"),
            Edit::Part("vpn", "maria.lopez"),
            Edit::Lock("maria.lopez"),
            Edit::Set("na.li", "mail", "elsewhere@example.com"),
        ],
        changes: &[
            "enable-account maria.lopez",
            "grant vpn maria.lopez",
            "revoke nobody na.li",
            "revoke reliability wei.chen",
            "update-account na.li",
        ],
        restart: true,
        ..rehired
    };
    let gone = "expires: 2026-08-31";
    let left = Step {
        name: "somebody leaves",
        at: "2026-09-01T00:00:00Z",
        people: people(&[(WEI, &[WEI_TWO_JOBS]), (MARIA, &[PLATFORM, gone]), (LI, LI_REHIRED)]),
        access: drift.access.clone(),
        edits: &[],
        // The last is the end that the directory keeps for itself.
        changes: &[
            "disable-account maria.lopez",
            "revoke reliability maria.lopez",
            "revoke vpn maria.lopez",
            "update-account maria.lopez",
        ],
        groups: &[("ledger", &["wei.chen"]), ("nobody", &[]), ("reliability", &["na.li"]), ("vpn", &["na.li"])],
        accounts: &["!maria.lopez", "na.li", "wei.chen"],
        restart: false,
        ..drift
    };
    let deleted = Step {
        name: "thirty days later the account goes",
        at: "2026-10-02T00:00:00Z",
        people: left.people.clone(),
        access: left.access.clone(),
        changes: &["delete-account maria.lopez"],
        accounts: &["na.li", "wei.chen"],
        ..left
    };
    let again = namesake();
    let namesake =
        people(&[(WEI, &[WEI_TWO_JOBS]), (&again, &[PLATFORM, "accounts: { corp: maria.lopez }"]), (LI, LI_REHIRED)]);
    let stale = Step {
        name: "a namesake is not created while a group still lists the old name",
        at: "2026-10-05T09:00:00Z",
        people: namesake.clone(),
        access: deleted.access.clone(),
        edits: &[Edit::Join("ledger", "maria.lopez")],
        changes: &[],
        withheld: &["create-account maria.lopez", "grant reliability maria.lopez", "grant vpn maria.lopez"],
        groups: &[
            ("ledger", &["maria.lopez", "wei.chen"]),
            ("nobody", &[]),
            ("reliability", &["na.li"]),
            ("vpn", &["na.li"]),
        ],
        ..deleted
    };
    let reborn = Step {
        name: "a new person with the old name inherits nothing",
        at: "2026-10-06T09:00:00Z",
        people: namesake,
        access: stale.access.clone(),
        edits: &[Edit::Part("ledger", "maria.lopez")],
        changes: &["create-account maria.lopez", "grant reliability maria.lopez", "grant vpn maria.lopez"],
        withheld: &[],
        groups: BOTH_ON_CALL,
        accounts: &["maria.lopez", "na.li", "wei.chen"],
        restart: true,
    };
    vec![rehired, drift, left, deleted, stale, reborn]
}

/// Somebody else with the name of somebody who left.
fn namesake() -> String {
    MARIA.replace("maria.lopez:", "maria.lopez.2:").replace("\"2\"", "\"4\"").replace("maria@", "mlopez@")
}

fn joining() -> Vec<Step> {
    let again = namesake();
    let with = |lines: &[&str]| {
        let others = [(WEI, &[WEI_TWO_JOBS][..]), (&again, &[PLATFORM, "accounts: { corp: maria.lopez }"])];
        people(&[others[0], others[1], (LI, LI_REHIRED), (OMAR, lines)])
    };
    let quiet = Step {
        name: "six days before the first day nothing is there",
        at: "2026-10-14T00:00:00Z",
        people: with(&[PLATFORM, "starts: 2026-10-20"]),
        access: access(RELIABILITY, &[LI_ENTRY, LI_AGAIN]),
        edits: &[],
        changes: &[],
        withheld: &[],
        groups: BOTH_ON_CALL,
        accounts: &["maria.lopez", "na.li", "wei.chen"],
        restart: false,
    };
    let ready = Step {
        name: "five days before it the account is ready, and cannot be used",
        at: "2026-10-15T00:00:00Z",
        people: quiet.people.clone(),
        access: quiet.access.clone(),
        changes: &["create-account omar.haddad"],
        accounts: &["maria.lopez", "na.li", "!omar.haddad", "wei.chen"],
        restart: true,
        ..quiet
    };
    let first_day = Step {
        name: "on the first day it can be used and holds what is written",
        at: "2026-10-20T00:00:00Z",
        people: ready.people.clone(),
        access: ready.access.clone(),
        changes: &["enable-account omar.haddad", "grant reliability omar.haddad", "grant vpn omar.haddad"],
        groups: &[
            ("ledger", &["wei.chen"]),
            ("nobody", &[]),
            ("reliability", &["maria.lopez", "na.li", "omar.haddad"]),
            ("vpn", &["maria.lopez", "na.li", "omar.haddad"]),
        ],
        accounts: &["maria.lopez", "na.li", "omar.haddad", "wei.chen"],
        restart: false,
        ..ready
    };
    let put_off = Step {
        name: "the first day was wrong: it is in the future again",
        at: "2026-10-21T00:00:00Z",
        people: with(&[PLATFORM, "starts: 2026-12-01"]),
        access: first_day.access.clone(),
        changes: &["disable-account omar.haddad", "revoke reliability omar.haddad", "revoke vpn omar.haddad"],
        groups: quiet.groups,
        accounts: ready.accounts,
        ..first_day
    };
    vec![quiet, ready, first_day, put_off]
}
