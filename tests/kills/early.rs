//! Groups are confirmed while others are written, each after its own last change.

use super::story::{apply, change, no_plan, results};
use crate::support::model::{Account, Content, Model};
use accord::apply::Work;
use accord::model::{Action, Change, Object};
use accord::plan::{Plan, draft::words};
use accord::provider::{Answer, Cookie, ProviderError, Reader, Reading, Scope, Step, Writer};
use futures_util::future::LocalBoxFuture;
use std::cell::RefCell;
use std::rc::Rc;

const GROUPS: u32 = 60;

/// Two grants in each of sixty groups.
fn grants() -> (Content, Vec<Change>) {
    let (mut content, mut changes) = (Content::default(), Vec::new());
    for n in 0..GROUPS {
        content.accounts.insert(format!("p{n}"), Account::default());
        content.groups.insert(format!("g{n}"), [].into());
        for (id, member) in [(2 * n + 1, n), (2 * n + 2, (n + 1) % GROUPS)] {
            let object = Object::membership(format!("g{n}"), format!("p{member}"));
            changes.push(change(id, Action::Grant, object, vec![]));
        }
    }
    (content, changes)
}

/// What was asked and read, in order.
#[derive(Default)]
struct Told {
    /// How much was written when the question came, and what it was about.
    asked: Vec<(usize, Vec<Change>)>,
    /// Objects read in full.
    read: Vec<Object>,
}

/// Answers after a while, so that there is something in flight; says `Done` to the
/// change `lie` without doing it.
struct Asking {
    model: Model,
    told: Rc<RefCell<Told>>,
    lie: Option<u32>,
}

impl Reader for Asking {
    fn read<'a>(
        &'a mut self,
        scope: &'a Scope,
        since: Option<&'a Cookie>,
    ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>> {
        self.told.borrow_mut().read.extend(scope.only.clone().unwrap());
        self.model.read(scope, since)
    }
}

impl Writer for Asking {
    fn write<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<Answer>> {
        Box::pin(async move {
            let mut answers = Vec::new();
            for step in steps {
                tokio::task::yield_now().await;
                if self.lie == Some(step.change.id) {
                    answers.push(Answer::Done { handle: None });
                } else {
                    answers.extend(self.model.write(std::slice::from_ref(step)).await);
                }
            }
            answers
        })
    }

    fn confirm<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<bool>> {
        let asked = steps.iter().map(|step| step.change.clone()).collect();
        self.told.borrow_mut().asked.push((self.model.log().len(), asked));
        Box::pin(async move {
            tokio::task::yield_now().await;
            let content = self.model.content();
            let is_so = |step: &Step<'_>| {
                let Object { group: Some(group), account: Some(account), .. } = &step.change.object else { panic!() };
                content.groups[group].contains(account)
            };
            steps.iter().map(is_so).collect()
        })
    }
}

/// Applies `plan`; what was asked and read, and what came of the changes.
fn told(content: Content, plan: &Plan, lie: Option<u32>) -> (Told, Vec<String>, Model) {
    let root = tempfile::tempdir().unwrap();
    let model = Model::new(content);
    let told = Rc::<RefCell<Told>>::default();
    let writer = Asking { model: model.clone(), told: Rc::clone(&told), lie };
    let work = Work::new(plan, None).unwrap();
    let outcome = apply(root.path(), &work, &model, Box::new(writer));
    let text = std::fs::read_to_string(&outcome.journal).unwrap();
    assert_eq!(text.matches("\"verified\"").count(), 1, "{text}");
    (told.take(), results(&outcome), model)
}

/// Ids of what was asked about, sorted.
fn ids(told: &Told) -> Vec<u32> {
    let mut ids: Vec<u32> = told.asked.iter().flat_map(|(_, asked)| asked).map(|change| change.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn groups_are_confirmed_while_others_are_written() {
    let (content, changes) = grants();
    let (told, results, model) = told(content, &no_plan(changes.clone()), None);
    assert!(results.iter().all(|result| result.ends_with(" done")), "{results:#?}");
    assert!(told.read.is_empty(), "what is confirmed is not read: {:?}", told.read);
    assert_eq!(ids(&told), (1..=2 * GROUPS).collect::<Vec<_>>(), "each once");
    let first = told.asked.first().unwrap().0;
    assert!(first < changes.len(), "the first question came after all {first} writes");
    // Whatever was asked about, all of its group was written before.
    let log = model.log();
    for (written, asked) in &told.asked {
        for change in changes.iter().filter(|c| asked.iter().any(|a| a.object.group == c.object.group)) {
            assert!(
                log[..*written].contains(&words(change)),
                "{} was asked about before it was written",
                words(change)
            );
        }
    }
}

#[test]
fn what_an_early_question_does_not_show_is_read() {
    let (content, changes) = grants();
    let (told, results, _) = told(content, &no_plan(changes), Some(1));
    assert_eq!(results[0], "1 not-in-effect: not in effect: it was acknowledged, but `p0` is no member of `g0`");
    assert!(results[1..].iter().all(|result| result.ends_with(" done")), "{results:#?}");
    assert_eq!(told.read, [Object::group("g0")]);
    assert_eq!(ids(&told), (1..=2 * GROUPS).collect::<Vec<_>>(), "each once");
}

/// A rename may touch groups that it does not name: then everything is asked at the end.
#[test]
fn beside_anything_else_the_questions_come_after_the_writes() {
    let (mut content, mut changes) = grants();
    content.accounts.insert("old".into(), Account::default());
    changes.push(change(2 * GROUPS + 1, Action::DisableAccount, Object::account("old"), vec![]));
    let all = changes.len();
    let (told, results, _) = told(content, &no_plan(changes), None);
    assert!(results.iter().all(|result| result.ends_with(" done")), "{results:#?}");
    assert_eq!(told.asked.iter().map(|(written, _)| *written).collect::<Vec<_>>(), [all]);
    assert_eq!(told.read, [Object::account("old")]);
}

/// Whether the directory itself ends a membership, only a read tells.
#[test]
fn a_membership_that_the_directory_ends_is_read() {
    let (content, mut changes) = grants();
    let end = "2027-01-01T00:00:00Z".to_owned();
    changes[0].after = Some([("ends".to_owned(), vec![end])].into_iter().collect());
    let (told, _, _) = told(content, &no_plan(changes), None);
    assert!(told.read.contains(&Object::group("g0")), "{:?}", told.read);
    assert!(!told.asked.is_empty(), "groups before it are asked about early, as ever");
}
