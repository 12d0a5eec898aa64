//! From bytes to a checked policy: 10,000 and 100,000 people, one group for ten.

use accord::policy;
use accord::source::InMemory;
use divan::Bencher;
use std::fmt::Write as _;

/// An organisation of that size in files of 500 people and 100 groups: about 220
/// bytes a person, 14 members a group, every fourth entry with an end and a reason.
fn organisation(people: usize) -> InMemory {
    InMemory::new(files(people))
}

/// The same as paths and texts.
pub(crate) fn files(people: usize) -> Vec<(String, String)> {
    let mut files = vec![(
        "policies/accord.yaml".to_owned(),
        "organization: bench\ntimezone: Europe/Berlin\ndirectories:\n  corp: { kind: ldif, file: corp.ldif, accounts: { base: 'ou=p,dc=x' }, groups: { base: 'ou=g,dc=x' } }\n"
            .to_owned(),
    )];
    let numbers: Vec<usize> = (0..people).collect();
    for (n, chunk) in numbers.chunks(500).enumerate() {
        let mut text = "people:\n".to_owned();
        for p in chunk {
            let _ = write!(
                text,
                "  person{p:07}:\n    id: \"{}\"\n    name: Person Number {p}\n    family_name: Number {p}\n    email: person{p:07}@example.com\n    kind: employee\n    department: department-{}\n    title: Engineer\n    starts: 2024-01-01\n    attributes: {{ site: site-{} }}\n",
                1_000_000 + p,
                p % 40,
                p % 7
            );
        }
        files.push((format!("policies/people/{n:04}.yaml"), text));
    }
    let groups: Vec<usize> = (0..people / 10).collect();
    for (n, chunk) in groups.chunks(100).enumerate() {
        let mut text = "groups:\n".to_owned();
        for g in chunk {
            let _ = write!(text, "  corp/group{g:06}:\n    description: Group {g}\n    members:\n");
            for m in 0..14 {
                let person = (g * 131 + m * 7919) % people;
                let _ = match m % 4 {
                    0 => write!(
                        text,
                        "      - person: person{person:07}\n        expires: 2027-12-31\n        reason: Project\n"
                    ),
                    _ => writeln!(text, "      - person{person:07}"),
                };
            }
        }
        files.push((format!("policies/groups/{n:04}.yaml"), text));
    }
    files
}

/// Files to documents: parsing, places, equal names, digest.
#[divan::bench(args = [10_000, 100_000], sample_count = 5, sample_size = 1)]
fn documents(bencher: Bencher<'_, '_>, people: usize) {
    let source = organisation(people);
    bencher.bench(|| policy::load::documents(&source));
}

/// Files to the policy: documents, then every check.
#[divan::bench(args = [10_000, 100_000], sample_count = 5, sample_size = 1)]
fn load(bencher: Bencher<'_, '_>, people: usize) {
    let source = organisation(people);
    bencher.bench(|| policy::load(&source).map_err(|findings| findings.len()));
}
