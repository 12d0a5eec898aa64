//! Whether the connection settings are those of a revision that is trusted.
//!
//! Comes in: `--trusted REV`. Goes out: leave to resolve secrets and to connect.
//! Refuses: settings that differ from the trusted ones, and files that they name
//! inside the repository (`ca:`, programs) with another content, before any secret is
//! resolved: whoever may propose a policy must not choose where a password is sent.

use super::args::Global;
use super::failure::Failure;
use super::repository::{self, Repository};
use super::session;
use crate::history::{self, Revision};
use crate::policy::journal::GitJournal;
use crate::policy::load::load;
use crate::policy::settings::{Guardrails, SecretRef, Tls};
use crate::policy::{Directory, Policy};
use crate::source::Source;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Settings that say where a connection goes, as whom, and with which secret.
const CONNECTION: [&str; 7] = ["kind", "url", "tls", "ca", "bind", "plan_bind", "file"];

/// What a trusted revision says of who may be judged by what.
#[derive(Debug)]
pub(super) struct Trusted {
    directories: Vec<Directory>,
    guardrails: Guardrails,
    journal: Option<GitJournal>,
}

impl Trusted {
    /// Policies are judged by what they say and by what the trusted ones say: limits of
    /// both, the higher minimum, what either protects. Whoever may propose a change of the
    /// policies must not choose how much of it passes.
    pub(super) fn judge(self, policy: &mut Policy) {
        for directory in &mut policy.directories {
            let Some(base) = self.directories.iter().find(|base| base.name == directory.name) else { continue };
            let (own, also) = (&mut directory.settings.protect, &base.settings.protect);
            for (own, also) in [(&mut own.accounts, &also.accounts), (&mut own.groups, &also.groups)] {
                let missing: Vec<String> = also.iter().filter(|pattern| !own.contains(pattern)).cloned().collect();
                own.extend(missing);
            }
        }
        for (group, least) in &self.guardrails.minimum_members {
            let own = policy.guardrails.minimum_members.entry(group.clone()).or_default();
            *own = (*own).max(*least);
        }
        policy.trusted_guardrails = Some(self.guardrails);
    }
}

/// Without `--trusted` the work tree is trusted: a person runs it on purpose.
///
/// # Errors
/// When the trusted revision cannot be read, or a connection setting differs from it.
pub(super) fn ensure(
    global: &Global,
    repository: &Repository,
    directories: &[Directory],
) -> Result<Option<Trusted>, Failure> {
    let Some(revision) = &global.trusted else { return Ok(None) };
    let trusted = trusted(repository, revision)?;
    for directory in directories {
        let name = &directory.name;
        let Some(base) = trusted.directories.iter().find(|base| base.name == *name) else {
            return Err(refusal(&format!("directory `{name}` is not in the trusted revision `{revision}`")));
        };
        let (ours, theirs) = (connection(directory), connection(base));
        if let Some((setting, _)) = ours.iter().zip(&theirs).find(|(a, b)| a != b).map(|(a, _)| a) {
            let what = format!("`{setting}` of directory `{name}` differs from the trusted revision `{revision}`");
            return Err(refusal(&what));
        }
        files(global, repository, directory, revision)?;
    }
    Ok(Some(trusted))
}

/// Where the journal is shared, which nobody may choose or leave out who proposes a policy.
///
/// # Errors
/// As for [`ensure`].
pub(super) fn ensure_journal(
    global: &Global,
    repository: &Repository,
    journal: Option<&GitJournal>,
) -> Result<(), Failure> {
    let Some(revision) = &global.trusted else { return Ok(()) };
    if trusted(repository, revision)?.journal.as_ref() != journal {
        return Err(refusal(&format!("`journal` differs from the trusted revision `{revision}`")));
    }
    if let (Some(SecretRef::File(file)), Some(folder)) =
        (journal.and_then(|git| git.token.as_ref()), &global.secrets_dir)
        && history::is_tracked(&folder.join(file))?
    {
        return Err(Failure::withheld(format!(
            "git tracks the secret file `{file}` of `journal.git.token`; {NOTHING_DONE}"
        ))
        .help("keep secrets outside the repository: --secrets-dir DIR"));
    }
    Ok(())
}

/// The files that the settings of a directory name inside the repository: the same
/// words with another content would be another setting.
fn files(global: &Global, repository: &Repository, directory: &Directory, revision: &str) -> Result<(), Failure> {
    let name = &directory.name;
    let settings = &directory.settings;
    let mut named: Vec<(&str, PathBuf)> = settings.ca.iter().map(|ca| ("ca", PathBuf::from(ca))).collect();
    let certificate = settings.tls.as_ref().and_then(Tls::certificate);
    named.extend(certificate.map(|certificate| ("tls.cert", PathBuf::from(&certificate.cert))));
    let key = certificate.map(|certificate| ("tls.key", &certificate.key));
    let binds = [("bind", &settings.bind), ("plan_bind", &settings.plan_bind)];
    let passwords = binds.into_iter().filter_map(|(setting, bind)| Some((setting, bind.as_ref()?.password.as_ref()?)));
    let initial = settings.accounts.initial_password.as_ref().map(|secret| ("accounts.initial_password", secret));
    for (setting, secret) in passwords.chain(initial).chain(key) {
        match secret {
            SecretRef::Command(words) => {
                named.extend(programs(repository, words)?.into_iter().map(|path| (setting, path)));
            }
            SecretRef::File(file) => {
                if let Some(folder) = &global.secrets_dir
                    && history::is_tracked(&folder.join(file))?
                {
                    let what = format!("git tracks the secret file `{file}` of `{setting}` of directory `{name}`");
                    return Err(Failure::withheld(format!("{what}; {NOTHING_DONE}"))
                        .help("keep secrets outside the repository: --secrets-dir DIR"));
                }
            }
            SecretRef::Env(_) => {}
        }
    }
    for (setting, path) in named {
        let ours = fs::read(repository.root.join(&path)).ok();
        let theirs = history::file_at(&repository.root, &path, revision)?;
        let differs = match (&ours, &theirs) {
            (Some(_), None) => "is not in",
            (ours, theirs) if ours != theirs => "differs from",
            _ => continue,
        };
        let path = path.display();
        let what = format!("the file `{path}`, which `{setting}` of directory `{name}` names, {differs}");
        return Err(refusal(&format!("{what} the trusted revision `{revision}`")));
    }
    Ok(())
}

/// A file that an option names: where it lies inside the repository, it has the content
/// that it has in the trusted revision.
///
/// # Errors
/// When it differs, or is not in the trusted revision.
pub(super) fn ensure_same(global: &Global, repository: &Repository, path: &Path, option: &str) -> Result<(), Failure> {
    let Some(revision) = &global.trusted else { return Ok(()) };
    let real = |path: &Path| path.canonicalize().map_err(|error| Failure::file(path, "read", &error));
    let (whole, root) = (real(path)?, real(&repository.root)?);
    let Ok(inside) = whole.strip_prefix(&root) else { return Ok(()) };
    let ours = fs::read(&whole).map_err(|error| Failure::file(path, "read", &error))?;
    if history::file_at(&root, inside, revision)?.as_ref() == Some(&ours) {
        return Ok(());
    }
    let what = format!("the file `{}`, which `{option}` names, is not as it is in", path.display());
    Err(refusal(&format!("{what} the trusted revision `{revision}`")))
}

/// The words of a command that are files of the repository: the program, if it is
/// named by its path, and what it is given to read. Relative to the root.
fn programs(repository: &Repository, words: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let here = repository::working_directory()?;
    let root = repository.root.canonicalize().map_err(|error| Failure::file(&repository.root, "find", &error))?;
    let by_path = words.iter().enumerate().filter(|(n, word)| *n > 0 || word.contains('/'));
    // `--config=scripts/x` names a file too.
    let parts = by_path.flat_map(|(_, word)| [Some(word.as_str()), word.split_once('=').map(|(_, value)| value)]);
    let files = parts.flatten().filter_map(|part| {
        let written = here.join(part);
        // A link is compared where it stands, so that what it points to cannot be chosen.
        let folder = written.parent()?.canonicalize().ok()?;
        let path = folder.join(written.file_name()?);
        path.is_file().then(|| path.strip_prefix(&root).ok().map(Path::to_owned)).flatten()
    });
    Ok(files.collect())
}

const NOTHING_DONE: &str = "no secret was read and no directory contacted";

fn refusal(what: &str) -> Failure {
    Failure::withheld(format!("{what}; {NOTHING_DONE}"))
        .help("merge the change of settings first, by its own review, then plan again")
}

/// What the trusted revision says, from its `accord.yaml` alone where that
/// can be understood alone: other files of it do not matter here.
fn trusted(repository: &Repository, revision: &str) -> Result<Trusted, Failure> {
    let source = Revision::open(&repository.policies, revision)?;
    let wrong = || Failure::new(format!("the policies at the trusted revision `{revision}` have errors"));
    let files = source.files().map_err(|_| wrong())?;
    let policy = load(&session::alone(&files)).or_else(|_| load(&source)).map_err(|_| wrong())?;
    Ok(Trusted { directories: policy.directories, guardrails: policy.guardrails, journal: policy.oversight.journal })
}

/// Every connection setting with its value as it would be written.
fn connection(directory: &Directory) -> Vec<(&'static str, Value)> {
    let settings = serde_json::to_value(&directory.settings).unwrap_or_default();
    let get = |name: &'static str| (name, settings.get(name).cloned().unwrap_or_default());
    let mut list: Vec<_> = CONNECTION.into_iter().map(get).collect();
    list.push(("accounts.initial_password", json!(directory.settings.accounts.initial_password)));
    list
}
