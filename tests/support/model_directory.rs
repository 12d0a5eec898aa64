//! A directory in memory, as simple as can be: what a plan is tried on.
//!
//! Changes are applied one by one in any order; each demands that what it starts
//! from is there, as a real directory does. Names compare byte by byte in lower case.

use accord::model::change::OtherMember;
use accord::model::{Action, Change, Enabled, Instant, Matching, Object, Side, State, StateBuilder};
use accord::provider::{Capabilities, Gap, Kind, Observed, Scope, Unfit};
use std::collections::{BTreeMap, BTreeSet};

/// One account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Stable id.
    pub(crate) id: Option<String>,
    /// Whether it can be used.
    pub(crate) enabled: bool,
    /// When the directory ends it.
    pub(crate) ends: Option<Instant>,
    /// Attributes.
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
}

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Attributes.
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
    /// Accounts by name.
    pub(crate) members: BTreeSet<String>,
    /// What is no account.
    pub(crate) others: BTreeSet<OtherMember>,
}

/// A directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// By name.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// By name.
    pub(crate) groups: BTreeMap<String, Group>,
    /// Whether a rename leaves members as they are: it was cut short.
    pub(crate) leaves_members: bool,
}

/// The pure part of a model directory: it can do everything.
pub(crate) struct ModelKind {
    /// What it can do.
    pub(crate) capabilities: Capabilities,
}

/// Attributes that are compared.
pub(crate) const ATTRIBUTES: [&str; 2] = ["cn", "mail"];

/// The attribute that carries the id.
pub(crate) const ID: &str = "employeeNumber";

impl Default for ModelKind {
    fn default() -> Self {
        Self {
            capabilities: Capabilities {
                actions: Action::on_entries(),
                names: Matching::CaseIgnore,
                disable: true,
                native_end: true,
                empty_groups: true,
                nesting: true,
                ..Capabilities::default()
            },
        }
    }
}

impl Kind for ModelKind {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn scope(&self) -> Scope {
        Scope { account_attributes: ATTRIBUTES.map(Into::into).into(), ..Scope::default() }
    }

    fn account_handle(&self, name: &str) -> String {
        handle(name)
    }

    fn group_handle(&self, name: &str) -> String {
        format!("cn={name},ou=groups")
    }

    fn matching(&self, attribute: &str) -> Matching {
        if attribute == ID { Matching::Exact } else { Matching::CaseIgnore }
    }

    fn fit(&self, _: &State) -> Vec<Unfit> {
        Vec::new()
    }
}

/// The handle of an account.
pub(crate) fn handle(name: &str) -> String {
    format!("uid={name},ou=people")
}

impl Model {
    /// What a complete read brings.
    pub(crate) fn observed(&self) -> Observed {
        self.observed_with(Vec::new())
    }

    /// What a read brings that says these gaps itself.
    pub(crate) fn observed_with(&self, gaps: Vec<Gap>) -> Observed {
        let mut builder = StateBuilder::new(Matching::CaseIgnore, ATTRIBUTES);
        let mut slots = BTreeMap::new();
        for (name, account) in &self.accounts {
            let slot = builder.account(name, &handle(name));
            slots.insert(name.as_str(), slot);
            if let Some(id) = &account.id {
                builder.set_id(slot, id);
            }
            builder.set_status(slot, if account.enabled { Enabled::Yes } else { Enabled::No }, account.ends);
            for (n, attribute) in ATTRIBUTES.iter().enumerate() {
                for value in account.attributes.get(*attribute).into_iter().flatten() {
                    builder.add_value(slot, n, value);
                }
            }
        }
        for (name, group) in &self.groups {
            let slot = builder.group(name, &format!("cn={name},ou=groups"));
            for (attribute, values) in &group.attributes {
                let values = values.iter().map(|value| value.as_str().into()).collect();
                builder.set_group_attribute(slot, attribute, values);
            }
            for member in &group.members {
                match slots.get(member.as_str()) {
                    Some(account) => builder.member(slot, *account, None),
                    None => builder.other(slot, false, &handle(member)),
                }
            }
            for other in &group.others {
                match other {
                    OtherMember::Group(name) => builder.other(slot, true, name),
                    OtherMember::Other(text) => builder.other(slot, false, text),
                }
            }
        }
        Observed { state: builder.finish().expect("names are unique"), gaps, ..Observed::default() }
    }

    /// Carries out one change.
    ///
    /// # Errors
    /// What it starts from is not there.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), String> {
        let Object { group, account, member } = &change.object;
        let before = change.before.clone().unwrap_or_default();
        let after = change.after.clone().unwrap_or_default();
        match change.action {
            Action::Grant | Action::Revoke => {
                self.membership(change.action, group.as_ref().unwrap(), account.as_ref(), member.as_ref())
            }
            Action::CreateGroup | Action::UpdateGroup | Action::RenameGroup | Action::DeleteGroup => {
                self.group(change.action, group.as_ref().unwrap(), &before, &after)
            }
            Action::UpdateMembership => Err("memberships of a model have nothing to update".to_owned()),
            _ => self.account(change.action, account.as_ref().unwrap(), &before, &after),
        }
    }

    fn membership(
        &mut self,
        action: Action,
        group: &str,
        account: Option<&String>,
        member: Option<&OtherMember>,
    ) -> Result<(), String> {
        let there = match (account, member) {
            (Some(name), None) => self.accounts.contains_key(name),
            (None, Some(OtherMember::Group(name))) => self.groups.contains_key(name),
            _ => false,
        };
        if action == Action::Grant && !there {
            return Err(format!("no {account:?}{member:?}"));
        }
        let group = self.groups.get_mut(group).ok_or_else(|| format!("no group {group}"))?;
        let changed = match (action, account, member) {
            (Action::Grant, Some(name), None) => group.members.insert(name.clone()),
            (Action::Grant, None, Some(member)) => group.others.insert(member.clone()),
            (Action::Revoke, Some(name), None) => group.members.remove(name),
            (Action::Revoke, None, Some(OtherMember::Other(text))) => {
                let name = group.members.iter().find(|name| handle(name) == *text).cloned();
                name.is_some_and(|name| group.members.remove(&name)) || group.others.remove(member.unwrap())
            }
            (Action::Revoke, None, Some(member)) => group.others.remove(member),
            _ => false,
        };
        if changed { Ok(()) } else { Err(format!("{action:?} of {account:?}{member:?} has nothing to do")) }
    }

    fn group(&mut self, action: Action, name: &str, before: &Side, after: &Side) -> Result<(), String> {
        match action {
            Action::CreateGroup => {
                let mut attributes = after.clone();
                attributes.remove("name");
                let group = Group { attributes, ..Group::default() };
                match self.groups.insert(name.to_owned(), group) {
                    Some(_) => Err(format!("group {name} is there")),
                    None => Ok(()),
                }
            }
            Action::DeleteGroup => self.groups.remove(name).map(|_| ()).ok_or_else(|| format!("no group {name}")),
            Action::RenameGroup => {
                let new = after["name"][0].clone();
                if self.groups.contains_key(&new) {
                    return Err(format!("group {new} is there"));
                }
                let group = self.groups.remove(name).ok_or_else(|| format!("no group {name}"))?;
                self.groups.insert(new.clone(), group);
                for group in self.groups.values_mut().filter(|_| !self.leaves_members) {
                    if group.others.remove(&OtherMember::Group(name.to_owned())) {
                        group.others.insert(OtherMember::Group(new.clone()));
                    }
                }
                Ok(())
            }
            _ => {
                let group = self.groups.get_mut(name).ok_or_else(|| format!("no group {name}"))?;
                replace(&mut group.attributes, before, after)
            }
        }
    }

    fn account(&mut self, action: Action, name: &str, before: &Side, after: &Side) -> Result<(), String> {
        match action {
            Action::CreateAccount => {
                let mut after = after.clone();
                let said = after.remove("enabled").expect("it is said whether a new account can be used");
                let mut account = Account { enabled: said == ["true"], ..Account::default() };
                write(&mut account, &Side::new(), &after)?;
                match self.accounts.insert(name.to_owned(), account) {
                    Some(_) => Err(format!("account {name} is there")),
                    None => Ok(()),
                }
            }
            Action::DeleteAccount => self.accounts.remove(name).map(|_| ()).ok_or_else(|| format!("no account {name}")),
            Action::RenameAccount => {
                let new = after["name"][0].clone();
                if self.accounts.contains_key(&new) {
                    return Err(format!("account {new} is there"));
                }
                let account = self.accounts.remove(name).ok_or_else(|| format!("no account {name}"))?;
                self.accounts.insert(new.clone(), account);
                for group in self.groups.values_mut().filter(|_| !self.leaves_members) {
                    if group.members.remove(name) {
                        group.members.insert(new.clone());
                    }
                }
                Ok(())
            }
            _ => write(self.accounts.get_mut(name).ok_or_else(|| format!("no account {name}"))?, before, after),
        }
    }

    /// Which groups each enabled account is in, by nesting too.
    pub(crate) fn access(&self) -> BTreeSet<(String, String)> {
        let mut access = BTreeSet::new();
        for (name, group) in &self.groups {
            let mut above = BTreeSet::from([name.clone()]);
            let mut open = vec![name.clone()];
            while let Some(below) = open.pop() {
                for (upper, group) in &self.groups {
                    if group.others.contains(&OtherMember::Group(below.clone())) && above.insert(upper.clone()) {
                        open.push(upper.clone());
                    }
                }
            }
            for member in group.members.iter().filter(|member| self.accounts.get(*member).is_some_and(|a| a.enabled)) {
                access.extend(above.iter().map(|group| (member.clone(), group.clone())));
            }
        }
        access
    }
}

fn write(account: &mut Account, before: &Side, after: &Side) -> Result<(), String> {
    let mut held = account.attributes.clone();
    held.extend(account.id.iter().map(|id| (ID.to_owned(), vec![id.clone()])));
    held.insert("enabled".to_owned(), vec![account.enabled.to_string()]);
    held.extend(account.ends.iter().map(|ends| ("ends".to_owned(), vec![ends.to_string()])));
    let mut after = after.clone();
    after.remove("name");
    replace(&mut held, before, &after)?;
    account.id = held.remove(ID).map(|id| id[0].clone());
    account.enabled = held.remove("enabled").is_none_or(|enabled| enabled[0] == "true");
    account.ends = held.remove("ends").map(|ends| Instant::try_from(ends[0].clone()).unwrap());
    account.attributes = held;
    Ok(())
}

/// `before` must hold; what it names and `after` does not is removed.
fn replace(held: &mut BTreeMap<String, Vec<String>>, before: &Side, after: &Side) -> Result<(), String> {
    for (name, values) in before {
        let mut a = held.get(name).cloned().unwrap_or_default();
        let mut b = values.clone();
        a.sort();
        b.sort();
        if a != b {
            return Err(format!("{name} is {a:?}, not {b:?}"));
        }
        held.remove(name);
    }
    for (name, values) in after {
        if held.insert(name.clone(), values.clone()).is_some() {
            return Err(format!("{name} has values already"));
        }
    }
    Ok(())
}
