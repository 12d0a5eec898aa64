//! What a directory held when it was last read whole, in one file.
//!
//! Comes in: a [`Base`] with its cookie; or a file's bytes that may be anybody's. Goes
//! out: the file's bytes; or the snapshot again. Refuses: bytes without the right tag,
//! and a snapshot of another organisation, directory, connection, scope or version.
//!
//! The file: a line that says what it is, the length-prefixed parts below, and the tag
//! over all of it. It is read and authenticated whole before a single part is looked at.

use super::merge::Base;
use super::seal::{Key, Sealed, TAG};
use crate::model::bytes::{Cursor, Damaged, Out};
use crate::model::change::OtherMember;
use crate::model::{Instant, Object, State};
use crate::policy::settings::Directory;
use crate::provider::identities::Identities;
use crate::provider::{Cookie, Protected, Scope};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// First line of the file.
const MAGIC: &[u8] = b"accord-snapshot/1\n";

/// What a later read goes on from.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What the directory held, and which entries those were.
    pub base: Base,
    /// Where the read goes on.
    pub cookie: Cookie,
    /// When it was taken.
    pub taken: Instant,
    /// When the directory was last read whole.
    pub whole: Instant,
}

/// What a snapshot belongs to: (what, its digest or name). A snapshot of anything else
/// is not used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Binding(Vec<(String, String)>);

impl Binding {
    /// Everything that decides what a read of `directory` brings: all its settings, who
    /// binds included, and what is asked for.
    pub fn new(organization: &str, directory: &Directory, scope: &Scope) -> Self {
        let scope = format!("{:?} {:?} {}", scope.account_attributes, scope.group_attributes, scope.authors);
        let parts = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("organization", organization.to_owned()),
            ("directory", directory.name.to_string()),
            ("settings", digest(&format!("{:?}", directory.settings))),
            ("attributes", digest(&scope)),
        ];
        Self(parts.map(|(what, value)| (what.to_owned(), value)).to_vec())
    }

    /// The same, of what `content` a file named in the settings has.
    #[must_use]
    pub fn with(mut self, what: &str, content: &str) -> Self {
        self.0.push((what.to_owned(), digest(content)));
        self
    }

    fn encode(&self, out: &mut Out) {
        out.count(self.0.len());
        for (what, value) in &self.0 {
            out.text(what);
            out.text(value);
        }
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Damaged> {
        let mut parts = Vec::new();
        for _ in 0..cursor.count(8)? {
            parts.push((cursor.text()?.to_owned(), cursor.text()?.to_owned()));
        }
        Ok(Self(parts))
    }

    /// What of it differs.
    fn differs<'s>(&'s self, other: &'s Self) -> Option<&'s str> {
        if self.0.len() != other.0.len() {
            return Some("settings");
        }
        self.0.iter().zip(&other.0).find(|(a, b)| a != b).map(|((what, _), _)| what.as_str())
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Why a file is no snapshot to go on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not written by this accord with this key, or not to its end.
    #[error("the snapshot is torn, or was not written with this key")]
    NotAuthentic,
    /// Written with this key, and yet not what this version writes.
    #[error("the snapshot cannot be read: {0}")]
    Damaged(#[from] Damaged),
    /// Of something else.
    #[error("the snapshot is of another {0}")]
    Foreign(String),
}

impl Snapshot {
    /// Writes the file, a piece at a time.
    ///
    /// # Errors
    /// When the file cannot be written, or there is more than 32 bits can count.
    pub fn seal_into(&self, binding: &Binding, key: &Key, file: impl Write + 'static) -> io::Result<()> {
        let mut out = Out::into_sink(Box::new(Sealed::new(key, file)));
        self.encode(binding, &mut out);
        out.end()
    }

    /// The file's bytes at once; `None` when there is more than 32 bits can count.
    pub fn seal(&self, binding: &Binding, key: &Key) -> Option<Vec<u8>> {
        let mut out = Out::default();
        self.encode(binding, &mut out);
        let mut bytes = out.finish()?;
        bytes.extend(key.tag(&bytes));
        Some(bytes)
    }

    fn encode(&self, binding: &Binding, out: &mut Out) {
        out.raw(MAGIC);
        binding.encode(out);
        out.blob(&self.cookie.0);
        out.i64(self.taken.as_seconds());
        out.i64(self.whole.as_seconds());
        self.base.state.encode(out);
        self.base.identities.encode(out);
        encode_protected(&self.base.protected, out);
    }

    /// The snapshot in a file's bytes.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn open(bytes: &[u8], binding: &Binding, key: &Key) -> Result<Self, Unusable> {
        let (content, tag) = bytes.split_last_chunk::<TAG>().ok_or(Unusable::NotAuthentic)?;
        if !key.is_tag(content, tag) {
            return Err(Unusable::NotAuthentic);
        }
        Self::read(content, binding)
    }

    /// The parts, once the tag is known to be right.
    fn read(content: &[u8], binding: &Binding) -> Result<Self, Unusable> {
        let mut cursor = Cursor::new(content.strip_prefix(MAGIC).ok_or(Damaged)?);
        let of = Binding::decode(&mut cursor)?;
        if let Some(what) = binding.differs(&of) {
            return Err(Unusable::Foreign(what.to_owned()));
        }
        let cookie = Cookie(cursor.blob()?.to_vec());
        let taken = Instant::from_seconds(cursor.i64()?);
        let whole = Instant::from_seconds(cursor.i64()?);
        let state = State::decode(&mut cursor)?;
        let identities = Identities::decode(&mut cursor, &state)?;
        let protected = decode_protected(&mut cursor)?;
        cursor.end()?;
        Ok(Self { base: Base { state, identities, protected }, cookie, taken, whole })
    }
}

fn encode_protected(list: &[Protected], out: &mut Out) {
    out.count(list.len());
    for Protected { object, why } in list {
        let (sort, member) = match &object.member {
            None => (0, None),
            Some(OtherMember::Group(name)) => (1, Some(name)),
            Some(OtherMember::Other(text)) => (2, Some(text)),
        };
        for text in [&object.group, &object.account] {
            out.u8(u8::from(text.is_some()));
            out.text(text.as_deref().unwrap_or_default());
        }
        out.u8(sort);
        out.text(member.map_or("", String::as_str));
        out.text(why);
    }
}

fn decode_protected(cursor: &mut Cursor<'_>) -> Result<Vec<Protected>, Damaged> {
    // Four lengths and three marks.
    let count = cursor.count(19)?;
    let mut out = Vec::with_capacity(count);
    let optional = |cursor: &mut Cursor<'_>| -> Result<Option<String>, Damaged> {
        let is_there = cursor.u8()? != 0;
        let text = cursor.text()?;
        Ok(is_there.then(|| text.to_owned()))
    };
    for _ in 0..count {
        let (group, account) = (optional(cursor)?, optional(cursor)?);
        let sort = cursor.u8()?;
        let text = cursor.text()?.to_owned();
        let member = match sort {
            0 => None,
            1 => Some(OtherMember::Group(text)),
            2 => Some(OtherMember::Other(text)),
            _ => return Err(Damaged),
        };
        out.push(Protected { object: Object { group, account, member }, why: cursor.text()?.to_owned() });
    }
    Ok(out)
}
