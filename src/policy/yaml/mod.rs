//! Strict YAML 1.2 for policies: the only place that knows YAML.
//!
//! Comes in: bytes of one file. Goes out: a [`Tree`] with the place of every node,
//! and through serde any written type. Refuses: what lets one file be read in two
//! ways: two equal keys, explicit tags, anchors, aliases, merge keys, directives,
//! several documents, text that is not UTF-8, and empty values (`expires:` with
//! nothing behind it is not "never").
//!
//! The events are those of the parser under `serde-saphyr`. Its own deserializer
//! is not used, because it stops at the first error, reads an empty value into an
//! `Option` as absent, drops unknown tags from `where: !x`, and loses places under
//! flattened types; here one tree serves the typed reading, the search for every
//! further error, and later questions for a place. The tests compare the two.

mod error;
mod problem;
mod read;
mod syntax;
mod tree;

pub use error::Error;
pub use problem::Problem;
pub use read::read;
pub(in crate::policy) use read::read_focused;
pub use tree::{MAX_BYTES, Tree};

use super::written::Found;

/// The place of a setting by its path of keys and list positions, for findings about
/// values that carry no place of their own (`guardrails`, `minimum_members`,
/// `corp/admins`).
pub fn locate(bytes: &[u8], path: &[&str]) -> Option<Found> {
    Tree::parse(bytes).find(path)
}

#[cfg(test)]
mod tests;
