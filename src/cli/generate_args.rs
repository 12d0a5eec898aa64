//! The command line of `accord generate`.
//!
//! Comes in: words. Goes out: what to write and where. Refuses: to write it.

use clap::Subcommand;
use std::path::PathBuf;

/// Arguments of `accord generate`.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// What to write.
    #[command(subcommand)]
    pub what: Generate,
}

/// Arguments of `accord generate codeowners`.
#[derive(Debug, clap::Args)]
pub struct CodeownersArgs {
    /// Write it into this file, beside what others wrote there; without it the part is printed
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write nothing; exit with 1 if the file is not what would be written
    #[arg(long, requires = "out")]
    pub check: bool,
}

/// What to write.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Whom GitHub or GitLab asks for a review, from owners and approvals: a part of CODEOWNERS
    Codeowners(CodeownersArgs),
    /// JSON Schema (draft 7) of the policy files, for editors
    Schema,
    /// Completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Manual pages: one on stdout, or all into a folder
    Man {
        /// Folder for one page per command
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}
