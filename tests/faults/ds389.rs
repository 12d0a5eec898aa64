//! A real 389 Directory Server, broken and limited on purpose.

use super::{PEOPLE_COUNT, grant, scopes, told, within};
use crate::support::certificates::Certificate;
use crate::support::ds389::{Ds389, MANAGER, Options};
use crate::support::ldap::{
    block_on, change, connection, read, settings_at, side, write, write_with, writer_with_first_password,
};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{GROUPS, PEOPLE, READER, WRITER, group_ldif, people_ldif};
use accord::model::change::{Action, Object};
use accord::provider::{Answer, GapScope, Purpose, Reader, Scope};
use serde_json::{Value, json};
use std::time::Duration;

fn start(options: Options) -> Ds389 {
    let empty = format!("dn: cn=empty,{GROUPS}\nobjectClass: groupOfNames\ncn: empty\n\n");
    let seed = people_ldif("p", PEOPLE_COUNT) + &group_ldif("a", "p", 0..20) + &group_ldif("b", "p", 5..6) + &empty;
    Ds389::start(&Options { seed, ..options })
}

fn settings(server: &Ds389) -> Value {
    settings_at(&server.ca(), &server.url())
}

fn clear(url: &str) -> Value {
    let mut settings = settings_at(std::path::Path::new("/nowhere"), url);
    settings["tls"] = json!("none");
    settings
}

/// An `aci` value that takes rights from accord's reader.
fn deny(target: &str, rights: &str) -> String {
    format!("{target}(version 3.0; acl \"hide {rights}\"; deny ({rights}) userdn = \"ldap:///{}\";)", READER.0)
}

#[test]
fn a_whole_read_is_proven_by_a_second_one_whatever_counts_the_changes() {
    // `lastusn` moves before a change can be seen, and `lastchangenumber` may leave out suffixes.
    let server = start(Options { changelog: true, usn: true, ..Options::default() });
    for url in [server.url(), server.plain_url()] {
        let reading = block_on(read(&settings_at(&server.ca(), &url))).unwrap();
        assert_eq!(reading.gaps, [], "{url}");
        assert_eq!(reading.evidence, ["2 pages", "two equal reads"]);
        let state = &reading.upserts;
        assert_eq!((state.account_count(), state.group_count(), state.membership_count()), (PEOPLE_COUNT, 3, 21));
    }
    // Who did it: a plug-in's name where the plug-in was last to touch the entry.
    server.tools().bound(WRITER.0, WRITER.1).modify(&format!(
        "dn: cn=b,{GROUPS}\nchangetype: modify\nadd: member\nmember: uid=p9,{PEOPLE}\n\n\
         dn: uid=p29,{PEOPLE}\nchangetype: modify\nreplace: mail\nmail: x@example.com\n\n"
    ));
    let scope = Scope { authors: true, ..Scope::default() };
    let reading =
        block_on(async { connection(&settings(&server), Purpose::Plan, READER.1).unwrap().read(&scope, None).await });
    let authors = reading.unwrap().authors;
    let by = |object: &Object| authors.iter().find(|author| author.object == *object).and_then(|a| a.by.clone());
    assert_eq!(by(&Object::group("b")).as_deref(), Some(WRITER.0));
    assert_eq!(by(&Object::account("p29")).as_deref(), Some(WRITER.0));
    assert_eq!(by(&Object::account("p9")).as_deref(), Some("cn=MemberOf Plugin,cn=plugins,cn=config"));
    assert!(authors.iter().all(|author| author.at.is_some()));
}

#[test]
fn a_wrong_password_and_a_locked_account_are_told_apart() {
    let server = start(Options::default());
    let scope = Scope::default();
    let failure = |password: &str| {
        let mut reader = connection(&settings(&server), Purpose::Plan, password).unwrap();
        told(&block_on(reader.read(&scope, None)).unwrap_err(), &[])
    };
    assert_eq!(
        failure("wrong"),
        "corp: bind as cn=accord-read,ou=services,dc=example,dc=com: invalidCredentials (49)\n  to go on: check the DN \
         `cn=accord-read,ou=services,dc=example,dc=com` and where its password comes from (`bind.password`)"
    );
    let lock = format!("dn: {}\nchangetype: modify\nreplace: nsAccountLock\nnsAccountLock: true\n", READER.0);
    server.tools().modify(&lock);
    assert_eq!(
        failure(READER.1),
        "corp: bind as cn=accord-read,ou=services,dc=example,dc=com: unwillingToPerform (53): Account inactivated. \
         Contact system administrator.\n  to go on: the server is unwilling: its own words above say why"
    );
}

#[test]
fn a_wrong_base_an_unwritable_group_and_a_strangers_certificate_are_named() {
    let server = start(Options::default());
    let mut wrong = settings(&server);
    wrong["accounts"]["base"] = json!("ou=peeple,dc=example,dc=com");
    let error = block_on(read(&wrong)).unwrap_err();
    // It answers with success, without an entry and without the control of pages.
    assert!(error.message.contains("no paged results control"), "{error}");
    assert!(error.help[0].contains("check the base `ou=peeple,dc=example,dc=com`"), "{error:?}");

    let deny = format!(
        "dn: cn=a,{GROUPS}\nchangetype: modify\nadd: aci\naci: (targetattr = \"member\")(version 3.0; acl \"no\"; deny (write) \
         userdn = \"ldap:///{}\";)\n",
        WRITER.0
    );
    server.tools().modify(&deny);
    let answers = block_on(write(&settings(&server), &[grant("a", 25), grant("b", 1)]));
    let Answer::Refused { why } = &answers[0] else { panic!("{answers:?}") };
    assert!(why.contains("insufficientAccessRights (50)") && why.contains("for cn=accord,ou=services"), "{why}");
    assert!(why.ends_with("it needs write on `member` of `cn=a,ou=groups,dc=example,dc=com`"), "{why}");
    assert_eq!(answers[1], Answer::Done { handle: None });

    let other = crate::support::slapd::Slapd::start(&crate::support::slapd::Options::bare());
    let mut foreign = settings(&server);
    foreign["ca"] = json!(other.ca());
    let error = block_on(read(&foreign)).unwrap_err();
    assert!(error.message.contains("signed by an authority that is not trusted here"), "{error}");
}

#[test]
fn its_size_limit_counts_per_page_and_its_look_through_limit_in_all() {
    let server = start(Options { size_limit: Some(12), ..Options::default() });
    let mut settings = settings(&server);
    let reading = block_on(read(&settings)).unwrap();
    assert_eq!(scopes(&reading), [GapScope::Accounts]);
    let why = &reading.gaps[0].why;
    assert!(why.starts_with("12 of an unknown number of accounts were returned (LDAP result 4,"), "{why}");
    assert!(why.contains("`nsSizeLimit: -1`") && why.contains("a lower `page_size`"), "{why}");
    assert!(reading.evidence.is_empty());
    // What the message says helps.
    settings["page_size"] = json!(10);
    let reading = block_on(read(&settings)).unwrap();
    assert_eq!((reading.gaps.len(), reading.upserts.account_count()), (0, PEOPLE_COUNT));

    for page_size in [1000, 5] {
        let server = start(Options { look_through: Some(15), ..Options::default() });
        let mut settings = self::settings(&server);
        settings["page_size"] = json!(page_size);
        let reading = block_on(read(&settings)).unwrap();
        assert!(scopes(&reading).contains(&GapScope::Accounts), "{:?}", reading.gaps);
        let why = &reading.gaps[0].why;
        assert!(why.contains("LDAP result 11, adminLimitExceeded"), "{why}");
        assert!(why.contains("`nsLookThroughLimit: -1` and `nsPagedLookThroughLimit: -1`"), "{why}");
        let raised = format!(
            "dn: {}\nchangetype: modify\nreplace: nsLookThroughLimit\nnsLookThroughLimit: -1\n-\n\
             replace: nsPagedLookThroughLimit\nnsPagedLookThroughLimit: -1\n",
            READER.0
        );
        server.tools().modify(&raised);
        assert_eq!(block_on(read(&settings)).unwrap().gaps, []);
    }
}

#[test]
fn what_access_control_hides_is_a_gap_although_groups_may_be_empty_and_locks_absent() {
    let server = start(Options::default());
    assert_eq!(block_on(read(&settings(&server))).unwrap().gaps, [], "an empty group is empty");
    drop(server);
    let aci = vec![deny("(targetattr = \"member\")", "read"), deny("(targetattr = \"nsAccountLock\")", "all")];
    let server = start(Options { aci, ..Options::default() });
    let reading = block_on(read(&settings(&server))).unwrap();
    let group = |name: &str| GapScope::Group(name.to_owned());
    assert_eq!(scopes(&reading), [GapScope::Accounts, group("a"), group("b"), group("empty")]);
    let why: Vec<&str> = reading.gaps.iter().map(|gap| gap.why.as_str()).collect();
    assert_eq!(
        why[1],
        "cn=accord-read,ou=services,dc=example,dc=com may not read `member` of `cn=a,ou=groups,dc=example,dc=com`, so \
         that the group looks empty; to go on: give read on `member`"
    );
    assert!(why[0].contains("may not read `nsAccountLock` of `uid=p"), "{}", why[0]);

    let target = format!("(target = \"ldap:///uid=p1*,{PEOPLE}\")(targetattr = \"*\")");
    let server = start(Options { aci: vec![deny(&target, "all")], ..Options::default() });
    let reading = block_on(read(&settings(&server))).unwrap();
    // Entries hidden whole cannot be known of; their memberships are still seen, and kept.
    assert_eq!(reading.upserts.account_count(), PEOPLE_COUNT - 11);
    let group = reading.upserts.group_named("a").unwrap();
    assert_eq!((group.members().len(), group.others().len()), (9, 11));
}

#[test]
fn a_connection_cut_anywhere_is_an_error_or_a_gap_and_never_a_small_directory() {
    let server = start(Options::default());
    let mut whole = 0;
    // Every third place: the answers of both reads, entry by entry.
    for limit in (1..400).step_by(3) {
        let proxy = Proxy::start(server.port(), Fault::CutAfterAnswers(limit));
        let mut settings = clear(&proxy.plain_url());
        settings["page_size"] = json!(8);
        match within(Duration::from_secs(10), || block_on(read(&settings))) {
            Err(error) => assert!(error.message.contains("closed"), "{limit}: {error}"),
            Ok(reading) if reading.gaps.is_empty() => {
                assert_eq!((reading.upserts.account_count(), reading.upserts.membership_count()), (PEOPLE_COUNT, 21));
                whole = limit;
                break;
            }
            Ok(reading) => assert!(scopes(&reading).contains(&GapScope::Groups), "{limit}: {:?}", reading.gaps),
        }
    }
    assert!(whole > 2 * PEOPLE_COUNT, "{whole}");
}

#[test]
fn memberships_locks_and_stale_values_are_answered_as_everywhere() {
    let server = start(Options::default());
    let settings = settings(&server);
    block_on(async {
        let revoke = |n: usize| change(Action::Revoke, Object::membership("a", format!("p{n}")), None, None);
        // Result 20 and 16 each mean one of many.
        let answers = write(&settings, &[grant("a", 25), grant("a", 3), revoke(0), revoke(28)]).await;
        let done = |answer: &Answer| matches!(answer, Answer::Done { .. });
        assert!(done(&answers[0]) && done(&answers[2]), "{answers:?}");
        assert!(matches!(&answers[1], Answer::Conflict { why } if why.contains("(20)")), "{answers:?}");
        assert!(matches!(&answers[3], Answer::Conflict { why } if why.contains("(16)")), "{answers:?}");

        let person = format!("uid=p1,{PEOPLE}");
        server.tools().modify(&format!("dn: {person}\nchangetype: modify\nadd: userPassword\nuserPassword: x\n"));
        assert!(server.can_bind(&person, "x"));
        let account = || Object::account("p1");
        let status = |action, before: &str, after: &str| {
            change(action, account(), side(&[("enabled", before)]), side(&[("enabled", after)]))
        };
        let disable = || status(Action::DisableAccount, "true", "false");
        assert!(done(&write(&settings, &[disable()]).await[0]));
        assert!(!server.can_bind(&person, "x"));
        assert_eq!(server.tools().values(&person, "nsAccountLock"), ["true"]);
        let again = write(&settings, &[disable()]).await;
        assert!(matches!(&again[..], [Answer::Conflict { .. }]), "{again:?}");
        assert!(done(&write(&settings, &[status(Action::EnableAccount, "false", "true")]).await[0]));
        assert!(server.can_bind(&person, "x"));

        // Somebody changed it meanwhile: no assertion control, so the old value's deletion is the check.
        let title = |before: &str| {
            change(Action::UpdateAccount, account(), side(&[("mail", before)]), side(&[("mail", "new@example.com")]))
        };
        let stale = write(&settings, &[title("old@example.com")]).await;
        assert!(matches!(&stale[..], [Answer::Conflict { .. }]), "{stale:?}");
        assert!(done(&write(&settings, &[title("p1@example.com")]).await[0]));
    });
}

#[test]
fn a_first_password_lets_a_new_account_in_and_a_refused_one_leaves_no_account() {
    let server = start(Options::default());
    let settings = settings(&server);
    let create =
        |name: &str| change(Action::CreateAccount, Object::account(name), None, side(&[("cn", "New"), ("sn", "New")]));
    let write_as = |password: &str, name: &str| {
        let writer = writer_with_first_password(&settings, password);
        block_on(write_with(&writer, &[create(name)])).remove(0)
    };
    assert!(matches!(write_as("first-Secret-1", "new"), Answer::Done { .. }));
    assert!(server.can_bind(&format!("uid=new,{PEOPLE}"), "first-Secret-1"));
    let stricter = "dn: cn=config\nchangetype: modify\nreplace: passwordCheckSyntax\npasswordCheckSyntax: on\n-\n\
                    replace: passwordMinLength\npasswordMinLength: 12\n";
    server.tools().modify(stricter);
    let answer = write_as("short", "other");
    let Answer::Refused { why } = &answer else { panic!("{answer:?}") };
    assert!(why.starts_with("the first password was refused: constraintViolation (19)"), "{why}");
    assert!(why.ends_with("the account was removed again"), "{why}");
    assert_eq!(server.tools().values(&format!("uid=other,{PEOPLE}"), "uid"), [""; 0]);
}

#[test]
fn a_server_killed_half_way_leaves_known_unknown_and_unsent_and_the_rest_goes_through_later() {
    let mut server = start(Options::default());
    let settings = settings(&server);
    block_on(async {
        let mut writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        assert_eq!(write_with(&writer, &[grant("b", 0)]).await, [Answer::Done { handle: None }]);
        let group = format!("cn=b,{GROUPS}");
        assert_eq!(server.tools().bound(MANAGER.0, MANAGER.1).values(&group, "member").len(), 2);
        server.kill();
        let changes: Vec<_> = (7..12).map(|n| grant("b", n)).collect();
        let answers = write_with(&writer, &changes).await;
        let lost = |answer: &Answer| matches!(answer, Answer::Broken { .. } | Answer::Unknown { .. });
        assert!(answers.iter().all(lost), "{answers:?}");
        assert!(writer.read(&Scope::default(), None).await.is_err());
        server.restart();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let answers = write_with(&writer, &changes).await;
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Done { .. })), "{answers:?}");
        assert_eq!(server.tools().values(&group, "member").len(), 7);
    });
}

#[test]
fn a_server_killed_while_it_is_read_is_an_error_or_a_gap() {
    for after in [40, 70] {
        let mut server = start(Options::default());
        let proxy = Proxy::start(server.port(), Fault::SilentAfterAnswers(after));
        let mut settings = clear(&proxy.plain_url());
        settings["page_size"] = json!(8);
        settings["timeout"] = json!(2);
        let reading = std::thread::spawn(move || block_on(read(&settings)));
        std::thread::sleep(Duration::from_millis(300));
        server.kill();
        if let Ok(reading) = within(Duration::from_secs(10), || reading.join().unwrap()) {
            assert!(!reading.gaps.is_empty() && reading.evidence.is_empty(), "{after}");
        }
    }
}

#[test]
fn an_expired_certificate_is_told_with_its_date() {
    let server = Ds389::start(&Options { certificate: Certificate::Expired, ..Options::default() });
    for url in [server.url(), server.plain_url()] {
        let error = block_on(read(&settings_at(&server.ca(), &url))).unwrap_err();
        assert_eq!(
            told(&error, &[(&url, "URL")]),
            "corp: connect to URL: the server's certificate expired at 2001-01-01T00:00:00Z\n  to go on: renew the server's \
             certificate; accord never connects without verifying it"
        );
    }
}
