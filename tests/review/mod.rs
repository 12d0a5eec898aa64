//! What a change means: the difference of two policies, held to the resolvers.

mod approvals;
mod properties;
