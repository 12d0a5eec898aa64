//! What a domain controller means by the code before its message.
//!
//! Comes in: the diagnostic text of a result (`0000052D: SvcErr: …`, `…, data 533, …`).
//! Goes out: the Windows error code ([MS-ERREF] §2.2) with its meaning in plain words.
//! Refuses: to guess where there is no code.

/// The code at the beginning of a diagnostic text.
pub fn code(text: &str) -> Option<u32> {
    let hex = text.trim_start().get(..9)?.strip_suffix(':')?;
    u32::from_str_radix(hex, 16).ok()
}

/// The member is there already ([MS-ERREF]: `ERROR_MEMBER_IN_GROUP`, `…_IN_ALIAS`).
pub fn is_there(code: u32) -> bool {
    matches!(code, 0x528 | 0x562)
}

/// The member is not there (`ERROR_MEMBER_NOT_IN_GROUP`, `…_NOT_IN_ALIAS`).
pub fn is_absent(code: u32) -> bool {
    matches!(code, 0x529 | 0x561)
}

/// What a code means and what to do.
pub fn meaning(code: u32) -> Option<&'static str> {
    Some(match code {
        0x052D => {
            "the password policy of the domain: too short, too simple, used before, or none at all; \
             set a password that it takes, or give new accounts one with `accounts.initial_password`"
        }
        0x0524 => "an account of that name is somewhere in the domain, perhaps outside the base; use another name",
        0x0526 | 0x0563 => {
            "a group of that name is somewhere in the domain, perhaps outside the base; use another name"
        }
        0x0523 => "the domain takes no such name",
        0x0525 => "there is no such account",
        0x0527 => "there is no such group",
        0x052A => "the last administrator must stay",
        0x055B..=0x055D => "Windows itself needs this object as it is",
        0x055E => "it is the account's primary group; give the account another primary group first",
        0x2141 => "this change of scope or type is not allowed",
        0x2144 => "a global group cannot hold a domain-local one",
        0x2145 => "a global group cannot hold a universal one",
        0x2146 => "a universal group cannot hold a domain-local one",
        0x2147 => "a global group holds members of its own domain only",
        0x2148 => "a domain-local group cannot hold one of another domain",
        0x2149 => "it is the primary group of some account",
        0x202B => "another domain controller holds it; name that one in `url`",
        0x2098 | 0x0005 => "the account that accord binds as lacks the right",
        0x20EF => "the directory is read-only here",
        0x21C7 => "another account of the forest carries this service principal name",
        0x21C8 => "another account of the forest carries this `userPrincipalName`",
        _ => return None,
    })
}

/// Why a bind was refused: the number after `data` (a Windows error code).
pub fn bind(text: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once("data ")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    Some(match u32::from_str_radix(digits, 16).ok()? {
        0x525 => "there is no such account",
        0x52E => "the password is wrong",
        0x530 => "the account may not log in at this time",
        0x531 => "the account may not log in from here",
        0x532 => "the password has expired",
        0x533 => "the account is disabled",
        0x701 => "the account has expired",
        0x773 => "the password must be changed first",
        0x775 => "the account is locked out",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_before_the_colon() {
        assert_eq!(code("0000052D: Constraint violation - check_password_restrictions: …"), Some(0x52D));
        assert_eq!(code("00002035: SvcErr: DSID-031007DB, problem 5003 (WILL_NOT_PERFORM), data 0"), Some(0x2035));
        for text in ["", "Attribute member already exists", "80090308", "ééééé: x"] {
            assert_eq!(code(text), None, "{text}");
        }
        assert!(meaning(0x52D).unwrap().contains("initial_password"));
        assert_eq!(meaning(0), None);
    }

    #[test]
    fn a_refused_bind_says_why() {
        let text = |data: &str| {
            format!("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1")
        };
        assert_eq!(bind(&text("533")), Some("the account is disabled"));
        assert_eq!(bind(&text("52e")), Some("the password is wrong"));
        assert_eq!(bind(&text("701")), Some("the account has expired"));
        assert_eq!(bind(&text("1")), None);
        assert_eq!(bind("no words"), None);
    }
}
