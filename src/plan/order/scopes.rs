//! Of two groups in each other that both change scope or type: which one goes first.
//!
//! Comes in: drafts, the links that were read and stay. Goes out: edges. Refuses: to judge
//! how it is in the end (`diff` does); here only what stands between counts.
//!
//! A global group that holds a global one cannot hold it as a universal one: the group
//! outside goes first where scopes widen, and the one inside where they narrow. Where
//! neither may go first there is a circle, and the plan says so.

use super::Ground;
use crate::model::Action;
use crate::model::change::OtherMember;
use crate::model::state::{GroupRef, Member};
use crate::plan::draft::Draft;
use crate::policy::settings::ProviderKind;
use crate::resolve;
use std::collections::{BTreeMap, BTreeSet};

/// A group whose scope or type changes.
#[derive(Clone, Copy)]
struct Changing<'a> {
    draft: u32,
    observed: GroupRef<'a>,
    desired: GroupRef<'a>,
}

/// (needed, needing), by position.
pub(super) fn edges(ground: &Ground<'_>, drafts: &[Draft]) -> Vec<(u32, u32)> {
    let mut changing: BTreeMap<(u16, String), Changing<'_>> = BTreeMap::new();
    let mut ended: BTreeSet<(u16, &str, &str)> = BTreeSet::new();
    for (n, draft) in (0u32..).zip(drafts) {
        let object = &draft.change.object;
        match (draft.action(), &object.group, &object.member) {
            (Action::UpdateGroup, _, _) => {
                let found = found(ground, draft, n);
                changing.extend(found.map(|one| ((draft.directory, one.observed.key().to_owned()), one)));
            }
            (Action::Revoke, Some(outside), Some(OtherMember::Group(inside))) => {
                ended.insert((draft.directory, outside, inside));
            }
            _ => {}
        }
    }
    if changing.len() < 2 {
        return Vec::new();
    }
    let mut edges = Vec::new();
    for ((directory, _), outer) in &changing {
        let Some((input, _)) = ground.of(*directory) else { continue };
        for member in outer.observed.others() {
            let Member::Group(name) = member else { continue };
            if ended.contains(&(*directory, outer.observed.name(), name)) {
                continue;
            }
            let key = input.kind.capabilities().names.key(name).into_owned();
            if let Some(inner) = changing.get(&(*directory, key)) {
                edges.extend(between(outer, inner));
            }
        }
    }
    edges
}

fn found<'a>(ground: &Ground<'a>, draft: &Draft, n: u32) -> Option<Changing<'a>> {
    let after = draft.change.after.as_ref()?;
    after.keys().find(|name| name.eq_ignore_ascii_case("groupType"))?;
    let group = ground.policy.groups.get(draft.group?.0 as usize)?;
    let directory = ground.policy.directories.get(usize::from(draft.directory))?;
    if directory.settings.kind != ProviderKind::ActiveDirectory {
        return None;
    }
    let (input, desired) = ground.of(draft.directory)?;
    let state = &input.observed.state;
    let earlier = || state.group_named(group.previously.as_deref()?);
    let observed = state.group_named(&group.directory_name).or_else(earlier)?;
    Some(Changing { draft: n, observed, desired: desired.state.group_named(&group.directory_name)? })
}

fn between(outer: &Changing<'_>, inner: &Changing<'_>) -> Vec<(u32, u32)> {
    let names = [outer, inner].map(|one| one.observed.name().to_owned());
    let forbids = |outer: GroupRef<'_>, inner: GroupRef<'_>| {
        resolve::forbidden(outer.attributes(), inner.attributes(), &names).is_some()
    };
    let mut edges = Vec::new();
    if forbids(outer.observed, inner.desired) {
        edges.push((outer.draft, inner.draft));
    }
    if forbids(outer.desired, inner.observed) {
        edges.push((inner.draft, outer.draft));
    }
    edges
}
