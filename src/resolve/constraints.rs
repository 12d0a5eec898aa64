//! Constraints against who holds what.
//!
//! Comes in: a resolution. Goes out: breaches, each with both ways and what to do.
//! Refuses: to take anything away (`cuts` does where a constraint says so, `plan`
//! withholds new grants of the people concerned), and what no date brings or ends (`fixed` refuses the files then).

use super::because::{last_day, name};
use super::sponsor::{Gone, answering, sponsor_gone};
use super::term::is_concerned;
use super::{Cut, Held, Resolution, Via, nesting};
use crate::model::{Instant, Place};
use crate::policy::{Constraint, Exception, GroupId, Holding, Person, PersonId, Policy, RoleId, Select};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most steps of a way; a way is as long as roles are nested.
const LONGEST: usize = 64;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreachKind {
    /// The person holds two things that exclude each other.
    Exclusive,
    /// The person holds something forbidden.
    Forbidden,
    /// The person's sponsor left then.
    SponsorGone(Instant),
    /// The constraint takes this away from the person, because it was broken.
    Revoked(Holding),
    /// The person holds one thing, and whether they hold one that it excludes hangs on
    /// something that was not read.
    Unsettled,
}

/// One of the things that conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What.
    pub holding: Holding,
    /// The winning way; `None` where it is not known whether the person holds it.
    pub held: Option<Held>,
    /// With how many of the person's accounts.
    pub accounts: usize,
    /// Groups that carry it.
    pub groups: Arc<BTreeSet<GroupId>>,
    /// `corp/payment-clerks by role payment-clerk (policies/roles/finance.yaml:20)`.
    pub text: String,
}

/// One person who breaks one constraint at the instant of the resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Position of the constraint in `Policy::constraints`.
    pub constraint: usize,
    /// Who.
    pub person: PersonId,
    /// What is wrong.
    pub kind: BreachKind,
    /// What conflicts.
    pub sides: Vec<Side>,
    /// An exception that ended, or has not begun.
    pub exception: Option<Place>,
    /// `breaks payments-separation: dana.wolf holds role clerk by …, and role approver by …`.
    pub message: String,
    /// What to do next.
    pub help: String,
    /// Where the constraint was written.
    pub place: Place,
}

impl Breach {
    /// Whether new grants of a group to the person are withheld: it carries what
    /// conflicts, or the person has no sponsor and gets nothing new at all.
    pub fn withholds(&self, group: GroupId) -> bool {
        matches!(self.kind, BreachKind::SponsorGone(_)) || self.sides.iter().any(|side| side.groups.contains(&group))
    }
}

/// Every breach at the instant of the resolution, by constraint, then person.
pub fn constraints(policy: &Policy, resolution: &Resolution) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, constraint) in policy.constraints.iter().enumerate() {
        let checked = Checked { policy, resolution, number, constraint, dated: true };
        checked.held(&mut breaches);
        checked.sponsors(&mut breaches);
        checked.revoked(&mut breaches);
    }
    breaches.sort_by_key(|breach| (breach.constraint, breach.person, breach.kind));
    breaches
}

/// People who hold what these constraints (by number) do not let them, and have no
/// exception of any date; by constraint, then person.
pub(super) fn undated(policy: &Policy, resolution: &Resolution, numbers: &BTreeSet<usize>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for number in numbers {
        let Some(constraint) = policy.constraints.get(*number) else { continue };
        Checked { policy, resolution, number: *number, constraint, dated: false }.held(&mut breaches);
    }
    breaches.sort_by_key(|breach| (breach.constraint, breach.person, breach.kind));
    breaches
}

struct Checked<'a> {
    policy: &'a Policy,
    resolution: &'a Resolution,
    number: usize,
    constraint: &'a Constraint,
    /// Whether the dates of exceptions count.
    dated: bool,
}

impl Checked<'_> {
    fn held(&self, out: &mut Vec<Breach>) {
        self.held_together(&self.constraint.exclusive, 2, BreachKind::Exclusive, out);
        self.held_together(&self.constraint.forbid, 1, BreachKind::Forbidden, out);
    }

    /// People who hold at least `least` of the holdings.
    fn held_together(&self, holdings: &[Holding], least: usize, kind: BreachKind, out: &mut Vec<Breach>) {
        let mut held: BTreeMap<PersonId, Vec<(Holding, Option<Held>)>> = BTreeMap::new();
        for holding in holdings {
            for one in self.resolution.held_in(*holding) {
                let mine = held.entry(one.person).or_default();
                // A person counts once, with however many accounts.
                if !mine.iter().any(|(other, _)| other == holding) {
                    let several = !self.policy.labels.is_empty();
                    let held = if several { self.resolution.held(one.person, *holding) } else { Some(one) };
                    mine.push((*holding, held));
                }
            }
        }
        // What is unsettled matters only to those who hold another of the holdings.
        for holding in holdings {
            for person in self.resolution.unsettled_in(*holding) {
                if let Some(holdings) = held.get_mut(&person) {
                    holdings.push((*holding, None));
                }
            }
        }
        let at = self.resolution.at();
        let carried: BTreeMap<Holding, Arc<BTreeSet<GroupId>>> =
            holdings.iter().map(|holding| (*holding, Arc::new(carried(self.policy, *holding)))).collect();
        for (id, holdings) in held.into_iter().filter(|(_, holdings)| holdings.len() >= least) {
            let Some(person) = self.policy.people.get(id.0 as usize) else { continue };
            let mine = || self.constraint.exceptions.iter().filter(|exception| exception.person == id);
            if mine().any(|exception| !self.dated || exception.window.contains(at))
                || !is_concerned(self.policy, self.constraint, person, at)
            {
                continue;
            }
            let sure = holdings.iter().filter(|(_, held)| held.is_some()).count();
            let kind = if sure >= least { kind } else { BreachKind::Unsettled };
            let holdings = holdings.into_iter().filter(|(_, held)| held.is_some() || kind == BreachKind::Unsettled);
            let groups = |holding: &Holding| carried.get(holding).cloned().unwrap_or_default();
            let sides: Vec<Side> = holdings.map(|(holding, held)| self.side(holding, held, groups(&holding))).collect();
            let exception = mine().max_by_key(|exception| exception.window.expires);
            let message = self.message(person, kind, &sides);
            out.push(self.breach(id, kind, sides, exception, message));
        }
    }

    fn side(&self, holding: Holding, held: Option<Held>, groups: Arc<BTreeSet<GroupId>>) -> Side {
        let name = name(self.policy, holding);
        let text = match held {
            None => format!("{name}, which was not read"),
            Some(held) => {
                let (file, line) = self.policy.locate(self.place_of(held));
                format!("{name} {} ({file}:{line})", self.by(held))
            }
        };
        let with = |held: Held| self.resolution.accounts_with(held.person, holding);
        Side { holding, held, accounts: held.map_or(0, with), groups, text }
    }

    fn breach(
        &self,
        person: PersonId,
        kind: BreachKind,
        sides: Vec<Side>,
        exception: Option<&Exception>,
        message: String,
    ) -> Breach {
        let at = self.resolution.at();
        let ended = exception.and_then(|exception| exception.window.expires).filter(|end| *end <= at);
        let help = match (kind, ended) {
            (BreachKind::SponsorGone(_), _) => self.new_sponsor(person),
            (BreachKind::Unsettled, _) => "read it whole, or write an exception with an expiry".to_owned(),
            (BreachKind::Revoked(_), _) => "take one away, or write a new exception with an expiry".to_owned(),
            (_, Some(end)) => format!(
                "the exception expired {}: take one away, or write a new exception with an expiry",
                last_day(self.policy, end)
            ),
            (BreachKind::Exclusive, None) => "take the other away, or write an exception with an expiry".to_owned(),
            (BreachKind::Forbidden, None) => "take it away, or write an exception with an expiry".to_owned(),
        };
        Breach {
            constraint: self.number,
            person,
            kind,
            sides,
            exception: exception.map(|exception| exception.place),
            message,
            help,
            place: self.constraint.place,
        }
    }

    fn message(&self, person: &Person, kind: BreachKind, sides: &[Side]) -> String {
        let all: Vec<&str> = sides.iter().map(|side| side.text.as_str()).collect();
        let (key, all) = (&self.constraint.key, all.join(", and "));
        match kind {
            BreachKind::Unsettled => {
                format!("nobody can say whether {} breaks {key}: it hangs on {all}", person.key)
            }
            BreachKind::Forbidden => format!("breaks {key}: {} may not hold {all}", person.key),
            _ => format!("breaks {key}: {} holds {all}", person.key),
        }
    }

    fn by(&self, held: Held) -> String {
        match held.via {
            Via::Role(role) => {
                self.policy.roles.get(role.0 as usize).map_or_else(String::new, |role| format!("by role {}", role.key))
            }
            Via::Entry(_) => "by its own members".to_owned(),
            Via::Directory => "by the directory".to_owned(),
        }
    }

    /// The line that gives it: the winning way, followed to the entry that finds the
    /// person. (Every way there is would cost as much as the role has members.)
    fn place_of(&self, held: Held) -> Place {
        let (person, mut held) = (held.person, Some(held));
        let mut place = self.constraint.place;
        for _ in 0..LONGEST {
            let next = match held.map(|held| held.via) {
                Some(Via::Role(role)) => Holding::Role(role),
                Some(Via::Entry(id)) => {
                    let Some(entry) = self.policy.entries.get(id.0 as usize) else { break };
                    place = entry.place;
                    match entry.select {
                        Select::Role(role) => Holding::Role(role),
                        Select::Group(group) => Holding::Group(group),
                        _ => break,
                    }
                }
                Some(Via::Directory) | None => break,
            };
            held = self.resolution.held(person, next);
        }
        place
    }

    /// People whose sponsor has left, where the constraint says what follows.
    fn sponsors(&self, out: &mut Vec<Breach>) {
        if self.constraint.sponsor_gone.is_none() {
            return;
        }
        let at = self.resolution.at();
        for (n, person) in (0u32..).zip(&self.policy.people) {
            let Some(gone) = sponsor_gone(self.policy, self.constraint, PersonId(n), at) else { continue };
            let Gone { sponsor, is_owner, since, until, disable, .. } = gone;
            let zone = &self.policy.timezone;
            let then = match (disable, until <= at) {
                (true, false) => format!("; the accounts are disabled {}", until.civil(zone)),
                (true, true) => "; the accounts are disabled".to_owned(),
                (false, _) => String::new(),
            };
            let (what, nobody) =
                if is_owner { ("owner", ", and nobody answers in their place") } else { ("sponsor", "") };
            let message = format!(
                "breaks {}: the {what} of {}, {}, left, ended {}{nobody}{then}",
                self.constraint.key,
                person.key,
                self.key(sponsor),
                since.civil(zone)
            );
            out.push(self.breach(PersonId(n), BreachKind::SponsorGone(since), Vec::new(), None, message));
        }
    }

    /// What the constraint takes away: no longer held, and still written.
    fn revoked(&self, out: &mut Vec<Breach>) {
        let at = self.resolution.at();
        let mine = |cut: &&Cut| cut.constraint == self.number && cut.certain && cut.is_in_force(at);
        for cut in self.resolution.cuts().iter().filter(mine) {
            let text = cut.words(self.policy, at);
            let message = format!("{} is taken from {}: {text}", name(self.policy, cut.holding), self.key(cut.person));
            out.push(self.breach(cut.person, BreachKind::Revoked(cut.holding), Vec::new(), None, message));
        }
    }

    /// What to do where a sponsor is gone, and who answers until then.
    fn new_sponsor(&self, person: PersonId) -> String {
        let person = self.policy.people.get(person.0 as usize);
        if person.is_some_and(|person| person.sponsor.is_none() && person.owner.is_some()) {
            return "name another owner, or let it end".to_owned();
        }
        let sponsor = person.and_then(|person| person.sponsor);
        let instead = sponsor.and_then(|sponsor| answering(self.policy, sponsor, self.resolution.at()));
        let who = instead.map(|who| format!(" ({} answers meanwhile)", self.key(who))).unwrap_or_default();
        format!("name another sponsor{who}, or let the person end")
    }

    fn key(&self, person: PersonId) -> &str {
        self.policy.people.get(person.0 as usize).map_or("?", |person| person.key.as_ref())
    }
}

/// The groups that a holding gives: itself, or what the role and all it includes grant; and the groups inside them
/// that their directory keeps as groups, because who comes into those comes into these.
pub fn carried(policy: &Policy, holding: Holding) -> BTreeSet<GroupId> {
    let mut groups = BTreeSet::new();
    let mut seen: BTreeSet<RoleId> = BTreeSet::new();
    let mut open = Vec::new();
    match holding {
        Holding::Group(group) => drop(groups.insert(group)),
        Holding::Role(role) => open.push(role),
    }
    while let Some(id) = open.pop() {
        if let Some(role) = policy.roles.get(id.0 as usize).filter(|_| seen.insert(id)) {
            groups.extend(role.grants.iter().map(|grant| grant.group));
            open.extend(role.includes.iter().map(|(other, _)| *other));
        }
    }
    nesting::below(policy, &mut groups);
    groups
}
