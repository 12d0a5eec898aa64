//! What is planned from a broken read: only what the whole truth would plan too, and
//! nothing that hangs on what is missing.

use crate::support::ldap::{access, plan, policy, settings, words};
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER, free_port, group_ldif, people_ldif};
use serde_json::{Value, json};

/// What a complete read leads to.
const TRUTH: [&str; 7] = [
    "create-account joiner",
    "disable-account p6",
    "grant a joiner",
    "grant a p0",
    "revoke a p5",
    "revoke b p6",
    "update-account p6",
];

fn start(options: Options) -> Slapd {
    let seed = people_ldif("p", 10) + &group_ldif("a", "p", 1..6) + &group_ldif("b", "p", 6..8);
    Slapd::start(&Options { seed, ..options })
}

fn clear(server: &Slapd) -> Value {
    let mut settings = settings(server, &server.plain_url());
    settings["tls"] = json!("none");
    settings.as_object_mut().unwrap().remove("ca");
    settings
}

/// Words of what is planned; the gaps must be there, and nothing but the truth.
fn planned(settings: &Value) -> Vec<String> {
    let (observed, plan) = plan(&policy(settings, &access()));
    assert!(!observed.gaps.is_empty());
    assert!(!plan.directories[0].complete);
    let words = words(&plan);
    for word in &words {
        assert!(TRUTH.contains(&word.as_str()), "{word}: {:?}", observed.gaps);
    }
    words
}

fn only_writer(what: &str) -> Vec<String> {
    vec![format!("access to {what} by dn.exact=\"{}\" manage by * none", WRITER.0)]
}

#[test]
fn a_whole_read_plans_the_truth() {
    let server = start(Options::default());
    let (observed, plan) = plan(&policy(&clear(&server), &access()));
    assert_eq!(observed.gaps, []);
    assert_eq!(words(&plan), TRUTH, "{:?} {:?}", plan.withheld, plan.notes);
}

#[test]
fn a_size_limit_creates_nobody_and_takes_nothing_from_the_unseen() {
    let server = start(Options { size_limit: Some(4), ..Options::default() });
    let words = planned(&clear(&server));
    for word in &words {
        assert!(!word.starts_with("create") && !word.ends_with("p5") && !word.ends_with("p6"), "{words:?}");
    }
}

#[test]
fn hidden_members_keep_every_membership() {
    let acl = only_writer(&format!("dn.subtree=\"{GROUPS}\" attrs=member"));
    let server = start(Options { acl, ..Options::default() });
    let words = planned(&clear(&server));
    assert!(!words.iter().any(|word| word.starts_with("grant") || word.starts_with("revoke")), "{words:?}");
}

#[test]
fn hidden_entries_are_noticed_by_a_sentinel_and_nobody_is_created() {
    let acl = only_writer(&format!("dn.regex=\"^uid=p[5-9],{PEOPLE}$\""));
    let server = start(Options { acl, ..Options::default() });
    let mut settings = clear(&server);
    settings["sentinels"] = json!(["p9"]);
    let words = planned(&settings);
    for word in &words {
        assert!(!word.starts_with("create") && !word.starts_with("revoke"), "{words:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_read_at_all_is_left_alone() {
    let server = start(Options::default());
    let broken = |path: &str, value: Value| {
        let mut settings = clear(&server);
        *settings.pointer_mut(path).unwrap() = value;
        assert_eq!(planned(&settings), [""; 0], "{path}");
    };
    broken("/accounts/base", json!("ou=peeple,dc=example,dc=com"));
    broken("/groups/base", json!("ou=groops,dc=example,dc=com"));
    broken("/url", json!(format!("ldap://127.0.0.1:{}", free_port())));
    broken("/plan_bind/dn", json!("cn=nobody,dc=example,dc=com"));
}
