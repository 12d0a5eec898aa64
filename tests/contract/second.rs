//! The end of the story: somebody has a second account.

use super::steps::{Step, people};

const WEI: &str = r#"
  wei.chen:
    id: "1"
    name: Wei Chen
    family_name: Chen
    email: wei@example.com
    kind: employee
    attributes: { department: finance }
"#;

const NAMED: &str = r#"accounts: { "corp#admin": adm-wei }"#;
const RENAMED: &str = r#"accounts: { "corp#admin": adm-wchen }"#;
const LEAVE: &str = "leave: [{ from: 2026-11-01, returns: 2026-11-10 }]";

/// What `role: operator` gives goes to the account for administration. `maria.lopez.2`
/// has none, so she gets nothing.
const OPERATOR: &str = r"  operator:
    account: admin
    grants: [corp/nobody]
    members: [wei.chen, maria.lopez.2]
groups:
";

/// `others` are the people beside wei.chen, and `before` the last step before these.
#[expect(clippy::too_many_lines, reason = "a story is told in one piece")]
pub(super) fn steps(others: &[(&str, &[&str])], before: &Step) -> Vec<Step> {
    let with = |lines: &[&str]| {
        let all: Vec<(&str, &[&str])> = [(WEI, lines)].into_iter().chain(others.iter().copied()).collect();
        people(&all)
    };
    let made = Step {
        name: "a second account is made, and only it gets what goes to it",
        at: "2026-10-22T09:00:00Z",
        people: with(&[NAMED]),
        access: before.access.replacen("groups:\n", OPERATOR, 1),
        edits: &[],
        changes: &["create-account adm-wei", "grant nobody adm-wei"],
        withheld: &[],
        groups: &[
            ("ledger", &["wei.chen"]),
            ("nobody", &["adm-wei"]),
            ("reliability", &["maria.lopez", "na.li"]),
            ("vpn", &["maria.lopez", "na.li"]),
        ],
        accounts: &["adm-wei", "maria.lopez", "na.li", "!omar.haddad", "wei.chen"],
        restart: true,
    };
    let swapped = Step {
        name: "the everyday account is put where the other one belongs",
        at: "2026-10-23T09:00:00Z",
        people: made.people.clone(),
        access: made.access.clone(),
        edits: &[super::Edit::Join("nobody", "wei.chen"), super::Edit::Part("nobody", "adm-wei")],
        changes: &["grant nobody adm-wei", "revoke nobody wei.chen"],
        restart: false,
        ..made
    };
    let renamed = Step {
        name: "the second account gets another name",
        at: "2026-10-24T09:00:00Z",
        people: with(&[RENAMED]),
        access: made.access.clone(),
        edits: &[],
        changes: &["rename-account adm-wei"],
        groups: &[
            ("ledger", &["wei.chen"]),
            ("nobody", &["adm-wchen"]),
            ("reliability", &["maria.lopez", "na.li"]),
            ("vpn", &["maria.lopez", "na.li"]),
        ],
        accounts: &["adm-wchen", "maria.lopez", "na.li", "!omar.haddad", "wei.chen"],
        ..swapped
    };
    let away = Step {
        name: "on leave neither account can be used",
        at: "2026-11-02T09:00:00Z",
        people: with(&[RENAMED, LEAVE]),
        access: made.access.clone(),
        changes: &["disable-account adm-wchen", "disable-account wei.chen"],
        accounts: &["!adm-wchen", "maria.lopez", "na.li", "!omar.haddad", "!wei.chen"],
        ..renamed
    };
    let back = Step {
        name: "and both can afterwards",
        at: "2026-11-11T09:00:00Z",
        people: away.people.clone(),
        access: made.access.clone(),
        changes: &["enable-account adm-wchen", "enable-account wei.chen"],
        accounts: renamed.accounts,
        ..away
    };
    let left = Step {
        name: "who leaves loses every account at once",
        at: "2026-11-21T00:00:00Z",
        people: with(&[RENAMED, "expires: 2026-11-20"]),
        access: made.access.clone(),
        changes: &[
            "disable-account adm-wchen",
            "disable-account wei.chen",
            "revoke ledger wei.chen",
            "revoke nobody adm-wchen",
            "update-account adm-wchen",
            "update-account wei.chen",
        ],
        groups: &[
            ("ledger", &[]),
            ("nobody", &[]),
            ("reliability", &["maria.lopez", "na.li"]),
            ("vpn", &["maria.lopez", "na.li"]),
        ],
        accounts: away.accounts,
        restart: true,
        ..back
    };
    let deleted = Step {
        name: "thirty days later both are deleted",
        at: "2026-12-22T00:00:00Z",
        people: left.people.clone(),
        access: made.access.clone(),
        changes: &["delete-account adm-wchen", "delete-account wei.chen"],
        accounts: &["maria.lopez", "na.li", "!omar.haddad"],
        restart: false,
        ..left
    };
    vec![made, swapped, renamed, away, back, left, deleted]
}
