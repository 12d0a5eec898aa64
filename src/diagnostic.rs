//! What is told about a mistake: code, message, place, snippet source, help.
//!
//! Comes in: findings of every stage. Goes out: values that `render` prints as
//! text, JSON or annotations. Refuses: to print anything itself, and to hold a
//! secret (callers pass names of settings, never their values).

use std::sync::Arc;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run stops: nothing is planned, nothing is changed.
    Error,
    /// The run goes on; a reader should know.
    Warning,
}

/// Where in a file a finding is. Lines and columns count from 1; columns count
/// Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Span {
    /// Path as the user would type it, relative to the repository root.
    pub file: Arc<str>,
    /// First line, from 1; 0 when only the file is known.
    pub line: u32,
    /// First column, from 1; 0 when only the line is known.
    pub column: u32,
    /// Length in characters of what is underlined, at least 1 where known.
    pub length: u32,
}

/// One finding, complete enough to be understood alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Diagnostic {
    /// Main place; `None` only where no file is concerned.
    pub span: Option<Span>,
    /// Error or warning.
    pub severity: Severity,
    /// Stable, documented, kebab-case code such as `unknown-person`.
    pub code: &'static str,
    /// Lower case, no full stop, user words in backticks, no line breaks.
    pub message: String,
    /// Further places with a word on each (`first written here`).
    pub related: Vec<(Span, String)>,
    /// What to do next: "did you mean …", the setting, the command.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error with `code` and `message` and nothing else yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A warning with `code` and `message` and nothing else yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self { span: None, severity, code, message, related: Vec::new(), help: Vec::new() }
    }

    /// The same finding at `span`.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same finding with one more help line.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The same finding with one more place.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related.push((span, note.into()));
        self
    }

    /// Whether this finding stops the run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
