//! GitHub.

use super::{merged, read, settings, shown, told};
use crate::support::forges::{Emulator, Prism, description};
use crate::support::web::{Asked, Reply, Web};
use accord::policy::settings::{ForgeKind, ForgeSettings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const HEAD: &str = "94826eb7e6136e544cbadfcb8fde4b4f6540fd5e";
const OLD: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

fn github(url: &str) -> ForgeSettings {
    settings(ForgeKind::GitHub, url, "example/access")
}

fn pull(head: &str) -> Value {
    json!({ "number": 7, "user": { "id": 1, "login": "author" }, "head": { "sha": head }, "base": { "ref": "main" } })
}

fn review(id: u64, user: u64, state: &str, commit: &str) -> Value {
    json!({ "id": id, "user": { "id": user, "login": format!("user{user}") }, "state": state, "commit_id": commit,
        "submitted_at": format!("2026-11-22T10:00:{:02}Z", id % 60) })
}

/// A fake that answers with this request and these reviews.
fn fake(reviews: Value) -> Web {
    Web::start(
        move |asked| {
            if is_list(asked) { Reply::json(reviews.to_string()) } else { Reply::json(pull(HEAD).to_string()) }
        },
    )
}

fn is_list(asked: &Asked) -> bool {
    asked.target.contains("/reviews")
}

#[test]
fn a_story_of_reviews_on_an_emulator_behind_githubs_own_description() {
    let emulator = Emulator::start();
    let prism = Prism::before(&emulator.url(), false);
    let main = emulator.send("author", "GET", "/branches", "")[0]["commit"]["sha"].as_str().unwrap().to_owned();
    let branch = json!({ "ref": "refs/heads/change", "sha": main });
    emulator.send("author", "POST", "/git/refs", &branch.to_string());
    let file = json!({ "message": "a change", "content": "YQo=", "branch": "change" });
    let file = emulator.send("author", "PUT", "/contents/a.yaml", &file.to_string());
    let head = file["commit"]["sha"].as_str().unwrap().to_owned();
    let request = json!({ "title": "a change", "head": "change", "base": "main" });
    let number = emulator.send("author", "POST", "/pulls", &request.to_string())["number"].as_u64().unwrap();
    let say = |who: &str, event: &str, commit: &str| {
        let body = json!({ "event": event, "body": "so be it", "commit_id": commit }).to_string();
        emulator.send(who, "POST", &format!("/pulls/{number}/reviews"), &body)["id"].as_u64().unwrap()
    };
    let now = || read(&github(&prism.url()), number, &head).unwrap();

    let reviews = now();
    assert_eq!((&*reviews.head, &*reviews.author.login), (head.as_str(), "author"));
    assert_eq!(shown(&reviews), (vec![], vec![]));
    say("wei", "APPROVE", &main);
    let old = format!("wei: approved commit {}, not {}", &main[..12], &head[..12]);
    assert_eq!(shown(&now()), (vec![], vec![old]));
    say("omar", "COMMENT", &head);
    let first = say("wei", "APPROVE", &head);
    say("author", "APPROVE", &head);
    let own = "author: the author's own review".to_owned();
    assert_eq!(shown(&now()), (vec!["wei"], vec![own.clone()]));
    say("omar", "APPROVE", &head);
    assert_eq!(shown(&now()), (vec!["wei", "omar"], vec![own.clone()]));
    say("omar", "REQUEST_CHANGES", &head);
    assert_eq!(shown(&now()), (vec!["wei"], vec![own.clone(), "omar: requested changes".to_owned()]));
    let dismissal = json!({ "message": "outdated" }).to_string();
    emulator.send("author", "PUT", &format!("/pulls/{number}/reviews/{first}/dismissals"), &dismissal);
    let (counted, rest) = (now().approvals.len(), now().uncounted);
    assert_eq!((counted, rest[1].why.as_str()), (0, "the review was dismissed"));
    let text = told(read(&github(&prism.url()), 99, &head));
    assert!(text.contains("404") && text.contains("`example/access#99`, and that the token of github may"), "{text}");
}

#[test]
fn githubs_own_examples_are_understood_and_its_description_accepts_the_questions() {
    let mock = Prism::mock();
    let text = told(read(&ForgeSettings { branch: "master".into(), ..github(&mock.url()) }, 1347, HEAD));
    // Its example of a list names a next page on GitHub itself: the token does not go there.
    assert!(text.contains("the next page leads to another origin, `https://api.github.com`"), "{text}");
    let text = told(read(&github(&mock.url()), 1347, HEAD));
    assert!(text.contains("the request goes into `master`, and approvals count for `main`"), "{text}");

    // The description's own list, sent by us and held against the description on its way.
    let description = description();
    let example = |name: &str| description["components"]["examples"][name]["value"].clone();
    let (list, mut one) = (example("pull-request-review-items").to_string(), example("pull-request"));
    // The example's team lacks a property that the description requires.
    one["requested_teams"] = json!([]);
    let one = one.to_string();
    let web = Web::start(move |asked| Reply::json(if is_list(asked) { list.clone() } else { one.clone() }));
    let prism = Prism::before(&web.url(), true);
    let settings = ForgeSettings { branch: "master".into(), ..github(&prism.url()) };
    let reviews = read(&settings, 1347, "ecdd80bb57125d7ba9641ffaa4d7d2c19d3f3091").unwrap();
    assert_eq!(&*reviews.head, OLD);
    // Author and reviewer of the examples are one and the same.
    assert_eq!(shown(&reviews), (vec![], vec!["octocat: the author's own review".to_owned()]));
    assert_eq!(web.asked().len(), 3);
    assert!(web.asked().iter().all(|asked| asked.header("x-github-api-version") == Some("2022-11-28")));
}

#[test]
fn only_a_latest_approval_of_exactly_the_commit_counts() {
    let web = fake(json!([
        review(1, 2, "APPROVED", HEAD),
        review(2, 3, "APPROVED", OLD),
        review(3, 4, "APPROVED", HEAD),
        review(4, 4, "CHANGES_REQUESTED", OLD),
        review(5, 5, "CHANGES_REQUESTED", HEAD),
        review(6, 5, "APPROVED", HEAD),
        review(7, 1, "APPROVED", HEAD),
        review(8, 2, "COMMENTED", OLD),
        { "id": 9, "user": null, "state": "APPROVED", "commit_id": HEAD, "submitted_at": "2026-11-22T10:00:00Z" },
        { "id": 10, "user": { "id": 6, "login": "gone" }, "state": "APPROVED", "commit_id": null,
          "submitted_at": "2026-11-22T10:00:00Z" },
        { "id": 11, "user": { "id": 7, "login": "slow" }, "state": "PENDING", "commit_id": HEAD },
        review(12, 8, "APPROVED", &HEAD[..12]),
    ]));
    let reviews = read(&github(&web.url()), 7, HEAD).unwrap();
    let (counted, rest) = shown(&reviews);
    assert_eq!(counted, ["user2", "user5"]);
    assert_eq!(
        rest,
        [
            "user1: the author's own review",
            "user3: approved commit 6dcb09b5b578, not 94826eb7e613",
            "user4: requested changes",
            "gone: the commit that was approved is gone",
            "user8: approved commit 94826eb7e613, not 94826eb7e613",
        ]
    );
    assert_eq!(reviews.evidence, ["1 page, the last without a next one"]);
    assert_eq!(
        web.targets(),
        [
            "/repos/example/access/pulls/7",
            "/repos/example/access/pulls/7/reviews?per_page=100",
            "/repos/example/access/pulls/7"
        ]
    );
}

#[test]
fn a_list_that_hides_the_last_word_is_not_believed() {
    // Page 1 approves, page 2 takes it back; what happens to page 2 must never leave page 1 alone.
    let first = || {
        Reply::json(json!([review(1, 2, "APPROVED", HEAD)]).to_string()).with("link", "</reviews?page=2>; rel=\"next\"")
    };
    let whole = |second: Reply| {
        Web::start(move |asked| match asked.target.as_str() {
            target if target.contains("page=2") => second.clone(),
            target if target.contains("/reviews") => first(),
            _ => Reply::json(pull(HEAD).to_string()),
        })
    };
    let taken_back = json!([review(2, 2, "CHANGES_REQUESTED", HEAD)]).to_string();
    let web = whole(Reply::json(taken_back.clone()));
    assert_eq!(
        shown(&read(&github(&web.url()), 7, HEAD).unwrap()),
        (vec![], vec!["user2: requested changes".to_owned()])
    );
    for (second, expected) in [
        (Reply::json(taken_back.clone()).cut_after(taken_back.len() / 2), "the answer was cut off"),
        (Reply::status(500, "{}"), "500 Internal Server Error"),
        (Reply::status(404, "{}"), "404 Not Found"),
        (Reply::json("{}"), "is not what the service's API describes"),
        (Reply::status(302, "").with("location", "https://evil.example.com/"), "a redirect to another origin"),
        (Reply::json(json!([review(1, 2, "APPROVED", HEAD)]).to_string()), "review 1 came twice"),
        (Reply::json(json!([review(2, 2, "REVOKED", HEAD)]).to_string()), "the unknown state `REVOKED`"),
    ] {
        let web = whole(second);
        let text = told(read(&github(&web.url()), 7, HEAD));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_request_that_moves_or_is_another_one_is_refused() {
    let count = Arc::new(AtomicUsize::new(0));
    let web = Web::start(move |asked| {
        if is_list(asked) {
            return Reply::json("[]");
        }
        Reply::json(pull(if count.fetch_add(1, Ordering::SeqCst) == 0 { HEAD } else { OLD }).to_string())
    });
    let text = told(read(&github(&web.url()), 7, HEAD));
    assert!(text.contains("its last commit was 94826eb7e613 and is now 6dcb09b5b578 | somebody pushed"), "{text}");
    let text = told(read(&github(&fake(json!([])).url()), 8, HEAD));
    assert!(text.contains("the answer is about request 7"), "{text}");
}

fn completed(number: u64, branch: &str, merged: bool, made: &str) -> Value {
    let at = if merged { json!("2026-11-22T10:00:00Z") } else { Value::Null };
    json!({ "number": number, "head": { "sha": HEAD }, "base": { "ref": branch }, "merged_at": at,
        "merge_commit_sha": made })
}

#[test]
fn a_commit_came_by_the_one_merged_request_that_it_completes() {
    let made = "e".repeat(40);
    let ask = |list: Value| {
        let web = Web::start(move |_| Reply::json(list.to_string()));
        let found = merged(&github(&web.url()), &made);
        assert_eq!(web.targets(), [format!("/repos/example/access/commits/{made}/pulls?per_page=100")]);
        found
    };
    let one = || completed(7, "main", true, &made);
    assert_eq!(ask(json!([one()])).unwrap(), Some((7, HEAD.to_owned())));
    // Open, closed without a merge, into another branch, or a part of a longer request.
    for other in [
        completed(8, "main", false, &made),
        completed(8, "release", true, &made),
        completed(8, "main", true, HEAD),
        json!({ "number": 8, "head": { "sha": HEAD }, "base": { "ref": "main" }, "merged_at": null, "merge_commit_sha": null }),
    ] {
        assert_eq!(ask(json!([other])).unwrap(), None);
        assert_eq!(ask(json!([other, one()])).unwrap(), Some((7, HEAD.to_owned())));
    }
    assert_eq!(ask(json!([])).unwrap(), None);
    let two = ask(json!([one(), completed(9, "main", true, &made)])).unwrap_err();
    assert!(two.to_string().contains("two requests are said to have brought it: 7 and 9"), "{two}");
}

/// GitHub's own description accepts the question and its example is understood.
#[test]
fn githubs_own_list_of_the_requests_of_a_commit_is_understood() {
    let list = description()["components"]["examples"]["pull-request-simple-items"]["value"].clone();
    let made = list[0]["merge_commit_sha"].as_str().unwrap().to_owned();
    let body = list.to_string();
    let web = Web::start(move |_| Reply::json(body.clone()));
    let prism = Prism::before(&web.url(), false);
    let settings = ForgeSettings { branch: list[0]["base"]["ref"].as_str().unwrap().into(), ..github(&prism.url()) };
    let expected = (1347, list[0]["head"]["sha"].as_str().unwrap().to_owned());
    assert_eq!(merged(&settings, &made).unwrap(), Some(expected));
}
