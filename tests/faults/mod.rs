//! Real slapd, broken on purpose: what is missing is never taken for empty, every
//! message says what to do, nothing hangs.

mod anywhere;
mod ds389;
mod plans;
mod runs;
mod servers;

use crate::support::certificates::Certificate;
use crate::support::ldap::{block_on, change, connection, read, settings, write, write_with};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, Slapd, WRITER, free_port, group_ldif, people_ldif};
use accord::model::change::{Action, Change, Object};
use accord::provider::{Answer, Gap, GapScope, ProviderError, Purpose, Reader, Reading};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PEOPLE_COUNT: usize = 30;

fn start(options: Options) -> Slapd {
    let seed = people_ldif("p", PEOPLE_COUNT) + &group_ldif("a", "p", 0..20) + &group_ldif("b", "p", 5..6);
    Slapd::start(&Options { seed, ..options })
}

/// The error's text without what differs from run to run.
fn told(error: &ProviderError, hide: &[(&str, &str)]) -> String {
    let mut text = error.to_string();
    for line in &error.help {
        text.push_str("\n  to go on: ");
        text.push_str(line);
    }
    for (what, instead) in hide {
        text = text.replace(what, instead);
    }
    text
}

fn scopes(reading: &Reading) -> Vec<GapScope> {
    reading.gaps.iter().map(|gap| gap.scope.clone()).collect()
}

fn grant(group: &str, n: usize) -> Change {
    change(Action::Grant, Object::membership(group, format!("p{n}")), None, None)
}

/// Runs with a limit on the wall clock: nothing may hang.
fn within<T>(limit: Duration, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let value = run();
    assert!(begun.elapsed() < limit, "took {:?}", begun.elapsed());
    value
}

#[test]
fn a_whole_read_says_what_proves_it_over_every_transport() {
    let server = start(Options::default());
    let clear = {
        let mut settings = settings(&server, &server.plain_url());
        settings["tls"] = json!("none");
        settings
    };
    for settings in [settings(&server, &server.url()), settings(&server, &server.plain_url()), clear] {
        let reading = block_on(read(&settings)).unwrap();
        assert_eq!(reading.gaps, [], "{settings}");
        assert_eq!(reading.evidence, ["2 pages", "contextCSN unchanged"]);
        let state = &reading.upserts;
        assert_eq!((state.account_count(), state.group_count(), state.membership_count()), (PEOPLE_COUNT, 2, 21));
    }
}

/// What a first read with these settings says when it fails, without what differs
/// from run to run.
fn failure(server: &Slapd, settings: &Value, password: &str) -> String {
    let scope = accord::provider::Scope::default();
    let error = block_on(async {
        match connection(settings, Purpose::Plan, password) {
            Ok(mut reader) => reader.read(&scope, None).await.unwrap_err(),
            Err(error) => error,
        }
    });
    let url = settings["url"].as_str().unwrap();
    let text = told(&error, &[(url, "URL"), (&server.dir().display().to_string(), "DIR")]);
    assert!(!text.contains("secret"), "{text}");
    text
}

fn with(settings: &Value, path: &str, value: Value) -> Value {
    let mut settings = settings.clone();
    *settings.pointer_mut(path).unwrap() = value;
    settings
}

#[test]
fn a_wrong_password_or_base_is_named_with_the_way_out() {
    let server = start(Options::default());
    let good = settings(&server, &server.url());
    assert_eq!(
        failure(&server, &good, "wrong-secret"),
        "corp: bind as cn=accord-read,ou=services,dc=example,dc=com: invalidCredentials (49)\n  to go on: check the DN \
         `cn=accord-read,ou=services,dc=example,dc=com` and where its password comes from (`bind.password`)"
    );
    assert_eq!(
        failure(&server, &good, ""),
        "corp: settings: the password for `cn=accord-read,ou=services,dc=example,dc=com` is empty; a directory would \
         take that for an anonymous bind\n  to go on: set the variable or file that `password` names"
    );
    for path in ["/accounts/base", "/groups/base"] {
        assert_eq!(
            failure(&server, &with(&good, path, json!("ou=peeple,dc=example,dc=com")), READER.1),
            "corp: search ou=peeple,dc=example,dc=com: noSuchObject (32); the nearest entry that exists is \
             `dc=example,dc=com`\n  to go on: no such entry: check the base `ou=peeple,dc=example,dc=com` in the policy, \
             and that cn=accord-read,ou=services,dc=example,dc=com may see it"
        );
    }
}

#[test]
fn a_wrong_authority_or_server_is_named_with_the_way_out() {
    let server = start(Options::default());
    let good = settings(&server, &server.url());
    let other = start(Options { certificate: Certificate::OtherName, ..Options::bare() });
    assert_eq!(
        failure(&server, &with(&good, "/ca", json!(other.ca())), READER.1),
        "corp: connect to URL: the server's certificate is signed by an authority that is not trusted here\n  to go on: \
         name the PEM file of the authority that signed it: `ca: FILE`"
    );
    assert_eq!(
        failure(&server, &with(&good, "/ca", json!("/nowhere/ca.pem")), READER.1),
        "corp: settings: the file `/nowhere/ca.pem` of `ca` cannot be read: No such file or directory (os error 2)\n  to \
         go on: name a PEM file of the authority: `ca: FILE`"
    );
    let nobody = format!("ldaps://127.0.0.1:{}", free_port());
    assert_eq!(
        failure(&server, &with(&good, "/url", json!(nobody)), READER.1),
        "corp: connect to URL: connection refused\n  to go on: check host and port in `url`, and that the server runs"
    );
    let mut clear = with(&good, "/url", json!("ldap://192.0.2.1"));
    clear["tls"] = json!("none");
    assert_eq!(
        failure(&server, &clear, READER.1),
        "corp: settings: `tls: none` would send a password in the clear to `192.0.2.1`, which is not this machine\n  to \
         go on: remove `tls: none` (then `ldap://` means StartTLS), or use `ldaps://`"
    );
}

#[test]
fn a_bad_certificate_is_refused_over_ldaps_and_starttls() {
    for (certificate, words) in [
        (Certificate::Expired, "the server's certificate expired at 2001-01-01T00:00:00Z"),
        (Certificate::OtherName, "the server's certificate is for "),
    ] {
        let server = start(Options { certificate, ..Options::bare() });
        for url in [server.url(), server.plain_url()] {
            let error = block_on(read(&settings(&server, &url))).unwrap_err();
            assert!(error.message.contains(words), "{url}: {error}");
            assert_eq!(error.help.len(), 1, "{error:?}");
        }
    }
}

#[test]
fn the_next_url_is_tried_when_one_does_not_answer_but_not_after_a_wrong_password() {
    let server = start(Options::default());
    let dead = format!("ldaps://127.0.0.1:{}", free_port());
    let both = format!("{dead} {}", server.url());
    assert_eq!(block_on(read(&settings(&server, &both))).unwrap().gaps, []);
    let second = Proxy::start(server.tls_port(), Fault::Pass);
    let twice = settings(&server, &format!("{} {}", server.url(), second.url()));
    let scope = accord::provider::Scope::default();
    let error =
        block_on(async { connection(&twice, Purpose::Plan, "wrong").unwrap().read(&scope, None).await.unwrap_err() });
    assert!(error.message.contains("invalidCredentials (49)"), "{error}");
    assert_eq!(second.connections(), 0);
}

#[test]
fn a_size_limit_below_the_number_of_people_is_a_gap_with_the_remedy() {
    let server = start(Options { size_limit: Some(7), ..Options::default() });
    let reading = block_on(read(&settings(&server, &server.url()))).unwrap();
    assert_eq!(
        reading.gaps,
        [Gap {
            scope: GapScope::Accounts,
            why:
                "7 of an unknown number of accounts were returned (LDAP result 4, sizeLimitExceeded, on page 1); to go \
                  on: raise the limit for cn=accord-read,ou=services,dc=example,dc=com (OpenLDAP: `limits \
                  dn.exact=\"cn=accord-read,ou=services,dc=example,dc=com\" size=unlimited`; 389 Directory Server: `nsSizeLimit: -1` \
                  and `nsPagedSizeLimit: -1` in its entry, or a lower `page_size`)"
                    .to_owned()
        }]
    );
    // The base entry is one of the seven.
    assert_eq!(reading.upserts.account_count(), 6);
    assert_eq!(reading.upserts.group_count(), 2);
    assert!(reading.evidence.is_empty());
}

#[test]
fn pages_do_not_lift_a_size_limit_and_the_page_is_named() {
    let server = start(Options { size_limit: Some(12), ..Options::default() });
    let mut settings = settings(&server, &server.url());
    settings["page_size"] = json!(5);
    let reading = block_on(read(&settings)).unwrap();
    assert_eq!(scopes(&reading), [GapScope::Accounts]);
    assert!(reading.gaps[0].why.starts_with("12 of an unknown number of accounts"), "{}", reading.gaps[0].why);
    assert!(reading.gaps[0].why.contains("on page 3"), "{}", reading.gaps[0].why);
}

#[test]
fn hidden_members_make_their_group_a_gap() {
    let acl = format!("access to dn.subtree=\"{GROUPS}\" attrs=member by dn.exact=\"{}\" manage by * none", WRITER.0);
    let server = start(Options { acl: vec![acl], ..Options::default() });
    let reading = block_on(read(&settings(&server, &server.url()))).unwrap();
    assert_eq!(scopes(&reading), [GapScope::Group("a".into()), GapScope::Group("b".into())]);
    assert_eq!(
        reading.gaps[0].why,
        "no `member` of `cn=a,ou=groups,dc=example,dc=com` was returned, and a groupOfNames always has one: access \
         control hides it; to go on: give read on `member`"
    );
}

#[test]
fn hidden_attributes_make_their_account_a_gap_unless_its_class_does_not_need_them() {
    let hide = |who: &str, attribute: &str| {
        format!("access to dn.exact=\"{who},{PEOPLE}\" attrs={attribute} by dn.exact=\"{}\" manage by * none", WRITER.0)
    };
    let acl = vec![hide("uid=p3", "uid"), hide("uid=p4", "sn")];
    let server = start(Options { acl, ..Options::default() });
    server.ldapmodify(&format!("dn: uid=printer,{PEOPLE}\nchangetype: add\nobjectClass: account\nuid: printer\n"));
    let reading = block_on(read(&settings(&server, &server.url()))).unwrap();
    assert_eq!(scopes(&reading), [GapScope::Account("p3".into()), GapScope::Account("p4".into())]);
    assert_eq!(reading.upserts.account_count(), PEOPLE_COUNT + 1);
}

#[test]
fn hidden_entries_stay_members_that_are_kept() {
    let acl = format!("access to dn.regex=\"^uid=p1[0-9]?,{PEOPLE}$\" by dn.exact=\"{}\" manage by * none", WRITER.0);
    let server = start(Options { acl: vec![acl], ..Options::default() });
    let reading = block_on(read(&settings(&server, &server.url()))).unwrap();
    // From outside they are not there: that is what sentinels and the last run are for.
    assert_eq!(reading.upserts.account_count(), PEOPLE_COUNT - 11);
    let group = reading.upserts.group_named("a").unwrap();
    assert_eq!((group.members().len(), group.others().len()), (9, 11));
}

#[test]
fn a_connection_cut_anywhere_is_an_error_or_a_gap_and_never_a_small_directory() {
    let server = start(Options::default());
    let whole = {
        let mut count = 0;
        // Answers of one whole read: bind, probes, entries, page ends, counters.
        for limit in 1..400 {
            let proxy = Proxy::start(server.port(), Fault::CutAfterAnswers(limit));
            let mut settings = settings(&server, &proxy.plain_url());
            settings["tls"] = json!("none");
            settings["page_size"] = json!(8);
            let read = within(Duration::from_secs(5), || block_on(read(&settings)));
            match read {
                Err(error) => assert!(error.message.contains("closed"), "{limit}: {error}"),
                Ok(reading) if reading.gaps.is_empty() => {
                    assert_eq!(reading.upserts.account_count(), PEOPLE_COUNT);
                    assert_eq!(reading.upserts.membership_count(), 21);
                    count = limit;
                    break;
                }
                Ok(reading) => {
                    let sure = scopes(&reading);
                    assert!(sure.contains(&GapScope::Groups), "{limit}: {:?}", reading.gaps);
                    let all = reading.upserts.account_count() == PEOPLE_COUNT;
                    assert!(all || sure.contains(&GapScope::Accounts), "{limit}: {:?}", reading.gaps);
                }
            }
        }
        count
    };
    assert!(whole > PEOPLE_COUNT, "{whole}");
}

#[test]
fn a_connection_cut_inside_a_message_or_inside_tls_is_an_error_or_a_gap() {
    let server = start(Options::default());
    let incomplete = |settings: &Value, what: &str| {
        let read = within(Duration::from_secs(5), || block_on(read(settings)));
        if let Ok(reading) = read {
            assert!(!reading.gaps.is_empty(), "{what}");
        }
    };
    for number in [1, 2, 4, 6, 20, 38] {
        let proxy = Proxy::start(server.port(), Fault::CutInsideAnswer(number));
        let mut settings = settings(&server, &proxy.plain_url());
        settings["tls"] = json!("none");
        incomplete(&settings, &format!("inside answer {number}"));
    }
    for bytes in [1, 100, 700, 1200, 1500, 3000, 60_000] {
        let proxy = Proxy::start(server.tls_port(), Fault::CutAfterBytes(bytes));
        incomplete(&settings(&server, &proxy.url()), &format!("after {bytes} bytes of TLS"));
    }
    let proxy = Proxy::start(server.tls_port(), Fault::RefuseAtOnce);
    let error = block_on(read(&settings(&server, &proxy.url()))).unwrap_err();
    assert!(error.message.contains("closed") || error.message.contains("reset"), "{error}");
}

#[test]
fn a_silent_server_runs_into_the_timeout_of_the_stage() {
    let server = start(Options::default());
    let proxy = Proxy::start(server.tls_port(), Fault::BlackHole);
    let mut hole = settings(&server, &proxy.url());
    hole["connect_timeout"] = json!(1);
    let error = within(Duration::from_secs(4), || block_on(read(&hole))).unwrap_err();
    assert_eq!(error.message, "no connection within 1 s");
    for answers in [0, 1, 3] {
        let proxy = Proxy::start(server.port(), Fault::SilentAfterAnswers(answers));
        let mut quiet = settings(&server, &proxy.plain_url());
        quiet["tls"] = json!("none");
        quiet["timeout"] = json!(1);
        let error = within(Duration::from_secs(6), || block_on(read(&quiet))).unwrap_err();
        assert_eq!(error.message, "no answer in time", "{error}");
        assert_eq!(error.help, ["raise `timeout` (seconds), or look at the server's load"]);
    }
    let proxy = Proxy::start(server.port(), Fault::SilentAfterAnswers(20));
    let mut quiet = settings(&server, &proxy.plain_url());
    quiet["tls"] = json!("none");
    quiet["timeout"] = json!(1);
    let reading = within(Duration::from_secs(6), || block_on(read(&quiet))).unwrap();
    assert_eq!(scopes(&reading), [GapScope::Accounts, GapScope::Groups]);
}

/// Answers everything with the same bytes.
fn babbler(bytes: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        // Two connections: one to read, one to write.
        for client in listener.incoming().take(2) {
            let mut client = client.unwrap();
            let mut request = [0; 1024];
            while client.read(&mut request).is_ok_and(|n| n > 0) && client.write_all(bytes).is_ok() {}
        }
    });
    format!("ldap://{address}")
}

#[test]
fn a_server_that_speaks_something_else_is_an_error_and_no_panic() {
    let server = start(Options::bare());
    for bytes in [
        // A bind response without a result, one that is no response, and no LDAP at all.
        &b"\x30\x05\x02\x01\x01\x61\x00"[..],
        b"\x30\x05\x02\x01\x01\x04\x00",
        b"\x30\x00",
        b"\x02\x01\x01",
        b"220 smtp.example.com ESMTP\r\n",
    ] {
        let mut settings = settings(&server, &babbler(bytes));
        settings["tls"] = json!("none");
        settings["timeout"] = json!(1);
        within(Duration::from_secs(8), || {
            block_on(read(&settings)).unwrap_err();
            let answers = block_on(write(&settings, &[grant("a", 1)]));
            assert!(matches!(&answers[..], [Answer::Broken { .. }]), "{answers:?}");
        });
    }
}

#[test]
fn a_slow_server_is_waited_for() {
    let server = start(Options::default());
    let proxy = Proxy::start(server.tls_port(), Fault::Delay(Duration::from_millis(20)));
    let reading = block_on(read(&settings(&server, &proxy.url()))).unwrap();
    assert_eq!(reading.gaps, []);
}

#[test]
fn a_group_that_may_not_be_written_says_what_is_needed() {
    let acl = format!("access to dn.exact=\"cn=a,{GROUPS}\" by * read");
    let server = start(Options { acl: vec![acl], ..Options::default() });
    let settings = settings(&server, &server.url());
    let answers = block_on(write(&settings, &[grant("a", 25), grant("a", 26), grant("b", 1)]));
    let why = "insufficientAccessRights (50) for cn=accord,ou=services,dc=example,dc=com; it needs write on `member` of \
               `cn=a,ou=groups,dc=example,dc=com`";
    let refused = Answer::Refused { why: why.to_owned() };
    assert_eq!(answers, [refused.clone(), refused, Answer::Done { handle: None }]);
}

#[test]
fn a_write_without_an_answer_is_unknown_and_one_never_sent_is_broken() {
    let server = start(Options::default());
    let proxy = Proxy::start(server.port(), Fault::Pass);
    let mut settings = settings(&server, &proxy.plain_url());
    settings["tls"] = json!("none");
    block_on(async {
        // Requests: bind, root DSE, schema, the placeholder's question, the modify.
        proxy.set(Fault::CutAfterRequests(5));
        let writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        let answers = write_with(&writer, &[grant("a", 25)]).await;
        assert!(matches!(&answers[..], [Answer::Unknown { .. }]), "{answers:?}");
        let members = server.values(&format!("cn=a,{GROUPS}"), "member");
        assert_eq!(members.len(), 21, "the server had it, only the answer was lost");

        // The same connection is gone; the next write makes another one.
        proxy.set(Fault::Pass);
        let answers = write_with(&writer, &[grant("a", 25)]).await;
        assert!(matches!(&answers[..], [Answer::Conflict { .. }]), "{answers:?}");
        drop(proxy);
    });
}

#[test]
fn a_server_killed_half_way_leaves_known_unknown_and_unsent_and_the_rest_goes_through_later() {
    let mut server = start(Options::default());
    let settings = settings(&server, &server.url());
    block_on(async {
        let mut writer = connection(&settings, Purpose::Apply, WRITER.1).unwrap();
        let answers = write_with(&writer, &[grant("b", 0)]).await;
        assert_eq!(answers, [Answer::Done { handle: None }]);
        server.kill();
        let changes: Vec<Change> = (7..12).map(|n| grant("b", n)).collect();
        let answers = write_with(&writer, &changes).await;
        for answer in &answers {
            assert!(matches!(answer, Answer::Broken { .. } | Answer::Unknown { .. }), "{answers:?}");
        }
        // Nobody is there: this one is certain.
        let answers = write_with(&writer, &changes).await;
        assert!(answers.iter().all(|a| matches!(a, Answer::Broken { .. })), "{answers:?}");
        server.restart();
        // A read finds the server again, and writes go on.
        let scope = accord::provider::Scope::default();
        assert_eq!(writer.read(&scope, None).await.unwrap().gaps, []);
        let answers = write_with(&writer, &changes).await;
        assert!(answers.iter().all(|a| matches!(a, Answer::Done { .. })), "{answers:?}");
        assert_eq!(server.values(&format!("cn=b,{GROUPS}"), "member").len(), 7);
    });
}
