//! What went wrong elsewhere with LDAP directories, and what accord does instead.

use crate::support::ldap::{access, block_on, change, plan, policy, settings, words, write};
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER, group_ldif, people_ldif};
use accord::model::change::{Action, Object};
use accord::provider::Answer;
use serde_json::{Value, json};

fn start(options: Options) -> Slapd {
    let seed = people_ldif("p", 10) + &group_ldif("a", "p", 0..5) + &group_ldif("b", "p", 7..8);
    Slapd::start(&Options { seed, ..options })
}

fn clear(server: &Slapd) -> Value {
    let mut settings = settings(server, &server.plain_url());
    settings["tls"] = json!("none");
    settings.as_object_mut().unwrap().remove("ca");
    settings
}

/// A people search that a size limit cut short removed half of all memberships and
/// reported success.
#[test]
fn a_people_search_cut_short_removes_no_membership() {
    let server = start(Options { size_limit: Some(3), ..Options::default() });
    let (observed, plan) = plan(&policy(&clear(&server), &access()));
    assert!(observed.gaps[0].why.contains("sizeLimitExceeded"), "{:?}", observed.gaps);
    assert!(!words(&plan).iter().any(|word| word.starts_with("revoke")), "{:?}", words(&plan));
}

/// A mistyped base was read as an organisation without people: every group emptied.
#[test]
fn a_wrong_people_base_empties_no_group() {
    let server = start(Options::default());
    let mut settings = clear(&server);
    settings["accounts"]["base"] = json!("ou=staff,dc=example,dc=com");
    let (observed, plan) = plan(&policy(&settings, &access()));
    assert!(observed.gaps[0].why.contains("noSuchObject (32)"), "{:?}", observed.gaps);
    assert_eq!(words(&plan), [""; 0]);
}

/// DNs compared as text: a base written in another case planned every group anew and
/// the deletion of every group that was there.
#[test]
fn a_base_written_in_another_case_is_the_same_base() {
    let server = start(Options::default());
    let mut settings = clear(&server);
    settings["accounts"]["base"] = json!("OU=People, DC=Example,DC=com");
    settings["groups"]["base"] = json!("ou=Groups,dc=EXAMPLE,dc=com");
    settings["groups"]["manage"] = json!("exclusive");
    let (observed, plan) = plan(&policy(&settings, &access()));
    assert_eq!(observed.gaps, []);
    assert_eq!(words(&plan), ["create-account joiner", "disable-account p6", "grant a joiner", "update-account p6"]);
}

/// An entry that is no group stopped everything, or was deleted as one.
#[test]
fn an_entry_that_is_no_group_is_left_alone() {
    let server = start(Options::default());
    server.ldapmodify(&format!("dn: cn=robot,{GROUPS}\nchangetype: add\nobjectClass: organizationalRole\ncn: robot\n"));
    let mut settings = clear(&server);
    settings["groups"]["manage"] = json!("exclusive");
    let (observed, plan) = plan(&policy(&settings, &access()));
    assert_eq!(observed.gaps, []);
    assert!(!words(&plan).iter().any(|word| word.contains("robot")), "{:?}", words(&plan));
}

/// A deletion that the server refused was logged and counted as applied.
#[test]
fn a_refused_deletion_is_told() {
    let acl = vec![format!("access to dn.exact=\"cn=b,{GROUPS}\" by * read")];
    let server = start(Options { acl, ..Options::default() });
    let delete = change(Action::DeleteGroup, Object::group("b"), None, None);
    let answers = block_on(write(&settings(&server, &server.url()), &[delete]));
    assert!(
        matches!(&answers[..], [Answer::Refused { why }] if why.contains("insufficientAccessRights (50)") && why.contains(WRITER.0)),
        "{answers:?}"
    );
    assert_eq!(server.values(&format!("cn=b,{GROUPS}"), "member"), [format!("uid=p7,{PEOPLE}")]);
}
