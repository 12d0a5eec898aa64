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
use std::collections::BTreeMap;

/// What the directory itself calls each remembered account, where all that is
/// remembered says the same of it.
pub(super) fn by_object<'m>(memory: &'m Memory, directory: &str) -> BTreeMap<&'m str, &'m AccountMemory> {
    let mut found: BTreeMap<&str, Option<&AccountMemory>> = BTreeMap::new();
    for ((of, _), known) in &memory.accounts {
        let Some(object) = known.object.as_deref().filter(|_| of == directory) else { continue };
        let agrees = |other: Option<&AccountMemory>| other.is_some_and(|other| other.person == known.person);
        let one = found.get(object).copied().is_none_or(agrees).then_some(known);
        found.insert(object, one);
    }
    found.into_iter().filter_map(|(object, known)| Some((object, known?))).collect()
}

impl Diff<'_> {
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
        let names = self.names();
        let was_called = |alias: &str| names.key(alias) == names.key(observed.name());
        let remembered = self.memory_of(observed).and_then(|memory| memory.person.as_deref());
        if desired.name() == observed.name()
            || settings.manage == AccountManage::Reference
            || settings.adopt
            || person.adopt
            || remembered == Some(&person.key)
            || person.aliases.iter().any(|alias| was_called(alias))
        {
            return Ok(());
        }
        let (key, there, directory) = (&person.key, observed.name(), self.name());
        Err(Reason::new(
            format!(
                "`{there}` in `{directory}` carries the id of `{key}`, whose account `{}` is missing: nothing says that it is that account and not another one of the same person",
                desired.name()
            ),
            format!(
                "`aliases: [{there}]` or `adopt: true` on `{key}` if it is to be renamed; if it is another account, `accounts: {{ {directory}#second: {there} }}`"
            ),
        ))
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
