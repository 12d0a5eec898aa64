//! Several servers of one directory: which one is used, what is said of the others, and
//! that a run stays with the one that it read.

use super::{PEOPLE_COUNT, grant, start, told, within};
use crate::support::certificates::Certificate;
use crate::support::ldap::{block_on, connection, directory, policy, read, settings, words, write, write_with};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{ADMIN, GROUPS, Options, PEOPLE, READER, SUFFIX, Slapd, WRITER, free_port};
use accord::provider::{Answer, Credentials, GapScope, Kind, Purpose, Reader, Reading, Scope, Served, Target, ldap};
use serde_json::{Value, json};
use std::time::Duration;

/// In the clear through these, in this order.
fn through(urls: &[String]) -> Value {
    let mut settings = crate::support::ldap::settings_at(std::path::Path::new("/nowhere"), "");
    settings["url"] = json!(urls);
    settings["tls"] = json!("none");
    settings.as_object_mut().unwrap().remove("ca");
    settings
}

fn served(reading: &Reading) -> String {
    reading.served.as_ref().unwrap().url.clone()
}

#[test]
fn the_first_server_that_can_be_used_is_and_each_other_is_told_with_its_reason() {
    let server = start(Options::default());
    let expired = start(Options { certificate: Certificate::Expired, ..Options::bare() });
    let hole = Proxy::start(server.tls_port(), Fault::BlackHole);
    let refusing = format!("ldaps://127.0.0.1:{}", free_port());
    let mut many = settings(&server, "");
    many["connect_timeout"] = json!(1);
    many["url"] = json!([refusing, hole.url(), expired.url(), server.url()]);
    let reading = within(Duration::from_secs(5), || block_on(read(&many))).unwrap();
    assert_eq!((reading.gaps.len(), reading.upserts.account_count()), (0, PEOPLE_COUNT));
    assert_eq!(served(&reading), server.url());
    let passed = |url: &str, why: &str| format!("`{url}` is passed over for `{}`: {why}", server.url());
    assert_eq!(
        reading.notes,
        [
            passed(&refusing, "connection refused"),
            passed(&hole.url(), "no connection within 1 s"),
            passed(&expired.url(), "the server's certificate expired at 2001-01-01T00:00:00Z"),
        ]
    );
    // In one text as in a list.
    many["url"] = json!(format!("{refusing} {}", server.url()));
    assert_eq!(block_on(read(&many)).unwrap().notes, [passed(&refusing, "connection refused")]);

    many["url"] = json!([refusing, hole.url()]);
    let error = block_on(read(&many)).unwrap_err();
    assert_eq!(
        told(&error, &[(&refusing, "FIRST"), (&hole.url(), "SECOND")]),
        "corp: connect: none of 2 servers can be used: `FIRST`: connection refused; `SECOND`: no connection within 1 s\n  to \
         go on: check host and port in `url`, and that the server runs\n  to go on: check host, port and firewall, or raise \
         `connect_timeout` (seconds)"
    );
}

#[test]
fn a_server_that_does_not_hold_the_bases_is_passed_over() {
    let server = start(Options::default());
    let holder = Slapd::start(&Options { accesslog: true, ..Options::default() });
    let mut two = through(&[server.plain_url(), holder.plain_url()]);
    two["accounts"]["base"] = json!("cn=accesslog");
    two["plan_bind"]["dn"] = json!(ADMIN.0);
    let scope = Scope::default();
    let read = |settings: &Value| {
        block_on(async { connection(settings, Purpose::Plan, ADMIN.1).unwrap().read(&scope, None).await })
    };
    let reading = read(&two).unwrap();
    assert_eq!(served(&reading), holder.plain_url());
    let passed = format!("`{}` is passed over for `{}`", server.plain_url(), holder.plain_url());
    assert_eq!(reading.notes, [format!("{passed}: `cn=accesslog` is in none of its naming contexts")]);
    // Where none holds it, the first answers in its own words.
    two["accounts"]["base"] = json!("dc=nowhere");
    let error = read(&two).unwrap_err();
    assert!(error.message.starts_with("noSuchObject (32)"), "{error}");
}

#[test]
fn a_server_lost_while_it_is_read_is_left_for_the_next_one_which_is_read_whole() {
    let server = start(Options::default());
    let second = Proxy::start(server.port(), Fault::Pass);
    for fault in [Fault::CutAfterAnswers(20), Fault::SilentAfterAnswers(20), Fault::CutAfterAnswers(2)] {
        let first = Proxy::start(server.port(), fault);
        let mut settings = through(&[first.plain_url(), second.plain_url()]);
        settings["timeout"] = json!(1);
        let reading = within(Duration::from_secs(6), || block_on(read(&settings))).unwrap();
        assert_eq!((reading.gaps.len(), reading.upserts.account_count()), (0, PEOPLE_COUNT), "{fault:?}");
        assert_eq!(served(&reading), second.plain_url());
        let [note] = &reading.notes[..] else { panic!("{:?}", reading.notes) };
        assert!(note.starts_with(&format!("`{}` is passed over", first.plain_url())), "{note}");
    }
    // Where the next one cannot be used either, all are told.
    let (first, gone) = (Proxy::start(server.port(), Fault::CutAfterAnswers(20)), free_port());
    let settings = through(&[first.plain_url(), format!("ldap://127.0.0.1:{gone}")]);
    let error = block_on(read(&settings)).unwrap_err();
    assert!(
        error.message.contains("it stopped answering while it was read")
            && error.message.contains("connection refused"),
        "{error}"
    );
}

fn writer(settings: &Value, served: &Served) -> ldap::Directory {
    let directory = directory(settings);
    let credentials = Credentials { password: Some(WRITER.1.to_owned().into()), ..Credentials::default() };
    ldap::Directory::at(&Target { directory: &directory, credentials, purpose: Purpose::Apply }, Some(served)).unwrap()
}

#[test]
fn a_run_writes_to_the_server_that_it_read_and_to_no_other() {
    let server = start(Options::default());
    let (first, second) = (Proxy::start(server.port(), Fault::Pass), Proxy::start(server.port(), Fault::Pass));
    let settings = through(&[first.plain_url(), second.plain_url()]);
    first.set(Fault::RefuseAtOnce);
    let reading = block_on(read(&settings)).unwrap();
    let read = reading.served.unwrap();
    assert_eq!(read.url, second.plain_url());
    // The first is back, and is left alone.
    first.set(Fault::Pass);
    let before = (first.connections(), second.connections());
    block_on(async {
        let writer = writer(&settings, &read);
        let done = vec![Answer::Done { handle: None }];
        assert_eq!(write_with(&writer, &[grant("b", 1)]).await, done);
        // Lost: made again with the same one.
        second.cut();
        let answers = write_with(&writer, &[grant("b", 2)]).await;
        assert!(
            matches!(&answers[..], [Answer::Unknown { .. } | Answer::Broken { .. } | Answer::Done { .. }]),
            "{answers:?}"
        );
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(write_with(&writer, &[grant("b", 3)]).await, done);
        // Gone: nobody else is written to.
        second.set(Fault::RefuseAtOnce);
        second.cut();
        let _ = write_with(&writer, &[grant("b", 4)]).await;
        tokio::time::sleep(Duration::from_millis(120)).await;
        let answers = write_with(&writer, &[grant("b", 4)]).await;
        assert!(matches!(&answers[..], [Answer::Broken { .. }]), "{answers:?}");
    });
    assert_eq!(first.connections(), before.0);
    assert!(second.connections() > before.1 + 1);
    let members = server.values(&format!("cn=b,{GROUPS}"), "member");
    assert!(!members.contains(&format!("uid=p4,{PEOPLE}")), "{members:?}");
}

#[test]
fn a_refresh_goes_on_with_the_server_that_the_last_read_was_of() {
    let server = start(Options::default());
    let (first, second) = (Proxy::start(server.port(), Fault::RefuseAtOnce), Proxy::start(server.port(), Fault::Pass));
    let settings = through(&[first.plain_url(), second.plain_url()]);
    let scope = ldap::kind(&directory(&settings)).unwrap().scope();
    let scope = Scope { resume: true, ..scope };
    let whole =
        block_on(async { connection(&settings, Purpose::Plan, READER.1).unwrap().read(&scope, None).await }).unwrap();
    let cookie = whole.cookie.unwrap();
    first.set(Fault::Pass);
    let on = || {
        block_on(async { connection(&settings, Purpose::Plan, READER.1).unwrap().read(&scope, Some(&cookie)).await })
    };
    let reading = on().unwrap();
    assert_eq!((reading.refused.clone(), served(&reading)), (None, second.plain_url()));
    assert!(reading.delta.is_some());
    // Another one is no place to go on from.
    second.set(Fault::RefuseAtOnce);
    let refused = on().unwrap().refused.unwrap();
    assert_eq!(
        refused,
        format!("the last read was of `{}`, this one is of `{}`", second.plain_url(), first.plain_url())
    );
}

#[test]
fn referrals_are_told_with_where_they_point_and_not_followed() {
    let elsewhere = Proxy::start(free_port(), Fault::Pass);
    let to = elsewhere.plain_url();
    let server = start(Options { global: vec![format!("referral {to}")], ..Options::default() });
    // The whole base is somewhere else: result 10.
    let mut settings = settings(&server, &server.url());
    settings["accounts"]["base"] = json!("ou=people,dc=other,dc=org");
    let error = block_on(read(&settings)).unwrap_err();
    let text = told(&error, &[(&to, "THERE")]);
    assert!(
        text.starts_with(
            "corp: search ou=people,dc=other,dc=org: referral (10); it points to \
             `THERE/ou=people,dc=other,dc=org"
        ),
        "{text}"
    );
    assert!(text.contains("to go on: accord follows no referrals, because the setting names whom it trusts"), "{text}");
    // A part below the base is: a reference among the entries.
    server.tools().bound(ADMIN.0, ADMIN.1).modify(&format!(
        "dn: ou=emea,{PEOPLE}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\nou: emea\nref: {to}/ou=emea,{PEOPLE}\n"
    ));
    let reading = block_on(read(&crate::support::ldap::settings(&server, &server.url()))).unwrap();
    let [gap] = &reading.gaps[..] else { panic!("{:?}", reading.gaps) };
    assert_eq!(gap.scope, GapScope::Accounts);
    assert!(gap.why.contains(&format!("the server refers to `{to}/ou=emea,{PEOPLE}")), "{}", gap.why);
    assert!(gap.why.contains("accord follows no referrals; name the server that holds all of"), "{}", gap.why);
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_replica_refers_writes_to_the_server_that_takes_them() {
    let to = "ldap://writes.example.com";
    let shadow = format!(
        "syncrepl rid=1 provider=ldap://127.0.0.1:{} type=refreshOnly interval=30:00:00:00 searchbase=\"{SUFFIX}\" bindmethod=simple\nupdateref {to}",
        free_port()
    );
    let server = start(Options { database: vec![shadow], ..Options::default() });
    let answers = block_on(write(&settings(&server, &server.url()), &[grant("b", 1)]));
    let [Answer::Refused { why }] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(
        why,
        &format!(
            "referral (10); it points to `{to}/cn=b,{GROUPS}`; this server is a replica: name the one that writes in `url`"
        )
    );
}

/// A server that takes nobody without a certificate, and whoever has accord's for the writer.
fn demanding() -> Slapd {
    let global = vec!["TLSVerifyClient demand".to_owned(), format!("authz-regexp \"^cn=accord$\" \"{}\"", WRITER.0)];
    start(Options { global, ..Options::default() })
}

#[test]
fn a_client_certificate_opens_the_door_and_external_is_who_it_says() {
    let server = demanding();
    let (cert, key) = server.client();
    let key_text = std::fs::read_to_string(key).unwrap();
    let connected = |settings: &Value, key: &str, password: &str| {
        let directory = directory(settings);
        let credentials = Credentials {
            password: Some(password.to_owned().into()),
            client_key: Some(key.to_owned().into()),
            root: "/".into(),
            ..Credentials::default()
        };
        ldap::Directory::new(&Target { directory: &directory, credentials, purpose: Purpose::Apply })
    };
    let scope = Scope::default();
    let plain = settings(&server, &server.url());
    let error = block_on(read(&plain)).unwrap_err();
    assert!(error.message.contains("TLS failed") || error.message.contains("closed"), "{error}");

    for url in [server.url(), server.plain_url()] {
        let mut own = settings(&server, &url);
        own["tls"] = json!({ "cert": cert, "key": { "file": "accord.key" } });
        let mut reader = connected(&own, &key_text, WRITER.1).unwrap();
        assert_eq!(block_on(reader.read(&scope, None)).unwrap().gaps, [], "{url}: with a password");
        own["bind"] = json!({ "sasl": "external" });
        block_on(async {
            let mut writer = connected(&own, &key_text, "").unwrap();
            assert_eq!(writer.read(&scope, None).await.unwrap().upserts.account_count(), PEOPLE_COUNT);
            let again = grant("b", if url == server.url() { 1 } else { 2 });
            assert_eq!(write_with(&writer, &[again]).await, [Answer::Done { handle: None }], "{url}: external");
        });
    }
    assert_eq!(server.values(&format!("cn=b,{GROUPS}"), "modifiersName"), [WRITER.0]);

    let mut own = settings(&server, &server.url());
    own["tls"] = json!({ "cert": cert, "key": { "file": "accord.key" } });
    let failure = |settings: &Value, key: &str| {
        let error = connected(settings, key, WRITER.1).map(|_| ()).unwrap_err();
        told(&error, &[(&cert.display().to_string(), "CERT")])
    };
    assert_eq!(
        failure(&own, "s3cret"),
        "corp: settings: the key of `tls.key` is no private key in PEM\n  to go on: give it unencrypted, in PKCS #8"
    );
    let stranger = std::fs::read_to_string(server.dir().join("server.key")).unwrap();
    assert_eq!(
        failure(&own, &stranger),
        "corp: settings: the key of `tls.key` is not that of the certificate in `CERT`\n  to go on: name certificate and \
         key that were made together"
    );
    own["tls"]["cert"] = json!("/nowhere/accord.pem");
    assert!(failure(&own, &key_text).contains("the file `/nowhere/accord.pem` of `tls.cert` cannot be read"));
    let mut bare = settings(&server, &server.url());
    bare["bind"] = json!({ "sasl": "external" });
    assert!(failure(&bare, &key_text).contains("`sasl: external` has nothing that proves to"));
}

/// The LDAP library knows no addresses in brackets; the certificate counts all the same.
#[test]
fn an_address_of_the_sixth_version_is_verified_like_any_other() {
    let server = start(Options::default());
    let (secure, start_tls) =
        (Proxy::start_on_ipv6(server.tls_port(), Fault::Pass), Proxy::start_on_ipv6(server.port(), Fault::Pass));
    for url in [secure.url(), start_tls.plain_url()] {
        assert!(url.contains("://[::1]:"), "{url}");
        let reading = block_on(read(&settings(&server, &url))).unwrap();
        assert_eq!((reading.upserts.account_count(), served(&reading)), (PEOPLE_COUNT, url));
    }
    // In the clear it is this machine too.
    let reading = block_on(read(&through(&[start_tls.plain_url()]))).unwrap();
    assert_eq!(reading.upserts.account_count(), PEOPLE_COUNT);

    let other = start(Options { certificate: Certificate::OtherName, ..Options::bare() });
    let expired = start(Options { certificate: Certificate::Expired, ..Options::bare() });
    let refused = |server: &Slapd, ca: &Slapd| {
        let secure = Proxy::start_on_ipv6(server.tls_port(), Fault::Pass);
        block_on(read(&settings(ca, &secure.url()))).unwrap_err().message
    };
    assert_eq!(
        refused(&other, &other),
        "the server's certificate is for DnsName(\"elsewhere.example.com\"), not for `::1`"
    );
    assert_eq!(refused(&expired, &expired), "the server's certificate expired at 2001-01-01T00:00:00Z");
    assert!(refused(&server, &other).contains("signed by an authority that is not trusted here"));
}

/// What a server says of itself at the bind is no judgement of the password.
#[test]
fn a_server_that_refuses_the_bind_for_a_reason_of_its_own_is_passed_over() {
    let server = start(Options::default());
    let with = |line: &str| Slapd::start(&Options { global: vec![line.to_owned()], ..Options::bare() });
    let (unwilling, open, weak) = (with("disallow bind_simple"), with("security tls=128"), with("require SASL"));
    let urls = [&unwilling, &open, &weak, &server].map(Slapd::plain_url);
    let reading = block_on(read(&through(&urls))).unwrap();
    assert_eq!((served(&reading), reading.upserts.account_count()), (urls[3].clone(), PEOPLE_COUNT));
    let codes = ["unwillingToPerform (53)", "confidentialityRequired (13)", "strongerAuthRequired (8)"];
    for ((note, url), code) in reading.notes.iter().zip(&urls).zip(codes) {
        assert!(note.starts_with(&format!("`{url}` is passed over for `{}`: {code}", urls[3])), "{note}");
    }
    assert_eq!(reading.notes.len(), 3);
    // A password that is judged is shown to no other server.
    let error = block_on(async {
        connection(&through(&urls[2..]), Purpose::Plan, READER.1).unwrap().read(&Scope::default(), None).await.unwrap();
        connection(&through(&[urls[3].clone(), urls[0].clone()]), Purpose::Plan, "wrong")
            .unwrap()
            .read(&Scope::default(), None)
            .await
            .unwrap_err()
    });
    assert!(error.message.starts_with("invalidCredentials (49)"), "{error}");
}

#[test]
fn what_was_passed_over_reaches_the_planner() {
    let server = start(Options::default());
    let dead = format!("ldap://127.0.0.1:{}", free_port());
    let policy = policy(&through(&[dead, server.plain_url()]), &crate::support::ldap::access());
    let (observed, plan) = crate::support::ldap::plan_all(&policy);
    assert_eq!(observed.served.unwrap().url, server.plain_url());
    assert_eq!(observed.notes.len(), 1);
    assert!(!words(&plan).is_empty());
}
