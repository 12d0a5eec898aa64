//! Secrets, from where the policies say they are.
//!
//! Comes in: references, `--secrets-dir`, `--allow-exec`. Goes out: values that no
//! `Debug` prints. Refuses: files outside the folder, programs without leave, empty
//! values (an LDAP bind with an empty password succeeds as nobody, RFC 4513 §5.1.2).

use super::args::Global;
use super::failure::Failure;
use crate::policy::Directory;
use crate::policy::settings::{Bind, SecretRef, Tls};
use crate::provider::{Credentials, Purpose};
use secrecy::SecretString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Longest secret, in bytes.
const LONGEST: usize = 64 * 1024;

/// The secrets that one connection needs; resolved when it is made, not before.
///
/// # Errors
/// When a secret is not where the policies say, or may not be fetched.
pub(super) fn credentials(
    global: &Global,
    root: &Path,
    directory: &Directory,
    purpose: Purpose,
) -> Result<Credentials, Failure> {
    let settings = &directory.settings;
    let (setting, bind) = match (purpose, &settings.plan_bind) {
        (Purpose::Plan, Some(bind)) => ("plan_bind", Some(bind)),
        _ => ("bind", settings.bind.as_ref()),
    };
    let get = |setting: &str, reference: Option<&SecretRef>| {
        let what = || format!("`{setting}` of directory `{}`", directory.name);
        reference.map(|reference| resolve(global, &what(), reference)).transpose()
    };
    let certificate = settings.tls.as_ref().and_then(Tls::certificate);
    let initial = match purpose {
        Purpose::Plan => None,
        Purpose::Apply => settings.accounts.initial_password.as_ref(),
    };
    Ok(Credentials {
        password: get(setting, bind.and_then(|Bind { password, .. }| password.as_ref()))?,
        initial_password: get("initial_password", initial)?,
        client_key: get("tls.key", certificate.map(|certificate| &certificate.key))?,
        root: root.to_owned(),
    })
}

/// One secret; `what` says in errors what needs it.
///
/// # Errors
/// When it is not where the reference says, may not be fetched, or is empty.
pub(super) fn resolve(global: &Global, what: &str, reference: &SecretRef) -> Result<SecretString, Failure> {
    let value = match reference {
        SecretRef::Env(name) => environment(what, name)?,
        SecretRef::File(name) => file(global, what, name)?,
        SecretRef::Command(words) => command(global, what, words)?,
    };
    if value.is_empty() {
        return Err(Failure::new(format!("the secret for {what} is empty"))
            .help("an empty password would connect as nobody; set it, or remove the line"));
    }
    Ok(SecretString::from(value))
}

#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli`, and this is it")]
fn environment(what: &str, name: &str) -> Result<String, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => {
            Err(Failure::new(format!("{what} needs the environment variable `{name}`, which is not set"))
                .help(format!("export {name}=…")))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::new(format!("{what}: the environment variable `{name}` is not UTF-8")))
        }
    }
}

fn file(global: &Global, what: &str, name: &str) -> Result<String, Failure> {
    let Some(folder) = &global.secrets_dir else {
        return Err(Failure::new(format!("{what} is in the file `{name}`, and no folder of secrets was named"))
            .help("--secrets-dir DIR"));
    };
    let path = inside(folder, what, name)?;
    let bytes = fs::read(&path).map_err(|error| Failure::file(&path, &format!("read {what} from"), &error))?;
    let mut text = utf8(what, bytes)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// The file's real path, which symbolic links must not lead out of the folder.
fn inside(folder: &Path, what: &str, name: &str) -> Result<PathBuf, Failure> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let outside = || Failure::new(format!("{what}: `{name}` is not inside --secrets-dir `{}`", folder.display()));
    if !plain {
        return Err(outside());
    }
    let whole =
        |path: &Path| path.canonicalize().map_err(|error| Failure::file(path, &format!("read {what} from"), &error));
    let path = whole(&folder.join(name))?;
    if path.starts_with(whole(folder)?) { Ok(path) } else { Err(outside()) }
}

fn command(global: &Global, what: &str, words: &[String]) -> Result<String, Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::new(format!("{what}: `command` is empty")));
    };
    if !global.allow_exec {
        return Err(Failure::new(format!("{what} comes from the program `{program}`, which may not run"))
            .help("--allow-exec, if these policies are trusted"));
    }
    // Its stderr may repeat the secret, so nobody gets to see it.
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| Failure::new(format!("{what}: cannot run `{program}`: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{what}: `{program}` failed ({})", output.status)));
    }
    let text = utf8(what, output.stdout)?;
    // A key is more than one line, and is itself to its end.
    let is_pem = text.starts_with("-----BEGIN ");
    Ok(if is_pem { text } else { text.lines().next().unwrap_or_default().to_owned() })
}

fn utf8(what: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.len() > LONGEST {
        return Err(Failure::new(format!("the secret for {what} is longer than {LONGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::new(format!("the secret for {what} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use secrecy::ExposeSecret;

    fn global(words: &[&str]) -> Global {
        let words = ["accord"].iter().chain(words).chain(&["validate"]);
        super::super::args::Args::try_parse_from(words).unwrap().global
    }

    fn message(result: Result<SecretString, Failure>) -> String {
        match result.unwrap_err() {
            Failure::Said(message, help, _) => format!("{message} | {}", help.join(" | ")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_stays_inside_the_folder_of_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = folder.path().join("secrets");
        fs::create_dir(&secrets).unwrap();
        fs::write(secrets.join("bind"), "s3cret\r\n").unwrap();
        fs::write(folder.path().join("other"), "x").unwrap();
        std::os::unix::fs::symlink("../other", secrets.join("link")).unwrap();
        let global = global(&["--secrets-dir", secrets.to_str().unwrap()]);
        let get = |name: &str| resolve(&global, "`bind` of directory `corp`", &SecretRef::File(name.to_owned()));
        assert_eq!(get("bind").unwrap().expose_secret(), "s3cret");
        for name in ["../other", "link", "/etc/hostname", "./bind"] {
            assert!(message(get(name)).contains("is not inside --secrets-dir"), "{name}");
        }
        let without = resolve(&super::tests::global(&[]), "`bind`", &SecretRef::File("bind".to_owned()));
        assert!(message(without).ends_with("| --secrets-dir DIR"));
    }

    #[test]
    fn programs_run_only_with_leave_and_their_words_stay_secret() {
        let echo = SecretRef::Command(vec!["printf".to_owned(), "one\\ntwo".to_owned()]);
        assert!(message(resolve(&global(&[]), "`bind`", &echo)).contains("may not run | --allow-exec"));
        let value = resolve(&global(&["--allow-exec"]), "`bind`", &echo).unwrap();
        assert_eq!(value.expose_secret(), "one");
        assert!(!format!("{value:?}").contains("one"));
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let empty = SecretRef::Command(vec!["true".to_owned()]);
        assert!(message(resolve(&global(&["--allow-exec"]), "`bind`", &empty)).contains("is empty"));
        let missing = SecretRef::Env("ACCORD_TEST_NOT_SET".to_owned());
        assert!(message(resolve(&global(&[]), "`bind`", &missing)).contains("`ACCORD_TEST_NOT_SET`, which is not set"));
    }
}
