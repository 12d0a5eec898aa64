//! Members that a rename left behind: a group still lists what an account or a group
//! was called before.
//!
//! Comes in: a member that is no account and no group, what earlier runs set out to
//! rename. Goes out: drafts. Refuses: a name that something carries,
//! that is still to be given to something, or of which an incomplete read cannot tell.
//!
//! Where the directory does not move members itself, a rename is more than one write,
//! and a run may end between them. Such a member gives nothing to anybody now; whoever
//! gets the name later would be a member at once. It is the rename's rest and not
//! somebody's foreign entry, so it goes whatever `others:` says of those.

use super::Diff;
use super::members::Kept;
use crate::model::change::OtherMember;
use crate::model::state::{GroupRef, Member};
use crate::model::{Action, Matching, Object};
use crate::plan::draft::{Fate, Found, Reason, Why};
use crate::policy::Group;
use crate::provider::dn;
use std::collections::{BTreeMap, BTreeSet};

/// Names that nothing has any more, by what a group would list them as.
#[derive(Default)]
pub(super) struct Behind<'a> {
    /// Name → person, by comparison key.
    names: BTreeMap<String, (&'a str, &'a str)>,
    /// First part of the account's DN → the rest of it, name, person.
    handles: BTreeMap<String, (String, &'a str, &'a str)>,
    /// Name and DN of a group before its rename → its name now.
    groups: BTreeMap<String, &'a str>,
    /// Comparison keys of groups from which membership of a protected group follows;
    /// `None`: that is not known.
    reaching: Option<BTreeSet<String>>,
}

impl<'a> Diff<'a> {
    pub(super) fn left_behind(&self, reaching: Option<BTreeSet<String>>) -> Behind<'a> {
        let mut behind = Behind { reaching, ..Behind::default() };
        let first = (self.name().to_owned(), String::new());
        let earlier = self.memory.earlier.range(first..).take_while(|((directory, _), _)| directory == self.name());
        for ((_, name), person) in earlier {
            if self.observed.account_named(name).is_some() || self.desired.state.account_named(name).is_some() {
                continue;
            }
            behind.names.insert(self.names().key(name).into_owned(), (name, person));
            if let Some((rdn, rest)) = parts(&self.kind.account_handle(name)) {
                behind.handles.insert(rdn, (rest, name, person));
            }
        }
        let first = (self.name().to_owned(), String::new());
        let earlier = self.memory.earlier_groups.range(first..);
        for ((_, before), now) in earlier.take_while(|((directory, _), _)| directory == self.name()) {
            let taken = self.observed.group_named(before).is_some() || self.desired.state.group_named(before).is_some();
            if let Some(now) = self.observed.group_named(now).filter(|_| !taken) {
                behind.groups.insert(self.names().key(before).into_owned(), now.name());
                behind.groups.insert(Matching::Dn.key(&self.kind.group_handle(before)).into_owned(), now.name());
            }
        }
        behind
    }
}

/// The key of a DN: its first part, and the rest.
fn parts(text: &str) -> Option<(String, String)> {
    let key = dn::key(crate::provider::entries::without_unique_id(text)).ok()?;
    let rest = dn::parent(&key)?;
    let rdn = key.strip_suffix(rest)?.trim_end_matches(',');
    Some((rdn.to_owned(), rest.to_owned()))
}

impl Behind<'_> {
    /// Proposes what becomes of the member of a group as it is `written`; false if no rename left it behind.
    pub(super) fn has<'s>(
        &self,
        diff: &Diff<'_>,
        (desired, observed): (GroupRef<'_>, GroupRef<'_>),
        written: &Group,
        member: Member<'s>,
        kept: &mut Kept<'s>,
        found: &mut Found,
    ) -> bool {
        let (text, is_group) = match member {
            Member::Other(text) => (text, false),
            Member::Group(name) if diff.observed.group_named(name).is_none() => (name, true),
            _ => return false,
        };
        let account = if is_group { None } else { self.account(diff, text).or_else(|| diff.moved_away(text)) };
        let group = if account.is_some() { None } else { self.group(diff, text) };
        let is_shielded = || diff.shield(Some(observed.name()), Some(text)).is_some();
        if (account.is_none() && group.is_none()) || is_shielded() {
            return false;
        }
        // What nothing has in an incomplete read may be something's in a complete one.
        if diff.known.accounts().or_else(|| diff.known.groups()).is_some() {
            found.unknown += 1;
            return true;
        }
        let (earlier, person) = account.unwrap_or((text, ""));
        if diff.account_is_protected(earlier) || diff.account_is_protected(text) || diff.group_is_protected(text) {
            kept.protected.push(text);
            return true;
        }
        let other = if is_group { OtherMember::Group(text.to_owned()) } else { OtherMember::Other(text.to_owned()) };
        let object = Object::other(observed.name(), other);
        let mut draft = diff.on_group(Action::Revoke, object, desired, Why::Renamed);
        if account.is_some() {
            draft.change.person = Some(person.to_owned());
            draft.person = diff.policy.person_named(person);
        }
        found.push(draft);
        let is_followed = |now: &&str| {
            // What would be taken out again does not come in first.
            let is_nested = diff.nests_natively() && diff.desired.state.group_named(now).is_some();
            !written.revoke_others && !is_nested
        };
        if let Some(now) = group.filter(is_followed) {
            self.follows(diff, (desired, observed), now, found);
        }
        true
    }

    /// A group that was a member stays one under its present name.
    fn follows(
        &self,
        diff: &Diff<'_>,
        (desired, observed): (GroupRef<'_>, GroupRef<'_>),
        now: &str,
        found: &mut Found,
    ) {
        let key = diff.names().key(now);
        let is_there = |member: Member<'_>| matches!(member, Member::Group(name) if diff.names().key(name) == key);
        // Its own name in a group only keeps it from being empty.
        if observed.key() == key || observed.others().any(is_there) {
            return;
        }
        let Some(reaching) = self.reaching.as_ref().filter(|_| diff.known.group(observed.name()).is_none()) else {
            found.unknown += 1;
            return;
        };
        let object = Object::other(observed.name(), OtherMember::Group(now.to_owned()));
        let mut draft = diff.on_group(Action::Grant, object, desired, Why::Follows);
        if reaching.contains(observed.key()) {
            draft.fate = Fate::withheld(Reason::new(
                format!("`{}` reaches a protected group of `{}` by nesting", observed.name(), diff.name()),
                "nest it by hand, undo the nesting, or narrow `protect.groups`",
            ));
        }
        found.push(draft);
    }

    /// The earlier name of an account, and whose it was.
    fn account<'t>(&'t self, diff: &Diff<'_>, text: &str) -> Option<(&'t str, &'t str)> {
        if self.names.is_empty() {
            return None;
        }
        if let Some(found) = self.names.get(diff.names().key(text).as_ref()) {
            return Some(*found);
        }
        let (rdn, rest) = parts(text)?;
        let (base, name, person) = self.handles.get(&rdn)?;
        let below = rest.strip_suffix(base.as_str())?;
        (below.is_empty() || below.ends_with(',')).then_some((*name, *person))
    }

    /// What the group of that earlier name is called now.
    fn group(&self, diff: &Diff<'_>, text: &str) -> Option<&str> {
        let by_name = || self.groups.get(diff.names().key(text).as_ref());
        let by_handle = || self.groups.get(Matching::Dn.key(text).as_ref());
        if self.groups.is_empty() { None } else { by_name().or_else(by_handle).copied() }
    }
}
