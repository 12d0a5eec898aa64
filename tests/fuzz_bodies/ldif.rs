//! LDIF files.

use accord::provider::ldif::Document;

/// Any bytes: a file that is read and not changed is written back byte for byte,
/// and every entry is found by its key.
pub(crate) fn body(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes.to_vec()) else { return };
    if !bytes.is_empty() {
        assert_eq!(document.print(), bytes);
    }
    for entry in document.entries() {
        assert!(document.entry(entry.key()).is_some());
    }
}

const CORPUS: &[&[u8]] = &[
    b"version: 1\n\n# top\ndn: dc=example,dc=com\nobjectClass: dcObject\ndc: example\n\n\
      dn: uid=maria,ou=people,dc=example,dc=com\nuid: maria\ncn:: TWFyaWEgTMOzcGV6\n# a comment\n goes on\n\
      description: long\n er than\n  that\nuserPassword:: e1NTSEF9c2VjcmV0\nempty:\n\n",
    b"dn:: Y249ZsO8bmYsZGM9eA==\r\ncn:: ZsO8bmY=\r\nobjectClass: x\r\n\r\ndn: dc=x\r\ndc: x\r\n",
    b"\xef\xbb\xbfdn: dc=x\ndc;lang-de: x",
    b"dn: dc=x\nchangetype: modify\nadd: cn\ncn: a\n-\n",
    b"dn: cn=a\\,b+uid=\n c,dc=x\ncn:<file:///etc/passwd\n",
    include_bytes!("../../examples/startup/directory.ldif"),
    b"",
];

#[test]
fn ldif_files() {
    super::run(CORPUS, body);
}
