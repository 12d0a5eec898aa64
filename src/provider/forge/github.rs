//! GitHub's pull requests and their reviews.
//!
//! Comes in: answers of `GET /repos/{owner}/{repo}/pulls/{number}`, `…/reviews` and
//! `…/commits/{sha}/pulls`. Goes out: [`Reviews`], and which request brought a commit. Refuses: a state of a review that it does not know: it might be one
//! that takes an approval back.

use super::{Event, Forge, Member, Merged, Reviews, Told, Verdict, judge, name, short};
use crate::policy::settings::ForgeKind;
use crate::provider::ProviderError;
use crate::provider::http::{Client, Request};
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What every request carries: the version of the API that this was written for.
pub(super) const HEADERS: &[(&str, &str)] = &[("x-github-api-version", "2022-11-28")];

/// A reader of one repository's pull requests.
pub(super) struct GitHub {
    pub(super) client: Client,
    /// `owner/name`.
    pub(super) project: String,
    pub(super) branch: String,
}

#[derive(Debug, Deserialize)]
struct User {
    id: u64,
    login: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Pull {
    number: u64,
    /// None of an account that was deleted.
    user: Option<User>,
    head: Tip,
    base: Target,
}

#[derive(Debug, Deserialize)]
struct Tip {
    sha: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Target {
    #[serde(rename = "ref")]
    branch: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Review {
    id: u64,
    user: Option<User>,
    state: Box<str>,
    /// None of a commit that is gone.
    commit_id: Option<Box<str>>,
    /// None while it is pending.
    submitted_at: Option<Timestamp>,
}

/// A request as the list of those of a commit tells it.
#[derive(Debug, Deserialize)]
struct Completed {
    number: u64,
    head: Tip,
    base: Target,
    /// None of a request that was not merged.
    merged_at: Option<Timestamp>,
    /// The commit that the branch had when the request was merged into it: of a merge or a
    /// squash the one that was made, of a rebase the last one.
    merge_commit_sha: Option<Box<str>>,
}

impl Forge for GitHub {
    fn merged<'a>(&'a self, commit: &'a str) -> LocalBoxFuture<'a, Result<Option<Merged>, ProviderError>> {
        Box::pin(self.completed(commit))
    }

    fn reviews<'a>(&'a self, number: u64, commit: &'a str) -> LocalBoxFuture<'a, Result<Reviews, ProviderError>> {
        Box::pin(self.read(number, commit))
    }
}

impl GitHub {
    async fn read(&self, number: u64, commit: &str) -> Result<Reviews, ProviderError> {
        let object = name(&self.project, number);
        let told = Told { forge: ForgeKind::GitHub, object: &object };
        let before = self.pull(&told, number).await?;
        let text = number.to_string();
        let path = self.path(&text);
        let path = [&path[..], &["reviews"]].concat();
        let request = Request { operation: "read the reviews of", object: &object, path: &path, query: &[] };
        let pages = self.client.pages::<Review>(&request).await?;
        let evidence = vec![pages.evidence];
        let events = events(&told, pages.items)?;
        let after = self.pull(&told, number).await?;
        if before.head.sha != after.head.sha {
            return Err(told.moved(&before.head.sha, &after.head.sha));
        }
        let author = after.user.map_or(Member { id: 0, login: "ghost".into() }, member);
        let (approvals, uncounted) = judge(events, &author, commit);
        Ok(Reviews { head: after.head.sha, author, approvals, uncounted, evidence })
    }

    async fn completed(&self, commit: &str) -> Result<Option<Merged>, ProviderError> {
        let object = format!("{}@{}", self.project, short(commit));
        let told = Told { forge: ForgeKind::GitHub, object: &object };
        let mut path = self.repository();
        path.extend(["commits", commit, "pulls"]);
        let request = Request { operation: "read the requests of", object: &object, path: &path, query: &[] };
        let all = self.client.pages::<Completed>(&request).await?.items;
        let is_it = |one: &Completed| {
            one.merged_at.is_some()
                && *one.base.branch == *self.branch
                && one.merge_commit_sha.as_deref() == Some(commit)
        };
        let merged = |one: Completed| Merged { number: one.number, head: one.head.sha };
        told.only(all.into_iter().filter(is_it).map(merged).collect())
    }

    async fn pull(&self, told: &Told<'_>, number: u64) -> Result<Pull, ProviderError> {
        let text = number.to_string();
        let path = self.path(&text);
        let request = Request { operation: "read the pull request", object: told.object, path: &path, query: &[] };
        let pull: Pull = self.client.get(&request).await?;
        if pull.number != number {
            return Err(told.another(pull.number));
        }
        if *pull.base.branch != *self.branch {
            return Err(told.branch(&pull.base.branch, &self.branch));
        }
        Ok(pull)
    }

    fn repository(&self) -> Vec<&str> {
        let mut path = vec!["repos"];
        path.extend(self.project.split('/'));
        path
    }

    fn path<'a>(&'a self, number: &'a str) -> Vec<&'a str> {
        let mut path = self.repository();
        path.extend(["pulls", number]);
        path
    }
}

fn member(user: User) -> Member {
    Member { id: user.id, login: user.login }
}

fn events(told: &Told<'_>, reviews: Vec<Review>) -> Result<Vec<Event>, ProviderError> {
    const HELP: &str = "try again; if it stays so, report it: accord counts nothing that it does not understand";
    let mut seen = BTreeSet::new();
    let mut events = Vec::new();
    for review in reviews {
        if !seen.insert(review.id) {
            return Err(
                told.error(format!("review {} came twice: the list changed while it was read", review.id), HELP)
            );
        }
        let verdict = match &*review.state {
            "APPROVED" => Verdict::Approved,
            "CHANGES_REQUESTED" => Verdict::ChangesRequested,
            "DISMISSED" => Verdict::Dismissed,
            "COMMENTED" | "PENDING" => continue,
            other => {
                return Err(told.error(format!("review {} is in the unknown state `{other}`", review.id), HELP));
            }
        };
        let Some(at) = review.submitted_at else {
            return Err(told.error(format!("review {} has no date", review.id), HELP));
        };
        // A deleted account is nobody.
        let Some(user) = review.user else { continue };
        let commit = review.commit_id.ok_or_else(|| "the commit that was approved is gone".into());
        events.push(Event { reviewer: member(user), verdict, at: (at, review.id), commit });
    }
    Ok(events)
}
