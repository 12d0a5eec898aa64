//! A real Samba domain controller as a directory under test, edited and looked at
//! with OpenLDAP's tools.

use super::{Edit, Harness, View, first_value};
use crate::support::samba::{ADMINISTRATOR, BASE, Samba};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A directory in a domain.
pub(crate) struct Domain {
    dc: Samba,
}

impl Domain {
    /// With two empty organisational units.
    pub(crate) fn start() -> Self {
        let dc = Samba::start();
        let unit = |name: &str| format!("dn: OU={name},{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n");
        dc.tools().modify(&(unit("people") + &unit("groups")));
        Self { dc }
    }

    /// Every account and group: DN → attribute → values.
    fn entries(&self) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
        let filter = "(|(objectClass=user)(objectClass=contact)(objectClass=group))";
        let wanted = ["sAMAccountName", "userAccountControl", "member"];
        let text =
            ["people", "groups"].map(|unit| self.dc.tools().search(&format!("OU={unit},{BASE}"), filter, &wanted));
        let mut entries = BTreeMap::new();
        for entry in text.concat().split("\n\n") {
            let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, value) in entry.lines().filter_map(|line| line.split_once(": ")) {
                values.entry(name.to_owned()).or_default().push(value.to_owned());
            }
            if let Some(dn) = values.remove("dn") {
                entries.insert(dn[0].clone(), values);
            }
        }
        entries
    }

    fn dn_of(&self, name: &str) -> Option<String> {
        let named =
            |values: &BTreeMap<String, Vec<String>>| values.get("sAMAccountName").is_some_and(|all| all[0] == name);
        self.entries().into_iter().find(|(_, values)| named(values)).map(|(dn, _)| dn)
    }
}

impl Harness for Domain {
    fn settings(&self) -> serde_json::Value {
        let bind = serde_json::json!({ "dn": ADMINISTRATOR.0, "password": { "env": "W" } });
        serde_json::json!({
            "kind": "active-directory", "url": self.dc.url(), "ca": "ca.pem", "bind": bind, "plan_bind": bind,
            "accounts": { "base": format!("OU=people,{BASE}"),
                "attributes": { "displayName": "name", "sn": "family_name", "mail": "email" } },
            "groups": { "base": format!("OU=groups,{BASE}") },
        })
    }

    fn password(&self, _plan: bool) -> Option<String> {
        Some(ADMINISTRATOR.1.to_owned())
    }

    fn prepare(&mut self, root: &Path) {
        fs::copy(self.dc.ca(), root.join("ca.pem")).unwrap();
    }

    fn edit(&mut self, _root: &Path, edits: &[Edit]) {
        for edit in edits {
            let group = |name: &str| format!("CN={name},OU=groups,{BASE}");
            // What a group can list without an account of the name: here members are
            // kept by identity, so it must be something that is there.
            let contact = |name: &str| format!("CN={name},OU=people,{BASE}");
            let ldif = match *edit {
                Edit::Join(to, name) => {
                    let dn = self.dn_of(name).unwrap_or_else(|| {
                        let add = format!("dn: {}\nchangetype: add\nobjectClass: contact\n\n", contact(name));
                        self.dc.tools().modify(&add);
                        contact(name)
                    });
                    format!("dn: {}\nchangetype: modify\nadd: member\nmember: {dn}\n", group(to))
                }
                Edit::Part(from, name) => match self.dn_of(name) {
                    Some(dn) => format!("dn: {}\nchangetype: modify\ndelete: member\nmember: {dn}\n", group(from)),
                    None => format!("dn: {}\nchangetype: delete\n", contact(name)),
                },
                Edit::Set(name, attribute, value) => {
                    let dn = self.dn_of(name).unwrap();
                    format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")
                }
                Edit::Lock(name) => {
                    let dn = self.dn_of(name).unwrap();
                    format!("dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n")
                }
            };
            self.dc.tools().modify(&ldif);
        }
    }

    fn modify(&mut self, ldif: &str) -> bool {
        self.dc.tools().modify(ldif);
        true
    }

    fn restart(&mut self) {
        self.dc.restart();
    }

    fn dump(&self, _root: &Path) -> String {
        self.dc.tools().search(BASE, "(objectClass=*)", &["*"])
    }

    fn view(&self, _root: &Path) -> View {
        let entries = self.entries();
        let name_of = |dn: &String| match entries.get(dn).and_then(|values| values.get("sAMAccountName")) {
            Some(names) => names[0].clone(),
            None => first_value(dn),
        };
        let mut view = View::default();
        for (dn, values) in &entries {
            if let Some(control) = values.get("userAccountControl") {
                let disabled = control[0].parse::<u32>().unwrap() & 2 != 0;
                let state = if disabled { "disabled" } else { "enabled" };
                view.accounts.insert(name_of(dn), state.to_owned());
            } else if dn.contains(",OU=groups,") {
                let mut members: Vec<String> = values.get("member").into_iter().flatten().map(name_of).collect();
                members.sort();
                view.groups.insert(name_of(dn), members);
            }
        }
        view
    }
}
