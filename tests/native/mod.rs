//! Ends that the directory itself acts on, and what is still there after its end, with
//! the built binary against a real slapd with its password policy.

mod steps;

use crate::cli::harness::Repo;
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, Slapd, WRITER};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

struct Bed {
    server: Slapd,
    repo: Repo,
    state: tempfile::TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn exits(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl Bed {
    /// One contractor with that end, sponsored by an employee, in one group.
    fn new(expires: &str, accounts: &str) -> Self {
        let server = Slapd::start(&Options::default());
        let repo = Repo::empty();
        let accord = format!(
            "organization: example\ntimezone: UTC\ndirectories:\n  corp:\n    kind: ldap\n    url: {}\n    tls: none\n    \
             bind: {{ dn: \"{}\", password: {{ env: BIND }} }}\n    plan_bind: {{ dn: \"{}\", password: {{ env: READ }} }}\n    \
             accounts: {{ base: \"{PEOPLE}\", attributes: {{ cn: name }}{accounts} }}\n    groups: {{ base: \"{GROUPS}\" }}\n",
            server.plain_url(),
            WRITER.0,
            READER.0
        );
        repo.write("policies/accord.yaml", &accord);
        let people = format!(
            "people:\n  wei.chen: {{ kind: employee, name: Wei Chen }}\n  \
             maria: {{ kind: contractor, name: Maria Lopez, sponsor: wei.chen, expires: {expires} }}\n\
             groups:\n  corp/sre: {{ owner: wei.chen, members: [maria, wei.chen] }}\n"
        );
        repo.write("policies/access.yaml", &people);
        Self { server, repo, state: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.repo.command(arguments);
        command.env("XDG_STATE_HOME", self.state.path()).env("BIND", WRITER.1).env("READ", READER.1);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ran { code: output.status.code().unwrap(), stdout, stderr }
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--format", "json"]].concat()).exits(code)).unwrap()
    }

    fn apply(&self) {
        let _ = self.run(&["apply", "--auto-approve"]).exits(0);
    }

    fn end(&self) -> Vec<String> {
        self.server.values(&format!("uid=maria,{PEOPLE}"), "pwdEndTime")
    }

    fn by_hand(&self, change: &str) {
        self.server.ldapmodify(&format!("dn: uid=maria,{PEOPLE}\nchangetype: modify\n{change}\n"));
    }
}

fn shows(told: &str, part: &str) {
    assert!(told.contains(part), "`{part}` is not in:\n{told}");
}

#[test]
fn the_plan_says_what_the_directory_itself_ends_and_drift_that_somebody_touched_it() {
    let bed = Bed::new("2197-03-31", "");
    let plan = bed.run(&["plan"]).exits(0);
    shows(&plan, "create the account maria, the directory itself ends this at 2197-04-01 00:00");
    // Memberships end with a run of accord only, and nothing else is claimed.
    shows(&plan, "+ corp/sre      until 2197-04-01 00:00");
    shows(
        &bed.run(&["plan", "--format", "markdown"]).exits(0),
        "create the account maria, the directory itself ends this at 2197-04-01 00:00",
    );
    let told = bed.json(&["plan"], 0);
    assert_eq!(told["directories"][0]["ends_itself"], json!(["accounts"]));
    bed.apply();
    assert_eq!(bed.end(), ["21970401000000Z"]);
    let _ = bed.run(&["drift"]).exits(0);

    bed.by_hand("delete: pwdEndTime\n");
    let drift = bed.run(&["drift"]).exits(2);
    shows(&drift, "the end 2197-04-01 00:00 was removed, object last changed ");
    shows(&drift, " by cn=admin,dc=example,dc=com");
    let end = bed.json(&["drift"], 2)["differences"][0]["end"].clone();
    assert_eq!(end, json!({ "was": "2197-04-01T00:00:00Z", "is": null }));
    shows(&bed.run(&["plan"]).exits(0), "the directory itself ends this at 2197-04-01 00:00, before: never");
    bed.apply();
    assert_eq!(bed.end(), ["21970401000000Z"]);

    bed.by_hand("replace: pwdEndTime\npwdEndTime: 21990101000000Z\n");
    shows(&bed.run(&["drift"]).exits(2), "the end 2197-04-01 00:00 was moved to 2199-01-01 00:00");
    bed.apply();
    assert_eq!(bed.end(), ["21970401000000Z"]);
    let _ = bed.run(&["drift"]).exits(0);

    // Longer by the policies is no drift, and the directory follows.
    bed.repo.edit("policies/access.yaml", "2197-03-31", "2198-03-31");
    let _ = bed.run(&["plan"]).exits(0);
    bed.apply();
    assert_eq!(bed.end(), ["21980401000000Z"]);
}

/// Seconds from now, as policies write an instant.
fn soon(seconds: u64) -> (String, SystemTime) {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let text = jiff::Timestamp::try_from(at).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    (text, at)
}

fn wait(until: SystemTime) {
    if let Ok(left) = until.duration_since(SystemTime::now()) {
        std::thread::sleep(left + Duration::from_secs(1));
    }
}

#[test]
fn what_is_held_past_its_end_is_overdue_until_a_run_takes_it_away() {
    let (expires, at) = soon(12);
    let mut bed = Bed::new(&expires, ", native_end: off");
    bed.apply();
    let now = bed.run(&["expiring", "--overdue"]).exits(0);
    shows(&now, "nothing is overdue");
    shows(&now, "corp: as read now");
    wait(at);
    let held = |told: &Value| {
        let one =
            |ending: &Value| format!("{} {}", ending["person"].as_str().unwrap(), ending["what"].as_str().unwrap());
        let of = |who: &Value| {
            let list = who["endings"].as_array().unwrap().iter().map(one).collect::<Vec<_>>();
            format!("{}: {}", who["person"].as_str().unwrap(), list.join(", "))
        };
        told["answerable"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let all = ["wei.chen: maria corp/sre, maria the account maria in corp"];
    let told = bed.json(&["expiring", "--overdue"], 3);
    assert_eq!(held(&told), all);
    assert_eq!(told["answerable"][0]["endings"][0]["ends"], json!(expires));
    assert_eq!(told["rests_on"], json!([{ "directory": "corp", "read": true }]));
    // By what runs wrote, without the directory.
    let told = bed.json(&["expiring", "--overdue", "--offline"], 3);
    assert_eq!(held(&told), all);
    assert_eq!(told["rests_on"][0]["read"], json!(false));
    assert!(told["rests_on"][0]["run"].is_string(), "{told}");
    shows(&bed.run(&["expiring", "--overdue", "--offline"]).exits(3), "corp: not read; by what runs wrote since ");
    // A directory that does not answer is no reason to be quiet.
    bed.server.stop();
    assert_eq!(held(&bed.json(&["expiring", "--overdue"], 3)), all);
    bed.server.restart();

    bed.apply();
    for arguments in [&["expiring", "--overdue"][..], &["expiring", "--overdue", "--offline"]] {
        shows(&bed.run(arguments).exits(0), "nothing is overdue");
    }
    bed.server.stop();
    let ran = bed.run(&["expiring", "--overdue"]);
    assert!(ran.stderr.contains("corp"), "{}", ran.stderr);
    let _ = ran.exits(1);
}

#[test]
fn what_the_directory_itself_ended_is_not_overdue() {
    let (expires, at) = soon(12);
    let bed = Bed::new(&expires, "");
    bed.apply();
    assert_eq!(bed.end().len(), 1);
    wait(at);
    let told = bed.run(&["expiring", "--overdue"]).exits(0);
    shows(&told, "Ended by the directory itself");
    shows(&told, "the account maria in corp");
    shows(&told, "nothing is overdue");
    // Somebody takes the end away: now the account can be used again.
    bed.by_hand("delete: pwdEndTime\n");
    shows(&bed.run(&["expiring", "--overdue"]).exits(3), "2 things are overdue");
}
