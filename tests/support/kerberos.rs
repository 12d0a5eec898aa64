//! A user of a Kerberos realm: a configuration that knows one key distribution centre,
//! and credential caches made by `kinit`.

use super::samba::Samba;
use super::server::checked;
use super::slapd::free_port;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const CLOCK: &str = include_str!("clockshim.c");

/// The realm as one machine sees it.
pub(crate) struct Realm {
    folder: TempDir,
}

impl Realm {
    /// The realm whose centre `dc` is.
    pub(crate) fn of(dc: &Samba) -> Self {
        let realm = Self { folder: tempfile::tempdir().unwrap() };
        realm.configure("krb5.conf", "EXAMPLE.COM", "EXAMPLE.COM", dc.kdc_port());
        // Nobody answers there.
        realm.configure("nobody.conf", "EXAMPLE.COM", "EXAMPLE.COM", free_port());
        realm.configure("other.conf", "OTHER.ORG", "EXAMPLE.COM", dc.kdc_port());
        realm.configure("unknown.conf", "EXAMPLE.COM", "OTHER.ORG", dc.kdc_port());
        realm
    }

    /// Another view of it: the default realm, and the realm of which the centre is known.
    pub(crate) fn configure(&self, name: &str, default: &str, known: &str, port: u16) {
        let text = format!(
            "[libdefaults]\n default_realm = {default}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
             udp_preference_limit = 1\n[realms]\n {known} = {{\n  kdc = 127.0.0.1:{port}\n }}\n"
        );
        std::fs::write(self.file(name), text).unwrap();
    }

    /// A file of this machine: a view of the realm, a cache.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gets tickets for somebody into a cache, for so long.
    pub(crate) fn kinit(&self, (principal, password): (&str, &str), cache: &str, lifetime: &str) {
        let mut command = Command::new("kinit");
        command.args(["-l", lifetime, principal]);
        self.known_to(&mut command, "krb5.conf", cache);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kinit is not installed: tests/run installs krb5-user");
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        checked("kinit", &child.wait_with_output().unwrap());
    }

    /// Shows a command one view of the realm and one cache.
    pub(crate) fn known_to(&self, command: &mut Command, view: &str, cache: &str) {
        command.env("KRB5_CONFIG", self.file(view));
        command.env("KRB5CCNAME", format!("FILE:{}", self.file(cache).display()));
    }

    /// A library that makes Kerberos' clock an hour fast, for `LD_PRELOAD`.
    pub(crate) fn fast_clock(&self) -> PathBuf {
        let (source, library) = (self.file("clockshim.c"), self.file("clockshim.so"));
        std::fs::write(&source, CLOCK).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        checked("cc", &command.output().unwrap());
        library
    }
}
