//! Reading several directories at once and judging what came back.
//!
//! Comes in: readers, scopes, what earlier runs saw. Goes out: one [`Observed`]
//! per directory. Refuses: to take a truncated, shrunken or sentinel-less read for
//! the truth: those become gaps.

mod judge;
mod merge;

pub use judge::{Checks, Counts};
pub use merge::{merge, only};

use super::{Author, Capabilities, Gap, GapScope, Protected, ProviderError, Reader, Scope};
use crate::model::State;
use futures_util::future::join_all;

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
    join_all(jobs.into_iter().map(one)).await
}

async fn one(job: Job<'_>) -> Observed {
    let reading = match job.reader {
        Ok(reader) => reader.read(&job.scope, None).await,
        Err(error) => Err(error),
    };
    let mut observed = match reading {
        Ok(reading) => Observed {
            state: reading.upserts,
            gaps: reading.gaps,
            evidence: reading.evidence,
            authors: reading.authors,
            protected: reading.protected,
            placeholders: reading.placeholders,
            capabilities: reading.capabilities,
        },
        Err(error) => return Observed::failed(&error),
    };
    let doubts = job.checks.doubts(&observed, &job.scope);
    observed.gaps.extend(doubts);
    observed.gaps.sort();
    observed.gaps.dedup();
    observed
}
