//! Findings of one check run.
//!
//! Comes in: diagnostics in any order. Goes out: the same, sorted by place, each
//! once. Refuses: nothing.

use crate::diagnostic::Diagnostic;

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Diagnostic>);

impl Findings {
    /// Adds a finding.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether any of them is an error.
    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// All of them by file, line and column, without repetitions.
    pub(super) fn sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}
