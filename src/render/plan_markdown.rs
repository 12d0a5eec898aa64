//! A plan as Markdown for a comment on a pull request.
//!
//! Comes in: a [`Plan`]. Goes out: a headline, what is withheld, and a table per
//! section that folds away. Refuses: foreign text that could be markup or call
//! somebody by name.

use super::change;
use super::escape::markdown as escaped;
use super::outline::{self, Section};
use super::plan_text::{self, View};
use crate::model::Change;
use crate::plan::Plan;
use std::fmt::Write as _;

/// Sections up to so many changes are open from the start.
const OPEN: usize = 20;

/// The whole plan.
pub fn plan(plan: &Plan, view: &View) -> String {
    let outline = view.outline(plan);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "### accord: {}\n", escaped(&plan_text::totals(&outline.totals)));
    let _ = writeln!(out, "{}\n", escaped(&plan_text::title(plan, &view.zone)));
    for mark in &plan.directories {
        let (name, evidence) = (escaped(&mark.name), plan_text::evidence(mark));
        let _ = writeln!(out, "- {name}: {} accounts, {} groups, {}", mark.accounts, mark.groups, escaped(&evidence));
    }
    withheld(&mut out, plan, view, &outline);
    let mut left = view.limit();
    for part in &outline.sections {
        section(&mut out, plan, view, part, &mut left);
    }
    let hidden = plan.changes.len().saturating_sub(view.limit());
    if hidden > 0 {
        let _ = writeln!(out, "\n… and {hidden} more changes");
    }
    notes(&mut out, plan, view);
    if let Some(next) = &outline.next {
        let _ = writeln!(out, "\nNext: {}", escaped(&plan_text::next(next, &view.zone)));
    }
    out
}

fn withheld(out: &mut String, plan: &Plan, view: &View, outline: &outline::Outline<'_>) {
    if outline.withheld.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n**Withheld**\n");
    for held in &outline.withheld {
        let names: Vec<_> = held
            .changes
            .iter()
            .take(view.limit().min(OPEN))
            .map(|change| escaped(&object(plan, change, view)).into_owned())
            .collect();
        let more = held.changes.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(out, "- {}{more}", names.join("; "));
        let texts = [Some(&held.why.reason), held.why.limit.as_ref()];
        for text in texts.into_iter().flatten() {
            let _ = writeln!(out, "  - {}", escaped(text));
        }
        if let Some(setting) = &held.why.setting {
            let _ = writeln!(out, "  - to go on: {}", escaped(setting));
        }
    }
}

/// `+ dana.wolf corp/payment-approvers`.
fn object(plan: &Plan, change: &Change, view: &View) -> String {
    let who = change.person.as_deref().or(change.object.account.as_deref()).unwrap_or_default();
    let what = if change.object.group.is_some() { String::new() } else { change::words(plan, change, &view.zone) };
    let words = [change.action.word(), who, &outline::target(change), &what];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn section(out: &mut String, plan: &Plan, view: &View, section: &Section<'_>, left: &mut usize) {
    let number: usize = section.subjects.iter().map(|subject| subject.changes.len()).sum();
    if *left == 0 {
        return;
    }
    let open = if number <= OPEN { " open" } else { "" };
    let _ = writeln!(out, "\n<details{open}><summary>{} ({})</summary>\n", section.title, section.subjects.len());
    let _ = writeln!(out, "| who | what | where | until, because | written |\n|---|---|---|---|---|");
    for subject in &section.subjects {
        let who = subject.about.map_or_else(String::new, |fact| format!(" ({})", fact.text));
        let who = format!("{}{who}", subject.name);
        for (n, change) in subject.changes.iter().take(*left).enumerate() {
            let words: Vec<_> = change::attributes(change, &view.zone)
                .into_iter()
                .chain(Some(change::words(plan, change, &view.zone)).filter(|words| !words.is_empty()))
                .collect();
            let written = change::place(plan, change)
                .map(|fact| format!("{}:{}", fact.file.as_deref().unwrap_or_default(), fact.line.unwrap_or_default()));
            let cells = [
                if n == 0 { who.clone() } else { String::new() },
                change.action.word().replace('-', " "),
                outline::target(change),
                words.join("; "),
                written.unwrap_or_default(),
            ];
            let cells: Vec<_> = cells.iter().map(|cell| escaped(cell)).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        *left = left.saturating_sub(subject.changes.len());
    }
    let _ = writeln!(out, "\n</details>");
}

fn notes(out: &mut String, plan: &Plan, view: &View) {
    if plan.notes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n<details><summary>Noted ({})</summary>\n", plan.notes.len());
    for note in plan.notes.iter().take(view.limit()) {
        let name = [note.directory.as_deref(), note.object.as_deref()];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "- {}: {}", escaped(&name), escaped(&note.text));
    }
    let _ = writeln!(out, "\n</details>");
}
