//! New accounts that are to have a first password and not to be usable.
//!
//! Comes in: the attributes of a new account. Goes out: attributes with which it can be
//! made, and what is written when it has its password. Refuses: an instant at which it
//! could be used.
//!
//! A password policy lifts a lock when the password is set (OpenLDAP's `ppolicy` does). So
//! the account is made with an end in the past, gets its password, and is locked by the
//! modify that puts the end right. Cut off in between it has ended, and the next plan
//! finds an account that is not disabled.

use super::Open;
use crate::provider::entries::{END, LOCKED, Mod};

/// An end that has passed (RFC 4517 §3.3.13).
const PASSED: &str = "19700101000000Z";

/// Puts a lock off until the password is set: what is to be written then. Nothing where
/// the account is not locked.
///
/// # Errors
/// Why the account cannot be made, where the server has no end that could stand in.
pub(super) fn put_off(open: &Open, attributes: &mut Vec<(String, Vec<String>)>) -> Result<Vec<Mod>, String> {
    let Some(lock) = attributes.iter().find(|(name, _)| name == LOCKED).map(|(_, values)| values.clone()) else {
        return Ok(Vec::new());
    };
    if !open.server.ends {
        return Err(format!(
            "the server lifts a lock when the first password is set, and knows no `{END}` that would keep the account \
             from being used: leave out `accounts.create_before` or `accounts.initial_password`"
        ));
    }
    let end = attributes.iter().find(|(name, _)| name == END).map(|(_, values)| values.clone()).unwrap_or_default();
    attributes.retain(|(name, _)| name != LOCKED && name != END);
    attributes.push((END.to_owned(), vec![PASSED.to_owned()]));
    Ok(vec![Mod::Replace(LOCKED.to_owned(), lock), Mod::Replace(END.to_owned(), end)])
}
