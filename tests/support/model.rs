//! A directory that is a map: obviously right, strict about what must hold before
//! a write, and, where asked, kept in one file so that it outlives its process.

use accord::model::change::OtherMember;
use accord::model::{Action, Change, Enabled, Matching, Object, State, StateBuilder};
use accord::provider::{
    Answer, Batch, Capabilities, Cookie, Kind, Observed, ProviderError, Reader, Reading, Repeat, Scope, Step, Unfit,
    Writer,
};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a model directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Group → members by name.
    pub(crate) groups: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) enabled: bool,
    pub(crate) title: Option<String>,
}

impl Default for Account {
    fn default() -> Self {
        Self { enabled: true, title: None }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    content: Content,
    /// Every write that took effect, in order: a write that must happen once stands here once.
    log: Vec<String>,
}

/// The directory. Clones share the content.
#[derive(Clone)]
pub(crate) struct Model {
    kept: Rc<RefCell<Kept>>,
    file: Option<PathBuf>,
    pub(crate) capabilities: Capabilities,
}

pub(crate) fn capabilities() -> Capabilities {
    use Action::{
        CreateAccount, CreateGroup, DeleteAccount, DeleteGroup, DisableAccount, EnableAccount, Grant, RenameAccount,
        RenameGroup, Revoke, UpdateAccount,
    };
    Capabilities {
        actions: vec![
            CreateAccount,
            CreateGroup,
            DeleteAccount,
            DeleteGroup,
            DisableAccount,
            EnableAccount,
            Grant,
            RenameAccount,
            RenameGroup,
            Revoke,
            UpdateAccount,
        ],
        disable: true,
        empty_groups: true,
        batch: Batch::PerGroup(8),
        in_flight: 4,
        repeat: Repeat::CompareAndSwap,
        ..Capabilities::default()
    }
}

impl Model {
    pub(crate) fn new(content: Content) -> Self {
        let kept = Rc::new(RefCell::new(Kept { content, log: Vec::new() }));
        Self { kept, file: None, capabilities: capabilities() }
    }

    /// The directory in `file`, empty if there is none.
    pub(crate) fn open(file: &Path) -> Self {
        let kept = std::fs::read(file).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default();
        Self { kept: Rc::new(RefCell::new(kept)), file: Some(file.to_owned()), capabilities: capabilities() }
    }

    pub(crate) fn content(&self) -> Content {
        self.kept.borrow().content.clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.kept.borrow().log.clone()
    }

    /// Somebody else changes something.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Content)) {
        edit(&mut self.kept.borrow_mut().content);
        self.save();
    }

    pub(crate) fn observed(&self) -> Observed {
        Observed { state: self.state(None), ..Observed::default() }
    }

    fn save(&self) {
        if let Some(file) = &self.file {
            let new = file.with_extension("new");
            std::fs::write(&new, serde_json::to_vec(&*self.kept.borrow()).unwrap()).unwrap();
            std::fs::rename(new, file).unwrap();
        }
    }

    /// Members that were not asked for stand there by handle, as in LDAP.
    fn state(&self, only: Option<&[Object]>) -> State {
        let kept = self.kept.borrow();
        let wants = |object: Object| only.is_none_or(|only| only.contains(&object));
        let mut builder = StateBuilder::new(Matching::CaseIgnore, ["title"]);
        for (name, account) in &kept.content.accounts {
            if wants(Object::account(name)) {
                let slot = builder.account(name, &account_handle(name));
                builder.set_status(slot, if account.enabled { Enabled::Yes } else { Enabled::No }, None);
                account.title.iter().for_each(|title| builder.add_value(slot, 0, title));
            }
        }
        for (name, members) in &kept.content.groups {
            if wants(Object::group(name)) {
                let group = builder.group(name, &group_handle(name));
                for member in members {
                    match builder.slot_of(member) {
                        Some(slot) => builder.member(group, slot, None),
                        None => builder.other(group, false, &account_handle(member)),
                    }
                }
            }
        }
        builder.finish().unwrap()
    }

    /// One change, all or nothing.
    fn change(&self, change: &Change) -> Result<Option<String>, String> {
        let mut kept = self.kept.borrow_mut();
        let content = &mut kept.content;
        let account = change.object.account.clone().unwrap_or_default();
        let after = |key: &str| change.after.as_ref().and_then(|after| after.get(key)?.first().cloned());
        let there = |yes: bool| if yes { Ok(()) } else { Err("it is not as it was".to_owned()) };
        let mut handle = None;
        match change.action {
            Action::CreateAccount => {
                there(!content.accounts.contains_key(&account))?;
                content.accounts.insert(account.clone(), Account { enabled: true, title: after("title") });
                handle = Some(account_handle(&account));
            }
            Action::DeleteAccount => there(content.accounts.remove(&account).is_some())?,
            Action::RenameAccount => {
                let new = after("name").unwrap();
                there(!content.accounts.contains_key(&new))?;
                let old = content.accounts.remove(&account).ok_or("it is not there")?;
                content.accounts.insert(new.clone(), old);
                for members in content.groups.values_mut() {
                    if members.remove(&account) {
                        members.insert(new.clone());
                    }
                }
                handle = Some(account_handle(&new));
            }
            Action::UpdateAccount => {
                let entry = content.accounts.get_mut(&account).ok_or("it is not there")?;
                let before = change.before.as_ref().and_then(|before| before.get("title")?.first().cloned());
                there(entry.title == before)?;
                entry.title = after("title");
            }
            Action::DisableAccount | Action::EnableAccount => {
                let enable = change.action == Action::EnableAccount;
                let entry = content.accounts.get_mut(&account).ok_or("it is not there")?;
                there(entry.enabled != enable)?;
                entry.enabled = enable;
            }
            action => return Self::group_change(&mut kept, change, action, &account),
        }
        kept.log.push(accord::plan::draft::words(change));
        Ok(handle)
    }

    fn group_change(kept: &mut Kept, change: &Change, action: Action, account: &str) -> Result<Option<String>, String> {
        let content = &mut kept.content;
        let group = change.object.group.clone().unwrap();
        let member = match &change.object.member {
            Some(OtherMember::Group(name) | OtherMember::Other(name)) => name.clone(),
            None => account.to_owned(),
        };
        let done = match action {
            Action::CreateGroup => content.groups.insert(group.clone(), BTreeSet::new()).is_none(),
            Action::DeleteGroup => content.groups.remove(&group).is_some(),
            Action::Grant => content.groups.get_mut(&group).ok_or("it is not there")?.insert(member),
            Action::Revoke => content.groups.get_mut(&group).ok_or("it is not there")?.remove(&member),
            other => panic!("the model directory has no {}", other.word()),
        };
        if !done {
            return Err("it is not as it was".to_owned());
        }
        kept.log.push(accord::plan::draft::words(change));
        Ok((action == Action::CreateGroup).then(|| group_handle(&group)))
    }
}

fn account_handle(name: &str) -> String {
    format!("uid={name},ou=people,o=model")
}

fn group_handle(name: &str) -> String {
    format!("cn={name},ou=groups,o=model")
}

impl Kind for Model {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn scope(&self) -> Scope {
        Scope { account_attributes: vec!["title".into()], ..Scope::default() }
    }

    fn account_handle(&self, name: &str) -> String {
        account_handle(name)
    }

    fn group_handle(&self, name: &str) -> String {
        group_handle(name)
    }

    fn matching(&self, _attribute: &str) -> Matching {
        Matching::CaseIgnore
    }

    fn fit(&self, _desired: &State) -> Vec<Unfit> {
        Vec::new()
    }
}

impl Reader for Model {
    fn read<'a>(
        &'a mut self,
        scope: &'a Scope,
        _since: Option<&'a Cookie>,
    ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>> {
        let upserts = self.state(scope.only.as_deref());
        async move { Ok(Reading { upserts, ..Reading::default() }) }.boxed_local()
    }
}

impl Writer for Model {
    fn write<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<Answer>> {
        async move {
            // Others get their turn before it takes effect, and after.
            tokio::task::yield_now().await;
            let mut answers = Vec::new();
            for step in steps {
                let creates = matches!(step.change.action, Action::CreateAccount | Action::CreateGroup);
                assert_eq!(step.handle.is_none(), creates, "{:?} goes by {:?}", step.change, step.handle);
                answers.push(match self.change(step.change) {
                    Ok(handle) => Answer::Done { handle },
                    Err(why) => Answer::Conflict { why },
                });
            }
            self.save();
            tokio::task::yield_now().await;
            answers
        }
        .boxed_local()
    }
}
