//! SIGKILL from outside, at more than a hundred different records, in runs that do
//! everything accord can do to a directory.

use super::bed::{Bed, System};
use super::view::{self, Entries};
use super::weeks::{Size, WEEKS};
use std::collections::{BTreeMap, BTreeSet};

/// What a week leads to when nobody disturbs it.
struct Undisturbed {
    before: Entries,
    after: Entries,
    /// Writes of the run that the server answers.
    writes: usize,
    /// What the server did, as often as it did it.
    log: BTreeMap<String, usize>,
}

/// Applies all weeks twice; what the second time leads to is what the first did.
fn undisturbed(bed: &Bed) -> (Vec<Undisturbed>, String) {
    let (mut weeks, mut since): (Vec<Undisturbed>, _) = (Vec::new(), "0".to_owned());
    for n in 0..=2 * WEEKS {
        let week = n % WEEKS;
        bed.write(week);
        let before = bed.entries();
        if let System::Slapd(both) = &bed.system {
            both.1.close_after(usize::MAX);
        }
        bed.converges(&format!("week {n}, undisturbed"));
        let writes = if let System::Slapd(both) = &bed.system { both.1.passed() } else { 0 };
        let now = Undisturbed { before, after: bed.entries(), writes, log: log(bed, &mut since) };
        assert!(now.before != now.after, "week {n} changes something");
        match weeks.get_mut(week) {
            None => weeks.push(now),
            Some(first) => {
                assert_eq!(first.after, now.after, "week {week} leads to the same again");
                *first = now;
            }
        }
    }
    (weeks, since)
}

/// What the server did since `since`, which moves on: entries made, moved and removed, and
/// members, but for those that follow a rename (a server with referential integrity may
/// be first).
fn log(bed: &Bed, since: &mut String) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    let System::Slapd(both) = &bed.system else { return out };
    let filter = format!("(&(objectClass=auditWriteObject)(reqStart>={since})(!(reqStart={since})))");
    let text = both.0.ldapsearch("cn=accesslog", &filter, &["reqStart", "reqType", "reqDN", "reqMod", "reqNewRDN"]);
    for entry in text.split("\n\n").filter(|entry| entry.contains("reqType: ")) {
        let all = |name: &str| entry.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
        let (kind, dn, start) = (all("reqType: ")[0], all("reqDN: ")[0], all("reqStart: ")[0]);
        if start > since.as_str() {
            start.clone_into(since);
        }
        let mut count = |what: String| *out.entry(what).or_default() += 1;
        if kind == "modify" {
            let members = all("reqMod: ").into_iter().filter(|value| value.starts_with("member:"));
            members
                .filter(|value| !value.ends_with(dn) && !renamed(value))
                .for_each(|value| count(format!("{dn} {value}")));
        } else {
            count(format!("{kind} {dn} {}", all("reqNewRDN: ").concat()));
        }
    }
    out
}

/// Whether it is about somebody who is renamed every week.
fn renamed(value: &str) -> bool {
    let number = value.split_once("uid=").and_then(|(_, name)| name.split_once(',')).unwrap().0;
    number.starts_with('x') || number.strip_prefix('p').unwrap().parse::<usize>().unwrap() % 12 == 4
}

/// After the death of a run: everything that happened was intended, the rest comes with the
/// next run, and nothing happens twice.
fn survived(bed: &Bed, at: &str, before: &Entries, wanted: &Entries) {
    bed.verify(at);
    let now = bed.entries();
    let killed = view::runs(bed.repo.path()).pop().unwrap();
    let (intents, happened) = (view::intents(&killed), view::changes(before, &now));
    let unintended: Vec<_> = happened.difference(&intents).collect();
    assert!(unintended.is_empty(), "{at}: done and never intended: {unintended:?}");
    let done = view::done(&killed);
    let missing: Vec<_> = done.difference(&happened).collect();
    assert!(missing.is_empty(), "{at}: journaled as done and not there: {missing:?}");
    bed.converges(at);
    let again = view::runs(bed.repo.path()).pop().unwrap();
    if again != killed {
        let twice: Vec<_> = view::intents(&again).intersection(&happened).cloned().collect();
        assert!(twice.is_empty(), "{at}: done twice: {twice:?}");
    }
    let found = bed.entries();
    assert!(&found == wanted, "{at}: {:?}", view::changes(wanted, &found));
}

#[test]
fn killed_between_any_two_answers_of_a_server() {
    let bed = Bed::slapd(Size { people: 48, groups: 30 });
    let (weeks, mut since) = undisturbed(&bed);
    let (mut counts, mut whole) = (BTreeSet::new(), 0);
    for n in 0.. {
        let week = (n + 1) % WEEKS;
        let Undisturbed { before, after, writes, log: expected } = &weeks[week];
        // Every place once before any comes again: 5 divides no number of writes here.
        let answers = n / WEEKS * 5 % writes;
        let at = format!("week {week}, {answers} of {writes} answers");
        assert_eq!(&bed.entries(), before, "{at}");
        bed.write(week);
        match bed.killed_after(answers, *writes, &at) {
            Some(records) => drop(counts.insert(records)),
            None => whole += 1,
        }
        survived(&bed, &at, before, after);
        assert_eq!(&log(&bed, &mut since), expected, "{at}: as often as without a kill");
        if counts.len() >= 100 {
            break;
        }
        assert!(n < 400, "killed after {} different records, {whole} runs were whole: {counts:?}", counts.len());
    }
}

#[test]
fn killed_while_files_are_written() {
    let mut bed = Bed::ldif(Size { people: 12, groups: 3 });
    let mut twin = Bed::ldif(bed.size);
    let (mut counts, mut whole) = (BTreeSet::new(), 0);
    for n in 0.. {
        let week = n % WEEKS;
        let size = Size { people: 12 + n / 8, groups: 3 + n / 4 };
        (bed.size, twin.size) = (size, size);
        twin.write(week);
        let _ = twin.accord(&["apply", "--auto-approve"]).exits(0);
        bed.write(week);
        let before = bed.entries();
        let all = twin.records();
        let target = 1 + (n * 7) % all;
        let mut run = bed.start(&["apply", "--auto-approve"]);
        while run.records() < target && !run.is_over() {
            std::thread::yield_now();
        }
        let at = format!("run {n}, record {target} of {all}");
        if run.kill() {
            counts.insert(run.records());
        } else {
            whole += 1;
        }
        survived(&bed, &at, &before, &twin.entries());
        if counts.len() >= 100 {
            break;
        }
        assert!(n < 600, "killed after {} different records, {whole} runs were too quick: {counts:?}", counts.len());
    }
}
