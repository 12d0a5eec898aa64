//! Ends that a directory acts on by itself.
//!
//! Comes in: what a kind can do, two ends. Goes out: the words of a plan, and whether two
//! ends are the same. Refuses: to call a file that only carries an end one that ends.

use crate::model::Instant;

/// What a directory ends by itself once accord has written when. A file only carries an
/// end: nothing happens at that instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndsItself {
    /// Accounts: nobody can log in after their end (`pwdEndTime`, `accountExpires`).
    pub accounts: bool,
    /// Memberships: they go at their end (links with a time to live).
    pub memberships: bool,
}

/// In [`crate::plan::DirectoryMark::ends_itself`]: accounts.
pub const ACCOUNTS: &str = "accounts";
/// In [`crate::plan::DirectoryMark::ends_itself`]: memberships.
pub const MEMBERSHIPS: &str = "memberships";

/// Ends of memberships that are so many seconds apart or less are the same. They are
/// written and read as a time to live: between the question about the time, the write and
/// every later read some go by.
pub const TOLERANCE: i64 = 120;

impl EndsItself {
    /// What it ends, in the words of a plan.
    pub fn words(self) -> Vec<String> {
        let both = [(self.accounts, ACCOUNTS), (self.memberships, MEMBERSHIPS)];
        both.into_iter().filter(|(ends, _)| *ends).map(|(_, word)| word.to_owned()).collect()
    }
}

/// Whether two ends of a membership are the same, give or take [`TOLERANCE`].
pub fn same_end(a: Option<Instant>, b: Option<Instant>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a.as_seconds() - b.as_seconds()).abs() <= TOLERANCE,
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_seconds_are_no_difference() {
        let at = |n| Some(Instant::from_seconds(n));
        assert!(same_end(at(0), at(TOLERANCE)) && same_end(at(TOLERANCE), at(0)) && same_end(None, None));
        assert!(!same_end(at(0), at(TOLERANCE + 1)) && !same_end(at(0), None) && !same_end(None, at(0)));
    }
}
