//! The journal of this machine beside the one that machines share.
//!
//! Comes in: run files that differ. Goes out: which of the two goes on, and what this machine
//! wrote that the shared one does not hold. Refuses: two journals that never were one.
//!
//! The shared journal decides: what stands in it others may have built on. A run that could
//! not push its end has records that only this machine holds; when others went on meanwhile,
//! those are set aside whole, and the next run here writes them into the shared chain
//! ([`super::entry::Late`]).

use std::collections::{BTreeMap, BTreeSet};

/// The files of a journal: run → its bytes, for the runs that differ; and the names of all.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// Every run, in the order of the chain.
    pub runs: Vec<String>,
    /// The bytes of runs that the other side does not have, or has otherwise.
    pub differing: BTreeMap<String, Vec<u8>>,
}

/// What becomes of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// This machine holds all that is shared, and perhaps more: nothing changes here.
    Ahead,
    /// The shared files take the place of those here.
    Behind {
        /// Run → the lines that only this machine holds.
        late: BTreeMap<String, Vec<u8>>,
        /// Runs here that are not shared; their lines are among `late`.
        gone: Vec<String>,
    },
    /// The two have no run in common.
    Unrelated,
}

/// Compares what is here with what is shared.
pub fn merge(here: &Side, shared: &Side) -> Merge {
    let names: BTreeSet<&String> = here.runs.iter().collect();
    let theirs: BTreeSet<&String> = shared.runs.iter().collect();
    let bytes = |side: &Side, run: &String| side.differing.get(run).cloned().unwrap_or_default();
    if shared.runs.is_empty() {
        return Merge::Ahead;
    }
    if !here.runs.is_empty() {
        // One journal begins with one run.
        let same = |run: &&String| {
            let (ours, other) = (bytes(here, run), bytes(shared, run));
            ours.iter().take_while(|b| **b != b'\n').eq(other.iter().take_while(|b| **b != b'\n'))
        };
        if !here.runs.first().is_some_and(|first| shared.runs.first() == Some(first) && same(&first)) {
            return Merge::Unrelated;
        }
    }
    let is_last = |run: &String| shared.runs.last() == Some(run);
    let holds = |run: &String| {
        let (ours, other) = (bytes(here, run), bytes(shared, run));
        names.contains(run) && (ours == other || (is_last(run) && ours.starts_with(&other)))
    };
    let further: Vec<&String> = here.runs.iter().filter(|run| !theirs.contains(run)).collect();
    let at_the_end = here.runs.iter().rev().take(further.len()).all(|run| !theirs.contains(run));
    if shared.runs.iter().all(holds) && at_the_end {
        return Merge::Ahead;
    }
    let late = here.runs.iter().filter_map(|run| {
        let rest = surplus(&bytes(here, run), &bytes(shared, run));
        (!rest.is_empty()).then(|| (run.clone(), rest))
    });
    Merge::Behind { late: late.collect(), gone: further.into_iter().cloned().collect() }
}

/// Whole lines here after those that both have.
fn surplus(here: &[u8], shared: &[u8]) -> Vec<u8> {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")).map(<[u8]>::to_vec).collect()
    };
    let (here, shared) = (lines(here), lines(shared));
    let common = here.iter().zip(&shared).take_while(|(a, b)| a == b).count();
    here.into_iter().skip(common).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(runs: &[(&str, &str)]) -> Side {
        let differing = runs.iter().map(|(run, text)| ((*run).to_owned(), text.as_bytes().to_vec()));
        Side { runs: runs.iter().map(|(run, _)| (*run).to_owned()).collect(), differing: differing.collect() }
    }

    #[test]
    fn what_is_shared_decides_and_nothing_is_lost() {
        let shared = side(&[("r1", "a\nb\n"), ("r2", "c\n")]);
        assert_eq!(merge(&side(&[]), &Side::default()), Merge::Ahead);
        assert_eq!(merge(&shared, &Side::default()), Merge::Ahead, "the first that is shared");
        assert_eq!(merge(&shared, &shared), Merge::Ahead);
        let more = side(&[("r1", "a\nb\n"), ("r2", "c\nd\n"), ("r3", "e\n")]);
        assert_eq!(merge(&more, &shared), Merge::Ahead, "killed before it could push");
        let nothing = Merge::Behind { late: BTreeMap::new(), gone: Vec::new() };
        assert_eq!(merge(&side(&[]), &shared), nothing, "a fresh machine");
        assert_eq!(merge(&side(&[("r1", "a\n")]), &shared), nothing);
        // Others went on after the part of r1 that was shared.
        let apart = side(&[("r1", "a\nb\nx\ny\ntorn"), ("r9", "z\n")]);
        let Merge::Behind { late, gone } = merge(&apart, &shared) else { panic!() };
        let text = |run: &str| String::from_utf8(late[run].clone()).unwrap();
        assert_eq!((text("r1").as_str(), text("r9").as_str(), gone), ("x\ny\n", "z\n", vec!["r9".to_owned()]));
        assert_eq!(merge(&side(&[("r0", "q\n")]), &shared), Merge::Unrelated);
        assert_eq!(merge(&side(&[("r1", "q\n")]), &shared), Merge::Unrelated);
    }
}
