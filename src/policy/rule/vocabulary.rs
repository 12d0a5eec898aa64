//! What a rule may read: every attribute that some person has, with its types.
//!
//! Comes in: people and their positions. Goes out: attribute name → types. Refuses:
//! to say which person has what (a rule is checked against all of them at once).

use crate::policy::people::{Person, Value};
use std::collections::BTreeMap;

/// Attributes that every organisation has, all of them text. Whether one person
/// has one is another question.
pub const FIXED: [&str; 10] =
    ["key", "id", "name", "given_name", "family_name", "email", "kind", "company", "sponsor", "manager"];

/// A set of types, small enough to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TypeSet(u8);

impl TypeSet {
    /// Text.
    pub const TEXT: Self = Self(1);
    /// Whole numbers.
    pub const NUMBER: Self = Self(2);
    /// Yes or no.
    pub const FLAG: Self = Self(4);
    /// Lists of texts.
    pub const LIST: Self = Self(8);
    /// Lists of numbers; only literals are.
    pub(super) const NUMBERS: Self = Self(16);
    /// Whatever an erroneous part may have been: compared with nothing.
    pub(super) const ANY: Self = Self(31);

    /// The type of one value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Text(_) => Self::TEXT,
            Value::Number(_) => Self::NUMBER,
            Value::Flag(_) => Self::FLAG,
            Value::List(_) => Self::LIST,
        }
    }

    /// Types in either set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Types in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no type is left.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set in words, `text or a number`.
    pub fn words(self) -> String {
        let names = [
            (Self::TEXT, "text"),
            (Self::NUMBER, "a number"),
            (Self::FLAG, "true or false"),
            (Self::LIST, "a list of texts"),
            (Self::NUMBERS, "a list of numbers"),
        ];
        let words: Vec<&str> =
            names.iter().filter(|(set, _)| !self.and(*set).is_empty()).map(|(_, word)| *word).collect();
        words.join(" or ")
    }
}

/// Attribute name → the types that it has, over all people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    attributes: BTreeMap<Box<str>, TypeSet>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { attributes: FIXED.iter().map(|name| ((*name).into(), TypeSet::TEXT)).collect() }
    }
}

impl Vocabulary {
    /// The fixed attributes and those of all positions of `people`.
    pub fn of(people: &[Person]) -> Self {
        let mut vocabulary = Self::default();
        for (name, value) in people.iter().flat_map(|person| &person.positions).flat_map(|p| p.attributes.iter()) {
            vocabulary.add(name, value);
        }
        vocabulary
    }

    /// Some person has an attribute `name` with a value of that type. The fixed
    /// attributes stay what they are.
    pub fn add(&mut self, name: &str, value: &Value) {
        let types = TypeSet::of(value);
        match self.attributes.get_mut(name) {
            Some(known) if !FIXED.contains(&name) => *known = known.or(types),
            Some(_) => {}
            None => {
                self.attributes.insert(name.into(), types);
            }
        }
    }

    /// The types of an attribute; `None` when no person has it.
    pub fn types(&self, name: &str) -> Option<TypeSet> {
        self.attributes.get(name).copied()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(AsRef::as_ref)
    }

    /// The name nearest to `wrong`, if one is near enough to be meant.
    pub fn nearest(&self, wrong: &str) -> Option<&str> {
        nearest(wrong, self.names())
    }
}

/// The candidate with the fewest edits from `wrong`, at most a third of its length.
pub(super) fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wrong.chars().count() / 3).max(1);
    candidates.map(|name| (edits(wrong, name), name)).filter(|(n, _)| *n <= limit).min().map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last: Option<char> = None;
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let (diagonal, above) = (row.get(j).copied().unwrap_or(0), row.get(j + 1).copied().unwrap_or(0));
            let mut best = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            let swapped = j.checked_sub(1).and_then(|k| b.get(k)) == Some(&ca) && last == Some(*cb);
            if let Some(two_back) = j.checked_sub(1).and_then(|k| before.get(k)).filter(|_| swapped) {
                best = best.min(two_back + 1);
            }
            next.push(best);
            left = best;
        }
        before = std::mem::replace(&mut row, next);
        last = Some(ca);
    }
    row.last().copied().unwrap_or(0)
}
