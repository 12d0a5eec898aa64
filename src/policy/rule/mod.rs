//! Rules: CEL expressions over one position of one person.
//!
//! Comes in: the text of a `where:`, `for:` or constraint rule. Goes out: a
//! compiled, type-checked rule and its verdict on a position. Refuses: the clock,
//! other people, unknown attributes, unlike types, rules over budget.
//!
//! The language is the part of CEL that asks: `person.NAME`, texts, whole numbers,
//! `true`, `false`, lists of texts or numbers, `== != < <= > >= in && || ! ?:`,
//! `has(person.NAME)`, `size(..)`, and on texts `startsWith endsWith contains
//! lowerAscii size`. Parsing is cel's; nothing else here knows that crate.

mod check;
mod eval;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use vocabulary::{FIXED, TypeSet, Vocabulary};

use super::people::{Person, Position, Value};
use crate::model::Place;
use eval::{Node, Val};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Most characters in a rule.
pub const MAX_LENGTH: usize = 2048;
/// Most parts (operators, attributes, literals) in a rule; also the most steps that
/// it can take, for there are no loops.
pub const MAX_PARTS: usize = 400;
/// Deepest nesting of a rule.
pub const MAX_DEPTH: usize = 32;

/// Verdict of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The rule is false.
    No,
    /// An attribute that the rule reads is missing, or the rule failed.
    Unknown,
    /// The rule is true.
    Yes,
}

/// A mistake in a rule. The position counts characters from the rule's first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Stable code: `rule-syntax`, `rule-too-large`, `unknown-attribute`,
    /// `unknown-function`, `unlike-types`, `rule-unsupported`.
    pub code: &'static str,
    /// First character concerned, from 0.
    pub offset: usize,
    /// Number of characters concerned, at least 1.
    pub len: usize,
    /// What is wrong: lower case, no full stop, user words in backticks.
    pub message: String,
    /// What to do next.
    pub help: Vec<String>,
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As written.
    pub text: Box<str>,
    /// Where it was written.
    pub place: Place,
    reads: Arc<[Box<str>]>,
    node: Arc<Node>,
}

/// Parses and checks a rule against the attributes that people have.
///
/// # Errors
/// Every mistake found, in the order of the text.
pub fn compile(text: &str, place: Place, vocabulary: &Vocabulary) -> Result<Rule, Vec<RuleError>> {
    let (node, reads) = check::check(text, vocabulary)?;
    Ok(Rule { text: text.into(), place, reads: reads.into(), node: Arc::new(node) })
}

impl Rule {
    /// The verdict on one position of one person. Budgeted; never panics.
    pub fn verdict(&self, policy: &super::Policy, person: &Person, position: &Position) -> Verdict {
        eval::verdict(&self.node, &|n| {
            let name = self.reads.get(usize::from(n))?;
            attribute(policy, person, position, name).map(Val::from)
        })
    }

    /// Names of the attributes that the rule reads, in the order of first mention.
    pub fn reads(&self) -> &[Box<str>] {
        &self.reads
    }
}

/// The value of an attribute as a rule sees it on one position of one person: the
/// fixed fields of the person, manager and kind of the position, and the position's
/// own attributes. `None` when the person lacks it.
pub fn attribute<'p>(
    policy: &'p super::Policy,
    person: &'p Person,
    position: &'p Position,
    name: &str,
) -> Option<Attribute<'p>> {
    let key = |id: super::PersonId| policy.people.get(id.0 as usize).map(|person| person.key.as_ref());
    let text = match name {
        "key" => Some(person.key.as_ref()),
        "id" => person.id.as_deref(),
        "name" => person.name.as_deref(),
        "given_name" => person.given_name.as_deref(),
        "family_name" => person.family_name.as_deref(),
        "email" => person.email.as_deref(),
        "company" => person.company.as_deref(),
        "kind" => policy.kinds.get(usize::from(position.kind.0)).map(|kind| kind.name.as_ref()),
        "sponsor" => person.sponsor.and_then(key),
        "manager" => position.manager.and_then(key),
        _ => {
            let n = position.attributes.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok()?;
            return position.attributes.get(n).map(|(_, value)| Attribute::Free(value));
        }
    };
    text.map(Attribute::Fixed)
}

/// One attribute of a person in one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute<'p> {
    /// A fixed field.
    Fixed(&'p str),
    /// One of the organisation's own.
    Free(&'p Value),
}

impl fmt::Display for Attribute<'_> {
    /// As people read it: `platform`, `3`, `true`, `a, b`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(text) => f.write_str(text),
            Self::Free(Value::Text(text)) => f.write_str(text),
            Self::Free(Value::Number(number)) => write!(f, "{number}"),
            Self::Free(Value::Flag(flag)) => write!(f, "{flag}"),
            Self::Free(Value::List(list)) => f.write_str(&list.join(", ")),
        }
    }
}

impl<'p> From<Attribute<'p>> for Val<'p> {
    fn from(attribute: Attribute<'p>) -> Self {
        match attribute {
            Attribute::Fixed(text) => Val::Text(Cow::Borrowed(text)),
            Attribute::Free(Value::Text(text)) => Val::Text(Cow::Borrowed(text)),
            Attribute::Free(Value::Number(number)) => Val::Number(*number),
            Attribute::Free(Value::Flag(flag)) => Val::Flag(*flag),
            Attribute::Free(Value::List(list)) => Val::Texts(list),
        }
    }
}
