//! Promise 8: nothing is lost, nothing that must happen once is repeated, whatever
//! instant the process dies at; and the journal that shows it cannot be changed
//! unseen.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that cannot go on fails loudly"
)]

mod answers;
mod graphs;
mod killed;
mod story;
mod tampering;
