//! The checked form of a rule and its evaluation.
//!
//! Comes in: what `compile` accepted, and the values of the attributes that the rule
//! reads. Goes out: true, false, or unknown. Refuses: loops (there are none, so the
//! number of steps is the number of parts), allocation beyond lower-casing, panics.
//!
//! Why not cel's own interpreter: it holds values that cannot cross threads, calls a
//! missing attribute an error, and compares unlike types as unequal, which would let
//! `!=` give access on a spelling mistake. A property test holds the two together.

use super::Verdict;
use std::borrow::Cow;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is asked of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// A part of a checked rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(Box<str>),
    Number(i64),
    Flag(bool),
    Texts(Vec<Box<str>>),
    Numbers(Vec<i64>),
    /// The attribute with that number in the rule's list of reads.
    Read(u16),
    /// Whether the attribute is there: never unknown.
    Has(u16),
    Not(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    If(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    Test(TextTest, Box<[Node; 2]>),
    Size(Box<Node>),
    Lower(Box<Node>),
}

/// A value while a rule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Val<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Flag(bool),
    Texts(&'a [Box<str>]),
    Numbers(&'a [i64]),
}

/// What the rule reads, by the number of the attribute.
pub(super) type Reads<'r, 'a> = &'r dyn Fn(u16) -> Option<Val<'a>>;

/// The verdict of a checked rule. Anything but true or false is unknown.
pub(super) fn verdict<'a>(node: &'a Node, reads: Reads<'_, 'a>) -> Verdict {
    match truth(node, reads) {
        Some(true) => Verdict::Yes,
        Some(false) => Verdict::No,
        None => Verdict::Unknown,
    }
}

fn truth<'a>(node: &'a Node, reads: Reads<'_, 'a>) -> Option<bool> {
    match value(node, reads)? {
        Val::Flag(flag) => Some(flag),
        _ => None,
    }
}

/// `None` is unknown: an attribute is missing or has a type that does not fit.
fn value<'a>(node: &'a Node, reads: Reads<'_, 'a>) -> Option<Val<'a>> {
    Some(match node {
        Node::Text(text) => Val::Text(Cow::Borrowed(text)),
        Node::Number(number) => Val::Number(*number),
        Node::Texts(list) => Val::Texts(list),
        Node::Numbers(list) => Val::Numbers(list),
        Node::Read(n) => reads(*n)?,
        Node::If(parts) => {
            let [condition, yes, no] = parts.as_ref();
            return value(if truth(condition, reads)? { yes } else { no }, reads);
        }
        Node::Size(of) => Val::Number(size(&value(of, reads)?)?),
        Node::Lower(of) => match value(of, reads)? {
            Val::Text(text) => Val::Text(Cow::Owned(text.to_ascii_lowercase())),
            _ => return None,
        },
        Node::Flag(flag) => Val::Flag(*flag),
        Node::Has(n) => Val::Flag(reads(*n).is_some()),
        Node::Not(of) => Val::Flag(!truth(of, reads)?),
        Node::And(parts) => Val::Flag(junction(parts, reads, false)?),
        Node::Or(parts) => Val::Flag(junction(parts, reads, true)?),
        Node::Compare(how, parts) => {
            let [a, b] = parts.as_ref();
            Val::Flag(compare(*how, &value(a, reads)?, &value(b, reads)?)?)
        }
        Node::In(parts) => {
            let [a, b] = parts.as_ref();
            Val::Flag(contained(&value(a, reads)?, &value(b, reads)?)?)
        }
        Node::Test(test, parts) => {
            let [a, b] = parts.as_ref();
            match (value(a, reads)?, value(b, reads)?) {
                (Val::Text(a), Val::Text(b)) => Val::Flag(match test {
                    TextTest::StartsWith => a.starts_with(b.as_ref()),
                    TextTest::EndsWith => a.ends_with(b.as_ref()),
                    TextTest::Contains => a.contains(b.as_ref()),
                }),
                _ => return None,
            }
        }
    })
}

/// `&&` (decided by false) and `||` (decided by true): the deciding value wins over
/// an unknown on either side.
fn junction<'a>(parts: &'a [Node; 2], reads: Reads<'_, 'a>, decides: bool) -> Option<bool> {
    let [a, b] = parts;
    match truth(a, reads) {
        Some(flag) if flag == decides => Some(decides),
        Some(_) => truth(b, reads),
        None => (truth(b, reads) == Some(decides)).then_some(decides),
    }
}

fn compare(how: Comparison, a: &Val<'_>, b: &Val<'_>) -> Option<bool> {
    let order = match (a, b) {
        (Val::Text(a), Val::Text(b)) => a.cmp(b),
        (Val::Number(a), Val::Number(b)) => a.cmp(b),
        (Val::Flag(a), Val::Flag(b)) => a.cmp(b),
        (Val::Texts(a), Val::Texts(b)) => a.cmp(b),
        (Val::Numbers(a), Val::Numbers(b)) => a.cmp(b),
        _ => return None,
    };
    Some(match how {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

fn contained(item: &Val<'_>, list: &Val<'_>) -> Option<bool> {
    match (item, list) {
        (Val::Text(item), Val::Texts(list)) => Some(list.iter().any(|one| one.as_ref() == item.as_ref())),
        (Val::Number(item), Val::Numbers(list)) => Some(list.contains(item)),
        _ => None,
    }
}

fn size(of: &Val<'_>) -> Option<i64> {
    let size = match of {
        Val::Text(text) => text.chars().count(),
        Val::Texts(list) => list.len(),
        Val::Numbers(list) => list.len(),
        _ => return None,
    };
    i64::try_from(size).ok()
}
