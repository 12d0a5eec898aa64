//! Who breaks a constraint, now or later: text, JSON, warnings.
//!
//! Comes in: breaches with their windows. Goes out: lines for people, data for programs,
//! findings. Refuses: to find anything out.

use super::answers::{self, AtRevision, Reading};
use super::page::{Line, Page, Tone, counted};
use crate::diagnostic::Diagnostic;
use crate::model::Instant;
use crate::policy::Policy;
use crate::resolve::{BreachKind, name};
use crate::review::breaches::Broken;
use jiff::tz::TimeZone;
use serde::Serialize;

/// The answer to `accord review constraints`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// From when on it was looked.
    pub at: Instant,
    /// As if this were written too; then only what would not be broken without it.
    pub what_if: Vec<String>,
    /// By start, then constraint, then person.
    pub breaches: Vec<OneBreach>,
    /// The groups managed elsewhere that constraints hang on, with their last reading.
    pub references: Vec<Reading>,
    /// The commit whose policies these are; none is the work tree.
    pub revision: Option<AtRevision>,
}

/// One breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OneBreach {
    /// Name of the constraint.
    pub constraint: String,
    /// File of the constraint.
    pub file: String,
    /// Line of the constraint, from 1.
    pub line: u32,
    /// Who.
    pub person: String,
    /// `exclusive`, `forbidden`, or `unknown` where only a directory could tell.
    pub kind: &'static str,
    /// Since when, not before `at`.
    pub since: Instant,
    /// Until when, as far as is written; none is no end.
    pub until: Option<Instant>,
    /// What conflicts.
    pub sides: Vec<OneSide>,
    /// All of it in words.
    pub message: String,
    /// What to do next.
    pub help: String,
}

/// One of the things that conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OneSide {
    /// `corp/payment-clerks`, `role payment-clerk`.
    pub entitlement: String,
    /// The same with the way to it and its line.
    pub text: String,
    /// When it ends; none is no end, or not known.
    pub ends: Option<Instant>,
}

impl Report {
    /// Puts breaches into words.
    pub fn new(policy: &Policy, found: &[Broken], at: Instant) -> Self {
        let breaches = found.iter().map(|one| breach(policy, one)).collect();
        Self { at, what_if: Vec::new(), breaches, references: Vec::new(), revision: None }
    }
}

fn breach(policy: &Policy, one: &Broken) -> OneBreach {
    let Broken { breach, since, until } = one;
    let (file, line) = policy.locate(breach.place);
    let side = |side: &crate::resolve::Side| OneSide {
        entitlement: name(policy, side.holding),
        text: side.text.clone(),
        ends: side.held.and_then(|held| held.ends),
    };
    OneBreach {
        constraint: policy.constraints.get(breach.constraint).map_or_else(String::new, |one| one.key.to_string()),
        file: file.to_string(),
        line,
        person: policy.people.get(breach.person.0 as usize).map_or_else(String::new, |person| person.key.to_string()),
        kind: match breach.kind {
            BreachKind::Exclusive => "exclusive",
            BreachKind::Forbidden => "forbidden",
            BreachKind::Unsettled | BreachKind::SponsorGone(_) | BreachKind::Revoked(_) => "unknown",
        },
        since: *since,
        until: *until,
        sides: breach.sides.iter().map(side).collect(),
        message: breach.message.clone(),
        help: breach.help.clone(),
    }
}

/// Whether two breaches are one that lasts as long.
pub fn same(one: &Broken, other: &Broken) -> bool {
    let key = |broken: &Broken| {
        let sides: Vec<_> = broken.breach.sides.iter().map(|side| side.holding).collect();
        (broken.breach.constraint, broken.breach.person, broken.breach.kind, sides, broken.since, broken.until)
    };
    key(one) == key(other)
}

fn window(since: Instant, until: Option<Instant>, zone: &TimeZone) -> String {
    let until = until.map(|until| format!(" until {}", until.civil(zone))).unwrap_or_default();
    format!("from {}{until}", since.civil(zone))
}

/// Both ways and the window of each breach.
pub fn text(report: &Report, zone: &TimeZone) -> String {
    let mut page = Page::default();
    for one in &report.breaches {
        let tone = if one.kind == "unknown" { Tone::Other } else { Tone::Less };
        let line = Line::default().word(tone, &one.person).say("  ").say(&window(one.since, one.until, zone));
        page.line(line.place(Some(&one.file), Some(one.line)));
        page.line(Line::indented(2).say(&one.message));
        page.line(Line::indented(2).word(Tone::Faint, "to go on: ").say(&one.help));
    }
    let number = counted(report.breaches.len() as u64, "breach", "breaches");
    let from = format!("from {} {} on", report.at.civil(zone), zone.iana_name().unwrap_or("UTC"));
    let more =
        if report.what_if.is_empty() { String::new() } else { format!(" more if {}", report.what_if.join(", and ")) };
    page.line(Line::default().say(&format!("{number}{more}, {from}")));
    answers::readings(&mut page, &report.references, zone);
    answers::origin(&mut page, report.revision.as_ref());
    page.finish()
}

/// As warnings at the constraint's line, with the ways beside.
pub fn findings(policy: &Policy, found: &[Broken]) -> Vec<Diagnostic> {
    let one = |one: &Broken| {
        let when = window(one.since, one.until, &policy.timezone);
        let mut diagnostic = Diagnostic::warning("constraint-dated", format!("{}, {when}", one.breach.message));
        diagnostic.span = Some(policy.span(one.breach.place));
        diagnostic.help.push(one.breach.help.clone());
        diagnostic
    };
    found.iter().map(one).collect()
}
