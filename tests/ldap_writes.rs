//! Every write against real slapd: what it does, and what it says when it cannot.

use crate::support::ldap::{
    block_on, change, connection, read, settings, side, write, write_with, writer_with_first_password,
};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, Slapd, WRITER, group_ldif, people_ldif};
use accord::model::Enabled;
use accord::model::change::{Action, Change, Object};
use accord::provider::{Answer, Purpose, Reader, Scope, Step, Writer};
use serde_json::json;

fn person(n: usize) -> String {
    format!("uid=p{n},{PEOPLE}")
}

fn group(name: &str) -> String {
    format!("cn={name},{GROUPS}")
}

fn start(options: Options) -> Slapd {
    let seed = people_ldif("p", 12) + &group_ldif("a", "p", 0..6) + &group_ldif("last", "p", 3..4);
    Slapd::start(&Options { seed, ..options })
}

fn done(answers: &[Answer]) {
    for answer in answers {
        assert!(matches!(answer, Answer::Done { .. }), "{answers:?}");
    }
}

fn grants(name: &str, numbers: impl IntoIterator<Item = usize>) -> Vec<Change> {
    let of = |n| change(Action::Grant, Object::membership(name, format!("p{n}")), None, None);
    numbers.into_iter().map(of).collect()
}

fn revokes(name: &str, numbers: impl IntoIterator<Item = usize>) -> Vec<Change> {
    let of = |n| change(Action::Revoke, Object::membership(name, format!("p{n}")), None, None);
    numbers.into_iter().map(of).collect()
}

#[test]
fn an_account_lives_through_every_action() {
    let server = start(Options::default());
    let settings = settings(&server, &server.url());
    let account = || Object::account("ada");
    let dn = format!("uid=ada,{PEOPLE}");
    let steps = [
        change(
            Action::CreateAccount,
            account(),
            None,
            side(&[
                ("cn", "Ada Lovelace"),
                ("sn", "Lovelace"),
                ("employeeNumber", "77"),
                ("ends", "2020-01-01T00:00:00Z"),
            ]),
        ),
        change(Action::DisableAccount, account(), side(&[("enabled", "true")]), side(&[("enabled", "false")])),
    ];
    block_on(async {
        let answers = write(&settings, &steps).await;
        assert_eq!(answers[0], Answer::Done { handle: Some(dn.clone()) });
        done(&answers);
        let reading = read(&settings).await.unwrap();
        assert_eq!(reading.gaps, []);
        let ada = reading.upserts.account_named("ada").unwrap();
        assert_eq!((ada.enabled(), ada.person_id()), (Enabled::No, Some("77")));
        assert_eq!(ada.ends().unwrap().to_string(), "2020-01-01T00:00:00Z");
        assert_eq!(server.values(&dn, "userPassword").len(), 0);

        let steps = [
            change(Action::EnableAccount, account(), side(&[("enabled", "false")]), side(&[("enabled", "true")])),
            change(Action::UpdateAccount, account(), side(&[("ends", "2020-01-01T00:00:00Z")]), side(&[])),
            change(Action::UpdateAccount, account(), side(&[("cn", "Ada Lovelace")]), side(&[("cn", "Ada King")])),
        ];
        done(&write(&settings, &steps).await);
        assert_eq!(server.values(&dn, "cn"), ["Ada King"]);
        let reading = read(&settings).await.unwrap();
        let ada = reading.upserts.account_named("ada").unwrap();
        assert_eq!((ada.enabled(), ada.ends()), (Enabled::Yes, None));

        let rename = change(Action::RenameAccount, account(), side(&[("name", "ada")]), side(&[("name", "ada.king")]));
        done(&write(&settings, &[change(Action::Grant, Object::membership("a", "ada"), None, None), rename]).await);
        let renamed = format!("uid=ada.king,{PEOPLE}");
        assert_eq!(server.values(&renamed, "uid"), ["ada.king"]);
        let members = server.values(&group("a"), "member");
        assert!(members.contains(&renamed) && !members.contains(&dn), "{members:?}");
        let delete = change(Action::DeleteAccount, Object::account("ada.king"), side(&[("cn", "Ada King")]), None);
        done(&write(&settings, &[delete]).await);
        assert_eq!(server.values(&renamed, "uid").len(), 0);
    });
}

#[test]
fn a_disabled_or_ended_account_cannot_log_in() {
    let server = start(Options::default());
    server.ldapmodify(&format!("dn: {}\nchangetype: modify\nadd: userPassword\nuserPassword: x\n", person(1)));
    let settings = settings(&server, &server.url());
    assert!(server.can_bind(&person(1), "x"));
    let object = || Object::account("p1");
    block_on(async {
        done(&write(&settings, &[change(Action::DisableAccount, object(), None, None)]).await);
        assert!(!server.can_bind(&person(1), "x"));
        done(&write(&settings, &[change(Action::EnableAccount, object(), None, None)]).await);
        assert!(server.can_bind(&person(1), "x"));
        let end = change(Action::UpdateAccount, object(), side(&[]), side(&[("ends", "2020-01-01T00:00:00Z")]));
        done(&write(&settings, &[end]).await);
        assert!(!server.can_bind(&person(1), "x"));
    });
}

#[test]
fn memberships_travel_together_and_one_bad_value_is_found() {
    let server = start(Options::default());
    let settings = settings(&server, &server.url());
    block_on(async {
        // p3 is a member already, p20 of the revokes never was.
        let mut changes = grants("a", [6, 3, 7, 8]);
        changes.extend(revokes("a", [0, 11, 1]));
        let answers = write(&settings, &changes).await;
        let words: Vec<&str> = answers
            .iter()
            .map(|answer| match answer {
                Answer::Done { .. } => "done",
                Answer::Conflict { .. } => "conflict",
                _ => "other",
            })
            .collect();
        assert_eq!(words, ["done", "conflict", "done", "done", "done", "conflict", "done"], "{answers:?}");
        let expected: Vec<String> = [2, 3, 4, 5, 6, 7, 8].into_iter().map(person).collect();
        assert_eq!(server.values(&group("a"), "member"), expected);
    });
}

#[test]
fn a_group_that_may_not_be_empty_keeps_a_placeholder_only_while_it_is() {
    for class in ["groupOfNames", "groupOfUniqueNames"] {
        let server = start(Options::default());
        let mut settings = settings(&server, &server.url());
        settings["groups"]["object_class"] = json!(class);
        let member = if class == "groupOfNames" { "member" } else { "uniqueMember" };
        block_on(async {
            let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
            let create = change(Action::CreateGroup, Object::group("new"), None, side(&[("description", "New")]));
            done(&write_with(&writer, &[create]).await);
            assert_eq!(server.values(&group("new"), member), [group("new")]);
            done(&write_with(&writer, &grants("new", [1, 2])).await);
            assert_eq!(server.values(&group("new"), member), [person(1), person(2)]);
            done(&write_with(&writer, &revokes("new", [1, 2])).await);
            assert_eq!(server.values(&group("new"), member), [group("new")]);
            let reading = read(&settings).await.unwrap();
            assert!(reading.upserts.group_named("new").unwrap().is_empty());
            assert_eq!(reading.gaps, []);
            // A second writer has no memory of the placeholder.
            done(&write(&settings, &grants("new", [5])).await);
            assert_eq!(server.values(&group("new"), member), [person(5)]);
            let rename =
                change(Action::RenameGroup, Object::group("new"), side(&[("name", "new")]), side(&[("name", "newer")]));
            let delete = change(Action::DeleteGroup, Object::group("newer"), None, None);
            done(&write_with(&writer, &[rename, delete]).await);
        });
    }
}

/// What the planner read spares the question; where it is old, the result code says so.
#[test]
fn what_was_seen_of_a_placeholder_is_asserted_and_never_believed_blindly() {
    let server = start(Options::default());
    let settings = settings(&server, &server.url());
    block_on(async {
        let reading = read(&settings).await.unwrap();
        assert_eq!(reading.placeholders, Some(vec![]));
        let create = change(Action::CreateGroup, Object::group("new"), None, None);
        done(&write(&settings, &[create]).await);
        assert_eq!(read(&settings).await.unwrap().placeholders, Some(vec!["new".into()]));
        for (seen, n) in [(Some(false), 1), (Some(true), 2), (None, 3)] {
            for held in [true, false] {
                server.ldapmodify(&format!(
                    "dn: {0}\nchangetype: modify\nreplace: member\nmember: {1}\n",
                    group("new"),
                    if held { group("new") } else { person(9) }
                ));
                let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
                let grants = grants("new", [n]);
                let step = Step { change: &grants[0], handle: None, member: None, placeholder: seen };
                done(&writer.write(&[step]).await);
                let expected = if held { vec![person(n)] } else { vec![person(n), person(9)] };
                assert_eq!(server.values(&group("new"), "member"), expected, "seen {seen:?}, held {held}");
            }
        }
    });
}

#[test]
fn few_memberships_are_confirmed_without_reading_the_group_and_never_denied() {
    let hide = format!("access to dn.exact=\"{}\" attrs=member by * none", group("last"));
    let server = start(Options { acl: vec![hide], ..Options::default() });
    let settings = settings(&server, &server.url());
    let changes = [
        grants("a", [0, 5]),
        revokes("a", [7]),
        // One that is not so makes all of its group unconfirmed.
        grants("last", [3]),
        revokes("last", [5]),
        grants("none", [1]),
        revokes("none", [1]),
    ]
    .concat();
    let ask = |changes: &[Change]| {
        let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        let step = |change| Step { change, handle: None, member: None, placeholder: None };
        block_on(async { writer.confirm(&changes.iter().map(step).collect::<Vec<_>>()).await })
    };
    assert_eq!(ask(&changes), [true, true, true, false, false, false, false]);
    assert_eq!(ask(&[grants("a", [0, 9]), revokes("a", [7])].concat()), [false; 3]);
    assert_eq!(ask(&revokes("a", [0])), [false]);
}

#[test]
fn the_last_of_several_members_may_go_among_others() {
    let server = start(Options::bare());
    let settings = settings(&server, &server.url());
    block_on(async {
        let answers = write(&settings, &revokes("a", [0, 1, 2, 9, 3, 4, 5])).await;
        assert_eq!(answers.iter().filter(|a| matches!(a, Answer::Done { .. })).count(), 6, "{answers:?}");
        assert!(matches!(&answers[3], Answer::Conflict { .. }), "{answers:?}");
        assert_eq!(server.values(&group("a"), "member"), [group("a")]);
    });
}

#[test]
fn posix_groups_hold_names_and_follow_a_rename() {
    let server = start(Options::bare());
    let mut settings = settings(&server, &server.url());
    settings["groups"]["object_class"] = json!("posixGroup");
    block_on(async {
        let create = change(Action::CreateGroup, Object::group("unix"), None, side(&[("gidNumber", "5001")]));
        done(&write(&settings, &[create]).await);
        done(&write(&settings, &grants("unix", [1, 2])).await);
        let rename = change(Action::RenameAccount, Object::account("p1"), None, side(&[("name", "q1")]));
        done(&write(&settings, &[rename]).await);
        assert_eq!(server.values(&group("unix"), "memberUid"), ["p2", "q1"]);
        done(&write(&settings, &revokes("unix", [2])).await);
        let reading = read(&settings).await.unwrap();
        assert_eq!(reading.upserts.group_named("unix").unwrap().members().len(), 1);
        assert_eq!(reading.gaps, []);
    });
}

#[test]
fn without_a_password_policy_the_server_cannot_disable_and_says_so() {
    let server = start(Options::bare());
    let mut settings = settings(&server, &server.url());
    block_on(async {
        let reading = read(&settings).await.unwrap();
        let capabilities = reading.capabilities.unwrap();
        assert!(!capabilities.disable && !capabilities.native_end);
        assert!(!capabilities.actions.contains(&Action::DisableAccount));
        assert_eq!(reading.evidence, ["2 pages", "two equal reads"]);
        settings["accounts"]["disable"] = json!({ "attribute": "employeeType", "disabled": "inactive" });
        done(&write(&settings, &[change(Action::DisableAccount, Object::account("p2"), None, None)]).await);
        let reading = read(&settings).await.unwrap();
        assert!(reading.capabilities.unwrap().disable);
        assert_eq!(reading.upserts.account_named("p2").unwrap().enabled(), Enabled::No);
        done(&write(&settings, &[change(Action::EnableAccount, Object::account("p2"), None, None)]).await);
        assert_eq!(server.values(&person(2), "employeeType").len(), 0);
    });
}

#[test]
fn what_somebody_changed_meanwhile_is_a_conflict_and_stays() {
    let server = start(Options::default());
    let settings = settings(&server, &server.url());
    let stale = |action, before, after| change(action, Object::account("p4"), side(before), side(after));
    block_on(async {
        let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        let changes = [
            stale(Action::UpdateAccount, &[("mail", "old@example.com")], &[("mail", "new@example.com")]),
            stale(Action::UpdateAccount, &[], &[("mail", "p4@example.com")]),
            stale(Action::EnableAccount, &[("enabled", "false")], &[("enabled", "true")]),
            stale(Action::DeleteAccount, &[("cn", "Somebody Else")], &[]),
            change(Action::CreateAccount, Object::account("p5"), None, side(&[("cn", "x"), ("sn", "x")])),
            change(Action::DeleteAccount, Object::account("nobody"), None, None),
            change(Action::DeleteGroup, Object::group("none"), None, None),
            change(Action::Grant, Object::membership("none", "p1"), None, None),
            change(Action::RenameAccount, Object::account("p6"), None, side(&[("name", "p7")])),
        ];
        for step in &changes {
            let answers = write_with(&writer, std::slice::from_ref(step)).await;
            assert!(matches!(&answers[..], [Answer::Conflict { .. }]), "{step:?}: {answers:?}");
        }
        assert_eq!(server.values(&person(4), "mail"), ["p4@example.com"]);
    });
}

/// A fax number has no equality rule (RFC 4519 §2.10): no filter about it is ever true,
/// and no value of it can be deleted singly. Neither makes the account a conflict.
#[test]
fn what_no_filter_can_assert_is_read_and_compared() {
    const FAX: &str = "facsimileTelephoneNumber";
    // Whoever may not search `mail` cannot assert it either.
    let acl = format!("access to dn.subtree=\"{PEOPLE}\" attrs=mail by dn.exact=\"{}\" =wr by * none", WRITER.0);
    let server = start(Options { acl: vec![acl], ..Options::default() });
    let settings = settings(&server, &server.url());
    let update = |before: &[(&str, &str)], after: &[(&str, &str)]| {
        change(Action::UpdateAccount, Object::account("p4"), side(before), side(after))
    };
    let values = |attribute| server.values(&person(4), attribute);
    block_on(async {
        done(&write(&settings, &[update(&[], &[(FAX, "+49 1")])]).await);
        done(&write(&settings, &[update(&[(FAX, "+49 1")], &[(FAX, "+49 2")])]).await);
        done(&write(&settings, &[update(&[(FAX, "+49 2"), ("sn", "Person")], &[(FAX, "+49 3"), ("sn", "P")])]).await);
        assert_eq!((values(FAX), values("sn")), (vec!["+49 3".to_owned()], vec!["P".to_owned()]));
        for (before, after) in [
            (&[(FAX, "+49 2")][..], &[(FAX, "+49 4")][..]),
            (&[], &[(FAX, "+49 4")]),
            (&[(FAX, "+49 3"), ("sn", "Person")], &[(FAX, "+49 4"), ("sn", "Q")]),
            (&[("mail", "old@example.com")], &[("mail", "new@example.com")]),
        ] {
            let answers = write(&settings, &[update(before, after)]).await;
            assert!(matches!(&answers[..], [Answer::Conflict { .. }]), "{before:?}: {answers:?}");
        }
        done(&write(&settings, &[update(&[(FAX, "+49 3")], &[])]).await);
        done(&write(&settings, &[update(&[("mail", "p4@example.com")], &[("mail", "new@example.com")])]).await);
        assert_eq!((values(FAX), values("mail")), (vec![], vec!["new@example.com".to_owned()]));
    });
}

/// Without the assertion control (RFC 4528) what was there before is read just before.
#[test]
fn a_server_that_cannot_assert_is_asked_just_before_and_nothing_is_overwritten() {
    let server = start(Options::bare());
    let proxy = Proxy::start(server.port(), Fault::NoAssertions);
    let mut settings = settings(&server, &proxy.plain_url());
    settings["tls"] = json!("none");
    settings["accounts"]["disable"] = json!({ "attribute": "employeeType", "disabled": "inactive" });
    let of = |action, before: &[(&str, &str)], after: &[(&str, &str)]| {
        change(action, Object::account("p4"), side(before), side(after))
    };
    let (old, new) = (("mail", "p4@example.com"), ("mail", "new@example.com"));
    block_on(async {
        let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        for stale in [
            of(Action::UpdateAccount, &[("mail", "other@example.com")], &[new]),
            of(Action::UpdateAccount, &[], &[new]),
            of(Action::UpdateAccount, &[("title", "Boss"), old], &[("title", "Boss"), new]),
            of(Action::EnableAccount, &[("enabled", "false")], &[("enabled", "true")]),
            of(Action::DeleteAccount, &[("cn", "Somebody Else")], &[]),
        ] {
            let answers = write_with(&writer, std::slice::from_ref(&stale)).await;
            assert!(matches!(&answers[..], [Answer::Conflict { .. }]), "{stale:?}: {answers:?}");
        }
        assert_eq!(server.values(&person(4), "mail"), ["p4@example.com"]);
        done(&write_with(&writer, &[of(Action::UpdateAccount, &[old], &[new])]).await);
        done(
            &write_with(&writer, &[of(Action::DisableAccount, &[("enabled", "true")], &[("enabled", "false")])]).await,
        );
        assert_eq!(server.values(&person(4), "mail"), ["new@example.com"]);
        assert_eq!(server.values(&person(4), "employeeType"), ["inactive"]);
        // A placeholder that came meanwhile is found by asking, whatever was seen.
        let emptied = group("last");
        server.ldapmodify(&format!("dn: {emptied}\nchangetype: modify\nreplace: member\nmember: {emptied}\n"));
        let grants = grants("last", [1]);
        let step = Step { change: &grants[0], handle: None, member: None, placeholder: Some(false) };
        done(&writer.write(&[step]).await);
        assert_eq!(server.values(&group("last"), "member"), [person(1)]);
        done(&write_with(&writer, &[of(Action::DeleteAccount, &[new], &[])]).await);
    });
}

#[test]
fn a_rename_that_not_every_group_follows_is_done_and_says_where_not() {
    let acl = format!("access to dn.exact=\"{}\" by * read", group("a"));
    let server = start(Options { acl: vec![acl], ..Options::bare() });
    let settings = settings(&server, &server.url());
    let rename = change(Action::RenameAccount, Object::account("p3"), None, side(&[("name", "q3")]));
    let answers = block_on(write(&settings, &[rename]));
    let renamed = format!("uid=q3,{PEOPLE}");
    assert_eq!(server.values(&renamed, "uid"), ["q3"]);
    let [Answer::Partly { handle: Some(handle), why }] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*handle, renamed);
    assert!(why.contains(&group("a")) && why.contains("insufficientAccessRights (50)"), "{why}");
    // The other group follows all the same.
    assert_eq!(server.values(&group("last"), "member"), [renamed]);
    assert!(server.values(&group("a"), "member").contains(&person(3)));
}

#[test]
fn a_renamed_account_is_followed_by_groups_that_are_renamed_at_the_same_time() {
    let names: Vec<String> = (0..40).map(|n| format!("g{n}")).collect();
    let seed = people_ldif("p", 2) + &names.iter().map(|name| group_ldif(name, "p", 0..2)).collect::<String>();
    let server = Slapd::start(&Options { seed, ..Options::bare() });
    let settings = settings(&server, &server.url());
    let rename = |action, object: Object, old: &str, new: &str| {
        change(action, object, side(&[("name", old)]), side(&[("name", new)]))
    };
    let mut changes = vec![rename(Action::RenameAccount, Object::account("p0"), "p0", "q0")];
    changes.extend(
        names.iter().map(|name| rename(Action::RenameGroup, Object::group(name), name, &format!("new-{name}"))),
    );
    block_on(async {
        let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        let all = changes.iter().map(|change| write_with(&writer, std::slice::from_ref(change)));
        for answers in futures_util::future::join_all(all).await {
            done(&answers);
        }
    });
    let renamed = format!("uid=q0,{PEOPLE}");
    for name in names {
        assert_eq!(server.values(&group(&format!("new-{name}")), "member"), [person(1), renamed.clone()], "{name}");
    }
}

#[test]
fn a_group_that_lists_both_names_of_a_renamed_account_loses_the_old_one() {
    let server = start(Options::bare());
    let settings = settings(&server, &server.url());
    let both = format!("dn: {}\nchangetype: modify\nadd: member\nmember: uid=q3,{PEOPLE}\n", group("last"));
    server.ldapmodify(&both);
    let rename = change(Action::RenameAccount, Object::account("p3"), None, side(&[("name", "q3")]));
    done(&block_on(write(&settings, &[rename])));
    assert_eq!(server.values(&group("last"), "member"), [format!("uid=q3,{PEOPLE}")]);
}

#[test]
fn a_new_account_gets_its_first_password_hashed_by_the_server() {
    let server = start(Options::default());
    let settings = settings(&server, &server.url());
    let writer = writer_with_first_password(&settings, "first-Secret-1");
    let create = change(Action::CreateAccount, Object::account("new"), None, side(&[("cn", "New"), ("sn", "New")]));
    block_on(async { done(&write_with(&writer, &[create]).await) });
    assert!(server.can_bind(&format!("uid=new,{PEOPLE}"), "first-Secret-1"));
    // `{SSHA}` in base64.
    let stored = server.values(&format!("uid=new,{PEOPLE}"), "userPassword");
    assert!(stored.len() == 1 && stored[0].starts_with("e1NTSEF9"), "{stored:?}");
}

/// An account that is made ready before somebody's first day.
#[test]
fn an_account_that_is_made_disabled_stays_so_although_it_gets_a_first_password() {
    let server = start(Options::default());
    let settings = settings(&server, &server.url());
    let writer = writer_with_first_password(&settings, "first-Secret-1");
    let carries = side(&[("cn", "New"), ("sn", "New"), ("enabled", "false")]);
    let create = change(Action::CreateAccount, Object::account("new"), None, carries);
    let enable = change(
        Action::EnableAccount,
        Object::account("new"),
        side(&[("enabled", "false")]),
        side(&[("enabled", "true")]),
    );
    let dn = format!("uid=new,{PEOPLE}");
    block_on(async { done(&write_with(&writer, &[create]).await) });
    assert_eq!(server.values(&dn, "pwdAccountLockedTime"), ["000001010000Z"]);
    assert_eq!(server.values(&dn, "pwdEndTime").len(), 0);
    assert!(!server.can_bind(&dn, "first-Secret-1"));
    block_on(async { done(&write_with(&writer, &[enable]).await) });
    assert!(server.can_bind(&dn, "first-Secret-1"));
}

#[test]
fn single_objects_are_read_afresh_wherever_they_are() {
    let server = start(Options::default());
    server.ldapmodify(&format!(
        "dn: ou=deep,{PEOPLE}\nchangetype: add\nobjectClass: organizationalUnit\nou: deep\n\n\
         dn: uid=diver,ou=deep,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: diver\ncn: D\nsn: D\n"
    ));
    let settings = settings(&server, &server.url());
    block_on(async {
        let mut reader = connection(&settings, Purpose::Plan, READER.1).unwrap();
        let only =
            vec![Object::account("diver"), Object::membership("a", "p0"), Object::account("gone"), Object::group("no")];
        let scope = Scope { only: Some(only), authors: true, ..Scope::default() };
        let reading = reader.read(&scope, None).await.unwrap();
        assert_eq!(reading.gaps, []);
        assert_eq!(reading.deletes, [Object::account("gone"), Object::group("no")]);
        let state = &reading.upserts;
        assert_eq!((state.account_count(), state.group_count()), (2, 1));
        assert_eq!(state.account_named("diver").unwrap().handle(), format!("uid=diver,ou=deep,{PEOPLE}"));
        let a = state.group_named("a").unwrap();
        assert_eq!((a.members().len(), a.others().len()), (1, 5));
        let author = reading.authors.iter().find(|a| a.object == Object::account("diver")).unwrap();
        assert_eq!(author.by.as_deref(), Some("cn=admin,dc=example,dc=com"));
        assert!(author.at.is_some());
    });
}

/// Many are asked for by pages first. Where the first pages bring others only, each is
/// looked for; both end the same.
#[test]
fn many_objects_are_read_afresh_as_single_ones_are() {
    let seed = people_ldif("p", 1_300) + &group_ldif("a", "p", 0..6);
    let server = Slapd::start(&Options { seed, ..Options::default() });
    server.ldapmodify(&format!(
        "dn: ou=deep,{PEOPLE}\nchangetype: add\nobjectClass: organizationalUnit\nou: deep\n\n\
         dn: uid=diver,ou=deep,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: diver\ncn: D\nsn: D\n"
    ));
    let mut settings = settings(&server, &server.url());
    settings["page_size"] = json!(100);
    block_on(async {
        let mut reader = connection(&settings, Purpose::Plan, READER.1).unwrap();
        for first in [0, 250] {
            let mut only: Vec<Object> = (first..first + 1_050).map(|n| Object::account(format!("P{n}"))).collect();
            only.extend([Object::account("diver"), Object::account("gone"), Object::group("a")]);
            let scope = Scope { only: Some(only), ..Scope::default() };
            let reading = reader.read(&scope, None).await.unwrap();
            assert_eq!(reading.gaps, []);
            assert_eq!(reading.deletes, [Object::account("gone")]);
            let state = &reading.upserts;
            assert_eq!((state.account_count(), state.group_count()), (1_051, 1), "from {first}");
            assert_eq!(state.account_named("diver").unwrap().handle(), format!("uid=diver,ou=deep,{PEOPLE}"));
            assert_eq!(state.account_named("p255").unwrap().handle(), person(255));
        }
    });
}

#[test]
fn external_over_a_local_socket_needs_no_password() {
    let server = start(Options::default());
    let mut settings = settings(&server, &server.unix_url());
    settings["bind"] = json!({ "sasl": "external" });
    settings["plan_bind"] = json!({ "sasl": "external" });
    block_on(async {
        done(&write(&settings, &grants("a", [9])).await);
        let reading = read(&settings).await.unwrap();
        assert_eq!((reading.upserts.account_count(), reading.gaps.len()), (12, 0));
    });
}
