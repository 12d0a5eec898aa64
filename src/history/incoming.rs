//! How a commit came into a branch: whether it is what merging another one gives.
//!
//! Comes in: a repository, commits. Goes out: the commits of a branch from one to another,
//! and proof that one of them holds nothing but what a reviewed commit brought. Refuses: to
//! believe a message, a name or a second parent (whoever makes a merge may put anything into
//! it), and to write objects: what a merge makes is kept in memory.

use super::{HistoryError, Place};
use git2::{Commit, ErrorCode, MergeOptions, Oid, Repository, Tree};
use std::path::Path;

/// Most commits of a branch that are looked at between two others.
const MOST: usize = 10_000;

/// A branch with the policies in it, as commits are asked about one after the other.
pub struct Branch {
    place: Place,
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branch").field("inside", &self.place.inside).finish_non_exhaustive()
    }
}

impl Branch {
    /// The repository around `folder` (`…/policies`); `None` where there is none.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn open(folder: &Path) -> Result<Option<Self>, HistoryError> {
        let Some(place) = Place::find(folder)? else { return Ok(None) };
        let wrong = |error: &git2::Error| HistoryError::new("git's objects cannot be read", error);
        let odb = place.repository.odb().map_err(|error| wrong(&error))?;
        // Before all others: what a merge makes goes there, and is gone with it.
        odb.add_new_mempack_backend(1_000).map_err(|error| wrong(&error))?;
        drop(odb);
        Ok(Some(Self { place }))
    }

    /// Whether git has the commit here.
    pub fn has(&self, commit: &str) -> bool {
        self.commit(commit).is_ok()
    }

    /// The commits after `from` up to `to`, by first parents, oldest first; `None` where
    /// that way does not lead to `from`, or is longer than 10,000 commits.
    ///
    /// # Errors
    /// When git does not have `to`.
    pub fn after(&self, from: &str, to: &str) -> Result<Option<Vec<String>>, HistoryError> {
        let mut found = Vec::new();
        let mut commit = self.commit(to)?;
        while commit.id().to_string() != from {
            found.push(commit.id().to_string());
            let Ok(parent) = commit.parent(0) else { return Ok(None) };
            if found.len() > MOST {
                return Ok(None);
            }
            commit = parent;
        }
        found.reverse();
        Ok(Some(found))
    }

    /// Whether two commits hold the same policies.
    ///
    /// # Errors
    /// When git does not have one of them.
    pub fn same(&self, one: &str, other: &str) -> Result<bool, HistoryError> {
        let tree = |commit: &str| self.policies(&self.commit(commit)?).map(|tree| tree.map(|tree| tree.id()));
        Ok(tree(one)? == tree(other)?)
    }

    /// Where `commit` holds exactly the policies that merging `head` into `onto` gives, the
    /// commit at which those two parted: what a review of `head` is a review against.
    /// A merge with conflicts gives nothing: somebody decided what no review showed.
    ///
    /// # Errors
    /// When git does not have one of them, or cannot read its objects.
    pub fn merge_of(&self, commit: &str, onto: &str, head: &str) -> Result<Option<String>, HistoryError> {
        let wrong = |error: &git2::Error| {
            HistoryError::new(format!("whether `{commit}` is the merge of `{head}` cannot be told"), error)
        };
        let repository = &self.place.repository;
        let (made, ours, theirs) = (self.commit(commit)?, self.commit(onto)?, self.commit(head)?);
        let parted = match repository.merge_base(ours.id(), theirs.id()) {
            Ok(parted) => repository.find_commit(parted).map_err(|error| wrong(&error))?,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&error)),
        };
        let found = parted.id().to_string();
        let tree = |commit: &Commit<'_>| -> Result<Option<Oid>, HistoryError> {
            Ok(self.policies(commit)?.map(|tree| tree.id()))
        };
        let [made_of, ours_of, theirs_of, parted_of] = [tree(&made)?, tree(&ours)?, tree(&theirs)?, tree(&parted)?];
        if theirs_of == parted_of {
            // It brings nothing.
            return Ok((made_of == ours_of).then_some(found));
        }
        if ours_of == parted_of {
            return Ok((made_of == theirs_of).then_some(found));
        }
        let (Some(ours), Some(theirs), Some(parted)) =
            (self.policies(&ours)?, self.policies(&theirs)?, self.policies(&parted)?)
        else {
            return Ok(None);
        };
        let options = MergeOptions::new();
        let mut merged =
            repository.merge_trees(&parted, &ours, &theirs, Some(&options)).map_err(|error| wrong(&error))?;
        if merged.has_conflicts() {
            return Ok(None);
        }
        let merged = merged.write_tree_to(repository).map_err(|error| wrong(&error))?;
        Ok((Some(merged) == made_of).then_some(found))
    }

    fn commit(&self, name: &str) -> Result<Commit<'_>, HistoryError> {
        let repository: &Repository = &self.place.repository;
        let found = Oid::from_str(name).and_then(|id| repository.find_commit(id));
        found.map_err(|error| HistoryError::new(format!("git does not have the commit `{name}` here"), &error))
    }

    /// The folder of the policies in a commit; `None` where it has none.
    fn policies(&self, commit: &Commit<'_>) -> Result<Option<Tree<'_>>, HistoryError> {
        let wrong = |error: &git2::Error| HistoryError::new(format!("`{}` cannot be read", commit.id()), error);
        let repository = &self.place.repository;
        let tree = commit.tree().map_err(|error| wrong(&error))?;
        let id = if self.place.inside.as_os_str().is_empty() {
            tree.id()
        } else {
            match tree.get_path(&self.place.inside) {
                Ok(entry) => entry.id(),
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(wrong(&error)),
            }
        };
        repository.find_tree(id).map(Some).map_err(|error| wrong(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::{IndexAddOption, Signature, Time};

    struct Story {
        folder: tempfile::TempDir,
        git: Repository,
    }

    impl Story {
        fn begin() -> (Self, String) {
            let folder = tempfile::tempdir().unwrap();
            let git = Repository::init(folder.path()).unwrap();
            let story = Self { folder, git };
            let first = story.commit(&[], &[("a", "1\n2\n3\n4\n5\n"), ("b", "b\n")]);
            (story, first)
        }

        /// A commit of these parents with the first one's files and these of the policies.
        fn commit(&self, parents: &[&str], files: &[(&str, &str)]) -> String {
            let parents: Vec<Commit<'_>> =
                parents.iter().map(|id| self.git.find_commit(Oid::from_str(id).unwrap()).unwrap()).collect();
            let mut index = self.git.index().unwrap();
            index.clear().unwrap();
            let policies = self.folder.path().join("policies");
            let _ = std::fs::remove_dir_all(&policies);
            std::fs::create_dir_all(&policies).unwrap();
            if let Some(first) = parents.first() {
                let mut checkout = git2::build::CheckoutBuilder::new();
                checkout.force().remove_untracked(true);
                self.git.checkout_tree(first.tree().unwrap().as_object(), Some(&mut checkout)).unwrap();
            }
            for (name, text) in files {
                std::fs::write(policies.join(name), text).unwrap();
            }
            index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
            let tree = self.git.find_tree(index.write_tree().unwrap()).unwrap();
            let who = Signature::new("t", "t@example.com", &Time::new(1_772_366_400, 0)).unwrap();
            let parents: Vec<&Commit<'_>> = parents.iter().collect();
            self.git.commit(None, &who, &who, "m", &tree, &parents).unwrap().to_string()
        }

        fn branch(&self) -> Branch {
            Branch::open(&self.folder.path().join("policies")).unwrap().unwrap()
        }

        fn objects(&self) -> usize {
            let mut count = 0;
            self.git
                .odb()
                .unwrap()
                .foreach(|_| {
                    count += 1;
                    true
                })
                .unwrap();
            count
        }
    }

    #[test]
    fn a_merge_a_squash_and_a_branch_that_was_moved_are_what_was_reviewed() {
        let (story, first) = Story::begin();
        let head = story.commit(&[&first], &[("a", "1\n2\n3\n4\nfive\n")]);
        let other = story.commit(&[&first], &[("a", "one\n2\n3\n4\n5\n")]);
        let both = ("a", "one\n2\n3\n4\nfive\n");
        let merge = story.commit(&[&other, &head], &[both]);
        let squash = story.commit(&[&other], &[both]);
        let before = story.objects();
        let branch = story.branch();
        for made in [&merge, &squash] {
            assert_eq!(branch.merge_of(made, &other, &head).unwrap().as_ref(), Some(&first));
        }
        assert_eq!(branch.merge_of(&head, &first, &head).unwrap().as_ref(), Some(&first), "moved to it");
        assert_eq!(branch.after(&first, &merge).unwrap().unwrap(), [other.clone(), merge.clone()]);
        assert_eq!(branch.after(&head, &merge).unwrap(), None, "it is not on the branch, only merged into it");
        assert!(branch.same(&merge, &squash).unwrap() && !branch.same(&merge, &head).unwrap());
        assert!(branch.has(&head) && !branch.has(&"0".repeat(40)));
        drop(branch);
        assert_eq!(story.objects(), before, "asking wrote into the repository");
    }

    #[test]
    fn what_nobody_reviewed_is_no_merge_of_what_somebody_did() {
        let (story, first) = Story::begin();
        let head = story.commit(&[&first], &[("a", "1\n2\n3\n4\nfive\n")]);
        let other = story.commit(&[&first], &[("a", "one\n2\n3\n4\n5\n")]);
        let clash = story.commit(&[&first], &[("a", "1\n2\n3\n4\nFIVE\n")]);
        let branch = story.branch();
        // A merge by hand that brings a line of its own along; that lets the head's go; that
        // takes back what the branch had.
        for text in ["one\n2\nthree\n4\nfive\n", "one\n2\n3\n4\n5\n", "1\n2\n3\n4\nfive\n"] {
            let made = story.commit(&[&other, &head], &[("a", text)]);
            assert_eq!(branch.merge_of(&made, &other, &head).unwrap(), None, "{text}");
        }
        let made = story.commit(&[&other, &head], &[("a", "one\n2\n3\n4\nfive\n"), ("c", "c\n")]);
        assert_eq!(branch.merge_of(&made, &other, &head).unwrap(), None, "a file of its own");
        let made = story.commit(&[&clash, &head], &[("a", "1\n2\n3\n4\nfive\n")]);
        assert_eq!(branch.merge_of(&made, &clash, &head).unwrap(), None, "a conflict that somebody decided");
        let lone = story.commit(&[], &[("a", "1\n")]);
        assert_eq!(branch.merge_of(&lone, &first, &lone).unwrap(), None, "nothing in common");
        assert!(branch.merge_of(&made, &clash, &"0".repeat(40)).is_err());
    }
}
