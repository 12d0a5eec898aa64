//! Every command's happy path and misuse, on a directory in one file: the built
//! binary in a hermetic environment, its output as small snapshots.

mod answers;
mod apply;
mod approvals;
mod approved;
mod codeowners;
mod constraints;
mod diff;
pub(crate) mod diff_git;
mod diff_real;
mod evidence;
mod harm;
pub(crate) mod harness;
mod judged;
mod misuse;
mod nesting;
mod plan;
mod policy_tests;
mod references;
mod revisions;
mod second;
mod services;
