//! Who holds what at the instant, before and after.
//!
//! Comes in: two resolutions and the pairs. Goes out: what is gained, lost, extended,
//! shortened, and what nobody can tell. Refuses: because-chains; they are asked for by
//! what is shown.

use super::pairs::Which;
use super::{Difference, Membership, Open, Shift, Side};
use crate::policy::{GroupId, Holding, Manage};
use crate::resolve::{self, Held, Reference};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What one group's comparison found.
#[derive(Default)]
struct Found {
    gained: Vec<Shift>,
    lost: Vec<Shift>,
    extended: Vec<Shift>,
    shortened: Vec<Shift>,
    open: Option<Open>,
}

/// Compares all groups.
pub(super) fn compare(difference: &mut Difference<'_>) {
    let count = u32::try_from(difference.pairs.groups.pairs().len()).unwrap_or(u32::MAX);
    let all = &*difference;
    let found: Vec<Found> = (0..count).into_par_iter().map(|group| one_group(all, group)).collect();
    for found in found {
        difference.gained.extend(found.gained);
        difference.lost.extend(found.lost);
        difference.extended.extend(found.extended);
        difference.shortened.extend(found.shortened);
        difference.open.extend(found.open);
    }
    let Difference { gained, lost, extended, shortened, .. } = difference;
    for list in [gained, lost, extended, shortened] {
        list.par_sort_unstable_by_key(|shift| shift.membership);
    }
}

/// One side's people of a group by the numbers of both sides.
struct Members {
    sure: Vec<(Membership, Held)>,
    unsettled: Vec<Membership>,
}

impl Members {
    fn has(&self, membership: Membership) -> bool {
        self.sure.binary_search_by_key(&membership, |(other, _)| *other).is_ok()
    }

    fn may_have(&self, membership: Membership) -> bool {
        self.unsettled.binary_search(&membership).is_ok()
    }
}

fn members(difference: &Difference<'_>, which: Which, group: u32) -> Members {
    let (side, id) = match which {
        Which::Base => (&difference.base, difference.pairs.groups.pair(group).base),
        Which::Head => (&difference.head, difference.pairs.groups.pair(group).head),
    };
    let Some(id) = id else { return Members { sure: Vec::new(), unsettled: Vec::new() } };
    let people = difference.pairs.people.numbers(which);
    let labels = difference.pairs.labels.numbers(which);
    let number = |person: u32, label: u8| {
        let person = people.get(person as usize).copied()?;
        let label = labels.get(usize::from(label)).copied()?;
        Some(Membership { person, group, label })
    };
    let held = side.resolution.members(id);
    let mut sure = Vec::with_capacity(held.len());
    sure.extend(held.filter_map(|held| Some((number(held.person.0, held.label.0)?, held))));
    let unsettled = side.resolution.unsettled(id);
    let mut unsettled: Vec<_> = unsettled.filter_map(|(person, label)| number(person.0, label.0)).collect();
    if !sure.is_sorted_by_key(|(membership, _)| *membership) {
        sure.sort_unstable_by_key(|(membership, _)| *membership);
    }
    if !unsettled.is_sorted() {
        unsettled.sort_unstable();
    }
    Members { sure, unsettled }
}

fn one_group(difference: &Difference<'_>, group: u32) -> Found {
    let (base, head) = (members(difference, Which::Base, group), members(difference, Which::Head, group));
    let mut found = Found::default();
    let (mut before, mut after) = (base.sure.iter().peekable(), head.sure.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let before = before.next_if(|_| order != Ordering::Greater);
        let after = after.next_if(|_| order != Ordering::Less);
        let Some((membership, _)) = before.or(after) else { break };
        let how = |side: Option<&(Membership, Held)>| side.map(|(_, held)| *held);
        let shift = Shift { membership: *membership, before: how(before), after: how(after) };
        match (shift.before, shift.after) {
            (Some(before), Some(after)) => match later(before, after) {
                Ordering::Less => found.extended.push(shift),
                Ordering::Greater => found.shortened.push(shift),
                Ordering::Equal => {}
            },
            (None, Some(_)) => found.gained.push(shift),
            // Who may still hold it has not surely lost it.
            (Some(_), None) if head.may_have(*membership) => {}
            _ => found.lost.push(shift),
        }
    }
    found.open = open(difference, group, &base, &head);
    found
}

/// How two ends compare, where no end is the latest.
fn later(before: Held, after: Held) -> Ordering {
    let key = |held: Held| (held.ends.is_none(), held.ends);
    key(before).cmp(&key(after))
}

/// Whoever cannot be told on one side and stood otherwise on the other.
fn open(difference: &Difference<'_>, group: u32, base: &Members, head: &Members) -> Option<Open> {
    if is_elsewhere(difference, group) {
        return None;
    }
    let mut may_gain = Vec::new();
    let mut may_lose = Vec::new();
    for membership in head.unsettled.iter().filter(|one| !base.may_have(**one)) {
        if base.has(*membership) { may_lose.push(*membership) } else { may_gain.push(*membership) }
    }
    let gone = base.unsettled.iter().filter(|one| !head.may_have(**one) && !head.has(**one));
    may_lose.extend(gone);
    may_lose.sort_unstable();
    if may_gain.is_empty() && may_lose.is_empty() {
        return None;
    }
    Some(Open { group, unread: unread(difference, group), since: None, may_gain, may_lose })
}

/// Whether a group is managed elsewhere on each side that has it: no policy gives or takes
/// it, whatever is known of it.
pub(super) fn is_elsewhere(difference: &Difference<'_>, group: u32) -> bool {
    let pair = difference.pairs.groups.pair(group);
    let elsewhere = |side: &Side<'_>, id: Option<GroupId>| {
        let group = id.and_then(|id| side.policy.groups.get(id.0 as usize));
        group.is_none_or(|group| group.manage == Manage::Reference)
    };
    elsewhere(&difference.base, pair.base) && elsewhere(&difference.head, pair.head)
}

/// The groups that were not read on which a group hangs, of either side.
pub(super) fn unread(difference: &Difference<'_>, group: u32) -> Vec<String> {
    let pair = difference.pairs.groups.pair(group);
    let mut all = BTreeSet::new();
    for (side, id) in [(&difference.base, pair.base), (&difference.head, pair.head)] {
        if let Some(id) = id {
            let groups = resolve::references_of(side.policy, [Holding::Group(id)]);
            all.extend(groups.into_iter().filter(|id| is_unread(side, *id)).map(|id| entitlement(side, id)));
        }
    }
    all.into_iter().collect()
}

fn is_unread(side: &Side<'_>, id: GroupId) -> bool {
    let group = side.policy.groups.get(id.0 as usize);
    group.is_some_and(|group| group.manage == Manage::Reference)
        && !matches!(side.references.groups.get(&id), Some(Reference::Read(_)))
}

fn entitlement(side: &Side<'_>, id: GroupId) -> String {
    resolve::name(side.policy, Holding::Group(id))
}
