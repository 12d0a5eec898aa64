//! What a service's refusal means and what to do next.
//!
//! Comes in: a status and the answer's text, errors of the transport. Goes out: one
//! [`ProviderError`] that names the service, the operation and its object. Refuses: tokens
//! (a text that holds one is not repeated) and long foreign texts.

use super::Request;
use crate::provider::{ProviderError, transport};
use reqwest::StatusCode;
use std::error::Error;
use std::time::Duration;

/// Longest text of a service that is repeated, in characters.
const LONGEST: usize = 200;

/// Who is asked, and what: what every message needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// Name of the service.
    pub(super) service: &'a str,
    /// The question.
    pub(super) request: &'a Request<'a>,
}

impl Site<'_> {
    /// An error of this service.
    pub(super) fn error(self, message: impl Into<String>, help: impl Into<String>) -> ProviderError {
        let Request { operation, object, .. } = self.request;
        ProviderError {
            directory: self.service.to_owned(),
            operation: format!("{operation} `{object}`"),
            message: message.into(),
            help: Some(help.into()).filter(|help| !help.is_empty()).into_iter().collect(),
        }
    }

    /// The error for an answer that is not success. `said`: the service's own words.
    pub(super) fn refused(self, status: StatusCode, said: Option<&str>) -> ProviderError {
        let mut message = status.to_string();
        if let Some(said) = said {
            message.push_str(": ");
            message.push_str(said);
        }
        let (service, object) = (self.service, self.request.object);
        let help = match status.as_u16() {
            401 => format!("check the token of {service}: it may be wrong, have expired or been revoked"),
            403 => format!("give the token of {service} the right to read `{object}`"),
            // Services hide what a token may not see behind 404.
            404 => format!("check the name of `{object}`, and that the token of {service} may read it"),
            410 => format!("`{object}` was deleted"),
            301 | 302 | 303 | 307 | 308 => "write the URL that the service has now".to_owned(),
            500..=599 => format!("{service} has a fault of its own: try again later"),
            _ => String::new(),
        };
        self.error(message, help)
    }

    /// The error for an answer that did not come; `whole` is the deadline.
    pub(super) fn broken(self, error: &reqwest::Error, whole: Duration) -> ProviderError {
        let below = io(error);
        if below.is_none() && error.is_timeout() {
            let secs = whole.as_secs();
            return self.error(
                format!("no whole answer within {secs} s"),
                "raise `timeout` (seconds), or look at the service's load",
            );
        }
        match below {
            Some(below) => {
                let help = transport::io_help(below).into_iter().next().unwrap_or_default();
                self.error(transport::io(below), help)
            }
            None if error.is_dns() => self.error("the host was not found", "check the host in `url`"),
            None => self.error(innermost(error), ""),
        }
    }
}

/// The words of a refused answer: GitHub says `message`, GitLab `message` or `error`.
pub(super) fn said(body: &[u8], token: Option<&str>) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = ["message", "error_description", "error", "detail"].iter().find_map(|key| value.get(key)?.as_str())?;
    let is_secret = token.is_some_and(|token| text.contains(token));
    (!is_secret && !text.is_empty()).then(|| text.chars().take(LONGEST).collect())
}

/// A text of others, no longer than is good for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// Whether asking again would bring something else: what is not valid stays so, and a
/// deadline is one.
pub(super) fn is_passing(error: &reqwest::Error) -> bool {
    let is_refused = io(error).is_some_and(transport::is_certificate);
    !is_refused && !error.is_timeout() && (error.is_connect() || error.is_request())
}

/// The error of the operating system or of TLS inside.
fn io<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e std::io::Error> {
    let mut next = Some(error);
    let mut found = None;
    while let Some(error) = next {
        found = error.downcast_ref::<std::io::Error>().or(found);
        next = error.source();
    }
    found.filter(|found| found.kind() != std::io::ErrorKind::TimedOut)
}

/// The cause, without the URL that reqwest puts before it.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    short(&last.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_the_services_words_but_never_with_the_token() {
        assert_eq!(said(br#"{"message":"Not Found"}"#, Some("tok")), Some("Not Found".to_owned()));
        assert_eq!(said(br#"{"error":"insufficient_scope"}"#, None), Some("insufficient_scope".to_owned()));
        assert_eq!(said(br#"{"message":"bad token tok-123"}"#, Some("tok-123")), None);
        assert_eq!(said(b"<html>", None), None);
        assert_eq!(said(format!("{{\"message\":\"{}\"}}", "x".repeat(5000)).as_bytes(), None).unwrap().len(), 200);
    }

    #[test]
    fn an_error_names_service_operation_object_and_what_to_do() {
        let request = Request { operation: "read the reviews of", object: "example/access#12", path: &[], query: &[] };
        let site = Site { service: "github", request: &request };
        let error = site.refused(StatusCode::UNAUTHORIZED, Some("Bad credentials"));
        assert_eq!(
            error.to_string(),
            "github: read the reviews of `example/access#12`: 401 Unauthorized: Bad credentials"
        );
        assert!(error.help[0].contains("check the token of github"));
    }
}
