//! Endings for calendars and spreadsheets.
//!
//! Comes in: the answer to `expiring`. Goes out: iCalendar (RFC 5545) or CSV (RFC 4180), for
//! everybody or for one who answers. Refuses: formulas, lines that a calendar would take
//! for its own, and the clock: the stamp is the instant that was asked about.

use super::answers::{Ending, Expiring};
use super::escape;
use crate::model::Instant;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most octets of a line of iCalendar, without its end (RFC 5545 §3.1).
const LINE: usize = 75;

/// The endings as events of a calendar. An event keeps its `UID` when its end moves, so that a
/// calendar that reads the file again moves it too.
pub fn ics(answer: &Expiring, organization: &str) -> String {
    let mut out = String::new();
    let mut line = |text: &str| fold(&mut out, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//accord//expiring//EN");
    line("CALSCALE:GREGORIAN");
    line("METHOD:PUBLISH");
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for answerable in &answer.answerable {
        for ending in &answerable.endings {
            // Somebody may hold the same thing by two entries that end one after the other.
            let name = format!("{organization}\n{}\n{}\n{}", answerable.person, ending.person, ending.what);
            let nth = seen.entry(name.clone()).and_modify(|n| *n += 1).or_insert(0);
            line("BEGIN:VEVENT");
            line(&format!("UID:{}@accord", uid(&format!("{name}\n{nth}"))));
            line(&format!("DTSTAMP:{}", stamp(answer.at)));
            line(&format!("DTSTART:{}", stamp(ending.ends)));
            line(&format!("SUMMARY:{}", escape::ics(&summary(ending))));
            line(&format!("DESCRIPTION:{}", escape::ics(&description(&answerable.person, ending))));
            line("TRANSP:TRANSPARENT");
            line("END:VEVENT");
        }
    }
    line("END:VCALENDAR");
    out
}

fn uid(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `20261231T230000Z`.
fn stamp(instant: Instant) -> String {
    instant.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn summary(ending: &Ending) -> String {
    match ending.what.as_str() {
        "the person" => format!("{} leaves", ending.person),
        what => format!("{} loses {what}", ending.person),
    }
}

fn description(answerable: &str, ending: &Ending) -> String {
    let place = ending.because.file.as_ref().zip(ending.because.line).map(|(file, line)| format!("{file}:{line}"));
    let parts = [Some(format!("answers for it: {answerable}")), ending.because.note.clone(), place];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Appends a line with its end, folded between characters.
fn fold(out: &mut String, text: &str) {
    let mut octets = 0;
    for c in text.chars() {
        if octets + c.len_utf8() > LINE {
            out.push_str("\r\n ");
            octets = 1;
        }
        out.push(c);
        octets += c.len_utf8();
    }
    out.push_str("\r\n");
}

/// The endings as a table, soonest first for each who answers.
pub fn csv(answer: &Expiring) -> String {
    let mut out = String::from("answers for it,ends,person,what,because,note,file,line\r\n");
    for answerable in &answer.answerable {
        for ending in &answerable.endings {
            let because = &ending.because;
            let cells = [
                answerable.person.as_str(),
                &ending.ends.to_string(),
                &ending.person,
                &ending.what,
                &because.text,
                because.note.as_deref().unwrap_or_default(),
                because.file.as_deref().unwrap_or_default(),
                &because.line.map(|line| line.to_string()).unwrap_or_default(),
            ];
            let cells: Vec<String> = cells.iter().map(|cell| escape::csv(cell)).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::answers::{Answerable, Link};
    use super::*;

    fn at(text: &str) -> Instant {
        text.to_owned().try_into().unwrap()
    }

    fn answer(what: &str, note: &str, ends: &str) -> Expiring {
        let because = Link {
            text: "member entry".to_owned(),
            note: Some(note.to_owned()),
            file: Some("policies/roles.yaml".to_owned()),
            line: Some(8),
        };
        let ending = Ending { ends: at(ends), person: "maria.lopez".to_owned(), what: what.to_owned(), because };
        Expiring {
            at: at("2026-11-22T09:31:00Z"),
            until: at("2026-12-22T09:31:00Z"),
            answerable: vec![Answerable { person: "wei.chen".to_owned(), endings: vec![ending] }],
            beginning: Vec::new(),
            revision: None,
        }
    }

    #[test]
    fn an_ending_is_an_event() {
        let shown = ics(&answer("corp/sre", "ACC-1042, urgent; see C:\\x", "2026-12-01T23:00:00Z"), "example");
        insta::assert_snapshot!(shown.replace("\r\n", "\n"), @r"
        BEGIN:VCALENDAR
        VERSION:2.0
        PRODID:-//accord//expiring//EN
        CALSCALE:GREGORIAN
        METHOD:PUBLISH
        BEGIN:VEVENT
        UID:6c64ee0cceb81c7db78006f8cf7f5ace@accord
        DTSTAMP:20261122T093100Z
        DTSTART:20261201T230000Z
        SUMMARY:maria.lopez loses corp/sre
        DESCRIPTION:answers for it: wei.chen · ACC-1042\, urgent\; see C:\\x · po
         licies/roles.yaml:8
        TRANSP:TRANSPARENT
        END:VEVENT
        END:VCALENDAR
        ");
    }

    #[test]
    fn the_event_stays_itself_when_its_end_moves() {
        let uid = |ends: &str, what: &str| {
            let text = ics(&answer(what, "n", ends), "example");
            text.lines().find(|line| line.starts_with("UID:")).unwrap().to_owned()
        };
        assert_eq!(uid("2026-12-01T23:00:00Z", "corp/sre"), uid("2026-12-09T23:00:00Z", "corp/sre"));
        assert_ne!(uid("2026-12-01T23:00:00Z", "corp/sre"), uid("2026-12-01T23:00:00Z", "corp/vpn"));
    }

    #[test]
    fn lines_are_folded_between_characters_and_nothing_breaks_out() {
        let shown =
            ics(&answer("corp/sre", &"日本語ü\r\nEND:VCALENDAR ".repeat(20), "2026-12-01T23:00:00Z"), "example");
        assert!(shown.ends_with("\r\nEND:VCALENDAR\r\n"));
        for line in shown.split("\r\n") {
            assert!(line.len() <= LINE, "{} octets: {line}", line.len());
            assert!(!line.contains(['\r', '\n']));
        }
        let unfolded = shown.replace("\r\n ", "");
        assert_eq!(unfolded.lines().filter(|line| *line == "END:VCALENDAR").count(), 1);
        assert!(unfolded.contains(&"日本語ü\\\\r\\\\nEND:VCALENDAR ".repeat(20)));
    }

    #[test]
    fn a_table_holds_no_formula() {
        let shown = csv(&answer("corp/sre", "=HYPERLINK(\"https://evil\",\"x\")", "2026-12-01T23:00:00Z"));
        insta::assert_snapshot!(shown.replace("\r\n", "\n"), @r#"
        answers for it,ends,person,what,because,note,file,line
        wei.chen,2026-12-01T23:00:00Z,maria.lopez,corp/sre,"member entry","'=HYPERLINK(""https://evil"",""x"")",policies/roles.yaml,8
        "#);
    }
}
