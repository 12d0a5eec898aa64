//! Globs: names with `*` for any run of characters, and nothing else.
//!
//! Comes in: a pattern as written (`team-*`, `breakglass-*`) and how names compare.
//! Goes out: whether a name matches. Refuses: `?`, brackets, braces and backslashes,
//! which other tools would read differently.

use crate::model::Matching;

/// A pattern in which only `*` is special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The literal parts between the stars, prepared for comparison.
    parts: Vec<Box<str>>,
    matching: Matching,
}

impl Glob {
    /// The pattern, to be compared as `matching` says; `Err` is the character that
    /// has no meaning here.
    ///
    /// # Errors
    /// The first character that other tools give a meaning.
    pub fn new(pattern: &str, matching: Matching) -> Result<Self, char> {
        if let Some(bad) = pattern.chars().find(|c| matches!(c, '?' | '[' | ']' | '{' | '}' | '\\')) {
            return Err(bad);
        }
        let key = matching.key(pattern);
        Ok(Self { parts: key.split('*').map(Box::from).collect(), matching })
    }

    /// Whether the pattern has a `*`; without one it is a plain name.
    pub fn is_pattern(text: &str) -> bool {
        text.contains('*')
    }

    /// Whether `name` matches as a whole. Linear in the name for each part.
    pub fn matches(&self, name: &str) -> bool {
        let key = self.matching.key(name);
        let Some((first, rest)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return key.as_ref() == first.as_ref() };
        let Some(left) = key.strip_prefix(first.as_ref()) else { return false };
        // Leftmost matches of the middle parts leave the most room for the last one.
        let mut left = left;
        for part in middle {
            let Some((_, after)) = left.split_once(part.as_ref()) else { return false };
            left = after;
        }
        left.ends_with(last.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::new(pattern, Matching::CaseIgnore).unwrap().matches(name)
    }

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, name) in [
            ("team-*", "team-a"),
            ("team-*", "team-"),
            ("*", ""),
            ("*", "x"),
            ("*-admin", "a-admin"),
            ("a*b*c", "abc"),
            ("a*b*c", "axxbyybzc"),
            ("a**c", "abc"),
            ("Team-*", "tEAM-x"),
            ("exact", "EXACT"),
            ("*aa", "aaa"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("team-*", "teams-a"),
            ("*-admin", "admin"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("exact", "exactly"),
            ("ab*ba", "aba"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_other_tools_would_read_differently_is_refused() {
        for pattern in ["team-?", "team-[ab]", "{a,b}", "a\\*"] {
            assert!(Glob::new(pattern, Matching::Exact).is_err(), "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_obvious_recursion(pattern in "[ab*]{0,7}", name in "[ab]{0,9}") {
            fn slow(p: &[u8], n: &[u8]) -> bool {
                match (p, n) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => slow(rest, n) || (!n.is_empty() && slow(p, &n[1..])),
                    ([a, p @ ..], [b, n @ ..]) => a == b && slow(p, n),
                    _ => false,
                }
            }
            let glob = Glob::new(&pattern, Matching::Exact).unwrap();
            proptest::prop_assert_eq!(glob.matches(&name), slow(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
