//! The LDIF file as a directory under test, edited as a person with an editor would.

use super::{Edit, Harness};
use crate::support::slapd::{GROUPS, PEOPLE};
use std::fs;
use std::path::Path;

const FILE: &str = "corp.ldif";

/// A directory in a file.
pub(crate) struct File {
    class: &'static str,
}

impl File {
    /// With groups of that object class.
    pub(crate) fn new(class: &'static str) -> Self {
        Self { class }
    }

    fn member(&self) -> &'static str {
        match self.class {
            "groupOfNames" => "member",
            "groupOfUniqueNames" => "uniqueMember",
            _ => "memberUid",
        }
    }
}

impl Harness for File {
    fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": "ldif", "file": FILE, "create": true,
            "accounts": { "base": PEOPLE, "id_attribute": "employeeNumber",
                "attributes": { "cn": "name", "sn": "family_name", "mail": "email" } },
            "groups": { "base": GROUPS, "object_class": self.class },
        })
    }

    fn password(&self, _plan: bool) -> Option<String> {
        None
    }

    fn prepare(&mut self, _root: &Path) {}

    fn edit(&mut self, root: &Path, edits: &[Edit]) {
        let path = root.join(FILE);
        let mut text = fs::read_to_string(&path).unwrap();
        for edit in edits {
            let (dn, operation, attribute, value) = edit.parts(self.member());
            let start = text.find(&format!("dn: {dn}\n")).unwrap_or_else(|| panic!("{dn} is not in\n{text}"));
            let end = text[start..].find("\n\n").map_or(text.len(), |n| start + n + 1);
            let mut lines: Vec<String> = text[start..end].lines().map(str::to_owned).collect();
            match operation {
                "add" => lines.push(format!("{attribute}: {value}")),
                "delete" => lines.retain(|line| *line != format!("{attribute}: {value}")),
                _ => {
                    lines.retain(|line| !line.starts_with(&format!("{attribute}: ")));
                    lines.push(format!("{attribute}: {value}"));
                }
            }
            text.replace_range(start..end, &(lines.join("\n") + "\n"));
        }
        fs::write(path, text).unwrap();
    }

    fn restart(&mut self) {}

    fn dump(&self, root: &Path) -> String {
        fs::read_to_string(root.join(FILE)).unwrap_or_default()
    }
}
