//! WHAT MUST CHANGE: diff, order, guard, file.
//!
//! Comes in: a policy, what should be, what is. Goes out: a [`Plan`]: ordered,
//! explained, limited, digested. Refuses: connections. Nothing here can write.

pub mod compare;
pub mod derive;
pub mod diff;
pub mod draft;
mod explain;
pub mod facts;
pub mod file;
pub mod guard;
mod matched;
pub mod order;
pub mod recent;
pub mod references;
pub mod signature;
pub mod unapproved;
mod upcoming;

pub use derive::{derive, derive_approved, versions};
pub use matched::{Sighting, matched};
pub use unapproved::{RestsOn, Unapproved};

use crate::model::{Change, ChangeId, Instant, Object};
use crate::policy::{DirectoryId, Policy};
use crate::provider::{Capabilities, Kind, Observed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `format` in a plan file of this version.
pub const FORMAT: &str = "accord-plan/1";

/// An ordered, explained set of changes. Serialises to the plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: String,
    /// Which policies.
    pub policy: PolicyMark,
    /// The approvals that it rests on, where something needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<RestsOn>,
    /// The instant the plan was derived for, UTC.
    pub at: Instant,
    /// Whether `at` was chosen (`--at`): such a plan is for reading only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Options that narrow the plan, so that `apply` derives with the same.
    #[serde(default)]
    pub filter: Filter,
    /// `accord` and `tzdata` versions.
    pub versions: BTreeMap<String, String>,
    /// What was read.
    pub directories: Vec<DirectoryMark>,
    /// Digests of the reference groups used: `directory/group` → SHA-256 of its sorted members, or `not read: why`.
    pub references: BTreeMap<String, String>,
    /// Texts of the because chains, each once.
    pub facts: Vec<Fact>,
    /// The steps in order.
    pub changes: Vec<Change>,
    /// Points that wait for all of `needs`; their ids follow the last change's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barriers: Vec<Barrier>,
    /// Steps that a rule keeps back.
    pub withheld: Vec<Withheld>,
    /// What a reader should know that is no change: orphan accounts, kept members,
    /// unfit names, breaches that time brought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// What ends next, with these policies: whoever has nothing to do still wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Upcoming>,
    /// Action word → number of changes.
    pub summary: BTreeMap<String, u64>,
    /// SHA-256 of the canonical JSON up to here, lower-case hex.
    pub digest: String,
}

/// The next instant at which access ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upcoming {
    /// When, UTC.
    pub at: Instant,
    /// Person → what is lost (`corp/vpn`); the first few people by key.
    pub losses: BTreeMap<String, Vec<String>>,
    /// How many people more lose something then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which policies a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct PolicyMark {
    /// Commit of the work tree, if it is in git.
    pub commit: Option<String>,
    /// Whether policy files differ from that commit.
    pub dirty: bool,
    /// Commit of the revision that `--trusted` named: by it the connections were judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Branch, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Digest of the policy files.
    pub digest: String,
}

/// What narrows a plan. Empty is: everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only these directories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<String>,
    /// Only these actions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<crate::model::Action>,
    /// Only what the passing of time since `since` causes, with the files as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dated: bool,
    /// When the last complete apply was: `dated` counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// Guardrail classes let through once: `revocations` → so many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allow: BTreeMap<String, u64>,
    /// The ticket for `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// What was read of one directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryMark {
    /// Name in the policy.
    pub name: String,
    /// Kind in the policy.
    pub kind: String,
    /// Accounts seen.
    pub accounts: u64,
    /// Groups seen.
    pub groups: u64,
    /// Whether the read was proven complete.
    pub complete: bool,
    /// What proves it, or the gaps.
    pub evidence: Vec<String>,
    /// What the directory itself ends (`accounts`, `memberships`) where a change writes
    /// an `ends`: at that instant, even if accord never runs again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends_itself: Vec<String>,
}

/// One text of a because chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// `role sre`, `person: maria.lopez, expires 2026-12-31, ACC-1042`.
    pub text: String,
    /// Policy file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A point in the graph that no write belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Barrier {
    /// Its number.
    pub id: ChangeId,
    /// What it waits for.
    pub needs: Vec<ChangeId>,
}

/// A step that a rule keeps back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The step; its id is 0 and it needs nothing.
    pub change: Change,
    /// Why, in words, naming both sides.
    pub reason: String,
    /// The limit that was exceeded, with the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The setting or option that lets it through, or what to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
}

/// Something a reader should know that is no change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Stable code: `orphan-account`, `kept-member`, `incomplete`, `breach`, …
    pub code: String,
    /// Directory concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Object concerned, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What to know.
    pub text: String,
    /// The membership of an `undeclared-member`, part by part: a name may hold a `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Box<Object>>,
}

impl Note {
    /// Group and account of a member that nobody declared.
    pub fn undeclared(&self) -> Option<(&str, &str)> {
        let member = self.member.as_ref()?;
        Some((member.group.as_deref()?, member.account.as_deref()?))
    }
}

/// One directory as the planner needs it.
#[derive(Clone, Copy)]
pub struct DirectoryInput<'a> {
    /// Which directory of the policy.
    pub id: DirectoryId,
    /// Its pure part.
    pub kind: &'a dyn Kind,
    /// What was read. A directory that failed altogether has one gap for everything.
    pub observed: &'a Observed,
}

impl<'a> DirectoryInput<'a> {
    /// What this very server can do where the reading says so, otherwise what the
    /// settings promise.
    pub fn capabilities(&self) -> &'a Capabilities {
        self.observed.capabilities.as_ref().unwrap_or_else(|| self.kind.capabilities())
    }
}

/// What earlier runs left in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// (directory, account name) → what is known.
    pub accounts: BTreeMap<(String, String), AccountMemory>,
    /// (directory, name that an account had before accord set out to rename it) → key of
    /// its person.
    pub earlier: BTreeMap<(String, String), String>,
    /// (directory, name that a group had before accord set out to rename it) → its name
    /// after.
    pub earlier_groups: BTreeMap<(String, String), String>,
    /// (directory, account name) of accounts that a run set out to create without an
    /// answer that says it was done with all of it → when.
    pub halfway: BTreeMap<(String, String), Instant>,
    /// (directory, `group`, account or other member) → when an undeclared member was first seen.
    pub undeclared: BTreeMap<(String, String, String), Instant>,
    /// Directory → how large the last complete read was.
    pub sizes: BTreeMap<String, Size>,
    /// (directory, group of the policy that is managed elsewhere) → its last reading.
    pub references: BTreeMap<(String, String), ReferenceMemory>,
    /// What counts against the guardrails of the next plan.
    pub recent: recent::Recent,
}

impl Memory {
    /// Takes note that accord sets out to rename a group.
    pub fn group_renamed(&mut self, directory: &str, from: &str, to: &str) {
        let mut of = self.earlier_groups.range_mut((directory.to_owned(), String::new())..);
        while let Some((_, now)) = of.next().filter(|((other, _), _)| other == directory) {
            if now == from {
                to.clone_into(now);
            }
        }
        self.earlier_groups.insert((directory.to_owned(), from.to_owned()), to.to_owned());
        self.earlier_groups.remove(&(directory.to_owned(), to.to_owned()));
    }

    /// Takes note that accord made a group: it never had another name.
    pub fn group_created(&mut self, directory: &str, name: &str) {
        self.earlier_groups.retain(|(other, earlier), now| other != directory || (earlier != name && now != name));
    }
}

/// A reference group as a run read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceMemory {
    /// When, UTC.
    pub at: Instant,
    /// Keys of the people among its members, sorted.
    pub people: Vec<String>,
}

/// How large a directory was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Accounts.
    pub accounts: u64,
    /// Groups.
    pub groups: u64,
}

/// What earlier runs know of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountMemory {
    /// Key of the person it was matched to or created for.
    pub person: Option<String>,
    /// When accord disabled it (the latest time), if it is not enabled again since.
    pub disabled: Option<Instant>,
    /// What the directory itself called it when it was first seen (`objectGUID`).
    pub object: Option<String>,
    /// Which account of the person it is: a label, or an empty text for the everyday one.
    /// `None`: one that carries the person's id, and nobody declared.
    pub label: Option<String>,
}

/// Everything a plan is derived from. Equal inputs give byte-identical plans.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What is written.
    pub policy: &'a Policy,
    /// Which policies these are.
    pub mark: &'a PolicyMark,
    /// What was read, by directory; every directory of the policy once, in order.
    pub directories: &'a [DirectoryInput<'a>],
    /// What earlier runs left.
    pub memory: &'a Memory,
    /// The instant, UTC.
    pub at: Instant,
    /// Whether `at` was chosen.
    pub read_only: bool,
    /// What narrows the plan.
    pub filter: &'a Filter,
}
