//! The body of `tests/fuzz_bodies/snapshot.rs`, driven by libFuzzer.
#![no_main]
#![expect(dead_code, reason = "the corpus beside the body belongs to the test suite")]

#[path = "../../fuzz_bodies/snapshot.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::body(bytes));
