//! A change while it is being considered: the change itself, what it hangs on, and
//! what has become of it.
//!
//! Comes in: findings of `diff`. Goes out: drafts for `order`, `guard` and the plan.
//! Refuses: to decide; it only holds.

use super::Note;
use crate::model::{Action, Change, Instant, Object, Side};
use crate::policy::{GroupId, Label, PersonId};

/// A change that may become part of the plan.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The change; `id`, `because` and `needs` are filled in at the end.
    pub change: Change,
    /// Number of the directory in the policy.
    pub directory: u16,
    /// The person concerned, where one is declared.
    pub person: Option<PersonId>,
    /// Of a group that becomes a member: everybody who is in the group outside by it.
    pub people: Vec<PersonId>,
    /// Which of the person's accounts.
    pub label: Label,
    /// The policy's group concerned, where one is declared.
    pub group: Option<GroupId>,
    /// Number of the account among those of its directory: the same for every
    /// change of one account, whatever it is called before and after.
    pub account: Option<u32>,
    /// Why it is proposed.
    pub why: Why,
    /// Drafts that must be done first, by position.
    pub needs: Vec<u32>,
    /// What has become of it.
    pub fate: Fate,
}

/// Why a change is proposed. The because chain is built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The person is with the organisation.
    Declared,
    /// The person is absent, and back then if a return is written.
    OnLeave,
    /// The person begins, or comes back, then.
    Early(Instant),
    /// The person's last period ended then.
    Left(Instant),
    /// The person was declared in an earlier commit and no longer is.
    Gone,
    /// An entry of the policy gives the membership.
    Holds,
    /// No entry of the policy gives the membership at this instant.
    HoldsNot,
    /// An entry of the policy gives the membership, and nobody who may agreed to that.
    Unapproved,
    /// Nobody declared the account that is a member.
    Undeclared,
    /// The member is no account, and the group says `others: revoke`.
    Others,
    /// A rename left the member behind: nothing has that name any more.
    Renamed,
    /// A group that was a member under its earlier name is one under its present name.
    Follows,
    /// An entry of the policy puts the group into the group.
    Nests,
    /// No entry of the policy puts the group into the group.
    NestsNot,
    /// The account holds the group through a group that is a member of it.
    Covered,
    /// The policy declares the group so.
    Group,
    /// The policy does not name the group, and the directory's groups are `exclusive`.
    Exclusive,
}

/// What has become of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is in the plan.
    #[default]
    Kept,
    /// An option leaves it out.
    Filtered(&'static str),
    /// A rule keeps it back.
    Withheld(Box<Reason>),
}

impl Fate {
    /// Withheld for that reason.
    pub fn withheld(reason: Reason) -> Self {
        Self::Withheld(Box::new(reason))
    }
}

/// Why a draft is withheld.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reason {
    /// In words, naming both sides.
    pub reason: String,
    /// The limit with its numbers.
    pub limit: Option<String>,
    /// The setting or option that lets it through, or what to write.
    pub setting: Option<String>,
}

impl Reason {
    /// A reason and what to do about it.
    pub fn new(reason: impl Into<String>, setting: impl Into<String>) -> Self {
        Self { reason: reason.into(), limit: None, setting: Some(setting.into()) }
    }
}

impl Draft {
    /// A draft of an action on an object, with nothing else yet.
    pub fn new(directory: (u16, &str), action: Action, object: Object, why: Why) -> Self {
        Self {
            change: Change {
                id: 0,
                directory: directory.1.to_owned(),
                action,
                object,
                person: None,
                label: None,
                before: None,
                after: None,
                because: Vec::new(),
                ends: None,
                needs: Vec::new(),
            },
            directory: directory.0,
            person: None,
            people: Vec::new(),
            label: Label::EVERYDAY,
            group: None,
            account: None,
            why,
            needs: Vec::new(),
            fate: Fate::Kept,
        }
    }

    /// The same draft with both sides.
    #[must_use]
    pub fn sides(mut self, before: Side, after: Side) -> Self {
        self.change.before = (!before.is_empty()).then_some(before);
        self.change.after = (!after.is_empty()).then_some(after);
        self
    }

    /// Whether it is still to be in the plan.
    pub fn is_kept(&self) -> bool {
        self.fate == Fate::Kept
    }

    /// The action.
    pub fn action(&self) -> Action {
        self.change.action
    }

    /// Whether a usable account could do more, or for longer, afterwards.
    pub fn wakes(&self) -> bool {
        self.action() == Action::EnableAccount
            || self.moved_end().is_some_and(|(before, after)| after.is_none_or(|after| after > before))
    }

    /// Whether an account that could not be used at that instant can be afterwards.
    pub fn wakes_at(&self, at: Instant) -> bool {
        let ended = |(before, after): (Instant, Option<Instant>)| before <= at && after.is_none_or(|after| after > at);
        self.action() == Action::EnableAccount || self.moved_end().is_some_and(ended)
    }

    /// Whether access lasts longer afterwards: an account's own end, or a membership's, moves out.
    pub fn lasts_longer(&self) -> bool {
        self.change.lasts_longer()
    }

    /// Whether access ends earlier afterwards.
    pub fn ends_earlier(&self) -> bool {
        self.change
            .moved_ends()
            .is_some_and(|(before, after)| after.is_some_and(|after| before.is_none_or(|before| before > after)))
    }

    /// Of an update that ends access earlier just that.
    pub fn earlier_end(&self) -> Option<Self> {
        let end = |side: &Option<Side>| -> Option<Side> {
            let values = side.as_ref()?.get("ends")?.clone();
            Some(Side::from([("ends".to_owned(), values)]))
        };
        self.ends_earlier().then(|| {
            let mut only = self.clone();
            (only.change.before, only.change.after) = (end(&self.change.before), end(&self.change.after));
            only
        })
    }

    /// The same without the end; `None` where nothing is left.
    pub fn without_end(&self) -> Option<Self> {
        let rest = |side: &Option<Side>| -> Option<Side> {
            let side: Side = side
                .iter()
                .flatten()
                .filter(|(name, _)| *name != "ends")
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect();
            (!side.is_empty()).then_some(side)
        };
        let mut other = self.clone();
        (other.change.before, other.change.after) = (rest(&self.change.before), rest(&self.change.after));
        (other.change.before.is_some() || other.change.after.is_some()).then_some(other)
    }

    /// The account's own end before and after the step, where there was one.
    fn moved_end(&self) -> Option<(Instant, Option<Instant>)> {
        let end = |side: &Option<Side>| Instant::try_from(side.as_ref()?.get("ends")?.first()?.clone()).ok();
        let update = self.action() == Action::UpdateAccount;
        update.then(|| end(&self.change.before).map(|before| (before, end(&self.change.after)))).flatten()
    }

    /// The step in words: `grant corp/sre to maria.lopez`.
    pub fn words(&self) -> String {
        words(&self.change)
    }
}

/// A change in words: `grant corp/sre maria.lopez`.
pub fn words(change: &Change) -> String {
    let object = &change.object;
    let mut out = format!("{} {}", change.action.word(), change.directory);
    for part in [object.group.as_deref(), object.account.as_deref()].into_iter().flatten() {
        out.push('/');
        out.push_str(part);
    }
    match &object.member {
        Some(crate::model::change::OtherMember::Group(name) | crate::model::change::OtherMember::Other(name)) => {
            out.push('/');
            out.push_str(name);
        }
        None => {}
    }
    out
}

/// What one comparison brought.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Proposed changes.
    pub drafts: Vec<Draft>,
    /// What is no change but should be known.
    pub notes: Vec<Note>,
    /// Facts that keep what the directory holds because the read is not complete.
    pub unknown: u64,
}

impl Found {
    /// Adds a draft and returns its position.
    pub fn push(&mut self, draft: Draft) -> u32 {
        let position = u32::try_from(self.drafts.len()).unwrap_or(u32::MAX);
        self.drafts.push(draft);
        position
    }

    /// Takes back every draft from a position on, and what waits for them.
    pub fn drop_from(&mut self, first: usize) {
        self.drafts.truncate(first);
        for draft in &mut self.drafts {
            draft.needs.retain(|need| (*need as usize) < first);
        }
    }

    /// Adds a note.
    pub fn note(&mut self, code: &str, directory: &str, object: impl Into<String>, text: impl Into<String>) {
        self.notes.push(Note {
            code: code.to_owned(),
            directory: Some(directory.to_owned()),
            object: Some(object.into()),
            text: text.into(),
            member: None,
        });
    }

    /// Adds a note about a member that nobody declared: what the journal remembers as
    /// first seen.
    pub fn undeclared(&mut self, directory: &str, group: &str, account: &str, text: impl Into<String>) {
        self.note("undeclared-member", directory, format!("{group}/{account}"), text);
        if let Some(note) = self.notes.last_mut() {
            note.member = Some(Box::new(Object::membership(group, account)));
        }
    }
}
