//! The built binary on a domain controller: what the domain refuses stops only what
//! hangs on it, and says what to do.

use super::{groups, people};
use crate::cli::harness::{Ran, Repo};
use crate::support::samba::{ADMINISTRATOR, Samba};

fn repo(dc: &Samba, access: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("ca.pem", &std::fs::read_to_string(dc.ca()).unwrap());
    repo.write(
        "policies/accord.yaml",
        &format!(
            "organization: example\ntimezone: UTC\ndirectories:\n  corp:\n    kind: active-directory\n    url: {}\n    \
             ca: ca.pem\n    bind: {{ dn: \"{}\", password: {{ env: W }} }}\n    accounts:\n      base: {}\n      \
             adopt: true\n      initial_password: {{ env: FIRST }}\n    groups: {{ base: \"{}\", nesting: native }}\n",
            dc.url(),
            ADMINISTRATOR.0,
            people(),
            groups(),
        ),
    );
    repo.write("policies/access.yaml", access);
    repo
}

fn run(repo: &Repo, arguments: &[&str], first: &str) -> Ran {
    let output = repo.command(arguments).env("W", ADMINISTRATOR.1).env("FIRST", first).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap() }
}

#[test]
fn a_password_that_the_domain_refuses_stops_that_account_and_the_rest_goes_on() {
    let dc = super::start();
    dc.tools().modify(&format!(
        "dn: CN=eve,{}\nchangetype: add\nobjectClass: user\nsAMAccountName: eve\nuserAccountControl: 512\n\n",
        people()
    ));
    let access = "people:\n  ada: { kind: employee }\n  eve: { kind: employee }\n\
                  groups:\n  corp/inner: { members: [ada, eve] }\n  corp/outer: { members: [group: corp/inner] }\n";
    let repo = repo(&dc, access);
    let ran = run(&repo, &["apply", "--auto-approve"], "Xy7!q").exits(1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("0000052D") && told.contains("the password policy of the domain"), "{told}");
    assert!(told.lines().any(|line| line.contains("ada")), "{told}");
    assert!(!told.contains("Xy7!q"), "the password is nobody's: {told}");
    let members = |group: &str| dc.tools().values(&format!("CN={group},{}", groups()), "member");
    assert_eq!(members("inner"), [format!("CN=eve,{}", people())]);
    assert_eq!(members("outer"), [format!("CN=inner,{}", groups())]);
    assert!(!dc.samba_tool(&["user", "list"]).lines().any(|name| name == "ada"));

    // With one that it takes, exactly the rest is done.
    let _ = run(&repo, &["apply", "--auto-approve"], "Long-Enough-1!").exits(0);
    assert_eq!(members("inner").len(), 2);
    assert!(run(&repo, &["plan"], "Long-Enough-1!").exits(0).stdout.contains("\nnothing to do\n"));
}

#[test]
fn a_link_that_the_domain_forbids_is_withheld_and_the_rest_goes_on() {
    let dc = super::start();
    // Nothing is written about the scope of a group that is there: it keeps what it has.
    dc.tools().modify(&format!(
        "dn: CN=inner,{}\nchangetype: add\nobjectClass: group\nsAMAccountName: inner\ngroupType: -2147483640\n\n",
        groups()
    ));
    let access = "people:\n  ada: { kind: employee }\n\
                  groups:\n  corp/inner: { members: [ada] }\n  corp/outer: { members: [group: corp/inner] }\n";
    let repo = repo(&dc, access);
    let ran = run(&repo, &["apply", "--auto-approve"], "Long-Enough-1!").exits(3);
    let why = "`corp/inner` is universal, and `corp/outer` cannot hold it: a global group holds only accounts and global \
               groups of its own domain";
    assert!(
        ran.stdout.contains(why) && ran.stdout.contains("write `scope: universal` for `corp/outer`"),
        "{}",
        ran.stdout
    );
    let members = |group: &str| dc.tools().values(&format!("CN={group},{}", groups()), "member");
    assert_eq!((members("inner"), members("outer").len()), (vec![format!("CN=ada,{}", people())], 0));
    // As it is told: the scope first, then the link.
    repo.edit("policies/access.yaml", "corp/outer: {", "corp/outer: { scope: universal,");
    let _ = run(&repo, &["apply", "--auto-approve"], "Long-Enough-1!").exits(0);
    assert_eq!(members("outer"), [format!("CN=inner,{}", groups())]);
    assert_eq!(dc.tools().values(&format!("CN=outer,{}", groups()), "groupType"), ["-2147483640"]);
    assert!(run(&repo, &["plan"], "Long-Enough-1!").exits(0).stdout.contains("\nnothing to do\n"));
}

#[test]
fn names_that_a_domain_refuses_are_all_told_before_anything_is_sent() {
    let dc = super::start();
    let bad = ["abcdefghijklmnopqrstu", "a[b]", "a@b"];
    let people: String = bad
        .map(|name| format!("  \"p.{}\": {{ kind: employee, accounts: {{ corp: \"{name}\" }} }}\n", name.len()))
        .concat();
    let repo = repo(&dc, &format!("people:\n{people}groups:\n  corp/all: {{}}\n"));
    let before = dc.samba_tool(&["user", "list"]);
    let ran = run(&repo, &["apply", "--auto-approve"], "Long-Enough-1!").exits(1);
    for name in bad {
        assert!(ran.stderr.contains(&format!("`{name}` cannot be the name of an account")), "{}", ran.stderr);
    }
    assert_eq!(dc.samba_tool(&["user", "list"]), before);
    assert!(!dc.tools().search(&groups(), "(objectClass=group)", &["cn"]).contains("cn: all"));
}
