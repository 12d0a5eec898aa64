//! What the HTTP client refuses, and what it bears: a loopback server adds the faults.

use crate::support::certificates::{self, Certificate};
use crate::support::web::{Asked, Reply, Web};
use accord::provider::ProviderError;
use accord::provider::http::{Base, Client, Limits, Login, Proxy, Request, Settings};
use secrecy::SecretString;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TOKEN: &str = "ghp_notToBeSeenAnywhere";
const REQUEST: Request<'static> =
    Request { operation: "read the things of", object: "example", path: &["things", "a/b c"], query: &[("q", "1&2")] };

fn settings(url: &str) -> Settings<'static> {
    Settings {
        service: "forge",
        base: Base::parse(url).unwrap(),
        ca: None,
        login: Login::Bearer(SecretString::from(TOKEN)),
        headers: &[("x-api-version", "7")],
        proxy: None,
        limits: Limits {
            connect: Duration::from_secs(5),
            whole: Duration::from_secs(5),
            patience: Duration::from_secs(3),
            bytes: 10_000,
            pages: 4,
        },
    }
}

fn client(url: &str) -> Client {
    Client::new(&settings(url)).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn get(client: &Client) -> Result<Vec<u32>, ProviderError> {
    wait(client.get(&REQUEST))
}

fn pages(client: &Client) -> Result<Vec<u32>, ProviderError> {
    wait(client.pages(&REQUEST)).map(|pages| pages.items)
}

/// The whole message, which never holds the token.
fn told<T: std::fmt::Debug>(result: Result<T, ProviderError>) -> String {
    let error = result.unwrap_err();
    let text = format!("{error} | {} | {error:?}", error.help.join(" "));
    assert!(!text.contains(TOKEN), "{text}");
    assert!(text.starts_with("forge: read the things of `example`: "), "{text}");
    text
}

/// Answers the first request with `first`, all later ones with `then`.
fn first_then(first: Reply, then: Reply) -> impl Fn(&Asked) -> Reply + Send + Sync {
    let count = AtomicUsize::new(0);
    move |_: &Asked| if count.fetch_add(1, Ordering::SeqCst) == 0 { first.clone() } else { then.clone() }
}

#[test]
fn a_question_is_asked_as_it_is_written_and_says_who_asks() {
    let web = Web::start(|_| Reply::json("[1, 2]"));
    let client = client(&format!("{}/api/v4/", web.url()));
    assert_eq!(get(&client).unwrap(), [1, 2]);
    let [asked] = &web.asked()[..] else { panic!() };
    assert_eq!(asked.target, "/api/v4/things/a%2Fb%20c?q=1%262");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!((asked.header("x-api-version"), asked.header("accept")), (Some("7"), Some("application/json")));
    assert!(asked.header("user-agent").unwrap().starts_with("accord/"));
    assert!(!format!("{client:?} {:?}", settings(&web.url())).contains(TOKEN));
}

#[test]
fn a_private_authority_counts_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    for (sort, expected) in [
        (Certificate::Good, None),
        (Certificate::Expired, Some("the server's certificate expired at 2001-01-01T00:00:00Z")),
        (Certificate::OtherName, Some("not for `localhost`")),
    ] {
        let files = certificates::write(folder.path(), sort);
        let web = Web::tls(&files, |_| Reply::json("[3]"));
        let with = |ca: Option<PathBuf>| get(&Client::new(&Settings { ca, ..settings(&web.url()) }).unwrap());
        match expected {
            None => assert_eq!(with(Some(files.ca.clone())).unwrap(), [3]),
            Some(expected) => {
                let text = told(with(Some(files.ca.clone())));
                assert!(text.contains(expected), "{text}");
            }
        }
        let text = told(with(None));
        assert!(text.contains("authority that is not trusted here") || sort != Certificate::Good, "{text}");
        let clear = web.url().replace("https://localhost", "http://127.0.0.1");
        assert!(get(&client(&clear)).is_err());
        let heard = web.asked().iter().filter(|asked| asked.header("authorization").is_some()).count();
        assert_eq!(heard, usize::from(expected.is_none()), "a token only goes to a server that proved who it is");
    }
}

#[test]
fn redirects_stay_on_the_origin() {
    let elsewhere = Web::start(|_| Reply::json("[9]"));
    let target = format!("{}/stolen", elsewhere.url());
    let web = Web::start(move |_| Reply::status(302, "").with("location", target.clone()));
    let text = told(get(&client(&web.url())));
    assert!(text.contains("a redirect to another origin, `http://127.0.0.1:"), "{text}");
    assert_eq!(elsewhere.asked(), []);
    // GitHub answers so for a repository that was renamed.
    let web = Web::start(|asked| match asked.target.as_str() {
        "/repositories/7" => Reply::json("[4]"),
        _ => Reply::status(301, "").with("location", "/repositories/7"),
    });
    assert_eq!(get(&client(&web.url())).unwrap(), [4]);
    let web = Web::start(|_| Reply::status(307, "").with("location", "/again"));
    assert!(told(get(&client(&web.url()))).contains("more than 3 redirects"));
    assert_eq!(web.asked().len(), 4);
}

#[test]
fn a_busy_service_is_asked_again_when_it_says_so_and_no_longer_than_the_patience() {
    let web = Web::start(first_then(Reply::status(429, "{}").with("retry-after", "1"), Reply::json("[5]")));
    let begin = Instant::now();
    assert_eq!(get(&client(&web.url())).unwrap(), [5]);
    assert!(begin.elapsed() >= Duration::from_secs(1) && web.asked().len() == 2);
    let web = Web::start(first_then(Reply::status(503, "{}"), Reply::json("[6]")));
    assert_eq!(get(&client(&web.url())).unwrap(), [6]);
    // GitHub's own limit: 403, nothing left, and when it begins anew.
    let web = Web::start(|_| {
        Reply::status(403, r#"{"message":"API rate limit exceeded"}"#)
            .with("x-ratelimit-remaining", "0")
            .with("x-ratelimit-reset", "784111877")
            .with("date", "Sun, 06 Nov 1994 08:49:37 GMT")
    });
    let text = told(get(&client(&web.url())));
    assert!(text.contains("accord waits 3 s at most | try again in 100 s, at 1994-11-06T08:51:17Z"), "{text}");
    assert_eq!(web.asked().len(), 1);
    // Without a limit that is used up, 403 is a refusal and final.
    let web = Web::start(|_| Reply::status(403, r#"{"message":"Resource not accessible"}"#));
    let text = told(get(&client(&web.url())));
    assert!(text.contains("403 Forbidden: Resource not accessible | give the token of forge the right"), "{text}");
    assert_eq!(web.asked().len(), 1);
}

#[test]
fn an_answer_is_whole_small_in_time_and_json_or_it_is_none() {
    let large = Web::start(|_| Reply::json(format!("[{}1]", "1,".repeat(20_000))));
    assert!(told(get(&client(&large.url()))).contains("larger than 10000 bytes"));
    let endless = Web::start(|_| Reply::json("").endless());
    assert!(told(get(&client(&endless.url()))).contains("larger than 10000 bytes"));
    // What is cut off is asked again, and never taken for a shorter answer.
    let cut = Web::start(|_| Reply::json("[1]   ").cut_after(3));
    assert!(told(get(&client(&cut.url()))).contains("the answer was cut off"));
    assert_eq!(cut.asked().len(), 4);
    let once = Web::start(first_then(Reply::json("[1, 2]").cut_after(4), Reply::json("[1, 2]")));
    assert_eq!(get(&client(&once.url())).unwrap(), [1, 2]);
    for (body, expected) in [
        ("[1, 2", "the answer was cut off"),
        ("[1] [2]", "is not what the service's API describes"),
        ("{\"message\": 1}", "is not what the service's API describes"),
        ("[-1]", "is not what the service's API describes"),
    ] {
        let web = Web::start(move |_| Reply::json(body));
        let text = told(get(&client(&web.url())));
        assert!(text.contains(expected), "{body}: {text}");
    }
    let html = Web::start(|_| Reply::json("<html>[1]").with("content-type", "text/html"));
    assert!(told(get(&client(&html.url()))).contains("the answer is `text/html`, not JSON"));
    let slow = Web::start(|_| Reply::json("[1]").slow(Duration::from_secs(4)));
    let mut impatient = settings(&slow.url());
    impatient.limits.whole = Duration::from_secs(1);
    let begin = Instant::now();
    let text = told(get(&Client::new(&impatient).unwrap()));
    assert!(text.contains("no whole answer within 1 s | raise `timeout`"), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_wrong_token_is_told_without_it() {
    let web = Web::start(|asked| {
        let sent = asked.header("authorization").unwrap_or_default();
        Reply::status(401, format!("{{\"message\":\"unknown: {sent}\"}}"))
    });
    let text = told(get(&client(&web.url())));
    assert!(text.contains("401 Unauthorized | check the token of forge"), "{text}");
    let unfit = Settings { login: Login::Bearer(SecretString::from("two\nlines")), ..settings(&web.url()) };
    let error = Client::new(&unfit).unwrap_err();
    assert!(!format!("{error:?}").contains("lines"), "{error:?}");
}

#[test]
fn a_list_is_whole_or_it_is_none() {
    let base = |asked: &Asked| asked.target.rsplit_once("page=").map_or(1, |(_, n)| n.parse::<u32>().unwrap());
    let link = |n: u32| format!("</things/all?page={n}>; rel=\"next\", </things/all?page=9>; rel=\"last\"");
    let whole = Web::start(move |asked| match base(asked) {
        100 => Reply::json("[1]").with("link", link(2)),
        2 => Reply::json("[2]").with("link", link(3)),
        _ => Reply::json("[3]").with("x-total", "3"),
    });
    assert_eq!(pages(&client(&whole.url())).unwrap(), [1, 2, 3]);
    assert_eq!(whole.targets(), ["/things/a%2Fb%20c?q=1%262&per_page=100", "/things/all?page=2", "/things/all?page=3"]);
    let elsewhere = Web::start(|_| Reply::json("[9]"));
    let target = format!("<{}/next>; rel=\"next\"", elsewhere.url());
    let web = Web::start(move |_| Reply::json("[1]").with("link", target.clone()));
    assert!(told(pages(&client(&web.url()))).contains("the next page leads to another origin"));
    assert_eq!(elsewhere.asked(), []);
    let round = Web::start(|_| Reply::json("[1]").with("link", "</x>; rel=next"));
    assert!(told(pages(&client(&round.url()))).contains("a page names itself as a later one"));
    let many = Web::start(move |asked| Reply::json("[1]").with("link", format!("<{}x>; rel=next", asked.target)));
    assert!(told(pages(&client(&many.url()))).contains("more than 4 pages"));
    let short = Web::start(|_| Reply::json("[1]").with("x-total", "2"));
    assert!(told(pages(&client(&short.url()))).contains("the service counts 2 elements and sent 1"));
    let broken = Web::start(first_then(Reply::json("[1]").with("link", "</2>; rel=next"), Reply::status(500, "{}")));
    assert!(told(pages(&client(&broken.url()))).contains("500 Internal Server Error"));
    let unreadable = Web::start(|_| Reply::json("[1]").with("link", "next page: /2"));
    assert!(told(pages(&client(&unreadable.url()))).contains("a `Link` that cannot be read"));
}

#[test]
fn a_full_page_that_names_no_other_is_not_the_last_until_the_next_is_empty() {
    let full = format!("[{}1]", "1,".repeat(99));
    let web = Web::start(
        move |asked| {
            if asked.target.contains("page=2") { Reply::json("[7]") } else { Reply::json(full.clone()) }
        },
    );
    let list = pages(&client(&web.url())).unwrap();
    assert_eq!((list.len(), list[100]), (101, 7));
}

#[test]
fn a_proxy_is_used_where_it_is_named_and_only_then() {
    let web = Web::start(|_| Reply::json("[1]"));
    let proxy = Web::start(|_| Reply::json("[2]"));
    let url = SecretString::from(proxy.url().replace("http://", "http://me:hunter2@"));
    let named = Settings { proxy: Some(Proxy { url: url.clone(), except: None }), ..settings(&web.url()) };
    assert!(!format!("{named:?}").contains("hunter2"));
    assert_eq!(get(&Client::new(&named).unwrap()).unwrap(), [2]);
    assert_eq!(proxy.asked()[0].target, format!("{}/things/a%2Fb%20c?q=1%262", web.url()));
    let except = Some("127.0.0.1".to_owned());
    let spared = Settings { proxy: Some(Proxy { url, except }), ..settings(&web.url()) };
    assert_eq!(get(&Client::new(&spared).unwrap()).unwrap(), [1]);
    let odd = Proxy { url: SecretString::from("socks5://x"), except: None };
    let error = Client::new(&Settings { proxy: Some(odd), ..settings(&web.url()) }).unwrap_err();
    assert!(error.message.contains("not reached by HTTP"), "{error}");
}
