//! The commands: the only user of clock, environment, terminal and secrets.
//!
//! Comes in: arguments. Goes out: data on stdout, everything else on stderr, an
//! exit code. Refuses: to decide anything about access.
//!
//! one file per command; `session` strings the pipeline together for all of them.

mod approved;
pub mod args;
pub mod asked;

mod answerable;
mod apply;
mod audit;
mod breaches;
mod cache;
mod clock;
mod diff;
mod directories;
mod drift;
mod evidence;
mod execution;
mod expiring;
mod failure;
mod format;
mod generate;
mod generate_args;
mod init;
mod notes;
mod overdue;
mod pipelines;
mod plan;
mod planning;
mod policy_tests;
mod progress;
mod questions;
mod redaction;
mod remote;
mod repository;
mod review;
mod secrets;
mod session;
mod show;
mod terminal;
mod trust;
mod validate;
mod walk;
mod who;
mod why;

use args::{Args, Command};
use clap::Parser;
use failure::{Exit, Failure};
use std::ffi::OsString;
use std::process::ExitCode;
use terminal::Terminal;

/// Runs one command line and prints what comes of it.
///
/// Exit codes: 0 done or nothing to do, 1 error (usage too), 2 changes present
/// (`plan` and `diff --detailed-exitcode`, `drift`), 3 something withheld.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(usage) => return usage_exit(&usage),
    };
    let (terminal, audience) = (Terminal::new(args.global.color), args.global.audience);
    match dispatch(terminal, args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let failure = redaction::failure(audience, failure);
            failure.report(terminal);
            failure.exit().into()
        }
    }
}

/// clap exits with 2 on a usage error, which here means "changes present".
fn usage_exit(usage: &clap::Error) -> ExitCode {
    let exit = if usage.use_stderr() { Exit::Error } else { Exit::Done };
    // A closed pipe while printing help is nobody's error.
    let _ = usage.print();
    exit.into()
}

fn dispatch(terminal: Terminal, args: Args) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    // Said whole: nothing was read yet.
    if let Err(failure) = redaction::ensure_possible(&global, &command) {
        failure.report(terminal);
        return Ok(failure.exit());
    }
    match command {
        Command::Init(args) => init::run(terminal, &global, &args),
        Command::Generate(args) => generate::run(terminal, &global, &args),
        Command::Validate(args) => validate::run(terminal, &global, &args),
        Command::Test(args) => policy_tests::run(terminal, &global, &args),
        Command::Plan(args) => plan::run(terminal, &global, &args),
        Command::Apply(args) => apply::run(terminal, &global, &args),
        Command::Drift(args) => drift::run(terminal, &global, &args),
        Command::Diff(args) => diff::run(terminal, &global, &args),
        Command::Show(args) => show::run(terminal, &global, &args),
        Command::Why(args) => why::run(terminal, &global, &args),
        Command::Who(args) => who::run(terminal, &global, &args),
        Command::Expiring(args) => expiring::run(terminal, &global, &args),
        Command::Review(args) => review::run(terminal, &global, &args),
        Command::Audit(args) => audit::run(terminal, &global, &args),
    }
}
