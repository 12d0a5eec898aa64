//! WHAT WAS: the policy at a commit, and what the work tree is in git.
//!
//! Comes in: a repository and a revision. Goes out: the commit, whether files
//! differ, and a source of policies at a commit. Refuses: to write to git.
