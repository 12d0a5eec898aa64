//! Findings, changes of access and changes of directories as notes on lines of files.
//!
//! Comes in: findings, the report of a difference, a plan. Goes out: [`Annotations`], which
//! [`github`], [`sarif`], [`code_quality`] and [`junit()`] write down. Refuses: to write the
//! same line ten thousand times: what one line of a policy brings to many people is one note.

mod collect;
mod formats;
mod junit;

pub use formats::{code_quality, github, sarif};
pub use junit::junit;

use super::escape;

/// Names that are told in one note.
const NAMES: usize = 20;

/// How much somebody should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It stops the run.
    Error,
    /// Look at it.
    Warning,
    /// For information.
    Notice,
}

/// A note on a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Annotation {
    /// Path below the root of the git repository; `None` where no file is concerned.
    pub file: Option<String>,
    /// Line, from 1; 0 where only the file is known.
    pub line: u32,
    /// Column in characters, from 1; 0 where only the line is known.
    pub column: u32,
    /// Characters that are meant; 0 where that is not known.
    pub length: u32,
    /// How much somebody should care.
    pub level: Level,
    /// Stable kebab-case code: `unknown-person`, `access-gained`, `grant`, `withheld`.
    pub rule: &'static str,
    /// One line, not escaped.
    pub message: String,
    /// What to do next, one line each, not escaped.
    pub help: Vec<String>,
}

/// Notes of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotations {
    /// The command that found them: `validate`, `diff`, `plan`.
    pub command: &'static str,
    /// In order of files and lines.
    pub notes: Vec<Annotation>,
    /// Where a note goes that is about no file: a format may know nothing else.
    pub fallback: String,
}

impl Annotations {
    /// `folder` is the folder of the policies as git knows it: messages call it `policies`
    /// whatever its name and wherever it is.
    fn new(command: &'static str, folder: &str, mut notes: Vec<Annotation>) -> Self {
        for file in notes.iter_mut().filter_map(|note| note.file.as_mut()) {
            if let Some(inside) = file.strip_prefix("policies/") {
                *file = format!("{folder}/{inside}");
            }
        }
        notes.sort();
        Self { command, notes, fallback: format!("{folder}/accord.yaml") }
    }
}

impl Annotation {
    /// File and line, for a format that must name both.
    fn place<'a>(&'a self, fallback: &'a str) -> (&'a str, u32) {
        (self.file.as_deref().unwrap_or(fallback), self.line.max(1))
    }

    /// Message and help as one line each, escaped for text.
    fn text(&self) -> String {
        let mut out = escape::terminal(&self.message).into_owned();
        for help in &self.help {
            out.push_str("\nhelp: ");
            out.push_str(&escape::terminal(help));
        }
        out
    }
}
