//! accord brings live directories into accord with what a git repository says.
//!
//! ```text
//! bytes ─source→ documents ─policy→ Policy ───────────────┐
//!       provider.read → References ───────────────────────┴─resolve(at)→ Desired ┐
//!       provider.read → Observed ────────────────────────────────────────────────┴─plan→ Plan ─apply→ Outcome ─record→ journal
//!                                                                                        └────── render ──────┘
//! ```
//!
//! * [`diagnostic`]: a finding, with code, place and help.
//! * [`model`]: the vocabulary: instants, names, states, changes.
//! * [`source`]: bytes of policy files.
//! * [`policy`]: WHAT IS WRITTEN.
//! * [`resolve`]: WHAT SHOULD BE.
//! * [`review`]: WHAT A CHANGE MEANS.
//! * [`provider`]: WHAT IS.
//! * [`plan`]: WHAT MUST CHANGE.
//! * [`record`]: WHAT WAS DONE.
//! * [`apply`]: MAKE IT SO.
//! * [`history`]: WHAT WAS.
//! * [`render`]: WHAT PEOPLE SEE.
//! * [`cli`]: one file per command.
//!
//! A module may use those above it in the table of ARCHITECTURE.md, never those below.

pub mod apply;
pub mod cli;
pub mod diagnostic;
pub mod history;
pub mod model;
pub mod plan;
pub mod policy;
pub mod provider;
pub mod record;
pub mod render;
pub mod resolve;
pub mod review;
pub mod source;
