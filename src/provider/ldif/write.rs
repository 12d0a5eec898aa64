//! Changes → a new file.
//!
//! Comes in: steps. Goes out: one answer each, and the file replaced once for all
//! that succeeded. Refuses: to write into a file that changed since it was read.

use super::Directory;
use super::document::{Document, Refusal};
use super::store::{Failure, Mark};
use crate::model::Action;
use crate::provider::entries::{Assert, Edit, Mod, Schema};
use crate::provider::{Answer, Step};

/// Milliseconds to wait for another run that is writing this very moment.
const BUSY_MS: u64 = 50;

impl Directory {
    /// Carries out a batch: every step in memory, in order, then one replacement.
    pub(super) fn write_now(&self, steps: &[Step<'_>]) -> Vec<Answer> {
        // What is in memory counts only if the file is still that one, which the
        // replacement finds out; answers without one are asked of the file itself.
        if let Some((document, mark)) = self.kept.take().zip(self.seen.get())
            && let (answers, Some(replaced)) = self.rewrite(document, mark, steps)
            && !matches!(replaced, Err(Failure::Changed))
        {
            return self.told(answers, replaced);
        }
        let all = |answer: Answer| vec![answer; steps.len()];
        let (mut document, mark) = match self.load() {
            Ok(loaded) => loaded,
            Err(error) => return all(Answer::Broken { why: error.to_string() }),
        };
        if self.seen.get().is_some_and(|seen| seen != mark) {
            return all(Answer::Conflict { why: self.changed() });
        }
        if self.create {
            for base in &self.schema.bases {
                document.make_base(&base.dn);
            }
            if let Some(base) = &self.schema.groups_base {
                document.make_base(base);
            }
        }
        match self.rewrite(Box::new(document), mark, steps) {
            (answers, Some(replaced)) => self.told(answers, replaced),
            (answers, None) => answers,
        }
    }

    /// Carries out the steps and replaces the file of that mark; no replacement where
    /// nothing succeeded. The document is kept where it is what the file holds now.
    fn rewrite(
        &self,
        mut document: Box<Document>,
        mark: Mark,
        steps: &[Step<'_>],
    ) -> (Vec<Answer>, Option<Result<(), Failure>>) {
        let answers: Vec<Answer> = steps.iter().map(|step| self.step(&mut document, step)).collect();
        if !answers.iter().any(|answer| matches!(answer, Answer::Done { .. })) {
            return (answers, None);
        }
        let replaced = self.store.replace(&document.print(), mark).map(|mark| {
            self.seen.set(Some(mark));
            self.kept.replace(Some(document));
        });
        (answers, Some(replaced))
    }

    /// What succeeded in memory is done only if the file was replaced.
    fn told(&self, mut answers: Vec<Answer>, replaced: Result<(), Failure>) -> Vec<Answer> {
        if let Err(failure) = replaced {
            let instead = self.failed(&failure);
            for answer in answers.iter_mut().filter(|answer| matches!(answer, Answer::Done { .. })) {
                answer.clone_from(&instead);
            }
        }
        answers
    }

    fn changed(&self) -> String {
        format!("somebody changed `{}` since it was read; nothing was written", self.file)
    }

    fn failed(&self, failure: &Failure) -> Answer {
        match failure {
            Failure::Busy => {
                Answer::Retry { after_ms: BUSY_MS, why: format!("another run is writing `{}`", self.file) }
            }
            Failure::Changed => Answer::Conflict { why: self.changed() },
            Failure::Io(why) => Answer::Refused { why: format!("`{}`: {why}", self.file) },
            Failure::Unsure(why) => {
                // What is on disk now is not what was last confirmed.
                self.seen.set(None);
                Answer::Unknown { why: format!("`{}`: {why}", self.file) }
            }
        }
    }

    fn step(&self, document: &mut Document, step: &Step<'_>) -> Answer {
        let edit = match self.schema.edit(step) {
            Ok(edit) => edit,
            Err(why) => return Answer::Refused { why },
        };
        match carry_out(&self.schema, document, step, &edit) {
            Ok(handle) => Answer::Done { handle },
            Err(Refusal::Conflict(why)) => Answer::Conflict { why },
            Err(Refusal::Never(why)) => Answer::Refused { why },
        }
    }
}

fn carry_out(
    schema: &Schema,
    document: &mut Document,
    step: &Step<'_>,
    edit: &Edit,
) -> Result<Option<String>, Refusal> {
    match edit {
        Edit::Add { dn, attributes, .. } => document.add(dn, attributes).map(|()| Some(dn.clone())),
        Edit::Delete { dn, asserts } => document.delete(dn, asserts).map(|()| None),
        Edit::Modify { dn, asserts, mods } => {
            if matches!(step.change.action, Action::Grant | Action::Revoke) {
                membership(schema, document, dn, mods)?;
            } else {
                document.modify(dn, asserts, mods)?;
            }
            Ok(None)
        }
        Edit::Rename { dn, new_dn, old_name, new_name, .. } => {
            document.rename(dn, new_dn)?;
            if let Some(base) = &schema.groups_key {
                let attribute = schema.member_attribute();
                if schema.members_are_dns() {
                    document.replace_everywhere(base, attribute, dn, new_dn);
                } else if step.change.action == Action::RenameAccount && old_name != new_name {
                    document.replace_everywhere(base, attribute, old_name, new_name);
                }
            }
            Ok(Some(new_dn.clone()))
        }
    }
}

/// Adds or removes members, and keeps a group whose class forbids it from being
/// empty: the placeholder comes with the last real member's going, and goes with
/// the first one's coming.
fn membership(schema: &Schema, document: &mut Document, dn: &str, mods: &[Mod]) -> Result<(), Refusal> {
    let attribute = schema.member_attribute();
    let Some(placeholder) = schema.placeholder(dn) else {
        return document.modify(dn, &[], mods);
    };
    document.modify(dn, &[], mods)?;
    let one = |value: &str| vec![value.to_owned()];
    match document.count(dn, attribute) {
        0 => document.modify(dn, &[], &[Mod::Add(attribute.to_owned(), one(placeholder))]),
        1 => Ok(()),
        _ if matches!(mods, [Mod::Add(..)]) && document.has(dn, attribute, placeholder) => {
            let there = [Assert::Has(attribute.to_owned(), placeholder.to_owned())];
            document.modify(dn, &there, &[Mod::Delete(attribute.to_owned(), one(placeholder))])
        }
        _ => Ok(()),
    }
}
