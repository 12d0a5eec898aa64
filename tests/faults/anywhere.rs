//! Runs on a domain controller and on 389 Directory Server over connections that break:
//! what holds on slapd holds there.

use super::runs::run_as;
use crate::support::ds389::{self, Ds389};
use crate::support::ldap::{plan_as, policy, settings_at, words};
use crate::support::proxy::{Fault, Proxy};
use crate::support::samba::{ADMINISTRATOR, BASE, Samba};
use crate::support::server::Tools;
use crate::support::slapd::{GROUPS, PEOPLE, WRITER, group_ldif, people_ldif};
use accord::apply::{Patience, Progress, Silent};
use accord::model::Change;
use accord::plan::Plan;
use accord::policy::Policy;
use accord::provider::Observed;
use accord::record::Status;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Longer than a connection that failed keeps others from being tried.
const PATIENCE: Patience = Patience { attempts: 5, first_ms: 110, longest_ms: 250 };

const PEOPLE_COUNT: usize = 16;
const GROUP_COUNT: usize = 8;

/// One directory behind a proxy that people `p0` … are in, and groups `g0` ….
struct Bed {
    settings: Value,
    password: &'static str,
    proxy: Proxy,
    tools: Tools,
    /// DNs of a person and of a group.
    person: fn(usize) -> String,
    group: fn(usize) -> String,
}

impl Bed {
    /// Every group has some people, and others in each round.
    fn policy(&self, round: usize) -> Policy {
        let mut text = "people:\n".to_owned();
        for n in 0..PEOPLE_COUNT {
            writeln!(text, "  p{n}: {{ name: P {n}, kind: employee }}").unwrap();
        }
        text.push_str("groups:\n");
        for group in 0..GROUP_COUNT {
            let members: Vec<String> = (0..5).map(|n| format!("p{}", (group + 3 * round + n) % PEOPLE_COUNT)).collect();
            writeln!(text, "  corp/g{group}: {{ members: [{}] }}", members.join(", ")).unwrap();
        }
        policy(&self.settings, &text)
    }

    fn plan(&self, policy: &Policy) -> (Observed, Plan) {
        let (observed, plan) = plan_as(policy, self.password);
        assert_eq!(observed.gaps, []);
        (observed, plan)
    }

    /// Applies; number per status and every reason.
    fn run(&self, policy: &Policy, of: (&Observed, &Plan), progress: &mut dyn Progress) -> super::runs::Told {
        run_as(policy, self.password, of, progress, PATIENCE)
    }

    fn is_settled(&self, policy: &Policy, what: &str) {
        assert_eq!(words(&self.plan(policy).1), [""; 0], "{what}");
    }

    /// The connection of a run is cut after so many requests, for the first time or each time.
    fn cut_while_writing(&self) {
        for (round, requests) in [2, 3, 5, 8, 11, 14, 20].into_iter().enumerate() {
            let policy = self.policy(round);
            let (observed, plan) = self.plan(&policy);
            assert!(plan.changes.len() >= GROUP_COUNT, "{}", plan.changes.len());
            self.proxy.once(Fault::CutAfterRequests(requests));
            let told = self.run(&policy, (&observed, &plan), &mut Silent);
            assert_eq!(
                told,
                (vec![(Status::Done, plan.changes.len() as u64)], Vec::new()),
                "after {requests} requests"
            );
            self.is_settled(&policy, &format!("after {requests} requests"));
        }
        let policy = self.policy(20);
        let (observed, plan) = self.plan(&policy);
        self.proxy.set(Fault::CutAfterRequests(9));
        let told = self.run(&policy, (&observed, &plan), &mut Silent);
        self.proxy.set(Fault::Pass);
        assert_eq!(told, (vec![(Status::Done, plan.changes.len() as u64)], Vec::new()), "again and again");
        self.is_settled(&policy, "again and again");
    }

    /// The server goes away half way and comes back for the next run.
    fn gone_half_way(&self) {
        let policy = self.policy(31);
        let (observed, plan) = self.plan(&policy);
        let mut off = Off { proxy: &self.proxy, left: plan.changes.len() / 3 };
        let (totals, whys) = self.run(&policy, (&observed, &plan), &mut off);
        assert_eq!(totals.iter().map(|(_, n)| n).sum::<u64>(), plan.changes.len() as u64, "{totals:?}");
        let told = |status| matches!(status, Status::Done | Status::Broken | Status::Unknown | Status::Skipped);
        assert!(totals.len() > 1 && totals.iter().all(|(status, _)| told(*status)), "{totals:?} {whys:?}");
        self.proxy.set(Fault::Pass);
        let (observed, rest) = self.plan(&policy);
        // What was on its way may all have been carried out: then nothing is left but the
        // doubt. What was told to be done is done, and not planned again.
        let done: u64 = totals.iter().filter(|(status, _)| *status == Status::Done).map(|(_, n)| n).sum();
        let left = rest.changes.len() as u64;
        assert!(done > 0 && left <= plan.changes.len() as u64 - done, "{left} left after {done}: {totals:?}");
        let told = self.run(&policy, (&observed, &rest), &mut Silent);
        let all = if left == 0 { Vec::new() } else { vec![(Status::Done, left)] };
        assert_eq!(told, (all, Vec::new()));
        self.is_settled(&policy, "after the second run");
    }

    /// Two runs of one plan: each change is done by one of them, a conflict of the other.
    fn two_at_once(&self) {
        let policy = self.policy(42);
        let (observed, plan) = self.plan(&policy);
        let both: Vec<_> = std::thread::scope(|scope| {
            let run = || self.run(&policy, (&observed, &plan), &mut Silent);
            let runs = [scope.spawn(run), scope.spawn(run)];
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let count =
            |status| both.iter().flat_map(|(totals, _)| totals).filter(|(s, _)| *s == status).map(|(_, n)| n).sum();
        let (done, conflict): (u64, u64) = (count(Status::Done), count(Status::Conflict));
        assert_eq!((done, conflict), (plan.changes.len() as u64, plan.changes.len() as u64), "{both:?}");
        self.is_settled(&policy, "both together");
    }

    /// Somebody takes a member out that the plan takes out, and puts one in that it puts in.
    fn edited_between_plan_and_apply(&self) {
        let policy = self.policy(53);
        let (observed, plan) = self.plan(&policy);
        let first = |action: &str| {
            let of_it = |change: &&Change| change.action.word() == action;
            let object = &plan.changes.iter().find(of_it).unwrap().object;
            let number = |name: &Option<String>| name.as_deref().unwrap()[1..].parse().unwrap();
            ((self.group)(number(&object.group)), (self.person)(number(&object.account)))
        };
        for (action, word) in [("revoke", "delete"), ("grant", "add")] {
            let (group, person) = first(action);
            self.tools.modify(&format!("dn: {group}\nchangetype: modify\n{word}: member\nmember: {person}\n\n"));
        }
        let (totals, whys) = self.run(&policy, (&observed, &plan), &mut Silent);
        let all = plan.changes.len() as u64;
        assert_eq!(totals, [(Status::Done, all - 2), (Status::Conflict, 2)], "{whys:?}");
        assert!(whys.iter().any(|why| why.starts_with("somebody removed it meanwhile")), "{whys:?}");
        assert!(whys.iter().any(|why| why.starts_with("somebody added it meanwhile")), "{whys:?}");
        self.is_settled(&policy, "both edits were what the plan wanted");
    }

    fn all(&self) {
        self.cut_while_writing();
        self.gone_half_way();
        self.two_at_once();
        self.edited_between_plan_and_apply();
    }
}

/// Takes the server away as soon as so many changes are done.
struct Off<'a> {
    proxy: &'a Proxy,
    left: usize,
}

impl Progress for Off<'_> {
    fn settled(&mut self, _change: &Change, status: Status, _why: Option<&str>) {
        self.left = self.left.saturating_sub(usize::from(status.is_done()));
        if self.left == 0 {
            self.proxy.set(Fault::RefuseAtOnce);
            self.proxy.cut();
        }
    }
}

#[test]
fn a_domain_controller_behind_a_bad_line_gets_what_was_planned_and_nothing_twice() {
    let dc = Samba::start_with("  ldap server require strong auth = no");
    let mut ldif = String::new();
    for unit in ["people", "groups"] {
        write!(ldif, "dn: OU={unit},{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n").unwrap();
    }
    let person = |n| format!("CN=p{n},OU=people,{BASE}");
    let group = |n| format!("CN=g{n},OU=groups,{BASE}");
    for n in 0..PEOPLE_COUNT {
        let dn = person(n);
        write!(ldif, "dn: {dn}\nchangetype: add\nobjectClass: user\nsAMAccountName: p{n}\nuserAccountControl: 514\n\n")
            .unwrap();
    }
    for n in 0..GROUP_COUNT {
        let dn = group(n);
        write!(ldif, "dn: {dn}\nchangetype: add\nobjectClass: group\nsAMAccountName: g{n}\nmember: {}\n\n", person(n))
            .unwrap();
    }
    dc.tools().modify(&ldif);
    let proxy = Proxy::start(dc.port(), Fault::Pass);
    let settings = json!({
        "kind": "active-directory", "url": proxy.plain_url(), "tls": "none",
        "bind": { "dn": ADMINISTRATOR.0, "password": { "env": "W" } },
        "accounts": { "base": format!("OU=people,{BASE}"), "manage": "reference" },
        "groups": { "base": format!("OU=groups,{BASE}") },
    });
    Bed { settings, password: ADMINISTRATOR.1, proxy, tools: dc.tools(), person, group }.all();
}

#[test]
fn a_389_behind_a_bad_line_gets_what_was_planned_and_nothing_twice() {
    let groups: String = (0..GROUP_COUNT).map(|n| group_ldif(&format!("g{n}"), "p", n..=n)).collect();
    let seed = people_ldif("p", PEOPLE_COUNT) + &groups;
    let server = Ds389::start(&ds389::Options { seed, ..ds389::Options::default() });
    let proxy = Proxy::start(server.port(), Fault::Pass);
    let mut settings = settings_at(std::path::Path::new("/nowhere"), &proxy.plain_url());
    settings["tls"] = json!("none");
    settings["accounts"] = json!({ "base": PEOPLE, "manage": "reference" });
    let settings_of = settings.as_object_mut().unwrap();
    settings_of.remove("ca");
    settings_of.remove("plan_bind");
    let person = |n| format!("uid=p{n},{PEOPLE}");
    let group = |n| format!("cn=g{n},{GROUPS}");
    let tools = server.tools().bound(WRITER.0, WRITER.1);
    Bed { settings, password: WRITER.1, proxy, tools, person, group }.all();
}
