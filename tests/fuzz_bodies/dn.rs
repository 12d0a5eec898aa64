//! Distinguished names.

use accord::provider::dn;

/// Any text: a key is its own key, and the parts agree with the whole.
pub(crate) fn body(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let escaped = dn::child("cn", text, "dc=x");
    let named = dn::key(&escaped).unwrap_or_else(|error| panic!("{escaped:?}: {error}"));
    assert!(dn::is_below(&named, "dc=x"), "{escaped:?}");
    if !text.is_empty() {
        assert_eq!(dn::rdn_value(&escaped, "cn").as_deref(), Some(text));
    }
    let Ok(key) = dn::key(text) else {
        assert!(dn::parse(text).is_err());
        return;
    };
    assert_eq!(dn::key(&key).as_deref(), Ok(key.as_ref()), "the key of {text:?} is not its own key");
    assert!(dn::same(text, &key));
    let rdns = dn::parse(text).unwrap();
    assert_eq!(rdns.len(), dn::parse(&key).unwrap().len());
    assert_eq!(dn::parent(text).is_some(), rdns.len() > 1, "{text:?}");
    if let Some(parent) = dn::parent(text) {
        let parent = dn::key(parent).unwrap_or_else(|error| panic!("the parent of {text:?}: {error}"));
        assert!(dn::is_below(&key, &parent), "{key:?} is not below {parent:?}");
    }
    if let Some(ava) = rdns.first().and_then(|rdn| rdn.first())
        && let Some(renamed) = dn::renamed(text, &ava.attribute, "new, name")
    {
        assert_eq!(dn::parse(&renamed).unwrap().len(), rdns.len(), "{renamed:?}");
    }
}

const CORPUS: &[&[u8]] = &[
    b"uid=maria.lopez,ou=people,dc=example,dc=com",
    b"UID=Maria Lopez , OU=People;dc=Example,DC=com",
    b"cn=\"Lopez, Maria\",dc=x",
    b"cn=Lopez\\2C Maria+uid=m\\+l,2.5.4.11=p,dc=x",
    b"cn=#0c056d61726961,oid.2.5.4.10=\\#a\\ ,c=de",
    "cn=Š\\c3\\a9ß\u{a0}\u{ad},ou=\u{212b}\u{1f4},dc=İ".as_bytes(),
    b"homeDirectory=/Home/X,dc=x",
    b"cn=\\ff\\00,dc=x",
    b"",
];

#[test]
fn distinguished_names() {
    super::run(CORPUS, body);
}
