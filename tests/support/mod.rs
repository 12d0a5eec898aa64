//! What the tests share: organisations, servers, proxies.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail by panicking"
)]

pub(crate) mod certificates;
pub(crate) mod ldap;
pub(crate) mod policies;
pub(crate) mod proxy;
pub(crate) mod slapd;
