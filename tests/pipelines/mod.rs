//! What pipelines get from accord: notes on lines, summaries, workflows; held against what
//! others published about those formats.

mod notes;
mod runs;
mod workflows;
