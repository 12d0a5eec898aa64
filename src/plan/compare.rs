//! The reviewed plan beside one derived afresh: what may still be executed.
//!
//! Comes in: the plan that was reviewed and the plan that the same inputs give now.
//! Goes out: a verdict on each reviewed change, or the refusal of the whole.
//! Refuses: to execute what is not derived identically, and what hangs on it.

use super::draft::words;
use super::{Filter, Plan};
use crate::model::{Action, Change, ChangeId};
use std::collections::{BTreeMap, BTreeSet};

/// Why a change that no plan would contain now is a conflict.
const GONE: &str = "not planned any more: the directory, a date or a reference changed since the review";

/// Whether a reviewed change may be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is derived identically.
    Same {
        /// The reviewed change.
        id: ChangeId,
        /// The derived change.
        derived: ChangeId,
    },
    /// It is not, because what it wants is there already.
    InEffect {
        /// The reviewed change.
        id: ChangeId,
    },
    /// It is not: why.
    Conflict {
        /// The reviewed change.
        id: ChangeId,
        /// What is different now.
        why: String,
    },
    /// It is derived identically but needs one that is a conflict.
    Blocked {
        /// The reviewed change.
        id: ChangeId,
        /// The reviewed change that it needs.
        by: ChangeId,
    },
}

/// Why a whole reviewed plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was made with `--at`.
    #[error("the plan was made with `--at`: it is for reading only; plan again without it")]
    ReadOnly,
    /// Other format, policies, or options.
    #[error("{what} is `{now}` now, `{reviewed}` when it was reviewed; plan again and have that reviewed")]
    Differs {
        /// What differs.
        what: &'static str,
        /// In the reviewed plan.
        reviewed: String,
        /// In the derived plan.
        now: String,
    },
    /// Another version of accord or of the time-zone data made it, and not everything
    /// is derived identically: whether the version is why, nobody can tell.
    #[error("{0}, and {1} of its changes are not derived identically; plan again and have that reviewed")]
    Versions(String, usize),
}

/// A verdict on each reviewed change, in the reviewed order. `in_effect` says whether
/// what a change wants was seen in its directory, which was read whole: an earlier run
/// of the same plan may have done it.
///
/// # Errors
/// [`Refused`] when the plans are not of the same policies, format or options; or of
/// other versions of accord or the time-zone data that do not give the same changes.
pub fn compare(reviewed: &Plan, derived: &Plan, in_effect: &dyn Fn(&Change) -> bool) -> Result<Vec<Verdict>, Refused> {
    refuse(reviewed, derived)?;
    let now: BTreeMap<_, &Change> = derived.changes.iter().map(|change| (change.key(), change)).collect();
    let withheld: BTreeMap<_, &str> =
        derived.withheld.iter().map(|held| (held.change.key(), held.reason.as_str())).collect();
    let then: BTreeMap<_, &Change> = reviewed.changes.iter().map(|change| (change.key(), change)).collect();
    // Which reviewed changes are derived identically, before their needs are asked.
    let twins: Vec<Result<&Change, String>> = reviewed
        .changes
        .iter()
        .map(|change| match now.get(&change.key()) {
            Some(twin) => same(change, twin).map(|()| *twin),
            None => Err(match withheld.get(&change.key()) {
                Some(reason) => format!("withheld now: {reason}"),
                None => GONE.to_owned(),
            }),
        })
        .collect();
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(twins.len());
    for (change, twin) in reviewed.changes.iter().zip(twins) {
        let verdict = match twin {
            Err(why) if why == GONE && in_effect(change) => Verdict::InEffect { id: change.id },
            Err(why) => Verdict::Conflict { id: change.id, why },
            Ok(twin) => match unreviewed(twin, derived, &then) {
                Some(why) => Verdict::Conflict { id: change.id, why },
                None => match blocked(change, reviewed, &verdicts) {
                    Some(by) => Verdict::Blocked { id: change.id, by },
                    None => Verdict::Same { id: change.id, derived: twin.id },
                },
            },
        };
        verdicts.push(verdict);
    }
    let others =
        verdicts.iter().filter(|verdict| !matches!(verdict, Verdict::Same { .. } | Verdict::InEffect { .. })).count();
    match other_versions(reviewed, derived) {
        Some(what) if others > 0 => Err(Refused::Versions(what, others)),
        _ => Ok(verdicts),
    }
}

/// Which versions made the reviewed plan, where they are others than these now:
/// `the plan was made with tzdata 2026a, now it is 2026b`.
pub fn other_versions(reviewed: &Plan, derived: &Plan) -> Option<String> {
    let names: BTreeSet<&String> = reviewed.versions.keys().chain(derived.versions.keys()).collect();
    let of = |plan: &Plan, name: &String| plan.versions.get(name).cloned().unwrap_or_else(|| "unknown".to_owned());
    let differ = names.into_iter().filter(|name| reviewed.versions.get(*name) != derived.versions.get(*name));
    let texts: Vec<String> =
        differ.map(|name| format!("{name} {}, now it is {}", of(reviewed, name), of(derived, name))).collect();
    (!texts.is_empty()).then(|| format!("the plan was made with {}", texts.join(", and with ")))
}

fn refuse(reviewed: &Plan, derived: &Plan) -> Result<(), Refused> {
    if reviewed.read_only {
        return Err(Refused::ReadOnly);
    }
    let commit = |plan: &Plan| plan.policy.commit.clone().unwrap_or_else(|| "none".to_owned());
    let options = |filter: &Filter| serde_json::to_string(filter).unwrap_or_default();
    let pairs = [
        ("the format", reviewed.format.clone(), derived.format.clone()),
        ("the commit of the policies", commit(reviewed), commit(derived)),
        ("the digest of the policies", reviewed.policy.digest.clone(), derived.policy.digest.clone()),
        ("the set of options", options(&reviewed.filter), options(&derived.filter)),
    ];
    for (what, reviewed, now) in pairs {
        if reviewed != now {
            return Err(Refused::Differs { what, reviewed, now });
        }
    }
    Ok(())
}

/// Directory, object and action are equal already.
fn same(reviewed: &Change, derived: &Change) -> Result<(), String> {
    // How many seconds are left to a membership is told anew by every read.
    if reviewed.before != derived.before && reviewed.action != Action::UpdateMembership {
        return Err("what it starts from is different now".to_owned());
    }
    if reviewed.after != derived.after {
        return Err("what it would write is different now".to_owned());
    }
    if reviewed.ends != derived.ends {
        let say = |end: Option<crate::model::Instant>| end.map_or_else(|| "no end".to_owned(), |end| end.to_string());
        return Err(format!("it ends {} now, {} when it was reviewed", say(derived.ends), say(reviewed.ends)));
    }
    Ok(())
}

/// A step that must come first now and that nobody reviewed.
fn unreviewed(
    twin: &Change,
    derived: &Plan,
    then: &BTreeMap<(&str, &crate::model::Object, crate::model::Action), &Change>,
) -> Option<String> {
    let by_id = |id: ChangeId| derived.changes.get((id as usize).checked_sub(1)?);
    twin.needs
        .iter()
        .filter_map(|need| by_id(*need))
        .find(|need| !then.contains_key(&need.key()))
        .map(|need| format!("`{}` must come first now, and was not reviewed", words(need)))
}

/// The first thing it needs, directly or through a barrier, that does not run.
fn blocked(change: &Change, reviewed: &Plan, verdicts: &[Verdict]) -> Option<ChangeId> {
    let stopped = |id: &ChangeId| {
        let verdict = (*id as usize).checked_sub(1).and_then(|n| verdicts.get(n));
        matches!(verdict, Some(Verdict::Conflict { .. } | Verdict::Blocked { .. }))
    };
    let count = reviewed.changes.len();
    for need in &change.needs {
        if stopped(need) {
            return Some(*need);
        }
        let barrier = (*need as usize).checked_sub(count + 1).and_then(|n| reviewed.barriers.get(n));
        if let Some(id) = barrier.and_then(|barrier| barrier.needs.iter().find(|id| stopped(id))) {
            return Some(*id);
        }
    }
    None
}
