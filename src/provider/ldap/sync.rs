//! What changed since a cookie: content synchronisation (RFC 4533), refreshOnly.
//!
//! Comes in: a search and the server's own cookie. Goes out: every new or changed entry,
//! borrowed, with its id; which entries are gone; the next cookie. Refuses: an answer
//! that is not whole or not understood, whatever it says; to panic on what a server sends
//! (the library's own parsers of these messages do).
//!
//! What is gone is said in one of two ways. A server that remembers sends the ids of
//! what was deleted. One that does not (it was started again) sends the ids of all that
//! is there and was not changed: whatever is not named is gone.

use super::connect::Session;
use super::errors;
use super::search::{self, Entry, Search, bytes, children};
use crate::provider::identities::{Gone, ObjectId};
use ldap3::LdapResult;
use ldap3::ResultEntry;
use ldap3::asn1::StructureTag;
use ldap3::controls::{Control, MakeCritical, RawControl, RefreshMode, SyncRequest};

/// Sync State control (RFC 4533 §2.3), on every entry.
const STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// Sync Done control (§2.4), on the result.
const DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// Sync Info message (§2.5), between entries.
const INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
/// Universal tags of ASN.1 that occur in them.
const BOOLEAN: u64 = 1;
const OCTETS: u64 = 4;
const SET: u64 = 17;

const MALFORMED: &str = "the server's answer to a refresh is malformed";

/// How a refresh ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Synced {
    /// Entries that are gone.
    pub(super) gone: Gone,
    /// Where the next refresh goes on, if somewhere else.
    pub(super) cookie: Option<Vec<u8>>,
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Phase {
    deleted: Vec<ObjectId>,
    present: Vec<ObjectId>,
    /// Whether `present` was said to be all of them.
    presents: bool,
    cookie: Option<Vec<u8>>,
}

/// Asks for what changed since `cookie` (none: for everything) and hands over every new
/// or changed entry.
///
/// # Errors
/// Why the server's answer cannot be gone on from.
pub(super) async fn refresh(
    session: &Session,
    search: &Search<'_>,
    cookie: Option<&[u8]>,
    mut each: impl FnMut(Entry<'_>, ObjectId) -> Result<(), String>,
) -> Result<Synced, String> {
    let broken = |error| session.site.broken(&format!("search {}", search.base), &error).message;
    let mut ldap = session.operation();
    let request =
        SyncRequest { mode: RefreshMode::RefreshOnly, cookie: cookie.map(<[u8]>::to_vec), reload_hint: false };
    ldap.with_controls(RawControl::from(request.critical()));
    let stream = ldap.streaming_search(search.base, search.scope, search.filter, search.attributes).await;
    let mut stream = stream.map_err(broken)?;
    let mut phase = Phase::default();
    while let Some(item) = stream.next().await.map_err(broken)? {
        if item.is_ref() {
            return Err(format!("the server refers to {}", errors::referrals(&search::references(&item))));
        }
        if item.is_intermediate() {
            phase.info(&item.0)?;
        } else if let Some((entry, id)) = phase.entry(&item)? {
            each(entry, id)?;
        }
    }
    phase.end(&stream.finish().await)
}

impl Phase {
    /// An entry with its id, if it is new or changed.
    fn entry<'i>(&mut self, item: &'i ResultEntry) -> Result<Option<(Entry<'i>, ObjectId)>, String> {
        let value = control(&item.1, STATE).ok_or("the server sent an entry without its state")?;
        let tag = parsed(value)?;
        let [state, id, rest @ ..] = children(&tag).ok_or(MALFORMED)? else { return Err(MALFORMED.to_owned()) };
        let id = bytes(id).and_then(ObjectId::from_bytes).ok_or(MALFORMED)?;
        if let Some(cookie) = rest.iter().find(|part| part.id == OCTETS) {
            self.cookie = bytes(cookie).map(<[u8]>::to_vec);
        }
        match bytes(state) {
            Some([0]) => self.present.push(id),
            Some([1 | 2]) => return search::entry(&item.0).map(|entry| Some((entry, id))).ok_or(MALFORMED.to_owned()),
            Some([3]) => self.deleted.push(id),
            _ => return Err(MALFORMED.to_owned()),
        }
        Ok(None)
    }

    /// A message between the entries.
    fn info(&mut self, message: &StructureTag) -> Result<(), String> {
        let parts = children(message).ok_or(MALFORMED)?;
        let part = |id| parts.iter().find(|part| part.id == id).and_then(bytes);
        if part(0) != Some(INFO.as_bytes()) {
            return Ok(());
        }
        let value = parsed(part(1).ok_or(MALFORMED)?)?;
        if value.id == 0 {
            self.cookie = Some(bytes(&value).ok_or(MALFORMED)?.to_vec());
            return Ok(());
        }
        let inner = children(&value).ok_or(MALFORMED)?;
        if let Some(cookie) = inner.iter().find(|part| part.id == OCTETS) {
            self.cookie = Some(bytes(cookie).ok_or(MALFORMED)?.to_vec());
        }
        match value.id {
            1 => {}
            2 => self.presents = true,
            3 => {
                let deletes = inner.iter().find(|part| part.id == BOOLEAN).and_then(bytes).is_some_and(is_true);
                let set = inner.iter().find(|part| part.id == SET).and_then(children).ok_or(MALFORMED)?;
                let ids = set.iter().map(|id| bytes(id).and_then(ObjectId::from_bytes).ok_or(MALFORMED));
                let list = if deletes { &mut self.deleted } else { &mut self.present };
                for id in ids {
                    list.push(id?);
                }
            }
            _ => return Err(MALFORMED.to_owned()),
        }
        Ok(())
    }

    /// The result, which alone says that all was said.
    fn end(mut self, result: &LdapResult) -> Result<Synced, String> {
        if result.rc != 0 {
            return Err(format!("LDAP result {}, {}", result.rc, errors::result_name(result.rc)));
        }
        let value = control(&result.ctrls, DONE).ok_or("the server does not say that the refresh is done")?;
        let tag = parsed(value)?;
        let mut deletes = false;
        for part in children(&tag).ok_or(MALFORMED)? {
            match part.id {
                OCTETS => self.cookie = Some(bytes(part).ok_or(MALFORMED)?.to_vec()),
                BOOLEAN => deletes = is_true(bytes(part).ok_or(MALFORMED)?),
                _ => return Err(MALFORMED.to_owned()),
            }
        }
        let all_but = (self.presents || !deletes).then_some(self.present);
        Ok(Synced { gone: Gone { ids: self.deleted, all_but }, cookie: self.cookie })
    }
}

fn control<'c>(controls: &'c [Control], oid: &str) -> Option<&'c [u8]> {
    controls.iter().find(|control| control.1.ctype == oid)?.1.val.as_deref()
}

fn parsed(value: &[u8]) -> Result<StructureTag, String> {
    ldap3::asn1::parse_tag(value).map(|(_, tag)| tag).map_err(|_| MALFORMED.to_owned())
}

fn is_true(value: &[u8]) -> bool {
    value.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::asn1::{PL, TagClass};

    fn info(value: &[u8]) -> StructureTag {
        let part = |id, bytes: &[u8]| StructureTag { id, class: TagClass::Context, payload: PL::P(bytes.to_vec()) };
        let payload = PL::C(vec![part(0, INFO.as_bytes()), part(1, value)]);
        StructureTag { id: 25, class: TagClass::Application, payload }
    }

    fn done(value: Option<&[u8]>) -> LdapResult {
        let raw = |value: &[u8]| RawControl { ctype: DONE.to_owned(), crit: false, val: Some(value.to_vec()) };
        let ctrls = value.map(|value| Control(None, raw(value))).into_iter().collect();
        LdapResult { rc: 0, matched: String::new(), text: String::new(), refs: Vec::new(), ctrls }
    }

    /// `syncIdSet` with one id of sixteen equal bytes.
    fn id_set(deletes: bool, byte: u8) -> Vec<u8> {
        let mut set = vec![0x04, 16];
        set.extend([byte; 16]);
        let mut inner = if deletes { vec![0x01, 1, 0xff] } else { Vec::new() };
        inner.extend([0x31, 18]);
        inner.extend(set);
        let mut out = vec![0xa3, u8::try_from(inner.len()).unwrap()];
        out.extend(inner);
        out
    }

    #[test]
    fn a_server_that_remembers_names_what_is_gone() {
        let mut phase = Phase::default();
        phase.info(&info(&id_set(true, 7))).unwrap();
        let synced = phase.end(&done(Some(&[0x30, 8, 0x04, 3, b'c', b's', b'n', 0x01, 1, 0xff]))).unwrap();
        assert_eq!(synced.gone, Gone { ids: vec![ObjectId([7; 16])], all_but: None });
        assert_eq!(synced.cookie.as_deref(), Some(&b"csn"[..]));
    }

    #[test]
    fn one_that_does_not_names_what_is_there() {
        let mut phase = Phase::default();
        phase.info(&info(&id_set(false, 7))).unwrap();
        let synced = phase.end(&done(Some(&[0x30, 0]))).unwrap();
        assert_eq!(synced.gone, Gone { ids: Vec::new(), all_but: Some(vec![ObjectId([7; 16])]) });
    }

    #[test]
    fn an_answer_without_its_end_or_with_a_broken_part_is_refused() {
        assert!(Phase::default().end(&done(None)).is_err());
        for broken in [&[0x30, 5][..], &[], &[0x02, 1, 0], &[0x30, 2, 0x0a, 0]] {
            assert!(Phase::default().end(&done(Some(broken))).is_err(), "{broken:?}");
        }
        let whole = id_set(true, 7);
        for end in 0..whole.len() {
            assert!(Phase::default().info(&info(&whole[..end])).is_err(), "{end}");
        }
        let refused = LdapResult { rc: 4096, ..done(Some(&[0x30, 0])) };
        assert!(Phase::default().end(&refused).is_err());
    }
}
