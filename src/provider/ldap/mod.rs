//! Directories that speak LDAP (RFC 4511): OpenLDAP and its relatives.
//!
//! Comes in: settings, a password. Goes out: readings with evidence, answers to
//! writes. Refuses: unverified TLS, clear text beyond loopback, anything but success
//! as completeness, credential attributes.

mod connect;
mod errors;
mod search;
mod tls;
