//! Ends that the directory itself gives memberships.
//!
//! Comes in: a desired group beside the observed one. Goes out: the end that a grant
//! writes, and drafts that move an end. Refuses: to give an end to what nobody takes away
//! (`additive`), and to touch what is protected, unsettled or not proven.

use super::{Diff, Links};
use crate::model::state::GroupRef;
use crate::model::{AccountId, Action, Instant, Object, Side};
use crate::plan::draft::{Draft, Found};
use crate::policy::Manage;
use crate::provider::same_end;

/// The side that says when a membership ends; none where it does not.
fn side(end: Option<Instant>) -> Side {
    end.map(|end| ("ends".to_owned(), vec![end.to_string()])).into_iter().collect()
}

impl Diff<'_> {
    /// Whether the directory itself ends memberships of that group. What `additive`
    /// groups hold is never taken away, by nobody.
    fn ends_memberships(&self, group: GroupRef<'_>) -> bool {
        self.capabilities.ends_itself.memberships
            && self.written(group).is_some_and(|(_, group)| group.manage != Manage::Additive)
    }

    /// The end that a grant writes, where the directory itself is to act on it.
    pub(super) fn native_end(&self, group: GroupRef<'_>, position: usize) -> Option<Side> {
        let end = group.ends(position).filter(|_| self.ends_memberships(group));
        end.map(|end| side(Some(end)))
    }

    /// Puts right the end that the directory itself gives the membership at `position`;
    /// `renamed` is the draft that the group waits for.
    pub(super) fn moved_end(
        &self,
        links: &Links,
        (desired, position): (GroupRef<'_>, usize),
        place: Option<(GroupRef<'_>, AccountId)>,
        renamed: Option<u32>,
        found: &mut Found,
    ) {
        let Some((observed, id)) = place.filter(|_| self.ends_memberships(desired)) else { return };
        let held = observed.members().binary_search(&id).ok().and_then(|n| observed.ends(n));
        let wanted = desired.ends(position);
        let account = desired.members().get(position).and_then(|id| self.desired.state.account(*id));
        let (Some(account), Some(held_by)) = (account, self.observed.account(id)) else { return };
        let is_left_alone = || {
            self.account_is_protected(held_by.name())
                || self.shield(Some(observed.name()), Some(held_by.name())).is_some()
        };
        if same_end(held, wanted) || is_left_alone() {
            return;
        }
        if self.known.group(observed.name()).is_some() || self.is_unsettled(desired, account.id()) {
            found.unknown += 1;
            return;
        }
        let mut draft: Draft = self.grant(desired, account, position);
        draft.change.action = Action::UpdateMembership;
        let mut draft = draft.sides(side(held), side(wanted));
        let waits: Vec<u32> = renamed.into_iter().chain(links.renames.get(&account.id()).copied()).collect();
        if draft.ends_earlier() {
            // Like all that takes away: under the names of now, and no rename holds it back.
            draft.change.object = Object::membership(observed.name(), held_by.name());
            let earlier = found.push(draft);
            for rename in waits {
                if let Some(rename) = found.drafts.get_mut(rename as usize) {
                    rename.needs.push(earlier);
                }
            }
            return;
        }
        draft.needs = waits;
        self.as_written(links, account, Some(observed).filter(|_| renamed.is_none()), &mut draft);
        found.push(draft);
    }
}
