//! Meant policies for tests: a builder, and random ones for properties.
//!
//! A random policy is read from a tape of numbers: where the tape ends, every choice
//! is the first one. So proptest shrinks a failing policy by shortening the tape.
use accord::model::{FileId, Instant, Place, Term, Window};
use accord::policy::rule::{Vocabulary, compile};
use accord::policy::{
    AccountName, Breach, Constraint, Details, Directory, DirectoryId, Entry, EntryId, Exception, Few, Globbed, Grant,
    Group, GroupId, Guardrails, Holding, Kind, KindId, Label, Leave, Manage, Period, Person, PersonId, Policy,
    Position, Role, RoleId, RuleId, Select, SponsorGone, Value,
};
use accord::resolve::{Reference, References};
use proptest::prelude::*;
use std::sync::Arc;

/// Kinds of every policy built here: the second one is gated.
pub(crate) const KINDS: [&str; 3] = ["employee", "contractor", "vendor"];

/// Rules that random policies use.
pub(crate) const RULES: [&str; 7] = [
    "person.department == \"platform\"",
    "person.department == \"platform\" && person.level >= 2",
    "person.kind == \"contractor\"",
    "person.department != \"finance\"",
    "has(person.department) || person.level == 1",
    "person.manager == \"p0\"",
    "!(person.department in [\"platform\", \"finance\"])",
];

/// Midnight UTC of a small day number.
pub(crate) fn day(n: i64) -> Instant {
    Instant::from_seconds(n * 86_400)
}

/// From one day to another, either open.
pub(crate) fn window(starts: Option<i64>, expires: Option<i64>) -> Window {
    Window { starts: starts.map(day), expires: expires.map(day) }
}

/// A place on some line of the only file.
pub(crate) fn place(line: u32) -> Place {
    Place { file: FileId(0), line, column: 1 }
}

/// Builds a policy step by step. People, roles and groups are named once, at the
/// start, so that their numbers are known.
pub(crate) struct Draft {
    /// What is built so far.
    pub(crate) policy: Policy,
}

impl Draft {
    /// People, roles and groups (`directory/name`; the directories are `corp` and `ext`)
    /// by name, in any order; all employees without end, without members.
    pub(crate) fn new<S: AsRef<str>>(people: &[S], roles: &[S], groups: &[S]) -> Self {
        let sorted = |names: &[S]| {
            let mut names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
            names.sort();
            names
        };
        let directories = ["corp", "ext"].map(|name| Directory {
            name: name.into(),
            settings: serde_json::from_value(serde_json::json!({"kind": "ldif", "file": "directory.ldif"})).unwrap(),
            accounts_for: accord::policy::AccountsFor::Entitled,
            bases: Vec::new(),
            place: place(1),
        });
        let kinds =
            KINDS.map(|name| Kind { name: name.into(), gated: name == "contractor", require: vec![], place: None });
        let mut policy = Policy {
            organization: "example".into(),
            timezone: jiff::tz::TimeZone::UTC,
            kinds: kinds.into(),
            labels: vec!["admin".into(), "dev".into()],
            directories: directories.into(),
            guardrails: Guardrails::default(),
            trusted_guardrails: None,
            oversight: accord::policy::Oversight::default(),
            people: sorted(people).iter().map(|key| person(key)).collect(),
            roles: sorted(roles).iter().map(|key| role(key)).collect(),
            groups: Vec::new(),
            constraints: Vec::new(),
            tests: Vec::new(),
            entries: Vec::new(),
            rules: Vec::new(),
            files: vec![Arc::from("policies/test.yaml")],
            digest: String::new(),
            warnings: Vec::new(),
        };
        for entitlement in sorted(groups) {
            let (directory, name) = entitlement.split_once('/').expect("directory/name");
            let directory = policy.directory_named(directory).expect("corp or ext");
            policy.groups.push(group(directory, name));
        }
        Self { policy }
    }

    /// A person by key.
    pub(crate) fn person(&self, key: &str) -> PersonId {
        self.policy.person_named(key).unwrap_or_else(|| panic!("no person {key}"))
    }

    /// A role by key.
    pub(crate) fn role(&self, key: &str) -> RoleId {
        self.policy.role_named(key).unwrap_or_else(|| panic!("no role {key}"))
    }

    /// A group by `directory/name`.
    pub(crate) fn group(&self, entitlement: &str) -> GroupId {
        self.policy.group_named(entitlement).unwrap_or_else(|| panic!("no group {entitlement}"))
    }

    /// The person, to change.
    pub(crate) fn person_mut(&mut self, key: &str) -> &mut Person {
        let id = self.person(key);
        &mut self.policy.people[id.0 as usize]
    }

    /// The role, to change.
    pub(crate) fn role_mut(&mut self, key: &str) -> &mut Role {
        let id = self.role(key);
        &mut self.policy.roles[id.0 as usize]
    }

    /// The group, to change.
    pub(crate) fn group_mut(&mut self, entitlement: &str) -> &mut Group {
        let id = self.group(entitlement);
        &mut self.policy.groups[id.0 as usize]
    }

    /// A new entry without dates.
    pub(crate) fn entry(&mut self, select: Select) -> EntryId {
        self.dated(select, Window::default())
    }

    /// A new entry with dates.
    pub(crate) fn dated(&mut self, select: Select, window: Window) -> EntryId {
        let id = EntryId(u32::try_from(self.policy.entries.len()).unwrap());
        let place = place(100 + id.0);
        self.policy.entries.push(Entry { select, details: Details { window, ..Details::default() }.boxed(), place });
        id
    }

    /// An entry that names people.
    pub(crate) fn people(&mut self, keys: &[&str]) -> EntryId {
        let people = keys.iter().map(|key| self.person(key)).collect();
        self.entry(Select::People(people))
    }

    /// Compiles a rule against the attributes that people have so far.
    pub(crate) fn rule(&mut self, text: &str) -> RuleId {
        let id = RuleId(u32::try_from(self.policy.rules.len()).unwrap());
        let rule =
            compile(text, place(90), &Vocabulary::of(&self.policy.people)).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        self.policy.rules.push(rule);
        id
    }

    /// Puts an entry into the members of a group.
    pub(crate) fn add_to_group(&mut self, entitlement: &str, entry: EntryId) {
        self.group_mut(entitlement).members.push(entry);
    }

    /// Puts an entry into the members of a role.
    pub(crate) fn add_to_role(&mut self, key: &str, entry: EntryId) {
        self.role_mut(key).members.push(entry);
    }

    /// The role gives the group.
    pub(crate) fn grant(&mut self, role: &str, entitlement: &str) {
        let group = self.group(entitlement);
        self.role_mut(role).grants.push(Grant { group, place: place(50) });
    }

    /// The role includes another.
    pub(crate) fn include(&mut self, role: &str, other: &str) {
        let other = self.role(other);
        self.role_mut(role).includes.push((other, place(51)));
    }

    /// An attribute of the person's first position.
    pub(crate) fn attribute(&mut self, key: &str, name: &str, value: Value) {
        let written = &mut self.person_mut(key).positions[0].attributes;
        let mut attributes = written.to_vec();
        attributes.retain(|(other, _)| other.as_ref() != name);
        attributes.push((name.into(), value));
        attributes.sort();
        *written = attributes.into();
    }
}

/// An employee without end.
pub(crate) fn person(key: &str) -> Person {
    Person {
        key: key.into(),
        id: Some(format!("id-{key}").into()),
        name: Some(format!("Name {key}").into()),
        given_name: None,
        family_name: Some(key.into()),
        email: Some(format!("{key}@example.com").into()),
        kind: KindId(0),
        periods: Few::one(Period { window: Window::default(), place: place(2) }),
        positions: Few::one(position(Window::default())),
        rare: None,
        place: place(2),
    }
}

/// A position of an employee without manager or attributes.
pub(crate) fn position(window: Window) -> Position {
    Position { window, keep: None, manager: None, kind: KindId(0), attributes: [].into(), place: place(3) }
}

/// An empty role.
pub(crate) fn role(key: &str) -> Role {
    Role {
        key: key.into(),
        description: None,
        owner: None,
        includes: vec![],
        grants: vec![],
        members: vec![],
        only: vec![],
        except: vec![],
        account: None,
        expires: None,
        place: place(4),
    }
}

/// An empty exact group.
pub(crate) fn group(directory: DirectoryId, name: &str) -> Group {
    Group {
        directory,
        name: name.into(),
        directory_name: name.into(),
        previously: None,
        description: None,
        owner: None,
        manage: Manage::Exact,
        privileged: false,
        revoke_others: false,
        attributes: vec![],
        members: vec![],
        only: vec![],
        except: vec![],
        account: None,
        expires: None,
        place: place(5),
    }
}

/// A constraint that demands nothing yet.
pub(crate) fn constraint(key: &str) -> Constraint {
    Constraint {
        key: key.into(),
        description: None,
        applies_to: None,
        exclusive: vec![],
        forbid: vec![],
        maximum_term: None,
        require: vec![],
        into: vec![],
        exceptions: vec![],
        on_breach: Breach::Report,
        sponsor_gone: None,
        place: place(6),
    }
}

/// How wild a random policy is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Most people.
    pub(crate) people: u32,
    /// Most roles, and most groups.
    pub(crate) nodes: u32,
    /// Whether anything may start, return or come later.
    pub(crate) starts: bool,
    /// Whether there are reference groups.
    pub(crate) references: bool,
    /// Whether there are constraints.
    pub(crate) constraints: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { people: 6, nodes: 4, starts: true, references: true, constraints: true }
    }
}

/// Random policies of a shape, with what was read of their reference groups.
pub(crate) fn policies(shape: Shape) -> impl Strategy<Value = (Policy, References)> {
    proptest::collection::vec(any::<u32>(), 0..1000).prop_map(move |tape| random(&tape, shape))
}

/// The policy that a tape says.
pub(crate) fn random(tape: &[u32], shape: Shape) -> (Policy, References) {
    let mut dice = Dice { tape: tape.iter() };
    // Sizes shrink last: they come from the tape's length.
    let size = u32::try_from(tape.len()).unwrap_or(u32::MAX);
    let people = 1 + (size / 40).min(shape.people - 1);
    let nodes = 1 + (size / 80).min(shape.nodes - 1);
    let names = |prefix: &str, count: u32| (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
    let (people, roles, groups) = (names("p", people), names("r", nodes), names("corp/g", nodes));
    let mut draft = Draft::new(&people, &roles, &groups);
    random_people(&mut draft, &mut dice, shape);
    // Everybody's attributes are in the vocabulary even if nobody happens to have one.
    let mut vocabulary = Vocabulary::of(&draft.policy.people);
    vocabulary.add("department", &Value::Text("".into()));
    vocabulary.add("level", &Value::Number(1));
    draft.policy.rules = RULES.iter().map(|text| compile(text, place(90), &vocabulary).unwrap()).collect();
    let references = random_references(&mut draft, &mut dice, shape);
    random_labels(&mut draft, &mut dice);
    // Nodes in the order r0 g0 r1 g1 …: each reads only those before it.
    for n in 0..nodes {
        random_role(&mut draft, &mut dice, shape, n, nodes);
        random_group(&mut draft, &mut dice, shape, n);
    }
    if shape.constraints {
        random_constraints(&mut draft, &mut dice, shape);
    }
    (draft.policy, references)
}

struct Dice<'t> {
    tape: std::slice::Iter<'t, u32>,
}

impl Dice<'_> {
    /// A number below `sides`; 0 at the end of the tape.
    fn roll(&mut self, sides: u32) -> u32 {
        self.tape.next().copied().unwrap_or(0) % sides.max(1)
    }

    /// Yes, once in so many times; never at the end of the tape.
    fn once_in(&mut self, times: u32) -> bool {
        self.tape.next().is_some_and(|n| n % times == times - 1)
    }

    fn day(&mut self) -> i64 {
        i64::from(self.roll(21))
    }

    /// A window; a start only if allowed.
    fn window(&mut self, starts: bool, expires: bool) -> Window {
        let starts = (starts && self.once_in(4)).then(|| self.day());
        let expires = (expires && self.once_in(3)).then(|| self.day());
        window(starts, expires)
    }
}

fn random_people(draft: &mut Draft, dice: &mut Dice<'_>, shape: Shape) {
    let count = u32::try_from(draft.policy.people.len()).unwrap();
    for person in &mut draft.policy.people {
        person.kind = KindId(u16::try_from(dice.roll(3)).unwrap());
        person.periods[0].window = dice.window(shape.starts, true);
        person.sponsor = dice.once_in(2).then(|| PersonId(dice.roll(count)));
        if shape.starts && dice.once_in(4) {
            // A second period after the first.
            let end = person.periods[0].window.expires.get_or_insert(day(12));
            let starts = end.plus(i64::from(dice.roll(4)) * 86_400);
            let expires = dice.once_in(2).then(|| starts.plus(i64::from(1 + dice.roll(6)) * 86_400));
            let second = Period { window: Window { starts: Some(starts), expires }, place: place(2) };
            person.periods = vec![person.periods[0], second].into();
        }
        let positions = 1 + dice.roll(3);
        person.positions = (0..positions)
            .map(|_| {
                let mut position = position(dice.window(shape.starts, true));
                position.keep = dice.once_in(4).then(|| Term(i64::from(dice.roll(4)) * 86_400));
                position.manager = dice.once_in(2).then(|| PersonId(dice.roll(count)));
                position.kind = KindId(u16::try_from(dice.roll(3)).unwrap());
                let mut attributes = Vec::new();
                if dice.roll(4) != 3 {
                    let department = ["platform", "finance", "sales"][dice.roll(3) as usize];
                    attributes.push(("department".into(), Value::Text(department.into())));
                }
                if dice.roll(3) != 2 {
                    attributes.push(("level".into(), Value::Number(i64::from(dice.roll(4)))));
                }
                position.attributes = attributes.into();
                position
            })
            .collect();
        if dice.once_in(5) {
            person.leave.push(Leave { window: dice.window(true, true), place: place(3) });
        }
    }
}

fn random_references(draft: &mut Draft, dice: &mut Dice<'_>, shape: Shape) -> References {
    let mut references = References::default();
    let people = u32::try_from(draft.policy.people.len()).unwrap();
    for (n, group) in (0..).zip(&mut draft.policy.groups) {
        if !shape.references || !dice.once_in(3) {
            continue;
        }
        group.manage = Manage::Reference;
        if dice.once_in(3) {
            if dice.once_in(2) {
                references.groups.insert(GroupId(n), Reference::NotRead("no answer".to_owned()));
            }
            continue;
        }
        let members = (0..people).filter(|_| dice.once_in(2)).map(PersonId).collect();
        references.groups.insert(GroupId(n), Reference::Read(members));
    }
    references
}

fn random_role(draft: &mut Draft, dice: &mut Dice<'_>, shape: Shape, n: u32, nodes: u32) {
    let context = Context { roles: n, groups: n, shape };
    let (members, only, except) = random_lists(draft, dice, context);
    let later = n + 1..nodes;
    let includes = later.clone().filter(|_| dice.once_in(4)).map(|r| (RoleId(r), place(51))).collect();
    let grants =
        (n..nodes).filter(|_| dice.once_in(2)).map(|g| Grant { group: GroupId(g), place: place(50) }).collect();
    let expires = dice.once_in(6).then(|| day(dice.day()));
    let role = &mut draft.policy.roles[n as usize];
    (role.members, role.only, role.except) = (members, only, except);
    (role.includes, role.grants, role.expires) = (includes, grants, expires);
}

fn random_group(draft: &mut Draft, dice: &mut Dice<'_>, shape: Shape, n: u32) {
    if draft.policy.groups[n as usize].manage == Manage::Reference {
        for role in &mut draft.policy.roles {
            role.grants.retain(|grant| grant.group.0 != n);
        }
        return;
    }
    let context = Context { roles: n + 1, groups: n, shape };
    let (members, only, except) = random_lists(draft, dice, context);
    let expires = dice.once_in(6).then(|| day(dice.day()));
    let group = &mut draft.policy.groups[n as usize];
    (group.members, group.only, group.except, group.expires) = (members, only, except, expires);
}

/// Second accounts of some, in `corp`, and roles and groups that go to one.
fn random_labels(draft: &mut Draft, dice: &mut Dice<'_>) {
    for person in &mut draft.policy.people {
        for label in [1, 2].into_iter().filter(|_| dice.once_in(2)).map(Label).collect::<Vec<_>>() {
            let name = format!("{}-{}", draft.policy.labels[usize::from(label.0) - 1], person.key).into();
            person.accounts.push(AccountName { directory: DirectoryId(0), label, name, place: place(8) });
        }
    }
    let mut account = || dice.once_in(3).then(|| Label(1 + u8::try_from(dice.roll(2)).unwrap()));
    draft.policy.roles.iter_mut().for_each(|role| role.account = account());
    let groups = draft.policy.groups.iter_mut().filter(|group| group.manage != Manage::Reference);
    groups.for_each(|group| group.account = account());
}

/// What an entry may refer to.
#[derive(Clone, Copy)]
struct Context {
    roles: u32,
    groups: u32,
    shape: Shape,
}

type Lists = (Vec<EntryId>, Vec<EntryId>, Vec<EntryId>);

fn random_lists(draft: &mut Draft, dice: &mut Dice<'_>, context: Context) -> Lists {
    let members = (0..=dice.roll(4)).map(|_| random_entry(draft, dice, context, 3, true)).collect();
    let only = dice.once_in(6).then(|| random_entry(draft, dice, context, 2, true)).into_iter().collect();
    let except = dice.once_in(3).then(|| random_entry(draft, dice, context, 3, false)).into_iter().collect();
    (members, only, except)
}

/// `positive`: where an `expires:` is allowed.
fn random_entry(draft: &mut Draft, dice: &mut Dice<'_>, context: Context, depth: u32, positive: bool) -> EntryId {
    let people = u32::try_from(draft.policy.people.len()).unwrap();
    let forms = if depth == 0 { 6 } else { 10 };
    let select = match dice.roll(forms) {
        1 if context.roles > 0 => Select::Role(RoleId(dice.roll(context.roles))),
        2 if context.groups > 0 => Select::Group(GroupId(dice.roll(context.groups))),
        3 => Select::Where(RuleId(dice.roll(u32::try_from(RULES.len()).unwrap()))),
        4 => {
            let manager = PersonId(dice.roll(people));
            Select::ReportsTo { manager, direct: dice.once_in(2), including: dice.once_in(2) }
        }
        5 if context.groups > 0 => {
            let groups = (0..context.groups).filter(|_| dice.once_in(2)).map(GroupId).collect();
            Select::Groups(Box::new(Globbed { groups, pattern: "corp/g*".into() }))
        }
        6 => Select::Any((0..=dice.roll(3)).map(|_| random_entry(draft, dice, context, depth - 1, positive)).collect()),
        7 | 8 => {
            Select::All((0..=dice.roll(3)).map(|_| random_entry(draft, dice, context, depth - 1, positive)).collect())
        }
        9 => Select::Not(random_entry(draft, dice, context, depth - 1, !positive)),
        _ => Select::People((0..=dice.roll(2)).map(|_| PersonId(dice.roll(people))).collect()),
    };
    let window = dice.window(context.shape.starts, positive);
    let id = draft.dated(select, window);
    if dice.once_in(3) {
        draft.policy.entries[id.0 as usize].details.get_or_insert_default().kinds = vec![KindId(1)];
    }
    id
}

fn random_constraints(draft: &mut Draft, dice: &mut Dice<'_>, shape: Shape) {
    let (roles, groups) = (draft.policy.roles.len(), draft.policy.groups.len());
    let people = u32::try_from(draft.policy.people.len()).unwrap();
    let holding = |dice: &mut Dice<'_>| {
        if dice.once_in(2) {
            Holding::Group(GroupId(dice.roll(u32::try_from(groups).unwrap())))
        } else {
            Holding::Role(RoleId(dice.roll(u32::try_from(roles).unwrap())))
        }
    };
    for n in 0..dice.roll(3) {
        let mut made = constraint(&format!("c{n}"));
        made.applies_to = dice.once_in(2).then(|| RuleId(dice.roll(u32::try_from(RULES.len()).unwrap())));
        match dice.roll(5) {
            0 | 3 => {
                made.exclusive = vec![holding(dice), holding(dice)];
                made.exclusive.dedup();
            }
            1 => made.forbid = vec![holding(dice)],
            4 => {
                let grace = Term(i64::from(dice.roll(5)) * 86_400);
                made.sponsor_gone = Some(SponsorGone { grace, disable: !dice.once_in(4) });
            }
            _ => made.maximum_term = Some(Term(i64::from(1 + dice.roll(9)) * 86_400)),
        }
        let about: Vec<Holding> = made.exclusive.iter().chain(&made.forbid).copied().collect();
        let revoked: Vec<Holding> = about.into_iter().filter(|_| dice.once_in(2)).collect();
        if !revoked.is_empty() {
            made.on_breach = Breach::Revoke(revoked);
        }
        for _ in 0..dice.roll(4) {
            made.exceptions.push(Exception {
                person: PersonId(dice.roll(people)),
                window: Window { expires: Some(day(dice.day())), ..dice.window(shape.starts, false) },
                ticket: Some("RISK-1".into()),
                reason: None,
                approved_by: None,
                place: place(7),
            });
        }
        draft.policy.constraints.push(made);
    }
}
