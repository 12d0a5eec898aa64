//! What a directory server's refusal means and what to do next.
//!
//! Comes in: LDAP results, transport errors, TLS errors. Goes out: the directory's
//! words with the result's name and number, and help. Refuses: secrets (none ever
//! reaches this module).

use crate::provider::ProviderError;
use crate::provider::active_directory::refusal;
pub(super) use crate::provider::transport::{io, io_help};
use ldap3::{LdapError, LdapResult};

/// How messages name a bind by ticket.
pub(super) const GSSAPI: &str = "SASL GSSAPI";
/// How messages name a bind by certificate, or by process over a local socket.
pub(super) const EXTERNAL: &str = "SASL EXTERNAL";

/// Which directory is spoken to, and as whom: what every message needs.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Name of the directory in the policy.
    pub(super) directory: String,
    /// The bind's DN, [`EXTERNAL`], [`GSSAPI`] or `anonymous`.
    pub(super) who: String,
}

impl Site {
    /// An error of this directory.
    pub(super) fn error(
        &self,
        operation: impl Into<String>,
        message: impl Into<String>,
        help: Vec<String>,
    ) -> ProviderError {
        ProviderError { directory: self.directory.clone(), operation: operation.into(), message: message.into(), help }
    }

    /// The error for a result that is not success.
    pub(super) fn refused(&self, operation: &str, object: &str, result: &LdapResult) -> ProviderError {
        let mut message = words(result);
        if let Some(why) = refusal::bind(&result.text) {
            message.push_str("; ");
            message.push_str(why);
        }
        self.error(operation, message, self.help(result.rc, object))
    }

    /// The error for an answer that did not come.
    pub(super) fn broken(&self, operation: &str, error: &LdapError) -> ProviderError {
        self.error(operation, transport(error), transport_help(error))
    }

    /// The DN that a server's settings name accord by.
    fn bound(&self) -> &str {
        if self.who.starts_with("SASL ") { "what ldapwhoami shows" } else { &self.who }
    }

    /// What to do about result `code` on `object`.
    pub(super) fn help(&self, code: u32, object: &str) -> Vec<String> {
        let who = &self.who;
        let bound = self.bound();
        let text = match code {
            3 => format!("raise `timelimit` for `{who}` on the server"),
            4 => format!(
                "raise the limit for {who} (OpenLDAP: `limits dn.exact=\"{bound}\" size=unlimited`; 389 Directory Server: \
                 `nsSizeLimit: -1` and `nsPagedSizeLimit: -1` in its entry, or a lower `page_size`)"
            ),
            // The ticket proves who accord is; TLS, which it always comes over, does the rest.
            8 if self.who == GSSAPI => "the server demands that tickets protect the connection too, which TLS does already: let it take \
                                        them over TLS (Samba: `ldap server require strong auth = allow_sasl_over_tls`)"
                .to_owned(),
            7 | 8 | 13 => "use `ldaps://`, or `ldap://` with StartTLS (remove `tls: none`)".to_owned(),
            10 => format!(
                "accord follows no referrals, because the setting names whom it trusts with the password: write the server that \
                 holds `{object}` in `url`"
            ),
            11 => format!(
                "the server's administrative limit stops this read (OpenLDAP: `limits dn.exact=\"{bound}\" \
                 size=unlimited`; 389 Directory Server: `nsLookThroughLimit: -1` and `nsPagedLookThroughLimit: -1` in its \
                 entry); raise it for {who}"
            ),
            12 => "the server lacks a control that accord needs: paged results (RFC 2696)".to_owned(),
            32 => format!("no such entry: check the base `{object}` in the policy, and that {who} may see it"),
            48 | 49 if self.who == GSSAPI => {
                "the server did not take the ticket, or knows nobody by it: look at `klist`, at its keytab and at how it maps \
                 principals to entries"
                    .to_owned()
            }
            48 | 49 if self.who == EXTERNAL => {
                "the server knows nobody by this certificate or process: look at how it maps them to entries".to_owned()
            }
            48 => format!("the entry `{who}` cannot be bound with a password: check `bind`"),
            49 => format!("check the DN `{who}` and where its password comes from (`bind.password`)"),
            50 => format!("give {who} the right to do this on `{object}`"),
            53 => "the server is unwilling: its own words above say why".to_owned(),
            51 | 52 => "the server is busy or closing down: try again later".to_owned(),
            _ => return Vec::new(),
        };
        vec![text]
    }
}

/// A failure as part of a sentence.
pub(super) fn said(error: ProviderError) -> String {
    let ProviderError { operation, message, .. } = error;
    format!("{operation}: {message}")
}

/// `insufficientAccessRights (50): no write access to parent`.
pub(super) fn words(result: &LdapResult) -> String {
    let mut text = format!("{} ({})", result_name(result.rc), result.rc);
    let diagnostic = result.text.trim();
    if !diagnostic.is_empty() {
        text.push_str(": ");
        text.extend(diagnostic.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    if !result.refs.is_empty() {
        text.push_str("; it points to ");
        text.push_str(&referrals(&result.refs));
    }
    if result.rc == 32 && !result.matched.is_empty() {
        text.push_str("; the nearest entry that exists is `");
        text.push_str(&result.matched);
        text.push('`');
    }
    text
}

/// Name of a result code (RFC 4511 §4.1.9, RFC 4528 §4).
pub(super) fn result_name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        33 => "aliasProblem",
        34 => "invalidDNSyntax",
        36 => "aliasDereferencingProblem",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        64 => "namingViolation",
        65 => "objectClassViolation",
        66 => "notAllowedOnNonLeaf",
        67 => "notAllowedOnRDN",
        68 => "entryAlreadyExists",
        69 => "objectClassModsProhibited",
        71 => "affectsMultipleDSAs",
        80 => "other",
        122 => "assertionFailed",
        _ => "unknown result",
    }
}

/// A transport error in words.
pub(super) fn transport(error: &LdapError) -> String {
    match error {
        LdapError::Timeout { .. } => "no answer in time".to_owned(),
        LdapError::OpSend { .. }
        | LdapError::ResultRecv { .. }
        | LdapError::EndOfStream
        | LdapError::IdScrubSend { .. } => "the connection was closed before the answer came".to_owned(),
        LdapError::Io { source } => io(source),
        LdapError::DNSName { .. } => "the host is no name that a certificate could carry".to_owned(),
        LdapError::LdapResult { result } => words(result),
        LdapError::Rustls { source } => crate::provider::transport::tls(source),
        #[cfg(feature = "gssapi")]
        LdapError::GssapiOperationError(words) => {
            format!("the exchange of tickets failed: {}", super::kerberos::particular(words))
        }
        other => other.to_string(),
    }
}

fn transport_help(error: &LdapError) -> Vec<String> {
    match error {
        LdapError::Timeout { .. } => vec!["raise `timeout` (seconds), or look at the server's load".to_owned()],
        LdapError::Io { source } => io_help(source),
        #[cfg(feature = "gssapi")]
        LdapError::GssapiOperationError(words) => vec![super::kerberos::meaning(words).0.to_owned()],
        _ => Vec::new(),
    }
}

/// The first few of the URLs that a server refers to.
pub(super) fn referrals(urls: &[String]) -> String {
    let shown: Vec<String> = urls.iter().take(3).map(|u| format!("`{u}`")).collect();
    let more = urls.len().saturating_sub(3);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls: Vec::new() }
    }

    #[test]
    fn a_result_is_told_with_name_number_and_the_servers_words() {
        let site = Site { directory: "corp".into(), who: "cn=accord,dc=example,dc=com".into() };
        let error = site.refused("bind as cn=accord,dc=example,dc=com", "", &result(49, ""));
        assert_eq!(error.to_string(), "corp: bind as cn=accord,dc=example,dc=com: invalidCredentials (49)");
        assert_eq!(words(&result(50, "no write\naccess")), "insufficientAccessRights (50): no write access");
        assert!(
            site.help(4, "")
                .iter()
                .any(|h| h.contains("limits dn.exact=\"cn=accord,dc=example,dc=com\" size=unlimited"))
        );
    }
}
