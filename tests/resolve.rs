//! What the resolver answers: because, why not, desired directories, constraints.

use crate::support::policies::{Draft, constraint, day, place, position, window};
use accord::model::{Instant, Matching, Term};
use accord::policy::{
    AccountsFor, Breach, DirectoryId, Exception, Holding, KindId, Label, Leave, Manage, Period, PersonId, Policy,
    Select, SponsorGone, Value,
};
use accord::resolve::{
    BreachKind, Link, Reference, References, Resolution, Want, because, constraints, desired, references_of, resolve,
    static_breaches, why_not, winning,
};

/// Wei leads platform; Li and Maria (a contractor) report to Wei.
fn organisation() -> Draft {
    let mut draft = Draft::new(&["wei", "li", "maria"], &["engineer", "sre"], &["corp/sre", "corp/vpn", "ext/chat"]);
    draft.include("sre", "engineer");
    draft.grant("sre", "corp/sre");
    draft.grant("engineer", "corp/vpn");
    let wei = draft.person("wei");
    for key in ["li", "maria"] {
        draft.person_mut(key).positions[0].manager = Some(wei);
    }
    draft.person_mut("maria").kind = KindId(1);
    draft.person_mut("maria").positions[0].kind = KindId(1);
    for key in ["wei", "li", "maria"] {
        draft.attribute(key, "department", Value::Text("platform".into()));
    }
    draft
}

fn now(policy: &Policy) -> Resolution {
    resolve(policy, &References::default(), day(10))
}

fn told(draft: &Draft, person: &str, entitlement: &str) -> Vec<String> {
    let resolution = now(&draft.policy);
    let holding = Holding::Group(draft.group(entitlement));
    let chains = because(&draft.policy, &resolution, draft.person(person), holding);
    chains.iter().map(|c| c.steps.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" → ")).collect()
}

fn told_not(draft: &Draft, person: &str, entitlement: &str) -> String {
    let holding = Holding::Group(draft.group(entitlement));
    let steps = why_not(&draft.policy, &now(&draft.policy), draft.person(person), holding);
    steps.iter().map(|step| step.text.as_str()).collect::<Vec<_>>().join(" → ")
}

#[test]
fn every_way_is_told_the_winning_one_first() {
    let mut draft = organisation();
    let (maria, wei) = (draft.person("maria"), draft.person("wei"));
    let entry = draft.dated(Select::People(vec![maria].into()), window(None, Some(31)));
    draft.policy.entries[entry.0 as usize].details.get_or_insert_default().ticket = Some("ACC-1042".into());
    draft.add_to_role("sre", entry);
    let rule = draft.rule("person.department == \"platform\" && person.kind == \"employee\"");
    let entry = draft.entry(Select::Where(rule));
    draft.add_to_role("engineer", entry);
    let entry = draft.entry(Select::ReportsTo { manager: wei, direct: false, including: false });
    draft.policy.entries[entry.0 as usize].details.get_or_insert_default().kinds = vec![KindId(1)];
    draft.add_to_group("corp/vpn", entry);
    assert_eq!(
        told(&draft, "maria", "corp/sre"),
        ["person: maria  expires 1970-01-31 · ACC-1042 → granted by role sre"]
    );
    assert_eq!(
        told(&draft, "maria", "corp/vpn"),
        [
            "reports to wei",
            "person: maria  expires 1970-01-31 · ACC-1042 → included by role sre → granted by role engineer",
        ]
    );
    assert_eq!(
        told(&draft, "wei", "corp/vpn"),
        ["because department is platform, kind is employee → granted by role engineer"]
    );
}

#[test]
fn why_not_names_the_nearest_reason() {
    let mut draft = organisation();
    let maria = draft.person("maria");
    let entry = draft.dated(Select::People(vec![maria].into()), window(None, Some(5)));
    draft.add_to_role("sre", entry);
    assert_eq!(told_not(&draft, "maria", "corp/sre"), "person: maria  expired 1970-01-05 → granted by role sre");
    let everybody = draft.people(&["li", "wei"]);
    draft.add_to_group("corp/vpn", everybody);
    let away = draft.people(&["li"]);
    draft.group_mut("corp/vpn").except.push(away);
    assert_eq!(told_not(&draft, "li", "corp/vpn"), "corp/vpn excepts person li");
    let rule = draft.rule("person.department == \"platform\"");
    let gated = draft.entry(Select::Where(rule));
    draft.add_to_group("ext/chat", gated);
    assert_eq!(
        told_not(&draft, "maria", "ext/chat"),
        "where person.department == \"platform\": kind contractor is let in only with `kinds: [contractor]`"
    );
    let kept = draft.people(&["wei"]);
    draft.group_mut("ext/chat").only.push(kept);
    assert_eq!(told_not(&draft, "li", "ext/chat"), "ext/chat keeps only people wei");
    draft.person_mut("li").periods[0].window = window(None, Some(3));
    assert_eq!(told_not(&draft, "li", "ext/chat"), "li left, ended 1970-01-04 00:00");
    assert_eq!(told_not(&draft, "wei", "corp/sre"), "nothing gives corp/sre to wei");
}

#[test]
fn a_directory_gets_names_values_and_what_is_wanted() {
    let mut draft = organisation();
    let all = draft.people(&["li", "maria", "wei"]);
    draft.add_to_group("corp/sre", all);
    draft.person_mut("li").leave.push(Leave { window: window(Some(9), None), place: place(3) });
    draft.person_mut("maria").periods[0].window = window(Some(1), Some(40));
    draft.group_mut("corp/sre").directory_name = "SRE".into();
    let settings = &mut draft.policy.directories[0].settings.accounts;
    settings.attributes = serde_json::from_value(serde_json::json!({
        "cn": "name", "departmentNumber": "department", "homeDirectory": {"template": "/home/{account}"},
        "employeeType": {"template": "{company} {kind}"}
    }))
    .unwrap();
    let columns = ["cn".into(), "DepartmentNumber".into(), "homeDirectory".into(), "employeeType".into()];
    let resolution = now(&draft.policy);
    let made = desired(&draft.policy, &resolution, DirectoryId(0), Matching::CaseIgnore, &columns).unwrap();
    let rows: Vec<_> = made
        .state
        .accounts()
        .zip(&made.wants)
        .map(|(account, want)| {
            let values: Vec<_> = (0..columns.len()).map(|n| account.values(n).collect::<Vec<_>>().join("|")).collect();
            format!("{} {want:?} {}", account.name(), values.join(" ; "))
        })
        .collect();
    assert_eq!(
        rows,
        [
            "li OnLeave Name li ; platform ; /home/li ; ",
            "maria Enabled Name maria ; platform ; /home/maria ; ",
            "wei Enabled Name wei ; platform ; /home/wei ; ",
        ]
    );
    let sre = made.state.group_named("sre").unwrap();
    assert_eq!((sre.name(), sre.members().len(), sre.ends(1)), ("SRE", 3, Some(day(40))));
    let ext = desired(&draft.policy, &resolution, DirectoryId(1), Matching::CaseIgnore, &columns).unwrap();
    assert_eq!(ext.wants, [Want::OnLeave, Want::NotNeeded, Want::NotNeeded]);
    draft.policy.directories[1].accounts_for = AccountsFor::Everyone;
    let ext = desired(&draft.policy, &resolution, DirectoryId(1), Matching::CaseIgnore, &columns).unwrap();
    assert_eq!(ext.wants, [Want::OnLeave, Want::Enabled, Want::Enabled]);
}

#[test]
fn an_exception_lets_through_until_it_ends() {
    let mut draft = organisation();
    let entry = draft.people(&["li"]);
    draft.add_to_role("sre", entry);
    let chat = draft.people(&["li"]);
    draft.add_to_group("ext/chat", chat);
    let mut separation = constraint("separation");
    separation.exclusive = vec![Holding::Role(draft.role("sre")), Holding::Group(draft.group("ext/chat"))];
    separation.exceptions.push(Exception {
        person: draft.person("li"),
        window: window(None, Some(12)),
        ticket: None,
        reason: None,
        approved_by: None,
        place: place(8),
    });
    draft.policy.constraints.push(separation);
    assert_eq!(constraints(&draft.policy, &now(&draft.policy)), []);
    assert_eq!(static_breaches(&draft.policy), []);
    let late = resolve(&draft.policy, &References::default(), day(12));
    let breaches = constraints(&draft.policy, &late);
    assert_eq!(
        breaches[0].message,
        "breaks separation: li holds role sre by its own members (policies/test.yaml:100), \
         and ext/chat by its own members (policies/test.yaml:101)"
    );
    assert!(breaches[0].help.starts_with("the exception expired 1970-01-12"), "{}", breaches[0].help);
    draft.policy.constraints[0].exceptions.clear();
    let told = static_breaches(&draft.policy);
    assert_eq!(told.iter().map(|d| d.code).collect::<Vec<_>>(), ["constraint-broken"]);
    // A date on one side makes it a matter of time, not of the files.
    draft.policy.entries[1].details.get_or_insert_default().window = window(None, Some(20));
    assert_eq!(static_breaches(&draft.policy), []);
}

/// Somebody holds both sides under an exception that ends on day 12; the other side
/// ends on day 20.
fn broken_by_time() -> Draft {
    let mut draft = organisation();
    let entry = draft.people(&["li"]);
    draft.add_to_role("sre", entry);
    let li = draft.person("li");
    let chat = draft.dated(Select::People(vec![li].into()), window(None, Some(20)));
    draft.add_to_group("ext/chat", chat);
    let mut separation = constraint("separation");
    separation.exclusive = vec![Holding::Role(draft.role("sre")), Holding::Group(draft.group("ext/chat"))];
    separation.on_breach = Breach::Revoke(vec![Holding::Role(draft.role("sre"))]);
    separation.exceptions.push(exception(li, None, 12));
    draft.policy.constraints.push(separation);
    draft
}

fn exception(person: PersonId, starts: Option<i64>, expires: i64) -> Exception {
    let window = window(starts, Some(expires));
    Exception { person, window, ticket: None, reason: None, approved_by: None, place: place(8) }
}

/// The days on which li is in corp/sre, and until when it is said on the first of them.
fn days_in_sre(draft: &Draft) -> (Vec<i64>, Option<Instant>) {
    let (li, sre) = (draft.person("li"), Holding::Group(draft.group("corp/sre")));
    let held = |today: i64| resolve(&draft.policy, &References::default(), day(today)).held(li, sre);
    let days: Vec<i64> = (0..40).filter(|today| held(*today).is_some()).collect();
    let ends = days.first().and_then(|first| held(*first)).and_then(|held| held.ends);
    (days, ends)
}

#[test]
fn what_time_broke_is_taken_away_and_not_given_back_when_the_other_side_ends() {
    let mut draft = broken_by_time();
    assert_eq!(days_in_sre(&draft), ((0..12).collect(), Some(day(12))));
    assert_eq!(static_breaches(&draft.policy), []);
    let late = resolve(&draft.policy, &References::default(), day(30));
    let told = "constraint separation broken since 1970-01-13 00:00, beside ext/chat (exception of policies/test.yaml:8 ended)";
    for holding in [Holding::Role(draft.role("sre")), Holding::Group(draft.group("corp/sre"))] {
        assert_eq!(why_not(&draft.policy, &late, draft.person("li"), holding)[0].text, told);
    }
    let breaches = constraints(&draft.policy, &late);
    assert_eq!(breaches[0].message, format!("role sre is taken from li: {told}"));
    assert!(!breaches[0].withholds(draft.group("corp/sre")), "nothing is wanted that could be withheld");
    // What excepts the members of the role goes on excepting the one who was cut.
    let entry = draft.people(&["li"]);
    let role = draft.role("sre");
    let except = draft.entry(Select::Role(role));
    draft.add_to_group("corp/vpn", entry);
    draft.group_mut("corp/vpn").except.push(except);
    let late = resolve(&draft.policy, &References::default(), day(30));
    assert!(late.held(draft.person("li"), Holding::Group(draft.group("corp/vpn"))).is_none());
}

#[test]
fn a_constraint_that_cuts_through_what_feeds_a_nested_group_is_told() {
    let mut draft = broken_by_time();
    let sre = draft.group("corp/sre");
    let nested = draft.entry(Select::Group(sre));
    draft.add_to_group("corp/vpn", nested);
    draft.role_mut("engineer").grants.clear();
    let late = resolve(&draft.policy, &References::default(), day(30));
    let why = why_not(&draft.policy, &late, draft.person("li"), Holding::Group(draft.group("corp/vpn")));
    assert!(why[0].text.starts_with("constraint separation broken since 1970-01-13 00:00"), "{why:?}");
}

#[test]
fn a_maximum_term_that_has_run_out_is_told_through_roles_and_groups() {
    let mut draft = organisation();
    let li = draft.person("li");
    let named = draft.dated(Select::People(vec![li].into()), window(Some(1), None));
    draft.add_to_role("sre", named);
    let sre = draft.group("corp/sre");
    let nested = draft.entry(Select::Group(sre));
    draft.add_to_group("ext/chat", nested);
    let mut short = constraint("short");
    short.maximum_term = Some(Term(4 * 86_400));
    draft.policy.constraints.push(short);
    let told = "person: li  ended 1970-01-05, ends with short: at most 4d from 1970-01-02 00:00";
    assert_eq!(told_not(&draft, "li", "corp/sre"), format!("{told} → granted by role sre"));
    assert_eq!(told_not(&draft, "li", "ext/chat"), format!("{told} → granted by role sre → in corp/sre"));
}

#[test]
fn of_several_ways_through_one_entry_the_one_that_ends_last_is_told_first() {
    let mut draft = organisation();
    let li = draft.person("li");
    draft.person_mut("li").positions[0].window = window(None, Some(15));
    let rule = draft.rule("person.department == \"platform\"");
    let parts =
        [draft.entry(Select::Where(rule)), draft.dated(Select::People(vec![li].into()), window(None, Some(20)))];
    let any = draft.entry(Select::Any(parts.into_iter().collect()));
    draft.add_to_group("ext/chat", any);
    let resolution = now(&draft.policy);
    let ways = because(&draft.policy, &resolution, li, Holding::Group(draft.group("ext/chat")));
    assert_eq!(ways[0].ends, Some(day(20)));
    assert_eq!(ways[0].steps[0].text, "person: li  expires 1970-01-20", "{ways:?}");
    assert_eq!(ways[1].steps[0].text, "because department is platform");
}

#[test]
fn only_what_starts_or_an_edit_gives_back_what_a_constraint_revoked() {
    let mut draft = broken_by_time();
    let li = draft.person("li");
    // A second exception that starts, and then the end of the other side.
    draft.policy.constraints[0].exceptions.push(exception(li, Some(15), 18));
    assert_eq!(days_in_sre(&draft).0, (0..12).chain(15..18).collect::<Vec<_>>());
    draft.policy.constraints[0].exceptions[1] = exception(li, Some(15), 22);
    assert_eq!(days_in_sre(&draft).0, (0..12).chain(15..40).collect::<Vec<_>>(), "the other side ended under it");
    draft.policy.constraints[0].exceptions.pop();
    // A new start after the breach; one inside the old grant is no new start.
    let entry = draft.dated(Select::People(vec![li].into()), window(Some(25), None));
    draft.add_to_role("sre", entry);
    assert_eq!(days_in_sre(&draft).0, (0..12).collect::<Vec<_>>());
    draft.policy.entries[0].details.get_or_insert_default().window = window(None, Some(14));
    assert_eq!(days_in_sre(&draft).0, (0..12).chain(25..40).collect::<Vec<_>>());
    // An edit: the other side was never there by today's files.
    draft.policy.entries[0].details.get_or_insert_default().window = window(None, None);
    draft.group_mut("ext/chat").members.clear();
    assert_eq!(days_in_sre(&draft).0, (0..40).collect::<Vec<_>>());
}

#[test]
fn a_breach_that_nobody_can_tell_revokes_nothing_and_gives_nothing() {
    let mut draft = broken_by_time();
    let (li, chat, sre) = (draft.person("li"), draft.group("ext/chat"), Holding::Group(draft.group("corp/sre")));
    draft.group_mut("ext/chat").manage = Manage::Reference;
    draft.group_mut("ext/chat").members.clear();
    let late = |references: &References| {
        let resolution = resolve(&draft.policy, references, day(30));
        (resolution.held(li, sre).is_some(), resolution.unsettled_in(sre).any(|person| person == li))
    };
    let read = |people: Vec<PersonId>| References { groups: [(chat, Reference::Read(people))].into() };
    assert_eq!(late(&References::default()), (false, true), "neither granted nor revoked");
    assert_eq!(references_of(&draft.policy, [sre]), [chat].into(), "what is revoked hangs on the other side too");
    assert_eq!(late(&read(vec![li])), (false, false));
    assert_eq!(late(&read(vec![])), (true, false));
}

#[test]
fn a_sponsor_who_left_is_told_and_after_the_grace_the_account_cannot_be_used() {
    let mut draft = organisation();
    let wei = draft.person("wei");
    draft.person_mut("maria").sponsor = Some(wei);
    draft.person_mut("wei").periods[0].window = window(None, Some(8));
    let mut gone = constraint("sponsors");
    gone.sponsor_gone = Some(SponsorGone { grace: Term(86_400 * 4), disable: true });
    draft.policy.constraints.push(gone);
    let breaches = constraints(&draft.policy, &now(&draft.policy));
    assert_eq!(breaches.iter().map(|b| b.kind).collect::<Vec<_>>(), [BreachKind::SponsorGone(day(8))]);
    assert!(breaches[0].message.ends_with("the accounts are disabled 1970-01-13 00:00"), "{}", breaches[0].message);
    let want = |today: i64| {
        let resolution = resolve(&draft.policy, &References::default(), day(today));
        desired(&draft.policy, &resolution, DirectoryId(0), Matching::CaseIgnore, &[]).unwrap().wants[1]
    };
    assert_eq!((want(11), want(12)), (Want::NotNeeded, Want::OnLeave));
}

#[test]
fn a_rehire_brings_nothing_back_and_keep_prolongs_what_rules_gave() {
    let mut draft = organisation();
    let li = draft.person("li");
    let entry = draft.people(&["li"]);
    draft.add_to_group("ext/chat", entry);
    let later = draft.dated(Select::People(vec![li].into()), window(Some(9), None));
    draft.add_to_group("corp/vpn", later);
    draft.person_mut("li").periods = [window(None, Some(3)), window(Some(9), None)]
        .into_iter()
        .map(|window| Period { window, place: place(2) })
        .collect();
    assert!(told(&draft, "li", "ext/chat").is_empty());
    assert_eq!(told(&draft, "li", "corp/vpn").len(), 1);
    let rule = draft.rule("person.department == \"platform\"");
    let entry = draft.entry(Select::Where(rule));
    draft.add_to_group("corp/sre", entry);
    let mut old = position(window(None, Some(8)));
    old.keep = Some(Term(86_400 * 4));
    old.attributes = draft.policy.people[li.0 as usize].positions[0].attributes.clone();
    draft.person_mut("li").positions = vec![old, position(window(Some(8), None))].into();
    assert_eq!(told(&draft, "li", "corp/sre"), ["because department is platform"]);
    let late = resolve(&draft.policy, &References::default(), day(12));
    assert!(late.held(li, Holding::Group(draft.group("corp/sre"))).is_none());
}

#[test]
fn a_maximum_term_ends_a_grant_that_says_more() {
    let mut draft = organisation();
    let (li, reference) = (draft.person("li"), draft.group("ext/chat"));
    let entry = draft.dated(Select::People(vec![li].into()), window(Some(4), Some(90)));
    draft.add_to_group("corp/vpn", entry);
    draft.policy.groups[reference.0 as usize].manage = Manage::Reference;
    let mut terms = constraint("terms");
    terms.maximum_term = Some(Term(86_400 * 10));
    draft.policy.constraints.push(terms);
    let vpn = Holding::Group(draft.group("corp/vpn"));
    assert_eq!(now(&draft.policy).held(li, vpn).unwrap().ends, Some(day(14)));
    let chat = draft.group("ext/chat");
    assert_eq!(now(&draft.policy).unsettled(chat).len(), 3, "an unread reference settles nobody");
}

/// Somebody whose own kept position leads back to them is below the top only as long as
/// what leads out of the circle: no way counts that leads through the person again.
#[test]
fn a_circle_of_managers_prolongs_nothing() {
    for circle in ["maria", "li"] {
        let mut draft = organisation();
        let (wei, maria) = (draft.person("wei"), draft.person("maria"));
        let below = draft.entry(Select::ReportsTo { manager: wei, direct: false, including: false });
        draft.policy.entries[below.0 as usize].details.get_or_insert_default().kinds = vec![KindId(1)];
        draft.add_to_group("corp/vpn", below);
        // Below Wei until day 12; below herself, or below Li who reports to her, until day 15.
        draft.person_mut("li").positions[0].manager = Some(maria);
        let back = draft.person(circle);
        let of = |manager: PersonId, keep: Option<i64>| {
            let mut position = position(window(None, Some(12)));
            (position.manager, position.keep) = (Some(manager), keep.map(|days| Term(days * 86_400)));
            position
        };
        draft.person_mut("maria").positions = vec![of(wei, None), of(back, Some(3))].into();
        let held = |at: i64| {
            let resolution = resolve(&draft.policy, &References::default(), day(at));
            resolution.held(maria, Holding::Group(draft.group("corp/vpn")))
        };
        assert_eq!(held(11).map(|held| held.ends), Some(Some(day(12))), "{circle}");
        assert_eq!(held(12), None, "{circle}");
    }
}

/// What leads to another account of somebody does not win a way for this one, even where
/// an entry beside it could have led to this one.
#[test]
fn a_way_is_told_by_what_leads_to_that_account() {
    let mut draft = organisation();
    let (wei, li) = (draft.person("wei"), draft.person("li"));
    let below = draft.entry(Select::ReportsTo { manager: wei, direct: false, including: false });
    draft.add_to_group("corp/sre", below);
    draft.group_mut("corp/sre").account = Some(Label(1));
    let sre = draft.group("corp/sre");
    // Li is not below Li; both parts of `all` lead to the second account.
    let not_in = draft.entry(Select::ReportsTo { manager: li, direct: false, including: false });
    let both = [draft.entry(Select::Group(sre)), draft.entry(Select::Group(sre))];
    let both = draft.entry(Select::All(both.to_vec().into()));
    let inner = draft.entry(Select::Any(vec![not_in, both].into()));
    let named = draft.dated(Select::People(vec![li].into()), window(None, Some(30)));
    let outer = draft.entry(Select::Any(vec![named, inner].into()));
    draft.add_to_group("corp/vpn", outer);
    let (resolution, vpn) = (now(&draft.policy), Holding::Group(draft.group("corp/vpn")));
    for (label, link) in [(Label::EVERYDAY, named), (Label(1), both)] {
        let way = winning(&draft.policy, &resolution, (li, label), vpn);
        assert_eq!(way.last().map(|step| step.link), Some(Link::Entry(link)), "{label:?}");
    }
}
