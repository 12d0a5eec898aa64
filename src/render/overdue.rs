//! What is still held although its end has passed.
//!
//! Comes in: a finished answer. Goes out: text; JSON is the answer itself. Refuses: to
//! find anything out.

use super::answers::{Answerable, Ending};
use super::page::{Line, Page, Tone, count};
use crate::model::Instant;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Column of what is held.
const WHAT_COLUMN: usize = 52;

/// What the answer about one directory rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// Name of the directory.
    pub directory: String,
    /// Whether it was read just now, completely; otherwise the journal counts.
    pub read: bool,
    /// The last run that left nothing to do, where the journal counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// The answer to `accord expiring --overdue`. `ends` of an ending is since when it is
/// overdue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overdue {
    /// The instant asked about.
    pub at: Instant,
    /// What the answer rests on, by directory.
    pub rests_on: Vec<Basis>,
    /// What is still held, per sponsor and owner.
    pub answerable: Vec<Answerable>,
    /// What nobody can use any more, because the directory itself ended the account, and
    /// accord has not yet disabled or taken away: not overdue.
    pub ended_by_directory: Vec<Answerable>,
}

/// Per sponsor and owner who holds what, since when.
pub fn text(answer: &Overdue, zone: &TimeZone) -> String {
    let mut page = Page::default();
    let name = zone.iana_name().unwrap_or("UTC");
    let at = format!("at {} {name}", answer.at.civil(zone));
    for one in &answer.answerable {
        page.heading(&one.person);
        one.endings.iter().for_each(|ending| item(&mut page, ending, answer.at, zone));
    }
    if !answer.ended_by_directory.is_empty() {
        page.heading("Ended by the directory itself, nobody can use it any more; the next run tidies up");
        for ending in answer.ended_by_directory.iter().flat_map(|one| &one.endings) {
            item(&mut page, ending, answer.at, zone);
        }
    }
    let total: usize = answer.answerable.iter().map(|one| one.endings.len()).sum();
    if total > 0 || !answer.ended_by_directory.is_empty() {
        page.gap();
    }
    page.line(Line::default().say(&match total {
        0 => format!("nothing is overdue {at}"),
        1 => format!("1 thing is overdue {at}"),
        _ => format!("{} things are overdue {at}", count(total as u64)),
    }));
    for Basis { directory, read, run } in &answer.rests_on {
        let how = match (read, run) {
            (true, _) => "as read now".to_owned(),
            (false, Some(run)) => format!("not read; by what runs wrote since {run}, which left nothing to do"),
            (false, None) => "not read; by what runs wrote, none of which left nothing to do".to_owned(),
        };
        page.line(Line::default().word(Tone::Faint, directory).say(": ").say(&how));
    }
    if total > 0 {
        page.line(Line::default().say("to go on: accord plan --dated"));
    }
    page.finish()
}

fn item(page: &mut Page, ending: &Ending, at: Instant, zone: &TimeZone) {
    let line = Line::indented(2)
        .say("since ")
        .say(&ending.ends.civil(zone))
        .say(&format!(" ({})", ago(ending.ends, at)))
        .say("  ")
        .word(Tone::Heading, &ending.person)
        .column(WHAT_COLUMN)
        .say(&ending.what);
    let line = line.place(ending.because.file.as_deref(), ending.because.line);
    let words = [Some(&ending.because.text), ending.because.note.as_ref()];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    page.line(line.say("   ").say(&words.join(", ")));
}

/// `3 days`, `5 hours`.
fn ago(from: Instant, to: Instant) -> String {
    let seconds = to.as_seconds().saturating_sub(from.as_seconds()).max(0).unsigned_abs();
    let (number, one, many) =
        if seconds >= 2 * 86_400 { (seconds / 86_400, "day", "days") } else { (seconds / 3_600, "hour", "hours") };
    super::page::counted(number, one, many)
}

#[cfg(test)]
mod tests {
    use super::super::answers::Link;
    use super::*;

    fn at(text: &str) -> Instant {
        text.to_owned().try_into().unwrap()
    }

    fn ending(ends: &str, person: &str, what: &str) -> Ending {
        let because = Link {
            text: "last day of the person".to_owned(),
            note: None,
            file: Some("policies/people/contractors.yaml".to_owned()),
            line: Some(3),
        };
        Ending { ends: at(ends), person: person.to_owned(), what: what.to_owned(), because }
    }

    #[test]
    fn who_holds_what_since_when_and_what_that_rests_on() {
        let basis = |directory: &str, read, run: Option<&str>| Basis {
            directory: directory.to_owned(),
            read,
            run: run.map(str::to_owned),
        };
        let mut answer = Overdue {
            at: at("2026-11-22T09:31:00Z"),
            rests_on: vec![
                basis("corp", true, None),
                basis("lab", false, Some("20261120-0900")),
                basis("old", false, None),
            ],
            answerable: vec![Answerable {
                person: "wei.chen".to_owned(),
                endings: vec![
                    ending("2026-11-18T23:00:00Z", "maria.lopez", "corp/sre"),
                    ending("2026-11-22T03:00:00Z", "li.na", "the account li.na in lab"),
                ],
            }],
            ended_by_directory: vec![Answerable {
                person: "omar".to_owned(),
                endings: vec![ending("2026-11-20T23:00:00Z", "ines.costa", "the account ines.costa in corp")],
            }],
        };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let shown = |answer: &Overdue| anstream::adapter::strip_str(&text(answer, &zone)).to_string();
        insta::assert_snapshot!(shown(&answer), @r"
        wei.chen
          since 2026-11-19 00:00 (3 days)  maria.lopez      corp/sre              policies/people/contractors.yaml:3   last day of the person
          since 2026-11-22 04:00 (6 hours)  li.na           the account li.na in lab  policies/people/contractors.yaml:3   last day of the person
        Ended by the directory itself, nobody can use it any more; the next run tidies up
          since 2026-11-21 00:00 (34 hours)  ines.costa     the account ines.costa in corp  policies/people/contractors.yaml:3   last day of the person

        2 things are overdue at 2026-11-22 10:31 Europe/Berlin
        corp: as read now
        lab: not read; by what runs wrote since 20261120-0900, which left nothing to do
        old: not read; by what runs wrote, none of which left nothing to do
        to go on: accord plan --dated
        ");
        answer.answerable.clear();
        answer.ended_by_directory.clear();
        answer.rests_on.truncate(1);
        assert_eq!(shown(&answer), "nothing is overdue at 2026-11-22 10:31 Europe/Berlin\ncorp: as read now\n");
    }
}
