//! The end that a directory holds is in step with the person's, whatever stands there.

use crate::support::ldap::policy;
use accord::model::{Action, Enabled, Instant, Matching, StateBuilder};
use accord::plan::derive::derive;
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark};
use accord::policy::DirectoryId;
use accord::provider::{Observed, connect};
use proptest::prelude::*;
use serde_json::json;

/// Days from 2026-01-01.
fn day(n: i64) -> Instant {
    Instant::from_seconds(1_767_225_600 + n * 86_400)
}

fn date(n: i64) -> String {
    day(n).to_string()[..10].to_owned()
}

fn plan(periods: &[(i64, i64)], held: Option<Instant>, at: Instant) -> Plan {
    let settings = json!({
        "kind": "ldap", "url": "ldap://localhost", "tls": "none", "bind": { "dn": "cn=a", "password": { "env": "W" } },
        "accounts": { "base": "ou=p,dc=x", "for": "everyone", "adopt": true, "attributes": {} },
        "groups": { "base": "ou=g,dc=x" },
    });
    let period = |(first, last): &(i64, i64)| format!("{{ starts: {}, expires: {} }}", date(*first), date(*last));
    let list: Vec<String> = periods.iter().map(period).collect();
    let people = format!("people:\n  ada: {{ kind: employee, periods: [{}] }}\n", list.join(", "));
    let policy = policy(&settings, &people);
    let mut state = StateBuilder::new(Matching::CaseIgnore, [""; 0]);
    let ada = state.account("ada", "uid=ada,ou=p,dc=x");
    state.set_status(ada, Enabled::Yes, held);
    let observed = Observed { state: state.finish().unwrap(), ..Observed::default() };
    let kind = connect::kind(&policy.directories[0]).unwrap();
    derive(&Inputs {
        policy: &policy,
        mark: &PolicyMark { digest: policy.digest.clone(), ..PolicyMark::default() },
        directories: &[DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }],
        memory: &Memory::default(),
        at,
        read_only: false,
        filter: &Filter::default(),
    })
}

/// The end that the plan writes, or `never`; `None` where it leaves what stands there.
fn written(plan: &Plan) -> Option<String> {
    let update = plan.changes.iter().find(|change| change.action == Action::UpdateAccount)?;
    let end = update.after.as_ref().and_then(|after| after.get("ends")?.first().cloned());
    Some(end.unwrap_or_else(|| "never".to_owned()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn the_native_end_is_in_step_with_the_persons(
        lengths in proptest::collection::vec((1..40_i64, 1..40_i64), 1..4),
        held in proptest::option::of(0..200_i64),
        at in 0..200_i64,
    ) {
        let mut next = 10;
        let mut periods = Vec::new();
        for (gap, length) in lengths {
            periods.push((next + gap, next + gap + length));
            next += gap + length + 1;
        }
        let (held, now) = (held.map(day), day(at));
        // The last day is inside.
        let inside = periods.iter().find(|(first, last)| (*first..=*last).contains(&at));
        let gone = periods.iter().rfind(|(_, last)| *last < at);
        let told = written(&plan(&periods, held, now));
        match inside.or(gone).map(|(_, last)| day(last + 1)) {
            // Before the first day nothing is known of an account that stands there.
            None => prop_assert_eq!(told, None),
            Some(end) if held == Some(end) => prop_assert_eq!(told, None),
            Some(end) => {
                prop_assert_eq!(told, Some(end.to_string()));
                prop_assert_eq!(written(&plan(&periods, Some(end), now)), None, "once is enough");
            }
        }
    }
}
