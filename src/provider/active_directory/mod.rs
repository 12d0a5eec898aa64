//! What only Active Directory has, as plain functions: its numbers, its identifiers,
//! its words for refusals, its way of cutting long lists.
//!
//! Comes in: values as the directory writes them. Goes out: their meaning, and values
//! to write. Refuses: connections. Reading and writing are those of
//! [`ldap`](super::ldap), entries those of [`entries`](super::entries): a domain
//! controller is one more LDAP server.
//!
//! Sources: [MS-ADTS] (attributes, ranges, capabilities), [MS-SAMR] (account control
//! bits, well-known identifiers), [MS-ERREF] (error codes).

pub mod control;
pub mod filetime;
pub mod group;
pub mod identifier;
pub mod link;
pub mod metadata;
pub mod number;
pub mod protection;
pub mod range;
pub mod refusal;

pub use number::Number;

/// Attribute with the account control bits.
pub const CONTROL: &str = "userAccountControl";
/// Attribute with the end of an account, a FILETIME.
pub const EXPIRES: &str = "accountExpires";
/// Attribute with the identifier that an object keeps whatever it is called and
/// wherever it stands.
pub const GUID: &str = "objectGUID";
/// Attribute with the logon name of accounts and groups.
pub const LOGON: &str = "sAMAccountName";
/// Attribute with the scope and type of a group.
pub const GROUP_TYPE: &str = "groupType";
/// Attribute with a new account's first password, UTF-16LE in quotes.
pub const PASSWORD: &str = "unicodePwd";
/// Attribute that, set to 0, demands another password at the next log-in.
pub const PASSWORD_SET: &str = "pwdLastSet";

/// Accounts of people and services: no computers, no contacts, no trusts.
pub const ACCOUNTS: &str = "(&(objectCategory=person)(objectClass=user))";
/// The matching rule "all of these bits" ([MS-ADTS] §3.1.1.3.4.4.1).
pub const ALL_BITS: &str = "1.2.840.113556.1.4.803";
/// Capability of a domain controller that takes no writes ([MS-ADTS] §3.1.1.3.4.3).
pub const READ_ONLY: &str = "1.2.840.113556.1.4.1920";
/// Capability of every domain controller ([MS-ADTS] §3.1.1.3.4.3.1).
pub const DOMAIN_CONTROLLER: &str = "1.2.840.113556.1.4.800";

/// What accord writes in its own way, or nobody may write; never a mapped attribute.
pub const OWN: &[&str] = &[
    "cn",
    "name",
    "distinguishedName",
    LOGON,
    CONTROL,
    EXPIRES,
    GUID,
    "objectSid",
    "memberOf",
    "primaryGroupID",
    "sAMAccountType",
    "adminCount",
];

/// What the directory keeps on every object for itself: no policy says anything
/// about it.
pub fn is_operational(attribute: &str) -> bool {
    const KEPT: &[&str] = &[
        GUID,
        LOGON,
        "objectSid",
        "distinguishedName",
        "name",
        "instanceType",
        "objectCategory",
        "dSCorePropagationData",
        "uSNCreated",
        "uSNChanged",
        "whenCreated",
        "whenChanged",
        "sAMAccountType",
        "directReports",
        "managedObjects",
    ];
    // The other end of links that are kept elsewhere are named so ([MS-ADA2]).
    KEPT.iter().any(|name| name.eq_ignore_ascii_case(attribute)) || attribute.ends_with("BL")
}

/// A password as [`PASSWORD`] takes it ([MS-ADTS] §3.1.1.3.1.5): in quotes, UTF-16LE.
pub fn password(text: &str) -> Vec<u8> {
    let quoted = std::iter::once('"').chain(text.chars()).chain(std::iter::once('"'));
    let mut units = [0; 2];
    quoted
        .flat_map(|c| c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_quoted_and_wide() {
        assert_eq!(password("aé"), [b'"', 0, b'a', 0, 0xe9, 0, b'"', 0]);
        assert_eq!(password("𝒜").len(), 8);
    }
}
