//! Whose an account is: by stable id, by what earlier runs matched, or by `adopt`.
//!
//! Comes in: a desired and an observed account of one name. Goes out: proven, or a
//! reason with a way out. Refuses: to believe a name alone.

use super::Diff;
use crate::model::state::AccountRef;
use crate::plan::draft::Reason;
use crate::plan::{AccountMemory, Memory};
use crate::policy::settings::AccountManage;
use crate::policy::{Person, PersonId};
use crate::resolve::Want;
use std::collections::BTreeMap;

/// What the directory itself calls each remembered account, where all that is
/// remembered says the same of it.
pub(in crate::plan) fn by_object<'m>(memory: &'m Memory, directory: &str) -> BTreeMap<&'m str, &'m AccountMemory> {
    let mut found: BTreeMap<&str, Option<&AccountMemory>> = BTreeMap::new();
    for ((of, _), known) in &memory.accounts {
        let Some(object) = known.object.as_deref().filter(|_| of == directory) else { continue };
        let one = match found.get(object).copied() {
            None => Some(known),
            Some(other) => other.and_then(|other| agreed(other, known)),
        };
        found.insert(object, one);
    }
    found.into_iter().filter_map(|(object, known)| Some((object, known?))).collect()
}

/// What two memories of one object say together, unless they contradict each other.
fn agreed<'m>(a: &'m AccountMemory, b: &'m AccountMemory) -> Option<&'m AccountMemory> {
    match (&a.label, &b.label) {
        _ if a.person != b.person => None,
        (Some(one), Some(other)) if one != other => None,
        (None, Some(_)) => Some(b),
        _ => Some(a),
    }
}

impl Diff<'_> {
    /// The word of a desired account among those of its person; empty for the everyday one.
    pub(super) fn word_of(&self, desired: AccountRef<'_>) -> &str {
        self.policy.label(self.desired.label(desired.id())).unwrap_or_default()
    }

    /// Whether an earlier run saw that an account is another one of the same person: by its
    /// name alone an everyday account could become one for administration. Of somebody who
    /// is not there it does not matter which one it is: none of them can be used.
    pub(super) fn is_another(&self, desired: AccountRef<'_>, observed: AccountRef<'_>) -> bool {
        if matches!(self.want(desired.id()), Want::Left(_) | Want::NotYet(_)) {
            return false;
        }
        let Some((_, person)) = self.person_of(desired).filter(|(_, person)| !person.adopt) else { return false };
        let Some(known) = self.memory_of(observed) else { return false };
        known.person.as_deref() == Some(&person.key)
            && known.label.as_deref().is_some_and(|label| label != self.word_of(desired))
    }

    /// The person of a desired account.
    pub(super) fn person_of(&self, desired: AccountRef<'_>) -> Option<(PersonId, &Person)> {
        let id = *self.desired.people.get(desired.id().0 as usize)?;
        Some((id, self.policy.people.get(id.0 as usize)?))
    }

    /// What earlier runs know of the account with that name.
    pub(super) fn remembered(&self, account: &str) -> Option<&AccountMemory> {
        if self.memory.accounts.is_empty() {
            return None;
        }
        self.memory.accounts.get(&(self.name().to_owned(), account.to_owned()))
    }

    /// What earlier runs know of an observed account: by what the directory itself
    /// calls it for ever, whatever its name is now; by its name only where that is not
    /// another object's.
    pub(super) fn memory_of(&self, observed: AccountRef<'_>) -> Option<&AccountMemory> {
        let by_name = || self.remembered(observed.name());
        let Some(object) = observed.object_id() else { return by_name() };
        self.objects.get(object).copied().or_else(|| by_name().filter(|known| known.object.is_none()))
    }

    /// Whether the account can be believed to be the person's.
    pub(super) fn identity(&self, desired: AccountRef<'_>, observed: AccountRef<'_>) -> Result<(), Reason> {
        let settings = &self.settings().accounts;
        let attribute = settings.id_attribute.as_deref().unwrap_or("id");
        let person = self.person_of(desired);
        let key = person.map_or("", |(_, person)| person.key.as_ref());
        if self.is_another(desired, observed) {
            return Err(Reason::new(
                format!("`{}` in `{}` was another account of `{key}` before", observed.name(), self.name()),
                format!("`adopt: true` on `{key}` if it is this one now, or another account name under `accounts:`"),
            ));
        }
        match (desired.person_id(), observed.person_id()) {
            (Some(wanted), Some(held)) if self.same_id(wanted, held) => return Ok(()),
            (Some(wanted), Some(held)) => return Err(self.conflict(key, wanted, observed.name(), held)),
            _ => {}
        }
        let before = self.memory_of(observed).and_then(|memory| memory.person.as_deref());
        let is_seen = observed.object_id().is_some_and(|object| self.objects.contains_key(object));
        // A name may be taken over; an account that was seen to be somebody's may not.
        let by_name = settings.adopt && !(is_seen && before.is_some_and(|before| before != key));
        if settings.manage == AccountManage::Reference || by_name {
            return Ok(());
        }
        match before {
            Some(before) if before == key => return Ok(()),
            Some(before) if !person.is_some_and(|(_, person)| person.adopt) => {
                return Err(Reason::new(
                    format!(
                        "`{}` in `{}` was matched to `{before}` before, not to `{key}`",
                        observed.name(),
                        self.name()
                    ),
                    format!("`adopt: true` on `{key}`, or another account name under `accounts:`"),
                ));
            }
            _ => {}
        }
        if person.is_some_and(|(_, person)| person.adopt) {
            return Ok(());
        }
        let once = self.remembered(observed.name()).filter(|known| known.person.as_deref() == Some(key));
        if once.is_some_and(|known| known.object.as_deref() != observed.object_id()) {
            return Err(Reason::new(
                format!(
                    "`{}` in `{}` is another account than the one of that name that was `{key}`'s: somebody made it anew",
                    observed.name(),
                    self.name()
                ),
                format!("`adopt: true` on `{key}` if it is theirs, or remove that account"),
            ));
        }
        Err(Reason::new(
            format!(
                "an account named `{}` is in `{}`, and nothing proves that it is that of `{key}`: its `{attribute}` says nothing",
                observed.name(),
                self.name()
            ),
            format!("`adopt: true` on `{key}` or on the accounts of `{}`, or write the id there", self.name()),
        ))
    }

    /// Whether an account under another name is the one that is missing. The id says whose
    /// it is; a person may have more accounts than are declared, and to rename one of
    /// them would give it everything that the missing one should hold. So an earlier run
    /// must have matched it, or somebody says so: `adopt`, or an old name.
    pub(super) fn is_the_account(&self, desired: AccountRef<'_>, observed: AccountRef<'_>) -> Result<(), Reason> {
        let settings = &self.settings().accounts;
        let Some((_, person)) = self.person_of(desired) else { return Ok(()) };
        if desired.name() == observed.name() || settings.manage == AccountManage::Reference {
            return Ok(());
        }
        let known = self.memory_of(observed).filter(|known| known.person.as_deref() == Some(&person.key));
        let word = self.word_of(desired);
        if known.is_some_and(|known| known.label.as_deref() == Some(word)) {
            return Ok(());
        }
        let names = self.names();
        let was_called = |alias: &str| names.key(alias) == names.key(observed.name());
        // An old name, or one that is taken over, is that of the everyday account.
        let is_everyday = || settings.adopt || person.adopt || person.aliases.iter().any(|alias| was_called(alias));
        if word.is_empty() && is_everyday() {
            return Ok(());
        }
        let (key, there, directory) = (&person.key, observed.name(), self.name());
        let reason = format!(
            "`{there}` in `{directory}` carries the id of `{key}`, whose account `{}` is missing: nothing says that it is that account and not another one of the same person",
            desired.name()
        );
        let other = format!("if it is another account, `accounts: {{ {directory}#second: {there} }}`");
        let setting = if word.is_empty() {
            format!("`aliases: [{there}]` or `adopt: true` on `{key}` if it is to be renamed; {other}")
        } else {
            format!("`accounts: {{ {directory}#{word}: {there} }}` if it is that account; {other}")
        };
        Err(Reason::new(reason, setting))
    }

    /// Whether two ids are one.
    pub(super) fn same_id(&self, a: &str, b: &str) -> bool {
        if a == b {
            return true;
        }
        let attribute = self.settings().accounts.id_attribute.as_deref().unwrap_or("id");
        let matching = self.kind.matching(attribute);
        matching.key(a) == matching.key(b)
    }

    fn conflict(&self, key: &str, wanted: &str, account: &str, held: &str) -> Reason {
        let holder = self
            .policy
            .people
            .iter()
            .find(|person| person.id.as_deref().is_some_and(|id| self.same_id(id, held)))
            .map_or_else(|| "nobody declared".to_owned(), |person| format!("that of `{}`", person.key));
        let attribute = self.settings().accounts.id_attribute.as_deref().unwrap_or("id");
        Reason::new(
            format!("`{account}` in `{}` carries {attribute} `{held}`, {holder}; `{key}` has `{wanted}`", self.name()),
            format!("another account name for `{key}` under `accounts:`, or correct the id"),
        )
    }
}
