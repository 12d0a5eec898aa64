//! The command line as it is typed.
//!
//! Comes in: words. Goes out: one [`Args`]. Refuses: meaning; dates and names stay
//! text until the command that knows the policies reads them. The doc comments here
//! are the help text, the man pages and the completions.

pub use super::asked::{DiffArgs, ExpiringArgs, ShowArgs, When, WhoArgs, WhyArgs};
pub use super::format::Format;
pub use super::generate_args::{CodeownersArgs, Generate, GenerateArgs};
use crate::model::Action;
use crate::policy::settings::SecretRef;
use crate::render::audience::Audience;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Brings live directories into accord with what a git repository says
#[derive(Debug, Parser)]
#[command(name = "accord", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done or nothing to do, 1 error, 2 changes present, 3 something withheld")]
pub struct Args {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Folder of the policies; otherwise `policies/` is looked for upwards from here
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub policies: Option<PathBuf>,
    /// Git revision whose connections are trusted and whose limits count too; in pipelines the protected branch
    #[arg(long, global = true, value_name = "REV", help_heading = "Global options")]
    pub trusted: Option<String>,
    /// Folder outside the repository in which `file:` secrets are
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub secrets_dir: Option<PathBuf>,
    /// Let `command:` secrets run their programs
    #[arg(long, global = true, help_heading = "Global options")]
    pub allow_exec: bool,
    /// File outside the repository with the key of snapshots; otherwise accord makes one for itself
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub cache_key_file: Option<PathBuf>,
    /// When to colour: on a terminal, always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub color: clap::ColorChoice,
    /// How to write the output
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value = "text")]
    #[arg(help_heading = "Global options")]
    pub format: Format,
    /// Who reads it, which decides what is shown of people (`validate`, `plan`, `diff`, `review approvals`)
    #[arg(long, global = true, value_enum, value_name = "WHO", default_value = "auditors")]
    #[arg(help_heading = "Global options")]
    pub audience: Audience,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a starter repository: policies and editor settings
    Init(InitArgs),
    /// Check everything that can be known without a directory
    Validate(ValidateArgs),
    /// Say whether what the policies' tests claim of effective access holds
    Test(TestArgs),
    /// Show what would change, and why
    Plan(PlanArgs),
    /// Execute a saved plan, or plan, ask and execute
    Apply(ApplyArgs),
    /// Show what changed behind accord's back, and who did it
    Drift(DriftArgs),
    /// Show who gains and loses what between two commits, without any directory
    Diff(DiffArgs),
    /// Show what a person holds, until when, and why
    Show(ShowArgs),
    /// Say why a person holds an entitlement, or why not
    Why(WhyArgs),
    /// Say who holds a role or a group
    Who(WhoArgs),
    /// Show what ends soon, per sponsor and owner
    Expiring(ExpiringArgs),
    /// Say who must agree to a change
    Review(ReviewArgs),
    /// Check what was recorded
    Audit(AuditArgs),
    /// Write schema, completions or manual pages
    Generate(GenerateArgs),
}

/// Arguments of `accord init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Where; made if it is not there
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Write pipelines too: plan on every request, apply on merge, hourly dates, daily drift
    #[arg(long, value_enum, value_name = "FORGE")]
    pub ci: Option<Ci>,
    /// Where runners of GitHub fetch accord: `https://…`
    #[arg(long, value_name = "URL", requires = "ci")]
    pub binary: Option<String>,
    /// SHA-256 of what is there, in hexadecimal; otherwise that of the program that runs now
    #[arg(long, value_name = "HEX", requires = "binary")]
    pub sha256: Option<String>,
    /// Image in which GitLab runs accord, by digest: `registry.example.com/accord@sha256:…`
    #[arg(long, value_name = "IMAGE", requires = "ci")]
    pub image: Option<String>,
    /// The protected branch
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub branch: String,
    /// Write a hook too that checks the policies before each commit (pre-commit.com)
    #[arg(long)]
    pub hook: bool,
}

/// Whose pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ci {
    /// GitHub Actions
    Github,
    /// GitLab CI
    Gitlab,
}

/// Where else the answer goes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Also {
    /// Append it as Markdown to this file too: `--summary "$GITHUB_STEP_SUMMARY"`
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

/// Arguments of `accord validate`.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Where else the answer goes.
    #[command(flatten)]
    pub also: Also,
    /// Check the policies of a commit, not those of the work tree: `v2026.3`, `main~3`
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
}

/// Arguments of `accord test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Only these tests; `*` stands for any characters
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// What counts as now, and whose policies.
    #[command(flatten)]
    pub when: When,
    /// As if more were written.
    #[command(flatten)]
    pub more: WhatIf,
}

/// How directories are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Refresh {
    /// What changed since the last read, where the directory can tell
    Incremental,
    /// Everything
    Full,
}

/// What narrows a plan.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Narrow {
    /// Only changes in this directory (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub directory: Vec<String>,
    /// Only changes of this sort, `revoke` say (may be repeated)
    #[arg(long, value_name = "ACTION", value_parser = action)]
    pub action: Vec<Action>,
    /// Only what a date in an applied commit causes, up or down
    #[arg(long)]
    pub dated: bool,
    /// Let so many changes of a guardrail through once, `revocations=312`; needs a ticket
    #[arg(long, value_name = "GUARDRAIL=NUMBER", value_parser = allowance, requires = "ticket")]
    pub allow: Vec<(String, u64)>,
    /// The ticket in which `--allow` was agreed
    #[arg(long, value_name = "TICKET", requires = "allow")]
    pub ticket: Option<String>,
}

/// From where on approvals are asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Since {
    /// Everything up to this commit counts as approved; needed once, where there are
    /// `approvals` and no earlier run is known
    #[arg(long, value_name = "REV")]
    pub approved_since: Option<String>,
}

/// How a plan is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct View {
    /// Order by person or by group
    #[arg(long, value_enum, default_value = "person")]
    pub by: By,
    /// Show everything, not only the first 200 objects
    #[arg(long)]
    pub all: bool,
}

/// Order of a plan's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// One block per person
    Person,
    /// One block per group
    Group,
}

/// Arguments of `accord plan`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PlanArgs {
    /// Work on a saved plan.
    #[command(subcommand)]
    pub saved: Option<SavedPlan>,
    /// Save the plan here, for `accord apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Sign the saved plan, as FILE.sig, with an Ed25519 key of OpenSSH: `env:NAME` or `file:NAME`
    #[arg(long, value_name = "SECRET", requires = "out", value_parser = secret)]
    pub sign_key: Option<SecretRef>,
    /// Plan for another time, for reading only: `2027-01-01`, `"2027-01-01 09:00"` or with an offset
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What narrows the plan.
    #[command(flatten)]
    pub narrow: Narrow,
    /// From where on approvals are asked for.
    #[command(flatten)]
    pub since: Since,
    /// How the plan is shown.
    #[command(flatten)]
    pub view: View,
    /// Read what changed since the last read, or everything
    #[arg(long, value_enum, value_name = "HOW", default_value = "incremental")]
    pub refresh: Refresh,
    /// Number of the pull or merge request that these policies are of: plan as if it were merged,
    /// with its approvals
    #[arg(long, value_name = "NUMBER")]
    pub request: Option<u64>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Where else the plan goes.
    #[command(flatten)]
    pub also: Also,
}

/// What can be done with a saved plan.
#[derive(Debug, Subcommand)]
pub enum SavedPlan {
    /// Show a saved plan
    Show {
        /// The saved plan
        file: PathBuf,
        /// How the plan is shown.
        #[command(flatten)]
        view: View,
        /// Where else the plan goes.
        #[command(flatten)]
        also: Also,
    },
    /// Check a saved plan: format, digest, signature, policies, age, and whether it was applied
    Verify {
        /// The saved plan
        file: PathBuf,
        /// What it must show.
        #[command(flatten)]
        proof: Proof,
    },
}

/// What a saved plan must show before it is executed.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Proof {
    /// The saved plan must be signed (FILE.sig) by one of these, written as `ssh-keygen -Y verify` takes them
    #[arg(long, value_name = "FILE")]
    pub signers: Option<PathBuf>,
    /// The saved plan must not be older: `24h`, `7d`
    #[arg(long, value_name = "TERM")]
    pub max_age: Option<String>,
}

/// Arguments of `accord apply`.
#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// The saved plan; without one accord plans, shows and asks
    #[arg(conflicts_with_all = ["directory", "action", "dated", "allow", "ticket"])]
    pub file: Option<PathBuf>,
    /// What the saved plan must show.
    #[command(flatten)]
    pub proof: Proof,
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
    /// From where on approvals are asked for.
    #[command(flatten)]
    pub since: Since,
    /// Wait so long for another run to end, here or on another machine: `30s`, `10m`
    #[arg(long, value_name = "TERM")]
    pub lock_timeout: Option<String>,
    /// Read what changed since the last read, or everything
    #[arg(long, value_enum, value_name = "HOW", default_value = "incremental")]
    pub refresh: Refresh,
    /// What narrows the plan.
    #[command(flatten)]
    pub narrow: Narrow,
    /// How the plan is shown.
    #[command(flatten)]
    pub view: View,
}

/// Arguments of `accord drift`.
#[derive(Debug, clap::Args)]
pub struct DriftArgs {
    /// Only this directory (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub directory: Vec<String>,
}

/// Arguments of `accord review`.
#[derive(Debug, clap::Args)]
pub struct ReviewArgs {
    /// What is asked.
    #[command(subcommand)]
    pub of: ReviewOf,
}

/// What is asked about a change.
#[derive(Debug, Subcommand)]
pub enum ReviewOf {
    /// Who must agree, who has, and who could; exit code 3 if somebody is missing
    Approvals(ApprovalsArgs),
    /// Who breaks a constraint, now or later, by which ways and how long; exit code 3 if anybody does
    Constraints(ConstraintsArgs),
}

/// Arguments of `accord review constraints`.
#[derive(Debug, clap::Args)]
pub struct ConstraintsArgs {
    /// From when on, and by which policies.
    #[command(flatten)]
    pub when: When,
    /// What is broken only if more were written.
    #[command(flatten)]
    pub more: WhatIf,
}

/// Lines that are not written.
#[derive(Debug, Clone, clap::Args)]
pub struct WhatIf {
    /// As if this were written too (may be repeated): `"sre grants corp/vpn"`, `"sre includes
    /// engineer"`, `"maria.lopez joins sre"`, `"maria.lopez joins corp/vpn"`
    #[arg(long, value_name = "CHANGE")]
    pub what_if: Vec<String>,
}

/// Arguments of `accord review approvals`.
#[derive(Debug, clap::Args)]
pub struct ApprovalsArgs {
    /// The commit before the change and its last one
    #[arg(value_name = "BASE..HEAD")]
    pub range: String,
    /// Number of the pull or merge request whose reviews the forge is asked for; without it nobody agreed
    #[arg(long, value_name = "NUMBER")]
    pub request: Option<u64>,
    /// Where else the answer goes.
    #[command(flatten)]
    pub also: Also,
}

/// Arguments of `accord audit`.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// Which record.
    #[command(subcommand)]
    pub record: AuditRecord,
}

/// Which record.
#[derive(Debug, Subcommand)]
pub enum AuditRecord {
    /// The journal of what accord did
    Journal {
        /// What to do with it.
        #[command(subcommand)]
        action: JournalAction,
    },
}

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub enum JournalAction {
    /// Check that no record is missing, added or altered
    Verify,
}

fn action(text: &str) -> Result<Action, String> {
    Action::ALL.into_iter().find(|action| action.word() == text).ok_or_else(|| {
        let words: Vec<_> = Action::ALL.iter().map(|action| action.word()).collect();
        format!("no such action; one of {}", words.join(", "))
    })
}

const GUARDRAILS: [&str; 4] = ["revocations", "disables", "grants", "deletions"];

fn allowance(text: &str) -> Result<(String, u64), String> {
    let (class, number) = text.split_once('=').ok_or("write the guardrail and a number, `revocations=312`")?;
    if !GUARDRAILS.contains(&class) {
        return Err(format!("no such guardrail; one of {}", GUARDRAILS.join(", ")));
    }
    let number = number.parse().map_err(|_| format!("`{number}` is not a whole number"))?;
    Ok((class.to_owned(), number))
}

fn secret(text: &str) -> Result<SecretRef, String> {
    match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Ok(SecretRef::Env(name.to_owned())),
        Some(("file", name)) if !name.is_empty() => Ok(SecretRef::File(name.to_owned())),
        _ => Err("name where it is: `env:NAME`, or `file:NAME` inside --secrets-dir".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_allowance_names_a_guardrail_and_a_number() {
        assert_eq!(allowance("revocations=312"), Ok(("revocations".to_owned(), 312)));
        assert_eq!(
            allowance("all=1").unwrap_err(),
            "no such guardrail; one of revocations, disables, grants, deletions"
        );
        assert_eq!(allowance("grants=many").unwrap_err(), "`many` is not a whole number");
        assert!(action("obliterate").unwrap_err().starts_with("no such action; one of disable-account, revoke"));
    }
}
