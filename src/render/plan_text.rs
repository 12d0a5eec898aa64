//! A plan as text for a reviewer: who, what, until when, because of what.
//!
//! Comes in: a [`Plan`]. Goes out: text with colour that only repeats what symbols
//! and words say. Refuses: to decide what matters (that is `outline`).

use super::audience::Shown;
use super::change;
use super::outline::{self, Held, Next, Outline, Section, Subject, Totals};
use super::page::{Line, Page, Tone, count, counted};
use crate::model::{Action, Change};
use crate::plan::unapproved::StepOf;
use crate::plan::{DirectoryMark, Fact, Note, Plan, RestsOn};
use jiff::tz::TimeZone;

/// So many changes are shown unless everything is asked for.
pub const SHOWN: usize = 200;

/// Least and greatest column of what is said about a target.
const WORDS_COLUMN: (usize, usize) = (22, 40);

/// How a plan is shown.
#[derive(Debug, Clone)]
pub struct View {
    /// The zone of printed instants.
    pub zone: TimeZone,
    /// By group instead of by person.
    pub by_group: bool,
    /// Everything, not only the first [`SHOWN`] changes.
    pub all: bool,
}

impl View {
    /// How many changes are shown.
    pub(super) fn limit(&self) -> usize {
        if self.all { usize::MAX } else { SHOWN }
    }

    /// The plan in this view's order.
    pub(super) fn outline<'p>(&self, plan: &'p Plan) -> Outline<'p> {
        if self.by_group { outline::by_group(plan) } else { outline::by_person(plan) }
    }
}

/// The whole plan.
pub fn plan(plan: &Shown<'_, Plan>, view: &View) -> String {
    let plan: &Plan = plan;
    let outline = view.outline(plan);
    let column = words_column(plan, view.by_group);
    let mut writer = Writer { page: Page::default(), plan, view, column, left: view.limit(), hidden: 0 };
    writer.header();
    for section in &outline.sections {
        writer.section(section);
    }
    writer.hidden();
    if !outline.withheld.is_empty() {
        writer.page.heading("Withheld");
        for held in &outline.withheld {
            writer.held(held);
        }
    }
    writer.notes();
    writer.footer(&outline.totals, outline.next.as_ref());
    writer.page.finish()
}

/// `approvals since 4f2c1e9: example/access#7 by wei.chen · 1 missing`; nothing where nothing
/// needs one.
pub(super) fn approvals(plan: &Plan) -> Option<String> {
    let RestsOn { since, steps, lacking } = plan.approvals.as_ref()?;
    let step = |step: &StepOf| {
        let by = if step.approved_by.is_empty() { "nobody".to_owned() } else { step.approved_by.join(", ") };
        step.request.as_ref().map(|request| format!("{request} by {by}"))
    };
    let requests: Vec<String> = steps.iter().filter_map(step).collect();
    let requests = if requests.is_empty() { "no request".to_owned() } else { requests.join("; ") };
    let missing = if *lacking == 0 { String::new() } else { format!(" · {lacking} missing") };
    let since: String = since.chars().take(7).collect();
    Some(format!("approvals since {since}: {requests}{missing}"))
}

/// `policies 4f2c1e9 on main · 2026-11-22 10:31 Europe/Berlin`.
pub(super) fn title(plan: &Plan, zone: &TimeZone) -> String {
    let mark = &plan.policy;
    let short = |text: &str| text.chars().take(7).collect::<String>();
    let version = mark.commit.as_deref().map_or_else(|| format!("without git, digest {}", short(&mark.digest)), short);
    let branch = mark.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
    let dirty = if mark.dirty { ", with changes that are not committed" } else { "" };
    let at = plan.at.civil(zone);
    let zone = zone.iana_name().unwrap_or("UTC");
    let reading = if plan.read_only { " (for reading only: the time was chosen)" } else { "" };
    format!("policies {version}{branch}{dirty} · {at} {zone}{reading}")
}

/// `2 people gain, 3 lose · 4 grants, 3 revokes · 1 withheld`.
pub(super) fn totals(totals: &Totals) -> String {
    if totals.actions.is_empty() && totals.withheld == 0 {
        return "nothing to do".to_owned();
    }
    let mut parts = Vec::new();
    if totals.gain + totals.lose > 0 {
        let (gain, lose) = (counted(totals.gain, "person gains", "people gain"), count(totals.lose));
        parts.push(match totals.gain {
            0 => counted(totals.lose, "person loses", "people lose"),
            _ if totals.lose == 0 => gain,
            _ => format!("{gain}, {lose} {}", if totals.lose == 1 { "loses" } else { "lose" }),
        });
    }
    let actions = actions(totals);
    if !actions.is_empty() {
        parts.push(actions.join(", "));
    }
    if totals.withheld > 0 {
        parts.push(format!("{} withheld", count(totals.withheld)));
    }
    parts.join(" · ")
}

/// `4 grants`, `1 account created`, `1 disabled`: a noun is said once.
fn actions(totals: &Totals) -> Vec<String> {
    let mut said = "";
    let mut parts = Vec::new();
    for action in ORDER {
        let Some(number) = totals.actions.get(&action) else { continue };
        let (one, many, done) = change::tally(action);
        parts.push(match done {
            "" => counted(*number, one, many),
            done if said == one => format!("{} {done}", count(*number)),
            done => format!("{} {done}", counted(*number, one, many)),
        });
        said = one;
    }
    parts
}

/// The order of the totals: memberships, accounts, groups.
const ORDER: [Action; 13] = [
    Action::Grant,
    Action::Revoke,
    Action::UpdateMembership,
    Action::CreateAccount,
    Action::EnableAccount,
    Action::DisableAccount,
    Action::UpdateAccount,
    Action::RenameAccount,
    Action::DeleteAccount,
    Action::CreateGroup,
    Action::UpdateGroup,
    Action::RenameGroup,
    Action::DeleteGroup,
];

/// `2027-01-01 00:00 maria.lopez loses corp/sre, corp/vpn`.
pub(super) fn next(next: &Next, zone: &TimeZone) -> String {
    const NAMED: usize = 3;
    let named: Vec<_> = next
        .losses
        .iter()
        .take(NAMED)
        .map(|(name, targets)| {
            let shown: Vec<_> = targets.iter().take(NAMED).map(String::as_str).collect();
            let more = targets.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{name} loses {}{more}", shown.join(", "))
        })
        .collect();
    let more = next.losses.len().saturating_sub(NAMED) as u64 + next.more;
    let more = if more > 0 { format!("; {more} more people lose something") } else { String::new() };
    format!("{} {}{more}", next.at.civil(zone), named.join("; "))
}

/// `complete: 41 pages, contextCSN unchanged`.
pub(super) fn evidence(mark: &DirectoryMark) -> String {
    let word = if mark.complete { "complete" } else { "INCOMPLETE" };
    if mark.evidence.is_empty() { word.to_owned() } else { format!("{word}: {}", mark.evidence.join(", ")) }
}

/// The notes about a whole directory, and the others.
pub(super) fn notes(plan: &Plan) -> (Vec<&Note>, Vec<&Note>) {
    plan.notes.iter().partition(|note| note.code == "incomplete")
}

fn tone(symbol: char) -> Tone {
    match symbol {
        '+' => Tone::More,
        '-' | '!' | '✗' => Tone::Less,
        _ => Tone::Other,
    }
}

struct Writer<'p> {
    page: Page,
    plan: &'p Plan,
    view: &'p View,
    /// Column of what is said about a target.
    column: usize,
    left: usize,
    hidden: usize,
}

impl Writer<'_> {
    fn header(&mut self) {
        self.page.line(Line::default().say(&title(self.plan, &self.view.zone)));
        if let Some(approvals) = approvals(self.plan) {
            self.page.line(Line::default().say(&approvals));
        }
        let width = self.plan.directories.iter().map(|mark| mark.name.chars().count()).max().unwrap_or_default();
        let noted: Vec<&str> = notes(self.plan).0.iter().filter_map(|note| note.directory.as_deref()).collect();
        for mark in &self.plan.directories {
            let seen = format!(
                "{}, {}",
                counted(mark.accounts, "account", "accounts"),
                counted(mark.groups, "group", "groups")
            );
            let tone = if mark.complete { Tone::Plain } else { Tone::Less };
            let line = Line::default().say(&mark.name).column(width + 2).say(&seen).say("   ");
            let complete = if mark.complete { evidence(mark) } else { "INCOMPLETE".to_owned() };
            self.page.line(line.word(tone, &complete));
            // A note about the directory tells the same reasons with what follows from them.
            if !mark.complete && !noted.contains(&mark.name.as_str()) {
                mark.evidence.iter().for_each(|gap| self.page.line(Line::indented(2).word(Tone::Less, gap)));
            }
        }
        for note in notes(self.plan).0 {
            let name = note.directory.as_deref().unwrap_or("?");
            self.page.line(Line::default().word(Tone::Less, name).say(": ").say(&note.text));
        }
        if !self.plan.changes.is_empty() || !self.plan.withheld.is_empty() || !self.plan.notes.is_empty() {
            self.page.gap();
        }
    }

    fn hidden(&mut self) {
        if self.hidden > 0 {
            let more = count(self.hidden as u64);
            self.page.line(Line::indented(2).say(&format!("… and {more} more changes (--all shows them)")));
        }
    }

    fn section(&mut self, section: &Section<'_>) {
        if self.left == 0 {
            self.hidden += section.subjects.iter().map(|subject| subject.changes.len()).sum::<usize>();
            return;
        }
        self.page.heading(section.title);
        for subject in &section.subjects {
            self.subject(section, subject);
        }
    }

    fn subject(&mut self, section: &Section<'_>, subject: &Subject<'_>) {
        let shown = subject.changes.len().min(self.left);
        self.hidden += subject.changes.len() - shown;
        self.left -= shown;
        if shown == 0 {
            return;
        }
        if subject.is_target {
            subject.changes.iter().take(shown).for_each(|change| self.change(change, None, 2));
            return;
        }
        let symbol = section.symbol.to_string();
        let mut line =
            Line::indented(2).word(tone(section.symbol), &symbol).say(" ").word(Tone::Heading, &subject.name);
        if let Some(fact) = subject.about {
            line = placed(line.say("  ").say(&fact.text), Some(fact));
        }
        self.page.line(line);
        for change in subject.changes.iter().take(shown) {
            self.change(change, subject.about, 6);
        }
    }

    fn change(&mut self, change: &Change, said: Option<&Fact>, indent: usize) {
        let symbol = change.action.symbol();
        let mut words = change::words(self.plan, change, self.view, said);
        let mut attributes = change::attributes(self.plan, change, &self.view.zone);
        // What an update is about is its first attribute, not an empty line above it.
        if symbol == '~' && !attributes.is_empty() {
            let first = attributes.remove(0);
            words = if words.is_empty() { first } else { format!("{first}   {words}") };
        }
        let name = if self.view.by_group { subject_in_group(change) } else { outline::target(change) };
        let line = Line::indented(indent).word(tone(symbol), &symbol.to_string()).say(" ").say(&name);
        let line = if words.is_empty() { line } else { line.column(self.column).say(&words) };
        let place = change::place(self.plan, change);
        // The heading has said it already.
        let place = if said.is_some() && place == said { None } else { place };
        self.page.line(placed(line, place));
        for attribute in attributes {
            self.page.line(Line::default().column(self.column).say(&attribute));
        }
    }

    fn held(&mut self, held: &Held<'_>) {
        let shown = held.changes.len().min(self.left.max(1));
        self.left = self.left.saturating_sub(shown);
        for change in held.changes.iter().take(shown) {
            let symbol = change.action.symbol();
            let member = change.object.member.as_ref().map(outline::member_name);
            let who = change.person.as_deref().or(change.object.account.as_deref());
            let who = who.or(member.as_deref()).unwrap_or_default();
            let line = Line::indented(2).word(Tone::Held, &symbol.to_string()).say(" ");
            let line = if who.is_empty() { line } else { line.word(Tone::Heading, who).say("  ") };
            let what = match change.action {
                Action::Grant | Action::Revoke | Action::UpdateMembership => String::new(),
                _ => format!("  {}", change::words(self.plan, change, self.view, None)),
            };
            let place = change::place(self.plan, change);
            let line = line.say(&outline::target(change)).say(&what);
            self.page.line(placed(line, place));
        }
        let more = held.changes.len() - shown;
        if more > 0 {
            self.page.line(Line::indented(2).say(&format!("… and {} more for the same reason", count(more as u64))));
        }
        self.page.line(Line::indented(6).say(&held.why.reason));
        if let Some(limit) = &held.why.limit {
            self.page.line(Line::indented(6).say(limit));
        }
        if let Some(setting) = &held.why.setting {
            self.page.line(Line::indented(6).say("to go on: ").say(setting));
        }
    }

    fn notes(&mut self) {
        let notes = notes(self.plan).1;
        if notes.is_empty() {
            return;
        }
        self.page.heading("Noted");
        let shown = notes.len().min(self.view.limit());
        for note in notes.iter().take(shown) {
            let name = match (&note.directory, &note.object) {
                (Some(directory), Some(object)) => format!("{directory} {object}"),
                (Some(one), None) | (None, Some(one)) => one.clone(),
                (None, None) => note.code.clone(),
            };
            self.page
                .line(Line::indented(2).word(Tone::Other, "?").say(" ").say(&name).column(self.column).say(&note.text));
        }
        if notes.len() > shown {
            let more = count((notes.len() - shown) as u64);
            self.page.line(Line::indented(2).say(&format!("… and {more} more (--all shows them)")));
        }
    }

    fn footer(&mut self, sums: &Totals, coming: Option<&Next>) {
        self.page.gap();
        let whole = self.plan.directories.iter().all(|mark| mark.complete);
        let end = if whole || sums.actions.len() + self.plan.withheld.len() > 0 {
            totals(sums)
        } else {
            "nothing is planned: not everything was read".to_owned()
        };
        self.page.line(Line::default().say(&end));
        if let Some(coming) = coming {
            self.page.line(Line::default().say("Next: ").say(&next(coming, &self.view.zone)));
        }
    }
}

/// Where the words begin, so that the names of this plan have room.
fn words_column(plan: &Plan, by_group: bool) -> usize {
    let name = |change: &Change| if by_group { subject_in_group(change) } else { outline::target(change) };
    let widest = plan.changes.iter().map(|change| name(change).chars().count() + 10).max().unwrap_or_default();
    widest.clamp(WORDS_COLUMN.0, WORDS_COLUMN.1)
}

/// The line with `file:line` of a fact.
fn placed(line: Line, fact: Option<&Fact>) -> Line {
    line.place(fact.and_then(|fact| fact.file.as_deref()), fact.and_then(|fact| fact.line))
}

/// The account of a change, or what else is a member; the group itself is the heading.
fn subject_in_group(change: &Change) -> String {
    match (&change.object.account, &change.object.member) {
        (Some(account), _) => account.clone(),
        (None, Some(member)) => outline::member_name(member),
        (None, None) => "group".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::audience::Redactor;
    use super::super::sample;
    use super::*;

    fn shown(by_group: bool, all: bool) -> String {
        let view = View { zone: TimeZone::get("Europe/Berlin").unwrap(), by_group, all };
        anstream::adapter::strip_str(&plan(&Redactor::whole().plan(&sample::plan()), &view)).to_string()
    }

    #[test]
    fn by_person_most_urgent_first() {
        insta::assert_snapshot!(shown(false, false), @r#"
        policies 4f2c1e9 on main · 2026-11-22 10:31 Europe/Berlin
        corp  40,112 accounts, 2,310 groups   complete: 41 pages, contextCSN unchanged

        Leaving
          ✗ li.na  contractor, ended 2026-11-22 00:00                             policies/people/contractors.yaml:41
              ! corp          disable the account
              - corp/sre      was by role sre                                     policies/roles/platform.yaml:12
        Joining
          + maria.lopez  contractor of Initech, sponsor wei.chen                  policies/people/contractors.yaml:3
              + corp          create the account maria.lopez, the directory itself ends this at 2027-04-01 00:00
                              cn "Maria Lopez", mail "maria@example.com"
              + corp/sre      the directory itself ends this at 2027-01-01 00:00, role sre, ACC-1042  policies/roles/platform.yaml:9
              + corp/vpn      as adm-mlopez, until 2027-01-01 00:00, role sre, ACC-1042  policies/roles/platform.yaml:9
        Changing
          ~ wei.chen
              ~ corp          the directory itself ends this at 2027-04-01 00:00, before: never  policies/people/staff.yaml:118
                              title "Engineer" → "Lead \u{1b}[31mengineer"
        Nobody declared
          ? tmp.admin
              - corp/vpn      added 2026-11-20 03:12 by cn=helpdesk; declare it or it goes
        Groups
          + corp/all          group sre
          + corp/vpn          create the group
                              description "Network access"
        Withheld
          + dana.wolf  corp/payment-approvers                                     policies/roles/finance.yaml:31
          + omar.haddad  corp/payment-approvers                                   policies/roles/finance.yaml:31
              breaks payments-separation: also holds corp/payment-clerks
              to go on: take the other away, or an exception with an expiry
        Noted
          ? corp old.admin    nobody declared this account; it is kept

        1 person gains, 2 lose · 3 grants, 2 revokes, 1 account created, 1 disabled, 1 updated, 1 group created · 2 withheld
        Next: 2027-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
        "#);
    }

    #[test]
    fn by_group() {
        insta::assert_snapshot!(shown(true, false), @r#"
        policies 4f2c1e9 on main · 2026-11-22 10:31 Europe/Berlin
        corp  40,112 accounts, 2,310 groups   complete: 41 pages, contextCSN unchanged

        Accounts
          ~ corp
              ! li.na         disable the account, contractor, ended 2026-11-22 00:00  policies/people/contractors.yaml:41
              + maria.lopez   create the account maria.lopez, the directory itself ends this at 2027-04-01 00:00, contractor of Initech, sponsor wei.chen  policies/people/contractors.yaml:3
                              cn "Maria Lopez", mail "maria@example.com"
              ~ wei.chen      the directory itself ends this at 2027-04-01 00:00, before: never  policies/people/staff.yaml:118
                              title "Engineer" → "Lead \u{1b}[31mengineer"
        Groups
          ~ corp/all
              + group sre
          ~ corp/sre
              - li.na         was by role sre                                     policies/roles/platform.yaml:12
              + maria.lopez   the directory itself ends this at 2027-01-01 00:00, role sre, ACC-1042  policies/roles/platform.yaml:9
          ~ corp/vpn
              - tmp.admin     added 2026-11-20 03:12 by cn=helpdesk; declare it or it goes
              + adm-mlopez    of maria.lopez, until 2027-01-01 00:00, role sre, ACC-1042  policies/roles/platform.yaml:9
              + group         create the group
                              description "Network access"
        Withheld
          + dana.wolf  corp/payment-approvers                                     policies/roles/finance.yaml:31
          + omar.haddad  corp/payment-approvers                                   policies/roles/finance.yaml:31
              breaks payments-separation: also holds corp/payment-clerks
              to go on: take the other away, or an exception with an expiry
        Noted
          ? corp old.admin    nobody declared this account; it is kept

        1 person gains, 2 lose · 3 grants, 2 revokes, 1 account created, 1 disabled, 1 updated, 1 group created · 2 withheld
        Next: 2027-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
        "#);
    }
}
