//! Policy files: loaded, checked, and their findings shown.

use accord::policy;
use accord::render::diagnostics;
use accord::source::InMemory;

/// A policy file beside a sound `accord.yaml`, and as `accord.yaml` itself:
/// loaded, checked, and its findings shown.
pub(crate) fn body(bytes: &[u8]) {
    let accord =
        b"organization: example\ntimezone: Europe/Berlin\ndirectories: { corp: { kind: ldif, file: x.ldif } }\n";
    for files in [
        vec![("policies/accord.yaml", bytes.to_vec())],
        vec![("policies/accord.yaml", accord.to_vec()), ("policies/x.yaml", bytes.to_vec())],
    ] {
        let source = InMemory::new(files);
        let Err(findings) = policy::load(&source) else { continue };
        assert!(!findings.is_empty(), "refused without a word");
        let text = diagnostics::text(&findings, &policy::load::sources(&source, &findings), 2, false);
        let unsafe_character = text.chars().find(|c| *c != '\n' && accord::render::escape::is_unsafe(*c));
        assert_eq!(unsafe_character, None, "{text}");
    }
}

const CORPUS: &[&[u8]] = &[
    b"people:\n  maria.lopez:\n    id: \"10482\"\n    kind: contractor\n    sponsor: wei.chen\n    starts: 2026-10-01\n    expires: 2027-03-31\n    attributes: { department: platform, level: 3 }\n  wei.chen: { name: Wei Chen }\n",
    b"roles:\n  sre:\n    grants: [corp/sre]\n    members:\n      - wei.chen\n      - person: maria.lopez\n        expires: 2026-12-31\n      - where: person.department == \"platform\" && !person.oncall\n      - all: [role: sre, { not: { group: corp/x } }]\n    except: [li.na]\ngroups: { corp/sre: {}, corp/x: { manage: reference } }\n",
    b"constraints:\n  c:\n    exclusive: [role: a, role: b]\n    exceptions: [{ person: a, expires: 2026-12-31 }]\n    on_breach: { revoke: [role: a] }\n",
    b"organization: x\ntimezone: Europe/Berlin\nkinds: { contractor: { default: deny, require: [sponsor] } }\ndirectories:\n  corp:\n    kind: ldap\n    url: ldaps://x\n    accounts: { base: ou=p, attributes: { cn: name, x: { template: '{key}' } } }\nguardrails: { minimum_members: { corp/sre: 2 } }\n",
    b"\xef\xbb\xbfpeople:\r\n  a: { name: '\xe2\x80\xae\xf0\x9f\x98\x80' }\r\n",
    b"people: {a: {leave: [{from: 2026-01-01, returns: }], periods: [], hold: {ticket: 1}}, a: {}}\n---\nx: 1\n",
];

#[test]
fn any_bytes_as_a_policy_file_give_findings_or_a_policy() {
    super::run_times(CORPUS, 8, body);
}

#[test]
fn what_is_huge_or_deep_ends_soon() {
    body("[".repeat(200_000).as_bytes());
    body("a: {".repeat(50_000).as_bytes());
    body("- ".repeat(50_000).as_bytes());
    body("people:\n".repeat(20_000).as_bytes());
    body(format!("roles: {{ a: {{ members: [{}] }} }}", "{not: ".repeat(40) + &"}".repeat(40)).as_bytes());
    body(format!("roles: {{ a: {{ members: [{}] }} }}", "{ persn: x }, ".repeat(2_000)).as_bytes());
    body(format!("x: {}", "\"\\u0000".repeat(10_000)).as_bytes());
}
