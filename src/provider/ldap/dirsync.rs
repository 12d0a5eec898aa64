//! What changed in a domain since a cookie: the control `LDAP_SERVER_DIRSYNC_OID`
//! ([MS-ADTS] §3.1.1.3.4.1.3).
//!
//! Comes in: a naming context, attributes, the controller's own cookie. Goes out: the ids
//! of all objects that are new, gone, renamed, moved or have another value of one of these
//! attributes; the next cookie. Refuses: an answer that is not whole.
//!
//! The control is used without `LDAP_DIRSYNC_OBJECT_SECURITY`. So the controller demands
//! the right to replicate, and whoever has it is told of everything: of what was deleted,
//! of what was moved to where nobody may look, of members that came and went (with Samba's
//! exception, which is the caller's to know). With that flag, and with searches for
//! `uSNChanged` or tombstones, access control leaves out what may not be seen, and nobody
//! could tell.

use super::above::id_of;
use super::connect::Session;
use super::errors;
use super::search::{self, bytes, children};
use crate::provider::entries::{EVERY, Schema};
use crate::provider::identities::ObjectId;
use crate::provider::{Scope, dn};
use ldap3::LdapResult;
use ldap3::Scope as Depth;
use ldap3::controls::RawControl;
use std::collections::BTreeSet;

/// OID of the control.
const DIRSYNC: &str = "1.2.840.113556.1.4.841";
/// Members that came and went instead of all members (`LDAP_DIRSYNC_INCREMENTAL_VALUES`,
/// 0x80000000): what they are is read afterwards. A BER integer has a sign.
const INCREMENTAL_VALUES: [u8; 6] = [0x02, 4, 0x80, 0, 0, 0];
/// No limit of the attributes in one answer: 0x000FFFFF.
const MOST: [u8; 5] = [0x02, 3, 0x0f, 0xff, 0xff];
/// A filter that no object passes: what comes is the cookie.
const NOTHING: &str = "(objectGUID=\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00)";
/// Every object: one that no longer passes a narrower filter would not be told of.
const EVERYTHING: &str = "(objectClass=*)";
/// Beside what is read: what changes with every rename and move, with deletions, with
/// rights on the object itself.
const ALWAYS: [&str; 6] =
    ["name", "isDeleted", "objectClass", "objectCategory", "sAMAccountName", "nTSecurityDescriptor"];
/// Answers to one question, at most.
const ANSWERS: u32 = 100_000;

/// The cookie of now.
///
/// # Errors
/// What the controller refuses, or how its answer is broken.
pub(super) async fn start(session: &Session, context: &str) -> Result<Vec<u8>, String> {
    let wanted = ["objectGUID".to_owned()];
    run(session, context, NOTHING, &wanted, &[]).await.map(|since| since.next)
}

/// What changed since a cookie.
#[derive(Debug, Default)]
pub(super) struct Since {
    /// Its ids.
    pub(super) ids: BTreeSet<ObjectId>,
    /// Where the controller says that more is, beside or below what was asked about.
    pub(super) referrals: Vec<String>,
    /// The next cookie.
    pub(super) next: Vec<u8>,
}

/// What changed since `cookie`.
///
/// # Errors
/// As [`start`].
pub(super) async fn since(
    session: &Session,
    context: &str,
    attributes: &[String],
    cookie: &[u8],
) -> Result<Since, String> {
    run(session, context, EVERYTHING, attributes, cookie).await
}

/// The attributes whose changes count: never all of them, because the right that this
/// takes shows what is otherwise confidential.
pub(super) fn attributes(schema: &Schema, scope: &Scope) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    let read = schema.account_request(&scope.account_attributes).into_iter();
    let read = read.chain(schema.group_request(&scope.group_attributes));
    for name in read.chain(ALWAYS.map(str::to_owned)) {
        if name != EVERY && !list.iter().any(|other| dn::type_key(other) == dn::type_key(&name)) {
            list.push(name);
        }
    }
    list
}

async fn run(
    session: &Session,
    context: &str,
    filter: &str,
    attributes: &[String],
    cookie: &[u8],
) -> Result<Since, String> {
    let broken = |error| session.site.broken(&format!("search {context}"), &error).message;
    let mut found = Since { next: cookie.to_vec(), ..Since::default() };
    for _ in 0..ANSWERS {
        let mut ldap = session.operation();
        ldap.with_controls(request(&found.next));
        let stream = ldap.streaming_search(context, Depth::Subtree, filter, attributes).await;
        let mut stream = stream.map_err(broken)?;
        while let Some(item) = stream.next().await.map_err(broken)? {
            if item.is_ref() {
                found.referrals.extend(search::references(&item));
                continue;
            }
            if item.is_intermediate() {
                continue;
            }
            let entry = search::entry(&item.0).ok_or(MALFORMED)?;
            found.ids.insert(id_of(entry).ok_or("a change came without `objectGUID`")?);
        }
        let more;
        (more, found.next) = answer(&stream.finish().await)?;
        if !more {
            return Ok(found);
        }
    }
    Err("the answer never ends".to_owned())
}

const MALFORMED: &str = "the controller's answer to DirSync is malformed";

/// Flags, the most bytes of an answer, the cookie.
fn request(cookie: &[u8]) -> RawControl {
    let mut inner = [&INCREMENTAL_VALUES[..], &MOST[..]].concat();
    inner.push(0x04);
    inner.extend(length(cookie.len()));
    inner.extend(cookie);
    let mut value = vec![0x30];
    value.extend(length(inner.len()));
    value.extend(inner);
    RawControl { ctype: DIRSYNC.to_owned(), crit: true, val: Some(value) }
}

/// A length as BER writes it (X.690 §8.1.3).
fn length(n: usize) -> Vec<u8> {
    match u8::try_from(n) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let bytes: Vec<u8> = n.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            [&[0x80 | u8::try_from(bytes.len()).unwrap_or(8)][..], &bytes].concat()
        }
    }
}

/// Whether there is more, and from where on.
fn answer(result: &LdapResult) -> Result<(bool, Vec<u8>), String> {
    if result.rc != 0 {
        return Err(errors::words(result));
    }
    let control = result.ctrls.iter().find(|control| control.1.ctype == DIRSYNC).ok_or(MALFORMED)?;
    let (_, tag) = ldap3::asn1::parse_tag(control.1.val.as_deref().ok_or(MALFORMED)?).map_err(|_| MALFORMED)?;
    let [more, _, cookie] = children(&tag).ok_or(MALFORMED)? else { return Err(MALFORMED.to_owned()) };
    let more = bytes(more).ok_or(MALFORMED)?.iter().any(|byte| *byte != 0);
    Ok((more, bytes(cookie).ok_or(MALFORMED)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::controls::Control;

    fn result(rc: u32, value: Option<&[u8]>) -> LdapResult {
        let raw = |value: &[u8]| RawControl { ctype: DIRSYNC.to_owned(), crit: false, val: Some(value.to_vec()) };
        let ctrls = value.map(|value| Control(None, raw(value))).into_iter().collect();
        LdapResult { rc, matched: String::new(), text: String::new(), refs: Vec::new(), ctrls }
    }

    #[test]
    fn a_request_is_flags_a_limit_and_a_cookie() {
        let value = request(b"abc").val.unwrap();
        assert_eq!(value, [0x30, 16, 2, 4, 0x80, 0, 0, 0, 2, 3, 0x0f, 0xff, 0xff, 4, 3, b'a', b'b', b'c']);
        let long = request(&[7; 300]).val.unwrap();
        assert_eq!(long[..4], [0x30, 0x82, 1, 0x3b]);
        assert_eq!(long[15..19], [4, 0x82, 1, 0x2c]);
    }

    #[test]
    fn only_a_whole_answer_is_one() {
        let whole = [0x30, 11, 2, 1, 1, 2, 1, 0, 4, 3, b'a', b'b', b'c'];
        assert_eq!(answer(&result(0, Some(&whole))), Ok((true, b"abc".to_vec())));
        assert_eq!(answer(&result(0, Some(&[0x30, 8, 2, 1, 0, 2, 1, 0, 4, 0]))), Ok((false, Vec::new())));
        assert!(answer(&result(0, None)).is_err());
        assert!(answer(&result(50, Some(&whole))).unwrap_err().contains("insufficientAccess"));
        for end in 0..whole.len() {
            assert!(answer(&result(0, Some(&whole[..end]))).is_err(), "{end}");
        }
    }
}
