//! Who is in a group by groups in it, while some of those links come and others go.
//!
//! Comes in: what a directory's drafts do, the observed groups. Goes out: what must be done
//! before somebody may lose a listing or a link, and who would come in by a new one.
//! Refuses: to count a link that the plan ends, and to put out who is to stay.

use super::groups::first_names;
use super::{Diff, Link, Links, Owner};
use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{AccountId, Action};
use crate::plan::draft::{Draft, Found, Reason};
use crate::policy::PersonId;
use crate::resolve::NestedGroup;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the drafts of one directory do, by comparison keys.
#[derive(Default)]
pub(super) struct Planned {
    /// Groups that are made, or get that name.
    pub(super) made: BTreeMap<String, u32>,
    /// New name → name that it has now, and the other way round.
    renamed: BTreeMap<String, String>,
    /// Group outside and inside.
    nests: BTreeMap<(String, String), u32>,
    /// Number of the account, and group.
    grants: BTreeMap<(u32, String), u32>,
    /// Group and account.
    revoked: BTreeSet<(String, String)>,
    /// Group outside and inside of links that end.
    pub(super) unnested: BTreeSet<(String, String)>,
    /// Group and what is no account and no group, as it is written.
    others: BTreeSet<(String, String)>,
}

impl<'a> Diff<'a> {
    pub(super) fn planned(&self, found: &Found) -> Planned {
        let key = |name: &str| self.names().key(name).into_owned();
        let mut planned = Planned::default();
        for (n, draft) in (0u32..).zip(&found.drafts).filter(|(_, draft)| draft.directory == self.number) {
            let object = &draft.change.object;
            let group = key(object.group.as_deref().unwrap_or_default());
            match (draft.action(), &object.account, &object.member) {
                (Action::CreateGroup, _, _) => drop(planned.made.insert(group, n)),
                (Action::RenameGroup, _, _) => {
                    let after = draft.change.after.as_ref().and_then(|side| side.get("name")?.first());
                    if let Some(after) = after.map(|name| key(name)) {
                        planned.made.insert(after.clone(), n);
                        planned.renamed.insert(after.clone(), group.clone());
                        planned.renamed.insert(group.clone(), after);
                    }
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

    /// What must be done before an account that is listed may go because a link covers it.
    pub(super) fn covered_by(&self, draft: &Draft, planned: &Planned) -> Result<Vec<u32>, Reason> {
        let name = draft.change.object.group.as_deref().unwrap_or_default();
        let account = draft.change.object.account.as_deref().unwrap_or_default();
        let account = (self.names().key(account).into_owned(), draft.account);
        let links = self.behind(draft).map_or(&[][..], |outside| self.links_of(outside));
        self.held_by_link(name, links, account, planned).ok_or_else(|| {
            Reason::new(
                format!("nothing that was read or planned shows that a group in `{name}` has this account"),
                "plan again after this run",
            )
        })
    }

    /// What must be done before an account is in a group by one of its links, whatever else
    /// is ended; `None` where it is not. The account by its key, and by its number.
    fn held_by_link(
        &self,
        outside: &str,
        links: &[NestedGroup],
        (account, number): (String, Option<u32>),
        planned: &Planned,
    ) -> Option<Vec<u32>> {
        let wanted: Vec<String> = links
            .iter()
            .filter_map(|link| self.desired.state.group(link.member))
            .flat_map(|inside| [self.present_name(inside), inside.name()])
            .map(|name| self.names().key(name).into_owned())
            .collect();
        let top = self.names().key(outside).into_owned();
        let mut seen: BTreeSet<String> = BTreeSet::from([top.clone()]);
        let mut open: VecDeque<(String, Vec<u32>)> = VecDeque::from([(top.clone(), Vec::new())]);
        while let Some((group, needs)) = open.pop_front() {
            let is_top = group == top;
            for name in [Some(&group), planned.renamed.get(&group)].into_iter().flatten() {
                let observed = self.observed.group_named(name);
                if !is_top {
                    let listed = observed.into_iter().flat_map(GroupRef::members);
                    let mut keys = listed.filter_map(|id| self.observed.account(*id)).map(AccountRef::key);
                    if !planned.revoked.contains(&(name.clone(), account.clone())) && keys.any(|key| key == account) {
                        return Some(needs);
                    }
                    if let Some(grant) = number.and_then(|number| planned.grants.get(&(number, name.clone()))) {
                        return Some(needs.into_iter().chain([*grant]).collect());
                    }
                }
                let there = observed.into_iter().flat_map(GroupRef::others).filter_map(|member| match member {
                    Member::Group(inside) => Some((self.names().key(inside).into_owned(), None)),
                    _ => None,
                });
                let there = there.filter(|(inside, _)| !planned.unnested.contains(&(name.clone(), inside.clone())));
                let first = (name.clone(), String::new());
                let made = planned.nests.range(first..).take_while(|((outside, _), _)| outside == name);
                let made = made.map(|((_, inside), nest)| (inside.clone(), Some(*nest)));
                for (inside, nest) in there.chain(made) {
                    if (!is_top || wanted.contains(&inside)) && seen.insert(inside.clone()) {
                        open.push_back((inside, needs.iter().copied().chain(nest).collect()));
                    }
                }
            }
        }
        None
    }

    /// The desired group that a draft is about.
    fn behind(&self, draft: &Draft) -> Option<GroupRef<'a>> {
        let wanted = draft.group?;
        let n = self.desired.groups.iter().position(|group| *group == wanted)?;
        self.desired.state.group(crate::model::StateGroupId(u32::try_from(n).ok()?))
    }

    /// The people who lose the group outside with the link, and what others must have
    /// before: they stay, one by one or by another link.
    pub(super) fn let_out(
        &self,
        links: &Links,
        draft: &Draft,
        inside: &str,
        planned: &Planned,
    ) -> Result<(Vec<PersonId>, Vec<u32>), Reason> {
        let name = draft.change.object.group.as_deref().unwrap_or_default();
        let outside = self.names().key(name).into_owned();
        let behind = self.behind(draft);
        let wanted = behind.map(|desired| self.wanted_in(links, desired)).unwrap_or_default();
        let nested = behind.map_or(&[][..], |desired| self.links_of(desired));
        let listed = self.observed.group_named(name).map_or(&[][..], GroupRef::members);
        let (mut people, mut needs) = (BTreeSet::new(), BTreeSet::new());
        for id in self.observed_below(inside).iter().flat_map(|group| group.members()) {
            let owner = match links.owner(*id) {
                Owner::Account(owner) | Owner::Doubtful(owner) => owner,
                Owner::Nobody | Owner::Gone => continue,
            };
            let Some(account) = self.observed.account(*id) else { continue };
            let key = account.key().to_owned();
            if let Some(grant) = planned.grants.get(&(owner.0, outside.clone())) {
                needs.insert(*grant);
            } else if !wanted.contains(id) {
                people.extend(self.desired.people.get(owner.0 as usize).copied());
            } else if listed.binary_search(id).is_err() || planned.revoked.contains(&(outside.clone(), key.clone())) {
                let held = self.held_by_link(name, nested, (key, Some(owner.0)), planned);
                needs.extend(held.ok_or_else(|| {
                    Reason::new(
                        format!(
                            "`{}` is to stay in `{name}`, and nothing that was read or planned shows how",
                            account.name()
                        ),
                        "plan again after this run",
                    )
                })?);
            }
        }
        Ok((people.into_iter().collect(), needs.into_iter().collect()))
    }

    /// Observed accounts that are wanted in a group, also by a link.
    fn wanted_in(&self, links: &Links, desired: GroupRef<'_>) -> BTreeSet<AccountId> {
        let covered = self.desired.nesting.covered_in(desired.id());
        let accounts = desired.members().iter().copied().chain(covered).filter(|account| self.is_wanted(*account));
        let seen = accounts.filter_map(|account| match links.link(account) {
            Link::Is(id) | Link::Seen(id) => Some(id),
            _ => None,
        });
        seen.collect()
    }

    /// Observed groups in a group, itself first, by links that stay: the others end before.
    fn staying_below(&self, name: &str, planned: &Planned) -> Vec<GroupRef<'a>> {
        let mut below: Vec<GroupRef<'a>> = self.observed.group_named(name).into_iter().collect();
        let mut seen: BTreeSet<&str> = below.iter().map(|group| group.key()).collect();
        let mut n = 0;
        while let Some(group) = below.get(n).copied() {
            n += 1;
            for member in group.others() {
                let Member::Group(inside) = member else { continue };
                let Some(inside) = self.observed.group_named(inside) else { continue };
                let ends = planned.unnested.contains(&(group.key().to_owned(), inside.key().to_owned()));
                if !ends && seen.insert(inside.key()) {
                    below.push(inside);
                }
            }
        }
        below
    }

    /// Who stays in the group inside, or below it, and is not wanted outside.
    pub(super) fn would_let_in(&self, links: &Links, draft: &Draft, inside: &str, planned: &Planned) -> Option<Reason> {
        let outside = draft.change.object.group.as_deref().unwrap_or_default();
        let wanted = self.wanted_in(links, self.behind(draft)?);
        let mut staying: Vec<&str> = Vec::new();
        for group in self.staying_below(inside, planned) {
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

    /// People who stay in the group inside, or below it, and have not been in the group
    /// outside: a link lets them in, also those who are written as its members besides.
    pub(super) fn let_in(&self, links: &Links, draft: &Draft, inside: &str, planned: &Planned) -> Vec<PersonId> {
        let outside = draft.change.object.group.as_deref().unwrap_or_default();
        let there: BTreeSet<AccountId> =
            self.observed_below(outside).iter().flat_map(|group| group.members().iter().copied()).collect();
        let mut people = Vec::new();
        for group in self.staying_below(inside, planned) {
            let new = group.members().iter().filter(|id| !there.contains(id));
            people.extend(new.filter_map(|id| match links.owner(*id) {
                Owner::Account(desired) | Owner::Doubtful(desired) => {
                    self.desired.people.get(desired.0 as usize).copied()
                }
                Owner::Nobody | Owner::Gone => None,
            }));
        }
        people.sort_unstable();
        people.dedup();
        people
    }
}
