//! SIGKILL between a rename and what has to follow it, on servers that move no member
//! themselves.

use super::bed::{Bed, System};
use super::view::{self, Entries};
use super::weeks::Size;
use crate::cli::harness::Repo;
use crate::support::gate::Gate;
use crate::support::slapd::{GROUPS, Options, PEOPLE, READER, Slapd, WRITER};

/// A server without referential integrity.
fn bed() -> Bed {
    let server = Slapd::start(&Options { refint: false, memberof: false, ..Options::default() });
    let gate = Gate::start(server.port());
    Bed {
        repo: Repo::empty(),
        system: System::Slapd(Box::new((server, gate))),
        size: Size { people: 0, groups: 0 },
        journal: None,
    }
}

/// Two people and a group that have other names every time.
fn write(bed: &Bed, class: &str, time: usize) {
    let url = bed.gate().url();
    bed.repo.write(
        "policies/accord.yaml",
        &format!(
            "organization: example\ntimezone: UTC\ndirectories:\n  corp:\n    kind: ldap\n    url: {url}\n    tls: none\n    \
             bind: {{ dn: \"{}\", password: {{ env: W }} }}\n    plan_bind: {{ dn: \"{}\", password: {{ env: R }} }}\n    \
             accounts: {{ base: \"{PEOPLE}\", id_attribute: employeeNumber, for: everyone, attributes: {{ cn: name }} }}\n    \
             groups: {{ base: \"{GROUPS}\", object_class: {class} }}\n",
            WRITER.0, READER.0
        ),
    );
    let account = |name: &str| if time == 0 { name.to_owned() } else { format!("{name}-x") };
    let person = |n: usize, key: &str, name: &str| {
        format!(
            "  {key}: {{ id: \"{n}\", name: {key}, family_name: P, email: {key}@example.com, kind: employee, \
             starts: 2020-01-01, accounts: {{ corp: {name} }} }}\n"
        )
    };
    let people = [person(1, "ada", &account("ada")), person(2, "bob", &account("bob")), person(3, "eve", "eve")];
    bed.repo.write("policies/people.yaml", &format!("people:\n{}", people.concat()));
    let group = |n: usize, key: &str, more: &str, members: &str| {
        let number = if class == "posixGroup" {
            format!("attributes: {{ gidNumber: \"{}\" }}, ", 500 + n)
        } else {
            String::new()
        };
        format!("  corp/{key}: {{ {more}{number}members: [{members}] }}\n")
    };
    let (now, before) = (format!("lower-{time}"), format!("previously: lower-{}, ", 1 - time));
    let groups = [
        group(0, "team", "", "ada, bob"),
        group(1, "ops", "", "ada, eve"),
        group(2, "upper", "", "eve"),
        group(3, &now, &before, "bob"),
    ];
    bed.repo.write("policies/groups.yaml", &format!("groups:\n{}", groups.concat()));
}

/// Applies the other names as often as it takes to have killed after every answer once.
fn killed_while_names_change(class: &str) {
    let bed = bed();
    let undisturbed = |time: usize| -> (Entries, usize) {
        write(&bed, class, time);
        bed.gate().close_after(usize::MAX);
        bed.converges(&format!("{class} {time}, undisturbed"));
        (bed.entries_of(class), bed.gate().passed())
    };
    undisturbed(0);
    if class == "groupOfNames" {
        // Accord nests nothing, and keeps what somebody nests.
        let nested = format!("dn: cn=upper,{GROUPS}\nchangetype: modify\nadd: member\nmember: cn=lower-0,{GROUPS}\n");
        bed.server().ldapmodify(&nested);
    }
    undisturbed(1);
    let first = undisturbed(0);
    let wanted = [first, undisturbed(1)];
    let most = wanted[0].1.max(wanted[1].1);
    assert!(most > 4, "{most}");
    for n in 0..2 * most {
        let (time, answers) = (n % 2, n / 2);
        let (entries, writes) = &wanted[time];
        write(&bed, class, time);
        if answers < *writes {
            let at = format!("{class} {time}, {answers} of {writes} answers");
            let _ = bed.killed_after(answers, *writes, &at);
            bed.verify(&at);
            bed.converges(&at);
            let found = bed.entries_of(class);
            assert!(&found == entries, "{at}: {:?}", view::changes(entries, &found));
        } else {
            bed.converges(&format!("{class} {time}, whole"));
        }
    }
}

#[test]
fn killed_while_names_change_that_members_are_listed_by_dn() {
    killed_while_names_change("groupOfNames");
}

#[test]
fn killed_while_names_change_that_members_are_listed_by_name() {
    killed_while_names_change("posixGroup");
}
