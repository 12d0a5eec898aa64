//! What a domain records about single changes: when, and on which controller. Never who.
//!
//! Comes in: values of `msDS-ReplAttributeMetaData` and `msDS-ReplValueMetaData` (text that
//! looks like XML, [MS-ADTS] §3.1.1.4.5), and of `replPropertyMetaData` (numbers). Goes
//! out: one [`Stamp`] for each. Refuses: values that are larger or otherwise made than the
//! directory writes them, and to guess at what is missing.
//!
//! The text is no XML: what stands between two tags is not escaped, an `&` in a name
//! included. A name cannot end its own element, because a DN has no bare `<`.

use super::identifier;
use crate::model::Instant;

/// Attribute with one value per attribute of the object.
pub const ATTRIBUTES: &str = "msDS-ReplAttributeMetaData";
/// Attribute with one value per member that the group has, or had not long ago.
pub const VALUES: &str = "msDS-ReplValueMetaData";
/// The same as [`ATTRIBUTES`] as the controller keeps it, where it shows only that.
pub const KEPT: &str = "replPropertyMetaData";

/// Longest text of one value, in bytes.
const LONGEST: usize = 16 * 1024;
/// Seconds from 1601-01-01 to 1970-01-01.
const EPOCH: i64 = 11_644_473_600;
/// Bytes before the first record of [`KEPT`], and of each record.
const HEADER: usize = 16;
const RECORD: usize = 48;

/// The last change of something, wherever it was made first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When.
    pub at: Instant,
    /// On which controller.
    pub on: Origin,
}

/// A domain controller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// By the DN of its settings, which begins with the controller's name.
    Settings(String),
    /// By the id of its database (`invocationId`), as text.
    Invocation(String),
}

impl Origin {
    /// The name of the controller in the DN of its settings,
    /// `CN=NTDS Settings,CN=DC1,CN=Servers,…`.
    pub fn name(settings: &str) -> Option<String> {
        let server = crate::provider::dn::parent(settings)?;
        crate::provider::dn::rdn_value(server, "cn").map(std::borrow::Cow::into_owned)
    }
}

/// What stands between the tags of `name`; `None` unless that is there exactly once.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = text.split_once(&open)?;
    let (inner, after) = rest.split_once(&close)?;
    (!after.contains(&open) && !inner.contains(&open)).then_some(inner)
}

/// What stands between the outermost tags.
fn root<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    // The controller ends its text with a zero.
    let text = text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    let inner = text.strip_prefix(&format!("<{name}>"))?.strip_suffix(&format!("</{name}>"))?;
    (text.len() <= LONGEST).then_some(inner)
}

fn stamp(inner: &str) -> Option<Stamp> {
    let at = Instant::try_from(element(inner, "ftimeLastOriginatingChange")?.to_owned()).ok()?;
    let settings = element(inner, "pszLastOriginatingDsaDN").filter(|dn| !dn.is_empty());
    let invocation = element(inner, "uuidLastOriginatingDsaInvocationID").filter(|id| !id.is_empty());
    let on = match (settings, invocation) {
        (Some(dn), _) => Origin::Settings(dn.to_owned()),
        (None, Some(id)) => Origin::Invocation(id.to_ascii_lowercase()),
        (None, None) => return None,
    };
    // Zero, in the directory's way of counting, is never.
    (at.as_seconds() > -EPOCH).then_some(Stamp { at, on })
}

/// One value of [`ATTRIBUTES`]: which attribute, and its last change.
pub fn of_attribute(text: &str) -> Option<(&str, Stamp)> {
    let inner = root(text, "DS_REPL_ATTR_META_DATA")?;
    Some((element(inner, "pszAttributeName")?, stamp(inner)?))
}

/// One value of [`VALUES`]: of which attribute, which member (its DN), and its last change.
pub fn of_value(text: &str) -> Option<(&str, &str, Stamp)> {
    let inner = root(text, "DS_REPL_VALUE_META_DATA")?;
    Some((element(inner, "pszAttributeName")?, element(inner, "pszObjectDn")?, stamp(inner)?))
}

/// The value of [`KEPT`] ([MS-DRSR] §5.163): number of the attribute, and its last change.
pub fn kept(bytes: &[u8]) -> Option<Vec<(u32, Stamp)>> {
    let (header, records) = bytes.split_at_checked(HEADER)?;
    let number = |from: usize, bytes: &[u8]| Some(u32::from_le_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
    let count = usize::try_from(number(8, header)?).ok()?;
    if number(0, header)? != 1 || records.len() != count.checked_mul(RECORD)? {
        return None;
    }
    let (records, _) = records.as_chunks::<RECORD>();
    let record = |record: &[u8; RECORD]| {
        let seconds = i64::from_le_bytes(record.get(8..16)?.try_into().ok()?);
        let on = Origin::Invocation(identifier::guid(record.get(16..32)?)?);
        let at = (seconds > 0).then(|| Instant::from_seconds(seconds.saturating_sub(EPOCH)));
        Some((number(0, record)?, at.map(|at| Stamp { at, on })))
    };
    let all: Option<Vec<_>> = records.iter().map(record).collect();
    Some(all?.into_iter().filter_map(|(attribute, stamp)| Some((attribute, stamp?))).collect())
}

/// The number of an attribute with that OID ([MS-DRSR] §5.16.4), for the arcs that every
/// forest numbers alike; `None` for an organisation's own.
pub fn number(oid: &str) -> Option<u32> {
    const ARCS: &[(&str, u32)] = &[
        ("2.5.4", 0),
        ("1.2.840.113556.1.2", 2),
        ("1.2.840.113556.1.4", 9),
        ("0.9.2342.19200300.100.1", 21),
        ("2.16.840.1.113730.3.1", 22),
    ];
    let (arc, last) = oid.rsplit_once('.')?;
    let (_, prefix) = ARCS.iter().find(|(known, _)| *known == arc)?;
    let last: u32 = last.parse().ok().filter(|last| *last < 0x4000)?;
    Some(prefix << 16 | last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DSA: &str = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Site,CN=Sites,CN=Configuration,DC=example,DC=com";

    fn attribute(name: &str, at: &str, dsa: &str) -> String {
        format!(
            "<DS_REPL_ATTR_META_DATA>\n\t<pszAttributeName>{name}</pszAttributeName>\n\t<dwVersion>3</dwVersion>\n\t\
             <ftimeLastOriginatingChange>{at}</ftimeLastOriginatingChange>\n\t\
             <uuidLastOriginatingDsaInvocationID>B41BC330-7b6d-4275-b365-37e86e52139c</uuidLastOriginatingDsaInvocationID>\n\t\
             <usnOriginatingChange>13921</usnOriginatingChange>\n\t<usnLocalChange>13921</usnLocalChange>\n\t\
             <pszLastOriginatingDsaDN>{dsa}</pszLastOriginatingDsaDN>\n</DS_REPL_ATTR_META_DATA>\n\0"
        )
    }

    fn at(text: &str) -> Instant {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn an_attribute_has_a_time_and_a_controller() {
        let text = attribute("title", "2026-11-21T08:00:00Z", DSA);
        let stamp = Stamp { at: at("2026-11-21T08:00:00Z"), on: Origin::Settings(DSA.to_owned()) };
        assert_eq!(of_attribute(&text), Some(("title", stamp)));
        assert_eq!(Origin::name(DSA).unwrap(), "DC1");
        // A controller that is gone has no settings any more.
        let (_, stamp) =
            of_attribute(&attribute("title", "2026-11-21T08:00:00Z", "")).map(|(n, s)| (n.to_owned(), s)).unwrap();
        assert_eq!(stamp.on, Origin::Invocation("b41bc330-7b6d-4275-b365-37e86e52139c".to_owned()));
        assert_eq!(of_attribute(&attribute("title", "1601-01-01T00:00:00Z", DSA)), None);
    }

    #[test]
    fn a_member_has_them_too_whatever_it_is_called() {
        let value = |dn: &str| {
            let more = format!(
                "<pszObjectDn>{dn}</pszObjectDn>\n\t<cbData>0</cbData>\n\t<pbData></pbData>\n\t\
                 <ftimeDeleted>1601-01-01T00:00:00Z</ftimeDeleted>\n\t<ftimeCreated>2026-11-20T08:00:00Z</ftimeCreated>\n\t\
                 <dwVersion>"
            );
            let text = attribute("member", "2026-11-21T08:00:00Z", DSA);
            text.replace("ATTR", "VALUE").replace("<dwVersion>", &more)
        };
        for dn in ["CN=Ada,DC=example", "CN=R&D \\<x\\>,DC=example", "CN=&lt;,DC=example"] {
            let text = value(dn);
            let (attribute, member, stamp) = of_value(&text).unwrap();
            assert_eq!((attribute, member, stamp.at), ("member", dn, at("2026-11-21T08:00:00Z")));
        }
    }

    #[test]
    fn what_is_made_otherwise_is_nothing() {
        let good = attribute("title", "2026-11-21T08:00:00Z", DSA);
        let twice = good.replace("<dwVersion>", "<pszAttributeName>x</pszAttributeName><dwVersion>");
        let late = good.replace("08:00:00Z", "whenever");
        let long = attribute(&"x".repeat(LONGEST), "2026-11-21T08:00:00Z", DSA);
        let (torn, rest) = good.split_at(good.len() - 8);
        for text in ["", "\0", "<DS_REPL_ATTR_META_DATA>", torn, rest, &twice, &late, &long] {
            assert_eq!(of_attribute(text), None, "{text}");
        }
        assert_eq!(of_value(&good), None);
    }

    #[test]
    fn the_controllers_own_numbers_are_read_whole_or_not_at_all() {
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        for (attribute, seconds) in [(0x0c_u32, EPOCH + 60), (0x0009_009f, 0)] {
            bytes.extend(attribute.to_le_bytes());
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(seconds.to_le_bytes());
            bytes.extend([7; 16]);
            bytes.extend([0; 16]);
        }
        let on = Origin::Invocation("07070707-0707-0707-0707-070707070707".to_owned());
        assert_eq!(kept(&bytes), Some(vec![(0x0c, Stamp { at: Instant::from_seconds(60), on })]));
        for broken in [&bytes[..15], &bytes[..HEADER], &bytes[..bytes.len() - 1], &[bytes.as_slice(), &[0]].concat()] {
            assert_eq!(kept(broken), None);
        }
        bytes[8] = 255;
        assert_eq!(kept(&bytes), None);
    }

    #[test]
    fn attributes_have_the_numbers_of_their_arcs() {
        assert_eq!(number("2.5.4.12"), Some(0x0c));
        assert_eq!(number("1.2.840.113556.1.4.159"), Some(0x0009_009f));
        assert_eq!(number("0.9.2342.19200300.100.1.3"), Some(0x0015_0003));
        for other in ["", "2.5.4", "1.3.6.1.4.1.99.1", "2.5.4.99999", "2.5.4.x"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
