//! What a change means: the difference of two policies, held to the resolvers.

mod approvals;
mod policy_tests;
mod properties;
