//! Who must agree to a change, who has, and who could.
//!
//! Comes in: a [`Difference`], the accounts that approved on the forge and the one that
//! asks. Goes out: [`Approvals`]. Refuses: to let the judged choose the judge: rules,
//! owners, offices and accounts on the forge count as they are before *and* after the
//! change, and loosening them (`judges`) is itself something to agree to.
//!
//! Revokes, disables and earlier ends need nobody.

use super::judges::{self, Shifted};
use super::offices::{Offices, Why};
use super::pairs::Which;
use super::{Difference, Membership, Shift};
use crate::model::Place;
use crate::policy::{ApprovalRule, Approver, Holding, Policy, Standing};
use crate::resolve::{self, Link, Taken};
use std::collections::{BTreeMap, BTreeSet};

/// An account on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The forge's number for it.
    pub id: u64,
    /// Its name.
    pub login: Box<str>,
}

/// What the forge told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// Who asks for the change, where there is a request.
    pub author: Option<&'a Account>,
    /// Who approved exactly the change's last commit.
    pub approvals: &'a [Account],
}

/// What somebody must agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Access that a rule of that name is about.
    Access(Box<str>),
    /// A rule, owner, limit or connection that would be loosened, in words.
    Judge(String),
}

/// One thing that needs agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub about: About,
    /// Who would gain it, or hold it for longer.
    pub access: Vec<Membership>,
    /// How many different people must agree.
    pub count: usize,
    /// Keys of those who could, sorted.
    pub could: Vec<String>,
    /// Keys of those who did, sorted.
    pub did: Vec<String>,
}

impl Need {
    /// Whether enough agreed.
    pub fn is_covered(&self) -> bool {
        self.did.len() >= self.count
    }
}

/// An approval that is nobody's voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// Whose.
    pub account: Account,
    /// Why.
    pub why: String,
    /// Whether its person has left.
    pub left: bool,
}

/// What a file says of who approved an access that the change gives: a claim of whoever
/// wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What.
    pub membership: Membership,
    /// Key of who is said to have approved it.
    pub by: String,
    /// Where that is written, after the change.
    pub place: Place,
    /// Whether a review of the change's last commit says so too.
    pub matches: bool,
}

/// What files claim of the access that the change gives or prolongs now; `voices` are those
/// who agreed.
pub fn claims(difference: &Difference<'_>, voices: &[String]) -> Vec<Claim> {
    let policy = difference.head.policy;
    let shifts = difference.gained.iter().chain(&difference.extended);
    if policy.entries.iter().all(|entry| entry.details().approved_by.is_none()) {
        return Vec::new();
    }
    let claims = |shift: &Shift| -> Vec<Claim> {
        let (Some(group), Some(held)) = (difference.group(shift.membership).head, shift.after) else {
            return Vec::new();
        };
        let whole = Holding::Group(group);
        let way = resolve::winning(policy, &difference.head.resolution, (held.person, held.label), whole);
        let claim = |step: &Taken| {
            let (Link::Entry(entry) | Link::Through(entry, _)) = step.link else { return None };
            let by = policy.entries.get(entry.0 as usize)?.details().approved_by?;
            let by = policy.people.get(by.0 as usize)?.key.to_string();
            let matches = voices.contains(&by);
            Some(Claim { membership: shift.membership, by, place: step.place, matches })
        };
        way.iter().filter_map(claim).collect()
    };
    shifts.flat_map(claims).collect()
}

/// Who must agree to a change, who has, and who could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// Everything that needs agreement: what would loosen a judge first, then access by rule.
    pub needs: Vec<Need>,
    /// Keys of everybody who agreed, whether they were asked or not; sorted.
    pub voices: Vec<String>,
    /// Approvals that count for nobody.
    pub mute: Vec<Mute>,
    /// Whether nobody was charged with approving before the change: then nothing that
    /// judges is guarded yet.
    pub unguarded: bool,
}

impl Approvals {
    /// Whether every need is covered.
    pub fn is_covered(&self) -> bool {
        self.needs.iter().all(Need::is_covered)
    }
}

/// Works out who must agree.
pub fn approvals(difference: &Difference<'_>, given: Given<'_>) -> Approvals {
    let offices = Offices::new(difference);
    let author = given.author.map(|account| offices.anywhere(account)).unwrap_or_default();
    let (voices, mute) = voices(&offices, given.approvals, &author);
    let owners = offices.policy_owners();
    let unguarded = difference.base.policy.oversight.owners.is_empty();
    let need = |about: About, access: Vec<Membership>, count: usize, could: &BTreeSet<u32>| {
        let key = |number: &u32| offices.key(*number).to_owned();
        let could = || could.difference(&author);
        let did = could().filter(|number| voices.contains(number));
        Need { about, access, count, could: could().map(key).collect(), did: did.map(key).collect() }
    };
    let mut needs = Vec::new();
    if !unguarded {
        for Shifted { what, before } in judges::loosened(difference, &offices) {
            let could = owners.iter().copied().chain(before).collect();
            needs.push(need(About::Judge(what), Vec::new(), 1, &could));
        }
    }
    for ((rule, could), access) in access(difference, &offices, &owners) {
        let Some((_, rule)) = rule_at(difference, rule) else { continue };
        needs.push(need(About::Access(rule.key.clone()), access, rule.count.into(), &could));
    }
    let mut voices: Vec<String> = voices.iter().map(|number| offices.key(*number).to_owned()).collect();
    voices.sort();
    Approvals { needs, voices, mute, unguarded }
}

/// Numbers of the people whose approval it is, and what is nobody's.
fn voices(offices: &Offices<'_>, approvals: &[Account], author: &BTreeSet<u32>) -> (BTreeSet<u32>, Vec<Mute>) {
    let (mut voices, mut mute) = (BTreeSet::new(), Vec::new());
    for account in approvals {
        let (why, left) = match offices.whose(account) {
            Ok(person) if author.contains(&person) => {
                (format!("it is `{}`, who asks for the change", offices.key(person)), false)
            }
            Ok(person) => match offices.standing(person) {
                Some(Standing::Present(_)) => {
                    voices.insert(person);
                    continue;
                }
                Some(Standing::Left(at)) => (format!("`{}` left at {at}", offices.key(person)), true),
                _ => (format!("`{}` is not here now", offices.key(person)), false),
            },
            Err(Why::Nobody) => ("no person has this account: `forge:` of a person says whose it is".to_owned(), false),
            Err(Why::ByTheChange) => ("this very change says whose account it is".to_owned(), false),
        };
        mute.push(Mute { account: account.clone(), why, left });
    }
    (voices, mute)
}

/// A rule: on which side, and its position there.
type RuleAt = (bool, usize);

fn rule_at<'d>(difference: &'d Difference<'_>, (is_head, n): RuleAt) -> Option<(&'d Policy, &'d ApprovalRule)> {
    let policy = if is_head { difference.head.policy } else { difference.base.policy };
    Some((policy, policy.oversight.approvals.get(n)?))
}

/// Access that rules are about: by rule and by who could agree.
fn access(
    difference: &Difference<'_>,
    offices: &Offices<'_>,
    owners: &BTreeSet<u32>,
) -> BTreeMap<(RuleAt, BTreeSet<u32>), Vec<Membership>> {
    let mut found: BTreeMap<(RuleAt, BTreeSet<u32>), Vec<Membership>> = BTreeMap::new();
    let given = given_by(difference);
    for rule in rules(difference, offices) {
        let Some((policy, meant)) = rule_at(difference, rule) else { continue };
        for membership in &given {
            if !concerns(difference, policy, meant, *membership) {
                continue;
            }
            let which = if rule.0 { Which::Head } else { Which::Base };
            let named = meant.people.iter().map(|person| offices.number(which, *person));
            let by_office = meant.from.iter().filter_map(|office| office_of(offices, *office, *membership));
            let fit = |person: &u32| *person != membership.person && offices.is_present(*person);
            let mut could: BTreeSet<u32> = named.chain(by_office).filter(fit).collect();
            // Who owns the policies stands in where the rule leaves too few.
            if could.len() < meant.count.into() {
                could.extend(owners.iter().copied().filter(fit));
            }
            found.entry((rule, could)).or_default().push(*membership);
        }
    }
    found
}

fn office_of(offices: &Offices<'_>, office: Approver, membership: Membership) -> Option<u32> {
    match office {
        Approver::Owner => offices.owner(membership.group),
        Approver::Sponsor => offices.sponsor(membership.person),
        Approver::Manager => offices.manager(membership.person),
    }
}

/// Every membership that the change gives or prolongs, now, later or perhaps.
pub(super) fn given_by(difference: &Difference<'_>) -> BTreeSet<Membership> {
    let shifts = difference.gained.iter().chain(&difference.extended).map(|shift| shift.membership);
    let perhaps = difference.open.iter().flat_map(|open| open.may_gain.iter().copied());
    let later = difference.scheduled.iter().flat_map(|moment| moment.gained.iter().copied());
    let longer = difference.called_off.iter().flat_map(|moment| moment.lost.iter().copied());
    shifts.chain(perhaps).chain(later).chain(longer).collect()
}

/// The rules of both sides; one that is the same on both counts once.
fn rules(difference: &Difference<'_>, offices: &Offices<'_>) -> Vec<RuleAt> {
    let (base, head) = (&difference.base.policy.oversight.approvals, &difference.head.policy.oversight.approvals);
    let known: BTreeSet<String> = base.iter().map(|rule| offices.words(Which::Base, rule)).collect();
    let new = head.iter().enumerate().filter(|(_, rule)| !known.contains(&offices.words(Which::Head, rule)));
    (0..base.len()).map(|n| (false, n)).chain(new.map(|(n, _)| (true, n))).collect()
}

/// Whether a rule is about a membership, by its names and kinds on either side.
fn concerns(difference: &Difference<'_>, of: &Policy, rule: &ApprovalRule, membership: Membership) -> bool {
    if rule.privileged && !difference.is_privileged(membership.group) {
        return false;
    }
    let (group, person) = (difference.group(membership), difference.person(membership));
    let sides = [(difference.base.policy, group.base, person.base), (difference.head.policy, group.head, person.head)];
    let is_named = || {
        sides.iter().any(|(policy, group, _)| {
            let name = group.map(|group| resolve::name(policy, Holding::Group(group)));
            name.is_some_and(|name| rule.entitlements.iter().any(|glob| glob.matches(&name)))
        })
    };
    let is_of_kind = || {
        let wanted: Vec<&str> = rule.kinds.iter().filter_map(|kind| kind_name(of, *kind)).collect();
        sides.iter().any(|(policy, _, person)| {
            let person = person.and_then(|person| policy.people.get(person.0 as usize));
            person.is_some_and(|person| {
                let mut kinds = person.positions.iter().map(|position| position.kind).chain([person.kind]);
                kinds.any(|kind| kind_name(policy, kind).is_some_and(|name| wanted.contains(&name)))
            })
        })
    };
    (rule.entitlements.is_empty() || is_named()) && (rule.kinds.is_empty() || is_of_kind())
}

pub(super) fn kind_name(policy: &Policy, kind: crate::policy::KindId) -> Option<&str> {
    policy.kinds.get(usize::from(kind.0)).map(|kind| kind.name.as_ref())
}
