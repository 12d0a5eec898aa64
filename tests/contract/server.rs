//! A real slapd as a directory under test, edited with `ldapmodify` and looked at
//! with `ldapsearch`.

use super::{Edit, Harness};
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, SUFFIX, Slapd, WRITER};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// How the connection is protected.
enum Transport {
    Ldaps,
    StartTls,
    Clear,
}

/// A directory in a server.
pub(crate) struct Server {
    slapd: Slapd,
    transport: Transport,
}

impl Server {
    /// `ldaps://` with a private CA, with every overlay.
    pub(crate) fn over_tls() -> Self {
        Self { slapd: Slapd::start(&Options::default()), transport: Transport::Ldaps }
    }

    /// `ldap://` with StartTLS; nothing keeps references whole but accord.
    pub(crate) fn start_tls_without_refint() -> Self {
        let options = Options { refint: false, memberof: false, ..Options::default() };
        Self { slapd: Slapd::start(&options), transport: Transport::StartTls }
    }

    /// `ldap://` on loopback with `tls: none`.
    pub(crate) fn in_the_clear() -> Self {
        Self { slapd: Slapd::start(&Options::default()), transport: Transport::Clear }
    }
}

impl Harness for Server {
    fn settings(&self) -> serde_json::Value {
        let mut settings = serde_json::json!({
            "kind": "ldap",
            "bind": { "dn": WRITER.0, "password": { "env": "W" } },
            "plan_bind": { "dn": READER.0, "password": { "env": "R" } },
            "accounts": { "base": PEOPLE, "id_attribute": "employeeNumber",
                "attributes": { "cn": "name", "sn": "family_name", "mail": "email" } },
            "groups": { "base": GROUPS },
        });
        match self.transport {
            Transport::Ldaps => {
                settings["url"] = self.slapd.url().into();
                settings["ca"] = "ca.pem".into();
            }
            Transport::StartTls => {
                settings["url"] = self.slapd.plain_url().into();
                settings["ca"] = "ca.pem".into();
            }
            Transport::Clear => {
                settings["url"] = self.slapd.plain_url().into();
                settings["tls"] = "none".into();
            }
        }
        settings
    }

    fn password(&self, plan: bool) -> Option<String> {
        Some(if plan { READER.1 } else { WRITER.1 }.to_owned())
    }

    fn prepare(&mut self, root: &Path) {
        fs::copy(self.slapd.ca(), root.join("ca.pem")).unwrap();
    }

    fn edit(&mut self, _root: &Path, edits: &[Edit]) {
        let mut ldif = String::new();
        for edit in edits {
            let (dn, operation, attribute, value) = edit.parts("member");
            write!(ldif, "dn: {dn}\nchangetype: modify\n{operation}: {attribute}\n{attribute}: {value}\n\n").unwrap();
        }
        self.slapd.ldapmodify(&ldif);
    }

    fn modify(&mut self, ldif: &str) -> bool {
        self.slapd.ldapmodify(ldif);
        true
    }

    fn restart(&mut self) {
        self.slapd.restart();
    }

    fn dump(&self, _root: &Path) -> String {
        self.slapd.ldapsearch(
            SUFFIX,
            "(|(uid=*)(objectClass=groupOfNames))",
            &["*", "pwdAccountLockedTime", "pwdEndTime"],
        )
    }
}
