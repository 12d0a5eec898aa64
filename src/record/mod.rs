//! WHAT WAS DONE: the journal, the lock, the memory of earlier runs.
//!
//! Comes in: intents and outcomes of `apply`. Goes out: an append-only, hash-chained
//! file per run, and what earlier runs know. Refuses: personal values and secrets
//! (ids and digests only), rewriting anything that was written, and a second run
//! beside the first.
//!
//! * [`entry`]: what one line says.
//! * [`journal`]: how lines are written, committed and continued after a kill.
//! * [`store`]: the bytes on disk: one file per run and the head file.
//! * [`chain`]: whether the lines are still the ones that were written.
//! * [`memory()`]: what earlier runs leave for the next plan.
//! * `digest`: the same in one file, held by the chain.
//! * [`written()`]: since when somebody is a member, by what runs wrote.
//! * [`mod@merge`]: the journal here beside the one that machines share.
//! * [`lock`]: one apply at a time.
//! * [`applied`]: the last apply that went through.

pub mod applied;
pub mod chain;
mod digest;
pub mod entry;
pub mod journal;
pub mod lock;
pub mod memory;
pub mod merge;
pub mod store;
pub mod written;

pub use applied::{Applied, approved, dated_since, last_applied, last_commit, newest, nothing_left, of_plan};
pub use chain::{Finding, Report, verify};
pub use entry::{Approved, Record, Status};
pub use journal::{Journal, JournalError, Start};
pub use lock::{Holder, Lock, LockError};
pub use memory::{memory, memory_at};
pub use store::{Disk, Head, Store};
pub use written::{Membership, Written, written};

use std::path::{Path, PathBuf};

/// Folder of everything that accord keeps beside the policies, below the root of
/// the repository.
pub const FOLDER: &str = ".accord";

/// Folder of the journal: one file per run, and the head file.
pub fn journal_folder(root: &Path) -> PathBuf {
    root.join(FOLDER).join("journal")
}
