//! The rights that the documentation asks for are enough, and lacking them is said.

use super::{create, done, group_of, groups, people, settings, start, status, why, write_as};
use crate::support::ldap::{change, side};
use accord::model::change::{Action, Object, Side};
use accord::provider::Answer;
use serde_json::json;

const PASSWORD: &str = "Accord-Pass-1!";
/// Schema identifiers ([MS-ADSC]) of the classes `user` and `group`, and of the right to
/// set a password ([MS-ADTS] §5.1.3.2.1).
const USER: &str = "bf967aba-0de6-11d0-a285-00aa003049e2";
const GROUP: &str = "bf967a9c-0de6-11d0-a285-00aa003049e2";
const SET_PASSWORD: &str = "00299570-246d-11d0-a768-00aa006e0529";

#[test]
fn a_delegated_account_can_do_everything_and_an_ordinary_one_is_told_what_it_lacks() {
    let dc = start();
    dc.samba_tool(&["user", "create", "accord", PASSWORD]);
    let shown = dc.samba_tool(&["user", "show", "accord", "--attributes=objectSid"]);
    let sid = shown.lines().find_map(|line| line.strip_prefix("objectSid: ")).unwrap();
    let mut settings = settings(&dc);
    settings["bind"]["dn"] = json!("accord@example.com");
    let write = |changes: &[_]| write_as(&settings, changes, Some("First-Pass-1!"), PASSWORD);

    let refused = write(&[create("ada", &[])]);
    let text = why(&refused[0]);
    assert!(text.contains("insufficientAccessRights (50)") && text.contains("accord@example.com"), "{text}");

    let delegate = |unit: String, sddl: String| {
        dc.samba_tool(&["dsacl", "set", &format!("--objectdn={unit}"), &format!("--sddl={sddl}")]);
    };
    delegate(
        people(),
        format!(
            "(OA;CI;CCDC;{USER};;{sid})(OA;CIIO;WP;;{USER};{sid})(OA;CIIO;CR;{SET_PASSWORD};{USER};{sid})\
             (OA;CIIO;SD;;{USER};{sid})"
        ),
    );
    delegate(groups(), format!("(OA;CI;CCDC;{GROUP};;{sid})(OA;CIIO;WP;;{GROUP};{sid})(OA;CIIO;SD;;{GROUP};{sid})"));
    let named = |name: &str| side(&[("name", name)]);
    let rename = change(Action::RenameAccount, Object::account("ada"), named("ada"), named("ada2"));
    let ends = side(&[("ends", "2030-01-01T00:00:00Z")]);
    let end = change(Action::UpdateAccount, Object::account("ada2"), Some(Side::new()), ends);
    let revoke = change(Action::Revoke, Object::membership("g", "ada2"), None, None);
    let deleted = |object, action| change(action, object, None, None);
    done(&write(&[
        create("ada", &[("displayName", "Ada Lovelace"), ("employeeID", "77")]),
        change(Action::CreateGroup, Object::group("g"), None, side(&[("description", "all")])),
        group_of("g", "ada"),
        status("ada", true),
        rename,
        end,
    ]));
    let dn = format!("CN=Ada Lovelace,{}", people());
    assert_eq!(dc.tools().values(&dn, "sAMAccountName"), ["ada2"]);
    assert_eq!(dc.tools().values(&format!("CN=g,{}", groups()), "member"), [dn]);
    let answers = write(&[
        revoke,
        status("ada2", false),
        deleted(Object::group("g"), Action::DeleteGroup),
        deleted(Object::account("ada2"), Action::DeleteAccount),
    ]);
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Done { .. })), "{answers:#?}");
    for unit in [people(), groups()] {
        let left = dc.tools().search(&unit, "(|(objectClass=user)(objectClass=group))", &["cn"]);
        assert!(!left.contains("dn:"), "{left}");
    }
}
