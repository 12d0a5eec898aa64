//! Whole runs on real slapd over connections that break: one cut connection ends no
//! run, what was not answered is settled by a read, and the next plan is empty.

use crate::support::ldap::{block_on, plan_all, policy, settings, words};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER, group_ldif, people_ldif};
use accord::apply::{self, Cancel, Clock, Patience, Progress, Request, Silent, Target, Work};
use accord::model::Instant;
use accord::plan::Plan;
use accord::policy::Policy;
use accord::provider::{self, Credentials, Observed, Purpose, connect};
use accord::record::{Journal, Start, Status, journal_folder, verify};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Waits of a test.
pub(super) const QUICK: Patience = Patience { attempts: 5, first_ms: 2, longest_ms: 50 };

/// People in the directory; as many again are to come.
const PEOPLE_COUNT: usize = 20;

struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::try_from("2026-03-02T09:00:00Z".to_owned()).unwrap()
    }

    fn millis(&self) -> u64 {
        0
    }
}

fn start() -> Slapd {
    let seed = people_ldif("p", PEOPLE_COUNT) + &group_ldif("a", "p", 0..10) + &group_ldif("b", "p", 10..12);
    Slapd::start(&Options { seed, ..Options::default() })
}

fn through(server: &Slapd, proxy: &Proxy) -> Value {
    let mut settings = settings(server, &proxy.plain_url());
    settings["tls"] = json!("none");
    settings.as_object_mut().unwrap().remove("ca");
    settings
}

/// Forty people, four groups, two of them new: some eighty changes of every sort but renames.
fn wanted() -> String {
    let mut text = "people:\n".to_owned();
    for n in 0..2 * PEOPLE_COUNT {
        writeln!(
            text,
            "  p{n}: {{ id: \"{n}\", name: Person {n}, family_name: Person, email: p{n}@example.com, kind: employee, \
             attributes: {{ department: x{n} }} }}"
        )
        .unwrap();
    }
    let list = |range: std::ops::Range<usize>| range.map(|n| format!("p{n}")).collect::<Vec<_>>().join(", ");
    writeln!(text, "groups:\n  corp/a: {{ members: [{}] }}", list(5..30)).unwrap();
    writeln!(text, "  corp/b: {{ members: [{}] }}", list(0..20)).unwrap();
    writeln!(text, "  corp/c: {{ members: [{}] }}", list(10..40)).unwrap();
    writeln!(text, "  corp/d: {{ members: [p1] }}").unwrap();
    text
}

fn policies(settings: &Value) -> Policy {
    policy(settings, &wanted())
}

/// What one run says: number per status, and every reason.
pub(super) type Told = (Vec<(Status, u64)>, Vec<String>);

fn run(settings: &Value, observed: &Observed, plan: &Plan, progress: &mut dyn Progress) -> Told {
    run_with(settings, observed, plan, progress, QUICK)
}

fn run_with(
    settings: &Value,
    observed: &Observed,
    plan: &Plan,
    progress: &mut dyn Progress,
    patience: Patience,
) -> Told {
    run_as(&policies(settings), WRITER.1, (observed, plan), progress, patience)
}

/// Applies a plan to the directory of `policy`, bound with `password`.
pub(super) fn run_as(
    policy: &Policy,
    password: &str,
    (observed, plan): (&Observed, &Plan),
    progress: &mut dyn Progress,
    patience: Patience,
) -> Told {
    let root = tempfile::tempdir().unwrap();
    let kind = connect::kind(&policy.directories[0]).unwrap();
    let work = Work::new(plan, None).unwrap();
    let mut journal = Journal::start(root.path(), Start::default(), Still.now()).unwrap();
    let told = block_on(async {
        let credentials = Credentials { password: Some(password.to_owned().into()), ..Credentials::default() };
        let target = provider::Target { directory: &policy.directories[0], credentials, purpose: Purpose::Apply };
        let writer = connect::writer(&target, observed.served.as_ref()).unwrap();
        let capabilities = observed.capabilities.clone().unwrap();
        let outcome = apply::execute(Request {
            work: &work,
            directories: vec![Target { name: "corp", kind: kind.as_ref(), capabilities, observed, writer }],
            journal: &mut journal,
            clock: &Still,
            cancel: &Cancel::new(),
            progress,
            patience,
            leave: None,
        })
        .await
        .unwrap();
        let whys = outcome.results.iter().filter_map(|result| result.why.clone());
        let mut whys: Vec<String> = whys.chain(outcome.stopped.clone()).collect();
        whys.extend(outcome.not_read.values().cloned());
        (outcome.totals.into_iter().collect(), whys)
    });
    assert!(verify(&journal_folder(root.path())).unwrap().is_intact());
    told
}

#[test]
fn a_connection_cut_once_anywhere_ends_no_run() {
    let (mut cut, mut requests) = (0, 4);
    loop {
        let server = start();
        let proxy = Proxy::start(server.port(), Fault::Pass);
        let settings = through(&server, &proxy);
        let (observed, plan) = plan_all(&policies(&settings));
        let changes = plan.changes.len() as u64;
        assert!(changes > 80, "{changes}");
        let before = proxy.connections();
        // Only the first connection is cut; the next ones pass.
        proxy.once(Fault::CutAfterRequests(requests));
        let told = run(&settings, &observed, &plan, &mut Silent);
        assert_eq!(told, (vec![(Status::Done, changes)], Vec::new()), "cut after {requests} requests");
        let (_, again) = plan_all(&policies(&settings));
        assert_eq!(words(&again), [""; 0], "cut after {requests} requests");
        if proxy.connections() - before <= 2 {
            break;
        }
        cut += 1;
        requests += 7;
    }
    assert!(cut > 5, "{cut}");
}

#[test]
fn a_connection_that_is_cut_again_and_again_still_gets_there() {
    // Connecting takes three requests of what each connection bears: neither the writes
    // nor the read after them get through on one.
    for requests in [20, 10] {
        let server = start();
        let proxy = Proxy::start(server.port(), Fault::Pass);
        let settings = through(&server, &proxy);
        let (observed, plan) = plan_all(&policies(&settings));
        proxy.set(Fault::CutAfterRequests(requests));
        let told = run(&settings, &observed, &plan, &mut Silent);
        let all = plan.changes.len();
        assert_eq!(
            told,
            (vec![(Status::Done, all as u64)], Vec::new()),
            "{requests} requests: everything is read back"
        );
        assert!(proxy.connections() > all / requests, "{}", proxy.connections());
        proxy.set(Fault::Pass);
        assert_eq!(words(&plan_all(&policies(&settings)).1), [""; 0]);
    }
}

/// How long a run over a connection takes with the patience that people have.
fn run_timed(settings: &Value, observed: &Observed, plan: &Plan, progress: &mut dyn Progress) -> (Told, Duration) {
    let begun = std::time::Instant::now();
    let told = run_with(settings, observed, plan, progress, Patience::default());
    (told, begun.elapsed())
}

#[test]
fn a_long_line_is_filled_and_not_waited_for_change_by_change() {
    let timed = |fault: Fault| {
        let server = start();
        let proxy = Proxy::start(server.port(), Fault::Pass);
        let settings = through(&server, &proxy);
        let (observed, plan) = plan_all(&policies(&settings));
        proxy.set(fault);
        let (told, took) = run_timed(&settings, &observed, &plan, &mut Silent);
        assert_eq!(told, (vec![(Status::Done, plan.changes.len() as u64)], Vec::new()));
        (took, plan.changes.len())
    };
    let wait = Duration::from_millis(40);
    let ((near, _), (far, changes)) = (timed(Fault::Pass), timed(Fault::Latency(wait)));
    // One after the other they would wait for this long, there and back.
    let waited = wait * 2 * u32::try_from(changes).unwrap();
    assert!(far < near * 2 + waited / 3, "{near:?} near, {far:?} far, {waited:?} one by one");
}

#[test]
fn a_server_that_is_gone_is_told_soon() {
    let server = start();
    let proxy = Proxy::start(server.port(), Fault::Pass);
    let settings = through(&server, &proxy);
    let (observed, plan) = plan_all(&policies(&settings));
    proxy.set(Fault::RefuseAtOnce);
    let ((totals, whys), took) = run_timed(&settings, &observed, &plan, &mut Silent);
    assert!(took < Duration::from_secs(3), "nobody was there to begin with: {took:?}");
    assert!(totals.iter().all(|(status, _)| matches!(status, Status::Broken | Status::Skipped)), "{totals:?}");
    assert!(whys.iter().any(|why| why.contains("`corp` is not reachable, tried 2 times")), "{whys:?}");
    proxy.set(Fault::Pass);
    let mut off = Off { proxy: &proxy, after: 10, done: 0 };
    let ((totals, _), took) = run_timed(&settings, &observed, &plan, &mut off);
    assert!(took < Duration::from_secs(12), "one patience for writes and reads together: {took:?}");
    assert_eq!(totals.iter().map(|(_, n)| n).sum::<u64>(), plan.changes.len() as u64, "{totals:?}");
}

/// Takes the server away for good as soon as so many changes are done.
struct Off<'a> {
    proxy: &'a Proxy,
    after: u64,
    done: u64,
}

impl Progress for Off<'_> {
    fn settled(&mut self, _change: &accord::model::Change, status: Status, _why: Option<&str>) {
        self.done += u64::from(status.is_done());
        if self.done == self.after {
            self.proxy.set(Fault::RefuseAtOnce);
            self.proxy.cut();
        }
    }
}

#[test]
fn a_server_that_stays_away_leaves_unknown_and_broken_and_the_next_run_does_the_rest() {
    let server = start();
    let proxy = Proxy::start(server.port(), Fault::Pass);
    let settings = through(&server, &proxy);
    let (observed, plan) = plan_all(&policies(&settings));
    let (totals, whys) = run(&settings, &observed, &plan, &mut Off { proxy: &proxy, after: 10, done: 0 });
    let count = |status| totals.iter().find(|(s, _)| *s == status).map_or(0, |(_, n)| *n);
    assert_eq!(totals.iter().map(|(_, n)| n).sum::<u64>(), plan.changes.len() as u64, "{totals:?}");
    assert!(count(Status::Done) >= 10 && count(Status::Done) < plan.changes.len() as u64, "{totals:?}");
    assert_eq!(count(Status::Conflict) + count(Status::Refused) + count(Status::NotInEffect), 0, "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("connection")), "{whys:?}");
    proxy.set(Fault::Pass);
    let (observed, rest) = plan_all(&policies(&settings));
    assert!(!rest.changes.is_empty());
    let (totals, whys) = run(&settings, &observed, &rest, &mut Silent);
    assert_eq!((totals, whys), (vec![(Status::Done, rest.changes.len() as u64)], Vec::new()));
    assert_eq!(words(&plan_all(&policies(&settings)).1), [""; 0]);
    assert_eq!(server.values(&format!("cn=c,{GROUPS}"), "member").len(), 30);
}

#[test]
fn what_follows_a_rename_whose_answer_was_lost_finds_the_account() {
    let mut lost = 0;
    for requests in 4..9 {
        let server = start();
        let proxy = Proxy::start(server.port(), Fault::Pass);
        let settings = through(&server, &proxy);
        let access = "people:\n  q.fifteen: { id: \"15\", name: Person Fifteen, family_name: Person, email: p15@example.com, \
                      kind: employee, attributes: { department: x }, accounts: { corp: q15 }, aliases: [p15] }\n\
                      groups:\n  corp/a: { members: [q.fifteen] }\n";
        let policy = policy(&settings, access);
        let (observed, mut plan) = plan_all(&policy);
        plan.changes.retain(|change| change.object.account.as_deref().is_some_and(|name| name.ends_with("15")));
        assert_eq!(words(&plan), ["grant a q15", "rename-account p15", "update-account q15"]);
        proxy.once(Fault::CutAfterRequests(requests));
        let before = proxy.connections();
        let (totals, whys) = run(&settings, &observed, &plan, &mut Silent);
        assert_eq!(totals, [(Status::Done, 3)], "cut after {requests} requests: {whys:?}");
        lost += usize::from(proxy.connections() > before + 1);
    }
    assert!(lost > 0);
}

/// Nobody but accord moves the members here: whatever was cut off, the groups follow.
#[test]
fn groups_follow_a_rename_wherever_the_connection_is_cut() {
    let access = "people:\n  q.five: { id: \"5\", name: Person Five, family_name: Person, email: p5@example.com, kind: employee, \
                  attributes: { department: x }, accounts: { corp: q5 }, aliases: [p5] }\n\
                  groups:\n  corp/a: { manage: additive, members: [q.five] }\n  corp/b: { manage: additive, members: \
                  [q.five] }\n  corp/c: { manage: additive, members: [q.five] }\n";
    let groups = ["a", "b", "c"];
    let mut cuts = 0;
    for requests in 4..14 {
        let seed = people_ldif("p", 6) + &groups.map(|name| group_ldif(name, "p", 4..6)).concat();
        let server = Slapd::start(&Options { seed, ..Options::bare() });
        let proxy = Proxy::start(server.port(), Fault::Pass);
        let settings = through(&server, &proxy);
        let policy = policy(&settings, access);
        let (observed, mut plan) = plan_all(&policy);
        plan.changes.retain(|change| change.action == accord::model::Action::RenameAccount);
        assert_eq!(plan.changes.len(), 1);
        proxy.once(Fault::CutAfterRequests(requests));
        let before = proxy.connections();
        let (totals, whys) = run(&settings, &observed, &plan, &mut Silent);
        assert_eq!((totals, whys), (vec![(Status::Done, 1)], Vec::new()), "cut after {requests} requests");
        cuts += usize::from(proxy.connections() > before + 1);
        for name in groups {
            let members = server.values(&format!("cn={name},{GROUPS}"), "member");
            let expected = [4, 5].map(|n| format!("uid={}{n},{PEOPLE}", if n == 5 { 'q' } else { 'p' }));
            assert_eq!(members, expected, "`{name}`, cut after {requests} requests");
        }
    }
    assert!(cuts > 3, "{cuts} of the cuts were inside");
}
