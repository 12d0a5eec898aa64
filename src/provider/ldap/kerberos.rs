//! Tickets for `bind: { sasl: gssapi }` (RFC 4752): only built with the feature `gssapi`.
//!
//! Comes in: the host of a server. Goes out: whose credential cache it is that Kerberos
//! finds (`KRB5CCNAME`, `/etc/krb5.conf`), once that cache holds a ticket for
//! `ldap/HOST`. Refuses: to wait for a realm longer than for a connection.
//!
//! The bind that follows asks for the same ticket and finds it in the cache: the library
//! below waits for the realm's servers with everything else of the run standing still.

use super::connect::Unusable;
use super::errors::Site;
use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::{Error, MajorFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet};
use std::time::Duration;
use tokio::sync::oneshot;

/// Says who the tickets belong to, once there is one for the server on `host`.
///
/// # Errors
/// Without a ticket; final where no other server could be asked with it either.
pub(super) async fn principal(site: &Site, host: &str, limit: Duration) -> Result<String, Unusable> {
    let (sender, answer) = oneshot::channel();
    let service = format!("ldap/{host}");
    let wanted = service.clone();
    // A thread of its own: one that never comes back does not hold up the end of the run.
    let _detached = std::thread::spawn(move || {
        let _ = sender.send(ask(&wanted).map_err(Refusal::new));
    });
    let refusal = match tokio::time::timeout(limit, answer).await {
        Ok(Ok(Ok(principal))) => return Ok(principal),
        Ok(Ok(Err(refusal))) => refusal,
        Ok(Err(_)) => Refusal { words: "the Kerberos library failed".to_owned(), no_credentials: false },
        Err(_) => Refusal { words: format!("no answer within {} s", limit.as_secs()), no_credentials: false },
    };
    let (help, is_final) = refusal.meaning();
    let message = format!("no Kerberos ticket for `{service}`: {}", refusal.words);
    Err(Unusable { error: site.error(format!("bind as {}", site.who), message, vec![help.to_owned()]), is_final })
}

fn ask(service: &str) -> Result<String, Error> {
    let mut mechanisms = OidSet::new()?;
    mechanisms.add(&GSS_MECH_KRB5)?;
    let own = Cred::acquire(None, None, CredUsage::Initiate, Some(&mechanisms))?;
    let server = Name::new(service.as_bytes(), Some(&GSS_NT_KRB5_PRINCIPAL))?.canonicalize(Some(&GSS_MECH_KRB5))?;
    let mut context = ClientCtx::new(Some(own.clone()), server, CtxFlags::GSS_C_MUTUAL_FLAG, Some(&GSS_MECH_KRB5));
    context.step(None, None)?;
    // Of several caches the step has chosen one.
    Ok(own.name()?.to_string())
}

/// What Kerberos said.
#[derive(Debug)]
struct Refusal {
    words: String,
    /// Whether it found nobody's tickets at all.
    no_credentials: bool,
}

impl Refusal {
    /// Must be made on the thread on which the error came: the library keeps its words
    /// for each.
    fn new(error: Error) -> Self {
        let no_credentials = error.major.bits() == MajorFlags::GSS_S_NO_CRED.bits();
        Self { words: particular(&error.to_string()), no_credentials }
    }

    /// What to do, and whether every other server would be told the same.
    fn meaning(&self) -> (&'static str, bool) {
        if self.no_credentials { (KINIT, true) } else { meaning(&self.words) }
    }
}

/// The last part of what the library says: the general sentence before says only that
/// there is a particular one.
pub(super) fn particular(text: &str) -> String {
    let words = text.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(text);
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

const KINIT: &str = "get one as the user that runs accord: `kinit PRINCIPAL`, or `kinit -kt KEYTAB PRINCIPAL` in a \
                     pipeline; `klist` shows what there is, and the variable KRB5CCNAME where";

/// What to do, and whether it is about the ticket and not about one server. The words
/// are those of MIT Kerberos, whose numbers are not for ever.
pub(super) fn meaning(words: &str) -> (&'static str, bool) {
    let words = words.to_ascii_lowercase();
    let says = |part: &str| words.contains(part);
    if says("expired") {
        ("the ticket has run out: get another with `kinit PRINCIPAL`, or renew it in time with `kinit -R`", true)
    } else if says("clock skew") {
        ("set this machine's clock by that of the realm: tickets bear five minutes of difference", true)
    } else if says("not found in kerberos database") {
        (
            "the realm knows no such service: write the server's full name in `url`, as `setspn -L` or the server's keytab \
             has it; `klist` shows whether the ticket is of the right realm",
            false,
        )
    } else if ["cannot find kdc", "cannot contact any kdc", "cannot resolve", "no answer"].into_iter().any(says) {
        (
            "check the realm's servers in `/etc/krb5.conf` (or DNS) and that they are reached; `klist` shows whether the \
             ticket is of the right realm",
            false,
        )
    } else {
        (KINIT, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kerberos_says_leads_to_what_to_do() {
        for (words, help, is_final) in [
            ("Ticket expired", "kinit -R", true),
            ("Clock skew too great", "clock", true),
            ("Server not found in Kerberos database", "setspn", false),
            ("Server ldap/dc9@EXAMPLE.COM not found in Kerberos database", "setspn", false),
            ("Cannot find KDC for realm \"ELSEWHERE.ORG\"", "/etc/krb5.conf", false),
            ("Cannot contact any KDC for realm 'EXAMPLE.COM'", "/etc/krb5.conf", false),
            ("no answer within 10 s", "/etc/krb5.conf", false),
            ("Decrypt integrity check failed", "kinit PRINCIPAL", false),
        ] {
            let (told, stops) = meaning(words);
            assert!(told.contains(help) && stops == is_final, "{words}: {told}");
        }
        let none = "No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_0)";
        assert_eq!(Refusal { words: none.to_owned(), no_credentials: true }.meaning(), (KINIT, true));
        assert_eq!(particular("Unspecified failure. (Ticket expired)"), "Ticket expired");
        assert_eq!(particular(&format!("No credentials ({none})")), none);
        assert_eq!(particular("no\nparticulars"), "no particulars");
    }
}
