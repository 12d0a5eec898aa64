//! The pure part of every kind whose objects are entries.
//!
//! Comes in: a schema and capabilities. Goes out: scope, handles, matching, and
//! what the entries cannot express. Refuses: connections.

use super::{EVERY, Schema};
use crate::model::change::OtherMember;
use crate::model::state::{AccountRef, GroupRef, Member};
use crate::model::{Matching, Object, State};
use crate::provider::{Capabilities, Kind, Scope, Unfit, dn};

/// A [`Kind`] of entries: `ldif`, `ldap`.
#[derive(Debug, Clone)]
pub struct EntryKind {
    schema: Schema,
    capabilities: Capabilities,
}

impl EntryKind {
    /// A kind with that schema and those capabilities.
    pub fn new(schema: Schema, capabilities: Capabilities) -> Self {
        Self { schema, capabilities }
    }

    /// How its entries are made.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    fn unfit_account(&self, state: &State, account: AccountRef<'_>) -> Option<String> {
        if let Some(why) = unfit_name(account.name()) {
            return Some(why);
        }
        for class in &self.schema.account_classes {
            for required in required_by(class) {
                let Some(n) = state.attributes().iter().position(|name| dn::type_key(name) == *required) else {
                    // Written from the account's name when the account is made.
                    if matches!(*required, "cn" | "sn" | "uid") {
                        continue;
                    }
                    return Some(format!("`{class}` requires `{required}`: map it under `accounts.attributes`"));
                };
                if account.values(n).next().is_none() {
                    let name = state.attributes().get(n).map_or("", AsRef::as_ref);
                    return Some(format!("`{class}` requires `{name}`, and the person has no value for it"));
                }
            }
        }
        None
    }

    fn unfit_group(&self, group: GroupRef<'_>) -> Option<String> {
        if self.schema.groups_base.is_none() {
            return Some("`groups.base` is missing: nobody said where groups are".to_owned());
        }
        if self.schema.members_are_dns() {
            return unfit_name(group.name());
        }
        let has_number = group.attributes().iter().any(|(name, _)| dn::type_key(name) == "gidnumber");
        unfit_name(group.name()).or_else(|| {
            (!has_number).then(|| {
                "a posixGroup requires `gidNumber`: write `attributes: { gidNumber: \"5001\" }` on the group".to_owned()
            })
        })
    }
}

/// RFC 4519 §3, RFC 2798 §3, RFC 2307 §3: what entries of a class must carry.
fn required_by(class: &str) -> &'static [&'static str] {
    let is = |name: &str| class.eq_ignore_ascii_case(name);
    if is("person") || is("organizationalPerson") || is("inetOrgPerson") {
        &["cn", "sn"]
    } else if is("account") {
        &["uid"]
    } else if is("posixAccount") {
        &["cn", "uid", "uidnumber", "gidnumber", "homedirectory"]
    } else {
        &[]
    }
}

fn unfit_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("an empty name is no name".to_owned());
    }
    let odd = name.chars().find(|c| c.is_control())?;
    Some(format!("the name holds a control character (U+{:04X})", u32::from(odd)))
}

impl Kind for EntryKind {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn id_attribute(&self) -> Option<&str> {
        self.schema.id_attribute.as_deref()
    }

    fn scope(&self) -> Scope {
        Scope {
            account_attributes: self.schema.attributes.clone(),
            group_attributes: vec![EVERY.into()],
            ..Scope::default()
        }
    }

    fn account_handle(&self, name: &str) -> String {
        self.schema.account_dn(name)
    }

    fn account_handle_in(&self, name: &str, base: &str) -> String {
        self.schema.account_dn_in(name, base)
    }

    fn base_of(&self, handle: &str) -> Option<&str> {
        let several = self.schema.bases.len() > 1;
        several.then(|| self.schema.base_of(handle)).flatten().map(|base| base.dn.as_ref())
    }

    fn moved(&self, handle: &str, base: &str, name: Option<&str>) -> String {
        let renamed = name.and_then(|name| dn::renamed(handle, self.schema.account_rdn(), name));
        dn::moved(renamed.as_deref().unwrap_or(handle), base)
    }

    fn group_handle(&self, name: &str) -> String {
        self.schema.group_dn(name)
    }

    fn names_accounts(&self, attribute: &str) -> bool {
        self.schema.is_reference(attribute)
    }

    fn matching(&self, attribute: &str) -> Matching {
        if self.names_accounts(attribute) { self.capabilities.names } else { Schema::matching(attribute) }
    }

    fn fit(&self, desired: &State) -> Vec<Unfit> {
        let mut out = Vec::new();
        for account in desired.accounts() {
            if let Some(why) = self.unfit_account(desired, account) {
                out.push(Unfit { object: Object::account(account.name()), why });
            }
        }
        for group in desired.groups() {
            if let Some(why) = self.unfit_group(group) {
                out.push(Unfit { object: Object::group(group.name()), why });
            }
            for other in group.others() {
                if let Member::Group(name) = other
                    && !self.schema.members_are_dns()
                {
                    out.push(Unfit {
                        object: Object::other(group.name(), OtherMember::Group(name.to_owned())),
                        why: "a posixGroup cannot hold groups; use `object_class: groupOfNames`".to_owned(),
                    });
                }
            }
        }
        out
    }
}
