//! One property for each promise of the design, named after its number.

mod constraints;
mod derived;
mod explained;
mod nesting;
mod planner;
mod resolve;
mod scenario;
