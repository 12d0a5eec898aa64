//! What a run did last about somebody's membership of a group.
//!
//! Comes in: the journal's folder, a directory, a group, a person. Goes out: the last
//! change of that membership that a directory acknowledged, and its run. Refuses: to
//! guess: where the newest change has no answer that anybody saw, nothing is known; and
//! to say what the directory holds now, which somebody may have changed by hand.
//!
//! Runs are read from the newest on until one tells: this is for questions, plans have
//! [`super::memory()`].

use super::entry::{Intent, Line, Outcome, Record, Status, Verified};
use super::store;
use crate::model::{Action, ChangeId, Instant};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// The last change of a membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Name of the directory.
    pub directory: String,
    /// Whether it made the person a member; otherwise it took the membership away.
    pub granted: bool,
    /// When the directory acknowledged it, UTC.
    pub at: Instant,
    /// Id of the run.
    pub run: String,
}

/// Whose membership of what.
#[derive(Debug, Clone, Copy)]
pub struct Membership<'a> {
    /// Name of the directory.
    pub directory: &'a str,
    /// The group, as the directory calls it now.
    pub group: &'a str,
    /// Key of the person.
    pub person: &'a str,
    /// With which account: the word of a second one, an empty text for the everyday one;
    /// `None` is any.
    pub label: Option<&'a str>,
}

/// The last change of a membership by `until` that some run wrote; `None` where the
/// journal does not know.
///
/// # Errors
/// When a file cannot be read.
pub fn written(folder: &Path, wanted: Membership<'_>, until: Instant) -> io::Result<Option<Written>> {
    let mut search = Search { wanted, until, group: wanted.group.to_owned(), names: BTreeMap::new() };
    for run in store::list(folder)?.0.into_iter().rev() {
        let path = store::file_of(folder, &run);
        store::refuse_symlink(&path)?;
        match search.run(&run, &fs::read(path)?) {
            Told::Nothing => {}
            Told::Unknown => return Ok(None),
            Told::Last(written) => return Ok(Some(written)),
        }
    }
    Ok(None)
}

enum Told {
    Nothing,
    Unknown,
    Last(Written),
}

struct Search<'a> {
    wanted: Membership<'a>,
    until: Instant,
    /// What the group was called at the time that is looked at.
    group: String,
    /// An account's name at that time → its name now.
    names: BTreeMap<String, String>,
}

impl Search<'_> {
    fn run(&mut self, run: &str, bytes: &[u8]) -> Told {
        let text = String::from_utf8_lossy(bytes);
        // Most lines are about others: they are not parsed.
        let key = serde_json::to_string(self.wanted.person).unwrap_or_default();
        let about = |line: &&str| line.contains(&key) || line.contains("\"rename-group\"");
        let intents: BTreeMap<ChangeId, (Instant, Intent)> =
            text.lines().filter(about).filter_map(|line| self.intent(line)).collect();
        if intents.is_empty() {
            return Told::Nothing;
        }
        let results = self.results(&text, &intents);
        // The newest first: what was acknowledged last, then what has no answer at all.
        let mut order: Vec<(Instant, ChangeId)> =
            intents.iter().map(|(id, (at, _))| (results.get(id).map_or(*at, |(at, _)| *at), *id)).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut last: BTreeMap<String, Option<Written>> = BTreeMap::new();
        for (at, id) in order {
            let Some((_, intent)) = intents.get(&id) else { continue };
            let status = results.get(&id).map(|(_, status)| *status);
            let is_done = matches!(status, Some(Status::Done | Status::Pending));
            if !is_done && !matches!(status, None | Some(Status::Unknown)) {
                continue;
            }
            match intent.action {
                Action::RenameGroup if is_done => self.rename_group(intent),
                Action::RenameAccount if is_done => self.rename_account(intent),
                Action::Grant | Action::Revoke | Action::DeleteAccount if self.concerns(intent) => {
                    let written = is_done.then(|| Written {
                        directory: self.wanted.directory.to_owned(),
                        granted: intent.action == Action::Grant,
                        at,
                        run: run.to_owned(),
                    });
                    last.entry(self.account(intent)).or_insert(written);
                }
                _ => {}
            }
        }
        // Of several accounts one that is a member is enough.
        let member = last.values().flatten().find(|written| written.granted).cloned();
        match member.or_else(|| last.values().flatten().next().cloned()) {
            Some(written) => Told::Last(written),
            None if last.is_empty() => Told::Nothing,
            None => Told::Unknown,
        }
    }

    fn intent(&self, line: &str) -> Option<(ChangeId, (Instant, Intent))> {
        let Line { at, record, .. } = serde_json::from_str::<Line<Record>>(line).ok()?;
        let Record::Intent(intent) = record else { return None };
        let mine = intent.action == Action::RenameGroup || intent.person.as_deref() == Some(self.wanted.person);
        (at <= self.until && mine && intent.directory == self.wanted.directory).then_some((intent.change, (at, intent)))
    }

    /// What became of the intents; what a read found in effect was done.
    fn results(
        &self,
        text: &str,
        intents: &BTreeMap<ChangeId, (Instant, Intent)>,
    ) -> BTreeMap<ChangeId, (Instant, Status)> {
        let mut results: BTreeMap<ChangeId, (Instant, Status)> = BTreeMap::new();
        let about = |line: &&str| line.contains("\"outcome\":") || line.contains("\"verified\":");
        for line in text.lines().filter(about) {
            let Ok(Line { at, record, .. }) = serde_json::from_str::<Line<Record>>(line) else { continue };
            if at > self.until {
                continue;
            }
            match record {
                Record::Outcome(Outcome { change, result, .. }) if intents.contains_key(&change) => {
                    results.insert(change, (at, result));
                }
                Record::Verified(Verified { directory, in_effect, .. }) if directory == self.wanted.directory => {
                    for change in in_effect.into_iter().filter(|change| intents.contains_key(change)) {
                        let result = results.entry(change).or_insert((at, Status::Done));
                        if result.1 == Status::Unknown {
                            *result = (at, Status::Done);
                        }
                    }
                }
                _ => {}
            }
        }
        results
    }

    fn concerns(&self, intent: &Intent) -> bool {
        if self.wanted.label.is_some_and(|label| label != intent.label.as_deref().unwrap_or_default()) {
            return false;
        }
        let group = intent.object.group.as_deref();
        intent.action == Action::DeleteAccount || group.is_some_and(|group| group.eq_ignore_ascii_case(&self.group))
    }

    fn account(&self, intent: &Intent) -> String {
        let name = intent.object.account.clone().unwrap_or_default();
        self.names.get(&name).cloned().unwrap_or(name)
    }

    /// Older changes name the group as it was called before.
    fn rename_group(&mut self, intent: &Intent) {
        if intent.to.as_deref().is_some_and(|to| to.eq_ignore_ascii_case(&self.group))
            && let Some(before) = &intent.object.group
        {
            self.group.clone_from(before);
        }
    }

    fn rename_account(&mut self, intent: &Intent) {
        if let (Some(before), Some(to)) = (&intent.object.account, &intent.to) {
            let now = self.names.get(to).cloned().unwrap_or_else(|| to.clone());
            self.names.insert(before.clone(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Object};
    use crate::record::{Journal, Start, journal_folder};
    use tempfile::TempDir;

    fn change(id: ChangeId, action: Action, object: Object, to: Option<&str>) -> Change {
        let after = to.map(|to| [("name".to_owned(), vec![to.to_owned()])].into());
        Change {
            id,
            directory: "corp".into(),
            action,
            object,
            person: Some("maria.lopez".into()),
            label: None,
            before: None,
            after,
            because: Vec::new(),
            ends: None,
            needs: Vec::new(),
        }
    }

    /// One run of one change that starts `minute` minutes after the epoch.
    fn run(root: &TempDir, minute: i64, change: &Change, result: Option<Status>) -> String {
        let at = |second: i64| Instant::from_seconds(minute * 60 + second);
        let mut journal = Journal::start(root.path(), Start::default(), at(0)).unwrap();
        journal.add(at(1), Record::Intent(Intent::of(change))).unwrap();
        if let Some(result) = result {
            let outcome = Outcome { change: change.id, result, why: None, handle: None };
            journal.add(at(2), Record::Outcome(outcome)).unwrap();
        }
        journal.commit().unwrap();
        journal.run().to_owned()
    }

    fn ask(root: &TempDir, group: &str, minute: i64) -> Option<(bool, i64)> {
        ask_with(root, group, minute, None)
    }

    fn ask_with(root: &TempDir, group: &str, minute: i64, label: Option<&str>) -> Option<(bool, i64)> {
        let wanted = Membership { directory: "corp", group, person: "maria.lopez", label };
        let until = Instant::from_seconds(minute * 60);
        let written = written(&journal_folder(root.path()), wanted, until).unwrap();
        written.map(|written| (written.granted, written.at.as_seconds()))
    }

    #[test]
    fn the_last_acknowledged_change_tells() {
        let root = tempfile::tempdir().unwrap();
        let member = |id, action| change(id, action, Object::membership("sre", "maria.lopez"), None);
        assert_eq!(ask(&root, "sre", 1000), None);
        run(&root, 10, &member(1, Action::Grant), Some(Status::Done));
        assert_eq!(ask(&root, "sre", 1000), Some((true, 602)));
        assert_eq!(ask(&root, "vpn", 1000), None);
        assert_eq!(ask(&root, "sre", 9), None, "before it");
        run(&root, 20, &member(1, Action::Revoke), Some(Status::Refused));
        assert_eq!(ask(&root, "sre", 1000), Some((true, 602)), "refused");
        run(&root, 30, &member(7, Action::Revoke), Some(Status::Done));
        assert_eq!(ask(&root, "sre", 1000), Some((false, 1802)));
        assert_eq!(ask(&root, "sre", 25), Some((true, 602)), "asked about the past");
        run(&root, 40, &member(2, Action::Grant), Some(Status::Unknown));
        assert_eq!(ask(&root, "sre", 1000), None, "nobody saw an answer");
        run(&root, 50, &member(2, Action::Grant), None);
        assert_eq!(ask(&root, "sre", 1000), None, "killed");
    }

    #[test]
    fn one_account_of_somebody_is_told_apart_from_another() {
        let root = tempfile::tempdir().unwrap();
        let everyday = |id, action| change(id, action, Object::membership("sre", "maria.lopez"), None);
        let admin = |id, action| Change {
            label: Some("admin".into()),
            ..change(id, action, Object::membership("sre", "adm-maria"), None)
        };
        run(&root, 10, &everyday(1, Action::Grant), Some(Status::Done));
        run(&root, 20, &admin(1, Action::Grant), Some(Status::Done));
        run(&root, 30, &admin(1, Action::Revoke), Some(Status::Done));
        assert_eq!(ask_with(&root, "sre", 1000, Some("")), Some((true, 602)));
        assert_eq!(ask_with(&root, "sre", 1000, Some("admin")), Some((false, 1802)));
    }

    #[test]
    fn it_is_followed_through_renames() {
        let root = tempfile::tempdir().unwrap();
        run(&root, 10, &change(1, Action::Grant, Object::membership("old", "mlopez"), None), Some(Status::Done));
        run(&root, 20, &change(1, Action::RenameGroup, Object::group("old"), Some("sre")), Some(Status::Done));
        assert_eq!(ask(&root, "sre", 1000), Some((true, 602)));
        assert_eq!(ask(&root, "old", 1000), Some((true, 602)));
        run(&root, 30, &change(1, Action::RenameAccount, Object::account("mlopez"), Some("m")), Some(Status::Done));
        run(&root, 40, &change(1, Action::Revoke, Object::membership("sre", "m"), None), Some(Status::Done));
        assert_eq!(ask(&root, "sre", 1000), Some((false, 2402)));
    }
}
