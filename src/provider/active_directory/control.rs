//! `userAccountControl`: one number, many facts ([MS-SAMR] §2.2.1.13, [MS-ADTS] §2.2.16).
//!
//! Comes in: the number as text. Goes out: whether the account is disabled, and the
//! number with single bits changed. Refuses: to make up the other bits.

/// The account cannot be used.
pub const DISABLED: u32 = 0x0002;
/// An ordinary account.
pub const NORMAL: u32 = 0x0200;
/// No smart card, no delegation, nothing: what every new account starts with.
pub const NEW: u32 = NORMAL | DISABLED;

/// The bits; the directory writes them as a signed number.
pub fn parse(text: &str) -> Option<u32> {
    let number: i64 = text.trim().parse().ok()?;
    u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
}

/// The number as the directory writes it.
pub fn write(bits: u32) -> String {
    bits.cast_signed().to_string()
}

/// Whether an account with that number is disabled; `None` where it is no number.
pub fn is_disabled(text: &str) -> Option<bool> {
    parse(text).map(|bits| bits & DISABLED != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_bit_says_that_an_account_is_disabled() {
        assert_eq!(is_disabled("514"), Some(true));
        assert_eq!(is_disabled("66050"), Some(true));
        assert_eq!(is_disabled("512"), Some(false));
        // Locked out (0x10) is no decision of anybody's.
        assert_eq!(is_disabled("528"), Some(false));
        assert_eq!(is_disabled("x"), None);
    }

    #[test]
    fn the_sign_is_only_a_way_of_writing() {
        assert_eq!(parse("-2147483646"), Some(0x8000_0002));
        assert_eq!(parse("2147483650"), Some(0x8000_0002));
        assert_eq!(write(0x8000_0002), "-2147483646");
        assert_eq!(write(512), "512");
        assert_eq!(parse("99999999999"), None);
    }
}
