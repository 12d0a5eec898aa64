//! `journal:` of `accord.yaml`: where the journal is shared between machines.
//!
//! Comes in: YAML through serde. Goes out: settings, JSON Schema. Refuses: secret values
//! (a token can only be referred to).

use super::settings::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shortest and longest lease, in seconds.
pub const LENGTHS: (u32, u32) = (4, 3600);

/// Where the journal is shared between machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JournalSettings {
    /// A git remote that keeps the journal and the lease.
    pub git: GitJournal,
}

/// A git remote that keeps the journal and the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitJournal {
    /// The name of a remote of this repository (`origin`), or a URL: `https://`, `ssh://`, `user@host:path`, a path;
    /// `http://` to this machine only.
    pub remote: String,
    /// The branch that holds the journal, which nobody else writes to (default `accord-journal`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The ref that holds the lease (default `refs/accord/lease`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// A token that may push both; without one git asks as whoever runs it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// For how many seconds a lease is held before it must be renewed (4 to 3600, default 60). A run renews it at every third
    /// of that; whoever waits for one that died waits a quarter longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

impl GitJournal {
    /// The full name of the branch.
    pub fn branch(&self) -> String {
        format!("refs/heads/{}", self.branch.as_deref().unwrap_or("accord-journal"))
    }

    /// The ref of the lease.
    pub fn lease(&self) -> &str {
        self.lease.as_deref().unwrap_or("refs/accord/lease")
    }

    /// The length of the lease, in seconds.
    pub fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(60)
    }
}
