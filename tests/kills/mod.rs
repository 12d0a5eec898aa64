//! Promise 8: nothing is lost, nothing that must happen once is repeated, whatever
//! instant the process dies at; and the journal that shows it cannot be changed
//! unseen.
//!
//! `killed` dies inside the library, at every single record; `program` kills the
//! built binary from outside, as an operator, a supervisor or a power cut does.

mod answers;
mod early;
mod graphs;
mod killed;
mod program;
mod story;
mod tampering;
