//! Every way to change a journal afterwards, and that `verify` names the place.

use accord::model::{Action, Change, Instant, Object};
use accord::record::entry::{Intent, Outcome, Undeclared};
use accord::record::{Journal, Record, Report, Start, Status, journal_folder, memory, verify};
use std::fs;
use std::path::{Path, PathBuf};

const NOW: i64 = 1_795_343_460; // 2026-11-22T10:31:00Z

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(NOW + seconds)
}

fn start() -> Start {
    Start { plan: "p".into(), version: "0.1.0".into(), ..Start::default() }
}

fn change(id: u32, action: Action, account: &str) -> Change {
    Change {
        id,
        directory: "corp".into(),
        action,
        object: Object::account(account),
        person: Some(format!("key-of-{account}")),
        label: None,
        before: None,
        after: None,
        because: vec![],
        ends: None,
        needs: vec![],
    }
}

fn done(change: u32) -> Record {
    Record::Outcome(Outcome { change, result: Status::Done, why: None, handle: None })
}

/// One run of two changes: six records.
fn run(root: &Path, seconds: i64) -> String {
    let mut journal = Journal::start(root, start(), at(seconds)).unwrap();
    journal.add(at(seconds), Record::Intent(Intent::of(&change(1, Action::DisableAccount, "li.na")))).unwrap();
    journal.add(at(seconds), Record::Intent(Intent::of(&change(2, Action::CreateAccount, "maria")))).unwrap();
    journal.commit().unwrap();
    journal.add(at(seconds + 1), done(1)).unwrap();
    journal.add(at(seconds + 1), done(2)).unwrap();
    journal.end(at(seconds + 2), [("done".to_owned(), 2)].into(), None).unwrap();
    journal.run().to_owned()
}

/// Three whole runs.
fn three() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let root = tempfile::tempdir().unwrap();
    let runs = vec![run(root.path(), 0), run(root.path(), 30), run(root.path(), 3600)];
    assert_eq!(runs, ["20261122-1031", "20261122-1031-2", "20261122-1131"]);
    let folder = journal_folder(root.path());
    (root, folder, runs)
}

#[track_caller]
fn findings(folder: &Path) -> Vec<String> {
    let report = verify(folder).unwrap();
    report.findings.iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn put(path: &Path, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn an_untouched_journal_is_intact() {
    let (_root, folder, runs) = three();
    let report = verify(&folder).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.runs, report.records), (3, 18));
    assert_eq!(report.tip.as_ref().unwrap().0, runs[2]);
    assert_eq!(verify(Path::new("/nonexistent/accord")).unwrap(), Report::default());
}

#[test]
fn an_edited_byte_is_found_in_every_line_of_every_file() {
    let (_root, folder, runs) = three();
    for run in &runs {
        let path = folder.join(format!("{run}.jsonl"));
        let whole = lines(&path);
        for n in 0..whole.len() {
            let mut edited = whole.clone();
            // A harmless-looking edit that leaves the JSON whole.
            edited[n] = edited[n].replace("2026-11-22", "2026-11-21");
            assert_ne!(edited[n], whole[n]);
            put(&path, &edited);
            let found = findings(&folder);
            // An edit shows where the next line does not continue it.
            assert!(!found.is_empty(), "{run} line {}", n + 1);
            assert!(found.len() <= 2, "one edit, not a flood: {found:#?}");
        }
        put(&path, &whole);
    }
    assert_eq!(findings(&folder), [""; 0]);
}

#[test]
fn a_byte_that_breaks_the_json_is_found_where_it_is() {
    let (_root, folder, runs) = three();
    let path = folder.join(format!("{}.jsonl", runs[0]));
    let mut edited = lines(&path);
    edited[2] = edited[2].replacen('{', "[", 1);
    put(&path, &edited);
    let found = findings(&folder);
    assert!(
        found[0].contains("20261122-1031.jsonl:3: this line cannot be read, and whole records follow it"),
        "{found:#?}"
    );
}

#[test]
fn a_dropped_line_is_found() {
    let (_root, folder, runs) = three();
    for run in &runs {
        let path = folder.join(format!("{run}.jsonl"));
        let whole = lines(&path);
        for n in 0..whole.len() {
            let mut edited = whole.clone();
            edited.remove(n);
            put(&path, &edited);
            assert!(!findings(&folder).is_empty(), "{run} without line {}", n + 1);
        }
        put(&path, &whole);
    }
}

#[test]
fn two_swapped_lines_are_found() {
    let (_root, folder, runs) = three();
    let path = folder.join(format!("{}.jsonl", runs[1]));
    let mut edited = lines(&path);
    edited.swap(1, 2);
    put(&path, &edited);
    let found = findings(&folder);
    assert!(found[0].contains(":2: record 3 stands where record 2 belongs"), "{found:#?}");
}

#[test]
fn a_dropped_file_is_found_whichever_it_is() {
    let (_root, folder, runs) = three();
    for (run, expected) in runs.iter().zip([
        "20261122-1031-2.jsonl:1: it names run 20261122-1031 as the one before, and before it stands none",
        "20261122-1131.jsonl:1: it names run 20261122-1031-2 as the one before, and before it stands run 20261122-1031",
        "head.json:0: it names record 6 of run 20261122-1131, which is not the last run here",
    ]) {
        let path = folder.join(format!("{run}.jsonl"));
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(findings(&folder), [expected]);
        fs::write(&path, whole).unwrap();
    }
    fs::remove_file(folder.join("head.json")).unwrap();
    assert_eq!(findings(&folder), ["head.json:0: the head file is missing or cannot be read"]);
}

#[test]
fn the_last_file_cut_short_is_found_against_the_head() {
    let (_root, folder, runs) = three();
    let path = folder.join(format!("{}.jsonl", runs[2]));
    let whole = lines(&path);
    put(&path, &whole[..4]);
    assert_eq!(findings(&folder), ["20261122-1131.jsonl:5: records 5 to 6 were committed and are gone"]);
    let bytes = whole.join("\n");
    for cut in [bytes.len() - 1, bytes.len() - 40] {
        fs::write(&path, &bytes[..cut]).unwrap();
        assert_eq!(findings(&folder).len(), 1, "cut at {cut}");
    }
}

#[test]
fn a_cut_that_a_later_run_papers_over_stays_found() {
    let (root, folder, runs) = three();
    let path = folder.join(format!("{}.jsonl", runs[2]));
    put(&path, &lines(&path)[..4]);
    run(root.path(), 7200);
    let found = findings(&folder);
    assert!(found.iter().any(|f| f.contains("records 5 to 6 of run 20261122-1131 had been taken away")), "{found:#?}");
    // And the same with the file gone, and with the head gone.
    let (root, folder, runs) = three();
    fs::remove_file(folder.join(format!("{}.jsonl", runs[2]))).unwrap();
    run(root.path(), 7200);
    let found = findings(&folder);
    assert!(found.iter().any(|f| f.contains("run 20261122-1131 with its 6 records had been taken away")), "{found:#?}");
    let (root, folder, _) = three();
    fs::remove_file(folder.join("head.json")).unwrap();
    run(root.path(), 7200);
    let found = findings(&folder);
    assert!(found.iter().any(|f| f.contains("the head file had been taken away")), "{found:#?}");
}

#[test]
fn a_strange_file_and_a_copied_run_are_found() {
    let (_root, folder, runs) = three();
    fs::copy(folder.join(format!("{}.jsonl", runs[1])), folder.join("20261122-1031-3.jsonl")).unwrap();
    fs::write(folder.join("notes.txt"), "x").unwrap();
    let found = findings(&folder);
    assert!(
        found.iter().any(|f| f.contains("20261122-1031-3.jsonl:1: the record is of run 20261122-1031-2")),
        "{found:#?}"
    );
    assert!(found.iter().any(|f| f.contains("notes.txt:0: no file of the journal")), "{found:#?}");
}

#[test]
fn a_torn_end_is_accounted_for_and_nothing_can_hide_in_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = journal_folder(root.path());
    run(root.path(), 0);
    let path = folder.join("20261122-1031.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    let whole = bytes.len();
    bytes.extend_from_slice(br#"{"seq":7,"prev":"ab"#);
    fs::write(&path, &bytes).unwrap();
    let report = verify(&folder).unwrap();
    assert!(report.is_intact() && report.notes.len() == 1, "{report:#?}");
    let second = run(root.path(), 60);
    let report = verify(&folder).unwrap();
    assert!(report.is_intact(), "{report:#?}");
    assert_eq!(report.notes[0].what, format!("a kill tore 19 bytes, accounted for by run {second}"));
    assert_eq!(fs::read(&path).unwrap(), bytes, "the torn file is never rewritten");
    // Changing the torn end, or removing it, is found.
    for tail in [&b""[..], br#"{"seq":7,"prev":"ac"#, b"x"] {
        fs::write(&path, [&bytes[..whole], tail].concat()).unwrap();
        assert_eq!(findings(&folder).len(), 1);
    }
}

#[test]
fn a_run_killed_before_its_first_record_is_accounted_for() {
    let root = tempfile::tempdir().unwrap();
    let folder = journal_folder(root.path());
    run(root.path(), 0);
    fs::write(folder.join("20261122-1040.jsonl"), "").unwrap();
    fs::write(folder.join("20261122-1041.jsonl"), r#"{"seq":1,"#).unwrap();
    run(root.path(), 1200);
    let report = verify(&folder).unwrap();
    assert!(report.is_intact(), "{report:#?}");
    assert_eq!(report.runs, 2);
}

#[test]
fn a_clock_that_goes_back_does_not_reorder_the_chain() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), 86_400);
    assert_eq!(run(root.path(), 0), "20261123-1031-2");
    assert!(verify(&journal_folder(root.path())).unwrap().is_intact());
}

#[test]
fn memory_keeps_owners_disables_and_first_sights_and_survives_a_torn_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = journal_folder(root.path());
    run(root.path(), 0);
    let undeclared = |members: &[&str]| {
        Record::Undeclared(Undeclared {
            directory: "corp".into(),
            seen: members.iter().map(|m| ("vpn".to_owned(), (*m).to_owned())).collect(),
            members: Vec::new(),
        })
    };
    let mut journal = Journal::start(root.path(), start(), at(60)).unwrap();
    journal.add(at(61), undeclared(&["tmp.admin", "old"])).unwrap();
    journal.commit().unwrap();
    let mut journal = Journal::start(root.path(), start(), at(120)).unwrap();
    journal.add(at(121), undeclared(&["new", "tmp.admin"])).unwrap();
    // Killed after this intent: nobody knows whether it happened.
    journal.add(at(122), Record::Intent(Intent::of(&change(1, Action::DisableAccount, "maria")))).unwrap();
    journal.commit().unwrap();
    let path = journal.path().to_owned();
    drop(journal);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"seq\":4,");
    fs::write(&path, bytes).unwrap();

    let memory = memory(&folder).unwrap();
    let account = |name: &str| memory.accounts[&("corp".to_owned(), name.to_owned())].clone();
    assert_eq!(account("li.na").disabled, Some(at(1)));
    assert_eq!(account("maria").person.as_deref(), Some("key-of-maria"));
    assert_eq!(account("maria").disabled, Some(at(122)));
    let seen = |name: &str| memory.undeclared.get(&("corp".into(), "vpn".into(), name.into())).copied();
    assert_eq!((seen("tmp.admin"), seen("old"), seen("new")), (Some(at(61)), None, Some(at(121))));
}

/// Earlier versions took `group/account` apart at the first `/`.
#[test]
fn an_old_first_sight_counts_only_where_it_can_mean_one_thing() {
    let root = tempfile::tempdir().unwrap();
    let mut journal = Journal::start(root.path(), start(), at(60)).unwrap();
    let pair = |group: &str, account: &str| (group.to_owned(), account.to_owned());
    let members = vec![pair("ops", "oncall/mallory"), pair("vpn", "mallory")];
    journal.add(at(61), Record::Undeclared(Undeclared { directory: "corp".into(), seen: vec![], members })).unwrap();
    journal.commit().unwrap();
    let memory = memory(&journal_folder(root.path())).unwrap();
    let seen: Vec<_> = memory.undeclared.keys().map(|(_, group, account)| (group.as_str(), account.as_str())).collect();
    assert_eq!(seen, [("vpn", "mallory")]);
}

#[test]
fn the_digest_of_the_memory_is_believed_only_where_the_chain_names_it() {
    let (root, folder, runs) = three();
    let whole = memory(&folder).unwrap();
    let file = root.path().join(".accord/memory.json");
    let digest = fs::read_to_string(&file).unwrap();
    assert!(digest.contains("key-of-maria"), "{digest}");
    // It is what is read: the first run is covered and not looked at.
    let first = folder.join(format!("{}.jsonl", runs[0]));
    let kept = fs::read(&first).unwrap();
    fs::write(&first, "").unwrap();
    assert_eq!(memory(&folder).unwrap(), whole);
    fs::write(&first, kept).unwrap();
    // Changed, or gone, it is not.
    fs::write(&file, digest.replace("key-of-maria", "key-of-mallory")).unwrap();
    assert_eq!(memory(&folder).unwrap(), whole);
    fs::remove_file(&file).unwrap();
    assert_eq!(memory(&folder).unwrap(), whole);
    // A later run that was killed is read on top of it.
    fs::write(&file, digest).unwrap();
    let mut journal = Journal::start(root.path(), start(), at(9000)).unwrap();
    journal.add(at(9001), Record::Intent(Intent::of(&change(1, Action::DisableAccount, "maria")))).unwrap();
    journal.commit().unwrap();
    let later = memory(&folder).unwrap();
    assert_eq!(later.accounts[&("corp".to_owned(), "maria".to_owned())].disabled, Some(at(9001)));
    assert_eq!(later.accounts.len(), whole.accounts.len());
}

#[test]
fn a_head_that_a_kill_left_behind_is_no_tampering_and_an_old_one_is() {
    let root = tempfile::tempdir().unwrap();
    let folder = journal_folder(root.path());
    let head = folder.join("head.json");
    run(root.path(), 0);
    let first = fs::read(&head).unwrap();
    // Killed after its first record was safe and before the head said so.
    drop(Journal::start(root.path(), start(), at(60)).unwrap());
    fs::write(&head, &first).unwrap();
    let report = verify(&folder).unwrap();
    assert!(report.is_intact() && report.notes.len() == 1, "{report:#?}");
    run(root.path(), 120);
    assert!(verify(&folder).unwrap().is_intact());
    // Two runs behind is more than one kill can be.
    fs::write(&head, &first).unwrap();
    assert_eq!(
        findings(&folder),
        ["head.json:0: it names record 6 of run 20261122-1031, which is not the last run here"]
    );
}
