//! Attributes that hold the DN of another account (`manager`), which plans call by name.
//!
//! Comes in: an edit with names. Goes out: the same edit with DNs, asked of the
//! directory at this moment. Refuses: a name that no account has.

use super::{Open, search};
use crate::provider::Answer;
use crate::provider::active_directory::ACCOUNTS;
use crate::provider::entries::{Assert, Edit, Mod};
use ldap3::Scope as Depth;

/// The edit with the DNs of the accounts that its references name.
pub(super) async fn resolved(open: &Open, mut edit: Edit) -> Result<Edit, Answer> {
    if open.schema.references.is_empty() {
        return Ok(edit);
    }
    let is_reference = |name: &str| open.schema.is_reference(name);
    let mut lists: Vec<(&str, &mut Vec<String>)> = Vec::new();
    match &mut edit {
        Edit::Add { attributes, .. } => {
            lists.extend(attributes.iter_mut().map(|(name, values)| (name.as_str(), values)));
        }
        Edit::Modify { asserts, mods, .. } => {
            lists.extend(asserts.iter_mut().filter_map(|assert| match assert {
                Assert::Exactly(name, values) => Some((name.as_str(), values)),
                _ => None,
            }));
            lists.extend(mods.iter_mut().filter_map(|change| match change {
                Mod::Add(name, values) | Mod::Delete(name, values) | Mod::Replace(name, values) => {
                    Some((name.as_str(), values))
                }
                Mod::Number(..) => None,
            }));
        }
        Edit::Rename { .. } | Edit::Delete { .. } => {}
    }
    for (attribute, values) in lists.into_iter().filter(|(name, _)| is_reference(name)) {
        for value in values.iter_mut().filter(|value| !crate::provider::dn::is_dn(value)) {
            *value = dn_of(open, attribute, value).await?;
        }
    }
    Ok(edit)
}

async fn dn_of(open: &Open, attribute: &str, name: &str) -> Result<String, Answer> {
    let schema = &open.schema;
    let class = if schema.is_active() { ACCOUNTS } else { "(objectClass=*)" };
    let filter = format!("(&{class}({}={}))", schema.name_attribute, ldap3::ldap_escape(name));
    let none = ["1.1".to_owned()];
    let mut found = Vec::new();
    for base in schema.roots() {
        let search =
            search::Search { base: &base.dn, scope: Depth::Subtree, filter: &filter, attributes: &none, page_size: 0 };
        let ended = search::run(&open.session, &search, |entry| found.push(entry.dn.to_owned())).await;
        if let Some(error) = ended.broken {
            let why = error.message;
            return Err(if open.session.is_closed() { Answer::Broken { why } } else { Answer::Refused { why } });
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(dn), true) => Ok(dn),
        (None, _) => {
            Err(Answer::Conflict { why: format!("the account `{name}`, which `{attribute}` names, is not there") })
        }
        (Some(_), false) => {
            Err(Answer::Refused { why: format!("several accounts are named `{name}`, which `{attribute}` names") })
        }
    }
}
