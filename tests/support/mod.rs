//! What the tests share: organisations, servers, proxies.
pub(crate) mod certificates;
pub(crate) mod checkers;
pub(crate) mod ds389;
pub(crate) mod fake_writer;
pub(crate) mod forges;
pub(crate) mod gate;
pub(crate) mod git_http;
#[cfg(feature = "gssapi")]
pub(crate) mod kerberos;
pub(crate) mod ldap;
pub(crate) mod model;
pub(crate) mod model_directory;
pub(crate) mod policies;
pub(crate) mod proxy;
pub(crate) mod reference;
pub(crate) mod samba;
pub(crate) mod server;
pub(crate) mod slapd;
pub(crate) mod strict;
pub(crate) mod web;

/// Copies a folder with everything below it, permissions included.
pub(crate) fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
