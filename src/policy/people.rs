//! People as the policy means them: keys resolved, dates made instants.
//!
//! Comes in: what `policy::check` resolved. Goes out: plain data for `resolve`.
//! Refuses: YAML.

use super::few::Few;
use crate::model::{Instant, Place, Term, Window};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Number of a person: position in `Policy::people`, which is sorted by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(pub u32);

/// Number of a kind: position in `Policy::kinds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub u16);

/// What sort of person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// `employee`, `contractor`, …
    pub name: Box<str>,
    /// `default: deny`: rules, nested roles and nested groups reach people of this
    /// kind only where the entry names the kind.
    pub gated: bool,
    /// Fields that every person of the kind must have (`sponsor`, `expires`, …).
    pub require: Vec<Box<str>>,
    /// Where it was written; `None` for a built-in one.
    pub place: Option<Place>,
}

/// A value of a person's attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text.
    Text(Box<str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<Box<str>>),
}

/// A span in which a person is with the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From first day to last.
    pub window: Window,
    /// Where it was written.
    pub place: Place,
}

/// What a person does in a span. A rule matches one position as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// When.
    pub window: Window,
    /// How long rules keep giving after `window` ends.
    pub keep: Option<Term>,
    /// Manager in this position.
    pub manager: Option<PersonId>,
    /// Kind in this position.
    pub kind: KindId,
    /// Attributes of this position laid over the person's: sorted by name;
    /// includes `department`, `title` and the like, not the fixed fields below. Held once
    /// for all who have the same: colleagues do.
    pub attributes: Arc<[(Arc<str>, Value)]>,
    /// Where it was written.
    pub place: Place,
}

/// An absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// From, and until the return if one is written.
    pub window: Window,
    /// Where it was written.
    pub place: Place,
}

/// Which of a person's accounts in a directory: the everyday one, or a second one by
/// the word after `#`, its label. A number: position in `Policy::labels`, plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Label(pub u8);

impl Label {
    /// The everyday account.
    pub const EVERYDAY: Self = Self(0);

    /// Most labels of an organisation. Together with a person's number a label is one
    /// number of 32 bits while sets are made.
    pub const MOST: usize = u8::MAX as usize;

    /// Whether it is a second account.
    pub fn is_second(self) -> bool {
        self != Self::EVERYDAY
    }
}

/// An account name that differs from the key, or a second account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// In which directory.
    pub directory: super::DirectoryId,
    /// Which account there.
    pub label: Label,
    /// The account's name.
    pub name: Box<str>,
    /// Where it was written.
    pub place: Place,
}

/// A human or service identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// For ever this person's.
    pub key: Box<str>,
    /// Stable id (a personnel number), unique over all people.
    pub id: Option<Box<str>>,
    /// Full name.
    pub name: Option<Box<str>>,
    /// Given name.
    pub given_name: Option<Box<str>>,
    /// Family name.
    pub family_name: Option<Box<str>>,
    /// Address, unique over all people.
    pub email: Option<Box<str>>,
    /// Kind where no position says another.
    pub kind: KindId,
    /// Spans with the organisation, in order, at least one, never overlapping.
    pub periods: Few<Period>,
    /// What the person does, at least one.
    pub positions: Few<Position>,
    /// What few people have, read as if it stood here (`person.leave`); apart, because
    /// a large organisation has a million people. Never the default.
    pub rare: Option<Box<Rare>>,
    /// Where it was written (the key).
    pub place: Place,
}

/// What few people have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rare {
    /// Employer of a contractor or vendor.
    pub company: Option<Box<str>>,
    /// Who answers for a contractor.
    pub sponsor: Option<PersonId>,
    /// Who answers for a service identity.
    pub owner: Option<PersonId>,
    /// Absences.
    pub leave: Vec<Leave>,
    /// Ticket of a hold that blocks every deletion.
    pub hold: Option<Box<str>>,
    /// Whether an existing account without the same id may be taken over.
    pub adopt: bool,
    /// Old names and addresses.
    pub aliases: Vec<Box<str>>,
    /// Accounts on the forge: names, or numbers after `id:`.
    pub forge: Vec<Box<str>>,
    /// Account names that differ from the key, sorted by directory and label.
    pub accounts: Vec<AccountName>,
}

static NOTHING_RARE: Rare = Rare {
    company: None,
    sponsor: None,
    owner: None,
    leave: Vec::new(),
    hold: None,
    adopt: false,
    aliases: Vec::new(),
    forge: Vec::new(),
    accounts: Vec::new(),
};

impl Rare {
    /// As a person holds it: nothing where nothing is written.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != NOTHING_RARE).then(|| Box::new(self))
    }
}

impl Deref for Person {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING_RARE)
    }
}

impl DerefMut for Person {
    fn deref_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// Where a person stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No period has begun; the first begins then.
    Future(Instant),
    /// Inside a period; it ends then, if it ends.
    Present(Option<Instant>),
    /// Inside a period, absent; back then, if a return is written.
    OnLeave(Option<Instant>),
    /// Every period that began has ended; the last one ended then.
    Left(Instant),
}

impl Person {
    /// The name of one of the person's accounts in a directory; `None` for a second
    /// account that is not declared there.
    pub fn account(&self, directory: super::DirectoryId, label: Label) -> Option<&str> {
        let mut named = self.accounts.iter().filter(|account| account.directory == directory);
        let written = named.find(|account| account.label == label).map(|account| account.name.as_ref());
        written.or_else(|| (!label.is_second()).then_some(self.key.as_ref()))
    }

    /// Where the person stands `at`. Between two periods the person has left.
    pub fn standing(&self, at: Instant) -> Standing {
        if let Some(period) = self.periods.iter().find(|period| period.window.contains(at)) {
            return match self.leave.iter().find(|leave| leave.window.contains(at)) {
                Some(leave) => Standing::OnLeave(leave.window.expires),
                None => Standing::Present(period.window.expires),
            };
        }
        let ended = self.periods.iter().filter_map(|period| period.window.expires).filter(|end| *end <= at).max();
        match ended {
            Some(end) => Standing::Left(end),
            None => Standing::Future(self.periods.iter().filter_map(|period| period.window.starts).min().unwrap_or(at)),
        }
    }
}
