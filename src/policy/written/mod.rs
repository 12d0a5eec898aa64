//! The policy language as it is written: one file, with the place of everything
//! that can be wrong.
//!
//! Comes in: YAML through serde (`policy::yaml`). Goes out: [`File`] for `check`,
//! JSON Schema for editors. Refuses: unknown fields, empty values, meaning: dates
//! are text here, names are not looked up, rules are not compiled.

mod access;
mod at;
mod entry;
mod oversight;
mod people;
mod policy_test;
mod scalar;
mod short;

pub use access::{Breach, Constraint, Exception, Group, Holding, Manage, Others, Role, SponsorGone, SponsorGoneThen};
pub(crate) use at::MARKED;
pub use at::{At, Found, Mark, Table, Text};
pub use entry::{Details, Entry, FIELDS as ENTRY_FIELDS, SELECTORS, Selector};
pub use oversight::{ApprovalRule, Approver};
pub use people::{GroupAttributes, Hold, Kind, KindDefault, Leave, Period, Person, Position};
pub use policy_test::PolicyTest;
pub use scalar::{Given, Words, given};
pub use short::Short;

use super::journal::JournalSettings;
use super::settings::{DirectorySettings, ForgeSettings, Guardrails};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// One policy file. The first nine sections belong into `accord.yaml` only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "accord policy file", rename = "PolicyFile")]
pub struct File {
    /// The organisation's name. Only in `accord.yaml`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub organization: Option<Text>,
    /// What a bare date means, `Europe/Berlin`. Only in `accord.yaml`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub timezone: Option<Text>,
    /// Sorts of people. Only in `accord.yaml`.
    pub kinds: Table<Kind>,
    /// Live systems that hold accounts and groups. Only in `accord.yaml`.
    pub directories: Table<DirectorySettings>,
    /// Limits on what one plan may do. Only in `accord.yaml`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Guardrails")]
    pub guardrails: Option<At<Guardrails>>,
    /// Where changes of the policies are reviewed. Only in `accord.yaml`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "ForgeSettings")]
    pub forge: Option<At<ForgeSettings>>,
    /// Where the journal is shared between machines. Only in `accord.yaml`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "JournalSettings")]
    pub journal: Option<At<JournalSettings>>,
    /// People who must agree before rules, owners, limits or connections are loosened. Only in `accord.yaml`.
    #[schemars(with = "Vec<String>", extend("x-accord-items" = "people"))]
    pub policy_owners: Vec<Text>,
    /// Who must agree to which access, by name. Only in `accord.yaml`.
    pub approvals: Table<ApprovalRule>,
    /// People by key; a key is one person's for ever.
    pub people: Table<Person>,
    /// Roles by name.
    pub roles: Table<Role>,
    /// Groups by `directory/name`.
    pub groups: Table<Group>,
    /// Constraints by name.
    pub constraints: Table<Constraint>,
    /// What must hold of effective access whatever is edited, by name.
    pub tests: Table<PolicyTest>,
}

/// A policy file and what is written in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Path as the user would type it, `policies/roles/sre.yaml`.
    pub path: Arc<str>,
    /// What is written.
    pub file: File,
}

impl Document {
    /// A mark in this file as a span for diagnostics.
    pub fn span(&self, mark: Mark) -> crate::diagnostic::Span {
        span(&self.path, mark)
    }
}

/// A mark in the file at `path` as a span for diagnostics.
pub fn span(path: &Arc<str>, mark: Mark) -> crate::diagnostic::Span {
    crate::diagnostic::Span {
        file: Arc::clone(path),
        line: mark.line,
        column: u32::from(mark.column),
        length: u32::from(mark.length),
    }
}
