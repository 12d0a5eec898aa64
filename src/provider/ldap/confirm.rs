//! Whether single memberships are there, without reading their groups.
//!
//! Comes in: grants and revokes. Goes out: for each whether the directory shows it in
//! effect now. Refuses: to say that something is not in effect: only a read does.
//!
//! One search of the group itself with a filter that is true if all values are as
//! written. What access control hides makes it undefined, which finds nothing.

use super::{Open, search};
use crate::model::Action;
use crate::provider::Step;
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;

/// Groups asked about at once: as many as are written at once.
const IN_FLIGHT: usize = 256;

/// One answer per step, in their order.
pub(super) async fn confirm(open: &Open, steps: &[Step<'_>]) -> Vec<bool> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (n, step) in steps.iter().enumerate() {
        let group = step.handle.clone().or_else(|| Some(open.schema.group_dn(step.change.object.group.as_deref()?)));
        if let Some(group) = group {
            groups.entry(group).or_default().push(n);
        }
    }
    let mut shown = vec![false; steps.len()];
    let mut asked = stream::iter(groups)
        .map(|(group, members)| async move {
            let is_so = match filter(open, members.iter().filter_map(|n| steps.get(*n))) {
                Some(filter) => {
                    let found = search::base(&open.session, &group, &filter, &["1.1".to_owned()], |_| ()).await;
                    matches!(found, Ok(Some(())))
                }
                None => false,
            };
            (members, is_so)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some((members, is_so)) = asked.next().await {
        for n in members {
            if let Some(cell) = shown.get_mut(n) {
                *cell = is_so;
            }
        }
    }
    shown
}

/// True of a group in which all `steps` are in effect.
fn filter<'s>(open: &Open, steps: impl Iterator<Item = &'s Step<'s>>) -> Option<String> {
    let attribute = open.schema.member_attribute();
    let mut parts = String::new();
    for step in steps {
        let value = open.schema.member_value(step).ok()?;
        let equal = format!("({attribute}={})", ldap3::ldap_escape(value));
        match step.change.action {
            Action::Grant => parts.push_str(&equal),
            Action::Revoke => parts.extend(["(!", &equal, ")"]),
            _ => return None,
        }
    }
    // A search that no filter limits would find any entry of that name.
    (!parts.is_empty()).then(|| format!("(&(objectClass={}){parts})", open.schema.group_class_name()))
}
