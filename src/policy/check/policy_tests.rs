//! The rule "tests".
//!
//! Comes in: `tests:` of every file. Goes out: policy tests sorted by key. Refuses: a
//! test that says nothing or two things at once, one that could never fail, and entries
//! with dates of their own. Whether a test holds is `review`'s to say.

use super::access::{group_of, role_of};
use super::entries::{self, Holder, Section};
use super::index::Named;
use super::loops::Node;
use super::people::reference;
use super::{Checker, spans};
use crate::diagnostic::Diagnostic;
use crate::model::{Instant, Term};
use crate::policy::written::{self, Details, Mark, Selector};
use crate::policy::{Claim, EntryId, Holding, Lasts, PolicyTest, Subject};

pub(super) fn check(checker: &mut Checker<'_>) {
    let list = checker.names.tests.list().to_vec();
    let tests = list.into_iter().filter_map(|named| one(checker, named)).collect();
    checker.meant.tests = tests;
}

fn one(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>) -> Option<PolicyTest> {
    let Named { key, value, file } = named;
    let claim = claim(checker, named);
    let (from, lasts) = when(checker, named);
    Some(PolicyTest {
        key: (&key.value).into(),
        description: value.description.clone(),
        claim: claim?,
        from,
        lasts,
        place: Checker::place(file, key.mark),
    })
}

/// Which of the three things a test can say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    NobodyReaches,
    Holds,
    Counts,
}

impl Form {
    /// Its fields.
    fn word(self) -> &'static str {
        match self {
            Self::NobodyReaches => "nobody_reaches",
            Self::Holds => "has` and `has_not",
            Self::Counts => "holders_of",
        }
    }
}

/// The fields that are written, with the form each belongs to.
fn written_fields(value: &written::PolicyTest) -> Vec<(&'static str, Form)> {
    let fields = [
        ("nobody_reaches", Form::NobodyReaches, !value.nobody_reaches.is_empty()),
        ("among", Form::NobodyReaches, !value.among.is_empty()),
        ("outside", Form::NobodyReaches, !value.outside.is_empty()),
        ("person", Form::Holds, value.person.is_some()),
        ("everybody", Form::Holds, !value.everybody.is_empty()),
        ("has", Form::Holds, !value.has.is_empty()),
        ("has_not", Form::Holds, !value.has_not.is_empty()),
        ("holders_of", Form::Counts, !value.holders_of.is_empty()),
        ("at_least", Form::Counts, value.at_least.is_some()),
        ("at_most", Form::Counts, value.at_most.is_some()),
    ];
    fields.into_iter().filter(|(_, _, is_written)| *is_written).map(|(word, form, _)| (word, form)).collect()
}

fn claim(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>) -> Option<Claim> {
    let Named { key, value, file } = named;
    let fields = written_fields(value);
    let Some((first, form)) = fields.first().copied() else {
        let diagnostic = Diagnostic::error("empty-test", format!("the test `{}` claims nothing", key.value)).help(
            "it needs `nobody_reaches`, `person` with `has` or `has_not`, `everybody` with `has`, or `holders_of`",
        );
        checker.report(file, key.mark, diagnostic);
        return None;
    };
    if let Some((other, _)) = fields.iter().find(|(_, other)| *other != form) {
        let message = format!("the test `{}` says two things at once: `{first}` and `{other}`", key.value);
        let diagnostic = Diagnostic::error("two-claims", message)
            .help(format!("`{other}` does not go with `{}`: make two tests of it", form.word()));
        checker.report_at(file, &["tests", key.as_str(), other], key.mark, diagnostic);
    }
    let claim = match form {
        Form::NobodyReaches => nobody(checker, named),
        Form::Holds => holds(checker, named),
        Form::Counts => counts(checker, named),
    };
    Some(claim)
}

fn nobody(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>) -> Claim {
    let Named { value, file, .. } = named;
    if value.nobody_reaches.is_empty() {
        lacks(checker, named, "nobody_reaches", "say what they must not reach: `nobody_reaches: [role: sre]`");
    }
    Claim::NobodyReaches {
        holdings: holdings(checker, file, &value.nobody_reaches),
        among: people(checker, file, &value.among),
        outside: people(checker, file, &value.outside),
    }
}

fn holds(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>) -> Claim {
    let Named { key, value, file } = named;
    if value.has.is_empty() && value.has_not.is_empty() {
        lacks(checker, named, "has", "say what they hold: `has: [group: corp/vpn]`, or do not: `has_not`");
    }
    match (&value.person, value.everybody.first()) {
        (None, None) => lacks(checker, named, "person", "say who: `person: somebody`, or `everybody: [role: sre]`"),
        (Some(person), Some(_)) => {
            let message = format!("the test `{}` is about `person` and about `everybody`", key.value);
            let diagnostic = Diagnostic::error("two-claims", message).help("make two tests of it");
            checker.report(file, person.mark, diagnostic);
        }
        (None, Some(entry)) if !value.has_not.is_empty() => {
            let message = "what a set of people must not hold is said by `nobody_reaches`";
            let help = "`nobody_reaches: [..]` with `among: [..]`";
            checker.report(file, entry.mark, Diagnostic::error("two-claims", message).help(help));
        }
        _ => {}
    }
    let who = match &value.person {
        // A person who is not known was reported; the claim is not used then.
        Some(text) => match reference(checker, file, text) {
            Some(person) => Subject::Person(person),
            None => Subject::Everybody(Vec::new()),
        },
        None => Subject::Everybody(people(checker, file, &value.everybody)),
    };
    let has = holdings(checker, file, &value.has);
    let has_not = holdings(checker, file, &value.has_not);
    if has.iter().any(|one| has_not.contains(one)) {
        let message = format!("the test `{}` says of one thing that it is held and that it is not", key.value);
        let diagnostic = Diagnostic::error("contradicts-itself", message).help("no policy could ever pass it");
        checker.report_at(file, &["tests", key.as_str(), "has_not"], key.mark, diagnostic);
    }
    Claim::Holds { who, has, has_not }
}

fn counts(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>) -> Claim {
    let Named { value, file, .. } = named;
    if value.holders_of.is_empty() {
        lacks(checker, named, "holders_of", "say of what: `holders_of: [group: corp/breakglass]`");
    }
    let number = |at: &Option<written::At<u32>>| at.as_ref().map(|at| at.value);
    let (least, most) = (number(&value.at_least), number(&value.at_most));
    if least.is_none() && most.is_none() {
        lacks(checker, named, "at_least", "say how many: `at_least: 2`, `at_most: 5`");
    }
    if let Some(at) = value.at_least.as_ref().filter(|at| at.value == 0) {
        let diagnostic = Diagnostic::error("never-fails", "there are always at least 0 people").help("write 1 or more");
        checker.report(file, at.mark, diagnostic);
    }
    if let (Some(least), Some(at)) = (least, value.at_most.as_ref())
        && at.value < least
    {
        let message = format!("at least {least} and at most {} people are no number of people", at.value);
        checker.report(file, at.mark, Diagnostic::error("contradicts-itself", message).help("check both numbers"));
    }
    Claim::Counts { of: holdings(checker, file, &value.holders_of), at_least: least, at_most: most }
}

fn lacks(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>, field: &str, help: &str) {
    let message = format!("the test `{}` has no `{field}`", named.key.value);
    checker.report(named.file, named.key.mark, Diagnostic::error("missing-field", message).help(help));
}

fn holdings(checker: &mut Checker<'_>, file: u32, written: &[written::Holding]) -> Vec<Holding> {
    let mut list: Vec<Holding> = Vec::with_capacity(written.len());
    for one in written {
        let (holding, text) = match one {
            written::Holding::Role(text) => (role_of(checker, file, text).map(Holding::Role), text),
            written::Holding::Group(text) => (group_of(checker, file, text, "tested").map(Holding::Group), text),
        };
        let Some(holding) = holding else { continue };
        if list.contains(&holding) {
            let message = format!("`{}` is named twice", text.value);
            checker.report(file, text.mark, Diagnostic::error("duplicate-item", message));
        }
        list.push(holding);
    }
    list
}

/// Entries say who; when is said by the test.
fn people(checker: &mut Checker<'_>, file: u32, written: &[written::Entry]) -> Vec<EntryId> {
    for entry in written {
        plain(checker, file, entry);
    }
    entries::list(checker, Holder { node: Node::Test, file }, written, Section::Only)
}

fn plain(checker: &mut Checker<'_>, file: u32, entry: &written::Entry) {
    if *entry.details() != Details::default() {
        let message = "an entry of a test says who, and nothing else";
        let help = "when is said by the test: `at`, `from`, `until`, `within`; a kind by a rule: `where: person.kind == \"contractor\"`";
        checker.report(file, entry.mark, Diagnostic::error("misplaced-field", message).help(help));
    }
    match &entry.selector {
        Selector::All(parts) | Selector::Any(parts) => parts.iter().for_each(|part| plain(checker, file, part)),
        Selector::Not(part) => plain(checker, file, part),
        _ => {}
    }
}

/// When it must hold.
fn when(checker: &mut Checker<'_>, named: Named<'_, written::PolicyTest>) -> (Option<Instant>, Lasts) {
    let Named { value, file, .. } = named;
    let zone = checker.zone.clone();
    let others = [("from", &value.from), ("until", &value.until), ("within", &value.within)];
    let mut written = others.iter().filter_map(|(word, text)| Some((*word, text.as_ref()?)));
    if let (Some(at), Some((word, _))) = (&value.at, written.next()) {
        let message = format!("`at` is one instant, and `{word}` says that there are more");
        let help = "write `at` alone, or `from` with `until` or `within`";
        checker.report(file, at.mark, Diagnostic::error("two-times", message).help(help));
    }
    if let (Some(until), Some(_)) = (&value.until, &value.within) {
        let message = "`until` and `within` both say how long";
        checker.report(file, until.mark, Diagnostic::error("two-times", message).help("keep one of them"));
    }
    if value.at.is_some() {
        return (spans::starts(checker, file, value.at.as_ref(), &zone), Lasts::Moment);
    }
    let window = spans::window(checker, file, (value.from.as_ref(), value.until.as_ref()), &zone);
    let term = spans::term(checker, file, value.within.as_ref());
    if let (Some(text), Some(0)) = (&value.within, term.map(Term::seconds)) {
        empty(checker, file, text.mark);
    }
    let lasts = match (window.expires, term) {
        (Some(end), _) => Lasts::Until(end),
        (None, Some(term)) => Lasts::Within(term),
        (None, None) if value.from.is_some() || !value.nobody_reaches.is_empty() => Lasts::Always,
        (None, None) => Lasts::Moment,
    };
    (window.starts, lasts)
}

fn empty(checker: &mut Checker<'_>, file: u32, mark: Mark) {
    let diagnostic = Diagnostic::error("never-fails", "there is no instant at which this test could fail")
        .help("write how long it must hold: `within: 180d`");
    checker.report(file, mark, diagnostic);
}
