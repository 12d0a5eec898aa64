//! Settings that mean something else, or nothing, in Active Directory.
//!
//! Comes in: the settings of a directory of that kind, defaults filled in. Goes out:
//! nothing. Refuses: settings that only other directories have, and attributes that
//! accord writes there in its own way.

use super::Checker;
use super::directories::Spot;
use crate::diagnostic::Diagnostic;
use crate::policy::settings::{DirectorySettings, GroupClass, Tls};

/// Attributes that accord writes itself, and what to write instead of a mapping.
const OWN: &[(&str, &str)] = &[
    ("cn", "map `displayName`: a new account's `cn` is made from it"),
    ("name", "map `displayName`: a new account's `cn` is made from it"),
    ("distinguishedName", "`accounts.base` says where accounts are"),
    ("userAccountControl", "accord sets and clears the one bit that disables an account"),
    ("accountExpires", "accord keeps it in step with the person's end; `native_end: off` leaves it alone"),
    ("objectGUID", "the directory gives it out"),
    ("objectSid", "the directory gives it out"),
    ("memberOf", "grant the groups instead"),
    ("primaryGroupID", "accord leaves the primary group alone"),
    ("sAMAccountType", "the directory keeps it"),
    ("adminCount", "the directory keeps it"),
];

pub(super) fn check(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let (accounts, groups) = (&settings.accounts, &settings.groups);
    for name in accounts.attributes.keys() {
        let own = OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        if let Some((_, instead)) = own {
            let diagnostic = Diagnostic::error("bad-attribute", format!("`{name}` is not mapped in Active Directory"));
            spot.report(checker, &["accounts", "attributes", name], diagnostic.help(*instead));
        }
    }
    let matched = accounts.match_attribute.as_deref().unwrap_or_default();
    if !matched.eq_ignore_ascii_case("sAMAccountName") {
        let message = format!("accounts of Active Directory are named by `sAMAccountName`, not by `{matched}`");
        let diagnostic = Diagnostic::error("bad-setting", message);
        spot.report(checker, &["accounts", "match"], diagnostic.help("remove the line"));
    }
    if accounts.disable.is_some() {
        let message = "Active Directory has a way of its own to disable an account";
        let diagnostic = Diagnostic::error("setting-of-another-kind", message);
        spot.report(checker, &["accounts", "disable"], diagnostic.help("remove the line"));
    }
    if groups.object_class != Some(GroupClass::Group) {
        let message = "groups of Active Directory are of the class `group`, and of no other";
        let diagnostic = Diagnostic::error("bad-object-class", message);
        spot.report(checker, &["groups", "object_class"], diagnostic.help("remove the line"));
    }
    if accounts.initial_password.is_some() && settings.tls == Some(Tls::None) {
        let message = "a domain controller takes passwords over TLS only, and `tls: none` turns that off";
        let diagnostic = Diagnostic::error("contradiction", message);
        spot.report(checker, &["accounts", "initial_password"], diagnostic.help("write `url: ldaps://…`"));
    }
}

/// Without the class that only Active Directory has, elsewhere.
pub(super) fn elsewhere(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    if settings.groups.object_class == Some(GroupClass::Group) {
        let message = "groups of the class `group` are those of Active Directory";
        let diagnostic = Diagnostic::error("bad-object-class", message);
        spot.report(checker, &["groups", "object_class"], diagnostic.help("write `kind: active-directory`"));
    }
}
