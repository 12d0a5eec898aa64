//! Snapshots of directories.

use accord::model::bytes::Out;
use accord::model::{Instant, Matching, State, StateBuilder};
use accord::provider::identities::{Delta, Identities, ObjectId};
use accord::provider::observe::seal::Key;
use accord::provider::observe::{Base, Binding, Snapshot, merge};
use accord::provider::{Cookie, Reading};

fn bytes(state: &State) -> Vec<u8> {
    let mut out = Out::default();
    state.encode(&mut out);
    out.finish().unwrap()
}

/// Any bytes behind a right tag, as if the key were lost: what opens is a state whose
/// numbers all lead somewhere, and a delta that brings nothing new changes nothing.
pub(crate) fn body(content: &[u8]) {
    let (key, binding) = (Key::new([1; 32]), Binding::default());
    let sealed = [content, &key.tag(content)].concat();
    let Ok(snapshot) = Snapshot::open(&sealed, &binding, &key) else { return };
    let state = &snapshot.base.state;
    for account in state.accounts() {
        assert!(state.account_named(account.name()).is_some() || state.names().key(account.name()) != account.key());
        for n in 0..state.attributes().len() {
            account.values(n).for_each(drop);
        }
    }
    for group in state.groups() {
        assert!(group.members().iter().all(|id| state.account(*id).is_some()));
        group.others().for_each(drop);
    }
    let again = snapshot.seal(&binding, &key).unwrap();
    let again = Snapshot::open(&again, &binding, &key).expect("what was written can be read");
    assert_eq!(bytes(&again.base.state), bytes(state));
    let reading = Reading {
        upserts: state.clone(),
        identities: Some(snapshot.base.identities.clone()),
        delta: Some(Delta::default()),
        ..Reading::default()
    };
    drop(merge(snapshot.base, &reading));
}

/// A small directory as it is sealed, without its tag.
fn sample() -> Vec<u8> {
    let mut b = StateBuilder::new(Matching::CaseIgnore, ["cn", "mail"]);
    let (zoe, li) = (b.account("Zoë", "uid=Zoë,ou=people,dc=x"), b.account("li", "uid=li,ou=people,dc=x"));
    b.set_id(zoe, "10482");
    b.add_value(zoe, 0, "Zoë");
    b.add_value(li, 1, "li@example.com");
    b.add_value(li, 1, "na@example.com");
    let (g, h) = (b.group("G", "cn=G,dc=x"), b.group("h", "cn=h,dc=x"));
    b.set_group_attribute(g, "description", vec!["one".into()]);
    b.member(g, zoe, None);
    b.member(h, li, None);
    b.other(g, true, "h");
    b.other(h, false, "uid=gone,dc=x");
    let state = b.finish().unwrap();
    let ids = |from: u8| (from..from + 2).map(|n| ObjectId([n; 16])).collect();
    let mut identities = Identities { accounts: ids(1), groups: ids(3), ..Identities::default() };
    identities.beside = vec![ObjectId([9; 16])];
    identities.loose.groups.insert(1);
    let at = Instant::from_seconds(1_790_000_000);
    let cookie = Cookie(b"rid=000,csn=20261122182127.864947Z#000000#000#000000".to_vec());
    let snapshot = Snapshot { base: Base { state, identities, protected: Vec::new() }, cookie, taken: at, whole: at };
    let mut sealed = snapshot.seal(&Binding::default(), &Key::new([1; 32])).unwrap();
    sealed.truncate(sealed.len() - 32);
    sealed
}

#[test]
fn snapshots() {
    let sample = sample();
    let (mut opened, key) = (0, Key::new([1; 32]));
    for at in 0..sample.len() {
        for value in [0, 1, 2, 0x7f, 0xff] {
            let mut bytes = sample.clone();
            bytes[at] = value;
            body(&bytes);
            let sealed = [bytes.as_slice(), &key.tag(&bytes)].concat();
            opened += usize::from(Snapshot::open(&sealed, &Binding::default(), &key).is_ok());
        }
    }
    assert!(opened > 100, "{opened} of the changed ones still are snapshots");
    super::run(&[&sample, b"accord-snapshot/1\n", b""], body);
}
