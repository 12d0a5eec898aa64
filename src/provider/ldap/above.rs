//! Entries above objects, and by what entries are known.
//!
//! Comes in: DNs of objects that were read. Goes out: the ids of the entries above them;
//! whether each of those still stands where it stood. Refuses: to take an entry for
//! another of the same name.
//!
//! What moves with a renamed or moved entry above it is itself not written, so no change
//! counter tells of it.

use super::connect::Session;
use super::probe::Server;
use super::read::{EVERYTHING, READS_IN_FLIGHT};
use super::search::{self, Entry};
use crate::model::bytes::{Cursor, Damaged, Out};
use crate::provider::active_directory::GUID;
use crate::provider::dn;
use crate::provider::entries::{Schema, Traced};
use crate::provider::identities::ObjectId;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;

/// An entry's id (RFC 4530).
const UUID: &str = "entryUUID";
/// The same in 389 Directory Server.
const UNIQUE: &str = "nsUniqueId";
/// Whether an entry has others below it (X.501; computed by the server).
pub(super) const PARENT: &str = "hasSubordinates";

/// The attribute by which this server knows an entry for as long as it lives.
pub(super) fn id_attribute(server: &Server) -> &'static str {
    match (&server.controller, &server.changelog) {
        (Some(_), _) => GUID,
        (None, Some(_)) => UNIQUE,
        (None, None) => UUID,
    }
}

/// The id of an entry, where its attribute was asked for.
pub(super) fn id_of(entry: Entry<'_>) -> Option<ObjectId> {
    let text = |name| entry.values(name).next().and_then(ObjectId::parse);
    text(UUID).or_else(|| text(UNIQUE)).or_else(|| entry.values(GUID).next().and_then(ObjectId::from_bytes))
}

/// Entries above objects, bases included: DN, id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Above(Vec<(Box<str>, ObjectId)>);

impl Above {
    pub(super) fn encode(&self, out: &mut Out) {
        out.count(self.0.len());
        for (dn, id) in &self.0 {
            out.text(dn);
            out.raw(&id.0);
        }
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Damaged> {
        let mut list = Vec::new();
        for _ in 0..cursor.count(20)? {
            let dn = cursor.text()?.into();
            list.push((dn, ObjectId::from_bytes(cursor.raw(16)?).ok_or(Damaged)?));
        }
        Ok(Self(list))
    }

    /// With the entries above what was traced, as far as they were not known.
    pub(super) async fn rise(
        &mut self,
        session: &Session,
        server: &Server,
        schema: &Schema,
        traced: &Traced,
    ) -> Result<(), String> {
        let mut wanted: BTreeMap<String, Box<str>> = BTreeMap::new();
        let bases = schema.roots().map(|base| &base.dn).chain(&schema.groups_base);
        let keys = schema.roots().map(|base| &base.key).chain(&schema.groups_key);
        let stops: Vec<&str> = keys.map(AsRef::as_ref).collect();
        for text in traced.parents.iter().chain(bases) {
            let mut next = Some(text.as_ref());
            while let Some(text) = next {
                let Ok(key) = dn::key(text) else { return Err(format!("`{text}` is no DN")) };
                let inside = stops.iter().any(|stop| key == *stop || dn::is_below(&key, stop));
                if !inside || wanted.contains_key(key.as_ref()) {
                    break;
                }
                wanted.insert(key.into_owned(), text.into());
                next = dn::parent(text);
            }
        }
        for (known, _) in &self.0 {
            if let Ok(key) = dn::key(known) {
                wanted.remove(key.as_ref());
            }
        }
        let attribute = id_attribute(server);
        for (dn, id) in ids(session, attribute, wanted.into_values()).await? {
            let id = id.ok_or_else(|| format!("`{dn}` shows no `{attribute}`"))?;
            self.0.push((dn, id));
        }
        self.0.sort();
        Ok(())
    }

    /// That every entry above is where it was.
    pub(super) async fn ensure_unmoved(&self, session: &Session, server: &Server) -> Result<(), String> {
        let now = ids(session, id_attribute(server), self.0.iter().map(|(dn, _)| dn.clone())).await?;
        for (dn, id) in now {
            if !self.holds(&dn, id) {
                return Err(format!("`{dn}` is not the entry that it was"));
            }
        }
        Ok(())
    }

    /// Whether an entry stands where it stood.
    pub(super) fn holds(&self, dn: &str, id: Option<ObjectId>) -> bool {
        id.is_some_and(|id| self.0.iter().any(|(known, of)| *of == id && dn::same(known, dn)))
    }

    /// That an entry which came brings nothing else along.
    pub(super) fn ensure_alone(&self, entry: Entry<'_>, id: ObjectId) -> Result<(), String> {
        let alone = entry.text(PARENT).is_some_and(|value| value.eq_ignore_ascii_case("FALSE"));
        if alone || self.holds(entry.dn, Some(id)) { Ok(()) } else { Err(not_alone(entry.dn)) }
    }

    #[cfg(test)]
    pub(super) fn of(list: Vec<(Box<str>, ObjectId)>) -> Self {
        Self(list)
    }
}

/// What is said of an entry that came, and of which nobody told what came with it.
pub(super) fn not_alone(dn: &str) -> String {
    format!("`{dn}` is new or was moved, with entries below it")
}

async fn ids(
    session: &Session,
    attribute: &str,
    list: impl IntoIterator<Item = Box<str>>,
) -> Result<Vec<(Box<str>, Option<ObjectId>)>, String> {
    let wanted = [attribute.to_owned()];
    let wanted = &wanted;
    stream::iter(list)
        .map(|dn| async move {
            let id = search::base(session, &dn, EVERYTHING, wanted, id_of).await.map_err(|error| error.message)?;
            Ok((dn, id.flatten()))
        })
        .buffer_unordered(READS_IN_FLIGHT)
        .try_collect()
        .await
}
