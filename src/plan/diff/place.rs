//! Accounts of several bases: where each belongs, and what goes where.
//!
//! Comes in: what the rules of `accounts.bases` say, where accounts stand. Goes out: the
//! base of a new account, renames of those that stand elsewhere. Refuses: to move or to
//! make an account whose rule cannot be told.

use super::{Diff, Links};
use crate::model::state::AccountRef;
use crate::model::{Action, Side};
use crate::plan::draft::{Fate, Found, Reason, Why};
use crate::provider::dn;
use crate::resolve::Placed;

/// Where an account belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs<'a> {
    /// There is one base only.
    Anywhere,
    /// Below this base.
    Below(&'a str),
    /// Nobody can say: that rule is unknown for the person.
    Unknown(&'a str),
}

impl<'a> Diff<'a> {
    /// Where the rules put an account.
    pub(super) fn belongs(&self, desired: AccountRef<'_>) -> Belongs<'a> {
        let bases = &self.settings().accounts.bases;
        let base = |n: u16| bases.get(usize::from(n));
        match self.desired.bases.get(desired.id().0 as usize) {
            None => Belongs::Anywhere,
            Some(Placed::In(n)) => base(*n).map_or(Belongs::Anywhere, |one| Belongs::Below(&one.base)),
            Some(Placed::Unknown(n)) => Belongs::Unknown(base(*n).and_then(|one| one.rule.as_deref()).unwrap_or("")),
        }
    }

    /// An account that stands below another base now, by the DN that it had before, which
    /// nothing has any more: its name, and whose it is.
    pub(super) fn moved_away(&self, text: &str) -> Option<(&str, &str)> {
        let accounts = &self.settings().accounts;
        if accounts.bases.is_empty() || !self.manages_accounts() {
            return None;
        }
        let before = self.kind.base_of(text)?;
        let attribute = accounts.match_attribute.as_deref().unwrap_or("uid");
        let name = dn::rdn_value(text, attribute)?;
        let observed = self.observed.account_named(&name)?;
        let (_, person) = self.person_of(self.desired.state.account_named(&name)?)?;
        let now = self.kind.base_of(observed.handle())?;
        (!dn::same(before, now)).then_some((observed.name(), &person.key))
    }

    /// Why an account is not made.
    pub(super) fn unplaced(&self, rule: &str) -> Reason {
        Reason::new(
            format!(
                "nobody can say below which base of `{}` it belongs: the person lacks what `{rule}` reads",
                self.name()
            ),
            "give the person the attribute, or write the rule of `accounts.bases` so that it holds without (`has(person.…)`)",
        )
    }

    /// The handle that an account will have where it belongs.
    pub(super) fn handle_of_new(&self, desired: AccountRef<'_>) -> String {
        match self.belongs(desired) {
            Belongs::Below(base) => self.kind.account_handle_in(desired.name(), base),
            Belongs::Anywhere | Belongs::Unknown(_) => self.kind.account_handle(desired.name()),
        }
    }

    /// From where to where an account goes; nothing where it is where it belongs.
    fn way<'s>(
        &'s self,
        desired: AccountRef<'_>,
        observed: AccountRef<'_>,
        found: &mut Found,
    ) -> Option<(&'s str, &'s str)> {
        let wanted = match self.belongs(desired) {
            Belongs::Below(base) => base,
            Belongs::Anywhere => return None,
            Belongs::Unknown(rule) => {
                let text = format!(
                    "the person lacks what `{rule}` reads, a rule of `accounts.bases`: the account stays where it is"
                );
                found.note("unplaced", self.name(), observed.name(), text);
                return None;
            }
        };
        let held = self.kind.base_of(observed.handle())?;
        (!dn::same(held, wanted)).then_some((held, wanted))
    }

    /// Proposes another name, another place or both; `staying` is whether the person's
    /// account is kept as declared.
    pub(super) fn relocate(
        &self,
        (desired, observed): (AccountRef<'_>, AccountRef<'_>),
        new_name: Option<&str>,
        taken: Option<Reason>,
        links: &mut Links,
        found: &mut Found,
    ) {
        let way = self.way(desired, observed, found);
        if new_name.is_none() && way.is_none() {
            return;
        }
        let word = if new_name.is_some() { "renamed" } else { "moved" };
        if self.account_is_protected(observed.name()) || new_name.is_some_and(|name| self.account_is_protected(name)) {
            let by = self.protection(None, Some(observed.name()));
            return found.note("protected", self.name(), observed.name(), format!("{by}: it is not {word}"));
        }
        if self.known.accounts().or_else(|| self.known.some_group()).is_some() {
            found.unknown += 1;
            return;
        }
        let (mut before, mut after) = (Side::new(), Side::new());
        let mut put = |key: &str, old: &str, new: &str| {
            before.insert(key.to_owned(), vec![old.to_owned()]);
            after.insert(key.to_owned(), vec![new.to_owned()]);
        };
        if let Some(name) = new_name {
            put("name", observed.name(), name);
        }
        if let Some((held, wanted)) = way {
            put("base", held, wanted);
        }
        let mut draft = self.about(Action::RenameAccount, desired, observed.name(), Why::Declared).sides(before, after);
        let handle = match way {
            Some((_, wanted)) => self.kind.moved(observed.handle(), wanted, new_name),
            None => self.kind.account_handle(desired.name()),
        };
        // Under its own name nothing but its place can be listed.
        let name = if new_name.is_some() { desired.name() } else { &handle };
        if matches!(draft.fate, Fate::Withheld(_)) {
            // It cannot be done at all.
        } else if let Some(reason) = taken.or_else(|| self.still_listed(name, &handle)) {
            draft.fate = Fate::withheld(reason);
        }
        let rename = found.push(draft);
        links.renames.insert(desired.id(), rename);
    }
}
