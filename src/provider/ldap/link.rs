//! Which server is spoken to, and for how long.
//!
//! Comes in: the URLs in their order, the server that an earlier read or the run's own
//! read was of. Goes out: an open connection to the first one that answers and is
//! suitable. Refuses: to go on with another server where something was read from the
//! one before: only a full read, of a connection that writes nothing, may choose anew.

use super::connect::{Plug, Session, Unusable};
use super::endpoint::Endpoint;
use super::probe::{self, Server};
use super::{Directory, active, capabilities};
use crate::model::bytes::{Cursor, Damaged, Out};
use crate::provider::entries::Schema;
use crate::provider::{Capabilities, Cookie, ProviderError, Reading, Scope, Served};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long after a failed connection writes do not try another.
const QUIET: Duration = Duration::from_millis(100);

/// The connection and what is known of the server behind it.
#[derive(Default)]
pub(super) struct Link {
    pub(super) open: Option<Arc<Open>>,
    /// When and why the last attempt failed.
    failed: Option<(Instant, String)>,
    /// The server that was read, and with which a connection that is lost is made again.
    served: Option<Served>,
    /// Servers that were lost while they were read, and why.
    lost: Vec<(String, ProviderError)>,
}

impl Link {
    /// Whether the last attempt to connect failed.
    pub(super) fn is_away(&self) -> bool {
        self.open.is_none() && self.failed.is_some()
    }

    /// Whether there is no connection, or one that is of no use any more.
    pub(super) fn is_gone(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.session.is_lost())
    }

    /// A link to that server and no other.
    pub(super) fn to(served: Option<&Served>) -> Self {
        Self { served: served.cloned(), ..Self::default() }
    }
}

/// A connection in use.
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) server: Server,
    pub(super) schema: Schema,
    pub(super) capabilities: Capabilities,
    pub(super) served: Served,
    /// Servers that were passed over, and why.
    notes: Vec<String>,
}

/// Which server a connection may be to.
#[derive(Debug, Clone, Copy)]
enum Choice<'a> {
    /// Any; that one first.
    Any(Option<&'a Served>),
    /// That one.
    Only(&'a Served),
}

impl Directory {
    /// The open connection, or one to the same server, or, while there was none, to any.
    pub(super) async fn open(&self) -> Result<Arc<Open>, ProviderError> {
        self.open_to(None, false).await
    }

    /// The open connection, or a new one: to the server that was used before, unless
    /// `anew` lets it be another.
    async fn open_to(&self, first: Option<&Served>, anew: bool) -> Result<Arc<Open>, ProviderError> {
        let mut link = self.link.lock().await;
        if let Some(open) = link.open.as_ref().filter(|open| !open.session.is_closed()) {
            return Ok(Arc::clone(open));
        }
        link.open = None;
        let choice = match &link.served {
            Some(served) if !anew => Choice::Only(served),
            _ => Choice::Any(first),
        };
        match self.choose(choice, &link.lost).await {
            Ok(open) => {
                let open = Arc::new(open);
                link.served = Some(open.served.clone());
                (link.open, link.failed) = (Some(Arc::clone(&open)), None);
                Ok(open)
            }
            Err(error) => {
                link.failed = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    /// The open connection for a write. Of many writes that find it broken together
    /// one connects again; the others take its failure for theirs.
    pub(super) async fn open_for_write(&self) -> Result<Arc<Open>, String> {
        let failed = self.link.lock().await.failed.clone();
        match failed {
            Some((at, why)) if at.elapsed() < QUIET => Err(why),
            _ => self.open().await.map_err(|error| error.to_string()),
        }
    }

    /// Connects to the first server that answers and is suitable; to one that is not,
    /// where no other answers.
    async fn choose(&self, choice: Choice<'_>, lost: &[(String, ProviderError)]) -> Result<Open, ProviderError> {
        let (only, first) = match choice {
            Choice::Any(first) => (None, first),
            Choice::Only(served) => (Some(served), Some(served)),
        };
        let mut failures: Vec<(String, ProviderError)> = lost.to_vec();
        let mut makeshift: Option<(Open, String)> = None;
        for endpoint in order(&self.plug, first) {
            let wanted = only.is_none_or(|only| only.url == endpoint.url);
            if !wanted || lost.iter().any(|(url, _)| *url == endpoint.url) {
                continue;
            }
            let known = first.filter(|served| served.url == endpoint.url);
            match self.dial(endpoint, known, only.is_some()).await {
                Ok(open) => match self.objection(&open).filter(|_| only.is_none() && self.plug.endpoints.len() > 1) {
                    None => return Ok(open.chosen(&failures, makeshift.as_ref())),
                    Some(why) if makeshift.is_none() => makeshift = Some((open, why)),
                    Some(why) => failures.push((endpoint.url.clone(), self.site().error("connect", why, Vec::new()))),
                },
                Err(Unusable { error, is_final: true }) => return Err(error),
                Err(Unusable { error, .. }) => failures.push((endpoint.url.clone(), error)),
            }
        }
        match (makeshift, only) {
            (Some((open, why)), _) => {
                let note = format!("`{}` is used although {why}: no other server can be", open.served.url);
                let mut open = open.chosen(&failures, None);
                open.notes.push(note);
                Ok(open)
            }
            (None, Some(_)) if self.plug.endpoints.len() > 1 => {
                let mut error = self.all_failed(failures);
                error.help.push(
                    "what a run reads from one server it writes to the same; run again, and the next one is read"
                        .to_owned(),
                );
                Err(error)
            }
            (None, _) => Err(self.all_failed(failures)),
        }
    }

    async fn dial(&self, endpoint: &Endpoint, known: Option<&Served>, only: bool) -> Result<Open, Unusable> {
        let address = known.and_then(|served| served.address);
        let (mut session, reached) = self.plug.session(endpoint, address, only).await?;
        let server = if self.schema.is_active() {
            active::probe(&session, &self.schema).await?
        } else {
            probe::probe(&session).await?
        };
        let name = server.controller.as_ref().map(active::Controller::name);
        let reached = Served { name, ..reached };
        if let Some(before) = known.filter(|known| only && known.name.is_some() && known.name != reached.name) {
            let name = |served: &Served| served.name.clone().unwrap_or_default();
            let message = format!("it is `{}` now, and `{}` was read", name(&reached), name(before));
            let help = "name each controller by a URL of its own, instead of one name for all".to_owned();
            return Err(self.site().error(format!("connect to {}", endpoint.url), message, vec![help]).into());
        }
        let mut schema = capabilities::fitted(&self.schema, &server);
        let capabilities = capabilities::kept(self.promised.clone(), &schema, &server);
        schema.native_end = capabilities.native_end;
        session.shows_ends = capabilities.ends_itself.memberships;
        Ok(Open { session, server, schema, capabilities, served: reached, notes: Vec::new() })
    }

    /// Why another server would be better than this one.
    fn objection(&self, open: &Open) -> Option<String> {
        if open.server.controller.as_ref().is_some_and(active::Controller::is_read_only) {
            return Some("it is a read-only domain controller".to_owned());
        }
        if open.server.contexts.is_empty() {
            return None;
        }
        let bases = self.schema.roots().map(|base| &base.dn).chain(&self.schema.groups_base);
        let outside = bases.into_iter().find(|base| open.server.suffix(base).is_none())?;
        Some(format!("`{outside}` is in none of its naming contexts"))
    }

    /// One error for all servers, each with its own reason.
    fn all_failed(&self, mut failures: Vec<(String, ProviderError)>) -> ProviderError {
        if failures.len() > 1 {
            let list: Vec<String> = failures.iter().map(|(url, error)| format!("`{url}`: {}", error.message)).collect();
            let mut help: Vec<String> = Vec::new();
            for line in failures.iter().flat_map(|(_, error)| &error.help) {
                if !help.contains(line) {
                    help.push(line.clone());
                }
            }
            let message = format!("none of {} servers can be used: {}", failures.len(), list.join("; "));
            return self.site().error("connect", message, help);
        }
        match failures.pop() {
            Some((_, error)) => error,
            None => self.site().error("connect", "the server that was read is not in `url` any more", Vec::new()),
        }
    }

    /// Reads everything. A server that is lost meanwhile is read by no one any more; the
    /// next one is read from the beginning, as long as nothing hangs on the one before.
    pub(super) async fn read_whole(&self, scope: &Scope) -> Result<Reading, ProviderError> {
        loop {
            let open = self.open_to(None, !self.is_bound).await?;
            let read = self.read_open(&open, scope, None).await;
            if !open.session.is_lost() || self.is_bound {
                return read;
            }
            let mut link = self.link.lock().await;
            // A server that went silent keeps its connection.
            link.open = None;
            let why = match &read {
                Err(error) => error.clone(),
                Ok(_) => self.site().error("read", "it stopped answering while it was read", Vec::new()),
            };
            link.lost.push((open.served.url.clone(), why));
            if link.lost.len() >= self.plug.endpoints.len() {
                let lost = std::mem::take(&mut link.lost);
                return match read {
                    Err(_) => Err(self.all_failed(lost)),
                    partly => partly,
                };
            }
        }
    }

    /// Reads on from a cookie, which is good for the server that gave it only.
    pub(super) async fn read_on(&self, scope: &Scope, cookie: &Cookie) -> Result<Reading, ProviderError> {
        let (served, identity, own) = match opened(cookie) {
            Ok(parts) => parts,
            Err(Damaged) => {
                return Ok(Reading { refused: Some("the cookie is damaged".to_owned()), ..Reading::default() });
            }
        };
        let open = self.open_to(Some(&served), !self.is_bound).await?;
        if open.served != served {
            let why = format!("the last read was of `{}`, this one is of `{}`", served.url, open.served.url);
            return Ok(Reading { refused: Some(why), ..Reading::default() });
        }
        if open.session.identity != identity {
            // Another one may see more, or less.
            let why = "the last read was somebody else's: the ticket or the certificate is another one".to_owned();
            return Ok(Reading { refused: Some(why), ..Reading::default() });
        }
        self.read_open(&open, scope, Some(&own)).await
    }

    /// Reads over an open connection, and says over which.
    pub(super) async fn read_open(
        &self,
        open: &Open,
        scope: &Scope,
        since: Option<&Cookie>,
    ) -> Result<Reading, ProviderError> {
        let mut reading = self.read_scope(open, scope, since).await?;
        reading.cookie = reading.cookie.and_then(|cookie| sealed(&open.served, &open.session.identity, &cookie));
        reading.capabilities = Some(open.capabilities.clone());
        reading.served = Some(open.served.clone());
        reading.notes.clone_from(&open.notes);
        Ok(reading)
    }
}

impl Open {
    /// With the reasons against the others.
    fn chosen(mut self, failures: &[(String, ProviderError)], other: Option<&(Self, String)>) -> Self {
        let url = &self.served.url;
        let passed = failures.iter().map(|(other, error)| (other, &error.message));
        let passed = passed.chain(other.iter().map(|(open, why)| (&open.served.url, why)));
        self.notes = passed.map(|(other, why)| format!("`{other}` is passed over for `{url}`: {why}")).collect();
        self
    }
}

/// The URLs in the order in which they are tried.
fn order<'p>(plug: &'p Plug, first: Option<&Served>) -> Vec<&'p Endpoint> {
    let mut list: Vec<&Endpoint> = plug.endpoints.iter().collect();
    list.sort_by_key(|endpoint| first.is_none_or(|served| served.url != endpoint.url));
    list
}

/// A cookie together with the server that gave it, and to whom.
fn sealed(served: &Served, identity: &str, cookie: &Cookie) -> Option<Cookie> {
    let mut out = Out::default();
    out.text(&served.url);
    out.text(&served.address.map(|address| address.to_string()).unwrap_or_default());
    out.text(served.name.as_deref().unwrap_or_default());
    out.text(identity);
    out.raw(&cookie.0);
    out.finish().map(Cookie)
}

fn opened(cookie: &Cookie) -> Result<(Served, String, Cookie), Damaged> {
    let mut cursor = Cursor::new(&cookie.0);
    let url = cursor.text()?.to_owned();
    let address = cursor.text()?;
    let address = if address.is_empty() { None } else { Some(address.parse().map_err(|_| Damaged)?) };
    let name = Some(cursor.text()?.to_owned()).filter(|name| !name.is_empty());
    let identity = cursor.text()?.to_owned();
    Ok((Served { url, address, name }, identity, Cookie(cursor.rest().to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_keeps_the_server_that_gave_it() {
        let cookie = Cookie(vec![1, 2, 3]);
        for (address, name) in [(None, None), (Some("[::1]:636"), Some("CN=NTDS Settings,CN=DC1"))] {
            let served = Served {
                url: "ldaps://dc1".to_owned(),
                address: address.map(|text| text.parse().unwrap()),
                name: name.map(str::to_owned),
            };
            let sealed = sealed(&served, "accord@EXAMPLE.COM", &cookie).unwrap();
            assert_eq!(opened(&sealed), Ok((served, "accord@EXAMPLE.COM".to_owned(), cookie.clone())));
            for end in 0..sealed.0.len() - 3 {
                assert_eq!(opened(&Cookie(sealed.0[..end].to_vec())), Err(Damaged), "{end}");
            }
        }
    }
}
