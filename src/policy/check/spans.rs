//! Windows, periods, positions and leave: dates become instants.
//!
//! Comes in: written dates and the zone that a bare one means. Goes out: half-open
//! windows. Refuses: dates that do not exist, windows that end before they start or
//! are empty, periods that overlap.

use super::Checker;
use super::index::Named;
use super::people::{self, place};
use super::person::{self, Attributes};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Term, Window};
use crate::policy::date::{self, Mistake};
use crate::policy::written::{self, Mark, Text};
use crate::policy::{Few, KindId, Leave, Period, PersonId, Position};
use jiff::tz::TimeZone;

/// The zone of a person's bare dates.
pub(super) fn zone(checker: &mut Checker<'_>, named: Named<'_, written::Person>) -> TimeZone {
    let Some(text) = &named.value.timezone else { return checker.zone.clone() };
    let read = date::zone(text.as_str());
    read_or_report(checker, named.file, text, read).unwrap_or_else(|| checker.zone.clone())
}

/// The zone of the bare dates of an entry for one person; mistakes in it are
/// reported with the person.
pub(super) fn zone_of(checker: &Checker<'_>, person: PersonId) -> TimeZone {
    let named = checker.names.people.get(person.0);
    let text = named.and_then(|named| named.value.timezone.as_ref());
    text.and_then(|text| date::zone(text.as_str()).ok()).unwrap_or_else(|| checker.zone.clone())
}

/// What was read, or a report of the mistake at its text.
pub(super) fn read_or_report<T>(
    checker: &mut Checker<'_>,
    file: u32,
    text: &Text,
    read: Result<T, Mistake>,
) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(mistake) => {
            checker.report(file, text.mark, Diagnostic::error(mistake.code, mistake.message).help(mistake.help));
            None
        }
    }
}

/// `starts` or the like: the first instant.
pub(super) fn starts(checker: &mut Checker<'_>, file: u32, text: Option<&Text>, zone: &TimeZone) -> Option<Instant> {
    let text = text?;
    let read = date::starts(text.as_str(), zone);
    read_or_report(checker, file, text, read)
}

/// `expires`: the first instant after.
pub(super) fn expires(checker: &mut Checker<'_>, file: u32, text: Option<&Text>, zone: &TimeZone) -> Option<Instant> {
    let text = text?;
    let read = date::expires(text.as_str(), zone);
    read_or_report(checker, file, text, read)
}

/// A term such as `keep: 30d`.
pub(super) fn term(checker: &mut Checker<'_>, file: u32, text: Option<&Text>) -> Option<Term> {
    let text = text?;
    let read = date::term(text.as_str());
    read_or_report(checker, file, text, read)
}

/// A window of two written dates.
pub(super) fn window(
    checker: &mut Checker<'_>,
    file: u32,
    (first, last): (Option<&Text>, Option<&Text>),
    zone: &TimeZone,
) -> Window {
    let window = Window { starts: starts(checker, file, first, zone), expires: expires(checker, file, last, zone) };
    if let (Some(first), Some(last)) = (first, last) {
        in_order(checker, file, window, first, last);
    }
    window
}

/// Reports a window that contains no instant.
fn in_order(checker: &mut Checker<'_>, file: u32, window: Window, first: &Text, last: &Text) {
    let (Some(start), Some(end)) = (window.starts, window.expires) else { return };
    if start < end {
        return;
    }
    let message = if start == end {
        format!("from `{}` to `{}` there is no time at all", first.value, last.value)
    } else {
        format!("`{}` is before `{}`: it would end before it starts", last.value, first.value)
    };
    let code = if start == end { "empty-window" } else { "ends-before-it-starts" };
    let mut diagnostic = Diagnostic::error(code, message).help("check the year of both");
    if let Some(span) = checker.span(file, first.mark) {
        diagnostic = diagnostic.related(span, "it starts here");
    }
    checker.report(file, last.mark, diagnostic);
}

/// The person's periods, in order. At least one.
pub(super) fn periods(checker: &mut Checker<'_>, named: Named<'_, written::Person>, zone: &TimeZone) -> Few<Period> {
    let (person, file) = (named.value, named.file);
    if person.periods.is_empty() {
        let window = window(checker, file, (person.starts.as_ref(), person.expires.as_ref()), zone);
        return Few::one(Period { window, place: place(file, named.key.mark) });
    }
    if let Some(text) = person.starts.as_ref().or(person.expires.as_ref()) {
        let diagnostic =
            Diagnostic::error("dates-beside-periods", "this date stands beside `periods` and would not count")
                .help("move it into one of the periods, or remove `periods`");
        checker.report(file, text.mark, diagnostic);
    }
    let mut read: Vec<(Window, Mark)> = Vec::with_capacity(person.periods.len());
    for period in &person.periods {
        let dates = (period.value.starts.as_ref(), period.value.expires.as_ref());
        read.push((window(checker, file, dates, zone), period.mark));
    }
    read.sort();
    for pair in read.windows(2) {
        if let [(before, first), (after, second)] = pair
            && overlap(*before, *after)
        {
            let mut diagnostic =
                Diagnostic::error("overlapping-periods", format!("two periods of `{}` overlap", named.key.value))
                    .help("a person is with the organisation once at a time; two jobs at once are `positions`");
            if let Some(span) = checker.span(file, *first) {
                diagnostic = diagnostic.related(
                    span,
                    if before.expires.is_some() { "the other period" } else { "the other period, which has no end" },
                );
            }
            checker.report(file, *second, diagnostic);
        }
    }
    read.into_iter().map(|(window, mark)| Period { window, place: place(file, mark) }).collect()
}

/// Whether two windows share an instant.
pub(super) fn overlap(a: Window, b: Window) -> bool {
    let before =
        |end: Option<Instant>, start: Option<Instant>| matches!((end, start), (Some(end), Some(start)) if end <= start);
    !before(a.expires, b.starts) && !before(b.expires, a.starts)
}

/// What holds where a position says nothing else.
pub(super) struct Base<'b> {
    pub(super) kind: KindId,
    pub(super) manager: Option<PersonId>,
    pub(super) attributes: &'b Attributes,
}

/// The person's positions, as written. At least one.
pub(super) fn positions(
    checker: &mut Checker<'_>,
    named: Named<'_, written::Person>,
    zone: &TimeZone,
    base: &Base<'_>,
    periods: &[Period],
) -> Few<Position> {
    let (person, file) = (named.value, named.file);
    if person.positions.is_empty() {
        let place = place(file, named.key.mark);
        let attributes = checker.shared.set(base.attributes);
        return Few::one(Position {
            window: Window::default(),
            keep: None,
            manager: base.manager,
            kind: base.kind,
            attributes,
            place,
        });
    }
    let mut positions = Vec::with_capacity(person.positions.len());
    for written in &person.positions {
        let position = &written.value;
        let window = window(checker, file, (position.starts.as_ref(), position.expires.as_ref()), zone);
        outside(checker, named, (window, written.mark), periods, "position");
        let manager = position.manager.as_ref().and_then(|text| people::reference(checker, file, text));
        let kind = match &position.kind {
            Some(text) => people::kind_of(checker, file, Some(text)),
            None => base.kind,
        };
        let own = [("department", &position.department), ("title", &position.title)];
        let over = person::collect(checker, file, own, &position.attributes);
        let attributes = checker.shared.set(&laid_over(base.attributes, over));
        positions.push(Position {
            window,
            keep: term(checker, file, position.keep.as_ref()),
            manager: manager.or(base.manager),
            kind,
            attributes,
            place: place(file, written.mark),
        });
    }
    positions.into()
}

/// The position's attributes, and the person's where the position has none of that name.
fn laid_over(base: &Attributes, mut over: Attributes) -> Attributes {
    for (name, value) in base {
        if !over.iter().any(|(other, _)| other == name) {
            over.push((name.clone(), value.clone()));
        }
    }
    over.sort_by(|a, b| a.0.cmp(&b.0));
    over
}

/// The person's absences.
pub(super) fn leave(
    checker: &mut Checker<'_>,
    named: Named<'_, written::Person>,
    zone: &TimeZone,
    periods: &[Period],
) -> Vec<Leave> {
    let file = named.file;
    let mut leave = Vec::with_capacity(named.value.leave.len());
    for written in &named.value.leave {
        let from = starts(checker, file, Some(&written.value.from), zone);
        // `returns` is the first day back, so it is read as a start.
        let returns = starts(checker, file, written.value.returns.as_ref(), zone);
        let window = Window { starts: from, expires: returns };
        if let Some(last) = &written.value.returns {
            in_order(checker, file, window, &written.value.from, last);
        }
        outside(checker, named, (window, written.mark), periods, "leave");
        leave.push(Leave { window, place: place(file, written.mark) });
    }
    leave
}

/// Warns of a span that no period touches.
fn outside(
    checker: &mut Checker<'_>,
    named: Named<'_, written::Person>,
    (window, mark): (Window, Mark),
    periods: &[Period],
    what: &str,
) {
    if periods.iter().any(|period| overlap(period.window, window)) {
        return;
    }
    let message = format!("`{}` is not with the organisation then, so this {what} never counts", named.key.value);
    let mut diagnostic =
        Diagnostic::warning("outside-every-period", message).help("check the years, or move the period's end");
    if let Some(period) = periods.first() {
        let mark = Mark { line: period.place.line, column: u16::try_from(period.place.column).unwrap_or(1), length: 1 };
        diagnostic = checker
            .span(named.file, mark)
            .map_or(diagnostic.clone(), |span| diagnostic.related(span, "the first period"));
    }
    checker.report(named.file, mark, diagnostic);
}
