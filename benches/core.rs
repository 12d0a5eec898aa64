//! Benchmarks of the core: one file in `core/` for each part, no directory needed.
//! `cargo bench --bench core [filter]`; the filter `million` runs the one measurement
//! that is too large to repeat, with its memory.

#[path = "core/load.rs"]
mod load;
#[path = "core/plan.rs"]
mod plan;
#[path = "core/resolve.rs"]
mod resolve;
#[path = "core/review.rs"]
mod review;

fn main() {
    if std::env::args().skip(1).any(|filter| filter == "million") {
        resolve::run();
    } else {
        divan::main();
    }
}
