//! Sentences, findings and failures for an audience.
//!
//! Comes in: text that was put together from words of ours and of others. Goes out: text
//! without what the audience may not see. Refuses: to guess for the public: a sentence is
//! not shown to it at all.

use super::{Audience, Redactor};
use crate::diagnostic::{Diagnostic, Span};

/// What stands in the place of something.
const HIDDEN: &str = "…";

impl Redactor {
    /// A sentence. For reviewers what stands in quotes is kept where it names something of
    /// the policies, or is what somebody would write or type; and nothing is kept that holds an `@`.
    /// The public gets `instead`.
    pub fn sentence(&self, text: &str, instead: &str) -> String {
        match self.audience {
            Audience::Public => instead.to_owned(),
            Audience::Reviewers => self.scrubbed(text),
            Audience::Auditors => text.to_owned(),
        }
    }

    /// A sentence of ours that quotes settings, paths and revisions: only addresses go.
    pub fn plain(&self, text: &str) -> String {
        if self.audience == Audience::Auditors { text.to_owned() } else { without_addresses(text) }
    }

    fn scrubbed(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        // Every other part stands in backticks.
        for (n, part) in text.split('`').enumerate() {
            if n > 0 {
                out.push('`');
            }
            if n % 2 == 0 || self.is_name(part) {
                out.push_str(&without_addresses(part));
            } else {
                out.push_str(HIDDEN);
            }
        }
        out
    }

    /// Whether it is a name of the policies, or what somebody would write or type:
    /// `expires: 2027-01-01`, an option, the name of a field. A value with a capital or a
    /// number in it is none.
    fn is_name(&self, text: &str) -> bool {
        let is_field = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || "_-".contains(c));
        let is_typed = ["--", "accord ", "git "].into_iter().any(|start| text.starts_with(start));
        let is_setting = || text.split_once(':').is_some_and(|(name, _)| is_field(name)) || text.contains('{');
        self.names.contains(text) || is_typed || is_field(text) || is_setting()
    }

    /// Findings of the loader, before there are policies to know names by. Reviewers read the
    /// files anyway, but see no line of them here; the public sees what sort of mistake there is.
    pub fn findings(&self, findings: &[Diagnostic]) -> Vec<Diagnostic> {
        let without_line = |span: &Span| Span { column: 0, length: 0, ..span.clone() };
        let one = |finding: &Diagnostic| match self.audience {
            Audience::Auditors => finding.clone(),
            Audience::Reviewers => Diagnostic {
                span: finding.span.as_ref().map(without_line),
                message: self.scrubbed(&finding.message),
                related: finding.related.iter().map(|(span, note)| (without_line(span), self.scrubbed(note))).collect(),
                help: finding.help.iter().map(|help| self.scrubbed(help)).collect(),
                ..finding.clone()
            },
            Audience::Public => Diagnostic {
                span: None,
                message: finding.code.replace('-', " "),
                related: Vec::new(),
                help: Vec::new(),
                ..finding.clone()
            },
        };
        findings.iter().map(one).collect()
    }
}

/// Words with an `@` are addresses, whatever surrounds them.
fn without_addresses(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    let words = text.split(' ').map(|word| if word.contains('@') { HIDDEN } else { word });
    words.collect::<Vec<_>>().join(" ")
}
