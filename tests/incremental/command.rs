//! The built binary keeps snapshots, and believes none but its own.

use crate::cli::harness::Repo;
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, Slapd, WRITER, group_ldif, people_ldif};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

const SNAPSHOT: &str = ".accord/cache/corp.snapshot";

struct Bed {
    server: Slapd,
    repo: Repo,
    state: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let seed = people_ldif("p", 20) + &group_ldif("a", "p", 0..10);
        let server = Slapd::start(&Options { seed, ..Options::default() });
        let repo = Repo::empty();
        let accord = format!(
            "organization: example\ntimezone: UTC\ndirectories:\n  corp:\n    kind: ldap\n    url: {}\n    tls: none\n    \
             bind: {{ dn: \"{}\", password: {{ env: BIND }} }}\n    plan_bind: {{ dn: \"{}\", password: {{ env: READ }} }}\n    \
             accounts: {{ base: \"{PEOPLE}\", id_attribute: employeeNumber, attributes: {{ cn: name }} }}\n    groups: {{ base: \"{GROUPS}\" }}\n",
            server.plain_url(),
            WRITER.0,
            READER.0
        );
        repo.write("policies/accord.yaml", &accord);
        repo.write(
            "policies/access.yaml",
            "people:\n  p1: { id: \"1\", name: Person 1 }\n  p2: { id: \"2\", name: Person 2 }\ngroups:\n  corp/a: { members: [p1, p2] }\n",
        );
        Self { server, repo, state: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.run_with(READER.1, arguments)
    }

    fn run_with(&self, password: &str, arguments: &[&str]) -> String {
        let mut command = self.repo.command(arguments);
        command.env("XDG_STATE_HOME", self.state.path()).env("BIND", WRITER.1).env("READ", password);
        let Output { stdout, stderr, .. } = command.output().unwrap();
        let told = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
        assert!(!told.contains("panicked"), "{told}");
        told
    }

    /// What a plan says of its reading.
    fn plan(&self, arguments: &[&str]) -> String {
        let told = self.run(&[&["plan"], arguments].concat());
        told.lines().find(|line| line.contains("contextCSN")).unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    fn file(&self) -> PathBuf {
        self.repo.file(SNAPSHOT)
    }

    fn add_member(&self, n: usize) {
        let text = format!("dn: cn=a,{GROUPS}\nchangetype: modify\nadd: member\nmember: uid=p{n},{PEOPLE}\n");
        self.server.ldapmodify(&text);
    }
}

fn assert_says(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[test]
fn a_plan_after_the_first_reads_what_changed() {
    let bed = Bed::new();
    let first = bed.plan(&[]);
    assert_says(&first, &["2 pages", "contextCSN unchanged"]);
    assert!(!first.contains("read in full"), "{first}");
    assert_says(&bed.plan(&[]), &["incremental since ", ": nothing changed"]);
    let before = fs::metadata(bed.file()).unwrap().modified().unwrap();
    assert_says(&bed.plan(&[]), &[": nothing changed"]);
    assert_eq!(fs::metadata(bed.file()).unwrap().modified().unwrap(), before, "the snapshot is still the newest");
    bed.add_member(15);
    assert_says(&bed.plan(&[]), &["incremental since ", ": 1 group changed"]);
    assert_says(&bed.plan(&["--refresh", "full"]), &["2 pages", "read in full: --refresh full"]);
    // The whole way: what is planned is what a full read plans, and applying ends it.
    let of = |told: String| told.lines().filter(|line| line.contains("revoke") || line.contains("p15")).count();
    assert_eq!(of(bed.run(&["plan"])), of(bed.run(&["plan", "--refresh", "full"])));
    let applied = bed.run(&["apply", "--auto-approve"]);
    assert_says(&applied, &["applied 9 of 9"]);
    let told = bed.run(&["plan"]);
    assert_says(&told, &["incremental since ", ": 1 group changed", "nothing to do"]);
}

#[test]
fn no_snapshot_but_ones_own_is_believed() {
    let bed = Bed::new();
    let _ = bed.plan(&[]);
    let whole = fs::read(bed.file()).unwrap();
    assert_eq!(fs::metadata(bed.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let text = String::from_utf8_lossy(&whole).into_owned();
    assert!(!text.contains(READER.1) && !text.contains(WRITER.1) && !text.to_lowercase().contains("userpassword"));
    let not_authentic = "read in full: the snapshot is torn, or was not written with this key";

    fs::write(bed.file(), &whole[..whole.len() / 2]).unwrap();
    assert_says(&bed.plan(&[]), &["2 pages", not_authentic]);
    let mut forged = whole.clone();
    let at = text.find("Person 7").unwrap();
    forged[at + 7] = b'8';
    fs::write(bed.file(), &forged).unwrap();
    assert_says(&bed.plan(&[]), &["2 pages", not_authentic]);
    assert_says(&bed.plan(&[]), &["incremental since "]);

    // Written with this key for other settings.
    bed.repo.edit("policies/accord.yaml", "attributes: { cn: name }", "attributes: { cn: name, mail: email }");
    assert_says(&bed.plan(&[]), &["2 pages", "read in full: the snapshot is of another settings"]);
    bed.repo.edit("policies/accord.yaml", "organization: example", "organization: other");
    assert_says(&bed.plan(&[]), &["2 pages", "of another organization"]);

    // A key that others may read is none; deleting everything at any time does no harm.
    let key = bed.state.path().join("accord/cache.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert_says(&bed.plan(&[]), &["2 pages", "read in full: others may read the key of snapshots"]);
    fs::remove_file(&key).unwrap();
    assert_says(&bed.plan(&[]), &["2 pages", not_authentic]);
    fs::remove_dir_all(bed.repo.file(".accord")).unwrap();
    assert_says(&bed.plan(&[]), &["2 pages"]);

    // Not through a link.
    let elsewhere = bed.state.path().join("elsewhere");
    fs::rename(bed.file(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bed.file()).unwrap();
    assert_says(&bed.plan(&[]), &["2 pages", "is a symbolic link"]);
}

/// What read nothing contradicts nothing.
#[test]
fn a_directory_that_is_not_reached_keeps_its_snapshot() {
    let mut bed = Bed::new();
    let _ = bed.plan(&[]);
    let whole = fs::read(bed.file()).unwrap();
    let kept = |bed: &Bed, told: &str, why: &str| {
        assert_says(told, &["INCOMPLETE", why]);
        assert!(fs::read(bed.file()).is_ok_and(|bytes| bytes == whole), "the snapshot went: {told}");
    };
    kept(&bed, &bed.run_with("wrong", &["plan"]), "invalidCredentials (49)");
    bed.server.kill();
    kept(&bed, &bed.run(&["plan"]), "connection refused");
    kept(&bed, &bed.run(&["plan", "--refresh", "full"]), "connection refused");
    bed.server.restart();
    assert_says(&bed.plan(&[]), &["incremental since ", ": nothing changed"]);
    // What the server says, and be it that there is nothing, does contradict it.
    let moved = format!("dn: {PEOPLE}\nchangetype: modrdn\nnewrdn: ou=persons\ndeleteoldrdn: 1\n\n");
    bed.server.ldapmodify(&moved);
    assert_says(&bed.run(&["plan"]), &["INCOMPLETE", "noSuchObject (32)"]);
    assert!(!bed.file().exists());
}

/// Where no authority is named, those of the machine count.
#[test]
fn without_ca_the_authorities_of_the_machine_count() {
    let bed = Bed::new();
    let plain = format!("    url: {}\n    tls: none\n", bed.server.plain_url());
    bed.repo.edit("policies/accord.yaml", &plain, &format!("    url: {}\n", bed.server.url()));
    let told = |ca: &std::path::Path| {
        let mut command = bed.repo.command(&["plan"]);
        // What the machine's store is, these say (as OpenSSL has it).
        command.env("SSL_CERT_FILE", ca).env_remove("SSL_CERT_DIR");
        let output = command.env("BIND", WRITER.1).env("READ", READER.1).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let stranger = Slapd::start(&Options::bare());
    assert_says(&told(bed.server.ca()), &["contextCSN unchanged"]);
    assert_says(&told(stranger.ca()), &["INCOMPLETE", "signed by an authority that is not trusted here"]);
    assert_says(&told(&bed.repo.file("policies/access.yaml")), &["INCOMPLETE", "authorities were not found"]);
}

/// A part that is somewhere else from now on is told by the next read, however it is read.
#[test]
fn a_referral_that_is_new_is_told() {
    let bed = Bed::new();
    let _ = bed.plan(&[]);
    let elsewhere = format!("ldap://elsewhere.example.com/ou=emea,{PEOPLE}");
    bed.server.ldapmodify(&format!(
        "dn: ou=emea,{PEOPLE}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\nou: emea\nref: \
         {elsewhere}\n"
    ));
    assert_says(&bed.run(&["plan"]), &["INCOMPLETE", &format!("the server refers to `{elsewhere}")]);
}

/// A runner without a home has the key from its own store, and a machine that has another
/// key reads in full.
#[test]
fn the_key_of_snapshots_may_be_given() {
    let bed = Bed::new();
    let given = |name: &str, bytes: &str, mode: u32| {
        let path = bed.state.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let ours = given("ours", "0123456789abcdef0123456789abcdef", 0o600);
    assert!(!bed.plan(&["--cache-key-file", &ours]).contains("read in full"));
    assert!(!bed.state.path().join("accord").exists(), "no key is made beside one that is given");
    assert_says(&bed.plan(&["--cache-key-file", &ours]), &["incremental since ", ": nothing changed"]);
    let theirs = given("theirs", "another key, which is long enough", 0o600);
    assert_says(&bed.plan(&["--cache-key-file", &theirs]), &["2 pages", "was not written with this key"]);

    let refused = |path: &str| {
        let told = bed.run(&["plan", "--cache-key-file", path]);
        assert!(!told.contains("pages"), "nothing is read: {told}");
        told
    };
    assert_says(&refused(&given("open", "0123456789abcdef0123456789abcdef", 0o644)), &["others may read", "chmod 600"]);
    assert_says(&refused(&given("short", "0123", 0o600)), &["is 4 bytes long"]);
    assert_says(&refused("/no/such/key"), &["/no/such/key"]);
    fs::copy(&ours, bed.repo.file("key")).unwrap();
    assert_says(&refused(bed.repo.file("key").to_str().unwrap()), &["lies inside the repository"]);
}

#[test]
fn everything_is_read_again_when_it_is_time() {
    let bed = Bed::new();
    bed.repo.edit("policies/accord.yaml", "    tls: none\n", "    tls: none\n    refresh: { full_every: 0h }\n");
    let _ = bed.plan(&[]);
    assert_says(&bed.plan(&[]), &["2 pages", "read in full: the last full read was ", "(`full_every: 0h`)"]);
    bed.repo.edit("policies/accord.yaml", "full_every: 0h", "full_every: soon");
    assert_says(&bed.run(&["plan"]), &["full_every"]);
}

/// Groups that may not be empty, links between them, and reads that go on from the last one.
#[test]
fn a_link_between_groups_is_kept_by_a_server_whose_groups_may_not_be_empty() {
    let bed = Bed::new();
    bed.repo.edit(
        "policies/accord.yaml",
        "groups: { base: \"ou=groups,dc=example,dc=com\" }",
        "groups: { base: \"ou=groups,dc=example,dc=com\", nesting: native }",
    );
    let text = "people:\n  p1: { id: \"1\", name: Person 1 }\n  p2: { id: \"2\", name: Person 2 }\n\
                groups:\n  corp/a: { members: [p1, p2] }\n  corp/all: { members: [group: corp/a] }\n";
    bed.repo.write("policies/access.yaml", text);
    let told = bed.run(&["apply", "--auto-approve"]);
    let members = |group: &str| {
        let mut members = bed.server.tools().values(&format!("cn={group},{GROUPS}"), "member");
        members.sort();
        members
    };
    assert_eq!(members("all"), [format!("cn=a,{GROUPS}")], "{told}");
    assert_eq!(members("a"), [format!("uid=p1,{PEOPLE}"), format!("uid=p2,{PEOPLE}")]);
    assert!(bed.run(&["plan"]).contains("\nnothing to do\n"));
    assert!(bed.run(&["plan", "--refresh", "full"]).contains("\nnothing to do\n"));
    // Somebody takes the link out; the next read that goes on sees it, and it comes back.
    bed.server
        .ldapmodify(&format!("dn: cn=all,{GROUPS}\nchangetype: modify\nreplace: member\nmember: uid=p1,{PEOPLE}\n"));
    let told = bed.run(&["apply", "--auto-approve"]);
    assert_eq!(members("all"), [format!("cn=a,{GROUPS}")], "{told}");
    assert!(bed.run(&["plan"]).contains("\nnothing to do\n"));
    // Without anybody the group still may not be empty.
    bed.repo.write("policies/access.yaml", &text.replace("[group: corp/a]", "[]"));
    let told = bed.run(&["apply", "--auto-approve"]);
    assert_eq!(members("all"), [format!("cn=all,{GROUPS}")], "{told}");
    assert!(bed.run(&["plan"]).contains("\nnothing to do\n"));
}
