//! What every server that tests start has in common: a process that ends with the
//! test, and OpenLDAP's own tools to look at it from outside.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A server process: killed on drop, also while a test panics.
#[derive(Default)]
pub(crate) struct Process(Option<Child>);

impl Process {
    /// Starts `command` and waits until all `ports` of loopback accept; `false` when
    /// the process ends before, or takes longer than a minute.
    pub(crate) fn launch(&mut self, command: &mut Command, log: &Path, ports: &[u16]) -> bool {
        self.kill();
        let log = File::create(log).unwrap();
        // The pipe stays open as long as the test: a server that watches it ends with it.
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn();
        self.0 = Some(child.unwrap_or_else(|e| panic!("{name} cannot be started ({e}): tests/run installs it")));
        let until = Instant::now() + Duration::from_mins(1);
        while Instant::now() < until && self.is_running() {
            if ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return self.is_running();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        false
    }

    /// Process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.0.as_ref().map(Child::id)
    }

    fn is_running(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Asks it to end and waits; after ten seconds it is killed.
    pub(crate) fn stop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
            let until = Instant::now() + Duration::from_secs(10);
            while Instant::now() < until && self.is_running() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.kill();
    }

    /// Ends it as a power cut would (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// OpenLDAP's command-line tools, bound as somebody.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) url: String,
    /// PEM file of the server's authority.
    pub(crate) ca: PathBuf,
    pub(crate) who: String,
    pub(crate) password: String,
}

impl Tools {
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("LDAPTLS_CACERT", &self.ca).env("LDAPTLS_REQCERT", "demand");
        command.args(["-x", "-H", &self.url, "-D", &self.who, "-w", &self.password]);
        command
    }

    /// The same tools bound as somebody else.
    pub(crate) fn bound(&self, who: &str, password: &str) -> Self {
        Self { who: who.to_owned(), password: password.to_owned(), ..self.clone() }
    }

    /// Entries of a paged subtree search in LDIF, one line per value; `attributes`
    /// empty is all that are no operational ones.
    pub(crate) fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        let mut command = self.command("ldapsearch");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-b", base, filter]).args(attributes);
        checked("ldapsearch", &command.output().unwrap())
    }

    /// Sorted values of one attribute of one entry; none where there is no such
    /// entry. What LDIF writes in base64 stays that.
    pub(crate) fn values(&self, dn: &str, attribute: &str) -> Vec<String> {
        let mut command = self.command("ldapsearch");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn, "(objectClass=*)", attribute]);
        let output = command.output().unwrap();
        // 32: no such object.
        assert!(matches!(output.status.code(), Some(0 | 32)), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = |line: &str| -> Option<String> {
            let (name, rest) = line.split_once(':')?;
            name.eq_ignore_ascii_case(attribute).then(|| rest.trim_start_matches([':', ' ']).to_owned())
        };
        let mut values: Vec<String> = text.lines().filter_map(value).collect();
        values.sort();
        values
    }

    /// Carries out LDIF change records; one without `changetype` is an entry to add.
    pub(crate) fn modify(&self, ldif: &str) {
        checked("ldapmodify", &self.try_modify(ldif));
    }

    /// As [`Self::modify`], on entries that refer elsewhere themselves (RFC 3296).
    pub(crate) fn managing(&self, ldif: &str) {
        let mut command = self.command("ldapmodify");
        command.arg("-M");
        checked("ldapmodify", &fed(command, ldif));
    }

    /// Carries out LDIF change records as [`Self::modify`] does; the exit status is the LDAP result.
    pub(crate) fn try_modify(&self, ldif: &str) -> Output {
        let mut command = self.command("ldapmodify");
        command.arg("-a");
        fed(command, ldif)
    }

    /// Whether the bind succeeds.
    pub(crate) fn can_bind(&self) -> bool {
        let mut command = self.command("ldapsearch");
        command.args(["-LLL", "-s", "base", "-b", "", "(objectClass=*)", "1.1"]);
        command.output().unwrap().status.success()
    }
}

fn fed(mut command: Command, text: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The output of a program that must have succeeded.
pub(crate) fn checked(what: &str, output: &Output) -> String {
    let (error, text) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{what} failed: {error}{text}");
    text.into_owned()
}

/// A folder made once and then only copied, kept between runs of the tests: under
/// cargo's own temporary folder, named by what it is made of. `make` fills an empty
/// folder; of several test processes one makes it and the others wait.
pub(crate) fn template(name: &str, made_of: &[&str], make: impl FnOnce(&Path)) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    made_of.hash(&mut hasher);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(home).unwrap();
    let folder = home.join(format!("{name}-{:016x}", hasher.finish()));
    let lock = File::create(home.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    // Old ones go: passwords and tickets inside may expire.
    if age_of(&folder).is_none_or(|age| age > Duration::from_hours(168)) {
        let _ = std::fs::remove_dir_all(&folder);
        // Of what other versions of the tests made, only what may still be in use stays.
        for other in std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path()) {
            let is_sibling = other.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{name}-")));
            if is_sibling && age_of(&other).is_some_and(|age| age > Duration::from_hours(1)) {
                let _ = std::fs::remove_dir_all(&other);
            }
        }
        let begun = home.join(format!("{name}.new"));
        let _ = std::fs::remove_dir_all(&begun);
        std::fs::create_dir(&begun).unwrap();
        make(&begun);
        std::fs::rename(&begun, &folder).unwrap();
    }
    folder
}

fn age_of(path: &Path) -> Option<Duration> {
    std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}
