//! `accord diff BASE..HEAD`: the difference of two commits in effective access.
//!
//! Comes in: two revisions, or one and two instants. Goes out: who gains and loses what.
//! Refuses: directories, secrets, the journal, and to run anything: a commit may be a
//! stranger's.

use super::args::{DiffArgs, Format, Global};
use super::clock;
use super::failure::{Exit, Failure};
use super::notes;
use super::redaction;
use super::repository::Repository;
use super::session::{self, Written};
use super::terminal::{self, Terminal};
use crate::history;
use crate::model::Instant;
use crate::render::annotations::Annotations;
use crate::render::review::{Names, Report};
use crate::render::{review_markdown, review_text};
use crate::resolve::References;
use crate::review::{Difference, Side, difference};

/// Most lines that are shown without `--all`.
const SHOWN: usize = 200;

/// Most lines that are put into words for a comment, which never holds as many.
const COMMENTED: usize = 2_000;

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
enum Range<'a> {
    /// Two commits.
    Commits(&'a str, &'a str),
    /// The commit where two parted, and the second one.
    SinceParting(&'a str, &'a str),
    /// A commit and the work tree.
    WorkTree(&'a str),
}

impl<'a> Range<'a> {
    /// As git reads it: what is left out is `HEAD`.
    fn parse(text: &'a str) -> Self {
        let named = |name: &'a str| if name.is_empty() { "HEAD" } else { name };
        if let Some((base, head)) = text.split_once("...") {
            return Self::SinceParting(named(base), named(head));
        }
        match text.split_once("..") {
            Some((base, head)) => Self::Commits(named(base), named(head)),
            None => Self::WorkTree(named(text)),
        }
    }
}

/// Compares and tells.
pub(super) fn run(terminal: Terminal, global: &Global, args: &DiffArgs) -> Result<Exit, Failure> {
    let repository = Repository::find(global)?;
    match &args.and {
        Some(and) => instants(terminal, global, args, &repository, and),
        None => commits(terminal, global, args, &repository),
    }
}

/// Two commits, or a commit and the work tree, at one instant.
fn commits(terminal: Terminal, global: &Global, args: &DiffArgs, repository: &Repository) -> Result<Exit, Failure> {
    let range = Range::parse(args.range.as_deref().unwrap_or("HEAD"));
    let (base, head) = match range {
        Range::Commits(base, head) => (base.to_owned(), Some(head)),
        Range::SinceParting(base, head) => {
            let (found, is_shallow) = history::merge_base(&repository.policies, base, head)?;
            if is_shallow {
                terminal.say("this clone is shallow; the merge base is the best that it has");
            }
            (found, Some(head))
        }
        Range::WorkTree(base) => (base.to_owned(), None),
    };
    let (before, after) = session::compared(terminal, global, repository, &base, head)?;
    let at = args.at.as_deref().map_or_else(|| Ok(clock::now()), |at| clock::instant(at, &after.policy.timezone))?;
    let nothing = References::default();
    let (one, other) =
        rayon::join(|| Side::new(&before.policy, &nothing, at), || Side::new(&after.policy, &nothing, at));
    let names = names(args, global, &before, &after, None);
    let exit = tell(terminal, global, args, &difference(one, other), &names, repository)?;
    session::leave((before, after));
    Ok(exit)
}

/// Two instants of one commit, or of the work tree.
fn instants(
    terminal: Terminal,
    global: &Global,
    args: &DiffArgs,
    repository: &Repository,
    and: &str,
) -> Result<Exit, Failure> {
    if args.range.as_deref().is_some_and(|range| range.contains("..")) {
        return Err(Failure::new("two instants are of one commit").help("accord diff --at A --and B [REV]"));
    }
    let written = session::one(terminal, global, repository, args.range.as_deref())?;
    let zone = &written.policy.timezone;
    let at = args.at.as_deref().map_or_else(|| Ok(clock::now()), |at| clock::instant(at, zone))?;
    let and = clock::instant(and, zone)?;
    let nothing = References::default();
    let side = |at: Instant| Side::new(&written.policy, &nothing, at);
    let (one, other) = rayon::join(|| side(at), || side(and));
    let names = names(args, global, &written, &written, Some(and));
    tell(terminal, global, args, &difference(one, other), &names, repository)
}

fn names(args: &DiffArgs, global: &Global, base: &Written, head: &Written, and: Option<Instant>) -> Names {
    let name = |written: &Written| written.commit.clone().unwrap_or_else(|| "work tree".to_owned());
    let limit = match global.format {
        Format::Json => usize::MAX,
        // A note tells the number of all.
        other if other.annotates() => usize::MAX,
        Format::Markdown => COMMENTED,
        _ if args.all => usize::MAX,
        _ => SHOWN,
    };
    Names { base: name(base), head: name(head), and, limit }
}

fn tell(
    terminal: Terminal,
    global: &Global,
    args: &DiffArgs,
    found: &Difference<'_>,
    names: &Names,
    repository: &Repository,
) -> Result<Exit, Failure> {
    let report = Report::new(found, names);
    let redactor = redaction::of(global, &[found.base.policy, found.head.policy])?;
    let report = redactor.report(&report);
    let zone = &found.head.policy.timezone;
    let markdown = || {
        review_markdown::comment(&report, zone, &args.artifact).map_err(|error| {
            Failure::new(error.to_string()).help("split the change, so that each part can be reviewed")
        })
    };
    notes::append(&args.also, markdown)?;
    match global.format {
        Format::Json => terminal.print(&terminal::json(&*report)?)?,
        Format::Text => terminal.print(&review_text::text(&report, zone))?,
        Format::Markdown => terminal.print(&markdown()?)?,
        Format::Ics | Format::Csv => return Err(terminal::no_format("diff", global.format)),
        _ => {
            let folder = notes::folder(repository)?;
            notes::print(terminal, global, &Annotations::of_difference(&folder, &report, zone))?;
        }
    }
    Ok(if args.detailed_exitcode && !found.is_empty() { Exit::Changes } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_git_reads_them() {
        assert_eq!(Range::parse("main..topic"), Range::Commits("main", "topic"));
        assert_eq!(Range::parse("main.."), Range::Commits("main", "HEAD"));
        assert_eq!(Range::parse("..topic"), Range::Commits("HEAD", "topic"));
        assert_eq!(Range::parse("main...topic"), Range::SinceParting("main", "topic"));
        assert_eq!(Range::parse("v2026.3"), Range::WorkTree("v2026.3"));
    }
}
