//! `accord apply`: execute a saved plan, or plan, ask and execute.
//!
//! Comes in: a saved plan or nothing. Goes out: changed directories, a journal, a
//! table. Refuses: to ask where nobody can answer, and to execute what is not
//! derived again at this command's own clock.

use super::approved;
use super::args::{ApplyArgs, Format, Global, Narrow};
use super::clock;
use super::directories::{self, How, Live};
use super::evidence::Saved;
use super::execution::{self, Reviewed, Running};
use super::failure::{Exit, Failure};
use super::plan as planned;
use super::planning;
use super::remote::{self, Lease};
use super::repository::Repository;
use super::session::{self, Session};
use super::terminal::{self, Terminal};
use crate::plan::Plan;
use crate::record::{self, Holder, Lock, LockError};
use crate::render::audience::Redactor;
use crate::render::escape;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

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
    let (session, live, held) = locked(terminal, global, args)?;
    saved.unused(&session.repository, execution::is_in_effect(&session, &live, &saved.plan))?;
    let found = approved::find(&session, &live, &args.since, None)?;
    let derived = planning::approved(&session, &live, (session.now, false), &saved.plan.filter, &found.unapproved)?;
    planning::say_failures(&session, &live);
    let review = Reviewed { plan: &saved.plan, signer: signer.as_ref() };
    let exit = execution::execute(&session, &live, (&derived, &found), Some(&review), held.run(again));
    session::leave((derived, live, session));
    held.end(terminal, exit)
}

/// Plans, shows, asks, executes. After the answer everything is read and derived
/// again: minutes may have passed.
fn asked(terminal: Terminal, global: &Global, args: &ApplyArgs) -> Result<Exit, Failure> {
    let (session, live, held) = locked(terminal, global, args)?;
    let filter = planned::filter(&session, &args.narrow)?;
    let found = approved::find(&session, &live, &args.since, None)?;
    let plan = planning::approved(&session, &live, (session.now, false), &filter, &found.unapproved)?;
    if global.format == Format::Text {
        terminal.print(&planned::shown(
            &Redactor::whole().plan(&plan),
            Format::Text,
            &args.view,
            session.zone().clone(),
        ))?;
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
        let exit = execution::execute(&session, &live, (&plan, &found), None, held.run(&again(global, args)));
        session::leave((plan, live, session));
        return held.end(terminal, exit);
    }
    if !is_approved(terminal, &plan)? {
        return Err(Failure::new("nothing was changed: the answer was not `yes`"));
    }
    let how = How { is_shared: true, ..how(args) };
    let (session, live) = Session::live(terminal, global, how)?;
    let found = approved::find(&session, &live, &args.since, None)?;
    let derived = planning::approved(&session, &live, (session.now, false), &filter, &found.unapproved)?;
    let exit = execution::execute(
        &session,
        &live,
        (&derived, &found),
        Some(&Reviewed { plan: &plan, signer: None }),
        held.run(&again(global, args)),
    );
    held.end(terminal, exit)
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
    options.extend(args.lock_timeout.clone().map(|term| ("--lock-timeout", term)));
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
fn locked<'g>(terminal: Terminal, global: &'g Global, args: &ApplyArgs) -> Result<(Session<'g>, Live, Held), Failure> {
    let repository = Repository::find(global)?;
    let patience = args.lock_timeout.as_deref().map(patience).transpose()?;
    let root = &repository.root;
    if let Some(settings) = remote::configured(global, &repository)? {
        directories::ensure_own(&repository)?;
        let lock = lock(root, patience)?;
        let lease = remote::open(global, &repository, &settings)?.take(terminal, remote::holder(), patience)?;
        lease.catch_up()?;
        let (session, live) = Session::live(terminal, global, How { is_shared: true, ..how(args) })?;
        return Ok((session, live, Held { _lock: lock, lease: Some(lease) }));
    }
    let (session, live, lock) = locked_here(terminal, global, args, (root, patience))?;
    Ok((session, live, Held { _lock: lock, lease: None }))
}

/// The same where no other machine takes part.
fn locked_here<'g>(
    terminal: Terminal,
    global: &'g Global,
    args: &ApplyArgs,
    (root, patience): (&Path, Option<Duration>),
) -> Result<(Session<'g>, Live, Lock), Failure> {
    if Lock::exists(root) {
        let held = lock(root, patience)?;
        let (session, live) = Session::live(terminal, global, how(args))?;
        return Ok((session, live, held));
    }
    let (session, live) = Session::live(terminal, global, how(args))?;
    let held = lock(root, patience)?;
    let folder = record::journal_folder(&session.repository.root);
    let newest = record::newest(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
    if newest == live.newest {
        return Ok((session, live, held));
    }
    let (session, live) = Session::live(terminal, global, how(args))?;
    Ok((session, live, held))
}

fn how(args: &ApplyArgs) -> How {
    How { authors: false, refresh: args.refresh, is_shared: false }
}

/// One apply at a time for a repository.
fn lock(root: &Path, patience: Option<Duration>) -> Result<Lock, Failure> {
    let holder = Holder { pid: std::process::id(), host: None, since: clock::now() };
    let begun = clock::since_boot();
    let most = patience.map_or(0, |patience| u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
    loop {
        match Lock::take(root, &holder) {
            Err(LockError::Held { .. }) if clock::since_boot() < begun.saturating_add(most) => {
                thread::sleep(Duration::from_millis(100));
            }
            taken => return taken.map_err(|error| Failure::new(error.to_string())),
        }
    }
}

/// How long another run is waited for.
fn patience(text: &str) -> Result<Duration, Failure> {
    if let Some(seconds) = text.strip_suffix('s').and_then(|number| number.parse().ok()) {
        return Ok(Duration::from_secs(seconds));
    }
    Ok(Duration::from_secs(u64::try_from(clock::term(text)?.0).unwrap_or(0)))
}

/// What keeps other runs out.
struct Held {
    lease: Option<Lease>,
    _lock: Lock,
}

impl Held {
    fn run<'a>(&'a self, again: &'a str) -> Running<'a> {
        Running { again, lease: self.lease.as_ref() }
    }

    /// Shares the end of the run with other machines, and lets them go on.
    fn end(self, terminal: Terminal, exit: Result<Exit, Failure>) -> Result<Exit, Failure> {
        let Some(Err(why)) = self.lease.map(Lease::finish) else { return exit };
        terminal.say(&format!("not everything of this run is shared yet: {}", escape::terminal(&why)));
        terminal.say("  It is in `.accord/journal`, and the next run here shares it.");
        exit.map(|_| Exit::Error)
    }
}
