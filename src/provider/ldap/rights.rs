//! What the server says of accord's own rights (Get Effective Rights, an expired draft
//! of the IETF's LDAP extensions group that 389 Directory Server keeps to).
//!
//! Comes in: entries with something absent that access control might hide. Goes out:
//! gaps. Refuses: to take a server that says nothing of rights for one that forbids,
//! and to ask for anybody's rights but its own.

use super::connect::Session;
use super::errors::Site;
use crate::provider::GapScope;
use crate::provider::entries::{Collector, Disabling, Schema};
use futures_util::{StreamExt, stream};
use ldap3::controls::RawControl;
use ldap3::{Scope as Depth, SearchEntry};

/// OID of the control.
pub(super) const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";

/// The attribute of the answer: `member:rsc, cn:none`.
const ANSWER: &str = "attributeLevelRights";

/// Questions on their way at once.
const IN_FLIGHT: usize = 64;

/// Entries whose look is in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Any account.
    account: Option<String>,
    /// Groups that show no member: DN, name.
    groups: Vec<(String, String)>,
}

impl Doubts {
    /// One account stands for all: rights are given to subtrees.
    pub(super) fn account(&mut self, dn: &str) {
        self.account.get_or_insert_with(|| dn.to_owned());
    }

    /// A group that shows no member.
    pub(super) fn group(&mut self, dn: &str, name: &str) {
        self.groups.push((dn.to_owned(), name.to_owned()));
    }

    /// Asks whether the attribute that says who is disabled may be read.
    pub(super) async fn accounts(&mut self, session: &Session, schema: &Schema, collector: &mut Collector<'_>) {
        let (Some(dn), Disabling::By(by)) = (self.account.take(), &schema.disabling) else { return };
        if !readable(session, &dn, &by.attribute).await.unwrap_or(true) {
            let why = hidden(&session.site, &by.attribute, &dn, "every account would look enabled");
            collector.gap(GapScope::Accounts, why);
        }
    }

    /// Asks of each group without a member whether its members may be read.
    pub(super) async fn groups(&mut self, session: &Session, schema: &Schema, collector: &mut Collector<'_>) {
        let attribute = schema.member_attribute();
        let groups = std::mem::take(&mut self.groups);
        let answers = stream::iter(groups)
            .map(|(dn, name)| async move { (readable(session, &dn, attribute).await.unwrap_or(true), dn, name) })
            .buffered(IN_FLIGHT)
            .collect::<Vec<_>>()
            .await;
        for (_, dn, name) in answers.into_iter().filter(|(readable, ..)| !readable) {
            let why = hidden(&session.site, attribute, &dn, "the group looks empty");
            collector.gap(GapScope::Group(name), why);
        }
    }
}

fn hidden(site: &Site, attribute: &str, dn: &str, so: &str) -> String {
    format!("{} may not read `{attribute}` of `{dn}`, so that {so}; to go on: give read on `{attribute}`", site.who)
}

/// Whether the bound identity may read an attribute of an entry. `None` where the
/// server does not say.
async fn readable(session: &Session, dn: &str, attribute: &str) -> Option<bool> {
    let mut ldap = session.operation();
    let whose = format!("dn:{}", session.site.who).into_bytes();
    ldap.with_controls(RawControl { ctype: EFFECTIVE_RIGHTS.to_owned(), crit: false, val: Some(whose) });
    let (entries, _) = ldap.search(dn, Depth::Base, "(objectClass=*)", [attribute]).await.ok()?.success().ok()?;
    let entry = entries.into_iter().next().map(SearchEntry::construct)?;
    let said = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(ANSWER))?.1.first()?;
    may_read(said, attribute)
}

/// Whether `r` is among the rights of an attribute, in `cn:rsc, member:none`.
fn may_read(said: &str, attribute: &str) -> Option<bool> {
    let mut pairs = said.split(',').filter_map(|pair| pair.trim().split_once(':'));
    let (_, rights) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(attribute))?;
    Some(rights != "none" && rights.contains('r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_r_is_the_right_to_read() {
        let said = "cn:rsc, member:sc, nsAccountLock:none, mail:rscwo";
        let of = |attribute| may_read(said, attribute);
        assert_eq!((of("CN"), of("mail")), (Some(true), Some(true)));
        assert_eq!((of("member"), of("nsaccountlock")), (Some(false), Some(false)));
        assert_eq!(of("uid"), None);
        assert_eq!(may_read("", "cn"), None);
    }
}
