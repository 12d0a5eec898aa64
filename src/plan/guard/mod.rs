//! Limits on one plan and the day before it: a class of changes is withheld, never the plan.
//!
//! Comes in: kept drafts, the guardrails, what runs did lately. Goes out: drafts withheld with limit,
//! numbers, setting and option. Refuses: more than `floor` AND more than `percent`,
//! unless the option lets exactly that many through, with a ticket.

pub mod conflicts;
mod count;

use super::Inputs;
use super::draft::{Draft, Fate, Reason, Why};
use super::order::Ground;
use super::recent::Counted;
use crate::model::Action;
use crate::policy::settings::{Guardrails, Limit, LimitScope};
use count::{Called, Count};
use std::collections::BTreeMap;

/// A class of changes that has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Revocations,
    Disables,
    Grants,
    Deletions,
}

impl Class {
    const ALL: [Self; 4] = [Self::Revocations, Self::Disables, Self::Grants, Self::Deletions];

    fn word(self) -> &'static str {
        match self {
            Self::Revocations => "revocations",
            Self::Disables => "disables",
            Self::Grants => "grants",
            Self::Deletions => "deletions",
        }
    }

    fn counted(self, groups: bool) -> Counted {
        match self {
            Self::Revocations => Counted::Revocations,
            Self::Disables => Counted::Disables,
            Self::Grants => Counted::Grants,
            Self::Deletions if groups => Counted::GroupDeletions,
            Self::Deletions => Counted::Deletions,
        }
    }

    fn holds(self, draft: &Draft) -> bool {
        let action = draft.action();
        match self {
            Self::Revocations => matches!(action, Action::Revoke | Action::DeleteGroup),
            Self::Disables => action == Action::DisableAccount,
            Self::Grants => action == Action::Grant || lengthens(draft),
            Self::Deletions => matches!(action, Action::DeleteAccount | Action::DeleteGroup),
        }
    }

    /// Of the policies, and of those that are trusted where they say otherwise.
    fn limits(self, ground: &Ground<'_>) -> Vec<(Limit, Whose)> {
        let policy = ground.policy;
        let own = self.limit(&policy.guardrails);
        let trusted = policy.trusted_guardrails.as_ref().map(|guardrails| self.limit(guardrails));
        let trusted = trusted.filter(|limit| *limit != own).map(|limit| (limit, Whose::Trusted));
        [(own, Whose::Own)].into_iter().chain(trusted).collect()
    }

    fn limit(self, guardrails: &Guardrails) -> Limit {
        match self {
            Self::Revocations => guardrails.revocations,
            Self::Disables => Limit { per: LimitScope::Directory, ..guardrails.disables },
            Self::Grants => guardrails.grants,
            Self::Deletions => Limit { per: LimitScope::Directory, ..guardrails.deletions },
        }
    }
}

/// Which policies a limit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those that are planned from.
    Own,
    /// Those of the trusted revision.
    Trusted,
}

/// Whether a membership that the directory itself ends lasts longer.
fn lengthens(draft: &Draft) -> bool {
    draft.action() == Action::UpdateMembership && draft.lasts_longer()
}

/// One place where a class is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    directory: u16,
    /// The group, where groups are counted one by one.
    group: Option<String>,
    /// Of deletions: whether groups are counted.
    groups: bool,
}

/// A class that exceeds its limit somewhere.
struct Excess {
    drafts: Vec<u32>,
    count: u64,
    /// Whether it would not without what earlier runs did.
    together: bool,
    limit: String,
    whose: Whose,
}

/// Withholds every class that exceeds its limit; says whether anything was withheld.
pub fn limits(ground: &Ground<'_>, inputs: &Inputs<'_>, drafts: &mut [Draft]) -> bool {
    let filter = inputs.filter;
    let called = Called::new(ground, inputs.memory);
    let mut withheld = false;
    for class in Class::ALL {
        let mut excesses: Vec<Excess> = Vec::new();
        let mut total = 0;
        for limit in class.limits(ground) {
            let found = scopes(class, limit.0, drafts).into_iter().filter_map(|(scope, numbers)| {
                excess(ground, inputs, &called, class, limit, (&scope, numbers), drafts)
            });
            let found: Vec<Excess> = found.collect();
            // What is too much by both counts once.
            total = total.max(found.iter().map(|excess| excess.count).sum());
            excesses.extend(found);
        }
        if total == 0 {
            continue;
        }
        let allowed = filter.allow.get(class.word()).copied().unwrap_or(0);
        if allowed >= total && filter.ticket.is_some() {
            continue;
        }
        withheld = true;
        for excess in excesses {
            let reason = reason(class, &excess, total, allowed);
            for n in excess.drafts {
                if let Some(draft) = drafts.get_mut(n as usize) {
                    draft.fate = Fate::withheld(reason.clone());
                }
            }
        }
    }
    withheld
}

/// Where a class is counted, with what is counted there.
fn scopes(class: Class, limit: Limit, drafts: &[Draft]) -> BTreeMap<Scope, Vec<u32>> {
    let mut scopes: BTreeMap<Scope, Vec<u32>> = BTreeMap::new();
    for (n, draft) in drafts.iter().enumerate() {
        // Whoever a link covers loses nothing.
        if draft.is_kept() && draft.why != Why::Covered && class.holds(draft) {
            let scope = Scope {
                directory: draft.directory,
                group: (limit.per == LimitScope::Group).then(|| draft.change.object.group.clone()).flatten(),
                groups: class == Class::Deletions && draft.action() == Action::DeleteGroup,
            };
            scopes.entry(scope).or_default().push(u32::try_from(n).unwrap_or(u32::MAX));
        }
    }
    scopes
}

fn reason(class: Class, excess: &Excess, total: u64, allowed: u64) -> Reason {
    let word = class.word();
    let when = if excess.together { "within 24 hours" } else { "at once" };
    let of = match excess.whose {
        Whose::Own => "",
        Whose::Trusted => " of the trusted revision",
    };
    let setting = match allowed {
        0 => format!("`guardrails.{word}`{of}, or once: `--allow {word}={total} --ticket TICKET`"),
        _ if allowed >= total => "a ticket: `--ticket TICKET`".to_owned(),
        _ => format!("`--allow {word}={total}`: {allowed} is fewer than there are"),
    };
    Reason {
        reason: format!("more {word} {when} than the guardrail lets through"),
        limit: Some(excess.limit.clone()),
        setting: Some(setting),
    }
}

fn excess(
    ground: &Ground<'_>,
    inputs: &Inputs<'_>,
    called: &Called,
    class: Class,
    (limit, whose): (Limit, Whose),
    (scope, numbers): (&Scope, Vec<u32>),
    drafts: &[Draft],
) -> Option<Excess> {
    let count = Count::new(ground, inputs, called, (class, scope));
    let people = count.touched(&numbers, drafts);
    let now = people.len() as u64;
    let touched = count.with_earlier(&people);
    if touched <= u64::from(limit.floor) {
        return None;
    }
    let (base, of) = count.base();
    let is_more = |touched: u64| touched * 100 > u64::from(limit.percent) * base;
    if !is_more(touched) {
        return None;
    }
    let directory = ground.policy.directories.get(usize::from(scope.directory)).map_or("", |d| &d.name);
    let place = scope.group.as_ref().map_or_else(|| directory.to_owned(), |group| format!("{directory}/{group}"));
    let what = match class {
        Class::Revocations => "people lose a membership",
        Class::Disables => "accounts are disabled",
        Class::Grants if numbers.iter().any(|n| drafts.get(*n as usize).is_some_and(lengthens)) => {
            "people gain a membership or keep it for longer"
        }
        Class::Grants => "people gain a membership",
        Class::Deletions if scope.groups => "groups are deleted",
        Class::Deletions => "accounts are deleted",
    };
    let earlier = match touched - now {
        0 => String::new(),
        earlier => format!(", {earlier} of them by runs of the last 24 hours"),
    };
    let limit_text = format!(
        "{touched} of {base} {of} in {place}: {what}{earlier}; floor {}, {} percent of {base} is {}",
        limit.floor,
        limit.percent,
        u64::from(limit.percent) * base / 100
    );
    let together = now <= u64::from(limit.floor) || !is_more(now);
    Some(Excess { drafts: numbers, count: now, together, limit: limit_text, whose })
}
