//! Settings that mean something else, or nothing, in Active Directory.
//!
//! Comes in: the settings of a directory of that kind, defaults filled in. Goes out:
//! nothing. Refuses: settings that only other directories have, and attributes that
//! accord writes there in its own way.

use super::Checker;
use super::directories::Spot;
use super::index::Named;
use crate::diagnostic::Diagnostic;
use crate::policy::settings::{DirectorySettings, GroupClass, ProviderKind, Tls};
use crate::policy::{DirectoryId, written};

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
    if accounts.initial_password.is_some() && settings.tls.as_ref() == Some(&Tls::None) {
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

/// Attributes of a group that are said in another way.
const OF_GROUPS: &[(&str, &str)] = &[
    ("groupType", "write `scope: universal` or `type: distribution` beside `attributes:`"),
    ("sAMAccountName", "write `name:` beside `attributes:`"),
];

/// What `scope` and `type` of a group make of its attributes.
pub(super) fn group(
    checker: &mut Checker<'_>,
    named: Named<'_, written::Group>,
    directory: DirectoryId,
) -> Option<(Box<str>, Vec<Box<str>>)> {
    let group = named.value;
    let kind = checker.names.directories.list().get(usize::from(directory.0)).map(|named| named.value.kind);
    let active = kind == Some(ProviderKind::ActiveDirectory);
    for (name, _) in group.attributes.0.iter().filter(|_| active) {
        let own = OF_GROUPS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.as_str()));
        if let Some((_, instead)) = own {
            let diagnostic = Diagnostic::error("bad-attribute", format!("`{}` is said in another way", name.value));
            checker.report(named.file, name.mark, diagnostic.help(*instead));
        }
    }
    let marks = [group.scope.as_ref().map(|at| ("scope", at.mark)), group.sort.as_ref().map(|at| ("type", at.mark))];
    for (word, mark) in marks.into_iter().flatten().filter(|_| !active) {
        let message = format!("only groups of Active Directory have a `{word}`");
        let diagnostic = Diagnostic::error("setting-of-another-kind", message);
        checker.report(named.file, mark, diagnostic.help("remove it, or correct the directory's `kind`"));
    }
    if !active || group.scope.is_none() && group.sort.is_none() {
        return None;
    }
    let scope = group.scope.as_ref().map_or_else(Default::default, |at| at.value);
    let sort = group.sort.as_ref().map_or_else(Default::default, |at| at.value);
    Some(("groupType".into(), vec![format!("{} {}", scope.word(), sort.word()).into()]))
}
