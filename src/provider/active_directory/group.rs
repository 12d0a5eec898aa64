//! Scope and type of groups ([MS-ADTS] §2.2.12).
//!
//! Comes in: `groupType`, or the words of a policy. Goes out: the other. Refuses:
//! numbers that name no scope, and changes of scope that no domain allows.

use super::{Number, control};

/// Set: the group grants access; otherwise it only distributes mail.
const SECURITY: u32 = 0x8000_0000;

/// Who may be a member and where the group counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Members of its own domain; counts everywhere.
    #[default]
    Global,
    /// Members from everywhere; counts in its own domain.
    DomainLocal,
    /// Members from everywhere; counts everywhere.
    Universal,
}

/// What sort of group it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its scope.
    pub scope: Scope,
    /// Whether it grants access.
    pub security: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self { scope: Scope::Global, security: true }
    }
}

impl Scope {
    fn bit(self) -> u32 {
        match self {
            Self::Global => 2,
            Self::DomainLocal => 4,
            Self::Universal => 8,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::DomainLocal => "domain-local",
            Self::Universal => "universal",
        }
    }
}

impl Kind {
    /// The bits that say scope and type; all others are the directory's.
    pub const MASK: u32 = SECURITY | 2 | 4 | 8;

    /// Its bits.
    pub fn bits(self) -> u32 {
        self.scope.bit() | if self.security { SECURITY } else { 0 }
    }

    /// The value of `groupType`, which the directory writes as a signed number.
    pub fn write(self) -> String {
        control::write(self.bits())
    }

    /// What the value of `groupType` says.
    pub fn parse(text: &str) -> Option<Self> {
        let bits = control::parse(text)?;
        Self::all().find(|kind| kind.bits() == bits & Self::MASK)
    }

    /// `global security`, as plans and policies say it.
    pub fn words(self) -> String {
        format!("{} {}", self.scope.word(), if self.security { "security" } else { "distribution" })
    }

    /// The reverse of [`Self::words`].
    pub fn from_words(words: &str) -> Option<Self> {
        Self::all().find(|kind| kind.words() == words)
    }

    fn all() -> impl Iterator<Item = Self> {
        let scopes = [Scope::Global, Scope::DomainLocal, Scope::Universal];
        scopes.into_iter().flat_map(|scope| [true, false].map(|security| Self { scope, security }))
    }

    /// How a group of this kind becomes one of another.
    ///
    /// # Errors
    /// Why no domain allows it in one step ([MS-SAMR] §3.1.1.8.2), and what to do.
    pub fn becomes(self, other: Self) -> Result<Number, String> {
        if matches!(
            (self.scope, other.scope),
            (Scope::Global, Scope::DomainLocal) | (Scope::DomainLocal, Scope::Global)
        ) {
            let (from, to) = (self.scope.word(), other.scope.word());
            return Err(format!(
                "a {from} group becomes {to} only by way of universal: write `scope: universal` first"
            ));
        }
        Ok(Number::Bits { set: other.bits(), clear: Self::MASK & !other.bits() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_group_is_global_and_grants_access() {
        assert_eq!(Kind::default().write(), "-2147483646");
        assert_eq!(Kind { scope: Scope::Universal, security: false }.write(), "8");
    }

    #[test]
    fn every_kind_has_words_and_a_number() {
        for kind in Kind::all() {
            assert_eq!(Kind::from_words(&kind.words()), Some(kind));
            assert_eq!(Kind::parse(&kind.write()), Some(kind));
        }
        // Built-in groups carry further bits.
        assert_eq!(Kind::parse("-2147483643").unwrap().words(), "domain-local security");
        assert_eq!(Kind::parse("0"), None);
        assert_eq!(Kind::from_words("local"), None);
    }

    #[test]
    fn other_bits_stay_and_one_way_leads_by_universal() {
        let of = |words: &str| Kind::from_words(words).unwrap();
        let wider = of("global security").becomes(of("universal distribution")).unwrap();
        assert_eq!(wider.next(Some("-2147483646")), Ok(Some("8".to_owned())));
        assert_eq!(wider.next(Some("-2147483629")), Ok(Some("25".to_owned())));
        let why = of("global security").becomes(of("domain-local security")).unwrap_err();
        assert!(why.contains("by way of universal"), "{why}");
    }
}
