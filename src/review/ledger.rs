//! Which access is agreed to, followed commit by commit along a branch.
//!
//! Comes in: for each step of the branch what it changed, what the request by which it came
//! in showed, and who approved that. Goes out: what nobody agreed to. Refuses: an approval
//! of something that the request did not show (two changes that are harmless alone may
//! not be so together), and to let anybody agree whose office came by a step that nobody
//! who may agreed to.
//!
//! Access that is agreed to at one step may be lost and given again at a later one, so each
//! step has the last word on what it gives.

use super::approvals::{About, Account, Approvals, Given, Need, approvals, given_by};
use super::{Difference, Membership};
use crate::model::Instant;
use crate::policy::Holding;
use std::collections::{BTreeMap, BTreeSet};

/// Access by names that mean the same at every commit: a key and an entitlement never come
/// to mean somebody or something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Key of the person.
    pub person: String,
    /// `directory/group`.
    pub entitlement: String,
    /// The label of the account; `None` is the everyday one.
    pub account: Option<String>,
}

impl Access {
    /// A membership of a comparison by its names.
    pub fn of(difference: &Difference<'_>, membership: Membership) -> Self {
        Self {
            person: difference.person_key(membership).to_owned(),
            entitlement: difference.entitlement(membership.group),
            account: difference.account(membership).map(str::to_owned),
        }
    }
}

/// What a request showed to those who approved it.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Access that it gives or prolongs.
    access: BTreeMap<Access, Raised>,
    /// What of that which judges it loosens.
    judges: BTreeSet<String>,
}

/// How access is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raised {
    /// For sure, at the instant of the comparison, until then.
    Now(Option<Instant>),
    /// Later, or perhaps.
    Later,
}

impl Raised {
    /// Whether somebody who saw this has seen the other.
    fn shows(self, other: Self) -> bool {
        match (self, other) {
            (Self::Now(None), _) | (_, Self::Later) => true,
            (Self::Now(Some(seen)), Self::Now(Some(end))) => end <= seen,
            _ => false,
        }
    }
}

impl Shown {
    /// Of the difference that reviewers saw: from where the request parted to its last commit.
    pub fn new(difference: &Difference<'_>) -> Self {
        let judges = approvals(difference, Given::default()).needs.into_iter().filter_map(|need| match need.about {
            About::Judge(what) => Some(what),
            About::Access(_) => None,
        });
        Self { access: raised(difference), judges: judges.collect() }
    }

    fn covers(&self, access: &Access, raised: Option<Raised>) -> bool {
        self.access.get(access).is_some_and(|seen| raised.is_none_or(|raised| seen.shows(raised)))
    }
}

/// Everything that a difference gives or prolongs.
fn raised(difference: &Difference<'_>) -> BTreeMap<Access, Raised> {
    let later = given_by(difference).into_iter().map(|one| (Access::of(difference, one), Raised::Later));
    let mut all: BTreeMap<Access, Raised> = later.collect();
    for shift in difference.gained.iter().chain(&difference.extended) {
        let ends = shift.after.and_then(|held| held.ends);
        all.insert(Access::of(difference, shift.membership), Raised::Now(ends));
    }
    all
}

/// One step of the branch.
#[derive(Debug, Clone, Copy)]
pub struct Step<'d, 'p> {
    /// From the last commit at which everything that judges was agreed to, to this one.
    pub judged: &'d Difference<'p>,
    /// From the commit before to this one; the same where that is the one before.
    pub changed: &'d Difference<'p>,
    /// What the request showed; `None` where it is exactly `changed`, or where there is none.
    pub shown: Option<&'d Shown>,
    /// Who asked for it.
    pub author: Option<&'d Account>,
    /// Who approved the request's last commit; nobody where there is no request.
    pub approvals: &'d [Account],
    /// How it came in, for people: `commit 1a2b3c4d5e6f, which came in by no request`.
    pub how: &'d str,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Keys of those whose approval counted for anything.
    pub by: Vec<String>,
    /// Whether nothing up to this commit lacks an approval.
    pub is_whole: bool,
    /// Whether everything that judges is agreed to up to this commit: the next steps may be
    /// judged by it.
    pub is_sound: bool,
}

/// Which access is agreed to.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    agreed: BTreeSet<Access>,
    open: BTreeMap<Access, String>,
    loosened: Vec<String>,
}

/// What is missing of one access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// In words.
    pub why: String,
    /// Whether it was held before, for sure; `None` where nobody can say.
    pub was_held: Option<bool>,
}

/// What nobody agreed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Access, with what is missing.
    pub access: BTreeMap<Access, Missing>,
    /// What of that which judges was loosened, in words: while there is any, nobody can say
    /// whose approval counts.
    pub judges: Vec<String>,
}

impl Lacking {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.access.is_empty() && self.judges.is_empty()
    }
}

impl Ledger {
    /// Remembers what an earlier run found agreed to up to the step that was just followed.
    pub fn remember(&mut self, agreed: impl IntoIterator<Item = Access>) {
        for access in agreed {
            self.open.remove(&access);
            self.agreed.insert(access);
        }
    }

    /// What is agreed to.
    pub fn agreed(&self) -> &BTreeSet<Access> {
        &self.agreed
    }

    /// Follows one step.
    pub fn follow(&mut self, step: &Step<'_, '_>) -> Agreed {
        let found = approvals(step.judged, Given { author: step.author, approvals: step.approvals });
        let by: BTreeSet<&String> = found.needs.iter().flat_map(|need| &need.did).collect();
        let by = by.into_iter().cloned().collect();
        self.loosened = loosened(&found, step);
        let mut wanted: BTreeMap<Access, String> = BTreeMap::new();
        let given = raised(step.changed);
        for need in &found.needs {
            let About::Access(rule) = &need.about else { continue };
            for membership in &need.access {
                let access = Access::of(step.judged, *membership);
                if !need.is_covered() {
                    wanted.insert(access.clone(), format!("{}; {}", missing(rule, need), step.how));
                } else if step.shown.is_some_and(|shown| !shown.covers(&access, given.get(&access).copied())) {
                    let why = "what was approved did not show it, because the branch had changed meanwhile";
                    wanted.insert(access.clone(), format!("approval `{rule}`: {why}; {}", step.how));
                }
            }
        }
        for access in given.into_keys() {
            if let Some(why) = wanted.remove(&access) {
                self.agreed.remove(&access);
                self.open.insert(access, why);
            } else {
                self.open.remove(&access);
                self.agreed.insert(access);
            }
        }
        let is_sound = self.loosened.is_empty();
        Agreed { by, is_whole: is_sound && self.open.is_empty(), is_sound }
    }

    /// What nobody agreed to of all that `whole`, the difference from where it began to the
    /// last step, gives. `else_why` is said of what no step explains.
    pub fn lacking(mut self, whole: &Difference<'_>, else_why: &str) -> Lacking {
        let mut access = BTreeMap::new();
        for need in approvals(whole, Given::default()).needs {
            let About::Access(rule) = &need.about else { continue };
            for membership in &need.access {
                let one = Access::of(whole, *membership);
                if !self.agreed.contains(&one) {
                    let why = self.open.remove(&one);
                    let why = why.unwrap_or_else(|| format!("{}; {else_why}", missing(rule, &need)));
                    access.entry(one).or_insert(Missing { why, was_held: was_held(whole, *membership) });
                }
            }
        }
        Lacking { access, judges: self.loosened }
    }
}

/// Whether somebody surely holds something before a change; `None` where it hangs on
/// something unread.
fn was_held(difference: &Difference<'_>, membership: Membership) -> Option<bool> {
    let base = &difference.base;
    let label = difference.pairs.labels.pair(membership.label).base;
    let (Some(person), Some(group), Some(label)) =
        (difference.person(membership).base, difference.group(membership).base, label)
    else {
        return Some(false);
    };
    if base.resolution.held_with(person, label, Holding::Group(group)).is_some() {
        return Some(true);
    }
    let is_open = base.resolution.unsettled(group).any(|one| one == (person, label));
    (!is_open).then_some(false)
}

/// What judges and would be loosened without those who may agree having seen and approved it.
fn loosened(found: &Approvals, step: &Step<'_, '_>) -> Vec<String> {
    let mut open = Vec::new();
    for need in &found.needs {
        let About::Judge(what) = &need.about else { continue };
        if !need.is_covered() {
            open.push(format!("{}; {}", missing(what, need), step.how));
        } else if step.shown.is_some_and(|shown| !shown.judges.contains(what)) {
            open.push(format!("{what}: what was approved did not show it; {}", step.how));
        }
    }
    open
}

/// `approval production: 1 more of: wei`.
fn missing(what: &str, need: &Need) -> String {
    let what = match need.about {
        About::Access(_) => format!("approval `{what}`"),
        About::Judge(_) => what.to_owned(),
    };
    let left = need.count.saturating_sub(need.did.len());
    let could: Vec<&str> = need.could.iter().filter(|key| !need.did.contains(key)).map(String::as_str).collect();
    if could.is_empty() {
        return format!("{what}: {left} more must agree, and nobody could: name more policy owners first");
    }
    format!("{what}: {left} more of {}", could.join(", "))
}
