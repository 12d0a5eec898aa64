//! What is written becomes what is meant, or every mistake is told.
//!
//! Comes in: the written documents and a way to find where a setting stands. Goes
//! out: a [`Policy`] in which names are numbers and dates are instants, beside
//! warnings; or all errors at once, each at the very value. Refuses: the clock
//! (a policy that is right today is right tomorrow), directories, and to guess.
//!
//! [`RULES`] is the whole list: one row for every family of mistakes. The rows run
//! in order, because later ones need the names that earlier ones looked up.

mod access;
mod accounts;
mod active_directory;
mod connection;
mod constraints;
mod cycles;
mod directories;
mod entries;
mod findings;
mod guardrails;
mod index;
mod journal;
mod kinds;
mod labels;
mod loops;
mod organization;
mod oversight;
mod people;
mod person;
mod policy_tests;
mod rules;
mod spans;
mod suggest;
mod unique;
mod words;

use super::settings::Directory;
use super::written::{Document, Found, Mark};
use super::{Constraint, Entry, Group, Guardrails, Kind, Oversight, Person, Policy, PolicyTest, Role, rule};
use crate::diagnostic::Diagnostic;
use crate::model::{FileId, Place};
use findings::Findings;
use index::Names;
use jiff::tz::TimeZone;
use std::sync::Arc;
use suggest::Suggest;

/// Finds where a value stands: the document's position in the list given to
/// [`check`], and the keys that lead to it (`["directories", "corp", "url"]`). Called
/// only for values that are wrong.
pub type Locate<'a> = &'a dyn Fn(usize, &[&str]) -> Option<Found>;

/// One family of mistakes.
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it refuses.
    pub refuses: &'static str,
    check: fn(&mut Checker<'_>),
}

/// Every rule, in the order in which they run.
pub const RULES: &[Rule] = &[
    Rule {
        name: "organization",
        refuses: "a second name or time zone, a time zone that does not exist",
        check: organization::check,
    },
    Rule {
        name: "names",
        refuses: "keys that cannot be told apart, cannot be written safely, or are declared twice",
        check: index::check,
    },
    Rule {
        name: "kinds",
        refuses: "requirements that are written twice, or that no person could meet",
        check: kinds::check,
    },
    Rule { name: "labels", refuses: "second accounts whose label cannot be one", check: labels::check },
    Rule {
        name: "people",
        refuses: "unknown kinds, managers, sponsors and owners; dates that do not exist; spans that overlap or are empty",
        check: people::check,
    },
    Rule {
        name: "unique",
        refuses: "one id, address, alias or account name for two people, past ones too",
        check: unique::check,
    },
    Rule {
        name: "directories",
        refuses: "settings that a directory of that kind does not have, lacks, or that would be unsafe",
        check: directories::check,
    },
    Rule { name: "managers", refuses: "chains of managers that lead back to where they began", check: loops::managers },
    Rule {
        name: "access",
        refuses: "roles and groups that name what is not declared, and entries whose end would give access",
        check: access::check,
    },
    Rule { name: "cycles", refuses: "roles and groups that need themselves", check: loops::access },
    Rule {
        name: "accounts",
        refuses: "roles whose entitlements would go to two accounts at once",
        check: labels::conflicts,
    },
    Rule {
        name: "constraints",
        refuses: "constraints that say nothing, and exceptions without end, ticket or reason",
        check: constraints::check,
    },
    Rule {
        name: "guardrails",
        refuses: "limits that are no limits, and minimums of groups that are not declared",
        check: guardrails::check,
    },
    Rule {
        name: "oversight",
        refuses: "approvals that nobody could give, forges that cannot be asked, reviewers who are nobody's account",
        check: oversight::check,
    },
    Rule {
        name: "tests",
        refuses: "tests that claim nothing or two things at once, that could never fail, or never pass",
        check: policy_tests::check,
    },
    Rule {
        name: "journal",
        refuses: "remotes that git would take for an option or a program, and leases that are none",
        check: journal::check,
    },
];

/// What is known so far.
struct Checker<'a> {
    /// Sorted by path: a file's number is its position.
    documents: Vec<&'a Document>,
    /// Position of each document in the caller's list.
    given: Vec<usize>,
    locate: Locate<'a>,
    names: Names<'a>,
    zone: TimeZone,
    vocabulary: rules::Words,
    shared: person::Shared,
    suggest: Suggest,
    findings: Findings,
    edges: loops::Edges,
    meant: Meant,
}

/// The parts of the policy that are finished.
#[derive(Default)]
struct Meant {
    organization: Box<str>,
    kinds: Vec<Kind>,
    labels: Vec<Box<str>>,
    directories: Vec<Directory>,
    guardrails: Guardrails,
    oversight: Oversight,
    people: Vec<Person>,
    roles: Vec<Role>,
    groups: Vec<Group>,
    constraints: Vec<Constraint>,
    tests: Vec<PolicyTest>,
    entries: Vec<Entry>,
    rules: Vec<rule::Rule>,
}

/// The policy that the documents mean and what is suspicious in it, or every error.
/// The list is sorted by place and free of repetitions; the policy carries the
/// warnings too. `digest` is passed through.
pub fn check(documents: &[Arc<Document>], digest: String, locate: Locate<'_>) -> (Option<Policy>, Vec<Diagnostic>) {
    let mut given: Vec<usize> = (0..documents.len()).collect();
    given.sort_by_key(|n| documents.get(*n).map(|document| &document.path));
    let sorted: Vec<&Document> = given.iter().filter_map(|n| documents.get(*n)).map(AsRef::as_ref).collect();
    let mut checker = Checker {
        names: Names::collect(&sorted),
        documents: sorted,
        given,
        locate,
        zone: TimeZone::UTC,
        vocabulary: rules::Words::default(),
        shared: person::Shared::default(),
        suggest: Suggest::default(),
        findings: Findings::default(),
        edges: loops::Edges::default(),
        meant: Meant::default(),
    };
    for rule in RULES {
        (rule.check)(&mut checker);
    }
    checker.finish(digest)
}

impl Checker<'_> {
    fn finish(self, digest: String) -> (Option<Policy>, Vec<Diagnostic>) {
        let found = self.findings.sorted();
        if found.iter().any(Diagnostic::is_error) {
            return (None, found);
        }
        let meant = self.meant;
        let policy = Policy {
            organization: meant.organization,
            timezone: self.zone,
            kinds: meant.kinds,
            labels: meant.labels,
            directories: meant.directories,
            guardrails: meant.guardrails,
            trusted_guardrails: None,
            oversight: meant.oversight,
            people: meant.people,
            roles: meant.roles,
            groups: meant.groups,
            constraints: meant.constraints,
            tests: meant.tests,
            entries: meant.entries,
            rules: meant.rules,
            files: self.documents.iter().map(|document| document.path.clone()).collect(),
            digest,
            warnings: found.clone(),
        };
        (Some(policy), found)
    }

    /// Where `mark` of file number `file` is.
    fn place(file: u32, mark: Mark) -> Place {
        Place { file: FileId(file), line: mark.line, column: u32::from(mark.column) }
    }

    /// `mark` of file number `file` for a diagnostic.
    fn span(&self, file: u32, mark: Mark) -> Option<crate::diagnostic::Span> {
        self.documents.get(file as usize).map(|document| document.span(mark))
    }

    /// Adds a finding at `mark` of file number `file`.
    fn report(&mut self, file: u32, mark: Mark, mut diagnostic: Diagnostic) {
        diagnostic.span = self.span(file, mark);
        self.findings.push(diagnostic);
    }

    /// Adds a finding at the value that `keys` lead to, or at `fallback`.
    fn report_at(&mut self, file: u32, keys: &[&str], fallback: Mark, diagnostic: Diagnostic) {
        let mark = self.find(file, keys).map_or(fallback, |found| found.value);
        self.report(file, mark, diagnostic);
    }

    /// Where a setting stands.
    fn find(&self, file: u32, keys: &[&str]) -> Option<Found> {
        let document = self.given.get(file as usize).copied()?;
        (self.locate)(document, keys)
    }

    /// `file:line` of a mark, for help lines.
    fn shown(&self, file: u32, mark: Mark) -> String {
        self.documents.get(file as usize).map_or_else(String::new, |d| format!("{}:{}", d.path, mark.line))
    }

    /// `file:line` of a place.
    fn shown_place(&self, place: Place) -> String {
        self.shown(place.file.0, Mark { line: place.line, ..Mark::default() })
    }
}
