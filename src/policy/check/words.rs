//! What keys, paths, distinguished names and attribute names may look like.
//!
//! Comes in: one text. Goes out: what is wrong with it, if anything. Refuses: what
//! would read differently in a directory, a terminal or another file.

/// Longest key or name, in characters.
const LONGEST: usize = 200;

/// What is wrong with `key` as the key of a person, role, kind, directory or
/// constraint, or `None`.
pub(super) fn bad_key(key: &str) -> Option<String> {
    let slash_or_hash = key.chars().find(|c| matches!(c, '/' | '#'));
    match slash_or_hash {
        Some('/') => Some("`/` separates a directory from a group".to_owned()),
        Some(_) => Some("`#` separates a directory from a second account".to_owned()),
        None => bad_name(key),
    }
}

/// What is wrong with `name` as a name in a directory (an account, a group).
pub(super) fn bad_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.chars().count() > LONGEST {
        return Some(format!("it is longer than {LONGEST} characters"));
    }
    if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        return Some("it begins or ends with a space".to_owned());
    }
    let bad = name.chars().find(|c| c.is_control() || is_invisible(*c) || matches!(c, '*'))?;
    Some(match bad {
        '*' => "`*` is for patterns".to_owned(),
        _ => format!("it contains the invisible character U+{:04X}", bad as u32),
    })
}

/// Characters that show nothing or reorder what is shown: two names that look the
/// same would be two people.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What is wrong with `path` as a path inside the repository.
pub(super) fn bad_path(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.ends_with('/') {
        return Some("it names no file");
    }
    if path.starts_with('/') || path.starts_with('~') || path.contains(':') && path.get(1..2) == Some(":") {
        return Some("it must be relative to the repository");
    }
    if path.contains('\\') {
        return Some("folders are separated by `/`");
    }
    if path.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    let mut parts = path.split('/');
    if parts.clone().any(|part| part == "..") {
        return Some("`..` would lead out of the repository");
    }
    parts.any(|part| part.eq_ignore_ascii_case(".git")).then_some("git keeps its own files there")
}

/// What is wrong with `dn` as a distinguished name (RFC 4514), as far as its form goes.
pub(super) fn bad_dn(dn: &str) -> Option<String> {
    if dn.trim().is_empty() {
        return Some("it is empty".to_owned());
    }
    let mut part = String::new();
    let mut chars = dn.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                part.push(c);
                part.extend(chars.next());
            }
            ',' | '+' | ';' => {
                if let Some(why) = bad_part(&part) {
                    return Some(why);
                }
                part.clear();
            }
            _ => part.push(c),
        }
    }
    bad_part(&part)
}

fn bad_part(part: &str) -> Option<String> {
    let shown = part.trim();
    let Some((attribute, value)) = shown.split_once('=') else {
        return Some(if shown.is_empty() {
            "a comma has nothing beside it".to_owned()
        } else {
            format!("`{shown}` has no `=`")
        });
    };
    if bad_attribute(attribute.trim()) {
        return Some(format!("`{attribute}` is no attribute"));
    }
    value.trim().is_empty().then(|| format!("`{shown}` has no value"))
}

/// Whether `name` is no attribute description (RFC 4512 §2.5): a letter, then letters,
/// digits and hyphens, or a numeric OID; options after `;`.
pub(super) fn bad_attribute(name: &str) -> bool {
    let base = name.split(';').next().unwrap_or_default();
    let word = base.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b';' || b == b'_');
    let oid = base.starts_with(|c: char| c.is_ascii_digit()) && base.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !(word || oid)
}

/// Whether the attribute holds a credential: never read, never written from a policy.
pub(super) fn is_credential(attribute: &str) -> bool {
    let base = attribute.split(';').next().unwrap_or_default().to_ascii_lowercase();
    base.contains("password") && !base.starts_with("pwd")
        || matches!(
            base.as_str(),
            "unicodepwd"
                | "dbcspwd"
                | "ntpwdhistory"
                | "lmpwdhistory"
                | "supplementalcredentials"
                | "sambantpassword"
                | "sambalmpassword"
                | "krbprincipalkey"
                | "krb5key"
                | "pwdhistory"
                | "authpassword"
                | "userpkcs12"
                | "2.5.4.35"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_organisations_have_them_are_fine() {
        for key in ["249043822", "0xMH", "08volt", "maria.lopez", "José Núñez", "a_b-c", "o'brien", "k8s-ci-robot"] {
            assert_eq!(bad_key(key), None, "{key}");
        }
        for key in ["", " a", "a ", "a/b", "a#b", "a\tb", "a\u{200b}b", "a*", "\u{202e}a", &"x".repeat(201)] {
            assert!(bad_key(key).is_some(), "{key}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["directory.ldif", "ca/root.pem", "a..b/c"] {
            assert_eq!(bad_path(path), None, "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "a/../../x", "~/x", "C:/x", "a\\b", ".git/config", "a/", "a\0b"] {
            assert!(bad_path(path).is_some(), "{path}");
        }
    }

    #[test]
    fn names_of_entries_have_attributes_and_values() {
        for dn in ["dc=example,dc=com", "cn=a\\,b+uid=c, ou=x", "2.5.4.3=x", "cn=\"quoted\"", "o=a=b"] {
            assert_eq!(bad_dn(dn), None, "{dn}");
        }
        for dn in ["", "example.com", "dc=example,,dc=com", "dc=", "=x", "ou=a,", "o u=x"] {
            assert!(bad_dn(dn).is_some(), "{dn}");
        }
    }

    #[test]
    fn credentials_are_known_in_any_case_and_with_options() {
        for name in ["userPassword", "USERPASSWORD;x-a", "unicodePwd", "sambaNTPassword", "krbPrincipalKey"] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["pwdAccountLockedTime", "pwdEndTime", "mail", "uid"] {
            assert!(!is_credential(name), "{name}");
        }
    }
}
