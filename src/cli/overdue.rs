//! `accord expiring --overdue`: who still holds what although its end has passed.
//!
//! Comes in: policies; what the directories hold, or, of those that cannot be read and
//! with `--offline`, what runs wrote. Goes out: who holds what since when, under the
//! person who should do something about it; exit code 3 where there is anything.
//! Refuses: to call overdue what no date ended (that is `drift`), or what the directory
//! itself ended; and to pass over a directory that was not read.

use super::answerable::{for_holding, for_person};
use super::args::{Format, Global, Refresh};
use super::directories::{How, Live};
use super::expiring::place;
use super::failure::{Exit, Failure};
use super::questions::{group_name, with_account};
use super::session::Session;
use super::terminal::{self, Terminal};
use super::{directories, planning};
use crate::model::{Action, Change, Instant};
use crate::plan::{Filter, Plan, references};
use crate::policy::settings::LeaverAction;
use crate::policy::{GroupId, Holding, Label, Manage, Person, PersonId, Policy, Standing};
use crate::provider::Observed;
use crate::record::{self, Membership};
use crate::render::answers::{Answerable, Ending, Link};
use crate::render::overdue::{self, Basis, Overdue};
use crate::resolve::{self, References};
use std::collections::{BTreeMap, BTreeSet};

/// Something held past its end: who answers for it, and what it is.
type Found = BTreeSet<(String, Ending)>;

/// Answers.
pub(super) fn run(terminal: Terminal, global: &Global, offline: bool) -> Result<Exit, Failure> {
    if !matches!(global.format, Format::Text | Format::Json) {
        return Err(terminal::no_format("expiring", global.format));
    }
    let (session, live) = if offline {
        (Session::offline(terminal, global)?, None)
    } else {
        let how = How { authors: false, refresh: Refresh::Incremental, is_shared: false };
        let (session, live) = Session::live(terminal, global, how)?;
        (session, Some(live))
    };
    directories::ensure_own(&session.repository)?;
    let answer = answer(&session, live.as_ref())?;
    match global.format {
        Format::Json => terminal.print(&terminal::json(&answer)?)?,
        _ => terminal.print(&overdue::text(&answer, session.zone()))?,
    }
    let mut failed = false;
    if let Some(live) = &live {
        planning::say_failures(&session, live);
        failed = live.observed.iter().any(|observed| !observed.gaps.is_empty());
    }
    Ok(match (answer.answerable.is_empty(), failed) {
        (false, _) => Exit::Withheld,
        (true, true) => Exit::Error,
        (true, false) => Exit::Done,
    })
}

fn answer(session: &Session<'_>, live: Option<&Live>) -> Result<Overdue, Failure> {
    let (policy, at) = (&session.policy, session.now);
    let (mut held, mut ended) = (Found::new(), Found::new());
    let mut rests_on = Vec::new();
    let mut unread = BTreeSet::new();
    if let Some(live) = live {
        let plan = planning::derive(session, live, at, false, &Filter::default())?;
        let seen = Seen { policy, plan: &plan, live, at };
        seen.find(&mut held, &mut ended);
    }
    for (n, directory) in policy.directories.iter().enumerate() {
        let is_read = live.and_then(|live| live.observed.get(n)).is_some_and(|observed| observed.gaps.is_empty());
        if !is_read {
            unread.insert(n);
        }
        rests_on.push(Basis { directory: directory.name.to_string(), read: is_read, run: None });
    }
    if !unread.is_empty() {
        let written = Written::new(session)?;
        written.find(&unread, &mut held)?;
        for basis in rests_on.iter_mut().filter(|basis| !basis.read) {
            basis.run = written.since.as_ref().map(|(run, _)| run.clone());
        }
    }
    Ok(Overdue { at, rests_on, answerable: grouped(held), ended_by_directory: grouped(ended) })
}

fn grouped(found: Found) -> Vec<Answerable> {
    let mut by: BTreeMap<String, Vec<Ending>> = BTreeMap::new();
    for (who, ending) in found {
        by.entry(who).or_default().push(ending);
    }
    by.into_iter().map(|(person, endings)| Answerable { person, endings }).collect()
}

fn last_day(policy: &Policy, person: &Person, end: Instant) -> Link {
    let (file, line) = policy.locate(place(person, end));
    Link { text: "last day of the person".to_owned(), note: None, file: Some(file.to_string()), line: Some(line) }
}

fn account_of(directory: &str, account: &str) -> String {
    format!("the account {account} in {directory}")
}

/// What the directories were seen to hold.
struct Seen<'a> {
    policy: &'a Policy,
    plan: &'a Plan,
    live: &'a Live,
    at: Instant,
}

impl Seen<'_> {
    /// What the plan would take away, also where a rule keeps it back, because a date
    /// has passed.
    fn find(&self, held: &mut Found, ended: &mut Found) {
        let steps = self.plan.changes.iter().chain(self.plan.withheld.iter().map(|held| &held.change));
        let mut revokes: Vec<(&Change, (PersonId, Label, GroupId))> = Vec::new();
        for change in steps {
            let Some(id) = change.person.as_deref().and_then(|person| self.policy.person_named(person)) else {
                continue;
            };
            match change.action {
                Action::DisableAccount => self.account(change, id, held, ended),
                Action::Revoke => {
                    let held = self.group(change).zip(self.policy.label_of(change.label.as_deref()));
                    revokes.extend(held.map(|(group, label)| (change, (id, label, group))));
                }
                _ => {}
            }
        }
        let wanted: Vec<(PersonId, Label, GroupId)> = revokes.iter().map(|(_, held)| *held).collect();
        if wanted.is_empty() {
            return;
        }
        let references = references::references(self.policy, &planning::inputs(self.live));
        let since = resolve::ended(self.policy, &references, self.at, &wanted);
        for ((change, (id, label, group)), since) in revokes.into_iter().zip(since) {
            let (Some(since), Some(person)) = (since, self.policy.people.get(id.0 as usize)) else { continue };
            let what = held_with(self.policy, group, label);
            let because = self.because(change);
            let ending = Ending { ends: since, person: person.key.to_string(), what, because };
            let who = for_holding(self.policy, Holding::Group(group), person, self.at);
            let list = if self.is_ended(change) { &mut *ended } else { &mut *held };
            list.insert((who, ending));
        }
    }

    fn account(&self, change: &Change, id: PersonId, held: &mut Found, ended: &mut Found) {
        let Some(person) = self.policy.people.get(id.0 as usize) else { return };
        let (Standing::Left(end), Some(account)) = (person.standing(self.at), &change.object.account) else { return };
        let what = account_of(&change.directory, account);
        let because = last_day(self.policy, person, end);
        let ending = Ending { ends: end, person: person.key.to_string(), what, because };
        let list = if self.is_ended(change) { ended } else { held };
        list.insert((for_person(self.policy, person, self.at), ending));
    }

    /// Whether the directory itself lets nobody use the account any more.
    fn is_ended(&self, change: &Change) -> bool {
        let Some((kind, observed)) = self.directory(&change.directory) else { return false };
        let capabilities = observed.capabilities.as_ref().unwrap_or_else(|| kind.capabilities());
        let account = change.object.account.as_deref().and_then(|name| observed.state.account_named(name));
        let is_past = account.and_then(crate::model::state::AccountRef::ends).is_some_and(|end| end <= self.at);
        capabilities.ends_itself.accounts && is_past
    }

    fn directory(&self, name: &str) -> Option<(&dyn crate::provider::Kind, &Observed)> {
        let n = usize::from(self.policy.directory_named(name)?.0);
        Some((self.live.kinds.get(n)?.as_ref(), self.live.observed.get(n)?))
    }

    /// The policy's group that a change names as its directory does, perhaps still by the
    /// name before a rename.
    fn group(&self, change: &Change) -> Option<GroupId> {
        let directory = self.policy.directory_named(&change.directory)?;
        let (kind, _) = self.directory(&change.directory)?;
        let names = kind.capabilities().names;
        let wanted = names.key(change.object.group.as_deref()?).into_owned();
        let is_called = |name: &str| names.key(name).as_ref() == wanted;
        let mut here = (0usize..).zip(&self.policy.groups).filter(|(_, group)| group.directory == directory);
        let now = here.clone().find(|(_, group)| is_called(&group.directory_name));
        let (n, _) = now.or_else(|| here.find(|(_, group)| group.previously.as_deref().is_some_and(is_called)))?;
        u32::try_from(n).ok().map(GroupId)
    }

    fn because(&self, change: &Change) -> Link {
        let fact = change.because.iter().find_map(|n| self.plan.facts.get(*n as usize).filter(|f| f.file.is_some()));
        let (text, file, line) = fact.map_or_else(
            || ("its end has passed".to_owned(), None, None),
            |fact| (fact.text.clone(), fact.file.clone(), fact.line),
        );
        Link { text, note: None, file, line }
    }
}

/// What runs wrote, by the policies of today.
struct Written<'a> {
    session: &'a Session<'a>,
    /// The last run that left nothing to do: what had ended by then is applied.
    since: Option<(String, Instant)>,
    /// From when on an end counts; without any run nothing does.
    from: Option<Instant>,
    references: References,
    memory: crate::plan::Memory,
}

impl<'a> Written<'a> {
    fn new(session: &'a Session<'a>) -> Result<Self, Failure> {
        let folder = record::journal_folder(&session.repository.root);
        let failed = |error: std::io::Error| Failure::file(&folder, "read", &error);
        let since = record::nothing_left(&folder).map_err(failed)?.map(|applied| (applied.run, applied.at));
        let from = record::dated_since(&folder).map_err(failed)?;
        let memory = record::memory(&folder).map_err(failed)?;
        let references = references::remembered(&session.policy, &memory);
        Ok(Self { session, since, from, references, memory })
    }

    /// What had to end since then in those directories and no run took away.
    fn find(&self, directories: &BTreeSet<usize>, held: &mut Found) -> Result<(), Failure> {
        let (policy, at) = (&self.session.policy, self.session.now);
        let Some(from) = self.from else { return Ok(()) };
        self.accounts(directories, from, held);
        let before = resolve::resolve(policy, &self.references, from);
        let now = resolve::resolve(policy, &self.references, at);
        let mut wanted: Vec<(PersonId, Label, GroupId)> = Vec::new();
        for (n, group) in (0u32..).zip(&policy.groups) {
            if group.manage == Manage::Reference || !directories.contains(&usize::from(group.directory.0)) {
                continue;
            }
            let id = GroupId(n);
            let over =
                before.members(id).filter(|held| now.held_with(held.person, held.label, Holding::Group(id)).is_none());
            wanted.extend(over.map(|held| (held.person, held.label, id)));
        }
        let ends = resolve::ended(policy, &self.references, at, &wanted);
        for ((id, label, group), end) in wanted.into_iter().zip(ends) {
            let Some((end, person)) = end.filter(|end| *end > from).zip(policy.people.get(id.0 as usize)) else {
                continue;
            };
            if self.is_still_given(person, label, group)? {
                let (what, because) = (held_with(policy, group, label), last_written());
                let ending = Ending { ends: end, person: person.key.to_string(), what, because };
                held.insert((for_holding(policy, Holding::Group(group), person, at), ending));
            }
        }
        Ok(())
    }

    /// Whether the last thing that a run did was to give it; after a run that left
    /// nothing to do whoever was to hold it held it, however it came.
    fn is_still_given(&self, person: &Person, label: Label, group: GroupId) -> Result<bool, Failure> {
        let policy = &self.session.policy;
        let Some(group) = policy.groups.get(group.0 as usize) else { return Ok(false) };
        let directory = policy.directories.get(usize::from(group.directory.0)).map_or("", |one| one.name.as_ref());
        let label = Some(policy.label(label).unwrap_or_default());
        let wanted = Membership { directory, group: &group.directory_name, person: &person.key, label };
        let folder = record::journal_folder(&self.session.repository.root);
        let written = record::written(&folder, wanted, self.session.now)
            .map_err(|error| Failure::file(&folder, "read", &error))?;
        let in_accord = self.since.as_ref().map(|(_, at)| *at);
        Ok(match written {
            Some(written) if !written.granted => in_accord.is_some_and(|at| written.at < at),
            Some(_) => true,
            None => in_accord.is_some(),
        })
    }

    fn accounts(&self, directories: &BTreeSet<usize>, from: Instant, held: &mut Found) {
        let (policy, at) = (&self.session.policy, self.session.now);
        for ((name, account), known) in &self.memory.accounts {
            let Some(directory) = policy.directory_named(name).map(|id| usize::from(id.0)) else { continue };
            let reports = policy
                .directories
                .get(directory)
                .is_some_and(|directory| directory.settings.leavers.then == LeaverAction::Report);
            let id = known.person.as_deref().and_then(|person| policy.person_named(person));
            let Some(person) = id.and_then(|id| policy.people.get(id.0 as usize)) else { continue };
            if let Standing::Left(end) = person.standing(at)
                && end > from
                // Enabling ends it: whoever was on leave until the end is disabled still.
                && known.disabled.is_none()
                && directories.contains(&directory)
                && !reports
            {
                let because = last_day(policy, person, end);
                let what = account_of(name, account);
                let ending = Ending { ends: end, person: person.key.to_string(), what, because };
                held.insert((for_person(policy, person, at), ending));
            }
        }
    }
}

fn held_with(policy: &Policy, group: GroupId, label: Label) -> String {
    let name = policy.groups.get(group.0 as usize).map(|group| group_name(policy, group));
    with_account(policy, name.unwrap_or_default(), label)
}

fn last_written() -> Link {
    Link { text: "no run took it away".to_owned(), note: None, file: None, line: None }
}
