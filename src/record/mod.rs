//! WHAT WAS DONE: the journal, the lock, the memory of earlier runs.
//!
//! Comes in: intents and outcomes of `apply`. Goes out: an append-only, hash-chained
//! file per run, and what earlier runs know. Refuses: personal values and secrets.
