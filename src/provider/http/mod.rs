//! JSON over HTTPS, for every service that speaks it.
//!
//! Comes in: a base URL, a token, limits. Goes out: decoded answers, whole lists with
//! evidence that they are whole. Refuses: clear text to anything but loopback, servers
//! that do not prove who they are, redirects and further pages on another origin, answers
//! larger than the limit, what is not exactly the JSON that was asked for, and to print a
//! token.
//!
//! Only safe requests (RFC 9110 §9.2.1) are here, and only those are ever sent again.

mod address;
mod client;
mod errors;
mod pages;
mod patience;

pub use address::Base;
pub use client::{Client, Limits, Login, Proxy, Settings};
pub use pages::Pages;

/// One question to a service.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is done, for messages: `read the reviews of`.
    pub operation: &'a str,
    /// What it is done to, for messages: `example/access#12`.
    pub object: &'a str,
    /// What comes after the base URL, each part by itself and not encoded.
    pub path: &'a [&'a str],
    /// Names and values of the query, not encoded.
    pub query: &'a [(&'a str, &'a str)],
}
