//! Benchmarks of the core: one file in `core/` for each part, no directory needed.
//! `cargo bench --bench core [filter]`.

#[path = "core/load.rs"]
mod load;

fn main() {
    divan::main();
}
