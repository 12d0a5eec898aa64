//! Which names a Windows domain takes for accounts and groups (`sAMAccountName`).
//!
//! Comes in: a name. Goes out: what is wrong with it, and a name that would be taken.
//! Refuses: to know whether a name is free.

/// Characters that no logon name may contain ([MS-SAMR] §3.1.1.8.4).
const REFUSED: &[char] = &['"', '/', '\\', '[', ']', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>'];

/// Most characters of an account's name: what came before Windows 2000 reads no more.
const ACCOUNT: usize = 20;

/// Most characters of a group's name: it is also its `cn`, which takes no more.
const GROUP: usize = 64;

/// What is wrong with the name of an account.
pub fn bad_account(name: &str) -> Option<String> {
    let at = || "Windows takes a name with `@` for a `userPrincipalName` at log-in".to_owned();
    bad(name, ACCOUNT).or_else(|| name.contains('@').then(at))
}

/// What is wrong with the name of a group.
pub fn bad_group(name: &str) -> Option<String> {
    bad(name, GROUP)
}

fn bad(name: &str, most: usize) -> Option<String> {
    let length = name.encode_utf16().count();
    if length > most {
        return Some(format!("it has {length} characters, and Active Directory takes {most}"));
    }
    if let Some(c) = name.chars().find(|c| REFUSED.contains(c)) {
        return Some(format!("Active Directory takes no `{c}` in a name"));
    }
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Some(format!("it holds a control character (U+{:04X})", u32::from(c)));
    }
    if name.ends_with('.') {
        return Some("Active Directory takes no name that ends with a dot".to_owned());
    }
    name.chars().all(|c| c == ' ' || c == '.').then(|| "there is no letter in it".to_owned())
}

/// An account name near `name` that would be taken: the first letter of the first
/// part and the last part (`m.hohenzollern`), otherwise what fits.
pub fn suggested(name: &str) -> Option<String> {
    // Of an address, what stands before the `@`.
    let local = name.split_once('@').map_or(name, |(local, _)| local);
    let clean: String = local.chars().filter(|c| !REFUSED.contains(c) && !c.is_control()).collect();
    let clean = clean.trim_end_matches('.');
    let initial = || -> Option<String> {
        let (first, last) = (clean.split('.').next()?, clean.rsplit('.').next()?);
        let letter = first.chars().next()?;
        (first.len() < clean.len() && !last.is_empty()).then(|| format!("{letter}.{last}"))
    };
    let cut: String = clean.chars().take(ACCOUNT).collect();
    let candidates = [Some(clean.to_owned()), initial(), Some(cut.trim_end_matches('.').to_owned())];
    candidates.into_iter().flatten().find(|candidate| bad_account(candidate).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_characters_are_taken_and_one_more_is_not() {
        assert_eq!(bad_account("abcdefghij0123456789"), None);
        let why = bad_account("abcdefghij0123456789x").unwrap();
        assert_eq!(why, "it has 21 characters, and Active Directory takes 20");
        // A name is counted as Windows stores it: this letter takes two places.
        assert!(bad_account(&"𝒜".repeat(11)).is_some());
        assert!(bad_account("ada@example.com").unwrap().contains("userPrincipalName"));
        assert_eq!((bad_group("all@berlin"), suggested("ada@example.com").as_deref()), (None, Some("ada")));
        assert_eq!(bad_group(&"g".repeat(64)), None);
        assert!(bad_group(&"g".repeat(65)).is_some());
    }

    #[test]
    fn what_the_domain_refuses_is_refused_here() {
        for name in ["a/b", "a\\b", "a[b", "a:b", "a;b", "a|b", "a=b", "a,b", "a+b", "a*b", "a?b", "a<b", "a\"b"] {
            assert!(bad_account(name).is_some(), "{name}");
        }
        for name in ["maria.", "...", " ", "a\nb"] {
            assert!(bad_account(name).is_some(), "{name:?}");
        }
        for name in ["maria.lopez", "o'neil", "müller", "svc-backup$", "a b"] {
            assert_eq!(bad_account(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_would_be_taken_is_suggested() {
        assert_eq!(suggested("maximilian.von.hohenzollern").unwrap(), "m.hohenzollern");
        assert_eq!(suggested("svc+backup").unwrap(), "svcbackup");
        assert_eq!(suggested("abcdefghijklmnopqrstuvwxyz").unwrap(), "abcdefghijklmnopqrst");
        assert_eq!(suggested("maria.").unwrap(), "maria");
        assert_eq!(suggested("+++"), None);
    }
}
