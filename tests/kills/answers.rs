//! What `apply` makes of every answer that a directory can give.

use super::story::{Still, With, after, apply, apply_with, before, change, no_plan, plan, results};
use crate::support::fake_writer::{Fault, Faulty};
use crate::support::model::{Account, Content, Model};
use accord::apply::{Cancel, Clock as _, Progress, Silent, Work};
use accord::model::{Action, Change, Object, Side};
use accord::plan::Barrier;
use accord::record::{Status, journal_folder, memory, verify};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Two accounts and a group with both, one of them by a barrier.
fn small() -> accord::plan::Plan {
    let mut plan = no_plan(vec![
        change(1, Action::CreateAccount, Object::account("a"), vec![]),
        change(2, Action::CreateAccount, Object::account("b"), vec![]),
        change(3, Action::CreateGroup, Object::group("g"), vec![]),
        change(4, Action::Grant, Object::membership("g", "a"), vec![1, 3]),
        change(5, Action::Grant, Object::membership("g", "b"), vec![6]),
    ]);
    plan.barriers = vec![Barrier { id: 6, needs: vec![2, 3] }];
    plan
}

/// Applies the small plan, with `fault` for the first `times` attempts of change `id`.
fn with_fault(id: u32, fault: Fault, times: u32) -> (Vec<String>, Model) {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(Content::default());
    let mut left = times;
    let writer = Faulty::new(model.clone(), move |change: &Change| {
        if change.id == id && left > 0 {
            left -= 1;
            return fault;
        }
        Fault::None
    });
    let plan = small();
    let work = Work::new(&plan, None).unwrap();
    let outcome = apply(root.path(), &work, &model, Box::new(writer));
    assert!(verify(&journal_folder(root.path())).unwrap().is_intact());
    (results(&outcome), model)
}

const ALL_DONE: [&str; 5] = ["1 done", "2 done", "3 done", "4 done", "5 done"];

#[test]
fn a_plan_without_faults_is_done_and_read_back() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(before());
    let plan = plan(&before(), &after());
    let work = Work::new(&plan, None).unwrap();
    let outcome = apply(root.path(), &work, &model, Box::new(model.clone()));
    assert!(outcome.is_complete(), "{:#?}", results(&outcome));
    assert_eq!(model.content(), after());
    assert!(outcome.not_read.is_empty());
    let text = std::fs::read_to_string(outcome.journal).unwrap();
    let verified = text.lines().find(|line| line.contains("\"verified\"")).unwrap();
    assert!(!verified.contains("not_"), "{verified}");
    assert_eq!(memory(&journal_folder(root.path())).unwrap().sizes["corp"].accounts, 1);
}

#[test]
fn what_is_certainly_not_done_is_tried_again_and_then_given_up() {
    for fault in [Fault::Busy, Fault::Broken] {
        assert_eq!(with_fault(1, fault, 2).0, ALL_DONE, "{fault:?}");
    }
    let (results, model) = with_fault(1, Fault::Busy, 99);
    assert_eq!(
        results,
        [
            "1 broken: tried 4 times: busy (51)",
            "2 done",
            "3 done",
            "4 skipped: needs #1 create-account corp/a, which is broken",
            "5 done"
        ]
    );
    assert!(!model.content().accounts.contains_key("a"));
}

#[test]
fn an_unwilling_directory_is_asked_once_more_and_its_second_word_counts() {
    assert_eq!(with_fault(1, Fault::Unwilling, 1).0, ALL_DONE);
    let (results, _) = with_fault(1, Fault::Unwilling, 99);
    assert_eq!(results[..2], ["1 refused: unwillingToPerform (53)", "2 done"]);
    assert!(results[3].starts_with("4 skipped"), "{results:?}");
}

#[test]
fn a_refusal_stops_only_what_needs_it_also_through_a_barrier() {
    let (results, _) = with_fault(2, Fault::Refuse, 1);
    assert_eq!(
        results,
        [
            "1 done",
            "2 refused: insufficientAccess (50)",
            "3 done",
            "4 done",
            "5 skipped: needs #2 create-account corp/b, which is refused"
        ]
    );
}

#[test]
fn a_lost_answer_is_settled_by_a_read_and_nothing_is_done_twice() {
    for id in 1..=5 {
        for fault in [Fault::AnswerLost, Fault::RequestLost] {
            let (results, model) = with_fault(id, fault, 1);
            assert_eq!(results, ALL_DONE, "{id} {fault:?}");
            let mut log = model.log();
            assert_eq!(log.len(), 5);
            log.sort();
            log.dedup();
            assert_eq!(log.len(), 5, "each write once");
        }
    }
}

/// A write that a proxy or an overlay never lets through, while everything else works.
#[test]
fn what_is_never_carried_out_is_not_tried_for_ever() {
    let (results, model) = with_fault(5, Fault::RequestLost, u32::MAX);
    assert!(results[4].starts_with("5 broken: tried "), "{results:#?}");
    assert_eq!(results[..4], ALL_DONE[..4]);
    assert_eq!(model.log().len(), 4);
}

#[test]
fn an_acknowledgement_without_effect_is_not_in_effect() {
    let (results, _) = with_fault(5, Fault::Lie, 1);
    assert_eq!(results[4], "5 not-in-effect: not in effect: it was acknowledged, but `b` is no member of `g`");
    assert_eq!(results[..4], ALL_DONE[..4]);
}

#[test]
fn what_no_read_can_tell_stays_unknown() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(Content::default());
    let writer =
        Faulty::new(model.clone(), |change: &Change| if change.id == 3 { Fault::AnswerLost } else { Fault::None });
    *writer.failing_reads.borrow_mut() = 99;
    let plan = small();
    let work = Work::new(&plan, None).unwrap();
    let outcome = apply(root.path(), &work, &model, Box::new(writer));
    let results = results(&outcome);
    assert!(results[2].starts_with("3 unknown: the connection was lost before the answer; and it could not be read"));
    assert!(results[3].starts_with("4 skipped: needs #3 create-group corp/g, which is unknown"), "{results:#?}");
    assert_eq!(outcome.not_read.len(), 1, "what is done could not be read back either, and that is said");
}

#[test]
fn a_directory_that_stays_away_is_given_up_once_not_change_by_change() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(Content::default());
    let attempts = Rc::new(RefCell::new(0));
    let counter = Rc::clone(&attempts);
    let writer = Faulty::new(model.clone(), move |_: &Change| {
        *counter.borrow_mut() += 1;
        Fault::Broken
    });
    let many = (1..=500).map(|id| change(id, Action::CreateAccount, Object::account(format!("a{id}")), vec![]));
    let plan = no_plan(many.collect());
    let work = Work::new(&plan, None).unwrap();
    let outcome = apply(root.path(), &work, &model, Box::new(writer));
    assert_eq!(outcome.count(Status::Broken), 500);
    assert!(*attempts.borrow() < 40, "{} attempts", attempts.borrow());
    assert!(results(&outcome)[499].contains("`corp` is not reachable, tried 2 times: connection refused"));
}

#[test]
fn an_edit_between_plan_and_apply_is_a_conflict_and_not_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(before());
    let plan = plan(&before(), &after());
    let id = plan.changes.iter().find(|c| c.action == Action::Revoke).unwrap();
    let Object { group: Some(group), account: Some(account), .. } = &id.object else { panic!() };
    let work = Work::new(&plan, None).unwrap();
    // Read, then somebody removes the same member.
    let observed_before = model.content();
    model.edit(|content| {
        content.groups.get_mut(group).unwrap().remove(account);
    });
    assert_ne!(observed_before, model.content());
    let outcome = apply(root.path(), &work, &model, Box::new(model.clone()));
    let conflicts: Vec<_> = outcome.results.iter().filter(|r| r.status == Status::Conflict).collect();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].change.id, id.id);
    // The account's deletion needed that revoke; everything else went on.
    assert!(outcome.results.iter().all(|r| r.status != Status::Skipped || r.change.needs.contains(&id.id)));
}

#[test]
fn a_reviewed_plan_that_is_no_longer_derived_is_a_conflict() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(before());
    let reviewed = plan(&before(), &after());
    let gone = reviewed.changes.iter().find(|c| c.action == Action::Revoke).unwrap().clone();
    model.edit(|content| {
        let (Some(group), Some(account)) = (&gone.object.group, &gone.object.account) else { panic!() };
        content.groups.get_mut(group).unwrap().remove(account);
    });
    let derived = plan(&model.content(), &after());
    let work = Work::new(&derived, Some(&reviewed)).unwrap();
    let outcome = apply(root.path(), &work, &model, Box::new(model.clone()));
    let result = outcome.results.iter().find(|r| r.change.id == gone.id).unwrap();
    assert_eq!(result.status, Status::Conflict);
    assert!(result.why.as_ref().unwrap().contains("not planned any more"));
    assert!(outcome.count(Status::Done) > 20);
    assert!(!model.log().contains(&accord::plan::draft::words(&gone)), "it was never sent");

    let mut other = reviewed.clone();
    other.policy.digest = "other".into();
    assert!(Work::new(&derived, Some(&other)).unwrap_err().to_string().contains("the digest of the policies"));
    let mut dated = derived.clone();
    dated.read_only = true;
    assert!(Work::new(&dated, None).unwrap_err().to_string().contains("--at"));
}

/// Stops the run when the third change is done.
struct Third<'a>(u32, &'a Cancel);

impl Progress for Third<'_> {
    fn settled(&mut self, _change: &Change, _status: Status, _why: Option<&str>) {
        self.0 += 1;
        if self.0 == 3 {
            self.1.cancel();
        }
    }
}

#[test]
fn a_stop_finishes_what_is_in_flight_and_records_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(before());
    let first = plan(&before(), &after());
    let work = Work::new(&first, None).unwrap();
    let cancel = Cancel::new();
    let with = With { cancel: &cancel, progress: &mut Third(0, &cancel), around: Box::new(|disk| Box::new(disk)) };
    let outcome = apply_with(root.path(), &work, &model, Box::new(model.clone()), with);
    let (done, rest) = (outcome.count(Status::Done), outcome.count(Status::NotStarted));
    assert!(done >= 3 && rest > 10 && done + rest == first.changes.len() as u64, "{done} done, {rest} not started");
    assert_eq!(model.log().len() as u64, done, "what is called not started was not sent");
    assert_eq!(outcome.stopped.as_deref(), Some("stopped on request"));
    let text = std::fs::read_to_string(&outcome.journal).unwrap();
    assert_eq!(text.matches("\"outcome\"").count(), first.changes.len());
    // The next run does the rest.
    let second = plan(&model.content(), &after());
    let work = Work::new(&second, None).unwrap();
    assert!(apply(root.path(), &work, &model, Box::new(model.clone())).is_complete());
    assert_eq!(model.content(), after());
}

#[test]
fn a_stop_does_not_wait_for_a_directory_that_asked_to_wait() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(Content::default());
    let cancel = Cancel::new();
    cancel.cancel();
    let plan = small();
    let work = Work::new(&plan, None).unwrap();
    let with = With { cancel: &cancel, progress: &mut Silent, around: Box::new(|disk| Box::new(disk)) };
    let outcome = apply_with(root.path(), &work, &model, Box::new(model.clone()), with);
    assert_eq!(outcome.count(Status::NotStarted), 5);
    assert!(model.log().is_empty());
}

#[test]
fn renames_and_later_changes_go_by_the_handle_of_the_moment() {
    for fault in [Fault::None, Fault::AnswerLost] {
        renamed(fault);
    }
}

/// What follows a rename finds the account, also where a read had to tell of the rename.
fn renamed(fault: Fault) {
    let root = tempfile::tempdir().unwrap();
    let mut content = Content::default();
    content.accounts.insert("li.na".into(), Account::default());
    content.groups.insert("g".into(), ["li.na".to_owned()].into());
    content.groups.insert("h".into(), [].into());
    let model = Model::new(content);
    let side = |key: &str, value: &str| Some(Side::from([(key.to_owned(), vec![value.to_owned()])]));
    let mut rename = change(2, Action::RenameAccount, Object::account("li.na"), vec![1]);
    (rename.before, rename.after) = (side("name", "li.na"), side("name", "li.wang"));
    let mut update = change(3, Action::UpdateAccount, Object::account("li.wang"), vec![2]);
    update.after = side("title", "Lead");
    let plan = no_plan(vec![
        change(1, Action::Revoke, Object::membership("g", "li.na"), vec![]),
        rename,
        update,
        change(4, Action::Grant, Object::membership("h", "li.wang"), vec![2]),
        change(5, Action::DisableAccount, Object::account("li.wang"), vec![3]),
    ]);
    let work = Work::new(&plan, None).unwrap();
    let faulty = Faulty::new(model.clone(), move |change| if change.id == 2 { fault } else { Fault::None });
    let outcome = apply(root.path(), &work, &model, Box::new(faulty));
    let told = results(&outcome);
    let rename = match fault {
        Fault::None => "2 done",
        _ => {
            "2 done: the connection was lost before the answer; a read shows the new name, but groups may still list the \
             old one: plan again"
        }
    };
    assert_eq!(told, ["1 done", rename, "3 done", "4 done", "5 done"]);
    let remembered = memory(&journal_folder(root.path())).unwrap().accounts;
    let account = &remembered[&("corp".to_owned(), "li.wang".to_owned())];
    assert_eq!((account.person.as_deref(), account.disabled), (Some("li.wang"), Some(Still.now())));
    assert!(!remembered.contains_key(&("corp".to_owned(), "li.na".to_owned())));
}

/// Counts batches by their size.
struct Counting(Model, Rc<RefCell<BTreeMap<u32, u32>>>);
impl accord::provider::Reader for Counting {
    fn read<'a>(
        &'a mut self,
        scope: &'a accord::provider::Scope,
        since: Option<&'a accord::provider::Cookie>,
    ) -> futures_util::future::LocalBoxFuture<'a, Result<accord::provider::Reading, accord::provider::ProviderError>>
    {
        self.0.read(scope, since)
    }
}
impl accord::provider::Writer for Counting {
    fn write<'a>(
        &'a self,
        steps: &'a [accord::provider::Step<'a>],
    ) -> futures_util::future::LocalBoxFuture<'a, Vec<accord::provider::Answer>> {
        *self.1.borrow_mut().entry(u32::try_from(steps.len()).unwrap()).or_default() += 1;
        self.0.write(steps)
    }
}

#[test]
fn memberships_of_one_group_travel_together() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(Content::default());
    let calls: Rc<RefCell<BTreeMap<u32, u32>>> = Rc::default();
    let mut changes = vec![change(1, Action::CreateGroup, Object::group("g"), vec![])];
    for id in 2..=33 {
        let name = format!("p{id}");
        changes.push(change(id, Action::CreateAccount, Object::account(&name), vec![]));
    }
    for id in 34..=65 {
        let name = format!("p{}", id - 32);
        changes.push(change(id, Action::Grant, Object::membership("g", name), vec![1, id - 32]));
    }
    let plan = no_plan(changes);
    let work = Work::new(&plan, None).unwrap();
    let writer = Counting(model.clone(), Rc::clone(&calls));
    assert!(apply(root.path(), &work, &model, Box::new(writer)).is_complete());
    // 33 single changes, and 32 memberships in batches of at most 8.
    assert_eq!(*calls.borrow(), BTreeMap::from([(1, 33), (8, 4)]));
}
