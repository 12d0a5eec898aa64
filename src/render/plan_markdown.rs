//! A plan as Markdown for a comment on a pull request.
//!
//! Comes in: a [`Plan`]. Goes out: a headline, what is withheld, and a table per
//! section that folds away. Refuses: foreign text that could be markup or call
//! somebody by name.

use super::audience::Shown;
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
pub fn plan(plan: &Shown<'_, Plan>, view: &View) -> String {
    let plan: &Plan = plan;
    let outline = view.outline(plan);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "### accord: {}\n", escaped(&plan_text::totals(&outline.totals)));
    let _ = writeln!(out, "{}\n", escaped(&plan_text::title(plan, &view.zone)));
    if let Some(approvals) = plan_text::approvals(plan) {
        let _ = writeln!(out, "{}\n", escaped(&approvals));
    }
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
    let member = change.object.member.as_ref().map(outline::member_name);
    let who = change.person.as_deref().or(change.object.account.as_deref()).or(member.as_deref()).unwrap_or_default();
    let what = if change.object.group.is_some() { String::new() } else { change::words(plan, change, view, None) };
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
            let words: Vec<_> = change::attributes(plan, change, &view.zone)
                .into_iter()
                .chain(Some(change::words(plan, change, view, subject.about)).filter(|words| !words.is_empty()))
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

#[cfg(test)]
mod tests {
    use super::super::audience::Redactor;
    use super::super::sample;
    use super::*;

    #[test]
    fn sections_fold_and_nothing_foreign_is_markup() {
        let view = View { zone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(), by_group: false, all: false };
        insta::assert_snapshot!(plan(&Redactor::whole().plan(&sample::plan()), &view), @r#"
        ### accord: 1 person gains, 2 lose · 3 grants, 2 revokes, 1 account created, 1 disabled, 1 updated, 1 group created · 2 withheld

        policies 4f2c1e9 on main · 2026-11-22 10:31 Europe/Berlin

        - corp: 40112 accounts, 2310 groups, complete: 41 pages, contextCSN unchanged

        **Withheld**

        - grant dana.wolf corp/payment-approvers; grant omar.haddad corp/payment-approvers
          - breaks payments-separation: also holds corp/payment-clerks
          - to go on: take the other away, or an exception with an expiry

        <details open><summary>Leaving (1)</summary>

        | who | what | where | until, because | written |
        |---|---|---|---|---|
        | li.na (contractor, ended 2026-11-22 00:00) | disable account | corp | disable the account | policies/people/contractors.yaml:41 |
        |  | revoke | corp/sre | was by role sre | policies/roles/platform.yaml:12 |

        </details>

        <details open><summary>Joining (1)</summary>

        | who | what | where | until, because | written |
        |---|---|---|---|---|
        | maria.lopez (contractor of Initech, sponsor wei.chen) | create account | corp | cn "Maria Lopez", mail "maria&#64;example.com"; create the account maria.lopez, the directory itself ends this at 2027-04-01 00:00 | policies/people/contractors.yaml:3 |
        |  | grant | corp/sre | the directory itself ends this at 2027-01-01 00:00, role sre, ACC-1042 | policies/roles/platform.yaml:9 |
        |  | grant | corp/vpn | as adm-mlopez, until 2027-01-01 00:00, role sre, ACC-1042 | policies/roles/platform.yaml:9 |

        </details>

        <details open><summary>Changing (1)</summary>

        | who | what | where | until, because | written |
        |---|---|---|---|---|
        | wei.chen | update account | corp | the directory itself ends this at 2027-04-01 00:00, before: never; title "Engineer" → "Lead \\u{1b}\[31mengineer" | policies/people/staff.yaml:118 |

        </details>

        <details open><summary>Nobody declared (1)</summary>

        | who | what | where | until, because | written |
        |---|---|---|---|---|
        | tmp.admin | revoke | corp/vpn | added 2026-11-20 03:12 by cn=helpdesk; declare it or it goes |  |

        </details>

        <details open><summary>Groups (2)</summary>

        | who | what | where | until, because | written |
        |---|---|---|---|---|
        | corp/all | grant | corp/all | group sre |  |
        | corp/vpn | create group | corp/vpn | description "Network access"; create the group |  |

        </details>

        <details><summary>Noted (1)</summary>

        - corp old.admin: nobody declared this account; it is kept

        </details>

        Next: 2027-01-01 00:00 maria.lopez loses corp/sre, corp/vpn
        "#);
    }
}
