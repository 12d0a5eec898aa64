//! The rule "constraints".
//!
//! Comes in: `constraints:` of every file. Goes out: constraints sorted by key.
//! Refuses: constraints that say nothing, and exceptions that nobody could review.
//! Whether access breaks a constraint is `resolve`'s to say: it knows who holds what.

use super::access::{group_of, role_of};
use super::entries::approver;
use super::index::Named;
use super::people::reference;
use super::{Checker, rules, spans};
use crate::diagnostic::Diagnostic;
use crate::model::Term;
use crate::policy::written::{self, At, SponsorGoneThen, Text};
use crate::policy::{Breach, Constraint, Exception, Holding, Select, SponsorGone};

/// Fields of a member entry that a constraint may require.
const REQUIRABLE: [&str; 5] = ["approved_by", "expires", "reason", "starts", "ticket"];

pub(super) fn check(checker: &mut Checker<'_>) {
    let list = checker.names.constraints.list().to_vec();
    checker.meant.constraints = list.into_iter().map(|named| one(checker, named)).collect();
}

fn one(checker: &mut Checker<'_>, named: Named<'_, written::Constraint>) -> Constraint {
    let Named { key, value, file } = named;
    says_something(checker, named);
    let applies_to = value.applies_to.as_ref().and_then(|rule| rules::compile(checker, file, rule));
    let exclusive = holdings(checker, file, &value.exclusive);
    let forbid = holdings(checker, file, &value.forbid);
    let on_breach = on_breach(checker, file, value);
    let mut exceptions = Vec::with_capacity(value.exceptions.len());
    for written in &value.exceptions {
        exceptions.extend(exception(checker, file, written));
    }
    Constraint {
        key: (&key.value).into(),
        description: value.description.clone(),
        applies_to,
        exclusive,
        forbid,
        maximum_term: maximum_term(checker, file, value.maximum_term.as_ref()),
        require: required(checker, file, &value.require),
        into: into(checker, named),
        exceptions,
        on_breach,
        sponsor_gone: value.sponsor_gone.as_ref().and_then(|gone| sponsor_gone(checker, file, gone)),
        place: Checker::place(file, key.mark),
    }
}

/// What is taken away must be what the constraint is about: one of its sides, or
/// something that it forbids; and something that can be taken away from here.
fn on_breach(checker: &mut Checker<'_>, file: u32, value: &written::Constraint) -> Breach {
    let Some(At { value: written::Breach::Revoke(list), mark }) = &value.on_breach else { return Breach::Report };
    if list.is_empty() {
        let diagnostic = Diagnostic::error("revokes-nothing", "`revoke` names nothing to take away")
            .help("name a side of the constraint, or write `on_breach: report`");
        checker.report(file, *mark, diagnostic);
    }
    let about: Vec<String> = value.exclusive.iter().chain(&value.forbid).map(words).collect();
    let (sides, strange): (Vec<_>, Vec<_>) = list.iter().cloned().partition(|one| about.contains(&words(one)));
    for one in &strange {
        let what = &text_of(one).value;
        let message = format!("the constraint is not about `{what}`: breaking it has nothing to do with that");
        let help = match about.as_slice() {
            [] => "what may not be held is said by `exclusive` or `forbid`; a sponsor who is gone by `sponsor_gone`"
                .to_owned(),
            about => format!("`revoke` takes away one or more of `{}`", about.join("`, `")),
        };
        checker.report(file, text_of(one).mark, Diagnostic::error("revokes-elsewhere", message).help(help));
    }
    for one in &sides {
        let (written::Holding::Group(text), manage) = (one, managed(checker, one)) else { continue };
        let (why, help) = match manage {
            written::Manage::Exact => continue,
            written::Manage::Reference => ("managed elsewhere", "take away what is managed here"),
            written::Manage::Additive => ("`additive`: nothing is revoked there", "write `manage: exact` on the group"),
        };
        let message = format!("`{}` is {why}", text.value);
        let diagnostic =
            Diagnostic::error("revokes-elsewhere", message).help(format!("{help}, or revoke the other side"));
        checker.report(file, text.mark, diagnostic);
    }
    Breach::Revoke(holdings(checker, file, &sides))
}

/// How the group is managed; a role is what it grants.
fn managed(checker: &Checker<'_>, written: &written::Holding) -> written::Manage {
    let written::Holding::Group(text) = written else { return written::Manage::Exact };
    let groups = &checker.names.groups;
    let named = groups.find(text.as_str()).and_then(|n| groups.list().get(n as usize));
    named.and_then(|named| named.value.manage.as_ref()).map_or(written::Manage::Exact, |manage| manage.value)
}

/// As it is written: `role: clerk`.
fn words(written: &written::Holding) -> String {
    match written {
        written::Holding::Role(text) => format!("role: {}", text.value),
        written::Holding::Group(text) => format!("group: {}", text.value),
    }
}

fn text_of(written: &written::Holding) -> &Text {
    match written {
        written::Holding::Role(text) | written::Holding::Group(text) => text,
    }
}

fn says_something(checker: &mut Checker<'_>, named: Named<'_, written::Constraint>) {
    let value = named.value;
    let rules = !value.exclusive.is_empty() || !value.forbid.is_empty() || !value.require.is_empty();
    if !rules && value.maximum_term.is_none() && value.sponsor_gone.is_none() {
        let message = format!("the constraint `{}` forbids nothing", named.key.value);
        let diagnostic = Diagnostic::error("empty-constraint", message)
            .help("it needs one of `exclusive`, `forbid`, `maximum_term`, `require`, `sponsor_gone`");
        checker.report(named.file, named.key.mark, diagnostic);
    }
    if let [only] = value.exclusive.as_slice() {
        let mark = text_of(only).mark;
        let diagnostic =
            Diagnostic::error("exclusive-with-nothing", "`exclusive` names one thing; nobody can hold two of one")
                .help("name at least two, or write `forbid` for what nobody concerned may hold");
        checker.report(named.file, mark, diagnostic);
    }
}

fn holdings(checker: &mut Checker<'_>, file: u32, written: &[written::Holding]) -> Vec<Holding> {
    let mut holdings: Vec<Holding> = Vec::with_capacity(written.len());
    for one in written {
        let (holding, text) = match one {
            written::Holding::Role(text) => (role_of(checker, file, text).map(Holding::Role), text),
            written::Holding::Group(text) => (group_of(checker, file, text, "constrained").map(Holding::Group), text),
        };
        let Some(holding) = holding else { continue };
        if holdings.contains(&holding) {
            let message = format!("`{}` is named twice", text.value);
            checker.report(file, text.mark, Diagnostic::error("duplicate-key", message));
        } else {
            holdings.push(holding);
        }
    }
    holdings
}

/// Where `require` counts.
fn into(checker: &mut Checker<'_>, named: Named<'_, written::Constraint>) -> Vec<Holding> {
    let Named { key, value, file } = named;
    if value.require.is_empty()
        && let Some(first) = value.into.first()
    {
        let message = format!("`into` of `{}` says where `require` counts, and there is no `require`", key.value);
        let help = "write what entries must have: `require: [ticket, reason]`";
        checker.report(file, text_of(first).mark, Diagnostic::error("missing-field", message).help(help));
    }
    holdings(checker, file, &value.into)
}

fn maximum_term(checker: &mut Checker<'_>, file: u32, text: Option<&Text>) -> Option<Term> {
    let term = spans::term(checker, file, text)?;
    if let Some(text) = text.filter(|_| term.seconds() == 0) {
        let diagnostic = Diagnostic::error("not-a-term", "a term of nothing would end every grant as it begins")
            .help("to forbid something, write `forbid`");
        checker.report(file, text.mark, diagnostic);
    }
    Some(term)
}

fn required(checker: &mut Checker<'_>, file: u32, written: &[Text]) -> Vec<Box<str>> {
    for text in written {
        if !REQUIRABLE.contains(&text.as_str()) {
            let message = format!("a member entry has no `{}`", text.value);
            let diagnostic = Diagnostic::error("unknown-field", message);
            let diagnostic = match checker.suggest.closest(text.as_str(), &REQUIRABLE) {
                Some(word) => diagnostic.help(format!("did you mean `{word}`?")),
                None => diagnostic.help(format!("one of `{}`", REQUIRABLE.join("`, `"))),
            };
            checker.report(file, text.mark, diagnostic);
        }
    }
    written.iter().map(|text| (&text.value).into()).collect()
}

fn exception(checker: &mut Checker<'_>, file: u32, written: &At<written::Exception>) -> Option<Exception> {
    let At { value, mark } = written;
    let person = reference(checker, file, &value.person);
    let zone = person.map_or_else(|| checker.zone.clone(), |person| spans::zone_of(checker, person));
    let window = spans::window(checker, file, (value.starts.as_ref(), Some(&value.expires)), &zone);
    for (word, text) in [("ticket", &value.ticket), ("reason", &value.reason)] {
        if text.as_ref().is_none_or(|text| text.trim().is_empty()) {
            let message = format!("the exception for `{}` has no `{word}`", value.person.value);
            let diagnostic = Diagnostic::error("missing-field", message)
                .help("who reviews an exception must see who asked for it and why: write `ticket` and `reason`");
            checker.report(file, *mark, diagnostic);
        }
    }
    let select = person.map(|person| Select::People(vec![person].into()));
    let approved_by = value.approved_by.as_ref().and_then(|text| approver(checker, file, text, select.as_ref()));
    Some(Exception {
        person: person?,
        window,
        ticket: value.ticket.clone(),
        reason: value.reason.clone(),
        approved_by,
        place: Checker::place(file, *mark),
    })
}

fn sponsor_gone(checker: &mut Checker<'_>, file: u32, gone: &At<written::SponsorGone>) -> Option<SponsorGone> {
    let grace = spans::term(checker, file, Some(&gone.value.grace))?;
    Some(SponsorGone { grace, disable: gone.value.then == SponsorGoneThen::Disable })
}
