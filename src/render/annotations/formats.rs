//! Notes as GitHub's workflow commands, SARIF 2.1.0 and GitLab's code quality report.
//!
//! Comes in: [`Annotations`]. Goes out: text. Refuses: foreign text that could be a second
//! command, another property or another path.

use super::{Annotation, Annotations, Level};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Workflow commands of GitHub Actions, one a line: `::error file=…,line=…,title=…::message`.
/// What a message holds is escaped as the runner's own toolkit escapes it.
pub fn github(annotations: &Annotations) -> String {
    let mut out = String::new();
    for note in &annotations.notes {
        let command = match note.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        let mut properties = Vec::new();
        properties.extend(note.file.as_ref().map(|file| format!("file={}", property(file))));
        let numbers = [("line", note.line), ("col", note.column)];
        properties.extend(numbers.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name}={n}")));
        if note.column > 0 && note.length > 0 {
            properties.push(format!("endColumn={}", note.column + note.length));
        }
        properties.push(format!("title={}", property(&format!("accord: {}", note.rule))));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "::{command} {}::{}", properties.join(","), data(&note.text()));
    }
    out
}

/// The message of a command: a line break would end it, `%` would begin an escape.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command: `,` would begin the next one, `:` the message.
fn property(text: &str) -> String {
    data(&super::escape::terminal(text)).replace(':', "%3A").replace(',', "%2C")
}

/// SARIF 2.1.0, for code scanning. Every result has a place, because readers demand one.
///
/// # Errors
/// Never in practice: notes are plain data.
pub fn sarif(annotations: &Annotations) -> Result<String, serde_json::Error> {
    let rules: BTreeSet<&str> = annotations.notes.iter().map(|note| note.rule).collect();
    let index: BTreeMap<&str, usize> = rules.iter().enumerate().map(|(n, rule)| (*rule, n)).collect();
    let described =
        rules.iter().map(|rule| json!({ "id": rule, "shortDescription": { "text": rule.replace('-', " ") } }));
    let described: Vec<Value> = described.collect();
    let mut prints = Fingerprints::default();
    let results: Vec<Value> = annotations
        .notes
        .iter()
        .map(|note| {
            let (file, line) = note.place(&annotations.fallback);
            let region = if note.line > 0 && note.column > 0 {
                let end = note.column + note.length.max(1);
                json!({ "startLine": line, "startColumn": note.column, "endColumn": end })
            } else {
                json!({ "startLine": line })
            };
            json!({
                "ruleId": note.rule,
                "ruleIndex": index.get(note.rule),
                "level": match note.level { Level::Error => "error", Level::Warning => "warning", Level::Notice => "note" },
                "message": { "text": note.text() },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(file), "uriBaseId": "%SRCROOT%" },
                    "region": region,
                } }],
                "partialFingerprints": { "accord/v1": prints.next(note) },
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "accord",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": described,
            } },
            "automationDetails": { "id": format!("accord/{}/", annotations.command) },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    lines(&log)
}

/// GitLab's code quality report: an array of objects that each have a fingerprint.
///
/// # Errors
/// Never in practice: notes are plain data.
pub fn code_quality(annotations: &Annotations) -> Result<String, serde_json::Error> {
    let mut prints = Fingerprints::default();
    let issues: Vec<Value> = annotations
        .notes
        .iter()
        .map(|note| {
            let (file, line) = note.place(&annotations.fallback);
            json!({
                "description": note.text(),
                "check_name": note.rule,
                "fingerprint": prints.next(note),
                "severity": match note.level { Level::Error => "blocker", Level::Warning => "major", Level::Notice => "info" },
                "location": { "path": super::escape::terminal(file), "lines": { "begin": line } },
            })
        })
        .collect();
    lines(&json!(issues))
}

fn lines(value: &Value) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|mut text| {
        text.push('\n');
        text
    })
}

/// A path as a relative reference (RFC 3986): every byte that is not unreserved, a slash
/// aside, is a number. Backslashes and colons too: nothing becomes a scheme or a host.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What makes a note the same one after lines have moved: rule, file and message, and
/// which of several equal ones it is. The line is no part of it.
#[derive(Default)]
struct Fingerprints {
    seen: BTreeMap<[u8; 32], u64>,
}

impl Fingerprints {
    fn next(&mut self, note: &Annotation) -> String {
        let digest = |parts: &[&str]| -> [u8; 32] {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
            hash.finalize().into()
        };
        let file = note.file.as_deref().unwrap_or_default();
        let bare = digest(&[note.rule, file, &note.message]);
        let nth = self.seen.entry(bare).and_modify(|n| *n += 1).or_insert(0);
        let whole = if *nth == 0 { bare } else { digest(&[note.rule, file, &note.message, &nth.to_string()]) };
        whole.iter().take(16).fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
    }
}
