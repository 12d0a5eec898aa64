//! `accord review approvals BASE..HEAD`: who must agree to a change, who has, who could.
//!
//! Comes in: two commits, the number of a request, a token. Goes out: what is covered and
//! what is missing; exit code 3 if anything is. Refuses: to learn from the change itself
//! where to ask: forge, token and authority are those of BASE.

use super::args::{Format, Global, ReviewArgs, ReviewOf};
use super::breaches;
use super::failure::{Exit, Failure};
use super::notes;
use super::redaction;
use super::secrets;
use super::session::Session;
use super::terminal::{self, Terminal};
use crate::history;
use crate::policy::Policy;
use crate::policy::settings::ForgeSettings;
use crate::provider::ProviderError;
use crate::provider::forge::{self, Access, Forge, Merged, Reviews};
use crate::provider::http::Proxy;
use crate::render::approvals::{Asked, Report, Uncounted, markdown, text};
use crate::resolve::References;
use crate::review::approvals::{Account, Given, approvals};
use crate::review::{Side, difference};
use secrecy::SecretString;
use std::path::Path;
use tokio::runtime::Runtime;

/// Works out what needs agreement and asks the forge who agreed.
pub(super) fn run(terminal: Terminal, global: &Global, args: &ReviewArgs) -> Result<Exit, Failure> {
    let args = match &args.of {
        ReviewOf::Approvals(args) => args,
        ReviewOf::Constraints(args) => return breaches::run(terminal, global, args),
    };
    let Some((base, head)) =
        args.range.split_once("..").filter(|(a, b)| !a.is_empty() && !b.is_empty() && !b.starts_with('.'))
    else {
        return Err(
            Failure::new(format!("`{}` is no range of commits", args.range)).help("accord review approvals BASE..HEAD")
        );
    };
    let base = Session::asked(terminal, global, Some(base))?;
    let head = Session::asked(terminal, global, Some(head))?;
    let commit =
        |session: &Session<'_>| session.revision.as_ref().map(|revision| revision.commit.clone()).unwrap_or_default();
    let mut asked =
        Asked { base: commit(&base), head: commit(&head), request: None, author: None, evidence: Vec::new() };
    let reviews = match args.request {
        Some(number) => Some(reviews(global, &base, number, &mut asked)?),
        None => None,
    };
    let nothing = References::default();
    let at = base.now;
    let found = difference(Side::new(&base.policy, &nothing, at), Side::new(&head.policy, &nothing, at));
    let account = |member: &forge::Member| Account { id: member.id, login: member.login.clone() };
    let author = reviews.as_ref().map(|reviews| account(&reviews.author));
    let given: Vec<Account> = reviews.iter().flat_map(|r| &r.approvals).map(|one| account(&one.reviewer)).collect();
    let who = approvals(&found, Given { author: author.as_ref(), approvals: &given });
    if let Some(gone) = who.mute.iter().find(|mute| mute.left) {
        let message = format!("`{}` approved, and {}", gone.account.login, gone.why);
        return Err(
            Failure::new(message).help("have the review dismissed, and ask somebody who is with the organisation")
        );
    }
    let uncounted = reviews.iter().flat_map(|reviews| &reviews.uncounted);
    let uncounted = uncounted.map(|one| Uncounted { account: one.reviewer.login.to_string(), why: one.why.clone() });
    let report = Report::new(&found, &who, asked, uncounted.collect());
    let report = redaction::of(global, &[&base.policy, &head.policy])?.approvals(&report);
    notes::append(&args.also, || Ok(markdown(&report)))?;
    match global.format {
        Format::Json => terminal.print(&terminal::json(&*report)?)?,
        Format::Text => terminal.print(&text(&report))?,
        Format::Markdown => terminal.print(&markdown(&report))?,
        _ => return Err(terminal::no_format("review", global.format)),
    }
    Ok(if who.is_covered() { Exit::Done } else { Exit::Withheld })
}

/// The forge, as the policies of one commit describe it, asked one question after the other.
pub(super) struct Reader {
    forge: Box<dyn Forge>,
    runtime: Runtime,
    project: String,
}

/// Prepares for asking the forge that `policy`, the policies at the commit `base`, describes;
/// nothing is asked yet.
///
/// # Errors
/// When the policies name no forge, its token is not there, or `ca` is not that of `base`.
pub(super) fn reader(global: &Global, policy: &Policy, root: &Path, base: &str) -> Result<Reader, Failure> {
    let Some(settings) = &policy.oversight.forge else {
        return Err(Failure::new("the policies at BASE do not say where reviews are (`forge`)")
            .help("write `forge:` into accord.yaml and merge that first"));
    };
    authority(root, settings, base)?;
    let token = settings.token.as_ref();
    let token = token.map(|token| secrets::resolve(global, "`token` of `forge`", token)).transpose()?;
    let access = Access { token, root: root.to_owned(), proxy: proxy() };
    let forge = forge::reader(settings, &access).map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("the network cannot be used: {error}")))?;
    Ok(Reader { forge, runtime, project: settings.project.clone() })
}

fn failed(error: &ProviderError) -> Failure {
    error.help.iter().fold(Failure::new(error.to_string()), |failure, help| failure.help(help.clone()))
}

impl Reader {
    /// A request as people call it.
    pub(super) fn request(&self, number: u64) -> String {
        format!("{}#{number}", self.project)
    }

    /// The merged request that a commit of the branch completed.
    ///
    /// # Errors
    /// Those of the forge.
    pub(super) fn merged(&self, commit: &str) -> Result<Option<Merged>, Failure> {
        self.runtime.block_on(self.forge.merged(commit)).map_err(|error| failed(&error))
    }

    /// Who approved exactly a commit of a request.
    ///
    /// # Errors
    /// Those of the forge.
    pub(super) fn reviews(&self, number: u64, commit: &str) -> Result<Reviews, Failure> {
        self.runtime.block_on(self.forge.reviews(number, commit)).map_err(|error| failed(&error))
    }
}

/// Who approved HEAD, as the forge of BASE tells it.
fn reviews(global: &Global, base: &Session<'_>, number: u64, asked: &mut Asked) -> Result<Reviews, Failure> {
    let reader = reader(global, &base.policy, &base.repository.root, &asked.base)?;
    let (reviews, request) = (reader.reviews(number, &asked.head)?, reader.request(number));
    if *reviews.head != *asked.head {
        let message = format!("the last commit of `{request}` is {}, not {}", reviews.head, asked.head);
        return Err(Failure::new(message).help("ask about the commit that is to be merged: BASE..HEAD"));
    }
    asked.request = Some(request);
    asked.author = Some(reviews.author.login.to_string());
    asked.evidence.clone_from(&reviews.evidence);
    Ok(reviews)
}

/// The file of `forge.ca` must be that of BASE: with another one, anybody could answer.
fn authority(root: &Path, settings: &ForgeSettings, base: &str) -> Result<(), Failure> {
    let Some(ca) = &settings.ca else { return Ok(()) };
    let ours =
        std::fs::read(root.join(ca)).map_err(|error| Failure::file(Path::new(ca), "read `forge.ca` from", &error))?;
    if history::file_at(root, Path::new(ca), base)?.as_deref() == Some(&ours[..]) {
        return Ok(());
    }
    Err(Failure::withheld(format!("the file `{ca}` of `forge.ca` is not that of BASE; the forge was not asked"))
        .help("merge the change of the file first, by its own review"))
}

/// The proxy of the environment, as other programs read it; `HTTP_PROXY` may be set by a
/// request to a web server and is not asked.
#[expect(clippy::disallowed_methods, reason = "the environment is read in `cli`, and this is it")]
fn proxy() -> Option<Proxy> {
    let variable =
        |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok()).filter(|v| !v.is_empty());
    let url = SecretString::from(variable(["HTTPS_PROXY", "https_proxy"])?);
    Some(Proxy { url, except: variable(["NO_PROXY", "no_proxy"]) })
}
