//! Rules in the policy: compiled once, each mistake at its characters.
//!
//! Comes in: the text of `where:` and `for:`. Goes out: numbers of compiled rules.
//! Refuses: what `policy::rule` refuses.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::policy::written::{Mark, Text};
use crate::policy::{RuleId, rule};

/// What rules may read.
#[derive(Debug, Default)]
pub(super) struct Words(rule::Vocabulary);

impl Words {
    /// Whether some person has an attribute of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.types(name).is_some()
    }

    /// The attribute that `word` most likely means.
    pub(super) fn nearest(&self, word: &str) -> Option<&str> {
        self.0.nearest(word)
    }
}

/// Collects what rules may read from the people that are known now.
pub(super) fn learn(checker: &mut Checker<'_>) {
    checker.vocabulary = Words(rule::Vocabulary::of(&checker.meant.people));
}

/// Compiles `text` of file number `file`; mistakes are reported.
pub(super) fn compile(checker: &mut Checker<'_>, file: u32, text: &Text) -> Option<RuleId> {
    compile_at(checker, file, text.as_str(), text.mark)
}

/// The same for a rule whose text carries no mark of its own.
pub(super) fn compile_at(checker: &mut Checker<'_>, file: u32, text: &str, mark: Mark) -> Option<RuleId> {
    match rule::compile(text, Checker::place(file, mark), &checker.vocabulary.0) {
        Ok(compiled) => {
            let id = RuleId(u32::try_from(checker.meant.rules.len()).unwrap_or(u32::MAX));
            checker.meant.rules.push(compiled);
            Some(id)
        }
        Err(mistakes) => {
            for mistake in mistakes {
                let at = within(mark, text, mistake.offset, mistake.len);
                let diagnostic =
                    mistake.help.into_iter().fold(Diagnostic::error(mistake.code, mistake.message), Diagnostic::help);
                checker.report(file, at, diagnostic);
            }
            None
        }
    }
}

/// The part of `mark` that characters `offset..offset + len` of the rule occupy.
/// Exact for a plain or simply quoted rule on one line; otherwise the whole rule.
fn within(mark: Mark, text: &str, offset: usize, len: usize) -> Mark {
    let written = text.chars().count();
    let quotes = match usize::from(mark.length) {
        length if length == written => 0,
        length if length == written + 2 => 1,
        _ => return mark,
    };
    let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let column = mark.column.saturating_add(short(offset.min(written) + quotes));
    Mark { line: mark.line, column, length: short(len.max(1)) }
}
