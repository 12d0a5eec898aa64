//! How a directory of kind `ldap` is reached and who accord is there.
//!
//! Comes in: `url`, `tls`, `ca`, `bind`, `plan_bind`. Goes out: nothing. Refuses:
//! connections in the clear, binds that a server takes for anonymous, certificates that
//! nobody would ask for, and secrets in the policy. No message repeats what could be a
//! secret.

use super::directories::Spot;
use super::{Checker, words};
use crate::diagnostic::Diagnostic;
use crate::policy::settings::{Bind, ClientCertificate, DirectorySettings, ProviderKind, Sasl, SecretRef, Tls, Urls};
use std::collections::BTreeSet;

pub(super) fn check(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let proof = settings.url.as_ref().map_or(Proof::Nothing, |urls| self::urls(checker, spot, settings, urls));
    let of = Reached { settings, proof };
    if settings.url.is_none() {
        spot.missing(checker, "url", "write where the server is: `url: ldaps://ldap.example.com`");
    }
    if let Some(path) = &settings.ca
        && let Some(why) = words::bad_path(path)
    {
        let message = format!("`{}` cannot be the file of the certification authority: {why}", path.escape_debug());
        spot.report(
            checker,
            &["ca"],
            Diagnostic::error("path-outside", message).help("a PEM file below the repository's root, `ca/root.pem`"),
        );
    }
    if let Some(certificate) = settings.tls.as_ref().and_then(Tls::certificate) {
        self::certificate(checker, spot, certificate, proof);
    }
    match &settings.bind {
        Some(bind) => self::bind(checker, spot, "bind", bind, of),
        None => spot.missing(
            checker,
            "bind",
            "write who accord is there: `bind: { dn: \"cn=accord,dc=example,dc=com\", password: { env: CORP_BIND_PASSWORD } }`, or `bind: { sasl: external }` with a certificate or over ldapi",
        ),
    }
    if let Some(bind) = &settings.plan_bind {
        self::bind(checker, spot, "plan_bind", bind, of);
    }
}

/// What SASL EXTERNAL could rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing: a bind would be somebody's guess.
    Nothing,
    /// Local sockets alone: the process.
    Process,
    /// TLS to every server, with a certificate of accord's own.
    Certificate,
}

/// What a bind is judged by.
#[derive(Clone, Copy)]
struct Reached<'a> {
    settings: &'a DirectorySettings,
    proof: Proof,
}

/// Checks every URL; says what they have in common.
fn urls(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings, urls: &Urls) -> Proof {
    let (mut local, mut any) = (0, 0);
    let mut seen = BTreeSet::new();
    for url in urls.iter() {
        any += 1;
        local += usize::from(url.starts_with("ldapi://"));
        if let Err((code, message, help)) = one_url(url, settings.tls.as_ref()) {
            let found = Diagnostic::error(code, message).help(help);
            if code == "secret-in-url" {
                spot.report_line(checker, &["url"], found);
            } else {
                spot.report(checker, &["url"], found);
            }
        } else if !seen.insert(url.trim_end_matches('/').to_ascii_lowercase()) {
            let found = Diagnostic::error("bad-url", format!("`{url}` is named twice"));
            spot.report(checker, &["url"], found.help("each server once, in the order in which they are tried"));
        }
    }
    if any == 0 {
        spot.report(
            checker,
            &["url"],
            Diagnostic::error("bad-url", "`url` is empty").help("write `ldaps://ldap.example.com`"),
        );
    }
    let shows = settings.tls.as_ref().is_some_and(|tls| tls.certificate().is_some());
    match (any > 0 && local == any, any > 0 && local == 0 && shows) {
        (true, _) => Proof::Process,
        (_, true) => Proof::Certificate,
        _ => Proof::Nothing,
    }
}

/// The certificate that accord shows.
fn certificate(checker: &mut Checker<'_>, spot: Spot<'_>, certificate: &ClientCertificate, proof: Proof) {
    if let Some(why) = words::bad_path(&certificate.cert) {
        let message = format!("`{}` cannot be the file of the certificate: {why}", certificate.cert.escape_debug());
        let found = Diagnostic::error("path-outside", message);
        spot.report(
            checker,
            &["tls", "cert"],
            found.help("a PEM file below the repository's root, `certs/accord.pem`; the key is named beside it"),
        );
    }
    secret(checker, spot, &["tls", "key"], &certificate.key);
    if proof == Proof::Process {
        let found = Diagnostic::error("contradiction", "`tls` names a certificate, and there is no TLS over ldapi");
        spot.report(checker, &["tls"], found.help("remove `tls`, or write `ldaps://` URLs"));
    }
}

type Problem = (&'static str, String, &'static str);

fn one_url(url: &str, tls: Option<&Tls>) -> Result<(), Problem> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err((
            "bad-url",
            "the URL has no scheme".to_owned(),
            "write `ldaps://`, `ldap://` (StartTLS) or `ldapi://` before the host",
        ));
    };
    if rest.contains('@') {
        // Whatever stands there may be a password: it is not repeated.
        let help = "take name and password out of the URL; `bind` says where the password is";
        return Err(("secret-in-url", "the URL holds a name or a password".to_owned(), help));
    }
    match scheme {
        "ldapi" => {
            let path = !rest.is_empty() && rest.to_ascii_lowercase().starts_with("%2f");
            return if path {
                Ok(())
            } else {
                Err((
                    "bad-url",
                    format!("`{url}` names no socket"),
                    "the path is written with `%2F` for `/`: `ldapi://%2Frun%2Fslapd%2Fldapi`",
                ))
            };
        }
        "ldap" | "ldaps" => {}
        other => {
            let help = "one of `ldaps`, `ldap` (StartTLS) and `ldapi`";
            return Err(("bad-url", format!("`{other}` is no scheme of an LDAP server"), help));
        }
    }
    server(url, scheme, rest, tls)
}

/// Host and port of `ldap` and `ldaps`, and whether the connection may be as it is.
fn server(url: &str, scheme: &str, rest: &str, tls: Option<&Tls>) -> Result<(), Problem> {
    let (host, port) = host_and_port(rest).ok_or_else(|| {
        (
            "bad-url",
            format!("`{url}` has more than a host and a port"),
            "write `ldaps://ldap.example.com` or `ldaps://ldap.example.com:1636`; bases have settings of their own",
        )
    })?;
    if host.is_empty() || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(("bad-url", format!("`{}` names no host", url.escape_debug()), "write `ldaps://ldap.example.com`"));
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+') || port.parse() == Ok(0u16)) {
        return Err((
            "bad-url",
            format!("the port of `{url}` is no number from 1 to 65535"),
            "leave it out for 389 (`ldap`) or 636 (`ldaps`)",
        ));
    }
    if tls == Some(&Tls::None) && scheme == "ldap" && !is_loopback(host) {
        let message = format!("`tls: none` would send the password to `{host}` in the clear");
        return Err((
            "plain-ldap",
            message,
            "remove `tls: none` (StartTLS is used then), or write `ldaps://`; in the clear only to this machine",
        ));
    }
    if tls == Some(&Tls::None) && scheme == "ldaps" {
        return Err((
            "contradiction",
            "`ldaps://` and `tls: none` contradict each other".to_owned(),
            "remove `tls: none`",
        ));
    }
    Ok(())
}

/// Host without brackets, and the port's text; `None` where more is written.
fn host_and_port(rest: &str) -> Option<(&str, Option<&str>)> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return None;
    }
    if let Some(inside) = rest.strip_prefix('[') {
        let (host, after) = inside.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match rest.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((rest, None)),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A mechanism that rests on something else than a password.
fn sasl(checker: &mut Checker<'_>, spot: Spot<'_>, setting: &str, sasl: Sasl, of: Reached<'_>) {
    let found = match (sasl, of.proof) {
        (Sasl::External, Proof::Nothing) => Some((
            format!("`{setting}` says `external`, and nothing proves who that is"),
            "write `tls: { cert: FILE, key: { file: NAME } }` with `ldaps://` URLs, or `url: ldapi://%2F…`, or `dn` and \
             `password`",
        )),
        (Sasl::External, _) => None,
        (Sasl::Gssapi, _) => ticket(setting, of, cfg!(feature = "gssapi")),
    };
    if let Some((message, help)) = found {
        spot.report(checker, &[setting, "sasl"], Diagnostic::error("bad-bind", message).help(help));
    }
}

/// What is in the way of a bind by Kerberos ticket.
fn ticket(setting: &str, of: Reached<'_>, is_built: bool) -> Option<(String, &'static str)> {
    const NAMED: &str = "write `url: ldaps://HOST` with the name that the service's ticket is for";
    if of.proof == Proof::Process {
        let message = format!("`{setting}` says `gssapi`, and a local socket is no service of a realm");
        return Some((
            message,
            "write `url: ldaps://HOST` with the name that the service's ticket is for, or `sasl: external`",
        ));
    }
    let hosts = of.settings.url.iter().flat_map(Urls::iter).filter_map(|url| host_and_port(url.split_once("://")?.1));
    if let Some((host, _)) = { hosts }.find(|(host, _)| host.parse::<std::net::IpAddr>().is_ok()) {
        return Some((format!("`{setting}` says `gssapi`, and a ticket is for a name, not for `{host}`"), NAMED));
    }
    if of.settings.tls == Some(Tls::None) {
        let message = format!(
            "`{setting}` says `gssapi` with `tls: none`: the ticket proves who accord is and protects nothing else"
        );
        return Some((message, "remove `tls: none`"));
    }
    (!is_built).then(|| {
        (
            format!("`{setting}` says `gssapi`, and this accord was built without Kerberos"),
            "build it with `cargo build --release --features gssapi` (on Debian: apt-get install libkrb5-dev libclang-dev \
             pkg-config), or write `dn` and `password`",
        )
    })
}

fn bind(checker: &mut Checker<'_>, spot: Spot<'_>, setting: &str, bind: &Bind, of: Reached<'_>) {
    match (&bind.sasl, &bind.dn, &bind.password) {
        (Some(sasl), None, None) => self::sasl(checker, spot, setting, *sasl, of),
        (Some(_), _, _) => {
            let message = format!("`{setting}` has `sasl` and a name or password: only one of them counts");
            spot.report(
                checker,
                &[setting],
                Diagnostic::error("bad-bind", message).help("keep `sasl`, or `dn` with `password`"),
            );
        }
        (None, Some(_), None) => {
            let message = format!("`{setting}` has a `dn` without a `password`: servers take that for anonymous");
            spot.report(
                checker,
                &[setting],
                Diagnostic::error("bad-bind", message)
                    .help("write where the password is: `password: { env: CORP_BIND_PASSWORD }`"),
            );
        }
        (None, None, Some(_)) => {
            let message = format!("`{setting}` has a `password` without the `dn` that it belongs to");
            spot.report(
                checker,
                &[setting],
                Diagnostic::error("bad-bind", message).help("add `dn: \"cn=accord,ou=services,dc=example,dc=com\"`"),
            );
        }
        (None, None, None) => {
            let message = format!("`{setting}` says nothing");
            spot.report(
                checker,
                &[setting],
                Diagnostic::error("bad-bind", message).help("write `dn` and `password`, or `sasl: external`"),
            );
        }
        (None, Some(_), Some(_)) => {}
    }
    // A domain controller also takes `accord@example.com` and `EXAMPLE\\accord`.
    let active = of.settings.kind == ProviderKind::ActiveDirectory;
    let is_logon = |dn: &&str| active && dn.contains(['@', '\\']) && !dn.contains('=');
    if let Some(why) = bind.dn.as_deref().filter(|dn| !is_logon(dn)).and_then(words::bad_dn) {
        let diagnostic = Diagnostic::error("bad-dn", format!("this is no distinguished name: {why}"));
        spot.report(
            checker,
            &[setting, "dn"],
            diagnostic.help("write it from the entry up: `cn=accord,ou=services,dc=example,dc=com`"),
        );
    }
    if let Some(password) = &bind.password {
        secret(checker, spot, &[setting, "password"], password);
    }
}

/// A reference to a secret that could be one. Its text is never repeated: it may be
/// the secret itself, written in the wrong place.
pub(super) fn secret(checker: &mut Checker<'_>, spot: Spot<'_>, keys: &[&str], secret: &SecretRef) {
    let problem = match secret {
        SecretRef::Env(name) => {
            let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            (!word).then_some((
                "`env` holds the name of a variable, not the secret",
                "letters, digits and `_`: `{ env: CORP_BIND_PASSWORD }`",
            ))
        }
        SecretRef::File(path) => words::bad_path(path)
            .map(|_| ("`file` is a path inside `--secrets-dir`", "relative, without `..`: `{ file: corp/password }`")),
        SecretRef::Command(words) => words
            .first()
            .is_none_or(|program| program.trim().is_empty())
            .then_some(("`command` is empty", "a program and its arguments: `{ command: [pass, show, corp] }`")),
    };
    if let Some((message, help)) = problem {
        spot.report_line(checker, keys, Diagnostic::error("bad-secret", message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bind_by_ticket_says_what_is_in_its_way() {
        let told = |url: &str, tls: Option<&str>, proof, is_built| {
            let mut written = json!({ "kind": "active-directory", "url": url });
            if let Some(tls) = tls {
                written["tls"] = json!(tls);
            }
            let settings: DirectorySettings = serde_json::from_value(written).unwrap();
            ticket("bind", Reached { settings: &settings, proof }, is_built)
        };
        assert_eq!(told("ldaps://dc1.example.com", None, Proof::Nothing, true), None);
        assert_eq!(told("ldap://dc1.example.com:3389", None, Proof::Certificate, true), None);
        for (url, tls, proof, words) in [
            ("ldapi://%2Frun%2Fldapi", None, Proof::Process, "a local socket is no service of a realm"),
            ("ldaps://dc1 ldaps://127.0.0.1:636", None, Proof::Nothing, "a ticket is for a name, not for `127.0.0.1`"),
            ("ldaps://[2001:db8::1]", None, Proof::Nothing, "not for `2001:db8::1`"),
            ("ldap://localhost", Some("none"), Proof::Nothing, "the ticket proves who accord is"),
        ] {
            let (message, _) = told(url, tls, proof, true).unwrap();
            assert!(message.contains(words), "{message}");
        }
        let (message, help) = told("ldaps://dc1.example.com", None, Proof::Nothing, false).unwrap();
        assert_eq!(message, "`bind` says `gssapi`, and this accord was built without Kerberos");
        assert!(help.starts_with("build it with `cargo build --release --features gssapi`"), "{help}");
    }
}
