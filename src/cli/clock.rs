//! The clock, and instants and terms as they are typed.
//!
//! Comes in: words of the command line. Goes out: instants. Refuses: words that
//! could mean two things.

use super::failure::Failure;
use crate::model::{Instant, Term};
use crate::policy::date;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Now, in whole seconds. The only place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "the one clock; everything else is handed an instant")]
pub(super) fn now() -> Instant {
    Instant::from_seconds(jiff::Timestamp::now().as_second())
}

/// Milliseconds since the machine started, with those in which it slept: what a lease is
/// kept on. Nobody can set it, and it never goes back.
pub(super) fn since_boot() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    // On macOS and FreeBSD this one counts sleep.
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1000 + nanos / 1_000_000
}

/// An instant as typed after `--at`: a date (its first moment), a date and time as
/// accord prints them, both in the organisation's zone, or RFC 3339 with an offset.
///
/// # Errors
/// When it is none of these.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Result<Instant, Failure> {
    let printed = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
        .into_iter()
        .find_map(|format| DateTime::strptime(format, text).ok())
        .and_then(|civil| civil.to_zoned(zone.clone()).ok());
    if let Some(zoned) = printed {
        return Ok(Instant::from_seconds(zoned.timestamp().as_second()));
    }
    date::starts(text, zone).map_err(|_| {
        Failure::new(format!("`{text}` is not a time"))
            .help("write `2027-01-01`, `\"2027-01-01 09:00\"` or `2027-01-01T09:00:00+01:00`")
    })
}

/// A term as typed after `--within`: `30d`, `2w`, `36h`, `90m`.
///
/// # Errors
/// When it is no whole number with one of these units.
pub(super) fn term(text: &str) -> Result<Term, Failure> {
    date::term(text).map_err(|mistake| Failure::new(mistake.message).help(mistake.help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_date_is_its_first_moment_in_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text| instant(text, &zone).unwrap().to_string();
        assert_eq!(at("2027-01-01"), "2026-12-31T23:00:00Z");
        assert_eq!(at("2027-07-01 09:30"), "2027-07-01T07:30:00Z");
        assert_eq!(at("2027-01-01T09:00:00+01:00"), "2027-01-01T08:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "tomorrow", "2027-02-30", "2027-1-1", "01.01.2027", "2027-01-01T09:00:00"] {
            assert!(instant(text, &TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn terms_have_a_unit() {
        assert_eq!(term("2w").unwrap(), Term(1_209_600));
        for text in ["30", "d", "-3d", "3dd", "1y"] {
            assert!(term(text).is_err(), "{text}");
        }
    }
}
