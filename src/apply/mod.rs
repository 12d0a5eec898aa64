//! MAKE IT SO: the only caller of `Writer::write`.
//!
//! Comes in: a plan (and the one that was reviewed), a writer per directory, a
//! journal, a clock. Goes out: exactly one result for every change. Refuses: a
//! plan that is not derived identically again, to send anything that the journal
//! does not hold, and to take an acknowledgement for an effect.
//!
//! Everything runs on one thread. A change is sent when all it needs is done;
//! independent ones travel side by side, as many as the directory bears. A failure
//! stops only what needs it. An answer that did not come is settled by a read, and
//! so is, once for every touched object, what was acknowledged.
//!
//! * [`Work`]: what is executed, and its graph.
//! * `schedule`: what may go next, what came of everything.
//! * `lane`: one directory: batches, window, patience.
//! * `run`: the loop.
//! * `answers`: what an answer leads to.
//! * `readback`: what was not answered, and what was acknowledged, is read.
//! * `early`: groups that are confirmed while others are still written.
//! * `effect`: what a read proves.
//! * `names`: handles of what was created or renamed meanwhile.

mod answers;
mod early;
mod effect;
mod lane;
mod names;
mod readback;
mod run;
mod schedule;
mod window;
mod work;

pub use effect::Found;
pub use work::{IN_EFFECT, Work};

use crate::model::{Change, Instant};
use crate::provider::{Capabilities, Kind, Observed, Writer};
use crate::record::{Journal, JournalError, Status};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Carries out `request` and says what became of every change. Start the journal
/// (and take the lock) first. Needs a tokio runtime with its timer.
///
/// # Errors
/// When the journal's first commit fails: nothing was sent then. A later failure
/// of the journal ends the run early and is told in [`Outcome::stopped`].
pub async fn execute<'p>(request: Request<'_, 'p>) -> Result<Outcome<'p>, JournalError> {
    run::execute(request).await
}

/// Everything that one apply needs.
pub struct Request<'a, 'p> {
    /// What is executed.
    pub work: &'a Work<'p>,
    /// Every directory that the plan changes.
    pub directories: Vec<Target<'a>>,
    /// The run's journal.
    pub journal: &'a mut Journal,
    /// The time for the journal.
    pub clock: &'a dyn Clock,
    /// Set when a person or a supervisor wants the run to end.
    pub cancel: &'a Cancel,
    /// Told of everything that happens.
    pub progress: &'a mut dyn Progress,
    /// How long a directory that is away or busy is waited for.
    pub patience: Patience,
    /// Leave to write; `None` where no other machine has to be kept out.
    pub leave: Option<&'a dyn Leave>,
}

/// One directory to write to.
pub struct Target<'a> {
    /// Name in the policy.
    pub name: &'a str,
    /// Its pure part.
    pub kind: &'a dyn Kind,
    /// What this very server can do: the reading's, where it says so, otherwise the kind's.
    pub capabilities: Capabilities,
    /// What the plan was derived from: names and handles.
    pub observed: &'a Observed,
    /// The writer. Its `read` connects again where the connection is gone.
    pub writer: Box<dyn Writer + 'a>,
}

/// The time, passed in.
pub trait Clock {
    /// Now, UTC, for the journal.
    fn now(&self) -> Instant;
    /// Milliseconds since any fixed point, never going back: for the time a run takes.
    fn millis(&self) -> u64;
}

/// Leave to write, which may end while a run lasts.
pub trait Leave {
    /// Makes everything that was journaled so far known to other machines. Asked once, when
    /// the intents of the whole plan are journaled and nothing was sent.
    ///
    /// # Errors
    /// Why that is not possible; nothing is sent then.
    fn begin(&self) -> Result<(), String>;

    /// For how many milliseconds a write that is sent now may take.
    ///
    /// # Errors
    /// Why nothing may be sent any more.
    fn left(&self) -> Result<u64, String>;
}

/// Told of everything that happens, in the order in which it happens.
pub trait Progress {
    /// The run begins: so many changes, of which so many are settled already.
    fn started(&mut self, _changes: usize, _settled: usize) {}
    /// A change has its result.
    fn settled(&mut self, _change: &Change, _status: Status, _why: Option<&str>) {}
    /// A directory is given time before the next attempt.
    fn waiting(&mut self, _directory: &str, _why: &str, _milliseconds: u64) {}
    /// Objects are read back.
    fn reading(&mut self, _directory: &str, _objects: usize) {}
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

/// A wish that the run ends: what is in flight is finished, the rest is recorded
/// as not started.
#[derive(Debug, Default)]
pub struct Cancel {
    wanted: AtomicBool,
    notify: Notify,
}

impl Cancel {
    /// Nobody wants the run to end yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The run is to end.
    pub fn cancel(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
        self.notify.notify_one();
    }

    /// Whether it is.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Resolves when it is.
    pub async fn wanted(&self) {
        while !self.is_wanted() {
            self.notify.notified().await;
        }
    }
}

/// How long a directory that is away, busy or silent is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts before a change, a read or a directory is given up.
    pub attempts: u32,
    /// Milliseconds before the second attempt; three times as many before each next.
    pub first_ms: u64,
    /// No wait is longer than so many milliseconds, whatever a directory asks for.
    pub longest_ms: u64,
}

impl Default for Patience {
    /// Five attempts over about eight seconds; a directory may ask for a minute.
    fn default() -> Self {
        Self { attempts: 5, first_ms: 200, longest_ms: 60_000 }
    }
}

impl Patience {
    /// The wait after the `failed`th failed attempt, in milliseconds.
    pub(crate) fn wait(self, failed: u32) -> u64 {
        self.first_ms.saturating_mul(3u64.saturating_pow(failed.saturating_sub(1))).min(self.longest_ms)
    }
}

/// What became of everything.
#[derive(Debug, Clone)]
pub struct Outcome<'p> {
    /// Id of the run.
    pub run: String,
    /// Its file.
    pub journal: PathBuf,
    /// One result per change, in the plan's order.
    pub results: Vec<Settled<'p>>,
    /// Status → number of changes.
    pub totals: BTreeMap<Status, u64>,
    /// Acknowledged changes whose object could not be read back: directory → why.
    pub not_read: BTreeMap<String, String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Why the run ended before its plan did.
    pub stopped: Option<String>,
}

impl Outcome<'_> {
    /// Whether every change is done.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.results.iter().all(|result| result.status.is_done())
    }

    /// Number of changes with that status.
    pub fn count(&self, status: Status) -> u64 {
        self.totals.get(&status).copied().unwrap_or(0)
    }
}

/// The only result of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled<'p> {
    /// The change.
    pub change: &'p Change,
    /// What became of it.
    pub status: Status,
    /// Why, where it is not done.
    pub why: Option<String>,
}
