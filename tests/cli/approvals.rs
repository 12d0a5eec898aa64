//! `accord review approvals` on real commits, with a forge on loopback.

use super::harness::{Ran, Repo};
use super::revisions::commit;
use crate::support::web::{Asked, Reply, Web};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

const TOKEN: &str = "ghp_neverToBeSeen";

const PEOPLE: &str = "
people:
  wei: { name: Wei, kind: employee, forge: [wchen] }
  omar: { name: Omar, kind: employee, forge: [omar] }
  bob: { name: Bob, kind: employee, forge: [bob] }
  gone: { name: Gone, kind: employee, expires: 2020-01-31, forge: [gone] }
  mallory: { name: Mallory, kind: employee, forge: [mallory] }
groups:
  corp/prod: { owner: wei, members: [wei] }
";

fn accord_yaml(url: &str) -> String {
    format!(
        "organization: example\ntimezone: UTC\ndirectories:\n  corp: {{ kind: ldif, file: directory.ldif, create: true, \
         accounts: {{ base: \"ou=people,dc=e\" }}, groups: {{ base: \"ou=groups,dc=e\" }} }}\nforge: {{ kind: github, url: \
         \"{url}\", project: example/access, branch: main, token: {{ env: FORGE_TOKEN }} }}\npolicy_owners: [omar]\n\
         approvals:\n  production: {{ entitlements: [corp/prod], from: [owner] }}\n"
    )
}

/// A forge whose request 7 ends with `head` and has these reviews.
#[derive(Default)]
struct Told {
    head: String,
    reviews: Vec<Value>,
    cut: bool,
}

struct Story {
    repo: Repo,
    forge: Web,
    told: Arc<Mutex<Told>>,
}

impl Story {
    /// A base commit, on which the forge is written.
    fn begin() -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let known = Arc::clone(&told);
        let forge = Web::start(move |asked: &Asked| {
            let told = known.lock().unwrap();
            if !asked.target.contains("/reviews") {
                let pull = json!({ "number": 7, "user": { "id": 9, "login": "mallory" }, "head": { "sha": told.head },
                    "base": { "ref": "main" } });
                return Reply::json(pull.to_string());
            }
            let body = Value::from(told.reviews.clone()).to_string();
            if told.cut { Reply::json(body.clone()).cut_after(body.len() / 2) } else { Reply::json(body) }
        });
        let repo = Repo::empty();
        repo.write("policies/accord.yaml", &accord_yaml(&forge.url()));
        repo.write("policies/people.yaml", PEOPLE);
        commit(&repo, "base");
        Self { repo, forge, told }
    }

    /// Bob gets production in a commit of that name.
    fn grant(&self, tag: &str) -> String {
        self.repo.edit("policies/people.yaml", "members: [wei]", "members: [wei, bob]");
        let id = commit(&self.repo, tag);
        self.told.lock().unwrap().head.clone_from(&id);
        id
    }

    fn review(&self, id: u64, login: &str, state: &str, commit: &str) {
        let user = login.bytes().map(u64::from).sum::<u64>();
        self.told
            .lock()
            .unwrap()
            .reviews
            .push(json!({ "id": id, "user": { "id": user, "login": login }, "state": state,
            "commit_id": commit, "submitted_at": format!("2026-11-22T10:00:{id:02}Z") }));
    }

    fn ask(&self, words: &[&str]) -> Ran {
        let mut command = self.repo.command(&[&["review", "approvals"], words].concat());
        let output = command.env("FORGE_TOKEN", TOKEN).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran = Ran { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap() };
        assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN), "{ran:?}");
        ran
    }
}

#[test]
fn only_reviews_of_exactly_the_head_cover_a_change() {
    let story = Story::begin();
    let head = story.grant("head");
    let words = ["base..head", "--request", "7"];
    let out = story.ask(&words).exits(3).quiet();
    assert!(out.contains("missing  approval `production`: nobody agreed; 1 more of: wei"), "{out}");
    assert!(out.contains("bob in corp/prod") && out.contains("request example/access#7 by mallory"), "{out}");
    story.review(1, "wchen", "APPROVED", &"0".repeat(40));
    let out = story.ask(&words).exits(3).quiet();
    assert!(out.contains("not counted: wchen: approved commit 000000000000, not"), "{out}");
    story.review(2, "wchen", "APPROVED", &head);
    story.review(3, "bob", "APPROVED", &head);
    let out = story.ask(&words).exits(0).quiet();
    assert!(out.contains("covered  approval `production`: agreed: wei"), "{out}");
    assert!(out.contains("read: 1 page, the last without a next one"), "{out}");
    let json: Value =
        serde_json::from_str(&story.ask(&[&words[..], &["--format", "json"]].concat()).exits(0).quiet()).unwrap();
    assert_eq!((json["covered"].as_bool(), json["head"].as_str()), (Some(true), Some(head.as_str())));
    assert_eq!(json["needs"][0]["access"], json!([{ "person": "bob", "entitlement": "corp/prod" }]));
    assert_eq!(json["needs"][0]["approved_by"], json!(["wei"]));
    let page = story.ask(&[&words[..], &["--format", "markdown"]].concat()).exits(0).quiet();
    assert!(page.contains("- [x] approval \\`production\\`: agreed: wei"), "{page}");
    // Half an answer is no answer, whatever the first half says.
    story.told.lock().unwrap().cut = true;
    assert!(story.ask(&words).exits(1).stderr.contains("the answer was cut off"));
    story.told.lock().unwrap().cut = false;
    story.review(4, "wchen", "DISMISSED", &head);
    let out = story.ask(&words).exits(3).quiet();
    assert!(out.contains("not counted: wchen: the review was dismissed"), "{out}");
}

#[test]
fn the_change_does_not_choose_whom_it_is_asked_of() {
    let story = Story::begin();
    let liar = Web::start(|_| Reply::status(500, "{}"));
    story.repo.write("policies/accord.yaml", &accord_yaml(&liar.url()));
    let head = story.grant("head");
    story.review(1, "wchen", "APPROVED", &head);
    let out = story.ask(&["base..head", "--request", "7"]).exits(3).quiet();
    assert!(out.contains("missing  `forge` changes: where reviews are read: nobody agreed; 1 more of: omar"), "{out}");
    assert!(out.contains("covered  approval `production`: agreed: wei"), "{out}");
    assert_eq!(liar.asked(), [], "its token went to whoever the change named");
    assert!(story.forge.asked().iter().all(|asked| asked.header("authorization").unwrap().ends_with(TOKEN)));
}

#[test]
fn what_cannot_be_told_is_an_error() {
    let story = Story::begin();
    let head = story.grant("head");
    let out = story.ask(&["base..head"]).exits(3).quiet();
    assert!(out.contains("nobody agreed; 1 more of: wei"), "{out}");
    assert_eq!(story.forge.asked(), []);
    assert!(story.ask(&["nothing..head"]).exits(1).stderr.contains("`nothing`"));
    assert!(story.ask(&["base"]).exits(1).stderr.contains("`base` is no range of commits"));
    story.review(1, "gone", "APPROVED", &head);
    let err = story.ask(&["base..head", "--request", "7"]).exits(1).stderr;
    assert!(err.contains("`gone` approved, and `gone` left at 2020-02-01T00:00:00Z"), "{err}");
    assert!(err.contains("have the review dismissed"), "{err}");
    story.told.lock().unwrap().head = "1".repeat(40);
    let err = story.ask(&["base..head", "--request", "7"]).exits(1).stderr;
    assert!(err.contains("the last commit of `example/access#7` is 1111"), "{err}");
    let err = story.ask(&["base..head", "--request", "8"]).exits(1).stderr;
    assert!(err.contains("the answer is about request 7"), "{err}");
}

/// `approved_by` is written by whoever wrote the change.
#[test]
fn what_a_file_says_of_approvals_is_a_claim_until_a_review_says_so() {
    let story = Story::begin();
    let claimed = "members: [wei, { person: bob, ticket: ACC-1, approved_by: wei }]";
    story.repo.edit("policies/people.yaml", "members: [wei]", claimed);
    let head = commit(&story.repo, "head");
    story.told.lock().unwrap().head.clone_from(&head);
    let words = "ACC-1 · claimed: approved by wei";
    let text = story.repo.accord(&["diff", "base..head"]).exits(0).stdout;
    assert!(text.contains(words), "{text}");
    let json = story.repo.accord(&["diff", "base..head", "--format", "json"]).exits(0).stdout;
    assert!(json.contains(words), "{json}");
    let page = story.repo.accord(&["diff", "base..head", "--format", "markdown"]).exits(0).stdout;
    assert!(page.contains("claimed: approved by wei"), "{page}");
    let why = story.repo.accord(&["why", "bob", "corp/prod"]).exits(0).stdout;
    assert!(why.contains(words), "{why}");
    let plan = story.repo.accord(&["plan", "--approved-since", "head"]).exits(0).stdout;
    assert!(plan.contains("ACC-1, claimed: approved by wei"), "{plan}");

    let asked = ["base..head", "--request", "7"];
    let out = story.ask(&asked).exits(3).quiet();
    let claim = "claimed  bob in corp/prod: approved by wei (policies/people.yaml:9); ";
    assert!(out.contains(&format!("{claim}no review of the last commit says so")), "{out}");
    story.review(1, "wchen", "APPROVED", &"0".repeat(40));
    assert!(story.ask(&asked).exits(3).stdout.contains("no review of the last commit says so"));
    story.review(2, "wchen", "APPROVED", &head);
    let out = story.ask(&asked).exits(0).quiet();
    assert!(out.contains(&format!("{claim}a review says so too")), "{out}");
    let out = story.ask(&[&asked[..], &["--format", "json"]].concat()).exits(0).quiet();
    let json: Value = serde_json::from_str(&out).unwrap();
    let expected = json!([{ "person": "bob", "entitlement": "corp/prod", "approved_by": "wei", "reviewed": true,
        "file": "policies/people.yaml", "line": 9 }]);
    assert_eq!(json["claimed"], expected);
}
