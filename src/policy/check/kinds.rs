//! The rule "kinds": sorts of people, the built-in ones and the organisation's own.
//!
//! Comes in: `kinds:`. Goes out: kinds sorted by name. Refuses: requirements that
//! no person could meet.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::policy::Kind;
use crate::policy::written::KindDefault;

/// Kinds that every organisation has.
const BUILT_IN: [&str; 4] = ["contractor", "employee", "service", "vendor"];
/// What a person without `kind:` is.
pub(super) const DEFAULT: &str = "employee";
/// The kind of identities that are no human.
pub(super) const SERVICE: &str = "service";
/// What `require:` may name, beside attributes.
pub(super) const REQUIRABLE: [&str; 11] =
    ["company", "email", "expires", "family_name", "given_name", "id", "manager", "name", "owner", "sponsor", "starts"];

pub(super) fn check(checker: &mut Checker<'_>) {
    let mut kinds: Vec<Kind> = BUILT_IN
        .iter()
        .filter(|name| checker.names.kinds.find(name).is_none())
        .map(|name| Kind { name: (*name).into(), gated: false, require: required(name, Vec::new()), place: None })
        .collect();
    for named in checker.names.kinds.list().to_vec() {
        let mut require: Vec<Box<str>> = Vec::new();
        for field in &named.value.require {
            if require.iter().any(|other| **other == *field.value) {
                let message = format!("`{}` is required twice", field.value);
                checker.report(named.file, field.mark, Diagnostic::error("duplicate-key", message));
            }
            require.push((&field.value).into());
        }
        kinds.push(Kind {
            name: (&named.key.value).into(),
            gated: named.value.default == Some(KindDefault::Deny),
            require: required(named.key.as_str(), require),
            place: Some(Checker::place(named.file, named.key.mark)),
        });
    }
    kinds.sort_by(|a, b| a.name.cmp(&b.name));
    checker.meant.kinds = kinds;
}

/// Somebody always answers for a service identity.
fn required(kind: &str, mut require: Vec<Box<str>>) -> Vec<Box<str>> {
    if kind == SERVICE {
        require.push("owner".into());
    }
    require.sort();
    require.dedup();
    require
}

/// After the people are known: what is required must be something that a person can
/// have, or a typo would make every person of the kind wrong.
pub(super) fn requirements(checker: &mut Checker<'_>) {
    let mut found = Vec::new();
    for named in checker.names.kinds.list() {
        for field in &named.value.require {
            let name = field.as_str();
            if !REQUIRABLE.contains(&name) && !checker.vocabulary.has(name) {
                found.push((named.file, field));
            }
        }
    }
    for (file, field) in found {
        let message = format!("`{}` is nothing that a person can have", field.value);
        let mut diagnostic = Diagnostic::error("unknown-attribute", message);
        diagnostic = match checker.suggest.closest(field.as_str(), &REQUIRABLE) {
            Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
            None => {
                diagnostic.help(format!("a field (`{}`), or an attribute that somebody has", REQUIRABLE.join("`, `")))
            }
        };
        checker.report(file, field.mark, diagnostic);
    }
}
