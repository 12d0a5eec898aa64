//! accord (skeleton)
pub mod diagnostic;
pub mod model;
pub mod plan;
pub mod policy;
pub mod provider;
pub mod resolve;
