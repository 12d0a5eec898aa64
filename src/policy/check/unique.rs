//! The rule "unique": what belongs to one person for ever.
//!
//! Comes in: all people, past ones too. Goes out: nothing. Refuses: one id, address,
//! alias or account name for two people, compared as directories do. A name that
//! comes back to somebody else would bring the old one's access and mail with it.

use super::Checker;
use super::index::hash;
use crate::diagnostic::Diagnostic;
use crate::model::Matching;
use crate::policy::DirectoryId;
use crate::policy::written::{Mark, Text};
use hashbrown::HashTable;
use std::borrow::Cow;

/// In which set a text must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Id,
    /// Keys, addresses and aliases are one set.
    Name,
    Forge,
    Account(DirectoryId),
}

/// Who claimed a text first, and where.
struct Claim<'a> {
    of: Of,
    text: Cow<'a, str>,
    person: u32,
    what: &'static str,
    mark: Mark,
}

pub(super) fn check(checker: &mut Checker<'_>) {
    let list = checker.names.people.list().to_vec();
    // Ids first and alone: everything at once would be the largest thing of the whole check.
    let mut claims = Claims { table: HashTable::with_capacity(list.len()), found: Vec::new() };
    for (n, named) in (0u32..).zip(&list) {
        if let Some(id) = &named.value.id {
            claims.claim(n, Of::Id, (id.as_str(), id.mark), "id");
        }
    }
    let more: usize =
        list.iter().map(|named| named.value.aliases.len() + usize::from(named.value.email.is_some())).sum();
    claims.table = HashTable::with_capacity(list.len() + more);
    for (n, named) in (0u32..).zip(&list) {
        claims.claim(n, Of::Name, (named.key.as_str(), named.key.mark), "key");
    }
    for (n, named) in (0u32..).zip(&list) {
        let person = named.value;
        if let Some(email) = &person.email {
            claims.claim(n, Of::Name, (&*email.value, email.mark), "email");
        }
        for alias in &person.aliases {
            claims.claim(n, Of::Name, (alias.as_str(), alias.mark), "alias");
        }
        for account in &person.forge {
            claims.claim(n, Of::Forge, (account.as_str(), account.mark), "forge account");
        }
    }
    for (n, named) in (0u32..).zip(&list) {
        for (key, name) in &named.value.accounts {
            let directory = key.as_str().split('#').next().unwrap_or_default();
            let Some(directory) = checker.names.directories.find(directory).and_then(|n| u16::try_from(n).ok()) else {
                continue;
            };
            let directory = DirectoryId(directory);
            claims.claim(n, Of::Account(directory), (name.as_str(), name.mark), "account name");
            let second = key.as_str().contains('#');
            claims.against_keys(n, name, second, &|person| has_own_name(checker, person, directory));
        }
    }
    for Twice { person, what, text, mark, first, first_what, first_mark } in claims.found {
        let (Some(named), Some(other)) = (checker.names.people.get(person), checker.names.people.get(first)) else {
            continue;
        };
        let whose = if first_what == "key" {
            format!("the key of `{}`", other.key.value)
        } else {
            format!("the {first_what} of `{}`", other.key.value)
        };
        let message = format!("the {what} `{text}` of `{}` already is {whose}", named.key.value);
        let mut diagnostic = Diagnostic::error("not-unique", message)
            .help("ids, names and addresses stay one person's for ever, also after they have left; give this person another one");
        if let Some(span) = checker.span(other.file, first_mark) {
            diagnostic = diagnostic.related(span, "first written here");
        }
        checker.report(named.file, mark, diagnostic);
    }
}

/// Whether the person's first account in `directory` has a name other than the key.
fn has_own_name(checker: &Checker<'_>, person: u32, directory: DirectoryId) -> bool {
    let name = checker.names.directories.get(u32::from(directory.0)).map(|named| named.key.as_str());
    let person = checker.names.people.get(person);
    person.is_some_and(|person| person.value.accounts.iter().any(|(key, _)| Some(key.as_str()) == name))
}

struct Claims<'a> {
    table: HashTable<Claim<'a>>,
    found: Vec<Twice<'a>>,
}

struct Twice<'a> {
    person: u32,
    what: &'static str,
    text: &'a str,
    mark: Mark,
    first: u32,
    first_what: &'static str,
    first_mark: Mark,
}

fn hash_of(of: Of, text: &str) -> u64 {
    let set = match of {
        Of::Id => 1,
        Of::Name => 2,
        Of::Forge => 3,
        Of::Account(directory) => 4 + u64::from(directory.0),
    };
    hash(text) ^ set.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<'a> Claims<'a> {
    fn claim(&mut self, person: u32, of: Of, (text, mark): (&'a str, Mark), what: &'static str) {
        let key = Matching::CaseIgnore.key(text);
        let hash = hash_of(of, &key);
        let same = |claim: &Claim<'_>| claim.of == of && claim.text == key;
        match self.table.find(hash, same) {
            None => {
                let claim = Claim { of, text: key, person, what, mark };
                self.table.insert_unique(hash, claim, |claim| hash_of(claim.of, &claim.text));
            }
            // Keys that differ in case alone are reported with the names.
            Some(first) if what == "key" && first.what == "key" => {}
            Some(first) if first.person != person || matches!(of, Of::Account(_)) => {
                let (first, first_what, first_mark) = (first.person, first.what, first.mark);
                self.found.push(Twice { person, what, text, mark, first, first_what, first_mark });
            }
            Some(_) => {}
        }
    }

    /// An account name that is somebody else's key or alias: that person's account
    /// has that name too, unless another one is written for the directory.
    /// A second account has not the name of the person's everyday one either.
    fn against_keys(&mut self, person: u32, text: &'a Text, second: bool, elsewhere: &dyn Fn(u32) -> bool) {
        let key = Matching::CaseIgnore.key(text.as_str());
        let same = |claim: &Claim<'_>| claim.of == Of::Name && claim.text == key;
        let Some(first) = self.table.find(hash_of(Of::Name, &key), same) else { return };
        let is_key = first.what == "key";
        let counts = first.person != person || (second && is_key);
        if counts && !(is_key && elsewhere(first.person)) {
            let (first, first_what, first_mark) = (first.person, first.what, first.mark);
            let what = "account name";
            self.found.push(Twice {
                person,
                what,
                text: text.as_str(),
                mark: text.mark,
                first,
                first_what,
                first_mark,
            });
        }
    }
}
