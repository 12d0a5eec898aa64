//! What `apply` gives where there are `approvals`: what the right people approved, by
//! requests that a forge on loopback tells of, in a real repository.

use super::harness::{Ran, Repo};
use crate::support::web::{Asked, Reply, Web};
use git2::{IndexEntry, IndexTime, Oid, Repository, ResetType, Signature, Time};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

const PEOPLE: &str = "
people:
  wei: { name: Wei, kind: employee, forge: [wchen] }
  omar: { name: Omar, kind: employee, forge: [omar] }
  bob: { name: Bob, kind: employee, forge: [bob] }
  li: { name: Li, kind: employee }
  mallory: { name: Mallory, kind: employee, forge: [mallory] }
";

const ACCESS: &str = "
roles:
  tools: { owner: omar, members: [] }
groups:
  corp/prod:
    owner: wei
    members:
      - wei
      - li
  corp/wiki: { members: [wei] }
";

fn settings(url: &str) -> String {
    format!(
        "organization: example\ntimezone: UTC\ndirectories:\n  corp: {{ kind: ldif, file: directory.ldif, create: true, \
         accounts: {{ base: \"ou=people,dc=e\", for: everyone }}, groups: {{ base: \"ou=groups,dc=e\" }} }}\nforge: {{ kind: \
         github, url: \"{url}\", project: example/access, branch: main, token: {{ env: FORGE_TOKEN }} }}\npolicy_owners: \
         [omar]\napprovals:\n  production: {{ entitlements: [corp/prod], from: [owner] }}\n"
    )
}

/// What the forge tells.
#[derive(Default)]
struct Told {
    /// Commit of the branch → request that it completed, and that one's last commit.
    merged: Vec<(String, u64, String)>,
    reviews: Vec<Value>,
    down: bool,
}

struct Story {
    repo: Repo,
    git: Repository,
    told: Arc<Mutex<Told>>,
    _forge: Web,
}

impl Story {
    /// A first commit that was applied: wei and li are in production.
    fn begin() -> (Self, String) {
        let (story, first) = Self::unapplied();
        let _ = story.accord(&["apply", "--auto-approve", "--approved-since", &first]).exits(0);
        assert_eq!(story.production(), ["li", "wei"]);
        (story, first)
    }

    fn unapplied() -> (Self, String) {
        let told = Arc::new(Mutex::new(Told::default()));
        let known = Arc::clone(&told);
        let forge = Web::start(move |asked: &Asked| known.lock().unwrap().answer(&asked.target));
        let repo = Repo::empty();
        repo.write(".gitignore", ".accord/\ndirectory.ldif\n*.json\n");
        let git = Repository::init(repo.path()).unwrap();
        let url = forge.url();
        let story = Self { repo, git, told, _forge: forge };
        let files = [("accord.yaml", settings(&url)), ("people.yaml", PEOPLE.into()), ("access.yaml", ACCESS.into())];
        let first = story.commit(&[], &files.each_ref().map(|(name, text)| (*name, text.as_str())));
        story.main(&first);
        (story, first)
    }

    /// A commit of these parents: the first one's files, with these instead.
    fn commit(&self, parents: &[&str], files: &[(&str, &str)]) -> String {
        let find = |id: &&str| self.git.find_commit(Oid::from_str(id).unwrap()).unwrap();
        let parents: Vec<_> = parents.iter().map(find).collect();
        let mut index = git2::Index::new().unwrap();
        if let Some(first) = parents.first() {
            index.read_tree(&first.tree().unwrap()).unwrap();
        }
        for (name, text) in files {
            let zero = IndexTime::new(0, 0);
            index
                .add(&IndexEntry {
                    ctime: zero,
                    mtime: zero,
                    dev: 0,
                    ino: 0,
                    mode: 0o100_644,
                    uid: 0,
                    gid: 0,
                    file_size: 0,
                    id: self.git.blob(text.as_bytes()).unwrap(),
                    flags: 0,
                    flags_extended: 0,
                    path: format!("policies/{name}").into_bytes(),
                })
                .unwrap();
        }
        let tree = self.git.find_tree(index.write_tree_to(&self.git).unwrap()).unwrap();
        let who = Signature::new("t", "t@example.com", &Time::new(1_772_366_400, 0)).unwrap();
        let parents: Vec<_> = parents.iter().collect();
        self.git.commit(None, &who, &who, "m", &tree, &parents).unwrap().to_string()
    }

    /// Moves the branch and the work tree there.
    fn main(&self, commit: &str) {
        let id = Oid::from_str(commit).unwrap();
        self.git.reference("refs/heads/main", id, true, "t").unwrap();
        self.git.set_head("refs/heads/main").unwrap();
        self.git.reset(&self.git.find_object(id, None).unwrap(), ResetType::Hard, None).unwrap();
    }

    /// The forge says that `commit` completed request `number`, whose last commit is `head`.
    fn merged(&self, commit: &str, number: u64, head: &str) {
        self.told.lock().unwrap().merged.push((commit.to_owned(), number, head.to_owned()));
    }

    fn review(&self, login: &str, state: &str, commit: &str) {
        let mut told = self.told.lock().unwrap();
        let (n, id) = (told.reviews.len() + 1, login.bytes().map(u64::from).sum::<u64>());
        told.reviews.push(json!({ "id": n, "user": { "id": id, "login": login }, "state": state,
            "commit_id": commit, "submitted_at": format!("2026-11-22T10:00:{n:02}Z") }));
    }

    fn accord(&self, words: &[&str]) -> Ran {
        let output = self.repo.command(words).env("FORGE_TOKEN", "ghp_x").stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap() }
    }

    /// Applies; exit code 0, or 3 where something is withheld.
    fn apply(&self, code: i32) -> String {
        let ran = self.accord(&["apply", "--auto-approve"]).exits(code);
        format!("{}{}", ran.stdout, ran.stderr)
    }

    fn group(&self, name: &str) -> Vec<String> {
        let text = self.repo.read("directory.ldif");
        let record = text.split("\n\n").find(|record| record.contains(&format!("dn: cn={name},"))).unwrap_or_default();
        let members = record.lines().filter_map(|line| line.strip_prefix("member: uid="));
        let mut members: Vec<String> = members.map(|rest| rest.split(',').next().unwrap().to_owned()).collect();
        members.sort();
        members
    }

    fn production(&self) -> Vec<String> {
        self.group("prod")
    }
}

impl Told {
    fn answer(&self, target: &str) -> Reply {
        if self.down {
            return Reply::status(503, "{}");
        }
        let path = target.split('?').next().unwrap().strip_prefix("/repos/example/access/").unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        let reply = match parts[..] {
            ["commits", commit, "pulls"] => {
                let list: Vec<Value> = self
                    .merged
                    .iter()
                    .filter(|(made, ..)| made == commit)
                    .map(|(made, number, head)| {
                        json!({ "number": number, "head": { "sha": head }, "base": { "ref": "main" },
                        "merged_at": "2026-11-22T11:00:00Z", "merge_commit_sha": made })
                    })
                    .collect();
                Value::from(list)
            }
            ["pulls", _, "reviews"] => Value::from(self.reviews.clone()),
            ["pulls", number] => {
                let number: u64 = number.parse().unwrap();
                let head = &self.merged.iter().find(|(_, n, _)| *n == number).unwrap().2;
                json!({ "number": number, "user": { "id": 9, "login": "mallory" }, "head": { "sha": head }, "base": { "ref": "main" } })
            }
            _ => panic!("{target}"),
        };
        Reply::json(reply.to_string())
    }
}

fn access(from: &str, to: &str) -> String {
    assert!(ACCESS.contains(from), "{from}");
    ACCESS.replace(from, to)
}

/// bob comes into production, li leaves it.
fn swapped() -> String {
    access("      - li\n", "      - bob\n")
}

#[test]
fn what_was_approved_is_given_and_the_plan_says_by_whom() {
    let (story, first) = Story::begin();
    let head = story.commit(&[&first], &[("access.yaml", &swapped())]);
    let squash = story.commit(&[&first], &[("access.yaml", &swapped())]);
    story.main(&squash);
    story.merged(&squash, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let _ = story.accord(&["plan", "--out", "plan.json"]).exits(0);
    let plan = accord::plan::file::read(story.repo.read("plan.json").as_bytes()).unwrap();
    let rests_on = plan.approvals.unwrap();
    assert_eq!((rests_on.since.as_str(), rests_on.lacking), (first.as_str(), 0));
    let step = &rests_on.steps[0];
    assert_eq!((step.commit.as_deref(), step.head.as_deref()), (Some(&*squash), Some(&*head)));
    assert_eq!((step.request.as_deref(), &step.approved_by), (Some("example/access#7"), &vec!["wei".to_owned()]));
    let shown = story.accord(&["plan", "show", "plan.json"]).exits(0).stdout;
    let line = format!("\napprovals since {}: example/access#7 by wei\n", &first[..7]);
    assert!(shown.contains(&line), "{shown}");
    let _ = story.accord(&["apply", "plan.json"]).exits(0);
    assert_eq!(story.production(), ["bob", "wei"]);
    // What a run found approved stays so, and nobody is asked again.
    story.told.lock().unwrap().down = true;
    let _ = story.apply(0);
    assert_eq!(story.production(), ["bob", "wei"]);
}

#[test]
fn what_nobody_approved_is_not_given_and_what_takes_away_does_not_wait() {
    let (story, first) = Story::begin();
    let pushed = story.commit(&[&first], &[("access.yaml", &swapped())]);
    story.main(&pushed);
    let said = story.apply(3);
    assert_eq!(story.production(), ["wei"], "li is out, bob is not in");
    let why =
        format!("not approved: approval `production`: 1 more of wei; commit {} came in by no request", &pushed[..12]);
    assert!(said.contains(&why), "{said}");
    assert!(said.contains("have the request approved") && said.contains("or revert it"), "{said}");
    // Hours later it is still so, and what nobody approved is taken away where it appears.
    assert!(story.apply(3).contains(&why));
    let ldif = story.repo.read("directory.ldif");
    let member = "member: uid=wei,ou=people,dc=e\n";
    let at = ldif.find("dn: cn=prod,").unwrap() + ldif[ldif.find("dn: cn=prod,").unwrap()..].find(member).unwrap();
    story.repo.write("directory.ldif", &format!("{}member: uid=bob,ou=people,dc=e\n{}", &ldif[..at], &ldif[at..]));
    let said = story.apply(0);
    assert!(said.contains("what gives corp/prod to bob is not approved"), "{said}");
    assert_eq!(story.production(), ["wei"]);
    // Taken back, and brought in again as it should be.
    let back = story.commit(&[&pushed], &[("access.yaml", &access("      - li\n", ""))]);
    story.main(&back);
    let _ = story.apply(0);
    let head = story.commit(&[&back], &[("access.yaml", &swapped())]);
    story.main(&head);
    story.merged(&head, 8, &head);
    story.review("wchen", "APPROVED", &head);
    let _ = story.apply(0);
    assert_eq!(story.production(), ["bob", "wei"]);
}

#[test]
fn only_the_commit_that_was_merged_counts_and_an_approval_may_come_late() {
    let (story, first) = Story::begin();
    let reviewed = story.commit(&[&first], &[("access.yaml", &access("      - li\n", "      - li\n      - omar\n"))]);
    // A further push after the approval, then the merge.
    let head = story.commit(&[&reviewed], &[("access.yaml", &swapped())]);
    let merge = story.commit(&[&first, &head], &[("access.yaml", &swapped())]);
    story.main(&merge);
    story.merged(&merge, 7, &head);
    story.review("wchen", "APPROVED", &reviewed);
    let said = story.apply(3);
    assert!(said.contains(&format!("came in by example/access#7, approved at {}", &head[..12])), "{said}");
    story.review("bob", "APPROVED", &head);
    let _ = story.apply(3);
    assert_eq!(story.production(), ["wei"], "bob's own voice is none, and wei's is of another commit");
    story.review("wchen", "APPROVED", &head);
    let _ = story.apply(0);
    assert_eq!(story.production(), ["bob", "wei"]);
}

#[test]
fn a_merge_that_brings_a_line_of_its_own_is_not_what_was_approved() {
    let (story, first) = Story::begin();
    let head = story.commit(&[&first], &[("access.yaml", &access("      - li\n", "      - li\n      - bob\n"))]);
    let evil = access("      - li\n", "      - li\n      - bob\n      - mallory\n");
    let merge = story.commit(&[&first, &head], &[("access.yaml", &evil)]);
    story.main(&merge);
    story.merged(&merge, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let said = story.apply(3);
    let why = format!("came in by example/access#7, and it holds something else than merging {} gives", &head[..12]);
    assert!(said.contains(&why), "{said}");
    assert_eq!(story.production(), ["li", "wei"]);
}

/// Each of two changes is harmless alone, and wei approves what shows nothing of production.
#[test]
fn an_approval_covers_what_it_showed() {
    let (story, first) = Story::begin();
    let gives = access("owner: omar, members: []", "owner: omar, grants: [corp/prod], members: []");
    let one = story.commit(&[&first], &[("access.yaml", &gives)]);
    let people = "\nroles:\n  helpers: { owner: omar, includes: [tools], members: [mallory] }\n";
    let head = story.commit(&[&first], &[("more.yaml", people)]);
    let merge = story.commit(&[&one, &head], &[("more.yaml", people)]);
    story.main(&merge);
    story.merged(&one, 6, &one);
    story.merged(&merge, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let said = story.apply(3);
    assert!(said.contains("approval `production`: what was approved did not show it, because the branch"), "{said}");
    assert_eq!(story.production(), ["li", "wei"]);
}

#[test]
fn a_self_made_owner_approves_nothing() {
    let (story, first) = Story::begin();
    let mine = access("    owner: wei\n", "    owner: bob\n");
    let pushed = story.commit(&[&first], &[("access.yaml", &mine)]);
    let then = mine
        .replace("      - li\n", "      - mallory\n")
        .replace("wiki: { members: [wei]", "wiki: { members: [wei, li]");
    let head = story.commit(&[&pushed], &[("access.yaml", &then)]);
    story.main(&head);
    story.merged(&head, 7, &head);
    story.review("bob", "APPROVED", &head);
    let said = story.apply(3);
    let why = "by what changes are judged was loosened without those who may: the group `corp/prod` gets another owner: 1 more of omar, wei";
    assert!(said.contains(why), "{said}");
    assert_eq!(story.production(), ["wei"], "li is out, mallory is not in");
    assert_eq!(story.group("wiki"), ["wei"], "nothing at all is given while nobody can say whose approval counts");
    // Reverted by the same hand: nothing is loosened any more, and mallory is still not in.
    let back = story.commit(&[&head], &[("access.yaml", &then.replace("    owner: bob\n", "    owner: wei\n"))]);
    story.main(&back);
    let _ = story.apply(3);
    assert_eq!(
        (story.production(), story.group("wiki")),
        (vec!["wei".to_owned()], vec!["li".to_owned(), "wei".to_owned()])
    );
}

#[test]
fn a_plan_rests_on_approvals_that_still_stand() {
    let (story, first) = Story::begin();
    let head = story.commit(&[&first], &[("access.yaml", &swapped())]);
    story.main(&head);
    story.merged(&head, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let _ = story.accord(&["plan", "--out", "plan.json"]).exits(0);
    story.review("wchen", "DISMISSED", &head);
    let ran = story.accord(&["apply", "plan.json"]);
    assert!(ran.stdout.contains("withheld now: not approved: approval `production`"), "{ran:?}");
    assert_eq!(story.production(), ["wei"], "li is out, bob is not in");
}

#[test]
fn without_an_answer_of_the_forge_nothing_is_given_and_nothing_waits() {
    let (story, first) = Story::begin();
    let text = swapped().replace("wiki: { members: [wei]", "wiki: { members: [wei, li]");
    let head = story.commit(&[&first], &[("access.yaml", &text)]);
    story.main(&head);
    story.merged(&head, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let ran = story.repo.command(&["apply", "--auto-approve"]).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{said}");
    assert!(said.contains("`FORGE_TOKEN`"), "{said}");
    assert_eq!(
        (story.production(), story.group("wiki")),
        (vec!["wei".to_owned()], vec!["li".to_owned(), "wei".to_owned()])
    );
    let _ = story.apply(0);
    assert_eq!(story.production(), ["bob", "wei"]);
}

#[test]
fn a_first_run_says_from_where_approvals_count() {
    let (story, first) = Story::unapplied();
    let said = story.apply(3);
    assert!(said.contains("no run of accord says up to which commit access was approved"), "{said}");
    assert!(said.contains("--approved-since REV"), "{said}");
    assert!(!story.repo.file("directory.ldif").exists() || story.production().is_empty());
    let _ = story.accord(&["apply", "--auto-approve", "--approved-since", &first]).exits(0);
    assert_eq!(story.production(), ["li", "wei"]);
    // What is not committed was approved by nobody.
    story.repo.write("policies/access.yaml", &swapped());
    let said = story.apply(3);
    assert!(said.contains("1 more of wei; what is not committed, so nobody can have approved it"), "{said}");
    assert_eq!(story.production(), ["wei"]);
}

/// A rebase leaves several commits, of which the forge names the last; a branch that is
/// moved to the request's last commit leaves all of its commits.
#[test]
fn a_rebase_is_one_step_and_so_is_a_branch_that_was_moved() {
    let (story, first) = Story::begin();
    let steps = |onto: &str| {
        let one = story.commit(&[onto], &[("access.yaml", &access("      - li\n", ""))]);
        (one.clone(), story.commit(&[&one], &[("access.yaml", &swapped())]))
    };
    let (_, head) = steps(&first);
    let aside = story.commit(&[&first], &[("more.yaml", "groups:\n  corp/other: {}\n")]);
    let (_, rebased) = steps(&aside);
    story.main(&rebased);
    story.merged(&rebased, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let _ = story.apply(0);
    assert_eq!(story.production(), ["bob", "wei"]);
    let one = story
        .commit(&[&rebased], &[("access.yaml", &swapped().replace("      - bob\n", "      - bob\n      - mallory\n"))]);
    let two = story.commit(&[&one], &[("more.yaml", "groups: {}\n")]);
    story.main(&two);
    story.merged(&two, 8, &two);
    story.review("wchen", "APPROVED", &two);
    let _ = story.apply(0);
    assert_eq!(story.production(), ["bob", "mallory", "wei"]);
}

/// The branch is put back to an old commit and moved on from there: what came after it was
/// applied, and the old approvals are of something else.
#[test]
fn an_old_approval_does_not_bring_access_back() {
    let (story, first) = Story::begin();
    let head = story.commit(&[&first], &[("access.yaml", &swapped())]);
    story.main(&head);
    story.merged(&head, 7, &head);
    story.review("wchen", "APPROVED", &head);
    let _ = story.apply(0);
    let gone = story.commit(&[&head], &[("access.yaml", &access("      - li\n", ""))]);
    story.main(&gone);
    let _ = story.apply(0);
    assert_eq!(story.production(), ["wei"]);
    // Back to where bob was in, and the same text once more on top.
    story.main(&head);
    let said = story.apply(3);
    assert!(said.contains("not approved: approval `production`"), "{said}");
    let again = story.commit(&[&gone], &[("access.yaml", &swapped())]);
    story.main(&again);
    let _ = story.apply(3);
    assert_eq!(story.production(), ["wei"]);
}

/// The directory holds no ends, so a later one is no step of a plan.
#[test]
fn a_later_end_that_nobody_approved_is_noted_and_given_by_an_approval() {
    let (story, first) = Story::unapplied();
    let dated = access("      - li\n", "      - { person: li, expires: 2196-12-31 }\n");
    let base = story.commit(&[&first], &[("access.yaml", &dated)]);
    story.main(&base);
    let _ = story.accord(&["apply", "--auto-approve", "--approved-since", &base]).exits(0);
    let longer = story.commit(&[&base], &[("access.yaml", ACCESS)]);
    story.main(&longer);
    let plan = story.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("ends as before: not approved: approval `production`: 1 more of wei; commit"), "{plan}");
    assert!(plan.contains("no request · 1 missing"), "{plan}");
    // A shorter one waits for nobody, and nothing is said of it.
    let shorter = story.commit(&[&base], &[("access.yaml", &dated.replace("2196", "2190"))]);
    story.main(&shorter);
    let plan = story.accord(&["plan"]).exits(0).stdout;
    assert!(!plan.contains("approv"), "{plan}");
    story.main(&longer);
    story.merged(&longer, 7, &longer);
    story.review("wchen", "APPROVED", &longer);
    let plan = story.accord(&["plan"]).exits(0).stdout;
    assert!(plan.contains("example/access#7 by wei\n") && !plan.contains("ends as before"), "{plan}");
}

/// Before the merge a plan of the request tells what would be given after it; nothing is.
#[test]
fn a_plan_of_an_open_request_tells_what_its_approvals_would_give() {
    let (story, first) = Story::begin();
    let head = story.commit(&[&first], &[("access.yaml", &swapped())]);
    let aside = story.commit(&[&first], &[("more.yaml", "groups:\n  corp/other: {}\n")]);
    // What the forge would make of it, checked out beside the branch.
    let preview = story.commit(&[&aside, &head], &[("access.yaml", &swapped())]);
    story.main(&preview);
    // Of a commit that is nowhere in the branch: the request is open.
    story.merged(&"0".repeat(40), 7, &head);
    let asked = ["plan", "--request", "7", "--out", "plan.json"];
    let plan = story.accord(&asked).exits(3).stdout;
    assert!(plan.contains("1 more of wei") && plan.contains("by example/access#7, approved at"), "{plan}");
    story.review("wchen", "APPROVED", &head);
    let plan = story.accord(&asked).exits(0).stdout;
    assert!(plan.contains(": example/access#7 by wei\n") && plan.contains("~ bob"), "{plan}");
    // That it is open yet, `apply` sees for itself.
    let ran = story.accord(&["apply", "plan.json"]);
    assert!(ran.stdout.contains("came in by no request"), "{ran:?}");
    assert_eq!(story.production(), ["wei"], "li is out, bob is not in");
    // A preview with a line of its own is not what was approved.
    let evil = story.commit(&[&aside, &head], &[("access.yaml", &swapped().replace("- bob", "- mallory"))]);
    story.main(&evil);
    let plan = story.accord(&["plan", "--request", "7"]).exits(3).stdout;
    assert!(plan.contains("it holds something else than merging"), "{plan}");
}
