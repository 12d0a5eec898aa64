//! `bind: { sasl: gssapi }` with a real key distribution centre: a Samba domain
//! controller's, for its own LDAP and for an OpenLDAP server of the same realm. The
//! built binary each time: whose tickets count is a matter of the environment.

use crate::cli::harness::{Ran, Repo};
use crate::support::kerberos::Realm;
use crate::support::samba::{ADMINISTRATOR, BASE, Samba};
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, WRITER, free_port, people_ldif};
use std::path::Path;
use std::time::{Duration, Instant};

/// What Samba must be told before it takes tickets over TLS.
const OVER_TLS: &str = "  ldap server require strong auth = allow_sasl_over_tls\n";

/// The domain's administrator, as a principal of the realm.
const OWNER: (&str, &str) = ("administrator", ADMINISTRATOR.1);

/// A domain with the two organisational units, its realm, and tickets in `cc`.
fn start(global: &str) -> (Samba, Realm) {
    let dc = Samba::start_realm(global);
    let unit = |name: &str| format!("dn: OU={name},{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n\n");
    dc.tools().modify(&(unit("people") + &unit("groups")));
    let realm = Realm::of(&dc);
    realm.kinit(OWNER, "cc", "9h");
    (dc, realm)
}

/// Tests reach it as `localhost`: it gets a key for that name.
fn serve_localhost(dc: &Samba) {
    dc.tools().modify(&format!(
        "dn: CN=DC1,OU=Domain Controllers,{BASE}\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: \
         ldap/localhost\n\n"
    ));
}

fn repo(ca: &Path, settings: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("ca.pem", &std::fs::read_to_string(ca).unwrap());
    repo.write(
        "policies/accord.yaml",
        &format!("organization: example\ntimezone: UTC\ndirectories:\n  corp:\n    ca: ca.pem\n{settings}"),
    );
    repo.write(
        "policies/access.yaml",
        "people:\n  ada: { kind: employee, name: Ada, family_name: Ada }\n  eve: { kind: employee, name: Eve, family_name: \
         Eve }\ngroups:\n  corp/all: { members: [ada, eve] }\n",
    );
    repo
}

fn domain(dc: &Samba, url: &str) -> Repo {
    let settings = format!(
        "    kind: active-directory\n    url: {url}\n    bind: {{ sasl: gssapi }}\n    connect_timeout: 5\n    accounts: \
         {{ base: \"OU=people,{BASE}\" }}\n    groups: {{ base: \"OU=groups,{BASE}\" }}\n"
    );
    repo(&dc.ca(), &settings)
}

fn ran(repo: &Repo, realm: &Realm, arguments: &[&str], (view, cache): (&str, &str), preload: Option<&Path>) -> Ran {
    let mut command = repo.command(arguments);
    realm.known_to(&mut command, view, cache);
    // The key of snapshots may not lie inside the repository.
    command.env("XDG_STATE_HOME", realm.file("state"));
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap() }
}

fn run(repo: &Repo, realm: &Realm, arguments: &[&str], cache: &str) -> Ran {
    ran(repo, realm, arguments, ("krb5.conf", cache), None)
}

#[test]
fn a_domain_is_planned_and_applied_with_a_ticket_and_no_password() {
    let (dc, realm) = start(OVER_TLS);
    serve_localhost(&dc);
    let url = format!("ldaps://localhost:{}", dc.tls_port());
    let repo = domain(&dc, &url);
    let plan = run(&repo, &realm, &["plan"], "cc").exits(0).stdout;
    assert!(plan.contains("complete") && plan.contains("2 grants"), "{plan}");
    let _ = run(&repo, &realm, &["apply", "--auto-approve"], "cc");
    let members = dc.tools().values(&format!("CN=all,OU=groups,{BASE}"), "member");
    assert_eq!(members, [format!("CN=ada,OU=people,{BASE}"), format!("CN=eve,OU=people,{BASE}")]);
    let again = run(&repo, &realm, &["plan"], "cc").exits(0).stdout;
    assert!(again.contains("incremental since") && again.contains("2 accounts and 1 group changed"), "{again}");

    // Somebody else's ticket shows what they may see: nothing of what was read before counts.
    dc.samba_tool(&["user", "create", "zoe", "Long-Enough-1!"]);
    realm.kinit(("zoe", "Long-Enough-1!"), "zoe", "1h");
    let other = run(&repo, &realm, &["plan"], "zoe").exits(0).stdout;
    assert!(other.contains("read in full: the last read was somebody else's"), "{other}");

    // The same over StartTLS.
    repo.edit("policies/accord.yaml", &url, &format!("ldap://localhost:{}", dc.port()));
    assert!(run(&repo, &realm, &["plan"], "cc").exits(0).stdout.contains("complete"));
}

#[test]
fn without_a_ticket_that_counts_nothing_is_planned_and_the_way_out_is_told() {
    let (dc, realm) = start(OVER_TLS);
    let repo = domain(&dc, &format!("ldaps://localhost:{}", dc.tls_port()));
    let told = |view: &str, cache: &str, preload: Option<&Path>| {
        let begun = Instant::now();
        let ran = ran(&repo, &realm, &["plan"], (view, cache), preload).exits(1);
        assert!(ran.stdout.contains("corp: missing is not empty"), "{}", ran.stdout);
        assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
        ran.stdout
    };
    let no = |why: &str| format!("(bind as SASL GSSAPI: no Kerberos ticket for `ldap/localhost`: {why}");
    realm.kinit(OWNER, "short", "1s");
    let stranger = told("krb5.conf", "cc", None);
    assert!(
        stranger.contains(&no("Server not found in Kerberos database; the realm knows no such service")),
        "{stranger}"
    );
    serve_localhost(&dc);

    let none = told("krb5.conf", "none", None);
    assert!(none.contains(&no("No Kerberos credentials available (default cache: FILE:")), "{none}");
    assert!(none.contains("; get one as the user that runs accord: `kinit PRINCIPAL`"), "{none}");
    std::thread::sleep(Duration::from_millis(1100));
    let expired = told("krb5.conf", "short", None);
    assert!(
        expired.contains(&no("Ticket expired; the ticket has run out: get another with `kinit PRINCIPAL`")),
        "{expired}"
    );
    let elsewhere = told("other.conf", "cc", None);
    assert!(elsewhere.contains("`klist` shows whether the ticket is of the right realm"), "{elsewhere}");
    let unknown = told("unknown.conf", "cc", None);
    assert!(
        unknown.contains(&no("Cannot find KDC for realm \"EXAMPLE.COM\"; check the realm's servers in")),
        "{unknown}"
    );
    let nobody = told("nobody.conf", "cc", None);
    assert!(
        nobody.contains(&no("Cannot contact any KDC for realm 'EXAMPLE.COM'; check the realm's servers in")),
        "{nobody}"
    );

    let clock = realm.fast_clock();
    let skewed = told("krb5.conf", "cc", Some(&clock));
    assert!(skewed.contains(&no("Clock skew too great; set this machine's clock by that of the realm")), "{skewed}");
    // With the service's ticket in the cache it is the server that objects.
    let _ = run(&repo, &realm, &["plan"], "cc").exits(0);
    let refused = told("krb5.conf", "cc", Some(&clock));
    assert!(refused.contains("Clock skew too great") && refused.contains("set this machine's clock"), "{refused}");
}

/// A centre that takes the connection and never says a word holds up nothing but itself.
#[test]
fn a_realm_that_does_not_answer_is_given_up_after_the_time_for_a_connection() {
    let (dc, realm) = start(OVER_TLS);
    serve_localhost(&dc);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    realm.configure("silent.conf", "EXAMPLE.COM", "EXAMPLE.COM", silent.local_addr().unwrap().port());
    let repo = domain(&dc, &format!("ldaps://localhost:{}", dc.tls_port()));
    repo.edit("policies/accord.yaml", "connect_timeout: 5", "connect_timeout: 1");
    let begun = Instant::now();
    let told = ran(&repo, &realm, &["plan"], ("silent.conf", "cc"), None).exits(1).stdout;
    assert!(begun.elapsed() < Duration::from_secs(8), "took {:?}", begun.elapsed());
    assert!(
        told.contains("no Kerberos ticket for `ldap/localhost`: no answer within 1 s; check the realm's servers"),
        "{told}"
    );
}

#[test]
fn a_domain_that_wants_tickets_to_seal_the_connection_is_told_with_its_setting() {
    let (dc, realm) = start("");
    serve_localhost(&dc);
    let repo = domain(&dc, &format!("ldaps://localhost:{}", dc.tls_port()));
    let told = run(&repo, &realm, &["plan"], "cc").exits(1).stdout;
    assert!(told.contains("(bind as SASL GSSAPI: strongerAuthRequired (8)"), "{told}");
    assert!(told.contains("Samba: `ldap server require strong auth = allow_sasl_over_tls`"), "{told}");
}

/// Nothing locks a ticket, so a server that does not take it is passed over.
#[test]
fn of_several_servers_the_one_that_takes_the_ticket_is_used() {
    let (dc, realm) = start(OVER_TLS);
    serve_localhost(&dc);
    let strict = Samba::start();
    let one = format!("ldaps://localhost:{}", free_port());
    let two = format!("ldaps://localhost:{}", dc.tls_port());
    let repo = domain(&dc, &format!("[\"ldaps://localhost:{}\", \"{one}\", \"{two}\"]", strict.tls_port()));
    // Both authorities are believed; the other domain has another key for the same name.
    let both = std::fs::read_to_string(dc.ca()).unwrap() + &std::fs::read_to_string(strict.ca()).unwrap();
    repo.write("ca.pem", &both);
    let ran = run(&repo, &realm, &["plan"], "cc").exits(0);
    let told = ran.stdout + &ran.stderr;
    assert!(told.contains(&format!("`{one}` is passed over for `{two}`: connection refused")), "{told}");
    let refused = format!("`ldaps://localhost:{}` is passed over for `{two}`: ", strict.tls_port());
    assert!(told.contains(&refused), "{told}");
}

#[test]
fn openldap_takes_the_ticket_for_whom_its_mapping_says() {
    let (dc, realm) = start(OVER_TLS);
    serve_localhost(&dc);
    let keytab = dc.dir().join("ldap.keytab");
    dc.samba_tool(&["domain", "exportkeytab", keytab.to_str().unwrap(), "--principal=ldap/localhost"]);
    let server = Slapd::start(&Options {
        seed: people_ldif("p", 3),
        global: vec![
            "sasl-host localhost".to_owned(),
            "sasl-realm EXAMPLE.COM".to_owned(),
            format!("authz-regexp \"^uid=administrator,(cn=example.com,)?cn=gssapi,cn=auth$\" \"{}\"", WRITER.0),
        ],
        environment: vec![("KRB5_KTNAME", keytab), ("KRB5_CONFIG", realm.file("krb5.conf"))],
        ..Options::default()
    });
    let settings = format!(
        "    kind: ldap\n    url: ldaps://localhost:{}\n    bind: {{ sasl: gssapi }}\n    accounts: {{ base: \"{PEOPLE}\", \
         attributes: {{ cn: name, sn: family_name }} }}\n    groups: {{ base: \"{GROUPS}\" }}\n",
        server.tls_port()
    );
    let repo = repo(server.ca(), &settings);
    let _ = run(&repo, &realm, &["apply", "--auto-approve"], "cc").exits(0);
    assert_eq!(server.values(&format!("cn=all,{GROUPS}"), "member").len(), 2);
    assert_eq!(server.values(&format!("cn=all,{GROUPS}"), "modifiersName"), [WRITER.0]);
    assert!(run(&repo, &realm, &["plan"], "cc").exits(0).stdout.contains("\nnothing to do\n"));
    // Somebody who is mapped to nobody may see nothing, and nothing that was read before helps.
    dc.samba_tool(&["user", "create", "zoe", "Long-Enough-1!"]);
    realm.kinit(("zoe", "Long-Enough-1!"), "zoe", "1h");
    let nobody = run(&repo, &realm, &["plan"], "zoe").exits(1).stdout;
    assert!(nobody.contains("INCOMPLETE") && nobody.contains("noSuchObject (32)"), "{nobody}");
}
