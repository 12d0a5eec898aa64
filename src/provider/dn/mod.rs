//! Distinguished names: RFC 4514 read, normalised, compared, written.
//!
//! Comes in: DNs as people and servers write them: any case and spacing, escapes
//! (`\,`, `\2C`), `#hex`, the quotes and semicolons of RFC 1779, several values in
//! one RDN, OIDs for types. Goes out: a comparison key that is equal exactly where
//! a server calls two DNs equal, and parts. Refuses: text that is no DN; a schema
//! (every type compares case-insensitively but for the few listed here).
//!
//! A group of a thousand members is a thousand DNs, nearly all of them plain
//! lower-case ASCII: those are their own key and cost one pass and no allocation.

mod parse;

pub use parse::parse;

use crate::model::Matching;
use std::borrow::Cow;

/// Text that is no distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{dn}` is no distinguished name: {why}")]
pub struct DnError {
    /// The text.
    pub dn: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// One type and value of an RDN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ava {
    /// The type as [`type_key`] writes it.
    pub attribute: String,
    /// The value without escapes; text unless a `#hex` or `\xx` said otherwise.
    pub value: Vec<u8>,
    /// Whether the value is BER that was not understood, to be written as `#hex`.
    pub ber: bool,
}

/// One relative distinguished name: usually one type and value.
pub type Rdn = Vec<Ava>;

/// The name used here for a type that may also be written by a longer name or its
/// OID (RFC 4519, RFC 4514 §3); `lower` is lower case.
fn short_name(lower: &str) -> Option<&'static str> {
    Some(match lower {
        "commonname" | "2.5.4.3" => "cn",
        "surname" | "2.5.4.4" => "sn",
        "2.5.4.5" => "serialnumber",
        "countryname" | "2.5.4.6" => "c",
        "localityname" | "2.5.4.7" => "l",
        "stateorprovincename" | "2.5.4.8" => "st",
        "streetaddress" | "2.5.4.9" => "street",
        "organizationname" | "2.5.4.10" => "o",
        "organizationalunitname" | "2.5.4.11" => "ou",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.20" => "telephonenumber",
        "2.5.4.31" => "member",
        "2.5.4.35" => "userpassword",
        "2.5.4.41" => "name",
        "gn" | "2.5.4.42" => "givenname",
        "2.5.4.46" => "dnqualifier",
        "2.5.4.50" => "uniquemember",
        "userid" | "0.9.2342.19200300.100.1.1" => "uid",
        "rfc822mailbox" | "0.9.2342.19200300.100.1.3" => "mail",
        "domaincomponent" | "0.9.2342.19200300.100.1.25" => "dc",
        "emailaddress" | "pkcs9email" | "1.2.840.113549.1.9.1" => "email",
        "2.16.840.1.113730.3.1.3" => "employeenumber",
        _ => return None,
    })
}

/// Types whose values differ by case (caseExact matching rules), lower case.
const EXACT: &[&str] = &["homedirectory", "loginshell", "memberuid", "krbprincipalname", "labeleduri"];

/// The comparison key of an attribute type: lower case, common OIDs and long names
/// replaced by the short name. Options (`;lang-de`) stay part of it.
pub fn type_key(attribute: &str) -> Cow<'_, str> {
    if matches!(attribute, "cn" | "uid" | "ou" | "dc" | "o" | "sn" | "mail" | "member") {
        return Cow::Borrowed(attribute);
    }
    let lower = if attribute.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(attribute.to_ascii_lowercase())
    } else {
        Cow::Borrowed(attribute)
    };
    let bare = lower.strip_prefix("oid.").unwrap_or(&lower);
    match short_name(bare) {
        Some(name) => Cow::Borrowed(name),
        None if bare.len() == lower.len() => lower,
        None => Cow::Owned(bare.to_owned()),
    }
}

/// The comparison key of a DN: equal for DNs that a server calls equal. Borrowed
/// when `dn` already is its own key.
///
/// # Errors
/// [`DnError`] when `dn` is no DN.
pub fn key(dn: &str) -> Result<Cow<'_, str>, DnError> {
    match shape(dn) {
        Shape::Key => Ok(Cow::Borrowed(dn)),
        Shape::Lower => Ok(Cow::Owned(dn.to_ascii_lowercase())),
        Shape::Other => parse(dn).map(|rdns| Cow::Owned(write_key(&rdns))),
    }
}

/// Whether text is a DN and no mere name.
pub fn is_dn(text: &str) -> bool {
    text.contains('=') && key(text).is_ok()
}

/// Whether two DNs name the same entry. Text that is no DN equals only itself.
pub fn same(a: &str, b: &str) -> bool {
    a == b || matches!((key(a), key(b)), (Ok(a), Ok(b)) if a == b)
}

/// What it takes to make the key of a DN.
enum Shape {
    /// Nothing: it is its key.
    Key,
    /// Lower-casing.
    Lower,
    /// Parsing.
    Other,
}

fn shape(dn: &str) -> Shape {
    let (mut upper, mut in_type, mut start, mut prev) = (false, true, 0, b',');
    for (n, byte) in dn.bytes().enumerate() {
        match byte {
            b'\\' | b'+' | b'"' | b'#' | b';' | b'<' | b'>' | 0..=0x1f | 0x7f..=0xff => return Shape::Other,
            b' ' if in_type || prev == b'=' || prev == b' ' => return Shape::Other,
            b',' if in_type || prev == b' ' => return Shape::Other,
            b',' => (in_type, start) = (true, n + 1),
            b'=' if in_type => {
                if !dn.get(start..n).is_some_and(is_plain_type) {
                    return Shape::Other;
                }
                in_type = false;
            }
            b'A'..=b'Z' => upper = true,
            _ => {}
        }
        prev = byte;
    }
    match (in_type && !dn.is_empty()) || prev == b' ' {
        true => Shape::Other,
        false if upper => Shape::Lower,
        false => Shape::Key,
    }
}

/// Whether a type is written by its own name and compares without case.
fn is_plain_type(attribute: &str) -> bool {
    ["uid", "ou", "dc", "cn", "o"].iter().any(|name| name.eq_ignore_ascii_case(attribute))
        || (is_type(attribute)
            && !attribute.starts_with(|c: char| c.is_ascii_digit())
            && type_key(attribute).eq_ignore_ascii_case(attribute)
            && !EXACT.iter().any(|exact| exact.eq_ignore_ascii_case(attribute)))
}

/// Whether text is an attribute type: a name or a numeric OID (RFC 4512 §1.4).
fn is_type(attribute: &str) -> bool {
    let bare = attribute.strip_prefix("oid.").or_else(|| attribute.strip_prefix("OID.")).unwrap_or(attribute);
    let numeric = bare.starts_with(|c: char| c.is_ascii_digit());
    !bare.is_empty()
        && (numeric || bare.starts_with(|c: char| c.is_ascii_alphabetic()))
        && bare.bytes().all(|b| match b {
            b'.' => numeric,
            b'0'..=b'9' => true,
            _ => !numeric && (b.is_ascii_alphabetic() || b == b'-' || b == b'_'),
        })
}

fn write_key(rdns: &[Rdn]) -> String {
    let mut out = String::new();
    for (n, rdn) in rdns.iter().enumerate() {
        let mut parts: Vec<String> = rdn.iter().map(|ava| format!("{}={}", ava.attribute, value_key(ava))).collect();
        // The values of one RDN are a set (RFC 4512 §2.3.2).
        parts.sort();
        parts.dedup();
        if n > 0 {
            out.push(',');
        }
        out.push_str(&parts.join("+"));
    }
    out
}

fn value_key(ava: &Ava) -> String {
    if ava.ber {
        return hex(&ava.value, "#", "");
    }
    match std::str::from_utf8(&ava.value) {
        Ok(text) if EXACT.contains(&ava.attribute.as_str()) => {
            escape_value(&Matching::CaseExact.key(text)).into_owned()
        }
        Ok(text) => escape_value(&Matching::CaseIgnore.key(text)).into_owned(),
        Err(_) => hex(&ava.value, "", "\\"),
    }
}

/// Bytes as hexadecimal digits after `start`, `each` before every byte.
fn hex(bytes: &[u8], start: &str, each: &str) -> String {
    let mut out = start.to_owned();
    for byte in bytes {
        out.push_str(each);
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
        }
    }
    out
}

/// A value as it stands in a DN (RFC 4514 §2.4): what has a meaning there is
/// escaped with a backslash. Borrowed when nothing is to be escaped.
pub fn escape_value(value: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\');
    if !value.starts_with([' ', '#']) && !value.ends_with(' ') && !value.contains(|c| special(c) || c == '\0') {
        return Cow::Borrowed(value);
    }
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len() + 8);
    for (n, c) in value.chars().enumerate() {
        match c {
            '\0' => out.push_str("\\00"),
            _ if special(c) || (n == 0 && c == '#') || (c == ' ' && (n == 0 || n == last)) => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The DN of the parent, as written; `None` for the root and for a single RDN.
pub fn parent(dn: &str) -> Option<&str> {
    split(dn).map(|(_, parent)| parent)
}

/// The entry's own RDN, as written.
pub fn rdn(dn: &str) -> &str {
    let rdn = split(dn).map_or(dn, |(rdn, _)| rdn);
    let end = rdn.trim_end_matches(' ');
    // A space after a backslash belongs to the value.
    let escapes = end.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if escapes % 2 == 1 { rdn.get(..=end.len()).unwrap_or(rdn) } else { end }
}

/// The DN of the entry when it stands directly below `base`.
pub fn moved(dn: &str, base: &str) -> String {
    format!("{},{base}", rdn(dn))
}

/// The entry's own RDN as written, and the rest.
fn split(dn: &str) -> Option<(&str, &str)> {
    let (mut escaped, mut quoted) = (false, false);
    for (n, byte) in dn.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => return Some((dn.get(..n)?, dn.get(n + 1..)?.trim_start_matches(' '))),
            _ => {}
        }
    }
    None
}

/// Whether the entry with the key `key` lies below the one with the key `base`
/// (both made by [`key`]), at any depth, itself not included.
pub fn is_below(key: &str, base: &str) -> bool {
    if base.is_empty() {
        return !key.is_empty();
    }
    let Some(head) = key.strip_suffix(base).and_then(|head| head.strip_suffix(',')) else { return false };
    // An escaped comma belongs to a value.
    head.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
}

/// The value of `attribute` in the entry's own RDN, without escapes, in the case
/// in which it was written.
pub fn rdn_value<'d>(dn: &'d str, attribute: &str) -> Option<Cow<'d, str>> {
    let rdn = split(dn).map_or(dn, |(rdn, _)| rdn);
    let wanted = type_key(attribute);
    if let Some((name, value)) = rdn.split_once('=')
        && !value.is_empty()
        && !value.starts_with([' ', '#'])
        && !value.ends_with(' ')
        && !value.contains(['\\', '"', '+', ';', '<', '>'])
    {
        return (type_key(name.trim()) == wanted).then_some(Cow::Borrowed(value));
    }
    let ava = parse(rdn).ok()?.into_iter().flatten().find(|ava| ava.attribute == wanted && !ava.ber)?;
    String::from_utf8(ava.value).ok().map(Cow::Owned)
}

/// `attribute=value,base` with the value escaped.
pub fn child(attribute: &str, value: &str, base: &str) -> String {
    let value = escape_value(value);
    if base.is_empty() { format!("{attribute}={value}") } else { format!("{attribute}={value},{base}") }
}

/// The DN after the entry's RDN value of `attribute` has become `value`; `None`
/// when the RDN does not carry that attribute or `dn` is no DN.
pub fn renamed(dn: &str, attribute: &str, value: &str) -> Option<String> {
    let (rdn, rest) = match split(dn) {
        Some((rdn, rest)) => (rdn, Some(rest)),
        None => (dn, None),
    };
    let wanted = type_key(attribute);
    let mut found = false;
    let mut parts = Vec::new();
    for ava in parse(rdn).ok()?.into_iter().flatten() {
        if ava.attribute == wanted {
            found = true;
            parts.push(format!("{attribute}={}", escape_value(value)));
        } else if ava.ber {
            parts.push(format!("{}={}", ava.attribute, hex(&ava.value, "#", "")));
        } else {
            parts.push(format!("{}={}", ava.attribute, escape_value(std::str::from_utf8(&ava.value).ok()?)));
        }
    }
    let rdn = parts.join("+");
    found.then(|| rest.map_or(rdn.clone(), |rest| format!("{rdn},{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn k(dn: &str) -> String {
        key(dn).unwrap().into_owned()
    }

    #[test]
    fn a_plain_dn_is_its_own_key_without_a_copy() {
        for dn in ["uid=maria.lopez,ou=people,dc=example,dc=com", "cn=on call,ou=my groups,dc=x", "", "cn=a=b,dc=x"] {
            assert!(matches!(key(dn), Ok(Cow::Borrowed(same)) if same == dn), "{dn}");
        }
    }

    #[test]
    fn case_spaces_aliases_and_escapes_do_not_count() {
        let plain = "uid=maria,ou=people,dc=example,dc=com";
        for other in [
            "UID=Maria,OU=People,DC=Example,DC=com",
            "uid = maria , ou=people;dc=example,  dc=com",
            "userid=maria,organizationalUnitName=people,domainComponent=example,dc=com",
            "OID.0.9.2342.19200300.100.1.1=maria,2.5.4.11=people,dc=example,dc=com",
            "uid=\"maria\",ou=people,dc=example,dc=com",
            "uid=\\6daria,ou=people,dc=example,dc=com",
            "uid=#0c056d61726961,ou=people,dc=example,dc=com",
        ] {
            assert_eq!(k(other), plain, "{other}");
        }
        assert_eq!(k("cn=Lopez\\, Maria,dc=x"), k("cn=LOPEZ\\2C  maria,dc=x"));
        assert_eq!(k("cn=\"Lopez, Maria\",dc=x"), "cn=lopez\\, maria,dc=x");
        assert_eq!(k("uid=a+cn=b,dc=x"), k("CN=B + UID=A,dc=x"));
        assert_eq!(k("cn=Straße,dc=x"), k("cn=STRAßE,dc=x"));
        assert_eq!(k("cn=\\c3\\a9t\\c3\\a9,dc=x"), "cn=été,dc=x");
        assert_eq!(k("cn=a b ,dc=x"), "cn=a b,dc=x");
    }

    #[test]
    fn what_differs_stays_different() {
        assert_ne!(k("cn=a\\,dc=x,dc=y"), k("cn=a,dc=x,dc=y"));
        assert_ne!(k("cn=a+uid=b,dc=x"), k("cn=a,uid=b,dc=x"));
        assert_ne!(k("homeDirectory=/A,dc=x"), k("homeDirectory=/a,dc=x"));
        assert_eq!(k("cn=\\ff,dc=x"), "cn=\\ff,dc=x");
        assert_eq!(k("cn=#0500,dc=x"), "cn=#0500,dc=x");
    }

    #[test]
    fn a_key_is_the_key_of_itself() {
        for dn in
            ["cn=\\#a\\ ,dc=x", "cn=\\ff\\2c,dc=x", "cn=A\\+b+uid=\\\\,dc=x", "cn=,dc=x", "cn=#0500,o=y", "cn=\\00,o=y"]
        {
            assert_eq!(k(&k(dn)), k(dn), "{dn}");
        }
    }

    #[test]
    fn text_that_is_no_dn_is_refused_with_the_reason() {
        for dn in
            ["maria", "uid=a,,dc=x", "=a", "uid=a,", "u d=a", "uid=\"a", "uid=a\\zz", "uid=#0g", "uid=a<b", "uid=#"]
        {
            assert!(key(dn).is_err(), "{dn}");
        }
        assert_eq!(key("maria").unwrap_err().to_string(), "`maria` is no distinguished name: a part has no `=`");
    }

    #[test]
    fn below_is_by_whole_parts() {
        assert!(is_below("uid=a,ou=people,dc=x", "dc=x"));
        assert!(is_below("dc=x", ""));
        assert!(!is_below("dc=x", "dc=x"));
        assert!(!is_below("uid=a,bou=people,dc=x", "ou=people,dc=x"));
        assert!(!is_below("cn=a\\,dc=x", "dc=x"));
        assert!(is_below("cn=a\\\\,dc=x", "dc=x"));
    }

    #[test]
    fn parts_come_out_without_escapes_and_go_in_with_them() {
        assert_eq!(rdn_value("UID=Maria,ou=p", "uid").unwrap(), "Maria");
        assert_eq!(rdn_value("cn=Lopez\\, Maria,ou=p", "CN").unwrap(), "Lopez, Maria");
        assert_eq!(rdn_value("cn=x+uid=Y,ou=p", "uid").unwrap(), "Y");
        assert_eq!(rdn_value("cn=x,uid=y", "uid"), None);
        assert_eq!(parent("cn=a\\,b, ou=p,dc=x"), Some("ou=p,dc=x"));
        assert_eq!(parent("dc=x"), None);
        let dn = child("cn", " #a, \"b\" ", "dc=x");
        assert_eq!(rdn_value(&dn, "cn").unwrap(), " #a, \"b\" ");
        assert_eq!(parse(&dn).unwrap().len(), 2);
        assert_eq!(renamed("uid=a+cn=B\\, c,ou=p", "uid", "x,y").unwrap(), "uid=x\\,y+cn=B\\, c,ou=p");
        assert_eq!(renamed("cn=a,ou=p", "uid", "x"), None);
    }

    #[test]
    fn a_move_keeps_the_space_that_belongs_to_the_name() {
        assert_eq!(moved("cn=Foo\\ ,ou=a,dc=x", "ou=b,dc=x"), "cn=Foo\\ ,ou=b,dc=x");
        assert_eq!(moved("cn=Foo\\   , ou=a,dc=x", "ou=b,dc=x"), "cn=Foo\\ ,ou=b,dc=x");
        assert_eq!(moved("cn=Foo\\\\ ,ou=a,dc=x", "ou=b,dc=x"), "cn=Foo\\\\,ou=b,dc=x");
        assert_eq!(moved("cn=Foo\\,;ou=a,dc=x", "ou=b,dc=x"), "cn=Foo\\,,ou=b,dc=x");
        assert_eq!(rdn("cn=Foo\\  "), "cn=Foo\\ ");
    }
}
