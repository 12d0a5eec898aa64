//! Renames and moves, and the groups that list what had the old name.
//!
//! Comes in: the old and the new name. Goes out: an answer with the new DN. Refuses: to
//! take a rename for done that was not answered and that a read does not show.
//!
//! A rename is more than one write where the server moves no members. So a lost answer is
//! settled here, over another connection, and not by the run's own read: that shows the
//! new name and nothing of the groups that were to follow.

use super::write::{Operation, answer, modifications, unanswered};
use super::{Directory, Open, bases, errors, search};
use crate::provider::Answer;
use crate::provider::dn;
use crate::provider::entries::Mod;
use ldap3::{LdapError, LdapResult, Scope as Depth};
use std::sync::Arc;
use std::time::Duration;

/// Waits before each look for groups that list an old name: the first is at once, and a
/// rename that was under way during it is over long before the last.
const FOLLOW_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// How many connections the groups are followed over, where each is lost.
const CONNECTIONS: usize = 3;

/// What is renamed, and to what.
pub(super) struct Names<'a> {
    pub(super) dn: &'a str,
    pub(super) new_dn: &'a str,
    pub(super) old_name: &'a str,
    pub(super) new_name: &'a str,
    pub(super) is_group: bool,
}

impl Directory {
    /// Renames or moves an entry; groups follow where the server does not see to it.
    pub(super) async fn rename(&self, open: &Open, names: &Names<'_>) -> Answer {
        let (site, dn) = (&open.session.site, names.dn);
        if dn::parent(names.new_dn).is_none() {
            return Answer::Refused { why: format!("`{}` has no parent", names.new_dn) };
        }
        let rdn = dn::rdn(names.new_dn);
        let superior = bases::superior(dn, names.new_dn);
        // Where only the place changes the value stays; a domain demands that the old one goes.
        let drops_old = open.schema.is_active() || dn::rdn(dn) != rdn;
        let done = match open.session.operation().modifydn(dn, rdn, drops_old, superior).await {
            Ok(result)
                if let Some(superior) = superior
                    && let Some(refused) = bases::refused(open, dn, superior, &result).await =>
            {
                refused
            }
            Ok(result) => answer(site, Operation::Rename, dn, &format!("`{dn}`"), &result),
            Err(error) => {
                let silent = unanswered(&error);
                // In a domain nothing follows: the run's own read settles it.
                if open.schema.is_active() || !matches!(silent, Answer::Unknown { .. }) {
                    return silent;
                }
                self.groups.forget(dn);
                return match self.carried_out(names).await {
                    Some(again) => self.followed(&again, names).await,
                    None => silent,
                };
            }
        };
        if !matches!(done, Answer::Done { .. }) {
            return done;
        }
        self.groups.forget(dn);
        if open.schema.is_active() {
            // Members are kept by identity there, not by name.
            return Answer::Done { handle: Some(names.new_dn.to_owned()) };
        }
        self.followed(open, names).await
    }

    /// Another connection, if a read over it shows that a rename without an answer was
    /// carried out: the old name is nobody's, the new one somebody's.
    async fn carried_out(&self, names: &Names<'_>) -> Option<Arc<Open>> {
        let open = self.open().await.ok()?;
        let is_there = async |dn: &str| {
            let none = ["1.1".to_owned()];
            search::base(&open.session, dn, "(objectClass=*)", &none, |_| ()).await.map(|found| found.is_some())
        };
        let done = !is_there(names.dn).await.ok()? && is_there(names.new_dn).await.ok()?;
        done.then_some(open)
    }

    /// The rename is done; whoever lists the old name is to list the new one.
    async fn followed(&self, open: &Open, names: &Names<'_>) -> Answer {
        let handle = Some(names.new_dn.to_owned());
        let mut outcome = follow(open, names).await;
        let mut is_lost = open.session.is_lost();
        for _ in 1..CONNECTIONS {
            if outcome.is_ok() || !is_lost {
                break;
            }
            let Ok(again) = self.open().await else { break };
            outcome = follow(&again, names).await;
            is_lost = again.session.is_lost();
        }
        match outcome {
            Ok(()) => Answer::Done { handle },
            Err(why) => Answer::Partly { handle, why: format!("renamed, but groups still list the old name: {why}") },
        }
    }
}

/// Groups that list the old name list the new one afterwards. A server with
/// referential integrity does the same: whoever comes second finds it done. A group
/// that is renamed by this very run meanwhile is looked for again.
async fn follow(open: &Open, names: &Names<'_>) -> Result<(), String> {
    let schema = &open.schema;
    let Some(base) = &schema.groups_base else { return Ok(()) };
    let (old, new) = match schema.members_are_dns() {
        true => (names.dn, names.new_dn),
        false if names.is_group || names.old_name == names.new_name => return Ok(()),
        false => (names.old_name, names.new_name),
    };
    let attribute = schema.member_attribute();
    let mut failed = Vec::new();
    for pause in FOLLOW_PAUSES {
        tokio::time::sleep(pause).await;
        failed.clear();
        let mut moved = false;
        for group in holders(open, base, attribute, old).await? {
            match swap(open, &group, attribute, (old, new)).await {
                Ok(result) if matches!(result.rc, 0 | 16) => {}
                Ok(result) => {
                    moved |= result.rc == 32;
                    failed.push(format!("`{group}`: {}", errors::words(&result)));
                }
                Err(error) => failed.push(format!("`{group}`: {}", errors::transport(&error))),
            }
        }
        if !moved {
            break;
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

/// DNs of the groups that have `value` in `attribute`.
async fn holders(open: &Open, base: &str, attribute: &str, value: &str) -> Result<Vec<String>, String> {
    let filter = format!("({attribute}={})", ldap3::ldap_escape(value));
    let none = ["1.1".to_owned()];
    let mut groups = Vec::new();
    let search = search::Search { base, scope: Depth::Subtree, filter: &filter, attributes: &none, page_size: 500 };
    let ended = search::run(&open.session, &search, |entry| groups.push(entry.dn.to_owned())).await;
    match (ended.broken, ended.result) {
        (Some(error), _) => Err(error.message),
        (None, Some(result)) => Err(errors::words(&result)),
        (None, None) => Ok(groups),
    }
}

/// One value of one entry becomes another; where that is there already, the old one goes.
async fn swap(open: &Open, dn: &str, attribute: &str, (old, new): (&str, &str)) -> Result<LdapResult, LdapError> {
    let remove = Mod::Delete(attribute.to_owned(), vec![old.to_owned()]);
    let mods = [remove.clone(), Mod::Add(attribute.to_owned(), vec![new.to_owned()])];
    let result = open.session.operation().modify(dn, modifications(&mods)).await?;
    match result.rc {
        20 => open.session.operation().modify(dn, modifications(&[remove])).await,
        _ => Ok(result),
    }
}
