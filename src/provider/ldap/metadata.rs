//! When single attributes and members were changed, and on which domain controller.
//!
//! Comes in: a session, changes with their handles. Goes out: for each what the domain
//! recorded about the latest change of what it is about. Refuses: to say who: the domain
//! does not record that; and to ask about more than a bounded number of objects.

use super::Open;
use super::search::{self, Entry, Search};
use crate::model::Action;
use crate::provider::active_directory::metadata::{self, Origin, Stamp};
use crate::provider::active_directory::{CONTROL, LOGON, range};
use crate::provider::entries::Schema;
use crate::provider::{Recorded, Step, dn};
use futures_util::{StreamExt, stream};
use ldap3::Scope as Depth;
use std::collections::{BTreeMap, BTreeSet};

/// Objects that are asked about, at most.
const OBJECTS: usize = 2000;
/// How many of them at once.
const IN_FLIGHT: usize = 32;
/// Pieces of the list of one group's members, at most.
const PIECES: usize = 200;

/// What one change is about: attributes of an entry, or a member of it.
struct About {
    entry: String,
    attributes: Vec<String>,
    member: Option<String>,
}

/// What was recorded of one entry.
#[derive(Default)]
struct Records {
    /// Attribute, lower case.
    attributes: BTreeMap<String, Stamp>,
    /// Member, by comparison key.
    members: BTreeMap<String, Stamp>,
    /// Attributes by number, where the controller shows only these.
    numbered: BTreeMap<u32, Stamp>,
}

/// What is recorded, one answer each; what cannot be read is not known.
pub(super) async fn recorded(open: &Open, steps: &[Step<'_>]) -> Vec<Option<Recorded>> {
    let Some(controller) = &open.server.controller else { return vec![None; steps.len()] };
    let about: Vec<Option<About>> = steps.iter().map(|step| about(&open.schema, step)).collect();
    let entries: BTreeSet<(&str, bool)> =
        about.iter().flatten().map(|about| (about.entry.as_str(), about.member.is_some())).collect();
    let mut asked = stream::iter(entries.into_iter().take(OBJECTS))
        .map(|(entry, members)| async move { ((entry, members), records(open, entry, members).await) })
        .buffer_unordered(IN_FLIGHT);
    let mut records = BTreeMap::new();
    while let Some((entry, found)) = asked.next().await {
        records.insert(entry, found);
    }
    drop(asked);
    let names: BTreeSet<&str> =
        about.iter().flatten().flat_map(|about| &about.attributes).map(String::as_str).collect();
    let is_numbered = records.values().any(|records| !records.numbered.is_empty());
    let numbers = if is_numbered { numbers(open, &controller.configuration, &names).await } else { BTreeMap::new() };
    let stamps: Vec<Option<Stamp>> = about
        .iter()
        .map(|about| {
            let about = about.as_ref()?;
            latest(records.get(&(about.entry.as_str(), about.member.is_some()))?, about, &numbers)
        })
        .collect();
    let controllers = controllers(open, &controller.configuration, stamps.iter().flatten()).await;
    let told = |stamp: Option<Stamp>| {
        let Stamp { at, on } = stamp?;
        Some(Recorded {
            at,
            on: controllers.get(&on).cloned().unwrap_or_else(|| "a controller that is gone".to_owned()),
        })
    };
    stamps.into_iter().map(told).collect()
}

/// What a change is about, as the directory writes it.
fn about(schema: &Schema, step: &Step<'_>) -> Option<About> {
    let change = step.change;
    let entry = step.handle.clone()?;
    if matches!(change.action, Action::Grant | Action::Revoke | Action::UpdateMembership) {
        let member = dn::key(&schema.member_value(step).ok()?).ok()?.into_owned();
        return Some(About { entry, attributes: Vec::new(), member: Some(member) });
    }
    let word = |key: &str| match key {
        "name" => LOGON.to_owned(),
        "enabled" => CONTROL.to_owned(),
        "ends" => schema.end_attribute().to_owned(),
        key => key.to_owned(),
    };
    let attributes: BTreeSet<String> = [&change.before, &change.after]
        .into_iter()
        .flatten()
        .flat_map(|side| side.keys())
        .map(|key| word(key))
        .collect();
    let is_there = matches!(
        change.action,
        Action::UpdateAccount
            | Action::UpdateGroup
            | Action::EnableAccount
            | Action::DisableAccount
            | Action::RenameAccount
            | Action::RenameGroup
    );
    is_there.then(|| About { entry, attributes: attributes.into_iter().collect(), member: None })
}

fn latest(records: &Records, about: &About, numbers: &BTreeMap<String, u32>) -> Option<Stamp> {
    if let Some(member) = &about.member {
        return records.members.get(member).cloned();
    }
    let stamps = about.attributes.iter().filter_map(|name| {
        let name = name.to_ascii_lowercase();
        records.attributes.get(&name).or_else(|| records.numbered.get(numbers.get(&name)?))
    });
    stamps.max().cloned()
}

/// Reads what is recorded of one entry.
async fn records(open: &Open, entry: &str, members: bool) -> Records {
    let mut records = Records::default();
    if !members {
        let wanted = [metadata::ATTRIBUTES.to_owned(), metadata::KEPT.to_owned()];
        let read = search::base(&open.session, entry, "(objectClass=*)", &wanted, |entry| {
            for text in texts(entry, metadata::ATTRIBUTES) {
                if let Some((name, stamp)) = metadata::of_attribute(text) {
                    records.attributes.insert(name.to_ascii_lowercase(), stamp);
                }
            }
            let kept = entry.values(metadata::KEPT).next().and_then(metadata::kept);
            records.numbered.extend(kept.into_iter().flatten());
        });
        drop(read.await);
        return records;
    }
    let mut wanted = metadata::VALUES.to_owned();
    for _ in 0..PIECES {
        let asked = [wanted];
        let read = search::base(&open.session, entry, "(objectClass=*)", &asked, |entry| {
            let mut next = None;
            for (name, values) in entry.attributes() {
                let piece = range::parse(name);
                let is_it = piece.map_or(name, |piece| piece.attribute).eq_ignore_ascii_case(metadata::VALUES);
                if !is_it {
                    continue;
                }
                next = next.or_else(|| piece?.next);
                for text in values.filter_map(|value| std::str::from_utf8(value).ok()) {
                    take_member(&mut records, open.schema.member_attribute(), text);
                }
            }
            next
        });
        match read.await {
            Ok(Some(Some(next))) => wanted = range::rest(metadata::VALUES, next),
            _ => break,
        }
    }
    records
}

fn texts<'e>(entry: Entry<'e>, name: &'e str) -> impl Iterator<Item = &'e str> {
    entry.values(name).filter_map(|value| std::str::from_utf8(value).ok())
}

fn take_member(records: &mut Records, attribute: &str, text: &str) {
    if let Some((name, member, stamp)) = metadata::of_value(text)
        && name.eq_ignore_ascii_case(attribute)
        && let Ok(key) = dn::key(member)
    {
        // A member that went and came again: the latest counts.
        let place = records.members.entry(key.into_owned()).or_insert_with(|| stamp.clone());
        if stamp > *place {
            *place = stamp;
        }
    }
}

/// The numbers of attributes, by lower-case name.
async fn numbers(open: &Open, configuration: &str, names: &BTreeSet<&str>) -> BTreeMap<String, u32> {
    let each: Vec<String> =
        names.iter().map(|name| format!("(lDAPDisplayName={})", ldap3::ldap_escape(*name))).collect();
    let filter = format!("(|{})", each.concat());
    let base = format!("CN=Schema,{configuration}");
    let attributes = ["lDAPDisplayName".to_owned(), "attributeID".to_owned()];
    let search =
        Search { base: &base, scope: Depth::OneLevel, filter: &filter, attributes: &attributes, page_size: 500 };
    let mut found = BTreeMap::new();
    search::run(&open.session, &search, |entry| {
        if let (Some(name), Some(oid)) = (entry.text("lDAPDisplayName"), entry.text("attributeID"))
            && let Some(number) = metadata::number(oid)
        {
            found.insert(name.to_ascii_lowercase(), number);
        }
    })
    .await;
    found
}

/// The names of controllers.
async fn controllers<'s>(
    open: &Open,
    configuration: &str,
    stamps: impl Iterator<Item = &'s Stamp>,
) -> BTreeMap<Origin, String> {
    let mut found = BTreeMap::new();
    let base = format!("CN=Sites,{configuration}");
    let attributes = ["1.1".to_owned()];
    for origin in stamps.map(|stamp| &stamp.on).collect::<BTreeSet<_>>() {
        let name = match origin {
            Origin::Settings(settings) => Origin::name(settings),
            Origin::Invocation(id) => {
                let Some(filter) = crate::provider::active_directory::identifier::filter("invocationId", id) else {
                    continue;
                };
                let search = Search {
                    base: &base,
                    scope: Depth::Subtree,
                    filter: &filter,
                    attributes: &attributes,
                    page_size: 0,
                };
                let mut name = None;
                search::run(&open.session, &search, |entry| name = Origin::name(entry.dn)).await;
                name
            }
        };
        found.extend(name.map(|name| (origin.clone(), name)));
    }
    found
}
