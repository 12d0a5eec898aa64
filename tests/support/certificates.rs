//! Certificates for servers that tests start: a private authority and what it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::path::{Path, PathBuf};

/// What is wrong with a server's certificate, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Certificate {
    /// Valid for `localhost`, `127.0.0.1` and `::1`.
    #[default]
    Good,
    /// Valid until 2001.
    Expired,
    /// Valid for `elsewhere.example.com` only.
    OtherName,
}

/// Paths of a server's PEM files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// What a client shows whose name is `CN=accord`, signed by the same authority.
    pub(crate) client: PathBuf,
    pub(crate) client_key: PathBuf,
}

/// Makes an authority, one server certificate and one client certificate in `dir`.
pub(crate) fn write(dir: &Path, sort: Certificate) -> Files {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(DnType::CommonName, "accord test authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let names = match sort {
        Certificate::OtherName => vec!["elsewhere.example.com".to_owned()],
        _ => ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
    };
    let mut server = CertificateParams::new(names).unwrap();
    server.distinguished_name.push(DnType::CommonName, "localhost");
    if sort == Certificate::Expired {
        server.not_before = date_time_ymd(2000, 1, 1);
        server.not_after = date_time_ymd(2001, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let pem = server.signed_by(&key, &issuer).unwrap().pem();
    let mut client = CertificateParams::new(Vec::new()).unwrap();
    client.distinguished_name = DistinguishedName::new();
    client.distinguished_name.push(DnType::CommonName, "accord");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = KeyPair::generate().unwrap();
    let client = client.signed_by(&client_key, &issuer).unwrap().pem();
    let at = |name: &str| dir.join(name);
    let files = Files {
        ca: at("ca.pem"),
        certificate: at("server.pem"),
        key: at("server.key"),
        client: at("client.pem"),
        client_key: at("client.key"),
    };
    std::fs::write(&files.client, client).unwrap();
    std::fs::write(&files.client_key, client_key.serialize_pem()).unwrap();
    std::fs::write(&files.ca, ca_pem).unwrap();
    std::fs::write(&files.certificate, pem).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

#[test]
fn every_sort_of_certificate_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for sort in [Certificate::Good, Certificate::Expired, Certificate::OtherName] {
        let files = write(dir.path(), sort);
        for path in [files.ca, files.certificate, files.key] {
            assert!(std::fs::read_to_string(path).unwrap().starts_with("-----BEGIN "));
        }
    }
}
