//! The rule "organization": `organization` and `timezone`, and what belongs into
//! `accord.yaml` only.
//!
//! Comes in: the written documents. Goes out: the organisation's name and zone.
//! Refuses: the five settings sections in any other file, because whoever may
//! change a file of people should not change connections and limits with it.

use super::{Checker, words};
use crate::diagnostic::Diagnostic;
use crate::policy::date;
use crate::policy::written::{Mark, Text};

/// The file that may hold settings.
const SETTINGS_FILE: &str = "accord.yaml";

pub(super) fn check(checker: &mut Checker<'_>) {
    misplaced(checker);
    let name = once(checker, "organization", |file| file.organization.as_ref());
    if let Some((file, name)) = name {
        if let Some(why) = words::bad_name(name.as_str()) {
            let diagnostic = Diagnostic::error("bad-key", format!("this cannot be the organisation's name: {why}"));
            checker.report(file, name.mark, diagnostic);
        }
        checker.meant.organization = name.value.clone();
    }
    if let Some((file, name)) = once(checker, "timezone", |file| file.timezone.as_ref()) {
        match date::zone(name.as_str()) {
            Ok(zone) => checker.zone = zone,
            Err(mistake) => {
                let diagnostic = Diagnostic::error(mistake.code, mistake.message).help(mistake.help);
                checker.report(file, name.mark, diagnostic);
            }
        }
    }
}

/// A setting that may be written once; later ones are reported.
fn once<'a>(
    checker: &mut Checker<'a>,
    what: &'static str,
    field: impl Fn(&'a crate::policy::written::File) -> Option<&'a Text>,
) -> Option<(u32, &'a Text)> {
    let mut written = (0u32..).zip(&checker.documents).filter_map(|(n, d)| Some((n, field(&d.file)?)));
    let first = written.next()?;
    let later: Vec<_> = written.collect();
    for (file, text) in later {
        let mut diagnostic = Diagnostic::error("declared-twice", format!("`{what}` is written twice"));
        if let Some(span) = checker.span(first.0, first.1.mark) {
            diagnostic = diagnostic.related(span, "first written here");
        }
        checker.report(file, text.mark, diagnostic);
    }
    Some(first)
}

fn misplaced(checker: &mut Checker<'_>) {
    let mut found: Vec<(u32, &str, Mark)> = Vec::new();
    for (n, document) in (0u32..).zip(&checker.documents) {
        if document.path.rsplit('/').next() == Some(SETTINGS_FILE) {
            continue;
        }
        let file = &document.file;
        let mut note = |section, mark: Option<Mark>| found.extend(mark.map(|mark| (n, section, mark)));
        note("organization", file.organization.as_ref().map(|text| text.mark));
        note("timezone", file.timezone.as_ref().map(|text| text.mark));
        note("kinds", file.kinds.iter().next().map(|(key, _)| key.mark));
        note("directories", file.directories.iter().next().map(|(key, _)| key.mark));
        note("guardrails", file.guardrails.as_ref().map(|limits| limits.mark));
    }
    for (file, section, mark) in found {
        let diagnostic = Diagnostic::error("misplaced-section", format!("`{section}` belongs into `accord.yaml` only"))
            .help("settings stand in one file, so that a change to them is seen as such; move the section there");
        checker.report_at(file, &[section], mark, diagnostic);
    }
}
