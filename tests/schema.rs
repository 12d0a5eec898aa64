//! The JSON Schema that editors use: current, valid, and of one mind with the loader
//! wherever a schema can be.

use accord::policy::load::documents;
use accord::policy::schema::schema;
use accord::source::InMemory;
use serde_json::Value;

/// Where the schema is checked in.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.schema.json");

fn validator() -> jsonschema::Validator {
    jsonschema::draft7::new(&schema(None)).expect("the schema is a schema")
}

/// A policy file as an editor's language server sees it.
fn value(yaml: &str) -> Value {
    let value: Value = serde_saphyr::from_str(yaml).expect("YAML");
    if value.is_null() { serde_json::json!({}) } else { value }
}

fn loads(yaml: &str) -> bool {
    documents(&InMemory::new([("policies/accord.yaml", yaml)])).diagnostics.is_empty()
}

#[test]
fn the_checked_in_schema_is_current() {
    let current = serde_json::to_string_pretty(&schema(None)).unwrap() + "\n";
    if std::env::var_os("ACCORD_BLESS").is_some() {
        std::fs::write(CHECKED_IN, &current).unwrap();
    }
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(checked_in == current, "{CHECKED_IN} is not current; ACCORD_BLESS=1 cargo test schema:: writes it");
}

#[test]
fn every_policy_file_of_this_repository_is_valid() {
    let validator = validator();
    let mut files = 0;
    let mut folders = vec![
        concat!(env!("CARGO_MANIFEST_DIR"), "/policies").into(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples").into(),
    ];
    while let Some(folder) = folders.pop() {
        let folder: std::path::PathBuf = folder;
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") && path.iter().any(|part| part == "policies") {
                let value = value(&std::fs::read_to_string(&path).unwrap());
                let wrong: Vec<_> =
                    validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
                assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 0, "no policy file was found");
}

#[test]
fn every_set_of_policies_of_this_repository_loads() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("policies")];
    let examples = std::fs::read_dir(root.join("examples")).unwrap();
    folders.extend(examples.map(|entry| entry.unwrap().path().join("policies")).filter(|path| path.is_dir()));
    for folder in folders {
        let source = accord::source::WorkTree::open(&folder).unwrap();
        if let Err(findings) = accord::policy::load(&source).and_then(accord::resolve::checked) {
            let sources = accord::policy::load::sources(&source, &findings);
            panic!("{}\n{}", folder.display(), accord::render::diagnostics::text(&findings, &sources, 0, false));
        }
    }
}

#[test]
fn known_names_are_completions_and_reject_no_other() {
    let source = InMemory::new([
        (
            "policies/accord.yaml",
            "organization: x\ntimezone: UTC\ndirectories: { corp: { kind: ldif, file: x.ldif, accounts: { base: 'ou=p,dc=x' }, groups: { base: 'ou=g,dc=x' } } }\n",
        ),
        (
            "policies/x.yaml",
            "people: { wei.chen: { name: Wei } }\nroles: { sre: { grants: [corp/sre] } }\ngroups: { corp/sre: { members: [wei.chen] } }\n",
        ),
    ]);
    let policy = accord::policy::load(&source).unwrap();
    let schema = schema(Some(&policy));
    let names = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(names("/definitions/Person/properties/sponsor/anyOf/0/enum"), serde_json::json!(["wei.chen"]));
    assert_eq!(names("/definitions/Role/properties/grants/items/anyOf/0/enum"), serde_json::json!(["corp/sre"]));
    assert_eq!(names("/definitions/MemberEntry/anyOf/1/properties/role/anyOf/0/enum"), serde_json::json!(["sre"]));
    assert_eq!(names("/definitions/Holding/oneOf/0/properties/role/anyOf/0/enum"), serde_json::json!(["sre"]));
    let validator = jsonschema::draft7::new(&schema).unwrap();
    for file in GOOD {
        assert!(validator.is_valid(&value(file)), "{file}");
    }
}

#[test]
fn schema_and_loader_accept_the_same_good_files() {
    let validator = validator();
    for good in GOOD {
        assert!(loads(good), "the loader refuses:\n{good}");
        let value = value(good);
        let wrong: Vec<_> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "the schema refuses:\n{good}\n{wrong:#?}");
    }
}

#[test]
fn schema_and_loader_refuse_the_same_bad_files() {
    let validator = validator();
    for bad in BAD {
        assert!(!loads(bad), "the loader accepts:\n{bad}");
        assert!(!validator.is_valid(&value(bad)), "the schema accepts:\n{bad}");
    }
}

#[test]
fn fields_are_described() {
    let schema = schema(None);
    for pointer in [
        "/properties/people/description",
        "/definitions/Person/properties/sponsor/description",
        "/definitions/Group/properties/manage/description",
        "/definitions/DirectorySettings/properties/url/description",
        "/definitions/MemberEntry/anyOf/1/properties/where/description",
    ] {
        assert!(schema.pointer(pointer).and_then(Value::as_str).is_some(), "{pointer}");
    }
    assert!(!schema.to_string().contains("x-accord"), "marks are for this program only");
}

const GOOD: &[&str] = &[
    "# nothing yet\n",
    "organization: example\ntimezone: Europe/Berlin\nkinds: { contractor: { default: deny, require: [sponsor, expires] } }\n",
    "people:\n  maria.lopez:\n    id: 10482\n    kind: contractor\n    starts: 2026-10-01\n    attributes: { level: 3, oncall: true, tags: [a, b] }\n    accounts: { github: mlopez, corp#admin: adm-mlopez }\n",
    "people:\n  a:\n    periods: [{ starts: 2026-01-01, expires: 2026-02-01 }, { starts: 2026-03-01 }]\n    positions: [{ department: x, manager: b, keep: 30d }]\n    leave: [{ from: 2026-04-01, returns: 2026-05-01 }]\n    hold: { ticket: CASE-7 }\n    aliases: [old]\n    adopt: true\n",
    "roles:\n  sre:\n    owner: wei\n    includes: [engineer]\n    grants: [corp/sre]\n    members:\n      - wei\n      - { person: maria, expires: 2026-12-31, ticket: A-1, reason: x, approved_by: wei }\n      - { people: [a, b], starts: 2026-01-01 }\n      - { where: person.kind == \"employee\", kinds: [contractor] }\n      - { reports_to: wei, direct: true, including: true }\n      - all: [{ role: a }, { not: { group: corp/x } }]\n      - any: [{ groups: corp/team-* }]\n    only: [group: corp/trained]\n    except: [li.na]\n    expires: 2027-01-01\n",
    "groups:\n  corp/a: {}\n  corp/b: { manage: additive, others: revoke, name: B, previously: old, attributes: { gidNumber: 1000, x: [a, 7] } }\n",
    "constraints:\n  c:\n    for: person.kind == \"contractor\"\n    exclusive: [role: a, group: corp/b]\n    forbid: [role: c]\n    maximum_term: 365d\n    require: [ticket]\n    into: [role: c, group: corp/b]\n    exceptions: [{ person: ines, expires: 2026-12-31, ticket: R-1, reason: x, approved_by: omar }]\n    on_breach: { revoke: [role: a] }\n    sponsor_gone: { grace: 14d, then: disable }\n  d: { exclusive: [role: a, role: b], on_breach: report }\n",
    "directories:\n  corp:\n    kind: ldap\n    url: ldaps://ldap.example.com\n    bind: { dn: cn=accord, password: { env: X } }\n    accounts: { base: ou=people, match: uid, for: everyone, attributes: { cn: name, x: { template: 'a {key}' } } }\n    groups: { base: ou=groups, object_class: posixGroup, manage: exclusive }\n    leavers: { then: delete, delete_after: 30d }\nguardrails:\n  revocations: { floor: 25, percent: 20, per: directory }\n  minimum_members: { corp/admins: 2 }\n",
];

const BAD: &[&str] = &[
    "peple: {}\n",
    "people: []\n",
    "people: { a: { nmae: x } }\n",
    "people: { a: { name: [x] } }\n",
    "people: { a: { expires: } }\n",
    "people: { a: { adopt: maybe } }\n",
    "people: { a: { leave: [{ returns: 2026-01-01 }] } }\n",
    "people: { a: { hold: {} } }\n",
    "people: { a: { attributes: { x: { y: z } } } }\n",
    "roles: { a: { grants: corp/x } }\n",
    "roles: { a: { members: [[]] } }\n",
    "roles: { a: { members: [{ persn: x }] } }\n",
    "roles: { a: { members: [{ person: x, role: y }] } }\n",
    "roles: { a: { members: [{ expires: 2026-01-01 }] } }\n",
    "roles: { a: { members: [{ person: x, direct: true }] } }\n",
    "roles: { a: { except: [{ not: [x] }] } }\n",
    "groups: { corp/x: { manage: additiv } }\n",
    "groups: { corp/x: }\n",
    "constraints: { c: { exclusive: [x] } }\n",
    "constraints: { c: { exclusive: [{ role: x, group: y }] } }\n",
    "constraints: { c: { exceptions: [{ person: x }] } }\n",
    "constraints: { c: { on_breach: panic } }\n",
    "directories: { corp: { url: x } }\n",
    "directories: { corp: { kind: ldap, bind: { password: secret } } }\n",
    "guardrails: { grants: { floor: -1, percent: 2 } }\n",
    "guardrails: { revocation: { floor: 1, percent: 2 } }\n",
];
