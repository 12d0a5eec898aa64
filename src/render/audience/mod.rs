//! What of people is shown to whom. The one place that knows.
//!
//! Comes in: a plan, a difference, approvals, findings; the audience; what the policies say
//! of people and groups. Goes out: [`Shown`] values, of which only there are texts. Refuses:
//! to let anything through that it does not know: what is not named here as fit for an
//! audience is left out for it.
//!
//! The table is in `docs/redaction.md`.

mod plan;
mod report;
mod words;

use crate::policy::Policy;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Deref;

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Anybody: numbers, and what of no person could be told.
    Public,
    /// Whoever judges a change: who and what, by which line, and no more of a person.
    Reviewers,
    /// Everything but secrets, which are in nothing that is shown.
    Auditors,
}

/// Bytes of a key of pseudonyms.
pub const KEY: usize = 32;

/// A value as an audience may see it. Only a [`Redactor`] makes one, and nothing is printed
/// of what is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'a, T: Clone>(Cow<'a, T>);

impl<T: Clone> Deref for Shown<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Knows what an audience may see.
#[derive(Clone)]
pub struct Redactor {
    audience: Audience,
    key: [u8; KEY],
    /// `directory/group` of every group that is not privileged, on every side there is.
    open: BTreeSet<String>,
    /// Names that say nothing of a person but who it is: keys, directories, groups, roles,
    /// constraints.
    names: BTreeSet<String>,
}

impl Redactor {
    /// One that hides nothing.
    pub fn whole() -> Self {
        Self::new(Audience::Auditors, [0; KEY], &[])
    }

    /// One for an audience. `key` is new for every run, so that a pseudonym means something in
    /// one output only and cannot be guessed by trying names. `policies` are those that are
    /// shown; without any every group counts as privileged.
    pub fn new(audience: Audience, key: [u8; KEY], policies: &[&Policy]) -> Self {
        let mut redactor = Self { audience, key, open: BTreeSet::new(), names: BTreeSet::new() };
        if audience == Audience::Auditors {
            return redactor;
        }
        let mut closed = BTreeSet::new();
        for policy in policies {
            for group in &policy.groups {
                let directory = policy.directories.get(usize::from(group.directory.0));
                let directory = directory.map_or("?", |directory| directory.name.as_ref());
                for name in [&group.name, &group.directory_name] {
                    let whole = format!("{directory}/{name}");
                    redactor.names.extend([whole.clone(), name.to_string()]);
                    if group.privileged {
                        closed.insert(whole)
                    } else {
                        redactor.open.insert(whole)
                    };
                }
            }
            redactor.names.extend(policy.people.iter().map(|person| person.key.to_string()));
            redactor.names.extend(policy.directories.iter().map(|directory| directory.name.to_string()));
            redactor.names.extend(policy.roles.iter().map(|role| role.key.to_string()));
            redactor.names.extend(policy.constraints.iter().map(|constraint| constraint.key.to_string()));
        }
        // Privileged on one side is privileged.
        redactor.open.retain(|name| !closed.contains(name));
        redactor
    }

    /// Who reads it.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    fn whole_for<'a, T: Clone>(&self, value: &'a T) -> Option<Shown<'a, T>> {
        (self.audience == Audience::Auditors).then_some(Shown(Cow::Borrowed(value)))
    }

    /// `person-1f3a9c02d4`: the same for the same person in one output.
    fn pseudonym(&self, sort: &str, name: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(name.as_bytes());
        let digest = hash.finalize();
        let digits = digest.iter().take(5).fold(String::new(), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        });
        format!("{sort}-{digits}")
    }

    /// A person's key.
    fn person(&self, key: &str) -> String {
        if self.audience == Audience::Public { self.pseudonym("person", key) } else { key.to_owned() }
    }

    /// `directory/group`.
    fn entitlement(&self, name: &str) -> String {
        if self.audience == Audience::Public && !self.open.contains(name) {
            return "a privileged group".to_owned();
        }
        name.to_owned()
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // With the key pseudonyms could be undone.
        write!(out, "Redactor({:?})", self.audience)
    }
}
