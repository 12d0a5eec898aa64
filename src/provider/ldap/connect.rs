//! From settings to a bound connection.
//!
//! Comes in: URLs, TLS, bind and time-outs of the settings, the resolved password.
//! Goes out: a [`Session`]: one multiplexed, authenticated connection to one of the
//! servers; which one is for [`link`](super::link) to say. Refuses: clear text to
//! anything but loopback, an empty password (RFC 4513 §5.1.2: it would succeed as
//! nobody), unverified certificates.

use super::endpoint::{Complaint, Endpoint, Scheme, endpoints};
use super::errors::{self, Site};
#[cfg(feature = "gssapi")]
use super::kerberos;
use crate::policy::settings::{Bind, Sasl, Tls};
use crate::provider::{ProviderError, Purpose, Served, Target, tls};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, StdStream};
use secrecy::ExposeSecret;
use std::borrow::Cow;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};

/// One bound connection; clones share it.
#[derive(Clone)]
pub(super) struct Session {
    ldap: Ldap,
    /// Longest wait for one answer.
    timeout: Duration,
    /// Whether an answer did not come, for whatever reason.
    lost: Arc<AtomicBool>,
    /// Whether searches ask for the ends of memberships too.
    pub(super) shows_ends: bool,
    /// Whom the server takes accord for, beyond what the settings say: the ticket's
    /// principal, the digest of the certificate.
    pub(super) identity: String,
    /// Directory and identity, for messages.
    pub(super) site: Arc<Site>,
}

impl Session {
    /// A handle for one operation, with the timeout set.
    pub(super) fn operation(&self) -> Ldap {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout);
        ldap
    }

    /// Whether the connection is known to be gone: what is not sent yet never will be.
    pub(super) fn is_closed(&self) -> bool {
        self.ldap.clone().is_closed()
    }

    /// An answer did not come: the error for `operation`.
    pub(super) fn unanswered(&self, operation: &str, error: &LdapError) -> ProviderError {
        self.lost.store(true, Ordering::Relaxed);
        self.site.broken(operation, error)
    }

    /// Whether the server stopped answering, closed or silent.
    pub(super) fn is_lost(&self) -> bool {
        self.is_closed() || self.lost.load(Ordering::Relaxed)
    }

    /// Says goodbye; a server that is already gone does not mind.
    pub(super) async fn close(self) {
        let _ = self.operation().unbind().await;
    }
}

/// Why a server cannot be used, and whether another one may be asked: a wrong password
/// that is tried everywhere locks accounts.
pub(super) struct Unusable {
    pub(super) error: ProviderError,
    pub(super) is_final: bool,
}

impl From<ProviderError> for Unusable {
    fn from(error: ProviderError) -> Self {
        Self { error, is_final: false }
    }
}

/// Everything that is needed to connect, checked.
#[derive(Clone)]
pub(super) struct Plug {
    pub(super) endpoints: Vec<Endpoint>,
    clear: bool,
    tls: Option<tls::Client>,
    login: Login,
    connect_timeout: Duration,
    timeout: Duration,
    /// Directory and identity, for messages.
    pub(super) site: Arc<Site>,
}

#[derive(Clone)]
enum Login {
    Anonymous,
    External,
    Simple {
        dn: String,
        password: secrecy::SecretString,
    },
    #[cfg(feature = "gssapi")]
    Gssapi,
}

impl Plug {
    /// Checks the settings and loads the authorities. Touches no network.
    ///
    /// # Errors
    /// What is wrong with the settings, with the setting to change.
    pub(super) fn new(target: &Target<'_>) -> Result<Self, ProviderError> {
        let settings = &target.directory.settings;
        let bind = match target.purpose {
            Purpose::Plan => settings.plan_bind.as_ref().or(settings.bind.as_ref()),
            Purpose::Apply => settings.bind.as_ref(),
        };
        let site = Arc::new(Site { directory: target.directory.name.to_string(), who: identity(bind) });
        let wrong = |(message, help): (String, &str)| site.error("settings", message, vec![help.to_owned()]);
        let endpoints = endpoints(settings).map_err(wrong)?;
        let clear = settings.tls == Some(Tls::None);
        let certificate = settings.tls.as_ref().and_then(Tls::certificate);
        let login = login(bind, target, &endpoints, certificate.is_some()).map_err(wrong)?;
        let needs_tls = endpoints.iter().any(|e| e.scheme == Scheme::Ldaps || (e.scheme == Scheme::Ldap && !clear));
        let inside = |file: &String| target.credentials.root.join(file);
        let tls = if needs_tls {
            let own = certificate.map(|own| (inside(&own.cert), target.credentials.client_key.as_ref()));
            Some(tls::client(settings.ca.as_ref().map(inside).as_deref(), own).map_err(wrong)?)
        } else {
            None
        };
        Ok(Self {
            endpoints,
            clear,
            tls,
            login,
            connect_timeout: Duration::from_secs(settings.connect_timeout.unwrap_or(10).max(1).into()),
            timeout: Duration::from_secs(settings.timeout.unwrap_or(60).max(1).into()),
            site,
        })
    }

    /// Connects to one server and binds. With `address` that one is tried first, and
    /// `only` it if so wanted.
    ///
    /// # Errors
    /// When it does not answer in time, its certificate is not valid, or it refuses.
    pub(super) async fn session(
        &self,
        endpoint: &Endpoint,
        address: Option<SocketAddr>,
        only: bool,
    ) -> Result<(Session, Served), Unusable> {
        let dialled = tokio::time::timeout(self.connect_timeout, self.dial(endpoint, address, only)).await;
        let (ldap, address) = dialled.unwrap_or_else(|_| {
            let waited = self.connect_timeout.as_secs();
            Err(self.site.error(
                format!("connect to {}", endpoint.url),
                format!("no connection within {waited} s"),
                vec!["check host, port and firewall, or raise `connect_timeout` (seconds)".to_owned()],
            ))
        })?;
        let mut session = Session {
            ldap,
            timeout: self.timeout,
            lost: Arc::default(),
            shows_ends: false,
            identity: self.tls.as_ref().map(|tls| tls.certificate.clone()).unwrap_or_default(),
            site: Arc::clone(&self.site),
        };
        session.identity.push_str(&self.bind(&session, endpoint).await?);
        Ok((session, Served { url: endpoint.url.clone(), address, name: None }))
    }

    async fn dial(
        &self,
        endpoint: &Endpoint,
        address: Option<SocketAddr>,
        only: bool,
    ) -> Result<(Ldap, Option<SocketAddr>), ProviderError> {
        let operation = format!("connect to {}", endpoint.url);
        let failed = |error: LdapError| self.site.broken(&operation, &error);
        let start_tls = endpoint.scheme == Scheme::Ldap && !self.clear;
        let mut settings = LdapConnSettings::new().set_starttls(start_tls);
        let mut url = Cow::from(&endpoint.url);
        if let Some(tls) = &self.tls {
            let config = match endpoint.host.parse::<Ipv6Addr>() {
                Ok(address) => {
                    // A name that nobody looks up, and one for each: sessions are resumed by name.
                    let scheme = if endpoint.scheme == Scheme::Ldaps { "ldaps" } else { "ldap" };
                    url = format!("{scheme}://{:x}.address.invalid:{}", u128::from(address), endpoint.port).into();
                    tls.held_to(address)
                }
                Err(_) => Arc::clone(&tls.config),
            };
            settings = settings.set_config(config);
        }
        let mut reached = None;
        if endpoint.scheme != Scheme::Ldapi {
            let stream = reach(endpoint, address, only)
                .await
                .map_err(|e| self.site.error(operation.clone(), errors::io(&e), errors::io_help(&e)))?;
            reached = stream.peer_addr().ok();
            // Small writes follow each other without waiting for the answer: Nagle's algorithm would hold them back.
            let stream = stream.set_nodelay(true).and_then(|()| stream.into_std()).map_err(|e| failed(e.into()))?;
            settings = settings.set_std_stream(StdStream::Tcp(stream));
        }
        let (driver, ldap) = LdapConnAsync::with_settings(settings, &url).await.map_err(failed)?;
        tokio::spawn(async move {
            // Whatever ends the driver reaches each waiting operation as its own error.
            let _ = driver.drive().await;
        });
        Ok((ldap, reached))
    }

    /// Binds; says who that is where only a ticket does.
    #[cfg_attr(not(feature = "gssapi"), expect(unused_variables, reason = "a ticket is for a host"))]
    async fn bind(&self, session: &Session, endpoint: &Endpoint) -> Result<String, Unusable> {
        let mut ldap = session.operation();
        #[cfg_attr(not(feature = "gssapi"), expect(unused_mut, reason = "the ticket's"))]
        let mut principal = String::new();
        let asked = async {
            match &self.login {
                Login::Anonymous => Ok(None),
                Login::External => ldap.sasl_external_bind().await.map(Some),
                Login::Simple { dn, password } => ldap.simple_bind(dn, password.expose_secret()).await.map(Some),
                #[cfg(feature = "gssapi")]
                Login::Gssapi => {
                    principal = kerberos::principal(&self.site, &endpoint.host, self.connect_timeout).await?;
                    ldap.sasl_gssapi_bind(&endpoint.host).await.map(Some)
                }
            }
            .map_err(|error| self.unbound(&error))
        };
        // A bind of several steps has no limit of its own after the first.
        let answer = tokio::time::timeout(self.timeout, asked).await;
        let answer = answer.unwrap_or_else(|elapsed| Err(self.unbound(&LdapError::from(elapsed))))?;
        match answer {
            Some(result) if result.rc != 0 => Err(Unusable {
                error: self.site.refused(&self.binding(), &self.site.who, &result),
                is_final: self.judges(result.rc),
            }),
            _ => Ok(principal),
        }
    }

    fn binding(&self) -> String {
        format!("bind as {}", self.site.who)
    }

    fn unbound(&self, error: &LdapError) -> Unusable {
        self.site.broken(&self.binding(), error).into()
    }

    /// Whether a server that answers a bind with `code` has judged the password, as
    /// every other would: one that is wrong and tried everywhere locks accounts (19:
    /// already locked). All other codes speak of that server, its load, what it demands
    /// of a connection or what it does not hold; and nothing locks a ticket or a
    /// certificate.
    fn judges(&self, code: u32) -> bool {
        matches!(self.login, Login::Simple { .. }) && matches!(code, 19 | 48 | 49 | 50 | 123)
    }
}

/// A connection to one of the addresses of a host, `address` first, or to it alone.
async fn reach(endpoint: &Endpoint, address: Option<SocketAddr>, only: bool) -> io::Result<TcpStream> {
    let mut all: Vec<SocketAddr> = match address {
        Some(address) if only => vec![address],
        _ => lookup_host((endpoint.host.as_str(), endpoint.port)).await?.collect(),
    };
    // Stable: the others stay in the resolver's order.
    all.sort_by_key(|other| Some(*other) != address);
    TcpStream::connect(all.as_slice()).await
}

fn identity(bind: Option<&Bind>) -> String {
    match bind {
        Some(Bind { sasl: Some(Sasl::External), .. }) => errors::EXTERNAL.to_owned(),
        Some(Bind { sasl: Some(Sasl::Gssapi), .. }) => errors::GSSAPI.to_owned(),
        Some(Bind { dn: Some(dn), .. }) => dn.clone(),
        _ => "anonymous".to_owned(),
    }
}

fn login(
    bind: Option<&Bind>,
    target: &Target<'_>,
    endpoints: &[Endpoint],
    has_certificate: bool,
) -> Result<Login, Complaint> {
    let Some(bind) = bind else { return Ok(Login::Anonymous) };
    match bind.sasl {
        Some(Sasl::External) => {
            let proves = |e: &Endpoint| (e.scheme == Scheme::Ldapi) != has_certificate;
            return match endpoints.iter().find(|endpoint| !proves(endpoint)) {
                None => Ok(Login::External),
                Some(endpoint) => Err((
                    format!("`sasl: external` has nothing that proves to `{}` who you are", endpoint.url),
                    "write `tls: { cert: FILE, key: { file: NAME } }` with `ldaps://` URLs, or `url: ldapi://%2Fpath`, or \
                     bind with `dn` and `password`",
                )),
            };
        }
        Some(Sasl::Gssapi) => return ticket(),
        None => {}
    }
    let dn = bind.dn.clone().filter(|dn| !dn.trim().is_empty());
    let Some(dn) = dn else {
        return Err(("`bind` has no `dn`".to_owned(), "write `bind: { dn: …, password: { env: NAME } }`"));
    };
    let Some(password) = target.credentials.password.clone() else {
        return Err((format!("no password for `{dn}`"), "write `password: { env: NAME }` beside the `dn`"));
    };
    if password.expose_secret().is_empty() {
        return Err((
            format!("the password for `{dn}` is empty; a directory would take that for an anonymous bind"),
            "set the variable or file that `password` names",
        ));
    }
    Ok(Login::Simple { dn, password })
}

#[cfg(feature = "gssapi")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn ticket() -> Result<Login, Complaint> {
    Ok(Login::Gssapi)
}

#[cfg(not(feature = "gssapi"))]
fn ticket() -> Result<Login, Complaint> {
    Err((
        "`sasl: gssapi` needs an accord that was built with Kerberos, and this one was not".to_owned(),
        "cargo build --features gssapi (needs the headers of MIT Kerberos), or bind with `dn` and `password`",
    ))
}
