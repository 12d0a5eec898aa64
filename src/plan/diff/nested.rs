//! Groups that are members of groups, in a directory that is told to keep them.
//!
//! Comes in: the links that are desired, the observed groups. Goes out: drafts that nest
//! or end it, what each has to wait for, notes. Refuses: a link into what was not read
//! whole or reaches a protected group, and one that would let in somebody who stays in the
//! group inside without being wanted in the group outside.

use super::groups::first_names;
use super::members::Kept;
use super::{Diff, Link, Links, Owner};
use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{AccountId, Action, Object};
use crate::plan::draft::{Draft, Fate, Found, Reason, Why};
use crate::policy::settings::{Nesting, ProviderKind};
use crate::policy::{Group, GroupId, Manage, PersonId};
use crate::resolve::{self, NestedGroup};
use std::collections::{BTreeMap, BTreeSet};

/// What the drafts of one directory do, by comparison keys.
#[derive(Default)]
struct Planned {
    /// Groups that are made, or get that name.
    made: BTreeMap<String, u32>,
    /// Group outside and inside.
    nests: BTreeMap<(String, String), u32>,
    /// Number of the account, and group.
    grants: BTreeMap<(u32, String), u32>,
    /// Group and account.
    revoked: BTreeSet<(String, String)>,
    /// Group outside and inside of links that end.
    unnested: BTreeSet<(String, String)>,
    /// Group and what is no account and no group, as it is written.
    others: BTreeSet<(String, String)>,
}

impl<'a> Diff<'a> {
    pub(super) fn nests_natively(&self) -> bool {
        self.settings().groups.nesting == Nesting::Native && self.capabilities.nesting
    }

    /// The links of a group that are to be.
    fn links_of(&self, desired: GroupRef<'_>) -> &'a [NestedGroup] {
        if self.capabilities.nesting { self.desired.nesting.of(desired.id()) } else { &[] }
    }

    /// The name that a desired group has in the directory now.
    fn present_name(&self, desired: GroupRef<'a>) -> &'a str {
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
    fn observed_below(&self, name: &str) -> Vec<GroupRef<'a>> {
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
                    let (losing, grants) = self.let_out(links, draft, inside, &planned);
                    people = losing;
                    Ok(grants)
                }
                (Why::Nests, Some(OtherMember::Group(inside))) => {
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

    fn planned(&self, found: &Found) -> Planned {
        let key = |name: &str| self.names().key(name).into_owned();
        let mut planned = Planned::default();
        for (n, draft) in (0u32..).zip(&found.drafts).filter(|(_, draft)| draft.directory == self.number) {
            let object = &draft.change.object;
            let group = key(object.group.as_deref().unwrap_or_default());
            match (draft.action(), &object.account, &object.member) {
                (Action::CreateGroup, _, _) => drop(planned.made.insert(group, n)),
                (Action::RenameGroup, _, _) => {
                    let after = draft.change.after.as_ref().and_then(|side| side.get("name")?.first());
                    planned.made.extend(after.map(|name| (key(name), n)));
                }
                (Action::Grant, None, Some(OtherMember::Group(inside))) => {
                    planned.nests.insert((group, key(inside)), n);
                }
                (Action::Grant, Some(_), _) => {
                    planned.grants.extend(draft.account.map(|account| ((account, group), n)));
                }
                (Action::Revoke, Some(account), _) => drop(planned.revoked.insert((group, key(account)))),
                (Action::Revoke, None, Some(OtherMember::Group(inside))) => {
                    planned.unnested.insert((group, key(inside)));
                }
                (Action::Revoke, None, Some(OtherMember::Other(text))) => {
                    planned.others.insert((group, text.clone()));
                }
                _ => {}
            }
        }
        planned
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

    /// What must be done before an account that is listed may go because a link covers it.
    fn covered_by(&self, draft: &Draft, planned: &Planned) -> Result<Vec<u32>, Reason> {
        let key = |name: &str| self.names().key(name).into_owned();
        let name = draft.change.object.group.as_deref().unwrap_or_default();
        let account = draft.change.object.account.as_deref().map(key).unwrap_or_default();
        let (outside, observed) = (self.behind(draft), self.observed.group_named(name));
        for link in outside.map_or(&[][..], |outside| self.links_of(outside)) {
            let Some(inside) = self.desired.state.group(link.member) else { continue };
            let name_inside = self.present_name(inside);
            let is_it = |member: Member<'_>| matches!(member, Member::Group(name) if key(name) == key(name_inside));
            let there = observed.is_some_and(|observed| observed.others().any(is_it));
            let planned_nest = [name_inside, inside.name()].into_iter().find_map(|inside| {
                let outside = [Some(name), outside.map(GroupRef::name)].into_iter().flatten();
                outside.map(|outside| (key(outside), key(inside))).find_map(|both| planned.nests.get(&both))
            });
            let Some(nest) = (if there { Some(None) } else { planned_nest.map(|nest| Some(*nest)) }) else { continue };
            let below = self.observed_below(name_inside);
            let holds = |group: &GroupRef<'_>| {
                let listed = group.members().iter().filter_map(|id| self.observed.account(*id));
                !planned.revoked.contains(&(group.key().to_owned(), account.clone()))
                    && listed.map(AccountRef::key).any(|listed| listed == account)
            };
            if below.iter().any(holds) {
                return Ok(nest.into_iter().collect());
            }
            let new = [key(name_inside), key(inside.name())]
                .into_iter()
                .chain(below.iter().map(|group| group.key().to_owned()));
            let mut granted = new.filter_map(|group| planned.grants.get(&(draft.account?, group)));
            if let Some(grant) = granted.next() {
                return Ok(nest.into_iter().chain([*grant]).collect());
            }
        }
        Err(Reason::new(
            format!("nothing that was read or planned shows that a group in `{name}` has this account"),
            "plan again after this run",
        ))
    }

    /// The desired group that a draft is about.
    fn behind(&self, draft: &Draft) -> Option<GroupRef<'a>> {
        let wanted = draft.group?;
        let n = self.desired.groups.iter().position(|group| *group == wanted)?;
        self.desired.state.group(crate::model::StateGroupId(u32::try_from(n).ok()?))
    }

    /// The people who lose the group outside with the link, and the grants that others
    /// must have before: they stay, one by one.
    fn let_out(&self, links: &Links, draft: &Draft, inside: &str, planned: &Planned) -> (Vec<PersonId>, Vec<u32>) {
        let outside = self.names().key(draft.change.object.group.as_deref().unwrap_or_default()).into_owned();
        let wanted = self.behind(draft).map(|desired| self.wanted_in(links, desired)).unwrap_or_default();
        let (mut people, mut grants) = (BTreeSet::new(), BTreeSet::new());
        for id in self.observed_below(inside).iter().flat_map(|group| group.members()) {
            let owner = match links.owner(*id) {
                Owner::Account(owner) | Owner::Doubtful(owner) => owner,
                Owner::Nobody | Owner::Gone => continue,
            };
            match planned.grants.get(&(owner.0, outside.clone())) {
                Some(grant) => drop(grants.insert(*grant)),
                None if wanted.contains(id) => {}
                None => people.extend(self.desired.people.get(owner.0 as usize).copied()),
            }
        }
        (people.into_iter().collect(), grants.into_iter().collect())
    }

    /// Observed accounts that are wanted in a group, also by a link.
    fn wanted_in(&self, links: &Links, desired: GroupRef<'_>) -> BTreeSet<AccountId> {
        let covered = self.desired.nesting.covered_in(desired.id());
        let accounts = desired.members().iter().copied().chain(covered);
        let seen = accounts.filter_map(|account| match links.link(account) {
            Link::Is(id) | Link::Seen(id) => Some(id),
            _ => None,
        });
        seen.collect()
    }

    /// Who stays in the group inside, or below it, and is not wanted outside.
    fn would_let_in(&self, links: &Links, draft: &Draft, inside: &str, planned: &Planned) -> Option<Reason> {
        let outside = draft.change.object.group.as_deref().unwrap_or_default();
        let wanted = self.wanted_in(links, self.behind(draft)?);
        let mut staying: Vec<&str> = Vec::new();
        for group in self.observed_below(inside) {
            let of_group = group.members().iter().filter(|id| !wanted.contains(id));
            let accounts = of_group.filter_map(|id| self.observed.account(*id));
            let stays = |account: &AccountRef<'a>| {
                !planned.revoked.contains(&(group.key().to_owned(), account.key().to_owned()))
            };
            staying.extend(accounts.filter(stays).map(AccountRef::name));
            // Computers, members of other domains, what nobody can name: kept, and let in too.
            staying.extend(group.others().filter_map(|member| match member {
                Member::Other(text) => {
                    (!planned.others.contains(&(group.key().to_owned(), text.to_owned()))).then_some(text)
                }
                Member::Group(name) => self.observed.group_named(name).is_none().then_some(name),
                Member::Account(_) => None,
            }));
        }
        if staying.is_empty() {
            return None;
        }
        Some(Reason::new(
            format!(
                "`{inside}` keeps members who would come into `{outside}` by it: {}",
                first_names(staying.into_iter())
            ),
            "declare them, let `undeclared` revoke them, or give the entry what resolves it to people (`expires:`, say)",
        ))
    }
}
