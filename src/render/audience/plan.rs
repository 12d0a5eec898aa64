//! A plan for an audience.
//!
//! Comes in: a whole plan. Goes out: one to be shown. Refuses: to be applied: what is shown
//! is never written as a plan file.

use super::{Audience, Redactor, Shown};
use crate::model::change::OtherMember;
use crate::model::{Change, Object, Side};
use crate::plan::unapproved::StepOf;
use crate::plan::{DirectoryMark, Fact, Note, Plan, RestsOn, Upcoming, Withheld};
use std::borrow::Cow;

/// Keys of a side that are no attributes of a person.
const OURS: [&str; 3] = ["enabled", "ends", "name"];

impl Redactor {
    /// A plan as the audience may see it.
    pub fn plan<'a>(&self, plan: &'a Plan) -> Shown<'a, Plan> {
        if let Some(whole) = self.whole_for(plan) {
            return whole;
        }
        let public = self.audience == Audience::Public;
        // Written out, so that a new part of a plan is a question here.
        let mut shown = Plan {
            format: plan.format.clone(),
            policy: plan.policy.clone(),
            approvals: plan.approvals.as_ref().map(|rests| self.rests_on(rests)),
            at: plan.at,
            read_only: plan.read_only,
            filter: plan.filter.clone(),
            versions: plan.versions.clone(),
            directories: plan.directories.iter().map(|mark| self.mark(mark)).collect(),
            references: plan.references.clone(),
            facts: if public { Vec::new() } else { plan.facts.iter().map(|fact| self.fact(fact)).collect() },
            changes: plan.changes.iter().map(|change| self.change(change)).collect(),
            barriers: plan.barriers.clone(),
            withheld: plan.withheld.iter().map(|withheld| self.withheld(withheld)).collect(),
            notes: plan.notes.iter().map(|note| self.note(note)).collect(),
            next: plan.next.as_ref().map(|next| self.next(next)),
            summary: plan.summary.clone(),
            digest: plan.digest.clone(),
        };
        // Of a ticket and a branch anybody may have chosen the name.
        if public {
            shown.policy.branch = None;
            shown.filter.ticket = None;
            shown.references.clear();
            // The order of a plan is that of names.
            let key = |one: &Change| (one.action.word(), one.directory.clone(), one.person.clone(), one.object.clone());
            shown.changes.sort_by_cached_key(key);
            shown.withheld.sort_by_cached_key(|one| key(&one.change));
            shown.notes.sort();
            shown.notes.dedup();
        }
        Shown(Cow::Owned(shown))
    }

    fn rests_on(&self, rests: &RestsOn) -> RestsOn {
        if self.audience != Audience::Public {
            return rests.clone();
        }
        let steps = rests.steps.iter().map(|step| StepOf {
            commit: step.commit.clone(),
            request: step.request.clone(),
            approved_by: step.approved_by.iter().map(|key| self.person(key)).collect(),
            ..StepOf::default()
        });
        RestsOn { since: rests.since.clone(), steps: steps.collect(), lacking: rests.lacking }
    }

    fn fact(&self, fact: &Fact) -> Fact {
        Fact { text: self.sentence(&fact.text, ""), ..fact.clone() }
    }

    fn change(&self, change: &Change) -> Change {
        let public = self.audience == Audience::Public;
        let mut shown = change.clone();
        shown.person = change.person.as_ref().map(|key| self.person(key));
        shown.object = self.object(change);
        let is_account = change.object.account.is_some();
        shown.before = change.before.as_ref().map(|side| self.side(side, is_account));
        shown.after = change.after.as_ref().map(|side| self.side(side, is_account));
        if let (Some(before), Some(after)) = (&shown.before, &mut shown.after)
            && is_account
            && !public
        {
            // That it differs is no value, and equal ones would not be told.
            let both =
                after.iter_mut().filter(|(name, _)| !OURS.contains(&name.as_str()) && before.contains_key(*name));
            both.for_each(|(_, values)| *values = vec!["another …".to_owned()]);
        }
        if public {
            shown.label = None;
            shown.because.clear();
        }
        shown
    }

    fn object(&self, change: &Change) -> Object {
        let object = &change.object;
        if self.audience != Audience::Public {
            return object.clone();
        }
        let account = |name: &String| match &change.person {
            Some(key) => self.person(key),
            None => self.pseudonym("account", name),
        };
        let member = |member: &OtherMember| match member {
            OtherMember::Group(name) => OtherMember::Group(self.group(&change.directory, name)),
            OtherMember::Other(name) => OtherMember::Other(self.pseudonym("member", name)),
        };
        Object {
            group: object.group.as_ref().map(|name| self.group(&change.directory, name)),
            account: object.account.as_ref().map(account),
            member: object.member.as_ref().map(member),
        }
    }

    /// A group's name without its directory.
    fn group(&self, directory: &str, name: &str) -> String {
        if self.audience == Audience::Public && !self.open.contains(&format!("{directory}/{name}")) {
            return "(privileged)".to_owned();
        }
        name.to_owned()
    }

    /// Which attributes; of an account not what they hold.
    fn side(&self, side: &Side, is_account: bool) -> Side {
        match self.audience {
            Audience::Public => Side::new(),
            Audience::Reviewers if is_account => {
                let shown = side.iter().map(|(name, values)| {
                    let values = if OURS.contains(&name.as_str()) { values.clone() } else { hidden(values) };
                    (name.clone(), values)
                });
                shown.collect()
            }
            _ => side.clone(),
        }
    }

    fn withheld(&self, withheld: &Withheld) -> Withheld {
        let public = self.audience == Audience::Public;
        let sentence = |text: &Option<String>| text.as_ref().filter(|_| !public).map(|text| self.sentence(text, ""));
        Withheld {
            change: self.change(&withheld.change),
            reason: self.sentence(&withheld.reason, "a rule keeps it back"),
            limit: sentence(&withheld.limit),
            setting: sentence(&withheld.setting),
        }
    }

    fn note(&self, note: &Note) -> Note {
        let public = self.audience == Audience::Public;
        Note {
            code: note.code.clone(),
            directory: note.directory.clone(),
            object: note.object.as_ref().filter(|_| !public).cloned(),
            text: self.sentence(&note.text, &note.code.replace('-', " ")),
            member: note.member.clone().filter(|_| !public),
        }
    }

    fn mark(&self, mark: &DirectoryMark) -> DirectoryMark {
        let mut shown = mark.clone();
        shown.evidence = match self.audience {
            Audience::Public => Vec::new(),
            _ => mark.evidence.iter().map(|text| self.sentence(text, "")).collect(),
        };
        shown
    }

    fn next(&self, next: &Upcoming) -> Upcoming {
        let losses = next.losses.iter().map(|(person, lost)| {
            let mut lost: Vec<String> = lost.iter().map(|name| self.entitlement(name)).collect();
            lost.dedup();
            (self.person(person), lost)
        });
        Upcoming { at: next.at, losses: losses.collect(), more: next.more }
    }
}

/// As many values, each without what it holds.
fn hidden(values: &[String]) -> Vec<String> {
    values.iter().map(|_| "…".to_owned()).collect()
}
