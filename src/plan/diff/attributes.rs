//! Comparing values: sets, under the matching rule of their attribute.
//!
//! Comes in: one account or group on both sides. Goes out: the differing
//! attributes with their values before and after. Refuses: to compare text that
//! the directory would call equal as different, and attributes that were not read.

use super::Diff;
use super::place::Belongs;
use crate::model::state::AccountRef;
use crate::model::{Matching, Side};

/// Whether two lists hold the same values in any order.
pub(super) fn same_values<'v>(
    matching: Matching,
    mut a: impl Iterator<Item = &'v str> + Clone,
    mut b: impl Iterator<Item = &'v str> + Clone,
) -> bool {
    let (all_a, all_b) = (a.clone(), b.clone());
    match (a.next(), a.next(), b.next(), b.next()) {
        (None, _, None, _) => return true,
        (Some(x), None, Some(y), None) if x == y => return true,
        (Some(x), None, Some(y), None) => return matching.key(x) == matching.key(y),
        _ => {}
    }
    let keys = |values: &mut dyn Iterator<Item = &'v str>| {
        let mut keys: Vec<String> = values.map(|value| matching.key(value).into_owned()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    keys(&mut all_a.into_iter()) == keys(&mut all_b.into_iter())
}

fn insert(side: &mut Side, name: &str, values: Vec<String>) {
    if !values.is_empty() {
        side.insert(name.to_owned(), values);
    }
}

impl Diff<'_> {
    /// The differing attributes of an account: before and after, both empty when
    /// nothing differs.
    pub(super) fn account_sides(&self, desired: AccountRef<'_>, observed: AccountRef<'_>) -> (Side, Side) {
        let (mut before, mut after) = (Side::new(), Side::new());
        for (n, name) in self.desired.state.attributes().iter().enumerate() {
            // Both lists come from the kind's scope; an attribute that was not read is not compared.
            let position = match self.observed.attributes().get(n) {
                Some(same) if same == name => Some(n),
                _ => self.observed.attributes().iter().position(|other| other == name),
            };
            let Some(position) = position else { continue };
            let mut wanted = desired.values(n);
            let mut held = observed.values(position);
            // The usual case costs no allocation.
            match (wanted.next(), wanted.next(), held.next(), held.next()) {
                (None, _, None, _) => continue,
                (Some(x), None, Some(y), None) if x == y => continue,
                _ => {}
            }
            let mut wanted: Vec<&str> = desired.values(n).collect();
            let held: Vec<&str> = observed.values(position).collect();
            if self.kind.names_accounts(name) {
                wanted.retain(|wanted| self.can_be_named(wanted));
                if let ([wanted], [held]) = (&wanted[..], &held[..])
                    && self.is_renamed(wanted, held)
                {
                    continue;
                }
            }
            if !same_values(self.kind.matching(name), wanted.iter().copied(), held.iter().copied()) {
                insert(&mut before, name, held.into_iter().map(str::to_owned).collect());
                insert(&mut after, name, wanted.into_iter().map(str::to_owned).collect());
            }
        }
        if let (Some(attribute), Some(id), None) =
            (&self.settings().accounts.id_attribute, desired.person_id(), observed.person_id())
        {
            insert(&mut after, attribute, vec![id.to_owned()]);
        }
        (before, after)
    }

    /// The native end, where the directory holds one and it differs.
    pub(super) fn end_sides(
        &self,
        desired: AccountRef<'_>,
        observed: AccountRef<'_>,
        before: &mut Side,
        after: &mut Side,
    ) {
        if self.capabilities.native_end && desired.ends() != observed.ends() {
            insert(before, "ends", observed.ends().iter().map(ToString::to_string).collect());
            insert(after, "ends", desired.ends().iter().map(ToString::to_string).collect());
        }
    }

    /// What a new account carries, and whether it can be used.
    pub(super) fn new_account(&self, desired: AccountRef<'_>, usable: bool) -> Side {
        let mut after = Side::new();
        for (n, name) in self.desired.state.attributes().iter().enumerate() {
            let named = |value: &&str| !self.kind.names_accounts(name) || self.can_be_named(value);
            insert(&mut after, name, desired.values(n).filter(named).map(str::to_owned).collect());
        }
        if let (Some(attribute), Some(id)) = (&self.settings().accounts.id_attribute, desired.person_id()) {
            insert(&mut after, attribute, vec![id.to_owned()]);
        }
        insert(&mut after, "name", vec![desired.name().to_owned()]);
        if let Belongs::Below(base) = self.belongs(desired) {
            insert(&mut after, "base", vec![base.to_owned()]);
        }
        insert(&mut after, "enabled", vec![usable.to_string()]);
        if self.capabilities.native_end {
            insert(&mut after, "ends", desired.ends().iter().map(ToString::to_string).collect());
        }
        after
    }

    /// The differing attributes of a group. Only what the policy writes is compared.
    pub(super) fn group_sides(
        &self,
        desired: &[(Box<str>, Vec<Box<str>>)],
        observed: &[(Box<str>, Vec<Box<str>>)],
    ) -> (Side, Side) {
        let (mut before, mut after) = (Side::new(), Side::new());
        for (name, wanted) in desired {
            let held = observed
                .iter()
                .find(|(other, _)| other.eq_ignore_ascii_case(name))
                .map_or(&[][..], |(_, values)| values);
            if !same_values(self.kind.matching(name), wanted.iter().map(AsRef::as_ref), held.iter().map(AsRef::as_ref))
            {
                insert(&mut before, name, held.iter().map(ToString::to_string).collect());
                insert(&mut after, name, wanted.iter().map(ToString::to_string).collect());
            }
        }
        (before, after)
    }
}
