//! Which certification authorities count.
//!
//! Comes in: the `ca` setting. Goes out: a rustls client configuration that
//! verifies. Refuses: to connect without verifying, and to mix a private authority
//! with the system's.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The configuration: only `ca` where given, otherwise the system's authorities.
///
/// # Errors
/// What is wrong with the file or the system's store, in words.
pub(super) fn client(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => add_file(&mut roots, path)?,
        None => add_system(&mut roots)?,
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|e| format!("the file `{shown}` of `ca` cannot be read: {e}"))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| format!("the file `{shown}` of `ca` is no PEM file: {e}"))?;
        roots.add(certificate).map_err(|e| format!("a certificate in `{shown}` cannot be used: {e}"))?;
    }
    if roots.is_empty() {
        return Err(format!("the file `{shown}` of `ca` holds no certificate"));
    }
    Ok(())
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
