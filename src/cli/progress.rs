//! What is shown while something takes long.
//!
//! Comes in: what happens. Goes out: one moving line on stderr. Refuses: to be
//! anywhere but on a terminal (indicatif hides it elsewhere).

use crate::apply::Progress;
use crate::model::Change;
use crate::record::Status;
use crate::render::escape;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A line that says what is going on, for work of unknown length.
pub(super) fn waiting(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// How far an apply is. Clones show the same line.
#[derive(Debug, Clone)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar that begins with the run.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        // The template is a constant; were it wrong, the default bar would do.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} changes  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Takes the bar away: the table says the rest.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn started(&mut self, changes: usize, settled: usize) {
        self.0.set_length(changes as u64);
        self.0.set_position(settled as u64);
    }

    fn settled(&mut self, _change: &Change, _status: Status, _why: Option<&str>) {
        self.0.inc(1);
    }

    fn waiting(&mut self, directory: &str, why: &str, milliseconds: u64) {
        let why = format!("{directory}: {why}; trying again in {} s", milliseconds.div_ceil(1_000));
        self.0.set_message(escape::terminal(&why).into_owned());
    }

    fn reading(&mut self, directory: &str, objects: usize) {
        self.0.set_message(format!("reading {objects} objects of {} back", escape::terminal(directory)));
    }
}
