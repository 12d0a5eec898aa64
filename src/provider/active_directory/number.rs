//! Changes of a number that depend on what the number is.
//!
//! Comes in: the value that stands there. Goes out: the value that is to stand there,
//! so that the old one can be removed and the new one added in one step: whoever was
//! faster makes that step fail. Refuses: to overwrite what is not as it was planned.

use super::{control, filetime};
use crate::model::Instant;

/// How a number becomes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Bits that are set and bits that are cleared; all others stay as they are.
    Bits {
        /// Set.
        set: u32,
        /// Cleared.
        clear: u32,
    },
    /// A FILETIME, which must be `before` still.
    Ends {
        /// What it must be.
        before: Option<Instant>,
        /// What it becomes.
        after: Option<Instant>,
    },
}

impl Number {
    /// What is to stand in the place of `held`; `None` where that already is so.
    ///
    /// # Errors
    /// Why `held` is not what the change was planned against.
    pub fn next(self, held: Option<&str>) -> Result<Option<String>, String> {
        let new = match self {
            Self::Bits { set, clear } => {
                let text = held.ok_or("it is not there, or may not be read")?;
                let bits = control::parse(text).ok_or("it is no number")?;
                control::write((bits | set) & !clear)
            }
            Self::Ends { before, after } => {
                // No value at all says never, too.
                let there = held.map_or(Some(None), filetime::parse).ok_or("it is no time")?;
                if there != before {
                    return Err("somebody changed it meanwhile".to_owned());
                }
                filetime::write(after)
            }
        };
        Ok((held != Some(new.as_str())).then_some(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_bit_stays() {
        let enable = Number::Bits { set: 0, clear: control::DISABLED };
        // PASSWD_NOTREQD, DONT_EXPIRE_PASSWORD, SMARTCARD_REQUIRED.
        assert_eq!(enable.next(Some("514")), Ok(Some("512".to_owned())));
        assert_eq!(enable.next(Some("328226")), Ok(Some("328224".to_owned())));
        assert_eq!(enable.next(Some("512")), Ok(None));
        let disable = Number::Bits { set: control::DISABLED, clear: 0 };
        assert_eq!(disable.next(Some("328224")), Ok(Some("328226".to_owned())));
        assert!(disable.next(None).is_err() && disable.next(Some("?")).is_err());
    }

    #[test]
    fn an_end_is_changed_only_from_what_was_planned() {
        let day = Instant::from_seconds(0);
        let set = Number::Ends { before: None, after: Some(day) };
        for never in [Some("0"), Some(filetime::NEVER), None] {
            assert_eq!(set.next(never), Ok(Some("116444736000000000".to_owned())));
        }
        assert!(set.next(Some("116444736000000000")).unwrap_err().contains("meanwhile"));
        let lift = Number::Ends { before: Some(day), after: None };
        assert_eq!(lift.next(Some("116444736000000000")), Ok(Some(filetime::NEVER.to_owned())));
        assert!(lift.next(Some("0")).is_err());
    }
}
