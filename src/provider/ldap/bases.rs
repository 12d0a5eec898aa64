//! Several bases of accounts, and accounts that go from one to another.
//!
//! Comes in: the schema, a session. Goes out: the proof that every base is there, what is
//! said of a move that the server refuses. Refuses: a base that is not there.

use super::connect::Session;
use super::errors;
use super::{Open, search};
use crate::provider::entries::Schema;
use crate::provider::{Answer, ProviderError, dn};
use ldap3::LdapResult;

/// `noSuchObject` (RFC 4511 appendix A).
const NO_SUCH_OBJECT: u32 = 32;

/// Looks for the bases that are read with another one around them: the others are told
/// by their own search.
///
/// # Errors
/// When one is not there.
pub(super) async fn ensure_inner(session: &Session, schema: &Schema) -> Result<(), ProviderError> {
    let none = ["1.1".to_owned()];
    for base in &schema.bases {
        if schema.roots().any(|root| root.key == base.key) {
            continue;
        }
        if search::base(session, &base.dn, "(objectClass=*)", &none, |_| ()).await?.is_none() {
            let help = "create that entry, or correct `accounts.bases`".to_owned();
            let message = format!("`{}` is not there", base.dn);
            return Err(session.site.error(format!("search {}", base.dn), message, vec![help]));
        }
    }
    Ok(())
}

/// Where a modifyDN puts the entry, if that is below another one than before.
pub(super) fn superior<'d>(old: &str, new: &'d str) -> Option<&'d str> {
    let (from, to) = (dn::parent(old)?, dn::parent(new)?);
    (!dn::same(from, to)).then_some(to)
}

/// What is said of a move that the server refused, where that is more than the code
/// means for a rename.
pub(super) async fn refused(open: &Open, dn: &str, superior: &str, result: &LdapResult) -> Option<Answer> {
    let words = errors::words(result);
    match result.rc {
        NO_SUCH_OBJECT => {
            let found = search::base(&open.session, superior, "(objectClass=*)", &["1.1".to_owned()], |_| ()).await;
            let why = format!("{words}; `{superior}` is not there: create it, or correct `accounts.bases`");
            matches!(found, Ok(None)).then_some(Answer::Refused { why })
        }
        50 => {
            let why = format!(
                "{words} for {}; to move `{dn}` it needs to write and delete it, and to create entries below `{superior}`",
                open.session.site.who
            );
            Some(Answer::Refused { why })
        }
        _ => None,
    }
}
