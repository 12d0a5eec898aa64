//! Serde's complaints as problems of a file.
//!
//! Comes in: what a visitor or a derived type refuses. Goes out: an [`Error`] with
//! the node where it is. Refuses: Rust's names of types in what people read.

use super::problem::{Problem, listed, nearest};
use super::tree::NodeId;
use crate::policy::written::Mark;
use serde::de::{self, Expected, Unexpected};
use std::fmt;

/// Codes that written types may give to mistakes only they can see, as the first
/// line of a custom error; the second is the message, the third the help.
const CODES: &[&str] = &["no-selector", "two-selectors", "misplaced-field"];

/// The first mistake of a reading.
#[derive(Debug)]
pub struct Error {
    /// What is wrong; at its place once the node is known.
    pub problem: Box<Problem>,
    pub(in crate::policy) node: Option<NodeId>,
}

impl Error {
    pub(super) fn new(problem: Problem) -> Self {
        Self { problem: Box::new(problem), node: None }
    }

    pub(super) fn at(mut self, node: NodeId, mark: Mark) -> Self {
        if self.node.is_none() {
            self.node = Some(node);
            self.problem.mark = mark;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let mut lines = text.splitn(3, '\n');
        if let (Some(code), Some(message)) = (lines.next(), lines.next())
            && let Some(code) = CODES.iter().find(|known| **known == code)
        {
            let mut problem = Problem::new(code, message, Mark::default());
            problem.help.extend(lines.next().map(str::to_owned));
            return Self::new(problem);
        }
        Self::new(Problem::new("invalid-value", text.replace('\n', " "), Mark::default()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("expected {}, found {}", in_words(&expected.to_string()), described(&found));
        Self::new(Problem::new("wrong-type", message, Mark::default()))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("expected {}, found `{word}`", listed(expected));
        let problem = Problem::new("unknown-value", message, Mark::default());
        Self::new(suggest(problem, word, expected))
    }

    fn unknown_field(word: &str, expected: &'static [&'static str]) -> Self {
        let problem = Problem::new("unknown-field", format!("there is no field `{word}` here"), Mark::default());
        let problem = suggest(problem, word, expected);
        Self::new(if problem.help.is_empty() && !expected.is_empty() {
            let mut words = expected.to_vec();
            words.sort_unstable();
            problem.help(format!("the fields here are {}", listed(&words).replace(" or `", " and `")))
        } else {
            problem
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::new("missing-field", format!("`{field}` is missing here"), Mark::default()))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Problem::new("duplicate-key", format!("`{field}` is written twice"), Mark::default()))
    }
}

fn suggest(problem: Problem, word: &str, expected: &[&str]) -> Problem {
    match nearest(word, expected) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// Rust's names of types in the words of a reader.
fn in_words(expected: &str) -> String {
    match expected {
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "i64" | "u64" => "a whole number".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => other.to_owned(),
    }
}

fn described(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(flag) => format!("`{flag}`"),
        Unexpected::Unsigned(number) => format!("`{number}`"),
        Unexpected::Signed(number) => format!("`{number}`"),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// Text in backticks, shortened.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("`{short}…`") } else { format!("`{short}`") }
}
