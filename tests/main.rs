//! The one integration-test binary: one module per promise, contract or command.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails by panicking; switches of the suite come from the environment"
)]

mod support;

mod active_directory;
mod architecture;
mod catalogue;
mod cli;
mod contract;
mod disasters;
mod examples;
mod faults;
mod forge;
mod fuzz_bodies;
mod http;
mod incremental;
#[cfg(feature = "gssapi")]
mod kerberos;
mod kills;
mod ldap_moves;
mod ldap_writes;
mod memberships;
mod native;
mod pipelines;
mod promises;
mod real_data;
mod redaction;
mod resolve;
mod review;
mod schema;
mod secrets;
