//! What `why`, `who`, `show` and `expiring` share: names to numbers, and the
//! because chain of a holding as lines.
//!
//! Comes in: words of the command line, a session without directories, what the
//! journal kept of the groups that are managed elsewhere. Goes out: answers for
//! `render`. Refuses: to call a group empty that was not read, and to answer about the
//! past from a later reading.

use super::directories;
use super::failure::Failure;
use super::session::Session;
use crate::model::{Instant, Place};
use crate::plan::{Memory, references};
use crate::policy::{GroupId, Holding, Label, Manage, PersonId, Policy};
use crate::record;
use crate::render::answers::{self, Link, Reading, Verdict};
use crate::resolve::{self, References, Resolution};
use similar::get_close_matches;

/// Policies resolved at an instant, without directories.
pub(super) struct Question<'s, 'g> {
    /// The session.
    pub(super) session: &'s Session<'g>,
    /// Who holds what then, as far as the policies and the journal can say.
    pub(super) resolution: Resolution,
    /// The groups that are managed elsewhere, by their last reading then.
    pub(super) references: References,
    /// What accord remembered then.
    memory: Memory,
}

impl<'s, 'g> Question<'s, 'g> {
    /// Resolves at `at`, with the last reading by then of the groups that are managed
    /// elsewhere.
    ///
    /// # Errors
    /// When the journal cannot be read, or comes from a commit.
    pub(super) fn new(session: &'s Session<'g>, at: Instant) -> Result<Self, Failure> {
        let (references, memory) = remembered(session, at)?;
        let resolution = resolve::resolve(&session.policy, &references, at);
        Ok(Self { session, resolution, references, memory })
    }

    /// The policies.
    pub(super) fn policy(&self) -> &'s Policy {
        &self.session.policy
    }

    /// The person with that key, id, address, or earlier name.
    ///
    /// # Errors
    /// When nobody has it, with the nearest keys.
    pub(super) fn person(&self, word: &str) -> Result<PersonId, Failure> {
        let policy = self.policy();
        if let Some(person) = policy.person_named(word) {
            return Ok(person);
        }
        let is = |text: &Option<Box<str>>| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(word));
        let known = policy.people.iter().position(|person| {
            is(&person.id) || is(&person.email) || person.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(word))
        });
        match known.and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(PersonId(n)),
            None => Err(unknown("nobody is called", word, policy.people.iter().map(|person| person.key.as_ref()))),
        }
    }

    /// The group `directory/name`, or the role.
    ///
    /// # Errors
    /// When there is none, with the nearest names.
    pub(super) fn entitlement(&self, word: &str) -> Result<Holding, Failure> {
        let policy = self.policy();
        let found = policy.group_named(word).map(Holding::Group).or_else(|| policy.role_named(word).map(Holding::Role));
        found.ok_or_else(|| {
            let groups: Vec<_> = policy.groups.iter().map(|group| group_name(policy, group)).collect();
            let roles = policy.roles.iter().map(|role| role.key.as_ref());
            unknown("no group or role is called", word, groups.iter().map(String::as_str).chain(roles))
        })
    }

    /// Whether a person holds something, until when, because of what.
    pub(super) fn holding(&self, person: PersonId, holding: Holding, name: String) -> Option<answers::Holding> {
        if let Some(held) = self.resolution.held(person, holding) {
            let because = self.because(person, holding);
            let accounts = self.accounts(person, holding);
            return Some(answers::Holding { name, verdict: Verdict::Yes, accounts, ends: held.ends, because });
        }
        let unsettled = self.resolution.unsettled_in(holding).any(|one| one == person);
        let (accounts, because) = (Vec::new(), Vec::new());
        unsettled.then_some(answers::Holding { name, verdict: Verdict::Unknown, accounts, ends: None, because })
    }

    /// The labels of the accounts that hold it; none where only the everyday one does.
    fn accounts(&self, person: PersonId, holding: Holding) -> Vec<String> {
        let all = (0..=u8::MAX).map(Label).take(self.policy().labels.len() + 1);
        let all = all.filter(|label| self.resolution.held_with(person, *label, holding).is_some());
        let labels: Vec<_> = all.map(|label| self.policy().label(label).unwrap_or_default().to_owned()).collect();
        if labels.iter().all(String::is_empty) { Vec::new() } else { labels }
    }

    /// From the entitlement to the person.
    pub(super) fn because(&self, person: PersonId, holding: Holding) -> Vec<Link> {
        let ways = resolve::because(self.policy(), &self.resolution, person, holding);
        let winning = ways.into_iter().next().map(|way| way.steps).unwrap_or_default();
        winning.into_iter().rev().map(|step| self.link(step.text, step.place)).collect()
    }

    /// A text with its place; what an entry says about itself (expiry, ticket) follows
    /// after two spaces and is shown behind the place.
    pub(super) fn link(&self, text: String, place: Place) -> Link {
        let (file, line) = self.policy().locate(place);
        let (text, note) = match text.split_once("  ") {
            Some((text, note)) => (text.to_owned(), Some(note.to_owned())),
            None => (text, None),
        };
        Link { text, note, file: Some(file.to_string()), line: Some(line) }
    }

    /// Whether a holding is a group that only its directory could tell, and no run read.
    pub(super) fn is_unread(&self, holding: Holding) -> bool {
        let Holding::Group(id) = holding else { return false };
        self.is_reference(holding) && self.reading(id).is_some_and(|reading| reading.at.is_none())
    }

    /// Whether a holding is a group that is managed elsewhere.
    pub(super) fn is_reference(&self, holding: Holding) -> bool {
        let Holding::Group(id) = holding else { return false };
        self.policy().groups.get(id.0 as usize).is_some_and(|group| group.manage == Manage::Reference)
    }

    /// The groups managed elsewhere that decide who holds any of these, with the age
    /// of what is known of each.
    pub(super) fn readings(&self, holdings: impl IntoIterator<Item = Holding>) -> Vec<Reading> {
        resolve::references_of(self.policy(), holdings).into_iter().filter_map(|id| self.reading(id)).collect()
    }

    fn reading(&self, id: GroupId) -> Option<Reading> {
        reading(self.policy(), &self.memory, id)
    }

    /// The name of a group or role as people write it.
    pub(super) fn name(&self, holding: Holding) -> String {
        let policy = self.policy();
        match holding {
            Holding::Group(group) => {
                policy.groups.get(group.0 as usize).map(|group| group_name(policy, group)).unwrap_or_default()
            }
            Holding::Role(role) => {
                policy.roles.get(role.0 as usize).map(|role| role.key.to_string()).unwrap_or_default()
            }
        }
    }

    /// Every role, then every group.
    pub(super) fn holdings(&self) -> impl Iterator<Item = Holding> {
        let numbers = |n: usize| 0..u32::try_from(n).unwrap_or(u32::MAX);
        let roles = numbers(self.policy().roles.len()).map(|n| Holding::Role(crate::policy::RoleId(n)));
        roles.chain(numbers(self.policy().groups.len()).map(|n| Holding::Group(crate::policy::GroupId(n))))
    }
}

/// The last reading by then of the groups that are managed elsewhere, and what else accord
/// remembered then.
///
/// # Errors
/// When the journal cannot be read, or comes from a commit.
pub(super) fn remembered(session: &Session<'_>, at: Instant) -> Result<(References, Memory), Failure> {
    directories::ensure_own(&session.repository)?;
    let folder = record::journal_folder(&session.repository.root);
    let memory = if at < session.now { record::memory_at(&folder, at) } else { record::memory(&folder) };
    let memory = memory.map_err(|error| Failure::file(&folder, "read", &error))?;
    Ok((references::remembered(&session.policy, &memory), memory))
}

/// A group that is managed elsewhere, and when it was read last.
pub(super) fn reading(policy: &Policy, memory: &Memory, id: GroupId) -> Option<Reading> {
    let group = policy.groups.get(id.0 as usize)?;
    let directory = policy.directories.get(usize::from(group.directory.0))?;
    let known = memory.references.get(&(directory.name.to_string(), group.name.to_string()));
    Some(Reading { group: group_name(policy, group), at: known.map(|known| known.at) })
}

/// `corp/sre`.
pub(super) fn group_name(policy: &Policy, group: &crate::policy::Group) -> String {
    let directory = policy.directories.get(usize::from(group.directory.0)).map(|directory| directory.name.as_ref());
    format!("{}/{}", directory.unwrap_or("?"), group.name)
}

/// What is held, and with which account where that is a second one:
/// `corp/sre with the account admin`.
pub(super) fn with_account(policy: &Policy, what: String, label: Label) -> String {
    match policy.label(label) {
        Some(word) => format!("{what} with the account {word}"),
        None => what,
    }
}

/// The key of a person.
pub(super) fn key(policy: &Policy, person: Option<PersonId>) -> Option<String> {
    policy.people.get(person?.0 as usize).map(|person| person.key.to_string())
}

pub(super) fn unknown<'a>(what: &str, word: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    let names: Vec<&str> = names.collect();
    let failure = Failure::new(format!("{what} `{word}`"));
    let near: Vec<_> = get_close_matches(word, &names, 3, 0.7).iter().map(|name| format!("`{name}`")).collect();
    if near.is_empty() { failure } else { failure.help(format!("did you mean {}?", near.join(" or "))) }
}
