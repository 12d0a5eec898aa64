//! What is shown while something takes long.
//!
//! Comes in: how many of how many. Goes out: one moving line on stderr. Refuses: to
//! be anywhere but on a terminal (indicatif hides it elsewhere).

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A line that says what is going on, for work of unknown length.
pub(super) fn waiting(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar for so many changes.
pub(super) fn changes(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    // The template is a constant; were it wrong, the default bar would do.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} changes  {elapsed}") {
        bar.set_style(style);
    }
    bar
}
