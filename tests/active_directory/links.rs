//! Memberships that the domain itself ends. Samba does not know them: a proxy keeps their
//! ends, shows them under the control and ends them, as [MS-ADTS] §3.1.1.9.2 says.

use super::{groups, people, start_with};
use crate::cli::harness::Repo;
use crate::support::samba::{ADMINISTRATOR, Samba};
use crate::support::strict::{Rules, Strict};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

pub(super) struct Bed {
    pub(super) dc: Samba,
    pub(super) proxy: Strict,
    repo: Repo,
    state: tempfile::TempDir,
}

pub(super) fn open() -> Samba {
    start_with("  ldap server require strong auth = no")
}

impl Bed {
    pub(super) fn new(dc: Samba, rules: Rules, groups_setting: &str, access: &str) -> Self {
        let proxy = Strict::start(dc.port(), rules);
        let repo = Repo::empty();
        let accord = format!(
            "organization: example\ntimezone: UTC\ndirectories:\n  corp:\n    kind: active-directory\n    url: {}\n    \
             tls: none\n    bind: {{ dn: \"{}\", password: {{ env: BIND }} }}\n    \
             accounts: {{ base: \"{}\", attributes: {{ displayName: name }} }}\n    \
             groups: {{ base: \"{}\"{groups_setting} }}\n",
            proxy.url(),
            ADMINISTRATOR.0,
            people(),
            groups(),
        );
        repo.write("policies/accord.yaml", &accord);
        repo.write(
            "policies/people.yaml",
            "people:\n  ada: { kind: employee, name: Ada }\n  bob: { kind: employee, name: Bob }\n",
        );
        repo.write("policies/access.yaml", access);
        Self { dc, proxy, repo, state: tempfile::tempdir().unwrap() }
    }

    pub(super) fn run(&self, arguments: &[&str], code: i32) -> String {
        let mut command = self.repo.command(arguments);
        let command = command.env("BIND", ADMINISTRATOR.1).env("XDG_STATE_HOME", self.state.path());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        stdout
    }

    pub(super) fn json(&self, arguments: &[&str], code: i32) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--format", "json"]].concat(), code)).unwrap()
    }

    pub(super) fn apply(&self) {
        let _ = self.run(&["apply", "--auto-approve"], 0);
        shows(&self.run(&["plan"], 0), "nothing to do");
    }

    /// Until when Bob is a member, in seconds since the epoch.
    fn end(&self) -> Option<u64> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        self.proxy.ends_in(&group(), &member("Bob")).map(|left| now + left)
    }

    fn members(&self) -> Vec<String> {
        let mut members = self.dc.tools().values(&group(), "member");
        members.sort();
        members
    }
}

pub(super) fn group() -> String {
    format!("CN=sre,{}", groups())
}

pub(super) fn member(name: &str) -> String {
    format!("CN={name},{}", people())
}

pub(super) fn shows(told: &str, part: &str) {
    assert!(told.contains(part), "`{part}` is not in:\n{told}");
}

/// Seconds since the epoch, give or take what the clocks and the way there take.
fn is_about(end: Option<u64>, text: &str) {
    let wanted = text.parse::<jiff::Timestamp>().unwrap().as_second();
    let end = i64::try_from(end.expect("an end")).unwrap();
    assert!((end - wanted).abs() <= 5, "{end} is not {wanted}");
}

pub(super) const DATED: &str = "groups:\n  corp/sre: { members: [ada, { person: bob, expires: 2030-01-31 }] }\n";

#[test]
fn a_dated_grant_ends_in_the_domain_and_follows_the_policy() {
    let bed = Bed::new(open(), Rules { links: true, ..Rules::default() }, "", DATED);
    let plan = bed.run(&["plan"], 0);
    shows(&plan, "+ corp/sre      the directory itself ends this at 2030-02-01 00:00");
    assert_eq!(plan.matches("the directory itself ends this").count(), 1, "{plan}");
    let told = bed.json(&["plan"], 0);
    assert_eq!(told["directories"][0]["ends_itself"], json!(["accounts", "memberships"]));
    bed.apply();
    assert_eq!(bed.members(), [member("Ada"), member("Bob")]);
    is_about(bed.end(), "2030-02-01T00:00:00Z");
    assert_eq!(bed.proxy.ends_in(&group(), &member("Ada")), None);
    let _ = bed.run(&["drift"], 0);

    // Shorter, by a plan that was saved: seconds that pass make no conflict.
    bed.repo.edit("policies/access.yaml", "2030-01-31", "2029-01-31");
    let plan = bed.run(&["plan", "--out", "saved.json"], 0);
    shows(&plan, "~ corp/sre      the directory itself ends this at 2029-02-01 00:00, before: 20");
    std::thread::sleep(Duration::from_secs(2));
    let _ = bed.run(&["apply", "saved.json", "--auto-approve"], 0);
    is_about(bed.end(), "2029-02-01T00:00:00Z");
    assert_eq!(bed.members(), [member("Ada"), member("Bob")]);
    // Longer.
    bed.repo.edit("policies/access.yaml", "2029-01-31", "2031-01-31");
    bed.apply();
    is_about(bed.end(), "2031-02-01T00:00:00Z");

    // Somebody takes the end away, or moves it.
    bed.proxy.end_in(&group(), &member("Bob"), None);
    shows(&bed.run(&["drift"], 2), "the end 2031-02-01 00:00 was removed");
    shows(&bed.run(&["plan"], 0), "the directory itself ends this at 2031-02-01 00:00, before: never");
    bed.apply();
    is_about(bed.end(), "2031-02-01T00:00:00Z");
    bed.proxy.end_in(&group(), &member("Bob"), Some(3600));
    shows(&bed.run(&["drift"], 2), "the end 2031-02-01 00:00 was moved to 20");
    bed.apply();
    // Some seconds are no difference.
    let left = bed.proxy.ends_in(&group(), &member("Bob")).unwrap();
    bed.proxy.end_in(&group(), &member("Bob"), Some(left - 60));
    let _ = bed.run(&["drift"], 0);

    // Without an end, and nobody was out of the group on the way.
    bed.repo.edit("policies/access.yaml", "{ person: bob, expires: 2031-01-31 }", "bob");
    shows(&bed.run(&["plan"], 0), "the directory itself no longer ends this, before: 20");
    bed.apply();
    assert_eq!(bed.end(), None);
    assert_eq!(bed.members(), [member("Ada"), member("Bob")]);
}

#[test]
fn the_domain_ends_it_at_that_instant_even_if_accord_never_runs_again() {
    let at = SystemTime::now() + Duration::from_secs(25);
    let soon = jiff::Timestamp::try_from(at).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let access = DATED.replace("2030-01-31", &soon);
    let bed = Bed::new(open(), Rules { links: true, ..Rules::default() }, "", &access);
    let _ = bed.run(&["apply", "--auto-approve"], 0);
    assert_eq!(bed.members(), [member("Ada"), member("Bob")]);
    std::thread::sleep(at.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_secs(2));
    shows(&bed.run(&["expiring", "--overdue"], 0), "nothing is overdue");
    assert_eq!(bed.members(), [member("Ada")]);
    shows(&bed.run(&["plan"], 0), "nothing to do");
}

#[test]
fn where_the_forest_or_the_settings_have_no_such_memberships_accord_ends_them() {
    let links = || Rules { links: true, ..Rules::default() };
    let with = [(Rules::default(), ""), (links(), ", native_end: off"), (Rules { hides_feature: true, ..links() }, "")];
    for (rules, setting) in with {
        let may_end = rules.links;
        let bed = Bed::new(open(), rules, setting, DATED);
        let plan = bed.run(&["plan"], 0);
        shows(&plan, "+ corp/sre      until 2030-02-01 00:00");
        assert_eq!(bed.json(&["plan"], 0)["directories"][0]["ends_itself"], json!(["accounts"]));
        bed.apply();
        assert_eq!((bed.end(), bed.members().len()), (None, 2));
        // Whoever is a member until some time was made one by others.
        let _ = bed.run(&["plan"], 0);
        let told = bed.run(&["plan"], 0);
        assert_eq!(told.contains("full too: memberships may end here by themselves"), may_end, "{told}");
        assert_eq!(told.contains("incremental since "), !may_end, "{told}");
    }
    // What an additive group holds is taken away by nobody.
    let access = DATED.replace("{ members:", "{ manage: additive, members:");
    let bed = Bed::new(open(), Rules { links: true, ..Rules::default() }, "", &access);
    bed.apply();
    assert_eq!((bed.end(), bed.members().len()), (None, 2));
}
