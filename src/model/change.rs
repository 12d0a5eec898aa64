//! One step of a plan, with before and after.
//!
//! Comes in: what `plan::diff` found. Goes out: the same data to order, guard,
//! file, apply, journal and render. Refuses: closures, connections, secrets.

use super::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of a change in its plan, from 1, in the plan's order.
pub type ChangeId = u32;

/// What a change does. The order of the variants is the tie-breaking rank: what
/// takes away comes before what gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// An account stops being usable; nothing else about it changes.
    DisableAccount,
    /// A member leaves a group.
    Revoke,
    /// An account comes into being.
    CreateAccount,
    /// A group comes into being.
    CreateGroup,
    /// An account gets another name, or goes below another base, or both.
    RenameAccount,
    /// A group gets another name.
    RenameGroup,
    /// Attributes of an account change.
    UpdateAccount,
    /// Attributes of a group change.
    UpdateGroup,
    /// The native end or another property of a membership changes.
    UpdateMembership,
    /// A member joins a group.
    Grant,
    /// A disabled account becomes usable again.
    EnableAccount,
    /// A group goes away.
    DeleteGroup,
    /// An account goes away.
    DeleteAccount,
}

impl Action {
    /// Every action, in rank order.
    pub const ALL: [Self; 13] = [
        Self::DisableAccount,
        Self::Revoke,
        Self::CreateAccount,
        Self::CreateGroup,
        Self::RenameAccount,
        Self::RenameGroup,
        Self::UpdateAccount,
        Self::UpdateGroup,
        Self::UpdateMembership,
        Self::Grant,
        Self::EnableAccount,
        Self::DeleteGroup,
        Self::DeleteAccount,
    ];

    /// Everything but changing a membership in place, which needs memberships that
    /// carry something (a native end): the directories that speak in entries have none.
    pub fn on_entries() -> Vec<Self> {
        Self::ALL.into_iter().filter(|action| *action != Self::UpdateMembership).collect()
    }

    /// The word of the plan file, `create-account`.
    pub fn word(self) -> &'static str {
        match self {
            Self::DisableAccount => "disable-account",
            Self::Revoke => "revoke",
            Self::CreateAccount => "create-account",
            Self::CreateGroup => "create-group",
            Self::RenameAccount => "rename-account",
            Self::RenameGroup => "rename-group",
            Self::UpdateAccount => "update-account",
            Self::UpdateGroup => "update-group",
            Self::UpdateMembership => "update-membership",
            Self::Grant => "grant",
            Self::EnableAccount => "enable-account",
            Self::DeleteGroup => "delete-group",
            Self::DeleteAccount => "delete-account",
        }
    }

    /// The symbol people see: `+` more, `-` less, `~` other, `!` blocked.
    pub fn symbol(self) -> char {
        match self {
            Self::CreateAccount | Self::CreateGroup | Self::Grant | Self::EnableAccount => '+',
            Self::Revoke | Self::DeleteGroup | Self::DeleteAccount => '-',
            Self::DisableAccount => '!',
            _ => '~',
        }
    }

    /// Whether access goes up.
    pub fn gives(self) -> bool {
        matches!(self, Self::Grant | Self::EnableAccount | Self::CreateAccount)
    }

    /// Whether access goes down.
    pub fn takes(self) -> bool {
        matches!(self, Self::Revoke | Self::DisableAccount | Self::DeleteAccount | Self::DeleteGroup)
    }
}

/// What a change is about. Names are as the directory knows them (or will, for
/// creations); groups are named without their directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The group concerned, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// The account concerned: alone, or as the member of `group`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<String>,
    /// A member of `group` that is no account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member: Option<OtherMember>,
}

/// A member that is no account of the managed base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherMember {
    /// A nested group, by name.
    Group(String),
    /// Anything else, as the directory writes it (a DN, say).
    Other(String),
}

impl Object {
    /// An account.
    pub fn account(name: impl Into<String>) -> Self {
        Self { group: None, account: Some(name.into()), member: None }
    }

    /// A group.
    pub fn group(name: impl Into<String>) -> Self {
        Self { group: Some(name.into()), account: None, member: None }
    }

    /// An account as a member of a group.
    pub fn membership(group: impl Into<String>, account: impl Into<String>) -> Self {
        Self { group: Some(group.into()), account: Some(account.into()), member: None }
    }

    /// Something else as a member of a group.
    pub fn other(group: impl Into<String>, member: OtherMember) -> Self {
        Self { group: Some(group.into()), account: None, member: Some(member) }
    }
}

/// One side of a change: the properties that the change reads or writes, by the
/// directory's own attribute names. Beside attributes these keys are used:
/// `name`, `enabled` (`true`/`false`), `ends` (RFC 3339 UTC), `base` (one of several below
/// which the account is, as the settings write it). An absent key is
/// an absent value.
pub type Side = BTreeMap<String, Vec<String>>;

/// One step. `before` is what must still hold when it runs; `after` is what holds
/// then. A grant has no `before`, a revoke no `after`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Number in the plan.
    pub id: ChangeId,
    /// Name of the directory.
    pub directory: String,
    /// What is done.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// The person concerned by key, where one is known. Ids only: no name, no address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub person: Option<String>,
    /// Which of the person's second accounts it is about (`admin` of `corp#admin`); none
    /// for the everyday one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// The compared values before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Side>,
    /// The values written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Side>,
    /// Why: indices into the plan's facts, from the person to the entitlement.
    pub because: Vec<u32>,
    /// When the access given (or kept) ends, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends: Option<Instant>,
    /// Changes that must be done first. Numbers above the last change are the
    /// plan's barriers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub needs: Vec<ChangeId>,
}

impl Change {
    /// What makes two changes the same step, whatever their numbers.
    pub fn key(&self) -> (&str, &Object, Action) {
        (&self.directory, &self.object, self.action)
    }

    /// The end before and after an update that moves one.
    pub fn moved_ends(&self) -> Option<(Option<Instant>, Option<Instant>)> {
        let end = |side: &Option<Side>| Instant::try_from(side.as_ref()?.get("ends")?.first()?.clone()).ok();
        let moves = matches!(self.action, Action::UpdateAccount | Action::UpdateMembership);
        let both = (end(&self.before), end(&self.after));
        (moves && both != (None, None)).then_some(both)
    }

    /// Whether access lasts longer afterwards: an account's own end, or a membership's, moves out.
    pub fn lasts_longer(&self) -> bool {
        let longer = |(before, after): (Option<Instant>, Option<Instant>)| {
            before.is_some_and(|before| after.is_none_or(|after| after > before))
        };
        self.moved_ends().is_some_and(longer)
    }
}
