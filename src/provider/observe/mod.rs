//! Reading several directories at once and judging what came back.
//!
//! Comes in: readers, scopes, what earlier runs saw. Goes out: one [`Observed`]
//! per directory. Refuses: to take a truncated, shrunken or sentinel-less read for
//! the truth: those become gaps.

mod follow;
mod judge;
mod merge;
mod part;
mod resume;
mod same;
pub mod seal;
mod snapshot;

pub use judge::{Checks, Counts};
pub use merge::{Base, Extent, Merged, Unmergeable, merge};
pub use part::only;
pub use resume::{Basis, Onward, gather_since};
pub use snapshot::{Binding, Snapshot, Unusable};

use super::{Author, Capabilities, Gap, GapScope, Protected, ProviderError, Reader, Reading, Scope, Served};
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
    /// What the directory itself protects, sorted.
    pub protected: Vec<Protected>,
    /// Who changed what last, where asked.
    pub authors: Vec<Author>,
    /// Groups that hold their placeholder, by name; `None`: nobody knows.
    pub placeholders: Option<Vec<Box<str>>>,
    /// What this very server can do, where asking told more than the settings.
    pub capabilities: Option<Capabilities>,
    /// Which server was read, where there are several.
    pub served: Option<Served>,
    /// What people should know of how it was reached.
    pub notes: Vec<String>,
    /// What a later read goes on from, where this one can be gone on from.
    pub onward: Option<Onward>,
    /// Whether the directory said nothing at all, so that what it said last still stands.
    pub said_nothing: bool,
}

impl Observed {
    /// What is known of a directory that could not be read: nothing.
    pub fn failed(error: &ProviderError) -> Self {
        let mut why = format!("{}: {}", error.operation, error.message);
        for help in &error.help {
            why.push_str("; ");
            why.push_str(help);
        }
        Self { gaps: vec![Gap { scope: GapScope::Directory, why }], ..Self::default() }
    }

    /// Accounts and groups seen.
    pub fn counts(&self) -> Counts {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Counts { accounts: count(self.state.account_count()), groups: count(self.state.group_count()) }
    }
}

/// One directory to read.
pub struct Job<'a> {
    /// Its reader, or why there is none.
    pub reader: Result<&'a mut dyn Reader, ProviderError>,
    /// What is read.
    pub scope: Scope,
    /// What a complete read must show.
    pub checks: Checks,
}

/// Reads all directories at the same time, each in full. The answers are in the
/// order of the jobs, one each: a directory that failed has one gap for everything.
pub async fn gather(jobs: Vec<Job<'_>>) -> Vec<Observed> {
    gather_since(jobs.into_iter().map(|job| (job, Basis::default())).collect()).await
}

/// A whole reading as it is observed, with the doubts about it.
fn judged(reading: Reading, scope: &Scope, checks: &Checks) -> Observed {
    let onward = reading.cookie.zip(reading.identities).map(|(cookie, identities)| Onward::new(cookie, identities));
    let mut observed = Observed {
        state: reading.upserts,
        gaps: reading.gaps,
        evidence: reading.evidence,
        authors: reading.authors,
        protected: reading.protected,
        placeholders: reading.placeholders,
        capabilities: reading.capabilities,
        served: reading.served,
        notes: reading.notes,
        onward,
        said_nothing: false,
    };
    let doubts = checks.doubts(&observed, scope);
    observed.gaps.extend(doubts);
    observed.gaps.sort();
    observed.gaps.dedup();
    if !observed.gaps.is_empty() {
        observed.onward = None;
    }
    observed
}
