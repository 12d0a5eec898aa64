//! Changes → edits of entries.
//!
//! Comes in: a step of a plan. Goes out: what to do with one entry, and what must
//! still be true of it. Refuses: a change that cannot be said in entries, with the
//! reason. Sends nothing.

use super::{Disabling, LOCKED, LOCKED_FOR_GOOD, Schema, is_credential};
use crate::model::change::OtherMember;
use crate::model::{Action, Change, Matching, Side};
use crate::policy::settings::DisableBy;
use crate::provider::active_directory::{self, Number, group};
use crate::provider::{Step, dn};
use std::collections::BTreeSet;

/// What must be true of an entry for an edit to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assert {
    /// The attribute has exactly these values, in any order; none: it is absent.
    Exactly(String, Vec<String>),
    /// The attribute has this value.
    Has(String, String),
    /// The attribute does not have this value.
    HasNot(String, String),
    /// All of these bits of the attribute, a number, are set, or not all of them are.
    Bits(String, u32, bool),
}

/// One modification of an entry (RFC 4511 §4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mod {
    /// Adds values; one that is there is a conflict.
    Add(String, Vec<String>),
    /// Removes values; one that is not there is a conflict. No values: the attribute.
    Delete(String, Vec<String>),
    /// Replaces all values; no values: the attribute may be absent before and is after.
    Replace(String, Vec<String>),
    /// Puts another number in the place of the one that stands there, which is the
    /// first check that it is the one.
    Number(String, Number),
}

/// What is done with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new entry. Attribute → values; RDN and object classes are included.
    Add {
        /// Its DN.
        dn: String,
        /// Its DN where an entry has that already.
        or_dn: Option<String>,
        /// Its attributes, object classes first.
        attributes: Vec<(String, Vec<String>)>,
    },
    /// Changes inside one entry, all or none.
    Modify {
        /// Its DN.
        dn: String,
        /// What must hold.
        asserts: Vec<Assert>,
        /// What is done.
        mods: Vec<Mod>,
    },
    /// Another RDN; the old RDN's values go. Members of groups that name the entry
    /// (by DN, or by `old_name` in a posixGroup) are to follow.
    Rename {
        /// Its DN.
        dn: String,
        /// Its DN after.
        new_dn: String,
        /// Its name before.
        old_name: String,
        /// Its name after.
        new_name: String,
        /// What is done inside the entry first.
        mods: Vec<Mod>,
    },
    /// The entry goes.
    Delete {
        /// Its DN.
        dn: String,
        /// What must hold.
        asserts: Vec<Assert>,
    },
}

/// Keys of a side that are no attributes.
const WORDS: &[&str] = &["name", "enabled", "ends", "base"];

impl Schema {
    /// The edit that carries out a step.
    ///
    /// # Errors
    /// Why it cannot be said: the reason and what to do, for people.
    pub fn edit(&self, step: &Step<'_>) -> Result<Edit, String> {
        let change = step.change;
        match change.action {
            Action::CreateAccount => self.create_account(change),
            Action::CreateGroup => self.create_group(change),
            Action::UpdateAccount | Action::UpdateGroup => self.update(step),
            Action::RenameAccount | Action::RenameGroup => self.rename(step),
            Action::DisableAccount | Action::EnableAccount => self.status(step),
            Action::Grant | Action::Revoke => self.membership(step),
            Action::DeleteAccount | Action::DeleteGroup => {
                let dn = self.handle(step)?;
                Ok(Edit::Delete { dn, asserts: self.asserts(change.before.as_ref()) })
            }
            Action::UpdateMembership => {
                Err("memberships in this directory have no end of their own; accord ends them with a revoke".to_owned())
            }
        }
    }

    /// The DN of the object that a step changes.
    fn handle(&self, step: &Step<'_>) -> Result<String, String> {
        if let Some(handle) = &step.handle {
            return Ok(handle.clone());
        }
        let object = &step.change.object;
        match (&object.group, &object.account) {
            (Some(group), _) => Ok(self.group_dn(group)),
            (None, Some(account)) => Ok(self.account_dn(account)),
            (None, None) => Err("the change names no object".to_owned()),
        }
    }

    fn create_account(&self, change: &Change) -> Result<Edit, String> {
        let name = change.object.account.as_deref().ok_or("the change names no account")?;
        let base = word(change.after.as_ref(), "base").unwrap_or_else(|| self.default_base());
        let dn = self.account_dn_in(name, base);
        let mut attributes: Vec<(String, Vec<String>)> =
            vec![("objectClass".to_owned(), self.account_classes.iter().map(ToString::to_string).collect())];
        let after = change.after.as_ref();
        let enabled = flag(after, "enabled") != Some(false);
        if self.is_active() {
            attributes.extend(self.active_account(name, enabled));
        } else {
            put(&mut attributes, &self.name_attribute, vec![name.to_owned()]);
        }
        for (attribute, values) in after.into_iter().flatten().filter(|(key, _)| !WORDS.contains(&key.as_str())) {
            if is_credential(attribute) {
                return Err(format!("`{attribute}` holds a credential and is never written from a plan"));
            }
            if !values.is_empty() {
                put(&mut attributes, attribute, values.clone());
            }
        }
        // RFC 4519 §3.12: a person has a cn and a sn. Where nobody maps one it is the
        // account's name, which is not compared later.
        for required in ["cn", "sn"] {
            let is_person = |class: &str| {
                ["person", "organizationalPerson", "inetOrgPerson"].iter().any(|name| name.eq_ignore_ascii_case(class))
            };
            let has = |list: &[(String, Vec<String>)]| list.iter().any(|(name, _)| dn::type_key(name) == required);
            if !self.is_active() && self.account_classes.iter().any(|class| is_person(class)) && !has(&attributes) {
                attributes.push((required.to_owned(), vec![name.to_owned()]));
            }
        }
        match &self.disabling {
            Disabling::Locked if !enabled => put(&mut attributes, LOCKED, vec![LOCKED_FOR_GOOD.to_owned()]),
            Disabling::By(by) if !enabled => put(&mut attributes, &by.attribute, vec![by.disabled.clone()]),
            Disabling::By(DisableBy { attribute, enabled: Some(value), .. }) => {
                put(&mut attributes, attribute, vec![value.clone()]);
            }
            _ => {}
        }
        if let Some(end) = self.end_of(after)? {
            put(&mut attributes, self.end_attribute(), vec![self.end_text(end)]);
        }
        Ok(match self.display_dn(after, base) {
            Some(shown) => Edit::Add { dn: shown, or_dn: Some(dn), attributes },
            None => Edit::Add { dn, or_dn: None, attributes },
        })
    }

    fn create_group(&self, change: &Change) -> Result<Edit, String> {
        let name = change.object.group.as_deref().ok_or("the change names no group")?;
        if self.groups_base.is_none() {
            return Err("`groups.base` is missing: nobody said where groups are".to_owned());
        }
        let dn = self.group_dn(name);
        let mut classes = vec![self.group_class_name().to_owned()];
        classes.extend(self.group_classes.iter().map(ToString::to_string));
        let mut attributes = vec![("objectClass".to_owned(), classes)];
        put(&mut attributes, self.group_name_attribute(), vec![name.to_owned()]);
        for (attribute, values) in change.after.iter().flatten().filter(|(key, _)| !WORDS.contains(&key.as_str())) {
            if !values.is_empty() {
                put(&mut attributes, attribute, self.group_written(attribute, values));
            }
        }
        if let Some(placeholder) = self.placeholder(&dn) {
            put(&mut attributes, self.member_attribute(), vec![placeholder.to_owned()]);
        }
        let is_typed = |(name, _): &(String, _)| name.eq_ignore_ascii_case(active_directory::GROUP_TYPE);
        if self.is_active() && !attributes.iter().any(is_typed) {
            put(&mut attributes, active_directory::GROUP_TYPE, vec![group::Kind::default().write()]);
        }
        Ok(Edit::Add { dn, or_dn: None, attributes })
    }

    fn update(&self, step: &Step<'_>) -> Result<Edit, String> {
        let change = step.change;
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let mut mods = Vec::new();
        let mut keys: BTreeSet<&String> = BTreeSet::new();
        for side in [before, after].into_iter().flatten() {
            keys.extend(side.keys());
        }
        for key in keys {
            if is_credential(key) {
                return Err(format!("`{key}` holds a credential and is never written from a plan"));
            }
            let values = |side: Option<&Side>| side.and_then(|side| side.get(key)).cloned().unwrap_or_default();
            match key.as_str() {
                "name" | "base" => return Err("an update cannot carry a name or a base; that is a rename".to_owned()),
                "enabled" => mods.push(self.status_mod(flag(after, "enabled") != Some(false))),
                "ends" => mods.push(self.end_mod(before, after)?),
                _ if self.is_group_type(key) => mods.push(Self::group_type_mod(&values(before), &values(after))?),
                _ => mods.extend(difference(key, &values(before), &values(after))),
            }
        }
        let mut asserts = self.asserts(before);
        // What was not there must still not be: otherwise somebody's value would be
        // replaced, or stand beside ours.
        for key in after.into_iter().flatten().map(|(key, _)| key.as_str()) {
            if before.is_none_or(|before| !before.contains_key(key)) && !matches!(key, "name" | "enabled") {
                let attribute = if key == "ends" { self.end_attribute() } else { key };
                if key == "ends" && self.is_active() {
                    // The change of the number checks what it was.
                    continue;
                }
                asserts.push(Assert::Exactly(attribute.to_owned(), Vec::new()));
            }
        }
        Ok(Edit::Modify { dn: self.handle(step)?, asserts, mods })
    }

    fn rename(&self, step: &Step<'_>) -> Result<Edit, String> {
        let change = step.change;
        let is_group = change.object.account.is_none();
        let attribute = if is_group { self.group_name_attribute() } else { &self.name_attribute };
        let named = |side: &Option<Side>| word(side.as_ref(), "name").map(str::to_owned);
        let object = if is_group { &change.object.group } else { &change.object.account };
        let old_name = named(&change.before).or_else(|| object.clone()).ok_or("the change names no old name")?;
        let base = word(change.after.as_ref(), "base");
        let new_name = match (named(&change.after), base) {
            (Some(name), _) => name,
            // It only goes somewhere else.
            (None, Some(_)) => old_name.clone(),
            (None, None) => return Err("the change names no new name".to_owned()),
        };
        let dn = match &step.handle {
            Some(handle) => handle.clone(),
            None if is_group => self.group_dn(&old_name),
            None => self.account_dn(&old_name),
        };
        // In Active Directory the name is an attribute, and the RDN follows it where it
        // was the same.
        let (rdn, mods) = if old_name == new_name {
            (attribute, Vec::new())
        } else if self.is_active() {
            ("cn", difference(attribute, std::slice::from_ref(&old_name), std::slice::from_ref(&new_name)))
        } else {
            (attribute, Vec::new())
        };
        let follows = mods.is_empty()
            || dn::rdn_value(&dn, rdn)
                .is_some_and(|held| Matching::CaseIgnore.key(&held) == Matching::CaseIgnore.key(&old_name));
        let renamed = if old_name == new_name { None } else { dn::renamed(&dn, rdn, &new_name).filter(|_| follows) };
        let new_dn = match base {
            Some(base) => Some(dn::moved(renamed.as_deref().unwrap_or(&dn), base)),
            None => renamed,
        };
        match new_dn {
            Some(new_dn) => Ok(Edit::Rename { dn, new_dn, old_name, new_name, mods }),
            // The name is not part of the DN: only the attribute changes.
            None => Ok(Edit::Modify {
                dn,
                asserts: vec![Assert::Has(attribute.to_owned(), old_name.clone())],
                mods: difference(attribute, &[old_name], &[new_name]),
            }),
        }
    }

    fn status(&self, step: &Step<'_>) -> Result<Edit, String> {
        let enable = step.change.action == Action::EnableAccount;
        let (before, after) = (step.change.before.as_ref(), step.change.after.as_ref());
        let mut asserts = self.asserts(before);
        if flag(before, "enabled").is_none() {
            asserts.push(self.status_assert(!enable));
        }
        let mut mods = vec![self.status_mod(enable)];
        if after.is_some_and(|after| after.contains_key("ends")) {
            mods.push(self.end_mod(before, after)?);
        }
        Ok(Edit::Modify { dn: self.handle(step)?, asserts, mods })
    }

    fn membership(&self, step: &Step<'_>) -> Result<Edit, String> {
        let value = self.member_value(step)?;
        let attribute = self.member_attribute().to_owned();
        let only = match step.change.action {
            Action::Grant => Mod::Add(attribute, vec![value]),
            _ => Mod::Delete(attribute, vec![value]),
        };
        Ok(Edit::Modify { dn: self.handle(step)?, asserts: Vec::new(), mods: vec![only] })
    }

    /// The member attribute's value for the member that a grant or revoke names.
    ///
    /// # Errors
    /// When the change names no member, or one that the group's class cannot hold.
    pub fn member_value(&self, step: &Step<'_>) -> Result<String, String> {
        let object = &step.change.object;
        match (&object.account, &object.member) {
            (Some(account), _) if !self.members_are_dns() => Ok(account.clone()),
            (Some(account), _) => Ok(step.member.clone().unwrap_or_else(|| self.account_dn(account))),
            (None, Some(OtherMember::Group(_))) if !self.members_are_dns() => {
                Err("a posixGroup cannot hold groups; use `object_class: groupOfNames`".to_owned())
            }
            (None, Some(OtherMember::Group(group))) => Ok(step.member.clone().unwrap_or_else(|| self.group_dn(group))),
            (None, Some(OtherMember::Other(text))) => Ok(text.clone()),
            (None, None) => Err("the change names no member".to_owned()),
        }
    }

    /// What `before` says, as it must stand in the entry.
    fn asserts(&self, before: Option<&Side>) -> Vec<Assert> {
        let mut out = Vec::new();
        for (key, values) in before.into_iter().flatten() {
            match key.as_str() {
                // The DN by which the entry is found carries the name.
                "name" | "base" => {}
                "enabled" => out.extend(flag(before, "enabled").map(|enabled| self.status_assert(enabled))),
                // The change of the number checks what it was.
                "ends" if self.is_active() => {}
                "ends" => {
                    let ends = self.end_of(before).ok().flatten().map(|end| self.end_text(end));
                    out.push(Assert::Exactly(self.end_attribute().to_owned(), ends.into_iter().collect()));
                }
                _ if self.is_group_type(key) => {
                    let kind = values.first().and_then(|words| group::Kind::from_words(words));
                    out.extend(kind.map(|kind| Assert::Bits(key.clone(), kind.bits(), true)));
                }
                _ => out.push(Assert::Exactly(key.clone(), values.clone())),
            }
        }
        out
    }
}

/// Sets an attribute; one that is there already takes the further values.
fn put(attributes: &mut Vec<(String, Vec<String>)>, name: &str, values: Vec<String>) {
    let key = dn::type_key(name);
    match attributes.iter_mut().find(|(other, _)| dn::type_key(other) == key) {
        Some((other, list)) => {
            let matching = Schema::matching(other);
            for value in values {
                if !list.iter().any(|have| matching.key(have) == matching.key(&value)) {
                    list.push(value);
                }
            }
        }
        None => attributes.push((name.to_owned(), values)),
    }
}

/// The value of a key that has one.
fn word<'s>(side: Option<&'s Side>, key: &str) -> Option<&'s str> {
    side?.get(key)?.first().map(String::as_str)
}

fn flag(side: Option<&Side>, key: &str) -> Option<bool> {
    side?.get(key)?.first().and_then(|text| text.parse().ok())
}

/// The smallest modification that turns one list of values into another. Values
/// that differ in case only are removed and added in one go.
fn difference(attribute: &str, before: &[String], after: &[String]) -> Vec<Mod> {
    let gone: Vec<String> = before.iter().filter(|value| !after.contains(value)).cloned().collect();
    let new: Vec<String> = after.iter().filter(|value| !before.contains(value)).cloned().collect();
    let mut mods = Vec::new();
    if !gone.is_empty() {
        mods.push(Mod::Delete(attribute.to_owned(), gone));
    }
    if !new.is_empty() {
        mods.push(Mod::Add(attribute.to_owned(), new));
    }
    mods
}
