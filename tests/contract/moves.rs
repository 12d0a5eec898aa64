//! Accounts of two bases, chosen by rule: made where they belong, moved when the rule says
//! something else, brought back when somebody moved them.

use super::ds389::Ds;
use super::steps::Step;
use super::{Edit, Harness, View, domain, file, first_value, server, story};
use std::collections::BTreeMap;
use std::path::Path;

/// A directory with two bases of accounts. In the view `@people` and `@service` list the
/// accounts that stand there.
struct Moving<'h>(&'h mut dyn Harness);

fn people(harness: &dyn Harness) -> String {
    harness.settings()["accounts"]["base"].as_str().unwrap().to_owned()
}

fn service(harness: &dyn Harness) -> String {
    people(harness).replace("ou=people", "ou=service").replace("OU=people", "OU=service")
}

impl Harness for Moving<'_> {
    fn settings(&self) -> serde_json::Value {
        let mut settings = self.0.settings();
        let rule = "person.kind == \"service\" || person.site == \"lab\"";
        let accounts = settings["accounts"].as_object_mut().unwrap();
        accounts.remove("base");
        let bases = [
            serde_json::json!({ "where": rule, "base": service(self.0) }),
            serde_json::json!({ "base": people(self.0) }),
        ];
        accounts.insert("bases".to_owned(), bases.to_vec().into());
        settings
    }

    fn password(&self, plan: bool) -> Option<String> {
        self.0.password(plan)
    }

    fn prepare(&mut self, root: &Path) {
        self.0.prepare(root);
        let unit = service(self.0);
        self.0.modify(&format!("dn: {unit}\nchangetype: add\nobjectClass: organizationalUnit\n\n"));
    }

    fn edit(&mut self, root: &Path, edits: &[Edit]) {
        self.0.edit(root, edits);
    }

    fn restart(&mut self) {
        self.0.restart();
    }

    fn keeps_ends(&self) -> bool {
        self.0.keeps_ends()
    }

    fn dump(&self, root: &Path) -> String {
        self.0.dump(root)
    }

    fn view(&self, root: &Path) -> View {
        let dump = self.dump(root);
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut view = View::default();
        for place in ["@people", "@service"] {
            view.groups.insert(place.to_owned(), Vec::new());
        }
        let entries: Vec<Vec<(&str, &str)>> =
            dump.split("\n\n").map(|entry| entry.lines().filter_map(|line| line.split_once(": ")).collect()).collect();
        let one = |entry: &[(&str, &str)], wanted: &str| {
            entry.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| (*value).to_owned())
        };
        for entry in &entries {
            let (Some(dn), Some(name)) = (one(entry, "dn"), one(entry, "uid").or_else(|| one(entry, "sAMAccountName")))
            else {
                continue;
            };
            let place = match dn.to_lowercase() {
                dn if dn.contains(",ou=people,") => "@people",
                dn if dn.contains(",ou=service,") => "@service",
                _ => continue,
            };
            names.insert(dn.to_lowercase(), name.clone());
            view.groups.get_mut(place).unwrap().push(name.clone());
            view.accounts.insert(name, "enabled".to_owned());
        }
        for entry in &entries {
            let Some(dn) = one(entry, "dn").filter(|dn| dn.to_lowercase().contains(",ou=groups,")) else { continue };
            let all = entry.iter().filter(|(name, value)| name.eq_ignore_ascii_case("member") && *value != dn);
            let mut members: Vec<String> = all
                .map(|(_, member)| names.get(&member.to_lowercase()).cloned().unwrap_or_else(|| format!("{member}?")))
                .collect();
            members.sort();
            view.groups.insert(first_value(&dn), members);
        }
        view.groups.values_mut().for_each(|members| members.sort());
        view
    }
}

const ACCESS: &str = "roles:\n  engineer:\n    grants: [corp/vpn]\n    members: [wei.chen, li.na, backup, omar.haddad]\ngroups:\n  corp/vpn: {}\n";

fn person(key: &str, id: &str, lines: &str) -> String {
    let family = key.split('.').next_back().unwrap();
    format!("  {key}: {{ id: \"{id}\", name: {key} x, family_name: {family}, email: {key}@example.com, {lines} }}\n")
}

fn written(li: &str, omar: &str) -> String {
    let service = person("backup", "9", "kind: service, owner: wei.chen, attributes: { site: office }");
    let wei = person("wei.chen", "1", "kind: employee, attributes: { site: office }");
    format!("people:\n{service}{wei}{}{}", person("li.na", "3", li), person("omar.haddad", "5", omar))
}

const OFFICE: &str = "kind: employee, attributes: { site: office }";
const LAB: &str = "kind: employee, attributes: { site: lab }";
const RENAMED: &str = "kind: employee, accounts: { corp: na.li }, attributes: { site: office }";
const NOBODY_KNOWS: &str = "kind: employee, accounts: { corp: na.li }";
const NEW: &str = "kind: employee, starts: 2026-03-10";
const NEW_PLACED: &str = "kind: employee, starts: 2026-03-10, attributes: { site: lab }";

#[expect(clippy::too_many_lines, reason = "a story is told in one piece")]
fn steps() -> Vec<Step> {
    let first = Step {
        name: "everybody is made where the rules say",
        at: "2026-03-02T09:00:00Z",
        people: written(OFFICE, NEW_PLACED),
        access: ACCESS.to_owned(),
        edits: &[],
        changes: &[
            "create-account backup",
            "create-account li.na",
            "create-account wei.chen",
            "create-group vpn",
            "grant vpn backup",
            "grant vpn li.na",
            "grant vpn wei.chen",
        ],
        withheld: &[],
        groups: &[
            ("@people", &["li.na", "wei.chen"]),
            ("@service", &["backup"]),
            ("vpn", &["backup", "li.na", "wei.chen"]),
        ],
        accounts: &["backup", "li.na", "wei.chen"],
        restart: false,
    };
    let moved = Step {
        name: "somebody goes to the lab",
        at: "2026-03-03T09:00:00Z",
        people: written(LAB, NEW_PLACED),
        access: first.access.clone(),
        changes: &["rename-account li.na"],
        groups: &[
            ("@people", &["wei.chen"]),
            ("@service", &["backup", "li.na"]),
            ("vpn", &["backup", "li.na", "wei.chen"]),
        ],
        restart: true,
        ..first
    };
    let both = Step {
        name: "and comes back under another name, in one step",
        at: "2026-03-04T09:00:00Z",
        people: written(RENAMED, NEW_PLACED),
        access: first.access.clone(),
        changes: &["rename-account li.na"],
        groups: &[
            ("@people", &["na.li", "wei.chen"]),
            ("@service", &["backup"]),
            ("vpn", &["backup", "na.li", "wei.chen"]),
        ],
        accounts: &["backup", "na.li", "wei.chen"],
        restart: false,
        ..moved
    };
    let unknown = Step {
        name: "whom no rule can place is not made, and stays where an account is",
        at: "2026-03-10T09:00:00Z",
        people: written(NOBODY_KNOWS, NEW),
        access: first.access.clone(),
        changes: &[],
        withheld: &["create-account omar.haddad", "grant vpn omar.haddad"],
        ..both
    };
    let placed = Step {
        name: "what is written then places the new one",
        at: "2026-03-11T09:00:00Z",
        people: written(RENAMED, NEW_PLACED),
        access: first.access.clone(),
        changes: &["create-account omar.haddad", "grant vpn omar.haddad"],
        withheld: &[],
        groups: &[
            ("@people", &["na.li", "wei.chen"]),
            ("@service", &["backup", "omar.haddad"]),
            ("vpn", &["backup", "na.li", "omar.haddad", "wei.chen"]),
        ],
        accounts: &["backup", "na.li", "omar.haddad", "wei.chen"],
        ..unknown
    };
    vec![first, moved, both, unknown, placed]
}

/// Tells the story; `by_hand` says whether the server keeps references in order when
/// somebody moves an entry by hand.
fn tell(harness: &mut dyn Harness, by_hand: bool) {
    let root = tempfile::tempdir().unwrap();
    let mut moving = Moving(harness);
    moving.prepare(root.path());
    let steps = steps();
    for step in &steps {
        story::run(&mut moving, root.path(), step);
    }
    if !by_hand {
        return;
    }
    let last = steps.last().unwrap();
    let dump = moving.dump(root.path());
    let dn = dump
        .split("\n\n")
        .find(|entry| entry.contains("uid: wei.chen") || entry.contains("sAMAccountName: wei.chen"))
        .and_then(|entry| entry.lines().find_map(|line| line.strip_prefix("dn: ")))
        .unwrap();
    let (rdn, to) = (dn.split(',').next().unwrap(), service(moving.0));
    moving.0.modify(&format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: {to}\n"));
    let back = Step {
        name: "an account that somebody moved comes back",
        at: "2026-03-12T09:00:00Z",
        people: last.people.clone(),
        access: last.access.clone(),
        changes: &["rename-account wei.chen"],
        restart: false,
        ..*last
    };
    story::run(&mut moving, root.path(), &back);
}

#[test]
fn moves_in_a_file() {
    tell(&mut file::File::new("groupOfNames"), false);
}

/// As if a run had been killed between a move and what follows it.
#[test]
fn what_a_move_left_behind_in_a_group_is_taken_out() {
    let root = tempfile::tempdir().unwrap();
    let mut file = file::File::new("groupOfNames");
    let mut moving = Moving(&mut file);
    let steps = steps();
    for step in steps.iter().take(2) {
        story::run(&mut moving, root.path(), step);
    }
    let path = root.path().join("corp.ldif");
    let text = std::fs::read_to_string(&path).unwrap();
    let old = text.replace("member: uid=li.na,ou=service,", "member: uid=li.na,ou=people,");
    assert_ne!(old, text);
    std::fs::write(path, old).unwrap();
    let mended = Step {
        name: "the member is told by the account that was there",
        at: "2026-03-03T10:00:00Z",
        people: steps[1].people.clone(),
        access: steps[1].access.clone(),
        changes: &["grant vpn li.na", "revoke vpn Other(\"uid=li.na,ou=people,dc=example,dc=com\")"],
        ..steps[1]
    };
    story::run(&mut moving, root.path(), &mended);
}

#[test]
fn moves_in_openldap() {
    tell(&mut server::Server::over_tls(), true);
}

#[test]
fn moves_in_openldap_where_nothing_mends_references() {
    tell(&mut server::Server::start_tls_without_refint(), false);
}

#[test]
fn moves_in_ds389() {
    tell(&mut Ds::that_moves(), true);
}

#[test]
fn moves_in_active_directory() {
    tell(&mut domain::Domain::start(), true);
}
