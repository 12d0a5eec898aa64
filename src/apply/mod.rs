//! MAKE IT SO: the only caller of `Writer::write`.
//!
//! Comes in: a plan, writers, a journal. Goes out: an outcome for every change.
//! Refuses: a plan that is not derived identically again.
