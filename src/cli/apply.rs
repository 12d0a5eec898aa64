//! `accord apply`: execute a saved plan, or plan, ask and execute.
//!
//! Comes in: a saved plan or nothing. Goes out: changed directories, a journal, a
//! table. Refuses: to ask where nobody can answer, and to execute what is not
//! derived again at this command's own clock.

use super::approved;
use super::args::{ApplyArgs, Format, Global, Narrow};
use super::clock;
use super::directories::{How, Live};
use super::evidence::Saved;
use super::execution::{self, Reviewed};
use super::failure::{Exit, Failure};
use super::plan as planned;
use super::planning;
use super::repository::Repository;
use super::session::{self, Session};
use super::terminal::{self, Terminal};
use crate::plan::Plan;
use crate::record::{self, Holder, Lock};
use crate::render::escape;
use std::path::{Path, PathBuf};

/// Applies.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ApplyArgs) -> Result<Exit, Failure> {
    if !matches!(global.format, Format::Text | Format::Json) {
        return Err(terminal::no_format("apply", global.format));
    }
    if args.file.is_none() && (args.proof.signers.is_some() || args.proof.max_age.is_some()) {
        return Err(Failure::new("`--signers` and `--max-age` are about a saved plan, and none is named")
            .help("accord apply FILE"));
    }
    if args.file.is_none() && !args.auto_approve && !Terminal::can_ask() {
        return Err(Failure::new("nobody can be asked here: this is not a terminal")
            .help("accord plan --out FILE, have it reviewed, then accord apply FILE")
            .help("or accord apply --auto-approve"));
    }
    match &args.file {
        Some(path) => reviewed(terminal, global, args, &Saved::read(path)?, &again(global, args)),
        None => asked(terminal, global, args),
    }
}

/// Executes a saved plan as far as it is derived identically now.
fn reviewed(
    terminal: Terminal,
    global: &Global,
    args: &ApplyArgs,
    saved: &Saved,
    again: &str,
) -> Result<Exit, Failure> {
    // Before any secret is resolved.
    let signer = saved.ensure(global, &args.proof, clock::now())?;
    if let Some(signer) = &signer {
        terminal.say(&format!("signed by {} ({})", escape::terminal(&signer.name), signer.fingerprint));
    }
    let (session, live, _lock) = locked(terminal, global, args)?;
    saved.unused(&session.repository, execution::is_in_effect(&session, &live, &saved.plan))?;
    let found = approved::find(&session, &live, &args.since, None)?;
    let derived = planning::approved(&session, &live, (session.now, false), &saved.plan.filter, &found.unapproved)?;
    planning::say_failures(&session, &live);
    let review = Reviewed { plan: &saved.plan, signer: signer.as_ref() };
    let exit = execution::execute(&session, &live, (&derived, &found), Some(&review), again);
    session::leave((derived, live, session));
    exit
}

/// Plans, shows, asks, executes. After the answer everything is read and derived
/// again: minutes may have passed.
fn asked(terminal: Terminal, global: &Global, args: &ApplyArgs) -> Result<Exit, Failure> {
    let (session, live, lock_held) = locked(terminal, global, args)?;
    let filter = planned::filter(&session, &args.narrow)?;
    let found = approved::find(&session, &live, &args.since, None)?;
    let plan = planning::approved(&session, &live, (session.now, false), &filter, &found.unapproved)?;
    if global.format == Format::Text {
        terminal.print(&planned::shown(&plan, Format::Text, &args.view, session.zone().clone()))?;
    } else {
        planning::say_failures(&session, &live);
    }
    // Since when an undeclared member is there is kept in the journal: without a run
    // the wait of `undeclared: {after: …}` would never begin.
    // So is whose an account is that nothing has to be changed of, and who is in the
    // groups that are managed elsewhere. And what was approved: who approved it may leave.
    let remembers = || {
        found.is_news
            || planning::begins_a_wait(&plan, &live)
            || !planning::matched(&session, &live).is_empty()
            || planning::references(&session, &live).iter().any(|read| read.people.is_some())
    };
    if plan.changes.is_empty() && !remembers() {
        return Ok(planning::exit(&plan, &live, false));
    }
    if args.auto_approve || plan.changes.is_empty() {
        let exit = execution::execute(&session, &live, (&plan, &found), None, &again(global, args));
        session::leave((plan, live, session));
        return exit;
    }
    if !is_approved(terminal, &plan)? {
        return Err(Failure::new("nothing was changed: the answer was not `yes`"));
    }
    let (session, live) = Session::live(terminal, global, how(args))?;
    let found = approved::find(&session, &live, &args.since, None)?;
    let derived = planning::approved(&session, &live, (session.now, false), &filter, &found.unapproved)?;
    let exit = execution::execute(
        &session,
        &live,
        (&derived, &found),
        Some(&Reviewed { plan: &plan, signer: None }),
        &again(global, args),
    );
    drop(lock_held);
    exit
}

/// The command that continues this one, as it is typed.
fn again(global: &Global, args: &ApplyArgs) -> String {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let Narrow { directory, action, dated, allow, ticket } = &args.narrow;
    let mut options: Vec<(&str, String)> = Vec::new();
    options.extend(global.policies.as_ref().map(|path| ("--policies", text(path))));
    options.extend(global.secrets_dir.as_ref().map(|path| ("--secrets-dir", text(path))));
    options.extend(global.cache_key_file.as_ref().map(|path| ("--cache-key-file", text(path))));
    options.extend(global.trusted.clone().map(|revision| ("--trusted", revision)));
    options.extend(directory.iter().map(|name| ("--directory", name.clone())));
    options.extend(action.iter().map(|action| ("--action", action.word().to_owned())));
    options.extend(allow.iter().map(|(class, number)| ("--allow", format!("{class}={number}"))));
    options.extend(ticket.clone().map(|ticket| ("--ticket", ticket)));
    options.extend(args.proof.signers.as_ref().map(|path| ("--signers", text(path))));
    options.extend(approved::again(&args.since));
    options.extend(args.proof.max_age.clone().map(|term| ("--max-age", term)));
    let flags = [("--allow-exec", global.allow_exec), ("--dated", *dated), ("--auto-approve", args.auto_approve)];
    let mut words = vec!["accord".to_owned(), "apply".to_owned()];
    for (option, value) in options {
        words.extend([option.to_owned(), quoted(&value)]);
    }
    words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(option, _)| option.to_owned()));
    words.extend(args.file.as_ref().map(|file| quoted(&text(file))));
    words.join(" ")
}

/// A word that a shell takes for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn is_approved(terminal: Terminal, plan: &Plan) -> Result<bool, Failure> {
    let question = format!("Make these {} changes? Only `yes` is a yes:", plan.changes.len());
    let answer = terminal.ask(&question).map_err(|error| Failure::new(format!("no answer could be read: {error}")))?;
    Ok(answer == "yes")
}

/// What the directories hold, read while no other apply of this repository ran: one
/// that went on meanwhile would make it old. Where there was an apply before, the lock
/// comes first. Where there was none, files that are wrong leave nothing behind; a run
/// that began since then shows in the journal.
fn locked<'g>(terminal: Terminal, global: &'g Global, args: &ApplyArgs) -> Result<(Session<'g>, Live, Lock), Failure> {
    let root = Repository::find(global)?.root;
    if Lock::exists(&root) {
        let held = lock(&root)?;
        let (session, live) = Session::live(terminal, global, how(args))?;
        return Ok((session, live, held));
    }
    let (session, live) = Session::live(terminal, global, how(args))?;
    let held = lock(&root)?;
    let folder = record::journal_folder(&session.repository.root);
    let newest = record::newest(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    if newest == live.newest {
        return Ok((session, live, held));
    }
    let (session, live) = Session::live(terminal, global, how(args))?;
    Ok((session, live, held))
}

fn how(args: &ApplyArgs) -> How {
    How { authors: false, refresh: args.refresh }
}

/// One apply at a time for a repository.
fn lock(root: &Path) -> Result<Lock, Failure> {
    let holder = Holder { pid: std::process::id(), host: None, since: clock::now() };
    Lock::take(root, &holder).map_err(|error| Failure::new(error.to_string()))
}
