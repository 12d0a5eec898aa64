//! 196 memberships that an independent evaluator worked out, each under accord's dating:
//! nested `all`, `any`, `not`, trees of managers, globs, dated entries and groups at
//! the boundary of a day, filters that take people out of the final list alone.
//!
//! In each case `raw/NAME` is a group before the filters and `corp/NAME` after them;
//! `raw/spared.NAME.FILTER` lists whom a filter spares. NAME.expected holds the instants
//! and the members at each. Where an expired condition stands in `all` or under `not`,
//! the narrower answer is expected: what has ended gives nothing, and still takes away.

use accord::model::Instant;
use accord::policy::Policy;
use accord::policy::load::load;
use accord::resolve::{Reference, References, Resolution, resolve};
use accord::source::InMemory;
use std::fs;
use std::path::Path;

const ACCORD: &str = "\
organization: example
timezone: UTC
directories:
  corp: { kind: ldif, file: corp.ldif, create: true, accounts: { base: \"ou=people,o=corp\" }, groups: { base: \"ou=groups,o=corp\" } }
  raw: { kind: ldif, file: raw.ldif, create: true, accounts: { base: \"ou=people,o=raw\" }, groups: { base: \"ou=groups,o=raw\" } }
";

/// One file of cases: the policy, and what is expected at several instants.
struct Case {
    name: String,
    policy: Policy,
    expected: String,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/memberships");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "expected"));
    paths.sort();
    let case = |path: &Path| {
        let expected = fs::read_to_string(path).unwrap();
        let people = expected.lines().find_map(|line| line.strip_prefix("people ")).expect("a line `people NAME`");
        let people = fs::read_to_string(folder.join(format!("{people}.people.yaml"))).unwrap();
        let groups = fs::read_to_string(path.with_extension("yaml")).unwrap();
        let files = [
            ("policies/accord.yaml", ACCORD.to_owned()),
            ("policies/people.yaml", people),
            ("policies/groups.yaml", groups),
        ];
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let policy = load(&InMemory::new(files)).unwrap_or_else(|findings| panic!("{name}: {findings:#?}"));
        Case { name, policy, expected }
    };
    paths.iter().map(|path| case(path)).collect()
}

/// `corp/x: anna ben` → the group and its members.
fn parts(line: &str) -> (&str, Vec<&str>) {
    let (group, members) = line.split_once(':').unwrap_or_else(|| panic!("no group in `{line}`"));
    (group, members.split_whitespace().collect())
}

fn members<'p>(policy: &'p Policy, resolution: &Resolution, group: &str) -> Vec<&'p str> {
    let id = policy.group_named(group).unwrap_or_else(|| panic!("no group {group}"));
    assert_eq!(resolution.unsettled(id).len(), 0, "{group} hangs on something unread");
    resolution.members(id).map(|held| policy.people[held.person.0 as usize].key.as_ref()).collect()
}

#[test]
fn all_196_expected_memberships_hold() {
    let mut compared = 0;
    let mut unfiltered = 0;
    let mut wrong = Vec::new();
    for case in cases() {
        let policy = &case.policy;
        // Each `at` begins a block: what is read, then what is expected.
        for block in case.expected.split("at ").skip(1) {
            let (at, lines) = block.split_once('\n').unwrap();
            let mut references = References::default();
            for line in lines.lines().filter_map(|line| line.strip_prefix("read ")) {
                let (group, people) = parts(line);
                let people = people.iter().map(|key| policy.person_named(key).unwrap()).collect();
                references.groups.insert(policy.group_named(group).unwrap(), Reference::Read(people));
            }
            let resolution = resolve(policy, &references, Instant::try_from(at.to_owned()).unwrap());
            for line in lines.lines().filter(|line| !line.starts_with("read ")) {
                let (group, expected) = parts(line);
                let found = members(policy, &resolution, group);
                if found != expected {
                    wrong.push(format!("{} at {at}, {group}: {found:?}, expected {expected:?}", case.name));
                }
                *(if group.starts_with("corp/") { &mut compared } else { &mut unfiltered }) += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((compared, unfiltered), (196, UNFILTERED), "final lists, lists before the filters");
}

/// Lists whose filtered and unfiltered members differ.
const UNFILTERED: usize = 57;
