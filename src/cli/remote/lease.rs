//! The lease: one run at a time over all machines.
//!
//! Comes in: a remote, who asks, for how long. Goes out: leave to write, which lasts as long as
//! it is renewed in time. Refuses: to trust another machine's clock, to count on a lease that is
//! about to end, and to take one that somebody may still count on.
//!
//! The lease is a commit without history under one ref, so that every renewal is a new value.
//! Its holder counts from before the push that made it, on a clock that goes on while the
//! machine sleeps, and stops a part of the length before its end. Whoever waits counts from when
//! that value was seen first, on a clock of its own, and takes it no sooner than the length
//! and a quarter later. Every push names the value that it replaces, so of two who take it one
//! learns that it was not first, and a holder that wakes too late learns that as well.

use super::git::{Git, Trouble};
use super::journal::{Pack, Shared};
use crate::apply::Leave;
use crate::cli::clock;
use crate::cli::failure::Failure;
use crate::cli::terminal::Terminal;
use crate::record::store as disk;
use crate::record::{self, Holder};
use crate::render::escape;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The value of `format`.
const FORMAT: &str = "accord-lease/1";

/// Longest that somebody else's lease is believed to last, in seconds.
const LONGEST: u32 = crate::policy::journal::LENGTHS.1;

/// How long a question to the remote may take, in milliseconds.
pub(super) const PATIENCE: u64 = 60_000;

/// What stands under the ref.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    format: String,
    holder: Holder,
    /// How long it lasts without a renewal.
    seconds: u32,
    /// Whether it was given back.
    free: bool,
    /// Makes every value another one.
    nonce: String,
}

/// A remote and the names of its two refs.
#[derive(Debug)]
pub(in crate::cli) struct Remote {
    pub(super) git: Git,
    pub(super) branch: String,
    pub(super) lease: String,
    pub(super) seconds: u32,
    /// The root of the policies' repository.
    pub(super) root: PathBuf,
    /// What people call it.
    pub(super) name: String,
}

/// A lease that is held until it is dropped.
pub(in crate::cli) struct Lease {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    remote: Remote,
    holder: Holder,
    state: Mutex<State>,
    sure: Mutex<Sure>,
    changed: Condvar,
}

struct State {
    /// The value under the ref that is ours.
    value: String,
    /// Pushes of which nobody knows whether they arrived.
    tried: Vec<Tried>,
    /// What of the journal is shared; `None` before the two were compared: nothing is
    /// shared then.
    shared: Option<Shared>,
    ended: bool,
}

/// How sure the lease is. Asked at every step of every write, so nobody holds it for long.
struct Sure {
    /// Until when it lasts, by [`clock::since_boot`].
    until: u64,
    /// Why it is not ours any more.
    lost: Option<String>,
    /// What the last attempt to renew it met.
    trouble: Option<String>,
}

/// Why something is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    /// The journal, before the first write.
    Begin,
    /// The lease, and of the journal what is there, if that takes no time.
    Renewal,
    /// The journal; the lease is given back.
    Release,
}

/// Journals of runs above this are shared at their beginning and their end only, in bytes.
const LARGE: u64 = 4 << 20;

/// Whether the newest run's file is so large that a renewal would wait for it.
fn is_large(root: &Path) -> bool {
    let folder = record::journal_folder(root);
    let newest = record::newest(&folder).ok().flatten();
    let length = newest.and_then(|run| fs::metadata(disk::file_of(&folder, &run)).ok()).map_or(0, |about| about.len());
    length > LARGE
}

impl State {
    fn tip(&self) -> Option<&str> {
        self.shared.as_ref()?.tip()
    }
}

struct Tried {
    value: String,
    at: u64,
    pack: Option<Pack>,
}

/// Somebody else's lease, and since when it stands unchanged.
struct Seen {
    value: String,
    since: u64,
    written: Option<Written>,
}

impl Seen {
    fn is_free(&self) -> bool {
        self.written.as_ref().is_some_and(|written| written.free)
    }

    /// From when on it may be taken although nobody gave it back.
    fn ends(&self) -> u64 {
        let seconds = self.written.as_ref().map_or(LONGEST, |written| written.seconds.min(LONGEST));
        self.since + u64::from(seconds) * 1250
    }

    fn words(&self) -> String {
        match &self.written {
            Some(Written { holder: Holder { pid, host, since }, .. }) => {
                let host = host.as_deref().unwrap_or("another machine");
                format!("process {pid} on {} since {since}", escape::terminal(host))
            }
            None => "a run whose lease cannot be read".to_owned(),
        }
    }
}

impl Remote {
    /// Takes the lease. One that was not given back is waited for until it is certain that
    /// nobody counts on it; one that is renewed meanwhile only as long as `patience` says.
    ///
    /// # Errors
    /// When the remote is not reached, or another run goes on longer than that.
    pub(in crate::cli) fn take(
        self,
        terminal: Terminal,
        holder: Holder,
        patience: Option<Duration>,
    ) -> Result<Lease, Failure> {
        let begun = clock::since_boot();
        let most = patience.map(|patience| u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        let mut seen: Option<Seen> = None;
        loop {
            let refs = self.git.refs(&[&self.lease], clock::since_boot() + PATIENCE);
            let refs = refs.map_err(|trouble| self.unreachable(trouble))?;
            let now = clock::since_boot();
            let value = refs.get(&self.lease);
            let is_news = value.is_some_and(|value| seen.as_ref().is_none_or(|seen| seen.value != *value));
            if is_news && let Some(value) = value {
                let renewed = seen.is_some();
                let other = Seen { value: value.clone(), since: now, written: self.read(value) };
                if !other.is_free() {
                    if renewed && most.is_none() {
                        return Err(held(&other));
                    }
                    terminal.say(&format!("waiting: {} has the lease", other.words()));
                }
                seen = Some(other);
            }
            let may = value.is_none() || seen.as_ref().is_some_and(|seen| seen.is_free() || now >= seen.ends());
            if may {
                let at = clock::since_boot();
                let new = self.value(&holder, false).map_err(|trouble| self.unreachable(trouble))?;
                let deadline = at + u64::from(self.seconds) * 500;
                match self.git.push(&[(&self.lease, value.map(String::as_str), &new)], deadline) {
                    Ok(()) => return Ok(self.held(holder, new, at)),
                    Err(Trouble::Moved) => {}
                    Err(trouble) => return Err(self.unreachable(trouble)),
                }
            } else if let (Some(seen), Some(most)) = (&seen, most)
                && now >= begun + most
            {
                return Err(held(seen));
            }
            thread::sleep(Duration::from_millis(u64::from(self.seconds) * 25));
        }
    }

    fn held(self, holder: Holder, value: String, at: u64) -> Lease {
        let until = at + u64::from(self.seconds) * 1000;
        let state = State { value, tried: Vec::new(), shared: None, ended: false };
        let sure = Mutex::new(Sure { until, lost: None, trouble: None });
        let inner = Arc::new(Inner { remote: self, holder, state: Mutex::new(state), sure, changed: Condvar::new() });
        let own = Arc::clone(&inner);
        let thread = thread::Builder::new().name("lease".to_owned()).spawn(move || own.keep()).ok();
        Lease { inner, thread }
    }

    /// What stands in somebody's lease; `None` where it cannot be told.
    fn read(&self, value: &str) -> Option<Written> {
        let fetched = self.git.fetch(&self.lease, clock::since_boot() + PATIENCE).ok()?;
        let bytes = self.git.read(&format!("{fetched}:lease.json")).ok()?;
        let written: Written = serde_json::from_slice(&bytes).ok()?;
        (fetched == value && written.format == FORMAT).then_some(written)
    }

    /// A new value for the ref.
    fn value(&self, holder: &Holder, free: bool) -> Result<String, Trouble> {
        let chance = foldhash::quality::RandomState::default().hash_one((holder.pid, clock::since_boot()));
        let written = Written {
            format: FORMAT.to_owned(),
            holder: holder.clone(),
            seconds: self.seconds,
            free,
            nonce: format!("{chance:016x}"),
        };
        let bytes = serde_json::to_vec(&written).map_err(|error| Trouble::Failed(error.to_string()))?;
        let blob = self.git.blob(&bytes)?;
        self.git.commit(&[("lease.json".to_owned(), blob)].into(), None, "lease")
    }

    pub(super) fn unreachable(&self, trouble: Trouble) -> Failure {
        let (name, why) = (escape::terminal(&self.name), trouble.words());
        Failure::new(format!("the journal's remote `{name}` cannot be used: {}", escape::terminal(&why)))
            .help("nothing was changed; the lease and the record of a run are kept there (`journal.git`)")
    }
}

fn held(seen: &Seen) -> Failure {
    Failure::new(format!("another `accord apply` is running: {}", seen.words()))
        .help("wait for its end: --lock-timeout 10m")
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sure(&self) -> MutexGuard<'_, Sure> {
        self.sure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, why: &str) {
        self.sure().lost = Some(why.to_owned());
    }

    fn length(&self) -> u64 {
        u64::from(self.remote.seconds) * 1000
    }

    /// Renews at every third of the length, and more often where that did not work.
    fn keep(&self) {
        let mut state = self.lock();
        let is_lost = || self.sure().lost.is_some();
        while !state.ended && !is_lost() {
            let soon = if self.sure().trouble.is_some() { self.length() / 12 } else { self.length() / 3 };
            let waited = self.changed.wait_timeout(state, Duration::from_millis(soon));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !state.ended && !is_lost() {
                // What it met is remembered.
                drop(self.beat(&mut state, Beat::Renewal));
            }
        }
    }

    /// Shares what was journaled and renews the lease, or gives it back: both in one push, or
    /// none. So nobody who lost the lease writes into the shared journal.
    fn beat(&self, state: &mut State, beat: Beat) -> Result<(), String> {
        let done = self.attempt(state, beat);
        self.sure().trouble = done.as_ref().err().cloned();
        done
    }

    fn attempt(&self, state: &mut State, beat: Beat) -> Result<(), String> {
        // A second attempt where the first one's answer was lost and it had arrived.
        for _ in 0..2 {
            if let Some(why) = &self.sure().lost {
                return Err(why.clone());
            }
            let remote = &self.remote;
            let at = clock::since_boot();
            let value = remote.value(&self.holder, beat == Beat::Release).map_err(Trouble::words)?;
            let shared = state.shared.as_ref().filter(|_| beat != Beat::Renewal || !is_large(&remote.root));
            let pack = shared.map(|shared| shared.pack(remote)).transpose();
            let pack = pack.map_err(Trouble::words)?.flatten();
            let mut moves = vec![(remote.lease.as_str(), Some(state.value.as_str()), value.as_str())];
            if let Some(pack) = &pack {
                moves.push((remote.branch.as_str(), state.tip(), pack.commit()));
            }
            let patience = if beat == Beat::Renewal { self.length() / 2 } else { PATIENCE.max(self.length()) };
            match remote.git.push(&moves, at + patience) {
                Ok(()) => {
                    state.tried.clear();
                    return self.arrived(state, Tried { value, at, pack });
                }
                Err(Trouble::Moved) => {
                    let names = [remote.lease.as_str(), &remote.branch];
                    let refs = remote.git.refs(&names, at + self.length() / 2).map_err(Trouble::words)?;
                    let there = refs.get(&remote.lease);
                    let ours = state.tried.iter().position(|tried| Some(&tried.value) == there);
                    if let Some(n) = ours {
                        let tried = state.tried.swap_remove(n);
                        self.arrived(state, tried)?;
                    } else if there != Some(&state.value) {
                        self.lose("the lease is another run's by now");
                    } else if state.shared.is_some() && refs.get(&remote.branch).map(String::as_str) != state.tip() {
                        self.lose(&format!("somebody wrote to `{}` who has not the lease", remote.branch));
                    }
                }
                Err(Trouble::Failed(why)) => {
                    state.tried.push(Tried { value, at, pack });
                    return Err(why);
                }
            }
        }
        Err(self.sure().lost.clone().unwrap_or_else(|| Trouble::Moved.words()))
    }

    fn arrived(&self, state: &mut State, tried: Tried) -> Result<(), String> {
        state.value = tried.value;
        {
            let mut sure = self.sure();
            sure.until = sure.until.max(tried.at + self.length());
        }
        match (tried.pack, &mut state.shared) {
            (Some(pack), Some(shared)) => shared.shared(&self.remote, pack).map_err(Trouble::words),
            _ => Ok(()),
        }
    }

    /// The part of the length that is left, less what is kept back for a push, a pause of this
    /// process, and a write that is slow to end.
    fn left(&self) -> Result<u64, String> {
        let sure = self.sure();
        if let Some(why) = &sure.lost {
            return Err(why.clone());
        }
        let until = sure.until.saturating_sub(self.length() / 5);
        match until.checked_sub(clock::since_boot()) {
            Some(left) if left > 0 => Ok(left),
            _ => {
                let why = sure.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                Err(format!("the lease could not be renewed in time{why}"))
            }
        }
    }
}

impl Lease {
    /// Brings the journal here up to what is shared. Only the holder of the lease may: nobody
    /// else's run goes on meanwhile.
    ///
    /// # Errors
    /// When the remote is not reached, or its journal is not the one that was seen before.
    pub(in crate::cli) fn catch_up(&self) -> Result<(), Failure> {
        let mut state = self.inner.lock();
        state.shared = Some(super::journal::catch_up(&self.inner.remote)?);
        Ok(())
    }

    /// Shares the end of the run and gives the lease back.
    ///
    /// # Errors
    /// Why that is not possible.
    pub(in crate::cli) fn finish(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        let done = {
            let mut state = self.inner.lock();
            if state.ended {
                return Ok(());
            }
            state.ended = true;
            self.inner.beat(&mut state, Beat::Release)
        };
        self.inner.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.inner.remote.git.tidy();
        done
    }
}

impl Leave for Lease {
    fn begin(&self) -> Result<(), String> {
        let mut state = self.inner.lock();
        self.inner.beat(&mut state, Beat::Begin).map_err(|why| format!("nothing was sent: {why}"))
    }

    fn left(&self) -> Result<u64, String> {
        self.inner.left()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Who does not get it back waits for its end.
        drop(self.end());
    }
}
