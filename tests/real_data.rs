//! The public Kubernetes organisation, written into a real slapd by the real program
//! and read back with `ldapsearch`: every group as expected, then nothing left to do.

use crate::support::copy_folder;
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

type Members = BTreeMap<String, Vec<String>>;

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/kubernetes-org"))
}

fn accord(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_accord"))
        .args(arguments)
        .current_dir(root)
        .env("BIND_PASSWORD", WRITER.1)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn settings(server: &Slapd) -> String {
    format!(
        r#"organization: kubernetes
timezone: UTC
directories:
  corp:
    kind: ldap
    url: {}
    ca: ca.pem
    bind: {{ dn: "{}", password: {{ env: BIND_PASSWORD }} }}
    accounts:
      base: {PEOPLE}
      for: everyone
      attributes: {{ cn: name, sn: name, mail: email }}
    groups: {{ base: "{GROUPS}" }}
guardrails:
  grants: {{ floor: 2000, percent: 100, per: group }}
"#,
        server.url(),
        WRITER.0
    )
}

/// What `ldapsearch` sees: group → sorted members in lower case, without placeholders.
fn observed(server: &Slapd) -> Members {
    let mut groups = Members::new();
    for entry in server.ldapsearch(GROUPS, "(objectClass=groupOfNames)", &["cn", "member"]).split("\n\n") {
        let Some(name) = entry.lines().find_map(|line| line.strip_prefix("cn: ")) else { continue };
        let members = entry.lines().filter_map(|line| line.strip_prefix("member: ")).map(str::to_lowercase);
        let people = members.filter_map(|dn| Some(dn.strip_prefix("uid=")?.split(',').next()?.to_owned()));
        groups.insert(name.to_lowercase(), people.collect());
    }
    for members in groups.values_mut() {
        members.sort();
    }
    groups
}

#[test]
fn the_kubernetes_organisation_arrives_whole_and_stays() {
    let server = Slapd::start(&Options::default());
    let root = tempfile::tempdir().unwrap();
    copy_folder(&source().join("policies"), &root.path().join("policies"));
    fs::copy(server.ca(), root.path().join("ca.pem")).unwrap();
    fs::write(root.path().join("policies/accord.yaml"), settings(&server)).unwrap();

    let first = accord(root.path(), &["apply", "--auto-approve"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));

    let expected: Members = serde_json::from_slice(&fs::read(source().join("expected.json")).unwrap()).unwrap();
    let seen = observed(&server);
    assert_eq!(seen.len(), 781);
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 6_233);
    for (name, mut members) in expected {
        members.sort();
        assert_eq!(seen.get(&name), Some(&members), "{name}");
    }

    let second = accord(root.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second));
    let journal = accord(root.path(), &["audit", "journal", "verify"]);
    assert_eq!(journal.status.code(), Some(0), "{}", text(&journal));
}
