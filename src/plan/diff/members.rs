//! Members of one group after the other: granted, revoked, or kept with a word why.
//!
//! Comes in: a desired group, the observed one, the links of the accounts. Goes
//! out: drafts, notes. Refuses: to revoke what additive groups hold, what is
//! protected, unsettled or not proven, and to grant into what was not read whole.
//!
//! Members are compared through one number per observed account (the group that
//! marked it last), so that a group costs its members and no allocation.

use super::groups::{Place, first_names};
use super::renamed::Behind;
use super::{Diff, Link, Links, Owner};
use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{AccountId, Action, Object};
use crate::plan::draft::{Draft, Fate, Found, Reason, Why};
use crate::policy::settings::UndeclaredAction;
use crate::policy::{Group, Manage};
use crate::resolve::Want;
use std::collections::BTreeSet;

/// What comparing members needs beside the two groups.
pub(super) struct Members<'a> {
    /// Beside each observed account: twice the group that wants it, plus one once it was seen.
    marks: Vec<u32>,
    /// Comparison keys of observed groups that reach a protected group.
    reaching: BTreeSet<String>,
    /// Whether some unread group could reach a protected one.
    reach_unknown: bool,
    /// Names that renames left behind.
    behind: Behind<'a>,
}

impl<'a> Diff<'a> {
    pub(super) fn members(&self, _links: &Links) -> Members<'a> {
        let protects = !self.protected_groups.is_empty() || !self.shielded.is_empty();
        let reaching = if protects { self.reaching_protected() } else { BTreeSet::new() };
        let reach_unknown = protects && self.capabilities.nesting && self.known.some_group().is_some();
        Members {
            marks: vec![0; self.observed.account_count()],
            behind: self.left_behind((!reach_unknown).then(|| reaching.clone())),
            reaching,
            reach_unknown,
        }
    }

    /// Groups from which membership of a protected group follows by observed nesting.
    fn reaching_protected(&self) -> BTreeSet<String> {
        let mut reaching = BTreeSet::new();
        let mut open: Vec<GroupRef<'_>> =
            self.observed.groups().filter(|group| self.group_is_protected(group.name())).collect();
        while let Some(group) = open.pop() {
            for member in group.others() {
                let Member::Group(name) = member else { continue };
                if reaching.insert(self.names().key(name).into_owned())
                    && let Some(below) = self.observed.group_named(name)
                {
                    open.push(below);
                }
            }
        }
        reaching
    }
}

/// Members that stay although they are not desired, by reason.
#[derive(Default)]
pub(super) struct Kept<'s> {
    pub(super) protected: Vec<&'s str>,
    unsettled: Vec<&'s str>,
    doubtful: Vec<&'s str>,
    others: Vec<&'s str>,
    shielded: Vec<String>,
}

impl Members<'_> {
    /// Compares the members of one group.
    pub(super) fn compare(
        &mut self,
        diff: &Diff<'_>,
        links: &Links,
        desired: GroupRef<'_>,
        place: &Place<'_>,
        found: &mut Found,
    ) {
        let Some((_, group)) = diff.written(desired) else { return };
        let (observed, after) = match place {
            Place::There(observed) => (Some(*observed), None),
            Place::Renamed(observed, draft) => (Some(*observed), Some(*draft)),
            Place::Created(draft) => (None, Some(*draft)),
        };
        let mark = desired.id().0.saturating_add(1).saturating_mul(2);
        for account in desired.members() {
            if let Link::Is(id) | Link::Seen(id) = links.link(*account)
                && diff.is_wanted(*account)
                && let Some(cell) = self.marks.get_mut(id.0 as usize)
            {
                *cell = mark;
            }
        }
        if let Some(observed) = observed {
            let first = found.drafts.len();
            self.revokes(diff, links, (desired, group, observed), mark, found);
            if let Some(rename) = after {
                // What takes away runs under the old name and before the rename.
                let count = found.drafts.len();
                if let Some(draft) = found.drafts.get_mut(rename as usize) {
                    draft.needs.extend((first..count).filter_map(|n| u32::try_from(n).ok()));
                }
            }
        }
        self.grants(diff, links, desired, (mark, after, observed), found);
        self.nests(diff, desired, (after, observed), found);
    }

    fn revokes(
        &mut self,
        diff: &Diff<'_>,
        links: &Links,
        (desired, group, observed): (GroupRef<'_>, &Group, GroupRef<'_>),
        mark: u32,
        found: &mut Found,
    ) {
        let mut kept = Kept::default();
        for id in observed.members() {
            let Some(cell) = self.marks.get_mut(id.0 as usize) else { continue };
            if *cell == mark {
                *cell = mark + 1;
                continue;
            }
            if group.manage == Manage::Additive {
                continue;
            }
            let Some(account) = diff.observed.account(*id) else { continue };
            diff.surplus(links, (desired, observed), account, &mut kept, found);
        }
        for member in observed.others() {
            if diff.nested_member((desired, observed), group, member, &mut kept, found) {
                continue;
            }
            if group.manage != Manage::Additive
                && self.behind.has(diff, (desired, observed), group, member, &mut kept, found)
            {
                continue;
            }
            diff.other(desired, observed, group, member, &mut kept, found);
        }
        let object = desired.name();
        if !kept.shielded.is_empty() {
            let names = first_names(kept.shielded.iter().map(String::as_str));
            found.note("protected", diff.name(), object, format!("left alone: {names}"));
        }
        for (names, code, text) in [
            (kept.protected, "protected", "protected members are kept"),
            (kept.unsettled, "unsettled", "kept, because what decides it was not read"),
            (kept.doubtful, "unproven-member", "kept, because nothing proves whose account it is"),
            (kept.others, "kept-member", "members that are no managed accounts are kept"),
        ] {
            if !names.is_empty() {
                found.note(code, diff.name(), object, format!("{text}: {}", first_names(names.into_iter())));
            }
        }
    }

    fn grants(
        &self,
        diff: &Diff<'_>,
        links: &Links,
        desired: GroupRef<'_>,
        (mark, after, observed): (u32, Option<u32>, Option<GroupRef<'_>>),
        found: &mut Found,
    ) {
        for (position, account) in desired.members().iter().enumerate() {
            let mut needs: Vec<u32> = after.into_iter().collect();
            let mut elsewhere = false;
            match links.link(*account) {
                Link::Is(id) | Link::Seen(id)
                    if self.marks.get(id.0 as usize).is_some_and(|cell| *cell == mark + 1) =>
                {
                    let place = observed.map(|observed| (observed, id));
                    diff.moved_end(links, (desired, position), place, after, found);
                    continue;
                }
                Link::Is(id) if diff.stays_by_link(desired, observed, id) => {
                    found.unknown += 1;
                    continue;
                }
                Link::Is(_) => needs.extend(links.renames.get(account)),
                Link::Needs(draft) => needs.push(draft),
                Link::Elsewhere => elsewhere = true,
                Link::Unread | Link::Seen(_) => {
                    found.unknown += 1;
                    continue;
                }
                Link::Absent => continue,
            }
            let Some(account) = diff.desired.state.account(*account).filter(|a| diff.is_wanted(a.id())) else {
                continue;
            };
            let gap = observed.and_then(|observed| diff.known.group(observed.name()));
            if gap.is_some() || self.reach_unknown || diff.is_unsettled(desired, account.id()) {
                found.unknown += 1;
                continue;
            }
            let mut draft = diff.grant(desired, account, position);
            draft.needs = needs;
            diff.as_written(links, account, observed.filter(|_| after.is_none()), &mut draft);
            // Under its own name too: the person may be known there by another.
            let written = draft.change.object.account.as_deref().unwrap_or_default();
            if diff.account_is_protected(account.name()) || diff.account_is_protected(written) {
                found.note(
                    "protected",
                    diff.name(),
                    account.name(),
                    format!("{}: not granted {}", diff.protection(None, Some(written)), desired.name()),
                );
                continue;
            }
            if elsewhere {
                draft.fate = Fate::withheld(diff.managed_elsewhere(account));
            }
            let key = observed.map_or_else(|| desired.key(), GroupRef::key);
            if self.reaching.contains(key) {
                draft.fate = Fate::withheld(Reason::new(
                    format!("`{}` reaches a protected group of `{}` by nesting", desired.name(), diff.name()),
                    "grant it by hand, undo the nesting, or narrow `protect.groups`",
                ));
            }
            found.push(draft);
        }
    }

    /// The groups that become members.
    fn nests(
        &self,
        diff: &Diff<'_>,
        desired: GroupRef<'_>,
        (after, observed): (Option<u32>, Option<GroupRef<'_>>),
        found: &mut Found,
    ) {
        let reaches = |desired: GroupRef<'_>| {
            let key = observed.map_or_else(|| desired.key(), GroupRef::key);
            self.reaching.contains(key).then(|| {
                Reason::new(
                    format!("`{}` reaches a protected group of `{}` by nesting", desired.name(), diff.name()),
                    "nest it by hand, undo the nesting, or narrow `protect.groups`",
                )
            })
        };
        diff.nest(desired, (after, observed), reaches, self.reach_unknown, found);
    }
}

impl Diff<'_> {
    /// People who hold a group with an account that they do not have: what goes to a
    /// second account never goes to the everyday one.
    pub(super) fn lacking(&self, found: &mut Found) {
        let mut lacking = self.desired.lacking.clone();
        lacking.sort_unstable_by_key(|(group, person, label)| (*group, *label, *person));
        for list in lacking.chunk_by(|a, b| (a.0, a.2) == (b.0, b.2)) {
            let Some((group, label)) = list.first().map(|(group, _, label)| (*group, *label)) else { continue };
            let Some(group) = self.desired.state.group(group) else { continue };
            let people = list.iter().filter_map(|(_, id, _)| self.policy.people.get(id.0 as usize));
            let names = first_names(people.map(|person| person.key.as_ref()));
            let word = self.policy.label(label).unwrap_or_default();
            let who = if list.len() == 1 { "1 person".to_owned() } else { format!("{} people", list.len()) };
            let text = format!(
                "it goes to the account `{word}`, and {who} have none here: {names}; nothing is granted to them until \
                 `accounts: {{ {}#{word}: NAME }}` says what it is called",
                self.name()
            );
            found.note("no-account", self.name(), group.name(), text);
        }
    }

    fn managed_elsewhere(&self, account: AccountRef<'_>) -> Reason {
        Reason::new(
            format!("`{}` has no account `{}`, and accounts there are managed elsewhere", self.name(), account.name()),
            "create it where accounts are managed, or `accounts: {manage: full}`",
        )
    }

    /// Whether memberships of that account are wanted now. Where the directory
    /// cannot disable, those of absent people are not.
    pub(super) fn is_wanted(&self, account: AccountId) -> bool {
        self.capabilities.disable || self.desired.wants.get(account.0 as usize) != Some(&Want::OnLeave)
    }

    pub(super) fn is_unsettled(&self, group: GroupRef<'_>, account: AccountId) -> bool {
        !self.desired.unsettled.is_empty() && self.desired.unsettled.binary_search(&(group.id(), account)).is_ok()
    }

    pub(super) fn grant(&self, group: GroupRef<'_>, account: AccountRef<'_>, position: usize) -> Draft {
        let object = Object::membership(group.name(), account.name());
        let mut draft = self.on_group(Action::Grant, object, group, Why::Holds);
        draft.account = Some(Self::number_of_desired(account.id()));
        draft.change.ends = group.ends(position);
        draft.change.after = self.native_end(group, position);
        if let Some((id, person)) = self.person_of(account) {
            draft.person = Some(id);
            draft.change.person = Some(person.key.to_string());
            self.which(account.id(), &mut draft);
        }
        draft
    }

    /// Names as the directory writes them, unless they are to change first.
    pub(super) fn as_written(
        &self,
        links: &Links,
        account: AccountRef<'_>,
        observed: Option<GroupRef<'_>>,
        draft: &mut Draft,
    ) {
        if let Some(observed) = observed {
            draft.change.object.group = Some(observed.name().to_owned());
        }
        if let Link::Is(id) = links.link(account.id())
            && !links.renames.contains_key(&account.id())
            && let Some(held) = self.observed.account(id)
        {
            draft.change.object.account = Some(held.name().to_owned());
        }
    }

    /// An observed member that is not desired.
    fn surplus<'s>(
        &self,
        links: &Links,
        (desired, observed): (GroupRef<'_>, GroupRef<'_>),
        account: AccountRef<'s>,
        kept: &mut Kept<'s>,
        found: &mut Found,
    ) {
        if self.account_is_protected(account.name()) {
            kept.protected.push(account.name());
            return;
        }
        if let Some(why) = self.shield(Some(observed.name()), Some(account.name())) {
            kept.shielded.push(format!("{} ({why})", account.name()));
            return;
        }
        let object = Object::membership(observed.name(), account.name());
        let mut draft = self.on_group(Action::Revoke, object, desired, Why::Undeclared);
        draft.account = Some(self.number_of_observed(account.id()));
        match links.owner(account.id()) {
            Owner::Doubtful(_) => return kept.doubtful.push(account.name()),
            Owner::Account(id) if self.is_unsettled(desired, id) => return kept.unsettled.push(account.name()),
            Owner::Account(id) => {
                let want = self.desired.wants.get(id.0 as usize).copied();
                draft.why = match want {
                    Some(Want::Left(end)) => Why::Left(end),
                    Some(Want::OnLeave) if !self.is_wanted(id) => Why::OnLeave,
                    _ if self.desired.nesting.covers(desired.id(), id) => Why::Covered,
                    _ => Why::HoldsNot,
                };
                draft.account = Some(Self::number_of_desired(id));
                let person = self.desired.state.account(id).and_then(|account| self.person_of(account));
                draft.person = person.map(|(id, _)| id);
                draft.change.person = person.map(|(_, person)| person.key.to_string());
                self.which(id, &mut draft);
                // What takes away runs under the old name and before the rename.
                let revoke = u32::try_from(found.drafts.len()).unwrap_or(u32::MAX);
                if let Some(rename) = links.renames.get(&id).and_then(|n| found.drafts.get_mut(*n as usize)) {
                    rename.needs.push(revoke);
                }
            }
            Owner::Gone => draft.why = Why::Gone,
            Owner::Nobody => {
                if self.known.account(account.name()).is_some() {
                    return kept.doubtful.push(account.name());
                }
                if !self.undeclared_is_due(observed.name(), account.name(), found) {
                    return;
                }
            }
        }
        found.push(draft);
    }

    /// Whether a member that nobody declared goes now.
    fn undeclared_is_due(&self, group: &str, member: &str, found: &mut Found) -> bool {
        let settings = &self.settings().undeclared;
        if settings.then == UndeclaredAction::Report {
            found.undeclared(self.name(), group, member, "nobody declared it; `undeclared` says report");
            return false;
        }
        let wait = crate::policy::date::term(&settings.after).map_or(0, crate::model::Term::seconds);
        if wait <= 0 {
            return true;
        }
        let key = (self.name().to_owned(), group.to_owned(), member.to_owned());
        let due = self.memory.undeclared.get(&key).copied().unwrap_or(self.at).plus(wait);
        if due > self.at {
            found.undeclared(self.name(), group, member, format!("nobody declared it; it goes at {due}"));
            return false;
        }
        true
    }

    /// A member that is no account of the directory.
    fn other<'s>(
        &self,
        desired: GroupRef<'_>,
        observed: GroupRef<'_>,
        group: &Group,
        member: Member<'s>,
        kept: &mut Kept<'s>,
        found: &mut Found,
    ) {
        let (text, member) = match member {
            Member::Account(name) | Member::Other(name) => (name, OtherMember::Other(name.to_owned())),
            Member::Group(name) => (name, OtherMember::Group(name.to_owned())),
        };
        if let Some(why) = self.shield(Some(observed.name()), Some(text)) {
            kept.shielded.push(format!("{text} ({why})"));
            return;
        }
        if !group.revoke_others || group.manage == Manage::Additive {
            if self.known.accounts().is_none() {
                kept.others.push(text);
            }
            return;
        }
        // What is no account in an incomplete read may be one in a complete one.
        if self.known.accounts().or_else(|| self.known.groups()).is_some() {
            found.unknown += 1;
            return;
        }
        if self.account_is_protected(text) || self.group_is_protected(text) {
            kept.protected.push(text);
            return;
        }
        found.push(self.on_group(Action::Revoke, Object::other(observed.name(), member), desired, Why::Others));
    }
}
