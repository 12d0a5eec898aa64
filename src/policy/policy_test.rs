//! What must hold of effective access whatever is edited, as the policy means it.
//!
//! Comes in: what `policy::check` resolved. Goes out: plain data for `review`, and the
//! claim in words. Refuses: YAML, the clock (an instant is an argument).

use super::{EntryId, Holding, PersonId, Policy, Select};
use crate::model::{Instant, Place, Term};
use std::fmt::Write as _;

/// A claim about effective access, and when it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTest {
    /// Its name.
    pub key: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// What must hold.
    pub claim: Claim,
    /// From when on; `None` is the instant at which it is asked.
    pub from: Option<Instant>,
    /// For how long.
    pub lasts: Lasts,
    /// Where it was written.
    pub place: Place,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody holds any of these. An unread reference counts against it.
    NobodyReaches {
        /// Roles and groups.
        holdings: Vec<Holding>,
        /// Only of these people; empty: of everybody.
        among: Vec<EntryId>,
        /// These may. Only who surely is one of them counts.
        outside: Vec<EntryId>,
    },
    /// Somebody surely holds all of the one, and surely none of the other.
    Holds {
        /// Who.
        who: Subject,
        /// What they must hold.
        has: Vec<Holding>,
        /// What they must not hold.
        has_not: Vec<Holding>,
    },
    /// So many people hold any of these. A person counts once.
    Counts {
        /// Roles and groups.
        of: Vec<Holding>,
        /// At least so many, surely.
        at_least: Option<u32>,
        /// At most so many, those counted of whom nobody can say.
        at_most: Option<u32>,
    },
}

/// Of whom a claim speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One person, whether they are with the organisation then or not.
    Person(PersonId),
    /// Everybody whom these entries select then.
    Everybody(Vec<EntryId>),
}

/// For how long a claim must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// At its one instant.
    Moment,
    /// As long as anything is written.
    Always,
    /// Up to that instant, which does not belong to it.
    Until(Instant),
    /// So long from its first instant on.
    Within(Term),
}

impl PolicyTest {
    /// The first instant, and the first that does not belong to it any more; `None` is no end.
    pub fn window(&self, now: Instant) -> (Instant, Option<Instant>) {
        let from = self.from.unwrap_or(now);
        let until = match self.lasts {
            Lasts::Moment => Some(from.plus(1)),
            Lasts::Always => None,
            Lasts::Until(end) => Some(end),
            Lasts::Within(term) => Some(from.plus(term.seconds())),
        };
        (from, until)
    }

    /// `nobody reaches corp/sre outside where person.department == "platform", within 180d`.
    pub fn words(&self, policy: &Policy) -> String {
        let mut words = self.claim.words(policy);
        let zone = &policy.timezone;
        // Writing to a string cannot fail.
        match (self.from, self.lasts) {
            (Some(at), Lasts::Moment) => {
                let _ = write!(words, ", at {}", at.civil(zone));
            }
            (Some(from), _) => {
                let _ = write!(words, ", from {}", from.civil(zone));
            }
            (None, _) => {}
        }
        match self.lasts {
            Lasts::Moment | Lasts::Always => {}
            Lasts::Until(end) => {
                let _ = write!(words, ", until {}", end.civil(zone));
            }
            Lasts::Within(term) => {
                let _ = write!(words, ", within {term}");
            }
        }
        words
    }
}

impl Claim {
    /// The roles and groups that it is about.
    pub fn holdings(&self) -> Vec<Holding> {
        match self {
            Self::NobodyReaches { holdings, .. } => holdings.clone(),
            Self::Holds { has, has_not, .. } => has.iter().chain(has_not).copied().collect(),
            Self::Counts { of, .. } => of.clone(),
        }
    }

    /// The entries that say of whom it speaks.
    pub fn entries(&self) -> Vec<EntryId> {
        match self {
            Self::NobodyReaches { among, outside, .. } => among.iter().chain(outside).copied().collect(),
            Self::Holds { who: Subject::Everybody(entries), .. } => entries.clone(),
            Self::Holds { .. } | Self::Counts { .. } => Vec::new(),
        }
    }

    fn words(&self, policy: &Policy) -> String {
        let all = |list: &[Holding]| list.iter().map(|one| holding(policy, *one)).collect::<Vec<_>>().join(", ");
        let who = |list: &[EntryId]| entries(policy, list);
        match self {
            Self::NobodyReaches { holdings, among, outside } => {
                let mut words = "nobody".to_owned();
                if !among.is_empty() {
                    let _ = write!(words, " among {}", who(among));
                }
                if !outside.is_empty() {
                    let _ = write!(words, " outside {}", who(outside));
                }
                format!("{words} reaches {}", all(holdings))
            }
            Self::Holds { who: subject, has, has_not } => {
                let subject = match subject {
                    Subject::Person(id) => person(policy, *id).to_owned(),
                    Subject::Everybody(list) => format!("everybody of {}", who(list)),
                };
                let parts = [("has", has), ("has not", has_not)];
                let parts = parts.iter().filter(|(_, list)| !list.is_empty());
                let parts: Vec<String> = parts.map(|(word, list)| format!("{word} {}", all(list))).collect();
                format!("{subject} {}", parts.join(" and "))
            }
            Self::Counts { of, at_least, at_most } => {
                let least = at_least.map(|n| format!("at least {n}"));
                let most = at_most.map(|n| format!("at most {n}"));
                let bounds: Vec<String> = least.into_iter().chain(most).collect();
                format!("{} hold {}", bounds.join(" and "), all(of))
            }
        }
    }
}

fn person(policy: &Policy, id: PersonId) -> &str {
    policy.people.get(id.0 as usize).map_or("?", |person| person.key.as_ref())
}

/// `corp/sre`, `role sre`.
fn holding(policy: &Policy, holding: Holding) -> String {
    match holding {
        Holding::Role(id) => {
            format!("role {}", policy.roles.get(id.0 as usize).map_or("?", |role| role.key.as_ref()))
        }
        Holding::Group(id) => policy.groups.get(id.0 as usize).map_or_else(String::new, |group| {
            let directory = policy.directories.get(usize::from(group.directory.0));
            format!("{}/{}", directory.map_or("?", |directory| directory.name.as_ref()), group.name)
        }),
    }
}

fn entries(policy: &Policy, list: &[EntryId]) -> String {
    list.iter().map(|id| entry(policy, *id)).collect::<Vec<_>>().join(" or ")
}

fn entry(policy: &Policy, id: EntryId) -> String {
    let Some(entry_of) = policy.entries.get(id.0 as usize) else { return String::new() };
    let parts = |list: &[EntryId], word: &str| {
        format!("({})", list.iter().map(|part| entry(policy, *part)).collect::<Vec<_>>().join(word))
    };
    match &entry_of.select {
        Select::People(people) => people.iter().map(|id| person(policy, *id)).collect::<Vec<_>>().join(" or "),
        Select::Role(id) => holding(policy, Holding::Role(*id)),
        Select::Group(id) => holding(policy, Holding::Group(*id)),
        Select::Groups(glob) => format!("groups {}", glob.pattern),
        Select::Where(id) => {
            format!("where {}", policy.rules.get(id.0 as usize).map_or("?", |rule| rule.text.as_ref()))
        }
        Select::ReportsTo { manager, direct, including } => {
            let how = if *direct { "directly below" } else { "below" };
            let with = if *including { ", and they themselves" } else { "" };
            format!("{how} {}{with}", person(policy, *manager))
        }
        Select::All(list) => parts(list, " and "),
        Select::Any(list) => parts(list, " or "),
        Select::Not(part) => format!("not {}", entry(policy, *part)),
    }
}
