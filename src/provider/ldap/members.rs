//! Memberships of one group: many values in one modify.
//!
//! Comes in: grants and revokes of one group. Goes out: one answer each. Refuses:
//! replacing the whole list, and leaving a group empty whose class forbids that.
//!
//! A modify is all or nothing. When the server objects to one value among many, the
//! list is halved until the value that it means stands alone.

use super::guard::ASSERTION_FAILED;
use super::write::{Operation, answer, modifications, unanswered};
use super::{Directory, Open, link_ends, search};
use crate::model::Action;
use crate::provider::active_directory::link;
use crate::provider::entries::Mod;
use crate::provider::{Answer, Step, dn};
use ldap3::controls::{Assertion, MakeCritical, RawControl};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What is known about the placeholders of groups: DN key → whether it is a member.
#[derive(Default)]
pub(super) struct Placeholders(RefCell<BTreeMap<String, bool>>);

impl Placeholders {
    /// Remembers.
    pub(super) fn set(&self, group: &str, there: bool) {
        self.0.borrow_mut().insert(key(group), there);
    }

    /// Forgets: the group may have changed.
    pub(super) fn forget(&self, group: &str) {
        self.0.borrow_mut().remove(&key(group));
    }

    fn get(&self, group: &str) -> Option<bool> {
        self.0.borrow().get(&key(group)).copied()
    }
}

fn key(group: &str) -> String {
    dn::key(group).map_or_else(|_| group.to_owned(), std::borrow::Cow::into_owned)
}

/// One value to write, for the step at `index`.
struct Item {
    index: usize,
    value: String,
    grant: bool,
}

impl Directory {
    /// Writes memberships of one group.
    pub(super) async fn memberships(&self, open: &Open, steps: &[Step<'_>]) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = steps.iter().map(|_| None).collect();
        let mut items = Vec::with_capacity(steps.len());
        let group = group_dn(open, steps);
        let is_dated = |step: &Step<'_>| step.change.action != Action::Revoke && step.change.after.is_some();
        let asked =
            if steps.iter().any(is_dated) { link_ends::clock(&open.session, &open.server).await } else { Ok(None) };
        let clock = match asked {
            Ok(clock) => clock,
            Err(error) => return steps.iter().map(|_| Answer::Broken { why: error.message.clone() }).collect(),
        };
        for (index, step) in steps.iter().enumerate() {
            if step.change.action == Action::UpdateMembership {
                let answer = link_ends::renew(open, step, &group, clock.as_ref()).await;
                put(&mut answers, index, answer);
                continue;
            }
            let grant = step.change.action == Action::Grant;
            let value = open.schema.member_value(step);
            let value =
                value.and_then(|dn| if grant { link_ends::value(step.change, dn, clock.as_ref()) } else { Ok(dn) });
            match value {
                Ok(value) => items.push(Item { index, value, grant }),
                Err(why) => put(&mut answers, index, Answer::Refused { why }),
            }
        }
        // Grants first: a list that is halved never empties a group on the way.
        items.sort_by_key(|item| !item.grant);
        let observed = steps.first().and_then(|step| step.placeholder);
        let mut open_parts = vec![items];
        while let Some(part) = open_parts.pop() {
            if part.is_empty() {
                continue;
            }
            let outcome = self.modify_members(open, &group, observed, &part).await;
            if part.len() > 1 && outcome.is_about_one_value() {
                let half = part.len() / 2;
                let mut first = part;
                let second = first.split_off(half);
                open_parts.extend([second, first]);
                continue;
            }
            let answer = match (&part[..], &outcome.answer) {
                ([item], Answer::Unwilling { why }) => self.unwilling(open, &group, item, why).await,
                (_, answer) => answer.clone(),
            };
            for item in &part {
                put(&mut answers, item.index, answer.clone());
            }
        }
        let lost = || Answer::Refused { why: "the change names no member".to_owned() };
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }

    /// Result 53 for one value is a domain's word for "it is there already" and "it is
    /// not there" too: what a read shows tells.
    async fn unwilling(&self, open: &Open, group: &str, item: &Item, why: &str) -> Answer {
        // A filter knows members without the time that is left to them.
        let member = link::bare(&item.value);
        let filter = format!("({}={})", open.schema.member_attribute(), ldap3::ldap_escape(member));
        let found = search::base(&open.session, group, &filter, &["1.1".to_owned()], |_| ()).await;
        match (found, item.grant) {
            (Ok(Some(())), true) => Answer::Conflict { why: format!("somebody added it meanwhile ({why})") },
            (Ok(None), false) => Answer::Conflict { why: format!("somebody removed it meanwhile ({why})") },
            _ => Answer::Unwilling { why: why.to_owned() },
        }
    }

    async fn modify_members(&self, open: &Open, group: &str, observed: Option<bool>, part: &[Item]) -> Outcome {
        let values = |grant| part.iter().filter(|i| i.grant == grant).map(|i| i.value.clone()).collect::<Vec<_>>();
        let (adds, deletes) = (values(true), values(false));
        let Some(placeholder) = open.schema.placeholder(group) else {
            return send(open, group, adds, deletes, None).await;
        };
        if adds.is_empty() {
            let outcome = send(open, group, adds, deletes.clone(), None).await;
            if outcome.code != Some(65) {
                return outcome;
            }
            // The last member goes: the placeholder comes in the same modify.
            let swapped = send(open, group, vec![placeholder.to_owned()], deletes, None).await;
            if swapped.code == Some(0) {
                self.groups.set(group, true);
                return swapped;
            }
            return outcome;
        }
        let known = self.groups.get(group);
        if known.is_none() && observed == Some(false) && open.server.asserts() {
            // What was read is asserted: if the last member went meanwhile, the server says so.
            let outcome = send(open, group, adds.clone(), deletes.clone(), Some(placeholder)).await;
            if outcome.code != Some(ASSERTION_FAILED) {
                if outcome.code == Some(0) {
                    self.groups.set(group, false);
                }
                return outcome;
            }
        }
        let observed = observed.filter(|there| *there);
        let there = match known.or(observed) {
            Some(there) => there,
            None => self.has_placeholder(open, group, placeholder).await,
        };
        if there {
            let with = [deletes.as_slice(), &[placeholder.to_owned()]].concat();
            let outcome = send(open, group, adds.clone(), with, None).await;
            match outcome.code {
                // 16: perhaps only the placeholder is gone, and the memory was old.
                Some(0 | 16) => self.groups.set(group, false),
                _ => self.groups.forget(group),
            }
            if outcome.code != Some(16) {
                return outcome;
            }
        }
        send(open, group, adds, deletes, None).await
    }

    /// Asks; a wrong memory costs one refused modify and is corrected.
    async fn has_placeholder(&self, open: &Open, group: &str, placeholder: &str) -> bool {
        let filter = format!("({}={})", open.schema.member_attribute(), ldap3::ldap_escape(placeholder));
        let found = search::base(&open.session, group, &filter, &["1.1".to_owned()], |_| ()).await;
        let there = matches!(found, Ok(Some(())));
        self.groups.set(group, there);
        there
    }
}

/// What came of one modify.
struct Outcome {
    /// The result code; `None` when no answer came.
    code: Option<u32>,
    answer: Answer,
}

impl Outcome {
    /// Whether the server may have meant one value of several: already there, not
    /// there, not allowed, no DN.
    fn is_about_one_value(&self) -> bool {
        matches!(self.code, Some(16 | 19 | 20 | 21 | 32 | 34 | 53 | 65 | 68))
    }
}

/// Sends one modify, `without` asserts that this is no member.
async fn send(open: &Open, group: &str, adds: Vec<String>, deletes: Vec<String>, without: Option<&str>) -> Outcome {
    let attribute = open.schema.member_attribute();
    let mut mods = Vec::with_capacity(2);
    if !adds.is_empty() {
        mods.push(Mod::Add(attribute.to_owned(), adds));
    }
    if !deletes.is_empty() {
        mods.push(Mod::Delete(attribute.to_owned(), deletes));
    }
    let mut ldap = open.session.operation();
    if let Some(value) = without {
        let filter = format!("(!({attribute}={}))", ldap3::ldap_escape(value));
        ldap.with_controls(RawControl::from(Assertion { filter }.critical()));
    }
    match ldap.modify(group, modifications(&mods)).await {
        Ok(result) => {
            let needs = format!("`{attribute}` of `{group}`");
            let answer = answer(&open.session.site, Operation::Modify, group, &needs, &result);
            Outcome { code: Some(result.rc), answer }
        }
        Err(error) => Outcome { code: None, answer: unanswered(&error) },
    }
}

fn group_dn(open: &Open, steps: &[Step<'_>]) -> String {
    let first = steps.first();
    first.and_then(|step| step.handle.clone()).unwrap_or_else(|| {
        let name = first.and_then(|step| step.change.object.group.as_deref()).unwrap_or_default();
        open.schema.group_dn(name)
    })
}

fn put(answers: &mut [Option<Answer>], index: usize, answer: Answer) {
    if let Some(cell) = answers.get_mut(index) {
        *cell = Some(answer);
    }
}
