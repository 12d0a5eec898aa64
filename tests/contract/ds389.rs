//! A real 389 Directory Server as a directory under test, edited with `ldapmodify` and
//! looked at with `ldapsearch`.

use super::{Edit, Harness};
use crate::support::ds389::{Ds389, Options};
use crate::support::slapd::{GROUPS, PEOPLE, READER, SUFFIX, WRITER};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A directory in a server.
pub(crate) struct Ds {
    server: Ds389,
    tls: bool,
}

impl Ds {
    /// `ldaps://` with a private CA, `memberOf`, referential integrity, a change log.
    pub(crate) fn over_tls() -> Self {
        Self { server: Ds389::start(&Options { changelog: true, usn: true, ..Options::default() }), tls: true }
    }

    /// The same, where accord may move entries.
    pub(crate) fn that_moves() -> Self {
        let aci = format!("(version 3.0; acl \"moves\"; allow (moddn) userdn = \"ldap:///{}\";)", WRITER.0);
        Self { server: Ds389::start(&Options { aci: vec![aci], ..Options::default() }), tls: true }
    }

    /// `ldap://` with StartTLS; nothing keeps references whole but accord, nothing
    /// counts changes.
    pub(crate) fn start_tls_without_plugins() -> Self {
        let options = Options { memberof: false, refint: false, ..Options::default() };
        Self { server: Ds389::start(&options), tls: false }
    }
}

impl Harness for Ds {
    fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": "ldap",
            "url": if self.tls { self.server.url() } else { self.server.plain_url() },
            "ca": "ca.pem",
            "bind": { "dn": WRITER.0, "password": { "env": "W" } },
            "plan_bind": { "dn": READER.0, "password": { "env": "R" } },
            "accounts": { "base": PEOPLE, "id_attribute": "employeeNumber",
                "attributes": { "cn": "name", "sn": "family_name", "mail": "email" } },
            "groups": { "base": GROUPS },
        })
    }

    fn password(&self, plan: bool) -> Option<String> {
        Some(if plan { READER.1 } else { WRITER.1 }.to_owned())
    }

    fn prepare(&mut self, root: &Path) {
        fs::copy(self.server.ca(), root.join("ca.pem")).unwrap();
    }

    fn edit(&mut self, _root: &Path, edits: &[Edit]) {
        let mut ldif = String::new();
        for edit in edits {
            let (dn, operation, mut attribute, mut value) = edit.parts("member");
            if matches!(edit, Edit::Lock(_)) {
                (attribute, value) = ("nsAccountLock".to_owned(), "true".to_owned());
            }
            write!(ldif, "dn: {dn}\nchangetype: modify\n{operation}: {attribute}\n{attribute}: {value}\n\n").unwrap();
        }
        self.server.tools().modify(&ldif);
    }

    fn modify(&mut self, ldif: &str) -> bool {
        self.server.tools().modify(ldif);
        true
    }

    fn restart(&mut self) {
        self.server.restart();
    }

    fn keeps_ends(&self) -> bool {
        false
    }

    fn dump(&self, _root: &Path) -> String {
        let text = self.server.tools().search(SUFFIX, "(|(uid=*)(objectClass=groupOfNames))", &["*", "nsAccountLock"]);
        let own = |entry: &str| {
            let dn = entry.lines().find_map(|line| line.strip_prefix("dn: ")).unwrap_or_default();
            entry.lines().any(|line| line == format!("member: {dn}"))
        };
        assert!(!text.split("\n\n").any(own), "no placeholder where groups may be empty: {text}");
        text
    }
}
