//! Moves between bases on real slapd: what they do, and what is said when they cannot be.

use crate::support::ldap::{block_on, change, read, settings, side, write};
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER, group_ldif, people_ldif};
use accord::model::change::{Action, Change, Object};
use accord::provider::Answer;
use serde_json::json;

fn group(name: &str) -> String {
    format!("cn={name},{GROUPS}")
}

fn start(options: Options) -> Slapd {
    Slapd::start(&Options { seed: people_ldif("p", 12) + &group_ldif("a", "p", 0..6), ..options })
}

fn to_base(name: &str, base: &str) -> Change {
    change(Action::RenameAccount, Object::account(name), side(&[("base", PEOPLE)]), side(&[("base", base)]))
}

#[test]
fn a_move_that_the_server_refuses_says_why_and_the_rest_goes_on() {
    let (closed, open) = ("ou=services,dc=example,dc=com", "ou=policies,dc=example,dc=com");
    let acl = format!("access to dn.base=\"{closed}\" attrs=children by dn.exact=\"{}\" read by * break", WRITER.0);
    let server = start(Options { acl: vec![acl], ..Options::default() });
    let mut settings = settings(&server, &server.url());
    let accounts = settings["accounts"].as_object_mut().unwrap();
    accounts.remove("base");
    accounts.insert("bases".to_owned(), json!([{ "where": "false", "base": open }, { "base": PEOPLE }]));
    let nowhere = "ou=nowhere,dc=example,dc=com";
    let steps = [
        to_base("p0", nowhere),
        to_base("p0", closed),
        to_base("p0", "ou=people,dc=example,dc=org"),
        to_base("p0", open),
    ];
    let answers = block_on(write(&settings, &steps));
    let why = |n: usize| match &answers[n] {
        Answer::Refused { why } => why.clone(),
        other => panic!("{n}: {other:?}"),
    };
    assert!(why(0).contains("`ou=nowhere,dc=example,dc=com` is not there: create it"), "{}", why(0));
    assert!(why(1).contains("create entries below `ou=services,dc=example,dc=com`"), "{}", why(1));
    assert!(!why(2).is_empty());
    assert_eq!(answers[3], Answer::Done { handle: Some(format!("uid=p0,{open}")) });
    assert!(server.values(&group("a"), "member").contains(&format!("uid=p0,{open}")));
    // Both bases are one reading.
    let reading = block_on(read(&settings)).unwrap();
    assert_eq!(reading.gaps, []);
    assert_eq!(reading.upserts.account_named("p0").unwrap().handle(), format!("uid=p0,{open}"));
    assert_eq!(reading.upserts.account_count(), 12);
    // One that is not there ends the reading, also inside another one.
    for missing in [nowhere.to_owned(), format!("ou=nowhere,{PEOPLE}")] {
        settings["accounts"]["bases"][0]["base"] = json!(missing);
        let error = block_on(read(&settings)).unwrap_err();
        assert!(error.to_string().contains(&missing), "{error}");
    }
}

#[test]
fn bases_that_are_inside_each_other_are_read_once() {
    let seed = format!("dn: ou=lab,{PEOPLE}\nobjectClass: organizationalUnit\nou: lab\n\n");
    let server = start(Options::default());
    server.ldapmodify(&seed.replace("objectClass: o", "changetype: add\nobjectClass: o"));
    let mut settings = settings(&server, &server.url());
    let accounts = settings["accounts"].as_object_mut().unwrap();
    accounts.remove("base");
    let lab = format!("ou=lab,{PEOPLE}");
    accounts.insert("bases".to_owned(), json!([{ "where": "false", "base": lab }, { "base": PEOPLE }]));
    let answers = block_on(write(&settings, &[to_base("p0", &lab)]));
    assert!(matches!(answers[..], [Answer::Done { .. }]), "{answers:?}");
    let reading = block_on(read(&settings)).unwrap();
    assert_eq!((reading.gaps, reading.upserts.account_count()), (Vec::new(), 12));
    let kind = accord::provider::ldap::kind(&crate::support::ldap::directory(&settings)).unwrap();
    let base_of = |name: &str| {
        use accord::provider::Kind as _;
        kind.base_of(reading.upserts.account_named(name).unwrap().handle()).unwrap().to_owned()
    };
    assert_eq!((base_of("p0"), base_of("p1")), (lab, PEOPLE.to_owned()));
}
