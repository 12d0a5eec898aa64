//! Real slapd, broken on purpose: what is missing is never taken for empty, every
//! message says what to do, nothing hangs.

use crate::support::ldap::{change, connection, read, settings, side, write, write_with};
use crate::support::slapd::{GROUPS, Options, PEOPLE, Slapd, group_ldif, people_ldif};
use accord::model::Enabled;
use accord::model::change::{Action, Object};
use accord::provider::{Answer, Purpose, Reader};

fn seed() -> String {
    people_ldif("p", 30) + &group_ldif("a", "p", 0..20) + &group_ldif("b", "p", 5..6)
}

fn start(options: Options) -> Slapd {
    Slapd::start(&Options { seed: seed(), ..options })
}

#[test]
fn a_whole_read_says_what_proves_it_over_every_transport() {
    let server = start(Options::default());
    for url in [server.url(), server.plain_url()] {
        let reading = super::support::ldap::block_on(read(&settings(&server, &url))).unwrap();
        assert_eq!(reading.gaps, [], "{url}");
        assert_eq!(reading.evidence, ["2 pages", "contextCSN unchanged"]);
        let state = &reading.upserts;
        assert_eq!((state.account_count(), state.group_count(), state.membership_count()), (30, 2, 21));
    }
}
