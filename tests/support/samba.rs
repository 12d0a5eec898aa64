//! A real Samba Active Directory domain controller for one test: LDAP and LDAPS on
//! free loopback ports, stopped and deleted on drop.
//!
//! ```ignore
//! let dc = Samba::start();
//! dc.url();                                  // ldaps://127.0.0.1:PORT, signed by dc.ca()
//! dc.samba_tool(&["user", "list"]);
//! dc.tools().search(BASE, "(objectClass=user)", &["sAMAccountName"]);
//! ```
//!
//! The domain is provisioned once and copied for every test. Provisioning and the
//! server need root: without it these tests fail and say so.

use super::certificates::{self, Certificate};
use super::server::{Process, Tools, checked, is_root, template};
use super::slapd::free_port;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The domain's naming context.
pub(crate) const BASE: &str = "DC=example,DC=com";
/// The domain's administrator, as a user principal name, and the password.
pub(crate) const ADMINISTRATOR: (&str, &str) = ("administrator@example.com", "Passw0rd-Example1");
/// The DN of [`ADMINISTRATOR`].
pub(crate) const ADMINISTRATOR_DN: &str = "CN=Administrator,CN=Users,DC=example,DC=com";

const SHIM: &str = include_str!("portshim.c");
const PROVISION: &[&str] = &[
    "domain",
    "provision",
    "--configfile=/dev/null",
    "--realm=EXAMPLE.COM",
    "--domain=EXAMPLE",
    "--host-name=dc1",
    "--host-ip=127.0.0.1",
    "--server-role=dc",
    "--dns-backend=NONE",
    "--use-rfc2307",
    "--backend-store=tdb",
    "--option=ldb:nosync=yes",
    "--option=interfaces=127.0.0.1/8",
    "--option=bind interfaces only=yes",
];

/// A running (or stopped) domain controller.
pub(crate) struct Samba {
    process: Process,
    dir: TempDir,
    port: u16,
    tls_port: u16,
    /// Of its key distribution centre, where it is one.
    kdc_port: Option<u16>,
}

impl Samba {
    /// Copies the domain and waits until the server answers.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// As [`Self::start`], with further lines in the section `[global]` of smb.conf.
    pub(crate) fn start_with(global: &str) -> Self {
        Self::copied(global).launched()
    }

    /// As [`Self::start_with`], and it is the realm's key distribution centre too.
    #[cfg(feature = "gssapi")]
    pub(crate) fn start_realm(global: &str) -> Self {
        let mut server = Self::copied(&format!("  server services = ldap, kdc\n{global}"));
        server.kdc_port = Some(free_port());
        server.launched()
    }

    fn copied(global: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("accord-samba-").tempdir().unwrap();
        let from = provisioned();
        // `-a` keeps what Samba insists on: owners, modes, extended attributes.
        let copy = Command::new("cp").arg("-a").arg(from.join(".")).arg(dir.path()).output().unwrap();
        checked("cp", &copy);
        certificates::write(dir.path(), Certificate::Good);
        // Samba refuses a key that others may read.
        let key = dir.path().join("server.key");
        checked("chmod", &Command::new("chmod").arg("600").arg(key).output().unwrap());
        std::fs::write(dir.path().join("smb.conf"), configuration(dir.path(), global)).unwrap();
        Self { process: Process::default(), dir, port: 0, tls_port: 0, kdc_port: None }
    }

    fn launched(mut self) -> Self {
        for _ in 0..5 {
            (self.port, self.tls_port) = (free_port(), free_port());
            self.kdc_port = self.kdc_port.map(|_| free_port());
            if self.launch() {
                return self;
            }
        }
        panic!("samba did not start: {}", self.log());
    }

    /// `ldaps://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// `ldap://127.0.0.1:PORT`: simple binds are refused there before StartTLS.
    pub(crate) fn plain_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// Port of `ldap://`.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Port of `ldaps://`.
    pub(crate) fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Port of its key distribution centre.
    #[cfg(feature = "gssapi")]
    pub(crate) fn kdc_port(&self) -> u16 {
        self.kdc_port.unwrap()
    }

    /// PEM file of the authority that signed the server's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The server's own directory, for further files of the test.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// OpenLDAP's tools bound as [`ADMINISTRATOR`] over TLS.
    pub(crate) fn tools(&self) -> Tools {
        let (who, password) = (ADMINISTRATOR.0.to_owned(), ADMINISTRATOR.1.to_owned());
        Tools { url: self.url(), ca: self.ca(), who, password }
    }

    /// Whether somebody (DN, UPN or `EXAMPLE\name`) can bind over TLS.
    pub(crate) fn can_bind(&self, who: &str, password: &str) -> bool {
        self.tools().bound(who, password).can_bind()
    }

    /// Runs `samba-tool` on the domain's own database, past LDAP and accord; its
    /// output. Works while the server is stopped too. Takes about a second.
    pub(crate) fn samba_tool(&self, arguments: &[&str]) -> String {
        let conf = self.dir.path().join("smb.conf");
        let mut command = Command::new("samba-tool");
        command.args(arguments).arg(format!("--configfile={}", conf.display()));
        checked("samba-tool", &command.output().unwrap())
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }

    /// Stops it as a power cut would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same ports with the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        assert!(self.launch(), "samba did not start again: {}", self.log());
    }

    /// What the server printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("samba.log")).unwrap_or_default()
    }

    fn launch(&mut self) -> bool {
        let dir = self.dir.path();
        let mut command = Command::new("/usr/sbin/samba");
        // One process, so that ending it ends all; it ends by itself when the test is gone.
        command.args(["--interactive", "--model=single", "--no-process-group", "--debug-stdout"]);
        command.arg(format!("--configfile={}", dir.join("smb.conf").display()));
        command.env("LD_PRELOAD", dir.join("portshim.so"));
        let Self { port, tls_port, kdc_port, .. } = *self;
        let kdc = kdc_port.map(|kdc| format!(" 88:{kdc} 464:0")).unwrap_or_default();
        command.env("PORTSHIM", format!("389:{port} 636:{tls_port} 3268:0 3269:0{kdc}"));
        let ports: Vec<u16> = [port, tls_port].into_iter().chain(kdc_port).collect();
        self.process.launch(&mut command, &dir.join("samba.log"), &ports)
    }
}

/// The provisioned domain, made when there is none yet.
fn provisioned() -> PathBuf {
    assert!(is_root(), "a Samba domain controller needs root: run tests/run as root, or inside a container");
    let version = Command::new("samba-tool").arg("--version").output();
    let version = version.expect("samba-tool is not installed: tests/run installs it").stdout;
    let version = String::from_utf8_lossy(&version);
    let made_of = [&[version.as_ref(), SHIM, ADMINISTRATOR.1][..], PROVISION].concat();
    template("samba", &made_of, |folder| {
        let mut command = Command::new("samba-tool");
        command.args(PROVISION).arg(format!("--adminpass={}", ADMINISTRATOR.1));
        checked("samba-tool", &command.arg(format!("--targetdir={}", folder.display())).output().unwrap());
        let source = folder.join("portshim.c");
        std::fs::write(&source, SHIM).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.join("portshim.so")).arg(&source).arg("-ldl");
        checked("cc", &command.output().expect("cc is not installed: tests/run installs it"));
    })
}

fn configuration(dir: &Path, global: &str) -> String {
    let at = dir.display();
    format!(
        "[global]
  netbios name = DC1
  realm = EXAMPLE.COM
  workgroup = EXAMPLE
  server role = active directory domain controller
  server services = ldap
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  disable netbios = yes
  rpc start on demand helpers = no
  idmap_ldb:use rfc2307 = yes
  ldb:nosync = yes
  private dir = {at}/private
  state directory = {at}/state
  cache directory = {at}/cache
  binddns dir = {at}/bind-dns
  lock directory = {at}
  pid directory = {at}
  ncalrpc dir = {at}/ncalrpc
  winbindd socket directory = {at}/winbindd
  ntp signd socket directory = {at}/ntp_signd
  log file = {at}/samba.log.%m
  tls enabled = yes
  tls keyfile = {at}/server.key
  tls certfile = {at}/server.pem
  tls cafile = {at}/ca.pem
{global}
[sysvol]
  path = {at}/state/sysvol
  read only = no
"
    )
}

#[test]
fn a_domain_controller_starts_answers_restarts_and_goes_away() {
    let mut dc = Samba::start();
    assert!(dc.can_bind(ADMINISTRATOR.0, ADMINISTRATOR.1) && dc.can_bind(ADMINISTRATOR_DN, ADMINISTRATOR.1));
    assert!(!dc.can_bind(ADMINISTRATOR.0, "wrong"));
    assert_ne!(dc.port(), dc.tls_port());
    assert!(dc.plain_url().ends_with(&dc.port().to_string()));
    dc.tools().modify(&format!("dn: OU=People,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n"));
    dc.samba_tool(&["user", "create", "ada", "Long-Enough-1!", "--userou=OU=People", "--given-name=Ada"]);
    let ada = format!("CN=Ada,OU=People,{BASE}");
    assert_eq!(dc.tools().values(&ada, "sAMAccountName"), ["ada"]);
    assert!(dc.can_bind("ada@example.com", "Long-Enough-1!"));
    dc.kill();
    assert_eq!(dc.pid(), None);
    dc.restart();
    let people = dc.tools().search(&format!("OU=People,{BASE}"), "(objectClass=user)", &["userAccountControl"]);
    assert!(people.contains(&format!("dn: {ada}\n")) && people.contains("userAccountControl: 512"), "{people}");
    assert!(dc.dir().join("private/sam.ldb").exists());
}

#[test]
fn two_domain_controllers_are_two_domains_and_the_ldap_library_binds_to_both() {
    let (one, two) = (Samba::start(), Samba::start());
    one.tools().modify(&format!("dn: OU=Only,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n"));
    for (dc, there) in [(&one, 1), (&two, 0)] {
        let found = super::ldap::block_on(async {
            let config = super::ldap::tls(&dc.ca());
            let settings = ldap3::LdapConnSettings::new().set_config(config);
            let (driver, mut ldap) = ldap3::LdapConnAsync::with_settings(settings, &dc.url()).await.unwrap();
            tokio::spawn(async move { driver.drive().await });
            ldap.simple_bind(ADMINISTRATOR.0, ADMINISTRATOR.1).await.unwrap().success().unwrap();
            let filter = "(ou=Only)";
            let (found, _) =
                ldap.search(BASE, ldap3::Scope::OneLevel, filter, ["1.1"]).await.unwrap().success().unwrap();
            found.len()
        });
        assert_eq!(found, there);
    }
}
