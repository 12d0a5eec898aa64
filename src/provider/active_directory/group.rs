//! Scope and type of groups ([MS-ADTS] §2.2.12).
//!
//! Comes in: `groupType`. Goes out: what it says. Refuses: nothing.

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

impl Kind {
    /// The value of `groupType`, which the directory writes as a signed number.
    pub fn write(self) -> String {
        let scope = match self.scope {
            Scope::Global => 2,
            Scope::DomainLocal => 4,
            Scope::Universal => 8,
        };
        super::control::write(scope | if self.security { SECURITY } else { 0 })
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
}
