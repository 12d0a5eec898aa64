//! Findings as people and machines read them.
//!
//! Comes in: findings and the text of the files they are about. Goes out: text in
//! the manner of rustc, JSON, one line that counts. Refuses: raw foreign text (a
//! line of a file is shown escaped, so that it cannot move the cursor or hide), and
//! decisions about exit codes.

use super::escape::{self, is_unsafe, terminal};
use crate::diagnostic::{Diagnostic, Severity, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// Text of the files that findings name, by path.
pub type Sources = BTreeMap<Arc<str>, Arc<str>>;

/// Columns after which a line of a file is cut.
const WIDTH: usize = 140;

/// Every finding with its lines, then one line that counts them. `files` is how many
/// files were read.
pub fn text(findings: &[Diagnostic], sources: &Sources, files: usize, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    // Split once: a file may have as many findings as lines.
    let lines = sources.iter().map(|(path, text)| (path, split(text))).collect();
    let mut out = String::new();
    for finding in findings {
        out.push_str(&one(finding, &lines, &renderer));
        out.push_str("\n\n");
    }
    if !findings.is_empty() {
        out.push_str(&summary(findings, files));
        out.push('\n');
    }
    out
}

/// `2 errors in 2 of 41 files; nothing was planned, nothing was changed.`
pub fn summary(findings: &[Diagnostic], files: usize) -> String {
    let errors = count(findings, Severity::Error, files);
    let warnings = count(findings, Severity::Warning, files);
    match (errors, warnings) {
        (Some(errors), Some(warnings)) => format!("{errors}; {warnings}; nothing was planned, nothing was changed."),
        (Some(errors), None) => format!("{errors}; nothing was planned, nothing was changed."),
        (None, Some(warnings)) => format!("{warnings}."),
        (None, None) => format!("no error in {}.", plural(files, "file")),
    }
}

/// An array of objects with `severity`, `code`, `message`, `span`, `related`, `help`;
/// paths and messages as they are, because JSON escapes.
///
/// # Errors
/// Never in practice: findings are plain data.
pub fn json(findings: &[Diagnostic]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(findings).map(|mut json| {
        json.push('\n');
        json
    })
}

/// Most findings that are told in Markdown.
const TOLD: usize = 200;

/// For the summary of a job: a heading, then one line for each finding.
pub fn markdown(findings: &[Diagnostic], heading: &str) -> String {
    let mut out = format!("### accord: {}\n", escape::markdown(heading));
    for (n, finding) in findings.iter().take(TOLD).enumerate() {
        let word = if finding.is_error() { "error" } else { "warning" };
        let place = finding.span.as_ref().map(|span| format!(" ({})", shown(span))).unwrap_or_default();
        let help: Vec<_> = finding.help.iter().map(|help| format!("; {help}")).collect();
        let text = format!("{}{}{place}", finding.message, help.concat());
        let start = if n == 0 { "\n" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{start}- **{word}** {}: {}", finding.code, escape::markdown(&text));
    }
    if findings.len() > TOLD {
        let _ = writeln!(out, "- and {} more", findings.len() - TOLD);
    }
    out
}

fn count(findings: &[Diagnostic], severity: Severity, files: usize) -> Option<String> {
    let these: Vec<_> = findings.iter().filter(|finding| finding.severity == severity).collect();
    let word = if severity == Severity::Error { "error" } else { "warning" };
    let concerned: BTreeSet<_> =
        these.iter().filter_map(|finding| finding.span.as_ref().map(|span| &span.file)).collect();
    match (these.len(), concerned.len()) {
        (0, _) => None,
        (n, 0) => Some(plural(n, word)),
        (n, concerned) => {
            Some(format!("{} in {concerned} of {}", plural(n, word), plural(files.max(concerned), "file")))
        }
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// Lines of each file.
type Lines<'a> = BTreeMap<&'a Arc<str>, Vec<&'a str>>;

fn split(text: &str) -> Vec<&str> {
    text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect()
}

fn one(finding: &Diagnostic, sources: &Lines<'_>, renderer: &Renderer) -> String {
    let Diagnostic { span, severity, code, message, related, help } = finding;
    let level = if *severity == Severity::Error { Level::ERROR } else { Level::WARNING };
    let mut group = Group::with_title(level.primary_title(terminal(message)).id(*code));
    let mut notes = Vec::new();
    if let Some(span) = span {
        group = place(group, span, None, sources);
    }
    for (span, note) in related {
        if excerpt(span, sources).is_some() {
            group = place(group, span, Some(note), sources);
        } else {
            notes.push(format!("{}: {}", terminal(note), shown(span)));
        }
    }
    group = group.elements(notes.into_iter().map(|note| Level::NOTE.message(note)));
    group = group.elements(help.iter().map(|help| Level::HELP.message(terminal(help))));
    renderer.render(&[group])
}

/// `policies/x.yaml:3:5`.
fn shown(span: &Span) -> String {
    let file = terminal(&span.file);
    match (span.line, span.column) {
        (0, _) => file.into_owned(),
        (line, 0) => format!("{file}:{line}"),
        (line, column) => format!("{file}:{line}:{column}"),
    }
}

/// Adds a place: with its line where the text is known.
fn place<'a>(group: Group<'a>, span: &'a Span, label: Option<&'a str>, sources: &Lines<'_>) -> Group<'a> {
    let Some((line, marked)) = excerpt(span, sources) else {
        let origin = Origin::path(terminal(&span.file));
        let origin = if span.line > 0 { origin.line(span.line as usize) } else { origin };
        let column = (span.line > 0 && span.column > 0).then_some(span.column as usize);
        return group.element(if let Some(column) = column { origin.char_column(column) } else { origin });
    };
    let kind = if label.is_some() { AnnotationKind::Context } else { AnnotationKind::Primary };
    let annotation = kind.span(marked).label(label.map(terminal));
    let snippet = Snippet::source(line).path(terminal(&span.file)).line_start(span.line as usize);
    group.element(snippet.annotation(annotation))
}

/// The line of a span and the bytes of it that are meant. Characters that are not
/// safe to show become `\u{fffd}` one by one, so that columns stay what they are.
fn excerpt(span: &Span, sources: &Lines<'_>) -> Option<(String, Range<usize>)> {
    // A finding without a column names its line and does not show it: it may hold a secret.
    let lines = sources.get(&span.file).filter(|_| span.column > 0)?;
    let line = lines.get((span.line as usize).checked_sub(1)?)?;
    let safe: String = line.chars().map(|c| if is_unsafe(c) && c != '\t' { '\u{fffd}' } else { c }).collect();
    let first = (span.column as usize).saturating_sub(1);
    let last = first + (span.length as usize).max(1);
    let byte = |n: usize| safe.char_indices().nth(n).map_or(safe.len(), |(byte, _)| byte);
    let marked = byte(first)..byte(last);
    Some((safe, marked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(line: u32, column: u32, length: u32) -> Span {
        Span { file: "policies/roles/platform.yaml".into(), line, column, length }
    }

    fn sources(text: &str) -> Sources {
        [("policies/roles/platform.yaml".into(), text.into())].into_iter().collect()
    }

    #[test]
    fn a_mistake_shows_its_line_its_help_and_the_count() {
        let text_of = "roles:\n  sre:\n    members:\n      - person: maria.lopes\n";
        let findings = [
            Diagnostic::error("unknown-person", "nobody is called `maria.lopes`")
                .at(span(4, 17, 11))
                .help("did you mean `maria.lopez` (policies/people/contractors.yaml:3)?"),
            Diagnostic::error("no-accord-yaml", "there is no `policies/accord.yaml`"),
            Diagnostic::warning("x", "something").at(Span { file: "policies/other.yaml".into(), ..span(12, 14, 1) }),
        ];
        insta::assert_snapshot!(text(&findings, &sources(text_of), 41, false), @r###"
        error[unknown-person]: nobody is called `maria.lopes`
         --> policies/roles/platform.yaml:4:17
          |
        4 |       - person: maria.lopes
          |                 ^^^^^^^^^^^
          |
          = help: did you mean `maria.lopez` (policies/people/contractors.yaml:3)?

        error[no-accord-yaml]: there is no `policies/accord.yaml`

        warning[x]: something
        --> policies/other.yaml:12:14

        2 errors in 1 of 41 files; 1 warning in 1 of 41 files; nothing was planned, nothing was changed.
        "###);
    }

    #[test]
    fn a_second_place_is_shown_with_its_word() {
        let finding = Diagnostic::error("duplicate-key", "`sre` is written twice")
            .at(span(4, 3, 3))
            .related(span(2, 3, 3), "first written here")
            .related(Span { file: "policies/gone.yaml".into(), ..span(7, 3, 3) }, "and here");
        insta::assert_snapshot!(text(&[finding], &sources("roles:\n  sre:\n    grants: []\n  sre: {}\n"), 1, false), @r###"
        error[duplicate-key]: `sre` is written twice
         --> policies/roles/platform.yaml:4:3
          |
        4 |   sre: {}
          |   ^^^
          |
         ::: policies/roles/platform.yaml:2:3
          |
        2 |   sre:
          |   --- first written here
          |
          = note: and here: policies/gone.yaml:7:3

        1 error in 1 of 1 file; nothing was planned, nothing was changed.
        "###);
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_reorder_the_line() {
        let source = "a: \u{202e}\u{1b}[2J\tx\u{200b}y\n";
        let finding = Diagnostic::error("x", "bad `\u{1b}[31m`\nsecond").at(span(1, 10, 3)).help("\u{2066}h");
        let out = text(&[finding], &sources(source), 1, false);
        insta::assert_snapshot!(out, @r###"
        error[x]: bad `\u{1b}[31m`\nsecond
         --> policies/roles/platform.yaml:1:10
          |
        1 | a: ��[2J    x�y
          |             ^^^
          |
          = help: \u{2066}h

        1 error in 1 of 1 file; nothing was planned, nothing was changed.
        "###);
        assert!(!out.chars().any(|c| c != '\n' && super::super::escape::is_unsafe(c)));
    }

    #[test]
    fn colour_is_only_where_it_is_asked_for() {
        let finding = [Diagnostic::error("x", "y")];
        assert!(text(&finding, &Sources::new(), 1, true).contains('\u{1b}'));
        assert!(!text(&finding, &Sources::new(), 1, false).contains('\u{1b}'));
    }

    #[test]
    fn json_has_every_field() {
        let finding = Diagnostic::error("x", "y").at(span(1, 2, 3)).help("h").related(span(2, 1, 1), "n");
        let value: serde_json::Value = serde_json::from_str(&json(&[finding]).unwrap()).unwrap();
        assert_eq!(
            value,
            serde_json::json!([{
                "span": { "file": "policies/roles/platform.yaml", "line": 1, "column": 2, "length": 3 },
                "severity": "error", "code": "x", "message": "y", "help": ["h"],
                "related": [[{ "file": "policies/roles/platform.yaml", "line": 2, "column": 1, "length": 1 }, "n"]],
            }])
        );
    }
}
