//! Each strictness rule, and agreement with `serde-saphyr` on what both accept.

use super::{Tree, locate, read};
use crate::policy::diagnose::diagnose;
use crate::policy::written::{File, Given, Selector};
use proptest::prelude::*;

/// `line:column code: message | help` of everything wrong with a file.
fn wrong(text: impl AsRef<[u8]>) -> Vec<String> {
    let mut tree = Tree::parse(text.as_ref());
    let mut problems = std::mem::take(&mut tree.problems);
    if !tree.broken {
        problems.extend(diagnose::<File>(&mut tree).problems);
    }
    problems
        .iter()
        .map(|p| {
            let help = p.help.iter().fold(String::new(), |all, help| all + " | " + help);
            format!("{}:{}+{} {}: {}{help}", p.mark.line, p.mark.column, p.mark.length, p.code, p.message)
        })
        .collect()
}

fn file(text: &str) -> File {
    let tree = Tree::parse(text.as_bytes());
    assert_eq!(tree.problems, []);
    read(&tree).unwrap()
}

#[test]
fn an_empty_value_is_never_an_absent_one() {
    assert_eq!(
        wrong(
            "people:\n  a:\n    expires:\n    email: ~\n    kind: null\n    aliases:\n  b:\ngroups:\n  corp/x:\n  corp/y: { members: [a, ] }\n"
        ),
        [
            "3:5+7 empty-date: `expires` has no value; an empty date does not mean \"never\" | write a date (`2027-03-31`), or remove the line if the kind allows it",
            "4:5+5 empty-value: `email` has no value | write a value, or remove the line",
            "5:5+4 empty-value: `kind` has no value | write a value, or remove the line",
            "6:5+7 empty-value: `aliases` has no value | write a value, or remove the line",
            "7:3+1 empty-value: `b` has no value | write a value, or remove the line",
            "9:3+6 empty-value: `corp/x` has no value | if there is nothing to say about it, write `corp/x: {}`",
        ]
    );
    assert_eq!(
        wrong("roles:\n  a:\n    members:\n      -\n      - b\n"),
        ["4:8+1 empty-value: an empty item | write a value, or remove the item"]
    );
    assert_eq!(
        file("people: { a: { name: '', title: \"null\", company: '~' } }").people.0[0].1.title.as_deref(),
        Some("null")
    );
}

#[test]
fn settings_of_directories_may_not_be_empty_either() {
    assert_eq!(
        wrong("directories:\n  corp:\n    kind: ldap\n    url:\n    accounts: { base: }\n"),
        [
            "4:5+3 empty-value: `url` has no value | write a value, or remove the line",
            "5:17+4 empty-value: `base` has no value | write a value, or remove the line",
        ]
    );
}

#[test]
fn an_expression_that_yaml_swallows_is_to_be_quoted() {
    assert_eq!(
        wrong(
            "roles:\n  a:\n    members:\n      - where: !person.x # not\n      - where: &x\n      - { groups: *team }\n"
        ),
        [
            "4:16+9 yaml-tag: YAML reads `!person.x` as a tag, not as text | quote the rule: `where: '!person.x'`",
            "5:16+2 yaml-anchor: YAML reads `&x` as an anchor, not as text | quote the rule: `where: '&x'`",
            "6:19+5 yaml-alias: YAML reads `*team` as an alias, not as text | if it is meant as text, quote it: `'*team'`",
        ]
    );
    let bracket = wrong("roles:\n  a:\n    members:\n      - where: !(person.kind == \"x\")\n");
    assert_eq!(bracket.len(), 1);
    assert!(bracket[0].contains("quote the rule: `where: '!(person.kind == \"x\")'`"), "{bracket:?}");
    let spaced = wrong("roles:\n  a:\n    members:\n      - where: \"x\" == person.kind\n");
    assert!(spaced[0].contains("quote the rule: `where: '\"x\" == person.kind'`"), "{spaced:?}");
    assert_eq!(wrong("people: !!map {}\n")[0].split(':').nth(1), Some("9+5 yaml-tag"));
}

#[test]
fn anchors_aliases_and_merge_keys_are_refused_each_at_its_place() {
    let found = wrong("people:\n  a: &base { name: A }\n  b: *base\n  c:\n    <<: *base\n");
    let codes: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(codes, ["2:6+5 yaml-anchor", "3:6+5 yaml-alias", "5:9+5 yaml-alias", "5:5+2 yaml-merge"]);
}

#[test]
fn equal_keys_are_refused_at_every_depth_and_the_first_is_read() {
    let text = "people:\n  a: { name: A, name: B }\n  'a': {}\nroles: {}\npeople: {}\n";
    assert_eq!(
        wrong(text),
        [
            "2:17+4 duplicate-key: `name` is written twice | merge the two, or rename one",
            "3:3+3 duplicate-key: `a` is written twice | merge the two, or rename one",
            "5:1+6 duplicate-key: `people` is written twice | merge the two, or rename one",
        ]
    );
    let tree = Tree::parse(text.as_bytes());
    assert_eq!(tree.problems[0].related[0].0.column, 8);
    let file: File = read(&tree).unwrap();
    assert_eq!(file.people.0.len(), 1);
    assert_eq!(file.people.0[0].1.name.as_deref(), Some("A"));
}

#[test]
fn text_keeps_its_spelling() {
    let people =
        file("people:\n  249043822: { id: 10482, name: no, title: 007, email: 2026-01-01, timezone: true }\n").people;
    let (key, person) = &people.0[0];
    assert_eq!(key.as_str(), "249043822");
    assert_eq!(person.id.as_ref().unwrap().as_str(), "10482");
    assert_eq!((person.name.as_deref(), person.title.as_deref()), (Some("no"), Some("007")));
    assert_eq!(person.timezone.as_ref().unwrap().as_str(), "true");
}

#[test]
fn attributes_are_numbers_and_flags_only_where_there_is_no_doubt() {
    let people = file("people: { a: { attributes: { a: 7, b: -7, c: 007, d: '7', e: true, f: yes, g: 1.5, h: 0x1F, i: 1_000, j: +1, k: 99999999999999999999, l: [a, 7] } } }").people;
    let given: Vec<_> = people.0[0].1.attributes.iter().map(|(_, value)| value.value.clone()).collect();
    let text = |s: &str| Given::Text(s.into());
    assert_eq!(
        given,
        [
            Given::Number(7),
            Given::Number(-7),
            text("007"),
            text("7"),
            Given::Flag(true),
            text("yes"),
            text("1.5"),
            text("0x1F"),
            text("1_000"),
            text("+1"),
            text("99999999999999999999"),
            Given::List(vec!["a".into(), "7".into()]),
        ]
    );
}

#[test]
fn flags_are_true_or_false() {
    assert_eq!(wrong("people: { a: { adopt: yes } }"), ["1:23+3 wrong-type: expected `true` or `false`, found `yes`"]);
    assert_eq!(
        wrong("people: { a: { adopt: 'true' } }"),
        ["1:23+6 wrong-type: expected `true` or `false`, found `true`"]
    );
    assert!(file("people: { a: { adopt: true } }").people.0[0].1.adopt);
}

#[test]
fn a_byte_order_mark_and_dos_line_ends_are_fine() {
    let people = file("\u{feff}people:\r\n  a:\r\n    name: Ana\r\n").people;
    assert_eq!((people.0[0].0.mark.line, people.0[0].1.name.as_deref()), (2, Some("Ana")));
    assert!(wrong("people: {}\n\u{feff}roles: {}\n")[0].contains("yaml-syntax"));
}

#[test]
fn text_that_is_not_utf8_says_where() {
    assert_eq!(wrong(b"people:\n  \xff: {}\n"), ["2:3+1 not-utf8: the file is not UTF-8 here | save it as UTF-8"]);
}

#[test]
fn one_file_is_one_document_without_directives() {
    let two = wrong("people: {}\n---\nroles: {}\n");
    assert_eq!(
        two,
        [
            "2:1+3 several-documents: a second document begins here | a policy file is one document: remove the `---`, or split the file"
        ]
    );
    assert!(wrong("---\npeople: {}\n...\n").is_empty());
    assert!(wrong("%YAML 1.1\n---\npeople: {}\n")[0].contains("yaml-directive"));
}

#[test]
fn tabs_depth_and_open_quotes_are_said_in_words() {
    assert!(wrong("people:\n\ta: {}\n")[0].starts_with("2:2+1 yaml-tab"));
    assert!(wrong("[".repeat(100_000))[0].contains("yaml-too-deep"));
    assert!(wrong("people: { a: { name: 'x } }\n")[0].contains("yaml-syntax"));
    assert!(wrong("people:\n  a:\n      name: x\n    title: y\n")[0].contains("yaml-syntax"));
    assert!(wrong("? [a, b]\n: c\n")[0].contains("yaml-key"));
}

#[test]
fn words_that_are_no_choice_and_unknown_fields_say_what_is_meant() {
    assert_eq!(
        wrong("groups: { corp/x: { manage: additiv } }\nguardrails: { grants: { floor: -1, percent: 2 } }\n"),
        [
            "1:29+7 unknown-value: expected `exact`, `additive` or `reference`, found `additiv` | did you mean `additive`?",
            "2:32+2 wrong-type: expected a whole number from 0 to 4294967295, found `-1`",
        ]
    );
    assert_eq!(
        wrong("constraints: { c: { on_breach: revoke, forbid: [{ rle: x }, { role: a, group: b }, x] } }"),
        [
            "1:32+6 wrong-type: expected `revoke: …`, found `revoke`",
            "1:51+3 unknown-value: expected `role` or `group`, found `rle` | did you mean `role`?",
            "1:61+1 wrong-type: expected exactly one of `role` or `group`",
            "1:84+1 unknown-value: expected `role` or `group`, found `x`",
        ]
    );
}

#[test]
fn member_entries_know_where_they_and_their_names_are() {
    let roles = file("roles:\n  sre:\n    members:\n      - wei.chen\n      - person: maria.lopez\n        expires: 2026-12-31\n      - { all: [role: a, { not: { group: corp/b } }] }\n").roles;
    let members = &roles.0[0].1.members;
    let places: Vec<_> = members.iter().map(|e| (e.mark.line, e.mark.column)).collect();
    assert_eq!(places, [(4, 9), (5, 9), (7, 9)]);
    let Selector::Person(maria) = &members[1].selector else { panic!("{members:?}") };
    assert_eq!((maria.mark.line, maria.mark.column, maria.mark.length), (5, 17, 11));
    let Selector::Person(wei) = &members[0].selector else { panic!("{members:?}") };
    assert_eq!((wei.mark.column, wei.mark.length), (9, 8));
    assert!(matches!(&members[2].selector, Selector::All(parts) if parts.len() == 2));
}

#[test]
fn a_value_is_found_by_its_path() {
    let text = b"guardrails:\n  minimum_members: { corp/admins: 2 }\n  x: [a, b]\n";
    let at = |path: &[&str]| locate(text, path).map(|found| (found.key.line, found.key.column, found.key.length));
    let value = |path: &[&str]| locate(text, path).map(|found| (found.value.column, found.value.length));
    assert_eq!(value(&["guardrails", "minimum_members", "corp/admins"]), Some((35, 1)));
    assert_eq!(value(&["guardrails", "minimum_members"]), Some((3, 15)), "a mapping is found by its key");
    assert_eq!(at(&["guardrails", "minimum_members", "corp/admins"]), Some((2, 22, 11)));
    assert_eq!(at(&["guardrails", "x", "1"]), Some((3, 10, 1)));
    assert_eq!(at(&["guardrails", "y"]), None);
}

/// Plain values of the shapes that policies have.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof!["[a-z][a-z0-9 .:#'\"!&*\\[\\]{}|>%@é-]{0,12}", "[ -~]{1,12}"];
    let leaf = prop_oneof![
        text.prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z./]{1,8}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// JSON is YAML: what was written comes back, as `serde-saphyr` reads it too.
    #[test]
    fn what_is_written_comes_back(value in value()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let tree = Tree::parse(text.as_bytes());
        prop_assert_eq!(&tree.problems, &[]);
        let ours: serde_json::Value = read(&tree).unwrap();
        prop_assert_eq!(&ours, &value);
        let theirs: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        prop_assert_eq!(ours, theirs);
    }

    /// Whatever the text: no panic, and where we read something without complaint,
    /// `serde-saphyr` reads a document too.
    #[test]
    fn what_we_accept_others_accept(text in "([a-c]: ?|- |\\[|\\]|\\{|\\}|, |\n {0,3}|x|'|\"|!|&|\\*|#|\\|)*") {
        let tree = Tree::parse(text.as_bytes());
        if tree.problems.is_empty() && !tree.is_empty() {
            let theirs: Result<serde::de::IgnoredAny, _> = serde_saphyr::from_str(&text);
            prop_assert!(theirs.is_ok(), "{:?}: {:?}", text, theirs);
        }
    }
}
