//! What became of policy tests: findings, text, JSON, `JUnit`.
//!
//! Comes in: outcomes. Goes out: errors with the way to the counter-example, lines for
//! people, data for programs. Refuses: to judge.

use super::answers::{self, AtRevision, Link, Reading};
use super::escape;
use super::page::{Line, Page, Tone, counted};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Place};
use crate::policy::{Holding, PersonId, Policy};
use crate::resolve::{Step, name};
use crate::review::policy_tests::{Counter, Idle, Outcome, Verdict, What};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write as _;

/// The answer to `accord test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What counts as now.
    pub at: Instant,
    /// Every test that was asked, by name.
    pub tests: Vec<Test>,
    /// How many of each.
    pub summary: Summary,
    /// The groups managed elsewhere that tests hang on, with their last reading.
    pub references: Vec<Reading>,
    /// The commit whose policies these are; none is the work tree.
    pub revision: Option<AtRevision>,
}

/// How many tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// That hold.
    pub passed: usize,
    /// That do not.
    pub failed: usize,
    /// Of which only a directory could tell.
    pub unproven: usize,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it says.
    pub claim: String,
    /// Policy file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Whether it holds.
    pub verdict: Verdict,
    /// First instant it is asked for.
    pub from: Instant,
    /// First instant it is not asked for any more; none is no end.
    pub until: Option<Instant>,
    /// At how many instants it was judged.
    pub instants: usize,
    /// How many people could ever matter to it.
    pub people: usize,
    /// Why it fails, the first ones.
    pub counter_examples: Vec<CounterExample>,
    /// How many further ones there are at the first one's instant.
    pub further: usize,
    /// Groups it hangs on that were not read.
    pub not_read: Vec<String>,
    /// Why it cannot fail as things are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_fail: Option<String>,
}

/// One way in which a test fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterExample {
    /// `maria.lopez holds corp/sre from 2026-12-01 00:00 until 2027-01-01 00:00`.
    pub text: String,
    /// Who, where it is about one person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// What, `corp/sre` or a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// Since when.
    pub since: Instant,
    /// Until when, as far as is written; none is no end.
    pub until: Option<Instant>,
    /// Whether it is sure; otherwise it hangs on what was not read.
    pub sure: bool,
    /// From the person to the entitlement, or the reason why not.
    pub because: Vec<Link>,
}

impl Report {
    /// Puts outcomes into words.
    pub fn new(policy: &Policy, outcomes: &[Outcome], at: Instant) -> Self {
        let of = |verdict| outcomes.iter().filter(|one| one.verdict == verdict).count();
        let summary =
            Summary { passed: of(Verdict::Passed), failed: of(Verdict::Failed), unproven: of(Verdict::Unproven) };
        let tests = outcomes.iter().filter_map(|one| test(policy, one)).collect();
        Self { at, tests, summary, references: Vec::new(), revision: None }
    }
}

fn test(policy: &Policy, outcome: &Outcome) -> Option<Test> {
    let written = policy.tests.get(outcome.test)?;
    let (file, line) = policy.locate(written.place);
    Some(Test {
        name: written.key.to_string(),
        description: written.description.as_deref().map(str::to_owned),
        claim: written.words(policy),
        file: file.to_string(),
        line,
        verdict: outcome.verdict,
        from: outcome.from,
        until: outcome.until,
        instants: outcome.instants,
        people: outcome.people,
        counter_examples: outcome.counter.iter().map(|one| example(policy, one)).collect(),
        further: outcome.more,
        not_read: outcome.unread.iter().map(|group| name(policy, Holding::Group(*group))).collect(),
        cannot_fail: outcome.idle.map(|idle| cannot_fail(policy, idle)),
    })
}

fn example(policy: &Policy, counter: &Counter) -> CounterExample {
    let (person, holding) = match counter.what {
        What::Holds(person, holding) | What::Lacks(person, holding) => (Some(person), Some(holding)),
        What::Fewer(..) | What::More(..) => (None, None),
    };
    CounterExample {
        text: words(policy, counter),
        person: person.map(|person| key(policy, person).to_owned()),
        entitlement: holding.map(|holding| name(policy, holding)),
        since: counter.since,
        until: counter.until,
        sure: counter.sure,
        because: counter.because.iter().map(|step| link(policy, step)).collect(),
    }
}

fn key(policy: &Policy, person: PersonId) -> &str {
    policy.people.get(person.0 as usize).map_or("?", |person| person.key.as_ref())
}

/// What an entry says about itself stands after two spaces.
fn link(policy: &Policy, step: &Step) -> Link {
    let (file, line) = policy.locate(step.place);
    let (text, note) = match step.text.split_once("  ") {
        Some((text, note)) => (text.to_owned(), Some(note.to_owned())),
        None => (step.text.clone(), None),
    };
    Link { text, note, file: Some(file.to_string()), line: Some(line) }
}

/// `maria.lopez holds corp/sre from 2026-12-01 00:00 until 2027-01-01 00:00`.
fn words(policy: &Policy, counter: &Counter) -> String {
    let zone = &policy.timezone;
    let what = match counter.what {
        What::Holds(person, holding) if counter.sure => {
            format!("{} holds {}", key(policy, person), name(policy, holding))
        }
        What::Holds(person, holding) => {
            format!("nobody can say whether {} holds {}", key(policy, person), name(policy, holding))
        }
        What::Lacks(person, holding) if counter.sure => {
            format!("{} does not hold {}", key(policy, person), name(policy, holding))
        }
        What::Lacks(person, holding) => {
            format!("nobody can say that {} holds {}", key(policy, person), name(policy, holding))
        }
        What::Fewer(held, least) => {
            let sure = if counter.sure { "" } else { " for sure" };
            format!("{}{sure}, and at least {least} must,", hold(held))
        }
        What::More(held, most) => {
            let sure = if counter.sure { "" } else { ", counted who cannot be told" };
            format!("{}{sure}, and at most {most} may,", hold(held))
        }
    };
    let until = counter.until.map(|until| format!(" until {}", until.civil(zone))).unwrap_or_default();
    format!("{what} from {}{until}", counter.since.civil(zone))
}

fn hold(people: u32) -> String {
    match people {
        0 => "nobody holds it".to_owned(),
        1 => "1 person holds it".to_owned(),
        n => format!("{n} people hold it"),
    }
}

fn cannot_fail(policy: &Policy, idle: Idle) -> String {
    match idle {
        Idle::Over(end) => format!("its last instant was before {}", end.civil(&policy.timezone)),
        Idle::Nobody(_) => "nobody who is written is one of those it speaks of".to_owned(),
    }
}

/// Failing tests as errors, tests that cannot fail as warnings; in the order of the outcomes.
pub fn findings(policy: &Policy, outcomes: &[Outcome]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for outcome in outcomes {
        let Some(test) = policy.tests.get(outcome.test) else { continue };
        let at = |place: Place| policy.span(place);
        let mut span = at(test.place);
        span.length = u32::try_from(test.key.chars().count()).unwrap_or(1);
        if let Some(idle) = outcome.idle {
            let message = format!("the test `{}` cannot fail: {}", test.key, cannot_fail(policy, idle));
            let (code, help, span) = match idle {
                Idle::Over(_) => ("test-over", "remove it, or write `within` instead of `until`", span.clone()),
                Idle::Nobody(place) => {
                    ("test-of-nobody", "check the words; a test that is right passes for somebody", at(place))
                }
            };
            found.push(Diagnostic::warning(code, message).at(span).help(help));
        }
        let Some(first) = outcome.counter.first() else { continue };
        let (code, verb) = match outcome.verdict {
            Verdict::Unproven => ("test-unproven", "is not proven"),
            Verdict::Passed | Verdict::Failed => ("test-failed", "fails"),
        };
        let message = format!("the test `{}` {verb}: {}", test.key, words(policy, first));
        let mut diagnostic = Diagnostic::error(code, message).at(span);
        for step in &first.because {
            let words = step.text.split("  ").collect::<Vec<_>>().join(", ");
            diagnostic = diagnostic.related(policy.span(step.place), words);
        }
        diagnostic = diagnostic.help(format!("it says: {}", test.words(policy)));
        for other in outcome.counter.iter().skip(1) {
            diagnostic.help.push(words(policy, other));
        }
        if outcome.more > 0 {
            diagnostic.help.push(format!("and {} more then", counted(outcome.more as u64, "person", "people")));
        }
        diagnostic.help.extend(not_read(policy, outcome));
        found.push(diagnostic);
    }
    found
}

fn not_read(policy: &Policy, outcome: &Outcome) -> Option<String> {
    if outcome.unread.is_empty() || outcome.verdict == Verdict::Passed {
        return None;
    }
    let groups: Vec<String> = outcome.unread.iter().map(|group| name(policy, Holding::Group(*group))).collect();
    let groups = groups.join(", ");
    Some(format!(
        "it hangs on {groups}, which no run has read; `accord plan` reads it, `only:` bounds who may come by it"
    ))
}

/// One line a test, with the ways to its counter-examples.
pub fn text(report: &Report, zone: &TimeZone) -> String {
    let mut page = Page::default();
    if report.tests.is_empty() {
        page.line(Line::default().say("there are no tests; they are written under `tests:` in any policy file"));
    }
    for test in &report.tests {
        let (word, tone) = match test.verdict {
            Verdict::Passed => ("passed", Tone::More),
            Verdict::Failed => ("failed", Tone::Less),
            Verdict::Unproven => ("not proven", Tone::Other),
        };
        let looked = format!(
            "{}, {}",
            counted(test.instants as u64, "instant", "instants"),
            counted(test.people as u64, "person", "people")
        );
        let line = Line::default().word(tone, word).column(12).word(Tone::Heading, &test.name).column(50).say(&looked);
        page.line(line.place(Some(&test.file), Some(test.line)));
        if let Some(why) = &test.cannot_fail {
            page.line(Line::indented(4).word(Tone::Other, "cannot fail").say(": ").say(why));
        }
        if test.verdict == Verdict::Passed {
            continue;
        }
        page.line(Line::indented(4).word(Tone::Faint, &test.claim));
        for one in &test.counter_examples {
            page.line(Line::indented(4).say(&one.text));
            answers::chain(&mut page, &one.because, 6);
        }
        if test.further > 0 {
            let further = counted(test.further as u64, "person", "people");
            page.line(Line::indented(4).say(&format!("and {further} more then")));
        }
        if !test.not_read.is_empty() {
            page.line(Line::indented(4).say(&format!("not read: {}", test.not_read.join(", "))));
        }
    }
    let Summary { passed, failed, unproven } = report.summary;
    let number = counted(report.tests.len() as u64, "test", "tests");
    let at = report.at.civil(zone);
    let zone_name = zone.iana_name().unwrap_or("UTC");
    page.line(
        Line::default()
            .say(&format!("{number} at {at} {zone_name}: {passed} passed, {failed} failed, {unproven} not proven")),
    );
    answers::readings(&mut page, &report.references, zone);
    answers::origin(&mut page, report.revision.as_ref());
    page.finish()
}

/// `JUnit` XML, as continuous integration reads it: a test that is not proven is a failure of
/// its own type.
pub fn junit(report: &Report) -> String {
    let Summary { failed, unproven, .. } = report.summary;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"accord\" tests=\"{0}\" failures=\"{1}\" errors=\"0\">\n  \
         <testsuite name=\"policy tests\" tests=\"{0}\" failures=\"{1}\" errors=\"0\" skipped=\"0\" timestamp=\"{2}\">",
        report.tests.len(),
        failed + unproven,
        report.at,
    );
    for test in &report.tests {
        let _ = write!(
            out,
            "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\"",
            escape::xml(&test.name),
            escape::xml(&test.file),
            escape::xml(&test.file),
            test.line
        );
        let kind = match test.verdict {
            Verdict::Passed => {
                out.push_str("/>\n");
                continue;
            }
            Verdict::Failed => "test-failed",
            Verdict::Unproven => "test-unproven",
        };
        let first = test.counter_examples.first().map_or("", |one| one.text.as_str());
        let _ = writeln!(out, ">\n      <failure type=\"{kind}\" message=\"{}\">", escape::xml(first));
        let _ = writeln!(out, "{}", escape::xml(&test.claim));
        for one in &test.counter_examples {
            let _ = writeln!(out, "{}", escape::xml(&one.text));
            for link in &one.because {
                let place = link.file.as_ref().zip(link.line).map(|(file, line)| format!(" ({file}:{line})"));
                let _ = writeln!(out, "  {}{}", escape::xml(&link.text), escape::xml(&place.unwrap_or_default()));
            }
        }
        if !test.not_read.is_empty() {
            let _ = writeln!(out, "not read: {}", escape::xml(&test.not_read.join(", ")));
        }
        out.push_str("      </failure>\n    </testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}
