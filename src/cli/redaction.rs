//! For whom a command shows what it shows.
//!
//! Comes in: `--audience`, the policies that are shown. Goes out: what hides the rest.
//! Refuses: the option where a command shows people and cannot leave them out, and where
//! what it writes is to be carried out.

use super::args::{Command, Global, PlanArgs, ReviewArgs, ReviewOf, SavedPlan};
use super::failure::Failure;
use crate::diagnostic::Diagnostic;
use crate::policy::Policy;
use crate::render::audience::{Audience, KEY, Redactor};

/// What hides the rest, with a new key for pseudonyms.
///
/// # Errors
/// When the machine has no random numbers.
pub(super) fn of(global: &Global, policies: &[&Policy]) -> Result<Redactor, Failure> {
    let mut key = [0; KEY];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut key).map_err(|_| Failure::new("there are no random numbers for pseudonyms"))?;
    Ok(Redactor::new(global.audience, key, policies))
}

/// The same for sentences, which hold no pseudonym.
pub(super) fn words(global: &Global, policies: &[&Policy]) -> Redactor {
    Redactor::new(global.audience, [0; KEY], policies)
}

/// Findings as the audience may see them.
pub(super) fn findings(global: &Global, policy: Option<&Policy>, found: &[Diagnostic]) -> Vec<Diagnostic> {
    words(global, policy.as_slice()).findings(found)
}

/// Whether the command can leave out what the audience may not see.
///
/// # Errors
/// When it cannot, and why.
pub(super) fn ensure_possible(global: &Global, command: &Command) -> Result<(), Failure> {
    if global.audience == Audience::Auditors {
        return Ok(());
    }
    match command {
        Command::Plan(PlanArgs { saved: Some(SavedPlan::Verify { .. }), .. }) => {
            Err(Failure::new("`accord plan verify` shows no people").help("leave --audience out"))
        }
        Command::Plan(PlanArgs { out: Some(_), .. }) => {
            Err(Failure::new("a saved plan is carried out as it is, so nothing of it can be left out")
                .help("accord plan --out FILE without --audience, then accord plan show FILE --audience …"))
        }
        Command::Plan(_) if global.format == super::args::Format::Json => {
            Err(Failure::new("a plan as JSON is the file that is carried out, so nothing of it can be left out")
                .help("use --format text, markdown, github, sarif, codequality or junit"))
        }
        Command::Validate(_)
        | Command::Plan(_)
        | Command::Diff(_)
        | Command::Review(ReviewArgs { of: ReviewOf::Approvals(_) }) => Ok(()),
        _ => Err(Failure::new("this command shows people to those who may see them, and takes no --audience")
            .help("`validate`, `plan`, `plan show`, `diff` and `review approvals` take it")),
    }
}

/// What went wrong, for whoever may see it: it may quote anything.
pub(super) fn failure(audience: Audience, failure: Failure) -> Failure {
    match (audience, failure) {
        (Audience::Public, Failure::Said(_, _, exit)) => Failure::Said(
            "the command could not be carried out; why may name people".to_owned(),
            vec!["the same command with --audience reviewers".to_owned()],
            exit,
        ),
        (Audience::Reviewers, Failure::Said(why, help, exit)) => {
            let redactor = Redactor::new(audience, [0; KEY], &[]);
            Failure::Said(redactor.plain(&why), help.iter().map(|help| redactor.plain(help)).collect(), exit)
        }
        (_, failure) => failure,
    }
}
