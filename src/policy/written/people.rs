//! People as they are written.
//!
//! Comes in: YAML through serde. Goes out: plain data with places for `check`,
//! JSON Schema. Refuses: meaning (dates are text, names are not looked up).

use super::at::{At, Table, Text};
use super::scalar::{Given, NumberOrText, Words, given};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::borrow::Cow;
use std::ops::Deref;

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
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Whole")]
pub struct Person {
    /// Stable id, a personnel number say; unique over all people, past ones too.
    pub id: Option<Text>,
    /// Full name.
    pub name: Option<Box<str>>,
    /// Given name.
    pub given_name: Option<Box<str>>,
    /// Family name.
    pub family_name: Option<Box<str>>,
    /// Address; unique over all people, past ones too.
    pub email: Option<At<Box<str>>>,
    /// `employee`, `contractor`, `vendor`, `service`, or one of `kinds`.
    pub kind: Option<Text>,
    /// The person's manager.
    pub manager: Option<Text>,
    /// Department, for rules and directories.
    pub department: Option<Box<str>>,
    /// Title, for rules and directories.
    pub title: Option<Box<str>>,
    /// First day with the organisation (`2026-10-01`), or an exact instant (`2026-10-01T09:00:00+02:00`).
    pub starts: Option<Text>,
    /// Further attributes, for rules and directories.
    pub attributes: Table<At<Given>>,
    /// What few people have, read as if it stood here (`person.leave`); apart, because
    /// a large organisation has a million people. Never the default.
    rare: Option<Box<Rare>>,
}

/// What few people have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rare {
    /// Employer of a contractor or vendor.
    pub company: Option<Box<str>>,
    /// The person who answers for a contractor or vendor.
    pub sponsor: Option<Text>,
    /// The person who answers for a service identity.
    pub owner: Option<Text>,
    /// Last day of access (`2027-03-31`), or an exact instant.
    pub expires: Option<Text>,
    /// What a bare date means for this person, `America/Sao_Paulo`.
    pub timezone: Option<Text>,
    /// Directory (or `directory#word` for a second account) → account name, where it differs from the key.
    pub accounts: Table<Text>,
    /// Several spans with the organisation, instead of `starts` and `expires`.
    pub periods: Vec<At<Period>>,
    /// What the person does in a span: a transfer ahead of time, an overlap, a second job.
    pub positions: Vec<At<Position>>,
    /// Absences.
    pub leave: Vec<At<Leave>>,
    /// Blocks every deletion while it is there.
    pub hold: Option<At<Hold>>,
    /// Whether an existing account without the same id may be taken over, and one with
    /// the same id under another name renamed.
    pub adopt: bool,
    /// Old names and addresses.
    pub aliases: Vec<Text>,
    /// Names of the person's accounts on the forge, or their numbers (`id:583231`).
    pub forge: Vec<Text>,
}

static NOTHING_RARE: Rare = Rare {
    company: None,
    sponsor: None,
    owner: None,
    expires: None,
    timezone: None,
    accounts: Table(Vec::new()),
    periods: Vec::new(),
    positions: Vec::new(),
    leave: Vec::new(),
    hold: None,
    adopt: false,
    aliases: Vec::new(),
    forge: Vec::new(),
};

impl Deref for Person {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING_RARE)
    }
}

/// A human or service identity.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Person")]
struct Whole {
    /// Stable id, a personnel number say; unique over all people, past ones too.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "NumberOrText")]
    id: Option<Text>,
    /// Full name.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    name: Option<Box<str>>,
    /// Given name.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    given_name: Option<Box<str>>,
    /// Family name.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    family_name: Option<Box<str>>,
    /// Address; unique over all people, past ones too.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    email: Option<At<Box<str>>>,
    /// `employee`, `contractor`, `vendor`, `service`, or one of `kinds`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "kinds"))]
    kind: Option<Text>,
    /// Employer of a contractor or vendor.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    company: Option<Box<str>>,
    /// The person who answers for a contractor or vendor.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    sponsor: Option<Text>,
    /// The person who answers for a service identity.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    owner: Option<Text>,
    /// The person's manager.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String", extend("x-accord-names" = "people"))]
    manager: Option<Text>,
    /// Department, for rules and directories.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    department: Option<Box<str>>,
    /// Title, for rules and directories.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    title: Option<Box<str>>,
    /// First day with the organisation (`2026-10-01`), or an exact instant (`2026-10-01T09:00:00+02:00`).
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    starts: Option<Text>,
    /// Last day of access (`2027-03-31`), or an exact instant.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    expires: Option<Text>,
    /// What a bare date means for this person, `America/Sao_Paulo`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "String")]
    timezone: Option<Text>,
    /// Further attributes, for rules and directories.
    attributes: Table<At<Given>>,
    /// Directory (or `directory#word` for a second account) → account name, where it differs from the key.
    #[schemars(with = "Table<String>")]
    accounts: Table<Text>,
    /// Several spans with the organisation, instead of `starts` and `expires`.
    #[schemars(with = "Vec<Period>")]
    periods: Vec<At<Period>>,
    /// What the person does in a span: a transfer ahead of time, an overlap, a second job.
    #[schemars(with = "Vec<Position>")]
    positions: Vec<At<Position>>,
    /// Absences.
    #[schemars(with = "Vec<Leave>")]
    leave: Vec<At<Leave>>,
    /// Blocks every deletion while it is there.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Hold")]
    hold: Option<At<Hold>>,
    /// Whether an existing account without the same id may be taken over.
    adopt: bool,
    /// Old names and addresses.
    #[schemars(with = "Vec<String>")]
    aliases: Vec<Text>,
    /// Names of the person's accounts on the forge, or their numbers (`id:583231`): whose review is whose.
    #[schemars(with = "Vec<String>")]
    forge: Vec<Text>,
}

impl From<Whole> for Person {
    fn from(whole: Whole) -> Self {
        let rare = Rare {
            company: whole.company,
            sponsor: whole.sponsor,
            owner: whole.owner,
            expires: whole.expires,
            timezone: whole.timezone,
            accounts: whole.accounts,
            periods: whole.periods,
            positions: whole.positions,
            leave: whole.leave,
            hold: whole.hold,
            adopt: whole.adopt,
            aliases: whole.aliases,
            forge: whole.forge,
        };
        Self {
            id: whole.id,
            name: whole.name,
            given_name: whole.given_name,
            family_name: whole.family_name,
            email: whole.email,
            kind: whole.kind,
            manager: whole.manager,
            department: whole.department,
            title: whole.title,
            starts: whole.starts,
            attributes: whole.attributes,
            rare: (rare != NOTHING_RARE).then(|| Box::new(rare)),
        }
    }
}

impl JsonSchema for Person {
    fn schema_name() -> Cow<'static, str> {
        Whole::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Whole::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Whole::json_schema(generator)
    }
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
