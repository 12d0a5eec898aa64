//! What must hold of an entry for a write to happen.
//!
//! Comes in: a DN, assertions, the write. Goes out: its result. Refuses: to write
//! over what somebody changed meanwhile, and to take an assertion that the server
//! cannot evaluate for one that does not hold.
//!
//! Where the server can, the write carries a filter (RFC 4528, critical); elsewhere
//! the filter is asked just before. A filter about an attribute without an equality
//! rule, or one that may not be searched, is never true: then the entry is read and
//! compared here, and the write asserts that its `entryCSN` is still the same.

use super::Open;
use super::search::{self, Entry};
use crate::model::Matching;
use crate::provider::active_directory::ALL_BITS;
use crate::provider::entries::{Assert, END, Mod, Schema, time};
use crate::provider::{Answer, ProviderError, dn};
use ldap3::controls::{Assertion, MakeCritical, RawControl};
use ldap3::{Ldap, LdapError, LdapResult};
use std::collections::BTreeSet;

/// The result of a write whose assertion does not hold (RFC 4528 §4).
pub(super) const ASSERTION_FAILED: u32 = 122;

/// Changes with every change of an entry; all of OpenLDAP's kin keep it.
const CHANGE_NUMBER: &str = "entryCSN";

/// A handle for one write, with what makes the server check.
struct Guarded {
    ldap: Ldap,
    /// Whether "does not hold" may mean that the server could not tell.
    doubtful: bool,
}

/// Sends `write` so that it happens only if `asserts` hold. `Err` says why it was
/// not sent.
pub(super) async fn under(
    open: &Open,
    dn: &str,
    asserts: &[Assert],
    write: impl AsyncFn(Ldap) -> Result<LdapResult, LdapError>,
) -> Result<Result<LdapResult, LdapError>, Answer> {
    let Guarded { ldap, doubtful } = guarded(open, dn, asserts).await?;
    match write(ldap).await {
        Ok(result) if result.rc == ASSERTION_FAILED && doubtful => Ok(write(by_read(open, dn, asserts).await?).await),
        other => Ok(other),
    }
}

/// Modifications that the server can carry out: values of an attribute without an
/// equality rule cannot be removed singly (RFC 4511 §4.6), so all are replaced; that
/// they were as expected is asserted.
pub(super) fn whole(open: &Open, asserts: &[Assert], mods: &[Mod]) -> Vec<Mod> {
    let mut out: Vec<Mod> = Vec::with_capacity(mods.len());
    for change in mods {
        let (Mod::Add(name, _) | Mod::Delete(name, _) | Mod::Replace(name, _)) = change else {
            out.push(change.clone());
            continue;
        };
        if open.server.compares(name) {
            out.push(change.clone());
            continue;
        }
        let at = out.iter().position(|other| matches!(other, Mod::Replace(replaced, _) if replaced == name));
        let mut values = match at.map(|at| out.remove(at)) {
            Some(Mod::Replace(_, values)) => values,
            _ => expected(asserts, name),
        };
        match change {
            Mod::Add(_, new) => values.extend(new.iter().cloned()),
            Mod::Delete(_, old) if old.is_empty() => values.clear(),
            Mod::Delete(_, old) => values.retain(|value| !old.contains(value)),
            Mod::Replace(_, new) => values.clone_from(new),
            Mod::Number(..) => {}
        }
        out.push(Mod::Replace(name.clone(), values));
    }
    out
}

/// The values that an attribute is asserted to have.
fn expected(asserts: &[Assert], attribute: &str) -> Vec<String> {
    let of = |assert: &Assert| match assert {
        Assert::Exactly(name, values) if name == attribute => Some(values.clone()),
        _ => None,
    };
    asserts.iter().find_map(of).unwrap_or_default()
}

async fn guarded(open: &Open, dn: &str, asserts: &[Assert]) -> Result<Guarded, Answer> {
    let mut ldap = open.session.operation();
    let Some(filter) = filter(asserts) else { return Ok(Guarded { ldap, doubtful: false }) };
    if ldap3::parse_filter(&filter).is_err() {
        return Err(Answer::Refused { why: format!("an attribute of `{dn}` has a name that no filter can carry") });
    }
    if asserts.iter().all(|assert| open.server.compares(name_of(assert))) {
        if open.server.asserts() {
            ldap.with_controls(RawControl::from(Assertion { filter }.critical()));
            return Ok(Guarded { ldap, doubtful: true });
        }
        let found = search::base(&open.session, dn, &filter, &["1.1".to_owned()], |_| ()).await;
        if found.map_err(|error| unread(open, error))?.is_some() {
            return Ok(Guarded { ldap, doubtful: false });
        }
    }
    Ok(Guarded { ldap: by_read(open, dn, asserts).await?, doubtful: false })
}

/// A handle whose next operation happens only if the entry is what a read just now
/// showed, of which all `asserts` hold.
pub(super) async fn by_read(open: &Open, dn: &str, asserts: &[Assert]) -> Result<Ldap, Answer> {
    let names: BTreeSet<&str> = asserts.iter().map(name_of).chain([CHANGE_NUMBER]).collect();
    let wanted: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let compares = |name: &str| open.server.compares(name);
    let read = |entry: Entry<'_>| {
        let is_so = asserts.iter().all(|assert| holds(assert, entry, compares(name_of(assert))));
        (is_so, entry.text(CHANGE_NUMBER).map(str::to_owned))
    };
    let found = search::base(&open.session, dn, "(objectClass=*)", &wanted, read).await;
    let Some((true, number)) = found.map_err(|error| unread(open, error))? else {
        return Err(Answer::Conflict { why: "somebody changed or removed the entry meanwhile".to_owned() });
    };
    let mut ldap = open.session.operation();
    if let Some(number) = number.filter(|_| open.server.asserts()) {
        let filter = format!("({CHANGE_NUMBER}={})", ldap3::ldap_escape(number));
        ldap.with_controls(RawControl::from(Assertion { filter }.critical()));
    }
    Ok(ldap)
}

fn unread(open: &Open, error: ProviderError) -> Answer {
    if open.session.is_closed() {
        return Answer::Broken { why: error.message };
    }
    Answer::Refused { why: error.message }
}

fn name_of(assert: &Assert) -> &str {
    let (Assert::Exactly(name, _) | Assert::Has(name, _) | Assert::HasNot(name, _) | Assert::Bits(name, ..)) = assert;
    name
}

/// Whether an assertion holds of an entry that was read. Further values are for a
/// server that compares no conflict, as in the filter: what is written leaves them.
fn holds(assert: &Assert, entry: Entry<'_>, compares: bool) -> bool {
    let matching = if compares { Schema::matching(name_of(assert)) } else { Matching::Exact };
    let key = |value: &str| match matching {
        _ if dn::type_key(name_of(assert)) == dn::type_key(END) => {
            time::parse(value).map_or_else(|| value.to_owned(), |at| at.to_string())
        }
        Matching::Dn => dn::key(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned),
        _ => matching.key(value).into_owned(),
    };
    let there: BTreeSet<String> =
        entry.values(name_of(assert)).filter_map(|value| std::str::from_utf8(value).ok()).map(key).collect();
    match assert {
        Assert::Exactly(_, values) => {
            values.iter().all(|value| there.contains(&key(value)))
                && (there.len() == values.len() || (compares && !values.is_empty()))
        }
        Assert::Has(_, value) => there.contains(&key(value)),
        Assert::HasNot(_, value) => !there.contains(&key(value)),
        Assert::Bits(_, bits, set) => {
            // A number with its sign: the bits are those of 32.
            let number = entry.text(name_of(assert)).and_then(|text| text.parse::<i64>().ok());
            number.is_some_and(|number| (number & i64::from(*bits) == i64::from(*bits)) == *set)
        }
    }
}

/// The filter that is true of an entry of which all `asserts` hold. Whether an
/// attribute has further values no filter can say; what is written then leaves them.
fn filter(asserts: &[Assert]) -> Option<String> {
    let equal = |name: &str, value: &str| format!("({name}={})", ldap3::ldap_escape(value));
    let mut parts = Vec::new();
    for assert in asserts {
        match assert {
            Assert::Exactly(name, values) if values.is_empty() => parts.push(format!("(!({name}=*))")),
            Assert::Exactly(name, values) => parts.extend(values.iter().map(|value| equal(name, value))),
            Assert::Has(name, value) => parts.push(equal(name, value)),
            Assert::HasNot(name, value) => parts.push(format!("(!{})", equal(name, value))),
            Assert::Bits(name, bits, true) => parts.push(format!("({name}:{ALL_BITS}:={bits})")),
            Assert::Bits(name, bits, false) => parts.push(format!("(!({name}:{ALL_BITS}:={bits}))")),
        }
    }
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(format!("(&{})", parts.concat())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_values_become_one_filter() {
        let exactly = |name: &str, values: &[&str]| {
            Assert::Exactly(name.to_owned(), values.iter().map(|v| (*v).to_owned()).collect())
        };
        assert_eq!(filter(&[]), None);
        assert_eq!(filter(&[exactly("title", &[])]).unwrap(), "(!(title=*))");
        let both = [exactly("mail", &["a*b", "c"]), Assert::HasNot("pwdAccountLockedTime".into(), "0".into())];
        let filter = filter(&both).unwrap();
        assert_eq!(filter, "(&(mail=a\\2ab)(mail=c)(!(pwdAccountLockedTime=0)))");
        assert!(ldap3::parse_filter(&filter).is_ok());
    }
}
