//! A real 389 Directory Server for one test: own temporary directory, free loopback
//! ports, killed and deleted on drop.
//!
//! ```ignore
//! let server = Ds389::start(&Options { seed: people_ldif("p", 3), ..Options::default() });
//! server.url();   // ldaps://127.0.0.1:PORT, certificate signed by server.ca()
//! ```
//!
//! Its configuration is the one that `dscreate` writes, made here from the package's
//! own template in one step. Suffix, people and groups are those of
//! [`super::slapd`], and so are the identities that accord binds as.

use super::certificates::{self, Certificate};
use super::server::{Process, Tools, checked, template};
use super::slapd::{READER, SUFFIX, WRITER, free_port};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// No access control, no limits.
pub(crate) const MANAGER: (&str, &str) = ("cn=Directory Manager", "manager-secret");

const PACKAGE: &str = "/usr/share/dirsrv/data/template-dse.ldif";
/// Stands for the instance's own folder in the template.
const FOLDER: &str = "/accord-389-folder";

/// What a server is like.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "one switch per plug-in")]
pub(crate) struct Options {
    /// Keeps `memberOf` on accounts.
    pub(crate) memberof: bool,
    /// Removes members whose entry is deleted, follows those that are renamed.
    pub(crate) refint: bool,
    /// Retro changelog below `cn=changelog`, which [`READER`] reads, and with it content
    /// synchronisation (RFC 4533).
    pub(crate) changelog: bool,
    /// Numbers every change (`entryUSN`, `lastusn` in the root DSE).
    pub(crate) usn: bool,
    /// Entries per search, and per page, for [`READER`]; `None` is unlimited.
    pub(crate) size_limit: Option<u32>,
    /// Entries looked at per search, paged or not, for [`READER`]; `None` is unlimited.
    pub(crate) look_through: Option<u32>,
    /// The server's certificate.
    pub(crate) certificate: Certificate,
    /// Further `aci` values on the suffix.
    pub(crate) aci: Vec<String>,
    /// LDIF of entries added after the base entries, by [`MANAGER`].
    pub(crate) seed: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memberof: true,
            refint: true,
            changelog: false,
            usn: false,
            size_limit: None,
            look_through: None,
            certificate: Certificate::Good,
            aci: Vec::new(),
            seed: String::new(),
        }
    }
}

/// A running (or stopped) server.
pub(crate) struct Ds389 {
    process: Process,
    dir: TempDir,
    port: u16,
    tls_port: u16,
}

impl Ds389 {
    /// Copies the template, starts it, seeds it.
    pub(crate) fn start(options: &Options) -> Self {
        let from = prepared();
        for _ in 0..5 {
            let dir = tempfile::Builder::new().prefix("accord-389-").tempdir().unwrap();
            super::copy_folder(&from, dir.path());
            if options.certificate != Certificate::Good {
                let etc = dir.path().join("etc");
                for file in ["cert9.db", "key4.db", "pkcs11.txt"] {
                    std::fs::remove_file(etc.join(file)).unwrap();
                }
                key_database(dir.path(), &etc, options.certificate);
            }
            let mut server = Self { process: Process::default(), dir, port: free_port(), tls_port: free_port() };
            let file = server.dir.path().join("etc/dse.ldif");
            let dse = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, configured(&dse, &server, options)).unwrap();
            if server.launch() {
                server.seed(options);
                return server;
            }
            let log = server.log();
            assert!(!log.contains("ERR") || log.contains("in use"), "389-ds did not start: {log}");
        }
        panic!("389-ds found no free ports");
    }

    fn seed(&self, options: &Options) {
        let mut ldif = String::new();
        let unlimited = |limit: Option<u32>| limit.map_or_else(|| "-1".to_owned(), |n| n.to_string());
        write!(ldif, "dn: {}\nchangetype: modify\n", READER.0).unwrap();
        for (attribute, limit) in [
            ("nsSizeLimit", options.size_limit),
            ("nsPagedSizeLimit", options.size_limit),
            ("nsLookThroughLimit", options.look_through),
            ("nsPagedLookThroughLimit", options.look_through),
        ] {
            writeln!(ldif, "replace: {attribute}\n{attribute}: {}\n-", unlimited(limit)).unwrap();
        }
        ldif.push('\n');
        if options.changelog {
            write!(ldif, "dn: cn=changelog\nchangetype: modify\nadd: aci\naci: {}\n\n", reads("!= \"changes\""))
                .unwrap();
        }
        for aci in &options.aci {
            write!(ldif, "dn: {SUFFIX}\nchangetype: modify\nadd: aci\naci: {aci}\n\n").unwrap();
        }
        ldif.push_str(&options.seed);
        self.tools().modify(&ldif);
    }

    /// `ldaps://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// `ldap://127.0.0.1:PORT`: StartTLS, or nothing.
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

    /// OpenLDAP's tools bound as [`MANAGER`].
    pub(crate) fn tools(&self) -> Tools {
        let (who, password) = (MANAGER.0.to_owned(), MANAGER.1.to_owned());
        Tools { url: self.plain_url(), ca: self.ca(), who, password }
    }

    /// Whether a simple bind succeeds.
    pub(crate) fn can_bind(&self, dn: &str, password: &str) -> bool {
        self.tools().bound(dn, password).can_bind()
    }

    /// Stops it in order; takes about two seconds.
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
        assert!(self.launch(), "389-ds did not start again: {}", self.log());
    }

    /// What the server wrote.
    pub(crate) fn log(&self) -> String {
        let text = |name: &str| std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        text("log/errors") + &text("server.log")
    }

    fn launch(&mut self) -> bool {
        let (dir, ports) = (self.dir.path(), [self.port, self.tls_port]);
        launch(&mut self.process, dir, &ports)
    }
}

fn launch(process: &mut Process, dir: &Path, ports: &[u16]) -> bool {
    let mut command = Command::new("/usr/sbin/ns-slapd");
    command.arg("-D").arg(dir.join("etc")).arg("-i").arg(dir.join("run/pid")).args(["-d", "0"]);
    process.launch(&mut command, &dir.join("server.log"), ports)
}

/// An instance with the base entries, stopped; made when there is none yet.
fn prepared() -> PathBuf {
    let package = std::fs::read_to_string(PACKAGE).expect("389-ds-base is not installed: tests/run installs it");
    let base = base_entries();
    let made_of = [include_str!("ds389.rs"), &package, &base];
    template("389", &made_of, |folder| {
        for part in ["etc/schema", "db", "log", "run", "lock", "tmp", "ldif", "bak"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        let etc = folder.join("etc");
        for file in ["config/certmap.conf", "config/slapd-collations.conf", "schema/99user.ldif"] {
            let to = etc.join(file.strip_prefix("config/").unwrap_or(file));
            std::fs::copy(Path::new("/etc/dirsrv").join(file), to).unwrap();
        }
        key_database(folder, &etc, Certificate::Good);
        let (port, tls_port) = (free_port(), free_port());
        let dse = blank(&package).replace(FOLDER, &folder.display().to_string());
        std::fs::write(etc.join("dse.ldif"), with_ports(&dse, port, tls_port)).unwrap();
        let mut process = Process::default();
        let log = || std::fs::read_to_string(folder.join("log/errors")).unwrap_or_default();
        assert!(launch(&mut process, folder, &[port, tls_port]), "389-ds did not start: {}", log());
        let (who, password) = (MANAGER.0.to_owned(), MANAGER.1.to_owned());
        let tools = Tools { url: format!("ldap://127.0.0.1:{port}"), ca: folder.join("ca.pem"), who, password };
        tools.modify(&base);
        process.stop();
        // The server keeps its configuration in this file; here it is made a template again.
        let dse = std::fs::read_to_string(etc.join("dse.ldif")).unwrap().replace("\n ", "");
        std::fs::write(etc.join("dse.ldif"), dse.replace(&folder.display().to_string(), FOLDER)).unwrap();
        // Shared memory of the database; every start makes it anew.
        for number in 1..=3 {
            let _ = std::fs::remove_file(folder.join(format!("db/__db.00{number}")));
        }
    })
}

/// Authority, certificate and key in the form that the server's library (NSS) reads.
fn key_database(folder: &Path, etc: &Path, sort: Certificate) {
    let files = certificates::write(folder, sort);
    let (db, p12) = (etc.display().to_string(), folder.join("server.p12").display().to_string());
    let path = |path: &Path| path.display().to_string();
    let (key, pem, ca) = (path(&files.key), path(&files.certificate), path(&files.ca));
    let name = "Server-Cert";
    for (program, arguments) in [
        ("certutil", &["-N", "-d", &db, "--empty-password"][..]),
        (
            "openssl",
            &["pkcs12", "-export", "-in", &pem, "-inkey", &key, "-name", name, "-passout", "pass:", "-out", &p12],
        ),
        ("pk12util", &["-i", &p12, "-d", &db, "-W", "", "-K", ""]),
        ("certutil", &["-A", "-d", &db, "-n", "authority", "-t", "CT,,", "-a", "-i", &ca]),
    ] {
        let output = Command::new(program).args(arguments).output();
        checked(program, &output.unwrap_or_else(|e| panic!("{program} is missing ({e}): tests/run installs it")));
    }
}

/// The package's template with everything filled in but the ports.
fn blank(package: &str) -> String {
    let user = checked("id", &Command::new("id").arg("-un").output().unwrap());
    let mut dse = package.to_owned();
    for (name, value) in [
        ("schema_dir", "/etc/schema"),
        ("lock_dir", "/lock"),
        ("tmp_dir", "/tmp"),
        ("cert_dir", "/etc"),
        ("ldif_dir", "/ldif"),
        ("bak_dir", "/bak"),
        ("run_dir", "/run"),
        ("inst_dir", "/inst"),
        ("log_dir", "/log"),
        ("config_dir", "/etc"),
        ("db_dir", "/db"),
        ("db_home_dir", "/db"),
        ("ldapi", "/ldapi"),
    ] {
        dse = dse.replace(&format!("%{name}%"), &format!("{FOLDER}{value}"));
    }
    let password = format!("{{CLEAR}}{}", MANAGER.1);
    for (name, value) in [
        ("fqdn", "localhost"),
        ("ds_user", user.trim()),
        ("rootdn", MANAGER.0),
        ("ds_passwd", password.as_str()),
        ("ldapi_enabled", "off"),
        ("ldapi_autobind", "off"),
        ("ds_suffix", SUFFIX),
        ("db_lib", "bdb"),
        ("ds_port", "389"),
    ] {
        dse = dse.replace(&format!("%{name}%"), value);
    }
    for (attribute, value) in [
        ("nsslapd-listenhost", "127.0.0.1"),
        ("nsslapd-securelistenhost", "127.0.0.1"),
        ("nsslapd-security", "on"),
        // Seeded passwords are checked thousands of times and protect nothing.
        ("passwordStorageScheme", "CLEAR"),
        ("nsslapd-accesslog-logging-enabled", "off"),
    ] {
        dse = set(&dse, "cn=config", attribute, value);
    }
    dse.truncate(dse.trim_end().len());
    dse.push_str("\n\n");
    dse.push_str(BACKEND);
    dse
}

/// Small caches, and no waiting for the disk.
const BACKEND: &str = "\
dn: cn=bdb,cn=config,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
cn: bdb
nsslapd-cache-autosize: 0
nsslapd-dbcachesize: 2000000
nsslapd-db-durable-transaction: off
nsslapd-db-logfile-size: 1000000

dn: cn=userRoot,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userRoot
nsslapd-suffix: dc=example,dc=com
nsslapd-cachememsize: 20000000

dn: cn=\"dc=example,dc=com\",cn=mapping tree,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsMappingTree
cn: dc=example,dc=com
nsslapd-state: backend
nsslapd-backend: userRoot
";

/// One attribute of one entry of the configuration replaced.
fn set(dse: &str, dn: &str, attribute: &str, value: &str) -> String {
    let mut out = String::with_capacity(dse.len() + 64);
    let (mut inside, mut found) = (false, false);
    for line in dse.lines() {
        let lower = line.to_ascii_lowercase();
        if let Some(name) = lower.strip_prefix("dn: ") {
            inside = name == dn.to_ascii_lowercase();
        }
        if inside && lower.starts_with(&format!("{}:", attribute.to_ascii_lowercase())) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if inside && lower.starts_with("dn: ") {
            writeln!(out, "{attribute}: {value}").unwrap();
            found = true;
        }
    }
    assert!(found, "there is no `{dn}` in\n{dse}");
    out
}

fn with_ports(dse: &str, port: u16, tls_port: u16) -> String {
    let dse = set(dse, "cn=config", "nsslapd-port", &port.to_string());
    set(&dse, "cn=config", "nsslapd-securePort", &tls_port.to_string())
}

fn configured(dse: &str, server: &Ds389, options: &Options) -> String {
    let mut dse = dse.replace(FOLDER, &server.dir.path().display().to_string());
    let switch = |on| if on { "on" } else { "off" };
    for (plugin, wanted) in [
        ("MemberOf Plugin", options.memberof),
        ("referential integrity postoperation", options.refint),
        ("Retro Changelog Plugin", options.changelog),
        ("Content Synchronization", options.changelog),
        ("USN", options.usn),
    ] {
        dse = set(&dse, &format!("cn={plugin},cn=plugins,cn=config"), "nsslapd-pluginEnabled", switch(wanted));
    }
    if options.changelog {
        let log = "cn=Retro Changelog Plugin,cn=plugins,cn=config";
        dse = set(&dse, log, "nsslapd-attribute", "nsuniqueid:targetUniqueId");
        dse = set(&dse, log, "aci", &reads("= \"*\""));
    }
    let memberof = "cn=MemberOf Plugin,cn=plugins,cn=config";
    dse = set(&dse, memberof, "memberOfAutoAddOC", "nsMemberOf");
    with_ports(&dse, server.port, server.tls_port)
}

/// What lets [`READER`] read attributes.
fn reads(attributes: &str) -> String {
    format!(
        "(targetattr {attributes})(version 3.0; acl \"accord reads\"; allow (read, search, compare) userdn = \"ldap:///{}\";)",
        READER.0
    )
}

/// The suffix with its rights, the units, and who accord binds as.
fn base_entries() -> String {
    let aci = |name: &str, what: &str, rights: &str, who: &str| {
        format!("aci: (targetattr {what})(version 3.0; acl \"{name}\"; allow ({rights}) userdn = \"ldap:///{who}\";)\n")
    };
    let mut text = format!("dn: {SUFFIX}\nchangetype: add\nobjectClass: domain\ndc: example\n");
    let hidden = "!= \"userPassword || aci\"";
    text.push_str(&aci("accord reads", hidden, "read, search, compare", READER.0));
    text.push_str(&aci("accord writes", hidden, "read, search, compare, write, add, delete", WRITER.0));
    text.push_str(&aci("accord sets passwords", "= \"userPassword\"", "write", WRITER.0));
    text.push('\n');
    for unit in ["people", "groups", "services"] {
        write!(text, "dn: ou={unit},{SUFFIX}\nchangetype: add\nobjectClass: organizationalUnit\nou: {unit}\n\n")
            .unwrap();
    }
    for (dn, password) in [WRITER, READER] {
        let name = dn.split(['=', ',']).nth(1).unwrap();
        write!(
            text,
            "dn: {dn}\nchangetype: add\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: {name}\n\
             userPassword: {password}\n\n"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_server_starts_answers_restarts_and_goes_away() {
    use super::slapd::{GROUPS, PEOPLE, group_ldif, people_ldif};
    let seed = people_ldif("p", 3) + &group_ldif("g", "p", 0..2);
    let mut server = Ds389::start(&Options { seed, changelog: true, usn: true, ..Options::default() });
    assert!(server.can_bind(WRITER.0, WRITER.1) && server.can_bind(READER.0, READER.1));
    assert!(!server.can_bind(READER.0, "wrong"));
    assert_ne!(server.port(), server.tls_port());
    let group = format!("cn=g,{GROUPS}");
    assert_eq!(server.tools().values(&group, "member").len(), 2);
    let over_tls = Tools { url: server.url(), ..server.tools().bound(READER.0, READER.1) };
    assert_eq!(over_tls.values(&format!("uid=p1,{PEOPLE}"), "memberOf"), std::slice::from_ref(&group));
    let record = format!("dn: {group}\nchangetype: modify\nadd: member\nmember: uid=p2,{PEOPLE}\n");
    assert_eq!(over_tls.try_modify(&record).status.code(), Some(50), "a reader writes nothing");
    server.tools().bound(WRITER.0, WRITER.1).modify(&record);
    server.kill();
    assert_eq!(server.pid(), None);
    server.restart();
    assert_eq!(server.tools().values(&group, "member").len(), 3, "{}", server.log());
    let people = server.tools().search(PEOPLE, "(objectClass=inetOrgPerson)", &["uid"]);
    assert_eq!(people.matches("dn: uid=").count(), 3);
    assert_ne!(server.tools().values("", "lastchangenumber"), [""; 0]);
    server.stop();
    let other = Ds389::start(&Options { memberof: false, refint: false, ..Options::default() });
    assert!(other.ca().starts_with(other.dir()) && other.plain_url() != server.plain_url());
}
