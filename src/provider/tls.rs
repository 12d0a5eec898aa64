//! Which certification authorities count, and which certificate accord shows.
//!
//! Comes in: the `ca` setting, the certificate and key of `tls`. Goes out: a rustls
//! client configuration that verifies, and which certificate it shows. LDAP and HTTP use the same. Refuses: to connect
//! without verifying, to mix a private authority with the system's, and a key that is not the certificate's.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is wrong, and what to do.
pub(super) type Complaint = (String, &'static str);

/// A client's side of TLS.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) config: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
    /// SHA-256 of the certificate that is shown, in hexadecimal; empty without one.
    pub(super) certificate: String,
}

/// The configuration: only `ca` where given, otherwise the system's authorities; `own`
/// is the file of accord's certificate and its key.
///
/// # Errors
/// What is wrong with a file, the key or the system's store, and what to do.
pub(super) fn client(ca: Option<&Path>, own: Option<(PathBuf, Option<&SecretString>)>) -> Result<Client, Complaint> {
    let authority = |message| (message, "name a PEM file of the authority: `ca: FILE`");
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => add_file(&mut roots, path).map_err(authority)?,
        None => add_system(&mut roots).map_err(authority)?,
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|e| (format!("TLS cannot be set up: {e}"), "update accord"))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| (format!("TLS cannot be set up: {e}"), "update accord"))?
        .with_webpki_verifier(Arc::clone(&verifier));
    let Some((path, key)) = own else {
        return Ok(Client { config: Arc::new(config.with_no_client_auth()), verifier, certificate: String::new() });
    };
    let chain = certificates(&path, "tls.cert")
        .map_err(|message| (message, "name the PEM file of accord's certificate: `tls: { cert: FILE, key: … }`"))?;
    let key = key.map_or("", |key| key.expose_secret());
    // What is wrong with a key is never told in more words: they could be the key's.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| ("the key of `tls.key` is no private key in PEM".to_owned(), "give it unencrypted, in PKCS #8"))?;
    let certificate = chain.first().map_or_else(String::new, digest);
    let config = config.with_client_auth_cert(chain, key).map_err(|_| {
        let message = format!("the key of `tls.key` is not that of the certificate in `{}`", path.display());
        (message, "name certificate and key that were made together")
    })?;
    Ok(Client { config: Arc::new(config), verifier, certificate })
}

impl Client {
    /// The same configuration for a server that is known by its address, whatever name
    /// a library asks for: the LDAP library (0.12.1) takes `[::1]` for no name at all.
    pub(super) fn held_to(&self, address: Ipv6Addr) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        let verifier = ByAddress { verifier: Arc::clone(&self.verifier), address: IpAddr::V6(address).into() };
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        // Addresses are not sent as names (RFC 6066 §3).
        config.enable_sni = false;
        Arc::new(config)
    }
}

/// Verifies as ever, with the address in place of the name.
#[derive(Debug)]
struct ByAddress {
    verifier: Arc<WebPkiServerVerifier>,
    address: ServerName<'static>,
}

impl ServerCertVerifier for ByAddress {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier.verify_server_cert(end_entity, intermediates, &self.address, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn digest(certificate: &CertificateDer<'static>) -> String {
    Sha256::digest(certificate).iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    for certificate in certificates(path, "ca")? {
        let unusable = |e| format!("a certificate in `{}` cannot be used: {e}", path.display());
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(())
}

fn certificates(path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|e| format!("the file `{shown}` of `{setting}` cannot be read: {e}"))?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let list = list.map_err(|e| format!("the file `{shown}` of `{setting}` is no PEM file: {e}"))?;
    if list.is_empty() {
        return Err(format!("the file `{shown}` of `{setting}` holds no certificate"));
    }
    Ok(list)
}

fn add_system(roots: &mut RootCertStore) -> Result<(), String> {
    let found = rustls_native_certs::load_native_certs();
    // A system store usually holds a few certificates that no verifier takes.
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("the system's certification authorities were not found".to_owned());
    }
    Ok(())
}
