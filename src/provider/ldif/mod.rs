//! A directory in one LDIF file: the embedded default, an export, a test bed.
//!
//! Comes in: settings and a root folder. Goes out: a [`Kind`](super::Kind), a
//! [`Reader`], a [`Writer`] with the answers of an LDAP server. Refuses: links,
//! paths outside the root, broken LDIF (with its line), a file that somebody else
//! changed since it was read.

pub mod base64;
mod create;
pub mod document;
pub mod format;
mod print;
mod store;
#[cfg(test)]
mod tests;
mod write;

pub use document::Document;

use super::entries::{Collector, EntryKind, Schema};
use super::{
    Batch, Capabilities, Cookie, Credentials, EndsItself, ProviderError, Reader, Reading, Repeat, Scope, Step, Writer,
    observe,
};
use crate::model::{Action, Matching};
use crate::policy::settings;
use futures_util::future::{LocalBoxFuture, ready};
use std::cell::{Cell, RefCell};
use store::{Mark, Store};

/// The most changes that one rewrite of the file carries.
const BATCH: usize = 10_000;

/// The pure part of a directory of `kind: ldif`.
///
/// # Errors
/// When the settings do not say where accounts are, or say it wrongly.
pub fn kind(directory: &settings::Directory) -> Result<EntryKind, ProviderError> {
    let schema = Schema::new(directory, true)?;
    let capabilities = Capabilities {
        actions: Action::on_entries(),
        names: Matching::CaseIgnore,
        disable: true,
        password_apart: false,
        native_end: schema.native_end,
        ends_itself: EndsItself::default(),
        created_disabled: false,
        empty_groups: true,
        nesting: schema.members_are_dns(),
        batch: Batch::Any(BATCH),
        in_flight: 1,
        repeat: Repeat::CompareAndSwap,
        knows_author: true,
        records_changes: false,
        resume: false,
    };
    Ok(EntryKind::new(schema, capabilities))
}

/// A directory in one LDIF file.
#[derive(Debug)]
pub struct Directory {
    schema: Schema,
    file: String,
    create: bool,
    store: Store,
    /// The file as it was last read or written here.
    seen: Cell<Option<Mark>>,
    /// What the last write left in the file of that mark, so that the next batch need
    /// not parse it again.
    kept: RefCell<Option<Box<Document>>>,
}

impl Directory {
    /// The directory with those settings, its file below `credentials.root`.
    ///
    /// # Errors
    /// When the settings name no file, one outside the root, or no bases.
    pub fn new(directory: &settings::Directory, credentials: &Credentials) -> Result<Self, ProviderError> {
        let schema = Schema::new(directory, true)?;
        let fail = |message: String, help: &str| ProviderError {
            directory: directory.name.to_string(),
            operation: "settings".to_owned(),
            message,
            help: vec![help.to_owned()],
        };
        let Some(file) = directory.settings.file.clone() else {
            return Err(fail("`file` is missing".to_owned(), "say which LDIF file: `file: directory.ldif`"));
        };
        let store = Store::new(&credentials.root, &file)
            .map_err(|message| fail(message, "copy the file into the repository, or run accord above it"))?;
        Ok(Self {
            schema,
            file,
            create: directory.settings.create,
            store,
            seen: Cell::new(None),
            kept: RefCell::default(),
        })
    }

    fn error(&self, message: impl Into<String>, help: impl Into<String>) -> ProviderError {
        ProviderError {
            directory: self.schema.directory.to_string(),
            operation: format!("read {}", self.file),
            message: message.into(),
            help: vec![help.into()],
        }
    }

    fn load(&self) -> Result<(Document, Mark), ProviderError> {
        let (bytes, mark) = self
            .store
            .read()
            .map_err(|message| self.error(message, "accord reads one regular file inside the repository"))?;
        if mark == Mark::Missing && !self.create {
            return Err(self.error("there is no such file", "put the LDIF file there, or write `create: true`"));
        }
        let document = Document::parse(bytes).map_err(|error| ProviderError {
            directory: self.schema.directory.to_string(),
            operation: "read".to_owned(),
            message: format!("{}:{}: {}", self.file, error.line, error.message),
            help: vec![error.help.to_owned()],
        })?;
        Ok((document, mark))
    }

    fn read_now(&self, scope: &Scope) -> Result<Reading, ProviderError> {
        // A read is of the file; two of them in memory are too many.
        self.kept.take();
        let (document, mark) = self.load()?;
        let schema = &self.schema;
        let mut collector = Collector::new(schema, scope);
        let class = schema.group_class_name();
        let below =
            |key: &str, base: &Option<Box<str>>| base.as_deref().is_some_and(|base| super::dn::is_below(key, base));
        let is_group =
            |entry: &document::EntryRef<'_>| below(entry.key(), &schema.groups_key) && entry.has("objectClass", class);
        let mut groups = Vec::new();
        for entry in document.entries() {
            if is_group(&entry) {
                groups.push(entry);
            } else if schema.is_below_a_base(entry.key()) {
                collector.account(&entry);
            }
        }
        for entry in &groups {
            collector.group(entry);
        }
        let collected = collector.finish().map_err(|error| self.error(error.to_string(), "split the directory"))?;
        self.seen.set(Some(mark));
        let evidence = match mark {
            Mark::Missing => format!("{} is not there yet; apply makes it", self.file),
            Mark::Digest(_) => format!("all of {}, sha256 {}…", self.file, mark.short()),
        };
        let reading = Reading {
            upserts: collected.state,
            gaps: collected.gaps,
            evidence: vec![evidence],
            authors: collected.authors,
            protected: collected.protected,
            placeholders: Some(collected.placeholders),
            ..Reading::default()
        };
        match &scope.only {
            Some(objects) => observe::only(reading, objects).map_err(|error| self.error(error.to_string(), "")),
            None => Ok(reading),
        }
    }
}

impl Reader for Directory {
    fn read<'a>(
        &'a mut self,
        scope: &'a Scope,
        _since: Option<&'a Cookie>,
    ) -> LocalBoxFuture<'a, Result<Reading, ProviderError>> {
        Box::pin(ready(self.read_now(scope)))
    }
}

impl Writer for Directory {
    fn write<'a>(&'a self, steps: &'a [Step<'a>]) -> LocalBoxFuture<'a, Vec<super::Answer>> {
        Box::pin(ready(self.write_now(steps)))
    }
}
