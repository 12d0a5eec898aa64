//! Dates, terms and percentages as they are written.
//!
//! Comes in: text of one YAML value and the time zone that a bare date means. Goes
//! out: an [`Instant`], a [`Term`], a number. Refuses: everything that is not
//! exactly `YYYY-MM-DD` or RFC 3339 with offset and whole seconds; natural
//! language, other orders, local times without offset, and the clock. A date that
//! cannot be read is never read as "no date".

use crate::model::{Instant, Term};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// First year that a date may name.
pub const FIRST_YEAR: i16 = 1900;
/// Last year that a date may name.
pub const LAST_YEAR: i16 = 2199;
/// Longest term: one hundred years of 365 days, in seconds.
const LONGEST_TERM: i64 = 36_500 * 86_400;

/// Why a text is not what it should be, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Diagnostic code.
    pub code: &'static str,
    /// The problem, with the text in backticks.
    pub message: String,
    /// What to write.
    pub help: String,
}

impl Mistake {
    fn new(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: help.into() }
    }
}

/// The instant that `starts: text` means: the first of that day in `zone`, or the
/// exact one of a timestamp.
///
/// # Errors
/// A [`Mistake`] for everything else.
pub fn starts(text: &str, zone: &TimeZone) -> Result<Instant, Mistake> {
    match parse(text)? {
        Written::Day(day) => Ok(first_of(day, zone)),
        Written::Exact(instant) => Ok(instant),
    }
}

/// The first instant that `expires: text` no longer covers: the midnight that ends
/// that day in `zone` (on the day of a clock change too), or the exact one of a
/// timestamp.
///
/// # Errors
/// A [`Mistake`] for everything else.
pub fn expires(text: &str, zone: &TimeZone) -> Result<Instant, Mistake> {
    match parse(text)? {
        Written::Day(day) => Ok(first_of(day.tomorrow().unwrap_or(day), zone)),
        Written::Exact(instant) => Ok(instant),
    }
}

/// The zone of that IANA name.
///
/// # Errors
/// A [`Mistake`] for abbreviations, offsets and unknown names.
pub fn zone(name: &str) -> Result<TimeZone, Mistake> {
    let help = "write an IANA name such as `Europe/Berlin` or `UTC`";
    let known = |name: &str| jiff::tz::db().get(name).ok();
    // Abbreviations are ambiguous (`CST`) or have no summer time (`EST`).
    if name != "UTC" && !name.contains('/') {
        return Err(Mistake::new("unknown-timezone", format!("`{name}` is no time zone"), help));
    }
    known(name).ok_or_else(|| Mistake::new("unknown-timezone", format!("`{name}` is no time zone"), help))
}

enum Written {
    Day(Date),
    Exact(Instant),
}

fn first_of(day: Date, zone: &TimeZone) -> Instant {
    // Where midnight is skipped the day begins at the first instant after the gap;
    // where it comes twice, with the first of them: that is what jiff resolves to.
    let timestamp = zone.to_ambiguous_zoned(day.at(0, 0, 0, 0)).compatible().map(|zoned| zoned.timestamp());
    // Years 1900 to 2199 are far inside jiff's range.
    timestamp.map_or(Instant::from_seconds(0), |t| Instant::from_seconds(t.as_second()))
}

fn parse(text: &str) -> Result<Written, Mistake> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let at = |n: usize, byte: u8| bytes.get(n) == Some(&byte);
    if !(digits(0, 4) && at(4, b'-') && digits(5, 7) && at(7, b'-') && digits(8, 10)) {
        return Err(not_a_date(text));
    }
    if bytes.len() == 10 {
        return day(text, text).map(Written::Day);
    }
    let Some((date, time)) = text.split_at_checked(10) else { return Err(not_a_date(text)) };
    if !time.starts_with('T') {
        return Err(not_a_date(text));
    }
    let day = day(date, text)?;
    exact(day, text, time).map(Written::Exact)
}

fn number(text: Option<&str>) -> Option<u32> {
    text.filter(|t| !t.is_empty() && t.len() <= 9 && t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn day(date: &str, whole: &str) -> Result<Date, Mistake> {
    let mut parts = date.split('-');
    let mut next = || number(parts.next()).and_then(|n| i16::try_from(n).ok());
    let (Some(year), Some(month), Some(day)) = (next(), next(), next()) else { return Err(not_a_date(whole)) };
    if !(1..=12).contains(&month) {
        let help = "the order is year, month, day: `2026-12-31`";
        return Err(Mistake::new("no-such-date", format!("`{whole}` does not exist: there is no month {month}"), help));
    }
    let (month8, day8) = (i8::try_from(month).unwrap_or(1), i8::try_from(day).unwrap_or(0));
    let length = Date::new(year, month8, 1).map_or(31, Date::days_in_month);
    let name = MONTHS.get(usize::try_from(month - 1).unwrap_or(0)).copied().unwrap_or("the month");
    if !(1..=length).contains(&day8) {
        let message = format!("`{whole}` does not exist: {name} {year} has {length} days");
        return Err(Mistake::new(
            "no-such-date",
            message,
            format!("the last day of that month is `{year:04}-{month:02}-{length}`"),
        ));
    }
    if !(FIRST_YEAR..=LAST_YEAR).contains(&year) {
        let message = format!("the year of `{whole}` is not between {FIRST_YEAR} and {LAST_YEAR}");
        let help = "where there is no end, leave `expires` out; do not write a far one";
        return Err(Mistake::new("year-out-of-range", message, help));
    }
    Date::new(year, month8, day8).map_err(|_| not_a_date(whole))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `time` is `Thh:mm:ss` and an offset.
fn exact(day: Date, whole: &str, time: &str) -> Result<Instant, Mistake> {
    let example = format!("`{day}T18:00:00+01:00` or `{day}T17:00:00Z`");
    let bytes = time.as_bytes();
    let digits = |from: usize| bytes.get(from..from + 2).is_some_and(|p| p.iter().all(u8::is_ascii_digit));
    if !(digits(1) && bytes.get(3) == Some(&b':') && digits(4)) {
        return Err(Mistake::new(
            "not-a-date",
            format!("`{whole}` has no time of day after `T`"),
            format!("write {example}"),
        ));
    }
    if bytes.get(6) != Some(&b':') || !digits(7) {
        return Err(Mistake::new("not-a-date", format!("`{whole}` has no seconds"), format!("write {example}")));
    }
    let field = |from: usize| number(time.get(from..from + 2)).and_then(|n| i8::try_from(n).ok()).unwrap_or(99);
    let (hour, minute, second) = (field(1), field(4), field(7));
    let Ok(clock) = jiff::civil::Time::new(hour, minute, second, 0) else {
        let help = "hours go from 00 to 23, minutes and seconds from 00 to 59";
        return Err(Mistake::new(
            "no-such-date",
            format!("`{whole}` does not exist: there is no such time of day"),
            help,
        ));
    };
    let offset = time.get(9..).unwrap_or_default();
    let seconds = offset_seconds(offset).ok_or_else(|| offset_mistake(whole, offset, &example))?;
    let utc = TimeZone::UTC.to_timestamp(day.to_datetime(clock)).map_err(|_| not_a_date(whole))?;
    Ok(Instant::from_seconds(utc.as_second() - seconds))
}

fn offset_mistake(whole: &str, offset: &str, example: &str) -> Mistake {
    let help = format!("write {example}");
    if offset.is_empty() {
        let message = format!("`{whole}` has no offset, so it is no instant");
        return Mistake::new(
            "no-offset",
            message,
            format!("{help}; or a bare date, which means the time zone of the policy"),
        );
    }
    if offset.starts_with('.') {
        return Mistake::new("not-a-date", format!("`{whole}` has parts of a second"), help);
    }
    Mistake::new("no-offset", format!("`{offset}` in `{whole}` is no offset"), help)
}

/// Seconds east of UTC; `-00:00` says "unknown" (RFC 3339 §4.3) and is refused.
fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' if text != "-00:00" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let two = |t: &str| if t.len() == 2 { number(Some(t)) } else { None };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 23 && minutes <= 59).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

/// The message for what does not even look like a date, with the date it may mean.
fn not_a_date(text: &str) -> Mistake {
    let make = |help: String| Mistake::new("not-a-date", format!("`{text}` is no date"), help);
    let lower = text.trim().to_lowercase();
    if matches!(lower.as_str(), "never" | "none" | "no" | "forever" | "unlimited" | "indefinite" | "permanent") {
        return make("where there is no end, remove the line; `never` would hide whether that is allowed".to_owned());
    }
    if matches!(lower.as_str(), "today" | "tomorrow" | "now" | "yesterday")
        || lower.starts_with("in ")
        || lower.starts_with("next ")
    {
        let help = "the same files must mean the same on every day: write the day itself, `2026-12-31`";
        return make(help.to_owned());
    }
    if text.split_once(' ').is_some_and(|(date, time)| date.len() == 10 && time.contains(':')) {
        let with_t = text.replacen(' ', "T", 1);
        return make(format!("write a `T` between date and time, and an offset: `{with_t}Z`"));
    }
    let parts: Vec<&str> = lower.split(['.', '/', '-', ' ']).filter(|p| !p.is_empty()).collect();
    let all_numbers = parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_digit()));
    match parts.as_slice() {
        [d, m, y] if all_numbers && y.len() == 4 && lower.contains('.') => make(format!("write `{y}-{m:0>2}-{d:0>2}`")),
        [a, b, y] if all_numbers && y.len() == 4 => make(format!(
            "the order is year, month, day: write `{y}-{a:0>2}-{b:0>2}` or `{y}-{b:0>2}-{a:0>2}`, whichever is meant"
        )),
        [y, m, d] if all_numbers && y.len() == 4 => make(format!("write `{y}-{m:0>2}-{d:0>2}`")),
        [y, m] if all_numbers && y.len() == 4 => {
            make(format!("a month is no day: write the day too, `{y}-{m:0>2}-01`"))
        }
        [one] if all_numbers && one.len() == 8 => match (one.get(..4), one.get(4..6), one.get(6..)) {
            (Some(y), Some(m), Some(d)) => make(format!("write `{y}-{m}-{d}`")),
            _ => make(FORM.to_owned()),
        },
        _ => make(FORM.to_owned()),
    }
}

const FORM: &str = "write a day, `2026-12-31`, or an instant with its offset, `2026-12-31T18:00:00+01:00`";

/// A term: digits and one of `m`, `h`, `d`, `w`.
///
/// # Errors
/// A [`Mistake`] for everything else, and above one hundred years.
pub fn term(text: &str) -> Result<Term, Mistake> {
    let help = "write a whole number and one of `m` (minutes), `h`, `d`, `w`: `30d`, `12h`, `2w`, `90m`";
    let wrong = |what: &str| Mistake::new("not-a-term", format!("`{text}` is no term{what}"), help);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (Some(amount), Some(unit)) = (text.get(..digits), text.get(digits..)) else { return Err(wrong("")) };
    let scale = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "" if !amount.is_empty() => return Err(wrong(": the unit is missing")),
        _ if unit.trim_start().starts_with("mo") || unit.trim_start().starts_with('y') => {
            return Err(wrong(": months and years differ in length"));
        }
        _ => return Err(wrong("")),
    };
    let Some(amount) = number(Some(amount)) else {
        return Err(wrong(if digits > 9 { ": it is too long" } else { "" }));
    };
    let seconds = i64::from(amount) * scale;
    if seconds > LONGEST_TERM { Err(wrong(": the longest is `36500d`")) } else { Ok(Term(seconds)) }
}

/// A percentage from `0%` to `100%`.
///
/// # Errors
/// A [`Mistake`] for everything else.
pub fn percent(text: &str) -> Result<u32, Mistake> {
    let help = "write a whole number from 0 to 100 with `%`: `10%`";
    let amount = text.strip_suffix('%').and_then(|n| number(Some(n))).filter(|n| *n <= 100);
    amount.ok_or_else(|| Mistake::new("not-a-percentage", format!("`{text}` is no percentage"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zoned(name: &str) -> TimeZone {
        zone(name).unwrap()
    }

    fn last_day(text: &str, name: &str) -> String {
        expires(text, &zoned(name)).unwrap().to_string()
    }

    #[test]
    fn a_bare_date_ends_at_the_midnight_that_follows() {
        assert_eq!(last_day("2026-12-31", "Europe/Berlin"), "2026-12-31T23:00:00Z");
        assert_eq!(last_day("2026-12-31", "UTC"), "2027-01-01T00:00:00Z");
        assert_eq!(last_day("2024-02-29", "UTC"), "2024-03-01T00:00:00Z");
    }

    #[test]
    fn a_clock_change_moves_the_midnight_and_not_the_day() {
        assert_eq!(last_day("2026-03-28", "Europe/Berlin"), "2026-03-28T23:00:00Z");
        assert_eq!(last_day("2026-03-29", "Europe/Berlin"), "2026-03-29T22:00:00Z");
        assert_eq!(last_day("2026-10-25", "Europe/Berlin"), "2026-10-25T23:00:00Z");
    }

    #[test]
    fn a_midnight_that_is_skipped_or_comes_twice_is_the_first_instant_of_the_day() {
        // Cairo skips 00:00 to 01:00 on 2024-04-26.
        assert_eq!(starts("2024-04-26", &zoned("Africa/Cairo")).unwrap().to_string(), "2024-04-25T22:00:00Z");
        // Havana goes back from 01:00 to 00:00 on 2024-11-03.
        assert_eq!(starts("2024-11-03", &zoned("America/Havana")).unwrap().to_string(), "2024-11-03T04:00:00Z");
        // Samoa skipped the whole 2011-12-30.
        assert_eq!(last_day("2011-12-29", "Pacific/Apia"), last_day("2011-12-30", "Pacific/Apia"));
    }

    #[test]
    fn a_timestamp_is_exact() {
        let zone = zoned("Asia/Tokyo");
        assert_eq!(expires("2026-12-31T18:00:00+01:00", &zone).unwrap().to_string(), "2026-12-31T17:00:00Z");
        assert_eq!(starts("2026-12-31T18:00:00Z", &zone).unwrap().to_string(), "2026-12-31T18:00:00Z");
        assert_eq!(starts("2026-12-31T23:30:00-03:30", &zone).unwrap().to_string(), "2027-01-01T03:00:00Z");
    }

    #[test]
    fn every_other_text_says_what_is_wrong() {
        let cases = [
            ("2026-02-30", "no-such-date", "February 2026 has 28 days", "2026-02-28"),
            ("2026-13-01", "no-such-date", "no month 13", "year, month, day"),
            ("2026-00-01", "no-such-date", "no month 0", ""),
            ("2026-01-00", "no-such-date", "January 2026 has 31 days", ""),
            ("31.12.2026", "not-a-date", "", "write `2026-12-31`"),
            ("3/4/2026", "not-a-date", "", "`2026-03-04` or `2026-04-03`"),
            ("2026/12/31", "not-a-date", "", "write `2026-12-31`"),
            ("2026-1-2", "not-a-date", "", "write `2026-01-02`"),
            ("20261231", "not-a-date", "", "write `2026-12-31`"),
            ("2026-12", "not-a-date", "", "2026-12-01"),
            ("2026-12-31T18:00:00", "no-offset", "no offset", "+01:00"),
            ("2026-12-31T18:00+01:00", "not-a-date", "no seconds", "18:00:00"),
            ("2026-12-31T18:00:00.5Z", "not-a-date", "parts of a second", ""),
            ("2026-12-31T18:00:00-00:00", "no-offset", "no offset", ""),
            ("2026-12-31T24:00:00Z", "no-such-date", "time of day", ""),
            ("2026-12-31 18:00", "not-a-date", "", "`2026-12-31T18:00Z`"),
            ("9999-12-31", "year-out-of-range", "9999", "leave `expires` out"),
            ("0000-00-00", "no-such-date", "month 0", ""),
            ("tomorrow", "not-a-date", "", "the day itself"),
            ("never", "not-a-date", "", "remove the line"),
            ("nxt friday", "not-a-date", "", "write a day"),
            ("", "not-a-date", "", ""),
            ("２０２６-12-31", "not-a-date", "", ""),
            ("2026-12-31T", "not-a-date", "", ""),
            ("2026-12-3é", "not-a-date", "", ""),
        ];
        for (text, code, message, help) in cases {
            let mistake = expires(text, &TimeZone::UTC).expect_err(text);
            assert_eq!(mistake.code, code, "{text}: {mistake:?}");
            assert!(mistake.message.contains(message), "{text}: {mistake:?}");
            assert!(mistake.help.contains(help), "{text}: {mistake:?}");
        }
    }

    #[test]
    fn terms_are_whole_and_have_a_unit() {
        for (text, seconds) in [("30d", 2_592_000), ("12h", 43_200), ("2w", 1_209_600), ("90m", 5_400), ("0h", 0)] {
            assert_eq!(term(text), Ok(Term(seconds)));
        }
        for text in ["1 month", "30", "d", "", "-3d", "1.5h", "30 d", "30D", "99999999999d", "1y", "36501d", "P30D"] {
            assert_eq!(term(text).expect_err(text).code, "not-a-term");
        }
    }

    #[test]
    fn a_percentage_has_its_sign() {
        assert_eq!((percent("0%"), percent("100%")), (Ok(0), Ok(100)));
        for text in ["10", "101%", "-1%", "%", "1.5%", "10 %"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_have_names_of_places() {
        assert!(zone("Europe/Berlin").is_ok() && zone("UTC").is_ok());
        for text in ["CEST", "Berlin", "", "+01:00", "Europe/Bärlin"] {
            assert!(zone(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9T:+Z. /-]{0,26}|.{0,12}") {
            let (_, _, _) = (starts(&text, &TimeZone::UTC), term(&text), percent(&text));
        }

        #[test]
        fn every_day_of_the_calendar_is_read_back(days in 0..100_000i64) {
            let date = Date::new(1900, 1, 1).unwrap() + jiff::Span::new().days(days);
            let zone = zoned("America/New_York");
            let (start, end) = (starts(&date.to_string(), &zone).unwrap(), expires(&date.to_string(), &zone).unwrap());
            proptest::prop_assert!(start < end);
            proptest::prop_assert_eq!(start.timestamp().to_zoned(zone.clone()).date(), date);
            proptest::prop_assert_eq!(end.plus(-1).timestamp().to_zoned(zone).date(), date);
        }
    }
}
