//! A difference as one comment on a pull request.
//!
//! Comes in: a [`Report`]. Goes out: Markdown that fits into a comment: a marker by which the
//! comment is found again, totals, everything privileged, then sections that fold away, as
//! far as there is room. Refuses: foreign text that could be markup, and to cut what is
//! privileged: where that alone does not fit, there is no comment.

use super::answers::Link;
use super::audience::Shown;
use super::escape::{markdown as escaped, mermaid};
use super::review::{Line, Member, Report, Role, Scheduled};
use super::review_text::{about, title, totals};
use crate::model::Instant;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The first line: the comment that begins with it is replaced, not repeated.
pub const MARKER: &str = "<!-- accord diff -->";

/// Most characters of a comment on GitHub; counted here in bytes, which are never fewer.
pub const LIMIT: usize = 65_536;

/// What the last sentence takes at most.
const RESERVE: usize = 400;

/// Sections up to so many rows are open from the start.
const OPEN: usize = 20;

/// Most names that are told in one cell.
const NAMES: usize = 20;

/// Most instants that the summary of the calendar tells.
const INSTANTS: usize = 10;

/// Most arrows of the diagram.
const ARROWS: usize = 60;

/// More privileged access than a comment holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} changes of privileged access take {size} bytes, and a comment holds {LIMIT}")]
pub struct TooMuch {
    /// Lines of privileged access.
    pub count: usize,
    /// Bytes that they take in their shortest form.
    pub size: usize,
}

/// A part of the comment that may be cut.
struct Section {
    title: String,
    head: &'static str,
    rows: Vec<String>,
    /// Rows there would be.
    all: usize,
    open: bool,
}

/// The whole comment. `artifact` is where everything can be read.
///
/// # Errors
/// When what is privileged does not fit.
pub fn comment(report: &Shown<'_, Report>, zone: &TimeZone, artifact: &str) -> Result<String, TooMuch> {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{MARKER}\n### accord: {}\n", escaped(&totals(&report.totals)));
    let _ = writeln!(out, "{}\n", escaped(&title(report, zone)));
    calendar(&mut out, report, zone);
    privileged(&mut out, report, zone)?;
    let mut cut = false;
    for section in sections(report, zone) {
        cut |= put(&mut out, &section);
    }
    let diagram = diagram(&report.roles);
    if out.len() + diagram.len() + RESERVE <= LIMIT {
        out.push_str(&diagram);
    } else {
        cut = true;
    }
    if cut {
        let artifact: String = escaped(artifact).chars().take(200).collect();
        let _ = writeln!(
            out,
            "\nThis is not all: a comment holds {LIMIT} characters. Everything is in the artifact {artifact}."
        );
    }
    Ok(out)
}

/// Appends as much of a section as there is room for; whether something was left out.
fn put(out: &mut String, section: &Section) -> bool {
    if section.all == 0 {
        return false;
    }
    let open = if section.open { " open" } else { "" };
    let start = format!("\n<details{open}><summary>{} ({})</summary>\n\n{}", section.title, section.all, section.head);
    let end = "\n</details>\n";
    let mut room = LIMIT.saturating_sub(out.len() + start.len() + end.len() + RESERVE);
    let mut told = 0;
    let mut rows = String::new();
    for row in &section.rows {
        let Some(left) = room.checked_sub(row.len() + 1) else { break };
        room = left;
        rows.push_str(row);
        rows.push('\n');
        told += 1;
    }
    let left_out = section.all - told;
    if told == 0 {
        // The totals name it.
        return true;
    }
    let _ = write!(out, "{start}{rows}");
    if left_out > 0 {
        let _ = writeln!(out, "\n… and {left_out} more");
    }
    out.push_str(end);
    left_out > 0
}

const TABLE: &str = "| who | entitlement | until, because | written |\n|---|---|---|---|\n";

fn sections(report: &Report, zone: &TimeZone) -> Vec<Section> {
    let warnings = report.warnings.iter().map(|warning| {
        let place = warning.file.as_ref().zip(warning.line).map(|(file, line)| format!(" ({file}:{line})"));
        format!("- {}{}", escaped(&warning.text), escaped(&place.unwrap_or_default()))
    });
    let warnings: Vec<String> = warnings.collect();
    let unsettled: Vec<String> =
        report.unsettled.iter().filter(|one| !one.privileged).map(|one| open(one, zone)).collect();
    let list = |title: &str, rows: Vec<String>| {
        let all = rows.len();
        Section { title: title.to_owned(), head: "", open: all <= OPEN, all, rows }
    };
    let table = |title: &str, lines: &[Line], total: usize| {
        let plain: Vec<&Line> = lines.iter().filter(|line| !line.member.privileged).collect();
        // What was not even told is not privileged.
        let all = plain.len() + total.saturating_sub(lines.len());
        let rows = plain.into_iter().map(|line| row(title, line, zone)).collect();
        Section { title: title.to_owned(), head: TABLE, rows, all, open: all <= OPEN }
    };
    let totals = &report.totals;
    let people = report.people.iter().filter_map(|person| {
        let words = about(person);
        (!words.is_empty()).then(|| format!("- {}: {}", escaped(&person.person), escaped(&words.join("; "))))
    });
    let groups = report.groups.iter().map(|group| format!("- {}: {}", escaped(&group.entitlement), group.change));
    let mut later = moments("begins, ends", &report.scheduled, zone);
    later.extend(moments("called off", &report.called_off, zone));
    vec![
        list("Look at", warnings),
        table("Gained", &report.gained, totals.gained),
        table("Lost", &report.lost, totals.lost),
        table("Extended", &report.extended, totals.extended),
        table("Shortened", &report.shortened, totals.shortened),
        list("Not known", unsettled),
        list("Calendar", later),
        list("People", people.collect()),
        list("Groups", groups.collect()),
    ]
}

fn until(end: Option<Instant>, zone: &TimeZone) -> String {
    end.map_or("without an end".to_owned(), |end| format!("until {}", end.civil(zone)))
}

/// `| maria.lopez | corp/sre | until …, role sre | roles/platform.yaml:9 |`.
fn row(title: &str, line: &Line, zone: &TimeZone) -> String {
    let mut words = Vec::new();
    match &line.before {
        Some(before) => words.push(format!("{} (before: {})", until(line.ends, zone), until(before.ends, zone))),
        None if title == "Lost" => {}
        None => words.push(until(line.ends, zone)),
    }
    let was = if title == "Lost" { "was " } else { "" };
    let texts = line.because.iter().flat_map(|link| [Some(&link.text), link.note.as_ref()]).flatten();
    words.extend(texts.enumerate().map(|(n, text)| if n == 0 { format!("{was}{text}") } else { text.clone() }));
    words.extend(line.now.first().map(|link| format!("now: {}", link.text)));
    let cells = [line.member.person.clone(), entitlement(&line.member), words.join(", "), place(&line.because)];
    let cells: Vec<_> = cells.iter().map(|cell| escaped(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

fn place(because: &[Link]) -> String {
    let link = because.iter().rev().find_map(|link| link.file.as_ref().zip(link.line));
    link.map(|(file, line)| format!("{file}:{line}")).unwrap_or_default()
}

fn entitlement(member: &Member) -> String {
    match &member.account {
        Some(label) => format!("{} (account {label})", member.entitlement),
        None => member.entitlement.clone(),
    }
}

/// Everything privileged: with its reasons where there is room, otherwise by name.
fn privileged(out: &mut String, report: &Report, zone: &TimeZone) -> Result<(), TooMuch> {
    let lists = [
        ("Gained", &report.gained),
        ("Lost", &report.lost),
        ("Extended", &report.extended),
        ("Shortened", &report.shortened),
    ];
    let mut rows = Vec::new();
    let mut names: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (title, list) in lists {
        for line in list.iter().filter(|line| line.member.privileged) {
            let row = row(title, line, zone);
            rows.push(format!("| {} {row}", title.to_lowercase()));
            let key = (entitlement(&line.member), title.to_lowercase());
            names.entry(key).or_default().push(line.member.person.clone());
        }
    }
    for moment in report.scheduled.iter().chain(&report.called_off) {
        let called_off = if report.called_off.contains(moment) { "no more " } else { "" };
        for (word, list) in [("begins", &moment.gained), ("ends", &moment.lost)] {
            for member in list.iter().filter(|member| member.privileged) {
                let when = format!("{called_off}{word} {}", moment.instant.civil(zone));
                let cells = [&when, &member.person, &entitlement(member)].map(|cell| escaped(cell).into_owned());
                rows.push(format!("| {} |  |  |", cells.join(" | ")));
                names.entry((entitlement(member), when)).or_default().push(member.person.clone());
            }
        }
    }
    for one in report.unsettled.iter().filter(|one| one.privileged) {
        for (word, list) in [("may gain", &one.may_gain), ("may lose", &one.may_lose)] {
            for person in list {
                let hangs = format!("members of {} (not read)", one.unread.join(", "));
                let cells = [word, person, &one.entitlement, &hangs].map(|cell| escaped(cell).into_owned());
                rows.push(format!("| {} |  |", cells.join(" | ")));
                names.entry((one.entitlement.clone(), word.to_owned())).or_default().push(person.clone());
            }
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let head = "| | who | entitlement | until, because | written |\n|---|---|---|---|---|\n";
    let long = format!("\n**Privileged ({})**\n\n{head}{}\n", rows.len(), rows.join("\n"));
    // Half of the comment is left for everything else, if that is possible.
    if long.len() <= LIMIT / 2 {
        out.push_str(&long);
        return Ok(());
    }
    let mut short = format!("\n**Privileged ({})**\n\n", rows.len());
    for ((entitlement, word), people) in names {
        let _ = writeln!(short, "- {} {}: {}", escaped(&entitlement), escaped(&word), escaped(&people.join(", ")));
    }
    if out.len() + short.len() + RESERVE > LIMIT {
        return Err(TooMuch { count: rows.len(), size: short.len() });
    }
    out.push_str(&short);
    Ok(())
}

fn open(one: &super::review::Unsettled, zone: &TimeZone) -> String {
    let since = one.since.map(|since| format!(" from {}", since.civil(zone))).unwrap_or_default();
    let groups: Vec<_> = one.unread.iter().map(|group| format!("members of {group} (not read)")).collect();
    let people = [(&one.may_gain, "may gain it"), (&one.may_lose, "may lose it")];
    let people = people.into_iter().filter(|(list, _)| !list.is_empty());
    let people: Vec<_> = people.map(|(list, word)| format!("{} {word}", names(list))).collect();
    let text = format!("{} hangs on {}{since}: {}", one.entitlement, groups.join(", "), people.join(", "));
    format!("- {}", escaped(&text))
}

/// `ana.silva, wei.chen and 5 more`.
fn names(list: &[String]) -> String {
    let first: Vec<&str> = list.iter().take(NAMES).map(String::as_str).collect();
    match list.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `Merging this schedules: 3 revocations on 1 December 2026, 1 grant on 5 January 2027.`
fn calendar(out: &mut String, report: &Report, zone: &TimeZone) {
    let mut parts = Vec::new();
    for moment in &report.scheduled {
        for (list, one, many) in [(&moment.lost, "revocation", "revocations"), (&moment.gained, "grant", "grants")] {
            if !list.is_empty() {
                let number = super::page::counted(list.len() as u64, one, many);
                parts.push(format!("{number} on {}", day(moment.instant, zone)));
            }
        }
    }
    if parts.is_empty() {
        return;
    }
    let more = parts.len().saturating_sub(INSTANTS);
    let more = if more > 0 { format!(" and {more} later") } else { String::new() };
    parts.truncate(INSTANTS);
    let _ = writeln!(out, "Merging this schedules: {}{more}.\n", escaped(&parts.join(", ")));
}

/// `1 December 2026`, with the time unless it is midnight.
fn day(instant: Instant, zone: &TimeZone) -> String {
    let zoned = instant.timestamp().to_zoned(zone.clone());
    let midnight = zoned.hour() == 0 && zoned.minute() == 0 && zoned.second() == 0;
    zoned.strftime(if midnight { "%-d %B %Y" } else { "%-d %B %Y %H:%M" }).to_string()
}

fn moments(word: &str, moments: &[Scheduled], zone: &TimeZone) -> Vec<String> {
    let words = if word == "called off" { ["begins no more", "ends no more"] } else { ["begins", "ends"] };
    let mut rows = Vec::new();
    for moment in moments {
        for (list, word) in [&moment.gained, &moment.lost].into_iter().zip(words) {
            if !list.is_empty() {
                let all: Vec<String> = list.iter().map(|one| format!("{} {}", one.person, entitlement(one))).collect();
                let text = format!("{} {word}: {}", moment.instant.civil(zone), names(&all));
                rows.push(format!("- {}", escaped(&text)));
            }
        }
    }
    rows
}

/// What roles give and include, as far as it changes: thick is new, dotted is gone.
fn diagram(roles: &[Role]) -> String {
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    let mut arrows = Vec::new();
    let mut node = |label: String| {
        let next = nodes.len();
        *nodes.entry(label).or_insert(next)
    };
    for role in roles {
        let from = node(format!("role {}", role.role));
        let lists = [
            (&role.grants_added, "", "==>"),
            (&role.includes_added, "role ", "==>"),
            (&role.grants_removed, "", "-.->"),
            (&role.includes_removed, "role ", "-.->"),
        ];
        for (list, prefix, arrow) in lists {
            for to in list {
                let to = node(format!("{prefix}{to}"));
                arrows.push(format!("  n{from} {arrow} n{to}"));
            }
        }
    }
    if arrows.is_empty() {
        return String::new();
    }
    let more = arrows.len().saturating_sub(ARROWS);
    arrows.truncate(ARROWS);
    let mut labels: Vec<_> = nodes.into_iter().collect();
    labels.sort_unstable_by_key(|(_, n)| *n);
    let used = |n: usize| arrows.iter().any(|arrow| arrow.split(' ').any(|word| word == format!("n{n}")));
    let mut out = String::from(
        "\n<details><summary>What roles give: thick is new, dotted is gone</summary>\n\n```mermaid\nflowchart LR\n",
    );
    for (label, n) in labels.iter().filter(|(_, n)| used(*n)) {
        let _ = writeln!(out, "  n{n}[\"{}\"]", mermaid(label));
    }
    let _ = writeln!(out, "{}\n```", arrows.join("\n"));
    if more > 0 {
        let _ = writeln!(out, "\n… and {more} more");
    }
    out.push_str("\n</details>\n");
    out
}
