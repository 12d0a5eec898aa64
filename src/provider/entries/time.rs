//! Generalized Time (RFC 4517 §3.3.13), the syntax of every date in an LDAP entry.
//!
//! Comes in: `20270101000000Z` and its shorter and longer forms. Goes out: instants,
//! and the one form that is written. Refuses: local times without an offset.

use crate::model::Instant;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The value as an instant; fractions of the last unit are dropped.
pub fn parse(text: &str) -> Option<Instant> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if !matches!(digits, 10 | 12 | 14) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i16> { text.get(from..to.min(digits))?.parse().ok() };
    let part = |from: usize| -> Option<i8> {
        if from >= digits { Some(0) } else { i8::try_from(number(from, from + 2)?).ok() }
    };
    let zone = text.get(digits..)?;
    let zone = match zone.strip_prefix(['.', ',']) {
        Some(fraction) => {
            let fraction_digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            fraction.get(fraction_digits..).filter(|_| fraction_digits > 0)?
        }
        None => zone,
    };
    // A leap second counts as the last one of its minute: instants have none.
    let date = DateTime::new(number(0, 4)?, part(4)?, part(6)?, part(8)?, part(10)?, part(12)?.min(59), 0).ok()?;
    let utc = Offset::UTC.to_timestamp(date).ok()?.as_second();
    Some(Instant::from_seconds(utc - offset(zone)?))
}

/// Seconds east of UTC of `Z`, `+hh`, `-hhmm`.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    if !matches!(rest.len(), 2 | 4) || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = rest.get(..2)?.parse().ok()?;
    let minutes: i64 = rest.get(2..).filter(|text| !text.is_empty()).map_or(Some(0), |text| text.parse().ok())?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// The instant in UTC with seconds, `20270101000000Z`.
pub fn write(instant: Instant) -> String {
    instant.timestamp().strftime("%Y%m%d%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_rfc_is_read_and_one_is_written() {
        let midnight = "2027-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
        for text in [
            "20270101000000Z",
            "202701010000Z",
            "2027010100Z",
            "20270101000000.5Z",
            "20270101010000+01",
            "20261231193000-0430",
        ] {
            assert_eq!(parse(text).map(Instant::as_seconds), Some(midnight), "{text}");
        }
        assert_eq!(write(Instant::from_seconds(midnight)), "20270101000000Z");
        for text in
            ["", "2027", "20270101000000", "20271301000000Z", "20270101000000.Z", "20270101000000+1", "2027010100000aZ"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
