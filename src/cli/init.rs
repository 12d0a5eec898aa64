//! `accord init`: a starter repository that validates, plans and applies as it is.
//!
//! Comes in: a folder. Goes out: policies, editor settings, `.gitignore`; pipelines and a hook
//! where they are asked for, also beside policies that are there. Refuses: to overwrite
//! anything.

use super::args::{Global, InitArgs};
use super::clock;
use super::failure::{Exit, Failure};
use super::pipelines;
use super::session::Session;
use super::terminal::Terminal;
use crate::model::Instant;
use crate::policy::Policy;
use std::fs;
use std::path::Path;

/// Path in the new repository, and text with `{{…}}` for dates.
const FILES: [(&str, &str); 5] = [
    ("policies/accord.yaml", include_str!("starter/accord.yaml")),
    ("policies/people/staff.yaml", include_str!("starter/staff.yaml")),
    ("policies/people/contractors.yaml", include_str!("starter/contractors.yaml")),
    ("policies/roles/platform.yaml", include_str!("starter/platform.yaml")),
    ("policies/constraints.yaml", include_str!("starter/constraints.yaml")),
];

const SETTINGS: &str = r#"{
  "yaml.schemas": { ".vscode/accord.schema.json": "policies/**/*.yaml" }
}
"#;

/// The embedded directory and the journal are made here; neither is policy.
const IGNORE: &str = "/directory.ldif\n/.accord/\n*.plan.json\n";

const HOOK: &str = include_str!("starter/pre-commit.yaml");

const DAY: i64 = 86_400;

/// Writes the starter, or beside policies that are there what they can still be given.
pub(super) fn run(terminal: Terminal, global: &Global, args: &InitArgs) -> Result<Exit, Failure> {
    let is_extra = args.ci.is_some() || args.hook;
    let known = if is_extra { known(terminal, global, args)? } else { None };
    let mut files = if known.is_some() { Vec::new() } else { starter(clock::now()) };
    let extra = pipelines::files(args, known.as_ref())?.into_iter();
    files.extend(extra);
    files.extend(args.hook.then(|| (".pre-commit-config.yaml", HOOK.to_owned())));
    ensure_absent(&args.folder, &files, known.is_some())?;
    for (path, text) in &files {
        write(&args.folder.join(path), text)?;
        terminal.print(&format!("{path}\n"))?;
    }
    if let Some(ci) = args.ci {
        for line in pipelines::next(ci) {
            terminal.say(line);
        }
    }
    if known.is_none() {
        let inside =
            if args.folder == Path::new(".") { String::new() } else { format!("cd {} && ", args.folder.display()) };
        terminal.say(&format!("Next: {inside}accord plan, then accord apply"));
    }
    Ok(Exit::Done)
}

/// The policies in the folder, where there are any: pipelines name the secrets that they need.
///
/// # Errors
/// Everything that is wrong with them.
fn known(terminal: Terminal, global: &Global, args: &InitArgs) -> Result<Option<Policy>, Failure> {
    let policies = args.folder.join("policies");
    if !policies.join("accord.yaml").is_file() {
        return Ok(None);
    }
    let there = Global { policies: Some(policies), ..global.clone() };
    Session::offline(terminal, &there).map(|session| Some(session.policy))
}

/// Every file of the starter at an instant.
fn starter(now: Instant) -> Vec<(&'static str, String)> {
    let day = |days: i64| now.plus(days * DAY).timestamp().strftime("%Y-%m-%d").to_string();
    let fill = |text: &str| {
        text.replace("{{today}}", &day(0)).replace("{{quarter}}", &day(90)).replace("{{half_year}}", &day(180))
    };
    let mut files: Vec<_> = FILES.iter().map(|(path, text)| (*path, fill(text))).collect();
    files.push((".vscode/settings.json", SETTINGS.to_owned()));
    files.push((".vscode/accord.schema.json", super::generate::schema_of(None)));
    files.push((".gitignore", IGNORE.to_owned()));
    files
}

/// All or nothing: a half-written starter beside somebody's files helps nobody.
fn ensure_absent(folder: &Path, files: &[(&str, String)], has_policies: bool) -> Result<(), Failure> {
    let there: Vec<_> = files
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| folder.join(path).symlink_metadata().is_ok())
        .map(|path| format!("`{path}`"))
        .collect();
    // Policies of other names would be read together with the starter's.
    if there.is_empty() && (has_policies || folder.join("policies").symlink_metadata().is_err()) {
        return Ok(());
    }
    let what = if there.is_empty() { "`policies`".to_owned() } else { there.join(", ") };
    let help =
        if has_policies { "move it away, and merge what both hold" } else { "accord init FOLDER, with a new one" };
    Err(Failure::new(format!("{what} is there already; nothing was written")).help(help))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "make", &error))?;
    }
    fs::write(path, text).map_err(|error| Failure::file(path, "write", &error))
}
