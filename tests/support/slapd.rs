//! A real OpenLDAP server for one test: own temporary directory, free loopback
//! ports, stopped on drop.
//!
//! ```ignore
//! let server = Slapd::start(&Options { seed: people_ldif, ..Options::default() });
//! server.url();   // ldaps://127.0.0.1:PORT, certificate signed by server.ca()
//! ```

use super::certificates::{self, Certificate, Files};
use super::server::Tools;
use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The suffix of every server.
pub(crate) const SUFFIX: &str = "dc=example,dc=com";
/// Where accounts are.
pub(crate) const PEOPLE: &str = "ou=people,dc=example,dc=com";
/// Where groups are.
pub(crate) const GROUPS: &str = "ou=groups,dc=example,dc=com";
/// The root DN: no access control, no limits.
pub(crate) const ADMIN: (&str, &str) = ("cn=admin,dc=example,dc=com", "admin-secret");
/// May write everything (`manage`), unlimited reads. SASL EXTERNAL over ldapi is this identity too.
pub(crate) const WRITER: (&str, &str) = ("cn=accord,ou=services,dc=example,dc=com", "accord-secret");
/// May read everything but passwords; `Options::size_limit` applies.
pub(crate) const READER: (&str, &str) = ("cn=accord-read,ou=services,dc=example,dc=com", "read-secret");

/// What a server is like.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "one switch per overlay")]
pub(crate) struct Options {
    /// Keeps `memberOf` on accounts.
    pub(crate) memberof: bool,
    /// Removes members whose entry is deleted or renamed.
    pub(crate) refint: bool,
    /// Keeps `contextCSN`.
    pub(crate) syncprov: bool,
    /// Offers `pwdAccountLockedTime` and `pwdEndTime`.
    pub(crate) ppolicy: bool,
    /// Logs writes below `cn=accesslog`.
    pub(crate) accesslog: bool,
    /// Every write reaches the disk before its answer.
    pub(crate) durable: bool,
    /// The server's certificate.
    pub(crate) certificate: Certificate,
    /// Entries per search for [`READER`]; `None` is unlimited.
    pub(crate) size_limit: Option<u32>,
    /// Lines `access to …` before the usual ones.
    pub(crate) acl: Vec<String>,
    /// Further global lines of slapd.conf.
    pub(crate) global: Vec<String>,
    /// Further lines of the database's section.
    pub(crate) database: Vec<String>,
    /// LDIF loaded by slapadd after the base entries.
    pub(crate) seed: String,
    /// Largest size of the database in bytes (a sparse file).
    pub(crate) max_size: u64,
    /// Variables of the server's process.
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memberof: true,
            refint: true,
            syncprov: true,
            ppolicy: true,
            accesslog: false,
            durable: false,
            certificate: Certificate::Good,
            size_limit: None,
            acl: Vec::new(),
            global: Vec::new(),
            database: Vec::new(),
            seed: String::new(),
            max_size: 1 << 30,
            environment: Vec::new(),
        }
    }
}

impl Options {
    /// A server without any overlay.
    pub(crate) fn bare() -> Self {
        Self { memberof: false, refint: false, syncprov: false, ppolicy: false, ..Self::default() }
    }
}

/// A running (or stopped) server.
pub(crate) struct Slapd {
    dir: TempDir,
    child: Option<Child>,
    port: u16,
    tls_port: u16,
    files: Files,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Slapd {
    /// Makes a server, seeds it and waits until it answers.
    pub(crate) fn start(options: &Options) -> Self {
        let dir = tempfile::Builder::new().prefix("accord-slapd-").tempdir().unwrap();
        for part in ["db", "accesslog"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
        }
        let files = certificates::write(dir.path(), options.certificate);
        std::fs::write(dir.path().join("slapd.conf"), configuration(dir.path(), &files, options)).unwrap();
        let environment = options.environment.clone();
        let mut server = Self { dir, child: None, port: 0, tls_port: 0, files, environment };
        server.slapadd(&format!("{}\n{}", base_entries(options), options.seed));
        for _ in 0..5 {
            (server.port, server.tls_port) = (free_port(), free_port());
            if server.launch() {
                return server;
            }
        }
        panic!("slapd did not start: {}", server.log());
    }

    /// `ldaps://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// `ldap://127.0.0.1:PORT`: StartTLS, or nothing.
    pub(crate) fn plain_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldapi://%2F…`: EXTERNAL makes everybody [`WRITER`].
    pub(crate) fn unix_url(&self) -> String {
        let path = self.dir.path().join("ldapi");
        format!("ldapi://{}", path.to_string_lossy().replace('/', "%2F"))
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
    pub(crate) fn ca(&self) -> &Path {
        &self.files.ca
    }

    /// PEM files of a client's certificate and key, from the same authority.
    pub(crate) fn client(&self) -> (&Path, &Path) {
        (&self.files.client, &self.files.client_key)
    }

    /// The server's own directory, for further files of the test.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            let until = Instant::now() + Duration::from_secs(5);
            while Instant::now() < until {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it as a power cut would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same ports with the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let until = Instant::now() + Duration::from_secs(10);
        while !self.launch() {
            assert!(Instant::now() < until, "slapd did not start again: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Loads LDIF; only while the server is stopped.
    pub(crate) fn slapadd(&mut self, ldif: &str) {
        assert!(self.child.is_none(), "slapadd needs a stopped server");
        let file = self.dir.path().join("seed.ldif");
        std::fs::write(&file, ldif).unwrap();
        let mut command = Command::new("/usr/sbin/slapadd");
        command.args(["-q", "-w", "-b", SUFFIX, "-f"]).arg(self.dir.path().join("slapd.conf")).arg("-l").arg(&file);
        checked("slapadd", &command.output().expect("slapadd is not installed: apt-get install slapd ldap-utils"));
    }

    /// OpenLDAP's tools bound as the root DN, in the clear.
    pub(crate) fn tools(&self) -> Tools {
        let (who, password) = (ADMIN.0.to_owned(), ADMIN.1.to_owned());
        Tools { url: self.plain_url(), ca: self.ca().to_path_buf(), who, password }
    }

    /// Entries of a search by the root DN in LDIF, one line per value; `attributes` empty is all.
    pub(crate) fn ldapsearch(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        self.tools().search(base, filter, attributes)
    }

    /// Sorted values of one attribute of one entry, read by the root DN; what LDIF writes
    /// in base64 stays that.
    pub(crate) fn values(&self, dn: &str, attribute: &str) -> Vec<String> {
        self.tools().values(dn, attribute)
    }

    /// Changes (LDIF change records) by the root DN, as somebody else's hand would.
    pub(crate) fn ldapmodify(&self, ldif: &str) {
        self.tools().modify(ldif);
    }

    /// Whether a simple bind succeeds.
    pub(crate) fn can_bind(&self, dn: &str, password: &str) -> bool {
        let mut command = Command::new("ldapwhoami");
        command.args(["-x", "-H", &self.plain_url(), "-D", dn, "-w", password]);
        command.output().unwrap().status.success()
    }

    /// What the server printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("slapd.log")).unwrap_or_default()
    }

    fn launch(&mut self) -> bool {
        let log = std::fs::File::create(self.dir.path().join("slapd.log")).unwrap();
        // Written once every port is bound: somebody else may listen on one of them.
        let pid = self.dir.path().join("slapd.pid");
        let _ = std::fs::remove_file(&pid);
        let urls = format!("{} {} {}", self.plain_url(), self.url(), self.unix_url());
        let mut child = Command::new("/usr/sbin/slapd")
            .arg("-f")
            .arg(self.dir.path().join("slapd.conf"))
            .args(["-h", &urls, "-d", "0"])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("slapd is not installed: apt-get install slapd ldap-utils");
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return false;
            }
            if pid.exists()
                && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && TcpStream::connect(("127.0.0.1", self.tls_port)).is_ok()
            {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback port that was free a moment ago. Below those that the system gives to
/// connections: a server that is started again finds its port free.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * 61 % 20_000).unwrap();
    let port = || 12_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
    std::iter::repeat_with(port).take(2_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn checked(what: &str, output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn configuration(dir: &Path, files: &Files, options: &Options) -> String {
    let path = |p: &PathBuf| p.display().to_string();
    let mut text = String::new();
    for schema in ["core", "cosine", "inetorgperson", "nis"] {
        writeln!(text, "include /etc/ldap/schema/{schema}.schema").unwrap();
    }
    writeln!(text, "pidfile {0}/slapd.pid\nargsfile {0}/slapd.args\nmodulepath /usr/lib/ldap", dir.display()).unwrap();
    writeln!(text, "moduleload back_mdb").unwrap();
    let modules = [
        ("memberof", options.memberof),
        ("refint", options.refint),
        ("syncprov", options.syncprov),
        ("ppolicy", options.ppolicy),
        ("accesslog", options.accesslog),
    ];
    for (module, _) in modules.iter().filter(|(_, wanted)| *wanted) {
        writeln!(text, "moduleload {module}").unwrap();
    }
    writeln!(text, "TLSCertificateFile {}\nTLSCertificateKeyFile {}", path(&files.certificate), path(&files.key))
        .unwrap();
    writeln!(text, "TLSCACertificateFile {}\nTLSVerifyClient never\nthreads 4\nloglevel 0", path(&files.ca)).unwrap();
    writeln!(text, "authz-regexp \"gidNumber=.*,cn=peercred,cn=external,cn=auth\" \"{}\"", WRITER.0).unwrap();
    for line in &options.global {
        writeln!(text, "{line}").unwrap();
    }
    let sync = if options.durable { "" } else { "dbnosync\n" };
    if options.accesslog {
        writeln!(text, "database mdb\nsuffix cn=accesslog\ndirectory {}/accesslog\nrootdn {}", dir.display(), ADMIN.0)
            .unwrap();
        writeln!(text, "maxsize {}\nindex entryCSN,objectClass,reqEnd,reqStart eq\n{sync}", options.max_size).unwrap();
    }
    writeln!(
        text,
        "database mdb\nsuffix {SUFFIX}\ndirectory {}/db\nrootdn {}\nrootpw {}",
        dir.display(),
        ADMIN.0,
        ADMIN.1
    )
    .unwrap();
    writeln!(text, "maxsize {}\n{sync}index objectClass,entryCSN,entryUUID,uid,cn,employeeNumber eq", options.max_size)
        .unwrap();
    writeln!(text, "index member,owner,manager,seeAlso,memberUid eq").unwrap();
    access(&mut text, options);
    overlays(&mut text, options);
    text
}

fn access(text: &mut String, options: &Options) {
    for line in &options.acl {
        writeln!(text, "{line}").unwrap();
    }
    writeln!(
        text,
        "access to attrs=userPassword by dn.exact=\"{}\" write by anonymous auth by * none\n\
         access to * by dn.exact=\"{}\" manage by dn.exact=\"{}\" read by * none",
        WRITER.0, WRITER.0, READER.0
    )
    .unwrap();
    writeln!(text, "limits dn.exact=\"{}\" size=unlimited time=unlimited", WRITER.0).unwrap();
    let size = options.size_limit.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    writeln!(text, "limits dn.exact=\"{}\" size={size}", READER.0).unwrap();
    for line in &options.database {
        writeln!(text, "{line}").unwrap();
    }
}

fn overlays(text: &mut String, options: &Options) {
    if options.memberof {
        text.push_str("overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-member-ad member\n");
    }
    if options.refint {
        text.push_str("overlay refint\nrefint_attributes member owner manager seeAlso\n");
        writeln!(text, "refint_nothing cn=nobody,{SUFFIX}").unwrap();
    }
    if options.syncprov {
        text.push_str("overlay syncprov\nsyncprov-checkpoint 1000 10\nsyncprov-sessionlog 10000\n");
    }
    if options.ppolicy {
        writeln!(text, "overlay ppolicy\nppolicy_default cn=default,ou=policies,{SUFFIX}\nppolicy_use_lockout")
            .unwrap();
    }
    if options.accesslog {
        text.push_str("overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE\n");
    }
}

fn base_entries(options: &Options) -> String {
    let mut text =
        format!("dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n");
    for unit in ["people", "groups", "services", "policies"] {
        write!(text, "dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}\n\n").unwrap();
    }
    for (dn, password) in [WRITER, READER] {
        let name = dn.split(['=', ',']).nth(1).unwrap();
        write!(
            text,
            "dn: {dn}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: {name}\nuserPassword: {password}\n\n"
        )
        .unwrap();
    }
    if options.ppolicy {
        write!(
            text,
            "dn: cn=default,ou=policies,{SUFFIX}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: default\n\
             pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 5\n\n"
        )
        .unwrap();
    }
    text
}

/// Accounts `prefix0 …` and nothing else, for sizes.
pub(crate) fn people_ldif(prefix: &str, count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        write!(
            text,
            "dn: uid={prefix}{n},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {prefix}{n}\ncn: Person {n}\nsn: Person\n\
             mail: {prefix}{n}@example.com\nemployeeNumber: {n}\ndepartmentNumber: d{}\n\n",
            n % 40
        )
        .unwrap();
    }
    text
}

/// One `groupOfNames` with the accounts `prefix{n}` of `members`.
pub(crate) fn group_ldif(name: &str, prefix: &str, members: impl IntoIterator<Item = usize>) -> String {
    let mut text = format!("dn: cn={name},{GROUPS}\nobjectClass: groupOfNames\ncn: {name}\n");
    for n in members {
        writeln!(text, "member: uid={prefix}{n},{PEOPLE}").unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn a_server_starts_answers_restarts_and_goes_away() {
    let seed = people_ldif("p", 3) + &group_ldif("g", "p", 0..2);
    let mut server = Slapd::start(&Options { seed, accesslog: true, ..Options::default() });
    assert!(server.can_bind(WRITER.0, WRITER.1) && server.can_bind(READER.0, READER.1));
    assert!(!server.can_bind(READER.0, "wrong"));
    assert_ne!(server.port(), server.tls_port());
    let group = format!("cn=g,{GROUPS}");
    assert_eq!(server.values(&group, "member").len(), 2);
    server.ldapmodify(&format!("dn: {group}\nchangetype: modify\nadd: member\nmember: uid=p2,{PEOPLE}\n"));
    server.kill();
    assert_eq!(server.pid(), None);
    server.restart();
    assert_eq!(server.values(&group, "member").len(), 3, "{}", server.log());
    let people = server.ldapsearch(PEOPLE, "(objectClass=inetOrgPerson)", &["uid"]);
    assert_eq!(people.matches("dn: uid=").count(), 3);
    server.stop();
    let bare = Slapd::start(&Options::bare());
    assert!(bare.ca().starts_with(bare.dir()) && bare.unix_url().starts_with("ldapi://%2F"));
}
