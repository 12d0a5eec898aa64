//! What a change means: one line more among 10,000 and 100,000 people, one group for ten.

#![expect(clippy::expect_used, reason = "a benchmark's own policies are right")]

use super::load::files;
use accord::model::Instant;
use accord::policy::{self, Policy};
use accord::resolve::References;
use accord::review::{Side, difference};
use accord::source::InMemory;
use divan::Bencher;

/// Before and after: somebody comes into the first group.
fn sides(people: usize) -> (Policy, Policy) {
    let mut files = files(people);
    let load = |files: &[(String, String)]| {
        let source = InMemory::new(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        policy::load(&source).expect("the policies are right")
    };
    let base = load(&files);
    let line = "    members:\n";
    for (path, text) in &mut files {
        if path == "policies/groups/0000.yaml" {
            *text = text.replacen(line, "    members:\n      - { person: person0000001, expires: 2027-06-30 }\n", 1);
        }
    }
    let head = load(&files);
    (base, head)
}

/// Both sides resolved, compared, and followed through time.
#[divan::bench(args = [10_000, 100_000], sample_count = 5, sample_size = 1)]
fn one_line(bencher: Bencher<'_, '_>, people: usize) {
    let (base, head) = sides(people);
    let (nothing, at) = (References::default(), Instant::from_seconds(1_795_343_460));
    bencher.bench_local(|| {
        let found = difference(Side::new(&base, &nothing, at), Side::new(&head, &nothing, at));
        assert_eq!((found.gained.len(), found.scheduled.len()), (1, 1));
    });
}
