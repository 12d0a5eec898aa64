//! Memberships that the domain itself ends: whether it can, what time it is there, and
//! how such a membership is written.
//!
//! Comes in: a session with a domain controller; steps. Goes out: the controller's
//! clock; values and modifies. Refuses: to give somebody a membership whose end has
//! passed, and to change an end in two steps, between which nobody would be a member.

use super::Open;
use super::connect::Session;
use super::probe::Server;
use super::search::{self, Search};
use super::write::{Operation, answer, modifications, unanswered};
use crate::model::{Change, Instant};
use crate::provider::active_directory::link::{self, Clock};
use crate::provider::entries::{Mod, time};
use crate::provider::{Answer, ProviderError, Step};
use ldap3::Scope as Depth;

/// Why such a directory is read in full every time.
pub(super) const UNTOLD: &str = "memberships may end here by themselves, and nothing tells of that";

/// Whether a forest ends memberships.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ends {
    /// It does not.
    #[default]
    Never,
    /// It may: nobody told whether the feature is enabled. None is given an end there, and
    /// none is taken for one that stays.
    Perhaps,
    /// It does.
    Yes,
}

/// Whether the forest ends memberships: the controller knows how to show it, and the
/// feature is enabled.
pub(super) async fn offered(session: &Session, controls: &[String], configuration: &str) -> Ends {
    if !controls.iter().any(|oid| oid == link::SHOWN) {
        return Ends::Never;
    }
    if configuration.is_empty() {
        return Ends::Perhaps;
    }
    let base = format!("{},{configuration}", link::FEATURES);
    let attributes = [link::ENABLED.to_owned()];
    let search =
        Search { base: &base, scope: Depth::OneLevel, filter: link::FEATURE, attributes: &attributes, page_size: 0 };
    let mut enabled = false;
    let ended = search::run(session, &search, |entry| enabled |= entry.values(link::ENABLED).next().is_some()).await;
    match (ended.result, ended.broken) {
        (None, None) if enabled => Ends::Yes,
        // Every forest whose controllers know the control has the feature, enabled or not: where
        // none is shown, access control hides it.
        (None, None) if ended.entries > 0 => Ends::Never,
        _ => Ends::Perhaps,
    }
}

/// What time it is on the controller, where memberships end there.
///
/// # Errors
/// When no answer comes, or no time.
pub(super) async fn clock(session: &Session, server: &Server) -> Result<Option<Clock>, ProviderError> {
    if !server.ends_links() {
        return Ok(None);
    }
    let wanted = [link::TIME.to_owned()];
    let told =
        search::base(session, "", "(objectClass=*)", &wanted, |entry| entry.text(link::TIME).and_then(time::parse));
    match told.await?.flatten() {
        Some(told) => Ok(Some(Clock::new(told))),
        None => Err(session.site.error(
            "read the root DSE",
            format!("no `{}`: when memberships end cannot be told", link::TIME),
            Vec::new(),
        )),
    }
}

/// The end that a grant or an update gives a membership.
pub(super) fn end_of(change: &Change) -> Result<Option<Instant>, String> {
    let Some(text) = change.after.as_ref().and_then(|after| after.get("ends")?.first()) else { return Ok(None) };
    Instant::try_from(text.clone()).map(Some).map_err(|_| format!("`{text}` is no instant"))
}

/// The value that makes somebody a member until the end that the change names.
pub(super) fn value(change: &Change, dn: String, clock: Option<&Clock>) -> Result<String, String> {
    let Some(ends) = end_of(change)? else { return Ok(dn) };
    let clock = clock.ok_or("this directory cannot end a membership by itself")?;
    link::write(&dn, ends, clock.now()).ok_or_else(|| format!("its end, {ends}, has passed"))
}

/// Gives a membership another end, or none: out and in again in one modify, which fails
/// where it is gone.
pub(super) async fn renew(open: &Open, step: &Step<'_>, group: &str, clock: Option<&Clock>) -> Answer {
    let member = open.schema.member_value(step);
    let both = member.and_then(|dn| Ok((value(step.change, dn.clone(), clock)?, dn)));
    let (new, old) = match both {
        Ok(both) => both,
        Err(why) => return Answer::Refused { why },
    };
    let attribute = open.schema.member_attribute().to_owned();
    let mods = [Mod::Delete(attribute.clone(), vec![old]), Mod::Add(attribute.clone(), vec![new])];
    match open.session.operation().modify(group, modifications(&mods)).await {
        Ok(result) => {
            let needs = format!("`{attribute}` of `{group}`");
            answer(&open.session.site, Operation::Modify, group, &needs, &result)
        }
        Err(error) => unanswered(&error),
    }
}
