//! Along the branch, from the commit up to which access was approved to this one.
//!
//! Comes in: commits, policies at each, the forge. Goes out: what each step gave, by which
//! request it came in and who approved that, in a ledger. Refuses: to count an approval for
//! a commit that is not exactly what merging the approved one gives.

use super::approved::short;
use super::directories::Live;
use super::failure::Failure;
use super::planning;
use super::review::Reader;
use super::session::{self, Session};
use crate::history::Branch;
use crate::plan::references;
use crate::plan::unapproved::StepOf;
use crate::policy::{GroupId, Holding, Manage, Policy};
use crate::provider::forge::{Merged, Reviews};
use crate::record::Approved;
use crate::resolve::{self, Reference, References};
use crate::review::approvals::Account;
use crate::review::ledger::{Access, Ledger, Shown, Step};
use crate::review::{Side, difference};
use std::collections::BTreeMap;

/// Most commits that one request is looked for in: those of a rebase.
const LONGEST: usize = 250;

/// The groups that are managed elsewhere, as they were read, for policies of other commits.
pub(super) struct Read(BTreeMap<String, Vec<String>>);

/// What was read of them.
pub(super) fn references(session: &Session<'_>, live: &Live) -> Read {
    let policy = &session.policy;
    let read = references::kept(policy, &references::references(policy, &planning::inputs(live)));
    Read(read.into_iter().map(|((directory, group), people)| (format!("{directory}/{group}"), people)).collect())
}

impl Read {
    /// The same people in the words of other policies.
    pub(super) fn of(&self, policy: &Policy) -> References {
        let elsewhere = (0u32..).zip(&policy.groups).filter(|(_, group)| group.manage == Manage::Reference);
        let read = elsewhere.filter_map(|(n, _)| {
            let id = GroupId(n);
            let people = self.0.get(&resolve::name(policy, Holding::Group(id)))?;
            let mut known: Vec<_> = people.iter().filter_map(|key| policy.person_named(key)).collect();
            known.sort_unstable();
            Some((id, Reference::Read(known)))
        });
        References { groups: read.collect() }
    }
}

/// A step: the last commit of it, what it stands on, and the request by which it came.
struct Came {
    commit: String,
    onto: String,
    by: By,
}

/// By what a step came in.
enum By {
    /// Somebody pushed it.
    Push,
    /// A request, and where that parted from the branch.
    Request(Merged, String),
    /// A request whose approvals are of something else, and why.
    Other(Merged, String),
}

/// The way along the branch.
pub(super) struct Walk<'s, 'p> {
    session: &'s Session<'p>,
    branch: &'s Branch,
    references: &'s Read,
    known: &'s Approved,
    /// The last policies by which changes may be judged.
    sound: Kept<'s>,
    /// The policies of the step before.
    last: Kept<'s>,
    /// What is agreed to.
    pub(super) ledger: Ledger,
    /// For the plan's file.
    pub(super) steps: Vec<StepOf>,
    /// The last commit up to which nothing lacks an approval.
    pub(super) whole: String,
}

/// Policies of a commit, borrowed or loaded on the way.
#[derive(Clone)]
enum Kept<'s> {
    Ours(&'s Policy),
    Loaded(std::rc::Rc<Policy>),
}

impl std::ops::Deref for Kept<'_> {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        match self {
            Self::Ours(policy) => policy,
            Self::Loaded(policy) => policy,
        }
    }
}

impl<'s, 'p> Walk<'s, 'p> {
    /// At the beginning: the policies of `known.since`.
    pub(super) fn new(
        session: &'s Session<'p>,
        branch: &'s Branch,
        references: &'s Read,
        before: &'s Policy,
        known: &'s Approved,
    ) -> Self {
        let (sound, last) = (Kept::Ours(before), Kept::Ours(before));
        let whole = known.since.clone().unwrap_or_default();
        Self { session, branch, references, known, sound, last, ledger: Ledger::default(), steps: Vec::new(), whole }
    }

    /// Goes along, asking the forge for each commit. The last one may be of `request`, which is
    /// not merged yet.
    ///
    /// # Errors
    /// When the forge does not tell everything, git cannot be read, or policies on the way
    /// cannot be understood.
    pub(super) fn follow(&mut self, reader: &Reader, request: Option<u64>) -> Result<(), Failure> {
        let from = self.whole.clone();
        let Some(head) = self.session.mark.commit.clone() else { return Ok(()) };
        let open = match request {
            Some(number) => Some(Merged { number, head: reader.reviews(number, &head)?.head }),
            None => None,
        };
        let merged = |commit: &str| match reader.merged(commit)? {
            None if commit == head => Ok(open.clone()),
            found => Ok(found),
        };
        for came in self.came(merged, &from, &head)? {
            self.step(reader, &came)?;
            if self.known.until.as_ref() == Some(&came.commit) {
                let named = |(person, entitlement, account): &(String, String, Option<String>)| Access {
                    person: person.clone(),
                    entitlement: entitlement.clone(),
                    account: account.clone(),
                };
                self.ledger.remember(self.known.access.iter().map(named));
            }
        }
        if self.session.mark.dirty {
            let policy = Kept::Ours(&self.session.policy);
            let how = "what is not committed, so nobody can have approved it".to_owned();
            self.judge(policy, None, None, &how);
            self.steps.push(StepOf::default());
        }
        Ok(())
    }

    /// The steps from one commit to another, each as long as the request by which it came.
    fn came(
        &self,
        merged: impl Fn(&str) -> Result<Option<Merged>, Failure>,
        from: &str,
        to: &str,
    ) -> Result<Vec<Came>, Failure> {
        let Some(commits) = self.branch.after(from, to)? else {
            // Written anew, or moved to a branch that had merged this one.
            let by = self.by(merged(to)?, to, from)?;
            return Ok(vec![Came { commit: to.to_owned(), onto: from.to_owned(), by }]);
        };
        let mut steps: Vec<Came> = Vec::new();
        let at = |n: usize| n.checked_sub(1).and_then(|n| commits.get(n)).map_or(from, String::as_str);
        // First of the commits that are in no step yet that came by a request.
        let mut first = 0;
        let mut pushed: Vec<usize> = Vec::new();
        for (n, commit) in commits.iter().enumerate() {
            if self.branch.same(at(n), commit)? {
                continue;
            }
            let mut by = match merged(commit)? {
                None => By::Push,
                Some(merged) => self.by(Some(merged), commit, at(n))?,
            };
            // The last commit of a rebase, or of a branch that was moved: the longest way that is the request's.
            let mut onto = n;
            if let By::Request(merged, _) | By::Other(merged, _) = &by {
                for start in first.max(n.saturating_sub(LONGEST))..n {
                    if let longer @ By::Request(..) = self.by(Some(merged.clone()), commit, at(start))? {
                        (by, onto) = (longer, start);
                        break;
                    }
                }
            }
            if !matches!(by, By::Request(..)) {
                pushed.push(n);
                steps.push(Came { commit: commit.clone(), onto: at(n).to_owned(), by });
                continue;
            }
            while pushed.last().is_some_and(|last| *last >= onto) {
                pushed.pop();
                steps.pop();
            }
            steps.push(Came { commit: commit.clone(), onto: at(onto).to_owned(), by });
            first = n + 1;
        }
        Ok(steps)
    }

    /// Whether a commit brought exactly what its request was approved for.
    fn by(&self, merged: Option<Merged>, commit: &str, onto: &str) -> Result<By, Failure> {
        let Some(merged) = merged else { return Ok(By::Push) };
        if !self.branch.has(&merged.head) {
            let head = short(&merged.head);
            let why = format!(
                "its last commit {head} is not here: fetch it (git fetch origin refs/pull/{0}/head, of GitLab refs/merge-requests/{0}/head)",
                merged.number
            );
            return Ok(By::Other(merged, why));
        }
        if let Some(parted) = self.branch.merge_of(commit, onto, &merged.head)? {
            return Ok(By::Request(merged, parted));
        }
        let why = format!("it holds something else than merging {} gives", short(&merged.head));
        Ok(By::Other(merged, why))
    }

    fn step(&mut self, reader: &Reader, came: &Came) -> Result<(), Failure> {
        let Came { commit, onto, by } = came;
        let policy = self.policy(commit)?;
        let mut step = StepOf { commit: Some(commit.clone()), ..StepOf::default() };
        let name = short(commit);
        let agreed = match by {
            By::Push => {
                let how = format!("commit {name} came in by no request");
                self.judge(policy, None, None, &how)
            }
            By::Other(merged, why) => {
                let request = reader.request(merged.number);
                let how = format!("commit {name} came in by {request}, and {why}");
                step.request = Some(request);
                self.judge(policy, None, None, &how)
            }
            By::Request(merged, parted) => {
                let request = reader.request(merged.number);
                let reviews = reader.reviews(merged.number, &merged.head)?;
                let how = format!("commit {name} came in by {request}, approved at {}", short(&merged.head));
                let shown = self.shown(came, merged, parted, onto)?;
                step.request = Some(request);
                step.head = Some(merged.head.to_string());
                self.judge(policy, Some(&reviews), shown.as_ref(), &how)
            }
        };
        step.approved_by = agreed.by;
        self.steps.push(step);
        if agreed.is_whole {
            self.whole.clone_from(commit);
        }
        Ok(())
    }

    /// What the request showed, where that is not exactly what its merge changed.
    fn shown(&self, came: &Came, merged: &Merged, parted: &str, onto: &str) -> Result<Option<Shown>, Failure> {
        if self.branch.same(parted, onto)? && self.branch.same(&merged.head, &came.commit)? {
            return Ok(None);
        }
        let (base, head) = (self.policy(parted)?, self.policy(&merged.head)?);
        let (theirs, ours) = (self.references.of(&base), self.references.of(&head));
        let at = self.session.now;
        Ok(Some(Shown::new(&difference(Side::new(&base, &theirs, at), Side::new(&head, &ours, at)))))
    }

    fn judge(
        &mut self,
        policy: Kept<'s>,
        reviews: Option<&Reviews>,
        shown: Option<&Shown>,
        how: &str,
    ) -> crate::review::ledger::Agreed {
        let at = self.session.now;
        let account = |member: &crate::provider::forge::Member| Account { id: member.id, login: member.login.clone() };
        let author = reviews.map(|reviews| account(&reviews.author));
        let given: Vec<Account> =
            reviews.iter().flat_map(|reviews| &reviews.approvals).map(|one| account(&one.reviewer)).collect();
        let (of_last, of_sound, of_new) =
            (self.references.of(&self.last), self.references.of(&self.sound), self.references.of(&policy));
        let after = || Side::new(&policy, &of_new, at);
        let changed = difference(Side::new(&self.last, &of_last, at), after());
        let is_same = std::ptr::eq(&raw const *self.last, &raw const *self.sound);
        let judged = (!is_same).then(|| difference(Side::new(&self.sound, &of_sound, at), after()));
        let agreed = self.ledger.follow(&Step {
            judged: judged.as_ref().unwrap_or(&changed),
            changed: &changed,
            shown,
            author: author.as_ref(),
            approvals: &given,
            how,
        });
        drop((changed, judged));
        if agreed.is_sound {
            self.sound = policy.clone();
        }
        self.last = policy;
        agreed
    }

    fn policy(&self, commit: &str) -> Result<Kept<'s>, Failure> {
        if self.session.mark.commit.as_deref() == Some(commit) && !self.session.mark.dirty {
            return Ok(Kept::Ours(&self.session.policy));
        }
        let found = session::quietly(self.session, commit).map(|policy| Kept::Loaded(std::rc::Rc::new(policy)));
        found.ok_or_else(|| {
            Failure::new(format!("the policies at commit {} cannot be understood", short(commit)))
                .help("look at what it gives, then name a later commit once: --approved-since REV")
        })
    }
}
