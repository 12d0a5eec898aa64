//! Reading several directories at once and judging what came back.
//!
//! Comes in: readers, scopes, what earlier runs saw. Goes out: one [`Observed`]
//! per directory. Refuses: to take a truncated, shrunken or sentinel-less read for
//! the truth: those become gaps.

use super::{Author, Gap};
use crate::model::State;

/// What one directory holds, as far as it was read.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What was read.
    pub state: State,
    /// What was not. Empty: the read is complete.
    pub gaps: Vec<Gap>,
    /// What proves completeness, for people.
    pub evidence: Vec<String>,
    /// Who changed what last, where asked.
    pub authors: Vec<Author>,
}
