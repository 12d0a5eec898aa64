//! What an LDAP directory can do: what the settings promise, and what the server keeps.
//!
//! Comes in: a schema, then a probed server. Goes out: [`Capabilities`]. Refuses: to
//! promise a disable or an end that the server does not know.

use super::probe::Server;
use crate::model::{Action, Matching};
use crate::policy::settings::DisableBy;
use crate::provider::entries::{Disabling, Schema};
use crate::provider::{Batch, Capabilities, EndsItself, Repeat};

/// Members written by one modify. More gains nothing measurable and makes the
/// search for one bad value longer.
const MEMBERS_PER_MODIFY: usize = 500;

/// Modifies on their way at once: with 10 ms of round trip 64 reach 3,000 a second,
/// 256 reach 12,000; a server nearby is busy long before.
const IN_FLIGHT: usize = 256;

/// Attribute of 389 Directory Server whose value `true` refuses every bind.
const ACCOUNT_LOCK: &str = "nsAccountLock";

/// What the settings promise, before any server was asked.
pub(super) fn promised(schema: &Schema) -> Capabilities {
    Capabilities {
        actions: Action::on_entries(),
        names: Matching::CaseIgnore,
        disable: true,
        native_end: schema.native_end,
        ends_itself: EndsItself { accounts: schema.native_end, memberships: false },
        created_disabled: schema.is_active(),
        password_apart: false,
        empty_groups: true,
        nesting: schema.members_are_dns(),
        batch: Batch::PerGroup(MEMBERS_PER_MODIFY),
        in_flight: IN_FLIGHT,
        repeat: Repeat::CompareAndSwap,
        knows_author: true,
        records_changes: schema.is_active(),
        resume: resumes(schema),
    }
}

/// What a server works out while it answers, or keeps for itself on every controller: its
/// change is told by nothing.
const WORKED_OUT: &[&str] = &[
    "memberOf",
    "directReports",
    "managedObjects",
    "canonicalName",
    "tokenGroups",
    "primaryGroupToken",
    "msDS-User-Account-Control-Computed",
    "msDS-UserPasswordExpiryTimeComputed",
    "msDS-PrincipalName",
    "lastLogon",
    "lastLogoff",
    "logonCount",
    "badPwdCount",
    "badPasswordTime",
];

/// Whether what changed since a read can be told of everything that is compared.
fn resumes(schema: &Schema) -> bool {
    let worked_out = |name: &str| WORKED_OUT.iter().any(|other| other.eq_ignore_ascii_case(name));
    !schema.attributes.iter().chain(&schema.id_attribute).any(|name| worked_out(name))
}

/// How this server's entries are made, where that is not what the settings let
/// expect: 389 Directory Server disables accounts by an attribute of its own, and
/// lets groups be empty.
pub(super) fn fitted(schema: &Schema, server: &Server) -> Schema {
    let mut schema = schema.clone();
    if schema.disabling == Disabling::Locked && !server.locks && server.account_lock {
        let (attribute, disabled) = (ACCOUNT_LOCK.to_owned(), "true".to_owned());
        schema.disabling = Disabling::By(DisableBy { attribute, disabled, enabled: None });
    }
    schema.may_be_empty = server.leaves_free(schema.group_class_name(), schema.member_attribute());
    schema
}

/// What of it this server keeps. `schema` is what [`fitted`] made of it.
pub(super) fn kept(mut promised: Capabilities, schema: &Schema, server: &Server) -> Capabilities {
    promised.native_end &= server.ends || schema.is_active();
    promised.ends_itself.accounts &= promised.native_end;
    if schema.link_ends && server.ends_links() {
        promised.ends_itself.memberships = true;
        promised.actions = Action::ALL.to_vec();
    }
    if schema.disabling == Disabling::Locked && !server.locks {
        promised.disable = false;
        promised.actions.retain(|action| !matches!(action, Action::DisableAccount | Action::EnableAccount));
    }
    promised
}
