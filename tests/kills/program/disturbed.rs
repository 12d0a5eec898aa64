//! Signals, a second apply, a server that dies, an edit after the review: what people
//! and programs are told, and that the next apply makes it good.

use super::bed::{Bed, Running};
use super::view;
use super::weeks::{self, Size, WEEKS};
use crate::cli::harness::Ran;
use crate::support::slapd::{GROUPS, PEOPLE};
use std::process::Command;
use std::time::{Duration, Instant};

const SIZE: Size = Size { people: 12, groups: 8 };

/// A server in the second week, its run standing still after so many answers.
fn standing(answers: usize) -> (Bed, Running) {
    let bed = Bed::slapd(SIZE);
    bed.write(0);
    bed.converges("the first week");
    bed.write(1);
    bed.gate().close_after(answers);
    let mut run = bed.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(bed.gate()), "{:#?}", run.end());
    (bed, run)
}

/// Waits until the run has said something on stderr.
fn says(run: &mut Running, words: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while !run.said().contains(words) {
        assert!(Instant::now() < until && !run.is_over(), "{}", run.said());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The command after `to go on:`, run as it is printed.
fn goes_on(bed: &Bed, ran: &Ran) {
    let line = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("to go on: ")).unwrap();
    let command = line.split("  ").next().unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "accord", "{command}");
    let ran = bed.accord(&words[1..]);
    assert_eq!(ran.code, 0, "{command}: {ran:#?}");
    let ran = bed.accord(&["plan", "--detailed-exitcode"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    bed.verify("after going on");
}

fn stopped_by(signal: &str) {
    let (bed, mut run) = standing(3);
    let before = bed.entries();
    run.signal(signal);
    says(&mut run, "stopping: what is in flight is finished, the rest is recorded");
    bed.gate().open();
    let ran = run.end().exits(1);
    let table = table(&ran);
    assert!(table.contains("\n  not-started ") && table.contains(": stopped on request\n"), "{table}");
    assert!(table.contains("\n  stopped               stopped on request\n"), "{table}");
    assert!(table.contains("to go on: accord apply --auto-approve   (what is done stays done)"), "{table}");
    let newest = view::runs(bed.repo.path()).pop().unwrap();
    let results = view::results(&newest);
    assert_eq!(results.keys().collect::<Vec<_>>(), ["done", "not-started"], "{results:?}");
    // What was on its way was waited for: all of it happened, and all of it is known.
    let happened = view::changes(&before, &bed.entries());
    assert!(happened.is_subset(&view::done(&newest)), "{happened:?}");
    let end = view::records(&newest).pop().unwrap();
    assert_eq!(end["record"]["run-ended"]["stopped"], "stopped on request", "{end}");
    bed.verify(signal);
    goes_on(&bed, &ran);
}

#[test]
fn sigterm_lets_finish_what_is_in_flight_and_says_how_to_go_on() {
    stopped_by("-TERM");
}

#[test]
fn ctrl_c_lets_finish_what_is_in_flight_and_says_how_to_go_on() {
    stopped_by("-INT");
}

#[test]
fn a_signal_after_the_last_write_stopped_nothing() {
    let bed = Bed::slapd(SIZE);
    bed.write(0);
    bed.converges("the first week");
    // One change: its answer is all that is waited for.
    let path = "policies/groups.yaml";
    bed.repo.edit(path, "corp/g2: { members: [] }", "corp/g2: { members: [p1] }");
    bed.gate().close_after(0);
    let mut run = bed.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(bed.gate()));
    run.signal("-TERM");
    says(&mut run, "stopping: ");
    bed.gate().open();
    let ran = run.end().exits(0);
    assert!(!ran.stdout.contains("stopped") && !ran.stdout.contains("to go on"), "{}", ran.stdout);
    let end = view::records(&view::runs(bed.repo.path()).pop().unwrap()).pop().unwrap();
    assert_eq!(end["record"]["run-ended"].get("stopped"), None, "{end}");
    assert!(bed.accord(&["drift"]).exits(0).stdout.contains("as the policies say"));
}

#[test]
fn a_signal_before_the_first_write_ends_the_process_and_nothing_is_written() {
    let bed = Bed::slapd(SIZE);
    bed.write(0);
    // A server that does not answer: the run waits for its reads.
    let pid = bed.server().pid().unwrap().to_string();
    let send = |signal: &str| assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    send("-STOP");
    let run = bed.start(&["apply", "--auto-approve"]);
    std::thread::sleep(Duration::from_millis(300));
    run.signal("-TERM");
    assert_eq!(run.ended_by(), Some(15));
    send("-CONT");
    assert_eq!(view::runs(bed.repo.path()).len(), 0);
    assert_eq!(bed.entries().len(), 0);
    bed.converges("after the signal");
}

#[test]
fn the_second_of_two_applies_is_told_who_the_first_is_and_goes_through_after_it() {
    let (bed, mut first) = standing(3);
    let second = bed.accord(&["apply", "--auto-approve"]).exits(1);
    let who = format!("another `accord apply` is running in this repository: process {} ", first.pid());
    assert!(second.stderr.contains(&who), "{}", second.stderr);
    assert!(second.stderr.contains("wait for it to end"), "{}", second.stderr);
    assert!(!second.stdout.contains("applied"), "{}", second.stdout);
    // It did not read what the first is about to change: not even a server that is silent
    // keeps the answer back.
    let server = bed.server().pid().unwrap().to_string();
    let send = |signal: &str| Command::new("kill").args([signal, &server]).status().unwrap();
    assert!(send("-STOP").success());
    let begun = Instant::now();
    let third = bed.accord(&["apply", "--auto-approve"]);
    assert!(send("-CONT").success());
    assert!(third.exits(1).stderr.contains(&who));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    // Reading is free.
    let ran = bed.accord(&["plan", "--detailed-exitcode"]).exits(2);
    assert_eq!(ran.stderr, "");
    bed.gate().open();
    let _ = first.wait().exits(0);
    let ran = bed.accord(&["apply", "--auto-approve"]).exits(0);
    assert!(ran.stdout.ends_with("\nnothing to do\n"), "{}", ran.stdout);
    bed.verify("after both");
}

#[test]
fn the_lock_of_a_killed_apply_stops_nobody() {
    let (bed, mut first) = standing(3);
    assert!(bed.repo.read(".accord/lock").contains(&first.pid().to_string()));
    assert!(first.kill());
    bed.gate().open();
    assert!(bed.repo.read(".accord/lock").contains(&first.pid().to_string()), "it still names the dead");
    bed.converges("after the kill");
    bed.verify("after the kill");
}

/// As [`standing`], in a run that only moves people between groups.
fn moving(answers: usize) -> (Bed, Running, view::Entries) {
    let bed = Bed::slapd(SIZE);
    bed.write(0);
    bed.converges("the first week");
    // Before the run: the server carries out what it has not answered yet.
    let before = bed.entries();
    bed.repo.write("policies/groups.yaml", &weeks::groups(SIZE, 2 * WEEKS));
    bed.gate().close_after(answers);
    let mut run = bed.start(&["apply", "--auto-approve"]);
    assert!(run.stands_still(bed.gate()), "{:#?}", run.end());
    (bed, run, before)
}

#[test]
fn a_server_that_dies_half_way_is_named_with_what_was_not_done() {
    let (mut bed, mut run, before) = moving(3);
    bed.server_mut().kill();
    bed.gate().cut();
    let ran = run.wait().exits(1);
    let table = table(&ran);
    let lost = ": the connection was closed before the answer came; and it could not be read whether it was done: \
                corp: bind as cn=accord,ou=services,dc=example,dc=com: ";
    assert!(table.contains("\n  unknown ") && table.contains(lost), "{table}");
    // Which groups were answered before is the server's affair; all others are named.
    let newest = view::runs(bed.repo.path()).pop().unwrap();
    let (intents, done) = (view::intents(&newest), view::done(&newest));
    let lost: Vec<&String> = intents.difference(&done).collect();
    let count = table.lines().find_map(|line| line.trim().strip_prefix("unknown ")?.split_whitespace().next());
    assert_eq!(count, Some(lost.len().to_string().as_str()), "{table}");
    for change in lost {
        let [action, group, person] = change.split(' ').collect::<Vec<_>>()[..] else { panic!("{change}") };
        let symbol = if action == "grant" { '+' } else { '-' };
        // Of a renamed group the words leave out which name it is.
        let names = [group.to_owned(), format!("{group}-0")];
        let is_told = names.iter().any(|name| table.contains(&format!("corp/{name} {symbol} {person}: ")));
        assert!(is_told, "{change}: {table}");
    }
    bed.verify("after the server's death");
    bed.server_mut().restart();
    let happened = view::changes(&before, &bed.entries());
    assert!(done.is_subset(&happened) && happened.is_subset(&intents), "{done:?} {happened:?}");
    goes_on(&bed, &ran);
}

#[test]
fn a_server_that_comes_back_in_time_is_waited_for() {
    let (mut bed, mut run, _) = moving(3);
    bed.server_mut().kill();
    bed.server_mut().restart();
    bed.gate().cut();
    let ran = run.wait().exits(0);
    assert!(!ran.stdout.contains("to go on"), "{}", ran.stdout);
    let ran = bed.accord(&["plan", "--detailed-exitcode"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    bed.verify("after the restart");
}

#[test]
fn a_saved_plan_that_was_killed_half_way_goes_on_and_a_finished_one_finds_nothing_to_do() {
    let bed = Bed::slapd(SIZE);
    bed.write(0);
    bed.converges("the first week");
    bed.write(1);
    let _ = bed.accord(&["plan", "--out", "plan.json"]).exits(0);
    bed.gate().close_after(9);
    let mut run = bed.start(&["apply", "plan.json"]);
    assert!(run.stands_still(bed.gate()));
    assert!(run.kill());
    bed.gate().open();
    let ran = bed.accord(&["apply", "plan.json"]).exits(0);
    assert!(table(&ran).contains("  before this run: nothing was sent for them\n"), "{}", ran.stdout);
    let ran = bed.accord(&["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!(ran.stderr, "");
    let after = bed.entries();
    let again = bed.accord(&["apply", "plan.json"]).exits(0);
    let table = table(&again);
    assert!(table.starts_with("applied 0 of 24 in "), "{table}");
    assert!(table.contains("\n  in effect      24     before this run: nothing was sent for them\n"), "{table}");
    assert_eq!(bed.entries(), after);
    let newest = view::runs(bed.repo.path()).pop().unwrap();
    assert_eq!(view::intents(&newest).len(), 0, "nothing was sent");
    bed.verify("three times");
}

#[test]
fn an_edit_after_the_review_is_a_conflict_of_that_change_and_what_needs_it() {
    let bed = Bed::slapd(SIZE);
    bed.write(0);
    bed.converges("the first week");
    bed.write(1);
    let _ = bed.accord(&["plan", "--out", "plan.json"]).exits(0);
    // Somebody who is to be renamed gets into a further group, somebody gets another name.
    bed.server().ldapmodify(&format!(
        "dn: cn=g5,{GROUPS}\nchangetype: modify\nadd: member\nmember: uid=p4,{PEOPLE}\n\n\
         dn: uid=p0,{PEOPLE}\nchangetype: modify\nreplace: cn\ncn: Somebody Else\n"
    ));
    let ran = bed.accord(&["apply", "plan.json"]).exits(1);
    let table = table(&ran);
    let (_, table) = table.split_once('\n').unwrap();
    insta::assert_snapshot!(table, @"
      done           21     2 accounts disabled, 7 revokes, 1 group renamed, 4 accounts updated, 6 grants, 1 group deleted
      conflict       2      corp p4 rename account: `revoke corp/g5/p4` must come first now, and was not reviewed
                            corp p0 update account: what it starts from is different now
      skipped        1      corp/g2 + x4: needs #10 rename-account corp/p4, which is a conflict
      to go on: accord plan --out FILE, and have that reviewed   (what is done stays done)
    ");
    bed.verify("after the edit");
    bed.converges("after another plan");
}

/// What `accord apply` printed after the plan.
fn table(ran: &Ran) -> String {
    let start = if ran.stdout.starts_with("applied ") { 0 } else { ran.stdout.find("\napplied ").unwrap() + 1 };
    ran.stdout[start..].to_owned()
}
