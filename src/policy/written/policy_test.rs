//! Policy tests as they are written.
//!
//! Comes in: YAML through serde. Goes out: plain data with places for `check`, JSON
//! Schema. Refuses: meaning (dates are text, names are not looked up).

use super::Holding;
use super::at::{At, Text};
use super::entry::Entry;
use super::scalar::given;
use schemars::JsonSchema;
use serde::Deserialize;

/// What must hold of effective access whatever is edited. It says one thing:
/// `nobody_reaches`, or `person`/`everybody` with `has` and `has_not`, or `holders_of`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyTest {
    /// What it is for.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub description: Option<Box<str>>,
    /// Nobody holds any of these.
    pub nobody_reaches: Vec<Holding>,
    /// With `nobody_reaches`: only of these people.
    pub among: Vec<Entry>,
    /// With `nobody_reaches`: these people may.
    pub outside: Vec<Entry>,
    /// The person of whom `has` and `has_not` speak.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    pub person: Option<Text>,
    /// The people of whom `has` speaks.
    pub everybody: Vec<Entry>,
    /// What they hold.
    pub has: Vec<Holding>,
    /// What they do not hold.
    pub has_not: Vec<Holding>,
    /// Of these, so many people hold any: `at_least`, `at_most`.
    pub holders_of: Vec<Holding>,
    /// With `holders_of`: the least number of people.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "u32")]
    pub at_least: Option<At<u32>>,
    /// With `holders_of`: the greatest number of people.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "u32")]
    pub at_most: Option<At<u32>>,
    /// The one instant: a date is its first moment.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub at: Option<Text>,
    /// First day; without it, from now on.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub from: Option<Text>,
    /// Last day.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub until: Option<Text>,
    /// For so long from the first instant on: `180d`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    pub within: Option<Text>,
}
