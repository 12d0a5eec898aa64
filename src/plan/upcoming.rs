//! What ends next, and who loses what by it.
//!
//! Comes in: who holds what now, what is withheld. Goes out: the earliest end among the
//! memberships that the plan leaves, with the people who lose by it. Refuses: directories
//! that the plan is not about, and grants that are withheld: nobody loses those.

use super::{Inputs, Upcoming, Withheld};
use crate::model::{Action, Instant};
use crate::policy::{Directory, Group, GroupId, Holding, Label, Manage, PersonId, Policy};
use crate::resolve::{Held, Resolution};
use std::collections::{BTreeMap, BTreeSet};

/// Most people whose losses are named.
const NAMED: usize = 5;

/// A group that the plan is about.
type Here<'p> = (GroupId, &'p Directory, &'p Group);

struct Ends<'p, 'r> {
    policy: &'p Policy,
    resolution: &'r Resolution,
    /// Grants that are kept back: directory, group, person, label.
    kept_back: BTreeSet<(&'r str, &'r str, &'r str, &'r str)>,
}

/// The earliest end among the memberships that should be now, in the directories that
/// the plan is about. Nobody loses what is withheld.
pub(super) fn next(inputs: &Inputs<'_>, resolution: &Resolution, withheld: &[Withheld]) -> Option<Upcoming> {
    let policy = inputs.policy;
    let wanted = &inputs.filter.directories;
    let groups = (0u32..).zip(&policy.groups).filter_map(|(n, group)| {
        let directory = policy.directories.get(usize::from(group.directory.0))?;
        let counts = group.manage != Manage::Reference
            && (wanted.is_empty() || wanted.iter().any(|name| **name == *directory.name));
        counts.then_some((GroupId(n), directory, group))
    });
    let groups: Vec<Here<'_>> = groups.collect();
    let grants = withheld.iter().map(|held| &held.change).filter(|change| change.action == Action::Grant);
    let kept_back = grants.filter_map(|change| {
        let label = change.label.as_deref().unwrap_or_default();
        Some((&*change.directory, change.object.group.as_deref()?, change.person.as_deref()?, label))
    });
    let ends = Ends { policy, resolution, kept_back: kept_back.collect() };
    let at = groups.iter().flat_map(|group| ends.of(*group).filter_map(|held| held.ends)).min()?;
    let mut losses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for group in groups {
        for (person, mut words) in ends.losses(group, at) {
            losses.entry(ends.key(person).to_owned()).or_default().append(&mut words);
        }
    }
    let more = losses.len().saturating_sub(NAMED) as u64;
    Some(Upcoming { at, losses: losses.into_iter().take(NAMED).collect(), more })
}

impl<'p> Ends<'p, '_> {
    fn key(&self, person: PersonId) -> &'p str {
        self.policy.people.get(person.0 as usize).map_or("", |person| person.key.as_ref())
    }

    /// Memberships of a group that will end, with accounts that are declared.
    fn of(&self, (id, directory, group): Here<'p>) -> impl Iterator<Item = Held> {
        let held = self.resolution.members(id).filter(|held| held.ends.is_some());
        held.filter(move |held| {
            let person = self.policy.people.get(held.person.0 as usize);
            if person.is_none_or(|person| person.account(group.directory, held.label).is_none()) {
                return false;
            }
            let label = || self.policy.label(held.label).unwrap_or_default();
            let is = || (&*directory.name, &*group.directory_name, self.key(held.person), label());
            self.kept_back.is_empty() || !self.kept_back.contains(&is())
        })
    }

    /// What people lose of a group at that instant: the group, where they hold it with no
    /// other account after it.
    fn losses(&self, here: Here<'p>, at: Instant) -> impl Iterator<Item = (PersonId, Vec<String>)> {
        let (id, directory, group) = here;
        let mut lost: BTreeMap<PersonId, Vec<Label>> = BTreeMap::new();
        for held in self.of(here).filter(|held| held.ends == Some(at)) {
            lost.entry(held.person).or_default().push(held.label);
        }
        lost.into_iter().map(move |(person, labels)| {
            let name = format!("{}/{}", directory.name, group.name);
            if self.resolution.accounts_with(person, Holding::Group(id)) == labels.len() {
                return (person, vec![name]);
            }
            let words = labels.into_iter().map(|label| match self.policy.label(label) {
                Some(word) => format!("{name} with the account {word}"),
                None => format!("{name} with the everyday account"),
            });
            (person, words.collect())
        })
    }
}
