//! Parse, run, print the error, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    accord::cli::run(std::env::args_os())
}
