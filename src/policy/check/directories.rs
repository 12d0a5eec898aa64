//! The rule "directories": settings of each directory.
//!
//! Comes in: `directories:`. Goes out: directories sorted by name. Refuses: settings
//! that the kind does not have or lacks, paths that leave the repository, two
//! directories that are one, and orders that lead in a circle. Connections are in
//! `connection`, accounts and groups in `accounts`.

use super::index::Named;
use super::person::directory_of;
use super::{Checker, accounts, active_directory, connection, cycles, words};
use crate::diagnostic::Diagnostic;
use crate::model::Matching;
use crate::policy::date;
use crate::policy::glob::Glob;
use crate::policy::settings::{Directory, DirectorySettings, LeaverAction, ProviderKind};
use crate::policy::written::{Found, Mark};

/// The directory whose settings are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) name: &'a str,
    pub(super) file: u32,
    pub(super) mark: Mark,
}

impl<'a> Spot<'a> {
    /// Reports at the name of the setting that `keys` lead to: it is what is wrong.
    pub(super) fn report_key(self, checker: &mut Checker<'_>, keys: &[&str], diagnostic: Diagnostic) {
        let mark = self.find(checker, keys).map_or(self.mark, |found| found.key);
        checker.report(self.file, mark, diagnostic);
    }

    /// Reports at the value of the setting that `keys` lead to.
    pub(super) fn report(self, checker: &mut Checker<'_>, keys: &[&str], diagnostic: Diagnostic) {
        let mark = self.mark_of(checker, keys);
        checker.report(self.file, mark, diagnostic);
    }

    /// Reports at the line of a setting without its column: the line is not shown,
    /// because it may hold a secret.
    pub(super) fn report_line(self, checker: &mut Checker<'_>, keys: &[&str], diagnostic: Diagnostic) {
        let mark = self.find(checker, keys).map_or(self.mark, |found| found.key);
        checker.report(self.file, Mark { column: 0, length: 0, ..mark }, diagnostic);
    }

    /// Where the value of the setting that `keys` lead to stands.
    pub(super) fn mark_of(self, checker: &Checker<'_>, keys: &[&str]) -> Mark {
        self.find(checker, keys).map_or(self.mark, |found| found.value)
    }

    fn find(self, checker: &Checker<'_>, keys: &[&str]) -> Option<Found> {
        let mut path: Vec<&str> = vec!["directories", self.name];
        path.extend(keys);
        checker.find(self.file, &path)
    }

    /// Reports the lack of a setting.
    pub(super) fn missing(self, checker: &mut Checker<'_>, setting: &str, help: &str) {
        let message = format!("the directory `{}` has no `{setting}`", self.name);
        checker.report(self.file, self.mark, Diagnostic::error("missing-setting", message).help(help));
    }

    fn of(named: Named<'a, DirectorySettings>) -> Self {
        Self { name: named.key.as_str(), file: named.file, mark: named.key.mark }
    }
}

pub(super) fn check(checker: &mut Checker<'_>) {
    let list = checker.names.directories.list().to_vec();
    let mut directories = Vec::with_capacity(list.len());
    for named in list {
        let spot = Spot::of(named);
        let settings = &named.value.clone().filled();
        of_the_kind(checker, spot, settings);
        match settings.kind {
            ProviderKind::Ldif => file(checker, spot, settings),
            ProviderKind::Ldap => connection::check(checker, spot, settings),
            ProviderKind::ActiveDirectory => {
                connection::check(checker, spot, settings);
                active_directory::check(checker, spot, settings);
            }
        }
        if settings.kind != ProviderKind::ActiveDirectory {
            active_directory::elsewhere(checker, spot, settings);
        }
        limits(checker, spot, settings);
        protect(checker, spot, settings);
        let accounts::Rules { accounts_for, bases } = accounts::check(checker, spot, settings);
        directories.push(Directory {
            name: (&named.key.value).into(),
            settings: settings.clone(),
            accounts_for,
            bases,
            place: Checker::place(named.file, named.key.mark),
        });
    }
    order(checker);
    the_same_twice(checker);
    checker.meant.directories = directories;
}

/// Settings of the other kind would be read by nobody.
fn of_the_kind(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let foreign: Vec<&str> = match settings.kind {
        ProviderKind::Ldif => [
            ("url", settings.url.is_some()),
            ("tls", settings.tls.is_some()),
            ("ca", settings.ca.is_some()),
            ("bind", settings.bind.is_some()),
            ("plan_bind", settings.plan_bind.is_some()),
            ("connect_timeout", settings.connect_timeout.is_some()),
            ("timeout", settings.timeout.is_some()),
            ("page_size", settings.page_size.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect(),
        ProviderKind::Ldap | ProviderKind::ActiveDirectory => {
            [("file", settings.file.is_some()), ("create", settings.create)]
                .into_iter()
                .filter_map(|(name, there)| there.then_some(name))
                .collect()
        }
    };
    for name in foreign {
        let kind = settings.kind.word();
        let diagnostic =
            Diagnostic::error("setting-of-another-kind", format!("a directory of kind `{kind}` has no `{name}`"))
                .help("remove the line, or correct `kind`");
        spot.report_key(checker, &[name], diagnostic);
    }
}

fn file(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let Some(path) = &settings.file else {
        return spot.missing(checker, "file", "name the LDIF file, relative to the repository: `file: directory.ldif`");
    };
    if let Some(why) = words::bad_path(path) {
        let message = format!("`{}` cannot be the file: {why}", path.escape_debug());
        spot.report(
            checker,
            &["file"],
            Diagnostic::error("path-outside", message).help("a path below the repository's root, `directory.ldif`"),
        );
    } else if path.starts_with("policies/") {
        let message = format!("`{path}` lies among the policies");
        let diagnostic = Diagnostic::error("path-outside", message)
            .help("what accord writes must not lie where it reads; put the file beside `policies/`");
        spot.report(checker, &["file"], diagnostic);
    }
}

fn limits(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let mut mistakes: Vec<(Vec<&str>, date::Mistake)> = Vec::new();
    if let Some(mistake) = settings.shrink.as_ref().and_then(|text| date::percent(text).err()) {
        mistakes.push((vec!["shrink"], mistake));
    }
    let delete_after = settings.leavers.delete_after.as_str();
    let never = delete_after == "never";
    if !never && let Err(mistake) = date::term(delete_after) {
        let help = format!("{}; or `never`", mistake.help);
        mistakes.push((vec!["leavers", "delete_after"], date::Mistake { help, ..mistake }));
    }
    if let Err(mistake) = date::term(&settings.refresh.full_every) {
        mistakes.push((vec!["refresh", "full_every"], mistake));
    }
    if let Err(mistake) = date::term(&settings.undeclared.after) {
        mistakes.push((vec!["undeclared", "after"], mistake));
    }
    for (keys, mistake) in mistakes {
        spot.report(checker, &keys, Diagnostic::error(mistake.code, mistake.message).help(mistake.help));
    }
    match (settings.leavers.then, never) {
        (LeaverAction::Delete, true) => {
            let diagnostic =
                Diagnostic::error("contradiction", "`then: delete` and `delete_after: never` contradict each other")
                    .help("say when: `delete_after: 30d` after the end and the disable; or write `then: disable`");
            spot.report(checker, &["leavers", "then"], diagnostic);
        }
        (LeaverAction::Report | LeaverAction::Disable, false) => {
            let diagnostic = Diagnostic::warning(
                "no-effect",
                format!("`delete_after: {delete_after}` has no effect without `then: delete`"),
            );
            spot.report(
                checker,
                &["leavers", "delete_after"],
                diagnostic.help("write `then: delete` if accounts shall be deleted"),
            );
        }
        _ => {}
    }
    numbers(checker, spot, settings);
    for name in &settings.sentinels {
        if let Some(why) = words::bad_name(name) {
            spot.report(
                checker,
                &["sentinels"],
                Diagnostic::error("bad-key", format!("a sentinel is the name of an account: {why}")),
            );
        }
    }
}

fn numbers(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let numbers = [
        ("connect_timeout", settings.connect_timeout, 1..=600, "seconds"),
        ("timeout", settings.timeout, 1..=3_600, "seconds"),
        ("page_size", settings.page_size, 1..=100_000, "entries"),
    ];
    for (name, number, range, unit) in numbers {
        if let Some(number) = number.filter(|number| !range.contains(number)) {
            let message = format!("`{name}` is {number}; it goes from {} to {} {unit}", range.start(), range.end());
            spot.report(checker, &[name], Diagnostic::error("out-of-range", message));
        }
    }
}

fn protect(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    for (what, list) in [("accounts", &settings.protect.accounts), ("groups", &settings.protect.groups)] {
        for pattern in list {
            if pattern.trim().is_empty() {
                spot.report(
                    checker,
                    &["protect", what],
                    Diagnostic::error("bad-pattern", "an empty pattern protects nothing"),
                );
            } else if let Err(bad) = Glob::new(pattern, Matching::CaseIgnore) {
                let message = format!("`{bad}` in `{}` has no meaning: only `*` is special", pattern.escape_debug());
                spot.report(checker, &["protect", what], Diagnostic::error("bad-pattern", message));
            } else if what == "groups" && pattern.split_once('/').is_some_and(|(directory, _)| directory == spot.name) {
                let message = format!("`{pattern}` names the directory; it stands inside `{}` already", spot.name);
                let rest = pattern.split_once('/').map_or("", |(_, rest)| rest);
                spot.report(
                    checker,
                    &["protect", what],
                    Diagnostic::error("bad-pattern", message).help(format!("write `{rest}`")),
                );
            }
        }
    }
}

/// `after:` names other directories and leads in no circle.
fn order(checker: &mut Checker<'_>) {
    let list = checker.names.directories.list().to_vec();
    let mut edges = Vec::new();
    for (n, named) in (0u32..).zip(&list) {
        let spot = Spot::of(*named);
        for before in &named.value.after {
            if let Some(m) = checker.names.directories.find(before) {
                edges.push((n, m));
            } else {
                let mark = spot.mark_of(checker, &["after"]);
                directory_of(checker, spot.file, before, mark);
            }
        }
    }
    for cycle in cycles::find(list.len(), &edges) {
        let path: Vec<u32> = cycle.iter().filter_map(|n| edges.get(*n)).map(|edge| edge.0).collect();
        let names: Vec<&str> =
            path.iter().chain(path.first()).filter_map(|n| list.get(*n as usize)).map(|d| d.key.as_str()).collect();
        let Some(first) = path.first().and_then(|n| list.get(*n as usize)) else { continue };
        let message = format!("these directories wait for each other: `{}`", names.join("` → `"));
        Spot::of(*first).report(
            checker,
            &["after"],
            Diagnostic::error("cycle", message).help("take one of them out of `after`"),
        );
    }
}

/// Two directories over the same groups would undo each other's work for ever.
fn the_same_twice(checker: &mut Checker<'_>) {
    let list = checker.names.directories.list().to_vec();
    for (n, later) in list.iter().enumerate() {
        let same = list.iter().take(n).find(|first| same_place(first.value, later.value));
        if let Some(first) = same {
            let message = format!(
                "`{}` and `{}` are the same directory: each would revoke what the other grants",
                first.key.value, later.key.value
            );
            let mut diagnostic = Diagnostic::error("same-directory-twice", message)
                .help("keep one of them, or give them different bases");
            if let Some(span) = checker.span(first.file, first.key.mark) {
                diagnostic = diagnostic.related(span, "the other one");
            }
            checker.report(later.file, later.key.mark, diagnostic);
        }
    }
}

fn same_place(a: &DirectorySettings, b: &DirectorySettings) -> bool {
    let base = |settings: &DirectorySettings| {
        settings.groups.base.as_ref().map(|dn| dn.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>())
    };
    match (a.kind, b.kind) {
        (ProviderKind::Ldif, ProviderKind::Ldif) => a.file.is_some() && a.file == b.file,
        (ProviderKind::Ldap | ProviderKind::ActiveDirectory, ProviderKind::Ldap | ProviderKind::ActiveDirectory) => {
            a.url.is_some() && a.url == b.url && base(a).is_some() && base(a) == base(b)
        }
        _ => false,
    }
}
