//! Approvals as they are written.
//!
//! Comes in: YAML through serde. Goes out: plain data with places for `check`, JSON
//! Schema. Refuses: meaning (names are not looked up).

use super::at::{At, Text};
use super::scalar::given;
use schemars::JsonSchema;
use serde::Deserialize;

/// Who must agree before somebody gains access, or keeps it for longer. What is written of
/// `entitlements`, `kinds` and `privileged` must all hold; without any, it is about all access.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalRule {
    /// What it is for.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub description: Option<Box<str>>,
    /// Entitlements, `directory/group`; `*` stands for any characters.
    #[schemars(with = "Vec<String>")]
    pub entitlements: Vec<Text>,
    /// Kinds of people.
    #[schemars(with = "Vec<String>", extend("x-accord-items" = "kinds"))]
    pub kinds: Vec<Text>,
    /// Only groups that are `privileged`.
    pub privileged: bool,
    /// Who may agree, by office.
    #[schemars(with = "Vec<Approver>")]
    pub from: Vec<At<Approver>>,
    /// Who may agree, by name.
    #[schemars(with = "Vec<String>", extend("x-accord-items" = "people"))]
    pub people: Vec<Text>,
    /// How many different people must agree (default 1).
    #[serde(deserialize_with = "given")]
    #[schemars(with = "u8")]
    pub count: Option<At<u8>>,
}

/// An office by which somebody may agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approver {
    /// Owner of the group or, where it has none, of the one role that grants it.
    Owner,
    /// Sponsor of the person who gains.
    Sponsor,
    /// Manager of the person who gains.
    Manager,
}
