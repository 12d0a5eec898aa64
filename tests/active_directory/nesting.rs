//! Groups inside groups, kept by the domain: what is written is looked at with the
//! domain's own rule for membership in chains, and with samba-tool.

use super::{done, groups, people, plan, settings, start, write};
use crate::support::ldap::{policy, words};
use crate::support::samba::{BASE, Samba};
use accord::model::change::{Action, Change};
use accord::plan::{Memory, Plan};
use serde_json::{Value, json};

/// Everybody who is in a group by any chain of groups, as the domain says
/// (`LDAP_MATCHING_RULE_IN_CHAIN`, [MS-ADTS] §3.1.1.3.4.4.3).
fn in_chain(dc: &Samba, group: &str) -> Vec<String> {
    let filter = format!("(&(objectClass=user)(memberOf:1.2.840.113556.1.4.1941:=CN={group},{}))", groups());
    let found = dc.tools().search(BASE, &filter, &["sAMAccountName"]);
    let mut names: Vec<String> =
        found.lines().filter_map(|line| line.strip_prefix("sAMAccountName: ")).map(str::to_owned).collect();
    names.sort();
    names
}

fn native(dc: &Samba) -> Value {
    let mut settings = settings(dc);
    settings["accounts"]["attributes"] = json!({});
    settings["accounts"]["adopt"] = json!(true);
    settings["groups"]["nesting"] = json!("native");
    settings
}

/// Plans the text and carries it out.
fn carry_out(dc: &Samba, text: &str) -> Plan {
    let settings = native(dc);
    let mut written = settings.clone();
    written["ca"] = json!("ca.pem");
    let mut policy = policy(&written, text);
    policy.directories[0].settings.ca = Some(dc.ca().display().to_string());
    let planned = plan(&policy, &Memory::default());
    done(&write(&settings, &planned.changes, None));
    assert_eq!(words(&plan(&policy, &Memory::default())), [""; 0]);
    planned
}

fn accounts(dc: &Samba, names: &[&str]) {
    let add = |name: &&str| {
        format!(
            "dn: CN={name},{}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\nuserAccountControl: 512\n\n",
            people()
        )
    };
    dc.tools().modify(&names.iter().map(add).collect::<String>());
}

const PEOPLE: &str = "people:\n  ada: { kind: employee }\n  eve: { kind: employee }\n  wei: { kind: employee }\n";

#[test]
fn a_group_in_a_group_is_a_member_itself_where_that_gives_the_same_people() {
    let dc = start();
    accounts(&dc, &["ada", "eve", "wei"]);
    let members = |group: &str| {
        let mut members = dc.tools().values(&format!("CN={group},{}", groups()), "member");
        members.sort();
        members
    };
    let text = |entry: &str| {
        format!(
            "{PEOPLE}groups:\n  corp/inner: {{ members: [ada, eve] }}\n\
             \x20 corp/outer: {{ scope: universal, members: [wei, {entry}] }}\n"
        )
    };
    let first = carry_out(&dc, &text("group: corp/inner"));
    assert_eq!(
        words(&first),
        [
            "create-group inner",
            "create-group outer",
            "grant inner ada",
            "grant inner eve",
            "grant outer Group(\"inner\")",
            "grant outer wei",
        ]
    );
    let nest = first.changes.iter().find(|change| change.object.member.is_some()).unwrap();
    let because = &first.facts[nest.because[0] as usize];
    assert_eq!((because.text.as_str(), because.line.is_some()), ("group: corp/inner", true));
    assert_eq!(members("outer"), [format!("CN=inner,{}", groups()), format!("CN=wei,{}", people())]);
    assert_eq!(in_chain(&dc, "outer"), ["ada", "eve", "wei"]);
    let listed = dc.samba_tool(&["group", "listmembers", "outer"]);
    assert_eq!(listed.lines().collect::<std::collections::BTreeSet<_>>(), ["inner", "wei"].into());

    // Somebody lists one of them by hand too: it is taken out, and loses nothing.
    dc.tools().modify(&format!(
        "dn: CN=outer,{}\nchangetype: modify\nadd: member\nmember: CN=ada,{}\n",
        groups(),
        people()
    ));
    let twice = carry_out(&dc, &text("group: corp/inner"));
    assert_eq!(words(&twice), ["revoke outer ada"]);
    let why = &twice.facts[twice.changes[0].because[0] as usize].text;
    assert_eq!(why, "a group in corp/outer has this person, and is a member itself");
    assert_eq!(in_chain(&dc, "outer"), ["ada", "eve", "wei"]);

    // What would give other people than the group inside has is resolved to them, and that is said.
    let dated = carry_out(&dc, &text("{ group: corp/inner, expires: 2026-12-31 }"));
    assert_eq!(words(&dated), ["grant outer ada", "grant outer eve", "revoke outer Group(\"inner\")"]);
    let note = dated.notes.iter().find(|note| note.code == "resolved-nesting").unwrap();
    assert_eq!(
        (note.object.as_deref(), note.text.as_str()),
        (Some("outer"), "the people of inner are members one by one, not the group: the entry has dates")
    );
    assert_eq!(members("outer").len(), 3);
    assert_eq!(in_chain(&dc, "outer"), ["ada", "eve", "wei"]);
}

#[test]
fn a_group_becomes_a_member_only_after_whoever_is_not_to_come_in_has_left_it() {
    let dc = start();
    accounts(&dc, &["ada", "eve", "mallory"]);
    dc.tools().modify(&format!(
        "dn: CN=inner,{0}\nchangetype: add\nobjectClass: group\nsAMAccountName: inner\nmember: CN=mallory,{1}\n\
         member: CN=ada,{1}\n\n",
        groups(),
        people()
    ));
    let text = format!(
        "{PEOPLE}groups:\n  corp/inner: {{ members: [ada] }}\n  corp/outer: {{ members: [group: corp/inner] }}\n"
    );
    let planned = carry_out(&dc, &text);
    let of = |action: Action, group: &str| {
        let is_it = |change: &&Change| change.action == action && change.object.group.as_deref() == Some(group);
        planned.changes.iter().find(is_it).unwrap()
    };
    let (revoke, nest) = (of(Action::Revoke, "inner"), of(Action::Grant, "outer"));
    assert_eq!(revoke.object.account.as_deref(), Some("mallory"));
    assert!(nest.needs.contains(&revoke.id), "{:#?}", planned.changes);
    assert_eq!(in_chain(&dc, "outer"), ["ada"]);
}

#[test]
fn computers_and_members_of_other_domains_are_kept_and_said() {
    let dc = start();
    accounts(&dc, &["ada", "eve"]);
    // S-1-5-11 is everybody who has logged in: a member as those of another domain are.
    dc.tools().modify(&format!(
        "dn: CN=pc1,CN=Computers,{BASE}\nchangetype: add\nobjectClass: computer\nsAMAccountName: pc1$\n\
         userAccountControl: 4096\n\n\
         dn: CN=staff,{0}\nchangetype: add\nobjectClass: group\nsAMAccountName: staff\ngroupType: -2147483644\n\
         member: CN=pc1,CN=Computers,{BASE}\nmember: CN=S-1-5-11,CN=ForeignSecurityPrincipals,{BASE}\n\
         member: CN=ada,{1}\n\n",
        groups(),
        people()
    ));
    for others in ["", ", others: revoke"] {
        let text = format!("{PEOPLE}groups:\n  corp/staff: {{ members: [ada]{others} }}\n");
        let planned = carry_out(&dc, &text);
        assert_eq!(words(&planned), [""; 0]);
        let note = planned.notes.iter().find(|note| note.code == "protected").unwrap();
        assert!(note.text.contains(&format!("CN=pc1,CN=Computers,{BASE} (a computer)")), "{}", note.text);
        let foreign = format!("CN=S-1-5-11,CN=ForeignSecurityPrincipals,{BASE} (of another domain)");
        assert!(note.text.contains(&foreign), "{}", note.text);
    }
    assert_eq!(dc.tools().values(&format!("CN=staff,{}", groups()), "member").len(), 3);
}

#[test]
fn a_change_of_scope_that_members_or_groups_above_do_not_allow_is_withheld_and_the_rest_goes_on() {
    let dc = start();
    let add = |name: &str, kind: &str, members: &[&str]| {
        let members: Vec<_> = members.iter().map(|member| format!("member: CN={member},{}\n", groups())).collect();
        let members = members.concat();
        format!(
            "dn: CN={name},{}\nchangetype: add\nobjectClass: group\nsAMAccountName: {name}\ngroupType: {kind}\n{members}\n",
            groups()
        )
    };
    let (global, local, universal) = ("-2147483646", "-2147483644", "-2147483640");
    dc.tools().modify(
        &[
            add("u1", universal, &[]),
            add("holds-universal", universal, &["u1"]),
            add("l1", local, &[]),
            add("holds-local", local, &["l1"]),
            add("g1", global, &[]),
            add("above", global, &["g1"]),
        ]
        .concat(),
    );
    let mut written = native(&dc);
    written["ca"] = json!("ca.pem");
    let mut policy = policy(
        &written,
        "groups:\n  corp/holds-universal: { scope: global }\n  corp/holds-local: { scope: universal }\n\
         \x20 corp/g1: { scope: universal }\n  corp/l1: { scope: universal }\n",
    );
    policy.directories[0].settings.ca = Some(dc.ca().display().to_string());
    // `l1` is declared, and nothing makes it a member any more: then both may change.
    let planned = plan(&policy, &Memory::default());
    assert_eq!(words(&planned), ["revoke holds-local Group(\"l1\")", "update-group holds-local", "update-group l1"]);
    let withheld: Vec<_> = planned.withheld.iter().map(|held| held.reason.as_str()).collect();
    assert_eq!(
        withheld,
        [
            "`corp/g1` is universal, and `corp/above` cannot hold it: a global group holds only accounts and global \
             groups of its own domain; it is a member there",
            "`corp/u1` is universal, and `corp/holds-universal` cannot hold it: a global group holds only accounts and \
             global groups of its own domain; it is a member there",
        ]
    );
    done(&write(&native(&dc), &planned.changes, None));
    let kind = |name: &str| dc.tools().values(&format!("CN={name},{}", groups()), "groupType").remove(0);
    assert_eq!(["holds-local", "l1", "holds-universal", "g1"].map(kind), [universal, universal, universal, global]);
}
