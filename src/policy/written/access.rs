//! Roles, groups and constraints as they are written.
//!
//! Comes in: YAML through serde. Goes out: plain data with places for `check`,
//! JSON Schema. Refuses: meaning (dates are text, names are not looked up).

use super::at::{At, Text};
use super::entry::Entry;
use super::people::GroupAttributes;
use super::scalar::{NumberOrText, given};
use schemars::JsonSchema;
use serde::Deserialize;

/// The cross-directory RBAC unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// What it is for.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub description: Option<Box<str>>,
    /// The person who answers for it.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub owner: Option<Text>,
    /// Roles whose members its members also are.
    #[schemars(with = "Vec<String>", extend("x-accord-items" = "roles"))]
    pub includes: Vec<Text>,
    /// Entitlements it gives, `directory/group`.
    #[schemars(with = "Vec<String>", extend("x-accord-items" = "groups"))]
    pub grants: Vec<Text>,
    /// Which account of its members its entitlements go to: the word after `#` under a person's `accounts`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "labels"))]
    pub account: Option<Text>,
    /// Who is in it.
    pub members: Vec<Entry>,
    /// Kept only if also in one of these.
    pub only: Vec<Entry>,
    /// Taken away, always.
    pub except: Vec<Entry>,
    /// Last day of the whole role.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub expires: Option<Text>,
}

/// A named set of accounts in one directory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// What it is for; written to the directory.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub description: Option<Box<str>>,
    /// The person who answers for it.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub owner: Option<Text>,
    /// Its name in the directory, where that differs.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub name: Option<Text>,
    /// Its earlier name in the directory: it is renamed.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub previously: Option<Text>,
    /// How far accord goes.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Manage")]
    pub manage: Option<At<Manage>>,
    /// Whether whoever is in it could do great harm: reviews never leave it out.
    pub privileged: bool,
    /// What happens to members that are no accounts (computers, unknown names).
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Others")]
    pub others: Option<At<Others>>,
    /// Active Directory: who may be a member and where the group counts (default `global`).
    #[serde(deserialize_with = "given")]
    #[schemars(with = "GroupScope")]
    pub scope: Option<At<GroupScope>>,
    /// Active Directory: whether the group grants access (`security`, the default) or only distributes mail.
    #[serde(rename = "type", deserialize_with = "given")]
    #[schemars(with = "GroupType")]
    pub sort: Option<At<GroupType>>,
    /// Attributes that the object class needs, a gidNumber say.
    pub attributes: GroupAttributes,
    /// Which account of its people is in it: the word after `#` under a person's `accounts`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "labels"))]
    pub account: Option<Text>,
    /// Own members, beside those that roles give.
    pub members: Vec<Entry>,
    /// Kept only if also in one of these.
    pub only: Vec<Entry>,
    /// Taken away, always.
    pub except: Vec<Entry>,
    /// Last day of every membership.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub expires: Option<Text>,
}

/// How far accord goes with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ManageGroup")]
pub enum Manage {
    /// Members are exactly the desired ones.
    #[default]
    Exact,
    /// Members are added, never revoked.
    Additive,
    /// Managed elsewhere: read, never changed; may be used in rules.
    Reference,
}

/// Who may be a member of a group of Active Directory, and where it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupScope {
    /// Members of its own domain; counts everywhere.
    #[default]
    Global,
    /// Members from everywhere; counts everywhere.
    Universal,
    /// Members from everywhere; counts in its own domain.
    DomainLocal,
}

impl GroupScope {
    /// The word in the policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Universal => "universal",
            Self::DomainLocal => "domain-local",
        }
    }
}

/// What a group of Active Directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupType {
    /// It grants access.
    #[default]
    Security,
    /// It distributes mail.
    Distribution,
}

impl GroupType {
    /// The word in the policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Distribution => "distribution",
        }
    }
}

/// What happens to members that are no accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// Kept and reported.
    #[default]
    Keep,
    /// Revoked.
    Revoke,
}

/// A role or a group as something that a person holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Holding {
    /// Being in a role.
    #[schemars(with = "String")]
    Role(Text),
    /// Being in a group, `directory/name`.
    #[schemars(with = "String")]
    Group(Text),
}

/// A rule about effective access.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Constraint {
    /// What it is for.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub description: Option<Box<str>>,
    /// Whom it concerns: a rule. Without it, everybody.
    #[serde(rename = "for", deserialize_with = "given")]
    #[schemars(with = "String")]
    pub applies_to: Option<Text>,
    /// Nobody may hold two of these.
    pub exclusive: Vec<Holding>,
    /// Nobody concerned may hold any of these.
    pub forbid: Vec<Holding>,
    /// Longest span of a grant, counted from its `starts`: `365d`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub maximum_term: Option<Text>,
    /// Fields that a member entry for the people concerned must have.
    #[schemars(with = "Vec<String>")]
    pub require: Vec<Text>,
    /// With `require`: only entries by which somebody comes into one of these, however far away.
    pub into: Vec<Holding>,
    /// Dated permissions to break it.
    #[schemars(with = "Vec<Exception>")]
    pub exceptions: Vec<At<Exception>>,
    /// What follows a breach that time brought.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Breach")]
    pub on_breach: Option<At<Breach>>,
    /// What follows the departure of a sponsor.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "SponsorGone")]
    pub sponsor_gone: Option<At<SponsorGone>>,
}

/// A dated permission to break a constraint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// For whom.
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub person: Text,
    /// First day.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    pub starts: Option<Text>,
    /// Last day; required.
    #[schemars(with = "String")]
    pub expires: Text,
    /// Ticket of the request.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "NumberOrText")]
    pub ticket: Option<Box<str>>,
    /// Why.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    pub reason: Option<Box<str>>,
    /// Who approved it.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub approved_by: Option<Text>,
}

/// What follows a breach that time or a departure brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Breach {
    /// It is said, and new grants of the people concerned are withheld.
    #[default]
    Report,
    /// Additionally these, sides of the constraint or what it forbids, are taken away
    /// from the people concerned, until something that starts gives them anew.
    Revoke(Vec<Holding>),
}

/// What follows the departure of a sponsor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SponsorGone {
    /// How long the people concerned stay after the sponsor's last day: `14d`.
    #[schemars(with = "String")]
    pub grace: Text,
    /// What happens then.
    #[serde(default)]
    pub then: SponsorGoneThen,
}

/// What happens when the grace after a sponsor's departure is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SponsorGoneThen {
    /// It is reported.
    #[default]
    Report,
    /// Accounts are disabled.
    Disable,
}
