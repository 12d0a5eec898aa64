//! What a saved plan must show before it is executed.
//!
//! Comes in: a saved plan with its bytes, `--signers`, `--max-age`, the journal, git.
//! Goes out: who signed it, and leave to go on. Refuses: a plan that nobody who may has
//! signed, that is too old or from the future, that was executed whole before, or whose
//! commit does not stand on the one that was applied last (a forgotten plan would take
//! back what came after it).

use super::args::{Global, Proof};
use super::clock;
use super::failure::Failure;
use super::repository::Repository;
use super::secrets;
use super::session;
use super::trust;
use crate::history;
use crate::model::Instant;
use crate::plan::signature::{self, Signer, Signers, SigningKey};
use crate::plan::{Plan, file};
use crate::policy::settings::SecretRef;
use crate::record::{self, Applied};
use secrecy::ExposeSecret as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What is known of a saved plan.
pub(super) struct Found {
    /// Who signed it.
    pub(super) signer: Option<Signer>,
    /// The run that did every change of it.
    pub(super) applied: Option<Applied>,
    /// Whether its commit stands on the one that was applied last.
    pub(super) on_top: Option<bool>,
    /// What `apply` refuses it for, in words.
    pub(super) refused: Vec<String>,
}

/// How far a plan's instant may lie ahead of this machine's clock, in seconds.
const CLOCKS: i64 = 300;

/// A saved plan whose digest is right, with the bytes that a signature is of.
pub(super) struct Saved {
    pub(super) plan: Plan,
    bytes: Vec<u8>,
    path: PathBuf,
}

impl Saved {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no plan, or was changed after it was made.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
        let plan = file::read(&bytes).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
        Ok(Self { plan, bytes, path: path.to_owned() })
    }

    /// Everything that can be known without a directory; says who signed.
    ///
    /// # Errors
    /// The first thing that is missing, and what to do about it.
    pub(super) fn ensure(&self, global: &Global, proof: &Proof, now: Instant) -> Result<Option<Signer>, Failure> {
        let repository = Repository::find(global)?;
        let signer = self.signer(global, &repository, proof, now)?;
        self.fresh(proof, now)?;
        self.on_top(&repository)?;
        Ok(signer)
    }

    /// The same, with everything that `apply` refuses it for, and nothing refused.
    ///
    /// # Errors
    /// When the journal or git cannot be read.
    pub(super) fn examine(
        &self,
        global: &Global,
        repository: &Repository,
        proof: &Proof,
        now: Instant,
    ) -> Result<Found, Failure> {
        let told = |result: Result<(), Failure>| match result {
            Err(Failure::Said(why, _, _)) => Some(why),
            Ok(()) | Err(_) => None,
        };
        let mut signer = None;
        let is_signed = self.signer(global, repository, proof, now).map(|found| signer = found);
        let (applied, stands) = (self.used(repository)?, self.stands(repository)?);
        let mut refused: Vec<String> = [is_signed, self.fresh(proof, now)].into_iter().filter_map(told).collect();
        refused.extend(applied.as_ref().map(|applied| self.is_used(applied)));
        refused.extend(told(self.on_top(repository)));
        Ok(Found { signer, applied, on_top: stands.and_then(|(_, stands)| stands), refused })
    }

    /// Who signed, where `--signers` asks.
    fn signer(
        &self,
        global: &Global,
        repository: &Repository,
        proof: &Proof,
        now: Instant,
    ) -> Result<Option<Signer>, Failure> {
        let Some(list) = &proof.signers else { return Ok(None) };
        trust::ensure_same(global, repository, list, "--signers")?;
        let text = limited(list)?;
        let signers = Signers::read(&text, &session::zone(global)).map_err(|wrong| {
            let all: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Failure::new(format!("the signers in `{}`: {}", list.display(), all.join("; ")))
        })?;
        let path = signature_of(&self.path);
        if !path.exists() {
            let missing = format!("`{}` is not signed: there is no `{}`", self.path.display(), path.display());
            return Err(Failure::new(missing).help("accord plan --out FILE --sign-key env:NAME"));
        }
        let verified = signers.verify(&self.bytes, &limited(&path)?, now);
        let signer = verified.map_err(|error| {
            Failure::new(format!("`{}`: {error}", self.path.display())).help(format!(
                "if that key may sign plans, add it to `{}`; otherwise ask who made this",
                list.display()
            ))
        })?;
        Ok(Some(signer))
    }

    fn fresh(&self, proof: &Proof, now: Instant) -> Result<(), Failure> {
        let Some(longest) = &proof.max_age else { return Ok(()) };
        let longest = clock::term(longest)?;
        let age = now.as_seconds() - self.plan.at.as_seconds();
        let path = self.path.display();
        let again = "accord plan --out FILE, and have that reviewed";
        if age < -CLOCKS {
            let ahead = format!("`{path}` says that it was made {}, which is in the future", self.plan.at);
            return Err(Failure::new(ahead).help("look at the clocks of both machines").help(again));
        }
        if age > longest.seconds() {
            let old = format!("`{path}` was made {}, longer ago than --max-age {longest}", self.plan.at);
            return Err(Failure::new(old).help(again));
        }
        Ok(())
    }

    /// Refuses to send anything of a plan of which a run did everything: what has become
    /// undone since was undone by somebody. `in_effect` is whether all of it still is.
    ///
    /// # Errors
    /// When there is such a run, or the journal cannot be read.
    pub(super) fn unused(&self, repository: &Repository, in_effect: bool) -> Result<(), Failure> {
        match self.used(repository)? {
            Some(applied) if !in_effect => {
                let more = "and not all of it is in effect any more";
                Err(Failure::new(format!("{}, {more}", self.is_used(&applied)))
                    .help("accord plan --out FILE, and have that reviewed"))
            }
            _ => Ok(()),
        }
    }

    fn is_used(&self, applied: &Applied) -> String {
        let Applied { run, at, .. } = applied;
        format!("`{}` was applied already: run {run} of {at} did every change of it", self.path.display())
    }

    /// The run that did every change of it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn used(&self, repository: &Repository) -> Result<Option<Applied>, Failure> {
        let folder = record::journal_folder(&repository.root);
        record::of_plan(&folder, &self.plan.digest).map_err(|error| Failure::file(&folder, "read", &error))
    }

    fn on_top(&self, repository: &Repository) -> Result<(), Failure> {
        let Some((last, stands)) = self.stands(repository)? else { return Ok(()) };
        let (Applied { run, at, policy }, commit) = (last, self.plan.policy.commit.as_deref().unwrap_or("none"));
        let applied = policy.commit.as_deref().unwrap_or("none");
        match stands {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::new(format!(
                "the plan is of commit {commit}, which does not stand on {applied}, applied by run {run} of {at}: it \
                 would take back what came after it"
            ))
            .help("plan again on a commit that contains that one; to take something back, `git revert` it")),
            None => Err(Failure::new(format!(
                "whether the plan's commit {commit} stands on {applied}, applied by run {run} of {at}, cannot be told: \
                 git does not have that one here"
            ))
            .help("git fetch --unshallow, or plan again on a commit that contains it")),
        }
    }

    /// The run whose commit was applied last, and whether the plan's stands on it;
    /// `None` where nothing of a commit was applied, or the plan is of no commit.
    ///
    /// # Errors
    /// When the journal or git cannot be read.
    fn stands(&self, repository: &Repository) -> Result<Option<(Applied, Option<bool>)>, Failure> {
        let Some(commit) = &self.plan.policy.commit else { return Ok(None) };
        let folder = record::journal_folder(&repository.root);
        let last = record::last_commit(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
        let Some(last) = last else { return Ok(None) };
        let from = last.policy.commit.clone().unwrap_or_default();
        let stands = history::descends(&repository.root, commit, &from)?;
        Ok(Some((last, stands)))
    }
}

/// Signs the plan file at `path`, beside it.
///
/// # Errors
/// When the key is not where the reference says, is no Ed25519 key, or nothing can be
/// written there.
pub(super) fn sign(global: &Global, key: &SecretRef, path: &Path) -> Result<PathBuf, Failure> {
    let text = secrets::resolve(global, "`--sign-key`", key)?;
    let wrong = |error: signature::SignatureError| Failure::new(error.to_string());
    let key = SigningKey::read(text.expose_secret()).map_err(wrong)?;
    let bytes = fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
    let signature = key.sign(&bytes).map_err(wrong)?;
    let beside = signature_of(path);
    fs::write(&beside, signature).map_err(|error| Failure::file(&beside, "write", &error))?;
    Ok(beside)
}

/// Takes away the signature of an earlier plan of that name.
///
/// # Errors
/// When there is one that cannot be taken away.
pub(super) fn unsign(path: &Path) -> Result<(), Failure> {
    let beside = signature_of(path);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(&beside, "remove", &error)),
        _ => Ok(()),
    }
}

/// `FILE.sig`, as `ssh-keygen -Y sign` calls it.
fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The text of a small file.
fn limited(path: &Path) -> Result<String, Failure> {
    let wrong = |error: &std::io::Error| Failure::file(path, "read", error);
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| wrong(&error))?;
    let limit = signature::LONGEST as u64;
    file.take(limit + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if text.len() as u64 > limit {
        return Err(Failure::new(format!("`{}` is longer than {limit} bytes", path.display())));
    }
    Ok(text)
}
