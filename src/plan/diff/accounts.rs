//! Accounts: created, updated, renamed, disabled, enabled, deleted.
//!
//! Comes in: both sides, sorted. Goes out: drafts, and the links by which
//! memberships are compared. Refuses: an account that is protected, managed
//! elsewhere, not proven to be the person's, or not read completely.

use super::moved::Loose;
use super::place::Belongs;
use super::{Diff, Link, Links, Owner};
use crate::model::state::AccountRef;
use crate::model::{AccountId, Action, Enabled, Instant, Object, Side};
use crate::plan::draft::{Draft, Fate, Found, Reason, Why};
use crate::policy::AccountName;
use crate::policy::settings::LeaverAction;
use crate::resolve::Want;
use std::collections::BTreeMap;

/// For so many seconds (30 days) plans tell of a first password that may be missing.
const TOLD_FOR: i64 = 30 * 24 * 3600;

impl Diff<'_> {
    /// Pairs the accounts of both sides and proposes what differs.
    pub(super) fn accounts(&self, found: &mut Found) -> Links {
        let mut links = Links {
            of_desired: vec![Link::Absent; self.desired.state.account_count()],
            of_observed: vec![Owner::Nobody; self.observed.account_count()],
            renames: BTreeMap::new(),
        };
        let mut loose = Loose::default();
        let mut left = self.desired.state.accounts().peekable();
        let mut right = self.observed.accounts().peekable();
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(desired), Some(observed)) => desired.key().cmp(observed.key()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => break,
            };
            let desired = if order.is_le() { left.next() } else { None };
            let observed = if order.is_ge() { right.next() } else { None };
            match (desired, observed) {
                (Some(desired), Some(observed)) => self.paired(desired, observed, &mut links, &mut loose, found),
                (Some(desired), None) => loose.desired.push((desired.id(), None)),
                (None, Some(observed)) => loose.observed.push(observed.id()),
                (None, None) => {}
            }
        }
        self.moved(&mut loose, &mut links, found);
        for (desired, taken) in loose.desired {
            self.missing(desired, taken, &mut links, found);
        }
        self.after_the_named(&links, found);
        let unread = self.unread_ids(&links);
        for observed in loose.observed {
            match self.observed.account(observed).and_then(|account| unread.get(&self.id_key(account)?)) {
                Some(person) => {
                    if let Some(owner) = links.of_observed.get_mut(observed.0 as usize) {
                        *owner = Owner::Doubtful(*person);
                    }
                    found.unknown += 1;
                }
                None => self.undeclared(observed, &mut links, found),
            }
        }
        links
    }

    /// Ids of people whose own account was not read whole: another account that
    /// carries such an id may be theirs, so it is not nobody's.
    fn unread_ids(&self, links: &Links) -> BTreeMap<String, AccountId> {
        let accounts = self.desired.state.accounts();
        accounts
            .filter(|account| links.link(account.id()) == Link::Unread && self.known.account(account.name()).is_some())
            .filter_map(|account| Some((self.id_key(account)?, account.id())))
            .collect()
    }

    /// The stable id of an account as the directory compares it.
    fn id_key(&self, account: AccountRef<'_>) -> Option<String> {
        let attribute = self.settings().accounts.id_attribute.as_deref().unwrap_or("id");
        Some(self.kind.matching(attribute).key(account.person_id()?).into_owned())
    }

    pub(super) fn want(&self, desired: AccountId) -> Want {
        self.desired.wants.get(desired.0 as usize).copied().unwrap_or(Want::NotNeeded)
    }

    fn paired(
        &self,
        desired: AccountRef<'_>,
        observed: AccountRef<'_>,
        links: &mut Links,
        loose: &mut Loose,
        found: &mut Found,
    ) {
        if self.known.account(observed.name()).is_some() {
            links.connect(desired.id(), observed.id(), Owner::Doubtful(desired.id()), Link::Unread);
            found.unknown += 1;
            return;
        }
        match self.identity(desired, observed) {
            Ok(()) => {
                links.connect(desired.id(), observed.id(), Owner::Account(desired.id()), Link::Is(observed.id()));
                if self.manages_accounts() && self.is_staying(desired) {
                    self.relocate((desired, observed), None, None, links, found);
                }
                let first = found.drafts.len();
                self.compare(desired, observed, found);
                self.behind_rename(desired, observed.name(), links, first, found);
            }
            Err(reason)
                if desired.person_id().is_some() && observed.person_id().is_some()
                    || self.is_another(desired, observed) =>
            {
                // Somebody else's account, or another one of the person: each may still find its own under another name.
                links.connect(desired.id(), observed.id(), Owner::Doubtful(desired.id()), Link::Absent);
                loose.desired.push((desired.id(), Some(reason)));
                loose.observed.push(observed.id());
            }
            Err(reason) => {
                let link = self.unproven(desired, reason, found);
                links.connect(desired.id(), observed.id(), Owner::Doubtful(desired.id()), link);
            }
        }
    }

    /// One withheld step stands for everything that hangs on the match.
    pub(super) fn unproven(&self, desired: AccountRef<'_>, reason: Reason, found: &mut Found) -> Link {
        if matches!(self.want(desired.id()), Want::NotNeeded | Want::NotYet(_)) {
            return Link::Unread;
        }
        let mut draft = self.about(Action::UpdateAccount, desired, desired.name(), Why::Declared);
        draft.fate = Fate::withheld(reason);
        Link::Needs(found.push(draft))
    }

    /// A draft about a desired account under the name it has at that moment.
    pub(super) fn about(&self, action: Action, desired: AccountRef<'_>, name: &str, why: Why) -> Draft {
        let mut draft = self.draft(action, Object::account(name), why);
        draft.account = Some(Self::number_of_desired(desired.id()));
        if let Some((id, person)) = self.person_of(desired) {
            draft.person = Some(id);
            draft.change.person = Some(person.key.to_string());
            self.which(desired.id(), &mut draft);
        }
        draft
    }

    /// Says which of its person's accounts a draft is about.
    pub(super) fn which(&self, desired: AccountId, draft: &mut Draft) {
        draft.label = self.desired.label(desired);
        draft.change.label = self.policy.label(draft.label).map(str::to_owned);
    }

    /// Proposes what differs between the two sides of one account.
    pub(super) fn compare(&self, desired: AccountRef<'_>, observed: AccountRef<'_>, found: &mut Found) {
        if !self.manages_accounts() {
            return;
        }
        let first = found.drafts.len();
        let want = self.want(desired.id());
        let (mut before, mut after) = (Side::new(), Side::new());
        match want {
            Want::Enabled | Want::OnLeave => {
                (before, after) = self.account_sides(desired, observed);
                self.end_sides(desired, observed, &mut before, &mut after);
            }
            Want::Soon(_) => {
                (before, after) = self.account_sides(desired, observed);
                // A later end would let in whoever can still use the account.
                if self.stays_out(observed) {
                    self.end_sides(desired, observed, &mut before, &mut after);
                }
            }
            Want::Left(_) => self.end_sides(desired, observed, &mut before, &mut after),
            Want::NotNeeded | Want::NotYet(_) => {}
        }
        if !before.is_empty() || !after.is_empty() {
            found.push(self.about(Action::UpdateAccount, desired, observed.name(), Why::Declared).sides(before, after));
        }
        match want {
            Want::Enabled if observed.enabled() == Enabled::No => {
                let draft = self.about(Action::EnableAccount, desired, observed.name(), Why::Declared);
                let mut draft = draft.sides(enabled(false), enabled(true));
                draft.change.ends = desired.ends();
                found.push(draft);
            }
            Want::OnLeave => self.disable(desired, observed, Why::OnLeave, found),
            Want::Soon(begins) | Want::NotYet(begins) if self.settings().accounts.create_before.is_some() => {
                let update = first..found.drafts.len();
                self.disable(desired, observed, Why::Early(begins), found);
                Self::end_after_disable(update, found);
            }
            Want::Left(end) => {
                let update = first..found.drafts.len();
                self.leaver(desired, observed, end, found);
                Self::end_after_disable(update, found);
            }
            _ => {}
        }
        self.first_password(observed, found);
        if found.drafts.len() > first && self.account_is_protected(observed.name()) {
            let words: Vec<&str> = found.drafts.iter().skip(first).map(|draft| draft.action().word()).collect();
            let by = self.protection(None, Some(observed.name()));
            let text = format!("{by}: it is left as it is ({} would be next)", words.join(", "));
            found.drop_from(first);
            found.note("protected", self.name(), observed.name(), text);
        }
    }

    /// A run that was cut off between making an account and its first password is not
    /// passed over; it is not set afterwards, over one that the person may have by then.
    fn first_password(&self, observed: AccountRef<'_>, found: &mut Found) {
        let key = (self.name().to_owned(), observed.name().to_owned());
        let since = self.memory.halfway.get(&key).filter(|_| self.capabilities.password_apart);
        if let Some(since) = since.filter(|since| self.at < since.plus(TOLD_FOR)) {
            let text = format!(
                "made {since} by a run that did not come to its end: whether its first password is set is not known; \
                 if nobody can log in, reset it"
            );
            found.note("first-password", self.name(), observed.name(), text);
        }
    }

    /// An end that has passed stops an account too: it comes after the disable, and is
    /// withheld with it.
    fn end_after_disable(update: std::ops::Range<usize>, found: &mut Found) {
        let disable = found.drafts.get(update.end).filter(|draft| draft.action() == Action::DisableAccount);
        if disable.is_some()
            && let Ok(disable) = u32::try_from(update.end)
        {
            for draft in found.drafts.get_mut(update).unwrap_or_default() {
                draft.needs.push(disable);
            }
        }
    }

    /// Whether an account cannot be used, or is about to be disabled.
    fn stays_out(&self, observed: AccountRef<'_>) -> bool {
        match observed.enabled() {
            Enabled::No => true,
            Enabled::Yes => self.capabilities.disable,
            Enabled::Unknown => false,
        }
    }

    fn disable(&self, desired: AccountRef<'_>, observed: AccountRef<'_>, why: Why, found: &mut Found) {
        if self.capabilities.disable && observed.enabled() == Enabled::Yes {
            let draft = self.about(Action::DisableAccount, desired, observed.name(), why);
            found.push(draft.sides(enabled(true), enabled(false)));
        }
    }

    /// A leaver's account that this directory cannot disable is not passed over.
    fn cannot_disable(&self, mut draft: Draft) -> Draft {
        draft.fate = Fate::withheld(Reason::new(
            format!("`{}` knows no way to disable an account: who left can still use it", self.name()),
            "the server's password policy, `accounts.disable: {attribute: …, disabled: …}`, or `leavers.then: delete`",
        ));
        draft.sides(enabled(true), enabled(false))
    }

    fn leaver(&self, desired: AccountRef<'_>, observed: AccountRef<'_>, end: Instant, found: &mut Found) {
        let then = self.settings().leavers.then;
        if then == LeaverAction::Report {
            if observed.enabled() == Enabled::Yes {
                let text = format!("left, ended {end}; `leavers` says report");
                found.note("leaver", self.name(), observed.name(), text);
            }
            return;
        }
        let why = Why::Left(end);
        self.disable(desired, observed, why, found);
        if then == LeaverAction::Disable && !self.capabilities.disable {
            found.push(self.cannot_disable(self.about(Action::DisableAccount, desired, observed.name(), why)));
        }
        if then == LeaverAction::Delete {
            let hold = self.person_of(desired).and_then(|(_, person)| person.hold.as_deref());
            let draft = self.about(Action::DeleteAccount, desired, observed.name(), why);
            self.delete(draft, observed, Some(end), hold, found);
        }
    }

    /// Deletion counts from the later of the person's end and the disable that was
    /// journaled; without the latter it has not begun.
    fn delete(
        &self,
        mut draft: Draft,
        observed: AccountRef<'_>,
        end: Option<Instant>,
        hold: Option<&str>,
        found: &mut Found,
    ) {
        let Ok(term) = crate::policy::date::term(&self.settings().leavers.delete_after) else { return };
        let disabled = self.memory_of(observed).and_then(|memory| memory.disabled);
        if self.capabilities.disable && (disabled.is_none() || observed.enabled() == Enabled::Yes) {
            return;
        }
        let Some(from) = end.max(disabled) else { return };
        if self.at < from.plus(term.seconds()) {
            return;
        }
        if self.known.accounts().is_some() {
            found.unknown += 1;
            return;
        }
        if let Some(ticket) = hold {
            draft.fate = Fate::withheld(Reason::new(
                format!("a hold ({ticket}) blocks every deletion of this person's accounts"),
                "remove `hold:` from the person when the hold is over",
            ));
        }
        let before = Side::from([("name".to_owned(), vec![observed.name().to_owned()])]);
        found.push(draft.sides(before, Side::new()));
    }

    /// A desired account that is not there.
    fn missing(&self, id: AccountId, taken: Option<Reason>, links: &mut Links, found: &mut Found) {
        let Some(desired) = self.desired.state.account(id) else { return };
        let want = self.want(id);
        if !matches!(want, Want::Enabled | Want::Soon(_)) {
            if taken.is_some() {
                links.set(id, Link::Unread);
            }
            return;
        }
        if !self.manages_accounts() {
            links.set(id, if self.known.accounts().is_some() { Link::Unread } else { Link::Elsewhere });
            return;
        }
        // Also an unread group may list the name, which the new account would then be in,
        // and an account of which the id is not known may be the person's.
        if self.known.some_account().or_else(|| self.known.some_group()).is_some() {
            found.unknown += 1;
            links.set(id, Link::Unread);
            return;
        }
        let (usable, why) = match want {
            Want::Soon(begins) => (false, Why::Early(begins)),
            _ => (!self.capabilities.created_disabled, Why::Declared),
        };
        let mut draft = self
            .about(Action::CreateAccount, desired, desired.name(), why)
            .sides(Side::new(), self.new_account(desired, usable));
        draft.change.ends = desired.ends();
        if matches!(draft.fate, Fate::Withheld(_)) {
            // It cannot be made at all.
        } else if !usable && !self.capabilities.disable && !self.capabilities.created_disabled {
            draft.fate = Fate::withheld(self.cannot_be_ready());
        } else if self.account_is_protected(desired.name()) {
            draft.fate = Fate::withheld(Reason::new(
                format!("`{}` is protected in `{}`", desired.name(), self.name()),
                "create it by hand, or narrow `protect.accounts`",
            ));
        } else if let Belongs::Unknown(rule) = self.belongs(desired) {
            draft.fate = Fate::withheld(self.unplaced(rule));
        } else if let Some(reason) = taken.or_else(|| self.still_listed(desired.name(), &self.handle_of_new(desired))) {
            draft.fate = Fate::withheld(reason);
        }
        let draft = found.push(draft);
        links.set(id, Link::Needs(draft));
        if self.capabilities.created_disabled && want == Want::Enabled {
            let enable = self.about(Action::EnableAccount, desired, desired.name(), Why::Declared);
            let mut enable = enable.sides(enabled(false), enabled(true));
            enable.change.ends = desired.ends();
            enable.needs.push(draft);
            found.push(enable);
        }
    }

    /// Why an account is not made before somebody's first day: it could be used at once.
    fn cannot_be_ready(&self) -> Reason {
        Reason::new(
            format!(
                "`{}` knows no way to disable an account: one that is made before the first day could be used at once",
                self.name()
            ),
            "the server's password policy, or `accounts.disable: {attribute: …, disabled: …}`; without `accounts.create_before` it is made on the first day",
        )
    }

    /// An observed account that no declared person has.
    fn undeclared(&self, id: AccountId, links: &mut Links, found: &mut Found) {
        let Some(observed) = self.observed.account(id) else { return };
        let memory = self.memory_of(observed);
        let person = memory.and_then(|memory| memory.person.as_deref());
        let declared = person.map(|key| self.policy.person_named(key));
        // A second account goes with its line, not only with its person.
        let second = memory.and_then(|memory| memory.label.as_deref()).filter(|label| !label.is_empty());
        let without = second.is_some_and(|label| {
            let person = declared.flatten().and_then(|id| self.policy.people.get(id.0 as usize));
            let is_it = |account: &AccountName| {
                account.directory.0 == self.number && self.policy.label(account.label) == Some(label)
            };
            links.owner(id) == Owner::Nobody && person.is_some_and(|person| !person.accounts.iter().any(is_it))
        });
        let gone = without || declared.is_some_and(|declared| declared.is_none());
        if self.known.account(observed.name()).is_some() {
            return;
        }
        if !gone {
            let known = self.account_is_protected(observed.name());
            if !known && self.known.accounts().is_none() && links.owner(id) == Owner::Nobody {
                found.note("orphan-account", self.name(), observed.name(), "nobody declared this account");
            }
            return;
        }
        if let Some(cell) = links.of_observed.get_mut(id.0 as usize) {
            *cell = Owner::Gone;
        }
        let then = self.settings().leavers.then;
        if !self.manages_accounts() || then == LeaverAction::Report {
            found.note("leaver", self.name(), observed.name(), "it, or its person, was declared and no longer is");
            return;
        }
        if self.account_is_protected(observed.name()) {
            found.note("protected", self.name(), observed.name(), "protected: a leaver's account is left as it is");
            return;
        }
        let draft = |action| {
            let mut draft = self.draft(action, Object::account(observed.name()), Why::Gone);
            draft.account = Some(self.number_of_observed(id));
            draft.change.person = person.map(str::to_owned);
            let word = self.memory_of(observed).and_then(|memory| memory.label.clone());
            draft.change.label = word.filter(|word| !word.is_empty());
            draft
        };
        if self.capabilities.disable && observed.enabled() == Enabled::Yes {
            found.push(draft(Action::DisableAccount).sides(enabled(true), enabled(false)));
        }
        if then == LeaverAction::Disable && !self.capabilities.disable {
            found.push(self.cannot_disable(draft(Action::DisableAccount)));
        }
        if then == LeaverAction::Delete {
            self.delete(draft(Action::DeleteAccount), observed, None, None, found);
        }
    }

    /// The reason where some group still lists a name that no account has.
    pub(super) fn still_listed(&self, name: &str, handle: &str) -> Option<Reason> {
        let groups = self.listing(name, handle, false);
        let first = groups.first()?;
        Some(Reason::new(
            format!(
                "{} group{} of `{}` still list{} `{name}` although no account has the name (`{first}`): it would be a member at once",
                groups.len(),
                if groups.len() == 1 { "" } else { "s" },
                self.name(),
                if groups.len() == 1 { "s" } else { "" },
            ),
            format!("take the stale member out of `{first}` (`others: revoke` on the group does), then plan again"),
        ))
    }
}

/// The side that says whether an account can be used.
fn enabled(yes: bool) -> Side {
    Side::from([("enabled".to_owned(), vec![yes.to_string()])])
}
