//! Directories that speak LDAP (RFC 4511): OpenLDAP and its relatives, and the domain
//! controllers of Active Directory, whose peculiarities are in `active`.
//!
//! Comes in: settings, a password. Goes out: readings with evidence, answers to
//! writes. Refuses: unverified TLS, clear text beyond loopback, anything but success
//! as completeness, credential attributes.
//!
//! One [`Directory`] is one multiplexed connection to one of the servers, made at the
//! first use and made again, to the same server, after it broke.

mod above;
mod active;
mod asleep;
mod bases;
mod capabilities;
mod changelog;
mod confirm;
mod connect;
mod dirsync;
mod endpoint;
mod errors;
mod guard;
#[cfg(feature = "gssapi")]
mod kerberos;
mod link;
mod link_ends;
mod members;
mod metadata;
mod probe;
mod read;
mod references;
mod refresh;
mod rename;
mod rights;
mod search;
mod sync;
mod touched;
mod watch;
mod write;

use self::connect::Plug;
use self::errors::Site;
use self::link::{Link, Open};
use super::entries::{EntryKind, Schema};
use super::{
    Answer, Capabilities, Cookie, Kind, ProviderError, Purpose, Reader, Reading, Recorded, Scope, Served, Step, Target,
    Writer,
};
use crate::policy::settings;
use futures_util::future::{FutureExt, LocalBoxFuture};
use secrecy::SecretString;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Entries per page where the settings say nothing.
const PAGE_SIZE: u32 = 1000;

/// What is said of an answer that the LDAP library cannot take.
const NOT_LDAP: &str = "the server sent something that is not LDAP";

/// The pure part: what the settings promise.
///
/// # Errors
/// When the settings cannot be used.
pub fn kind(directory: &settings::Directory) -> Result<EntryKind, ProviderError> {
    let schema = Schema::new(directory, true)?;
    let mut capabilities = capabilities::promised(&schema);
    capabilities.password_apart = directory.settings.accounts.initial_password.is_some() && !schema.is_active();
    Ok(EntryKind::new(schema, capabilities))
}

/// A live LDAP directory: reader and writer.
pub struct Directory {
    plug: Plug,
    schema: Schema,
    promised: Capabilities,
    page_size: u32,
    initial_password: Option<SecretString>,
    hasher: foldhash::quality::RandomState,
    link: Mutex<Link>,
    /// Whether only the server that was named may be spoken to.
    is_bound: bool,
    groups: members::Placeholders,
}

impl Directory {
    /// Checks the settings. Connects at the first use.
    ///
    /// # Errors
    /// When the settings or the certificates cannot be used.
    pub fn new(target: &Target<'_>) -> Result<Self, ProviderError> {
        Self::at(target, None)
    }

    /// The same, speaking to that server alone.
    ///
    /// # Errors
    /// As [`Directory::new`].
    pub fn at(target: &Target<'_>, served: Option<&Served>) -> Result<Self, ProviderError> {
        let kind = kind(target.directory)?;
        let page_size = target.directory.settings.page_size.unwrap_or(PAGE_SIZE).max(1);
        Ok(Self {
            plug: Plug::new(target)?,
            promised: kind.capabilities().clone(),
            schema: kind.schema().clone(),
            page_size,
            initial_password: target.credentials.initial_password.clone(),
            hasher: foldhash::quality::RandomState::default(),
            link: Mutex::new(Link::to(served)),
            is_bound: served.is_some() || target.purpose == Purpose::Apply,
            groups: members::Placeholders::default(),
        })
    }

    fn site(&self) -> &Site {
        &self.plug.site
    }

    /// Says goodbye to the server.
    pub async fn close(self) {
        let open = self.link.lock().await.open.take().and_then(Arc::into_inner);
        if let Some(open) = open {
            open.session.close().await;
        }
    }
}

impl Directory {
    /// Runs `work`; the LDAP library panics on some malformed answers, and a hostile
    /// server must not be able to end the run. The connection is not used again.
    async fn contained<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let outcome = AssertUnwindSafe(work).catch_unwind().await.ok();
        if outcome.is_none() {
            self.link.lock().await.open = None;
        }
        outcome
    }

    async fn read_scope(&self, open: &Open, scope: &Scope, since: Option<&Cookie>) -> Result<Reading, ProviderError> {
        let Open { session, server, schema, .. } = open;
        if !scope.strangers.is_empty() {
            let asked = schema.is_active();
            let protected = if asked { active::strangers(session, &scope.strangers).await } else { Vec::new() };
            return Ok(Reading { protected, ..Reading::default() });
        }
        match (since, &scope.only) {
            (Some(cookie), _) => Ok(self.read_since(session, server, schema, scope, cookie).await),
            (None, None) => {
                let mut reading = self.read_all(session, server, schema, scope).await?;
                if schema.is_active() {
                    let found = active::strangers(session, &active::unknown(&reading.upserts)).await;
                    reading.protected.extend(found);
                    reading.protected.sort();
                }
                Ok(reading)
            }
            (None, Some(only)) => self.read_some(session, server, schema, scope, only).await,
        }
    }

    async fn read_any(&self, scope: &Scope, since: Option<&Cookie>) -> Result<Reading, ProviderError> {
        match (since, &scope.only) {
            (Some(cookie), _) => self.read_on(scope, cookie).await,
            (None, None) => self.read_whole(scope).await,
            (None, Some(_)) => self.read_open(&*self.open().await?, scope, None).await,
        }
    }
}

impl Reader for Directory {
    fn read<'a>(
        &'a mut self,
        scope: &'a Scope,
        since: Option<&'a Cookie>,
    ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>> {
        Box::pin(async move {
            self.contained(self.read_any(scope, since)).await.unwrap_or_else(|| {
                let help = vec!["check that `url` names an LDAP server".to_owned()];
                Err(self.site().error("read", NOT_LDAP, help))
            })
        })
    }

    fn said_nothing(&self) -> bool {
        self.link.try_lock().is_ok_and(|link| link.is_gone())
    }

    fn recorded<'a>(
        &'a mut self,
        steps: &'a [Step<'a>],
    ) -> LocalBoxFuture<'a, Result<Vec<Option<Recorded>>, ProviderError>> {
        Box::pin(async move {
            let unknown = || Ok(vec![None; steps.len()]);
            self.contained(self.recorded_of(steps)).await.unwrap_or_else(unknown)
        })
    }
}

impl Directory {
    async fn recorded_of(&self, steps: &[Step<'_>]) -> Result<Vec<Option<Recorded>>, ProviderError> {
        let open = self.open().await?;
        Ok(metadata::recorded(&open, steps).await)
    }
}

impl Writer for Directory {
    fn write<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<Answer>> {
        Box::pin(async move {
            let open = match self.contained(self.open_for_write()).await {
                Some(Ok(open)) => open,
                Some(Err(why)) => return steps.iter().map(|_| Answer::Broken { why: why.clone() }).collect(),
                None => return steps.iter().map(|_| Answer::Broken { why: NOT_LDAP.to_owned() }).collect(),
            };
            if let Some(refused) = active::read_only(&open.server) {
                return steps.iter().map(|_| refused.clone()).collect();
            }
            let unknown = || steps.iter().map(|_| Answer::Unknown { why: NOT_LDAP.to_owned() }).collect();
            self.contained(self.write_all(&open, steps)).await.unwrap_or_else(unknown)
        })
    }

    fn is_away(&self) -> bool {
        self.link.try_lock().is_ok_and(|link| link.is_away())
    }

    fn confirm<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<bool>> {
        Box::pin(async move {
            let shown = match self.contained(self.open()).await {
                Some(Ok(open)) => self.contained(confirm::confirm(&open, steps)).await,
                _ => None,
            };
            shown.unwrap_or_else(|| vec![false; steps.len()])
        })
    }
}
