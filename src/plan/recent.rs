//! What runs did lately, of the classes that have a guardrail.
//!
//! Comes in: changes that the journal says were made, or may have been. Goes out: whom a
//! class touched within [`WINDOW`] before an instant, so that a plan which is split into
//! several runs meets the limit of the whole. Refuses: values; names of accounts and groups
//! are ids.
//!
//! Of a directory everybody is kept by name, because a person who is touched twice counts
//! once; of a group the number is enough. Times are kept in steps of ten minutes, and what
//! is in one step counts until the last of it is too old: longer by that, never shorter.

use crate::model::{Action, Instant, Object};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a change counts against a guardrail, in seconds.
pub const WINDOW: i64 = 86_400;

/// What is kept together, in seconds.
const STEP: i64 = 600;

/// Whose names are kept of one class in one directory and step; of more, their number.
const MANY: usize = 20_000;

/// What a guardrail counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// Memberships that were taken away.
    Revocations,
    /// Accounts that were disabled.
    Disables,
    /// Memberships that were given, or last longer.
    Grants,
    /// Accounts that were deleted.
    Deletions,
    /// Groups that were deleted.
    GroupDeletions,
}

impl Counted {
    /// What a change counts as; `longer` says whether it makes a membership last longer.
    pub fn of(action: Action, longer: bool) -> Option<Self> {
        match action {
            Action::Revoke => Some(Self::Revocations),
            Action::DisableAccount => Some(Self::Disables),
            Action::Grant => Some(Self::Grants),
            Action::UpdateMembership if longer => Some(Self::Grants),
            Action::DeleteAccount => Some(Self::Deletions),
            Action::DeleteGroup => Some(Self::GroupDeletions),
            _ => None,
        }
    }

    /// The word of `--allow`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::Disables => "disables",
            Self::Grants => "grants",
            Self::Deletions | Self::GroupDeletions => "deletions",
        }
    }
}

/// Whom something touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Account (or what stands for it, see [`name`]) → how many changes.
    pub names: BTreeMap<String, u64>,
    /// Changes of which only the number is kept.
    pub more: u64,
}

impl Touched {
    /// How many changes.
    pub fn changes(&self) -> u64 {
        self.more + self.names.values().sum::<u64>()
    }

    fn absorb(&mut self, other: &Self) {
        for (name, times) in &other.names {
            *self.names.entry(name.clone()).or_default() += times;
        }
        self.more += other.more;
    }
}

/// Class, directory, and of what is counted by group the group.
type Place = (Counted, String, Option<String>);

/// What belongs together in time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    first: Instant,
    last: Instant,
    touched: BTreeMap<Place, Touched>,
}

/// What runs did lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Row>", into = "Vec<Row>")]
pub struct Recent {
    steps: Vec<Step>,
}

/// Who or what an object is, for counting: the account, the group that is deleted, or
/// the member that is no account.
pub fn name(object: &Object) -> String {
    match (&object.account, &object.member, &object.group) {
        (Some(account), _, _) => account.clone(),
        (None, Some(member), _) => format!("{member:?}"),
        (None, None, group) => group.clone().unwrap_or_default(),
    }
}

impl Recent {
    /// Takes note of a change. Of one that is only perhaps done the name is kept everywhere:
    /// it will be planned again, and is one change then.
    pub fn add(&mut self, at: Instant, counted: Counted, directory: &str, object: &Object, perhaps: bool) {
        let is_now = |step: &Step| at >= step.first && at.as_seconds() < step.first.as_seconds() + STEP;
        if !self.steps.last().is_some_and(is_now) {
            self.forget(at);
            self.steps.push(Step { first: at, last: at, touched: BTreeMap::new() });
        }
        let Some(step) = self.steps.last_mut() else { return };
        step.last = step.last.max(at);
        let everybody = step.touched.entry((counted, directory.to_owned(), None)).or_default();
        let name = name(object);
        if everybody.names.len() < MANY || everybody.names.contains_key(&name) {
            *everybody.names.entry(name.clone()).or_default() += 1;
        } else {
            everybody.more += 1;
        }
        if let (Counted::Revocations | Counted::Grants, Some(group)) = (counted, &object.group) {
            let there = step.touched.entry((counted, directory.to_owned(), Some(group.clone()))).or_default();
            // A member that is no account may be many people: it is looked up.
            if perhaps || object.member.is_some() {
                *there.names.entry(name).or_default() += 1;
            } else {
                there.more += 1;
            }
        }
    }

    /// Lets go of what does not count any more.
    fn forget(&mut self, at: Instant) {
        self.steps.retain(|step| counts(step, at));
    }

    /// Whom a class touched before that instant: in the whole directory (`None`), or in groups
    /// by the names that they had.
    pub fn touched(&self, counted: Counted, directory: &str, groups: &[Option<String>], at: Instant) -> Touched {
        let mut all = Touched::default();
        let keys: Vec<_> = groups.iter().map(|group| (counted, directory.to_owned(), group.clone())).collect();
        for step in self.steps.iter().filter(|step| counts(step, at)) {
            keys.iter().filter_map(|key| step.touched.get(key)).for_each(|touched| all.absorb(touched));
        }
        all
    }

    /// Every directory and group in which runs touched somebody, by the names that they had.
    pub fn groups(&self) -> BTreeSet<(&str, &str)> {
        let keys = self.steps.iter().flat_map(|step| step.touched.keys());
        keys.filter_map(|(_, directory, group)| Some((directory.as_str(), group.as_deref()?))).collect()
    }
}

fn counts(step: &Step, at: Instant) -> bool {
    step.last.as_seconds() > at.as_seconds() - WINDOW
}

/// First and last instant of a step, class, directory, group, names, number of others.
type Row = (Instant, Instant, Counted, String, Option<String>, BTreeMap<String, u64>, u64);

impl From<Recent> for Vec<Row> {
    fn from(recent: Recent) -> Self {
        let rows = recent.steps.into_iter().flat_map(|Step { first, last, touched }| {
            touched.into_iter().map(move |((counted, directory, group), touched)| {
                (first, last, counted, directory, group, touched.names, touched.more)
            })
        });
        rows.collect()
    }
}

impl From<Vec<Row>> for Recent {
    fn from(rows: Vec<Row>) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        for (first, last, counted, directory, group, names, more) in rows {
            if steps.last().is_none_or(|step| (step.first, step.last) != (first, last)) {
                steps.push(Step { first, last, touched: BTreeMap::new() });
            }
            if let Some(step) = steps.last_mut() {
                step.touched.insert((counted, directory, group), Touched { names, more });
            }
        }
        Self { steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_change_counts_for_a_day_and_a_person_once() {
        let mut recent = Recent::default();
        let mut take = |seconds, group: &str, account: &str| {
            recent.add(at(seconds), Counted::Revocations, "corp", &Object::membership(group, account), false);
        };
        take(0, "sre", "li");
        take(3_600, "vpn", "li");
        take(3_600, "vpn", "wei");
        let read: Recent = serde_json::from_str(&serde_json::to_string(&recent).unwrap()).unwrap();
        assert_eq!(read, recent, "what is written is what is read");
        let people = |seconds| {
            recent.touched(Counted::Revocations, "corp", &[None], at(seconds)).names.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(people(4_000), ["li", "wei"]);
        assert_eq!(people(3_600 + WINDOW - 1), ["li", "wei"]);
        assert!(people(3_600 + WINDOW).is_empty());
        let vpn =
            |seconds| recent.touched(Counted::Revocations, "corp", &[Some("vpn".to_owned())], at(seconds)).changes();
        assert_eq!(recent.groups().into_iter().collect::<Vec<_>>(), [("corp", "sre"), ("corp", "vpn")]);
        assert_eq!((vpn(4_000), vpn(3_600 + WINDOW)), (2, 0));
        assert_eq!(recent.touched(Counted::Revocations, "trial", &[None], at(4_000)), Touched::default());
        assert_eq!(recent.touched(Counted::Grants, "corp", &[None], at(4_000)), Touched::default());
        // Years of journal leave a day of it.
        recent.add(at(10 * WINDOW), Counted::Grants, "corp", &Object::membership("sre", "li"), false);
        assert_eq!(recent.steps.len(), 1);
    }
}
