//! `accord generate`: schema for editors, completions, manual pages.
//!
//! Comes in: the command line's own description and the written form of policies.
//! Goes out: text. Refuses: to stop at policies with errors: the schema helps to mend them.

use super::args::{Args, Generate, GenerateArgs, Global};
use super::failure::{Exit, Failure};
use super::session;
use super::terminal::Terminal;
use crate::policy::{Policy, schema};
use clap::CommandFactory;
use std::fs;
use std::io;

/// Writes what is asked for.
pub(super) fn run(terminal: Terminal, global: &Global, args: &GenerateArgs) -> Result<Exit, Failure> {
    match &args.what {
        Generate::Schema => terminal.print(&schema_of(session::known(global).as_ref()))?,
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

/// The JSON Schema (draft 7) of policy files, with the names of `known` as completions.
pub(super) fn schema_of(known: Option<&Policy>) -> String {
    // A schema is plain JSON: it can always be written.
    serde_json::to_string_pretty(&schema::schema(known)).map(|text| text + "\n").unwrap_or_default()
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(Failure::from)?;
    String::from_utf8(text).map_err(|_| Failure::from(io::Error::from(io::ErrorKind::InvalidData)))
}
