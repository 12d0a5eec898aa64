//! URLs of servers, taken apart.
//!
//! Comes in: `url` and `tls` of the settings. Goes out: [`Endpoint`]s in the order in
//! which they are tried. Refuses: what is no LDAP URL, and clear text to anything but
//! loopback.

use crate::policy::settings::{DirectorySettings, Tls, Urls};
use crate::provider::is_loopback;
pub(super) use crate::provider::tls::Complaint;

/// How a URL wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// TLS from the first byte.
    Ldaps,
    /// StartTLS (RFC 4511 §4.14), or clear text where `tls: none` says so.
    Ldap,
    /// A local socket.
    Ldapi,
}

/// One URL of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

/// All of `url`.
///
/// # Errors
/// When one is no URL, or would be spoken to in the clear.
pub(super) fn endpoints(settings: &DirectorySettings) -> Result<Vec<Endpoint>, Complaint> {
    let written = settings.url.iter().flat_map(Urls::iter);
    let list: Vec<Endpoint> = written.map(endpoint).collect::<Result<_, _>>()?;
    if list.is_empty() {
        return Err(("`url` is missing".to_owned(), "write `url: ldaps://HOST`"));
    }
    let open = list.iter().find(|e| e.scheme == Scheme::Ldap && !is_loopback(&e.host));
    if let (Some(Tls::None), Some(endpoint)) = (&settings.tls, open) {
        let host = &endpoint.host;
        return Err((
            format!("`tls: none` would send a password in the clear to `{host}`, which is not this machine"),
            "remove `tls: none` (then `ldap://` means StartTLS), or use `ldaps://`",
        ));
    }
    Ok(list)
}

fn endpoint(url: &str) -> Result<Endpoint, Complaint> {
    const HELP: &str = "write `ldaps://HOST[:PORT]`, `ldap://HOST[:PORT]` or `ldapi://%2Fpath`";
    let wrong = |what: &str| (format!("`{url}` {what}"), HELP);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("is no LDAP URL"))?;
    let (scheme, default) = match scheme.to_ascii_lowercase().as_str() {
        "ldaps" => (Scheme::Ldaps, 636),
        "ldap" => (Scheme::Ldap, 389),
        "ldapi" => (Scheme::Ldapi, 0),
        _ => return Err(wrong("is no LDAP URL")),
    };
    let host = rest.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        return Err(wrong("names no host, or more than a host"));
    }
    if scheme == Scheme::Ldapi {
        return Ok(Endpoint { url: format!("ldapi://{host}"), scheme, host: host.to_owned(), port: 0 });
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(':') && (!name.contains(':') || name.ends_with(']')) => {
            (name, port.parse().map_err(|_| wrong("has no valid port"))?)
        }
        _ => (host, default),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Endpoint { url: url.trim_end_matches('/').to_owned(), scheme, host: bare, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let e = endpoint("ldaps://ldap.example.com").unwrap();
        assert_eq!((e.scheme, e.host.as_str(), e.port), (Scheme::Ldaps, "ldap.example.com", 636));
        let e = endpoint("ldap://127.0.0.1:3890/").unwrap();
        assert_eq!((e.scheme, e.host.as_str(), e.port), (Scheme::Ldap, "127.0.0.1", 3890));
        let e = endpoint("ldap://[::1]:389").unwrap();
        assert_eq!((e.host.as_str(), e.port), ("::1", 389));
        assert_eq!(endpoint("ldapi://%2Frun%2Fldapi").unwrap().scheme, Scheme::Ldapi);
        for bad in ["ldap.example.com", "http://x", "ldaps://", "ldap://user@host", "ldap://h:x", "ldap:///dc=x"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        assert!(is_loopback("localhost") && is_loopback("127.0.0.9") && is_loopback("::1"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.example.com"));
    }
}
