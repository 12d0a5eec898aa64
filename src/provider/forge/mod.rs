//! WHO AGREED: the reviews of a pull or merge request, as the forge itself tells them.
//!
//! Comes in: `forge:` of the settings, a token, the number of a request, a commit. Goes
//! out: who approved exactly that commit, by the forge's own stable id, and every verdict
//! that does not count with the reason. Refuses: a request into another branch, one that
//! changed while it was read, half a list, and to write anything.
//!
//! The rules are one for all forges (`judge`): the latest verdict of each reviewer wins;
//! only an approval of exactly the commit counts; the author's own never does.

mod github;
mod gitlab;

use super::ProviderError;
use super::http::{Base, Client, Limits, Login, Proxy, Settings};
use crate::model::Instant;
use crate::policy::settings::{ForgeKind, ForgeSettings};
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A person's account on a forge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The forge's number for it, never used again.
    pub id: u64,
    /// Its name, which may change and be taken by somebody else.
    pub login: Box<str>,
}

/// What a reviewer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Agreed.
    Approved,
    /// Disagreed.
    ChangesRequested,
    /// Agreed or disagreed, and somebody took that back.
    Dismissed,
}

/// One verdict of one reviewer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    reviewer: Member,
    verdict: Verdict,
    /// When, in the forge's clock; then in the forge's order.
    at: (Timestamp, u64),
    /// The commit that was reviewed, or why nobody can tell.
    commit: Result<Box<str>, Box<str>>,
}

/// An approval that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Whose.
    pub reviewer: Member,
    /// When.
    pub at: Instant,
}

/// A verdict that does not count as an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Whose.
    pub reviewer: Member,
    /// Why not, and what would change that.
    pub why: String,
}

/// What the forge tells about one request and one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviews {
    /// The request's last commit, as the forge sees it.
    pub head: Box<str>,
    /// Who opened the request.
    pub author: Member,
    /// Approvals of exactly the commit that was asked about, by reviewer.
    pub approvals: Vec<Approval>,
    /// Everybody else who gave a verdict, by reviewer.
    pub uncounted: Vec<Uncounted>,
    /// What shows that this is all, for people.
    pub evidence: Vec<String>,
}

/// The request by which a commit came into the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its number.
    pub number: u64,
    /// Its last commit: what reviews are of.
    pub head: Box<str>,
}

/// A reader of reviews; it holds no way to write.
pub trait Forge {
    /// The merged request that `commit` of the branch completed: the forge made that commit
    /// of it, or the branch was moved to it. `None` where no request did, so somebody pushed it.
    ///
    /// # Errors
    /// When the forge refuses, does not know the commit or does not tell everything; when
    /// it names two requests.
    fn merged<'a>(&'a self, commit: &'a str) -> LocalBoxFuture<'a, Result<Option<Merged>, ProviderError>>;

    /// Who approved exactly `commit` (40 or 64 hexadecimal digits) in request `number`.
    ///
    /// # Errors
    /// When the forge refuses or does not tell everything; when the request goes into
    /// another branch, or changed while it was read.
    fn reviews<'a>(&'a self, number: u64, commit: &'a str) -> LocalBoxFuture<'a, Result<Reviews, ProviderError>>;
}

/// What a connection needs beside the settings; resolved by `cli`.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The token of `forge.token`.
    pub token: Option<SecretString>,
    /// Against which `ca` is resolved (the repository's root).
    pub root: PathBuf,
    /// The proxy of the environment.
    pub proxy: Option<Proxy>,
}

/// The reader of that forge. Touches no network.
///
/// # Errors
/// What is wrong with a setting, and what to write.
pub fn reader(settings: &ForgeSettings, access: &Access) -> Result<Box<dyn Forge>, ProviderError> {
    let wrong = |message: String, help: &str| ProviderError {
        directory: settings.kind.word().to_owned(),
        operation: "settings".to_owned(),
        message,
        help: vec![help.to_owned()],
    };
    let parts: Vec<&str> = settings.project.split('/').collect();
    let (default, login, headers, form): (_, fn(SecretString) -> Login, _, _) = match settings.kind {
        ForgeKind::GitHub => ("https://api.github.com", Login::Bearer, github::HEADERS, parts.len() == 2),
        ForgeKind::GitLab => {
            let token = |token| Login::Header("private-token", token);
            ("https://gitlab.com/api/v4", token, gitlab::HEADERS, parts.len() >= 2)
        }
    };
    if !form || parts.iter().any(|part| part.is_empty()) {
        let message = format!("`{}` is no repository of {}", settings.project, settings.kind.word());
        return Err(wrong(message, "write `project: owner/name`"));
    }
    let base =
        Base::parse(settings.url.as_deref().unwrap_or(default)).map_err(|(message, help)| wrong(message, help))?;
    let mut limits = Limits::default();
    if let Some(seconds) = settings.timeout {
        limits.whole = Duration::from_secs(seconds.max(1).into());
    }
    let client = Client::new(&Settings {
        service: settings.kind.word(),
        base,
        ca: settings.ca.as_ref().map(|ca| access.root.join(ca)),
        login: access.token.clone().map_or(Login::Anonymous, login),
        headers,
        proxy: access.proxy.clone(),
        limits,
    })?;
    let (project, branch) = (settings.project.clone(), settings.branch.clone());
    Ok(match settings.kind {
        ForgeKind::GitHub => Box::new(github::GitHub { client, project, branch }),
        ForgeKind::GitLab => Box::new(gitlab::GitLab { client, project, branch }),
    })
}

/// Which verdicts count for `commit`.
fn judge(events: Vec<Event>, author: &Member, commit: &str) -> (Vec<Approval>, Vec<Uncounted>) {
    let mut latest: BTreeMap<u64, Event> = BTreeMap::new();
    for event in events {
        match latest.get(&event.reviewer.id) {
            Some(known) if known.at > event.at => {}
            _ => drop(latest.insert(event.reviewer.id, event)),
        }
    }
    let (mut approvals, mut uncounted) = (Vec::new(), Vec::new());
    for (_, Event { reviewer, verdict, at: (at, _), commit: of }) in latest {
        let why = match (verdict, of) {
            _ if reviewer.id == author.id => "the author's own review".to_owned(),
            (Verdict::ChangesRequested, _) => "requested changes".to_owned(),
            (Verdict::Dismissed, _) => "the review was dismissed".to_owned(),
            (Verdict::Approved, Err(why)) => why.into_string(),
            (Verdict::Approved, Ok(of)) if *of != *commit => {
                format!("approved commit {}, not {}", short(&of), short(commit))
            }
            (Verdict::Approved, Ok(_)) => {
                approvals.push(Approval { reviewer, at: Instant::from_seconds(at.as_second()) });
                continue;
            }
        };
        uncounted.push(Uncounted { reviewer, why });
    }
    (approvals, uncounted)
}

/// As much of a commit's name as people read.
fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// What a request is called in messages.
fn name(project: &str, number: u64) -> String {
    format!("{project}#{number}")
}

/// Errors of meaning, in the shape of the client's.
struct Told<'a> {
    forge: ForgeKind,
    object: &'a str,
}

impl Told<'_> {
    fn error(&self, message: impl Into<String>, help: &str) -> ProviderError {
        ProviderError {
            directory: self.forge.word().to_owned(),
            operation: format!("read the reviews of `{}`", self.object),
            message: message.into(),
            help: vec![help.to_owned()],
        }
    }

    /// The one request among those that a commit completed.
    fn only(&self, mut found: Vec<Merged>) -> Result<Option<Merged>, ProviderError> {
        if let [one, other, ..] = found.as_slice() {
            let message = format!("two requests are said to have brought it: {} and {}", one.number, other.number);
            return Err(self.error(message, "bring the change in by one request"));
        }
        Ok(found.pop())
    }

    fn another(&self, number: u64) -> ProviderError {
        let help = "check that the URL is that of the API, and that nothing in between answers for it";
        self.error(format!("the answer is about request {number}"), help)
    }

    fn branch(&self, target: &str, branch: &str) -> ProviderError {
        let message = format!("the request goes into `{target}`, and approvals count for `{branch}`");
        self.error(message, "open a request into that branch, or correct `forge.branch`")
    }

    fn moved(&self, before: &str, after: &str) -> ProviderError {
        let message = format!("its last commit was {} and is now {}", short(before), short(after));
        self.error(message, "somebody pushed while the reviews were read: run it again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, verdict: Verdict, second: i64, commit: &str) -> Event {
        Event {
            reviewer: Member { id, login: format!("user{id}").into() },
            verdict,
            at: (Timestamp::from_second(second).unwrap(), 0),
            commit: Ok(commit.into()),
        }
    }

    fn counted(events: Vec<Event>) -> (Vec<u64>, Vec<String>) {
        let author = Member { id: 1, login: "author".into() };
        let (approvals, uncounted) = judge(events, &author, "head");
        let why = |u: Uncounted| format!("{}: {}", u.reviewer.id, u.why);
        (approvals.into_iter().map(|a| a.reviewer.id).collect(), uncounted.into_iter().map(why).collect())
    }

    #[test]
    fn the_latest_verdict_of_each_reviewer_wins_whatever_the_order_of_the_answer() {
        use Verdict::{Approved, ChangesRequested, Dismissed};
        let events = vec![
            event(2, Approved, 10, "head"),
            event(3, Approved, 10, "head"),
            event(3, ChangesRequested, 11, "head"),
            event(4, Dismissed, 12, "head"),
            event(4, Approved, 11, "head"),
            event(5, ChangesRequested, 9, "old"),
            event(5, Approved, 10, "head"),
            event(6, Approved, 10, "old"),
            // Approved here, then approved something else: that is the latest word.
            event(7, Approved, 10, "head"),
            event(7, Approved, 11, "old"),
            event(1, Approved, 10, "head"),
        ];
        let expected = counted(events.clone());
        assert_eq!(expected.0, [2, 5]);
        assert_eq!(
            expected.1,
            [
                "1: the author's own review",
                "3: requested changes",
                "4: the review was dismissed",
                "6: approved commit old, not head",
                "7: approved commit old, not head",
            ]
        );
        assert_eq!(counted(events.into_iter().rev().collect()), expected);
    }
}
