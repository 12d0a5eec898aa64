//! What a domain keeps for itself ([MS-ADTS] §3.1.1.6.1, [MS-DTYP] §2.4.2.4): its own
//! accounts and groups, those that can take it over, and the primary group.
//!
//! Comes in: attributes of an entry. Goes out: why it is not touched. Refuses: to judge
//! by a name, which can be changed.

use super::identifier;

/// Attributes that are asked of accounts; groups come with all of theirs.
pub const ASKED: [&str; 4] = ["adminCount", "isCriticalSystemObject", "objectSid", "primaryGroupID"];

/// What an entry says about its own protection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Authority and numbers of its SID.
    sid: Option<(u64, Vec<u32>)>,
    admin: bool,
    critical: bool,
    /// The relative identifier of its primary group.
    pub primary: Option<u32>,
}

impl Facts {
    /// Takes one value of one attribute.
    pub fn take(&mut self, attribute: &str, value: &[u8]) {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name);
        let text = || std::str::from_utf8(value).unwrap_or_default();
        if is("objectSid") {
            self.sid = identifier::sid(value);
        } else if is("adminCount") {
            self.admin = text().parse::<i64>().is_ok_and(|count| count > 0);
        } else if is("isCriticalSystemObject") {
            self.critical = text().eq_ignore_ascii_case("TRUE");
        } else if is("primaryGroupID") {
            self.primary = text().parse().ok();
        }
    }

    /// Its relative identifier in its domain.
    pub fn rid(&self) -> Option<u32> {
        match self.sid.as_ref().map(|(authority, numbers)| (authority, numbers.as_slice())) {
            Some((5, [21, _, _, _, rid])) => Some(*rid),
            _ => None,
        }
    }

    /// Why the domain itself protects the object.
    pub fn why(&self) -> Option<String> {
        // [MS-SAMR] §3.1.1.8.3: below 1000 are those that every domain has.
        if let Some(rid) = self.rid().filter(|rid| *rid < 1000) {
            return Some(format!("every domain has it (RID {rid})"));
        }
        if matches!(&self.sid, Some((5, numbers)) if numbers.first() == Some(&32)) {
            return Some("it is built into Windows".to_owned());
        }
        if self.critical {
            return Some("`isCriticalSystemObject` is TRUE".to_owned());
        }
        self.admin.then(|| "`adminCount` is 1: it has, or once had, rights over the domain".to_owned())
    }
}

/// What a member is that is no account and no group of the policy, by its classes:
/// what accord leaves alone in any case.
pub fn stranger(classes: &[&str]) -> Option<&'static str> {
    let has = |name: &str| classes.iter().any(|class| class.eq_ignore_ascii_case(name));
    if has("foreignSecurityPrincipal") {
        Some("of another domain")
    } else if has("msDS-GroupManagedServiceAccount") || has("msDS-ManagedServiceAccount") {
        Some("a managed service account")
    } else if has("computer") {
        Some("a computer")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(values: &[(&str, &[u8])]) -> Facts {
        let mut facts = Facts::default();
        for (attribute, value) in values {
            facts.take(attribute, value);
        }
        facts
    }

    fn sid(numbers: &[u32]) -> Vec<u8> {
        let mut bytes = vec![1, u8::try_from(numbers.len()).unwrap(), 0, 0, 0, 0, 0, 5];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    #[test]
    fn what_every_domain_has_is_known_by_its_identifier() {
        for rid in [500, 501, 502, 512, 513, 518, 519] {
            let facts = facts(&[("objectSid", &sid(&[21, 1, 2, 3, rid]))]);
            assert_eq!(facts.why().unwrap(), format!("every domain has it (RID {rid})"));
        }
        assert!(facts(&[("objectSid", &sid(&[32, 544]))]).why().unwrap().contains("built into Windows"));
        let ours = facts(&[("objectSid", &sid(&[21, 1, 2, 3, 1104])), ("primaryGroupID", b"513")]);
        assert_eq!((ours.why(), ours.rid(), ours.primary), (None, Some(1104), Some(513)));
    }

    #[test]
    fn what_has_rights_over_the_domain_is_known_by_its_marks() {
        assert!(facts(&[("adminCount", b"1")]).why().unwrap().contains("adminCount"));
        assert_eq!(facts(&[("adminCount", b"0")]).why(), None);
        assert!(facts(&[("ISCRITICALSYSTEMOBJECT", b"TRUE")]).why().is_some());
        assert_eq!(facts(&[("isCriticalSystemObject", b"FALSE"), ("objectSid", b"x")]).why(), None);
    }

    #[test]
    fn a_stranger_is_known_by_its_class() {
        assert_eq!(stranger(&["top", "person", "user", "computer"]), Some("a computer"));
        assert_eq!(stranger(&["top", "foreignSecurityPrincipal"]), Some("of another domain"));
        assert_eq!(stranger(&["top", "user"]), None);
    }
}
