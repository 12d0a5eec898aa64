//! The one integration-test binary: one module per promise, contract or command.

mod support;

mod architecture;
mod catalogue;
mod cli;
mod contract;
mod disasters;
mod examples;
mod faults;
mod fuzz_bodies;
mod kills;
mod ldap_writes;
mod memberships;
mod promises;
mod real_data;
mod resolve;
mod schema;
