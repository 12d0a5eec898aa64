//! The file as a directory: read, edited, replaced.

use super::*;
use crate::model::{Change, Enabled, Object, Side};
use crate::policy::settings::DirectorySettings;
use crate::provider::{Answer, Kind};
use futures_util::FutureExt;
use std::path::Path;

const FILE: &str = "\
version: 1

# the top
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=maria,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: maria
cn:: TWFyaWEgTMOzcGV6
sn: Lopez
# hers since 2019
employeeNumber: 10482
userPassword:: e1NTSEF9c2VjcmV0
description: a value so long that whoever wrote the file folded it over two
  lines

dn: UID=Wei,ou=People,dc=example,dc=com
objectClass: inetOrgPerson
uid: Wei
cn: Wei Chen
sn: Chen
pwdAccountLockedTime: 000001010000Z
pwdEndTime: 20270101000000Z

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=sre,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: sre
description: Runs production
member: cn=sre,ou=groups,dc=example,dc=com
member: UID=maria, ou=people,dc=example,dc=com
member: cn=vpn,ou=groups,dc=example,dc=com
member: uid=gone,ou=people,dc=example,dc=com

dn: cn=vpn,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: vpn
member: cn=vpn,ou=groups,dc=example,dc=com
";

const SETTINGS: &str = r#"{"kind":"ldif","file":"d.ldif",
"accounts":{"base":"ou=people,dc=example,dc=com","id_attribute":"employeeNumber","attributes":{"cn":"name","sn":"family_name"}},
"groups":{"base":"ou=groups,dc=example,dc=com"}}"#;

fn settings(json: &str) -> settings::Directory {
    let settings: DirectorySettings = serde_json::from_str(json).unwrap();
    let place = crate::model::Place { file: crate::model::FileId(0), line: 1, column: 1 };
    settings::Directory {
        name: "trial".into(),
        settings,
        accounts_for: crate::policy::settings::AccountsFor::Entitled,
        bases: Vec::new(),
        place,
    }
}

fn open(root: &Path, json: &str) -> Directory {
    let credentials = Credentials { root: root.to_path_buf(), ..Credentials::default() };
    Directory::new(&settings(json), &credentials).unwrap()
}

fn fresh() -> (tempfile::TempDir, Directory) {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("d.ldif"), FILE).unwrap();
    let directory = open(root.path(), SETTINGS);
    (root, directory)
}

fn read(directory: &mut Directory) -> Reading {
    let mut scope = kind(&settings(SETTINGS)).unwrap().scope();
    scope.authors = true;
    directory.read(&scope, None).now_or_never().unwrap().unwrap()
}

fn change(action: Action, object: Object, before: &[(&str, &str)], after: &[(&str, &str)]) -> Change {
    let side = |pairs: &[(&str, &str)]| -> Option<Side> {
        let mut side = Side::new();
        for (key, value) in pairs {
            side.entry((*key).to_owned()).or_default().push((*value).to_owned());
        }
        (!side.is_empty()).then_some(side)
    };
    Change {
        id: 1,
        directory: "trial".to_owned(),
        action,
        object,
        person: None,
        label: None,
        before: side(before),
        after: side(after),
        because: Vec::new(),
        ends: None,
        needs: Vec::new(),
    }
}

fn write(directory: &Directory, changes: &[Change]) -> Vec<Answer> {
    let steps: Vec<Step<'_>> =
        changes.iter().map(|change| Step { change, handle: None, member: None, placeholder: None }).collect();
    directory.write(&steps).now_or_never().unwrap()
}

fn text(root: &tempfile::TempDir) -> String {
    std::fs::read_to_string(root.path().join("d.ldif")).unwrap()
}

fn done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done { .. })
}

#[test]
fn a_read_shows_accounts_groups_status_and_every_sort_of_member() {
    let (_root, mut directory) = fresh();
    let reading = read(&mut directory);
    assert!(reading.gaps.is_empty(), "{:?}", reading.gaps);
    assert!(reading.evidence[0].starts_with("all of d.ldif, sha256 "), "{:?}", reading.evidence);
    let state = reading.upserts;
    let maria = state.account_named("MARIA").unwrap();
    assert_eq!(maria.values(0).collect::<Vec<_>>(), ["Maria López"]);
    assert_eq!((maria.person_id(), maria.enabled(), maria.ends()), (Some("10482"), Enabled::Yes, None));
    let wei = state.account_named("wei").unwrap();
    assert_eq!((wei.name(), wei.enabled()), ("Wei", Enabled::No));
    assert_eq!(wei.ends().unwrap().to_string(), "2027-01-01T00:00:00Z");
    let sre = state.group_named("sre").unwrap();
    assert_eq!(sre.members(), [maria.id()]);
    let others: Vec<String> = sre.others().map(|other| format!("{other:?}")).collect();
    assert_eq!(others, ["Other(\"uid=gone,ou=people,dc=example,dc=com\")", "Group(\"vpn\")"]);
    assert!(state.group_named("vpn").unwrap().is_empty());
    assert!(!format!("{state:?}").contains("SSHA"));
}

#[test]
fn a_write_touches_only_its_lines() {
    let (root, mut directory) = fresh();
    read(&mut directory);
    let member = |group: &str, name: &str| Object::membership(group, name);
    let answers = write(
        &directory,
        &[
            change(Action::Grant, member("vpn", "Wei"), &[], &[("member", "x")]),
            change(Action::Revoke, member("sre", "maria"), &[("member", "x")], &[]),
            change(Action::EnableAccount, Object::account("Wei"), &[("enabled", "false")], &[("enabled", "true")]),
            change(Action::UpdateAccount, Object::account("maria"), &[("sn", "lopez")], &[("sn", "Lopez Díaz")]),
            change(
                Action::CreateAccount,
                Object::account("li, na"),
                &[],
                &[("cn", "Li Na"), ("ends", "2027-01-01T00:00:00Z")],
            ),
        ],
    );
    assert!(answers.iter().all(done), "{answers:?}");
    let (before, after) = (FILE.to_owned(), text(&root));
    let diff = similar::TextDiff::from_lines(&before, &after);
    let lines: Vec<String> = diff
        .iter_all_changes()
        .filter(|line| line.tag() != similar::ChangeTag::Equal)
        .map(|line| format!("{}{}", line.tag(), line.value().trim_end()))
        .collect();
    assert_eq!(
        lines,
        [
            "+dn: uid=li\\, na,ou=people,dc=example,dc=com",
            "+objectClass: inetOrgPerson",
            "+uid: li, na",
            "+cn: Li Na",
            "+sn: li, na",
            "+pwdEndTime: 20270101000000Z",
            "+",
            "-sn: Lopez",
            "+sn:: TG9wZXogRMOtYXo=",
            "-pwdAccountLockedTime: 000001010000Z",
            "-member: UID=maria, ou=people,dc=example,dc=com",
            "-member: cn=vpn,ou=groups,dc=example,dc=com",
            "+member: uid=Wei,ou=people,dc=example,dc=com",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn a_group_that_loses_its_last_member_keeps_the_placeholder_and_shows_nobody() {
    let (root, mut directory) = fresh();
    read(&mut directory);
    let grant = change(Action::Grant, Object::membership("vpn", "maria"), &[], &[]);
    let revoke = change(Action::Revoke, Object::membership("vpn", "maria"), &[], &[]);
    assert!(done(&write(&directory, &[grant])[0]));
    assert_eq!(text(&root).matches("member: cn=vpn,").count(), 1, "only as a member of sre");
    assert!(done(&write(&directory, &[revoke])[0]));
    assert_eq!(text(&root).matches("member: cn=vpn,").count(), 2);
    assert!(read(&mut directory).upserts.group_named("vpn").unwrap().is_empty());
}

#[test]
fn what_no_longer_holds_is_a_conflict_and_the_rest_of_the_batch_goes_on() {
    let (root, mut directory) = fresh();
    read(&mut directory);
    let answers = write(
        &directory,
        &[
            change(Action::Grant, Object::membership("sre", "maria"), &[], &[]),
            change(Action::Revoke, Object::membership("vpn", "maria"), &[], &[]),
            change(Action::UpdateAccount, Object::account("maria"), &[("sn", "Smith")], &[("sn", "Jones")]),
            change(Action::UpdateAccount, Object::account("maria"), &[("cn", "Maria López")], &[]),
            change(Action::DisableAccount, Object::account("wei"), &[("enabled", "true")], &[("enabled", "false")]),
            change(Action::CreateAccount, Object::account("MARIA"), &[], &[]),
            change(Action::DeleteAccount, Object::account("nobody"), &[], &[]),
            change(Action::DeleteGroup, Object::group("vpn"), &[], &[]),
            change(Action::UpdateAccount, Object::account("wei"), &[], &[("userPassword", "x")]),
        ],
    );
    let words: Vec<&str> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Conflict { .. } => "conflict",
            Answer::Done { .. } => "done",
            Answer::Refused { .. } => "refused",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        words,
        ["conflict", "conflict", "conflict", "done", "conflict", "conflict", "conflict", "done", "refused"]
    );
    assert!(
        matches!(&answers[2], Answer::Conflict { why } if why.contains("is `lopez`, not `Smith`")),
        "{:?}",
        answers[2]
    );
    assert!(!text(&root).contains("dn: cn=vpn"));
    assert!(text(&root).contains("userPassword:: e1NTSEF9c2VjcmV0\n"));
}

#[test]
fn a_rename_takes_the_memberships_along() {
    let (root, mut directory) = fresh();
    read(&mut directory);
    let rename =
        change(Action::RenameAccount, Object::account("maria"), &[("name", "maria")], &[("name", "maria.lopez")]);
    let answers = write(&directory, &[rename]);
    assert_eq!(answers, [Answer::Done { handle: Some("uid=maria.lopez,ou=people,dc=example,dc=com".to_owned()) }]);
    let state = read(&mut directory).upserts;
    let maria = state.account_named("maria.lopez").unwrap();
    assert_eq!(state.group_named("sre").unwrap().members(), [maria.id()]);
    assert!(!text(&root).contains("uid: maria\n"));
    assert!(text(&root).contains("# hers since 2019\n"));
}

#[test]
fn somebody_elses_edit_stops_the_write_and_a_new_read_lets_it_go_on() {
    let (root, mut directory) = fresh();
    read(&mut directory);
    let path = root.path().join("d.ldif");
    std::fs::write(&path, FILE.replace("Runs production", "Ran")).unwrap();
    let grant = [change(Action::Grant, Object::membership("vpn", "maria"), &[], &[])];
    assert!(
        matches!(&write(&directory, &grant)[0], Answer::Conflict { why } if why.contains("somebody changed `d.ldif`"))
    );
    assert!(text(&root).contains("description: Ran\n"));
    read(&mut directory);
    assert!(done(&write(&directory, &grant)[0]));
    assert!(text(&root).contains("description: Ran\n"));
}

/// One change of each sort, some of which fit only what those before them left.
fn many() -> Vec<Change> {
    let account =
        |action, before: &[(&str, &str)], after: &[(&str, &str)]| change(action, Object::account("ann"), before, after);
    vec![
        account(Action::CreateAccount, &[], &[("cn", "Ann"), ("employeeNumber", "7")]),
        change(Action::Grant, Object::membership("vpn", "ann"), &[], &[]),
        // Refused, alone in its batch where there are several.
        change(Action::CreateGroup, Object::group("vpn"), &[], &[]),
        change(Action::Grant, Object::membership("vpn", "maria"), &[], &[]),
        change(Action::CreateGroup, Object::group("ops"), &[], &[]),
        account(Action::UpdateAccount, &[("cn", "Ann")], &[("cn", "Anna")]),
        account(Action::RenameAccount, &[("name", "ann")], &[("name", "anna")]),
        change(Action::Revoke, Object::membership("vpn", "maria"), &[], &[]),
        change(Action::Revoke, Object::membership("vpn", "anna"), &[], &[]),
        change(Action::Grant, Object::membership("ops", "anna"), &[], &[]),
        change(Action::DeleteAccount, Object::account("maria"), &[("name", "maria")], &[]),
    ]
}

#[test]
fn batches_of_any_size_end_in_the_same_file() {
    let changes = many();
    // A new entry's lines stand in another order once the file was read again.
    let sorted = |text: &str| -> Vec<Vec<String>> {
        let lines = |entry: &str| entry.lines().map(str::to_owned).collect();
        let mut entries: Vec<Vec<String>> = text.split("\n\n").map(lines).collect();
        for entry in &mut entries {
            entry.sort();
        }
        entries
    };
    let mut whole: Option<Vec<Vec<String>>> = None;
    for size in [changes.len(), 1, 2, 3] {
        let (root, mut directory) = fresh();
        read(&mut directory);
        let mut answers = Vec::new();
        for batch in changes.chunks(size) {
            let before = text(&root);
            let told = write(&directory, batch);
            // Whatever is told as done is in the file before the next batch.
            assert_eq!(told.iter().any(done), text(&root) != before, "{size}");
            answers.extend(told);
        }
        assert_eq!(answers.iter().filter(|answer| !done(answer)).count(), 1, "{answers:?}");
        let text = text(&root);
        assert_eq!(Document::parse(text.clone().into_bytes()).unwrap().print(), text.as_bytes());
        let told = sorted(&text);
        assert_eq!(whole.get_or_insert_with(|| told.clone()), &told, "batches of {size}");
    }
}

#[test]
fn somebody_elses_edit_between_two_batches_is_never_overwritten() {
    let grants = ["wei", "maria"].map(|name| change(Action::Grant, Object::membership("vpn", name), &[], &[]));
    let refused = change(Action::CreateGroup, Object::group("vpn"), &[], &[]);
    let (root, mut directory) = fresh();
    read(&mut directory);
    assert!(done(&write(&directory, &grants[..1])[0]));
    let path = root.path().join("d.ldif");
    let edited = text(&root).replace("Runs production", "Walks production");
    std::fs::write(&path, &edited).unwrap();
    // Both what would succeed and what would not: the file is another one.
    for batch in [vec![grants[1].clone(), refused.clone()], vec![refused], vec![grants[1].clone()]] {
        let answers = write(&directory, &batch);
        let conflict = |answer: &Answer| matches!(answer, Answer::Conflict { why } if why.contains("somebody changed"));
        assert!(answers.iter().all(conflict), "{answers:?}");
        assert_eq!(text(&root), edited);
    }
    read(&mut directory);
    assert!(done(&write(&directory, &grants[1..])[0]));
    assert!(text(&root).contains("description: Walks production\n"));
    assert!(text(&root).contains("member: uid=maria,ou=people"));
}

#[test]
fn a_file_is_made_with_its_top_only_where_the_settings_say_so() {
    let root = tempfile::tempdir().unwrap();
    let create = |json: &str| json.replace("\"file\":", "\"create\":true,\"file\":").replace("d.ldif", "sub/d.ldif");
    let mut without = open(root.path(), SETTINGS);
    let scope = Scope::default();
    let error = without.read(&scope, None).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "trial: read d.ldif: there is no such file");
    let mut directory = open(root.path(), &create(SETTINGS));
    let reading = directory.read(&scope, None).now_or_never().unwrap().unwrap();
    assert_eq!((reading.upserts.account_count(), reading.gaps.len()), (0, 0));
    let changes = [
        change(Action::CreateGroup, Object::group("sre"), &[], &[("description", "Runs it")]),
        change(Action::CreateAccount, Object::account("maria"), &[], &[("cn", "Maria")]),
        change(Action::Grant, Object::membership("sre", "maria"), &[], &[]),
    ];
    assert!(write(&directory, &changes).iter().all(done));
    let made = std::fs::read_to_string(root.path().join("sub/d.ldif")).unwrap();
    assert_eq!(
        made,
        "version: 1\n\n\
         dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n\n\
         dn: ou=groups,dc=example,dc=com\nobjectClass: organizationalUnit\nou: groups\n\n\
         dn: cn=sre,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: sre\ndescription: Runs it\n\
         member: uid=maria,ou=people,dc=example,dc=com\n\n\
         dn: ou=people,dc=example,dc=com\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: uid=maria,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: maria\ncn: Maria\nsn: maria\n"
    );
    let document = Document::parse(made.clone().into_bytes()).unwrap();
    assert_eq!(String::from_utf8(document.print()).unwrap(), made);
}

#[test]
fn links_and_paths_outside_are_refused() {
    let (root, _directory) = fresh();
    let outside = |file: &str| {
        let json = SETTINGS.replace("d.ldif", file);
        Directory::new(&settings(&json), &Credentials { root: root.path().into(), ..Credentials::default() })
    };
    assert!(outside("../d.ldif").unwrap_err().message.contains("leaves the repository"));
    assert!(outside("/etc/passwd").unwrap_err().message.contains("leaves the repository"));
    std::os::unix::fs::symlink(root.path().join("d.ldif"), root.path().join("link.ldif")).unwrap();
    let mut link = outside("link.ldif").unwrap();
    let error = link.read(&Scope::default(), None).now_or_never().unwrap().unwrap_err();
    assert!(error.message.contains("symbolic link"), "{error}");
}

#[test]
fn permission_bits_stay_and_nothing_is_left_behind() {
    use std::os::unix::fs::PermissionsExt;
    let (root, mut directory) = fresh();
    let path = root.path().join("d.ldif");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::write(root.path().join(".d.ldif.accord-new"), "left by a killed run").unwrap();
    read(&mut directory);
    let grant = change(Action::Grant, Object::membership("vpn", "maria"), &[], &[]);
    assert!(done(&write(&directory, &[grant])[0]));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_part_is_read_with_its_members_and_absent_names_are_told() {
    let (_root, mut directory) = fresh();
    let scope = Scope { only: Some(vec![Object::group("sre"), Object::account("zoe")]), ..Scope::default() };
    let reading = directory.read(&scope, None).now_or_never().unwrap().unwrap();
    assert_eq!(reading.deletes, [Object::account("zoe")]);
    assert_eq!(reading.upserts.accounts().map(|a| a.name().to_owned()).collect::<Vec<_>>(), ["maria"]);
    assert_eq!(reading.upserts.group_named("sre").unwrap().others().len(), 2);
}

#[test]
fn two_entries_of_one_name_are_a_gap_and_not_a_guess() {
    let root = tempfile::tempdir().unwrap();
    let twin = FILE.replace("dn: UID=Wei,ou=People", "dn: cn=w,ou=People").replace("uid: Wei", "uid: maria");
    std::fs::write(root.path().join("d.ldif"), twin).unwrap();
    let reading = read(&mut open(root.path(), SETTINGS));
    assert_eq!(reading.gaps.len(), 1);
    assert_eq!(reading.gaps[0].scope, crate::provider::GapScope::Account("maria".to_owned()));
}

#[test]
fn bad_files_are_refused_with_the_line() {
    let entry = "dn: dc=x\nobjectClass: dcObject\n";
    for (file, expected) in [
        ("version: 2\n", "line 1: only LDIF version 1 exists"),
        ("objectClass: a\n", "line 1: a record begins with `objectClass:`, not with `dn:`"),
        ("dn: dc=x\nchangetype: add\n", "line 2: this is a change record"),
        ("dn: dc=x\ncn:< file:///etc/passwd\n", "line 2: the value is a URL (`:<`), which accord does not open"),
        ("dn: dc=x\ncn:: ???\n", "line 2: the value after `::` is not base64"),
        ("dn: dc=x\nno colon\n", "line 2: the line has no `:`"),
        ("dn: dc=x\n\n", "line 1: `dc=x` has no attributes"),
        ("dn: nonsense\ncn: a\n", "line 1: `nonsense` is no distinguished name: a part has no `=`"),
        (" a\n", "line 1: the line has no `:`"),
        ("dn: dc=x\nc n: a\n", "line 2: `c n` is no attribute"),
    ] {
        assert_eq!(Document::parse(file.into()).err().map(|e| e.to_string()).as_deref(), Some(expected), "{file}");
    }
    let twice = format!("{entry}\n\ndn: DC=X\nobjectClass: dcObject\n");
    let error = Document::parse(twice.into()).err().unwrap();
    assert_eq!(error.to_string(), "line 5: `DC=X` was already written on line 1");
    assert!(Document::parse(b"dn: dc=x\ncn: \xff\n".to_vec()).err().unwrap().to_string().contains("not UTF-8"));
}

#[test]
fn line_ends_folding_and_base64_survive_a_rewrite() {
    let crlf = FILE.replace('\n', "\r\n");
    let document = Document::parse(crlf.clone().into_bytes()).unwrap();
    assert_eq!(String::from_utf8(document.print()).unwrap(), crlf);
    let mut document = Document::parse(FILE.into()).unwrap();
    let long = "x".repeat(200);
    document
        .add("cn=long,ou=groups,dc=example,dc=com", &[("cn".to_owned(), vec!["long".to_owned(), long.clone()])])
        .unwrap();
    let printed = document.print();
    let longest = printed.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap();
    assert_eq!(longest, 76);
    let again = Document::parse(printed).unwrap();
    assert!(again.entry("cn=long,ou=groups,dc=example,dc=com").unwrap().has("cn", &long));
    assert_eq!(again.entries().count(), 8);
}
