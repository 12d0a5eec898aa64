//! What changed behind accord's back, and who did it.
//!
//! Comes in: differences, each with the change that would undo it. Goes out: text.
//! Refuses: to call a difference drift (that is `cli`, which asked for it).

use super::change;
use super::outline;
use super::page::{Line, Page, Tone, counted};
use super::plan_text::View;
use crate::model::{Action, Change, Instant, Side};
use crate::plan::Plan;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Column of what somebody did.
const WORDS_COLUMN: usize = 40;

/// The end of an account or a membership that somebody moved in the directory itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedEnd {
    /// As it was left; none: without an end.
    pub was: Option<Instant>,
    /// As it is; none: somebody removed it.
    pub is: Option<Instant>,
}

impl MovedEnd {
    /// The end that a change puts back, if it is about one: of what is there, not of what
    /// is made anew.
    fn of(undo: &Change) -> Option<Self> {
        if !matches!(undo.action, Action::UpdateAccount | Action::UpdateMembership) {
            return None;
        }
        let end = |side: &Option<Side>| Instant::try_from(side.as_ref()?.get(END)?.first()?.clone()).ok();
        let moved = Self { was: end(&undo.after), is: end(&undo.before) };
        (moved.was != moved.is).then_some(moved)
    }

    /// `the end 2027-04-01 00:00 was removed`.
    fn words(&self, zone: &TimeZone) -> String {
        match (self.was, self.is) {
            (Some(was), Some(is)) => format!("the end {} was moved to {}", was.civil(zone), is.civil(zone)),
            (Some(was), None) => format!("the end {} was removed", was.civil(zone)),
            (None, is) => format!("an end {} was set", is.map(|is| is.civil(zone)).unwrap_or_default()),
        }
    }
}

/// The key of a side that holds the end.
const END: &str = "ends";

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
    /// On which server just this was changed, at `at`, where the directory records that;
    /// it does not record who then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// When a run saw it first; such a difference that is kept is no alarm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Instant>,
    /// The end that somebody set, moved or removed, where that is (part of) what differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<MovedEnd>,
}

impl Difference {
    /// What `undo` would put right, and who brought it about, where that is known.
    pub fn new(undo: Change, by: Option<String>, at: Option<Instant>) -> Self {
        let end = MovedEnd::of(&undo);
        Self { undo, by, at, kept: None, on: None, known: None, end }
    }
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
    for Difference { undo, by, at, kept, on, known, end } in &drift.differences {
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
        let others = change::attributes(plan, &without_end(reversed(undo)), &view.zone);
        let end = end.as_ref().map(|end| end.words(zone));
        // An end alone is told as what it is, in the place of "was changed".
        let (words, more) = match end {
            Some(end) if others.is_empty() => (end, None),
            end => (done(undo.action).to_owned(), end),
        };
        page.line(
            line.column(WORDS_COLUMN).say(&words).say(&author(by.as_deref(), *at, on.as_deref(), zone)).say(&kept_why),
        );
        for attribute in more.iter().chain(&others) {
            page.line(Line::default().column(WORDS_COLUMN).say(attribute));
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
        Action::RenameAccount | Action::RenameGroup => "was renamed or moved",
        Action::UpdateAccount | Action::UpdateGroup | Action::UpdateMembership => "was changed",
        Action::DeleteAccount | Action::DeleteGroup => "was made",
    }
}

fn author(by: Option<&str>, at: Option<Instant>, on: Option<&str>, zone: &TimeZone) -> String {
    if let (Some(on), Some(at)) = (on, at) {
        return format!(", changed {} on {on}; the directory does not record who", at.civil(zone));
    }
    match (by, at) {
        (Some(by), Some(at)) => format!(", object last changed {} by {by}", at.civil(zone)),
        (Some(by), None) => format!(", object last changed by {by}"),
        (None, Some(at)) => format!(", object last changed {}", at.civil(zone)),
        (None, None) => String::new(),
    }
}

/// The end is told apart.
fn without_end(mut change: Change) -> Change {
    for side in [&mut change.before, &mut change.after].into_iter().flatten() {
        side.remove(END);
    }
    change
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

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::model::Object;

    fn at(text: &str) -> Instant {
        text.to_owned().try_into().unwrap()
    }

    fn side(pairs: &[(&str, &str)]) -> Side {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn undo(name: &str, before: &[(&str, &str)], after: &[(&str, &str)]) -> Change {
        let mut change = sample::plan().changes.remove(0);
        (change.action, change.object) = (Action::UpdateAccount, Object::account(name));
        (change.before, change.after) = (Some(side(before)), Some(side(after)));
        change
    }

    #[test]
    fn an_end_that_somebody_touched_is_told_as_what_it_is() {
        let (old, new) = (("ends", "2027-03-31T22:00:00Z"), ("ends", "2029-01-01T00:00:00Z"));
        let by = || Some("cn=helpdesk,dc=example,dc=com".to_owned());
        let when = Some(at("2026-11-21T08:00:00Z"));
        let mut membership = undo("x", &[], &[old]);
        (membership.action, membership.object) = (Action::UpdateMembership, Object::membership("sre", "wei.chen"));
        let drift = Drift {
            since: Some("20261120-0900".to_owned()),
            at: at("2026-11-20T09:00:00Z"),
            differences: vec![
                Difference::new(undo("maria.lopez", &[], &[old]), by(), when),
                Difference::new(undo("li.na", &[new], &[old]), None, when),
                Difference::new(undo("omar", &[new], &[]), by(), None),
                Difference::new(undo("ines", &[("title", "Boss")], &[old, ("title", "Clerk")]), by(), when),
                Difference { on: Some("DC1\u{1b}[31m".to_owned()), ..Difference::new(membership, None, when) },
            ],
            incomplete: Vec::new(),
        };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let shown = anstream::adapter::strip_str(&text(&drift, &sample::plan(), &zone)).to_string();
        insta::assert_snapshot!(shown, @r#"
        Changed behind accord's back, compared with run 20261120-0900, 2026-11-20 10:00 Europe/Berlin
          ~ corp  maria.lopez                   the end 2027-04-01 00:00 was removed, object last changed 2026-11-21 09:00 by cn=helpdesk,dc=example,dc=com
          ~ corp  li.na                         the end 2027-04-01 00:00 was moved to 2029-01-01 01:00, object last changed 2026-11-21 09:00
          ~ corp  omar                          an end 2029-01-01 01:00 was set, object last changed by cn=helpdesk,dc=example,dc=com
          ~ corp  ines                          was changed, object last changed 2026-11-21 09:00 by cn=helpdesk,dc=example,dc=com
                                                the end 2027-04-01 00:00 was removed
                                                title "Clerk" → "Boss"
          ~ corp/sre  wei.chen                  the end 2027-04-01 00:00 was removed, changed 2026-11-21 09:00 on DC1\u{1b}[31m; the directory does not record who

        5 differences
        to go on: accord apply puts it back; or write into the policies what should stay
        "#);
        let json = serde_json::to_value(&drift.differences[0]).unwrap();
        assert_eq!(json["end"], serde_json::json!({ "was": "2027-03-31T22:00:00Z", "is": null }));
    }
}
