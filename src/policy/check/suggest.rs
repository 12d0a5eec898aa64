//! "Did you mean": the declared word closest to one that is not declared.
//!
//! Comes in: a word and the declared ones. Goes out: at most one of them. Refuses:
//! words too far away to be a slip, and endless work on files that are wholly wrong.

use std::cell::Cell;

/// Least similarity of two words that may be one slip apart, from 0 to 1.
const CUTOFF: f32 = 0.6;
/// Candidates are compared in full only while so many comparisons are left for the
/// whole run: a hundred thousand unknown names must not take minutes.
const BUDGET: usize = 2_000_000;

/// Finds suggestions until its budget is used up.
#[derive(Debug)]
pub(super) struct Suggest {
    left: Cell<usize>,
}

impl Default for Suggest {
    fn default() -> Self {
        Self { left: Cell::new(BUDGET) }
    }
}

impl Suggest {
    /// Whether so many candidates can still be compared; asked before they are collected.
    pub(super) fn affords(&self, candidates: usize) -> bool {
        self.left.get() >= candidates
    }

    /// The candidate that `word` most likely means. `candidates` should be sorted,
    /// so that of two equally close ones the same is always named.
    pub(super) fn closest<'a>(&self, word: &str, candidates: &[&'a str]) -> Option<&'a str> {
        self.left.set(self.left.get().checked_sub(candidates.len())?);
        let lower = word.to_lowercase();
        if let Some(same) = candidates.iter().find(|c| c.len() == word.len() && c.to_lowercase() == lower) {
            return Some(same);
        }
        let near: Vec<&str> = candidates.iter().copied().filter(|c| may_be_close(&lower, c)).collect();
        similar::get_close_matches(lower.as_str(), &near, 1, CUTOFF).pop()
    }
}

/// A cheap upper bound: words that share too few letters cannot reach the cutoff.
fn may_be_close(a: &str, b: &str) -> bool {
    let mut counts = [0i16; 64];
    for byte in a.bytes() {
        if let Some(n) = counts.get_mut(usize::from(byte & 63)) {
            *n += 1;
        }
    }
    let mut shared = 0usize;
    for byte in b.bytes() {
        if let Some(n) = counts.get_mut(usize::from(byte & 63))
            && *n > 0
        {
            *n -= 1;
            shared += 1;
        }
    }
    // Bytes stand in for characters, so the bound is left a little loose.
    20 * shared >= 11 * (a.len() + b.len()) / 2
}

#[cfg(test)]
mod tests {
    use super::Suggest;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let suggest = Suggest::default();
        let names = ["dana.wolf", "li.na", "maria.lopez", "wei.chen"];
        for (word, expected) in [
            ("maria.lopes", Some("maria.lopez")),
            ("Maria.Lopez", Some("maria.lopez")),
            ("maria.lopze", Some("maria.lopez")),
            ("wei.cheng", Some("wei.chen")),
            ("lina", Some("li.na")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(suggest.closest(word, &names), expected, "{word}");
        }
    }

    #[test]
    fn the_budget_ends_the_work_and_not_the_run() {
        let suggest = Suggest::default();
        suggest.left.set(1);
        assert_eq!(suggest.closest("a", &["a", "b"]), None);
    }
}
