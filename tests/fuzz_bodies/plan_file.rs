//! The plan file: what is accepted is written back byte for byte.

use accord::model::Instant;
use accord::plan::{FORMAT, Fact, Filter, Plan, PolicyMark, file};
use std::collections::BTreeMap;

/// What is accepted is what would be written.
pub(crate) fn body(bytes: &[u8]) {
    plan_file(bytes);
}

/// Accepts bytes that it would write itself, or says why not; never panics.
fn plan_file(bytes: &[u8]) -> bool {
    match file::read(bytes) {
        Ok(plan) => {
            assert_eq!(file::to_bytes(&plan), bytes);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn small() -> Plan {
    let mut plan = Plan {
        format: FORMAT.to_owned(),
        policy: PolicyMark { digest: "abc".to_owned(), ..PolicyMark::default() },
        approvals: None,
        at: Instant::from_seconds(1_800_000_000),
        read_only: false,
        filter: Filter::default(),
        versions: BTreeMap::from([("accord".to_owned(), "0".to_owned())]),
        directories: vec![],
        references: BTreeMap::new(),
        facts: vec![Fact { text: "person: \u{e9}\"\\\u{7}".to_owned(), file: None, line: Some(3) }],
        changes: vec![],
        barriers: vec![],
        withheld: vec![],
        notes: vec![],
        next: None,
        summary: BTreeMap::new(),
        digest: String::new(),
    };
    file::seal(&mut plan);
    plan
}

#[test]
fn plan_files_are_read_whole_or_refused() {
    let whole = file::to_bytes(&small());
    assert!(plan_file(&whole));
    assert_eq!(file::read(&whole).unwrap(), small());
    let deep = format!("{{\"format\":\"{FORMAT}\",\"x\":{}", "[".repeat(100_000));
    let corpus: [&[u8]; 5] = [&whole, deep.as_bytes(), b"{}", b"null", b"{\"format\":\"accord-plan/2\"}"];
    let mut dice = super::Dice(7);
    for _ in 0..20_000 {
        let bytes = super::mutate(&corpus[..1], &mut dice);
        assert!(bytes == whole || !plan_file(&bytes), "a damaged plan was accepted");
    }
    body(&whole);
    for bytes in &corpus[1..] {
        assert!(!plan_file(bytes));
    }
}

/// A digest computed anew does not make another form acceptable.
#[test]
fn resealed_plans_in_another_form_are_refused() {
    use sha2::{Digest, Sha256};
    use std::fmt::Write as _;
    let text = String::from_utf8(file::to_bytes(&small())).unwrap();
    let (sealed, _) = text.rsplit_once("\"digest\"").unwrap();
    for (from, to) in [
        ("\"summary\":{}", "\"summary\": {}"),
        ("\"filter\":{}", "\"filter\":{\"directories\":[]}"),
        ("{\"accord\":\"0\"}", "{\"accord\":\"1\",\"accord\":\"0\"}"),
        ("\"facts\":[", "\"extra\":1,\n\"facts\":["),
        ("\"filter\":{", "\"read_only\":false,\n\"filter\":{"),
    ] {
        let other = sealed.replacen(from, to, 1);
        assert_ne!(other, sealed, "{from}");
        let digest = Sha256::digest(other.as_bytes()).iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").unwrap();
            out
        });
        let resealed = format!("{other}\"digest\":\"{digest}\"\n}}\n");
        assert!(!plan_file(resealed.as_bytes()), "{to}");
    }
}
