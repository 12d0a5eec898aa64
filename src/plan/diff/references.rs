//! Attributes that name another account (`manager`).
//!
//! Comes in: names on both sides, drafts. Goes out: whether two names are one account,
//! and what an account that names another has to wait for. Refuses: names of accounts
//! that are not there and will not be.

use super::{Diff, Link, Links};
use crate::plan::draft::Found;
use crate::resolve::Want;

impl Diff<'_> {
    /// Whether the account that is observed under one name is the one that is desired
    /// under another: it is renamed, and whoever names it follows by itself.
    pub(super) fn is_renamed(&self, desired: &str, observed: &str) -> bool {
        let (Some(desired), Some(observed)) =
            (self.desired.state.account_named(desired), self.observed.account_named(observed))
        else {
            return false;
        };
        if let (Some(wanted), Some(held)) = (desired.person_id(), observed.person_id()) {
            return self.same_id(wanted, held);
        }
        let before = self.memory_of(observed).and_then(|known| known.person.as_deref());
        before.is_some() && before == self.person_of(desired).map(|(_, person)| person.key.as_ref())
    }

    /// Whether an account of that name is there, or will be.
    pub(super) fn can_be_named(&self, name: &str) -> bool {
        let comes = || {
            let desired = self.desired.state.account_named(name)?;
            self.desired.wants.get(desired.id().0 as usize).copied()
        };
        self.observed.account_named(name).is_some()
            || self.manages_accounts() && matches!(comes(), Some(Want::Enabled | Want::Soon(_)))
    }

    /// An account is made and renamed before another one names it.
    pub(super) fn after_the_named(&self, links: &Links, found: &mut Found) {
        for n in 0..found.drafts.len() {
            let Some(draft) = found.drafts.get_mut(n).filter(|draft| draft.change.object.group.is_none()) else {
                continue;
            };
            let mut needs = Vec::new();
            for (attribute, names) in draft.change.after.iter().flatten() {
                if !self.kind.names_accounts(attribute) {
                    continue;
                }
                for desired in names.iter().filter_map(|name| self.desired.state.account_named(name)) {
                    needs.extend(links.renames.get(&desired.id()));
                    if let Link::Needs(create) = links.link(desired.id()) {
                        needs.push(create);
                    }
                }
            }
            needs.retain(|need| *need as usize != n && !draft.needs.contains(need));
            draft.needs.extend(needs);
        }
    }
}
