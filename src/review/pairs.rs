//! Who and what is the same on both sides of a comparison.
//!
//! Comes in: two policies. Goes out: pairs of people, roles, groups and labels, each with
//! one number for both sides. Refuses: to follow an alias: whoever claims somebody's old
//! name would seem to have had that person's access all along.
//!
//! People are the same by their `id`, where both have one, whatever their keys; otherwise
//! by their key. Groups are what the directory knows: the same name there, then the name that
//! `previously:` gives, then the name in the policies.

use crate::policy::{Group, GroupId, Label, Person, PersonId, Policy, RoleId};
use std::collections::BTreeMap;

/// The same thing on both sides; one of them may lack it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair<T> {
    /// Before.
    pub base: Option<T>,
    /// After.
    pub head: Option<T>,
}

/// Pairs in the order of their names, numbered.
#[derive(Debug, Clone)]
pub struct Matched<T> {
    pairs: Vec<Pair<T>>,
    base: Vec<u32>,
    head: Vec<u32>,
}

impl<T: Copy> Matched<T> {
    /// Every pair, by name: the head's, or the base's of what the head lacks.
    pub fn pairs(&self) -> &[Pair<T>] {
        &self.pairs
    }

    /// The pair of that number.
    pub fn pair(&self, number: u32) -> Pair<T> {
        self.pairs.get(number as usize).copied().unwrap_or(Pair { base: None, head: None })
    }

    /// The numbers of one side's things, by their own numbers.
    pub(super) fn numbers(&self, side: Which) -> &[u32] {
        match side {
            Which::Base => &self.base,
            Which::Head => &self.head,
        }
    }
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Base,
    Head,
}

/// Everything that is on either side.
#[derive(Debug, Clone)]
pub struct Pairs {
    /// People.
    pub people: Matched<PersonId>,
    /// Roles, by key.
    pub roles: Matched<RoleId>,
    /// Groups.
    pub groups: Matched<GroupId>,
    /// Labels of accounts, by word; the everyday account is one of them.
    pub labels: Matched<Label>,
}

impl Pairs {
    /// Pairs two policies.
    pub(super) fn new(base: &Policy, head: &Policy) -> Self {
        let (people, groups) = rayon::join(|| people(base, head), || groups(base, head));
        let roles = Sides {
            base: names(&base.roles, |role| (&*role.key, 0)),
            head: names(&head.roles, |role| (&*role.key, 0)),
        };
        let words = |policy| -> Vec<(String, u32)> { labels(policy) };
        let labels = Sides { base: words(base), head: words(head) };
        Self {
            people,
            roles: numbered(&roles.by_name(), &roles, RoleId),
            groups,
            labels: numbered(&labels.by_name(), &labels, |n| Label(u8::try_from(n).unwrap_or(u8::MAX))),
        }
    }
}

/// The names of the things of both sides, and to which of several things of one name each
/// belongs; positions are the things' numbers.
struct Sides<N> {
    base: Vec<N>,
    head: Vec<N>,
}

fn names<'p, T, N>(list: &'p [T], name: impl Fn(&'p T) -> N) -> Vec<N> {
    list.iter().map(name).collect()
}

fn labels(policy: &Policy) -> Vec<(String, u32)> {
    let words = policy.labels.iter().map(ToString::to_string);
    std::iter::once(String::new()).chain(words).map(|word| (word, 0)).collect()
}

/// For each thing of the head its partner in the base.
type Partners = Vec<Option<u32>>;

impl<N: Ord> Sides<N> {
    /// Partners by equal names; both lists are sorted by name.
    fn by_name(&self) -> Partners {
        let mut rest = (0u32..).zip(&self.base).peekable();
        let partner = |name: &N| {
            while rest.next_if(|(_, other)| *other < name).is_some() {}
            rest.next_if(|(_, other)| *other == name).map(|(n, _)| n)
        };
        self.head.iter().map(partner).collect()
    }
}

/// Numbers all pairs by name: the head's name where it has one.
fn numbered<N: Ord, T: Copy>(partners: &[Option<u32>], sides: &Sides<N>, id: impl Fn(u32) -> T) -> Matched<T> {
    let mut taken = vec![false; sides.base.len()];
    take(&mut taken, partners);
    let mut all: Vec<(&N, Option<u32>, Option<u32>)> = Vec::with_capacity(sides.head.len());
    all.extend(sides.head.iter().zip(0u32..).zip(partners).map(|((name, n), partner)| (name, *partner, Some(n))));
    let gone = sides.base.iter().zip(0u32..).zip(&taken).filter(|(_, taken)| !**taken);
    all.extend(gone.map(|((name, n), _)| (name, Some(n), None)));
    if !all.is_sorted() {
        all.sort_unstable();
    }
    let mut matched = Matched {
        pairs: Vec::with_capacity(all.len()),
        base: vec![u32::MAX; sides.base.len()],
        head: vec![u32::MAX; sides.head.len()],
    };
    for (number, (_, base, head)) in (0u32..).zip(all) {
        for (side, thing) in [(&mut matched.base, base), (&mut matched.head, head)] {
            if let Some(cell) = thing.and_then(|n| side.get_mut(n as usize)) {
                *cell = number;
            }
        }
        matched.pairs.push(Pair { base: base.map(&id), head: head.map(&id) });
    }
    matched
}

fn people(base: &Policy, head: &Policy) -> Matched<PersonId> {
    let sides = Sides { base: names(&base.people, |p| &*p.key), head: names(&head.people, |p| &*p.key) };
    let by_key = sides.by_name();
    let of = |n: &u32| base.people.get(*n as usize);
    let same_id = |a: &Person, b: &Person| a.id.is_some() && a.id == b.id;
    let agrees = |a: &Person, b: &Person| a.id.is_none() || b.id.is_none() || a.id == b.id;
    // Nearly everybody keeps key and id; the others are looked for among themselves.
    let mut partners: Partners = head
        .people
        .iter()
        .zip(&by_key)
        .map(|(person, partner)| partner.filter(|n| of(n).is_some_and(|other| same_id(person, other))))
        .collect();
    let mut free: BTreeMap<&str, u32> = BTreeMap::new();
    let mut taken = vec![false; base.people.len()];
    take(&mut taken, &partners);
    for (n, person) in (0u32..).zip(&base.people) {
        if let Some(id) = person.id.as_deref().filter(|_| taken.get(n as usize) == Some(&false)) {
            free.insert(id, n);
        }
    }
    for (partner, person) in partners.iter_mut().zip(&head.people) {
        if partner.is_none() && !free.is_empty() {
            *partner = person.id.as_deref().and_then(|id| free.remove(id));
        }
    }
    take(&mut taken, &partners);
    for ((partner, person), named) in partners.iter_mut().zip(&head.people).zip(&by_key) {
        if partner.is_none() {
            let left = named.filter(|n| taken.get(*n as usize) == Some(&false));
            *partner = left.filter(|n| of(n).is_some_and(|other| agrees(person, other)));
        }
    }
    numbered(&partners, &sides, PersonId)
}

fn take(taken: &mut [bool], partners: &[Option<u32>]) {
    for partner in partners.iter().flatten() {
        if let Some(cell) = taken.get_mut(*partner as usize) {
            *cell = true;
        }
    }
}

/// The directory's name and one of the group's.
type Name<'p> = (&'p str, &'p str);

fn groups(base: &Policy, head: &Policy) -> Matched<GroupId> {
    let sides = Sides {
        base: names(&base.groups, |group| name(base, group, &group.name)),
        head: names(&head.groups, |group| name(head, group, &group.name)),
    };
    let mut partners: Partners = vec![None; head.groups.len()];
    let mut known: BTreeMap<Name<'_>, u32> = BTreeMap::new();
    for (n, group) in (0u32..).zip(&base.groups) {
        known.insert(name(base, group, &group.directory_name), n);
    }
    for (partner, group) in partners.iter_mut().zip(&head.groups) {
        *partner = known.remove(&name(head, group, &group.directory_name));
    }
    for (partner, group) in partners.iter_mut().zip(&head.groups) {
        if let Some(earlier) = group.previously.as_deref().filter(|_| partner.is_none()) {
            *partner = known.remove(&name(head, group, earlier));
        }
    }
    let mut taken = vec![false; base.groups.len()];
    take(&mut taken, &partners);
    for (partner, named) in partners.iter_mut().zip(sides.by_name()) {
        if partner.is_none() {
            *partner = named.filter(|n| taken.get(*n as usize) == Some(&false));
        }
    }
    numbered(&partners, &sides, GroupId)
}

fn name<'p>(policy: &'p Policy, group: &Group, name: &'p str) -> Name<'p> {
    let directory = policy.directories.get(usize::from(group.directory.0));
    (directory.map_or("?", |directory| directory.name.as_ref()), name)
}
