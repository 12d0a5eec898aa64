//! Rules: CEL expressions over one position of one person.
//!
//! Comes in: the text of a `where:`, `for:` or constraint rule. Goes out: a
//! compiled, type-checked rule and its verdict on a position. Refuses: the clock,
//! other people, unknown attributes, unlike types, rules over budget.

use super::people::{Person, Position};
use crate::model::Place;

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

/// A compiled rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As written.
    pub text: Box<str>,
    /// Where it was written.
    pub place: Place,
}

impl Rule {
    /// The verdict on one position of one person. Budgeted; never panics.
    pub fn verdict(&self, _policy: &super::Policy, _person: &Person, _position: &Position) -> Verdict {
        Verdict::Unknown
    }
}
