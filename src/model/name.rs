//! How names and values compare: the one place where both sides are normalised.
//!
//! Comes in: text of either side and the provider's [`Matching`]. Goes out: a key
//! that is equal exactly where the directory would call the two equal. Refuses:
//! DNs (those have a syntax of their own, see `provider::ldap::dn`).

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// How a directory compares a name or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum Matching {
    /// Case and repeated or outer spaces do not count (RFC 4517 `caseIgnoreMatch`,
    /// prepared as RFC 4518 says: NFKC, case folded, spaces squeezed).
    #[default]
    CaseIgnore,
    /// Case counts, outer and repeated spaces do not (RFC 4517 `caseExactMatch`).
    CaseExact,
    /// Every byte counts.
    Exact,
    /// A distinguished name (RFC 4514), compared by attribute type and value.
    Dn,
}

impl Matching {
    /// The comparison key of `text`. Borrowed when `text` already is its own key,
    /// which for lower-case ASCII without outer or double spaces it always is.
    pub fn key(self, text: &str) -> Cow<'_, str> {
        let plain = text.is_ascii()
            && !text.starts_with(' ')
            && !text.ends_with(' ')
            && !text.contains("  ")
            && !text.bytes().any(|b| b < 0x20 || b == 0x7f);
        match self {
            Self::Exact => Cow::Borrowed(text),
            Self::CaseExact if plain => Cow::Borrowed(text),
            Self::CaseIgnore | Self::Dn if plain && !text.bytes().any(|b| b.is_ascii_uppercase()) => {
                Cow::Borrowed(text)
            }
            Self::CaseExact => Cow::Owned(squeeze(text.nfkc())),
            // Lower-casing may denormalise, and normalising may create capitals.
            Self::CaseIgnore | Self::Dn => Cow::Owned(squeeze(text.nfkc().flat_map(char::to_lowercase).nfkc())),
        }
    }
}

/// One space for every run of white space, none at the ends; control characters
/// are dropped (RFC 4518 §2.2).
fn squeeze(chars: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in chars {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !c.is_control() && c != '\u{ad}' && c != '\u{200b}' && c != '\u{feff}' {
            out.push(c);
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Matching::{CaseExact, CaseIgnore, Exact};

    #[test]
    fn case_ignore_folds_case_spaces_and_width() {
        assert_eq!(CaseIgnore.key("  Maria   LOPEZ "), "maria lopez");
        assert_eq!(CaseIgnore.key("ｗｅｉ"), "wei");
        assert_eq!(CaseIgnore.key("JOSE\u{301}"), CaseIgnore.key("jos\u{e9}"));
    }

    #[test]
    fn case_exact_keeps_case_and_exact_keeps_everything() {
        assert_eq!(CaseExact.key(" A  b "), "A b");
        assert_eq!(Exact.key(" A "), " A ");
    }
}
