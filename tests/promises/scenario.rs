//! Random situations for the planner: what is written, what should be, what is.
//!
//! Everything is read off a tape of numbers; where the tape ends, every choice is
//! the first one, so that proptest shrinks by shortening the tape.

use crate::support::model_directory::{Account, Group, Model, ModelKind, handle};
use crate::support::policies::{Draft, constraint, day, place};
use accord::model::change::OtherMember;
use accord::model::{Action, Instant, Matching, StateBuilder};
use accord::plan::derive::{Resolved, assemble};
use accord::plan::facts::Explain;
use accord::plan::{AccountMemory, DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark};
use accord::policy::settings::{Limit, LimitScope};
use accord::policy::{DirectoryId, GroupId, Holding, Label, Manage, PersonId, Policy};
use accord::provider::Observed;
use accord::resolve::{DesiredDirectory, Want};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const PEOPLE: [&str; 6] = ["ann", "bob", "cyd", "dan", "eve", "fay"];
const GROUPS: [&str; 7] = ["corp/g0", "corp/g1", "corp/g2", "corp/g3", "corp/add", "ext/h0", "ext/h1"];

/// Reads numbers until they end, then zeros.
pub(super) struct Tape<'t> {
    numbers: std::slice::Iter<'t, u32>,
}

impl<'t> Tape<'t> {
    pub(super) fn new(numbers: &'t [u32]) -> Self {
        Self { numbers: numbers.iter() }
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        self.numbers.next().copied().unwrap_or(0) % n
    }

    /// Yes, once in `n`; no where the tape ended.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == n - 1
    }

    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(u32::try_from(list.len()).unwrap()) as usize]
    }
}

/// What a plan is derived from.
pub(super) struct Scenario {
    pub(super) policy: Policy,
    pub(super) desired: Vec<DesiredDirectory>,
    pub(super) models: Vec<Model>,
    pub(super) memory: Memory,
    pub(super) at: Instant,
    pub(super) filter: Filter,
}

/// What random situations are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wild {
    /// Small guardrails that are often exceeded, and minimums.
    pub(super) limits: bool,
    /// Whether what is there disagrees about ids, names and stale members.
    pub(super) confusion: bool,
}

/// Explains with the places that the policy has.
pub(super) struct Places<'a>(pub(super) &'a Policy);

impl Explain for Places<'_> {
    fn holds(&self, person: PersonId, _: Label, group: GroupId) -> Vec<(String, accord::model::Place)> {
        vec![
            (self.0.people[person.0 as usize].key.to_string(), place(7)),
            (self.0.groups[group.0 as usize].name.to_string(), place(8)),
        ]
    }

    fn holds_not(&self, _: PersonId, _: Label, _: GroupId) -> Vec<(String, accord::model::Place)> {
        vec![]
    }
}

impl Scenario {
    /// What a complete read of every directory brings.
    pub(super) fn observed(&self) -> Vec<Observed> {
        self.models.iter().map(Model::observed).collect()
    }

    /// The plan for what a complete read brings.
    pub(super) fn plan(&self) -> Plan {
        self.plan_of(&self.observed())
    }

    /// The plan for what was read.
    pub(super) fn plan_of(&self, observed: &[Observed]) -> Plan {
        let kind = ModelKind::default();
        let directories: Vec<DirectoryInput<'_>> = (0..)
            .zip(observed)
            .map(|(n, observed)| DirectoryInput { id: DirectoryId(n), kind: &kind, observed })
            .collect();
        let mark = PolicyMark { digest: "d".to_owned(), ..PolicyMark::default() };
        let inputs = Inputs {
            policy: &self.policy,
            mark: &mark,
            directories: &directories,
            memory: &self.memory,
            at: self.at,
            read_only: false,
            filter: &self.filter,
        };
        let resolved = Resolved {
            desired: &self.desired,
            references: BTreeMap::new(),
            conflicts: vec![],
            explain: &Places(&self.policy),
            resolution: None,
            before: None,
            unapproved: None,
        };
        assemble(&inputs, &resolved)
    }

    /// Carries out changes in their order and remembers what a journal would.
    pub(super) fn apply(&mut self, plan: &Plan, chosen: impl Fn(u32) -> bool) {
        for change in plan.changes.iter().filter(|change| chosen(change.id)) {
            let n = self.policy.directory_named(&change.directory).unwrap().0 as usize;
            if let Err(why) = self.models[n].apply(change) {
                panic!("{}: {why}\n{change:#?}", accord::plan::draft::words(change));
            }
            let (Some(account), None) = (&change.object.account, &change.object.group) else {
                let group = change.object.group.as_deref().unwrap();
                match change.action {
                    Action::CreateGroup => self.memory.group_created(&change.directory, group),
                    Action::RenameGroup => {
                        let new = &change.after.as_ref().unwrap()["name"][0];
                        self.memory.group_renamed(&change.directory, group, new);
                    }
                    _ => {}
                }
                continue;
            };
            let key = |name: &str| (change.directory.clone(), name.to_owned());
            match change.action {
                Action::CreateAccount | Action::UpdateAccount => {
                    let known = self.memory.accounts.entry(key(account)).or_default();
                    known.person.clone_from(&change.person);
                    known.label = Some(change.label.clone().unwrap_or_default());
                }
                Action::RenameAccount => {
                    let old = self.memory.accounts.remove(&key(account)).unwrap_or_default();
                    let new = &change.after.as_ref().unwrap()["name"][0];
                    self.memory.earlier.remove(&key(new));
                    self.memory.earlier.insert(key(account), change.person.clone().unwrap());
                    self.memory.accounts.insert(key(new), AccountMemory { person: change.person.clone(), ..old });
                }
                Action::DisableAccount => {
                    self.memory.accounts.entry(key(account)).or_default().disabled = Some(self.at);
                }
                Action::DeleteAccount => {
                    self.memory.accounts.remove(&key(account));
                }
                _ => {}
            }
        }
    }
}

/// The situation that the tape says.
pub(super) fn random(numbers: &[u32], wild: Wild) -> Scenario {
    let tape = &mut Tape::new(numbers);
    let policy = random_policy(tape, wild);
    let desired = (0..2).map(|n| random_desired(tape, &policy, n)).collect::<Vec<_>>();
    let desired = without_conflicts(&policy, desired);
    let models = (0..2).map(|n| random_model(tape, &policy, &desired[n], wild)).collect();
    let mut memory = Memory::default();
    for name in ["corp", "ext"] {
        for account in PEOPLE {
            if tape.one_in(5) {
                let person = if tape.one_in(4) { "gone" } else { account };
                let disabled = tape.one_in(2).then(|| day(10));
                let known = AccountMemory {
                    person: Some(person.to_owned()),
                    disabled,
                    object: None,
                    label: Some(String::new()),
                };
                memory.accounts.insert((name.to_owned(), account.to_owned()), known);
            }
        }
    }
    Scenario { policy, desired, models, memory, at: day(100), filter: Filter::default() }
}

fn random_policy(tape: &mut Tape<'_>, wild: Wild) -> Policy {
    let mut draft = Draft::new(&PEOPLE, &[], &GROUPS);
    draft.group_mut("corp/add").manage = Manage::Additive;
    for group in GROUPS {
        let revoke_others = tape.one_in(3);
        draft.group_mut(group).revoke_others = revoke_others;
        let written = draft.group_mut(group);
        if tape.one_in(8) {
            written.previously = Some(format!("old-{}", written.name).into());
        }
        if tape.one_in(4) {
            written.description = Some("why".into());
        }
    }
    for person in PEOPLE {
        let (adopt, hold) = (tape.one_in(4), tape.one_in(6));
        let person = draft.person_mut(person);
        person.adopt = adopt;
        person.hold = hold.then(|| "H-1".into());
    }
    let mut policy = draft.policy;
    let mut separation = constraint("separation");
    separation.exclusive = vec![
        Holding::Group(policy.group_named("corp/g0").unwrap()),
        Holding::Group(policy.group_named("ext/h0").unwrap()),
    ];
    policy.constraints.push(separation);
    for n in 0..2 {
        let settings = &mut policy.directories[n].settings;
        let mut value = serde_json::to_value(&*settings).unwrap();
        value["accounts"]["id_attribute"] = super::super::support::model_directory::ID.into();
        value["accounts"]["adopt"] = tape.one_in(3).into();
        value["accounts"]["manage"] = if tape.one_in(6) { "reference" } else { "full" }.into();
        value["groups"]["manage"] = if tape.one_in(4) { "exclusive" } else { "declared" }.into();
        value["leavers"]["then"] = (*tape.pick(&["disable", "delete", "report"])).into();
        value["leavers"]["delete_after"] = (*tape.pick(&["30d", "1d", "never"])).into();
        value["undeclared"]["then"] = if tape.one_in(4) { "report" } else { "revoke" }.into();
        if tape.one_in(3) {
            value["protect"] = serde_json::json!({"accounts": ["fa*"], "groups": ["g3"]});
        }
        *settings = serde_json::from_value(value).unwrap();
    }
    if tape.one_in(3) {
        policy.directories[1].settings.after = vec!["corp".to_owned()];
    }
    let large = Limit { floor: 10_000, percent: 100, per: LimitScope::Directory };
    let guardrails = &mut policy.guardrails;
    (guardrails.revocations, guardrails.disables) = (large, large);
    (guardrails.grants, guardrails.deletions) = (large, large);
    if wild.limits {
        let per = *tape.pick(&[LimitScope::Directory, LimitScope::Group]);
        guardrails.revocations = Limit { floor: tape.below(4), percent: tape.below(60), per };
        guardrails.disables = Limit { floor: tape.below(3), percent: tape.below(60), per: LimitScope::Directory };
        guardrails.grants = Limit { floor: tape.below(5), percent: tape.below(90), per };
        guardrails.deletions = Limit { floor: tape.below(3), percent: tape.below(60), per: LimitScope::Directory };
        guardrails.minimum_members.insert("corp/g1".to_owned(), 1 + tape.below(3));
    }
    policy
}

fn random_desired(tape: &mut Tape<'_>, policy: &Policy, n: u16) -> DesiredDirectory {
    let mut builder = StateBuilder::new(Matching::CaseIgnore, super::super::support::model_directory::ATTRIBUTES);
    let (mut people, mut wants, mut slots) = (vec![], vec![], vec![]);
    for (id, person) in (0..).zip(&policy.people) {
        let slot = builder.account(&person.key, &handle(&person.key));
        builder.set_id(slot, person.id.as_deref().unwrap());
        builder.add_value(slot, 0, person.name.as_deref().unwrap());
        if tape.one_in(3) {
            builder.add_value(slot, 1, "a@example.com");
            builder.add_value(slot, 1, "b@example.com");
        }
        let want = match tape.below(9) {
            5 => Want::OnLeave,
            6 => Want::Left(day(40 + i64::from(tape.below(60)))),
            7 => Want::NotNeeded,
            8 => Want::NotYet(day(200)),
            _ => Want::Enabled,
        };
        let end = match want {
            Want::Left(end) => Some(end),
            _ => tape.one_in(4).then(|| day(300)),
        };
        builder.set_status(slot, accord::model::Enabled::Yes, end);
        people.push(PersonId(id));
        wants.push(want);
        slots.push(slot);
    }
    let mut groups = vec![];
    let mut unsettled = BTreeSet::new();
    for (id, group) in (0..).zip(&policy.groups).filter(|(_, group)| group.directory == DirectoryId(n)) {
        let slot = builder.group(&group.directory_name, &format!("cn={}", group.name));
        if let Some(text) = &group.description {
            builder.set_group_attribute(slot, "description", vec![text.clone()]);
        }
        for (account, want) in (0..).zip(&wants) {
            if !matches!(want, Want::Enabled | Want::OnLeave) {
                continue;
            }
            match tape.below(6) {
                2 | 3 => builder.member(slot, slots[account as usize], tape.one_in(3).then(|| day(150))),
                5 if tape.one_in(3) => {
                    let position = u32::try_from(groups.len()).unwrap();
                    unsettled.insert((accord::model::StateGroupId(position), accord::model::AccountId(account)));
                }
                _ => {}
            }
        }
        groups.push(GroupId(id));
    }
    let state = builder.finish().unwrap();
    DesiredDirectory {
        state,
        people,
        wants,
        groups,
        unsettled: unsettled.into_iter().collect(),
        ..DesiredDirectory::default()
    }
}

/// Nobody should hold both sides of the constraint: the second is left out.
fn without_conflicts(policy: &Policy, mut desired: Vec<DesiredDirectory>) -> Vec<DesiredDirectory> {
    let holders: BTreeSet<PersonId> = {
        let corp = &desired[0];
        let group = corp.state.group_named("g0").unwrap();
        group.members().iter().map(|id| corp.people[id.0 as usize]).collect()
    };
    let ext = &desired[1];
    let mut builder = StateBuilder::new(Matching::CaseIgnore, super::super::support::model_directory::ATTRIBUTES);
    let mut slots = vec![];
    for account in ext.state.accounts() {
        let slot = builder.account(account.name(), account.handle());
        builder.set_id(slot, account.person_id().unwrap());
        builder.set_status(slot, account.enabled(), account.ends());
        for n in 0..2 {
            account.values(n).for_each(|value| builder.add_value(slot, n, value));
        }
        slots.push(slot);
    }
    for group in ext.state.groups() {
        let slot = builder.group(group.name(), group.handle());
        for (name, values) in group.attributes() {
            builder.set_group_attribute(slot, name, values.clone());
        }
        for (position, id) in group.members().iter().enumerate() {
            if group.name() == "h0" && holders.contains(&ext.people[id.0 as usize]) {
                continue;
            }
            builder.member(slot, slots[id.0 as usize], group.ends(position));
        }
    }
    let unsettled = ext
        .unsettled
        .iter()
        .filter(|(group, account)| {
            let name = policy.groups[ext.groups[group.0 as usize].0 as usize].name.as_ref();
            !(name == "h0" && holders.contains(&ext.people[account.0 as usize]))
        })
        .copied()
        .collect();
    desired[1] = DesiredDirectory { state: builder.finish().unwrap(), unsettled, ..desired[1].clone() };
    desired
}

#[expect(clippy::too_many_lines, reason = "one decision after the other, each once")]
fn random_model(tape: &mut Tape<'_>, policy: &Policy, desired: &DesiredDirectory, wild: Wild) -> Model {
    let mut model = Model::default();
    for person in &policy.people {
        let key = person.key.to_string();
        let account = Account {
            id: match tape.below(8) {
                6 if wild.confusion => Some(format!("id-{}", tape.pick(&PEOPLE))),
                7 => None,
                _ => person.id.as_deref().map(str::to_owned),
            },
            enabled: !tape.one_in(4),
            ends: tape.one_in(4).then(|| day(90 + i64::from(tape.below(300)))),
            attributes: BTreeMap::from([("cn".to_owned(), vec![format!("Name {key}")])]),
        };
        match tape.below(6) {
            0 => {}
            4 if wild.confusion => {
                let name = if tape.one_in(2) { format!("{key}-old") } else { (*tape.pick(&PEOPLE)).to_owned() };
                model.accounts.insert(name, account);
            }
            _ => {
                model.accounts.insert(key, account);
            }
        }
    }
    for orphan in ["tmp", "svc"] {
        if tape.one_in(3) {
            model.accounts.insert(orphan.to_owned(), Account { enabled: true, ..Account::default() });
        }
    }
    let names: Vec<String> = model.accounts.keys().cloned().collect();
    let mut groups: Vec<String> = desired.state.groups().map(|group| group.name().to_owned()).collect();
    groups.extend(["stray".to_owned(), "old-g1".to_owned(), "old-h0".to_owned()]);
    for name in &groups {
        if tape.one_in(4) {
            continue;
        }
        let mut group = Group::default();
        for account in &names {
            if tape.one_in(3) {
                group.members.insert(account.clone());
            }
        }
        if tape.one_in(5) {
            group.others.insert(OtherMember::Group(tape.pick(&groups).clone()));
        }
        if wild.confusion && tape.one_in(8) {
            let person: &&str = tape.pick(&PEOPLE);
            group.others.insert(OtherMember::Other(handle(person)));
        }
        if tape.one_in(6) {
            group.others.insert(OtherMember::Other("cn=printer".to_owned()));
        }
        if tape.one_in(5) {
            group.attributes.insert("description".to_owned(), vec!["old".to_owned()]);
        }
        model.groups.insert(name.clone(), group);
    }
    // What is the handle of an account is its membership.
    for group in model.groups.values_mut() {
        let own: Vec<OtherMember> = group
            .others
            .iter()
            .filter(|other| names.iter().any(|name| **other == OtherMember::Other(handle(name))))
            .cloned()
            .collect();
        for other in own {
            group.others.remove(&other);
        }
    }
    model
}
