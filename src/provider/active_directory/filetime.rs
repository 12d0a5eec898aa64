//! FILETIME ([MS-DTYP] §2.3.3): tenths of microseconds since 1601, the syntax of
//! `accountExpires`.
//!
//! Comes in: the number as text. Goes out: instants, and the number to write.
//! Refuses: numbers that are no time.

use crate::model::Instant;

/// Seconds from 1601-01-01 to 1970-01-01.
const EPOCH: i64 = 11_644_473_600;
/// Ticks in a second.
const TICKS: i64 = 10_000_000;
/// The way of writing "never" that the directory itself uses; `0` says the same.
pub const NEVER: &str = "9223372036854775807";

/// The instant, `None` for never; the outer `None` where it is no FILETIME.
/// Fractions of a second are dropped.
pub fn parse(text: &str) -> Option<Option<Instant>> {
    match text.trim().parse::<i64>().ok()? {
        0 | i64::MAX => Some(None),
        ticks if ticks > 0 => Some(Some(Instant::from_seconds(ticks / TICKS - EPOCH))),
        _ => None,
    }
}

/// The number for an instant, or for never. An instant before 1601 is the first tick.
pub fn write(instant: Option<Instant>) -> String {
    instant.map_or_else(
        || NEVER.to_owned(),
        |instant| instant.as_seconds().saturating_add(EPOCH).saturating_mul(TICKS).clamp(1, i64::MAX - 1).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn both_ways_of_saying_never_are_never() {
        assert_eq!(parse("0"), Some(None));
        assert_eq!(parse(NEVER), Some(None));
        assert_eq!(write(None), NEVER);
    }

    #[test]
    fn an_instant_survives_the_way_there_and_back() {
        // `(Get-Date '2027-04-01Z').ToFileTimeUtc()`.
        assert_eq!(write(Some(at("2027-04-01T00:00:00Z"))), "134510112000000000");
        for text in ["1970-01-01T00:00:00Z", "2027-03-31T22:00:00Z", "9998-12-31T23:59:59Z", "1601-01-01T00:00:01Z"] {
            assert_eq!(parse(&write(Some(at(text)))), Some(Some(at(text))), "{text}");
        }
        assert_eq!(parse("134510112009999999"), Some(Some(at("2027-04-01T00:00:00Z"))));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "x", "-1", "92233720368547758070"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
