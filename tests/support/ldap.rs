//! accord's own view of a test server: settings, a runtime, reads and writes.

use super::slapd::{GROUPS, PEOPLE, READER, Slapd, WRITER};
use accord::model::change::{Action, Change, Object, Side};
use accord::model::{FileId, Place};
use accord::policy::settings::{Directory, DirectorySettings};
use accord::provider::{
    Answer, Credentials, Kind, ProviderError, Purpose, Reader, Reading, Step, Target, Writer, ldap,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Settings of a directory `corp` at `url`: [`WRITER`] binds, [`READER`] plans.
pub(crate) fn settings(server: &Slapd, url: &str) -> Value {
    json!({
        "kind": "ldap",
        "url": url,
        "ca": server.ca(),
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
        place: Place { file: FileId(0), line: 1, column: 1 },
    }
}

/// A single-threaded runtime, as accord uses.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// A connection with a password.
pub(crate) fn connection(settings: &Value, purpose: Purpose, password: &str) -> Result<ldap::Directory, ProviderError> {
    let directory = directory(settings);
    let credentials =
        Credentials { password: Some(password.to_owned().into()), initial_password: None, root: PathBuf::from("/") };
    ldap::Directory::new(&Target { directory: &directory, credentials, purpose })
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
    let steps: Vec<Step<'_>> = changes.iter().map(|change| Step { change, handle: None, member: None }).collect();
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
