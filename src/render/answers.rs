//! Answers to `why`, `who`, `show` and `expiring`: one fact a line, with its place
//! and its end.
//!
//! Comes in: finished answers. Goes out: text; JSON is the answers themselves.
//! Refuses: to find anything out.

use super::escape;
use super::page::{Line, Page, Tone, count, counted};
use crate::model::Instant;
use crate::record::Written;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Column of what is said about a name.
const WORDS_COLUMN: usize = 30;

/// Most readings of groups that are told one by one.
const MOST_READINGS: usize = 5;

/// One link of a because chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Link {
    /// `granted by role sre`, `person: maria.lopez`.
    pub text: String,
    /// What the entry says about itself: expiry, ticket, reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Policy file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Yes, no, or nobody can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Holds it.
    Yes,
    /// Does not.
    No,
    /// It hangs on something that was not read.
    Unknown,
}

/// A group that is managed elsewhere, and when it was read last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reading {
    /// `corp/on-call-trained`.
    pub group: String,
    /// When a run read it, UTC; none where no run had by then.
    pub at: Option<Instant>,
}

/// The policies that an answer comes from, where they are not those of the work tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtRevision {
    /// As it was asked for: `v2026.3`.
    pub name: String,
    /// The commit's full id.
    pub commit: String,
}

/// The answer to `accord why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The person's key.
    pub person: String,
    /// `corp/sre`, or a role.
    pub entitlement: String,
    /// The instant asked about.
    pub at: Instant,
    /// Whether the person holds it then.
    pub verdict: Verdict,
    /// When it ends.
    pub ends: Option<Instant>,
    /// From the entitlement to the person.
    pub because: Vec<Link>,
    /// What else there is to know, or why not.
    pub notes: Vec<Link>,
    /// What a run did last about the membership; not what the directory holds now.
    pub written: Option<Written>,
    /// The groups managed elsewhere that the answer hangs on.
    pub references: Vec<Reading>,
    /// The commit whose policies these are; none is the work tree.
    pub revision: Option<AtRevision>,
}

/// A person or an entitlement, held until some end through some way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holding {
    /// The person or the entitlement.
    pub name: String,
    /// Whether it is certain.
    pub verdict: Verdict,
    /// With which accounts, by label, the everyday one as an empty text; left out where
    /// it is that one alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// When it ends: of several accounts the last.
    pub ends: Option<Instant>,
    /// From the entitlement to the person.
    pub because: Vec<Link>,
}

/// The answer to `accord who`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// `corp/sre`, or a role.
    pub entitlement: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The instant asked about.
    pub at: Instant,
    /// The people, by key.
    pub people: Vec<Holding>,
    /// The groups managed elsewhere that the answer hangs on.
    pub references: Vec<Reading>,
    /// The commit whose policies these are; none is the work tree.
    pub revision: Option<AtRevision>,
}

/// The answer to `accord show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Show {
    /// The person's key.
    pub person: String,
    /// The instant asked about.
    pub at: Instant,
    /// `contractor of Initech, until 2027-04-01 00:00`.
    pub standing: Link,
    /// Attributes, sponsor, manager, accounts: label and value.
    pub about: Vec<(String, String)>,
    /// Roles, by name.
    pub roles: Vec<Holding>,
    /// Groups, by directory and name.
    pub groups: Vec<Holding>,
    /// The groups managed elsewhere that anything here hangs on.
    pub references: Vec<Reading>,
    /// The commit whose policies these are; none is the work tree.
    pub revision: Option<AtRevision>,
}

/// Something that ends soon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ending {
    /// When.
    pub ends: Instant,
    /// Whose.
    pub person: String,
    /// What: `with the organisation`, a role, a group.
    pub what: String,
    /// Where it was written.
    pub because: Link,
}

/// Who should do something about endings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answerable {
    /// The person, or `nobody`.
    pub person: String,
    /// What ends, soonest first.
    pub endings: Vec<Ending>,
}

/// An account that is made soon, before its person's first day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Beginning {
    /// When it is made, disabled.
    pub created: Instant,
    /// When it is enabled.
    pub begins: Instant,
    /// Whose.
    pub person: String,
    /// In which directory.
    pub directory: String,
    /// The word of a second account; none for the everyday one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where it was written.
    pub because: Link,
}

/// The answer to `accord expiring`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiring {
    /// From when.
    pub at: Instant,
    /// Until when.
    pub until: Instant,
    /// Per sponsor and owner, by key.
    pub answerable: Vec<Answerable>,
    /// Accounts that are made meanwhile before somebody's first day, soonest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beginning: Vec<Beginning>,
    /// The commit whose policies these are; none is the work tree.
    pub revision: Option<AtRevision>,
}

/// `yes, until 2027-01-01 00:00 Europe/Berlin (in 39 days)` and the chain.
pub fn why(answer: &Why, zone: &TimeZone) -> String {
    let mut page = Page::default();
    let (word, tone) = match answer.verdict {
        Verdict::Yes => ("yes", Tone::More),
        Verdict::No => ("no", Tone::Less),
        Verdict::Unknown => ("not known", Tone::Other),
    };
    let until = match (answer.verdict, answer.ends) {
        (Verdict::Yes, Some(ends)) => {
            let name = zone.iana_name().unwrap_or("UTC");
            format!(", until {} {name} ({})", ends.civil(zone), ahead(answer.at, ends))
        }
        (Verdict::Yes, None) => ", without an end".to_owned(),
        _ => String::new(),
    };
    page.line(Line::default().word(tone, word).say(&until));
    page.line(Line::indented(2).say(&answer.entitlement));
    chain(&mut page, &answer.because, 2);
    for note in &answer.notes {
        page.line(noted(Line::default().say(&note.text), note));
    }
    if let Some(Written { directory, granted, at, run }) = &answer.written {
        // Nothing was read: what somebody did by hand since then is not known here.
        let word = if *granted { "granted" } else { "taken away" };
        let text = format!("in {directory}: {word} {} by run {run}", at.civil(zone));
        page.line(Line::default().say(&text).say(" (what changed since then: accord drift)"));
    }
    readings(&mut page, &answer.references, zone);
    origin(&mut page, answer.revision.as_ref());
    page.finish()
}

/// The people, with until and because.
pub fn who(answer: &Who, zone: &TimeZone) -> String {
    let mut page = Page::default();
    let mut line = Line::default().word(Tone::Heading, &answer.entitlement);
    if let Some(description) = &answer.description {
        line = line.say("  ").say(description);
    }
    if let Some(owner) = &answer.owner {
        line = line.say(", owner ").say(owner);
    }
    page.line(line);
    let name = zone.iana_name().unwrap_or("UTC");
    let number = counted(answer.people.len() as u64, "person", "people");
    page.line(Line::default().say(&format!("{number} at {} {name}", answer.at.civil(zone))));
    holdings(&mut page, &answer.people, zone);
    readings(&mut page, &answer.references, zone);
    origin(&mut page, answer.revision.as_ref());
    page.finish()
}

/// Who the person is and what the person holds.
pub fn show(answer: &Show, zone: &TimeZone) -> String {
    let mut page = Page::default();
    let line = Line::default().word(Tone::Heading, &answer.person).say("  ").say(&answer.standing.text);
    page.line(noted(line, &answer.standing));
    for (label, value) in &answer.about {
        page.line(Line::indented(2).word(Tone::Faint, label).column(WORDS_COLUMN).say(value));
    }
    for (title, list) in [("Roles", &answer.roles), ("Groups", &answer.groups)] {
        if !list.is_empty() {
            page.heading(title);
            holdings(&mut page, list, zone);
        }
    }
    if answer.roles.is_empty() && answer.groups.is_empty() {
        page.line(Line::default().say(&format!("holds nothing at {}", answer.at.civil(zone))));
    }
    readings(&mut page, &answer.references, zone);
    origin(&mut page, answer.revision.as_ref());
    page.finish()
}

/// Per sponsor and owner what ends, soonest first.
pub fn expiring(answer: &Expiring, zone: &TimeZone) -> String {
    let mut page = Page::default();
    let total: usize = answer.answerable.iter().map(|one| one.endings.len()).sum();
    let span = format!("between {} and {}", answer.at.civil(zone), answer.until.civil(zone));
    let name = zone.iana_name().unwrap_or("UTC");
    if total == 0 {
        page.line(Line::default().say(&format!("nothing ends {span} {name}")));
        beginning(&mut page, &answer.beginning, zone);
        origin(&mut page, answer.revision.as_ref());
        return page.finish();
    }
    for one in &answer.answerable {
        page.heading(&one.person);
        for ending in &one.endings {
            let line = Line::indented(2)
                .say(&ending.ends.civil(zone))
                .say("  ")
                .word(Tone::Heading, &ending.person)
                .column(44)
                .say(&ending.what);
            page.line(noted(line, &ending.because));
        }
    }
    page.gap();
    let number = format!("{} {}", count(total as u64), if total == 1 { "thing ends" } else { "things end" });
    page.line(Line::default().say(&format!("{number} {span} {name}")));
    beginning(&mut page, &answer.beginning, zone);
    origin(&mut page, answer.revision.as_ref());
    page.finish()
}

fn beginning(page: &mut Page, list: &[Beginning], zone: &TimeZone) {
    if list.is_empty() {
        return;
    }
    page.gap();
    page.heading("made ready");
    for one in list {
        let which = one.account.as_ref().map(|word| format!("{word} ")).unwrap_or_default();
        let line = Line::indented(2)
            .say(&one.created.civil(zone))
            .say("  ")
            .word(Tone::Heading, &one.person)
            .column(44)
            .say(&format!("account {which}in {}, disabled until {}", one.directory, one.begins.civil(zone)));
        page.line(noted(line, &one.because));
    }
}

/// `policies of v2026.3, commit 4f2c1e9`.
pub fn policies(revision: &AtRevision) -> String {
    let short: String = revision.commit.chars().take(7).collect();
    format!("policies of {}, commit {short}", escape::terminal(&revision.name))
}

/// Which policies these are, where one could take them for those of the work tree.
pub(super) fn origin(page: &mut Page, revision: Option<&AtRevision>) {
    if let Some(revision) = revision {
        page.line(Line::default().say(&policies(revision)));
    }
}

fn holdings(page: &mut Page, list: &[Holding], zone: &TimeZone) {
    for holding in list {
        let (symbol, tone) = match holding.verdict {
            Verdict::Yes => ("+", Tone::More),
            Verdict::No => ("-", Tone::Less),
            Verdict::Unknown => ("?", Tone::Other),
        };
        let until = holding.ends.map(|ends| format!("until {}", ends.civil(zone)));
        let chain =
            holding.because.iter().flat_map(|link| Some(link.text.clone()).into_iter().chain(link.note.clone()));
        let words: Vec<_> = until.into_iter().chain(with(&holding.accounts)).chain(chain).collect();
        let line = Line::indented(2).word(tone, symbol).say(" ").word(Tone::Heading, &holding.name);
        let line = line.column(WORDS_COLUMN).say(&words.join(", "));
        // The last place is the entry, the first the grant: the entry is what people change.
        let place = holding.because.iter().rev().find(|link| link.file.is_some());
        page.line(line.place(place.and_then(|link| link.file.as_deref()), place.and_then(|link| link.line)));
    }
}

/// `with the account admin`.
fn with(accounts: &[String]) -> Option<String> {
    let word = |label: &String| match label.as_str() {
        "" => "the everyday account".to_owned(),
        label => format!("the account {label}"),
    };
    let words: Vec<_> = accounts.iter().map(word).collect();
    (!words.is_empty()).then(|| format!("with {}", words.join(" and ")))
}

/// How old is what the answer hangs on; where that are many, the oldest and the rest
/// in one line. What was not read is always named.
pub(super) fn readings(page: &mut Page, list: &[Reading], zone: &TimeZone) {
    for Reading { group, .. } in list.iter().filter(|one| one.at.is_none()) {
        page.line(Line::default().word(Tone::Other, "?").say(&format!(" members of {group} (not read)")));
    }
    let mut read: Vec<(Instant, &str)> = list.iter().filter_map(|one| Some((one.at?, one.group.as_str()))).collect();
    read.sort_unstable();
    let shown = if read.len() > MOST_READINGS { 1 } else { read.len() };
    for (at, group) in read.iter().take(shown) {
        page.line(Line::default().say(&format!("members of {group} as read {}", at.civil(zone))));
    }
    let more = read.len().saturating_sub(shown);
    if more > 0 {
        let number = counted(more as u64, "group", "groups");
        page.line(Line::default().say(&format!("members of {number} more that others manage, read later")));
    }
}

pub(super) fn chain(page: &mut Page, links: &[Link], indent: usize) {
    for (depth, link) in links.iter().enumerate() {
        let line = Line::indented(indent + 2 * depth).word(Tone::Faint, "└").say(" ").say(&link.text);
        page.line(noted(line, link));
    }
}

fn noted(start: Line, link: &Link) -> Line {
    let placed = start.place(link.file.as_deref(), link.line);
    match &link.note {
        Some(words) => placed.say("   ").say(words),
        None => placed,
    }
}

/// `in 39 days`, `in 5 hours`.
fn ahead(from: Instant, to: Instant) -> String {
    let seconds = to.as_seconds().saturating_sub(from.as_seconds());
    let (number, unit) = if seconds >= 2 * 86_400 { (seconds / 86_400, "days") } else { (seconds / 3_600, "hours") };
    format!("in {} {unit}", count(number.max(0).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(text: &str) -> Instant {
        text.to_owned().try_into().unwrap()
    }

    fn link(text: &str, note: Option<&str>, place: Option<(&str, u32)>) -> Link {
        Link {
            text: text.to_owned(),
            note: note.map(str::to_owned),
            file: place.map(|(file, _)| file.to_owned()),
            line: place.map(|(_, line)| line),
        }
    }

    #[test]
    fn why_shows_the_chain_with_its_places() {
        let answer = Why {
            person: "maria.lopez".to_owned(),
            entitlement: "corp/sre".to_owned(),
            at: at("2026-11-22T09:31:00Z"),
            verdict: Verdict::Yes,
            ends: Some(at("2026-12-31T23:00:00Z")),
            because: vec![
                link("granted by role sre", None, Some(("roles/platform.yaml", 6))),
                link("person: maria.lopez", Some("expires 2026-12-31 · ACC-1042"), Some(("roles/platform.yaml", 9))),
            ],
            notes: vec![link("the person ends 2027-04-01 00:00", None, None)],
            written: Some(Written {
                directory: "corp".to_owned(),
                granted: true,
                at: at("2026-10-01T08:00:00Z"),
                run: "20261001-0759".to_owned(),
            }),
            references: vec![
                Reading { group: "corp/trained".to_owned(), at: Some(at("2026-11-22T09:00:00Z")) },
                Reading { group: "corp/sworn-in".to_owned(), at: None },
            ],
            revision: Some(AtRevision { name: "v2026.3".to_owned(), commit: "4f2c1e9a77".to_owned() }),
        };
        let shown = anstream::adapter::strip_str(&why(&answer, &berlin())).to_string();
        insta::assert_snapshot!(shown, @r"
        yes, until 2027-01-01 00:00 Europe/Berlin (in 39 days)
          corp/sre
          └ granted by role sre                                                   roles/platform.yaml:6
            └ person: maria.lopez                                                 roles/platform.yaml:9   expires 2026-12-31 · ACC-1042
        the person ends 2027-04-01 00:00
        in corp: granted 2026-10-01 10:00 by run 20261001-0759 (what changed since then: accord drift)
        ? members of corp/sworn-in (not read)
        members of corp/trained as read 2026-11-22 10:00
        policies of v2026.3, commit 4f2c1e9
        ");
    }

    /// Nobody reads fifty lines; what is oldest and what is missing count.
    #[test]
    fn of_many_readings_the_oldest_is_told() {
        let one = |n: i64| Reading { group: format!("corp/g{n}"), at: Some(at("2026-11-22T09:00:00Z").plus(n * 60)) };
        let mut page = Page::default();
        let mut list: Vec<_> = (0..7).rev().map(one).collect();
        list.push(Reading { group: "corp/new".to_owned(), at: None });
        readings(&mut page, &list, &berlin());
        let shown = anstream::adapter::strip_str(&page.finish()).to_string();
        insta::assert_snapshot!(shown, @r"
        ? members of corp/new (not read)
        members of corp/g0 as read 2026-11-22 10:00
        members of 6 groups more that others manage, read later
        ");
    }

    #[test]
    fn nothing_that_ends_is_said_in_words() {
        let (from, until) = (at("2026-11-22T09:31:00Z"), at("2026-12-22T09:31:00Z"));
        let shown = expiring(
            &Expiring { at: from, until, answerable: Vec::new(), beginning: Vec::new(), revision: None },
            &berlin(),
        );
        assert_eq!(shown, "nothing ends between 2026-11-22 10:31 and 2026-12-22 10:31 Europe/Berlin\n");
    }
}
