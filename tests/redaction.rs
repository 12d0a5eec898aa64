//! What an audience is shown: no value of a person that it may not see is in anything that
//! a command with `--audience` writes, in any format, on any stream.

use crate::cli::diff_git::Story;
use crate::cli::harness::Repo;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const ACCORD: &str = "\
organization: example
timezone: Europe/Berlin
directories:
  corp:
    kind: ldif
    file: directory.ldif
    accounts:
      base: ou=people,dc=example,dc=com
      id_attribute: employeeNumber
      for: everyone
      attributes: { cn: name, sn: family_name, mail: email, departmentNumber: department, title: title }
    groups: { base: \"ou=groups,dc=example,dc=com\" }
    leavers: { then: disable }
    undeclared: { then: revoke, after: 0h }
kinds: { contractor: { default: deny, require: [sponsor, expires] } }
guardrails: { revocations: { floor: 0, percent: 0 }, minimum_members: { corp/keepers: 2 } }
policy_owners: [zoe.keyone]
approvals:
  contractors: { kinds: [contractor], from: [sponsor] }
  highest: { privileged: true, from: [owner] }
";

/// Everybody's values are words that nothing else contains.
const PEOPLE: &str = "\
people:
  zoe.keyone:
    { id: \"IDQ001\", name: Zoe Nameone, family_name: Nameone, email: zoe@mailone.example, kind: employee,
      starts: 2020-01-01, attributes: { department: deptone, title: titleone } }
  yan.keytwo:
    { id: \"IDQ002\", name: Yan Nametwo, family_name: Nametwo, email: yan@mailtwo.example, kind: employee, manager: zoe.keyone,
      starts: 2020-01-01, attributes: { department: depttwo, title: titletwo }, aliases: [yan@oldmail.example] }
  xia.keythree:
    { id: \"IDQ003\", name: Xia Namethree, family_name: Namethree, email: xia@mailthree.example, kind: contractor,
      company: Companythree, sponsor: zoe.keyone, starts: 2020-01-01, expires: 2197-03-31, accounts: { corp: acctthree },
      attributes: { department: deptthree, title: titlethree } }
  wim.keyfour:
    { id: \"IDQ004\", name: Wim Namefour, family_name: Namefour, email: wim@mailfour.example, kind: employee,
      starts: 2020-01-01, expires: 2021-12-31, attributes: { department: deptfour, title: titlefour } }
  vera.keyfive:
    { id: \"IDQ005\", name: Vera Namefive, family_name: Namefive, email: vera@mailfive.example, kind: employee,
      starts: 2020-01-01, attributes: { department: deptone, title: titlefive } }
";

const ROLES: &str = "\
roles:
  runner:
    owner: zoe.keyone
    grants: [corp/keepers, corp/open]
    members:
      - zoe.keyone
      - { person: xia.keythree, expires: 2196-12-31, ticket: TICKETWORD-1, reason: Reasonword for nameone }
      - where: person.department == \"depttwo\"
groups:
  corp/keepers: { description: Descriptionword, privileged: true, owner: zoe.keyone }
  corp/open: { owner: yan.keytwo }
  corp/late: { members: [{ person: yan.keytwo, starts: 2196-01-01 }] }
";

/// Somebody whom nobody declared, somebody with another mail and title, somebody's id on another account.
const LDIF: &str = "\
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: uid=zoe.keyone,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: zoe.keyone
cn: Zoe Oldname
sn: Oldname
mail: zoe@oldmail.example
employeeNumber: IDQ001

dn: uid=vera.keyfive,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: vera.keyfive
cn: Vera Other
sn: Other
employeeNumber: idheldelsewhere7

dn: uid=wim.keyfour,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: wim.keyfour
cn: Wim Namefour
sn: Namefour
employeeNumber: IDQ004

dn: uid=orphanname,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: orphanname
cn: Orphan Orphanfamily
sn: Orphanfamily

dn: cn=open,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: open
member: uid=orphanname,ou=people,dc=example,dc=com
member: uid=wim.keyfour,ou=people,dc=example,dc=com
member: uid=elsewhereperson,ou=other,dc=example,dc=com
";

/// What nobody but whoever may see people may see; parts of words count too.
const PERSONAL: [&str; 27] = [
    "zoe",
    "yan.",
    "xia.",
    "wim.",
    "vera",
    "keyone",
    "keytwo",
    "keythree",
    "keyfour",
    "keyfive",
    "IDQ00",
    "Name",
    "mail",
    "dept",
    "titleo",
    "titlet",
    "titlef",
    "titles",
    "Company",
    "acctthree",
    "TICKETWORD",
    "Reasonword",
    "orphanname",
    "Orphanfamily",
    "idheldelsewhere7",
    "elsewhereperson",
    "Oldname",
];

/// What is for auditors alone.
const VALUES: [&str; 14] = [
    "IDQ001",
    "IDQ002",
    "IDQ003",
    "IDQ004",
    "IDQ005",
    "idheldelsewhere7",
    "@mail",
    "@oldmail",
    "titleone",
    "titletwo",
    "titlethree",
    "titlefour",
    "Nameone",
    "Oldname",
];

const FORMATS: [&str; 7] = ["text", "json", "markdown", "github", "sarif", "codequality", "junit"];

fn story() -> Story {
    let repo = Repo::empty();
    repo.write("policies/accord.yaml", ACCORD);
    repo.write("policies/people/zoe.keyone.yaml", PEOPLE);
    repo.write("policies/roles.yaml", ROLES);
    repo.write("directory.ldif", LDIF);
    repo.write(".gitignore", "/.accord/\n*.plan.json\n");
    let story = Story { repo };
    story.git(&["init", "-q", "-b", "yan.keytwo-branch"]);
    story.commit("base");
    story.git(&["tag", "base"]);
    // Gains by rule, a lost entry, a later end, a person who goes, another who is called otherwise.
    story.repo.edit("policies/roles.yaml", "depttwo", "deptone");
    story.repo.edit("policies/roles.yaml", "2196-12-31", "2197-01-31");
    story.repo.edit("policies/roles.yaml", "      - zoe.keyone\n", "");
    story.repo.edit("policies/roles.yaml", "starts: 2196-01-01", "starts: 2196-02-01");
    story.repo.edit(
        "policies/people/zoe.keyone.yaml",
        "accounts: { corp: acctthree }",
        "accounts: { corp: acctthreenew }",
    );
    let joiner = "  una.keysix: { id: \"IDQ006\", name: Una Namesix, family_name: Namesix, email: una@mailsix.example, kind: employee,\n      \
                  starts: 2020-01-01, attributes: { department: deptone, title: titlesix } }\n";
    let people = story.repo.read("policies/people/zoe.keyone.yaml");
    story.repo.write("policies/people/zoe.keyone.yaml", &(people + joiner));
    story.commit("head");
    let _ = story.repo.accord(&["validate"]).exits(0);
    let _ = story.repo.accord(&["plan", "--out", "saved.plan.json"]);
    story
}

/// Everything that a command writes for an audience: both streams and the summary.
fn written(repo: &Repo, command: &[&str], format: &str, audience: &str) -> String {
    let _ = std::fs::remove_file(repo.file("summary.md"));
    let ran =
        repo.accord(&[command, &["--format", format, "--audience", audience, "--summary", "summary.md"]].concat());
    let mut all = format!("{}\n{}\n", ran.stdout, ran.stderr);
    if repo.file("summary.md").exists() {
        all.push_str(&repo.read("summary.md"));
    }
    all
}

const COMMANDS: [&[&str]; 7] = [
    &["validate"],
    &["plan"],
    &["plan", "--by", "group", "--at", "2196-12-31"],
    &["plan", "show", "saved.plan.json"],
    &["diff", "base..HEAD"],
    &["diff", "--at", "2026-01-01", "--and", "2198-01-01", "HEAD"],
    &["review", "approvals", "base..HEAD"],
];

/// Breaks the files in ways whose messages quote people.
fn broken() -> Vec<Story> {
    let edits = [
        ("policies/people/zoe.keyone.yaml", "id: \"IDQ002\"", "id: \"IDQ001\""),
        ("policies/people/zoe.keyone.yaml", "email: yan@mailtwo.example", "email: zoe@mailone.example"),
        ("policies/roles.yaml", "person: xia.keythree", "person: xia.keythre"),
        ("policies/people/zoe.keyone.yaml", "sponsor: zoe.keyone", "sponsor: IDQ001"),
        ("policies/people/zoe.keyone.yaml", "name: Vera Namefive", "name: [Vera Namefive]"),
    ];
    let edited = edits.map(|(path, from, to)| {
        let story = story();
        story.repo.edit(path, from, to);
        story
    });
    edited.into()
}

fn leaks(text: &str, values: &[&str]) -> Vec<String> {
    // Ids of our own rules and settings, which hold such words by chance.
    let text = text.replace("account name", "").replace("names", "");
    values.iter().filter(|value| text.contains(**value)).map(|value| (*value).to_owned()).collect()
}

#[test]
fn the_public_sees_nothing_of_a_person_in_any_format_of_any_command() {
    let story = story();
    let mut wrong = String::new();
    let mut seen = BTreeSet::new();
    for command in COMMANDS {
        for format in FORMATS {
            let text = written(&story.repo, command, format, "public");
            let found = leaks(&text, &PERSONAL);
            if !found.is_empty() {
                let _ = writeln!(wrong, "{command:?} {format}: {found:?}\n{text}\n");
            }
            seen.extend(text.contains("person-").then_some((command[0], command.get(1).copied() == Some("show"))));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // It is not that nothing was written.
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn the_public_sees_nothing_of_a_person_where_the_files_are_wrong() {
    for story in broken() {
        for command in [&["validate"][..], &["plan"], &["diff", "base"]] {
            for format in FORMATS {
                let text = written(&story.repo, command, format, "public");
                assert_eq!(leaks(&text, &PERSONAL), [""; 0], "{command:?} {format}:\n{text}");
                let text = written(&story.repo, command, format, "reviewers");
                assert_eq!(leaks(&text, &VALUES), [""; 0], "{command:?} {format}:\n{text}");
            }
        }
    }
}

#[test]
fn reviewers_see_who_and_what_but_no_values() {
    let story = story();
    for command in COMMANDS {
        for format in FORMATS {
            let text = written(&story.repo, command, format, "reviewers");
            assert_eq!(leaks(&text, &VALUES), [""; 0], "{command:?} {format}:\n{text}");
        }
    }
    let plan = written(&story.repo, &["plan"], "text", "reviewers");
    for part in ["vera.keyfive", "corp/keepers", "policies/people/", "mail \"…\" → \"another …\""] {
        assert!(plan.contains(part), "{part}:\n{plan}");
    }
    let diff = written(&story.repo, &["diff", "base..HEAD"], "text", "reviewers");
    assert!(diff.contains("TICKETWORD-1") && diff.contains("policies/roles.yaml:"), "{diff}");
}

#[test]
fn auditors_see_what_is_shown_without_the_option() {
    let story = story();
    let mut whole = String::new();
    for command in COMMANDS {
        for format in FORMATS {
            let plain = story.repo.accord(&[command, &["--format", format]].concat());
            let asked = story.repo.accord(&[command, &["--format", format, "--audience", "auditors"]].concat());
            // Clocks apart: the instant of a run is in its title.
            let still = |text: &str| text.lines().filter(|line| !line.contains("202")).collect::<Vec<_>>().join("\n");
            assert_eq!((still(&plain.stdout), plain.code), (still(&asked.stdout), asked.code), "{command:?} {format}");
            whole.extend([plain.stdout, plain.stderr]);
        }
    }
    // What the other tests look for is there to be found.
    let missing: Vec<&str> = PERSONAL.into_iter().chain(VALUES).filter(|value| !whole.contains(value)).collect();
    assert_eq!(missing, ["Orphanfamily", "IDQ001", "IDQ004", "titlefour"], "only mistakes in the files show these");
}

#[test]
fn a_pseudonym_means_the_same_in_one_output_and_nothing_in_another() {
    let story = story();
    let names = || -> BTreeSet<String> {
        let text = written(&story.repo, &["diff", "base..HEAD"], "json", "public");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| word.starts_with("person-")).map(str::to_owned).collect()
    };
    let (one, other) = (names(), names());
    assert!(one.len() > 2 && one.len() == other.len(), "{one:?} {other:?}");
    assert!(one.is_disjoint(&other), "{one:?} {other:?}");
}

#[test]
fn what_is_privileged_has_no_name_for_the_public() {
    let story = story();
    for command in COMMANDS {
        for format in FORMATS {
            let text = written(&story.repo, command, format, "public");
            // Of a saved plan only the policies around it tell what is privileged.
            assert!(!text.contains("keepers"), "{command:?} {format}:\n{text}");
        }
    }
    let text = written(&story.repo, &["diff", "base..HEAD"], "text", "public");
    assert!(text.contains("corp/open") && text.contains("a privileged group"), "{text}");
    std::fs::rename(story.repo.file("policies"), story.repo.file("elsewhere")).unwrap();
    let alone = written(&story.repo, &["plan", "show", "saved.plan.json"], "text", "public");
    assert!(!alone.contains("corp/open") && alone.contains("person-"), "{alone}");
}

#[test]
fn what_is_carried_out_cannot_be_left_out_of() {
    let story = story();
    let refused = |arguments: &[&str], why: &str| {
        let ran = story.repo.accord(&[arguments, &["--audience", "public"]].concat()).exits(1);
        assert!(ran.stderr.contains(why) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    };
    refused(&["plan", "--out", "a.plan.json"], "a saved plan is carried out as it is");
    refused(&["plan", "--format", "json"], "a plan as JSON is the file that is carried out");
    refused(&["plan", "verify", "saved.plan.json"], "shows no people");
    for command in
        [&["who", "runner"][..], &["show", "zoe.keyone"], &["drift"], &["apply", "--auto-approve"], &["expiring"]]
    {
        refused(command, "takes no --audience");
    }
    assert!(!story.repo.file("a.plan.json").exists());
    assert_eq!(story.repo.read("directory.ldif"), LDIF);
}
