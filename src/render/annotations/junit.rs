//! Notes as a report of `JUnit`: what stops the run, or is withheld, is a test that failed.
//!
//! Comes in: [`Annotations`] and the instant. Goes out: XML that both schemas in use accept,
//! Ant's (which demands every attribute) and Jenkins'. Refuses: characters that XML has not.

use super::{Annotation, Annotations, Level};
use crate::model::Instant;
use std::fmt::Write as _;

/// The report. Without any note there is one test, which passed: an empty report is an
/// error to many readers.
pub fn junit(annotations: &Annotations, at: Instant) -> String {
    let failed = annotations.notes.iter().filter(|note| is_failure(note)).count();
    let command = annotations.command;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  <testsuite name=\"accord {command}\" package=\"accord\" id=\"0\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" \
         time=\"0\" timestamp=\"{}\" hostname=\"localhost\">",
        annotations.notes.len().max(1),
        at.timestamp().strftime("%Y-%m-%dT%H:%M:%S"),
    );
    let _ = writeln!(
        out,
        "    <properties>\n      <property name=\"version\" value=\"{}\"/>\n    </properties>",
        env!("CARGO_PKG_VERSION")
    );
    if annotations.notes.is_empty() {
        let _ = writeln!(out, "    <testcase name=\"nothing found\" classname=\"accord.{command}\" time=\"0\"/>");
    }
    for note in &annotations.notes {
        let (file, line) = note.place(&annotations.fallback);
        let name = format!("{} {file}:{line}", note.rule);
        let start = format!("    <testcase name=\"{}\" classname=\"accord.{command}\" time=\"0\"", xml(&name));
        if is_failure(note) {
            let message = xml(&note.message);
            let text = xml(&note.text());
            let _ = writeln!(
                out,
                "{start}>\n      <failure type=\"{}\" message=\"{message}\">{text}</failure>\n    </testcase>",
                note.rule
            );
        } else {
            let _ = writeln!(out, "{start}/>");
        }
    }
    out.push_str("    <system-out>");
    for note in annotations.notes.iter().filter(|note| !is_failure(note)) {
        let (file, line) = note.place(&annotations.fallback);
        out.push_str(&xml(&format!("{file}:{line}: {}: ", note.rule)));
        for line in note.text().lines() {
            let _ = writeln!(out, "{}", xml(line));
        }
    }
    out.push_str("</system-out>\n    <system-err></system-err>\n  </testsuite>\n</testsuites>\n");
    out
}

fn is_failure(note: &Annotation) -> bool {
    note.level == Level::Error || note.rule == "withheld"
}

/// For text and for an attribute in double quotes: nothing is markup, an entity or a
/// character that XML 1.0 has not. A line break stays.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if super::escape::is_unsafe(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
