//! What of a directory was read completely, and what was not.
//!
//! Comes in: the gaps of a read. Goes out: for each sort of question whether its
//! answer is proven. Refuses: to read "not seen" as "not there".

use crate::model::Matching;
use crate::provider::{Gap, GapScope};
use std::collections::BTreeMap;

/// The gaps of one read, ready to be asked.
#[derive(Debug, Clone)]
pub struct Known<'g> {
    names: Matching,
    directory: Option<&'g str>,
    accounts: Option<&'g str>,
    groups: Option<&'g str>,
    account: BTreeMap<String, &'g str>,
    group: BTreeMap<String, &'g str>,
}

impl<'g> Known<'g> {
    /// Sorts the gaps of a directory that compares names as `names` says.
    pub fn new(gaps: &'g [Gap], names: Matching) -> Self {
        let mut known = Self {
            names,
            directory: None,
            accounts: None,
            groups: None,
            account: BTreeMap::new(),
            group: BTreeMap::new(),
        };
        for gap in gaps {
            match &gap.scope {
                GapScope::Directory => known.directory = Some(&gap.why),
                GapScope::Accounts => known.accounts = Some(&gap.why),
                GapScope::Groups => known.groups = Some(&gap.why),
                GapScope::Account(name) => {
                    known.account.insert(names.key(name).into_owned(), &gap.why);
                }
                GapScope::Group(name) => {
                    known.group.insert(names.key(name).into_owned(), &gap.why);
                }
            }
        }
        known
    }

    /// Why nothing at all is proven.
    pub fn directory(&self) -> Option<&'g str> {
        self.directory
    }

    /// Why the absence of an account proves nothing.
    pub fn accounts(&self) -> Option<&'g str> {
        self.directory.or(self.accounts)
    }

    /// Why the absence of a group proves nothing.
    pub fn groups(&self) -> Option<&'g str> {
        self.directory.or(self.groups)
    }

    /// Why what was seen of that account is not all of it.
    pub fn account(&self, name: &str) -> Option<&'g str> {
        self.directory.or_else(|| self.account.get(self.names.key(name).as_ref()).copied())
    }

    /// Why what was seen of that group's members is not all of them.
    pub fn group(&self, name: &str) -> Option<&'g str> {
        self.directory.or_else(|| self.group.get(self.names.key(name).as_ref()).copied())
    }

    /// Why some account, or what it carries, is not known.
    pub fn some_account(&self) -> Option<&'g str> {
        self.accounts().or_else(|| self.account.values().next().copied())
    }

    /// Why some group's members are not all known.
    pub fn some_group(&self) -> Option<&'g str> {
        self.groups().or_else(|| self.group.values().next().copied())
    }

    /// The sentence for people.
    pub fn words(&self, directory: &str, facts: u64) -> String {
        let why = self
            .accounts
            .or(self.groups)
            .or_else(|| self.account.values().chain(self.group.values()).next().copied())
            .unwrap_or("the read is not complete");
        let noun = if facts == 1 { "fact keeps" } else { "facts keep" };
        format!("missing is not empty: {facts} {noun} what `{directory}` holds ({why})")
    }
}

/// The sentence for a directory of which nothing is proven.
pub(super) fn nothing_planned(directory: &str, why: &str, facts: u64) -> String {
    format!("missing is not empty: nothing in `{directory}` is planned, {facts} facts keep what it holds ({why})")
}
