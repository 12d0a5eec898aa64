//! Tells the story to one directory, through the library: load, read, plan, apply,
//! look, plan again.

use super::steps::{Step, is_an_end, steps};
use super::{Harness, View};
use crate::support::ldap::block_on;
use accord::apply::{self, Cancel, Clock, Patience, Request, Silent, Target, Work};
use accord::model::{Action, Change, Instant, Object};
use accord::plan::{DirectoryInput, Filter, Inputs, Plan, PolicyMark, derive::derive};
use accord::policy::{DirectoryId, Policy, load::load};
use accord::provider::observe::{Checks, Job, gather};
use accord::provider::{Credentials, Kind, Observed, Purpose, Reader, Writer, connect};
use accord::record::{Journal, Start, journal_folder, memory};
use accord::source::InMemory;
use std::collections::BTreeMap;
use std::path::Path;

/// A clock that stands still in the journal and never goes back.
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }

    fn millis(&self) -> u64 {
        0
    }
}

/// Tells the whole story.
pub(crate) fn tell(harness: &mut dyn Harness) {
    let root = tempfile::tempdir().unwrap();
    harness.prepare(root.path());
    for step in steps() {
        run(harness, root.path(), &step);
    }
}

pub(super) fn run(harness: &mut dyn Harness, root: &Path, step: &Step) {
    let policy = policy(harness, step);
    if !step.edits.is_empty() {
        harness.edit(root, step.edits);
    }
    let planned = plan(harness, root, &policy, step);
    let changes: Vec<&str> =
        step.changes.iter().copied().filter(|word| harness.keeps_ends() || !is_an_end(step, word)).collect();
    let changes = told(harness, &changes, step);
    assert_eq!(words(planned.changes.iter()), changes, "planned: {}\n{}", step.name, explain(&planned));
    let withheld = words(planned.withheld.iter().map(|withheld| &withheld.change));
    assert_eq!(withheld, told(harness, step.withheld, step), "withheld: {}\n{}", step.name, explain(&planned));
    apply(harness, root, &policy, step);
    if step.restart {
        harness.restart();
    }
    let view = harness.view(root);
    assert_eq!(view, expected(step), "seen by others: {}", step.name);
    let again = plan(harness, root, &policy, step);
    assert_eq!(words(again.changes.iter()), [""; 0], "planned again: {}\n{}", step.name, explain(&again));
    let withheld = words(again.withheld.iter().map(|withheld| &withheld.change));
    assert_eq!(withheld, told(harness, step.withheld, step), "withheld again: {}", step.name);
}

/// The story's changes in the words of this kind: where an account is made disabled,
/// enabling it is a change of its own.
fn told(harness: &dyn Harness, changes: &[&str], step: &Step) -> Vec<String> {
    let made_disabled = harness.settings()["kind"] == "active-directory";
    let is_asleep = |name: &str| step.accounts.iter().any(|account| account.strip_prefix('!') == Some(name));
    let enable = |change: &&str| {
        let name = change.strip_prefix("create-account ").filter(|name| !is_asleep(name))?;
        Some(format!("enable-account {name}"))
    };
    let mut all: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    all.extend(changes.iter().filter(|_| made_disabled).filter_map(enable));
    all.sort();
    all
}

fn expected(step: &Step) -> View {
    let account = |name: &&str| match name.strip_prefix('!') {
        Some(name) => (name.to_owned(), "disabled".to_owned()),
        None => ((*name).to_owned(), "enabled".to_owned()),
    };
    let group = |(name, members): &(&str, &[&str])| {
        ((*name).to_owned(), members.iter().map(|member| (*member).to_owned()).collect())
    };
    View { accounts: step.accounts.iter().map(account).collect(), groups: step.groups.iter().map(group).collect() }
}

fn policy(harness: &dyn Harness, step: &Step) -> Policy {
    let mut settings = harness.settings();
    settings["accounts"]["create_before"] = "5d".into();
    settings["leavers"] = serde_json::json!({ "then": "delete", "delete_after": "30d" });
    let accord = format!("organization: example\ntimezone: UTC\ndirectories:\n  corp: {settings}\n");
    let mut access = step.access.clone();
    if settings["groups"]["object_class"] == "posixGroup" {
        // RFC 2307: every group has a number.
        for (group, number) in [("sre", 5001), ("reliability", 5001), ("vpn", 5002), ("ledger", 5003), ("nobody", 5004)]
        {
            let with = format!("  corp/{group}: {{ attributes: {{ gidNumber: \"{number}\" }}, ");
            access = access.replace(&format!("  corp/{group}: {{"), &with).replace(", }", " }");
        }
    }
    let files = InMemory::new([
        ("policies/accord.yaml", accord.as_str()),
        ("policies/access.yaml", &access),
        ("policies/people.yaml", &step.people),
    ]);
    load(&files).unwrap_or_else(|errors| panic!("{}: {errors:#?}\n{accord}\n{access}\n{}", step.name, step.people))
}

fn at(step: &Step) -> Instant {
    Instant::try_from(step.at.to_owned()).unwrap()
}

fn writer(harness: &dyn Harness, root: &Path, policy: &Policy, plan: bool) -> Box<dyn Writer> {
    let purpose = if plan { Purpose::Plan } else { Purpose::Apply };
    let password = harness.password(plan).map(Into::into);
    let credentials = Credentials { password, initial_password: None, client_key: None, root: root.to_owned() };
    let target = accord::provider::Target { directory: &policy.directories[0], credentials, purpose };
    connect::writer(&target, None).unwrap()
}

async fn observe(reader: &mut dyn Reader, kind: &dyn Kind, policy: &Policy) -> Observed {
    let checks = Checks::new(&policy.directories[0].settings, None);
    let observed = gather(vec![Job { reader: Ok(reader), scope: kind.scope(), checks }]).await.remove(0);
    assert_eq!(observed.gaps, [], "the read is complete");
    assert!(!observed.evidence.is_empty(), "a complete read says why it is complete");
    observed
}

fn derived(root: &Path, policy: &Policy, kind: &dyn Kind, observed: &Observed, step: &Step) -> Plan {
    let directories = [DirectoryInput { id: DirectoryId(0), kind, observed }];
    derive(&Inputs {
        policy,
        mark: &PolicyMark { digest: policy.digest.clone(), ..PolicyMark::default() },
        directories: &directories,
        memory: &memory(&journal_folder(root)).unwrap(),
        at: at(step),
        read_only: false,
        filter: &Filter::default(),
    })
}

fn plan(harness: &dyn Harness, root: &Path, policy: &Policy, step: &Step) -> Plan {
    let kind = connect::kind(&policy.directories[0]).unwrap();
    let mut reader = writer(harness, root, policy, true);
    let observed = block_on(observe(reader.as_mut(), kind.as_ref(), policy));
    derived(root, policy, kind.as_ref(), &observed, step)
}

fn apply(harness: &dyn Harness, root: &Path, policy: &Policy, step: &Step) {
    let kind = connect::kind(&policy.directories[0]).unwrap();
    block_on(async {
        let mut writer = writer(harness, root, policy, false);
        let observed = observe(writer.as_mut(), kind.as_ref(), policy).await;
        let plan = derived(root, policy, kind.as_ref(), &observed, step);
        let work = Work::new(&plan, None).unwrap();
        let start = Start { plan: plan.digest.clone(), ..Start::default() };
        let mut journal = Journal::start(root, start, at(step)).unwrap();
        let capabilities = observed.capabilities.clone().unwrap_or_else(|| kind.capabilities().clone());
        let target = Target { name: "corp", kind: kind.as_ref(), capabilities, observed: &observed, writer };
        let outcome = apply::execute(Request {
            work: &work,
            directories: vec![target],
            journal: &mut journal,
            clock: &Still(at(step)),
            cancel: &Cancel::new(),
            progress: &mut Silent,
            patience: Patience::default(),
            leave: None,
        })
        .await
        .unwrap();
        let odd: Vec<_> =
            outcome.results.iter().filter(|result| !result.status.is_done() || result.why.is_some()).collect();
        let told = format!("{}: {odd:#?}, stopped {:?}, {:?}", step.name, outcome.stopped, outcome.totals);
        assert!(outcome.is_complete(), "{told}, not read {:?}", outcome.not_read);
        assert_eq!(outcome.not_read, BTreeMap::new(), "{told}");
    });
}

/// `grant sre wei.chen`, sorted.
fn words<'c>(changes: impl Iterator<Item = &'c Change>) -> Vec<String> {
    let mut words: Vec<String> = changes.map(|change| word(change.action, &change.object)).collect();
    words.sort();
    words
}

fn word(action: Action, object: &Object) -> String {
    let other = object.member.as_ref().map(|member| format!("{member:?}"));
    let parts = [Some(action.word().to_owned()), object.group.clone(), object.account.clone(), other];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn explain(plan: &Plan) -> String {
    serde_json::to_string_pretty(&(&plan.changes, &plan.withheld, &plan.notes)).unwrap()
}
