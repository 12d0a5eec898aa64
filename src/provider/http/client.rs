//! One client of one service.
//!
//! Comes in: [`Settings`]. Goes out: decoded answers. Refuses: see [`super`].

use super::errors::{self, Site};
use super::patience::{Again, again, pause};
use super::{Base, Request};
use crate::provider::ProviderError;
use crate::provider::tls::{self, Complaint};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{NoProxy, Response, StatusCode, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often one question is asked at most.
const ATTEMPTS: u32 = 4;
/// How many redirects are followed, all on the same origin.
const REDIRECTS: usize = 3;

/// What a client is made from.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// Name of the service, for messages: `github`.
    pub service: &'a str,
    /// Where it is.
    pub base: Base,
    /// PEM file of a private authority; otherwise the system's count.
    pub ca: Option<PathBuf>,
    /// How accord says who it is.
    pub login: Login,
    /// Headers that every request of the service carries.
    pub headers: &'a [(&'static str, &'static str)],
    /// The proxy, where the command line or the environment names one.
    pub proxy: Option<Proxy>,
    /// How long and how much.
    pub limits: Limits,
}

/// How accord says who it is. Never printed.
#[derive(Debug, Clone)]
pub enum Login {
    /// Not at all.
    Anonymous,
    /// `Authorization: Bearer TOKEN` (RFC 6750).
    Bearer(SecretString),
    /// The token alone in a header of the service's own (GitLab's `PRIVATE-TOKEN`).
    Header(&'static str, SecretString),
}

/// A proxy, as `cli` found it. Its URL may hold a password.
#[derive(Clone)]
pub struct Proxy {
    /// Where it is.
    pub url: SecretString,
    /// Hosts that are reached without it, as `NO_PROXY` lists them.
    pub except: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("except", &self.except).finish_non_exhaustive()
    }
}

/// How long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for one whole answer.
    pub whole: Duration,
    /// Longest time that is spent waiting because the service asked for it, per question.
    pub patience: Duration,
    /// Largest answer, in bytes.
    pub bytes: usize,
    /// Most pages of one list.
    pub pages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            whole: Duration::from_mins(1),
            patience: Duration::from_mins(2),
            bytes: 8 * 1024 * 1024,
            pages: 1000,
        }
    }
}

/// One client of one service. Connects with the first question.
pub struct Client {
    service: String,
    pub(super) base: Base,
    token: Option<SecretString>,
    http: reqwest::Client,
    pub(super) limits: Limits,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("service", &self.service).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Client {
    /// Checks the settings and loads the authorities. Touches no network.
    ///
    /// # Errors
    /// What is wrong with a setting, and what to do.
    pub fn new(settings: &Settings<'_>) -> Result<Self, ProviderError> {
        let wrong = |(message, help): Complaint| ProviderError {
            directory: settings.service.to_owned(),
            operation: "settings".to_owned(),
            message,
            help: vec![help.to_owned()],
        };
        let unusable = |error: &reqwest::Error| wrong((format!("HTTP cannot be set up: {error}"), "update accord"));
        let (headers, token) = headers(settings).map_err(wrong)?;
        let tls = tls::client(settings.ca.as_deref(), None).map_err(wrong)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("accord/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .tls_backend_preconfigured(Arc::unwrap_or_clone(tls.config))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            // Before the proxy below: otherwise the environment would be asked.
            .no_proxy()
            .connect_timeout(settings.limits.connect)
            .timeout(settings.limits.whole)
            .https_only(settings.base.is_tls());
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(through(proxy).map_err(wrong)?);
        }
        Ok(Self {
            service: settings.service.to_owned(),
            base: settings.base.clone(),
            token,
            http: builder.build().map_err(|error| unusable(&error))?,
            limits: settings.limits,
        })
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// When the service refuses, does not answer in time, or answers something else.
    pub async fn get<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, ProviderError> {
        let site = self.site(request);
        let url = self.base.join(request.path, request.query).map_err(|e| site.error(e, "check the name"))?;
        let answer = self.fetch(site, url).await?;
        decode(site, &answer)
    }

    pub(super) fn site<'a>(&'a self, request: &'a Request<'a>) -> Site<'a> {
        Site { service: &self.service, request }
    }

    /// Asks until there is an answer that is success, follows redirects on the same
    /// origin, and waits where the service asks for it.
    pub(super) async fn fetch(&self, site: Site<'_>, mut url: Url) -> Result<Answer, ProviderError> {
        let mut waited = Duration::ZERO;
        let mut redirects = 0;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let last = attempt >= ATTEMPTS;
            let (answer, status) = match self.attempt(site, &url).await {
                Ok(answer) => answer,
                Err(Failed::Finally(error)) => return Err(error),
                Err(Failed::Perhaps(error)) if last => return Err(error),
                Err(Failed::Perhaps(_)) => {
                    tokio::time::sleep(pause(attempt - 1)).await;
                    continue;
                }
            };
            if status.is_success() {
                return Ok(answer);
            }
            if let Some(to) = answer.headers.get(LOCATION).filter(|_| status.is_redirection()) {
                redirects += 1;
                url = self.redirected(site, &url, to, redirects)?;
                attempt -= 1;
                continue;
            }
            let token = self.token.as_ref().map(ExposeSecret::expose_secret);
            let said = errors::said(&answer.body, token);
            let wait = match again(status, &answer.headers, attempt - 1) {
                Again::Later(wait) if !last => wait,
                Again::Limited(wait, _) if !last && waited + wait <= self.limits.patience => wait,
                Again::Limited(wait, until) => return Err(self.limited(site, status, wait, until)),
                _ => return Err(site.refused(status, said.as_deref())),
            };
            waited += wait;
            if waited > self.limits.patience {
                return Err(site.refused(status, said.as_deref()));
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn limited(
        &self,
        site: Site<'_>,
        status: StatusCode,
        wait: Duration,
        until: Option<crate::model::Instant>,
    ) -> ProviderError {
        let service = &self.service;
        let wait = wait.as_secs();
        let when = until.map_or_else(|| format!("in {wait} s"), |until| format!("in {wait} s, at {until}"));
        let patience = self.limits.patience.as_secs();
        site.error(
            format!("{status}: the rate limit of {service} is used up, and accord waits {patience} s at most"),
            format!("try again {when}; a token of its own for accord has a limit of its own"),
        )
    }

    fn redirected(&self, site: Site<'_>, from: &Url, to: &HeaderValue, count: usize) -> Result<Url, ProviderError> {
        const HELP: &str =
            "write the URL and names that the service has now; accord shows its token to one origin only";
        if count > REDIRECTS {
            return Err(site.error(format!("more than {REDIRECTS} redirects"), HELP));
        }
        let to = to.to_str().map_err(|_| site.error("a redirect to what is no URL", HELP))?;
        self.base.follow(from, to).map_err(|why| site.error(format!("a redirect {why}"), HELP))
    }

    async fn attempt(&self, site: Site<'_>, url: &Url) -> Result<(Answer, StatusCode), Failed> {
        let whole = self.limits.whole;
        let broken = |error: reqwest::Error| {
            let told = site.broken(&error, whole);
            if errors::is_passing(&error) { Failed::Perhaps(told) } else { Failed::Finally(told) }
        };
        let response = self.http.get(url.clone()).send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(site, response).await?;
        Ok((Answer { url: url.clone(), headers, body }, status))
    }

    async fn body(&self, site: Site<'_>, mut response: Response) -> Result<Vec<u8>, Failed> {
        let most = self.limits.bytes;
        let large = || {
            let message = format!("the answer is larger than {most} bytes, the most that accord takes");
            Failed::Finally(site.error(message, "ask the service's administrator what it sends"))
        };
        if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|n| n > most)) {
            return Err(large());
        }
        let mut body = Vec::new();
        loop {
            // An answer that is cut off is an error here, never a shorter answer.
            let cut = |error: reqwest::Error| {
                if error.is_timeout() {
                    return Failed::Finally(site.broken(&error, self.limits.whole));
                }
                Failed::Perhaps(site.error("the answer was cut off", "try again; a proxy in between may cut it"))
            };
            let Some(chunk) = response.chunk().await.map_err(cut)? else { return Ok(body) };
            if body.len() + chunk.len() > most {
                return Err(large());
            }
            body.extend_from_slice(&chunk);
        }
    }
}

/// Why one attempt brought nothing.
enum Failed {
    /// Another one may bring something.
    Perhaps(ProviderError),
    /// No other one would.
    Finally(ProviderError),
}

/// The body as what was asked for.
pub(super) fn decode<T: DeserializeOwned>(site: Site<'_>, answer: &Answer) -> Result<T, ProviderError> {
    const HELP: &str = "check that the URL is that of the API, and that nothing in between answers for it";
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        return Err(site.error(format!("the answer is `{}`, not JSON", errors::short(&essence)), HELP));
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        let told = if error.is_eof() {
            "the answer was cut off".to_owned()
        } else {
            format!("the answer is not what the service's API describes: {}", errors::short(&error.to_string()))
        };
        site.error(told, HELP)
    })
}

fn headers(settings: &Settings<'_>) -> Result<(HeaderMap, Option<SecretString>), Complaint> {
    let mut map = HeaderMap::new();
    map.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in settings.headers {
        map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let (name, text, token) = match &settings.login {
        Login::Anonymous => return Ok((map, None)),
        Login::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", token.expose_secret()), token),
        Login::Header(name, token) => (HeaderName::from_static(name), token.expose_secret().to_owned(), token),
    };
    // What is wrong with a token is never told in more words: they could be the token's.
    let unfit = |_| ("the token holds what no header can carry".to_owned(), "check where the token comes from");
    let mut value = HeaderValue::try_from(text).map_err(unfit)?;
    value.set_sensitive(true);
    map.insert(name, value);
    Ok((map, Some(token.clone())))
}

fn through(proxy: &Proxy) -> Result<reqwest::Proxy, Complaint> {
    const HELP: &str = "write `http://HOST:PORT` in HTTPS_PROXY";
    let url = Url::parse(proxy.url.expose_secret()).map_err(|_| ("the proxy is no URL".to_owned(), HELP))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(("the proxy is not reached by HTTP".to_owned(), HELP));
    }
    let except = proxy.except.clone().unwrap_or_default();
    let made = reqwest::Proxy::all(url).map_err(|_| ("the proxy cannot be used".to_owned(), HELP))?;
    Ok(made.no_proxy(NoProxy::from_string(&except)))
}
