//! Groups inside groups, where a directory is told to keep them (`nesting: native`):
//! which entries become a link to a group instead of its people, and what a domain
//! allows inside what ([MS-ADTS] §3.1.1.3.4.5.1; Windows' table of group scopes).
//!
//! Comes in: a policy, a resolution. Goes out: links, what is resolved to people all the
//! same and why, errors. Refuses: a link that would give the group to anybody whom the
//! policy does not give it to.

use super::Resolution;
use super::because::name;
use crate::diagnostic::Diagnostic;
use crate::model::{AccountId, StateGroupId, Window};
use crate::policy::settings::{Nesting, ProviderKind};
use crate::policy::{Entry, EntryId, Group, GroupId, Holding, Manage, Policy, Select};
use std::collections::BTreeSet;

/// An entry that puts a group into a group of the same directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// The entry.
    pub entry: EntryId,
    /// The group inside.
    pub member: GroupId,
    /// Why its people are members one by one all the same; `None` is a link.
    pub resolved: Option<String>,
}

/// Groups that are members of groups, and what follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredNesting {
    /// The links, sorted.
    pub links: Vec<NestedGroup>,
    /// Memberships that `state` leaves out because a link gives them: (group, account) numbers of `state`, sorted.
    pub covered: Vec<(StateGroupId, AccountId)>,
    /// Groups inside which groups are resolved to people all the same: the group, the one inside, and why.
    pub resolved: Vec<(GroupId, GroupId, String)>,
}

/// A group that is to be a member of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NestedGroup {
    /// The group outside, by its number in `state`.
    pub group: StateGroupId,
    /// The group inside.
    pub member: StateGroupId,
    /// The entry that says so.
    pub entry: EntryId,
}

impl DesiredNesting {
    /// The links of one group.
    pub fn of(&self, group: StateGroupId) -> &[NestedGroup] {
        let first = self.links.partition_point(|link| link.group < group);
        let rest = self.links.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|link| link.group == group)).unwrap_or_default()
    }

    /// The accounts that are in a group by its links.
    pub fn covered_in(&self, group: StateGroupId) -> impl Iterator<Item = AccountId> + '_ {
        let first = self.covered.partition_point(|(of, _)| *of < group);
        let rest = self.covered.get(first..).unwrap_or_default();
        rest.iter().take_while(move |(of, _)| *of == group).map(|(_, account)| *account)
    }

    /// Whether an account is in a group by a link.
    pub fn covers(&self, group: StateGroupId, account: AccountId) -> bool {
        self.covered.binary_search(&(group, account)).is_ok()
    }
}

/// Entries of a group that put groups of its own directory into it, where that directory
/// keeps groups in groups; as far as is written.
fn written(policy: &Policy, id: GroupId) -> Vec<Nested> {
    let Some(outer) = policy.groups.get(id.0 as usize).filter(|outer| is_native(policy, outer)) else {
        return Vec::new();
    };
    let mut nested = Vec::new();
    for (entry_id, entry) in outer.members.iter().filter_map(|id| Some((*id, policy.entries.get(id.0 as usize)?))) {
        let inside = match &entry.select {
            Select::Group(group) => std::slice::from_ref(group),
            Select::Groups(glob) => glob.groups.as_slice(),
            _ => continue,
        };
        for member in inside {
            let Some(inner) = policy.groups.get(member.0 as usize) else { continue };
            if inner.directory == outer.directory {
                let resolved = narrowed(policy, outer, entry, inner).map(str::to_owned);
                nested.push(Nested { entry: entry_id, member: *member, resolved });
            }
        }
    }
    nested
}

/// Whether the group's directory keeps groups in groups.
fn is_native(policy: &Policy, group: &Group) -> bool {
    let directory = policy.directories.get(usize::from(group.directory.0));
    group.manage != Manage::Reference
        && directory.is_some_and(|directory| directory.settings.groups.nesting == Nesting::Native)
}

/// What is written that would make the people of a link others than those of the entry.
fn narrowed(policy: &Policy, outer: &Group, entry: &Entry, inner: &Group) -> Option<&'static str> {
    let passes = |n: usize| entry.details().kinds.iter().any(|kind| usize::from(kind.0) == n);
    let gate = || policy.kinds.iter().enumerate().any(|(n, kind)| kind.gated && !passes(n));
    match () {
        () if entry.window() != Window::default() => Some("the entry has dates"),
        () if !outer.only.is_empty() => Some("the group has `only`"),
        () if !outer.except.is_empty() => Some("the group has `except`"),
        () if outer.account.is_some() && outer.account != inner.account => {
            Some("the group holds only accounts of another label")
        }
        () if outer.expires.is_some() => Some("the group has an end"),
        () if inner.manage == Manage::Reference => Some("that group is managed elsewhere"),
        () if inner.manage == Manage::Additive => Some("that group keeps members whom nobody declared"),
        () if gate() => Some("a kind with `default: deny` does not pass the entry (`kinds: [..]` lets it)"),
        () => None,
    }
}

/// The groups in a group at the instant of the resolution: those that can be linked, and
/// those whose people are members one by one, with the reason.
pub fn nested(policy: &Policy, resolution: &Resolution, group: GroupId) -> Vec<Nested> {
    let mut nested = written(policy, group);
    for one in nested.iter_mut().filter(|one| one.resolved.is_none()) {
        let outer = |inner: super::Held| resolution.held_with(inner.person, inner.label, Holding::Group(group));
        let lasts = |inner: super::Held| {
            outer(inner).is_some_and(|held| held.ends.is_none_or(|end| inner.ends.is_some_and(|inner| inner <= end)))
        };
        if !resolution.members(one.member).all(lasts) {
            one.resolved = Some("a constraint takes the group from somebody who is in both".to_owned());
        } else if resolution.unsettled(one.member).len() > 0 {
            one.resolved = Some("who is in that group hangs on something that was not read".to_owned());
        }
    }
    nested
}

/// Adds the groups whose members are, by links, members of one of these.
pub(super) fn below(policy: &Policy, groups: &mut BTreeSet<GroupId>) {
    let mut open: Vec<GroupId> = groups.iter().copied().collect();
    while let Some(group) = open.pop() {
        for one in written(policy, group).into_iter().filter(|one| one.resolved.is_none()) {
            if groups.insert(one.member) {
                open.push(one.member);
            }
        }
    }
}

/// Attributes of a group, of which `groupType` says scope and type in words.
type Attributes = [(Box<str>, Vec<Box<str>>)];

/// Whether the attributes of a group say its scope and type.
pub fn says_kind(attributes: &Attributes) -> bool {
    attributes.iter().any(|(name, _)| name.eq_ignore_ascii_case("groupType"))
}

/// Scope of a group of a domain, and whether it grants access; new ones are global security groups.
fn kind(attributes: &Attributes) -> (&str, bool) {
    let said = attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case("groupType"));
    let words = said.and_then(|(_, values)| values.first()?.split_once(' '));
    words.map_or(("global", true), |(scope, sort)| (scope, sort == "security"))
}

/// Links that a domain forbids, or that would give nothing.
pub(super) fn refused(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (n, outer) in (0u32..).zip(&policy.groups) {
        let directory = policy.directories.get(usize::from(outer.directory.0));
        if directory.is_none_or(|directory| directory.settings.kind != ProviderKind::ActiveDirectory) {
            continue;
        }
        for one in written(policy, GroupId(n)).into_iter().filter(|one| one.resolved.is_none()) {
            let (Some(inner), Some(entry)) =
                (policy.groups.get(one.member.0 as usize), policy.entries.get(one.entry.0 as usize))
            else {
                continue;
            };
            let names = [GroupId(n), one.member].map(|group| name(policy, Holding::Group(group)));
            let Some((message, help)) = forbidden(&outer.attributes, &inner.attributes, &names) else { continue };
            let mut diagnostic = Diagnostic::error("bad-nesting", message);
            diagnostic.span = Some(policy.span(entry.place));
            for (group, name) in [outer, inner].into_iter().zip(&names) {
                let (scope, secures) = kind(&group.attributes);
                let sort = if secures { "security" } else { "distribution" };
                let default = if says_kind(&group.attributes) { "" } else { " (as nothing is written)" };
                let text = format!("`{name}` is a {scope} {sort} group{default}");
                diagnostic = diagnostic.related(policy.span(group.place), text);
            }
            found.push(diagnostic.help(help));
        }
    }
    found
}

/// Why a domain does not let one group hold the other, by their attributes and names, and
/// what to write.
pub fn forbidden(outer: &Attributes, inner: &Attributes, [out, into]: &[String; 2]) -> Option<(String, String)> {
    let ((outer, outer_secures), (inner, inner_secures)) = (kind(outer), kind(inner));
    let both = |wide: &str| {
        format!(
            "write `scope: {wide}` for `{out}`, or `scope: {outer}` for `{into}`; `groups: {{ nesting: accounts }}` of the directory puts in its people instead"
        )
    };
    let holds = match outer {
        "global" => "a global group holds only accounts and global groups of its own domain",
        _ => "a universal group holds only accounts, global groups and universal groups",
    };
    match (outer, inner) {
        ("global", "universal" | "domain-local") | ("universal", "domain-local") => {
            Some((format!("`{into}` is {inner}, and `{out}` cannot hold it: {holds}"), both(inner)))
        }
        _ if outer_secures && !inner_secures => Some((
            format!("`{into}` is a distribution group, and gives its people nothing of the security group `{out}`"),
            format!("write `type: security` for `{into}`, or `type: distribution` for `{out}`"),
        )),
        _ => None,
    }
}
