//! What earlier runs leave for the next plan.
//!
//! Comes in: the journal's folder. Goes out: [`Memory`]: whose account is whose,
//! what it was called before, whether making it came to its end, when accord disabled it, since when a member is there undeclared, how large a
//! directory was, who was in the groups that are managed elsewhere. Refuses: to be stopped by a torn line, and to judge the journal
//! (that is `verify`).
//!
//! A change without a result (a kill, an answer that never came) may be in effect.
//! For what only protects (whose an account is, since when it is disabled) it
//! counts as done; the next plan reads the directory anyway.

use super::entry::{Intent, Line, Matched, Outcome, Record, ReferenceRead, Status, Undeclared};
use super::{digest, store};
use crate::model::{Action, ChangeId, Instant};
use crate::plan::recent::{self, Counted};
use crate::plan::{AccountMemory, Memory, ReferenceMemory, Size, references};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Reads what the journal's folder remembers, oldest run first. A folder that is
/// not there leaves nothing to remember. Runs that the `digest`
/// of a later one covers are not read again.
///
/// # Errors
/// When a file cannot be read.
pub fn memory(folder: &Path) -> io::Result<Memory> {
    let runs = store::list(folder)?.0;
    let (memory, covered) = digest::load(folder, &runs);
    read(folder, runs.iter().skip(covered), memory, None)
}

/// What was remembered at an instant: every run is read, and of it what was written
/// by then. For questions about the past, not for plans.
///
/// # Errors
/// When a file cannot be read.
pub fn memory_at(folder: &Path, at: Instant) -> io::Result<Memory> {
    read(folder, store::list(folder)?.0.iter(), Memory::default(), Some(at))
}

fn read<'r>(
    folder: &Path,
    runs: impl Iterator<Item = &'r String>,
    mut memory: Memory,
    until: Option<Instant>,
) -> io::Result<Memory> {
    for run in runs {
        let path = store::file_of(folder, run);
        store::refuse_symlink(&path)?;
        let mut open = Open::default();
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if let Ok(Line { at, record, .. }) = serde_json::from_slice::<Line<Record>>(&line)
                && until.is_none_or(|until| at <= until)
            {
                open.take(at, record, &mut memory);
            }
            line.clear();
        }
        open.close(&mut memory);
    }
    Ok(memory)
}

/// Intents of one run that have no result yet.
#[derive(Default)]
pub(super) struct Open {
    intents: BTreeMap<ChangeId, (Instant, Intent)>,
    /// Guardrail class that the run lets through → how many, and whom it was so far.
    let_through: BTreeMap<String, (usize, BTreeSet<String>)>,
}

impl Open {
    /// The next record of the run.
    pub(super) fn take(&mut self, at: Instant, record: Record, memory: &mut Memory) {
        match record {
            Record::Intent(intent) => {
                // One that only goes elsewhere keeps its name.
                if let (Action::RenameAccount, Some(account), Some(person), Some(_)) =
                    (intent.action, &intent.object.account, &intent.person, &intent.to)
                {
                    memory.earlier.insert((intent.directory.clone(), account.clone()), person.clone());
                }
                if let (Action::RenameGroup, Some(group), Some(to)) = (intent.action, &intent.object.group, &intent.to)
                {
                    memory.group_renamed(&intent.directory, group, to);
                }
                self.intents.insert(intent.change, (at, intent));
            }
            Record::Outcome(Outcome { change, result, why, .. }) => {
                if let Some((intended, intent)) = self.intents.remove(&change) {
                    match result {
                        Status::Done | Status::Pending => {
                            done(&intent, at, memory);
                            self.count(&intent, at, memory, false);
                            // Done with something left to say: not with all of it.
                            if intent.action == Action::CreateAccount && why.is_some() {
                                halfway(intent, at, memory);
                            }
                        }
                        Status::Unknown => {
                            maybe(&intent, intended, memory);
                            self.count(&intent, intended, memory, true);
                        }
                        // It may be there although a part of making it was refused.
                        Status::Refused if intent.action == Action::CreateAccount => halfway(intent, at, memory),
                        _ => {}
                    }
                }
            }
            Record::Seen(seen) => {
                memory.sizes.insert(seen.directory, Size { accounts: seen.accounts, groups: seen.groups });
            }
            Record::Undeclared(seen) => undeclared(seen, at, memory),
            Record::Matched(seen) => matched(seen, memory),
            Record::Reference(read) => reference(read, at, memory),
            Record::RunStarted(started) => {
                let most = |most: u64| usize::try_from(most).unwrap_or(usize::MAX);
                let allow = started.allow.into_iter();
                self.let_through = allow.map(|(class, number)| (class, (most(number), BTreeSet::new()))).collect();
            }
            Record::Late(_) | Record::Verified(_) | Record::RunEnded(_) => {}
        }
    }

    /// The run is over: what has no result may have been done.
    pub(super) fn close(mut self, memory: &mut Memory) {
        for (at, intent) in std::mem::take(&mut self.intents).into_values() {
            maybe(&intent, at, memory);
            self.count(&intent, at, memory, true);
        }
    }

    /// What counts against the next plan's guardrails; not what somebody let through with a ticket.
    fn count(&mut self, intent: &Intent, at: Instant, memory: &mut Memory, perhaps: bool) {
        let Some(counted) = Counted::of(intent.action, intent.longer) else { return };
        if let Some((most, whom)) = self.let_through.get_mut(counted.word()) {
            let name = format!("{}/{}", intent.directory, recent::name(&intent.object));
            if whom.contains(&name) || whom.len() < *most {
                whom.insert(name);
                return;
            }
        }
        memory.recent.add(at, counted, &intent.directory, &intent.object, perhaps);
    }
}

/// Members that nobody declared, as a run saw them: who is not among them any more is gone.
fn undeclared(seen: Undeclared, at: Instant, memory: &mut Memory) {
    // With one more `/` nobody can say where the group's name ended: the
    // wait begins again.
    let earlier = seen.members.into_iter().filter(|(_, account)| !account.contains('/'));
    let now: BTreeSet<_> = seen.seen.into_iter().chain(earlier).collect();
    let gone = |(directory, group, member): &(String, String, String)| {
        *directory == seen.directory && !now.contains(&(group.clone(), member.clone()))
    };
    memory.undeclared.retain(|key, _| !gone(key));
    for (group, member) in now {
        memory.undeclared.entry((seen.directory.clone(), group, member)).or_insert(at);
    }
}

/// Whose accounts a run saw.
fn matched(matched: Matched, memory: &mut Memory) {
    let (mut objects, mut labels) = (matched.objects, matched.labels);
    for (account, person) in matched.accounts {
        let label = labels.remove(&account).unwrap_or_else(|| Some(String::new()));
        let object = objects.remove(&account);
        let entry = memory.accounts.entry((matched.directory.clone(), account)).or_default();
        let known = if entry.person.as_ref() == Some(&person) { entry.label.take() } else { None };
        entry.label = label.or(known);
        entry.person = Some(person);
        entry.object = object.or(entry.object.take());
    }
}

/// A reading without its people is the one before, read again; where that is not
/// known, nothing is.
fn reference(read: ReferenceRead, at: Instant, memory: &mut Memory) {
    let key = (read.directory, read.group);
    let people = read.people.or_else(|| Some(memory.references.get(&key)?.people.clone()));
    match people.filter(|people| references::digest(people.iter().map(String::as_str)) == read.digest) {
        Some(people) => memory.references.insert(key, ReferenceMemory { at, people }),
        None => memory.references.remove(&key),
    };
}

fn done(intent: &Intent, at: Instant, memory: &mut Memory) {
    if let (Action::CreateGroup, Some(group)) = (intent.action, &intent.object.group) {
        memory.group_created(&intent.directory, group);
    }
    let Some(account) = &intent.object.account else { return };
    let key = (intent.directory.clone(), account.clone());
    match intent.action {
        Action::DeleteAccount => {
            memory.halfway.remove(&key);
            memory.accounts.remove(&key);
        }
        Action::RenameAccount => {
            let known = memory.accounts.remove(&key).unwrap_or_default();
            let halfway = memory.halfway.remove(&key);
            let key = (intent.directory.clone(), intent.to.clone().unwrap_or_else(|| account.clone()));
            memory.earlier.remove(&key);
            if let Some(since) = halfway {
                memory.halfway.insert(key.clone(), since);
            }
            let entry = memory.accounts.entry(key).or_default();
            entry.person = intent.person.clone().or(known.person);
            entry.label = whose(intent).or(known.label);
            entry.disabled = known.disabled;
            entry.object = known.object.or(entry.object.take());
        }
        Action::DisableAccount => entry(intent, key, memory).disabled = Some(at),
        Action::EnableAccount => entry(intent, key, memory).disabled = None,
        // Another account, even where there was one of the name.
        Action::CreateAccount => {
            memory.earlier.remove(&key);
            memory.halfway.remove(&key);
            let entry = entry(intent, key, memory);
            (entry.disabled, entry.object) = (intent.disabled.then_some(at), None);
        }
        _ if intent.person.is_some() => drop(entry(intent, key, memory)),
        _ => {}
    }
}

/// An account that was to be created, of which not everything is known to be done.
fn halfway(intent: Intent, at: Instant, memory: &mut Memory) {
    memory.halfway.extend(intent.object.account.map(|name| ((intent.directory, name), at)));
}

/// A change of which nobody knows whether it happened.
fn maybe(intent: &Intent, at: Instant, memory: &mut Memory) {
    let Some(account) = &intent.object.account else { return };
    let key = (intent.directory.clone(), account.clone());
    match intent.action {
        Action::DisableAccount => entry(intent, key, memory).disabled = Some(at),
        Action::CreateAccount => {
            memory.halfway.insert(key.clone(), at);
            let entry = entry(intent, key, memory);
            (entry.disabled, entry.object) = (intent.disabled.then_some(at), None);
        }
        Action::RenameAccount => {
            // Both names may be the account's.
            let known = memory.accounts.get(&key).cloned().unwrap_or_default();
            let key = (intent.directory.clone(), intent.to.clone().unwrap_or_else(|| account.clone()));
            let entry = memory.accounts.entry(key).or_default();
            entry.person = intent.person.clone().or(known.person);
            entry.label = whose(intent).or(known.label);
            entry.disabled = known.disabled;
            entry.object = known.object.or(entry.object.take());
        }
        _ => {}
    }
}

fn entry<'m>(intent: &Intent, key: (String, String), memory: &'m mut Memory) -> &'m mut AccountMemory {
    let entry = memory.accounts.entry(key).or_default();
    if intent.person.is_some() {
        entry.person.clone_from(&intent.person);
        entry.label = whose(intent).or(entry.label.take());
    }
    entry
}

/// Which account of its person a change gave something to. What takes away may be about
/// one that nobody declared: that says nothing.
fn whose(intent: &Intent) -> Option<String> {
    let gives = intent.person.is_some() && !intent.action.takes();
    gives.then(|| intent.label.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Object, Side};

    fn run(memory: &mut Memory, at: i64, action: Action, enabled: bool) -> Option<Instant> {
        let change = Change {
            id: 1,
            directory: "corp".into(),
            action,
            object: Object::account("li"),
            person: Some("li".into()),
            label: None,
            before: None,
            after: Some(Side::from([("enabled".to_owned(), vec![enabled.to_string()])])),
            because: Vec::new(),
            ends: None,
            needs: Vec::new(),
        };
        let mut open = Open::default();
        let at = Instant::from_seconds(at);
        open.take(at, Record::Intent(Intent::of(&change)), memory);
        open.take(at, Record::Outcome(Outcome { change: 1, result: Status::Done, why: None, handle: None }), memory);
        open.close(memory);
        memory.accounts[&("corp".to_owned(), "li".to_owned())].disabled
    }

    /// Otherwise the account of a joiner who never comes could not be deleted, ever.
    #[test]
    fn an_account_that_is_made_disabled_is_disabled_since_then() {
        let mut memory = Memory::default();
        assert_eq!(run(&mut memory, 10, Action::CreateAccount, false), Some(Instant::from_seconds(10)));
        assert_eq!(run(&mut memory, 20, Action::EnableAccount, true), None);
        assert_eq!(run(&mut memory, 30, Action::CreateAccount, true), None);
    }
}
