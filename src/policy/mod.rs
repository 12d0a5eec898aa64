//! WHAT IS WRITTEN: the policies, loaded, merged, checked, with every name resolved.
//!
//! Comes in: bytes from `source`. Goes out: a [`Policy`] in which names are
//! numbers, dates are instants and rules are compiled, or all errors at once.
//! Refuses: directories, the clock (loading gives the same policy at any time).

pub mod access;
pub mod check;
pub mod connection;
pub mod date;
mod diagnose;
mod few;
pub mod forge;
pub mod glob;
pub mod journal;
pub mod load;
pub mod oversight;
pub mod people;
pub mod policy_test;
pub mod rule;
pub mod schema;
pub mod settings;
pub mod written;
pub mod yaml;

pub use access::{
    Breach, Constraint, Details, Entry, EntryId, Exception, Globbed, Grant, Group, GroupId, Holding, Manage, People,
    Role, RoleId, RuleId, Select, SponsorGone,
};
pub use few::Few;
pub use load::{load, load_read, load_two};
pub use oversight::{ApprovalRule, Approver, Oversight};
pub use people::{AccountName, Kind, KindId, Label, Leave, Period, Person, PersonId, Position, Rare, Standing, Value};
pub use policy_test::{Claim, Lasts, PolicyTest, Subject};
pub use settings::{AccountsFor, Directory, DirectoryId, Guardrails};

use crate::diagnostic::{Diagnostic, Span};
use crate::model::{FileId, Place};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Everything that is written, checked. People, roles, groups, constraints and
/// directories are sorted by name; their ids are positions in these lists.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The organisation's name.
    pub organization: Box<str>,
    /// What a bare date means where a person has no zone of their own.
    pub timezone: TimeZone,
    /// Kinds of people, the built-in ones and the organisation's own.
    pub kinds: Vec<Kind>,
    /// Labels of second accounts (`admin` of `corp#admin`), sorted; a [`Label`] is a
    /// position in it, plus one.
    pub labels: Vec<Box<str>>,
    /// Directories by name.
    pub directories: Vec<Directory>,
    /// Limits on one plan.
    pub guardrails: Guardrails,
    /// Those of the revision that is trusted, where they differ: a class must pass both.
    pub trusted_guardrails: Option<Guardrails>,
    /// Who must agree to a change.
    pub oversight: Oversight,
    /// People by key.
    pub people: Vec<Person>,
    /// Roles by key.
    pub roles: Vec<Role>,
    /// Groups by directory, then name.
    pub groups: Vec<Group>,
    /// Constraints by key.
    pub constraints: Vec<Constraint>,
    /// What must hold of effective access, by key.
    pub tests: Vec<PolicyTest>,
    /// Every member entry, also nested ones, and those by which tests say who.
    pub entries: Vec<Entry>,
    /// Every rule, compiled once.
    pub rules: Vec<rule::Rule>,
    /// Paths of the policy files, sorted.
    pub files: Vec<Arc<str>>,
    /// SHA-256 over the sorted paths and bytes of all policy files, lower-case hex.
    pub digest: String,
    /// What is suspicious but not wrong.
    pub warnings: Vec<Diagnostic>,
}

impl Policy {
    /// `file:line` of a place, the path relative to the policies' parent.
    pub fn locate(&self, place: Place) -> (Arc<str>, u32) {
        (self.file(place.file), place.line)
    }

    /// The place as a span of length 1, for diagnostics.
    pub fn span(&self, place: Place) -> Span {
        Span { file: self.file(place.file), line: place.line, column: place.column, length: 1 }
    }

    /// The word of a second account; `None` for the everyday one.
    pub fn label(&self, label: Label) -> Option<&str> {
        let n = usize::from(label.0).checked_sub(1)?;
        self.labels.get(n).map(AsRef::as_ref)
    }

    /// The label with that word, exact; no word is the everyday account. `None` where no
    /// second account is called so.
    pub fn label_of(&self, word: Option<&str>) -> Option<Label> {
        let Some(word) = word else { return Some(Label::EVERYDAY) };
        let n = self.labels.iter().position(|label| **label == *word)?;
        u8::try_from(n + 1).ok().map(Label)
    }

    fn file(&self, file: FileId) -> Arc<str> {
        self.files.get(file.0 as usize).cloned().unwrap_or_else(|| Arc::from("?"))
    }

    /// The person with that key, exact.
    pub fn person_named(&self, key: &str) -> Option<PersonId> {
        let n = self.people.binary_search_by(|person| person.key.as_ref().cmp(key)).ok()?;
        u32::try_from(n).ok().map(PersonId)
    }

    /// The role with that key, exact.
    pub fn role_named(&self, key: &str) -> Option<RoleId> {
        let n = self.roles.binary_search_by(|role| role.key.as_ref().cmp(key)).ok()?;
        u32::try_from(n).ok().map(RoleId)
    }

    /// The directory with that name, exact.
    pub fn directory_named(&self, name: &str) -> Option<DirectoryId> {
        let n = self.directories.binary_search_by(|directory| directory.name.as_ref().cmp(name)).ok()?;
        u16::try_from(n).ok().map(DirectoryId)
    }

    /// The group written `directory/name`, exact.
    pub fn group_named(&self, entitlement: &str) -> Option<GroupId> {
        let (directory, name) = entitlement.split_once('/')?;
        let directory = self.directory_named(directory)?;
        let n = self.groups.binary_search_by(|g| (g.directory, g.name.as_ref()).cmp(&(directory, name))).ok()?;
        u32::try_from(n).ok().map(GroupId)
    }
}
