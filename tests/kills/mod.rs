//! Promise 8: nothing is lost, nothing that must happen once is repeated, whatever
//! instant the process dies at; and the journal that shows it cannot be changed
//! unseen.

mod answers;
mod graphs;
mod killed;
mod story;
mod tampering;
