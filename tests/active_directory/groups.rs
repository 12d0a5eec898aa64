//! Scope and type of groups.

use super::{done, groups, plan, settings, start, why, write};
use crate::support::ldap::{policy, words};
use accord::plan::Memory;
use accord::policy::Policy;
use serde_json::json;

#[test]
fn groups_are_made_and_changed_with_their_scope_and_type() {
    let dc = start();
    let settings = settings(&dc);
    let load = |text: &str| -> Policy {
        let mut written = settings.clone();
        written["ca"] = json!("ca.pem");
        let mut policy = policy(&written, &format!("groups:\n{text}"));
        policy.directories[0].settings.ca = Some(dc.ca().display().to_string());
        policy
    };
    let kind = |name: &str| dc.tools().values(&format!("CN={name},{}", groups()), "groupType").remove(0);
    let first = load("  corp/a: { scope: universal }\n  corp/b: { type: distribution }\n  corp/c: {}\n");
    done(&write(&settings, &plan(&first, &Memory::default()).changes, None));
    assert_eq!([kind("a"), kind("b"), kind("c")], ["-2147483640", "2", "-2147483646"]);
    assert_eq!(words(&plan(&first, &Memory::default())), [""; 0]);

    // Somebody makes `c` universal; nobody said what it shall be.
    let by_hand = format!("dn: CN=c,{}\nchangetype: modify\nreplace: groupType\ngroupType: -2147483640\n", groups());
    dc.tools().modify(&by_hand);
    assert_eq!(words(&plan(&first, &Memory::default())), [""; 0]);

    let second = load("  corp/a: { scope: domain-local }\n  corp/b: { scope: universal }\n  corp/c: {}\n");
    let planned = plan(&second, &Memory::default());
    assert_eq!(words(&planned), ["update-group a", "update-group b"]);
    let sides = (planned.changes[0].before.clone().unwrap(), planned.changes[0].after.clone().unwrap());
    assert_eq!(
        (&sides.0["groupType"][0][..], &sides.1["groupType"][0][..]),
        ("universal security", "domain-local security")
    );
    done(&write(&settings, &planned.changes, None));
    assert_eq!([kind("a"), kind("b")], ["-2147483644", "-2147483640"]);
    assert_eq!(words(&plan(&second, &Memory::default())), [""; 0]);

    let third = load("  corp/a: { scope: global }\n  corp/b: { scope: universal }\n  corp/c: {}\n");
    let refused = write(&settings, &plan(&third, &Memory::default()).changes, None);
    assert!(why(&refused[0]).contains("only by way of universal"), "{refused:?}");
    assert_eq!(kind("a"), "-2147483644");
}
