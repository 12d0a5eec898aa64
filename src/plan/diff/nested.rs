//! Groups that are members of groups, in a directory that is told to keep them.
//!
//! Comes in: the links that are desired, the observed groups. Goes out: drafts that nest
//! or end it, what each has to wait for, notes. Refuses: a link into what was not read
//! whole or reaches a protected group, and one that would let in somebody who stays in the
//! group inside without being wanted in the group outside.

use super::kept_in::Planned;
use super::members::Kept;
use super::{Diff, Links};
use crate::model::change::OtherMember;
use crate::model::state::{GroupRef, Member};
use crate::model::{AccountId, Action, Object};
use crate::plan::draft::{Draft, Fate, Found, Reason, Why};
use crate::policy::settings::{Nesting, ProviderKind};
use crate::policy::{Group, GroupId, Manage};
use crate::resolve::{self, NestedGroup};
use std::collections::BTreeSet;

impl<'a> Diff<'a> {
    pub(super) fn nests_natively(&self) -> bool {
        self.settings().groups.nesting == Nesting::Native && self.capabilities.nesting
    }

    /// The links of a group that are to be.
    pub(super) fn links_of(&self, desired: GroupRef<'_>) -> &'a [NestedGroup] {
        if self.capabilities.nesting { self.desired.nesting.of(desired.id()) } else { &[] }
    }

    /// The name that a desired group has in the directory now.
    pub(super) fn present_name(&self, desired: GroupRef<'a>) -> &'a str {
        let earlier = || {
            let (_, group) = self.written(desired)?;
            self.observed.group_named(group.previously.as_deref()?)
        };
        let there = self.observed.group_named(desired.name()).or_else(earlier);
        there.map_or(desired.name(), GroupRef::name)
    }

    /// A group that is a member: whether the comparison is done with it here.
    pub(super) fn nested_member<'s>(
        &self,
        (desired, observed): (GroupRef<'_>, GroupRef<'_>),
        group: &Group,
        member: Member<'s>,
        kept: &mut Kept<'s>,
        found: &mut Found,
    ) -> bool {
        let Member::Group(name) = member else { return false };
        if !self.nests_natively() {
            return false;
        }
        let key = self.names().key(name);
        let is_wanted = |link: &NestedGroup| {
            let inside = self.desired.state.group(link.member);
            inside.is_some_and(|inside| self.names().key(self.present_name(inside)) == key)
        };
        if self.links_of(desired).iter().any(is_wanted) {
            return true;
        }
        let declared = self.desired.state.group_named(name).is_some();
        if !declared || group.manage == Manage::Additive || self.observed.group_named(name).is_none() {
            return false;
        }
        if self.group_is_protected(name) || self.shield(Some(observed.name()), Some(name)).is_some() {
            kept.protected.push(name);
            return true;
        }
        // A link hangs on who is in both groups.
        if self.resolution_is_unsettled(desired) {
            found.unknown += 1;
            return true;
        }
        let object = Object::other(observed.name(), OtherMember::Group(name.to_owned()));
        found.push(self.on_group(Action::Revoke, object, desired, Why::NestsNot));
        true
    }

    /// Whether the account is in the group by a link that stays, because what decides of it
    /// was not read: then it is not made a member besides.
    pub(super) fn stays_by_link(
        &self,
        desired: GroupRef<'_>,
        observed: Option<GroupRef<'_>>,
        account: AccountId,
    ) -> bool {
        let Some(observed) = observed.filter(|_| self.nests_natively() && self.resolution_is_unsettled(desired)) else {
            return false;
        };
        let of = self.written(desired).map(|(id, _)| id);
        let resolved = self.desired.nesting.resolved.iter().filter(|(group, _, _)| Some(*group) == of);
        let inside = resolved.filter_map(|(_, inside, _)| self.policy.groups.get(inside.0 as usize));
        let mut names = inside.flat_map(|inside| [Some(&inside.directory_name), inside.previously.as_ref()]).flatten();
        names.any(|name| {
            let key = self.names().key(name);
            let is_it = |member: Member<'_>| matches!(member, Member::Group(name) if self.names().key(name) == key);
            let below = || self.observed_below(name);
            observed.others().any(is_it) && below().iter().any(|group| group.members().binary_search(&account).is_ok())
        })
    }

    fn resolution_is_unsettled(&self, desired: GroupRef<'_>) -> bool {
        let first = self.desired.unsettled.partition_point(|(group, _)| *group < desired.id());
        self.desired.unsettled.get(first).is_some_and(|(group, _)| *group == desired.id())
    }

    /// Links that are not there yet.
    pub(super) fn nest(
        &self,
        desired: GroupRef<'_>,
        (after, observed): (Option<u32>, Option<GroupRef<'_>>),
        withheld: impl Fn(GroupRef<'_>) -> Option<Reason>,
        unknown: bool,
        found: &mut Found,
    ) {
        for link in self.links_of(desired) {
            let Some(inside) = self.desired.state.group(link.member) else { continue };
            let name = self.present_name(inside);
            let key = self.names().key(name);
            let is_it = |member: Member<'_>| matches!(member, Member::Group(name) if self.names().key(name) == key);
            if observed.is_some_and(|observed| observed.others().any(is_it)) {
                continue;
            }
            let gap = observed.is_some_and(|observed| self.known.group(observed.name()).is_some());
            if gap || unknown || self.known.groups().is_some() || self.is_unread_below(name) {
                found.unknown += 1;
                continue;
            }
            // Under the name that it will have by then.
            let object = Object::other(
                observed.filter(|_| after.is_none()).map_or_else(|| desired.name(), |observed| observed.name()),
                OtherMember::Group(
                    if self.observed.group_named(inside.name()).is_some() { name } else { inside.name() }.to_owned(),
                ),
            );
            if found.drafts.iter().rev().any(|draft| draft.action() == Action::Grant && draft.change.object == object) {
                continue;
            }
            let mut draft = self.on_group(Action::Grant, object, desired, Why::Nests);
            draft.needs = after.into_iter().collect();
            let covered = self.desired.nesting.covered_in(desired.id());
            let person = |account: AccountId| self.desired.people.get(account.0 as usize).copied();
            draft.people = covered.filter_map(person).collect();
            if let Some(reason) = withheld(desired).or_else(|| self.forbids((desired, observed), inside)) {
                draft.fate = Fate::withheld(reason);
            }
            found.push(draft);
        }
    }

    /// Why a domain would refuse the link: a group keeps the scope that it has where none
    /// is written, which nothing in the files could tell.
    fn forbids(
        &self,
        (desired, observed): (GroupRef<'_>, Option<GroupRef<'_>>),
        inside: GroupRef<'a>,
    ) -> Option<Reason> {
        if self.settings().kind != ProviderKind::ActiveDirectory {
            return None;
        }
        let there = self.observed.group_named(self.present_name(inside));
        let [outer, inner] = [(desired, observed), (inside, there)].map(|(desired, there)| match there {
            Some(there) if !resolve::says_kind(desired.attributes()) => there.attributes(),
            _ => desired.attributes(),
        });
        let names = [desired, inside].map(|group| format!("{}/{}", self.name(), group.name()));
        let (why, help) = resolve::forbidden(outer, inner, &names)?;
        Some(Reason::new(why, help))
    }

    /// Observed groups in a group, itself first.
    pub(super) fn observed_below(&self, name: &str) -> Vec<GroupRef<'a>> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut below: Vec<GroupRef<'a>> = Vec::new();
        let mut open: Vec<GroupRef<'a>> = self.observed.group_named(name).into_iter().collect();
        while let Some(group) = open.pop() {
            if seen.insert(group.key()) {
                below.push(group);
                let inside = group.others().filter_map(|member| match member {
                    Member::Group(name) => self.observed.group_named(name),
                    _ => None,
                });
                open.extend(inside);
            }
        }
        below
    }

    fn is_unread_below(&self, name: &str) -> bool {
        self.observed_below(name).iter().any(|group| self.known.group(group.name()).is_some())
    }

    /// What links, and accounts that they cover, have to wait for, once every group was compared.
    pub(super) fn settle_nesting(&self, links: &Links, found: &mut Found) {
        for (group, inside, why) in &self.desired.nesting.resolved {
            let name = |id: &GroupId| self.policy.groups.get(id.0 as usize).map_or("?", |group| &group.name);
            let text = format!("the people of {} are members one by one, not the group: {why}", name(inside));
            found.note("resolved-nesting", self.name(), name(group), text);
        }
        let is_update = |draft: &Draft| draft.action() == Action::UpdateGroup && draft.directory == self.number;
        let nests = |draft: &Draft| matches!(draft.why, Why::Nests | Why::NestsNot | Why::Covered);
        if !found.drafts.iter().any(|draft| is_update(draft) || nests(draft)) {
            return;
        }
        let planned = self.planned(found);
        if self.settings().kind == ProviderKind::ActiveDirectory {
            for draft in found.drafts.iter_mut().filter(|draft| is_update(draft) && draft.is_kept()) {
                if let Some(reason) = self.holds_the_scope(draft, &planned) {
                    draft.fate = Fate::withheld(reason);
                }
            }
        }
        for n in 0..found.drafts.len() {
            let Some(draft) = found.drafts.get(n).filter(|draft| draft.directory == self.number) else { continue };
            let mut people = Vec::new();
            let waits = match (draft.why, &draft.change.object.member) {
                (Why::NestsNot, Some(OtherMember::Group(inside))) => {
                    self.let_out(links, draft, inside, &planned).map(|(losing, needs)| {
                        people = losing;
                        needs
                    })
                }
                (Why::Nests, Some(OtherMember::Group(inside))) => {
                    people = self.let_in(links, draft, inside, &planned);
                    let made = planned.made.get(self.names().key(inside).as_ref()).copied().into_iter().collect();
                    self.would_let_in(links, draft, inside, &planned).map_or(Ok(made), Err)
                }
                (Why::Covered, _) => self.covered_by(draft, &planned),
                _ => continue,
            };
            let Some(draft) = found.drafts.get_mut(n) else { continue };
            draft.people.extend(people);
            match waits {
                Ok(needs) => draft.needs.extend(needs),
                Err(reason) if draft.is_kept() => draft.fate = Fate::withheld(reason),
                Err(_) => {}
            }
        }
    }

    /// The link that is there, and stays, and does not allow another scope or type.
    fn holds_the_scope(&self, draft: &Draft, planned: &Planned) -> Option<Reason> {
        let after = draft.change.after.as_ref()?;
        after.keys().find(|name| name.eq_ignore_ascii_case("groupType"))?;
        let group = self.observed.group_named(draft.change.object.group.as_deref()?)?;
        let links = self.observed.groups().flat_map(|outer| {
            let inside = outer.others().filter_map(|member| match member {
                Member::Group(name) => self.observed.group_named(name),
                _ => None,
            });
            inside.map(move |inner| (outer, inner))
        });
        let concerned = |(outer, inner): &(GroupRef<'_>, GroupRef<'_>)| {
            (outer.key() == group.key() || inner.key() == group.key())
                && !planned.unnested.contains(&(outer.key().to_owned(), inner.key().to_owned()))
        };
        let forbids = |(outer, inner): (GroupRef<'a>, GroupRef<'a>)| {
            let kinds = [outer, inner].map(|group| {
                let desired = self.desired.state.group_named(group.name());
                desired.filter(|desired| resolve::says_kind(desired.attributes())).unwrap_or(group).attributes()
            });
            let names = [outer, inner].map(|group| format!("{}/{}", self.name(), group.name()));
            let [outer, inner] = kinds;
            let (why, _) = resolve::forbidden(outer, inner, &names)?;
            let [out, into] = names;
            let help = format!("take `{into}` out of `{out}` first, or leave the scope and type as they are");
            Some(Reason::new(format!("{why}; it is a member there"), help))
        };
        links.filter(concerned).find_map(forbids)
    }
}
