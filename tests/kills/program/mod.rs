//! The built binary, killed, interrupted and disturbed from outside.

mod bed;
mod disturbed;
mod killed;
mod machines;
mod passwords;
mod renamed;
mod view;
mod weeks;
