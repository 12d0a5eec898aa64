//! What begins and ends later after a change and did not before it.
//!
//! Comes in: what an edit can concern. Goes out: memberships by instant. Refuses: to
//! resolve at instants at which nothing starts: until the next start whoever is in a set
//! stays until the end that is known.

use super::pairs::Which;
use super::slice::Slice;
use super::touched::{Touched, holdings, lists, node};
use super::{Difference, Membership, Moment, Open, Side};
use crate::model::Instant;
use crate::policy::{EntryId, GroupId, Holding, Manage, PersonId, Policy, Select};
use crate::resolve::{Resolution, resolve};
use std::collections::{BTreeMap, BTreeSet};

/// What happens to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Begins,
    Ends,
    /// From here on only a directory could tell.
    Opens,
}

type Event = (Instant, Happens, Membership);

/// What one side brings, and what is held when.
struct Timeline {
    /// Sorted.
    events: Vec<Event>,
    /// Spans in which a membership is surely held, by membership, then start; `None` is
    /// before or after everything.
    spans: Vec<(Membership, Option<Instant>, Option<Instant>)>,
}

/// Fills in what is scheduled, called off, and opens later.
pub(super) fn compare(difference: &mut Difference<'_>, touched: &Touched) {
    let all = &*difference;
    let (base, head) = rayon::join(|| side(all, touched, Which::Base), || side(all, touched, Which::Head));
    let new = only(&head.events, &base.events);
    let gone = only(&base.events, &head.events);
    let extended: BTreeSet<Membership> = all.extended.iter().map(|shift| shift.membership).collect();
    let called_off = gone.into_iter().filter(|(at, happens, membership)| match happens {
        Happens::Begins => !head.holds(*membership, *at),
        Happens::Ends => head.holds(*membership, *at) && !extended.contains(membership),
        Happens::Opens => false,
    });
    let called_off = moments(called_off);
    let opening = new.iter().filter(|(_, happens, _)| *happens == Happens::Opens);
    let opening = open(all, opening.copied());
    difference.scheduled = moments(new.into_iter().filter(|(_, happens, _)| *happens != Happens::Opens));
    difference.called_off = called_off;
    difference.open.extend(opening);
}

impl Timeline {
    fn holds(&self, membership: Membership, at: Instant) -> bool {
        let first = self.spans.partition_point(|(other, ..)| *other < membership);
        let mine = self.spans.iter().skip(first).take_while(|(other, ..)| *other == membership);
        mine.into_iter().any(|(_, from, to)| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to))
    }
}

/// What one sorted list has and the other has not.
fn only(list: &[Event], other: &[Event]) -> Vec<Event> {
    let mut rest = other.iter().peekable();
    let missing = list.iter().filter(|event| {
        while rest.next_if(|other| other < event).is_some() {}
        rest.peek() != Some(event)
    });
    missing.copied().collect()
}

fn moments(events: impl Iterator<Item = Event>) -> Vec<Moment> {
    let mut found: Vec<Moment> = Vec::new();
    for (instant, happens, membership) in events {
        if found.last().is_none_or(|last| last.instant != instant) {
            found.push(Moment { instant, gained: Vec::new(), lost: Vec::new() });
        }
        if let Some(moment) = found.last_mut() {
            let list = if happens == Happens::Begins { &mut moment.gained } else { &mut moment.lost };
            list.push(membership);
        }
    }
    found
}

/// What opens later, by instant, then group.
fn open(difference: &Difference<'_>, events: impl Iterator<Item = Event>) -> Vec<Open> {
    let mut found: BTreeMap<(Instant, u32), Vec<Membership>> = BTreeMap::new();
    for (at, _, membership) in events.filter(|(.., one)| !super::held::is_elsewhere(difference, one.group)) {
        found.entry((at, membership.group)).or_default().push(membership);
    }
    let one = |((at, group), may_gain)| {
        let unread = super::held::unread(difference, group);
        Open { group, unread, since: Some(at), may_gain, may_lose: Vec::new() }
    };
    found.into_iter().map(one).collect()
}

/// One side's timeline of everything that the edit can concern: the people whose own facts
/// differ, in everything; and everybody else in what reads something that differs.
fn side(difference: &Difference<'_>, touched: &Touched, which: Which) -> Timeline {
    let (side, at) = match which {
        Which::Base => (&difference.base, difference.head.at()),
        Which::Head => (&difference.head, difference.head.at()),
    };
    let people = difference.pairs.people.numbers(which);
    let is_touched =
        |person: PersonId| people.get(person.0 as usize).and_then(|n| touched.people.get(*n as usize)) == Some(&true);
    let of = |holding: Holding| node(&difference.pairs, which, holding) as usize;
    let upstream = upstream(&touched.edges, &touched.nodes);
    let mut timeline = Timeline { events: Vec::new(), spans: Vec::new() };
    if touched.people.contains(&true) {
        let slice = Slice::new(side.policy, side.references, is_touched, |_| true);
        follow(difference, which, &slice, at, |_| true, &mut timeline);
    }
    if touched.nodes.contains(&true) {
        let kept = |holding: Holding| upstream.get(of(holding)) == Some(&true);
        let concerns = concerned(side, kept);
        let wanted = |person: PersonId| !is_touched(person) && concerns.get(person.0 as usize) == Some(&true);
        let slice = Slice::new(side.policy, side.references, wanted, kept);
        let counts = |group: GroupId| touched.nodes.get(of(Holding::Group(group))) == Some(&true);
        follow(difference, which, &slice, at, counts, &mut timeline);
    }
    timeline.events.sort_unstable();
    timeline.events.dedup();
    timeline.spans.sort_unstable();
    timeline
}

/// By person: whether what is kept can ever concern them. Everybody, unless all that is
/// read names people one by one.
pub(super) fn concerned(side: &Side<'_>, kept: impl Fn(Holding) -> bool) -> Vec<bool> {
    let policy = side.policy;
    let mut named = vec![false; policy.people.len()];
    for holding in holdings(policy).filter(|holding| kept(*holding)) {
        let [members, ..] = lists(policy, holding);
        let is_read = matches!(holding, Holding::Group(id)
            if policy.groups.get(id.0 as usize).is_some_and(|group| group.manage == Manage::Reference));
        if is_read || !members.iter().all(|entry| names(policy, *entry, &mut named)) {
            return vec![true; policy.people.len()];
        }
    }
    named
}

/// Marks whom an entry names; false where it finds people otherwise than by name or
/// through what is looked at anyway.
fn names(policy: &Policy, id: EntryId, named: &mut [bool]) -> bool {
    match policy.entries.get(id.0 as usize).map(|entry| &entry.select) {
        Some(Select::People(people)) => {
            for person in people {
                if let Some(cell) = named.get_mut(person.0 as usize) {
                    *cell = true;
                }
            }
            true
        }
        Some(Select::Role(_) | Select::Group(_) | Select::Groups(..)) | None => true,
        Some(Select::Any(parts)) => parts.iter().all(|part| names(policy, *part, named)),
        Some(Select::All(_) | Select::Not(_) | Select::Where(_) | Select::ReportsTo { .. }) => false,
    }
}

/// The marked nodes and everything they read.
pub(super) fn upstream(edges: &[(u32, u32)], marked: &[bool]) -> Vec<bool> {
    let mut turned: Vec<(u32, u32)> = edges.iter().map(|(from, to)| (*to, *from)).collect();
    turned.sort_unstable();
    super::touched::downstream(&turned, marked)
}

/// Who holds what from a start until the next one.
type Holds = BTreeMap<Membership, Option<Instant>>;

/// Follows a part through time.
fn follow(
    difference: &Difference<'_>,
    which: Which,
    slice: &Slice,
    at: Instant,
    counts: impl Fn(GroupId) -> bool,
    out: &mut Timeline,
) {
    let reader = Reader { difference, which, slice, counts };
    let mut starts = vec![at];
    starts.extend(slice.starts(at));
    let mut known: BTreeMap<Membership, (Option<Instant>, Option<Instant>)> = BTreeMap::new();
    let mut open: BTreeSet<Membership> = BTreeSet::new();
    for (n, start) in starts.iter().enumerate() {
        let resolution = resolve(&slice.policy, &slice.references, *start);
        let (held, unsettled) = reader.read(&resolution);
        // What ended by itself since the last start, and what does not go on from here.
        let over: Vec<Membership> = known
            .iter()
            .filter(|(membership, (_, ends))| ends.is_some_and(|ends| ends < *start) || !held.contains_key(membership))
            .map(|(membership, _)| *membership)
            .collect();
        for membership in over {
            if let Some((from, ends)) = known.remove(&membership) {
                let ends = ends.map_or(*start, |ends| ends.min(*start));
                out.events.push((ends, Happens::Ends, membership));
                out.spans.push((membership, from, Some(ends)));
            }
        }
        for (membership, ends) in held {
            known.entry(membership).and_modify(|(_, old)| *old = ends).or_insert_with(|| {
                if n > 0 {
                    out.events.push((*start, Happens::Begins, membership));
                }
                ((n > 0).then_some(*start), ends)
            });
        }
        if n > 0 {
            let opens = unsettled.difference(&open).filter(|membership| !known.contains_key(membership));
            out.events.extend(opens.map(|membership| (*start, Happens::Opens, *membership)));
        }
        open = unsettled;
    }
    for (membership, (from, ends)) in known {
        out.events.extend(ends.map(|ends| (ends, Happens::Ends, membership)));
        out.spans.push((membership, from, ends));
    }
}

/// Reads a resolution of a part in the numbers of both sides.
struct Reader<'d, 'p, F> {
    difference: &'d Difference<'p>,
    which: Which,
    slice: &'d Slice,
    counts: F,
}

impl<F: Fn(GroupId) -> bool> Reader<'_, '_, F> {
    fn read(&self, resolution: &Resolution) -> (Holds, BTreeSet<Membership>) {
        let (mut held, mut unsettled) = (Holds::new(), BTreeSet::new());
        for holding in holdings(&self.slice.policy) {
            let Holding::Group(group) = holding else { continue };
            for one in resolution.members(group) {
                if let Some(membership) = self.membership(one.person, one.label.0, group) {
                    held.insert(membership, one.ends);
                }
            }
            let open = resolution.unsettled(group);
            unsettled.extend(open.filter_map(|(person, label)| self.membership(person, label.0, group)));
        }
        (held, unsettled)
    }

    fn membership(&self, person: PersonId, label: u8, group: GroupId) -> Option<Membership> {
        let n = person.0 as usize;
        let whole = self.slice.people.get(n).filter(|_| self.slice.asked.get(n) == Some(&true))?;
        if !(self.counts)(group) {
            return None;
        }
        let pairs = &self.difference.pairs;
        Some(Membership {
            person: *pairs.people.numbers(self.which).get(whole.0 as usize)?,
            group: *pairs.groups.numbers(self.which).get(group.0 as usize)?,
            label: *pairs.labels.numbers(self.which).get(usize::from(label))?,
        })
    }
}

/// Whether anybody ever holds one of these groups from `at` on, or may; by group.
pub(super) fn ever_held(slice: &Slice, groups: &[GroupId], at: Instant) -> Vec<bool> {
    let mut ever = vec![false; groups.len()];
    let mut starts = vec![at];
    starts.extend(slice.starts(at));
    for start in starts {
        let resolution = resolve(&slice.policy, &slice.references, start);
        for (cell, group) in ever.iter_mut().zip(groups) {
            *cell |= resolution.members(*group).len() > 0 || resolution.unsettled(*group).len() > 0;
        }
    }
    ever
}
