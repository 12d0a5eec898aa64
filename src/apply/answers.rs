//! What an answer leads to: a result, another attempt, or a read.
//!
//! Comes in: the answers to a batch, and what a read told about changes that were
//! not answered. Goes out: results and waits. Refuses: to send again what may have
//! been done, whatever the directory's way with repeats, before a read says that
//! it was not.

use super::effect::Effect;
use super::lane::{Batch, Lane};
use super::run::{Event, Run};
use crate::model::{Action, Change};
use crate::provider::Answer;
use crate::record::Status;
use futures_util::future::FutureExt;
use std::time::Duration;

impl Run<'_> {
    /// A batch was answered.
    pub(super) fn answered(&mut self, n: usize, batch: &Batch, answers: Vec<Answer>) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        lane.back(batch);
        let missing = std::iter::repeat_with(|| Answer::Unknown { why: "the directory did not answer it".to_owned() });
        let (mut slower, mut lost, mut through) = (None, None, false);
        let mut again = Vec::new();
        for (node, answer) in batch.nodes.iter().copied().zip(answers.into_iter().chain(missing)) {
            match answer {
                Answer::Retry { after_ms, why } => {
                    slower = Some(slower.unwrap_or(0).max(after_ms));
                    if self.try_again(n, node, &why) {
                        again.push(node);
                    }
                }
                Answer::Unwilling { why } => {
                    slower = Some(slower.unwrap_or(0));
                    let attempt = self.attempts.entry(node).or_default();
                    if std::mem::replace(&mut attempt.unwilling, true) {
                        self.settle(node, Status::Refused, Some(why));
                    } else {
                        again.push(node);
                    }
                }
                Answer::Broken { why } => {
                    if self.try_again(n, node, &why) {
                        again.push(node);
                    }
                    lost = Some(why);
                }
                Answer::Unknown { why } => {
                    if let Some(lane) = self.lanes.get_mut(n) {
                        lane.silent.push((node, why.clone()));
                        lane.reached = true;
                    }
                    self.attempts.entry(node).or_default().doubted = true;
                    lost = Some(why);
                }
                given => {
                    through = true;
                    self.given(n, node, given);
                }
            }
        }
        let Some(lane) = self.lanes.get_mut(n) else { return };
        if through {
            lane.heard_from();
        }
        if slower.is_some() {
            lane.slower(batch);
        } else if through && lost.is_none() {
            lane.faster();
        }
        if let Some(why) = lost {
            self.lost(n, batch, &why);
        }
        self.later(n, again, slower);
    }

    /// An answer that is the last word on a change, or nearly.
    fn given(&mut self, n: usize, node: usize, answer: Answer) {
        match answer {
            Answer::Done { handle } => self.settle_with(node, Status::Done, None, handle),
            Answer::Partly { handle, why } => self.settle_with(node, Status::Done, Some(why), handle),
            Answer::Pending => {
                let why = "accepted, in effect later; apply again then".to_owned();
                self.settle(node, Status::Pending, Some(why));
            }
            Answer::Conflict { why } => self.conflict(n, node, why),
            Answer::Refused { why }
            | Answer::Unwilling { why }
            | Answer::Retry { why, .. }
            | Answer::Broken { why }
            | Answer::Unknown { why } => self.settle(node, Status::Refused, Some(why)),
        }
    }

    /// Counts a failed attempt that certainly did nothing; whether there is another. As
    /// long as the directory answers others meanwhile, no attempt counts.
    fn try_again(&mut self, n: usize, node: usize, why: &str) -> bool {
        let answered = self.lanes.get(n).map_or(0, |lane| lane.answered);
        let attempt = self.attempts.entry(node).or_default();
        if std::mem::replace(&mut attempt.answered, answered) != answered {
            attempt.failed = 0;
        }
        attempt.failed += 1;
        if attempt.failed < self.patience.attempts {
            return true;
        }
        let why = format!("tried {} times: {why}", attempt.failed);
        self.settle(node, Status::Broken, Some(why));
        false
    }

    /// `before` did not hold. After an attempt of which nobody knows whether it was
    /// done, that attempt itself may be the reason.
    fn conflict(&mut self, n: usize, node: usize, why: String) {
        let doubted = self.attempts.get(&node).is_some_and(|attempt| attempt.doubted);
        match self.lanes.get_mut(n) {
            Some(lane) if doubted => {
                lane.silent.push((node, why));
                self.attempts.entry(node).or_default().doubted = false;
            }
            _ => self.settle(node, Status::Conflict, Some(why)),
        }
    }

    /// The connection is gone under a batch.
    fn lost(&mut self, n: usize, batch: &Batch, why: &str) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        match lane.lost(batch, why, self.patience) {
            Some(wait) => self.pause(n, why, wait),
            None => self.given_up(n),
        }
    }

    /// What was not sent to a directory that is given up is told.
    pub(super) fn given_up(&mut self, n: usize) {
        let Some(lane) = self.lanes.get_mut(n) else { return };
        let Some(down) = lane.down.clone() else { return };
        for node in lane.unsent() {
            self.settle(node, Status::Broken, Some(down.clone()));
        }
    }

    /// Offers changes again after a while.
    fn later(&mut self, n: usize, nodes: Vec<usize>, asked: Option<u64>) {
        let Some(most) =
            nodes.iter().filter_map(|node| self.attempts.get(node)).map(|attempt| attempt.failed.max(1)).max()
        else {
            return;
        };
        if let Some(stopped) = self.stopped.clone() {
            return nodes.into_iter().for_each(|node| self.settle(node, Status::NotStarted, Some(stopped.clone())));
        }
        let wait = self.spread(self.patience.wait(most).max(asked.unwrap_or(0)));
        let again = async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Event::Again { lane: n, nodes }
        };
        self.queue.push(again.boxed_local());
    }

    /// A read told what became of a change that was not answered.
    /// `handle` is that of what it made or moved.
    pub(super) fn told(&mut self, n: usize, node: usize, why: &str, effect: Effect, handle: Option<String>) {
        match effect {
            Effect::Shown => {
                let renames = |change: &Change| matches!(change.action, Action::RenameAccount | Action::RenameGroup);
                let apart = self.lanes.get(n).is_some_and(Lane::sets_passwords_apart);
                let doubt = self.work.change(node).and_then(|change| match change.action {
                    _ if renames(change) => Some("the new name, but groups may still list the old one: plan again"),
                    Action::CreateAccount if apart => {
                        Some("the account, but whether its first password is set is not known: reset it")
                    }
                    _ => None,
                });
                let doubt = doubt.map(|doubt| format!("{why}; a read shows {doubt}"));
                self.settle_with(node, Status::Done, doubt, handle);
            }
            Effect::Undone(_) => {
                if self.try_again(n, node, why) {
                    self.later(n, vec![node], None);
                }
            }
            Effect::Else(there) => {
                self.settle(node, Status::Conflict, Some(format!("{why}; read again: {there}")));
            }
            Effect::Hidden(hidden) => {
                let why = format!("{why}; and it could not be read whether it was done: {hidden}");
                self.settle(node, Status::Unknown, Some(why));
            }
        }
    }
}
