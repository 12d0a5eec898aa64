//! What one line of the journal says.
//!
//! Comes in: changes and their results. Goes out: records that serialise to one
//! JSON line each. Refuses: the values of a change (their digest is kept) and
//! whatever else is personal: names of accounts and groups, keys and handles are
//! ids, a why is the directory's own words.

use crate::model::{Action, Change, ChangeId, Instant, Object, Side};
use crate::plan::{PolicyMark, Sighting};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the first record of the first run has as the hash before it.
pub const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest why that is kept, in characters.
const WHY: usize = 400;

/// One line: its number in the run, the hash of the line before, the instant, and
/// what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line<R> {
    /// Number in the run, from 1.
    pub seq: u64,
    /// SHA-256 of the line before without its line break, lower-case hex; for the
    /// first line of a run that of the last line of the run before.
    pub prev: String,
    /// When it was written, UTC.
    pub at: Instant,
    /// What it says.
    pub record: R,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// The first line of every run.
    RunStarted(RunStarted),
    /// A directory as the plan saw it: how many, for the doubt about shrunken reads.
    Seen(Seen),
    /// Members that nobody declared, as the plan saw them.
    Undeclared(Undeclared),
    /// Accounts that were found to be somebody's, and that nothing had to be changed of.
    Matched(Matched),
    /// A group that is managed elsewhere, as the run read it.
    Reference(ReferenceRead),
    /// A change that is about to be sent. It is on disk before anything is.
    Intent(Intent),
    /// What an earlier run wrote here and could not share in time.
    Late(Late),
    /// What became of a change: its only final result.
    Outcome(Outcome),
    /// What a read after the writes showed.
    Verified(Verified),
    /// The last line of a run that was not killed.
    RunEnded(RunEnded),
}

/// Which run, of which plan, after which run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The run's id, also its file's name.
    pub run: String,
    /// The run before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Torn ends of earlier files that a kill left; they stay where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<Torn>,
    /// What the head file promised and the files no longer hold. Never written by
    /// a kill: somebody cut the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Digest of the plan that is executed.
    pub plan: String,
    /// Which policies.
    pub policy: PolicyMark,
    /// Version of accord.
    pub version: String,
    /// Who runs it, where the caller knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The ticket of an `--allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Guardrail classes that were let through once: `revocations` → so many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allow: BTreeMap<String, u64>,
    /// Who signed the plan file, by the name in the list of signers, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Up to where access was found approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approved>,
    /// What the plan left out, so that the run is not the last word: `--directory`,
    /// `--action`, `--dated`, `withheld`, `unread`, `unreviewed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// Up to where a run found the access approved that the policies give.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The commit up to which nothing lacks an approval; `None`: nobody could say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The commit up to which `access` was found approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What was found approved after `since`, where something else lacks an approval: key of
    /// the person, `directory/group`, label of a second account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<(String, String, Option<String>)>,
    /// Whether `since` was named by whoever ran it, not found by the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
}

/// Bytes at the end of a file that are no whole record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// Whose file.
    pub run: String,
    /// How many whole records stand before them.
    pub records: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256, lower-case hex, so that nothing can hide in them later.
    pub sha256: String,
}

/// Lines that an earlier run of this machine wrote after others had gone on from what it
/// had shared: evidence, in its own words. What they mean for the next plan its intents said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// The run that wrote them.
    pub run: String,
    /// The lines as they were written.
    pub lines: Vec<String>,
}

/// How much of a directory a complete read showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Name of the directory.
    pub directory: String,
    /// Accounts.
    pub accounts: u64,
    /// Groups.
    pub groups: u64,
}

/// Members of a directory's groups that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeclared {
    /// Name of the directory.
    pub directory: String,
    /// (group, account), sorted.
    #[serde(default)]
    pub seen: Vec<(String, String)>,
    /// What earlier versions wrote: `group/account` taken apart at the first `/`. Read
    /// where it can mean one thing only, never written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<(String, String)>,
}

/// Whose accounts of a directory are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// Name of the directory.
    pub directory: String,
    /// (account, key of its person), sorted.
    pub accounts: Vec<(String, String)>,
    /// Account → what the directory itself calls it for ever, where it says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, String>,
    /// Account → its label among those of its person, null where it is not known which one
    /// it is. Absent are everyday accounts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
}

/// A group that is managed elsewhere, as the run read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRead {
    /// Name of the directory.
    pub directory: String,
    /// The group, as the policies call it.
    pub group: String,
    /// SHA-256 over the sorted keys of its people, one a line: what the plan names.
    pub digest: String,
    /// The keys, sorted; left out where they are those of the reading before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<Vec<String>>,
}

/// A change without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Number in the plan.
    pub change: ChangeId,
    /// Name of the directory.
    pub directory: String,
    /// What is done.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// The new name of a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether the account that is made cannot be used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Key of the person concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Which of the person's second accounts it is about; none for the everyday one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Digest of the values before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Digest of the values after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether it makes a membership last longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub longer: bool,
    /// When the access ends, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Instant>,
    /// What had to be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<ChangeId>,
}

/// The final result of one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Number in the plan.
    pub change: ChangeId,
    /// What became of it.
    pub result: Status,
    /// Why, where it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Handle of an object that the change made or moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Acknowledged by the directory, or found in effect.
    Done,
    /// Accepted by the directory, in effect later.
    Pending,
    /// What was planned against no longer holds.
    Conflict,
    /// The directory does not allow it.
    Refused,
    /// The directory was not reachable, or asked too often to wait; certainly not done.
    Broken,
    /// Acknowledged, but a read showed that nothing changed.
    NotInEffect,
    /// No answer came, and no read could tell either.
    Unknown,
    /// Something that it needs was not done.
    Skipped,
    /// The run was stopped before it was sent.
    NotStarted,
}

impl Status {
    /// The word of the journal and of the table that people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::NotInEffect => "not-in-effect",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::NotStarted => "not-started",
        }
    }

    /// What became of it, as the end of a sentence that names the change.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Done => "is done",
            Self::Pending => "is pending",
            Self::Conflict => "is a conflict",
            Self::Refused => "is refused",
            Self::Broken => "is broken",
            Self::NotInEffect => "is not in effect",
            Self::Unknown => "is unknown",
            Self::Skipped => "is skipped",
            Self::NotStarted => "is not started",
        }
    }

    /// Whether what needs the change may go on.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// What a read after the writes of a directory showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Name of the directory.
    pub directory: String,
    /// Changes that were found in effect, ascending.
    pub in_effect: Vec<ChangeId>,
    /// Changes that the directory acknowledged and that had no effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_in_effect: Vec<ChangeId>,
    /// Changes whose object could not be read; why is in `why`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<ChangeId>,
    /// Why something could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Result word → number of changes.
    pub totals: BTreeMap<String, u64>,
    /// Why the run ended before its plan did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// SHA-256 of the file that holds what all runs up to this one remember.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

impl Matched {
    /// What was seen in a directory.
    pub fn of(directory: String, sightings: Vec<Sighting>) -> Self {
        let accounts = Vec::with_capacity(sightings.len());
        let mut matched = Self { directory, accounts, objects: BTreeMap::new(), labels: BTreeMap::new() };
        for Sighting { account, person, object, label } in sightings {
            if label.as_deref() != Some("") {
                matched.labels.insert(account.clone(), label);
            }
            matched.objects.extend(object.map(|object| (account.clone(), object)));
            matched.accounts.push((account, person));
        }
        matched
    }
}

impl Verified {
    /// Nothing read yet.
    pub fn of(directory: &str) -> Self {
        let directory = directory.to_owned();
        Self { directory, in_effect: Vec::new(), not_in_effect: Vec::new(), not_read: Vec::new(), why: None }
    }

    /// The same with ascending numbers.
    pub fn sort(&mut self) {
        for list in [&mut self.in_effect, &mut self.not_in_effect, &mut self.not_read] {
            list.sort_unstable();
        }
    }
}

impl Intent {
    /// What the journal keeps of `change`.
    pub fn of(change: &Change) -> Self {
        let renames = matches!(change.action, Action::RenameAccount | Action::RenameGroup);
        let name = change.after.as_ref().and_then(|after| after.get("name")).and_then(|values| values.first());
        let says = |key: &str, value: &str| {
            let values = change.after.as_ref().and_then(|after| after.get(key));
            values.is_some_and(|values| values.iter().any(|held| held == value))
        };
        Self {
            change: change.id,
            directory: change.directory.clone(),
            action: change.action,
            object: change.object.clone(),
            to: if renames { name.cloned() } else { None },
            disabled: change.action == Action::CreateAccount && says("enabled", "false"),
            person: change.person.clone(),
            label: change.label.clone(),
            before: change.before.as_ref().map(digest),
            after: change.after.as_ref().map(digest),
            longer: change.action == Action::UpdateMembership && change.lasts_longer(),
            ends: change.ends,
            needs: change.needs.clone(),
        }
    }
}

/// Digest of one side of a change: of its canonical JSON (keys sorted, no spaces).
pub fn digest(side: &Side) -> String {
    sha256(&serde_json::to_vec(side).unwrap_or_default())
}

/// SHA-256 as lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A why that fits a line: cut, with the cut shown.
pub fn shorten(why: &str) -> String {
    match why.char_indices().nth(WHY) {
        None => why.to_owned(),
        Some((cut, _)) => format!("{} …", why.get(..cut).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_keeps_ids_and_digests_only() {
        let change = Change {
            id: 3,
            directory: "corp".into(),
            action: Action::CreateAccount,
            object: Object::account("maria.lopez"),
            person: Some("maria.lopez".into()),
            label: None,
            before: None,
            after: Some(Side::from([("sn".to_owned(), vec!["Lopez-Secret".to_owned()])])),
            because: vec![0],
            ends: None,
            needs: vec![1],
        };
        let text = serde_json::to_string(&Record::Intent(Intent::of(&change))).unwrap();
        assert!(!text.contains("Lopez-Secret"), "{text}");
        assert!(text.starts_with(r#"{"intent":{"change":3,"directory":"corp","action":"create-account""#), "{text}");
    }

    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_long_why_is_cut_visibly() {
        assert_eq!(shorten("short"), "short");
        assert!(shorten(&"ä".repeat(1000)).ends_with("ä …"));
    }
}
