//! What is looked at to judge policy tests: whom, which roles and groups, which instants.
//!
//! Comes in: the policy and the tests with their windows. Goes out: a part of the policy
//! (`slice`) with a group of its own for everybody whom a test speaks of. Refuses: to leave
//! out anybody who could ever matter.

use super::super::slice::Slice;
use super::What;
use crate::model::{FileId, Instant, Place};
use crate::policy::rule::Verdict;
use crate::policy::{
    Claim, DirectoryId, Entry, EntryId, Group, GroupId, Holding, Manage, People, PersonId, Policy, Select, Subject,
};
use crate::resolve::{self, Reference, References};
use std::collections::BTreeSet;

/// A part of the policy, and the tests in its numbers.
pub(super) struct Part<'p> {
    pub(super) slice: Slice,
    pub(super) tests: Vec<Test<'p>>,
    /// At which something can begin to fail: starts, and the first instant of each test.
    pub(super) instants: BTreeSet<Instant>,
    /// The first instants at which nothing starts: they say something of their own tests only.
    firsts: BTreeSet<Instant>,
}

/// One test, with the people it speaks of as a group of the part.
pub(super) struct Test<'p> {
    /// Position in [`Policy::tests`].
    pub(super) number: usize,
    pub(super) from: Instant,
    pub(super) until: Option<Instant>,
    pub(super) claim: &'p Claim,
    /// `among`, or `everybody`.
    pub(super) among: Option<Holding>,
    pub(super) outside: Option<Holding>,
    /// The one person it is about, in the part's numbers.
    pub(super) person: Option<PersonId>,
    /// Who could ever matter to it.
    pub(super) people: usize,
    pub(super) unread: Vec<GroupId>,
}

impl Test<'_> {
    /// Whether it is asked for at that instant.
    pub(super) fn is_asked(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl<'p> Part<'p> {
    pub(super) fn new(
        policy: &'p Policy,
        references: &References,
        windows: &[(usize, (Instant, Option<Instant>))],
    ) -> Self {
        let claims: Vec<&Claim> = windows.iter().filter_map(|(n, _)| Some(&policy.tests.get(*n)?.claim)).collect();
        let asked: Vec<_> = claims.iter().map(|claim| candidates(claim)).collect();
        let candidates = resolve::could_ever(policy, references, &asked);
        let mut wanted = vec![false; policy.people.len()];
        for (claim, people) in claims.iter().zip(&candidates) {
            mark(&mut wanted, people.as_deref());
            mark(&mut wanted, person(claim).as_ref().map(std::slice::from_ref).or(Some(&[])));
        }
        let read: Vec<BTreeSet<Holding>> = claims.iter().map(|claim| read(policy, claim)).collect();
        let kept: BTreeSet<Holding> = read.iter().flatten().copied().collect();
        let entries: Vec<EntryId> = claims.iter().flat_map(|claim| claim.entries()).collect();
        let is_wanted = |person: PersonId| wanted.get(person.0 as usize) == Some(&true);
        let slice = Slice::with_entries(policy, references, is_wanted, |holding| kept.contains(&holding), &entries);
        let mut part = Self {
            slice,
            tests: Vec::with_capacity(windows.len()),
            instants: BTreeSet::new(),
            firsts: BTreeSet::new(),
        };
        let everybody = part.everybody();
        for (((number, (from, until)), claim), (people, read)) in
            windows.iter().zip(claims).zip(candidates.iter().zip(&read))
        {
            let (among, outside) = match claim {
                Claim::NobodyReaches { among, outside, .. } => (among.as_slice(), outside.as_slice()),
                Claim::Holds { who: Subject::Everybody(entries), .. } => (entries.as_slice(), &[][..]),
                Claim::Holds { .. } | Claim::Counts { .. } => (&[][..], &[][..]),
            };
            let test = Test {
                number: *number,
                from: *from,
                until: *until,
                claim,
                among: part.selected(everybody, among),
                outside: part.selected(everybody, outside),
                person: person(claim).and_then(|person| part.number(person)),
                people: people.as_ref().map_or(policy.people.len(), Vec::len).max(usize::from(person(claim).is_some())),
                unread: unread(policy, references, read),
            };
            part.tests.push(test);
        }
        part.when();
        part
    }

    /// The same with the person's number in the whole policy.
    pub(super) fn named(&self, what: What) -> What {
        let whole = |person: PersonId| self.slice.people.get(person.0 as usize).copied().unwrap_or(person);
        match what {
            What::Holds(person, holding) => What::Holds(whole(person), holding),
            What::Lacks(person, holding) => What::Lacks(whole(person), holding),
            What::Fewer(..) | What::More(..) => what,
        }
    }

    fn number(&self, whole: PersonId) -> Option<PersonId> {
        let n = self.slice.people.binary_search(&whole).ok()?;
        u32::try_from(n).ok().map(PersonId)
    }

    /// An entry that selects everybody, at every time.
    fn everybody(&mut self) -> EntryId {
        let entries = &mut self.slice.policy.entries;
        let mut add = |select: Select| {
            let id = EntryId(u32::try_from(entries.len()).unwrap_or(u32::MAX));
            entries.push(Entry { select, details: None, place: NOWHERE });
            id
        };
        let nobody = add(Select::People(People::from(Vec::new())));
        add(Select::Not(nobody))
    }

    /// A group of whoever is selected by one of `entries`, whatever their kind; `None` where
    /// there are no entries.
    fn selected(&mut self, everybody: EntryId, entries: &[EntryId]) -> Option<Holding> {
        if entries.is_empty() {
            return None;
        }
        let groups = &mut self.slice.policy.groups;
        let id = GroupId(u32::try_from(groups.len()).unwrap_or(u32::MAX));
        groups.push(Group {
            directory: DirectoryId(0),
            name: "".into(),
            directory_name: "".into(),
            previously: None,
            description: None,
            owner: None,
            manage: Manage::Exact,
            privileged: false,
            revoke_others: false,
            attributes: Vec::new(),
            members: vec![everybody],
            only: entries.to_vec(),
            except: Vec::new(),
            account: None,
            expires: None,
            place: NOWHERE,
        });
        Some(Holding::Group(id))
    }

    /// The first instant of each test and every start while one is asked for. Where something
    /// was not read, ends count too: who is in neither reading cannot be told beforehand.
    fn when(&mut self) {
        let Some(first) = self.tests.iter().map(|test| test.from).min() else { return };
        let is_asked = |at: &Instant| self.tests.iter().any(|test| test.is_asked(*at));
        let mut instants: BTreeSet<Instant> = self.slice.starts(first).into_iter().collect();
        if self.tests.iter().any(|test| !test.unread.is_empty()) {
            instants.extend(resolve::instants(&self.slice.policy));
        }
        instants.retain(is_asked);
        self.firsts = self.tests.iter().map(|test| test.from).filter(|from| !instants.contains(from)).collect();
        instants.extend(&self.firsts);
        self.instants = instants;
    }

    /// Whether an instant is looked at only because another test begins then.
    pub(super) fn is_of_another(&self, from: Instant, at: Instant) -> bool {
        from != at && self.firsts.contains(&at)
    }
}

/// The place of what the test is about, where it selects nobody in the files.
pub(super) fn nobody(policy: &Policy, test: usize) -> Option<Place> {
    let entries = match policy.tests.get(test).map(|test| &test.claim) {
        Some(Claim::NobodyReaches { among, .. }) => among.as_slice(),
        Some(Claim::Holds { who: Subject::Everybody(entries), .. }) => entries.as_slice(),
        _ => &[],
    };
    let first = entries.first().and_then(|id| policy.entries.get(id.0 as usize))?;
    let any = entries.iter().any(|entry| selects_somebody(policy, *entry));
    (!any).then_some(first.place)
}

const NOWHERE: Place = Place { file: FileId(0), line: 0, column: 0 };

/// What says who could ever matter: whoever could hold what is not to be held, or is one of
/// those who must hold something.
fn candidates(claim: &Claim) -> (Vec<Holding>, Vec<EntryId>) {
    match claim {
        Claim::NobodyReaches { holdings, .. } => (holdings.clone(), Vec::new()),
        Claim::Counts { of, .. } => (of.clone(), Vec::new()),
        Claim::Holds { who: Subject::Everybody(entries), .. } => (Vec::new(), entries.clone()),
        Claim::Holds { who: Subject::Person(_), .. } => (Vec::new(), Vec::new()),
    }
}

fn person(claim: &Claim) -> Option<PersonId> {
    match claim {
        Claim::Holds { who: Subject::Person(person), .. } => Some(*person),
        _ => None,
    }
}

fn mark(wanted: &mut [bool], people: Option<&[PersonId]>) {
    match people {
        None => wanted.fill(true),
        Some(people) => {
            for person in people {
                if let Some(cell) = wanted.get_mut(person.0 as usize) {
                    *cell = true;
                }
            }
        }
    }
}

/// Everything that a claim hangs on.
fn read(policy: &Policy, claim: &Claim) -> BTreeSet<Holding> {
    let mut holdings = claim.holdings();
    claim.entries().iter().for_each(|entry| resolve::reads(policy, *entry, &mut holdings));
    resolve::needed(policy, holdings)
}

fn unread(policy: &Policy, references: &References, read: &BTreeSet<Holding>) -> Vec<GroupId> {
    let group = |holding: &Holding| match holding {
        Holding::Group(id) => Some(*id),
        Holding::Role(_) => None,
    };
    let is_unread = |id: &GroupId| {
        policy.groups.get(id.0 as usize).is_some_and(|group| group.manage == Manage::Reference)
            && !matches!(references.groups.get(id), Some(Reference::Read(_)))
    };
    read.iter().filter_map(group).filter(is_unread).collect()
}

/// Whether an entry selects anybody who is written, whatever the date. Of what hangs on
/// roles and groups it is not asked: they may be empty today and have members tomorrow.
fn selects_somebody(policy: &Policy, id: EntryId) -> bool {
    match policy.entries.get(id.0 as usize).map(|entry| &entry.select) {
        Some(Select::People(people)) => !people.is_empty(),
        Some(Select::Where(rule)) => policy.rules.get(rule.0 as usize).is_none_or(|rule| {
            let mut people = policy.people.iter();
            people.any(|one| one.positions.iter().any(|at| rule.verdict(policy, one, at) == Verdict::Yes))
        }),
        Some(Select::Groups(glob)) => !glob.groups.is_empty(),
        Some(Select::All(parts)) => parts.iter().all(|part| selects_somebody(policy, *part)),
        Some(Select::Any(parts)) => parts.iter().any(|part| selects_somebody(policy, *part)),
        Some(Select::Role(_) | Select::Group(_) | Select::ReportsTo { .. } | Select::Not(_)) => true,
        None => false,
    }
}
