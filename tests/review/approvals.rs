//! Who must agree: by rule, by office, on both sides; and the ways around it, refused.

use accord::model::Instant;
use accord::policy::{Policy, load};
use accord::resolve::References;
use accord::review::approvals::{About, Account, Approvals, Given, approvals};
use accord::review::{Side, difference};
use accord::source::InMemory;

const ACCORD: &str = "
organization: example
timezone: UTC
directories:
  corp: { kind: ldif, file: directory.ldif, create: true, accounts: { base: \"ou=people,dc=e\" }, groups: { base: \"ou=groups,dc=e\" } }
policy_owners: [omar, ines]
approvals:
  contractors: { kinds: [contractor], from: [sponsor] }
  crown: { privileged: true, from: [owner], people: [li], count: 2 }
  production: { entitlements: [corp/prod*], from: [owner] }
";

const PEOPLE: &str = "
people:
  wei: { name: Wei, kind: employee, forge: [wchen, wchen-admin] }
  li: { name: Li, kind: employee, forge: [\"id:40\"] }
  omar: { name: Omar, kind: employee, forge: [omar] }
  ines: { name: Ines, kind: employee, forge: [ines] }
  bob: { name: Bob, kind: employee, manager: wei, forge: [bob] }
  gone: { name: Gone, kind: employee, expires: 2026-01-31, forge: [gone] }
  mallory: { name: Mallory, kind: employee, forge: [mallory, mallory2] }
  maria: { name: Maria, kind: contractor, sponsor: wei, expires: 2026-12-31, forge: [maria] }
";

const ACCESS: &str = "
groups:
  corp/prod: { owner: wei, members: [wei] }
  corp/crown: { owner: wei, privileged: true, members: [wei] }
  corp/wiki: { members: [wei, maria] }
  corp/bare: {}
";

fn policy(accord: &str, people: &str, access: &str) -> Policy {
    let files = [("policies/accord.yaml", accord), ("policies/people.yaml", people), ("policies/access.yaml", access)];
    let source = InMemory::new(files.map(|(path, text)| (path, text.as_bytes().to_vec())));
    load(&source).unwrap_or_else(|found| panic!("{found:#?}"))
}

fn account(login: &str) -> Account {
    // `li` is known by number alone.
    Account { id: if login == "renamed-li" { 40 } else { 1000 }, login: login.into() }
}

/// What one change of the texts needs, when these accounts approved it.
fn found(accord: &str, people: &str, access: &str, author: &str, agreed: &[&str]) -> Approvals {
    let (base, head) = (policy(ACCORD, PEOPLE, ACCESS), policy(accord, people, access));
    compared(&base, &head, author, agreed)
}

fn compared(base: &Policy, head: &Policy, author: &str, agreed: &[&str]) -> Approvals {
    let at: Instant = Instant::try_from("2026-06-01T00:00:00Z".to_owned()).unwrap();
    let nothing = References::default();
    let difference = difference(Side::new(base, &nothing, at), Side::new(head, &nothing, at));
    let given: Vec<Account> = agreed.iter().map(|login| account(login)).collect();
    approvals(&difference, Given { author: Some(&account(author)), approvals: &given })
}

/// `covered what: who agreed | who could`, one line for each need.
fn lines(found: &Approvals) -> Vec<String> {
    let line = |need: &accord::review::approvals::Need| {
        let about = match &need.about {
            About::Access(rule) => format!("{rule} ({})", need.access.len()),
            About::Judge(what) => what.clone(),
        };
        let word = if need.is_covered() { "covered" } else { "missing" };
        format!("{word} {about}: {} | {}", need.did.join(" "), need.could.join(" "))
    };
    found.needs.iter().map(line).collect()
}

fn access(from: &str, to: &str) -> String {
    assert!(ACCESS.contains(from), "{from}");
    ACCESS.replace(from, to)
}

fn people(from: &str, to: &str) -> String {
    assert!(PEOPLE.contains(from), "{from}");
    PEOPLE.replace(from, to)
}

fn settings(from: &str, to: &str) -> String {
    assert!(ACCORD.contains(from), "{from}");
    ACCORD.replace(from, to)
}

/// Bob gets production.
fn bob_in_prod() -> String {
    access("owner: wei, members: [wei] }\n  corp/crown", "owner: wei, members: [wei, bob] }\n  corp/crown")
}

#[test]
fn a_grant_needs_whom_its_rules_say_and_a_revoke_needs_nobody() {
    let prod = bob_in_prod();
    let of = |agreed: &[&str]| lines(&found(ACCORD, PEOPLE, &prod, "mallory", agreed));
    assert_eq!(of(&[]), ["missing production (1):  | wei"]);
    assert_eq!(of(&["wchen"]), ["covered production (1): wei | wei"]);
    assert_eq!(of(&["WChen-Admin"]), ["covered production (1): wei | wei"]);
    assert_eq!(of(&["omar", "bob", "renamed-li"]), ["missing production (1):  | wei"]);
    let less = access("members: [wei, maria] }", "members: [] }");
    let found = found(ACCORD, PEOPLE, &less, "mallory", &[]);
    assert!(found.is_covered() && found.needs.is_empty() && !found.unguarded);
}

#[test]
fn two_people_are_two_people_and_nobody_agrees_to_their_own_access() {
    let crown = access("privileged: true, members: [wei]", "privileged: true, members: [wei, bob]");
    let of = |author: &str, agreed: &[&str]| lines(&found(ACCORD, PEOPLE, &crown, author, agreed));
    assert_eq!(of("mallory", &["wchen", "wchen-admin"]), ["missing crown (1): wei | li wei"]);
    assert_eq!(of("mallory", &["wchen", "renamed-li"]), ["covered crown (1): li wei | li wei"]);
    // Whoever asks does not agree as well, with whichever account.
    assert_eq!(of("wchen-admin", &["wchen", "renamed-li"]), ["missing crown (1): li | li"]);
    // Li would gain: the owners of the policies stand in for one who is too few.
    let own = access("privileged: true, members: [wei]", "privileged: true, members: [wei, li]");
    let found = found(ACCORD, PEOPLE, &own, "mallory", &["wchen", "renamed-li", "ines"]);
    assert_eq!(lines(&found), ["covered crown (1): ines wei | ines omar wei"]);
}

#[test]
fn later_longer_and_newly_declared_access_needs_agreement_too() {
    let later =
        access("members: [wei] }\n  corp/crown", "members: [wei, { person: bob, starts: 2026-09-01 }] }\n  corp/crown");
    assert_eq!(lines(&found(ACCORD, PEOPLE, &later, "mallory", &[])), ["missing production (1):  | wei"]);
    let longer = people("expires: 2026-12-31, forge: [maria]", "expires: 2027-12-31, forge: [maria]");
    assert_eq!(lines(&found(ACCORD, &longer, ACCESS, "mallory", &[])), ["missing contractors (1):  | wei"]);
    // Of a person who is new, the sponsor counts if somebody who was there before.
    let new = format!("{PEOPLE}  zoe: {{ name: Zoe, kind: contractor, sponsor: li, expires: 2026-12-31 }}\n");
    let given = access("members: [wei, maria]", "members: [wei, maria, zoe]");
    assert_eq!(lines(&found(ACCORD, &new, &given, "mallory", &["renamed-li"])), ["covered contractors (1): li | li"]);
}

#[test]
fn a_self_made_owner_sponsor_or_rule_is_nobody() {
    // Mallory makes an accomplice the owner and gives: the owners of the policies are asked for both.
    let taken =
        access("corp/prod: { owner: wei, members: [wei] }", "corp/prod: { owner: bob, members: [wei, mallory] }");
    let of = |agreed: &[&str]| lines(&found(ACCORD, PEOPLE, &taken, "mallory", agreed));
    let both =
        ["missing the group `corp/prod` gets another owner:  | ines omar wei", "missing production (1):  | ines omar"];
    assert_eq!(of(&["bob"]), both);
    assert!(of(&["omar"]).iter().all(|line| line.starts_with("covered")));
    // A group that is new has no owner whom anybody chose before.
    let new = format!("{ACCESS}  corp/prod-2: {{ owner: bob, members: [mallory] }}\n");
    assert_eq!(lines(&found(ACCORD, PEOPLE, &new, "mallory", &["bob"])), ["missing production (1):  | ines omar"]);
    let sponsored = people("sponsor: wei,", "sponsor: bob,");
    let given = access("members: [wei] }\n  corp/crown", "members: [wei, maria] }\n  corp/crown");
    assert_eq!(
        lines(&found(ACCORD, &sponsored, &given, "mallory", &["bob"])),
        [
            "missing `maria` gets another sponsor:  | ines omar wei",
            "missing contractors (1):  | ines omar",
            "missing production (1):  | wei",
        ]
    );
    // Without the rule after the change, the rule before it still asks.
    let without = settings("  production: { entitlements: [corp/prod*], from: [owner] }\n", "");
    let prod = bob_in_prod();
    assert_eq!(
        lines(&found(&without, PEOPLE, &prod, "mallory", &[])),
        ["missing the approval `production` goes:  | ines omar", "missing production (1):  | wei"]
    );
    let easier = settings("from: [owner], people: [li], count: 2", "people: [bob]");
    assert_eq!(
        lines(&found(&easier, PEOPLE, ACCESS, "mallory", &["bob", "wchen"])),
        ["missing the approval `crown` changes:  | ines omar"]
    );
}

#[test]
fn whoever_would_own_the_policies_does_not_yet() {
    let mine = settings("policy_owners: [omar, ines]", "policy_owners: [bob, mallory]");
    let of = |agreed: &[&str]| lines(&found(&mine, PEOPLE, ACCESS, "mallory", agreed));
    assert_eq!(of(&["bob"]), ["missing `policy_owners` changes:  | ines omar"]);
    assert_eq!(of(&["ines"]), ["covered `policy_owners` changes: ines | ines omar"]);
    let unguarded =
        policy(ACCORD.replace("policy_owners: [omar, ines]\n", "").split("approvals:").next().unwrap(), PEOPLE, ACCESS);
    let first = compared(&unguarded, &policy(ACCORD, PEOPLE, ACCESS), "mallory", &[]);
    assert!(first.unguarded && first.is_covered());
}

#[test]
fn an_account_that_the_change_maps_onto_an_approver_is_nobodys() {
    let mapped = people("forge: [wchen, wchen-admin]", "forge: [wchen, wchen-admin, mallory2]");
    let mapped = mapped.replace("forge: [mallory, mallory2]", "forge: [mallory]");
    let found = found(ACCORD, &mapped, &bob_in_prod(), "mallory", &["mallory2"]);
    assert_eq!(found.mute[0].why, "this very change says whose account it is");
    assert_eq!(
        lines(&found),
        [
            "missing `mallory` gets other accounts on the forge:  | ines omar",
            "missing `wei` gets other accounts on the forge:  | ines omar",
            "missing production (1):  | wei",
        ]
    );
}

#[test]
fn limits_constraints_mappings_and_connections_are_loosened_only_with_consent() {
    let raised = format!("{ACCORD}guardrails: {{ revocations: {{ floor: 1000, percent: 100 }} }}\n");
    let moved = settings("file: directory.ldif", "file: mine.ldif");
    let lower = format!("{ACCORD}guardrails: {{ revocations: {{ floor: 1, percent: 1 }} }}\n");
    for (accord, expected) in [
        (
            &raised,
            vec!["missing the guardrail `revocations` is raised: floor 25 to 1000, percent 20 to 100:  | ines omar"],
        ),
        (&moved, vec!["missing settings of the directory `corp` change:  | ines omar"]),
        (&lower, vec![]),
    ] {
        assert_eq!(lines(&found(accord, PEOPLE, ACCESS, "mallory", &["bob"])), expected);
    }
    let protected = settings("create: true,", "create: true, protect: { accounts: [root] },");
    assert_eq!(lines(&found(&protected, PEOPLE, ACCESS, "mallory", &[])), Vec::<String>::new());
    let bare = compared(&policy(&protected, PEOPLE, ACCESS), &policy(ACCORD, PEOPLE, ACCESS), "mallory", &[]);
    assert_eq!(lines(&bare), ["missing settings of the directory `corp` change:  | ines omar"]);
    let other = people("bob: { name: Bob,", "bob: { name: Bob, accounts: { corp: root },");
    assert_eq!(
        lines(&found(ACCORD, &other, ACCESS, "mallory", &[])),
        ["missing `bob` is matched to accounts otherwise:  | ines omar"]
    );
    let constraint = "constraints:\n  apart: { exclusive: [group: corp/prod, group: corp/bare] }\n";
    let with = format!("{ACCESS}{constraint}");
    assert_eq!(lines(&found(ACCORD, PEOPLE, &with, "mallory", &[])), Vec::<String>::new());
    let gone = compared(&policy(ACCORD, PEOPLE, &with), &policy(ACCORD, PEOPLE, ACCESS), "mallory", &["wchen"]);
    assert_eq!(lines(&gone), ["missing the constraint `apart` goes:  | ines omar"]);
    let tests = |outside: &str| {
        format!(
            "{ACCESS}tests:\n  prod: {{ nobody_reaches: [group: corp/prod], outside: [{outside}], within: 180d }}\n"
        )
    };
    let change = |before: &str, after: &str| {
        lines(&compared(&policy(ACCORD, PEOPLE, before), &policy(ACCORD, PEOPLE, after), "mallory", &["wchen"]))
    };
    assert_eq!(change(&tests("wei"), ACCESS), ["missing the test `prod` goes:  | ines omar"]);
    assert_eq!(change(&tests("wei"), &tests("wei, bob")), ["missing the test `prod` changes:  | ines omar"]);
    assert_eq!(change(ACCESS, &tests("wei")), Vec::<String>::new());
    assert_eq!(change(&tests("wei"), &tests("{ person: wei }")), Vec::<String>::new());
    let public = access("owner: wei, privileged: true,", "owner: wei,");
    let all = access("owner: wei, privileged: true, members: [wei]", "owner: wei, members: [wei, bob]");
    assert_eq!(
        lines(&found(ACCORD, PEOPLE, &public, "mallory", &[])),
        ["missing the group `corp/crown` is not `privileged` any more:  | ines omar"]
    );
    // It is privileged still: the stricter of both sides counts.
    assert_eq!(lines(&found(ACCORD, PEOPLE, &all, "mallory", &[])).len(), 2);
}

#[test]
fn who_left_and_who_is_unknown_has_no_voice() {
    let found = found(ACCORD, PEOPLE, &bob_in_prod(), "mallory", &["gone", "stranger", "mallory2"]);
    let why: Vec<_> = found.mute.iter().map(|mute| (mute.why.as_str(), mute.left)).collect();
    assert_eq!(
        why,
        [
            ("`gone` left at 2026-02-01T00:00:00Z", true),
            ("no person has this account: `forge:` of a person says whose it is", false),
            ("it is `mallory`, who asks for the change", false),
        ]
    );
    assert!(!found.is_covered());
}
