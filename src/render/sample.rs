//! A plan that has one of everything, for the tests of this module.

use crate::model::change::{OtherMember, Side};
use crate::model::{Action, Change, Instant, Object};
use crate::plan::{DirectoryMark, FORMAT, Fact, Filter, Note, Plan, PolicyMark, Withheld};
use std::collections::BTreeMap;

fn at(text: &str) -> Instant {
    text.to_owned().try_into().unwrap()
}

fn side(pairs: &[(&str, &str)]) -> Side {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
}

fn change(action: Action, object: Object, person: Option<&str>, because: &[u32]) -> Change {
    Change {
        id: 0,
        directory: "corp".to_owned(),
        action,
        object,
        person: person.map(str::to_owned),
        label: None,
        before: None,
        after: None,
        because: because.to_vec(),
        ends: None,
        needs: Vec::new(),
    }
}

fn fact(text: &str, place: Option<(&str, u32)>) -> Fact {
    Fact { text: text.to_owned(), file: place.map(|(file, _)| file.to_owned()), line: place.map(|(_, line)| line) }
}

fn changes() -> Vec<Change> {
    let (li, maria, wei) = (Some("li.na"), Some("maria.lopez"), Some("wei.chen"));
    let year = Some(at("2026-12-31T23:00:00Z"));
    let mut list = vec![
        change(Action::DisableAccount, Object::account("li.na"), li, &[0]),
        change(Action::Revoke, Object::membership("sre", "li.na"), li, &[1]),
        change(Action::Revoke, Object::membership("vpn", "tmp.admin"), None, &[2]),
        Change {
            after: Some(side(&[
                ("cn", "Maria Lopez"),
                ("mail", "maria@example.com"),
                ("ends", "2027-03-31T22:00:00Z"),
            ])),
            ..change(Action::CreateAccount, Object::account("maria.lopez"), maria, &[3])
        },
        Change {
            before: Some(side(&[("title", "Engineer")])),
            after: Some(side(&[("title", "Lead \u{1b}[31mengineer"), ("ends", "2027-03-31T22:00:00Z")])),
            ..change(Action::UpdateAccount, Object::account("wei.chen"), wei, &[4])
        },
        Change {
            ends: year,
            after: Some(side(&[("ends", "2026-12-31T23:00:00Z")])),
            ..change(Action::Grant, Object::membership("sre", "maria.lopez"), maria, &[5])
        },
        Change { ends: year, ..change(Action::Grant, Object::membership("vpn", "adm-mlopez"), maria, &[5]) },
        change(Action::Grant, Object::other("all", OtherMember::Group("sre".to_owned())), None, &[]),
        Change {
            after: Some(side(&[("description", "Network access")])),
            ..change(Action::CreateGroup, Object::group("vpn"), None, &[])
        },
    ];
    for (n, change) in list.iter_mut().enumerate() {
        change.id = u32::try_from(n).unwrap() + 1;
    }
    list
}

/// One of everything.
pub(super) fn plan() -> Plan {
    let held = |person: &str| Withheld {
        change: change(Action::Grant, Object::membership("payment-approvers", person), Some(person), &[6]),
        reason: "breaks payments-separation: also holds corp/payment-clerks".to_owned(),
        limit: None,
        setting: Some("take the other away, or an exception with an expiry".to_owned()),
    };
    Plan {
        format: FORMAT.to_owned(),
        policy: PolicyMark {
            commit: Some("4f2c1e9a77".to_owned()),
            dirty: false,
            branch: Some("main".to_owned()),
            digest: "d1".to_owned(),
            ..PolicyMark::default()
        },
        approvals: None,
        at: at("2026-11-22T09:31:00Z"),
        read_only: false,
        filter: Filter::default(),
        versions: BTreeMap::new(),
        directories: vec![DirectoryMark {
            name: "corp".to_owned(),
            kind: "ldap".to_owned(),
            accounts: 40_112,
            groups: 2_310,
            complete: true,
            evidence: vec!["41 pages".to_owned(), "contextCSN unchanged".to_owned()],
            ends_itself: vec!["accounts".to_owned(), "memberships".to_owned()],
        }],
        references: BTreeMap::new(),
        facts: vec![
            fact("contractor, ended 2026-11-22 00:00", Some(("policies/people/contractors.yaml", 41))),
            fact("was by role sre", Some(("policies/roles/platform.yaml", 12))),
            fact("added 2026-11-20 03:12 by cn=helpdesk; declare it or it goes", None),
            fact("contractor of Initech, sponsor wei.chen", Some(("policies/people/contractors.yaml", 3))),
            fact("title", Some(("policies/people/staff.yaml", 118))),
            fact("role sre, ACC-1042", Some(("policies/roles/platform.yaml", 9))),
            fact("role payment-approver", Some(("policies/roles/finance.yaml", 31))),
        ],
        changes: changes(),
        barriers: Vec::new(),
        withheld: vec![held("dana.wolf"), held("omar.haddad")],
        notes: vec![Note {
            code: "orphan-account".to_owned(),
            directory: Some("corp".to_owned()),
            object: Some("old.admin".to_owned()),
            text: "nobody declared this account; it is kept".to_owned(),
            member: None,
        }],
        next: None,
        summary: BTreeMap::new(),
        digest: String::new(),
    }
}
