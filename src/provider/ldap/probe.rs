//! What this very server offers: root DSE (RFC 4512 §5.1), schema, change counter.
//!
//! Comes in: a session. Goes out: a [`Server`]. Refuses: to take a setting's word
//! for what only the server knows.
//!
//! OpenLDAP shows the attributes of its password policy in the schema as soon as the
//! module is loaded; whether the overlay guards this very database is not visible
//! from outside.

use super::active::Controller;
use super::connect::Session;
use super::{rights, search};
use crate::provider::{ProviderError, dn};
use futures_util::future::join;
use std::collections::{BTreeMap, BTreeSet};

/// Assertion control (RFC 4528).
const ASSERTION: &str = "1.3.6.1.1.12";
/// Content synchronisation (RFC 4533): only a server that offers it keeps its
/// `contextCSN`; one that was merely loaded from a dump may carry a dead value.
const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";

/// Where OpenLDAP keeps its schema.
const SUBSCHEMA: &str = "cn=Subschema";

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Server {
    /// Suffixes that it holds.
    pub(super) contexts: Vec<String>,
    /// OIDs of controls.
    pub(super) controls: BTreeSet<String>,
    /// Whether `pwdAccountLockedTime` exists (draft-behera-ldap-password-policy §5.3.3).
    pub(super) locks: bool,
    /// Whether `pwdEndTime` exists (the same draft, §5.3.10).
    pub(super) ends: bool,
    /// Whether this is a 389 Directory Server that keeps `nsAccountLock`: `vendorName`
    /// (RFC 3045) and schema say so. Others may have the attribute and do nothing with it.
    pub(super) account_lock: bool,
    /// Base of the log of all changes, where it keeps one (the retro change log of 389
    /// Directory Server).
    pub(super) changelog: Option<String>,
    /// What it says of itself as a domain controller, where it is asked as one.
    pub(super) controller: Option<Controller>,
    /// Object class → its superiors and the attributes that it requires, lower case.
    pub(super) classes: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// Attributes without an equality rule, their own or a superior's; lower case.
    pub(super) incomparable: BTreeSet<String>,
}

impl Server {
    /// Whether values of an attribute can be asserted and removed singly; what the
    /// server's schema does not show can, until a result code says otherwise.
    pub(super) fn compares(&self, attribute: &str) -> bool {
        let bare = attribute.split(';').next().unwrap_or(attribute);
        !self.incomparable.contains(&bare.to_ascii_lowercase())
    }

    /// Whether a write can assert a filter (RFC 4528).
    pub(super) fn asserts(&self) -> bool {
        self.controls.contains(ASSERTION)
    }

    /// Whether it answers what accord may do (Get Effective Rights).
    pub(super) fn tells_rights(&self) -> bool {
        self.controls.contains(rights::EFFECTIVE_RIGHTS)
    }

    /// Whether `contextCSN` follows every change.
    pub(super) fn counts(&self) -> bool {
        self.controls.contains(SYNC)
    }

    /// Whether `class` exists here without requiring `attribute`, as in 389 Directory
    /// Server, where a groupOfNames may be empty (RFC 4519 §3.5 forbids that).
    pub(super) fn leaves_free(&self, class: &str, attribute: &str) -> bool {
        self.classes.contains_key(&class.to_ascii_lowercase())
            && !self.required([class]).iter().any(|name| name.eq_ignore_ascii_case(attribute))
    }

    /// The attributes that entries of `classes` must carry, lower case; nothing for
    /// a class that the server does not show.
    pub(super) fn required<'c>(&self, classes: impl IntoIterator<Item = &'c str>) -> Vec<String> {
        let mut open: Vec<String> = classes.into_iter().map(str::to_ascii_lowercase).collect();
        let (mut seen, mut out) = (BTreeSet::new(), BTreeSet::new());
        while let Some(class) = open.pop() {
            let Some((superiors, required)) = self.classes.get(&class) else { continue };
            if seen.insert(class) {
                open.extend(superiors.iter().cloned());
                out.extend(required.iter().filter(|name| *name != "objectclass").cloned());
            }
        }
        out.into_iter().collect()
    }

    /// The suffix that holds the entry `dn`.
    pub(super) fn suffix(&self, dn: &str) -> Option<&str> {
        let key = dn::key(dn).ok()?;
        let holds = |context: &&String| {
            dn::key(context)
                .is_ok_and(|context| !context.is_empty() && (key == context || dn::is_below(&key, &context)))
        };
        self.contexts.iter().filter(holds).max_by_key(|context| context.len()).map(String::as_str)
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Asks the server. A server that hides its root DSE or schema offers nothing.
///
/// # Errors
/// When no answer comes.
pub(super) async fn probe(session: &Session) -> Result<Server, ProviderError> {
    let wanted = names(&["namingContexts", "supportedControl", "subschemaSubentry", "vendorName", "changelog"]);
    let root = search::base(session, "", "(objectClass=*)", &wanted, |entry| {
        let all = |name| entry.values(name).filter_map(|v| std::str::from_utf8(v).ok()).map(str::to_owned);
        let server = Server {
            contexts: all("namingContexts").collect(),
            controls: all("supportedControl").collect(),
            account_lock: all("vendorName").any(|name| name.contains("389")),
            ..Server::default()
        };
        let changelog = all("changelog").next().filter(|_| server.account_lock);
        let server = Server { changelog, ..server };
        (server, entry.text("subschemaSubentry").map(str::to_owned))
    });
    // Asked for beside the root DSE, which says where the schema is: mostly there.
    let (root, guessed) = join(root, shown(session, SUBSCHEMA)).await;
    let Some((mut server, schema)) = root? else { return Ok(Server::default()) };
    let Some(schema) = schema else { return Ok(server) };
    let shown = if dn::same(&schema, SUBSCHEMA) { guessed } else { shown(session, &schema).await };
    if let Some(shown) = shown? {
        (server.locks, server.ends, server.classes) = (shown.locks, shown.ends, shown.classes);
        server.incomparable = incomparable(&shown.types);
        server.account_lock &= shown.account_lock;
    } else {
        server.account_lock = false;
    }
    Ok(server)
}

/// What a schema shows of interest.
#[derive(Default)]
struct Shown {
    locks: bool,
    ends: bool,
    account_lock: bool,
    classes: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// Names, superiors and whether there is an equality rule, of each attribute type.
    types: Vec<(Vec<String>, Vec<String>, bool)>,
}

async fn shown(session: &Session, schema: &str) -> Result<Option<Shown>, ProviderError> {
    let wanted = names(&["attributeTypes", "objectClasses"]);
    search::base(session, schema, "(objectClass=subschema)", &wanted, |entry| {
        let mut shown = Shown::default();
        for value in entry.values("attributeTypes").filter_map(|v| std::str::from_utf8(v).ok()) {
            shown.locks |= value.contains("'pwdAccountLockedTime'");
            shown.ends |= value.contains("'pwdEndTime'");
            shown.account_lock |= value.contains("'nsAccountLock'");
            shown.types.push((listed(value, " NAME "), listed(value, " SUP "), value.contains(" EQUALITY ")));
        }
        for value in entry.values("objectClasses").filter_map(|v| std::str::from_utf8(v).ok()) {
            let superiors = listed(value, " SUP ");
            let required = listed(value, " MUST ");
            for name in listed(value, " NAME ") {
                shown.classes.insert(name, (superiors.clone(), required.clone()));
            }
        }
        shown
    })
    .await
}

/// The names of types without an equality rule, of their own or inherited (RFC 4512
/// §2.5.1). A superior that is not shown counts as having one; a server that shows no
/// rule even for `objectClass`, as domain controllers do, shows none at all.
fn incomparable(types: &[(Vec<String>, Vec<String>, bool)]) -> BTreeSet<String> {
    let is_shown = |(names, _, equality): &(Vec<String>, Vec<String>, bool)| {
        *equality && names.iter().any(|name| name == "objectclass")
    };
    if !types.iter().any(is_shown) {
        return BTreeSet::new();
    }
    let mut without: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = without.len();
        for (names, superiors, equality) in types {
            if !equality && superiors.iter().all(|name| without.contains(name)) {
                without.extend(names.iter().cloned());
            }
        }
        if without.len() == before {
            return without;
        }
    }
}

/// The names after `keyword` in a schema definition (RFC 4512 §4.1.1): one, or a
/// list in parentheses, lower case.
fn listed(definition: &str, keyword: &str) -> Vec<String> {
    // A description may contain anything, keywords too.
    let bare = without_description(definition);
    let Some((_, rest)) = bare.split_once(keyword) else { return Vec::new() };
    let rest = rest.trim_start();
    let list = match rest.strip_prefix('(') {
        Some(list) => list.split(')').next().unwrap_or_default(),
        None => rest.split(' ').next().unwrap_or_default(),
    };
    let names = list.split([' ', '$', '\'']).filter(|name| !name.is_empty());
    names.map(str::to_ascii_lowercase).collect()
}

fn without_description(definition: &str) -> String {
    let Some((before, rest)) = definition.split_once(" DESC '") else { return definition.to_owned() };
    let after = rest.split_once('\'').map_or("", |(_, after)| after);
    format!("{before} {after}")
}

/// The change counter of a suffix (`contextCSN`, RFC 4533 implementations): one
/// value per server that writes, sorted. `None` where the server keeps or shows none.
///
/// # Errors
/// When no answer comes.
pub(super) async fn counter(session: &Session, suffix: &str) -> Result<Option<Vec<String>>, ProviderError> {
    let found = search::base(session, suffix, "(objectClass=*)", &names(&["contextCSN"]), |entry| {
        let mut values: Vec<String> =
            entry.values("contextCSN").map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        values.sort();
        values
    })
    .await;
    match found {
        Ok(values) => Ok(values.filter(|v| !v.is_empty())),
        // A server that refuses to show its counter keeps its secret; a second read proves the same.
        Err(error) if error.message.starts_with("insufficientAccess") => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_suffix_that_holds_an_entry_counts() {
        let contexts = ["dc=com", "DC=example, dc=com", "cn=accesslog"].map(str::to_owned).to_vec();
        let server = Server { contexts, ..Server::default() };
        assert_eq!(server.suffix("ou=people,dc=example,dc=com"), Some("DC=example, dc=com"));
        assert_eq!(server.suffix("dc=example,dc=com"), Some("DC=example, dc=com"));
        assert_eq!(server.suffix("dc=other,dc=com"), Some("dc=com"));
        assert_eq!(server.suffix("dc=org"), None);
    }

    #[test]
    fn an_equality_rule_may_be_inherited() {
        let of = |names: &[&str], sup: &[&str], equality| {
            let own = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            (own(names), own(sup), equality)
        };
        let types = [
            of(&["cn"], &["name"], false),
            of(&["name"], &[], true),
            of(&["faxtoo"], &["fax"], false),
            of(&["facsimiletelephonenumber", "fax"], &[], false),
            of(&["odd"], &["hidden"], false),
            of(&["objectclass"], &[], true),
        ];
        let found: Vec<String> = incomparable(&types).into_iter().collect();
        assert_eq!(found, ["facsimiletelephonenumber", "fax", "faxtoo"]);
        assert_eq!(incomparable(&types[..5]), BTreeSet::new(), "a domain shows no rules");
    }

    #[test]
    fn what_a_class_requires_includes_its_superiors() {
        let group = "( 2.5.6.9 NAME 'groupOfNames' DESC 'RFC2256: a MUST ( x )' SUP top STRUCTURAL MUST ( member $ cn ) MAY ( o ) )";
        assert_eq!(listed(group, " MUST "), ["member", "cn"]);
        assert_eq!(listed(group, " SUP "), ["top"]);
        assert_eq!(listed("( 1.2 NAME ( 'a' 'B' ) SUP top )", " NAME "), ["a", "b"]);
        let mut server = Server::default();
        for (name, sup, must) in
            [("person", "top", &["sn", "cn"][..]), ("inetorgperson", "person", &[]), ("top", "", &["objectclass"])]
        {
            let must = must.iter().map(|m| (*m).to_owned()).collect();
            server.classes.insert(name.to_owned(), (vec![sup.to_owned()], must));
        }
        assert_eq!(server.required(["inetOrgPerson"]), ["cn", "sn"]);
    }
}
