//! Access that nobody who may agreed to: it is not given.
//!
//! Comes in: what `review` found lacking, drafts. Goes out: withheld grants, enables and
//! later ends, and revokes where access goes on only by what nobody agreed to. Refuses: to
//! keep back anything that takes away, and to take away what is not known for sure.

use super::draft::{Draft, Fate, Found, Reason, Why};
use super::order::Ground;
use crate::model::{Action, StateGroupId};
use crate::policy::{GroupId, Label, PersonId};
use crate::resolve::DesiredDirectory;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The approvals that a plan rests on, as its file names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestsOn {
    /// The commit up to which an earlier run found every approval.
    pub since: String,
    /// What came into the branch after it, as far as it needs approvals; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepOf>,
    /// How much access is not approved.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lacking: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One step of the branch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepOf {
    /// The commit; `None` is what is not committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The request by which it came in: `example/access#7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The commit that reviews are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Keys of those whose approval counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
}

/// How access was held by the policies that were agreed to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It was: what nobody agreed to is a later end.
    Held,
    /// It was not.
    NotHeld,
    /// Nobody can say.
    Unknown,
}

/// Access of one person that nobody who may agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// What.
    pub group: GroupId,
    /// Whose.
    pub person: PersonId,
    /// With which account.
    pub label: Label,
    /// Who could agree, and what to do.
    pub reason: Reason,
    /// How it was held before.
    pub before: Before,
}

/// What a plan may not give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unapproved {
    /// What the plan rests on; `None` where nothing needs an approval.
    pub rests_on: Option<RestsOn>,
    /// Why nothing at all may be given: nobody can say whose approval counts.
    pub barred: Option<Reason>,
    /// Access that lacks an approval.
    pub access: Vec<Lacking>,
}

impl Unapproved {
    /// Whether everything may be given.
    pub fn is_empty(&self) -> bool {
        self.barred.is_none() && self.access.is_empty()
    }

    /// Access that would be there only by what nobody agreed to: as if it were not written.
    pub fn kept_out(&self) -> BTreeSet<(GroupId, PersonId, Label)> {
        let new = self.access.iter().filter(|one| one.before == Before::NotHeld);
        new.map(|one| (one.group, one.person, one.label)).collect()
    }
}

/// What is looked up of it while drafts are considered.
pub(super) struct Bar<'a> {
    barred: Option<&'a Reason>,
    access: BTreeMap<(GroupId, PersonId, Label), &'a Lacking>,
    /// Group → groups that it is a member of as a group.
    above: BTreeMap<GroupId, Vec<GroupId>>,
}

impl<'a> Bar<'a> {
    /// `wanted` is what is written, approved or not.
    pub(super) fn new(unapproved: &'a Unapproved, wanted: &[DesiredDirectory]) -> Self {
        let access = unapproved.access.iter().map(|one| ((one.group, one.person, one.label), one)).collect();
        let mut above: BTreeMap<GroupId, Vec<GroupId>> = BTreeMap::new();
        for desired in wanted {
            let group = |id: StateGroupId| desired.groups.get(id.0 as usize).copied();
            for link in &desired.nesting.links {
                if let Some((inside, outside)) = group(link.member).zip(group(link.group)) {
                    above.entry(inside).or_default().push(outside);
                }
            }
        }
        Self { barred: unapproved.barred.as_ref(), access, above }
    }

    /// A group and every group that its members are in by links.
    fn reached(&self, group: GroupId) -> BTreeSet<GroupId> {
        let (mut found, mut open) = (BTreeSet::from([group]), vec![group]);
        while let Some(next) = open.pop() {
            for outside in self.above.get(&next).into_iter().flatten() {
                if found.insert(*outside) {
                    open.push(*outside);
                }
            }
        }
        found
    }

    /// What it would give that nobody agreed to.
    fn of(&self, draft: &Draft) -> Option<&'a Reason> {
        let gives = raises(draft);
        if gives && let Some(reason) = self.barred {
            return Some(reason);
        }
        let (Some(first), true) = (draft.person.or_else(|| draft.people.first().copied()), gives) else { return None };
        if let (Some(group), Action::Grant | Action::UpdateMembership) = (draft.group, draft.action()) {
            let people = || [first].into_iter().chain(draft.people.iter().copied());
            let groups = self.reached(group);
            let all = groups.iter().flat_map(|group| people().map(move |person| (*group, person, draft.label)));
            return all.filter_map(|key| self.access.get(&key)).map(|one| &one.reason).next();
        }
        // An account that can be used, or for longer: what it holds goes on with it.
        let counts = |one: &&Lacking| match one.before {
            Before::NotHeld => false,
            Before::Held => draft.action() != Action::EnableAccount,
            Before::Unknown => true,
        };
        let mut mine = self.access.values().copied().filter(|one| one.person == first && one.label == draft.label);
        mine.find(|one| draft.action() != Action::CreateAccount && counts(one)).map(|one| &one.reason)
    }

    /// Withholds what would give it.
    pub(super) fn withhold(&self, drafts: &mut [Draft]) {
        for draft in drafts.iter_mut().filter(|draft| draft.is_kept()) {
            if let Some(reason) = self.of(draft) {
                draft.fate = Fate::withheld(reason.clone());
            }
        }
    }

    /// Tells of `found`, made without what nobody agreed to, which revokes are for that alone,
    /// and adds what `wanted`, made with it, would give: withheld.
    pub(super) fn tell(&self, ground: &Ground<'_>, found: &mut Found, wanted: Found) {
        for draft in &mut found.drafts {
            let key = draft.group.zip(draft.person).map(|(group, person)| (group, person, draft.label));
            let is_out = key.and_then(|key| self.access.get(&key)).is_some_and(|one| one.before == Before::NotHeld);
            if is_out && draft.action() == Action::Revoke && draft.why == Why::HoldsNot {
                draft.why = Why::Unapproved;
            }
        }
        let known: BTreeSet<_> = found.drafts.iter().map(|draft| draft.change.key()).collect();
        let more: Vec<Draft> = wanted.drafts.into_iter().filter(|draft| !known.contains(&draft.change.key())).collect();
        for mut draft in more {
            let by_person =
                || self.access.values().find(|one| Some(one.person) == draft.person && is_in(ground, one, &draft));
            let reason = self.of(&draft).or_else(|| by_person().filter(|_| raises(&draft)).map(|one| &one.reason));
            if let Some(reason) = reason {
                draft.fate = Fate::withheld(reason.clone());
                draft.needs.clear();
                found.push(draft);
            }
        }
        self.note(ground, found);
    }

    /// A later end is no step where the directory holds no ends: it is noted instead.
    fn note(&self, ground: &Ground<'_>, found: &mut Found) {
        for one in self.access.values().filter(|one| one.before == Before::Held) {
            let policy = ground.policy;
            let (Some(group), Some(person)) =
                (policy.groups.get(one.group.0 as usize), policy.people.get(one.person.0 as usize))
            else {
                continue;
            };
            let directory = policy.directories.get(usize::from(group.directory.0)).map_or("", |one| &one.name);
            let text =
                format!("ends as before: {}; {}", one.reason.reason, one.reason.setting.as_deref().unwrap_or(""));
            found.note("not-approved", directory, format!("{}/{}", group.name, person.key), text);
        }
    }
}

/// Whether the access is in the draft's directory.
fn is_in(ground: &Ground<'_>, one: &Lacking, draft: &Draft) -> bool {
    let group = ground.policy.groups.get(one.group.0 as usize);
    group.is_some_and(|group| group.directory.0 == draft.directory)
}

/// Whether somebody could do more afterwards, or for longer.
fn raises(draft: &Draft) -> bool {
    matches!(draft.action(), Action::Grant | Action::EnableAccount | Action::CreateAccount) || draft.lasts_longer()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Instant, Object, Side};

    const GROUP: GroupId = GroupId(0);
    const PERSON: PersonId = PersonId(0);

    fn draft(action: Action, ends: Option<(i64, i64)>) -> Draft {
        let object = match action {
            Action::Grant | Action::Revoke | Action::UpdateMembership => Object::membership("prod", "bob"),
            _ => Object::account("bob"),
        };
        let mut draft = Draft::new((0, "corp"), action, object, Why::Holds);
        draft.person = Some(PERSON);
        draft.group = draft.change.object.group.is_some().then_some(GROUP);
        let side = |second| Side::from([("ends".to_owned(), vec![Instant::from_seconds(second).to_string()])]);
        match ends {
            Some((before, after)) => draft.sides(side(before), side(after)),
            None => draft,
        }
    }

    /// Whether each sort of step is withheld: a later and an earlier end of a membership and of
    /// an account, a grant, a revoke, enabling, disabling, creating, deleting.
    fn withheld(unapproved: &Unapproved) -> Vec<bool> {
        let mut drafts = vec![
            draft(Action::UpdateMembership, Some((10, 20))),
            draft(Action::UpdateMembership, Some((20, 10))),
            draft(Action::UpdateAccount, Some((10, 20))),
            draft(Action::UpdateAccount, Some((20, 10))),
            draft(Action::Grant, None),
            draft(Action::Revoke, None),
            draft(Action::EnableAccount, None),
            draft(Action::DisableAccount, None),
            draft(Action::CreateAccount, None),
            draft(Action::DeleteAccount, None),
        ];
        Bar::new(unapproved, &[]).withhold(&mut drafts);
        drafts.iter().map(|draft| !draft.is_kept()).collect()
    }

    fn lacking(before: Before, person: PersonId) -> Unapproved {
        let reason = Reason::new("not approved", "ask");
        let one = Lacking { group: GROUP, person, label: Label::EVERYDAY, reason, before };
        Unapproved { access: vec![one], ..Unapproved::default() }
    }

    #[test]
    fn what_gives_waits_and_what_takes_away_does_not() {
        let barred = Unapproved { barred: Some(Reason::new("nobody can say", "ask")), ..Unapproved::default() };
        assert_eq!(withheld(&barred), [true, false, true, false, true, false, true, false, true, false]);
        assert_eq!(withheld(&Unapproved::default()), [false; 10]);
        // A later end: of the membership, and of the account by which it is held.
        let held = withheld(&lacking(Before::Held, PERSON));
        assert_eq!(held, [true, false, true, false, true, false, false, false, false, false]);
        // Nobody can say: an account that is enabled might give it back.
        let unknown = withheld(&lacking(Before::Unknown, PERSON));
        assert_eq!(unknown, [true, false, true, false, true, false, true, false, false, false]);
        // What is new is not in the account either: the plan takes it away first.
        let new = withheld(&lacking(Before::NotHeld, PERSON));
        assert_eq!(new, [true, false, false, false, true, false, false, false, false, false]);
        assert_eq!(withheld(&lacking(Before::Held, PersonId(1))), [false; 10], "somebody else's");
    }

    #[test]
    fn only_what_is_surely_new_is_as_if_it_were_not_written() {
        let out = |before| lacking(before, PERSON).kept_out().len();
        assert_eq!((out(Before::NotHeld), out(Before::Held), out(Before::Unknown)), (1, 0, 0));
    }
}
