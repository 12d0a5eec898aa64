//! Promise 11, no secrets out: neither the password of a bind nor anybody's stored
//! password reaches a plan, a journal, a message or any other file of accord's.

use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const STORED: &str = "hunter2-stored-by-the-directory";
const WRONG: &str = "a-wrong-one-typed-at-3-a.m.";

fn accord(root: &Path, password: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_accord"))
        .args(arguments)
        .current_dir(root)
        .env("BIND_PASSWORD", password)
        .output()
        .unwrap()
}

/// Every byte below a folder, hidden files included, in one string.
fn everything(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            all += &everything(&entry.path());
        } else {
            all += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[test]
fn no_password_reaches_a_plan_a_journal_or_a_message() {
    let seed = format!(
        "dn: uid=old,{PEOPLE}\nobjectClass: inetOrgPerson\nuid: old\ncn: Old\nsn: Old\nemployeeNumber: 1\n\
         userPassword: {STORED}\n\ndn: cn=staff,{GROUPS}\nobjectClass: groupOfNames\ncn: staff\n\
         member: uid=old,{PEOPLE}\n\n"
    );
    let server = Slapd::start(&Options { seed, ..Options::default() });
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("policies")).unwrap();
    fs::copy(server.ca(), root.join("ca.pem")).unwrap();
    fs::write(
        root.join("policies/accord.yaml"),
        format!(
            "organization: example\ndirectories:\n  corp:\n    kind: ldap\n    url: {}\n    ca: ca.pem\n    \
             bind: {{ dn: \"{}\", password: {{ env: BIND_PASSWORD }} }}\n    accounts: {{ base: \"{PEOPLE}\", \
             id_attribute: employeeNumber, attributes: {{ cn: name, sn: family_name }} }}\n    \
             groups: {{ base: \"{GROUPS}\" }}\n",
            server.url(),
            WRITER.0
        ),
    )
    .unwrap();
    fs::write(
        root.join("policies/people.yaml"),
        "people:\n  new: { id: \"2\", name: New, family_name: New, kind: employee }\n\
         groups:\n  corp/staff: { members: [new] }\n",
    )
    .unwrap();

    let mut said = String::new();
    for (password, arguments) in [
        (WRONG, &["plan"][..]),
        (WRONG, &["apply", "--auto-approve"]),
        (WRITER.1, &["plan", "--out", "saved.json"]),
        (WRITER.1, &["plan", "--format", "json"]),
        (WRITER.1, &["plan", "--format", "markdown"]),
        (WRITER.1, &["apply", "saved.json"]),
        (WRITER.1, &["drift"]),
    ] {
        let output = accord(root, password, arguments);
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    assert_eq!(server.values(&format!("cn=staff,{GROUPS}"), "member"), [format!("uid=new,{PEOPLE}")], "{said}");
    assert!(said.contains("invalidCredentials"), "{said}");
    let files = everything(root);
    assert!(files.contains("run-ended"), "the journal is among what was looked at");
    for secret in [WRITER.1, WRONG, STORED, "userPassword"] {
        assert!(!said.contains(secret), "printed: {secret}");
        assert!(!files.contains(secret), "written: {secret}");
    }
}
