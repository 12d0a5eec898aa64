//! Proof that accord itself wrote a file.
//!
//! Comes in: a key that is kept outside the repository, and bytes. Goes out: a tag, or
//! whether one is right. Refuses: to print the key.
//!
//! HMAC-SHA-256 (RFC 2104), made of the SHA-256 that everything else here uses.

use crate::model::bytes::Sink;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Write};

/// Length of a tag in bytes.
pub const TAG: usize = 32;
/// The block of SHA-256 in bytes.
const BLOCK: usize = 64;

/// A secret that whoever can write the repository's folder does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A key of 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The tag of `bytes`.
    pub fn tag(&self, bytes: &[u8]) -> [u8; TAG] {
        hmac(&self.0, bytes)
    }

    /// Whether `tag` is the tag of `bytes`; takes as long whatever the answer.
    pub fn is_tag(&self, bytes: &[u8], tag: &[u8]) -> bool {
        let right = self.tag(bytes);
        tag.len() == TAG && right.iter().zip(tag).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Bytes on their way to a file, and behind them their tag.
pub(super) struct Sealed<W> {
    key: Key,
    inner: Sha256,
    file: W,
}

impl<W> Sealed<W> {
    pub(super) fn new(key: &Key, file: W) -> Self {
        Self { key: key.clone(), inner: inner(&key.0), file }
    }
}

impl<W: Write> Sink for Sealed<W> {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.update(bytes);
        self.file.write_all(bytes)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        let tag = outer(&self.key.0, self.inner);
        self.file.write_all(&tag).and_then(|()| self.file.flush())
    }
}

/// `key` is at most one block long.
fn hmac(key: &[u8], bytes: &[u8]) -> [u8; TAG] {
    outer(key, inner(key).chain_update(bytes))
}

fn inner(key: &[u8]) -> Sha256 {
    Sha256::new().chain_update(pad(key, 0x36))
}

fn outer(key: &[u8], inner: Sha256) -> [u8; TAG] {
    Sha256::new().chain_update(pad(key, 0x5c)).chain_update(inner.finalize()).finalize().into()
}

fn pad(key: &[u8], with: u8) -> [u8; BLOCK] {
    let mut block = [with; BLOCK];
    block.iter_mut().zip(key).for_each(|(cell, byte)| *cell ^= byte);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    /// RFC 4231 §4.2 and §4.3.
    #[test]
    fn the_published_tags_are_met() {
        assert_eq!(
            hex(&hmac(&[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_tag_behind_a_file_is_the_tag_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (key, path) = (Key::new([7; 32]), folder.path().join("x"));
        let mut file = Box::new(Sealed::new(&key, std::fs::File::create(&path).unwrap()));
        file.take(b"acc").and_then(|()| file.take(b"ord")).and_then(|()| file.end()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [&b"accord"[..], &key.tag(b"accord")].concat());
    }

    #[test]
    fn a_tag_is_of_these_bytes_and_this_key() {
        let key = Key::new([7; 32]);
        let tag = key.tag(b"accord");
        assert!(key.is_tag(b"accord", &tag));
        assert!(!key.is_tag(b"accorD", &tag) && !key.is_tag(b"accord", &tag[..31]));
        assert!(!Key::new([8; 32]).is_tag(b"accord", &tag));
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
