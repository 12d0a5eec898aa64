//! `accord generate`: schema for editors, completions, manual pages, CODEOWNERS.
//!
//! Comes in: the command line's own description and the written form of policies.
//! Goes out: text. Refuses: to stop at policies with errors: the schema helps to mend them.

use super::args::{Args, CodeownersArgs, Generate, GenerateArgs, Global};
use super::failure::{Exit, Failure};
use super::repository;
use super::session::{self, Session};
use super::terminal::Terminal;
use crate::history;
use crate::policy::settings::ForgeKind;
use crate::policy::{Policy, schema};
use crate::render::codeowners;
use clap::CommandFactory;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Writes what is asked for.
pub(super) fn run(terminal: Terminal, global: &Global, args: &GenerateArgs) -> Result<Exit, Failure> {
    match &args.what {
        Generate::Codeowners(args) => return codeowners(terminal, global, args),
        Generate::Schema => terminal.print(&schema_of(session::known(global).as_ref()))?,
        Generate::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Args::command(), "accord", &mut text);
            terminal.print(&String::from_utf8_lossy(&text))?;
        }
        Generate::Man { out: None } => terminal.print(&page(Args::command())?)?,
        Generate::Man { out: Some(folder) } => {
            fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "make", &error))?;
            clap_mangen::generate_to(Args::command(), folder)
                .map_err(|error| Failure::file(folder, "write manual pages to", &error))?;
            terminal.say(&format!("manual pages are in {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}

/// Whom the forge asks for a review.
fn codeowners(terminal: Terminal, global: &Global, args: &CodeownersArgs) -> Result<Exit, Failure> {
    let session = Session::offline(terminal, global)?;
    let Some(top) = history::top(&session.repository.policies)? else {
        return Err(Failure::new("the policies are in no git repository, so no forge reads a CODEOWNERS beside them"));
    };
    let cwd = repository::working_directory()?;
    let place = |path: &Path| -> Result<String, Failure> {
        let inside = real(&cwd.join(path)).and_then(|real| real.strip_prefix(&top).ok().map(Path::to_owned));
        let text = inside.and_then(|inside| inside.to_str().map(str::to_owned));
        text.ok_or_else(|| Failure::new(format!("`{}` is not inside the repository", path.display())))
    };
    let folder = place(&session.repository.policies)?;
    let default = PathBuf::from(match session.policy.oversight.forge.as_ref().map(|forge| forge.kind) {
        Some(ForgeKind::GitLab) => ".gitlab/CODEOWNERS",
        _ => ".github/CODEOWNERS",
    });
    let here = args.out.as_deref().map_or_else(|| Ok(default.to_string_lossy().into_owned()), place)?;
    let block = codeowners::block(&session.policy, &folder, &here, session.now);
    if !block.nameless.is_empty() {
        let who = block.nameless.join(", ");
        terminal.say(&format!("left out, because no name on the forge is written for them (`forge:`): {who}"));
    }
    let Some(path) = &args.out else {
        terminal.print(&block.text)?;
        return Ok(Exit::Done);
    };
    let now = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::file(path, "read", &error)),
    };
    let wanted = codeowners::with(&now, &block.text);
    let shown = path.display();
    if now == wanted {
        terminal.say(&format!("{shown} is what the policies say"));
    } else if args.check {
        return Err(Failure::new(format!("`{shown}` is not what the policies say"))
            .help(format!("accord generate codeowners --out {shown}")));
    } else {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "make", &error))?;
        }
        fs::write(path, wanted).map_err(|error| Failure::file(path, "write", &error))?;
        terminal.say(&format!("{shown} is written; whose approval counts, `accord review approvals` says"));
    }
    Ok(Exit::Done)
}

/// A path without links, also where its last parts do not exist yet.
fn real(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|part| {
        let (real, rest) = (part.canonicalize().ok()?, path.strip_prefix(part).ok()?);
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    })
}

/// The JSON Schema (draft 7) of policy files, with the names of `known` as completions.
pub(super) fn schema_of(known: Option<&Policy>) -> String {
    // A schema is plain JSON: it can always be written.
    serde_json::to_string_pretty(&schema::schema(known)).map(|text| text + "\n").unwrap_or_default()
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(Failure::from)?;
    String::from_utf8(text).map_err(|_| Failure::from(io::Error::from(io::ErrorKind::InvalidData)))
}
