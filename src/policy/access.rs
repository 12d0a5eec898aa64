//! Roles, groups, member entries and constraints as the policy means them.
//!
//! Comes in: what `policy::check` resolved. Goes out: plain data for `resolve`.
//! Refuses: YAML, and references to what is not declared.

use super::few::Few;
use super::people::{KindId, Label, PersonId};
use super::settings::DirectoryId;
use crate::model::{Instant, Place, Term, Window};

/// Number of a role: position in `Policy::roles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub u32);

/// Number of a group: position in `Policy::groups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// Number of a member entry: position in `Policy::entries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u32);

/// Number of a rule: position in `Policy::rules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// People whom an entry names: nearly always one.
pub type People = Few<PersonId>;

/// What an entry selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// One or several people by key.
    People(People),
    /// Everybody in a role.
    Role(RoleId),
    /// Everybody in a group.
    Group(GroupId),
    /// Everybody in any group that a glob matched.
    Groups(Box<Globbed>),
    /// Everybody with a position for which the rule is true.
    Where(RuleId),
    /// The tree below a manager.
    ReportsTo {
        /// Top of the tree.
        manager: PersonId,
        /// One level only.
        direct: bool,
        /// The manager too.
        including: bool,
    },
    /// People in every one of these.
    All(Few<EntryId>),
    /// People in any of these.
    Any(Few<EntryId>),
    /// People not in this; only ever inside `all` beside something positive, or in
    /// `except`/`only`.
    Not(EntryId),
}

/// The groups that a glob matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globbed {
    /// Never the group that holds the entry.
    pub groups: Vec<GroupId>,
    /// The glob as it was written.
    pub pattern: Box<str>,
}

/// One line that puts somebody into a role or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whom.
    pub select: Select,
    /// What else is written; apart, because a company has a million entries and most
    /// are a bare key. Never the default.
    pub details: Option<Box<Details>>,
    /// Where it was written.
    pub place: Place,
}

/// What an entry says beside whom it selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// From when to when.
    pub window: Window,
    /// Gated kinds that this entry lets in, sorted.
    pub kinds: Vec<KindId>,
    /// Ticket of the request.
    pub ticket: Option<Box<str>>,
    /// Why, in words.
    pub reason: Option<Box<str>>,
    /// Who is claimed to have approved it.
    pub approved_by: Option<PersonId>,
}

static NO_DETAILS: Details = Details {
    window: Window { starts: None, expires: None },
    kinds: Vec::new(),
    ticket: None,
    reason: None,
    approved_by: None,
};

impl Details {
    /// As an entry holds them: nothing where nothing is written.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != NO_DETAILS).then(|| Box::new(self))
    }
}

impl Entry {
    /// What is written beside whom the entry selects.
    pub fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }

    /// From when to when.
    pub fn window(&self) -> Window {
        self.details().window
    }
}

/// An entitlement that a role gives, and where that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The group.
    pub group: GroupId,
    /// Where it was written.
    pub place: Place,
}

/// The cross-directory RBAC unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub key: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Who answers for it.
    pub owner: Option<PersonId>,
    /// Roles whose entitlements it also gives: its members are members of those.
    pub includes: Vec<(RoleId, Place)>,
    /// Entitlements it gives.
    pub grants: Vec<Grant>,
    /// Who is in it.
    pub members: Vec<EntryId>,
    /// Kept only if also in one of these. Empty: no such condition.
    pub only: Vec<EntryId>,
    /// Taken away, always.
    pub except: Vec<EntryId>,
    /// Which account of its members its entitlements go to; `None`: the one by which
    /// somebody is in it.
    pub account: Option<Label>,
    /// When the whole role ends.
    pub expires: Option<Instant>,
    /// Where it was written.
    pub place: Place,
}

/// How far accord goes with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Manage {
    /// Members are exactly the desired ones.
    #[default]
    Exact,
    /// Members are added, never revoked.
    Additive,
    /// Managed elsewhere: read, never changed.
    Reference,
}

/// A named set of accounts in one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// In which directory.
    pub directory: DirectoryId,
    /// Name in the policy, without the directory.
    pub name: Box<str>,
    /// Name in the directory (`name:`), or `name`.
    pub directory_name: Box<str>,
    /// Earlier name in the directory.
    pub previously: Option<Box<str>>,
    /// What it is for; written to the directory's `description`.
    pub description: Option<Box<str>>,
    /// Who answers for it.
    pub owner: Option<PersonId>,
    /// How far accord goes.
    pub manage: Manage,
    /// Whether whoever is in it could do great harm: reviews never leave it out.
    pub privileged: bool,
    /// `others: revoke`: members that are no accounts are revoked too.
    pub revoke_others: bool,
    /// Attributes that the object class needs (`gidNumber`), sorted by name.
    pub attributes: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Own members, beside those that roles give.
    pub members: Vec<EntryId>,
    /// Kept only if also in one of these. Empty: no such condition.
    pub only: Vec<EntryId>,
    /// Taken away, always.
    pub except: Vec<EntryId>,
    /// Which account of its people is in it; `None`: the one by which somebody holds it.
    pub account: Option<Label>,
    /// When every membership of it ends.
    pub expires: Option<Instant>,
    /// Where it was written.
    pub place: Place,
}

/// A role or a group as something that a person holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holding {
    /// Being in a role.
    Role(RoleId),
    /// Being in a group.
    Group(GroupId),
}

/// A dated permission to break a constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// For whom.
    pub person: PersonId,
    /// From when to when; an end is required.
    pub window: Window,
    /// Ticket.
    pub ticket: Option<Box<str>>,
    /// Why.
    pub reason: Option<Box<str>>,
    /// Who is claimed to have approved it.
    pub approved_by: Option<PersonId>,
    /// Where it was written.
    pub place: Place,
}

/// What happens when time or a departure breaks a constraint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Breach {
    /// Said, and new grants of the people concerned are withheld.
    #[default]
    Report,
    /// Additionally these are taken away from the people concerned.
    Revoke(Vec<Holding>),
}

/// A rule about effective access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Its name.
    pub key: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Whom it concerns; `None` is everybody.
    pub applies_to: Option<RuleId>,
    /// Nobody may hold two of these.
    pub exclusive: Vec<Holding>,
    /// Nobody concerned may hold any of these.
    pub forbid: Vec<Holding>,
    /// Longest span of a grant, counted from its `starts`.
    pub maximum_term: Option<Term>,
    /// Fields that a member entry for the people concerned must have (`ticket`, `reason`, `expires`).
    pub require: Vec<Box<str>>,
    /// Where `require` counts: entries by which somebody comes into one of these; empty: everywhere.
    pub into: Vec<Holding>,
    /// Dated permissions to break it.
    pub exceptions: Vec<Exception>,
    /// What follows a breach that time brought.
    pub on_breach: Breach,
    /// How long a contractor whose sponsor is gone stays, and then: report or disable.
    pub sponsor_gone: Option<SponsorGone>,
    /// Where it was written.
    pub place: Place,
}

/// What follows the departure of a sponsor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SponsorGone {
    /// How long the people concerned stay after the sponsor's last day.
    pub grace: Term,
    /// Whether their accounts are disabled then; otherwise it is reported.
    pub disable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million of them are held at once.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Select>() <= 24 && size_of::<Entry>() <= 48);
    }
}
