//! What is noted, and on which line.
//!
//! Comes in: findings, a difference, a plan. Goes out: notes, one for each line and rule.
//! Refuses: to decide what is a mistake.

use super::{Annotation, Annotations, Level, NAMES};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Action, Change, Instant};
use crate::plan::Plan;
use crate::render::answers::Link;
use crate::render::audience::Shown;
use crate::render::plan_text::View;
use crate::render::review::{Line, Member, Report, Unsettled};
use crate::render::{change, outline};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Level, rule, file and line; the names told there, and how many there are.
type Grouped = BTreeMap<(Level, &'static str, Option<String>, u32), (Vec<String>, usize)>;

impl Annotations {
    /// Findings of the loader and of the checks. `folder` is the folder of the
    /// policies below the root of the git repository.
    pub fn of_findings(command: &'static str, folder: &str, findings: &[Diagnostic]) -> Self {
        let note = |finding: &Diagnostic| {
            let span = finding.span.as_ref();
            let related = finding.related.iter().map(|(span, note)| format!("{note}: {}:{}", span.file, span.line));
            Annotation {
                file: span.map(|span| span.file.to_string()),
                line: span.map_or(0, |span| span.line),
                column: span.map_or(0, |span| span.column),
                length: span.map_or(0, |span| span.length),
                level: if finding.severity == Severity::Error { Level::Error } else { Level::Warning },
                rule: finding.code,
                message: finding.message.clone(),
                help: related.chain(finding.help.iter().cloned()).collect(),
            }
        };
        Self::new(command, folder, findings.iter().map(note).collect())
    }

    /// Who gains and loses what, on the lines that say so after the change.
    pub fn of_difference(folder: &str, report: &Shown<'_, Report>, zone: &TimeZone) -> Self {
        let mut found = Grouped::new();
        let until = |end: Option<Instant>| end.map_or("without an end".to_owned(), |end| until(end, zone));
        let lists = [
            ("access-gained", &report.gained),
            ("access-lost", &report.lost),
            ("access-extended", &report.extended),
            ("access-shortened", &report.shortened),
        ];
        for (rule, lines) in lists {
            for line in lines {
                let (text, link) = if rule == "access-lost" {
                    (member(&line.member), line.now.iter().find(|link| link.file.is_some()))
                } else {
                    let before = line.before.as_ref().map(|one| format!(" (before: {})", until(one.ends)));
                    let text = format!("{} {}{}", member(&line.member), until(line.ends), before.unwrap_or_default());
                    (text, written(line))
                };
                let look = line.member.privileged || rule == "access-extended";
                add(&mut found, level(look), rule, link, text);
            }
        }
        for (rule, moments) in [("access-scheduled", &report.scheduled), ("access-called-off", &report.called_off)] {
            for moment in moments {
                let when = moment.instant.civil(zone);
                let begins = moment.gained.iter().map(|one| (one, "begins"));
                for (one, word) in begins.chain(moment.lost.iter().map(|one| (one, "ends"))) {
                    add(&mut found, level(one.privileged), rule, None, format!("{} {word} {when}", member(one)));
                }
            }
        }
        for Unsettled { entitlement, unread, privileged, .. } in &report.unsettled {
            let text = format!("{entitlement} hangs on members of {} (not read)", unread.join(", "));
            add(&mut found, level(*privileged), "access-not-known", None, text);
        }
        let mut notes = told(found);
        // What is extended is told above, many on a line.
        let others = report.warnings.iter().filter(|warning| warning.code != "extends-access");
        notes.extend(others.map(|warning| Annotation {
            file: warning.file.clone(),
            line: warning.line.unwrap_or_default(),
            column: 0,
            length: 0,
            level: Level::Warning,
            rule: warning.code,
            message: warning.text.clone(),
            help: Vec::new(),
        }));
        Self::new("diff", folder, notes)
    }

    /// What would be done to directories, on the lines that say so, and what is withheld.
    pub fn of_plan(folder: &str, plan: &Shown<'_, Plan>, zone: &TimeZone) -> Self {
        let plan: &Plan = plan;
        let view = View { zone: zone.clone(), by_group: false, all: true };
        let mut found = Grouped::new();
        for one in &plan.changes {
            let link = change::place(plan, one).map(|fact| (fact.file.clone(), fact.line));
            let ends = one.ends.filter(|_| one.action.gives()).map(|end| format!(" {}", until(end, zone)));
            let text = format!("{}{}", object(plan, one, &view), ends.unwrap_or_default());
            put(&mut found, Level::Notice, one.action.word(), link, text);
        }
        let mut notes = told(found);
        let mut held: BTreeMap<&str, (Grouped, Vec<String>)> = BTreeMap::new();
        for withheld in &plan.withheld {
            let link = change::place(plan, &withheld.change).map(|fact| (fact.file.clone(), fact.line));
            let next = withheld.limit.iter().chain(&withheld.setting).cloned().collect();
            let (found, _) = held.entry(&withheld.reason).or_insert_with(|| (Grouped::new(), next));
            let text = format!("{} {}", withheld.change.action.word(), object(plan, &withheld.change, &view));
            put(found, Level::Warning, "withheld", link, text);
        }
        for (reason, (found, next)) in held {
            notes.extend(told(found).into_iter().map(|mut note| {
                note.message = format!("{}: {reason}", note.message);
                note.help.clone_from(&next);
                note
            }));
        }
        Self::new("plan", folder, notes)
    }
}

fn level(privileged: bool) -> Level {
    if privileged { Level::Warning } else { Level::Notice }
}

fn until(end: Instant, zone: &TimeZone) -> String {
    format!("until {}", end.civil(zone))
}

fn member(member: &Member) -> String {
    let account = member.account.as_ref().map(|label| format!(" (account {label})")).unwrap_or_default();
    format!("{} {}{account}", member.person, member.entitlement)
}

/// `dana.wolf corp/payment-approvers`.
fn object(plan: &Plan, one: &Change, view: &View) -> String {
    let other = one.object.member.as_ref().map(outline::member_name);
    let who = one.person.as_deref().or(one.object.account.as_deref()).or(other.as_deref()).unwrap_or_default();
    let target = outline::target(one);
    let is_renamed = matches!(one.action, Action::RenameAccount | Action::RenameGroup);
    let what = if is_renamed { change::words(plan, one, view, None) } else { String::new() };
    let words = [who, &target, &what];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Where the person's own entry is written: the end of the chain.
fn written(line: &Line) -> Option<&Link> {
    line.because.iter().rev().find(|link| link.file.is_some())
}

fn add(found: &mut Grouped, level: Level, rule: &'static str, link: Option<&Link>, text: String) {
    put(found, level, rule, link.map(|link| (link.file.clone(), link.line)), text);
}

fn put(
    found: &mut Grouped,
    level: Level,
    rule: &'static str,
    place: Option<(Option<String>, Option<u32>)>,
    text: String,
) {
    let (file, line) = place.unwrap_or_default();
    let (names, count) = found.entry((level, rule, file, line.unwrap_or_default())).or_default();
    *count += 1;
    if names.len() < NAMES {
        names.push(text);
    }
}

/// `access gained (3): maria.lopez corp/sre until …, …`.
fn told(found: Grouped) -> Vec<Annotation> {
    let one = |((level, rule, file, line), (names, count)): ((Level, &'static str, _, _), (Vec<String>, usize))| {
        let more = count - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let number = if count > 1 { format!(" ({count})") } else { String::new() };
        let message = format!("{}{number}: {}{more}", rule.replace('-', " "), names.join(", "));
        Annotation { file, line, column: 0, length: 0, level, rule, message, help: Vec::new() }
    };
    found.into_iter().map(one).collect()
}
