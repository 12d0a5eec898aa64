//! Constraints: grants that would break one are withheld; what time broke is noted.
//!
//! Comes in: the breaches that `resolve` found. Goes out: withheld grants with both
//! paths, notes. Refuses: to take anything away by itself (`on_breach` does that in
//! `resolve`).

use crate::model::Action;
use crate::plan::Note;
use crate::plan::draft::{Fate, Found, Reason};
use crate::policy::{GroupId, PersonId, Policy};
use std::collections::{BTreeMap, BTreeSet};

/// One person who would break one constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who.
    pub person: PersonId,
    /// Groups that carry what conflicts.
    pub groups: BTreeSet<GroupId>,
    /// `breaks payments-separation: dana.wolf also holds …`.
    pub reason: String,
    /// Where the constraint was written and what to do.
    pub setting: String,
}

/// Withholds the new grants of people who would break a constraint. Where there is
/// none, the breach is already in the directory: a note says so.
pub fn withhold(policy: &Policy, conflicts: &[Conflict], found: &mut Found) {
    let mut by_person: BTreeMap<PersonId, Vec<&Conflict>> = BTreeMap::new();
    for conflict in conflicts {
        by_person.entry(conflict.person).or_default().push(conflict);
    }
    let mut met: BTreeSet<(PersonId, &str)> = BTreeSet::new();
    for draft in &mut found.drafts {
        let (Some(person), Some(group), Action::Grant) = (draft.person, draft.group, draft.change.action) else {
            continue;
        };
        for conflict in by_person.get(&person).into_iter().flatten() {
            if conflict.groups.contains(&group) {
                met.insert((person, &conflict.reason));
                if draft.is_kept() {
                    draft.fate = Fate::withheld(Reason::new(conflict.reason.clone(), conflict.setting.clone()));
                }
            }
        }
    }
    for conflict in conflicts {
        if !met.contains(&(conflict.person, conflict.reason.as_str())) {
            let person = policy.people.get(conflict.person.0 as usize).map(|person| person.key.to_string());
            found.notes.push(Note {
                code: "breach".to_owned(),
                directory: None,
                object: person,
                text: format!("{}; {}", conflict.reason, conflict.setting),
            });
        }
    }
}
