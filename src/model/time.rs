//! Instants, windows and terms.
//!
//! Comes in: numbers that `policy` parsed from dates. Goes out: comparisons and
//! printed instants. Refuses: the clock (an instant "now" is always passed in).

use jiff::tz::TimeZone;
use std::fmt;
use std::num::NonZeroI64;

/// A point in time, in whole seconds since 1970-01-01T00:00:00Z (UTC).
///
/// Never zero inside, so that "perhaps an instant" takes no more room than one: a
/// large organisation's windows are millions of those.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(NonZeroI64);

/// What is added to the seconds inside: more than the years before 1970, so that the
/// sum is positive and in the same order.
const SHIFT: i64 = 1 << 40;

impl Instant {
    /// Seconds since the Unix epoch, UTC. Years outside -9999..=9999 are clamped.
    pub fn from_seconds(seconds: i64) -> Self {
        let seconds = seconds.clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        Self(NonZeroI64::new(seconds + SHIFT).unwrap_or(NonZeroI64::MIN))
    }

    /// Seconds since the Unix epoch, UTC.
    pub fn as_seconds(self) -> i64 {
        self.0.get() - SHIFT
    }

    /// The instant as jiff knows it.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.as_seconds()).unwrap_or(jiff::Timestamp::MAX)
    }

    /// `self + seconds`, saturating.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self::from_seconds(self.as_seconds().saturating_add(seconds))
    }

    /// `2027-01-01 00:00` in `zone`; seconds are shown only when not zero.
    pub fn civil(self, zone: &TimeZone) -> String {
        let zoned = self.timestamp().to_zoned(zone.clone());
        let format = if zoned.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
        zoned.strftime(format).to_string()
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&self.as_seconds()).finish()
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC, `2027-01-01T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.to_string()
    }
}

impl TryFrom<String> for Instant {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse::<jiff::Timestamp>().map(|t| Self::from_seconds(t.as_second()))
    }
}

/// A half-open span of time: `starts <= t < expires`. `None` is unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Window {
    /// First instant inside, if bounded.
    pub starts: Option<Instant>,
    /// First instant after, if bounded.
    pub expires: Option<Instant>,
}

impl Window {
    /// Whether `at` lies inside.
    pub fn contains(self, at: Instant) -> bool {
        !self.is_future(at) && !self.is_past(at)
    }

    /// Whether the window begins after `at`.
    pub fn is_future(self, at: Instant) -> bool {
        self.starts.is_some_and(|starts| at < starts)
    }

    /// Whether the window has ended at `at`.
    pub fn is_past(self, at: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= at)
    }
}

/// The earlier of two ends, where `None` means "no end".
pub fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (end, None) | (None, end) => end,
    }
}

/// The later of two ends, where `None` means "no end".
pub fn later(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    Some(a?.max(b?))
}

/// A length of time in whole seconds, written `30d`, `12h`, `2w` or `90m`. A day
/// is 24 hours: terms are spans, not calendar steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Term(pub i64);

impl Term {
    /// The length in seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Term {
    /// The largest unit that divides the term: `30d`, `36h`, `5m`, `7s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "0h"),
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}
