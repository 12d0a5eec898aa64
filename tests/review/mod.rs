//! What a change means: the difference of two policies, held to the resolvers.

mod approvals;
mod breaches;
mod policy_tests;
mod properties;
