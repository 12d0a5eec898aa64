//! Entries → state.
//!
//! Comes in: account and group entries in any order, one at a time, as they arrive.
//! Goes out: a state, gaps, authors. Refuses: to choose between two entries of one
//! name (a gap), to let a placeholder or a credential into the state.

use super::protection::Protection;
use super::ranges::Unfinished;
use super::table::{Found, Table};
use super::trace::{Trace, Traced};
use super::{Disabling, LOCKED, Schema, is_credential, time};
use crate::model::state::{AccountSlot, GroupSlot, StateError};
use crate::model::{Instant, Matching, Object, State, StateBuilder};
use crate::provider::active_directory::link::{self, Clock};
use crate::provider::active_directory::{self, identifier, range};
use crate::provider::{Author, Gap, GapScope, ObjectId, Protected, Scope, dn};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// In [`Scope::group_attributes`]: every attribute that a policy may say something
/// about. Policies name them group by group; connections are older than policies.
pub const EVERY: &str = "*";

/// What servers write into exports beside the data (RFC 4512 §3.4, RFC 4530).
const OPERATIONAL: &[&str] = &[
    "createTimestamp",
    "creatorsName",
    "modifyTimestamp",
    "modifiersName",
    "structuralObjectClass",
    "entryUUID",
    "entryCSN",
    "entryDN",
    "nsUniqueId",
    "subschemaSubentry",
    "hasSubordinates",
];

/// An entry as a reader has it.
pub trait Entry {
    /// Its DN, as the directory writes it.
    fn dn(&self) -> &str;
    /// What it is known by for as long as it lives, where that was asked for.
    fn id(&self) -> Option<ObjectId> {
        None
    }
    /// Calls `each` for every value of every attribute.
    fn visit<'e>(&'e self, each: &mut dyn FnMut(&'e str, &'e [u8]));
}

/// What came of all entries.
#[derive(Debug, Default)]
pub struct Collected {
    /// The state.
    pub state: State,
    /// What is doubtful, with the reason.
    pub gaps: Vec<Gap>,
    /// Who changed what last, where entries say so.
    pub authors: Vec<Author>,
    /// What the directory itself protects.
    pub protected: Vec<Protected>,
    /// Groups that hold the placeholder that a writer would put there, by name.
    pub placeholders: Vec<Box<str>>,
    /// Beside the state, where they were asked for.
    pub traced: Option<Traced>,
}

/// Makes a state of entries.
pub struct Collector<'s> {
    pub(super) schema: &'s Schema,
    roles: Vec<(Box<str>, Role)>,
    /// Attribute names as they came → their roles: a directory writes each in one way.
    spellings: Vec<(Box<str>, Vec<Role>)>,
    group_attributes: Vec<Box<str>>,
    pub(super) builder: StateBuilder,
    pub(super) table: Table,
    groups: BTreeMap<String, GroupSlot>,
    pub(super) group_names: Vec<Box<str>>,
    /// Members that named nothing known when they arrived.
    pending: Vec<(GroupSlot, Box<str>, Option<Instant>)>,
    /// The directory's time, where memberships may have an end of their own.
    clock: Option<Clock>,
    pub(super) unfinished: Unfinished,
    pub(super) protection: Protection,
    /// Values that are DNs of accounts which may not have come yet.
    references: Vec<(AccountSlot, usize, Box<str>)>,
    members_required: bool,
    wants_authors: bool,
    every_group_attribute: bool,
    trace: Option<Trace>,
    gaps: Vec<Gap>,
    authors: Vec<Author>,
    placeholders: Vec<Box<str>>,
}

/// What an attribute of an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Name,
    Id,
    Status,
    End,
    By,
    At,
    Object,
    Compared(usize),
    /// The DN of another account.
    Named(usize),
}

/// What an account entry says, before it is known to be one.
#[derive(Default)]
struct Draft<'e> {
    names: Vec<&'e str>,
    id: Option<&'e str>,
    status: Vec<&'e str>,
    ends: Option<Instant>,
    by: Option<&'e str>,
    at: Option<Instant>,
    object: Option<String>,
    values: Vec<(usize, &'e str)>,
    named: Vec<(usize, &'e str)>,
    binary: Option<&'e str>,
}

impl<'s> Collector<'s> {
    /// A collector of the attributes that `scope` names.
    pub fn new(schema: &'s Schema, scope: &Scope) -> Self {
        let mut roles = vec![(key(&schema.name_attribute), Role::Name)];
        roles.extend(schema.id_attribute.iter().map(|name| (key(name), Role::Id)));
        roles.push(match &schema.disabling {
            Disabling::Locked => (key(LOCKED), Role::Status),
            Disabling::By(by) => (key(&by.attribute), Role::Status),
            Disabling::AccountControl => (key(active_directory::CONTROL), Role::Status),
        });
        if schema.native_end {
            roles.push((key(schema.end_attribute()), Role::End));
        }
        roles.extend(schema.object_attribute().map(|name| (key(name), Role::Object)));
        if scope.authors {
            roles.extend([(key("modifiersName"), Role::By), (key("modifyTimestamp"), Role::At)]);
        }
        let compared: Vec<Box<str>> =
            scope.account_attributes.iter().filter(|name| !is_credential(name)).cloned().collect();
        let role = |n, name: &str| if schema.is_reference(name) { Role::Named(n) } else { Role::Compared(n) };
        roles.extend(compared.iter().enumerate().map(|(n, name)| (key(name), role(n, name))));
        let references = (0..).zip(&compared).filter(|(_, name)| schema.is_reference(name)).map(|(n, _)| n).collect();
        let mut group_attributes: Vec<Box<str>> = vec!["description".into()];
        let named = scope.group_attributes.iter().filter(|name| name.as_ref() != EVERY && !is_credential(name));
        group_attributes.extend(named.cloned());
        group_attributes.sort();
        group_attributes.dedup();
        Self {
            schema,
            roles,
            spellings: Vec::new(),
            group_attributes,
            builder: StateBuilder::new(Matching::CaseIgnore, compared),
            table: Table::default(),
            groups: BTreeMap::new(),
            group_names: Vec::new(),
            pending: Vec::new(),
            clock: None,
            unfinished: Unfinished::default(),
            protection: Protection::default(),
            references: Vec::new(),
            members_required: false,
            wants_authors: scope.authors,
            every_group_attribute: scope.group_attributes.iter().any(|name| name.as_ref() == EVERY),
            trace: scope.resume.then(|| Trace::new(!schema.members_are_dns(), references)),
            gaps: Vec::new(),
            authors: Vec::new(),
            placeholders: Vec::new(),
        }
    }

    /// Ends of memberships count from that clock's time.
    #[must_use]
    pub fn by(mut self, clock: Option<Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Notes that something was not read completely.
    pub fn gap(&mut self, scope: GapScope, why: impl Into<String>) {
        self.gaps.push(Gap { scope, why: why.into() });
    }

    /// Says that the directory's schema demands a member of every group, so that a
    /// group that shows none hides them: a gap.
    #[must_use]
    pub fn members_required(mut self) -> Self {
        self.members_required = self.schema.demands_members();
        self
    }

    /// Takes an entry below the accounts' base. Entries without a name are none.
    pub fn account(&mut self, entry: &dyn Entry) {
        let draft = self.draft(entry);
        let in_rdn = dn::rdn_value(entry.dn(), &self.schema.name_attribute);
        let Some(name) = in_rdn.or_else(|| draft.names.iter().min().map(|name| Cow::Borrowed(*name))) else {
            return self.note(|trace| trace.no_account(entry));
        };
        let Ok(dn_key) = dn::key(entry.dn()) else {
            return self.gap(GapScope::Accounts, format!("`{}` was returned, which is no DN", entry.dn()));
        };
        if self.builder.slot_of(&name).is_some() {
            let why = format!("two entries are named `{name}`; one of them is `{}`: rename or remove one", entry.dn());
            return self.gap(GapScope::Account(name.into_owned()), why);
        }
        if let Some(attribute) = draft.binary {
            let why = format!("`{attribute}` of `{}` is not text (UTF-8)", entry.dn());
            self.gap(GapScope::Account(name.clone().into_owned()), why);
        }
        let slot = self.builder.account(&name, entry.dn());
        self.table.insert(&dn_key, Found::Account(slot));
        self.protect_account(slot, &name, entry);
        self.note(|trace| trace.account(entry));
        if let Some(id) = draft.id {
            self.builder.set_id(slot, id);
        }
        if let Some(object) = &draft.object {
            self.builder.set_object(slot, object);
        }
        self.builder.set_status(slot, self.schema.enabled(&draft.status), draft.ends);
        for (attribute, value) in &draft.values {
            self.builder.add_value(slot, *attribute, value);
        }
        self.references.extend(draft.named.iter().map(|(attribute, text)| (slot, *attribute, Box::from(*text))));
        if draft.by.is_some() || draft.at.is_some() {
            let object = Object::account(name);
            self.authors.push(Author { object, by: draft.by.map(str::to_owned), at: draft.at });
        }
    }

    fn draft<'e>(&mut self, entry: &'e dyn Entry) -> Draft<'e> {
        let mut draft = Draft::default();
        let (roles, spellings, schema) = (&self.roles, &mut self.spellings, self.schema);
        entry.visit(&mut |attribute, value| {
            let known = spellings.iter().position(|(spelling, _)| spelling.as_ref() == attribute);
            let known = known.unwrap_or_else(|| {
                let of = roles.iter().filter(|(name, _)| same_type(name, attribute)).map(|(_, role)| *role);
                spellings.push((attribute.into(), of.collect()));
                spellings.len() - 1
            });
            for role in spellings.get(known).map_or(&[][..], |(_, roles)| roles) {
                if *role == Role::Object {
                    draft.object = identifier::guid(value);
                    continue;
                }
                let Ok(text) = std::str::from_utf8(value) else {
                    draft.binary = Some(attribute);
                    return;
                };
                match role {
                    Role::Name => draft.names.push(text),
                    // The lowest of several, whatever the order in which they came.
                    Role::Id => draft.id = Some(draft.id.map_or(text, |other| other.min(text))),
                    Role::Status => draft.status.push(text),
                    Role::End => draft.ends = schema.end_said(text),
                    Role::By => draft.by = Some(text),
                    Role::At => draft.at = time::parse(text),
                    Role::Object => {}
                    Role::Compared(n) => draft.values.push((*n, text)),
                    Role::Named(n) => draft.named.push((*n, text)),
                }
            }
        });
        draft
    }

    /// Takes an entry below the groups' base. Entries without a name are none.
    pub fn group(&mut self, entry: &dyn Entry) {
        let Ok(dn_key) = dn::key(entry.dn()) else {
            return self.gap(GapScope::Groups, format!("`{}` was returned, which is no DN", entry.dn()));
        };
        let Some(name) = group_name(entry, self.schema.group_name_attribute()) else {
            return self.note(|trace| trace.no_group(entry));
        };
        let name_key = Matching::CaseIgnore.key(&name).into_owned();
        if self.groups.contains_key(&name_key) {
            let why = format!("two groups are named `{name}`; one of them is `{}`: rename or remove one", entry.dn());
            return self.gap(GapScope::Group(name.into_owned()), why);
        }
        let slot = self.builder.group(&name, entry.dn());
        self.groups.insert(name_key, slot);
        self.group_names.push(name.as_ref().into());
        self.table.insert(&dn_key, Found::Group(slot));
        self.protect_group(slot, &name, entry);
        self.note(|trace| trace.group(entry));
        let member = key(self.schema.member_attribute());
        let mut attributes: BTreeMap<Box<str>, Vec<Box<str>>> = BTreeMap::new();
        let (mut by, mut at) = (None, None);
        let (mut shown, mut held) = (false, false);
        entry.visit(&mut |attribute, value| {
            let text = String::from_utf8_lossy(value);
            let piece = range::parse(attribute);
            let attribute = piece.map_or(attribute, |piece| piece.attribute);
            if let Some(piece) = piece.filter(|_| same_type(&member, attribute)) {
                self.unfinished.piece(slot, entry.dn(), &name, &piece);
            }
            if same_type(&member, attribute) {
                shown = true;
                held |= self.member(slot, &dn_key, &text);
            } else if let Some(name) = self.group_attributes.iter().find(|name| same_type(name, attribute)) {
                attributes.entry(name.clone()).or_default().push(text.into());
            } else if self.every_group_attribute && is_free(attribute) {
                let text = self.schema.group_said(attribute, text);
                attributes.entry(attribute.into()).or_default().push(text.into());
            } else if attribute.eq_ignore_ascii_case("modifiersName") {
                by = Some(text.into_owned());
            } else if attribute.eq_ignore_ascii_case("modifyTimestamp") {
                at = time::parse(&text);
            }
        });
        if held {
            self.placeholders.push(name.as_ref().into());
        }
        if self.members_required && !shown {
            let attribute = self.schema.member_attribute();
            let why = format!(
                "no `{attribute}` of `{}` was shown, though its class requires one: hidden by an access rule?",
                entry.dn()
            );
            self.gap(GapScope::Group(name.clone().into_owned()), why);
        }
        for (attribute, values) in attributes {
            self.builder.set_group_attribute(slot, &attribute, values);
        }
        if self.wants_authors && (by.is_some() || at.is_some()) {
            self.authors.push(Author { object: Object::group(name), by, at });
        }
    }

    /// Whether it is the placeholder that a writer would put there.
    pub(super) fn member(&mut self, group: GroupSlot, group_key: &str, text: &str) -> bool {
        if !self.schema.members_are_dns() {
            match self.builder.slot_of(text) {
                Some(account) => self.place(group, account, text, None),
                None => self.pending.push((group, text.into(), None)),
            }
            return false;
        }
        let (left, text) = if self.clock.is_some() { link::parse(text) } else { (None, text) };
        let ends = left.and_then(|left| Some(self.clock.as_ref()?.now().plus(left)));
        let bare = without_unique_id(text);
        let Ok(key) = dn::key(bare) else {
            self.builder.other(group, false, text);
            return false;
        };
        if self.schema.is_placeholder(&key, group_key) {
            return self.schema.placeholder_key.as_deref().unwrap_or(group_key) == key;
        }
        match self.table.get(&key) {
            Some(Found::Account(account)) => self.place(group, account, text, ends),
            _ => self.pending.push((group, text.into(), ends)),
        }
        false
    }

    /// For a later read, where one is wanted.
    fn note(&mut self, note: impl FnOnce(&mut Trace)) {
        if let Some(trace) = &mut self.trace {
            note(trace);
        }
    }

    /// An account is a member of a group, which writes it as `text`.
    fn place(&mut self, group: GroupSlot, account: AccountSlot, text: &str, ends: Option<Instant>) {
        self.builder.member(group, account, ends);
        if let Some(trace) = &mut self.trace {
            trace.member(group, account, text, self.builder.account_texts(account));
        }
    }

    /// Places the members that were not known when they arrived, sorts, numbers.
    ///
    /// # Errors
    /// [`StateError::TooLarge`] beyond 32-bit counts.
    pub fn finish(mut self) -> Result<Collected, StateError> {
        self.judge_unfinished();
        let (protected, relative) = self.settle_protection();
        for (slot, attribute, text) in std::mem::take(&mut self.references) {
            let found = dn::key(&text).ok().and_then(|key| self.table.get(&key));
            let name = match found {
                Some(Found::Account(account)) => self.builder.name_of(account).to_owned(),
                _ => text.into(),
            };
            self.builder.add_value(slot, attribute, &name);
        }
        for (group, text, ends) in std::mem::take(&mut self.pending) {
            let found = if self.schema.members_are_dns() {
                dn::key(without_unique_id(&text)).ok().and_then(|key| self.table.get(&key))
            } else {
                self.builder.slot_of(&text).map(Found::Account)
            };
            match found {
                Some(Found::Account(account)) => self.place(group, account, &text, ends),
                Some(Found::Group(nested)) => {
                    let name = self.group_names.get(nested.0 as usize).map_or("", AsRef::as_ref);
                    self.builder.other(group, true, name);
                    if let Some(trace) = &mut self.trace {
                        trace.nested(group, nested, &text, self.builder.group_texts(nested).1);
                    }
                }
                None => self.builder.other(group, false, &text),
            }
        }
        self.gaps.sort();
        self.gaps.dedup();
        self.authors.sort();
        self.placeholders.sort();
        let Self { builder, trace, gaps, authors, placeholders, .. } = self;
        let (state, order) = builder.finish_with_order()?;
        let traced = trace.map(|trace| trace.finish(&state, &order, relative));
        Ok(Collected { state, gaps, authors, protected, placeholders, traced })
    }
}

fn key(attribute: &str) -> Box<str> {
    dn::type_key(attribute).as_ref().into()
}

/// Whether `attribute` is the type `key`, whose case does not count.
fn same_type(key: &str, attribute: &str) -> bool {
    key.eq_ignore_ascii_case(attribute) || (key.len() != attribute.len() && dn::type_key(attribute) == key)
}

/// Whether a group's attribute says something that a policy may also say: not its
/// name, its class, a credential or what the server keeps for itself.
fn is_free(attribute: &str) -> bool {
    !["cn", "objectclass", "memberof"].contains(&dn::type_key(attribute).as_ref())
        && !OPERATIONAL.iter().any(|name| name.eq_ignore_ascii_case(attribute))
        && !active_directory::is_operational(attribute)
        && !is_credential(attribute)
}

/// The name of a group: the value in its RDN, otherwise the lowest.
fn group_name<'e>(entry: &'e dyn Entry, of: &str) -> Option<Cow<'e, str>> {
    if let Some(name) = dn::rdn_value(entry.dn(), of) {
        return Some(name);
    }
    let of = key(of);
    let mut lowest: Option<&str> = None;
    entry.visit(&mut |attribute, value| {
        if same_type(&of, attribute)
            && let Ok(text) = std::str::from_utf8(value)
        {
            lowest = Some(lowest.map_or(text, |other| other.min(text)));
        }
    });
    lowest.map(Cow::Borrowed)
}

/// Name and Optional UID (RFC 4517 §3.3.21): the DN before `#'0101'B`.
pub fn without_unique_id(text: &str) -> &str {
    match text.rsplit_once('#') {
        Some((dn, uid)) if uid.starts_with('\'') && uid.ends_with("'B") => dn,
        _ => text,
    }
}
