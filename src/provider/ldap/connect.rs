//! From settings to a bound connection.
//!
//! Comes in: URL, TLS, bind and timeouts of the settings, the resolved password.
//! Goes out: a [`Session`]: one multiplexed, authenticated connection. Refuses:
//! clear text to anything but loopback, an empty password (RFC 4513 §5.1.2: it
//! would succeed as nobody), unverified certificates.

use super::errors::{self, Site};
use super::tls;
use crate::policy::settings::{Bind, DirectorySettings, Sasl, Tls};
use crate::provider::{ProviderError, Purpose, Target};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use secrecy::ExposeSecret;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How a URL wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// TLS from the first byte.
    Ldaps,
    /// StartTLS (RFC 4511 §4.14), or clear text where `tls: none` says so.
    Ldap,
    /// A local socket.
    Ldapi,
}

/// One URL of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    url: String,
    scheme: Scheme,
    host: String,
    port: u16,
}

/// One bound connection; clones share it.
#[derive(Clone)]
pub(super) struct Session {
    ldap: Ldap,
    /// Longest wait for one answer.
    timeout: Duration,
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

    /// Says goodbye; a server that is already gone does not mind.
    pub(super) async fn close(self) {
        let _ = self.operation().unbind().await;
    }
}

/// Everything that is needed to connect, checked.
#[derive(Clone)]
pub(super) struct Plug {
    endpoints: Vec<Endpoint>,
    clear: bool,
    tls: Option<Arc<rustls::ClientConfig>>,
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
    Simple { dn: String, password: secrecy::SecretString },
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
        let login = login(bind, target, &endpoints).map_err(wrong)?;
        let needs_tls = endpoints.iter().any(|e| e.scheme == Scheme::Ldaps || (e.scheme == Scheme::Ldap && !clear));
        let tls = if needs_tls {
            let ca = settings.ca.as_ref().map(|ca| target.credentials.root.join(ca));
            let config = tls::client(ca.as_deref());
            Some(config.map_err(|message| wrong((message, "name a PEM file of the authority: `ca: FILE`")))?)
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

    /// Connects and binds: the first URL that answers.
    ///
    /// # Errors
    /// Every URL's failure; a refused bind ends the attempts, because a wrong
    /// password tried everywhere locks accounts.
    pub(super) async fn session(&self) -> Result<Session, ProviderError> {
        let mut failures: Vec<ProviderError> = Vec::new();
        for endpoint in &self.endpoints {
            let ldap = match tokio::time::timeout(self.connect_timeout, self.dial(endpoint)).await {
                Ok(Ok(ldap)) => ldap,
                Ok(Err(failure)) => {
                    failures.push(failure);
                    continue;
                }
                Err(_) => {
                    let waited = self.connect_timeout.as_secs();
                    failures.push(self.site.error(
                        format!("connect to {}", endpoint.url),
                        format!("no connection within {waited} s"),
                        vec!["check host, port and firewall, or raise `connect_timeout` (seconds)".to_owned()],
                    ));
                    continue;
                }
            };
            let session = Session { ldap, timeout: self.timeout, site: Arc::clone(&self.site) };
            match self.bind(&session).await {
                Ok(()) => return Ok(session),
                Err((failure, true)) => failures.push(failure),
                Err((failure, false)) => return Err(failure),
            }
        }
        Err(merge(failures, &self.site))
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Ldap, ProviderError> {
        let operation = format!("connect to {}", endpoint.url);
        let failed = |error: LdapError| self.site.broken(&operation, &error);
        let start_tls = endpoint.scheme == Scheme::Ldap && !self.clear;
        let mut settings = LdapConnSettings::new().set_starttls(start_tls);
        if let Some(tls) = &self.tls {
            settings = settings.set_config(Arc::clone(tls));
        }
        if endpoint.scheme != Scheme::Ldapi {
            let stream = tokio::net::TcpStream::connect((endpoint.host.as_str(), endpoint.port))
                .await
                .map_err(|e| self.site.error(operation.clone(), errors::io(&e), errors::io_help(&e)))?;
            // Small writes follow each other without waiting for the answer: Nagle's algorithm would hold them back.
            let stream = stream.set_nodelay(true).and_then(|()| stream.into_std()).map_err(|e| failed(e.into()))?;
            settings = settings.set_std_stream(StdStream::Tcp(stream));
        }
        let (driver, ldap) = LdapConnAsync::with_settings(settings, &endpoint.url).await.map_err(failed)?;
        tokio::spawn(async move {
            // Whatever ends the driver reaches each waiting operation as its own error.
            let _ = driver.drive().await;
        });
        Ok(ldap)
    }

    /// The flag says whether another URL may be tried.
    async fn bind(&self, session: &Session) -> Result<(), (ProviderError, bool)> {
        let mut ldap = session.operation();
        let answer = match &self.login {
            Login::Anonymous => return Ok(()),
            Login::External => ldap.sasl_external_bind().await,
            Login::Simple { dn, password } => ldap.simple_bind(dn, password.expose_secret()).await,
        };
        let operation = format!("bind as {}", self.site.who);
        match answer {
            Ok(LdapResult { rc: 0, .. }) => Ok(()),
            Ok(result) => {
                let elsewhere = matches!(result.rc, 51 | 52);
                Err((self.site.refused(&operation, &self.site.who, &result), elsewhere))
            }
            Err(error) => Err((self.site.broken(&operation, &error), true)),
        }
    }
}

fn identity(bind: Option<&Bind>) -> String {
    match bind {
        Some(Bind { sasl: Some(Sasl::External), .. }) => "SASL EXTERNAL".to_owned(),
        Some(Bind { dn: Some(dn), .. }) => dn.clone(),
        _ => "anonymous".to_owned(),
    }
}

fn merge(mut failures: Vec<ProviderError>, site: &Site) -> ProviderError {
    if failures.len() > 1 {
        let message: Vec<String> = failures.iter().map(|f| format!("{}: {}", f.operation, f.message)).collect();
        let mut help: Vec<String> = failures.into_iter().flat_map(|f| f.help).collect();
        help.dedup();
        return site.error("connect", message.join("; "), help);
    }
    failures.pop().unwrap_or_else(|| site.error("connect", "no `url` is given", Vec::new()))
}

type Complaint = (String, &'static str);

fn endpoints(settings: &DirectorySettings) -> Result<Vec<Endpoint>, Complaint> {
    let written = settings.url.as_deref().unwrap_or_default();
    let list: Vec<Endpoint> = written.split_whitespace().map(endpoint).collect::<Result<_, _>>()?;
    if list.is_empty() {
        return Err(("`url` is missing".to_owned(), "write `url: ldaps://HOST`"));
    }
    let open = list.iter().find(|e| e.scheme == Scheme::Ldap && !is_loopback(&e.host));
    if let (Some(Tls::None), Some(endpoint)) = (settings.tls, open) {
        let host = &endpoint.host;
        return Err((
            format!("`tls: none` would send a password in the clear to `{host}`, which is not this machine"),
            "remove `tls: none` (then `ldap://` means StartTLS), or use `ldaps://`",
        ));
    }
    Ok(list)
}

fn endpoint(url: &str) -> Result<Endpoint, Complaint> {
    const HELP: &str = "write `ldaps://HOST[:PORT]`, `ldap://HOST[:PORT]` or `ldapi://%2Fpath`";
    let wrong = |what: &str| (format!("`{url}` {what}"), HELP);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("is no LDAP URL"))?;
    let (scheme, default) = match scheme.to_ascii_lowercase().as_str() {
        "ldaps" => (Scheme::Ldaps, 636),
        "ldap" => (Scheme::Ldap, 389),
        "ldapi" => (Scheme::Ldapi, 0),
        _ => return Err(wrong("is no LDAP URL")),
    };
    let host = rest.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        return Err(wrong("names no host, or more than a host"));
    }
    if scheme == Scheme::Ldapi {
        return Ok(Endpoint { url: format!("ldapi://{host}"), scheme, host: host.to_owned(), port: 0 });
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && (!name.contains(':') || name.ends_with(']')) => {
            (name, port.parse().map_err(|_| wrong("has no valid port"))?)
        }
        _ => (host, default),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Endpoint { url: url.trim_end_matches('/').to_owned(), scheme, host: bare, port })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn login(bind: Option<&Bind>, target: &Target<'_>, endpoints: &[Endpoint]) -> Result<Login, Complaint> {
    let Some(bind) = bind else { return Ok(Login::Anonymous) };
    if bind.sasl == Some(Sasl::External) {
        if let Some(endpoint) = endpoints.iter().find(|e| e.scheme != Scheme::Ldapi) {
            return Err((
                format!("`sasl: external` proves who you are over ldapi only, not over `{}`", endpoint.url),
                "use `url: ldapi://%2Fpath`, or bind with `dn` and `password`",
            ));
        }
        return Ok(Login::External);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let e = endpoint("ldaps://ldap.example.com").unwrap();
        assert_eq!((e.scheme, e.host.as_str(), e.port), (Scheme::Ldaps, "ldap.example.com", 636));
        let e = endpoint("ldap://127.0.0.1:3890/").unwrap();
        assert_eq!((e.scheme, e.host.as_str(), e.port), (Scheme::Ldap, "127.0.0.1", 3890));
        let e = endpoint("ldap://[::1]:389").unwrap();
        assert_eq!((e.host.as_str(), e.port), ("::1", 389));
        assert_eq!(endpoint("ldapi://%2Frun%2Fldapi").unwrap().scheme, Scheme::Ldapi);
        for bad in ["ldap.example.com", "http://x", "ldaps://", "ldap://user@host", "ldap://h:x", "ldap:///dc=x"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        assert!(is_loopback("localhost") && is_loopback("127.0.0.9") && is_loopback("::1"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.example.com"));
    }
}
