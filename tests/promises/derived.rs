//! Promises 1 and 5 over plans that are derived the whole way: random policies with
//! constraints that time breaks, random directories.

use super::planner::closed_subset;
use super::resolve::cases;
use super::scenario::Tape;
use crate::support::model_directory::{Account, Group, ID, Model, ModelKind};
use crate::support::policies::{Shape, day, place, policies};
use crate::support::reference::Slow;
use accord::model::change::OtherMember;
use accord::model::{Action, Instant};
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark, derive};
use accord::policy::settings::Nesting;
use accord::policy::{
    AccountsFor, Breach, DirectoryId, Entry, EntryId, GroupId, Holding, Manage, PersonId, Policy, Select, Standing,
};
use accord::provider::Observed;
use accord::resolve::{Reference, References, instants, resolve};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::{BTreeMap, BTreeSet};

/// A policy whose constraints speak of groups (what a directory can show), and `corp`.
pub(super) struct Case {
    pub(super) policy: Policy,
    model: Model,
    pub(super) at: Instant,
}

type Access = BTreeSet<(String, String)>;

/// Accounts of some people, everyday and second ones.
fn random_accounts(tape: &mut Tape<'_>, policy: &Policy, model: &mut Model) {
    for person in &policy.people {
        if tape.one_in(5) {
            continue;
        }
        let second = person.accounts.iter().map(|account| account.name.to_string());
        for (n, name) in [person.key.to_string()].into_iter().chain(second).enumerate() {
            if n > 0 && tape.one_in(2) {
                continue;
            }
            let (id, enabled) = (person.id.as_deref().map(str::to_owned), !tape.one_in(2));
            model.accounts.insert(name, Account { id, enabled, ..Account::default() });
        }
    }
}

impl Case {
    pub(super) fn new(mut policy: Policy, today: i64, numbers: &[u32]) -> Self {
        let tape = &mut Tape::new(numbers);
        let as_group = |holding: &mut Holding| {
            if let Holding::Role(role) = *holding {
                *holding = Holding::Group(GroupId(role.0));
            }
        };
        for constraint in &mut policy.constraints {
            constraint.exclusive.iter_mut().chain(&mut constraint.forbid).for_each(as_group);
            constraint.exclusive.dedup();
            if let Breach::Revoke(revoked) = &mut constraint.on_breach {
                revoked.iter_mut().for_each(as_group);
                revoked.dedup();
                // The files may not say that of what is managed elsewhere.
                let exact = |group: &GroupId| policy.groups[group.0 as usize].manage == Manage::Exact;
                revoked.retain(|holding| matches!(holding, Holding::Group(group) if exact(group)));
            }
        }
        policy.directories[0].settings.accounts.id_attribute = Some(ID.to_owned());
        if tape.one_in(2) {
            policy.guardrails.minimum_members.insert("corp/g0".to_owned(), 1 + tape.below(2));
        }
        if tape.one_in(2) {
            policy.directories[0].settings.groups.nesting = Nesting::Native;
            // No gate: a link lets everybody through.
            policy.kinds.iter_mut().for_each(|kind| kind.gated = false);
            // Entries of random policies are rarely bare.
            for (n, group) in policy.groups.iter_mut().enumerate().skip(1) {
                if !tape.one_in(3) || group.manage == Manage::Reference {
                    continue;
                }
                let inside = GroupId(tape.below(u32::try_from(n).unwrap()));
                let id = EntryId(u32::try_from(policy.entries.len()).unwrap());
                let (select, place) = (Select::Group(inside), place(100 + id.0));
                policy.entries.push(Entry { select, details: None, place });
                group.members.push(id);
                if tape.one_in(2) {
                    (group.only, group.except, group.expires) = (vec![], vec![], None);
                }
            }
        }
        let mut model = Model::default();
        random_accounts(tape, &policy, &mut model);
        for group in &policy.groups {
            // What is managed elsewhere is there, and so is read.
            if tape.one_in(6) && group.manage != Manage::Reference {
                continue;
            }
            let members = model.accounts.keys().filter(|_| tape.one_in(3)).cloned().collect();
            // Somebody nested some of them by hand; what is kept there is nobody's promise.
            let native = policy.directories[0].settings.groups.nesting == Nesting::Native;
            let exact = |name: &&String| {
                let id = policy.group_named(&format!("corp/{name}")).unwrap();
                native && [&policy.groups[id.0 as usize], group].iter().all(|group| group.manage == Manage::Exact)
            };
            let nested = model.groups.keys().filter(exact).filter(|_| tape.one_in(4));
            let others = nested.cloned().map(OtherMember::Group).collect();
            model.groups.insert(group.name.to_string(), Group { members, others, ..Group::default() });
        }
        Self { policy, model, at: day(today) }
    }

    pub(super) fn plan(&self) -> Plan {
        let (kind, empty, mark) = (ModelKind::default(), Observed::default(), PolicyMark::default());
        let observed = self.model.observed();
        let directories = [
            DirectoryInput { id: DirectoryId(0), kind: &kind, observed: &observed },
            DirectoryInput { id: DirectoryId(1), kind: &kind, observed: &empty },
        ];
        derive(&Inputs {
            policy: &self.policy,
            mark: &mark,
            directories: &directories,
            memory: &Memory::default(),
            at: self.at,
            read_only: false,
            filter: &Filter::default(),
        })
    }

    /// The directory after some of the changes.
    fn after(&self, plan: &Plan, chosen: impl Fn(u32) -> bool) -> Self {
        let mut model = self.model.clone();
        for change in plan.changes.iter().filter(|change| chosen(change.id) && change.directory == "corp") {
            model.apply(change).unwrap_or_else(|why| panic!("{why}\n{change:#?}"));
        }
        Self { policy: self.policy.clone(), model, at: self.at }
    }

    /// Whose an account is: `p1`, or `admin-p1`.
    fn owner(&self, account: &str) -> Option<PersonId> {
        self.policy.person_named(account.rsplit('-').next().unwrap())
    }

    /// Who can use what, with whichever account.
    fn held(&self) -> BTreeSet<(PersonId, String)> {
        self.model.access().into_iter().filter_map(|(account, group)| Some((self.owner(&account)?, group))).collect()
    }

    /// What the directory says of reference groups.
    pub(super) fn references(&self) -> References {
        let mut references = References::default();
        for (n, group) in (0..).map(GroupId).zip(&self.policy.groups).filter(|(_, g)| g.manage == Manage::Reference) {
            if let Some(there) = self.model.groups.get(group.name.as_ref()) {
                let people: BTreeSet<PersonId> = there.members.iter().filter_map(|name| self.owner(name)).collect();
                let people = people.into_iter().collect();
                references.groups.insert(n, Reference::Read(people));
            }
        }
        references
    }

    /// (constraint, person) that is broken by what enabled accounts hold.
    fn broken(&self) -> BTreeSet<(usize, PersonId)> {
        let access = self.held();
        let references = self.references();
        let slow = Slow::new(&self.policy, &references, self.at);
        let name = |holding: &Holding| match holding {
            Holding::Group(group) => self.policy.groups[group.0 as usize].name.to_string(),
            Holding::Role(_) => panic!("sides are groups"),
        };
        let mut broken = BTreeSet::new();
        for (n, constraint) in self.policy.constraints.iter().enumerate() {
            for (id, person) in (0..).map(PersonId).zip(&self.policy.people) {
                let excepted = constraint.exceptions.iter().any(|e| e.person == id && e.window.contains(self.at));
                // Only a `not` alone, which files may not say, grants to somebody who is not here.
                let here = matches!(person.standing(self.at), Standing::Present(_) | Standing::OnLeave(_));
                if excepted || !here || !slow.concerned(constraint, id) {
                    continue;
                }
                let holds = |side: &&Holding| access.contains(&(id, name(side)));
                let pair = constraint.exclusive.iter().filter(holds).count() > 1;
                if pair || constraint.forbid.iter().any(|one| holds(&one)) {
                    broken.insert((n, id));
                }
            }
        }
        broken
    }

    fn usable(&self, group: &str) -> usize {
        self.model.access().iter().filter(|(_, held)| held == group).count()
    }

    /// (person, group) that a constraint revokes now.
    fn revoked(&self) -> BTreeSet<(PersonId, String)> {
        let resolution = resolve(&self.policy, &self.references(), self.at);
        let cuts = resolution.cuts().iter().filter(|cut| cut.certain && cut.is_in_force(self.at));
        let named = cuts.filter_map(|cut| match cut.holding {
            Holding::Group(group) => {
                let group = &self.policy.groups[group.0 as usize];
                (group.manage == Manage::Exact).then(|| (cut.person, group.name.to_string()))
            }
            Holding::Role(_) => None,
        });
        named.collect()
    }
}

/// As everywhere, and what failed once again and again.
fn known_and_new() -> ProptestConfig {
    let known = FileFailurePersistence::Direct("tests/promises/derived.seeds");
    ProptestConfig { failure_persistence: Some(Box::new(known)), ..cases() }
}

fn key(change: &accord::model::Change) -> (Action, accord::model::Object) {
    (change.action, change.object.clone())
}

proptest! {
    #![proptest_config(known_and_new())]

    /// Promise 5: whatever closed part of the plan runs, nobody holds what neither end
    /// gives, and what is broken on the way is broken at an end; the whole plan breaks
    /// nothing that was not broken before.
    #[test]
    fn promise_05_constraints_hold_at_every_step_of_a_derived_plan(
        (policy, _) in policies(Shape::default()),
        today in 0i64..21,
        numbers in proptest::collection::vec(any::<u32>(), 0..120),
        choice in proptest::collection::vec(any::<u32>(), 0..60),
    ) {
        let case = Case::new(policy, today, &numbers);
        let plan = case.plan();
        let done = case.after(&plan, |_| true);
        let chosen = closed_subset(&plan, &mut Tape::new(&choice));
        let part = case.after(&plan, |id| chosen.contains(&id));
        let (before, there, after) = (case.model.access(), part.model.access(), done.model.access());
        let union: Access = before.union(&after).cloned().collect();
        prop_assert!(
            there.is_subset(&union),
            "{:?}: of {:?} done {chosen:?} of {:#?}",
            there.difference(&union).collect::<Vec<_>>(),
            case.model,
            plan.changes.iter().map(|c| (c.id, c.action, &c.object, &c.needs)).collect::<Vec<_>>()
        );
        let (first, middle, last) = (case.broken(), part.broken(), done.broken());
        prop_assert!(last.is_subset(&first), "the plan breaks {:?}: {:#?}", last.difference(&first), plan.changes);
        prop_assert!(middle.is_subset(&first), "on the way {:?}: {:#?}", middle.difference(&first), plan.changes);
        if let Some(least) = case.policy.guardrails.minimum_members.get("corp/g0").map(|least| *least as usize) {
            let enough = case.usable("g0") >= least && done.usable("g0") >= least;
            prop_assert!(!enough || part.usable("g0") >= least);
        }
    }

    /// Promises 1 and 3: after the plan nothing is left but what is withheld, and what a
    /// constraint revokes is gone unless the revoke itself is withheld.
    #[test]
    fn promise_01_a_derived_plan_with_revoking_constraints_converges(
        (policy, _) in policies(Shape { references: false, ..Shape::default() }),
        today in 0i64..21,
        numbers in proptest::collection::vec(any::<u32>(), 0..120),
    ) {
        let case = Case::new(policy, today, &numbers);
        let plan = case.plan();
        let done = case.after(&plan, |_| true);
        let again = done.plan();
        let withheld: BTreeMap<_, _> = plan.withheld.iter().map(|held| (key(&held.change), &held.reason)).collect();
        for change in again.changes.iter().filter(|change| change.directory == "corp") {
            prop_assert!(withheld.contains_key(&key(change)), "planned again: {change:#?}");
        }
        let access = done.held();
        for (person, group) in done.revoked() {
            // Also by a group in the group whose end is withheld, with the reason.
            let keeps = |object: &accord::model::Object| match (&object.account, &object.member) {
                (Some(name), _) => done.owner(name) == Some(person),
                (None, Some(OtherMember::Group(inner))) => access.contains(&(person, inner.clone())),
                (None, _) => false,
            };
            let revoke = withheld.keys().any(|(action, object)| *action == Action::Revoke && keeps(object));
            prop_assert!(revoke || !access.contains(&(person, group.clone())), "{person:?} keeps {group}");
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    /// Promise 3 with `create_before`: day after day is planned and applied. Whoever has not
    /// begun holds nothing and has no account that can be used, however little of a plan
    /// runs; and what the passing of time brings, something written brings.
    #[test]
    fn promise_03_an_account_that_is_ready_early_cannot_be_used_early(
        (mut policy, _) in policies(Shape { references: false, ..Shape::default() }),
        everyone in any::<bool>(),
        numbers in proptest::collection::vec(any::<u32>(), 0..120),
        choice in proptest::collection::vec(any::<u32>(), 0..60),
    ) {
        policy.directories[0].settings.accounts.create_before = Some("5d".to_owned());
        if everyone {
            policy.directories[0].accounts_for = AccountsFor::Everyone;
        }
        let mut case = Case::new(policy, 0, &numbers);
        let written = instants(&case.policy);
        let mut is_calm = false;
        for today in 0..21 {
            case.at = day(today);
            let plan = case.plan();
            let chosen = closed_subset(&plan, &mut Tape::new(&choice));
            let (whole, part) = (case.after(&plan, |_| true), case.after(&plan, |id| chosen.contains(&id)));
            for person in &case.policy.people {
                let key = person.key.as_ref();
                let Standing::Future(begins) = person.standing(case.at) else { continue };
                for (model, before) in [(&whole.model, &case.model), (&part.model, &case.model)] {
                    let usable = |model: &Model| model.accounts.get(key).is_some_and(|account| account.enabled);
                    prop_assert!(!usable(model) || usable(before), "{key} can be used on day {today}");
                    let is_new = model.accounts.contains_key(key) && !before.accounts.contains_key(key);
                    prop_assert!(!is_new || begins <= case.at.plus(5 * 86_400), "{key} is ready too early");
                }
                // An account that nothing proves to be the person's is left alone.
                let withheld = plan.withheld.iter().any(|held| held.change.action == Action::DisableAccount);
                let is_left_alone = withheld || person.id.is_none();
                prop_assert!(is_left_alone || whole.model.accounts.get(key).is_none_or(|account| !account.enabled));
                prop_assert!(is_left_alone || whole.model.access().iter().all(|(account, _)| account != key));
            }
            let gives = plan.changes.iter().filter(|change| change.directory == "corp" && change.action.gives());
            if is_calm && !written.contains(&case.at) {
                prop_assert_eq!(gives.count(), 0, "day {}: {:#?}", today, plan.changes);
            }
            is_calm = plan.withheld.is_empty();
            case.model = whole.model;
        }
    }
}

/// Accounts are made ready, and used from the first day on, in enough of these.
#[test]
fn derived_plans_make_accounts_ready() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let [mut ready, mut enabled] = [0; 2];
    for n in 0..400 {
        let shape = Shape { references: false, ..Shape::default() };
        let (mut policy, _) = policies(shape).new_tree(&mut runner).unwrap().current();
        policy.directories[0].settings.accounts.create_before = Some("5d".to_owned());
        if n % 2 == 0 {
            policy.directories[0].accounts_for = AccountsFor::Everyone;
        }
        let mut case = Case::new(policy, 0, &[]);
        case.model = Model::default();
        let mut made = BTreeSet::new();
        for today in 0..21 {
            case.at = day(today);
            let plan = case.plan();
            for change in plan.changes.iter().filter(|change| change.directory == "corp") {
                let account = change.object.account.clone().unwrap_or_default();
                let asleep =
                    change.after.as_ref().and_then(|after| after.get("enabled")) == Some(&vec!["false".to_owned()]);
                match change.action {
                    Action::CreateAccount if asleep => drop(made.insert(account)),
                    Action::EnableAccount if made.contains(&account) => enabled += 1,
                    _ => {}
                }
            }
            case.model = case.after(&plan, |_| true).model;
        }
        ready += made.len();
    }
    assert!(ready >= 40 && enabled >= 20, "{ready} ready, {enabled} enabled");
}

/// Enough of the derived plans revoke for a constraint, withhold for one, and wake up
/// or leave asleep somebody who breaks one.
#[test]
fn derived_plans_meet_constraints() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let [mut revokes, mut grants, mut asleep, mut broken, mut nests, mut covered] = [0; 6];
    let numbers = proptest::collection::vec(any::<u32>(), 0..120);
    for n in 0..2000 {
        let (policy, _) = policies(Shape::default()).new_tree(&mut runner).unwrap().current();
        let case = Case::new(policy, n % 21, &numbers.new_tree(&mut runner).unwrap().current());
        let plan = case.plan();
        let because = |change: &accord::model::Change| {
            change.because.iter().any(|fact| plan.facts[*fact as usize].text.starts_with("constraint "))
        };
        revokes += plan.changes.iter().filter(|c| c.action == Action::Revoke && because(c)).count();
        let held = |action: Action| {
            plan.withheld.iter().filter(|h| h.change.action == action && h.reason.contains("breaks c")).count()
        };
        grants += held(Action::Grant);
        asleep += held(Action::EnableAccount);
        broken += case.broken().len();
        let nest = |c: &&accord::model::Change| c.action == Action::Grant && c.object.member.is_some();
        nests += plan.changes.iter().filter(nest).count();
        let fact = |c: &accord::model::Change| plan.facts[c.because[0] as usize].text.ends_with("is a member itself");
        covered += plan.changes.iter().filter(|c| c.action == Action::Revoke && fact(c)).count();
    }
    let counts = [revokes, grants, asleep, broken, nests, covered];
    assert!(counts.iter().all(|count| *count >= 8), "{counts:?}");
}
