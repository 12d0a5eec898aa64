//! Changes as LDAP operations, and what their results mean.
//!
//! Comes in: steps. Goes out: one answer each. Refuses: to overwrite what somebody
//! changed meanwhile: deleting the old value and adding the new one is its own
//! check, and everything else is asserted, see [`guard`].

use super::connect::Session;
use super::errors::{self, Site};
use super::rename::Names;
use super::{Directory, Open, active, asleep, guard, references};
use crate::model::Action;
use crate::provider::entries::{Assert, Edit, Mod};
use crate::provider::{Answer, Step};
use ldap3::{Ldap, LdapError, LdapResult};
use secrecy::ExposeSecret;

/// How long to wait before a busy server is asked again, in milliseconds.
const BUSY: u64 = 1000;

/// The operation that a result answers: what its codes mean differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Modify,
    Rename,
    Delete,
}

/// The answer that a result code stands for.
pub(super) fn answer(site: &Site, operation: Operation, dn: &str, needs: &str, result: &LdapResult) -> Answer {
    if let Some(told) = active::told(site, operation, result) {
        return told;
    }
    let words = errors::words(result);
    let conflict = |what: &str| Answer::Conflict { why: format!("{what} ({words})") };
    match result.rc {
        0 => Answer::Done { handle: None },
        32 if operation == Operation::Add => Answer::Refused {
            why: format!("{words}; the entry above `{dn}` is missing: create it, or correct the base"),
        },
        32 => conflict("the entry is gone: somebody deleted or moved it meanwhile"),
        16 => conflict("somebody removed it meanwhile"),
        20 => conflict("somebody added it meanwhile"),
        68 => conflict("an entry of that name is there already"),
        122 => conflict("somebody changed the entry meanwhile"),
        51 | 52 => Answer::Retry { after_ms: BUSY, why: words },
        53 => Answer::Unwilling { why: words },
        50 => Answer::Refused { why: format!("{words} for {}; it needs write on {needs}", site.who) },
        10 => {
            // Not followed: the setting names whom accord trusts with its password.
            Answer::Refused { why: format!("{words}; this server is a replica: name the one that writes in `url`") }
        }
        66 => {
            Answer::Refused { why: format!("{words}; there are entries below `{dn}`, and accord deletes only leaves") }
        }
        _ => Answer::Refused { why: words },
    }
}

/// The answer when none came.
pub(super) fn unanswered(error: &LdapError) -> Answer {
    let why = errors::transport(error);
    match error {
        // The driver was gone before the operation was handed over.
        LdapError::OpSend { .. } => Answer::Broken { why },
        LdapError::AddNoValues | LdapError::FilterParsing => Answer::Refused { why },
        _ => Answer::Unknown { why },
    }
}

/// Modifications in the library's form. The set's order does not matter: each value
/// is there once.
pub(super) fn modifications(mods: &[Mod]) -> Vec<ldap3::Mod<String>> {
    mods.iter()
        .map(|m| match m {
            Mod::Add(name, values) => ldap3::Mod::Add(name.clone(), values.iter().cloned().collect()),
            Mod::Delete(name, values) => ldap3::Mod::Delete(name.clone(), values.iter().cloned().collect()),
            Mod::Replace(name, values) => ldap3::Mod::Replace(name.clone(), values.iter().cloned().collect()),
            // Settled before, into the two above.
            Mod::Number(name, _) => ldap3::Mod::Delete(name.clone(), std::iter::empty().collect()),
        })
        .collect()
}

impl Directory {
    /// Answers every step, in their order.
    pub(super) async fn write_all(&self, open: &Open, steps: &[Step<'_>]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(steps.len());
        let mut rest = steps;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|step| same_group(first, step)).count().max(1);
            let (now, later) = rest.split_at(run);
            if is_membership(first) {
                answers.extend(self.memberships(open, now).await);
            } else {
                answers.push(self.single(open, first).await);
            }
            rest = later;
        }
        answers
    }

    async fn single(&self, open: &Open, step: &Step<'_>) -> Answer {
        let edit = match open.schema.edit(step) {
            Ok(edit) => edit,
            Err(why) => return Answer::Refused { why },
        };
        let edit = match references::resolved(open, edit).await {
            Ok(edit) => edit,
            Err(answer) => return answer,
        };
        match edit {
            Edit::Add { dn, or_dn, attributes } => self.add(open, step, (dn, or_dn), attributes).await,
            Edit::Modify { dn, asserts, mods } => modify(open, &dn, &asserts, &mods).await,
            Edit::Rename { dn, new_dn, old_name, new_name, mods } => {
                let first = modify(open, &dn, &[], &mods).await;
                if !matches!(first, Answer::Done { .. }) {
                    return first;
                }
                let is_group = step.change.action == Action::RenameGroup;
                let names = Names { dn: &dn, new_dn: &new_dn, old_name: &old_name, new_name: &new_name, is_group };
                match self.rename(open, &names).await {
                    Answer::Refused { why } | Answer::Conflict { why } | Answer::Broken { why } if !mods.is_empty() => {
                        let why = format!("the name is changed, but the entry is still called by the old one: {why}");
                        Answer::Partly { handle: Some(dn), why }
                    }
                    answer => answer,
                }
            }
            Edit::Delete { dn, asserts } => {
                self.groups.forget(&dn);
                match guard::under(open, &dn, &asserts, async |mut ldap: Ldap| ldap.delete(&dn).await).await {
                    Ok(Ok(result)) => answer(&open.session.site, Operation::Delete, &dn, &format!("`{dn}`"), &result),
                    Ok(Err(error)) => unanswered(&error),
                    Err(unsent) => unsent,
                }
            }
        }
    }

    async fn add(
        &self,
        open: &Open,
        step: &Step<'_>,
        (mut dn, or_dn): (String, Option<String>),
        mut attributes: Vec<(String, Vec<String>)>,
    ) -> Answer {
        let gets_password = self.initial_password.is_some() && step.change.action == Action::CreateAccount;
        let then = match gets_password.then(|| asleep::put_off(open, &mut attributes)).transpose() {
            Ok(mods) => mods.unwrap_or_default(),
            Err(why) => return Answer::Refused { why },
        };
        let site = &open.session.site;
        let bytes = |text: String| text.into_bytes();
        let mut list: Vec<_> = attributes
            .into_iter()
            .map(|(name, values)| (bytes(name), values.into_iter().map(bytes).collect()))
            .collect();
        if let Some(password) = self.initial_password.as_ref().filter(|_| open.schema.is_active())
            && step.change.action == Action::CreateAccount
        {
            list.extend(active::first_password(password).map(|(name, value)| (name, [value].into_iter().collect())));
        }
        let mut added = open.session.operation().add(&dn, list.clone()).await;
        if let (Ok(LdapResult { rc: 68, .. }), Some(other)) = (&added, or_dn) {
            dn = other;
            added = open.session.operation().add(&dn, list).await;
        }
        let mut done = match added {
            Ok(result) => answer(site, Operation::Add, &dn, &format!("`{dn}` and its parent"), &result),
            Err(error) => return unanswered(&error),
        };
        let Answer::Done { handle } = &mut done else { return done };
        *handle = Some(dn.clone());
        if step.change.action == Action::CreateGroup {
            if let Some(placeholder) = open.schema.placeholder(&dn) {
                self.groups.set(&dn, !placeholder.is_empty());
            }
            return done;
        }
        if open.schema.is_active() {
            return done;
        }
        match self.first_password(&open.session, &dn, &then).await {
            Ok(()) => done,
            Err(why) => {
                // An account that cannot get its password is not left behind half made.
                let undone = matches!(open.session.operation().delete(&dn).await, Ok(LdapResult { rc: 0, .. }));
                let rest = if undone { "the account was removed again" } else { "the account is there without one" };
                Answer::Refused { why: format!("the first password was refused: {why}; {rest}") }
            }
        }
    }

    /// By the password modify operation (RFC 3062), so that the server hashes it; `then`
    /// is what waited for it.
    async fn first_password(&self, session: &Session, dn: &str, then: &[Mod]) -> Result<(), String> {
        let Some(password) = &self.initial_password else { return Ok(()) };
        let request =
            ldap3::exop::PasswordModify { user_id: Some(dn), old_pass: None, new_pass: Some(password.expose_secret()) };
        match session.operation().extended(request).await {
            Ok(ldap3::result::ExopResult(_, LdapResult { rc: 0, .. })) if then.is_empty() => Ok(()),
            Ok(ldap3::result::ExopResult(_, LdapResult { rc: 0, .. })) => {
                match session.operation().modify(dn, modifications(then)).await {
                    Ok(LdapResult { rc: 0, .. }) => Ok(()),
                    Ok(result) => Err(errors::words(&result)),
                    Err(error) => Err(errors::transport(&error)),
                }
            }
            Ok(ldap3::result::ExopResult(_, result)) => Err(errors::words(&result)),
            Err(error) => Err(errors::transport(&error)),
        }
    }
}

/// One modify under its assertions.
async fn modify(open: &Open, dn: &str, asserts: &[Assert], mods: &[Mod]) -> Answer {
    if mods.is_empty() {
        return Answer::Done { handle: None };
    }
    let mods = &match active::settled(&open.session, dn, mods).await {
        // Nothing is left to write; what the plan went by must hold all the same.
        Ok(mods) if mods.is_empty() => {
            let held = guard::by_read(open, dn, asserts).await;
            return held.map_or_else(|unsent| unsent, |_| Answer::Done { handle: None });
        }
        Ok(mods) => mods,
        Err(answer) => return answer,
    };
    let list = modifications(&guard::whole(open, asserts, mods));
    match guard::under(open, dn, asserts, async |mut ldap: Ldap| ldap.modify(dn, list.clone()).await).await {
        Ok(Ok(result)) => answer(&open.session.site, Operation::Modify, dn, &written(mods), &result),
        Ok(Err(error)) => unanswered(&error),
        Err(unsent) => unsent,
    }
}

/// `title`, `mail`.
fn written(mods: &[Mod]) -> String {
    let mut names: Vec<String> = mods
        .iter()
        .map(|m| match m {
            Mod::Add(name, _) | Mod::Delete(name, _) | Mod::Replace(name, _) | Mod::Number(name, _) => {
                format!("`{name}`")
            }
        })
        .collect();
    names.dedup();
    names.join(", ")
}

fn is_membership(step: &Step<'_>) -> bool {
    matches!(step.change.action, Action::Grant | Action::Revoke | Action::UpdateMembership)
}

fn same_group(a: &Step<'_>, b: &Step<'_>) -> bool {
    is_membership(a) && is_membership(b) && a.handle == b.handle && a.change.object.group == b.change.object.group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_one_meaning() {
        let site = Site { directory: "corp".into(), who: "cn=accord".into() };
        let of = |operation, rc| {
            let result =
                LdapResult { rc, matched: String::new(), text: String::new(), refs: Vec::new(), ctrls: Vec::new() };
            answer(&site, operation, "uid=a,ou=p", "`title`", &result)
        };
        assert_eq!(of(Operation::Modify, 0), Answer::Done { handle: None });
        for rc in [16, 20, 32, 68, 122] {
            assert!(matches!(of(Operation::Modify, rc), Answer::Conflict { .. }), "{rc}");
        }
        for rc in [51, 52] {
            assert!(matches!(of(Operation::Add, rc), Answer::Retry { .. }), "{rc}");
        }
        assert!(matches!(of(Operation::Modify, 53), Answer::Unwilling { .. }));
        for rc in [1, 10, 19, 21, 50, 65, 66, 80] {
            assert!(matches!(of(Operation::Delete, rc), Answer::Refused { .. }), "{rc}");
        }
        assert!(matches!(of(Operation::Add, 32), Answer::Refused { why } if why.contains("the entry above")));
        assert!(matches!(of(Operation::Modify, 50), Answer::Refused { why }
                if why == "insufficientAccessRights (50) for cn=accord; it needs write on `title`"));
    }
}
