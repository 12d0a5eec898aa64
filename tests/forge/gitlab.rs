//! GitLab, on answers in the shape of its entities `MergeRequest`, `MergeRequestDiff`,
//! `MergeRequestApprovals`, `MergeRequestReviewer` and `Note`.

use super::{merged, read, settings, shown, told};
use crate::support::web::{Reply, Web};
use accord::policy::settings::{ForgeKind, ForgeSettings};
use serde_json::{Value, json};

const HEAD: &str = "94826eb7e6136e544cbadfcb8fde4b4f6540fd5e";
const OLD: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

fn gitlab(url: &str) -> ForgeSettings {
    settings(ForgeKind::GitLab, &format!("{url}/api/v4"), "group/sub/access")
}

/// What one merge request holds.
#[derive(Clone)]
struct Held {
    versions: Value,
    approvals: Value,
    reviewers: Value,
    notes: Value,
}

fn user(id: u64) -> Value {
    json!({ "id": id, "username": format!("user{id}"), "name": "N. N.", "state": "active", "web_url": "https://x" })
}

fn approval(id: u64, at: &str) -> Value {
    json!({ "user": user(id), "approved_at": format!("2026-11-22T{at}Z") })
}

fn version(id: u64, head: &str, at: &str) -> Value {
    json!({ "id": id, "head_commit_sha": head, "base_commit_sha": OLD, "start_commit_sha": OLD,
        "created_at": format!("2026-11-22T{at}Z"), "merge_request_id": 4711, "state": "collected", "real_size": "1" })
}

fn note(id: u64, who: u64, body: &str, at: &str) -> Value {
    json!({ "id": id, "type": null, "body": body, "author": user(who), "system": true, "imported": false,
        "created_at": format!("2026-11-22T{at}Z") })
}

impl Default for Held {
    /// Pushed at 10:00 and again at 11:00.
    fn default() -> Self {
        Self {
            versions: json!([version(2, HEAD, "11:00:00.500"), version(1, OLD, "10:00:00.000")]),
            approvals: json!([]),
            reviewers: json!([]),
            notes: json!([]),
        }
    }
}

impl Held {
    fn serve(self) -> Web {
        Web::start(move |asked| {
            let path = asked.target.split('?').next().unwrap();
            let below = path.strip_prefix("/api/v4/projects/group%2Fsub%2Faccess/merge_requests/7").unwrap();
            let value = match below {
                "" => json!({ "iid": 7, "author": user(1), "sha": HEAD, "target_branch": "main", "state": "opened" }),
                "/versions" => self.versions.clone(),
                "/approvals" => json!({ "approved": true, "approved_by": self.approvals }),
                "/reviewers" => self.reviewers.clone(),
                "/notes" => self.notes.clone(),
                other => panic!("{other}"),
            };
            Reply::json(value.to_string())
        })
    }

    fn shown(self) -> (Vec<String>, Vec<String>) {
        let reviews = read(&gitlab(&self.serve().url()), 7, HEAD).unwrap();
        let (counted, rest) = shown(&reviews);
        (counted.into_iter().map(str::to_owned).collect(), rest)
    }
}

#[test]
fn an_approval_counts_if_it_came_after_the_last_push() {
    let approvals = json!([
        approval(1, "11:30:00"),
        approval(2, "11:00:00.501"),
        approval(3, "11:00:00.500"),
        approval(4, "10:30:00"),
        approval(5, "11:30:00"),
    ]);
    let reviewers = json!([
        { "user": user(5), "state": "requested_changes", "created_at": "2026-11-22T10:00:00Z" },
        { "user": user(2), "state": "approved", "created_at": "2026-11-22T10:00:00Z" },
    ]);
    let held = Held { approvals, reviewers, ..Held::default() };
    let web = held.clone().serve();
    let (counted, rest) = held.shown();
    assert_eq!(counted, ["user2"]);
    let late = |at: &str| {
        format!(
            "approved at 2026-11-22T{at}Z, before the last push (2026-11-22T11:00:00.5Z); turn on \"Remove all approvals when \
             commits are added\" in the project's merge request approval settings"
        )
    };
    assert_eq!(
        rest,
        [
            "user1: the author's own review".to_owned(),
            format!("user3: {}", late("11:00:00.5")),
            format!("user4: {}", late("10:30:00")),
            "user5: requested changes".to_owned(),
        ]
    );
    let reviews = read(&gitlab(&web.url()), 7, HEAD).unwrap();
    assert_eq!((&*reviews.head, reviews.author.id), (HEAD, 1));
    assert!(web.asked().iter().all(|asked| asked.header("private-token") == Some("tok_accord")));
    assert!(!web.targets().iter().any(|target| target.contains("/notes")), "{:?}", web.targets());
    // Of another commit than the head, nothing counts.
    assert_eq!(read(&gitlab(&web.url()), 7, OLD).unwrap().approvals, []);
}

#[test]
fn a_push_back_to_an_earlier_commit_is_a_push() {
    let versions = json!([version(1, HEAD, "10:00:00"), version(3, HEAD, "12:00:00"), version(2, OLD, "11:00:00"),]);
    let held =
        Held { versions, approvals: json!([approval(2, "10:30:00"), approval(3, "12:30:00")]), ..Held::default() };
    assert_eq!(held.shown().0, ["user3"]);
}

#[test]
fn where_approvals_carry_no_date_the_system_notes_tell_and_only_those() {
    let approvals: Vec<Value> = (2..=8).map(|id| json!({ "user": user(id) })).collect();
    let word = "approved this merge request";
    let mut typed = note(5, 5, word, "11:30:00");
    typed["system"] = json!(false);
    let mut imported = note(6, 6, word, "11:30:00");
    imported["imported"] = json!(true);
    let notes = json!([
        note(1, 2, word, "11:30:00"),
        note(2, 3, word, "10:30:00"),
        note(3, 4, word, "11:30:00"),
        note(4, 4, "unapproved this merge request", "11:31:00"),
        typed,
        imported,
        note(7, 8, "mentioned: approved this merge request", "11:30:00"),
    ]);
    let (counted, rest) = Held { approvals: json!(approvals), notes, ..Held::default() }.shown();
    assert_eq!(counted, ["user2"]);
    let unknown = rest.iter().filter(|why| why.contains("GitLab does not say when")).count();
    assert_eq!((rest.len(), unknown), (6, 5), "{rest:?}");
}

#[test]
fn a_request_that_gitlab_has_not_worked_on_yet_is_refused() {
    let stale = Held { versions: json!([version(1, OLD, "10:00:00")]), ..Held::default() };
    let text = told(read(&gitlab(&stale.serve().url()), 7, HEAD));
    assert!(text.contains("its last version ends with 6dcb09b5b578, not 94826eb7e613 | wait until GitLab"), "{text}");
    let none = Held { versions: json!([]), ..Held::default() };
    assert!(told(read(&gitlab(&none.serve().url()), 7, HEAD)).contains("it has no version"));
    let web = Held::default().serve();
    let other = ForgeSettings { branch: "protected".into(), ..gitlab(&web.url()) };
    assert!(told(read(&other, 7, HEAD)).contains("goes into `main`, and approvals count for `protected`"));
}

#[test]
fn a_commit_came_by_the_one_merged_request_that_it_completes() {
    let made = "e".repeat(40);
    let one = |merge: Option<&str>, squash: Option<&str>, sha: &str, state: &str, branch: &str| {
        json!([{ "iid": 7, "state": state, "target_branch": branch, "sha": sha, "merge_commit_sha": merge,
            "squash_commit_sha": squash }])
    };
    let ask = |list: Value| {
        let web = Web::start(move |_| Reply::json(list.to_string()));
        let found = merged(&gitlab(&web.url()), &made).unwrap();
        let path = "/api/v4/projects/group%2Fsub%2Faccess/repository/commits";
        assert_eq!(web.targets(), [format!("{path}/{made}/merge_requests?per_page=100")]);
        found
    };
    let found = Some((7, HEAD.to_owned()));
    assert_eq!(ask(one(Some(&made), None, HEAD, "merged", "main")), found);
    assert_eq!(ask(one(Some(&made), Some(OLD), HEAD, "merged", "main")), found, "squashed, then merged");
    assert_eq!(ask(one(None, Some(&made), HEAD, "merged", "main")), found, "squashed");
    assert_eq!(ask(one(None, None, &made, "merged", "main")), Some((7, made.clone())), "moved to it");
    assert_eq!(ask(one(Some(OLD), None, &made, "merged", "main")), None, "a part of what was merged");
    assert_eq!(ask(one(Some(&made), None, HEAD, "opened", "main")), None);
    assert_eq!(ask(one(Some(&made), None, HEAD, "merged", "release")), None);
    assert_eq!(ask(json!([])), None);
}
