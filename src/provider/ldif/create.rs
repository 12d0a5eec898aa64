//! The entries above accounts and groups, for a file that accord makes.
//!
//! Comes in: the bases. Goes out: entries down to them. Refuses: to add any where
//! the settings do not say `create: true` (its caller asks only then).

use super::document::Document;
use crate::provider::dn;

impl Document {
    /// Adds `base` and what is missing above it. Above a run of `dc` parts nothing is
    /// added: `dc=example,dc=com` is the top, as in every LDAP server.
    pub(super) fn make_base(&mut self, base: &str) {
        let mut missing = Vec::new();
        let mut at = Some(base);
        while let Some(dn) = at {
            let Ok(key) = dn::key(dn) else { return };
            if self.entry(&key).is_some() {
                break;
            }
            missing.push((dn.to_owned(), key.into_owned()));
            if dn::rdn_value(dn, "dc").is_some() {
                break;
            }
            at = dn::parent(dn);
        }
        for (dn, key) in missing.into_iter().rev() {
            let attributes = container(&dn);
            self.insert(&dn, key, &attributes);
        }
    }
}

/// Attributes of an entry that holds others (RFC 4519 §3, RFC 4524 §3).
fn container(dn: &str) -> Vec<(String, Vec<String>)> {
    let entry = |classes: &[&str], values: &[(&str, &str)]| {
        let mut out = vec![("objectClass".to_owned(), classes.iter().map(ToString::to_string).collect())];
        out.extend(values.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])));
        out
    };
    let value = |attribute: &str| dn::rdn_value(dn, attribute);
    if let Some(name) = value("dc") {
        entry(&["dcObject", "organization"], &[("dc", &name), ("o", &name)])
    } else if let Some(name) = value("ou") {
        entry(&["organizationalUnit"], &[("ou", &name)])
    } else if let Some(name) = value("o") {
        entry(&["organization"], &[("o", &name)])
    } else if let Some(name) = value("c") {
        entry(&["country"], &[("c", &name)])
    } else {
        let rdn = dn::parse(dn).ok().and_then(|rdns| rdns.into_iter().next()).unwrap_or_default();
        let mut out = entry(&["extensibleObject"], &[]);
        for ava in rdn {
            if let Ok(value) = String::from_utf8(ava.value) {
                out.push((ava.attribute, vec![value]));
            }
        }
        out
    }
}
