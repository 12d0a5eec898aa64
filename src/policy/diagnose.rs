//! Every mistake of a file that does not read as a whole.
//!
//! Comes in: a [`Tree`] that the fast pass could not read. Goes out: one problem
//! for each smallest slice that cannot be read alone, and what is left to read.
//! Refuses: mistakes that only come from leaving the rest out.
//!
//! Terms: a *slice* is a node together with the bare path from the root to it.
//! Premise: if a slice reads without a mistake inside it, nothing inside it is
//! wrong. So:
//!
//! ```text
//! search(slice): read it with the types of the whole file
//!     no mistake, or one outside the node   → nothing wrong here
//!     otherwise search each child's slice   → what they find is the answer
//!     children find nothing                 → the mistake is the node's own
//! ```
//!
//! "Outside the node" are the complaints of its parents that the siblings are
//! missing, which they are only because the slice leaves them out. No type is
//! named here, so a new field needs no word in this module.

use super::yaml::{Problem, Tree, read_focused};
use serde::de::DeserializeOwned;

/// What was found, beside the problems that the tree itself had.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    /// One problem for each slice.
    pub(super) problems: Vec<Problem>,
    /// Whether a whole section or a whole entry of one cannot be read: then its
    /// name is not known, and names that are not found mean nothing.
    pub(super) lost: bool,
    /// Lines (first, last) of mappings of which a part cannot be read: what else is
    /// said about them may only follow from that.
    pub(super) damaged: Vec<(u32, u32)>,
}

/// Finds every mistake that reading `tree` as `T` meets, and hides it, so that the
/// rest can be read.
pub(super) fn diagnose<T: DeserializeOwned>(tree: &mut Tree<'_>) -> Diagnosis {
    let mut problems = Vec::new();
    search::<T>(tree, &mut vec![0], &mut problems);
    let (lost, damaged) = tree.damage();
    Diagnosis { problems, lost, damaged }
}

fn search<T: DeserializeOwned>(tree: &mut Tree<'_>, path: &mut Vec<u32>, found: &mut Vec<Problem>) {
    let Some(&node) = path.last() else { return };
    if mistake::<T>(tree, path, node).is_none() {
        return;
    }
    let before = found.len();
    for child in tree.values(node) {
        path.push(child);
        search::<T>(tree, path, found);
        path.pop();
    }
    let Some(problem) = mistake::<T>(tree, path, node) else { return };
    // What is missing because a part was wrong and is left out (an entry without its
    // selector) is a consequence and not said.
    let follows = matches!(problem.code, "missing-field" | "no-selector" | "misplaced-field") && tree.has_hidden(node);
    if found.len() == before && !follows {
        found.push(problem);
    }
    tree.hide(node);
}

/// What is wrong inside the slice that ends with `node`.
fn mistake<T: DeserializeOwned>(tree: &Tree<'_>, path: &[u32], node: u32) -> Option<Problem> {
    let error = read_focused::<T>(tree, path).err()?;
    (path.len() == 1 || tree.is_inside(error.node, node)).then_some(*error.problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::written::File;
    use crate::policy::yaml::read;

    fn problems(text: &str) -> Vec<String> {
        let mut tree = Tree::parse(text.as_bytes());
        let diagnosis = diagnose::<File>(&mut tree);
        read::<File>(&tree).unwrap();
        diagnosis
            .problems
            .iter()
            .map(|p| format!("{}:{} {}: {}", p.mark.line, p.mark.column, p.code, p.message))
            .collect()
    }

    #[test]
    fn every_slice_gives_its_own_problem_and_the_rest_is_read() {
        let text = r"
people:
  wei.chen: { nmae: Wei Chen, kind: [employee] }
  li.na: { name: Li Na, leave: [{ returns: 2026-01-02 }, { from: 2026-02-01, returns: }] }
roles:
  sre:
    grants: corp/sre
    members:
      - wei.chen
      - { person: li.na, role: x }
      - { persn: li.na }
      - person: li.na
        expires:
        direct: true
      - []
    except: [{ kinds: [contractor] }]
";
        assert_eq!(
            problems(text),
            [
                "3:15 unknown-field: there is no field `nmae` here",
                "3:37 wrong-type: expected text, found a list",
                "4:33 missing-field: `from` is missing here",
                "4:78 empty-date: `returns` has no value; an empty date does not mean \"never\"",
                "7:13 wrong-type: expected a list (`[…]`, or lines with `- `), found `corp/sre`",
                "10:9 two-selectors: this entry selects by `person` and by `role`; an entry has one selector",
                "11:11 unknown-field: there is no field `persn` here",
                "13:9 empty-date: `expires` has no value; an empty date does not mean \"never\"",
                "15:9 wrong-type: expected a person, or a mapping with one of `person`, `role`, `group`, `where`, …, found a list",
                "16:14 no-selector: this entry selects nobody",
            ]
        );
    }

    #[test]
    fn a_lost_entry_and_damaged_lines_are_told_apart() {
        let mut tree = Tree::parse(b"roles:\n  sre:\n    owner: [x]\n    members: [a]\n");
        let diagnosis = diagnose::<File>(&mut tree);
        assert!(!diagnosis.lost);
        assert_eq!(diagnosis.damaged, [(3, 4)]);
        let mut tree = Tree::parse(b"roles:\n  sre: x\n");
        assert!(diagnose::<File>(&mut tree).lost);
        let mut tree = Tree::parse(b"rolse:\n  sre: {}\n");
        assert!(diagnose::<File>(&mut tree).lost);
    }

    #[test]
    fn a_file_that_is_no_mapping_is_one_problem() {
        let mut tree = Tree::parse(b"- a\n- b\n");
        let diagnosis = diagnose::<File>(&mut tree);
        assert_eq!(diagnosis.problems.len(), 1);
        assert!(diagnosis.lost);
    }
}
