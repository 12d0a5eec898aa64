//! WHAT IS: the contract that every kind of directory fulfils, and the one place
//! that knows all kinds.
//!
//! Comes in: a directory's settings and, for connections, resolved secrets. Goes
//! out: capabilities, complete or honestly incomplete readings, answers to writes.
//! Refuses: to compare, order, limit, retry or print: the core does that, once.
//!
//! Three roles. A [`Kind`] is pure and has no credentials. A [`Reader`] is all that
//! planning ever holds. A [`Writer`] is held by `apply` alone.

pub mod active_directory;
pub mod connect;
pub mod dn;
mod ends;
pub mod entries;
pub mod forge;
pub mod http;
pub mod identities;
pub mod ldap;
pub mod ldif;
pub mod observe;
mod tls;
mod transport;

pub use ends::{ACCOUNTS, EndsItself, MEMBERSHIPS, TOLERANCE, same_end};
pub use identities::{Delta, Gone, Identities, ObjectId};
pub use observe::Observed;

use crate::model::{Action, Change, Instant, Matching, Object, State};
use crate::policy::settings::Directory;
use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What a kind of directory can do. The default is: nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not the states of one thing")]
pub struct Capabilities {
    /// Actions that a writer of this kind can carry out.
    pub actions: Vec<Action>,
    /// How account and group names compare.
    pub names: Matching,
    /// Whether an account can be disabled at all (ppolicy, or a configured attribute).
    pub disable: bool,
    /// Whether the first password of a new account is an operation of its own, which can
    /// be lost although the account is there.
    pub password_apart: bool,
    /// Whether the directory itself can hold the end of an account.
    pub native_end: bool,
    /// What ends there by itself, without accord, where an end is written.
    pub ends_itself: EndsItself,
    /// Whether a new account cannot be used until a change of its own enables it.
    pub created_disabled: bool,
    /// Whether a group may be empty as far as the core is concerned (a kind that
    /// hides a placeholder says yes).
    pub empty_groups: bool,
    /// Whether groups can hold groups.
    pub nesting: bool,
    /// What a batch may be made of.
    pub batch: Batch,
    /// How many batches may be in flight at once, at least 1.
    pub in_flight: usize,
    /// Whether writing the same change twice does no harm.
    pub repeat: Repeat,
    /// Whether the directory knows who changed an object and when.
    pub knows_author: bool,
    /// Whether it records single changes, which [`Reader::recorded`] tells.
    pub records_changes: bool,
    /// Whether a read can go on from an earlier one, where the very server can tell what
    /// changed since.
    pub resume: bool,
}

/// What one call of [`Writer::write`] may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batch {
    /// One change.
    #[default]
    Single,
    /// Grants and revokes of one group, up to so many.
    PerGroup(usize),
    /// Anything, up to so many (a file that is written whole).
    Any(usize),
}

/// What happens when a change is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// It must not be: only after a read proves it undone.
    #[default]
    Once,
    /// The second is a harmless success.
    Idempotent,
    /// The second is refused as a conflict.
    CompareAndSwap,
}

/// Something desired that this kind cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The account or group.
    pub object: Object,
    /// What cannot be said, and what to do.
    pub why: String,
}

/// What is read.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Directory attributes of accounts that are compared.
    pub account_attributes: Vec<Box<str>>,
    /// Directory attributes of groups that are compared, beside `description`.
    pub group_attributes: Vec<Box<str>>,
    /// Only these objects, read directly and afresh; `None` is everything.
    pub only: Option<Vec<Object>>,
    /// Whether to ask who changed each object last, and when.
    pub authors: bool,
    /// Whether a later read wants to go on from this one: ids and a cookie are asked for
    /// where the directory has them.
    pub resume: bool,
    /// Members of no account and no group here: what they are is asked
    /// ([`Reading::protected`]), and nothing else is read. Empty in any other read.
    pub strangers: Vec<Object>,
}

/// Where an incremental read goes on. Opaque to the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie(pub Vec<u8>);

/// An object, or a whole sort of objects, that was not read completely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What.
    pub scope: GapScope,
    /// Why, with what to do next, in the words of the directory.
    pub why: String,
}

/// How much is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapScope {
    /// Everything: nothing of this directory is known for sure.
    Directory,
    /// The set of accounts: absence of an account proves nothing.
    Accounts,
    /// The set of groups: absence of a group proves nothing.
    Groups,
    /// The members of one group, by name.
    Group(String),
    /// One account, by name.
    Account(String),
}

/// Who last changed an object, as the directory itself records it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Author {
    /// Account or group.
    pub object: Object,
    /// Who (`modifiersName`).
    pub by: Option<String>,
    /// When (`modifyTimestamp`).
    pub at: Option<Instant>,
}

/// What a directory recorded about one single change: when, and where it was made first.
/// Who made it, such a record does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When.
    pub at: Instant,
    /// On which server.
    pub on: String,
}

/// Something that the directory itself keeps for itself: nothing that accord could
/// change, or should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protected {
    /// An account, a group, one membership of an account or one other member.
    pub object: Object,
    /// Why, in the words of the directory.
    pub why: String,
}

/// What a read brought. A full read is a delta from nothing.
///
/// A read from a cookie on holds whole objects, new or changed; members that it cannot
/// resolve by itself are others, as the directory writes them. [`observe::merge`] puts it
/// onto what was there. Its cookie may be older than what it holds, never newer: reading
/// an object twice does no harm.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Accounts and groups that are new or changed since the cookie.
    pub upserts: State,
    /// Objects that are gone since the cookie.
    pub deletes: Vec<Object>,
    /// What was not read completely. Empty is the claim of completeness.
    pub gaps: Vec<Gap>,
    /// What proves completeness, for people: `41 pages`, `contextCSN unchanged`.
    pub evidence: Vec<String>,
    /// Authors of the objects read, where the kind knows them and was asked.
    pub authors: Vec<Author>,
    /// Groups that hold the placeholder that keeps them from being empty, by name, where
    /// the kind hides one; `None`: nobody knows.
    pub placeholders: Option<Vec<Box<str>>>,
    /// What the directory itself protects, sorted.
    pub protected: Vec<Protected>,
    /// Where the next incremental read may go on.
    pub cookie: Option<Cookie>,
    /// Beside `upserts`, where the next read may go on.
    pub identities: Option<Identities>,
    /// What is gone, in a read from a cookie on; `None`: this is everything.
    pub delta: Option<Delta>,
    /// Which server this is of, where a directory has several.
    pub served: Option<Served>,
    /// What people should know of how it was reached: servers that were passed over, and why.
    pub notes: Vec<String>,
    /// Why the cookie could not be used. Nothing else counts then: a full read is needed.
    pub refused: Option<String>,
    /// What this very server can do, where asking it told more than the settings:
    /// counts instead of [`Kind::capabilities`].
    pub capabilities: Option<Capabilities>,
}

/// Which of a directory's servers answered. A run writes to the one that it read from:
/// what another one holds may be older, and its change counter is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The URL of the settings.
    pub url: String,
    /// The address behind it; none of a local socket.
    pub address: Option<SocketAddr>,
    /// What the server calls itself, where it does (`dsServiceName`): a name in a URL may
    /// lead to several.
    pub name: Option<String>,
}

/// A read or a connection that failed altogether.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{directory}: {operation}: {message}")]
pub struct ProviderError {
    /// Name of the directory in the policy.
    pub directory: String,
    /// What was tried: `connect`, `bind as cn=accord,…`, `search ou=people,…`.
    pub operation: String,
    /// What came back, in the directory's words and ours.
    pub message: String,
    /// What to do next.
    pub help: Vec<String>,
}

/// A change together with what the writer needs to find its objects.
#[derive(Debug, Clone)]
pub struct Step<'c> {
    /// The change.
    pub change: &'c Change,
    /// Handle of the account or group that is changed; `None` when it is created.
    pub handle: Option<String>,
    /// Handle of the member that is granted or revoked.
    pub member: Option<String>,
    /// Whether the group of a membership was seen to hold its placeholder; `None`: unknown.
    pub placeholder: Option<bool>,
}

/// The answer to one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Acknowledged. The handle of the object, where the change made or moved one.
    Done {
        /// New handle.
        handle: Option<String>,
    },
    /// Done, but not all that goes with it: the change counts as done, and the rest is told.
    Partly {
        /// New handle.
        handle: Option<String>,
        /// What is left as it was, why, and where.
        why: String,
    },
    /// Accepted, in effect later.
    Pending,
    /// Not done, and no reason is given that lies in the change: either the directory has
    /// too much to do, or it will never do it. Worth one more attempt, later.
    Unwilling {
        /// Its words.
        why: String,
    },
    /// Not done; may be tried again after so many milliseconds.
    Retry {
        /// Wait at least so long.
        after_ms: u64,
        /// Why.
        why: String,
    },
    /// `before` no longer holds: somebody was faster.
    Conflict {
        /// What is there instead.
        why: String,
    },
    /// The directory refuses this change.
    Refused {
        /// Its words, and what is needed.
        why: String,
    },
    /// The connection is gone; this change was certainly not done.
    Broken {
        /// Why.
        why: String,
    },
    /// No answer came: done or not, only a read can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

/// The pure part of a kind, made from settings, without credentials.
pub trait Kind {
    /// What directories of these settings can do.
    fn capabilities(&self) -> &Capabilities;
    /// The attributes to read for the comparison.
    fn scope(&self) -> Scope;
    /// The handle that a new account of that name gets.
    fn account_handle(&self, name: &str) -> String;
    /// The same where that account belongs below one of several bases, as the settings
    /// write it.
    fn account_handle_in(&self, name: &str, _base: &str) -> String {
        self.account_handle(name)
    }
    /// The base, as the settings write it, that an account with that handle stands below;
    /// `None` where there are not several.
    fn base_of(&self, _handle: &str) -> Option<&str> {
        None
    }
    /// The handle of an account after it went below another base and, where one is
    /// given, got another name.
    fn moved(&self, handle: &str, _base: &str, _name: Option<&str>) -> String {
        handle.to_owned()
    }
    /// The handle that a new group of that name gets.
    fn group_handle(&self, name: &str) -> String;
    /// The account attribute that carries the person's `id`, which a state holds apart
    /// from the compared attributes.
    fn id_attribute(&self) -> Option<&str> {
        None
    }
    /// Whether values of that account attribute are names of other accounts.
    fn names_accounts(&self, _attribute: &str) -> bool {
        false
    }
    /// How values of that account or group attribute compare.
    fn matching(&self, attribute: &str) -> Matching;
    /// What of `desired` this kind cannot express: never a silent drop.
    fn fit(&self, desired: &State) -> Vec<Unfit>;
}

/// All that planning ever holds of a live directory.
pub trait Reader {
    /// Reads what `scope` names, from `since` on if given.
    ///
    /// # Errors
    /// When nothing useful was read; a partial read is a [`Reading`] with gaps.
    fn read<'a>(
        &'a mut self,
        scope: &'a Scope,
        since: Option<&'a Cookie>,
    ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>>;

    /// Whether the last read failed without a word from the directory about what it
    /// holds: it was not reached, took nobody for accord, or went away.
    fn said_nothing(&self) -> bool {
        false
    }

    /// What the directory recorded about the latest change of just what each step is
    /// about, one answer each; where it keeps no such records, nothing.
    ///
    /// # Errors
    /// When no connection could be made.
    fn recorded<'a>(
        &'a mut self,
        steps: &'a [Step<'a>],
    ) -> LocalBoxFuture<'a, Result<Vec<Option<Recorded>>, ProviderError>> {
        Box::pin(std::future::ready(Ok(vec![None; steps.len()])))
    }
}

/// Held by `apply` alone.
pub trait Writer: Reader {
    /// Writes one batch (as [`Capabilities::batch`] allows) and answers each change.
    /// Takes `&self`: batches run side by side.
    fn write<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<Answer>>;

    /// Whether the last attempt to reach the directory failed.
    fn is_away(&self) -> bool {
        false
    }

    /// Asks the directory about a few of a group's memberships, where that takes less
    /// than reading the group: whether each grant or revoke, one answer each, is shown
    /// to be in effect now. `false` is no answer: the group is to be read.
    fn confirm<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<bool>> {
        Box::pin(std::future::ready(vec![false; steps.len()]))
    }
}

/// What a connection needs beside the settings; resolved by `cli`.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Password of the bind.
    pub password: Option<SecretString>,
    /// Password that new accounts get.
    pub initial_password: Option<SecretString>,
    /// Private key of the certificate that accord shows, in PEM.
    pub client_key: Option<SecretString>,
    /// Directory against which `file` and `ca` are resolved (the repository's root).
    pub root: PathBuf,
}

/// Which of the two binds a connection uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `plan_bind` where written, otherwise `bind`.
    Plan,
    /// `bind`.
    Apply,
}

/// One directory as the factory needs it.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Name and settings.
    pub directory: &'a Directory,
    /// Secrets and root.
    pub credentials: Credentials,
    /// Which bind.
    pub purpose: Purpose,
}

/// Whether a host, as URLs write it, is this machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
