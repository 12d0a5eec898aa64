//! Benchmarks of the core (filled in by the modules they measure).

fn main() {}
