//! WHAT A CHANGE MEANS: who gains and loses what between two sets of policies.
//!
//! Comes in: two [`Side`]s, each a policy, what is known of its references, an instant.
//! Goes out: a [`Difference`] in effective access: through every indirection, now and at
//! every later instant that is written. Refuses: I/O, git, the clock, directories, and to
//! call a group empty that was not read: what hangs on it is [`Open`].
//!
//! * [`pairs`]: who and what is the same on both sides.
//! * `held`: who holds what at the instant.
//! * `touched`: whom and what an edit can concern at all; only those are followed through time.
//! * `slice`: a part of a policy that says the same about a part of the people.
//! * `schedule`: what begins and ends later.
//! * `idle`: dated entries that never give anything.
//! * [`approvals`]: who must agree to it, who has and who could; `judges` and `offices` say what is
//!   loosened of that by which changes are judged, and who answers for what.
//! * [`breaches`]: who breaks a constraint, now and later; [`what_if`]: as if one more line were written.
//! * [`policy_tests`]: whether what must hold of effective access does, at every instant.
//! * [`ledger`]: which access is agreed to, commit by commit along a branch.
//! * `shape`: roles, groups and people that came, went or changed.

pub mod approvals;
pub mod breaches;
mod held;
mod idle;
mod judges;
pub mod ledger;
mod offices;
pub mod pairs;
pub mod policy_tests;
mod schedule;
mod shape;
mod slice;
mod touched;
pub mod what_if;

pub use offices::group_owner;
pub use pairs::{Matched, Pair, Pairs};
pub use shape::{PersonShift, RoleShift};

use crate::model::Instant;
use crate::policy::{EntryId, GroupId, Holding, PersonId, Policy};
use crate::resolve::{self, Held, References, Refusal, Resolution, Step};

/// One side of a comparison.
#[derive(Debug)]
pub struct Side<'p> {
    /// What is written.
    pub policy: &'p Policy,
    /// What is known of groups that are managed elsewhere.
    pub references: &'p References,
    /// Who holds what at the instant.
    pub resolution: Resolution,
}

impl<'p> Side<'p> {
    /// Resolves one side at an instant.
    pub fn new(policy: &'p Policy, references: &'p References, at: Instant) -> Self {
        Self { policy, references, resolution: resolve::resolve(policy, references, at) }
    }

    /// Its instant.
    pub fn at(&self) -> Instant {
        self.resolution.at()
    }
}

/// An account of a person in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// Number of the person in [`Pairs::people`]: the order of names.
    pub person: u32,
    /// Number of the group in [`Pairs::groups`]: the order of directories, then names.
    pub group: u32,
    /// Number of the account's label in [`Pairs::labels`]; 0 is the everyday one.
    pub label: u32,
}

/// A membership that is not the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// What.
    pub membership: Membership,
    /// How it is surely held before; `None` is not.
    pub before: Option<Held>,
    /// How it is surely held after.
    pub after: Option<Held>,
}

impl Shift {
    /// When it ends, or ended: after the change, of what is lost before it. `None` is no end.
    pub fn ends(&self) -> Option<Instant> {
        self.after.or(self.before).and_then(|held| held.ends)
    }
}

/// Memberships in one group of which only a directory could tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Number of the group in [`Pairs::groups`].
    pub group: u32,
    /// Groups it hangs on that were not read: `directory/group`, of either side.
    pub unread: Vec<String>,
    /// Since when; `None` is at the instant that was asked about.
    pub since: Option<Instant>,
    /// Who may gain it: did not hold it for sure, and cannot be told now.
    pub may_gain: Vec<Membership>,
    /// Who may lose it.
    pub may_lose: Vec<Membership>,
}

/// What begins and ends at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub instant: Instant,
    /// Begins then.
    pub gained: Vec<Membership>,
    /// Ends then.
    pub lost: Vec<Membership>,
}

/// A dated member entry that is new and will never give anything to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// The entry, in the head.
    pub entry: EntryId,
    /// Where it stands.
    pub holding: Holding,
    /// Why.
    pub why: WhyIdle,
}

/// Why an entry never gives anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyIdle {
    /// It ended then, before the instant that was asked about.
    Over(Instant),
    /// The role or group ends then, before the entry starts.
    Closed(Instant),
    /// Whoever it selects is not with the organisation then, or is kept out.
    Nobody,
}

/// Everything that two sets of policies mean differently.
#[derive(Debug)]
pub struct Difference<'p> {
    /// Before.
    pub base: Side<'p>,
    /// After.
    pub head: Side<'p>,
    /// Who and what is the same on both sides.
    pub pairs: Pairs,
    /// Surely held after, and not before; by person, then group. So are all of these.
    pub gained: Vec<Shift>,
    /// Surely held before, and surely not after.
    pub lost: Vec<Shift>,
    /// Held on both sides, with a later end after.
    pub extended: Vec<Shift>,
    /// Held on both sides, with an earlier end after.
    pub shortened: Vec<Shift>,
    /// What hangs on groups that were not read.
    pub open: Vec<Open>,
    /// What begins or ends later after the change and not before it; by instant.
    pub scheduled: Vec<Moment>,
    /// What would have begun before the change and is not held then after it (`gained`), and
    /// what would have ended and is held longer, unless `extended` says so (`lost`).
    pub called_off: Vec<Moment>,
    /// Dated entries that are new and never give anything.
    pub idle: Vec<Idle>,
    /// People who come, go, are absent, are called or reached otherwise.
    pub people: Vec<PersonShift>,
    /// Roles that come, go, or give something else.
    pub roles: Vec<RoleShift>,
    /// Groups that come, go, or are called otherwise; numbers in [`Pairs::groups`].
    pub groups: Vec<u32>,
}

/// Compares two sides. The instants of both may differ; then what is scheduled is asked
/// from the head's on.
pub fn difference<'p>(base: Side<'p>, head: Side<'p>) -> Difference<'p> {
    let pairs = Pairs::new(base.policy, head.policy);
    let mut difference = Difference {
        gained: Vec::new(),
        lost: Vec::new(),
        extended: Vec::new(),
        shortened: Vec::new(),
        open: Vec::new(),
        scheduled: Vec::new(),
        called_off: Vec::new(),
        idle: Vec::new(),
        people: shape::people(&base, &head, &pairs),
        roles: shape::roles(base.policy, head.policy, &pairs),
        groups: shape::groups(base.policy, head.policy, &pairs),
        base,
        head,
        pairs,
    };
    held::compare(&mut difference);
    if !std::ptr::eq(difference.base.policy, difference.head.policy) {
        let touched = touched::touched(&difference);
        schedule::compare(&mut difference, &touched);
        difference.idle = idle::find(&difference, &touched);
    }
    difference
}

fn because(side: &Side<'_>, group: Option<GroupId>, held: Option<Held>) -> Vec<Step> {
    let (Some(group), Some(held)) = (group, held) else { return Vec::new() };
    resolve::winning_words(side.policy, &side.resolution, (held.person, held.label), Holding::Group(group))
}

impl Difference<'_> {
    /// Whether nobody's access differs, now or later, for sure or perhaps. People, roles
    /// and groups may still have changed their shape.
    pub fn is_empty(&self) -> bool {
        let shifts = [&self.gained, &self.lost, &self.extended, &self.shortened];
        let moments = [&self.scheduled, &self.called_off];
        shifts.iter().all(|list| list.is_empty()) && moments.iter().all(|list| list.is_empty()) && self.open.is_empty()
    }

    /// The person's ids on both sides.
    pub fn person(&self, membership: Membership) -> Pair<PersonId> {
        self.pairs.people.pair(membership.person)
    }

    /// The group's ids on both sides.
    pub fn group(&self, membership: Membership) -> Pair<GroupId> {
        self.pairs.groups.pair(membership.group)
    }

    /// The person's key after the change, or before it where nobody has it any more.
    pub fn person_key(&self, membership: Membership) -> &str {
        shape::key(self, self.person(membership))
    }

    /// `directory/group`, as it is called after the change.
    pub fn entitlement(&self, group: u32) -> String {
        shape::entitlement(self.base.policy, self.head.policy, self.pairs.groups.pair(group))
    }

    /// The label of the account; `None` is the everyday one.
    pub fn account(&self, membership: Membership) -> Option<&str> {
        let pair = self.pairs.labels.pair(membership.label);
        let head = pair.head.and_then(|label| self.head.policy.label(label));
        head.or_else(|| pair.base.and_then(|label| self.base.policy.label(label)))
    }

    /// The way by which a shift is held before the change, from the person to the group;
    /// empty where it is not.
    pub fn because_before(&self, shift: &Shift) -> Vec<Step> {
        because(&self.base, self.group(shift.membership).base, shift.before)
    }

    /// The same after the change.
    pub fn because_after(&self, shift: &Shift) -> Vec<Step> {
        because(&self.head, self.group(shift.membership).head, shift.after)
    }

    /// Why what is lost is not held after the change; empty where the person or the group is
    /// not declared there any more.
    pub fn why_lost(&self, shift: &Shift) -> Vec<Refusal> {
        let (person, group) = (self.person(shift.membership).head, self.group(shift.membership).head);
        let (Some(person), Some(group), None) = (person, group, shift.after) else { return Vec::new() };
        resolve::why_not(self.head.policy, &self.head.resolution, person, Holding::Group(group))
    }

    /// Whether either side says that a group is privileged.
    pub fn is_privileged(&self, group: u32) -> bool {
        let Pair { base, head } = self.pairs.groups.pair(group);
        let says = |policy: &Policy, id: Option<GroupId>| {
            id.and_then(|id| policy.groups.get(id.0 as usize)).is_some_and(|group| group.privileged)
        };
        says(self.base.policy, base) || says(self.head.policy, head)
    }
}
