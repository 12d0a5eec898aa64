//! Accounts under another name than the one that is written: renames.
//!
//! Comes in: desired and observed accounts that their names did not pair. Goes out: links
//! and drafts of renames. Refuses: to tell two accounts of one person apart by the person
//! alone, and to rename what nothing proves to be that account.

use super::{Diff, Link, Links, Owner};
use crate::model::state::AccountRef;
use crate::model::{AccountId, Matching};
use crate::plan::draft::{Draft, Found, Reason};
use crate::policy::Label;
use crate::resolve::Want;
use std::collections::BTreeMap;

/// What the merge could not pair by name.
#[derive(Default)]
pub(super) struct Loose {
    /// Desired accounts without a partner; `true` where the name is taken by somebody else's.
    pub(super) desired: Vec<(AccountId, Option<Reason>)>,
    /// Observed accounts without a partner.
    pub(super) observed: Vec<AccountId>,
}

impl Diff<'_> {
    /// Pairs what is left by stable id, then by what earlier runs matched: renames.
    pub(super) fn moved(&self, loose: &mut Loose, links: &mut Links, found: &mut Found) {
        if loose.desired.is_empty() || loose.observed.is_empty() {
            return;
        }
        let attribute = self.settings().accounts.id_attribute.as_deref().unwrap_or("id");
        let matching: Matching = self.kind.matching(attribute);
        // A person's everyday account comes before the second ones.
        let mut by_id: BTreeMap<String, Vec<(Label, usize)>> = BTreeMap::new();
        let mut by_memory: BTreeMap<&str, Vec<(Label, usize)>> = BTreeMap::new();
        for (n, (desired, _)) in loose.desired.iter().enumerate() {
            let Some(account) = self.desired.state.account(*desired) else { continue };
            let one = (self.desired.label(*desired), n);
            if let Some(id) = account.person_id() {
                by_id.entry(matching.key(id).into_owned()).or_default().push(one);
            }
            if let Some((_, person)) = self.person_of(account) {
                by_memory.entry(&person.key).or_default().push(one);
            }
        }
        for list in by_id.values_mut() {
            list.sort_unstable();
        }
        let mut taken: BTreeMap<usize, Vec<AccountId>> = BTreeMap::new();
        loose.observed.retain(|id| {
            let Some(observed) = self.observed.account(*id) else { return false };
            let known = self.memory_of(observed);
            let remembered = known.and_then(|known| by_memory.get(known.person.as_deref()?));
            let same_id = observed.person_id().map(|id| by_id.get(matching.key(id).as_ref()));
            let mine = match same_id {
                Some(same_id) => same_id,
                None => remembered,
            };
            // Which one it is, an earlier run has seen; otherwise only the id speaks.
            let word = known.and_then(|known| known.label.as_deref());
            let partner = match (mine.map(Vec::as_slice), word) {
                (None | Some([]), _) => None,
                (Some(mine), Some(word)) if remembered.is_some() => {
                    mine.iter().find(|(label, _)| self.policy.label(*label).unwrap_or_default() == word)
                }
                // Two accounts of one person cannot be told apart by the person.
                (Some([_, _, ..]), _) if same_id.is_none() => None,
                (Some([first, ..]), _) => Some(first),
            };
            if let Some((_, n)) = partner {
                taken.entry(*n).or_default().push(*id);
            }
            partner.is_none()
        });
        let mut rest = Vec::new();
        for (n, (id, reason)) in std::mem::take(&mut loose.desired).into_iter().enumerate() {
            match (taken.get(&n).map(Vec::as_slice), self.desired.state.account(id)) {
                (Some(partners), Some(desired)) => self.found_elsewhere(desired, partners, reason, links, found),
                _ => rest.push((id, reason)),
            }
        }
        loose.desired = rest;
    }

    /// An account under another name: one, proven, in a complete read, or in doubt.
    fn found_elsewhere(
        &self,
        desired: AccountRef<'_>,
        partners: &[AccountId],
        taken: Option<Reason>,
        links: &mut Links,
        found: &mut Found,
    ) {
        let seen: Vec<AccountRef<'_>> = partners.iter().filter_map(|id| self.observed.account(*id)).collect();
        // Another account, unseen, may be there by that name or carry that id too.
        let unread = self.known.some_account().is_some();
        let link = match seen.as_slice() {
            [one] if !unread => return self.rename(desired, *one, taken, links, found),
            _ if unread => {
                found.unknown += 1;
                Link::Unread
            }
            several => {
                let names: Vec<&str> = several.iter().map(|account| account.name()).collect();
                let reason = Reason::new(
                    format!("{} in `{}` carry the same id", names.join(" and "), self.name()),
                    "take the id off the account that is not the person's",
                );
                self.unproven(desired, reason, found)
            }
        };
        for observed in seen {
            links.connect(desired.id(), observed.id(), Owner::Doubtful(desired.id()), link);
        }
    }

    fn rename(
        &self,
        desired: AccountRef<'_>,
        observed: AccountRef<'_>,
        taken: Option<Reason>,
        links: &mut Links,
        found: &mut Found,
    ) {
        let staying = self.is_staying(desired);
        if staying && let Err(reason) = self.is_the_account(desired, observed) {
            let link = self.unproven(desired, reason, found);
            return links.connect(desired.id(), observed.id(), Owner::Doubtful(desired.id()), link);
        }
        links.connect(desired.id(), observed.id(), Owner::Account(desired.id()), Link::Is(observed.id()));
        if staying && self.manages_accounts() {
            let new_name = Some(desired.name()).filter(|name| *name != observed.name());
            self.relocate((desired, observed), new_name, taken, links, found);
        }
        let first = found.drafts.len();
        self.compare(desired, observed, found);
        if staying && self.known.some_group().is_some() && desired.name() != observed.name() {
            // Whether it keeps its name is not known: only what takes away is.
            for draft in found.drafts.split_off(first) {
                if draft.action().takes() {
                    found.drafts.push(draft);
                    continue;
                }
                let earlier = draft.earlier_end();
                if earlier.is_none() || draft.without_end().is_some() {
                    found.unknown += 1;
                }
                found.drafts.extend(earlier);
            }
            links.set(desired.id(), Link::Seen(observed.id()));
        }
        self.behind_rename(desired, desired.name(), links, first, found);
    }

    /// Whether the account is kept as it is declared.
    pub(super) fn is_staying(&self, desired: AccountRef<'_>) -> bool {
        matches!(self.want(desired.id()), Want::Enabled | Want::OnLeave | Want::Soon(_))
    }

    /// Whether an update of an account that only moves names other accounts, which it may
    /// have to wait for: two that move and name each other would wait in a circle.
    fn waits_for_others(&self, draft: &Draft, name: &str) -> bool {
        let mut written = draft.change.after.iter().flatten().map(|(attribute, _)| attribute);
        draft.change.object.account.as_deref() == Some(name)
            && written.any(|attribute| self.kind.names_accounts(attribute))
    }

    /// What takes away, an earlier end included, runs under the old name and before the
    /// rename; everything else under the new name and after it.
    pub(super) fn behind_rename(
        &self,
        desired: AccountRef<'_>,
        name: &str,
        links: &Links,
        first: usize,
        found: &mut Found,
    ) {
        let Some(rename) = links.renames.get(&desired.id()).copied() else { return };
        let mut before = Vec::new();
        let mut behind = Vec::new();
        for (n, draft) in found.drafts.iter_mut().enumerate().skip(first) {
            let number = u32::try_from(n).unwrap_or(u32::MAX);
            if draft.action().takes() {
                before.push(number);
            } else if let Some(earlier) = draft.earlier_end().filter(|_| !self.waits_for_others(draft, name)) {
                // A move changes nothing about the values: they go with the end. Of another
                // name they may be made.
                let is_moved = draft.change.object.account.as_deref() == Some(name);
                behind.extend(draft.without_end().filter(|_| !is_moved));
                if !is_moved {
                    *draft = earlier;
                }
                before.push(number);
            } else {
                draft.change.object.account = Some(name.to_owned());
                draft.needs.push(rename);
            }
        }
        for mut draft in behind {
            draft.change.object.account = Some(name.to_owned());
            draft.needs.push(rename);
            found.push(draft);
        }
        if let Some(draft) = found.drafts.get_mut(rename as usize) {
            draft.needs.extend(before);
        }
    }
}
