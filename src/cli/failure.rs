//! How a command ends.
//!
//! Comes in: what went wrong. Goes out: words on stderr and an exit code. Refuses:
//! backtraces and secrets (messages are made of names of settings, never values).

use super::terminal::{self, Terminal};
use crate::diagnostic::Diagnostic;
use crate::provider::ProviderError;
use crate::record::JournalError;
use crate::render::escape;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit codes, in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Error, usage too.
    Error,
    /// Changes present: `plan --detailed-exitcode`, `drift`.
    Changes,
    /// Something was withheld.
    Withheld,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Changes => 2,
            Exit::Withheld => 3,
        })
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// Mistakes in the files; they are printed already.
    Findings(Vec<Diagnostic>),
    /// One sentence, and what to do next.
    Said(String, Vec<String>, Exit),
    /// Whoever read the output has closed it.
    BrokenPipe,
}

impl Failure {
    /// An error in words.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Said(message.into(), Vec::new(), Exit::Error)
    }

    /// Something was kept back: exit code 3.
    pub(super) fn withheld(message: impl Into<String>) -> Self {
        Self::Said(message.into(), Vec::new(), Exit::Withheld)
    }

    /// A file or folder that could not be used.
    pub(super) fn file(path: &Path, what: &str, error: &io::Error) -> Self {
        Self::new(format!("cannot {what} `{}`: {error}", path.display()))
    }

    /// The same failure with one more thing to do next.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        if let Self::Said(_, list, _) = &mut self {
            list.push(help.into());
        }
        self
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Findings(_) => Exit::Error,
            Self::Said(_, _, exit) => *exit,
            Self::BrokenPipe => Exit::Done,
        }
    }

    /// Prints the words on stderr.
    pub(super) fn report(&self, terminal: Terminal) {
        if let Self::Said(message, help, _) = self {
            terminal.say(&format!("{}: {}", terminal::error_word(), escape::terminal(message)));
            for line in help {
                terminal.say(&format!("  to go on: {}", escape::terminal(line)));
            }
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::new(format!("cannot write the output: {error}"))
        }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        let message = error.to_string();
        Self::Said(message, error.help, Exit::Error)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::new(error.to_string())
    }
}
