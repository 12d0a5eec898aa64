//! The rule "oversight": `forge`, `policy_owners`, `approvals` and people's accounts on
//! the forge.
//!
//! Comes in: the written documents, people and kinds that were looked up. Goes out: who
//! must agree to what. Refuses: approvals that nobody could give, a number that is never
//! reached, owners who are no people, and accounts that no forge could have.

use super::Checker;
use super::index::Named;
use super::people::{find_kind, human};
use crate::diagnostic::Diagnostic;
use crate::model::Matching;
use crate::policy::glob::Glob;
use crate::policy::settings::{ForgeSettings, SecretRef};
use crate::policy::written::{self, Mark, Text};
use crate::policy::{ApprovalRule, KindId, Oversight, PersonId};

pub(super) fn check(checker: &mut Checker<'_>) {
    accounts(checker);
    let forge = forge(checker);
    let owners = owners(checker);
    let list = checker.names.approvals.list().to_vec();
    if let Some(first) = list.first()
        && owners.is_empty()
    {
        let diagnostic = Diagnostic::error("missing-setting", "there are `approvals` and no `policy_owners`")
            .help("whoever may change the rules without asking needs no approval: `policy_owners: [somebody]`");
        checker.report(first.file, first.key.mark, diagnostic);
    }
    let approvals = list.into_iter().map(|named| rule(checker, named)).collect();
    checker.meant.oversight = Oversight { forge, owners, approvals, ..std::mem::take(&mut checker.meant.oversight) };
}

fn forge(checker: &mut Checker<'_>) -> Option<ForgeSettings> {
    let mut written = (0u32..).zip(&checker.documents).filter_map(|(n, d)| Some((n, d.file.forge.as_ref()?)));
    let (file, at) = written.next()?;
    let again: Vec<(u32, Mark)> = written.map(|(n, at)| (n, at.mark)).collect();
    for (other, mark) in again {
        checker.report(other, mark, Diagnostic::error("duplicate-key", "`forge` is written twice"));
    }
    let settings = &at.value;
    if let Some(SecretRef::Command(_)) = &settings.token {
        // Of the files of a program nobody could say which revision they are of.
        let diagnostic = Diagnostic::error("bad-secret", "the token of a forge comes from no program")
            .help("`token: { env: FORGE_TOKEN }`, or `{ file: forge.token }` with --secrets-dir");
        // Its line is not shown: arguments of a program may be secrets.
        let found = checker.find(file, &["forge", "token"]).map_or(at.mark, |found| found.key);
        checker.report(file, Mark { column: 0, length: 0, ..found }, diagnostic);
    }
    if let Some(ca) = settings.ca.as_deref()
        && (ca.starts_with('/') || ca.split('/').any(|part| part == ".."))
    {
        let diagnostic = Diagnostic::error("bad-path", format!("`{ca}` is not inside the repository"));
        checker.report_at(file, &["forge", "ca"], at.mark, diagnostic);
    }
    Some(settings.clone())
}

fn owners(checker: &mut Checker<'_>) -> Vec<PersonId> {
    let written: Vec<(u32, &Text)> = (0u32..)
        .zip(&checker.documents)
        .flat_map(|(n, d)| d.file.policy_owners.iter().map(move |text| (n, text)))
        .collect();
    people(checker, &written, "an owner of the policies")
}

fn people(checker: &mut Checker<'_>, written: &[(u32, &Text)], what: &str) -> Vec<PersonId> {
    let mut list: Vec<PersonId> = Vec::with_capacity(written.len());
    for (file, text) in written {
        let Some(id) = human(checker, *file, text, what) else { continue };
        if list.contains(&id) {
            let diagnostic = Diagnostic::error("duplicate-item", format!("`{}` is named twice", text.value));
            checker.report(*file, text.mark, diagnostic.help("one person is one voice"));
        }
        list.push(id);
    }
    list.sort_unstable();
    list
}

fn rule(checker: &mut Checker<'_>, named: Named<'_, written::ApprovalRule>) -> ApprovalRule {
    let Named { key, value, file } = named;
    let named_people: Vec<(u32, &Text)> = value.people.iter().map(|text| (file, text)).collect();
    let people = people(checker, &named_people, "somebody who agrees");
    let mut from: Vec<_> = value.from.iter().map(|at| at.value).collect();
    from.sort_unstable();
    from.dedup();
    if from.is_empty() && people.is_empty() {
        let diagnostic = Diagnostic::error("missing-setting", format!("nobody can give the approval `{}`", key.value))
            .help("say who may: `from: [owner]` (also sponsor, manager), or `people: [somebody]`");
        checker.report(file, key.mark, diagnostic);
    }
    let count = value.count.as_ref().map_or(1, |count| count.value);
    let reachable = if from.is_empty() { people.len() } else { usize::MAX };
    if let Some(at) = &value.count
        && (count == 0 || usize::from(count) > reachable)
    {
        let message = if count == 0 {
            "`count: 0` asks for nothing".to_owned()
        } else {
            format!("{count} people must agree, and {reachable} could")
        };
        let diagnostic = Diagnostic::error("bad-count", message).help("write how many different people must agree");
        checker.report(file, at.mark, diagnostic);
    }
    ApprovalRule {
        key: (&key.value).into(),
        description: value.description.clone(),
        entitlements: value.entitlements.iter().filter_map(|text| entitlement(checker, file, text)).collect(),
        kinds: value.kinds.iter().filter_map(|text| kind(checker, file, text)).collect(),
        privileged: value.privileged,
        from,
        people,
        count: count.max(1),
        place: Checker::place(file, key.mark),
    }
}

/// A name or a pattern that is about something: a rule that was misspelt would ask nobody.
fn entitlement(checker: &mut Checker<'_>, file: u32, text: &Text) -> Option<Glob> {
    let glob = match Glob::new(text.as_str(), Matching::CaseIgnore) {
        Ok(glob) => glob,
        Err(bad) => {
            let message = format!("`{bad}` has no meaning in a pattern of entitlements");
            checker.report(file, text.mark, Diagnostic::error("bad-pattern", message).help("only `*` is special"));
            return None;
        }
    };
    if !checker.names.groups.list().iter().any(|named| glob.matches(named.key.as_str())) {
        let message = format!("`{}` is about no group that is declared", text.value);
        let diagnostic = Diagnostic::error("unknown-group", message).help("write `directory/group`, or `directory/*`");
        checker.report(file, text.mark, diagnostic);
    }
    Some(glob)
}

fn kind(checker: &mut Checker<'_>, file: u32, text: &Text) -> Option<KindId> {
    let found = find_kind(checker, text.as_str());
    if found.is_none() {
        let names: Vec<&str> = checker.meant.kinds.iter().map(|kind| kind.name.as_ref()).collect();
        let diagnostic = Diagnostic::error("unknown-kind", format!("there is no kind `{}`", text.value))
            .help(format!("one of `{}`", names.join("`, `")));
        checker.report(file, text.mark, diagnostic);
    }
    found
}

/// People's accounts on the forge.
fn accounts(checker: &mut Checker<'_>) {
    for named in checker.names.people.list().to_vec() {
        for text in &named.value.forge {
            let name = text.as_str();
            let is_good = match name.strip_prefix("id:") {
                Some(number) => number.parse::<u64>().is_ok(),
                None => !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
            };
            if !is_good {
                let message = format!("`{}` is no account on a forge", name.escape_debug());
                let diagnostic = Diagnostic::error("bad-account", message)
                    .help("write its name as it stands in a mention without `@`, or its number: `id:583231`");
                checker.report(named.file, text.mark, diagnostic);
            }
        }
    }
}
