//! The files of `accord init --ci`: what pipelines of GitHub and GitLab run.
//!
//! Comes in: which forge, where the program is, the policies where there are any. Goes out:
//! paths and texts. Refuses: words that would be more than a value in those files, and a
//! program that nothing pins.

use super::args::{Ci, InitArgs};
use super::failure::Failure;
use crate::policy::Policy;
use crate::policy::settings::{DirectorySettings, SecretRef};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Actions by the commit that their tag had: a moved tag changes nothing here.
const ACTIONS: [(&str, &str); 3] = [
    ("{{checkout}}", "11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"),
    ("{{upload}}", "ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2"),
    ("{{download}}", "d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0"),
];

/// What a runner reads in the log is no command while accord prints what people and
/// directories wrote: it finds `##[…]` anywhere in a line.
const DEAF: &str = r#"token=$(openssl rand -hex 16)
trap 'echo "::$token::"' EXIT
echo "::stop-commands::$token""#;

const GITHUB: [(&str, &str); 5] = [
    (".github/workflows/accord-check.yml", include_str!("starter/github/check.yml")),
    (".github/workflows/accord-plan.yml", include_str!("starter/github/plan.yml")),
    (".github/workflows/accord-apply.yml", include_str!("starter/github/apply.yml")),
    (".github/workflows/accord-dated.yml", include_str!("starter/github/dated.yml")),
    (".github/workflows/accord-drift.yml", include_str!("starter/github/drift.yml")),
];

const GITLAB: [(&str, &str); 2] = [
    (".gitlab/accord.yml", include_str!("starter/gitlab/accord.yml")),
    (".gitlab-ci.yml", "include:\n  - local: .gitlab/accord.yml\n"),
];

/// The variables that the files name themselves, whatever the policies say.
const FORGE_TOKEN: &str = "ACCORD_FORGE_TOKEN";
const JOURNAL_TOKEN: &str = "ACCORD_JOURNAL_TOKEN";

/// The files, each with its path. `known` are the policies that are there already.
///
/// # Errors
/// When something that the files need is not said, or is more than a value.
pub(super) fn files(args: &InitArgs, known: Option<&Policy>) -> Result<Vec<(&'static str, String)>, Failure> {
    let Some(ci) = args.ci else { return Ok(Vec::new()) };
    let branch = plain("--branch", &args.branch, |c| c.is_ascii_alphanumeric() || "-_./".contains(c))?;
    let mut values = vec![("{{branch}}", branch)];
    values.extend(ACTIONS.map(|(name, value)| (name, value.to_owned())));
    let list = match ci {
        Ci::Github => {
            values.extend(github(args, known)?);
            &GITHUB[..]
        }
        Ci::Gitlab => {
            values.extend(gitlab(args, known)?);
            &GITLAB[..]
        }
    };
    Ok(list.iter().map(|(path, text)| (*path, fill(text, &values))).collect())
}

fn github(args: &InitArgs, known: Option<&Policy>) -> Result<Vec<(&'static str, String)>, Failure> {
    let Some(url) = &args.binary else {
        return Err(Failure::new("a pipeline of GitHub must know where accord is")
            .help("put this program where runners can fetch it, and name that: --binary https://…"));
    };
    let is_url = |c: char| c.is_ascii_alphanumeric() || "-_./:~%?&=+@".contains(c);
    let url = plain("--binary", url, is_url)?;
    if !url.starts_with("https://") {
        return Err(Failure::new(format!("`--binary {url}` is not https://")).help("what runs must come unaltered"));
    }
    let sha256 = match &args.sha256 {
        Some(text) => plain("--sha256", text, |c| c.is_ascii_hexdigit())?.to_ascii_lowercase(),
        None => own_digest()?,
    };
    if sha256.len() != 64 {
        return Err(Failure::new(format!("`--sha256 {sha256}` has {} digits, not 64", sha256.len()))
            .help("sha256sum FILE, or leave it out: then it is that of the program that runs now"));
    }
    let install = fill(include_str!("starter/github/install.yml"), &[("{{url}}", url), ("{{sha256}}", sha256)]);
    let branch = ("{{branch}}", args.branch.clone());
    let overdue = fill(include_str!("starter/github/overdue.yml"), &[branch]);
    let secrets = secrets(known);
    let lines = |names: &BTreeSet<String>| -> String {
        names.iter().fold(String::new(), |mut out, name| {
            let is_own = secrets.own.contains(name);
            let value = if is_own { "github.token".to_owned() } else { format!("secrets.{name}") };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name}: ${{{{ {value} }}}}");
            out
        })
    };
    let approvals = r#"accord review approvals "$BASE..$HEAD" --request "$NUMBER" --audience reviewers --format markdown > "$to/approvals.md" || [ "$?" -eq 3 ]"#;
    Ok(vec![
        ("{{deaf}}", DEAF.to_owned()),
        ("{{install}}", install),
        ("{{overdue}}", overdue),
        ("{{plan_secrets}}", lines(&secrets.plan)),
        ("{{apply_secrets}}", lines(&secrets.apply)),
        ("{{approvals}}", asked(known, approvals)),
    ])
}

fn gitlab(args: &InitArgs, known: Option<&Policy>) -> Result<Vec<(&'static str, String)>, Failure> {
    let help = "--image registry.example.com/accord@sha256:…, with accord, git, curl and jq in it";
    let Some(image) = &args.image else {
        return Err(Failure::new("a pipeline of GitLab must know the image to run in").help(help));
    };
    let image = plain("--image", image, |c| c.is_ascii_alphanumeric() || "-_./:@".contains(c))?;
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest).unwrap_or_default();
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(format!("`--image {image}` does not pin the image by its digest")).help(help));
    }
    let approvals = r#"- accord review approvals "$CI_COMMIT_SHA..$head" --request "$iid" --audience reviewers --format markdown > "$to/approvals.md" || [ "$?" -eq 3 ]"#;
    Ok(vec![("{{image}}", image), ("{{approvals}}", asked(known, approvals))])
}

/// The line that asks the forge, where the policies say where reviews are.
fn asked(known: Option<&Policy>, line: &str) -> String {
    let has_forge = known.is_some_and(|policy| policy.oversight.forge.is_some());
    if has_forge { line.to_owned() } else { String::new() }
}

/// A value that stands in a file as it is.
fn plain(option: &str, text: &str, is_plain: impl Fn(char) -> bool) -> Result<String, Failure> {
    match text.chars().find(|c| !is_plain(*c)) {
        None if !text.is_empty() => Ok(text.to_owned()),
        None => Err(Failure::new(format!("`{option}` is empty"))),
        Some(c) => Err(Failure::new(format!("`{option} {text}` holds `{c}`, which could end the value in a workflow"))),
    }
}

/// SHA-256 of the program that runs now.
fn own_digest() -> Result<String, Failure> {
    let wrong =
        |error: std::io::Error| Failure::new(format!("this program cannot be read: {error}")).help("--sha256 HEX");
    let bytes = std::env::current_exe().and_then(std::fs::read).map_err(wrong)?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

/// Names of variables that hold secrets.
#[derive(Default)]
struct Secrets {
    /// What planning needs.
    plan: BTreeSet<String>,
    /// What applying needs.
    apply: BTreeSet<String>,
    /// Tokens of the forge itself, which a workflow has.
    own: BTreeSet<String>,
}

/// Secrets of the environment that the policies refer to; the loader has made sure that
/// their names are letters, digits and `_`.
fn secrets(known: Option<&Policy>) -> Secrets {
    let mut secrets = Secrets::default();
    let Some(policy) = known else { return secrets };
    for directory in &policy.directories {
        let settings = &directory.settings;
        variables(&serde_json::to_value(settings).unwrap_or_default(), &mut secrets.apply);
        let mut planning = settings.clone();
        forget_writer(&mut planning);
        variables(&serde_json::to_value(&planning).unwrap_or_default(), &mut secrets.plan);
    }
    if let Some(SecretRef::Env(name)) = policy.oversight.forge.as_ref().and_then(|forge| forge.token.as_ref()) {
        secrets.own.insert(name.clone());
    }
    if let Some(SecretRef::Env(name)) = policy.oversight.journal.as_ref().and_then(|journal| journal.token.as_ref()) {
        secrets.own.insert(name.clone());
    }
    let own: Vec<String> =
        secrets.own.iter().filter(|name| *name != FORGE_TOKEN && *name != JOURNAL_TOKEN).cloned().collect();
    secrets.plan.extend(own.iter().cloned());
    secrets.apply.extend(own);
    secrets
}

/// What only a writer needs: where there is a reader's own bind, the writer's, and the
/// password of new accounts.
fn forget_writer(settings: &mut DirectorySettings) {
    settings.accounts.initial_password = None;
    if settings.plan_bind.is_some() {
        settings.bind = None;
    }
}

/// Every `{ env: NAME }` in settings.
fn variables(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get("env").filter(|_| fields.len() == 1) {
                found.insert(name.clone());
            }
            fields.values().for_each(|value| variables(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| variables(value, found)),
        _ => {}
    }
}

/// Puts values in the place of their names. A line that is nothing but a name takes every
/// line of its value, indented as it is; without any it goes.
fn fill(text: &str, values: &[(&str, String)]) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let word = line.trim_start();
        let indent = line.len() - word.len();
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == word) {
            for part in value.lines() {
                let _ = writeln!(out, "{}{part}", " ".repeat(indent));
            }
            continue;
        }
        let filled = values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
        let _ = writeln!(out, "{filled}");
    }
    out
}

/// What has to be done by hand, one line each.
pub(super) fn next(ci: Ci) -> &'static [&'static str] {
    match ci {
        Ci::Github => &[
            "Next: docs/pipelines.md of accord; in short:",
            "  environments accord-plan, accord-apply, accord-dated: only the protected branch may deploy, secrets there and nowhere else",
            "  ssh-keygen -t ed25519 -N '' -f plan-key: the private key is the secret ACCORD_PLAN_KEY of accord-plan,",
            "  echo \"accord-ci namespaces=\\\"accord-plan\\\" $(cat plan-key.pub)\" > .github/accord-plan-signers",
        ],
        Ci::Gitlab => &[
            "Next: docs/pipelines.md of accord; in short:",
            "  protected variables, two schedules (ACCORD_SCHEDULE=dated hourly, =drift daily), a webhook that triggers plans",
            "  ssh-keygen -t ed25519 -N '' -f plan-key: the private key is the variable ACCORD_PLAN_KEY of the environment accord-plan,",
            "  echo \"accord-ci namespaces=\\\"accord-plan\\\" $(cat plan-key.pub)\" > .gitlab/accord-plan-signers",
        ],
    }
}
