//! One directory, desired beside observed: what would have to change.
//!
//! Comes in: a [`DesiredDirectory`], what was read with its gaps, what earlier runs
//! know. Goes out: drafts, notes. Refuses: to order, to limit, and to take what was
//! not read for what is not there: a fact that hangs on a gap is counted as unknown
//! and keeps what the directory holds.
//!
//! Both sides are sorted by comparison key, so accounts and groups are one merge;
//! members are compared by number. Memory is taken only for a few numbers beside
//! each account and for what differs.

mod accounts;
mod attributes;
mod ends;
mod groups;
mod identity;
mod kept_in;
mod known;
mod members;
mod moved;
mod nested;
mod place;
mod references;
mod renamed;

pub(super) use identity::by_object;
pub use known::Known;

use super::draft::{Draft, Fate, Found, Reason, Why};
use super::{AccountMemory, DirectoryInput, Memory};
use crate::model::change::OtherMember;
use crate::model::{AccountId, Action, Instant, Matching, Object, State};
use crate::policy::Policy;
use crate::policy::glob::Glob;
use crate::policy::settings::{AccountManage, Directory, DirectorySettings};
use crate::provider::{Capabilities, Kind, Protected};
use crate::resolve::DesiredDirectory;
use std::collections::BTreeMap;

/// What one comparison looks at.
pub struct Diff<'a> {
    policy: &'a Policy,
    directory: &'a Directory,
    number: u16,
    kind: &'a dyn Kind,
    capabilities: &'a Capabilities,
    desired: &'a DesiredDirectory,
    observed: &'a State,
    memory: &'a Memory,
    /// What the directory itself calls an account for ever → what is remembered of it.
    objects: BTreeMap<&'a str, &'a AccountMemory>,
    at: Instant,
    known: Known<'a>,
    protected_accounts: Vec<Glob>,
    protected_groups: Vec<Glob>,
    /// What the directory itself protects, by comparison keys of group and account or
    /// other member, and why.
    shielded: BTreeMap<(Option<String>, Option<String>), &'a str>,
    /// What this kind cannot express, by object.
    unfit: BTreeMap<Object, String>,
}

/// Where a desired account is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Link {
    /// Not there, and not wanted now.
    #[default]
    Absent,
    /// There, and proven to be the person's.
    Is(AccountId),
    /// There and the person's, but what it will be called is not known.
    Seen(AccountId),
    /// There once that draft is done, or withheld with it.
    Needs(u32),
    /// Whether it is there is not known.
    Unread,
    /// Not there, and managed elsewhere.
    Elsewhere,
}

/// Whose an observed account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Owner {
    /// Nobody declared it.
    #[default]
    Nobody,
    /// The desired account with that number.
    Account(AccountId),
    /// It may be that of the desired account with that number; nothing proves it.
    Doubtful(AccountId),
    /// That of somebody who was declared and no longer is.
    Gone,
}

/// Both directions of the matching.
struct Links {
    /// Beside each desired account.
    of_desired: Vec<Link>,
    /// Beside each observed account.
    of_observed: Vec<Owner>,
    /// Desired accounts that are renamed: number → the draft.
    renames: BTreeMap<AccountId, u32>,
}

impl Links {
    fn link(&self, desired: AccountId) -> Link {
        self.of_desired.get(desired.0 as usize).copied().unwrap_or_default()
    }

    fn owner(&self, observed: AccountId) -> Owner {
        self.of_observed.get(observed.0 as usize).copied().unwrap_or_default()
    }

    fn connect(&mut self, desired: AccountId, observed: AccountId, owner: Owner, link: Link) {
        if let Some(cell) = self.of_desired.get_mut(desired.0 as usize) {
            *cell = link;
        }
        if let Some(cell) = self.of_observed.get_mut(observed.0 as usize) {
            *cell = owner;
        }
    }

    fn set(&mut self, desired: AccountId, link: Link) {
        if let Some(cell) = self.of_desired.get_mut(desired.0 as usize) {
            *cell = link;
        }
    }
}

/// Compares one directory.
pub fn directory(
    policy: &Policy,
    input: DirectoryInput<'_>,
    desired: &DesiredDirectory,
    memory: &Memory,
    at: Instant,
) -> Found {
    let mut found = Found::default();
    let Some(directory) = policy.directories.get(usize::from(input.id.0)) else { return found };
    let known = Known::new(&input.observed.gaps, input.kind.capabilities().names);
    if let Some(why) = known.directory() {
        let facts = desired.state.membership_count() + desired.state.account_count();
        found.note("incomplete", &directory.name, "*", known::nothing_planned(&directory.name, why, facts as u64));
        return found;
    }
    let diff = Diff::new(policy, directory, input, desired, memory, at, known);
    let links = diff.accounts(&mut found);
    diff.groups(&links, &mut found);
    diff.lacking(&mut found);
    diff.unfit_notes(&mut found);
    if found.unknown > 0 {
        let text = diff.known.words(&directory.name, found.unknown);
        found.note("incomplete", &directory.name, "*", text);
    }
    found
}

fn shielded(protected: &[Protected], names: Matching) -> BTreeMap<(Option<String>, Option<String>), &str> {
    let key = |name: &String| names.key(name).into_owned();
    let keys = |object: &Object| {
        let other = object.member.as_ref().map(|member| match member {
            OtherMember::Group(name) | OtherMember::Other(name) => name,
        });
        (object.group.as_ref().map(key), object.account.as_ref().or(other).map(key))
    };
    protected.iter().map(|protected| (keys(&protected.object), protected.why.as_str())).collect()
}

impl<'a> Diff<'a> {
    fn new(
        policy: &'a Policy,
        directory: &'a Directory,
        input: DirectoryInput<'a>,
        desired: &'a DesiredDirectory,
        memory: &'a Memory,
        at: Instant,
        known: Known<'a>,
    ) -> Self {
        let capabilities = input.capabilities();
        // A pattern that does not parse was refused when the policy was loaded.
        let globs = |patterns: &[String]| -> Vec<Glob> {
            patterns.iter().filter_map(|pattern| Glob::new(pattern, capabilities.names).ok()).collect()
        };
        Self {
            policy,
            directory,
            number: input.id.0,
            kind: input.kind,
            capabilities,
            desired,
            observed: &input.observed.state,
            memory,
            objects: identity::by_object(memory, &directory.name),
            at,
            known,
            protected_accounts: globs(&directory.settings.protect.accounts),
            protected_groups: globs(&directory.settings.protect.groups),
            shielded: shielded(&input.observed.protected, capabilities.names),
            unfit: input.kind.fit(&desired.state).into_iter().map(|unfit| (unfit.object, unfit.why)).collect(),
        }
    }

    fn settings(&self) -> &'a DirectorySettings {
        &self.directory.settings
    }

    fn name(&self) -> &'a str {
        &self.directory.name
    }

    fn names(&self) -> Matching {
        self.capabilities.names
    }

    fn manages_accounts(&self) -> bool {
        self.settings().accounts.manage == AccountManage::Full
    }

    fn account_is_protected(&self, name: &str) -> bool {
        self.protected_accounts.iter().any(|glob| glob.matches(name)) || self.shield(None, Some(name)).is_some()
    }

    fn group_is_protected(&self, name: &str) -> bool {
        self.protected_groups.iter().any(|glob| glob.matches(name)) || self.shield(Some(name), None).is_some()
    }

    /// Why the directory itself protects an object.
    fn shield(&self, group: Option<&str>, member: Option<&str>) -> Option<&'a str> {
        if self.shielded.is_empty() {
            return None;
        }
        let key = |name: Option<&str>| name.map(|name| self.names().key(name).into_owned());
        self.shielded.get(&(key(group), key(member))).copied()
    }

    /// `protected`, and by whom where it is the directory itself.
    fn protection(&self, group: Option<&str>, member: Option<&str>) -> String {
        self.shield(group, member)
            .map_or_else(|| "protected".to_owned(), |why| format!("protected by the directory ({why})"))
    }

    fn draft(&self, action: Action, object: Object, why: Why) -> Draft {
        let mut draft = Draft::new((self.number, self.name()), action, object, why);
        if !self.capabilities.actions.contains(&action) {
            draft.fate = Fate::withheld(Reason::new(
                format!("directories of kind `{}` cannot {}", self.settings().kind.word(), action.word()),
                "do it by hand there, or change what is declared",
            ));
        } else if let Some(why) = self.unfit.get(&draft.change.object).filter(|_| !action.takes()) {
            draft.fate = Fate::withheld(Reason::new(
                format!("`{}` cannot hold this: {why}", self.name()),
                "change what is declared, or the directory's settings",
            ));
        }
        draft
    }

    /// What the kind cannot express is said once per object, whether or not a
    /// change came of it.
    fn unfit_notes(&self, found: &mut Found) {
        for (object, why) in &self.unfit {
            let mut name = object.group.clone().unwrap_or_default();
            if let Some(account) = &object.account {
                if !name.is_empty() {
                    name.push('/');
                }
                name.push_str(account);
            }
            found.note("unfit", self.name(), name, why.clone());
        }
    }

    /// The account's number in its directory, the same in every draft.
    fn number_of_desired(account: AccountId) -> u32 {
        account.0
    }

    fn number_of_observed(&self, account: AccountId) -> u32 {
        u32::try_from(self.desired.state.account_count()).unwrap_or(u32::MAX).saturating_add(account.0)
    }
}
