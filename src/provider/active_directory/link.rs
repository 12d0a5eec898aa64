//! Memberships with a time to live ([MS-ADTS] §3.1.1.9.2): the domain itself ends them
//! where the forest has the Privileged Access Management feature.
//!
//! Comes in: member values as the directory writes them, the controller's time. Goes
//! out: the DN and when it ends; the value that gives a membership an end. Refuses: to
//! read an end from what is not written like one.
//!
//! What is sent and shown is a number of seconds from now, by the controller's clock. It
//! is that clock's time that ends are made of, so that no other clock matters.

use crate::model::Instant;

/// Control that shows ends of memberships in answers ([MS-ADTS] §3.1.1.3.4.1.36).
pub const SHOWN: &str = "1.2.840.113556.1.4.2309";
/// Finds the feature `{ec43e873-cce8-4640-b4ab-07ffe4ab5bcd}`, whatever it is called.
pub const FEATURE: &str = "(msDS-OptionalFeatureGUID=\\73\\e8\\43\\ec\\ce\\c8\\40\\46\\b4\\ab\\07\\ff\\e4\\ab\\5b\\cd)";
/// Where the features of a forest stand, below its configuration.
pub const FEATURES: &str = "CN=Optional Features,CN=Directory Service,CN=Windows NT,CN=Services";
/// Attribute that says where a feature is enabled; none: nowhere.
pub const ENABLED: &str = "msDS-EnabledFeatureBL";
/// Attribute of the root DSE with the controller's time.
pub const TIME: &str = "currentTime";

/// The longest time to live that is written: more does not fit the controller's number.
const LONGEST: i64 = i32::MAX as i64;

/// The controller's time, as it goes on from when it was told.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    told: Instant,
    at: std::time::Instant,
}

impl Clock {
    /// The controller says that it is `told` now.
    pub fn new(told: Instant) -> Self {
        Self { told, at: std::time::Instant::now() }
    }

    /// What the controller would say now.
    pub fn now(&self) -> Instant {
        self.told.plus(i64::try_from(self.at.elapsed().as_secs()).unwrap_or(i64::MAX))
    }
}

/// The seconds that are left and the DN: of `<TTL=3600,CN=…>`, and of `<TTL=3600>,CN=…`,
/// as it is shown by some tools. A value without an end is the DN.
pub fn parse(value: &str) -> (Option<i64>, &str) {
    let ended = |value: &str| -> Option<(i64, usize, usize)> {
        let rest = value.strip_prefix("<TTL=")?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        // Ten digits hold every number of the controller.
        let seconds = rest.get(..digits).filter(|_| (1..=10).contains(&digits))?.parse().ok()?;
        let start = "<TTL=".len() + digits;
        match value.get(start..)? {
            after if after.starts_with(">,") => Some((seconds, start + 2, value.len())),
            after if after.starts_with(',') && after.ends_with('>') => Some((seconds, start + 1, value.len() - 1)),
            _ => None,
        }
    };
    match ended(value).and_then(|(seconds, from, to)| Some((seconds, value.get(from..to)?))) {
        Some((seconds, dn)) if !dn.is_empty() => (Some(seconds), dn),
        _ => (None, value),
    }
}

/// The DN of a member value.
pub fn bare(value: &str) -> &str {
    parse(value).1
}

/// The value that makes `dn` a member until `ends`; `None` where that is over.
pub fn write(dn: &str, ends: Instant, now: Instant) -> Option<String> {
    let left = ends.as_seconds().saturating_sub(now.as_seconds()).min(LONGEST);
    (left > 0).then(|| format!("<TTL={left},{dn}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_only_from_what_is_written_like_one() {
        let dn = "CN=Ada\\, Countess,OU=People,DC=example,DC=com";
        assert_eq!(parse(&format!("<TTL=3600,{dn}>")), (Some(3600), dn));
        assert_eq!(parse(&format!("<TTL=0>,{dn}")), (Some(0), dn));
        for other in [
            dn,
            "",
            "<TTL=>",
            "<TTL=5,>",
            "<TTL=5>,",
            "<TTL=-5,CN=a>",
            "<TTL=99999999999,CN=a>",
            "<TTL=5,CN=a",
            "<ttl=5,CN=a>",
            "<TTL=5CN=a>",
            "<GUID=5>",
        ] {
            assert_eq!(parse(other), (None, other));
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_is_written_for_what_is_over() {
        let at = Instant::from_seconds;
        let value = write("CN=a", at(1_000), at(400)).unwrap();
        assert_eq!((value.as_str(), parse(&value)), ("<TTL=600,CN=a>", (Some(600), "CN=a")));
        assert_eq!(write("CN=a", at(400), at(400)), None);
        let longest = write("CN=a", at(10_000_000_000), at(0)).unwrap();
        assert_eq!(parse(&longest).0, Some(i64::from(i32::MAX)));
    }
}
