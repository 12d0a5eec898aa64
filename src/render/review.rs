//! A difference as lines: what `diff` says as text, Markdown and JSON alike.
//!
//! Comes in: a [`Difference`] and the names of both sides. Goes out: a [`Report`] of which
//! JSON is the serialisation. Refuses: to leave out anything privileged, whatever the limit.

use super::answers::Link;
use crate::model::{Instant, Place};
use crate::policy::{Policy, Standing};
use crate::resolve::Step;
use crate::review::{Difference, Membership, Moment, PersonShift, RoleShift, Shift, WhyIdle};
use serde::Serialize;
use std::collections::BTreeSet;

/// What the two sides are called, and how much is told.
#[derive(Debug, Clone)]
pub struct Names {
    /// The commit before, in full, or `work tree`.
    pub base: String,
    /// The commit after, in full, or `work tree`.
    pub head: String,
    /// The second instant of two, where one commit is compared with itself.
    pub and: Option<Instant>,
    /// Most lines that are told; what is privileged is told beyond it.
    pub limit: usize,
}

/// A person's account in a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Member {
    /// The person's key.
    pub person: String,
    /// `directory/group`.
    pub entitlement: String,
    /// The label of a second account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether the group is privileged on either side.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// One membership that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who and what.
    #[serde(flatten)]
    pub member: Member,
    /// When it ends; of what is lost, when it would have ended. None is no end.
    pub ends: Option<Instant>,
    /// From the entitlement to the person: why it is held, or of what is lost was held.
    pub because: Vec<Link>,
    /// Of what is extended or shortened: when it ended before, and why it was held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// Of what is lost: why it is not held after the change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub now: Vec<Link>,
    /// Number of the person.
    #[serde(skip)]
    pub number: u32,
}

/// How something was held before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Before {
    /// When it ended.
    pub ends: Option<Instant>,
    /// From the entitlement to the person.
    pub because: Vec<Link>,
}

/// What begins and ends at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scheduled {
    /// When.
    pub instant: Instant,
    /// Begins then.
    pub gained: Vec<Member>,
    /// Ends then.
    pub lost: Vec<Member>,
}

/// What only a directory could tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsettled {
    /// `directory/group`.
    pub entitlement: String,
    /// Groups that were not read: `members of corp/x (not read)`.
    pub unread: Vec<String>,
    /// From when on; none is at the instant asked about.
    pub since: Option<Instant>,
    /// Whether the group is privileged.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// People who may gain it.
    pub may_gain: Vec<String>,
    /// People who may lose it.
    pub may_lose: Vec<String>,
}

/// A person who comes, goes, or is called otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The key, after the change where there is one.
    pub person: String,
    /// The key before, where it was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formerly: Option<String>,
    /// `not declared`, `not begun`, `present`, `on leave`, `left`.
    pub before: &'static str,
    /// The same after.
    pub after: &'static str,
    /// Accounts that are called otherwise: `corp#admin: adm-x → adm-y`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Number of the person.
    #[serde(skip)]
    pub number: u32,
}

/// A role that comes, goes, or gives something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Its key.
    pub role: String,
    /// `added`, `removed`, `changed`.
    pub change: &'static str,
    /// What it gives now and did not.
    pub grants_added: Vec<String>,
    /// What it gave.
    pub grants_removed: Vec<String>,
    /// What it includes now and did not.
    pub includes_added: Vec<String>,
    /// What it included.
    pub includes_removed: Vec<String>,
}

/// A group that comes, goes, or is called otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `directory/group`.
    pub entitlement: String,
    /// `added`, `removed`, `renamed`.
    pub change: &'static str,
}

/// What a reviewer should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// `extends-access`, `never-in-effect`.
    pub code: &'static str,
    /// In words.
    pub text: String,
    /// Policy file, after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// How much there is of everything, whatever is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Memberships gained.
    pub gained: usize,
    /// Memberships lost.
    pub lost: usize,
    /// Memberships that end later.
    pub extended: usize,
    /// Memberships that end earlier.
    pub shortened: usize,
    /// People who gain, or keep something longer.
    pub people_gain: usize,
    /// People who lose, or keep something shorter.
    pub people_lose: usize,
    /// Memberships that begin later.
    pub scheduled_gained: usize,
    /// Memberships that end later.
    pub scheduled_lost: usize,
    /// Memberships of which only a directory could tell.
    pub unsettled: usize,
}

/// The answer to `accord diff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The commit before, or `work tree`.
    pub base: String,
    /// The commit after, or `work tree`.
    pub head: String,
    /// The instant asked about.
    pub at: Instant,
    /// The second of two instants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<Instant>,
    /// Held after and not before.
    pub gained: Vec<Line>,
    /// Held before and not after.
    pub lost: Vec<Line>,
    /// Held with a later end.
    pub extended: Vec<Line>,
    /// Held with an earlier end.
    pub shortened: Vec<Line>,
    /// What begins or ends later, and did not before the change.
    pub scheduled: Vec<Scheduled>,
    /// What would have begun or ended later, and does not any more.
    pub called_off: Vec<Scheduled>,
    /// What hangs on groups that were not read.
    pub unsettled: Vec<Unsettled>,
    /// People who come, go, or are called otherwise.
    pub people: Vec<Person>,
    /// Roles that come, go, or give something else.
    pub roles: Vec<Role>,
    /// Groups that come, go, or are called otherwise.
    pub groups: Vec<Group>,
    /// What a reviewer should look at.
    pub warnings: Vec<Warning>,
    /// How much there is of everything.
    pub totals: Totals,
}

impl Report {
    /// Puts a difference into words, as much as `names` says.
    pub fn new(difference: &Difference<'_>, names: &Names) -> Self {
        let teller = Teller { difference, limit: names.limit };
        let mut told = 0;
        Self {
            base: names.base.clone(),
            head: names.head.clone(),
            at: difference.base.at(),
            and: names.and,
            gained: teller.lines(&difference.gained, &mut told, Teller::gained),
            lost: teller.lines(&difference.lost, &mut told, Teller::lost),
            extended: teller.lines(&difference.extended, &mut told, Teller::moved),
            shortened: teller.lines(&difference.shortened, &mut told, Teller::moved),
            scheduled: teller.moments(&difference.scheduled),
            called_off: teller.moments(&difference.called_off),
            unsettled: teller.unsettled(),
            people: difference.people.iter().map(person).collect(),
            roles: difference.roles.iter().map(role).collect(),
            groups: teller.groups(),
            warnings: teller.warnings(),
            totals: totals(difference),
        }
    }
}

fn totals(difference: &Difference<'_>) -> Totals {
    let people = |lists: [&[Shift]; 2]| {
        let people = lists.into_iter().flatten().map(|shift| shift.membership.person);
        people.collect::<BTreeSet<_>>().len()
    };
    let count = |moments: &[Moment], of: fn(&Moment) -> usize| moments.iter().map(of).sum();
    Totals {
        gained: difference.gained.len(),
        lost: difference.lost.len(),
        extended: difference.extended.len(),
        shortened: difference.shortened.len(),
        people_gain: people([&difference.gained, &difference.extended]),
        people_lose: people([&difference.lost, &difference.shortened]),
        scheduled_gained: count(&difference.scheduled, |moment| moment.gained.len()),
        scheduled_lost: count(&difference.scheduled, |moment| moment.lost.len()),
        unsettled: difference.open.iter().map(|open| open.may_gain.len() + open.may_lose.len()).sum(),
    }
}

struct Teller<'d, 'p> {
    difference: &'d Difference<'p>,
    limit: usize,
}

impl Teller<'_, '_> {
    fn member(&self, membership: Membership) -> Member {
        Member {
            person: self.difference.person_key(membership).to_owned(),
            entitlement: self.difference.entitlement(membership.group),
            account: self.difference.account(membership).map(str::to_owned),
            privileged: self.difference.is_privileged(membership.group),
        }
    }

    /// The first lines, and everything privileged.
    fn lines(&self, shifts: &[Shift], told: &mut usize, tell: fn(&Self, &Shift) -> Line) -> Vec<Line> {
        let mut lines = Vec::new();
        for shift in shifts {
            if *told < self.limit || self.difference.is_privileged(shift.membership.group) {
                *told += 1;
                lines.push(tell(self, shift));
            }
        }
        lines
    }

    fn line(&self, shift: &Shift, because: Vec<Link>) -> Line {
        Line {
            member: self.member(shift.membership),
            ends: shift.ends(),
            because,
            before: None,
            now: Vec::new(),
            number: shift.membership.person,
        }
    }

    fn before(&self, shift: &Shift) -> Vec<Link> {
        links(self.difference.base.policy, self.difference.because_before(shift))
    }

    fn after(&self, shift: &Shift) -> Vec<Link> {
        links(self.difference.head.policy, self.difference.because_after(shift))
    }

    fn gained(&self, shift: &Shift) -> Line {
        self.line(shift, self.after(shift))
    }

    fn lost(&self, shift: &Shift) -> Line {
        let why = self.difference.why_lost(shift).into_iter();
        let now = why.map(|one| link(self.difference.head.policy, &one.text, one.place)).collect();
        Line { now, ..self.line(shift, self.before(shift)) }
    }

    fn moved(&self, shift: &Shift) -> Line {
        let ends = shift.before.and_then(|held| held.ends);
        let before = Some(Before { ends, because: self.before(shift) });
        Line { before, ..self.line(shift, self.after(shift)) }
    }

    fn moments(&self, moments: &[Moment]) -> Vec<Scheduled> {
        let members = |list: &[Membership]| list.iter().map(|one| self.member(*one)).collect();
        let one = |moment: &Moment| Scheduled {
            instant: moment.instant,
            gained: members(&moment.gained),
            lost: members(&moment.lost),
        };
        moments.iter().map(one).collect()
    }

    fn unsettled(&self) -> Vec<Unsettled> {
        let keys = |list: &[Membership]| list.iter().map(|one| self.difference.person_key(*one).to_owned()).collect();
        let open = self.difference.open.iter();
        open.map(|open| Unsettled {
            entitlement: self.difference.entitlement(open.group),
            unread: open.unread.clone(),
            since: open.since,
            privileged: self.difference.is_privileged(open.group),
            may_gain: keys(&open.may_gain),
            may_lose: keys(&open.may_lose),
        })
        .collect()
    }

    fn groups(&self) -> Vec<Group> {
        let one = |number: &u32| {
            let pair = self.difference.pairs.groups.pair(*number);
            let change = match (pair.base, pair.head) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "renamed",
            };
            Group { entitlement: self.difference.entitlement(*number), change }
        };
        self.difference.groups.iter().map(one).collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        let policy = self.difference.head.policy;
        let shown = |end: Option<Instant>| end.map_or("no end".to_owned(), |end| end.civil(&policy.timezone));
        for shift in self.difference.extended.iter().take(self.limit) {
            let Member { person, entitlement, .. } = self.member(shift.membership);
            let before = shown(shift.before.and_then(|held| held.ends));
            let text =
                format!("extends access: {person} keeps {entitlement} until {}, before: {before}", shown(shift.ends()));
            let place = self.after(shift).into_iter().next_back();
            let (file, line) = place.map(|link| (link.file, link.line)).unwrap_or_default();
            found.push(Warning { code: "extends-access", text, file, line });
        }
        for moment in &self.difference.called_off {
            for membership in moment.lost.iter().take(self.limit) {
                let Member { person, entitlement, .. } = self.member(*membership);
                let text =
                    format!("extends access: {person} keeps {entitlement} beyond {}", shown(Some(moment.instant)));
                found.push(Warning { code: "extends-access", text, file: None, line: None });
            }
        }
        for idle in &self.difference.idle {
            let Some(entry) = policy.entries.get(idle.entry.0 as usize) else { continue };
            let why = match idle.why {
                WhyIdle::Over(end) => format!("it ended {}", end.civil(&policy.timezone)),
                WhyIdle::Closed(end) => format!("what it stands in ends {}", end.civil(&policy.timezone)),
                WhyIdle::Nobody => "whoever it names is not with the organisation then, or is kept out".to_owned(),
            };
            let name = crate::resolve::name(policy, idle.holding);
            let (file, line) = policy.locate(entry.place);
            let text = format!("a dated entry of {name} never takes effect: {why}");
            found.push(Warning { code: "never-in-effect", text, file: Some(file.to_string()), line: Some(line) });
        }
        found
    }
}

fn person(shift: &PersonShift) -> Person {
    let word = |standing: Option<Standing>| match standing {
        None => "not declared",
        Some(Standing::Future(_)) => "not begun",
        Some(Standing::Present(_)) => "present",
        Some(Standing::OnLeave(_)) => "on leave",
        Some(Standing::Left(_)) => "left",
    };
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "not written".to_owned());
    let accounts = shift.accounts.iter();
    Person {
        person: shift.key.head.as_ref().or(shift.key.base.as_ref()).cloned().unwrap_or_default(),
        formerly: shift.key.base.clone().filter(|key| shift.key.head.as_ref().is_some_and(|head| head != key)),
        before: word(shift.standing.base),
        after: word(shift.standing.head),
        accounts: accounts
            .map(|(place, pair)| format!("{place}: {} → {}", name(&pair.base), name(&pair.head)))
            .collect(),
        number: shift.person,
    }
}

fn role(shift: &RoleShift) -> Role {
    Role {
        role: shift.key.clone(),
        change: match shift.declared {
            (false, _) => "added",
            (_, false) => "removed",
            _ => "changed",
        },
        grants_added: shift.grants_added.clone(),
        grants_removed: shift.grants_removed.clone(),
        includes_added: shift.includes_added.clone(),
        includes_removed: shift.includes_removed.clone(),
    }
}

/// From the entitlement to the person.
fn links(policy: &Policy, steps: Vec<Step>) -> Vec<Link> {
    steps.into_iter().rev().map(|step| link(policy, &step.text, step.place)).collect()
}

fn link(policy: &Policy, text: &str, place: Place) -> Link {
    let (file, line) = policy.locate(place);
    let (text, note) = match text.split_once("  ") {
        Some((text, note)) => (text.to_owned(), Some(note.to_owned())),
        None => (text.to_owned(), None),
    };
    Link { text, note, file: Some(file.to_string()), line: Some(line) }
}
