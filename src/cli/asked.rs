//! The command line of questions: `diff`, `show`, `why`, `who`, `expiring`.
//!
//! Comes in: words. Goes out: their arguments. Refuses: meaning, as the rest of the command
//! line does.

use super::args::{Also, WhatIf};
use std::path::PathBuf;

/// Arguments of `accord diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// `BASE..HEAD`; `BASE...HEAD` since the two parted; `BASE` against the work tree; with
    /// `--and` one commit, or the work tree
    #[arg(value_name = "BASE..HEAD")]
    pub range: Option<String>,
    /// At another time: `2027-01-01`, `"2027-01-01 09:00"` or with an offset
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Compare two instants of one commit: `--at` and this one
    #[arg(long, value_name = "TIME")]
    pub and: Option<String>,
    /// Show everything, not only the first 200 lines
    #[arg(long)]
    pub all: bool,
    /// With `--format markdown`: the artifact that holds everything, for a comment that is too long
    #[arg(long, value_name = "NAME", default_value = "accord-diff")]
    pub artifact: String,
    /// Exit with 2 when anybody's access differs, now or later
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Where else the answer goes.
    #[command(flatten)]
    pub also: Also,
}

/// Another instant than now, other policies than those of the work tree.
#[derive(Debug, Clone, clap::Args)]
pub struct When {
    /// At another time: `2027-01-01`, `"2027-01-01 09:00"` or with an offset
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// By the policies of a commit, not those of the work tree: `v2026.3`, `main~3`
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
}

/// Arguments of `accord show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The person's key, id, address or an alias
    pub person: String,
    /// When, and by which policies.
    #[command(flatten)]
    pub when: When,
}

/// Arguments of `accord why`.
#[derive(Debug, clap::Args)]
pub struct WhyArgs {
    /// The person's key, id, address or an alias
    pub person: String,
    /// A group (`corp/sre`) or a role (`sre`)
    pub entitlement: String,
    /// When, and by which policies.
    #[command(flatten)]
    pub when: When,
}

/// Arguments of `accord who`.
#[derive(Debug, clap::Args)]
pub struct WhoArgs {
    /// A group (`corp/sre`) or a role (`sre`)
    pub entitlement: String,
    /// When, and by which policies.
    #[command(flatten)]
    pub when: When,
    /// As if more were written.
    #[command(flatten)]
    pub more: WhatIf,
}

/// Arguments of `accord expiring`.
#[derive(Debug, clap::Args)]
pub struct ExpiringArgs {
    /// How far ahead: `30d`, `2w`, `36h`
    #[arg(long, value_name = "TERM", default_value = "30d")]
    pub within: String,
    /// Only what this person answers for, as sponsor, owner or manager
    #[arg(long = "for", value_name = "PERSON")]
    pub answerable: Option<String>,
    /// With `--format ics` or `csv`: one file for each who answers, into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Who holds what although its end has passed: exit code 3 where somebody does
    #[arg(long, conflicts_with_all = ["within", "at", "rev", "answerable", "out"])]
    pub overdue: bool,
    /// With `--overdue`: contact no directory, go by what runs wrote
    #[arg(long, requires = "overdue")]
    pub offline: bool,
    /// When, and by which policies.
    #[command(flatten)]
    pub when: When,
}
