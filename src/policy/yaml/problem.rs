//! What is wrong with a file, before it is known which file it is.
//!
//! Comes in: the parser's and serde's complaints. Goes out: [`Problem`]s in words
//! that people use. Refuses: Rust's names of types.

use crate::diagnostic::Diagnostic;
use crate::policy::written::{Mark, span};
use std::sync::Arc;

/// Code of the one finding whose line must not be shown.
pub(super) const SECRET: &str = "secret-written-out";

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable, kebab-case code.
    pub code: &'static str,
    /// Lower case, no full stop, user words in backticks.
    pub message: String,
    /// Where.
    pub mark: Mark,
    /// Further places with a word on each.
    pub related: Vec<(Mark, String)>,
    /// What to do next.
    pub help: Vec<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn new(code: &'static str, message: impl Into<String>, mark: Mark) -> Self {
        Self { code, message: message.into(), mark, related: Vec::new(), help: Vec::new() }
    }

    /// The same with one more line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The same with one more place.
    #[must_use]
    pub fn related(mut self, mark: Mark, note: impl Into<String>) -> Self {
        self.related.push((mark, note.into()));
        self
    }

    /// The finding about the file at `path`.
    pub fn diagnose(self, path: &Arc<str>) -> Diagnostic {
        // Without a column the line is not shown.
        let mark = if self.code == SECRET { Mark { column: 0, length: 0, ..self.mark } } else { self.mark };
        let mut found = Diagnostic::error(self.code, self.message).at(span(path, mark));
        found.related = self.related.into_iter().map(|(mark, note)| (span(path, mark), note)).collect();
        found.help = self.help;
        found
    }
}

/// `expires` or another date without a value is its own mistake: people who write
/// it mean "never".
pub(super) fn empty_value(key: Option<&str>, mark: Mark) -> Problem {
    match key {
        Some(key @ ("starts" | "expires" | "from" | "returns")) => {
            let message = format!("`{key}` has no value; an empty date does not mean \"never\"");
            let help = "write a date (`2027-03-31`), or remove the line if the kind allows it";
            Problem::new("empty-date", message, mark).help(help)
        }
        Some(key) => {
            let problem = Problem::new("empty-value", format!("`{key}` has no value"), mark);
            if key.contains('/') {
                problem.help(format!("if there is nothing to say about it, write `{key}: {{}}`"))
            } else {
                problem.help("write a value, or remove the line")
            }
        }
        None => Problem::new("empty-value", "an empty item", mark).help("write a value, or remove the item"),
    }
}

/// The word of `expected` that `word` most likely means.
pub(super) fn nearest<'a>(word: &str, expected: &[&'a str]) -> Option<&'a str> {
    similar::get_close_matches(word.to_lowercase().as_str(), expected, 1, 0.6).pop()
}

/// `` `a`, `b` or `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` or `{last}`", first.join("`, `")),
    }
}
