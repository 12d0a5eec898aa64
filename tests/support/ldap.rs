//! accord's own view of a test server: settings, a runtime, reads and writes.

use super::slapd::{GROUPS, PEOPLE, READER, Slapd, WRITER};
use accord::model::change::{Action, Change, Object, Side};
use accord::model::{FileId, Instant, Place};
use accord::plan::{DirectoryInput, Filter, Inputs, Memory, Plan, PolicyMark, derive::derive};
use accord::policy::load::load;
use accord::policy::settings::{Directory, DirectorySettings};
use accord::policy::{DirectoryId, Policy};
use accord::provider::observe::{Checks, Job, gather};
use accord::provider::{
    Answer, Credentials, Kind, Observed, ProviderError, Purpose, Reader, Reading, Step, Target, Writer, connect, ldap,
};
use accord::source::InMemory;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Settings of a directory `corp` at `url`: [`WRITER`] binds, [`READER`] plans.
pub(crate) fn settings(server: &Slapd, url: &str) -> Value {
    settings_at(server.ca(), url)
}

/// [`settings`] of any server that has the same people, groups and identities.
pub(crate) fn settings_at(ca: &Path, url: &str) -> Value {
    json!({
        "kind": "ldap",
        "url": url,
        "ca": ca,
        "bind": { "dn": WRITER.0, "password": { "env": "CORP_BIND_PASSWORD" } },
        "plan_bind": { "dn": READER.0, "password": { "env": "CORP_READ_PASSWORD" } },
        "accounts": {
            "base": PEOPLE,
            "id_attribute": "employeeNumber",
            "attributes": { "cn": "name", "sn": "family_name", "mail": "email", "departmentNumber": "department" },
        },
        "groups": { "base": GROUPS },
        "timeout": 10,
        "connect_timeout": 5,
    })
}

/// The directory with these settings.
pub(crate) fn directory(settings: &Value) -> Directory {
    let settings: DirectorySettings = serde_json::from_value(settings.clone()).unwrap();
    Directory {
        name: "corp".into(),
        settings,
        accounts_for: accord::policy::AccountsFor::Entitled,
        bases: Vec::new(),
        place: Place { file: FileId(0), line: 1, column: 1 },
    }
}

/// A single-threaded runtime, as accord uses.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// A TLS client that trusts `ca` alone, for tests that speak LDAP without accord.
pub(crate) fn tls(ca: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(ca).unwrap();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// A connection with a password.
pub(crate) fn connection(settings: &Value, purpose: Purpose, password: &str) -> Result<ldap::Directory, ProviderError> {
    let directory = directory(settings);
    let credentials = Credentials {
        password: Some(password.to_owned().into()),
        initial_password: None,
        client_key: None,
        root: PathBuf::from("/"),
    };
    ldap::Directory::new(&Target { directory: &directory, credentials, purpose })
}

/// A writer that gives new accounts this first password.
pub(crate) fn writer_with_first_password(settings: &Value, password: &str) -> ldap::Directory {
    let directory = directory(settings);
    let credentials = Credentials {
        password: Some(WRITER.1.to_owned().into()),
        initial_password: Some(password.to_owned().into()),
        client_key: None,
        root: PathBuf::from("/"),
    };
    ldap::Directory::new(&Target { directory: &directory, credentials, purpose: Purpose::Apply }).unwrap()
}

/// Everything that the planner would read.
pub(crate) async fn read(settings: &Value) -> Result<Reading, ProviderError> {
    let scope = ldap::kind(&directory(settings))?.scope();
    connection(settings, Purpose::Plan, READER.1)?.read(&scope, None).await
}

/// Connects as the writer and writes one batch.
pub(crate) async fn write(settings: &Value, changes: &[Change]) -> Vec<Answer> {
    let writer = connection(settings, Purpose::Apply, WRITER.1).unwrap();
    write_with(&writer, changes).await
}

/// Writes one batch over an existing connection; objects are found by their usual DNs.
pub(crate) async fn write_with(writer: &ldap::Directory, changes: &[Change]) -> Vec<Answer> {
    let steps: Vec<Step<'_>> =
        changes.iter().map(|change| Step { change, handle: None, member: None, placeholder: None }).collect();
    writer.write(&steps).await
}

/// One change.
pub(crate) fn change(action: Action, object: Object, before: Option<Side>, after: Option<Side>) -> Change {
    Change {
        id: 1,
        directory: "corp".to_owned(),
        action,
        object,
        person: None,
        label: None,
        before,
        after,
        because: Vec::new(),
        ends: None,
        needs: Vec::new(),
    }
}

/// One side of a change.
#[expect(clippy::unnecessary_wraps, reason = "a side is optional wherever it is put")]
pub(crate) fn side(values: &[(&str, &str)]) -> Option<Side> {
    Some(values.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect())
}

/// The policy of `corp` with these settings and further files' text.
pub(crate) fn policy(settings: &Value, access: &str) -> Policy {
    let accord = format!("organization: example\ntimezone: UTC\ndirectories:\n  corp: {settings}\n");
    let files = InMemory::new([("policies/accord.yaml", accord.as_str()), ("policies/access.yaml", access)]);
    load(&files).unwrap_or_else(|errors| panic!("{errors:#?}\n{access}"))
}

/// As [`plan`]; the read is complete.
pub(crate) fn plan_all(policy: &Policy) -> (Observed, Plan) {
    let (observed, plan) = plan(policy);
    assert_eq!(observed.gaps, []);
    (observed, plan)
}

/// Reads as the planner does, whatever comes of it, and plans at a fixed instant.
pub(crate) fn plan(policy: &Policy) -> (Observed, Plan) {
    plan_as(policy, READER.1)
}

/// As [`plan`], with that password.
pub(crate) fn plan_as(policy: &Policy, password: &str) -> (Observed, Plan) {
    let directory = &policy.directories[0];
    let kind = connect::kind(directory).unwrap();
    let credentials = Credentials {
        password: Some(password.to_owned().into()),
        initial_password: None,
        client_key: None,
        root: PathBuf::from("/"),
    };
    let target = Target { directory, credentials, purpose: Purpose::Plan };
    let mut reader = connect::reader(&target).unwrap();
    let checks = Checks::new(&directory.settings, None);
    let observed = block_on(gather(vec![Job { reader: Ok(reader.as_mut()), scope: kind.scope(), checks }])).remove(0);
    let plan = derive(&Inputs {
        policy,
        mark: &PolicyMark { digest: policy.digest.clone(), ..PolicyMark::default() },
        directories: &[DirectoryInput { id: DirectoryId(0), kind: kind.as_ref(), observed: &observed }],
        memory: &Memory::default(),
        at: Instant::try_from("2026-03-02T09:00:00Z".to_owned()).unwrap(),
        read_only: false,
        filter: &Filter::default(),
    });
    (observed, plan)
}

/// `grant a p1`, sorted.
pub(crate) fn words(plan: &Plan) -> Vec<String> {
    let word = |change: &Change| {
        let object = &change.object;
        let other = object.member.as_ref().map(|member| format!("{member:?}"));
        let parts = [Some(change.action.word().to_owned()), object.group.clone(), object.account.clone(), other];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let mut words: Vec<String> = plan.changes.iter().map(word).collect();
    words.sort();
    words
}

/// Ten people `p0` … `p9` as [`super::slapd::people_ldif`] makes them, a leaver
/// (`p6`), a joiner; `a` is for the first five and the joiner, `b` for `p7`.
pub(crate) fn access() -> String {
    let mut text = "people:\n".to_owned();
    for n in 0..10 {
        let left = if n == 6 { ", expires: 2026-01-31" } else { "" };
        writeln!(
            text,
            "  p{n}: {{ id: \"{n}\", name: Person {n}, family_name: Person, email: p{n}@example.com, kind: employee, \
             attributes: {{ department: d{n} }}{left} }}"
        )
        .unwrap();
    }
    text.push_str(
        "  joiner: { id: \"77\", name: Joan Iner, family_name: Iner, email: joiner@example.com, kind: employee, \
         attributes: { department: d1 } }\n\
         groups:\n  corp/a: { members: [p0, p1, p2, p3, p4, joiner] }\n  corp/b: { members: [p7] }\n",
    );
    text
}
