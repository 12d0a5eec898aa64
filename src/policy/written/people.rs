//! People as they are written.
//!
//! Comes in: YAML through serde. Goes out: plain data with places for `check`,
//! JSON Schema. Refuses: meaning (dates are text, names are not looked up).

use super::at::{At, Table, Text};
use super::scalar::{Given, NumberOrText, Words, given};
use schemars::JsonSchema;
use serde::Deserialize;

/// What sort of person: the organisation's own, or a built-in one changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Kind")]
pub struct Kind {
    /// `deny`: rules, nested roles and nested groups reach people of this kind only where the entry says `kinds: [that kind]`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "KindDefault")]
    pub default: Option<KindDefault>,
    /// Fields that every person of this kind must have.
    #[schemars(with = "Vec<String>")]
    pub require: Vec<Text>,
}

/// Whether general entries reach a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KindDefault {
    /// They do.
    Allow,
    /// Only where an entry names the kind.
    Deny,
}

/// A human or service identity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Person {
    /// Stable id, a personnel number say; unique over all people, past ones too.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "NumberOrText")]
    pub id: Option<Text>,
    /// Full name.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub name: Option<Box<str>>,
    /// Given name.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub given_name: Option<Box<str>>,
    /// Family name.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub family_name: Option<Box<str>>,
    /// Address; unique over all people, past ones too.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub email: Option<Text>,
    /// `employee`, `contractor`, `vendor`, `service`, or one of `kinds`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "kinds"))]
    pub kind: Option<Text>,
    /// Employer of a contractor or vendor.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub company: Option<Box<str>>,
    /// The person who answers for a contractor or vendor.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub sponsor: Option<Text>,
    /// The person who answers for a service identity.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub owner: Option<Text>,
    /// The person's manager.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub manager: Option<Text>,
    /// Department, for rules and directories.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub department: Option<Box<str>>,
    /// Title, for rules and directories.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub title: Option<Box<str>>,
    /// First day with the organisation (`2026-10-01`), or an exact instant (`2026-10-01T09:00:00+02:00`).
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub starts: Option<Text>,
    /// Last day of access (`2027-03-31`), or an exact instant.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub expires: Option<Text>,
    /// What a bare date means for this person, `America/Sao_Paulo`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub timezone: Option<Text>,
    /// Further attributes, for rules and directories.
    pub attributes: Table<At<Given>>,
    /// Directory (or `directory#word` for a second account) → account name, where it differs from the key.
    #[schemars(with = "Table<String>")]
    pub accounts: Table<Text>,
    /// Several spans with the organisation, instead of `starts` and `expires`.
    #[schemars(with = "Vec<Period>")]
    pub periods: Vec<At<Period>>,
    /// What the person does in a span: a transfer ahead of time, an overlap, a second job.
    #[schemars(with = "Vec<Position>")]
    pub positions: Vec<At<Position>>,
    /// Absences.
    #[schemars(with = "Vec<Leave>")]
    pub leave: Vec<At<Leave>>,
    /// Blocks every deletion while it is there.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Hold")]
    pub hold: Option<At<Hold>>,
    /// Whether an existing account without the same id may be taken over.
    pub adopt: bool,
    /// Old names and addresses.
    #[schemars(with = "Vec<String>")]
    pub aliases: Vec<Text>,
}

/// A span with the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Period {
    /// First day.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub starts: Option<Text>,
    /// Last day.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub expires: Option<Text>,
}

/// What a person does in a span; what is not written here is the person's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Position {
    /// Department in this position.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub department: Option<Box<str>>,
    /// Title in this position.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub title: Option<Box<str>>,
    /// Manager in this position.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub manager: Option<Text>,
    /// Kind in this position.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "kinds"))]
    pub kind: Option<Text>,
    /// First day.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub starts: Option<Text>,
    /// Last day.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub expires: Option<Text>,
    /// How long rules keep giving after the last day, `30d`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub keep: Option<Text>,
    /// Further attributes in this position.
    pub attributes: Table<At<Given>>,
}

/// An absence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// First day of absence.
    #[schemars(with = "String")]
    pub from: Text,
    /// First day back, if it is known.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    pub returns: Option<Text>,
}

/// Why nothing of a person may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The ticket that asks for it.
    #[schemars(with = "NumberOrText")]
    pub ticket: Text,
}

/// Attributes of a group that its object class needs: one value or several.
pub type GroupAttributes = Table<At<Words>>;
