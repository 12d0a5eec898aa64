//! The commands: the only user of clock, environment, terminal and secrets.
//!
//! Comes in: arguments. Goes out: text on stdout and stderr, an exit code. Refuses:
//! to decide anything about access.
