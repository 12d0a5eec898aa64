//! WHAT PEOPLE SEE: plans, answers and findings as text, Markdown or JSON.
//!
//! Comes in: finished values of other stages. Goes out: text, escaped for its place.
//! Refuses: decisions, and printing (that is `cli`).

mod change;
mod outline;
mod page;

pub mod annotations;
pub mod answers;
pub mod approvals;
pub mod audience;
pub mod breaches;
pub mod calendar;
pub mod codeowners;
pub mod diagnostics;
pub mod drift;
pub mod escape;
pub mod outcome;
pub mod overdue;
pub mod plan_markdown;
pub mod plan_text;
pub mod policy_tests;
pub mod review;
pub mod review_markdown;
pub mod review_text;

#[cfg(test)]
mod sample;
