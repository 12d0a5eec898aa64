//! What changed behind accord's back, and who did it.
//!
//! Comes in: differences, each with the change that would undo it. Goes out: text.
//! Refuses: to call a difference drift (that is `cli`, which asked for it).

use super::change;
use super::outline;
use super::page::{Line, Page, Tone, counted};
use super::plan_text::View;
use crate::model::{Action, Change, Instant};
use crate::plan::Plan;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Column of what somebody did.
const WORDS_COLUMN: usize = 40;

/// One thing that is not as it was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The change that would put it right.
    pub undo: Change,
    /// Who changed the object last, where the directory knows.
    pub by: Option<String>,
    /// When.
    pub at: Option<Instant>,
    /// Why it is not put right (now): `undeclared` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// When a run saw it first; such a difference that is kept is no alarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Instant>,
}

/// The answer to `accord drift`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The run after which everything should be as it left it.
    pub since: Option<String>,
    /// The instant that was compared with, UTC.
    pub at: Instant,
    /// What is different, in the plan's order.
    pub differences: Vec<Difference>,
    /// Directories of which not everything was read: what is missing there is no drift.
    pub incomplete: Vec<String>,
}

/// One line for each difference.
pub fn text(drift: &Drift, plan: &Plan, zone: &TimeZone) -> String {
    let mut page = Page::default();
    let name = zone.iana_name().unwrap_or("UTC");
    let since = match &drift.since {
        Some(run) => format!("run {run}, {} {name}", drift.at.civil(zone)),
        None => format!("{} {name} (nothing was applied yet)", drift.at.civil(zone)),
    };
    if drift.differences.is_empty() {
        let text = if drift.incomplete.is_empty() {
            "the directories are as the policies say, compared with ".to_owned()
        } else {
            format!("{}, compared with ", unknown("anything", &drift.incomplete))
        };
        page.line(Line::default().say(&text).say(&since));
        return page.finish();
    }
    page.line(Line::default().word(Tone::Heading, "Changed behind accord's back").say(", compared with ").say(&since));
    let view = View { zone: zone.clone(), by_group: false, all: true };
    for Difference { undo, by, at, kept, known } in &drift.differences {
        let symbol = match undo.action.symbol() {
            '+' => '-',
            '-' | '!' => '+',
            other => other,
        };
        let tone = if symbol == '-' { Tone::Less } else { Tone::More };
        let what = undo.object.account.clone().or_else(|| undo.object.member.as_ref().map(outline::member_name));
        let line = Line::indented(2).word(tone, &symbol.to_string()).say(" ").say(&outline::target(undo));
        let known = known.map(|at| format!(", known since {}", at.civil(zone))).unwrap_or_default();
        let kept_why = kept.as_ref().map(|why| format!("; {why}{known}")).unwrap_or_default();
        let line = line.say("  ").word(Tone::Heading, what.as_deref().unwrap_or_default());
        page.line(
            line.column(WORDS_COLUMN).say(done(undo.action)).say(&author(by.as_deref(), *at, zone)).say(&kept_why),
        );
        for attribute in change::attributes(&reversed(undo), &view.zone) {
            page.line(Line::default().column(WORDS_COLUMN).say(&attribute));
        }
    }
    page.gap();
    page.line(Line::default().say(&counted(drift.differences.len() as u64, "difference", "differences")));
    if !drift.incomplete.is_empty() {
        page.line(Line::default().say(&unknown("anything else", &drift.incomplete)));
    }
    if !plan.changes.is_empty() {
        page.line(
            Line::default().say("to go on: accord apply puts it back; or write into the policies what should stay"),
        );
    }
    page.finish()
}

/// What a read that is not complete leaves open.
fn unknown(what: &str, incomplete: &[String]) -> String {
    format!("whether {what} changed is not known: {} was not read completely", incomplete.join(", "))
}

/// What somebody did, told by the change that undoes it.
fn done(undo: Action) -> &'static str {
    match undo {
        Action::Grant => "was removed",
        Action::Revoke => "was added",
        Action::CreateAccount | Action::CreateGroup => "is not there",
        Action::EnableAccount => "was disabled",
        Action::DisableAccount => "was enabled",
        Action::RenameAccount | Action::RenameGroup => "was renamed",
        Action::UpdateAccount | Action::UpdateGroup | Action::UpdateMembership => "was changed",
        Action::DeleteAccount | Action::DeleteGroup => "was made",
    }
}

fn author(by: Option<&str>, at: Option<Instant>, zone: &TimeZone) -> String {
    match (by, at) {
        (Some(by), Some(at)) => format!(", object last changed {} by {by}", at.civil(zone)),
        (Some(by), None) => format!(", object last changed by {by}"),
        (None, Some(at)) => format!(", object last changed {}", at.civil(zone)),
        (None, None) => String::new(),
    }
}

/// What somebody wrote is the other way round from what undoes it.
fn reversed(change: &Change) -> Change {
    match change.action {
        Action::UpdateAccount | Action::UpdateGroup | Action::UpdateMembership => {
            Change { before: change.after.clone(), after: change.before.clone(), ..change.clone() }
        }
        _ => Change { before: None, after: None, ..change.clone() },
    }
}
