//! Whether the connection settings are those of a revision that is trusted.
//!
//! Comes in: `--trusted REV`. Goes out: leave to resolve secrets and to connect.
//! Refuses: settings that differ from the trusted ones, before any secret is
//! resolved: whoever may propose a policy must not choose where a password is sent.

use super::args::Global;
use super::failure::Failure;
use super::repository::Repository;
use super::session;
use crate::history::Revision;
use crate::policy::Directory;
use crate::policy::load::load;
use crate::source::Source;
use serde_json::{Value, json};

/// Settings that say where a connection goes, as whom, and with which secret.
const CONNECTION: [&str; 7] = ["kind", "url", "tls", "ca", "bind", "plan_bind", "file"];

/// Without `--trusted` the work tree is trusted: a person runs it on purpose.
///
/// # Errors
/// When the trusted revision cannot be read, or a connection setting differs from it.
pub(super) fn ensure(global: &Global, repository: &Repository, directories: &[Directory]) -> Result<(), Failure> {
    let Some(revision) = &global.trusted else { return Ok(()) };
    let trusted = trusted(repository, revision)?;
    for directory in directories {
        let name = &directory.name;
        let Some(base) = trusted.iter().find(|base| base.name == *name) else {
            return Err(refusal(&format!("directory `{name}` is not in the trusted revision `{revision}`")));
        };
        let (ours, theirs) = (connection(directory), connection(base));
        if let Some((setting, _)) = ours.iter().zip(&theirs).find(|(a, b)| a != b).map(|(a, _)| a) {
            let what = format!("`{setting}` of directory `{name}` differs from the trusted revision `{revision}`");
            return Err(refusal(&what));
        }
    }
    Ok(())
}

fn refusal(what: &str) -> Failure {
    Failure::withheld(format!("{what}; no secret was read and no directory contacted"))
        .help("merge the change of settings first, by its own review, then plan again")
}

/// The directories at the trusted revision, from its `accord.yaml` alone where that
/// can be understood alone: other files of it do not matter here.
fn trusted(repository: &Repository, revision: &str) -> Result<Vec<Directory>, Failure> {
    let source = Revision::open(&repository.policies, revision)?;
    let wrong = || Failure::new(format!("the policies at the trusted revision `{revision}` have errors"));
    let files = source.files().map_err(|_| wrong())?;
    let policy = load(&session::alone(&files)).or_else(|_| load(&source)).map_err(|_| wrong())?;
    Ok(policy.directories)
}

/// Every connection setting with its value as it would be written.
fn connection(directory: &Directory) -> Vec<(&'static str, Value)> {
    let settings = serde_json::to_value(&directory.settings).unwrap_or_default();
    let get = |name: &'static str| (name, settings.get(name).cloned().unwrap_or_default());
    let mut list: Vec<_> = CONNECTION.into_iter().map(get).collect();
    list.push(("accounts.initial_password", json!(directory.settings.accounts.initial_password)));
    list
}
