//! GitLab's merge requests and their approvals.
//!
//! Comes in: answers of `GET /projects/:id/merge_requests/:iid` and below it `versions`,
//! `approvals`, `reviewers` and, where approvals carry no date, `notes`; and of
//! `…/repository/commits/:sha/merge_requests`. Goes out: [`Reviews`], and which request
//! brought a commit. Refuses: to count an approval that the last push may have come after.
//!
//! GitLab does not say which commit somebody approved. What ties an approval to one is
//! the time: it counts if it was given after the request's last version was made, and
//! that version ends with the commit. A version is made after every push, also one that
//! goes back to an earlier commit.

use super::{Event, Forge, Member, Merged, Reviews, Told, Verdict, judge, name, short};
use crate::policy::settings::ForgeKind;
use crate::provider::ProviderError;
use crate::provider::http::{Client, Request};
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// What every request carries.
pub(super) const HEADERS: &[(&str, &str)] = &[];

/// The setting by which GitLab itself withdraws approvals, told where one does not count.
const SETTING: &str =
    "turn on \"Remove all approvals when commits are added\" in the project's merge request approval settings";

/// A reader of one project's merge requests.
pub(super) struct GitLab {
    pub(super) client: Client,
    /// `group/…/name`.
    pub(super) project: String,
    pub(super) branch: String,
}

#[derive(Debug, Deserialize)]
struct User {
    id: u64,
    username: Box<str>,
}

#[derive(Debug, Deserialize)]
struct MergeRequest {
    iid: u64,
    author: User,
    /// The last commit; none before there is one.
    sha: Option<Box<str>>,
    target_branch: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Version {
    id: u64,
    head_commit_sha: Box<str>,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Approvals {
    approved_by: Vec<Approver>,
}

#[derive(Debug, Deserialize)]
struct Approver {
    user: User,
    /// Servers before 18 do not say it.
    approved_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Reviewer {
    user: User,
    state: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Note {
    id: u64,
    system: bool,
    /// Brought from elsewhere: whoever made the export could write what they liked.
    #[serde(default)]
    imported: bool,
    body: Box<str>,
    author: User,
    created_at: Timestamp,
}

/// A request as the list of those of a commit tells it.
#[derive(Debug, Deserialize)]
struct Completed {
    iid: u64,
    state: Box<str>,
    target_branch: Box<str>,
    sha: Option<Box<str>>,
    merge_commit_sha: Option<Box<str>>,
    squash_commit_sha: Option<Box<str>>,
}

impl Completed {
    /// The commit that the branch had when the request was merged: the merge, else what
    /// everything was squashed into, else its own last one (the branch was moved to it).
    fn completes(&self, commit: &str) -> bool {
        let made = self.merge_commit_sha.as_ref().or(self.squash_commit_sha.as_ref()).or(self.sha.as_ref());
        &*self.state == "merged" && made.is_some_and(|made| **made == *commit)
    }
}

impl Forge for GitLab {
    fn merged<'a>(&'a self, commit: &'a str) -> LocalBoxFuture<'a, Result<Option<Merged>, ProviderError>> {
        Box::pin(self.completed(commit))
    }

    fn reviews<'a>(&'a self, number: u64, commit: &'a str) -> LocalBoxFuture<'a, Result<Reviews, ProviderError>> {
        Box::pin(self.read(number, commit))
    }
}

impl GitLab {
    async fn read(&self, number: u64, commit: &str) -> Result<Reviews, ProviderError> {
        let object = name(&self.project, number);
        let told = Told { forge: ForgeKind::GitLab, object: &object };
        let ask = Ask { client: &self.client, project: &self.project, number: number.to_string(), object: &object };
        let before = self.request(&told, &ask, number).await?;
        let versions: Vec<Version> = ask.pages("read the versions of", "versions").await?;
        let approvals: Approvals = ask.one("read the approvals of", Some("approvals")).await?;
        let reviewers: Vec<Reviewer> = ask.pages("read the reviewers of", "reviewers").await?;
        let notes = if approvals.approved_by.iter().any(|approver| approver.approved_at.is_none()) {
            last_approvals(ask.pages("read the notes of", "notes").await?)
        } else {
            BTreeMap::new()
        };
        let after = self.request(&told, &ask, number).await?;
        if before.0 != after.0 {
            return Err(told.moved(&before.0, &after.0));
        }
        let (head, author) = after;
        let Some(last) = versions.into_iter().max_by_key(|version| version.id) else {
            return Err(told.error("it has no version", "wait until GitLab has worked on the push, then run it again"));
        };
        if last.head_commit_sha != head {
            let message = format!("its last version ends with {}, not {}", short(&last.head_commit_sha), short(&head));
            return Err(told.error(message, "wait until GitLab has worked on the push, then run it again"));
        }
        let mut events = Vec::new();
        for Approver { user, approved_at } in approvals.approved_by {
            let at = approved_at.or_else(|| notes.get(&user.id).copied());
            let tied = tie(at, &last);
            let at = (at.unwrap_or(Timestamp::MIN), 0);
            events.push(Event { reviewer: member(user), verdict: Verdict::Approved, at, commit: tied });
        }
        // A reviewer's own state is of now, so it comes after every approval.
        let asked = reviewers.into_iter().filter(|reviewer| &*reviewer.state == "requested_changes");
        events.extend(asked.map(|reviewer| Event {
            reviewer: member(reviewer.user),
            verdict: Verdict::ChangesRequested,
            at: (Timestamp::MAX, 0),
            commit: Ok(head.clone()),
        }));
        let (approvals, uncounted) = judge(events, &author, commit);
        let made = last.created_at;
        let evidence = vec![format!("approvals after {made}, when the version of {} was made", short(&head))];
        Ok(Reviews { head, author, approvals, uncounted, evidence })
    }

    async fn completed(&self, commit: &str) -> Result<Option<Merged>, ProviderError> {
        let object = format!("{}@{}", self.project, short(commit));
        let told = Told { forge: ForgeKind::GitLab, object: &object };
        let path = ["projects", &self.project, "repository", "commits", commit, "merge_requests"];
        let request = Request { operation: "read the requests of", object: &object, path: &path, query: &[] };
        let all = self.client.pages::<Completed>(&request).await?.items;
        let is_it = |one: &Completed| *one.target_branch == *self.branch && one.completes(commit);
        let merged = |one: Completed| Some(Merged { number: one.iid, head: one.sha? });
        told.only(all.into_iter().filter(is_it).filter_map(merged).collect())
    }

    async fn request(&self, told: &Told<'_>, ask: &Ask<'_>, number: u64) -> Result<(Box<str>, Member), ProviderError> {
        let request: MergeRequest = ask.one("read the merge request", None).await?;
        if request.iid != number {
            return Err(told.another(request.iid));
        }
        if *request.target_branch != *self.branch {
            return Err(told.branch(&request.target_branch, &self.branch));
        }
        let sha = request.sha.ok_or_else(|| told.error("it has no commit", "push one, then run it again"))?;
        Ok((sha, member(request.author)))
    }
}

/// What every question about one merge request has in common.
struct Ask<'a> {
    client: &'a Client,
    project: &'a str,
    number: String,
    object: &'a str,
}

impl Ask<'_> {
    async fn one<T: DeserializeOwned>(&self, operation: &str, below: Option<&str>) -> Result<T, ProviderError> {
        let path = self.path(below);
        self.client.get(&Request { operation, object: self.object, path: &path, query: &[] }).await
    }

    async fn pages<T: DeserializeOwned>(&self, operation: &str, below: &str) -> Result<Vec<T>, ProviderError> {
        let path = self.path(Some(below));
        let request = Request { operation, object: self.object, path: &path, query: &[] };
        Ok(self.client.pages(&request).await?.items)
    }

    fn path<'p>(&'p self, below: Option<&'p str>) -> Vec<&'p str> {
        let mut path = vec!["projects", self.project, "merge_requests", &self.number];
        path.extend(below);
        path
    }
}

fn member(user: User) -> Member {
    Member { id: user.id, login: user.username }
}

/// The commit that an approval given then is of, or why nobody can tell.
fn tie(at: Option<Timestamp>, last: &Version) -> Result<Box<str>, Box<str>> {
    match at {
        Some(at) if at > last.created_at => Ok(last.head_commit_sha.clone()),
        Some(at) => Err(format!("approved at {at}, before the last push ({}); {SETTING}", last.created_at).into()),
        None => Err(format!("GitLab does not say when, so it may be of an earlier commit; {SETTING}").into()),
    }
}

/// When each user approved, of those whose last word in the system notes is approval.
fn last_approvals(notes: Vec<Note>) -> BTreeMap<u64, Timestamp> {
    let mut words: BTreeMap<u64, ((Timestamp, u64), bool)> = BTreeMap::new();
    for note in notes.into_iter().filter(|note| note.system && !note.imported) {
        let is_approval = match &*note.body {
            "approved this merge request" => true,
            "unapproved this merge request" => false,
            _ => continue,
        };
        let at = (note.created_at, note.id);
        let word = words.entry(note.author.id).or_insert((at, is_approval));
        if at >= word.0 {
            *word = (at, is_approval);
        }
    }
    words.into_iter().filter(|(_, (_, is_approval))| *is_approval).map(|(id, ((at, _), _))| (id, at)).collect()
}
