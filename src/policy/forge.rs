//! `forge:` of `accord.yaml`: where changes of the policies are reviewed.
//!
//! Comes in: YAML through serde. Goes out: settings, JSON Schema. Refuses: secret values
//! (a token can only be referred to).

use super::settings::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where changes of the policies are reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgeSettings {
    /// Which forge it is.
    pub kind: ForgeKind,
    /// The URL of its API (default `https://api.github.com` or `https://gitlab.com/api/v4`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The repository: `owner/name` on GitHub, `group/…/name` on GitLab.
    pub project: String,
    /// The branch that counts: approvals of a request into another one are approvals of something else.
    pub branch: String,
    /// PEM file with the private certification authority, inside the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// A token that may read requests and their reviews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// Seconds to wait for one answer (default 60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// A kind of forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// GitHub, also GitHub Enterprise Server.
    #[serde(rename = "github")]
    GitHub,
    /// GitLab, hosted or one's own.
    #[serde(rename = "gitlab")]
    GitLab,
}

impl ForgeKind {
    /// The word in the policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
        }
    }
}
