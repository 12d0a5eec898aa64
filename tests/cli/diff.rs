//! `accord diff`: what commits change in effective access, through everything that git
//! and strangers do to a repository.

use super::diff_git::{Story, git};
use super::harness::Repo;
use std::fmt::Write as _;
use std::time::Instant as Clock;

const NOTHING: [&str; 0] = [];

/// A later end, a dated entry, one that is over, a role that gives more, a joiner.
fn changed() -> Story {
    let story = Story::company();
    story.repo.edit("policies/roles.yaml", "expires: 2196-12-31", "expires: 2197-01-31");
    story.repo.edit("policies/roles.yaml", "grants: [corp/staff]", "grants: [corp/staff, corp/vpn]");
    story.repo.edit(
        "policies/roles.yaml",
        "      - person: li.na\n",
        "      - person: li.na\n      - person: ana.silva\n        starts: 2026-12-01\n        expires: 2027-01-31\n\
         \x20     - person: ana.silva\n        expires: 2020-05-31\n",
    );
    story.repo.edit(
        "policies/roles.yaml",
        "description: Network access",
        "description: Network access, privileged: true",
    );
    let people = story.repo.read("policies/people.yaml");
    let joiner = "  new.one: { id: \"9\", name: New One, kind: employee, starts: 2020-01-01, expires: 2027-03-31 }\n";
    story.repo.write("policies/people.yaml", &(people + joiner));
    story
}

#[test]
fn who_gains_and_loses_what_is_told_with_the_reason_on_each_side() {
    let story = changed();
    let (base, head) = (story.git(&["rev-parse", "base"]), story.commit("head"));
    let shown = story.diff(&["base..HEAD"]).exits(0).quiet();
    let shown = shown.replace(&base[..7], "[base]").replace(&head[..7], "[head]");
    insta::assert_snapshot!(shown, @r"
    policies [base] → [head] · 2026-11-23 01:00 Europe/Berlin

    Joining
      + new.one  present, before: not declared
          + corp/staff            until 2027-04-01 00:00, granted by role staff, because kind is employee  policies/roles.yaml:21
          + corp/vpn privileged   until 2027-04-01 00:00, granted by role staff, because kind is employee  policies/roles.yaml:21

    Changing
      ~ ana.silva
          + corp/vpn privileged   granted by role staff, because kind is employee  policies/roles.yaml:21
      ~ maria.lopez
          ~ corp/sre              until 2197-02-01 00:00 (before: until 2197-01-01 00:00), granted by role sre, person: maria.lopez, expires 2197-01-31 · ACC-1042 · Migration project  policies/roles.yaml:8
          ~ corp/vpn privileged   until 2197-02-01 00:00 (before: until 2197-01-01 00:00), granted by role sre, person: maria.lopez, expires 2197-01-31 · ACC-1042 · Migration project  policies/roles.yaml:8

    Scheduled by this change
      2026-12-01 00:00 + ana.silva corp/sre
      2027-02-01 00:00 - ana.silva corp/sre
      2027-04-01 00:00 - new.one corp/staff, new.one corp/vpn
      2197-02-01 00:00 - maria.lopez corp/sre, maria.lopez corp/vpn

    Roles and groups
      role staff                  gives corp/vpn

    Look at
      ! extends access: maria.lopez keeps corp/sre until 2197-02-01 00:00, before: 2197-01-01 00:00  policies/roles.yaml:8
      ! extends access: maria.lopez keeps corp/vpn until 2197-02-01 00:00, before: 2197-01-01 00:00  policies/roles.yaml:8
      ! a dated entry of role sre never takes effect: it ended 2020-06-01 00:00  policies/roles.yaml:16

    3 people gain · 3 gained, 2 extended, 1 scheduled to begin, 5 scheduled to end
    ");
    // The way back: what is lost was held because, and is not now because.
    let back = story.diff(&["HEAD..base"]).exits(0).quiet();
    assert!(back.contains("- corp/vpn privileged   was granted by role staff, because kind is employee"), "{back}");
    assert!(back.contains("now: nothing gives corp/vpn to ana.silva"), "{back}");
    assert!(back.contains("Leaving\n  ✗ new.one  not declared, before: present"), "{back}");
    assert!(back.contains("Called off by this change\n  2026-12-01 00:00 + ana.silva corp/sre"), "{back}");
    let json = story.json("base..HEAD");
    for key in ["base", "head", "at", "gained", "lost", "extended", "shortened", "scheduled"] {
        assert!(!json[key].is_null(), "{key}");
    }
    assert_eq!((&json["base"], &json["head"]), (&base.into(), &head.into()));
    assert_eq!(json["at"], "2026-11-23T00:00:00Z");
    assert_eq!(json["gained"][0]["entitlement"], "corp/vpn");
    assert_eq!(json["gained"][0]["because"][1]["file"], "policies/roles.yaml");
    assert_eq!(json["extended"][0]["before"]["ends"], "2196-12-31T23:00:00Z");
    assert_eq!(json["scheduled"][0]["gained"][0]["person"], "ana.silva");
    let _ = story.diff(&["base..HEAD", "--detailed-exitcode"]).exits(2);
    let _ = story.diff(&["HEAD..HEAD", "--detailed-exitcode"]).exits(0);
    assert!(story.diff(&["HEAD..HEAD"]).exits(0).quiet().contains("nobody gains or loses anything"));
}

/// The work tree, dirty or not, and two instants of one commit.
#[test]
fn the_work_tree_and_two_instants_are_sides_too() {
    let story = changed();
    let dirty = story.diff(&["base", "--format", "json"]).exits(0).quiet();
    let head = story.commit("head");
    let committed = story.diff(&["base..HEAD", "--format", "json"]).exits(0).quiet();
    assert_eq!(dirty.replace("work tree", &head), committed);
    assert_eq!(story.effect("HEAD"), NOTHING);
    let between = |range: &[&str]| {
        let words = [&["diff", "--at", "2026-11-30", "--and", "2026-12-02", "--format", "json"], range].concat();
        super::diff_git::effect(&serde_json::from_str(&story.repo.accord(&words).exits(0).quiet()).unwrap())
    };
    assert_eq!(between(&[]), ["+ ana.silva corp/sre"]);
    assert_eq!(between(&["base"]), NOTHING);
    let refused = story.repo.accord(&["diff", "base..HEAD", "--at", "2026-11-30", "--and", "2026-12-02"]).exits(1);
    assert!(refused.stderr.contains("two instants are of one commit"), "{}", refused.stderr);
}

/// A word in an attribute, a nested role, a manager: lines that name nobody.
#[test]
fn what_reaches_people_through_something_else_is_told_by_person() {
    let story = Story::company();
    let more = "  platform: { grants: [corp/vpn], members: [{ where: 'person.department == \"platform\"' }] }\n\
                \x20 lead: { includes: [platform], members: [{ reports_to: wei.chen }] }\ngroups:\n";
    story.edit("policies/roles.yaml", "groups:\n", more);
    assert_eq!(story.effect("base..HEAD"), ["+ ana.silva corp/vpn"]);
    let before = story.git(&["rev-parse", "HEAD"]);
    story.edit("policies/people.yaml", "    manager: wei.chen\n", "");
    assert_eq!(story.effect(&format!("{before}..HEAD")), ["- ana.silva corp/vpn"]);
    story.edit("policies/people.yaml", "department: finance", "department: platform");
    assert_eq!(story.effect(&format!("{before}..HEAD")), NOTHING);
}

/// Files and lines that move, keys that change with the id kept, a group that is renamed:
/// nobody's access changes, and what is called otherwise is told.
#[test]
fn what_only_moves_is_no_change() {
    let story = Story::company();
    story.git(&["mv", "policies/roles.yaml", "policies/platform.yaml"]);
    let roles = story.repo.read("policies/platform.yaml");
    story
        .repo
        .write("policies/platform.yaml", &format!("# moved\n\n{roles}").replace("- wei.chen", "- person: wei.chen"));
    story.commit("moved");
    assert_eq!(story.effect("base..HEAD"), NOTHING);
    for file in ["policies/people.yaml", "policies/platform.yaml"] {
        let text = story.repo.read(file).replace("wei.chen", "wei.zhang");
        let text = text.replace("corp/vpn: {", "corp/network: { previously: vpn,").replace("corp/vpn", "corp/network");
        story.repo.write(file, &text);
    }
    story.commit("renamed");
    let json = story.json("base..HEAD");
    assert_eq!(super::diff_git::effect(&json), NOTHING);
    assert_eq!(
        (&json["people"][0]["formerly"], &json["people"][0]["person"]),
        (&"wei.chen".into(), &"wei.zhang".into())
    );
    assert_eq!(json["groups"][0]["change"], "renamed");
    // A key that is given to another id is another person.
    story.edit("policies/people.yaml", "id: \"2\"", "id: \"77\"");
    let effect = story.effect("HEAD~1..HEAD");
    assert_eq!(effect, ["+ ana.silva corp/staff", "- ana.silva corp/staff"]);
}

#[test]
fn line_ends_are_no_change() {
    let story = Story::company();
    for file in ["policies/accord.yaml", "policies/people.yaml", "policies/roles.yaml"] {
        story.repo.write(file, &story.repo.read(file).replace('\n', "\r\n"));
    }
    assert_eq!(story.effect("base"), NOTHING);
    story.commit("CRLF");
    assert_eq!(story.effect("base..HEAD"), NOTHING);
    story.edit("policies/roles.yaml", "corp/staff]\r\n", "corp/staff, corp/vpn]\r\n");
    assert_eq!(story.effect("base..HEAD"), ["+ ana.silva corp/vpn"]);
}

/// A topic branch, main going on meanwhile, a merge, a rebase, a force push.
#[test]
fn merges_rebases_and_force_pushes_give_the_same_effect() {
    let story = Story::company();
    story.git(&["checkout", "-q", "-b", "topic"]);
    let tip = story.edit("policies/roles.yaml", "grants: [corp/staff]", "grants: [corp/staff, corp/vpn]");
    story.git(&["checkout", "-q", "main"]);
    story.edit(
        "policies/people.yaml",
        "  li.na:\n",
        "  zoe.x: { id: \"8\", kind: employee, starts: 2020-01-01 }\n  li.na:\n",
    );
    let (zoe, ana) = ("- zoe.x corp/staff", "+ ana.silva corp/vpn");
    // Two points differ by what main got meanwhile, three do not.
    assert_eq!(story.effect("main..topic"), [ana, zoe]);
    assert_eq!(story.effect("main...topic"), [ana]);
    story.git(&["checkout", "-q", "topic"]);
    story.git(&["rebase", "-q", "main"]);
    assert_eq!(story.effect("main..topic"), [ana, "+ zoe.x corp/vpn"]);
    assert_eq!(story.effect("main...topic"), [ana, "+ zoe.x corp/vpn"]);
    // What was pushed over is still there by its id.
    assert_eq!(story.effect(&format!("base..{tip}")), [ana]);
    story.git(&["checkout", "-q", "main"]);
    story.git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
    assert_eq!(story.effect("main^1..main"), [ana, "+ zoe.x corp/vpn"]);
    assert_eq!(story.effect("topic..main"), NOTHING);
    assert_eq!(story.effect("base...main").len(), 3);
}

#[test]
fn a_shallow_clone_says_how_deep_it_is() {
    let story = Story::company();
    story.edit("policies/roles.yaml", "grants: [corp/staff]", "grants: [corp/staff, corp/vpn]");
    let tip = story.edit("policies/roles.yaml", "grants: [corp/staff, corp/vpn]", "grants: [corp/staff]");
    let from = format!("file://{}", story.repo.path().display());
    let clone = Repo::empty();
    git(clone.path(), &["clone", "-q", "--depth=2", &from, "."]);
    let base = story.git(&["rev-parse", "base"]);
    for range in [format!("{base}..HEAD"), "HEAD~2..HEAD".to_owned(), format!("{base}...HEAD")] {
        let refused = clone.accord(&["diff", &range]).exits(1).stderr;
        assert!(refused.contains("this clone is shallow, 2 commits deep"), "{range}: {refused}");
        assert!(refused.contains("git fetch --deepen=100") && refused.contains("--unshallow"), "{refused}");
    }
    let _ = clone.accord(&["diff", &format!("HEAD~1..{tip}")]).exits(0);
    git(clone.path(), &["fetch", "-q", "--unshallow", "--tags"]);
    assert!(clone.accord(&["diff", "base..HEAD"]).exits(0).quiet().contains("nobody gains or loses anything"));
}

#[test]
fn revisions_that_are_not_there_are_errors() {
    let story = Story::company();
    let refused = |words: &[&str]| story.repo.accord(&[&["diff"], words].concat()).exits(1).stderr;
    assert!(refused(&["nonsense..HEAD"]).contains("`nonsense`"));
    assert!(refused(&["HEAD..nonsense"]).contains("`nonsense`"));
    assert!(refused(&["nonsense...HEAD"]).contains("`nonsense`"));
    assert!(refused(&["base..HEAD", "--at", "soon"]).contains("`soon` is not a time"));
    assert!(refused(&["base..HEAD", "--format", "csv"]).contains("does not write csv"));
    story.git(&["checkout", "-q", "--orphan", "other"]);
    story.commit("another beginning");
    assert!(refused(&["main...other"]).contains("they have no commit in common"));
    assert_eq!(story.effect("main..other"), NOTHING);
    let none = Repo::company();
    assert!(none.accord(&["diff", "main..HEAD"]).exits(1).stderr.contains("is in no git repository"));
    git(none.path(), &["init", "-q"]);
    let unborn = none.accord(&["diff"]).exits(1).stderr;
    assert!(unborn.contains("`HEAD`"), "{unborn}");
}

/// Which side is wrong is said, and nothing is compared.
#[test]
fn policies_with_mistakes_are_told_with_their_revision() {
    let story = Story::company();
    let wrong = story.edit("policies/roles.yaml", "person: maria.lopez", "person: maria.lopes");
    for (range, rev) in [("base..HEAD", "HEAD"), ("HEAD..base", "HEAD")] {
        let ran = story.diff(&[range]).exits(1);
        assert!(ran.stderr.contains("nobody is called `maria.lopes`"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("policies of {rev}, commit {}", &wrong[..7])), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    let ran = story.diff(&["base"]).exits(1);
    assert!(ran.stderr.contains("maria.lopes") && !ran.stderr.contains("found in"), "{}", ran.stderr);
}

/// What a stranger's commit may hold: links, modules, trees that unfold without end. And
/// nothing is contacted, resolved or run.
#[test]
fn a_strangers_commit_is_only_read() {
    let story = Story::company();
    let accord = story.repo.read("policies/accord.yaml");
    let ldap = accord.replace(
        "kind: ldif\n    file: directory.ldif\n    create: true\n",
        "kind: ldap\n    url: ldaps://nowhere.invalid\n    \
        bind: { dn: 'cn=a,dc=example,dc=com', password: { command: [touch, ran] } }\n",
    );
    assert_ne!(accord, ldap);
    story.repo.write("policies/accord.yaml", &ldap);
    story.commit("a program as secret");
    assert_eq!(story.effect("base..HEAD"), NOTHING);
    assert!(!story.repo.file("ran").exists() && !story.repo.file(".accord").exists());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", story.repo.file("policies/x.yaml")).unwrap();
        story.commit("a link");
        assert!(story.diff(&["base..HEAD"]).exits(1).stderr.contains("is a symbolic link"));
    }
    let refused = |tree: &str| {
        let commit = story.git(&["commit-tree", tree, "-m", "x"]);
        let start = Clock::now();
        let ran = story.diff(&[&format!("base..{commit}")]).exits(1);
        assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
        ran.stderr
    };
    let repository = git2::Repository::open(story.repo.path()).unwrap();
    let blob = repository.blob(b"people: {}\n").unwrap();
    let tree = |entries: &[(String, git2::Oid, i32)]| {
        let mut builder = repository.treebuilder(None).unwrap();
        for (name, id, mode) in entries {
            builder.insert(name, *id, *mode).unwrap();
        }
        builder.write().unwrap()
    };
    let root = |inner: git2::Oid| tree(&[("policies".to_owned(), inner, 0o040_000)]).to_string();
    // Ten in each of ten folders, ten deep: ten thousand million files from a few kilobytes.
    let ten = |id, mode, ending: &str| (0..10).map(|n| (format!("f{n}{ending}"), id, mode)).collect::<Vec<_>>();
    let mut many = tree(&ten(blob, 0o100_644, ".yaml"));
    for _ in 0..9 {
        many = tree(&ten(many, 0o040_000, ""));
    }
    assert!(refused(&root(many)).contains("more than 100000 files and folders"));
    let mut deep = tree(&ten(blob, 0o100_644, ".yaml"));
    for _ in 0..2_000 {
        deep = tree(&[("d".to_owned(), deep, 0o040_000)]);
    }
    assert!(refused(&root(deep)).contains("nested more than 64 deep"));
    let module = tree(&[("m".to_owned(), repository.head().unwrap().target().unwrap(), 0o160_000)]);
    assert!(refused(&root(module)).contains("is a submodule"));
    let large = repository.blob(&vec![b'#'; (64 << 20) + 1]).unwrap();
    assert!(refused(&root(tree(&[("accord.yaml".to_owned(), large, 0o100_644)]))).contains("MiB, more than 64 MiB"));
}

/// A group that only its directory could tell is never called empty.
#[test]
fn what_hangs_on_groups_that_were_not_read_is_not_known() {
    let story = Story::company();
    story.repo.edit("policies/roles.yaml", "groups:\n", "groups:\n  corp/trained: { manage: reference }\n");
    story.edit(
        "policies/roles.yaml",
        "    grants: [corp/staff]\n",
        "    grants: [corp/staff]\n    only: [group: corp/trained]\n",
    );
    let shown = story.diff(&["base..HEAD"]).exits(0).quiet();
    let line =
        "? corp/staff                hangs on members of corp/trained (not read): ana.silva, wei.chen may lose it";
    assert!(shown.contains(line), "{shown}");
    assert!(!shown.contains("- corp/staff") && !shown.contains("? corp/trained"), "{shown}");
    let _ = story.diff(&["base..HEAD", "--detailed-exitcode"]).exits(2);
}

/// Names that would be markup, a diagram, a line of a terminal, a call of somebody.
#[test]
fn hostile_text_is_shown_as_text() {
    let story = Story::company();
    let hostile = "\"<script>x</script> | @team [a](https://evil.example) `c` ``` \\u001b[2J \\u202e ]] --> x\"";
    story.repo.edit("policies/roles.yaml", "reason: Migration project", &format!("reason: {hostile}"));
    story.repo.edit("policies/roles.yaml", "expires: 2196-12-31", "expires: 2197-01-31");
    story.repo.edit("policies/roles.yaml", "  staff:\n", "  \"s```\\\"] --> <b>\": { grants: [corp/vpn] }\n  staff:\n");
    story.commit("hostile");
    let comment = story.diff(&["base..HEAD", "--format", "markdown"]).exits(0).quiet();
    for raw in ["<script", "@team", "https://", "\u{1b}", "\u{202e}", "`c`", "<b>"] {
        assert!(!comment.contains(raw), "{raw}: {comment}");
    }
    assert_eq!(comment.matches("```").count(), 2, "the diagram's own fence: {comment}");
    assert!(comment.contains("n0[\"role s#96;#96;#96;#34;#93; --#62; #60;b#62;\"]"), "{comment}");
    let table = comment.lines().find(|line| line.starts_with("| maria.lopez | corp/sre")).unwrap();
    assert_eq!(table.replace("\\|", "").matches('|').count(), 5, "{table}");
    let text = story.diff(&["base..HEAD"]).exits(0).quiet();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

/// A comment holds 65,536 characters: totals and the artifact's name stay, and everything
/// privileged.
#[test]
fn a_comment_is_cut_where_it_must_be_and_never_what_is_privileged() {
    let story = Story::company();
    let mut people = story.repo.read("policies/people.yaml");
    for n in 0..1_500 {
        writeln!(people, "  p{n:04}: {{ id: \"1{n:04}\", kind: employee, starts: 2020-01-01 }}").unwrap();
    }
    story.repo.write("policies/people.yaml", &people);
    story.repo.edit("policies/roles.yaml", "corp/vpn: {", "corp/vpn: { privileged: true,");
    let base = story.commit("many people");
    let roles = "  more: { grants: [corp/sre], members: [{ where: person.kind == \"employee\" }] }\n\
                 \x20 few: { grants: [corp/vpn], members: [{ where: 'person.key.startsWith(\"p00\")' }] }\ngroups:\n";
    story.edit("policies/roles.yaml", "groups:\n", roles);
    let words =
        [format!("{base}..HEAD"), "--format".into(), "markdown".into(), "--artifact".into(), "whole-diff".into()];
    let comment = story.diff(&words.each_ref().map(String::as_str)).exits(0).quiet();
    assert!(comment.chars().count() <= 65_536 && comment.len() > 40_000, "{}", comment.len());
    assert!(
        comment.starts_with("<!-- accord diff -->\n### accord: 1,501 people gain · 1,601 gained\n"),
        "{}",
        &comment[..200]
    );
    assert!(comment.contains("Everything is in the artifact whole-diff."));
    for n in 0..100 {
        assert!(comment.contains(&format!("| gained | p{n:04} | corp/vpn |")), "p{n:04}");
    }
    assert_eq!(comment.matches("<details").count(), comment.matches("</details>").count());
    // More of it than there is room for with reasons: by name.
    story.edit("policies/roles.yaml", "startsWith(\"p00\")", "startsWith(\"p\")");
    let comment = story.diff(&words.each_ref().map(String::as_str)).exits(0).quiet();
    assert!(comment.chars().count() <= 65_536);
    assert!((0..1_500).all(|n| comment.contains(&format!("p{n:04}"))));
    // More than a comment holds at all: no comment, rather than one that hides some.
    story.repo.edit("policies/roles.yaml", "corp/sre: {", "corp/sre: { privileged: true,");
    let mut groups = String::from("groups:\n");
    let mut grants = String::new();
    for n in 0..10 {
        writeln!(groups, "  corp/secret-{n}: {{ privileged: true }}").unwrap();
        write!(grants, ", corp/secret-{n}").unwrap();
    }
    story.repo.edit("policies/roles.yaml", "groups:\n", &groups);
    story.edit("policies/roles.yaml", "grants: [corp/sre], ", &format!("grants: [corp/sre{grants}], "));
    let refused = story.diff(&words.each_ref().map(String::as_str)).exits(1);
    assert!(refused.stderr.contains("changes of privileged access take"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
}

#[test]
fn endings_become_calendars_and_tables() {
    let story = Story::company();
    let ask =
        |words: &[&str]| story.repo.accord(&[&["expiring", "--at", "2196-12-20"], words].concat()).exits(0).quiet();
    let calendar = ask(&["--format", "ics"]);
    assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 1, "{calendar}");
    assert!(
        calendar.contains("DTSTART:21961231T230000Z") && calendar.contains("SUMMARY:maria.lopez loses role sre")
            || calendar.contains("SUMMARY:maria.lopez loses sre"),
        "{calendar}"
    );
    let table = ask(&["--format", "csv"]);
    insta::assert_snapshot!(table, @r#"
    answers for it,ends,person,what,because,note,file,line
    wei.chen,2196-12-31T23:00:00Z,maria.lopez,sre,"member entry","ACC-1042 · Migration project",policies/roles.yaml,8
    "#);
    assert_eq!(ask(&["--format", "csv", "--for", "ana.silva"]).lines().count(), 1);
    assert_eq!(ask(&["--format", "csv", "--for", "wei.chen"]), table);
    let files = ask(&["--format", "ics", "--out", "calendars"]);
    assert_eq!(files, "calendars/wei.chen.ics\n");
    // Line ends are stripped by the harness, not by the file.
    let written = story.repo.read("calendars/wei.chen.ics");
    assert!(written.starts_with("BEGIN:VCALENDAR\r\n") && written.lines().count() == calendar.lines().count());
    let refused = story.repo.accord(&["expiring", "--out", "x"]).exits(1).stderr;
    assert!(refused.contains("--format ics"), "{refused}");
    let refused = story.repo.accord(&["plan", "--format", "ics"]).exits(1).stderr;
    assert!(refused.contains("does not write ics"), "{refused}");
}
