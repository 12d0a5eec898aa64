//! Groups whose members come in pieces.
//!
//! Comes in: `member;range=0-1499` and what follows. Goes out: which groups are still
//! to be asked, from which value on; what nobody asked for is a gap. Refuses: to take
//! a piece for the whole.

use super::collect::{Collector, Entry};
use super::table::Found;
use crate::model::state::GroupSlot;
use crate::provider::active_directory::range::{self, Piece};
use crate::provider::{GapScope, dn};
use std::collections::BTreeMap;

/// Groups of which not all members have come.
#[derive(Debug, Default)]
pub(super) struct Unfinished(BTreeMap<GroupSlot, Rest>);

/// What is missing of one group.
#[derive(Debug)]
struct Rest {
    dn: Box<str>,
    name: Box<str>,
    next: u64,
}

impl Unfinished {
    /// Takes note of a piece of a group's members.
    pub(super) fn piece(&mut self, group: GroupSlot, dn: &str, name: &str, piece: &Piece<'_>) {
        match piece.next {
            Some(next) => drop(self.0.insert(group, Rest { dn: dn.into(), name: name.into(), next })),
            None => drop(self.0.remove(&group)),
        }
    }
}

impl Collector<'_> {
    /// Groups whose next members must be asked for: DN, and how (`member;range=1500-*`).
    pub fn unfinished(&self) -> Vec<(String, String)> {
        let attribute = self.schema.member_attribute();
        self.unfinished.0.values().map(|rest| (rest.dn.to_string(), range::rest(attribute, rest.next))).collect()
    }

    /// Takes further members of a group that [`Self::unfinished`] names; says whether
    /// it brought any piece.
    pub fn more_members(&mut self, entry: &dyn Entry) -> bool {
        let Ok(key) = dn::key(entry.dn()) else { return false };
        let Some(Found::Group(group)) = self.table.get(&key) else { return false };
        let Some(before) = self.unfinished.0.get(&group).map(|rest| rest.next) else { return false };
        let wanted = self.schema.member_attribute();
        let mut seen: Option<Option<u64>> = None;
        entry.visit(&mut |attribute, value| {
            if let Some(piece) = range::parse(attribute).filter(|piece| piece.attribute.eq_ignore_ascii_case(wanted)) {
                seen = Some(piece.next);
                self.member(group, &key, &String::from_utf8_lossy(value));
            }
        });
        match seen {
            Some(None) => drop(self.unfinished.0.remove(&group)),
            Some(Some(next)) if next > before => {
                if let Some(rest) = self.unfinished.0.get_mut(&group) {
                    rest.next = next;
                }
            }
            _ => return false,
        }
        true
    }

    /// What is still missing is a gap.
    pub(super) fn judge_unfinished(&mut self) {
        let attribute = self.schema.member_attribute();
        for rest in std::mem::take(&mut self.unfinished.0).into_values() {
            let why = format!(
                "the server returned the first {} members of `{}` and not the rest (`{}`)",
                rest.next,
                rest.dn,
                range::rest(attribute, rest.next)
            );
            self.gap(GapScope::Group(rest.name.into()), why);
        }
    }
}
