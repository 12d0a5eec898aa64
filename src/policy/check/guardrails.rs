//! The rule "guardrails".
//!
//! Comes in: `guardrails:`. Goes out: the limits. Refuses: more than a hundred of a
//! hundred, and minimums of groups that accord does not manage.

use super::access::closest_group;
use super::{Checker, words};
use crate::diagnostic::Diagnostic;
use crate::policy::Guardrails;
use crate::policy::written::{At, Mark};

pub(super) fn check(checker: &mut Checker<'_>) {
    let mut written = (0u32..).zip(&checker.documents).filter_map(|(n, d)| Some((n, d.file.guardrails.as_ref()?)));
    let Some((file, At { value, mark })) = written.next() else { return };
    let later: Vec<(u32, Mark)> = written.map(|(n, at)| (n, at.mark)).collect();
    for (other, again) in later {
        let mut diagnostic = Diagnostic::error("duplicate-key", "`guardrails` is written twice");
        if let Some(span) = checker.span(file, *mark) {
            diagnostic = diagnostic.related(span, "first written here");
        }
        checker.report(other, again, diagnostic);
    }
    limits(checker, file, value, *mark);
    minimums(checker, file, value, *mark);
    checker.meant.guardrails = value.clone();
}

fn limits(checker: &mut Checker<'_>, file: u32, guardrails: &Guardrails, mark: Mark) {
    let Guardrails { revocations, disables, grants, deletions, minimum_members: _ } = guardrails;
    for (name, limit) in
        [("revocations", revocations), ("disables", disables), ("grants", grants), ("deletions", deletions)]
    {
        if limit.percent > 100 {
            let message = format!("`{name}` allows {} of a hundred", limit.percent);
            let diagnostic = Diagnostic::error("not-a-percentage", message)
                .help("write a whole number from 0 to 100; 100 never withholds");
            checker.report_at(file, &["guardrails", name, "percent"], mark, diagnostic);
        }
    }
}

fn minimums(checker: &mut Checker<'_>, file: u32, guardrails: &Guardrails, mark: Mark) {
    for key in guardrails.minimum_members.keys() {
        if checker.names.groups.find(key).is_some() {
            continue;
        }
        let shown = if words::bad_name(key).is_some() { key.escape_debug().to_string() } else { key.clone() };
        let diagnostic = Diagnostic::error("unknown-group", format!("the group `{shown}` is not declared"));
        let diagnostic = match closest_group(checker, key) {
            Some(near) => {
                let place = checker.shown(near.file, near.key.mark);
                diagnostic.help(format!("did you mean `{}` ({place})?", near.key.value))
            }
            None => diagnostic.help("a minimum can be kept only for a group under `groups:`"),
        };
        // The group is the key here.
        let found = checker.find(file, &["guardrails", "minimum_members", key]);
        checker.report(file, found.map_or(mark, |found| found.key), diagnostic);
    }
}
