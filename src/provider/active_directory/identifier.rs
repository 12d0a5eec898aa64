//! Identifiers that the directory gives out once: GUIDs and SIDs.
//!
//! Comes in: their bytes. Goes out: their text. Refuses: bytes of another length.

use std::fmt::Write as _;

/// Where each byte of the text stands among the bytes of a GUID.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// `30c31bb4-6d7b-4275-8365-37e86e52139c` ([MS-DTYP] §2.3.4.2): the first three parts
/// are numbers, their lowest byte first.
pub fn guid(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (n, place) in ORDER.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{:02x}", bytes.get(*place)?);
    }
    Some(text)
}

/// The filter that finds an object by the bytes of a GUID that is written as text.
pub fn filter(attribute: &str, text: &str) -> Option<String> {
    let digits: Vec<char> = text.chars().filter(|c| *c != '-').collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != ORDER.len() || !rest.is_empty() || !digits.iter().all(char::is_ascii_hexdigit) {
        return None;
    }
    let mut out = format!("({attribute}=");
    for place in ORDER {
        // The order is its own reverse.
        let [high, low] = pairs.get(place)?;
        out.extend(['\\', *high, *low]);
    }
    out.push(')');
    Some(out)
}

/// The parts of a SID ([MS-DTYP] §2.4.2.2): authority, then one number after another.
pub fn sid(bytes: &[u8]) -> Option<(u64, Vec<u32>)> {
    let [1, count, authority @ ..] = bytes else { return None };
    let (authority, parts) = authority.split_at_checked(6)?;
    let authority = authority.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    let (parts, rest) = parts.as_chunks::<4>();
    (parts.len() == usize::from(*count) && rest.is_empty())
        .then(|| (authority, parts.iter().map(|part| u32::from_le_bytes(*part)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_as_windows_writes_it() {
        let bytes = [0x30, 0xc3, 0x1b, 0xb4, 0x6d, 0x7b, 0x75, 0x42, 0xb3, 0x65, 0x37, 0xe8, 0x6e, 0x52, 0x13, 0x9c];
        assert_eq!(guid(&bytes).unwrap(), "b41bc330-7b6d-4275-b365-37e86e52139c");
        assert_eq!(guid(&bytes[..15]), None);
        assert_eq!(guid(&[0; 17]), None);
        assert_eq!(guid(&[]), None);
    }

    #[test]
    fn a_guid_is_searched_for_by_its_bytes() {
        let found = filter("invocationId", "b41bc330-7b6d-4275-b365-37e86e52139c").unwrap();
        assert_eq!(found, r"(invocationId=\30\c3\1b\b4\6d\7b\75\42\b3\65\37\e8\6e\52\13\9c)");
        assert!(ldap3::parse_filter(&found).is_ok());
        for other in ["", "b41bc330", "x41bc330-7b6d-4275-b365-37e86e52139c", "é41bc330-7b6d-4275-b365-37e86e52139"] {
            assert_eq!(filter("a", other), None);
        }
    }

    #[test]
    fn a_sid_is_an_authority_and_numbers() {
        let administrator = [
            1, 5, 0, 0, 0, 0, 0, 5, 0x15, 0, 0, 0, 0xcf, 0x71, 0xeb, 5, 0x5a, 0x12, 0x74, 0x5d, 0xee, 0x2d, 0xf7, 0x9f,
            0xf4, 1, 0, 0,
        ];
        assert_eq!(sid(&administrator).unwrap(), (5, vec![21, 99_316_175, 1_567_887_962, 2_683_776_494, 500]));
        assert_eq!(sid(&administrator[..27]), None);
        assert_eq!(sid(&[2, 0, 0, 0, 0, 0, 0, 5]), None);
    }
}
