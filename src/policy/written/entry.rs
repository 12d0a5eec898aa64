//! Member entries as they are written: a bare string, or exactly one selector with
//! dates, ticket and reason.
//!
//! Comes in: YAML through serde, read by hand because "a string or a mapping with
//! one of ten keys" as an untagged enum would lose every place and every good
//! message. Goes out: plain data with places. Refuses: none or two selectors, and
//! `direct` or `including` without `reports_to`.

use super::at::{At, Mark, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// One line that puts somebody into a role or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whom.
    pub selector: Selector,
    /// What else is written; apart, because most entries are a bare key.
    details: Option<Box<Details>>,
    /// Where the entry begins: its first key, or the bare string.
    pub mark: Mark,
}

/// What an entry says beside whom it selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// First day.
    pub starts: Option<Text>,
    /// Last day.
    pub expires: Option<Text>,
    /// Gated kinds that the entry lets in.
    pub kinds: Vec<Text>,
    /// Ticket of the request.
    pub ticket: Option<Box<str>>,
    /// Why, in words.
    pub reason: Option<Box<str>>,
    /// Who approved it.
    pub approved_by: Option<Text>,
}

static NO_DETAILS: Details =
    Details { starts: None, expires: None, kinds: Vec::new(), ticket: None, reason: None, approved_by: None };

impl Entry {
    /// What is written beside whom the entry selects.
    pub fn details(&self) -> &Details {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }
}

/// What an entry selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// One person by key, as a bare string or as `person:`.
    Person(Text),
    /// Several people who share dates and ticket.
    People(Vec<Text>),
    /// Everybody in a role.
    Role(Text),
    /// Everybody in a group.
    Group(Text),
    /// Everybody in the groups that a glob matches.
    Groups(Text),
    /// Everybody for whom a rule is true.
    Where(Text),
    /// The tree below a manager.
    ReportsTo {
        /// Top of the tree.
        manager: Text,
        /// One level only.
        direct: bool,
        /// The manager too.
        including: bool,
    },
    /// People in every one of these.
    All(Vec<Entry>),
    /// People in any of these.
    Any(Vec<Entry>),
    /// People not in this.
    Not(Box<Entry>),
}

/// The keys of which an entry has exactly one.
pub const SELECTORS: &[&str] =
    &["person", "people", "role", "group", "groups", "where", "reports_to", "all", "any", "not"];

/// Every key of an entry.
pub const FIELDS: &[&str] = &[
    "person",
    "people",
    "role",
    "group",
    "groups",
    "where",
    "reports_to",
    "all",
    "any",
    "not",
    "direct",
    "including",
    "starts",
    "expires",
    "kinds",
    "ticket",
    "reason",
    "approved_by",
];

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Person,
    People,
    Role,
    Group,
    Groups,
    Where,
    ReportsTo,
    All,
    Any,
    Not,
    Direct,
    Including,
    Starts,
    Expires,
    Kinds,
    Ticket,
    Reason,
    ApprovedBy,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let At { value: mut entry, mark } = At::<Bare>::deserialize(deserializer)?;
        entry.0.mark = mark;
        if let Selector::Person(person) = &mut entry.0.selector
            && person.mark.line == 0
        {
            person.mark = mark;
        }
        Ok(entry.0)
    }
}

/// An entry that does not know yet where it is.
struct Bare(Entry);

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Bare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a person, or a mapping with one of `person`, `role`, `group`, `where`, …")
    }

    fn visit_str<E: Error>(self, person: &str) -> Result<Bare, E> {
        let selector = Some(Selector::Person(At::new(person.into(), Mark::default())));
        Draft { selector, ..Draft::default() }.finish()
    }

    // A personnel number as a person's key, not quoted.
    fn visit_i64<E: Error>(self, person: i64) -> Result<Bare, E> {
        self.visit_str(&person.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bare, A::Error> {
        let mut draft = Draft::default();
        while let Some(field) = map.next_key::<Field>()? {
            draft.read(&field, &mut map)?;
        }
        draft.finish()
    }
}

/// What was read so far.
#[derive(Default)]
struct Draft {
    selector: Option<Selector>,
    direct: Option<bool>,
    including: Option<bool>,
    details: Details,
}

impl Draft {
    fn read<'de, A: MapAccess<'de>>(&mut self, field: &Field, map: &mut A) -> Result<(), A::Error> {
        let selector = match field {
            Field::Person => Selector::Person(map.next_value()?),
            Field::People => Selector::People(map.next_value()?),
            Field::Role => Selector::Role(map.next_value()?),
            Field::Group => Selector::Group(map.next_value()?),
            Field::Groups => Selector::Groups(map.next_value()?),
            Field::Where => Selector::Where(map.next_value()?),
            Field::ReportsTo => Selector::ReportsTo { manager: map.next_value()?, direct: false, including: false },
            Field::All => Selector::All(map.next_value()?),
            Field::Any => Selector::Any(map.next_value()?),
            Field::Not => Selector::Not(map.next_value()?),
            Field::Direct => return map.next_value().map(|v| self.direct = Some(v)),
            Field::Including => return map.next_value().map(|v| self.including = Some(v)),
            Field::Starts => return map.next_value().map(|v| self.details.starts = Some(v)),
            Field::Expires => return map.next_value().map(|v| self.details.expires = Some(v)),
            Field::Kinds => return map.next_value().map(|v| self.details.kinds = v),
            Field::Ticket => return map.next_value().map(|v| self.details.ticket = Some(v)),
            Field::Reason => return map.next_value().map(|v| self.details.reason = Some(v)),
            Field::ApprovedBy => return map.next_value().map(|v| self.details.approved_by = Some(v)),
        };
        if let Some(first) = &self.selector {
            let (first, second) = (first.word(), selector.word());
            return Err(A::Error::custom(format_args!(
                "two-selectors\nthis entry selects by `{first}` and by `{second}`; an entry has one selector\n\
                 write two entries, or join them in `all: […]` or `any: […]`"
            )));
        }
        self.selector = Some(selector);
        Ok(())
    }

    fn finish<E: Error>(self) -> Result<Bare, E> {
        let Self { selector, direct, including, details } = self;
        let Some(mut selector) = selector else {
            let words = SELECTORS.join("`, `");
            return Err(E::custom(format_args!("no-selector\nthis entry selects nobody\nit needs one of `{words}`")));
        };
        if let Selector::ReportsTo { direct: d, including: i, .. } = &mut selector {
            (*d, *i) = (direct.unwrap_or(false), including.unwrap_or(false));
        } else if direct.is_some() || including.is_some() {
            return Err(E::custom("misplaced-field\n`direct` and `including` only go with `reports_to`"));
        }
        let mark = Mark::default();
        let details = (details != NO_DETAILS).then(|| Box::new(details));
        Ok(Bare(Entry { selector, details, mark }))
    }
}

impl Selector {
    /// The key by which it is written.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::People(_) => "people",
            Self::Role(_) => "role",
            Self::Group(_) => "group",
            Self::Groups(_) => "groups",
            Self::Where(_) => "where",
            Self::ReportsTo { .. } => "reports_to",
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::Not(_) => "not",
        }
    }
}

impl JsonSchema for Entry {
    fn schema_name() -> Cow<'static, str> {
        "MemberEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let entry = generator.subschema_for::<Entry>();
        let list = schemars::json_schema!({ "type": "array", "items": entry });
        let one_of: Vec<Schema> = SELECTORS.iter().map(|word| schemars::json_schema!({ "required": [word] })).collect();
        schemars::json_schema!({
            "description": "Puts somebody into a role or group: a person's key, or one selector with dates, ticket and reason.",
            "anyOf": [
                { "type": ["string", "integer"], "description": "A person's key.", "x-accord-names": "people" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "oneOf": one_of,
                    "dependencies": { "direct": ["reports_to"], "including": ["reports_to"] },
                    "properties": {
                        "person": { "type": ["string", "integer"], "description": "A person's key.", "x-accord-names": "people" },
                        "people": { "type": "array", "items": { "type": ["string", "integer"], "x-accord-names": "people" }, "description": "Several people who share dates and ticket." },
                        "role": { "type": "string", "description": "Everybody in a role.", "x-accord-names": "roles" },
                        "group": { "type": "string", "description": "Everybody in a group, `directory/name`.", "x-accord-names": "groups" },
                        "groups": { "type": "string", "description": "Everybody in the groups that a glob matches, `corp/team-*`." },
                        "where": { "type": "string", "description": "Everybody for whom a rule (CEL) is true: `person.department == \"platform\"`." },
                        "reports_to": { "type": ["string", "integer"], "description": "The whole tree below a manager.", "x-accord-names": "people" },
                        "direct": { "type": "boolean", "description": "With `reports_to`: one level only." },
                        "including": { "type": "boolean", "description": "With `reports_to`: the manager too." },
                        "all": { "description": "People in every one of these.", "allOf": [list] },
                        "any": { "description": "People in any of these.", "allOf": [list] },
                        "not": { "description": "People not in this.", "allOf": [entry] },
                        "starts": { "type": "string", "description": "First day, `2026-10-01`, or an exact instant." },
                        "expires": { "type": "string", "description": "Last day of access, `2026-12-31`, or an exact instant." },
                        "kinds": { "type": "array", "items": { "type": "string", "x-accord-names": "kinds" }, "description": "Gated kinds that this entry lets in." },
                        "ticket": { "type": ["string", "integer"], "description": "Ticket of the request." },
                        "reason": { "type": "string", "description": "Why, in words." },
                        "approved_by": { "type": "string", "description": "Who approved it.", "x-accord-names": "people" },
                    },
                },
            ],
        })
    }
}
