//! What a directory holds, told by something that is not accord, and what has
//! changed between two such views, in the words of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// DN → its lines, of an LDIF text.
pub(crate) type Entries = BTreeMap<String, BTreeSet<String>>;

/// Every entry below `ou=people` and `ou=groups`, whatever the order of entries and values.
pub(crate) fn entries(ldif: &str) -> Entries {
    // RFC 2849: a line that begins with a space goes on with the one before.
    let unfolded = ldif.replace("\n ", "");
    let blocks = unfolded.split("\n\n").map(|block| block.trim_start().lines().map(str::to_owned));
    let entry = blocks.filter_map(|mut lines| Some((lines.find(|line| line.starts_with("dn: "))?, lines.collect())));
    entry.filter(|(dn, _)| dn.contains(",ou=people,") || dn.contains(",ou=groups,")).collect()
}

/// Somebody or something under the name that stays: `p4` for `x4`, `renamed` for `renamed-1`.
fn lasting(name: &str) -> String {
    match name.strip_prefix('x') {
        Some(number) if number.parse::<u32>().is_ok() => format!("p{number}"),
        _ if name.starts_with("renamed-") => "renamed".to_owned(),
        _ => name.to_owned(),
    }
}

fn first_value(dn: &str) -> &str {
    dn.split(',').next().unwrap().split_once('=').unwrap().1
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Thing {
    name: String,
    locked: bool,
    members: BTreeSet<String>,
    others: BTreeSet<String>,
}

fn things(entries: &Entries, part: &str) -> BTreeMap<String, Thing> {
    let below = entries.iter().filter(|(dn, _)| dn.contains(part));
    let thing = |(dn, lines): (&String, &BTreeSet<String>)| {
        let dn = dn.strip_prefix("dn: ").unwrap();
        let mut thing = Thing { name: first_value(dn).to_owned(), ..Thing::default() };
        for line in lines {
            match line.split_once(": ").unwrap() {
                ("member", member) if member == dn => {}
                ("member", member) => drop(thing.members.insert(lasting(first_value(member)))),
                ("pwdAccountLockedTime", _) => thing.locked = true,
                ("uid" | "cn", name) if name == thing.name => {}
                _ => drop(thing.others.insert(line.clone())),
            }
        }
        (lasting(&thing.name), thing)
    };
    below.map(thing).collect()
}

/// What happened between `before` and `after`: `grant g1 p4`, `rename-account p4`, sorted.
pub(crate) fn changes(before: &Entries, after: &Entries) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let none = Thing::default();
    for (kind, part) in [("account", ",ou=people,"), ("group", ",ou=groups,")] {
        let (old, new) = (things(before, part), things(after, part));
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (was, is) = (old.get(key), new.get(key));
            let mut say = |action: &str, of: &str| {
                out.insert(format!("{action} {of}"));
            };
            match (was, is) {
                (None, Some(_)) => say(&format!("create-{kind}"), key),
                (Some(_), None) => say(&format!("delete-{kind}"), key),
                (Some(was), Some(is)) if was.name != is.name => say(&format!("rename-{kind}"), key),
                _ => {}
            }
            let Some(is) = is else { continue };
            let was = was.unwrap_or(&none);
            if was != &none {
                match (was.locked, is.locked) {
                    (false, true) => say("disable-account", key),
                    (true, false) => say("enable-account", key),
                    _ => {}
                }
                if was.others != is.others {
                    say(&format!("update-{kind}"), key);
                }
            }
            for member in is.members.difference(&was.members) {
                say("grant", &format!("{key} {member}"));
            }
            for member in was.members.difference(&is.members) {
                say("revoke", &format!("{key} {member}"));
            }
        }
    }
    out
}

/// The runs of a repository's journal, oldest first.
pub(crate) fn runs(root: &Path) -> Vec<PathBuf> {
    let folder = accord::record::journal_folder(root);
    let (runs, others) = accord::record::store::list(&folder).unwrap_or_default();
    assert_eq!(others, [""; 0]);
    runs.iter().map(|run| accord::record::store::file_of(&folder, run)).collect()
}

/// The records of a run's file that are whole.
pub(crate) fn records(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).collect()
}

/// What a run's file intends, by number.
fn intended(file: &Path) -> BTreeMap<u64, String> {
    let words = |line: &serde_json::Value| {
        let intent = line["record"].get("intent")?;
        let object = &intent["object"];
        let names = [&object["group"], &object["account"]];
        let names: Vec<_> = names.iter().filter_map(|name| name.as_str()).map(lasting).collect();
        let words = format!("{} {}", intent["action"].as_str().unwrap(), names.join(" "));
        Some((intent["change"].as_u64().unwrap(), words))
    };
    records(file).iter().filter_map(words).collect()
}

/// What a run's file intends, in the same words as [`changes`].
pub(crate) fn intents(file: &Path) -> BTreeSet<String> {
    intended(file).into_values().collect()
}

/// What a run's file says is done, in the same words.
pub(crate) fn done(file: &Path) -> BTreeSet<String> {
    let intended = intended(file);
    let done = |line: &serde_json::Value| {
        let outcome = line["record"].get("outcome")?;
        (outcome["result"] == "done").then(|| intended[&outcome["change"].as_u64().unwrap()].clone())
    };
    records(file).iter().filter_map(done).collect()
}

/// Result word → how many changes, as the run's outcomes say.
pub(crate) fn results(file: &Path) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for line in records(file) {
        if let Some(outcome) = line["record"].get("outcome") {
            *out.entry(outcome["result"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    out
}

#[test]
fn changes_are_told_in_the_words_of_the_journal() {
    let before = entries(
        "dn: uid=p4,ou=people,dc=x\nuid: p4\ncn: P\n\ndn: uid=p5,ou=people,dc=x\nuid: p5\n\n\
         dn: cn=g,ou=groups,dc=x\ncn: g\nmember: uid=p4,ou=people,\n dc=x\nmember: uid=p5,ou=people,dc=x\n",
    );
    let after = entries(
        "dn: uid=x4,ou=people,dc=x\nuid: x4\ncn: Q\npwdAccountLockedTime: 0\n\n\
         dn: cn=g,ou=groups,dc=x\ncn: g\nmember: uid=x4,ou=people,dc=x\n",
    );
    let words = ["delete-account p5", "disable-account p4", "rename-account p4", "revoke g p5", "update-account p4"];
    assert_eq!(changes(&before, &after).into_iter().collect::<Vec<_>>(), words);
    assert_eq!(changes(&after, &after).len(), 0);
}
