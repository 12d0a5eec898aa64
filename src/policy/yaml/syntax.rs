//! Words for text that is no YAML, or YAML that policies do not use.
//!
//! Comes in: the parser's errors. Goes out: [`Problem`]s that say what to type
//! instead. Refuses: to guess what was meant beyond a pair of quotes.

use super::problem::Problem;
use super::tree::MAX_BYTES;
use crate::policy::written::Mark;
use serde_saphyr::granit_parser::{ErrorKind, ScanError, Span};

/// A tag, anchor or alias: nearly always an expression that should be quoted.
pub(super) fn swallowed(code: &'static str, text: &str, span: &Span, what: &str) -> Problem {
    let line = span.start.line();
    let column = span.start.col();
    let written = span.slice(text).unwrap_or_default();
    let mark = Mark {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u16::try_from(column + 1).unwrap_or(u16::MAX),
        length: u16::try_from(written.chars().count().max(1)).unwrap_or(u16::MAX),
    };
    let problem = Problem::new(code, format!("YAML reads `{written}` as {} {what}, not as text", article(what)), mark);
    quote_help(problem, text, line, column)
}

fn article(what: &str) -> &'static str {
    if what.starts_with('a') { "an" } else { "a" }
}

/// Shows the value in quotes, as it should be typed.
fn quote_help(problem: Problem, text: &str, line: usize, column: usize) -> Problem {
    let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before: String = source.chars().take(column).collect();
    let value: String = source.chars().skip(column).collect();
    let value = value.split(" #").next().unwrap_or_default().trim();
    // Inside brackets nobody can tell where the value was meant to end.
    let inside = before.contains(['{', '[']);
    let value = if inside { value.split([',', '}', ']']).next().unwrap_or_default().trim() } else { value };
    let key = before.trim_end().trim_end_matches(':').rsplit([' ', '{', ',']).next().unwrap_or_default();
    let quoted = if value.contains('\'') { format!("'{}'", value.replace('\'', "''")) } else { format!("'{value}'") };
    let long = quoted.chars().count() > 80;
    match key {
        "where" | "for" if !long && !inside => problem.help(format!("quote the rule: `{key}: {quoted}`")),
        "where" | "for" => problem.help("quote the rule"),
        _ if long || value.is_empty() => problem.help("quote the text if the sign belongs to it"),
        _ => problem.help(format!("if it is meant as text, quote it: `{quoted}`")),
    }
}

/// Why the parser stopped.
pub(super) fn problem(error: &ScanError, text: &str) -> Problem {
    let marker = error.marker();
    let mark = Mark {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u16::try_from(marker.col() + 1).unwrap_or(u16::MAX),
        length: 1,
    };
    let new = |message: &str| Problem::new("yaml-syntax", message, mark);
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => {
            Problem::new("yaml-tab", "a tab is used for indentation", mark).help("indent with spaces")
        }
        ErrorKind::DirectiveDisallowed => {
            Problem::new("yaml-directive", "directives (`%YAML`, `%TAG`) are not read", mark)
                .help("remove the line; policies are always YAML 1.2")
        }
        ErrorKind::RecursionLimitExceeded => {
            Problem::new("yaml-too-deep", "lists and mappings are nested more than 64 deep here", mark)
        }
        ErrorKind::UnclosedQuotedScalar => new("this quote is never closed").help("add the closing quote"),
        ErrorKind::UnclosedFlowCollection { open } | ErrorKind::MismatchedFlowCollectionEnd { open, .. } => {
            new(&format!("this `{open}` is not closed by its counterpart")).help("add the closing bracket")
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            let problem = new("text goes on after the closing quote");
            let (line, column) = value_start(text, marker.line(), marker.col());
            quote_help(problem, text, line, column)
        }
        kind => {
            let problem = new(&plain_words(kind, error));
            let (line, column) = value_start(text, marker.line(), marker.col());
            let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            let first = source.chars().nth(column);
            // Signs that make YAML out of what was meant as text.
            if matches!(first, Some('!' | '&' | '*' | '[' | '{' | '@' | '`' | '%' | '"' | '\'' | '>' | '|')) {
                quote_help(problem, text, line, column)
            } else {
                problem.help("a value with `: ` or ` #` in it must be quoted; otherwise check the indentation")
            }
        }
    }
}

/// Where the value begins that stands in the line of an error: behind the first
/// `key: ` or `- `.
fn value_start(text: &str, line: usize, column: usize) -> (usize, usize) {
    let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let mut start = source.chars().take_while(|c| *c == ' ').count();
    let rest: String = source.chars().skip(start).collect();
    let rest = rest.strip_prefix("- ").map_or(rest.as_str(), |item| {
        start += 2;
        item
    });
    if let Some((key, _)) = rest.split_once(": ")
        && start + key.chars().count() + 2 <= column.max(1)
        && key.chars().all(|c| c.is_alphanumeric() || "._-/#".contains(c))
    {
        start += key.chars().count() + 2;
    }
    (line, start)
}

fn plain_words(kind: &ErrorKind, error: &ScanError) -> String {
    match kind {
        ErrorKind::InvalidIndentation => "this line is indented neither like its neighbours nor below them".to_owned(),
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidSimpleKey => {
            "a `key:` was expected here".to_owned()
        }
        ErrorKind::UnexpectedCharacter { character } => format!("a value cannot begin with `{character}`"),
        _ => {
            let info = error.info().to_lowercase();
            format!("this is not YAML: {}", info.trim_end_matches('.'))
        }
    }
}

/// The first byte that is no UTF-8.
pub(super) fn not_utf8(bytes: &[u8], valid_up_to: usize) -> Problem {
    let valid = bytes.get(..valid_up_to).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default();
    let line = valid.matches('\n').count() + 1;
    let column = valid.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let mark = Mark {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u16::try_from(column).unwrap_or(u16::MAX),
        length: 1,
    };
    Problem::new("not-utf8", "the file is not UTF-8 here", mark).help("save it as UTF-8")
}

/// A file beyond every sensible size.
pub(super) fn too_large(bytes: usize) -> Problem {
    let (is, limit) = (bytes >> 20, MAX_BYTES >> 20);
    Problem::new("file-too-large", format!("the file has {is} MiB, more than {limit} MiB"), Mark::default())
        .help("split it: files of any folder below `policies` are read")
}
