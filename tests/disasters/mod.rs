//! Published disasters of other tools, each as a test that shows accord refusing it.
//!
//! One section for each place where they happened: files, then time, directories and
//! plans. A test says in its first lines what happened elsewhere.

/// What happened with live directories.
mod directories;
/// What other planners did with a directory.
mod plans;

/// What is written wrongly and read as something else.
mod files {
    use accord::diagnostic::Diagnostic;
    use accord::policy::load::load;
    use accord::policy::{Policy, Select};
    use accord::source::InMemory;

    const ACCORD: &str = "organization: example
timezone: Europe/Berlin
directories:
  corp:
    kind: ldif
    file: directory.ldif
    accounts: { base: 'ou=people,dc=example,dc=com' }
    groups: { base: 'ou=groups,dc=example,dc=com' }
";

    fn read(files: &[(&str, &str)]) -> Result<Policy, Vec<Diagnostic>> {
        let people = ("policies/people.yaml", "people: { wei.chen: {}, li.na: {}, bob: {} }\n");
        let accord = ("policies/accord.yaml", ACCORD);
        load(&InMemory::new(files.iter().copied().chain([people, accord])))
    }

    fn refused(text: &str) -> Vec<(&'static str, u32)> {
        let found = read(&[("policies/x.yaml", text)]).expect_err(text);
        found.iter().map(|f| (f.code, f.span.as_ref().map_or(0, |span| span.line))).collect()
    }

    /// `IAMbic`: a date that its parser cannot read becomes "no end"; the grant stays for ever.
    #[test]
    fn a_date_with_a_typo_is_not_never() {
        for date in ["nxt friday", "2026-13-01", "31.12.2026", "in 3 days", "2026-12-31T18:00:00"] {
            let text = format!("groups:\n  corp/x:\n    members: [{{person: bob, expires: \"{date}\"}}]\n");
            assert_eq!(refused(&text).len(), 1, "{date}");
        }
    }

    /// entitlements-app: the 30th of February silently becomes the 2nd of March.
    #[test]
    fn a_day_that_does_not_exist_is_no_other_day() {
        assert_eq!(
            refused("groups: { corp/x: { members: [{person: bob, expires: 2026-02-30}] } }\n"),
            [("no-such-date", 1)]
        );
    }

    /// entitlements-app: an unknown field (`expires` for `expiration`) is ignored and the group never expires.
    #[test]
    fn an_unknown_field_is_not_ignored() {
        assert_eq!(refused("groups:\n  corp/x:\n    expiration: 2026-12-31\n"), [("unknown-field", 3)]);
        assert_eq!(refused("groups:\n  corp/x:\n    rulez: [bob]\n"), [("unknown-field", 3)]);
    }

    /// `serde_yaml` and others: of two equal keys the last one wins in silence.
    #[test]
    fn a_second_equal_key_does_not_win() {
        let text = "groups:\n  corp/x:\n    members: [bob]\n    members: [li.na]\n";
        assert!(refused(text).iter().all(|(code, _)| *code == "duplicate-key"));
    }

    /// entitlements-app: of `a.txt` and `a.yaml` for one group one wins in silence.
    #[test]
    fn two_files_for_one_group_do_not_shadow_each_other() {
        let found = read(&[
            ("policies/a.yaml", "groups: { corp/x: { members: [bob] } }\n"),
            ("policies/b.yaml", "groups: { corp/x: { members: [li.na] } }\n"),
        ])
        .unwrap_err();
        assert_eq!(found[0].code, "duplicate-key");
        assert_eq!(found[0].related[0].0.file.as_ref(), "policies/a.yaml");
    }

    /// entitlements-app: an unknown user name is dropped, a group of typos becomes empty, exit 0.
    #[test]
    fn an_unknown_person_is_not_dropped() {
        assert_eq!(
            refused("groups:\n  corp/x:\n    members: [wie.chen, lina]\n"),
            [("unknown-person", 3), ("unknown-person", 3)]
        );
    }

    /// entitlements-app: the day on which the last temporary line ends, every deploy fails.
    #[test]
    fn an_entry_that_has_ended_is_history_and_no_error() {
        let text = "groups: { corp/x: { members: [{person: bob, expires: 2001-01-01}] } }\n";
        let policy = read(&[("policies/x.yaml", text)]).unwrap();
        assert!(policy.warnings.is_empty() && policy.entries[0].window().expires.is_some());
    }

    /// entitlements-app: an expired `!=` line vanishes and gives the access back.
    #[test]
    fn an_exclusion_cannot_end_by_itself() {
        let except = "groups: { corp/x: { members: [bob], except: [{person: bob, expires: 2026-12-31}] } }\n";
        assert_eq!(refused(except), [("end-of-exclusion", 1)]);
        let not = "groups: { corp/x: { members: [{all: [bob, {not: {person: li.na, expires: 2026-12-31}}]}] } }\n";
        assert_eq!(refused(not), [("end-of-exclusion", 1)]);
    }

    /// entitlements-app: `username == alice` is read as the user `= alice` and empties the group.
    #[test]
    fn an_operator_of_another_language_is_no_name() {
        assert_eq!(refused("groups: { corp/x: { members: ['= bob'] } }\n"), [("unknown-person", 1)]);
    }

    /// entitlements-app: two groups that each include `t/*` depend on the order of files.
    #[test]
    fn patterns_that_name_each_other_are_a_cycle() {
        let text = "groups:\n  corp/t-a: { members: [bob, {groups: corp/t-*}] }\n  corp/t-b: { members: [{groups: corp/t-*}] }\n";
        assert_eq!(refused(text), [("cycle", 2)]);
    }

    /// entitlements-app: of two bad files only the first is reported, without a line.
    #[test]
    fn every_file_is_reported_at_once() {
        let found = read(&[
            ("policies/a.yaml", "groups: { corp/x: { members: [bobb] } }\n"),
            ("policies/b.yaml", "roles:\n  r: { grants: [corp/nope] }\n"),
        ])
        .unwrap_err();
        let places: Vec<_> = found.iter().filter_map(|f| f.span.as_ref()).map(|s| (s.file.as_ref(), s.line)).collect();
        assert_eq!(places, [("policies/a.yaml", 1), ("policies/b.yaml", 2)]);
    }

    /// YAML 1.1: a person called `no` becomes `false`; a date becomes a number; `0123` becomes 83.
    #[test]
    fn words_stay_words() {
        let text =
            "people: { no: {}, 'on': {}, 0123: { id: 0042 } }\ngroups: { corp/x: { members: [no, on, 0123] } }\n";
        let policy = read(&[("policies/x.yaml", text)]).unwrap();
        let named = |key: &str| policy.person_named(key).unwrap();
        let members: Vec<_> = policy.entries.iter().map(|entry| entry.select.clone()).collect();
        assert_eq!(members, ["no", "on", "0123"].map(|key| Select::People(vec![named(key)].into())));
        assert_eq!(policy.people[named("0123").0 as usize].id.as_deref(), Some("0042"));
    }

    /// entitlements-app: an empty folder of policies deletes everything.
    #[test]
    fn no_files_are_not_no_access() {
        let found = load(&InMemory::new([("policies/x.yaml", "people: {}\n")])).unwrap_err();
        assert_eq!(found[0].code, "no-accord-yaml");
    }

    /// entitlements-app: two configurations over one base delete each other's groups.
    #[test]
    fn two_directories_over_one_base_are_refused() {
        let second = "  trial: { kind: ldif, file: directory.ldif, accounts: { base: 'ou=p,dc=x' }, groups: { base: 'ou=g,dc=x' } }\n";
        let accord = format!("{ACCORD}{second}");
        let found = load(&InMemory::new([("policies/accord.yaml", accord.as_str())])).unwrap_err();
        assert_eq!(found[0].code, "same-directory-twice");
    }

    /// entitlements-app: a restriction that has ended widens the group; here an ended `only` empties it.
    #[test]
    fn a_restriction_may_end_because_that_takes_away() {
        let text = "groups: { corp/x: { members: [bob, li.na], only: [{person: bob, expires: 2001-01-01}] } }\n";
        assert!(read(&[("policies/x.yaml", text)]).is_ok());
    }

    /// Reused account names: the new person inherits what the old one had.
    #[test]
    fn a_name_of_somebody_who_left_is_not_given_again() {
        let text = "people:\n  ana: { expires: 2001-01-01, accounts: { corp: asilva } }\n  ann: { accounts: { corp: ASILVA } }\n";
        assert_eq!(refused(text), [("not-unique", 3)]);
    }
}
