//! The public Kubernetes organisation edited in many ways, with the effect of each written
//! down first.

use super::diff_git::Story;
use super::harness::Repo;
use crate::support::copy_folder;
use std::path::Path;

const ACCORD: &str = "organization: kubernetes\ntimezone: UTC\nkinds: { contractor: { default: deny } }\ndirectories:\n  corp:\n    \
    kind: ldif\n    file: d.ldif\n    create: true\n    accounts: { base: 'ou=p,dc=x' }\n    groups: { base: 'ou=g,dc=x' }\n";

const FILE: &str = "policies/groups/etcd-io.yaml";
const PEOPLE: &str = "policies/people/people.yaml";
const ADMINS: &str = "  corp/etcd-io.etcd-admins:\n    description: Admin access to etcd repo\n    members:\n";
const SIX: [&str; 6] = ["ahrtr", "fuweid", "ivanvc", "serathius", "siyuanfoundation", "spzala"];
const KUBERNETES: [&str; 6] =
    ["MadhavJivrajani", "Priyankasaggu11929", "cblecker", "mrbobbytables", "nikhita", "palnabarun"];

fn organisation() -> Story {
    let story = Story { repo: Repo::empty() };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/kubernetes-org/policies");
    copy_folder(&source, &story.repo.file("policies"));
    story.repo.write("policies/accord.yaml", ACCORD);
    story.git(&["init", "-q", "-b", "main"]);
    story.commit("as it is");
    story.git(&["tag", "base"]);
    story
}

/// The groups of each person, read off the files line by line.
fn groups_of(story: &Story, person: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(story.repo.file("policies/groups")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut group = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("  corp/") {
                group = format!("corp/{}", name.trim_end_matches(':'));
            } else if line.strip_prefix("    - person: ") == Some(person) {
                found.push(group.clone());
            }
        }
    }
    found.sort();
    found
}

fn each(symbol: &str, people: &[&str], group: &str) -> Vec<String> {
    people.iter().map(|person| format!("{symbol} {person} corp/etcd-io.{group}")).collect()
}

type Edit = Box<dyn Fn(&Story)>;

/// One text of the file of the groups for another.
fn groups(from: &str, to: &str) -> Edit {
    let (from, to) = (from.to_owned(), to.to_owned());
    Box::new(move |story| story.repo.edit(FILE, &from, &to))
}

/// One more line at the top of the members of the admins.
fn member(line: &str) -> Edit {
    groups(ADMINS, &format!("{ADMINS}    - {line}\n"))
}

/// A role beside the groups.
fn role(text: &str) -> Edit {
    let text = text.to_owned();
    Box::new(move |story| story.repo.write("policies/roles.yaml", &format!("roles:\n{text}")))
}

fn line(person: &str) -> String {
    format!("    - person: {person}\n")
}

/// The admins with exactly these lines for members.
fn admins() -> String {
    format!("{ADMINS}{}", SIX.map(line).concat())
}

type Edits = Vec<(&'static str, Edit, Vec<String>)>;

fn one(symbol: &str, person: &str) -> Vec<String> {
    each(symbol, &[person], "etcd-admins")
}

/// The admins' group without members.
const BARE: &str = "  corp/etcd-io.etcd-admins:\n    description: Admin access to etcd repo\n";

/// Edits of single lines.
fn lines() -> Edits {
    let whole = admins();
    let dated = line("ahrtr").trim_end().to_owned() + "\n      expires: 2026-12-31\n";
    let month = "{ person: 0ekk, starts: 2027-02-01, expires: 2027-02-28 }";
    let rule =
        "  r: { grants: [corp/etcd-io.etcd-admins], members: [{ where: 'person.email == \"0xmh@example.org\"' }] }\n";
    let below = |story: &Story| {
        story.repo.edit(PEOPLE, "  0ekk:\n", "  0ekk:\n    manager: 08volt\n");
        story.repo.edit(FILE, ADMINS, &format!("{ADMINS}    - reports_to: 08volt\n"));
    };
    vec![
        ("a line more", member("person: 08volt"), one("+", "08volt")),
        ("a line less", groups(&whole, &whole.replace(&line("spzala"), "")), one("-", "spzala")),
        (
            "a line gets an end",
            groups(&whole, &whole.replace(&line("ahrtr"), &dated)),
            [one("<", "ahrtr"), one("@2027-01-01 -", "ahrtr")].concat(),
        ),
        (
            "a line for a month to come",
            member(month),
            [one("@2027-02-01 +", "0ekk"), one("@2027-03-01 -", "0ekk")].concat(),
        ),
        ("a glob", member("groups: corp/etcd-io.kubernetes-*"), each("+", &KUBERNETES, "etcd-admins")),
        ("except one", groups(&whole, &format!("{whole}    except: [ivanvc]\n")), one("-", "ivanvc")),
        (
            "only who is a member of the organisation",
            groups(&whole, &format!("{whole}    only: [group: corp/etcd-io.members]\n")),
            each("-", &["ahrtr", "serathius", "spzala"], "etcd-admins"),
        ),
        ("a rule", role(rule), one("+", "0xMH")),
        ("who reports to somebody", Box::new(below), one("+", "0ekk")),
    ]
}

/// Edits of whole groups and roles.
fn blocks() -> Edits {
    let whole = admins();
    let inside = format!("{BARE}    members: [group: corp/etcd-io.kubernetes-admins, {}]\n", SIX.join(", "));
    let split = format!("  etcd-admin:\n    grants: [corp/etcd-io.etcd-admins]\n    members: [{}]\n", SIX.join(", "));
    let lead = format!("{split}  lead: {{ includes: [etcd-admin], members: [0xMH] }}\n");
    let into_role = |text: String| -> Edit {
        Box::new(move |story| {
            story.repo.edit(FILE, &admins(), BARE);
            story.repo.write("policies/roles.yaml", &format!("roles:\n{text}"));
        })
    };
    let renamed = |previously: &str| whole.replace("etcd-admins:\n", &format!("etcd-owners:\n{previously}"));
    let elsewhere = |story: &Story| {
        story.repo.edit(FILE, &admins(), "");
        story.repo.write("policies/groups/etcd.yaml", &format!("groups:\n{}", admins()));
    };
    let turned = |story: &Story| {
        let mut turned = SIX.map(line);
        turned.reverse();
        story.repo.edit(FILE, &admins(), &format!("{ADMINS}    # from the last\n{}", turned.concat()));
        story.repo.write(FILE, &story.repo.read(FILE).replace('\n', "\r\n"));
    };
    vec![
        ("a group in the group", groups(&whole, &inside), each("+", &KUBERNETES, "etcd-admins")),
        ("the members become a role", into_role(split), vec![]),
        ("a role that includes another", into_role(lead), one("+", "0xMH")),
        ("renamed, and said so", groups(&whole, &renamed("    previously: etcd-io.etcd-admins\n")), vec![]),
        (
            "renamed in silence",
            groups(&whole, &renamed("")),
            [each("+", &SIX, "etcd-owners"), each("-", &SIX, "etcd-admins")].concat(),
        ),
        ("nobody is left", groups(&whole, BARE), each("-", &SIX, "etcd-admins")),
        (
            "the group ends",
            groups(&whole, &format!("{whole}    expires: 2026-12-31\n")),
            [each("<", &SIX, "etcd-admins"), each("@2027-01-01 -", &SIX, "etcd-admins")].concat(),
        ),
        ("the group stands in another file", Box::new(elsewhere), vec![]),
        ("other order, other line ends, comments", Box::new(turned), vec![]),
    ]
}

/// Edits of a person.
fn person(story: &Story) -> Edits {
    let all: Vec<String> = groups_of(story, "serathius").iter().map(|group| format!("- serathius {group}")).collect();
    assert!(all.len() > 2, "{all:?}");
    let ends = |story: &Story| story.repo.edit(PEOPLE, "  serathius:\n", "  serathius:\n    expires: 2026-06-30\n");
    vec![
        ("a person ends", Box::new(ends), all.clone()),
        ("a person goes from all files", Box::new(remove_serathius), all),
        ("whom lines name may be a contractor", Box::new(|story| to_contractor(story, "serathius")), vec![]),
    ]
}

fn remove_serathius(story: &Story) {
    for entry in std::fs::read_dir(story.repo.file("policies/groups")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&line("serathius"), "")).unwrap();
    }
    let people = story.repo.read(PEOPLE);
    let start = people.find("  serathius:\n").unwrap();
    let end = start + 1 + people[start + 1..].find("\n  ").map(|n| next_key(&people[start + 1..], n)).unwrap();
    story.repo.write(PEOPLE, &format!("{}{}", &people[..start], &people[end..]));
}

/// Where the next person begins.
fn next_key(text: &str, mut from: usize) -> usize {
    while text[from + 1..].starts_with("   ") {
        from += 1 + text[from + 1..].find('\n').unwrap();
    }
    from + 1
}

fn to_contractor(story: &Story, person: &str) {
    let people = story.repo.read(PEOPLE);
    let start = people.find(&format!("  {person}:\n")).unwrap();
    let kind = start + people[start..].find("kind: employee").unwrap();
    story
        .repo
        .write(PEOPLE, &format!("{}kind: contractor{}", &people[..kind], &people[kind + "kind: employee".len()..]));
}

#[test]
fn twenty_edits_of_a_real_organisation_have_the_effect_that_was_written_down_first() {
    let story = organisation();
    let edits: Edits = lines().into_iter().chain(blocks()).chain(person(&story)).collect();
    assert!(edits.len() >= 20);
    for (name, edit, mut expected) in edits {
        edit(&story);
        let mut effect = story.effect("base");
        effect.sort();
        expected.sort();
        assert_eq!(effect, expected, "{name}");
        story.git(&["checkout", "-q", "."]);
        story.git(&["clean", "-fdq"]);
    }
}
