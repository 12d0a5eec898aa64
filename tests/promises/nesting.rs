//! Groups in groups and ends that a directory acts on: what is planned holds nobody back
//! who is to lose something, and puts nobody out who is to stay.

use crate::support::model_directory::{Account, Group, ID, Model, ModelKind};
use accord::model::change::OtherMember;
use accord::model::{Enabled, Instant, Matching, StateBuilder};
use accord::plan::draft::words;
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark, derive};
use accord::policy::load::load;
use accord::policy::{DirectoryId, Policy};
use accord::provider::{EndsItself, Observed};
use accord::source::InMemory;

const AT: &str = "2026-11-23T00:00:00Z";

fn at(text: &str) -> Instant {
    text.to_owned().try_into().unwrap()
}

/// Two directories, `corp` and `lab`, of which the second one waits for the first.
fn policy(kind: &str, access: &str) -> Policy {
    let settings = |more: &str| {
        let place = match kind {
            "ldif" => "file: d.ldif, create: true",
            _ => "url: 'ldaps://dc1.example.com', bind: { dn: a@example.com, password: { env: P } }",
        };
        format!(
            "{{ kind: {kind}, {place}, accounts: {{ base: 'ou=p,dc={more}', id_attribute: {ID} }}, \
             groups: {{ base: 'ou=g,dc={more}', nesting: native }}"
        )
    };
    let accord = format!(
        "organization: example\ntimezone: UTC\ndirectories:\n  corp: {} }}\n  lab: {}, after: [corp] }}\n",
        settings("x"),
        settings("y").replace("d.ldif", "e.ldif").replace("dc1", "dc2"),
    );
    load(&InMemory::new([("policies/accord.yaml", accord.as_str()), ("policies/access.yaml", access)])).unwrap()
}

fn kind(ends: bool) -> ModelKind {
    let mut kind = ModelKind::default();
    kind.capabilities.ends_itself = EndsItself { accounts: ends, memberships: ends };
    kind
}

fn plan_of(policy: &Policy, corp: &Observed, lab: &Observed) -> Plan {
    let kind = kind(true);
    let directories = [
        DirectoryInput { id: DirectoryId(0), kind: &kind, observed: corp },
        DirectoryInput { id: DirectoryId(1), kind: &kind, observed: lab },
    ];
    derive(&Inputs {
        policy,
        mark: &PolicyMark::default(),
        directories: &directories,
        memory: &Memory::default(),
        at: at(AT),
        read_only: false,
        filter: &Filter::default(),
    })
}

fn plan(policy: &Policy, corp: &Model) -> Plan {
    plan_of(policy, &corp.observed(), &Observed::default())
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(words).collect()
}

fn account(id: &str) -> Account {
    Account { id: Some(id.to_owned()), enabled: true, ..Account::default() }
}

/// Accounts of these people, by key; the id is the key.
fn model(people: &[&str], groups: &[(&str, &[&str], &[&str])]) -> Model {
    let mut model = Model::default();
    for key in people {
        model.accounts.insert((*key).to_owned(), account(key));
    }
    for (name, members, inside) in groups {
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        let others = inside.iter().map(|name| OtherMember::Group((*name).to_owned())).collect();
        model.groups.insert((*name).to_owned(), Group { members, others, ..Group::default() });
    }
    model
}

/// One group with one member until then.
fn dated(group: &str, ends: Option<&str>) -> Observed {
    let mut builder = StateBuilder::new(Matching::CaseIgnore, ["cn", "mail"]);
    let ada = builder.account("ada", "uid=ada,ou=people");
    builder.set_id(ada, "ada");
    builder.set_status(ada, Enabled::Yes, None);
    let group = builder.group(group, &format!("cn={group},ou=groups"));
    builder.member(group, ada, ends.map(at));
    Observed { state: builder.finish().unwrap(), ..Observed::default() }
}

const ADA: &str = "people: { ada: { id: ada }, bob: { id: bob } }\n";

#[test]
fn a_membership_that_lasts_longer_waits_for_the_other_directory_and_counts() {
    let text = |until: &str| {
        format!(
            "{ADA}groups:\n  corp/a: {{ members: [ada] }}\n  lab/b: {{ members: [{{ person: ada, expires: {until} }}] }}\n"
        )
    };
    let lab = dated("b", Some("2026-12-01T00:00:00Z"));
    let mut corp = model(&["ada", "bob"], &[("a", &["ada", "bob"], &[])]);
    let waits = |plan: &Plan| {
        let moved = plan.changes.iter().find(|change| change.object.group.as_deref() == Some("b")).unwrap();
        !moved.needs.is_empty()
    };
    let longer = policy("ldif", &text("2026-12-31"));
    let planned = plan_of(&longer, &corp.observed(), &lab);
    assert_eq!(steps(&planned), ["revoke corp/a/bob", "update-membership lab/b/ada"]);
    assert!(waits(&planned), "{:?}", planned.barriers);
    // What ends earlier waits for nothing.
    let shorter = plan_of(&policy("ldif", &text("2026-11-25")), &corp.observed(), &lab);
    assert!(!waits(&shorter), "{:?}", shorter.barriers);
    // Many that last longer are many that are given.
    corp.groups.get_mut("a").unwrap().members.remove("bob");
    let mut limited = longer;
    limited.guardrails.grants.floor = 0;
    limited.guardrails.grants.percent = 0;
    let planned = plan_of(&limited, &corp.observed(), &lab);
    assert_eq!((steps(&planned), planned.withheld.len()), (vec![], 1), "{:?}", planned.withheld);
    limited = policy("ldif", &text("2026-11-25"));
    limited.guardrails.grants.floor = 0;
    limited.guardrails.grants.percent = 0;
    assert_eq!(steps(&plan_of(&limited, &corp.observed(), &lab)), ["update-membership lab/b/ada"]);
}

#[test]
fn a_rename_that_is_withheld_holds_back_no_earlier_end() {
    let renamed = |until: &str| {
        let entry = format!("{{ members: [{{ person: ada, expires: {until} }}], previously: b }}");
        let mut policy = policy("ldif", &format!("{ADA}groups:\n  corp/c: {entry}\n"));
        policy.directories[0].settings.protect.groups = vec!["c".to_owned()];
        plan_of(&policy, &dated("b", Some("2026-12-01T00:00:00Z")), &Observed::default())
    };
    assert_eq!(steps(&renamed("2026-11-25")), ["update-membership corp/b/ada"]);
    assert_eq!(steps(&renamed("2026-12-31")), [""; 0]);
    // An account's own end, too.
    let person = |until: &str| {
        let text = format!(
            "people: {{ ada: {{ id: ada, expires: {until}, accounts: {{ corp: countess }}, adopt: true }} }}\n\
            groups:\n  corp/x: {{ manage: additive, members: [ada] }}\n"
        );
        let mut policy = policy("ldif", &text);
        policy.directories[0].settings.accounts.attributes.clear();
        let mut corp = model(&["ada"], &[("x", &["ada"], &[]), ("other", &[], &[])]);
        corp.accounts.get_mut("ada").unwrap().ends = Some(at("2026-12-01T00:00:00Z"));
        corp.groups.get_mut("other").unwrap().others.insert(OtherMember::Other("uid=countess,ou=people".to_owned()));
        plan(&policy, &corp)
    };
    assert_eq!(steps(&person("2026-11-25")), ["update-account corp/ada"]);
    assert_eq!(steps(&person("2026-12-31")), [""; 0]);
}

#[test]
fn of_two_changes_of_scope_the_one_goes_first_that_allows_the_other() {
    let text = |outer: &str, inner: &str| {
        format!(
            "groups:\n  corp/z-outer: {{ scope: {outer}, members: [group: corp/inner] }}\n  corp/inner: {{ scope: {inner} }}\n"
        )
    };
    let of = |was: [&str; 2], is: [&str; 2]| {
        let mut corp = model(&[], &[("z-outer", &[], &["inner"]), ("inner", &[], &[])]);
        for (name, scope) in ["z-outer", "inner"].into_iter().zip(was) {
            let kind = vec![format!("{scope} security")];
            corp.groups.get_mut(name).unwrap().attributes.insert("groupType".to_owned(), kind);
        }
        let planned = plan(&policy("active-directory", &text(is[0], is[1])), &corp);
        assert_eq!(planned.withheld, []);
        steps(&planned)
    };
    let (outer, inner) = ("update-group corp/z-outer", "update-group corp/inner");
    assert_eq!(of(["global", "global"], ["universal", "universal"]), [outer, inner]);
    assert_eq!(of(["universal", "universal"], ["global", "global"]), [inner, outer]);
    assert_eq!(of(["universal", "universal"], ["domain-local", "domain-local"]), [outer, inner]);
}

#[test]
fn what_was_not_read_does_not_turn_a_link_into_people() {
    let text = format!(
        "{ADA}groups:\n  corp/outer: {{ members: [group: corp/inner] }}\n  \
         corp/inner: {{ members: [ada, group: lab/elsewhere] }}\n  lab/elsewhere: {{ manage: reference }}\n"
    );
    let there = model(&["ada", "bob"], &[("outer", &[], &["inner"]), ("inner", &["ada"], &[])]);
    assert_eq!(steps(&plan(&policy("ldif", &text), &there)), [""; 0]);
    // Whoever is in the group for sure gets what is behind it, where there is no link yet.
    let not_yet = model(&["ada", "bob"], &[("outer", &[], &[]), ("inner", &["ada"], &[])]);
    assert_eq!(steps(&plan(&policy("ldif", &text), &not_yet)), ["grant corp/outer/ada"]);
}

#[test]
fn whoever_stays_by_another_link_is_not_put_out_by_the_one_that_goes() {
    // `ada` is in `outer` by `inner`; in that by `old`, from now on by `new`.
    let text = format!(
        "{ADA}groups:\n  corp/outer: {{ members: [group: corp/inner] }}\n  corp/inner: {{ members: [group: corp/new] }}\n  \
         corp/new: {{ members: [ada] }}\n  corp/old: {{ members: [ada] }}\n"
    );
    let old: &[&str] = &["old"];
    let groups: [(&str, &[&str], &[&str]); 4] =
        [("outer", &["ada"], &["inner"]), ("inner", &[], old), ("new", &["ada"], &[]), ("old", &["ada"], &[])];
    let mut corp = model(&["ada", "bob"], &groups);
    let policy = policy("ldif", &text);
    let planned = plan(&policy, &corp);
    assert_eq!(planned.withheld, []);
    let number = |text: &str| {
        let found = planned.changes.iter().find(|change| words(change) == text);
        found.unwrap_or_else(|| panic!("no {text} in {:?}", steps(&planned)))
    };
    let nest = number("grant corp/inner/new").id;
    assert!(number("revoke corp/inner/old").needs.contains(&nest), "{:?}", steps(&planned));
    assert!(number("revoke corp/outer/ada").needs.contains(&nest), "{:?}", steps(&planned));
    // Where the new link may not be made, nobody is put out.
    corp.groups.get_mut("new").unwrap().others.insert(OtherMember::Other("cn=pc1,ou=computers".to_owned()));
    assert_eq!(steps(&plan(&policy, &corp)), [""; 0]);
    // What is below a link that goes lets nobody in.
    corp = model(
        &["ada", "bob"],
        &[("outer", &[], &[]), ("inner", &[], &["new", "old"]), ("new", &["ada"], &[]), ("old", &["ada", "bob"], &[])],
    );
    let others = text.replace("corp/old: { members: [ada] }", "corp/old: { members: [bob] }");
    let planned = plan(&self::policy("ldif", &others), &corp);
    assert_eq!(planned.withheld, [], "{:?}", steps(&planned));
    let cut = planned.changes.iter().find(|change| words(change) == "revoke corp/inner/old").unwrap().id;
    let nest = planned.changes.iter().find(|change| words(change) == "grant corp/outer/inner").unwrap();
    assert!(nest.needs.contains(&cut), "{:?}", steps(&planned));
}
