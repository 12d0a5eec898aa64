//! WHAT SHOULD BE: roles, rules, nesting and time become who holds what at an instant.
//!
//! Comes in: a [`Policy`], the [`References`] that were read, an instant. Goes out:
//! a [`Resolution`] (who is in which role and group, until when, through which
//! entry) and, for one directory, a [`DesiredDirectory`]. Refuses: the clock,
//! directories, and to guess: a set has a *sure* and a *possible* reading, and what
//! hangs on something unread is *unsettled*.

use crate::model::{Instant, State};
use crate::policy::{EntryId, GroupId, PersonId, RoleId};
use std::collections::BTreeMap;

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

/// One person in one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Who.
    pub person: PersonId,
    /// Through what; where several ways lead there, the one that ends last, then the first written.
    pub via: Via,
    /// When it ends, as far as is written; `None` is no end.
    pub ends: Option<Instant>,
}

/// What one directory should hold.
#[derive(Debug, Clone)]
pub struct DesiredDirectory {
    /// Accounts of everybody declared (whether or not one is wanted now), groups
    /// that the policy names and does not merely reference, and memberships.
    pub state: State,
    /// Beside each account of `state` its person.
    pub people: Vec<PersonId>,
    /// Beside each account of `state` what is wanted of it.
    pub wants: Vec<Want>,
    /// Beside each group of `state` its number in the policy.
    pub groups: Vec<GroupId>,
    /// Memberships that hang on something unread: (group, account) numbers of
    /// `state`, sorted. Neither granted nor revoked.
    pub unsettled: Vec<(crate::model::StateGroupId, crate::model::AccountId)>,
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
}
