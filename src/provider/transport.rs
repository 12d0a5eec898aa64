//! What went wrong below a protocol, in words: sockets and TLS.
//!
//! Comes in: errors of the operating system and of rustls. Goes out: sentences, and what
//! to do next. Refuses: to guess; what it does not know is told in the error's own words.

use crate::model::Instant;
use rustls::CertificateError;

/// An I/O error in words; TLS errors hide inside.
pub(super) fn io(error: &std::io::Error) -> String {
    if let Some(error) = inner_tls(error) {
        return tls(error);
    }
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => {
            "the connection was reset by the server".to_owned()
        }
        std::io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        std::io::ErrorKind::NotFound => "there is no such socket or host".to_owned(),
        _ => error.to_string(),
    }
}

/// What to do about an I/O error.
pub(super) fn io_help(error: &std::io::Error) -> Vec<String> {
    let text = match inner_tls(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "renew the server's certificate; accord never connects without verifying it"
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "name the PEM file of the authority that signed it: `ca: FILE`"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "use a host name in `url` that the certificate carries"
            }
            _ => "have the server's certificate repaired; accord never connects without verifying it",
        },
        Some(_) => "check that this port speaks TLS and that the server offers TLS 1.2 or 1.3",
        None if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "check host and port in `url`, and that the server runs"
        }
        None => return Vec::new(),
    };
    vec![text.to_owned()]
}

/// Whether it is a certificate that is not accepted.
pub(super) fn is_certificate(error: &std::io::Error) -> bool {
    matches!(inner_tls(error), Some(rustls::Error::InvalidCertificate(_)))
}

fn inner_tls(error: &std::io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    // Some layers wrap an I/O error in another one.
    inner.downcast_ref::<rustls::Error>().or_else(|| inner_tls(inner.downcast_ref::<std::io::Error>()?))
}

/// A TLS error in words.
pub(super) fn tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired => "the server's certificate has expired".to_owned(),
            CertificateError::ExpiredContext { not_after, .. } => {
                let at = Instant::from_seconds(i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX));
                format!("the server's certificate expired at {at}")
            }
            // Another authority of the same name leaves a signature that does not fit.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the server's certificate is signed by an authority that is not trusted here".to_owned()
            }
            CertificateError::NotValidForName => "the server's certificate is for another name".to_owned(),
            CertificateError::NotValidForNameContext { expected, presented } => {
                format!("the server's certificate is for {}, not for `{}`", presented.join(", "), expected.to_str())
            }
            other => format!("the server's certificate is not valid: {other}"),
        },
        other => format!("TLS failed: {other}"),
    }
}
