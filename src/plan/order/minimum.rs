//! Groups that must keep members while a plan runs: `minimum_members`, and groups of
//! directories that cannot hold an empty one.
//!
//! Comes in: kept drafts. Goes out: what is withheld because too few would be left,
//! and points that make what takes wait for what gives. Refuses: to leave fewer than
//! the minimum, or fewer than there are where that is less already.

use super::{Ground, Wait};
use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{Action, Enabled, Matching, State};
use crate::plan::draft::{Draft, Fate, Reason, Why};
use crate::policy::GroupId;
use crate::policy::settings::Nesting;
use std::collections::{BTreeMap, BTreeSet};

/// One group with its minimum.
struct Floor<'a> {
    directory: u16,
    observed: GroupRef<'a>,
    least: usize,
    /// Whether only usable accounts count.
    enabled: bool,
    written: String,
}

/// What the kept drafts do to one group. Accounts by comparison key.
#[derive(Default)]
struct Effect {
    before: usize,
    /// Counted member → the drafts that take it out.
    taken: BTreeMap<String, Vec<u32>>,
    /// New counted member → the drafts that bring it in.
    given: BTreeMap<String, Vec<u32>>,
}

/// Withholds what would leave too few, and returns the points of the rest with
/// whether anything was withheld.
pub fn minimums(ground: &Ground<'_>, drafts: &mut [Draft]) -> (Vec<Wait>, bool) {
    let mut waits = Vec::new();
    let mut withheld = false;
    let takes = drafts.iter().any(|draft| draft.is_kept() && draft.action().takes());
    if !takes {
        return (waits, withheld);
    }
    for floor in floors(ground, drafts) {
        let effect = effect(ground, &floor, drafts);
        if effect.taken.is_empty() {
            continue;
        }
        let after = effect.before + effect.given.len() - effect.taken.len();
        let least = floor.least.min(effect.before);
        if let Some(short) = least.checked_sub(after).filter(|short| *short > 0) {
            spare(&floor, &effect, short, after, drafts);
            withheld = true;
        } else if effect.before - effect.taken.len() < least {
            waits.push(Wait {
                needs: effect.given.values().flatten().copied().collect(),
                dependents: effect.taken.values().flatten().copied().collect(),
            });
        }
    }
    (waits, withheld)
}

fn floors<'a>(ground: &Ground<'a>, drafts: &[Draft]) -> Vec<Floor<'a>> {
    let mut floors = Vec::new();
    for (entitlement, least) in &ground.policy.guardrails.minimum_members {
        let Some(group) = ground.policy.group_named(entitlement) else { continue };
        let Some(group) = ground.policy.groups.get(group.0 as usize) else { continue };
        let Some((input, _)) = ground.of(group.directory.0) else { continue };
        let earlier = || input.observed.state.group_named(group.previously.as_deref()?);
        let Some(observed) = input.observed.state.group_named(&group.directory_name).or_else(earlier) else { continue };
        floors.push(Floor {
            directory: group.directory.0,
            observed,
            least: *least as usize,
            enabled: true,
            written: entitlement.clone(),
        });
    }
    let mut seen: BTreeSet<(u16, &str)> = BTreeSet::new();
    for draft in drafts.iter().filter(|draft| draft.is_kept() && draft.action() == Action::Revoke) {
        let Some((input, _)) = ground.of(draft.directory) else { continue };
        if input.capabilities().empty_groups {
            continue;
        }
        let Some(name) = draft.change.object.group.as_deref() else { continue };
        let Some(observed) = input.observed.state.group_named(name) else { continue };
        if seen.insert((draft.directory, name)) {
            floors.push(Floor {
                directory: draft.directory,
                observed,
                least: 1,
                enabled: false,
                written: String::new(),
            });
        }
    }
    floors
}

/// What one group's floor needs to know of a directory and of the drafts.
struct Scene<'a> {
    floor: &'a Floor<'a>,
    state: &'a State,
    names: Matching,
    /// The policy's group.
    group: Option<GroupId>,
    members: BTreeSet<&'a str>,
    counted: BTreeSet<&'a str>,
    /// Account → its key before it is renamed.
    earlier: BTreeMap<u32, String>,
    /// Accounts that are disabled or deleted.
    stopped: BTreeSet<u32>,
    /// Keys of accounts that leave the group.
    revoked: BTreeSet<String>,
    /// Comparison keys of the group and, where the directory is told to keep groups in
    /// groups, of those inside it.
    below: BTreeSet<&'a str>,
    /// In how many of them an account is.
    times: BTreeMap<&'a str, usize>,
}

/// A group and the groups in it, as observed.
fn closure<'a>(state: &'a State, top: GroupRef<'a>) -> Vec<GroupRef<'a>> {
    let (mut list, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![top]);
    while let Some(group) = open.pop() {
        if seen.insert(group.key()) {
            list.push(group);
            let inside = group.others().filter_map(|member| match member {
                Member::Group(name) => state.group_named(name),
                _ => None,
            });
            open.extend(inside);
        }
    }
    list
}

impl<'a> Scene<'a> {
    fn new(ground: &Ground<'a>, floor: &'a Floor<'a>, drafts: &[Draft]) -> Option<Self> {
        let (input, _) = ground.of(floor.directory)?;
        let mut scene = Self {
            floor,
            state: &input.observed.state,
            names: input.kind.capabilities().names,
            group: ground.policy.group_named(&floor.written),
            members: BTreeSet::new(),
            counted: BTreeSet::new(),
            earlier: BTreeMap::new(),
            stopped: BTreeSet::new(),
            revoked: BTreeSet::new(),
            below: BTreeSet::new(),
            times: BTreeMap::new(),
        };
        let settings = ground.policy.directories.get(usize::from(floor.directory)).map(|one| &one.settings.groups);
        let native = floor.enabled && settings.is_some_and(|settings| settings.nesting == Nesting::Native);
        let groups = if native { closure(scene.state, floor.observed) } else { vec![floor.observed] };
        for group in groups {
            scene.below.insert(group.key());
            for account in group.members().iter().filter_map(|id| scene.state.account(*id)) {
                scene.members.insert(account.key());
                *scene.times.entry(account.key()).or_default() += 1;
                if !floor.enabled || account.enabled() != Enabled::No {
                    scene.counted.insert(account.key());
                }
            }
        }
        for draft in drafts.iter().filter(|draft| draft.is_kept() && draft.directory == floor.directory) {
            let key = draft.change.object.account.as_deref().map(|name| scene.names.key(name).into_owned());
            match (draft.action(), draft.account, key) {
                (Action::RenameAccount, Some(account), Some(key)) => {
                    scene.earlier.insert(account, key);
                }
                (Action::DisableAccount | Action::DeleteAccount, Some(account), _) => {
                    scene.stopped.insert(account);
                }
                (Action::Revoke, _, Some(key)) if scene.is_here(draft) => {
                    scene.revoked.insert(key);
                }
                _ => {}
            }
        }
        Some(scene)
    }

    fn is_here(&self, draft: &Draft) -> bool {
        let named = |group: &str| self.below.contains(self.names.key(group).as_ref());
        let same = draft.group.is_some() && draft.group == self.group;
        draft.change.object.group.as_deref().is_some_and(|group| same || named(group))
    }

    /// The observed account's key; of a member that is no account, something like it.
    fn key(&self, draft: &Draft) -> String {
        let object = &draft.change.object;
        match (&object.account, draft.account.and_then(|account| self.earlier.get(&account))) {
            (_, Some(earlier)) => earlier.clone(),
            (Some(name), None) => self.names.key(name).into_owned(),
            (None, None) => format!("{:?}", object.member),
        }
    }

    /// Counted members that a draft cuts off by taking out the group that they are in.
    fn cut_off(&self, draft: &Draft) -> Vec<&'a str> {
        let Some(OtherMember::Group(inside)) = &draft.change.object.member else { return Vec::new() };
        if draft.action() != Action::Revoke || self.below.len() < 2 || !self.is_here(draft) {
            return Vec::new();
        }
        let groups = self.state.group_named(inside).map_or_else(Vec::new, |inside| closure(self.state, inside));
        let accounts = groups.iter().flat_map(|group| group.members()).filter_map(|id| self.state.account(*id));
        accounts.map(AccountRef::key).filter(|key| self.counted.contains(key)).collect()
    }

    /// Whether the draft takes a counted member out (`false`) or brings one in (`true`).
    fn direction(&self, draft: &Draft, key: &str) -> Option<bool> {
        let enabled = self.floor.enabled;
        match draft.action() {
            // Whoever is covered by a link stays.
            Action::Revoke if draft.why == Why::Covered => None,
            Action::Revoke => (self.is_here(draft) && (!enabled || self.counted.contains(key))).then_some(false),
            Action::DisableAccount | Action::DeleteAccount => (enabled && self.counted.contains(key)).then_some(false),
            // What is below a nested group is not counted here.
            Action::Grant if enabled && draft.change.object.account.is_none() => None,
            Action::Grant => {
                let stays = draft.account.is_none_or(|account| !self.stopped.contains(&account));
                // A disabled account that is granted counts in the next plan, once it is enabled.
                let asleep = enabled && self.state.account_named(key).is_some_and(|a| a.enabled() == Enabled::No);
                (self.is_here(draft) && stays && !asleep && !self.members.contains(key)).then_some(true)
            }
            Action::EnableAccount => {
                let wakes = enabled && self.members.contains(key) && !self.counted.contains(key);
                (wakes && !self.revoked.contains(key)).then_some(true)
            }
            _ => None,
        }
    }
}

fn effect(ground: &Ground<'_>, floor: &Floor<'_>, drafts: &[Draft]) -> Effect {
    let mut effect = Effect::default();
    let Some(scene) = Scene::new(ground, floor, drafts) else { return effect };
    effect.before = scene.counted.len() + if floor.enabled { 0 } else { floor.observed.others().len() };
    for (n, draft) in drafts.iter().enumerate() {
        if !draft.is_kept() || draft.directory != floor.directory {
            continue;
        }
        let key = scene.key(draft);
        let number = u32::try_from(n).unwrap_or(u32::MAX);
        for lost in scene.cut_off(draft) {
            effect.taken.entry(lost.to_owned()).or_default().push(number);
        }
        let side = match scene.direction(draft, &key) {
            Some(true) => &mut effect.given,
            Some(false) => &mut effect.taken,
            None => continue,
        };
        side.entry(key).or_default().push(number);
    }
    // Who is in several groups inside loses this one only with the last of them.
    let leaves = |n: &u32| drafts.get(*n as usize).is_none_or(|draft| draft.action() != Action::Revoke);
    effect.taken.retain(|key, numbers| {
        numbers.iter().any(leaves) || scene.times.get(key.as_str()).is_none_or(|times| numbers.len() >= *times)
    });
    effect
}

/// Keeps back as much as must stay: leavers go first, the others by name.
fn spare(floor: &Floor<'_>, effect: &Effect, short: usize, after: usize, drafts: &mut [Draft]) {
    let mut order: Vec<(bool, &String)> = effect
        .taken
        .iter()
        .map(|(key, changes)| {
            let revoked_only =
                changes.iter().all(|n| drafts.get(*n as usize).is_some_and(|draft| draft.action() == Action::Revoke));
            (revoked_only, key)
        })
        .collect();
    order.sort_unstable();
    let noun = if floor.enabled { "enabled members" } else { "members" };
    let reason = Reason {
        reason: format!("`{}` would be left with {after} {noun}", floor.observed.name()),
        limit: Some(format!("at least {}; {} now, {after} after", floor.least, effect.before)),
        setting: Some(if floor.enabled {
            format!("declare another member, or `guardrails.minimum_members` of `{}`", floor.written)
        } else {
            "this directory cannot hold an empty group: declare a member, or delete the group".to_owned()
        }),
    };
    for (_, key) in order.iter().rev().take(short) {
        for n in effect.taken.get(*key).into_iter().flatten() {
            if let Some(draft) = drafts.get_mut(*n as usize) {
                draft.fate = Fate::withheld(reason.clone());
            }
        }
    }
}
