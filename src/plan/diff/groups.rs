//! Groups: created, updated, renamed, deleted.
//!
//! Comes in: both sides, sorted, and the links of the accounts. Goes out: drafts.
//! Refuses: groups that are protected, referenced, not named (unless the directory's
//! groups are `exclusive`) or not read completely.

use super::{Diff, Links};
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{Action, Matching, Object, Side, StateGroupId};
use crate::plan::draft::{Draft, Fate, Found, Reason, Why};
use crate::policy::settings::GroupManage;
use crate::policy::{Group, GroupId};
use std::collections::BTreeMap;

/// Where a desired group is found.
pub(super) enum Place<'s> {
    /// Under its name.
    There(GroupRef<'s>),
    /// Under its earlier name; the draft renames it.
    Renamed(GroupRef<'s>, u32),
    /// Once that draft is done.
    Created(u32),
}

impl Diff<'_> {
    /// Compares the groups and their members.
    pub(super) fn groups(&self, links: &Links, found: &mut Found) {
        let mut members = self.members(links);
        let mut earlier: BTreeMap<StateGroupId, StateGroupId> = BTreeMap::new();
        for desired in self.desired.state.groups() {
            let before = self.written(desired).and_then(|(_, group)| group.previously.as_deref());
            let Some(observed) = before.and_then(|name| self.observed.group_named(name)) else { continue };
            let free = self.observed.group_named(desired.name()).is_none();
            if free && self.desired.state.group_named(observed.name()).is_none() {
                earlier.insert(observed.id(), desired.id());
            } else {
                let text = format!(
                    "both the group and its earlier name `{}` are there; the earlier one is left as it is",
                    observed.name()
                );
                found.note("previously", self.name(), desired.name(), text);
            }
        }
        let renamed: BTreeMap<StateGroupId, StateGroupId> = earlier.iter().map(|(o, d)| (*d, *o)).collect();
        let mut left = self.desired.state.groups().peekable();
        let mut right = self.observed.groups().peekable();
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(desired), Some(observed)) => desired.key().cmp(observed.key()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => break,
            };
            let desired = if order.is_le() { left.next() } else { None };
            let observed = if order.is_ge() { right.next() } else { None };
            match (desired, observed) {
                (Some(desired), Some(observed)) => {
                    let first = found.drafts.len();
                    self.compare_group(desired, observed, found);
                    members.compare(self, links, desired, &Place::There(observed), found);
                    self.spare_protected(observed, first, found);
                }
                (Some(desired), None) => {
                    let observed = renamed.get(&desired.id()).and_then(|id| self.observed.group(*id));
                    let first = found.drafts.len();
                    let Some(place) = self.missing_group(desired, observed, found) else { continue };
                    members.compare(self, links, desired, &place, found);
                    if let Some(observed) = observed {
                        // The withheld rename stays, as the word on all of it.
                        self.spare_protected(observed, first + 1, found);
                    }
                }
                (None, Some(observed)) if !earlier.contains_key(&observed.id()) => self.unnamed(observed, found),
                _ => {}
            }
        }
        self.settle_nesting(links, found);
    }

    /// The policy's group behind a desired one.
    pub(super) fn written(&self, desired: GroupRef<'_>) -> Option<(GroupId, &Group)> {
        let id = *self.desired.groups.get(desired.id().0 as usize)?;
        Some((id, self.policy.groups.get(id.0 as usize)?))
    }

    /// A draft about a desired group.
    pub(super) fn on_group(&self, action: Action, object: Object, desired: GroupRef<'_>, why: Why) -> Draft {
        let mut draft = self.draft(action, object, why);
        draft.group = self.written(desired).map(|(id, _)| id);
        draft
    }

    fn compare_group(&self, desired: GroupRef<'_>, observed: GroupRef<'_>, found: &mut Found) {
        let (before, after) = self.group_sides(desired.attributes(), observed.attributes());
        if before.is_empty() && after.is_empty() {
            return;
        }
        if self.known.group(observed.name()).is_some() {
            found.unknown += 1;
            return;
        }
        let draft = self.on_group(Action::UpdateGroup, Object::group(observed.name()), desired, Why::Group);
        found.push(draft.sides(before, after));
    }

    fn spare_protected(&self, observed: GroupRef<'_>, first: usize, found: &mut Found) {
        let spared = found.drafts.len() - first;
        if spared > 0 && self.group_is_protected(observed.name()) {
            found.drop_from(first);
            let by = self.protection(Some(observed.name()), None);
            let text = format!("{by}: it is left as it is ({spared} changes would be next)");
            found.note("protected", self.name(), observed.name(), text);
        }
    }

    fn missing_group<'s>(
        &self,
        desired: GroupRef<'_>,
        observed: Option<GroupRef<'s>>,
        found: &mut Found,
    ) -> Option<Place<'s>> {
        // Also an unread group may list the name, which would nest the new group there.
        if self.known.some_group().is_some() {
            found.unknown += 1 + desired.members().len() as u64;
            return None;
        }
        let listed = || {
            let groups = self.listing(desired.name(), &self.kind.group_handle(desired.name()), true);
            let first = groups.first()?;
            Some(Reason::new(
                format!("`{first}` of `{}` still lists a group `{}` that is not there", self.name(), desired.name()),
                format!("take the stale member out of `{first}`, then plan again"),
            ))
        };
        let protected = observed.map_or(desired.name(), GroupRef::name);
        let guarded = self.group_is_protected(protected) || self.group_is_protected(desired.name());
        let name = |name: &str| Side::from([("name".to_owned(), vec![name.to_owned()])]);
        let mut draft = if let Some(observed) = observed {
            self.on_group(Action::RenameGroup, Object::group(observed.name()), desired, Why::Group)
                .sides(name(observed.name()), name(desired.name()))
        } else {
            let mut after = name(desired.name());
            for (attribute, values) in desired.attributes() {
                after.insert(attribute.to_string(), values.iter().map(ToString::to_string).collect());
            }
            self.on_group(Action::CreateGroup, Object::group(desired.name()), desired, Why::Group)
                .sides(Side::new(), after)
        };
        if guarded {
            draft.fate = Fate::withheld(Reason::new(
                format!("`{protected}` is protected in `{}`", self.name()),
                "do it by hand, or narrow `protect.groups`",
            ));
        } else if let Some(reason) = listed() {
            draft.fate = Fate::withheld(reason);
        }
        let position = found.push(draft);
        Some(match observed {
            Some(observed) => {
                let first = found.drafts.len();
                self.compare_group(desired, observed, found);
                for draft in found.drafts.iter_mut().skip(first) {
                    draft.change.object.group = Some(desired.name().to_owned());
                    draft.needs.push(position);
                }
                Place::Renamed(observed, position)
            }
            None => Place::Created(position),
        })
    }

    /// An observed group that the policy does not manage.
    fn unnamed(&self, observed: GroupRef<'_>, found: &mut Found) {
        if self.settings().groups.manage != GroupManage::Exclusive {
            return;
        }
        let key = observed.key();
        let named = self.policy.groups.iter().any(|group| {
            usize::from(group.directory.0) == usize::from(self.number)
                && (self.names().key(&group.directory_name).as_ref() == key
                    || group.previously.as_deref().is_some_and(|name| self.names().key(name).as_ref() == key))
        });
        if named {
            return;
        }
        if self.group_is_protected(observed.name()) {
            found.note("protected", self.name(), observed.name(), "protected: not deleted although nobody declared it");
            return;
        }
        let gap = self.known.groups().or_else(|| self.known.accounts()).or_else(|| self.known.group(observed.name()));
        if gap.is_some() {
            found.unknown += 1;
            return;
        }
        let mut draft = self.draft(Action::DeleteGroup, Object::group(observed.name()), Why::Exclusive);
        let name = Side::from([("name".to_owned(), vec![observed.name().to_owned()])]);
        draft = draft.sides(name, Side::new());
        found.push(draft);
        if !observed.is_empty() {
            let accounts = observed.members().iter().filter_map(|id| self.observed.account(*id)).map(AccountRef::name);
            let others = observed.others().map(|other| match other {
                Member::Account(name) | Member::Group(name) | Member::Other(name) => name,
            });
            let text = format!("its members lose it when it is deleted: {}", first_names(accounts.chain(others)));
            found.note("deleted-members", self.name(), observed.name(), text);
        }
    }

    /// Groups that list a name (or its handle) as a member that is none of the
    /// accounts and groups that were read.
    pub(super) fn listing(&self, name: &str, handle: &str, group: bool) -> Vec<&str> {
        let (key, handle) = (self.names().key(name), Matching::Dn.key(handle));
        let lists = |member: Member<'_>| match member {
            Member::Group(text) => group && self.names().key(text) == key,
            Member::Other(text) => self.names().key(text) == key || Matching::Dn.key(text) == handle,
            Member::Account(_) => false,
        };
        self.observed.groups().filter(|g| g.others().any(lists)).map(GroupRef::name).collect()
    }
}

/// The first five names, and how many more there are.
pub(super) fn first_names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match all.len().checked_sub(5) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}
