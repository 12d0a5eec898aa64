//! Faults around a directory's writer: it fails, delays and loses answers, and
//! does nothing else.

use accord::model::Change;
use accord::provider::{Answer, Cookie, ProviderError, Reader, Reading, Scope, Step, Writer};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::cell::RefCell;
use std::rc::Rc;

/// What happens to one change on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The directory says no.
    Refuse,
    /// Busy: nothing was done.
    Busy,
    /// No, for no reason that lies in the change.
    Unwilling,
    /// The connection is gone: nothing was done.
    Broken,
    /// It was done, and the answer is lost.
    AnswerLost,
    /// It was not done, and no answer comes.
    RequestLost,
    /// It was not done, and the directory says that it was.
    Lie,
}

/// Chooses a fault for a change; asked once per attempt.
pub(crate) type Choose = Rc<RefCell<dyn FnMut(&Change) -> Fault>>;

/// The writer with faults.
pub(crate) struct Faulty<W> {
    inner: W,
    choose: Choose,
    /// Reads that fail before the next one succeeds.
    pub(crate) failing_reads: Rc<RefCell<u32>>,
}

impl<W: Writer> Faulty<W> {
    pub(crate) fn new(inner: W, choose: impl FnMut(&Change) -> Fault + 'static) -> Self {
        Self { inner, choose: Rc::new(RefCell::new(choose)), failing_reads: Rc::default() }
    }
}

impl<W: Writer> Reader for Faulty<W> {
    fn read<'a>(
        &'a mut self,
        scope: &'a Scope,
        since: Option<&'a Cookie>,
    ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>> {
        let failing = self.failing_reads.replace_with(|left| left.saturating_sub(1)) > 0;
        if failing {
            let error = ProviderError {
                directory: "corp".to_owned(),
                operation: "read".to_owned(),
                message: "connection refused".to_owned(),
                help: Vec::new(),
            };
            return async move { Err(error) }.boxed_local();
        }
        self.inner.read(scope, since)
    }
}

impl<W: Writer> Writer for Faulty<W> {
    fn write<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<Answer>> {
        async move {
            let faults: Vec<Fault> = steps.iter().map(|step| (self.choose.borrow_mut())(step.change)).collect();
            let reaches = |fault: &Fault| matches!(fault, Fault::None | Fault::AnswerLost);
            let passed: Vec<Step<'_>> =
                steps.iter().zip(&faults).filter(|(_, fault)| reaches(fault)).map(|(step, _)| step.clone()).collect();
            let mut answers = if passed.is_empty() { Vec::new() } else { self.inner.write(&passed).await }.into_iter();
            let why = |text: &str| text.to_owned();
            let answer = |fault: &Fault| match fault {
                Fault::None => answers.next().unwrap(),
                Fault::AnswerLost => {
                    answers.next().unwrap();
                    Answer::Unknown { why: why("the connection was lost before the answer") }
                }
                Fault::RequestLost => Answer::Unknown { why: why("no answer within 60 s") },
                Fault::Refuse => Answer::Refused { why: why("insufficientAccess (50)") },
                Fault::Busy => Answer::Retry { after_ms: 1, why: why("busy (51)") },
                Fault::Unwilling => Answer::Unwilling { why: why("unwillingToPerform (53)") },
                Fault::Broken => Answer::Broken { why: why("connection refused") },
                Fault::Lie => Answer::Done { handle: None },
            };
            faults.iter().map(answer).collect()
        }
        .boxed_local()
    }
}
