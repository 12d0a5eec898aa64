//! When to ask again.
//!
//! Comes in: status and headers of an answer. Goes out: how long to wait. Refuses: the
//! clock: what a server gives as an instant is counted from its own `Date`.

use crate::model::Instant;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Names under which services tell when their limit begins anew, in seconds since 1970:
/// GitHub's, GitLab's, Okta's.
const RESET: [&str; 3] = ["x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"];
/// And how many requests are left until then.
const LEFT: [&str; 3] = ["x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining"];

/// What an answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// To be taken as it is.
    No,
    /// To be asked again after so long, because the service is busy or broken.
    Later(Duration),
    /// To be asked again after so long, because its limit is used up; until the instant,
    /// where the service says so.
    Limited(Duration, Option<Instant>),
}

/// What to do about an answer to a safe request; `attempt` counts from 0.
pub(super) fn again(status: StatusCode, headers: &HeaderMap, attempt: u32) -> Again {
    let asked = retry_after(headers);
    let is_limited = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        // GitHub refuses with 403 as well; so does missing permission, with neither header.
        StatusCode::FORBIDDEN => asked.is_some() || number(headers, &LEFT) == Some(0),
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => return Again::Later(asked.unwrap_or_else(|| pause(attempt))),
        _ => return Again::No,
    };
    if !is_limited {
        return Again::No;
    }
    let reset = number(headers, &RESET).and_then(|at| i64::try_from(at).ok());
    let now = date(headers, DATE.as_str());
    let until_reset = reset.zip(now).map(|(at, now)| seconds(at.saturating_sub(now)));
    // A minute is what GitHub asks for where it says nothing.
    let wait = asked.or(until_reset).unwrap_or(Duration::from_mins(1));
    Again::Limited(wait, reset.map(Instant::from_seconds))
}

/// How long to wait where nobody says: 0.5, 1, 2, 4 … seconds.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(500_u64 << attempt.min(6))
}

/// RFC 9110 §10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(number) = text.parse::<u64>() {
        return Some(Duration::from_secs(number));
    }
    let at = date(headers, RETRY_AFTER.as_str())?;
    Some(seconds(at.saturating_sub(date(headers, DATE.as_str())?)))
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}

fn date(headers: &HeaderMap, name: &str) -> Option<i64> {
    let text = headers.get(name)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_second())
}

fn number(headers: &HeaderMap, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| headers.get(*name)?.to_str().ok()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_a_service_asks_for_is_what_is_waited() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let of = |status, list: &[_]| again(StatusCode::from_u16(status).unwrap(), &headers(list), 1);
        let secs = Duration::from_secs;
        assert_eq!(of(429, &[("retry-after", "7")]), Again::Limited(secs(7), None));
        assert_eq!(of(429, &[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), date]), Again::Limited(secs(60), None));
        let reset = Instant::from_seconds(784_111_877);
        let list = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "784111877"), date];
        assert_eq!(of(403, &list), Again::Limited(secs(100), Some(reset)));
        assert_eq!(of(429, &[("ratelimit-reset", "784111877"), date]), Again::Limited(secs(100), Some(reset)));
        assert_eq!(of(403, &[("x-ratelimit-remaining", "12")]), Again::No);
        assert_eq!(of(403, &[]), Again::No);
        assert_eq!(of(429, &[]), Again::Limited(secs(60), None));
        assert_eq!(of(503, &[("retry-after", "3")]), Again::Later(secs(3)));
        assert_eq!(of(502, &[]), Again::Later(secs(1)));
        assert_eq!((of(500, &[]), of(404, &[]), of(200, &[("retry-after", "3")])), (Again::No, Again::No, Again::No));
    }
}
