//! Comparing both sides of a large directory in memory.

#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "benchmarks fail by panicking")]

use accord::model::{Enabled, Instant, Matching, Object, State, StateBuilder};
use accord::plan::{DirectoryInput, Memory, diff};
use accord::policy::{DirectoryId, GroupId, PersonId, Policy, load::load};
use accord::provider::{Capabilities, Kind, Observed, Scope, Unfit};
use accord::resolve::{DesiredDirectory, Want};
use accord::source::InMemory;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// (people, groups, members of each group).
const SIZES: [(u32, u32, u32); 3] = [(10_000, 1_000, 50), (100_000, 10_000, 100), (1_000_000, 10_000, 1_000)];

struct Plain {
    capabilities: Capabilities,
}

impl Kind for Plain {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    fn scope(&self) -> Scope {
        Scope::default()
    }
    fn account_handle(&self, name: &str) -> String {
        name.to_owned()
    }
    fn group_handle(&self, name: &str) -> String {
        name.to_owned()
    }
    fn matching(&self, _: &str) -> Matching {
        Matching::CaseIgnore
    }
    fn fit(&self, _: &State) -> Vec<Unfit> {
        Vec::new()
    }
}

/// One side; `shift` moves one membership in a hundred.
fn state((people, groups, members): (u32, u32, u32), shift: bool) -> State {
    let mut builder = StateBuilder::new(Matching::CaseIgnore, ["cn"]);
    let mut accounts = Vec::new();
    for n in 0..people {
        let name = format!("u{n:07}");
        let slot = builder.account(&name, "");
        builder.set_id(slot, &name);
        builder.set_status(slot, Enabled::Yes, None);
        builder.add_value(slot, 0, &name);
        accounts.push(slot);
    }
    for g in 0..groups {
        let group = builder.group(&format!("g{g:05}"), "");
        for m in 0..members {
            let moved = u32::from(shift && m % 100 == 0);
            let account = (g * 7 + m * (people / members) + moved) % people;
            builder.member(group, accounts[account as usize], None);
        }
    }
    builder.finish().expect("names are unique")
}

struct Case {
    policy: Policy,
    desired: DesiredDirectory,
    same: Observed,
    changed: Observed,
}

fn case(size: usize) -> &'static Case {
    static CASES: [OnceLock<Case>; 3] = [const { OnceLock::new() }; 3];
    CASES[size].get_or_init(|| {
        let shape = SIZES[size];
        let mut text = "organization: bench\ntimezone: UTC\ndirectories:\n  corp:\n    kind: ldif\n    file: d.ldif\n    accounts: {base: 'ou=p,dc=x', id_attribute: employeeNumber}\n    groups: {base: 'ou=g,dc=x'}\ngroups:\n".to_owned();
        for g in 0..shape.1 {
            writeln!(text, "  corp/g{g:05}: {{}}").expect("a string takes everything");
        }
        let policy = load(&InMemory::new([("policies/accord.yaml", text.as_str())])).expect("the policy is right");
        let desired = DesiredDirectory {
            labels: vec![],
            lacking: vec![],
            state: state(shape, false),
            people: (0..shape.0).map(PersonId).collect(),
            wants: vec![Want::Enabled; shape.0 as usize],
            groups: (0..shape.1).map(GroupId).collect(),
            ..DesiredDirectory::default()
        };
        let observed = |shift| Observed { state: state(shape, shift), ..Observed::default() };
        Case { policy, desired, same: observed(false), changed: observed(true) }
    })
}

fn run(case: &Case, observed: &Observed) -> usize {
    let actions = vec![accord::model::Action::Grant, accord::model::Action::Revoke];
    let kind =
        Plain { capabilities: Capabilities { actions, disable: true, empty_groups: true, ..Capabilities::default() } };
    let input = DirectoryInput { id: DirectoryId(0), kind: &kind, observed };
    let found = diff::directory(&case.policy, input, &case.desired, &Memory::default(), Instant::from_seconds(0));
    assert!(!found.drafts.iter().any(|draft| draft.change.object == Object::account("")));
    found.drafts.len()
}

#[divan::bench(args = [0, 1, 2], sample_count = 5, sample_size = 1)]
fn diff_nothing_to_do(bencher: divan::Bencher<'_, '_>, size: usize) {
    let case = case(size);
    bencher.bench_local(|| assert_eq!(run(case, &case.same), 0));
}

#[divan::bench(args = [0, 1, 2], sample_count = 5, sample_size = 1)]
fn diff_one_percent(bencher: divan::Bencher<'_, '_>, size: usize) {
    let case = case(size);
    bencher.bench_local(|| assert!(run(case, &case.changed) > 0));
}
