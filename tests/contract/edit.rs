//! Edits behind accord's back, as data.

use crate::support::slapd::{GROUPS, PEOPLE};

/// One edit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edit {
    /// An account (which need not exist) becomes a member of a group.
    Join(&'static str, &'static str),
    /// A member leaves a group.
    Part(&'static str, &'static str),
    /// An account's attribute gets another value.
    Set(&'static str, &'static str, &'static str),
    /// An account is locked for good.
    Lock(&'static str),
}

impl Edit {
    /// The edit as (DN, operation, attribute, value).
    pub(crate) fn parts(self, member: &str) -> (String, &'static str, String, String) {
        let account = |name: &str| format!("uid={name},{PEOPLE}");
        let value = |name: &str| if member == "memberUid" { name.to_owned() } else { account(name) };
        match self {
            Self::Join(group, name) => (format!("cn={group},{GROUPS}"), "add", member.to_owned(), value(name)),
            Self::Part(group, name) => (format!("cn={group},{GROUPS}"), "delete", member.to_owned(), value(name)),
            Self::Set(name, attribute, value) => (account(name), "replace", attribute.to_owned(), value.to_owned()),
            Self::Lock(name) => {
                (account(name), "replace", "pwdAccountLockedTime".to_owned(), "000001010000Z".to_owned())
            }
        }
    }
}
