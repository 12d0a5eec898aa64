//! Edges that follow from what the drafts are, whatever is withheld later.
//!
//! Comes in: drafts of all directories. Goes out: more `needs`. Refuses: nothing.
//!
//! * Enabling an account, or letting its native end move out, needs every revoke
//!   of that account: it must not wake up with what it is about to lose.
//! * Granting to an account that is disabled meanwhile needs the disable.
//! * Deleting an account needs its disable and its revokes.
//! * Per person and `exclusive` constraint, what gives needs what takes.
//! * Where a nesting is cut or a group is deleted, whoever is about to come in below
//!   (or to wake up there) waits for it.
//! * Nesting a group waits for every revoke below that group.
//! * Of two groups in each other that change their scope the one goes first that allows
//!   the other (`scopes`).

use super::{Ground, Wait, scopes};
use crate::model::Action;
use crate::model::change::OtherMember;
use crate::model::state::{GroupRef, Member};
use crate::plan::draft::{Draft, Why};
use crate::policy::{GroupId, PersonId, Policy};
use crate::resolve;
use std::collections::{BTreeMap, BTreeSet};

/// Adds the edges that never depend on what is withheld.
pub fn fixed(ground: &Ground<'_>, drafts: &mut [Draft]) {
    let mut edges = accounts(drafts);
    edges.extend(constraints(ground.policy, drafts));
    edges.extend(cuts(ground, drafts));
    edges.extend(nestings(ground, drafts));
    edges.extend(scopes::edges(ground, drafts));
    edges.sort_unstable();
    edges.dedup();
    for (from, to) in edges {
        if let Some(draft) = drafts.get_mut(to as usize)
            && !draft.needs.contains(&from)
        {
            draft.needs.push(from);
        }
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Edges among the changes of one account: (needed, needing).
fn accounts(drafts: &[Draft]) -> Vec<(u32, u32)> {
    let mut late: BTreeMap<(u16, u32), Vec<u32>> = BTreeMap::new();
    for (n, draft) in drafts.iter().enumerate() {
        if let Some(account) = draft.account
            && (draft.wakes() || draft.action() == Action::DeleteAccount)
        {
            late.entry((draft.directory, account)).or_default().push(number(n));
        }
    }
    let mut edges = Vec::new();
    // What is granted to somebody absent is not to be usable before the disable.
    let disables: BTreeMap<(u16, u32), u32> = drafts
        .iter()
        .enumerate()
        .filter(|(_, draft)| draft.action() == Action::DisableAccount)
        .filter_map(|(n, draft)| Some(((draft.directory, draft.account?), number(n))))
        .collect();
    for (n, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.action() == Action::Grant) {
        let disable = draft.account.and_then(|account| disables.get(&(draft.directory, account)));
        edges.extend(disable.map(|disable| (*disable, number(n))));
    }
    if late.is_empty() {
        return edges;
    }
    for (n, draft) in drafts.iter().enumerate() {
        let Some(account) = draft.account else { continue };
        if matches!(draft.action(), Action::Revoke | Action::DisableAccount) {
            let waiting = late.get(&(draft.directory, account)).into_iter().flatten();
            edges.extend(waiting.map(|late| (number(n), *late)));
        }
    }
    edges
}

/// A draft that ends what follows from being below a group: by position, with the
/// comparison keys of the groups below.
fn cut_below(ground: &Ground<'_>, draft: &Draft) -> BTreeSet<String> {
    let object = &draft.change.object;
    match (draft.action(), &object.member, &object.group) {
        (Action::Revoke, Some(OtherMember::Group(child)), _) => below(ground, draft.directory, child),
        (Action::DeleteGroup, _, Some(group)) => below(ground, draft.directory, group),
        _ => BTreeSet::new(),
    }
}

/// Comparison keys of a group and of all groups below it, as observed.
fn below(ground: &Ground<'_>, directory: u16, top: &str) -> BTreeSet<String> {
    let mut below = BTreeSet::new();
    let Some((input, _)) = ground.of(directory) else { return below };
    let state = &input.observed.state;
    let mut open: Vec<_> = state.group_named(top).into_iter().collect();
    while let Some(group) = open.pop() {
        if below.insert(group.key().to_owned()) {
            let children = group.others().filter_map(|other| match other {
                Member::Group(name) => state.group_named(name),
                _ => None,
            });
            open.extend(children);
        }
    }
    below
}

/// Edges from what takes away or disables below a group to what nests that group, and between
/// links and changes of the scope or type of the two groups: (needed, needing).
fn nestings(ground: &Ground<'_>, drafts: &[Draft]) -> Vec<(u32, u32)> {
    let mut edges = Vec::new();
    let inside = |draft: &Draft| match (draft.action(), &draft.change.object.member) {
        (Action::Grant | Action::Revoke, Some(OtherMember::Group(child))) => Some(child.clone()),
        _ => None,
    };
    if !drafts.iter().any(|draft| inside(draft).is_some()) {
        return edges;
    }
    let [mut takes, mut updates, mut disables]: [BTreeMap<(u16, String), Vec<u32>>; 3] = Default::default();
    let names = |directory: u16| ground.of(directory).map(|(input, _)| input.kind.capabilities().names);
    for (n, draft) in drafts.iter().enumerate() {
        let object = &draft.change.object;
        let (list, group) = match draft.action() {
            Action::Revoke => (&mut takes, &object.group),
            Action::UpdateGroup => (&mut updates, &object.group),
            Action::DisableAccount => (&mut disables, &object.account),
            _ => continue,
        };
        let Some(names) = names(draft.directory) else { continue };
        let group = group.as_deref().unwrap_or_default();
        list.entry((draft.directory, names.key(group).into_owned())).or_default().push(number(n));
    }
    for (n, draft) in drafts.iter().enumerate() {
        let (Some(child), Some(names)) = (inside(draft), names(draft.directory)) else { continue };
        let outside = draft.change.object.group.as_deref().unwrap_or_default();
        let both = [outside, &child].map(|name| (draft.directory, names.key(name).into_owned()));
        let before = both.iter().filter_map(|key| updates.get(key)).flatten();
        if draft.action() == Action::Revoke {
            edges.extend(before.map(|update| (number(n), *update)));
            continue;
        }
        edges.extend(before.map(|update| (*update, number(n))));
        for group in below(ground, draft.directory, &child) {
            let revoke = takes.get(&(draft.directory, group)).into_iter().flatten();
            edges.extend(revoke.map(|revoke| (*revoke, number(n))));
        }
        // What somebody absent comes into is not to be usable before the disable.
        let asleep = if disables.is_empty() { Vec::new() } else { accounts_below(ground, draft.directory, &child) };
        for account in asleep {
            let waits = disables.get(&(draft.directory, account)).into_iter().flatten();
            edges.extend(waits.map(|one| (*one, number(n))));
        }
    }
    edges
}

/// Comparison keys of the accounts in a group and in those below it, as observed.
fn accounts_below(ground: &Ground<'_>, directory: u16, top: &str) -> Vec<String> {
    let state = ground.of(directory).map(|(input, _)| &input.observed.state);
    let groups = below(ground, directory, top);
    let members = groups.into_iter().filter_map(move |group| state?.group_named(&group)).flat_map(GroupRef::members);
    members.filter_map(move |id| Some(state?.account(*id)?.key().to_owned())).collect()
}

/// Edges from what cuts a nesting to what would give below it: (needed, needing).
fn cuts(ground: &Ground<'_>, drafts: &[Draft]) -> Vec<(u32, u32)> {
    let mut cutting: BTreeMap<(u16, String), Vec<u32>> = BTreeMap::new();
    for (n, draft) in drafts.iter().enumerate() {
        for group in cut_below(ground, draft) {
            cutting.entry((draft.directory, group)).or_default().push(number(n));
        }
    }
    let mut edges = Vec::new();
    if cutting.is_empty() {
        return edges;
    }
    // Groups list an account under the name that it has before a rename.
    let old_names: BTreeMap<(u16, u32), &Option<String>> = drafts
        .iter()
        .filter(|draft| draft.action() == Action::RenameAccount)
        .filter_map(|draft| Some(((draft.directory, draft.account?), &draft.change.object.account)))
        .collect();
    let mut waking: BTreeMap<(u16, String), Vec<u32>> = BTreeMap::new();
    for (n, draft) in drafts.iter().enumerate() {
        let Some((input, _)) = ground.of(draft.directory) else { continue };
        let names = input.kind.capabilities().names;
        let key = |name: &Option<String>| names.key(name.as_deref().unwrap_or_default()).into_owned();
        if draft.action() == Action::Grant {
            let cuts = cutting.get(&(draft.directory, key(&draft.change.object.group)));
            edges.extend(cuts.into_iter().flatten().map(|cut| (*cut, number(n))));
        } else if draft.wakes() {
            let old = draft.account.and_then(|account| old_names.get(&(draft.directory, account)).copied());
            let name = key(old.unwrap_or(&draft.change.object.account));
            waking.entry((draft.directory, name)).or_default().push(number(n));
        }
    }
    for ((directory, group), cuts) in &cutting {
        let Some((input, _)) = ground.of(*directory) else { continue };
        let state = &input.observed.state;
        let members = state.group_named(group).map_or(&[][..], GroupRef::members);
        for account in members.iter().filter_map(|id| state.account(*id)) {
            for wake in waking.get(&(*directory, account.key().to_owned())).into_iter().flatten() {
                edges.extend(cuts.iter().map(|cut| (*cut, *wake)));
            }
        }
    }
    edges
}

/// Per person and `exclusive` constraint: revoke before grant.
fn constraints(policy: &Policy, drafts: &[Draft]) -> Vec<(u32, u32)> {
    let mut concerned: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
    for (n, constraint) in policy.constraints.iter().enumerate() {
        let groups: BTreeSet<GroupId> =
            constraint.exclusive.iter().flat_map(|holding| resolve::carried(policy, *holding)).collect();
        for group in groups {
            concerned.entry(group).or_default().push(n);
        }
    }
    let mut edges = Vec::new();
    if concerned.is_empty() {
        return edges;
    }
    let mut wakes_up: BTreeMap<PersonId, Vec<u32>> = BTreeMap::new();
    let mut takes: BTreeMap<(usize, PersonId), Vec<u32>> = BTreeMap::new();
    let mut gives: BTreeMap<(usize, PersonId), Vec<u32>> = BTreeMap::new();
    for (n, draft) in drafts.iter().enumerate() {
        if let Some(person) = draft.person.filter(|_| draft.wakes()) {
            wakes_up.entry(person).or_default().push(number(n));
        }
        let constraints = draft.group.and_then(|group| concerned.get(&group)).map_or(&[][..], Vec::as_slice);
        // Whoever is covered by a link loses nothing.
        let people = draft.person.iter().chain(&draft.people).filter(|_| draft.why != Why::Covered);
        for (person, constraint) in people.flat_map(|person| constraints.iter().map(|one| (*person, *one))) {
            match draft.action() {
                Action::Revoke => takes.entry((constraint, person)).or_default().push(number(n)),
                Action::Grant => gives.entry((constraint, person)).or_default().push(number(n)),
                _ => {}
            }
        }
    }
    for ((constraint, person), takes) in &takes {
        let grants = gives.get(&(*constraint, *person)).into_iter().flatten();
        let waking = wakes_up.get(person).into_iter().flatten();
        for give in grants.chain(waking) {
            edges.extend(takes.iter().map(|take| (*take, *give)));
        }
    }
    edges
}

/// `after: [corp]`: what gives here waits for everything there, through one point
/// per directory that is waited for. What is withheld there is not waited for:
/// `after` orders, it does not make one directory hostage of another.
pub(in crate::plan) fn after(ground: &Ground<'_>, drafts: &[Draft]) -> Vec<Wait> {
    let mut awaited: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    for (n, directory) in ground.policy.directories.iter().enumerate() {
        for name in &directory.settings.after {
            if let (Some(first), Ok(n)) = (ground.policy.directory_named(name), u16::try_from(n))
                && first.0 != n
            {
                awaited.entry(first.0).or_default().push(n);
            }
        }
    }
    let kept = |directory: u16, gives: bool| -> Vec<u32> {
        let gives_more = |draft: &Draft| draft.action().gives() || draft.lasts_longer();
        let wanted = |draft: &Draft| draft.is_kept() && draft.directory == directory && (!gives || gives_more(draft));
        drafts.iter().enumerate().filter(|(_, draft)| wanted(draft)).map(|(n, _)| number(n)).collect()
    };
    awaited
        .into_iter()
        .map(|(first, later)| Wait {
            needs: kept(first, false),
            dependents: later.into_iter().flat_map(|later| kept(later, true)).collect(),
        })
        .filter(|wait| !wait.needs.is_empty() && !wait.dependents.is_empty())
        .collect()
}
