//! The end of `accord apply`: what is done, what is not and why, how to go on.
//!
//! Comes in: an [`Outcome`]. Goes out: a table as text, or JSON. Refuses: to list
//! what went well one by one.

use super::change::tally;
use super::outline::{self, member_name};
use super::page::{Line, Page, Tone, count, counted};
use crate::apply::{IN_EFFECT, Outcome, Settled};
use crate::model::{Action, Change};
use crate::record::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many that are not done are shown of each status.
const SHOWN: usize = 20;

/// The order of the table: what is done, then what somebody must look at.
const ORDER: [Status; 9] = [
    Status::Done,
    Status::Pending,
    Status::Conflict,
    Status::Refused,
    Status::Broken,
    Status::NotInEffect,
    Status::Unknown,
    Status::Skipped,
    Status::NotStarted,
];

/// The table. `withheld` is how many changes the plan kept back, `journal` the path
/// as a person would type it, `again` the command that continues.
pub fn text(outcome: &Outcome<'_>, withheld: usize, journal: &str, again: &str) -> String {
    let mut page = Page::default();
    let total = outcome.results.len() as u64;
    let before = outcome.results.iter().filter(|result| is_before(result)).count() as u64;
    let done = outcome.count(Status::Done).saturating_sub(before);
    let seconds = format!("{}.{}", outcome.elapsed_ms / 1_000, outcome.elapsed_ms % 1_000 / 100);
    let head = format!("applied {} of {} in {seconds} s · run {} · journal ", count(done), count(total), outcome.run);
    page.line(Line::default().say(&head).say(journal));
    if before > 0 {
        page.line(row("in effect", Some(before)).say("before this run: nothing was sent for them"));
    }
    for status in ORDER {
        table(&mut page, outcome, status);
    }
    let partly: Vec<_> = outcome.results.iter().filter(|result| is_partly(result)).collect();
    for Settled { change, why, .. } in &partly {
        page.line(row("in part", None).say(&object(change)).say(": ").say(why.as_deref().unwrap_or_default()));
    }
    for (directory, why) in &outcome.not_read {
        page.line(
            row("not read", None)
                .say(directory)
                .say(": done as acknowledged, but it could not be read back: ")
                .say(why),
        );
    }
    if withheld > 0 {
        page.line(row("withheld", Some(withheld as u64)).say("accord plan shows why"));
    }
    if let Some(why) = &outcome.stopped {
        page.line(row("stopped", None).say(why));
    }
    if outcome.is_complete() && !(outcome.not_read.is_empty() && partly.is_empty()) {
        page.line(Line::indented(2).say("to go on: accord plan   (shows what is left, if anything is)"));
    }
    if !outcome.is_complete() {
        page.line(Line::indented(2).say("to go on: ").say(again).say("   (what is done stays done)"));
    }
    page.finish()
}

/// The same for programs.
pub fn json(outcome: &Outcome<'_>, withheld: usize, journal: &str) -> Value {
    let results: Vec<_> = outcome
        .results
        .iter()
        .map(|Settled { change, status, why }| {
            json!({
                "id": change.id, "directory": change.directory, "action": change.action, "object": change.object,
                "person": change.person, "status": status, "why": why,
            })
        })
        .collect();
    let totals: BTreeMap<_, _> = outcome.totals.iter().map(|(status, number)| (status.word(), number)).collect();
    json!({
        "run": outcome.run, "journal": journal, "elapsed_ms": outcome.elapsed_ms, "totals": totals,
        "withheld": withheld, "stopped": outcome.stopped, "not_read": outcome.not_read, "results": results,
    })
}

fn table(page: &mut Page, outcome: &Outcome<'_>, status: Status) {
    let settled = || outcome.results.iter().filter(move |result| result.status == status && !is_before(result));
    let number = settled().count() as u64;
    if number == 0 {
        return;
    }
    if status == Status::Done {
        page.line(row(status.word(), Some(number)).say(&actions(settled())));
        return;
    }
    let mut last = None;
    for (n, Settled { change, why, .. }) in settled().take(SHOWN).enumerate() {
        let head = if n == 0 { row(status.word(), Some(number)) } else { Line::default().column(WORDS) };
        let why = why.as_deref().unwrap_or("no reason was given");
        let same = last.replace(why) == Some(why);
        page.line(head.say(&object(change)).say(": ").say(if same { "the same" } else { why }));
    }
    let more = number.saturating_sub(SHOWN as u64);
    if more > 0 {
        page.line(Line::default().column(WORDS).say(&format!("… and {} more (in the journal)", count(more))));
    }
}

/// Whether what the change wants was there before anything was sent.
fn is_before(result: &Settled<'_>) -> bool {
    result.status == Status::Done && result.why.as_deref() == Some(IN_EFFECT)
}

/// Whether a change is done, and something that goes with it is not.
fn is_partly(result: &Settled<'_>) -> bool {
    result.status == Status::Done && result.why.is_some() && !is_before(result)
}

const WORDS: usize = 24;

fn row(word: &str, number: Option<u64>) -> Line {
    let tone = match word {
        "done" | "in effect" => Tone::More,
        "withheld" => Tone::Held,
        _ => Tone::Less,
    };
    let number = number.map(count).unwrap_or_default();
    Line::indented(2).word(tone, word).column(17).say(&number).column(WORDS)
}

/// `4 grants, 2 revokes, 1 account created`.
fn actions<'a>(settled: impl Iterator<Item = &'a Settled<'a>>) -> String {
    let mut numbers: BTreeMap<Action, u64> = BTreeMap::new();
    for result in settled {
        *numbers.entry(result.change.action).or_default() += 1;
    }
    let words = numbers.into_iter().map(|(action, number)| {
        let (one, many, done) = tally(action);
        format!("{} {done}", counted(number, one, many)).trim_end().to_owned()
    });
    words.collect::<Vec<_>>().join(", ")
}

/// `corp/vpn - tmp.admin`, `corp li.na disable account`.
fn object(change: &Change) -> String {
    let target = outline::target(change);
    let account = change.object.account.as_deref();
    let member = account.map(str::to_owned).or_else(|| change.object.member.as_ref().map(member_name));
    match (&change.object.group, member) {
        (Some(_), Some(member)) => format!("{target} {} {member}", change.action.symbol()),
        (Some(_), None) => format!("{target} {}", change.action.word().replace('-', " ")),
        (None, member) => format!("{target} {} {}", member.unwrap_or_default(), change.action.word().replace('-', " ")),
    }
}
