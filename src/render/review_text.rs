//! A difference as text: by urgency and person, one fact a line.
//!
//! Comes in: a [`Report`]. Goes out: text. Refuses: to find anything out.

use super::answers::Link;
use super::audience::Shown;
use super::page::{Line, Page, Tone, counted};
use super::review::{Member, Person, Report, Scheduled, Totals};
use crate::model::Instant;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Column of what is said about a name.
const WORDS_COLUMN: usize = 30;

/// Most names that are told of one instant.
const MOST_NAMES: usize = 12;

/// One line about a person: symbol, tone, what, words, place.
struct Fact<'r> {
    symbol: &'static str,
    tone: Tone,
    member: &'r Member,
    words: Vec<String>,
    place: Option<&'r Link>,
}

/// Everything about one person.
#[derive(Default)]
struct Block<'r> {
    name: &'r str,
    about: Option<&'r Person>,
    facts: Vec<Fact<'r>>,
}

/// The whole report. `hidden` lines were left out of it.
pub fn text(report: &Shown<'_, Report>, zone: &TimeZone) -> String {
    let mut page = Page::default();
    page.line(Line::default().say(&title(report, zone)));
    let blocks = blocks(report, zone);
    for (heading, wanted) in [("Leaving", 0), ("Joining", 1), ("Changing", 2)] {
        let mut chosen = blocks.values().filter(|block| section(block) == wanted).peekable();
        if chosen.peek().is_some() {
            page.gap();
            page.heading(heading);
        }
        chosen.for_each(|one| block(&mut page, one));
    }
    hidden(&mut page, report);
    unsettled(&mut page, report, zone);
    scheduled(&mut page, "Scheduled by this change", &report.scheduled, zone);
    scheduled(&mut page, "Called off by this change", &report.called_off, zone);
    shape(&mut page, report);
    warnings(&mut page, report);
    page.gap();
    page.line(Line::default().say(&totals(&report.totals)));
    page.finish()
}

/// `4f2c1e9 → 9a8b7c6 · 2026-11-22 10:31 Europe/Berlin`.
pub(super) fn title(report: &Report, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    let at = report.at.civil(zone);
    match report.and {
        Some(and) => format!("policies {} · {at} → {} {name}", short(&report.head), and.civil(zone)),
        None => format!("policies {} → {} · {at} {name}", short(&report.base), short(&report.head)),
    }
}

/// The first seven characters of a commit.
fn short(name: &str) -> String {
    if name.len() == 40 { name.chars().take(7).collect() } else { name.to_owned() }
}

/// `2 people gain, 1 loses · 3 gained, 1 lost, 1 extended`.
pub(super) fn totals(totals: &Totals) -> String {
    let number = |n: usize| n as u64;
    let mut parts = Vec::new();
    let people = [(totals.people_gain, "gains", "gain"), (totals.people_lose, "loses", "lose")];
    let people = people.into_iter().filter(|(n, ..)| *n > 0).enumerate().map(|(n, (count, one, many))| {
        let word = if n == 0 { counted(number(count), "person", "people") } else { super::page::count(number(count)) };
        format!("{word} {}", if count == 1 { one } else { many })
    });
    let people: Vec<_> = people.collect();
    let facts = [
        (totals.gained, "gained"),
        (totals.lost, "lost"),
        (totals.extended, "extended"),
        (totals.shortened, "shortened"),
        (totals.scheduled_gained, "scheduled to begin"),
        (totals.scheduled_lost, "scheduled to end"),
        (totals.unsettled, "not known"),
    ];
    let facts: Vec<_> = facts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{} {word}", super::page::count(number(n))))
        .collect();
    parts.extend((!people.is_empty()).then(|| people.join(", ")));
    parts.extend((!facts.is_empty()).then(|| facts.join(", ")));
    if parts.is_empty() { "nobody gains or loses anything".to_owned() } else { parts.join(" · ") }
}

fn blocks<'r>(report: &'r Report, zone: &TimeZone) -> BTreeMap<u32, Block<'r>> {
    let mut blocks: BTreeMap<u32, Block<'r>> = BTreeMap::new();
    for person in &report.people {
        let block = blocks.entry(person.number).or_default();
        (block.name, block.about) = (&person.person, Some(person));
    }
    let shown =
        |end: Option<Instant>| end.map_or("without an end".to_owned(), |end| format!("until {}", end.civil(zone)));
    let lists = [
        (&report.lost, "-", Tone::Less),
        (&report.gained, "+", Tone::More),
        (&report.extended, "~", Tone::Other),
        (&report.shortened, "~", Tone::Other),
    ];
    for (list, symbol, tone) in lists {
        for line in list {
            let mut words: Vec<String> = Vec::new();
            if let Some(before) = &line.before {
                words.push(format!("{} (before: {})", shown(line.ends), shown(before.ends)));
            } else if symbol == "+" {
                words.extend(line.ends.map(|end| shown(Some(end))));
            }
            let was = if symbol == "-" { "was " } else { "" };
            let chain = line.because.iter().flat_map(|link| [Some(&link.text), link.note.as_ref()]).flatten();
            words.extend(chain.enumerate().map(|(n, text)| if n == 0 { format!("{was}{text}") } else { text.clone() }));
            words.extend(line.now.first().map(|link| format!("now: {}", link.text)));
            let block = blocks.entry(line.number).or_default();
            block.name = &line.member.person;
            let place = line.because.iter().rev().find(|link| link.file.is_some());
            block.facts.push(Fact { symbol, tone, member: &line.member, words, place });
        }
    }
    blocks
}

/// Leaving, joining, changing.
fn section(block: &Block<'_>) -> u8 {
    let Some(about) = block.about else { return 2 };
    match (about.before, about.after) {
        ("present" | "on leave", "not declared" | "left" | "not begun") => 0,
        ("not declared" | "left" | "not begun", "present" | "on leave") => 1,
        _ => 2,
    }
}

fn block(page: &mut Page, block: &Block<'_>) {
    let (symbol, tone) = match section(block) {
        0 => ("✗", Tone::Less),
        1 => ("+", Tone::More),
        _ => ("~", Tone::Other),
    };
    let line = Line::indented(2).word(tone, symbol).say(" ").word(Tone::Heading, block.name);
    let words: Vec<String> = block.about.map(about).unwrap_or_default();
    page.line(if words.is_empty() { line } else { line.say("  ").say(&words.join("; ")) });
    for fact in &block.facts {
        let name = match &fact.member.account {
            Some(label) => format!("{} (account {label})", fact.member.entitlement),
            None => fact.member.entitlement.clone(),
        };
        let line = Line::indented(6).word(fact.tone, fact.symbol).say(" ").word(Tone::Heading, &name);
        let line = if fact.member.privileged { line.say(" ").word(Tone::Held, "privileged") } else { line };
        let line = line.column(WORDS_COLUMN).say(&fact.words.join(", "));
        page.line(line.place(fact.place.and_then(|link| link.file.as_deref()), fact.place.and_then(|link| link.line)));
    }
}

/// `present, before: not declared; formerly li.wei; corp: a → b`.
pub(super) fn about(person: &Person) -> Vec<String> {
    let mut words = Vec::new();
    if person.before != person.after {
        words.push(format!("{}, before: {}", person.after, person.before));
    }
    words.extend(person.formerly.as_ref().map(|key| format!("formerly {key}")));
    words.extend(person.accounts.iter().map(|account| format!("account {account}")));
    words
}

fn hidden(page: &mut Page, report: &Report) {
    let told = report.gained.len() + report.lost.len() + report.extended.len() + report.shortened.len();
    let totals = &report.totals;
    let all = totals.gained + totals.lost + totals.extended + totals.shortened;
    if all > told {
        page.gap();
        let more = counted((all - told) as u64, "more line", "more lines");
        page.line(Line::default().say(&format!("… and {more} (--all shows everything)")));
    }
}

fn unsettled(page: &mut Page, report: &Report, zone: &TimeZone) {
    if report.unsettled.is_empty() {
        return;
    }
    page.gap();
    page.heading("Not known");
    for one in &report.unsettled {
        let since = one.since.map(|since| format!(" from {}", since.civil(zone))).unwrap_or_default();
        let groups: Vec<_> = one.unread.iter().map(|group| format!("members of {group} (not read)")).collect();
        let people = [(&one.may_gain, "may gain it"), (&one.may_lose, "may lose it")];
        let people = people.into_iter().filter(|(list, _)| !list.is_empty());
        let people: Vec<_> = people.map(|(list, word)| format!("{} {word}", names(list))).collect();
        let line = Line::indented(2).word(Tone::Other, "?").say(" ").word(Tone::Heading, &one.entitlement);
        let line = if one.privileged { line.say(" ").word(Tone::Held, "privileged") } else { line };
        let words = format!("hangs on {}{since}: {}", groups.join(", "), people.join(", "));
        page.line(line.column(WORDS_COLUMN).say(&words));
    }
}

/// `ana.silva, wei.chen and 5 more`.
fn names(list: &[String]) -> String {
    let first: Vec<&str> = list.iter().take(MOST_NAMES).map(String::as_str).collect();
    match list.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn scheduled(page: &mut Page, heading: &str, moments: &[Scheduled], zone: &TimeZone) {
    if moments.is_empty() {
        return;
    }
    page.gap();
    page.heading(heading);
    for moment in moments {
        for (list, symbol, tone) in [(&moment.gained, "+", Tone::More), (&moment.lost, "-", Tone::Less)] {
            if list.is_empty() {
                continue;
            }
            let all: Vec<String> = list.iter().map(|one| format!("{} {}", one.person, one.entitlement)).collect();
            let line = Line::indented(2).say(&moment.instant.civil(zone)).say(" ").word(tone, symbol);
            page.line(line.say(" ").say(&names(&all)));
        }
    }
}

fn shape(page: &mut Page, report: &Report) {
    if report.roles.is_empty() && report.groups.is_empty() {
        return;
    }
    page.gap();
    page.heading("Roles and groups");
    for role in &report.roles {
        let lists = [
            ("gives", &role.grants_added),
            ("gives no more", &role.grants_removed),
            ("includes", &role.includes_added),
            ("includes no more", &role.includes_removed),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let words: Vec<_> = lists.map(|(word, list)| format!("{word} {}", names(list))).collect();
        let line = Line::indented(2).word(Tone::Heading, &format!("role {}", role.role)).column(WORDS_COLUMN);
        let change = if role.change == "changed" { None } else { Some(role.change.to_owned()) };
        page.line(line.say(&change.into_iter().chain(words).collect::<Vec<_>>().join("; ")));
    }
    for group in &report.groups {
        page.line(Line::indented(2).word(Tone::Heading, &group.entitlement).column(WORDS_COLUMN).say(group.change));
    }
}

fn warnings(page: &mut Page, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    page.gap();
    page.heading("Look at");
    for warning in &report.warnings {
        let line = Line::indented(2).word(Tone::Held, "!").say(" ").say(&warning.text);
        page.line(line.place(warning.file.as_deref(), warning.line));
    }
}
