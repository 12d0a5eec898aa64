//! Words on the command line for how and for whom something is written.
//!
//! Comes in: words. Goes out: a [`Format`], an [`Audience`]. Refuses: other words.

use crate::render::audience::Audience;
use clap::ValueEnum;
use clap::builder::PossibleValue;

/// How to write the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For a comment on a pull request
    Markdown,
    /// For a calendar (`expiring`)
    Ics,
    /// For a spreadsheet (`expiring`)
    Csv,
    /// Notes on the lines of files: workflow commands of GitHub Actions (`validate`, `diff`, `plan`)
    Github,
    /// The same for code scanning: SARIF 2.1.0
    Sarif,
    /// The same for GitLab: a code quality report
    Codequality,
    /// The same for test reports: XML of `JUnit`
    Junit,
}

impl Format {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Ics => "ics",
            Self::Csv => "csv",
            Self::Github => "github",
            Self::Sarif => "sarif",
            Self::Codequality => "codequality",
            Self::Junit => "junit",
        }
    }

    /// Whether it is notes on lines of files.
    pub fn annotates(self) -> bool {
        matches!(self, Self::Github | Self::Sarif | Self::Codequality | Self::Junit)
    }
}

impl ValueEnum for Audience {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Public, Self::Reviewers, Self::Auditors]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Public => {
                PossibleValue::new("public").help("Anybody: numbers, pseudonyms, groups that are not privileged")
            }
            Self::Reviewers => {
                PossibleValue::new("reviewers").help("Who and what, and by which line; no addresses, ids, values")
            }
            Self::Auditors => PossibleValue::new("auditors").help("Everything but secrets"),
        })
    }
}
