//! The rule "organization": `organization` and `timezone`.
//!
//! Comes in: the written documents. Goes out: the organisation's name and zone.
//! Refuses: a second one, a name that cannot be shown, a zone that does not exist.

use super::{Checker, words};
use crate::diagnostic::Diagnostic;
use crate::policy::date;
use crate::policy::written::Text;

pub(super) fn check(checker: &mut Checker<'_>) {
    let name = once(checker, "organization", |file| file.organization.as_ref());
    if let Some((file, name)) = name {
        if let Some(why) = words::bad_name(name.as_str()) {
            let diagnostic = Diagnostic::error("bad-key", format!("this cannot be the organisation's name: {why}"));
            checker.report(file, name.mark, diagnostic);
        }
        checker.meant.organization = (&name.value).into();
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
        let mut diagnostic = Diagnostic::error("duplicate-key", format!("`{what}` is written twice"));
        if let Some(span) = checker.span(first.0, first.1.mark) {
            diagnostic = diagnostic.related(span, "first written here");
        }
        checker.report(file, text.mark, diagnostic);
    }
    Some(first)
}
