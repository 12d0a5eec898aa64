//! Who must agree to a change, as the policy means it.
//!
//! Comes in: what `policy::check` resolved. Goes out: plain data for `review`. Refuses:
//! YAML.

use super::glob::Glob;
use super::journal::GitJournal;
use super::people::{KindId, PersonId};
use super::settings::ForgeSettings;
pub use super::written::Approver;
use crate::model::Place;

/// Who must agree to a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Oversight {
    /// Where changes are reviewed.
    pub forge: Option<ForgeSettings>,
    /// Where the journal is shared between machines.
    pub journal: Option<GitJournal>,
    /// Who must agree before a rule, an owner, a limit or a connection is loosened; sorted.
    pub owners: Vec<PersonId>,
    /// Who must agree to which access; by name.
    pub approvals: Vec<ApprovalRule>,
}

/// Who must agree before somebody gains access, or keeps it for longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRule {
    /// Its name.
    pub key: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Entitlements that it is about; empty: all.
    pub entitlements: Vec<Glob>,
    /// Kinds of people that it is about; empty: all.
    pub kinds: Vec<KindId>,
    /// Whether it is about privileged groups only.
    pub privileged: bool,
    /// Who may agree, by office; sorted.
    pub from: Vec<Approver>,
    /// Who may agree, by name; sorted.
    pub people: Vec<PersonId>,
    /// How many different people must agree, at least 1.
    pub count: u8,
    /// Where it was written.
    pub place: Place,
}
