//! WHAT SHOULD BE: roles, rules, nesting and time become who holds what at an instant.
//!
//! Comes in: a [`Policy`], the [`References`] that were read, an instant. Goes out:
//! a [`Resolution`] (who is in which role and group, until when, through which
//! entry) and, for one directory, a [`DesiredDirectory`]. Refuses: the clock,
//! directories, and to guess: a set has a *sure* and a *possible* reading, and what
//! hangs on something unread is *unsettled*.

mod ask;
mod because;
mod constraints;
mod cuts;
mod desired;
mod ended;
mod ever;
mod fixed;
mod graph;
mod holder;
mod joiners;
mod lacking;
mod logon;
mod moments;
mod nesting;
mod required;
mod rules;
mod select;
mod sets;
mod span;
mod sponsor;
mod term;
mod terms;
mod times;
mod tree;
mod values;
mod way;
mod why_not;

pub use because::{Chain, Step, account, because, because_with, claimed, name, winning_words};
pub use constraints::{Breach, BreachKind, Side, carried, constraints};
pub use cuts::Cut;
pub use desired::{DesiredDirectory, desired};
pub use ended::ended;
pub use ever::{could_ever, reads};
pub use fixed::{checked, static_breaches};
pub use graph::{depends_on, needed, references_of};
pub use joiners::{Early, early_accounts};
pub use nesting::{DesiredNesting, Nested, NestedGroup, forbidden, nested, says_kind};
pub use sponsor::{Gone, answering, unsponsored};
pub use terms::ending_term;
pub use times::instants;
pub use way::{Link, Taken, barred, winning};
pub use why_not::{Refusal, RefusalKind, why_not};

use crate::model::Instant;
use crate::policy::{EntryId, GroupId, Holding, Label, PersonId, Policy, RoleId};
use cuts::Cuts;
use holder::Holders;
use joiners::Joiners;
use sets::{Node, Nodes};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use times::{Facts, Times};
use way::Feeders;

/// What is known of groups that are managed elsewhere (and of the directories' own
/// exact groups nothing is needed: their members are what the policy says).
#[derive(Debug, Clone, Default)]
pub struct References {
    /// Reference group → what was read. A reference group that is absent here was
    /// not read.
    pub groups: BTreeMap<GroupId, Reference>,
}

/// One reference group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Read completely: the people among its members, sorted.
    Read(Vec<PersonId>),
    /// Not read, or not completely: why.
    NotRead(String),
}

/// Through what a person is in a set: the first step of the because chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// A member entry of the role or group itself.
    Entry(EntryId),
    /// For a group: a role that grants it. For a role: a role that includes it.
    Role(RoleId),
    /// For a reference group: the directory says so.
    Directory,
}

impl Via {
    const ROLES: u32 = 1 << 31;

    /// The way as one small number, kept beside a membership: entries
    /// by their number, roles by theirs with the highest bit set.
    pub fn number(self) -> u32 {
        match self {
            Self::Entry(entry) => entry.0,
            Self::Role(role) => role.0 | Self::ROLES,
            Self::Directory => u32::MAX,
        }
    }

    /// The way with that number.
    pub fn from_number(number: u32) -> Self {
        match number {
            u32::MAX => Self::Directory,
            n if n & Self::ROLES != 0 => Self::Role(RoleId(n & !Self::ROLES)),
            n => Self::Entry(EntryId(n)),
        }
    }
}

/// One person in one set, with one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Who.
    pub person: PersonId,
    /// With which account.
    pub label: Label,
    /// Through what; where several ways lead there, the one that ends last, then the first written.
    pub via: Via,
    /// When it ends, as far as is written; `None` is no end.
    pub ends: Option<Instant>,
}

/// Who is in which role and group at an instant, until when, and through what.
#[derive(Debug, Clone)]
pub struct Resolution {
    times: Times,
    nodes: Nodes,
    cuts: Cuts,
    joiners: Joiners,
    feeders: OnceLock<Feeders>,
    holders: Holders,
    /// Number of the last label.
    labels: u8,
    /// Memberships that are written and are not to be: see [`Self::keep_out`].
    kept_out: BTreeSet<(GroupId, PersonId, Label)>,
}

/// Resolves the policy at an instant. Reference groups that `references` lacks count
/// as not read.
pub fn resolve(policy: &Policy, references: &References, at: Instant) -> Resolution {
    let facts = Facts::new(policy, at);
    let (nodes, cuts) = sets::resolve(&facts, references);
    Resolution { nodes, cuts, ..Resolution::without_sets(facts) }
}

/// The same, with who is about to begin and gets an account ready for that day
/// (`accounts.create_before`): what [`desired()`] is asked of.
pub fn resolve_with_joiners(policy: &Policy, references: &References, at: Instant) -> Resolution {
    Resolution { joiners: Joiners::new(policy, references, at), ..resolve(policy, references, at) }
}

impl Resolution {
    /// Nobody in anything, at the instant of `facts`.
    fn without_sets(facts: Facts<'_>) -> Self {
        let labels = u8::try_from(facts.policy.labels.len()).unwrap_or(u8::MAX);
        let (nodes, cuts, joiners) = (Nodes::default(), Cuts::default(), Joiners::default());
        Self {
            times: facts.times,
            nodes,
            cuts,
            joiners,
            feeders: OnceLock::new(),
            holders: facts.holders,
            labels,
            kept_out: BTreeSet::new(),
        }
    }

    /// Keeps people out of groups in what [`desired()`] makes of it, without asking why they
    /// are in them; every other question is answered as it is written.
    pub fn keep_out(&mut self, kept_out: BTreeSet<(GroupId, PersonId, Label)>) {
        self.kept_out = kept_out;
    }

    /// The members of a group that are to be.
    fn wanted(&self, group: GroupId) -> impl Iterator<Item = Held> + '_ {
        let is_out = move |held: &Held| self.kept_out.contains(&(group, held.person, held.label));
        self.members(group).filter(move |held| self.kept_out.is_empty() || !is_out(held))
    }

    /// The instant that was resolved.
    pub fn at(&self) -> Instant {
        self.times.at
    }

    /// Sure members of a group, by account, then person.
    pub fn members(&self, group: GroupId) -> impl ExactSizeIterator<Item = Held> + '_ {
        self.held_in(Holding::Group(group))
    }

    /// Sure members of a role, by account, then person.
    pub fn role_members(&self, role: RoleId) -> impl ExactSizeIterator<Item = Held> + '_ {
        self.held_in(Holding::Role(role))
    }

    /// Sure members of a role or group: the everyday accounts by person, then the
    /// second ones. Somebody may be in it with several.
    pub fn held_in(&self, holding: Holding) -> impl ExactSizeIterator<Item = Held> + '_ {
        static NOBODY: Node = Node::nobody();
        let node = self.nodes.get(holding).unwrap_or(&NOBODY);
        (0..node.sure.len()).map(move |n| self.held_at(node, n))
    }

    fn held_at(&self, node: &Node, n: usize) -> Held {
        let span = node.sure.get(n).copied().unwrap_or(span::Span { person: 0, tick: 0 });
        let (person, label) = self.holders.parts(span.person);
        Held { person, label, via: node.via(n), ends: self.times.instant(span.tick) }
    }

    /// Whether, through what and until when a person surely holds something, with
    /// whichever account; of several with the one that ends last.
    pub fn held(&self, person: PersonId, holding: Holding) -> Option<Held> {
        let all = (0..=self.labels).filter_map(|label| self.held_with(person, Label(label), holding));
        // Of two that end together the first, which is the everyday one.
        all.reduce(|best, other| {
            let longer = best.ends.is_some_and(|end| other.ends.is_none_or(|other| other > end));
            if longer { other } else { best }
        })
    }

    /// With how many accounts, declared or not, a person surely holds something.
    pub fn accounts_with(&self, person: PersonId, holding: Holding) -> usize {
        (0..=self.labels).filter(|label| self.held_with(person, Label(*label), holding).is_some()).count()
    }

    /// The same with one account, or with any.
    fn held_by(&self, person: PersonId, label: Option<Label>, holding: Holding) -> Option<Held> {
        match label {
            Some(label) => self.held_with(person, label, holding),
            None => self.held(person, holding),
        }
    }

    /// The same with one account.
    pub fn held_with(&self, person: PersonId, label: Label, holding: Holding) -> Option<Held> {
        let node = self.nodes.get(holding)?;
        let holder = self.holders.number(person.0, label);
        let n = node.sure.binary_search_by_key(&holder, |span| span.person).ok()?;
        Some(self.held_at(node, n))
    }

    /// Possible members (expired included, unknown counts as yes), by person. `None`
    /// where being in the role or group takes nothing away from anybody: it was not
    /// worked out then.
    pub fn possible(&self, holding: Holding) -> Option<impl Iterator<Item = PersonId> + '_> {
        let possible = self.nodes.get(holding)?.possible()?;
        Some(possible.iter().filter(|span| span.tick == 0).map(|span| PersonId(span.person)))
    }

    /// People whose membership hangs on a reference that was not read, with the account:
    /// neither in nor out. Sorted by account, then person.
    pub fn unsettled(&self, group: GroupId) -> impl ExactSizeIterator<Item = (PersonId, Label)> + '_ {
        self.nodes.unsettled(Holding::Group(group)).iter().map(|holder| self.holders.parts(*holder))
    }

    /// People of whom nobody can say whether they hold it at all. Sorted.
    pub fn unsettled_in(&self, holding: Holding) -> impl ExactSizeIterator<Item = PersonId> + '_ {
        let mut list: Vec<PersonId> =
            self.nodes.unsettled(holding).iter().map(|holder| self.holders.parts(*holder).0).collect();
        if self.labels > 0 {
            list.sort_unstable();
            list.dedup();
            list.retain(|person| self.held(*person, holding).is_none());
        }
        list.into_iter()
    }

    /// What constraints with `on_breach: revoke` take away, now or later as far as is
    /// written; by holding, then person.
    pub fn cuts(&self) -> &[Cut] {
        self.cuts.list()
    }

    /// The cut in force that keeps a person out of a role or group.
    pub fn cut(&self, person: PersonId, holding: Holding) -> Option<&Cut> {
        self.cuts.of(person, holding).find(|cut| cut.is_in_force(self.at()))
    }

    /// The cut that will end at that instant what a person holds.
    pub fn ending_cut(&self, person: PersonId, ends: Instant) -> Option<&Cut> {
        let coming = |cut: &&Cut| cut.person == person && cut.since == Some(ends) && !cut.is_in_force(self.at());
        self.cuts.list().iter().find(coming)
    }

    /// Number of sure memberships in groups.
    pub fn membership_count(&self) -> usize {
        self.nodes.list.iter().skip(self.nodes.roles).map(|node| node.sure.len()).sum()
    }
}

/// Below which of several bases an account belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placed {
    /// The base of that number in `accounts.bases`.
    In(u16),
    /// Whether the rule of that number takes the person cannot be told.
    Unknown(u16),
}

/// What is wanted of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// It exists and can be used.
    Enabled,
    /// The person is absent: it exists, if it existed, and cannot be used; memberships stay.
    OnLeave,
    /// The person's last period ended then: what `leavers` says.
    Left(Instant),
    /// The person is here but holds nothing in this directory: kept as it is, not created.
    NotNeeded,
    /// The person has not begun: not created yet.
    NotYet(Instant),
    /// The person begins, or comes back, then, and that is soon: it exists, and cannot be used.
    Soon(Instant),
}
