//! Rules over all positions: evaluated once per distinct combination of the
//! attributes that they read.
//!
//! Comes in: people in numbers, and the rules that entries use. Goes out: for a rule,
//! the positions on which it is true (or not false). Refuses: to evaluate anything twice.

use super::times::Facts;
use crate::policy::rule::{Attribute, Rule, Verdict, attribute};
use crate::policy::{Person, Policy, Position, RuleId, Select};
use hashbrown::HashTable;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// Positions grouped by the values of some attributes.
struct Combinations {
    /// Combination of each position.
    of: Vec<u32>,
    /// Positions by combination: `members[offsets[c]..offsets[c + 1]]`.
    offsets: Vec<u32>,
    members: Vec<u32>,
}

/// Verdicts of all rules that entries use.
pub(super) struct Rules<'p> {
    combinations: BTreeMap<Vec<&'p str>, Combinations>,
    /// By rule: the attributes read, sorted, and the verdict on each combination.
    verdicts: BTreeMap<RuleId, (Vec<&'p str>, Vec<Verdict>)>,
}

impl<'p> Rules<'p> {
    pub(super) fn new(facts: &Facts<'p>) -> Self {
        let policy = facts.policy;
        let used: BTreeSet<RuleId> = policy
            .entries
            .iter()
            .filter_map(|entry| match entry.select {
                Select::Where(rule) => Some(rule),
                _ => None,
            })
            .collect();
        let used: Vec<(RuleId, &'p Rule)> =
            used.into_iter().filter_map(|id| Some((id, policy.rules.get(id.0 as usize)?))).collect();
        if used.is_empty() {
            return Self { combinations: BTreeMap::new(), verdicts: BTreeMap::new() };
        }
        let all: Vec<(&'p Person, &'p Position)> =
            policy.people.iter().flat_map(|person| person.positions.iter().map(move |p| (person, p))).collect();
        let names: BTreeSet<&'p str> = used.iter().flat_map(|(_, rule)| rule.reads()).map(AsRef::as_ref).collect();
        let columns: BTreeMap<&str, Vec<u32>> =
            names.into_par_iter().map(|name| (name, column(policy, &all, name))).collect();
        let reads: BTreeSet<Vec<&'p str>> = used.iter().map(|(_, rule)| sorted_reads(rule)).collect();
        let combinations: BTreeMap<Vec<&'p str>, Combinations> = reads
            .into_par_iter()
            .map(|names| {
                let columns = names.iter().filter_map(|name| columns.get(name)).map(Vec::as_slice);
                let combinations = Combinations::new(all.len(), columns);
                (names, combinations)
            })
            .collect();
        let verdicts = used
            .par_iter()
            .map(|(id, rule)| {
                let reads = sorted_reads(rule);
                let verdicts = combinations.get(&reads).map(|c| c.verdicts(policy, rule, &all)).unwrap_or_default();
                (*id, (reads, verdicts))
            })
            .collect();
        Self { combinations, verdicts }
    }

    /// Numbers of the positions on which the rule is at least `least`, ascending.
    pub(super) fn positions(&self, rule: RuleId, least: Verdict) -> Vec<u32> {
        let Some((reads, verdicts)) = self.verdicts.get(&rule) else { return Vec::new() };
        let Some(combinations) = self.combinations.get(reads) else { return Vec::new() };
        let yes = |c: u32| verdicts.get(c as usize).is_some_and(|verdict| *verdict >= least);
        let groups = combinations.offsets.windows(2).zip(0u32..).filter(|(_, c)| yes(*c)).filter_map(|(pair, _)| {
            let [start, end] = pair else { return None };
            combinations.members.get(*start as usize..*end as usize)
        });
        let total: usize = groups.clone().map(<[u32]>::len).sum();
        if total > combinations.of.len() / 8 {
            return (0u32..).zip(&combinations.of).filter(|(_, c)| yes(**c)).map(|(n, _)| n).collect();
        }
        let mut out = Vec::with_capacity(total);
        groups.for_each(|group| out.extend_from_slice(group));
        out.sort_unstable();
        out
    }
}

fn sorted_reads(rule: &Rule) -> Vec<&str> {
    let mut reads: Vec<&str> = rule.reads().iter().map(AsRef::as_ref).collect();
    reads.sort_unstable();
    reads
}

/// The values of one attribute over all positions, as numbers from 1; 0 is missing.
fn column<'p>(policy: &'p Policy, all: &[(&'p Person, &'p Position)], name: &str) -> Vec<u32> {
    let hasher = rustc_hash::FxBuildHasher;
    let mut values: Vec<Attribute<'p>> = Vec::new();
    let mut table: HashTable<u32> = HashTable::new();
    let mut number = |value: Attribute<'p>| {
        let hash = hasher.hash_one(value);
        let same = |n: &u32| values.get(*n as usize) == Some(&value);
        if let Some(n) = table.find(hash, same) {
            return *n + 1;
        }
        let n = u32::try_from(values.len()).unwrap_or(u32::MAX - 1);
        values.push(value);
        table.insert_unique(hash, n, |n| values.get(*n as usize).map_or(0, |value| hasher.hash_one(value)));
        n + 1
    };
    all.iter().map(|(person, position)| attribute(policy, person, position, name).map_or(0, &mut number)).collect()
}

impl Combinations {
    fn new<'c>(positions: usize, columns: impl Iterator<Item = &'c [u32]>) -> Self {
        let mut of = vec![0u32; positions];
        let mut count = u32::from(positions > 0);
        for column in columns {
            count = combine(&mut of, column);
        }
        let mut offsets = vec![0u32; count as usize + 1];
        for c in &of {
            if let Some(cell) = offsets.get_mut(*c as usize + 1) {
                *cell += 1;
            }
        }
        let mut sum = 0;
        for cell in &mut offsets {
            sum += *cell;
            *cell = sum;
        }
        let mut next = offsets.clone();
        let mut members = vec![0u32; positions];
        for (n, c) in (0u32..).zip(&of) {
            if let Some(cell) = next.get_mut(*c as usize) {
                if let Some(member) = members.get_mut(*cell as usize) {
                    *member = n;
                }
                *cell += 1;
            }
        }
        Self { of, offsets, members }
    }

    /// The rule's verdict on each combination, found on its first position.
    fn verdicts(&self, policy: &Policy, rule: &Rule, all: &[(&Person, &Position)]) -> Vec<Verdict> {
        let first = self.offsets.iter().take(self.offsets.len().saturating_sub(1));
        let positions = first.filter_map(|n| self.members.get(*n as usize)).filter_map(|n| all.get(*n as usize));
        positions.map(|(person, position)| rule.verdict(policy, person, position)).collect()
    }
}

/// Refines `of` by one more column; returns the number of combinations.
fn combine(of: &mut [u32], column: &[u32]) -> u32 {
    let hasher = rustc_hash::FxBuildHasher;
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    let mut table: HashTable<u32> = HashTable::new();
    for (cell, value) in of.iter_mut().zip(column) {
        let pair = (*cell, *value);
        let hash = hasher.hash_one(pair);
        *cell = if let Some(n) = table.find(hash, |n| pairs.get(*n as usize) == Some(&pair)) {
            *n
        } else {
            let n = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
            pairs.push(pair);
            table.insert_unique(hash, n, |n| pairs.get(*n as usize).map_or(0, |pair| hasher.hash_one(pair)));
            n
        };
    }
    u32::try_from(pairs.len()).unwrap_or(u32::MAX)
}
