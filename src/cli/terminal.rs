//! The two streams: data on stdout, everything else on stderr.
//!
//! Comes in: finished, escaped text that may carry colour. Goes out: bytes, without
//! colour where it is not wanted. Refuses: to be written to by anybody but `cli`.

use super::failure::Failure;
use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};

/// Where a command speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    choice: anstream::ColorChoice,
}

impl Terminal {
    /// A terminal that colours as asked.
    pub(super) fn new(color: clap::ColorChoice) -> Self {
        let choice = match color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self { choice }
    }

    /// Data, to stdout.
    ///
    /// # Errors
    /// [`Failure::BrokenPipe`] when nobody reads any more.
    pub(super) fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = AutoStream::new(io::stdout().lock(), self.choice);
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Everything else, one line to stderr. A closed stderr is ignored: there is
    /// nowhere left to say so.
    pub(super) fn say(self, line: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice);
        let _ = writeln!(err, "{line}");
    }

    /// Whether somebody can be asked.
    pub(super) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks for one line of input.
    ///
    /// # Errors
    /// When stdin cannot be read.
    pub(super) fn ask(self, question: &str) -> io::Result<String> {
        let mut err = AutoStream::new(io::stderr().lock(), self.choice);
        write!(err, "{question} ")?;
        err.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// `error`, in red where there is colour.
pub(super) fn error_word() -> impl fmt::Display {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    format!("{style}error{style:#}")
}

/// A value as JSON with a line break.
///
/// # Errors
/// Never for the types of this program, whose keys are all text.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(format!("no JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// A format that a command does not have.
pub(super) fn no_format(command: &str, format: super::args::Format) -> Failure {
    Failure::new(format!("`accord {command}` does not write {}", format.word()))
        .help("use --format text or --format json")
}
